// SPDX-License-Identifier: GPL-2.0-only
/* A request to make or change a peer, done whole or not at all. */

#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/stringify.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "change.h"
#include "conf.h"
#include "device.h"
#include "message.h"
#include "peer.h"
#include "quota.h"
#include "source.h"
#include "udp.h"

/* Pod CIDRs and outer prefixes are held alike, each in a table of their own. */
static struct ipmesh_prefix_table *table_of(struct ipmesh_dev *ipm, bool outer)
{
	return outer ? &ipm->froms : &ipm->prefixes;
}

static struct ipmesh_peer_set *set_of(struct ipmesh_peer *peer, bool outer)
{
	return outer ? &peer->froms : &peer->cidrs;
}

static void refuse_held_outer(const struct ipmesh_change_cidr *cidr,
			      const struct ipmesh_peer *holder,
			      struct netlink_ext_ack *extack)
{
	const char *name = holder->name ?: "";
	const char *space = *name ? " " : "";

	if (ipmesh_addr_is4(&holder->endpoint))
		ipmesh_compat_extack(extack, cidr->attr,
				     "Another peer has this outer prefix; say move to take it",
				     "Peer %pI4%s%.14s has this outer prefix; say move to take it",
				     &holder->endpoint.s6_addr32[3], space, name);
	else
		ipmesh_compat_extack(extack, cidr->attr,
				     "Another peer has this outer prefix; say move",
				     "Peer %pI6c%s%.8s has this outer prefix; say move",
				     &holder->endpoint, space, name);
}

static void refuse_held(const struct ipmesh_change_cidr *cidr,
			const struct ipmesh_peer *holder,
			struct netlink_ext_ack *extack)
{
	const char *name = holder->name ?: "";
	const char *space = *name ? " " : "";

	/* an extack has room for some 80 bytes and none for the longest name */
	if (ipmesh_addr_is4(&holder->endpoint))
		ipmesh_compat_extack(extack, cidr->attr,
				     "Another peer holds this pod CIDR; say move to take it",
				     "Peer %pI4%s%.20s holds this pod CIDR; say move to take it",
				     &holder->endpoint.s6_addr32[3], space, name);
	else
		ipmesh_compat_extack(extack, cidr->attr,
				     "Another peer holds this pod CIDR; say move",
				     "Peer %pI6c%s%.8s holds this pod CIDR; say move",
				     &holder->endpoint, space, name);
}

static struct ipmesh_peer *peer_of(const struct ipmesh_dev *ipm,
				   const struct ipmesh_prefix *prefix)
{
	struct ipmesh_peer *peer;

	/* cannot go while the lock is held */
	rcu_read_lock();
	peer = ipmesh_part_peer(&ipm->parts, prefix->to.part);
	rcu_read_unlock();
	return peer;
}

static void refuse_twice(const struct ipmesh_change_cidr *cidr, bool outer,
			 struct netlink_ext_ack *extack)
{
	if (outer)
		NL_SET_ERR_MSG_ATTR(extack, cidr->attr,
				    "The request names this outer prefix twice");
	else
		NL_SET_ERR_MSG_ATTR(extack, cidr->attr,
				    "The request names this pod CIDR twice");
}

static void refuse_not_held(const struct ipmesh_change_cidr *cidr, bool outer,
			    struct netlink_ext_ack *extack)
{
	if (outer)
		NL_SET_ERR_MSG_ATTR(extack, cidr->attr,
				    "The peer does not have this outer prefix");
	else
		NL_SET_ERR_MSG_ATTR(extack, cidr->attr,
				    "The peer does not hold this pod CIDR");
}

/* Everything that can be refused without a change is refused here; what is
 * left to fail is memory.
 */
static int check_cidr(struct ipmesh_dev *ipm, const struct ipmesh_change *change,
		      const struct ipmesh_peer *peer,
		      struct ipmesh_change_cidr *cidr, bool outer,
		      struct netlink_ext_ack *extack)
{
	struct ipmesh_prefix *prefix = ipmesh_prefix_get(table_of(ipm, outer), &cidr->key);
	struct ipmesh_peer *holder;

	holder = prefix ? peer_of(ipm, prefix) : NULL;
	if (cidr->remove) {
		if (!prefix || holder != peer) {
			refuse_not_held(cidr, outer, extack);
			return -ENOENT;
		}
	} else if (prefix && holder != peer && !change->move) {
		if (outer)
			refuse_held_outer(cidr, holder, extack);
		else
			refuse_held(cidr, holder, extack);
		return -EEXIST;
	}
	if (prefix) {
		if (prefix->stamp == ipm->stamp) {
			refuse_twice(cidr, outer, extack);
			return -EINVAL;
		}
		prefix->stamp = ipm->stamp;
	}
	if (holder == peer) {
		cidr->prefix = prefix;
	} else {
		cidr->old = prefix;
		cidr->from = holder;
	}
	return 0;
}

static int check_cidrs(struct ipmesh_dev *ipm, struct ipmesh_change *change,
		       struct ipmesh_peer *peer, const struct ipmesh_change_list *list,
		       bool outer, struct netlink_ext_ack *extack)
{
	unsigned int removed = 0, kept = 0, added = 0;
	unsigned int held = peer ? set_of(peer, outer)->count : 0;
	unsigned int i;
	int err;

	for (i = 0; i < list->count; i++) {
		struct ipmesh_change_cidr *cidr = &list->cidrs[i];

		err = check_cidr(ipm, change, peer, cidr, outer, extack);
		if (err)
			return err;
		if (cidr->remove)
			removed++;
		else if (cidr->prefix)
			kept++;
		else
			added++;
		change->moved += !!cidr->from;
	}
	held = list->replace ? kept : held - removed;
	change->added += added;
	if (outer && held + added > IPMESH_MAX_FROMS) {
		NL_SET_ERR_MSG_ATTR(extack, change->endpoint_attr,
				    "A peer has at most " __stringify(IPMESH_MAX_FROMS)
				    " outer prefixes");
		return -ENOSPC;
	}
	if (!outer && held + added > IPMESH_MAX_CIDRS) {
		NL_SET_ERR_MSG_ATTR(extack, change->endpoint_attr,
				    "A peer holds at most " __stringify(IPMESH_MAX_CIDRS)
				    " pod CIDRs");
		return -ENOSPC;
	}
	return 0;
}

/* Packets from them come by the underlay. */
static int check_outer_family(const struct ipmesh_change *change,
			      struct netlink_ext_ack *extack)
{
	bool is4 = ipmesh_addr_is4(&change->endpoint);
	unsigned int i;

	for (i = 0; i < change->froms.count; i++) {
		const struct ipmesh_change_cidr *cidr = &change->froms.cidrs[i];

		if (ipmesh_prefix_is4(&cidr->key) == is4)
			continue;
		NL_SET_ERR_MSG_ATTR(extack, cidr->attr,
				    "An outer prefix must be of the endpoint's family");
		return -EAFNOSUPPORT;
	}
	return 0;
}

static void drop_prepared(struct ipmesh_dev *ipm, struct ipmesh_change_list *list,
			  unsigned int n, bool outer)
{
	while (n--) {
		struct ipmesh_change_cidr *cidr = &list->cidrs[n];

		if (cidr->remove || !list_empty(&cidr->prefix->list))
			continue;
		if (cidr->from)
			kfree(cidr->prefix);
		else
			ipmesh_prefix_remove(table_of(ipm, outer), cidr->prefix);
	}
}

static struct ipmesh_prefix *make_prefix(const struct ipmesh_dev *ipm,
					 const struct ipmesh_change_cidr *cidr)
{
	struct ipmesh_prefix *prefix = kzalloc(sizeof(*prefix), GFP_KERNEL_ACCOUNT);

	if (!prefix)
		return NULL;
	prefix->key = cidr->key;
	prefix->stamp = ipm->stamp;
	INIT_LIST_HEAD(&prefix->list);
	return prefix;
}

/* Makes the entries that the peer has not yet, and takes places for those of prefixes that
 * nobody holds. All stay on no list, and no packet sees them, until the whole request is
 * sure to succeed.
 */
static int prepare_cidrs(struct ipmesh_dev *ipm, struct ipmesh_change_list *list,
			 bool outer, struct netlink_ext_ack *extack)
{
	unsigned int i;
	int err;

	for (i = 0; i < list->count; i++) {
		struct ipmesh_change_cidr *cidr = &list->cidrs[i];
		struct ipmesh_prefix *prefix;

		if (cidr->remove || cidr->prefix)
			continue;

		err = -ENOMEM;
		prefix = make_prefix(ipm, cidr);
		if (!prefix)
			goto drop_prepared;
		err = cidr->from ? 0 : ipmesh_prefix_prepare(table_of(ipm, outer), prefix);
		if (err) {
			kfree(prefix);
			/* all that were there before are known */
			if (err == -EEXIST) {
				refuse_twice(cidr, outer, extack);
				err = -EINVAL;
			} else if (err == -ENOSPC) {
				NL_SET_ERR_MSG_ATTR(extack, cidr->attr,
						    "The device has no room for more prefixes");
			}
			goto drop_prepared;
		}
		cidr->prefix = prefix;
	}
	return 0;

drop_prepared:
	drop_prepared(ipm, list, i, outer);
	return err;
}

static void remove_cidr(struct ipmesh_dev *ipm, struct ipmesh_peer *peer,
			struct ipmesh_prefix *prefix, bool outer)
{
	list_del(&prefix->list);
	set_of(peer, outer)->count--;
	ipmesh_prefix_remove(table_of(ipm, outer), prefix);
}

/* Cannot fail. A moved prefix has one or the other peer at any moment. */
static void commit_cidrs(struct ipmesh_dev *ipm, struct ipmesh_change_list *list,
			 struct ipmesh_peer *peer, bool outer)
{
	struct ipmesh_peer_set *set = set_of(peer, outer);
	struct ipmesh_prefix *prefix, *tmp;
	unsigned int i;

	for (i = 0; i < list->count; i++) {
		struct ipmesh_change_cidr *cidr = &list->cidrs[i];

		if (cidr->remove) {
			remove_cidr(ipm, peer, cidr->prefix, outer);
			continue;
		}
		if (!list_empty(&cidr->prefix->list))
			continue;
		list_add_tail(&cidr->prefix->list, &set->list);
		set->count++;
		cidr->prefix->to = peer->to;
		if (cidr->from) {
			list_del(&cidr->old->list);
			set_of(cidr->from, outer)->count--;
			ipmesh_prefix_replace(table_of(ipm, outer), cidr->old, cidr->prefix);
		} else {
			ipmesh_prefix_show(table_of(ipm, outer), cidr->prefix);
		}
	}
	if (!list->replace)
		return;
	list_for_each_entry_safe(prefix, tmp, &set->list, list)
		if (prefix->stamp != ipm->stamp)
			remove_cidr(ipm, peer, prefix, outer);
}

static void notify_losers(struct ipmesh_dev *ipm, const struct ipmesh_change_list *list)
{
	unsigned int i;

	for (i = 0; i < list->count; i++) {
		struct ipmesh_peer *from = list->cidrs[i].from;

		if (!from || from->stamp == ipm->stamp)
			continue;
		from->stamp = ipm->stamp;
		ipmesh_message_notify(ipm, from, IPMESH_CMD_PEER_SET_NTF,
				      IPMESH_CAUSE_MOVE);
	}
}

static void notify(struct ipmesh_dev *ipm, const struct ipmesh_change *change,
		   struct ipmesh_peer *peer, bool created)
{
	notify_losers(ipm, &change->cidrs);
	notify_losers(ipm, &change->froms);
	ipmesh_message_notify(ipm, peer, created ? IPMESH_CMD_PEER_NEW_NTF :
						   IPMESH_CMD_PEER_SET_NTF,
			      IPMESH_CAUSE_REQUEST);
}

static int check_new(struct ipmesh_dev *ipm, const struct ipmesh_change *change,
		     struct netlink_ext_ack *extack)
{
	const struct ipmesh_conf *conf;
	struct in6_addr local;
	u32 max_peers;
	u8 family;

	rcu_read_lock();
	conf = rcu_dereference(ipm->conf);
	max_peers = conf->max_peers;
	family = conf->family;
	local = conf->local;
	rcu_read_unlock();

	if (family != ipmesh_addr_family(&change->endpoint)) {
		if (family == AF_INET)
			NL_SET_ERR_MSG_ATTR(extack, change->endpoint_attr,
					    "The underlay is IPv4, and so must the endpoint be");
		else
			NL_SET_ERR_MSG_ATTR(extack, change->endpoint_attr,
					    "The underlay is IPv6, and so must the endpoint be");
		return -EAFNOSUPPORT;
	}

	if (ipm->peer_count >= max_peers) {
		ipmesh_compat_extack(extack, change->endpoint_attr,
				     "The device has all its peers already; raise max_peers",
				     "The device has its %u peers already; raise max_peers",
				     max_peers);
		return -ENOSPC;
	}
	if (ipv6_addr_equal(&local, &change->endpoint)) {
		NL_SET_ERR_MSG_ATTR(extack, change->endpoint_attr,
				    "The endpoint is the device's own local address");
		return -EINVAL;
	}
	return 0;
}

/* A name of zero length is none. */
static int make_name(const struct ipmesh_change *change, char **name)
{
	*name = NULL;
	if (!change->name || !*change->name)
		return 0;
	*name = kstrdup(change->name, GFP_KERNEL_ACCOUNT);
	return *name ? 0 : -ENOMEM;
}

/* Peers that have UDP of their own once the request is done. */
static unsigned int count_udp(const struct ipmesh_dev *ipm, const struct ipmesh_change *change,
			      const struct ipmesh_peer *peer)
{
	bool was = peer && peer->to.encap == IPMESH_ENCAP_UDP;
	bool is = change->encap < 0 ? was : change->encap == IPMESH_ENCAP_UDP;

	return ipm->udp_peers - was + is;
}

/* The version that goes with new settings of a peer. Where they begin again, routes may
 * still be cached from last time: those of all peers are stale then, and no packet is
 * left that thinks otherwise.
 */
static u8 next_version(struct ipmesh_dev *ipm, const struct ipmesh_peer *peer)
{
	u8 version = (peer->to.version + 1) % IPMESH_PREFIX_VERSIONS;

	if (!version) {
		ipmesh_device_changed(ipm);
		synchronize_net();
	}
	return version;
}

/* Each pod CIDR leads to all of the old encapsulation or to all of the new one. A peer
 * that nobody sees yet has no routes cached.
 */
static void commit_encap(struct ipmesh_dev *ipm, const struct ipmesh_change *change,
			 struct ipmesh_peer *peer, unsigned int udp_peers)
{
	struct ipmesh_prefix_to to = peer->to;
	struct ipmesh_prefix *prefix;

	WRITE_ONCE(ipm->udp_peers, udp_peers);
	if (change->encap >= 0)
		to.encap = change->encap;
	if (change->dport_set)
		to.dport = change->dport;
	if (to.encap == peer->to.encap && to.dport == peer->to.dport)
		return;
	if (peer->at.shown)
		to.version = next_version(ipm, peer);
	peer->to = to;
	ipmesh_prefix_redirect(&ipm->endpoints, &peer->at, &peer->to);
	list_for_each_entry(prefix, &peer->cidrs.list, list)
		ipmesh_prefix_redirect(&ipm->prefixes, prefix, &peer->to);
}

/* Asks for the UDP port when the first peer needs it, and gives it back when
 * the last one does not.
 */
static int want_udp(struct ipmesh_dev *ipm, const struct ipmesh_change *change,
		    unsigned int udp_peers, struct netlink_ext_ack *extack)
{
	const struct ipmesh_conf *conf;

	/* replaced under the device's lock only */
	conf = rcu_dereference_protected(ipm->conf, lockdep_is_held(&ipm->lock));
	return ipmesh_udp_want(ipm, conf, udp_peers, change->endpoint_attr, extack);
}

/**
 * ipmesh_change_do - make or change a peer
 * @ipm: the device
 * @change: the request
 * @extack: where a refusal is explained
 *
 * Context: process, the device's lock.
 * Return: 0, or a negative error and nothing is changed.
 */
int ipmesh_change_do(struct ipmesh_dev *ipm, struct ipmesh_change *change,
		     struct netlink_ext_ack *extack)
{
	struct ipmesh_peer *peer, *created = NULL;
	struct ipmesh_sources *sources;
	unsigned int udp_peers, had, taken;
	char *name;
	int err;

	lockdep_assert_held(&ipm->lock);

	ipm->stamp++;
	peer = ipmesh_peer_find(ipm, &change->endpoint);
	if (peer && !change->may_exist) {
		NL_SET_ERR_MSG_ATTR(extack, change->endpoint_attr,
				    "The device has a peer with this endpoint already");
		return -EEXIST;
	}
	if (!peer && !change->may_create) {
		NL_SET_ERR_MSG_ATTR(extack, change->endpoint_attr,
				    "The device has no peer with this endpoint");
		return -ENOENT;
	}
	if (!peer) {
		err = check_new(ipm, change, extack);
		if (err)
			return err;
	}
	err = check_outer_family(change, extack);
	if (!err)
		err = check_cidrs(ipm, change, peer, &change->cidrs, false, extack);
	if (!err)
		err = check_cidrs(ipm, change, peer, &change->froms, true, extack);
	if (err)
		return err;

	err = ipmesh_source_prepare(peer, &change->sources, &sources, extack);
	if (err)
		goto free_sources;
	had = peer ? ipmesh_quota_peer(peer) : 0;
	taken = !peer + change->added - change->moved + (sources ? sources->count : 0);
	err = ipmesh_quota_take(ipm, change->net, taken, change->endpoint_attr, extack);
	if (err)
		goto free_sources;
	err = make_name(change, &name);
	if (err)
		goto give_quota;
	if (!peer) {
		created = ipmesh_peer_make(ipm, &change->endpoint);
		if (IS_ERR(created)) {
			err = PTR_ERR(created);
			goto free_name;
		}
		peer = created;
	}
	udp_peers = count_udp(ipm, change, peer);
	if (udp_peers >= ipm->udp_peers) {
		err = want_udp(ipm, change, udp_peers, extack);
		if (err)
			goto drop_peer;
	}
	err = prepare_cidrs(ipm, &change->cidrs, false, extack);
	if (err)
		goto unwant_udp;
	err = prepare_cidrs(ipm, &change->froms, true, extack);
	if (err)
		goto drop_prepared;

	/* what packets come to see is complete */
	ipmesh_source_commit(peer, &change->sources, sources);
	commit_encap(ipm, change, peer, udp_peers);
	if (change->name) {
		kfree(peer->name);
		peer->name = name;
	}
	if (change->routes >= 0)
		peer->routes = change->routes;
	if (created)
		ipmesh_peer_show(ipm, created);
	commit_cidrs(ipm, &change->cidrs, peer, false);
	commit_cidrs(ipm, &change->froms, peer, true);
	want_udp(ipm, change, udp_peers, NULL);
	/* for what it has lost */
	ipmesh_quota_give(ipm, taken + had + change->moved - ipmesh_quota_peer(peer));
	peer->stamp = ipm->stamp;
	ipm->seq++;
	notify(ipm, change, peer, created);
	return 0;

drop_prepared:
	drop_prepared(ipm, &change->cidrs, change->cidrs.count, false);
unwant_udp:
	want_udp(ipm, change, ipm->udp_peers, NULL);
drop_peer:
	if (created)
		ipmesh_peer_drop(ipm, created);
free_name:
	kfree(name);
give_quota:
	ipmesh_quota_give(ipm, taken);
free_sources:
	kfree(sources);
	if (err == -ENOMEM)
		NL_SET_ERR_MSG_ATTR(extack, change->endpoint_attr,
				    "There is no memory for this peer and its prefixes");
	return err;
}
