// SPDX-License-Identifier: GPL-2.0-only
/* The outer headers of a packet that is sent. */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/udp.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "header.h"
#include "send.h"

/* Step 6. The ECN field is copied as RFC 6040 has it for its normal mode, the
 * DSCP as RFC 2983 has it for the uniform model.
 */
static u8 outer_tos(const struct ipmesh_send *send)
{
	u8 dscp = send->conf->dscp == IPMESH_DSCP_INHERIT ? send->tos & ~INET_ECN_MASK :
							    send->conf->dscp << 2;

	return dscp | (send->tos & INET_ECN_MASK);
}

static u8 outer_ttl(const struct ipmesh_send *send)
{
	return send->conf->ttl == IPMESH_TTL_INHERIT ? send->ttl : send->conf->ttl;
}

/* The source port tells inner flows apart, for the underlay's balancing and the
 * receiver's queues.
 */
static void push_udp(const struct ipmesh_send *send, struct sk_buff *skb)
{
	unsigned int len = skb->len + sizeof(struct udphdr);
	struct udphdr *uh;
	__be16 sport;

	sport = send->conf->sport ?: udp_flow_src_port(send->ipm->net, skb, 0, 0, true);
	skb_push(skb, sizeof(*uh));
	skb_reset_transport_header(skb);
	uh = udp_hdr(skb);
	uh->source = sport;
	uh->dest = send->dport;
	uh->len = htons(len);
	if (send->conf->family == AF_INET)
		udp_set_csum(!send->conf->csum, skb, send->saddr,
			     ipmesh_addr_get4(&send->endpoint), len);
	else
		udp6_set_csum(!send->conf->csum, skb, &send->conf->local,
			      &send->endpoint, len);
}

/**
 * ipmesh_header_push4 - the outer header, on an IPv4 underlay
 * @send: the packet's way
 * @skb: inner packet; becomes the outer one, but for length and checksum
 * @df: the outer packet may not be fragmented
 *
 * RFC 2003, and RFC 4213 for IPv6 inside.
 *
 * Context: BH off, RCU.
 */
void ipmesh_header_push4(const struct ipmesh_send *send, struct sk_buff *skb, bool df)
{
	struct iphdr *iph;

	if (unlikely(send->udp))
		push_udp(send, skb);
	skb_push(skb, sizeof(*iph));
	skb_reset_network_header(skb);
	iph = ip_hdr(skb);
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = outer_tos(send);
	iph->frag_off = df ? htons(IP_DF) : 0;
	iph->ttl = outer_ttl(send);
	iph->protocol = ipmesh_header_proto(send);
	iph->saddr = send->saddr;
	iph->daddr = ipmesh_addr_get4(&send->endpoint);
	/* an atomic datagram needs no identification, RFC 6864 4.1 */
	iph->id = 0;
	if (!df)
		__ip_select_ident(send->ipm->net, iph, skb_shinfo(skb)->gso_segs ?: 1);
}

/**
 * ipmesh_header_push6 - the outer header, on an IPv6 underlay
 * @send: the packet's way
 * @skb: inner packet; becomes the outer one, but for its length
 *
 * RFC 2473, without its encapsulation limit option: the depth is bounded in
 * the node, and the option would cost the underlay's hardware paths. The flow
 * label gives the underlay the inner flows to balance, RFC 6438.
 *
 * Context: BH off, RCU.
 */
void ipmesh_header_push6(const struct ipmesh_send *send, struct sk_buff *skb)
{
	struct flowi6 fl6 = {};
	struct ipv6hdr *ip6h;
	__be32 label;

	skb_get_hash(skb);
	if (unlikely(send->udp))
		push_udp(send, skb);
	label = ip6_make_flowlabel(send->ipm->net, skb, 0, true, &fl6);
	skb_push(skb, sizeof(*ip6h));
	skb_reset_network_header(skb);
	ip6h = ipv6_hdr(skb);
	ip6_flow_hdr(ip6h, outer_tos(send), label);
	ip6h->hop_limit = outer_ttl(send);
	ip6h->nexthdr = ipmesh_header_proto(send);
	ip6h->saddr = send->conf->local;
	ip6h->daddr = send->endpoint;
}
