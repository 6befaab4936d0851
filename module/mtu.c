// SPDX-License-Identifier: GPL-2.0-only
/* The device's MTU as it follows the underlay. */

#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/ip6_fib.h>
#include <net/xfrm.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "mtu.h"
#include "peer.h"
#include "underlay.h"

/* A pass over the devices of a namespace is under way; under RTNL. */
static bool updating;

/* The largest packet that a route takes, as its owner set it up: a path MTU
 * that was learned belongs to one endpoint and not to the device.
 */
static unsigned int route_mtu4(const struct dst_entry *dst)
{
	return dst_metric_raw(dst, RTAX_MTU) ?: READ_ONCE(dst->dev->mtu);
}

/* IPv6 keeps what it learned as a metric of the exception, and what the owner
 * set as one of the route that the exception was made from. Without either, the
 * link's IPv6 MTU counts, which a router may have advertised.
 */
static unsigned int route_mtu6(const struct dst_entry *dst)
{
	const struct inet6_dev *idev = __in6_dev_get(dst->dev);
	const struct fib6_info *from;
	unsigned int mtu = 0;

	from = rcu_dereference_check(((const struct rt6_info *)dst)->from,
				     rcu_read_lock_bh_held());
	if (from)
		mtu = from->fib6_pmtu;
	if (!mtu && idev)
		mtu = READ_ONCE(idev->cnf.mtu6);
	return mtu ?: READ_ONCE(dst->dev->mtu);
}

/* An IPsec policy's transform is not the device's affair. */
static unsigned int route_mtu(const struct dst_entry *dst)
{
	dst = xfrm_dst_path(dst);
	return dst->ops->family == AF_INET ? route_mtu4(dst) : route_mtu6(dst);
}

/* One peer that has UDP is enough for all packets to leave room for it. */
static unsigned int inner_mtu(const struct ipmesh_dev *ipm,
			      const struct ipmesh_conf *conf, unsigned int mtu)
{
	unsigned int overhead = conf->overhead;

	if (conf->encap == IPMESH_ENCAP_UDP || READ_ONCE(ipm->udp_peers))
		overhead += sizeof(struct udphdr);
	return clamp_t(unsigned int, mtu, IPMESH_MTU_MIN + overhead, IP_MAX_MTU) - overhead;
}

static unsigned int local_mtu(const struct ipmesh_dev *ipm,
			      const struct ipmesh_conf *conf)
{
	unsigned int mtu = ETH_DATA_LEN;
	struct net_device *lower;

	if (ipmesh_addr_any(&conf->local))
		return mtu;
	lower = conf->family == AF_INET ?
		__ip_dev_find(ipm->net, ipmesh_addr_get4(&conf->local), false) :
		ipv6_dev_find(ipm->net, &conf->local, NULL);
	return lower ? READ_ONCE(lower->mtu) : mtu;
}

/* Where all packets leave by one lower device it decides. Else the smallest
 * route to a peer does, and as long as there is no peer, the device that
 * holds the local address.
 */
static unsigned int underlay_mtu(struct ipmesh_dev *ipm,
				 const struct ipmesh_conf *conf)
{
	unsigned int mtu = IP_MAX_MTU;
	struct ipmesh_peer *peer;
	struct net_device *lower;
	unsigned long id;
	__be32 saddr;

	lower = conf->link ? dev_get_by_index_rcu(ipm->net, ipmesh_underlay_oif(conf)) :
			     NULL;
	/* a VRF has an MTU of its own that is nobody's */
	if (lower && !netif_is_l3_master(lower))
		return READ_ONCE(lower->mtu);

	xa_for_each(&ipm->ids, id, peer) {
		struct dst_entry *dst;

		dst = ipmesh_underlay_route(ipm, conf, &peer->endpoint, IPPROTO_IPIP, 0, &saddr);
		if (IS_ERR(dst))
			continue;
		mtu = min(mtu, route_mtu(dst));
		dst_release(dst);
	}
	return mtu == IP_MAX_MTU ? local_mtu(ipm, conf) : mtu;
}

/**
 * ipmesh_mtu_update - set the MTU that the underlay allows
 * @ipm: the device
 *
 * Does nothing when the MTU is pinned.
 *
 * Context: process, RTNL.
 */
void ipmesh_mtu_update(struct ipmesh_dev *ipm)
{
	const struct ipmesh_conf *conf;
	unsigned int mtu;

	ASSERT_RTNL();

	if (!ipm->mtu_auto)
		return;

	rcu_read_lock();
	conf = rcu_dereference(ipm->conf);
	mtu = inner_mtu(ipm, conf, underlay_mtu(ipm, conf));
	rcu_read_unlock();
	if (mtu == ipm->dev->mtu)
		return;

	ipm->mtu_following = true;
	dev_set_mtu(ipm->dev, mtu);
	ipm->mtu_following = false;
}

/**
 * ipmesh_mtu_narrows - whether a new peer changes the MTU
 * @ipm: the device
 * @endpoint: the peer
 *
 * The first peer decides alone, a further one when its way is narrower.
 *
 * Context: process.
 * Return: true when ipmesh_mtu_update() is due.
 */
bool ipmesh_mtu_narrows(const struct ipmesh_dev *ipm, const struct in6_addr *endpoint)
{
	const struct ipmesh_conf *conf;
	struct dst_entry *dst;
	unsigned int mtu;
	__be32 saddr;

	if (!READ_ONCE(ipm->mtu_auto))
		return false;
	rcu_read_lock();
	conf = rcu_dereference(ipm->conf);
	dst = ipmesh_underlay_route(ipm, conf, endpoint, IPPROTO_IPIP, 0, &saddr);
	if (IS_ERR(dst)) {
		rcu_read_unlock();
		return false;
	}
	mtu = inner_mtu(ipm, conf, route_mtu(dst));
	dst_release(dst);
	rcu_read_unlock();
	return mtu < READ_ONCE(ipm->dev->mtu) ||
	       (mtu > READ_ONCE(ipm->dev->mtu) && READ_ONCE(ipm->peer_count) == 1);
}

/**
 * ipmesh_mtu_later - have the MTU looked at
 * @ipm: the device
 * @delay: when, in jiffies
 *
 * One pass over all peers answers for all that asked until it begins.
 *
 * Context: any.
 */
void ipmesh_mtu_later(const struct ipmesh_dev *ipm, unsigned long delay)
{
	schedule_delayed_work(&ipmesh_underlay_get(ipm->net)->mtu_work, delay);
}

/**
 * ipmesh_mtu_hint - a peer has a new route
 * @ipm: the device
 * @conf: its conf
 * @dst: the route
 *
 * A narrower way narrows the device. A wider one may be that of the peer that
 * was the narrowest: seldom, and it does no harm to be late.
 *
 * Context: BH off, RCU.
 */
void ipmesh_mtu_hint(const struct ipmesh_dev *ipm, const struct ipmesh_conf *conf,
		     const struct dst_entry *dst)
{
	unsigned int mtu, now = READ_ONCE(ipm->dev->mtu);

	if (!READ_ONCE(ipm->mtu_auto))
		return;
	mtu = inner_mtu(ipm, conf, route_mtu(dst));
	if (mtu < now)
		ipmesh_mtu_later(ipm, HZ / 10);
	else if (mtu > now)
		ipmesh_mtu_later(ipm, HZ);
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

	/* Setting an MTU calls the notifier again, for each device. What is
	 * stacked upon that device follows a little later, or the stack would
	 * grow with the number of devices.
	 */
	if (updating) {
		schedule_delayed_work(&ul->mtu_work, 0);
		return;
	}
	updating = true;
	/* RTNL keeps the table as it is; the MTU's notifiers may sleep */
	for (i = 0; i < ARRAY_SIZE(ul->confs); i++)
		hlist_for_each_entry(conf, &ul->confs[i], node)
			ipmesh_mtu_update(conf->ipm);
	updating = false;
}

static void mtu_work(struct work_struct *work)
{
	struct ipmesh_underlay *ul;

	ul = container_of(to_delayed_work(work), struct ipmesh_underlay, mtu_work);
	rtnl_lock();
	update_net(ul);
	rtnl_unlock();
}

static int mtu_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);

	switch (event) {
	case NETDEV_CHANGEMTU:
	case NETDEV_UP:
		update_net(ipmesh_underlay_get(dev_net(dev)));
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
}

/**
 * ipmesh_mtu_exit - the reverse
 * @ul: state of the namespace, which has no devices any more
 *
 * Context: process, without RTNL.
 */
void ipmesh_mtu_exit(struct ipmesh_underlay *ul)
{
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
