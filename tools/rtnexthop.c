// SPDX-License-Identifier: GPL-2.0-or-later
/* Nexthop objects, through rtnetlink. */
#include <errno.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "rtnexthop.h"
#include "rtroute.h"

static const struct nl_name nh_names[] = {
	{ NHA_ID, "id", NULL, NULL },
	{ NHA_OIF, "dev", NULL, NULL },
	{ NHA_GATEWAY, "via", NULL, NULL },
	{ 0, NULL, NULL, NULL }
};

struct dump {
	uint32_t oif;
	struct nexthops *l;
};

bool rtnexthop_read(struct nexthop *nh, const struct nlmsghdr *nlh)
{
	const struct nhmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[NHA_FDB + 1];

	memset(nh, 0, sizeof(*nh));
	if ((nlh->nlmsg_type != RTM_NEWNEXTHOP && nlh->nlmsg_type != RTM_DELNEXTHOP) ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*m))
		return false;
	nl_parse(nlh, sizeof(*m), tb, NHA_FDB);
	nh->id = (uint32_t)nl_u(tb[NHA_ID]);
	nh->oif = (uint32_t)nl_u(tb[NHA_OIF]);
	nl_addr(&nh->gw, tb[NHA_GATEWAY]);
	nh->proto = m->nh_protocol;
	nh->onlink = m->nh_flags & RTNH_F_ONLINK;
	nh->blackhole = tb[NHA_BLACKHOLE];
	nh->group = tb[NHA_GROUP];
	return true;
}

static int on_nexthop(const struct nlmsghdr *nlh, void *data)
{
	struct dump *d = data;
	struct nexthop nh;

	if (!rtnexthop_read(&nh, nlh) || (d->oif && nh.oif != d->oif))
		return 0;
	d->l->v = xgrow(d->l->v, d->l->n, &d->l->cap, sizeof(nh));
	d->l->v[d->l->n++] = nh;
	return 0;
}

static void again(void *data)
{
	struct dump *d = data;

	d->l->n = 0;
}

static void put_filter(struct nlmsghdr *nlh, void *data)
{
	const struct dump *d = data;

	if (d->oif)
		mnl_attr_put_u32(nlh, NHA_OIF, d->oif);
}

static int by_id(const void *a, const void *b)
{
	const struct nexthop *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

int rtnexthop_dump(struct nl *nl, uint32_t oif, struct nexthops *l)
{
	struct dump data = { .oif = oif, .l = l };
	struct nhmsg hdr = { .nh_family = AF_UNSPEC };
	struct nl_dump d = {
		.bus = NL_RT, .type = RTM_GETNEXTHOP,
		.hdr = &hdr, .extra = sizeof(hdr),
		.put = put_filter, .each = on_nexthop, .restart = again,
		.data = &data,
	};
	int e;

	l->n = 0;
	e = nl_dump(nl, &d);
	if (!e && l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_id);
	return e;
}

void rtnexthops_free(struct nexthops *l)
{
	free(l->v);
	memset(l, 0, sizeof(*l));
}

const struct nexthop *rtnexthop_by_id(const struct nexthops *l, uint32_t id)
{
	struct nexthop key = { .id = id };

	return l->n ? bsearch(&key, l->v, l->n, sizeof(key), by_id) : NULL;
}

const struct nexthop *rtnexthop_by_gw(const struct nexthops *l, uint32_t oif,
					const struct addr *gw)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].oif == oif && l->v[i].proto == RTPROT_IPMESH &&
		    addr_eq(&l->v[i].gw, gw))
			return &l->v[i];
	return NULL;
}

struct addr rtnexthop_gw(const struct addr *endpoint, uint8_t family)
{
	return family == AF_INET6 ? addr_mapped(endpoint) : *endpoint;
}

void nexthop_ids_init(struct nexthop_ids *ids, const struct nexthops *used)
{
	*ids = (struct nexthop_ids){ .used = used, .next = NEXTHOP_ID_BASE };
}

uint32_t nexthop_ids_take(struct nexthop_ids *ids)
{
	const struct nexthops *u = ids->used;

	/* Both rise: one pass over the dump serves all that are taken. */
	for (; ids->next >= NEXTHOP_ID_BASE; ids->next++) {
		while (ids->at < u->n && u->v[ids->at].id < ids->next)
			ids->at++;
		if (ids->at == u->n || u->v[ids->at].id != ids->next)
			return ids->next++;
	}
	return 0;
}

static void put(struct nl_batch *b, const struct nexthop *nh, uint16_t flags)
{
	struct nhmsg hdr = {
		.nh_family = nh->gw.family ? nh->gw.family : AF_INET,
		.nh_protocol = nh->proto ? nh->proto : RTPROT_IPMESH,
		.nh_flags = nh->onlink ? RTNH_F_ONLINK : 0,
	};
	struct nlmsghdr *nlh = nl_add(b, NL_RT, RTM_NEWNEXTHOP,
				      flags | NLM_F_CREATE, &hdr, sizeof(hdr),
				      nh_names);

	mnl_attr_put_u32(nlh, NHA_ID, nh->id);
	if (nh->blackhole) {
		mnl_attr_put(nlh, NHA_BLACKHOLE, 0, NULL);
		return;
	}
	mnl_attr_put_u32(nlh, NHA_OIF, nh->oif);
	if (nh->gw.family)
		nl_put_addr(nlh, NHA_GATEWAY, &nh->gw);
}

void rtnexthop_add(struct nl_batch *b, const struct nexthop *nh)
{
	put(b, nh, NLM_F_EXCL);
}

void rtnexthop_replace(struct nl_batch *b, const struct nexthop *nh)
{
	put(b, nh, NLM_F_REPLACE);
}

void rtnexthop_del(struct nl_batch *b, uint32_t id)
{
	struct nhmsg hdr = { .nh_family = AF_UNSPEC };
	struct nlmsghdr *nlh = nl_add(b, NL_RT, RTM_DELNEXTHOP, 0, &hdr,
				      sizeof(hdr), nh_names);

	mnl_attr_put_u32(nlh, NHA_ID, id);
}
