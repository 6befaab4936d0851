/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_SOURCE_H
#define _IPMESH_SOURCE_H

#include <linux/in6.h>
#include <linux/types.h>

#include "prefix.h"

struct ipmesh_change_list;
struct ipmesh_peer;
struct netlink_ext_ack;

/**
 * struct ipmesh_sources - inner sources that a peer may send from besides its pod CIDRs
 * @rcu: for kfree_rcu()
 * @count: length of @key; constant, as all of it is once published
 * @key: the prefixes, in the order in which they were named
 */
struct ipmesh_sources {
	struct rcu_head rcu;
	unsigned int count;
	struct ipmesh_prefix_key key[];
};

bool ipmesh_source_has(const struct ipmesh_peer *peer, const struct in6_addr *saddr);
const struct ipmesh_sources *ipmesh_source_get(const struct ipmesh_peer *peer);
int ipmesh_source_prepare(const struct ipmesh_peer *peer, const struct ipmesh_change_list *list,
			  struct ipmesh_sources **sources, struct netlink_ext_ack *extack);
void ipmesh_source_commit(struct ipmesh_peer *peer, const struct ipmesh_change_list *list,
			  struct ipmesh_sources *sources);

#endif /* _IPMESH_SOURCE_H */
