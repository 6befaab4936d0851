/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The routes and nexthop objects that go with a peer: what is there, and the
 * steps that bring it in line. Only those of protocol ipmesh through the
 * peer's device are ever touched.
 */
#ifndef IPMESH_PLAN_H
#define IPMESH_PLAN_H

#include "rtlink.h"
#include "steps.h"

struct plan {
	struct nl *nl;
	struct rtlink link;
	struct rtroutes routes;		/* of the main table, all protocols */
	struct nexthops nexthops;	/* of all devices */
	struct nexthop_ids ids;
	struct steps steps;
};

/* Reads routes and nexthops; 0, or the exit status after saying why. */
int plan_read(struct plan *p);
void plan_free(struct plan *p);

/* Route these CIDRs to the endpoint. EXIT_REFUSED, and said, when one has a
 * route of somebody else's.
 */
int plan_route(struct plan *p, const struct addr *endpoint,
	       const struct prefix *cidrs, size_t n);

/* Take away the routes to the endpoint for these CIDRs, and with @all those by
 * its nexthop whatever their destination.
 */
void plan_unroute(struct plan *p, const struct addr *endpoint,
		  const struct prefix *cidrs, size_t n, bool all);

/* Has one of these CIDRs a route of ours, to the endpoint or (NULL) any? */
bool plan_has_route(const struct plan *p, const struct addr *endpoint,
		    const struct prefix *cidrs, size_t n);

/* Take away nexthops of the endpoint that no route uses when all is done. */
void plan_tidy(struct plan *p, const struct addr *endpoint);

/* Is it a route of ours through the device? */
bool plan_is_ours(const struct plan *p, const struct rtroute *r);

#endif
