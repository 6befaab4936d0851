// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh export: the kernel's state as a document that apply takes back. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "diff.h"
#include "doc_tree.h"
#include "err.h"

static const char usage[] =
	"Usage: ipmesh export [DEV]\n"
	"\n"
	"Prints the device, or all of kind ipmesh, as documents of ipmesh/v1 (YAML):\n"
	"attributes that are not the default, addresses, peers, the ways of their CIDRs,\n"
	"blackholes, address translation. An apply of it finds nothing to change here, and\n"
	"makes the same elsewhere. What no document can say is told on standard error, and\n"
	"so are routes of others through the device, which are left out.\n"
	"\n"
	"  -j    JSON: a Device, or a List of several\n"
	"\n"
	"  ipmesh export > /etc/ipmesh/ipmesh0.yaml\n";

/* Changes of a device that are told of one by one. */
#define TOLD_MAX	5

struct export {
	const struct have *h;
	const char *dev;
	struct doc_node *spec;
	struct prefix *cidrs;	/* of all peers, sorted */
	size_t n_cidrs;
	struct prefix *pools;	/* with one route for each */
	size_t n_pools;
	bool by_pool;
};

static void put_prefixes(struct doc_node *map, const char *key,
			 const struct prefix *v, size_t n)
{
	struct doc_node *list;

	if (!n)
		return;
	list = doc_put(map, key, DOC_SEQ);
	for (size_t i = 0; i < n; i++)
		doc_put_text(list, NULL, prefix_str(&v[i]));
}

/* Sources or outer prefixes: a single address stands alone. */
static void put_part(struct doc_node *map, const char *key, const struct prefix_list *l)
{
	struct doc_node *list;

	if (!l->n)
		return;
	list = doc_put(map, key, DOC_SEQ);
	for (size_t i = 0; i < l->n; i++)
		doc_put_text(list, NULL, prefix_or_host_str(&l->v[i]));
}

static void put_number(struct doc_node *map, const char *key, uint32_t n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	doc_put_plain(map, key, text);
}

static void put_attributes(struct export *x)
{
	const struct linkattrs *v = &x->h->link.attrs;
	struct linkattrs def = { 0 };
	const struct linkattr *a;
	const char *text;

	def.local = v->local;
	def.has = LINKATTR_BIT(IFLA_IPMESH_LOCAL);
	linkattr_defaults(&def);
	for (size_t i = 0; i < linkattr_count; i++) {
		a = &linkattr_table[i];
		if (a->kind == LINKATTR_COUNT || !(v->has & LINKATTR_BIT(a->type)))
			continue;
		text = linkattr_text(a, v);
		if (a->kind == LINKATTR_AUTO) {
			if (!v->mtu_auto)
				put_number(x->spec, "mtu", x->h->link.mtu);
			continue;
		}
		if (a->kind == LINKATTR_ADDR ? addr_is_any(&v->local) :
		    linkattr_number(a, v) == linkattr_number(a, &def))
			continue;
		if (a->kind == LINKATTR_DEV && !if_nametoindex(text)) {
			warn("%s: its lower device is in another network namespace: left out",
			     x->dev);
			continue;
		}
		if (a->kind == LINKATTR_ADDR || a->kind == LINKATTR_DEV)
			doc_put_text(x->spec, read_own_field(a->word), text);
		else
			doc_put_plain(x->spec, read_own_field(a->word), text);
	}
}

static bool to_device(const struct export *x, const struct rtroute *r)
{
	return r->proto == RTPROT_IPMESH && r->type == RTN_UNICAST && !r->nhid &&
	       !r->gw.family && r->oif == x->h->link.ifindex;
}

/* Is it behind a route to the device that is longer than its own CIDRs? */
static bool in_pool(const struct export *x, const struct prefix *cidr)
{
	const struct rtroutes *l = &x->h->routes;

	for (size_t i = 0; i < l->n; i++)
		if (to_device(x, &l->v[i]) && l->v[i].dst.len < cidr->len &&
		    prefix_covers(&l->v[i].dst, cidr))
			return true;
	return false;
}

/*
 * The way of a peer's CIDR as a document names it: by the route of protocol
 * ipmesh that the kernel takes, if it takes one.
 */
static const char *via_of(const struct export *x, const struct peer *p,
			  const struct prefix *cidr)
{
	const struct have *h = x->h;
	const struct rtroute *r, *ours = NULL;
	struct hop hop;
	size_t n;

	/* The kernel has taken them away with the state. */
	if (p->routes == IPMESH_PEER_ROUTES_NONE)
		return "none";
	if (!(h->link.flags & IFF_UP))
		return cidr->len ? "tunnel" : "none";
	r = have_routes(h, cidr, &n);
	for (size_t i = 0; i < n; i++) {
		if (r[i].metric > rtroute_metric(&r[i]) || r[i].tos)
			continue;
		if (r[i].proto != RTPROT_IPMESH || have_other_mesh(h, r[i].oif))
			return "none";
		if (!ours)
			ours = &r[i];
	}
	if (!n && in_pool(x, cidr))
		return "tunnel";
	if (!ours || ours->type != RTN_UNICAST)
		return "none";
	if (ours->oif == h->link.ifindex)
		return "tunnel";
	if (!ours->gw.family)
		return "none";
	if (have_underlay(h, &p->endpoint, &hop) && hop.oif == ours->oif &&
	    addr_eq(&hop.gw, &ours->gw))
		return "underlay";
	return addr_str(&ours->gw);
}

/* The peer has a way of its own when all of its CIDRs have that. */
static void put_cidrs(struct export *x, const struct peer *p, struct doc_node *map)
{
	struct doc_node *list, *item;
	char first[ADDR_STRLEN] = "";
	const char *via;
	bool same = true, zero = p->n_cidrs && !p->cidrs[0].len;

	if (!p->n_cidrs)
		return;
	snprintf(first, sizeof(first), "%s", via_of(x, p, &p->cidrs[0]));
	for (size_t i = 1; i < p->n_cidrs && same; i++) {
		same = !strcmp(first, via_of(x, p, &p->cidrs[i]));
		zero |= !p->cidrs[i].len;
	}
	list = doc_put(map, "cidrs", DOC_SEQ);
	for (size_t i = 0; i < p->n_cidrs; i++) {
		via = same ? "tunnel" : via_of(x, p, &p->cidrs[i]);
		if (!strcmp(via, "tunnel") && (same || p->cidrs[i].len)) {
			doc_put_text(list, NULL, prefix_str(&p->cidrs[i]));
			continue;
		}
		item = doc_put(list, NULL, DOC_MAP);
		doc_put_text(item, "prefix", prefix_str(&p->cidrs[i]));
		doc_put_text(item, "via", via);
	}
	/* What goes through the tunnel need not be said, but of 0.0.0.0/0. */
	if (same && (zero || strcmp(first, "tunnel")))
		doc_put_text(map, "via", first);
}

static void put_peers(struct export *x)
{
	const struct peers *peers = &x->h->peers;
	struct doc_node *list, *map;
	const struct peer *p;

	if (!peers->n)
		return;
	list = doc_put(x->spec, "peers", DOC_SEQ);
	for (size_t i = 0; i < peers->n; i++) {
		p = &peers->v[i];
		map = doc_put(list, NULL, DOC_MAP);
		if (*p->name && doc_is_text(p->name))
			doc_put_text(map, "name", p->name);
		doc_put_text(map, "endpoint", addr_str(&p->endpoint));
		put_cidrs(x, p, map);
		put_part(map, "sources", &p->sources);
		put_part(map, "from", &p->froms);
		if (p->encap != IPMESH_ENCAP_DEVICE && p->encap < IPMESH_ENCAP_DEVICE)
			doc_put_text(map, "encap", peer_encaps[p->encap]);
		if (p->dport)
			put_number(map, "dport", p->dport);
	}
}

static int by_prefix(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static void put_addresses(struct export *x)
{
	const struct rtaddrs *l = &x->h->addrs;
	struct prefix *v = xcalloc(l->n, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].ifindex == x->h->link.ifindex &&
		    l->v[i].scope != RT_SCOPE_LINK)
			v[n++] = l->v[i].addr;
	if (n)
		qsort(v, n, sizeof(*v), by_prefix);
	put_prefixes(x->spec, "address", v, n);
	free(v);
}

/* Is it another device's block, as its address in it tells? */
static bool block_of_other(const struct have *h, const struct prefix *p)
{
	bool other = false;

	for (size_t i = 0; i < h->addrs.n; i++) {
		if (!prefix_contains(p, &h->addrs.v[i].addr.addr))
			continue;
		if (h->addrs.v[i].ifindex == h->link.ifindex)
			return false;
		other |= have_other_mesh(h, h->addrs.v[i].ifindex);
	}
	return other;
}

static void put_blackholes(struct export *x)
{
	const struct have *h = x->h;
	struct prefix *v = xcalloc(h->routes.n, sizeof(*v));
	const struct rtroute *r;
	size_t n = 0;

	for (size_t i = 0; i < h->routes.n; i++) {
		r = &h->routes.v[i];
		if (r->type != RTN_BLACKHOLE || r->proto != RTPROT_IPMESH ||
		    r->tos || (r->metric != RTROUTE_METRIC_LAST && r->metric != rtroute_metric(r)) ||
		    prefix_among(x->cidrs, x->n_cidrs, &r->dst) ||
		    block_of_other(h, &r->dst))
			continue;
		if (!n || !prefix_eq(&v[n - 1], &r->dst))
			v[n++] = r->dst;
	}
	put_prefixes(x->spec, "blackhole", v, n);
	free(v);
}

static void put_nat(struct export *x)
{
	const struct nat_state *nat = x->h->nat;
	struct doc_node *pools, *from;
	bool host;

	if (x->h->nat_wrong)
		warn("%s: whether it has natOutgoing cannot be read: %s", x->dev,
		     x->h->nat_wrong);
	/* Where it is otherwise than without a word. */
	host = nat[0].host || nat[1].host;
	if (host != (nat[0].n_nat || nat[1].n_nat))
		doc_put_plain(x->spec, "natHost", host ? "true" : "false");
	if (!nat[0].n_nat && !nat[1].n_nat) {
		put_prefixes(x->spec, "pools", x->pools, x->n_pools);
		return;
	}
	pools = doc_put(x->spec, "pools", DOC_SEQ);
	from = doc_put(x->spec, "natOutgoing", DOC_SEQ);
	for (int f = 0; f < FAMILIES; f++) {
		for (size_t i = 0; nat[f].n_nat && i < nat[f].n_pools; i++)
			doc_put_text(pools, NULL, prefix_str(&nat[f].pools[i]));
		for (size_t i = 0; i < nat[f].n_nat; i++)
			doc_put_text(from, NULL, prefix_str(&nat[f].nat[i]));
	}
}

/* The set that has elements of the device's. */
static void put_endpoint_set(struct export *x)
{
	const struct endpoint_sets *l = &x->h->sets;

	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < l->v[i].n; k++)
			if (l->v[i].v[k].ours) {
				doc_put_text(x->spec, "endpointSet",
					     set_name_str(&l->v[i].name));
				return;
			}
}

/*
 * Routes to the device itself, on an IPv4 underlay, are of the form of pools;
 * on an IPv6 one all are, but only a pool is for no peer.
 */
static void find_pools(struct export *x)
{
	const struct have *h = x->h;
	const struct rtroute *r;
	bool pool;

	x->pools = xcalloc(h->routes.n, sizeof(*x->pools));
	for (size_t i = 0; i < h->routes.n; i++) {
		r = &h->routes.v[i];
		if (!to_device(x, r))
			continue;
		pool = !prefix_among(x->cidrs, x->n_cidrs, &r->dst);
		if (pool)
			x->pools[x->n_pools++] = r->dst;
		x->by_pool |= pool ||
			      linkattr_family(&h->link.attrs) == AF_INET;
	}
}

/* Routes that a daemon, or a person, has led through the device. */
static void tell_foreign(const struct export *x)
{
	const struct rtroutes *l = &x->h->routes;
	const struct rtroute *r, *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		r = &l->v[i];
		if (r->oif != x->h->link.ifindex || r->proto == RTPROT_IPMESH ||
		    r->proto == RTPROT_KERNEL)
			continue;
		if (!n++)
			first = r;
	}
	if (n == 1)
		warn("%s: a route of another protocol is left out: %s", x->dev,
		     rtroute_str(first));
	else if (n)
		warn("%s: %zu routes of other protocols are left out, the first: %s",
		     x->dev, n, rtroute_str(first));
	if (x->h->link.master)
		warn("%s: that it belongs to %s is left out", x->dev,
		     rtlink_name(x->h->link.master));
}

/*
 * The document goes the way of any other that apply reads: what would still be
 * changed is what it cannot say.
 */
static int check(const struct export *x, const struct doc_set *set)
{
	struct want_options o = { .dev = x->dev, .node_mask = WANT_NODE_MASK };
	struct doc_set one = { .doc = &set->doc[set->n - 1], .n = 1 };
	struct cluster c = { 0 };
	struct want w = { 0 };
	struct diff d = { 0 };
	int rc = EXIT_REFUSED;
	size_t n = 0;

	if (cluster_read(&c, &one) || want_compute(&w, &c, &o))
		goto out;
	if (!(x->h->link.flags & IFF_UP)) {
		warn("%s is down, and so has no routes: by the document it is up, and all CIDRs go through it",
		     x->dev);
	} else {
		if (diff_compute(&d, &w, x->h))
			goto out;
		for (size_t i = 0; i < d.n; i++) {
			/* A new one comes with its route, which tells enough. The guard
			 * is no setting: whatever the document says, it is made.
			 */
			if ((d.v[i].object == CHANGE_NEXTHOP &&
			     d.v[i].op == CHANGE_ADD) ||
			    d.v[i].object == CHANGE_GUARD || n++ >= TOLD_MAX)
				continue;
			warn("%s: no document can say it: an apply would %s the %s",
			     x->dev, change_ops[d.v[i].op],
			     diff_subject(&d, &d.v[i]));
		}
		if (n > TOLD_MAX)
			warn("%s: and %zu more changes", x->dev, n - TOLD_MAX);
	}
	rc = EXIT_DONE;
out:
	diff_free(&d);
	want_free(&w);
	cluster_free(&c);
	return rc;
}

static int one(struct nl *nl, const char *dev, struct doc_set *set)
{
	struct have h = { 0 };
	struct export x = { .h = &h, .dev = dev };
	struct doc_node *doc;
	int rc = EXIT_REFUSED;

	if (have_read(&h, nl, dev))
		goto out;
	/* It went away in between. */
	if (!h.exists) {
		rc = EXIT_DONE;
		goto out;
	}
	if (!doc_is_text(dev)) {
		err_refused("%s: no document can hold a name that is not UTF-8; rename it",
			    err_safe(dev));
		goto out;
	}
	doc = doc_node_new(DOC_MAP, dev, 0);
	doc_put_text(doc, "apiVersion", "ipmesh/v1");
	doc_put_text(doc, "kind", "Device");
	doc_put_text(doc_put(doc, "metadata", DOC_MAP), "name", dev);
	x.spec = doc_put(doc, "spec", DOC_MAP);
	x.cidrs = have_cidrs(&h, &x.n_cidrs);
	find_pools(&x);
	put_attributes(&x);
	if (x.by_pool)
		doc_put_text(x.spec, "routes", "pool");
	put_addresses(&x);
	put_blackholes(&x);
	put_nat(&x);
	put_endpoint_set(&x);
	put_peers(&x);
	doc_set_add(set, doc);
	tell_foreign(&x);
	rc = check(&x, set);
out:
	free(x.cidrs);
	free(x.pools);
	have_free(&h);
	return rc;
}

static int export(struct nl *nl, const char *dev)
{
	struct rtlinks links = { 0 };
	struct doc_set set = { 0 };
	struct rtlink l;
	int rc, e;

	/* With NULL it would ask for a choice between several. */
	rc = dev ? rtlink_find(nl, dev, &l) : EXIT_DONE;
	if (rc)
		return rc;
	e = rtlink_dump(nl, IPMESH_KIND, &links);
	if (e)
		rc = err_refused("cannot read the devices: %s", nl_error(nl, e));
	else if (!links.n)
		rc = rtlink_find(nl, NULL, &l);
	for (size_t i = 0; i < links.n && !rc; i++)
		if (!dev || links.v[i].ifindex == l.ifindex)
			rc = one(nl, links.v[i].name, &set);
	if (!rc)
		rc = doc_print(&set);
	doc_free(&set);
	rtlinks_free(&links);
	return rc;
}

int cmd_export(int argc, char **argv)
{
	(void)argc;
	return args_run_device(argv, usage, export);
}
