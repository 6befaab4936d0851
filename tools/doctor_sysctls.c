// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: forwarding, reverse path filter, limits of tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "err.h"
#include "rtneigh.h"
#include "sysctl.h"

/* --- forwarding ---------------------------------------------------------------- */

static const char forwarding_why[] =
	"packets from and to pods pass through this host, and it drops them";

/* Does anything of that family go through a device of ours? */
static bool carries(const struct doctor *d, uint8_t family)
{
	bool any = false;

	for (size_t i = 0; i < d->n_mesh; i++)
		for (size_t p = 0; p < d->mesh[i].peers.n; p++)
			for (size_t c = 0; c < d->mesh[i].peers.v[p].n_cidrs; c++) {
				any = true;
				/* What comes of a balancer need not be forwarded. */
				if (d->mesh[i].peers.v[p].cidrs[c].len &&
				    d->mesh[i].peers.v[p].cidrs[c].addr.family == family)
					return true;
			}
	return !any && family == AF_INET;
}

/* A router ignores the advertisements that its default route is made by. */
static bool by_advertisement(const struct doctor *d)
{
	const struct rtroutes *l = &d->mesh[0].routes;
	long accept;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].dst.addr.family == AF_INET6 && l->v[i].proto == RTPROT_RA &&
		    sysctl_read(&accept, "net/ipv6/conf/%s/accept_ra",
				rtlink_name(l->v[i].oif)) && accept == 1)
			return true;
	return false;
}

static void forwarding(struct doctor *d, uint8_t family, const char *key)
{
	struct finding *f;
	long now, boot;
	char *file;

	if (!carries(d, family) || !sysctl_read(&now, "%s", key))
		return;
	if (!now) {
		f = doctor_find(d, SEVERITY_PROBLEM, family == AF_INET ?
				"ip_forward" : "ipv6_forwarding", forwarding_why,
				"this host does not forward %s", family_name(family));
		if (family == AF_INET6 && by_advertisement(d))
			finding_by_hand(f, "its default route comes by router advertisements, which a router ignores: set accept_ra=2 on that device first, then: sysctl -w %s=1",
					sysctl_name(key));
		else
			sysctl_mend(d, f, key, 1);
		return;
	}
	if (sysctl_at_boot(d, key, &boot, &file) && !boot) {
		f = doctor_find(d, SEVERITY_WARNING, family == AF_INET ?
				"ip_forward_boot" : "ipv6_forwarding_boot",
				"the next boot takes it away",
				"this host forwards %s, but %s turns that off",
				family_name(family), file);
		sysctl_mend_boot(d, f, key, 1);
	}
	free(file);
}

/* Set apart from the rest of the host. */
static void device_forwarding(struct doctor *d, const struct have *h)
{
	struct finding *f;
	char *key;
	long all, now;

	if (!sysctl_read(&all, "net/ipv4/ip_forward") || !all ||
	    !sysctl_read(&now, "net/ipv4/conf/%s/forwarding", h->link.name) || now)
		return;
	key = xasprintf("net/ipv4/conf/%s/forwarding", h->link.name);
	f = doctor_find(d, SEVERITY_PROBLEM, "device_forwarding", forwarding_why,
			"this host forwards, but nothing that comes from %s",
			h->link.name);
	sysctl_mend(d, f, key, 1);
	free(key);
}

/* --- the reverse path filter ----------------------------------------------------- */

/* The kernel takes the larger of "all" and the device's own. */
static bool is_strict(const char *dev)
{
	long all, own;

	return sysctl_read(&all, "net/ipv4/conf/all/rp_filter") &&
	       sysctl_read(&own, "net/ipv4/conf/%s/rp_filter", dev) &&
	       (all > own ? all : own) == 1;
}

static void loosen(struct doctor *d, struct finding *f, const char *dev)
{
	char *key = xasprintf("net/ipv4/conf/%s/rp_filter", dev);

	sysctl_mend(d, f, key, 2);
	free(key);
}

/* The underlay's device that has the local address, when an answer to a peer
 * leaves by another one: what the peer sends then comes in on the wrong one.
 */
static const struct rtlink *asymmetric(const struct doctor *d, const struct have *h,
				       const struct peer **peer)
{
	const struct addr *local = &h->link.attrs.local;
	uint32_t in = 0;
	struct hop hop;

	if (local->family != AF_INET || addr_is_any(local))
		return NULL;
	for (size_t i = 0; i < h->addrs.n; i++)
		if (addr_eq(&h->addrs.v[i].addr.addr, local))
			in = h->addrs.v[i].ifindex;
	if (h->link.attrs.link)
		in = h->link.attrs.link;
	for (size_t i = 0; in && i < h->peers.n; i++) {
		*peer = &h->peers.v[i];
		if (have_underlay(h, &(*peer)->endpoint, &hop) && hop.oif != in)
			return doctor_link(d, in);
	}
	return NULL;
}

static void rp_filter(struct doctor *d, const struct have *h)
{
	const struct rtlink *under;
	const struct peer *p = NULL;
	struct finding *f;

	if (is_strict(h->link.name)) {
		f = doctor_find(d, SEVERITY_PROBLEM, "rp_filter",
				"it drops what comes through the tunnel with an address that is routed past it, as of a peer's host itself",
				"rp_filter of %s is strict (1)", h->link.name);
		loosen(d, f, h->link.name);
	}
	under = asymmetric(d, h, &p);
	if (under && is_strict(under->name)) {
		f = doctor_find(d, SEVERITY_PROBLEM, "rp_filter_underlay",
				"it drops what comes in by another device than the answer leaves by",
				"rp_filter of %s is strict (1), and the way to peer %s leaves by another device",
				under->name, addr_str(&p->endpoint));
		finding_by_hand(f, "it is not ipmesh's device: sysctl -w net.ipv4.conf.%s.rp_filter=2, and the same in /etc/sysctl.d",
				shell_word(under->name));
	}
}

void doctor_sysctls(struct doctor *d)
{
	forwarding(d, AF_INET, "net/ipv4/ip_forward");
	forwarding(d, AF_INET6, "net/ipv6/conf/all/forwarding");
	for (size_t i = 0; i < d->n_mesh; i++) {
		if (!d->mesh[i].exists)
			continue;
		device_forwarding(d, &d->mesh[i]);
		rp_filter(d, &d->mesh[i]);
	}
}

/* --- limits ----------------------------------------------------------------------- */

/* Peers on the same link, each a neighbour of the underlay. */
static size_t on_link(const struct doctor *d, uint8_t family)
{
	const struct have *h;
	struct hop hop;
	size_t n = 0;

	for (size_t i = 0; i < d->n_mesh; i++) {
		h = &d->mesh[i];
		for (size_t p = 0; p < h->peers.n; p++)
			n += h->peers.v[p].endpoint.family == family &&
			     have_underlay(h, &h->peers.v[p].endpoint, &hop) &&
			     addr_eq(&hop.gw, &h->peers.v[p].endpoint);
	}
	return n;
}

static void raise_limit(struct doctor *d, struct finding *f, const char *ip, size_t n)
{
	size_t room;
	char *key;

	for (room = 1024; room < n * 2; room *= 2)
		;
	for (int i = 3; i; i--, room /= 2) {
		key = xasprintf("net/%s/neigh/default/gc_thresh%d", ip, i);
		sysctl_mend(d, f, key, (long)room);
		free(key);
	}
}

static const char neighbours_why[] =
	"when it is full packets to some peers are dropped, and each look-up searches it for room";

/* What is in the table, whoever has put it there: a tunnel may have an entry for each
 * nexthop, or for each pod.
 */
static void table_full(struct doctor *d, uint8_t family, const char *ip, size_t limit)
{
	const struct rtneigh_use *most = NULL;
	struct rtneighs l = { 0 };
	struct finding *f;
	size_t n = 0;

	if (rtneigh_dump(d->nl, family, &l)) {
		rtneighs_free(&l);
		return;
	}
	for (size_t i = 0; i < l.n; i++) {
		n += l.v[i].n;
		if (!most || l.v[i].n > most->n)
			most = &l.v[i];
	}
	if (n > limit / 10 * 9) {
		f = doctor_find(d, SEVERITY_PROBLEM, "neighbour_table", neighbours_why,
				"the table of %s neighbours takes %zu and has %zu, of which %zu are of %s",
				family_name(family), limit, n, most->n,
				rtlink_name(most->ifindex));
		raise_limit(d, f, ip, n);
	}
	rtneighs_free(&l);
}

static void neighbours(struct doctor *d, uint8_t family, const char *ip)
{
	size_t n = on_link(d, family);
	struct finding *f;
	long max;

	/* It is the whole host's: a namespace does not see it. */
	if (!sysctl_read(&max, "net/%s/neigh/default/gc_thresh3", ip) || max <= 0)
		return;
	if (n <= (size_t)max / 10 * 9) {
		table_full(d, family, ip, (size_t)max);
		return;
	}
	f = doctor_find(d, SEVERITY_PROBLEM, "neighbour_limit", neighbours_why,
			"%zu peers are %s neighbours on the link, and the table takes %ld",
			n, family_name(family), max);
	raise_limit(d, f, ip, n);
}

static void routes6(struct doctor *d)
{
	const struct rtroutes *l = &d->mesh[0].routes;
	struct finding *f;
	size_t n = 0;
	long max, room;

	for (size_t i = 0; i < l->n; i++)
		n += l->v[i].dst.addr.family == AF_INET6;
	if (!sysctl_read(&max, "net/ipv6/route/max_size") || max <= 0 ||
	    n <= (size_t)max / 10 * 9)
		return;
	for (room = 4096; (size_t)room < n * 2; room *= 2)
		;
	f = doctor_find(d, SEVERITY_PROBLEM, "route_limit",
			"when it is full the kernel refuses IPv6 routes, or forgets those that it made for packets",
			"there are %zu IPv6 routes, and net.ipv6.route.max_size is %ld",
			n, max);
	sysctl_mend(d, f, "net/ipv6/route/max_size", room);
}

void doctor_limits(struct doctor *d)
{
	neighbours(d, AF_INET, "ipv4");
	neighbours(d, AF_INET6, "ipv6");
	routes6(d);
}
