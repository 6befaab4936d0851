/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_RECEIVE_H
#define _IPMESH_RECEIVE_H

int ipmesh_receive_register(void);
void ipmesh_receive_unregister(void);

#endif /* _IPMESH_RECEIVE_H */
