/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_HEADER_H
#define _IPMESH_HEADER_H

#include <linux/in.h>
#include <linux/skbuff.h>

#include "send.h"

/**
 * ipmesh_header_proto - the protocol that the outer IP header names
 * @send: the packet's way
 *
 * Return: IPPROTO_*.
 */
static inline u8 ipmesh_header_proto(const struct ipmesh_send *send)
{
	return send->udp ? IPPROTO_UDP : send->proto;
}

void ipmesh_header_push4(const struct ipmesh_send *send, struct sk_buff *skb, bool df);
void ipmesh_header_push6(const struct ipmesh_send *send, struct sk_buff *skb);

#endif /* _IPMESH_HEADER_H */
