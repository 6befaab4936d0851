// SPDX-License-Identifier: GPL-2.0-or-later
/* Leaves out of the changes what would take peers away that are to stay for now. */
#include <stdlib.h>

#include "diff.h"

struct keep {
	const struct have *h;
	bool (*stays)(const void *data, const char *peer);
	const void *data;
	bool others;
};

static bool keep_peer(const struct keep *k, const struct addr *endpoint)
{
	const struct peer *p = peers_find(&k->h->peers, endpoint);

	return p && k->stays(k->data, p->name);
}

/* A route is its peer's; one that is no peer's waits with the rest. */
static bool keep_route(const struct keep *k, const struct rtroute *r)
{
	const struct peers *l = &k->h->peers;

	for (size_t i = 0; i < l->n; i++)
		if (peer_has_cidr(&l->v[i], &r->dst))
			return k->stays(k->data, l->v[i].name);
	return k->others;
}

/* Of a list of endpoints those that stay are left out; true when all do. */
static bool keep_endpoints(const struct keep *k, struct change *c)
{
	size_t i, n = 0;

	for (i = 0; i < c->endpoints.n; i++)
		if (!keep_peer(k, &c->endpoints.v[i]))
			c->endpoints.v[n++] = c->endpoints.v[i];
	c->endpoints.n = n;
	if (!n) {
		free(c->endpoints.v);
		c->endpoints.v = NULL;
	}
	return !n;
}

static bool keep(const struct keep *k, struct change *c)
{
	struct addr gw;

	switch (c->object) {
	case CHANGE_PEER:
		return c->op == CHANGE_REMOVE && keep_peer(k, &c->peer.endpoint);
	case CHANGE_NEXTHOP:
		gw = addr_unmapped(&c->nexthop.gw);
		return c->op == CHANGE_REMOVE && keep_peer(k, &gw);
	case CHANGE_ROUTE:
		return c->op == CHANGE_REMOVE && keep_route(k, &c->route.r);
	case CHANGE_ENDPOINTS:
		return c->op == CHANGE_REMOVE && keep_endpoints(k, c);
	case CHANGE_NAT:
	case CHANGE_GUARD:
		/* The pools may not have been named all. */
		return c->op != CHANGE_ADD && k->others;
	default:
		return false;
	}
}

size_t diff_keep(struct diff *d, bool (*stays)(const void *data, const char *peer),
		 const void *data, bool others)
{
	struct keep k = { d->have, stays, data, others };
	size_t i, n = 0, held;

	for (i = 0; i < d->n; i++)
		/* None of these has lists of its own to free any more. */
		if (!keep(&k, &d->v[i]))
			d->v[n++] = d->v[i];
	held = d->n - n;
	d->n = n;
	return held;
}
