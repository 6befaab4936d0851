/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_CELL_H
#define _IPMESH_CELL_H

#include <linux/types.h>

struct ipmesh_dev;
struct sk_buff;

bool ipmesh_cell_receive(struct ipmesh_dev *ipm, struct sk_buff *skb);

int ipmesh_cell_alloc(struct ipmesh_dev *ipm);
void ipmesh_cell_stop(struct ipmesh_dev *ipm);
void ipmesh_cell_free(struct ipmesh_dev *ipm);

#endif /* _IPMESH_CELL_H */
