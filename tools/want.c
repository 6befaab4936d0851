// SPDX-License-Identifier: GPL-2.0-or-later
/* The wanted state of a device, computed from what the documents say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "name.h"
#include "want.h"
#include "want_routes.h"

static void add_prefix(struct prefix **v, size_t *n, size_t *cap,
		       const struct prefix *p)
{
	*v = xgrow(*v, *n, cap, sizeof(**v));
	(*v)[(*n)++] = *p;
}

static struct want_route *add_route(struct want *w, const struct prefix *dst,
				    enum want_kind kind, size_t peer,
				    const struct doc_node *at)
{
	w->routes = xgrow(w->routes, w->n_routes, &w->cap_routes,
			  sizeof(*w->routes));
	w->routes[w->n_routes] = (struct want_route){
		.dst = *dst, .kind = kind, .peer = peer, .at = at,
	};
	return &w->routes[w->n_routes++];
}

static struct want_peer *add_peer(struct want *w, const struct addr *endpoint,
				  const char *name, const struct doc_node *at)
{
	struct want_peer *p;

	w->peers = xgrow(w->peers, w->n_peers, &w->cap_peers, sizeof(*w->peers));
	p = &w->peers[w->n_peers++];
	memset(p, 0, sizeof(*p));
	p->endpoint = *endpoint;
	p->at = at;
	snprintf(p->name, sizeof(p->name), "%s", name_label(name));
	return p;
}

static void name_device(struct want *w, const char *name)
{
	snprintf(w->dev, sizeof(w->dev), "%s", name ? name : "ipmesh0");
}

static void add_pool(struct want *w, const struct prefix *p, const struct doc_node *at)
{
	add_prefix(&w->pools, &w->n_pools, &w->cap_pools, p);
	/* Nobody's default route is to be taken in passing. */
	if (w->by_pool && p->len)
		add_route(w, p, WANT_POOL, 0, at);
}

/* Chooses the device, and the document that describes it if there is one. */
static int choose_device(struct want *w, const struct cluster *c,
			 const struct want_options *o,
			 const struct cluster_device **doc)
{
	size_t i;

	*doc = NULL;
	for (i = 0; i < c->n_devices; i++)
		if (!o->dev || !strcmp(o->dev, c->devices[i].name)) {
			if (*doc)
				return doc_fail(c->devices[i].at, "a second device, %s, beside %s at %s: choose one with --dev",
						c->devices[i].name, (*doc)->name,
						doc_where((*doc)->at));
			*doc = &c->devices[i];
		}
	if (c->n_devices && !*doc && !c->n_nodes)
		return doc_fail(c->devices[0].at, "the documents describe %s, not %s: choose it with --dev",
				c->devices[0].name, o->dev);
	name_device(w, *doc ? (*doc)->name : o->dev);
	return 0;
}

static const struct cluster_node *choose_node(const struct cluster *c,
					      const struct want_options *o)
{
	char host[256] = "", some[300] = "";
	const struct cluster_node *node;
	const char *name = o->node;
	size_t i, len = 0;

	if (!name) {
		cluster_hostname(host, sizeof(host));
		name = host;
	}
	node = cluster_find(c, name);
	if (node)
		return node;
	for (i = 0; i < c->n_nodes && i < 5; i++)
		len += (size_t)snprintf(some + len, sizeof(some) - len, "%s%.40s",
					i ? ", " : "", c->nodes[i]->name);
	err_refused("%s: node \"%s\"%s is not in the documents, which have %s%s: give one with --node",
		    c->nodes[0]->at->file, err_safe(name),
		    o->node ? "" : " (the name of this host)", some,
		    c->n_nodes > 5 ? " and others" : "");
	return NULL;
}

/*
 * The underlay is IPv4 where this host has an IPv4 address, unless a Device
 * says otherwise by its local address, which goes before what documents say of the node.
 */
static void choose_local(struct want *w, const struct cluster_node *self)
{
	const struct fact_addr *u = &self->underlay[!self->underlay[0].at];

	/* Without an address hosts_compute() will complain. */
	if (w->attrs.has & LINKATTR_BIT(IFLA_IPMESH_LOCAL) || !u->at)
		return;
	w->attrs.local = u->p.addr;
	w->attrs.has |= LINKATTR_BIT(IFLA_IPMESH_LOCAL);
	w->self = self;
}

/* How SELF reaches a prefix of OTHER's; over the underlay by its address of the
 * prefix's own family, so both must have one.
 */
static enum want_kind kind_of(const struct cluster_pool *pool,
			      const struct host *self, const struct host *other,
			      int family)
{
	const struct fact_addr *mine = &self->node->underlay[family];
	const struct fact_addr *u = &other->node->underlay[family];

	if (!pool || pool->mode == POOL_ALWAYS || !mine->at || !u->at)
		return WANT_TUNNEL;
	if (pool->mode == POOL_NEVER)
		return WANT_UNDERLAY;
	/* Without a length, the routes of this host know what is on link. */
	if (!mine->has_len)
		return WANT_LINKED;
	return prefix_contains(&(struct prefix){ prefix_masked(&mine->p).addr,
						 mine->p.len }, &u->p.addr) ?
		WANT_UNDERLAY : WANT_TUNNEL;
}

static void add_way(struct want *w, size_t peer, const struct cluster_pool *pool,
		    const struct host *self, const struct host *host,
		    const struct prefix *dst, const struct doc_node *at)
{
	int f = family_index(&dst->addr);

	add_route(w, dst, kind_of(pool, self, host, f), peer, at)->gw =
		host->node->underlay[f].p.addr;
}

/* Has a Device given the prefix to it?  Then it goes the way that is said there. */
static bool has_cidr(const struct want_peer *p, const struct prefix *cidr)
{
	for (size_t i = 0; i < p->n_cidrs; i++)
		if (prefix_eq(&p->cidrs[i], cidr))
			return true;
	return false;
}

/* The peer has the prefix; INSIDE: it holds the tunnel address. */
static void add_behind(struct want *w, size_t peer, const struct cluster *c,
		       const struct host *self, const struct host *host,
		       const struct fact_cidr *fact, bool *inside)
{
	const struct cluster_pool *pool = pool_of(c, &fact->p);
	struct want_peer *p = &w->peers[peer];
	int f = family_index(&fact->p.addr);

	inside[f] |= prefix_contains(&fact->p, &host->tunnel[f]);
	if ((pool && pool->vxlan) || (p->has_encap && has_cidr(p, &fact->p)))
		return;
	add_prefix(&p->cidrs, &p->n_cidrs, &p->cap_cidrs, &fact->p);
	add_way(w, peer, pool, self, host, &fact->p, fact->at);
}

/* The peers of a Device, by endpoint. */
struct by_end {
	struct addr endpoint;
	size_t peer;
};

struct ends {
	struct by_end *v;
	size_t n;
};

static int cmp_end(const void *a, const void *b)
{
	const struct by_end *x = a, *y = b;

	return addr_cmp(&x->endpoint, &y->endpoint);
}

static struct ends ends_of(const struct want *w)
{
	struct ends e = { xcalloc(w->n_peers, sizeof(*e.v)), w->n_peers };

	for (size_t i = 0; i < e.n; i++)
		e.v[i] = (struct by_end){ w->peers[i].endpoint, i };
	if (e.n)
		qsort(e.v, e.n, sizeof(*e.v), cmp_end);
	return e;
}

/* A Device may add to what documents say of a node: both are one peer. */
static size_t peer_of_host(struct want *w, const struct ends *ends, const struct host *host)
{
	struct by_end key = { .endpoint = host->underlay->p.addr }, *e;
	struct want_peer *p;

	e = ends->n ? bsearch(&key, ends->v, ends->n, sizeof(key), cmp_end) : NULL;
	if (e) {
		p = &w->peers[e->peer];
		if (!*p->name)
			snprintf(p->name, sizeof(p->name), "%s", name_label(host->node->name));
	} else {
		p = add_peer(w, &key.endpoint, host->node->name, host->underlay->at);
	}
	p->node = host->node;
	return (size_t)(p - w->peers);
}

/* Has another host a longer prefix with the address than this one? */
static bool shadowed(const struct hosts *h, const struct host *host, const struct addr *a)
{
	int own = -1, other = -1;

	for (size_t i = 0; h->nested && i < h->n; i++) {
		int *best = &h->v[i] == host ? &own : &other;

		for (size_t k = 0; k < h->v[i].n_cidrs; k++) {
			const struct prefix *p = &h->v[i].cidrs[k].p;

			if (prefix_contains(p, a) && p->len > *best)
				*best = p->len;
		}
	}
	return other > own;
}

static void add_host(struct want *w, const struct ends *ends, const struct cluster *c,
		     const struct hosts *h, const struct host *self, const struct host *host)
{
	size_t peer = peer_of_host(w, ends, host), i;
	bool inside[FAMILIES] = { false };
	struct fact_cidr tunnel;
	int f;

	for (i = 0; i < host->n_cidrs; i++)
		add_behind(w, peer, c, self, host, &host->cidrs[i], inside);
	for (i = 0; i < host->n_leases; i++)
		add_behind(w, peer, c, self, host, &host->leases[i], inside);
	/* The host itself sends from its tunnel address. */
	for (f = 0; f < FAMILIES; f++) {
		if (!host->tunnel_at[f] ||
		    (inside[f] && !shadowed(h, host, &host->tunnel[f])))
			continue;
		tunnel.p = prefix_host(&host->tunnel[f]);
		tunnel.at = host->tunnel_at[f];
		add_behind(w, peer, c, self, host, &tunnel, inside);
	}
}

static void add_self(struct want *w, const struct cluster *c,
		     const struct host *self)
{
	const struct cluster_pool *pool;
	struct prefix tunnel;
	size_t i;
	int f;

	for (f = 0; f < FAMILIES; f++) {
		tunnel = prefix_host(&self->tunnel[f]);
		for (i = 0; i < w->n_addresses; i++)
			if (prefix_eq(&w->addresses[i], &tunnel))
				break;
		if (self->tunnel_at[f] && i == w->n_addresses)
			add_prefix(&w->addresses, &w->n_addresses,
				   &w->cap_addresses, &tunnel);
	}
	for (i = 0; i < self->n_cidrs; i++) {
		pool = pool_of(c, &self->cidrs[i].p);
		/* a single address has its pod's own route, or nothing */
		if ((!pool || !pool->vxlan) &&
		    self->cidrs[i].p.len < addr_bits(&self->cidrs[i].p.addr))
			add_route(w, &self->cidrs[i].p, WANT_BLACKHOLE, 0,
				  self->cidrs[i].at);
	}
}

static void from_nodes(struct want *w, const struct cluster *c,
		       const struct hosts *h, const struct cluster_node *node)
{
	const struct host *self = NULL;
	const struct cluster_pool *pool;
	struct ends ends = ends_of(w);
	bool vxlan = false;
	size_t i;

	for (i = 0; i < h->n && !self; i++)
		if (h->v[i].node == node)
			self = &h->v[i];
	add_self(w, c, self);
	for (i = 0; i < h->n; i++)
		if (&h->v[i] != self)
			add_host(w, &ends, c, h, self, &h->v[i]);
	free(ends.v);

	for (i = 0; i < c->n_pools; i++) {
		pool = &c->pools[i];
		vxlan |= pool->vxlan;
		add_pool(w, &pool->cidr, pool->at);
		if (pool->nat_outgoing)
			add_prefix(&w->nat, &w->n_nat, &w->cap_nat, &pool->cidr);
	}
	if (vxlan)
		warn("pools with a vxlanMode are left out: ipmesh carries IP in IP");
}

/* What the kernel would refuse, too, but not name the line of. */
static int check_families(const struct want *w, const struct device_peer *dp)
{
	uint8_t family = want_family(w);

	if (dp->endpoint.family != family)
		return doc_fail(dp->at, "the endpoint %s is %s, but the underlay of %s is %s by its local address %s: correct one of them",
				addr_str(&dp->endpoint),
				family_name(dp->endpoint.family), w->dev,
				family_name(family),
				addr_is_any(&w->attrs.local) ? "any" :
				addr_str(&w->attrs.local));
	for (size_t i = 0; i < dp->n_cidrs; i++) {
		const struct device_cidr *c = &dp->cidrs[i];

		if (c->via != VIA_UNDERLAY || c->gw.family == AF_INET6 ||
		    c->fact.p.addr.family == c->gw.family)
			continue;
		return doc_fail(c->fact.at, "%s is IPv6, and so cannot go over an IPv4 underlay without a tunnel: leave out \"via: underlay\"",
				prefix_str(&c->fact.p));
	}
	for (size_t i = 0; i < dp->n_froms; i++)
		if (dp->froms[i].p.addr.family != family)
			return doc_fail(dp->froms[i].at, "%s is %s, but outer packets of %s are %s: correct it",
					prefix_or_host_str(&dp->froms[i].p),
					family_name(dp->froms[i].p.addr.family), w->dev,
					family_name(family));
	return 0;
}

/* An outer prefix that a Device gives to one of its peers. */
struct from {
	struct prefix p;
	const struct device_peer *peer;
	const struct doc_node *at;
};

static int cmp_from(const void *a, const void *b)
{
	const struct from *x = a, *y = b;
	int r = prefix_cmp(&x->p, &y->p);

	/* The earlier one first, so that the later one is the wrong one. */
	return r ? r : (x->peer > y->peer) - (x->peer < y->peer);
}

/* One prefix is one peer's. */
static int gather_froms(struct want *w, const struct cluster_device *d)
{
	struct from *v;
	size_t i, k, n = 0;
	int ret = 0;

	for (i = 0; i < d->n_peers; i++)
		n += d->peers[i].n_froms;
	v = xcalloc(n, sizeof(*v));
	n = 0;
	for (i = 0; i < d->n_peers; i++)
		for (k = 0; k < d->peers[i].n_froms; k++)
			v[n++] = (struct from){ d->peers[i].froms[k].p, &d->peers[i],
						d->peers[i].froms[k].at };
	if (n)
		qsort(v, n, sizeof(*v), cmp_from);
	for (i = 0; i < n && !ret; i++) {
		if (i && prefix_eq(&v[i - 1].p, &v[i].p))
			ret = doc_fail(v[i].at, "%s belongs to %s already, see %s: correct one of them",
				       prefix_or_host_str(&v[i].p),
				       addr_str(&v[i - 1].peer->endpoint),
				       doc_where(v[i - 1].at));
		prefix_list_add(&w->froms, &v[i].p);
	}
	free(v);
	return ret;
}

static int from_device(struct want *w, const struct cluster_device *d)
{
	static const enum want_kind kinds[] = {
		[VIA_TUNNEL] = WANT_TUNNEL,
		[VIA_UNDERLAY] = WANT_UNDERLAY,
		[VIA_NONE] = WANT_NONE,
	};
	const struct device_peer *dp;
	const struct device_cidr *dc;
	struct want_peer *p;
	size_t i, k;

	w->mtu = d->mtu;
	w->endpoint_set = d->endpoint_set;
	w->endpoint_set_at = d->endpoint_set_at;
	for (i = 0; i < d->n_addresses; i++)
		add_prefix(&w->addresses, &w->n_addresses, &w->cap_addresses,
			   &d->addresses[i].p);
	for (i = 0; i < d->n_blackholes; i++)
		add_route(w, &d->blackholes[i].p, WANT_BLACKHOLE, 0,
			  d->blackholes[i].at);
	for (i = 0; i < d->n_pools; i++)
		add_pool(w, &d->pools[i].p, d->pools[i].at);
	for (i = 0; i < d->n_nat; i++) {
		add_prefix(&w->nat, &w->n_nat, &w->cap_nat, &d->nat[i].p);
		/* The overlay is at least what is translated. */
		if (!d->n_pools)
			add_pool(w, &d->nat[i].p, d->nat[i].at);
	}
	for (i = 0; i < d->n_peers; i++) {
		dp = &d->peers[i];
		if (check_families(w, dp))
			return -1;
		if (dp->n_cidrs > IPMESH_MAX_CIDRS)
			return doc_fail(dp->cidrs[IPMESH_MAX_CIDRS].fact.at, "more than %d CIDRs of one peer",
					IPMESH_MAX_CIDRS);
		p = add_peer(w, &dp->endpoint, dp->name, dp->at);
		p->has_encap = true;
		p->encap = dp->encap;
		p->dport = dp->dport;
		for (k = 0; k < dp->n_cidrs; k++) {
			dc = &dp->cidrs[k];
			add_prefix(&p->cidrs, &p->n_cidrs, &p->cap_cidrs,
				   &dc->fact.p);
			add_route(w, &dc->fact.p, kinds[dc->via],
				  w->n_peers - 1, dc->fact.at)->gw = dc->gw;
		}
		for (k = 0; k < dp->n_sources; k++)
			prefix_list_add(&p->sources, &dp->sources[k].p);
		for (k = 0; k < dp->n_froms; k++)
			prefix_list_add(&p->froms, &dp->froms[k].p);
	}
	return gather_froms(w, d);
}

static const struct want *sorting;

static int by_endpoint(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return addr_cmp(&sorting->peers[*x].endpoint, &sorting->peers[*y].endpoint);
}

static int by_prefix(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static int by_dst(const void *a, const void *b)
{
	const struct want_route *x = a, *y = b;

	int r = prefix_cmp(&x->dst, &y->dst);

	return r ? r : (x->kind == WANT_POOL) - (y->kind == WANT_POOL);
}

/* Sorts the peers, and turns the routes' indices with them. */
static void sort_peers(struct want *w)
{
	size_t *order = xcalloc(w->n_peers, sizeof(*order));
	size_t *place = xcalloc(w->n_peers, sizeof(*place));
	struct want_peer *v = xcalloc(w->n_peers, sizeof(*v));
	size_t i;

	for (i = 0; i < w->n_peers; i++)
		order[i] = i;
	sorting = w;
	qsort(order, w->n_peers, sizeof(*order), by_endpoint);
	for (i = 0; i < w->n_peers; i++) {
		v[i] = w->peers[order[i]];
		place[order[i]] = i;
	}
	free(w->peers);
	w->peers = v;
	w->cap_peers = w->n_peers;
	for (i = 0; i < w->n_routes; i++)
		if (want_has_peer(&w->routes[i]))
			w->routes[i].peer = place[w->routes[i].peer];
	free(order);
	free(place);
}

static void sort_prefixes(struct prefix *v, size_t n)
{
	if (n)
		qsort(v, n, sizeof(*v), by_prefix);
}

/* Documents may well name a pool twice. */
static void sort_pools(struct prefix *v, size_t *n)
{
	size_t i, k = 0;

	sort_prefixes(v, *n);
	for (i = 0; i < *n; i++)
		if (!k || !prefix_eq(&v[k - 1], &v[i]))
			v[k++] = v[i];
	*n = k;
}

/* A pool is no route where it is a node's or a peer's alone, nor a second time. */
static void drop_pools(struct want *w)
{
	size_t i, n = 0;

	for (i = 0; i < w->n_routes; i++)
		if (w->routes[i].kind != WANT_POOL || !n ||
		    !prefix_eq(&w->routes[n - 1].dst, &w->routes[i].dst))
			w->routes[n++] = w->routes[i];
	w->n_routes = n;
}

static int same_cidr(const struct want *w, const struct want_route *a,
		     const struct want_route *b)
{
	if (a->kind == WANT_BLACKHOLE || b->kind == WANT_BLACKHOLE)
		return doc_fail(b->at, "%s is both this host's and a peer's, see %s: correct one of them",
				prefix_str(&b->dst), doc_where(a->at));
	return doc_fail(b->at, "%s belongs to %s already, see %s: correct one of them",
			prefix_str(&b->dst),
			addr_str(&w->peers[a->peer].endpoint), doc_where(a->at));
}

/* Which lengths occur among the destinations, so that few are looked for. */
struct lengths {
	bool has[FAMILIES][129];
};

static struct lengths lengths_of(const struct want *w)
{
	struct lengths l = { 0 };

	for (size_t i = 0; i < w->n_routes; i++)
		l.has[family_index(&w->routes[i].dst.addr)][w->routes[i].dst.len] = true;
	return l;
}

static int by_dst_alone(const void *a, const void *b)
{
	const struct want_route *x = a, *y = b;

	return prefix_cmp(&x->dst, &y->dst);
}

/* Whose pods the address is among, by the longest match; a balancer's 0.0.0.0/0
 * apart.
 */
static const struct want_route *route_around(const struct want *w, const struct lengths *l,
					     const struct addr *a)
{
	struct want_route key = { .dst = { *a, 0 } }, *r;

	for (uint8_t len = addr_bits(a); len; len--) {
		if (!l->has[family_index(a)][len])
			continue;
		key.dst = (struct prefix){ *a, len };
		key.dst = prefix_masked(&key.dst);
		r = bsearch(&key, w->routes, w->n_routes, sizeof(key), by_dst_alone);
		if (r)
			return r;
	}
	return NULL;
}

static bool in_pool(const struct want *w, const struct addr *a)
{
	for (size_t i = 0; i < w->n_pools; i++)
		if (w->pools[i].len && prefix_contains(&w->pools[i], a))
			return true;
	return false;
}

/* Why a peer may not send from an address of its node; NULL: it may. What is said of
 * a node is its kubelet's to write: with that it shall not speak for others' pods.
 */
static const char *no_source(const struct want *w, const struct want_route *around,
			     const struct addr *a)
{
	static char why[160];

	if (want_endpoint(w, a))
		return "it is another peer's endpoint";
	if (addr_eq(a, &w->attrs.local))
		return "it is this host's own";
	if (around && want_has_peer(around)) {
		snprintf(why, sizeof(why), "it is in %s of peer %s", prefix_str(&around->dst),
			 addr_str(&w->peers[around->peer].endpoint));
		return why;
	}
	if (around && around->kind == WANT_BLACKHOLE)
		return "it is in a pod CIDR of this host";
	return in_pool(w, a) ? "it is in a pool, and in no pod CIDR of the node" : NULL;
}

#define WARNINGS	5

/* All addresses that documents name for a node, as far as they are its own. */
static void add_sources(struct want *w)
{
	struct lengths l = lengths_of(w);
	const struct want_route *around;
	const struct fact_cidr *fact;
	struct want_peer *p;
	size_t warned = 0;
	const char *why;

	for (size_t i = 0; i < w->n_peers; i++) {
		p = &w->peers[i];
		for (size_t k = 0; p->node && k < p->node->n_addrs; k++) {
			fact = &p->node->addrs[k];
			around = route_around(w, &l, &fact->p.addr);
			if (addr_eq(&fact->p.addr, &p->endpoint) ||
			    prefix_list_has(&p->sources, &fact->p) ||
			    (around && want_has_peer(around) && around->peer == i))
				continue;
			why = no_source(w, around, &fact->p.addr);
			if (!why && p->sources.n >= IPMESH_MAX_SOURCES)
				why = "a peer has at most 64";
			if (!why)
				prefix_list_add(&p->sources, &fact->p);
			else if (warned++ < WARNINGS)
				warn("%s: node %s may not send from %s: %s; name it under sources in a Device if it may",
				     doc_where(fact->at), err_safe(p->node->name),
				     addr_str(&fact->p.addr), why);
		}
		prefix_list_sort(&p->sources);
		prefix_list_sort(&p->froms);
	}
	if (warned > WARNINGS)
		warn("and %zu more addresses of nodes", warned - WARNINGS);
}

/* Also with --dev's document and nodes together, this must hold. */
static int check(struct want *w)
{
	uint32_t max = w->attrs.has & LINKATTR_BIT(IFLA_IPMESH_MAX_PEERS) ?
		       w->attrs.max_peers : IPMESH_MAX_PEERS_DEFAULT;
	struct want_peer *p;
	size_t i, k;

	if (w->n_peers > max)
		return doc_fail(w->peers[max].at, "%zu peers, but the device %s takes %u: raise maxPeers",
				w->n_peers, w->dev, max);
	sort_peers(w);
	if (w->n_routes)
		qsort(w->routes, w->n_routes, sizeof(*w->routes), by_dst);
	drop_pools(w);
	sort_pools(w->pools, &w->n_pools);
	sort_pools(w->nat, &w->n_nat);
	sort_prefixes(w->addresses, w->n_addresses);
	for (i = 0; i < w->n_peers; i++) {
		p = &w->peers[i];
		if (p->n_cidrs > IPMESH_MAX_CIDRS)
			return doc_fail(p->at, "the peer has %zu CIDRs, more than the %d that one may have",
					p->n_cidrs, IPMESH_MAX_CIDRS);
		sort_prefixes(p->cidrs, p->n_cidrs);
		for (k = 1; k < p->n_cidrs; k++)
			if (prefix_eq(&p->cidrs[k - 1], &p->cidrs[k]))
				return doc_fail(p->at, "the peer has %s twice: remove one",
						prefix_str(&p->cidrs[k]));
		if (i && addr_eq(&p[-1].endpoint, &p->endpoint))
			return doc_fail(p->at, "the endpoint %s is that of another peer at %s: correct one of them",
					addr_str(&p->endpoint), doc_where(p[-1].at));
		if (addr_eq(&p->endpoint, &w->attrs.local))
			return doc_fail(p->at, "the endpoint %s is the local address of %s itself: remove it",
					addr_str(&p->endpoint), w->dev);
	}
	for (i = 1; i < w->n_routes; i++)
		if (prefix_eq(&w->routes[i - 1].dst, &w->routes[i].dst))
			return same_cidr(w, &w->routes[i - 1], &w->routes[i]);
	add_sources(w);
	return 0;
}

int want_compute(struct want *w, const struct cluster *c,
		 const struct want_options *o)
{
	const struct cluster_device *doc;
	const struct cluster_node *self = NULL;
	struct hosts h = { 0 };
	int ret = 0;

	memset(w, 0, sizeof(*w));
	if (choose_device(w, c, o, &doc))
		return -1;
	if (o->node && !c->n_nodes) {
		err_refused("%s: node \"%s\" is not in the documents, which describe a device only: leave --node out",
			    c->devices[0].at->file, err_safe(o->node));
		return -1;
	}
	if (doc)
		w->attrs = doc->attrs;
	w->take_over = o->take_over;
	w->by_pool = o->routes == ROUTES_POOL ||
		     (!o->routes && doc && doc->routes == ROUTES_POOL);
	if (c->n_nodes) {
		self = choose_node(c, o);
		if (!self)
			return -1;
		w->node = self->name;
		choose_local(w, self);
	}
	/* A Device describes all of it: what it leaves out has its default. */
	if (doc) {
		linkattr_defaults(&w->attrs);
		if (from_device(w, doc))
			return -1;
	}
	if (self) {
		ret = hosts_compute(&h, c, self, o->node_mask, want_family(w));
		if (!ret)
			from_nodes(w, c, &h, self);
		w->left_out = h.left_out;
		w->n_left_out = h.n_left_out;
		h.left_out = NULL;
		hosts_free(&h);
	}
	/* As Calico has it for its nodes; a Device says what it wants. */
	w->nat_host = doc && doc->nat_host >= 0 ? doc->nat_host : self || doc->n_nat;
	if (!ret) {
		w->attrs.mtu_auto = !w->mtu;
		w->attrs.has |= LINKATTR_BIT(IFLA_IPMESH_MTU_AUTO);
		ret = check(w);
	}
	/* A Device describes all of it: what it leaves out has its default. */
	w->routes_unsaid = !o->routes && !doc;
	if (!ret)
		want_routes_settle(w, o->routes == ROUTES_NONE ||
				   (!o->routes && doc && doc->routes == ROUTES_NONE));
	return ret;
}

void want_nothing(struct want *w, const struct want_options *o)
{
	memset(w, 0, sizeof(*w));
	name_device(w, o->dev);
}

static int peer_at(const void *key, const void *peer)
{
	return addr_cmp(key, &((const struct want_peer *)peer)->endpoint);
}

bool want_left_out(const struct want *w, const char *peer)
{
	for (size_t i = 0; i < w->n_left_out; i++)
		if (!strcmp(name_label(w->left_out[i]->name), peer))
			return true;
	return false;
}

bool want_endpoint(const struct want *w, const struct addr *a)
{
	return w->n_peers &&
	       bsearch(a, w->peers, w->n_peers, sizeof(*w->peers), peer_at);
}

void want_free(struct want *w)
{
	for (size_t i = 0; i < w->n_peers; i++) {
		free(w->peers[i].cidrs);
		free(w->peers[i].sources.v);
		free(w->peers[i].froms.v);
	}
	free(w->froms.v);
	free(w->peers);
	free(w->routes);
	free(w->addresses);
	free(w->pools);
	free(w->nat);
	free(w->left_out);
	memset(w, 0, sizeof(*w));
}
