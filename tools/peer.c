// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh peer: peers of a device, with the routes that lead to them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "err.h"
#include "out.h"
#include "peer_words.h"
#include "plan.h"
#include "problem.h"
#include "view.h"

static int no_peer(const struct plan *p, const struct addr *endpoint, int e)
{
	if (e == -ENOENT && nl_family(p->nl) > 0)
		return err_refused("%s has no peer %s; see ipmesh peer show dev %s",
				   p->link.name, addr_str(endpoint), p->link.name);
	return err_refused("peer %s of %s: %s", addr_str(endpoint), p->link.name,
			   nl_error(p->nl, e));
}

/* Those who hold CIDRs and outer prefixes that the endpoint is to get: noted first,
 * so that they get them back if a later step fails.
 */
static int plan_losers(struct plan *p, struct peers *peers,
		       const struct peer_ask *ask)
{
	int e = genlpeer_dump(p->nl, p->link.ifindex, peers);

	if (e)
		return err_refused("peers of %s: %s", p->link.name,
				   nl_error(p->nl, e));
	for (size_t i = 0; i < peers->n; i++) {
		const struct peer *o = &peers->v[i];
		bool loses = false;
		struct step *s;

		if (addr_eq(&o->endpoint, &ask->endpoint))
			continue;
		for (size_t k = 0; k < ask->add.n; k++)
			loses |= peer_has_cidr(o, &ask->add.v[k]);
		for (size_t k = 0; k < ask->add_froms.n; k++)
			loses |= prefix_list_has(&o->froms, &ask->add_froms.v[k]);
		if (!loses)
			continue;
		s = steps_add(&p->steps, STEP_PEER_LOSES);
		s->peer.ifindex = p->link.ifindex;
		s->peer.endpoint = o->endpoint;
		s->old = *o;
	}
	return EXIT_DONE;
}

static void tidy_losers(struct plan *p)
{
	size_t n = p->steps.n;

	for (size_t i = 0; i < n; i++)
		if (p->steps.v[i].kind == STEP_PEER_LOSES) {
			struct addr a = p->steps.v[i].peer.endpoint;

			plan_tidy(p, &a);
		}
}

/* A peer whose CIDRs another routes, a daemon or one route for a whole pool, is
 * none of ours to route until somebody says so.
 */
static bool routed_by_us(const struct plan *p, const struct peer_ask *ask,
			 const struct peer *old)
{
	bool any = false;

	if (old->routes == IPMESH_PEER_ROUTES_NONE)
		return ask->route;
	/* That the default route is none of ours tells nothing. */
	for (size_t i = 0; i < old->n_cidrs; i++)
		any |= old->cidrs[i].len > 0;
	return ask->route || !any ||
	       plan_has_route(p, &ask->endpoint, old->cidrs, old->n_cidrs);
}

/* Is a CIDR to be routed when that is not said of it?  Not where it would take the
 * place of this host's default route: such a peer is a balancer, or a way out that
 * somebody chooses with care.
 */
static bool may_route(const struct peer_ask *ask, const struct prefix *c)
{
	if (c->len || ask->route)
		return true;
	warn("%s gets no route, as that would be this host's default route; say noroute, or route to have it",
	     prefix_str(c));
	return false;
}

static int change_routes(struct plan *p, const struct peer_ask *ask,
			 const struct peer *old)
{
	struct prefix_list come = { 0 }, gone = { 0 };
	bool ours = routed_by_us(p, ask, old);
	int rc;

	for (size_t i = 0; i < ask->add.n; i++)
		/* One that is routed already follows to its new peer. */
		if (plan_has_route(p, NULL, &ask->add.v[i], 1) ||
		    (ours && may_route(ask, &ask->add.v[i])))
			prefix_list_add(&come, &ask->add.v[i]);
	for (size_t i = 0; i < old->n_cidrs; i++) {
		const struct prefix *c = &old->cidrs[i];

		if (ask->has_cidrs ? !prefix_list_has(&ask->add, c) :
		    prefix_list_has(&ask->remove, c))
			prefix_list_add(&gone, c);
		else if (ask->route && c->len && !prefix_list_has(&come, c))
			prefix_list_add(&come, c);
	}
	rc = plan_route(p, &ask->endpoint, come.v, come.n);
	if (!rc && gone.n) {
		plan_unroute(p, &ask->endpoint, gone.v, gone.n, false);
		plan_tidy(p, &ask->endpoint);
	}
	if (!rc)
		tidy_losers(p);
	free(come.v);
	free(gone.v);
	return rc;
}

/* As they stand on the command line. */
static struct peer_part part_of(const struct prefix_list *come,
				const struct prefix_list *gone)
{
	return (struct peer_part){
		.add = come->v, .n_add = come->n, .remove = gone->v, .n_remove = gone->n,
	};
}

static uint32_t flags_of(const struct peer_ask *ask, bool is_new)
{
	uint32_t flags = ask->move ? IPMESH_PEER_FLAGS_MOVE : 0;

	if (is_new)
		return flags;
	return flags | (ask->has_cidrs ? IPMESH_PEER_FLAGS_REPLACE_CIDRS : 0) |
	       (ask->has_sources ? IPMESH_PEER_FLAGS_REPLACE_SOURCES : 0) |
	       (ask->has_froms ? IPMESH_PEER_FLAGS_REPLACE_FROMS : 0);
}

/* add and set: first the peer, for the device must know where to send, then
 * the routes; what goes away, last.
 */
static int change(struct plan *p, const struct peer_ask *ask, bool is_new)
{
	struct peers peers = { 0 };
	struct peer old = { 0 };
	struct step *s;
	int rc = EXIT_DONE, e;

	if (!is_new) {
		e = genlpeer_get(p->nl, p->link.ifindex, &ask->endpoint, &old);
		if (e)
			return no_peer(p, &ask->endpoint, e);
	}
	if (!ask->noroute)
		rc = plan_read(p);
	if (!rc && ask->move)
		rc = plan_losers(p, &peers, ask);
	if (rc)
		goto out;

	s = steps_add(&p->steps, is_new ? STEP_PEER_NEW : STEP_PEER_SET);
	s->old = old;
	s->peer = (struct peer_change){
		.ifindex = p->link.ifindex, .endpoint = ask->endpoint,
		.name = ask->name,
		.add = ask->add.v, .n_add = ask->add.n,
		.remove = ask->remove.v, .n_remove = ask->remove.n,
		.sources = part_of(&ask->add_sources, &ask->remove_sources),
		.froms = part_of(&ask->add_froms, &ask->remove_froms),
		.flags = flags_of(ask, is_new),
		.has_encap = ask->has_encap, .encap = ask->encap,
		.has_dport = ask->has_dport, .dport = (uint16_t)ask->dport,
		/* Remembered, so that nobody misses them. */
		.has_routes = ask->route || ask->noroute,
		.routes = ask->noroute ? IPMESH_PEER_ROUTES_NONE : IPMESH_PEER_ROUTES_IPMESH,
	};
	if (!ask->noroute)
		rc = change_routes(p, ask, &old);
	if (!rc)
		rc = steps_run(p->nl, &p->steps, p->link.name);
out:
	peer_clear(&old);
	peers_free(&peers);
	return rc;
}

static int del(struct plan *p, const struct peer_ask *ask)
{
	struct peer old;
	struct step *s;
	int rc, e;

	e = genlpeer_get(p->nl, p->link.ifindex, &ask->endpoint, &old);
	if (e)
		return no_peer(p, &ask->endpoint, e);
	rc = plan_read(p);
	if (!rc) {
		plan_unroute(p, &ask->endpoint, old.cidrs, old.n_cidrs, true);
		plan_tidy(p, &ask->endpoint);
		s = steps_add(&p->steps, STEP_PEER_DEL);
		s->peer.ifindex = p->link.ifindex;
		s->peer.endpoint = ask->endpoint;
		s->old = old;
		rc = steps_run(p->nl, &p->steps, p->link.name);
	}
	peer_clear(&old);
	return rc;
}

static int by_prefix(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

static bool has(const struct prefix_list *sorted, const struct prefix *p)
{
	return sorted->n && bsearch(p, sorted->v, sorted->n, sizeof(*p), by_prefix);
}

/* Many at once. Routes go before their nexthop: with it they would go too, but
 * each time by a walk over all routes.
 */
static int flush(struct plan *p)
{
	struct prefix_list cidrs = { 0 };
	struct peers peers = { 0 };
	struct nl_batch b;
	size_t failed = 0;
	int rc, e;

	rc = plan_read(p);
	if (rc)
		return rc;
	e = genlpeer_dump(p->nl, p->link.ifindex, &peers);
	if (e)
		return err_refused("peers of %s: %s", p->link.name,
				   nl_error(p->nl, e));
	for (size_t i = 0; i < peers.n; i++)
		for (size_t k = 0; k < peers.v[i].n_cidrs; k++)
			prefix_list_add(&cidrs, &peers.v[i].cidrs[k]);
	prefix_list_sort(&cidrs);
	nl_batch_init(&b, p->nl);
	for (size_t i = 0; i < p->routes.n; i++)
		if (plan_is_ours(p, &p->routes.v[i]) &&
		    (p->routes.v[i].gw.family || has(&cidrs, &p->routes.v[i].dst)))
			rtroute_del(&b, &p->routes.v[i]);
	for (size_t i = 0; i < p->nexthops.n; i++)
		if (p->nexthops.v[i].oif == p->link.ifindex &&
		    p->nexthops.v[i].proto == RTPROT_IPMESH)
			rtnexthop_del(&b, p->nexthops.v[i].id);
	for (size_t i = 0; i < peers.n; i++)
		genlpeer_del(&b, p->link.ifindex, &peers.v[i].endpoint);
	nl_send(&b);
	for (size_t i = 0; i < b.n; i++) {
		/* Somebody else was quicker. */
		if (b.req[i].error == -ENOENT || b.req[i].error == -ESRCH)
			continue;
		if (b.req[i].error && !failed++)
			rc = err_refused("flush of %s: %s", p->link.name,
					 nl_req_error(&b, i));
	}
	nl_batch_free(&b);
	peers_free(&peers);
	free(cidrs.v);
	return rc;
}

static int show_device(struct nl *nl, const struct rtlink *l,
		       const struct view_routes *routes, const struct peer_ask *ask)
{
	struct peers all = { 0 }, one = { 0 };
	const struct peers *shown = ask->has_endpoint ? &one : &all;
	const struct peer *found;
	struct look k;
	int e = genlpeer_dump(nl, l->ifindex, &all);

	if (e)
		return err_refused("peers of %s: %s", l->name, nl_error(nl, e));
	if (ask->has_endpoint) {
		found = peers_find(&all, &ask->endpoint);
		one.v = (struct peer *)found;
		one.n = found != NULL;
		e = found ? 0 : -ENOENT;
	}
	if (!e) {
		if (!ask->dev)
			out_text("%s:\n", l->name);
		look_at(&k, l, shown, routes, NULL);
		view_peers(shown, l, &k, true);
		look_free(&k);
	}
	peers_free(&all);
	return e ? -1 : EXIT_DONE;
}

static int show(struct nl *nl, const struct peer_ask *ask)
{
	struct view_routes routes = { 0 };
	struct rtlinks links = { 0 };
	struct rtlink l;
	size_t missing = 0, shown = 0;
	int rc = EXIT_DONE, e;

	if (ask->dev) {
		rc = rtlink_find(nl, ask->dev, &l);
		if (rc)
			return rc;
	}
	e = rtlink_dump(nl, IPMESH_KIND, &links);
	if (!e && links.n)
		e = view_routes_read(nl, &routes);
	if (e)
		rc = err_refused("cannot read the kernel's state: %s",
				 nl_error(nl, e));
	out_arr(NULL);
	for (size_t i = 0; i < links.n && rc <= 0; i++) {
		if (ask->dev && links.v[i].ifindex != l.ifindex)
			continue;
		shown++;
		rc = show_device(nl, &links.v[i], &routes, ask);
		missing += rc < 0;
	}
	out_end();
	if (rc < 0)
		rc = EXIT_DONE;
	if (!rc && ask->has_endpoint && missing == shown)
		rc = err_refused("there is no peer %s; see ipmesh peer show",
				 addr_str(&ask->endpoint));
	if (!rc)
		rc = out_flush();
	view_routes_free(&routes);
	rtlinks_free(&links);
	return rc;
}

static int run(enum peer_verb verb, const struct peer_ask *ask)
{
	struct plan p = { .nl = nl_open() };
	int rc = EXIT_DONE;

	if (verb != SHOW)
		rc = rtlink_find(p.nl, ask->dev, &p.link);
	if (!rc) {
		switch (verb) {
		case ADD:
		case SET:
			rc = change(&p, ask, verb == ADD);
			break;
		case DEL:
			rc = del(&p, ask);
			break;
		case FLUSH:
			rc = flush(&p);
			break;
		case SHOW:
			rc = show(p.nl, ask);
			break;
		}
	}
	plan_free(&p);
	nl_close(p.nl);
	return rc;
}

int cmd_peer(int argc, char **argv)
{
	static const char *const verbs[] = {
		[ADD] = "add", [SET] = "set", [DEL] = "del", [SHOW] = "show",
		[FLUSH] = "flush", NULL,
	};
	static const char *const cmds[] = {
		[ADD] = "peer add", [SET] = "peer set", [DEL] = "peer del",
		[SHOW] = "peer show", [FLUSH] = "peer flush",
	};
	struct args a = { .cmd = "peer", .at = argv + 1 };
	struct peer_ask ask = { 0 };
	const char *w;
	int v = SHOW;

	(void)argc;
	w = args_word(&a);
	if (w && cmd_is_help(w))
		a.help = true;
	else if (w)
		v = args_verb(a.cmd, verbs, w);
	if (v < 0)
		return EXIT_USAGE;
	a.cmd = cmds[v];
	peer_words(&a, v, &ask);
	if (a.help)
		a.status = cmd_help(peer_usage);
	else if (!a.status)
		a.status = run(v, &ask);
	peer_ask_free(&ask);
	return a.status;
}
