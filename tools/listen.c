// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel tells of changes: sockets joined to its groups. */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <linux/ipmesh.h>
#include "err.h"
#include "listen.h"

/* The group "notify" of the family that tells of families has its number. */
#define GROUP_FAMILIES	GENL_ID_CTRL

/* Messages larger than this there are none. */
#define BUF_BYTES	(128 * 1024)

/* Thousands of messages, for those who make as many at once. */
#define RCVBUF_BYTES	(4 << 20)

static int join(const struct listen *l, enum listen_bus bus, unsigned int group)
{
	return mnl_socket_setsockopt(l->s[bus], NETLINK_ADD_MEMBERSHIP, &group,
				     sizeof(group)) < 0 ? -errno : 0;
}

static int open_bus(struct listen *l, enum listen_bus bus, int proto)
{
	int size = RCVBUF_BYTES, fd;

	l->s[bus] = mnl_socket_open2(proto, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!l->s[bus])
		return -errno;
	if (mnl_socket_bind(l->s[bus], 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	fd = mnl_socket_get_fd(l->s[bus]);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	l->buf[bus] = xmalloc(BUF_BYTES);
	return 0;
}

static void close_bus(struct listen *l, enum listen_bus bus)
{
	if (l->s[bus])
		mnl_socket_close(l->s[bus]);
	free(l->buf[bus]);
	l->s[bus] = NULL;
	l->buf[bus] = NULL;
}

/* The family's number and group are new each time that the module is loaded. */
static int join_peers(struct listen *l)
{
	struct nl *nl = nl_open();
	int group = nl_group(nl, IPMESH_MCGRP_PEERS);

	l->family = group < 0 ? 0 : nl_family(nl);
	nl_close(nl);
	if (group == -ENOENT)
		return 0;
	return group < 0 ? group : join(l, LISTEN_PEERS, (unsigned int)group);
}

static int open_rt(struct listen *l)
{
	static const unsigned int groups[] = {
		RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
	};
	int e = open_bus(l, LISTEN_RT, NETLINK_ROUTE);

	for (size_t i = 0; !e && i < sizeof(groups) / sizeof(groups[0]); i++)
		e = join(l, LISTEN_RT, groups[i]);
	/* A kernel built without nexthop objects has no such group. */
	if (!e)
		join(l, LISTEN_RT, RTNLGRP_NEXTHOP);
	return e;
}

int listen_open(struct listen *l, bool nft)
{
	int e;

	memset(l, 0, sizeof(*l));
	e = open_rt(l);
	if (!e)
		e = open_bus(l, LISTEN_PEERS, NETLINK_GENERIC);
	if (!e)
		e = join(l, LISTEN_PEERS, GROUP_FAMILIES);
	if (!e)
		e = join_peers(l);
	if (e)
		listen_close(l);
	else if (nft && (open_bus(l, LISTEN_NFT, NETLINK_NETFILTER) ||
			 join(l, LISTEN_NFT, NFNLGRP_NFTABLES)))
		close_bus(l, LISTEN_NFT);
	return e;
}

void listen_close(struct listen *l)
{
	for (unsigned int i = 0; i < LISTEN_BUSES; i++)
		close_bus(l, i);
}

int listen_signals(void)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &ends, SFD_CLOEXEC);
}

void listen_poll(const struct listen *l, struct pollfd *fds)
{
	for (unsigned int i = 0; i < LISTEN_BUSES; i++)
		fds[i] = (struct pollfd){
			.fd = l->s[i] ? mnl_socket_get_fd(l->s[i]) : -1,
			.events = POLLIN,
		};
}

/* The module comes: its peers are to be heard from now on. */
static void on_family(struct listen *l, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *g = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[CTRL_ATTR_FAMILY_NAME + 1];
	char name[GENL_NAMSIZ];

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*g) ||
	    (g->cmd != CTRL_CMD_NEWFAMILY && g->cmd != CTRL_CMD_DELFAMILY))
		return;
	nl_parse(nlh, sizeof(*g), tb, CTRL_ATTR_FAMILY_NAME);
	nl_str(name, sizeof(name), tb[CTRL_ATTR_FAMILY_NAME]);
	if (strcmp(name, IPMESH_FAMILY_NAME))
		return;
	if (g->cmd == CTRL_CMD_NEWFAMILY)
		join_peers(l);
	else
		l->family = 0;
}

int listen_read(struct listen *l, enum listen_bus bus,
		void (*each)(enum listen_bus bus, const struct nlmsghdr *nlh,
			     void *data),
		void *data)
{
	int lost = 0, len;

	while (l->s[bus]) {
		const struct nlmsghdr *nlh = l->buf[bus];
		ssize_t got = mnl_socket_recvfrom(l->s[bus], l->buf[bus], BUF_BYTES);

		if (got < 0 && (errno == ENOBUFS || errno == ENOSPC)) {
			lost = -ENOBUFS;
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? lost : -errno;
		len = (int)got;
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_type < NLMSG_MIN_TYPE)
				continue;
			if (bus == LISTEN_PEERS && nlh->nlmsg_type == GENL_ID_CTRL)
				on_family(l, nlh);
			else if (bus != LISTEN_PEERS || nlh->nlmsg_type == l->family)
				each(bus, nlh, data);
		}
	}
	return lost;
}
