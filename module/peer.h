/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_PEER_H
#define _IPMESH_PEER_H

#include <linux/cache.h>
#include <linux/in6.h>
#include <linux/list.h>
#include <linux/rhashtable.h>
#include <linux/u64_stats_sync.h>
#include <net/ipv6.h>

#include <uapi/linux/ipmesh.h>

struct dst_entry;
struct ipmesh_dev;

/**
 * struct ipmesh_peer_cpu - what one CPU keeps of a peer: one cache line
 * @peer: the peer; constant
 * @dst: cached underlay route; by this CPU with BH off, and by the last free;
 *	likewise what goes with it, to @udp
 * @saddr: outer source that goes with @dst on an IPv4 underlay, network byte
 *	order; on an IPv6 one the local address is the source
 * @cookie: tells whether @dst is valid still, on an IPv6 underlay
 * @gen: &ipmesh_dev.gen of the settings that @dst was looked up under
 * @rx_packets: received from the peer; like the following three by this CPU
 *	with BH off
 * @rx_bytes: received inner bytes
 * @tx_packets: sent to the peer
 * @tx_bytes: sent inner bytes
 * @last_rx: when the last packet came, by ipmesh_stats_now(); 0 for never
 * @dport: UDP destination port, network byte order
 * @multipath: @dst is one of several equal ways, and only tells whether there
 *	was a change since
 * @udp: packets to the peer go inside UDP
 * @syncp: guards the counters on 32-bit machines
 */
struct ipmesh_peer_cpu {
	struct ipmesh_peer *peer;
	struct dst_entry *dst;
	union {
		__be32 saddr;
		u32 cookie;
	};
	u32 gen;
	u64_stats_t rx_packets;
	u64_stats_t rx_bytes;
	u64_stats_t tx_packets;
	u64_stats_t tx_bytes;
	u32 last_rx;
	__be16 dport;
	bool multipath;
	bool udp;
	struct u64_stats_sync syncp;
} ____cacheline_aligned;

/**
 * struct ipmesh_peer - a remote node; all that a packet needs is in its first line
 * @node: in the device's hash table of endpoints
 * @endpoint: underlay address, an IPv4 one v4-mapped; constant
 * @cpu: routes and counters; constant
 * @dport: UDP destination port, network byte order; 0 for the device's; written
 *	under the device's lock, read anywhere; likewise @encap
 * @encap: what carries packets to it, enum ipmesh_encap
 * @id: in &ipmesh_dev.ids; constant
 * @cidr_count: length of @cidrs; under the device's lock
 * @cidrs: its pod CIDRs, struct ipmesh_prefix; under the device's lock
 * @name: label, or NULL; under the device's lock
 * @stamp: the last request that told of the peer; under the device's lock
 * @icmp_errors: ICMP errors about packets to it; written in softirq
 * @drops: dropped packets by cause, IPMESH_A_DROPS_MAX + 1 of them; made by the
 *	first drop, on the data path
 * @drops_uncounted: dropped packets while there was no memory for @drops
 * @rcu: frees it
 */
struct ipmesh_peer {
	struct rhash_head node;
	struct in6_addr endpoint;
	struct ipmesh_peer_cpu __percpu *cpu;
	__be16 dport;
	u8 encap;
	u32 id;
	u32 cidr_count;
	struct list_head cidrs;
	char *name;
	u32 stamp;
	atomic_long_t icmp_errors;
	atomic_long_t *drops;
	atomic_long_t drops_uncounted;
	struct rcu_head rcu;
};

int ipmesh_peer_init(struct ipmesh_dev *ipm);
void ipmesh_peer_destroy(struct ipmesh_dev *ipm);

struct ipmesh_peer *ipmesh_peer_find4(struct ipmesh_dev *ipm, __be32 endpoint);
struct ipmesh_peer *ipmesh_peer_find(struct ipmesh_dev *ipm,
				     const struct in6_addr *endpoint);
struct ipmesh_peer *ipmesh_peer_add(struct ipmesh_dev *ipm,
				    const struct in6_addr *endpoint);
void ipmesh_peer_del(struct ipmesh_dev *ipm, struct ipmesh_peer *peer);
void ipmesh_peer_flush(struct ipmesh_dev *ipm);

int ipmesh_peer_cache_create(void);
void ipmesh_peer_cache_destroy(void);

#endif /* _IPMESH_PEER_H */
