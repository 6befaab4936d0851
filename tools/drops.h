/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dropped packets by cause, of a peer or of a device. */
#ifndef IPMESH_DROPS_H
#define IPMESH_DROPS_H

#include <stddef.h>
#include <stdint.h>
#include <linux/ipmesh.h>

#include "addr.h"

#define DROPS_N	(IPMESH_A_DROPS_MAX + 1)

struct drops {
	uint64_t n[DROPS_N];		/* by IPMESH_A_DROPS_* */
};

/* The last packet that a device dropped for a cause which a setting would mend. */
struct drop_last {
	uint32_t cause;			/* IPMESH_A_DROPS_NO_PEER and the like */
	struct addr endpoint;		/* outer source of a received one, or none */
	struct addr inner;		/* its inner source; destination of a sent one */
	uint64_t age_ms;
};

#define DROPS_LAST	3

struct drop_name {
	const char *name;		/* src_not_allowed; NULL for the pad */
	const char *what;		/* what it means, a few words */
};

extern const struct drop_name drop_names[DROPS_N];

struct nlattr;

/* From the nest IPMESH_A_STATS_DROPS or IFLA_INFO_XSTATS. */
void drops_parse(struct drops *d, const struct nlattr *nest);
/* From IFLA_INFO_DATA: how many there are, at most DROPS_LAST. */
size_t drops_parse_last(struct drop_last *v, const struct nlattr *nest);
uint64_t drops_total(const struct drops *d);

#endif
