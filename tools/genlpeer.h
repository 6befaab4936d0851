/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Peers of a device, through the generic netlink family ipmesh. */
#ifndef IPMESH_GENLPEER_H
#define IPMESH_GENLPEER_H

#include "addr.h"
#include "drops.h"
#include "nl.h"

struct peer_stats {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t icmp_errors;
	uint64_t last_rx_ms;		/* age; meaningful with @heard */
	bool heard;
	struct drops drops;
};

struct peer {
	struct addr endpoint;
	char name[IPMESH_NAME_MAX + 1];	/* "" for none */
	struct prefix *cidrs;
	size_t n_cidrs, cap_cidrs;
	struct prefix_list sources;	/* inner, besides the CIDRs */
	struct prefix_list froms;	/* outer, besides the endpoint */
	uint8_t encap;			/* IPMESH_ENCAP_*, _DEVICE: the device's */
	uint16_t dport;			/* 0: the device's */
	uint8_t routes;			/* IPMESH_PEER_ROUTES_*: who writes them */
	bool tells_routes;		/* the module knows of that */
	struct peer_stats stats;
};

struct peers {
	struct peer *v;
	size_t n, cap;
};

/*
 * The peers of a device, each whole: messages that go on with the prefixes of the
 * one before are joined. Sorted by endpoint, prefixes too. 0 or -errno (-ENOENT:
 * no module).
 */
int genlpeer_dump(struct nl *nl, uint32_t ifindex, struct peers *l);
void peers_free(struct peers *l);

/* One peer: free with peer_clear(); -ENOENT when there is none. */
int genlpeer_get(struct nl *nl, uint32_t ifindex, const struct addr *endpoint,
		 struct peer *p);
void peer_clear(struct peer *p);
void peer_add_cidr(struct peer *p, const struct prefix *cidr);

/* What the group "peers" tells; free the peer with peer_clear(). */
struct peer_event {
	uint8_t cmd;			/* IPMESH_CMD_PEER_*_NTF */
	uint32_t ifindex;
	enum ipmesh_cause cause;
	struct peer peer;		/* as it is now, or was when it went */
};

bool genlpeer_event(struct peer_event *e, const struct nlmsghdr *nlh);

/* In a sorted dump; NULL when there is none. */
const struct peer *peers_find(const struct peers *l, const struct addr *endpoint);

/* "ipmesh" or "none": IPMESH_PEER_ROUTES_* in words. */
const char *peer_routes_name(uint8_t routes);

/* Whether a peer with sorted CIDRs has this one. */
bool peer_has_cidr(const struct peer *p, const struct prefix *cidr);

/* What a request says of prefixes of one kind besides CIDRs. */
struct peer_part {
	const struct prefix *add;
	size_t n_add;
	const struct prefix *remove;	/* only for set */
	size_t n_remove;
};

/* What a request says of a peer. Zeroed but for the endpoint: nothing. */
struct peer_change {
	uint32_t ifindex;
	struct addr endpoint;
	const char *name;		/* NULL: not named; "" takes it away */
	const struct prefix *add;	/* CIDRs */
	size_t n_add;
	const struct prefix *remove;	/* only for set */
	size_t n_remove;
	struct peer_part sources, froms;
	uint32_t flags;			/* IPMESH_PEER_FLAGS_* */
	bool has_encap, has_dport, has_routes;
	uint8_t encap;
	uint16_t dport;
	uint8_t routes;
};

void genlpeer_new(struct nl_batch *b, const struct peer_change *c);	/* -EEXIST */
void genlpeer_replace(struct nl_batch *b, const struct peer_change *c);	/* or new */
void genlpeer_set(struct nl_batch *b, const struct peer_change *c);
void genlpeer_del(struct nl_batch *b, uint32_t ifindex,
		  const struct addr *endpoint);

#endif
