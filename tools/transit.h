/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets as a pod of this node would send them: they come in by a device of their own
 * (TUN), are forwarded, and the answers are forwarded back. The device and its route go
 * with the handle, also when the program is killed.
 */
#ifndef IPMESH_TRANSIT_H
#define IPMESH_TRANSIT_H

#include "echo.h"
#include "have.h"

/* A free address of this node's own block: the last one that nobody has. False: no block
 * is known here, by a blackhole or by a bridge of pods.
 */
bool transit_address(const struct have *h, uint8_t family, struct addr *a);

struct transit;

/* NULL with *WRONG, good until the next call. */
struct transit *transit_open(struct nl *nl, const struct addr *from, const char **wrong);
void transit_close(struct transit *t);

void transit_ask(struct transit *t, const struct addr *to, unsigned int timeout_ms,
		 struct echo_answer *a);

/* What has a network card leave the cutting to the kernel. */
#define TRANSIT_LOST_MEND	"ethtool -K DEV tx-ipxip4-segmentation off " \
				"tx-ipxip6-segmentation off tx-udp_tnl-segmentation off"

enum transit_tcp {
	TRANSIT_SILENT,			/* a small segment is not answered either */
	TRANSIT_PASSES,
	TRANSIT_LOST,			/* small ones pass, those cut by a device do not */
};

/*
 * One large TCP segment, which the devices on the way cut for packets of @mtu bytes, to a
 * port where nobody listens: the host resets it (RFC 9293 3.5.2) if it came in good order.
 */
enum transit_tcp transit_segments(struct transit *t, const struct addr *to, uint32_t mtu,
				  unsigned int timeout_ms);

#endif
