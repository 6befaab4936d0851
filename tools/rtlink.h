/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices, through rtnetlink. */
#ifndef IPMESH_RTLINK_H
#define IPMESH_RTLINK_H

#include <net/if.h>
#include "drops.h"
#include "linkattr.h"

/* RFC 8200 5: the kernel has no IPv6 on a device with less. */
#define IPV6_MIN_MTU	1280
#include "nl.h"

#define IPMESH_KIND	"ipmesh"

struct rtlink {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	char kind[32];			/* "" for a plain device */
	uint32_t flags;			/* IFF_* */
	uint8_t operstate;		/* IF_OPER_* */
	uint16_t type;			/* ARPHRD_* */
	uint32_t mtu;
	uint32_t master;		/* ifindex, 0 for none */
	struct addr remote;		/* of an ipip tunnel to one endpoint; or none */
	bool has_stats;
	struct {
		uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
		uint64_t rx_dropped, tx_dropped, rx_errors, tx_errors;
	} stats;
	struct linkattrs attrs;		/* of kind ipmesh */
	struct drops drops;		/* of kind ipmesh */
	struct drop_last last[DROPS_LAST];	/* of kind ipmesh */
	size_t n_last;
};

struct rtlinks {
	struct rtlink *v;
	size_t n, cap;
};

/* All devices of the kind, NULL for all; 0 or -errno. */
int rtlink_dump(struct nl *nl, const char *kind, struct rtlinks *l);
void rtlinks_free(struct rtlinks *l);

/* One by name or, with name NULL, by index; -ENODEV when there is none. */
int rtlink_get(struct nl *nl, const char *name, uint32_t ifindex,
	       struct rtlink *l);

/* A message about a device, new, changed or deleted; false: about another thing. */
bool rtlink_read(struct rtlink *l, const struct nlmsghdr *nlh);

/* Name of a device: the kernel's, or "if7" when it is gone. Static buffers. */
const char *rtlink_name(uint32_t ifindex);

/* What a request says of a device. Zeroed, it says nothing. */
struct rtlink_change {
	const char *name;		/* of the device to make or to change */
	uint32_t ifindex;		/* instead of name, to change */
	uint32_t mtu;			/* 0: not named */
	int up;				/* 1 up, -1 down, 0 not named */
	struct linkattrs attrs;		/* those in attrs.has */
};

/* A new ipmesh device; -EEXIST when the name is taken. */
void rtlink_add(struct nl_batch *b, const struct rtlink_change *c);
void rtlink_set(struct nl_batch *b, const struct rtlink_change *c);
void rtlink_del(struct nl_batch *b, uint32_t ifindex);

/* NULL, or what is wrong with @name as a device's name. */
const char *rtlink_check_name(const char *name);

/*
 * The module whose own device is named so ("ipip" of tunl0), or NULL. It makes one in each
 * namespace, and does not load where the name is taken in any.
 */
const char *rtlink_fallback(const char *name);
/* Warns of such a name for a new device of ours. */
void rtlink_warn_fallback(const char *name);

/*
 * The ipmesh device named @name, or with NULL the only one there is. 0, or it
 * has said what is wrong (no such device; another kind; none or several) and
 * gives the exit status.
 */
int rtlink_find(struct nl *nl, const char *name, struct rtlink *l);

#endif
