/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_ETHTOOL_H
#define _IPMESH_ETHTOOL_H

#include <linux/ethtool.h>

extern const struct ethtool_ops ipmesh_ethtool_ops;

#endif /* _IPMESH_ETHTOOL_H */
