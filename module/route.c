// SPDX-License-Identifier: GPL-2.0-only
/* The underlay's routes: what an outer packet's is chosen by, the look-up, and the cache of
 * the result.
 */

#include <linux/time.h>
#include <net/flow.h>
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
		if (ipmesh_output_plain4(dst))
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
