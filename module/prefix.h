/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_PREFIX_H
#define _IPMESH_PREFIX_H

#include <linux/in6.h>
#include <linux/list.h>
#include <linux/rhashtable.h>
#include <net/ipv6.h>

struct ipmesh_peer;
struct ipmesh_peer_cpu;

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
 * struct ipmesh_prefix - a pod CIDR in the table: one cache line
 * @node: in the hash table
 * @key: the prefix; constant
 * @endpoint4: endpoint of the peer behind it, network byte order; 0 on an IPv6
 *	underlay; constant
 * @cpu: the peer's part for each CPU; constant
 * @stamp: the last request that named it; under the device's lock
 * @list: in the peer's list of pod CIDRs; under the device's lock
 * @rcu: for kfree_rcu()
 *
 * Says all that a packet needs of its peer but for the CPU's own part, so that no
 * line of the peer itself is touched. A prefix that moves to another peer gets a new
 * entry: readers see the one or the other, never half of each.
 */
struct ipmesh_prefix {
	struct rhash_head node;
	struct ipmesh_prefix_key key;
	__be32 endpoint4;
	struct ipmesh_peer_cpu __percpu *cpu;
	u32 stamp;
	union {
		struct list_head list;
		struct rcu_head rcu;
	};
};

/**
 * struct ipmesh_prefix_table - pod CIDRs, for the longest match
 * @hash: all prefixes; written under the device's lock, read under RCU
 * @lens4: bit n is set while an IPv4 prefix of length n is in @hash; likewise
 * @lens6: the same for IPv6
 * @count: prefixes of either family by plen, IPv4 first; device's lock
 */
struct ipmesh_prefix_table {
	struct rhashtable hash;
	u64 lens4;
	unsigned long lens6[BITS_TO_LONGS(129)];
	u32 count[33 + 129];
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
void ipmesh_prefix_remove(struct ipmesh_prefix_table *table,
			  struct ipmesh_prefix *prefix);
const struct ipmesh_prefix *ipmesh_prefix_find4(struct ipmesh_prefix_table *table,
						__be32 addr);
const struct ipmesh_prefix *ipmesh_prefix_find6(struct ipmesh_prefix_table *table,
						const struct in6_addr *addr);
const struct ipmesh_prefix *ipmesh_prefix_find(struct ipmesh_prefix_table *table,
					       const struct in6_addr *addr);
struct ipmesh_peer *ipmesh_prefix_peer(const struct ipmesh_prefix *prefix);

/**
 * ipmesh_prefix_is4 - whether a prefix is an IPv4 one
 * @key: the prefix
 */
static inline bool ipmesh_prefix_is4(const struct ipmesh_prefix_key *key)
{
	return key->plen >= 96 && ipv6_addr_v4mapped(&key->addr);
}

#endif /* _IPMESH_PREFIX_H */
