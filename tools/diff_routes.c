// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What must change: nexthop objects and routes.
 *
 * Through the tunnel, a route goes on an IPv4 underlay by the peer's nexthop
 * object, of which a peer with prefixes of both families has two; on an IPv6
 * one by the device, see plan.c; so do the routes of pools.
 */
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "err.h"


/* Prefixes that hold each other, at most. */
#define NEST_MAX	130

/* A wanted route with what the kernel's state says about its way. */
struct way {
	enum want_kind kind;	/* never WANT_LINKED */
	struct hop hop;		/* of WANT_UNDERLAY */
};

struct ctx {
	struct diff *d;
	const struct want *w;
	const struct have *h;
	struct way *way;		/* by want's routes */
	bool by_device;			/* no nexthops at all */
	bool *tunnelled;		/* by slot(): needs a nexthop */
	uint32_t *nhid;			/* by slot() */
	const struct nexthop **by_gw;	/* the device's own, sorted */
	size_t n_own;
	bool *used;			/* by have's nexthops */
	const struct peer **gone;	/* peers that go, by name */
	size_t n_gone;
	struct prefix *cidrs;		/* of all the kernel's peers, sorted */
	size_t n_cidrs;
	size_t in_the_way;		/* routes of others, each told */
	size_t alike;			/* of them, those that lead to the same place */
};

/* For each of want's peers and each family of its prefixes. */
static size_t slot(size_t peer, const struct addr *dst)
{
	return peer * FAMILIES + (size_t)family_index(dst);
}

static int resolve(struct ctx *c)
{
	const struct want_route *r;
	struct way *way;
	bool warned = false, there;
	size_t i;

	for (i = 0; i < c->w->n_routes; i++) {
		r = &c->w->routes[i];
		way = &c->way[i];
		way->kind = r->kind;
		if (r->kind == WANT_UNDERLAY || r->kind == WANT_LINKED) {
			there = have_underlay(c->h, &r->gw, &way->hop);
			if (r->kind == WANT_LINKED)
				way->kind = there && addr_eq(&way->hop.gw, &r->gw) ?
					    WANT_UNDERLAY : WANT_TUNNEL;
			else if (!there)
				return doc_fail(r->at, "%s is to go over the underlay, but this host has no route to %s: add one",
						prefix_str(&r->dst),
						addr_str(&r->gw));
			else if (!addr_eq(&way->hop.gw, &r->gw) && !warned) {
				/* As a routing daemon does it; the gateway must know. */
				warn("%s is not on link: %s goes by %s, which must know the way",
				     addr_str(&r->gw), prefix_str(&r->dst),
				     addr_str(&way->hop.gw));
				warned = true;
			}
		}
	}
	return 0;
}

/*
 * Routes to the device itself: one of a pool serves for all peers behind it. A
 * CIDR has a route of its own where there is no pool, where something else is
 * around it, such as this host's own block, and where it needs an MTU.
 */
static void use_pools(struct ctx *c)
{
	size_t around[NEST_MAX], depth = 0, i;
	const struct want_route *r = c->w->routes;
	bool *used = xcalloc(c->w->n_routes, sizeof(*used));
	enum want_kind outer;

	for (i = 0; i < c->w->n_routes; i++) {
		while (depth && !prefix_covers(&r[around[depth - 1]].dst, &r[i].dst))
			depth--;
		outer = depth ? c->way[around[depth - 1]].kind : WANT_NONE;
		if (c->way[i].kind == WANT_TUNNEL) {
			c->way[i].kind = WANT_DEVICE;
			if (!c->d->mtu[r[i].peer] &&
			    (outer == WANT_POOL || outer == WANT_DEVICE)) {
				used[around[depth - 1]] = true;
				c->way[i].kind = WANT_NONE;
			}
		}
		if (c->way[i].kind != WANT_NONE)
			around[depth++] = i;
	}
	for (i = 0; i < c->w->n_routes; i++)
		if (c->way[i].kind == WANT_POOL && !used[i])
			c->way[i].kind = WANT_NONE;
	free(used);
}

static void mark_tunnelled(struct ctx *c)
{
	const struct want_route *r;

	for (size_t i = 0; i < c->w->n_routes; i++) {
		r = &c->w->routes[i];
		if (c->way[i].kind == WANT_TUNNEL)
			c->tunnelled[slot(r->peer, &r->dst.addr)] = true;
	}
}

/* Is it to the device, and not by a nexthop? */
static bool to_device(const struct ctx *c, size_t i)
{
	return c->way[i].kind == WANT_POOL || c->way[i].kind == WANT_DEVICE ||
	       (c->way[i].kind == WANT_TUNNEL && c->by_device);
}

static int by_gw(const void *a, const void *b)
{
	const struct nexthop *const *x = a, *const *y = b;
	int r = addr_cmp(&(*x)->gw, &(*y)->gw);

	return r ? r : ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

static int by_name(const void *a, const void *b)
{
	const struct peer *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void index_have(struct ctx *c)
{
	const struct have *h = c->h;
	const struct nexthop *nh;
	const struct peer *p;
	size_t i;

	c->by_gw = xcalloc(h->nexthops.n, sizeof(*c->by_gw));
	c->used = xcalloc(h->nexthops.n, sizeof(*c->used));
	c->gone = xcalloc(h->peers.n, sizeof(*c->gone));
	for (i = 0; h->exists && i < h->nexthops.n; i++) {
		nh = &h->nexthops.v[i];
		if (nh->oif == h->link.ifindex && nh->proto == RTPROT_IPMESH &&
		    !nh->group && !nh->blackhole)
			c->by_gw[c->n_own++] = nh;
	}
	if (c->n_own)
		qsort(c->by_gw, c->n_own, sizeof(*c->by_gw), by_gw);
	c->cidrs = have_cidrs(h, &c->n_cidrs);
	for (i = 0; i < h->peers.n; i++) {
		p = &h->peers.v[i];
		if (*p->name && !want_endpoint(c->w, &p->endpoint))
			c->gone[c->n_gone++] = p;
	}
	if (c->n_gone)
		qsort(c->gone, c->n_gone, sizeof(*c->gone), by_name);
}

/* The device's first unused nexthop object to GW. */
static const struct nexthop *own_nexthop(struct ctx *c, const struct addr *gw)
{
	size_t lo = 0, hi = c->n_own, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (addr_cmp(&c->by_gw[mid]->gw, gw) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < c->n_own && addr_eq(&c->by_gw[lo]->gw, gw); lo++)
		if (!c->used[c->by_gw[lo] - c->h->nexthops.v])
			return c->by_gw[lo];
	return NULL;
}

/* The nexthop of the peer's old endpoint, when the node has moved. */
static const struct nexthop *moved_nexthop(struct ctx *c, const struct want_peer *p,
					   uint8_t family)
{
	const struct peer **old, *kp;
	struct peer key;
	struct addr gw;

	if (!*p->name || !c->n_gone)
		return NULL;
	memcpy(key.name, p->name, sizeof(key.name));
	kp = &key;
	old = bsearch(&kp, c->gone, c->n_gone, sizeof(*old), by_name);
	if (!old)
		return NULL;
	gw = rtnexthop_gw(&(*old)->endpoint, family);
	return own_nexthop(c, &gw);
}

static int diff_nexthops(struct ctx *c)
{
	const struct want_peer *p;
	const struct nexthop *nh;
	struct nexthop_ids ids;
	struct change *ch;
	struct addr gw;
	size_t i;

	if (c->by_device)
		return 0;
	nexthop_ids_init(&ids, &c->h->nexthops);
	for (i = 0; i < c->w->n_peers * FAMILIES; i++) {
		if (!c->tunnelled[i])
			continue;
		p = &c->w->peers[i / FAMILIES];
		gw = rtnexthop_gw(&p->endpoint, family_number(i % FAMILIES));
		nh = own_nexthop(c, &gw);
		if (!nh)
			nh = moved_nexthop(c, p, gw.family);
		if (nh) {
			c->used[nh - c->h->nexthops.v] = true;
			c->nhid[i] = nh->id;
			if (nh->onlink && addr_eq(&nh->gw, &gw))
				continue;
		} else {
			c->nhid[i] = nexthop_ids_take(&ids);
			if (!c->nhid[i]) {
				err_refused("no id is left for a nexthop object");
				return -1;
			}
		}
		ch = diff_add(c->d, nh ? CHANGE_SET : CHANGE_ADD, CHANGE_NEXTHOP,
			      PHASE_NEXTHOP);
		ch->nexthop = (struct nexthop){ .id = c->nhid[i],
						.gw = gw, .onlink = true };
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Those that a route of another protocol uses must stay for it. */
static void old_nexthops(struct ctx *c)
{
	const struct rtroutes *l = &c->h->routes;
	uint32_t *foreign = xcalloc(l->n, sizeof(*foreign));
	const struct nexthop *nh;
	struct change *ch;
	size_t i, n = 0;

	for (i = 0; i < l->n; i++)
		if (l->v[i].nhid && l->v[i].proto != RTPROT_IPMESH)
			foreign[n++] = l->v[i].nhid;
	if (n)
		qsort(foreign, n, sizeof(*foreign), by_number);
	for (i = 0; i < c->n_own; i++) {
		nh = c->by_gw[i];
		if (c->used[nh - c->h->nexthops.v] ||
		    (n && bsearch(&nh->id, foreign, n, sizeof(*foreign), by_number)))
			continue;
		ch = diff_add(c->d, CHANGE_REMOVE, CHANGE_NEXTHOP, PHASE_OLD_NEXTHOP);
		ch->nexthop = *nh;
	}
	free(foreign);
}

/*
 * A route of our protocol to no wanted destination: is it this device's?
 * Those through a device tell; those over the underlay and blackholes are
 * ours inside the pools, where they are for a peer's prefix, or where they
 * cover the device's address.
 */
static bool is_ours(const struct ctx *c, const struct rtroute *r)
{
	const struct have *h = c->h;
	size_t i;

	if (r->proto != RTPROT_IPMESH)
		return false;
	if (h->exists && r->oif == h->link.ifindex)
		return true;
	if (r->oif && have_other_mesh(h, r->oif))
		return false;
	for (i = 0; i < c->w->n_pools; i++)
		if (prefix_covers(&c->w->pools[i], &r->dst))
			return true;
	if (r->type != RTN_BLACKHOLE)
		return prefix_among(c->cidrs, c->n_cidrs, &r->dst);
	for (i = 0; h->exists && i < h->addrs.n; i++)
		if (h->addrs.v[i].ifindex == h->link.ifindex &&
		    prefix_contains(&r->dst, &h->addrs.v[i].addr.addr))
			return true;
	return false;
}

static void remove_route(struct ctx *c, const struct rtroute *r)
{
	diff_add(c->d, CHANGE_REMOVE, CHANGE_ROUTE, PHASE_OLD_ROUTE)->route.r = *r;
}

/* The least that IPv6 takes is fragmented outside where it does not fit. */
static uint32_t route_mtu(const struct ctx *c, const struct want_route *wr)
{
	uint32_t mtu = c->d->mtu[wr->peer];

	return mtu && wr->dst.addr.family == AF_INET6 && mtu < IPV6_MIN_MTU ?
	       IPV6_MIN_MTU : mtu;
}

static void wanted_route(const struct ctx *c, size_t i, struct rtroute *r)
{
	const struct want_route *wr = &c->w->routes[i];

	memset(r, 0, sizeof(*r));
	r->dst = wr->dst;
	r->proto = RTPROT_IPMESH;
	r->table = RT_TABLE_MAIN;
	r->type = RTN_UNICAST;
	switch (c->way[i].kind) {
	case WANT_BLACKHOLE:
		r->type = RTN_BLACKHOLE;
		r->metric = RTROUTE_METRIC_LAST;
		break;
	case WANT_UNDERLAY:
		r->gw = c->way[i].hop.gw;
		r->oif = c->way[i].hop.oif;
		r->onlink = c->way[i].hop.onlink;
		break;
	default:
		if (to_device(c, i))
			r->oif = c->h->exists ? c->h->link.ifindex : 0;
		else
			r->nhid = c->nhid[slot(wr->peer, &wr->dst.addr)];
		r->mtu = want_has_peer(wr) ? route_mtu(c, wr) : 0;
		break;
	}
}

static bool same_route(const struct rtroute *want, const struct rtroute *have)
{
	if (have->type != want->type || have->nhid != want->nhid ||
	    have->multipath || have->mtu != want->mtu || have->src.family)
		return false;
	if (want->type == RTN_BLACKHOLE || want->nhid)
		return true;
	return have->onlink == want->onlink && have->oif == want->oif &&
	       addr_eq(&have->gw, &want->gw);
}

/* Does another one's route lead where the wanted one is to? By the endpoint as its
 * gateway, whatever the device is, or by a tunnel that has no other end.
 */
static bool leads_alike(const struct ctx *c, size_t i, const struct rtroute *r)
{
	const struct want_route *wr = &c->w->routes[i];
	struct addr gw = addr_unmapped(&r->gw);
	const struct addr *endpoint;
	struct rtlink l;

	if (c->way[i].kind == WANT_BLACKHOLE)
		return r->type == RTN_BLACKHOLE;
	if (r->type != RTN_UNICAST || r->multipath || !want_has_peer(wr))
		return false;
	endpoint = &c->w->peers[wr->peer].endpoint;
	if (c->way[i].kind == WANT_UNDERLAY)
		return r->oif == c->way[i].hop.oif && addr_eq(&gw, &c->way[i].hop.gw);
	if (gw.family)
		return addr_eq(&gw, endpoint);
	return !rtlink_get(c->h->nl, NULL, r->oif, &l) && addr_eq(&l.remote, endpoint);
}

/* All are told before anything is refused. */
static void in_the_way(struct ctx *c, size_t i, const struct rtroute *r)
{
	const struct want_route *wr = &c->w->routes[i];

	c->in_the_way++;
	if (r->proto == RTPROT_IPMESH) {
		doc_fail(wr->at, "%s is a route of another device already: %s",
			 prefix_str(&wr->dst), rtroute_str(r));
		return;
	}
	c->alike += leads_alike(c, i, r);
	doc_fail(wr->at, "a route that is not ipmesh's has this destination: %s: remove it: ip route del %s proto %s",
		 rtroute_str(r), prefix_str(&r->dst), rtroute_proto_name(r->proto));
}

static int refuse(const struct ctx *c)
{
	if (c->alike)
		err_refused("%zu of %zu such routes lead%s to the same node%s: apply --take-over puts routes of ipmesh in their place, without a gap; --routes none leaves them to who wrote them",
			    c->alike, c->in_the_way, c->alike == 1 ? "s" : "",
			    c->alike == 1 ? "" : "s");
	return -1;
}

/* The metric of a wanted route, as the kernel shows it. */
static uint32_t metric_of(const struct want_route *wr)
{
	return wr->kind == WANT_BLACKHOLE ? RTROUTE_METRIC_LAST :
	       rtroute_metric(&(struct rtroute){ .dst = wr->dst });
}

/* Is one of ours there, which packets take already? */
static bool any_ours(const struct rtroute *have, size_t n, uint32_t metric)
{
	for (size_t k = 0; k < n; k++)
		if (have[k].proto == RTPROT_IPMESH && have[k].metric == metric)
			return true;
	return false;
}

/* One wanted destination, and the N routes that the kernel has to it. */
static void one_dst(struct ctx *c, size_t i, const struct rtroute *have, size_t n)
{
	const struct want_route *wr = &c->w->routes[i];
	const uint32_t metric = metric_of(wr);
	const bool ours = any_ours(have, n, metric);
	const struct rtroute *old = NULL;
	struct rtroute r;
	struct change *ch;
	bool told = false;
	size_t k;

	for (k = 0; k < n; k++) {
		/*
		 * One with a higher metric is not taken any more, which a daemon, other
		 * than a person, has not meant. A blackhole is to be taken last: what a
		 * bridge or a pod has to the same prefix is not in its way.
		 */
		if (have[k].metric > metric) {
			if (rtroute_of_daemon(&have[k]) && !ours &&
			    !(c->w->take_over && leads_alike(c, i, &have[k]))) {
				in_the_way(c, i, &have[k]);
				told = true;
			}
			continue;
		}
		if (have[k].tos || (wr->kind == WANT_BLACKHOLE && have[k].metric < metric))
			continue;
		if (have[k].proto == RTPROT_IPMESH &&
		    !(have[k].oif && have_other_mesh(c->h, have[k].oif)))
			continue;
		if (!c->w->take_over || have[k].proto == RTPROT_KERNEL ||
		    have[k].proto == RTPROT_IPMESH || !leads_alike(c, i, &have[k])) {
			in_the_way(c, i, &have[k]);
			told = true;
		} else if (have[k].metric == metric && !old) {
			/* The kernel puts another one in its place in one step. */
			old = &have[k];
		} else {
			remove_route(c, &have[k]);
		}
	}
	if (told)
		return;
	wanted_route(c, i, &r);
	for (k = 0; k < n; k++) {
		if (have[k].proto != RTPROT_IPMESH)
			continue;
		/* The kernel uses, and replaces, the first of a key. */
		if (&have[k] == old)
			continue;
		if (have[k].metric == metric && !have[k].tos && !old)
			old = &have[k];
		else if (is_ours(c, &have[k]))
			remove_route(c, &have[k]);
	}
	if (old && old->proto == RTPROT_IPMESH && same_route(&r, old))
		return;
	ch = diff_add(c->d, old ? CHANGE_SET : CHANGE_ADD, CHANGE_ROUTE, PHASE_ROUTE);
	ch->route.r = r;
	if (r.nhid)
		ch->route.via = rtnexthop_gw(&c->w->peers[wr->peer].endpoint,
					     wr->dst.addr.family);
	ch->route.by_device = to_device(c, i);
}

static void walk(struct ctx *c)
{
	const struct rtroutes *l = &c->h->routes;
	const struct want *w = c->w;
	size_t i = 0, k = 0, n;
	int order;

	/* Both are sorted by destination. */
	while (i < w->n_routes || k < l->n) {
		if (i == w->n_routes)
			order = 1;
		else if (k == l->n)
			order = -1;
		else
			order = prefix_cmp(&w->routes[i].dst, &l->v[k].dst);
		if (i < w->n_routes && order <= 0 && c->way[i].kind == WANT_NONE) {
			i++;
			continue;
		}
		if (order > 0) {
			if (is_ours(c, &l->v[k]))
				remove_route(c, &l->v[k]);
			k++;
			continue;
		}
		for (n = 0; k + n < l->n &&
		     prefix_eq(&l->v[k + n].dst, &w->routes[i].dst); n++)
			;
		one_dst(c, i++, l->n ? &l->v[k] : NULL, n);
		k += n;
	}
}

int diff_routes(struct diff *d)
{
	struct ctx c = { .d = d, .w = d->want, .h = d->have };
	int ret;

	c.way = xcalloc(c.w->n_routes, sizeof(*c.way));
	c.by_device = want_family(c.w) == AF_INET6;
	c.tunnelled = xcalloc(c.w->n_peers * FAMILIES, sizeof(*c.tunnelled));
	c.nhid = xcalloc(c.w->n_peers * FAMILIES, sizeof(*c.nhid));
	index_have(&c);
	ret = resolve(&c);
	if (!ret) {
		if (c.w->by_pool)
			use_pools(&c);
		mark_tunnelled(&c);
		ret = diff_nexthops(&c);
	}
	if (!ret) {
		walk(&c);
		ret = c.in_the_way ? refuse(&c) : 0;
	}
	if (!ret)
		old_nexthops(&c);
	free(c.way);
	free(c.tunnelled);
	free(c.nhid);
	free(c.by_gw);
	free(c.used);
	free(c.gone);
	free(c.cidrs);
	return ret;
}
