// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices, through rtnetlink. */
#include <ctype.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "rtlink.h"

static const struct nl_name data_names[] = {
	{ IFLA_IPMESH_LOCAL, "local", NULL, NULL },
	{ IFLA_IPMESH_LINK, "dev", NULL, NULL },
	{ IFLA_IPMESH_PEERS, "peers", NULL, NULL },
	{ IFLA_IPMESH_TTL, "ttl", NULL, NULL },
	{ IFLA_IPMESH_DSCP, "dscp", NULL, NULL },
	{ IFLA_IPMESH_PMTUDISC, "pmtudisc", NULL, NULL },
	{ IFLA_IPMESH_FWMARK, "fwmark", NULL, NULL },
	{ IFLA_IPMESH_MTU_AUTO, "mtu", NULL, NULL },
	{ IFLA_IPMESH_MAX_PEERS, "max_peers", NULL, NULL },
	{ IFLA_IPMESH_PEER_COUNT, "peer_count", NULL, NULL },
	{ IFLA_IPMESH_ENCAP, "encap", NULL, NULL },
	{ IFLA_IPMESH_DPORT, "dport", NULL, NULL },
	{ IFLA_IPMESH_SPORT, "sport", NULL, NULL },
	{ IFLA_IPMESH_CSUM, "csum", NULL, NULL },
	{ IFLA_IPMESH_NOTRACK, "notrack", NULL, NULL },
	{ IFLA_IPMESH_RPF, "rpf", NULL, NULL },
	{ 0, NULL, NULL, NULL }
};

static const struct nl_name info_names[] = {
	{ IFLA_INFO_KIND, "kind", NULL, NULL },
	{ IFLA_INFO_DATA, "", data_names, NULL },
	{ 0, NULL, NULL, NULL }
};

static const struct nl_name link_names[] = {
	{ IFLA_IFNAME, "name", NULL, NULL },
	{ IFLA_MTU, "mtu", NULL, NULL },
	{ IFLA_LINKINFO, "", info_names, NULL },
	{ 0, NULL, NULL, NULL }
};

static void read_stats(struct rtlink *l, const struct nlattr *a)
{
	struct rtnl_link_stats64 s;
	size_t n = mnl_attr_get_payload_len(a);

	/* Grows at its end with the kernel. */
	memset(&s, 0, sizeof(s));
	memcpy(&s, mnl_attr_get_payload(a), n < sizeof(s) ? n : sizeof(s));
	l->has_stats = true;
	l->stats.rx_packets = s.rx_packets;
	l->stats.tx_packets = s.tx_packets;
	l->stats.rx_bytes = s.rx_bytes;
	l->stats.tx_bytes = s.tx_bytes;
	l->stats.rx_dropped = s.rx_dropped;
	l->stats.tx_dropped = s.tx_dropped;
	l->stats.rx_errors = s.rx_errors;
	l->stats.tx_errors = s.tx_errors;
}

/* IFLA_IPTUN_REMOTE: linux/if_tunnel.h and net/if.h cannot both be included. */
#define IPTUN_REMOTE	3

static void read_remote(struct rtlink *l, const struct nlattr *data)
{
	const struct nlattr *tb[IPTUN_REMOTE + 1];

	nl_parse_nest(data, tb, IPTUN_REMOTE);
	if (nl_addr(&l->remote, tb[IPTUN_REMOTE]) && addr_is_any(&l->remote))
		l->remote = (struct addr){ 0 };
}

bool rtlink_read(struct rtlink *l, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[IFLA_LINKINFO + 40], *info[IFLA_INFO_MAX + 1];
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(nlh);

	memset(l, 0, sizeof(*l));
	if ((nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK) ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*m) || m->ifi_family)
		return false;
	/* Requests name a device by its index, where there is one. */
	if (m->ifi_index <= 0)
		return false;
	nl_parse(nlh, sizeof(*m), tb, IFLA_LINKINFO + 39);
	l->ifindex = (uint32_t)m->ifi_index;
	l->flags = m->ifi_flags;
	l->type = m->ifi_type;
	l->mtu = (uint32_t)nl_u(tb[IFLA_MTU]);
	l->master = (uint32_t)nl_u(tb[IFLA_MASTER]);
	l->operstate = (uint8_t)nl_u(tb[IFLA_OPERSTATE]);
	nl_str(l->name, sizeof(l->name), tb[IFLA_IFNAME]);
	if (tb[IFLA_STATS64])
		read_stats(l, tb[IFLA_STATS64]);
	if (!tb[IFLA_LINKINFO])
		return true;
	nl_parse_nest(tb[IFLA_LINKINFO], info, IFLA_INFO_MAX);
	nl_str(l->kind, sizeof(l->kind), info[IFLA_INFO_KIND]);
	if (!strcmp(l->kind, "ipip") && info[IFLA_INFO_DATA])
		read_remote(l, info[IFLA_INFO_DATA]);
	if (strcmp(l->kind, IPMESH_KIND))
		return true;
	linkattr_parse(&l->attrs, info[IFLA_INFO_DATA]);
	drops_parse(&l->drops, info[IFLA_INFO_XSTATS]);
	l->n_last = drops_parse_last(l->last, info[IFLA_INFO_DATA]);
	return true;
}

struct dump {
	const char *kind;
	const char *name;
	struct rtlinks *l;
	size_t before;
};

static int on_link(const struct nlmsghdr *nlh, void *data)
{
	struct dump *d = data;
	struct rtlink l;

	if (!rtlink_read(&l, nlh) || (d->kind && strcmp(d->kind, l.kind)))
		return 0;
	d->l->v = xgrow(d->l->v, d->l->n, &d->l->cap, sizeof(l));
	d->l->v[d->l->n++] = l;
	return 0;
}

static void again(void *data)
{
	struct dump *d = data;

	d->l->n = d->before;
}

static void put_kind(struct nlmsghdr *nlh, void *data)
{
	const struct dump *d = data;
	struct nlattr *info;

	if (!d->kind)
		return;
	/* The kernel then leaves out devices of other kinds. */
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, d->kind);
	mnl_attr_nest_end(nlh, info);
}

int rtlink_dump(struct nl *nl, const char *kind, struct rtlinks *l)
{
	struct dump data = { .kind = kind, .l = l, .before = l->n };
	struct ifinfomsg hdr = { .ifi_family = AF_UNSPEC };
	struct nl_dump d = {
		.bus = NL_RT, .type = RTM_GETLINK,
		.hdr = &hdr, .extra = sizeof(hdr),
		.put = put_kind, .each = on_link, .restart = again,
		.data = &data,
	};

	return nl_dump(nl, &d);
}

void rtlinks_free(struct rtlinks *l)
{
	free(l->v);
	memset(l, 0, sizeof(*l));
}

static void put_name(struct nlmsghdr *nlh, void *data)
{
	const struct dump *d = data;

	if (d->name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, d->name);
}

int rtlink_get(struct nl *nl, const char *name, uint32_t ifindex,
	       struct rtlink *l)
{
	struct rtlinks all = { 0 };
	struct dump data = { .name = name, .l = &all };
	struct ifinfomsg hdr = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = name ? 0 : (int)ifindex,
	};
	struct nl_dump d = {
		.bus = NL_RT, .type = RTM_GETLINK,
		.hdr = &hdr, .extra = sizeof(hdr),
		.put = put_name, .each = on_link, .data = &data,
	};
	int e = nl_get(nl, &d);

	if (!e && !all.n)
		e = -ENODEV;
	if (!e)
		*l = all.v[0];
	rtlinks_free(&all);
	return e;
}

const char *rtlink_name(uint32_t ifindex)
{
	static char bufs[8][IF_NAMESIZE];
	static unsigned int turn;
	char *buf = bufs[turn++ % 8];

	if (!if_indextoname(ifindex, buf))
		snprintf(buf, sizeof(bufs[0]), "if%u", ifindex);
	return buf;
}

static void put_change(struct nlmsghdr *nlh, const struct rtlink_change *c,
		       bool with_kind)
{
	struct nlattr *info, *data;

	if (c->mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, c->mtu);
	if (!with_kind && !c->attrs.has)
		return;
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, IPMESH_KIND);
	if (c->attrs.has) {
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		linkattr_put(nlh, &c->attrs);
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, info);
}

static struct nlmsghdr *begin(struct nl_batch *b, const struct rtlink_change *c,
			      uint16_t flags)
{
	struct ifinfomsg hdr = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = (int)c->ifindex,
		.ifi_flags = c->up > 0 ? IFF_UP : 0,
		.ifi_change = c->up ? IFF_UP : 0,
	};
	struct nlmsghdr *nlh = nl_add(b, NL_RT, RTM_NEWLINK, flags, &hdr,
				      sizeof(hdr), link_names);

	if (!c->ifindex)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, c->name);
	return nlh;
}

void rtlink_add(struct nl_batch *b, const struct rtlink_change *c)
{
	put_change(begin(b, c, NLM_F_CREATE | NLM_F_EXCL), c, true);
}

void rtlink_set(struct nl_batch *b, const struct rtlink_change *c)
{
	put_change(begin(b, c, 0), c, false);
}

void rtlink_del(struct nl_batch *b, uint32_t ifindex)
{
	struct ifinfomsg hdr = {
		.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex,
	};

	nl_add(b, NL_RT, RTM_DELLINK, 0, &hdr, sizeof(hdr), link_names);
}

const char *rtlink_check_name(const char *name)
{
	static char why[120];
	const char *c;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		goto wrong;
	for (c = name; *c; c++)
		/* of a name with % the kernel makes another one */
		if (*c == '/' || *c == ':' || *c == '%' || isspace((unsigned char)*c) ||
		    iscntrl((unsigned char)*c))
			goto wrong;
	if (c - name >= IFNAMSIZ) {
		snprintf(why, sizeof(why),
			 "\"%s\" is too long for a device's name: at most %d letters",
			 err_safe(name), IFNAMSIZ - 1);
		return why;
	}
	if (!strcmp(name, "all") || !strcmp(name, "default")) {
		/* The sysctl tree has other things of these names. */
		snprintf(why, sizeof(why), "\"%s\" cannot be a device's name", name);
		return why;
	}
	return NULL;
wrong:
	snprintf(why, sizeof(why), "\"%s\" is not a device's name", err_safe(name));
	return why;
}

const char *rtlink_fallback(const char *name)
{
	static const char *const names[][2] = {
		{ "tunl0", "ipip" }, { "sit0", "sit" }, { "ip6tnl0", "ip6_tunnel" },
		{ "gre0", "ip_gre" }, { "gretap0", "ip_gre" }, { "erspan0", "ip_gre" },
		{ "ip6gre0", "ip6_gre" }, { "ip_vti0", "ip_vti" }, { "ip6_vti0", "ip6_vti" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i][0]))
			return names[i][1];
	return NULL;
}

void rtlink_warn_fallback(const char *name)
{
	const char *module = rtlink_fallback(name);

	if (module)
		warn("%s is the name of the kernel's own device of %s: while a device of ours has it, in any namespace, modprobe %s loads nothing, and says that all went well; any other name is safer",
		     name, module, module);
}

static int find_only(struct nl *nl, struct rtlink *l)
{
	struct rtlinks all = { 0 };
	int e = rtlink_dump(nl, IPMESH_KIND, &all);

	if (e)
		e = err_refused("cannot list devices: %s", nl_error(nl, e));
	else if (!all.n)
		e = err_refused("there is no ipmesh device; make one: ipmesh link add ipmesh0");
	else if (all.n > 1)
		e = err_usage("there are %zu ipmesh devices; say which: dev %s, dev %s%s",
			      all.n, all.v[0].name, all.v[1].name,
			      all.n > 2 ? ", …" : "");
	else
		*l = all.v[0];
	rtlinks_free(&all);
	return e;
}

int rtlink_find(struct nl *nl, const char *name, struct rtlink *l)
{
	int e;

	if (!name)
		return find_only(nl, l);
	e = rtlink_get(nl, name, 0, l);
	if (e == -ENODEV)
		return err_refused("there is no device \"%s\"; make it: ipmesh link add %s",
				   name, name);
	if (e)
		return err_refused("device \"%s\": %s", name, nl_error(nl, e));
	if (strcmp(l->kind, IPMESH_KIND))
		return err_refused("\"%s\" is not an ipmesh device%s%s; see ipmesh link show",
				   name, *l->kind ? " but of kind " : "", l->kind);
	return EXIT_DONE;
}
