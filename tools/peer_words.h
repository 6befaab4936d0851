/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of "ipmesh peer", read and checked before anything is asked of the
 * kernel.
 */
#ifndef IPMESH_PEER_WORDS_H
#define IPMESH_PEER_WORDS_H

#include "addr.h"
#include "args.h"

enum peer_verb { ADD, SET, DEL, SHOW, FLUSH };

/* What they ask for. */
struct peer_ask {
	struct addr endpoint;
	const char *dev, *name;
	struct prefix_list add, remove;
	struct prefix_list add_sources, remove_sources;
	struct prefix_list add_froms, remove_froms;
	uint8_t encap;
	uint32_t dport;
	bool has_endpoint, has_dev, has_name, has_cidrs, has_encap, has_dport;
	bool has_sources, has_froms;
	bool move, route, noroute;
};

extern const char peer_usage[];

/* With a mistake, or help asked for, a->status or a->help says so. */
void peer_words(struct args *a, enum peer_verb verb, struct peer_ask *ask);
void peer_ask_free(struct peer_ask *ask);

#endif
