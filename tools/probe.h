/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a peer can be reached, and what passes on the way. */
#ifndef IPMESH_PROBE_H
#define IPMESH_PROBE_H

#include "echo.h"
#include "have.h"
#include "trace.h"
#include "transit.h"

struct probe {
	const struct have *have;
	const struct peer *peer;
	struct addr to;			/* none: the first host of a CIDR */
	uint32_t count;
	uint32_t timeout_ms;

	/* What was found. */
	struct addr from;		/* the tunnel address of this node, or none */
	struct echo_answer underlay;	/* the endpoint itself */
	uint32_t sent, received;
	double min_ms, sum_ms, max_ms;
	struct echo_answer tunnel;	/* the last one */
	uint32_t mtu;			/* 0: not known */
	bool black_hole;		/* larger ones vanish without an error */
	bool asked;			/* of both, and each was */
	struct echo_answer ip, udp;
	uint16_t dport;
	struct addr pod;		/* as which this was asked, or none */
	struct echo_answer forward;
	enum transit_tcp segments;
	const char *unforwarded;	/* why not; NULL: it was */
	struct trace *trace;		/* to be closed by the caller; NULL: */
	const char *untraced;		/* why not */
	const struct trace_drop *drops;	/* of this host's firewall */
	size_t n_drops;
};

/* The first host of a peer's first CIDR of a family, AF_UNSPEC for any: its node's tunnel
 * address. False: it has none but 0.0.0.0/0 or ::/0, whose addresses are nobody's to ask.
 */
bool probe_first(const struct peer *p, uint8_t family, struct addr *a);

/* Which address to ask: false when the peer has no CIDR and none is named. */
bool probe_target(struct probe *p);

/* Through the tunnel alone; NULL, or why it cannot be asked. */
const char *probe_tunnel(struct probe *p);

/*
 * As a pod of this node, through what is open already: whether @p->to answers what is
 * forwarded, and large TCP segments. NULL, or why it cannot be asked.
 */
void probe_forward(struct probe *p, struct transit *t);

/* All. NULL, or why it cannot be asked. */
const char *probe_all(struct probe *p);

#endif
