/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 and IPv6 addresses and prefixes. */
#ifndef IPMESH_ADDR_H
#define IPMESH_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The unused bytes are zero, so that whole structs may be hashed. */
struct addr {
	uint8_t family;		/* AF_INET, AF_INET6; AF_UNSPEC for none */
	uint8_t b[16];		/* network byte order, from b[0] */
};

struct prefix {
	struct addr addr;	/* of a prefix read by prefix_parse(): no host bits */
	uint8_t len;
};

struct prefix_list {
	struct prefix *v;
	size_t n, cap;
};

#define ADDR_STRLEN	46	/* INET6_ADDRSTRLEN */
#define PREFIX_STRLEN	50

/*
 * Parsers are strict: four decimal parts without leading zeros or signs, no
 * spaces, no zone. They give NULL when all is well, or else a sentence that
 * names the text and says what is wrong; it is good until the next call.
 */
const char *addr_parse(struct addr *a, const char *text);

/* A prefix such as a pod CIDR: the length must be there and host bits clear
 * ("10.244.1.5/24: host bits are set; did you mean 10.244.1.0/24?").
 */
const char *prefix_parse(struct prefix *p, const char *text);

/* The same, or an address alone: a host's. */
const char *prefix_or_host_parse(struct prefix *p, const char *text);

/* An address with a length, host bits welcome; without "/N" a host's. */
const char *ifaddr_parse(struct prefix *p, const char *text);

/* @bytes long data of an attribute: 4 or 16; false for other lengths. */
bool addr_from_bytes(struct addr *a, const void *data, size_t bytes);

/* Text, in one of 16 static buffers used in turn. AF_UNSPEC gives "any". */
const char *addr_str(const struct addr *a);
const char *prefix_str(const struct prefix *p);
/* The same, but of a single host without the length. */
const char *prefix_or_host_str(const struct prefix *p);

static inline size_t addr_bytes(const struct addr *a)
{
	return a->family == AF_INET6 ? 16 : 4;
}

static inline uint8_t addr_bits(const struct addr *a)
{
	return a->family == AF_INET6 ? 128 : 32;
}

/* Order: IPv4 before IPv6, then by bytes, then shorter prefixes first. */
int addr_cmp(const struct addr *a, const struct addr *b);
int prefix_cmp(const struct prefix *a, const struct prefix *b);

static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
	return !addr_cmp(a, b);
}

static inline bool prefix_eq(const struct prefix *a, const struct prefix *b)
{
	return !prefix_cmp(a, b);
}

bool addr_is_any(const struct addr *a);		/* none, 0.0.0.0 or :: */

/* Can a host be reached at it: not any, multicast, loopback, broadcast. */
bool addr_is_unicast(const struct addr *a);

bool prefix_contains(const struct prefix *p, const struct addr *a);
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);

/* The same prefix with the host bits cleared. */
struct prefix prefix_masked(const struct prefix *p);
struct prefix prefix_host(const struct addr *a);	/* /32 or /128 */

/* The nth address of the prefix; 1 of 10.244.1.0/24 is 10.244.1.1. */
struct addr prefix_nth(const struct prefix *p, uint32_t n);

/* ::ffff:a.b.c.d, how an IPv6 nexthop names an IPv4 endpoint; and back. */
struct addr addr_mapped(const struct addr *v4);
struct addr addr_unmapped(const struct addr *a);

/* Lists that grow; v is to be freed. */
void prefix_list_add(struct prefix_list *l, const struct prefix *p);
void prefix_list_sort(struct prefix_list *l);
bool prefix_list_has(const struct prefix_list *l, const struct prefix *p);
void prefix_list_clear(struct prefix_list *l);

uint32_t addr_hash(const struct addr *a);
uint32_t prefix_hash(const struct prefix *p);

#endif
