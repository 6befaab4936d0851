/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_WANT_H
#define IPMESH_WANT_H

#include <net/if.h>

#include "cluster.h"

/*
 * The wanted state of one device on one host: what the documents come to,
 * whatever their form.  Nothing here has looked at the kernel.
 */
enum want_kind {
	WANT_TUNNEL,		/* through the device, see diff_routes.c */
	WANT_UNDERLAY,		/* by the underlay's own route to the endpoint */
	WANT_LINKED,		/* as WANT_UNDERLAY when on link, else WANT_TUNNEL */
	WANT_BLACKHOLE,
	WANT_POOL,		/* to the device, when it saves WANT_TUNNEL ones */
	WANT_DEVICE,		/* to the device, which finds the peer */
	WANT_NONE,		/* the peer has the prefix, but no route */
};

struct want_route {
	struct prefix dst;
	enum want_kind kind;
	size_t peer;		/* index; not of a blackhole or a pool */
	struct addr gw;		/* of WANT_UNDERLAY and WANT_LINKED */
	const struct doc_node *at;
};

struct want_peer {
	struct addr endpoint;
	char name[IPMESH_NAME_MAX + 1];
	struct prefix *cidrs;	/* sorted */
	size_t n_cidrs, cap_cidrs;
	struct prefix_list sources, froms;	/* sorted */
	const struct cluster_node *node;	/* that it is; NULL: a Device's alone */
	bool parts;		/* it has CIDRs that are not all addresses */
	bool routed;		/* one of them is to have a route */
	bool has_encap;		/* the documents speak of it */
	uint8_t encap;
	uint16_t dport;
	const struct doc_node *at;
};

struct want {
	char dev[IFNAMSIZ];
	const char *node;	/* NULL when only a Device is described */
	struct linkattrs attrs;	/* those in attrs.has are to be so */
	uint32_t mtu;		/* 0: auto */
	struct prefix *addresses;
	size_t n_addresses, cap_addresses;
	struct want_peer *peers;	/* sorted by endpoint */
	size_t n_peers, cap_peers;
	struct want_route *routes;	/* sorted by destination */
	size_t n_routes, cap_routes;
	struct prefix_list froms;	/* of all peers, sorted */
	struct prefix *pools, *nat;	/* sorted */
	size_t n_pools, cap_pools, n_nat, cap_nat;
	bool has_pods;		/* this host has a block of its own */
	bool nat_host;		/* what the host sends by the device gets its address */
	bool routes_unsaid;	/* who writes the routes: as the peers remember it */
	bool by_pool;		/* routes through the tunnel are of pools */
	bool take_over;		/* others' routes that lead to the same places */
	struct set_name endpoint_set;
	const struct doc_node *endpoint_set_at;	/* NULL: none */
	const struct cluster_node *self;	/* where its address is the device's; or NULL */
	const struct cluster_node **left_out;	/* not ready for pods; what is there stays */
	size_t n_left_out;
};

struct want_options {
	const char *node;	/* NULL: the host's name */
	const char *dev;	/* NULL: as the documents say, or ipmesh0 */
	enum route_form routes;	/* unsaid: as the documents say, or by peer */
	unsigned int node_mask;	/* of a pod CIDR that no document gives */
	bool strict;		/* no node may be left out */
	bool take_over;		/* others' routes that lead to the same places */
};

#define WANT_NODE_MASK	24	/* kube-controller-manager's default */

/* 0, or -1 after saying what is wrong. */
int want_compute(struct want *w, const struct cluster *c,
		 const struct want_options *o);
/* No more than which device is meant. */
void want_nothing(struct want *w, const struct want_options *o);
void want_free(struct want *w);
/* Is it the name of a peer whose node is left out? */
bool want_left_out(const struct want *w, const char *peer);
/* Is it the endpoint of a peer? */
bool want_endpoint(const struct want *w, const struct addr *a);

/* Is it the way to one peer? */
static inline bool want_has_peer(const struct want_route *r)
{
	return r->kind != WANT_BLACKHOLE && r->kind != WANT_POOL;
}

/* The family of the underlay, which that of the local address is. */
static inline uint8_t want_family(const struct want *w)
{
	return linkattr_family(&w->attrs);
}

/* The first of a sorted list that is IPv6; N when none is. */
static inline size_t first_v6(const struct prefix *v, size_t n)
{
	size_t i;

	for (i = 0; i < n && v[i].addr.family != AF_INET6; i++)
		;
	return i;
}

/* A node with all that can be concluded of it. */
struct host {
	const struct cluster_node *node;
	const struct fact_addr *underlay;	/* of the underlay's family */
	struct addr tunnel[FAMILIES];		/* with tunnel_at */
	const struct doc_node *tunnel_at[FAMILIES];
	struct fact_cidr *cidrs;
	size_t n_cidrs;
	struct fact_cidr *leases;	/* its addresses in others' blocks */
	size_t n_leases;
	char *lacks;			/* why it is left out, for now; or NULL */
	const struct doc_node *lacks_at;
};

struct hosts {
	struct host *v;
	size_t n;
	const struct cluster_node **left_out;
	size_t n_left_out;
	bool nested;			/* some prefix lies in another one */
};

/* In the order of c->nodes, but for those that are left out with a warning, and checked
 * against each other; SELF is this host, FAMILY that of the underlay.
 */
int hosts_compute(struct hosts *h, const struct cluster *c, const struct cluster_node *self,
		  unsigned int mask, uint8_t family);
void hosts_free(struct hosts *h);

/* The pool that holds the prefix; NULL: none. */
const struct cluster_pool *pool_of(const struct cluster *c, const struct prefix *p);

#endif
