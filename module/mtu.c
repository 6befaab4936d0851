// SPDX-License-Identifier: GPL-2.0-only
/* The device's MTU as it follows the underlay. */

#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/ip_fib.h>
#include <net/ipv6.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "mtu.h"
#include "underlay.h"
#include "way.h"

/* The MTUs of a namespace's devices are being set; under RTNL. */
static bool updating;

/* Below its least MTU the kernel takes all of IPv6 off a device, addresses and routes, and
 * for good. Settings that would have IPv6 off by themselves are the ones that a device is
 * made with.
 */
static bool uses_ipv6(const struct net_device *dev)
{
	const struct inet6_dev *idev = __in6_dev_get(dev);

	if (!ipv6_mod_enabled())
		return false;
	return (idev && !READ_ONCE(idev->cnf.disable_ipv6)) ||
	       !READ_ONCE(dev_net(dev)->ipv6.devconf_dflt->disable_ipv6);
}

/* One peer that has UDP is enough for all packets to leave room for it. Where that is less
 * than IPv6 needs, the data path has fragments, and tells the MTU to senders of IPv4.
 */
static unsigned int inner_mtu(const struct ipmesh_dev *ipm,
			      const struct ipmesh_conf *conf, unsigned int mtu)
{
	unsigned int least = uses_ipv6(ipm->dev) ? IPV6_MIN_MTU : IPMESH_MTU_MIN;
	unsigned int overhead = conf->overhead;

	if (conf->encap == IPMESH_ENCAP_UDP || READ_ONCE(ipm->udp_peers))
		overhead += sizeof(struct udphdr);
	return clamp_t(unsigned int, mtu, least + overhead, IP_MAX_MTU) - overhead;
}

/* Of the device by which most goes that nobody says more of. */
static unsigned int default_mtu(const struct ipmesh_dev *ipm, const struct ipmesh_conf *conf)
{
	struct flowi4 fl4 = {
		.flowi4_oif = ipmesh_underlay_oif(conf),
		.flowi4_mark = conf->fwmark,
	};
	const struct net_device *lower;
	struct fib_result res;

	if (fib_lookup(ipm->net, &fl4, &res, FIB_LOOKUP_NOREF) ||
	    res.type != RTN_UNICAST || !res.fi)
		return ETH_DATA_LEN;
	lower = FIB_RES_DEV(res);
	if (!lower || lower == ipm->dev)
		return ETH_DATA_LEN;
	return res.fi->fib_mtu ?: READ_ONCE(lower->mtu);
}

static unsigned int local_mtu(const struct ipmesh_dev *ipm,
			      const struct ipmesh_conf *conf)
{
	struct net_device *lower;

	if (ipmesh_addr_any(&conf->local))
		return default_mtu(ipm, conf);
	lower = conf->family == AF_INET ?
		__ip_dev_find(ipm->net, ipmesh_addr_get4(&conf->local), false) :
		ipv6_dev_find(ipm->net, &conf->local, NULL);
	return lower ? READ_ONCE(lower->mtu) : ETH_DATA_LEN;
}

/* Where all packets leave by one lower device it decides. Else the narrowest
 * known way does, and as long as there is none, the device that holds the local
 * address.
 */
static unsigned int underlay_mtu(const struct ipmesh_dev *ipm, const struct ipmesh_conf *conf)
{
	const struct net_device *lower;
	unsigned int mtu;

	lower = conf->link ? dev_get_by_index_rcu(ipm->net, ipmesh_underlay_oif(conf)) :
			     NULL;
	/* a VRF has an MTU of its own that is nobody's */
	if (lower && !netif_is_l3_master(lower))
		return READ_ONCE(lower->mtu);
	mtu = READ_ONCE(ipm->ways.least);
	if (conf->open)
		mtu = min(mtu, READ_ONCE(ipm->ways.open_mtu));
	return mtu == IPMESH_WAY_UNKNOWN ? local_mtu(ipm, conf) : mtu;
}

static unsigned int wanted_mtu(const struct ipmesh_dev *ipm)
{
	const struct ipmesh_conf *conf;
	unsigned int mtu;

	rcu_read_lock();
	conf = rcu_dereference(ipm->conf);
	mtu = inner_mtu(ipm, conf, underlay_mtu(ipm, conf));
	rcu_read_unlock();
	return mtu;
}

/**
 * ipmesh_mtu_update - set the MTU that the known ways allow
 * @ipm: the device
 *
 * Does nothing when the MTU is pinned. What it takes does not depend on how many
 * peers there are.
 *
 * Context: process, RTNL.
 */
void ipmesh_mtu_update(struct ipmesh_dev *ipm)
{
	unsigned int mtu;

	ASSERT_RTNL();

	if (!ipm->mtu_auto)
		return;
	mtu = wanted_mtu(ipm);
	if (mtu == ipm->dev->mtu)
		return;

	ipm->mtu_following = true;
	dev_set_mtu(ipm->dev, mtu);
	ipm->mtu_following = false;
}

/**
 * ipmesh_mtu_refresh - have the ways of all peers looked up anew, and the MTU set
 * @ipm: the device
 *
 * Few peers are looked at now, many by and by, and none while the MTU is pinned.
 *
 * Context: process, RTNL.
 */
void ipmesh_mtu_refresh(struct ipmesh_dev *ipm)
{
	ASSERT_RTNL();

	if (!ipm->mtu_auto || READ_ONCE(ipm->peer_count) > IPMESH_WAY_FEW ||
	    !ipmesh_way_pass(ipm))
		ipmesh_way_pass_later(ipm, 0);
	ipmesh_mtu_update(ipm);
}

/**
 * ipmesh_mtu_peer_new - there is a new peer
 * @ipm: the device
 * @endpoint: the peer's
 *
 * The first peer decides alone, a further one when its way is narrower.
 *
 * Context: process.
 * Return: true when ipmesh_mtu_update() is due.
 */
bool ipmesh_mtu_peer_new(struct ipmesh_dev *ipm, const struct in6_addr *endpoint)
{
	ipmesh_way_peer_new(ipm, endpoint);
	return READ_ONCE(ipm->mtu_auto) && wanted_mtu(ipm) != READ_ONCE(ipm->dev->mtu);
}

/**
 * ipmesh_mtu_change - ndo_change_mtu
 * @ipm: the device
 * @mtu: the new MTU in bytes
 *
 * A number from outside pins the MTU.
 *
 * Context: process, RTNL.
 * Return: 0.
 */
int ipmesh_mtu_change(struct ipmesh_dev *ipm, int mtu)
{
	ASSERT_RTNL();

	if (!ipm->mtu_following)
		WRITE_ONCE(ipm->mtu_auto, false);
	WRITE_ONCE(ipm->dev->mtu, mtu);
	return 0;
}

static void update_net(struct ipmesh_underlay *ul)
{
	struct ipmesh_conf *conf;
	unsigned int i;

	ASSERT_RTNL();

	updating = true;
	/* RTNL keeps the table as it is; the MTU's notifiers may sleep */
	for (i = 0; i < ARRAY_SIZE(ul->confs); i++)
		hlist_for_each_entry(conf, &ul->confs[i], node)
			ipmesh_mtu_update(conf->ipm);
	updating = false;
}

/* Looking at many peers takes long: nobody waits for it. */
static void mtu_work(struct work_struct *work)
{
	struct ipmesh_underlay *ul;
	struct ipmesh_dev *ipm;

	ul = container_of(to_delayed_work(work), struct ipmesh_underlay, mtu_work);
	while ((ipm = ipmesh_way_due(ul))) {
		bool done = ipmesh_way_pass(ipm);

		if (!done)
			ipmesh_way_pass_later(ipm, HZ / 10);
		dev_put(ipm->dev);
		if (!done)
			break;
	}
	rtnl_lock();
	update_net(ul);
	rtnl_unlock();
}

static void mtu_age(struct work_struct *work)
{
	struct ipmesh_underlay *ul;
	struct ipmesh_conf *conf;
	bool kept = false;
	unsigned int i;

	ul = container_of(to_delayed_work(work), struct ipmesh_underlay, mtu_age);
	rcu_read_lock();
	for (i = 0; i < ARRAY_SIZE(ul->confs); i++)
		hlist_for_each_entry_rcu(conf, &ul->confs[i], node)
			kept |= ipmesh_way_age(&conf->ipm->ways);
	rcu_read_unlock();
	schedule_delayed_work(&ul->mtu_work, 0);
	if (kept)
		schedule_delayed_work(&ul->mtu_age, IPMESH_WAY_AGE);
}

/* Setting an MTU calls the notifier again, for each device. What is stacked upon that
 * device follows a little later, or the stack would grow with the number of devices.
 */
static void lower_changed(struct ipmesh_underlay *ul, int ifindex)
{
	bool outermost = !updating;
	struct ipmesh_conf *conf;
	unsigned int i;

	ASSERT_RTNL();

	updating = true;
	for (i = 0; i < ARRAY_SIZE(ul->confs); i++) {
		hlist_for_each_entry(conf, &ul->confs[i], node) {
			struct ipmesh_dev *ipm = conf->ipm;

			if (conf->link != ifindex && !ipmesh_way_by(ipm, ifindex))
				continue;
			if (outermost)
				ipmesh_mtu_refresh(ipm);
			else
				ipmesh_way_pass_later(ipm, 0);
		}
	}
	updating = !outermost;
}

static void lower_gone(struct ipmesh_underlay *ul, int ifindex)
{
	struct ipmesh_conf *conf;
	unsigned int i;

	ASSERT_RTNL();

	for (i = 0; i < ARRAY_SIZE(ul->confs); i++)
		hlist_for_each_entry(conf, &ul->confs[i], node)
			ipmesh_way_gone(conf->ipm, ifindex);
}

static int mtu_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);

	switch (event) {
	case NETDEV_CHANGEMTU:
	case NETDEV_UP:
		lower_changed(ipmesh_underlay_get(dev_net(dev)), dev->ifindex);
		break;
	case NETDEV_UNREGISTER:
		lower_gone(ipmesh_underlay_get(dev_net(dev)), dev->ifindex);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block mtu_notifier = {
	.notifier_call = mtu_event,
};

/**
 * ipmesh_mtu_init - begin to follow an underlay
 * @ul: state of the namespace
 */
void ipmesh_mtu_init(struct ipmesh_underlay *ul)
{
	INIT_DELAYED_WORK(&ul->mtu_work, mtu_work);
	INIT_DELAYED_WORK(&ul->mtu_age, mtu_age);
}

/**
 * ipmesh_mtu_exit - the reverse
 * @ul: state of the namespace, which has no devices any more
 *
 * Context: process, without RTNL.
 */
void ipmesh_mtu_exit(struct ipmesh_underlay *ul)
{
	cancel_delayed_work_sync(&ul->mtu_age);
	cancel_delayed_work_sync(&ul->mtu_work);
}

/**
 * ipmesh_mtu_register - listen for changes of devices' MTUs
 *
 * Return: 0 or a negative error.
 */
int ipmesh_mtu_register(void)
{
	return register_netdevice_notifier(&mtu_notifier);
}

/**
 * ipmesh_mtu_unregister - the reverse
 */
void ipmesh_mtu_unregister(void)
{
	unregister_netdevice_notifier(&mtu_notifier);
}
