// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the kernel's state: every dump once, whatever the number of peers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "have.h"
#include "nft.h"

static bool read_forwarding(int family)
{
	static const char *const files[FAMILIES] = {
		"/proc/sys/net/ipv4/ip_forward",
		"/proc/sys/net/ipv6/conf/all/forwarding",
	};
	FILE *f = fopen(files[family], "re");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	/* Where it cannot be read, nothing is known to be wrong. */
	return c != '0';
}

static int fail(struct nl *nl, const char *what, int e)
{
	err_refused("cannot read the %s: %s", what, nl_error(nl, e));
	return -1;
}

static int read_device(struct have *h, struct nl *nl, const char *dev)
{
	int e = rtlink_get(nl, dev, 0, &h->link);

	if (e == -ENODEV)
		return 0;
	if (e)
		return fail(nl, "device", e);
	if (strcmp(h->link.kind, IPMESH_KIND)) {
		err_refused("\"%s\" is not an ipmesh device but of kind %s; choose another name with --dev, or remove it: ip link del %s",
			    dev, *h->link.kind ? h->link.kind : "\"none\"", dev);
		return -1;
	}
	h->exists = true;
	e = genlpeer_dump(nl, h->link.ifindex, &h->peers);
	return e ? fail(nl, "peers", e) : 0;
}

/* With nexthop_compat_mode off, a route tells only the nexthop object's id. */
static void name_devices(struct have *h)
{
	const struct nexthop *nh;
	struct rtroute *r;

	for (size_t i = 0; i < h->routes.n; i++) {
		r = &h->routes.v[i];
		nh = r->nhid && !r->oif ? rtnexthop_by_id(&h->nexthops, r->nhid) : NULL;
		if (nh) {
			r->oif = nh->oif;
			r->gw = nh->gw;
		}
	}
}

static void read_table(struct have *h, int family, const char *dev)
{
	const char *wrong;
	json_t *table = nft_own_table(family_number(family), &wrong);

	nat_read(&h->nat[family], family_number(family), table, dev);
	guard_read(&h->guard[family], table, dev);
	json_decref(table);
	if (wrong && !h->nat_wrong)
		h->nat_wrong = xstrdup(wrong);
}

int have_read(struct have *h, struct nl *nl, const char *dev)
{
	struct rtroute_filter f = { 0 };
	int e, i;

	memset(h, 0, sizeof(*h));
	h->nl = nl;
	if (read_device(h, nl, dev))
		return -1;
	e = rtlink_dump(nl, IPMESH_KIND, &h->meshes);
	if (e)
		return fail(nl, "devices", e);
	e = rtaddr_dump(nl, AF_UNSPEC, 0, &h->addrs);
	if (e)
		return fail(nl, "addresses", e);
	e = rtnexthop_dump(nl, 0, &h->nexthops);
	if (e)
		return fail(nl, "nexthop objects", e);
	e = rtroute_dump(nl, &f, &h->routes);
	if (e)
		return fail(nl, "routes", e);
	name_devices(h);
	if (h->routes.n)
		qsort(h->routes.v, h->routes.n, sizeof(*h->routes.v), rtroute_cmp);
	for (i = 0; i < FAMILIES; i++) {
		read_table(h, i, dev);
		h->forwarding[i] = read_forwarding(i);
	}
	endpointset_read(&h->sets, dev);
	return 0;
}

void have_free(struct have *h)
{
	rtlinks_free(&h->meshes);
	rtaddrs_free(&h->addrs);
	peers_free(&h->peers);
	rtnexthops_free(&h->nexthops);
	rtroutes_free(&h->routes);
	for (int i = 0; i < FAMILIES; i++) {
		nat_clear(&h->nat[i]);
		guard_clear(&h->guard[i]);
	}
	free(h->nat_wrong);
	endpointset_free(&h->sets);
	memset(h, 0, sizeof(*h));
}

bool have_other_mesh(const struct have *h, uint32_t ifindex)
{
	for (size_t i = 0; i < h->meshes.n; i++)
		if (h->meshes.v[i].ifindex == ifindex)
			return !h->exists || ifindex != h->link.ifindex;
	return false;
}

bool have_address(const struct have *h, const struct addr *a)
{
	for (size_t i = 0; i < h->addrs.n; i++)
		if (addr_eq(&h->addrs.v[i].addr.addr, a))
			return true;
	return false;
}

static int by_prefix(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

struct prefix *have_cidrs(const struct have *h, size_t *n)
{
	const struct peer *p;
	struct prefix *v;
	size_t i, all = 0;

	for (i = 0; i < h->peers.n; i++)
		all += h->peers.v[i].n_cidrs;
	v = xcalloc(all, sizeof(*v));
	*n = 0;
	for (i = 0; i < h->peers.n; i++) {
		p = &h->peers.v[i];
		if (p->n_cidrs)
			memcpy(v + *n, p->cidrs, p->n_cidrs * sizeof(*v));
		*n += p->n_cidrs;
	}
	if (all)
		qsort(v, all, sizeof(*v), by_prefix);
	return v;
}

bool prefix_among(const struct prefix *v, size_t n, const struct prefix *p)
{
	return n && bsearch(p, v, n, sizeof(*v), by_prefix);
}

const struct rtroute *have_routes(const struct have *h, const struct prefix *dst,
				  size_t *n)
{
	size_t lo = 0, hi = h->routes.n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (prefix_cmp(&h->routes.v[mid].dst, dst) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (hi = lo; hi < h->routes.n && prefix_eq(&h->routes.v[hi].dst, dst); hi++)
		;
	*n = hi - lo;
	return &h->routes.v[lo];
}

const struct peer *have_peer_behind(const struct have *h, const struct addr *a, uint8_t shortest)
{
	const struct peer *found = NULL;
	uint8_t longest = 0;

	for (size_t p = 0; p < h->peers.n; p++)
		for (size_t c = 0; c < h->peers.v[p].n_cidrs; c++) {
			const struct prefix *cidr = &h->peers.v[p].cidrs[c];

			if (cidr->len < shortest || (found && cidr->len <= longest) ||
			    !prefix_contains(cidr, a))
				continue;
			longest = cidr->len;
			found = &h->peers.v[p];
		}
	return found;
}

bool have_underlay(const struct have *h, const struct addr *endpoint,
		   struct hop *hop)
{
	struct prefix p = { *endpoint, 0 };
	const struct rtroute *r;
	struct prefix dst;
	size_t n, i;
	int len;

	for (len = addr_bits(endpoint); len >= 0; len--) {
		p.len = (uint8_t)len;
		dst = prefix_masked(&p);
		r = have_routes(h, &dst, &n);
		/* By metric, the best first. */
		for (i = 0; i < n; i++) {
			if (r[i].proto == RTPROT_IPMESH || r[i].tos ||
			    r[i].type != RTN_UNICAST || !r[i].oif ||
			    (h->exists && r[i].oif == h->link.ifindex) ||
			    have_other_mesh(h, r[i].oif))
				continue;
			*hop = (struct hop){
				.gw = r[i].gw.family ? r[i].gw : *endpoint,
				.oif = r[i].oif,
				.onlink = r[i].onlink,
			};
			return true;
		}
	}
	return false;
}
