/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_PREFIX_H
#define _IPMESH_PREFIX_H

#include <linux/hash.h>
#include <linux/in6.h>
#include <linux/list.h>
#include <linux/prefetch.h>
#include <linux/rhashtable.h>
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
 * @plen: in a slot, the length of the prefix, IPMESH_PREFIX_FREE for none
 */
struct ipmesh_prefix_to {
	__be32 endpoint4;
	u32 part;
	__be16 dport;
	u8 encap;
	u8 plen;
};

#define IPMESH_PREFIX_FREE	0xff

/**
 * struct ipmesh_prefix - a pod CIDR in the table
 * @node: in the hash table
 * @key: the prefix; constant
 * @to: where it leads; written under the device's lock and @seq of the table, read
 *	under RCU; one that moves to another peer gets a new entry
 * @stamp: the last request that named it; under the device's lock
 * @list: in the peer's list of pod CIDRs; under the device's lock
 * @rcu: for kfree_rcu()
 */
struct ipmesh_prefix {
	struct rhash_head node;
	struct ipmesh_prefix_key key;
	struct ipmesh_prefix_to to;
	u32 stamp;
	union {
		struct list_head list;
		struct rcu_head rcu;
	};
};

/**
 * struct ipmesh_prefix_slot - an IPv4 pod CIDR as packets find it
 * @addr: its address, network byte order; the host bits are zero
 * @to: where it leads
 */
struct ipmesh_prefix_slot {
	__be32 addr;
	struct ipmesh_prefix_to to;
};

/**
 * struct ipmesh_prefix_slots - IPv4 pod CIDRs, hashed with open addressing
 * @mask: number of slots, less one
 * @rcu: for kvfree_rcu()
 * @slot: the slots; at least a quarter of them is free
 */
struct ipmesh_prefix_slots {
	u32 mask;
	struct rcu_head rcu;
	struct ipmesh_prefix_slot slot[] ____cacheline_aligned;
};

/**
 * struct ipmesh_prefix_len - a length of IPv4 prefixes
 * @mask: its bits, network byte order
 * @plen: the length
 */
struct ipmesh_prefix_len {
	__be32 mask;
	u32 plen;
};

/**
 * struct ipmesh_prefix_table - pod CIDRs, for the longest match
 * @slots: the IPv4 ones; written under the device's lock and @seq, replaced under
 *	RCU
 * @lens4: the lengths of the IPv4 prefixes in @slots, longest first; under @seq
 * @lens4_count: how many; under @seq
 * @seq: tells a reader of @slots that they changed meanwhile
 * @hash: all prefixes; written under the device's lock, read under RCU
 * @lens6: bit n is set while an IPv6 prefix of length n is in @hash
 * @count: prefixes of either family by plen, IPv4 first; device's lock
 * @count4: IPv4 prefixes; device's lock
 */
struct ipmesh_prefix_table {
	struct ipmesh_prefix_slots __rcu *slots;
	seqcount_t seq;
	u32 lens4_count;
	struct ipmesh_prefix_len lens4[33];
	struct rhashtable hash;
	unsigned long lens6[BITS_TO_LONGS(129)];
	u32 count[33 + 129];
	u32 count4;
};

int ipmesh_prefix_init(struct ipmesh_prefix_table *table);
void ipmesh_prefix_destroy(struct ipmesh_prefix_table *table);
bool ipmesh_prefix_key_make(struct ipmesh_prefix_key *key, const void *addr,
			    unsigned int addr_len, unsigned int plen);
struct ipmesh_prefix *ipmesh_prefix_get(struct ipmesh_prefix_table *table,
					const struct ipmesh_prefix_key *key);
int ipmesh_prefix_insert(struct ipmesh_prefix_table *table,
			 struct ipmesh_prefix *prefix);
void ipmesh_prefix_replace(struct ipmesh_prefix_table *table, struct ipmesh_prefix *old,
			   struct ipmesh_prefix *prefix);
void ipmesh_prefix_redirect(struct ipmesh_prefix_table *table, struct ipmesh_prefix *prefix,
			    const struct ipmesh_prefix_to *to);
void ipmesh_prefix_remove(struct ipmesh_prefix_table *table,
			  struct ipmesh_prefix *prefix);
bool ipmesh_prefix_find6(struct ipmesh_prefix_table *table, const struct in6_addr *addr,
			 struct ipmesh_prefix_to *to);
bool ipmesh_prefix_find(struct ipmesh_prefix_table *table, const struct in6_addr *addr,
			struct ipmesh_prefix_to *to);

/* Where the look-up of a prefix in the slots begins. What is in the table is the
 * administrator's choice and not the sender's: the hash need not withstand an attack.
 */
static inline u32 ipmesh_prefix_hash4(__be32 addr, unsigned int plen)
{
	return ((__force u32)addr ^ (u64)plen << 32) * GOLDEN_RATIO_64 >> 32;
}

/**
 * ipmesh_prefix_find4 - where the pod CIDR of an IPv4 address leads
 * @table: the table
 * @addr: inner address, network byte order
 * @to: the result
 *
 * Context: RCU.
 * Return: false when no prefix holds @addr; else @to is of the longest one.
 */
static __always_inline bool ipmesh_prefix_find4(const struct ipmesh_prefix_table *table,
						__be32 addr, struct ipmesh_prefix_to *to)
{
	const struct ipmesh_prefix_slots *slots;
	const struct ipmesh_prefix_slot *slot;
	const struct ipmesh_prefix_len *len;
	unsigned int seq;
	__be32 prefix;
	u32 i;

again:
	seq = read_seqcount_begin(&table->seq);
	slots = rcu_dereference_check(table->slots, rcu_read_lock_bh_held());
	for (len = table->lens4; len < table->lens4 + table->lens4_count; len++) {
		prefix = addr & len->mask;
		for (i = ipmesh_prefix_hash4(prefix, len->plen);; i++) {
			slot = &slots->slot[i & slots->mask];
			if (likely(slot->addr == prefix && slot->to.plen == len->plen)) {
				*to = slot->to;
				if (unlikely(read_seqcount_retry(&table->seq, seq)))
					goto again;
				return true;
			}
			if (slot->to.plen == IPMESH_PREFIX_FREE)
				break;
		}
	}
	if (unlikely(read_seqcount_retry(&table->seq, seq)))
		goto again;
	return false;
}

/**
 * ipmesh_prefix_fetch4 - have the cache line fetched that ipmesh_prefix_find4() will read
 * @table: the table
 * @addr: inner address, network byte order
 *
 * That of the longest length: most clusters have but one.
 *
 * Context: RCU.
 */
static __always_inline void ipmesh_prefix_fetch4(const struct ipmesh_prefix_table *table,
						 __be32 addr)
{
	const struct ipmesh_prefix_len *len = &table->lens4[0];
	const struct ipmesh_prefix_slots *slots;

	slots = rcu_dereference_check(table->slots, rcu_read_lock_bh_held());
	prefetch(&slots->slot[ipmesh_prefix_hash4(addr & len->mask, len->plen) & slots->mask]);
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
