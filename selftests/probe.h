/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets made, answered and seen by hand; see the head of mesh.c for use. */
#ifndef _IPMESH_SELFTESTS_PROBE_H
#define _IPMESH_SELFTESTS_PROBE_H

int probe_echo(char **argv);
int probe_flood(char **argv);
int probe_raw(char **argv);
int probe_capture(char **argv);

#endif /* _IPMESH_SELFTESTS_PROBE_H */
