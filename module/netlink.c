// SPDX-License-Identifier: GPL-2.0-only
/* The generic netlink family, and the requests that it takes. */

#include <net/genetlink.h>

#include "addr.h"
#include "change.h"
#include "device.h"
#include "message.h"
#include "mtu.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "peer.h"
#include "prefix.h"
#include "privilege.h"
#include "quota.h"
#include "udp.h"
#include "way.h"

/**
 * ipmesh_netlink_device - the device that a request or a dump names
 * @net: the namespace that the request came from
 * @attr: IPMESH_A_PEER_IFINDEX
 * @extack: where a refusal is explained
 *
 * Return: a device that stays until dev_put(), though it may be going, or an error
 * pointer.
 */
struct ipmesh_dev *ipmesh_netlink_device(struct net *net, const struct nlattr *attr,
					 struct netlink_ext_ack *extack)
{
	struct net_device *dev = dev_get_by_index(net, nla_get_u32(attr));

	if (!dev) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "No device has this index");
		return ERR_PTR(-ENODEV);
	}
	if (!ipmesh_device_is(dev)) {
		dev_put(dev);
		NL_SET_ERR_MSG_ATTR(extack, attr, "The device is not of kind ipmesh");
		return ERR_PTR(-EOPNOTSUPP);
	}
	return netdev_priv(dev);
}

/* What is found may be going: see lock_device(). */
static struct ipmesh_dev *find_device(struct genl_info *info)
{
	struct nlattr *attr = info->attrs[IPMESH_A_PEER_IFINDEX];

	if (!attr) {
		GENL_SET_ERR_MSG(info, "The request names no device");
		return ERR_PTR(-EINVAL);
	}
	return ipmesh_netlink_device(genl_info_net(info), attr, info->extack);
}

static void drop_device(struct ipmesh_dev *ipm)
{
	dev_put(ipm->dev);
}

static int lock_device(struct ipmesh_dev *ipm, struct genl_info *info)
{
	mutex_lock(&ipm->lock);
	if (ipm->dead) {
		mutex_unlock(&ipm->lock);
		GENL_SET_ERR_MSG(info, "The device is being deleted");
		return -ENODEV;
	}
	return 0;
}

static int get_endpoint(struct genl_info *info, struct in6_addr *endpoint)
{
	struct nlattr *attr = info->attrs[IPMESH_A_PEER_ENDPOINT];

	if (!attr) {
		GENL_SET_ERR_MSG(info, "The request names no endpoint");
		return -EINVAL;
	}
	if (!ipmesh_addr_parse(attr, endpoint)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "The endpoint must have 4 or 16 bytes");
		return -EINVAL;
	}
	if (nla_len(attr) == sizeof(*endpoint) ? ipmesh_addr_martian6(endpoint) :
						 ipmesh_addr_martian(endpoint)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "The endpoint must be a unicast address");
		return -EINVAL;
	}
	return 0;
}

/* A pod CIDR, a source or an outer prefix. */
static int get_cidr(struct genl_info *info, const struct nlattr *attr,
		    struct ipmesh_change_cidr *cidr)
{
	struct nlattr *tb[IPMESH_A_CIDR_MAX + 1];
	struct in6_addr addr;
	unsigned int plen;
	int err;

	err = nla_parse_nested(tb, IPMESH_A_CIDR_MAX, attr, ipmesh_cidr_nl_policy,
			       info->extack);
	if (err)
		return err;
	if (!tb[IPMESH_A_CIDR_PREFIX] || !tb[IPMESH_A_CIDR_LENGTH]) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "A prefix needs an address and a length");
		return -EINVAL;
	}
	attr = tb[IPMESH_A_CIDR_PREFIX];
	plen = nla_get_u8(tb[IPMESH_A_CIDR_LENGTH]);
	if (!ipmesh_addr_parse(attr, &addr)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "A prefix must have 4 or 16 bytes");
		return -EINVAL;
	}
	if (nla_len(attr) == sizeof(addr) && ipmesh_addr_is4(&addr)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "A v4-mapped prefix is none; give 4 bytes");
		return -EINVAL;
	}
	if (plen > 8 * nla_len(attr)) {
		NL_SET_ERR_MSG_ATTR(info->extack, tb[IPMESH_A_CIDR_LENGTH],
				    "An IPv4 prefix has a length of at most 32");
		return -EINVAL;
	}
	if (!ipmesh_prefix_key_make(&cidr->key, nla_data(attr), nla_len(attr), plen)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "The host bits of a prefix must be zero");
		return -EINVAL;
	}
	cidr->attr = attr;
	cidr->remove = tb[IPMESH_A_CIDR_REMOVE];
	return 0;
}

/* All prefixes of a kind that the request names; @max is what a peer may have. */
static int get_list(struct genl_info *info, int type, unsigned int max,
		    struct ipmesh_change_list *list)
{
	const struct nlattr *attr;
	unsigned int count = 0;
	int rem, err;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		count += nla_type(attr) == type;
	if (!count)
		return 0;
	/* more could not be held, together with as many that are removed */
	if (count > 2 * max) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[type],
				    "The request names too many prefixes");
		return -E2BIG;
	}
	list->cidrs = kvcalloc(count, sizeof(*list->cidrs), GFP_KERNEL_ACCOUNT);
	if (!list->cidrs)
		return -ENOMEM;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != type)
			continue;
		err = get_cidr(info, attr, &list->cidrs[list->count]);
		if (err)
			return err;
		if (list->replace && list->cidrs[list->count].remove) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "Prefixes are either replaced or removed one by one");
			return -EINVAL;
		}
		list->count++;
	}
	return 0;
}

static int get_change(struct genl_info *info, struct ipmesh_change *change)
{
	struct nlattr *attr = info->attrs[IPMESH_A_PEER_FLAGS];
	u32 flags = attr ? nla_get_u32(attr) : 0;
	int err;

	err = get_endpoint(info, &change->endpoint);
	if (err)
		return err;
	change->net = genl_info_net(info);
	change->endpoint_attr = info->attrs[IPMESH_A_PEER_ENDPOINT];
	change->cidrs.replace |= flags & IPMESH_PEER_FLAGS_REPLACE_CIDRS;
	change->sources.replace |= flags & IPMESH_PEER_FLAGS_REPLACE_SOURCES;
	change->froms.replace |= flags & IPMESH_PEER_FLAGS_REPLACE_FROMS;
	change->move = flags & IPMESH_PEER_FLAGS_MOVE;
	if (info->attrs[IPMESH_A_PEER_ENCAP])
		change->encap = nla_get_u32(info->attrs[IPMESH_A_PEER_ENCAP]);
	if (info->attrs[IPMESH_A_PEER_DPORT]) {
		change->dport = htons(nla_get_u16(info->attrs[IPMESH_A_PEER_DPORT]));
		change->dport_set = true;
	}
	if (info->attrs[IPMESH_A_PEER_ROUTES])
		change->routes = nla_get_u32(info->attrs[IPMESH_A_PEER_ROUTES]);
	if (info->attrs[IPMESH_A_PEER_NAME])
		change->name = nla_data(info->attrs[IPMESH_A_PEER_NAME]);

	err = get_list(info, IPMESH_A_PEER_CIDR, IPMESH_MAX_CIDRS, &change->cidrs);
	if (!err)
		err = get_list(info, IPMESH_A_PEER_SOURCE, IPMESH_MAX_SOURCES, &change->sources);
	if (!err)
		err = get_list(info, IPMESH_A_PEER_FROM, IPMESH_MAX_FROMS, &change->froms);
	return err;
}

/* The MTU of a device whose packets go more than one way is that of the
 * narrowest; it is right before the request is acknowledged. Only a peer that
 * changes it is worth RTNL and a look at all the others.
 */
static void update_mtu(struct ipmesh_dev *ipm)
{
	rtnl_lock();
	if (ipm->dev->reg_state == NETREG_REGISTERED)
		ipmesh_mtu_update(ipm);
	rtnl_unlock();
}

/* The attribute by which a request to make or change a peer reaches into the underlay,
 * or NULL. A new peer is one to send to and to receive from. What a peer that is there
 * is called, and which addresses are behind it, is known inside only.
 */
static const struct nlattr *reaching_attr(const struct genl_info *info,
					  const struct ipmesh_change *change)
{
	const struct nlattr *attr;
	int rem;

	if (info->genlhdr->cmd == IPMESH_CMD_PEER_NEW)
		return change->endpoint_attr;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		switch (nla_type(attr)) {
		case IPMESH_A_PEER_IFINDEX:
		case IPMESH_A_PEER_ENDPOINT:
		case IPMESH_A_PEER_NAME:
		case IPMESH_A_PEER_CIDR:
		case IPMESH_A_PEER_SOURCE:
		case IPMESH_A_PEER_ROUTES:
			break;
		case IPMESH_A_PEER_FLAGS:
			if (change->froms.replace)
				return attr;
			break;
		default:
			return attr;
		}
	}
	return NULL;
}

static int do_change(const struct sk_buff *skb, struct genl_info *info,
		     struct ipmesh_change *change)
{
	const struct nlattr *attr;
	struct ipmesh_dev *ipm;
	bool created, udp, narrows;
	u32 count;
	int err;

	err = get_change(info, change);
	if (err)
		goto free_lists;
	ipm = find_device(info);
	if (IS_ERR(ipm)) {
		err = PTR_ERR(ipm);
		goto free_lists;
	}
	err = lock_device(ipm, info);
	if (err)
		goto put_device;
	count = ipm->peer_count;
	udp = ipm->udp_peers;
	attr = reaching_attr(info, change);
	err = attr ? ipmesh_privilege_check(ipm, skb, attr, info->extack) : 0;
	if (!err)
		err = ipmesh_change_do(ipm, change, info->extack);
	created = ipm->peer_count != count;
	udp = udp != !!ipm->udp_peers;
	mutex_unlock(&ipm->lock);
	narrows = created && ipmesh_mtu_peer_new(ipm, &change->endpoint);
	if (udp || narrows)
		update_mtu(ipm);

put_device:
	drop_device(ipm);
free_lists:
	kvfree(change->cidrs.cidrs);
	kvfree(change->sources.cidrs);
	kvfree(change->froms.cidrs);
	return err;
}

/**
 * ipmesh_nl_peer_new_doit - IPMESH_CMD_PEER_NEW
 * @skb: the request
 * @info: the request, parsed
 *
 * The flags mean what they mean for routes: CREATE makes a peer, EXCL or the
 * absence of REPLACE refuses one that is there, REPLACE gives it the name and
 * the prefixes of the request and no others.
 *
 * Return: 0 or a negative error.
 */
int ipmesh_nl_peer_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	u16 flags = info->nlhdr->nlmsg_flags;
	struct ipmesh_change change = {
		.may_create = flags & NLM_F_CREATE,
		.may_exist = (flags & NLM_F_REPLACE) && !(flags & NLM_F_EXCL),
		.cidrs.replace = true,
		.sources.replace = true,
		.froms.replace = true,
		/* what is replaced has no name unless the request gives one */
		.name = "",
		.encap = IPMESH_ENCAP_DEVICE,
		.dport_set = true,
		.routes = IPMESH_PEER_ROUTES_IPMESH,
	};

	return do_change(skb, info, &change);
}

/**
 * ipmesh_nl_peer_set_doit - IPMESH_CMD_PEER_SET
 * @skb: the request
 * @info: the request, parsed
 *
 * Return: 0 or a negative error.
 */
int ipmesh_nl_peer_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ipmesh_change change = { .may_exist = true, .encap = -1, .routes = -1 };

	return do_change(skb, info, &change);
}

/**
 * ipmesh_nl_peer_del_doit - IPMESH_CMD_PEER_DEL
 * @skb: the request
 * @info: the request, parsed
 *
 * Return: 0 or a negative error.
 */
int ipmesh_nl_peer_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct in6_addr endpoint;
	struct ipmesh_peer *peer;
	struct ipmesh_dev *ipm;
	int err;

	err = get_endpoint(info, &endpoint);
	if (err)
		return err;
	ipm = find_device(info);
	if (IS_ERR(ipm))
		return PTR_ERR(ipm);
	err = lock_device(ipm, info);
	if (err)
		goto put_device;

	peer = ipmesh_peer_find(ipm, &endpoint);
	if (peer) {
		ipmesh_message_notify(ipm, peer, IPMESH_CMD_PEER_DEL_NTF,
				      IPMESH_CAUSE_REQUEST);
		ipmesh_quota_give(ipm, ipmesh_quota_peer(peer));
		ipmesh_peer_del(ipm, peer);
		ipmesh_udp_want(ipm, rcu_dereference_protected(ipm->conf,
							       lockdep_is_held(&ipm->lock)),
				ipm->udp_peers, NULL, NULL);
		ipm->seq++;
	} else {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[IPMESH_A_PEER_ENDPOINT],
				    "The device has no peer with this endpoint");
		err = -ENOENT;
	}
	mutex_unlock(&ipm->lock);
	if (peer)
		ipmesh_way_peer_del(ipm, &endpoint);

put_device:
	drop_device(ipm);
	return err;
}

static struct ipmesh_peer *get_peer(struct ipmesh_dev *ipm, struct genl_info *info,
				    const struct in6_addr *endpoint)
{
	struct nlattr *attr = info->attrs[IPMESH_A_PEER_ADDRESS];
	struct ipmesh_peer *peer = NULL;
	struct ipmesh_prefix_to to;
	struct in6_addr address;

	if (!attr) {
		peer = ipmesh_peer_find(ipm, endpoint);
		if (!peer)
			NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[IPMESH_A_PEER_ENDPOINT],
					    "The device has no peer with this endpoint");
		return peer;
	}
	/* the peer cannot go while the lock is held */
	ipmesh_addr_parse(attr, &address);
	rcu_read_lock();
	if (ipmesh_prefix_find(&ipm->prefixes, &address, &to))
		peer = ipmesh_part_peer(&ipm->parts, to.part);
	rcu_read_unlock();
	if (!peer)
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "No pod CIDR holds this address");
	return peer;
}

/**
 * ipmesh_nl_peer_get_doit - IPMESH_CMD_PEER_GET for one peer
 * @skb: the request
 * @info: the request, parsed
 *
 * Return: 0 or a negative error.
 */
int ipmesh_nl_peer_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *attr = info->attrs[IPMESH_A_PEER_ADDRESS];
	struct in6_addr endpoint;
	struct ipmesh_peer *peer;
	struct ipmesh_dev *ipm;
	struct sk_buff *msg;
	int err = 0;

	if (!attr) {
		err = get_endpoint(info, &endpoint);
	} else if (info->attrs[IPMESH_A_PEER_ENDPOINT]) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "A peer is asked for by its endpoint or by an inner address");
		err = -EINVAL;
	} else if (!ipmesh_addr_parse(attr, &endpoint)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "The address must have 4 or 16 bytes");
		err = -EINVAL;
	}
	if (err)
		return err;

	ipm = find_device(info);
	if (IS_ERR(ipm))
		return PTR_ERR(ipm);
	err = lock_device(ipm, info);
	if (err)
		goto put_device;

	peer = get_peer(ipm, info, &endpoint);
	msg = peer ? ipmesh_message_make(ipm, peer, info->snd_portid, info->snd_seq,
				  IPMESH_CMD_PEER_GET, -1) : NULL;
	mutex_unlock(&ipm->lock);
	if (!peer)
		err = -ENOENT;
	else if (!msg)
		err = -ENOMEM;
	else
		err = genlmsg_reply(msg, info);

put_device:
	drop_device(ipm);
	return err;
}

/* For a legacy family the generator leaves these two to us. */
static const struct genl_multicast_group netlink_groups[] = {
	[IPMESH_NLGRP_PEERS] = { .name = IPMESH_MCGRP_PEERS },
};

/* From resv_start_op on, the core refuses NLM_F_CREATE, EXCL and REPLACE. */
struct genl_family ipmesh_netlink_family __ro_after_init = {
	.name		= IPMESH_FAMILY_NAME,
	.version	= IPMESH_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.ops		= ipmesh_nl_ops,
	.n_ops		= ARRAY_SIZE(ipmesh_nl_ops),
	.mcgrps		= netlink_groups,
	.n_mcgrps	= ARRAY_SIZE(netlink_groups),
	IPMESH_COMPAT_RESV_START_OP(IPMESH_CMD_MAX + 1)
};

/**
 * ipmesh_netlink_register - take requests
 *
 * Return: 0 or a negative error.
 */
int ipmesh_netlink_register(void)
{
	return genl_register_family(&ipmesh_netlink_family);
}

/**
 * ipmesh_netlink_unregister - the reverse; no request is under way afterwards
 */
void ipmesh_netlink_unregister(void)
{
	genl_unregister_family(&ipmesh_netlink_family);
}
