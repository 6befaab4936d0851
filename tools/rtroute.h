/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes, through rtnetlink. */
#ifndef IPMESH_RTROUTE_H
#define IPMESH_RTROUTE_H

#include <linux/rtnetlink.h>
#include "addr.h"
#include "nl.h"

#define RTPROT_IPMESH	98		/* "ipmesh" in rt_protos.d */

struct rtroute {
	struct prefix dst;
	uint32_t table;			/* 0 is RT_TABLE_MAIN in a request */
	uint8_t proto;			/* 0 is RTPROT_IPMESH in a request */
	uint8_t type;			/* RTN_*; 0 is RTN_UNICAST in a request */
	uint8_t scope;			/* chosen by type and gateway in a request */
	uint8_t tos;
	uint32_t metric;		/* 0: the kernel's own (IPv6: 1024) */
	uint32_t nhid;			/* nexthop object; then no oif, gw, onlink */
	uint32_t oif;
	struct addr gw;			/* may be of another family than dst */
	struct addr src;		/* preferred source, or none */
	bool onlink;
	uint32_t mtu;			/* metric "mtu", 0 for none */
	uint32_t flags;			/* RTNH_F_*, as the kernel shows them */
	bool multipath;			/* has several nexthops, not shown here */
};

struct rtroutes {
	struct rtroute *v;
	size_t n, cap;
};

struct rtroute_filter {
	uint8_t family;			/* AF_UNSPEC: both */
	uint32_t table;			/* 0: main */
	uint8_t proto;			/* 0: all */
	uint32_t oif;			/* 0: all; routes by nexthop object too */
};

int rtroute_dump(struct nl *nl, const struct rtroute_filter *f,
		 struct rtroutes *l);	/* appends; 0 or -errno */
void rtroutes_free(struct rtroutes *l);

/*
 * The key of a route is table, dst, tos and metric. add fails with -EEXIST
 * when one of that key is there, whatever its protocol; replace puts this one
 * in its place in one step, or adds it; del takes the one away that fits all
 * that is set (proto, type, nhid, oif, gw).
 */
void rtroute_add(struct nl_batch *b, const struct rtroute *r);
void rtroute_replace(struct nl_batch *b, const struct rtroute *r);
void rtroute_del(struct nl_batch *b, const struct rtroute *r);

/*
 * Which route of the tables leads to @dst, from a device's view (@oif, 0: any)
 * and with a mark.  The answer is that of rtroute_read(): a path MTU that was
 * learned for @dst alone is not in it.
 */
void rtroute_ask(struct nl_batch *b, const struct addr *dst, uint32_t oif,
		 uint32_t mark);
/* False: another message, or none that belongs to a table. */
bool rtroute_read(struct rtroute *r, const struct nlmsghdr *nlh);

/* The metric of a route that names none: of IPv6 the kernel makes it 1024. */
static inline uint32_t rtroute_metric(const struct rtroute *r)
{
	return r->dst.addr.family == AF_INET6 ? 1024 : 0;
}

/* The metric of our blackholes: any other route to the same prefix goes before. */
#define RTROUTE_METRIC_LAST	UINT32_MAX

/* "10.244.1.0/24 via 172.16.40.198 dev eth0 onlink", as ip prints it; static. */
const char *rtroute_str(const struct rtroute *r);

/* A message about a route, new or deleted; false: about another thing. */
bool rtroute_read(struct rtroute *r, const struct nlmsghdr *nlh);

/* "blackhole"; "" for a route that leads somewhere. */
const char *rtroute_type_name(uint8_t type);

/* Is it a routing daemon's, by its protocol? */
bool rtroute_of_daemon(const struct rtroute *r);

/* Name of a route protocol ("kernel", "bird", "98"). */
const char *rtroute_proto_name(uint8_t proto);

int rtroute_cmp(const void *a, const void *b);	/* by dst, table, metric */

#endif
