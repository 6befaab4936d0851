// SPDX-License-Identifier: GPL-2.0-only
/* Who may do what. netlink itself asks for CAP_NET_ADMIN where the device lives. A
 * device that was moved to a container has its underlay elsewhere, and the container's
 * root has no say there. Documentation/security.md has the table.
 */

#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/net_namespace.h>

#include <uapi/linux/ipmesh.h>

#include "device.h"
#include "privilege.h"

/**
 * ipmesh_privilege_check - whether a request may reach into the underlay
 * @ipm: the device, which is not being deleted
 * @skb: the request if it came by generic netlink: who opened the socket counts, too;
 *	NULL for rtnetlink, which does not hand it over
 * @attr: what the request asks for, for @extack
 * @extack: where a refusal is explained
 *
 * In a device that lives in its underlay's namespace this is what netlink has asked
 * already.
 *
 * Context: process; RTNL or the device's lock.
 * Return: 0 or -EPERM.
 */
int ipmesh_privilege_check(const struct ipmesh_dev *ipm, const struct sk_buff *skb,
			   const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	struct user_namespace *user_ns = ipm->net->user_ns;

	if (skb ? netlink_ns_capable(skb, user_ns, CAP_NET_ADMIN) :
		  ns_capable(user_ns, CAP_NET_ADMIN))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attr,
			    "This reaches into the underlay and takes CAP_NET_ADMIN in its namespace");
	return -EPERM;
}

/**
 * ipmesh_privilege_link - whether a request may set these attributes of a device
 * @ipm: the device
 * @data: attributes of the kind, by type
 * @extack: where a refusal is explained
 *
 * The MTU is the device's own affair; each of the others says what is sent to, or
 * received from, the underlay, or how much of it a container may use.
 *
 * Context: process, RTNL.
 * Return: 0 or -EPERM.
 */
int ipmesh_privilege_link(const struct ipmesh_dev *ipm, struct nlattr *data[],
			  struct netlink_ext_ack *extack)
{
	unsigned int i;

	ASSERT_RTNL();

	for (i = 1; i <= IFLA_IPMESH_MAX; i++)
		if (data[i] && i != IFLA_IPMESH_MTU_AUTO)
			return ipmesh_privilege_check(ipm, NULL, data[i], extack);
	return 0;
}
