/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipmesh top: what is counted, and the screen that shows it. */
#ifndef IPMESH_TOP_H
#define IPMESH_TOP_H

#include <net/if.h>
#include "genlpeer.h"

enum top_key { TOP_RX, TOP_TX, TOP_RXP, TOP_TXP, TOP_DROPS, TOP_HEARD, TOP_NAME,
	       TOP_ENDPOINT, TOP_KEYS };

extern const char *const top_key_words[];	/* "rx", ends with NULL */

/* A peer, and what it counted since the look before. */
struct top_row {
	char device[IFNAMSIZ];
	struct addr endpoint;
	char name[IPMESH_NAME_MAX + 1];
	struct peer_stats now;
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, dropped;
};

struct top {
	struct nl *nl;
	const char *dev;		/* NULL: all */
	enum top_key key;
	bool reverse;
	char filter[64];		/* "" for none: a part of name or endpoint */
	double interval;

	struct top_row *row;		/* N that pass the filter, sorted; then the rest */
	size_t n, total;
	double seconds;			/* between the two looks */
	char note[120];			/* what is wrong, for a line; or "" */
	struct top_look *look;		/* the last one */
};

/* Look at the counters; 0, or a note: -ENODEV, -errno. */
int top_look(struct top *t);
/* Sort and filter anew. */
void top_arrange(struct top *t);
void top_free(struct top *t);

/* The columns of both outputs, ">" ahead of those aligned to the right, and a
 * row's cells; the device is the first, and is left out with @device false.
 */
#define TOP_COLUMNS	9
extern const char *const top_heads[TOP_COLUMNS + 1];
void top_cells(const struct top *t, const struct top_row *r,
	       char cell[TOP_COLUMNS][80]);
/* Sent to in this interval, and silent for longer than a while. */
bool top_silent(const struct top_row *r);
bool top_many_devices(const struct top *t);

/* Until the user has enough; exit status. */
int top_screen(struct top *t, uint32_t iterations, bool colour);

/* Set by SIGINT, SIGTERM and SIGHUP; how long to sleep lets them in. */
extern volatile int top_signal;
bool top_wait(double seconds, bool keys);	/* false: a key, or a signal */

#endif
