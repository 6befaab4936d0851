// SPDX-License-Identifier: GPL-2.0-only
/* How much the users of a host may have. The administrator's devices have limits of
 * their own, max_peers above all. Anybody else is root in a user namespace, and makes as
 * many of these, and of devices, as he likes: so what they all hold is counted together.
 */

#include <linux/cred.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

#include "device.h"
#include "peer.h"
#include "quota.h"
#include "source.h"

/* Most devices, and most peers with their prefixes on all of them. */
#define DEVICES_MAX	256
#define ENTRIES_MAX	BIT(18)

/**
 * struct ipmesh_quota - what one user has
 * @list: in quotas
 * @user_ns: the user namespace that the host's root made for him, as for a container;
 *	NULL when he has made his own ones; constant
 * @uid: who has made it; constant
 * @devices: devices that count here
 * @entries: peers of them, pod CIDRs, sources and outer prefixes
 *
 * All that changes is under quota_lock.
 */
struct ipmesh_quota {
	struct list_head list;
	struct user_namespace *user_ns;
	kuid_t uid;
	unsigned int devices;
	unsigned int entries;
};

static LIST_HEAD(quotas);
static DEFINE_MUTEX(quota_lock); /* quotas; nests inside RTNL and a device's lock */

/* The namespace that decides: the outermost one below that of the host. */
static struct user_namespace *outermost(const struct net *net)
{
	struct user_namespace *user_ns = net->user_ns;

	while (user_ns->level > 1)
		user_ns = user_ns->parent;
	return user_ns;
}

/* Namespaces that a user has made for himself are one, however many they are. */
static struct user_namespace *quota_key(struct user_namespace *user_ns)
{
	return uid_eq(user_ns->owner, GLOBAL_ROOT_UID) ? user_ns : NULL;
}

static bool is_limited(const struct user_namespace *user_ns)
{
	return user_ns != &init_user_ns;
}

/* Whether what is in a namespace counts in a quota, or with NULL in none. */
static bool is_right(const struct ipmesh_quota *quota, struct user_namespace *user_ns)
{
	if (!quota)
		return !is_limited(user_ns);
	return quota->user_ns == quota_key(user_ns) && uid_eq(quota->uid, user_ns->owner);
}

static struct ipmesh_quota *get_quota(struct user_namespace *user_ns)
{
	struct ipmesh_quota *quota;

	lockdep_assert_held(&quota_lock);

	list_for_each_entry(quota, &quotas, list)
		if (is_right(quota, user_ns))
			return quota;
	quota = kzalloc(sizeof(*quota), GFP_KERNEL_ACCOUNT);
	if (!quota)
		return NULL;
	quota->uid = user_ns->owner;
	quota->user_ns = quota_key(user_ns);
	if (quota->user_ns)
		get_user_ns(quota->user_ns);
	list_add(&quota->list, &quotas);
	return quota;
}

static void put_quota(struct ipmesh_quota *quota)
{
	lockdep_assert_held(&quota_lock);

	if (quota->devices)
		return;
	list_del(&quota->list);
	if (quota->user_ns)
		put_user_ns(quota->user_ns);
	kfree(quota);
}

/* Count a device, with all that it has, in another quota, or in none. */
static void count_in(struct ipmesh_dev *ipm, struct ipmesh_quota *quota)
{
	struct ipmesh_quota *old = ipm->quota;

	lockdep_assert_held(&quota_lock);

	ipm->quota = quota;
	if (quota) {
		quota->devices++;
		quota->entries += ipm->entries;
	}
	if (old) {
		old->devices--;
		old->entries -= ipm->entries;
		put_quota(old);
	}
}

/**
 * ipmesh_quota_join - count a new device
 * @ipm: the device, which nobody knows of
 * @net: the namespace where it is to live
 * @extack: where a refusal is explained
 *
 * Context: process, RTNL.
 * Return: 0 or a negative error.
 */
int ipmesh_quota_join(struct ipmesh_dev *ipm, const struct net *net,
		      struct netlink_ext_ack *extack)
{
	struct user_namespace *user_ns = outermost(net);
	struct ipmesh_quota *quota;
	int err = 0;

	if (!is_limited(user_ns))
		return 0;
	mutex_lock(&quota_lock);
	quota = get_quota(user_ns);
	if (!quota) {
		err = -ENOMEM;
	} else if (quota->devices >= DEVICES_MAX) {
		NL_SET_ERR_MSG(extack, "A user namespace has at most 256 ipmesh devices");
		err = -ENOSPC;
	} else {
		count_in(ipm, quota);
	}
	mutex_unlock(&quota_lock);
	return err;
}

/**
 * ipmesh_quota_leave - count a device no longer
 * @ipm: the device, which has no peers any more, or whose peers go with it
 *
 * Context: process.
 */
void ipmesh_quota_leave(struct ipmesh_dev *ipm)
{
	mutex_lock(&quota_lock);
	count_in(ipm, NULL);
	mutex_unlock(&quota_lock);
}

/**
 * ipmesh_quota_take - ask for room for peers and their prefixes
 * @ipm: the device
 * @net: the namespace that the request came from, where the device lives
 * @n: how many of them are to be made
 * @attr: what the request asks for, for @extack
 * @extack: where a refusal is explained
 *
 * A device counts where it lives: one that was moved is counted there from its next
 * request on, also when it has more than it could get there.
 *
 * Context: process, the device's lock.
 * Return: 0 or a negative error.
 */
int ipmesh_quota_take(struct ipmesh_dev *ipm, const struct net *net, unsigned int n,
		      const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	struct user_namespace *user_ns = outermost(net);
	struct ipmesh_quota *quota = NULL;
	int err = 0;

	lockdep_assert_held(&ipm->lock);

	/* the host's own ones have no lock in common */
	if (!ipm->quota && !is_limited(user_ns)) {
		ipm->entries += n;
		return 0;
	}
	mutex_lock(&quota_lock);
	if (!is_right(ipm->quota, user_ns)) {
		if (is_limited(user_ns)) {
			quota = get_quota(user_ns);
			if (!quota) {
				err = -ENOMEM;
				goto unlock;
			}
		}
		count_in(ipm, quota);
	}
	quota = ipm->quota;
	if (quota && n && quota->entries + n > ENTRIES_MAX) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "A user namespace has at most 262144 peers and prefixes");
		err = -ENOSPC;
		goto unlock;
	}
	ipm->entries += n;
	if (quota)
		quota->entries += n;
unlock:
	mutex_unlock(&quota_lock);
	return err;
}

/**
 * ipmesh_quota_peer - what a peer counts
 * @peer: the peer
 *
 * Context: process, the device's lock.
 * Return: one for itself, and for each of its prefixes.
 */
unsigned int ipmesh_quota_peer(const struct ipmesh_peer *peer)
{
	const struct ipmesh_sources *sources = ipmesh_source_get(peer);

	return 1 + peer->cidrs.count + peer->froms.count + (sources ? sources->count : 0);
}

/**
 * ipmesh_quota_give - give room back
 * @ipm: the device
 * @n: how many peers and prefixes it has no more
 *
 * Context: process, the device's lock.
 */
void ipmesh_quota_give(struct ipmesh_dev *ipm, unsigned int n)
{
	lockdep_assert_held(&ipm->lock);

	if (!ipm->quota) {
		ipm->entries -= n;
		return;
	}
	mutex_lock(&quota_lock);
	ipm->entries -= n;
	ipm->quota->entries -= n;
	mutex_unlock(&quota_lock);
}
