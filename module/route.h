/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_ROUTE_H
#define _IPMESH_ROUTE_H

#include <linux/in6.h>
#include <linux/types.h>
#include <net/dst.h>
#include <net/route.h>

#include <uapi/linux/ipmesh.h>

#include "conf.h"
#include "prefix.h"

struct ipmesh_dev;
struct ipmesh_peer;
struct sk_buff;

/**
 * struct ipmesh_route_key - what the underlay's route of an outer packet is chosen by
 * @endpoint: outer destination, an IPv4 one v4-mapped
 * @local: outer source, likewise; 0.0.0.0 as long as the route is to choose it
 * @link: index of the lower device, or of its VRF; 0 for any
 * @mark: of the packet
 * @dport: UDP destination port, network byte order; 0 without UDP
 * @sport: UDP source port, network byte order; 0 without UDP, and for ports by flow,
 *	which tell flows apart but select nothing
 * @family: of the underlay, AF_INET or AF_INET6
 * @proto: outer protocol, IPPROTO_IPIP, IPPROTO_IPV6 or IPPROTO_UDP
 * @tos: DSCP as it is in the header, where the device has a fixed one; else 0
 *
 * The look-up takes nothing else, for routes, rules and IPsec policies alike. Of two
 * packets to one peer, sent under the same settings, only @proto may differ: without UDP
 * it says what is inside.
 */
struct ipmesh_route_key {
	struct in6_addr endpoint;
	struct in6_addr local;
	u32 link;
	u32 mark;
	__be16 dport;
	__be16 sport;
	u8 family;
	u8 proto;
	u8 tos;
};

/**
 * struct ipmesh_route - the cached route of a key
 * @dst: the route, or NULL
 * @saddr: outer source that goes with @dst on an IPv4 underlay, network byte
 *	order; on an IPv6 one the local address is the source
 * @cookie: tells whether @dst is valid still, on an IPv6 underlay
 * @gen: &ipmesh_conf.gen of the settings that @dst was looked up under, beneath it the
 *	peer's &ipmesh_prefix_to.version, and IPMESH_ROUTE_MULTIPATH, IPMESH_ROUTE_PLAIN
 *
 * All is written by the CPU that the cache is of, with BH off and under the lock of
 * &struct ipmesh_part_cpu; the last free of the part that it is in releases @dst.
 */
struct ipmesh_route {
	struct dst_entry *dst;
	union {
		__be32 saddr;
		u32 cookie;
	};
	u32 gen;
};

/* In @gen, of which numbers of settings do not have these bits: the route is one of
 * several equal ways, and only tells whether there was a change since;
 * ipmesh_output_plain4() is true for it, as it is as long as the route lives.
 */
#define IPMESH_ROUTE_MULTIPATH	1
#define IPMESH_ROUTE_PLAIN	2
#define IPMESH_ROUTE_FLAGS	(IPMESH_ROUTE_MULTIPATH | IPMESH_ROUTE_PLAIN)

/**
 * ipmesh_route_udp - whether packets to a peer go in UDP
 * @conf: of the device
 * @to: what is known of the peer, or NULL for an endpoint that is none
 * @dport: where the UDP destination port goes, network byte order; not written without UDP
 *
 * A peer's own encapsulation goes before the device's, and so does its port.
 */
static __always_inline bool ipmesh_route_udp(const struct ipmesh_conf *conf,
					     const struct ipmesh_prefix_to *to, __be16 *dport)
{
	u8 encap = to ? to->encap : IPMESH_ENCAP_DEVICE;

	if (encap == IPMESH_ENCAP_DEVICE)
		encap = conf->encap;
	if (likely(encap != IPMESH_ENCAP_UDP))
		return false;
	*dport = to ? to->dport : 0;
	if (!*dport)
		*dport = conf->dport;
	return true;
}

/**
 * ipmesh_route_holds - whether a cached route is right for a packet
 * @route: the cache
 * @net: underlay namespace
 * @gen: number of the settings that the packet is sent under
 * @is4: the underlay is IPv4
 *
 * Context: BH off, RCU.
 * Return: false when the route is to be looked up again.
 */
static __always_inline bool ipmesh_route_holds(const struct ipmesh_route *route,
					       const struct net *net, u32 gen, bool is4)
{
	const struct rtable *rt = (const struct rtable *)route->dst;

	if (unlikely(!rt || (route->gen & ~IPMESH_ROUTE_FLAGS) != gen))
		return false;
	/* ipv4_dst_check() written out */
	if (likely(route->gen & IPMESH_ROUTE_PLAIN))
		return READ_ONCE(rt->dst.obsolete) == DST_OBSOLETE_FORCE_CHK &&
		       rt->rt_genid == rt_genid_ipv4(net);
	return dst_check(route->dst, is4 ? 0 : route->cookie);
}

void ipmesh_route_key(struct ipmesh_route_key *key, const struct ipmesh_conf *conf,
		      const struct in6_addr *endpoint, u8 proto, __be16 dport);
struct dst_entry *ipmesh_route_path(const struct ipmesh_dev *ipm,
				    const struct ipmesh_route_key *key);
struct dst_entry *ipmesh_route_look_up(const struct ipmesh_dev *ipm,
				       const struct ipmesh_route_key *key, u32 hash,
				       __be32 *saddr);
int ipmesh_route_fill(struct ipmesh_dev *ipm, const struct ipmesh_route_key *key, u32 gen,
		      struct ipmesh_route *route);
unsigned int ipmesh_route_learned(const struct ipmesh_peer *peer);
bool ipmesh_route_leads(const struct ipmesh_dev *ipm, const struct ipmesh_conf *conf,
			const struct ipmesh_route_key *key);
bool ipmesh_route_by_proto(const struct net *net, u8 family);
void ipmesh_route_pmtu(struct ipmesh_dev *ipm, const struct ipmesh_route_key *key,
		       struct sk_buff *skb, u32 mtu);
void ipmesh_route_redirect(const struct ipmesh_dev *ipm, const struct ipmesh_route_key *key,
			   struct sk_buff *skb);

#endif /* _IPMESH_ROUTE_H */
