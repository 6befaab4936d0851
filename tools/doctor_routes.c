// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: whether packets for each pod CIDR go to the peer that has it. */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "err.h"

/* The CIDRs of all peers of a device, sorted. */
struct owned {
	struct prefix cidr;
	const struct peer *peer;
};

struct map {
	struct owned *v;
	size_t n;
};

static int by_cidr(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;

	return prefix_cmp(&x->cidr, &y->cidr);
}

static struct map map_of(const struct have *h)
{
	struct map m = { 0 };

	for (size_t i = 0; i < h->peers.n; i++)
		m.n += h->peers.v[i].n_cidrs;
	m.v = xcalloc(m.n, sizeof(*m.v));
	m.n = 0;
	for (size_t i = 0; i < h->peers.n; i++)
		for (size_t c = 0; c < h->peers.v[i].n_cidrs; c++)
			m.v[m.n++] = (struct owned){
				h->peers.v[i].cidrs[c], &h->peers.v[i],
			};
	if (m.n)
		qsort(m.v, m.n, sizeof(*m.v), by_cidr);
	return m;
}

static const struct owned *map_find(const struct map *m, const struct prefix *p)
{
	struct owned key = { .cidr = *p };

	return m->n ? bsearch(&key, m->v, m->n, sizeof(key), by_cidr) : NULL;
}

/* The peer that a gateway on the device means: the one with that endpoint, else the one
 * with the longest CIDR that holds it.
 */
static const struct peer *peer_via(const struct have *h, const struct map *m,
				   const struct addr *gw)
{
	const struct peer *p = peers_find(&h->peers, gw);
	struct prefix at = prefix_host(gw), key;
	const struct owned *o;

	for (int len = at.len; !p && len >= 0; len--) {
		at.len = len;
		key = prefix_masked(&at);
		o = map_find(m, &key);
		p = o ? o->peer : NULL;
	}
	return p;
}

static const char *peer_str(const struct peer *p)
{
	static char bufs[4][ADDR_STRLEN + 80];
	static unsigned int turn;
	char *buf = bufs[turn++ % 4];

	snprintf(buf, sizeof(bufs[0]), "peer %s%s%s", addr_str(&p->endpoint),
		 *p->name ? " " : "", p->name);
	return buf;
}

/* Has one of its CIDRs a route of another owner, apart from this one? Then
 * ipmesh peer set refuses to write any.
 */
static bool has_foreign(const struct have *h, const struct peer *p,
			const struct rtroute *but)
{
	const struct rtroute *r;
	size_t n;

	for (size_t c = 0; c < p->n_cidrs; c++) {
		/* No route is written for that. */
		if (!p->cidrs[c].len)
			continue;
		r = have_routes(h, &p->cidrs[c], &n);
		for (size_t i = 0; i < n; i++)
			if (&r[i] != but && (r[i].proto != RTPROT_IPMESH ||
					     r[i].oif != h->link.ifindex))
				return true;
	}
	return false;
}

/* Who writes routes through the device, beside us; NULL: nobody that is known. What is
 * missing is his to write, and one of ours would keep his out.
 */
static const char *daemon_of(const struct have *h)
{
	bool ours = false;

	for (size_t i = 0; i < h->routes.n; i++) {
		const struct rtroute *r = &h->routes.v[i];

		if (r->oif == h->link.ifindex && r->proto >= RTPROT_GATED &&
		    r->proto != RTPROT_IPMESH)
			return rtroute_proto_name(r->proto);
		ours |= r->oif == h->link.ifindex && r->proto == RTPROT_IPMESH &&
			r->type == RTN_UNICAST;
	}
	if (ours)
		return NULL;
	return doctor_runs("bird") ? "bird" : doctor_runs("bird6") ? "bird6" :
	       doctor_runs("zebra") ? "zebra" : doctor_runs("gobgpd") ? "gobgpd" : NULL;
}

static void mend_by_route(struct finding *f, const struct have *h,
			  const struct owned *o, const struct rtroute *but)
{
	const struct addr *endpoint = &o->peer->endpoint;
	bool v6 = o->cidr.addr.family == AF_INET6;
	const char *dev = shell_word(h->link.name), *daemon = daemon_of(h);

	if (daemon) {
		finding_by_hand(f, "%s writes the routes here: look why it has none; without it: ipmesh peer set %s dev %s route",
				daemon, addr_str(endpoint), dev);
		return;
	}
	if (!has_foreign(h, o->peer, but))
		finding_mend_net(f, "ipmesh peer set %s dev %s route",
				 addr_str(endpoint), dev);
	else if (endpoint->family == AF_INET6)
		finding_mend_net(f, "ip%s route add %s dev %s proto %u",
				 v6 ? " -6" : "", prefix_str(&o->cidr), dev,
				 RTPROT_IPMESH);
	else
		finding_mend_net(f, "ip%s route add %s via %s%s dev %s onlink proto %u",
				 v6 ? " -6" : "", prefix_str(&o->cidr),
				 v6 ? "::ffff:" : "", addr_str(endpoint), dev,
				 RTPROT_IPMESH);
}

enum leads {
	LEADS_RIGHT,		/* to the peer, through the device or beside it */
	LEADS_ASIDE,		/* to the peer, but over the underlay's device */
	LEADS_WRONG_PEER,	/* through the device, to another endpoint */
	LEADS_WRONG,
};

static enum leads leads(const struct have *h, const struct map *m,
			const struct rtroute *r, const struct peer *p)
{
	struct addr gw = addr_unmapped(&r->gw);
	struct hop hop;

	if (r->multipath)
		return LEADS_WRONG;
	if (r->oif == h->link.ifindex && r->type == RTN_UNICAST)
		return !gw.family || peer_via(h, m, &gw) == p ? LEADS_RIGHT :
		       LEADS_WRONG_PEER;
	/* Written by apply, for nodes on the same subnet. */
	if (r->proto == RTPROT_IPMESH && r->type == RTN_UNICAST)
		return LEADS_RIGHT;
	if (r->type == RTN_UNICAST && addr_eq(&gw, &p->endpoint) &&
	    have_underlay(h, &p->endpoint, &hop) && hop.oif == r->oif)
		return LEADS_ASIDE;
	return LEADS_WRONG;
}

/* The kernel's own: they go when the address goes. */
static const struct rtaddr *address_behind(const struct have *h,
					   const struct rtroute *r)
{
	struct prefix net;

	if (r->proto != RTPROT_KERNEL)
		return NULL;
	for (size_t i = 0; i < h->addrs.n; i++) {
		net = prefix_masked(&h->addrs.v[i].addr);
		if (h->addrs.v[i].ifindex == r->oif && prefix_eq(&net, &r->dst))
			return &h->addrs.v[i];
	}
	return NULL;
}

static void mend_foreign(struct finding *f, const struct have *h,
			 const struct rtroute *r)
{
	const struct rtaddr *a = address_behind(h, r);

	if (a) {
		finding_by_hand(f, "it comes with an address of that device, which is to go: ip addr del %s dev %s",
				prefix_str(&a->addr), shell_word(rtlink_name(a->ifindex)));
		return;
	}
	if (r->proto == RTPROT_IPMESH)
		finding_mend_net(f, "%s", route_del_command(r));
	else
		finding_by_hand(f, "it is not ipmesh's (proto %s): %s%s",
				rtroute_proto_name(r->proto), route_del_command(r),
				r->proto == RTPROT_BOOT || r->proto == RTPROT_STATIC ? "" :
				", and stop it there if it is written again");
}

/* The best of its routes, of @n that are left. */
static void exact(struct doctor *d, const struct have *h, const struct map *m,
		  const struct owned *o, const struct rtroute *r, size_t n)
{
	struct finding *f;

	switch (leads(h, m, r, o->peer)) {
	case LEADS_RIGHT:
		return;
	case LEADS_ASIDE:
		f = doctor_find(d, SEVERITY_NOTE, "route_beside",
				"packets are not encapsulated: right for ipipMode Never, and for CrossSubnet on one subnet",
				"%s of %s goes past %s: %s", prefix_str(&o->cidr),
				peer_str(o->peer), h->link.name, rtroute_str(r));
		finding_by_hand(f, "if it is to go through %s: %s, and ipmesh peer set %s dev %s route",
				h->link.name, route_del_command(r),
				addr_str(&o->peer->endpoint), shell_word(h->link.name));
		return;
	case LEADS_WRONG_PEER:
		f = doctor_find(d, SEVERITY_PROBLEM, "route_wrong_peer",
				"another node gets the packets, and a strict one drops the answers",
				"%s of %s goes to another endpoint: %s",
				prefix_str(&o->cidr), peer_str(o->peer), rtroute_str(r));
		break;
	case LEADS_WRONG:
		f = doctor_find(d, SEVERITY_PROBLEM, "route_wrong_device",
				"packets for these pods do not enter the tunnel",
				"%s of %s leads elsewhere: %s", prefix_str(&o->cidr),
				peer_str(o->peer), rtroute_str(r));
		break;
	default:
		return;
	}
	mend_foreign(f, h, r);
	/* One behind it may be right. */
	if (f->n_commands && (n < 2 || leads(h, m, &r[1], o->peer) != LEADS_RIGHT))
		mend_by_route(f, h, o, r);
}

/* The longest route that covers the prefix, of those that are shorter. */
static const struct rtroute *covering(const struct have *h, const struct prefix *cidr)
{
	struct prefix p = *cidr, dst;
	const struct rtroute *r;
	size_t n;

	while (p.len) {
		p.len--;
		dst = prefix_masked(&p);
		r = have_routes(h, &dst, &n);
		if (n)
			return r;
	}
	return NULL;
}

static bool finds_peer(const struct have *h, const struct rtroute *r)
{
	return r && r->oif == h->link.ifindex && r->type == RTN_UNICAST &&
	       !r->gw.family;
}

/* Routes inside the CIDR that are more specific, and not of another peer's. */
static void inside(struct doctor *d, const struct have *h, const struct map *m,
		   const struct owned *o)
{
	const struct rtroute *r, *end = h->routes.v + h->routes.n;
	struct finding *f;
	size_t n;

	for (r = have_routes(h, &o->cidr, &n); r < end; r++) {
		if (prefix_eq(&r->dst, &o->cidr))
			continue;
		if (!prefix_covers(&o->cidr, &r->dst))
			break;
		if (leads(h, m, r, o->peer) == LEADS_RIGHT || map_find(m, &r->dst))
			continue;
		/* This host's own networks, or a daemon's choice, are right as they are;
		 * of others only the one who wrote them knows.
		 */
		f = doctor_find(d, r->proto == RTPROT_KERNEL || (r->proto >= RTPROT_GATED &&
				r->proto != RTPROT_IPMESH) ? SEVERITY_NOTE :
				r->proto == RTPROT_IPMESH ? SEVERITY_PROBLEM :
				SEVERITY_WARNING, "route_shadowed",
				"a more specific route wins: packets for these pods do not go to the peer",
				"%s of %s is hidden in part by: %s", prefix_str(&o->cidr),
				peer_str(o->peer), rtroute_str(r));
		mend_foreign(f, h, r);
	}
}

static void check(struct doctor *d, const struct have *h, const struct map *m,
		  const struct owned *o)
{
	const struct rtroute *r, *c;
	struct finding *f;
	size_t n, i;

	/* It has no route, or one that somebody has chosen with care; or a daemon writes it,
	 * and has its reasons when there is none.
	 */
	if (!o->cidr.len || o->peer->routes == IPMESH_PEER_ROUTES_NONE)
		return;
	r = have_routes(h, &o->cidr, &n);
	/* By metric, the best first. */
	for (i = 0; i < n && r[i].tos; i++)
		;
	if (i < n) {
		exact(d, h, m, o, &r[i], n - i);
	} else {
		c = covering(h, &o->cidr);
		if (!finds_peer(h, c)) {
			f = doctor_find(d, SEVERITY_PROBLEM, "route_missing",
					"packets for these pods do not enter the tunnel",
					"%s of %s has no route%s%s", prefix_str(&o->cidr),
					peer_str(o->peer), c ? "; the next one is: " : "",
					c ? rtroute_str(c) : "");
			mend_by_route(f, h, o, NULL);
		}
	}
	inside(d, h, m, o);
}

void doctor_routes(struct doctor *d)
{
	for (size_t i = 0; i < d->n_mesh; i++) {
		const struct have *h = &d->mesh[i];
		struct map m;

		/* Routes come when it is up. */
		if (!h->exists || !(h->link.flags & IFF_UP))
			continue;
		m = map_of(h);
		for (size_t k = 0; k < m.n; k++)
			check(d, h, &m, &m.v[k]);
		free(m.v);
	}
}
