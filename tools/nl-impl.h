/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the netlink client share, and nobody else uses. */
#ifndef IPMESH_NL_IMPL_H
#define IPMESH_NL_IMPL_H

#include "nl.h"

/* Dumps come in pieces of at most 32 KiB; a single message may be larger. */
#define NL_RECV_BYTES	(256 * 1024)

struct nl {
	struct mnl_socket *s[NL_BUSES];
	size_t window[NL_BUSES];	/* requests whose answers find room */
	uint32_t seq;
	void *recv_buf;
	int family;			/* of ipmesh; 0 not asked for yet */
	uint32_t group;			/* "peers" */
	int error;			/* of the last dump, with its text */
	char text[512];
};

/* The open socket; NULL with errno. */
struct mnl_socket *nl_socket(struct nl *nl, enum nl_bus bus);

/* An NLMSG_ERROR: its -errno, the kernel's sentence ("" for none) and the
 * offset of the offending attribute.
 */
int nl_answer(const struct nlmsghdr *nlh, char *text, size_t size,
	      uint32_t *bad_off);

const char *nl_strerror(int error);

#endif
