// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calico's IPAM: BlockAffinity and IPAMBlock, as "kubectl get" prints them of
 * the group crd.projectcalico.org, and of projectcalico.org/v3.
 *
 * A block belongs to a node, but when pools run short a node also takes single
 * addresses out of others' blocks: such an address is in the block's list of
 * allocations, with attributes that name the node.
 */
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "err.h"
#include "number.h"

/* The largest block that Calico makes is a /20. */
#define ADDRESSES_MAX	4096

static int read_cidr(const struct doc_node *spec, const struct doc_node *doc,
		     struct prefix *p, const struct doc_node **at)
{
	const char *wrong;
	int ret = doc_string(spec, "cidr", at);

	if (ret < 0)
		return -1;
	if (!ret)
		return doc_fail(doc, "spec.cidr is missing: add it, or is the file truncated?");
	wrong = prefix_parse(p, (*at)->text);
	return wrong ? doc_fail(*at, "%s", wrong) : 0;
}

/* crd.projectcalico.org/v1 has it as a text, "true" or "false". */
static int is_deleted(const struct doc_node *spec, bool *deleted)
{
	const struct doc_node *n;
	int ret = doc_string(spec, "deleted", &n);

	if (ret <= 0)
		return ret;
	*deleted = !strcmp(n->text, "true");
	if (!*deleted && strcmp(n->text, "false"))
		return doc_fail(n, "\"%s\" is not true or false",
				err_safe(n->text));
	return 0;
}

/*
 * A block that is on its way to the node holds no address yet, and one that is
 * on its way from it none any more: confirmed ones count.  Before there were
 * states, all were.
 */
static int is_confirmed(const struct doc_node *spec, bool *confirmed)
{
	const struct doc_node *n;
	int ret = doc_string(spec, "state", &n);

	if (ret < 0)
		return -1;
	*confirmed = !n || !strcmp(n->text, "confirmed");
	if (!*confirmed && strcmp(n->text, "pending") &&
	    strcmp(n->text, "pendingDeletion"))
		return doc_fail(n, "\"%s\" is not confirmed, pending or pendingDeletion",
				err_safe(n->text));
	return 0;
}

int read_calico_affinity(struct cluster *c, const struct doc_node *doc)
{
	const struct doc_node *spec, *node, *type;
	struct cluster_block b = { 0 };
	bool deleted = false, confirmed;

	if (!cluster_name(doc) || doc_map(doc, "spec", &spec) < 0 ||
	    read_cidr(spec, doc, &b.cidr, &b.at) ||
	    doc_string(spec, "node", &node) < 0 ||
	    doc_string(spec, "type", &type) < 0 ||
	    is_deleted(spec, &deleted) || is_confirmed(spec, &confirmed))
		return -1;
	/* Others are of load balancers, whose addresses no node has. */
	if (type && strcmp(type->text, "host"))
		return 0;
	if (!node)
		return doc_fail(doc, "spec.node is missing: add it, or is the file truncated?");
	c->by_blocks[family_index(&b.cidr.addr)] = true;
	b.node = node->text;
	if (confirmed && !deleted)
		cluster_block(c, &b);
	return 0;
}

/* The list entry's attributes, or NULL; INDEX is a number in the document. */
static int attributes_of(const struct doc_node *list, const struct doc_node *index,
			 const struct doc_node **out)
{
	uint64_t n;

	*out = NULL;
	if (index->kind == DOC_NULL)
		return 0;
	if (index->kind != DOC_SCALAR || !list || !list->n ||
	    !number_read(index->text, 0, list->n - 1, &n))
		return doc_fail(index, "is not the number of one of the %zu spec.attributes",
				list ? list->n : 0);
	return doc_map(list->child[n], "secondary", out) < 0 ? -1 : 0;
}

static int read_allocations(struct cluster *c, const struct doc_node *spec,
			    const struct cluster_block *b)
{
	const struct doc_node *list, *attributes, *a, *node, *type;
	struct cluster_lease l = { 0 };
	unsigned int bits;
	size_t i;

	if (doc_seq(spec, "allocations", &list) < 0 ||
	    doc_seq(spec, "attributes", &attributes) < 0)
		return -1;
	bits = addr_bits(&b->cidr.addr) - b->cidr.len;
	if (list && list->n && (bits > 12 || list->n > 1U << bits))
		return doc_fail(list, "%zu addresses are more than %s has, or than the %u of Calico's largest block",
				list->n, prefix_str(&b->cidr), ADDRESSES_MAX);
	for (i = 0; list && i < list->n; i++) {
		if (attributes_of(attributes, list->child[i], &a) ||
		    doc_string(a, "node", &node) < 0 ||
		    doc_string(a, "type", &type) < 0)
			return -1;
		if (!node)
			continue;
		l.tunnel = type && !strcmp(type->text, "ipipTunnelAddress");
		/* The owner has the whole block. */
		if (b->node && !strcmp(b->node, node->text) && !l.tunnel)
			continue;
		l.p.addr = prefix_nth(&b->cidr, (uint32_t)i);
		l.p.len = addr_bits(&l.p.addr);
		l.node = node->text;
		l.at = list->child[i];
		cluster_lease(c, &l);
	}
	return 0;
}

int read_calico_block(struct cluster *c, const struct doc_node *doc)
{
	static const char host[] = "host:", virtual[] = "virtual:";
	const struct doc_node *spec, *affinity;
	struct cluster_block b = { 0 };
	bool deleted = false;

	if (!cluster_name(doc) || doc_map(doc, "spec", &spec) < 0 ||
	    read_cidr(spec, doc, &b.cidr, &b.at) ||
	    doc_string(spec, "affinity", &affinity) < 0 ||
	    is_deleted(spec, &deleted))
		return -1;
	c->by_blocks[family_index(&b.cidr.addr)] = true;
	if (deleted)
		return 0;
	/* A block that its node gave up has none, until its addresses are free. */
	if (affinity && !strncmp(affinity->text, host, sizeof(host) - 1)) {
		b.node = affinity->text + sizeof(host) - 1;
		b.at = affinity;
		b.itself = true;
		cluster_block(c, &b);
	} else if (affinity && strncmp(affinity->text, virtual, sizeof(virtual) - 1)) {
		return doc_fail(affinity, "\"%s\" is not host: and the name of a node",
				err_safe(affinity->text));
	}
	return read_allocations(c, spec, &b);
}
