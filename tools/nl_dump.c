// SPDX-License-Identifier: GPL-2.0-or-later
/* The netlink client: dumps and single answers, attributes, the family. */
#include <errno.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/ipmesh.h>
#include "addr.h"
#include "err.h"
#include "nl-impl.h"

/* Times that a dump begins anew when the kernel's state changed during it. */
#define DUMP_TRIES	20

/* @end: 1 when the last message came. */
static int one_message(struct nl *nl, const struct nl_dump *d,
		       const struct nlmsghdr *nlh, bool *end, int *failed)
{
	uint32_t off;
	int e = 0;

	switch (nlh->nlmsg_type) {
	case NLMSG_NOOP:
		return 0;
	case NLMSG_DONE:
		*end = true;
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int))
			e = *(const int *)mnl_nlmsg_get_payload(nlh);
		if (e < 0 && nlh->nlmsg_flags & NLM_F_ACK_TLVS) {
			const struct nlattr *a;

			mnl_attr_for_each(a, nlh, sizeof(int))
				if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG)
					nl_str(nl->text, sizeof(nl->text), a);
		}
		return e < 0 ? e : 0;
	case NLMSG_ERROR:
		*end = true;
		return nl_answer(nlh, nl->text, sizeof(nl->text), &off);
	case NLMSG_OVERRUN:
		return -ENOBUFS;
	}
	/* After a failure the rest is read, but not used. */
	if (!*failed && d->each)
		*failed = d->each(nlh, d->data);
	return 0;
}

static int one_round(struct nl *nl, const struct nl_dump *d, uint16_t flags,
		     bool *changed)
{
	struct mnl_socket *s = nl_socket(nl, d->bus);
	struct nl_batch b;
	struct nlmsghdr *nlh;
	bool end = false;
	uint32_t seq;
	ssize_t got;
	int failed = 0, e = 0;

	if (!s)
		return -errno;
	nl_batch_init(&b, nl);
	nlh = nl_add(&b, d->bus, d->type, 0, d->hdr, d->extra, NULL);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	seq = nlh->nlmsg_seq;
	if (d->put)
		d->put(nlh, d->data);
	got = mnl_socket_sendto(s, nlh, nlh->nlmsg_len);
	nl_batch_free(&b);
	if (got < 0)
		return -errno;

	while (!end) {
		const struct nlmsghdr *m = nl->recv_buf;
		int len;

		got = mnl_socket_recvfrom(s, nl->recv_buf, NL_RECV_BYTES);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		len = (int)got;
		for (; !end && mnl_nlmsg_ok(m, len); m = mnl_nlmsg_next(m, &len)) {
			if (m->nlmsg_seq != seq)
				continue;
			if (m->nlmsg_flags & NLM_F_DUMP_INTR)
				*changed = true;
			e = one_message(nl, d, m, &end, &failed);
			if (e)
				end = true;
		}
	}
	return e ? e : failed;
}

int nl_dump(struct nl *nl, const struct nl_dump *d)
{
	int e = 0;

	nl->text[0] = '\0';
	for (unsigned int i = 0; i < DUMP_TRIES; i++) {
		bool changed = false;

		if (i) {
			if (d->restart)
				d->restart(d->data);
			/* Let those who change it come to an end. */
			usleep(2000 * i);
		}
		e = one_round(nl, d, NLM_F_DUMP, &changed);
		/* -EINTR: an interrupted dump that the kernel ended itself. */
		if (e && e != -EINTR)
			break;
		if (!e && !changed)
			break;
		e = -EINTR;
	}
	nl->error = e;
	return e;
}

int nl_get(struct nl *nl, const struct nl_dump *d)
{
	bool changed = false;

	nl->text[0] = '\0';
	nl->error = one_round(nl, d, NLM_F_ACK, &changed);
	return nl->error;
}

const char *nl_strerror(int error)
{
	switch (-error) {
	case EPERM:
	case EACCES:
		return "permission denied; root, or CAP_NET_ADMIN, is needed";
	case EINTR:
		return "the kernel's state kept changing while it was read; try again";
	case ETIMEDOUT:
		return "the kernel did not answer";
	case ENODEV:
		return "there is no such device";
	default:
		return strerror(-error);
	}
}

const char *nl_error(struct nl *nl, int error)
{
	if (nl->error == error && nl->text[0])
		return nl->text;
	return nl_strerror(error);
}

static int on_group(const struct nlattr *nest, struct nl *nl)
{
	const struct nlattr *tb[CTRL_ATTR_MCAST_GRP_MAX + 1], *g;
	char name[32];

	mnl_attr_for_each_nested(g, nest) {
		nl_parse_nest(g, tb, CTRL_ATTR_MCAST_GRP_MAX);
		nl_str(name, sizeof(name), tb[CTRL_ATTR_MCAST_GRP_NAME]);
		if (!strcmp(name, IPMESH_MCGRP_PEERS))
			nl->group = (uint32_t)nl_u(tb[CTRL_ATTR_MCAST_GRP_ID]);
	}
	return 0;
}

static int on_family(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *tb[CTRL_ATTR_MCAST_GROUPS + 1];
	struct nl *nl = data;

	nl_parse(nlh, sizeof(struct genlmsghdr), tb, CTRL_ATTR_MCAST_GROUPS);
	nl->family = (int)nl_u(tb[CTRL_ATTR_FAMILY_ID]);
	if (tb[CTRL_ATTR_MCAST_GROUPS])
		on_group(tb[CTRL_ATTR_MCAST_GROUPS], nl);
	return 0;
}

static void put_family(struct nlmsghdr *nlh, void *data)
{
	(void)data;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, IPMESH_FAMILY_NAME);
}

int nl_family(struct nl *nl)
{
	struct genlmsghdr hdr = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	struct nl_dump d = {
		.bus = NL_GENL, .type = GENL_ID_CTRL,
		.hdr = &hdr, .extra = sizeof(hdr),
		.put = put_family, .each = on_family, .data = nl,
	};
	int e;

	if (nl->family)
		return nl->family;
	e = nl_get(nl, &d);
	if (e == -ENOENT)
		snprintf(nl->text, sizeof(nl->text), "%s", NL_NO_MODULE);
	if (e)
		return e;
	return nl->family ? nl->family : -ENOENT;
}

int nl_group(struct nl *nl, const char *name)
{
	int e = nl_family(nl);

	if (e < 0)
		return e;
	return nl->group && !strcmp(name, IPMESH_MCGRP_PEERS) ?
	       (int)nl->group : -ENOENT;
}
