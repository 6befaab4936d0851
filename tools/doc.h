/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_DOC_H
#define IPMESH_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Documents, YAML or JSON, as one kind of tree.  A node knows where it came
 * from, so that every later refusal can name the file, the line (YAML only:
 * jansson keeps none) and the field.
 */
enum doc_kind { DOC_NULL, DOC_SCALAR, DOC_SEQ, DOC_MAP };

struct doc_node {
	enum doc_kind kind;
	bool plain;		/* a scalar without quotes: a number, a bool, … */
	bool nul;		/* a scalar that has a NUL, where its text ends */
	int line;		/* 0: unknown */
	char *key;		/* in a map */
	size_t index;		/* in a sequence */
	char *text;		/* of a scalar */
	const char *file;	/* owned by the set */
	struct doc_node *parent;
	struct doc_node **child;
	size_t n, room;
};

struct doc_set {
	struct doc_node **doc;
	size_t n, room;
	char **name;		/* of the files read */
	size_t n_names, room_names;
};

/* Reads a file, a directory of files, or "-" for standard input. */
int doc_load(struct doc_set *set, const char *path);
/* Reads text that is already in memory. */
int doc_parse(struct doc_set *set, const char *name, const char *buf, size_t len);
void doc_free(struct doc_set *set);

/* A field of a map; NULL when absent or null. */
const struct doc_node *doc_get(const struct doc_node *map, const char *key);
/* The same through several maps, up to a NULL. */
const struct doc_node *doc_path(const struct doc_node *map, ...)
	__attribute__((sentinel));

/*
 * One line on standard error: file, line, field path, and what is wrong.
 * Returns -1 for the convenience of the caller.
 */
int doc_fail(const struct doc_node *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* "file:line: field.path", for naming a second place; in a rotating buffer. */
const char *doc_where(const struct doc_node *at);

/*
 * Each reads the field KEY of MAP: 1 when there, 0 when absent, -1 when of
 * the wrong type (said on standard error).
 */
int doc_map(const struct doc_node *map, const char *key, const struct doc_node **out);
int doc_seq(const struct doc_node *map, const char *key, const struct doc_node **out);
int doc_string(const struct doc_node *map, const char *key, const struct doc_node **out);
int doc_bool(const struct doc_node *map, const char *key, bool *out);
int doc_uint(const struct doc_node *map, const char *key, uint64_t min,
	     uint64_t max, uint64_t *out);

/* Refuses a field of MAP that is not in the list, which ends with a NULL. */
int doc_known(const struct doc_node *map, const char *const *fields);

#endif
