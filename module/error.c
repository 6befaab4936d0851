// SPDX-License-Identifier: GPL-2.0-only
/* ICMP errors that the underlay sends about outer packets. */

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_tunnel.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>
#include <net/ndisc.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "error.h"
#include "peer.h"
#include "route.h"
#include "underlay.h"

/* Step 5 of the way in: what the underlay says of a packet that we sent. Whether the one
 * that is quoted is such a packet: to a peer, and by UDP to the port that packets to the
 * peer have. Counts it on the peer.
 */
static bool is_ours(const struct ipmesh_conf *conf, struct ipmesh_peer *peer, __be16 dport)
{
	__be16 port;

	if (!peer && !conf->open)
		return false;
	if (dport && (!ipmesh_route_udp(conf, peer ? &peer->to : NULL, &port) || port != dport))
		return false;
	if (peer)
		atomic_long_inc(&peer->icmp_errors);
	return true;
}

/* The header that an error quotes has our local address as its source; NULL when the
 * packet was not ours. @dport is 0 without UDP.
 */
static const struct ipmesh_conf *error4(struct sk_buff *skb, const struct iphdr *outer,
					__be16 dport)
{
	const struct ipmesh_conf *conf;

	conf = ipmesh_underlay_find4(dev_net(skb->dev), outer->saddr,
				     inet_iif(skb), inet_sdif(skb));
	return conf && is_ours(conf, ipmesh_peer_find4(conf->ipm, outer->daddr), dport) ?
	       conf : NULL;
}

static const struct ipmesh_conf *error6(struct sk_buff *skb, const struct ipv6hdr *outer,
					__be16 dport)
{
	const struct ipmesh_conf *conf;

	conf = ipmesh_underlay_find6(dev_net(skb->dev), &outer->saddr,
				     inet6_iif(skb), inet6_sdif(skb));
	return conf && is_ours(conf, ipmesh_peer_find(conf->ipm, &outer->daddr), dport) ?
	       conf : NULL;
}

/* What an error says of the way that a packet took. */
enum news {
	NEWS_NONE,
	NEWS_PMTU,
	NEWS_REDIRECT,
};

static enum news news4(u8 type, u8 code)
{
	if (type == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED)
		return NEWS_PMTU;
	return type == ICMP_REDIRECT ? NEWS_REDIRECT : NEWS_NONE;
}

static enum news news6(u8 type)
{
	switch (type) {
	case ICMPV6_PKT_TOOBIG:
		return NEWS_PMTU;
	case NDISC_REDIRECT:
		return NEWS_REDIRECT;
	}
	return NEWS_NONE;
}

/* A new path MTU and a redirect go to the routing table, to the route that packets of
 * the kind that is quoted take: where cached routes notice them.
 */
static void learn(const struct ipmesh_conf *conf, const struct in6_addr *endpoint, u8 proto,
		  __be16 dport, struct sk_buff *skb, enum news news, u32 mtu)
{
	struct ipmesh_route_key key;

	ipmesh_route_key(&key, conf, endpoint, proto, dport);
	switch (news) {
	case NEWS_PMTU:
		ipmesh_route_pmtu(conf->ipm, &key, skb, mtu);
		break;
	case NEWS_REDIRECT:
		ipmesh_route_redirect(conf->ipm, &key, skb);
		break;
	case NEWS_NONE:
		break;
	}
}

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
	const struct ipmesh_conf *conf;
	struct in6_addr endpoint;

	conf = error4(skb, outer, 0);
	if (!conf)
		return -ENOENT;
	ipv6_addr_set_v4mapped(outer->daddr, &endpoint);
	learn(conf, &endpoint, outer->protocol, 0, skb,
	      news4(icmp_hdr(skb)->type, icmp_hdr(skb)->code), info);
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
	const struct ipmesh_conf *conf;

	conf = error6(skb, outer, 0);
	if (!conf)
		return -ENOENT;
	learn(conf, &outer->daddr, outer->nexthdr, 0, skb, news6(type), ntohl(info));
	return 0;
}

/* The UDP layer has moved both headers of the error to those of the packet that it
 * quotes. A redirect is read by its own: where that is, the receiving device's header
 * tells.
 */
static bool find_ip(struct sk_buff *skb)
{
	int offset;

	if (!skb_mac_header_was_set(skb))
		return false;
	offset = skb_mac_offset(skb) + skb->mac_len;
	if (offset >= 0)
		return false;
	skb_set_network_header(skb, offset);
	return true;
}

static bool find_icmp4(struct sk_buff *skb)
{
	int offset = -(int)sizeof(struct icmphdr);

	if (!find_ip(skb) || ip_hdr(skb)->version != 4 ||
	    skb_network_offset(skb) + ip_hdrlen(skb) != offset)
		return false;
	skb_set_transport_header(skb, offset);
	return true;
}

/* A redirect quotes the packet in one of its options. */
static bool find_icmp6(struct sk_buff *skb)
{
	__be16 frag_off;
	int offset;
	u8 next;

	if (!find_ip(skb) || ipv6_hdr(skb)->version != 6)
		return false;
	next = ipv6_hdr(skb)->nexthdr;
	offset = ipv6_skip_exthdr(skb, skb_network_offset(skb) + (int)sizeof(struct ipv6hdr),
				  &next, &frag_off);
	if (next != IPPROTO_ICMPV6 || offset > -(int)sizeof(struct icmp6hdr))
		return false;
	skb_set_transport_header(skb, offset);
	return true;
}

static void put_back(struct sk_buff *skb, int network, int transport)
{
	skb_set_network_header(skb, network);
	skb_set_transport_header(skb, transport);
}

/* An ICMP error about a packet in UDP that belongs to no socket: the headers of @skb, and
 * its data, are the quoted ones. Here and not by a socket, as a socket is found only where
 * both ends have the same port, and as the UDP layer then teaches a route that has neither
 * mark nor port, which packets may not take.
 */
static int error_udp4(struct sk_buff *skb, u32 info)
{
	const struct icmphdr *icmph = (const struct icmphdr *)skb->data - 1;
	int transport = skb_transport_offset(skb);
	int network = skb_network_offset(skb);
	const struct iphdr *outer = ip_hdr(skb);
	__be16 dport = udp_hdr(skb)->dest;
	const struct ipmesh_conf *conf;
	struct in6_addr endpoint;
	enum news news;

	conf = error4(skb, outer, dport);
	if (!conf)
		return -ENOENT;
	news = news4(icmph->type, icmph->code);
	if (news == NEWS_REDIRECT && !find_icmp4(skb))
		news = NEWS_NONE;
	ipv6_addr_set_v4mapped(outer->daddr, &endpoint);
	learn(conf, &endpoint, IPPROTO_UDP, dport, skb, news, info);
	put_back(skb, network, transport);
	return 0;
}

static int error_udp6(struct sk_buff *skb, struct inet6_skb_parm *opt,
		      u8 type, u8 code, int offset, __be32 info)
{
	const struct ipv6hdr *outer = ipv6_hdr(skb);
	int transport = skb_transport_offset(skb);
	int network = skb_network_offset(skb);
	__be16 dport = udp_hdr(skb)->dest;
	const struct ipmesh_conf *conf;
	enum news news = news6(type);

	conf = error6(skb, outer, dport);
	if (!conf)
		return -ENOENT;
	if (news == NEWS_REDIRECT && !find_icmp6(skb))
		news = NEWS_NONE;
	learn(conf, &outer->daddr, IPPROTO_UDP, dport, skb, news, ntohl(info));
	put_back(skb, network, transport);
	return 0;
}

static const struct ip_tunnel_encap_ops udp4_ops = {
	.err_handler	= error_udp4,
};

static const struct ip6_tnl_encap_ops udp6_ops = {
	.err_handler	= error_udp6,
};

/* The UDP layer asks all encapsulations that tunnels may have. The place of "none" is
 * free, and no tunnel looks there. What does this for other modules is itself in modules
 * that make a device in each namespace.
 */
#define ENCAP_SLOT	TUNNEL_ENCAP_NONE

static bool take4(const struct ip_tunnel_encap_ops *from, const struct ip_tunnel_encap_ops *to)
{
	return cmpxchg((__force const struct ip_tunnel_encap_ops **)&iptun_encaps[ENCAP_SLOT],
		       from, to) == from;
}

static bool take6(const struct ip6_tnl_encap_ops *from, const struct ip6_tnl_encap_ops *to)
{
	return cmpxchg((__force const struct ip6_tnl_encap_ops **)&ip6tun_encaps[ENCAP_SLOT],
		       from, to) == from;
}

/**
 * ipmesh_error_register - hear of errors about packets in UDP
 *
 * Return: 0, or -EBUSY.
 */
int ipmesh_error_register(void)
{
	if (!take4(NULL, &udp4_ops))
		return -EBUSY;
	if (!take6(NULL, &udp6_ops)) {
		take4(&udp4_ops, NULL);
		synchronize_net();
		return -EBUSY;
	}
	return 0;
}

/**
 * ipmesh_error_unregister - the reverse; no error is under way afterwards
 */
void ipmesh_error_unregister(void)
{
	take6(&udp6_ops, NULL);
	take4(&udp4_ops, NULL);
	synchronize_net();
}
