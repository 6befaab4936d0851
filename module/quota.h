/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_QUOTA_H
#define _IPMESH_QUOTA_H

struct ipmesh_dev;
struct ipmesh_peer;
struct net;
struct netlink_ext_ack;
struct nlattr;

int ipmesh_quota_join(struct ipmesh_dev *ipm, const struct net *net,
		      struct netlink_ext_ack *extack);
void ipmesh_quota_leave(struct ipmesh_dev *ipm);
int ipmesh_quota_take(struct ipmesh_dev *ipm, const struct net *net, unsigned int n,
		      const struct nlattr *attr, struct netlink_ext_ack *extack);
unsigned int ipmesh_quota_peer(const struct ipmesh_peer *peer);
void ipmesh_quota_give(struct ipmesh_dev *ipm, unsigned int n);

#endif /* _IPMESH_QUOTA_H */
