/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Neighbours, through rtnetlink. */
#ifndef IPMESH_RTNEIGH_H
#define IPMESH_RTNEIGH_H

#include "nl.h"

struct rtneigh_use {
	uint32_t ifindex;
	size_t n;
};

/* How many entries that count towards the limits of the table each device has. */
struct rtneighs {
	struct rtneigh_use *v;
	size_t n, cap;
};

/* Of one family, of the namespace. */
int rtneigh_dump(struct nl *nl, uint8_t family, struct rtneighs *l);
void rtneighs_free(struct rtneighs *l);

#endif
