// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes that happen all or not at all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "steps.h"

struct step *steps_add(struct steps *s, enum step_kind kind)
{
	struct step *st;

	s->v = xgrow(s->v, s->n, &s->cap, sizeof(*s->v));
	st = &s->v[s->n++];
	memset(st, 0, sizeof(*st));
	st->kind = kind;
	return st;
}

void steps_free(struct steps *s)
{
	free(s->v);
	memset(s, 0, sizeof(*s));
}

static void put(struct nl_batch *b, const struct step *s)
{
	switch (s->kind) {
	case STEP_PEER_LOSES:
		return;
	case STEP_PEER_NEW:
		genlpeer_new(b, &s->peer);
		break;
	case STEP_PEER_SET:
		genlpeer_set(b, &s->peer);
		break;
	case STEP_PEER_DEL:
		genlpeer_del(b, s->peer.ifindex, &s->peer.endpoint);
		break;
	case STEP_NEXTHOP_ADD:
		rtnexthop_add(b, &s->nexthop);
		break;
	case STEP_NEXTHOP_DEL:
		rtnexthop_del(b, s->nexthop.id);
		break;
	case STEP_ROUTE_ADD:
		rtroute_add(b, &s->route);
		break;
	case STEP_ROUTE_REPLACE:
		rtroute_replace(b, &s->route);
		break;
	case STEP_ROUTE_DEL:
		rtroute_del(b, &s->route);
		break;
	}
	b->req[b->n - 1].who = (void *)s;
}

static void put_undo(struct nl_batch *b, const struct step *s)
{
	bool sources = s->old.sources.n || s->peer.sources.n_add || s->peer.sources.n_remove;
	bool froms = s->old.froms.n || s->peer.froms.n_add || s->peer.froms.n_remove;
	struct peer_change back = {
		.ifindex = s->peer.ifindex, .endpoint = s->peer.endpoint,
		.name = s->old.name, .add = s->old.cidrs,
		.n_add = s->old.n_cidrs,
		.sources = { .add = s->old.sources.v, .n_add = s->old.sources.n },
		.froms = { .add = s->old.froms.v, .n_add = s->old.froms.n },
		.has_encap = true, .encap = s->old.encap,
		.has_dport = true, .dport = s->old.dport,
		.has_routes = s->old.tells_routes, .routes = s->old.routes,
	};

	switch (s->kind) {
	case STEP_PEER_NEW:
		genlpeer_del(b, s->peer.ifindex, &s->peer.endpoint);
		break;
	case STEP_PEER_LOSES:
	case STEP_PEER_SET:
		/* Also takes back what was moved away from it. */
		back.flags = IPMESH_PEER_FLAGS_REPLACE_CIDRS |
			     IPMESH_PEER_FLAGS_MOVE |
			     (sources ? IPMESH_PEER_FLAGS_REPLACE_SOURCES : 0) |
			     (froms ? IPMESH_PEER_FLAGS_REPLACE_FROMS : 0);
		genlpeer_set(b, &back);
		break;
	case STEP_PEER_DEL:
		genlpeer_new(b, &back);
		break;
	case STEP_NEXTHOP_ADD:
		rtnexthop_del(b, s->nexthop.id);
		break;
	case STEP_NEXTHOP_DEL:
		rtnexthop_add(b, &s->nexthop);
		break;
	case STEP_ROUTE_ADD:
		rtroute_del(b, &s->route);
		break;
	case STEP_ROUTE_REPLACE:
		rtroute_replace(b, &s->old_route);
		break;
	case STEP_ROUTE_DEL:
		rtroute_add(b, &s->route);
		break;
	}
}

/* Whether a peer has one of the prefixes that a request adds to another one. */
static bool has_any(const struct peer *p, const struct peer_change *c)
{
	if (addr_eq(&p->endpoint, &c->endpoint))
		return false;
	for (size_t i = 0; i < c->n_add; i++)
		if (peer_has_cidr(p, &c->add[i]))
			return true;
	for (size_t i = 0; i < c->froms.n_add; i++)
		if (prefix_list_has(&p->froms, &c->froms.add[i]))
			return true;
	return false;
}

/* Before 6.2 the kernel cannot say which peer it is that has a prefix. */
static const char *name_holder(const struct nl_batch *b, size_t i, const struct step *s)
{
	static const char known[] = "Another peer ";
	const char *why = nl_req_error(b, i);
	struct peers peers = { 0 };
	static char out[300];

	if (strncmp(why, known, strlen(known)) ||
	    genlpeer_dump(b->nl, s->peer.ifindex, &peers))
		return why;
	for (size_t k = 0; k < peers.n; k++) {
		const struct peer *p = &peers.v[k];

		if (!has_any(p, &s->peer))
			continue;
		snprintf(out, sizeof(out), "Peer %s%s%s %s", addr_str(&p->endpoint),
			 *p->name ? " " : "", err_safe(p->name), why + strlen(known));
		why = out;
		break;
	}
	peers_free(&peers);
	return why;
}

static void explain(const struct nl_batch *b, size_t i, const struct step *s,
		    const char *dev)
{
	const char *why = nl_req_error(b, i);

	switch (s->kind) {
	case STEP_PEER_NEW:
	case STEP_PEER_SET:
	case STEP_PEER_DEL:
	case STEP_PEER_LOSES:
		warn("peer %s of %s: %s", addr_str(&s->peer.endpoint), dev,
		     name_holder(b, i, s));
		break;
	case STEP_NEXTHOP_ADD:
	case STEP_NEXTHOP_DEL:
		warn("nexthop %u via %s dev %s: %s%s", s->nexthop.id,
		     addr_str(&s->nexthop.gw), dev, why,
		     b->req[i].error == -ENETDOWN || (b->req[i].text &&
		     strstr(b->req[i].text, "is not up")) ?
		     "; routes need it up: ipmesh link set DEV up" : "");
		break;
	case STEP_ROUTE_ADD:
	case STEP_ROUTE_REPLACE:
	case STEP_ROUTE_DEL:
		warn("route %s of %s: %s", prefix_str(&s->route.dst), dev, why);
		break;
	}
}

int steps_run(struct nl *nl, struct steps *s, const char *dev)
{
	struct nl_batch b;
	int rc = EXIT_DONE;

	nl_batch_init(&b, nl);
	b.stop = true;
	for (size_t i = 0; i < s->n; i++)
		put(&b, &s->v[i]);
	if (nl_send(&b)) {
		size_t i = nl_first_error(&b);
		const struct step *failed = b.req[i].who;

		explain(&b, i, failed, dev);
		rc = EXIT_REFUSED;
		nl_batch_reset(&b);
		b.stop = false;
		while (failed-- > s->v)
			put_undo(&b, failed);
		if (nl_send(&b))
			warn("could not take back what was done before: %s; see ipmesh show",
			     nl_req_error(&b, nl_first_error(&b)));
	}
	nl_batch_free(&b);
	return rc;
}
