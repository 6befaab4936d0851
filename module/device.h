/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_DEVICE_H
#define _IPMESH_DEVICE_H

#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/xarray.h>

#include "part.h"
#include "prefix.h"
#include "stats.h"
#include "way.h"

struct ipmesh_cell;
struct ipmesh_conf;
struct ipmesh_quota;
struct ipmesh_udp;
struct mem_cgroup;

/**
 * struct ipmesh_dev - private part of an ipmesh net_device
 * @conf: what the device's attributes say; replaced as a whole, under RTNL,
 *	by ipmesh_conf_replace(); read under RCU
 * @dev: the net_device; constant
 * @net: underlay network namespace, in which the device was made; constant.
 *	Not held: the device is deleted when the namespace dies.
 * @endpoints: peers by endpoint; written under @lock, read under RCU
 * @prefixes: pod CIDRs of all peers; written under @lock, read under RCU
 * @parts: what each CPU keeps of each peer
 * @cells: queues of received packets, see cell.c; made and freed with the device
 * @drops: dropped packets by cause; written on the data path with BH off
 * @memcg: control group of who made the device, for what is allocated on the data path;
 *	constant
 * @lock: serialises all changes of peers and pod CIDRs; nests inside RTNL
 * @ids: peers by a number that orders dumps; under @lock
 * @next_id: where the next free number is looked for; under @lock
 * @peer_count: number of peers; written under @lock, read anywhere
 * @seq: counts changes, so that an interrupted dump is noticed; under @lock
 * @stamp: number of the last request; under @lock
 * @udp: UDP port that the device receives on, or NULL; under @lock
 * @udp_peers: peers that have UDP of their own; written under @lock
 * @quota: where its peers and pod CIDRs count; NULL where they are not limited; under
 *	@lock
 * @entries: peers and their prefixes; under @lock, and the lock of quota.c where @quota is set
 * @dead: no more changes, the device is going; under @lock
 * @notrack: the device has a share in the hooks of track.c; under RTNL
 * @ways: what is known of the ways to endpoints, see way.h
 * @mtu_auto: the MTU follows the underlay; under RTNL
 * @mtu_following: the MTU is being set by ourselves; under RTNL
 * @froms: outer prefixes of all peers; written under @lock, read under RCU for a packet
 *	from no endpoint
 */
struct ipmesh_dev {
	struct ipmesh_conf __rcu *conf;
	struct net_device *dev;
	struct net *net;
	struct ipmesh_parts parts;
	struct ipmesh_prefix_table prefixes;
	struct ipmesh_prefix_table endpoints;
	struct ipmesh_cell __percpu *cells;
	struct ipmesh_drops __percpu *drops;
	struct mem_cgroup *memcg;

	struct mutex lock; /* peers and pod CIDRs, for writers */
	struct xarray ids;
	u32 next_id;
	u32 peer_count;
	u32 seq;
	u32 stamp;
	struct ipmesh_udp *udp;
	u32 udp_peers;
	struct ipmesh_quota *quota;
	u32 entries;
	bool dead;

	struct ipmesh_ways ways;
	bool notrack;
	bool mtu_auto;
	bool mtu_following;

	struct ipmesh_prefix_table froms;
};

void ipmesh_device_changed(struct ipmesh_dev *ipm);
bool ipmesh_device_is(const struct net_device *dev);

int ipmesh_device_register(void);
void ipmesh_device_unregister(void);

#endif /* _IPMESH_DEVICE_H */
