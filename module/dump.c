// SPDX-License-Identifier: GPL-2.0-only
/* The dump of peers: of one device or of all, resumed where a message ends. */

#include <net/genetlink.h>
#include <net/sock.h>

#include "device.h"
#include "message.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "peer.h"

/**
 * struct dump - where a dump goes on; lives in netlink_callback.ctx
 * @ifindex: no device of a lower index is left
 * @at: device that is being dumped
 * @started: the request was looked at
 * @only: no other device is asked for
 * @done: nothing is left
 * @interrupted: a device changed when none of its peers was left to say so
 * @id: peer to go on with, by &ipmesh_peer.id
 * @cidr: prefix of it to go on with, as ipmesh_message_put() counts them
 */
struct dump {
	u32 ifindex;
	u32 at;
	bool started;
	bool only;
	bool done;
	bool interrupted;
	unsigned long id;
	unsigned int cidr;
};

static struct dump *dump_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct dump) > sizeof_field(struct netlink_callback, ctx));
	return (struct dump *)cb->ctx;
}

static int dump_start(struct netlink_callback *cb)
{
	struct nlattr **attrs = ipmesh_compat_dump_attrs(cb);
	struct dump *dump = dump_of(cb);
	struct ipmesh_dev *ipm;
	struct nlattr *attr;

	attr = attrs[IPMESH_A_PEER_ENDPOINT] ?: attrs[IPMESH_A_PEER_ADDRESS];
	if (attr) {
		NL_SET_ERR_MSG_ATTR(cb->extack, attr, "A dump is of a device, not of a peer");
		return -EINVAL;
	}
	attr = attrs[IPMESH_A_PEER_IFINDEX];
	if (attr) {
		ipm = ipmesh_netlink_device(sock_net(cb->skb->sk), attr, cb->extack);
		if (IS_ERR(ipm))
			return PTR_ERR(ipm);
		dev_put(ipm->dev);
		dump->ifindex = nla_get_u32(attr);
		dump->only = true;
	}
	dump->started = true;
	return 0;
}

/* Puts as many of a device's peers as fit; 0 when all are done. */
static int dump_device(struct sk_buff *skb, struct netlink_callback *cb,
		       struct ipmesh_dev *ipm)
{
	struct dump *dump = dump_of(cb);
	unsigned long from = dump->id;
	struct ipmesh_peer *peer;
	int err = 0;

	mutex_lock(&ipm->lock);
	cb->seq = ipm->seq;
	xa_for_each_start(&ipm->ids, dump->id, peer, from) {
		void *hdr;

		/* the peer to go on with may have gone */
		if (dump->id != from)
			dump->cidr = 0;
		do {
			hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
					  cb->nlh->nlmsg_seq, &ipmesh_netlink_family,
					  NLM_F_MULTI, IPMESH_CMD_PEER_GET);
			if (!hdr) {
				err = -EMSGSIZE;
				break;
			}
			genl_dump_check_consistent(cb, hdr);
			err = ipmesh_message_put(skb, ipm, peer, &dump->cidr);
			if (err < 0)
				genlmsg_cancel(skb, hdr);
			else
				genlmsg_end(skb, hdr);
		} while (err > 0);
		if (err)
			break;
	}
	mutex_unlock(&ipm->lock);
	return err;
}

/* The device to go on with: that one, or the next of a higher index. */
static struct net_device *dump_next(struct net *net, const struct dump *dump)
{
	struct net_device *dev, *next = NULL;

	rcu_read_lock();
	for_each_netdev_rcu(net, dev) {
		if (!ipmesh_device_is(dev) || dev->ifindex < dump->ifindex ||
		    (dump->only && dev->ifindex != dump->ifindex) ||
		    (next && dev->ifindex > next->ifindex))
			continue;
		next = dev;
	}
	dev_hold(next);
	rcu_read_unlock();
	return next;
}

/* Whether the device that was being dumped, or is to be the only one, has gone. */
static bool is_cut(const struct dump *dump, const struct net_device *next)
{
	if (!dump->ifindex || (!dump->only && dump->at != dump->ifindex))
		return false;
	return !next || next->ifindex != dump->ifindex;
}

/* Another device, whose changes are counted on their own. */
static void dump_switch(struct netlink_callback *cb, u32 ifindex)
{
	struct dump *dump = dump_of(cb);

	if (dump->at == ifindex)
		return;
	if (cb->prev_seq && cb->prev_seq != cb->seq)
		dump->interrupted = true;
	cb->prev_seq = 0;
	dump->at = ifindex;
	dump->ifindex = ifindex;
	dump->id = 0;
	dump->cidr = 0;
}

/* The message that ends the dump compares these two as all others do. */
static void dump_end(struct netlink_callback *cb)
{
	struct dump *dump = dump_of(cb);

	dump->done = true;
	if (dump->interrupted)
		cb->prev_seq = cb->seq + 1 ?: 1;
}

/**
 * ipmesh_nl_peer_get_dumpit - IPMESH_CMD_PEER_GET for all peers
 * @skb: the message to fill
 * @cb: where the dump stands
 *
 * Return: bytes put, 0 at the end, or a negative error.
 */
int ipmesh_nl_peer_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct net *net = sock_net(cb->skb->sk);
	struct dump *dump = dump_of(cb);
	struct net_device *dev;
	int err = 0;

	if (!dump->started)
		err = dump_start(cb);
	while (!err && !dump->done) {
		dev = dump_next(net, dump);
		dump->interrupted |= is_cut(dump, dev);
		if (!dev) {
			dump_end(cb);
			break;
		}
		dump_switch(cb, dev->ifindex);
		err = dump_device(skb, cb, netdev_priv(dev));
		dev_put(dev);
		if (err)
			break;
		dump->ifindex = dump->at + 1;
		if (dump->only)
			dump_end(cb);
	}
	return skb->len ?: err;
}
