/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nftables does with the echo requests of this program and their answers: the
 * kernel is asked, packet by packet (nftrace), for inner and outer packets, on the way in,
 * forward and out. iptables-nft is nftables too; iptables-legacy cannot be traced.
 */
#ifndef IPMESH_TRACE_H
#define IPMESH_TRACE_H

#include "addr.h"

/* A packet of ours that a rule, or the policy of a chain, has dropped. */
struct trace_drop {
	char family[8];			/* of the table, as nft says it: "ip", "inet" */
	char table[64], chain[64];
	uint64_t handle;		/* of the rule; 0: the chain's policy */
	char *rule;			/* its text; NULL: the policy, or it is gone */
	const char *hook;		/* "input", "forward", "output", …; "" if not known */
	struct addr from, to;		/* of the first packet, as the chain has seen it */
	size_t packets;
	uint8_t proto;			/* 4, 41 or 17: the outer packet; else the inner one */
};

struct trace;

/* Begin, before anything is asked. @ports: of encapsulation in UDP, @n of them. Where it
 * cannot be done NULL with *WRONG, good until the next call of nftables.
 */
struct trace *trace_open(const uint16_t *ports, size_t n, const char **wrong);

/*
 * The drops since the last call, each place and protocol once; the array lives until the
 * next call.
 * To be called when the answer has come or the time is over.
 */
const struct trace_drop *trace_read(struct trace *t, size_t *n);

void trace_close(struct trace *t);

/* "ip filter FORWARD drops it: policy drop", "inet t in drops it by rule 7: …"; one of a
 * few static buffers.
 */
const char *trace_str(const struct trace_drop *d);

#endif
