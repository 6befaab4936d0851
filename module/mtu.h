/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_MTU_H
#define _IPMESH_MTU_H

#include <linux/types.h>
#include <net/ip.h>

struct in6_addr;
struct ipmesh_dev;
struct ipmesh_underlay;

#define IPMESH_MTU_OVERHEAD	sizeof(struct iphdr)
#define IPMESH_MTU_MIN		68	/* RFC 791 */
#define IPMESH_MTU_MAX		(IP_MAX_MTU - IPMESH_MTU_OVERHEAD)

void ipmesh_mtu_update(struct ipmesh_dev *ipm);
void ipmesh_mtu_refresh(struct ipmesh_dev *ipm);
bool ipmesh_mtu_peer_new(struct ipmesh_dev *ipm, const struct in6_addr *endpoint);
int ipmesh_mtu_change(struct ipmesh_dev *ipm, int mtu);

void ipmesh_mtu_init(struct ipmesh_underlay *ul);
void ipmesh_mtu_exit(struct ipmesh_underlay *ul);

int ipmesh_mtu_register(void);
void ipmesh_mtu_unregister(void);

#endif /* _IPMESH_MTU_H */
