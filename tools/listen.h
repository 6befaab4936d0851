/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel tells of changes, as they happen. */
#ifndef IPMESH_LISTEN_H
#define IPMESH_LISTEN_H

#include <poll.h>
#include "nl.h"

enum listen_bus {
	LISTEN_PEERS,			/* the group "peers" of the family */
	LISTEN_RT,			/* devices, addresses, routes, nexthops */
	LISTEN_NFT,			/* tables of nftables */
	LISTEN_BUSES,
};

struct listen {
	struct mnl_socket *s[LISTEN_BUSES];
	void *buf[LISTEN_BUSES];
	int family;			/* 0: the module is not loaded (yet) */
};

/* 0 or -errno. Without the module it listens for its coming, too; without
 * nftables that bus stays closed.
 */
int listen_open(struct listen *l, bool nft);
void listen_close(struct listen *l);

/* For poll(): an entry a bus, with fd -1 for one that is closed. */
void listen_poll(const struct listen *l, struct pollfd *fds);

/*
 * All messages that wait on @bus, each to @each, which may read another bus.
 * -ENOBUFS: messages were lost, and those after them came.
 */
int listen_read(struct listen *l, enum listen_bus bus,
		void (*each)(enum listen_bus bus, const struct nlmsghdr *nlh,
			     void *data),
		void *data);

/*
 * SIGINT and SIGTERM as a file, for poll(): they end who listens between two
 * lines. Before there is a second thread, so that none gets them. SIGPIPE is no
 * end. -1 with errno.
 */
int listen_signals(void);

#endif
