/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_NEST_H
#define _IPMESH_NEST_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>

#include "udp.h"

struct ipmesh_dev;

/* How many tunnels may be one in the other, on the way out and in; what RFC 2473
 * 4.1.1 proposes as the default of its limit.
 */
#define IPMESH_NEST_MAX	4

/**
 * ipmesh_nest_may - whether a packet's payload can be a tunnel's again
 * @skb: at its inner IP header, which is linear
 * @proto: ETH_P_IP or ETH_P_IPV6, network byte order
 *
 * Return: false for most packets, without a further look.
 */
static inline bool ipmesh_nest_may(const struct sk_buff *skb, __be16 proto)
{
	unsigned int offset;
	u8 next;

	if (proto == htons(ETH_P_IP)) {
		const struct iphdr *iph = (const struct iphdr *)skb->data;

		next = iph->protocol;
		offset = iph->ihl * 4;
	} else {
		next = ((const struct ipv6hdr *)skb->data)->nexthdr;
		offset = sizeof(struct ipv6hdr);
	}
	if (next == IPPROTO_UDP)
		return ipmesh_udp_may(skb, offset);
	return next != IPPROTO_TCP && next != IPPROTO_ICMP && next != IPPROTO_ICMPV6;
}

bool ipmesh_nest_deep(const struct ipmesh_dev *ipm, const struct sk_buff *skb, __be16 proto);

#endif /* _IPMESH_NEST_H */
