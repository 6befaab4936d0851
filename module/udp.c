// SPDX-License-Identifier: GPL-2.0-only
/* UDP ports that outer packets arrive on. A port is bound while a device wants
 * it, once for all devices of the namespace.
 */

#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/udp.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

#include <uapi/linux/ipmesh.h>

#include "conf.h"
#include "device.h"
#include "receive.h"
#include "udp.h"
#include "underlay.h"

unsigned long ipmesh_udp_map;

/* ports of each bit of the map; both under map_lock */
static unsigned int map_ports[BITS_PER_LONG];
static DEFINE_SPINLOCK(map_lock);

static void map_add(__be16 port)
{
	unsigned int bit = ipmesh_udp_bit(port);

	spin_lock(&map_lock);
	if (!map_ports[bit]++)
		WRITE_ONCE(ipmesh_udp_map, ipmesh_udp_map | BIT(bit));
	spin_unlock(&map_lock);
}

static void map_del(__be16 port)
{
	unsigned int bit = ipmesh_udp_bit(port);

	spin_lock(&map_lock);
	if (!--map_ports[bit])
		WRITE_ONCE(ipmesh_udp_map, ipmesh_udp_map & ~BIT(bit));
	spin_unlock(&map_lock);
}

/* The payload is the bare inner packet: its first four bits tell what it is.
 * Returns 0 for neither.
 */
static __be16 inner_proto(u8 first)
{
	switch (first >> 4) {
	case 4:
		return htons(ETH_P_IP);
	case 6:
		return htons(ETH_P_IPV6);
	}
	return 0;
}

static int port_rcv(struct sock *sk, struct sk_buff *skb)
{
	__be16 proto = 0;

	if (pskb_may_pull(skb, sizeof(struct udphdr) + 1))
		proto = inner_proto(skb->data[sizeof(struct udphdr)]);
	__skb_pull(skb, sizeof(struct udphdr));
	skb_postpull_rcsum(skb, udp_hdr(skb), sizeof(struct udphdr));
	ipmesh_receive_udp(skb, proto, sk->sk_family);
	return 0;
}

/* No error is the socket's: error.c hears of those that are nobody's. */
static int port_err_lookup(struct sock *sk, struct sk_buff *skb)
{
	return -ENOENT;
}

static __be16 gro_proto(struct sk_buff *skb)
{
	unsigned int off = skb_gro_offset(skb);
	const u8 *first = skb_gro_header(skb, off + 1, off);

	return first ? inner_proto(*first) : 0;
}

/* Merges by the inner headers. That this is a tunnel stays marked: by the mark the kernel
 * knows which IP header is the inner one, compares the outer ones too, and leaves alone a
 * further tunnel inside, of which a packet has no room to tell.
 */
static struct sk_buff *port_gro_receive(struct sock *sk, struct list_head *head,
					struct sk_buff *skb)
{
	const struct packet_offload *ptype;
	__be16 proto = gro_proto(skb);
	struct sk_buff *pp = NULL;
	struct sk_buff *p;

	ptype = proto ? gro_find_receive_by_type(proto) : NULL;
	if (!ptype) {
		NAPI_GRO_CB(skb)->flush |= 1;
		return NULL;
	}
	list_for_each_entry(p, head, list) {
		u8 *first = p->data + skb_gro_offset(skb);

		if (NAPI_GRO_CB(p)->same_flow && inner_proto(*first) != proto)
			NAPI_GRO_CB(p)->same_flow = 0;
	}
	pp = call_gro_receive(ptype->callbacks.gro_receive, head, skb);
	skb_gro_flush_final(skb, pp, 0);
	return pp;
}

static int port_gro_complete(struct sock *sk, struct sk_buff *skb, int nhoff)
{
	const struct packet_offload *ptype;
	__be16 proto = inner_proto(skb->data[nhoff]);

	/* for a bare IP payload, as bareudp has it */
	skb_set_inner_mac_header(skb, nhoff);
	ptype = proto ? gro_find_complete_by_type(proto) : NULL;
	return ptype ? ptype->callbacks.gro_complete(skb, nhoff) : -ENOENT;
}

static struct socket *bind_port(struct net *net, u8 family, __be16 port)
{
	struct udp_port_cfg cfg = {
		.family = family,
		.local_udp_port = port,
		.ipv6_v6only = 1,
		/* RFC 6935: the inner packet has checksums of its own */
		.use_udp6_rx_checksums = 0,
	};
	struct udp_tunnel_sock_cfg tunnel = {
		.encap_type = 1,
		.encap_rcv = port_rcv,
		.encap_err_lookup = port_err_lookup,
		.gro_receive = port_gro_receive,
		.gro_complete = port_gro_complete,
	};
	struct socket *sock;
	int err;

	err = udp_sock_create(net, &cfg, &sock);
	if (err)
		return ERR_PTR(err);
	setup_udp_tunnel_sock(net, ipmesh_compat_udp_sock(sock), &tunnel);
	return sock;
}

static void refuse_port(__be16 port, int err, const struct nlattr *attr,
			struct netlink_ext_ack *extack)
{
	switch (err) {
	case -EADDRINUSE:
		ipmesh_compat_extack(extack, attr, "Another program holds this UDP port",
				     "Another program holds UDP port %u", ntohs(port));
		break;
	case -EACCES:
		ipmesh_compat_extack(extack, attr,
				     "So low a UDP port takes CAP_NET_BIND_SERVICE",
				     "UDP port %u is low: it takes CAP_NET_BIND_SERVICE",
				     ntohs(port));
		break;
	case -EAFNOSUPPORT:
		NL_SET_ERR_MSG_ATTR(extack, attr, "IPv6 is disabled on this host");
		break;
	default:
		ipmesh_compat_extack(extack, attr, "This UDP port cannot be bound",
				     "UDP port %u cannot be bound", ntohs(port));
	}
}

static struct ipmesh_udp *open_port(struct ipmesh_underlay *ul, u8 family, __be16 port,
				    const struct nlattr *attr,
				    struct netlink_ext_ack *extack)
{
	struct ipmesh_udp *udp;

	mutex_lock(&ul->udp_lock);
	list_for_each_entry(udp, &ul->udp, list) {
		if (udp->family == family && udp->port == port) {
			udp->users++;
			goto unlock;
		}
	}

	udp = kzalloc(sizeof(*udp), GFP_KERNEL_ACCOUNT);
	if (!udp) {
		udp = ERR_PTR(-ENOMEM);
		goto unlock;
	}
	udp->family = family;
	udp->port = port;
	udp->users = 1;
	/* a packet may come before bind_port() returns */
	map_add(port);
	udp->sock = bind_port(ul->net, family, port);
	if (IS_ERR(udp->sock)) {
		int err = PTR_ERR(udp->sock);

		map_del(port);
		kfree(udp);
		udp = ERR_PTR(err);
		refuse_port(port, err, attr, extack);
		goto unlock;
	}
	list_add_rcu(&udp->list, &ul->udp);
unlock:
	mutex_unlock(&ul->udp_lock);
	return udp;
}

/**
 * ipmesh_udp_close - receive on a UDP port no longer
 * @ul: the underlay
 * @udp: from ipmesh_udp_open(), or NULL
 *
 * Context: process.
 */
void ipmesh_udp_close(struct ipmesh_underlay *ul, struct ipmesh_udp *udp)
{
	if (!udp)
		return;
	mutex_lock(&ul->udp_lock);
	if (!--udp->users) {
		list_del_rcu(&udp->list);
		udp_tunnel_sock_release(ipmesh_compat_udp_sock(udp->sock));
		map_del(udp->port);
		kfree_rcu(udp, rcu);
	}
	mutex_unlock(&ul->udp_lock);
}

/**
 * ipmesh_udp_bound - whether a UDP port of a namespace is ours
 * @net: the namespace
 * @port: network byte order
 *
 * Context: RCU.
 */
bool ipmesh_udp_bound(struct net *net, __be16 port)
{
	const struct ipmesh_udp *udp;

	list_for_each_entry_rcu(udp, &ipmesh_underlay_get(net)->udp, list,
				rcu_read_lock_bh_held())
		if (udp->port == port)
			return true;
	return false;
}

/**
 * ipmesh_udp_want - bind the port that a device is to receive on, or none
 * @ipm: the device
 * @conf: its conf, or the one that it is about to get
 * @udp_peers: peers that have UDP of their own, or are about to
 * @attr: where the request names the port, or NULL
 * @extack: where a refusal is explained
 *
 * Both encapsulations are received as long as one peer or the device sends by
 * UDP, so that a peer can move from the one to the other without loss.
 *
 * Context: process, the device's lock.
 * Return: 0, or a negative error and the port stays as it was.
 */
int ipmesh_udp_want(struct ipmesh_dev *ipm, const struct ipmesh_conf *conf,
		    unsigned int udp_peers, const struct nlattr *attr,
		    struct netlink_ext_ack *extack)
{
	struct ipmesh_underlay *ul = ipmesh_underlay_get(ipm->net);
	bool want = conf->encap == IPMESH_ENCAP_UDP || udp_peers;
	struct ipmesh_udp *udp = NULL;

	lockdep_assert_held(&ipm->lock);

	if (want && ipm->udp && ipm->udp->port == conf->dport)
		return 0;
	if (want) {
		udp = open_port(ul, conf->family, conf->dport, attr, extack);
		if (IS_ERR(udp))
			return PTR_ERR(udp);
	}
	ipmesh_udp_close(ul, ipm->udp);
	ipm->udp = udp;
	return 0;
}
