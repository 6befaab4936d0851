// SPDX-License-Identifier: GPL-2.0-only
/* Counters: what is summed over CPUs, and the names of causes. */

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/memcontrol.h>
#include <linux/netdevice.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/netlink.h>

#include "device.h"
#include "peer.h"
#include "stats.h"
#include "trace.h"

/* The names of the YAML spec, with underscores, as ethtool -S shows them. */
static const struct {
	const char *name;
	bool rx;
	enum skb_drop_reason reason;
} causes[IPMESH_A_DROPS_MAX + 1] = {
	[IPMESH_A_DROPS_TX_INVALID] = { "tx_invalid", false, IPMESH_REASON_IP_INHDR },
	[IPMESH_A_DROPS_NO_PEER] = { "no_peer", false, IPMESH_REASON_IP_OUTNOROUTES },
	[IPMESH_A_DROPS_NO_ROUTE] = { "no_route", false, IPMESH_REASON_IP_OUTNOROUTES },
	[IPMESH_A_DROPS_LOOP] = { "loop" },
	[IPMESH_A_DROPS_TOO_BIG] = { "too_big", false, IPMESH_REASON_PKT_TOO_BIG },
	[IPMESH_A_DROPS_NO_MEMORY] = { "no_memory", false, IPMESH_REASON_NOMEM },
	[IPMESH_A_DROPS_TX_REFUSED] = { "tx_refused" },
	[IPMESH_A_DROPS_UNKNOWN_PEER] = { "unknown_peer", true },
	[IPMESH_A_DROPS_RX_INVALID] = { "rx_invalid", true, IPMESH_REASON_IP_INHDR },
	[IPMESH_A_DROPS_MARTIAN] = { "martian", true },
	[IPMESH_A_DROPS_SRC_NOT_ALLOWED] = { "src_not_allowed", true },
	[IPMESH_A_DROPS_ECN] = { "ecn", true },
	[IPMESH_A_DROPS_OUTER_DST] = { "outer_dst", true },
	[IPMESH_A_DROPS_RX_QUEUE] = { "rx_queue", true },
	[IPMESH_A_DROPS_POLICY] = { "policy", true, IPMESH_REASON_XFRM_POLICY },
	[IPMESH_A_DROPS_NESTED] = { "nested", true },
	[IPMESH_A_DROPS_WRONG_DEV] = { "wrong_dev", true, IPMESH_REASON_IP_RPFILTER },
};

/**
 * ipmesh_stats_name - name of a cause
 * @cause: IPMESH_A_DROPS_*
 *
 * Return: the name.
 */
const char *ipmesh_stats_name(unsigned int cause)
{
	return causes[cause].name;
}

/* They count for who made the device: whose packet it is, is not known here. */
static atomic_long_t *make_peer_drops(const struct ipmesh_dev *ipm)
{
	struct mem_cgroup *old = ipmesh_compat_set_memcg(ipm->memcg);
	atomic_long_t *drops;

	drops = kcalloc(IPMESH_A_DROPS_MAX + 1, sizeof(*drops),
			GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN);
	ipmesh_compat_set_memcg(old);
	return drops;
}

/* Most peers never drop a packet, and need no memory for it. */
static void count_peer_drop(struct ipmesh_peer *peer, unsigned int cause)
{
	atomic_long_t *drops = READ_ONCE(peer->drops);
	atomic_long_t *others;

	if (unlikely(!drops)) {
		drops = make_peer_drops(peer->ipm);
		if (!drops) {
			atomic_long_inc(&peer->drops_uncounted);
			return;
		}
		others = cmpxchg(&peer->drops, NULL, drops);
		if (others) {
			kfree(drops);
			drops = others;
		}
	}
	atomic_long_inc(&drops[cause]);
}

/**
 * ipmesh_stats_drop - count a dropped packet, trace it, free it
 * @ipm: the device
 * @peer: the peer that has a part in it, or NULL
 * @endpoint: outer destination or source, for the trace
 * @len: length of the packet, for the trace
 * @cause: IPMESH_A_DROPS_*
 * @skb: the packet, or NULL when it is out of our hands
 *
 * Context: BH off, RCU when @peer is given.
 */
void ipmesh_stats_drop(struct ipmesh_dev *ipm, struct ipmesh_peer *peer,
		       const struct in6_addr *endpoint, unsigned int len,
		       unsigned int cause, struct sk_buff *skb)
{
	struct ipmesh_drops *drops = this_cpu_ptr(ipm->drops);

	u64_stats_update_begin(&drops->syncp);
	u64_stats_inc(&drops->n[cause]);
	u64_stats_update_end(&drops->syncp);
	if (peer)
		count_peer_drop(peer, cause);
	if (skb)
		ipmesh_last_note(&drops->last, cause, endpoint, skb);
	trace_ipmesh_drop(ipm->dev, endpoint, len, cause);
	if (skb)
		ipmesh_compat_free_skb(skb, causes[cause].reason ?:
						    SKB_DROP_REASON_NOT_SPECIFIED);
}

/**
 * ipmesh_stats_rx_no_memory - a packet that memory was short for was a received one
 * @ipm: the device
 *
 * Before it is counted as dropped.
 *
 * Context: BH off.
 */
void ipmesh_stats_rx_no_memory(struct ipmesh_dev *ipm)
{
	struct ipmesh_drops *drops = this_cpu_ptr(ipm->drops);

	u64_stats_update_begin(&drops->syncp);
	u64_stats_inc(&drops->rx_no_memory);
	u64_stats_update_end(&drops->syncp);
}

static u64 sum_rx_no_memory(const struct ipmesh_dev *ipm)
{
	unsigned int start;
	u64 n, sum = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct ipmesh_drops *drops = per_cpu_ptr(ipm->drops, cpu);

		do {
			start = u64_stats_fetch_begin(&drops->syncp);
			n = u64_stats_read(&drops->rx_no_memory);
		} while (u64_stats_fetch_retry(&drops->syncp, start));
		sum += n;
	}
	return sum;
}

/**
 * ipmesh_stats_drops - a device's dropped packets
 * @ipm: the device
 * @sums: IPMESH_A_DROPS_MAX + 1 sums, by cause
 */
void ipmesh_stats_drops(const struct ipmesh_dev *ipm, u64 *sums)
{
	unsigned int i;
	int cpu;

	memset(sums, 0, (IPMESH_A_DROPS_MAX + 1) * sizeof(*sums));
	for_each_possible_cpu(cpu) {
		const struct ipmesh_drops *drops = per_cpu_ptr(ipm->drops, cpu);
		u64 n[IPMESH_A_DROPS_MAX + 1];
		unsigned int start;

		do {
			start = u64_stats_fetch_begin(&drops->syncp);
			for (i = IPMESH_STATS_FIRST; i <= IPMESH_A_DROPS_MAX; i++)
				n[i] = u64_stats_read(&drops->n[i]);
		} while (u64_stats_fetch_retry(&drops->syncp, start));
		for (i = IPMESH_STATS_FIRST; i <= IPMESH_A_DROPS_MAX; i++)
			sums[i] += n[i];
	}
}

/**
 * ipmesh_stats_peer_drops - a peer's dropped packets
 * @peer: the peer
 * @sums: IPMESH_A_DROPS_MAX + 1 sums, by cause; those that came when there was no
 *	memory to count them by cause are told with that cause
 *
 * Context: RCU or the device's lock.
 */
void ipmesh_stats_peer_drops(const struct ipmesh_peer *peer, u64 *sums)
{
	const atomic_long_t *drops = READ_ONCE(peer->drops);
	unsigned int i;

	for (i = 0; i <= IPMESH_A_DROPS_MAX; i++)
		sums[i] = drops ? atomic_long_read(&drops[i]) : 0;
	sums[IPMESH_A_DROPS_NO_MEMORY] += atomic_long_read(&peer->drops_uncounted);
}

/**
 * ipmesh_stats_peer - a peer's counters
 * @peer: the peer
 * @sums: the result
 */
void ipmesh_stats_peer(const struct ipmesh_peer *peer,
		       struct ipmesh_peer_sums *sums)
{
	unsigned int i = peer->to.part % IPMESH_PART_BLOCK;
	struct ipmesh_part_block __percpu *block;
	u32 now = ipmesh_stats_now();
	u32 age = U32_MAX;
	int cpu;

	/* it does not go before the peer */
	rcu_read_lock();
	block = ipmesh_part_block(&peer->ipm->parts, peer->to.part);
	rcu_read_unlock();

	memset(sums, 0, sizeof(*sums));
	for_each_possible_cpu(cpu) {
		const struct ipmesh_part_block *b = per_cpu_ptr(block, cpu);
		const struct ipmesh_part_rx *rx = &b->rx[i];
		const struct ipmesh_part_tx *tx = &b->tx[i];
		u64 rx_packets, rx_bytes, tx_packets, tx_bytes;
		unsigned int start;
		u32 last_rx;

		do {
			start = u64_stats_fetch_begin(&rx->syncp);
			rx_packets = u64_stats_read(&rx->packets);
			rx_bytes = u64_stats_read(&rx->bytes);
			last_rx = READ_ONCE(rx->last);
		} while (u64_stats_fetch_retry(&rx->syncp, start));
		do {
			start = u64_stats_fetch_begin(&tx->syncp);
			tx_packets = u64_stats_read(&tx->packets);
			tx_bytes = u64_stats_read(&tx->bytes);
		} while (u64_stats_fetch_retry(&tx->syncp, start));

		sums->rx_packets += rx_packets;
		sums->rx_bytes += rx_bytes;
		sums->tx_packets += tx_packets;
		sums->tx_bytes += tx_bytes;
		if (!last_rx)
			continue;
		sums->heard = true;
		/* a packet may have come since @now was taken */
		age = min(age, (s32)(now - last_rx) > 0 ? now - last_rx : 0);
	}
	if (sums->heard)
		sums->last_rx_ms = jiffies64_to_msecs((u64)age << IPMESH_STATS_TICK_SHIFT);
}

/**
 * ipmesh_stats_link - add the drops to a device's link statistics
 * @ipm: the device
 * @link: already holds packets and bytes
 */
void ipmesh_stats_link(const struct ipmesh_dev *ipm,
		       struct rtnl_link_stats64 *link)
{
	u64 sums[IPMESH_A_DROPS_MAX + 1];
	u64 no_memory;
	unsigned int i;

	ipmesh_stats_drops(ipm, sums);
	/* one may have been counted here and not yet in the sum */
	no_memory = min(sum_rx_no_memory(ipm), sums[IPMESH_A_DROPS_NO_MEMORY]);
	sums[IPMESH_A_DROPS_NO_MEMORY] -= no_memory;
	link->rx_dropped += no_memory;
	for (i = IPMESH_STATS_FIRST; i <= IPMESH_A_DROPS_MAX; i++) {
		if (causes[i].rx)
			link->rx_dropped += sums[i];
		else
			link->tx_dropped += sums[i];
	}
}

/**
 * ipmesh_stats_fill_drops - report dropped packets
 * @skb: message under construction, inside the nest
 * @sums: IPMESH_A_DROPS_MAX + 1 sums, by cause
 *
 * Return: 0, or -EMSGSIZE.
 */
int ipmesh_stats_fill_drops(struct sk_buff *skb, const u64 *sums)
{
	unsigned int i;

	for (i = IPMESH_STATS_FIRST; i <= IPMESH_A_DROPS_MAX; i++)
		if (nla_put_u64_64bit(skb, i, sums[i], IPMESH_A_DROPS_PAD))
			return -EMSGSIZE;
	return 0;
}

/* Of an IP header, with IPv6 extension headers. */
static unsigned int network_hdrlen(const struct sk_buff *skb)
{
	__be16 frag_off;
	u8 next;
	int len;

	if (skb->protocol == htons(ETH_P_IP))
		return ip_hdrlen(skb);
	next = ipv6_hdr(skb)->nexthdr;
	if (likely(next == IPPROTO_TCP || next == IPPROTO_UDP))
		return sizeof(struct ipv6hdr);
	len = ipv6_skip_exthdr(skb, sizeof(struct ipv6hdr), &next, &frag_off);
	return len < 0 ? sizeof(struct ipv6hdr) : len;
}

/* Of a TCP header that is not linear. */
static noinline unsigned int far_tcp_hdrlen(const struct sk_buff *skb, unsigned int offset)
{
	const struct tcphdr *th;
	struct tcphdr buf;

	th = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	return th ? __tcp_hdrlen(th) : 0;
}

/**
 * ipmesh_stats_gso - packets and bytes that a GSO skb stands for
 * @skb: the skb, at its network header
 * @bytes: holds the skb's length; the headers of further segments are added
 *
 * What a pod sent as one buffer arrives as many packets, and is counted at
 * both ends alike.
 *
 * Return: packets.
 */
unsigned int ipmesh_stats_gso(const struct sk_buff *skb, unsigned int *bytes)
{
	const struct skb_shared_info *shinfo = skb_shinfo(skb);
	unsigned int segs = shinfo->gso_segs;
	unsigned int hdr;

	if (segs <= 1)
		return 1;
	hdr = network_hdrlen(skb);
	/* the transport header's place is not yet known on the way in */
	if (!(shinfo->gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)))
		hdr += sizeof(struct udphdr);
	else if (likely(skb_headlen(skb) >= hdr + sizeof(struct tcphdr)))
		hdr += __tcp_hdrlen((const struct tcphdr *)(skb->data + hdr));
	else
		hdr += far_tcp_hdrlen(skb, hdr);
	*bytes += (segs - 1) * hdr;
	return segs;
}

/**
 * ipmesh_stats_alloc - make a device's counters
 * @ipm: the device
 *
 * Return: 0 or -ENOMEM.
 */
int ipmesh_stats_alloc(struct ipmesh_dev *ipm)
{
	int cpu;

	ipm->drops = __netdev_alloc_pcpu_stats(struct ipmesh_drops, GFP_KERNEL_ACCOUNT);
	if (!ipm->drops)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		ipmesh_last_init(&per_cpu_ptr(ipm->drops, cpu)->last);
	ipm->memcg = get_mem_cgroup_from_mm(current->mm);
	return 0;
}

/**
 * ipmesh_stats_free - the reverse
 * @ipm: the device
 */
void ipmesh_stats_free(struct ipmesh_dev *ipm)
{
	mem_cgroup_put(ipm->memcg);
	free_percpu(ipm->drops);
}
