// SPDX-License-Identifier: GPL-2.0-only
/* A packet's way in: from the underlay's protocols to the queue of a device. */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include <net/xfrm.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "cell.h"
#include "conf.h"
#include "decap.h"
#include "device.h"
#include "error.h"
#include "prefix.h"
#include "receive.h"
#include "underlay.h"

/* vti registers as 0; ipip, sit and ip6_tunnel as 1; the lowest goes first */
#define RECEIVE_PRIORITY	(-1)

/* Step 2: a packet for a device waits in its queue for the others of the batch. Where the pod
 * CIDR of its inner source is looked up then, is fetched into the cache now.
 */
static __always_inline int take(const struct ipmesh_conf *conf, struct sk_buff *skb,
				__be16 inner_proto, unsigned int cause)
{
	if (unlikely(cause)) {
		ipmesh_decap_drop(conf, skb, cause);
		return 0;
	}
	if (inner_proto == htons(ETH_P_IP) && likely(skb_headlen(skb) >= sizeof(struct iphdr)))
		ipmesh_prefix_fetch4(&conf->ipm->prefixes,
				     ((const struct iphdr *)skb->data)->saddr);
	ipmesh_decap_cb(skb)->inner_proto = inner_proto;
	/* it is good for this RCU section only */
	skb_dst_drop(skb);
	skb->dev = conf->ipm->dev;
	if (unlikely(!ipmesh_cell_receive(conf->ipm, skb)))
		ipmesh_decap_drop(conf, skb, IPMESH_A_DROPS_RX_QUEUE);
	return 0;
}

/* Step 1: a packet for none of our devices is passed on, untouched, to the next
 * tunnel protocol; one that is for a device is taken, and counted if dropped.
 */
static __always_inline int receive4(struct sk_buff *skb, __be16 inner_proto)
{
	const struct rtable *rt = skb_rtable(skb);
	const struct iphdr *iph = ip_hdr(skb);
	int iif = inet_iif(skb), sdif = inet_sdif(skb);
	const struct ipmesh_conf *conf;
	unsigned int cause = 0;

	conf = ipmesh_underlay_find4(dev_net(skb->dev), iph->daddr, iif, sdif);
	if (!conf)
		return -ENOENT;

	if (unlikely(!rt || rt->rt_type != RTN_LOCAL))
		cause = IPMESH_A_DROPS_OUTER_DST;
	else if (unlikely(!xfrm4_policy_check(NULL, XFRM_POLICY_IN, skb)))
		cause = IPMESH_A_DROPS_POLICY;
	ipv6_addr_set_v4mapped(iph->saddr, &ipmesh_decap_cb(skb)->endpoint);
	ipmesh_decap_cb(skb)->tos = ipv4_get_dsfield(iph);
	ipmesh_decap_cb(skb)->ifindex = sdif ?: skb->skb_iif;
	return take(conf, skb, inner_proto, cause);
}

static __always_inline int receive6(struct sk_buff *skb, __be16 inner_proto)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	int iif = inet6_iif(skb), sdif = inet6_sdif(skb);
	const struct ipmesh_conf *conf;
	unsigned int cause = 0;

	/* the local address is unicast and so is the destination, then */
	conf = ipmesh_underlay_find6(dev_net(skb->dev), &ip6h->daddr, iif, sdif);
	if (!conf)
		return -ENOENT;

	if (unlikely(!xfrm6_policy_check(NULL, XFRM_POLICY_IN, skb)))
		cause = IPMESH_A_DROPS_POLICY;
	ipmesh_decap_cb(skb)->endpoint = ip6h->saddr;
	ipmesh_decap_cb(skb)->tos = ipv6_get_dsfield(ip6h);
	ipmesh_decap_cb(skb)->ifindex = sdif ?: skb->skb_iif;
	return take(conf, skb, inner_proto, cause);
}

/* One function for each pair: what the inner packet is, is known when they are built. */
static int receive_4in4(struct sk_buff *skb)
{
	return receive4(skb, htons(ETH_P_IP));
}

static int receive_6in4(struct sk_buff *skb)
{
	return receive4(skb, htons(ETH_P_IPV6));
}

static int receive_4in6(struct sk_buff *skb)
{
	return receive6(skb, htons(ETH_P_IP));
}

static int receive_6in6(struct sk_buff *skb)
{
	return receive6(skb, htons(ETH_P_IPV6));
}

/**
 * ipmesh_receive_udp - receive from a UDP port
 * @skb: at the inner header, its network header the outer one
 * @inner_proto: ETH_P_IP, ETH_P_IPV6 or 0 for neither; network byte order
 * @family: of the outer header
 *
 * Context: BH off, RCU. Takes @skb. A packet for no device has nobody else to
 * go to, as the port is ours.
 */
void ipmesh_receive_udp(struct sk_buff *skb, __be16 inner_proto, u8 family)
{
	int err;

	if (inner_proto == htons(ETH_P_IP))
		err = family == AF_INET ? receive_4in4(skb) : receive_4in6(skb);
	else if (inner_proto)
		err = family == AF_INET ? receive_6in4(skb) : receive_6in6(skb);
	else
		err = family == AF_INET ? receive4(skb, 0) : receive6(skb, 0);
	if (err)
		kfree_skb(skb);
}

static struct xfrm_tunnel handler_4in4 __read_mostly = {
	.handler	= receive_4in4,
	.err_handler	= ipmesh_error_rcv4,
	.priority	= RECEIVE_PRIORITY,
};

static struct xfrm_tunnel handler_6in4 __read_mostly = {
	.handler	= receive_6in4,
	.err_handler	= ipmesh_error_rcv4,
	.priority	= RECEIVE_PRIORITY,
};

static struct xfrm6_tunnel handler_4in6 __read_mostly = {
	.handler	= receive_4in6,
	.err_handler	= ipmesh_error_rcv6,
	.priority	= RECEIVE_PRIORITY,
};

static struct xfrm6_tunnel handler_6in6 __read_mostly = {
	.handler	= receive_6in6,
	.err_handler	= ipmesh_error_rcv6,
	.priority	= RECEIVE_PRIORITY,
};

/**
 * ipmesh_receive_register - take tunnel packets ahead of the kernel's own
 *
 * Return: 0 or a negative error.
 */
int ipmesh_receive_register(void)
{
	int err;

	err = xfrm4_tunnel_register(&handler_4in4, AF_INET);
	if (err)
		return err;
	err = xfrm4_tunnel_register(&handler_6in4, AF_INET6);
	if (err)
		goto deregister_4in4;
	err = xfrm6_tunnel_register(&handler_4in6, AF_INET);
	if (err)
		goto deregister_6in4;
	err = xfrm6_tunnel_register(&handler_6in6, AF_INET6);
	if (err)
		goto deregister_4in6;
	return 0;

deregister_4in6:
	xfrm6_tunnel_deregister(&handler_4in6, AF_INET);
deregister_6in4:
	xfrm4_tunnel_deregister(&handler_6in4, AF_INET6);
deregister_4in4:
	xfrm4_tunnel_deregister(&handler_4in4, AF_INET);
	return err;
}

/**
 * ipmesh_receive_unregister - the reverse; no packet is under way afterwards
 */
void ipmesh_receive_unregister(void)
{
	xfrm6_tunnel_deregister(&handler_6in6, AF_INET6);
	xfrm6_tunnel_deregister(&handler_4in6, AF_INET);
	xfrm4_tunnel_deregister(&handler_6in4, AF_INET6);
	xfrm4_tunnel_deregister(&handler_4in4, AF_INET);
}
