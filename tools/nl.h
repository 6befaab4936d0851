/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The netlink client. One struct nl holds a socket for rtnetlink and one for
 * generic netlink, each opened when first used.
 *
 * Changes are written into a batch and sent together: thousands of requests
 * take a few system calls, yet each has its own answer. Requests are done in
 * the order in which they were added. One request is a batch of one.
 *
 *	struct nl_batch b;
 *
 *	nl_batch_init(&b, nl);
 *	rtroute_add(&b, &route);		// any helper that takes a batch
 *	b.req[b.n - 1].who = "the route";	// for the caller's own use
 *	if (nl_send(&b))
 *		for (size_t i = 0; i < b.n; i++)
 *			if (b.req[i].error)
 *				warn("%s: %s", (char *)b.req[i].who, nl_req_error(&b, i));
 *	nl_batch_free(&b);
 */
#ifndef IPMESH_NL_H
#define IPMESH_NL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <libmnl/libmnl.h>

enum nl_bus { NL_RT, NL_GENL, NL_BUSES };

struct nl;

struct nl *nl_open(void);
void nl_close(struct nl *nl);

/* The name of an attribute for messages, by type; ends with a NULL name. One
 * that is "" is passed over in what people read.
 */
struct nl_name {
	uint16_t type;
	const char *name;
	const struct nl_name *nest;
	const char *(*show)(const struct nlattr *a);	/* its value, or NULL */
};

struct nl_req {
	enum nl_bus bus;
	size_t off;			/* of its header in the batch's buffer */
	uint32_t seq;
	const struct nl_name *names;
	bool sent;			/* false: an earlier failure kept it back */
	int error;			/* 0, or -errno as the kernel gave it */
	char *text;			/* the kernel's sentence (extack), or NULL */
	uint32_t bad_off;		/* of the offending attribute, or 0 */
	void *who;			/* the caller's */
};

struct nl_batch {
	struct nl *nl;
	char *buf;
	size_t len, cap;
	struct nl_req *req;
	size_t n, req_cap;
	/* set by the caller: gets what comes before the answer to request @i */
	void (*each)(struct nl_batch *b, size_t i, const struct nlmsghdr *nlh);
	void *data;			/* the caller's */
	bool stop;			/* set by the caller: do not send what
					 * follows a refused request
					 */
};

void nl_batch_init(struct nl_batch *b, struct nl *nl);
void nl_batch_reset(struct nl_batch *b);	/* empty again, keeps memory */
void nl_batch_free(struct nl_batch *b);

/* A longest request; what nl_add() leaves free behind the header. */
#define NL_REQ_MAX	(128 * 1024)

/*
 * Begin a request: libmnl's mnl_attr_put*() then add attributes to the header
 * that it returns, which is good until the next nl_add(). @flags without
 * NLM_F_REQUEST and NLM_F_ACK. @extra bytes of protocol header follow, copied
 * from @hdr.
 */
struct nlmsghdr *nl_add(struct nl_batch *b, enum nl_bus bus, uint16_t type,
			uint16_t flags, const void *hdr, size_t extra,
			const struct nl_name *names);

/* The last request cannot be sent: it fails with @error and @text. */
void nl_fail(struct nl_batch *b, int error, const char *text);

/*
 * Send what was not sent yet and collect all answers. 0 when each request was
 * acknowledged; else the first refused request's -errno. With b->stop, runs
 * of requests on one bus are sent one by one and stop at the first refusal.
 */
int nl_send(struct nl_batch *b);

/* What is wrong with request @i: the kernel's sentence with the offending
 * attribute, or what the errno means. One static buffer.
 */
const char *nl_req_error(const struct nl_batch *b, size_t i);

/* The first refused request, or b->n. */
size_t nl_first_error(const struct nl_batch *b);

/* What @error (-errno) means, without extack: also for dumps. */
const char *nl_error(struct nl *nl, int error);

/*
 * A dump. @put fills in the request (may be NULL), @each is called for every
 * message, @restart when the kernel's state changed in the middle and the dump
 * begins anew (forget what came). Both get @data. @each returns 0, or -errno
 * to end. Gives 0 or -errno; -EINTR when the state never kept still; the
 * kernel's sentence is in nl_error().
 */
struct nl_dump {
	enum nl_bus bus;
	uint16_t type;
	const void *hdr;
	size_t extra;
	void (*put)(struct nlmsghdr *nlh, void *data);
	int (*each)(const struct nlmsghdr *nlh, void *data);
	void (*restart)(void *data);
	void *data;
};

int nl_dump(struct nl *nl, const struct nl_dump *d);

/* A request with an answer (NLM_F_REQUEST only, such as RTM_GETLINK of one
 * device); the same members, flags of the request are none.
 */
int nl_get(struct nl *nl, const struct nl_dump *d);

/* Message type of the ipmesh family; -ENOENT when the module is missing. */
int nl_family(struct nl *nl);

/* Number of the family's group of that name, for a socket of the caller. */
int nl_group(struct nl *nl, const char *name);

/* What to say when the kernel knows nothing of ipmesh. */
#define NL_NO_MODULE "the ipmesh module is not loaded; run: modprobe ipmesh"

/* Attributes of one level by type into tb[0..max]; later ones of a type win. */
void nl_parse(const struct nlmsghdr *nlh, size_t hdr, const struct nlattr **tb,
	      uint16_t max);
void nl_parse_nest(const struct nlattr *nest, const struct nlattr **tb,
		   uint16_t max);

/* Values of attributes of any length: 0 where it is too short or NULL. */
uint64_t nl_u(const struct nlattr *a);

/* Copy a string attribute, cut to the size. */
void nl_str(char *dst, size_t size, const struct nlattr *a);

struct addr;

/* False when absent or of a wrong length; *a is then none. */
bool nl_addr(struct addr *a, const struct nlattr *attr);
void nl_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *a);

#endif
