// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Peers whose way is narrower than the device.
 *
 * A device that follows all its peers' routes is as narrow as the narrowest, but no
 * narrower than IPv6 takes. One with an MTU of its own, or that follows one lower device,
 * may be wider: then the routes to such peers have an MTU, so that senders need not learn
 * it.
 */
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "err.h"
#include "sysctl.h"

#define OUTER_IPV4	20
#define OUTER_IPV6	40
#define OUTER_UDP	8

struct paths {
	const struct have *h;
	struct rtlinks links;		/* of all kinds */
	uint32_t *mtu;			/* outside, by want's peers; 0: not known */
};

static uint32_t link_mtu(const struct rtlinks *l, uint32_t ifindex)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].ifindex == ifindex)
			return l->v[i].mtu;
	return 0;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Of several nexthops the narrowest counts. */
static uint32_t multipath_mtu(const struct rtlinks *l, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[RTA_MULTIPATH + 1];
	const struct rtnexthop *nh;
	uint32_t mtu = 0;
	int left;

	nl_parse(nlh, sizeof(struct rtmsg), tb, RTA_MULTIPATH);
	nh = mnl_attr_get_payload(tb[RTA_MULTIPATH]);
	left = mnl_attr_get_payload_len(tb[RTA_MULTIPATH]);
	for (; RTNH_OK(nh, left); left -= RTNH_ALIGN(nh->rtnh_len), nh = RTNH_NEXT(nh))
		mtu = least(mtu, link_mtu(l, (uint32_t)nh->rtnh_ifindex));
	return mtu;
}

static void on_route(struct nl_batch *b, size_t i, const struct nlmsghdr *nlh)
{
	struct paths *p = b->data;
	const struct nexthop *nh;
	struct rtroute r;

	if (!rtroute_read(&r, nlh))
		return;
	nh = r.nhid && !r.oif ? rtnexthop_by_id(&p->h->nexthops, r.nhid) : NULL;
	if (r.mtu)
		p->mtu[i] = r.mtu;
	else if (r.multipath)
		p->mtu[i] = multipath_mtu(&p->links, nlh);
	else
		p->mtu[i] = link_mtu(&p->links, nh ? nh->oif : r.oif);
}

/* An attribute as it will be: documents about nodes leave most as they are. */
static const struct linkattrs *attrs_of(const struct want *w, const struct have *h,
					uint16_t type)
{
	return w->attrs.has & LINKATTR_BIT(type) || !h->exists ? &w->attrs :
								 &h->link.attrs;
}

static bool is_udp(const struct want *w, const struct have *h,
		   const struct want_peer *p)
{
	const struct peer *old = h->exists ? peers_find(&h->peers, &p->endpoint) : NULL;
	uint8_t encap = p->has_encap ? p->encap :
			old ? old->encap : IPMESH_ENCAP_DEVICE;

	if (encap == IPMESH_ENCAP_DEVICE)
		encap = attrs_of(w, h, IFLA_IPMESH_ENCAP)->encap;
	return encap == IPMESH_ENCAP_UDP;
}

/* Less than that the module does not follow, unless IPv6 is off. */
static uint32_t least_mtu(const struct want *w)
{
	long off;

	return (sysctl_read(&off, "net/ipv6/conf/%s/disable_ipv6", w->dev) && !off) ||
	       (sysctl_read(&off, "net/ipv6/conf/default/disable_ipv6") && !off) ?
	       IPV6_MIN_MTU : 0;
}

/* Is there anything on this host by which a way may be narrower than that? Devices of our
 * kind follow.
 */
static bool any_narrow(const struct paths *p, uint32_t least)
{
	const struct rtroutes *r = &p->h->routes;

	least += OUTER_IPV6 + OUTER_UDP;
	for (size_t i = 0; i < p->links.n; i++)
		if (p->links.v[i].mtu < least && strcmp(p->links.v[i].kind, IPMESH_KIND))
			return true;
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].mtu && r->v[i].mtu < least)
			return true;
	return false;
}

/* The MTU that the device will have, inside; 0: as its narrowest peer's. */
static uint32_t device_mtu(const struct want *w, const struct paths *p,
			   uint32_t lower, uint32_t overhead)
{
	uint32_t mtu;

	if (w->mtu)
		return w->mtu;
	for (size_t i = 0; i < p->links.n; i++)
		if (p->links.v[i].ifindex == lower && !strcmp(p->links.v[i].kind, "vrf"))
			return 0;
	mtu = link_mtu(&p->links, lower);
	for (size_t i = 0; i < w->n_peers; i++)
		if (is_udp(w, p->h, &w->peers[i])) {
			overhead += OUTER_UDP;
			break;
		}
	if (!mtu)
		return 0;
	mtu = mtu > overhead ? mtu - overhead : 0;
	return mtu > least_mtu(w) ? mtu : least_mtu(w);
}

static void ask(struct paths *p, const struct want *w, uint32_t lower)
{
	uint32_t mark = attrs_of(w, p->h, IFLA_IPMESH_FWMARK)->fwmark;
	struct nl_batch b;

	nl_batch_init(&b, p->h->nl);
	b.each = on_route;
	b.data = p;
	for (size_t i = 0; i < w->n_peers; i++)
		rtroute_ask(&b, &w->peers[i].endpoint, lower, mark);
	/* To an endpoint without a route none is narrow. */
	nl_send(&b);
	nl_batch_free(&b);
}

int diff_mtu(struct diff *d)
{
	const struct want *w = d->want;
	uint32_t lower = attrs_of(w, d->have, IFLA_IPMESH_LINK)->link;
	uint32_t overhead = want_family(w) == AF_INET6 ? OUTER_IPV6 : OUTER_IPV4;
	struct paths p = { .h = d->have };
	uint32_t mtu, inside, outside;
	int e;

	d->mtu = xcalloc(w->n_peers, sizeof(*d->mtu));
	if (!w->n_peers)
		return 0;
	e = rtlink_dump(p.h->nl, NULL, &p.links);
	if (e) {
		err_refused("cannot read the devices: %s", nl_error(p.h->nl, e));
		rtlinks_free(&p.links);
		return -1;
	}
	p.mtu = xcalloc(w->n_peers, sizeof(*p.mtu));
	mtu = w->mtu || lower ? device_mtu(w, &p, lower, overhead) : 0;
	/* that of the narrowest peer, or more */
	if (!mtu && any_narrow(&p, least_mtu(w)))
		mtu = least_mtu(w);
	if (mtu)
		ask(&p, w, lower);
	for (size_t i = 0; i < w->n_peers && mtu; i++) {
		outside = overhead + (is_udp(w, p.h, &w->peers[i]) ? OUTER_UDP : 0);
		inside = p.mtu[i] > outside ? p.mtu[i] - outside : 0;
		if (inside && inside < mtu)
			d->mtu[i] = inside;
	}
	free(p.mtu);
	rtlinks_free(&p.links);
	return 0;
}
