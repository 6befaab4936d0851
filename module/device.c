// SPDX-License-Identifier: GPL-2.0-only
/* The net_device: made, changed and deleted through rtnetlink. */

#include <linux/if_arp.h>
#include <linux/netdevice.h>
#include <net/addrconf.h>
#include <net/ip_tunnels.h>
#include <net/rtnetlink.h>

#include <uapi/linux/ipmesh.h>

#include "cell.h"
#include "conf.h"
#include "device.h"
#include "ethtool.h"
#include "mtu.h"
#include "neigh.h"
#include "peer.h"
#include "privilege.h"
#include "quota.h"
#include "send.h"
#include "stats.h"

static int device_init(struct net_device *dev)
{
	struct ipmesh_dev *ipm = netdev_priv(dev);
	int err;

	ipmesh_way_create(&ipm->ways);
	err = ipmesh_compat_tstats_alloc(dev);
	if (err)
		return err;
	err = ipmesh_stats_alloc(ipm);
	if (err)
		goto free_tstats;
	ipmesh_peer_init(ipm);
	err = ipmesh_cell_alloc(ipm);
	if (err)
		goto destroy_peers;
	return 0;

destroy_peers:
	ipmesh_peer_destroy(ipm);
	ipmesh_stats_free(ipm);
free_tstats:
	ipmesh_compat_tstats_free(dev);
	return err;
}

/* The device has been down for a grace period: no packet comes to its queues any more.
 * Others may still look at it: what they read goes with device_free(), after another one.
 */
static void device_uninit(struct net_device *dev)
{
	struct ipmesh_dev *ipm = netdev_priv(dev);

	ipmesh_conf_remove(ipm);
	ipmesh_cell_stop(ipm);
	ipmesh_peer_flush(ipm);
	ipmesh_quota_leave(ipm);
}

static void device_free(struct net_device *dev)
{
	struct ipmesh_dev *ipm = netdev_priv(dev);

	ipmesh_cell_free(ipm);
	ipmesh_peer_destroy(ipm);
	ipmesh_stats_free(ipm);
	ipmesh_compat_tstats_free(dev);
	ipmesh_way_destroy(&ipm->ways);
	kfree(rcu_replace_pointer(ipm->conf, NULL, true));
}

static int device_open(struct net_device *dev)
{
	struct inet6_dev *idev = __in6_dev_get(dev);

	/* No node answers on the link-local address that would be made up. */
	if (idev) {
		idev->cnf.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
		ipmesh_neigh_quiet(idev);
	}
	return 0;
}

static int device_change_mtu(struct net_device *dev, int mtu)
{
	return ipmesh_mtu_change(netdev_priv(dev), mtu);
}

static void device_get_stats64(struct net_device *dev,
			       struct rtnl_link_stats64 *stats)
{
	dev_get_tstats64(dev, stats);
	ipmesh_stats_link(netdev_priv(dev), stats);
}

static int device_get_iflink(const struct net_device *dev)
{
	const struct ipmesh_dev *ipm = netdev_priv(dev);
	const struct ipmesh_conf *conf;
	int link;

	rcu_read_lock();
	conf = rcu_dereference(ipm->conf);
	link = conf->link;
	rcu_read_unlock();
	return link;
}

static const struct net_device_ops device_ops = {
	.ndo_init		= device_init,
	.ndo_uninit		= device_uninit,
	.ndo_open		= device_open,
	.ndo_start_xmit		= ipmesh_send_xmit,
	.ndo_change_mtu		= device_change_mtu,
	.ndo_get_stats64	= device_get_stats64,
	.ndo_get_iflink		= device_get_iflink,
	.ndo_neigh_construct	= ipmesh_neigh_construct,
};

static const struct device_type device_type = {
	.name = "ipmesh",
};

/**
 * ipmesh_device_is - whether a net_device is ours
 * @dev: the net_device
 *
 * Return: true when netdev_priv() of it is a struct ipmesh_dev.
 */
bool ipmesh_device_is(const struct net_device *dev)
{
	return dev->netdev_ops == &device_ops;
}

/**
 * ipmesh_device_changed - have all cached routes of a device looked up again
 * @ipm: the device
 *
 * For what a new conf does not tell by itself. A packet under way may still use those of
 * before.
 *
 * Context: process, the device's lock.
 */
void ipmesh_device_changed(struct ipmesh_dev *ipm)
{
	struct ipmesh_conf *conf;

	conf = rcu_dereference_protected(ipm->conf, lockdep_is_held(&ipm->lock));
	WRITE_ONCE(conf->gen, conf->gen + IPMESH_CONF_GEN_STEP);
}

/* A list of packets that GRO made for forwarding is taken apart before it comes
 * here: the kernel does not give the outer headers to all that are on the list.
 */
#define DEVICE_FEATURES	(NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA | \
			 NETIF_F_HW_CSUM | (NETIF_F_GSO_SOFTWARE & ~NETIF_F_GSO_FRAGLIST))

static void device_setup(struct net_device *dev)
{
	dev->netdev_ops = &device_ops;
	dev->header_ops = &ip_tunnel_header_ops;
	dev->ethtool_ops = &ipmesh_ethtool_ops;
	dev->needs_free_netdev = true;
	dev->priv_destructor = device_free;
	SET_NETDEV_DEVTYPE(dev, &device_type);

	dev->type = ARPHRD_TUNNEL;
	/* On a point-to-point device all IPv4 nexthops share one neighbour,
	 * however many peers there are; neigh.c does the same for IPv6.
	 */
	dev->flags = IFF_NOARP | IFF_POINTOPOINT;
	dev->addr_len = sizeof(__be32);
	dev->mtu = ETH_DATA_LEN - IPMESH_MTU_OVERHEAD;
	dev->min_mtu = IPMESH_MTU_MIN;
	dev->max_mtu = IPMESH_MTU_MAX;
	dev->needed_headroom = LL_MAX_HEADER + sizeof(struct iphdr);
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->features |= DEVICE_FEATURES;
	dev->hw_features |= DEVICE_FEATURES;
	ipmesh_compat_set_lltx(dev);
	ipmesh_compat_set_tso_max_size(dev);
	/* the route names the endpoint by its gateway */
	netif_keep_dst(dev);
}

/* The parts of a link message that are not in the conf. */
static void set_mtu_auto(struct ipmesh_dev *ipm, struct nlattr *data[])
{
	if (data && data[IFLA_IPMESH_MTU_AUTO])
		WRITE_ONCE(ipm->mtu_auto, nla_get_u8(data[IFLA_IPMESH_MTU_AUTO]));
}

/* The hardware address that ip link shows. This type of device has room for an
 * IPv4 one, and is the type of which every capture library knows that its packets
 * are bare IP: ARPHRD_TUNNEL6 is not.
 */
static void set_addresses(struct net_device *dev, const struct ipmesh_conf *conf)
{
	if (conf->family == AF_INET)
		__dev_addr_set(dev, (const u8 *)&conf->local.s6_addr32[3], sizeof(__be32));
	else
		dev->addr_len = 0;
}

static int device_newlink(struct net_device *dev,
			  struct rtnl_newlink_params *params,
			  struct netlink_ext_ack *extack)
{
	struct ipmesh_dev *ipm = netdev_priv(dev);
	struct ipmesh_conf *conf;
	int err;

	ipm->dev = dev;
	ipm->net = rtnl_newlink_link_net(params);
	ipm->mtu_auto = !params->tb[IFLA_MTU];
	set_mtu_auto(ipm, params->data);

	err = ipmesh_quota_join(ipm, dev_net(dev), extack);
	if (err)
		return err;
	conf = ipmesh_conf_make(ipm, NULL, params->data, extack);
	if (IS_ERR(conf)) {
		err = PTR_ERR(conf);
		goto leave_quota;
	}
	set_addresses(dev, conf);

	/* a registered device is found by anybody, and always has a conf */
	rcu_assign_pointer(ipm->conf, conf);
	err = register_netdevice(dev);
	if (err)
		goto free_conf;
	mutex_lock(&ipm->lock);
	err = ipmesh_conf_listen(ipm, conf, params->data, extack);
	mutex_unlock(&ipm->lock);
	if (err)
		goto unregister;
	ipmesh_mtu_update(ipm);
	return 0;

unregister:
	unregister_netdevice(dev);
	return err;
free_conf:
	/* unless device_free() has run */
	kfree(rcu_replace_pointer(ipm->conf, NULL, true));
leave_quota:
	ipmesh_quota_leave(ipm);
	return err;
}

IPMESH_COMPAT_NEWLINK(device_newlink)

static int device_changelink(struct net_device *dev, struct nlattr *tb[],
			     struct nlattr *data[],
			     struct netlink_ext_ack *extack)
{
	struct ipmesh_dev *ipm = netdev_priv(dev);
	const struct ipmesh_conf *old = rtnl_dereference(ipm->conf);
	struct ipmesh_conf *conf;
	bool moves;
	int err;

	if (!data)
		return 0;
	err = ipmesh_privilege_link(ipm, data, extack);
	if (err)
		return err;
	conf = ipmesh_conf_make(ipm, old, data, extack);
	if (IS_ERR(conf))
		return PTR_ERR(conf);
	moves = !ipv6_addr_equal(&conf->local, &old->local);
	err = ipmesh_conf_replace(ipm, conf, data, extack);
	if (err)
		return err;

	/* the kernel forgets all cached routes of the namespace then */
	if (moves) {
		set_addresses(dev, conf);
		call_netdevice_notifiers(NETDEV_CHANGEADDR, dev);
	}
	set_mtu_auto(ipm, data);
	ipmesh_mtu_refresh(ipm);
	netdev_state_change(dev);
	return 0;
}

static size_t device_get_size(const struct net_device *dev)
{
	return ipmesh_conf_size();
}

static int device_fill_info(struct sk_buff *skb, const struct net_device *dev)
{
	return ipmesh_conf_fill(skb, netdev_priv(dev));
}

static size_t device_get_xstats_size(const struct net_device *dev)
{
	return nla_total_size(0) +
	       IPMESH_STATS_COUNT * nla_total_size_64bit(sizeof(u64));
}

static int device_fill_xstats(struct sk_buff *skb, const struct net_device *dev)
{
	u64 sums[IPMESH_A_DROPS_MAX + 1];
	struct nlattr *nest;

	/* rtnetlink leaves the nest itself to the driver */
	nest = nla_nest_start(skb, IFLA_INFO_XSTATS);
	if (!nest)
		return -EMSGSIZE;
	ipmesh_stats_drops(netdev_priv(dev), sums);
	if (ipmesh_stats_fill_drops(skb, sums)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static struct net *device_get_link_net(const struct net_device *dev)
{
	const struct ipmesh_dev *ipm = netdev_priv(dev);

	return ipm->net;
}

static struct rtnl_link_ops device_link_ops __read_mostly = {
	.kind		= "ipmesh",
	.maxtype	= IFLA_IPMESH_MAX,
	.policy		= ipmesh_conf_policy,
	.priv_size	= sizeof(struct ipmesh_dev),
	.setup		= device_setup,
	.validate	= ipmesh_conf_validate,
	.newlink	= ipmesh_compat_newlink(device_newlink),
	.changelink	= device_changelink,
	.get_size	= device_get_size,
	.fill_info	= device_fill_info,
	.get_xstats_size = device_get_xstats_size,
	.fill_xstats	= device_fill_xstats,
	.get_link_net	= device_get_link_net,
};

/**
 * ipmesh_device_register - let ip link make devices
 *
 * Return: 0 or a negative error.
 */
int ipmesh_device_register(void)
{
	return rtnl_link_register(&device_link_ops);
}

/**
 * ipmesh_device_unregister - delete all devices, and make no more
 */
void ipmesh_device_unregister(void)
{
	rtnl_link_unregister(&device_link_ops);
}
