/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_UDP_H
#define _IPMESH_UDP_H

#include <linux/bits.h>
#include <linux/skbuff.h>
#include <linux/types.h>
#include <linux/udp.h>

struct ipmesh_conf;
struct ipmesh_dev;
struct ipmesh_underlay;
struct net;
struct netlink_ext_ack;
struct nlattr;

/**
 * struct ipmesh_udp - a UDP port that devices of a namespace receive on
 * @list: in &ipmesh_underlay.udp; written under its udp_lock, read under RCU
 * @sock: bound to @port of every address; constant
 * @family: AF_INET or AF_INET6; constant
 * @port: network byte order; constant
 * @users: devices that want it; under udp_lock
 * @rcu: for kfree_rcu()
 */
struct ipmesh_udp {
	struct list_head list;
	struct socket *sock;
	u8 family;
	__be16 port;
	unsigned int users;
	struct rcu_head rcu;
};

/* A bit for each port that is bound in any namespace, and for those that share it;
 * written by udp.c under a lock of its own, read anywhere.
 */
extern unsigned long ipmesh_udp_map;

static inline unsigned int ipmesh_udp_bit(__be16 port)
{
	return ntohs(port) % BITS_PER_LONG;
}

/**
 * ipmesh_udp_may - whether a UDP packet can be for a port of ours
 * @skb: the packet, linear or not
 * @offset: of its UDP header from the data; it may lie outside of the packet
 *
 * Return: false for most packets; ipmesh_udp_bound() is sure.
 */
static inline bool ipmesh_udp_may(const struct sk_buff *skb, unsigned int offset)
{
	unsigned long map = READ_ONCE(ipmesh_udp_map);
	const struct udphdr *uh;

	if (!map)
		return false;
	if (skb_headlen(skb) < offset + sizeof(*uh))
		return true;
	uh = (const struct udphdr *)(skb->data + offset);
	return map & BIT(ipmesh_udp_bit(uh->dest));
}

bool ipmesh_udp_bound(struct net *net, __be16 port);
int ipmesh_udp_want(struct ipmesh_dev *ipm, const struct ipmesh_conf *conf,
		    unsigned int udp_peers, const struct nlattr *attr,
		    struct netlink_ext_ack *extack);
void ipmesh_udp_close(struct ipmesh_underlay *ul, struct ipmesh_udp *udp);

#endif /* _IPMESH_UDP_H */
