// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Documents as trees: reading files, and access with errors that name the
 * place.  The parsing proper is in doc_yaml.c and doc_json.c.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "doc.h"
#include "doc_tree.h"
#include "err.h"
#include "number.h"

/* More than any cluster's list has; keeps a wrong file from eating the host. */
#define DOC_BYTES_MAX ((size_t)512 << 20)

struct doc_node *doc_node_new(enum doc_kind kind, const char *file, int line)
{
	struct doc_node *n = calloc(1, sizeof(*n));

	n->kind = kind;
	n->file = file;
	n->line = line;
	return n;
}

void doc_node_free(struct doc_node *n)
{
	size_t i;

	if (!n)
		return;
	for (i = 0; i < n->n; i++)
		doc_node_free(n->child[i]);
	free(n->child);
	free(n->key);
	free(n->text);
	free(n);
}

void doc_node_add(struct doc_node *parent, struct doc_node *child)
{
	child->parent = parent;
	child->index = parent->n;
	parent->child = xgrow(parent->child, parent->n, &parent->room,
				 sizeof(*parent->child));
	parent->child[parent->n++] = child;
}

static int by_key(const void *a, const void *b)
{
	const struct doc_node *const *x = a, *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

/* Sorted, since a map may have as many keys as its writer likes. */
const struct doc_node *doc_node_double(const struct doc_node *map)
{
	const struct doc_node *found = NULL;
	struct doc_node **v;

	if (map->n < 2)
		return NULL;
	v = xmalloc(map->n * sizeof(*v));
	memcpy(v, map->child, map->n * sizeof(*v));
	qsort(v, map->n, sizeof(*v), by_key);
	for (size_t i = 1; i < map->n && !found; i++)
		if (!strcmp(v[i - 1]->key, v[i]->key))
			found = v[i];
	free(v);
	return found;
}

void doc_set_add(struct doc_set *set, struct doc_node *doc)
{
	/* "---" with nothing after it is no document, as for kubectl. */
	if (doc->kind == DOC_NULL) {
		doc_node_free(doc);
		return;
	}
	set->doc = xgrow(set->doc, set->n, &set->room, sizeof(*set->doc));
	set->doc[set->n++] = doc;
}

/* What begins like JSON, and is YAML perhaps: { kind: Node, … }. */
static char *parse_flow(struct doc_set *set, const char *file, const char *buf, size_t len)
{
	size_t before = set->n;
	char *json = doc_parse_json(set, file, buf, len), *yaml;

	if (!json)
		return NULL;
	while (set->n > before)
		doc_node_free(set->doc[--set->n]);
	yaml = doc_parse_yaml(set, file, buf, len);
	if (!yaml) {
		free(json);
		return NULL;
	}
	while (set->n > before)
		doc_node_free(set->doc[--set->n]);
	free(yaml);
	return json;
}

int doc_parse(struct doc_set *set, const char *name, const char *buf, size_t len)
{
	size_t before = set->n;
	char *file, *wrong;

	file = xstrdup(name);
	set->name = xgrow(set->name, set->n_names, &set->room_names,
			     sizeof(*set->name));
	set->name[set->n_names++] = file;

	if (doc_looks_json(buf, len))
		wrong = parse_flow(set, file, buf, len);
	else
		wrong = doc_parse_yaml(set, file, buf, len);
	if (!wrong && set->n == before)
		wrong = xasprintf("%s: holds no document: is the file empty or truncated?", file);
	if (!wrong)
		return 0;
	err_refused("%s", wrong);
	free(wrong);
	return -1;
}

static int load_stream(struct doc_set *set, FILE *f, const char *name)
{
	size_t len = 0, room = 0, got;
	char *buf = NULL;
	int ret;

	do {
		if (room - len < 4096) {
			room = room ? room * 2 : 65536;
			buf = xrealloc(buf, room);
		}
		got = fread(buf + len, 1, room - len, f);
		len += got;
	} while (got && len <= DOC_BYTES_MAX);

	if (ferror(f)) {
		err_refused("%s: cannot be read: %s", name, strerror(errno));
		ret = -1;
	} else if (len > DOC_BYTES_MAX) {
		err_refused("%s: larger than %zu MiB: not a list of nodes", name,
			    DOC_BYTES_MAX >> 20);
		ret = -1;
	} else {
		ret = doc_parse(set, name, buf, len);
	}
	free(buf);
	return ret;
}

static bool is_document(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot && (!strcmp(dot, ".yaml") ||
					 !strcmp(dot, ".yml") ||
					 !strcmp(dot, ".json"));
}

static int filter(const struct dirent *d)
{
	return is_document(d->d_name);
}

static int load_dir(struct doc_set *set, const char *path)
{
	struct dirent **list;
	int n, i, ret = 0;
	char *name;

	n = scandir(path, &list, filter, alphasort);
	if (n < 0) {
		err_refused("%s: cannot be read: %s", path, strerror(errno));
		return -1;
	}
	if (!n) {
		err_refused("%s: no *.yaml, *.yml or *.json file in this directory", path);
		ret = -1;
	}
	for (i = 0; i < n; i++) {
		if (!ret) {
			name = xasprintf("%s%s%s", path,
					 path[strlen(path) - 1] == '/' ? "" : "/",
					 list[i]->d_name);
			ret = doc_load(set, name);
			free(name);
		}
		free(list[i]);
	}
	free(list);
	return ret;
}

int doc_load(struct doc_set *set, const char *path)
{
	struct stat st;
	FILE *f;
	int ret;

	if (!strcmp(path, "-"))
		return load_stream(set, stdin, "<stdin>");
	f = *path ? fopen(path, "re") : NULL;
	if (!f || fstat(fileno(f), &st)) {
		err_refused("%s: cannot be read: %s", *path ? path : "\"\"",
			    strerror(*path ? errno : ENOENT));
		if (f)
			fclose(f);
		return -1;
	}
	if (S_ISDIR(st.st_mode))
		ret = load_dir(set, path);
	else
		ret = load_stream(set, f, path);
	fclose(f);
	return ret;
}

void doc_free(struct doc_set *set)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		doc_node_free(set->doc[i]);
	for (i = 0; i < set->n_names; i++)
		free(set->name[i]);
	free(set->doc);
	free(set->name);
	memset(set, 0, sizeof(*set));
}

const struct doc_node *doc_get(const struct doc_node *map, const char *key)
{
	size_t i;

	if (!map || map->kind != DOC_MAP)
		return NULL;
	for (i = 0; i < map->n; i++)
		if (!strcmp(map->child[i]->key, key))
			return map->child[i]->kind == DOC_NULL ? NULL : map->child[i];
	return NULL;
}

const struct doc_node *doc_path(const struct doc_node *map, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, map);
	while (map && (key = va_arg(ap, const char *)))
		map = doc_get(map, key);
	va_end(ap);
	return map;
}

static void put_path(FILE *f, const struct doc_node *n)
{
	const struct doc_node *p = n->parent;

	if (!p)
		return;
	put_path(f, p);
	if (p->kind == DOC_SEQ) {
		fprintf(f, "[%zu]", n->index);
	} else if (n->key) {
		/* "projectcalico.org/IPv4Address" is one key, not a path. */
		if (strpbrk(n->key, "./ []\"")) {
			fprintf(f, "[\"");
			fputs(err_safe(n->key), f);
			fprintf(f, "\"]");
		} else {
			if (p->parent)
				fputc('.', f);
			fputs(err_safe(n->key), f);
		}
	}
}

static void put_where(FILE *f, const struct doc_node *at)
{
	fputs(at->file, f);
	if (at->line)
		fprintf(f, ":%d", at->line);
	if (at->parent) {
		fputs(": ", f);
		put_path(f, at);
	}
}

const char *doc_where(const struct doc_node *at)
{
	static char *ring[4];
	static unsigned int turn;
	char *buf = NULL;
	size_t len;
	FILE *f;

	f = open_memstream(&buf, &len);
	if (!f)
		return at->file;
	put_where(f, at);
	fclose(f);
	turn = (turn + 1) % 4;
	free(ring[turn]);
	ring[turn] = buf;
	return buf;
}

int doc_fail(const struct doc_node *at, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	err_refused("%s: %s", doc_where(at), text ? text : "out of memory");
	free(text);
	return -1;
}

static const char *kind_word(const struct doc_node *n)
{
	switch (n->kind) {
	case DOC_MAP:
		return "a map of fields";
	case DOC_SEQ:
		return "a list";
	default:
		return "a single value";
	}
}

static int want_kind(const struct doc_node *map, const char *key,
		     enum doc_kind kind, const char *word,
		     const struct doc_node **out)
{
	*out = doc_get(map, key);
	if (!*out)
		return 0;
	if ((*out)->nul)
		return doc_fail(*out, "a NUL byte in a text");
	if ((*out)->kind == kind)
		return 1;
	return doc_fail(*out, "must be %s, not %s", word, kind_word(*out));
}

int doc_map(const struct doc_node *map, const char *key, const struct doc_node **out)
{
	return want_kind(map, key, DOC_MAP, "a map of fields", out);
}

int doc_seq(const struct doc_node *map, const char *key, const struct doc_node **out)
{
	return want_kind(map, key, DOC_SEQ, "a list", out);
}

int doc_string(const struct doc_node *map, const char *key, const struct doc_node **out)
{
	int ret = want_kind(map, key, DOC_SCALAR, "a single value", out);

	/* An empty text stands for an absent one in what kubectl prints. */
	if (ret == 1 && !*(*out)->text) {
		*out = NULL;
		return 0;
	}
	return ret;
}

int doc_bool(const struct doc_node *map, const char *key, bool *out)
{
	const struct doc_node *n;
	int ret = want_kind(map, key, DOC_SCALAR, "true or false", &n);

	if (ret <= 0)
		return ret;
	if (n->plain && !strcmp(n->text, "true"))
		*out = true;
	else if (n->plain && !strcmp(n->text, "false"))
		*out = false;
	else
		return doc_fail(n, "\"%s\" is not true or false",
				err_safe(n->text));
	return 1;
}

int doc_uint(const struct doc_node *map, const char *key, uint64_t min,
	     uint64_t max, uint64_t *out)
{
	const struct doc_node *n;
	int ret = want_kind(map, key, DOC_SCALAR, "a number", &n);

	if (ret <= 0)
		return ret;
	if (!number_read(n->text, min, max, out))
		return doc_fail(n, "\"%s\" is not a number from %llu to %llu",
				err_safe(n->text), (unsigned long long)min,
				(unsigned long long)max);
	return 1;
}

int doc_known(const struct doc_node *map, const char *const *fields)
{
	const char *const *f;
	size_t i;

	for (i = 0; i < map->n; i++) {
		for (f = fields; *f && strcmp(*f, map->child[i]->key); f++)
			;
		if (!*f)
			return doc_fail(map->child[i],
					"unknown field: see ipmesh.yaml(5)");
	}
	return 0;
}
