// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh probe: asks a peer, through the tunnel and beside it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "err.h"
#include "out.h"
#include "probe.h"

static const char usage[] =
	"Usage: ipmesh probe PEER [dev DEV] [to ADDRESS] [count N] [timeout MS]\n"
	"\n"
	"Asks a peer by ICMP echo: its endpoint in the underlay, an address behind it\n"
	"through the tunnel, with growing packets for the path MTU, and whether IP in IP\n"
	"and UDP pass, whichever of both the peer has; and the same as a pod of this node\n"
	"would, with large TCP segments. What this host's firewall drops of it is named, rule by\n"
	"rule. For that moment there are a table of nftables and a TUN device; nothing stays.\n"
	"\n"
	"PEER is an endpoint, the name of a peer, or an address in its pod CIDRs.\n"
	"\n"
	"  dev DEV       the device, where there are several\n"
	"  to ADDRESS    ask this one behind the peer; default: PEER if it is such an\n"
	"                address, else the first of the peer's first CIDR, which is the\n"
	"                tunnel address of its node\n"
	"  count N       requests through the tunnel (3)\n"
	"  timeout MS    how long to wait for each answer (1000)\n"
	"\n"
	"Exit status: 0 the peer answers through the tunnel, to pods too; 1 it does not;\n"
	"2 wrong usage.\n";

struct request {
	const char *peer, *dev;
	struct addr to;
	uint32_t count, timeout;
};

static bool read_words(struct args *a, struct request *r)
{
	bool dev = false, to = false, count = false, timeout = false;
	const char *w, *v, *why;

	while ((w = args_word(a))) {
		if (!strcmp(w, "dev") && r->peer) {
			if (!args_once(a, &dev, w) || !(r->dev = args_value(a, w)))
				return false;
			why = rtlink_check_name(r->dev);
			if (why)
				return args_wrong(a, w, why);
		} else if (!strcmp(w, "to") && r->peer) {
			if (!args_once(a, &to, w) || !(v = args_value(a, w)))
				return false;
			why = addr_parse(&r->to, v);
			if (why)
				return args_wrong(a, w, why);
		} else if (!strcmp(w, "count") && r->peer) {
			if (!args_once(a, &count, w) ||
			    !args_number(a, w, 1, 1000, &r->count))
				return false;
		} else if (!strcmp(w, "timeout") && r->peer) {
			if (!args_once(a, &timeout, w) ||
			    !args_number(a, w, 1, 60000, &r->timeout))
				return false;
		} else if (!r->peer && !strcmp(w, "help")) {
			a->help = true;
		} else if (!r->peer && *w) {
			r->peer = w;
		} else {
			a->status = err_unknown("probe", w);
		}
	}
	if (!a->status && !a->help && !r->peer)
		a->status = err_missing("probe", "PEER");
	return !a->status;
}

/* By endpoint, by a pod's address, or by name. */
static const struct peer *find(const struct peers *l, const char *word, struct addr *to)
{
	const struct peer *found = NULL;
	const struct prefix *best = NULL;
	struct addr a;

	if (addr_parse(&a, word)) {
		for (size_t i = 0; i < l->n; i++)
			if (!strcmp(l->v[i].name, word))
				return &l->v[i];
		return NULL;
	}
	found = peers_find(l, &a);
	if (found)
		return found;
	for (size_t i = 0; i < l->n; i++)
		for (size_t c = 0; c < l->v[i].n_cidrs; c++) {
			const struct prefix *p = &l->v[i].cidrs[c];

			if (!prefix_contains(p, &a) || (best && best->len >= p->len))
				continue;
			best = p;
			found = &l->v[i];
		}
	if (found && !to->family)
		*to = a;
	return found;
}

/* Does the host reach it, and do its pods where they were asked for? */
static bool probe_passes(const struct probe *p)
{
	return p->received && (p->unforwarded || (p->forward.result == ECHO_ANSWERED &&
						  p->segments != TRANSIT_LOST));
}

static void show_answer(const char *key, const struct echo_answer *a)
{
	static const char *const results[] = {
		[ECHO_SILENT] = "silent", [ECHO_ANSWERED] = "answered",
		[ECHO_ERROR] = "error",
	};

	out_obj(key);
	out_str("result", NULL, results[a->result]);
	if (a->result == ECHO_ANSWERED)
		out_u64("us", NULL, (uint64_t)(a->ms * 1000));
	else
		out_null("us", NULL);
	if (a->result == ECHO_ERROR)
		out_str("error", NULL, a->error);
	else
		out_null("error", NULL);
	out_end();
}

/* What an answer says of the way, in words. */
static void say_passes(const struct echo_answer *a, const char *passes)
{
	if (a->result == ECHO_ANSWERED)
		out_text("passes");
	else if (a->unreachable_port || a->unreachable_proto)
		out_text("%s (%s)", passes, a->error);
	else if (a->result == ECHO_ERROR)
		out_text("does not pass: %s", a->error);
	else
		out_text("no answer: it is dropped on the way, or the peer does not take it");
	out_text("\n");
}

static void show_tunnel(const struct probe *p)
{
	bool good = p->received;

	out_text("    tunnel      ");
	out_mark(good ? OUT_GOOD : OUT_BAD);
	out_u64("received", "%" PRIu64, p->received);
	out_u64("sent", " of %" PRIu64 " answered", p->sent);
	out_mark(OUT_PLAIN);
	if (good)
		out_text(", %.2f/%.2f/%.2f ms", p->min_ms, p->sum_ms / p->received,
			 p->max_ms);
	else if (p->tunnel.result == ECHO_ERROR)
		out_text(": %s", p->tunnel.error);
	if (good && out_is_json()) {
		out_u64("min_us", NULL, (uint64_t)(p->min_ms * 1000));
		out_u64("avg_us", NULL, (uint64_t)(p->sum_ms * 1000 / p->received));
		out_u64("max_us", NULL, (uint64_t)(p->max_ms * 1000));
	}
	out_text("\n");
	show_answer("tunnel", &p->tunnel);
}

static void show_mtu(const struct probe *p)
{
	if (!p->mtu) {
		out_null("path_mtu", NULL);
	} else {
		out_u64("path_mtu", "    path MTU    %" PRIu64, p->mtu);
		out_text(" (%s has %u)%s\n", p->have->link.name, p->have->link.mtu, p->black_hole ?
			 "; larger packets vanish and nobody tells: lower it" : "");
	}
	out_u64("device_mtu", NULL, p->have->link.mtu);
	out_bool("black_hole", NULL, p->black_hole);
}

static void show_carriers(const struct probe *p)
{
	unsigned int proto = p->to.family == AF_INET6 ? 41 : 4;

	out_u64("protocol", NULL, proto);
	if (!p->asked) {
		out_null("ip", NULL);
		out_null("udp", NULL);
		out_text("    %s has no address for an answer: IP in IP and UDP cannot be asked one by one\n",
			 p->have->link.name);
		return;
	}
	out_text("    protocol %-2u ", proto);
	say_passes(&p->ip, "it comes there, but the peer has no tunnel");
	show_answer("ip", &p->ip);
	out_text("    UDP %-7u ", p->dport);
	say_passes(&p->udp, "it comes there, but the peer does not listen");
	show_answer("udp", &p->udp);
}

static void show_forward(const struct probe *p)
{
	static const char *const tcp[] = {
		[TRANSIT_SILENT] = "silent", [TRANSIT_PASSES] = "answered",
		[TRANSIT_LOST] = "lost",
	};

	if (p->pod.family)
		out_str("pod", NULL, addr_str(&p->pod));
	else
		out_null("pod", NULL);
	if (p->unforwarded) {
		out_null("forward", NULL);
		out_null("segments", NULL);
		out_text("    as a pod    not asked: %s\n", p->unforwarded);
		return;
	}
	out_text("    as a pod    ");
	if (p->forward.result == ECHO_ANSWERED)
		out_text("answered, %.2f ms, to %s\n", p->forward.ms, addr_str(&p->pod));
	else
		out_text("%s\n", p->forward.result == ECHO_ERROR ? p->forward.error :
			 "no answer: pods of this node do not reach it");
	show_answer("forward", &p->forward);
	if (p->forward.result != ECHO_ANSWERED) {
		out_null("segments", NULL);
		return;
	}
	out_str("segments", NULL, tcp[p->segments]);
	if (p->segments == TRANSIT_PASSES)
		out_text("    TCP         large segments pass\n");
	else if (p->segments == TRANSIT_LOST)
		out_text("    TCP         large segments are lost where small ones pass: a network card cuts them wrongly; for the underlay's device: %s\n",
			 TRANSIT_LOST_MEND);
	else
		out_text("    TCP         no answer to a segment of no connection: a firewall may drop it\n");
}

/* iptables-legacy cannot be traced: its tables are named, where something was dropped. */
static void hint_legacy(const struct probe *p)
{
	FILE *f = fopen(p->to.family == AF_INET6 ? "/proc/net/ip6_tables_names" :
			"/proc/net/ip_tables_names", "re");
	char name[64];
	bool any = false;

	while (f && fgets(name, sizeof(name), f)) {
		name[strcspn(name, "\n")] = '\0';
		out_text("%s%s", any ? ", " : "    legacy      iptables-legacy cannot be traced, and has tables here: ",
			 err_safe(name));
		any = true;
	}
	if (any)
		out_text("; see ip%stables-legacy -t TABLE -L -n -v\n",
			 p->to.family == AF_INET6 ? "6" : "");
	if (f)
		fclose(f);
}

static void show_drops(const struct probe *p)
{
	bool passes = probe_passes(p);

	out_arr("drops");
	for (size_t i = 0; i < p->n_drops; i++) {
		const struct trace_drop *d = &p->drops[i];

		out_obj(NULL);
		out_text("    dropped     %s\n", trace_str(d));
		out_str("family", NULL, d->family);
		out_str("table", NULL, d->table);
		out_str("chain", NULL, d->chain);
		out_str("hook", NULL, d->hook);
		if (d->handle)
			out_u64("handle", NULL, d->handle);
		else
			out_null("handle", NULL);
		if (d->rule)
			out_str("rule", NULL, d->rule);
		else
			out_null("rule", NULL);
		out_str("from", NULL, addr_str(&d->from));
		out_str("to", NULL, addr_str(&d->to));
		out_u64("protocol", NULL, d->proto);
		out_end();
	}
	out_end();
	if (!passes && !p->trace)
		out_text("    this host's firewall is not asked: %s\n", p->untraced);
	if (!passes)
		hint_legacy(p);
}

/* What follows from all of it. */
static void conclude(const struct probe *p)
{
	uint8_t encap = p->peer->encap == IPMESH_ENCAP_DEVICE ? p->have->link.attrs.encap :
			p->peer->encap;

	if (p->received || !p->asked)
		return;
	if (encap == IPMESH_ENCAP_NONE && (p->ip.unreachable_port || p->ip.unreachable_proto))
		out_text("    the host has no tunnel that takes this: its device is missing, down, or has another local address\n");
	else if (encap == IPMESH_ENCAP_NONE && p->ip.result != ECHO_ANSWERED &&
		 (p->udp.result == ECHO_ANSWERED || p->udp.unreachable_port))
		out_text("    UDP passes where IP in IP does not: encap udp on both devices would work\n");
	else if (encap == IPMESH_ENCAP_UDP && p->ip.result == ECHO_ANSWERED)
		out_text("    IP in IP passes where UDP does not: encap none would work\n");
	else if (p->underlay.result == ECHO_ANSWERED && p->ip.result == ECHO_SILENT)
		out_text("    the host answers, but not by the tunnel: a firewall, or it does not know this peer (ipmesh doctor there)\n");
}

static void show(const struct probe *p)
{
	out_obj(NULL);
	out_str("endpoint", "peer %s", addr_str(&p->peer->endpoint));
	if (*p->peer->name)
		out_str("name", " %s", p->peer->name);
	else
		out_null("name", NULL);
	out_str("device", " of %s", p->have->link.name);
	out_str("to", ", to %s\n", addr_str(&p->to));
	if (p->from.family)
		out_str("from", NULL, addr_str(&p->from));
	else
		out_null("from", NULL);
	out_text("    underlay    ");
	if (p->underlay.result == ECHO_ANSWERED)
		out_text("answers, %.2f ms\n", p->underlay.ms);
	else
		out_text("%s\n", p->underlay.result == ECHO_ERROR ? p->underlay.error :
			 "no answer (it may drop ICMP)");
	show_answer("underlay", &p->underlay);
	show_tunnel(p);
	show_mtu(p);
	show_carriers(p);
	show_forward(p);
	show_drops(p);
	conclude(p);
	out_bool("reachable", NULL, p->received);
	out_end();
}

static int probe(struct nl *nl, const struct request *r)
{
	struct have h = { 0 };
	struct probe p = {
		.have = &h, .to = r->to, .count = r->count, .timeout_ms = r->timeout,
	};
	const char *wrong;
	struct rtlink l;
	int rc;

	rc = rtlink_find(nl, r->dev, &l);
	if (!rc && have_read(&h, nl, l.name))
		rc = EXIT_REFUSED;
	if (rc)
		goto out;
	p.peer = find(&h.peers, r->peer, &p.to);
	if (!p.peer) {
		rc = err_refused("%s has no peer \"%s\", by endpoint, name or pod address; see ipmesh peer show",
				 l.name, err_safe(r->peer));
		goto out;
	}
	if (!probe_target(&p)) {
		rc = err_refused("peer %s has no pod CIDR; say whom to ask: to ADDRESS",
				 addr_str(&p.peer->endpoint));
		goto out;
	}
	wrong = probe_all(&p);
	if (wrong) {
		rc = err_refused("cannot ask peer %s: %s", addr_str(&p.peer->endpoint), wrong);
		goto out;
	}
	show(&p);
	rc = out_flush();
	if (!rc && !probe_passes(&p))
		rc = EXIT_REFUSED;
out:
	trace_close(p.trace);
	have_free(&h);
	return rc;
}

int cmd_probe(int argc, char **argv)
{
	struct request r = { .count = 3, .timeout = 1000 };
	struct args a = { .cmd = "probe", .at = argv + 1 };
	struct nl *nl;
	int rc;

	(void)argc;
	read_words(&a, &r);
	if (a.help)
		return cmd_help(usage);
	if (a.status)
		return a.status;
	nl = nl_open();
	rc = probe(nl, &r);
	nl_close(nl);
	return rc;
}
