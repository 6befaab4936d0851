// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh peer: its words. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "name.h"
#include "peer_words.h"
#include "rtlink.h"

const char peer_usage[] =
	"Usage: ipmesh peer add ENDPOINT [dev DEV] [name NAME] [cidr PREFIX]… [move]\n"
	"                       [source PREFIX]… [from PREFIX]… [encap none|udp|device]\n"
	"                       [dport N] [route|noroute]\n"
	"       ipmesh peer set ENDPOINT [dev DEV] [name NAME] [cidr PREFIX]… [nocidr PREFIX]…\n"
	"                       [cidrs PREFIX,…|none] [move] [source PREFIX]…\n"
	"                       [nosource PREFIX]… [sources PREFIX,…|none] [from PREFIX]…\n"
	"                       [nofrom PREFIX]… [froms PREFIX,…|none]\n"
	"                       [encap none|udp|device] [dport N] [route|noroute]\n"
	"       ipmesh peer del ENDPOINT [dev DEV]\n"
	"       ipmesh peer show [ENDPOINT] [dev DEV] [-s]\n"
	"       ipmesh peer flush [dev DEV]\n"
	"\n"
	"A peer is a remote node: its underlay address, and the pod CIDRs behind it. DEV\n"
	"may be left out when there is one ipmesh device only.\n"
	"\n"
	"  name NAME      a label, at most 63 bytes; \"\" takes it away\n"
	"  cidr PREFIX    a pod CIDR of the peer; with set one more\n"
	"  nocidr PREFIX  a pod CIDR that goes\n"
	"  cidrs LIST     these pod CIDRs and no others\n"
	"  move           take pod CIDRs and outer prefixes over from other peers\n"
	"  source PREFIX  inner addresses that it may send from besides: of the node's\n"
	"                 second card, of its other family, virtual ones; without a route\n"
	"  from PREFIX    outer addresses that its packets come from besides ENDPOINT, as\n"
	"                 those of a balancer; nothing is sent there\n"
	"  nosource, sources, nofrom, froms: as nocidr and cidrs\n"
	"  encap E        what carries packets to this peer; device: as the device says\n"
	"  dport N        UDP port of this peer; 0: the device's\n"
	"  noroute        leave nexthops and routes alone, for a routing daemon; the peer\n"
	"                 remembers it (routes none), and nobody misses its routes\n"
	"  route          write routes for all of the peer's CIDRs, also those it has, and\n"
	"                 remember that (routes ipmesh)\n"
	"\n"
	"Without noroute each pod CIDR that is named gets a route (proto ipmesh), but for\n"
	"0.0.0.0/0 and ::/0, which need the word route beside them: by a\n"
	"nexthop object of the peer, or with an IPv6 endpoint by the device. They go with\n"
	"the CIDR, and with the peer. A peer that has CIDRs without such routes, as noroute\n"
	"makes it, gets none from set unless route is said. Routes of another protocol are\n"
	"never touched. A request happens whole or not at all.\n"
	"\n"
	"Examples:\n"
	"  ipmesh peer add 172.16.40.198 name k8s-node1 cidr 10.244.1.0/24\n"
	"  ipmesh peer set 172.16.40.198 nocidr 10.244.1.0/24 cidr 10.244.2.0/24\n"
	"  ipmesh peer set 172.16.40.198 encap udp dport 5555\n"
	"  ipmesh peer add 172.16.40.9 name lb from 172.20.0.0/16 cidr 0.0.0.0/0 noroute\n"
	"  ipmesh peer del 172.16.40.198\n";

void peer_ask_free(struct peer_ask *ask)
{
	free(ask->add.v);
	free(ask->remove.v);
	free(ask->add_sources.v);
	free(ask->remove_sources.v);
	free(ask->add_froms.v);
	free(ask->remove_froms.v);
}

static bool read_name(struct args *a, struct peer_ask *ask)
{
	const char *v = *a->at, *why;

	if (!args_once(a, &ask->has_name, "name"))
		return false;
	if (!v)
		return args_value(a, "name");
	a->at++;
	if (strlen(v) > IPMESH_NAME_MAX) {
		a->status = err_usage("%s: name: \"%s\" is longer than %d bytes",
				      a->cmd, err_safe(v), IPMESH_NAME_MAX);
		return false;
	}
	why = name_check(v);
	if (why)
		return args_wrong(a, "name", why);
	ask->name = v;
	return true;
}

/* Prefixes of a kind: the words that add one, take one away, and name all. */
struct kind {
	const char *add, *remove, *all;
	bool host;			/* an address may stand alone */
	struct prefix_list *come, *gone;
	bool *has_all;
	size_t max;
};

#define KINDS	3

static void kinds_of(struct peer_ask *ask, struct kind *k)
{
	k[0] = (struct kind){ "cidr", "nocidr", "cidrs", false, &ask->add, &ask->remove,
			      &ask->has_cidrs, IPMESH_MAX_CIDRS };
	k[1] = (struct kind){ "source", "nosource", "sources", true, &ask->add_sources,
			      &ask->remove_sources, &ask->has_sources, IPMESH_MAX_SOURCES };
	k[2] = (struct kind){ "from", "nofrom", "froms", true, &ask->add_froms,
			      &ask->remove_froms, &ask->has_froms, IPMESH_MAX_FROMS };
}

static bool read_all(struct args *a, const struct kind *k)
{
	const char *v;
	char *list, *part, *rest;
	bool ok = true;

	if (!args_once(a, k->has_all, k->all))
		return false;
	v = args_value(a, k->all);
	if (!v)
		return false;
	if (!strcmp(v, "none"))
		return true;
	rest = list = xstrdup(v);
	while (ok && (part = strsep(&rest, ",")))
		ok = args_prefix(a, k->all, part, k->host, k->come);
	free(list);
	return ok;
}

/* False: the word is none of the kind's. */
static bool read_kind(struct args *a, const char *w, enum peer_verb verb,
		      const struct kind *k)
{
	bool gone = verb == SET && !strcmp(w, k->remove);
	const char *v;

	if (!strcmp(w, k->all)) {
		read_all(a, k);
	} else if (gone || !strcmp(w, k->add)) {
		v = args_value(a, w);
		if (v)
			args_prefix(a, w, v, k->host, gone ? k->gone : k->come);
	} else {
		return false;
	}
	return true;
}

static bool read_kinds(struct args *a, const char *w, enum peer_verb verb,
		       struct peer_ask *ask)
{
	struct kind k[KINDS];

	kinds_of(ask, k);
	for (size_t i = 0; i < KINDS; i++)
		if (read_kind(a, w, verb, &k[i]))
			return true;
	return false;
}

static bool read_encap(struct args *a, struct peer_ask *ask)
{
	const char *v;
	char why[160];

	if (!args_once(a, &ask->has_encap, "encap"))
		return false;
	v = args_value(a, "encap");
	if (!v || peer_encap_read(v, &ask->encap))
		return v;
	snprintf(why, sizeof(why), "\"%s\" is wrong; say none, udp or device",
		 err_safe(v));
	return args_wrong(a, "encap", why);
}

static bool read_endpoint(struct args *a, const char *w, struct peer_ask *ask)
{
	const char *why = addr_parse(&ask->endpoint, w);

	if (why) {
		/* More likely a wrong word than a wrong address. */
		if (!strpbrk(w, ".:") || ask->has_endpoint)
			a->status = err_unknown(a->cmd, w);
		else
			a->status = err_usage("%s: %s", a->cmd, why);
		return false;
	}
	if (!addr_is_unicast(&ask->endpoint)) {
		a->status = err_usage("%s: %s is not the address of a host", a->cmd,
				      addr_str(&ask->endpoint));
		return false;
	}
	if (ask->has_endpoint)
		a->status = err_usage("%s: a second endpoint \"%s\"; name one",
				      a->cmd, err_safe(w));
	ask->has_endpoint = true;
	return !a->status;
}

static bool read_dev(struct args *a, struct peer_ask *ask)
{
	const char *why;

	if (!args_once(a, &ask->has_dev, "dev"))
		return false;
	ask->dev = args_value(a, "dev");
	why = ask->dev ? rtlink_check_name(ask->dev) : NULL;
	return why ? args_wrong(a, "dev", why) : ask->dev != NULL;
}

static void read_words(struct args *a, enum peer_verb verb, struct peer_ask *ask)
{
	bool change = verb == ADD || verb == SET;
	const char *w;

	while ((w = args_word(a))) {
		if (!strcmp(w, "dev")) {
			read_dev(a, ask);
		} else if (change && !strcmp(w, "name")) {
			read_name(a, ask);
		} else if (change && read_kinds(a, w, verb, ask)) {
			continue;
		} else if (change && !strcmp(w, "move")) {
			args_once(a, &ask->move, w);
		} else if (change && !strcmp(w, "encap")) {
			read_encap(a, ask);
		} else if (change && !strcmp(w, "dport")) {
			if (args_once(a, &ask->has_dport, w))
				args_number(a, w, 0, UINT16_MAX, &ask->dport);
		} else if (change && !strcmp(w, "route")) {
			args_once(a, &ask->route, w);
		} else if (change && !strcmp(w, "noroute")) {
			args_once(a, &ask->noroute, w);
		} else if (verb != FLUSH) {
			read_endpoint(a, w, ask);
		} else {
			a->status = err_unknown(a->cmd, w);
		}
	}
}

static void check_kind(struct args *a, enum peer_verb verb, const struct kind *k)
{
	if (k->come->n > k->max || k->gone->n > k->max)
		a->status = err_usage("%s: %s: a peer has at most %zu", a->cmd, k->add,
				      k->max);
	else if (verb == SET && *k->has_all && k->gone->n)
		a->status = err_usage("%s: %s replaces all; leave out %s", a->cmd, k->all,
				      k->remove);
	for (size_t i = 0; i < k->gone->n && !a->status; i++)
		if (prefix_list_has(k->come, &k->gone->v[i]))
			a->status = err_usage("%s: %s is both in %s and in %s", a->cmd,
					      k->host ? prefix_or_host_str(&k->gone->v[i]) :
							prefix_str(&k->gone->v[i]),
					      k->add, k->remove);
}

static void check_words(struct args *a, enum peer_verb verb, struct peer_ask *ask)
{
	struct kind k[KINDS];
	bool named = false;

	kinds_of(ask, k);
	for (size_t i = 0; i < KINDS; i++)
		named |= *k[i].has_all || k[i].come->n || k[i].gone->n;
	if (verb <= DEL && !ask->has_endpoint)
		a->status = err_missing(a->cmd, "the peer's endpoint");
	else if (ask->route && ask->noroute)
		a->status = err_usage("%s: route and noroute; say one of them",
				      a->cmd);
	else if (verb == SET && !named && !ask->has_name && !ask->has_encap &&
		 !ask->has_dport && !ask->route && !ask->noroute)
		a->status = err_missing(a->cmd, "what to change");
	for (size_t i = 0; i < KINDS && !a->status; i++)
		check_kind(a, verb, &k[i]);
}

void peer_words(struct args *a, enum peer_verb verb, struct peer_ask *ask)
{
	read_words(a, verb, ask);
	if (!a->help && !a->status)
		check_words(a, verb, ask);
}
