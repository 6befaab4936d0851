/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_NEIGH_H
#define _IPMESH_NEIGH_H

struct inet6_dev;
struct neighbour;
struct net_device;

int ipmesh_neigh_construct(struct net_device *dev, struct neighbour *n);
void ipmesh_neigh_quiet(struct inet6_dev *idev);

#endif /* _IPMESH_NEIGH_H */
