/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/ipmesh.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_IPMESH_GEN_H
#define _LINUX_IPMESH_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/ipmesh.h>

/* Common nested types */
extern const struct nla_policy ipmesh_cidr_nl_policy[IPMESH_A_CIDR_REMOVE + 1];

extern const struct nla_policy ipmesh_peer_get_nl_policy[IPMESH_A_PEER_ADDRESS + 1];

extern const struct nla_policy ipmesh_peer_new_nl_policy[IPMESH_A_PEER_ROUTES + 1];

extern const struct nla_policy ipmesh_peer_set_nl_policy[IPMESH_A_PEER_ROUTES + 1];

extern const struct nla_policy ipmesh_peer_del_nl_policy[IPMESH_A_PEER_ENDPOINT + 1];

/* Ops table for ipmesh */
extern const struct genl_ops ipmesh_nl_ops[4];

int ipmesh_nl_peer_get_doit(struct sk_buff *skb, struct genl_info *info);
int ipmesh_nl_peer_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int ipmesh_nl_peer_new_doit(struct sk_buff *skb, struct genl_info *info);
int ipmesh_nl_peer_set_doit(struct sk_buff *skb, struct genl_info *info);
int ipmesh_nl_peer_del_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	IPMESH_NLGRP_PEERS,
};

#endif /* _LINUX_IPMESH_GEN_H */
