// SPDX-License-Identifier: GPL-2.0-or-later
/* What must change: the device, its addresses, its peers, address translation. */
#include <linux/if_addr.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "err.h"

struct change *diff_add(struct diff *d, enum change_op op,
			enum change_object object, enum change_phase phase)
{
	struct change *c;

	d->v = xgrow(d->v, d->n, &d->cap, sizeof(*d->v));
	c = &d->v[d->n++];
	memset(c, 0, sizeof(*c));
	c->op = op;
	c->object = object;
	c->phase = phase;
	return c;
}

/* The kernel refuses it too, but only when some of the work is done. */
static int check_family(const struct want *w, const struct have *h)
{
	if (!h->exists || !(w->attrs.has & LINKATTR_BIT(IFLA_IPMESH_LOCAL)) ||
	    linkattr_family(&h->link.attrs) == want_family(w))
		return 0;
	err_refused("%s has an %s underlay, and by the documents it is %s: choose another name with --dev, or remove it: ipmesh link del %s",
		    w->dev, family_name(linkattr_family(&h->link.attrs)),
		    family_name(want_family(w)), w->dev);
	return -1;
}

static int check_attrs(const struct want *w, const struct have *h)
{
	const char *why = h->exists ? linkattr_unknown(&w->attrs, &h->link.attrs) : NULL;

	if (why)
		err_refused("device %s: %s", w->dev, why);
	return why ? -1 : 0;
}

static void diff_device(struct diff *d)
{
	const struct want *w = d->want;
	const struct have *h = d->have;
	const struct linkattr *a;
	struct rtlink_change *l;
	struct change *c;
	bool mtu, up;
	uint32_t has = 0;
	size_t i;

	for (i = 0; i < linkattr_count; i++) {
		a = &linkattr_table[i];
		if (!(w->attrs.has & LINKATTR_BIT(a->type)))
			continue;
		if (!h->exists || !linkattr_same(a, &w->attrs, &h->link.attrs))
			has |= LINKATTR_BIT(a->type);
	}
	mtu = w->mtu && (!h->exists || h->link.mtu != w->mtu);
	up = !h->exists || !(h->link.flags & IFF_UP);
	if (h->exists && !has && !mtu && !up)
		return;
	if (!h->exists)
		rtlink_warn_fallback(d->want->dev);
	c = diff_add(d, h->exists ? CHANGE_SET : CHANGE_ADD, CHANGE_DEVICE,
		     PHASE_DEVICE);
	l = &c->link;
	l->name = w->dev;
	l->attrs = w->attrs;
	l->attrs.has = has;
	/* A number says that it is not auto, and turns it off. */
	if (w->mtu && (mtu || has & LINKATTR_BIT(IFLA_IPMESH_MTU_AUTO)))
		l->mtu = w->mtu;
	l->up = up;
}

static bool wants_address(const struct want *w, const struct prefix *p)
{
	for (size_t i = 0; i < w->n_addresses; i++)
		if (prefix_eq(&w->addresses[i], p))
			return true;
	return false;
}

static bool has_address(const struct have *h, const struct prefix *p)
{
	for (size_t i = 0; h->exists && i < h->addrs.n; i++)
		if (h->addrs.v[i].ifindex == h->link.ifindex &&
		    prefix_eq(&h->addrs.v[i].addr, p))
			return true;
	return false;
}

static void diff_addresses(struct diff *d)
{
	const struct want *w = d->want;
	const struct have *h = d->have;
	const struct rtaddr *a;
	size_t i;

	for (i = 0; i < w->n_addresses; i++)
		if (!has_address(h, &w->addresses[i]))
			diff_add(d, CHANGE_ADD, CHANGE_ADDRESS, PHASE_ADDRESS)->address =
				w->addresses[i];
	for (i = 0; h->exists && i < h->addrs.n; i++) {
		a = &h->addrs.v[i];
		/* The kernel's own link-local ones stay. */
		if (a->ifindex != h->link.ifindex || a->scope == RT_SCOPE_LINK ||
		    wants_address(w, &a->addr))
			continue;
		diff_add(d, CHANGE_REMOVE, CHANGE_ADDRESS, PHASE_OLD_ADDRESS)->address =
			a->addr;
	}
}

static int by_dst(const void *a, const void *b)
{
	const struct want_route *x = a, *y = b;

	return prefix_cmp(&x->dst, &y->dst);
}

/* Does any peer get it?  Then it moves, and is not to be taken away. */
static bool some_peer_wants(const struct want *w, const struct prefix *cidr)
{
	struct want_route key = { .dst = *cidr }, *r;

	r = w->n_routes ? bsearch(&key, w->routes, w->n_routes, sizeof(key), by_dst) : NULL;
	return r && want_has_peer(r);
}

/* Those of A that B has not; both sorted.  GONE: nor any other peer. */
static size_t minus(const struct prefix *a, size_t n_a, const struct prefix *b,
		    size_t n_b, const struct want *gone, struct prefix *out)
{
	size_t i, k = 0, n = 0;

	for (i = 0; i < n_a; i++) {
		while (k < n_b && prefix_cmp(&b[k], &a[i]) < 0)
			k++;
		if ((k < n_b && prefix_eq(&b[k], &a[i])) ||
		    (gone && some_peer_wants(gone, &a[i])))
			continue;
		out[n++] = a[i];
	}
	return n;
}

/* Sources or outer prefixes: what comes and what goes, the lists of which are made. */
static void diff_part(const struct prefix_list *want, const struct prefix_list *have,
		      const struct prefix_list *elsewhere, struct peer_part *part)
{
	struct prefix *add = xcalloc(want->n, sizeof(*add));
	struct prefix *remove = xcalloc(have->n, sizeof(*remove));
	size_t n;

	part->n_add = minus(want->v, want->n, have->v, have->n, NULL, add);
	n = minus(have->v, have->n, want->v, want->n, NULL, remove);
	/* One that another peer gets moves there. */
	if (elsewhere)
		n = minus(remove, n, elsewhere->v, elsewhere->n, NULL, remove);
	part->n_remove = n;
	part->add = add;
	part->remove = remove;
}

/* What goes, goes at the end, unless there is no room for both. */
static struct peer_part take_old(struct peer_part *part, size_t have, size_t max)
{
	struct peer_part old = { 0 };

	if (part->n_add && have + part->n_add > max)
		return old;
	old.remove = part->remove;
	old.n_remove = part->n_remove;
	part->remove = NULL;
	part->n_remove = 0;
	return old;
}

static void free_part(const struct peer_part *part)
{
	free((void *)part->add);
	free((void *)part->remove);
}

static void peer_request(struct change *c, const struct addr *endpoint,
			 const char *name)
{
	c->name = name;
	c->peer.endpoint = *endpoint;
}

/* What differs from what the peer has, when the documents speak of it. */
static bool peer_encap(struct change *c, const struct want_peer *p,
		       uint8_t encap, uint16_t dport)
{
	struct peer_change *pc = &c->peer;

	pc->has_encap = p->has_encap && p->encap != encap;
	pc->encap = p->encap;
	pc->has_dport = p->has_encap && p->dport != dport;
	pc->dport = p->dport;
	return pc->has_encap || pc->has_dport;
}

/* Who writes its routes. Without CIDRs that is nobody's question, and one of all addresses
 * has none but by word, whoever writes those of others.
 */
static uint8_t peer_routes(const struct want_peer *p)
{
	return p->routed || !p->parts ? IPMESH_PEER_ROUTES_IPMESH : IPMESH_PEER_ROUTES_NONE;
}

static bool other_routes(const struct want_peer *p, const struct peer *old)
{
	return old->tells_routes && p->parts && peer_routes(p) != old->routes;
}

static void new_peer(struct diff *d, const struct want_peer *p)
{
	struct change *c = diff_add(d, CHANGE_ADD, CHANGE_PEER, PHASE_PEER);
	struct prefix *add = xcalloc(p->n_cidrs, sizeof(*add));
	static const struct prefix_list none;

	peer_request(c, &p->endpoint, p->name);
	if (p->n_cidrs)
		memcpy(add, p->cidrs, p->n_cidrs * sizeof(*add));
	c->peer.name = *p->name ? p->name : NULL;
	c->peer.add = add;
	c->peer.n_add = p->n_cidrs;
	diff_part(&p->sources, &none, NULL, &c->peer.sources);
	diff_part(&p->froms, &none, NULL, &c->peer.froms);
	c->peer.flags = IPMESH_PEER_FLAGS_MOVE;
	peer_encap(c, p, IPMESH_ENCAP_DEVICE, 0);
	c->peer.routes = peer_routes(p);
	c->peer.has_routes = c->peer.routes != IPMESH_PEER_ROUTES_IPMESH;
}

/*
 * First what it gets, taken from whoever has it; what nobody wants goes at
 * the end.  So two peers that change places never lose a prefix.
 */
static void changed_peer(struct diff *d, const struct want_peer *p,
			 const struct peer *old)
{
	struct prefix *add = xcalloc(p->n_cidrs, sizeof(*add));
	struct prefix *remove = xcalloc(old->n_cidrs, sizeof(*remove));
	struct peer_part sources, froms, old_sources, old_froms;
	struct change *c, encap = { 0 };
	size_t n_add, n_remove;
	bool full;

	n_add = minus(p->cidrs, p->n_cidrs, old->cidrs, old->n_cidrs, NULL, add);
	n_remove = minus(old->cidrs, old->n_cidrs, p->cidrs, p->n_cidrs, d->want,
			 remove);
	/* Unless there is no room for both. */
	full = n_add && old->n_cidrs + n_add > IPMESH_MAX_CIDRS;
	diff_part(&p->sources, &old->sources, NULL, &sources);
	diff_part(&p->froms, &old->froms, &d->want->froms, &froms);
	old_sources = take_old(&sources, old->sources.n, IPMESH_MAX_SOURCES);
	old_froms = take_old(&froms, old->froms.n, IPMESH_MAX_FROMS);
	if (peer_encap(&encap, p, old->encap, old->dport) || n_add ||
	    sources.n_add || froms.n_add || other_routes(p, old) || strcmp(p->name, old->name)) {
		c = diff_add(d, CHANGE_SET, CHANGE_PEER, PHASE_PEER);
		if (full) {
			c->peer.remove = remove;
			c->peer.n_remove = n_remove;
		}
		peer_request(c, &p->endpoint, p->name);
		c->peer.name = strcmp(p->name, old->name) ? p->name : NULL;
		c->peer.add = add;
		c->peer.n_add = n_add;
		c->peer.sources = sources;
		c->peer.froms = froms;
		c->peer.flags = n_add || froms.n_add ? IPMESH_PEER_FLAGS_MOVE : 0;
		peer_encap(c, p, old->encap, old->dport);
		c->peer.has_routes = other_routes(p, old);
		c->peer.routes = peer_routes(p);
	} else {
		free(add);
		free_part(&sources);
		free_part(&froms);
	}
	if ((n_remove && !full) || old_sources.n_remove || old_froms.n_remove) {
		c = diff_add(d, CHANGE_SET, CHANGE_PEER, PHASE_OLD_PEER);
		peer_request(c, &p->endpoint, p->name);
		c->peer.remove = full ? NULL : remove;
		c->peer.n_remove = full ? 0 : n_remove;
		c->peer.sources = old_sources;
		c->peer.froms = old_froms;
	} else {
		if (!full)
			free(remove);
		free_part(&old_sources);
		free_part(&old_froms);
	}
}

static uint32_t max_peers(const struct diff *d)
{
	if (d->want->attrs.has & LINKATTR_BIT(IFLA_IPMESH_MAX_PEERS))
		return d->want->attrs.max_peers;
	return d->have->exists ? d->have->link.attrs.max_peers :
				 IPMESH_MAX_PEERS_DEFAULT;
}

static int diff_peers(struct diff *d)
{
	const struct want *w = d->want;
	const struct peers *old = &d->have->peers;
	uint32_t max = max_peers(d);
	size_t i = 0, k = 0, n_new = 0;
	struct change *c;
	int order;

	if (w->n_peers > max)
		return doc_fail(w->peers[max].at, "%zu peers, but the device %s takes %u: run: ipmesh link set %s max_peers %zu",
				w->n_peers, w->dev, max, w->dev, w->n_peers);

	/* Both are sorted by endpoint. */
	while (i < w->n_peers || k < old->n) {
		if (i == w->n_peers)
			order = 1;
		else if (k == old->n)
			order = -1;
		else
			order = addr_cmp(&w->peers[i].endpoint, &old->v[k].endpoint);
		if (order < 0) {
			new_peer(d, &w->peers[i++]);
			n_new++;
		} else if (order > 0) {
			c = diff_add(d, CHANGE_REMOVE, CHANGE_PEER, PHASE_OLD_PEER);
			peer_request(c, &old->v[k].endpoint, old->v[k].name);
			k++;
		} else {
			changed_peer(d, &w->peers[i++], &old->v[k++]);
		}
	}
	for (i = 0; old->n + n_new > max && i < d->n; i++)
		if (d->v[i].object == CHANGE_PEER && d->v[i].op == CHANGE_REMOVE)
			d->v[i].phase = PHASE_ROOM;
	return 0;
}

struct nat want_nat(const struct want *w, int family)
{
	size_t p6 = first_v6(w->pools, w->n_pools);
	size_t n6 = first_v6(w->nat, w->n_nat);

	bool host = false;

	/* Without an address of the device there is none to give. */
	for (size_t i = 0; w->nat_host && i < w->n_addresses; i++)
		host |= family_index(&w->addresses[i].addr) == family;
	if (!family)
		return (struct nat){ w->pools, w->nat, n6 ? p6 : 0, n6, host };
	return (struct nat){ w->pools + p6, w->nat + n6,
			     w->n_nat - n6 ? w->n_pools - p6 : 0, w->n_nat - n6, host };
}

static int diff_nat(struct diff *d)
{
	const struct want *w = d->want;
	const struct have *h = d->have;
	struct change *c;
	struct nat n;
	int i;

	if (h->nat_wrong) {
		/* A cluster of nodes works without natHost, as long as nobody asks. */
		if (!w->n_nat && !(w->nat_host && !w->node))
			return 0;
		err_refused("%s cannot be had: %s", w->n_nat ? "natOutgoing" : "natHost",
			    h->nat_wrong);
		return -1;
	}
	for (i = 0; i < FAMILIES; i++) {
		n = want_nat(w, i);
		if (nat_same(&h->nat[i], &n))
			continue;
		if (!n.n_nat && !n.host)
			c = diff_add(d, CHANGE_REMOVE, CHANGE_NAT, PHASE_OLD_NAT);
		else
			c = diff_add(d, h->nat[i].any ? CHANGE_SET : CHANGE_ADD,
				     CHANGE_NAT, PHASE_NAT);
		c->family = family_number(i);
	}
	return 0;
}

static void add_port(struct diff *d, uint16_t port)
{
	size_t i;

	if (!port)
		return;
	for (i = d->n_ports; i && d->ports[i - 1] > port; i--)
		;
	if (i && d->ports[i - 1] == port)
		return;
	memmove(&d->ports[i + 1], &d->ports[i], (d->n_ports - i) * sizeof(*d->ports));
	d->ports[i] = port;
	d->n_ports++;
}

/* Those of the device and of its peers: what the documents leave unsaid stays. */
static void find_ports(struct diff *d)
{
	const struct want *w = d->want;
	const struct have *h = d->have;
	size_t i;

	d->ports = xcalloc(1 + w->n_peers + h->peers.n, sizeof(*d->ports));
	if (w->attrs.has & LINKATTR_BIT(IFLA_IPMESH_DPORT))
		add_port(d, w->attrs.dport);
	else
		add_port(d, h->exists ? h->link.attrs.dport : IPMESH_DPORT_DEFAULT);
	for (i = 0; i < w->n_peers; i++)
		if (w->peers[i].has_encap)
			add_port(d, w->peers[i].dport);
	for (i = 0; i < h->peers.n; i++)
		add_port(d, h->peers.v[i].dport);
}

struct guard diff_guard(const struct diff *d, int family)
{
	const struct want *w = d->want;
	bool nat = want_nat(w, family).n_nat;

	return (struct guard){
		.wanted = nat || (w->has_pods && family == family_index(&w->attrs.local) &&
				  !d->have->nat_wrong),
		.nat = nat, .ports = d->ports, .n_ports = d->n_ports,
	};
}

/* After that of natOutgoing, whose sets it has, and before it when they go. */
static void diff_guards(struct diff *d)
{
	const struct have *h = d->have;
	struct change *c;
	struct guard g;

	find_ports(d);
	for (int i = 0; i < FAMILIES; i++) {
		g = diff_guard(d, i);
		if (guard_same(&h->guard[i], &g))
			continue;
		if (!g.wanted)
			c = diff_add(d, CHANGE_REMOVE, CHANGE_GUARD, PHASE_OLD_GUARD);
		else
			c = diff_add(d, h->guard[i].any ? CHANGE_SET : CHANGE_ADD,
				     CHANGE_GUARD, PHASE_NAT);
		c->family = family_number(i);
	}
}

/* By phase, and as found within one, which qsort() would not keep. */
static void sort(struct diff *d)
{
	struct change *v = xcalloc(d->n, sizeof(*v));
	size_t i, n = 0;
	int p;

	for (p = 0; p < PHASES; p++)
		for (i = 0; i < d->n; i++)
			if ((int)d->v[i].phase == p)
				v[n++] = d->v[i];
	free(d->v);
	d->v = v;
	d->cap = d->n;
}

int diff_compute(struct diff *d, const struct want *w, const struct have *h)
{
	memset(d, 0, sizeof(*d));
	d->want = w;
	d->have = h;
	if (check_family(w, h) || check_attrs(w, h))
		return -1;
	diff_device(d);
	diff_addresses(d);
	if (diff_peers(d) || diff_mtu(d) || diff_routes(d) || diff_nat(d) || diff_endpoints(d))
		return -1;
	diff_guards(d);
	sort(d);
	return 0;
}

void diff_free(struct diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].wrong);
		if (d->v[i].object == CHANGE_PEER) {
			free((void *)d->v[i].peer.add);
			free((void *)d->v[i].peer.remove);
			free_part(&d->v[i].peer.sources);
			free_part(&d->v[i].peer.froms);
		}
		if (d->v[i].object == CHANGE_ENDPOINTS)
			free(d->v[i].endpoints.v);
	}
	free(d->v);
	free(d->mtu);
	free(d->ports);
	memset(d, 0, sizeof(*d));
}
