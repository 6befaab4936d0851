// SPDX-License-Identifier: GPL-2.0-or-later
/* How devices and peers are shown. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "err.h"
#include "out.h"
#include "problem.h"
#include "view.h"

/* CIDRs of a peer that a line of text shows; JSON has all. */
#define CIDRS_SHOWN	3

int view_routes_read(struct nl *nl, struct view_routes *r)
{
	struct rtroute_filter f = { 0 };
	int e;

	memset(r, 0, sizeof(*r));
	e = rtroute_dump(nl, &f, &r->all);
	if (!e)
		e = rtnexthop_dump(nl, 0, &r->nexthops);
	/* A kernel built without nexthop objects. */
	if (e == -EOPNOTSUPP)
		e = 0;
	if (e)
		return e;
	if (r->all.n)
		qsort(r->all.v, r->all.n, sizeof(*r->all.v), rtroute_cmp);
	for (size_t i = 0; i < r->all.n; i++) {
		struct rtroute *rt = &r->all.v[i];
		const struct nexthop *nh;

		nh = rt->nhid ? rtnexthop_by_id(&r->nexthops, rt->nhid) : NULL;
		if (nh && !rt->oif) {
			rt->oif = nh->oif;
			rt->gw = nh->gw;
		}
	}
	return 0;
}

void view_routes_free(struct view_routes *r)
{
	rtroutes_free(&r->all);
	rtnexthops_free(&r->nexthops);
}

/* The first, and so the best, of the routes for exactly this prefix. */
static const struct rtroute *exact(const struct rtroutes *l,
				   const struct prefix *p)
{
	size_t from = 0, to = l->n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (prefix_cmp(&l->v[mid].dst, p) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from < l->n && prefix_eq(&l->v[from].dst, p) ? &l->v[from] : NULL;
}

/* The longest that covers it is the one that the kernel takes. */
static const struct rtroute *covering(const struct rtroutes *l,
				      const struct prefix *p)
{
	struct prefix shorter = *p;
	const struct rtroute *rt = NULL;

	for (int len = p->len; len >= 0 && !rt; len--) {
		shorter.len = (uint8_t)len;
		shorter = prefix_masked(&shorter);
		rt = exact(l, &shorter);
	}
	return rt;
}

const struct rtroute *view_routes_to(const struct view_routes *r,
				     const struct addr *a)
{
	struct prefix host = prefix_host(a);

	return covering(&r->all, &host);
}

enum view_route view_route_of(const struct view_routes *r, uint32_t ifindex,
			      const struct addr *endpoint,
			      const struct prefix *cidr)
{
	const struct rtroute *rt = covering(&r->all, cidr);
	struct addr gw;

	if (!rt)
		return cidr->len ? VIEW_ROUTE_MISSING : VIEW_ROUTE_NONE;
	gw = addr_unmapped(&rt->gw);
	if (rt->oif == ifindex && rt->type == RTN_UNICAST) {
		if (!gw.family)
			return VIEW_ROUTE_DEVICE;
		if (addr_eq(&gw, endpoint))
			return VIEW_ROUTE_PEER;
	}
	if (!cidr->len)
		return VIEW_ROUTE_NONE;
	return rt->dst.len == cidr->len ? VIEW_ROUTE_OTHER : VIEW_ROUTE_MISSING;
}

static void view_drops(const struct drops *d, const char *before)
{
	bool any = false;

	out_obj("drops");
	for (unsigned int i = 0; i < DROPS_N; i++) {
		if (!drop_names[i].name)
			continue;
		if (out_is_json()) {
			out_u64(drop_names[i].name, NULL, d->n[i]);
		} else if (d->n[i] && options.stats) {
			out_text("%s%s %" PRIu64, any ? ", " : before,
				 drop_names[i].name, d->n[i]);
			any = true;
		}
	}
	out_end();
}

static void view_addrs(const struct rtlink *l, const struct rtaddrs *addrs)
{
	out_arr("addresses");
	for (size_t i = 0; i < addrs->n; i++)
		if (addrs->v[i].ifindex == l->ifindex &&
		    addrs->v[i].scope != RT_SCOPE_LINK)
			out_str(OUT_ITEM, ", address %s",
				prefix_str(&addrs->v[i].addr));
	out_end();
}

void view_attrs(const struct rtlink *l, bool details)
{
	for (size_t i = 0; i < linkattr_count; i++) {
		const struct linkattr *a = &linkattr_table[i];
		uint32_t n = linkattr_number(a, &l->attrs);
		const char *text;

		if (!(l->attrs.has & LINKATTR_BIT(a->type)) ||
		    a->kind == LINKATTR_AUTO)
			continue;
		text = linkattr_text(a, &l->attrs);
		if (!out_is_json()) {
			if (details)
				out_text(" %s %s", a->word, text);
			continue;
		}
		switch (linkattr_json(a, &l->attrs)) {
		case LINKATTR_JSON_NULL:
			out_null(a->json, NULL);
			break;
		case LINKATTR_JSON_BOOL:
			out_bool(a->json, NULL, n);
			break;
		case LINKATTR_JSON_NUMBER:
			out_u64(a->json, NULL, n);
			break;
		case LINKATTR_JSON_STRING:
			out_str(a->json, NULL, text);
			break;
		}
	}
}

static void view_counters(const struct rtlink *l)
{
	out_obj("stats");
	out_u64("rx_packets", NULL, l->stats.rx_packets);
	out_u64("rx_bytes", NULL, l->stats.rx_bytes);
	out_u64("rx_dropped", NULL, l->stats.rx_dropped);
	out_u64("rx_errors", NULL, l->stats.rx_errors);
	out_u64("tx_packets", NULL, l->stats.tx_packets);
	out_u64("tx_bytes", NULL, l->stats.tx_bytes);
	out_u64("tx_dropped", NULL, l->stats.tx_dropped);
	out_u64("tx_errors", NULL, l->stats.tx_errors);
	out_end();
}

void view_link(const struct rtlink *l, const struct rtaddrs *addrs,
	       bool details)
{
	bool up = l->flags & IFF_UP;
	bool automatic = l->attrs.mtu_auto;
	const struct linkattr *local = linkattr_by_word("local");
	const struct linkattr *peers = linkattr_by_word("peers");

	out_mark(OUT_BOLD);
	out_str("device", "%s", l->name);
	out_mark(OUT_PLAIN);
	out_u64("ifindex", NULL, l->ifindex);
	if (!up)
		out_mark(OUT_BAD);
	out_str("state", ": %s", up ? "up" : "down");
	if (!up)
		out_mark(OUT_PLAIN);
	out_u64("mtu", ", mtu %" PRIu64, l->mtu);
	out_bool("mtu_auto", " (auto)", automatic);
	if (!details && !out_is_json()) {
		out_text(", local %s", linkattr_text(local, &l->attrs));
		if (l->attrs.link)
			out_text(", dev %s",
				 linkattr_text(linkattr_by_word("dev"), &l->attrs));
		out_text(", peers %s", linkattr_text(peers, &l->attrs));
		if (l->attrs.encap == IPMESH_ENCAP_UDP)
			out_text(", encap udp dport %u", l->attrs.dport);
	}
	view_addrs(l, addrs);
	out_text("%s", details ? "\n   " : "\n");
	view_attrs(l, details);
	if (details)
		out_text("\n");
	view_counters(l);
	if (details || options.stats)
		out_text("    rx %s, %" PRIu64 " packets; tx %s, %" PRIu64 " packets; dropped: rx %" PRIu64 ", tx %" PRIu64 "\n",
			 out_bytes(l->stats.rx_bytes), l->stats.rx_packets,
			 out_bytes(l->stats.tx_bytes), l->stats.tx_packets,
			 l->stats.rx_dropped, l->stats.tx_dropped);
	view_drops(&l->drops, "    drops: ");
	if (options.stats && drops_total(&l->drops))
		out_text("\n");
}

static const char *const route_words[] = {
	[VIEW_ROUTE_MISSING] = "missing", [VIEW_ROUTE_PEER] = "peer",
	[VIEW_ROUTE_DEVICE] = "device", [VIEW_ROUTE_OTHER] = "other",
	[VIEW_ROUTE_NONE] = "none",
};

void view_prefixes(const char *key, const char *first, const char *next,
		   const struct prefix_list *l)
{
	out_arr(key);
	for (size_t i = 0; i < l->n; i++)
		out_str(OUT_ITEM, i ? next : first, prefix_or_host_str(&l->v[i]));
	out_end();
}

/* The same as a cell; JSON has the array whether the table has the column or not. */
static void view_prefix_cell(const char *key, const struct prefix_list *l, bool shown)
{
	out_arr(key);
	for (size_t i = 0; i < l->n; i++)
		out_str(OUT_ITEM, !shown || i >= CIDRS_SHOWN ? NULL : i ? ", %s" : "%s",
			prefix_or_host_str(&l->v[i]));
	out_end();
	if (!shown)
		return;
	if (!l->n)
		out_text("-");
	if (l->n > CIDRS_SHOWN)
		out_text(" and %zu more", l->n - CIDRS_SHOWN);
	out_cell();
}

/* CIDRs and whether they are routed: two cells. */
static void view_cidrs(const struct peer *p, const struct peer_look *pl,
		       const uint8_t *route)
{
	size_t routed = pl->n[VIEW_ROUTE_PEER] + pl->n[VIEW_ROUTE_DEVICE];
	size_t wanted = p->n_cidrs - pl->n[VIEW_ROUTE_NONE];

	out_arr("cidrs");
	for (size_t i = 0; i < p->n_cidrs; i++) {
		out_obj(NULL);
		out_str("prefix", i >= CIDRS_SHOWN ? NULL : i ? ", %s" : "%s",
			prefix_str(&p->cidrs[i]));
		out_str("route", NULL, route_words[route[i]]);
		out_end();
	}
	out_end();
	if (!p->n_cidrs)
		out_text("-");
	if (p->n_cidrs > CIDRS_SHOWN)
		out_text(" and %zu more", p->n_cidrs - CIDRS_SHOWN);
	out_cell();

	if (!wanted) {
		out_text("-");
	} else if (p->routes == IPMESH_PEER_ROUTES_NONE) {
		/* Who has them, and to where, is not ours to judge. */
		out_text("none");
	} else if (routed == wanted) {
		out_text("ok");
	} else {
		out_mark(pl->has[PROBLEM_NOT_ROUTED] ? OUT_BAD : OUT_WARN);
		if (pl->n[VIEW_ROUTE_MISSING] == wanted)
			out_text("missing");
		else if (pl->n[VIEW_ROUTE_OTHER] == wanted)
			out_text("elsewhere");
		else
			out_text("%zu of %zu", routed, wanted);
		out_mark(OUT_PLAIN);
	}
	out_cell();
}

/* As on the command line; nothing where it is as the device has it. */
static void view_encap(const struct peer *p)
{
	if (p->encap < IPMESH_ENCAP_DEVICE)
		out_str(NULL, "%s", peer_encaps[p->encap]);
	if (p->dport)
		out_text("%sdport %u", p->encap < IPMESH_ENCAP_DEVICE ? " " : "",
			 p->dport);
	if (p->encap == IPMESH_ENCAP_DEVICE && !p->dport)
		out_text("-");
}

static bool any_from(const struct peers *peers)
{
	for (size_t i = 0; i < peers->n; i++)
		if (peers->v[i].froms.n)
			return true;
	return false;
}

static bool any_source(const struct peers *peers)
{
	for (size_t i = 0; i < peers->n; i++)
		if (peers->v[i].sources.n)
			return true;
	return false;
}

static bool any_encap(const struct peers *peers)
{
	for (size_t i = 0; i < peers->n; i++)
		if (peers->v[i].encap != IPMESH_ENCAP_DEVICE || peers->v[i].dport)
			return true;
	return false;
}

/* How long ago, marked where it ought to have answered. */
static void view_heard(const struct peer *p, bool problem)
{
	if (p->stats.heard) {
		out_str(NULL, "%s ago", out_age(p->stats.last_rx_ms));
		out_u64("last_rx_ms", NULL, p->stats.last_rx_ms);
		return;
	}
	if (problem)
		out_mark(OUT_BAD);
	out_null("last_rx_ms", "never");
	if (problem)
		out_mark(OUT_PLAIN);
}

/* Columns that are there only where they tell something. */
struct columns {
	bool sources, froms, encap;
};

static void view_peer(const struct peer *p, const struct rtlink *l,
		      const struct peer_look *pl, const uint8_t *route,
		      bool device, const struct columns *c)
{
	uint64_t dropped = drops_total(&p->stats.drops);

	out_obj(NULL);
	if (device)
		out_str("device", NULL, l->name);
	out_str("endpoint", "%s", addr_str(&p->endpoint));
	out_cell();
	if (*p->name)
		out_str("name", "%s", p->name);
	else
		out_null("name", "-");
	out_cell();
	view_cidrs(p, pl, route);
	view_prefix_cell("sources", &p->sources, c->sources);
	view_prefix_cell("from", &p->froms, c->froms);
	if (c->encap) {
		view_encap(p);
		out_cell();
	}
	out_str("encap", NULL, p->encap <= IPMESH_ENCAP_DEVICE ?
		peer_encaps[p->encap] : "?");
	if (p->dport)
		out_u64("dport", NULL, p->dport);
	else
		out_null("dport", NULL);
	out_str("routes", NULL, peer_routes_name(p->routes));
	out_str(NULL, "%s", out_bytes(p->stats.rx_bytes));
	out_u64("rx_bytes", NULL, p->stats.rx_bytes);
	out_cell();
	out_u64("rx_packets", "%" PRIu64, p->stats.rx_packets);
	out_cell();
	out_str(NULL, "%s", out_bytes(p->stats.tx_bytes));
	out_u64("tx_bytes", NULL, p->stats.tx_bytes);
	out_cell();
	out_u64("tx_packets", "%" PRIu64, p->stats.tx_packets);
	out_cell();
	view_heard(p, pl->has[PROBLEM_NEVER_HEARD]);
	out_cell();
	out_u64("icmp_errors", options.stats ? "%" PRIu64 : NULL, p->stats.icmp_errors);
	if (options.stats)
		out_cell();
	if (dropped)
		out_mark(OUT_WARN);
	out_u64("dropped", options.stats && dropped ? NULL : "%" PRIu64, dropped);
	view_drops(&p->stats.drops, "");
	if (dropped)
		out_mark(OUT_PLAIN);
	out_arr("problems");
	for (int i = 0; i < PROBLEMS; i++)
		if (pl->has[i])
			out_str(OUT_ITEM, NULL, problem_names[i]);
	out_end();
	out_row();
	out_end();
}

void view_peers(const struct peers *peers, const struct rtlink *l,
		const struct look *k, bool device)
{
	static const char *const heads[] = {
		"ENDPOINT", "NAME", "CIDRS", "ROUTES", "SOURCES", "FROM", "ENCAP",
		">RX", ">PACKETS", ">TX", ">PACKETS", ">HEARD", ">ICMP", ">DROPS",
		"DROPS", NULL
	};
	enum { SOURCES = 4, FROM, ENCAP, ICMP = 12, TOTAL, CAUSES };
	const char *shown[sizeof(heads) / sizeof(heads[0])] = { NULL };
	/* Most nodes have other addresses: not in every table. */
	struct columns c = {
		.sources = options.stats && any_source(peers),
		.froms = any_from(peers), .encap = any_encap(peers),
	};
	size_t n = 0;

	if (!peers->n) {
		out_text("no peers\n");
		return;
	}
	for (size_t i = 0; heads[i]; i++)
		if ((i != SOURCES || c.sources) && (i != FROM || c.froms) &&
		    (i != ENCAP || c.encap) && (i < ICMP || options.stats == (i != TOTAL)))
			shown[n++] = heads[i];
	out_table(shown);
	for (size_t i = 0; i < peers->n; i++)
		view_peer(&peers->v[i], l, &k->peers[i],
			  k->route + k->peers[i].first, device, &c);
	out_table_end();
}
