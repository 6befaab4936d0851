// SPDX-License-Identifier: GPL-2.0-only
/* A peer as a netlink message: replies, dumps and notifications. */

#include <net/genetlink.h>

#include "addr.h"
#include "device.h"
#include "message.h"
#include "netlink.h"
#include "netlink-gen.h"
#include "peer.h"
#include "prefix.h"
#include "source.h"
#include "stats.h"

static int put_prefix(struct sk_buff *skb, int type, const struct ipmesh_prefix_key *key)
{
	struct nlattr *nest = nla_nest_start(skb, type);
	unsigned int base = ipmesh_prefix_is4(key) ? 96 : 0;

	if (!nest)
		return -EMSGSIZE;
	if (ipmesh_addr_put(skb, IPMESH_A_CIDR_PREFIX, &key->addr) ||
	    nla_put_u8(skb, IPMESH_A_CIDR_LENGTH, key->plen - base)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static int put_stats(struct sk_buff *skb, const struct ipmesh_peer *peer)
{
	struct nlattr *nest, *drops;
	struct ipmesh_peer_sums sums;
	u64 dropped[IPMESH_A_DROPS_MAX + 1];

	ipmesh_stats_peer(peer, &sums);
	ipmesh_stats_peer_drops(peer, dropped);

	nest = nla_nest_start(skb, IPMESH_A_PEER_STATS);
	if (!nest ||
	    nla_put_u64_64bit(skb, IPMESH_A_STATS_RX_PACKETS, sums.rx_packets,
			      IPMESH_A_STATS_PAD) ||
	    nla_put_u64_64bit(skb, IPMESH_A_STATS_RX_BYTES, sums.rx_bytes,
			      IPMESH_A_STATS_PAD) ||
	    nla_put_u64_64bit(skb, IPMESH_A_STATS_TX_PACKETS, sums.tx_packets,
			      IPMESH_A_STATS_PAD) ||
	    nla_put_u64_64bit(skb, IPMESH_A_STATS_TX_BYTES, sums.tx_bytes,
			      IPMESH_A_STATS_PAD) ||
	    (sums.heard &&
	     nla_put_u64_64bit(skb, IPMESH_A_STATS_LAST_RX_MS, sums.last_rx_ms,
			       IPMESH_A_STATS_PAD)) ||
	    nla_put_u64_64bit(skb, IPMESH_A_STATS_ICMP_ERRORS,
			      atomic_long_read(&peer->icmp_errors),
			      IPMESH_A_STATS_PAD))
		return -EMSGSIZE;
	drops = nla_nest_start(skb, IPMESH_A_STATS_DROPS);
	if (!drops || ipmesh_stats_fill_drops(skb, dropped))
		return -EMSGSIZE;
	nla_nest_end(skb, drops);
	nla_nest_end(skb, nest);
	return 0;
}

/* Room for a peer with all its prefixes. */
static size_t peer_size(const struct ipmesh_peer *peer)
{
	const struct ipmesh_sources *sources = ipmesh_source_get(peer);
	size_t cidr = nla_total_size(sizeof(struct in6_addr)) +	/* PREFIX */
		      nla_total_size(sizeof(u8));		/* LENGTH */
	size_t stats = 6 * nla_total_size_64bit(sizeof(u64)) +
		       nla_total_size(IPMESH_STATS_COUNT *
				      nla_total_size_64bit(sizeof(u64)));

	return nla_total_size(sizeof(u32)) +			/* IFINDEX */
	       nla_total_size(sizeof(struct in6_addr)) +	/* ENDPOINT */
	       nla_total_size(IPMESH_NAME_MAX + 1) +		/* NAME */
	       nla_total_size(stats) +				/* STATS */
	       nla_total_size(sizeof(u32)) +			/* CAUSE */
	       nla_total_size(sizeof(u32)) +			/* ENCAP */
	       nla_total_size(sizeof(u16)) +			/* DPORT */
	       nla_total_size(sizeof(u32)) +			/* ROUTES */
	       (peer->cidrs.count +				/* CIDR */
		(sources ? sources->count : 0) +		/* SOURCE */
		peer->froms.count) * nla_total_size(cidr);	/* FROM */
}

/**
 * struct cursor - which prefixes of a peer go into a message
 * @n: prefixes that were passed
 * @from: the first one that is to go, by its place among all
 */
struct cursor {
	unsigned int n;
	unsigned int from;
};

static int put_next(struct sk_buff *skb, struct cursor *c, int type,
		    const struct ipmesh_prefix_key *key)
{
	int err = c->n < c->from ? 0 : put_prefix(skb, type, key);

	if (!err)
		c->n++;
	return err;
}

static int put_set(struct sk_buff *skb, struct cursor *c, int type,
		   const struct ipmesh_peer_set *set)
{
	const struct ipmesh_prefix *prefix;
	int err = 0;

	list_for_each_entry(prefix, &set->list, list) {
		err = put_next(skb, c, type, &prefix->key);
		if (err)
			break;
	}
	return err;
}

static int put_prefixes(struct sk_buff *skb, struct cursor *c, const struct ipmesh_peer *peer)
{
	const struct ipmesh_sources *sources = ipmesh_source_get(peer);
	unsigned int i;
	int err;

	err = put_set(skb, c, IPMESH_A_PEER_CIDR, &peer->cidrs);
	for (i = 0; !err && sources && i < sources->count; i++)
		err = put_next(skb, c, IPMESH_A_PEER_SOURCE, &sources->key[i]);
	return err ?: put_set(skb, c, IPMESH_A_PEER_FROM, &peer->froms);
}

/**
 * ipmesh_message_put - put a peer into a message
 * @skb: the message, behind its header
 * @ipm: the device
 * @peer: a peer of it
 * @from: the prefix to begin with, by its place among pod CIDRs, sources and outer
 *	prefixes; set to where the next message begins, 0 when all are told
 *
 * The first message of a peer also has its name and counters.
 *
 * Context: process, the device's lock.
 * Return: 0 when the peer is complete, 1 when another message is needed,
 * -EMSGSIZE when nothing of use fits into this one.
 */
int ipmesh_message_put(struct sk_buff *skb, struct ipmesh_dev *ipm,
		       struct ipmesh_peer *peer, unsigned int *from)
{
	struct cursor c = { .from = *from };

	lockdep_assert_held(&ipm->lock);

	if (nla_put_u32(skb, IPMESH_A_PEER_IFINDEX, ipm->dev->ifindex) ||
	    ipmesh_addr_put(skb, IPMESH_A_PEER_ENDPOINT, &peer->endpoint))
		return -EMSGSIZE;
	if (!*from && (nla_put_u32(skb, IPMESH_A_PEER_ENCAP, peer->to.encap) ||
		       nla_put_u16(skb, IPMESH_A_PEER_DPORT, ntohs(peer->to.dport)) ||
		       nla_put_u32(skb, IPMESH_A_PEER_ROUTES, peer->routes) ||
		       (peer->name && nla_put_string(skb, IPMESH_A_PEER_NAME, peer->name)) ||
		       put_stats(skb, peer)))
		return -EMSGSIZE;

	if (put_prefixes(skb, &c, peer)) {
		/* a message without progress would come for ever */
		if (c.n == *from)
			return -EMSGSIZE;
		*from = c.n;
		return 1;
	}
	*from = 0;
	return 0;
}

/**
 * ipmesh_message_make - a message of its own for a peer
 * @ipm: the device
 * @peer: a peer of it
 * @portid: netlink port it goes to, 0 for a group
 * @seq: netlink sequence number
 * @cmd: IPMESH_CMD_*
 * @cause: enum ipmesh_cause, or -1 for none
 *
 * Context: process, the device's lock.
 * Return: the message or NULL.
 */
struct sk_buff *ipmesh_message_make(struct ipmesh_dev *ipm, struct ipmesh_peer *peer,
				    u32 portid, u32 seq, u8 cmd, int cause)
{
	unsigned int from = 0;
	struct sk_buff *msg;
	void *hdr;

	msg = genlmsg_new(peer_size(peer), GFP_KERNEL);
	if (!msg)
		return NULL;
	hdr = genlmsg_put(msg, portid, seq, &ipmesh_netlink_family, 0, cmd);
	if (!hdr || ipmesh_message_put(msg, ipm, peer, &from) ||
	    (cause >= 0 && nla_put_u32(msg, IPMESH_A_PEER_CAUSE, cause))) {
		nlmsg_free(msg);
		return NULL;
	}
	genlmsg_end(msg, hdr);
	return msg;
}

/**
 * ipmesh_message_notify - tell the group "peers" of a change
 * @ipm: the device
 * @peer: the peer as it is now, or was when it is being removed
 * @cmd: IPMESH_CMD_PEER_*_NTF
 * @cause: why
 *
 * Context: process, the device's lock.
 */
void ipmesh_message_notify(struct ipmesh_dev *ipm, struct ipmesh_peer *peer,
			   u8 cmd, enum ipmesh_cause cause)
{
	struct net *net = dev_net(ipm->dev);
	struct sk_buff *msg;

	lockdep_assert_held(&ipm->lock);

	if (!genl_has_listeners(&ipmesh_netlink_family, net, IPMESH_NLGRP_PEERS))
		return;
	msg = ipmesh_message_make(ipm, peer, 0, 0, cmd, cause);
	if (!msg) {
		genl_set_err(&ipmesh_netlink_family, net, 0, IPMESH_NLGRP_PEERS, -ENOBUFS);
		return;
	}
	genlmsg_multicast_netns(&ipmesh_netlink_family, net, msg, 0, IPMESH_NLGRP_PEERS,
				GFP_KERNEL);
}
