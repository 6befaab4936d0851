// SPDX-License-Identifier: GPL-2.0-or-later
/* The network of our devices as it was, and back to it. */
#include <stdlib.h>
#include <string.h>

#include "snapshot.h"

int snapshot_take(struct snapshot *s, struct nl *nl)
{
	struct rtroute_filter all = { 0 };
	int e;

	memset(s, 0, sizeof(*s));
	e = rtlink_dump(nl, IPMESH_KIND, &s->links);
	if (!e)
		e = rtaddr_dump(nl, AF_UNSPEC, 0, &s->addrs);
	if (!e)
		e = rtroute_dump(nl, &all, &s->routes);
	if (!e && s->routes.n)
		qsort(s->routes.v, s->routes.n, sizeof(*s->routes.v), rtroute_cmp);
	return e;
}

void snapshot_free(struct snapshot *s)
{
	rtlinks_free(&s->links);
	rtaddrs_free(&s->addrs);
	rtroutes_free(&s->routes);
}

static bool is_ours(const struct snapshot *s, uint32_t ifindex)
{
	for (size_t i = 0; i < s->links.n; i++)
		if (s->links.v[i].ifindex == ifindex)
			return true;
	return false;
}

static bool has_addr(const struct snapshot *s, const struct rtaddr *a)
{
	for (size_t i = 0; i < s->addrs.n; i++)
		if (s->addrs.v[i].ifindex == a->ifindex &&
		    prefix_eq(&s->addrs.v[i].addr, &a->addr))
			return true;
	return false;
}

/* Two routes may share destination, table and metric: those of one run are compared. */
static bool has_route(const struct snapshot *s, const struct rtroute *r)
{
	size_t lo = 0, hi = s->routes.n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (rtroute_cmp(&s->routes.v[mid], r) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < s->routes.n && !rtroute_cmp(&s->routes.v[lo], r); lo++) {
		const struct rtroute *o = &s->routes.v[lo];

		if (o->proto == r->proto && o->type == r->type && o->tos == r->tos &&
		    o->nhid == r->nhid && o->oif == r->oif && addr_eq(&o->gw, &r->gw) &&
		    o->mtu == r->mtu && addr_eq(&o->src, &r->src))
			return true;
	}
	return false;
}

/* The kernel makes its own anew with an address. */
static bool may_be_put_back(const struct snapshot *s, const struct rtroute *r)
{
	return r->proto != RTPROT_KERNEL && !(r->multipath && !r->nhid) &&
	       (r->proto == RTPROT_IPMESH || is_ours(s, r->oif));
}

static struct rtroute as_request(const struct rtroute *r)
{
	struct rtroute q = *r;

	q.flags = 0;
	if (q.nhid) {
		q.oif = 0;
		q.gw = (struct addr){ 0 };
		q.onlink = false;
	}
	return q;
}

static void what_came_goes(struct nl_batch *b, const struct snapshot *s,
			   const struct snapshot *now)
{
	struct rtroute q;

	for (size_t i = 0; i < now->routes.n; i++) {
		if (now->routes.v[i].proto != RTPROT_IPMESH || has_route(s, &now->routes.v[i]))
			continue;
		q = as_request(&now->routes.v[i]);
		rtroute_del(b, &q);
	}
	for (size_t i = 0; i < now->addrs.n; i++)
		if (is_ours(s, now->addrs.v[i].ifindex) &&
		    now->addrs.v[i].scope != RT_SCOPE_LINK && !has_addr(s, &now->addrs.v[i]))
			rtaddr_del(b, &now->addrs.v[i]);
}

static void what_went_comes(struct nl_batch *b, const struct snapshot *s,
			    const struct snapshot *now)
{
	struct rtroute q;

	for (size_t i = 0; i < s->addrs.n; i++)
		if (is_ours(s, s->addrs.v[i].ifindex) &&
		    s->addrs.v[i].scope != RT_SCOPE_LINK && !has_addr(now, &s->addrs.v[i]))
			rtaddr_replace(b, &s->addrs.v[i]);
	for (size_t i = 0; i < s->routes.n; i++) {
		if (!may_be_put_back(s, &s->routes.v[i]) || has_route(now, &s->routes.v[i]))
			continue;
		q = as_request(&s->routes.v[i]);
		rtroute_add(b, &q);
	}
}

static void down_again(struct nl_batch *b, const struct snapshot *s,
		       const struct snapshot *now)
{
	for (size_t i = 0; i < s->links.n; i++)
		for (size_t k = 0; k < now->links.n; k++)
			if (now->links.v[k].ifindex == s->links.v[i].ifindex &&
			    now->links.v[k].flags & ~s->links.v[i].flags & IFF_UP)
				rtlink_set(b, &(struct rtlink_change){
					.ifindex = s->links.v[i].ifindex, .up = -1 });
}

static int step(const struct snapshot *s, struct nl *nl,
		void (*put)(struct nl_batch *b, const struct snapshot *s,
			    const struct snapshot *now))
{
	struct snapshot now;
	struct nl_batch b;
	int e = snapshot_take(&now, nl);

	if (!e) {
		nl_batch_init(&b, nl);
		put(&b, s, &now);
		e = nl_send(&b);
		nl_batch_free(&b);
	}
	snapshot_free(&now);
	return e;
}

int snapshot_restore(const struct snapshot *s, struct nl *nl)
{
	int first = step(s, nl, what_came_goes), e;

	/* What went with the last address is seen only now. */
	e = step(s, nl, what_went_comes);
	first = first ? first : e;
	e = step(s, nl, down_again);
	return first ? first : e;
}
