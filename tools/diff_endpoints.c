// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What must change: the set of endpoints that a firewall looks at. A new peer
 * is in it before the first packet, and one that goes until the last.
 */
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "err.h"

static void change(struct diff *d, enum change_op op, const struct set_name *set,
		   struct addr *v, size_t n)
{
	struct change *c;

	if (!n) {
		free(v);
		return;
	}
	c = diff_add(d, op, CHANGE_ENDPOINTS,
		     op == CHANGE_ADD ? PHASE_ENDPOINTS : PHASE_OLD_ENDPOINTS);
	c->endpoints.set = *set;
	c->endpoints.v = v;
	c->endpoints.n = n;
}

/* Ours that W does not want there; with W NULL all of them. */
void diff_old_endpoints(struct diff *d, const struct endpoint_set *s,
			const struct want *w)
{
	struct addr *v = xcalloc(s->n, sizeof(*v));
	size_t i, n = 0;

	for (i = 0; i < s->n; i++)
		if (s->v[i].ours && !(w && want_endpoint(w, &s->v[i].addr)))
			v[n++] = s->v[i].addr;
	change(d, CHANGE_REMOVE, &s->name, v, n);
}

static const char *type_of(const struct want *w)
{
	return want_family(w) == AF_INET6 ? "ipv6_addr" : "ipv4_addr";
}

/* Nobody's firewall is to be made by us: the set must be there, and be one. */
static int check(const struct want *w, const struct endpoint_sets *l,
		 const struct endpoint_set *s)
{
	size_t need = w->n_peers;

	if (l->wrong)
		return doc_fail(w->endpoint_set_at, "the set cannot be looked at: %s",
				l->wrong);
	if (!s)
		return doc_fail(w->endpoint_set_at, "there is no such nftables set: make it: nft add set %s '{ type %s; }'",
				set_name_str(&w->endpoint_set), type_of(w));
	if (s->family != want_family(w) || !s->plain)
		return doc_fail(w->endpoint_set_at, "the nftables set is not one of type %s without flags: make another: nft add set %s %s NAME '{ type %s; }'",
				type_of(w), s->name.family, s->name.table, type_of(w));
	for (size_t i = 0; i < s->n; i++)
		need += !s->v[i].ours && !want_endpoint(w, &s->v[i].addr);
	if (s->size && need > s->size)
		return doc_fail(w->endpoint_set_at, "the nftables set takes %u elements, and %zu are needed: make it anew with a larger size",
				s->size, need);
	return 0;
}

int diff_endpoints(struct diff *d)
{
	const struct endpoint_sets *l = &d->have->sets;
	const struct endpoint_set *s = NULL;
	const struct want *w = d->want;
	struct addr *v;
	size_t i, n = 0;

	if (w->endpoint_set_at) {
		s = endpointset_find(l, &w->endpoint_set);
		if (check(w, l, s))
			return -1;
		v = xcalloc(w->n_peers, sizeof(*v));
		for (i = 0; i < w->n_peers; i++)
			if (!endpointset_has(s, &w->peers[i].endpoint))
				v[n++] = w->peers[i].endpoint;
		change(d, CHANGE_ADD, &s->name, v, n);
	}
	for (i = 0; i < l->n; i++)
		diff_old_endpoints(d, &l->v[i], &l->v[i] == s ? w : NULL);
	return 0;
}
