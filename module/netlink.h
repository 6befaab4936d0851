/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_NETLINK_H
#define _IPMESH_NETLINK_H

#include <net/genetlink.h>

extern struct genl_family ipmesh_netlink_family;

int ipmesh_netlink_register(void);
void ipmesh_netlink_unregister(void);

#endif /* _IPMESH_NETLINK_H */
