/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_NAME_H
#define IPMESH_NAME_H

/* Names of nodes and peers, and texts of others on a terminal. */

/* NULL, or what is wrong with a name, whatever its length. */
const char *name_check(const char *name);

/*
 * What a peer is called after a node of that name: the name itself where it fits; of a longer
 * one the beginning, and a sum of all of it, as two nodes may begin alike. In a static buffer.
 */
const char *name_label(const char *name);

/*
 * A text as a terminal may get it: what is no character of UTF-8, or would move the cursor or
 * change colours, is written out (\n, \x1b). NULL when there is nothing to write out; the
 * caller frees it.
 */
char *name_escape(const char *text);

#endif
