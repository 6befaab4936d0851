/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_TRACK_H
#define _IPMESH_TRACK_H

#include <linux/skbuff.h>
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
#include <net/netfilter/nf_conntrack.h>
#endif

struct ipmesh_conf;
struct ipmesh_dev;

/**
 * ipmesh_track_not - have a packet pass connection tracking
 * @skb: the packet, which has no connection
 *
 * What netfilter's own notrack does: rules see it as "untracked".
 */
static inline void ipmesh_track_not(struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
	nf_ct_set(skb, NULL, IP_CT_UNTRACKED);
#endif
}

int ipmesh_track_want(struct ipmesh_dev *ipm, const struct ipmesh_conf *conf, bool want);

#endif /* _IPMESH_TRACK_H */
