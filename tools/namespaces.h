/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network namespaces of this host, as far as a process or a name holds them. */
#ifndef IPMESH_NAMESPACES_H
#define IPMESH_NAMESPACES_H

/* Calls @each once for each of them, ours first, until it gives other than 0, which is then
 * the result. @ns is open as long as @each runs; @where says it to people. One that may not
 * be opened is an error, which was said; what only a mount elsewhere holds is not found.
 */
int namespaces_each(int (*each)(int ns, const char *where, void *arg), void *arg);

/* Runs @run in that namespace, as a process of its own. Its result, from 0 to 255. */
int namespaces_inside(int ns, int (*run)(void *arg), void *arg);

#endif
