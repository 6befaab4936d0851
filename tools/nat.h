/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_NAT_H
#define IPMESH_NAT_H

#include "addr.h"

/*
 * natOutgoing, by libnftables: the table "ip ipmesh" has for each device a
 * set of all pools, a set of those that are translated, and a chain with one
 * rule.  Nothing outside the table is read or written.
 */
struct nat_state {
	bool any;		/* something of the device is there */
	bool whole;		/* chain, rule and both sets are as we write them */
	bool alone;		/* the table has nothing else */
	struct prefix *pools, *nat;	/* sorted */
	size_t n_pools, cap_pools, n_nat, cap_nat;
};

/* NULL, or what is wrong, good until the next call. */
const char *nat_read(struct nat_state *s, const char *dev);
void nat_clear(struct nat_state *s);

/* The wanted prefixes are sorted. */
bool nat_same(const struct nat_state *s, const struct prefix *pools,
	      size_t n_pools, const struct prefix *nat, size_t n_nat);

/* All in one transaction.  NULL, or what is wrong, good until the next call. */
const char *nat_write(const char *dev, const struct prefix *pools,
		      size_t n_pools, const struct prefix *nat, size_t n_nat);
const char *nat_remove(const char *dev, bool table);

#endif
