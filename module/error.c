// SPDX-License-Identifier: GPL-2.0-only
/* ICMP errors that the underlay sends about outer packets. */

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ndisc.h>
#include <net/route.h>
#include <net/sock.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "error.h"
#include "peer.h"
#include "route.h"
#include "underlay.h"

/* Step 5 of the way in: what the underlay says of a packet that we sent. The
 * header it quotes has our local address as its source. Counts it on the peer;
 * NULL when it is not about a packet of ours.
 */
static const struct ipmesh_conf *error4(struct sk_buff *skb, const struct iphdr *outer)
{
	const struct ipmesh_conf *conf;
	struct ipmesh_peer *peer;

	conf = ipmesh_underlay_find4(dev_net(skb->dev), outer->saddr,
				     inet_iif(skb), inet_sdif(skb));
	if (!conf)
		return NULL;
	peer = ipmesh_peer_find4(conf->ipm, outer->daddr);
	if (peer)
		atomic_long_inc(&peer->icmp_errors);
	return peer || conf->open ? conf : NULL;
}

static const struct ipmesh_conf *error6(struct sk_buff *skb, const struct ipv6hdr *outer)
{
	const struct ipmesh_conf *conf;
	struct ipmesh_peer *peer;

	conf = ipmesh_underlay_find6(dev_net(skb->dev), &outer->saddr,
				     inet6_iif(skb), inet6_sdif(skb));
	if (!conf)
		return NULL;
	peer = ipmesh_peer_find(conf->ipm, &outer->daddr);
	if (peer)
		atomic_long_inc(&peer->icmp_errors);
	return peer || conf->open ? conf : NULL;
}

/* ipv4_update_pmtu() would look for the route without our mark, and leave the
 * news with another one than packets take.
 */
static void update_pmtu4(struct sk_buff *skb, const struct ipmesh_conf *conf, u32 mtu)
{
	const struct iphdr *outer = (const struct iphdr *)skb->data;
	int offset = skb_network_offset(skb);
	struct ipmesh_route_key key;
	struct in6_addr endpoint;
	u32 mark = skb->mark;
	struct dst_entry *dst;

	if (!conf->fwmark) {
		ipv4_update_pmtu(skb, dev_net(skb->dev), mtu, conf->link, outer->protocol);
		return;
	}
	ipv6_addr_set_v4mapped(outer->daddr, &endpoint);
	ipmesh_route_key(&key, conf, &endpoint, outer->protocol, 0);
	dst = ipmesh_route_path(conf->ipm, &key);
	if (IS_ERR(dst))
		return;
	/* the flow is taken from the header that is quoted */
	skb_reset_network_header(skb);
	skb->mark = conf->fwmark;
	dst->ops->update_pmtu(dst, NULL, skb, mtu, false);
	skb->mark = mark;
	skb_set_network_header(skb, offset);
	dst_release(dst);
}

/* A new path MTU and a redirect go to the routing table, where cached routes
 * notice them.
 */

/**
 * ipmesh_error_rcv4 - an ICMP error about a packet that was in IPv4
 * @skb: at the header that is quoted
 * @info: what the error says besides its type: the MTU
 *
 * Context: BH off, RCU.
 * Return: 0 when the packet was ours, else -ENOENT for the next protocol.
 */
int ipmesh_error_rcv4(struct sk_buff *skb, u32 info)
{
	const struct iphdr *outer = (const struct iphdr *)skb->data;
	struct net *net = dev_net(skb->dev);
	const struct ipmesh_conf *conf;

	conf = error4(skb, outer);
	if (!conf)
		return -ENOENT;
	switch (icmp_hdr(skb)->type) {
	case ICMP_DEST_UNREACH:
		if (icmp_hdr(skb)->code == ICMP_FRAG_NEEDED)
			update_pmtu4(skb, conf, info);
		break;
	case ICMP_REDIRECT:
		ipv4_redirect(skb, net, conf->link, outer->protocol);
		break;
	}
	return 0;
}

/**
 * ipmesh_error_rcv6 - an ICMPv6 error about a packet that was in IPv6
 * @skb: at the header that is quoted
 * @opt: of the packet that carried the error
 * @type: ICMPv6 type
 * @code: ICMPv6 code
 * @offset: of the quoted packet's payload
 * @info: what the error says besides its type: the MTU, network byte order
 *
 * Context: BH off, RCU.
 * Return: 0 when the packet was ours, else -ENOENT for the next protocol.
 */
int ipmesh_error_rcv6(struct sk_buff *skb, struct inet6_skb_parm *opt,
		      u8 type, u8 code, int offset, __be32 info)
{
	const struct ipv6hdr *outer = (const struct ipv6hdr *)skb->data;
	struct net *net = dev_net(skb->dev);
	const struct ipmesh_conf *conf;

	conf = error6(skb, outer);
	if (!conf)
		return -ENOENT;
	switch (type) {
	case ICMPV6_PKT_TOOBIG:
		ip6_update_pmtu(skb, net, info, conf->link, conf->fwmark,
				sock_net_uid(net, NULL));
		break;
	case NDISC_REDIRECT:
		ip6_redirect(skb, net, conf->link, conf->fwmark,
			     sock_net_uid(net, NULL));
		break;
	}
	return 0;
}

/**
 * ipmesh_error_udp - an ICMP error about a packet that was in UDP
 * @skb: its network header is the quoted outer one
 * @family: of that header
 *
 * The UDP layer updates the routes.
 *
 * Context: BH off, RCU.
 * Return: 0 when the packet was ours, else -ENOENT.
 */
int ipmesh_error_udp(struct sk_buff *skb, u8 family)
{
	const struct ipmesh_conf *conf;

	conf = family == AF_INET ? error4(skb, ip_hdr(skb)) : error6(skb, ipv6_hdr(skb));
	return conf ? 0 : -ENOENT;
}
