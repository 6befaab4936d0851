/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dropped packets by cause, of a peer or of a device. */
#ifndef IPMESH_DROPS_H
#define IPMESH_DROPS_H

#include <stdint.h>
#include <linux/ipmesh.h>

#define DROPS_N	(IPMESH_A_DROPS_MAX + 1)

struct drops {
	uint64_t n[DROPS_N];		/* by IPMESH_A_DROPS_* */
};

struct drop_name {
	const char *name;		/* src_not_allowed; NULL for the pad */
	const char *what;		/* what it means, a few words */
};

extern const struct drop_name drop_names[DROPS_N];

struct nlattr;

/* From the nest IPMESH_A_STATS_DROPS or IFLA_INFO_XSTATS. */
void drops_parse(struct drops *d, const struct nlattr *nest);
uint64_t drops_total(const struct drops *d);

#endif
