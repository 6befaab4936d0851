// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The facts of all documents together.  Documents about one node complement
 * each other; where two contradict, both places are named and nothing is done.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cluster.h"
#include "err.h"
#include "name.h"

static size_t hash_name(const char *s)
{
	size_t h = 5381;

	while (*s)
		h = h * 33 ^ (unsigned char)*s++;
	return h;
}

/* The slot of NAME, or the empty one where it belongs. */
static size_t *slot(const struct cluster *c, const char *name)
{
	size_t i = hash_name(name) & (c->hash_size - 1);

	while (c->hash[i] && strcmp(c->nodes[c->hash[i] - 1]->name, name))
		i = (i + 1) & (c->hash_size - 1);
	return &c->hash[i];
}

static void rehash(struct cluster *c)
{
	size_t i;

	free(c->hash);
	c->hash_size = c->hash_size ? c->hash_size * 2 : 64;
	c->hash = xcalloc(c->hash_size, sizeof(*c->hash));
	for (i = 0; i < c->n_nodes; i++)
		*slot(c, c->nodes[i]->name) = i + 1;
}

struct cluster_node *cluster_find(const struct cluster *c, const char *name)
{
	size_t i = c->hash_size ? *slot(c, name) : 0;

	return i ? c->nodes[i - 1] : NULL;
}

void cluster_hostname(char *name, size_t size)
{
	*name = '\0';
	gethostname(name, size - 1);
	name[size - 1] = '\0';
	for (; *name; name++)
		*name = (char)tolower((unsigned char)*name);
}

struct cluster_node *cluster_node(struct cluster *c, const struct doc_node *name)
{
	struct cluster_node *n = cluster_find(c, name->text);

	if (n)
		return n;
	if (c->n_nodes * 2 >= c->hash_size)
		rehash(c);
	n = xcalloc(1, sizeof(*n));
	n->name = name->text;
	n->at = name;
	c->nodes = xgrow(c->nodes, c->n_nodes, &c->cap_nodes, sizeof(*c->nodes));
	c->nodes[c->n_nodes++] = n;
	*slot(c, n->name) = c->n_nodes;
	return n;
}

const struct doc_node *cluster_name(const struct doc_node *doc)
{
	const struct doc_node *meta, *name;
	int ret;

	ret = doc_map(doc, "metadata", &meta);
	if (ret > 0)
		ret = doc_string(meta, "name", &name);
	if (ret > 0) {
		/* It will stand on terminals and in the kernel. */
		if (!strchr(name->text, ' ') && !name_check(name->text))
			return name;
		doc_fail(name, "\"%s\" is not a name: no spaces or control characters",
			 err_safe(name->text));
		return NULL;
	}
	if (!ret)
		doc_fail(doc, "metadata.name is missing: add it");
	return NULL;
}

static int contradiction(const struct cluster_node *n, const char *what,
			 const struct doc_node *at, const struct doc_node *before)
{
	return doc_fail(at, "%s of node %s is \"%s\", but \"%s\" at %s: correct one of them",
			what, err_safe(n->name), err_safe(at->text),
			err_safe(before->text), doc_where(before));
}

/* More than a peer may have, for those that turn out to be no sources. */
#define ADDRS_MAX	(2 * IPMESH_MAX_SOURCES)

static bool is_linklocal(const struct addr *a)
{
	return a->family == AF_INET6 ? a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80 :
				       a->b[0] == 169 && a->b[1] == 254;
}

void cluster_address(struct cluster_node *node, const struct doc_node *at)
{
	struct prefix p;
	size_t i;

	if (ifaddr_parse(&p, at->text) || !addr_is_unicast(&p.addr) ||
	    is_linklocal(&p.addr))
		return;
	p = prefix_host(&p.addr);
	for (i = 0; i < node->n_addrs; i++)
		if (prefix_eq(&node->addrs[i].p, &p))
			return;
	/* Before the linear doubles of a hostile list cost anything. */
	if (node->n_addrs >= ADDRS_MAX)
		return;
	node->addrs = xgrow(node->addrs, node->n_addrs, &node->cap_addrs,
			    sizeof(*node->addrs));
	node->addrs[node->n_addrs++] = (struct fact_cidr){ p, at };
}

int cluster_underlay(struct cluster_node *node, enum fact_rank rank,
		     const struct doc_node *at)
{
	const char *wrong;
	struct fact_addr *f;
	struct prefix p;

	wrong = ifaddr_parse(&p, at->text);
	if (wrong)
		return doc_fail(at, "%s", wrong);
	if (!addr_is_unicast(&p.addr))
		return doc_fail(at, "%s: no address of a host", addr_str(&p.addr));
	cluster_address(node, at);
	f = &node->underlay[family_index(&p.addr)];
	if (f->rank > rank)
		return 0;
	if (f->rank == rank) {
		if (!addr_eq(&f->p.addr, &p.addr)) {
			/*
			 * A host may well have several addresses; the first
			 * is the one that counts, as for kubelet.
			 */
			if (rank == FACT_NODE_IP)
				return 0;
			return contradiction(node, "the address", at, f->at);
		}
		if (f->has_len)
			return 0;
	}
	f->rank = rank;
	f->p = p;
	f->has_len = strchr(at->text, '/');
	f->at = at;
	return 0;
}

int cluster_node_ip(struct cluster_node *node, enum fact_rank rank,
		    const struct doc_node *at)
{
	struct prefix p;

	/* some clouds write a name here */
	if (ifaddr_parse(&p, at->text)) {
		warn("%s: \"%s\" of node %s is no address: passed over", doc_where(at),
		     err_safe(at->text), err_safe(node->name));
		return 0;
	}
	return cluster_underlay(node, rank, at);
}

bool cluster_is_none(const struct doc_node *at)
{
	return !strcasecmp(at->text, "none");
}

int cluster_tunnel(struct cluster_node *node, const struct doc_node *at)
{
	const char *wrong;
	struct fact_addr *f;
	struct prefix p;

	wrong = addr_parse(&p.addr, at->text);
	if (wrong)
		return doc_fail(at, "%s", wrong);
	if (!addr_is_unicast(&p.addr))
		return doc_fail(at, "%s: no address of a host", addr_str(&p.addr));
	p.len = addr_bits(&p.addr);
	f = &node->tunnel[family_index(&p.addr)];
	if (f->at && !addr_eq(&f->p.addr, &p.addr))
		return contradiction(node, "the tunnel address", at, f->at);
	if (!f->at)
		*f = (struct fact_addr){ FACT_CALICO, p, false, at };
	return 0;
}

static bool has_cidr(const struct cluster_node *node, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < node->n_cidrs; i++)
		if (prefix_eq(&node->cidrs[i].p, p))
			return true;
	return false;
}

/*
 * The first list of a family is the fact; later ones, from other documents or
 * fields, must say the same.
 */
static int one_cidr(struct cluster_node *node, const char *text, const struct doc_node *item,
		    const struct doc_node *at, size_t *count)
{
	const char *wrong;
	struct prefix p;
	int f;

	wrong = prefix_parse(&p, text);
	if (wrong)
		return doc_fail(item, "%s", wrong);
	f = family_index(&p.addr);
	count[f]++;
	if (!node->cidrs_at[f])
		node->cidrs_at[f] = at;
	if (node->cidrs_at[f] != at) {
		if (has_cidr(node, &p))
			return 0;
		return doc_fail(item, "node %s has no pod CIDR %s at %s: correct one of them",
				err_safe(node->name), prefix_str(&p),
				doc_where(node->cidrs_at[f]));
	}
	/* Before the linear doubles of a hostile list cost anything. */
	if (node->n_cidrs >= IPMESH_MAX_CIDRS)
		return doc_fail(item, "more than %d pod CIDRs of one node",
				IPMESH_MAX_CIDRS);
	if (has_cidr(node, &p))
		return doc_fail(item, "%s is listed twice: remove one",
				prefix_str(&p));
	node->cidrs = xgrow(node->cidrs, node->n_cidrs, &node->cap_cidrs,
			    sizeof(*node->cidrs));
	node->cidrs[node->n_cidrs++] = (struct fact_cidr){ p, item };
	return 0;
}

/* Annotations have several in one text, with commas between them. */
static int in_text(struct cluster_node *node, const struct doc_node *at, size_t *count)
{
	char *list = xstrdup(at->text), *rest = list, *one;
	int ret = 0;

	while (!ret && (one = strsep(&rest, ","))) {
		one += strspn(one, " ");
		one[strcspn(one, " ")] = '\0';
		if (*one || !rest)
			ret = one_cidr(node, one, at, at, count);
	}
	free(list);
	return ret;
}

int cluster_cidrs(struct cluster_node *node, enum cidr_rank rank, const struct doc_node *at)
{
	size_t count[FAMILIES] = { 0 }, have[FAMILIES] = { 0 }, i;
	int f;

	if (rank < node->cidrs_rank || (at->kind == DOC_SEQ && !at->n))
		return 0;
	if (rank > node->cidrs_rank) {
		node->cidrs_rank = rank;
		node->n_cidrs = 0;
		memset(node->cidrs_at, 0, sizeof(node->cidrs_at));
	}
	/* A single one is podCIDR, which is only the first of podCIDRs. */
	if (at->kind == DOC_SCALAR)
		return in_text(node, at, count);
	for (i = 0; i < at->n; i++) {
		if (at->child[i]->kind != DOC_SCALAR)
			return doc_fail(at->child[i], "must be a prefix such as 10.244.1.0/24");
		if (one_cidr(node, at->child[i]->text, at->child[i], at, count))
			return -1;
	}
	for (i = 0; i < node->n_cidrs; i++)
		have[family_index(&node->cidrs[i].p.addr)]++;
	for (f = 0; f < FAMILIES; f++)
		if (count[f] && count[f] != have[f])
			return doc_fail(at, "node %s has other pod CIDRs at %s: correct one of them",
					err_safe(node->name),
					doc_where(node->cidrs_at[f]));
	return 0;
}

int cluster_pool(struct cluster *c, const struct cluster_pool *pool)
{
	const struct cluster_pool *p;
	size_t i;

	/* Pools are few, but a file may hold anything. */
	if (c->n_pools >= 1024)
		return doc_fail(pool->at, "more than 1024 pools");
	for (i = 0; i < c->n_pools; i++) {
		p = &c->pools[i];
		/* What the operator was asked for, it has made a pool of. */
		if (prefix_eq(&p->cidr, &pool->cidr) && p->asked != pool->asked) {
			if (p->asked)
				c->pools[i] = *pool;
			return 0;
		}
		if (prefix_eq(&p->cidr, &pool->cidr) && p->mode == pool->mode &&
		    p->nat_outgoing == pool->nat_outgoing &&
		    p->vxlan == pool->vxlan && !strcmp(p->name, pool->name))
			return 0;
		if (prefix_overlaps(&p->cidr, &pool->cidr))
			return doc_fail(pool->at, "pool %s with %s overlaps pool %s with %s at %s: correct one of them",
					err_safe(pool->name), prefix_str(&pool->cidr),
					err_safe(p->name), prefix_str(&p->cidr),
					doc_where(p->at));
		if (!strcmp(p->name, pool->name))
			return doc_fail(pool->at, "pool %s is %s, but %s at %s: correct one of them",
					err_safe(pool->name), prefix_str(&pool->cidr),
					prefix_str(&p->cidr), doc_where(p->at));
	}
	c->pools = xgrow(c->pools, c->n_pools, &c->cap_pools, sizeof(*c->pools));
	c->pools[c->n_pools++] = *pool;
	return 0;
}

bool route_form_read(const char *word, enum route_form *form)
{
	if (!strcmp(word, "peer"))
		*form = ROUTES_PEER;
	else if (!strcmp(word, "pool"))
		*form = ROUTES_POOL;
	else if (!strcmp(word, "none"))
		*form = ROUTES_NONE;
	else
		return false;
	return true;
}

void cluster_free(struct cluster *c)
{
	struct cluster_device *d;
	size_t i, k;

	for (i = 0; i < c->n_nodes; i++) {
		free(c->nodes[i]->addrs);
		free(c->nodes[i]->cidrs);
		free(c->nodes[i]);
	}
	for (i = 0; i < c->n_devices; i++) {
		d = &c->devices[i];
		for (k = 0; k < d->n_peers; k++) {
			free(d->peers[k].cidrs);
			free(d->peers[k].sources);
			free(d->peers[k].froms);
		}
		free(d->peers);
		free(d->addresses);
		free(d->blackholes);
		free(d->pools);
		free(d->nat);
	}
	free(c->nodes);
	free(c->hash);
	free(c->pools);
	free(c->blocks);
	free(c->leases);
	free(c->devices);
	memset(c, 0, sizeof(*c));
}
