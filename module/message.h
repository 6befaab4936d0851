/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_MESSAGE_H
#define _IPMESH_MESSAGE_H

#include <linux/types.h>

#include <uapi/linux/ipmesh.h>

struct ipmesh_dev;
struct ipmesh_peer;
struct sk_buff;

int ipmesh_message_put(struct sk_buff *skb, struct ipmesh_dev *ipm,
		       struct ipmesh_peer *peer, unsigned int *from);
struct sk_buff *ipmesh_message_make(struct ipmesh_dev *ipm, struct ipmesh_peer *peer,
				    u32 portid, u32 seq, u8 cmd, int cause);
void ipmesh_message_notify(struct ipmesh_dev *ipm, struct ipmesh_peer *peer,
			   u8 cmd, enum ipmesh_cause cause);

#endif /* _IPMESH_MESSAGE_H */
