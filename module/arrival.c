// SPDX-License-Identifier: GPL-2.0-only
/* Whether a packet came by a device that leads back to where it says it is from. A pod
 * that writes a peer's address into the outer header is found out by that: the device
 * of a pod leads to the pod alone.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/ipv6.h>

#include <uapi/linux/ipmesh.h>

#include "arrival.h"
#include "conf.h"
#include "device.h"
#include "peer.h"
#include "route.h"

/* What the route to a packet's outer source is chosen by, if it is to lead by a device. */
static void arrival_key(struct ipmesh_route_key *key, const struct ipmesh_conf *conf,
			const struct ipmesh_peer *peer, const struct sk_buff *skb, u32 ifindex)
{
	struct in6_addr source;
	__be16 dport;

	/* that answers in UDP would go to */
	if (!ipmesh_route_udp(conf, &peer->to, &dport))
		dport = conf->dport;
	if (conf->family == AF_INET) {
		const struct iphdr *iph = ip_hdr(skb);

		ipv6_addr_set_v4mapped(iph->saddr, &source);
		ipmesh_route_key(key, conf, &source, iph->protocol, dport);
		ipv6_addr_set_v4mapped(iph->daddr, &key->local);
	} else {
		const struct ipv6hdr *ip6h = ipv6_hdr(skb);

		ipmesh_route_key(key, conf, &ip6h->saddr, ip6h->nexthdr, dport);
		key->local = ip6h->daddr;
	}
	key->link = ifindex;
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
 * @peer: the peer that the packet is from
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
bool ipmesh_arrival_leads(const struct ipmesh_conf *conf, const struct ipmesh_peer *peer,
			  const struct sk_buff *skb, u32 ifindex)
{
	struct ipmesh_route_key key;

	if (conf->link == ifindex || is_loopback(conf, ifindex))
		return true;
	arrival_key(&key, conf, peer, skb, ifindex);
	return ipmesh_route_leads(conf->ipm, conf, &key);
}
