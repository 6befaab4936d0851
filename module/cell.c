// SPDX-License-Identifier: GPL-2.0-only
/* Where received packets wait: a queue and a NAPI for each CPU, as the kernel's GRO
 * cells. What arrived together is decapsulated and goes on together, as a list; through
 * GRO goes only what GRO may merge, since the look at a packet that it cannot is a fifth of
 * all that receiving one costs. What is large already does not wait.
 */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/udp.h>

#include "cell.h"
#include "conf.h"
#include "decap.h"
#include "device.h"

/* How many packets are decapsulated together: what is fetched for the last of them comes
 * while the first ones are under way, and has not left the first level cache by then.
 */
#define BATCH	16

/**
 * enum locking - how the queue of a cell is guarded
 * @UNLOCKED: the NAPI runs on the CPU that fills the queue, and BH are off for both
 * @LOCKING: the NAPI was found on another CPU, and waits until all know of the lock
 * @LOCKED: by the queue's lock, for good
 */
enum locking {
	UNLOCKED,
	LOCKING,
	LOCKED,
};

/**
 * struct ipmesh_cell - one CPU's queue
 * @queue: packets that wait; guarded as @locking tells
 * @locking: enum locking; written by the NAPI, and from LOCKING on by @rcu's callback
 * @cpu: whose packets are in @queue; constant
 * @napi: hands on what is in @queue
 * @cells: all CPUs' cells; constant
 * @rcu: for the grace period of LOCKING, and for the last one
 */
struct ipmesh_cell {
	struct sk_buff_head queue;
	int locking;
	int cpu;
	struct napi_struct napi;
	struct ipmesh_cell __percpu *cells;
	struct rcu_head rcu;
};

/**
 * struct sorting - what is known of a batch as it is sorted
 * @last: UDP packet on the list that no socket was found for, or NULL
 * @in_gro: GRO may hold packets of the batch
 * @passed: a packet that GRO might have merged is on the list
 */
struct sorting {
	const struct sk_buff *last;
	bool in_gro;
	bool passed;
};

/* This CPU is handing on packets: what they lead to waits, lest the stack gets deep. */
static DEFINE_PER_CPU(bool, handing_on);

/* --- filling ---------------------------------------------------------------------- */

static bool queue_packet(struct ipmesh_cell *cell, struct sk_buff *skb)
{
	if (unlikely(skb_queue_len(&cell->queue) > ipmesh_compat_max_backlog()))
		return false;
	__skb_queue_tail(&cell->queue, skb);
	if (skb_queue_len(&cell->queue) == 1)
		napi_schedule(&cell->napi);
	return true;
}

/* Whether a packet may go at once: one of many segments, for which a NAPI of its own would
 * be as much as all the rest, and that overtakes nothing.
 */
static bool may_go_at_once(const struct ipmesh_cell *cell, const struct sk_buff *skb)
{
	return skb_is_gso(skb) && READ_ONCE(cell->locking) == UNLOCKED &&
	       skb_queue_empty(&cell->queue) && !ipmesh_compat_gro_holds(&cell->napi) &&
	       !__this_cpu_read(handing_on);
}

static noinline void receive_large(struct ipmesh_dev *ipm, struct sk_buff *skb)
{
	const struct ipmesh_conf *conf = rcu_dereference(ipm->conf);

	__this_cpu_write(handing_on, true);
	ipmesh_decap_check(conf, skb);
	if (likely(ipmesh_decap_finish(conf, skb)))
		netif_receive_skb(skb);
	__this_cpu_write(handing_on, false);
}

/**
 * ipmesh_cell_receive - receive a packet by a device, as a rule a little later
 * @ipm: the device; @skb->dev is its net_device
 * @skb: the packet, at its inner header, its network header the outer one
 *
 * As many as net.core.netdev_max_backlog may wait on a CPU.
 *
 * Context: BH off, RCU.
 * Return: true when @skb was taken, false when the device is down or the queue full.
 */
bool ipmesh_cell_receive(struct ipmesh_dev *ipm, struct sk_buff *skb)
{
	struct ipmesh_cell *cell = this_cpu_ptr(ipm->cells);
	bool taken;

	if (unlikely(!(ipm->dev->flags & IFF_UP)))
		return false;
	if (unlikely(may_go_at_once(cell, skb))) {
		receive_large(ipm, skb);
		return true;
	}
	if (likely(READ_ONCE(cell->locking) == UNLOCKED))
		return queue_packet(cell, skb);
	spin_lock(&cell->queue.lock);
	taken = queue_packet(cell, skb);
	spin_unlock(&cell->queue.lock);
	return taken;
}

/* --- sorting ----------------------------------------------------------------------- */

/* Addresses and ports, which are linear, of two UDP packets, the second with a header of
 * @len bytes.
 */
static bool same_flow(const struct sk_buff *last, const struct sk_buff *skb, unsigned int len)
{
	if (last->protocol != skb->protocol ||
	    *(const u32 *)(last->data + len) != *(const u32 *)(skb->data + len))
		return false;
	if (skb->protocol == htons(ETH_P_IP))
		return ip_hdr(last)->saddr == ip_hdr(skb)->saddr &&
		       ip_hdr(last)->daddr == ip_hdr(skb)->daddr;
	return ipv6_addr_equal(&ipv6_hdr(last)->saddr, &ipv6_hdr(skb)->saddr) &&
	       ipv6_addr_equal(&ipv6_hdr(last)->daddr, &ipv6_hdr(skb)->daddr);
}

/* Whether a socket of this namespace would get the UDP packet: that may want it merged.
 * It is looked up once for packets of one flow that follow each other.
 */
static bool udp_socket(struct sk_buff *skb, struct sorting *sorting)
{
	bool inner4 = skb->protocol == htons(ETH_P_IP);
	unsigned int len = inner4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	const struct udphdr *uh;
	struct sock *sk;

	/* GRO merges neither fragments nor what has options */
	if (inner4 && (ip_hdr(skb)->ihl != 5 || ip_is_fragment(ip_hdr(skb))))
		return false;
	if (!pskb_may_pull(skb, len + sizeof(*uh)))
		return false;
	if (sorting->last && same_flow(sorting->last, skb, len))
		return false;

	uh = (const struct udphdr *)(skb->data + len);
	rcu_read_lock();
	if (netif_is_l3_slave(skb->dev))
		sk = ERR_PTR(-EXDEV); /* in doubt */
	else if (inner4)
		sk = ipmesh_compat_udp4_lookup(dev_net(skb->dev), ip_hdr(skb)->saddr,
					       uh->source, ip_hdr(skb)->daddr, uh->dest,
					       skb->dev->ifindex);
	else
		sk = ipmesh_compat_udp6_lookup(dev_net(skb->dev), &ipv6_hdr(skb)->saddr,
					       uh->source, &ipv6_hdr(skb)->daddr, uh->dest,
					       skb->dev->ifindex);
	rcu_read_unlock();
	if (!sk)
		sorting->last = skb;
	return sk;
}

/* Whether GRO may merge the packet with others: true in doubt. */
static bool may_merge(struct sk_buff *skb, struct sorting *sorting)
{
	u8 proto = skb->protocol == htons(ETH_P_IP) ? ip_hdr(skb)->protocol :
						      ipv6_hdr(skb)->nexthdr;

	switch (proto) {
	case IPPROTO_UDP:
		if (skb->dev->features & (NETIF_F_GRO_UDP_FWD | NETIF_F_GRO_FRAGLIST))
			return true;
		/* without the key no socket has anything to do with GRO */
		return ipmesh_compat_udp_gro() && udp_socket(skb, sorting);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
	case IPPROTO_FRAGMENT:
		return false;
	}
	return true;
}

/* A TCP segment without data, and without IP options. */
static bool is_bare(const struct sk_buff *skb)
{
	bool inner4 = skb->protocol == htons(ETH_P_IP);
	unsigned int len = inner4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	const struct tcphdr *th = (const struct tcphdr *)(skb->data + len);

	if (inner4 ? ip_hdr(skb)->protocol != IPPROTO_TCP || ip_hdr(skb)->ihl != 5 :
		     ipv6_hdr(skb)->nexthdr != IPPROTO_TCP)
		return false;
	return skb_headlen(skb) >= len + sizeof(*th) && skb->len == len + th->doff * 4;
}

/* Whether a packet goes through GRO. A clone's headers are not ours, and GRO writes; what
 * is large already, or has no data, is merged with nothing. These go past, unless they
 * would overtake what is in there; a clone is made our own then.
 */
static bool through_gro(struct sk_buff *skb, struct sorting *sorting)
{
	if (netif_elide_gro(skb->dev) || !may_merge(skb, sorting))
		return false;
	if (sorting->in_gro)
		return !skb_cloned(skb) || !skb_unclone(skb, GFP_ATOMIC);
	if (likely(!skb_cloned(skb)) && !skb_is_gso(skb) && !is_bare(skb))
		return true;
	sorting->passed = true;
	return false;
}

/* --- emptying ---------------------------------------------------------------------- */

/* From here on the queue is filled under its lock. */
static void all_lock(struct rcu_head *rcu)
{
	struct ipmesh_cell *cell = container_of(rcu, struct ipmesh_cell, rcu);

	/* pairs with may_empty(): the packets that were queued before are there */
	smp_store_release(&cell->locking, LOCKED);
	napi_schedule(&cell->napi);
}

/* A NAPI runs on another CPU than the one that has scheduled it when it has a thread
 * (/sys/class/net/DEV/threaded), and when that one has gone offline. As it may be on any
 * then, the queue is not touched until every CPU that saw no need of a lock is done.
 */
static bool may_empty(struct ipmesh_cell *cell)
{
	/* pairs with all_lock() */
	int locking = smp_load_acquire(&cell->locking);

	if (likely(cell->cpu == smp_processor_id()) || locking == LOCKED)
		return true;
	if (locking == UNLOCKED) {
		WRITE_ONCE(cell->locking, LOCKING);
		call_rcu(&cell->rcu, all_lock);
	}
	return false;
}

static unsigned int take_packets(struct ipmesh_cell *cell, struct sk_buff **skbs,
				 unsigned int max)
{
	unsigned int n = 0;

	while (n < max && (skbs[n] = __skb_dequeue(&cell->queue)))
		n++;
	return n;
}

static unsigned int next_packets(struct ipmesh_cell *cell, struct sk_buff **skbs,
				 unsigned int max)
{
	unsigned int n;

	if (likely(READ_ONCE(cell->locking) == UNLOCKED))
		return take_packets(cell, skbs, max);
	spin_lock(&cell->queue.lock);
	n = take_packets(cell, skbs, max);
	spin_unlock(&cell->queue.lock);
	return n;
}

static void hand_on(struct list_head *list)
{
	if (list_is_singular(list)) {
		struct sk_buff *skb = list_first_entry(list, struct sk_buff, list);

		skb_list_del_init(skb);
		netif_receive_skb(skb);
		return;
	}
	netif_receive_skb_list(list);
	INIT_LIST_HEAD(list);
}

/* To the list or to GRO, without a packet that overtakes another of its flow. */
static void sort(struct ipmesh_cell *cell, struct sk_buff *skb, struct sorting *sorting,
		 struct list_head *list)
{
	if (!through_gro(skb, sorting)) {
		list_add_tail(&skb->list, list);
		return;
	}
	if (unlikely(sorting->passed)) {
		hand_on(list);
		sorting->passed = false;
		sorting->last = NULL;
	}
	sorting->in_gro = true;
	napi_gro_receive(&cell->napi, skb);
}

static int work_off(struct ipmesh_cell *cell, int budget)
{
	const struct ipmesh_dev *ipm = netdev_priv(cell->napi.dev);
	/* what GRO could not hand on before the last poll ended is there still */
	struct sorting sorting = { .in_gro = ipmesh_compat_gro_holds(&cell->napi) };
	struct sk_buff *skbs[BATCH] ipmesh_compat_uninitialized;
	const struct ipmesh_conf *conf;
	unsigned int i, n;
	LIST_HEAD(list);
	int work = 0;

	rcu_read_lock();
	conf = rcu_dereference(ipm->conf);
	while (work < budget) {
		n = next_packets(cell, skbs, min_t(unsigned int, budget - work, BATCH));
		if (!n)
			break;
		work += n;
		for (i = 0; i < n; i++)
			ipmesh_decap_check(conf, skbs[i]);
		for (i = 0; i < n; i++)
			if (likely(ipmesh_decap_finish(conf, skbs[i])))
				sort(cell, skbs[i], &sorting, &list);
	}
	rcu_read_unlock();
	hand_on(&list);
	return work;
}

static int poll(struct napi_struct *napi, int budget)
{
	struct ipmesh_cell *cell = container_of(napi, struct ipmesh_cell, napi);
	int work = 0;

	/* netpoll, which is for what has been sent */
	if (unlikely(!budget))
		return 0;
	__this_cpu_write(handing_on, true);
	if (likely(may_empty(cell)))
		work = work_off(cell, budget);
	if (work < budget)
		napi_complete_done(napi, work);
	__this_cpu_write(handing_on, false);
	return work;
}

/* --- life -------------------------------------------------------------------------- */

/**
 * ipmesh_cell_alloc - make the queues of a device
 * @ipm: the device
 *
 * Return: 0 or -ENOMEM.
 */
int ipmesh_cell_alloc(struct ipmesh_dev *ipm)
{
	int cpu;

	ipm->cells = alloc_percpu(struct ipmesh_cell);
	if (!ipm->cells)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct ipmesh_cell *cell = per_cpu_ptr(ipm->cells, cpu);

		skb_queue_head_init(&cell->queue);
		/* there, BH off does not keep others off the CPU */
		cell->locking = IS_ENABLED(CONFIG_PREEMPT_RT) ? LOCKED : UNLOCKED;
		cell->cpu = cpu;
		cell->cells = ipm->cells;
		/* there is nothing to poll for while the queue is empty */
		set_bit(NAPI_STATE_NO_BUSY_POLL, &cell->napi.state);
		ipmesh_compat_napi_add(ipm->dev, &cell->napi, poll);
		napi_enable(&cell->napi);
	}
	return 0;
}

static void free_cells(struct rcu_head *rcu)
{
	free_percpu(container_of(rcu, struct ipmesh_cell, rcu)->cells);
}

/**
 * ipmesh_cell_free - the reverse, with what waits
 * @ipm: the device, which receives nothing any more
 *
 * Context: process.
 */
void ipmesh_cell_free(struct ipmesh_dev *ipm)
{
	struct ipmesh_cell *cell;
	bool barrier = false;
	int cpu;

	for_each_possible_cpu(cpu) {
		cell = per_cpu_ptr(ipm->cells, cpu);
		napi_disable(&cell->napi);
		__netif_napi_del(&cell->napi);
		__skb_queue_purge(&cell->queue);
		barrier |= READ_ONCE(cell->locking) == LOCKING;
	}
	if (barrier)
		rcu_barrier();
	/* netpoll goes through a device's NAPIs under RCU */
	cell = per_cpu_ptr(ipm->cells, cpumask_first(cpu_possible_mask));
	ipm->cells = NULL;
	call_rcu(&cell->rcu, free_cells);
}
