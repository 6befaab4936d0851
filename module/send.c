// SPDX-License-Identifier: GPL-2.0-only
/* A packet's way out: inner packet to peer to outer packet. */

#include <linux/icmp.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <net/dsfield.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/route.h>

#include <uapi/linux/ipmesh.h>

#include "conf.h"
#include "device.h"
#include "mtu.h"
#include "peer.h"
#include "prefix.h"
#include "send.h"
#include "stats.h"
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
 * @dst: route to the endpoint
 * @endpoint: outer destination, network byte order
 * @saddr: outer source, network byte order
 * @dst_held: @dst is referenced for this packet; else the peer's cache holds
 *	it, for at least as long as the RCU section lasts
 */
struct send {
	struct ipmesh_dev *ipm;
	const struct ipmesh_conf *conf;
	struct ipmesh_peer *peer;
	struct dst_entry *dst;
	__be32 endpoint;
	__be32 saddr;
	bool dst_held;
};

static bool inner_valid(struct sk_buff *skb)
{
	const struct iphdr *iph;
	unsigned int len;

	if (skb->protocol != htons(ETH_P_IP) || !pskb_inet_may_pull(skb))
		return false;
	iph = ip_hdr(skb);
	if (iph->version != 4 || iph->ihl < 5)
		return false;
	if (skb_is_gso(skb))
		return true;
	len = ntohs(iph->tot_len);
	return len >= iph->ihl * 4 && len <= skb->len;
}

/* Steps 2 and 3 of Documentation/data-path.md: the nexthop's gateway names the
 * endpoint, else the longest pod CIDR does. An open device sends to any
 * gateway, and without one to the inner destination, as tunl0 does.
 */
static bool find_endpoint(struct send *send, const struct sk_buff *skb)
{
	const struct rtable *rt = skb_rtable(skb);
	__be32 daddr = ip_hdr(skb)->daddr;

	if (rt && rt->rt_gw_family == AF_INET) {
		send->endpoint = rt->rt_gw4;
		send->peer = ipmesh_peer_find4(send->ipm, send->endpoint);
		return send->peer || send->conf->open;
	}

	send->peer = ipmesh_prefix_find4(&send->ipm->prefixes, daddr);
	if (send->peer) {
		send->endpoint = ipmesh_peer_endpoint4(send->peer);
		return true;
	}
	if (!send->conf->open || ipv4_is_multicast(daddr) || ipv4_is_lbcast(daddr))
		return false;
	send->endpoint = daddr;
	send->peer = ipmesh_peer_find4(send->ipm, daddr);
	return true;
}

static struct rtable *look_up(struct send *send)
{
	struct rtable *rt;

	rt = ipmesh_underlay_route(send->ipm, send->conf, send->endpoint, &send->saddr);
	if (!IS_ERR(rt) && ipmesh_mtu_differs(send->ipm, rt))
		ipmesh_mtu_hint(send->ipm, HZ / 10);
	return rt;
}

/* Step 4: this CPU's cached route, looked up again after any change of the
 * underlay's routes or of the device's attributes.
 */
static int find_route(struct send *send)
{
	struct ipmesh_peer_cpu *pc;
	struct rtable *rt;

	if (unlikely(!send->peer)) {
		rt = look_up(send);
		if (IS_ERR(rt))
			return PTR_ERR(rt);
		send->dst = &rt->dst;
		send->dst_held = true;
		return 0;
	}

	pc = this_cpu_ptr(send->peer->cpu);
	send->dst_held = false;
	if (likely(pc->dst && pc->gen == send->conf->gen && dst_check(pc->dst, 0))) {
		send->dst = pc->dst;
		send->saddr = pc->saddr;
		return 0;
	}

	rt = look_up(send);
	/* freed after a grace period: outer levels on this CPU may use it */
	dst_release(pc->dst);
	pc->dst = NULL;
	if (IS_ERR(rt))
		return PTR_ERR(rt);
	pc->dst = &rt->dst;
	pc->saddr = send->saddr;
	pc->gen = send->conf->gen;
	send->dst = pc->dst;
	return 0;
}

static bool too_big(const struct sk_buff *skb, unsigned int mtu)
{
	if (skb_is_gso(skb))
		return !skb_gso_validate_network_len(skb, mtu);
	return skb->len > mtu;
}

/* Step 5, for a packet that may not be fragmented: the sender learns the MTU
 * by ICMP (RFC 1191), and a local one by its route too.
 */
static void tell_mtu(struct sk_buff *skb, unsigned int mtu)
{
	skb_dst_update_pmtu_no_confirm(skb, mtu);
	icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
}

/* Step 6. The ECN field is copied as RFC 6040 has it for its normal mode, the
 * DSCP as RFC 2983 has it for the uniform model.
 */
static u8 outer_tos(const struct ipmesh_conf *conf, u8 inner)
{
	u8 dscp = conf->dscp == IPMESH_DSCP_INHERIT ? inner & ~INET_ECN_MASK :
						      conf->dscp << 2;

	return dscp | (inner & INET_ECN_MASK);
}

static void push_header(const struct send *send, struct sk_buff *skb, __be16 df)
{
	const struct iphdr *inner = ip_hdr(skb);
	const struct ipmesh_conf *conf = send->conf;
	u8 tos = outer_tos(conf, ipv4_get_dsfield(inner));
	u8 ttl = conf->ttl == IPMESH_TTL_INHERIT ? inner->ttl : conf->ttl;
	struct iphdr *iph;

	skb_push(skb, sizeof(*iph));
	skb_reset_network_header(skb);
	iph = ip_hdr(skb);
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = tos;
	iph->frag_off = df;
	iph->ttl = ttl;
	iph->protocol = IPPROTO_IPIP;
	iph->saddr = send->saddr;
	iph->daddr = send->endpoint;
	/* an atomic datagram needs no identification, RFC 6864 4.1 */
	iph->id = 0;
	if (!df)
		__ip_select_ident(send->ipm->net, iph, skb_shinfo(skb)->gso_segs ?: 1);
}

static bool make_room(struct ipmesh_dev *ipm, struct sk_buff *skb,
		      const struct dst_entry *dst)
{
	unsigned int room;

	room = LL_RESERVED_SPACE(dst->dev) + dst->header_len + sizeof(struct iphdr);
	/* so that senders leave it from the start */
	if (unlikely(room > READ_ONCE(ipm->dev->needed_headroom)))
		WRITE_ONCE(ipm->dev->needed_headroom, min_t(unsigned int, room, 512));
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

/* Steps 5 and 6, and the outer packet goes. Returns 0 or the cause of a drop;
 * @skb is gone either way when the result says so.
 */
static unsigned int encapsulate(struct send *send, struct sk_buff *skb,
				bool *consumed)
{
	__be16 df = ip_hdr(skb)->frag_off & htons(IP_DF);
	unsigned int mtu = dst_mtu(send->dst) - IPMESH_MTU_OVERHEAD;
	struct ipmesh_dev *ipm = send->ipm;
	unsigned int packets, bytes;
	int err;

	if (unlikely(too_big(skb, mtu))) {
		if (df) {
			tell_mtu(skb, mtu);
			return IPMESH_A_DROPS_TOO_BIG;
		}
		/* fragments of the outer packet carry it, RFC 2003 3.1 */
	} else if (send->conf->pmtudisc) {
		df = htons(IP_DF);
	}

	packets = ipmesh_stats_segments(skb, &bytes);
	if (iptunnel_handle_offloads(skb, SKB_GSO_IPXIP4) ||
	    !make_room(ipm, skb, send->dst))
		return IPMESH_A_DROPS_NO_MEMORY;
	skb_set_inner_ipproto(skb, IPPROTO_IPIP);

	skb_scrub_packet(skb, !net_eq(ipm->net, dev_net(ipm->dev)));
	skb_clear_hash_if_not_l4(skb);
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	if (send->conf->fwmark)
		skb->mark = send->conf->fwmark;
	push_header(send, skb, df);
	skb->protocol = htons(ETH_P_IP);
	if (send->dst_held)
		skb_dst_set(skb, send->dst);
	else
		skb_dst_set_noref(skb, send->dst);
	send->dst_held = false;

	*consumed = true;
	err = ip_local_out(ipm->net, NULL, skb);
	if (unlikely(net_xmit_eval(err)))
		return IPMESH_A_DROPS_TX_REFUSED;
	count_sent(send, packets, bytes);
	return 0;
}

static unsigned int send_skb(struct send *send, struct sk_buff *skb, bool *consumed)
{
	unsigned int cause;
	int err;

	if (unlikely(!inner_valid(skb)))
		return IPMESH_A_DROPS_TX_INVALID;

	if (unlikely(!find_endpoint(send, skb))) {
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
		return IPMESH_A_DROPS_NO_PEER;
	}

	err = find_route(send);
	if (unlikely(err)) {
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
		return err == -ELOOP ? IPMESH_A_DROPS_LOOP : IPMESH_A_DROPS_NO_ROUTE;
	}

	cause = encapsulate(send, skb, consumed);
	if (unlikely(send->dst_held))
		dst_release(send->dst);
	return cause;
}

/**
 * ipmesh_send_xmit - ndo_start_xmit
 * @skb: inner packet, at its network header
 * @dev: the device
 *
 * Encapsulates by RFC 2003.
 *
 * Context: BH off, RCU; any number of CPUs at once.
 * Return: NETDEV_TX_OK; a packet that does not go is dropped, and counted.
 */
netdev_tx_t ipmesh_send_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct send send = { .ipm = netdev_priv(dev) };
	bool consumed = false;
	unsigned int cause;

	send.conf = rcu_dereference_bh(send.ipm->conf);
	if (likely(__this_cpu_inc_return(send_depth) <= SEND_DEPTH_MAX))
		cause = send_skb(&send, skb, &consumed);
	else
		cause = IPMESH_A_DROPS_LOOP;
	__this_cpu_dec(send_depth);

	if (unlikely(cause)) {
		ipmesh_stats_drop(send.ipm, send.peer, cause);
		if (!consumed)
			kfree_skb(skb);
	}
	return NETDEV_TX_OK;
}
