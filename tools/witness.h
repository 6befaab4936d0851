/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who answers this host: gateways, neighbours, its own pods, the peers and what is
 * behind them. Who did before a change has to do so after it.
 */
#ifndef IPMESH_WITNESS_H
#define IPMESH_WITNESS_H

#include "have.h"

struct witness {
	struct addr addr;
	bool answers;			/* as of the last time it was asked */
};

struct witnesses {
	struct witness *v;		/* sorted by address, each once */
	size_t n, cap;
};

/* Those that can be known of, around one device (@h->exists false: of the host alone);
 * adds to @w, of each kind the first 256, but no address of this host. Nobody is asked yet.
 */
void witness_find(struct witnesses *w, struct nl *nl, const struct have *h);

/* Ask all; NULL, or why nobody can be asked (then nobody answers). */
const char *witness_ask(struct witnesses *w);

/*
 * Ask those that answered again, for as long as three seconds: the first that does
 * not any more, or NULL. Who is silent now is not asked for again. One whose address this
 * host has by now is lost too, although it answers.
 */
const struct witness *witness_lost(struct witnesses *w, struct nl *nl);

void witnesses_free(struct witnesses *w);

#endif
