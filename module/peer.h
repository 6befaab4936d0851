/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_PEER_H
#define _IPMESH_PEER_H

#include <linux/in6.h>
#include <linux/list.h>
#include <net/ipv6.h>

#include <uapi/linux/ipmesh.h>

#include "prefix.h"

struct ipmesh_dev;
struct ipmesh_sources;

/**
 * struct ipmesh_peer_set - prefixes that a peer holds, of one kind
 * @list: struct ipmesh_prefix; under the device's lock
 * @count: length of @list; under the device's lock
 */
struct ipmesh_peer_set {
	struct list_head list;
	u32 count;
};

/**
 * struct ipmesh_peer - a remote node
 * @endpoint: underlay address, an IPv4 one v4-mapped; constant
 * @to: what packets to it need to know; the encapsulation is written under the device's
 *	lock, the rest is constant
 * @at: its place in the device's table of endpoints; like the entries of @cidrs it leads
 *	packets where @to says; under the device's lock
 * @ipm: the device; constant
 * @id: in &ipmesh_dev.ids; constant
 * @cidrs: its pod CIDRs
 * @froms: outer prefixes that its packets come from, besides @endpoint
 * @sources: inner sources besides the pod CIDRs, or NULL for none; replaced as a
 *	whole, under the device's lock; read under RCU
 * @name: label, or NULL; under the device's lock
 * @routes: enum ipmesh_peer_routes, for user space alone; under the device's lock
 * @stamp: the last request that told of the peer; under the device's lock
 * @path_mtu: what an error said of its path, in bytes, where no route could be taught;
 *	written in softirq, good as long as @path_mtu_until lies ahead; 0 for nothing
 * @path_mtu_until: in ticks of ipmesh_stats_now(); written before @path_mtu
 * @icmp_errors: ICMP errors about packets to it; written in softirq
 * @drops: dropped packets by cause, IPMESH_A_DROPS_MAX + 1 of them; made by the
 *	first drop, on the data path
 * @drops_uncounted: dropped packets while there was no memory for @drops
 * @rcu: frees it
 */
struct ipmesh_peer {
	struct in6_addr endpoint;
	struct ipmesh_prefix_to to;
	struct ipmesh_prefix at;
	u32 id;
	struct ipmesh_dev *ipm;
	struct ipmesh_peer_set cidrs;
	struct ipmesh_peer_set froms;
	struct ipmesh_sources __rcu *sources;
	char *name;
	u8 routes;
	u32 stamp;
	u32 path_mtu;
	u32 path_mtu_until;
	atomic_long_t icmp_errors;
	atomic_long_t *drops;
	atomic_long_t drops_uncounted;
	struct rcu_head rcu;
};

void ipmesh_peer_init(struct ipmesh_dev *ipm);
void ipmesh_peer_destroy(struct ipmesh_dev *ipm);

struct ipmesh_peer *ipmesh_peer_find4(const struct ipmesh_dev *ipm, __be32 endpoint);
struct ipmesh_peer *ipmesh_peer_find(const struct ipmesh_dev *ipm,
				     const struct in6_addr *endpoint);
bool ipmesh_peer_to(const struct ipmesh_dev *ipm, const struct in6_addr *endpoint,
		    struct ipmesh_prefix_to *to);
bool ipmesh_peer_from(const struct ipmesh_dev *ipm, const struct in6_addr *source,
		      struct ipmesh_prefix_to *to);
struct ipmesh_peer *ipmesh_peer_make(struct ipmesh_dev *ipm,
				     const struct in6_addr *endpoint);
void ipmesh_peer_show(struct ipmesh_dev *ipm, struct ipmesh_peer *peer);
void ipmesh_peer_drop(struct ipmesh_dev *ipm, struct ipmesh_peer *peer);
void ipmesh_peer_del(struct ipmesh_dev *ipm, struct ipmesh_peer *peer);
void ipmesh_peer_flush(struct ipmesh_dev *ipm);

int ipmesh_peer_cache_create(void);
void ipmesh_peer_cache_destroy(void);

#endif /* _IPMESH_PEER_H */
