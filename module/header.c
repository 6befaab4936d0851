// SPDX-License-Identifier: GPL-2.0-only
/* The outer headers of a packet that is sent. */

#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/udp.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "header.h"
#include "send.h"

/**
 * ipmesh_header_push_udp - the outer UDP header
 * @send: the packet's way
 * @skb: inner packet; becomes a UDP one
 *
 * The source port tells inner flows apart, for the underlay's balancing and the
 * receiver's queues.
 *
 * Context: BH off, RCU.
 */
void ipmesh_header_push_udp(const struct ipmesh_send *send, struct sk_buff *skb)
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
	udp_set_len(uh, len);
	if (send->conf->family == AF_INET)
		udp_set_csum(!send->conf->csum, skb, send->saddr,
			     ipmesh_addr_get4(&send->endpoint), len);
	else
		udp6_set_csum(!send->conf->csum, skb, &send->conf->local,
			      &send->endpoint, len);
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
		ipmesh_header_push_udp(send, skb);
	label = ip6_make_flowlabel(send->ipm->net, skb, 0, true, &fl6);
	skb_push(skb, sizeof(*ip6h));
	skb_reset_network_header(skb);
	ip6h = ipv6_hdr(skb);
	ip6_flow_hdr(ip6h, ipmesh_header_tos(send), label);
	ip6h->hop_limit = ipmesh_header_ttl(send);
	ip6h->nexthdr = ipmesh_header_proto(send);
	ip6h->saddr = send->conf->local;
	ip6h->daddr = send->endpoint;
}
