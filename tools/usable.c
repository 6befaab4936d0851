// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which states of the objects of a stream can be used, together, and the wanted
 * state that they come to. One that cannot is refused alone: the rest goes on.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "name.h"
#include "objects-impl.h"

/* Wanted states that are computed at once to find what cannot be used. */
#define TRIES_MOST	200

void version_free(struct version *v)
{
	if (!v)
		return;
	doc_free(&v->docs);
	free(v->text);
	free(v);
}

static char *first_line;

static void keep_first(const char *line)
{
	if (!first_line)
		first_line = xstrdup(line);
}

/* The first line that was said since; NULL for none. The caller's. */
static char *take_first(void (*before)(const char *line))
{
	char *line = first_line;

	err_divert(before);
	first_line = NULL;
	return line;
}

/* Tells once why a state cannot be used; LINE is taken. */
static void refuse(struct object *o, char *line)
{
	if (!line)
		line = xstrdup("cannot be used");
	if (!o->why || strcmp(o->why, line))
		err_refused("%s %s %s: %s", short_kind(o->kind), err_safe(o->name),
			    !o->good ? "is left out" :
			    o->waits && !o->next ? "stays" : "stays as it was", line);
	free(o->why);
	o->why = line;
}

struct version *version_read(struct object *o, char *text)
{
	struct version *v = xcalloc(1, sizeof(*v));
	void (*before)(const char *line) = err_divert(keep_first);
	char *place = xasprintf("%s %s", short_kind(o->kind), o->name);
	struct cluster c = { 0 };
	bool good;

	v->text = text;
	good = !doc_parse(&v->docs, place, text, strlen(text)) &&
	       !cluster_add(&c, &v->docs);
	cluster_free(&c);
	free(place);
	text = take_first(before);
	if (good) {
		free(text);
		return v;
	}
	version_free(v);
	/* A state that waited is not its last any more. */
	if (o->next) {
		version_free(o->next);
		o->next = NULL;
		o->waits = false;
	}
	refuse(o, text);
	return NULL;
}

static bool is_self(const struct objects *o, const struct object *obj)
{
	return is_node(obj) && !strcmp(obj->name, o->self);
}

/* Has this node a state, one in use or one that waits? */
static bool self_there(const struct objects *o, bool waits)
{
	for (size_t i = 0; i < o->n; i++)
		if (is_self(o, o->v[i]) &&
		    (o->v[i]->good || (waits && o->v[i]->next)))
			return true;
	return o->self_in_files;
}

/* 0 or -1, having said why. */
static int compute(const struct objects *o, struct want *w, struct cluster *c)
{
	const struct version *v;

	memset(w, 0, sizeof(*w));
	memset(c, 0, sizeof(*c));
	if (cluster_add(c, o->files))
		return -1;
	/* one of the stream that is not ready for pods stays as it was */
	c->n_lenient = o->options.strict ? 0 : c->n_nodes;
	for (size_t i = 0; i < o->n; i++) {
		v = o->v[i]->trial ? o->v[i]->next : o->v[i]->good;
		if (v && cluster_add(c, &v->docs))
			return -1;
	}
	if (cluster_blocks_check(c))
		return -1;
	if (!cluster_find(c, o->self)) {
		err_refused("it is this host");
		return -1;
	}
	return want_compute(w, c, &o->options);
}

/* Do the states on trial go together with those in use? *LINE: why not. */
static bool try(const struct objects *o, char **line)
{
	void (*before)(const char *line) = err_divert(keep_first);
	struct cluster c;
	struct want w;
	int ret = compute(o, &w, &c);

	want_free(&w);
	cluster_free(&c);
	*line = take_first(before);
	if (!ret) {
		free(*line);
		*line = NULL;
	}
	return !ret;
}

static void accept_one(struct object *o)
{
	version_free(o->good);
	o->good = o->next;
	o->next = NULL;
	o->waits = false;
	free(o->why);
	o->why = NULL;
}

/* Where to halve them: not between the documents of one node. */
static size_t middle(struct object *const *v, size_t n)
{
	size_t i = n / 2;

	while (i < n && !strcmp(v[i - 1]->name, v[i]->name))
		i++;
	return i < n ? i : n / 2;
}

/* All of them, or by halves those that can be. */
static void accept_some(struct objects *o, struct object **v, size_t n, unsigned int *tries)
{
	size_t i, half;
	char *line;
	bool good;

	/* Nothing can be judged while this node itself is not known. */
	if (!n || (n == 1 && !is_self(o, v[0]) && !self_there(o, false)))
		return;
	if (++*tries > TRIES_MOST) {
		o->undecided = true;
		return;
	}
	for (i = 0; i < n; i++)
		v[i]->trial = true;
	good = try(o, &line);
	for (i = 0; i < n; i++) {
		v[i]->trial = false;
		if (good)
			accept_one(v[i]);
	}
	if (good)
		return;
	if (n == 1) {
		refuse(v[0], line);
		return;
	}
	free(line);
	half = middle(v, n);
	accept_some(o, v, half, tries);
	accept_some(o, v + half, n - half, tries);
}

/* This node itself and the pools first: without them no other can be judged. */
static int turn_of(const struct objects *o, const struct object *obj)
{
	if (is_self(o, obj) || !is_node(obj))
		return 0;
	return obj->why ? 2 : 1;
}

static int in_order(const void *a, const void *b)
{
	return object_cmp(*(const struct object *const *)a,
		       *(const struct object *const *)b);
}

static void accept_all(struct objects *o)
{
	struct object **v = xcalloc(o->n, sizeof(*v));
	unsigned int tries = 0;
	size_t i, n, self;
	int turn;

	o->undecided = false;
	for (turn = 0; turn < 3; turn++) {
		for (i = 0, n = 0; i < o->n; i++)
			if (o->v[i]->waits && is_self(o, o->v[i]) && !turn)
				v[n++] = o->v[i];
		self = n;
		for (i = 0; i < o->n; i++)
			if (o->v[i]->waits && turn_of(o, o->v[i]) == turn &&
			    !is_self(o, o->v[i]))
				v[n++] = o->v[i];
		if (n > self)
			qsort(v + self, n - self, sizeof(*v), in_order);
		accept_some(o, v, n, &tries);
	}
	free(v);
	objects_forget(o);
}

int objects_want(struct objects *o, struct want *w, struct cluster *c)
{
	memset(w, 0, sizeof(*w));
	memset(c, 0, sizeof(*c));
	if (self_there(o, true))
		accept_all(o);
	if (self_there(o, false))
		return compute(o, w, c) ? -1 : 1;
	/* The list may still come to it. */
	if (!o->hold)
		err_refused("node \"%s\"%s is not among those that can be used: nothing is done; give the right one with --node",
			    err_safe(o->self), o->options.node ? "" :
			    " (the name of this host)");
	return 0;
}

bool objects_keep(const struct objects *o, const struct cluster *c, const char *peer)
{
	bool named = cluster_find(c, peer);
	const struct object *obj;

	for (size_t i = 0; i < o->n; i++) {
		obj = o->v[i];
		if (!is_node(obj) || strcmp(name_label(obj->name), peer))
			continue;
		named = true;
		if (!obj->good && obj->why)
			return true;
	}
	return o->hold && !named;
}
