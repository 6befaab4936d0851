/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_CONF_H
#define _IPMESH_CONF_H

#include <linux/in6.h>
#include <linux/netlink.h>
#include <linux/types.h>

struct ipmesh_dev;
struct net;
struct nlattr;
struct sk_buff;

/**
 * struct ipmesh_conf - attributes of a device, as the data path reads them
 * @node: in the underlay's table of local addresses; under its lock
 * @ipm: the device
 * @local: underlay address, an IPv4 one v4-mapped, 0.0.0.0 for any
 * @family: AF_INET or AF_INET6: what the underlay is
 * @overhead: bytes that the outer IP header adds to a packet
 * @link: index of the lower device; 0 for none
 * @fwmark: mark of outer packets
 * @ttl: outer TTL, or IPMESH_TTL_INHERIT
 * @dscp: outer DSCP, or IPMESH_DSCP_INHERIT
 * @encap: IPMESH_ENCAP_NONE or _UDP, for peers that have none of their own
 * @dport: UDP destination port, network byte order
 * @sport: UDP source port, network byte order; 0 for one by flow
 * @csum: fill in the UDP checksum
 * @pmtudisc: set DF in every outer header
 * @open: endpoints that are no peers may send and be sent to
 * @notrack: keep outer packets between peers out of connection tracking
 * @rpf: take a peer's packets from devices only that lead to it, unless @open
 * @check_arrival: @rpf, and not @open
 * @max_peers: most peers the device takes
 * @gen: number of the settings that routes depend on, so that a route cached under others
 *	is known to be stale; in steps of IPMESH_CONF_GEN_STEP
 * @serial: grows with each conf of the device
 * @rcu: for kfree_rcu()
 *
 * Constant once published; a change makes a new one, under RTNL. Only @node
 * is written later, when the conf is taken out of the table, and @gen, by
 * ipmesh_device_changed() under the device's lock.
 */
struct ipmesh_conf {
	struct hlist_node node;
	struct ipmesh_dev *ipm;
	struct in6_addr local;
	u32 link;
	u32 fwmark;
	u8 family;
	u8 overhead;
	u8 ttl;
	u8 dscp;
	u8 encap;
	__be16 dport;
	__be16 sport;
	bool csum;
	bool pmtudisc;
	bool open;
	bool notrack;
	bool rpf;
	bool check_arrival;
	u32 max_peers;
	u32 gen;
	u32 serial;
	struct rcu_head rcu;
};

/* Beneath it a cached route has what it depends on of the peer, and two flags: route.h */
#define IPMESH_CONF_GEN_STEP	256

extern const struct nla_policy ipmesh_conf_policy[];

int ipmesh_conf_validate(struct nlattr *tb[], struct nlattr *data[],
			 struct netlink_ext_ack *extack);
struct ipmesh_conf *ipmesh_conf_make(struct ipmesh_dev *ipm,
				     const struct ipmesh_conf *old,
				     struct nlattr *data[],
				     struct netlink_ext_ack *extack);
int ipmesh_conf_listen(struct ipmesh_dev *ipm, struct ipmesh_conf *conf,
		       struct nlattr *data[], struct netlink_ext_ack *extack);
int ipmesh_conf_replace(struct ipmesh_dev *ipm, struct ipmesh_conf *conf,
			struct nlattr *data[], struct netlink_ext_ack *extack);
void ipmesh_conf_remove(struct ipmesh_dev *ipm);
size_t ipmesh_conf_size(void);
int ipmesh_conf_fill(struct sk_buff *skb, const struct ipmesh_dev *ipm);

#endif /* _IPMESH_CONF_H */
