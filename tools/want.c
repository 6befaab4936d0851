// SPDX-License-Identifier: GPL-2.0-or-later
/* The wanted state of a device, computed from what the documents say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "want.h"

static void add_prefix(struct prefix **v, size_t *n, size_t *cap,
		       const struct prefix *p)
{
	*v = xgrow(*v, *n, cap, sizeof(**v));
	(*v)[(*n)++] = *p;
}

static void add_route(struct want *w, const struct prefix *dst,
		      enum want_kind kind, size_t peer, const struct doc_node *at)
{
	w->routes = xgrow(w->routes, w->n_routes, &w->cap_routes,
			  sizeof(*w->routes));
	w->routes[w->n_routes++] = (struct want_route){ *dst, kind, peer, at };
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
	/* A label: of a longer name the beginning will do. */
	snprintf(p->name, sizeof(p->name), "%s", name);
	return p;
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
	snprintf(w->dev, sizeof(w->dev), "%s",
		 *doc ? (*doc)->name : o->dev ? o->dev : "ipmesh0");
	return 0;
}

static const struct host *choose_node(const struct cluster *c,
				      const struct hosts *h,
				      const struct want_options *o)
{
	char host[256] = "", some[300] = "";
	const char *name = o->node;
	size_t i, len = 0;

	if (!name) {
		gethostname(host, sizeof(host) - 1);
		name = host;
	}
	for (i = 0; i < h->n; i++)
		if (!strcmp(h->v[i].node->name, name))
			return &h->v[i];
	for (i = 0; i < h->n && i < 5; i++)
		len += (size_t)snprintf(some + len, sizeof(some) - len, "%s%.40s",
					i ? ", " : "", h->v[i].node->name);
	err_refused("%s: node \"%s\"%s is not in the documents, which have %s%s: give one with --node",
		    c->nodes[0]->at->file, err_safe(name),
		    o->node ? "" : " (the name of this host)", some,
		    h->n > 5 ? " and others" : "");
	return NULL;
}

static enum want_kind kind_of(const struct cluster_pool *pool,
			      const struct host *self, const struct host *other)
{
	const struct fact_addr *u = self->underlay;

	if (!pool || pool->mode == POOL_ALWAYS)
		return WANT_TUNNEL;
	if (pool->mode == POOL_NEVER)
		return WANT_UNDERLAY;
	/* Without a length, the routes of this host know what is on link. */
	if (!u->has_len)
		return WANT_LINKED;
	return prefix_contains(&(struct prefix){ prefix_masked(&u->p).addr, u->p.len },
			       &other->underlay->p.addr) ?
		WANT_UNDERLAY : WANT_TUNNEL;
}

static void add_host(struct want *w, const struct cluster *c,
		     const struct host *self, const struct host *host)
{
	struct prefix tunnel = prefix_host(&host->tunnel);
	const struct cluster_pool *pool;
	bool inside = false;
	struct want_peer *p;
	size_t i;

	p = add_peer(w, &host->underlay->p.addr, host->node->name,
		     host->underlay->at);
	for (i = 0; i < host->n_cidrs; i++) {
		inside |= prefix_contains(&host->cidrs[i].p, &host->tunnel);
		pool = pool_of(c, &host->cidrs[i].p);
		if (pool && pool->vxlan)
			continue;
		add_prefix(&p->cidrs, &p->n_cidrs, &p->cap_cidrs,
			   &host->cidrs[i].p);
		add_route(w, &host->cidrs[i].p, kind_of(pool, self, host),
			  w->n_peers - 1, host->cidrs[i].at);
	}
	/* The host itself sends from its tunnel address. */
	if (!inside) {
		add_prefix(&p->cidrs, &p->n_cidrs, &p->cap_cidrs, &tunnel);
		add_route(w, &tunnel, kind_of(pool_of(c, &tunnel), self, host),
			  w->n_peers - 1, host->tunnel_at);
	}
}

static int from_nodes(struct want *w, const struct cluster *c,
		      const struct hosts *h, const struct want_options *o)
{
	const struct host *self = choose_node(c, h, o);
	const struct cluster_pool *pool;
	struct prefix tunnel;
	bool vxlan = false;
	size_t i;

	if (!self)
		return -1;
	w->node = self->node->name;
	if (!(w->attrs.has & LINKATTR_BIT(IFLA_IPMESH_LOCAL)) ||
	    addr_is_any(&w->attrs.local)) {
		w->attrs.local = self->underlay->p.addr;
		w->attrs.has |= LINKATTR_BIT(IFLA_IPMESH_LOCAL);
	} else if (!addr_eq(&w->attrs.local, &self->underlay->p.addr)) {
		return doc_fail(self->underlay->at, "node %s is at %s, but the device %s has local %s: correct one of them",
				err_safe(w->node),
				addr_str(&self->underlay->p.addr), w->dev,
				addr_str(&w->attrs.local));
	}
	tunnel = prefix_host(&self->tunnel);
	for (i = 0; i < w->n_addresses; i++)
		if (prefix_eq(&w->addresses[i], &tunnel))
			break;
	if (i == w->n_addresses)
		add_prefix(&w->addresses, &w->n_addresses, &w->cap_addresses,
			   &tunnel);
	for (i = 0; i < self->n_cidrs; i++) {
		pool = pool_of(c, &self->cidrs[i].p);
		if (!pool || !pool->vxlan)
			add_route(w, &self->cidrs[i].p, WANT_BLACKHOLE, 0,
				  self->cidrs[i].at);
	}
	for (i = 0; i < h->n; i++)
		if (&h->v[i] != self)
			add_host(w, c, self, &h->v[i]);

	for (i = 0; i < c->n_pools; i++) {
		pool = &c->pools[i];
		vxlan |= pool->vxlan;
		if (pool->cidr.addr.family != AF_INET)
			continue;
		add_prefix(&w->pools, &w->n_pools, &w->cap_pools, &pool->cidr);
		if (pool->nat_outgoing)
			add_prefix(&w->nat, &w->n_nat, &w->cap_nat, &pool->cidr);
	}
	if (h->left_out)
		warn("IPv6 pod CIDRs are left out: this version carries IPv4");
	if (vxlan)
		warn("pools with a vxlanMode are left out: ipmesh carries IP in IP");
	return 0;
}

static int only_v4(const struct fact_cidr *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].p.addr.family != AF_INET)
			return doc_fail(v[i].at, "%s: this version carries IPv4 only",
					prefix_str(&v[i].p));
	return 0;
}

static int from_device(struct want *w, const struct cluster_device *d)
{
	static const enum want_kind kinds[] = {
		[VIA_TUNNEL] = WANT_TUNNEL,
		[VIA_UNDERLAY] = WANT_UNDERLAY,
		[VIA_NONE] = WANT_NONE,
	};
	const struct device_peer *dp;
	struct want_peer *p;
	size_t i, k;

	w->attrs = d->attrs;
	/* A document describes the whole device. */
	linkattr_defaults(&w->attrs);
	w->mtu = d->mtu;
	if (only_v4(d->blackholes, d->n_blackholes) ||
	    only_v4(d->pools, d->n_pools) || only_v4(d->nat, d->n_nat))
		return -1;
	for (i = 0; i < d->n_addresses; i++)
		add_prefix(&w->addresses, &w->n_addresses, &w->cap_addresses,
			   &d->addresses[i].p);
	for (i = 0; i < d->n_blackholes; i++)
		add_route(w, &d->blackholes[i].p, WANT_BLACKHOLE, 0,
			  d->blackholes[i].at);
	for (i = 0; i < d->n_pools; i++)
		add_prefix(&w->pools, &w->n_pools, &w->cap_pools, &d->pools[i].p);
	for (i = 0; i < d->n_nat; i++) {
		add_prefix(&w->nat, &w->n_nat, &w->cap_nat, &d->nat[i].p);
		/* The overlay is at least what is translated. */
		if (!d->n_pools)
			add_prefix(&w->pools, &w->n_pools, &w->cap_pools,
				   &d->nat[i].p);
	}
	for (i = 0; i < d->n_peers; i++) {
		dp = &d->peers[i];
		if (dp->endpoint.family != AF_INET)
			return doc_fail(dp->at, "%s: this version carries IPv4 over IPv4 only",
					addr_str(&dp->endpoint));
		if (dp->n_cidrs > IPMESH_MAX_CIDRS)
			return doc_fail(dp->cidrs[IPMESH_MAX_CIDRS].at, "more than %d CIDRs of one peer",
					IPMESH_MAX_CIDRS);
		if (only_v4(dp->cidrs, dp->n_cidrs))
			return -1;
		p = add_peer(w, &dp->endpoint, dp->name, dp->at);
		for (k = 0; k < dp->n_cidrs; k++) {
			add_prefix(&p->cidrs, &p->n_cidrs, &p->cap_cidrs,
				   &dp->cidrs[k].p);
			add_route(w, &dp->cidrs[k].p, kinds[dp->via],
				  w->n_peers - 1, dp->cidrs[k].at);
		}
	}
	return 0;
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

	return prefix_cmp(&x->dst, &y->dst);
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
		if (w->routes[i].kind != WANT_BLACKHOLE)
			w->routes[i].peer = place[w->routes[i].peer];
	free(order);
	free(place);
}

static void sort_prefixes(struct prefix *v, size_t n)
{
	if (n)
		qsort(v, n, sizeof(*v), by_prefix);
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
	sort_prefixes(w->pools, w->n_pools);
	sort_prefixes(w->nat, w->n_nat);
	sort_prefixes(w->addresses, w->n_addresses);
	for (i = 0; i < w->n_peers; i++) {
		p = &w->peers[i];
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
	return 0;
}

int want_compute(struct want *w, const struct cluster *c,
		 const struct want_options *o)
{
	const struct cluster_device *doc;
	struct hosts h = { 0 };
	int ret;

	memset(w, 0, sizeof(*w));
	ret = choose_device(w, c, o, &doc);
	if (!ret && o->node && !c->n_nodes) {
		err_refused("%s: node \"%s\" is not in the documents, which describe a device only: leave --node out",
			    c->devices[0].at->file, err_safe(o->node));
		ret = -1;
	}
	if (!ret && doc)
		ret = from_device(w, doc);
	if (!ret && c->n_nodes) {
		ret = hosts_compute(&h, c, o->node_mask);
		if (!ret)
			ret = from_nodes(w, c, &h, o);
		hosts_free(&h);
	}
	if (!ret) {
		w->attrs.mtu_auto = !w->mtu;
		w->attrs.has |= LINKATTR_BIT(IFLA_IPMESH_MTU_AUTO);
		ret = check(w);
	}
	return ret;
}

void want_free(struct want *w)
{
	for (size_t i = 0; i < w->n_peers; i++)
		free(w->peers[i].cidrs);
	free(w->peers);
	free(w->routes);
	free(w->addresses);
	free(w->pools);
	free(w->nat);
	memset(w, 0, sizeof(*w));
}
