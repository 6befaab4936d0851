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

static noinline int run_hooks(struct net *net, u8 pf, unsigned int hook, struct sk_buff *skb,
			      struct net_device *in, struct net_device *out,
			      const struct nf_hook_entries *entries)
{
	struct nf_hook_state state = {
		.hook = hook,
		.pf = pf,
		.in = in,
		.out = out,
		.net = net,
		.okfn = pf == NFPROTO_IPV4 ? ip_output : ip6_output,
	};

	return nf_hook_slow(skb, &state, entries, 0);
}

/* The hooks of one place, 1 when the packet may go on. A hook that keeps the packet
 * for a while, such as a queue to user space, has it go on by ip_output() or
 * ip6_output(), which are no code of this module's: it may be gone by then. These do
 * not pass a packet through the hooks of postrouting once more that is marked so.
 */
static __always_inline int hooks(struct net *net, u8 pf, unsigned int hook,
				 struct sk_buff *skb, struct net_device *in,
				 struct net_device *out)
{
	const struct nf_hook_entries *entries;

	entries = pf == NFPROTO_IPV4 ? rcu_dereference(net->nf.hooks_ipv4[hook]) :
				       rcu_dereference(net->nf.hooks_ipv6[hook]);
	if (!entries)
		return 1;
	if (hook == NF_INET_POST_ROUTING && pf == NFPROTO_IPV4)
		IPCB(skb)->flags |= IPSKB_REROUTED;
	else if (hook == NF_INET_POST_ROUTING)
		IP6CB(skb)->flags |= IP6SKB_REROUTED;
	return run_hooks(net, pf, hook, skb, in, out, entries);
}

#else

static int hooks(struct net *net, u8 pf, unsigned int hook, struct sk_buff *skb,
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

	ipmesh_compat_count_request4(net);
	ret = hooks(net, NFPROTO_IPV4, NF_INET_LOCAL_OUT, skb, NULL, dev);
	if (unlikely(ret != 1))
		return ret;
	/* a new mark or address has led to another route */
	if (unlikely(skb_dst(skb) != dst))
		return dst_output(net, NULL, skb);

	skb->dev = dev;
	ret = hooks(net, NFPROTO_IPV4, NF_INET_POST_ROUTING, skb, indev, dev);
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

	ipv6_hdr(skb)->payload_len = htons(len - sizeof(struct ipv6hdr));
	IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
	ret = hooks(net, NFPROTO_IPV6, NF_INET_LOCAL_OUT, skb, NULL, dev);
	if (unlikely(ret != 1))
		return ret;
	if (unlikely(skb_dst(skb) != dst))
		return dst_output(net, NULL, skb);

	skb->dev = dev;
	ret = hooks(net, NFPROTO_IPV6, NF_INET_POST_ROUTING, skb, indev, dev);
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
