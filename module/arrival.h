/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_ARRIVAL_H
#define _IPMESH_ARRIVAL_H

#include <linux/hash.h>
#include <linux/ipv6.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <net/net_namespace.h>

#include "conf.h"
#include "device.h"

struct ipmesh_peer;
struct sk_buff;

/* About four seconds: for so long a route of IPv6 may count that was removed. */
#define IPMESH_ARRIVAL_TICK_SHIFT	ilog2(HZ * 4)

/**
 * struct ipmesh_arrival - the device that the packets of a batch came by
 * @ifindex: its index; 0 before the first packet
 * @token: what &ipmesh_part_rx.arrival is for peers that it was found to lead to
 */
struct ipmesh_arrival {
	u32 ifindex;
	u32 token;
};

/**
 * ipmesh_arrival_token - what stands for a device and the routes of this moment
 * @conf: of the ipmesh device
 * @ifindex: of the device in the underlay
 *
 * Each change of the routes, or of @conf, makes another token. All but a removal of an
 * IPv6 route: the kernel does not count those, so that time makes another one there.
 *
 * Context: RCU.
 * Return: the token, never 0.
 */
static inline u32 ipmesh_arrival_token(const struct ipmesh_conf *conf, u32 ifindex)
{
	const struct net *net = conf->ipm->net;
	u64 now = get_jiffies_64();
	u32 version = conf->serial;

	if (conf->family == AF_INET)
		version += rt_genid_ipv4(net);
	else
		version += rt_genid_ipv6(net) + (u32)(now >> IPMESH_ARRIVAL_TICK_SHIFT);
	return hash_64_generic((u64)ifindex << 32 | version, 32) | 1;
}

bool ipmesh_arrival_leads(const struct ipmesh_conf *conf, const struct ipmesh_peer *peer,
			  const struct sk_buff *skb, u32 ifindex);

#endif /* _IPMESH_ARRIVAL_H */
