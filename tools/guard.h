/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_GUARD_H
#define IPMESH_GUARD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What keeps pods from sending tunnel packets of their own that a peer would take for
 * this host's, in the tables of nat.h: for each device two chains, and a set of the UDP
 * ports that carry tunnels.
 */
struct guard {
	bool wanted;
	bool nat;			/* with the sets of natOutgoing, which are there */
	const uint16_t *ports;		/* sorted, host byte order */
	size_t n_ports;
};

struct guard_state {
	bool any;			/* something of the device is there */
	bool whole;			/* it is as we write it */
	bool nat;
	uint16_t *ports;		/* sorted */
	size_t n_ports, cap_ports;
};

/* TABLE: the objects of our table, or NULL. */
void guard_read(struct guard_state *s, const json_t *table, const char *dev);
void guard_clear(struct guard_state *s);
bool guard_same(const struct guard_state *s, const struct guard *want);

/* Is the object of our table a part of the device's guard? */
bool guard_has(const char *kind, const json_t *o, const char *dev);

/* All in one transaction.  NULL, or what is wrong, good until the next call. */
const char *guard_write(const char *dev, uint8_t family, const struct guard *want);
const char *guard_remove(const char *dev, uint8_t family, bool table);

#endif
