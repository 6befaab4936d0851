/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_UDP_H
#define _IPMESH_UDP_H

#include <linux/types.h>

struct ipmesh_conf;
struct ipmesh_dev;
struct ipmesh_underlay;
struct net;
struct netlink_ext_ack;
struct nlattr;

/**
 * struct ipmesh_udp - a UDP port that devices of a namespace receive on
 * @list: in &ipmesh_underlay.udp; written under its udp_lock, read under RCU
 * @sock: bound to @port of every address; constant
 * @family: AF_INET or AF_INET6; constant
 * @port: network byte order; constant
 * @users: devices that want it; under udp_lock
 * @rcu: for kfree_rcu()
 */
struct ipmesh_udp {
	struct list_head list;
	struct socket *sock;
	u8 family;
	__be16 port;
	unsigned int users;
	struct rcu_head rcu;
};

bool ipmesh_udp_bound(struct net *net, __be16 port);
int ipmesh_udp_want(struct ipmesh_dev *ipm, const struct ipmesh_conf *conf,
		    unsigned int udp_peers, const struct nlattr *attr,
		    struct netlink_ext_ack *extack);
void ipmesh_udp_close(struct ipmesh_underlay *ul, struct ipmesh_udp *udp);

#endif /* _IPMESH_UDP_H */
