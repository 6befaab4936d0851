// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a stream of watch events has named.
 *
 * Nothing in such a stream marks where a list ends, nor where a new one begins
 * when the watch was restarted. What is known: within one watch an object is
 * ADDED once, so that one that is there already and is ADDED again begins a new
 * list; a list is nothing but ADDED events. What a new list does not name again
 * is gone, but only when no more of it has come for the settle time.
 */
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "json.h"
#include "objects-impl.h"
#include "watch.h"

/* New names that keep coming put off the end of a list so many times longer. */
#define SETTLE_MOST	10

/* The watch of one kind. */
struct session {
	char *kind;
	bool replay;			/* a new list is coming */
	uint64_t start;			/* seq: what it named since counts */
	uint64_t begun, last;
	bool over;			/* it came, and then other events */
	uint64_t run;			/* seq of the first of nothing but ADDED */
	bool broken;			/* the list has lost something, maybe */
	bool torn;			/* so has that which may be coming */
};

static const struct version *latest(const struct object *o)
{
	return o->waits ? o->next : o->good;
}

int object_cmp(const void *a, const void *b)
{
	const struct object *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : strcmp(x->kind, y->kind);
}

static struct object *find(const struct objects *o, const char *kind,
			   const char *name)
{
	struct object key = { .kind = (char *)kind, .name = (char *)name };
	struct object *const *found = tfind(&key, &o->tree, object_cmp);

	return found ? *found : NULL;
}

static struct object *add(struct objects *o, const char *kind, const char *name)
{
	struct object *new = xcalloc(1, sizeof(*new));

	new->kind = xstrdup(kind);
	new->name = xstrdup(name);
	if (!tsearch(new, &o->tree, object_cmp)) {
		err_refused("out of memory");
		exit(EXIT_REFUSED);
	}
	o->v = xgrow(o->v, o->n, &o->cap, sizeof(*o->v));
	o->v[o->n++] = new;
	return new;
}

static void object_free(struct object *o)
{
	version_free(o->good);
	version_free(o->next);
	free(o->kind);
	free(o->name);
	free(o->why);
	free(o);
}

void objects_forget(struct objects *o)
{
	size_t i, n = 0;

	for (i = 0; i < o->n; i++) {
		if (o->hold || o->v[i]->good || o->v[i]->waits || o->v[i]->why) {
			o->v[n++] = o->v[i];
			continue;
		}
		tdelete(o->v[i], &o->tree, object_cmp);
		object_free(o->v[i]);
	}
	o->n = n;
}

int objects_init(struct objects *o, const struct doc_set *files,
		 const struct want_options *options, uint64_t settle)
{
	struct cluster c = { 0 };
	int ret;

	memset(o, 0, sizeof(*o));
	o->files = files;
	o->options = *options;
	o->settle = settle;
	o->hold = true;
	if (options->node)
		snprintf(o->self, sizeof(o->self), "%s", options->node);
	else
		cluster_hostname(o->self, sizeof(o->self));
	ret = cluster_add(&c, files);
	o->self_in_files = !ret && cluster_find(&c, o->self);
	cluster_free(&c);
	return ret;
}

static void nothing(void *object)
{
	(void)object;
}

void objects_free(struct objects *o)
{
	tdestroy(o->tree, nothing);
	for (size_t i = 0; i < o->n; i++)
		object_free(o->v[i]);
	for (size_t i = 0; i < o->n_sessions; i++)
		free(o->session[i].kind);
	free(o->v);
	free(o->session);
	memset(o, 0, sizeof(*o));
}

static struct session *session_of(struct objects *o, const char *kind)
{
	for (size_t i = 0; i < o->n_sessions; i++)
		if (!strcmp(o->session[i].kind, kind))
			return &o->session[i];
	o->session = xgrow(o->session, o->n_sessions, &o->cap_sessions,
			   sizeof(*o->session));
	o->session[o->n_sessions] = (struct session){
		.kind = xstrdup(kind), .broken = o->garbled, .torn = o->garbled,
	};
	return &o->session[o->n_sessions++];
}

/*
 * Only what readers look at: a kubelet changes the rest of its node's status
 * every few minutes.
 */
static char *essence(const json_t *object)
{
	static const char *const fields[][2] = {
		{ "apiVersion", NULL }, { "kind", NULL }, { "spec", NULL },
		{ "metadata", "name" }, { "metadata", "annotations" },
		{ "status", "addresses" }, { "status", "podCIDRs" },
	};
	json_t *out = json_object(), *in, *sub;
	char *text;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		in = json_object_get(object, fields[i][0]);
		if (!fields[i][1] || (in && !json_is_object(in))) {
			json_object_set(out, fields[i][0], in);
			continue;
		}
		in = json_object_get(in, fields[i][1]);
		sub = json_object_get(out, fields[i][0]);
		if (in && !sub) {
			sub = json_object();
			json_object_set_new(out, fields[i][0], sub);
		}
		json_object_set(sub, fields[i][1], in);
	}
	text = json_dumps(out, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(out);
	return text ? text : xstrdup("{}");
}

/* Its next state; V is taken. True when that is another. */
static bool set_next(struct object *o, struct version *v)
{
	bool same = v && o->good ? !strcmp(v->text, o->good->text) : !v && !o->good;

	version_free(o->next);
	o->next = same ? NULL : v;
	o->waits = !same;
	free(o->why);
	o->why = NULL;
	if (same)
		version_free(v);
	return true;
}

/*
 * An object that was there already is ADDED: a new list. What the list had
 * before it are new objects, ADDED in the same breath.
 */
static void restart(struct objects *o, struct session *s, uint64_t now)
{
	s->broken = s->torn;
	if (s->broken)
		watch_say("restart", "the stream of %s objects began anew, but part of it could not be read: nothing is removed",
			  short_kind(s->kind));
	else
		watch_say("restart", "the stream of %s objects began anew: what it does not name again for %us is removed",
			  short_kind(s->kind), (unsigned int)(o->settle / 1000));
	s->replay = true;
	s->over = false;
	s->start = o->seq;
	s->begun = now;
	s->last = now;
	for (size_t i = 0; i < o->n; i++)
		if (o->v[i]->fresh >= s->run && !strcmp(o->v[i]->kind, s->kind))
			o->v[i]->seq = o->seq;
}

/* An event that no list has: what comes now is no part of one that had begun. */
static void list_over(struct session *s)
{
	s->run = 0;
	s->torn = false;
	s->over = true;
}

static void on_added(struct objects *o, struct session *s, struct object *obj,
		     bool known, uint64_t now)
{
	if (!s->run)
		s->run = o->seq;
	if (known && (!s->replay || s->over || obj->seq >= s->start))
		restart(o, s, now);
	else if (s->replay)
		s->last = now;
	if (!known)
		obj->fresh = o->seq;
}

static bool on_change(struct objects *o, const char *type, const json_t *object,
		      uint64_t now)
{
	const char *api = json_string_value(json_object_get(object, "apiVersion"));
	const char *kind = json_string_value(json_object_get(object, "kind"));
	const json_t *named = json_object_get(json_object_get(object, "metadata"), "name");
	const char *name = json_has_nul(named) ? NULL : json_string_value(named);
	bool added = !strcmp(type, "ADDED"), known;
	const struct version *old;
	struct version *v;
	struct object *obj;
	struct session *s;
	char *full, *text;

	if (!api || !kind || !name || !*name) {
		err_refused("stream: an object without apiVersion, kind or metadata.name: passed over");
		return false;
	}
	full = xasprintf("%s %s", api, kind);
	s = session_of(o, full);
	obj = find(o, full, name);
	if (!obj)
		obj = add(o, full, name);
	free(full);
	old = latest(obj);
	/* One that could not be used has been named all the same. */
	known = old || obj->why;
	if (added)
		on_added(o, s, obj, known, now);
	else
		list_over(s);
	obj->seq = o->seq;
	if (!strcmp(type, "DELETED"))
		return known ? set_next(obj, NULL) : o->hold;
	text = essence(object);
	if (old && !strcmp(old->text, text)) {
		free(text);
		if (!obj->waits) {
			free(obj->why);
			obj->why = NULL;
		}
		return o->hold;
	}
	v = version_read(obj, text);
	return v && set_next(obj, v);
}

static void on_error(const json_t *status)
{
	const char *text = json_string_value(json_object_get(status, "message"));

	if (!text)
		text = json_string_value(json_object_get(status, "reason"));
	err_refused("stream: the server says: %s: what is there stays",
		    text ? err_safe(text) : "an error");
}

static void on_bookmark(struct objects *o, const json_t *object)
{
	const char *api = json_string_value(json_object_get(object, "apiVersion"));
	const char *kind = json_string_value(json_object_get(object, "kind"));
	char *full;

	if (!api || !kind)
		return;
	full = xasprintf("%s %s", api, kind);
	list_over(session_of(o, full));
	free(full);
}

bool objects_event(struct objects *o, const json_t *event, uint64_t now)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	const json_t *object = json_object_get(event, "object");

	if (!type || !json_is_object(object)) {
		if (!o->plain)
			err_refused("stream: no watch events: wanted are {\"type\", \"object\"}; give kubectl --watch --output-watch-events -o json");
		o->plain = true;
		return false;
	}
	o->plain = false;
	o->seq++;
	if (!strcmp(type, "ADDED") || !strcmp(type, "MODIFIED") ||
	    !strcmp(type, "DELETED")) {
		if (o->hold && (!o->hold_begun || !strcmp(type, "ADDED"))) {
			o->hold_last = now;
			if (!o->hold_begun)
				o->hold_begun = now;
		}
		return on_change(o, type, object, now);
	}
	if (!strcmp(type, "ERROR"))
		on_error(object);
	else if (!strcmp(type, "BOOKMARK"))
		on_bookmark(o, object);
	else
		err_refused("stream: an event of unknown type \"%s\": passed over",
			    err_safe(type));
	return false;
}

void objects_garbled(struct objects *o, const char *text)
{
	err_refused("stream: %s: nothing is removed for not being named until the stream begins anew",
		    text);
	o->garbled = true;
	for (size_t i = 0; i < o->n_sessions; i++) {
		list_over(&o->session[i]);
		o->session[i].broken = true;
		o->session[i].torn = true;
	}
}

static bool any_broken(const struct objects *o)
{
	for (size_t i = 0; i < o->n_sessions; i++)
		if (o->session[i].broken)
			return true;
	return false;
}

static uint64_t settled(const struct objects *o, uint64_t begun, uint64_t last)
{
	uint64_t most = begun + SETTLE_MOST * o->settle;

	return last + o->settle < most ? last + o->settle : most;
}

uint64_t objects_due(const struct objects *o)
{
	uint64_t due = NEVER, t;
	const struct session *s;

	if (o->hold && o->hold_begun && !any_broken(o))
		due = settled(o, o->hold_begun, o->hold_last);
	for (size_t i = 0; i < o->n_sessions; i++) {
		s = &o->session[i];
		t = s->replay && !s->broken ? settled(o, s->begun, s->last) : NEVER;
		due = t < due ? t : due;
	}
	return due;
}

/* The new list is over: what it did not name is gone. */
static void end_replay(struct objects *o, struct session *s)
{
	struct object *obj;

	s->replay = false;
	for (size_t i = 0; i < o->n; i++) {
		obj = o->v[i];
		if (obj->seq >= s->start || strcmp(obj->kind, s->kind) || !latest(obj))
			continue;
		watch_say("gone", "%s %s was not named again: it is gone",
			  short_kind(obj->kind), err_safe(obj->name));
		set_next(obj, NULL);
	}
}

bool objects_tick(struct objects *o, uint64_t now)
{
	bool changed = false;
	struct session *s;

	for (size_t i = 0; i < o->n_sessions; i++) {
		s = &o->session[i];
		if (!s->replay || s->broken || now < settled(o, s->begun, s->last))
			continue;
		end_replay(o, s);
		changed = true;
	}
	if (o->hold && o->hold_begun && !any_broken(o) &&
	    now >= settled(o, o->hold_begun, o->hold_last)) {
		o->hold = false;
		changed = true;
	}
	return changed;
}
