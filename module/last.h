/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_LAST_H
#define _IPMESH_LAST_H

#include <linux/in6.h>
#include <linux/seqlock.h>
#include <linux/types.h>

#include <uapi/linux/ipmesh.h>

struct ipmesh_dev;
struct sk_buff;

/* Causes that a setting would mend: no_peer, unknown_peer, src_not_allowed. */
#define IPMESH_LAST_CAUSES	3

/**
 * struct ipmesh_last - the last packet of a CPU that met each of some causes
 * @seq: guards @packets; written by this CPU with BH off
 * @packets: by cause; @when 0 where there was none
 * @packets.when: in jiffies, of 64 bits
 * @packets.endpoint: outer source of a received packet, IPv4 v4-mapped; any for a sent one
 * @packets.inner: inner source of a received packet, inner destination of a sent one
 */
struct ipmesh_last {
	seqcount_t seq;
	struct ipmesh_last_packet {
		u64 when;
		struct in6_addr endpoint;
		struct in6_addr inner;
	} packets[IPMESH_LAST_CAUSES];
};

void ipmesh_last_init(struct ipmesh_last *last);
void ipmesh_last_note(struct ipmesh_last *last, unsigned int cause,
		      const struct in6_addr *endpoint, struct sk_buff *skb);
size_t ipmesh_last_size(void);
int ipmesh_last_fill(struct sk_buff *skb, const struct ipmesh_dev *ipm);

#endif /* _IPMESH_LAST_H */
