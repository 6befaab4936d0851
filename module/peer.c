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

/**
 * ipmesh_peer_init - make a device's tables of peers
 * @ipm: the device
 */
void ipmesh_peer_init(struct ipmesh_dev *ipm)
{
	mutex_init(&ipm->lock);
	/* netlink takes 0 for a dump without a sequence number */
	ipm->seq = 1;
	ipmesh_part_init(&ipm->parts);
	xa_init_flags(&ipm->ids, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	ipmesh_prefix_init(&ipm->endpoints);
	ipmesh_prefix_init(&ipm->prefixes);
	ipmesh_prefix_init(&ipm->froms);
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
	ipmesh_prefix_destroy(&ipm->endpoints);
	xa_destroy(&ipm->ids);
	mutex_destroy(&ipm->lock);
}

/**
 * ipmesh_peer_to - what packets need to know of the peer with an endpoint
 * @ipm: the device
 * @endpoint: underlay address, an IPv4 one v4-mapped
 * @to: the result
 *
 * Context: RCU.
 * Return: false when there is no such peer.
 */
bool ipmesh_peer_to(const struct ipmesh_dev *ipm, const struct in6_addr *endpoint,
		    struct ipmesh_prefix_to *to)
{
	return ipmesh_prefix_find(&ipm->endpoints, endpoint, to);
}

/**
 * ipmesh_peer_find - the peer with an endpoint
 * @ipm: the device
 * @endpoint: underlay address, an IPv4 one v4-mapped
 *
 * Context: RCU or the device's lock.
 * Return: the peer, valid until the end of that section, or NULL.
 */
struct ipmesh_peer *ipmesh_peer_find(const struct ipmesh_dev *ipm,
				     const struct in6_addr *endpoint)
{
	struct ipmesh_peer *peer = NULL;
	struct ipmesh_prefix_to to;

	rcu_read_lock();
	if (ipmesh_peer_to(ipm, endpoint, &to))
		peer = ipmesh_part_peer(&ipm->parts, to.part);
	rcu_read_unlock();
	return peer;
}

/**
 * ipmesh_peer_find4 - the peer with an IPv4 endpoint
 * @ipm: the device
 * @endpoint: underlay address, network byte order
 *
 * Context: RCU.
 * Return: the peer, valid until the end of that section, or NULL.
 */
struct ipmesh_peer *ipmesh_peer_find4(const struct ipmesh_dev *ipm, __be32 endpoint)
{
	struct in6_addr key;

	ipv6_addr_set_v4mapped(endpoint, &key);
	return ipmesh_peer_find(ipm, &key);
}

/**
 * ipmesh_peer_from - what is known of the peer that a packet from an outer source is of
 * @ipm: the device
 * @source: outer source, an IPv4 one v4-mapped
 * @to: the result
 *
 * The one with this endpoint, else the one with the longest outer prefix that holds it.
 *
 * Context: RCU.
 * Return: false for a stranger.
 */
bool ipmesh_peer_from(const struct ipmesh_dev *ipm, const struct in6_addr *source,
		      struct ipmesh_prefix_to *to)
{
	return ipmesh_peer_to(ipm, source, to) || ipmesh_prefix_find(&ipm->froms, source, to);
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
 * ipmesh_peer_make - make a peer that nobody sees yet, without a name and pod CIDRs
 * @ipm: the device
 * @endpoint: underlay address, an IPv4 one v4-mapped; no peer's yet
 *
 * Context: process, the device's lock.
 * Return: the peer, for ipmesh_peer_show() or ipmesh_peer_drop(), or an error pointer.
 */
struct ipmesh_peer *ipmesh_peer_make(struct ipmesh_dev *ipm,
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

	/* no peer is there yet for those who walk over them all under RCU */
	err = xa_alloc_cyclic(&ipm->ids, &peer->id, NULL, xa_limit_31b,
			      &ipm->next_id, GFP_KERNEL_ACCOUNT);
	if (err < 0)
		goto free_part;

	ipmesh_prefix_key_make(&peer->at.key, endpoint, sizeof(*endpoint), 128);
	peer->at.to = peer->to;
	err = ipmesh_prefix_prepare(&ipm->endpoints, &peer->at);
	if (err)
		goto erase_id;
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
 * ipmesh_peer_show - let others see a peer
 * @ipm: the device
 * @peer: from ipmesh_peer_make(), complete
 *
 * Context: process, the device's lock.
 */
void ipmesh_peer_show(struct ipmesh_dev *ipm, struct ipmesh_peer *peer)
{
	lockdep_assert_held(&ipm->lock);

	/* does not fail: the place is taken */
	xa_store(&ipm->ids, peer->id, peer, GFP_KERNEL_ACCOUNT);
	ipmesh_prefix_show(&ipm->endpoints, &peer->at);
	WRITE_ONCE(ipm->peer_count, ipm->peer_count + 1);
}

/**
 * ipmesh_peer_drop - free a peer that nobody has seen
 * @ipm: the device
 * @peer: from ipmesh_peer_make()
 *
 * Context: process, the device's lock.
 */
void ipmesh_peer_drop(struct ipmesh_dev *ipm, struct ipmesh_peer *peer)
{
	lockdep_assert_held(&ipm->lock);

	ipmesh_prefix_take(&ipm->endpoints, &peer->at);
	xa_erase(&ipm->ids, peer->id);
	peer_free(peer);
}

/* What is left of a peer once packets do not find it. */
static void peer_bury(struct ipmesh_dev *ipm, struct ipmesh_peer *peer)
{
	xa_erase(&ipm->ids, peer->id);
	WRITE_ONCE(ipm->peer_count, ipm->peer_count - 1);
	kfree(peer->name);
	call_rcu(&peer->rcu, peer_free_rcu);
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
	ipmesh_prefix_take(&ipm->endpoints, &peer->at);
	peer_bury(ipm, peer);
}

/* Those of a table that is empty. */
static void free_prefixes(struct ipmesh_peer_set *set)
{
	struct ipmesh_prefix *prefix, *tmp;

	list_for_each_entry_safe(prefix, tmp, &set->list, list)
		kfree(prefix);
}

/**
 * ipmesh_peer_flush - remove all peers, and take no more
 * @ipm: the device, which goes away
 *
 * The tables are emptied as a whole: packets find no peer from then on.
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
	ipmesh_prefix_clear(&ipm->endpoints);
	ipmesh_prefix_clear(&ipm->prefixes);
	ipmesh_prefix_clear(&ipm->froms);
	xa_for_each(&ipm->ids, id, peer) {
		ipmesh_message_notify(ipm, peer, IPMESH_CMD_PEER_DEL_NTF,
				      IPMESH_CAUSE_DEVICE);
		free_prefixes(&peer->cidrs);
		free_prefixes(&peer->froms);
		peer_bury(ipm, peer);
		cond_resched();
	}
	ipm->udp_peers = 0;
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
