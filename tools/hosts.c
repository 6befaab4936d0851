// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the facts of nodes to hosts: fills in what the documents leave to
 * convention, and refuses what cannot be, naming both places.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "want.h"

const struct cluster_pool *pool_of(const struct cluster *c, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < c->n_pools; i++)
		if (prefix_covers(&c->pools[i].cidr, p))
			return &c->pools[i];
	return NULL;
}

/*
 * host-local IPAM: the pod CIDR is nowhere in Calico's Node, but its tunnel
 * address is the first host of it.
 */
static int guess_cidr(struct host *h, const struct cluster *c, unsigned int mask)
{
	const struct cluster_node *n = h->node;
	struct prefix p = { h->tunnel, (uint8_t)mask }, m = prefix_masked(&p);
	struct addr first = prefix_nth(&m, 1);

	if (!h->tunnel_at)
		return doc_fail(n->at, "node %s has neither pod CIDRs nor a tunnel address: add a document with its pod CIDRs, such as \"kubectl get nodes -o json\"",
				err_safe(n->name));
	if (!c->n_pools)
		return doc_fail(n->at, "node %s has no pod CIDRs: add a document with them, such as \"kubectl get nodes -o json\", or the pools of \"calicoctl get ippool -o yaml\"",
				err_safe(n->name));
	if (!addr_eq(&first, &h->tunnel) || !pool_of(c, &m))
		return doc_fail(h->tunnel_at, "node %s has no pod CIDRs, and %s is not the first host of a /%u inside a pool: add a document with them, such as \"kubectl get nodes -o json\", or give --node-mask",
				err_safe(n->name), addr_str(&h->tunnel), mask);
	h->cidrs = xcalloc(1, sizeof(*h->cidrs));
	h->cidrs[h->n_cidrs++] = (struct fact_cidr){ m, h->tunnel_at };
	return 0;
}

static int one_host(struct host *h, const struct cluster_node *n,
		    const struct cluster *c, unsigned int mask, bool *left_out)
{
	size_t i;

	h->node = n;
	h->underlay = &n->underlay[0];
	if (!h->underlay->at)
		return doc_fail(n->at, "node %s has no IPv4 address%s: add a document with it",
				err_safe(n->name), n->underlay[1].at ?
				", and this version carries IPv4 over IPv4 only" : "");
	if (n->tunnel[0].at) {
		h->tunnel = n->tunnel[0].p.addr;
		h->tunnel_at = n->tunnel[0].at;
	}
	h->cidrs = n->n_cidrs ? xcalloc(n->n_cidrs, sizeof(*h->cidrs)) : NULL;
	for (i = 0; i < n->n_cidrs; i++) {
		if (n->cidrs[i].p.addr.family == AF_INET)
			h->cidrs[h->n_cidrs++] = n->cidrs[i];
		else
			*left_out = true;
	}
	if (!h->n_cidrs) {
		free(h->cidrs);
		h->cidrs = NULL;
		return guess_cidr(h, c, mask);
	}
	if (!h->tunnel_at) {
		h->tunnel = prefix_nth(&h->cidrs[0].p,
				       h->cidrs[0].p.len < 32 ? 1 : 0);
		h->tunnel_at = h->cidrs[0].at;
	}
	for (i = 0; i < h->n_cidrs && c->n_pools; i++)
		if (!pool_of(c, &h->cidrs[i].p))
			return doc_fail(h->cidrs[i].at, "pod CIDR %s of node %s is outside every pool: add its IPPool, or correct it",
					prefix_str(&h->cidrs[i].p),
					err_safe(n->name));
	return 0;
}

/* What one node has and no other may. */
struct claim {
	struct prefix p;
	const struct host *host;
	const struct doc_node *at;
};

static int by_prefix(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int r = prefix_cmp(&x->p, &y->p);

	/* The earlier document first, so that the later one is the wrong one. */
	return r ? r : (x->host > y->host) - (x->host < y->host);
}

static int clash(const char *what, const struct claim *a, const struct claim *b)
{
	if (prefix_eq(&a->p, &b->p))
		return doc_fail(b->at, "node %s has the same %s %s as node %s at %s: correct one of them",
				err_safe(b->host->node->name), what,
				b->p.len == 32 ? addr_str(&b->p.addr) : prefix_str(&b->p),
				err_safe(a->host->node->name), doc_where(a->at));
	return doc_fail(b->at, "%s %s of node %s is inside %s of node %s at %s: correct one of them",
			what, prefix_str(&b->p), err_safe(b->host->node->name),
			prefix_str(&a->p), err_safe(a->host->node->name),
			doc_where(a->at));
}

/*
 * Prefixes either nest or are apart: once sorted, an overlap shows between
 * neighbours.
 */
static int no_clash(const char *what, struct claim *v, size_t n)
{
	size_t i;

	if (n)
		qsort(v, n, sizeof(*v), by_prefix);
	for (i = 1; i < n; i++)
		if (prefix_covers(&v[i - 1].p, &v[i].p))
			return clash(what, &v[i - 1], &v[i]);
	return 0;
}

/* An underlay address among the pods would be sent into its own tunnel. */
static int not_inside(const struct claim *cidr, size_t n_cidrs,
		      const struct claim *ends, size_t n_ends)
{
	size_t i, lo = 0;

	/* Both are sorted, and cidrs are apart. */
	for (i = 0; i < n_cidrs; i++) {
		while (lo < n_ends && addr_cmp(&ends[lo].p.addr, &cidr[i].p.addr) < 0)
			lo++;
		if (lo < n_ends && prefix_contains(&cidr[i].p, &ends[lo].p.addr))
			return doc_fail(cidr[i].at, "pod CIDR %s of node %s holds the address %s of node %s: correct one of them",
					prefix_str(&cidr[i].p),
					err_safe(cidr[i].host->node->name),
					addr_str(&ends[lo].p.addr),
					err_safe(ends[lo].host->node->name));
	}
	return 0;
}

static int check(const struct hosts *h)
{
	struct claim *ends, *tunnels, *cidrs;
	size_t i, k, n_cidrs = 0;
	const struct host *host;
	int ret;

	for (i = 0; i < h->n; i++)
		n_cidrs += h->v[i].n_cidrs;
	ends = xcalloc(h->n, sizeof(*ends));
	tunnels = xcalloc(h->n, sizeof(*tunnels));
	cidrs = xcalloc(n_cidrs, sizeof(*cidrs));
	n_cidrs = 0;
	for (i = 0; i < h->n; i++) {
		host = &h->v[i];
		ends[i] = (struct claim){ prefix_host(&host->underlay->p.addr),
					  host, host->underlay->at };
		tunnels[i] = (struct claim){ prefix_host(&host->tunnel),
					     host, host->tunnel_at };
		for (k = 0; k < host->n_cidrs; k++)
			cidrs[n_cidrs++] = (struct claim){ host->cidrs[k].p, host,
							   host->cidrs[k].at };
	}
	ret = no_clash("address", ends, h->n);
	if (!ret)
		ret = no_clash("pod CIDR", cidrs, n_cidrs);
	if (!ret)
		ret = no_clash("tunnel address", tunnels, h->n);
	if (!ret)
		ret = not_inside(cidrs, n_cidrs, ends, h->n);
	free(ends);
	free(tunnels);
	free(cidrs);
	return ret;
}

int hosts_compute(struct hosts *h, const struct cluster *c, unsigned int mask)
{
	size_t i;

	h->v = xcalloc(c->n_nodes, sizeof(*h->v));
	h->n = c->n_nodes;
	for (i = 0; i < h->n; i++)
		if (one_host(&h->v[i], c->nodes[i], c, mask, &h->left_out))
			return -1;
	return check(h);
}

void hosts_free(struct hosts *h)
{
	size_t i;

	for (i = 0; i < h->n; i++)
		free(h->v[i].cidrs);
	free(h->v);
	memset(h, 0, sizeof(*h));
}
