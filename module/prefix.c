// SPDX-License-Identifier: GPL-2.0-only
/* Prefixes and the longest match among them.
 *
 * A list tells the lengths that occur: a look-up tries these, longest first. Clusters
 * hand out blocks of one size, with a few /32 beside them, so it costs one or two cache
 * lines however many peers there are, where a trie touches one for each level.
 *
 * The prefixes of a family are in an array of small slots, hashed with open addressing,
 * and packets read nothing else: those of 10 000 peers are 256 KB for IPv4, 512 KB for
 * IPv6, and stay in a second level cache.
 *
 * What is in a table is chosen by whoever may make peers, root of a container too. The
 * hash has random keys, others for each array (ipmesh_prefix_home()), so that no choice
 * of prefixes is worse than chance. Chance is bounded as well: at most two thirds of the
 * slots are taken, and where nevertheless a prefix goes far from its home, or somebody
 * has found out about the keys by measuring, all move to an array with new ones.
 */

#include <linux/inetdevice.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "addr.h"
#include "prefix.h"

/* The fewest and the most slots of an array. */
#define SLOTS_MIN	16
#define SLOTS_MAX	BIT(25)

/* A prefix that is further from its home is reason for new keys. By chance one in 10^8 is,
 * with two thirds of the slots taken.
 */
#define FAR		256

/* How many slots are gone through before others may have the processor. */
#define STRIDE		1024

/* What a map has that is empty: no lengths, so that nobody looks for a slot. */
static struct ipmesh_prefix_slots no_slots;

static struct ipmesh_prefix_slots *get_slots(const struct ipmesh_prefix_map *map)
{
	/* under the device's lock, or before anybody else knows of the table */
	return rcu_dereference_protected(map->slots, true);
}

static struct ipmesh_prefix_slot *slot_at(struct ipmesh_prefix_slots *slots, u32 i)
{
	return (void *)(slots->data + (size_t)i * slots->size);
}

static struct ipmesh_prefix **entries(struct ipmesh_prefix_slots *slots)
{
	return (void *)slot_at(slots, slots->mask + 1);
}

static struct ipmesh_prefix_map *map_of(struct ipmesh_prefix_table *table,
					const struct ipmesh_prefix_key *key)
{
	return ipmesh_prefix_is4(key) ? &table->v4 : &table->v6;
}

/* The length as the family counts. */
static unsigned int key_plen(const struct ipmesh_prefix_key *key)
{
	return ipmesh_prefix_is4(key) ? key->plen - 96 : key->plen;
}

static bool key_equal(const struct ipmesh_prefix_key *a, const struct ipmesh_prefix_key *b)
{
	return a->plen == b->plen && ipv6_addr_equal(&a->addr, &b->addr);
}

static u32 home6(const struct ipmesh_prefix_slots *slots, const struct in6_addr *addr,
		 u64 product)
{
	u64 sum = product;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(slots->keys); i++)
		sum += (__force u32)addr->s6_addr32[i] * slots->keys[i];
	return ipmesh_prefix_home(slots, sum);
}

static u32 key_home(const struct ipmesh_prefix_slots *slots, const struct ipmesh_prefix_key *key)
{
	u64 product = slots->len_key * key_plen(key);

	if (ipmesh_prefix_is4(key))
		return ipmesh_prefix_home(slots, product + slots->keys[0] *
					  (__force u32)ipmesh_addr_get4(&key->addr));
	return home6(slots, &key->addr, product);
}

/* The slot of a prefix, or the free one where it is to go. */
static u32 find_slot(struct ipmesh_prefix_slots *slots, const struct ipmesh_prefix_key *key)
{
	struct ipmesh_prefix **entry = entries(slots);
	u32 i = key_home(slots, key);

	while (entry[i] && !key_equal(&entry[i]->key, key))
		i = (i + 1) & slots->mask;
	return i;
}

static void fill_slot(struct ipmesh_prefix_slots *slots, u32 i,
		      const struct ipmesh_prefix *prefix)
{
	const struct in6_addr *addr = &prefix->key.addr;
	struct ipmesh_prefix_slot *slot = slot_at(slots, i);

	slot->to = prefix->to;
	slot->to.plen = prefix->shown ? key_plen(&prefix->key) : IPMESH_PREFIX_HIDDEN;
	if (slots->size == IPMESH_PREFIX_SLOT4)
		slot->addr[0] = ipmesh_addr_get4(addr);
	else
		memcpy(slot->addr, addr, sizeof(*addr));
}

/* Readers come in softirq, on this CPU too: they must not meet an odd number. */
static void write_begin(struct ipmesh_prefix_map *map)
{
	local_bh_disable();
	preempt_disable();
	write_seqcount_begin(&map->seq);
}

static void write_end(struct ipmesh_prefix_map *map)
{
	write_seqcount_end(&map->seq);
	preempt_enable();
	local_bh_enable();
}

/* The lengths that occur, after a change of their number. Under @seq, or before others
 * know of the slots.
 */
static void set_lens(const struct ipmesh_prefix_map *map, struct ipmesh_prefix_slots *slots)
{
	unsigned int plen = ARRAY_SIZE(map->count), n = 0;

	while (plen--) {
		struct ipmesh_prefix_len *len = &slots->lens[n];

		if (!map->count[plen])
			continue;
		len->product = slots->len_key * plen;
		len->mask = plen <= 32 ? inet_make_mask(plen) : 0;
		len->plen = plen;
		n++;
	}
	slots->lens_count = n;
}

static struct ipmesh_prefix_slots *make_slots(unsigned int count, unsigned int size)
{
	struct ipmesh_prefix_slots *slots;
	unsigned int i;

	slots = kvmalloc(struct_size(slots, data, (size_t)count * (size + sizeof(void *))),
			 GFP_KERNEL_ACCOUNT);
	if (!slots)
		return NULL;
	slots->mask = count - 1;
	slots->shift = 64 - ilog2(count);
	slots->size = size;
	get_random_bytes(slots->keys, sizeof(slots->keys));
	get_random_bytes(&slots->len_key, sizeof(slots->len_key));
	get_random_bytes(&slots->spread, sizeof(slots->spread));
	/* no two IPv4 addresses have one sum */
	slots->keys[0] |= 1;
	slots->spread |= 1;
	for (i = 0; i < count; i++) {
		slot_at(slots, i)->to.plen = IPMESH_PREFIX_FREE;
		entries(slots)[i] = NULL;
		if (!(i % STRIDE))
			cond_resched();
	}
	return slots;
}

static void free_slots(struct ipmesh_prefix_slots *slots)
{
	if (slots != &no_slots)
		kvfree_rcu(slots, rcu);
}

/* All of them into so many others, with new keys. Returns how far from its home the
 * furthest is, or a negative error.
 */
static int rebuild(struct ipmesh_prefix_table *table, struct ipmesh_prefix_map *map,
		   unsigned int count)
{
	struct ipmesh_prefix_slots *old = get_slots(map), *slots;
	u32 i, at, furthest = 0;

	if (count > SLOTS_MAX)
		return -ENOSPC;
	slots = make_slots(count, map == &table->v4 ? IPMESH_PREFIX_SLOT4 :
						      IPMESH_PREFIX_SLOT6);
	if (!slots)
		return -ENOMEM;
	for (i = 0; old != &no_slots && i <= old->mask; i++) {
		struct ipmesh_prefix *prefix = entries(old)[i];

		if (!(i % STRIDE))
			cond_resched();
		if (!prefix)
			continue;
		at = find_slot(slots, &prefix->key);
		furthest = max(furthest, (at - key_home(slots, &prefix->key)) & slots->mask);
		entries(slots)[at] = prefix;
		fill_slot(slots, at, prefix);
	}
	set_lens(map, slots);
	/* both are whole, and equal */
	rcu_assign_pointer(map->slots, slots);
	free_slots(old);
	return furthest;
}

/* At most two thirds are taken. */
static int make_room(struct ipmesh_prefix_table *table, struct ipmesh_prefix_map *map)
{
	unsigned int count = get_slots(map)->mask + 1;
	int furthest;

	if ((map->total + 1) * 3 <= count * 2)
		return 0;
	furthest = rebuild(table, map, max_t(unsigned int, 2 * count, SLOTS_MIN));
	return min(furthest, 0);
}

/* New keys, and if chance is against them too, more room. Without memory for these all
 * stays as it is until the next one.
 */
static void rehash(struct ipmesh_prefix_table *table, struct ipmesh_prefix_map *map)
{
	unsigned int count = get_slots(map)->mask + 1;

	if (rebuild(table, map, count) > FAR)
		rebuild(table, map, 2 * count);
}

static void clear_map(struct ipmesh_prefix_map *map)
{
	struct ipmesh_prefix_slots *old = get_slots(map);

	write_begin(map);
	rcu_assign_pointer(map->slots, &no_slots);
	write_end(map);
	map->total = 0;
	memset(map->count, 0, sizeof(map->count));
	free_slots(old);
}

static void init_map(struct ipmesh_prefix_map *map)
{
	/* what an IPv4 packet reads before its slot is in one cache line */
	BUILD_BUG_ON(offsetof(struct ipmesh_prefix_slots, lens[1]) > 64);
	BUILD_BUG_ON(sizeof(struct ipmesh_prefix_slot) + sizeof(__be32) != IPMESH_PREFIX_SLOT4);
	seqcount_init(&map->seq);
	RCU_INIT_POINTER(map->slots, &no_slots);
}

/**
 * ipmesh_prefix_init - make an empty table
 * @table: zeroed memory
 */
void ipmesh_prefix_init(struct ipmesh_prefix_table *table)
{
	init_map(&table->v4);
	init_map(&table->v6);
}

/**
 * ipmesh_prefix_clear - take all prefixes out, whatever their number
 * @table: the table
 *
 * The entries are the owner's to free.
 *
 * Context: process, the device's lock.
 */
void ipmesh_prefix_clear(struct ipmesh_prefix_table *table)
{
	clear_map(&table->v4);
	clear_map(&table->v6);
}

/**
 * ipmesh_prefix_destroy - free a table
 * @table: the table, without readers; its entries are gone
 *
 * Context: process.
 */
void ipmesh_prefix_destroy(struct ipmesh_prefix_table *table)
{
	ipmesh_prefix_clear(table);
}

/**
 * ipmesh_prefix_key_make - a key from an address and a length
 * @key: the result
 * @addr: the address, network byte order, @addr_len bytes
 * @addr_len: 4 or 16
 * @plen: prefix length in bits, not more than the address has
 *
 * Return: false when bits are set behind the prefix.
 */
bool ipmesh_prefix_key_make(struct ipmesh_prefix_key *key, const void *addr,
			    unsigned int addr_len, unsigned int plen)
{
	struct in6_addr full;

	if (addr_len == sizeof(full)) {
		memcpy(&full, addr, sizeof(full));
	} else {
		__be32 addr4;

		memcpy(&addr4, addr, sizeof(addr4));
		ipv6_addr_set_v4mapped(addr4, &full);
		plen += 96;
	}
	ipv6_addr_prefix(&key->addr, &full, plen);
	key->plen = plen;
	return ipv6_addr_equal(&key->addr, &full);
}

/**
 * ipmesh_prefix_get - find a prefix itself
 * @table: the table
 * @key: the prefix
 *
 * Context: process, the device's lock.
 * Return: the prefix or NULL.
 */
struct ipmesh_prefix *ipmesh_prefix_get(const struct ipmesh_prefix_table *table,
					const struct ipmesh_prefix_key *key)
{
	const struct ipmesh_prefix_map *map = ipmesh_prefix_is4(key) ? &table->v4 : &table->v6;
	struct ipmesh_prefix_slots *slots = get_slots(map);

	return map->total ? entries(slots)[find_slot(slots, key)] : NULL;
}

/**
 * ipmesh_prefix_prepare - take a place for a prefix that packets do not see yet
 * @table: the table
 * @prefix: the entry, with its key
 *
 * Context: process, the device's lock.
 * Return: 0; -EEXIST when the prefix is there; -ENOMEM; -ENOSPC when the table is as large
 *	as it gets.
 */
int ipmesh_prefix_prepare(struct ipmesh_prefix_table *table, struct ipmesh_prefix *prefix)
{
	struct ipmesh_prefix_map *map = map_of(table, &prefix->key);
	struct ipmesh_prefix_slots *slots;
	int err;
	u32 i;

	err = make_room(table, map);
	if (err)
		return err;
	slots = get_slots(map);
	i = find_slot(slots, &prefix->key);
	if (entries(slots)[i])
		return -EEXIST;
	prefix->shown = false;
	entries(slots)[i] = prefix;
	map->total++;
	write_begin(map);
	fill_slot(slots, i, prefix);
	write_end(map);
	if (unlikely(((i - key_home(slots, &prefix->key)) & slots->mask) > FAR))
		rehash(table, map);
	return 0;
}

/**
 * ipmesh_prefix_show - let packets see a prefix
 * @table: the table
 * @prefix: from ipmesh_prefix_prepare(), complete
 *
 * Context: process, the device's lock.
 */
void ipmesh_prefix_show(struct ipmesh_prefix_table *table, struct ipmesh_prefix *prefix)
{
	struct ipmesh_prefix_map *map = map_of(table, &prefix->key);
	struct ipmesh_prefix_slots *slots = get_slots(map);
	u32 i = find_slot(slots, &prefix->key);

	prefix->shown = true;
	write_begin(map);
	fill_slot(slots, i, prefix);
	if (!map->count[key_plen(&prefix->key)]++)
		set_lens(map, slots);
	write_end(map);
}

/**
 * ipmesh_prefix_insert - add a prefix
 * @table: the table
 * @prefix: the entry, complete
 *
 * Context: process, the device's lock.
 * Return: 0 or an error of ipmesh_prefix_prepare().
 */
int ipmesh_prefix_insert(struct ipmesh_prefix_table *table,
			 struct ipmesh_prefix *prefix)
{
	int err = ipmesh_prefix_prepare(table, prefix);

	if (!err)
		ipmesh_prefix_show(table, prefix);
	return err;
}

/**
 * ipmesh_prefix_replace - give a prefix to another peer
 * @table: the table
 * @old: the entry in the table, on no list; freed
 * @prefix: complete, with the same key
 *
 * A packet finds the one or the other at any moment.
 *
 * Context: process, the device's lock.
 */
void ipmesh_prefix_replace(struct ipmesh_prefix_table *table, struct ipmesh_prefix *old,
			   struct ipmesh_prefix *prefix)
{
	struct ipmesh_prefix_map *map = map_of(table, &prefix->key);
	struct ipmesh_prefix_slots *slots = get_slots(map);
	u32 i = find_slot(slots, &prefix->key);

	prefix->shown = old->shown;
	entries(slots)[i] = prefix;
	write_begin(map);
	fill_slot(slots, i, prefix);
	write_end(map);
	kfree(old);
}

/**
 * ipmesh_prefix_redirect - change where a prefix leads
 * @table: the table
 * @prefix: the entry, in the table
 * @to: where it is to lead
 *
 * A packet finds all of the one or all of the other.
 *
 * Context: process, the device's lock.
 */
void ipmesh_prefix_redirect(struct ipmesh_prefix_table *table, struct ipmesh_prefix *prefix,
			    const struct ipmesh_prefix_to *to)
{
	struct ipmesh_prefix_map *map = map_of(table, &prefix->key);
	struct ipmesh_prefix_slots *slots = get_slots(map);
	u32 i = find_slot(slots, &prefix->key);

	prefix->to = *to;
	write_begin(map);
	fill_slot(slots, i, prefix);
	write_end(map);
}

/* What was put further on because this slot was taken moves up: look-ups end at the
 * first free one. Under @seq.
 */
static void clear_slot(struct ipmesh_prefix_slots *slots, u32 hole)
{
	struct ipmesh_prefix **entry = entries(slots);
	u32 i = hole;

	for (;;) {
		u32 home;

		i = (i + 1) & slots->mask;
		if (!entry[i])
			break;
		/* may not go before the slot where the look-up for it begins */
		home = key_home(slots, &entry[i]->key);
		if (((i - home) & slots->mask) < ((i - hole) & slots->mask))
			continue;
		memcpy(slot_at(slots, hole), slot_at(slots, i), slots->size);
		entry[hole] = entry[i];
		hole = i;
	}
	slot_at(slots, hole)->to.plen = IPMESH_PREFIX_FREE;
	entry[hole] = NULL;
}

/**
 * ipmesh_prefix_take - take a prefix out
 * @table: the table
 * @prefix: the entry, which packets may see or not; the owner's to free
 *
 * Context: process, the device's lock.
 */
void ipmesh_prefix_take(struct ipmesh_prefix_table *table, struct ipmesh_prefix *prefix)
{
	struct ipmesh_prefix_map *map = map_of(table, &prefix->key);
	struct ipmesh_prefix_slots *slots = get_slots(map);
	unsigned int count = slots->mask + 1;
	u32 i = find_slot(slots, &prefix->key);

	if (WARN_ON_ONCE(!map->total || entries(slots)[i] != prefix))
		return;
	write_begin(map);
	clear_slot(slots, i);
	if (prefix->shown && !--map->count[key_plen(&prefix->key)])
		set_lens(map, slots);
	write_end(map);
	map->total--;
	/* many went: not by a little, lest it is made anew at once */
	if (!map->total)
		clear_map(map);
	else if (count > SLOTS_MIN && map->total * 8 < count)
		rebuild(table, map, count / 2);
}

/**
 * ipmesh_prefix_remove - take a prefix out, and free it
 * @table: the table
 * @prefix: the entry, on no list
 *
 * Context: process, the device's lock.
 */
void ipmesh_prefix_remove(struct ipmesh_prefix_table *table,
			  struct ipmesh_prefix *prefix)
{
	ipmesh_prefix_take(table, prefix);
	kfree(prefix);
}

/* The first bits of an address; ipv6_addr_prefix() goes by bytes. */
static void cut6(struct in6_addr *prefix, const struct in6_addr *addr, unsigned int plen)
{
	unsigned int i;

	for (i = 0; i < 4; i++, plen -= min(plen, 32u))
		prefix->s6_addr32[i] = addr->s6_addr32[i] & inet_make_mask(min(plen, 32u));
}

static const struct ipmesh_prefix_slot *slot6(const struct ipmesh_prefix_slots *slots, u32 i)
{
	return (const void *)(slots->data + (size_t)i * IPMESH_PREFIX_SLOT6);
}

/**
 * ipmesh_prefix_find6 - where the longest prefix of an IPv6 address leads
 * @table: the table
 * @addr: the address
 * @to: the result
 *
 * Context: RCU.
 * Return: false when no prefix holds @addr; else @to is of the longest one.
 */
bool ipmesh_prefix_find6(const struct ipmesh_prefix_table *table,
			 const struct in6_addr *addr, struct ipmesh_prefix_to *to)
{
	const struct ipmesh_prefix_map *map = &table->v6;
	const struct ipmesh_prefix_slots *slots;
	const struct ipmesh_prefix_slot *slot;
	const struct ipmesh_prefix_len *len;
	struct in6_addr prefix;
	unsigned int seq;
	u32 i;

again:
	seq = read_seqcount_begin(&map->seq);
	slots = rcu_dereference_check(map->slots, rcu_read_lock_bh_held());
	for (len = slots->lens; len < slots->lens + slots->lens_count; len++) {
		cut6(&prefix, addr, len->plen);
		for (i = home6(slots, &prefix, len->product);; i = (i + 1) & slots->mask) {
			slot = slot6(slots, i);
			if (likely(slot->to.plen == len->plen &&
				   ipv6_addr_equal((const void *)slot->addr, &prefix))) {
				*to = slot->to;
				if (unlikely(read_seqcount_retry(&map->seq, seq)))
					goto again;
				return true;
			}
			if (slot->to.plen == IPMESH_PREFIX_FREE)
				break;
		}
	}
	if (unlikely(read_seqcount_retry(&map->seq, seq)))
		goto again;
	return false;
}

/**
 * ipmesh_prefix_find - where the longest prefix of an address of either family leads
 * @table: the table
 * @addr: the address, an IPv4 one v4-mapped
 * @to: the result
 *
 * Context: RCU.
 * Return: false when no prefix holds @addr; else @to is of the longest one.
 */
bool ipmesh_prefix_find(const struct ipmesh_prefix_table *table,
			const struct in6_addr *addr, struct ipmesh_prefix_to *to)
{
	if (ipmesh_addr_is4(addr))
		return ipmesh_prefix_find4(table, ipmesh_addr_get4(addr), to);
	return ipmesh_prefix_find6(table, addr, to);
}
