// SPDX-License-Identifier: GPL-2.0-only
/* A packet's way out: inner packet to peer to outer packet. */

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <net/dsfield.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_fib.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "mtu.h"
#include "peer.h"
#include "prefix.h"
#include "send.h"
#include "stats.h"
#include "trace.h"
#include "underlay.h"

/* A tunnel in a tunnel is legitimate, a tunnel in itself is not; the core's
 * own guard would only act after twice as many levels, and with a message.
 */
#define SEND_DEPTH_MAX	4

static DEFINE_PER_CPU(unsigned int, send_depth);

/**
 * struct send - a packet on its way through this file
 * @ipm: the device
 * @conf: its conf
 * @peer: the peer, or NULL for another endpoint of an open device
 * @endpoint: outer destination
 * @dst: route to the endpoint
 * @saddr: outer source on an IPv4 underlay, network byte order
 * @dst_held: @dst is referenced for this packet; else the peer's cache holds
 *	it, for at least as long as the RCU section lasts
 * @udp: the outer packet is a UDP one
 * @dport: its destination port, network byte order
 * @overhead: bytes of the outer headers
 * @proto: what the inner packet is, IPPROTO_IPIP or IPPROTO_IPV6
 * @tos: inner DSCP and ECN
 * @ttl: inner TTL or hop limit
 * @df: the inner packet may not be fragmented
 * @consumed: the skb is out of our hands
 */
struct send {
	struct ipmesh_dev *ipm;
	const struct ipmesh_conf *conf;
	struct ipmesh_peer *peer;
	struct in6_addr endpoint;
	struct dst_entry *dst;
	__be32 saddr;
	bool dst_held;
	bool udp;
	__be16 dport;
	u8 overhead;
	u8 proto;
	u8 tos;
	u8 ttl;
	bool df;
	bool consumed;
};

static bool inner4(struct send *send, struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	unsigned int len = ntohs(iph->tot_len);

	if (iph->version != 4 || iph->ihl < 5)
		return false;
	if (!skb_is_gso(skb) && (len < iph->ihl * 4 || len > skb->len))
		return false;
	send->proto = IPPROTO_IPIP;
	send->tos = iph->tos;
	send->ttl = iph->ttl;
	send->df = iph->frag_off & htons(IP_DF);
	return true;
}

static bool inner6(struct send *send, struct sk_buff *skb)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);

	if (ip6h->version != 6)
		return false;
	if (!skb_is_gso(skb) &&
	    sizeof(*ip6h) + ntohs(ip6h->payload_len) > skb->len)
		return false;
	send->proto = IPPROTO_IPV6;
	send->tos = ipv6_get_dsfield(ip6h);
	send->ttl = ip6h->hop_limit;
	send->df = true;
	return true;
}

/* Step 1 */
static bool inner_valid(struct send *send, struct sk_buff *skb)
{
	if (!pskb_inet_may_pull(skb))
		return false;
	switch (skb->protocol) {
	case htons(ETH_P_IP):
		return inner4(send, skb);
	case htons(ETH_P_IPV6):
		return inner6(send, skb);
	}
	return false;
}

/* The gateway of the packet's route. An IPv6 route names an IPv4 endpoint by
 * its v4-mapped address.
 */
static bool route_gateway(const struct sk_buff *skb, struct in6_addr *gw)
{
	const struct dst_entry *dst = skb_dst(skb);

	if (!dst)
		return false;
	if (dst->ops->family == AF_INET) {
		const struct rtable *rt = (const struct rtable *)dst;

		if (rt->rt_gw_family == AF_INET)
			ipv6_addr_set_v4mapped(rt->rt_gw4, gw);
		else if (rt->rt_gw_family == AF_INET6)
			*gw = rt->rt_gw6;
		return rt->rt_gw_family;
	}
	if (dst->ops->family == AF_INET6) {
		const struct rt6_info *rt = (const struct rt6_info *)dst;

		if (!(rt->rt6i_flags & RTF_GATEWAY))
			return false;
		*gw = rt->rt6i_gateway;
		return true;
	}
	return false;
}

static bool right_family(const struct send *send)
{
	return ipmesh_addr_is4(&send->endpoint) == (send->conf->family == AF_INET);
}

/* Steps 2 and 3 of Documentation/data-path.md: the nexthop's gateway names the
 * endpoint, else the longest pod CIDR does. An open device sends to any
 * gateway, and without one to the inner destination, as tunl0 does.
 */
static bool find_endpoint(struct send *send, const struct sk_buff *skb)
{
	struct in6_addr daddr;

	if (route_gateway(skb, &send->endpoint)) {
		send->peer = ipmesh_peer_find(send->ipm, &send->endpoint);
		return send->peer || (send->conf->open && right_family(send));
	}

	if (send->proto == IPPROTO_IPIP)
		ipv6_addr_set_v4mapped(ip_hdr(skb)->daddr, &daddr);
	else
		daddr = ipv6_hdr(skb)->daddr;
	send->peer = ipmesh_prefix_find(&send->ipm->prefixes, &daddr);
	if (send->peer) {
		send->endpoint = send->peer->endpoint;
		return true;
	}
	if (!send->conf->open || ipmesh_addr_martian(&daddr))
		return false;
	send->endpoint = daddr;
	send->peer = ipmesh_peer_find(send->ipm, &daddr);
	return right_family(send);
}

/* A peer's own encapsulation goes before the device's. */
static void find_encap(struct send *send)
{
	u8 encap = send->peer ? READ_ONCE(send->peer->encap) : IPMESH_ENCAP_DEVICE;

	if (encap == IPMESH_ENCAP_DEVICE)
		encap = send->conf->encap;
	send->udp = encap == IPMESH_ENCAP_UDP;
	send->overhead = send->conf->overhead;
	if (likely(!send->udp))
		return;
	send->overhead += sizeof(struct udphdr);
	send->dport = send->peer ? READ_ONCE(send->peer->dport) : 0;
	if (!send->dport)
		send->dport = send->conf->dport;
}

static u8 outer_proto(const struct send *send)
{
	return send->udp ? IPPROTO_UDP : send->proto;
}

static struct dst_entry *look_up(struct send *send, u32 hash)
{
	struct dst_entry *dst;

	dst = ipmesh_underlay_route(send->ipm, send->conf, &send->endpoint,
				    outer_proto(send), hash, &send->saddr);
	if (!IS_ERR(dst) && ipmesh_mtu_differs(send->ipm, send->conf, dst))
		ipmesh_mtu_hint(send->ipm, HZ / 10);
	return dst;
}

/* For this packet alone: its flow chooses among equal ways. */
static int look_up_flow(struct send *send, struct sk_buff *skb)
{
	struct dst_entry *dst = look_up(send, skb_get_hash(skb));

	if (IS_ERR(dst))
		return PTR_ERR(dst);
	send->dst = dst;
	send->dst_held = true;
	return 0;
}

/* The route of an IPsec policy validates itself. */
static u32 route_cookie(struct dst_entry *dst)
{
	return dst_xfrm(dst) ? 0 : rt6_get_cookie((struct rt6_info *)dst);
}

/* What a cached route depends on, besides the routing tables. */
static u32 route_gen(const struct send *send)
{
	return send->conf->gen << 8 | READ_ONCE(send->peer->gen);
}

static bool cache_valid(const struct send *send, const struct ipmesh_peer_cpu *pc)
{
	u32 cookie = send->conf->family == AF_INET ? 0 : pc->cookie;

	return pc->dst && pc->gen == route_gen(send) && dst_check(pc->dst, cookie);
}

static int fill_cache(const struct send *send, struct ipmesh_peer_cpu *pc,
		      struct dst_entry *dst)
{
	/* freed after a grace period: outer levels on this CPU may use it */
	dst_release(pc->dst);
	pc->dst = NULL;
	if (IS_ERR(dst))
		return PTR_ERR(dst);
	pc->dst = dst;
	pc->gen = route_gen(send);
	pc->multipath = ipmesh_underlay_multipath(send->ipm, send->conf, &send->endpoint,
						  outer_proto(send), dst);
	if (send->conf->family == AF_INET)
		pc->saddr = send->saddr;
	else
		pc->cookie = route_cookie(dst);
	return 0;
}

/* Step 4: this CPU's cached route, looked up again after any change of the
 * underlay's routes or of the device's attributes.
 */
static int find_route(struct send *send, struct sk_buff *skb)
{
	struct ipmesh_peer_cpu *pc;
	int err;

	if (unlikely(!send->peer))
		return look_up_flow(send, skb);

	pc = this_cpu_ptr(send->peer->cpu);
	if (unlikely(!cache_valid(send, pc))) {
		err = fill_cache(send, pc, look_up(send, 0));
		if (err)
			return err;
	}
	if (unlikely(pc->multipath))
		return look_up_flow(send, skb);
	send->dst = pc->dst;
	send->saddr = pc->saddr;
	return 0;
}

static void tell_unreachable(const struct send *send, struct sk_buff *skb)
{
	if (send->proto == IPPROTO_IPIP)
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
	else
		icmpv6_ndo_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, 0);
}

static bool too_big(const struct sk_buff *skb, unsigned int mtu)
{
	if (skb_is_gso(skb))
		return !skb_gso_validate_network_len(skb, mtu);
	return skb->len > mtu;
}

/* Step 5, for a packet that may not be fragmented: the sender learns the MTU
 * by ICMP (RFC 1191, RFC 8201), and a local one by its route too.
 */
static void tell_mtu(const struct send *send, struct sk_buff *skb, unsigned int mtu)
{
	skb_dst_update_pmtu_no_confirm(skb, mtu);
	if (send->proto == IPPROTO_IPIP)
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
	else
		icmpv6_ndo_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
}

/* What the packet may be in the outer packet's path: false when it must not go
 * at all. What is larger than the path takes, and may be, is carried by
 * fragments of the outer packet (RFC 2003 3.1, RFC 2473 7.2): a packet without
 * DF, and an IPv6 one on a path too narrow for the least MTU that IPv6 has.
 */
static bool fits(struct send *send, struct sk_buff *skb, bool *fragment)
{
	unsigned int mtu = dst_mtu(send->dst) - send->overhead;

	*fragment = false;
	if (likely(!too_big(skb, mtu)))
		return true;
	if (send->proto == IPPROTO_IPV6 && mtu < IPV6_MIN_MTU) {
		mtu = IPV6_MIN_MTU;
		*fragment = true;
		if (!too_big(skb, mtu))
			return true;
	}
	if (send->df) {
		tell_mtu(send, skb, mtu);
		return false;
	}
	*fragment = true;
	return true;
}

/* Step 6. The ECN field is copied as RFC 6040 has it for its normal mode, the
 * DSCP as RFC 2983 has it for the uniform model.
 */
static u8 outer_tos(const struct send *send)
{
	u8 dscp = send->conf->dscp == IPMESH_DSCP_INHERIT ? send->tos & ~INET_ECN_MASK :
							    send->conf->dscp << 2;

	return dscp | (send->tos & INET_ECN_MASK);
}

static u8 outer_ttl(const struct send *send)
{
	return send->conf->ttl == IPMESH_TTL_INHERIT ? send->ttl : send->conf->ttl;
}

/* The source port tells inner flows apart, for the underlay's balancing and the
 * receiver's queues.
 */
static void push_udp(const struct send *send, struct sk_buff *skb)
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

static void push_header4(const struct send *send, struct sk_buff *skb, bool df)
{
	struct iphdr *iph;

	skb_push(skb, sizeof(*iph));
	skb_reset_network_header(skb);
	iph = ip_hdr(skb);
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = outer_tos(send);
	iph->frag_off = df ? htons(IP_DF) : 0;
	iph->ttl = outer_ttl(send);
	iph->protocol = outer_proto(send);
	iph->saddr = send->saddr;
	iph->daddr = ipmesh_addr_get4(&send->endpoint);
	/* an atomic datagram needs no identification, RFC 6864 4.1 */
	iph->id = 0;
	if (!df)
		__ip_select_ident(send->ipm->net, iph, skb_shinfo(skb)->gso_segs ?: 1);
}

/* The flow label gives an IPv6 underlay the inner flows to balance, RFC 6438. */
static void push_header6(const struct send *send, struct sk_buff *skb)
{
	struct flowi6 fl6 = {};
	struct ipv6hdr *ip6h;
	__be32 label;

	label = ip6_make_flowlabel(send->ipm->net, skb, 0, true, &fl6);
	skb_push(skb, sizeof(*ip6h));
	skb_reset_network_header(skb);
	ip6h = ipv6_hdr(skb);
	ip6_flow_hdr(ip6h, outer_tos(send), label);
	ip6h->hop_limit = outer_ttl(send);
	ip6h->nexthdr = outer_proto(send);
	ip6h->saddr = send->conf->local;
	ip6h->daddr = send->endpoint;
}

static bool make_room(const struct send *send, struct sk_buff *skb)
{
	struct net_device *dev = send->ipm->dev;
	unsigned int room;

	room = LL_RESERVED_SPACE(send->dst->dev) + send->dst->header_len +
	       send->overhead;
	/* so that senders leave it from the start */
	if (unlikely(room > READ_ONCE(dev->needed_headroom)))
		WRITE_ONCE(dev->needed_headroom, min_t(unsigned int, room, 512));
	return !skb_cow_head(skb, room);
}

static void count_sent(const struct send *send, unsigned int packets,
		       unsigned int bytes)
{
	struct ipmesh_peer_cpu *pc;

	dev_sw_netstats_tx_add(send->ipm->dev, packets, bytes);
	if (!send->peer)
		return;
	pc = this_cpu_ptr(send->peer->cpu);
	u64_stats_update_begin(&pc->syncp);
	u64_stats_add(&pc->tx_packets, packets);
	u64_stats_add(&pc->tx_bytes, bytes);
	u64_stats_update_end(&pc->syncp);
}

static int local_out4(struct send *send, struct sk_buff *skb, bool fragment)
{
	/* DF inside is honoured outside even without path MTU discovery */
	bool df = !fragment && (send->conf->pmtudisc ||
				(send->df && send->proto == IPPROTO_IPIP));

	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	if (unlikely(send->udp))
		push_udp(send, skb);
	push_header4(send, skb, df);
	skb->protocol = htons(ETH_P_IP);
	return ip_local_out(send->ipm->net, NULL, skb);
}

static int local_out6(struct send *send, struct sk_buff *skb, bool fragment)
{
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	skb_get_hash(skb);
	if (unlikely(send->udp))
		push_udp(send, skb);
	push_header6(send, skb);
	skb->protocol = htons(ETH_P_IPV6);
	/* else the output would refuse to */
	skb->ignore_df = fragment;
	return ip6_local_out(send->ipm->net, NULL, skb);
}

static int handle_offloads(const struct send *send, struct sk_buff *skb)
{
	__be16 inner = skb->protocol;
	int err;

	if (unlikely(send->udp)) {
		err = udp_tunnel_handle_offloads(skb, send->conf->csum);
		/* the payload is a bare IP packet: an Ethernet one without its header */
		skb_set_inner_protocol(skb, inner);
		return err;
	}
	err = iptunnel_handle_offloads(skb, send->conf->family == AF_INET ? SKB_GSO_IPXIP4 :
									    SKB_GSO_IPXIP6);
	skb_set_inner_ipproto(skb, send->proto);
	return err;
}

/* Steps 5 and 6, and the outer packet goes. Returns 0 or the cause of a drop. */
static unsigned int encapsulate(struct send *send, struct sk_buff *skb)
{
	bool underlay4 = send->conf->family == AF_INET;
	struct ipmesh_dev *ipm = send->ipm;
	unsigned int packets, bytes;
	bool fragment;
	int err;

	if (unlikely(!fits(send, skb, &fragment)))
		return IPMESH_A_DROPS_TOO_BIG;

	packets = ipmesh_stats_segments(skb, &bytes);
	if (handle_offloads(send, skb) || !make_room(send, skb))
		return IPMESH_A_DROPS_NO_MEMORY;

	skb_scrub_packet(skb, !net_eq(ipm->net, dev_net(ipm->dev)));
	skb_clear_hash_if_not_l4(skb);
	if (send->conf->fwmark)
		skb->mark = send->conf->fwmark;
	if (send->dst_held)
		skb_dst_set(skb, send->dst);
	else
		skb_dst_set_noref(skb, send->dst);
	send->dst_held = false;

	send->consumed = true;
	err = underlay4 ? local_out4(send, skb, fragment) :
			  local_out6(send, skb, fragment);
	if (unlikely(net_xmit_eval(err)))
		return IPMESH_A_DROPS_TX_REFUSED;
	count_sent(send, packets, bytes);
	return 0;
}

static unsigned int send_skb(struct send *send, struct sk_buff *skb)
{
	unsigned int cause;
	int err;

	if (unlikely(!inner_valid(send, skb)))
		return IPMESH_A_DROPS_TX_INVALID;

	if (unlikely(!find_endpoint(send, skb))) {
		tell_unreachable(send, skb);
		return IPMESH_A_DROPS_NO_PEER;
	}

	find_encap(send);
	err = find_route(send, skb);
	if (unlikely(err)) {
		tell_unreachable(send, skb);
		return err == -ELOOP ? IPMESH_A_DROPS_LOOP : IPMESH_A_DROPS_NO_ROUTE;
	}

	cause = encapsulate(send, skb);
	if (unlikely(send->dst_held))
		dst_release(send->dst);
	return cause;
}

/**
 * ipmesh_send_xmit - ndo_start_xmit
 * @skb: inner packet, at its network header
 * @dev: the device
 *
 * Encapsulates by RFC 2003, or RFC 2473 on an IPv6 underlay.
 *
 * Context: BH off, RCU; any number of CPUs at once.
 * Return: NETDEV_TX_OK; a packet that does not go is dropped, and counted.
 */
netdev_tx_t ipmesh_send_xmit(struct sk_buff *skb, struct net_device *dev)
{
	unsigned int len = skb->len;
	unsigned int cause;
	struct send send;

	/* member by member: the rest is written before it is read */
	send.ipm = netdev_priv(dev);
	send.conf = rcu_dereference_bh(send.ipm->conf);
	send.peer = NULL;
	send.endpoint = in6addr_any;
	send.dst_held = false;
	send.consumed = false;
	if (likely(__this_cpu_inc_return(send_depth) <= SEND_DEPTH_MAX))
		cause = send_skb(&send, skb);
	else
		cause = IPMESH_A_DROPS_LOOP;
	__this_cpu_dec(send_depth);

	if (unlikely(cause))
		ipmesh_stats_drop(send.ipm, send.peer, &send.endpoint, len, cause,
				  send.consumed ? NULL : skb);
	else
		trace_ipmesh_xmit(dev, &send.endpoint, len);
	return NETDEV_TX_OK;
}
