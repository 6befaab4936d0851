// SPDX-License-Identifier: GPL-2.0-only
/* Tunnels in a tunnel. A received packet may be for a device again once its outer
 * headers are gone, as often as it has headers: a few bytes for a sender, a pass
 * through the whole stack for us. So the levels are counted before the first.
 */

#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>

#include "conf.h"
#include "device.h"
#include "nest.h"
#include "udp.h"
#include "underlay.h"

/**
 * struct level - where the walk is
 * @dev: the device that the packet of this level comes from
 * @offset: of its IP header in the skb
 * @proto: ETH_P_IP or ETH_P_IPV6, network byte order
 */
struct level {
	const struct net_device *dev;
	unsigned int offset;
	__be16 proto;
};

static bool payload4(const struct level *lv, const struct sk_buff *skb, unsigned int *offset,
		     u8 *next)
{
	const struct iphdr *iph;
	struct iphdr buf;

	iph = skb_header_pointer(skb, lv->offset, sizeof(buf), &buf);
	/* what is in fragments comes back whole, and is looked at then */
	if (!iph || iph->version != 4 || iph->ihl < 5 || ip_is_fragment(iph))
		return false;
	*offset = lv->offset + iph->ihl * 4;
	*next = iph->protocol;
	return true;
}

static bool payload6(const struct level *lv, const struct sk_buff *skb, unsigned int *offset,
		     u8 *next)
{
	const struct ipv6hdr *ip6h;
	struct ipv6hdr buf;
	__be16 frag_off;
	int start;

	ip6h = skb_header_pointer(skb, lv->offset, sizeof(buf), &buf);
	if (!ip6h || ip6h->version != 6)
		return false;
	*next = ip6h->nexthdr;
	start = ipv6_skip_exthdr(skb, lv->offset + sizeof(buf), next, &frag_off);
	if (start < 0 || frag_off)
		return false;
	*offset = start;
	return true;
}

/* The payload of a port of ours is behind the UDP header. */
static bool behind_udp(const struct level *lv, const struct sk_buff *skb, unsigned int *offset,
		       u8 *next)
{
	const struct udphdr *uh;
	struct udphdr buf;
	const u8 *first;
	u8 byte;

	uh = skb_header_pointer(skb, *offset, sizeof(buf), &buf);
	if (!uh || !ipmesh_udp_bound(dev_net(lv->dev), uh->dest))
		return false;
	*offset += sizeof(*uh);
	first = skb_header_pointer(skb, *offset, sizeof(byte), &byte);
	if (!first)
		return false;
	*next = *first >> 4 == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	return true;
}

/* The device that the packet of this level is for, or NULL. */
static const struct ipmesh_conf *receiver(const struct level *lv, const struct sk_buff *skb)
{
	int vrf = l3mdev_master_ifindex_rcu(lv->dev);
	struct net *net = dev_net(lv->dev);
	struct in6_addr buf;
	const void *daddr;

	if (lv->proto == htons(ETH_P_IP)) {
		daddr = skb_header_pointer(skb, lv->offset + offsetof(struct iphdr, daddr),
					   sizeof(__be32), &buf);
		return ipmesh_underlay_find4(net, *(const __be32 *)daddr, lv->dev->ifindex, vrf);
	}
	daddr = skb_header_pointer(skb, lv->offset + offsetof(struct ipv6hdr, daddr),
				   sizeof(buf), &buf);
	return ipmesh_underlay_find6(net, daddr, lv->dev->ifindex, vrf);
}

/* One level down: false when the packet of this one is for none of our devices.
 * Most packets that come as far are UDP to a port of others: that is asked first.
 */
static bool descend(struct level *lv, const struct sk_buff *skb)
{
	const struct ipmesh_conf *conf;
	unsigned int offset;
	u8 next;

	if (!(lv->proto == htons(ETH_P_IP) ? payload4(lv, skb, &offset, &next) :
					     payload6(lv, skb, &offset, &next)))
		return false;
	if (next == IPPROTO_UDP && !behind_udp(lv, skb, &offset, &next))
		return false;
	if (next != IPPROTO_IPIP && next != IPPROTO_IPV6)
		return false;
	conf = receiver(lv, skb);
	if (!conf)
		return false;
	lv->dev = conf->ipm->dev;
	lv->offset = offset;
	lv->proto = next == IPPROTO_IPIP ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	return true;
}

/**
 * ipmesh_nest_deep - whether there are too many tunnels in a tunnel
 * @ipm: the device that the packet is received by
 * @skb: the packet, at its inner IP header
 * @proto: ETH_P_IP or ETH_P_IPV6, network byte order
 *
 * Only levels that lead to an ipmesh device of this host count: what a pod sends
 * through is its own affair.
 *
 * Context: BH off, RCU.
 * Return: true for more than IPMESH_NEST_MAX, with the one that is at hand.
 */
bool ipmesh_nest_deep(const struct ipmesh_dev *ipm, const struct sk_buff *skb, __be16 proto)
{
	struct level lv = { .dev = ipm->dev, .proto = proto };
	unsigned int n;

	for (n = 1; descend(&lv, skb); n++)
		if (n == IPMESH_NEST_MAX)
			return true;
	return false;
}
