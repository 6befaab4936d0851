// SPDX-License-Identifier: GPL-2.0-or-later
/* JSON to a document tree, by jansson. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doc.h"
#include "doc_tree.h"
#include "err.h"
#include "json.h"

/* jansson drops the lines of values: a field path must do to find them. */
static struct doc_node *convert(const json_t *j, const char *file,
				unsigned int depth)
{
	struct doc_node *n, *c;
	const char *key;
	json_t *v;
	size_t i;

	if (depth > DOC_DEPTH_MAX)
		return NULL;
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
		n->nul = json_has_nul(j);
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

struct text {
	const char *buf;
	size_t at, len;
};

static int peek(void *data)
{
	struct text *t = data;

	return t->at < t->len ? (unsigned char)t->buf[t->at] : EOF;
}

static int take(void *data)
{
	struct text *t = data;

	return t->at < t->len ? (unsigned char)t->buf[t->at++] : EOF;
}

/* Space, and the mark of UTF-8 that some editors put before each file. */
static void pass_space(struct text *t)
{
	for (;;) {
		if (t->len - t->at >= 3 && !memcmp(t->buf + t->at, "\xef\xbb\xbf", 3))
			t->at += 3;
		else if (t->at < t->len && t->buf[t->at] && strchr(" \t\r\n", t->buf[t->at]))
			t->at++;
		else
			return;
	}
}

/* Lines before a place; only for who has to say it. */
static size_t lines_before(const struct text *t, size_t at)
{
	size_t n = 0;

	for (size_t i = 0; i < at; i++)
		n += t->buf[i] == '\n';
	return n;
}

bool doc_looks_json(const char *buf, size_t len)
{
	struct text t = { buf, 0, len };

	pass_space(&t);
	return peek(&t) == '{' || peek(&t) == '[';
}

char *doc_parse_json(struct doc_set *set, const char *file, const char *buf, size_t len)
{
	struct text t = { buf, 0, len };
	struct json_source source = { .take = take, .peek = peek, .data = &t };
	struct doc_node *doc;
	json_error_t e;
	size_t begun;
	json_t *j;

	/* Several documents may follow each other, as kubectl's watch prints. */
	for (;;) {
		pass_space(&t);
		if (t.at == t.len)
			return NULL;
		begun = t.at;
		j = json_read(&source, &e);
		if (!j)
			return xasprintf("%s:%zu: %s%s", file,
					 lines_before(&t, begun) + (size_t)e.line, e.text,
					 json_error_code(&e) == json_error_premature_end_of_input ?
					 ": the file is truncated" : "");
		doc = convert(j, file, 0);
		json_decref(j);
		if (!doc)
			return xasprintf("%s: nested deeper than %d", file, DOC_DEPTH_MAX);
		doc_set_add(set, doc);
	}
}
