// SPDX-License-Identifier: GPL-2.0-or-later
/* Drop-in files of systemd and NetworkManager. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conffiles.h"
#include "err.h"

const char *conffile_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool has_name(const struct conffiles *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(conffile_name(c->path[i]), name))
			return true;
	return false;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && !strcmp(s + n - k, end);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(conffile_name(*(char *const *)a),
		      conffile_name(*(char *const *)b));
}

void conffiles_find(struct conffiles *c, const char *root,
		    const char *const *folders, const char *suffix)
{
	const struct dirent *e;
	char *folder;
	DIR *dir;

	memset(c, 0, sizeof(*c));
	for (; *folders; folders++) {
		folder = xasprintf("%s%s", root, *folders);
		dir = opendir(folder);
		while (dir && (e = readdir(dir))) {
			if (!ends_with(e->d_name, suffix) || has_name(c, e->d_name))
				continue;
			c->path = xgrow(c->path, c->n, &c->cap, sizeof(*c->path));
			c->path[c->n++] = xasprintf("%s/%s", folder, e->d_name);
		}
		if (dir)
			closedir(dir);
		free(folder);
	}
	if (c->n)
		qsort(c->path, c->n, sizeof(*c->path), by_name);
}

void conffiles_free(struct conffiles *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->path[i]);
	free(c->path);
	memset(c, 0, sizeof(*c));
}

static char *trim(char *s)
{
	char *end = s + strlen(s);

	while (end > s && isspace((unsigned char)end[-1]))
		*--end = '\0';
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

bool conffile_read(const char *path,
		   void (*each)(void *data, const char *section,
				const char *key, const char *value),
		   void *data)
{
	char *section = xstrdup(""), *line = NULL, *s, *value;
	FILE *f = fopen(path, "re");
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		s = trim(line);
		if (*s == '[' && s[strlen(s) - 1] == ']') {
			s[strlen(s) - 1] = '\0';
			free(section);
			section = xstrdup(s + 1);
			continue;
		}
		value = strchr(s, '=');
		if (!value || *s == '#' || *s == ';')
			continue;
		*value++ = '\0';
		each(data, section, trim(s), trim(value));
	}
	free(line);
	free(section);
	if (f)
		fclose(f);
	return f;
}
