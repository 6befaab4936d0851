/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wrong with a device and its peers, as far as one look can tell. */
#ifndef IPMESH_PROBLEM_H
#define IPMESH_PROBLEM_H

#include "view.h"

enum problem {
	PROBLEM_DOWN,			/* the device is */
	PROBLEM_MTU,			/* pinned above what the underlay takes */
	PROBLEM_NEVER_HEARD,		/* a peer, though it was sent to */
	PROBLEM_NOT_ROUTED,		/* a CIDR has no route to its peer */
	PROBLEM_ELSEWHERE,		/* or one that leads to another place */
	PROBLEMS,
};

extern const char *const problem_names[PROBLEMS];	/* "never_heard" */

/* Of a peer: where its CIDRs go, and what is wrong. */
struct peer_look {
	size_t first;			/* into look.route */
	size_t n[VIEW_ROUTES];		/* CIDRs by enum view_route */
	bool has[PROBLEMS];
};

struct look {
	struct peer_look *peers;	/* as in the dump */
	uint8_t *route;			/* of each CIDR: enum view_route */
	size_t n[PROBLEMS];		/* peers that have it; or the device */
	uint32_t mtu_max;		/* what the underlay takes; 0: unknown */
};

/* @links: all devices, or NULL. */
void look_at(struct look *k, const struct rtlink *l, const struct peers *peers,
	     const struct view_routes *r, const struct rtlinks *links);
void look_free(struct look *k);

/* One line each, into the open object. */
void problems_print(const struct look *k, const struct rtlink *l, size_t n_peers);

#endif
