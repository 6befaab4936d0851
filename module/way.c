// SPDX-License-Identifier: GPL-2.0-only
/* What is known of the ways to a device's endpoints: how narrow they are, and by which
 * devices they lead. The MTU follows from it.
 *
 * All peers are looked at in passes, which need no RTNL and let others have the CPU. What
 * happens between two passes is noted as it comes: new peers, and routes that packets look
 * up. So nothing that the MTU is asked for depends on how many peers there are, and an
 * event of a device that no way leads by is none.
 */

#include <linux/netdevice.h>
#include <linux/sched.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/ip6_fib.h>
#include <net/xfrm.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "peer.h"
#include "route.h"
#include "underlay.h"
#include "way.h"

/* Peers that are looked at between two chances for others. */
#define WAY_CHUNK	IPMESH_WAY_FEW

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

static void way_told(const struct ipmesh_dev *ipm, unsigned long delay)
{
	schedule_delayed_work(&ipmesh_underlay_get(ipm->net)->mtu_work, delay);
}

/**
 * ipmesh_way_pass_later - have the ways of all peers looked up anew
 * @ipm: the device
 * @delay: when, in jiffies
 *
 * One pass answers for all that asked until it begins.
 *
 * Context: any.
 */
void ipmesh_way_pass_later(struct ipmesh_dev *ipm, unsigned long delay)
{
	atomic_set(&ipm->ways.due, 1);
	way_told(ipm, delay);
}

/* The events of the device that a way leads by are the ones that matter. */
static void way_note_lower(struct ipmesh_dev *ipm, const struct dst_entry *dst)
{
	int ifindex = xfrm_dst_path(dst)->dev->ifindex;

	if (xa_load(&ipm->ways.lowers, ifindex))
		return;
	if (xa_err(xa_store_bh(&ipm->ways.lowers, ifindex, xa_mk_value(1), GFP_ATOMIC)))
		ipmesh_way_pass_later(ipm, HZ);
}

/* A way is that narrow, also for a pass that has seen its peer before. */
static void way_note_mtu(struct ipmesh_ways *ways, unsigned int mtu)
{
	spin_lock_bh(&ways->lock);
	WRITE_ONCE(ways->least, min(ways->least, mtu));
	ways->met = min(ways->met, mtu);
	spin_unlock_bh(&ways->lock);
}

/* The outer MTU of one of the ways to an endpoint; under RCU */
static unsigned int path_mtu(struct ipmesh_dev *ipm, const struct ipmesh_conf *conf,
			     const struct in6_addr *endpoint, u8 proto, __be16 dport)
{
	struct ipmesh_route_key key;
	struct dst_entry *dst;
	unsigned int mtu;

	ipmesh_route_key(&key, conf, endpoint, proto, dport);
	dst = ipmesh_route_path(ipm, &key);
	if (IS_ERR(dst))
		return IPMESH_WAY_UNKNOWN;
	way_note_lower(ipm, dst);
	mtu = route_mtu(dst);
	dst_release(dst);
	return mtu;
}

/* The outer MTU of the way to an endpoint, IPMESH_WAY_UNKNOWN without one: by the route that
 * packets take to the peer that @to is of, or NULL for none, and without UDP the narrower of
 * the two. Under RCU.
 */
static unsigned int way_mtu(struct ipmesh_dev *ipm, const struct ipmesh_conf *conf,
			    const struct in6_addr *endpoint, const struct ipmesh_prefix_to *to)
{
	unsigned int mtu;
	__be16 dport;

	if (ipmesh_route_udp(conf, to, &dport))
		return path_mtu(ipm, conf, endpoint, IPPROTO_UDP, dport);
	mtu = path_mtu(ipm, conf, endpoint, IPPROTO_IPIP, 0);
	if (unlikely(ipmesh_route_by_proto(ipm->net, conf->family)))
		mtu = min(mtu, path_mtu(ipm, conf, endpoint, IPPROTO_IPV6, 0));
	return mtu;
}

/* The next peers of a pass; false when there are no more. */
static bool way_pass_some(struct ipmesh_dev *ipm, unsigned long *id, unsigned int *least)
{
	const struct ipmesh_conf *conf;
	struct ipmesh_peer *peer;
	unsigned int n = 0;

	rcu_read_lock();
	conf = rcu_dereference(ipm->conf);
	xa_for_each_start(&ipm->ids, *id, peer, *id) {
		if (n++ == WAY_CHUNK)
			break;
		*least = min(*least, way_mtu(ipm, conf, &peer->endpoint, &peer->to));
	}
	rcu_read_unlock();
	return peer;
}

/* What an open device's packets have taught may be over. */
static void way_pass_open(struct ipmesh_dev *ipm)
{
	struct ipmesh_ways *ways = &ipm->ways;
	struct in6_addr endpoint;
	unsigned int mtu;

	if (READ_ONCE(ways->open_mtu) == IPMESH_WAY_UNKNOWN)
		return;
	spin_lock_bh(&ways->lock);
	endpoint = ways->open_endpoint;
	spin_unlock_bh(&ways->lock);

	rcu_read_lock();
	mtu = way_mtu(ipm, rcu_dereference(ipm->conf), &endpoint, NULL);
	rcu_read_unlock();

	spin_lock_bh(&ways->lock);
	if (ipv6_addr_equal(&endpoint, &ways->open_endpoint))
		WRITE_ONCE(ways->open_mtu, mtu);
	spin_unlock_bh(&ways->lock);
}

/**
 * ipmesh_way_pass - look up the ways of all peers anew
 * @ipm: the device
 *
 * Context: process.
 * Return: false when that is being done already: it may have seen what has changed since.
 */
bool ipmesh_way_pass(struct ipmesh_dev *ipm)
{
	unsigned int least = IPMESH_WAY_UNKNOWN;
	struct ipmesh_ways *ways = &ipm->ways;
	unsigned long id = 0;
	bool begun;

	spin_lock_bh(&ways->lock);
	begun = !ways->passing;
	if (begun) {
		ways->passing = true;
		ways->met = IPMESH_WAY_UNKNOWN;
	}
	spin_unlock_bh(&ways->lock);
	if (!begun)
		return false;

	/* fully ordered: who asks from now on may have changed what this pass has seen */
	atomic_xchg(&ways->due, 0);
	while (way_pass_some(ipm, &id, &least))
		cond_resched();
	way_pass_open(ipm);

	spin_lock_bh(&ways->lock);
	WRITE_ONCE(ways->least, min(least, ways->met));
	ways->passing = false;
	spin_unlock_bh(&ways->lock);
	return true;
}

/**
 * ipmesh_way_peer_new - there is a new peer
 * @ipm: the device
 * @endpoint: the peer's
 *
 * Context: process.
 */
void ipmesh_way_peer_new(struct ipmesh_dev *ipm, const struct in6_addr *endpoint)
{
	const struct ipmesh_peer *peer;
	unsigned int mtu;

	rcu_read_lock();
	peer = ipmesh_peer_find(ipm, endpoint);
	mtu = way_mtu(ipm, rcu_dereference(ipm->conf), endpoint, peer ? &peer->to : NULL);
	rcu_read_unlock();
	way_note_mtu(&ipm->ways, mtu);
}

/**
 * ipmesh_way_peer_del - a peer has gone
 * @ipm: the device
 * @endpoint: the peer's
 *
 * It may have been the narrowest. One pass over the others answers for all that went
 * until it begins.
 *
 * Context: process.
 */
void ipmesh_way_peer_del(struct ipmesh_dev *ipm, const struct in6_addr *endpoint)
{
	unsigned int mtu;

	rcu_read_lock();
	mtu = way_mtu(ipm, rcu_dereference(ipm->conf), endpoint, NULL);
	rcu_read_unlock();
	/* one without a way may have had one, and by its own encapsulation another one */
	if (mtu <= READ_ONCE(ipm->ways.least) || mtu == IPMESH_WAY_UNKNOWN ||
	    ipmesh_route_by_proto(ipm->net, ipmesh_addr_family(endpoint)))
		ipmesh_way_pass_later(ipm, HZ);
}

/* A route that was replaced, as wide as it is now: not the narrowest one. */
static bool was_wider(const struct dst_entry *old, unsigned int least)
{
	return old && READ_ONCE(old->obsolete) == DST_OBSOLETE_FORCE_CHK &&
	       route_mtu(old) > least;
}

/**
 * ipmesh_way_hint - a peer has a new route
 * @ipm: the device
 * @old: the route it had, or NULL when that is not known
 * @dst: the route
 *
 * A narrower way narrows the device. A wider one may be that of the peer that
 * was the narrowest: seldom, and it does no harm to be late.
 *
 * Context: BH off, RCU.
 */
void ipmesh_way_hint(struct ipmesh_dev *ipm, const struct dst_entry *old,
		     const struct dst_entry *dst)
{
	unsigned int mtu, least;

	if (!READ_ONCE(ipm->mtu_auto))
		return;
	way_note_lower(ipm, dst);
	mtu = route_mtu(dst);
	least = READ_ONCE(ipm->ways.least);
	if (mtu < least) {
		way_note_mtu(&ipm->ways, mtu);
		way_told(ipm, HZ / 10);
	} else if (mtu > least && !was_wider(old, least)) {
		ipmesh_way_pass_later(ipm, HZ);
	}
}

/**
 * ipmesh_way_hint_open - a packet goes to an endpoint that is no peer
 * @ipm: an open device
 * @endpoint: where to
 * @dst: the route there
 *
 * Only packets tell of such endpoints. The narrowest one is kept, until it has been
 * silent for a minute; where several are, one that is not.
 *
 * Context: BH off, RCU.
 */
void ipmesh_way_hint_open(struct ipmesh_dev *ipm, const struct in6_addr *endpoint,
			  const struct dst_entry *dst)
{
	struct ipmesh_ways *ways = &ipm->ways;
	unsigned int mtu, was;
	bool same;

	if (!READ_ONCE(ipm->mtu_auto))
		return;
	mtu = route_mtu(dst);
	was = READ_ONCE(ways->open_mtu);
	/* a half written one is met again by the next packet */
	same = was != IPMESH_WAY_UNKNOWN && ipv6_addr_equal(endpoint, &ways->open_endpoint);
	if (mtu > was && !same)
		return;
	if (mtu == was && time_before(jiffies, READ_ONCE(ways->open_used) + HZ))
		return;

	way_note_lower(ipm, dst);
	spin_lock_bh(&ways->lock);
	ways->open_endpoint = *endpoint;
	WRITE_ONCE(ways->open_used, jiffies);
	WRITE_ONCE(ways->open_mtu, mtu);
	spin_unlock_bh(&ways->lock);
	if (mtu == was)
		return;
	way_told(ipm, HZ / 10);
	schedule_delayed_work(&ipmesh_underlay_get(ipm->net)->mtu_age, IPMESH_WAY_AGE);
}

/**
 * ipmesh_way_due - a device of which a pass is due
 * @ul: state of the namespace
 *
 * As long as its MTU is pinned nobody asks for a device's ways: what is due stays due.
 *
 * Context: process.
 * Return: the device, held, or NULL.
 */
struct ipmesh_dev *ipmesh_way_due(struct ipmesh_underlay *ul)
{
	struct ipmesh_conf *conf;
	unsigned int i;

	rcu_read_lock();
	for (i = 0; i < ARRAY_SIZE(ul->confs); i++) {
		hlist_for_each_entry_rcu(conf, &ul->confs[i], node) {
			if (!READ_ONCE(conf->ipm->mtu_auto) ||
			    !atomic_read(&conf->ipm->ways.due))
				continue;
			dev_hold(conf->ipm->dev);
			rcu_read_unlock();
			return conf->ipm;
		}
	}
	rcu_read_unlock();
	return NULL;
}

/**
 * ipmesh_way_age - forget the endpoint that is no peer, if it has been silent
 * @ways: of a device
 *
 * Context: process.
 * Return: whether there still is one.
 */
bool ipmesh_way_age(struct ipmesh_ways *ways)
{
	bool kept;

	spin_lock_bh(&ways->lock);
	if (time_after_eq(jiffies, ways->open_used + IPMESH_WAY_AGE))
		WRITE_ONCE(ways->open_mtu, IPMESH_WAY_UNKNOWN);
	kept = ways->open_mtu != IPMESH_WAY_UNKNOWN;
	spin_unlock_bh(&ways->lock);
	return kept;
}

/**
 * ipmesh_way_by - whether a way leads by a device
 * @ipm: the device
 * @ifindex: index of the lower device
 *
 * Context: any.
 * Return: true also as long as no way is known.
 */
bool ipmesh_way_by(struct ipmesh_dev *ipm, int ifindex)
{
	if (READ_ONCE(ipm->ways.least) == IPMESH_WAY_UNKNOWN &&
	    READ_ONCE(ipm->ways.open_mtu) == IPMESH_WAY_UNKNOWN)
		return true;
	return xa_load(&ipm->ways.lowers, ifindex);
}

/**
 * ipmesh_way_gone - a device goes
 * @ipm: the device
 * @ifindex: index of the lower device
 *
 * Context: process.
 */
void ipmesh_way_gone(struct ipmesh_dev *ipm, int ifindex)
{
	xa_erase_bh(&ipm->ways.lowers, ifindex);
}

/**
 * ipmesh_way_create - begin to know ways
 * @ways: zeroed memory
 */
void ipmesh_way_create(struct ipmesh_ways *ways)
{
	spin_lock_init(&ways->lock);
	xa_init_flags(&ways->lowers, XA_FLAGS_LOCK_BH);
	ways->least = IPMESH_WAY_UNKNOWN;
	ways->open_mtu = IPMESH_WAY_UNKNOWN;
}

/**
 * ipmesh_way_destroy - the reverse
 * @ways: without readers
 */
void ipmesh_way_destroy(struct ipmesh_ways *ways)
{
	xa_destroy(&ways->lowers);
}
