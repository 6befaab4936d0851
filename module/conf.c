// SPDX-License-Identifier: GPL-2.0-only
/* The attributes of a device: parsed, checked, published, reported. */

#include <linux/inetdevice.h>
#include <linux/slab.h>
#include <net/ip.h>
#include <net/netlink.h>

#include <uapi/linux/ipmesh.h>

#include "addr.h"
#include "conf.h"
#include "device.h"
#include "last.h"
#include "peer.h"
#include "track.h"
#include "udp.h"
#include "underlay.h"

#define DSCP_MAX	63
#define MAX_PEERS_MAX	BIT(20)

static struct netlink_range_validation max_peers_range = {
	.min = 1,
	.max = MAX_PEERS_MAX,
};

const struct nla_policy ipmesh_conf_policy[IFLA_IPMESH_MAX + 1] = {
	[IFLA_IPMESH_LOCAL]	= { .type = NLA_BINARY, .len = sizeof(struct in6_addr) },
	[IFLA_IPMESH_LINK]	= { .type = NLA_U32 },
	[IFLA_IPMESH_PEERS]	= NLA_POLICY_MAX(NLA_U8, IPMESH_PEERS_MODE_OPEN),
	[IFLA_IPMESH_TTL]	= { .type = NLA_U8 },
	[IFLA_IPMESH_DSCP]	= { .type = NLA_U8 },
	[IFLA_IPMESH_PMTUDISC]	= NLA_POLICY_MAX(NLA_U8, 1),
	[IFLA_IPMESH_FWMARK]	= { .type = NLA_U32 },
	[IFLA_IPMESH_MTU_AUTO]	= NLA_POLICY_MAX(NLA_U8, 1),
	[IFLA_IPMESH_MAX_PEERS]	= NLA_POLICY_FULL_RANGE(NLA_U32, &max_peers_range),
	[IFLA_IPMESH_ENCAP]	= NLA_POLICY_MAX(NLA_U8, IPMESH_ENCAP_UDP),
	[IFLA_IPMESH_DPORT]	= NLA_POLICY_MIN(NLA_U16, 1),
	[IFLA_IPMESH_SPORT]	= { .type = NLA_U16 },
	[IFLA_IPMESH_CSUM]	= NLA_POLICY_MAX(NLA_U8, 1),
	[IFLA_IPMESH_NOTRACK]	= NLA_POLICY_MAX(NLA_U8, 1),
	[IFLA_IPMESH_RPF]	= NLA_POLICY_MAX(NLA_U8, 1),
	[IFLA_IPMESH_PEER_COUNT] = { .type = NLA_REJECT,
				     .reject_message = "The peer count can only be read" },
	[IFLA_IPMESH_LAST]	= { .type = NLA_REJECT,
				    .reject_message = "The last dropped packets can only be read" },
};

static int check_local(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	struct in6_addr addr;

	if (!ipmesh_addr_parse(attr, &addr)) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "The local address must have 4 or 16 bytes");
		return -EINVAL;
	}
	if (nla_len(attr) == sizeof(addr) && ipmesh_addr_is4(&addr)) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "A v4-mapped address is none; give 4 bytes");
		return -EINVAL;
	}
	if (ipmesh_addr_any(&addr) && ipmesh_addr_is4(&addr))
		return 0;
	if (ipmesh_addr_any(&addr)) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "An IPv6 underlay needs a local address");
		return -EINVAL;
	}
	if (ipmesh_addr_martian(&addr) && !ipmesh_addr_loopback(&addr)) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "The local address must be unicast or any");
		return -EINVAL;
	}
	return 0;
}

/**
 * ipmesh_conf_validate - check what can be checked without a device
 * @tb: attributes of the link message
 * @data: attributes of the kind, or NULL
 * @extack: where a refusal is explained
 *
 * Context: process, RTNL.
 * Return: 0 or a negative error.
 */
int ipmesh_conf_validate(struct nlattr *tb[], struct nlattr *data[],
			 struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;

	if (tb[IFLA_ADDRESS]) {
		NL_SET_ERR_MSG_ATTR(extack, tb[IFLA_ADDRESS],
				    "An ipmesh device has no link-layer address");
		return -EINVAL;
	}
	if (!data)
		return 0;

	attr = data[IFLA_IPMESH_LOCAL];
	if (attr) {
		int err = check_local(attr, extack);

		if (err)
			return err;
	}

	attr = data[IFLA_IPMESH_DSCP];
	if (attr && nla_get_u8(attr) > DSCP_MAX &&
	    nla_get_u8(attr) != IPMESH_DSCP_INHERIT) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "The DSCP must be 0 to 63, or 255 to inherit");
		return -EINVAL;
	}

	attr = data[IFLA_IPMESH_MTU_AUTO];
	if (attr && nla_get_u8(attr) && tb[IFLA_MTU]) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "The MTU is either automatic or a number");
		return -EINVAL;
	}
	return 0;
}

/* No address is any, of IPv4. */
static void set_local(struct ipmesh_conf *conf, const struct nlattr *attr)
{
	if (attr)
		ipmesh_addr_parse(attr, &conf->local);
	else
		ipv6_addr_set_v4mapped(htonl(INADDR_ANY), &conf->local);

	if (ipmesh_addr_is4(&conf->local)) {
		conf->family = AF_INET;
		conf->overhead = sizeof(struct iphdr);
	} else {
		conf->family = AF_INET6;
		conf->overhead = sizeof(struct ipv6hdr);
	}
}

/**
 * ipmesh_conf_make - a conf from attributes
 * @ipm: the device
 * @old: what stays where @data is silent; NULL for the defaults
 * @data: attributes of the kind, or NULL
 * @extack: where a refusal is explained
 *
 * Context: process, RTNL.
 * Return: a new conf, not yet published, or an error pointer.
 */
struct ipmesh_conf *ipmesh_conf_make(struct ipmesh_dev *ipm,
				     const struct ipmesh_conf *old,
				     struct nlattr *data[],
				     struct netlink_ext_ack *extack)
{
	struct ipmesh_conf *conf;

	ASSERT_RTNL();

	if (data && data[IFLA_IPMESH_LINK]) {
		u32 link = nla_get_u32(data[IFLA_IPMESH_LINK]);
		struct net_device *lower;

		lower = link ? __dev_get_by_index(ipm->net, link) : NULL;
		if (link && !lower) {
			NL_SET_ERR_MSG_ATTR(extack, data[IFLA_IPMESH_LINK],
					    "No lower device has this index");
			return ERR_PTR(-ENODEV);
		}
		if (lower == ipm->dev) {
			NL_SET_ERR_MSG_ATTR(extack, data[IFLA_IPMESH_LINK],
					    "A device cannot be its own lower device");
			return ERR_PTR(-ELOOP);
		}
	}

	conf = kzalloc(sizeof(*conf), GFP_KERNEL_ACCOUNT);
	if (!conf)
		return ERR_PTR(-ENOMEM);

	if (old) {
		*conf = *old;
		INIT_HLIST_NODE(&conf->node);
		conf->serial++;
	} else {
		conf->ipm = ipm;
		set_local(conf, NULL);
		conf->ttl = IPDEFTTL;
		conf->dscp = IPMESH_DSCP_INHERIT;
		conf->pmtudisc = true;
		conf->rpf = true;
		conf->check_arrival = true;
		conf->max_peers = IPMESH_MAX_PEERS_DEFAULT;
		conf->dport = htons(IPMESH_DPORT_DEFAULT);
	}
	if (!data)
		return conf;

	if (data[IFLA_IPMESH_LOCAL])
		set_local(conf, data[IFLA_IPMESH_LOCAL]);
	if (old && old->family != conf->family) {
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_IPMESH_LOCAL],
				    "The family of the underlay cannot be changed; make another device");
		kfree(conf);
		return ERR_PTR(-EAFNOSUPPORT);
	}
	if (conf->family == AF_INET6 && !ipv6_mod_enabled()) {
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_IPMESH_LOCAL],
				    "IPv6 is disabled on this host");
		kfree(conf);
		return ERR_PTR(-EAFNOSUPPORT);
	}
	/* RFC 6935: over IPv6 a zero checksum is for those who ask for it */
	if (data[IFLA_IPMESH_CSUM])
		conf->csum = nla_get_u8(data[IFLA_IPMESH_CSUM]);
	else if (!old)
		conf->csum = conf->family == AF_INET6;
	if (data[IFLA_IPMESH_ENCAP])
		conf->encap = nla_get_u8(data[IFLA_IPMESH_ENCAP]);
	if (data[IFLA_IPMESH_DPORT])
		conf->dport = htons(nla_get_u16(data[IFLA_IPMESH_DPORT]));
	if (data[IFLA_IPMESH_SPORT])
		conf->sport = htons(nla_get_u16(data[IFLA_IPMESH_SPORT]));
	if (data[IFLA_IPMESH_LINK])
		conf->link = nla_get_u32(data[IFLA_IPMESH_LINK]);
	if (data[IFLA_IPMESH_PEERS])
		conf->open = nla_get_u8(data[IFLA_IPMESH_PEERS]) == IPMESH_PEERS_MODE_OPEN;
	if (data[IFLA_IPMESH_TTL])
		conf->ttl = nla_get_u8(data[IFLA_IPMESH_TTL]);
	if (data[IFLA_IPMESH_DSCP])
		conf->dscp = nla_get_u8(data[IFLA_IPMESH_DSCP]);
	if (data[IFLA_IPMESH_PMTUDISC])
		conf->pmtudisc = nla_get_u8(data[IFLA_IPMESH_PMTUDISC]);
	if (data[IFLA_IPMESH_FWMARK])
		conf->fwmark = nla_get_u32(data[IFLA_IPMESH_FWMARK]);
	if (data[IFLA_IPMESH_MAX_PEERS])
		conf->max_peers = nla_get_u32(data[IFLA_IPMESH_MAX_PEERS]);
	if (data[IFLA_IPMESH_NOTRACK])
		conf->notrack = nla_get_u8(data[IFLA_IPMESH_NOTRACK]);
	if (data[IFLA_IPMESH_RPF])
		conf->rpf = nla_get_u8(data[IFLA_IPMESH_RPF]);
	conf->check_arrival = conf->rpf && !conf->open;
	return conf;
}

/**
 * ipmesh_conf_listen - receive by a conf
 * @ipm: the device
 * @conf: from ipmesh_conf_make()
 * @data: the attributes that @conf was made from, for @extack
 * @extack: where a refusal is explained
 *
 * A conf that is refused may have been seen: free it after a grace period.
 *
 * Context: process, RTNL, the device's lock.
 * Return: 0 or a negative error.
 */
int ipmesh_conf_listen(struct ipmesh_dev *ipm, struct ipmesh_conf *conf,
		       struct nlattr *data[], struct netlink_ext_ack *extack)
{
	bool notrack = ipm->notrack;
	int err;

	ASSERT_RTNL();
	lockdep_assert_held(&ipm->lock);

	if (ipmesh_peer_find(ipm, &conf->local)) {
		NL_SET_ERR_MSG_ATTR(extack, data ? data[IFLA_IPMESH_LOCAL] : NULL,
				    "A peer of the device has this address as its endpoint");
		return -EINVAL;
	}
	err = ipmesh_underlay_add(ipm->net, conf);
	if (err) {
		NL_SET_ERR_MSG_ATTR(extack, data ? data[IFLA_IPMESH_LOCAL] : NULL,
				    "Another ipmesh device has this local address and lower device");
		return err;
	}
	err = ipmesh_track_want(ipm, conf, notrack || conf->notrack);
	if (!err)
		err = ipmesh_udp_want(ipm, conf, ipm->udp_peers,
				      data ? data[IFLA_IPMESH_DPORT] : NULL, extack);
	/* to want it no longer does not fail */
	ipmesh_track_want(ipm, conf, err ? notrack : conf->notrack);
	if (err)
		ipmesh_underlay_del(ipm->net, conf);
	return err;
}

/* What routes of the underlay are chosen by. */
static bool same_routes(const struct ipmesh_conf *a, const struct ipmesh_conf *b)
{
	return ipv6_addr_equal(&a->local, &b->local) && a->link == b->link &&
	       a->fwmark == b->fwmark && a->dscp == b->dscp && a->encap == b->encap &&
	       a->dport == b->dport && a->sport == b->sport;
}

/**
 * ipmesh_conf_replace - publish a conf in place of the device's present one
 * @ipm: the device
 * @conf: from ipmesh_conf_make(); the function takes it, also when it fails
 * @data: the attributes that @conf was made from, for @extack
 * @extack: where a refusal is explained
 *
 * The new conf enters the table of local addresses before the old one leaves
 * it, so a packet always finds the device by one of them.
 *
 * Context: process, RTNL.
 * Return: 0 or a negative error.
 */
int ipmesh_conf_replace(struct ipmesh_dev *ipm, struct ipmesh_conf *conf,
			struct nlattr *data[], struct netlink_ext_ack *extack)
{
	struct ipmesh_conf *old = rtnl_dereference(ipm->conf);
	int err;

	/* a peer's change at the same time must not see one half of this */
	mutex_lock(&ipm->lock);
	err = ipmesh_conf_listen(ipm, conf, data, extack);
	if (!err) {
		/* a packet has the number of the very conf that it is sent by */
		conf->gen = old->gen + (same_routes(conf, old) ? 0 : IPMESH_CONF_GEN_STEP);
		rcu_assign_pointer(ipm->conf, conf);
	}
	mutex_unlock(&ipm->lock);
	if (err) {
		kfree_rcu(conf, rcu);
		return err;
	}
	ipmesh_underlay_del(ipm->net, old);
	kfree_rcu(old, rcu);
	return 0;
}

/**
 * ipmesh_conf_remove - stop receiving for a device that goes away
 * @ipm: the device
 *
 * The conf itself stays readable until the device is freed.
 *
 * Context: process, RTNL.
 */
void ipmesh_conf_remove(struct ipmesh_dev *ipm)
{
	struct ipmesh_conf *conf = rtnl_dereference(ipm->conf);

	ASSERT_RTNL();

	ipmesh_track_want(ipm, conf, false);
	ipmesh_underlay_del(ipm->net, conf);
}

/**
 * ipmesh_conf_size - room that ipmesh_conf_fill() needs
 *
 * Return: bytes.
 */
size_t ipmesh_conf_size(void)
{
	return nla_total_size(sizeof(struct in6_addr)) + /* IFLA_IPMESH_LOCAL */
	       nla_total_size(sizeof(u32)) +	/* IFLA_IPMESH_LINK */
	       nla_total_size(sizeof(u8)) +	/* IFLA_IPMESH_PEERS */
	       nla_total_size(sizeof(u8)) +	/* IFLA_IPMESH_TTL */
	       nla_total_size(sizeof(u8)) +	/* IFLA_IPMESH_DSCP */
	       nla_total_size(sizeof(u8)) +	/* IFLA_IPMESH_PMTUDISC */
	       nla_total_size(sizeof(u32)) +	/* IFLA_IPMESH_FWMARK */
	       nla_total_size(sizeof(u8)) +	/* IFLA_IPMESH_MTU_AUTO */
	       nla_total_size(sizeof(u32)) +	/* IFLA_IPMESH_MAX_PEERS */
	       nla_total_size(sizeof(u32)) +	/* IFLA_IPMESH_PEER_COUNT */
	       nla_total_size(sizeof(u8)) +	/* IFLA_IPMESH_ENCAP */
	       nla_total_size(sizeof(u16)) +	/* IFLA_IPMESH_DPORT */
	       nla_total_size(sizeof(u16)) +	/* IFLA_IPMESH_SPORT */
	       nla_total_size(sizeof(u8)) +	/* IFLA_IPMESH_CSUM */
	       nla_total_size(sizeof(u8)) +	/* IFLA_IPMESH_NOTRACK */
	       nla_total_size(sizeof(u8)) +	/* IFLA_IPMESH_RPF */
	       ipmesh_last_size();		/* IFLA_IPMESH_LAST */
}

/**
 * ipmesh_conf_fill - report a device's attributes
 * @skb: message under construction, inside IFLA_INFO_DATA
 * @ipm: the device
 *
 * Every attribute is reported in the form in which it can be set again.
 *
 * Context: RTNL or RCU.
 * Return: 0, or -EMSGSIZE.
 */
int ipmesh_conf_fill(struct sk_buff *skb, const struct ipmesh_dev *ipm)
{
	const struct ipmesh_conf *conf;
	int err = 0;

	rcu_read_lock();
	conf = rcu_dereference(ipm->conf);
	if (ipmesh_addr_put(skb, IFLA_IPMESH_LOCAL, &conf->local) ||
	    nla_put_u32(skb, IFLA_IPMESH_LINK, conf->link) ||
	    nla_put_u8(skb, IFLA_IPMESH_PEERS, conf->open ? IPMESH_PEERS_MODE_OPEN :
							    IPMESH_PEERS_MODE_STRICT) ||
	    nla_put_u8(skb, IFLA_IPMESH_TTL, conf->ttl) ||
	    nla_put_u8(skb, IFLA_IPMESH_DSCP, conf->dscp) ||
	    nla_put_u8(skb, IFLA_IPMESH_PMTUDISC, conf->pmtudisc) ||
	    nla_put_u32(skb, IFLA_IPMESH_FWMARK, conf->fwmark) ||
	    nla_put_u8(skb, IFLA_IPMESH_MTU_AUTO, READ_ONCE(ipm->mtu_auto)) ||
	    nla_put_u32(skb, IFLA_IPMESH_MAX_PEERS, conf->max_peers) ||
	    nla_put_u32(skb, IFLA_IPMESH_PEER_COUNT, READ_ONCE(ipm->peer_count)) ||
	    nla_put_u8(skb, IFLA_IPMESH_ENCAP, conf->encap) ||
	    nla_put_u16(skb, IFLA_IPMESH_DPORT, ntohs(conf->dport)) ||
	    nla_put_u16(skb, IFLA_IPMESH_SPORT, ntohs(conf->sport)) ||
	    nla_put_u8(skb, IFLA_IPMESH_CSUM, conf->csum) ||
	    nla_put_u8(skb, IFLA_IPMESH_NOTRACK, conf->notrack) ||
	    nla_put_u8(skb, IFLA_IPMESH_RPF, conf->rpf) ||
	    ipmesh_last_fill(skb, ipm))
		err = -EMSGSIZE;
	rcu_read_unlock();
	return err;
}
