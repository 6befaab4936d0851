// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: the module, the device, and its addresses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "err.h"

#define MODULE_VERSION_FILE	"/sys/module/ipmesh/version"

static void mend_module(struct finding *f)
{
	finding_mend(f, "modprobe ipmesh");
	finding_undo(f, "modprobe -r ipmesh");
}

void doctor_module(struct doctor *d)
{
	char version[64] = "";
	struct finding *f;
	FILE *file;

	if (access("/sys/module/ipmesh", F_OK)) {
		f = doctor_find(d, SEVERITY_PROBLEM, "module_missing",
				"without it there is no device",
				"the kernel module ipmesh is not loaded");
		if (system("modprobe -n -q ipmesh 2>/dev/null"))
			finding_by_hand(f, "this kernel has none: install it (make install, or the package ipmesh-dkms)");
		else
			mend_module(f);
		return;
	}
	file = fopen(MODULE_VERSION_FILE, "re");
	if (!file)
		return;
	if (!fgets(version, sizeof(version), file))
		*version = '\0';
	fclose(file);
	version[strcspn(version, "\n")] = '\0';
	if (!*version || !strcmp(version, VERSION))
		return;
	f = doctor_find(d, SEVERITY_WARNING, "module_version",
			"what the one knows the other may not",
			"the loaded module is of version %s, this program of " VERSION,
			err_safe(version));
	finding_by_hand(f, "put the installed module in its place, for which its devices are made again: ipmesh upgrade; or reboot");
}

static bool on_device(const struct have *h, const struct rtaddr *a)
{
	return a->ifindex == h->link.ifindex && a->scope != RT_SCOPE_LINK;
}

static void check_name(struct doctor *d, const struct have *h)
{
	const char *module = rtlink_fallback(h->link.name);
	struct finding *f;

	if (!module)
		return;
	f = doctor_find(d, SEVERITY_NOTE, "fallback_name",
			"the module of that name loads nowhere on this host as long as it is so, and modprobe does not say it",
			"%s has the name of the kernel's own device of %s", h->link.name, module);
	finding_by_hand(f, "right for who takes the device by that name, as Calico's Felix does; else: ip link set %s down name OTHER",
			h->link.name);
}

static void check_down(struct doctor *d, const struct have *h)
{
	struct finding *f;

	if (h->link.flags & IFF_UP)
		return;
	f = doctor_find(d, SEVERITY_PROBLEM, "device_down",
			"nothing passes, and the kernel keeps no routes through it",
			"%s is down", h->link.name);
	finding_mend_net(f, "ip link set %s up", shell_word(h->link.name));
}

static void check_local(struct doctor *d, const struct have *h)
{
	const struct addr *local = &h->link.attrs.local;
	struct finding *f;

	if (addr_is_any(local) || have_address(h, local))
		return;
	f = doctor_find(d, SEVERITY_PROBLEM, "local_missing",
			"the underlay brings nothing to it, and no answer comes",
			"%s sends from %s, which is no address of this host",
			h->link.name, addr_str(local));
	finding_by_hand(f, "name one that the host has: ipmesh link set %s local ADDRESS, or give the host this one",
			shell_word(h->link.name));
}

/* --- addresses ---------------------------------------------------------------- */

/* Do packets to pods of that family take the device's address as their source? */
static bool needs_address(const struct have *h, uint8_t family)
{
	bool any = false;

	for (size_t i = 0; i < h->routes.n; i++) {
		const struct rtroute *r = &h->routes.v[i];

		if (r->oif != h->link.ifindex || r->dst.addr.family != family ||
		    r->type != RTN_UNICAST || r->proto == RTPROT_KERNEL)
			continue;
		if (!r->src.family)
			return true;
		any = true;
	}
	if (any)
		return false;
	for (size_t p = 0; p < h->peers.n; p++)
		for (size_t c = 0; c < h->peers.v[p].n_cidrs; c++)
			if (h->peers.v[p].cidrs[c].len &&
			    h->peers.v[p].cidrs[c].addr.family == family)
				return true;
	return false;
}

/* The first host of this node's own block, where something tells it. */
static bool own_address(const struct have *h, uint8_t family, struct prefix *p)
{
	size_t n = 0, routes = 0;

	for (size_t i = 0; i < h->routes.n; i++) {
		const struct rtroute *r = &h->routes.v[i];
		struct addr first;

		if (r->type != RTN_BLACKHOLE || r->proto != RTPROT_IPMESH ||
		    r->dst.addr.family != family || r->dst.len >= addr_bits(&r->dst.addr) - 1)
			continue;
		first = prefix_nth(&r->dst, 1);
		*p = prefix_host(&first);
		n++;
	}
	/* A pod may have it. */
	if (n == 1)
		have_routes(h, p, &routes);
	return n == 1 && !routes && !have_address(h, &p->addr);
}

static void check_source(struct doctor *d, const struct have *h, uint8_t family)
{
	struct finding *f;
	struct prefix p;

	for (size_t i = 0; i < h->addrs.n; i++)
		if (on_device(h, &h->addrs.v[i]) &&
		    h->addrs.v[i].addr.addr.family == family)
			return;
	if (!needs_address(h, family))
		return;
	f = doctor_find(d, SEVERITY_PROBLEM, "no_tunnel_address",
			"packets of this host to pods leave with an address of the underlay, and peers drop them or answer past the tunnel",
			"%s has no %s address", h->link.name, family_name(family));
	if (own_address(h, family, &p))
		finding_mend_net(f, "ip addr add %s dev %s", prefix_str(&p),
				 shell_word(h->link.name));
	else
		finding_by_hand(f, "give it the first address of this node's block: ip addr add ADDRESS/%d dev %s, or in the document of ipmesh apply",
				family == AF_INET6 ? 128 : 32, shell_word(h->link.name));
}

static void same_elsewhere(struct doctor *d, const struct have *h,
			   const struct rtaddr *other)
{
	const struct rtlink *l = doctor_link(d, other->ifindex);
	struct finding *f;

	/* Of tunl0 doctor_leftovers() has told. The gateway of pods has the first address of
	 * the block, as the tunnel has: a bridge, or the host's end of each pod's veth.
	 */
	if (!l || !strcmp(l->kind, "ipip") || !strcmp(l->kind, "bridge") ||
	    !strcmp(l->kind, "veth"))
		return;
	f = doctor_find(d, SEVERITY_NOTE, "address_twice",
			"whichever goes first takes the other one's packets along",
			"%s has the tunnel address of %s too: %s", l->name,
			h->link.name, prefix_str(&other->addr));
	finding_by_hand(f, "if it is wrong there: ip addr del %s dev %s",
			prefix_str(&other->addr), shell_word(l->name));
}

/* Of a prefix that holds the networks of many, an address says nothing. */
static bool is_tunnel_address(const struct prefix *cidr, const struct addr *a)
{
	struct addr first;

	if (cidr->len >= addr_bits(&cidr->addr) - 1)
		return true;
	first = prefix_nth(cidr, 1);
	return addr_eq(&first, a);
}

static void check_addresses(struct doctor *d, const struct have *h)
{
	const struct peer *p;
	struct finding *f;

	for (size_t i = 0; i < h->addrs.n; i++) {
		const struct rtaddr *a = &h->addrs.v[i];

		if (!on_device(h, a))
			continue;
		for (size_t k = 0; k < h->addrs.n; k++)
			if (h->addrs.v[k].ifindex != a->ifindex &&
			    addr_eq(&h->addrs.v[k].addr.addr, &a->addr.addr))
				same_elsewhere(d, h, &h->addrs.v[k]);
		for (size_t k = 0; k < h->peers.n; k++) {
			p = &h->peers.v[k];
			for (size_t c = 0; c < p->n_cidrs; c++) {
				if (!prefix_contains(&p->cidrs[c], &a->addr.addr) ||
				    !is_tunnel_address(&p->cidrs[c], &a->addr.addr))
					continue;
				f = doctor_find(d, SEVERITY_PROBLEM, "address_of_peer",
						"two nodes have one tunnel address: answers go to the wrong one",
						"%s has %s, which is in %s of peer %s%s%s",
						h->link.name, prefix_str(&a->addr),
						prefix_str(&p->cidrs[c]),
						addr_str(&p->endpoint),
						*p->name ? " " : "", p->name);
				finding_by_hand(f, "see which node the prefix is of, and give this one an address of its own block: ipmesh link set %s address ADDRESS",
						shell_word(h->link.name));
			}
		}
	}
}

void doctor_devices(struct doctor *d)
{
	for (size_t i = 0; i < d->n_mesh; i++) {
		const struct have *h = &d->mesh[i];

		if (!h->exists)
			continue;
		check_name(d, h);
		check_down(d, h);
		check_local(d, h);
		check_source(d, h, AF_INET);
		check_source(d, h, AF_INET6);
		check_addresses(d, h);
	}
}
