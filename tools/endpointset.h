/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_ENDPOINTSET_H
#define IPMESH_ENDPOINTSET_H

#include "addr.h"

/*
 * An nftables set of a firewall's own table, which apply keeps filled with the
 * endpoints of the peers, for a rule such as
 *
 *	meta l4proto 4 ip saddr @ipmesh_endpoints accept
 *
 * nftables knows no set of one table in another.  An element of ours has the
 * comment "ipmesh:DEV"; others are nobody's business.  So the kernel knows
 * which set it is, and nothing has to be remembered.
 */
struct set_name {
	char family[8];		/* "inet" */
	char table[128], name[128];
};

struct set_element {
	struct addr addr;
	bool ours;
};

struct endpoint_set {
	struct set_name name;
	uint8_t family;		/* of single addresses; 0: something else */
	bool plain;		/* no flags: neither ranges nor timeouts */
	uint32_t size;		/* 0: no limit */
	struct set_element *v;	/* sorted by address */
	size_t n, cap;
};

struct endpoint_sets {
	struct endpoint_set *v;	/* all sets there are */
	size_t n, cap;
	char *wrong;		/* nftables cannot be read */
};

/* "FAMILY TABLE SET"; NULL, or what is wrong with it, good until the next call. */
const char *set_name_parse(struct set_name *s, const char *text);
/* The same text again; static. */
const char *set_name_str(const struct set_name *s);

void endpointset_read(struct endpoint_sets *l, const char *dev);
void endpointset_free(struct endpoint_sets *l);
const struct endpoint_set *endpointset_find(const struct endpoint_sets *l,
					    const struct set_name *name);
bool endpointset_has(const struct endpoint_set *s, const struct addr *a);

/* All in one transaction.  NULL, or what is wrong, good until the next call. */
const char *endpointset_add(const struct set_name *name, const char *dev,
			    const struct addr *v, size_t n);
const char *endpointset_remove(const struct set_name *name, const struct addr *v,
			       size_t n);

#endif
