/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_PART_H
#define _IPMESH_PART_H

#include <linux/cache.h>
#include <linux/local_lock.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/u64_stats_sync.h>

#include "route.h"

struct ipmesh_peer;

/* How many peers share a block of each CPU's memory. */
#define IPMESH_PART_BLOCK	16

/**
 * struct ipmesh_part_rx - what receiving touches of a peer on one CPU
 * @peer: the peer; written before others know of the part
 * @packets: received from it; like all that follows by this CPU with BH off
 * @bytes: received inner bytes
 * @last: when the last packet came, by ipmesh_stats_now(); 0 for never
 * @arrival: ipmesh_arrival_token() of the device that was last found to lead to the peer
 * @syncp: guards the counters on 32-bit machines
 */
struct ipmesh_part_rx {
	struct ipmesh_peer *peer;
	u64_stats_t packets;
	u64_stats_t bytes;
	u32 last;
	u32 arrival;
	struct u64_stats_sync syncp;
};

/**
 * struct ipmesh_part_tx - what sending touches of a peer on one CPU
 * @route: the cached route of packets with IPv4 inside
 * @packets: sent to the peer; like @bytes by this CPU with BH off
 * @bytes: sent inner bytes
 * @syncp: guards the counters on 32-bit machines
 */
struct ipmesh_part_tx {
	struct ipmesh_route route;
	u64_stats_t packets;
	u64_stats_t bytes;
	struct u64_stats_sync syncp;
};

/**
 * struct ipmesh_part_block - the parts of some peers on one CPU
 * @rx: what receiving touches
 * @tx: what sending touches
 * @route6: the cached routes of packets with IPv6 inside, which sending touches for
 *	these alone; without UDP they have another protocol outside
 *
 * In halves, so that packets of one direction fill cache lines with what that
 * direction needs: two peers to a line.
 */
struct ipmesh_part_block {
	struct ipmesh_part_rx rx[IPMESH_PART_BLOCK];
	struct ipmesh_part_tx tx[IPMESH_PART_BLOCK];
	struct ipmesh_route route6[IPMESH_PART_BLOCK];
} ____cacheline_aligned;

/**
 * struct ipmesh_part_cpu - what guards a CPU's parts
 * @lock: for cached routes; where BH off keeps other tasks off the CPU it is no lock. The
 *	counters need none anywhere.
 */
struct ipmesh_part_cpu {
	local_lock_t lock;
};

DECLARE_PER_CPU(struct ipmesh_part_cpu, ipmesh_part_cpu);

/**
 * struct ipmesh_part_table - blocks by number of the part
 * @rcu: for kvfree_rcu()
 * @size: entries of @blocks; constant
 * @blocks: the blocks, NULL where no peer has a part; written under the lock of
 *	&struct ipmesh_parts, read under RCU
 */
struct ipmesh_part_table {
	struct rcu_head rcu;
	unsigned int size;
	struct ipmesh_part_block __percpu *blocks[];
};

/**
 * struct ipmesh_parts - the parts of a device's peers on each CPU
 * @table: the blocks; written under @lock, read under RCU
 * @lock: for writers; BH off
 * @used: which parts have a peer, a word of IPMESH_PART_BLOCK bits for each block; under
 *	@lock
 * @first: no block before this one has room; under @lock
 * @count: parts that have a peer; under @lock
 */
struct ipmesh_parts {
	struct ipmesh_part_table __rcu *table;
	spinlock_t lock; /* the rest, for writers */
	u16 *used;
	unsigned int first;
	unsigned int count;
};

void ipmesh_part_init(struct ipmesh_parts *parts);
void ipmesh_part_destroy(struct ipmesh_parts *parts);
int ipmesh_part_alloc(struct ipmesh_parts *parts, struct ipmesh_peer *peer, u32 *part);
void ipmesh_part_free(struct ipmesh_parts *parts, u32 part);

/**
 * ipmesh_part_block - the block of a part
 * @parts: of the device
 * @part: number of a part that has a peer
 *
 * Context: RCU.
 */
static inline struct ipmesh_part_block __percpu *
ipmesh_part_block(const struct ipmesh_parts *parts, u32 part)
{
	const struct ipmesh_part_table *table;

	/* a table that is older than the number of the part may not have it */
	smp_rmb();
	table = rcu_dereference_check(parts->table, rcu_read_lock_bh_held());
	return table->blocks[part / IPMESH_PART_BLOCK];
}

/**
 * ipmesh_part_rx - this CPU's part of a peer, for receiving
 * @parts: of the device
 * @part: number of a part that has a peer
 *
 * Context: BH off, RCU.
 */
static inline struct ipmesh_part_rx *ipmesh_part_rx(const struct ipmesh_parts *parts, u32 part)
{
	return &this_cpu_ptr(ipmesh_part_block(parts, part))->rx[part % IPMESH_PART_BLOCK];
}

/**
 * ipmesh_part_tx - this CPU's part of a peer, for sending
 * @parts: of the device
 * @part: number of a part that has a peer
 *
 * Context: BH off, RCU.
 */
static inline struct ipmesh_part_tx *ipmesh_part_tx(const struct ipmesh_parts *parts, u32 part)
{
	return &this_cpu_ptr(ipmesh_part_block(parts, part))->tx[part % IPMESH_PART_BLOCK];
}

/**
 * ipmesh_part_route6 - this CPU's cached route to a peer, for packets with IPv6 inside
 * @parts: of the device
 * @part: number of a part that has a peer
 *
 * Context: BH off, RCU.
 */
static inline struct ipmesh_route *ipmesh_part_route6(const struct ipmesh_parts *parts, u32 part)
{
	return &this_cpu_ptr(ipmesh_part_block(parts, part))->route6[part % IPMESH_PART_BLOCK];
}

/**
 * ipmesh_part_peer - the peer that a part is of
 * @parts: of the device
 * @part: number of a part that has a peer
 *
 * Context: RCU.
 */
static inline struct ipmesh_peer *ipmesh_part_peer(const struct ipmesh_parts *parts, u32 part)
{
	/* any CPU's part names it */
	return raw_cpu_ptr(ipmesh_part_block(parts, part))->rx[part % IPMESH_PART_BLOCK].peer;
}

#endif /* _IPMESH_PART_H */
