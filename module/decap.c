// SPDX-License-Identifier: GPL-2.0-only
/* An outer packet for a device becomes an inner one from a peer. */

#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/prefetch.h>
#include <linux/skbuff.h>
#include <net/dsfield.h>
#include <net/inet_ecn.h>
#include <net/ip_tunnels.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "arrival.h"
#include "conf.h"
#include "decap.h"
#include "device.h"
#include "nest.h"
#include "part.h"
#include "peer.h"
#include "prefix.h"
#include "source.h"
#include "stats.h"
#include "trace.h"

/* This CPU's part of the peer that sent, or NULL for a stranger. */
static struct ipmesh_part_rx *find_peer(const struct ipmesh_conf *conf,
					const struct ipmesh_decap_cb *cb)
{
	struct ipmesh_prefix_to to;

	return ipmesh_peer_from(conf->ipm, &cb->endpoint, &to) ?
	       ipmesh_part_rx(&conf->ipm->parts, to.part) : NULL;
}

/* Of what is wrong with a stranger's packet, that it is one comes first. */
static noinline unsigned int refuse(const struct ipmesh_conf *conf,
				    const struct ipmesh_decap_cb *cb, unsigned int cause)
{
	return conf->open || find_peer(conf, cb) ? cause : IPMESH_A_DROPS_UNKNOWN_PEER;
}

/* Whether a peer may send from an inner source, by the rules that are rare: its own
 * address, its sources; and its pod CIDRs where the packet is its by an outer prefix,
 * as these have been compared with the outer source alone.
 */
static bool may_send(const struct ipmesh_conf *conf, const struct ipmesh_peer *peer,
		     const struct ipmesh_decap_cb *cb, const struct in6_addr *saddr)
{
	struct ipmesh_prefix_to to;

	if (ipv6_addr_equal(saddr, &peer->endpoint) || ipmesh_source_has(peer, saddr))
		return true;
	return !ipv6_addr_equal(&cb->endpoint, &peer->endpoint) &&
	       ipmesh_prefix_find(&conf->ipm->prefixes, saddr, &to) &&
	       to.part == peer->to.part;
}

/* The inner source is in no pod CIDR of a peer with this endpoint. */
static noinline unsigned int check_other6(const struct ipmesh_conf *conf,
					  struct ipmesh_decap_cb *cb,
					  const struct in6_addr *saddr)
{
	if (conf->open && !READ_ONCE(conf->ipm->peer_count))
		return 0;
	cb->rx = find_peer(conf, cb);
	if (conf->open)
		return 0;
	if (!cb->rx)
		return IPMESH_A_DROPS_UNKNOWN_PEER;
	return may_send(conf, cb->rx->peer, cb, saddr) ? 0 : IPMESH_A_DROPS_SRC_NOT_ALLOWED;
}

static noinline unsigned int check_other4(const struct ipmesh_conf *conf,
					  struct ipmesh_decap_cb *cb, __be32 saddr4)
{
	struct in6_addr saddr;

	ipv6_addr_set_v4mapped(saddr4, &saddr);
	return check_other6(conf, cb, &saddr);
}

/* Whether the peer that the inner source's pod CIDR leads to is the one that sent.
 * Nothing of the peer is touched but what this CPU counts in anyway.
 */
static __always_inline bool is_from(const struct ipmesh_conf *conf,
				    struct ipmesh_decap_cb *cb,
				    const struct ipmesh_prefix_to *to)
{
	struct ipmesh_part_rx *part = ipmesh_part_rx(&conf->ipm->parts, to->part);

	if (conf->family == AF_INET ?
	    to->endpoint4 != ipmesh_addr_get4(&cb->endpoint) :
	    !ipv6_addr_equal(&part->peer->endpoint, &cb->endpoint))
		return false;
	/* where the packet is counted, when those that came with it are checked too */
	prefetchw(part);
	cb->rx = part;
	return true;
}

/* Step 3: makes the inner header linear and checks it, and its source: the longest
 * pod CIDR that holds it is the peer's own. Returns 0 or the cause of a drop.
 */
static __always_inline unsigned int check4(const struct ipmesh_conf *conf,
					   struct ipmesh_decap_cb *cb, struct sk_buff *skb)
{
	const struct iphdr *iph;
	struct ipmesh_prefix_to to;
	unsigned int len;

	if (unlikely(!pskb_may_pull(skb, sizeof(*iph))))
		return refuse(conf, cb, IPMESH_A_DROPS_RX_INVALID);
	iph = (const struct iphdr *)skb->data;
	len = ipmesh_compat_totlen(skb, iph);
	if (unlikely(iph->version != 4 || iph->ihl < 5 || len < iph->ihl * 4 ||
		     len > skb->len))
		return refuse(conf, cb, IPMESH_A_DROPS_RX_INVALID);
	if (unlikely(ipmesh_addr_martian4(iph->saddr) || ipmesh_addr_inside4(iph->daddr)))
		return refuse(conf, cb, IPMESH_A_DROPS_MARTIAN);
	if (likely(ipmesh_prefix_find4(&conf->ipm->prefixes, iph->saddr, &to) &&
		   is_from(conf, cb, &to)))
		return 0;
	return check_other4(conf, cb, iph->saddr);
}

static __always_inline unsigned int check6(const struct ipmesh_conf *conf,
					   struct ipmesh_decap_cb *cb, struct sk_buff *skb)
{
	const struct ipv6hdr *ip6h;
	struct ipmesh_prefix_to to;

	if (unlikely(!pskb_may_pull(skb, sizeof(*ip6h))))
		return refuse(conf, cb, IPMESH_A_DROPS_RX_INVALID);
	ip6h = (const struct ipv6hdr *)skb->data;
	if (unlikely(ip6h->version != 6 ||
		     sizeof(*ip6h) + ntohs(ip6h->payload_len) > skb->len ||
		     /* would be taken for an IPv4 address from here on */
		     ipmesh_addr_is4(&ip6h->saddr)))
		return refuse(conf, cb, IPMESH_A_DROPS_RX_INVALID);
	if (unlikely(ipmesh_addr_martian6(&ip6h->saddr) || ipmesh_addr_inside6(&ip6h->daddr)))
		return refuse(conf, cb, IPMESH_A_DROPS_MARTIAN);
	if (likely(ipmesh_prefix_find6(&conf->ipm->prefixes, &ip6h->saddr, &to) &&
		   is_from(conf, cb, &to)))
		return 0;
	return check_other6(conf, cb, &ip6h->saddr);
}

/* Step 3: finds the peer that the packet is from, and has what is counted of it fetched
 * into the cache.
 */
static void check(const struct ipmesh_conf *conf, struct sk_buff *skb)
{
	struct ipmesh_decap_cb *cb = ipmesh_decap_cb(skb);

	cb->rx = NULL;
	if (likely(cb->inner_proto == htons(ETH_P_IP)))
		cb->cause = check4(conf, cb, skb);
	else if (cb->inner_proto)
		cb->cause = check6(conf, cb, skb);
	else
		cb->cause = refuse(conf, cb, IPMESH_A_DROPS_RX_INVALID);
}

static noinline bool find_arrival(const struct ipmesh_conf *conf, const struct sk_buff *skb,
				  struct ipmesh_part_rx *rx, const struct ipmesh_arrival *by)
{
	if (!ipmesh_arrival_leads(conf, rx->peer, skb, by->ifindex))
		return false;
	rx->arrival = by->token;
	return true;
}

/* Step 3: the device that a peer's packet came by leads to the peer. That it does is known
 * until routes change, or a packet comes by another one.
 */
static __always_inline bool may_come_by(const struct ipmesh_conf *conf,
					const struct sk_buff *skb, struct ipmesh_arrival *by)
{
	const struct ipmesh_decap_cb *cb = ipmesh_decap_cb(skb);

	if (unlikely(by->ifindex != cb->ifindex)) {
		by->ifindex = cb->ifindex;
		by->token = ipmesh_arrival_token(conf, by->ifindex);
	}
	return likely(cb->rx->arrival == by->token) || find_arrival(conf, skb, cb->rx, by);
}

static void count_received(const struct ipmesh_dev *ipm, struct ipmesh_part_rx *rx,
			   unsigned int packets, unsigned int bytes)
{
	struct pcpu_sw_netstats *tstats = this_cpu_ptr(ipm->dev->tstats);

	u64_stats_update_begin(&tstats->syncp);
	ipmesh_compat_tstats_add(&tstats->rx_packets, packets);
	ipmesh_compat_tstats_add(&tstats->rx_bytes, bytes);
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
 * 6040 4.2. The header that is written may be shared with a tap on the underlay. Returns 0
 * or the cause of a drop.
 */
static noinline unsigned int decapsulate_ecn(struct sk_buff *skb, u8 tos)
{
	bool inner4 = skb->protocol == htons(ETH_P_IP);
	unsigned int len = inner4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	u8 inner;

	inner = inner4 ? ipv4_get_dsfield(ip_hdr(skb)) : ipv6_get_dsfield(ipv6_hdr(skb));
	/* ECT(1) and CE have this bit, and nothing else is carried */
	if ((tos & INET_ECN_ECT_1) && ((tos ^ inner) & INET_ECN_MASK) &&
	    skb_ensure_writable(skb, len))
		return IPMESH_A_DROPS_NO_MEMORY;
	return INET_ECN_decapsulate(skb, tos, inner) <= 1 ? 0 : IPMESH_A_DROPS_ECN;
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
	/* that of the outer packet is behind it */
	skb_reset_transport_header(skb);
	return iptunnel_pull_offloads(skb);
}

/* Step 4. Returns 0, and the packet is as if received by the device, and counted; or the
 * cause of a drop.
 */
static unsigned int finish(const struct ipmesh_conf *conf, struct sk_buff *skb,
			   struct ipmesh_arrival *by)
{
	const struct ipmesh_decap_cb *cb = ipmesh_decap_cb(skb);
	struct ipmesh_dev *ipm = conf->ipm;
	unsigned int len = skb->len;
	unsigned int packets, bytes;
	unsigned int cause;

	if (unlikely(cb->cause))
		return cb->cause;
	if (conf->check_arrival && !may_come_by(conf, skb, by))
		return IPMESH_A_DROPS_WRONG_DEV;
	if (unlikely(ipmesh_nest_may(skb, cb->inner_proto)) &&
	    ipmesh_nest_deep(ipm, skb, cb->inner_proto))
		return IPMESH_A_DROPS_NESTED;
	if (become_inner(skb, cb->inner_proto, !net_eq(ipm->net, dev_net(ipm->dev))))
		return IPMESH_A_DROPS_NO_MEMORY;
	/* Not-ECT outside changes nothing, and forbids nothing */
	if (cb->tos & INET_ECN_MASK) {
		cause = decapsulate_ecn(skb, cb->tos);
		if (unlikely(cause))
			return cause;
	}
	packets = ipmesh_stats_segments(skb, &bytes);
	count_received(ipm, cb->rx, packets, bytes);
	trace_ipmesh_rcv(ipm->dev, &cb->endpoint, len);
	return 0;
}

/**
 * ipmesh_decap_batch - decapsulate packets that came together
 * @conf: of the device
 * @skbs: the packets, at their inner headers; those that are left come first afterwards
 * @n: how many
 *
 * Steps 3 and 4: RFC 2003, RFC 2473, RFC 6040. All of them are checked before the first
 * is finished: what that needs of their peers is fetched into the cache at the same time.
 *
 * Context: BH off, RCU.
 * Return: how many are as if received by the device, in their order, and counted; the
 *	others were dropped, and counted.
 */
unsigned int ipmesh_decap_batch(const struct ipmesh_conf *conf, struct sk_buff **skbs,
				unsigned int n)
{
	struct ipmesh_arrival by = { 0 };
	unsigned int i, cause, left = 0;

	for (i = 0; i < n; i++)
		check(conf, skbs[i]);
	for (i = 0; i < n; i++) {
		cause = finish(conf, skbs[i], &by);
		if (likely(!cause))
			skbs[left++] = skbs[i];
		else
			ipmesh_decap_drop(conf, skbs[i], cause);
	}
	return left;
}

/**
 * ipmesh_decap_drop - drop a packet that is for a device
 * @conf: of the device
 * @skb: the packet
 * @cause: IPMESH_A_DROPS_*
 *
 * What is dropped is ours all the same: nobody else is to see it.
 *
 * Context: BH off, RCU. Takes @skb.
 */
void ipmesh_decap_drop(const struct ipmesh_conf *conf, struct sk_buff *skb, unsigned int cause)
{
	const struct ipmesh_decap_cb *cb = ipmesh_decap_cb(skb);
	struct in6_addr endpoint = cb->endpoint;
	struct ipmesh_part_rx *rx = find_peer(conf, cb);

	if (cause == IPMESH_A_DROPS_NO_MEMORY)
		ipmesh_stats_rx_no_memory(conf->ipm);
	ipmesh_stats_drop(conf->ipm, rx ? rx->peer : NULL, &endpoint, skb->len, cause, skb);
}
