// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: whether this host's firewall lets the tunnel's packets pass. */
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "err.h"
#include "fw.h"
#include "nft.h"

/* Peers that are asked about: each takes a walk through all rules. */
#define PEERS_MAX	256

const char *fw_read(struct fw *fw)
{
	const char *wrong;

	memset(fw, 0, sizeof(*fw));
	fw->legacy = fw_legacy_read();
	fw->nft = nft_list("list ruleset", &wrong);
	return wrong;
}

void fw_free(struct fw *fw)
{
	json_decref(fw->nft);
	fw_legacy_free(fw->legacy);
}

enum fw_verdict fw_judge(const struct fw *fw, const struct fw_packet *p,
			 struct fw_where *where)
{
	struct fw_where legacy;
	enum fw_verdict v = fw_nft_judge(fw->nft, p, where);
	enum fw_verdict l = fw_legacy_judge(fw->legacy, p, &legacy);

	if (l <= v)
		return v;
	*where = legacy;
	return l;
}

/* One chain that drops, and the peers that it drops packets of. */
struct blocked {
	struct fw_packet packet;	/* the first one */
	struct fw_where where;
	enum fw_verdict verdict;
	char *peers;			/* outer addresses, with commas */
	const struct peer *last;	/* the one that it was told of last */
	size_t n;
	bool heard;			/* one of them */
};

static bool same_where(const struct fw_where *a, const struct fw_where *b)
{
	return !a->family == !b->family && (!a->family || !strcmp(a->family, b->family)) &&
	       !strcmp(a->table, b->table) && !strcmp(a->chain, b->chain);
}

static const char *carrier(const struct fw_packet *p)
{
	static char buf[24];

	if (p->proto == IPPROTO_UDP)
		snprintf(buf, sizeof(buf), "UDP port %u", p->dport);
	else
		snprintf(buf, sizeof(buf), "IP protocol %u", p->proto);
	return buf;
}

/* iptables-nft's own tables: its program is to change them. */
static bool of_iptables(const struct fw_where *w)
{
	return w->family && (!strcmp(w->family, "ip") || !strcmp(w->family, "ip6")) &&
	       (!strcmp(w->table, "filter") || !strcmp(w->table, "mangle") ||
		!strcmp(w->table, "raw")) && isupper((unsigned char)*w->chain);
}

static void mend_iptables(struct finding *f, const struct blocked *b)
{
	const struct fw_where *w = &b->where;
	bool v6 = b->packet.saddr.family == AF_INET6;
	char port[24] = "";

	if (b->packet.dport)
		snprintf(port, sizeof(port), " --dport %u", b->packet.dport);
	finding_mend_net(f, "ip%stables-%s -t %s -I %s -p %u%s -%c %s -j ACCEPT",
			 v6 ? "6" : "", w->family ? "nft" : "legacy", w->table,
			 w->chain, b->packet.proto, port, b->packet.in ? 's' : 'd',
			 b->peers);
}

static void mend_nft(struct finding *f, const struct blocked *b)
{
	const struct fw_where *w = &b->where;
	bool v6 = b->packet.saddr.family == AF_INET6;
	char what[40];

	if (b->packet.dport)
		snprintf(what, sizeof(what), "udp dport %u", b->packet.dport);
	else
		snprintf(what, sizeof(what), "meta l4proto %u", b->packet.proto);
	finding_mend_net(f, "nft 'insert rule %s %s %s %s %caddr { %s } %s accept'",
			 w->family, w->table, w->chain, v6 ? "ip6" : "ip",
			 b->packet.in ? 's' : 'd', b->peers, what);
}

static void tell(struct doctor *d, const struct have *h, const struct blocked *b)
{
	const struct fw_where *w = &b->where;
	bool sure = b->verdict == FW_DROP;
	struct finding *f;

	/* It may pass, and did. */
	if (!sure && b->heard)
		return;
	f = doctor_find(d, sure ? SEVERITY_PROBLEM : SEVERITY_WARNING,
			b->packet.in ? "firewall_in" : "firewall_out",
			b->packet.in ? "what peers send does not arrive" :
			"what is sent to peers does not leave this host",
			"%s %s %s%s %s %s %zu peer%s of %s: %s",
			w->family ? w->family : "iptables-legacy", w->table, w->chain,
			sure ? " drops" : " may drop", carrier(&b->packet),
			b->packet.in ? "from" : "to", b->n, b->n > 1 ? "s" : "",
			h->link.name, b->peers);
	if (!sure) {
		finding_by_hand(f, "some of its rules cannot be judged from here; ask a peer: ipmesh probe ENDPOINT dev %s",
				shell_word(h->link.name));
		return;
	}
	if (!w->family || of_iptables(w))
		mend_iptables(f, b);
	else
		mend_nft(f, b);
	finding_by_hand(f, "for the next boot, and for new peers, the same where this firewall keeps its rules");
}

/* The protocols that carry something to this peer: two inside IP, one by UDP. */
static size_t carriers(const struct have *h, const struct peer *p, struct fw_packet *v)
{
	uint8_t encap = p->encap == IPMESH_ENCAP_DEVICE ? h->link.attrs.encap : p->encap;
	bool families[FAMILIES] = { false };
	size_t n = 0;

	if (encap == IPMESH_ENCAP_UDP) {
		v[n].proto = IPPROTO_UDP;
		v[n++].dport = p->dport ? p->dport : h->link.attrs.dport;
		return n;
	}
	for (size_t c = 0; c < p->n_cidrs; c++)
		families[family_index(&p->cidrs[c].addr)] = true;
	if (families[0] || !families[1])
		v[n++].proto = IPPROTO_IPIP;
	if (families[1])
		v[n++].proto = IPPROTO_IPV6;
	return n;
}

static const char *local_device(struct doctor *d, const struct have *h,
				const struct addr *endpoint, struct addr *local)
{
	const struct rtlink *l;
	uint32_t oif = h->link.attrs.link;
	struct hop hop;

	if (!oif) {
		if (!have_underlay(h, endpoint, &hop))
			return NULL;
		oif = hop.oif;
	}
	*local = h->link.attrs.local;
	for (size_t i = 0; addr_is_any(local) && i < h->addrs.n; i++)
		if (h->addrs.v[i].ifindex == oif && !h->addrs.v[i].scope &&
		    h->addrs.v[i].addr.addr.family == endpoint->family)
			*local = h->addrs.v[i].addr.addr;
	l = doctor_link(d, oif);
	return l && local->family ? l->name : NULL;
}

struct all_blocked {
	struct blocked *v;
	size_t n, cap;
};

/* @who: the peer's outer addresses that the packet is one of, for a rule. */
static void judge(const struct fw *fw, struct fw_packet *p, const struct peer *peer,
		  const char *who, struct all_blocked *all)
{
	struct fw_where where;
	enum fw_verdict v = fw_judge(fw, p, &where);
	struct blocked *b = NULL;
	char *more;

	if (v == FW_PASS)
		return;
	for (size_t i = 0; i < all->n && !b; i++)
		if (all->v[i].verdict == v && all->v[i].packet.in == p->in &&
		    all->v[i].packet.proto == p->proto &&
		    all->v[i].packet.dport == p->dport &&
		    same_where(&all->v[i].where, &where))
			b = &all->v[i];
	if (!b) {
		all->v = xgrow(all->v, all->n, &all->cap, sizeof(*all->v));
		b = &all->v[all->n++];
		*b = (struct blocked){ .packet = *p, .where = where, .verdict = v };
	}
	more = b->peers ? xasprintf("%s,%s", b->peers, who) : xstrdup(who);
	free(b->peers);
	b->peers = more;
	b->n += b->last != peer;
	b->last = peer;
	b->heard |= peer->stats.heard;
}

/* Of an outer prefix one address stands for all. */
static void judge_froms(const struct fw *fw, struct fw_packet *v, const struct peer *p,
			struct all_blocked *all)
{
	const struct prefix *from;

	v->in = true;
	for (size_t i = 0; i < p->froms.n; i++) {
		from = &p->froms.v[i];
		v->saddr = from->len < addr_bits(&from->addr) ? prefix_nth(from, 1) :
								from->addr;
		judge(fw, v, p, prefix_or_host_str(from), all);
	}
}

static void one_device(struct doctor *d, const struct have *h, const struct fw *fw)
{
	struct all_blocked all = { 0 };
	const char *dev;
	size_t n;

	for (size_t i = 0; i < h->peers.n && i < PEERS_MAX; i++) {
		const struct peer *p = &h->peers.v[i];
		struct fw_packet v[2] = { 0 };
		struct addr local = { 0 };

		dev = local_device(d, h, &p->endpoint, &local);
		if (!dev)
			continue;
		n = carriers(h, p, v);
		for (size_t k = 0; k < n; k++) {
			v[k].dev = dev;
			v[k].untracked = h->link.attrs.notrack;
			v[k].in = true;
			v[k].saddr = p->endpoint;
			v[k].daddr = local;
			judge(fw, &v[k], p, addr_str(&p->endpoint), &all);
			judge_froms(fw, &v[k], p, &all);
			v[k].in = false;
			v[k].saddr = local;
			v[k].daddr = p->endpoint;
			judge(fw, &v[k], p, addr_str(&p->endpoint), &all);
		}
	}
	for (size_t i = 0; i < all.n; i++) {
		tell(d, h, &all.v[i]);
		free(all.v[i].peers);
	}
	free(all.v);
}

void doctor_firewall(struct doctor *d)
{
	const char *wrong;
	struct finding *f;
	struct fw fw;

	wrong = fw_read(&fw);
	if (wrong) {
		f = doctor_find(d, SEVERITY_NOTE, "firewall_unread",
				"whether it lets the tunnel pass is not known",
				"the rules of nftables cannot be read: %s", wrong);
		finding_by_hand(f, "see nft list ruleset");
	}
	for (size_t i = 0; i < d->n_mesh; i++)
		one_device(d, &d->mesh[i], &fw);
	for (size_t i = 0; i < d->n_mesh; i++)
		doctor_guard(d, &d->mesh[i], &fw);
	fw_free(&fw);
}
