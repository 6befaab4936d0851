// SPDX-License-Identifier: GPL-2.0-only
/* Where received packets wait: a queue and a NAPI for each CPU, as the kernel's GRO
 * cells. What arrived together is decapsulated and goes on together, as a list, but for
 * what goes through GRO. What is large already does not wait.
 */

#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>

#include "cell.h"
#include "conf.h"
#include "decap.h"
#include "device.h"
#include "merge.h"

/* How many packets are decapsulated together: what is fetched for the last of them comes
 * while the first ones are under way, and has not left the first level cache by then.
 */
#define BATCH	16

/**
 * struct ipmesh_cell - one CPU's queue
 * @queue: packets that wait; under its lock, as the NAPI may run on another CPU: when it
 *	has a thread (/sys/class/net/DEV/threaded), and when the queue's CPU has gone offline
 * @napi: hands on what is in @queue
 */
struct ipmesh_cell {
	struct sk_buff_head queue;
	struct napi_struct napi;
};

/* This CPU is handing on packets: what they lead to waits, lest the stack gets deep. With
 * PREEMPT_RT it may be doing so for several tasks.
 */
static DEFINE_PER_CPU(unsigned int, handing_on);

/* --- filling ---------------------------------------------------------------------- */

static bool queue_packet(struct ipmesh_cell *cell, struct sk_buff *skb)
{
	unsigned int len;

	spin_lock(&cell->queue.lock);
	len = skb_queue_len(&cell->queue);
	if (unlikely(len > ipmesh_compat_max_backlog())) {
		spin_unlock(&cell->queue.lock);
		return false;
	}
	__skb_queue_tail(&cell->queue, skb);
	spin_unlock(&cell->queue.lock);
	if (!len)
		napi_schedule(&cell->napi);
	return true;
}

/* Whether a packet may go at once: one of many segments, for which a NAPI of its own would
 * be as much as all the rest, and that overtakes nothing. A NAPI with a thread is to do all
 * the work.
 */
static bool may_go_at_once(const struct ipmesh_cell *cell, const struct sk_buff *skb)
{
	return skb_is_gso(skb) && ipmesh_compat_napi_rests(&cell->napi) &&
	       !ipmesh_compat_gro_holds(&cell->napi) && !this_cpu_read(handing_on);
}

static noinline void receive_large(struct ipmesh_dev *ipm, struct sk_buff *skb)
{
	const struct ipmesh_conf *conf = rcu_dereference(ipm->conf);

	this_cpu_inc(handing_on);
	if (likely(ipmesh_decap_batch(conf, &skb, 1)))
		netif_receive_skb(skb);
	this_cpu_dec(handing_on);
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

	if (unlikely(!(ipm->dev->flags & IFF_UP)))
		return false;
	if (unlikely(may_go_at_once(cell, skb))) {
		receive_large(ipm, skb);
		return true;
	}
	return queue_packet(cell, skb);
}

/* --- emptying ---------------------------------------------------------------------- */

static unsigned int next_packets(struct ipmesh_cell *cell, struct sk_buff **skbs,
				 unsigned int max)
{
	unsigned int n = 0;

	spin_lock(&cell->queue.lock);
	while (n < max && (skbs[n] = __skb_dequeue(&cell->queue)))
		n++;
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
static void sort(struct ipmesh_cell *cell, struct sk_buff *skb, struct ipmesh_merge *merge,
		 struct list_head *list)
{
	if (!ipmesh_merge_may(skb, merge)) {
		list_add_tail(&skb->list, list);
		return;
	}
	if (unlikely(merge->passed)) {
		hand_on(list);
		merge->passed = false;
		merge->last = NULL;
	}
	merge->in_gro = true;
	napi_gro_receive(&cell->napi, skb);
}

static int work_off(struct ipmesh_cell *cell, int budget)
{
	const struct ipmesh_dev *ipm = netdev_priv(cell->napi.dev);
	/* what GRO could not hand on before the last poll ended is there still */
	struct ipmesh_merge merge = { .in_gro = ipmesh_compat_gro_holds(&cell->napi) };
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
		n = ipmesh_decap_batch(conf, skbs, n);
		for (i = 0; i < n; i++)
			sort(cell, skbs[i], &merge, &list);
	}
	rcu_read_unlock();
	hand_on(&list);
	return work;
}

static int cell_poll(struct napi_struct *napi, int budget)
{
	struct ipmesh_cell *cell = container_of(napi, struct ipmesh_cell, napi);
	int work;

	/* netpoll, which is for what has been sent */
	if (unlikely(!budget))
		return 0;
	this_cpu_inc(handing_on);
	work = work_off(cell, budget);
	if (work < budget)
		napi_complete_done(napi, work);
	this_cpu_dec(handing_on);
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

	ipm->cells = alloc_percpu_gfp(struct ipmesh_cell, GFP_KERNEL_ACCOUNT);
	if (!ipm->cells)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct ipmesh_cell *cell = per_cpu_ptr(ipm->cells, cpu);

		skb_queue_head_init(&cell->queue);
		/* there is nothing to poll for while the queue is empty */
		set_bit(NAPI_STATE_NO_BUSY_POLL, &cell->napi.state);
		ipmesh_compat_napi_add(ipm->dev, &cell->napi, cell_poll);
		napi_enable(&cell->napi);
	}
	return 0;
}

/**
 * ipmesh_cell_stop - hand on no more packets, and drop those that wait
 * @ipm: the device, which is down, and has been for a grace period: none is queued any more
 *
 * The core frees a device's counters before its driver hears of the device again: from
 * here on nothing counts.
 *
 * Context: process, RTNL.
 */
void ipmesh_cell_stop(struct ipmesh_dev *ipm)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct ipmesh_cell *cell = per_cpu_ptr(ipm->cells, cpu);

		napi_disable(&cell->napi);
		__netif_napi_del(&cell->napi);
		skb_queue_purge(&cell->queue);
	}
}

/**
 * ipmesh_cell_free - free the queues of a device
 * @ipm: the device, stopped for a grace period: netpoll goes through NAPIs under RCU
 */
void ipmesh_cell_free(struct ipmesh_dev *ipm)
{
	free_percpu(ipm->cells);
}
