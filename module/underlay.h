/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_UNDERLAY_H
#define _IPMESH_UNDERLAY_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

struct in6_addr;
struct ipmesh_conf;
struct ipmesh_dev;
struct net;

#define IPMESH_UNDERLAY_BITS	6

/**
 * struct ipmesh_underlay - what ipmesh keeps for an underlay netns
 * @confs: confs of its devices by local address; written under @lock, read under RCU
 * @keys: random and odd, one for each word of an address, for the hash of @confs;
 *	constant
 * @lock: guards @confs; nests inside RTNL
 * @mtu_work: follows the MTU of the underlay; see mtu.c
 * @mtu_age: forgets endpoints that open devices no longer send to; see mtu.c
 * @udp: UDP ports that are bound; written under @udp_lock, read under RCU
 * @udp_lock: guards @udp; nests inside RTNL and a device's lock
 * @notrack: devices that want the hooks of track.c, by family; under RTNL
 * @net: the namespace; constant
 */
struct ipmesh_underlay {
	struct hlist_head confs[1 << IPMESH_UNDERLAY_BITS];
	u64 keys[4];
	spinlock_t lock; /* confs, for writers */
	struct delayed_work mtu_work;
	struct delayed_work mtu_age;
	struct list_head udp;
	struct mutex udp_lock; /* udp */
	unsigned int notrack[2];
	struct net *net;
};

extern unsigned int ipmesh_underlay_net_id;

/**
 * ipmesh_underlay_get - what ipmesh keeps for a namespace
 * @net: the namespace
 *
 * Return: the state, which lives as long as @net.
 */
static inline struct ipmesh_underlay *ipmesh_underlay_get(const struct net *net)
{
	return net_generic(net, ipmesh_underlay_net_id);
}

/**
 * ipmesh_underlay_rcu - the same for a packet
 * @net: the namespace
 *
 * Without the read lock that net_generic() takes for itself.
 *
 * Context: RCU.
 */
static inline struct ipmesh_underlay *ipmesh_underlay_rcu(const struct net *net)
{
	const struct net_generic *gen;

	gen = rcu_dereference_check(net->gen, rcu_read_lock_bh_held());
	return gen->ptr[ipmesh_underlay_net_id];
}

int ipmesh_underlay_add(struct net *net, struct ipmesh_conf *conf);
void ipmesh_underlay_del(struct net *net, struct ipmesh_conf *conf);
struct ipmesh_conf *ipmesh_underlay_find4(struct net *net, __be32 local,
					  int iif, int sdif);
struct ipmesh_conf *ipmesh_underlay_find6(struct net *net,
					  const struct in6_addr *local,
					  int iif, int sdif);
int ipmesh_underlay_oif(const struct ipmesh_conf *conf);

int ipmesh_underlay_register(void);
void ipmesh_underlay_unregister(void);

#endif /* _IPMESH_UNDERLAY_H */
