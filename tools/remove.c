// SPDX-License-Identifier: GPL-2.0-or-later
/* What must change so that nothing of a device is left: "apply --remove". */
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "err.h"

static bool has_other_mesh(const struct have *h)
{
	for (size_t i = 0; i < h->meshes.n; i++)
		if (have_other_mesh(h, h->meshes.v[i].ifindex))
			return true;
	return false;
}

/* A blackhole is of the device that has an address in it, or translates it. */
static bool covers_ours(const struct have *h, const struct rtroute *r)
{
	const struct nat_state *nat = &h->nat[family_index(&r->dst.addr)];
	size_t i;

	for (i = 0; i < nat->n_pools; i++)
		if (prefix_covers(&nat->pools[i], &r->dst))
			return true;
	for (i = 0; h->exists && i < h->addrs.n; i++)
		if (h->addrs.v[i].ifindex == h->link.ifindex &&
		    prefix_contains(&r->dst, &h->addrs.v[i].addr.addr))
			return true;
	return false;
}

/*
 * Routes over the underlay and blackholes do not tell the device that they
 * belong to. Where there is one only, they are its; else what is not known to
 * be is left.
 */
static bool is_known(const struct have *h, const struct rtroute *r,
		     const struct prefix *cidrs, size_t n)
{
	if (h->exists && r->oif == h->link.ifindex)
		return true;
	return r->type == RTN_BLACKHOLE ? covers_ours(h, r) :
					  prefix_among(cidrs, n, &r->dst);
}

static void remove_routes(struct diff *d)
{
	const struct have *h = d->have;
	bool others = has_other_mesh(h);
	const struct rtroute *r;
	size_t i, n, left = 0;
	struct prefix *cidrs = have_cidrs(h, &n);

	for (i = 0; i < h->routes.n; i++) {
		r = &h->routes.v[i];
		if (r->proto != RTPROT_IPMESH || (r->oif && have_other_mesh(h, r->oif)))
			continue;
		if (others && !is_known(h, r, cidrs, n))
			left++;
		else
			diff_add(d, CHANGE_REMOVE, CHANGE_ROUTE,
				 PHASE_OLD_ROUTE)->route.r = *r;
	}
	free(cidrs);
	if (left)
		warn("routes that may be of another device are left, %zu of them: see ip route show proto ipmesh",
		     left);
}

/*
 * Routes and nexthops would go with the device, but for each nexthop the kernel
 * would look through all routes, with everybody waiting: without routes it need
 * not.
 */
static void remove_nexthops(struct diff *d)
{
	const struct have *h = d->have;
	const struct nexthop *nh;

	for (size_t i = 0; h->exists && i < h->nexthops.n; i++) {
		nh = &h->nexthops.v[i];
		if (nh->oif == h->link.ifindex && nh->proto == RTPROT_IPMESH && !nh->group)
			diff_add(d, CHANGE_REMOVE, CHANGE_NEXTHOP,
				 PHASE_OLD_NEXTHOP)->nexthop = *nh;
	}
}

void diff_remove(struct diff *d, const struct want *w, const struct have *h)
{
	memset(d, 0, sizeof(*d));
	d->want = w;
	d->have = h;
	remove_routes(d);
	remove_nexthops(d);
	if (h->nat_wrong)
		warn("whether there is address translation of %s is not known: %s",
		     w->dev, h->nat_wrong);
	for (int i = 0; i < FAMILIES; i++)
		if (h->guard[i].any)
			diff_add(d, CHANGE_REMOVE, CHANGE_GUARD, PHASE_OLD_GUARD)->family =
				family_number(i);
	for (int i = 0; i < FAMILIES; i++)
		if (h->nat[i].any)
			diff_add(d, CHANGE_REMOVE, CHANGE_NAT, PHASE_OLD_NAT)->family =
				family_number(i);
	for (size_t i = 0; i < h->sets.n; i++)
		diff_old_endpoints(d, &h->sets.v[i], NULL);
	if (h->exists)
		diff_add(d, CHANGE_REMOVE, CHANGE_DEVICE, PHASE_OLD_DEVICE);
}
