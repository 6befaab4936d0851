/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_NAT_H
#define IPMESH_NAT_H

#include <jansson.h>

#include "addr.h"

/*
 * natOutgoing and natHost, by libnftables: the tables "ip ipmesh" and "ip6 ipmesh" have
 * for each device a set of all pools, a set of those that are translated, and a chain
 * with a rule for these. With natHost there is one more: what this host itself sends by the
 * device with another address than the device's, as to a service whose pod is elsewhere,
 * gets the device's, so that the answer comes by the tunnel. Nothing outside the tables is
 * read or written.
 */
struct nat {
	const struct prefix *pools, *nat;	/* sorted, of one family */
	size_t n_pools, n_nat;
	bool host;
};

struct nat_state {
	bool any;		/* something of the device is there */
	bool host;		/* with the rule for what the host sends */
	bool whole;		/* chain, rules and both sets are as we write them */
	bool alone;		/* the table has nothing else, but the device's guard */
	struct prefix *pools, *nat;	/* sorted */
	size_t n_pools, cap_pools, n_nat, cap_nat;
};

/* TABLE: the objects of our table of the family, or NULL. */
void nat_read(struct nat_state *s, uint8_t family, const json_t *table, const char *dev);
void nat_clear(struct nat_state *s);
bool nat_same(const struct nat_state *s, const struct nat *want);

/* All in one transaction.  NULL, or what is wrong, good until the next call. */
const char *nat_write(const char *dev, uint8_t family, const struct nat *want);
const char *nat_remove(const char *dev, uint8_t family, bool table);

#endif
