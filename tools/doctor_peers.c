// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: peers that cannot be reached, that are there twice, or silent. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "err.h"
#include "out.h"

/* Longer silence than this of a peer that is sent to is told. */
#define SILENT_MS	(5 * 60 * 1000)
/* More packets than this without an answer in the same time are no accident. */
#define UNANSWERED	10
/* So many of the first ones are. */
#define UNHEARD		3

static const char *named(const struct peer *p)
{
	static char bufs[4][ADDR_STRLEN + 80];
	static unsigned int turn;
	char *buf = bufs[turn++ % 4];

	snprintf(buf, sizeof(bufs[0]), "%s%s%s%s", addr_str(&p->endpoint),
		 *p->name ? " (" : "", p->name, *p->name ? ")" : "");
	return buf;
}

/* The device that the longest route to the endpoint leads to, ours too. */
static uint32_t leads_to(const struct have *h, const struct addr *endpoint)
{
	struct prefix p = { *endpoint, 0 }, dst;
	const struct rtroute *r;
	size_t n;

	for (int len = addr_bits(endpoint); len >= 0; len--) {
		p.len = (uint8_t)len;
		dst = prefix_masked(&p);
		r = have_routes(h, &dst, &n);
		if (n)
			return r->oif;
	}
	return 0;
}

static void endpoint(struct doctor *d, const struct have *h, const struct peer *p)
{
	struct finding *f;
	struct hop hop;
	uint32_t oif;

	if (have_address(h, &p->endpoint)) {
		f = doctor_find(d, SEVERITY_PROBLEM, "endpoint_local",
				"packets for its pods come back to this host",
				"peer %s of %s is this host itself", named(p), h->link.name);
		finding_by_hand(f, "if it is not the address that is wrong: ipmesh peer del %s dev %s",
				addr_str(&p->endpoint), shell_word(h->link.name));
		return;
	}
	oif = leads_to(h, &p->endpoint);
	if (oif && oif == h->link.ifindex) {
		f = doctor_find(d, SEVERITY_PROBLEM, "endpoint_loop",
				"packets for its pods would go round for ever, and are dropped",
				"the route to peer %s leads into %s itself", named(p),
				h->link.name);
		finding_by_hand(f, "see ip route get %s: the underlay needs a route of its own to it",
				addr_str(&p->endpoint));
	} else if (!have_underlay(h, &p->endpoint, &hop)) {
		f = doctor_find(d, SEVERITY_PROBLEM, "endpoint_unroutable",
				"packets for its pods are dropped",
				"there is no route to peer %s of %s", named(p), h->link.name);
		finding_by_hand(f, "give the underlay a route to %s; or, if the node is gone: ipmesh peer del %s dev %s",
				addr_str(&p->endpoint), addr_str(&p->endpoint),
				shell_word(h->link.name));
	}
}

static void silence(struct doctor *d, const struct have *h, const struct peer *p)
{
	const struct peer_stats *s = &p->stats;
	char *errors = s->icmp_errors ?
		xasprintf("; the underlay answered %" PRIu64 " ICMP errors", s->icmp_errors) :
		xstrdup("");
	struct finding *f = NULL;

	if (!s->heard && s->tx_packets >= UNHEARD)
		f = doctor_find(d, SEVERITY_WARNING, "peer_silent",
				"the node is down, a firewall drops the packets, or it does not know this one",
				"peer %s of %s was sent %" PRIu64 " packets and never heard%s",
				named(p), h->link.name, s->tx_packets, errors);
	else if (s->heard && s->last_rx_ms > SILENT_MS &&
		 s->tx_packets > s->rx_packets + UNANSWERED)
		f = doctor_find(d, SEVERITY_WARNING, "peer_silent",
				"it answered once: the node is down, or something on the way has changed",
				"peer %s of %s was last heard %s ago%s", named(p),
				h->link.name, out_age(s->last_rx_ms), errors);
	if (f)
		finding_by_hand(f, "ask it: ipmesh probe %s dev %s",
				addr_str(&p->endpoint), shell_word(h->link.name));
	free(errors);
}

/* --- what is there twice ------------------------------------------------------------ */

struct entry {
	const struct have *h;
	const struct peer *p;
	struct prefix cidr;
};

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = strcmp(x->p->name, y->p->name);

	return c ? c : addr_cmp(&x->p->endpoint, &y->p->endpoint);
}

static int by_endpoint(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return addr_cmp(&x->p->endpoint, &y->p->endpoint);
}

static int by_cidr(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return prefix_cmp(&x->cidr, &y->cidr);
}

/* Two endpoints of one name on a device: one is where the node was before. */
static void same_names(struct doctor *d, const struct have *h)
{
	struct entry *v = xcalloc(h->peers.n, sizeof(*v));
	struct finding *f;
	size_t n = 0;

	for (size_t i = 0; i < h->peers.n; i++)
		if (*h->peers.v[i].name)
			v[n++] = (struct entry){ .h = h, .p = &h->peers.v[i] };
	if (n)
		qsort(v, n, sizeof(*v), by_name);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(v[i].p->name, v[i - 1].p->name))
			continue;
		f = doctor_find(d, SEVERITY_WARNING, "name_twice",
				"a node that got another address leaves the old one behind, with prefixes that nobody answers for",
				"two peers of %s are named %s: %s and %s", h->link.name,
				v[i].p->name, addr_str(&v[i - 1].p->endpoint),
				addr_str(&v[i].p->endpoint));
		finding_by_hand(f, "see which one answers (ipmesh show), and delete the other: ipmesh peer del ENDPOINT dev %s",
				shell_word(h->link.name));
	}
	free(v);
}

/* Somebody else's packets, or a way that the routes do not know of. */
static void wrong_device(struct doctor *d, const struct have *h, const struct peer *p)
{
	uint64_t n = p->stats.drops.n[IPMESH_A_DROPS_WRONG_DEV];
	struct finding *f;

	if (!n)
		return;
	f = doctor_find(d, SEVERITY_WARNING, "wrong_dev",
			"the underlay has no route to the peer by the device that they came by, so that anybody may have sent them",
			"%" PRIu64 " packets of peer %s of %s were dropped",
			n, named(p), h->link.name);
	finding_by_hand(f, "if the peer does send by that way, add a route to it by that device, of any metric, or do not ask: ipmesh link set %s rpf off",
			shell_word(h->link.name));
}

/* One device refuses a CIDR that is there already; two devices do not. */
static void cidrs_twice(struct doctor *d)
{
	struct entry *v = NULL, *a, *b;
	struct finding *f;
	size_t n = 0, cap = 0;

	if (d->n_mesh < 2)
		return;
	for (size_t i = 0; i < d->n_mesh; i++)
		for (size_t p = 0; p < d->mesh[i].peers.n; p++)
			for (size_t c = 0; c < d->mesh[i].peers.v[p].n_cidrs; c++) {
				/* Without a route that is no way of anybody's. */
				if (!d->mesh[i].peers.v[p].cidrs[c].len)
					continue;
				v = xgrow(v, n, &cap, sizeof(*v));
				v[n++] = (struct entry){ &d->mesh[i],
					&d->mesh[i].peers.v[p],
					d->mesh[i].peers.v[p].cidrs[c] };
			}
	if (n)
		qsort(v, n, sizeof(*v), by_cidr);
	for (size_t i = 1; i < n; i++) {
		a = &v[i - 1];
		b = &v[i];
		if (!prefix_eq(&a->cidr, &b->cidr))
			continue;
		f = doctor_find(d, SEVERITY_PROBLEM, "cidr_twice",
				"one route wins, and the other device drops what comes from its peer or answers by the first",
				"%s is behind peer %s of %s and behind peer %s of %s",
				prefix_str(&a->cidr), named(a->p), a->h->link.name,
				named(b->p), b->h->link.name);
		finding_by_hand(f, "take it from the wrong one: ipmesh peer set ENDPOINT dev DEV nocidr %s",
				prefix_str(&a->cidr));
	}
	free(v);
}

/* What comes from an endpoint is one device's, whatever the prefix. */
static void endpoints_twice(struct doctor *d)
{
	struct entry *v = NULL;
	struct finding *f;
	size_t n = 0, cap = 0;

	for (size_t i = 0; d->n_mesh > 1 && i < d->n_mesh; i++)
		for (size_t p = 0; p < d->mesh[i].peers.n; p++) {
			v = xgrow(v, n, &cap, sizeof(*v));
			v[n++] = (struct entry){ .h = &d->mesh[i],
						 .p = &d->mesh[i].peers.v[p] };
		}
	if (n)
		qsort(v, n, sizeof(*v), by_endpoint);
	for (size_t i = 1; i < n; i++) {
		if (!addr_eq(&v[i - 1].p->endpoint, &v[i].p->endpoint))
			continue;
		f = doctor_find(d, SEVERITY_NOTE, "endpoint_twice",
				"what the node sends to one address of this host comes in by one device, which may not know its other prefixes",
				"peer %s is one of %s and one of %s", named(v[i].p),
				v[i - 1].h->link.name, v[i].h->link.name);
		finding_by_hand(f, "right if both devices have local addresses of their own; else: ipmesh peer del %s dev DEV",
				addr_str(&v[i].p->endpoint));
	}
	free(v);
}

void doctor_peers(struct doctor *d)
{
	for (size_t i = 0; i < d->n_mesh; i++) {
		const struct have *h = &d->mesh[i];

		for (size_t p = 0; p < h->peers.n; p++)
			endpoint(d, h, &h->peers.v[p]);
		for (size_t p = 0; p < h->peers.n; p++)
			silence(d, h, &h->peers.v[p]);
		for (size_t p = 0; p < h->peers.n; p++)
			wrong_device(d, h, &h->peers.v[p]);
		if (h->peers.n)
			same_names(d, h);
	}
	cidrs_twice(d);
	endpoints_twice(d);
}
