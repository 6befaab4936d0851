/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_DOC_TREE_H
#define IPMESH_DOC_TREE_H

/* What the parsers build a document tree with; for doc*.c only. */
#include "doc.h"

/* Deeper than any document that a person or kubectl writes. */
#define DOC_DEPTH_MAX 64

struct doc_node *doc_node_new(enum doc_kind kind, const char *file, int line);
void doc_node_free(struct doc_node *n);
void doc_node_add(struct doc_node *parent, struct doc_node *child);
int doc_node_no_doubles(const struct doc_node *map);
void doc_set_add(struct doc_set *set, struct doc_node *doc);

int doc_parse_yaml(struct doc_set *set, const char *file, const char *buf, size_t len);
int doc_parse_json(struct doc_set *set, const char *file, const char *buf, size_t len);

#endif
