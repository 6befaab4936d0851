/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_ERROR_H
#define _IPMESH_ERROR_H

#include <linux/types.h>

struct inet6_skb_parm;
struct sk_buff;

int ipmesh_error_rcv4(struct sk_buff *skb, u32 info);
int ipmesh_error_rcv6(struct sk_buff *skb, struct inet6_skb_parm *opt,
		      u8 type, u8 code, int offset, __be32 info);

int ipmesh_error_register(void);
void ipmesh_error_unregister(void);

#endif /* _IPMESH_ERROR_H */
