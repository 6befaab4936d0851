/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a stream of watch events has named: each object with the last state of
 * it that could be used, and that which waits to be taken.
 */
#ifndef IPMESH_OBJECTS_H
#define IPMESH_OBJECTS_H

#include <jansson.h>
#include "want.h"

/* Times are milliseconds of one clock. */
#define NEVER	UINT64_MAX

struct object;
struct session;

struct objects {
	struct object **v;
	size_t n, cap;
	void *tree;			/* by kind and name */
	struct session *session;	/* one a kind */
	size_t n_sessions, cap_sessions;
	uint64_t seq;			/* of the last event */
	uint64_t settle;
	bool hold;			/* the first list is not over yet */
	uint64_t hold_begun, hold_last;	/* 0: nothing was named yet */
	bool garbled;			/* something could not be read */
	bool plain;			/* it was said that they are no events */
	bool undecided;			/* more wait than could be tried at once */
	const struct doc_set *files;	/* documents beside the stream */
	struct want_options options;
	char self[256];			/* the node that this host is */
	bool self_in_files;
};

/* 0, or -1 after saying what is wrong with the files, which stay the caller's. */
int objects_init(struct objects *o, const struct doc_set *files,
		 const struct want_options *options, uint64_t settle);
void objects_free(struct objects *o);

/* An event; true when it may change what is wanted. */
bool objects_event(struct objects *o, const json_t *event, uint64_t now);

/* Something of the stream could not be read. */
void objects_garbled(struct objects *o, const char *text);

/* When objects_tick() is due next; it gives what objects_event() does. */
uint64_t objects_due(const struct objects *o);
bool objects_tick(struct objects *o, uint64_t now);

/*
 * The wanted state, from all that can be used together: 1; 0 while this node
 * itself has not been named; -1 after saying what is wrong. The cluster must
 * outlive it.
 */
int objects_want(struct objects *o, struct want *w, struct cluster *c);

/*
 * Is the kernel's peer of that name to stay, though nobody wants it? While the
 * first list is not over, those that it has not named yet; and those of nodes
 * whose state cannot be used.
 */
bool objects_keep(const struct objects *o, const struct cluster *c, const char *peer);

#endif
