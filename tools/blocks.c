// SPDX-License-Identifier: GPL-2.0-or-later
/* The blocks and single addresses of Calico's IPAM, of all documents together. */
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "err.h"

void cluster_block(struct cluster *c, const struct cluster_block *block)
{
	c->blocks = xgrow(c->blocks, c->n_blocks, &c->cap_blocks, sizeof(*c->blocks));
	c->blocks[c->n_blocks++] = *block;
}

void cluster_lease(struct cluster *c, const struct cluster_lease *lease)
{
	c->leases = xgrow(c->leases, c->n_leases, &c->cap_leases, sizeof(*c->leases));
	c->leases[c->n_leases++] = *lease;
}

static int blocks_by_cidr(const void *a, const void *b)
{
	const struct cluster_block *x = a, *y = b;

	int r = prefix_cmp(&x->cidr, &y->cidr);

	return r ? r : y->itself - x->itself;
}

static int blocks_by_node(const void *a, const void *b)
{
	const struct cluster_block *x = a, *y = b;
	int r = strcmp(x->node, y->node);

	return r ? r : blocks_by_cidr(a, b);
}

static int leases_by_address(const void *a, const void *b)
{
	const struct cluster_lease *x = a, *y = b;

	return prefix_cmp(&x->p, &y->p);
}

static int leases_by_node(const void *a, const void *b)
{
	const struct cluster_lease *x = a, *y = b;
	int r = strcmp(x->node, y->node);

	return r ? r : leases_by_address(a, b);
}

/* BlockAffinity and IPAMBlock tell of the same block: one of them is enough. An affinity may
 * be left over; what the block itself says is right.
 */
static int check_blocks(struct cluster *c)
{
	struct cluster_block *v = c->blocks;
	size_t i, n = 0;

	if (c->n_blocks)
		qsort(v, c->n_blocks, sizeof(*v), blocks_by_cidr);
	for (i = 0; i < c->n_blocks; i++) {
		if (!n || !prefix_eq(&v[n - 1].cidr, &v[i].cidr)) {
			v[n++] = v[i];
			continue;
		}
		if (strcmp(v[n - 1].node, v[i].node) && v[n - 1].itself == v[i].itself)
			return doc_fail(v[i].at, "the block %s is of node %s, but of node %s at %s: %s",
					prefix_str(&v[i].cidr), err_safe(v[i].node),
					err_safe(v[n - 1].node), doc_where(v[n - 1].at),
					v[i].itself ? "correct one of them" :
					"add its IPAMBlock, which decides, or correct one of them");
	}
	c->n_blocks = n;
	if (n)
		qsort(v, n, sizeof(*v), blocks_by_node);
	return 0;
}

static int check_leases(struct cluster *c)
{
	struct cluster_lease *v = c->leases;
	size_t i, n = 0;

	if (c->n_leases)
		qsort(v, c->n_leases, sizeof(*v), leases_by_address);
	for (i = 0; i < c->n_leases; i++) {
		if (!n || !prefix_eq(&v[n - 1].p, &v[i].p)) {
			v[n++] = v[i];
			continue;
		}
		if (strcmp(v[n - 1].node, v[i].node))
			return doc_fail(v[i].at, "%s is an address of node %s, but of node %s at %s: correct one of them",
					addr_str(&v[i].p.addr), err_safe(v[i].node),
					err_safe(v[n - 1].node), doc_where(v[n - 1].at));
	}
	c->n_leases = n;
	if (n)
		qsort(v, n, sizeof(*v), leases_by_node);
	return 0;
}

int cluster_blocks_check(struct cluster *c)
{
	return check_blocks(c) || check_leases(c) ? -1 : 0;
}

/* The first of a list, sorted by name, whose name is not below NAME; each
 * element begins at V and is SIZE long, its name at OFF.
 */
static size_t first_of(const void *v, size_t n, size_t size, size_t off,
		       const char *name)
{
	size_t lo = 0, hi = n, mid;
	const char *const *at;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		at = (const char *const *)((const char *)v + mid * size + off);
		if (strcmp(*at, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct cluster_block *cluster_blocks_of(const struct cluster *c,
					      const char *node, size_t *n)
{
	size_t i = first_of(c->blocks, c->n_blocks, sizeof(*c->blocks),
			    offsetof(struct cluster_block, node), node);

	for (*n = 0; i + *n < c->n_blocks && !strcmp(c->blocks[i + *n].node, node); ++*n)
		;
	return *n ? c->blocks + i : NULL;
}

const struct cluster_lease *cluster_leases_of(const struct cluster *c,
					      const char *node, size_t *n)
{
	size_t i = first_of(c->leases, c->n_leases, sizeof(*c->leases),
			    offsetof(struct cluster_lease, node), node);

	for (*n = 0; i + *n < c->n_leases && !strcmp(c->leases[i + *n].node, node); ++*n)
		;
	return *n ? c->leases + i : NULL;
}

/* Calico forgets blocks of nodes that are gone, but seldom at once. */
void cluster_blocks_left_out(const struct cluster *c)
{
	const char *first = NULL, *last = NULL;
	size_t i, n = 0;

	for (i = 0; i < c->n_blocks; i++) {
		if (cluster_find(c, c->blocks[i].node) ||
		    (last && !strcmp(last, c->blocks[i].node)))
			continue;
		last = c->blocks[i].node;
		first = first ? first : last;
		n++;
	}
	if (n == 1)
		warn("no document tells of node %s: its blocks are left out",
		     err_safe(first));
	else if (n)
		warn("no document tells of node %s and %zu others: their blocks are left out",
		     err_safe(first), n - 1);
}
