// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: sizes that cannot work. */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "err.h"

/* What the tunnel's headers take of a packet to that peer. */
static uint32_t overhead(const struct have *h, const struct peer *p)
{
	uint8_t encap = p->encap == IPMESH_ENCAP_DEVICE ? h->link.attrs.encap : p->encap;

	return (p->endpoint.family == AF_INET6 ? 40 : 20) +
	       (encap == IPMESH_ENCAP_UDP ? 8 : 0);
}

/* The least that the underlay's devices leave, and whose way it is; 0: unknown. */
static uint32_t room(const struct doctor *d, const struct have *h,
		     const struct peer **peer, const struct rtlink **lower)
{
	uint32_t least = 0, oif, mtu;
	const struct rtlink *l;
	const struct peer *p;
	struct hop hop;

	for (size_t i = 0; i < h->peers.n; i++) {
		p = &h->peers.v[i];
		oif = h->link.attrs.link;
		if (!oif && !have_underlay(h, &p->endpoint, &hop))
			continue;
		l = doctor_link(d, oif ? oif : hop.oif);
		if (!l || l->mtu <= overhead(h, p))
			continue;
		mtu = l->mtu - overhead(h, p);
		if (least && mtu >= least)
			continue;
		least = mtu;
		*peer = p;
		*lower = l;
	}
	return least;
}

static void mend_auto(struct finding *f, const struct have *h)
{
	const char *dev = shell_word(h->link.name);

	finding_mend_net(f, "ipmesh link set %s mtu auto", dev);
	finding_undo_net(f, "ipmesh link set %s mtu %u", dev, h->link.mtu);
}

static void device(struct doctor *d, const struct have *h, uint32_t most,
		   const struct peer *p, const struct rtlink *lower)
{
	struct finding *f;

	if (most && h->link.mtu > most && h->link.attrs.mtu_auto &&
	    h->link.mtu <= IPV6_MIN_MTU) {
		f = doctor_find(d, SEVERITY_WARNING, "mtu_ipv6",
				"IPv6 has no less: its full packets to that peer are cut in two",
				"%s follows the underlay down to MTU %u, but %s, with %u, leaves %u for packets to %s",
				h->link.name, h->link.mtu, lower->name, lower->mtu,
				most, addr_str(&p->endpoint));
		finding_by_hand(f, "raise the MTU of the underlay");
		return;
	}
	if (most && h->link.mtu > most) {
		f = doctor_find(d, SEVERITY_PROBLEM, "mtu",
				"full packets to that peer do not fit: they are cut in two, or dropped where DF is set",
				"%s has MTU %u, but %s, with %u, leaves %u for packets to %s",
				h->link.name, h->link.mtu, lower->name, lower->mtu,
				most, addr_str(&p->endpoint));
		mend_auto(f, h);
		return;
	}
	if (h->link.mtu >= IPV6_MIN_MTU)
		return;
	for (size_t i = 0; i < h->peers.n; i++)
		for (size_t c = 0; c < h->peers.v[i].n_cidrs; c++) {
			if (h->peers.v[i].cidrs[c].addr.family != AF_INET6)
				continue;
			f = doctor_find(d, SEVERITY_PROBLEM, "mtu_ipv6",
					"the kernel has no IPv6 on a device with less than 1280",
					"%s has MTU %u and carries IPv6 pods",
					h->link.name, h->link.mtu);
			if (!h->link.attrs.mtu_auto && most >= IPV6_MIN_MTU)
				mend_auto(f, h);
			else
				finding_by_hand(f, "raise the MTU of the underlay");
			return;
		}
}

static void routes(struct doctor *d, const struct have *h)
{
	struct finding *f;

	for (size_t i = 0; i < h->routes.n; i++) {
		const struct rtroute *r = &h->routes.v[i];

		if (r->oif != h->link.ifindex || r->mtu <= h->link.mtu)
			continue;
		f = doctor_find(d, SEVERITY_PROBLEM, "mtu_route",
				"senders make packets larger than the device takes",
				"%s, more than the %u of %s", rtroute_str(r),
				h->link.mtu, h->link.name);
		if (r->proto == RTPROT_IPMESH)
			finding_mend_net(f, "%s", route_no_mtu_command(r));
		else
			finding_by_hand(f, "it is not ipmesh's: %s", route_no_mtu_command(r));
	}
}

/* A veth with a route for one address is a pod's, one on cni0 too. */
static bool is_pod(const struct doctor *d, const struct have *h, const struct rtlink *l)
{
	const struct rtlink *bridge = l->master ? doctor_link(d, l->master) : NULL;

	if (strcmp(l->kind, "veth") || !(l->flags & IFF_UP))
		return false;
	if (bridge && !strcmp(bridge->name, "cni0"))
		return true;
	for (size_t i = 0; i < h->routes.n; i++)
		if (h->routes.v[i].oif == l->ifindex && !h->routes.v[i].gw.family &&
		    h->routes.v[i].proto != RTPROT_KERNEL &&
		    h->routes.v[i].dst.len == addr_bits(&h->routes.v[i].dst.addr))
			return true;
	return false;
}

static void pods(struct doctor *d, const struct have *h)
{
	const struct rtlink *first = NULL;
	struct finding *f;
	size_t n = 0;

	if (!h->peers.n)
		return;
	for (size_t i = 0; i < d->links.n; i++) {
		const struct rtlink *l = &d->links.v[i];

		if (l->mtu <= h->link.mtu || !is_pod(d, h, l))
			continue;
		if (!n++)
			first = l;
	}
	if (!n)
		return;
	f = doctor_find(d, SEVERITY_WARNING, "mtu_pods",
			"pods learn the smaller size from ICMP alone; one whose firewall drops that hangs on large packets",
			"%zu veth%s of pods %s a larger MTU than the %u of %s: %s has %u%s",
			n, n > 1 ? "s" : "", n > 1 ? "have" : "has", h->link.mtu,
			h->link.name, first->name, first->mtu, n > 1 ? ", …" : "");
	finding_by_hand(f, "the other end is the pod's: set the MTU to %u in the CNI configuration (veth_mtu of Calico) and let the pods be made anew",
			h->link.mtu);
}

void doctor_mtu(struct doctor *d)
{
	const struct peer *p = NULL;
	const struct rtlink *lower = NULL;

	uint32_t most;

	for (size_t i = 0; i < d->n_mesh; i++) {
		const struct have *h = &d->mesh[i];

		if (!h->exists)
			continue;
		most = room(d, h, &p, &lower);
		device(d, h, most, p, lower);
		routes(d, h);
		pods(d, h);
	}
}
