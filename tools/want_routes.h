/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_WANT_ROUTES_H
#define IPMESH_WANT_ROUTES_H

#include "have.h"
#include "want.h"

/* Notes which peers get routes, and whether the host has pods. With @none a daemon writes
 * all of them: those to peers, and the one for the host's own block.
 */
void want_routes_settle(struct want *w, bool none);
/* Where nobody has said who writes the routes: as the peers that are there remember it. A
 * peer that is new gets routes, unless none of the others has any.
 */
void want_routes_follow(struct want *w, const struct have *h);

#endif
