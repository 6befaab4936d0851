// SPDX-License-Identifier: GPL-2.0-or-later
/* Doing the changes of a difference, and telling of them. */
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "diff.h"
#include "err.h"
#include "modfile.h"
#include "out.h"

const char *const change_ops[] = {
	[CHANGE_ADD] = "add", [CHANGE_SET] = "change", [CHANGE_REMOVE] = "remove",
};

static void tell_device(const struct diff *d, const struct change *c)
{
	const struct linkattr *a;
	const char *text;

	out_str("name", " %s", d->want->dev);
	if (c->op == CHANGE_REMOVE) {
		out_u64("peers", " with its peers: %" PRIu64, d->have->peers.n);
		return;
	}
	for (size_t i = 0; i < linkattr_count; i++) {
		a = &linkattr_table[i];
		if (!(c->link.attrs.has & LINKATTR_BIT(a->type)) ||
		    a->kind == LINKATTR_AUTO)
			continue;
		out_text(" %s", a->word);
		text = linkattr_text(a, &c->link.attrs);
		if (a->kind == LINKATTR_NUM && *text >= '0' && *text <= '9')
			out_u64(a->json, " %" PRIu64,
				linkattr_number(a, &c->link.attrs));
		else
			out_str(a->json, " %s", text);
	}
	if (c->link.mtu)
		out_u64("mtu", " mtu %" PRIu64, c->link.mtu);
	else if (c->link.attrs.has & LINKATTR_BIT(IFLA_IPMESH_MTU_AUTO))
		out_str("mtu", " mtu %s", "auto");
	if (c->link.up > 0)
		out_bool("up", " up", true);
}

/* What comes, and what goes: as one of a new peer, or beside what it has. */
static void tell_part(const struct change *c, const struct peer_part *p, const char *word,
		      const char *come, const char *gone)
{
	char fmt[32];

	if (p->n_add) {
		snprintf(fmt, sizeof(fmt), " %s%s %%s", c->op == CHANGE_ADD ? "" : "+", word);
		out_arr(come);
		for (size_t i = 0; i < p->n_add; i++)
			out_str(OUT_ITEM, fmt, prefix_or_host_str(&p->add[i]));
		out_end();
	}
	if (p->n_remove) {
		snprintf(fmt, sizeof(fmt), " -%s %%s", word);
		out_arr(gone);
		for (size_t i = 0; i < p->n_remove; i++)
			out_str(OUT_ITEM, fmt, prefix_or_host_str(&p->remove[i]));
		out_end();
	}
}

static void tell_peer(const struct change *c)
{
	size_t i;

	out_str("endpoint", " %s", addr_str(&c->peer.endpoint));
	if (c->name && *c->name)
		out_str("name", " %s", err_safe(c->name));
	else if (c->op == CHANGE_SET && c->peer.name)
		out_str("name", " name \"%s\"", "");
	if (c->op == CHANGE_REMOVE)
		return;
	if (c->peer.has_encap)
		out_str("encap", " encap %s", peer_encaps[c->peer.encap]);
	if (c->peer.has_dport)
		out_u64("dport", " dport %" PRIu64, c->peer.dport);
	if (c->peer.has_routes)
		out_str("routes", " routes %s", peer_routes_name(c->peer.routes));
	if (c->peer.n_add || c->op == CHANGE_ADD) {
		out_arr("cidrs");
		for (i = 0; i < c->peer.n_add; i++)
			out_str(OUT_ITEM, c->op == CHANGE_ADD ? " %s" : " +%s",
				prefix_str(&c->peer.add[i]));
		out_end();
	}
	if (c->peer.n_remove) {
		out_arr("removed");
		for (i = 0; i < c->peer.n_remove; i++)
			out_str(OUT_ITEM, " -%s", prefix_str(&c->peer.remove[i]));
		out_end();
	}
	tell_part(c, &c->peer.sources, "source", "sources", "removed_sources");
	tell_part(c, &c->peer.froms, "from", "from", "removed_from");
}

static void tell_route(const struct diff *d, const struct change *c)
{
	const struct rtroute *r = &c->route.r;

	if (r->type == RTN_BLACKHOLE)
		out_str("type", " %s", "blackhole");
	out_str("dst", " %s", prefix_str(&r->dst));
	if (c->route.via.family) {
		out_str("via", " via %s", addr_str(&c->route.via));
		out_str("dev", " dev %s onlink", d->want->dev);
	} else if (c->route.by_device) {
		out_str("dev", " dev %s", d->want->dev);
	} else {
		if (r->gw.family)
			out_str("via", " via %s", addr_str(&r->gw));
		/* The kernel puts IPv6 blackholes on lo. */
		if (r->oif && r->type == RTN_UNICAST)
			out_str("dev", " dev %s", rtlink_name(r->oif));
	}
	if (r->nhid)
		out_u64("nhid", NULL, r->nhid);
	if (r->mtu)
		out_u64("mtu", " mtu %" PRIu64, r->mtu);
	if (r->metric && r->metric != rtroute_metric(r))
		out_u64("metric", " metric %" PRIu64, r->metric);
}

static void tell_prefixes(const char *key, const struct prefix *v, size_t n,
			  const char *fmt)
{
	out_arr(key);
	for (size_t i = 0; i < n; i++)
		out_str(OUT_ITEM, fmt, prefix_str(&v[i]));
	out_end();
}

static void tell(const struct diff *d, const struct change *c)
{
	static const char *const objects[] = {
		[CHANGE_DEVICE] = "device", [CHANGE_ADDRESS] = "address",
		[CHANGE_PEER] = "peer", [CHANGE_NEXTHOP] = "nexthop",
		[CHANGE_ROUTE] = "route", [CHANGE_NAT] = "nat",
		[CHANGE_GUARD] = "guard",
		[CHANGE_ENDPOINTS] = "endpoints",
	};
	struct guard guard;
	struct nat nat;

	out_obj(NULL);
	out_str("op", NULL, change_ops[c->op]);
	out_text("%c", "+~-"[c->op]);
	out_str("object", " %s", objects[c->object]);
	switch (c->object) {
	case CHANGE_DEVICE:
		tell_device(d, c);
		break;
	case CHANGE_ADDRESS:
		out_str("address", " %s", prefix_str(&c->address));
		out_str("dev", " dev %s", d->want->dev);
		break;
	case CHANGE_PEER:
		tell_peer(c);
		break;
	case CHANGE_NEXTHOP:
		out_u64("id", " %" PRIu64, c->nexthop.id);
		out_str("via", " via %s", addr_str(&c->nexthop.gw));
		out_str("dev", " dev %s", d->want->dev);
		break;
	case CHANGE_ROUTE:
		tell_route(d, c);
		break;
	case CHANGE_NAT:
		nat = want_nat(d->want, c->family == AF_INET6);
		out_str("family", NULL, c->family == AF_INET6 ? "ip6" : "ip");
		if (c->op == CHANGE_REMOVE) {
			out_text("%s", c->family == AF_INET6 ? " ip6" : "");
			break;
		}
		if (!nat.n_nat)
			out_text("%s", c->family == AF_INET6 ? " ip6" : " ip");
		tell_prefixes("natOutgoing", nat.nat, nat.n_nat, " %s");
		if (nat.n_nat)
			out_text(" not to");
		tell_prefixes("pools", nat.pools, nat.n_nat ? nat.n_pools : 0, " %s");
		if (nat.host)
			out_text(" and this host's own");
		out_bool("natHost", NULL, nat.host);
		break;
	case CHANGE_GUARD:
		guard = diff_guard(d, c->family == AF_INET6);
		out_str("family", " %s", c->family == AF_INET6 ? "ip6" : "ip");
		if (c->op == CHANGE_REMOVE)
			break;
		out_text(" udp");
		out_arr("ports");
		for (size_t i = 0; i < guard.n_ports; i++)
			out_u64(OUT_ITEM, " %" PRIu64, guard.ports[i]);
		out_end();
		break;
	case CHANGE_ENDPOINTS:
		out_str("set", " %s:", set_name_str(&c->endpoints.set));
		out_arr("addresses");
		for (size_t i = 0; i < c->endpoints.n; i++)
			out_str(OUT_ITEM, " %s", addr_str(&c->endpoints.v[i]));
		out_end();
		break;
	}
	if (d->put_back)
		out_bool("put_back", " (put back)", true);
	if (c->wrong)
		out_str("error", NULL, c->wrong);
	out_text("\n");
	out_end();
}

int diff_print(const struct diff *d, bool dry)
{
	size_t i, n = 0, left = 0;

	out_obj(NULL);
	out_arr("changes");
	for (i = 0; i < d->n; i++)
		if (dry || d->v[i].done) {
			tell(d, &d->v[i]);
			n++;
		} else {
			left++;
		}
	out_end();
	if (left && out_is_json()) {
		out_arr("not_done");
		for (i = 0; i < d->n; i++)
			if (!d->v[i].done)
				tell(d, &d->v[i]);
		out_end();
	}
	out_bool("dry_run", NULL, dry);
	if (!n && !left)
		out_text("no changes\n");
	else if (!left)
		out_text("%zu change%s%s\n", n, n == 1 ? "" : "s",
			 dry ? ", not done (--dry-run)" : "");
	out_end();
	return out_flush();
}

const char *diff_subject(const struct diff *d, const struct change *c)
{
	static char buf[160];

	switch (c->object) {
	case CHANGE_DEVICE:
		snprintf(buf, sizeof(buf), "device %s", d->want->dev);
		break;
	case CHANGE_ADDRESS:
		snprintf(buf, sizeof(buf), "address %s", prefix_str(&c->address));
		break;
	case CHANGE_PEER:
		snprintf(buf, sizeof(buf), "peer %s %s", addr_str(&c->peer.endpoint),
			 c->name ? err_safe(c->name) : "");
		break;
	case CHANGE_NEXTHOP:
		snprintf(buf, sizeof(buf), "nexthop %u via %s", c->nexthop.id,
			 addr_str(&c->nexthop.gw));
		break;
	case CHANGE_ROUTE:
		snprintf(buf, sizeof(buf), "route %s", prefix_str(&c->route.r.dst));
		break;
	case CHANGE_NAT:
		snprintf(buf, sizeof(buf), "natOutgoing");
		break;
	case CHANGE_GUARD:
		snprintf(buf, sizeof(buf), "guard");
		break;
	case CHANGE_ENDPOINTS:
		snprintf(buf, sizeof(buf), "endpointSet");
		break;
	}
	return buf;
}

static void request_device(struct nl_batch *b, struct change *c, uint32_t ifindex)
{
	struct rtlink_change link = c->link;

	/* set_up() does that */
	link.up = 0;
	if (c->op == CHANGE_REMOVE)
		rtlink_del(b, ifindex);
	else if (c->op == CHANGE_ADD)
		rtlink_add(b, &link);
	else
		rtlink_set(b, &link);
}

static void request_address(struct nl_batch *b, struct change *c, uint32_t ifindex)
{
	struct rtaddr a = { .ifindex = ifindex, .addr = c->address };

	if (c->op == CHANGE_REMOVE)
		rtaddr_del(b, &a);
	else
		rtaddr_replace(b, &a);
}

static void request_peer(struct nl_batch *b, struct change *c, uint32_t ifindex)
{
	c->peer.ifindex = ifindex;
	if (c->op == CHANGE_REMOVE)
		genlpeer_del(b, ifindex, &c->peer.endpoint);
	else if (c->op == CHANGE_ADD)
		genlpeer_new(b, &c->peer);
	else
		genlpeer_set(b, &c->peer);
}

static void request_nexthop(struct nl_batch *b, struct change *c, uint32_t ifindex)
{
	c->nexthop.oif = ifindex;
	if (c->op == CHANGE_REMOVE)
		rtnexthop_del(b, c->nexthop.id);
	else if (c->op == CHANGE_ADD)
		rtnexthop_add(b, &c->nexthop);
	else
		rtnexthop_replace(b, &c->nexthop);
}

static void request_route(struct nl_batch *b, struct change *c, uint32_t ifindex)
{
	if (c->route.by_device)
		c->route.r.oif = ifindex;
	if (c->op == CHANGE_REMOVE)
		rtroute_del(b, &c->route.r);
	else if (c->op == CHANGE_ADD)
		rtroute_add(b, &c->route.r);
	else
		rtroute_replace(b, &c->route.r);
}

/* The one that goes last takes the table away, if nobody else has anything there. */
static const char *do_nat(const struct diff *d, const struct change *c)
{
	int i = c->family == AF_INET6;
	struct nat n = want_nat(d->want, i);

	if (c->op == CHANGE_REMOVE)
		return nat_remove(d->want->dev, c->family, d->have->nat[i].alone &&
				  !diff_guard(d, i).wanted);
	return nat_write(d->want->dev, c->family, &n);
}

static const char *do_guard(const struct diff *d, const struct change *c)
{
	int i = c->family == AF_INET6;
	struct guard g = diff_guard(d, i);

	if (c->op == CHANGE_REMOVE)
		return guard_remove(d->want->dev, c->family, d->have->nat[i].alone &&
				    !d->have->nat[i].any);
	return guard_write(d->want->dev, c->family, &g);
}

static const char *do_endpoints(const struct diff *d, const struct change *c)
{
	if (c->op == CHANGE_REMOVE)
		return endpointset_remove(&c->endpoints.set, c->endpoints.v,
					  c->endpoints.n);
	return endpointset_add(&c->endpoints.set, d->want->dev, c->endpoints.v,
			       c->endpoints.n);
}

static bool of_nftables(enum change_object object)
{
	return object == CHANGE_NAT || object == CHANGE_GUARD || object == CHANGE_ENDPOINTS;
}

static const char *do_nftables(const struct diff *d, const struct change *c)
{
	if (c->object == CHANGE_NAT)
		return do_nat(d, c);
	return c->object == CHANGE_GUARD ? do_guard(d, c) : do_endpoints(d, c);
}

static void request(struct nl_batch *b, struct change *c, uint32_t ifindex)
{
	switch (c->object) {
	case CHANGE_DEVICE:
		request_device(b, c, ifindex);
		break;
	case CHANGE_ADDRESS:
		request_address(b, c, ifindex);
		break;
	case CHANGE_PEER:
		request_peer(b, c, ifindex);
		break;
	case CHANGE_NEXTHOP:
		request_nexthop(b, c, ifindex);
		break;
	case CHANGE_ROUTE:
		request_route(b, c, ifindex);
		break;
	case CHANGE_NAT:
	case CHANGE_GUARD:
	case CHANGE_ENDPOINTS:
		break;
	}
}

/* What goes away with something else, or by itself, is as good as removed. */
static bool gone_already(const struct change *c, int error)
{
	return c->op == CHANGE_REMOVE &&
	       (error == -ENOENT || error == -ESRCH || error == -EADDRNOTAVAIL ||
		error == -ENODEV);
}

static bool run_phase(struct diff *d, struct nl *nl, size_t from, size_t to,
		      uint32_t ifindex)
{
	struct nl_batch b;
	struct change *c;
	const char *wrong;
	bool good = true;
	size_t i;

	nl_batch_init(&b, nl);
	for (i = from; i < to; i++) {
		c = &d->v[i];
		c->tried = true;
		if (of_nftables(c->object)) {
			wrong = do_nftables(d, c);
			c->done = !wrong;
			c->wrong = wrong ? xstrdup(wrong) : NULL;
			good &= c->done;
			continue;
		}
		request(&b, c, ifindex);
		b.req[b.n - 1].who = c;
	}
	if (b.n)
		nl_send(&b);
	for (i = 0; i < b.n; i++) {
		c = b.req[i].who;
		c->done = !b.req[i].error || gone_already(c, b.req[i].error);
		if (!c->done)
			c->wrong = c->object == CHANGE_DEVICE && b.req[i].error == -EOPNOTSUPP ?
				modfile_missing() : xstrdup(nl_req_error(&b, i));
		good &= c->done;
	}
	nl_batch_free(&b);
	return good;
}

/* The new device is as it was asked for, or not at all. */
static bool made_device(struct change *c, struct nl *nl, const char *dev, struct rtlink *l)
{
	int e = rtlink_get(nl, dev, 0, l);
	const char *why = e ? nl_error(nl, e) : linkattr_lacking(&c->link.attrs, &l->attrs);
	struct nl_batch b;

	if (!why)
		return true;
	c->done = false;
	c->wrong = xstrdup(why);
	if (e)
		return false;
	nl_batch_init(&b, nl);
	rtlink_del(&b, l->ifindex);
	nl_send(&b);
	nl_batch_free(&b);
	return false;
}

/* A few refusals tell what is wrong; thousands of the same do not tell more. */
static void complain(const struct diff *d)
{
	size_t i, n = 0, done = 0;

	for (i = 0; i < d->n; i++) {
		done += d->v[i].done;
		if (d->v[i].wrong && n++ < 5)
			err_refused("%s: %s", diff_subject(d, &d->v[i]), d->v[i].wrong);
	}
	if (n > 5)
		err_refused("and %zu more refusals", n - 5);
	err_refused("%zu of %zu changes are done, the others not: mend what is wrong and run it again",
		    done, d->n);
}

/*
 * A packet that has its route, but is not sent yet, needs the nexthop and the
 * peer that the route had. This waits until every processor has finished what
 * it was doing in the kernel (by a grace period of RCU); where it cannot be
 * had, such a packet may be lost.
 */
static void let_packets_pass(void)
{
	syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

/* A device that is to be up is set up when it has its peers: what comes from them until
 * then is for a tunnel that had it before, and a strict device would drop it.
 */
static bool set_up(struct diff *d, struct nl *nl, uint32_t ifindex)
{
	struct rtlink_change up = { .ifindex = ifindex, .up = 1 };
	struct change *c = d->n ? &d->v[0] : NULL;
	struct nl_batch b;
	bool good;

	if (!c || c->object != CHANGE_DEVICE || c->op == CHANGE_REMOVE || c->link.up <= 0)
		return true;
	nl_batch_init(&b, nl);
	rtlink_set(&b, &up);
	good = !nl_send(&b);
	if (!good) {
		c->done = false;
		c->wrong = xstrdup(nl_req_error(&b, 0));
	}
	nl_batch_free(&b);
	return good;
}

int diff_run(struct diff *d, struct nl *nl)
{
	uint32_t ifindex = d->have->exists ? d->have->link.ifindex : 0;
	struct rtlink l = { 0 };
	size_t from, to;
	bool good = true, up = false;
	int rc;

	for (from = 0; from < d->n && good; from = to) {
		if (!up && d->v[from].phase > PHASE_PEER) {
			up = true;
			good = set_up(d, nl, ifindex);
			if (!good)
				break;
		}
		if (from && d->v[from].phase >= PHASE_OLD_ROUTE &&
		    (d->v[from - 1].phase < PHASE_OLD_ROUTE ||
		     d->v[from].phase == PHASE_OLD_PEER))
			let_packets_pass();
		for (to = from; to < d->n && d->v[to].phase == d->v[from].phase; to++)
			;
		good = run_phase(d, nl, from, to, ifindex);
		if (good && d->v[from].phase == PHASE_DEVICE && !ifindex) {
			good = made_device(&d->v[from], nl, d->want->dev, &l);
			ifindex = l.ifindex;
		}
	}
	if (good && !up)
		good = set_up(d, nl, ifindex);
	rc = diff_print(d, false);
	if (good)
		return rc;
	complain(d);
	return EXIT_REFUSED;
}
