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
 * @ifindex: device to go on with
 * @started: the request was looked at
 * @only: no other device is asked for
 * @id: peer to go on with, by &ipmesh_peer.id
 * @cidr: pod CIDR of it to go on with
 */
struct dump {
	u32 ifindex;
	bool started;
	bool only;
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
	struct nlattr *attr;

	attr = attrs[IPMESH_A_PEER_ENDPOINT] ?: attrs[IPMESH_A_PEER_ADDRESS];
	if (attr) {
		NL_SET_ERR_MSG_ATTR(cb->extack, attr, "A dump is of a device, not of a peer");
		return -EINVAL;
	}
	attr = attrs[IPMESH_A_PEER_IFINDEX];
	if (attr) {
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
	while (!err) {
		dev = dump_next(net, dump);
		if (!dev)
			break;
		/* another device, with changes counted on its own */
		if (dump->ifindex != dev->ifindex) {
			dump->id = 0;
			dump->cidr = 0;
			cb->prev_seq = 0;
		}
		dump->ifindex = dev->ifindex;
		err = dump_device(skb, cb, netdev_priv(dev));
		dev_put(dev);
		if (!err) {
			dump->ifindex++;
			dump->id = 0;
			cb->prev_seq = 0;
			if (dump->only)
				break;
		}
	}
	return skb->len ?: err;
}
