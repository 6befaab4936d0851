/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes that happen all or not at all: a list of steps, each of which can be
 * taken back. When the kernel refuses one, those before it are undone in
 * reverse.
 */
#ifndef IPMESH_STEPS_H
#define IPMESH_STEPS_H

#include "genlpeer.h"
#include "rtnexthop.h"
#include "rtroute.h"

enum step_kind {
	STEP_PEER_NEW,
	STEP_PEER_SET,
	STEP_PEER_DEL,
	STEP_PEER_LOSES,	/* nothing to do, but to undo: a move took CIDRs */
	STEP_NEXTHOP_ADD,
	STEP_NEXTHOP_DEL,
	STEP_ROUTE_ADD,
	STEP_ROUTE_REPLACE,
	STEP_ROUTE_DEL,
};

struct step {
	enum step_kind kind;
	struct peer_change peer;	/* to do; its lists belong to the caller */
	struct peer old;		/* SET, DEL, LOSES: how it was; borrowed */
	struct nexthop nexthop;
	struct rtroute route;
	struct rtroute old_route;	/* REPLACE */
};

struct steps {
	struct step *v;
	size_t n, cap;
};

struct step *steps_add(struct steps *s, enum step_kind kind);
void steps_free(struct steps *s);

/* 0; or it said what was refused, took the rest back, and gives the status. */
int steps_run(struct nl *nl, struct steps *s, const char *dev);

#endif
