// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The chains of the tables "ip ipmesh" and "ip6 ipmesh" that drop tunnel packets of pods
 * which would pass for this host's own, or for another one's. Between pods, through the
 * overlay, they may send what they like.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "guard.h"
#include "nft.h"

/* Each condition, once for either carrier; the comment is what a rule is known by. */
static const struct {
	bool nat;			/* only with natOutgoing */
	bool post;			/* in the chain after address translation */
	const char *comment;
} conditions[] = {
	{ true, false, "natOutgoing would make them this host's" },
	{ false, false, "their device does not lead to their source" },
	{ false, true, "their source was translated" },
};

#define CONDITIONS	(sizeof(conditions) / sizeof(*conditions))

/*
 * Where a forwarded packet is checked. Older kernels look up a source's device only before
 * routing, where the output device is the one that the route gives.
 */
enum form { FORM_FORWARD, FORM_PREROUTING, FORMS };

static const char *const hooks[FORMS] = { "forward", "prerouting" };

static const char *const carriers[] = { "IP in IP", "UDP" };

#define CARRIERS	2
#define BIT_OF(condition, carrier)	(1U << (CARRIERS * (condition) + (carrier)))

static const char *comment_of(size_t condition, size_t carrier)
{
	static char buf[96];

	snprintf(buf, sizeof(buf), "tunnels by %s: %s", carriers[carrier],
		 conditions[condition].comment);
	return buf;
}

static const char *chain_of(const char *dev, bool post)
{
	return nft_ident(post ? "translated" : "guard", dev);
}

static unsigned int rules_of(const struct guard *want)
{
	unsigned int rules = 0;

	for (size_t i = 0; i < CONDITIONS; i++)
		for (size_t k = 0; k < CARRIERS; k++)
			if (want->nat || !conditions[i].nat)
				rules |= BIT_OF(i, k);
	return rules;
}

/* --- reading ----------------------------------------------------------------------- */

static bool is_drop(const json_t *rule)
{
	const json_t *expr = json_object_get(rule, "expr");
	size_t n = json_array_size(expr);

	return n && json_object_get(json_array_get(expr, n - 1), "drop");
}

/* Which of ours it is, or 0. */
static unsigned int read_rule(const json_t *rule, const char *dev)
{
	for (size_t i = 0; i < CONDITIONS; i++)
		for (size_t k = 0; k < CARRIERS; k++)
			if (nft_is(rule, "comment", comment_of(i, k)) && is_drop(rule) &&
			    nft_is(rule, "chain", chain_of(dev, conditions[i].post)))
				return BIT_OF(i, k);
	return 0;
}

static bool chain_is_ours(const json_t *chain, const char *dev)
{
	bool post = nft_is(chain, "name", chain_of(dev, true));
	bool hook = post && nft_is(chain, "hook", "postrouting");

	for (int i = 0; !post && i < FORMS; i++)
		hook |= nft_is(chain, "hook", hooks[i]);
	return hook && nft_is(chain, "type", "filter") && nft_is(chain, "policy", "accept") &&
	       json_integer_value(json_object_get(chain, "prio")) == (post ? 200 : 0);
}

static int by_port(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static bool read_ports(struct guard_state *s, const json_t *set)
{
	const json_t *elem = json_object_get(set, "elem"), *e;
	size_t i;

	json_array_foreach(elem, i, e) {
		if (!json_is_integer(e))
			return false;
		s->ports = xgrow(s->ports, s->n_ports, &s->cap_ports, sizeof(*s->ports));
		s->ports[s->n_ports++] = (uint16_t)json_integer_value(e);
	}
	if (s->n_ports)
		qsort(s->ports, s->n_ports, sizeof(*s->ports), by_port);
	return nft_is(set, "type", "inet_service");
}

bool guard_has(const char *kind, const json_t *o, const char *dev)
{
	const char *key = !strcmp(kind, "rule") ? "chain" : "name";
	bool chain = !strcmp(kind, "rule") || !strcmp(kind, "chain");

	return ((chain || !strcmp(kind, "set")) && nft_is(o, key, chain_of(dev, false))) ||
	       (chain && nft_is(o, key, chain_of(dev, true)));
}

void guard_read(struct guard_state *s, const json_t *table, const char *dev)
{
	unsigned int chains = 0, sets = 0, rules = 0, bit, with, without;
	const json_t *item, *o;
	const char *kind;
	bool good = true;
	json_t *value;
	size_t i;

	memset(s, 0, sizeof(*s));
	json_array_foreach(table, i, item) {
		json_object_foreach((json_t *)item, kind, value) {
			o = value;
			if (!guard_has(kind, o, dev))
				continue;
			s->any = true;
			if (!strcmp(kind, "chain")) {
				chains++;
				good &= chain_is_ours(o, dev);
			} else if (!strcmp(kind, "set")) {
				sets++;
				good &= read_ports(s, o);
			} else {
				bit = read_rule(o, dev);
				good &= bit && !(rules & bit);
				rules |= bit;
			}
		}
	}
	with = rules_of(&(struct guard){ .nat = true });
	without = rules_of(&(struct guard){ .nat = false });
	s->nat = rules == with;
	s->whole = good && chains == 2 && sets == 1 && (s->nat || rules == without);
}

void guard_clear(struct guard_state *s)
{
	free(s->ports);
	memset(s, 0, sizeof(*s));
}

bool guard_same(const struct guard_state *s, const struct guard *want)
{
	if (!want->wanted)
		return !s->any;
	return s->whole && s->nat == want->nat && s->n_ports == want->n_ports &&
	       !memcmp(s->ports, want->ports, s->n_ports * sizeof(*s->ports));
}

/* --- writing ----------------------------------------------------------------------- */

/*
 * Takes the chains away, of whatever form they are. What is missing is added first, so that
 * deleting cannot fail.
 */
static void put_away(FILE *f, const struct nft_family *w, const char *dev)
{
	for (int post = 0; post < 2; post++)
		fprintf(f, "add chain %s %s\ndelete chain %s %s\n", w->table, chain_of(dev, post),
			w->table, chain_of(dev, post));
}

static void put_chains(FILE *f, const struct nft_family *w, const char *dev, enum form form)
{
	fprintf(f, "add chain %s %s { type filter hook %s priority 0; policy accept; }\n",
		w->table, chain_of(dev, false), hooks[form]);
	fprintf(f, "add chain %s %s { type filter hook postrouting priority 200; policy accept; }\n",
		w->table, chain_of(dev, true));
}

static void put_set(FILE *f, const struct nft_family *w, const char *dev)
{
	fprintf(f, "add set %s %s { type inet_service; }\n", w->table, chain_of(dev, false));
}

/*
 * A forwarded packet is not this host's, and what leaves by the device is inside the
 * overlay. Before translation the source is what the pod has written; after it only
 * connection tracking knows that it was another one, and what a tunnel of this host
 * sends has no device of Ethernet behind it.
 */
static void put_condition(FILE *f, const struct nft_family *w, const char *dev, size_t i)
{
	if (conditions[i].nat)
		fprintf(f, "%s saddr @%s %s daddr != @%s", w->ip, nft_ident("nat", dev),
			w->ip, nft_ident("pools", dev));
	else if (conditions[i].post)
		fprintf(f, "iiftype ether ct direction original ct status snat");
	else
		fprintf(f, "fib saddr . iif oif missing");
}

static void put_rule(FILE *f, const struct nft_family *w, const char *dev, enum form form,
		     size_t i, size_t k)
{
	bool routed = form == FORM_FORWARD || conditions[i].post;

	fprintf(f, "add rule %s %s ", w->table, chain_of(dev, conditions[i].post));
	if (routed)
		fprintf(f, "oifname != \"%s\" ", dev);
	if (k)
		fprintf(f, "udp dport @%s ", chain_of(dev, false));
	else
		fprintf(f, "meta l4proto { 4, 41 } ");
	if (!routed)
		fprintf(f, "fib daddr . mark type unicast fib daddr . mark oifname != \"%s\" ", dev);
	put_condition(f, w, dev, i);
	fprintf(f, " counter drop comment \"%s\"\n", comment_of(i, k));
}

static const char *write_form(const char *dev, const struct nft_family *w,
			      const struct guard *want, enum form form)
{
	unsigned int rules = rules_of(want);
	char *text = NULL;
	size_t i, len;
	FILE *f;

	f = open_memstream(&text, &len);
	if (!f)
		return "out of memory";
	fprintf(f, "add table %s\n", w->table);
	put_away(f, w, dev);
	put_chains(f, w, dev, form);
	put_set(f, w, dev);
	fprintf(f, "flush set %s %s\nadd element %s %s { ", w->table, chain_of(dev, false),
		w->table, chain_of(dev, false));
	for (i = 0; i < want->n_ports; i++)
		fprintf(f, "%s%u", i ? ", " : "", want->ports[i]);
	fprintf(f, " }\n");
	for (i = 0; i < CONDITIONS * CARRIERS; i++)
		if (rules & 1U << i)
			put_rule(f, w, dev, form, i / CARRIERS, i % CARRIERS);
	return nft_commit(f, &text);
}

const char *guard_write(const char *dev, uint8_t family, const struct guard *want)
{
	const char *wrong = nft_check_name(dev);

	if (wrong)
		return wrong;
	wrong = write_form(dev, nft_family(family), want, FORM_FORWARD);
	if (wrong && strstr(wrong, strerror(EOPNOTSUPP)))
		wrong = write_form(dev, nft_family(family), want, FORM_PREROUTING);
	return wrong;
}

const char *guard_remove(const char *dev, uint8_t family, bool table)
{
	const struct nft_family *w = nft_family(family);
	char *text = NULL;
	size_t len;
	FILE *f;

	if (table)
		return nft_delete_table(w->table);
	f = open_memstream(&text, &len);
	if (!f)
		return "out of memory";
	put_away(f, w, dev);
	put_set(f, w, dev);
	fprintf(f, "delete set %s %s\n", w->table, chain_of(dev, false));
	return nft_commit(f, &text);
}
