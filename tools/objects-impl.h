/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What objects.c and usable.c share, and nobody else uses. */
#ifndef IPMESH_OBJECTS_IMPL_H
#define IPMESH_OBJECTS_IMPL_H

#include <string.h>

#include "objects.h"

struct version {
	char *text;			/* the parts that readers look at */
	struct doc_set docs;
};

struct object {
	char *kind, *name;		/* "v1 Node" */
	struct version *good;		/* that is used; NULL: none */
	struct version *next;		/* that waits; NULL: to be gone */
	bool waits, trial;
	char *why;			/* it was refused, and this was told */
	uint64_t seq;			/* of the last event that named it */
	uint64_t fresh;			/* of the event that made it known */
};

/* "Node" of "v1 Node". */
static inline const char *short_kind(const char *kind)
{
	return strchr(kind, ' ') + 1;
}

static inline bool is_node(const struct object *o)
{
	return !strcmp(short_kind(o->kind), "Node");
}

/* By name first, so that those of one node are neighbours. */
int object_cmp(const void *a, const void *b);

/* Those that are gone are forgotten, once nobody asks who was named. */
void objects_forget(struct objects *o);

void version_free(struct version *v);

/* The state TEXT, which is taken; NULL, and said once, when its reader cannot use
 * it, with nothing beside.
 */
struct version *version_read(struct object *o, char *text);

#endif
