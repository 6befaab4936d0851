/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_DIFF_H
#define IPMESH_DIFF_H

#include "have.h"
#include "want.h"

/*
 * The difference between the wanted state and the kernel's, as changes in the
 * order in which they are to be done: what is new comes first, what is
 * replaced then, and only when all of that stands, what is to go.
 */
enum change_op { CHANGE_ADD, CHANGE_SET, CHANGE_REMOVE };

extern const char *const change_ops[];	/* "add", "change", "remove" */

enum change_object {
	CHANGE_DEVICE, CHANGE_ADDRESS, CHANGE_PEER, CHANGE_NEXTHOP,
	CHANGE_ROUTE, CHANGE_NAT, CHANGE_GUARD, CHANGE_ENDPOINTS,
};

/* A phase begins when the one before is done without a refusal. */
enum change_phase {
	PHASE_DEVICE,
	PHASE_ADDRESS,
	PHASE_ENDPOINTS,
	PHASE_ROOM,		/* old peers, when the new ones find no place */
	PHASE_PEER,
	PHASE_NEXTHOP,
	PHASE_ROUTE,
	PHASE_NAT,
	PHASE_OLD_ROUTE,
	PHASE_OLD_NEXTHOP,
	PHASE_OLD_PEER,
	PHASE_OLD_ENDPOINTS,
	PHASE_OLD_ADDRESS,
	PHASE_OLD_GUARD,
	PHASE_OLD_NAT,
	PHASE_OLD_DEVICE,
	PHASES,
};

struct change {
	enum change_op op;
	enum change_object object;
	enum change_phase phase;
	bool tried, done;
	char *wrong;			/* tried, and refused */
	const char *name;		/* of a peer, for people */
	union {
		struct rtlink_change link;
		struct prefix address;
		struct peer_change peer;	/* its lists are the change's own */
		struct nexthop nexthop;		/* oif 0: the device */
		struct {
			struct rtroute r;
			struct addr via;	/* of a route by nexthop object */
			bool by_device;		/* oif is the device's */
		} route;
		uint8_t family;			/* of address translation, or the guard */
		struct {
			struct set_name set;
			struct addr *v;
			size_t n;
		} endpoints;
	};
};

struct diff {
	const struct want *want;
	const struct have *have;
	uint32_t *mtu;		/* of want's peers, where narrower than the device */
	uint16_t *ports;	/* sorted: of UDP that carries tunnels */
	size_t n_ports;
	struct change *v;
	size_t n, cap;
	bool put_back;			/* somebody else had changed it: say so */
};

/* 0, or -1 after saying what stands in the way. */
int diff_compute(struct diff *d, const struct want *w, const struct have *h);
/* The same when nothing of the device is wanted; in want only its name is. */
void diff_remove(struct diff *d, const struct want *w, const struct have *h);
void diff_free(struct diff *d);

/* Leaves out the changes that would take away what is of peers that STAYS is true for, by
 * their names, and with OTHERS also what is no peer's. How many these were.
 */
size_t diff_keep(struct diff *d, bool (*stays)(const void *data, const char *peer),
		 const void *data, bool others);

struct change *diff_add(struct diff *d, enum change_op op,
			enum change_object object, enum change_phase phase);
int diff_routes(struct diff *d);	/* with their nexthops */
int diff_mtu(struct diff *d);		/* before the routes */
int diff_endpoints(struct diff *d);
void diff_old_endpoints(struct diff *d, const struct endpoint_set *s,
			const struct want *w);

/* What is wanted of address translation, for a family by index. */
struct nat want_nat(const struct want *w, int family);

/* What is wanted against pods' own tunnels, for a family by index. */
struct guard diff_guard(const struct diff *d, int family);

/* "peer 172.16.40.198 k8s-node1": what a change is about; a static buffer. */
const char *diff_subject(const struct diff *d, const struct change *c);

/* Does all; exit status. */
int diff_run(struct diff *d, struct nl *nl);
/* Lists what was done, or with DRY what would be. */
int diff_print(const struct diff *d, bool dry);

#endif
