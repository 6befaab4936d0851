// SPDX-License-Identifier: GPL-2.0-or-later
/* Settings of the kernel: as they are, and as sysctl.d has them at boot. */
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conffiles.h"
#include "err.h"
#include "sysctl.h"

/* Behind what distributions ship; see sysctl.d(5). */
#define OUR_FILE	"/etc/sysctl.d/99-ipmesh.conf"

bool sysctl_read(long *value, const char *fmt, ...)
{
	char *key = NULL, *path;
	bool good = false;
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	if (vasprintf(&key, fmt, ap) < 0)
		key = NULL;
	va_end(ap);
	if (!key)
		return false;
	path = xasprintf("/proc/sys/%s", key);
	f = fopen(path, "re");
	if (f) {
		good = fscanf(f, "%ld", value) == 1;
		fclose(f);
	}
	free(path);
	free(key);
	return good;
}

const char *sysctl_name(const char *key)
{
	static char buf[160];

	snprintf(buf, sizeof(buf), "%s", key);
	/* The first separator decides what the others are. */
	if (!strchr(key, '.'))
		for (char *c = buf; *c; c++)
			if (*c == '/')
				*c = '.';
	return buf;
}

struct search {
	const char *key;
	bool exact, pattern;		/* found so */
	long value;
};

/* Each line of sysctl.d is KEY=VALUE; a name without a pattern wins. */
static void on_line(void *data, const char *section, const char *key,
		    const char *value)
{
	struct search *s = data;
	char *name = xstrdup(key + (*key == '-')), *end;
	size_t first = strcspn(name, "./");
	bool exact;
	long n;

	(void)section;
	if (name[first] == '.')
		for (char *c = name; *c; c++)
			*c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
	exact = !strcmp(name, s->key);
	n = strtol(value, &end, 10);
	if (end != value && !*end &&
	    (exact || (!s->exact && !fnmatch(name, s->key, FNM_PATHNAME)))) {
		s->value = n;
		s->exact |= exact;
		s->pattern = true;
	}
	free(name);
}

bool sysctl_at_boot(const struct doctor *d, const char *key, long *value, char **file)
{
	static const char *const folders[] = {
		"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d",
		"/usr/lib/sysctl.d", "/lib/sysctl.d", NULL,
	};
	struct search s = { .key = key }, before;
	char *last = xasprintf("%s/etc/sysctl.conf", d->root);
	struct conffiles c;

	*file = NULL;
	conffiles_find(&c, d->root, folders, ".conf");
	for (size_t i = 0; i <= c.n; i++) {
		const char *path = i < c.n ? c.path[i] : last;

		before = s;
		s.pattern = false;
		conffile_read(path, on_line, &s);
		if (s.pattern) {
			free(*file);
			*file = xstrdup(path);
		}
		s.pattern |= before.pattern;
	}
	conffiles_free(&c);
	free(last);
	*value = s.value;
	return s.pattern;
}

void sysctl_mend_boot(struct doctor *d, struct finding *f, const char *key, long value)
{
	char *path = doctor_path(d, OUR_FILE);
	char *line = xasprintf("%s = %ld\n", sysctl_name(key), value);

	finding_append(f, path, line);
	free(line);
	free(path);
}

void sysctl_mend(struct doctor *d, struct finding *f, const char *key, long value)
{
	char *file, *word = xasprintf("%s=%ld", sysctl_name(key), value);
	long now, boot;

	finding_mend_net(f, "sysctl -w %s", shell_word(word));
	free(word);
	if (sysctl_read(&now, "%s", key)) {
		word = xasprintf("%s=%ld", sysctl_name(key), now);
		finding_undo_net(f, "sysctl -w %s", shell_word(word));
		free(word);
	}
	if (!sysctl_at_boot(d, key, &boot, &file) || boot != value)
		sysctl_mend_boot(d, f, key, value);
	free(file);
}
