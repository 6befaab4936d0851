/* SPDX-License-Identifier: GPL-2.0-or-later */
/* apply --watch: follows a stream of watch events, and the kernel. */
#ifndef IPMESH_WATCH_H
#define IPMESH_WATCH_H

#include "err.h"
#include "want.h"

struct watch_request {
	const char **files;		/* without "-", which is the stream */
	size_t n_files;
	struct want_options want;
	unsigned int settle;		/* seconds */
};

#define WATCH_SETTLE	30

/* Until the stream ends or a signal comes; exit status. */
int watch(const struct watch_request *r);

/* A line of what happens beside changes; JSON: {"event", "text"}. */
void watch_say(const char *event, const char *fmt, ...) PRINTF(2, 3);

#endif
