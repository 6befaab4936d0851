// SPDX-License-Identifier: GPL-2.0-only
/*
 * LD_PRELOAD=older.so: a program that uses libmnl meets a kernel whose ipmesh module
 * does not know of notrack, nor of who writes a peer's routes: the attributes have other
 * numbers in what is sent, and in what comes back. A link's are passed over by the kernel,
 * as any that is new to it, and a peer's refused.
 */

#include <dlfcn.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/ipmesh.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define UNKNOWN	99

ssize_t mnl_socket_sendto(const struct mnl_socket *s, const void *buf, size_t len);
ssize_t mnl_socket_recvfrom(const struct mnl_socket *s, void *buf, size_t len);

static void forget(struct nlattr *info)
{
	struct nlattr *data, *attr;

	mnl_attr_for_each_nested(data, info) {
		if (mnl_attr_get_type(data) != IFLA_INFO_DATA)
			continue;
		mnl_attr_for_each_nested(attr, data)
			if (mnl_attr_get_type(attr) == IFLA_IPMESH_NOTRACK)
				attr->nla_type = UNKNOWN;
	}
}

static void forget_link(struct nlmsghdr *nlh)
{
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg))
		if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			forget(attr);
}

static void forget_peer(struct nlmsghdr *nlh)
{
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == IPMESH_A_PEER_ROUTES)
			attr->nla_type = UNKNOWN;
}

static void forget_all(const struct mnl_socket *s, void *buf, ssize_t len)
{
	struct nlmsghdr *nlh = buf;
	int protocol = 0, rest = (int)len;
	socklen_t size = sizeof(protocol);

	getsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
	for (; mnl_nlmsg_ok(nlh, rest); nlh = mnl_nlmsg_next(nlh, &rest)) {
		if (protocol == NETLINK_ROUTE && nlh->nlmsg_type == RTM_NEWLINK)
			forget_link(nlh);
		else if (protocol == NETLINK_GENERIC && nlh->nlmsg_type > GENL_ID_CTRL)
			forget_peer(nlh);
	}
}

ssize_t mnl_socket_sendto(const struct mnl_socket *s, const void *buf, size_t len)
{
	ssize_t (*next)(const struct mnl_socket *, const void *, size_t) =
		dlsym(RTLD_NEXT, "mnl_socket_sendto");

	/* the program's own buffer, which it has no more use for */
	forget_all(s, (void *)buf, (ssize_t)len);
	return next(s, buf, len);
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *s, void *buf, size_t len)
{
	ssize_t (*next)(const struct mnl_socket *, void *, size_t) =
		dlsym(RTLD_NEXT, "mnl_socket_recvfrom");
	ssize_t got = next(s, buf, len);

	if (got > 0)
		forget_all(s, buf, got);
	return got;
}
