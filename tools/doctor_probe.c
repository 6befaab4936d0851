// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ipmesh doctor --probe: whether each peer answers through the tunnel, whether this node's
 * pods reach one, and what of this host's firewall drops their packets.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "err.h"
#include "probe.h"

/* Each peer that does not answer takes as long, twice. */
#define TIMEOUT_MS	500
#define ASKED		2
#define PORTS_MAX	256

/* False: nobody can be asked. */
static bool ask(struct doctor *d, struct probe *p)
{
	const struct rtlink *link = &p->have->link;
	const struct peer *peer = p->peer;
	const char *wrong = NULL;
	struct finding *f;

	for (int i = 0; i < ASKED && !wrong && !p->received; i++)
		wrong = probe_tunnel(p);
	if (wrong) {
		f = doctor_find(d, SEVERITY_NOTE, "unasked",
				"whether they answer is not known",
				"peers cannot be asked: %s", wrong);
		finding_by_hand(f, "run this as root");
		return false;
	}
	if (p->received)
		return true;
	f = doctor_find(d, SEVERITY_PROBLEM, "peer_unreachable",
			"its pods cannot be reached from here, or cannot answer",
			"%s behind peer %s%s%s of %s does not answer%s%s", addr_str(&p->to),
			addr_str(&peer->endpoint), *peer->name ? " " : "", peer->name,
			link->name, p->tunnel.result == ECHO_ERROR ? ": " : "",
			p->tunnel.result == ECHO_ERROR ? p->tunnel.error : "");
	finding_by_hand(f, "see what passes: ipmesh probe %s dev %s; and look from there: ipmesh doctor",
			addr_str(&peer->endpoint), shell_word(link->name));
	return true;
}

/* The host reaches the peer: its pods have to, too. */
static void ask_as_pod(struct doctor *d, struct probe *p)
{
	struct finding *f;
	struct transit *t;

	if (!p->received || !transit_address(p->have, p->to.family, &p->pod))
		return;
	t = transit_open(d->nl, &p->pod, &p->unforwarded);
	if (!t) {
		f = doctor_find(d, SEVERITY_NOTE, "unasked",
				"whether pods of this node reach it is not known",
				"%s cannot be asked as a pod would: %s", addr_str(&p->to),
				p->unforwarded);
		finding_by_hand(f, "see that there is /dev/net/tun: modprobe tun");
		return;
	}
	probe_forward(p, t);
	transit_close(t);
	if (p->forward.result != ECHO_ANSWERED) {
		f = doctor_find(d, SEVERITY_PROBLEM, "pods_unreachable",
				"this host reaches the peer, and its pods do not",
				"what %s, an address of this node's pods, sends to %s by %s is not answered%s%s",
				addr_str(&p->pod), addr_str(&p->to), p->have->link.name,
				p->forward.result == ECHO_ERROR ? ": " : "",
				p->forward.result == ECHO_ERROR ? p->forward.error : "");
		finding_by_hand(f, "see whether this host forwards, what its firewall drops (the findings \"firewall\"), and the same on the peer");
	} else if (p->segments == TRANSIT_LOST) {
		f = doctor_find(d, SEVERITY_PROBLEM, "segments",
				"a network card cuts large segments wrongly: connections hang, and ping passes",
				"large TCP segments to %s are lost, where small ones pass",
				addr_str(&p->to));
		finding_by_hand(f, "for the underlay's device: %s", TRANSIT_LOST_MEND);
	}
}

static const char *what_it_is(const struct trace_drop *d)
{
	static char buf[48];

	if (d->proto == IPPROTO_ICMP || d->proto == IPPROTO_ICMPV6)
		return "packets of pods or of this host to pods";
	if (d->proto == IPPROTO_UDP)
		return "the tunnel's packets (UDP)";
	snprintf(buf, sizeof(buf), "the tunnel's packets (IP protocol %u)", d->proto);
	return buf;
}

static void tell_drops(struct doctor *d, struct trace *t)
{
	const struct trace_drop *v;
	struct finding *f;
	size_t n;

	v = trace_read(t, &n);
	for (size_t i = 0; i < n; i++) {
		f = doctor_find(d, SEVERITY_PROBLEM, "firewall",
				"what it drops neither arrives nor is told of",
				"%s dropped %s: %s", "this host's firewall", what_it_is(&v[i]),
				trace_str(&v[i]));
		finding_by_hand(f, "let them pass before that, where this firewall keeps its rules: %s",
				v[i].proto == IPPROTO_ICMP || v[i].proto == IPPROTO_ICMPV6 ?
				"from and to the tunnel's device" : "from and to all endpoints");
	}
}

/* iptables-legacy cannot be traced: who drops there is for a person to find. */
static void hint_legacy(struct doctor *d, const char *names, const char *program)
{
	struct finding *f;
	char name[64];
	FILE *file = fopen(names, "re");

	if (file && fgets(name, sizeof(name), file)) {
		f = doctor_find(d, SEVERITY_NOTE, "firewall_legacy",
				"what it drops cannot be traced",
				"something did not answer, and %s has tables on this host",
				program);
		finding_by_hand(f, "see which counters move: %s -L -n -v", program);
	}
	if (file)
		fclose(file);
}

static bool has_problem(const struct doctor *d, size_t from)
{
	for (size_t i = from; i < d->n; i++)
		if (d->v[i].severity == SEVERITY_PROBLEM)
			return true;
	return false;
}

static void add_port(uint16_t *ports, size_t *n, uint16_t port)
{
	for (size_t i = 0; i < *n; i++)
		if (ports[i] == port)
			return;
	if (port && *n < PORTS_MAX)
		ports[(*n)++] = port;
}

static struct trace *open_trace(struct doctor *d, const char **wrong)
{
	uint16_t ports[PORTS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < d->n_mesh; i++) {
		add_port(ports, &n, d->mesh[i].link.attrs.dport);
		for (size_t p = 0; p < d->mesh[i].peers.n; p++)
			add_port(ports, &n, d->mesh[i].peers.v[p].dport);
	}
	return trace_open(ports, n, wrong);
}

static struct probe probe_of(const struct have *h, const struct peer *peer)
{
	return (struct probe){
		.have = h, .peer = peer, .count = 1, .timeout_ms = TIMEOUT_MS,
	};
}

/* As a pod, of each family that nobody was asked of yet; false: nobody can be asked. */
static bool ask_families(struct doctor *d, const struct probe *reached, bool *families)
{
	for (int f = 0; f < FAMILIES; f++) {
		struct probe p = probe_of(reached->have, reached->peer);

		if (families[f] || !probe_first(p.peer, family_number(f), &p.to))
			continue;
		families[f] = true;
		if (!ask(d, &p))
			return false;
		ask_as_pod(d, &p);
	}
	return true;
}

/* Each peer once, and as a pod the first one that answers, of each family. */
static bool ask_device(struct doctor *d, const struct have *h)
{
	bool families[FAMILIES] = { false };

	for (size_t i = 0; i < h->peers.n; i++) {
		struct probe p = probe_of(h, &h->peers.v[i]);

		if (!probe_target(&p))
			continue;
		if (!ask(d, &p) || (p.received && !ask_families(d, &p, families)))
			return false;
	}
	return true;
}

void doctor_probe(struct doctor *d)
{
	const char *wrong;
	struct trace *t = open_trace(d, &wrong);
	size_t before = d->n;
	bool asked = true;
	struct finding *f;

	for (size_t i = 0; i < d->n_mesh && asked; i++)
		asked = ask_device(d, &d->mesh[i]);
	if (t)
		tell_drops(d, t);
	trace_close(t);
	if (!has_problem(d, before))
		return;
	if (!t) {
		f = doctor_find(d, SEVERITY_NOTE, "firewall_unread",
				"whether it lets the tunnel pass is not known",
				"this host's firewall cannot be asked: %s", wrong);
		finding_by_hand(f, "see nft list ruleset");
	}
	hint_legacy(d, "/proc/net/ip_tables_names", "iptables-legacy");
	hint_legacy(d, "/proc/net/ip6_tables_names", "ip6tables-legacy");
}
