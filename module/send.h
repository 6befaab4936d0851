/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_SEND_H
#define _IPMESH_SEND_H

#include <linux/netdevice.h>

netdev_tx_t ipmesh_send_xmit(struct sk_buff *skb, struct net_device *dev);

#endif /* _IPMESH_SEND_H */
