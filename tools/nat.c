// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables "ip ipmesh" and "ip6 ipmesh" of nftables, for natOutgoing and natHost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "guard.h"
#include "nat.h"
#include "nft.h"

static int by_prefix(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

/* Elements are prefixes, or an address alone for a host. */
static bool read_set(const json_t *set, const struct nft_family *w, struct prefix **v, size_t *n, size_t *cap)
{
	const json_t *elem = json_object_get(set, "elem"), *e, *p;
	struct prefix cidr;
	char text[64];
	size_t i;

	json_array_foreach(elem, i, e) {
		p = json_object_get(e, "prefix");
		if (json_is_string(e))
			snprintf(text, sizeof(text), "%s/%u", json_string_value(e),
				 w->bits);
		else if (json_is_string(json_object_get(p, "addr")))
			snprintf(text, sizeof(text), "%s/%lld",
				 json_string_value(json_object_get(p, "addr")),
				 (long long)json_integer_value(json_object_get(p, "len")));
		else
			return false;
		if (prefix_parse(&cidr, text))
			return false;
		*v = xgrow(*v, *n, cap, sizeof(**v));
		(*v)[(*n)++] = cidr;
	}
	if (*n)
		qsort(*v, *n, sizeof(**v), by_prefix);
	return nft_is(set, "type", w->type);
}

static bool rule_is_ours(const json_t *rule, const struct nft_family *w,
			 const char *dev)
{
	char nat[96], pools[96];
	json_t *want;
	bool same;

	snprintf(nat, sizeof(nat), "@%s", nft_ident("nat", dev));
	snprintf(pools, sizeof(pools), "@%s", nft_ident("pools", dev));
	want = json_pack("[{s:{s:s,s:{s:{s:s}},s:s}},"
			 "{s:{s:s,s:{s:{s:s,s:s}},s:s}},"
			 "{s:{s:s,s:{s:{s:s,s:s}},s:s}},{s:n}]",
			 "match", "op", "!=", "left", "meta", "key", "oifname",
			 "right", dev,
			 "match", "op", "==", "left", "payload", "protocol",
			 w->ip, "field", "saddr", "right", nat,
			 "match", "op", "!=", "left", "payload", "protocol",
			 w->ip, "field", "daddr", "right", pools,
			 "masquerade");
	same = want && json_equal(want, json_object_get(rule, "expr"));
	json_decref(want);
	return same;
}

/* fib saddr [. oif] type OP local: nft prints one flag as a list or as a word. */
static bool asks_fib(const json_t *expr, const char *op, bool oif)
{
	const json_t *match = json_object_get(expr, "match");
	const json_t *fib = json_object_get(json_object_get(match, "left"), "fib");
	const json_t *flags = json_object_get(fib, "flags"), *flag;
	bool saddr = nft_is(fib, "flags", "saddr"), other = false;
	size_t i;

	json_array_foreach(flags, i, flag) {
		if (json_is_string(flag) && !strcmp(json_string_value(flag), "saddr"))
			saddr = true;
		else if (oif && json_is_string(flag) && !strcmp(json_string_value(flag), "oif"))
			oif = false;
		else
			other = true;
	}
	return saddr && !oif && !other && nft_is(fib, "result", "type") &&
	       nft_is(match, "op", op) && nft_is(match, "right", "local");
}

static bool rule_is_host(const json_t *rule, const char *dev)
{
	const json_t *expr = json_object_get(rule, "expr");
	json_t *want = json_pack("{s:{s:s,s:{s:{s:s}},s:s}}", "match", "op", "==", "left",
				 "meta", "key", "oifname", "right", dev);
	bool same = want && json_array_size(expr) == 4 &&
		    json_equal(want, json_array_get(expr, 0)) &&
		    asks_fib(json_array_get(expr, 1), "==", false) &&
		    asks_fib(json_array_get(expr, 2), "!=", true) &&
		    json_object_get(json_array_get(expr, 3), "masquerade");

	json_decref(want);
	return same;
}

static bool chain_is_ours(const json_t *chain)
{
	return nft_is(chain, "type", "nat") && nft_is(chain, "hook", "postrouting") &&
	       nft_is(chain, "policy", "accept") &&
	       json_integer_value(json_object_get(chain, "prio")) == 100;
}

static void read_table(struct nat_state *s, const struct nft_family *w,
		       const json_t *table, const char *dev)
{
	char chain[NFT_IDENT_LEN], pools[NFT_IDENT_LEN];
	unsigned int chains = 0, rules = 0, hosts = 0, sets = 0;
	const json_t *item, *o;
	const char *what;
	bool good = true;
	json_t *value;
	size_t i;

	snprintf(chain, sizeof(chain), "%s", nft_ident("nat", dev));
	snprintf(pools, sizeof(pools), "%s", nft_ident("pools", dev));
	s->alone = true;
	json_array_foreach(table, i, item) {
		json_object_foreach((json_t *)item, what, value) {
			o = value;
			if (!strcmp(what, "metainfo") || !strcmp(what, "table"))
				continue;
			if (!strcmp(what, "chain") && nft_is(o, "name", chain)) {
				chains++;
				good &= chain_is_ours(o);
			} else if (!strcmp(what, "rule") && nft_is(o, "chain", chain) &&
				   rule_is_host(o, dev)) {
				hosts++;
			} else if (!strcmp(what, "rule") && nft_is(o, "chain", chain)) {
				rules++;
				good &= rule_is_ours(o, w, dev);
			} else if (!strcmp(what, "set") && nft_is(o, "name", chain)) {
				sets++;
				good &= read_set(o, w, &s->nat, &s->n_nat, &s->cap_nat);
			} else if (!strcmp(what, "set") && nft_is(o, "name", pools)) {
				sets++;
				good &= read_set(o, w, &s->pools, &s->n_pools,
						 &s->cap_pools);
			} else if (!guard_has(what, o, dev)) {
				s->alone = false;
			}
		}
	}
	s->any = chains || rules || hosts || sets;
	s->host = hosts;
	s->whole = good && chains == 1 && rules == 1 && hosts <= 1 && sets == 2;
}

void nat_read(struct nat_state *s, uint8_t family, const json_t *table, const char *dev)
{
	memset(s, 0, sizeof(*s));
	read_table(s, nft_family(family), table, dev);
}

void nat_clear(struct nat_state *s)
{
	free(s->pools);
	free(s->nat);
	memset(s, 0, sizeof(*s));
}

static bool same(const struct prefix *a, size_t n_a, const struct prefix *b,
		 size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (!prefix_eq(&a[i], &b[i]))
			return false;
	return true;
}

bool nat_same(const struct nat_state *s, const struct nat *want)
{
	if (!want->n_nat && !want->host)
		return !s->any;
	return s->whole && s->host == want->host &&
	       same(s->pools, s->n_pools, want->pools, want->n_pools) &&
	       same(s->nat, s->n_nat, want->nat, want->n_nat);
}

static void put_set(FILE *f, const struct nft_family *w, const char *name)
{
	fprintf(f, "add set %s %s { type %s; flags interval; }\n", w->table, name,
		w->type);
}

static void fill_set(FILE *f, const struct nft_family *w, const char *name,
		     const struct prefix *v, size_t n)
{
	put_set(f, w, name);
	fprintf(f, "flush set %s %s\n", w->table, name);
	if (!n)
		return;
	fprintf(f, "add element %s %s { ", w->table, name);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%s", i ? ", " : "", prefix_str(&v[i]));
	fprintf(f, " }\n");
}

static void put_chain(FILE *f, const struct nft_family *w, const char *name)
{
	fprintf(f, "add chain %s %s { type nat hook postrouting priority 100; policy accept; }\n",
		w->table, name);
}

const char *nat_write(const char *dev, uint8_t family, const struct nat *want)
{
	const char *chain = nft_ident("nat", dev), *set = nft_ident("pools", dev);
	const char *wrong = nft_check_name(dev);
	const struct nft_family *w = nft_family(family);
	char *text = NULL;
	size_t len;
	FILE *f;

	if (wrong)
		return wrong;
	f = open_memstream(&text, &len);
	if (!f)
		return "out of memory";
	fprintf(f, "add table %s\n", w->table);
	put_chain(f, w, chain);
	fprintf(f, "flush chain %s %s\n", w->table, chain);
	fill_set(f, w, set, want->pools, want->n_pools);
	fill_set(f, w, chain, want->nat, want->n_nat);
	fprintf(f, "add rule %s %s oifname != \"%s\" %s saddr @%s %s daddr != @%s masquerade\n",
		w->table, chain, dev, w->ip, chain, w->ip, set);
	if (want->host)
		fprintf(f, "add rule %s %s oifname \"%s\" fib saddr type local fib saddr . oif type != local masquerade\n",
			w->table, chain, dev);
	return nft_commit(f, &text);
}

const char *nat_remove(const char *dev, uint8_t family, bool table)
{
	const char *chain = nft_ident("nat", dev), *set = nft_ident("pools", dev);
	const struct nft_family *w = nft_family(family);
	char *text = NULL;
	size_t len;
	FILE *f;

	if (table)
		return nft_delete_table(w->table);
	f = open_memstream(&text, &len);
	if (!f)
		return "out of memory";
	/* What is missing is added first, so that deleting cannot fail. */
	put_chain(f, w, chain);
	put_set(f, w, chain);
	put_set(f, w, set);
	fprintf(f, "delete chain %s %s\ndelete set %s %s\ndelete set %s %s\n",
		w->table, chain, w->table, chain, w->table, set);
	return nft_commit(f, &text);
}
