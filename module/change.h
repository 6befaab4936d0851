/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_CHANGE_H
#define _IPMESH_CHANGE_H

#include <linux/in6.h>

#include "prefix.h"

struct ipmesh_dev;
struct ipmesh_peer;
struct net;
struct netlink_ext_ack;
struct nlattr;

/**
 * struct ipmesh_change_cidr - a pod CIDR, a source or an outer prefix in a request
 * @key: the prefix
 * @remove: take it away
 * @attr: where the request names it
 * @prefix: its entry: made for the request, or already in the table; like the next two
 *	not of a source
 * @from: the peer that loses it to another one
 * @old: the entry of that peer, in the table until the request succeeds
 */
struct ipmesh_change_cidr {
	struct ipmesh_prefix_key key;
	bool remove;
	const struct nlattr *attr;
	struct ipmesh_prefix *prefix;
	struct ipmesh_peer *from;
	struct ipmesh_prefix *old;
};

/**
 * struct ipmesh_change_list - what a request says of prefixes of one kind
 * @replace: those that are not named go
 * @count: length of @cidrs
 * @cidrs: those that the request names
 */
struct ipmesh_change_list {
	bool replace;
	unsigned int count;
	struct ipmesh_change_cidr *cidrs;
};

/**
 * struct ipmesh_change - a request to make or change a peer
 * @net: the namespace that the request came from
 * @endpoint: the peer, an IPv4 address v4-mapped
 * @endpoint_attr: where the request names it
 * @may_exist: a peer that is there is changed
 * @may_create: a peer that is not there is made
 * @move: pod CIDRs and outer prefixes of other peers are taken over
 * @name: new label, "" for none, NULL to leave it
 * @encap: enum ipmesh_encap, or -1 to leave it
 * @dport: UDP destination port, network byte order; 0 for the device's
 * @dport_set: @dport is to be set
 * @routes: enum ipmesh_peer_routes, or -1 to leave it
 * @added: pod CIDRs and outer prefixes that the peer does not have yet
 * @moved: those of them that another peer has
 * @cidrs: pod CIDRs
 * @sources: inner sources besides them
 * @froms: outer prefixes that packets of the peer come from
 */
struct ipmesh_change {
	const struct net *net;
	struct in6_addr endpoint;
	const struct nlattr *endpoint_attr;
	bool may_exist;
	bool may_create;
	bool move;
	const char *name;
	int encap;
	__be16 dport;
	bool dport_set;
	int routes;
	unsigned int added;
	unsigned int moved;
	struct ipmesh_change_list cidrs;
	struct ipmesh_change_list sources;
	struct ipmesh_change_list froms;
};

int ipmesh_change_do(struct ipmesh_dev *ipm, struct ipmesh_change *change,
		     struct netlink_ext_ack *extack);

#endif /* _IPMESH_CHANGE_H */
