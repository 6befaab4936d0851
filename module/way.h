/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_WAY_H
#define _IPMESH_WAY_H

#include <linux/atomic.h>
#include <linux/in6.h>
#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct dst_entry;
struct ipmesh_dev;
struct ipmesh_underlay;

/* No way is known. */
#define IPMESH_WAY_UNKNOWN	UINT_MAX

/* Peers that can be looked at in one go. */
#define IPMESH_WAY_FEW		64

/* How long an endpoint that is no peer counts after its last packet. */
#define IPMESH_WAY_AGE		(60 * HZ)

/**
 * struct ipmesh_ways - what is known of a device's ways
 * @lock: guards what is written below; BH off
 * @least: outer MTU of the narrowest way to a peer, IPMESH_WAY_UNKNOWN when none is
 *	known; under @lock, read anywhere
 * @met: the narrowest way met since the present pass began, of new peers and of packets;
 *	under @lock
 * @passing: a pass over all peers is under way; under @lock
 * @due: a pass is wanted, once the MTU follows the ways; set anywhere, cleared by who
 *	begins one
 * @lowers: indices of devices by which ways lead, or have led; read under RCU, an index
 *	goes with its device
 * @open_mtu: outer MTU of the way to @open_endpoint, IPMESH_WAY_UNKNOWN without one;
 *	under @lock, read anywhere
 * @open_endpoint: the narrowest endpoint of an open device that is no peer; under @lock
 * @open_used: when a packet last went there, in jiffies; under @lock
 */
struct ipmesh_ways {
	spinlock_t lock; /* the rest, for writers */
	unsigned int least;
	unsigned int met;
	bool passing;
	atomic_t due;
	struct xarray lowers;
	unsigned int open_mtu;
	struct in6_addr open_endpoint;
	unsigned long open_used;
};

void ipmesh_way_create(struct ipmesh_ways *ways);
void ipmesh_way_destroy(struct ipmesh_ways *ways);

bool ipmesh_way_pass(struct ipmesh_dev *ipm);
void ipmesh_way_pass_later(struct ipmesh_dev *ipm, unsigned long delay);
struct ipmesh_dev *ipmesh_way_due(struct ipmesh_underlay *ul);
bool ipmesh_way_age(struct ipmesh_ways *ways);
bool ipmesh_way_by(struct ipmesh_dev *ipm, int ifindex);
void ipmesh_way_gone(struct ipmesh_dev *ipm, int ifindex);

void ipmesh_way_peer_new(struct ipmesh_dev *ipm, const struct in6_addr *endpoint);
void ipmesh_way_peer_del(struct ipmesh_dev *ipm, const struct in6_addr *endpoint);
void ipmesh_way_hint(struct ipmesh_dev *ipm, const struct dst_entry *old,
		     const struct dst_entry *dst);
void ipmesh_way_hint_open(struct ipmesh_dev *ipm, const struct in6_addr *endpoint,
			  const struct dst_entry *dst);

#endif /* _IPMESH_WAY_H */
