// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's trace of packets through nftables. */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "echo.h"
#include "err.h"
#include "nft.h"
#include "nl.h"
#include "trace.h"

/* Before everything that drops: behind the reassembly of fragments nothing is lost, as
 * requests are small.
 */
#define PRIORITY	"-2147483647"
#define TABLE		"ipmesh-trace-"
#define EVENTS_BYTES	(4 << 20)
/* Packets whose first event told of their addresses, for the events that do not. */
#define PACKETS_MAX	256

struct packet {
	uint32_t id;
	struct addr from, to;
	uint8_t proto;
};

struct trace {
	struct nft_ctx *table;
	bool named;			/* it does not go with the handle */
	struct mnl_socket *events;
	struct packet packets[PACKETS_MAX];
	size_t turn;
	struct trace_drop *v;
	size_t n, cap;
};

/* Places of what is inside, in bits behind the outer header. */
static void put_rules(FILE *f, const uint16_t *ports, size_t n)
{
	unsigned int id = echo_ident();

	fprintf(f, "icmp id %u meta nftrace set 1\n", id);
	fprintf(f, "icmpv6 id %u meta nftrace set 1\n", id);
	/* RFC 2003: an IPv4 header and ICMP behind the outer one; RFC 4213: IPv6. */
	fprintf(f, "meta l4proto 4 @th,72,8 1 @th,192,16 %u meta nftrace set 1\n", id);
	fprintf(f, "meta l4proto 41 @th,48,8 58 @th,352,16 %u meta nftrace set 1\n", id);
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "udp dport %u @th,64,4 4 @th,136,8 1 @th,256,16 %u meta nftrace set 1\n",
			ports[i], id);
		fprintf(f, "udp dport %u @th,64,4 6 @th,112,8 58 @th,416,16 %u meta nftrace set 1\n",
			ports[i], id);
	}
}

static char *table_text(const uint16_t *ports, size_t n, bool owned)
{
	static const char *const hooks[] = { "prerouting", "output" };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return xstrdup("");
	fprintf(f, "table inet " TABLE "%d {\n%s", getpid(), owned ? "flags owner\n" : "");
	for (size_t i = 0; i < 2; i++) {
		fprintf(f, "chain %s {\ntype filter hook %s priority " PRIORITY "; policy accept;\n",
			hooks[i], hooks[i]);
		put_rules(f, ports, n);
		fprintf(f, "}\n");
	}
	fprintf(f, "}\n");
	fclose(f);
	return text;
}

static struct nft_ctx *make_table(const uint16_t *ports, size_t n, bool owned,
				  const char **wrong)
{
	char *text = table_text(ports, n, owned);
	struct nft_ctx *ctx = nft_hold(text, wrong);

	free(text);
	return ctx;
}

static void delete_table(int pid)
{
	char *name = xasprintf("inet " TABLE "%d", pid);

	nft_delete_table(name);
	free(name);
}

/* Tables without an owner stay when a program is killed, until the next one comes. */
static void delete_left(void)
{
	const char *wrong, *name;
	const json_t *item;
	json_t *v;
	size_t i;
	int pid;

	v = nft_list("list tables inet", &wrong);
	json_array_foreach(v, i, item) {
		name = json_string_value(json_object_get(json_object_get(item, "table"), "name"));
		if (name && sscanf(name, TABLE "%d", &pid) == 1 && pid > 0 &&
		    kill(pid, 0) && errno == ESRCH)
			delete_table(pid);
	}
	json_decref(v);
}

static struct mnl_socket *listen_events(void)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int group = NFNLGRP_NFTRACE, size = EVENTS_BYTES;

	if (!s)
		return NULL;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_setsockopt(s, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group))) {
		mnl_socket_close(s);
		return NULL;
	}
	/* More than this needs root; less loses what another program traces, too. */
	setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return s;
}

struct trace *trace_open(const uint16_t *ports, size_t n, const char **wrong)
{
	struct trace *t = xcalloc(1, sizeof(*t));

	t->table = make_table(ports, n, true, wrong);
	if (!t->table) {
		/* Older kernels have no tables with an owner. */
		delete_left();
		t->table = make_table(ports, n, false, wrong);
		t->named = t->table;
	}
	if (!t->table) {
		free(t);
		return NULL;
	}
	t->events = listen_events();
	if (!t->events) {
		*wrong = strerror(errno);
		trace_close(t);
		return NULL;
	}
	return t;
}

static void forget(struct trace *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].rule);
	t->n = 0;
}

void trace_close(struct trace *t)
{
	if (!t)
		return;
	forget(t);
	free(t->v);
	if (t->events)
		mnl_socket_close(t->events);
	nft_release(t->table);
	if (t->named)
		delete_table(getpid());
	free(t);
}

/* --- events ----------------------------------------------------------------------- */

static uint32_t be32_of(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= 4 ? ntohl(mnl_attr_get_u32(a)) : 0;
}

static uint64_t be64_of(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) >= 8 ? be64toh(mnl_attr_get_u64(a)) : 0;
}

static struct packet *packet_of(struct trace *t, uint32_t id)
{
	for (size_t i = 0; i < PACKETS_MAX; i++)
		if (t->packets[i].id == id)
			return &t->packets[i];
	t->turn = (t->turn + 1) % PACKETS_MAX;
	t->packets[t->turn] = (struct packet){ .id = id };
	return &t->packets[t->turn];
}

/* A chain's first event has the packet's header: outer and inner may share a number. */
static void read_header(struct packet *p, const struct nlattr *a)
{
	const uint8_t *h;
	size_t n;

	if (!a)
		return;
	h = mnl_attr_get_payload(a);
	n = mnl_attr_get_payload_len(a);
	if (n >= 20 && h[0] >> 4 == 4) {
		p->proto = h[9];
		addr_from_bytes(&p->from, h + 12, 4);
		addr_from_bytes(&p->to, h + 16, 4);
	} else if (n >= 40 && h[0] >> 4 == 6) {
		p->proto = h[6];
		addr_from_bytes(&p->from, h + 8, 16);
		addr_from_bytes(&p->to, h + 24, 16);
	}
}

static const char *family_word(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4: return "ip";
	case NFPROTO_IPV6: return "ip6";
	case NFPROTO_INET: return "inet";
	case NFPROTO_BRIDGE: return "bridge";
	case NFPROTO_NETDEV: return "netdev";
	}
	return "";
}

static void add_drop(struct trace *t, const struct trace_drop *d)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->v[i].family, d->family) && !strcmp(t->v[i].table, d->table) &&
		    !strcmp(t->v[i].chain, d->chain) && t->v[i].handle == d->handle &&
		    t->v[i].proto == d->proto && t->v[i].to.family == d->to.family) {
			t->v[i].packets++;
			return;
		}
	t->v = xgrow(t->v, t->n, &t->cap, sizeof(*t->v));
	t->v[t->n++] = *d;
}

static void on_event(struct trace *t, const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[NFTA_TRACE_POLICY + 1], *v[NFTA_VERDICT_CODE + 1];
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(nlh);
	struct trace_drop d = { .hook = "", .packets = 1 };
	struct packet *p;
	uint32_t type;

	if (nlh->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE) ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*g))
		return;
	nl_parse(nlh, sizeof(*g), tb, NFTA_TRACE_POLICY);
	p = packet_of(t, be32_of(tb[NFTA_TRACE_ID]));
	read_header(p, tb[NFTA_TRACE_NETWORK_HEADER]);
	type = be32_of(tb[NFTA_TRACE_TYPE]);
	if (type == NFT_TRACETYPE_POLICY) {
		if (be32_of(tb[NFTA_TRACE_POLICY]) != NF_DROP)
			return;
	} else if (type == NFT_TRACETYPE_RULE && tb[NFTA_TRACE_VERDICT]) {
		nl_parse_nest(tb[NFTA_TRACE_VERDICT], v, NFTA_VERDICT_CODE);
		if (!v[NFTA_VERDICT_CODE] || be32_of(v[NFTA_VERDICT_CODE]) != NF_DROP)
			return;
		d.handle = be64_of(tb[NFTA_TRACE_RULE_HANDLE]);
	} else {
		return;
	}
	snprintf(d.family, sizeof(d.family), "%s", family_word(g->nfgen_family));
	nl_str(d.table, sizeof(d.table), tb[NFTA_TRACE_TABLE]);
	nl_str(d.chain, sizeof(d.chain), tb[NFTA_TRACE_CHAIN]);
	d.from = p->from;
	d.to = p->to;
	d.proto = p->proto;
	add_drop(t, &d);
}

static const char *hook_of(const char *chain)
{
	static const char *const hooks[] = {
		"prerouting", "input", "forward", "output", "postrouting", "ingress", "egress",
	};
	char what[32];

	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++) {
		snprintf(what, sizeof(what), " hook %s ", hooks[i]);
		if (strstr(chain, what))
			return hooks[i];
	}
	return "";
}

/* A name may be anything for the kernel; nft's language would take more out of it. */
static bool is_word(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";

	return *name && strspn(name, plain) == strlen(name) && isalpha((unsigned char)*name);
}

/* The rule's words: the line of the chain that ends with its number. */
static void find_rule(struct trace_drop *d)
{
	const char *wrong, *line, *end;
	char cmd[192], mark[40];
	char *text;

	if (!is_word(d->table) || !is_word(d->chain))
		return;
	snprintf(cmd, sizeof(cmd), "list chain %s %s %s", d->family, d->table, d->chain);
	text = nft_text(cmd, &wrong);
	if (!text)
		return;
	d->hook = hook_of(text);
	snprintf(mark, sizeof(mark), " # handle %llu\n", (unsigned long long)d->handle);
	end = d->handle ? strstr(text, mark) : NULL;
	if (end) {
		for (line = end; line > text && line[-1] != '\n'; line--)
			;
		line += strspn(line, " \t");
		d->rule = xasprintf("%.*s", (int)(end - line), line);
	}
	free(text);
}

const struct trace_drop *trace_read(struct trace *t, size_t *n)
{
	static char buf[1 << 16];
	const struct nlmsghdr *nlh;
	ssize_t got;
	int left;

	forget(t);
	for (;;) {
		got = mnl_socket_recvfrom(t->events, buf, sizeof(buf));
		/* Of what was lost the kernel tells once. */
		if (got < 0 && errno == ENOBUFS)
			continue;
		if (got <= 0)
			break;
		nlh = (const void *)buf;
		for (left = (int)got; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			on_event(t, nlh);
	}
	for (size_t i = 0; i < t->n; i++)
		find_rule(&t->v[i]);
	*n = t->n;
	return t->v;
}

const char *trace_str(const struct trace_drop *d)
{
	static char *bufs[4];
	static unsigned int turn;
	char **buf = &bufs[turn++ % 4], *rule;

	free(*buf);
	if (!d->handle)
		rule = xstrdup(": its policy is drop");
	else if (d->rule)
		rule = xasprintf(" by its rule %llu: %s", (unsigned long long)d->handle,
				 err_safe(d->rule));
	else
		rule = xasprintf(" by its rule %llu", (unsigned long long)d->handle);
	*buf = xasprintf("%s %s %s%s%s drops %s > %s%s", d->family, err_safe(d->table),
			 err_safe(d->chain), *d->hook ? ", " : "", d->hook, addr_str(&d->from),
			 addr_str(&d->to), rule);
	free(rule);
	return *buf;
}
