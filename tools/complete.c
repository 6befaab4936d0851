// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ipmesh complete: what may be the last of the words given, for the completion
 * of shells. One candidate a line, behind a tab what it is; the line ":files"
 * asks the shell for the names of files. It says nothing of what is wrong.
 */
#include <dirent.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "err.h"
#include "genlpeer.h"
#include "grammar.h"
#include "rtaddr.h"
#include "rtlink.h"

struct line {
	char **words;			/* all before the last, of the command */
	size_t n;
	const char *cur;		/* the last, perhaps "" */
	struct nl *nl;
};

static void offer(const struct line *l, const char *word, const char *what)
{
	if (*word && !strncmp(word, l->cur, strlen(l->cur)) &&
	    !strpbrk(word, "\t\n"))
		printf(what && *what ? "%s\t%s\n" : "%s\n", word, what);
}

/* --- live values ------------------------------------------------------------ */

static void offer_devices(const struct line *l, const char *kind)
{
	struct rtlinks all = { 0 };

	if (!rtlink_dump(l->nl, kind, &all))
		for (size_t i = 0; i < all.n; i++)
			offer(l, all.v[i].name, kind ? NULL : all.v[i].kind);
	rtlinks_free(&all);
}

/* Endpoints, names, or the prefixes and the name of the peer on the line. Of all
 * devices, or the one on the line.
 */
enum peer_value {
	PEER_ENDPOINT, PEER_NAME, PEER_ANY, PEER_CIDR, PEER_SOURCE, PEER_FROM,
};

static bool on_line(const struct line *l, const struct peer *p)
{
	const char *text = addr_str(&p->endpoint);

	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->words[i], text))
			return true;
	return false;
}

static void offer_prefixes(const struct line *l, const struct peer *p,
			   const struct prefix_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		offer(l, prefix_or_host_str(&list->v[i]), p->name);
}

static void offer_peer(const struct line *l, const struct peer *p,
		       enum peer_value part)
{
	switch (part) {
	case PEER_ANY:
		offer(l, p->name, addr_str(&p->endpoint));
		/* fallthrough */
	case PEER_ENDPOINT:
		offer(l, addr_str(&p->endpoint), p->name);
		break;
	case PEER_NAME:
		if (on_line(l, p))
			offer(l, p->name, NULL);
		break;
	case PEER_CIDR:
		if (on_line(l, p))
			for (size_t i = 0; i < p->n_cidrs; i++)
				offer(l, prefix_str(&p->cidrs[i]), p->name);
		break;
	case PEER_SOURCE:
		if (on_line(l, p))
			offer_prefixes(l, p, &p->sources);
		break;
	case PEER_FROM:
		if (on_line(l, p))
			offer_prefixes(l, p, &p->froms);
		break;
	}
}

static void offer_peers(const struct line *l, enum peer_value part)
{
	struct rtlinks all = { 0 };
	struct peers peers;
	const char *dev = NULL;

	for (size_t i = 0; i + 1 < l->n; i++)
		if (!strcmp(l->words[i], "dev"))
			dev = l->words[i + 1];
	if (rtlink_dump(l->nl, IPMESH_KIND, &all))
		goto free_links;
	for (size_t i = 0; i < all.n; i++) {
		if (dev && strcmp(dev, all.v[i].name))
			continue;
		memset(&peers, 0, sizeof(peers));
		if (!genlpeer_dump(l->nl, all.v[i].ifindex, &peers))
			for (size_t k = 0; k < peers.n; k++)
				offer_peer(l, &peers.v[k], part);
		peers_free(&peers);
	}
free_links:
	rtlinks_free(&all);
}

static void offer_addresses(const struct line *l)
{
	struct rtaddrs all = { 0 };

	offer(l, "any", NULL);
	if (!rtaddr_dump(l->nl, AF_UNSPEC, 0, &all))
		for (size_t i = 0; i < all.n; i++)
			if (all.v[i].scope < RT_SCOPE_LINK)
				offer(l, addr_str(&all.v[i].addr.addr),
				      rtlink_name(all.v[i].ifindex));
	rtaddrs_free(&all);
}

static void offer_netns(const struct line *l)
{
	DIR *d = opendir("/run/netns");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			offer(l, e->d_name, NULL);
	if (d)
		closedir(d);
}

static void offer_node(const struct line *l)
{
	char name[256] = "";

	if (!gethostname(name, sizeof(name) - 1))
		offer(l, name, "this host");
}

/* a|b|c, but for what only describes: NUMBER, 0xNUMBER, 1-255. */
static void offer_list(const struct line *l, const char *list, size_t n)
{
	char *copy = xasprintf("%.*s", (int)n, list), *rest = copy, *part;

	while ((part = strsep(&rest, "|")))
		if ((*part < 'A' || *part > 'Z') && !strchr(part, '-') &&
		    strncmp(part, "0x", 2))
			offer(l, part, NULL);
	free(copy);
}

static void offer_value(const struct line *l, const char *kind, size_t n)
{
	static const struct {
		const char *kind;
		enum peer_value part;
	} parts[] = {
		{ "ENDPOINT", PEER_ENDPOINT }, { "NAME", PEER_NAME },
		{ "PEER", PEER_ANY }, { "CIDR", PEER_CIDR },
		{ "SOURCE", PEER_SOURCE }, { "FROM", PEER_FROM },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!strncmp(kind, parts[i].kind, n) && !parts[i].kind[n])
			offer_peers(l, parts[i].part);
	if (!strncmp(kind, "DEV", n))
		offer_devices(l, IPMESH_KIND);
	else if (!strncmp(kind, "ANYDEV", n))
		offer_devices(l, NULL);
	else if (!strncmp(kind, "NEWDEV", n))
		offer(l, "ipmesh0", "the usual name");
	else if (!strncmp(kind, "FILE", n))
		puts(":files");
	else if (!strncmp(kind, "NODE", n))
		offer_node(l);
	else if (*kind < 'A' || *kind > 'Z')
		offer_list(l, kind, n);
}

static void offer_attr(const struct line *l, const struct linkattr *a)
{
	if (a->kind == LINKATTR_ADDR)
		offer_addresses(l);
	else if (a->kind == LINKATTR_DEV)
		offer_devices(l, NULL);
	if (a->kind != LINKATTR_ADDR)
		offer_list(l, a->usage, strlen(a->usage));
	if (a->type == IFLA_IPMESH_DPORT)
		offer(l, "5555", "the default");
}

/* --- the line ----------------------------------------------------------------- */

static bool given(const struct line *l, const char *word, size_t n)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strncmp(l->words[i], word, n) && !l->words[i][n])
			return true;
	return false;
}

/* The next word of the grammar, its length in *n; its value, if it has one. */
static const char *next_item(const char **at, size_t *n, const char **value,
			     size_t *value_n)
{
	const char *w = *at + strspn(*at, " "), *eq;
	size_t len = strcspn(w, " ");

	*at = w + len;
	if (!len)
		return NULL;
	eq = memchr(w, '=', len);
	*n = eq ? (size_t)(eq - w) : len;
	*value = eq ? eq + 1 : NULL;
	*value_n = eq ? len - *n - 1 : 0;
	return w;
}

/* The value of the word before, if that has one; true then. */
static bool complete_value(const struct line *l, const struct grammar *g)
{
	const char *at = g->words, *w, *value, *prev;
	size_t n, value_n;

	if (!l->n)
		return false;
	prev = l->words[l->n - 1];
	while ((w = next_item(&at, &n, &value, &value_n))) {
		if (*w == '@') {
			const struct linkattr *a = linkattr_by_word(prev);

			if (a) {
				offer_attr(l, a);
				return true;
			}
		}
		if (!value || !n || strncmp(prev, w, n) || prev[n])
			continue;
		offer_value(l, value, value_n - (value[value_n - 1] == '+'));
		return true;
	}
	return false;
}

static void complete_words(const struct line *l, const struct grammar *g)
{
	const char *at = g->words, *w, *value;
	size_t n, value_n;

	while ((w = next_item(&at, &n, &value, &value_n))) {
		char *word;

		if (*w == '@') {
			for (size_t i = 0; i < linkattr_count; i++) {
				const struct linkattr *a = &linkattr_table[i];

				if (a->kind != LINKATTR_COUNT &&
				    !given(l, a->word, strlen(a->word)))
					offer(l, a->word, a->help);
			}
			continue;
		}
		if (!n) {
			/* One value alone, and that first. */
			if (!l->n)
				offer_value(l, value, value_n);
			continue;
		}
		if (given(l, w, n) && !(value && value[value_n - 1] == '+'))
			continue;
		word = xasprintf("%.*s", (int)n, w);
		offer(l, word, NULL);
		free(word);
	}
}

static void complete_options(const struct line *l, bool global)
{
	if (*l->cur != '-')
		return;
	offer(l, "--help", "how it is used");
	offer(l, "--json", "JSON instead of text");
	offer(l, "--pretty", "JSON over several lines");
	offer(l, "--stats", "also drops by cause");
	if (!global)
		return;
	offer(l, "--netns", "in that network namespace");
	offer(l, "--version", "the version");
}

/* The second word, of a command that has some. */
static bool complete_verb(const struct line *l, const char *cmd)
{
	size_t n = strlen(cmd);
	bool any = false;

	for (const struct grammar *g = grammar_table; g->cmd; g++)
		if (!strncmp(g->cmd, cmd, n) && g->cmd[n] == ' ') {
			offer(l, g->cmd + n + 1, NULL);
			any = true;
		}
	return any;
}

static const struct grammar *find(const char *cmd, const char *verb)
{
	size_t n = strlen(cmd);

	/* "peer add" as one word is none of ours. */
	if (strchr(cmd, ' '))
		return NULL;
	for (const struct grammar *g = grammar_table; g->cmd; g++) {
		if (strncmp(g->cmd, cmd, n))
			continue;
		if (!g->cmd[n] || (verb && g->cmd[n] == ' ' &&
				   !strcmp(g->cmd + n + 1, verb)))
			return g;
	}
	return NULL;
}

static void complete(struct line *l)
{
	const struct grammar *g;

	if (!l->n) {
		const struct cmd *c;

		for (size_t i = 0; (c = cmd_at(i)); i++)
			offer(l, c->word, c->what);
		complete_options(l, true);
		return;
	}
	g = find(l->words[0], l->n > 1 ? l->words[1] : NULL);
	if (!g) {
		if (l->n == 1)
			complete_verb(l, l->words[0]);
		return;
	}
	/* What is left are the words behind the command's own. */
	for (const char *c = g->cmd; c; c = strchr(c + 1, ' ')) {
		l->words++;
		l->n--;
	}
	if (complete_value(l, g))
		return;
	complete_words(l, g);
	complete_options(l, false);
}

int cmd_complete(int argc, char **argv)
{
	struct line l = { .words = argv + 1, .cur = "" };
	int taken = 1, status = 0;
	char **to;

	l.n = argc > 1 ? (size_t)argc - 1 : 0;
	if (l.n && !strcmp(l.words[0], "--")) {
		l.words++;
		l.n--;
	}
	if (l.n)
		l.cur = l.words[--l.n];
	/* Global options may stand anywhere. */
	to = l.words;
	for (size_t i = 0, n = l.n; i < n; i += (size_t)taken) {
		char *words[] = { l.words[i], i + 1 < n ? l.words[i + 1] : NULL, NULL };
		const char *netns = cmd_netns_word(words, &taken);

		if (netns && !*netns) {
			offer_netns(&l);
			return cmd_help("");
		}
		if (netns && cmd_netns(netns))
			return EXIT_REFUSED;
		if (!netns && (words[1] || strcmp(words[0], "--color")))
			taken = cmd_option(words, &status);
		if (status)
			return EXIT_USAGE;
		if (netns || taken) {
			l.n -= (size_t)taken;
		} else {
			*to++ = words[0];
			taken = 1;
		}
	}
	l.nl = nl_open();
	complete(&l);
	nl_close(l.nl);
	return cmd_help("");
}
