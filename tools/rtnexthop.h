/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nexthop objects, through rtnetlink. */
#ifndef IPMESH_RTNEXTHOP_H
#define IPMESH_RTNEXTHOP_H

#include "addr.h"
#include "nl.h"

struct nexthop {
	uint32_t id;
	uint32_t oif;
	struct addr gw;			/* none: device only */
	uint8_t proto;			/* 0 is RTPROT_IPMESH in a request */
	bool onlink;
	bool blackhole;
	bool group;			/* of other nexthops; not of ours */
};

struct nexthops {
	struct nexthop *v;
	size_t n, cap;
};

/* All of the namespace, or with @oif those of one device; by id. */
int rtnexthop_dump(struct nl *nl, uint32_t oif, struct nexthops *l);
void rtnexthops_free(struct nexthops *l);

/* A message about a nexthop, new, changed or deleted; false: about another thing. */
bool rtnexthop_read(struct nexthop *nh, const struct nlmsghdr *nlh);

/* One of a dump by id, or by device and gateway of protocol ipmesh; or NULL. */
const struct nexthop *rtnexthop_by_id(const struct nexthops *l, uint32_t id);
const struct nexthop *rtnexthop_by_gw(const struct nexthops *l, uint32_t oif,
					const struct addr *gw);

/* How a nexthop names an endpoint for routes of that family: an IPv4 one
 * behind an IPv6 route is ::ffff:a.b.c.d.
 */
struct addr rtnexthop_gw(const struct addr *endpoint, uint8_t family);

/* Ids that no nexthop of a dump (of all devices) has, in rising order from
 * NEXTHOP_ID_BASE; 0 when none is left.
 */
#define NEXTHOP_ID_BASE	0x49500000	/* "IP" */

struct nexthop_ids {
	const struct nexthops *used;
	size_t at;
	uint32_t next;
};

void nexthop_ids_init(struct nexthop_ids *ids, const struct nexthops *used);
uint32_t nexthop_ids_take(struct nexthop_ids *ids);

/* add fails with -EEXIST when the id is taken; replace changes one in place,
 * with all the routes that use it. Deleting one deletes its routes too.
 */
void rtnexthop_add(struct nl_batch *b, const struct nexthop *nh);
void rtnexthop_replace(struct nl_batch *b, const struct nexthop *nh);
void rtnexthop_del(struct nl_batch *b, uint32_t id);

#endif
