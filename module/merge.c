// SPDX-License-Identifier: GPL-2.0-only
/* What GRO is given of received packets: only what it may merge, since the look at a packet
 * that it cannot is a fifth of all that receiving one costs.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/udp.h>

#include "merge.h"

/* Addresses and ports, which are linear, of two UDP packets, the second with a header of
 * @len bytes.
 */
static bool same_flow(const struct sk_buff *last, const struct sk_buff *skb, unsigned int len)
{
	if (last->protocol != skb->protocol ||
	    *(const u32 *)(last->data + len) != *(const u32 *)(skb->data + len))
		return false;
	if (skb->protocol == htons(ETH_P_IP))
		return ip_hdr(last)->saddr == ip_hdr(skb)->saddr &&
		       ip_hdr(last)->daddr == ip_hdr(skb)->daddr;
	return ipv6_addr_equal(&ipv6_hdr(last)->saddr, &ipv6_hdr(skb)->saddr) &&
	       ipv6_addr_equal(&ipv6_hdr(last)->daddr, &ipv6_hdr(skb)->daddr);
}

/* Whether a socket of this namespace would get the UDP packet: that may want it merged.
 * It is looked up once for packets of one flow that follow each other.
 */
static bool udp_socket(struct sk_buff *skb, struct ipmesh_merge *merge)
{
	bool inner4 = skb->protocol == htons(ETH_P_IP);
	unsigned int len = inner4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	const struct udphdr *uh;
	struct sock *sk;

	/* GRO merges neither fragments nor what has options */
	if (inner4 && (ip_hdr(skb)->ihl != 5 || ip_is_fragment(ip_hdr(skb))))
		return false;
	if (!pskb_may_pull(skb, len + sizeof(*uh)))
		return false;
	uh = (const struct udphdr *)(skb->data + len);
	if (!ipmesh_compat_udp_port(dev_net(skb->dev), uh->dest))
		return false;
	if (merge->last && same_flow(merge->last, skb, len))
		return false;

	rcu_read_lock();
	if (netif_is_l3_slave(skb->dev))
		sk = ERR_PTR(-EXDEV); /* in doubt */
	else if (inner4)
		sk = ipmesh_compat_udp4_lookup(dev_net(skb->dev), ip_hdr(skb)->saddr,
					       uh->source, ip_hdr(skb)->daddr, uh->dest,
					       skb->dev->ifindex);
	else
		sk = ipmesh_compat_udp6_lookup(dev_net(skb->dev), &ipv6_hdr(skb)->saddr,
					       uh->source, &ipv6_hdr(skb)->daddr, uh->dest,
					       skb->dev->ifindex);
	rcu_read_unlock();
	if (!sk)
		merge->last = skb;
	return sk;
}

/* Whether GRO may merge the packet with others: true in doubt. */
static bool may_merge(struct sk_buff *skb, struct ipmesh_merge *merge)
{
	u8 proto = skb->protocol == htons(ETH_P_IP) ? ip_hdr(skb)->protocol :
						      ipv6_hdr(skb)->nexthdr;

	switch (proto) {
	case IPPROTO_UDP:
		if (skb->dev->features & (NETIF_F_GRO_UDP_FWD | NETIF_F_GRO_FRAGLIST))
			return true;
		/* without the key no socket has anything to do with GRO */
		return ipmesh_compat_udp_gro() && udp_socket(skb, merge);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
	case IPPROTO_FRAGMENT:
		return false;
	}
	return true;
}

/* A TCP segment without data, and without IP options. */
static bool is_bare(const struct sk_buff *skb)
{
	bool inner4 = skb->protocol == htons(ETH_P_IP);
	unsigned int len = inner4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	const struct tcphdr *th = (const struct tcphdr *)(skb->data + len);

	if (inner4 ? ip_hdr(skb)->protocol != IPPROTO_TCP || ip_hdr(skb)->ihl != 5 :
		     ipv6_hdr(skb)->nexthdr != IPPROTO_TCP)
		return false;
	return skb_headlen(skb) >= len + sizeof(*th) && skb->len == len + th->doff * 4;
}

/**
 * ipmesh_merge_may - whether a received packet goes through GRO
 * @skb: the packet, at its network header
 * @merge: what is known of the batch; @in_gro becomes true before the first one goes
 *	through, and @passed is set here
 *
 * A clone's headers are not ours, and GRO writes; what is large already, or has no data,
 * is merged with nothing. These go past, unless they would overtake what is in there; a
 * clone is made our own then.
 *
 * Context: BH off.
 */
bool ipmesh_merge_may(struct sk_buff *skb, struct ipmesh_merge *merge)
{
	if (netif_elide_gro(skb->dev) || !may_merge(skb, merge))
		return false;
	if (merge->in_gro)
		return !skb_cloned(skb) || !skb_unclone(skb, GFP_ATOMIC);
	if (likely(!skb_cloned(skb)) && !skb_is_gso(skb) && !is_bare(skb))
		return true;
	merge->passed = true;
	return false;
}
