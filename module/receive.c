// SPDX-License-Identifier: GPL-2.0-only
/* A packet's way in: outer packet to device and peer to inner packet. */

#include <linux/icmp.h>
#include <linux/ip.h>
#include <linux/skbuff.h>
#include <net/dsfield.h>
#include <net/gro_cells.h>
#include <net/inet_ecn.h>
#include <net/ip_tunnels.h>
#include <net/route.h>
#include <net/xfrm.h>

#include <uapi/linux/ipmesh.h>

#include "conf.h"
#include "device.h"
#include "peer.h"
#include "prefix.h"
#include "receive.h"
#include "stats.h"
#include "underlay.h"

/* ip_vti registers as 0 and ipip as 1; the lowest number goes first */
#define RECEIVE_PRIORITY	(-1)

/* No host may have such an address: RFC 1122 3.2.1.3, RFC 5735. */
static bool martian_source(__be32 saddr)
{
	return ipv4_is_multicast(saddr) || ipv4_is_loopback(saddr) ||
	       ipv4_is_lbcast(saddr) || ipv4_is_zeronet(saddr);
}

/* The caller's tunnel4 layer has made the first 20 bytes linear. */
static bool inner_valid(const struct sk_buff *skb)
{
	const struct iphdr *iph = (const struct iphdr *)skb->data;
	unsigned int len = ntohs(iph->tot_len);

	return iph->version == 4 && iph->ihl >= 5 &&
	       len >= iph->ihl * 4 && len <= skb->len;
}

/* Strict: the longest pod CIDR that holds the inner source is the peer's own,
 * or the source is the peer's endpoint.
 */
static bool source_allowed(struct ipmesh_dev *ipm, const struct ipmesh_peer *peer,
			   __be32 saddr)
{
	return ipmesh_prefix_find4(&ipm->prefixes, saddr) == peer ||
	       saddr == ipmesh_peer_endpoint4(peer);
}

static void count_received(struct ipmesh_dev *ipm, struct ipmesh_peer *peer,
			   unsigned int packets, unsigned int bytes)
{
	struct pcpu_sw_netstats *tstats = this_cpu_ptr(ipm->dev->tstats);
	struct ipmesh_peer_cpu *pc;

	u64_stats_update_begin(&tstats->syncp);
	u64_stats_add(&tstats->rx_packets, packets);
	u64_stats_add(&tstats->rx_bytes, bytes);
	u64_stats_update_end(&tstats->syncp);
	if (!peer)
		return;
	pc = this_cpu_ptr(peer->cpu);
	u64_stats_update_begin(&pc->syncp);
	u64_stats_add(&pc->rx_packets, packets);
	u64_stats_add(&pc->rx_bytes, bytes);
	u64_stats_update_end(&pc->syncp);
	WRITE_ONCE(pc->last_rx, ipmesh_stats_now());
}

/* Congestion that the outer header met is carried inside, RFC 6040 4.2. A
 * copy of the packet may be shared with a tap on the underlay.
 */
static bool decapsulate_ecn(struct sk_buff *skb, u8 tos)
{
	if (INET_ECN_is_ce(tos) && skb_ensure_writable(skb, sizeof(struct iphdr)))
		return false;
	return INET_ECN_decapsulate(skb, tos, ipv4_get_dsfield(ip_hdr(skb))) <= 1;
}

static unsigned int receive_skb(struct ipmesh_dev *ipm, struct ipmesh_peer *peer,
				const struct ipmesh_conf *conf,
				struct sk_buff *skb, bool *consumed)
{
	const struct rtable *rt = skb_rtable(skb);
	u8 tos = ipv4_get_dsfield(ip_hdr(skb));
	unsigned int packets, bytes;
	__be32 saddr;

	if (unlikely(!rt || rt->rt_type != RTN_LOCAL))
		return IPMESH_A_DROPS_OUTER_DST;
	if (unlikely(!peer && !conf->open))
		return IPMESH_A_DROPS_UNKNOWN_PEER;
	if (unlikely(!xfrm4_policy_check(NULL, XFRM_POLICY_IN, skb)))
		return IPMESH_A_DROPS_POLICY;
	if (unlikely(!inner_valid(skb)))
		return IPMESH_A_DROPS_RX_INVALID;

	saddr = ((const struct iphdr *)skb->data)->saddr;
	if (unlikely(martian_source(saddr)))
		return IPMESH_A_DROPS_MARTIAN;
	if (!conf->open && unlikely(!source_allowed(ipm, peer, saddr)))
		return IPMESH_A_DROPS_SRC_NOT_ALLOWED;

	if (iptunnel_pull_header(skb, 0, htons(ETH_P_IP),
				 !net_eq(ipm->net, dev_net(ipm->dev))))
		return IPMESH_A_DROPS_NO_MEMORY;
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	if (unlikely(!decapsulate_ecn(skb, tos)))
		return IPMESH_A_DROPS_ECN;
	skb->dev = ipm->dev;

	packets = ipmesh_stats_segments(skb, &bytes);
	*consumed = true;
	if (gro_cells_receive(&ipm->gro_cells, skb) == NET_RX_DROP)
		return IPMESH_A_DROPS_RX_QUEUE;
	count_received(ipm, peer, packets, bytes);
	return 0;
}

/* A packet for none of our devices is passed on, untouched, to the next
 * tunnel protocol; one that is for a device is taken, and counted if dropped.
 */
static int receive_ipip(struct sk_buff *skb)
{
	const struct iphdr *outer = ip_hdr(skb);
	const struct ipmesh_conf *conf;
	struct ipmesh_peer *peer;
	bool consumed = false;
	unsigned int cause;

	conf = ipmesh_underlay_find(dev_net(skb->dev), outer->daddr,
				    inet_iif(skb), inet_sdif(skb));
	if (!conf)
		return -ENOENT;

	peer = ipmesh_peer_find4(conf->ipm, outer->saddr);
	cause = receive_skb(conf->ipm, peer, conf, skb, &consumed);
	if (unlikely(cause)) {
		ipmesh_stats_drop(conf->ipm, peer, cause);
		if (!consumed)
			kfree_skb(skb);
	}
	return 0;
}

/* Step 5 of the way in: what the underlay says of a packet that we sent. The
 * header it quotes has our local address as its source. An update of a path
 * MTU or a redirect goes to the routing table, where cached routes notice it.
 */
static int receive_error(struct sk_buff *skb, u32 info)
{
	const struct iphdr *outer = (const struct iphdr *)skb->data;
	struct net *net = dev_net(skb->dev);
	const struct ipmesh_conf *conf;
	struct ipmesh_peer *peer;

	conf = ipmesh_underlay_find(net, outer->saddr, inet_iif(skb), inet_sdif(skb));
	if (!conf)
		return -ENOENT;
	peer = ipmesh_peer_find4(conf->ipm, outer->daddr);
	if (!peer && !conf->open)
		return -ENOENT;

	switch (icmp_hdr(skb)->type) {
	case ICMP_DEST_UNREACH:
		if (icmp_hdr(skb)->code == ICMP_FRAG_NEEDED)
			ipv4_update_pmtu(skb, net, info, conf->link, IPPROTO_IPIP);
		break;
	case ICMP_REDIRECT:
		ipv4_redirect(skb, net, conf->link, IPPROTO_IPIP);
		break;
	}
	if (peer)
		atomic_long_inc(&peer->icmp_errors);
	return 0;
}

static struct xfrm_tunnel receive_handler __read_mostly = {
	.handler	= receive_ipip,
	.err_handler	= receive_error,
	.priority	= RECEIVE_PRIORITY,
};

/**
 * ipmesh_receive_register - take IPIP packets ahead of the kernel's ipip
 *
 * Return: 0 or a negative error.
 */
int ipmesh_receive_register(void)
{
	return xfrm4_tunnel_register(&receive_handler, AF_INET);
}

/**
 * ipmesh_receive_unregister - the reverse; no packet is under way afterwards
 */
void ipmesh_receive_unregister(void)
{
	xfrm4_tunnel_deregister(&receive_handler, AF_INET);
}
