// SPDX-License-Identifier: GPL-2.0-or-later
/* Peers of a device, through generic netlink. */
#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "genlpeer.h"

static bool read_cidr(struct prefix *cidr, const struct nlattr *nest)
{
	const struct nlattr *tb[IPMESH_A_CIDR_MAX + 1];

	nl_parse_nest(nest, tb, IPMESH_A_CIDR_MAX);
	cidr->len = (uint8_t)nl_u(tb[IPMESH_A_CIDR_LENGTH]);
	return nl_addr(&cidr->addr, tb[IPMESH_A_CIDR_PREFIX]);
}

/* How the kernel's complaints show what they are about; those who report them
 * name device and endpoint themselves.
 */
static const char *show_cidr(const struct nlattr *a)
{
	struct prefix cidr;

	return read_cidr(&cidr, a) ? prefix_str(&cidr) : "";
}

static const char *show_host(const struct nlattr *a)
{
	struct prefix p;

	return read_cidr(&p, a) ? prefix_or_host_str(&p) : "";
}

static const struct nl_name peer_names[] = {
	{ IPMESH_A_PEER_IFINDEX, "", NULL, NULL },
	{ IPMESH_A_PEER_ENDPOINT, "", NULL, NULL },
	{ IPMESH_A_PEER_NAME, "name", NULL, NULL },
	{ IPMESH_A_PEER_FLAGS, "flags", NULL, NULL },
	{ IPMESH_A_PEER_CIDR, "cidr", NULL, show_cidr },
	{ IPMESH_A_PEER_ENCAP, "encap", NULL, NULL },
	{ IPMESH_A_PEER_DPORT, "dport", NULL, NULL },
	{ IPMESH_A_PEER_SOURCE, "source", NULL, show_host },
	{ IPMESH_A_PEER_FROM, "from", NULL, show_host },
	{ IPMESH_A_PEER_ROUTES, "routes", NULL, NULL },
	{ 0, NULL, NULL, NULL }
};

static void read_stats(struct peer_stats *s, const struct nlattr *nest)
{
	const struct nlattr *tb[IPMESH_A_STATS_MAX + 1];

	nl_parse_nest(nest, tb, IPMESH_A_STATS_MAX);
	s->rx_packets = nl_u(tb[IPMESH_A_STATS_RX_PACKETS]);
	s->rx_bytes = nl_u(tb[IPMESH_A_STATS_RX_BYTES]);
	s->tx_packets = nl_u(tb[IPMESH_A_STATS_TX_PACKETS]);
	s->tx_bytes = nl_u(tb[IPMESH_A_STATS_TX_BYTES]);
	s->icmp_errors = nl_u(tb[IPMESH_A_STATS_ICMP_ERRORS]);
	s->heard = tb[IPMESH_A_STATS_LAST_RX_MS];
	s->last_rx_ms = nl_u(tb[IPMESH_A_STATS_LAST_RX_MS]);
	drops_parse(&s->drops, tb[IPMESH_A_STATS_DROPS]);
}

void peer_add_cidr(struct peer *p, const struct prefix *cidr)
{
	p->cidrs = xgrow(p->cidrs, p->n_cidrs, &p->cap_cidrs, sizeof(*cidr));
	p->cidrs[p->n_cidrs++] = *cidr;
}

static int on_peer(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[IPMESH_A_PEER_MAX + 1], *a;
	struct peers *l = data;
	struct addr endpoint;
	struct prefix cidr;
	struct peer *p;

	nl_parse(nlh, sizeof(struct genlmsghdr), tb, IPMESH_A_PEER_MAX);
	if (!nl_addr(&endpoint, tb[IPMESH_A_PEER_ENDPOINT]))
		return 0;

	/* A message may go on with the CIDRs of the peer before. */
	p = l->n ? &l->v[l->n - 1] : NULL;
	if (!p || !addr_eq(&p->endpoint, &endpoint)) {
		l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
		p = &l->v[l->n++];
		memset(p, 0, sizeof(*p));
		p->endpoint = endpoint;
		p->encap = IPMESH_ENCAP_DEVICE;
	}
	if (tb[IPMESH_A_PEER_ENCAP])
		p->encap = (uint8_t)nl_u(tb[IPMESH_A_PEER_ENCAP]);
	if (tb[IPMESH_A_PEER_DPORT])
		p->dport = (uint16_t)nl_u(tb[IPMESH_A_PEER_DPORT]);
	if (tb[IPMESH_A_PEER_ROUTES]) {
		p->routes = (uint8_t)nl_u(tb[IPMESH_A_PEER_ROUTES]);
		p->tells_routes = true;
	}
	if (tb[IPMESH_A_PEER_NAME])
		nl_str(p->name, sizeof(p->name), tb[IPMESH_A_PEER_NAME]);
	if (tb[IPMESH_A_PEER_STATS])
		read_stats(&p->stats, tb[IPMESH_A_PEER_STATS]);
	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr)) {
		uint16_t type = mnl_attr_get_type(a);

		if (type == IPMESH_A_PEER_CIDR && read_cidr(&cidr, a))
			peer_add_cidr(p, &cidr);
		else if (type == IPMESH_A_PEER_SOURCE && read_cidr(&cidr, a))
			prefix_list_add(&p->sources, &cidr);
		else if (type == IPMESH_A_PEER_FROM && read_cidr(&cidr, a))
			prefix_list_add(&p->froms, &cidr);
	}
	return 0;
}

void peer_clear(struct peer *p)
{
	free(p->cidrs);
	free(p->sources.v);
	free(p->froms.v);
	memset(p, 0, sizeof(*p));
}

static void again(void *data)
{
	struct peers *l = data;

	for (size_t i = 0; i < l->n; i++)
		peer_clear(&l->v[i]);
	l->n = 0;
}

void peers_free(struct peers *l)
{
	again(l);
	free(l->v);
	memset(l, 0, sizeof(*l));
}

static int cmp_peer(const void *a, const void *b)
{
	const struct peer *x = a, *y = b;

	return addr_cmp(&x->endpoint, &y->endpoint);
}

static int cmp_cidr(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static void sort_cidrs(struct peer *p)
{
	if (p->n_cidrs)
		qsort(p->cidrs, p->n_cidrs, sizeof(*p->cidrs), cmp_cidr);
	prefix_list_sort(&p->sources);
	prefix_list_sort(&p->froms);
}

bool genlpeer_event(struct peer_event *e, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *g = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IPMESH_A_PEER_MAX + 1];
	struct peers l = { 0 };

	memset(e, 0, sizeof(*e));
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*g) ||
	    (g->cmd != IPMESH_CMD_PEER_NEW_NTF &&
	     g->cmd != IPMESH_CMD_PEER_SET_NTF && g->cmd != IPMESH_CMD_PEER_DEL_NTF))
		return false;
	nl_parse(nlh, sizeof(*g), tb, IPMESH_A_PEER_MAX);
	e->cmd = g->cmd;
	e->ifindex = (uint32_t)nl_u(tb[IPMESH_A_PEER_IFINDEX]);
	e->cause = (enum ipmesh_cause)nl_u(tb[IPMESH_A_PEER_CAUSE]);
	on_peer(nlh, &l);
	if (!l.n)
		return false;
	e->peer = l.v[0];
	free(l.v);
	sort_cidrs(&e->peer);
	return true;
}

struct request {
	struct peers l;			/* first: on_peer() and again() get it */
	uint32_t ifindex;
	const struct addr *endpoint;
};

static int on_answer(const struct nlmsghdr *nlh, void *data)
{
	struct request *r = data;

	return on_peer(nlh, &r->l);
}

static void restart(void *data)
{
	struct request *r = data;

	again(&r->l);
}

static void put_request(struct nlmsghdr *nlh, void *data)
{
	const struct request *r = data;

	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, r->ifindex);
	if (r->endpoint)
		nl_put_addr(nlh, IPMESH_A_PEER_ENDPOINT, r->endpoint);
}

static int fetch(struct nl *nl, struct request *r)
{
	struct genlmsghdr hdr = {
		.cmd = IPMESH_CMD_PEER_GET, .version = IPMESH_FAMILY_VERSION,
	};
	struct nl_dump d = {
		.bus = NL_GENL, .hdr = &hdr, .extra = sizeof(hdr),
		.put = put_request, .each = on_answer, .restart = restart,
		.data = r,
	};
	int e = nl_family(nl);

	if (e < 0)
		return e;
	d.type = (uint16_t)e;
	e = r->endpoint ? nl_get(nl, &d) : nl_dump(nl, &d);
	if (e)
		return e;
	if (r->l.n)
		qsort(r->l.v, r->l.n, sizeof(*r->l.v), cmp_peer);
	for (size_t i = 0; i < r->l.n; i++)
		sort_cidrs(&r->l.v[i]);
	return 0;
}

int genlpeer_dump(struct nl *nl, uint32_t ifindex, struct peers *l)
{
	struct request r = { .ifindex = ifindex };
	int e = fetch(nl, &r);

	if (e)
		peers_free(&r.l);
	*l = r.l;
	return e;
}

int genlpeer_get(struct nl *nl, uint32_t ifindex, const struct addr *endpoint,
		 struct peer *p)
{
	struct request r = { .ifindex = ifindex, .endpoint = endpoint };
	int e = fetch(nl, &r);

	memset(p, 0, sizeof(*p));
	if (!e && !r.l.n)
		e = -ENOENT;
	if (!e) {
		*p = r.l.v[0];
		memset(&r.l.v[0], 0, sizeof(*p));
	}
	peers_free(&r.l);
	return e;
}

const struct peer *peers_find(const struct peers *l, const struct addr *endpoint)
{
	struct peer key = { .endpoint = *endpoint };

	return l->n ? bsearch(&key, l->v, l->n, sizeof(key), cmp_peer) : NULL;
}

const char *peer_routes_name(uint8_t routes)
{
	return routes == IPMESH_PEER_ROUTES_NONE ? "none" : "ipmesh";
}

bool peer_has_cidr(const struct peer *p, const struct prefix *cidr)
{
	return p->n_cidrs && bsearch(cidr, p->cidrs, p->n_cidrs, sizeof(*cidr),
				     cmp_cidr);
}

static struct nlmsghdr *begin(struct nl_batch *b, uint8_t cmd, uint16_t flags,
			      uint32_t ifindex, const struct addr *endpoint)
{
	struct genlmsghdr hdr = {
		.cmd = cmd, .version = IPMESH_FAMILY_VERSION,
	};
	int family = nl_family(b->nl);
	struct nlmsghdr *nlh = nl_add(b, NL_GENL, family > 0 ? (uint16_t)family : 0,
				      flags, &hdr, sizeof(hdr), peer_names);

	if (family < 0)
		nl_fail(b, family, nl_error(b->nl, family));
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, ifindex);
	nl_put_addr(nlh, IPMESH_A_PEER_ENDPOINT, endpoint);
	return nlh;
}

static void put_cidr(struct nlmsghdr *nlh, uint16_t type, const struct prefix *cidr,
		     bool remove)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	nl_put_addr(nlh, IPMESH_A_CIDR_PREFIX, &cidr->addr);
	mnl_attr_put_u8(nlh, IPMESH_A_CIDR_LENGTH, cidr->len);
	if (remove)
		mnl_attr_put(nlh, IPMESH_A_CIDR_REMOVE, 0, NULL);
	mnl_attr_nest_end(nlh, nest);
}

static void put_part(struct nlmsghdr *nlh, uint16_t type, const struct peer_part *p)
{
	for (size_t i = 0; i < p->n_remove; i++)
		put_cidr(nlh, type, &p->remove[i], true);
	for (size_t i = 0; i < p->n_add; i++)
		put_cidr(nlh, type, &p->add[i], false);
}

static void put_change(struct nl_batch *b, uint8_t cmd, uint16_t flags,
		       const struct peer_change *c)
{
	struct nlmsghdr *nlh = begin(b, cmd, flags, c->ifindex, &c->endpoint);

	/* As many as fit any peer, for it to lose all and get as many. */
	if (c->n_add > IPMESH_MAX_CIDRS || c->n_remove > IPMESH_MAX_CIDRS) {
		nl_fail(b, -E2BIG, "a peer has at most 1024 CIDRs");
		return;
	}
	if (c->name)
		mnl_attr_put_strz(nlh, IPMESH_A_PEER_NAME, c->name);
	if (c->flags)
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_FLAGS, c->flags);
	if (c->has_encap)
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_ENCAP, c->encap);
	if (c->has_dport)
		mnl_attr_put_u16(nlh, IPMESH_A_PEER_DPORT, c->dport);
	if (c->has_routes)
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_ROUTES, c->routes);
	/* Room for the new ones first. */
	for (size_t i = 0; i < c->n_remove; i++)
		put_cidr(nlh, IPMESH_A_PEER_CIDR, &c->remove[i], true);
	for (size_t i = 0; i < c->n_add; i++)
		put_cidr(nlh, IPMESH_A_PEER_CIDR, &c->add[i], false);
	put_part(nlh, IPMESH_A_PEER_SOURCE, &c->sources);
	put_part(nlh, IPMESH_A_PEER_FROM, &c->froms);
}

void genlpeer_new(struct nl_batch *b, const struct peer_change *c)
{
	put_change(b, IPMESH_CMD_PEER_NEW, NLM_F_CREATE | NLM_F_EXCL, c);
}

void genlpeer_replace(struct nl_batch *b, const struct peer_change *c)
{
	put_change(b, IPMESH_CMD_PEER_NEW, NLM_F_CREATE | NLM_F_REPLACE, c);
}

void genlpeer_set(struct nl_batch *b, const struct peer_change *c)
{
	put_change(b, IPMESH_CMD_PEER_SET, 0, c);
}

void genlpeer_del(struct nl_batch *b, uint32_t ifindex,
		  const struct addr *endpoint)
{
	begin(b, IPMESH_CMD_PEER_DEL, 0, ifindex, endpoint);
}
