// SPDX-License-Identifier: GPL-2.0-only
/* A packet's way out: inner packet to peer to outer packet. */

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/dsfield.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "header.h"
#include "nest.h"
#include "output.h"
#include "part.h"
#include "peer.h"
#include "prefix.h"
#include "route.h"
#include "send.h"
#include "stats.h"
#include "trace.h"
#include "track.h"
#include "way.h"

/* With BH off all that follows is in an RCU section. Only lockdep tells the two apart,
 * and a packet socket comes with BH off alone.
 */
static void rcu_told_lock(void)
{
	if (IS_ENABLED(CONFIG_PROVE_RCU))
		rcu_read_lock();
}

static void rcu_told_unlock(void)
{
	if (IS_ENABLED(CONFIG_PROVE_RCU))
		rcu_read_unlock();
}

/* A tunnel in a tunnel is legitimate, a tunnel in itself is not; the core's
 * own guard would only act after twice as many levels, and with a message.
 */
static DEFINE_PER_CPU(unsigned int, send_depth) __maybe_unused;

static bool inner4(struct ipmesh_send *send, struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	unsigned int len = ntohs(iph->tot_len);

	if (iph->version != 4 || iph->ihl < 5)
		return false;
	if (!skb_is_gso(skb) && (len < iph->ihl * 4 || len > skb->len))
		return false;
	if (unlikely(ipmesh_addr_inside4(iph->daddr)))
		return false;
	send->proto = IPPROTO_IPIP;
	send->tos = iph->tos;
	send->ttl = iph->ttl;
	send->df = iph->frag_off & htons(IP_DF);
	return true;
}

static bool inner6(struct ipmesh_send *send, struct sk_buff *skb)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);

	if (ip6h->version != 6)
		return false;
	if (!skb_is_gso(skb) &&
	    sizeof(*ip6h) + ntohs(ip6h->payload_len) > skb->len)
		return false;
	if (unlikely(ipmesh_addr_inside6(&ip6h->daddr)))
		return false;
	send->proto = IPPROTO_IPV6;
	send->tos = ipv6_get_dsfield(ip6h);
	send->ttl = ip6h->hop_limit;
	send->df = true;
	return true;
}

/* Step 1 */
static bool inner_valid(struct ipmesh_send *send, struct sk_buff *skb)
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
 * its v4-mapped address. A packet that tc has redirected here brings the route
 * that it had before, the gateway of which is none of the overlay's.
 */
static bool route_gateway(const struct ipmesh_send *send, const struct sk_buff *skb,
			  struct in6_addr *gw)
{
	const struct dst_entry *dst = skb_dst(skb);

	if (!dst || unlikely(dst->dev != send->ipm->dev))
		return false;
	if (dst->ops->family == AF_INET) {
		const struct rtable *rt = (const struct rtable *)dst;

		/* a learned path MTU makes the destination its own nexthop */
		if (!rt->rt_uses_gateway)
			return false;
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

static bool right_family(const struct ipmesh_send *send)
{
	return ipmesh_addr_is4(&send->endpoint) == (send->conf->family == AF_INET);
}

/* This CPU's part of the peer that send->to leads to. */
static void set_peer(struct ipmesh_send *send)
{
	send->tx = ipmesh_part_tx(&send->ipm->parts, send->to.part);
	send->gen += send->to.version * (IPMESH_ROUTE_FLAGS + 1);
}

static bool find_peer(struct ipmesh_send *send)
{
	if (!ipmesh_peer_to(send->ipm, &send->endpoint, &send->to))
		return false;
	set_peer(send);
	return true;
}

/* The peer that the pod CIDR of send->to leads to. */
static void set_behind(struct ipmesh_send *send)
{
	set_peer(send);
	if (likely(send->conf->family == AF_INET))
		ipv6_addr_set_v4mapped(send->to.endpoint4, &send->endpoint);
	else
		send->endpoint = ipmesh_part_peer(&send->ipm->parts, send->to.part)->endpoint;
}

/* The peer behind the longest pod CIDR that holds the inner destination. */
static bool find_behind(struct ipmesh_send *send, const struct sk_buff *skb)
{
	struct ipmesh_prefix_table *prefixes = &send->ipm->prefixes;

	if (send->proto == IPPROTO_IPIP ?
	    !ipmesh_prefix_find4(prefixes, ip_hdr(skb)->daddr, &send->to) :
	    !ipmesh_prefix_find6(prefixes, &ipv6_hdr(skb)->daddr, &send->to))
		return false;
	set_behind(send);
	return true;
}

/* The peer that a gateway is behind: what a routing protocol that runs over the overlay
 * knows of a node is its address there.
 */
static noinline bool find_via(struct ipmesh_send *send)
{
	if (!READ_ONCE(send->ipm->peer_count) ||
	    !ipmesh_prefix_find(&send->ipm->prefixes, &send->endpoint, &send->to))
		return false;
	set_behind(send);
	return true;
}

/* The peer that the gateway names. The slot of the pod CIDR says the same but for odd
 * routes, and is smaller than what is to be touched for a peer by its endpoint.
 */
static bool find_named(struct ipmesh_send *send, const struct sk_buff *skb)
{
	if (send->proto == IPPROTO_IPIP && likely(send->conf->family == AF_INET) &&
	    ipmesh_addr_is4(&send->endpoint) &&
	    ipmesh_prefix_find4(&send->ipm->prefixes, ip_hdr(skb)->daddr, &send->to) &&
	    likely(send->to.endpoint4 == ipmesh_addr_get4(&send->endpoint))) {
		set_peer(send);
		return true;
	}
	return find_peer(send) || find_via(send);
}

/* Steps 2 and 3 of Documentation/data-path.md: the nexthop's gateway names the
 * endpoint, or is behind it; else the longest pod CIDR does. An open device sends to any
 * gateway, and without one to the inner destination, as tunl0 does.
 */
static bool find_endpoint(struct ipmesh_send *send, const struct sk_buff *skb)
{
	if (route_gateway(send, skb, &send->endpoint))
		return find_named(send, skb) || (send->conf->open && right_family(send));
	if (find_behind(send, skb))
		return true;
	if (!send->conf->open)
		return false;
	if (send->proto == IPPROTO_IPIP)
		ipv6_addr_set_v4mapped(ip_hdr(skb)->daddr, &send->endpoint);
	else
		send->endpoint = ipv6_hdr(skb)->daddr;
	if (ipmesh_addr_martian(&send->endpoint)) {
		send->endpoint = in6addr_any;
		return false;
	}
	find_peer(send);
	return right_family(send);
}

static void find_encap(struct ipmesh_send *send)
{
	send->udp = ipmesh_route_udp(send->conf, send->tx ? &send->to : NULL, &send->dport);
	send->overhead = send->conf->overhead;
	if (unlikely(send->udp))
		send->overhead += sizeof(struct udphdr);
}

static void make_key(const struct ipmesh_send *send, struct ipmesh_route_key *key)
{
	ipmesh_route_key(key, send->conf, &send->endpoint, ipmesh_header_proto(send),
			 send->udp ? send->dport : 0);
}

static unsigned int learned_mtu(const struct ipmesh_send *send)
{
	/* an IPv6 route can always be taught */
	if (likely(!send->udp || !send->tx || send->conf->family != AF_INET))
		return 0;
	return ipmesh_route_learned(ipmesh_part_peer(&send->ipm->parts, send->to.part));
}

static void use_route(struct ipmesh_send *send, struct dst_entry *dst)
{
	send->dst = dst;
	send->plain = send->conf->family == AF_INET ? ipmesh_output_plain4(dst) :
						      ipmesh_output_plain6(dst);
	send->learned_mtu = learned_mtu(send);
	if (unlikely(send->learned_mtu))
		send->plain = false;
}

/* For this packet alone: its flow chooses among equal ways. */
static noinline int look_up_flow(struct ipmesh_send *send, struct sk_buff *skb)
{
	struct ipmesh_route_key key;
	struct dst_entry *dst;

	make_key(send, &key);
	dst = ipmesh_route_look_up(send->ipm, &key, skb_get_hash(skb), &send->saddr);
	if (IS_ERR(dst))
		return PTR_ERR(dst);
	use_route(send, dst);
	send->dst_held = true;
	return 0;
}

static noinline int fill_route(const struct ipmesh_send *send, struct ipmesh_route *route)
{
	struct ipmesh_route_key key;

	make_key(send, &key);
	return ipmesh_route_fill(send->ipm, &key, send->gen, route);
}

/* Step 4: this CPU's cached route, looked up again after any change of the
 * underlay's routes or of the device's attributes.
 */
static int find_route(struct ipmesh_send *send, struct sk_buff *skb)
{
	bool is4 = send->conf->family == AF_INET;
	struct ipmesh_route *route;
	int err;

	if (unlikely(!send->tx)) {
		err = look_up_flow(send, skb);
		if (!err)
			ipmesh_way_hint_open(send->ipm, &send->endpoint, send->dst);
		return err;
	}
	route = likely(send->proto == IPPROTO_IPIP) ? &send->tx->route :
		ipmesh_part_route6(&send->ipm->parts, send->to.part);
	if (unlikely(!ipmesh_route_holds(route, send->ipm->net, send->gen, is4))) {
		err = fill_route(send, route);
		if (err)
			return err;
	}
	if (unlikely(route->gen & IPMESH_ROUTE_MULTIPATH))
		return look_up_flow(send, skb);
	if (likely(route->gen & IPMESH_ROUTE_PLAIN)) {
		send->dst = route->dst;
		send->plain = true;
	} else {
		use_route(send, route->dst);
	}
	send->saddr = route->saddr;
	return 0;
}

static void tell_unreachable(const struct ipmesh_send *send, struct sk_buff *skb)
{
	if (send->proto == IPPROTO_IPIP)
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
	else
		icmpv6_ndo_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, 0);
}

/* The outer packet's path MTU: dst_mtu(), for a route that has no more to say of it
 * than its device has. One that is locked is not to be found out: routers may cut what
 * is larger than they take.
 */
static unsigned int path_mtu(const struct ipmesh_send *send, bool *locked)
{
	const struct rtable *rt = (const struct rtable *)send->dst;

	if (send->plain && send->conf->family == AF_INET &&
	    likely(!rt->rt_pmtu && !rt->rt_mtu_locked &&
		   dst_metrics_ptr(send->dst) == dst_default_metrics.metrics))
		return min_t(unsigned int, READ_ONCE(send->dst->dev->mtu), IP_MAX_MTU);
	if (send->conf->family == AF_INET)
		*locked = ip_mtu_locked(send->dst);
	if (unlikely(!send->plain && send->learned_mtu))
		return min(dst_mtu(send->dst), send->learned_mtu);
	return dst_mtu(send->dst);
}

static __always_inline bool too_big(const struct sk_buff *skb, unsigned int mtu)
{
	const struct skb_shared_info *shinfo = skb_shinfo(skb);

	if (!skb_is_gso(skb))
		return skb->len > mtu;
	/* skb_gso_network_seglen() written out for TCP */
	if (likely(shinfo->gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6) &&
		   shinfo->gso_size != GSO_BY_FRAGS && !skb->encapsulation))
		return skb_network_header_len(skb) + tcp_hdrlen(skb) + shinfo->gso_size > mtu;
	return !skb_gso_validate_network_len(skb, mtu);
}

/* Step 5, for a packet that may not be fragmented: the sender learns the MTU
 * by ICMP (RFC 1191, RFC 8201), and a local one by its route too.
 */
static void tell_mtu(const struct ipmesh_send *send, struct sk_buff *skb, unsigned int mtu)
{
	skb_dst_update_pmtu_no_confirm(skb, mtu);
	if (send->proto == IPPROTO_IPIP)
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
	else
		icmpv6_ndo_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu);
}

/* Step 5, for what is larger than the path takes: it is carried by fragments of the outer
 * packet if it may be (RFC 2003 3.1, RFC 2473 7.2): a packet without DF, and an IPv6 one
 * on a path too narrow for the least MTU that IPv6 has. False when it must not go.
 */
static noinline bool fragments(const struct ipmesh_send *send, struct sk_buff *skb,
			       unsigned int mtu, bool *fragment)
{
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

/* Whether the packet may go, and whether it, or what comes of it, may be cut. */
static bool fits(const struct ipmesh_send *send, struct sk_buff *skb, bool *fragment)
{
	unsigned int mtu;

	*fragment = false;
	mtu = path_mtu(send, fragment) - send->overhead;
	return likely(!too_big(skb, mtu)) || fragments(send, skb, mtu, fragment);
}

static bool make_room(const struct ipmesh_send *send, struct sk_buff *skb)
{
	struct net_device *dev = send->ipm->dev;
	unsigned int room;

	room = LL_RESERVED_SPACE(send->dst->dev) + send->dst->header_len +
	       send->overhead;
	if (likely(room <= skb_headroom(skb) && !skb_header_cloned(skb)))
		return true;
	/* so that senders leave it from the start */
	if (room > READ_ONCE(dev->needed_headroom))
		WRITE_ONCE(dev->needed_headroom, min_t(unsigned int, room, 512));
	return !skb_cow_head(skb, room);
}

static void count_sent(const struct ipmesh_send *send, unsigned int packets,
		       unsigned int bytes)
{
	struct ipmesh_part_tx *tx = send->tx;

	dev_sw_netstats_tx_add(send->ipm->dev, packets, bytes);
	if (!tx)
		return;
	u64_stats_update_begin(&tx->syncp);
	u64_stats_add(&tx->packets, packets);
	u64_stats_add(&tx->bytes, bytes);
	u64_stats_update_end(&tx->syncp);
}

static int local_out4(struct ipmesh_send *send, struct sk_buff *skb, bool fragment)
{
	/* DF inside is honoured outside even without path MTU discovery */
	bool df = !fragment && (send->conf->pmtudisc ||
				(send->df && send->proto == IPPROTO_IPIP));

	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	ipmesh_header_push4(send, skb, df);
	skb->protocol = htons(ETH_P_IP);
	if (likely(send->plain && !fragment))
		return ipmesh_output4(send->ipm->net, skb);
	return ip_local_out(send->ipm->net, NULL, skb);
}

static int local_out6(struct ipmesh_send *send, struct sk_buff *skb, bool fragment)
{
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	ipmesh_header_push6(send, skb);
	skb->protocol = htons(ETH_P_IPV6);
	if (likely(send->plain && !fragment))
		return ipmesh_output6(send->ipm->net, skb);
	/* else the output would refuse to */
	skb->ignore_df = fragment;
	return ip6_local_out(send->ipm->net, NULL, skb);
}

/* iptunnel_handle_offloads() for a packet that is none */
static bool no_offload(struct sk_buff *skb)
{
	if (skb_is_gso(skb) || skb->ip_summed == CHECKSUM_PARTIAL || skb->encapsulation)
		return false;
	skb_reset_inner_headers(skb);
	skb->ip_summed = CHECKSUM_NONE;
	return true;
}

static int handle_offloads(const struct ipmesh_send *send, struct sk_buff *skb)
{
	__be16 inner = skb->protocol;
	int err;

	if (unlikely(send->udp)) {
		err = udp_tunnel_handle_offloads(skb, send->conf->csum);
		/* the payload is a bare IP packet: an Ethernet one without its header */
		skb_set_inner_protocol(skb, inner);
		return err;
	}
	err = no_offload(skb) ? 0 :
	      iptunnel_handle_offloads(skb, send->conf->family == AF_INET ? SKB_GSO_IPXIP4 :
									    SKB_GSO_IPXIP6);
	skb_set_inner_ipproto(skb, send->proto);
	return err;
}

/* Steps 5 and 6, and the outer packet goes. Returns 0 or the cause of a drop. */
static unsigned int encapsulate(struct ipmesh_send *send, struct sk_buff *skb)
{
	bool underlay4 = send->conf->family == AF_INET;
	unsigned int packets, bytes;
	bool fragment;
	int err;

	if (unlikely(!fits(send, skb, &fragment)))
		return IPMESH_A_DROPS_TOO_BIG;

	packets = ipmesh_stats_segments(skb, &bytes);
	if (handle_offloads(send, skb) || !make_room(send, skb))
		return IPMESH_A_DROPS_NO_MEMORY;

	skb_scrub_packet(skb, !net_eq(send->ipm->net, dev_net(send->ipm->dev)));
	skb_clear_hash_if_not_l4(skb);
	/* what rules make of the inner packet's is not meant for the outer one */
	skb->mark = send->conf->fwmark;
	if (unlikely(send->conf->notrack) && send->tx)
		ipmesh_track_not(skb);
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

static unsigned int send_skb(struct ipmesh_send *send, struct sk_buff *skb)
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
	/* a route that is found stays until the RCU section ends */
	local_lock_nested_bh(&ipmesh_part_cpu.lock);
	err = find_route(send, skb);
	local_unlock_nested_bh(&ipmesh_part_cpu.lock);
	if (unlikely(err)) {
		tell_unreachable(send, skb);
		return err == -ELOOP ? IPMESH_A_DROPS_LOOP : IPMESH_A_DROPS_NO_ROUTE;
	}

	cause = encapsulate(send, skb);
	if (unlikely(send->dst_held))
		dst_release(send->dst);
	return cause;
}

static noinline void drop(const struct ipmesh_send *send, unsigned int len,
			  unsigned int cause, struct sk_buff *skb)
{
	struct ipmesh_peer *peer = NULL;

	if (send->tx)
		peer = ipmesh_part_peer(&send->ipm->parts, send->to.part);
	ipmesh_stats_drop(send->ipm, peer, &send->endpoint, len, cause,
			  send->consumed ? NULL : skb);
}

/**
 * ipmesh_send_xmit - ndo_start_xmit
 * @skb: inner packet, at its network header
 * @dev: the device
 *
 * Encapsulates by RFC 2003, or RFC 2473 on an IPv6 underlay.
 *
 * Context: BH off; any number of CPUs at once.
 * Return: NETDEV_TX_OK; a packet that does not go is dropped, and counted.
 */
netdev_tx_t ipmesh_send_xmit(struct sk_buff *skb, struct net_device *dev)
{
	unsigned int len = skb->len;
	unsigned int cause;
	struct ipmesh_send send ipmesh_compat_uninitialized;

	rcu_told_lock();
	/* member by member: the rest is written before it is read */
	send.ipm = netdev_priv(dev);
	send.conf = rcu_dereference(send.ipm->conf);
	send.gen = READ_ONCE(send.conf->gen);
	send.tx = NULL;
	send.endpoint = in6addr_any;
	send.dst_held = false;
	send.consumed = false;
	if (likely(ipmesh_compat_enter_send(send_depth) <= IPMESH_NEST_MAX))
		cause = send_skb(&send, skb);
	else
		cause = IPMESH_A_DROPS_LOOP;
	ipmesh_compat_leave_send(send_depth);

	if (unlikely(cause))
		drop(&send, len, cause, skb);
	else
		trace_ipmesh_xmit(dev, &send.endpoint, len);
	rcu_told_unlock();
	return NETDEV_TX_OK;
}
