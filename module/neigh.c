// SPDX-License-Identifier: GPL-2.0-only
/* One neighbour for all that a device sends to.
 *
 * A neighbour here has no link-layer address, and nothing to say. An entry for each
 * nexthop would fill the host's tables, with thousands of peers, or of pods behind a few:
 * past gc_thresh3 each new one is a search for one to throw away. On a point-to-point
 * device IPv4 has one entry for all nexthops. IPv6 has one for each gateway, and for each
 * destination that is routed without a gateway.
 *
 * So all IPv6 entries of a device are made with the same key, as IPv4's are, and the
 * kernel keeps the first. It would look for that one by the packet's nexthop, in vain, and
 * make the next packet's entry. The first packet of a route finds its neighbour here, and
 * takes the route to an output of our own, which needs none.
 */

#include <linux/bpf-cgroup.h>
#include <linux/netfilter.h>
#include <net/dst.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/neighbour.h>

#include "neigh.h"

static bool neigh_fits(struct sk_buff *skb)
{
	unsigned int mtu = ip6_skb_dst_mtu(skb);

	if (skb_is_gso(skb))
		return skb_gso_validate_network_len(skb, mtu);
	return skb->len <= mtu &&
	       (!IP6CB(skb)->frag_max_size || skb->len <= IP6CB(skb)->frag_max_size);
}

static int neigh_output6(struct net *net, struct sock *sk, struct sk_buff *skb);

/* The second half of ip6_output(), behind netfilter's hooks. What is more than a packet
 * for the device goes the kernel's way, without these hooks.
 */
static int neigh_finish6(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	const struct dst_entry *dst = skb_dst(skb);
	int ret, err;

	if (unlikely(READ_ONCE(dst->output) != neigh_output6 ||
		     ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr) || !neigh_fits(skb))) {
		IP6CB(skb)->flags |= IP6SKB_REROUTED;
		return ip6_output(net, sk, skb);
	}

	ret = BPF_CGROUP_RUN_PROG_INET_EGRESS(sk, skb);
	if (unlikely(ret != NET_XMIT_SUCCESS && ret != NET_XMIT_CN)) {
		ipmesh_compat_free_skb(skb, IPMESH_REASON_BPF_EGRESS);
		return ret;
	}
	ipmesh_compat_count_transmit6(net, ip6_dst_idev((struct dst_entry *)dst), skb->len);
	err = dev_queue_xmit(skb);
	return err ?: ret;
}

/* ip6_output() for a route that leads to a device of ours. It is only such a route's as
 * long as the route holds the device: what parts the two, dst_dev_put(), gives the route
 * another output first.
 */
static int neigh_output6(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	struct net_device *indev = skb->dev;
	struct dst_entry *dst = skb_dst(skb);
	struct inet6_dev *idev;
	int ret;

	rcu_read_lock();
	idev = ip6_dst_idev(dst);
	if (unlikely(!idev || READ_ONCE(idev->cnf.disable_ipv6) ||
		     IP6CB(skb)->flags & IP6SKB_REROUTED)) {
		ret = ip6_output(net, sk, skb);
	} else {
		skb->protocol = htons(ETH_P_IPV6);
		skb->dev = dst->dev;
		ret = NF_HOOK(NFPROTO_IPV6, NF_INET_POST_ROUTING, net, sk, skb, indev,
			      dst->dev, neigh_finish6);
	}
	rcu_read_unlock();
	return ret;
}

/* A route that is in none of the tables, which dst_dev_put() would clear, or that has a
 * tunnel of its own keeps its output.
 */
static void take_over(const struct net_device *dev, struct dst_entry *dst)
{
	if (!dst || dst->ops->family != AF_INET6 || dst->dev != dev || dst->lwtstate ||
	    READ_ONCE(dst->output) != ip6_output ||
	    ipmesh_compat_rt6_uncached((struct rt6_info *)dst))
		return;
	cmpxchg(&dst->output, ip6_output, neigh_output6);
}

/* neigh_direct_output(), which not every kernel exports */
static int neigh_direct4(struct neighbour *n, struct sk_buff *skb)
{
	return dev_queue_xmit(skb);
}

static int neigh_direct6(struct neighbour *n, struct sk_buff *skb)
{
	take_over(n->dev, skb_dst(skb));
	return dev_queue_xmit(skb);
}

/**
 * ipmesh_neigh_construct - ndo_neigh_construct
 * @dev: the device
 * @n: a neighbour that is being made; not yet in its table
 *
 * A neighbour has no link-layer header for its output to write. The device has
 * header_ops nevertheless: a packet socket learns the protocol by them.
 *
 * Context: any, BH may be off.
 * Return: 0.
 */
int ipmesh_neigh_construct(struct net_device *dev, struct neighbour *n)
{
	bool ipv6 = n->tbl->family == AF_INET6;

	/* as arp_constructor() does for IPv4 */
	if (ipv6)
		memset(n->primary_key, 0, sizeof(struct in6_addr));
	if (n->nud_state & NUD_NOARP)
		n->output = ipv6 ? neigh_direct6 : neigh_direct4;
	return 0;
}

/**
 * ipmesh_neigh_quiet - have nobody asked whether he is there
 * @idev: the device's IPv6 settings
 *
 * A router without a neighbour entry would be probed, by a packet that is for no peer.
 *
 * Context: process, RTNL.
 */
void ipmesh_neigh_quiet(struct inet6_dev *idev)
{
#ifdef CONFIG_IPV6_ROUTER_PREF
	WRITE_ONCE(idev->cnf.rtr_probe_interval, INT_MAX);
#endif
}
