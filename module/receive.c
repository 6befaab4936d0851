// SPDX-License-Identifier: GPL-2.0-only
/* A packet's way in: outer packet to device and peer to inner packet. */

#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/prefetch.h>
#include <linux/skbuff.h>
#include <net/dsfield.h>
#include <net/inet_ecn.h>
#include <net/ip6_route.h>
#include <net/ip_tunnels.h>
#include <net/route.h>
#include <net/xfrm.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "cell.h"
#include "conf.h"
#include "device.h"
#include "error.h"
#include "nest.h"
#include "part.h"
#include "peer.h"
#include "prefix.h"
#include "receive.h"
#include "stats.h"
#include "trace.h"
#include "underlay.h"

/* vti registers as 0; ipip, sit and ip6_tunnel as 1; the lowest goes first */
#define RECEIVE_PRIORITY	(-1)

/**
 * struct outer - what is kept of the outer header
 * @endpoint: its source
 * @tos: its DSCP and ECN
 */
struct outer {
	struct in6_addr endpoint;
	u8 tos;
};

/* This CPU's part of the peer that sent, or NULL for a stranger. */
static struct ipmesh_part_rx *find_peer(struct ipmesh_dev *ipm, const struct outer *outer)
{
	const struct ipmesh_peer *peer = ipmesh_peer_find(ipm, &outer->endpoint);

	return peer ? ipmesh_part_rx(&ipm->parts, peer->to.part) : NULL;
}

/* Of what is wrong with a stranger's packet, that it is one comes first. */
static noinline unsigned int refuse(const struct ipmesh_conf *conf, const struct outer *outer,
				    unsigned int cause)
{
	return conf->open || find_peer(conf->ipm, outer) ? cause : IPMESH_A_DROPS_UNKNOWN_PEER;
}

/* The inner source is in no pod CIDR of the peer: a strict device takes the peer's
 * own address, its endpoint.
 */
static noinline unsigned int check_other6(const struct ipmesh_conf *conf,
					  const struct outer *outer,
					  const struct in6_addr *saddr,
					  struct ipmesh_part_rx **rx)
{
	if (conf->open && !READ_ONCE(conf->ipm->peer_count))
		return 0;
	*rx = find_peer(conf->ipm, outer);
	if (conf->open)
		return 0;
	if (!*rx)
		return IPMESH_A_DROPS_UNKNOWN_PEER;
	return ipv6_addr_equal(saddr, &outer->endpoint) ? 0 : IPMESH_A_DROPS_SRC_NOT_ALLOWED;
}

static noinline unsigned int check_other4(const struct ipmesh_conf *conf,
					  const struct outer *outer, __be32 saddr4,
					  struct ipmesh_part_rx **rx)
{
	struct in6_addr saddr;

	ipv6_addr_set_v4mapped(saddr4, &saddr);
	return check_other6(conf, outer, &saddr, rx);
}

/* Whether the peer that the inner source's pod CIDR leads to is the one that sent.
 * Nothing of the peer is touched but what this CPU counts in anyway.
 */
static __always_inline bool is_from(const struct ipmesh_conf *conf, const struct outer *outer,
				    const struct ipmesh_prefix_to *to,
				    struct ipmesh_part_rx **rx)
{
	struct ipmesh_part_rx *part = ipmesh_part_rx(&conf->ipm->parts, to->part);

	if (conf->family == AF_INET ?
	    to->endpoint4 != ipmesh_addr_get4(&outer->endpoint) :
	    !ipv6_addr_equal(&part->peer->endpoint, &outer->endpoint))
		return false;
	/* where the packet is counted, some 200 instructions from here */
	prefetchw(part);
	*rx = part;
	return true;
}

/* Step 3: makes the inner header linear and checks it, and its source: the longest
 * pod CIDR that holds it is the peer's own. Returns 0 or the cause of a drop.
 */
static __always_inline unsigned int check4(const struct ipmesh_conf *conf,
					   const struct outer *outer, struct sk_buff *skb,
					   struct ipmesh_part_rx **rx)
{
	const struct iphdr *iph;
	struct ipmesh_prefix_to to;
	unsigned int len;

	if (unlikely(!pskb_may_pull(skb, sizeof(*iph))))
		return refuse(conf, outer, IPMESH_A_DROPS_RX_INVALID);
	iph = (const struct iphdr *)skb->data;
	len = ntohs(iph->tot_len);
	if (unlikely(iph->version != 4 || iph->ihl < 5 || len < iph->ihl * 4 ||
		     len > skb->len))
		return refuse(conf, outer, IPMESH_A_DROPS_RX_INVALID);
	if (unlikely(ipmesh_addr_martian4(iph->saddr)))
		return refuse(conf, outer, IPMESH_A_DROPS_MARTIAN);
	if (likely(ipmesh_prefix_find4(&conf->ipm->prefixes, iph->saddr, &to) &&
		   is_from(conf, outer, &to, rx)))
		return 0;
	return check_other4(conf, outer, iph->saddr, rx);
}

static __always_inline unsigned int check6(const struct ipmesh_conf *conf,
					   const struct outer *outer, struct sk_buff *skb,
					   struct ipmesh_part_rx **rx)
{
	const struct ipv6hdr *ip6h;
	struct ipmesh_prefix_to to;

	if (unlikely(!pskb_may_pull(skb, sizeof(*ip6h))))
		return refuse(conf, outer, IPMESH_A_DROPS_RX_INVALID);
	ip6h = (const struct ipv6hdr *)skb->data;
	if (unlikely(ip6h->version != 6 ||
		     sizeof(*ip6h) + ntohs(ip6h->payload_len) > skb->len ||
		     /* would be taken for an IPv4 address from here on */
		     ipmesh_addr_is4(&ip6h->saddr)))
		return refuse(conf, outer, IPMESH_A_DROPS_RX_INVALID);
	if (unlikely(ipmesh_addr_martian6(&ip6h->saddr)))
		return refuse(conf, outer, IPMESH_A_DROPS_MARTIAN);
	if (likely(ipmesh_prefix_find6(&conf->ipm->prefixes, &ip6h->saddr, &to) &&
		   is_from(conf, outer, &to, rx)))
		return 0;
	return check_other6(conf, outer, &ip6h->saddr, rx);
}

static void count_received(const struct ipmesh_dev *ipm, struct ipmesh_part_rx *rx,
			   unsigned int packets, unsigned int bytes)
{
	struct pcpu_sw_netstats *tstats = this_cpu_ptr(ipm->dev->tstats);

	u64_stats_update_begin(&tstats->syncp);
	u64_stats_add(&tstats->rx_packets, packets);
	u64_stats_add(&tstats->rx_bytes, bytes);
	u64_stats_update_end(&tstats->syncp);
	if (!rx)
		return;
	u64_stats_update_begin(&rx->syncp);
	u64_stats_add(&rx->packets, packets);
	u64_stats_add(&rx->bytes, bytes);
	u64_stats_update_end(&rx->syncp);
	WRITE_ONCE(rx->last, ipmesh_stats_now());
}

/* Congestion that the outer header met is carried inside, and so is ECT(1), RFC
 * 6040 4.2. The header that is written may be shared with a tap on the underlay.
 */
static noinline bool decapsulate_ecn(struct sk_buff *skb, u8 tos)
{
	bool inner4 = skb->protocol == htons(ETH_P_IP);
	unsigned int len = inner4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	u8 inner;

	inner = inner4 ? ipv4_get_dsfield(ip_hdr(skb)) : ipv6_get_dsfield(ipv6_hdr(skb));
	/* ECT(1) and CE have this bit, and nothing else is carried */
	if ((tos & INET_ECN_ECT_1) && ((tos ^ inner) & INET_ECN_MASK) &&
	    skb_ensure_writable(skb, len))
		return false;
	return INET_ECN_decapsulate(skb, tos, inner) <= 1;
}

/* What iptunnel_pull_header() does, but for the outer headers, which are pulled. */
static __always_inline int become_inner(struct sk_buff *skb, __be16 inner_proto, bool xnet)
{
	skb->protocol = inner_proto;
	skb_clear_hash_if_not_l4(skb);
	__vlan_hwaccel_clear_tag(skb);
	skb_set_queue_mapping(skb, 0);
	skb_scrub_packet(skb, xnet);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	return iptunnel_pull_offloads(skb);
}

/* Steps 3 and 4, for a packet that is for a device. Returns 0 or the cause of
 * a drop.
 */
static __always_inline unsigned int decapsulate(const struct ipmesh_conf *conf,
						const struct outer *outer, struct sk_buff *skb,
						__be16 inner_proto,
						struct ipmesh_part_rx **rx)
{
	struct ipmesh_dev *ipm = conf->ipm;
	unsigned int packets, bytes, cause;

	if (inner_proto == htons(ETH_P_IP))
		cause = check4(conf, outer, skb, rx);
	else if (likely(inner_proto))
		cause = check6(conf, outer, skb, rx);
	else
		cause = refuse(conf, outer, IPMESH_A_DROPS_RX_INVALID);
	if (unlikely(cause))
		return cause;
	if (unlikely(ipmesh_nest_may(skb, inner_proto)) &&
	    ipmesh_nest_deep(ipm, skb, inner_proto))
		return IPMESH_A_DROPS_NESTED;

	if (become_inner(skb, inner_proto, !net_eq(ipm->net, dev_net(ipm->dev))))
		return IPMESH_A_DROPS_NO_MEMORY;
	/* Not-ECT outside changes nothing, and forbids nothing */
	if ((outer->tos & INET_ECN_MASK) && unlikely(!decapsulate_ecn(skb, outer->tos)))
		return IPMESH_A_DROPS_ECN;
	skb->dev = ipm->dev;

	packets = ipmesh_stats_segments(skb, &bytes);
	if (unlikely(!ipmesh_cell_receive(ipm, skb)))
		return IPMESH_A_DROPS_RX_QUEUE;
	count_received(ipm, *rx, packets, bytes);
	return 0;
}

/* What is dropped is ours all the same: nobody else is to see it. */
static noinline int drop(const struct ipmesh_conf *conf, const struct outer *outer,
			 struct ipmesh_part_rx *rx, struct sk_buff *skb, unsigned int len,
			 unsigned int cause)
{
	rx = rx ?: find_peer(conf->ipm, outer);
	ipmesh_stats_drop(conf->ipm, rx ? rx->peer : NULL, &outer->endpoint, len, cause, skb);
	return 0;
}

static __always_inline int take(const struct ipmesh_conf *conf, const struct outer *outer,
				struct sk_buff *skb, __be16 inner_proto)
{
	struct ipmesh_part_rx *rx = NULL;
	unsigned int len = skb->len;
	unsigned int cause;

	cause = decapsulate(conf, outer, skb, inner_proto, &rx);
	if (unlikely(cause))
		return drop(conf, outer, rx, skb, len, cause);
	trace_ipmesh_rcv(conf->ipm->dev, &outer->endpoint, len);
	return 0;
}

/* A packet for none of our devices is passed on, untouched, to the next
 * tunnel protocol; one that is for a device is taken, and counted if dropped.
 */
static __always_inline int receive4(struct sk_buff *skb, __be16 inner_proto)
{
	const struct rtable *rt = skb_rtable(skb);
	const struct iphdr *iph = ip_hdr(skb);
	const struct ipmesh_conf *conf;
	struct outer outer;

	conf = ipmesh_underlay_find4(dev_net(skb->dev), iph->daddr, inet_iif(skb),
				     inet_sdif(skb));
	if (!conf)
		return -ENOENT;
	ipv6_addr_set_v4mapped(iph->saddr, &outer.endpoint);
	outer.tos = ipv4_get_dsfield(iph);

	if (unlikely(!rt || rt->rt_type != RTN_LOCAL))
		return drop(conf, &outer, NULL, skb, skb->len, IPMESH_A_DROPS_OUTER_DST);
	if (unlikely(!xfrm4_policy_check(NULL, XFRM_POLICY_IN, skb)))
		return drop(conf, &outer, NULL, skb, skb->len, IPMESH_A_DROPS_POLICY);
	return take(conf, &outer, skb, inner_proto);
}

static __always_inline int receive6(struct sk_buff *skb, __be16 inner_proto)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	const struct ipmesh_conf *conf;
	struct outer outer;

	/* the local address is unicast and so is the destination, then */
	conf = ipmesh_underlay_find6(dev_net(skb->dev), &ip6h->daddr, inet6_iif(skb),
				     inet6_sdif(skb));
	if (!conf)
		return -ENOENT;
	outer.endpoint = ip6h->saddr;
	outer.tos = ipv6_get_dsfield(ip6h);

	if (unlikely(!xfrm6_policy_check(NULL, XFRM_POLICY_IN, skb)))
		return drop(conf, &outer, NULL, skb, skb->len, IPMESH_A_DROPS_POLICY);
	return take(conf, &outer, skb, inner_proto);
}

/* One function for each pair: what the inner packet is, is known when they are built. */
static int receive_4in4(struct sk_buff *skb)
{
	return receive4(skb, htons(ETH_P_IP));
}

static int receive_6in4(struct sk_buff *skb)
{
	return receive4(skb, htons(ETH_P_IPV6));
}

static int receive_4in6(struct sk_buff *skb)
{
	return receive6(skb, htons(ETH_P_IP));
}

static int receive_6in6(struct sk_buff *skb)
{
	return receive6(skb, htons(ETH_P_IPV6));
}

/**
 * ipmesh_receive_udp - receive from a UDP port
 * @skb: at the inner header, its network header the outer one
 * @inner_proto: ETH_P_IP, ETH_P_IPV6 or 0 for neither; network byte order
 * @family: of the outer header
 *
 * Context: BH off, RCU. Takes @skb. A packet for no device has nobody else to
 * go to, as the port is ours.
 */
void ipmesh_receive_udp(struct sk_buff *skb, __be16 inner_proto, u8 family)
{
	int err;

	if (inner_proto == htons(ETH_P_IP))
		err = family == AF_INET ? receive_4in4(skb) : receive_4in6(skb);
	else if (inner_proto)
		err = family == AF_INET ? receive_6in4(skb) : receive_6in6(skb);
	else
		err = family == AF_INET ? receive4(skb, 0) : receive6(skb, 0);
	if (err)
		kfree_skb(skb);
}

static struct xfrm_tunnel handler_4in4 __read_mostly = {
	.handler	= receive_4in4,
	.err_handler	= ipmesh_error_rcv4,
	.priority	= RECEIVE_PRIORITY,
};

static struct xfrm_tunnel handler_6in4 __read_mostly = {
	.handler	= receive_6in4,
	.err_handler	= ipmesh_error_rcv4,
	.priority	= RECEIVE_PRIORITY,
};

static struct xfrm6_tunnel handler_4in6 __read_mostly = {
	.handler	= receive_4in6,
	.err_handler	= ipmesh_error_rcv6,
	.priority	= RECEIVE_PRIORITY,
};

static struct xfrm6_tunnel handler_6in6 __read_mostly = {
	.handler	= receive_6in6,
	.err_handler	= ipmesh_error_rcv6,
	.priority	= RECEIVE_PRIORITY,
};

/**
 * ipmesh_receive_register - take tunnel packets ahead of the kernel's own
 *
 * Return: 0 or a negative error.
 */
int ipmesh_receive_register(void)
{
	int err;

	err = xfrm4_tunnel_register(&handler_4in4, AF_INET);
	if (err)
		return err;
	err = xfrm4_tunnel_register(&handler_6in4, AF_INET6);
	if (err)
		goto deregister_4in4;
	err = xfrm6_tunnel_register(&handler_4in6, AF_INET);
	if (err)
		goto deregister_6in4;
	err = xfrm6_tunnel_register(&handler_6in6, AF_INET6);
	if (err)
		goto deregister_4in6;
	return 0;

deregister_4in6:
	xfrm6_tunnel_deregister(&handler_4in6, AF_INET);
deregister_6in4:
	xfrm4_tunnel_deregister(&handler_6in4, AF_INET6);
deregister_4in4:
	xfrm4_tunnel_deregister(&handler_4in4, AF_INET);
	return err;
}

/**
 * ipmesh_receive_unregister - the reverse; no packet is under way afterwards
 */
void ipmesh_receive_unregister(void)
{
	xfrm6_tunnel_deregister(&handler_6in6, AF_INET6);
	xfrm6_tunnel_deregister(&handler_4in6, AF_INET);
	xfrm4_tunnel_deregister(&handler_6in4, AF_INET6);
	xfrm4_tunnel_deregister(&handler_4in4, AF_INET);
}
