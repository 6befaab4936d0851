/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How devices and peers are shown: for link show, peer show and show. */
#ifndef IPMESH_VIEW_H
#define IPMESH_VIEW_H

#include "genlpeer.h"
#include "rtaddr.h"
#include "rtlink.h"
#include "rtnexthop.h"
#include "rtroute.h"

/* Where packets for a pod CIDR go. */
enum view_route {
	VIEW_ROUTE_MISSING,		/* no route for it */
	VIEW_ROUTE_PEER,		/* to the peer, through the device */
	VIEW_ROUTE_DEVICE,		/* through the device, which finds the peer */
	VIEW_ROUTE_OTHER,		/* elsewhere */
	VIEW_ROUTE_NONE,		/* none is wanted: it would be the default route */
	VIEW_ROUTES,
};

struct look;

/* The routes of the main table, made ready for many questions. */
struct view_routes {
	struct rtroutes all;		/* sorted */
	struct nexthops nexthops;
};

int view_routes_read(struct nl *nl, struct view_routes *r);
void view_routes_free(struct view_routes *r);
enum view_route view_route_of(const struct view_routes *r, uint32_t ifindex,
			      const struct addr *endpoint,
			      const struct prefix *cidr);

/* The route that the main table has for an address; NULL: none. */
const struct rtroute *view_routes_to(const struct view_routes *r,
				     const struct addr *a);

/* The facts of a device into the open object. In text: a head line, and with
 * @details one for all attributes.
 */
void view_link(const struct rtlink *l, const struct rtaddrs *addrs,
	       bool details);

/* Sources or outer prefixes: an array, in text the first by @first, others by @next. */
void view_prefixes(const char *key, const char *first, const char *next,
		   const struct prefix_list *l);

/* The attributes that are in l->attrs.has; in text only with @details. */
void view_attrs(const struct rtlink *l, bool details);

/* Peers as a table, or as elements of the open array, with the name of their
 * device if @device. @k is a look at them.
 */
void view_peers(const struct peers *peers, const struct rtlink *l,
		const struct look *k, bool device);

#endif
