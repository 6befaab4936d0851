// SPDX-License-Identifier: GPL-2.0-only
/* Whether a packet came by a device that leads back to where it says it is from. A pod
 * that writes a peer's address into the outer header is found out by that: the device
 * of a pod leads to the pod alone.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/flow.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>
#include <net/ipv6.h>
#include <net/route.h>

#include <uapi/linux/ipmesh.h>

#include "arrival.h"

static u8 route_tos(const struct ipmesh_conf *conf)
{
	return conf->dscp == IPMESH_DSCP_INHERIT ? 0 : conf->dscp << 2;
}

/* A route by another device does not count, and one of any metric by this one does. */
static bool leads4(const struct ipmesh_conf *conf, const struct sk_buff *skb, u32 ifindex)
{
	const struct iphdr *iph = ip_hdr(skb);
	bool udp = iph->protocol == IPPROTO_UDP;
	struct net *net = conf->ipm->net;
	struct fib_result res;
	struct flowi4 fl4;

	memset(&fl4, 0, sizeof(fl4));
	flowi4_init_output(&fl4, ifindex, conf->fwmark, RT_TOS(route_tos(conf)),
			   RT_SCOPE_UNIVERSE, iph->protocol, 0, iph->saddr, iph->daddr,
			   udp ? conf->dport : 0, udp ? conf->sport : 0,
			   sock_net_uid(net, NULL));
	return !fib_lookup(net, &fl4, &res, FIB_LOOKUP_NOREF) && res.type == RTN_UNICAST;
}

static bool leads6(const struct ipmesh_conf *conf, const struct sk_buff *skb, u32 ifindex)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	bool udp = ip6h->nexthdr == IPPROTO_UDP;
	struct net *net = conf->ipm->net;
	struct flowi6 fl6 = {
		.flowi6_oif = ifindex,
		.flowi6_mark = conf->fwmark,
		.flowi6_proto = ip6h->nexthdr,
		.flowi6_uid = sock_net_uid(net, NULL),
		.flowlabel = ip6_make_flowinfo(route_tos(conf), 0),
		.daddr = ip6h->saddr,
		.saddr = ip6h->daddr,
		.fl6_dport = udp ? conf->dport : 0,
		.fl6_sport = udp ? conf->sport : 0,
	};
	int flags = RT6_LOOKUP_F_HAS_SADDR | RT6_LOOKUP_F_IFACE;
	struct dst_entry *dst;
	bool leads;

	/* every device leads to every link-local address: the one that is sent by counts */
	if (ipv6_addr_type(&fl6.daddr) & IPV6_ADDR_LINKLOCAL) {
		fl6.flowi6_oif = conf->link;
		flags = RT6_LOOKUP_F_HAS_SADDR;
	}
	dst = ip6_route_lookup(net, &fl6, NULL, flags);
	leads = !dst->error && dst->dev->ifindex == ifindex &&
		!(((const struct rt6_info *)dst)->rt6i_flags &
		  (RTF_REJECT | RTF_ANYCAST | RTF_LOCAL));
	dst_release(dst);
	return leads;
}

/* What this host sends to itself comes by lo, or by its VRF. */
static bool is_loopback(const struct ipmesh_conf *conf, u32 ifindex)
{
	const struct net_device *dev = dev_get_by_index_rcu(conf->ipm->net, ifindex);

	return dev && (dev->flags & IFF_LOOPBACK || netif_is_l3_master(dev));
}

/**
 * ipmesh_arrival_leads - whether a device leads to a packet's outer source
 * @conf: of the ipmesh device
 * @skb: the packet, its network header the outer one
 * @ifindex: of the device that it came by, the VRF's slave where there is one
 *
 * The feasible paths of RFC 3704 2.3: any route to the outer source by that device will
 * do, whether it is the best or not, so that a packet may come another way than answers
 * go. The rules for routes see what they see of packets sent there.
 *
 * Context: BH off, RCU.
 * Return: true when it does, and for the lower device that @conf names.
 */
bool ipmesh_arrival_leads(const struct ipmesh_conf *conf, const struct sk_buff *skb,
			  u32 ifindex)
{
	if (conf->link == ifindex || is_loopback(conf, ifindex))
		return true;
	return conf->family == AF_INET ? leads4(conf, skb, ifindex) :
					 leads6(conf, skb, ifindex);
}
