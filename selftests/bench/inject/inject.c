// SPDX-License-Identifier: GPL-2.0-only
/*
 * The injector: packets are made outside of what is timed, and go into the stack
 * inside of it, as from a device's poll. pktgen sends to a device rather than
 * from one, counts making the packet, and knows no tunnel headers.
 *
 * A time is that of the TSC. In a guest that QEMU runs with -icount shift=0 it
 * advances by one for each instruction; natively it is time.
 */

#include <linux/etherdevice.h>
#include <linux/interrupt.h>
#include <linux/ip.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <net/ip.h>
#include <net/net_namespace.h>

#include "inject.h"
#include "mark.h"

/* Not get_cycles(): user-mode Linux has none. */
static __always_inline u64 ticks(void)
{
	u32 low, high;

	asm volatile("lfence; rdtsc; lfence" : "=a" (low), "=d" (high) :: "memory");
	return (u64)high << 32 | low;
}

static struct sk_buff *make_packet(const struct inject_run *run, struct net_device *dev,
				   const void *frame, u32 peer)
{
	unsigned int i, offset;
	struct sk_buff *skb;
	struct iphdr *iph;
	__be32 value;
	u8 *data;

	skb = alloc_skb(run->headroom + NET_IP_ALIGN + run->len, GFP_KERNEL);
	if (!skb)
		return NULL;
	skb_reserve(skb, run->headroom + NET_IP_ALIGN);
	data = skb_put_data(skb, frame, run->len);
	for (i = 0; i < INJECT_FIELDS; i++) {
		offset = run->field[i].offset;
		value = cpu_to_be32(run->field[i].base + peer * run->field[i].step);
		if (offset)
			memcpy(data + offset, &value, sizeof(value));
	}
	for (i = 0; i < ARRAY_SIZE(run->ipv4); i++) {
		if (!run->ipv4[i])
			continue;
		iph = (struct iphdr *)(data + run->ipv4[i]);
		ip_send_check(iph);
	}
	skb->protocol = eth_type_trans(skb, dev);
	if (run->hash)
		skb_set_hash(skb, 0x9e3779b9 * (peer + 1), PKT_HASH_TYPE_L4);
	return skb;
}

static void feed(const struct inject_run *run, struct sk_buff **skbs)
{
	LIST_HEAD(list);
	unsigned int i;

	switch (run->mode) {
	case INJECT_RECEIVE:
		for (i = 0; i < run->batch; i++)
			netif_receive_skb(skbs[i]);
		break;
	case INJECT_LIST:
		for (i = 0; i < run->batch; i++)
			list_add_tail(&skbs[i]->list, &list);
		netif_receive_skb_list(&list);
		break;
	case INJECT_FREE:
		for (i = 0; i < run->batch; i++)
			kfree_skb(skbs[i]);
		break;
	}
}

/* Once something has woken ksoftirqd, local_bh_enable() leaves all work to it, until it
 * had its turn: batch after batch would fill the queues of gro_cells, which drop then.
 * A batch of which something is left is torn, and another one goes instead.
 */
static void settle(void)
{
	while (local_softirq_pending())
		schedule_timeout_uninterruptible(1);
}

/* How the peers take turns: each once before one has its second, in an order that brings
 * none of its neighbours with it, by memory or by cache line. The same in each run.
 */
static u32 *make_order(u32 peers)
{
	u32 *order = vmalloc(array_size(peers, sizeof(*order)));
	struct rnd_state state;
	u32 i, j;

	if (!order)
		return NULL;
	prandom_seed_state(&state, peers);
	for (i = 0; i < peers; i++)
		order[i] = i;
	for (i = peers - 1; i; i--) {
		j = prandom_u32_state(&state) % (i + 1);
		swap(order[i], order[j]);
	}
	return order;
}

static int inject(struct inject_run *run, struct net_device *dev, const void *frame,
		  u64 *times)
{
	struct sk_buff **skbs;
	unsigned int i, n;
	u64 begin, end;
	u32 *order, at = 0;
	bool torn;
	int err = 0;

	order = make_order(run->peers);
	skbs = kcalloc(run->batch, sizeof(*skbs), GFP_KERNEL);
	if (!order || !skbs) {
		err = -ENOMEM;
		goto out;
	}
	run->torn = 0;
	for (n = 0; n < run->warm + run->batches; n += !torn) {
		for (i = 0; i < run->batch; i++) {
			skbs[i] = make_packet(run, dev, frame, order[at]);
			if (!skbs[i]) {
				while (i)
					kfree_skb(skbs[--i]);
				err = -ENOMEM;
				goto out;
			}
			at = (at + 1) % run->peers;
		}
		settle();
		if (n >= run->warm)
			mark_begin();
		begin = ticks();
		/* what this raises runs before it is enabled again */
		local_bh_disable();
		feed(run, skbs);
		local_bh_enable();
		end = ticks();
		torn = local_softirq_pending();
		if (!torn && n >= run->warm) {
			mark_end();
			times[n - run->warm] = end - begin;
		}
		run->torn += torn;
		settle();
		if (signal_pending(current)) {
			err = -EINTR;
			break;
		}
		cond_resched();
	}
out:
	kfree(skbs);
	vfree(order);
	return err;
}

static bool inside(const struct inject_run *run, u32 offset, u32 size)
{
	return !offset || (offset < run->len && run->len - offset >= size);
}

static bool valid(const struct inject_run *run)
{
	unsigned int i;

	if (run->mode > INJECT_FREE || !run->peers || run->peers > INJECT_MAX_PEERS ||
	    !run->batch || run->batch > INJECT_MAX_BATCH ||
	    run->batches > INJECT_MAX_BATCHES || run->warm > INJECT_MAX_BATCHES ||
	    run->len <= ETH_HLEN || run->len > INJECT_MAX_FRAME || run->headroom > PAGE_SIZE)
		return false;
	for (i = 0; i < INJECT_FIELDS; i++)
		if (!inside(run, run->field[i].offset, sizeof(u32)))
			return false;
	for (i = 0; i < ARRAY_SIZE(run->ipv4); i++)
		if (!inside(run, run->ipv4[i], sizeof(struct iphdr)))
			return false;
	return true;
}

static long inject_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct net_device *dev;
	struct inject_run run;
	void *frame;
	u64 *times;
	long err;

	if (cmd != INJECT_RUN)
		return -ENOTTY;
	if (copy_from_user(&run, (void __user *)arg, sizeof(run)))
		return -EFAULT;
	if (!valid(&run))
		return -EINVAL;
	dev = dev_get_by_index(current->nsproxy->net_ns, run.ifindex);
	if (!dev)
		return -ENODEV;
	frame = memdup_user(u64_to_user_ptr(run.frame), run.len);
	if (IS_ERR(frame)) {
		err = PTR_ERR(frame);
		goto out_dev;
	}
	times = vmalloc(array_size(run.batches + 1, sizeof(*times)));
	if (!times) {
		err = -ENOMEM;
		goto out_frame;
	}
	err = inject(&run, dev, frame, times);
	if (!err && copy_to_user(u64_to_user_ptr(run.ticks), times,
				 array_size(run.batches, sizeof(*times))))
		err = -EFAULT;
	if (!err && copy_to_user((void __user *)arg, &run, sizeof(run)))
		err = -EFAULT;
	vfree(times);
out_frame:
	kfree(frame);
out_dev:
	dev_put(dev);
	return err;
}

static const struct file_operations inject_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = inject_ioctl,
};

static struct miscdevice inject_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "inject",
	.fops = &inject_fops,
	.mode = 0600,
};

module_misc_device(inject_device);

MODULE_DESCRIPTION("Injector of packets, for measuring a path through the kernel");
MODULE_LICENSE("GPL");
