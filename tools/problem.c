// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wrong with a device and its peers. */
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "problem.h"

const char *const problem_names[PROBLEMS] = {
	[PROBLEM_DOWN] = "down",
	[PROBLEM_MTU] = "mtu_too_large",
	[PROBLEM_NEVER_HEARD] = "never_heard",
	[PROBLEM_NOT_ROUTED] = "not_routed",
	[PROBLEM_ELSEWHERE] = "routed_elsewhere",
};

#define HEADER_IPV4	20
#define HEADER_IPV6	40
#define HEADER_UDP	8

static uint32_t mtu_of(const struct rtlinks *links, uint32_t ifindex)
{
	for (size_t i = 0; i < links->n; i++)
		if (links->v[i].ifindex == ifindex)
			return links->v[i].mtu;
	return 0;
}

/*
 * The largest inner packet that the first hop to the peer takes; 0: unknown,
 * as where the route is not the main table's to choose.
 */
static uint32_t mtu_to(const struct peer *p, const struct rtlink *l,
		       const struct view_routes *r, const struct rtlinks *links)
{
	uint8_t encap = p->encap == IPMESH_ENCAP_DEVICE ? l->attrs.encap : p->encap;
	uint32_t mtu, header = p->endpoint.family == AF_INET6 ? HEADER_IPV6 : HEADER_IPV4;
	const struct rtroute *rt = NULL;

	if (encap == IPMESH_ENCAP_UDP)
		header += HEADER_UDP;
	if (l->attrs.link) {
		mtu = mtu_of(links, l->attrs.link);
	} else {
		rt = l->attrs.fwmark ? NULL : view_routes_to(r, &p->endpoint);
		mtu = rt && rt->type == RTN_UNICAST && rt->oif != l->ifindex ?
		      mtu_of(links, rt->oif) : 0;
	}
	if (rt && rt->mtu && rt->mtu < mtu)
		mtu = rt->mtu;
	return mtu > header ? mtu - header : 0;
}

static void look_at_mtu(struct look *k, const struct rtlink *l,
			const struct peers *peers, const struct view_routes *r,
			const struct rtlinks *links)
{
	for (size_t i = 0; i < peers->n; i++) {
		uint32_t mtu = mtu_to(&peers->v[i], l, r, links);

		if (mtu && (!k->mtu_max || mtu < k->mtu_max))
			k->mtu_max = mtu;
	}
	/* one that follows is no narrower than IPv6 takes */
	k->n[PROBLEM_MTU] = k->mtu_max && l->mtu > k->mtu_max &&
			    !(l->attrs.mtu_auto && l->mtu <= IPV6_MIN_MTU);
}

void look_at(struct look *k, const struct rtlink *l, const struct peers *peers,
	     const struct view_routes *r, const struct rtlinks *links)
{
	size_t n = 0;

	memset(k, 0, sizeof(*k));
	for (size_t i = 0; i < peers->n; i++)
		n += peers->v[i].n_cidrs;
	k->peers = xcalloc(peers->n, sizeof(*k->peers));
	k->route = xcalloc(n, sizeof(*k->route));
	n = 0;
	for (size_t i = 0; i < peers->n; i++) {
		const struct peer *p = &peers->v[i];
		struct peer_look *pl = &k->peers[i];

		pl->first = n;
		for (size_t c = 0; c < p->n_cidrs; c++) {
			k->route[n] = view_route_of(r, l->ifindex, &p->endpoint,
						    &p->cidrs[c]);
			pl->n[k->route[n++]]++;
		}
		pl->has[PROBLEM_NEVER_HEARD] = p->stats.tx_packets && !p->stats.heard;
		/* Of a device that is down the kernel has taken them away. Those of a peer
		 * without routes of ours are a daemon's business.
		 */
		pl->has[PROBLEM_NOT_ROUTED] = pl->n[VIEW_ROUTE_MISSING] &&
					      l->flags & IFF_UP &&
					      p->routes != IPMESH_PEER_ROUTES_NONE;
		pl->has[PROBLEM_ELSEWHERE] = pl->n[VIEW_ROUTE_OTHER] &&
					     p->routes != IPMESH_PEER_ROUTES_NONE;
		for (int j = 0; j < PROBLEMS; j++)
			k->n[j] += pl->has[j];
	}
	k->n[PROBLEM_DOWN] = !(l->flags & IFF_UP);
	if (!l->attrs.mtu_auto && links)
		look_at_mtu(k, l, peers, r, links);
}

void look_free(struct look *k)
{
	free(k->peers);
	free(k->route);
	memset(k, 0, sizeof(*k));
}

static char *sentence(const struct look *k, enum problem p, const struct rtlink *l,
		      size_t n_peers)
{
	char *of = xasprintf("%zu of %zu peer%s", k->n[p], n_peers,
			     n_peers == 1 ? "" : "s");
	char *s = NULL;

	switch (p) {
	case PROBLEM_DOWN:
		s = xasprintf("it is down, and routes need it up: ipmesh link set %s up",
			      l->name);
		break;
	case PROBLEM_MTU:
		s = xasprintf("MTU %u is pinned, but the underlay takes %u: ipmesh link set %s mtu auto",
			      l->mtu, k->mtu_max, l->name);
		break;
	case PROBLEM_NEVER_HEARD:
		s = xasprintf("%s never heard, though sent to", of);
		break;
	case PROBLEM_NOT_ROUTED:
		s = xasprintf("%s with CIDRs that have no route: ipmesh peer set ENDPOINT dev %s route",
			      of, l->name);
		break;
	case PROBLEM_ELSEWHERE:
		s = xasprintf("%s with CIDRs whose routes lead elsewhere: ip route",
			      of);
		break;
	case PROBLEMS:
		break;
	}
	free(of);
	return s;
}

void problems_print(const struct look *k, const struct rtlink *l, size_t n_peers)
{
	out_arr("problems");
	for (enum problem p = 0; p < PROBLEMS; p++) {
		char *s;

		if (!k->n[p])
			continue;
		s = sentence(k, p, l, n_peers);
		out_obj(NULL);
		out_str("problem", NULL, problem_names[p]);
		if (p >= PROBLEM_NEVER_HEARD)
			out_u64("peers", NULL, k->n[p]);
		else
			out_null("peers", NULL);
		out_text("  ");
		out_mark(p == PROBLEM_ELSEWHERE ? OUT_WARN : OUT_BAD);
		out_str("text", "! %s", s);
		out_mark(OUT_PLAIN);
		out_text("\n");
		out_end();
		free(s);
	}
	out_end();
}
