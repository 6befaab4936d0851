// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Kubernetes' Node, as "kubectl get nodes -o json|yaml" prints it, with what
 * Calico and flannel write into its annotations.
 */
#include <string.h>

#include "cluster.h"
#include "err.h"

static int annotations(struct cluster_node *node, const struct doc_node *doc)
{
	static const struct {
		const char *key;
		enum fact_rank rank;
	} underlay[] = {
		{ "projectcalico.org/IPv4Address", FACT_CALICO },
		{ "projectcalico.org/IPv6Address", FACT_CALICO },
		{ "flannel.alpha.coreos.com/public-ip", FACT_FLANNEL },
		{ "flannel.alpha.coreos.com/public-ipv6", FACT_FLANNEL },
	};
	/* Networks whose IPAM is their own say here what a node has. */
	static const char *const cidrs[] = {
		"network.cilium.io/ipv4-pod-cidr", "network.cilium.io/ipv6-pod-cidr",
		"io.cilium.network.ipv4-pod-cidr", "io.cilium.network.ipv6-pod-cidr",
		"kube-router.io/pod-cidrs", "kube-router.io/pod-cidr",
	};
	const struct doc_node *a, *n;
	size_t i;

	if (doc_map(doc_get(doc, "metadata"), "annotations", &a) < 0)
		return -1;
	for (i = 0; i < sizeof(underlay) / sizeof(*underlay); i++)
		if (doc_string(a, underlay[i].key, &n) < 0 ||
		    (n && !cluster_is_none(n) &&
		     cluster_underlay(node, underlay[i].rank, n)))
			return -1;
	for (i = 0; i < sizeof(cidrs) / sizeof(*cidrs); i++)
		if (doc_string(a, cidrs[i], &n) < 0 ||
		    (n && cluster_cidrs(node, CIDRS_IPAM, n)))
			return -1;
	if (doc_string(a, "projectcalico.org/IPv4IPIPTunnelAddr", &n) < 0 ||
	    (n && !cluster_is_none(n) && cluster_tunnel(node, n)))
		return -1;
	return 0;
}

static int addresses(struct cluster_node *node, const struct doc_node *status)
{
	const struct doc_node *list, *a, *type;
	size_t i;
	int ret;

	ret = doc_seq(status, "addresses", &list);
	if (ret <= 0)
		return ret;
	for (i = 0; i < list->n; i++) {
		if (doc_string(list->child[i], "type", &type) < 0)
			return -1;
		if (!type || (strcmp(type->text, "InternalIP") &&
			      strcmp(type->text, "ExternalIP")))
			continue;
		ret = doc_string(list->child[i], "address", &a);
		if (ret < 0)
			return -1;
		if (!ret)
			continue;
		/* By an external one it is not reached, but it may send from it. */
		if (!strcmp(type->text, "ExternalIP"))
			cluster_address(node, a);
		else if (cluster_node_ip(node, FACT_NODE_IP, a))
			return -1;
	}
	return 0;
}

/* As kubelet and the cloud say it; the first label is that of before 1.14. */
static int os(struct cluster_node *node, const struct doc_node *doc,
	      const struct doc_node *status)
{
	static const char *const labels[] = { "beta.kubernetes.io/os", "kubernetes.io/os" };
	const struct doc_node *map, *n;

	if (doc_map(doc_get(doc, "metadata"), "labels", &map) < 0)
		return -1;
	for (size_t i = 0; i < 2; i++) {
		if (doc_string(map, labels[i], &n) < 0)
			return -1;
		node->windows |= n && !strcmp(n->text, "windows");
	}
	if (doc_map(status, "nodeInfo", &map) < 0 ||
	    doc_string(map, "operatingSystem", &n) < 0)
		return -1;
	node->windows |= n && !strcmp(n->text, "windows");
	return 0;
}

int read_kube_node(struct cluster *c, const struct doc_node *doc)
{
	const struct doc_node *spec, *status, *n, *name;
	struct cluster_node *node;

	name = cluster_name(doc);
	if (!name || doc_map(doc, "spec", &spec) < 0 ||
	    doc_map(doc, "status", &status) < 0)
		return -1;
	node = cluster_node(c, name);
	/* podCIDR is the first of podCIDRs, from before there could be two. */
	if (doc_seq(spec, "podCIDRs", &n) < 0 ||
	    (n && cluster_cidrs(node, CIDRS_KUBERNETES, n)) ||
	    doc_string(spec, "podCIDR", &n) < 0 ||
	    (n && cluster_cidrs(node, CIDRS_KUBERNETES, n)))
		return -1;
	if (annotations(node, doc) || os(node, doc, status))
		return -1;
	return addresses(node, status);
}
