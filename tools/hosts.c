// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the facts of nodes to hosts: fills in what the documents leave to
 * convention, and refuses what cannot be, naming both places.
 */
#include <stdarg.h>
#include <stdio.h>
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

/* A node that cannot take part as yet, though nothing that is said of it is wrong: it has
 * just joined, or has no pods. 1, with what is said of it in h->lacks.
 */
static int __attribute__((format(printf, 3, 4)))
unfinished(struct host *h, const struct doc_node *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&h->lacks, fmt, ap) < 0)
		h->lacks = NULL;
	va_end(ap);
	h->lacks_at = at;
	return 1;
}

/*
 * host-local IPAM: the pod CIDR is nowhere in Calico's Node, but its tunnel
 * address is the first host of it.
 */
static int guess_cidr(struct host *h, const struct cluster *c, unsigned int mask)
{
	const struct cluster_node *n = h->node;
	struct prefix p = { h->tunnel[0], (uint8_t)mask }, m;
	struct addr first;

	if (!h->tunnel_at[0])
		return unfinished(h, n->at, "node %s has neither pod CIDRs nor a tunnel address: add a document with its pod CIDRs, such as \"kubectl get nodes -o json\"",
				err_safe(n->name));
	if (!c->n_pools)
		return unfinished(h, n->at, "node %s has no pod CIDRs: add a document with them, such as \"kubectl get nodes -o json\", or the pools of \"calicoctl get ippool -o yaml\"",
				err_safe(n->name));
	m = prefix_masked(&p);
	first = prefix_nth(&m, 1);
	if (!addr_eq(&first, &h->tunnel[0]) || !pool_of(c, &m))
		return unfinished(h, h->tunnel_at[0], "node %s has no pod CIDRs, and %s is not the first host of a /%u inside a pool: add a document with them, such as \"kubectl get nodes -o json\", or give --node-mask",
				err_safe(n->name), addr_str(&h->tunnel[0]), mask);
	h->cidrs[h->n_cidrs++] = (struct fact_cidr){ m, h->tunnel_at[0] };
	return 0;
}

/*
 * Calico names no tunnel address of IPv6, and flannel none at all: then it is
 * the first host address.  In a block of Calico's that may be a pod's.
 */
static void find_tunnel(struct host *h, const struct cluster *c, int f)
{
	const struct fact_addr *said = &h->node->tunnel[f];
	const struct cluster_lease *l;
	const struct prefix *p;
	size_t n;

	if (said->at) {
		h->tunnel[f] = said->p.addr;
		h->tunnel_at[f] = said->at;
	}
	l = cluster_leases_of(c, h->node->name, &n);
	for (; n && !h->tunnel_at[f]; n--, l++)
		if (l->tunnel && family_index(&l->p.addr) == f) {
			h->tunnel[f] = l->p.addr;
			h->tunnel_at[f] = l->at;
		}
	if (c->by_blocks[f])
		return;
	for (size_t i = 0; i < h->n_cidrs && !h->tunnel_at[f]; i++) {
		p = &h->cidrs[i].p;
		if (family_index(&p->addr) != f)
			continue;
		h->tunnel[f] = prefix_nth(p, p->len < addr_bits(&p->addr));
		h->tunnel_at[f] = h->cidrs[i].at;
	}
}

static bool any_cidr(const struct host *h, uint8_t family)
{
	for (size_t i = 0; i < h->n_cidrs; i++)
		if (h->cidrs[i].p.addr.family == family)
			return true;
	return false;
}

static bool any_pool(const struct cluster *c, uint8_t family)
{
	for (size_t i = 0; i < c->n_pools; i++)
		if (c->pools[i].cidr.addr.family == family)
			return true;
	return false;
}

static bool in_some(const struct fact_cidr *v, size_t n, const struct prefix *p)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_covers(&v[i].p, p))
			return true;
	return false;
}

/* Calico routes no block of a pool that was taken away, and says nothing. */
static bool has_pool(const struct cluster *c, const struct prefix *p)
{
	return !any_pool(c, p->addr.family) || pool_of(c, p);
}

/*
 * Where there are blocks, they are what Calico gives to pods, and pod CIDRs
 * that Kubernetes has for the node are for nothing.
 */
static void gather_cidrs(struct host *h, const struct cluster *c)
{
	const struct cluster_node *n = h->node;
	const struct cluster_block *b;
	const struct cluster_lease *l;
	size_t i, n_blocks, n_leases;

	b = cluster_blocks_of(c, n->name, &n_blocks);
	l = cluster_leases_of(c, n->name, &n_leases);
	/* One more than the node has, for that which is guessed. */
	h->cidrs = xcalloc(n->n_cidrs + n_blocks + 1, sizeof(*h->cidrs));
	h->leases = xcalloc(n_leases, sizeof(*h->leases));
	for (i = 0; i < n->n_cidrs; i++)
		if (!c->by_blocks[family_index(&n->cidrs[i].p.addr)])
			h->cidrs[h->n_cidrs++] = n->cidrs[i];
	for (i = 0; i < n_blocks; i++)
		if (has_pool(c, &b[i].cidr))
			h->cidrs[h->n_cidrs++] = (struct fact_cidr){ b[i].cidr, b[i].at };
	for (i = 0; i < n_leases; i++)
		if (has_pool(c, &l[i].p) && !in_some(h->cidrs, h->n_cidrs, &l[i].p))
			h->leases[h->n_leases++] = (struct fact_cidr){ l[i].p, l[i].at };
}

/* What prints the blocks of Calico's own IPAM. */
#define BLOCKS "add the output of \"kubectl get blockaffinities.crd.projectcalico.org,ipamblocks.crd.projectcalico.org -o yaml\""

/* Calico takes a node's tunnel address from where its pods have theirs. */
static int whose_ipam(const struct host *h, const struct cluster *c)
{
	const struct cluster_node *n = h->node;
	const struct prefix *p;
	bool any, inside;

	if (n->cidrs_rank != CIDRS_KUBERNETES)
		return 0;
	for (int f = 0; f < FAMILIES; f++) {
		any = inside = false;
		for (size_t i = 0; i < n->n_cidrs; i++) {
			p = &n->cidrs[i].p;
			any |= family_index(&p->addr) == f;
			inside |= family_index(&p->addr) == f && n->tunnel[f].at &&
				  prefix_contains(p, &n->tunnel[f].p.addr);
		}
		if (n->tunnel[f].at && !c->by_blocks[f] && any && !inside)
			return doc_fail(n->tunnel[f].at, "the tunnel address %s of node %s is in none of its pod CIDRs: Calico's own IPAM gives out the addresses here, and not by pod CIDRs: " BLOCKS,
					addr_str(&n->tunnel[f].p.addr), err_safe(n->name));
	}
	return 0;
}

static int one_host(struct host *h, const struct cluster_node *n,
		    const struct cluster *c, unsigned int mask, uint8_t family)
{
	const struct fact_addr *other = &n->underlay[family == AF_INET];
	size_t i;
	int ret;

	h->node = n;
	h->underlay = &n->underlay[family == AF_INET6];
	if (n->windows)
		return unfinished(h, n->at, "node %s runs Windows, which has no IP in IP",
				  err_safe(n->name));
	if (!h->underlay->at && other->at)
		return unfinished(h, other->at, "node %s has no %s address, and the underlay of this host is %s: add a document with it, or give local in an ipmesh Device",
				err_safe(n->name), family_name(family),
				family_name(family));
	if (!h->underlay->at)
		return unfinished(h, n->at, "node %s has no address: add a document with it",
				err_safe(n->name));
	if (whose_ipam(h, c))
		return -1;
	gather_cidrs(h, c);
	find_tunnel(h, c, 0);
	find_tunnel(h, c, 1);
	/* A node without a block has no pods yet. */
	if (!c->by_blocks[0] && !(c->by_blocks[1] && !n->tunnel[0].at) &&
	    (!h->n_cidrs || (n->tunnel[0].at && !any_cidr(h, AF_INET)))) {
		ret = guess_cidr(h, c, mask);
		if (ret)
			return ret;
	}
	for (i = 0; i < h->n_cidrs; i++)
		if (any_pool(c, h->cidrs[i].p.addr.family) &&
		    !pool_of(c, &h->cidrs[i].p))
			return doc_fail(h->cidrs[i].at, "pod CIDR %s of node %s is outside every pool: where Calico's own IPAM gives out the addresses it is for nothing, and blocks count: " BLOCKS "; else add its IPPool, or correct it",
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
				b->p.len == addr_bits(&b->p.addr) ? addr_str(&b->p.addr) : prefix_str(&b->p),
				err_safe(a->host->node->name), doc_where(a->at));
	return doc_fail(b->at, "%s %s of node %s is inside %s of node %s at %s: correct one of them",
			what, prefix_str(&b->p), err_safe(b->host->node->name),
			prefix_str(&a->p), err_safe(a->host->node->name),
			doc_where(a->at));
}

/*
 * Prefixes either nest or are apart: once sorted, an overlap shows between
 * neighbours. Blocks may nest, when their size has changed: the longest match is right.
 */
static int no_clash(const char *what, struct claim *v, size_t n, const struct cluster *blocks)
{
	size_t i;

	if (n)
		qsort(v, n, sizeof(*v), by_prefix);
	for (i = 1; i < n; i++) {
		if (!prefix_covers(&v[i - 1].p, &v[i].p))
			continue;
		if (!blocks || !blocks->by_blocks[family_index(&v[i].p.addr)] ||
		    prefix_eq(&v[i - 1].p, &v[i].p))
			return clash(what, &v[i - 1], &v[i]);
	}
	return 0;
}

/* An underlay address among the pods would be sent into its own tunnel. */
static int not_inside(const struct claim *cidr, size_t n_cidrs,
		      const struct claim *ends, size_t n_ends)
{
	size_t i, lo = 0;

	/* Both are sorted; a cidr that nests begins where its outer one does, or behind. */
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

static int check(struct hosts *h, const struct cluster *c)
{
	struct claim *ends, *tunnels, *cidrs;
	size_t i, k, n_cidrs = 0, n_leases = 0, n_ends = 0, n_tunnels = 0;
	const struct fact_addr *end;
	const struct host *host;
	int ret;

	for (i = 0; i < h->n; i++) {
		n_cidrs += h->v[i].n_cidrs;
		n_leases += h->v[i].n_leases;
	}
	ends = xcalloc(h->n * FAMILIES, sizeof(*ends));
	tunnels = xcalloc(h->n * FAMILIES + n_leases, sizeof(*tunnels));
	cidrs = xcalloc(n_cidrs, sizeof(*cidrs));
	n_cidrs = 0;
	for (i = 0; i < h->n; i++) {
		host = &h->v[i];
		for (k = 0; k < FAMILIES; k++) {
			end = &host->node->underlay[k];
			/* One that nothing here uses may be anybody's. */
			if (end == host->underlay ||
			    (end->at && any_cidr(host, end->p.addr.family)))
				ends[n_ends++] = (struct claim){
					prefix_host(&end->p.addr), host, end->at };
			if (host->tunnel_at[k])
				tunnels[n_tunnels++] = (struct claim){
					prefix_host(&host->tunnel[k]), host,
					host->tunnel_at[k] };
		}
		for (k = 0; k < host->n_cidrs; k++)
			cidrs[n_cidrs++] = (struct claim){ host->cidrs[k].p, host,
							   host->cidrs[k].at };
	}
	ret = no_clash("address", ends, n_ends, NULL);
	if (!ret)
		ret = no_clash("pod CIDR", cidrs, n_cidrs, c);
	for (i = 1; i < n_cidrs; i++)
		h->nested |= prefix_covers(&cidrs[i - 1].p, &cidrs[i].p);
	if (!ret)
		ret = no_clash("tunnel address", tunnels, n_tunnels, NULL);
	for (i = 0; i < h->n; i++) {
		host = &h->v[i];
		for (k = 0; k < host->n_leases; k++)
			if (!addr_eq(&host->leases[k].p.addr,
				     &host->tunnel[family_index(&host->leases[k].p.addr)]))
				tunnels[n_tunnels++] = (struct claim){
					host->leases[k].p, host, host->leases[k].at };
	}
	if (!ret)
		ret = no_clash("overlay address", tunnels, n_tunnels, NULL);
	if (!ret)
		ret = not_inside(cidrs, n_cidrs, ends, n_ends);
	free(ends);
	free(tunnels);
	free(cidrs);
	return ret;
}

static void host_free(struct host *h)
{
	free(h->lacks);
	free(h->cidrs);
	free(h->leases);
}

/* One that stops nobody, but not this host itself, nor where all is to be there. */
static bool left_out(const struct host *h, const struct cluster_node *self, bool strict)
{
	if (strict || h->node == self) {
		doc_fail(h->lacks_at, "%s", h->lacks);
		return false;
	}
	warn("%s: left out, and what is there of it stays: %s", doc_where(h->lacks_at), h->lacks);
	return true;
}

int hosts_compute(struct hosts *h, const struct cluster *c, const struct cluster_node *self,
		  unsigned int mask, uint8_t family)
{
	size_t i;
	int ret;

	h->v = xcalloc(c->n_nodes, sizeof(*h->v));
	h->left_out = xcalloc(c->n_nodes, sizeof(*h->left_out));
	cluster_blocks_left_out(c);
	for (i = 0; i < c->n_nodes; i++) {
		struct host *one = &h->v[h->n];

		ret = one_host(one, c->nodes[i], c, mask, family);
		if (ret > 0 && left_out(one, self, i >= c->n_lenient)) {
			h->left_out[h->n_left_out++] = c->nodes[i];
			host_free(one);
			memset(one, 0, sizeof(*one));
			continue;
		}
		h->n++;
		if (ret)
			return -1;
	}
	return check(h, c);
}

void hosts_free(struct hosts *h)
{
	size_t i;

	for (i = 0; i < h->n; i++)
		host_free(&h->v[i]);
	free(h->v);
	free(h->left_out);
	memset(h, 0, sizeof(*h));
}
