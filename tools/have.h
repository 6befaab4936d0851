/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_HAVE_H
#define IPMESH_HAVE_H

#include "cluster.h"
#include "endpointset.h"
#include "genlpeer.h"
#include "guard.h"
#include "nat.h"
#include "nl.h"
#include "rtaddr.h"
#include "rtlink.h"
#include "rtnexthop.h"
#include "rtroute.h"

/* The kernel's state around one device, read by dumps. */
struct have {
	struct nl *nl;			/* that it was read with */
	bool exists;
	struct rtlink link;
	struct rtlinks meshes;		/* every ipmesh device */
	struct rtaddrs addrs;		/* of all devices */
	struct peers peers;
	struct nexthops nexthops;	/* all, by id */
	struct rtroutes routes;		/* table main, by rtroute_cmp() */
	struct nat_state nat[FAMILIES];
	struct guard_state guard[FAMILIES];
	char *nat_wrong;		/* nftables cannot be read */
	struct endpoint_sets sets;
	bool forwarding[FAMILIES];
};

/* 0, or -1 after saying what is wrong. */
int have_read(struct have *h, struct nl *nl, const char *dev);
void have_free(struct have *h);

/* Is it an ipmesh device other than ours? */
bool have_other_mesh(const struct have *h, uint32_t ifindex);

/* Has this host the address? */
bool have_address(const struct have *h, const struct addr *a);

/*
 * How the underlay reaches an endpoint: the device, and the endpoint itself
 * or the gateway before it.  False: no route.
 */
struct hop {
	struct addr gw;
	uint32_t oif;
	bool onlink;		/* the gateway is in no prefix of the device */
};

bool have_underlay(const struct have *h, const struct addr *endpoint,
		   struct hop *hop);

/* Whose longest CIDR holds the address, of those that have at least that length: 1 leaves out
 * those that hold all addresses.  NULL: nobody's.
 */
const struct peer *have_peer_behind(const struct have *h, const struct addr *a, uint8_t shortest);

/* The CIDRs of all peers, sorted; to be freed. */
struct prefix *have_cidrs(const struct have *h, size_t *n);
/* Is it one of a sorted list? */
bool prefix_among(const struct prefix *v, size_t n, const struct prefix *p);

/* The first route with this destination, and how many there are. */
const struct rtroute *have_routes(const struct have *h, const struct prefix *dst,
				  size_t *n);

#endif
