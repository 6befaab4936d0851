// SPDX-License-Identifier: GPL-2.0-only
/* The network between nodes: which device an outer packet is for, and the end of the
 * namespace.
 */

#include <linux/random.h>
#include <linux/rculist.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "mtu.h"
#include "underlay.h"
#include "way.h"

unsigned int ipmesh_underlay_net_id __read_mostly;

/* A node has a handful of local addresses. What root of a container makes of its own
 * underlay is no worse: ipmesh_prefix_home() says why.
 */
static struct hlist_head *bucket4(struct ipmesh_underlay *ul, __be32 local)
{
	u64 product = (__force u32)local * ul->keys[3];

	return &ul->confs[product >> (64 - IPMESH_UNDERLAY_BITS)];
}

static struct hlist_head *bucket6(struct ipmesh_underlay *ul, const struct in6_addr *local)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ul->keys); i++)
		sum += (__force u32)local->s6_addr32[i] * ul->keys[i];
	return &ul->confs[sum >> (64 - IPMESH_UNDERLAY_BITS)];
}

/**
 * ipmesh_underlay_add - receive for a conf
 * @net: underlay namespace
 * @conf: not yet in the table
 *
 * One local address may serve several devices as long as their lower devices
 * differ. The device's own former conf does not count as another device.
 *
 * Context: process, RTNL.
 * Return: 0, or -EEXIST.
 */
int ipmesh_underlay_add(struct net *net, struct ipmesh_conf *conf)
{
	struct ipmesh_underlay *ul = ipmesh_underlay_get(net);
	const struct ipmesh_conf *other;
	struct hlist_head *head;
	int err = 0;

	head = conf->family == AF_INET ? bucket4(ul, ipmesh_addr_get4(&conf->local)) :
					 bucket6(ul, &conf->local);
	spin_lock(&ul->lock);
	hlist_for_each_entry(other, head, node) {
		if (ipv6_addr_equal(&other->local, &conf->local) &&
		    other->link == conf->link && other->ipm != conf->ipm) {
			err = -EEXIST;
			goto unlock;
		}
	}
	hlist_add_head_rcu(&conf->node, head);
unlock:
	spin_unlock(&ul->lock);
	return err;
}

/**
 * ipmesh_underlay_del - receive no longer for a conf
 * @net: underlay namespace
 * @conf: in the table or already out of it
 *
 * The caller lets a grace period pass before it frees @conf.
 *
 * Context: process, RTNL.
 */
void ipmesh_underlay_del(struct net *net, struct ipmesh_conf *conf)
{
	struct ipmesh_underlay *ul = ipmesh_underlay_get(net);

	spin_lock(&ul->lock);
	hlist_del_init_rcu(&conf->node);
	spin_unlock(&ul->lock);
}

/* Whether the lower device is in the VRF that a packet came by. */
static bool same_vrf(const struct ipmesh_conf *conf, u32 iif, u32 sdif)
{
	u32 vrf;

	vrf = l3mdev_master_upper_ifindex_by_index_rcu(conf->ipm->net, conf->link);
	return vrf && (vrf == iif || vrf == sdif);
}

static __always_inline bool is_link(const struct ipmesh_conf *conf, u32 iif, u32 sdif)
{
	return conf->link == iif || (sdif && conf->link == sdif);
}

static __always_inline bool may_receive(const struct ipmesh_conf *conf, u32 iif, u32 sdif)
{
	return (READ_ONCE(conf->ipm->dev->flags) & IFF_UP) &&
	       (!conf->link || is_link(conf, iif, sdif) ||
		(sdif && same_vrf(conf, iif, sdif)));
}

/* Whether there is none that the packet is rather for. */
static __always_inline bool is_nearest(const struct ipmesh_conf *conf, u32 iif, u32 sdif)
{
	return conf->link && (!sdif || is_link(conf, iif, sdif));
}

static __always_inline struct ipmesh_conf *find_local4(struct ipmesh_underlay *ul,
						       __be32 local, u32 iif, u32 sdif)
{
	struct ipmesh_conf *found = NULL;
	struct ipmesh_conf *conf;

	hlist_for_each_entry_rcu(conf, bucket4(ul, local), node) {
		if (conf->local.s6_addr32[3] != local || conf->family != AF_INET ||
		    !may_receive(conf, iif, sdif))
			continue;
		if (is_nearest(conf, iif, sdif))
			return conf;
		if (!found || conf->link)
			found = conf;
	}
	return found;
}

/* Out of line, for what came by a VRF: others have less to be asked. */
static noinline struct ipmesh_conf *find_vrf4(struct ipmesh_underlay *ul, __be32 local,
					      u32 iif, u32 sdif)
{
	return find_local4(ul, local, iif, sdif) ?:
	       find_local4(ul, htonl(INADDR_ANY), iif, sdif);
}

/**
 * ipmesh_underlay_find4 - the device that an IPv4 outer packet is for
 * @net: namespace in which the packet arrived
 * @local: outer destination, network byte order
 * @iif: index of the device it arrived on
 * @sdif: index of that device when @iif is its VRF, else 0
 *
 * The exact local address goes before any, and with the same address the
 * device that is bound to the lower device before one that is bound to another
 * device of its VRF, and that one before one that is not bound. A device that is
 * down receives nothing.
 *
 * Context: RCU.
 * Return: the conf, valid until the end of the RCU section, or NULL.
 */
struct ipmesh_conf *ipmesh_underlay_find4(struct net *net, __be32 local,
					  int iif, int sdif)
{
	struct ipmesh_underlay *ul = ipmesh_underlay_rcu(net);
	struct ipmesh_conf *conf;

	if (unlikely(sdif))
		return find_vrf4(ul, local, iif, sdif);
	conf = find_local4(ul, local, iif, 0);
	if (likely(conf))
		return conf;
	return find_local4(ul, htonl(INADDR_ANY), iif, 0);
}

static __always_inline struct ipmesh_conf *find_local6(struct ipmesh_underlay *ul,
						       const struct in6_addr *local,
						       u32 iif, u32 sdif)
{
	struct ipmesh_conf *found = NULL;
	struct ipmesh_conf *conf;

	hlist_for_each_entry_rcu(conf, bucket6(ul, local), node) {
		if (!ipv6_addr_equal(&conf->local, local) || !may_receive(conf, iif, sdif))
			continue;
		if (is_nearest(conf, iif, sdif))
			return conf;
		if (!found || conf->link)
			found = conf;
	}
	return found;
}

static noinline struct ipmesh_conf *find_vrf6(struct ipmesh_underlay *ul,
					      const struct in6_addr *local, u32 iif, u32 sdif)
{
	return find_local6(ul, local, iif, sdif);
}

/**
 * ipmesh_underlay_find6 - the device that an IPv6 outer packet is for
 * @net: namespace in which the packet arrived
 * @local: outer destination
 * @iif: index of the device it arrived on
 * @sdif: index of that device when @iif is its VRF, else 0
 *
 * Context: RCU.
 * Return: the conf, valid until the end of the RCU section, or NULL.
 */
struct ipmesh_conf *ipmesh_underlay_find6(struct net *net,
					  const struct in6_addr *local,
					  int iif, int sdif)
{
	struct ipmesh_underlay *ul = ipmesh_underlay_rcu(net);

	if (unlikely(sdif))
		return find_vrf6(ul, local, iif, sdif);
	return find_local6(ul, local, iif, 0);
}

/**
 * ipmesh_underlay_oif - the device that ways to endpoints are bound to
 * @conf: of the device
 *
 * With a lower device in a VRF it is the VRF: all of its routes, as the kernel's tunnels
 * have it.
 *
 * Context: RCU.
 * Return: the index of the lower device or of its VRF; 0 for none.
 */
int ipmesh_underlay_oif(const struct ipmesh_conf *conf)
{
	if (likely(!conf->link))
		return 0;
	return l3mdev_master_upper_ifindex_by_index_rcu(conf->ipm->net, conf->link) ?:
	       conf->link;
}

/* Ways to endpoints are others now, for the devices that are bound to a lower one. */
static void vrf_changed(struct net *net)
{
	struct ipmesh_underlay *ul = ipmesh_underlay_get(net);
	struct ipmesh_conf *conf;
	unsigned int i;

	ASSERT_RTNL();

	/* RTNL keeps the table as it is */
	for (i = 0; i < ARRAY_SIZE(ul->confs); i++) {
		hlist_for_each_entry(conf, &ul->confs[i], node) {
			if (!conf->link)
				continue;
			mutex_lock(&conf->ipm->lock);
			ipmesh_device_changed(conf->ipm);
			mutex_unlock(&conf->ipm->lock);
			ipmesh_way_pass_later(conf->ipm, 0);
		}
	}
}

/* A device enters or leaves a VRF, or a bridge or bond that is in one: a lower device of
 * ours may be that device, or one of its ports.
 */
static int underlay_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct netdev_notifier_changeupper_info *info = ptr;
	struct net *net;

	if (event != NETDEV_CHANGEUPPER || !info->master)
		return NOTIFY_DONE;
	net = dev_net(netdev_notifier_info_to_dev(ptr));
	if (l3mdev_master_upper_ifindex_by_index(net, info->upper_dev->ifindex))
		vrf_changed(net);
	return NOTIFY_DONE;
}

static struct notifier_block underlay_notifier = {
	.notifier_call = underlay_event,
};

static int __net_init underlay_net_init(struct net *net)
{
	struct ipmesh_underlay *ul = ipmesh_underlay_get(net);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ul->confs); i++)
		INIT_HLIST_HEAD(&ul->confs[i]);
	get_random_bytes(ul->keys, sizeof(ul->keys));
	for (i = 0; i < ARRAY_SIZE(ul->keys); i++)
		ul->keys[i] |= 1;
	spin_lock_init(&ul->lock);
	INIT_LIST_HEAD(&ul->udp);
	mutex_init(&ul->udp_lock);
	ul->net = net;
	ipmesh_mtu_init(ul);
	return 0;
}

/* All at once, as a conf that is replaced is in another bucket than the new one. */
static bool has_confs(struct ipmesh_underlay *ul)
{
	bool found = false;
	unsigned int i;

	spin_lock(&ul->lock);
	for (i = 0; i < ARRAY_SIZE(ul->confs); i++)
		found |= !hlist_empty(&ul->confs[i]);
	spin_unlock(&ul->lock);
	return found;
}

/* Devices that live in another namespace do not outlive their underlay. Those
 * that live in this one are deleted by the core.
 */
static void __net_exit underlay_net_pre_exit(struct net *net)
{
	struct ipmesh_underlay *ul = ipmesh_underlay_get(net);
	struct ipmesh_conf *conf;
	struct hlist_node *tmp;
	LIST_HEAD(gone);
	unsigned int i;

	/* nobody makes devices any more in a namespace that dies */
	if (!has_confs(ul))
		return;
	rtnl_lock();
	for (i = 0; i < ARRAY_SIZE(ul->confs); i++)
		hlist_for_each_entry_safe(conf, tmp, &ul->confs[i], node)
			if (!net_eq(dev_net(conf->ipm->dev), net))
				unregister_netdevice_queue(conf->ipm->dev, &gone);
	unregister_netdevice_many(&gone);
	rtnl_unlock();
}

static void __net_exit underlay_net_exit(struct net *net)
{
	ipmesh_mtu_exit(ipmesh_underlay_get(net));
}

static struct pernet_operations underlay_net_ops = {
	.init		= underlay_net_init,
	.pre_exit	= underlay_net_pre_exit,
	.exit		= underlay_net_exit,
	.id		= &ipmesh_underlay_net_id,
	.size		= sizeof(struct ipmesh_underlay),
};

/**
 * ipmesh_underlay_register - take part in the life of network namespaces and VRFs
 *
 * Return: 0 or a negative error.
 */
int ipmesh_underlay_register(void)
{
	int err;

	err = register_pernet_subsys(&underlay_net_ops);
	if (err)
		return err;
	err = register_netdevice_notifier(&underlay_notifier);
	if (err)
		goto unregister_pernet;
	return 0;

unregister_pernet:
	unregister_pernet_subsys(&underlay_net_ops);
	return err;
}

/**
 * ipmesh_underlay_unregister - the reverse
 */
void ipmesh_underlay_unregister(void)
{
	unregister_netdevice_notifier(&underlay_notifier);
	unregister_pernet_subsys(&underlay_net_ops);
}
