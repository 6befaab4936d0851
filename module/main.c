// SPDX-License-Identifier: GPL-2.0-only
/* ipmesh: an IP-in-IP overlay device with many peers. Init order only. */

#include <linux/module.h>

#include "device.h"
#include "error.h"
#include "mtu.h"
#include "netlink.h"
#include "peer.h"
#include "receive.h"
#include "underlay.h"

static int __init ipmesh_init(void)
{
	int err;

	err = ipmesh_peer_cache_create();
	if (err)
		return err;

	err = ipmesh_underlay_register();
	if (err)
		goto destroy_cache;

	err = ipmesh_mtu_register();
	if (err)
		goto unregister_underlay;

	err = ipmesh_error_register();
	if (err)
		goto unregister_mtu;

	err = ipmesh_receive_register();
	if (err)
		goto unregister_error;

	err = ipmesh_device_register();
	if (err)
		goto unregister_receive;

	err = ipmesh_netlink_register();
	if (err)
		goto unregister_device;

	return 0;

unregister_device:
	ipmesh_device_unregister();
unregister_receive:
	ipmesh_receive_unregister();
unregister_error:
	ipmesh_error_unregister();
unregister_mtu:
	ipmesh_mtu_unregister();
unregister_underlay:
	ipmesh_underlay_unregister();
destroy_cache:
	ipmesh_peer_cache_destroy();
	return err;
}

static void __exit ipmesh_exit(void)
{
	ipmesh_netlink_unregister();
	ipmesh_device_unregister();
	ipmesh_receive_unregister();
	ipmesh_error_unregister();
	ipmesh_mtu_unregister();
	ipmesh_underlay_unregister();
	ipmesh_peer_cache_destroy();
}

module_init(ipmesh_init);
module_exit(ipmesh_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("IP-in-IP overlay device with many peers");
MODULE_AUTHOR("The ipmesh developers");
MODULE_VERSION(IPMESH_VERSION);
MODULE_ALIAS_RTNL_LINK("ipmesh");
MODULE_ALIAS_GENL_FAMILY("ipmesh");
