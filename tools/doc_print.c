// SPDX-License-Identifier: GPL-2.0-or-later
/* Document trees as text: YAML by libyaml's emitter, or JSON. */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "addr.h"
#include "doc_tree.h"
#include "err.h"
#include "number.h"
#include "out.h"

struct doc_node *doc_put(struct doc_node *map, const char *key, enum doc_kind kind)
{
	struct doc_node *n = doc_node_new(kind, map->file, 0);

	if (key)
		n->key = xstrdup(key);
	doc_node_add(map, n);
	return n;
}

struct doc_node *doc_put_text(struct doc_node *map, const char *key, const char *text)
{
	struct doc_node *n = doc_put(map, key, DOC_SCALAR);

	n->text = xstrdup(text);
	return n;
}

void doc_put_plain(struct doc_node *map, const char *key, const char *text)
{
	doc_put_text(map, key, text)->plain = true;
}

bool doc_is_text(const char *s)
{
	json_t *v = json_string(s);	/* NULL unless it is UTF-8 */

	json_decref(v);
	return v;
}

/*
 * Would every reader of YAML, of whatever version, take it for a text?  What
 * begins with a letter and is none of the words below is one, and so is an
 * address that has a dot or "::".
 */
static bool safe_plain(const char *s)
{
	static const char *const words[] = {
		"y", "n", "yes", "no", "on", "off", "true", "false", "null",
	};
	struct prefix p;

	if (!isalpha((unsigned char)*s))
		return (strchr(s, '.') || strstr(s, "::")) && !ifaddr_parse(&p, s);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(s, words[i]))
			return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._/:-", *s))
			return false;
	return true;
}

static int yaml_event(yaml_emitter_t *e, yaml_event_t *ev, int made)
{
	return made && yaml_emitter_emit(e, ev) ? 0 : -1;
}

static int yaml_text(yaml_emitter_t *e, const char *s, bool plain)
{
	yaml_event_t ev;

	plain |= safe_plain(s);
	return yaml_event(e, &ev,
		yaml_scalar_event_initialize(&ev, NULL, NULL, (const yaml_char_t *)s,
			(int)strlen(s), plain, true, plain ? YAML_PLAIN_SCALAR_STYLE :
			YAML_DOUBLE_QUOTED_SCALAR_STYLE));
}

/* Short things on one line: lists of scalars, and the maps among these. */
static bool flat(const struct doc_node *n)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->child[i]->kind != DOC_SCALAR)
			return false;
	return n->kind == DOC_SEQ || !n->n ||
	       (n->parent && n->parent->kind == DOC_SEQ && n->n <= 2 &&
		n->parent->key && !strcmp(n->parent->key, "cidrs"));
}

static int yaml_node(yaml_emitter_t *e, const struct doc_node *n)
{
	bool map = n->kind == DOC_MAP;
	yaml_event_t ev;
	int made;

	if (n->kind == DOC_SCALAR)
		return yaml_text(e, n->text, n->plain);
	if (map)
		made = yaml_mapping_start_event_initialize(&ev, NULL, NULL, true,
			flat(n) ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE);
	else
		made = yaml_sequence_start_event_initialize(&ev, NULL, NULL, true,
			flat(n) ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE);
	if (yaml_event(e, &ev, made))
		return -1;
	for (size_t i = 0; i < n->n; i++)
		if ((map && yaml_text(e, n->child[i]->key, false)) ||
		    yaml_node(e, n->child[i]))
			return -1;
	return yaml_event(e, &ev, map ? yaml_mapping_end_event_initialize(&ev) :
				  yaml_sequence_end_event_initialize(&ev));
}

static int print_yaml(const struct doc_set *set)
{
	yaml_emitter_t e;
	yaml_event_t ev;
	int ret;

	if (!yaml_emitter_initialize(&e))
		return err_refused("libyaml does not start");
	yaml_emitter_set_output_file(&e, stdout);
	yaml_emitter_set_unicode(&e, true);
	ret = yaml_event(&e, &ev, yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING));
	for (size_t i = 0; i < set->n && !ret; i++) {
		/* "---" only where it parts two. */
		ret = yaml_event(&e, &ev, yaml_document_start_event_initialize(&ev,
						NULL, NULL, NULL, !i)) ||
		      yaml_node(&e, set->doc[i]) ||
		      yaml_event(&e, &ev, yaml_document_end_event_initialize(&ev, true));
	}
	if (!ret)
		ret = yaml_event(&e, &ev, yaml_stream_end_event_initialize(&ev));
	/* A broken standard output is told by out_flush(). */
	if (ret && e.error != YAML_WRITER_ERROR)
		err_refused("libyaml: %s", e.problem ? e.problem : "cannot write it");
	yaml_emitter_delete(&e);
	return out_flush() || ret ? EXIT_REFUSED : EXIT_DONE;
}

static void json_node(const struct doc_node *n)
{
	/* What YAML takes for a number may be none of JSON's: 0x10. */
	uint64_t value = 0;
	bool number = n->kind == DOC_SCALAR && n->plain &&
		      !n->text[strspn(n->text, "0123456789")] &&
		      number_read(n->text, 0, UINT64_MAX, &value);

	switch (n->kind) {
	case DOC_MAP:
		out_obj(n->key);
		break;
	case DOC_SEQ:
		out_arr(n->key);
		break;
	default:
		if (number)
			out_u64(n->key ? n->key : OUT_ITEM, NULL, value);
		else
			out_str(n->key ? n->key : OUT_ITEM, NULL, n->text);
		return;
	}
	for (size_t i = 0; i < n->n; i++)
		json_node(n->child[i]);
	out_end();
}

int doc_print(const struct doc_set *set)
{
	if (!out_is_json())
		return print_yaml(set);
	if (set->n == 1) {
		json_node(set->doc[0]);
		return out_flush();
	}
	out_obj(NULL);
	out_str("apiVersion", NULL, "v1");
	out_str("kind", NULL, "List");
	out_arr("items");
	for (size_t i = 0; i < set->n; i++)
		json_node(set->doc[i]);
	out_end();
	out_end();
	return out_flush();
}
