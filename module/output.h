/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_OUTPUT_H
#define _IPMESH_OUTPUT_H

#include <net/dst.h>
#include <net/ip.h>
#include <net/ipv6.h>

struct net;
struct sk_buff;

/**
 * ipmesh_output_plain4 - whether an IPv4 route does no more than name a neighbour
 * @dst: the route
 *
 * No IPsec policy, no tunnel of the route's own, no multicast.
 *
 * Return: true when ipmesh_output4() may be given a packet with this route.
 */
static inline bool ipmesh_output_plain4(const struct dst_entry *dst)
{
	return dst->output == ip_output && !dst->lwtstate;
}

/**
 * ipmesh_output_plain6 - the same of an IPv6 route
 * @dst: the route
 *
 * One with metrics may want fragments of whatever size.
 *
 * Return: true when ipmesh_output6() may be given a packet with this route.
 */
static inline bool ipmesh_output_plain6(const struct dst_entry *dst)
{
	return dst->output == ip6_output && !dst->lwtstate &&
	       dst_metrics_ptr((struct dst_entry *)dst) == dst_default_metrics.metrics;
}

int ipmesh_output4(struct net *net, struct sk_buff *skb);
int ipmesh_output6(struct net *net, struct sk_buff *skb);

#endif /* _IPMESH_OUTPUT_H */
