// SPDX-License-Identifier: GPL-2.0-or-later
/* JSON to a document tree, by jansson. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doc.h"
#include "doc_tree.h"
#include "err.h"

/* jansson drops the lines of values: a field path must do to find them. */
static struct doc_node *convert(const json_t *j, const char *file,
				unsigned int depth)
{
	struct doc_node *n, *c;
	const char *key;
	json_t *v;
	size_t i;

	if (depth > DOC_DEPTH_MAX) {
		err_refused("%s: nested deeper than %d", file, DOC_DEPTH_MAX);
		return NULL;
	}
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		n = doc_node_new(DOC_MAP, file, 0);
		json_object_foreach((json_t *)j, key, v) {
			c = convert(v, file, depth + 1);
			if (!c)
				goto fail;
			c->key = xstrdup(key);
			doc_node_add(n, c);
		}
		return n;
	case JSON_ARRAY:
		n = doc_node_new(DOC_SEQ, file, 0);
		json_array_foreach(j, i, v) {
			c = convert(v, file, depth + 1);
			if (!c)
				goto fail;
			doc_node_add(n, c);
		}
		return n;
	case JSON_NULL:
		return doc_node_new(DOC_NULL, file, 0);
	default:
		n = doc_node_new(DOC_SCALAR, file, 0);
		n->plain = !json_is_string(j);
		if (json_is_string(j))
			n->text = xstrdup(json_string_value(j));
		else
			n->text = json_dumps(j, JSON_ENCODE_ANY);
		if (!n->text)
			n->text = xstrdup("?");
		return n;
	}
fail:
	doc_node_free(n);
	return NULL;
}

int doc_parse_json(struct doc_set *set, const char *file, const char *buf, size_t len)
{
	size_t at = 0, line = 0;
	struct doc_node *doc;
	json_error_t e;
	json_t *j;

	/* Several documents may follow each other, as kubectl's watch prints. */
	for (;;) {
		while (at < len && buf[at] && strchr(" \t\r\n", buf[at]))
			line += buf[at++] == '\n';
		if (at == len)
			return 0;
		j = json_loadb(buf + at, len - at,
			       JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &e);
		if (!j) {
			err_refused("%s:%zu: %s%s", file, line + (size_t)e.line, e.text,
				    json_error_code(&e) == json_error_premature_end_of_input ?
				    ": the file is truncated" : "");
			return -1;
		}
		doc = convert(j, file, 0);
		json_decref(j);
		if (!doc)
			return -1;
		doc_set_add(set, doc);
		for (size_t i = 0; i < (size_t)e.position; i++)
			line += buf[at + i] == '\n';
		at += (size_t)e.position;
	}
}
