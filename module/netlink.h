/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_NETLINK_H
#define _IPMESH_NETLINK_H

#include <net/genetlink.h>

struct ipmesh_dev;

extern struct genl_family ipmesh_netlink_family;

struct ipmesh_dev *ipmesh_netlink_device(struct net *net, const struct nlattr *attr,
					 struct netlink_ext_ack *extack);

int ipmesh_netlink_register(void);
void ipmesh_netlink_unregister(void);

#endif /* _IPMESH_NETLINK_H */
