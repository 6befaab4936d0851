// SPDX-License-Identifier: GPL-2.0-only
/* Sources: inner addresses that a peer may send from besides its pod CIDRs. A node has
 * more addresses than its endpoint: a second network card, the other family, a virtual
 * address. Nothing is sent there through the tunnel, and a virtual address may be seen
 * from one node now and from another one next: several peers may have the same.
 *
 * They are few, and only a packet that no pod CIDR of its peer vouches for looks at them:
 * an array, replaced as a whole.
 */

#include <linux/netlink.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "change.h"
#include "device.h"
#include "peer.h"
#include "source.h"

/**
 * ipmesh_source_has - whether an address is one of a peer's sources
 * @peer: the peer
 * @saddr: inner source, an IPv4 one v4-mapped
 *
 * Context: RCU.
 */
bool ipmesh_source_has(const struct ipmesh_peer *peer, const struct in6_addr *saddr)
{
	const struct ipmesh_sources *sources;
	unsigned int i;

	sources = rcu_dereference_check(peer->sources, rcu_read_lock_bh_held());
	if (!sources)
		return false;
	for (i = 0; i < sources->count; i++) {
		const struct ipmesh_prefix_key *key = &sources->key[i];

		/* a short prefix of IPv6 would hold all v4-mapped addresses */
		if (ipmesh_prefix_is4(key) == ipmesh_addr_is4(saddr) &&
		    ipv6_prefix_equal(saddr, &key->addr, key->plen))
			return true;
	}
	return false;
}

/**
 * ipmesh_source_get - a peer's sources
 * @peer: the peer
 *
 * Context: process, the device's lock.
 * Return: the sources, or NULL for none.
 */
const struct ipmesh_sources *ipmesh_source_get(const struct ipmesh_peer *peer)
{
	return rcu_dereference_protected(peer->sources, lockdep_is_held(&peer->ipm->lock));
}

static bool is_same(const struct ipmesh_prefix_key *a, const struct ipmesh_prefix_key *b)
{
	return a->plen == b->plen && ipv6_addr_equal(&a->addr, &b->addr);
}

static bool is_held(const struct ipmesh_sources *sources, const struct ipmesh_prefix_key *key)
{
	unsigned int i;

	for (i = 0; sources && i < sources->count; i++)
		if (is_same(&sources->key[i], key))
			return true;
	return false;
}

/* Where the request names a prefix, among the first @n; or NULL. */
static const struct ipmesh_change_cidr *named(const struct ipmesh_change_list *list,
					      unsigned int n, const struct ipmesh_prefix_key *key)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (is_same(&list->cidrs[i].key, key))
			return &list->cidrs[i];
	return NULL;
}

/* How many the peer will have, or a negative error. */
static int check(const struct ipmesh_sources *old, const struct ipmesh_change_list *list,
		 struct netlink_ext_ack *extack)
{
	int count = old && !list->replace ? old->count : 0;
	unsigned int i;

	for (i = 0; i < list->count; i++) {
		const struct ipmesh_change_cidr *cidr = &list->cidrs[i];
		bool held = is_held(old, &cidr->key);

		if (named(list, i, &cidr->key)) {
			NL_SET_ERR_MSG_ATTR(extack, cidr->attr,
					    "The request names this source twice");
			return -EINVAL;
		}
		if (cidr->remove && !held) {
			NL_SET_ERR_MSG_ATTR(extack, cidr->attr,
					    "The peer does not have this source");
			return -ENOENT;
		}
		if (cidr->remove)
			count--;
		else if (list->replace || !held)
			count++;
	}
	if (count > IPMESH_MAX_SOURCES) {
		NL_SET_ERR_MSG_ATTR(extack, list->cidrs[list->count - 1].attr,
				    "A peer has at most 64 sources");
		BUILD_BUG_ON(IPMESH_MAX_SOURCES != 64);
		return -ENOSPC;
	}
	return count;
}

/**
 * ipmesh_source_prepare - check what a request says of sources, and make them
 * @peer: the peer, or NULL for one that is to be made
 * @list: the request
 * @sources: the new ones, for ipmesh_source_commit() or kfree(); NULL for none
 * @extack: where a refusal is explained
 *
 * Context: process, the device's lock.
 * Return: 0 or a negative error.
 */
int ipmesh_source_prepare(const struct ipmesh_peer *peer, const struct ipmesh_change_list *list,
			  struct ipmesh_sources **sources, struct netlink_ext_ack *extack)
{
	const struct ipmesh_sources *old = peer ? ipmesh_source_get(peer) : NULL;
	const struct ipmesh_change_cidr *cidr;
	struct ipmesh_sources *new;
	unsigned int i;
	int count;

	*sources = NULL;
	if (!list->count)
		return 0;
	count = check(old, list, extack);
	if (count <= 0)
		return count;
	new = kzalloc(struct_size(new, key, count), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	/* those that stay keep their order */
	for (i = 0; old && i < old->count; i++) {
		cidr = named(list, list->count, &old->key[i]);
		if (cidr ? !cidr->remove : !list->replace)
			new->key[new->count++] = old->key[i];
	}
	for (i = 0; i < list->count; i++)
		if (!is_held(old, &list->cidrs[i].key))
			new->key[new->count++] = list->cidrs[i].key;
	*sources = new;
	return 0;
}

/**
 * ipmesh_source_commit - give a peer its sources
 * @peer: the peer
 * @list: the request
 * @sources: what ipmesh_source_prepare() has made of it
 *
 * Context: process, the device's lock.
 */
void ipmesh_source_commit(struct ipmesh_peer *peer, const struct ipmesh_change_list *list,
			  struct ipmesh_sources *sources)
{
	lockdep_assert_held(&peer->ipm->lock);

	if (!list->count && !list->replace)
		return;
	sources = rcu_replace_pointer(peer->sources, sources,
				      lockdep_is_held(&peer->ipm->lock));
	if (sources)
		kfree_rcu(sources, rcu);
}
