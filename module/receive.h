/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_RECEIVE_H
#define _IPMESH_RECEIVE_H

#include <linux/types.h>

struct sk_buff;

void ipmesh_receive_udp(struct sk_buff *skb, __be16 inner_proto, u8 family);

int ipmesh_receive_register(void);
void ipmesh_receive_unregister(void);

#endif /* _IPMESH_RECEIVE_H */
