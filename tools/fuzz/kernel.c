// SPDX-License-Identifier: GPL-2.0-or-later
/* A kernel made of the fuzzer's bytes. */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <libmnl/libmnl.h>

#include <linux/ipmesh.h>
#include "cmd.h"
#include "kernel.h"
#include "out.h"

#define FAMILY		40
#define PENDING_MAX	4096
#define MESSAGES_MAX	32

static const uint8_t *bytes;
static size_t left;

struct pending {
	uint16_t type, flags;
	uint32_t seq;
	uint8_t cmd;
};

static struct pending pending[PENDING_MAX];
static size_t n_pending;
static unsigned int interrupted;

void kernel_feed(const uint8_t *data, size_t size)
{
	bytes = data;
	left = size;
	n_pending = 0;
	interrupted = 0;
}

static uint8_t take(void)
{
	if (!left)
		return 0;
	left--;
	return *bytes++;
}

/* Attributes: a byte with the type, one with the length and the data; the
 * length 255 opens a nest and the type 0 closes it.
 */
static void put_attrs(struct nlmsghdr *nlh, size_t room, unsigned int depth)
{
	while (left && nlh->nlmsg_len + 300 < room) {
		uint8_t type = take(), len = take(), *p;
		struct nlattr *a = mnl_nlmsg_get_payload_tail(nlh);

		if (!type)
			return;
		if (len == 255 && depth < 6) {
			a = mnl_attr_nest_start(nlh, type);
			put_attrs(nlh, room, depth + 1);
			mnl_attr_nest_end(nlh, a);
			continue;
		}
		/* Exactly as long as it says, so that reading on is seen. */
		a->nla_type = type;
		a->nla_len = (uint16_t)(sizeof(*a) + len);
		p = mnl_attr_get_payload(a);
		for (unsigned int i = 0; i < len; i++)
			p[i] = take();
		for (unsigned int i = len; i % 4; i++)
			p[i] = 0;
		nlh->nlmsg_len += MNL_ALIGN(a->nla_len);
	}
}

static size_t header_bytes(uint16_t type)
{
	switch (type) {
	case RTM_NEWLINK:
		return sizeof(struct ifinfomsg);
	case RTM_NEWROUTE:
		return sizeof(struct rtmsg);
	case RTM_NEWADDR:
	case RTM_NEWNEXTHOP:
		return 8;
	default:
		return sizeof(struct genlmsghdr);
	}
}

static struct nlmsghdr *begin(void *buf, const struct pending *p, uint16_t type,
			      uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_seq = p->seq;
	nlh->nlmsg_flags = flags;
	return nlh;
}

static size_t put_family(void *buf, const struct pending *p)
{
	struct nlmsghdr *nlh = begin(buf, p, GENL_ID_CTRL, 0);
	struct genlmsghdr *g = mnl_nlmsg_put_extra_header(nlh, sizeof(*g));

	g->cmd = CTRL_CMD_NEWFAMILY;
	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, FAMILY);
	return nlh->nlmsg_len;
}

static size_t put_message(void *buf, size_t room, const struct pending *p)
{
	/* What answers RTM_GET… is RTM_NEW…, two less. */
	uint16_t type = p->type == FAMILY ? FAMILY : (uint16_t)(p->type - 2);
	uint16_t flags = p->flags & NLM_F_DUMP ? NLM_F_MULTI : 0;
	struct nlmsghdr *nlh;
	uint8_t *hdr;
	size_t n;

	if (take() == 255 && !interrupted++)
		flags |= NLM_F_DUMP_INTR;
	nlh = begin(buf, p, type, flags);
	n = header_bytes(type);
	hdr = mnl_nlmsg_put_extra_header(nlh, n);
	for (size_t i = 0; i < n; i++)
		hdr[i] = take();
	if (type == FAMILY)
		hdr[0] = p->cmd;
	put_attrs(nlh, room, 0);
	return nlh->nlmsg_len;
}

/* The last message of an answer: done, acknowledged, or refused. */
static size_t put_end(void *buf, size_t room, const struct pending *p)
{
	bool dump = p->flags & NLM_F_DUMP;
	struct nlmsghdr *nlh;
	uint8_t e = take();
	int *error;

	/* Some of them refuse, with whatever as their sentence. */
	nlh = begin(buf, p, dump ? NLMSG_DONE : NLMSG_ERROR,
		    e & 1 ? NLM_F_ACK_TLVS : 0);
	error = mnl_nlmsg_put_extra_header(nlh, dump ? sizeof(int) :
					   sizeof(struct nlmsgerr));
	*error = e & 1 ? -(e >> 1) : 0;
	if (!dump) {
		struct nlmsgerr *err = (struct nlmsgerr *)error;

		err->msg.nlmsg_len = sizeof(err->msg);
		err->msg.nlmsg_seq = p->seq;
		if (e & 1)
			nlh->nlmsg_flags |= NLM_F_CAPPED;
	}
	if (e & 1)
		put_attrs(nlh, room, 0);
	return nlh->nlmsg_len;
}

/* --- in libmnl's place ------------------------------------------------------ */

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags);
int __wrap_mnl_socket_bind(struct mnl_socket *s, unsigned int groups, pid_t pid);
int __wrap_mnl_socket_setsockopt(const struct mnl_socket *s, int type,
				 void *buf, socklen_t len);
int __wrap_mnl_socket_get_fd(const struct mnl_socket *s);
int __wrap_mnl_socket_close(struct mnl_socket *s);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *s, const void *buf,
				 size_t len);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *s, void *buf,
				   size_t size);

struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags)
{
	(void)bus;
	(void)flags;
	return malloc(1);
}

int __wrap_mnl_socket_bind(struct mnl_socket *s, unsigned int groups, pid_t pid)
{
	(void)s;
	(void)groups;
	(void)pid;
	return 0;
}

int __wrap_mnl_socket_setsockopt(const struct mnl_socket *s, int type,
				 void *buf, socklen_t len)
{
	(void)s;
	(void)type;
	(void)buf;
	(void)len;
	return 0;
}

int __wrap_mnl_socket_get_fd(const struct mnl_socket *s)
{
	(void)s;
	return -1;
}

int __wrap_mnl_socket_close(struct mnl_socket *s)
{
	free(s);
	return 0;
}

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *s, const void *buf,
				 size_t len)
{
	const struct nlmsghdr *nlh = buf;
	int rest = (int)len;

	(void)s;
	for (; mnl_nlmsg_ok(nlh, rest); nlh = mnl_nlmsg_next(nlh, &rest)) {
		const struct genlmsghdr *g = mnl_nlmsg_get_payload(nlh);

		/* A message that is not whole would be refused. */
		if (n_pending == PENDING_MAX)
			abort();
		pending[n_pending++] = (struct pending){
			.type = nlh->nlmsg_type, .flags = nlh->nlmsg_flags,
			.seq = nlh->nlmsg_seq,
			.cmd = nlh->nlmsg_type < RTM_BASE || nlh->nlmsg_type >= FAMILY ?
			       g->cmd : 0,
		};
	}
	if (rest)
		abort();
	return (ssize_t)len;
}

static bool is_question(const struct pending *p)
{
	if (p->type == GENL_ID_CTRL)
		return true;
	if (p->type == FAMILY)
		return p->cmd == IPMESH_CMD_PEER_GET;
	return (p->type - RTM_BASE) % 4 == 2;
}

ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *s, void *buf,
				   size_t size)
{
	struct pending p = pending[0];
	size_t len = 0, room;

	(void)s;
	if (!n_pending) {
		errno = EAGAIN;
		return -1;
	}
	memmove(pending, pending + 1, --n_pending * sizeof(p));
	room = size < 65536 ? size : 65536;
	memset(buf, 0, room);
	if (p.type == GENL_ID_CTRL)
		len = put_family(buf, &p);
	else if (is_question(&p) && p.flags & NLM_F_DUMP)
		for (unsigned int i = 0; i < MESSAGES_MAX && left &&
		     len + 1024 < room && take(); i++)
			len += MNL_ALIGN(put_message((char *)buf + len,
						     room - len, &p));
	else if (is_question(&p) && take())
		len = MNL_ALIGN(put_message(buf, room, &p));
	/* put_attrs() leaves room for this. */
	len += put_end((char *)buf + len, room - len, &p);
	return (ssize_t)len;
}

int kernel_run(char **words)
{
	static const char *const safe[] = {
		"show", "link", "peer", "export", "complete",
	};
	const struct cmd *c;
	int argc = 0;

	while (words[argc])
		argc++;
	if (!argc)
		return -1;
	for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++) {
		if (strcmp(words[0], safe[i]))
			continue;
		options = (struct options){ 0 };
		out_init(false, false, false);
		for (size_t k = 0; (c = cmd_at(k)); k++)
			if (!strcmp(c->word, words[0]))
				return c->run(argc, words);
		return cmd_complete(argc, words);
	}
	return -1;
}
