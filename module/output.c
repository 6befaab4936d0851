// SPDX-License-Identifier: GPL-2.0-only
/* The way of a finished outer packet to its neighbour.
 *
 * ip_local_out() would do it too, and does for all that is not plain. It passes
 * through seven functions, several of which find out again what is known here of
 * every packet: that it fits the path, that the route is one to a neighbour.
 */

#include <linux/netfilter.h>
#include <net/addrconf.h>
#include <net/arp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/ndisc.h>
#include <net/neighbour.h>
#include <net/route.h>
#include <net/sock.h>

#include "output.h"

#ifdef CONFIG_NETFILTER

/* Whether there are hooks of output. The kernel's own function runs them, the one that
 * IPsec calls for the packets that it has made: a hook that keeps the packet for a while,
 * such as a queue to user space, has it go on by dst_output(), by whatever route it has
 * then, through an IPsec policy or a tunnel of that route's. No code of this module's may
 * be called then: it may be gone.
 */
static __always_inline bool hooks_output(const struct net *net, u8 pf)
{
	return pf == NFPROTO_IPV4 ? rcu_access_pointer(net->nf.hooks_ipv4[NF_INET_LOCAL_OUT]) :
				    rcu_access_pointer(net->nf.hooks_ipv6[NF_INET_LOCAL_OUT]);
}

static noinline int run_hooks(struct net *net, u8 pf, struct sk_buff *skb,
			      struct net_device *in, struct net_device *out,
			      const struct nf_hook_entries *entries)
{
	struct nf_hook_state state = {
		.hook = NF_INET_POST_ROUTING,
		.pf = pf,
		.in = in,
		.out = out,
		.net = net,
		.okfn = pf == NFPROTO_IPV4 ? ip_output : ip6_output,
	};

	return nf_hook_slow(skb, &state, entries, 0);
}

/* The hooks of postrouting, 1 when the packet may go on. What one of them keeps for a
 * while goes on by ip_output() or ip6_output(), which do not pass a packet that is marked
 * so through these hooks once more, and see a policy that NAT has led it to.
 */
static __always_inline int postrouting(struct net *net, u8 pf, struct sk_buff *skb,
				       struct net_device *in, struct net_device *out)
{
	const struct nf_hook_entries *entries;

	entries = pf == NFPROTO_IPV4 ?
		  rcu_dereference(net->nf.hooks_ipv4[NF_INET_POST_ROUTING]) :
		  rcu_dereference(net->nf.hooks_ipv6[NF_INET_POST_ROUTING]);
	if (!entries)
		return 1;
	if (pf == NFPROTO_IPV4)
		IPCB(skb)->flags |= IPSKB_REROUTED;
	else
		IP6CB(skb)->flags |= IP6SKB_REROUTED;
	return run_hooks(net, pf, skb, in, out, entries);
}

#else

static bool hooks_output(const struct net *net, u8 pf)
{
	return false;
}

static int postrouting(struct net *net, u8 pf, struct sk_buff *skb,
		       struct net_device *in, struct net_device *out)
{
	return 1;
}

#endif

/**
 * ipmesh_output4 - have an outer IPv4 packet go
 * @net: underlay namespace
 * @skb: the packet with its header complete, no larger than its path takes, or a GSO
 *	packet whose segments are not, and with a route for which
 *	ipmesh_output_plain4() is true; IPCB() is zero
 *
 * Has the effects of ip_local_out() without a socket: netfilter's hooks, statistics,
 * the neighbour. It goes on by dev_queue_xmit(), where traffic control, netfilter's
 * egress and taps are.
 *
 * Context: BH off, RCU.
 * Return: as ip_local_out(): 0, NET_XMIT_* or a negative error; the packet is gone.
 */
int ipmesh_output4(struct net *net, struct sk_buff *skb)
{
	struct dst_entry *dst = skb_dst(skb);
	struct rtable *rt = (struct rtable *)dst;
	struct net_device *indev = skb->dev;
	struct net_device *dev = dst->dev;
	unsigned int len = skb->len;
	struct neighbour *neigh;
	bool is_v6gw = false;
	int ret;

	/* what has no length in its header, and what a VRF wants to see first */
	if (unlikely(len > IP_MAX_MTU || netif_is_l3_slave(dev)))
		return ip_local_out(net, NULL, skb);

	if (hooks_output(net, NFPROTO_IPV4)) {
		ret = dst->ops->local_out(net, NULL, skb);
		if (unlikely(ret != 1))
			return ret;
		/* a new mark or address has led to another route */
		if (unlikely(skb_dst(skb) != dst))
			return dst_output(net, NULL, skb);
	} else {
		ipmesh_compat_count_request4(net);
	}

	skb->dev = dev;
	ret = postrouting(net, NFPROTO_IPV4, skb, indev, dev);
	if (unlikely(ret != 1)) {
		if (ret < 0)
			ipmesh_compat_count_refused4(net, len);
		return ret;
	}
	/* NAT has led it to a policy, or it is no longer the packet that was measured */
	if (unlikely(skb_dst(skb) != dst || skb->len != len))
		return ip_output(net, NULL, skb);

	neigh = ip_neigh_for_gw(rt, skb, &is_v6gw);
	if (IS_ERR(neigh))
		return ip_output(net, NULL, skb);
	IP_UPD_PO_STATS(net, IPSTATS_MIB_OUT, len);
	sock_confirm_neigh(skb, neigh);
	return neigh_output(neigh, skb, is_v6gw);
}

static struct neighbour *neighbour6(const struct dst_entry *dst, const struct sk_buff *skb)
{
	const struct rt6_info *rt = (const struct rt6_info *)dst;
	struct neighbour *neigh;
	const void *nexthop;

	nexthop = rt6_nexthop(rt, &ipv6_hdr(skb)->daddr);
	neigh = __ipv6_neigh_lookup_noref(dst->dev, nexthop);
	return likely(neigh) ? neigh : __neigh_create(&nd_tbl, nexthop, dst->dev, false);
}

/**
 * ipmesh_output6 - have an outer IPv6 packet go
 * @net: underlay namespace
 * @skb: the packet with its header complete but for its length, no larger than its path
 *	takes, or a GSO packet whose segments are not, and with a route for which
 *	ipmesh_output_plain6() is true; IP6CB() is zero
 *
 * Has the effects of ip6_local_out() without a socket.
 *
 * Context: BH off, RCU.
 * Return: as ip6_local_out(): 0, NET_XMIT_* or a negative error; the packet is gone.
 */
int ipmesh_output6(struct net *net, struct sk_buff *skb)
{
	struct dst_entry *dst = skb_dst(skb);
	struct inet6_dev *idev = ip6_dst_idev(dst);
	struct net_device *indev = skb->dev;
	struct net_device *dev = dst->dev;
	unsigned int len = skb->len;
	struct neighbour *neigh;
	int ret;

	if (unlikely(len > IPV6_MAXPLEN || netif_is_l3_slave(dev) || !idev ||
		     READ_ONCE(idev->cnf.disable_ipv6)))
		return ip6_local_out(net, NULL, skb);

	if (hooks_output(net, NFPROTO_IPV6)) {
		ret = dst->ops->local_out(net, NULL, skb);
		if (unlikely(ret != 1))
			return ret;
		if (unlikely(skb_dst(skb) != dst))
			return dst_output(net, NULL, skb);
	} else {
		ipv6_hdr(skb)->payload_len = htons(len - sizeof(struct ipv6hdr));
		IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
	}

	skb->dev = dev;
	ret = postrouting(net, NFPROTO_IPV6, skb, indev, dev);
	if (unlikely(ret != 1))
		return ret;
	if (unlikely(skb_dst(skb) != dst || skb->len != len))
		return ip6_output(net, NULL, skb);

	neigh = neighbour6(dst, skb);
	if (IS_ERR(neigh))
		return ip6_output(net, NULL, skb);
	ipmesh_compat_count_transmit6(net, idev, len);
	sock_confirm_neigh(skb, neigh);
	return neigh_output(neigh, skb, false);
}
