// SPDX-License-Identifier: GPL-2.0-only
/*
 * LD_PRELOAD=older.so: a program that uses libmnl meets a kernel whose ipmesh module
 * does not know of notrack: the attribute has another number in what is sent, which the
 * module passes over as it does with any that is new to it, and in what comes back.
 */

#include <dlfcn.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/ipmesh.h>
#include <linux/rtnetlink.h>

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

static void forget_all(void *buf, ssize_t len)
{
	struct nlmsghdr *nlh = buf;
	struct nlattr *attr;
	int rest = (int)len;

	for (; mnl_nlmsg_ok(nlh, rest); nlh = mnl_nlmsg_next(nlh, &rest)) {
		if (nlh->nlmsg_type != RTM_NEWLINK)
			continue;
		mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg))
			if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
				forget(attr);
	}
}

ssize_t mnl_socket_sendto(const struct mnl_socket *s, const void *buf, size_t len)
{
	ssize_t (*next)(const struct mnl_socket *, const void *, size_t) =
		dlsym(RTLD_NEXT, "mnl_socket_sendto");

	/* the program's own buffer, which it has no more use for */
	forget_all((void *)buf, (ssize_t)len);
	return next(s, buf, len);
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *s, void *buf, size_t len)
{
	ssize_t (*next)(const struct mnl_socket *, void *, size_t) =
		dlsym(RTLD_NEXT, "mnl_socket_recvfrom");
	ssize_t got = next(s, buf, len);

	if (got > 0)
		forget_all(buf, got);
	return got;
}
