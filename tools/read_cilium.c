// SPDX-License-Identifier: GPL-2.0-or-later
/* CiliumNode: with Cilium's own IPAM (cluster-pool) only this says which pod CIDRs a node has. */
#include <string.h>

#include "cluster.h"
#include "err.h"

static int addresses(struct cluster_node *node, const struct doc_node *spec)
{
	const struct doc_node *list, *ip, *type;
	size_t i;

	if (doc_seq(spec, "addresses", &list) < 0)
		return -1;
	for (i = 0; list && i < list->n; i++) {
		if (doc_string(list->child[i], "type", &type) < 0 ||
		    doc_string(list->child[i], "ip", &ip) < 0)
			return -1;
		if (!type || !ip)
			continue;
		if (!strcmp(type->text, "InternalIP")) {
			if (cluster_node_ip(node, FACT_NODE_IP, ip))
				return -1;
		} else if (!strcmp(type->text, "ExternalIP") ||
			   !strcmp(type->text, "CiliumInternalIP")) {
			cluster_address(node, ip);
		}
	}
	return 0;
}

int read_cilium_node(struct cluster *c, const struct doc_node *doc)
{
	const struct doc_node *spec, *ipam, *n, *name;
	struct cluster_node *node;

	name = cluster_name(doc);
	if (!name || doc_map(doc, "spec", &spec) < 0 || doc_map(spec, "ipam", &ipam) < 0)
		return -1;
	node = cluster_node(c, name);
	if (doc_seq(ipam, "podCIDRs", &n) < 0 || (n && cluster_cidrs(node, CIDRS_IPAM, n)))
		return -1;
	return addresses(node, spec);
}
