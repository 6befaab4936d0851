// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses of devices, through rtnetlink. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "rtaddr.h"

static const struct nl_name addr_names[] = {
	{ IFA_ADDRESS, "address", NULL, NULL },
	{ IFA_LOCAL, "address", NULL, NULL },
	{ 0, NULL, NULL, NULL }
};

struct dump {
	uint32_t ifindex;
	struct rtaddrs *l;
	size_t before;
};

bool rtaddr_read(struct rtaddr *a, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFA_FLAGS + 1];

	memset(a, 0, sizeof(*a));
	if ((nlh->nlmsg_type != RTM_NEWADDR && nlh->nlmsg_type != RTM_DELADDR) ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*m))
		return false;
	nl_parse(nlh, sizeof(*m), tb, IFA_FLAGS);
	a->addr.len = m->ifa_prefixlen;
	a->ifindex = m->ifa_index;
	a->scope = m->ifa_scope;
	a->flags = tb[IFA_FLAGS] ? (uint32_t)nl_u(tb[IFA_FLAGS]) : m->ifa_flags;
	/* IFA_ADDRESS is the other end's where there is one. */
	return nl_addr(&a->addr.addr,
		       tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS]);
}

static int on_addr(const struct nlmsghdr *nlh, void *data)
{
	struct dump *d = data;
	struct rtaddr a;

	if (!rtaddr_read(&a, nlh) || (d->ifindex && d->ifindex != a.ifindex))
		return 0;
	d->l->v = xgrow(d->l->v, d->l->n, &d->l->cap, sizeof(a));
	d->l->v[d->l->n++] = a;
	return 0;
}

static void again(void *data)
{
	struct dump *d = data;

	d->l->n = d->before;
}

int rtaddr_dump(struct nl *nl, uint8_t family, uint32_t ifindex,
		struct rtaddrs *l)
{
	struct dump data = { .ifindex = ifindex, .l = l, .before = l->n };
	struct ifaddrmsg hdr = { .ifa_family = family, .ifa_index = ifindex };
	struct nl_dump d = {
		.bus = NL_RT, .type = RTM_GETADDR,
		.hdr = &hdr, .extra = sizeof(hdr),
		.each = on_addr, .restart = again, .data = &data,
	};

	return nl_dump(nl, &d);
}

void rtaddrs_free(struct rtaddrs *l)
{
	free(l->v);
	memset(l, 0, sizeof(*l));
}

static void put(struct nl_batch *b, const struct rtaddr *a, uint16_t type,
		uint16_t flags)
{
	struct ifaddrmsg hdr = {
		.ifa_family = a->addr.addr.family,
		.ifa_prefixlen = a->addr.len,
		/* Nobody else can have it: there is no link to ask. */
		.ifa_flags = a->addr.addr.family == AF_INET6 ? IFA_F_NODAD : 0,
		.ifa_scope = a->scope,
		.ifa_index = a->ifindex,
	};
	struct nlmsghdr *nlh = nl_add(b, NL_RT, type, flags, &hdr, sizeof(hdr),
				      addr_names);

	nl_put_addr(nlh, IFA_LOCAL, &a->addr.addr);
	nl_put_addr(nlh, IFA_ADDRESS, &a->addr.addr);
}

void rtaddr_add(struct nl_batch *b, const struct rtaddr *a)
{
	put(b, a, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
}

void rtaddr_replace(struct nl_batch *b, const struct rtaddr *a)
{
	put(b, a, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
}

void rtaddr_del(struct nl_batch *b, const struct rtaddr *a)
{
	put(b, a, RTM_DELADDR, 0);
}
