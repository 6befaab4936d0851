// SPDX-License-Identifier: GPL-2.0-or-later
/* A packet's way through the rules of nftables, as libnftables gives them. */
#include <arpa/inet.h>
#include <fnmatch.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fw.h"
#include "nft.h"

#define DEPTH_MAX	16		/* of jumps, as in the kernel */

enum tri { NO, YES, UNKNOWN };

/* How a chain ends; CONTINUE at its end or by return. */
enum end { END_CONTINUE, END_ACCEPT, END_DROP };

struct walk {
	const json_t *nft;
	const struct fw_packet *p;
	const char *family, *table;
	bool unsure;			/* a rule may have accepted before */
	unsigned int depth;
};

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* --- values ------------------------------------------------------------------ */

/* The packet's value of an expression. */
struct value {
	enum { V_UNKNOWN, V_ABSENT, V_NUMBER, V_PROTO, V_WORD, V_ADDR } kind;
	long number;
	const char *word;
	struct addr addr;
};

static struct value number(long n)
{
	return (struct value){ .kind = V_NUMBER, .number = n };
}

static struct value word(const char *w)
{
	return (struct value){ .kind = w ? V_WORD : V_UNKNOWN, .word = w };
}

static struct value meta(const struct walk *w, const char *key)
{
	const struct fw_packet *p = w->p;
	bool v6 = p->saddr.family == AF_INET6;

	if (!strcmp(key, "l4proto"))
		return (struct value){ .kind = V_PROTO, .number = p->proto };
	if (!strcmp(key, "iifname") || !strcmp(key, "iif"))
		return p->in ? word(p->dev) : (struct value){ .kind = V_ABSENT };
	if (!strcmp(key, "oifname") || !strcmp(key, "oif"))
		return p->in ? (struct value){ .kind = V_ABSENT } : word(p->dev);
	if (!strcmp(key, "nfproto"))
		return word(v6 ? "ipv6" : "ipv4");
	if (!strcmp(key, "protocol"))
		return word(v6 ? "ip6" : "ip");
	return (struct value){ .kind = V_UNKNOWN };
}

static struct value payload(const struct walk *w, const char *proto, const char *field)
{
	const struct fw_packet *p = w->p;
	bool v6 = p->saddr.family == AF_INET6;

	if (!strcmp(proto, "ip") || !strcmp(proto, "ip6")) {
		if (v6 != !strcmp(proto, "ip6"))
			return (struct value){ .kind = V_ABSENT };
		if (!strcmp(field, "protocol") || !strcmp(field, "nexthdr"))
			return (struct value){ .kind = V_PROTO, .number = p->proto };
		if (!strcmp(field, "saddr") || !strcmp(field, "daddr"))
			return (struct value){ .kind = V_ADDR,
				.addr = *field == 's' ? p->saddr : p->daddr };
		return (struct value){ .kind = V_UNKNOWN };
	}
	if (!strcmp(proto, "udp") || !strcmp(proto, "th")) {
		if (p->proto != IPPROTO_UDP)
			return (struct value){ .kind = V_ABSENT };
		return strcmp(field, "dport") ? (struct value){ .kind = V_UNKNOWN } :
		       number(p->dport);
	}
	if (!strcmp(proto, "tcp") || !strcmp(proto, "icmp") || !strcmp(proto, "icmpv6") ||
	    !strcmp(proto, "sctp") || !strcmp(proto, "dccp") || !strcmp(proto, "esp") ||
	    !strcmp(proto, "ah") || !strcmp(proto, "udplite") || !strcmp(proto, "igmp"))
		return (struct value){ .kind = V_ABSENT };
	return (struct value){ .kind = V_UNKNOWN };
}

static struct value value_of(const struct walk *w, const json_t *e)
{
	const json_t *v;

	v = json_object_get(e, "meta");
	if (v)
		return meta(w, str(v, "key"));
	v = json_object_get(e, "payload");
	if (v)
		return payload(w, str(v, "protocol"), str(v, "field"));
	/* The first packet of a flow is the one that must pass. */
	v = json_object_get(e, "ct");
	if (v && !strcmp(str(v, "key"), "state"))
		return word(w->p->untracked ? "untracked" : "new");
	v = json_object_get(e, "fib");
	if (v && !strcmp(str(v, "result"), "type") && w->p->in)
		return word("local");
	return (struct value){ .kind = V_UNKNOWN };
}

/* --- comparing ----------------------------------------------------------------- */

static enum tri contains(const struct walk *w, const struct value *v, const json_t *set);

static long proto_number(const char *name)
{
	const struct protoent *e = getprotobyname(name);

	if (e)
		return e->p_proto;
	return !strcmp(name, "ipip") || !strcmp(name, "ipencap") ? 4 :
	       !strcmp(name, "ipv6") ? 41 : !strcmp(name, "udp") ? 17 : -1;
}

static enum tri same_word(const struct value *v, const char *text)
{
	struct addr a;

	switch (v->kind) {
	case V_PROTO:
		return v->number == proto_number(text);
	case V_WORD:
		return !fnmatch(text, v->word, 0);
	case V_ADDR:
		return addr_parse(&a, text) ? UNKNOWN : addr_eq(&a, &v->addr);
	default:
		return UNKNOWN;
	}
}

static enum tri in_prefix(const struct value *v, const json_t *prefix)
{
	struct prefix p = {
		.len = (uint8_t)json_integer_value(json_object_get(prefix, "len")),
	};

	if (v->kind != V_ADDR || addr_parse(&p.addr, str(prefix, "addr")))
		return UNKNOWN;
	return prefix_contains(&p, &v->addr);
}

static enum tri in_range(const struct value *v, const json_t *range)
{
	const json_t *from = json_array_get(range, 0), *to = json_array_get(range, 1);
	struct addr a, b;

	if (v->kind == V_ADDR && json_is_string(from) && json_is_string(to) &&
	    !addr_parse(&a, json_string_value(from)) &&
	    !addr_parse(&b, json_string_value(to)))
		return addr_cmp(&v->addr, &a) >= 0 && addr_cmp(&v->addr, &b) <= 0;
	if ((v->kind == V_NUMBER || v->kind == V_PROTO) && json_is_integer(from) &&
	    json_is_integer(to))
		return v->number >= json_integer_value(from) &&
		       v->number <= json_integer_value(to);
	return UNKNOWN;
}

static enum tri in_named(const struct walk *w, const struct value *v, const char *name)
{
	const json_t *item, *set;
	size_t i;

	json_array_foreach(w->nft, i, item) {
		set = json_object_get(item, "set");
		if (set && !strcmp(str(set, "name"), name) &&
		    !strcmp(str(set, "family"), w->family) &&
		    !strcmp(str(set, "table"), w->table))
			return contains(w, v, json_object_get(set, "elem"));
	}
	return UNKNOWN;
}

/* Is the value among these: a constant, a prefix, a range, or a set of such? */
static enum tri contains(const struct walk *w, const struct value *v, const json_t *set)
{
	enum tri t, any = NO;
	const json_t *e;
	size_t i;

	if (v->kind == V_UNKNOWN)
		return UNKNOWN;
	if (v->kind == V_ABSENT)
		return NO;
	if (json_is_string(set)) {
		const char *s = json_string_value(set);

		return *s == '@' ? in_named(w, v, s + 1) : same_word(v, s);
	}
	if (json_is_integer(set))
		return v->kind == V_NUMBER || v->kind == V_PROTO ?
		       (enum tri)(v->number == json_integer_value(set)) : UNKNOWN;
	if (json_is_array(set)) {
		json_array_foreach(set, i, e) {
			t = contains(w, v, e);
			if (t == YES)
				return YES;
			if (t == UNKNOWN)
				any = UNKNOWN;
		}
		return any;
	}
	if ((e = json_object_get(set, "set")))
		return contains(w, v, e);
	if ((e = json_object_get(set, "prefix")))
		return in_prefix(v, e);
	if ((e = json_object_get(set, "range")))
		return in_range(v, e);
	if ((e = json_object_get(set, "elem")))
		return contains(w, v, json_is_object(e) ? json_object_get(e, "val") : e);
	/* A set that is empty has no elements at all. */
	return set ? UNKNOWN : NO;
}

static enum tri matches(const struct walk *w, const json_t *m)
{
	struct value v = value_of(w, json_object_get(m, "left"));
	enum tri t = contains(w, &v, json_object_get(m, "right"));
	const char *op = str(m, "op");

	if (v.kind == V_ABSENT)
		return NO;
	if (!strcmp(op, "==") || !strcmp(op, "in"))
		return t;
	if (!strcmp(op, "!="))
		return t == UNKNOWN ? t : (enum tri)!t;
	return UNKNOWN;
}

/* --- chains ------------------------------------------------------------------- */

/*
 * A match of xtables in a rule of iptables-nft. Of conntrack libnftables can say
 * in words what it asks for; another state than the packet's does not let it in.
 */
static enum tri xt_match(const struct walk *w, const json_t *rule, const char *name)
{
	long long handle = json_integer_value(json_object_get(rule, "handle"));
	char cmd[300], mark[40];
	const char *wrong;
	char *text, *line, *end;
	enum tri t = UNKNOWN;

	if (!strcmp(name, "comment"))
		return YES;
	if (strcmp(name, "conntrack") && strcmp(name, "state"))
		return UNKNOWN;
	snprintf(cmd, sizeof(cmd), "list table %s %s", w->family, w->table);
	snprintf(mark, sizeof(mark), " # handle %lld", handle);
	text = nft_text(cmd, &wrong);
	for (line = text; line && *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		/* Chains have handles too, but no state. */
		if (strlen(line) > strlen(mark) && strstr(line, "ct state") &&
		    !strcmp(line + strlen(line) - strlen(mark), mark))
			t = strstr(line, w->p->untracked ? "untracked" : "new") ||
			    strstr(line, "! ") ? UNKNOWN : NO;
	}
	free(text);
	return t;
}

static enum end run_chain(struct walk *w, const char *chain);

/* A statement that ends the rule; sure: the rule matches without doubt. */
static bool verdict(struct walk *w, const char *what, const json_t *arg, bool sure,
		    enum end *end, bool *left)
{
	bool jump = !strcmp(what, "jump"), go = !strcmp(what, "goto");
	bool before = w->unsure;
	enum end e;

	if (!strcmp(what, "accept") || !strcmp(what, "queue")) {
		if (sure)
			*end = END_ACCEPT;
		else
			w->unsure = true;
	} else if (!strcmp(what, "drop") || !strcmp(what, "reject")) {
		if (sure)
			*end = END_DROP;
	} else if (!strcmp(what, "return")) {
		*left = sure;
	} else if (jump || go) {
		e = run_chain(w, str(arg, "target"));
		if (sure) {
			*end = e;
			*left = go;
		} else {
			w->unsure = before || w->unsure || e == END_ACCEPT;
		}
	} else {
		return false;
	}
	return true;
}

static void vmap(struct walk *w, const json_t *m, bool sure, enum end *end, bool *left)
{
	struct value v = value_of(w, json_object_get(m, "key"));
	const json_t *data = json_object_get(m, "data"), *set, *pair, *item;
	const char *what, *name = json_string_value(data);
	json_t *arg;
	enum tri t;
	size_t i;

	set = json_object_get(data, "set");
	if (name)
		json_array_foreach(w->nft, i, item) {
			const json_t *map = json_object_get(item, "map");

			if (map && !strcmp(str(map, "name"), name + (*name == '@')) &&
			    !strcmp(str(map, "table"), w->table) &&
			    !strcmp(str(map, "family"), w->family))
				set = json_object_get(map, "elem");
		}
	json_array_foreach(set, i, pair) {
		t = contains(w, &v, json_array_get(pair, 0));
		if (t == NO)
			continue;
		json_object_foreach(json_array_get(pair, 1), what, arg)
			verdict(w, what, arg, sure && t == YES, end, left);
		if (t == YES)
			return;
	}
}

static bool has_no_say(const char *what)
{
	static const char *const those[] = {
		"counter", "log", "comment", "notrack", "mangle", "set", "map",
		"flow", "ct helper", "ct timeout", "dup", "meter",
	};

	for (size_t i = 0; i < sizeof(those) / sizeof(those[0]); i++)
		if (!strcmp(what, those[i]))
			return true;
	return false;
}

/* Runs a rule; *left: the chain ends here. */
static enum end run_rule(struct walk *w, const json_t *rule, bool *left)
{
	const json_t *expr = json_object_get(rule, "expr"), *s;
	enum end end = END_CONTINUE;
	bool sure = true;
	const char *what;
	enum tri t;
	json_t *arg;
	size_t i;

	json_array_foreach(expr, i, s) {
		json_object_foreach((json_t *)s, what, arg) {
			if (!strcmp(what, "match")) {
				t = matches(w, arg);
			} else if (!strcmp(what, "xt")) {
				if (!strcmp(str(arg, "type"), "target")) {
					if (!strcmp(str(arg, "name"), "REJECT"))
						verdict(w, "reject", NULL, sure, &end, left);
					continue;
				}
				t = xt_match(w, rule, str(arg, "name"));
			} else if (!strcmp(what, "vmap")) {
				vmap(w, arg, sure, &end, left);
				continue;
			} else if (has_no_say(what) ||
				   verdict(w, what, arg, sure, &end, left)) {
				continue;
			} else {
				t = UNKNOWN;
			}
			if (t == NO)
				return END_CONTINUE;
			if (t == UNKNOWN)
				sure = false;
		}
	}
	return end;
}

static enum end run_chain(struct walk *w, const char *chain)
{
	enum end end = END_CONTINUE;
	const json_t *item, *rule;
	bool left = false;
	size_t i;

	if (w->depth == DEPTH_MAX)
		return END_CONTINUE;
	w->depth++;
	json_array_foreach(w->nft, i, item) {
		rule = json_object_get(item, "rule");
		if (!rule || strcmp(str(rule, "chain"), chain) ||
		    strcmp(str(rule, "table"), w->table) ||
		    strcmp(str(rule, "family"), w->family))
			continue;
		end = run_rule(w, rule, &left);
		if (end != END_CONTINUE || left)
			break;
	}
	w->depth--;
	return end;
}

/* Does the packet come by this base chain? */
static bool on_way(const json_t *chain, const struct fw_packet *p)
{
	const char *hook = str(chain, "hook"), *family = str(chain, "family");
	const json_t *dev = json_object_get(chain, "dev");
	bool v6 = p->saddr.family == AF_INET6;

	if (!strcmp(str(chain, "type"), "nat"))
		return false;
	if (!strcmp(hook, "ingress"))
		return p->in && p->dev && json_is_string(dev) &&
		       !strcmp(json_string_value(dev), p->dev);
	if (strcmp(family, "inet") && strcmp(family, v6 ? "ip6" : "ip"))
		return false;
	if (p->in)
		return !strcmp(hook, "prerouting") || !strcmp(hook, "input");
	return !strcmp(hook, "output") || !strcmp(hook, "postrouting");
}

enum fw_verdict fw_nft_judge(const json_t *nft, const struct fw_packet *p,
			     struct fw_where *where)
{
	enum fw_verdict worst = FW_PASS, v;
	const json_t *item, *chain;
	enum end end;
	size_t i;

	json_array_foreach(nft, i, item) {
		struct walk w = { .nft = nft, .p = p };

		chain = json_object_get(item, "chain");
		if (!chain || !on_way(chain, p))
			continue;
		w.family = str(chain, "family");
		w.table = str(chain, "table");
		end = run_chain(&w, str(chain, "name"));
		if (end == END_CONTINUE && !strcmp(str(chain, "policy"), "drop"))
			end = END_DROP;
		if (end != END_DROP)
			continue;
		v = w.unsure ? FW_MAYBE : FW_DROP;
		if (v <= worst)
			continue;
		worst = v;
		*where = (struct fw_where){ w.family, w.table, str(chain, "name") };
	}
	return worst;
}
