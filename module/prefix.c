// SPDX-License-Identifier: GPL-2.0-only
/* Pod CIDRs and the longest match among them.
 *
 * One hash table holds the prefixes of all lengths, and a bitmap the lengths
 * that occur. A look-up tries these, longest first. Clusters hand out blocks
 * of one size, with a few /32 beside them, so a look-up costs one or two cache
 * lines however many peers there are, where a trie touches one for each level.
 */

#include <linux/inetdevice.h>
#include <linux/slab.h>

#include "addr.h"
#include "peer.h"
#include "prefix.h"

/* What is in the table is the administrator's choice and not the sender's, so that
 * the hash need not withstand an attack.
 */
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

/**
 * ipmesh_prefix_init - make a table
 * @table: zeroed memory
 *
 * Return: 0 or a negative error.
 */
int ipmesh_prefix_init(struct ipmesh_prefix_table *table)
{
	return rhashtable_init(&table->hash, &prefix_params);
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
	int err;

	err = rhashtable_lookup_insert_fast(&table->hash, &prefix->node, prefix_params);
	if (err)
		return err;

	if ((*key_count(table, key))++)
		return 0;
	if (ipmesh_prefix_is4(key))
		WRITE_ONCE(table->lens4, table->lens4 | BIT_ULL(key->plen - 96));
	else
		set_bit(key->plen, table->lens6);
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
	kfree_rcu(old, rcu);
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

	rhashtable_remove_fast(&table->hash, &prefix->node, prefix_params);
	if (!--*key_count(table, key)) {
		if (ipmesh_prefix_is4(key))
			WRITE_ONCE(table->lens4, table->lens4 & ~BIT_ULL(key->plen - 96));
		else
			clear_bit(key->plen, table->lens6);
	}
	kfree_rcu(prefix, rcu);
}

static const struct ipmesh_prefix *find_key(struct ipmesh_prefix_table *table,
					    const struct ipmesh_prefix_key *key)
{
	return rhashtable_lookup(&table->hash, key, prefix_params);
}

/**
 * ipmesh_prefix_find4 - the pod CIDR that holds an IPv4 address
 * @table: the table
 * @addr: inner address, network byte order
 *
 * Context: RCU.
 * Return: the longest prefix that holds @addr, or NULL.
 */
const struct ipmesh_prefix *ipmesh_prefix_find4(struct ipmesh_prefix_table *table,
						__be32 addr)
{
	struct ipmesh_prefix_key key;
	u64 lens;

	for (lens = READ_ONCE(table->lens4); lens; lens &= ~BIT_ULL(key.plen - 96)) {
		unsigned int len = fls64(lens) - 1;
		const struct ipmesh_prefix *prefix;

		ipv6_addr_set_v4mapped(addr & inet_make_mask(len), &key.addr);
		key.plen = len + 96;
		prefix = find_key(table, &key);
		if (likely(prefix))
			return prefix;
	}
	return NULL;
}

/**
 * ipmesh_prefix_find6 - the pod CIDR that holds an IPv6 address
 * @table: the table
 * @addr: inner address
 *
 * Context: RCU.
 * Return: the longest prefix that holds @addr, or NULL.
 */
const struct ipmesh_prefix *ipmesh_prefix_find6(struct ipmesh_prefix_table *table,
						const struct in6_addr *addr)
{
	unsigned long len = 129;

	for (;;) {
		const struct ipmesh_prefix *prefix;
		struct ipmesh_prefix_key key;
		unsigned long last = len;

		/* find_last_bit() gives its size when there is none */
		len = find_last_bit(table->lens6, last);
		if (len >= last)
			return NULL;
		ipv6_addr_prefix(&key.addr, addr, len);
		key.plen = len;
		prefix = find_key(table, &key);
		if (likely(prefix))
			return prefix;
	}
}

/**
 * ipmesh_prefix_find - the pod CIDR that holds an address of either family
 * @table: the table
 * @addr: inner address, an IPv4 one v4-mapped
 *
 * Context: RCU.
 * Return: the longest prefix that holds @addr, or NULL.
 */
const struct ipmesh_prefix *ipmesh_prefix_find(struct ipmesh_prefix_table *table,
					       const struct in6_addr *addr)
{
	if (ipmesh_addr_is4(addr))
		return ipmesh_prefix_find4(table, ipmesh_addr_get4(addr));
	return ipmesh_prefix_find6(table, addr);
}

/**
 * ipmesh_prefix_peer - the peer behind a pod CIDR
 * @prefix: the pod CIDR
 *
 * Context: RCU or the device's lock.
 * Return: the peer, valid until the end of that section.
 */
struct ipmesh_peer *ipmesh_prefix_peer(const struct ipmesh_prefix *prefix)
{
	/* any CPU's part names it */
	return raw_cpu_ptr(prefix->cpu)->peer;
}
