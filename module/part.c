// SPDX-License-Identifier: GPL-2.0-only
/* What each CPU keeps of each peer: counters, and the cached routes.
 *
 * A cluster's peers are all active, and each packet is for another one: what it costs
 * is the cache lines that it touches and whether those of all peers fit a cache. So
 * the parts are small, and packed.
 */

#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/dst.h>

#include "conf.h"
#include "part.h"
#include "prefix.h"

DEFINE_PER_CPU(struct ipmesh_part_cpu, ipmesh_part_cpu) = {
	.lock = INIT_LOCAL_LOCK(lock),
};

#define FULL	((1 << IPMESH_PART_BLOCK) - 1)

/**
 * ipmesh_part_init - make room for no parts
 * @parts: zeroed memory
 */
void ipmesh_part_init(struct ipmesh_parts *parts)
{
	/* what a packet in one direction touches of a peer is half a line */
	BUILD_BUG_ON(IS_ENABLED(CONFIG_64BIT) && (sizeof(struct ipmesh_part_rx) != 32 ||
						  sizeof(struct ipmesh_part_tx) != 32 ||
						  sizeof(struct ipmesh_route) != 16));
	/* a peer's version is between the flags and the device's number */
	BUILD_BUG_ON(IPMESH_PREFIX_VERSIONS * (IPMESH_ROUTE_FLAGS + 1) != IPMESH_CONF_GEN_STEP);
	spin_lock_init(&parts->lock);
}

/**
 * ipmesh_part_destroy - free what is left
 * @parts: without readers
 *
 * Context: process.
 */
void ipmesh_part_destroy(struct ipmesh_parts *parts)
{
	/* peers that were removed just now give their parts back after a grace period */
	if (READ_ONCE(parts->count))
		rcu_barrier();
	WARN_ON_ONCE(parts->count);
	kvfree(rcu_dereference_protected(parts->table, true));
	kvfree(parts->used);
}

static struct ipmesh_part_table *get_table(const struct ipmesh_parts *parts)
{
	return rcu_dereference_protected(parts->table, lockdep_is_held(&parts->lock));
}

/* The number of the first block with room, or of the one behind all. */
static unsigned int find_room(struct ipmesh_parts *parts)
{
	const struct ipmesh_part_table *table = get_table(parts);
	unsigned int size = table ? table->size : 0;

	lockdep_assert_held(&parts->lock);

	while (parts->first < size && parts->used[parts->first] == FULL)
		parts->first++;
	return parts->first;
}

/* Twice as many blocks, or the first ones. */
static int grow(struct ipmesh_parts *parts)
{
	struct ipmesh_part_table *table, *old;
	unsigned int size;
	u16 *used, *old_used;

	/* changes of size are made under the device's lock, but not by a free */
	old = rcu_dereference_protected(parts->table, true);
	size = old ? 2 * old->size : 4;
	table = kvzalloc(struct_size(table, blocks, size), GFP_KERNEL_ACCOUNT);
	used = kvcalloc(size, sizeof(*used), GFP_KERNEL_ACCOUNT);
	if (!table || !used) {
		kvfree(table);
		kvfree(used);
		return -ENOMEM;
	}
	table->size = size;

	spin_lock_bh(&parts->lock);
	if (old) {
		memcpy(table->blocks, old->blocks, old->size * sizeof(*old->blocks));
		memcpy(used, parts->used, old->size * sizeof(*used));
	}
	old_used = parts->used;
	parts->used = used;
	rcu_assign_pointer(parts->table, table);
	spin_unlock_bh(&parts->lock);

	kvfree(old_used);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

static void part_setup(struct ipmesh_part_block __percpu *block, unsigned int i,
		       struct ipmesh_peer *peer)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct ipmesh_part_block *b = per_cpu_ptr(block, cpu);

		memset(&b->rx[i], 0, sizeof(b->rx[i]));
		memset(&b->tx[i], 0, sizeof(b->tx[i]));
		memset(&b->route6[i], 0, sizeof(b->route6[i]));
		u64_stats_init(&b->rx[i].syncp);
		u64_stats_init(&b->tx[i].syncp);
		b->rx[i].peer = peer;
	}
}

/**
 * ipmesh_part_alloc - give a peer its part on each CPU
 * @parts: of the device
 * @peer: the peer
 * @part: where the number of the part goes
 *
 * Context: process, the device's lock.
 * Return: 0 or -ENOMEM.
 */
int ipmesh_part_alloc(struct ipmesh_parts *parts, struct ipmesh_peer *peer, u32 *part)
{
	struct ipmesh_part_block __percpu *block = NULL, *spare;
	struct ipmesh_part_table *table;
	unsigned int n, i;
	int err;

	for (;;) {
		spin_lock_bh(&parts->lock);
		n = find_room(parts);
		table = get_table(parts);
		if (table && n < table->size && (table->blocks[n] || block))
			break;
		spin_unlock_bh(&parts->lock);
		if (!table || n >= table->size) {
			err = grow(parts);
			if (err)
				goto free_block;
		}
		if (!block)
			block = alloc_percpu_gfp(struct ipmesh_part_block,
						 GFP_KERNEL_ACCOUNT);
		err = -ENOMEM;
		if (!block)
			goto free_block;
	}

	/* the last peer of the block may have gone meanwhile, or a new block came */
	spare = block;
	if (!table->blocks[n]) {
		WRITE_ONCE(table->blocks[n], block);
		spare = NULL;
	}
	i = ffz(parts->used[n]);
	part_setup(table->blocks[n], i, peer);
	parts->used[n] |= BIT(i);
	parts->count++;
	spin_unlock_bh(&parts->lock);

	free_percpu(spare);
	*part = n * IPMESH_PART_BLOCK + i;
	return 0;

free_block:
	free_percpu(block);
	return err;
}

/**
 * ipmesh_part_free - take a peer's part back, and its cached routes
 * @parts: of the device
 * @part: the number, which no reader has any more
 *
 * Context: any but hard interrupts.
 */
void ipmesh_part_free(struct ipmesh_parts *parts, u32 part)
{
	struct ipmesh_part_block __percpu *block, *unused = NULL;
	unsigned int n = part / IPMESH_PART_BLOCK;
	unsigned int i = part % IPMESH_PART_BLOCK;
	struct ipmesh_part_table *table;
	int cpu;

	spin_lock_bh(&parts->lock);
	table = get_table(parts);
	block = table->blocks[n];
	for_each_possible_cpu(cpu) {
		dst_release(per_cpu_ptr(block, cpu)->tx[i].route.dst);
		dst_release(per_cpu_ptr(block, cpu)->route6[i].dst);
	}
	parts->used[n] &= ~BIT(i);
	if (!parts->used[n]) {
		WRITE_ONCE(table->blocks[n], NULL);
		unused = block;
	}
	parts->first = min(parts->first, n);
	parts->count--;
	spin_unlock_bh(&parts->lock);

	free_percpu(unused);
}
