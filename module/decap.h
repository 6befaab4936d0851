/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_DECAP_H
#define _IPMESH_DECAP_H

#include <linux/in6.h>
#include <linux/skbuff.h>

struct ipmesh_conf;
struct ipmesh_part_rx;

/**
 * struct ipmesh_decap_cb - what is known of a packet that waits to be decapsulated
 * @endpoint: its outer source
 * @rx: this CPU's part of the peer that sent it, or NULL; written as it is checked, and
 *	good as long as the RCU section lasts
 * @inner_proto: ETH_P_IP, ETH_P_IPV6 or 0 for neither; network byte order
 * @tos: its outer DSCP and ECN
 * @cause: why it is to be dropped, IPMESH_A_DROPS_*, or 0; written as it is checked
 * @ifindex: of the device that it came by, the slave where that is a VRF's, lo where this
 *	host sent it
 */
struct ipmesh_decap_cb {
	struct in6_addr endpoint;
	struct ipmesh_part_rx *rx;
	__be16 inner_proto;
	u8 tos;
	u8 cause;
	u32 ifindex;
};

/**
 * ipmesh_decap_cb - what is known of a packet
 * @skb: the packet
 *
 * Return: its control block.
 */
static inline struct ipmesh_decap_cb *ipmesh_decap_cb(const struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct ipmesh_decap_cb) > sizeof(skb->cb));
	return (struct ipmesh_decap_cb *)skb->cb;
}

unsigned int ipmesh_decap_batch(const struct ipmesh_conf *conf, struct sk_buff **skbs,
				unsigned int n);
void ipmesh_decap_drop(const struct ipmesh_conf *conf, struct sk_buff *skb,
		       unsigned int cause);

#endif /* _IPMESH_DECAP_H */
