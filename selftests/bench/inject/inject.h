/* SPDX-License-Identifier: GPL-2.0-only */
/* What the injector is asked for, by ioctl(INJECT_RUN) on /dev/inject. */
#ifndef _IPMESH_BENCH_INJECT_H
#define _IPMESH_BENCH_INJECT_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define INJECT_MAX_BATCH	512
#define INJECT_MAX_BATCHES	100000
#define INJECT_MAX_FRAME	9014
#define INJECT_MAX_PEERS	(1 << 20)
#define INJECT_FIELDS		3

enum inject_mode {
	INJECT_RECEIVE,		/* netif_receive_skb(), one by one */
	INJECT_LIST,		/* netif_receive_skb_list(), as after a NIC's poll */
	INJECT_FREE,		/* kfree_skb(): what the measuring itself costs */
};

/**
 * struct inject_field - four bytes of the frame that name the peer
 * @offset: where in the frame; 0 for no field
 * @base: what they are for peer 0, in host order
 * @step: by how much they grow from peer to peer
 */
struct inject_field {
	__u32 offset;
	__u32 base;
	__u32 step;
};

/**
 * struct inject_run - batches of one frame, to one peer after the other
 * @ifindex: the device that they come from, in the caller's namespace
 * @mode: enum inject_mode
 * @batches: how many batches are timed; may be 0
 * @warm: how many go before, untimed
 * @batch: frames in a batch
 * @len: bytes of @frame, from the Ethernet header on
 * @peers: how many peers take turns
 * @headroom: room before the frame, as a driver leaves it
 * @ipv4: offsets of IPv4 headers whose checksum is to be made right; 0 for none
 * @hash: nonzero: frames have a flow hash already, as from a NIC with RSS
 * @torn: written: how many batches more were sent, untimed, as the kernel left a
 *	part of their work to ksoftirqd
 * @field: what differs from peer to peer
 * @frame: pointer to the frame
 * @ticks: pointer to room for @batches times, in units of the TSC
 */
struct inject_run {
	__u32 ifindex;
	__u32 mode;
	__u32 batches;
	__u32 warm;
	__u32 batch;
	__u32 len;
	__u32 peers;
	__u32 headroom;
	__u32 ipv4[2];
	__u32 hash;
	__u32 torn;
	struct inject_field field[INJECT_FIELDS];
	__u32 pad2;
	__u64 frame;
	__u64 ticks;
};

#define INJECT_RUN	_IOWR('i', 0x70, struct inject_run)

#endif /* _IPMESH_BENCH_INJECT_H */
