/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_PREFIX_H
#define _IPMESH_PREFIX_H

#include <linux/in6.h>
#include <linux/list.h>
#include <linux/prefetch.h>
#include <linux/seqlock.h>
#include <net/ipv6.h>

/**
 * struct ipmesh_prefix_key - a prefix
 * @addr: its address, an IPv4 one v4-mapped; the host bits are zero
 * @plen: its length in bits of @addr: an IPv4 /24 has 120
 */
struct ipmesh_prefix_key {
	struct in6_addr addr;
	u32 plen;
};

/**
 * struct ipmesh_prefix_to - all that a packet needs to know of the peer behind a prefix
 * @endpoint4: its endpoint, network byte order; 0 on an IPv6 underlay
 * @part: number of its part
 * @dport: UDP destination port, network byte order; 0 for the device's
 * @encap: what carries packets to it, enum ipmesh_encap
 * @version: counts changes of @dport and @encap, so that a route that was cached before
 *	one is known to be stale
 * @plen: in a slot, the length of the prefix, as its family counts, or IPMESH_PREFIX_FREE,
 *	IPMESH_PREFIX_HIDDEN
 */
struct ipmesh_prefix_to {
	__be32 endpoint4;
	u32 part;
	__be16 dport;
	u8 encap : 2;
	u8 version : 6;
	u8 plen;
};

/* So many versions there are. */
#define IPMESH_PREFIX_VERSIONS	64

/* Lengths that no prefix has: of a slot that is free, and of one whose prefix packets do
 * not see yet.
 */
#define IPMESH_PREFIX_FREE	0xff
#define IPMESH_PREFIX_HIDDEN	0xfe

/**
 * struct ipmesh_prefix - a prefix in the table, as the owner of the table sees it
 * @key: the prefix; constant
 * @to: where it leads; like all that follows under the device's lock
 * @shown: packets see it
 * @stamp: the last request that named it
 * @list: in the peer's list of pod CIDRs
 */
struct ipmesh_prefix {
	struct ipmesh_prefix_key key;
	struct ipmesh_prefix_to to;
	bool shown;
	u32 stamp;
	struct list_head list;
};

/**
 * struct ipmesh_prefix_slot - a prefix as packets find it
 * @to: where it leads
 * @addr: its address, network byte order, one word for IPv4 and four for IPv6; the host
 *	bits are zero
 */
struct ipmesh_prefix_slot {
	struct ipmesh_prefix_to to;
	__be32 addr[];
};

/* Bytes that a slot takes. */
#define IPMESH_PREFIX_SLOT4	16
#define IPMESH_PREFIX_SLOT6	32

/**
 * struct ipmesh_prefix_len - a length of prefixes
 * @product: its share in the hash
 * @mask: of IPv4 prefixes, its bits, network byte order
 * @plen: the length
 */
struct ipmesh_prefix_len {
	u64 product;
	__be32 mask;
	u32 plen;
};

/**
 * struct ipmesh_prefix_slots - prefixes of one family, hashed with open addressing
 * @mask: number of slots, less one; constant
 * @shift: leaves so many bits of a hash as @mask has; constant
 * @lens_count: lengths in @lens; written under the map's @seq
 * @spread: random and odd; constant
 * @keys: random, one for each word of an address; constant
 * @lens: the lengths that packets find, longest first; written under the map's @seq
 * @len_key: random, for the length; constant
 * @size: bytes of a slot; constant
 * @rcu: for kvfree_rcu()
 * @data: the slots, written under the map's @seq; and behind the last a pointer for each
 *	to its struct ipmesh_prefix, NULL for a free one, under the device's lock
 *
 * An IPv4 packet of a cluster with one length touches the first cache line and the slot.
 */
struct ipmesh_prefix_slots {
	u32 mask;
	u16 shift;
	u16 lens_count;
	u64 spread;
	u64 keys[4];
	struct ipmesh_prefix_len lens[129];
	u64 len_key;
	u32 size;
	struct rcu_head rcu;
	u8 data[] ____cacheline_aligned;
};

/**
 * struct ipmesh_prefix_map - the prefixes of one family
 * @slots: where packets find them; replaced under the device's lock, read under RCU
 * @seq: tells a reader of @slots that they changed meanwhile; written under the device's
 *	lock with BH off
 * @total: prefixes, also those that packets do not see yet; under the device's lock
 * @count: prefixes that packets see, by length; under the device's lock
 */
struct ipmesh_prefix_map {
	struct ipmesh_prefix_slots __rcu *slots;
	seqcount_t seq;
	u32 total;
	u32 count[129];
};

/**
 * struct ipmesh_prefix_table - prefixes, for the longest match
 * @v4: the IPv4 ones
 * @v6: the IPv6 ones
 */
struct ipmesh_prefix_table {
	struct ipmesh_prefix_map v4;
	struct ipmesh_prefix_map v6;
};

void ipmesh_prefix_init(struct ipmesh_prefix_table *table);
void ipmesh_prefix_destroy(struct ipmesh_prefix_table *table);
void ipmesh_prefix_clear(struct ipmesh_prefix_table *table);
bool ipmesh_prefix_key_make(struct ipmesh_prefix_key *key, const void *addr,
			    unsigned int addr_len, unsigned int plen);
struct ipmesh_prefix *ipmesh_prefix_get(const struct ipmesh_prefix_table *table,
					const struct ipmesh_prefix_key *key);
int ipmesh_prefix_prepare(struct ipmesh_prefix_table *table, struct ipmesh_prefix *prefix);
void ipmesh_prefix_show(struct ipmesh_prefix_table *table, struct ipmesh_prefix *prefix);
int ipmesh_prefix_insert(struct ipmesh_prefix_table *table,
			 struct ipmesh_prefix *prefix);
void ipmesh_prefix_replace(struct ipmesh_prefix_table *table, struct ipmesh_prefix *old,
			   struct ipmesh_prefix *prefix);
void ipmesh_prefix_redirect(struct ipmesh_prefix_table *table, struct ipmesh_prefix *prefix,
			    const struct ipmesh_prefix_to *to);
void ipmesh_prefix_take(struct ipmesh_prefix_table *table, struct ipmesh_prefix *prefix);
void ipmesh_prefix_remove(struct ipmesh_prefix_table *table,
			  struct ipmesh_prefix *prefix);
bool ipmesh_prefix_find6(const struct ipmesh_prefix_table *table,
			 const struct in6_addr *addr, struct ipmesh_prefix_to *to);
bool ipmesh_prefix_find(const struct ipmesh_prefix_table *table,
			const struct in6_addr *addr, struct ipmesh_prefix_to *to);

/**
 * ipmesh_prefix_home - the slot where the look-up of a prefix begins
 * @slots: the slots
 * @sum: the words of its address and its length, each by its key
 *
 * Who does not know the keys cannot choose prefixes that meet. The sums of two prefixes
 * are equal with a chance of at most 2^-33: they differ in a word of 32 bits, and that
 * times a random 64-bit key may be anything. Two sums that differ still do when folded,
 * and the upper bits of their products with a random odd number agree with a chance of
 * at most two in the number of slots (Dietzfelbinger, Hagerup, Katajainen, Penttonen:
 * A Reliable Randomized Algorithm for the Closest-Pair Problem, 1997).
 */
static __always_inline u32 ipmesh_prefix_home(const struct ipmesh_prefix_slots *slots,
					      u64 sum)
{
	return ((sum ^ sum >> 32) * slots->spread) >> slots->shift;
}

static __always_inline const struct ipmesh_prefix_slot *
ipmesh_prefix_slot4(const struct ipmesh_prefix_slots *slots, u32 i)
{
	return (const void *)(slots->data + (size_t)i * IPMESH_PREFIX_SLOT4);
}

static __always_inline u32 ipmesh_prefix_home4(const struct ipmesh_prefix_slots *slots,
					       const struct ipmesh_prefix_len *len,
					       __be32 prefix)
{
	return ipmesh_prefix_home(slots, (__force u32)prefix * slots->keys[0] + len->product);
}

/**
 * ipmesh_prefix_find4 - where the longest prefix of an IPv4 address leads
 * @table: the table
 * @addr: the address, network byte order
 * @to: the result
 *
 * Context: RCU.
 * Return: false when no prefix holds @addr; else @to is of the longest one.
 */
static __always_inline bool ipmesh_prefix_find4(const struct ipmesh_prefix_table *table,
						__be32 addr, struct ipmesh_prefix_to *to)
{
	const struct ipmesh_prefix_map *map = &table->v4;
	const struct ipmesh_prefix_slots *slots;
	const struct ipmesh_prefix_slot *slot;
	const struct ipmesh_prefix_len *len;
	unsigned int seq;
	__be32 prefix;
	u32 i;

again:
	seq = read_seqcount_begin(&map->seq);
	slots = rcu_dereference_check(map->slots, rcu_read_lock_bh_held());
	for (len = slots->lens; len < slots->lens + slots->lens_count; len++) {
		prefix = addr & len->mask;
		for (i = ipmesh_prefix_home4(slots, len, prefix);; i = (i + 1) & slots->mask) {
			slot = ipmesh_prefix_slot4(slots, i);
			if (likely(slot->addr[0] == prefix && slot->to.plen == len->plen)) {
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
 * ipmesh_prefix_fetch4 - have the cache line fetched that ipmesh_prefix_find4() will read
 * @table: the table
 * @addr: the address, network byte order
 *
 * That of the longest length: most clusters have but one.
 *
 * Context: RCU.
 */
static __always_inline void ipmesh_prefix_fetch4(const struct ipmesh_prefix_table *table,
						 __be32 addr)
{
	const struct ipmesh_prefix_slots *slots;
	const struct ipmesh_prefix_len *len;

	slots = rcu_dereference_check(table->v4.slots, rcu_read_lock_bh_held());
	len = &slots->lens[0];
	prefetch(ipmesh_prefix_slot4(slots, ipmesh_prefix_home4(slots, len, addr & len->mask)));
}

/**
 * ipmesh_prefix_is4 - whether a prefix is an IPv4 one
 * @key: the prefix
 */
static inline bool ipmesh_prefix_is4(const struct ipmesh_prefix_key *key)
{
	return key->plen >= 96 && ipv6_addr_v4mapped(&key->addr);
}

#endif /* _IPMESH_PREFIX_H */
