/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of devices, through rtnetlink. */
#ifndef IPMESH_RTADDR_H
#define IPMESH_RTADDR_H

#include "addr.h"
#include "nl.h"

struct rtaddr {
	uint32_t ifindex;
	struct prefix addr;		/* with host bits */
	uint8_t scope;			/* RT_SCOPE_*; 0 (global) is the default */
	uint32_t flags;			/* IFA_F_* */
};

struct rtaddrs {
	struct rtaddr *v;
	size_t n, cap;
};

/* Of one device, or with @ifindex 0 of all; appends. Link-local IPv6 ones come
 * too, with scope RT_SCOPE_LINK.
 */
int rtaddr_dump(struct nl *nl, uint8_t family, uint32_t ifindex,
		struct rtaddrs *l);
void rtaddrs_free(struct rtaddrs *l);

/* A message about an address, new or deleted; false: about another thing. */
bool rtaddr_read(struct rtaddr *a, const struct nlmsghdr *nlh);

/* add fails with -EEXIST when it is there; replace does not. */
void rtaddr_add(struct nl_batch *b, const struct rtaddr *a);
void rtaddr_replace(struct nl_batch *b, const struct rtaddr *a);
void rtaddr_del(struct nl_batch *b, const struct rtaddr *a);

#endif
