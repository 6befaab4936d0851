/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Echo requests of ICMP, plain, through a device, or wrapped up by ourselves. */
#ifndef IPMESH_ECHO_H
#define IPMESH_ECHO_H

#include "addr.h"

enum echo_result {
	ECHO_SILENT,			/* nothing came in time */
	ECHO_ANSWERED,
	ECHO_ERROR,			/* an ICMP error, or the kernel refused */
};

struct echo_answer {
	enum echo_result result;
	double ms;			/* of an answer */
	char error[120];		/* what the error means, and who sent it */
	uint32_t mtu;			/* of "too big"; 0: another error */
	bool unreachable_port;		/* nobody listens, but it came there */
	bool unreachable_proto;
};

/* What is asked, and how. */
struct echo {
	struct addr to;
	struct addr from;		/* none: the kernel chooses */
	uint32_t ifindex;		/* through this device; 0: by the routes */
	uint32_t mark;
	unsigned int timeout_ms;
};

/* The time by which answers are waited for, in milliseconds. */
double echo_now_ms(void);

/* The identifier of all requests of this program. */
uint16_t echo_ident(void);

/* A socket for the answers, for all requests of one address; -1 with errno. */
int echo_open(const struct echo *e);

/* One request of that many bytes of IP (0: an ordinary one), with DF if @df. */
void echo_ask(int fd, const struct echo *e, unsigned int bytes, bool df,
	      struct echo_answer *a);

/*
 * The same request as the payload of an outer packet to @endpoint: of IP
 * protocol 4 or 41, or with @dport of UDP. The answer comes as it likes, to @fd.
 */
void echo_ask_wrapped(int fd, const struct echo *e, const struct addr *endpoint,
		      const struct addr *local, uint16_t dport, struct echo_answer *a);

/* The request of @e as a whole IP packet, for who sends it another way; its length, up to
 * 256 bytes.
 */
size_t echo_packet(uint8_t *buf, const struct echo *e);

/* A whole IP packet that came: is it about the last request? Then what it says. */
bool echo_read_packet(const uint8_t *buf, size_t n, const struct echo *e,
		      struct echo_answer *a);

/* One ordinary request to each of many addresses of one family, all at once. */
struct echo_many {
	struct addr *to;
	bool *answered;			/* set: who did */
	size_t n;			/* up to 65 535 */
	unsigned int timeout_ms;
};

/* 0 when each has answered or the time is over; -errno: nobody can be asked. */
int echo_ask_many(const struct echo_many *m);

#endif
