// SPDX-License-Identifier: GPL-2.0-or-later
/* Routes, through rtnetlink. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "rtlink.h"
#include "rtroute.h"

static const struct nl_name metric_names[] = {
	{ RTAX_MTU, "mtu", NULL, NULL },
	{ 0, NULL, NULL, NULL }
};

static const struct nl_name route_names[] = {
	{ RTA_DST, "destination", NULL, NULL },
	{ RTA_OIF, "dev", NULL, NULL },
	{ RTA_GATEWAY, "via", NULL, NULL },
	{ RTA_VIA, "via", NULL, NULL },
	{ RTA_PREFSRC, "src", NULL, NULL },
	{ RTA_NH_ID, "nhid", NULL, NULL },
	{ RTA_METRICS, "metrics", metric_names, NULL },
	{ 0, NULL, NULL, NULL }
};

struct dump {
	const struct rtroute_filter *f;
	struct rtroutes *l;
	size_t before;
};

bool rtroute_read(struct rtroute *r, const struct nlmsghdr *nlh)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_NH_ID + 1], *mx[RTAX_MTU + 1];

	memset(r, 0, sizeof(*r));
	if ((nlh->nlmsg_type != RTM_NEWROUTE && nlh->nlmsg_type != RTM_DELROUTE) ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*m) ||
	    (m->rtm_family != AF_INET && m->rtm_family != AF_INET6) ||
	    m->rtm_flags & RTM_F_CLONED)
		return false;
	nl_parse(nlh, sizeof(*m), tb, RTA_NH_ID);
	nl_addr(&r->dst.addr, tb[RTA_DST]);
	r->dst.addr.family = m->rtm_family;	/* a default route has no RTA_DST */
	r->dst.len = m->rtm_dst_len;
	r->table = tb[RTA_TABLE] ? (uint32_t)nl_u(tb[RTA_TABLE]) : m->rtm_table;
	r->proto = m->rtm_protocol;
	r->type = m->rtm_type;
	r->scope = m->rtm_scope;
	r->tos = m->rtm_tos;
	r->flags = m->rtm_flags;
	r->onlink = m->rtm_flags & RTNH_F_ONLINK;
	r->metric = (uint32_t)nl_u(tb[RTA_PRIORITY]);
	r->nhid = (uint32_t)nl_u(tb[RTA_NH_ID]);
	r->oif = (uint32_t)nl_u(tb[RTA_OIF]);
	r->multipath = tb[RTA_MULTIPATH];
	nl_addr(&r->src, tb[RTA_PREFSRC]);
	if (tb[RTA_GATEWAY]) {
		nl_addr(&r->gw, tb[RTA_GATEWAY]);
	} else if (tb[RTA_VIA] &&
		   mnl_attr_get_payload_len(tb[RTA_VIA]) > sizeof(struct rtvia)) {
		const struct rtvia *via = mnl_attr_get_payload(tb[RTA_VIA]);

		addr_from_bytes(&r->gw, via->rtvia_addr,
				mnl_attr_get_payload_len(tb[RTA_VIA]) -
				sizeof(*via));
	}
	if (tb[RTA_METRICS]) {
		nl_parse_nest(tb[RTA_METRICS], mx, RTAX_MTU);
		r->mtu = (uint32_t)nl_u(mx[RTAX_MTU]);
	}
	return true;
}

static int on_route(const struct nlmsghdr *nlh, void *data)
{
	struct dump *d = data;
	struct rtroute r;

	if (!rtroute_read(&r, nlh))
		return 0;
	/* A kernel that does not filter gives all: look again. Routes by
	 * nexthop object may come without a device.
	 */
	if (r.table != (d->f->table ? d->f->table : RT_TABLE_MAIN) ||
	    (d->f->proto && r.proto != d->f->proto) ||
	    (d->f->oif && r.oif && r.oif != d->f->oif))
		return 0;
	d->l->v = xgrow(d->l->v, d->l->n, &d->l->cap, sizeof(r));
	d->l->v[d->l->n++] = r;
	return 0;
}

static void again(void *data)
{
	struct dump *d = data;

	d->l->n = d->before;
}

static void put_filter(struct nlmsghdr *nlh, void *data)
{
	const struct dump *d = data;

	mnl_attr_put_u32(nlh, RTA_TABLE, d->f->table ? d->f->table : RT_TABLE_MAIN);
	if (d->f->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, d->f->oif);
}

static int dump_family(struct nl *nl, uint8_t family,
		       const struct rtroute_filter *f, struct rtroutes *l)
{
	struct dump data = { .f = f, .l = l, .before = l->n };
	struct rtmsg hdr = { .rtm_family = family, .rtm_protocol = f->proto };
	struct nl_dump d = {
		.bus = NL_RT, .type = RTM_GETROUTE,
		.hdr = &hdr, .extra = sizeof(hdr),
		.put = put_filter, .each = on_route, .restart = again,
		.data = &data,
	};
	int e = nl_dump(nl, &d);

	/* Where a table was never used, or a family is off. */
	if (e == -ENOENT || e == -EAFNOSUPPORT || e == -EOPNOTSUPP)
		return 0;
	return e;
}

int rtroute_dump(struct nl *nl, const struct rtroute_filter *f,
		 struct rtroutes *l)
{
	int e = 0;

	if (f->family != AF_INET6)
		e = dump_family(nl, AF_INET, f, l);
	if (!e && f->family != AF_INET)
		e = dump_family(nl, AF_INET6, f, l);
	return e;
}

void rtroutes_free(struct rtroutes *l)
{
	free(l->v);
	memset(l, 0, sizeof(*l));
}

static bool is_special(uint8_t type)
{
	return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE ||
	       type == RTN_PROHIBIT || type == RTN_THROW;
}

static void put(struct nl_batch *b, const struct rtroute *r, uint16_t type,
		uint16_t flags)
{
	bool del = type == RTM_DELROUTE;
	uint32_t table = r->table ? r->table : RT_TABLE_MAIN;
	struct rtmsg hdr = {
		.rtm_family = r->dst.addr.family,
		.rtm_dst_len = r->dst.len,
		.rtm_tos = r->tos,
		.rtm_table = table < 256 ? (unsigned char)table : RT_TABLE_UNSPEC,
		.rtm_protocol = r->proto || del ? r->proto : RTPROT_IPMESH,
		.rtm_type = r->type || del ? r->type : RTN_UNICAST,
		.rtm_flags = r->onlink ? RTNH_F_ONLINK : 0,
	};
	struct nlmsghdr *nlh;

	/* As ip does: to a device itself is link, by a gateway is global. */
	if (del)
		hdr.rtm_scope = r->scope ? r->scope : RT_SCOPE_NOWHERE;
	else if (!is_special(hdr.rtm_type) && !r->nhid && !r->gw.family &&
		 hdr.rtm_family == AF_INET)
		hdr.rtm_scope = RT_SCOPE_LINK;

	nlh = nl_add(b, NL_RT, type, flags, &hdr, sizeof(hdr), route_names);
	if (r->dst.len)
		nl_put_addr(nlh, RTA_DST, &r->dst.addr);
	if (table >= 256)
		mnl_attr_put_u32(nlh, RTA_TABLE, table);
	if (r->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, r->metric);
	if (r->nhid) {
		mnl_attr_put_u32(nlh, RTA_NH_ID, r->nhid);
	} else if (!is_special(hdr.rtm_type)) {
		if (r->oif)
			mnl_attr_put_u32(nlh, RTA_OIF, r->oif);
		if (r->gw.family == r->dst.addr.family) {
			nl_put_addr(nlh, RTA_GATEWAY, &r->gw);
		} else if (r->gw.family) {
			uint8_t via[2 + 16];
			uint16_t family = r->gw.family;

			memcpy(via, &family, 2);
			memcpy(via + 2, r->gw.b, addr_bytes(&r->gw));
			mnl_attr_put(nlh, RTA_VIA, 2 + addr_bytes(&r->gw), via);
		}
	}
	if (r->src.family)
		nl_put_addr(nlh, RTA_PREFSRC, &r->src);
	/* Without any metrics the kernel takes for an IPv4 route by nexthop object
	 * those of another route by it, and of the one that is replaced.
	 */
	if (!del && (r->mtu || (r->nhid && hdr.rtm_family == AF_INET))) {
		struct nlattr *mx = mnl_attr_nest_start(nlh, RTA_METRICS);

		if (r->mtu)
			mnl_attr_put_u32(nlh, RTAX_MTU, r->mtu);
		mnl_attr_nest_end(nlh, mx);
	}
}

void rtroute_ask(struct nl_batch *b, const struct addr *dst, uint32_t oif,
		 uint32_t mark)
{
	struct rtmsg hdr = {
		.rtm_family = dst->family,
		.rtm_dst_len = addr_bits(dst),
		.rtm_flags = RTM_F_FIB_MATCH,
	};
	struct nlmsghdr *nlh = nl_add(b, NL_RT, RTM_GETROUTE, 0, &hdr,
				      sizeof(hdr), route_names);

	nl_put_addr(nlh, RTA_DST, dst);
	if (oif)
		mnl_attr_put_u32(nlh, RTA_OIF, oif);
	if (mark)
		mnl_attr_put_u32(nlh, RTA_MARK, mark);
}

void rtroute_add(struct nl_batch *b, const struct rtroute *r)
{
	put(b, r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
}

void rtroute_replace(struct nl_batch *b, const struct rtroute *r)
{
	put(b, r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
}

void rtroute_del(struct nl_batch *b, const struct rtroute *r)
{
	put(b, r, RTM_DELROUTE, 0);
}

bool rtroute_of_daemon(const struct rtroute *r)
{
	return r->proto > RTPROT_STATIC && r->proto != RTPROT_RA && r->proto != RTPROT_DHCP &&
	       r->proto != RTPROT_IPMESH;
}

const char *rtroute_proto_name(uint8_t proto)
{
	static char buf[8];

	switch (proto) {
	case RTPROT_IPMESH: return "ipmesh";
	case RTPROT_KERNEL: return "kernel";
	case RTPROT_BOOT: return "boot";
	case RTPROT_STATIC: return "static";
	case RTPROT_RA: return "ra";
	case RTPROT_ZEBRA: return "zebra";
	case RTPROT_BIRD: return "bird";
	case RTPROT_DHCP: return "dhcp";
	case RTPROT_BGP: return "bgp";
	case RTPROT_OSPF: return "ospf";
	}
	snprintf(buf, sizeof(buf), "%u", proto);
	return buf;
}

const char *rtroute_type_name(uint8_t type)
{
	switch (type) {
	case RTN_BLACKHOLE: return "blackhole";
	case RTN_UNREACHABLE: return "unreachable";
	case RTN_PROHIBIT: return "prohibit";
	case RTN_THROW: return "throw";
	case RTN_LOCAL: return "local";
	}
	return "";
}

const char *rtroute_str(const struct rtroute *r)
{
	static char bufs[4][256];
	static unsigned int turn;
	char *buf = bufs[turn++ % 4];
	size_t size = sizeof(bufs[0]), n;

	n = (size_t)snprintf(buf, size, "%s%s%s", rtroute_type_name(r->type),
			     *rtroute_type_name(r->type) ? " " : "",
			     r->dst.len ? prefix_str(&r->dst) : "default");
	if (r->gw.family)
		n += (size_t)snprintf(buf + n, size - n, " via %s",
				      addr_str(&r->gw));
	if (r->oif && !is_special(r->type))
		n += (size_t)snprintf(buf + n, size - n, " dev %s",
				      rtlink_name(r->oif));
	if (!r->oif && r->nhid)
		n += (size_t)snprintf(buf + n, size - n, " nhid %u", r->nhid);
	n += (size_t)snprintf(buf + n, size - n, " proto %s",
			      rtroute_proto_name(r->proto ? r->proto : RTPROT_IPMESH));
	if (r->metric && r->metric != rtroute_metric(r))
		n += (size_t)snprintf(buf + n, size - n, " metric %u", r->metric);
	if (r->onlink)
		n += (size_t)snprintf(buf + n, size - n, " onlink");
	if (r->mtu)
		snprintf(buf + n, size - n, " mtu %u", r->mtu);
	return buf;
}

int rtroute_cmp(const void *a, const void *b)
{
	const struct rtroute *x = a, *y = b;
	int c = prefix_cmp(&x->dst, &y->dst);

	if (c)
		return c;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	return (int)x->tos - (int)y->tos;
}
