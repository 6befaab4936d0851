// SPDX-License-Identifier: GPL-2.0-only
/* Peers: found by endpoint, made, unlinked, freed. */

#include <linux/slab.h>

#include "addr.h"
#include "device.h"
#include "message.h"
#include "part.h"
#include "peer.h"
#include "prefix.h"
#include "source.h"
#include "udp.h"
#include "underlay.h"

static struct kmem_cache *peer_cache;

static u32 endpoint_hash(const void *data, u32 len, u32 seed)
{
	return ipmesh_addr_hash(data, seed);
}

static int endpoint_compare(struct rhashtable_compare_arg *arg, const void *object)
{
	const struct ipmesh_peer *peer = object;

	return !ipv6_addr_equal(&peer->endpoint, arg->key);
}

static const struct rhashtable_params peer_params = {
	.head_offset		= offsetof(struct ipmesh_peer, node),
	.key_offset		= offsetof(struct ipmesh_peer, endpoint),
	.key_len		= sizeof(struct in6_addr),
	.hashfn			= endpoint_hash,
	.obj_cmpfn		= endpoint_compare,
	.automatic_shrinking	= true,
};

/**
 * ipmesh_peer_init - make a device's tables of peers
 * @ipm: the device
 *
 * Return: 0 or a negative error.
 */
int ipmesh_peer_init(struct ipmesh_dev *ipm)
{
	int err;

	mutex_init(&ipm->lock);
	/* netlink takes 0 for a dump without a sequence number */
	ipm->seq = 1;
	ipmesh_part_init(&ipm->parts);
	xa_init_flags(&ipm->ids, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	err = rhashtable_init(&ipm->peers, &peer_params);
	if (err)
		return err;
	err = ipmesh_prefix_init(&ipm->prefixes);
	if (err)
		goto destroy_peers;
	err = ipmesh_prefix_init(&ipm->froms);
	if (err)
		goto destroy_prefixes;
	return 0;

destroy_prefixes:
	ipmesh_prefix_destroy(&ipm->prefixes);
destroy_peers:
	rhashtable_destroy(&ipm->peers);
	return err;
}

/**
 * ipmesh_peer_destroy - free a device's tables
 * @ipm: the device, after ipmesh_peer_flush() and without readers
 *
 * Context: process.
 */
void ipmesh_peer_destroy(struct ipmesh_dev *ipm)
{
	ipmesh_part_destroy(&ipm->parts);
	ipmesh_prefix_destroy(&ipm->froms);
	ipmesh_prefix_destroy(&ipm->prefixes);
	rhashtable_destroy(&ipm->peers);
	xa_destroy(&ipm->ids);
	mutex_destroy(&ipm->lock);
}

/**
 * ipmesh_peer_find - the peer with an endpoint
 * @ipm: the device
 * @endpoint: underlay address, an IPv4 one v4-mapped
 *
 * Context: RCU or the device's lock.
 * Return: the peer, valid until the end of that section, or NULL.
 */
struct ipmesh_peer *ipmesh_peer_find(struct ipmesh_dev *ipm,
				     const struct in6_addr *endpoint)
{
	return rhashtable_lookup_fast(&ipm->peers, endpoint, peer_params);
}

/**
 * ipmesh_peer_find4 - the peer with an IPv4 endpoint
 * @ipm: the device
 * @endpoint: underlay address, network byte order
 *
 * Context: RCU.
 * Return: the peer, valid until the end of that section, or NULL.
 */
struct ipmesh_peer *ipmesh_peer_find4(struct ipmesh_dev *ipm, __be32 endpoint)
{
	struct in6_addr key;

	ipv6_addr_set_v4mapped(endpoint, &key);
	return rhashtable_lookup(&ipm->peers, &key, peer_params);
}

/**
 * ipmesh_peer_from - the peer that a packet from an outer source is of
 * @ipm: the device
 * @source: outer source, an IPv4 one v4-mapped
 *
 * The one with this endpoint, else the one with the longest outer prefix that holds it.
 *
 * Context: RCU.
 * Return: the peer, valid until the end of that section, or NULL for a stranger.
 */
struct ipmesh_peer *ipmesh_peer_from(struct ipmesh_dev *ipm, const struct in6_addr *source)
{
	struct ipmesh_peer *peer = ipmesh_peer_find(ipm, source);
	struct ipmesh_prefix_to to;

	if (peer)
		return peer;
	if (!ipmesh_prefix_find(&ipm->froms, source, &to))
		return NULL;
	return ipmesh_part_peer(&ipm->parts, to.part);
}

static void peer_free(struct ipmesh_peer *peer)
{
	/* without readers */
	kfree(rcu_dereference_protected(peer->sources, true));
	ipmesh_part_free(&peer->ipm->parts, peer->to.part);
	kfree(peer->drops);
	kmem_cache_free(peer_cache, peer);
}

static void peer_free_rcu(struct rcu_head *rcu)
{
	peer_free(container_of(rcu, struct ipmesh_peer, rcu));
}

/**
 * ipmesh_peer_add - make a peer, without a name and pod CIDRs
 * @ipm: the device
 * @endpoint: underlay address, an IPv4 one v4-mapped; no peer's yet
 *
 * Context: process, the device's lock.
 * Return: the peer or an error pointer.
 */
struct ipmesh_peer *ipmesh_peer_add(struct ipmesh_dev *ipm,
				    const struct in6_addr *endpoint)
{
	struct ipmesh_peer *peer;
	int err;

	lockdep_assert_held(&ipm->lock);

	peer = kmem_cache_zalloc(peer_cache, GFP_KERNEL_ACCOUNT);
	if (!peer)
		return ERR_PTR(-ENOMEM);
	peer->ipm = ipm;
	peer->endpoint = *endpoint;
	peer->to.encap = IPMESH_ENCAP_DEVICE;
	if (ipmesh_addr_is4(endpoint))
		peer->to.endpoint4 = ipmesh_addr_get4(endpoint);
	INIT_LIST_HEAD(&peer->cidrs.list);
	INIT_LIST_HEAD(&peer->froms.list);

	err = ipmesh_part_alloc(&ipm->parts, peer, &peer->to.part);
	if (err)
		goto free_peer;

	err = xa_alloc_cyclic(&ipm->ids, &peer->id, peer, xa_limit_31b,
			      &ipm->next_id, GFP_KERNEL_ACCOUNT);
	if (err < 0)
		goto free_part;

	err = rhashtable_lookup_insert_fast(&ipm->peers, &peer->node, peer_params);
	if (err)
		goto erase_id;

	WRITE_ONCE(ipm->peer_count, ipm->peer_count + 1);
	return peer;

erase_id:
	xa_erase(&ipm->ids, peer->id);
free_part:
	ipmesh_part_free(&ipm->parts, peer->to.part);
free_peer:
	kmem_cache_free(peer_cache, peer);
	return ERR_PTR(err);
}

static void remove_prefixes(struct ipmesh_prefix_table *table, struct ipmesh_peer_set *set)
{
	struct ipmesh_prefix *prefix, *tmp;

	list_for_each_entry_safe(prefix, tmp, &set->list, list) {
		list_del(&prefix->list);
		ipmesh_prefix_remove(table, prefix);
	}
}

/**
 * ipmesh_peer_del - unlink a peer and free it after a grace period
 * @ipm: the device
 * @peer: a peer of it
 *
 * The cached routes go with the last reader: one that runs now may still put
 * a new one into the peer.
 *
 * Context: process, the device's lock.
 */
void ipmesh_peer_del(struct ipmesh_dev *ipm, struct ipmesh_peer *peer)
{
	lockdep_assert_held(&ipm->lock);

	remove_prefixes(&ipm->prefixes, &peer->cidrs);
	remove_prefixes(&ipm->froms, &peer->froms);
	if (peer->to.encap == IPMESH_ENCAP_UDP)
		ipm->udp_peers--;
	rhashtable_remove_fast(&ipm->peers, &peer->node, peer_params);
	xa_erase(&ipm->ids, peer->id);
	WRITE_ONCE(ipm->peer_count, ipm->peer_count - 1);
	kfree(peer->name);
	call_rcu(&peer->rcu, peer_free_rcu);
}

/**
 * ipmesh_peer_flush - remove all peers, and take no more
 * @ipm: the device, which goes away
 *
 * Context: process, RTNL.
 */
void ipmesh_peer_flush(struct ipmesh_dev *ipm)
{
	struct ipmesh_peer *peer;
	unsigned long id;

	mutex_lock(&ipm->lock);
	ipm->dead = true;
	/* a dump that is at it is not whole */
	ipm->seq++;
	xa_for_each(&ipm->ids, id, peer) {
		ipmesh_message_notify(ipm, peer, IPMESH_CMD_PEER_DEL_NTF,
				      IPMESH_CAUSE_DEVICE);
		ipmesh_peer_del(ipm, peer);
		cond_resched();
	}
	ipmesh_udp_close(ipmesh_underlay_get(ipm->net), ipm->udp);
	ipm->udp = NULL;
	mutex_unlock(&ipm->lock);
}

/**
 * ipmesh_peer_cache_create - make the slab cache of peers
 *
 * Return: 0 or -ENOMEM.
 */
int ipmesh_peer_cache_create(void)
{
	peer_cache = KMEM_CACHE(ipmesh_peer, SLAB_HWCACHE_ALIGN);
	return peer_cache ? 0 : -ENOMEM;
}

/**
 * ipmesh_peer_cache_destroy - the reverse
 *
 * Context: process, no peer is left but those waiting for a grace period.
 */
void ipmesh_peer_cache_destroy(void)
{
	rcu_barrier();
	kmem_cache_destroy(peer_cache);
}
