// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor --probe: whether each peer answers through the tunnel. */
#include "doctor.h"
#include "err.h"
#include "probe.h"

/* Each peer that does not answer takes as long, twice. */
#define TIMEOUT_MS	500
#define ASKED		2

static bool ask(struct doctor *d, const struct have *h, const struct peer *peer)
{
	struct probe p = {
		.link = &h->link, .peer = peer, .addrs = &h->addrs,
		.count = 1, .timeout_ms = TIMEOUT_MS,
	};
	const char *wrong = NULL;
	struct finding *f;

	if (!probe_target(&p))
		return true;
	for (int i = 0; i < ASKED && !wrong && !p.received; i++)
		wrong = probe_tunnel(&p);
	if (wrong) {
		f = doctor_find(d, SEVERITY_NOTE, "unasked",
				"whether they answer is not known",
				"peers cannot be asked: %s", wrong);
		finding_by_hand(f, "run this as root");
		return false;
	}
	if (p.received)
		return true;
	f = doctor_find(d, SEVERITY_PROBLEM, "peer_unreachable",
			"its pods cannot be reached from here, or cannot answer",
			"%s behind peer %s%s%s of %s does not answer%s%s", addr_str(&p.to),
			addr_str(&peer->endpoint), *peer->name ? " " : "", peer->name,
			h->link.name, p.tunnel.result == ECHO_ERROR ? ": " : "",
			p.tunnel.result == ECHO_ERROR ? p.tunnel.error : "");
	finding_by_hand(f, "see what passes: ipmesh probe %s dev %s; and look from there: ipmesh doctor",
			addr_str(&peer->endpoint), shell_word(h->link.name));
	return true;
}

void doctor_probe(struct doctor *d)
{
	for (size_t i = 0; i < d->n_mesh; i++) {
		const struct have *h = &d->mesh[i];

		for (size_t p = 0; p < h->peers.n; p++)
			if (!ask(d, h, &h->peers.v[p]))
				return;
	}
}
