/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_SEND_H
#define _IPMESH_SEND_H

#include <linux/in6.h>
#include <linux/netdevice.h>

#include "prefix.h"

struct ipmesh_conf;
struct ipmesh_dev;
struct ipmesh_peer;
struct ipmesh_part_tx;

/**
 * struct ipmesh_send - a packet on its way out
 * @ipm: the device
 * @conf: its conf
 * @gen: number of the settings, and of the peer's own, as a cached route has it
 * @to: what is known of the peer
 * @tx: this CPU's part of it, or NULL for another endpoint of an open device
 * @endpoint: outer destination
 * @dst: route to the endpoint
 * @saddr: outer source on an IPv4 underlay, network byte order
 * @dst_held: @dst is referenced for this packet; else the peer's cache holds
 *	it, for at least as long as the RCU section lasts
 * @plain: @dst is one that ipmesh_output_plain4() or ipmesh_output_plain6() is
 *	true for
 * @learned_mtu: of the path, where @plain is false and @dst does not know it; else 0
 * @udp: the outer packet is a UDP one
 * @dport: its destination port, network byte order
 * @overhead: bytes of the outer headers
 * @proto: what the inner packet is, IPPROTO_IPIP or IPPROTO_IPV6
 * @tos: inner DSCP and ECN
 * @ttl: inner TTL or hop limit
 * @df: the inner packet may not be fragmented
 * @consumed: the skb is out of our hands
 */
struct ipmesh_send {
	struct ipmesh_dev *ipm;
	const struct ipmesh_conf *conf;
	u32 gen;
	struct ipmesh_prefix_to to;
	struct ipmesh_part_tx *tx;
	struct in6_addr endpoint;
	struct dst_entry *dst;
	__be32 saddr;
	unsigned int learned_mtu;
	bool dst_held;
	bool plain;
	bool udp;
	__be16 dport;
	u8 overhead;
	u8 proto;
	u8 tos;
	u8 ttl;
	bool df;
	bool consumed;
};

netdev_tx_t ipmesh_send_xmit(struct sk_buff *skb, struct net_device *dev);

#endif /* _IPMESH_SEND_H */
