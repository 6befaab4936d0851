/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_PRIVILEGE_H
#define _IPMESH_PRIVILEGE_H

struct ipmesh_dev;
struct netlink_ext_ack;
struct nlattr;
struct sk_buff;

int ipmesh_privilege_check(const struct ipmesh_dev *ipm, const struct sk_buff *skb,
			   const struct nlattr *attr, struct netlink_ext_ack *extack);
int ipmesh_privilege_link(const struct ipmesh_dev *ipm, struct nlattr *data[],
			  struct netlink_ext_ack *extack);

#endif /* _IPMESH_PRIVILEGE_H */
