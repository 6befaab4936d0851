// SPDX-License-Identifier: GPL-2.0-or-later
/* Who writes the routes of the wanted state: this program, or a routing daemon. */
#include "want_routes.h"

/* Has it a CIDR that is not all addresses? */
static bool any_part(const struct prefix *cidrs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cidrs[i].len)
			return true;
	return false;
}

static void leave_all(struct want *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_routes; i++) {
		if (!want_has_peer(&w->routes[i]))
			continue;
		w->routes[i].kind = WANT_NONE;
		w->routes[n++] = w->routes[i];
	}
	w->n_routes = n;
}

static void note_routed(struct want *w)
{
	for (size_t i = 0; i < w->n_peers; i++) {
		w->peers[i].parts = any_part(w->peers[i].cidrs, w->peers[i].n_cidrs);
		w->peers[i].routed = false;
	}
	for (size_t i = 0; i < w->n_routes; i++)
		if (want_has_peer(&w->routes[i]) && w->routes[i].kind != WANT_NONE)
			w->peers[w->routes[i].peer].routed = true;
}

void want_routes_settle(struct want *w, bool none)
{
	w->has_pods = w->n_nat || w->nat_host;
	for (size_t i = 0; i < w->n_routes; i++)
		w->has_pods |= w->routes[i].kind == WANT_BLACKHOLE;
	if (none)
		leave_all(w);
	note_routed(w);
}

static bool is_none(const struct have *h, const struct want_peer *p)
{
	const struct peer *old = peers_find(&h->peers, &p->endpoint);

	return old && old->routes == IPMESH_PEER_ROUTES_NONE;
}

void want_routes_follow(struct want *w, const struct have *h)
{
	size_t none = 0, ours = 0;

	if (!w->routes_unsaid)
		return;
	for (size_t i = 0; i < h->peers.n; i++) {
		const struct peer *p = &h->peers.v[i];

		if (p->routes == IPMESH_PEER_ROUTES_NONE)
			none++;
		else if (any_part(p->cidrs, p->n_cidrs))
			ours++;
	}
	if (!none)
		return;
	if (!ours)
		leave_all(w);
	for (size_t i = 0; i < w->n_routes; i++)
		if (want_has_peer(&w->routes[i]) &&
		    is_none(h, &w->peers[w->routes[i].peer]))
			w->routes[i].kind = WANT_NONE;
	note_routed(w);
}
