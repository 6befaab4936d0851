/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a change of ours may touch, as it was: the addresses and the state of our devices,
 * routes of ours and routes through our devices.
 */
#ifndef IPMESH_SNAPSHOT_H
#define IPMESH_SNAPSHOT_H

#include "rtaddr.h"
#include "rtlink.h"
#include "rtroute.h"

struct snapshot {
	struct rtlinks links;		/* ours */
	struct rtaddrs addrs;		/* of all devices */
	struct rtroutes routes;		/* table main, by rtroute_cmp() */
};

/* 0, or -errno with nl_error(). */
int snapshot_take(struct snapshot *s, struct nl *nl);

/*
 * Put back what is otherwise now: routes of ours that came go, addresses of our devices
 * that came go, what went comes again (the kernel takes the routes of a device with its
 * last address), and a device that was down is set down. A route with several nexthops
 * of its own is not put back. 0, or -errno of the first that the kernel refused.
 */
int snapshot_restore(const struct snapshot *s, struct nl *nl);

void snapshot_free(struct snapshot *s);

#endif
