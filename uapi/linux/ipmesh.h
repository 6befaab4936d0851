/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/ipmesh.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_IPMESH_H
#define _UAPI_LINUX_IPMESH_H

#define IPMESH_FAMILY_NAME	"ipmesh"
#define IPMESH_FAMILY_VERSION	1

#define IPMESH_NAME_MAX			63
#define IPMESH_MAX_CIDRS		1024
#define IPMESH_MAX_SOURCES		64
#define IPMESH_MAX_FROMS		64
#define IPMESH_MAX_PEERS_DEFAULT	65536
#define IPMESH_TTL_INHERIT		0
#define IPMESH_DSCP_INHERIT		255
#define IPMESH_DPORT_DEFAULT		5555

/**
 * enum ipmesh_encap - What carries the inner packet.
 * @IPMESH_ENCAP_NONE: The outer IP header alone, protocol 4 or 41.
 * @IPMESH_ENCAP_UDP: UDP, with the inner packet as its payload.
 * @IPMESH_ENCAP_DEVICE: For a peer, what its device says.
 */
enum ipmesh_encap {
	IPMESH_ENCAP_NONE,
	IPMESH_ENCAP_UDP,
	IPMESH_ENCAP_DEVICE,
};

/**
 * enum ipmesh_peers_mode - What is accepted from, and sent to, endpoints that
 *   are no peers.
 * @IPMESH_PEERS_MODE_STRICT: Nothing.
 * @IPMESH_PEERS_MODE_OPEN: Everything, as tunl0 does.
 */
enum ipmesh_peers_mode {
	IPMESH_PEERS_MODE_STRICT,
	IPMESH_PEERS_MODE_OPEN,
};

/**
 * enum ipmesh_peer_routes - Who writes the routes to a peer's pod CIDRs. The
 *   kernel remembers it for programs that do, and does nothing with it.
 * @IPMESH_PEER_ROUTES_IPMESH: The tool that has made the peer.
 * @IPMESH_PEER_ROUTES_NONE: Somebody else, such as a routing daemon, or
 *   nobody.
 */
enum ipmesh_peer_routes {
	IPMESH_PEER_ROUTES_IPMESH,
	IPMESH_PEER_ROUTES_NONE,
};

/**
 * enum ipmesh_peer_flags
 * @IPMESH_PEER_FLAGS_REPLACE_CIDRS: The request names all pod CIDRs of the
 *   peer; others go.
 * @IPMESH_PEER_FLAGS_MOVE: A pod CIDR or outer prefix that another peer of the
 *   device holds is taken over.
 * @IPMESH_PEER_FLAGS_REPLACE_SOURCES: The request names all sources of the
 *   peer; others go.
 * @IPMESH_PEER_FLAGS_REPLACE_FROMS: The request names all outer prefixes of
 *   the peer; others go.
 */
enum ipmesh_peer_flags {
	IPMESH_PEER_FLAGS_REPLACE_CIDRS = 1,
	IPMESH_PEER_FLAGS_MOVE = 2,
	IPMESH_PEER_FLAGS_REPLACE_SOURCES = 4,
	IPMESH_PEER_FLAGS_REPLACE_FROMS = 8,
};

/**
 * enum ipmesh_cause - Why a peer changed.
 * @IPMESH_CAUSE_REQUEST: A request named this peer.
 * @IPMESH_CAUSE_MOVE: A request moved a pod CIDR or outer prefix of this peer
 *   to another one.
 * @IPMESH_CAUSE_DEVICE: The device went away.
 */
enum ipmesh_cause {
	IPMESH_CAUSE_REQUEST,
	IPMESH_CAUSE_MOVE,
	IPMESH_CAUSE_DEVICE,
};

enum {
	IFLA_IPMESH_LOCAL = 1,
	IFLA_IPMESH_LINK,
	IFLA_IPMESH_PEERS,
	IFLA_IPMESH_TTL,
	IFLA_IPMESH_DSCP,
	IFLA_IPMESH_PMTUDISC,
	IFLA_IPMESH_FWMARK,
	IFLA_IPMESH_MTU_AUTO,
	IFLA_IPMESH_MAX_PEERS,
	IFLA_IPMESH_PEER_COUNT,
	IFLA_IPMESH_ENCAP,
	IFLA_IPMESH_DPORT,
	IFLA_IPMESH_SPORT,
	IFLA_IPMESH_CSUM,
	IFLA_IPMESH_NOTRACK,
	IFLA_IPMESH_RPF,
	IFLA_IPMESH_LAST,

	__IFLA_IPMESH_MAX,
	IFLA_IPMESH_MAX = (__IFLA_IPMESH_MAX - 1)
};

enum {
	IPMESH_A_LAST_PAD = 1,
	IPMESH_A_LAST_CAUSE,
	IPMESH_A_LAST_ENDPOINT,
	IPMESH_A_LAST_INNER,
	IPMESH_A_LAST_AGE_MS,

	__IPMESH_A_LAST_MAX,
	IPMESH_A_LAST_MAX = (__IPMESH_A_LAST_MAX - 1)
};

enum {
	IPMESH_A_PEER_IFINDEX = 1,
	IPMESH_A_PEER_ENDPOINT,
	IPMESH_A_PEER_NAME,
	IPMESH_A_PEER_FLAGS,
	IPMESH_A_PEER_CIDR,
	IPMESH_A_PEER_ADDRESS,
	IPMESH_A_PEER_STATS,
	IPMESH_A_PEER_CAUSE,
	IPMESH_A_PEER_ENCAP,
	IPMESH_A_PEER_DPORT,
	IPMESH_A_PEER_SOURCE,
	IPMESH_A_PEER_FROM,
	IPMESH_A_PEER_ROUTES,

	__IPMESH_A_PEER_MAX,
	IPMESH_A_PEER_MAX = (__IPMESH_A_PEER_MAX - 1)
};

enum {
	IPMESH_A_CIDR_PREFIX = 1,
	IPMESH_A_CIDR_LENGTH,
	IPMESH_A_CIDR_REMOVE,

	__IPMESH_A_CIDR_MAX,
	IPMESH_A_CIDR_MAX = (__IPMESH_A_CIDR_MAX - 1)
};

enum {
	IPMESH_A_STATS_PAD = 1,
	IPMESH_A_STATS_RX_PACKETS,
	IPMESH_A_STATS_RX_BYTES,
	IPMESH_A_STATS_TX_PACKETS,
	IPMESH_A_STATS_TX_BYTES,
	IPMESH_A_STATS_LAST_RX_MS,
	IPMESH_A_STATS_ICMP_ERRORS,
	IPMESH_A_STATS_DROPS,

	__IPMESH_A_STATS_MAX,
	IPMESH_A_STATS_MAX = (__IPMESH_A_STATS_MAX - 1)
};

enum {
	IPMESH_A_DROPS_PAD = 1,
	IPMESH_A_DROPS_TX_INVALID,
	IPMESH_A_DROPS_NO_PEER,
	IPMESH_A_DROPS_NO_ROUTE,
	IPMESH_A_DROPS_LOOP,
	IPMESH_A_DROPS_TOO_BIG,
	IPMESH_A_DROPS_NO_MEMORY,
	IPMESH_A_DROPS_TX_REFUSED,
	IPMESH_A_DROPS_UNKNOWN_PEER,
	IPMESH_A_DROPS_RX_INVALID,
	IPMESH_A_DROPS_MARTIAN,
	IPMESH_A_DROPS_SRC_NOT_ALLOWED,
	IPMESH_A_DROPS_ECN,
	IPMESH_A_DROPS_OUTER_DST,
	IPMESH_A_DROPS_RX_QUEUE,
	IPMESH_A_DROPS_POLICY,
	IPMESH_A_DROPS_NESTED,
	IPMESH_A_DROPS_WRONG_DEV,

	__IPMESH_A_DROPS_MAX,
	IPMESH_A_DROPS_MAX = (__IPMESH_A_DROPS_MAX - 1)
};

enum {
	IPMESH_CMD_PEER_GET = 1,
	IPMESH_CMD_PEER_NEW,
	IPMESH_CMD_PEER_SET,
	IPMESH_CMD_PEER_DEL,
	IPMESH_CMD_PEER_NEW_NTF,
	IPMESH_CMD_PEER_SET_NTF,
	IPMESH_CMD_PEER_DEL_NTF,

	__IPMESH_CMD_MAX,
	IPMESH_CMD_MAX = (__IPMESH_CMD_MAX - 1)
};

#define IPMESH_MCGRP_PEERS	"peers"

#endif /* _UAPI_LINUX_IPMESH_H */
