// SPDX-License-Identifier: GPL-2.0-only
/* Which outer packets netfilter does not track: those of a device with notrack. What
 * goes out is marked where it is sent. What comes in is marked here, ahead of connection
 * tracking, by a hook of the underlay's namespace that is there as long as a device wants
 * it: a namespace without one has no more to do for a packet than before.
 */

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/inetdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/rtnetlink.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "peer.h"
#include "track.h"
#include "udp.h"
#include "underlay.h"

#if IS_ENABLED(CONFIG_NETFILTER) && IS_ENABLED(CONFIG_NF_CONNTRACK)

/* Connection tracking has been there before, or a rule: that stays. */
static bool is_seen(const struct sk_buff *skb)
{
	enum ip_conntrack_info info;

	return nf_ct_get(skb, &info) || info == IP_CT_UNTRACKED;
}

/* A strict device has no other packets than its peers'; a stranger's is not worth the
 * look at a peer that each packet would take.
 */
static bool is_exempt(const struct ipmesh_conf *conf, const struct in6_addr *endpoint)
{
	return conf->notrack && (!conf->open || ipmesh_peer_find(conf->ipm, endpoint));
}

static bool is_tunnel(const struct nf_hook_state *state, const struct sk_buff *skb, u8 proto,
		      unsigned int offset)
{
	const struct udphdr *uh;
	struct udphdr buf;

	if (proto != IPPROTO_UDP)
		return proto == IPPROTO_IPIP || proto == IPPROTO_IPV6;
	if (!ipmesh_udp_may(skb, offset))
		return false;
	uh = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	return uh && ipmesh_udp_bound(state->net, uh->dest);
}

/* A packet that we receive, or one that we sent and that an error quotes. */
static bool is_ours4(const struct nf_hook_state *state, const struct sk_buff *skb,
		     const struct iphdr *iph, unsigned int offset, bool quoted)
{
	__be32 remote = quoted ? iph->daddr : iph->saddr;
	__be32 local = quoted ? iph->saddr : iph->daddr;
	const struct ipmesh_conf *conf;
	struct in6_addr endpoint;

	if (!is_tunnel(state, skb, iph->protocol, offset + iph->ihl * 4))
		return false;
	conf = ipmesh_underlay_find4(state->net, local, state->in->ifindex,
				     l3mdev_master_ifindex_rcu(state->in));
	if (!conf)
		return false;
	/* what is forwarded is no affair of ours */
	if (ipmesh_addr_any(&conf->local) && !__ip_dev_find(state->net, local, false))
		return false;
	ipv6_addr_set_v4mapped(remote, &endpoint);
	return is_exempt(conf, &endpoint);
}

/* Of fragments there are none left where connections are tracked. */
static const struct iphdr *header4(const struct sk_buff *skb, unsigned int offset,
				   struct iphdr *buf)
{
	const struct iphdr *iph = skb_header_pointer(skb, offset, sizeof(*buf), buf);

	return iph && iph->version == 4 && iph->ihl >= 5 && !ip_is_fragment(iph) ? iph : NULL;
}

/* An ICMP error about a packet that is not tracked would be invalid to a firewall. */
static bool is_error4(const struct nf_hook_state *state, const struct sk_buff *skb,
		      unsigned int offset)
{
	const struct icmphdr *icmph;
	const struct iphdr *iph;
	struct icmphdr buf;
	struct iphdr quoted;

	icmph = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!icmph || !icmp_is_err(icmph->type))
		return false;
	offset += sizeof(*icmph);
	iph = header4(skb, offset, &quoted);
	return iph && is_ours4(state, skb, iph, offset, true);
}

static unsigned int hook4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct iphdr *iph;
	struct iphdr buf;

	iph = header4(skb, 0, &buf);
	if (iph && !is_seen(skb) &&
	    (iph->protocol == IPPROTO_ICMP ? is_error4(state, skb, iph->ihl * 4) :
					     is_ours4(state, skb, iph, 0, false)))
		ipmesh_track_not(skb);
	return NF_ACCEPT;
}

/* The offset of the payload of an IPv6 header, or a negative one. */
static int payload6(const struct sk_buff *skb, const struct ipv6hdr *ip6h,
		    unsigned int offset, u8 *next)
{
	__be16 frag_off;
	int start;

	if (ip6h->version != 6)
		return -EINVAL;
	*next = ip6h->nexthdr;
	start = ipv6_skip_exthdr(skb, offset + sizeof(*ip6h), next, &frag_off);
	return frag_off ? -EINVAL : start;
}

static bool is_ours6(const struct nf_hook_state *state, const struct sk_buff *skb,
		     const struct in6_addr *local, const struct in6_addr *remote,
		     unsigned int offset, u8 proto)
{
	const struct ipmesh_conf *conf;

	if (!is_tunnel(state, skb, proto, offset))
		return false;
	conf = ipmesh_underlay_find6(state->net, local, state->in->ifindex,
				     l3mdev_master_ifindex_rcu(state->in));
	return conf && is_exempt(conf, remote);
}

static bool is_error6(const struct nf_hook_state *state, const struct sk_buff *skb,
		      unsigned int offset)
{
	const struct icmp6hdr *icmph;
	const struct ipv6hdr *ip6h;
	struct icmp6hdr buf;
	struct ipv6hdr quoted;
	int start;
	u8 next;

	icmph = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!icmph || !icmpv6_is_err(icmph->icmp6_type))
		return false;
	offset += sizeof(*icmph);
	ip6h = skb_header_pointer(skb, offset, sizeof(quoted), &quoted);
	if (!ip6h)
		return false;
	start = payload6(skb, ip6h, offset, &next);
	return start >= 0 && is_ours6(state, skb, &ip6h->saddr, &ip6h->daddr, start, next);
}

static unsigned int hook6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	int start;
	u8 next;

	start = payload6(skb, ip6h, 0, &next);
	if (start >= 0 && !is_seen(skb) &&
	    (next == IPPROTO_ICMPV6 ? is_error6(state, skb, start) :
				      is_ours6(state, skb, &ip6h->daddr, &ip6h->saddr, start,
					       next)))
		ipmesh_track_not(skb);
	return NF_ACCEPT;
}

/* Behind defragmentation, ahead of connection tracking, where rules say notrack too. */
static const struct nf_hook_ops ops4 = {
	.hook		= hook4,
	.pf		= NFPROTO_IPV4,
	.hooknum	= NF_INET_PRE_ROUTING,
	.priority	= NF_IP_PRI_RAW,
};

static const struct nf_hook_ops ops6 = {
	.hook		= hook6,
	.pf		= NFPROTO_IPV6,
	.hooknum	= NF_INET_PRE_ROUTING,
	.priority	= NF_IP6_PRI_RAW,
};

/**
 * ipmesh_track_want - have received packets marked, or no longer for this device's sake
 * @ipm: the device
 * @conf: its conf, or the one that it is about to get: of the same family
 * @want: whether it has notrack
 *
 * A packet may still be in the hook when this returns. All that the hook uses is there
 * until a grace period later: the module waits for one when it is removed, and so does
 * each device.
 *
 * Context: process, RTNL.
 * Return: 0, or a negative error and all stays as it was; never one without @want.
 */
int ipmesh_track_want(struct ipmesh_dev *ipm, const struct ipmesh_conf *conf, bool want)
{
	bool is4 = conf->family == AF_INET;
	const struct nf_hook_ops *ops = is4 ? &ops4 : &ops6;
	unsigned int *users = &ipmesh_underlay_get(ipm->net)->notrack[is4];
	int err;

	ASSERT_RTNL();

	if (ipm->notrack == want)
		return 0;
	if (want && !*users) {
		err = nf_register_net_hook(ipm->net, ops);
		if (err)
			return err;
	}
	*users += want ? 1 : -1;
	if (!*users)
		nf_unregister_net_hook(ipm->net, ops);
	ipm->notrack = want;
	return 0;
}

#else

int ipmesh_track_want(struct ipmesh_dev *ipm, const struct ipmesh_conf *conf, bool want)
{
	return 0;
}

#endif
