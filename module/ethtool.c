// SPDX-License-Identifier: GPL-2.0-only
/* What ethtool shows of a device. */

#include <linux/ethtool.h>
#include <linux/module.h>

#include "device.h"
#include "ethtool.h"
#include "stats.h"

static void get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, "ipmesh", sizeof(info->driver));
	strscpy(info->version, THIS_MODULE->version, sizeof(info->version));
}

static int get_sset_count(struct net_device *dev, int sset)
{
	return sset == ETH_SS_STATS ? IPMESH_STATS_COUNT : -EOPNOTSUPP;
}

static void get_strings(struct net_device *dev, u32 sset, u8 *data)
{
	unsigned int i;

	if (sset != ETH_SS_STATS)
		return;
	for (i = 0; i < IPMESH_STATS_COUNT; i++, data += ETH_GSTRING_LEN)
		snprintf(data, ETH_GSTRING_LEN, "%s",
			 ipmesh_stats_name(IPMESH_STATS_FIRST + i));
}

static void get_ethtool_stats(struct net_device *dev,
			      struct ethtool_stats *stats, u64 *data)
{
	u64 sums[IPMESH_A_DROPS_MAX + 1];

	ipmesh_stats_drops(netdev_priv(dev), sums);
	memcpy(data, &sums[IPMESH_STATS_FIRST], IPMESH_STATS_COUNT * sizeof(u64));
}

const struct ethtool_ops ipmesh_ethtool_ops = {
	.get_drvinfo		= get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_sset_count		= get_sset_count,
	.get_strings		= get_strings,
	.get_ethtool_stats	= get_ethtool_stats,
};
