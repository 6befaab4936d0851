/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes the kernel that the module is built for look like a recent one. This
 * folder is the only place that knows of differences between kernels; the
 * build includes this file ahead of every source file.
 */
#ifndef _IPMESH_COMPAT_H
#define _IPMESH_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error "ipmesh needs Linux 5.10 or later"
#endif

#include <linux/ip.h>
#include <linux/local_lock.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/udp.h>
#include <net/genetlink.h>
#include <net/rtnetlink.h>
#include <net/udp.h>

/* rtnl_link_ops.newlink takes one struct of parameters since 6.15 */
#ifdef IPMESH_HAVE_NEWLINK_PARAMS
#define IPMESH_COMPAT_NEWLINK(fn)
#define ipmesh_compat_newlink(fn)	fn
#else
struct rtnl_newlink_params {
	struct net *src_net;
	struct nlattr **tb;
	struct nlattr **data;
};

static inline struct net *
rtnl_newlink_link_net(const struct rtnl_newlink_params *params)
{
	/* older kernels hand over the link netns under this name */
	return params->src_net;
}

#define IPMESH_COMPAT_NEWLINK(fn)					\
static int fn##_compat(struct net *src_net, struct net_device *dev,	\
		       struct nlattr *tb[], struct nlattr *data[],	\
		       struct netlink_ext_ack *extack)			\
{									\
	struct rtnl_newlink_params params = {				\
		.src_net = src_net,					\
		.tb = tb,						\
		.data = data,						\
	};								\
									\
	return fn(dev, &params, extack);				\
}
#define ipmesh_compat_newlink(fn)	fn##_compat
#endif

/* NETIF_F_LLTX became a field in 6.12 */
static inline void ipmesh_compat_set_lltx(struct net_device *dev)
{
#ifdef IPMESH_HAVE_LLTX
	dev->lltx = true;
#else
	dev->features |= NETIF_F_LLTX;
#endif
}

/* The core allocates dev->tstats where it knows pcpu_stat_type */
static inline int ipmesh_compat_tstats_alloc(struct net_device *dev)
{
#ifdef IPMESH_HAVE_PCPU_STAT_TYPE
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	return 0;
#else
	dev->tstats = __netdev_alloc_pcpu_stats(struct pcpu_sw_netstats, GFP_KERNEL_ACCOUNT);
	return dev->tstats ? 0 : -ENOMEM;
#endif
}

static inline void ipmesh_compat_tstats_free(struct net_device *dev)
{
#ifndef IPMESH_HAVE_PCPU_STAT_TYPE
	free_percpu(dev->tstats);
	dev->tstats = NULL;
#endif
}

/* The attributes of a dump's request moved into a genl_info in 6.6 */
static inline struct nlattr **ipmesh_compat_dump_attrs(struct netlink_callback *cb)
{
#ifdef IPMESH_HAVE_DUMP_INFO
	return genl_dumpit_info(cb)->info.attrs;
#else
	return genl_dumpit_info(cb)->attrs;
#endif
}

/* genl_family.resv_start_op appeared in 6.1 */
#ifdef IPMESH_HAVE_RESV_START_OP
#define IPMESH_COMPAT_RESV_START_OP(op)	.resv_start_op = (op),
#else
#define IPMESH_COMPAT_RESV_START_OP(op)
#endif

/* Reasons of a drop came one by one from 5.17 on */
#ifndef IPMESH_HAVE_REASON
enum skb_drop_reason {
	SKB_DROP_REASON_NOT_SPECIFIED,
};
#endif

#ifdef IPMESH_HAVE_REASON_IP_INHDR
#define IPMESH_REASON_IP_INHDR		SKB_DROP_REASON_IP_INHDR
#else
#define IPMESH_REASON_IP_INHDR		SKB_DROP_REASON_NOT_SPECIFIED
#endif
#ifdef IPMESH_HAVE_REASON_IP_OUTNOROUTES
#define IPMESH_REASON_IP_OUTNOROUTES	SKB_DROP_REASON_IP_OUTNOROUTES
#else
#define IPMESH_REASON_IP_OUTNOROUTES	SKB_DROP_REASON_NOT_SPECIFIED
#endif
#ifdef IPMESH_HAVE_REASON_PKT_TOO_BIG
#define IPMESH_REASON_PKT_TOO_BIG	SKB_DROP_REASON_PKT_TOO_BIG
#else
#define IPMESH_REASON_PKT_TOO_BIG	SKB_DROP_REASON_NOT_SPECIFIED
#endif
#ifdef IPMESH_HAVE_REASON_NOMEM
#define IPMESH_REASON_NOMEM		SKB_DROP_REASON_NOMEM
#else
#define IPMESH_REASON_NOMEM		SKB_DROP_REASON_NOT_SPECIFIED
#endif
#ifdef IPMESH_HAVE_REASON_IP_RPFILTER
#define IPMESH_REASON_IP_RPFILTER	SKB_DROP_REASON_IP_RPFILTER
#else
#define IPMESH_REASON_IP_RPFILTER	SKB_DROP_REASON_NOT_SPECIFIED
#endif
#ifdef IPMESH_HAVE_REASON_XFRM_POLICY
#define IPMESH_REASON_XFRM_POLICY	SKB_DROP_REASON_XFRM_POLICY
#else
#define IPMESH_REASON_XFRM_POLICY	SKB_DROP_REASON_NOT_SPECIFIED
#endif
#ifdef IPMESH_HAVE_REASON_BPF_CGROUP_EGRESS
#define IPMESH_REASON_BPF_EGRESS	SKB_DROP_REASON_BPF_CGROUP_EGRESS
#else
#define IPMESH_REASON_BPF_EGRESS	SKB_DROP_REASON_NOT_SPECIFIED
#endif

static inline void ipmesh_compat_free_skb(struct sk_buff *skb, enum skb_drop_reason reason)
{
#ifdef IPMESH_HAVE_REASON
	kfree_skb_reason(skb, reason);
#else
	kfree_skb(skb);
#endif
}

/* How much of the DSCP field IPv4 routes are chosen by: all since 6.11 or so */
#include <net/route.h>
#ifdef IPTOS_RT_MASK
#define IPMESH_COMPAT_ROUTE_TOS		IPTOS_RT_MASK
#else
#define IPMESH_COMPAT_ROUTE_TOS		INET_DSCP_MASK
#endif

/* UDP tunnels take the sock instead of its socket since 7.1 or so */
#ifdef IPMESH_HAVE_UDP_TUNNEL_SK
#define ipmesh_compat_udp_sock(socket)	((socket)->sk)
#else
#define ipmesh_compat_udp_sock(socket)	(socket)
#endif

/* The kernel's own NAPI weight is the default since 6.1 */
static inline void ipmesh_compat_napi_add(struct net_device *dev, struct napi_struct *napi,
					  int (*poll)(struct napi_struct *, int))
{
#ifdef IPMESH_HAVE_NAPI_ADD_WEIGHT
	netif_napi_add(dev, napi, poll);
#else
	netif_napi_add(dev, napi, poll, NAPI_POLL_WEIGHT);
#endif
}

/* Whether packets wait in a NAPI's GRO, which has been a part of its own since 6.15 */
static inline bool ipmesh_compat_gro_holds(const struct napi_struct *napi)
{
#ifdef IPMESH_HAVE_GRO_NODE
	return napi->gro.bitmask;
#else
	return napi->gro_bitmask;
#endif
}

/* Whether a NAPI is neither scheduled nor polling, and has no thread, as it may since 5.12 */
#ifndef IPMESH_HAVE_NAPI_THREADED
#define NAPIF_STATE_THREADED	0
#endif
static inline bool ipmesh_compat_napi_rests(const struct napi_struct *napi)
{
	return !(READ_ONCE(napi->state) & (NAPIF_STATE_SCHED | NAPIF_STATE_THREADED));
}

/* What every packet needs is together in net_hotdata since 6.9 */
#ifdef IPMESH_HAVE_HOTDATA
#include <net/hotdata.h>
#define ipmesh_compat_max_backlog()	READ_ONCE(net_hotdata.max_backlog)
#else
#define ipmesh_compat_max_backlog()	READ_ONCE(netdev_max_backlog)
#endif

/* With PREEMPT_RT two tasks with BH off may share a CPU, since 6.18 or so. Locks for what
 * BH off guards elsewhere came before that, in 6.11; on other kernels they do nothing.
 */
#ifndef local_lock_nested_bh
#define local_lock_nested_bh(lock)	do { } while (0)
#define local_unlock_nested_bh(lock)	do { } while (0)
#endif

/* How many devices a packet is being sent through, one in the other: as the kernel counts
 * them for a task, where those of a CPU may be several tasks'.
 */
#ifdef CONFIG_PREEMPT_RT
#define ipmesh_compat_enter_send(depth)	((unsigned int)dev_recursion_level())
#define ipmesh_compat_leave_send(depth)	do { } while (0)
#else
#define ipmesh_compat_enter_send(depth)	__this_cpu_inc_return(depth)
#define ipmesh_compat_leave_send(depth)	__this_cpu_dec(depth)
#endif

/* GRO of forwarded UDP appeared in 5.12 */
#ifndef NETIF_F_GRO_UDP_FWD
#define NETIF_F_GRO_UDP_FWD	0
#endif

/* The length of an IPv4 packet, which is all of @skb. A packet above 64 KiB has none in its
 * header (BIG TCP, since 6.3): it is one of many segments.
 */
static inline unsigned int ipmesh_compat_totlen(const struct sk_buff *skb,
						const struct iphdr *iph)
{
	unsigned int len = ntohs(iph->tot_len);

#ifdef IPMESH_HAVE_TOTLEN
	if (unlikely(!len) && skb_is_gso(skb) && skb_is_gso_tcp(skb))
		return skb->len;
#endif
	return len;
}

/* Packets above 64 KiB can be sent into tunnels since 7.0 or so. Earlier, UDP had no length
 * for them, and IPv6 an option in each of them that nobody took off inside a tunnel.
 */
static inline void ipmesh_compat_set_tso_max_size(struct net_device *dev)
{
#ifdef IPMESH_HAVE_UDP_SET_LEN
	netif_set_tso_max_size(dev, GSO_MAX_SIZE);
#endif
}

#ifndef IPMESH_HAVE_UDP_SET_LEN
static inline void udp_set_len(struct udphdr *uh, unsigned int len)
{
	uh->len = htons(len);
}
#endif

/* Whether any UDP socket takes part in GRO; no longer exported since 7.1 or so */
#ifdef IPMESH_HAVE_UDP_KEY
#define ipmesh_compat_udp_gro()	static_branch_unlikely(&udp_encap_needed_key)
#else
#define ipmesh_compat_udp_gro()	true
#endif

/* Sockets are looked up in the namespace's table since 6.2; it is no argument since 7.1
 * or so
 */
#if !defined(IPMESH_HAVE_UDP_TABLE)
#define IPMESH_COMPAT_UDP_TABLE(net)
#elif defined(IPMESH_HAVE_UDP_TABLE_NET)
#define IPMESH_COMPAT_UDP_TABLE(net)	(net)->ipv4.udp_table,
#else
#define IPMESH_COMPAT_UDP_TABLE(net)	&udp_table,
#endif

/* Whether there may be a UDP socket on the port: most have none with their hash */
static inline bool ipmesh_compat_udp_port(const struct net *net, __be16 port)
{
#ifdef IPMESH_HAVE_UDP_TABLE_NET
	struct udp_table *table = net->ipv4.udp_table;
#else
	struct udp_table *table = &udp_table;
#endif

	return READ_ONCE(udp_hashslot(table, (struct net *)net, ntohs(port))->count);
}

#define ipmesh_compat_udp4_lookup(net, saddr, sport, daddr, dport, dif)		\
	__udp4_lib_lookup(net, saddr, sport, daddr, dport, dif, 0,		\
			  IPMESH_COMPAT_UDP_TABLE(net) NULL)
#define ipmesh_compat_udp6_lookup(net, saddr, sport, daddr, dport, dif)		\
	__udp6_lib_lookup(net, saddr, sport, daddr, dport, dif, 0,		\
			  IPMESH_COMPAT_UDP_TABLE(net) NULL)

/* GRO has a header of its own since 5.16, and one call for two since 6.0 */
#ifdef IPMESH_HAVE_GRO_H
#include <net/gro.h>
#endif
#ifndef IPMESH_HAVE_GRO_HEADER
static inline void *skb_gro_header(struct sk_buff *skb, unsigned int hlen, unsigned int offset)
{
	if (skb_gro_header_hard(skb, hlen))
		return skb_gro_header_slow(skb, hlen, offset);
	return skb_gro_header_fast(skb, offset);
}
#endif

/* The counters of a device are of a type that is safe to read since 5.19 */
#ifdef IPMESH_HAVE_TSTATS_U64
#define ipmesh_compat_tstats_add(counter, n)	u64_stats_add(counter, n)
#else
#define ipmesh_compat_tstats_add(counter, n)	(*(counter) += (n))
#endif

/* dev_sw_netstats_tx_add() appeared in 5.11 or so */
#ifndef IPMESH_HAVE_TSTATS_TX_ADD
static inline void dev_sw_netstats_tx_add(struct net_device *dev, unsigned int packets,
					  unsigned int len)
{
	struct pcpu_sw_netstats *tstats = this_cpu_ptr(dev->tstats);

	u64_stats_update_begin(&tstats->syncp);
	ipmesh_compat_tstats_add(&tstats->tx_bytes, len);
	ipmesh_compat_tstats_add(&tstats->tx_packets, packets);
	u64_stats_update_end(&tstats->syncp);
}
#endif

/* What a softirq allocates can be counted for somebody since 5.11 or so; before, modules
 * lack the variable that says for whom, and it is counted for nobody.
 */
#include <linux/sched/mm.h>
static inline struct mem_cgroup *ipmesh_compat_set_memcg(struct mem_cgroup *memcg)
{
#if defined(IPMESH_HAVE_ACTIVE_MEMCG) || !defined(CONFIG_MEMCG)
	return set_active_memcg(memcg);
#else
	return NULL;
#endif
}

/* dev_get_tstats64() appeared in 5.11 */
#ifndef IPMESH_HAVE_TSTATS64
static inline void dev_get_tstats64(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	netdev_stats_to_stats64(s, &dev->stats);
	dev_fetch_sw_netstats(s, dev->tstats);
}
#endif

/* A kernel that zeroes what is on the stack would do so to what is written anyway */
#if __has_attribute(uninitialized)
#define ipmesh_compat_uninitialized	__attribute__((uninitialized))
#else
#define ipmesh_compat_uninitialized
#endif

/* Where IPv4 counts a packet that is sent: since 6.7 once before netfilter's output
 * (OutRequests) and once at the neighbour (OutTransmits), earlier at once, before its
 * postrouting, so that what is dropped there is counted as well. IPv6 counts at the
 * neighbour too since then, and earlier left it to those who send.
 */
#ifdef IPMESH_HAVE_OUT_TRANSMITS
#define ipmesh_compat_count_request4(net)	IP_INC_STATS(net, IPSTATS_MIB_OUTREQUESTS)
#define ipmesh_compat_count_refused4(net, len)	do { (void)(net); (void)(len); } while (0)
#define ipmesh_compat_count_transmit6(net, idev, len)			\
	IP6_UPD_PO_STATS(net, idev, IPSTATS_MIB_OUT, len)
#else
#define ipmesh_compat_count_request4(net)	do { (void)(net); } while (0)
#define ipmesh_compat_count_refused4(net, len)	IP_UPD_PO_STATS(net, IPSTATS_MIB_OUT, len)
#define ipmesh_compat_count_transmit6(net, idev, len)			\
	do { (void)(net); (void)(idev); (void)(len); } while (0)
#endif

/* A route that is in no table but the list of such routes, which it is on for life */
#ifdef IPMESH_HAVE_DST_UNCACHED
#define ipmesh_compat_rt6_uncached(rt)	((rt)->dst.rt_uncached_list)
#else
#define ipmesh_compat_rt6_uncached(rt)	((rt)->rt6i_uncached_list)
#endif

/* A sentence with arguments: the extack has room for it since 6.2. Earlier it holds a
 * pointer to a text that must not change while the answer is made, long after us, and
 * @plain is what is said there. A text of more than NETLINK_MAX_FMTMSG_LEN bytes is cut.
 */
#ifdef IPMESH_HAVE_EXTACK_BUF
#define ipmesh_compat_extack(extack, attr, plain, fmt, args...)		\
	NL_SET_ERR_MSG_ATTR_FMT(extack, attr, fmt, ##args)
#else
#define ipmesh_compat_extack(extack, attr, plain, fmt, args...) do {	\
	if (0)								\
		no_printk(fmt, ##args);					\
	NL_SET_ERR_MSG_ATTR(extack, attr, plain);			\
} while (0)
#endif

#endif /* _IPMESH_COMPAT_H */
