/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_STATS_H
#define _IPMESH_STATS_H

#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/skbuff.h>
#include <linux/u64_stats_sync.h>

#include <uapi/linux/ipmesh.h>

#include "last.h"
#include "peer.h"

struct ipmesh_dev;
struct rtnl_link_stats64;

/* A cause is the number of its attribute, IPMESH_A_DROPS_*. */
#define IPMESH_STATS_FIRST	IPMESH_A_DROPS_TX_INVALID
#define IPMESH_STATS_COUNT	(IPMESH_A_DROPS_MAX - IPMESH_STATS_FIRST + 1)

/**
 * struct ipmesh_drops - one CPU's dropped packets of a device
 * @n: by cause; by this CPU with BH off
 * @rx_no_memory: of those of the one cause that there is in both directions, the received
 *	ones; like @n
 * @syncp: guards both on 32-bit machines
 * @last: what was dropped last
 */
struct ipmesh_drops {
	u64_stats_t n[IPMESH_A_DROPS_MAX + 1];
	u64_stats_t rx_no_memory;
	struct u64_stats_sync syncp;
	struct ipmesh_last last;
};

/**
 * struct ipmesh_peer_sums - a peer's counters over all CPUs
 * @rx_packets: received packets
 * @rx_bytes: received inner bytes
 * @tx_packets: sent packets
 * @tx_bytes: sent inner bytes
 * @heard: a packet has come from the peer
 * @last_rx_ms: milliseconds since the last one
 */
struct ipmesh_peer_sums {
	u64 rx_packets;
	u64 rx_bytes;
	u64 tx_packets;
	u64 tx_bytes;
	bool heard;
	u64 last_rx_ms;
};

const char *ipmesh_stats_name(unsigned int cause);
void ipmesh_stats_drop(struct ipmesh_dev *ipm, struct ipmesh_peer *peer,
		       const struct in6_addr *endpoint, unsigned int len,
		       unsigned int cause, struct sk_buff *skb);
void ipmesh_stats_rx_no_memory(struct ipmesh_dev *ipm);
void ipmesh_stats_drops(const struct ipmesh_dev *ipm, u64 *sums);
void ipmesh_stats_peer_drops(const struct ipmesh_peer *peer, u64 *sums);
void ipmesh_stats_peer(const struct ipmesh_peer *peer,
		       struct ipmesh_peer_sums *sums);
void ipmesh_stats_link(const struct ipmesh_dev *ipm,
		       struct rtnl_link_stats64 *link);
int ipmesh_stats_fill_drops(struct sk_buff *skb, const u64 *sums);
int ipmesh_stats_alloc(struct ipmesh_dev *ipm);
void ipmesh_stats_free(struct ipmesh_dev *ipm);

/* About an eighth of a second: 32 bits of it last for seventeen years. */
#define IPMESH_STATS_TICK_SHIFT	ilog2(HZ / 8 ?: 1)

/**
 * ipmesh_stats_now - the time in ticks, for &ipmesh_part_rx.last
 *
 * Return: the time, never 0.
 */
static inline u32 ipmesh_stats_now(void)
{
	u64 now = get_jiffies_64();

	return (u32)(now >> IPMESH_STATS_TICK_SHIFT) ?: 1;
}

unsigned int ipmesh_stats_gso(const struct sk_buff *skb, unsigned int *bytes);

/**
 * ipmesh_stats_segments - how many packets of the wire an skb stands for
 * @skb: the skb, at its network header
 * @bytes: where their length goes, the headers of each counted
 *
 * Return: packets.
 */
static inline unsigned int ipmesh_stats_segments(const struct sk_buff *skb,
						 unsigned int *bytes)
{
	*bytes = skb->len;
	return likely(!skb_is_gso(skb)) ? 1 : ipmesh_stats_gso(skb, bytes);
}

#endif /* _IPMESH_STATS_H */
