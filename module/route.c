// SPDX-License-Identifier: GPL-2.0-only
/* The underlay's routes: what an outer packet's is chosen by, the look-up, the cache of
 * the result, and what ICMP errors teach about it.
 */

#include <linux/icmp.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/time.h>
#include <net/flow.h>
#include <net/inet_sock.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/ipv6.h>
#include <net/nexthop.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/xfrm.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "output.h"
#include "peer.h"
#include "route.h"
#include "stats.h"
#include "underlay.h"
#include "way.h"

/**
 * ipmesh_route_key - what the route of a packet is chosen by
 * @key: the result
 * @conf: of the device
 * @endpoint: outer destination, of the underlay's family
 * @proto: outer protocol
 * @dport: UDP destination port, network byte order; only with IPPROTO_UDP
 *
 * Context: RCU.
 */
void ipmesh_route_key(struct ipmesh_route_key *key, const struct ipmesh_conf *conf,
		      const struct in6_addr *endpoint, u8 proto, __be16 dport)
{
	bool udp = proto == IPPROTO_UDP;

	*key = (struct ipmesh_route_key) {
		.endpoint = *endpoint,
		.local = conf->local,
		.link = ipmesh_underlay_oif(conf),
		.mark = conf->fwmark,
		.dport = udp ? dport : 0,
		.sport = udp ? conf->sport : 0,
		.family = conf->family,
		.proto = proto,
		.tos = conf->dscp == IPMESH_DSCP_INHERIT ? 0 : conf->dscp << 2,
	};
}

static void flow4(struct flowi4 *fl4, const struct ipmesh_dev *ipm,
		  const struct ipmesh_route_key *key, u32 hash)
{
	memset(fl4, 0, sizeof(*fl4));
	flowi4_init_output(fl4, key->link, key->mark, key->tos & IPMESH_COMPAT_ROUTE_TOS,
			   RT_SCOPE_UNIVERSE, key->proto, 0,
			   ipmesh_addr_get4(&key->endpoint), ipmesh_addr_get4(&key->local),
			   key->dport, key->sport, sock_net_uid(ipm->net, NULL));
	fl4->flowi4_multipath_hash = hash;
}

static void flow6(struct flowi6 *fl6, const struct ipmesh_dev *ipm,
		  const struct ipmesh_route_key *key, u32 hash)
{
	*fl6 = (struct flowi6) {
		.flowi6_oif = key->link,
		.flowi6_mark = key->mark,
		.flowi6_proto = key->proto,
		.flowi6_uid = sock_net_uid(ipm->net, NULL),
		.flowlabel = ip6_make_flowinfo(key->tos, 0),
		.daddr = key->endpoint,
		.saddr = key->local,
		.fl6_dport = key->dport,
		.fl6_sport = key->sport,
		.mp_hash = hash,
	};
}

/* No packet is sent by a route back into the device, and none to a group. */
static struct dst_entry *usable4(const struct ipmesh_dev *ipm, struct rtable *rt)
{
	int err;

	if (IS_ERR(rt))
		return ERR_CAST(rt);
	if (rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST))
		err = -ENETUNREACH;
	else if (rt->dst.dev == ipm->dev)
		err = -ELOOP;
	else
		return &rt->dst;
	ip_rt_put(rt);
	return ERR_PTR(err);
}

static struct dst_entry *usable6(const struct ipmesh_dev *ipm, struct dst_entry *dst)
{
	int err;

	if (IS_ERR(dst))
		return dst;
	if (dst->error)
		err = dst->error;
	else if (dst->dev == ipm->dev)
		err = -ELOOP;
	else
		return dst;
	dst_release(dst);
	return ERR_PTR(err);
}

/**
 * ipmesh_route_path - the path to an endpoint
 * @ipm: the device
 * @key: what it is chosen by
 *
 * That is the route without what IPsec policies make of it: for those who ask what the
 * underlay is like. No key exchange begins for them.
 *
 * Context: RCU.
 * Return: a referenced route of the underlay's own; -ELOOP when it leads back into the
 * device, another error pointer when there is none.
 */
struct dst_entry *ipmesh_route_path(const struct ipmesh_dev *ipm,
				    const struct ipmesh_route_key *key)
{
	struct flowi6 fl6;
	struct flowi4 fl4;

	if (key->family == AF_INET) {
		flow4(&fl4, ipm, key, 0);
		return usable4(ipm, __ip_route_output_key(ipm->net, &fl4));
	}
	flow6(&fl6, ipm, key, 0);
	return usable6(ipm, ip6_route_output(ipm->net, NULL, &fl6));
}

/**
 * ipmesh_route_look_up - the way to an endpoint
 * @ipm: the device
 * @key: what it is chosen by
 * @hash: of the inner flow, to choose among equal ways; 0 for any of them
 * @saddr: where the outer source goes, network byte order; an IPv6 underlay
 *	leaves it, as its source is always the local address
 *
 * But for @hash, the result holds for every packet with the key.
 *
 * Context: BH off, RCU.
 * Return: a referenced route; -ELOOP when it leads back into the device,
 * another error pointer when there is none.
 */
struct dst_entry *ipmesh_route_look_up(const struct ipmesh_dev *ipm,
				       const struct ipmesh_route_key *key, u32 hash,
				       __be32 *saddr)
{
	struct dst_entry *dst;
	struct flowi6 fl6;
	struct flowi4 fl4;

	if (key->family == AF_INET) {
		flow4(&fl4, ipm, key, hash);
		dst = usable4(ipm, ip_route_output_key(ipm->net, &fl4));
		*saddr = fl4.saddr;
		return dst;
	}
	flow6(&fl6, ipm, key, hash);
	return usable6(ipm, ip6_dst_lookup_flow(ipm->net, NULL, &fl6, NULL));
}

/* A route by another device does not count, and one of any metric by this one does. */
static bool leads4(const struct ipmesh_dev *ipm, const struct ipmesh_route_key *key)
{
	struct fib_result res;
	struct flowi4 fl4;

	flow4(&fl4, ipm, key, 0);
	return !fib_lookup(ipm->net, &fl4, &res, FIB_LOOKUP_NOREF) && res.type == RTN_UNICAST;
}

static bool leads6(const struct ipmesh_dev *ipm, const struct ipmesh_conf *conf,
		   const struct ipmesh_route_key *key)
{
	int flags = RT6_LOOKUP_F_HAS_SADDR | RT6_LOOKUP_F_IFACE;
	struct dst_entry *dst;
	struct flowi6 fl6;
	bool leads;

	flow6(&fl6, ipm, key, 0);
	/* every device leads to every link-local address: the one that is sent by counts */
	if (ipv6_addr_type(&fl6.daddr) & IPV6_ADDR_LINKLOCAL) {
		fl6.flowi6_oif = conf->link;
		flags = RT6_LOOKUP_F_HAS_SADDR;
	}
	dst = ip6_route_lookup(ipm->net, &fl6, NULL, flags);
	leads = !dst->error && dst->dev->ifindex == key->link &&
		!(((const struct rt6_info *)dst)->rt6i_flags &
		  (RTF_REJECT | RTF_ANYCAST | RTF_LOCAL));
	dst_release(dst);
	return leads;
}

/**
 * ipmesh_route_leads - whether there is a route by a device
 * @ipm: the device
 * @conf: its conf
 * @key: of @conf, but @key->link is the device in the underlay that is asked about
 *
 * The feasible paths of RFC 3704 2.3: any route by that device will do, whether it is the
 * best or not.
 *
 * Context: BH off, RCU.
 */
bool ipmesh_route_leads(const struct ipmesh_dev *ipm, const struct ipmesh_conf *conf,
			const struct ipmesh_route_key *key)
{
	return key->family == AF_INET ? leads4(ipm, key) : leads6(ipm, conf, key);
}

static bool multipath4(const struct ipmesh_dev *ipm, const struct ipmesh_route_key *key)
{
	struct fib_result res;
	struct flowi4 fl4;

	flow4(&fl4, ipm, key, 0);
	return !fib_lookup(ipm->net, &fl4, &res, FIB_LOOKUP_NOREF) &&
	       res.fi && fib_info_num_path(res.fi) > 1;
}

static bool multipath6(const struct dst_entry *dst)
{
	const struct fib6_info *from;

	if (dst_xfrm(dst))
		return false;
	from = rcu_dereference_check(((const struct rt6_info *)dst)->from,
				     rcu_read_lock_bh_held());
	if (!from)
		return false;
	return from->nh ? nexthop_is_multipath(from->nh) : READ_ONCE(from->fib6_nsiblings);
}

/**
 * ipmesh_route_learned - the MTU of a peer's path that no route has learned
 * @peer: the peer
 *
 * Context: RCU.
 * Return: bytes, or 0 when there is nothing to add to what the route says.
 */
unsigned int ipmesh_route_learned(const struct ipmesh_peer *peer)
{
	/* before the time that it is good for, see remember4() */
	unsigned int mtu = smp_load_acquire(&peer->path_mtu);

	return mtu &&
	       time_before32(ipmesh_stats_now(), READ_ONCE(peer->path_mtu_until)) ? mtu : 0;
}

/* What a packet is to ask ipmesh_route_learned() about is no plain route. */
static bool has_learned(struct ipmesh_dev *ipm, const struct ipmesh_route_key *key)
{
	const struct ipmesh_peer *peer;

	if (likely(!key->dport))
		return false;
	peer = ipmesh_peer_find(ipm, &key->endpoint);
	return peer && ipmesh_route_learned(peer);
}

/* The route of an IPsec policy validates itself. */
static u32 route_cookie(struct dst_entry *dst)
{
	return dst_xfrm(dst) ? 0 : rt6_get_cookie((struct rt6_info *)dst);
}

/**
 * ipmesh_route_fill - look up the route of a key for the cache
 * @ipm: the device
 * @key: of its conf
 * @gen: number of the settings that @key was made under
 * @route: this CPU's cache
 *
 * Context: BH off, RCU, the lock of this CPU's parts.
 * Return: 0, or a negative error and the cache is empty; -ELOOP when the route leads
 * back into the device.
 */
int ipmesh_route_fill(struct ipmesh_dev *ipm, const struct ipmesh_route_key *key, u32 gen,
		      struct ipmesh_route *route)
{
	struct dst_entry *dst;
	__be32 saddr;

	dst = ipmesh_route_look_up(ipm, key, 0, &saddr);
	if (!IS_ERR(dst))
		ipmesh_way_hint(ipm, route->dst, dst);
	/* freed after a grace period: outer levels on this CPU may use it */
	dst_release(route->dst);
	route->dst = NULL;
	if (IS_ERR(dst))
		return PTR_ERR(dst);
	route->dst = dst;
	if (key->family == AF_INET) {
		route->saddr = saddr;
		if (multipath4(ipm, key))
			gen |= IPMESH_ROUTE_MULTIPATH;
		if (ipmesh_output_plain4(dst) && !has_learned(ipm, key))
			gen |= IPMESH_ROUTE_PLAIN;
	} else {
		route->cookie = route_cookie(dst);
		if (multipath6(dst))
			gen |= IPMESH_ROUTE_MULTIPATH;
	}
	route->gen = gen;
	return 0;
}

/**
 * ipmesh_route_by_proto - whether the path to an endpoint may depend on the protocol
 * @net: underlay namespace
 * @family: of the underlay
 *
 * Context: any.
 * Return: true when the namespace has rules of its own.
 */
bool ipmesh_route_by_proto(const struct net *net, u8 family)
{
#ifdef CONFIG_IP_MULTIPLE_TABLES
	if (family == AF_INET)
		return READ_ONCE(net->ipv4.fib_has_custom_rules);
#endif
#ifdef CONFIG_IPV6_MULTIPLE_TABLES
	if (family == AF_INET6)
		return READ_ONCE(net->ipv6.fib6_has_custom_rules);
#endif
	return false;
}

/* The kernel's IPv4 routes take what an error is about from a socket or from the packet
 * that it quotes. That packet has no mark, and came in by a device that is perhaps not
 * the one that it left by. So this is a socket that has sent by the key, and is no more
 * than that: nobody else sees it.
 */
static struct sock *sender4(const struct net *net, const struct ipmesh_route_key *key)
{
	struct inet_sock *inet = kzalloc(sizeof(*inet), GFP_ATOMIC);
	struct sock *sk = (struct sock *)inet;

	if (!inet)
		return NULL;
	sock_net_set(sk, (struct net *)net);
	sk->sk_bound_dev_if = key->link;
	sk->sk_mark = key->mark;
	sk->sk_protocol = key->proto;
	sk->sk_uid = sock_net_uid(net, NULL);
	inet->tos = key->tos & IPMESH_COMPAT_ROUTE_TOS;
	inet->inet_daddr = ipmesh_addr_get4(&key->endpoint);
	inet->inet_saddr = ipmesh_addr_get4(&key->local);
	return sk;
}

#define LEARNED_MTU_MIN		552		/* as net.ipv4.route.min_pmtu, */
#define LEARNED_FOR		(10 * 60 * HZ)	/* and .mtu_expires */

/* A route that a rule chooses by a UDP port cannot be taught: the kernel looks for what is
 * to learn without ports, and finds another one. The peer itself remembers then.
 */
static void remember4(struct ipmesh_dev *ipm, const struct ipmesh_route_key *key, u32 mtu)
{
	struct ipmesh_peer *peer = ipmesh_peer_find(ipm, &key->endpoint);
	struct dst_entry *dst = ipmesh_route_path(ipm, key);

	if (IS_ERR(dst))
		return;
	mtu = max_t(u32, mtu, LEARNED_MTU_MIN);
	if (peer && dst_mtu(dst) > mtu && !dst_metric_locked(dst, RTAX_MTU)) {
		WRITE_ONCE(peer->path_mtu_until,
			   ipmesh_stats_now() + (LEARNED_FOR >> IPMESH_STATS_TICK_SHIFT));
		/* seen by ipmesh_route_learned() with the time */
		smp_store_release(&peer->path_mtu, mtu);
		/* cached routes are looked up again */
		rt_genid_bump_ipv4(ipm->net);
	}
	dst_release(dst);
}

/**
 * ipmesh_route_pmtu - a router of the underlay has told of a path MTU
 * @ipm: the device
 * @key: of the packet that was too large
 * @skb: the error, its data at the header that it quotes
 * @mtu: what the error says, in bytes
 *
 * The path of the key learns it, and cached routes notice: RFC 1191, RFC 8201.
 *
 * Context: BH off, RCU.
 */
void ipmesh_route_pmtu(struct ipmesh_dev *ipm, const struct ipmesh_route_key *key,
		       struct sk_buff *skb, u32 mtu)
{
	struct dst_entry *dst = ipmesh_route_path(ipm, key);
	int offset = skb_network_offset(skb);
	struct sock *sk;

	if (IS_ERR(dst))
		return;
	if (key->family == AF_INET) {
		sk = sender4(ipm->net, key);
		if (sk)
			dst->ops->update_pmtu(dst, sk, NULL, mtu, false);
		kfree(sk);
		if (key->dport && ipmesh_route_by_proto(ipm->net, AF_INET))
			remember4(ipm, key, mtu);
	} else {
		/* addresses are those that are quoted */
		skb_reset_network_header(skb);
		dst->ops->update_pmtu(dst, NULL, skb, mtu, false);
		skb_set_network_header(skb, offset);
	}
	dst_release(dst);
}

/* Of an IPv6 route the caller has to know that it is the sender's to redirect. */
static bool is_from_gateway6(const struct dst_entry *dst, const struct sk_buff *skb)
{
	const struct rt6_info *rt = (const struct rt6_info *)dst;

	return rt->rt6i_flags & RTF_GATEWAY &&
	       ipv6_addr_equal(&rt->rt6i_gateway, &ipv6_hdr(skb)->saddr);
}

/**
 * ipmesh_route_redirect - a router of the underlay has told of a better one
 * @ipm: the device
 * @key: of the packet that is better sent to the other
 * @skb: the redirect, its network and transport headers its own, its data at the
 *	header that it quotes
 *
 * The path of the key follows, and cached routes notice: RFC 1122 3.2.2.2, RFC 4861 8.3.
 *
 * Context: BH off, RCU.
 */
void ipmesh_route_redirect(const struct ipmesh_dev *ipm, const struct ipmesh_route_key *key,
			   struct sk_buff *skb)
{
	struct dst_entry *dst = ipmesh_route_path(ipm, key);
	struct sock *sk;

	if (IS_ERR(dst))
		return;
	if (key->family == AF_INET) {
		sk = sender4(ipm->net, key);
		if (sk)
			dst->ops->redirect(dst, sk, skb);
		kfree(sk);
	} else if (is_from_gateway6(dst, skb)) {
		dst->ops->redirect(dst, NULL, skb);
	}
	dst_release(dst);
}
