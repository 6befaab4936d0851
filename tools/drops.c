// SPDX-License-Identifier: GPL-2.0-or-later
/* Dropped packets by cause. */
#include <string.h>

#include "drops.h"
#include "nl.h"

const struct drop_name drop_names[DROPS_N] = {
	[IPMESH_A_DROPS_TX_INVALID] = { "tx_invalid", "sent, inner header not valid, or for this host only" },
	[IPMESH_A_DROPS_NO_PEER] = { "no_peer", "sent, no peer for it" },
	[IPMESH_A_DROPS_NO_ROUTE] = { "no_route", "sent, no underlay route to the endpoint" },
	[IPMESH_A_DROPS_LOOP] = { "loop", "sent, the route to the endpoint leads into the tunnel" },
	[IPMESH_A_DROPS_TOO_BIG] = { "too_big", "sent, too large for the path" },
	[IPMESH_A_DROPS_NO_MEMORY] = { "no_memory", "sent or received, memory was short" },
	[IPMESH_A_DROPS_TX_REFUSED] = { "tx_refused", "sent, dropped by the underlay's output" },
	[IPMESH_A_DROPS_UNKNOWN_PEER] = { "unknown_peer", "received from an endpoint that is no peer" },
	[IPMESH_A_DROPS_RX_INVALID] = { "rx_invalid", "received, inner header not valid" },
	[IPMESH_A_DROPS_MARTIAN] = { "martian", "received, inner source that no host may have, or destination of no wire" },
	[IPMESH_A_DROPS_SRC_NOT_ALLOWED] = { "src_not_allowed", "received, inner source is not the peer's" },
	[IPMESH_A_DROPS_ECN] = { "ecn", "received, congestion mark on what is not ECN-capable" },
	[IPMESH_A_DROPS_OUTER_DST] = { "outer_dst", "received, outer destination is no unicast" },
	[IPMESH_A_DROPS_RX_QUEUE] = { "rx_queue", "received, receive queue full" },
	[IPMESH_A_DROPS_POLICY] = { "policy", "received, an IPsec policy does not let it in" },
	[IPMESH_A_DROPS_NESTED] = { "nested", "received, too many tunnels one in the other" },
	[IPMESH_A_DROPS_WRONG_DEV] = { "wrong_dev", "received by a device that does not lead to the endpoint" },
};

void drops_parse(struct drops *d, const struct nlattr *nest)
{
	const struct nlattr *tb[DROPS_N];

	memset(d, 0, sizeof(*d));
	if (!nest)
		return;
	nl_parse_nest(nest, tb, IPMESH_A_DROPS_MAX);
	for (unsigned int i = IPMESH_A_DROPS_PAD + 1; i < DROPS_N; i++)
		d->n[i] = nl_u(tb[i]);
}

static void parse_one(struct drop_last *l, const struct nlattr *nest)
{
	const struct nlattr *tb[IPMESH_A_LAST_MAX + 1];

	nl_parse_nest(nest, tb, IPMESH_A_LAST_MAX);
	memset(l, 0, sizeof(*l));
	l->cause = (uint32_t)nl_u(tb[IPMESH_A_LAST_CAUSE]);
	nl_addr(&l->endpoint, tb[IPMESH_A_LAST_ENDPOINT]);
	nl_addr(&l->inner, tb[IPMESH_A_LAST_INNER]);
	l->age_ms = nl_u(tb[IPMESH_A_LAST_AGE_MS]);
}

size_t drops_parse_last(struct drop_last *v, const struct nlattr *nest)
{
	const struct nlattr *a;
	size_t n = 0;

	if (!nest)
		return 0;
	mnl_attr_for_each_nested(a, nest)
		if (mnl_attr_get_type(a) == IFLA_IPMESH_LAST && n < DROPS_LAST)
			parse_one(&v[n++], a);
	return n;
}

uint64_t drops_total(const struct drops *d)
{
	uint64_t sum = 0;

	for (unsigned int i = IPMESH_A_DROPS_PAD + 1; i < DROPS_N; i++)
		sum += d->n[i];
	return sum;
}
