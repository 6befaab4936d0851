/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_HEADER_H
#define _IPMESH_HEADER_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/skbuff.h>
#include <net/checksum.h>
#include <net/inet_ecn.h>
#include <net/ip.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "send.h"

/**
 * ipmesh_header_proto - the protocol that the outer IP header names
 * @send: the packet's way
 *
 * Return: IPPROTO_*.
 */
static inline u8 ipmesh_header_proto(const struct ipmesh_send *send)
{
	return send->udp ? IPPROTO_UDP : send->proto;
}

/**
 * ipmesh_header_tos - the outer DSCP and ECN fields
 * @send: the packet's way
 *
 * Step 6. The ECN field is copied as RFC 6040 has it for its normal mode, the
 * DSCP as RFC 2983 has it for the uniform model.
 *
 * Return: the former TOS byte.
 */
static inline u8 ipmesh_header_tos(const struct ipmesh_send *send)
{
	if (likely(send->conf->dscp == IPMESH_DSCP_INHERIT))
		return send->tos;
	return send->conf->dscp << 2 | (send->tos & INET_ECN_MASK);
}

/**
 * ipmesh_header_ttl - the outer TTL or hop limit
 * @send: the packet's way
 *
 * Return: the TTL.
 */
static inline u8 ipmesh_header_ttl(const struct ipmesh_send *send)
{
	return send->conf->ttl == IPMESH_TTL_INHERIT ? send->ttl : send->conf->ttl;
}

void ipmesh_header_push_udp(const struct ipmesh_send *send, struct sk_buff *skb);
void ipmesh_header_push6(const struct ipmesh_send *send, struct sk_buff *skb);

/**
 * ipmesh_header_push4 - the outer header, on an IPv4 underlay
 * @send: the packet's way
 * @skb: inner packet; becomes the outer one
 * @df: the outer packet may not be fragmented
 *
 * RFC 2003, and RFC 4213 for IPv6 inside.
 *
 * Context: BH off, RCU.
 */
static inline void ipmesh_header_push4(const struct ipmesh_send *send, struct sk_buff *skb,
				       bool df)
{
	__be32 daddr = ipmesh_addr_get4(&send->endpoint);
	u8 proto = ipmesh_header_proto(send);
	__be32 first, second, third;
	struct iphdr *iph;
	__be32 *words;
	__wsum sum;

	if (unlikely(send->udp))
		ipmesh_header_push_udp(send, skb);
	iph = __skb_push(skb, sizeof(*iph));
	skb_reset_network_header(skb);
	iph->saddr = send->saddr;
	iph->daddr = daddr;

	/* an atomic datagram needs no identification, RFC 6864 4.1 */
	second = htonl(IP_DF);
	if (unlikely(!df)) {
		iph->protocol = proto;
		__ip_select_ident(send->ipm->net, iph, skb_shinfo(skb)->gso_segs ?: 1);
		second = htonl((u32)ntohs(iph->id) << 16);
	}
	/* by words, for the sum: of what was written by bytes, it would wait */
	first = htonl((4 << 4 | sizeof(*iph) / 4) << 24 | ipmesh_header_tos(send) << 16 |
		      (skb->len & 0xffff));
	third = htonl(ipmesh_header_ttl(send) << 24 | proto << 16);
	sum = csum_add((__force __wsum)first, (__force __wsum)second);
	sum = csum_add(sum, (__force __wsum)third);
	sum = csum_add(sum, (__force __wsum)send->saddr);
	sum = csum_add(sum, (__force __wsum)daddr);
	words = (__be32 *)iph;
	words[0] = first;
	words[1] = second;
	words[2] = third;
	iph->check = csum_fold(sum);
}

#endif /* _IPMESH_HEADER_H */
