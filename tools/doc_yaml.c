// SPDX-License-Identifier: GPL-2.0-or-later
/* YAML to a document tree, by libyaml's events. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "doc.h"
#include "doc_tree.h"
#include "err.h"

struct reader {
	struct doc_set *set;
	const char *file;
	yaml_parser_t parser;
	struct doc_node *doc;	/* the one being read */
	struct doc_node *at;	/* its innermost open map or sequence */
	char *wrong;		/* what is; or NULL */
	char *key;		/* read, its value not yet */
	int key_line;
	unsigned int depth;
};

/* What is wrong, the file before it; -1 for the convenience of the caller. */
static int __attribute__((format(printf, 2, 3)))
refuse(struct reader *r, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!r->wrong)
		r->wrong = xasprintf("%s:%s", r->file, text ? text : " out of memory");
	free(text);
	return -1;
}

static int syntax(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	int line = (int)p->problem_mark.line + 1;

	if (p->error == YAML_READER_ERROR)
		return refuse(r, " %s at byte %zu", p->problem, p->problem_offset);
	if (p->context)
		return refuse(r, "%d: %s %s (begun in line %zu): is the file truncated?",
			      line, p->problem ? p->problem : "not YAML", p->context,
			      p->context_mark.line + 1);
	return refuse(r, "%d: %s: is the file truncated?", line,
		      p->problem ? p->problem : "not YAML");
}

/* Puts a finished or opened node where it belongs. */
static int place(struct reader *r, struct doc_node *n)
{
	if (!r->at) {
		r->doc = n;
		return 0;
	}
	if (r->at->kind == DOC_MAP) {
		n->key = r->key;
		r->key = NULL;
	}
	doc_node_add(r->at, n);
	return 0;
}

static bool is_null(const yaml_event_t *ev)
{
	const char *s = (const char *)ev->data.scalar.value;

	return ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*s || !strcmp(s, "~") || !strcmp(s, "null"));
}

static int scalar(struct reader *r, const yaml_event_t *ev)
{
	const char *s = (const char *)ev->data.scalar.value;
	int line = (int)ev->start_mark.line + 1;
	struct doc_node *n;
	char *text;

	text = xstrdup(s);
	if (r->at && r->at->kind == DOC_MAP && !r->key) {
		r->key = text;
		r->key_line = line;
		return 0;
	}
	n = doc_node_new(is_null(ev) ? DOC_NULL : DOC_SCALAR, r->file, line);
	n->text = text;
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->nul = strlen(s) != ev->data.scalar.length;
	return place(r, n);
}

static int open_node(struct reader *r, enum doc_kind kind, int line)
{
	struct doc_node *n;

	if (r->at && r->at->kind == DOC_MAP && !r->key)
		return refuse(r, "%d: a list or map as the name of a field", line);
	if (++r->depth > DOC_DEPTH_MAX)
		return refuse(r, "%d: nested deeper than %d", line, DOC_DEPTH_MAX);
	/* "spec:" is a better place to point at than the line after it. */
	if (r->key)
		line = r->key_line;
	n = doc_node_new(kind, r->file, line);
	place(r, n);
	r->at = n;
	return 0;
}

static int close_node(struct reader *r)
{
	const struct doc_node *n = r->at, *twice;

	r->depth--;
	r->at = n->parent;
	twice = n->kind == DOC_MAP ? doc_node_double(n) : NULL;
	if (!twice)
		return 0;
	r->wrong = xasprintf("%s: the field is given twice: remove one", doc_where(twice));
	return -1;
}

static int one(struct reader *r, const yaml_event_t *ev)
{
	int line = (int)ev->start_mark.line + 1;

	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return scalar(r, ev);
	case YAML_MAPPING_START_EVENT:
		return open_node(r, DOC_MAP, line);
	case YAML_SEQUENCE_START_EVENT:
		return open_node(r, DOC_SEQ, line);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return close_node(r);
	case YAML_ALIAS_EVENT:
		return refuse(r, "%d: \"*%s\": aliases are not read: write the value out",
			      line, ev->data.alias.anchor);
	case YAML_DOCUMENT_END_EVENT:
		if (r->doc)
			doc_set_add(r->set, r->doc);
		r->doc = NULL;
		return 0;
	default:
		return 0;
	}
}

char *doc_parse_yaml(struct doc_set *set, const char *file, const char *buf, size_t len)
{
	struct reader r = { .set = set, .file = file };
	yaml_event_type_t type;
	yaml_event_t ev;
	int ret;

	if (!yaml_parser_initialize(&r.parser))
		return xasprintf("%s: libyaml does not start", file);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)buf, len);
	do {
		if (!yaml_parser_parse(&r.parser, &ev)) {
			ret = syntax(&r);
			break;
		}
		type = ev.type;
		ret = one(&r, &ev);
		yaml_event_delete(&ev);
	} while (!ret && type != YAML_STREAM_END_EVENT);
	yaml_parser_delete(&r.parser);
	doc_node_free(r.doc);
	free(r.key);
	return r.wrong;
}
