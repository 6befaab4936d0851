/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_APPLY_H
#define IPMESH_APPLY_H

#include "have.h"
#include "want.h"

/* What the host decides where the documents leave it open. A node behind address translation
 * is known by an address that it has not: then the local address is one that this host has,
 * of those that documents name for the node. And who writes the routes, see want_routes.h.
 */
void apply_settle(struct want *w, const struct have *h);

/* Tells of what is not ours to change, but without which nothing comes through. */
void apply_advise(const struct want *w, const struct have *h);

#endif
