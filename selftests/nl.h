/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests to the module by raw netlink, for tests that do not trust the tool. */
#ifndef _IPMESH_SELFTESTS_NL_H
#define _IPMESH_SELFTESTS_NL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/ipmesh.h>

/* One peer with all its pod CIDRs, and a dump's headers, are smaller. */
#define NL_BUF		(64 * 1024)

/**
 * struct nl - a netlink socket with the result of its last request
 * @sk: the socket
 * @family: id of the ipmesh family; 0 on a route socket
 * @group: id of the group "peers"
 * @seq: sequence number of the last request
 * @extack: what the kernel said of it, "" for nothing
 * @attr_off: offset of the attribute that it did not like, 0 for none
 * @intr: the last dump was interrupted
 * @buf: room for nl_start()
 */
struct nl {
	struct mnl_socket *sk;
	uint16_t family;
	uint32_t group;
	uint32_t seq;
	char extack[256];
	uint32_t attr_off;
	bool intr;
	char buf[NL_BUF + 4096];
};

/* A peer as the kernel tells it; an IPv4 address also as a number. */
struct nl_peer {
	uint32_t ifindex;
	in_addr_t endpoint;
	unsigned char addr[16];
	uint8_t addr_len;
	char name[IPMESH_NAME_MAX + 1];
	bool has_stats;
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, icmp_errors;
	bool heard;
	uint64_t last_rx_ms;
	uint64_t drops[IPMESH_A_DROPS_MAX + 1];
	int cause;
	unsigned int n_cidrs, n_sources, n_froms;
	uint32_t routes;
	struct nl_cidr {
		in_addr_t prefix;
		uint8_t len;
		uint8_t addr_len;
		unsigned char addr[16];
	} cidrs[IPMESH_MAX_CIDRS], sources[IPMESH_MAX_SOURCES], froms[IPMESH_MAX_FROMS];
};

void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

void nl_open_genl(struct nl *nl);
void nl_open_route(struct nl *nl);
void nl_close(struct nl *nl);

struct nlmsghdr *nl_start(struct nl *nl, uint8_t cmd, uint16_t flags);
struct nlmsghdr *nl_start_link(struct nl *nl, uint16_t type, uint16_t flags,
			       const char *name);
int nl_talk(struct nl *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *data);

void nl_put_prefix(struct nlmsghdr *nlh, uint16_t type, in_addr_t prefix, uint8_t len,
		   bool remove);
void nl_put_cidr(struct nlmsghdr *nlh, in_addr_t prefix, uint8_t len, bool remove);
void nl_parse_peer(const struct nlmsghdr *nlh, struct nl_peer *peer);
int nl_peer_get(struct nl *nl, uint32_t ifindex, in_addr_t endpoint,
		struct nl_peer *peer);

const char *nl_drop_name(unsigned int cause);
int nl_drop_cause(const char *name);

#endif /* _IPMESH_SELFTESTS_NL_H */
