// SPDX-License-Identifier: GPL-2.0-or-later
/* Who answers this host, before a change and after it. */
#include <errno.h>
#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#include "echo.h"
#include "err.h"
#include "probe.h"
#include "witness.h"

#define EACH_MAX	256		/* of a kind: one round of questions for all */
#define TIMEOUT_MS	1000
#define TRIES		3

static bool may_be_asked(const struct addr *a)
{
	if (a->family == AF_INET)
		return a->b[0] && a->b[0] != 127 && a->b[0] < 224 &&
		       !(a->b[0] == 169 && a->b[1] == 254);
	/* Link-local addresses are another on each device. */
	return a->family == AF_INET6 && !addr_is_any(a) && a->b[0] != 0xff &&
	       !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

static void add(struct witnesses *w, const struct addr *a)
{
	if (!may_be_asked(a))
		return;
	w->v = xgrow(w->v, w->n, &w->cap, sizeof(*w->v));
	w->v[w->n++] = (struct witness){ .addr = *a };
}

static int by_addr(const void *a, const void *b)
{
	const struct witness *x = a, *y = b;

	return addr_cmp(&x->addr, &y->addr);
}

static void each_once(struct witnesses *w)
{
	size_t n = 0;

	if (!w->n)
		return;
	qsort(w->v, w->n, sizeof(*w->v), by_addr);
	for (size_t i = 0; i < w->n; i++)
		if (!n || !addr_eq(&w->v[i].addr, &w->v[n - 1].addr))
			w->v[n++] = w->v[i];
	w->n = n;
}

/* Gateways, and single addresses behind a device, as pods have routes. */
static void of_routes(struct witnesses *w, const struct have *h)
{
	size_t gateways = 0, hosts = 0;

	for (size_t i = 0; i < h->routes.n; i++) {
		const struct rtroute *r = &h->routes.v[i];

		if (r->type != RTN_UNICAST || r->multipath ||
		    have_other_mesh(h, r->oif) || (h->exists && r->oif == h->link.ifindex))
			continue;
		if (r->gw.family && gateways < EACH_MAX) {
			add(w, &r->gw);
			gateways++;
		}
		if (r->dst.len == addr_bits(&r->dst.addr) && hosts < EACH_MAX) {
			add(w, &r->dst.addr);
			hosts++;
		}
	}
}

struct neighbours {
	struct witnesses *w;
	size_t from, n;
};

/* Only those that the kernel has seen: asking for others would make entries. */
static int on_neigh(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[NDA_DST + 1];
	struct neighbours *l = data;
	struct addr a;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || l->n >= EACH_MAX ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*m) ||
	    !(m->ndm_state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)))
		return 0;
	nl_parse(nlh, sizeof(*m), tb, NDA_DST);
	if (!nl_addr(&a, tb[NDA_DST]))
		return 0;
	add(l->w, &a);
	l->n++;
	return 0;
}

static void again(void *data)
{
	struct neighbours *l = data;

	l->w->n = l->from;
	l->n = 0;
}

static void of_neighbours(struct witnesses *w, struct nl *nl, uint8_t family)
{
	const struct ndmsg m = { .ndm_family = family };
	struct neighbours l = { .w = w, .from = w->n };
	struct nl_dump d = {
		.bus = NL_RT, .type = RTM_GETNEIGH, .hdr = &m, .extra = sizeof(m),
		.each = on_neigh, .restart = again, .data = &l,
	};

	nl_dump(nl, &d);
}

static void of_peers(struct witnesses *w, const struct have *h)
{
	for (size_t i = 0; i < h->peers.n && i < EACH_MAX; i++) {
		struct probe p = { .have = h, .peer = &h->peers.v[i] };

		add(w, &p.peer->endpoint);
		if (probe_target(&p))
			add(w, &p.to);
	}
}

static void others_alone(struct witnesses *w, const struct have *h)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++)
		if (!have_address(h, &w->v[i].addr))
			w->v[n++] = w->v[i];
	w->n = n;
}

void witness_find(struct witnesses *w, struct nl *nl, const struct have *h)
{
	of_routes(w, h);
	of_neighbours(w, nl, AF_INET);
	of_neighbours(w, nl, AF_INET6);
	of_peers(w, h);
	others_alone(w, h);
	each_once(w);
}

/* Those of one family that are marked; what came of it is in @answers. */
static int ask_family(struct witnesses *w, uint8_t family, const bool *asked)
{
	struct echo_many m = { .timeout_ms = TIMEOUT_MS };
	size_t *at = xcalloc(w->n, sizeof(*at));
	int e;

	m.to = xcalloc(w->n, sizeof(*m.to));
	m.answered = xcalloc(w->n, sizeof(*m.answered));
	for (size_t i = 0; i < w->n; i++) {
		if (!asked[i] || w->v[i].addr.family != family)
			continue;
		at[m.n] = i;
		m.to[m.n++] = w->v[i].addr;
	}
	e = m.n ? echo_ask_many(&m) : 0;
	for (size_t k = 0; k < m.n; k++)
		w->v[at[k]].answers = m.answered[k];
	free(m.answered);
	free(m.to);
	free(at);
	return e;
}

const char *witness_ask(struct witnesses *w)
{
	bool *asked = xcalloc(w->n, sizeof(*asked));
	int e;

	for (size_t i = 0; i < w->n; i++)
		asked[i] = true;
	e = ask_family(w, AF_INET, asked);
	if (!e)
		e = ask_family(w, AF_INET6, asked);
	free(asked);
	return e ? strerror(-e) : NULL;
}

/* The first that this host answers in the place of. */
static const struct witness *taken(const struct witnesses *w, struct nl *nl)
{
	const struct witness *found = NULL;
	struct rtaddrs l = { 0 };

	if (!rtaddr_dump(nl, AF_UNSPEC, 0, &l))
		for (size_t i = 0; i < w->n && !found; i++)
			for (size_t k = 0; k < l.n && w->v[i].answers && !found; k++)
				if (addr_eq(&l.v[k].addr.addr, &w->v[i].addr))
					found = &w->v[i];
	rtaddrs_free(&l);
	return found;
}

const struct witness *witness_lost(struct witnesses *w, struct nl *nl)
{
	const struct witness *lost = taken(w, nl);
	bool *asked;

	if (lost)
		return lost;
	asked = xcalloc(w->n, sizeof(*asked));
	for (size_t i = 0; i < w->n; i++)
		asked[i] = w->v[i].answers;
	for (int try = 0; try < TRIES; try++) {
		if (ask_family(w, AF_INET, asked) || ask_family(w, AF_INET6, asked))
			break;
		lost = NULL;
		for (size_t i = 0; i < w->n; i++) {
			asked[i] &= !w->v[i].answers;
			if (asked[i] && !lost)
				lost = &w->v[i];
		}
		if (!lost)
			break;
	}
	free(asked);
	return lost;
}

void witnesses_free(struct witnesses *w)
{
	free(w->v);
	*w = (struct witnesses){ 0 };
}
