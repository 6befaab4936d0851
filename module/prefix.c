// SPDX-License-Identifier: GPL-2.0-only
/* Pod CIDRs and the longest match among them.
 *
 * A bitmap tells the lengths that occur: a look-up tries these, longest first. Clusters
 * hand out blocks of one size, with a few /32 beside them, so it costs one or two cache
 * lines however many peers there are, where a trie touches one for each level.
 *
 * One hash table holds the prefixes of all lengths and both families. The IPv4 ones are
 * once more in an array of small slots, and it is there that packets find them: those of
 * 10 000 peers are 256 KB and stay in a second level cache.
 */

#include <linux/inetdevice.h>
#include <linux/slab.h>

#include "addr.h"
#include "prefix.h"

/* The fewest slots that a table has. */
#define SLOTS_MIN	16

static u32 key_hash(const void *data, u32 len, u32 seed)
{
	const struct ipmesh_prefix_key *key = data;

	return ipmesh_addr_hash(&key->addr, key->plen ^ seed);
}

static int key_compare(struct rhashtable_compare_arg *arg, const void *object)
{
	const struct ipmesh_prefix_key *key = arg->key;
	const struct ipmesh_prefix *prefix = object;

	return prefix->key.plen != key->plen ||
	       !ipv6_addr_equal(&prefix->key.addr, &key->addr);
}

static const struct rhashtable_params prefix_params = {
	.head_offset		= offsetof(struct ipmesh_prefix, node),
	.key_offset		= offsetof(struct ipmesh_prefix, key),
	.key_len		= sizeof(struct ipmesh_prefix_key),
	.hashfn			= key_hash,
	.obj_cmpfn		= key_compare,
	.automatic_shrinking	= true,
};

static struct ipmesh_prefix_slots *get_slots(struct ipmesh_prefix_table *table)
{
	/* under the device's lock, or before anybody else knows of the table */
	return rcu_dereference_protected(table->slots, true);
}

static struct ipmesh_prefix_slots *make_slots(unsigned int count)
{
	struct ipmesh_prefix_slots *slots;
	unsigned int i;

	slots = kvmalloc(struct_size(slots, slot, count), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return NULL;
	slots->mask = count - 1;
	for (i = 0; i < count; i++)
		slots->slot[i].to.plen = IPMESH_PREFIX_FREE;
	return slots;
}

/* The slot of a prefix, or the free one where it is to go. */
static struct ipmesh_prefix_slot *find_slot(struct ipmesh_prefix_slots *slots, __be32 addr,
					    unsigned int plen)
{
	u32 i = ipmesh_prefix_hash4(addr, plen);

	for (;; i++) {
		struct ipmesh_prefix_slot *slot = &slots->slot[i & slots->mask];

		if (slot->to.plen == IPMESH_PREFIX_FREE ||
		    (slot->to.plen == plen && slot->addr == addr))
			return slot;
	}
}

/* Readers come in softirq, on this CPU too: they must not meet an odd number. */
static void write_begin(struct ipmesh_prefix_table *table)
{
	local_bh_disable();
	preempt_disable();
	write_seqcount_begin(&table->seq);
}

static void write_end(struct ipmesh_prefix_table *table)
{
	write_seqcount_end(&table->seq);
	preempt_enable();
	local_bh_enable();
}

/* All of them into as many others. */
static int resize(struct ipmesh_prefix_table *table, unsigned int count)
{
	struct ipmesh_prefix_slots *old = get_slots(table);
	struct ipmesh_prefix_slots *slots = make_slots(count);
	unsigned int i;

	if (!slots)
		return -ENOMEM;
	for (i = 0; i <= old->mask; i++) {
		const struct ipmesh_prefix_slot *slot = &old->slot[i];

		if (slot->to.plen != IPMESH_PREFIX_FREE)
			*find_slot(slots, slot->addr, slot->to.plen) = *slot;
	}
	/* both are whole, and equal */
	rcu_assign_pointer(table->slots, slots);
	kvfree_rcu(old, rcu);
	return 0;
}

/* At most three quarters are taken. */
static int make_room(struct ipmesh_prefix_table *table)
{
	unsigned int count = get_slots(table)->mask + 1;

	if ((table->count4 + 1) * 4 <= count * 3)
		return 0;
	return resize(table, count * 2);
}

/* The lengths that occur, after a change of their number. Under @seq. */
static void set_lens(struct ipmesh_prefix_table *table)
{
	unsigned int plen = 33, n = 0;

	while (plen--) {
		if (!table->count[plen])
			continue;
		table->lens4[n].mask = inet_make_mask(plen);
		table->lens4[n++].plen = plen;
	}
	table->lens4_count = n;
}

static void set_slot(struct ipmesh_prefix_table *table, const struct ipmesh_prefix *prefix)
{
	unsigned int plen = prefix->key.plen - 96;
	__be32 addr = ipmesh_addr_get4(&prefix->key.addr);
	struct ipmesh_prefix_slot *slot;

	slot = find_slot(get_slots(table), addr, plen);
	write_begin(table);
	slot->addr = addr;
	slot->to = prefix->to;
	slot->to.plen = plen;
	if (table->count[plen] == 1)
		set_lens(table);
	write_end(table);
}

/* What was put further on because this slot was taken moves up: look-ups end at the
 * first free one.
 */
static void clear_slot(struct ipmesh_prefix_table *table, const struct ipmesh_prefix *prefix)
{
	struct ipmesh_prefix_slots *slots = get_slots(table);
	struct ipmesh_prefix_slot *hole, *slot;
	unsigned int plen = prefix->key.plen - 96;
	u32 i;

	hole = find_slot(slots, ipmesh_addr_get4(&prefix->key.addr), plen);
	write_begin(table);
	for (i = hole - slots->slot + 1;; i++) {
		u32 distance, home;

		slot = &slots->slot[i & slots->mask];
		if (slot->to.plen == IPMESH_PREFIX_FREE)
			break;
		/* may not go before the slot where the look-up for it begins */
		home = ipmesh_prefix_hash4(slot->addr, slot->to.plen);
		distance = (i - (hole - slots->slot)) & slots->mask;
		if (((i - home) & slots->mask) < distance)
			continue;
		*hole = *slot;
		hole = slot;
	}
	hole->to.plen = IPMESH_PREFIX_FREE;
	if (!table->count[plen])
		set_lens(table);
	write_end(table);
}

/**
 * ipmesh_prefix_init - make a table
 * @table: zeroed memory
 *
 * Return: 0 or a negative error.
 */
int ipmesh_prefix_init(struct ipmesh_prefix_table *table)
{
	struct ipmesh_prefix_slots *slots = make_slots(SLOTS_MIN);
	int err;

	if (!slots)
		return -ENOMEM;
	err = rhashtable_init(&table->hash, &prefix_params);
	if (err) {
		kvfree(slots);
		return err;
	}
	seqcount_init(&table->seq);
	RCU_INIT_POINTER(table->slots, slots);
	return 0;
}

/**
 * ipmesh_prefix_destroy - free an empty table
 * @table: the table, without readers
 *
 * Context: process.
 */
void ipmesh_prefix_destroy(struct ipmesh_prefix_table *table)
{
	rhashtable_destroy(&table->hash);
	kvfree(get_slots(table));
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
 * Context: RCU or the device's lock.
 * Return: the prefix or NULL.
 */
struct ipmesh_prefix *ipmesh_prefix_get(struct ipmesh_prefix_table *table,
					const struct ipmesh_prefix_key *key)
{
	return rhashtable_lookup_fast(&table->hash, key, prefix_params);
}

static u32 *key_count(struct ipmesh_prefix_table *table,
		      const struct ipmesh_prefix_key *key)
{
	return ipmesh_prefix_is4(key) ? &table->count[key->plen - 96] :
					&table->count[33 + key->plen];
}

/**
 * ipmesh_prefix_insert - add a prefix
 * @table: the table
 * @prefix: complete but for @node
 *
 * Context: process, the device's lock.
 * Return: 0; -EEXIST when it is there; -ENOMEM and the like.
 */
int ipmesh_prefix_insert(struct ipmesh_prefix_table *table,
			 struct ipmesh_prefix *prefix)
{
	const struct ipmesh_prefix_key *key = &prefix->key;
	bool is4 = ipmesh_prefix_is4(key);
	int err;

	if (is4) {
		err = make_room(table);
		if (err)
			return err;
	}
	err = rhashtable_lookup_insert_fast(&table->hash, &prefix->node, prefix_params);
	if (err)
		return err;

	(*key_count(table, key))++;
	if (is4) {
		table->count4++;
		set_slot(table, prefix);
	} else {
		set_bit(key->plen, table->lens6);
	}
	return 0;
}

/**
 * ipmesh_prefix_replace - give a prefix to another peer
 * @table: the table
 * @old: the entry in the table, on no list; freed after a grace period
 * @prefix: complete but for @node, with the same key
 *
 * A reader finds the one or the other at any moment.
 *
 * Context: process, the device's lock.
 */
void ipmesh_prefix_replace(struct ipmesh_prefix_table *table, struct ipmesh_prefix *old,
			   struct ipmesh_prefix *prefix)
{
	/* fails only where @old is not in the table, or the keys differ */
	WARN_ON_ONCE(rhashtable_replace_fast(&table->hash, &old->node, &prefix->node,
					     prefix_params));
	if (ipmesh_prefix_is4(&prefix->key))
		set_slot(table, prefix);
	kfree_rcu(old, rcu);
}

/**
 * ipmesh_prefix_redirect - change how packets to a peer are carried
 * @table: the table
 * @prefix: a pod CIDR of the peer
 * @to: the peer's settings
 *
 * Context: process, the device's lock.
 */
void ipmesh_prefix_redirect(struct ipmesh_prefix_table *table, struct ipmesh_prefix *prefix,
			    const struct ipmesh_prefix_to *to)
{
	/* a reader of the one with the other is told by the device's number of settings */
	WRITE_ONCE(prefix->to.dport, to->dport);
	WRITE_ONCE(prefix->to.encap, to->encap);
	if (ipmesh_prefix_is4(&prefix->key))
		set_slot(table, prefix);
}

/**
 * ipmesh_prefix_remove - take a prefix away and free it after a grace period
 * @table: the table
 * @prefix: in the table, on no list
 *
 * Context: process, the device's lock.
 */
void ipmesh_prefix_remove(struct ipmesh_prefix_table *table,
			  struct ipmesh_prefix *prefix)
{
	const struct ipmesh_prefix_key *key = &prefix->key;
	unsigned int count;

	rhashtable_remove_fast(&table->hash, &prefix->node, prefix_params);
	(*key_count(table, key))--;
	if (ipmesh_prefix_is4(key)) {
		table->count4--;
		clear_slot(table, prefix);
		/* many went: not by a little, lest it is made anew at once */
		count = get_slots(table)->mask + 1;
		if (count > SLOTS_MIN && table->count4 * 8 < count)
			resize(table, count / 2);
	} else if (!*key_count(table, key)) {
		clear_bit(key->plen, table->lens6);
	}
	kfree_rcu(prefix, rcu);
}

/**
 * ipmesh_prefix_find6 - where the pod CIDR of an IPv6 address leads
 * @table: the table
 * @addr: inner address
 * @to: the result
 *
 * Context: RCU.
 * Return: false when no prefix holds @addr; else @to is of the longest one.
 */
bool ipmesh_prefix_find6(struct ipmesh_prefix_table *table, const struct in6_addr *addr,
			 struct ipmesh_prefix_to *to)
{
	unsigned long len = 129;

	for (;;) {
		const struct ipmesh_prefix *prefix;
		struct ipmesh_prefix_key key;
		unsigned long last = len;

		/* find_last_bit() gives its size when there is none */
		len = find_last_bit(table->lens6, last);
		if (len >= last)
			return false;
		ipv6_addr_prefix(&key.addr, addr, len);
		key.plen = len;
		prefix = rhashtable_lookup(&table->hash, &key, prefix_params);
		if (likely(prefix)) {
			to->endpoint4 = prefix->to.endpoint4;
			to->part = prefix->to.part;
			to->dport = READ_ONCE(prefix->to.dport);
			to->encap = READ_ONCE(prefix->to.encap);
			return true;
		}
	}
}

/**
 * ipmesh_prefix_find - where the pod CIDR of an address of either family leads
 * @table: the table
 * @addr: inner address, an IPv4 one v4-mapped
 * @to: the result
 *
 * Context: RCU.
 * Return: false when no prefix holds @addr; else @to is of the longest one.
 */
bool ipmesh_prefix_find(struct ipmesh_prefix_table *table, const struct in6_addr *addr,
			struct ipmesh_prefix_to *to)
{
	if (ipmesh_addr_is4(addr))
		return ipmesh_prefix_find4(table, ipmesh_addr_get4(addr), to);
	return ipmesh_prefix_find6(table, addr, to);
}
