/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_MERGE_H
#define _IPMESH_MERGE_H

#include <linux/types.h>

struct sk_buff;

/**
 * struct ipmesh_merge - what is known of a batch of received packets; on the stack
 * @last: UDP packet beside GRO that no socket was found for, or NULL
 * @in_gro: GRO may hold packets of the batch, or of one before
 * @passed: a packet that GRO might have merged goes beside it
 */
struct ipmesh_merge {
	const struct sk_buff *last;
	bool in_gro;
	bool passed;
};

bool ipmesh_merge_may(struct sk_buff *skb, struct ipmesh_merge *merge);

#endif /* _IPMESH_MERGE_H */
