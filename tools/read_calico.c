// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calico's Node and IPPool, as "calicoctl get -o yaml|json" and, for the
 * group crd.projectcalico.org, "kubectl get" print them.
 */
#include <string.h>
#include <strings.h>

#include "cluster.h"
#include "err.h"

/* .spec.addresses: what calico/node and the cloud know of the host. */
static int addresses(struct cluster_node *node, const struct doc_node *spec)
{
	const struct doc_node *list, *a, *type;
	enum fact_rank rank;
	size_t i;
	int ret;

	ret = doc_seq(spec, "addresses", &list);
	if (ret <= 0)
		return ret;
	for (i = 0; i < list->n; i++) {
		ret = doc_string(list->child[i], "address", &a);
		if (ret < 0)
			return -1;
		if (!ret)
			continue;
		if (doc_string(list->child[i], "type", &type) < 0)
			return -1;
		if (type && !strcmp(type->text, "CalicoNodeIP"))
			rank = FACT_FLANNEL;
		else if (type && !strcmp(type->text, "InternalIP"))
			rank = FACT_NODE_IP;
		else if (type && !strcmp(type->text, "ExternalIP"))
			rank = FACT_NONE;
		else
			continue;
		if (rank == FACT_NONE)
			cluster_address(node, a);
		else if (cluster_node_ip(node, rank, a))
			return -1;
	}
	return 0;
}

int read_calico_node(struct cluster *c, const struct doc_node *doc)
{
	static const char *const underlay[] = { "ipv4Address", "ipv6Address" };
	const struct doc_node *spec, *status, *bgp, *n, *name;
	struct cluster_node *node;
	size_t i;

	name = cluster_name(doc);
	if (!name || doc_map(doc, "spec", &spec) < 0 ||
	    doc_map(doc, "status", &status) < 0 ||
	    doc_map(spec, "bgp", &bgp) < 0)
		return -1;
	node = cluster_node(c, name);
	for (i = 0; i < 2; i++) {
		if (doc_string(bgp, underlay[i], &n) < 0 ||
		    (n && !cluster_is_none(n) && cluster_underlay(node, FACT_CALICO, n)))
			return -1;
	}
	if (doc_string(bgp, "ipv4IPIPTunnelAddr", &n) < 0 ||
	    (n && !cluster_is_none(n) && cluster_tunnel(node, n)))
		return -1;
	if (doc_seq(status, "podCIDRs", &n) < 0 || (n && cluster_cidrs(node, CIDRS_KUBERNETES, n)))
		return -1;
	return addresses(node, spec);
}

static int mode(const struct doc_node *spec, const char *field, int *out)
{
	static const char *const words[] = {
		[POOL_NEVER] = "Never",
		[POOL_CROSS_SUBNET] = "CrossSubnet",
		[POOL_ALWAYS] = "Always",
	};
	const struct doc_node *n;
	int ret, i;

	*out = POOL_NEVER;	/* Calico's default */
	ret = doc_string(spec, field, &n);
	if (ret <= 0)
		return ret;
	for (i = 0; i <= POOL_ALWAYS; i++)
		if (!strcmp(n->text, words[i])) {
			*out = i;
			return 1;
		}
	return doc_fail(n, "\"%s\" is not Always, CrossSubnet or Never",
			err_safe(n->text));
}

/* Of Calico 2.x: spec.ipip, and nat-outgoing. */
static int old_pool(struct cluster_pool *pool, const struct doc_node *spec)
{
	const struct doc_node *ipip, *n;
	bool enabled = false, nat = false;

	if (doc_map(spec, "ipip", &ipip) < 0 || doc_bool(ipip, "enabled", &enabled) < 0 ||
	    doc_string(ipip, "mode", &n) < 0 || doc_bool(spec, "nat-outgoing", &nat) < 0)
		return -1;
	pool->nat_outgoing |= nat;
	if (!ipip || !enabled)
		return 0;
	if (!n || !strcasecmp(n->text, "always"))
		pool->mode = POOL_ALWAYS;
	else if (!strcasecmp(n->text, "cross-subnet") || !strcasecmp(n->text, "crosssubnet"))
		pool->mode = POOL_CROSS_SUBNET;
	else
		return doc_fail(n, "\"%s\" is not always or cross-subnet", err_safe(n->text));
	return 0;
}

int read_calico_pool(struct cluster *c, const struct doc_node *doc)
{
	const struct doc_node *spec, *cidr, *name;
	struct cluster_pool pool = { 0 };
	const char *wrong;
	uint64_t block;
	int ret, m;

	name = cluster_name(doc);
	if (!name)
		return -1;
	ret = doc_map(doc, "spec", &spec);
	if (ret > 0)
		ret = doc_string(spec, "cidr", &cidr);
	if (ret < 0)
		return -1;
	if (!ret)
		return doc_fail(doc, "spec.cidr is missing: add it, or is the file truncated?");
	wrong = prefix_parse(&pool.cidr, cidr->text);
	if (wrong)
		return doc_fail(cidr, "%s", wrong);
	pool.name = name->text;
	pool.at = cidr;
	if (mode(spec, "ipipMode", &m) < 0)
		return -1;
	pool.mode = (enum pool_mode)m;
	if (mode(spec, "vxlanMode", &m) < 0 ||
	    doc_bool(spec, "natOutgoing", &pool.nat_outgoing) < 0 ||
	    doc_bool(spec, "disabled", &pool.disabled) < 0 ||
	    doc_uint(spec, "blockSize", 0, addr_bits(&pool.cidr.addr), &block) < 0)
		return -1;
	if (old_pool(&pool, spec))
		return -1;
	pool.vxlan = m != POOL_NEVER;
	if (pool.vxlan && pool.mode != POOL_NEVER)
		return doc_fail(cidr, "pool %s has both ipipMode and vxlanMode: set one to Never",
				err_safe(pool.name));
	return cluster_pool(c, &pool);
}

/* One of an Installation's pools. */
static int asked_pool(struct cluster *c, const struct doc_node *doc)
{
	static const struct {
		const char *word;
		enum pool_mode mode;
		bool vxlan;
	} words[] = {
		{ "IPIP", POOL_ALWAYS, false },
		{ "IPIPCrossSubnet", POOL_CROSS_SUBNET, false },
		{ "VXLAN", POOL_NEVER, true },
		{ "VXLANCrossSubnet", POOL_NEVER, true },
		{ "None", POOL_NEVER, false },
	};
	struct cluster_pool pool = { .mode = POOL_ALWAYS, .asked = true };
	const struct doc_node *cidr, *name, *n;
	const char *wrong;
	size_t i = 0;

	if (doc_string(doc, "cidr", &cidr) < 0 || doc_string(doc, "name", &name) < 0 ||
	    doc_string(doc, "encapsulation", &n) < 0)
		return -1;
	if (!cidr)
		return doc_fail(doc, "cidr is missing: add it");
	wrong = prefix_parse(&pool.cidr, cidr->text);
	if (wrong)
		return doc_fail(cidr, "%s", wrong);
	pool.name = name ? name->text : cidr->text;
	pool.at = cidr;
	if (n) {
		while (i < sizeof(words) / sizeof(*words) && strcmp(words[i].word, n->text))
			i++;
		if (i == sizeof(words) / sizeof(*words))
			return doc_fail(n, "\"%s\" is not IPIP, IPIPCrossSubnet, VXLAN, VXLANCrossSubnet or None",
					err_safe(n->text));
		pool.mode = words[i].mode;
		pool.vxlan = words[i].vxlan;
	}
	if (doc_string(doc, "natOutgoing", &n) < 0)
		return -1;
	pool.nat_outgoing = !n || !strcmp(n->text, "Enabled");
	return cluster_pool(c, &pool);
}

int read_calico_installation(struct cluster *c, const struct doc_node *doc)
{
	const struct doc_node *spec, *net, *pools;
	size_t i;

	if (doc_map(doc, "spec", &spec) < 0 || doc_map(spec, "calicoNetwork", &net) < 0 ||
	    doc_seq(net, "ipPools", &pools) < 0)
		return -1;
	for (i = 0; pools && i < pools->n; i++)
		if (asked_pool(c, pools->child[i]))
			return -1;
	return 0;
}
