// SPDX-License-Identifier: GPL-2.0-or-later
/* The netlink client: sockets, and requests with their answers. */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "err.h"
#include "nl-impl.h"

/* The most that is sent at once; a socket's send buffer holds it by default. */
#define RUN_BYTES	(96 * 1024)

/* Answers wait in the receive buffer until all of a run were done: this is
 * more than one of them takes there.
 */
#define ANSWER_BYTES	4096

/* The error of a request of which nothing is known; the kernel's are negative. */
#define UNANSWERED	1

struct nl *nl_open(void)
{
	return xcalloc(1, sizeof(struct nl));
}

void nl_close(struct nl *nl)
{
	if (!nl)
		return;
	for (unsigned int i = 0; i < NL_BUSES; i++)
		if (nl->s[i])
			mnl_socket_close(nl->s[i]);
	free(nl->recv_buf);
	free(nl);
}

struct mnl_socket *nl_socket(struct nl *nl, enum nl_bus bus)
{
	int proto = bus == NL_RT ? NETLINK_ROUTE : NETLINK_GENERIC;
	struct timeval patience = { .tv_sec = 60 };
	int on = 1, size = 4 << 20;
	socklen_t len = sizeof(size);
	struct mnl_socket *s;
	int fd, e;

	if (nl->s[bus])
		return nl->s[bus];
	s = mnl_socket_open2(proto, SOCK_CLOEXEC);
	if (!s)
		return NULL;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		e = errno;
		mnl_socket_close(s);
		errno = e;
		return NULL;
	}

	/* Older kernels know less of these, and work without. */
	mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(s, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(s, NETLINK_GET_STRICT_CHK, &on, sizeof(on));

	fd = mnl_socket_get_fd(s);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len))
		size = 0;
	nl->window[bus] = size > 2 * ANSWER_BYTES ? (size_t)size / ANSWER_BYTES : 1;
	/* The kernel answers within the call; nobody is to wait for ever. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (!nl->recv_buf)
		nl->recv_buf = xmalloc(NL_RECV_BYTES);
	nl->s[bus] = s;
	return s;
}

void nl_batch_init(struct nl_batch *b, struct nl *nl)
{
	memset(b, 0, sizeof(*b));
	b->nl = nl;
}

static struct nlmsghdr *header(const struct nl_batch *b, size_t i)
{
	return (struct nlmsghdr *)(b->buf + b->req[i].off);
}

/* The last request is complete: what follows begins behind it. */
static void seal(struct nl_batch *b)
{
	if (b->n)
		b->len = b->req[b->n - 1].off +
			 MNL_ALIGN(header(b, b->n - 1)->nlmsg_len);
}

void nl_batch_reset(struct nl_batch *b)
{
	seal(b);
	if (b->len)
		memset(b->buf, 0, b->len);
	for (size_t i = 0; i < b->n; i++)
		free(b->req[i].text);
	b->n = 0;
	b->len = 0;
}

void nl_batch_free(struct nl_batch *b)
{
	nl_batch_reset(b);
	free(b->req);
	free(b->buf);
	memset(b, 0, sizeof(*b));
}

struct nlmsghdr *nl_add(struct nl_batch *b, enum nl_bus bus, uint16_t type,
			uint16_t flags, const void *hdr, size_t extra,
			const struct nl_name *names)
{
	struct nlmsghdr *nlh;
	struct nl_req *r;

	seal(b);
	if (b->len + NL_REQ_MAX > b->cap) {
		size_t old = b->cap;

		/* Zeroes: libmnl leaves the padding of attributes alone. */
		b->cap = (b->len + NL_REQ_MAX) * 2;
		b->buf = xrealloc(b->buf, b->cap);
		memset(b->buf + old, 0, b->cap - old);
	}
	b->req = xgrow(b->req, b->n, &b->req_cap, sizeof(*b->req));
	r = &b->req[b->n++];
	*r = (struct nl_req){ .bus = bus, .off = b->len, .seq = ++b->nl->seq,
			      .names = names };

	nlh = mnl_nlmsg_put_header(b->buf + b->len);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags | NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = r->seq;
	memcpy(mnl_nlmsg_put_extra_header(nlh, extra), hdr, extra);
	return nlh;
}

static void set_text(struct nl_req *r, const char *text)
{
	free(r->text);
	r->text = text && *text ? xstrdup(text) : NULL;
}

void nl_fail(struct nl_batch *b, int error, const char *text)
{
	struct nl_req *r = &b->req[b->n - 1];

	r->sent = true;
	r->error = error;
	set_text(r, text);
}

int nl_answer(const struct nlmsghdr *nlh, char *text, size_t size,
	      uint32_t *bad_off)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*e);
	const struct nlattr *a;

	*text = '\0';
	*bad_off = 0;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e))
		return -EBADMSG;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += mnl_nlmsg_get_payload_len(&e->msg);
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    mnl_nlmsg_get_payload_len(nlh) < skip)
		return e->error;
	mnl_attr_for_each(a, nlh, skip) {
		if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG)
			nl_str(text, size, a);
		else if (mnl_attr_get_type(a) == NLMSGERR_ATTR_OFFS)
			*bad_off = (uint32_t)nl_u(a);
	}
	return e->error;
}

static void tell_each(struct nl_batch *b, size_t at, size_t to,
		      const struct nlmsghdr *nlh)
{
	while (at < to && b->req[at].seq != nlh->nlmsg_seq)
		at++;
	if (at < to && b->each)
		b->each(b, at, nlh);
}

/* Only the last request of a run asks for an answer: the kernel tells what fails all the
 * same, and an answer to each is a third of all that a small request costs.
 */
static void ask_for_answer(struct nl_batch *b, size_t from, size_t to)
{
	for (size_t i = from; i < to - 1; i++)
		header(b, i)->nlmsg_flags &= ~NLM_F_ACK;
	header(b, to - 1)->nlmsg_flags |= NLM_F_ACK;
}

/* The last one has its answer, and what failed before had one earlier. */
static void the_rest_is_done(struct nl_batch *b, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (b->req[i].error == UNANSWERED)
			b->req[i].error = 0;
}

/* Collect the answers of requests [from, to). */
static int collect(struct nl_batch *b, size_t from, size_t to)
{
	enum nl_bus bus = b->req[from].bus;
	struct mnl_socket *s = b->nl->s[bus];
	size_t at = from;
	char text[512];

	for (;;) {
		ssize_t got = mnl_socket_recvfrom(s, b->nl->recv_buf, NL_RECV_BYTES);
		const struct nlmsghdr *nlh = b->nl->recv_buf;
		int len = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			struct nl_req *r;

			if (nlh->nlmsg_type != NLMSG_ERROR) {
				tell_each(b, at, to, nlh);
				continue;
			}
			/* Answers come in the order of the requests. */
			while (at < to && b->req[at].seq != nlh->nlmsg_seq)
				at++;
			if (at == to) {
				at = from;
				continue;
			}
			r = &b->req[at];
			r->error = nl_answer(nlh, text, sizeof(text), &r->bad_off);
			set_text(r, text);
			if (at == to - 1) {
				the_rest_is_done(b, from, to);
				return 0;
			}
		}
	}
}

/* Send requests [from, to), neighbours in the buffer and of one bus. */
static int send_run(struct nl_batch *b, size_t from, size_t to)
{
	struct mnl_socket *s = nl_socket(b->nl, b->req[from].bus);
	size_t end = to < b->n ? b->req[to].off : b->len;
	int e = 0;

	for (size_t i = from; i < to; i++) {
		b->req[i].sent = true;
		b->req[i].error = UNANSWERED;
	}
	ask_for_answer(b, from, to);
	if (!s || mnl_socket_sendto(s, b->buf + b->req[from].off,
				    end - b->req[from].off) < 0)
		e = -errno;
	else
		e = collect(b, from, to);
	if (e)
		for (size_t i = from; i < to; i++)
			if (b->req[i].error == UNANSWERED)
				b->req[i].error = e;
	return e;
}

int nl_send(struct nl_batch *b)
{
	size_t from = 0, to, bytes;

	seal(b);
	while (from < b->n) {
		if (b->req[from].sent) {
			if (b->stop && b->req[from].error)
				return b->req[from].error;
			from++;
			continue;
		}
		if (!nl_socket(b->nl, b->req[from].bus)) {
			send_run(b, from, from + 1);
			return -errno;
		}
		to = from + 1;
		bytes = header(b, from)->nlmsg_len;
		while (!b->stop && to < b->n && !b->req[to].sent &&
		       b->req[to].bus == b->req[from].bus &&
		       to - from < b->nl->window[b->req[from].bus] &&
		       bytes + header(b, to)->nlmsg_len <= RUN_BYTES)
			bytes += MNL_ALIGN(header(b, to++)->nlmsg_len);
		send_run(b, from, to);
		/* With stop the loop's head sees the error. */
		if (!b->stop)
			from = to;
	}
	from = nl_first_error(b);
	return from < b->n ? b->req[from].error : 0;
}

size_t nl_first_error(const struct nl_batch *b)
{
	size_t i;

	for (i = 0; i < b->n && (!b->req[i].error || !b->req[i].sent); i++)
		;
	return i;
}

/* What the attribute at @off is called: "cidr 10.244.1.0/24", "ttl". */
static void attr_path(char *out, size_t size, const struct nlattr *a, size_t len,
		      size_t at, size_t off, const struct nl_name *names)
{
	while (names && len >= sizeof(*a) && a->nla_len >= sizeof(*a) &&
	       a->nla_len <= len) {
		size_t step = MNL_ALIGN(a->nla_len);
		const struct nl_name *n = names;

		if (off >= at && off < at + a->nla_len) {
			while (n->name && n->type != mnl_attr_get_type(a))
				n++;
			if (!n->name)
				return;
			if (n->show) {
				snprintf(out, size, "%s %s", n->name, n->show(a));
				return;
			}
			if (*n->name)
				snprintf(out + strlen(out), size - strlen(out),
					 "%s%s", *out ? "." : "", n->name);
			if (off >= at + sizeof(*a))
				attr_path(out, size, mnl_attr_get_payload(a),
					  mnl_attr_get_payload_len(a),
					  at + sizeof(*a), off, n->nest);
			return;
		}
		if (step > len)
			return;
		at += step;
		len -= step;
		a = (const struct nlattr *)((const char *)a + step);
	}
}

static size_t extra_bytes(const struct nlmsghdr *nlh, enum nl_bus bus)
{
	if (bus == NL_GENL)
		return sizeof(struct genlmsghdr);
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK: case RTM_DELLINK: case RTM_GETLINK: case RTM_SETLINK:
		return sizeof(struct ifinfomsg);
	case RTM_NEWROUTE: case RTM_DELROUTE: case RTM_GETROUTE:
		return sizeof(struct rtmsg);
	default:
		return 8;	/* ifaddrmsg, nhmsg */
	}
}

const char *nl_req_error(const struct nl_batch *b, size_t i)
{
	static char out[700];
	const struct nl_req *r = &b->req[i];
	const struct nlmsghdr *nlh = header(b, i);
	size_t hdr = MNL_NLMSG_HDRLEN + MNL_ALIGN(extra_bytes(nlh, r->bus));
	char path[100] = "";

	if (r->bad_off >= hdr && r->bad_off < nlh->nlmsg_len)
		attr_path(path, sizeof(path),
			  (const struct nlattr *)((const char *)nlh + hdr),
			  nlh->nlmsg_len - hdr, hdr, r->bad_off, r->names);
	if (r->bus == NL_GENL && r->text && !strcmp(r->text, "Unknown attribute type")) {
		snprintf(out, sizeof(out),
			 "the ipmesh module that is loaded does not know that; it is older than this command: load the one that came with it");
	} else if (r->text) {
		size_t n = strlen(r->text);

		/* Some of the kernel's sentences end with a full stop. */
		if (n && r->text[n - 1] == '.')
			n--;
		snprintf(out, sizeof(out), "%.*s", (int)n, r->text);
	} else {
		snprintf(out, sizeof(out), "%s", nl_strerror(r->error));
	}
	if (*path)
		snprintf(out + strlen(out), sizeof(out) - strlen(out),
			 " (%s)", path);
	return out;
}
