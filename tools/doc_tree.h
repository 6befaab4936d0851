/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_DOC_TREE_H
#define IPMESH_DOC_TREE_H

/* What the parsers, and export, build a document tree with. */
#include "doc.h"

/* Deeper than any document that a person or kubectl writes. */
#define DOC_DEPTH_MAX 64

struct doc_node *doc_node_new(enum doc_kind kind, const char *file, int line);
void doc_node_free(struct doc_node *n);
void doc_node_add(struct doc_node *parent, struct doc_node *child);
/* A field whose name another one of the map has; or NULL. */
const struct doc_node *doc_node_double(const struct doc_node *map);
void doc_set_add(struct doc_set *set, struct doc_node *doc);

/* A new field of a map, or with KEY NULL a new element of a list. */
struct doc_node *doc_put(struct doc_node *map, const char *key, enum doc_kind kind);
struct doc_node *doc_put_text(struct doc_node *map, const char *key, const char *text);
void doc_put_plain(struct doc_node *map, const char *key, const char *text);

/* Can a document hold it: is it UTF-8? */
bool doc_is_text(const char *s);

/* To standard output: YAML, or with -j JSON; exit status. */
int doc_print(const struct doc_set *set);

/* Each adds the documents of a text to the set; NULL, or what is wrong with it, which the
 * caller frees. Those before it are in the set then.
 */
char *doc_parse_yaml(struct doc_set *set, const char *file, const char *buf, size_t len);
char *doc_parse_json(struct doc_set *set, const char *file, const char *buf, size_t len);

/* Whether the first character is one of JSON's; some YAML begins like that, too. */
bool doc_looks_json(const char *buf, size_t len);

#endif
