/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_CLUSTER_H
#define IPMESH_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"
#include "doc.h"
#include "endpointset.h"
#include "linkattr.h"

/*
 * What the documents say, whatever form they have: every reader fills this,
 * and want.c computes from it.  Each fact keeps the place that said it; the
 * documents must therefore outlive the cluster.
 */

/*
 * A node may have several underlay addresses in several documents: the one
 * that says most about the overlay wins, and only two of one rank can
 * contradict each other.
 */
enum fact_rank {
	FACT_NONE,
	FACT_NODE_IP,		/* InternalIP: any address of the host */
	FACT_FLANNEL,		/* what flannel chose */
	FACT_CALICO,		/* what Calico chose */
};

struct fact_addr {
	enum fact_rank rank;
	struct prefix p;	/* with host bits */
	bool has_len;		/* the document gave the prefix length */
	const struct doc_node *at;
};

struct fact_cidr {
	struct prefix p;
	const struct doc_node *at;
};

#define FAMILIES 2		/* [0] IPv4, [1] IPv6 */

/* Who says which pod CIDRs a node has; the higher one is right. Kubernetes' own controller
 * may give out some that the network does not use.
 */
enum cidr_rank { CIDRS_KUBERNETES, CIDRS_IPAM };

struct cluster_node {
	const char *name;
	const struct doc_node *at;	/* the name's place, the first one */
	struct fact_addr underlay[FAMILIES];
	struct fact_addr tunnel[FAMILIES];
	struct fact_cidr *addrs;	/* all of the host that documents name */
	size_t n_addrs, cap_addrs;
	struct fact_cidr *cidrs;
	size_t n_cidrs, cap_cidrs;
	const struct doc_node *cidrs_at[FAMILIES];
	enum cidr_rank cidrs_rank;
	bool windows;			/* which has no IP in IP */
};

enum pool_mode { POOL_NEVER, POOL_CROSS_SUBNET, POOL_ALWAYS };

struct cluster_pool {
	const char *name;
	struct prefix cidr;
	enum pool_mode mode;
	bool vxlan;		/* carried by something else */
	bool nat_outgoing;
	bool asked;		/* of an Installation; an IPPool knows better */
	bool disabled;		/* gives no new addresses; what has one goes on */
	const struct doc_node *at;
};

/* A block of Calico's IPAM: whose it is, by BlockAffinity or IPAMBlock. */
struct cluster_block {
	struct prefix cidr;
	const char *node;
	bool itself;		/* the IPAMBlock says so, and not an affinity to it */
	const struct doc_node *at;
};

/* An address that a node has, in whoever's block; or its tunnel address. */
struct cluster_lease {
	struct prefix p;	/* of a single address */
	const char *node;
	bool tunnel;
	const struct doc_node *at;
};

/* How routes through the tunnel find the peer. */
enum route_form {
	ROUTES_UNSAID,
	ROUTES_PEER,		/* one for each CIDR, by the peer's nexthop */
	ROUTES_POOL,		/* one for each pool, to the device, which finds it */
	ROUTES_NONE,		/* none: a routing daemon writes them */
};

/* "peer" or "pool"; false: neither. */
bool route_form_read(const char *word, enum route_form *form);

enum peer_via { VIA_TUNNEL, VIA_UNDERLAY, VIA_NONE };

struct device_cidr {
	struct fact_cidr fact;
	enum peer_via via;
	bool via_said;		/* of it, or of its peer */
	struct addr gw;		/* of VIA_UNDERLAY: whom the underlay is to reach */
};

struct device_peer {
	struct addr endpoint;
	const char *name;
	uint8_t encap;		/* IPMESH_ENCAP_* */
	uint16_t dport;		/* 0: the device's */
	struct device_cidr *cidrs;
	size_t n_cidrs, cap_cidrs;
	struct fact_cidr *sources, *froms;
	size_t n_sources, n_froms;
	const struct doc_node *at;
};

/* A document of our own kind. */
struct cluster_device {
	const char *name;
	const struct doc_node *at;
	struct linkattrs attrs;
	uint32_t mtu;		/* 0: auto */
	int nat_host;			/* 1, 0, or -1: not said */
	struct fact_cidr *addresses, *blackholes, *pools, *nat;
	size_t n_addresses, n_blackholes, n_pools, n_nat;
	enum route_form routes;
	struct set_name endpoint_set;
	const struct doc_node *endpoint_set_at;	/* NULL: none */
	struct device_peer *peers;
	size_t n_peers, cap_peers;
};

struct cluster {
	struct cluster_node **nodes;
	size_t n_nodes, cap_nodes;
	size_t n_lenient;		/* so many of the first may be left out */
	size_t *hash, hash_size;	/* index + 1 into nodes, by name */
	struct cluster_pool *pools;
	size_t n_pools, cap_pools;
	struct cluster_block *blocks;	/* sorted when all is read */
	size_t n_blocks, cap_blocks;
	struct cluster_lease *leases;	/* likewise, by node */
	size_t n_leases, cap_leases;
	bool by_blocks[FAMILIES];	/* blocks are what nodes have, not podCIDRs */
	struct cluster_device *devices;
	size_t n_devices, cap_devices;
};

/* All documents; 0, or -1 after saying what is wrong. cluster_add() takes those
 * that are not all there is, too.
 */
int cluster_add(struct cluster *c, const struct doc_set *docs);
int cluster_read(struct cluster *c, const struct doc_set *docs);
void cluster_free(struct cluster *c);

static inline uint8_t family_number(int index)
{
	return index ? AF_INET6 : AF_INET;
}

static inline const char *family_name(uint8_t family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}

static inline int family_index(const struct addr *a)
{
	return a->family == AF_INET6;
}

/* For the readers.  Those that return int give -1 after saying why. */
struct cluster_node *cluster_node(struct cluster *c, const struct doc_node *name);
/* This host's name as kubelet gives it to its node: in small letters. */
void cluster_hostname(char *name, size_t size);
struct cluster_node *cluster_find(const struct cluster *c, const char *name);
int cluster_underlay(struct cluster_node *node, enum fact_rank rank,
		     const struct doc_node *at);
/* The same, where a name may stand: it is passed over with a warning. */
int cluster_node_ip(struct cluster_node *node, enum fact_rank rank,
		    const struct doc_node *at);
int cluster_tunnel(struct cluster_node *node, const struct doc_node *at);
/* "none", which Calico takes for no address. */
bool cluster_is_none(const struct doc_node *at);
/* Another address of the host, by which nobody need reach it; names are passed over. */
void cluster_address(struct cluster_node *node, const struct doc_node *at);
/* AT is a list of prefixes, or a text with one, or with commas several. */
int cluster_cidrs(struct cluster_node *node, enum cidr_rank rank, const struct doc_node *at);
int cluster_pool(struct cluster *c, const struct cluster_pool *pool);
void cluster_block(struct cluster *c, const struct cluster_block *block);
void cluster_lease(struct cluster *c, const struct cluster_lease *lease);
/* Sorts them, and refuses those that contradict each other. */
int cluster_blocks_check(struct cluster *c);
/* Those of one node, sorted. */
const struct cluster_block *cluster_blocks_of(const struct cluster *c,
					      const char *node, size_t *n);
const struct cluster_lease *cluster_leases_of(const struct cluster *c,
					      const char *node, size_t *n);
/* Warns of those of nodes that no document tells of. */
void cluster_blocks_left_out(const struct cluster *c);
/* The required .metadata.name. */
const struct doc_node *cluster_name(const struct doc_node *doc);

/* One reader per document family, called with a single document. */
int read_own_device(struct cluster *c, const struct doc_node *doc);
/* What a Device calls the attribute of that word. */
const char *read_own_field(const char *word);
int read_calico_node(struct cluster *c, const struct doc_node *doc);
int read_calico_pool(struct cluster *c, const struct doc_node *doc);
int read_calico_affinity(struct cluster *c, const struct doc_node *doc);
int read_calico_block(struct cluster *c, const struct doc_node *doc);
int read_calico_installation(struct cluster *c, const struct doc_node *doc);
int read_cilium_node(struct cluster *c, const struct doc_node *doc);
int read_kube_node(struct cluster *c, const struct doc_node *doc);

#endif
