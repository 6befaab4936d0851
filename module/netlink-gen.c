// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/ipmesh.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink-gen.h"

#include <uapi/linux/ipmesh.h>

/* Common nested types */
const struct nla_policy ipmesh_cidr_nl_policy[IPMESH_A_CIDR_REMOVE + 1] = {
	[IPMESH_A_CIDR_PREFIX] = { .type = NLA_BINARY, },
	[IPMESH_A_CIDR_LENGTH] = NLA_POLICY_MAX(NLA_U8, 128),
	[IPMESH_A_CIDR_REMOVE] = { .type = NLA_FLAG, },
};

/* IPMESH_CMD_PEER_GET - do */
const struct nla_policy ipmesh_peer_get_nl_policy[IPMESH_A_PEER_ADDRESS + 1] = {
	[IPMESH_A_PEER_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[IPMESH_A_PEER_ENDPOINT] = { .type = NLA_BINARY, },
	[IPMESH_A_PEER_ADDRESS] = { .type = NLA_BINARY, },
};

/* IPMESH_CMD_PEER_NEW - do */
const struct nla_policy ipmesh_peer_new_nl_policy[IPMESH_A_PEER_ROUTES + 1] = {
	[IPMESH_A_PEER_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[IPMESH_A_PEER_ENDPOINT] = { .type = NLA_BINARY, },
	[IPMESH_A_PEER_NAME] = { .type = NLA_NUL_STRING, .len = IPMESH_NAME_MAX, },
	[IPMESH_A_PEER_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0xf),
	[IPMESH_A_PEER_CIDR] = NLA_POLICY_NESTED(ipmesh_cidr_nl_policy),
	[IPMESH_A_PEER_ENCAP] = NLA_POLICY_MAX(NLA_U32, 2),
	[IPMESH_A_PEER_DPORT] = { .type = NLA_U16, },
	[IPMESH_A_PEER_SOURCE] = NLA_POLICY_NESTED(ipmesh_cidr_nl_policy),
	[IPMESH_A_PEER_FROM] = NLA_POLICY_NESTED(ipmesh_cidr_nl_policy),
	[IPMESH_A_PEER_ROUTES] = NLA_POLICY_MAX(NLA_U32, 1),
};

/* IPMESH_CMD_PEER_SET - do */
const struct nla_policy ipmesh_peer_set_nl_policy[IPMESH_A_PEER_ROUTES + 1] = {
	[IPMESH_A_PEER_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[IPMESH_A_PEER_ENDPOINT] = { .type = NLA_BINARY, },
	[IPMESH_A_PEER_NAME] = { .type = NLA_NUL_STRING, .len = IPMESH_NAME_MAX, },
	[IPMESH_A_PEER_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0xf),
	[IPMESH_A_PEER_CIDR] = NLA_POLICY_NESTED(ipmesh_cidr_nl_policy),
	[IPMESH_A_PEER_ENCAP] = NLA_POLICY_MAX(NLA_U32, 2),
	[IPMESH_A_PEER_DPORT] = { .type = NLA_U16, },
	[IPMESH_A_PEER_SOURCE] = NLA_POLICY_NESTED(ipmesh_cidr_nl_policy),
	[IPMESH_A_PEER_FROM] = NLA_POLICY_NESTED(ipmesh_cidr_nl_policy),
	[IPMESH_A_PEER_ROUTES] = NLA_POLICY_MAX(NLA_U32, 1),
};

/* IPMESH_CMD_PEER_DEL - do */
const struct nla_policy ipmesh_peer_del_nl_policy[IPMESH_A_PEER_ENDPOINT + 1] = {
	[IPMESH_A_PEER_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[IPMESH_A_PEER_ENDPOINT] = { .type = NLA_BINARY, },
};

/* Ops table for ipmesh */
const struct genl_ops ipmesh_nl_ops[4] = {
	{
		.cmd		= IPMESH_CMD_PEER_GET,
		.doit		= ipmesh_nl_peer_get_doit,
		.dumpit		= ipmesh_nl_peer_get_dumpit,
		.policy		= ipmesh_peer_get_nl_policy,
		.maxattr	= IPMESH_A_PEER_ADDRESS,
	},
	{
		.cmd		= IPMESH_CMD_PEER_NEW,
		.doit		= ipmesh_nl_peer_new_doit,
		.policy		= ipmesh_peer_new_nl_policy,
		.maxattr	= IPMESH_A_PEER_ROUTES,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= IPMESH_CMD_PEER_SET,
		.doit		= ipmesh_nl_peer_set_doit,
		.policy		= ipmesh_peer_set_nl_policy,
		.maxattr	= IPMESH_A_PEER_ROUTES,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
	{
		.cmd		= IPMESH_CMD_PEER_DEL,
		.doit		= ipmesh_nl_peer_del_doit,
		.policy		= ipmesh_peer_del_nl_policy,
		.maxattr	= IPMESH_A_PEER_ENDPOINT,
		.flags		= GENL_UNS_ADMIN_PERM,
	},
};
