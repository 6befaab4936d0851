// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: what the device drops, and the word that would let it pass. */
#include <string.h>

#include "doctor.h"
#include "err.h"

/* Longer ago it tells of another time. */
#define RECENT_MS	(10 * 60 * 1000)

static bool among(const struct prefix_list *l, const struct addr *a)
{
	for (size_t i = 0; i < l->n; i++)
		if (prefix_contains(&l->v[i], a))
			return true;
	return false;
}

/* The peer that packets with that outer source are of: by its endpoint, or by the longest of
 * the prefixes that they come from.
 */
static const struct peer *sender(const struct have *h, const struct addr *outer)
{
	const struct peer *p = peers_find(&h->peers, outer);
	bool by_endpoint = p;
	uint8_t longest = 0;

	for (size_t i = 0; !by_endpoint && i < h->peers.n; i++) {
		const struct prefix_list *l = &h->peers.v[i].froms;

		for (size_t k = 0; k < l->n; k++) {
			if ((p && l->v[k].len <= longest) || !prefix_contains(&l->v[k], outer))
				continue;
			longest = l->v[k].len;
			p = &h->peers.v[i];
		}
	}
	return p;
}

/* Would a strict device take it from the peer by now? */
static bool may_send(const struct have *h, const struct peer *p, const struct addr *inner)
{
	return have_peer_behind(h, inner, 0) == p || addr_eq(&p->endpoint, inner) ||
	       among(&p->sources, inner);
}

static void src_not_allowed(struct doctor *d, const struct have *h, const struct drop_last *l)
{
	const struct peer *other = have_peer_behind(h, &l->inner, 1);
	const struct peer *p = sender(h, &l->endpoint);
	const char *dev = shell_word(h->link.name);
	struct finding *f;

	if (!p || may_send(h, p, &l->inner))
		return;
	f = doctor_find(d, SEVERITY_WARNING, "src_not_allowed",
			"a strict device takes from a peer what is in its pod CIDRs, its endpoint and its sources, and drops the rest",
			"%s dropped packets of peer %s%s%s from %s%s%s", h->link.name,
			addr_str(&p->endpoint), *p->name ? " " : "", p->name,
			addr_str(&l->inner),
			other ? ", which is behind peer " : "",
			other ? addr_str(&other->endpoint) : "");
	if (other)
		finding_by_hand(f, "see which node it is of: ipmesh peer set %s dev %s cidr %s/%u move, if it has moved",
				addr_str(&p->endpoint), dev, addr_str(&l->inner),
				addr_bits(&l->inner));
	else
		finding_by_hand(f, "if it is a pod of that node: ipmesh peer set %s dev %s cidr PREFIX, with its block; if it is an address of the node itself: ipmesh peer set %s dev %s source %s",
				addr_str(&p->endpoint), dev, addr_str(&p->endpoint), dev,
				addr_str(&l->inner));
}

static void unknown_peer(struct doctor *d, const struct have *h, const struct drop_last *l)
{
	const struct peer *p = l->inner.family ? have_peer_behind(h, &l->inner, 1) : NULL;
	const char *dev = shell_word(h->link.name);
	struct finding *f;

	if (sender(h, &l->endpoint))
		return;
	f = doctor_find(d, SEVERITY_WARNING, "unknown_peer",
			"a strict device drops what comes from no peer",
			"%s dropped packets of %s, which is no peer%s%s", h->link.name,
			addr_str(&l->endpoint), l->inner.family ? ", from " : "",
			l->inner.family ? addr_str(&l->inner) : "");
	if (p)
		finding_by_hand(f, "%s is behind peer %s: if %s is another address of that node, or its balancer: ipmesh peer set %s dev %s from %s",
				addr_str(&l->inner), addr_str(&p->endpoint),
				addr_str(&l->endpoint), addr_str(&p->endpoint), dev,
				addr_str(&l->endpoint));
	else
		finding_by_hand(f, "if it is a node of this cluster: ipmesh peer add %s dev %s cidr PREFIX",
				addr_str(&l->endpoint), dev);
}

static void no_peer(struct doctor *d, const struct have *h, const struct drop_last *l)
{
	struct finding *f;

	if (have_peer_behind(h, &l->inner, 0))
		return;
	f = doctor_find(d, SEVERITY_WARNING, "no_peer",
			"a route leads into the tunnel, and nothing says to which node",
			"%s dropped packets to %s, which is behind no peer",
			h->link.name, addr_str(&l->inner));
	finding_by_hand(f, "if it is a pod of some node: ipmesh peer set ENDPOINT dev %s cidr PREFIX; else its route should not lead here: ip route get %s",
			shell_word(h->link.name), addr_str(&l->inner));
}

void doctor_drops(struct doctor *d)
{
	for (size_t i = 0; i < d->n_mesh; i++) {
		const struct have *h = &d->mesh[i];

		for (size_t k = 0; h->exists && k < h->link.n_last; k++) {
			const struct drop_last *l = &h->link.last[k];

			/* What an open device takes by now is no matter any more. */
			if (l->age_ms > RECENT_MS ||
			    (l->cause != IPMESH_A_DROPS_NO_PEER &&
			     h->link.attrs.peers == IPMESH_PEERS_MODE_OPEN))
				continue;
			if (l->cause == IPMESH_A_DROPS_SRC_NOT_ALLOWED)
				src_not_allowed(d, h, l);
			else if (l->cause == IPMESH_A_DROPS_UNKNOWN_PEER)
				unknown_peer(d, h, l);
			else if (l->cause == IPMESH_A_DROPS_NO_PEER && l->inner.family)
				no_peer(d, h, l);
		}
	}
}
