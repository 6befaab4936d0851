// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: whether pods could send tunnel packets that pass for this host's. */
#include <string.h>

#include "doctor.h"
#include "nft.h"

/* Gives a rule packets another source? Those of iptables-nft are told by its target. */
static bool translates(const json_t *rule)
{
	const json_t *expr = json_object_get(rule, "expr"), *s, *xt;
	size_t i;

	/* natHost is for what the host itself sends. */
	json_array_foreach(expr, i, s)
		if (json_object_get(json_object_get(json_object_get(s, "match"), "left"), "fib") &&
		    nft_is(rule, "table", "ipmesh"))
			return false;
	json_array_foreach(expr, i, s) {
		xt = json_object_get(s, "xt");
		if (json_object_get(s, "masquerade") || json_object_get(s, "snat") ||
		    nft_is(xt, "name", "MASQUERADE") || nft_is(xt, "name", "SNAT"))
			return true;
	}
	return false;
}

/* The first rule that does so with packets of the underlay's family. */
static const json_t *translation(const json_t *nft, uint8_t family)
{
	const char *ip = nft_family(family)->ip;
	const json_t *item, *rule;
	size_t i;

	json_array_foreach(nft, i, item) {
		rule = json_object_get(item, "rule");
		if (rule && (nft_is(rule, "family", ip) || nft_is(rule, "family", "inet")) &&
		    translates(rule))
			return rule;
	}
	return NULL;
}

static const char *text(const json_t *rule, const char *key)
{
	const char *s = json_string_value(json_object_get(rule, key));

	return s ? s : "";
}

/* Are its peers strict, and has it nothing of apply's that drops such packets? */
static bool is_unguarded(const struct have *h)
{
	const struct linkattrs *attrs = &h->link.attrs;

	return h->exists && attrs->peers != IPMESH_PEERS_MODE_OPEN && h->peers.n &&
	       !h->guard[family_index(&attrs->local)].any;
}

static void one_device(struct doctor *d, const struct have *h, const json_t *nft)
{
	const struct linkattrs *attrs = &h->link.attrs;
	struct finding *f;
	const json_t *rule;

	rule = translation(nft, linkattr_family(attrs));
	if (!rule)
		return;
	f = doctor_find(d, SEVERITY_NOTE, "pods_tunnels",
			"a pod that sends tunnel packets itself speaks for this host to every peer",
			"%s %s %s translates to this host's address, and nothing of ours drops tunnel packets that pods send before %s's peers take them",
			text(rule, "family"), text(rule, "table"), text(rule, "chain"),
			h->link.name);
	finding_by_hand(f, "apply drops them where its documents have natOutgoing or blackhole; else drop IP protocols 4 and 41 and UDP port %u of forwarded packets that are translated",
			attrs->dport);
}

void doctor_guard(struct doctor *d)
{
	json_t *nft = NULL;
	const char *wrong;

	/* All rules of a host may be many. */
	for (size_t i = 0; i < d->n_mesh; i++) {
		if (!is_unguarded(&d->mesh[i]))
			continue;
		if (!nft)
			nft = nft_list("list ruleset", &wrong);
		one_device(d, &d->mesh[i], nft);
	}
	json_decref(nft);
}
