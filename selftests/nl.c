// SPDX-License-Identifier: GPL-2.0-only
/* Requests to the module by raw netlink; see nl.h. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "nl.h"

void die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

static void open_socket(struct nl *nl, int bus)
{
	int one = 1;

	memset(nl, 0, offsetof(struct nl, buf));
	nl->sk = mnl_socket_open(bus);
	if (!nl->sk || mnl_socket_bind(nl->sk, 0, MNL_SOCKET_AUTOPID) < 0)
		die("netlink socket: %s", strerror(errno));
	mnl_socket_setsockopt(nl->sk, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(nl->sk, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	nl->seq = time(NULL);
}

static int family_cb(const struct nlmsghdr *nlh, void *data)
{
	struct nlattr *attr, *group, *member;
	struct nl *nl = data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			nl->family = mnl_attr_get_u16(attr);
		if (mnl_attr_get_type(attr) != CTRL_ATTR_MCAST_GROUPS)
			continue;
		mnl_attr_for_each_nested(group, attr) {
			const char *name = "";
			uint32_t id = 0;

			mnl_attr_for_each_nested(member, group) {
				if (mnl_attr_get_type(member) == CTRL_ATTR_MCAST_GRP_NAME)
					name = mnl_attr_get_str(member);
				if (mnl_attr_get_type(member) == CTRL_ATTR_MCAST_GRP_ID)
					id = mnl_attr_get_u32(member);
			}
			if (!strcmp(name, IPMESH_MCGRP_PEERS))
				nl->group = id;
		}
	}
	return MNL_CB_OK;
}

void nl_open_genl(struct nl *nl)
{
	struct nlmsghdr *nlh;

	open_socket(nl, NETLINK_GENERIC);
	nlh = nl_start(nl, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	nlh->nlmsg_type = GENL_ID_CTRL;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, IPMESH_FAMILY_NAME);
	if (nl_talk(nl, nlh, family_cb, nl))
		die("the kernel has no netlink family \"%s\"", IPMESH_FAMILY_NAME);
}

void nl_open_route(struct nl *nl)
{
	open_socket(nl, NETLINK_ROUTE);
}

void nl_close(struct nl *nl)
{
	mnl_socket_close(nl->sk);
}

/* A request of the ipmesh family, to be filled. */
struct nlmsghdr *nl_start(struct nl *nl, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(nl->buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = nl->family;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++nl->seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = IPMESH_FAMILY_VERSION;
	return nlh;
}

/* A request about the link @name, to be filled. */
struct nlmsghdr *nl_start_link(struct nl *nl, uint16_t type, uint16_t flags,
			       const char *name)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(nl->buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++nl->seq;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return nlh;
}

/* Of an acknowledgment, or of the end of a dump, which has the error only. */
static void read_extack(struct nl *nl, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	size_t off = nlh->nlmsg_type == NLMSG_DONE ? sizeof(int) : sizeof(*err);
	struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (nlh->nlmsg_type == NLMSG_ERROR && !(nlh->nlmsg_flags & NLM_F_CAPPED))
		off += err->msg.nlmsg_len - sizeof(err->msg);
	mnl_attr_for_each(attr, nlh, MNL_ALIGN(off)) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(nl->extack, sizeof(nl->extack), "%s",
				 mnl_attr_get_str(attr));
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS)
			nl->attr_off = mnl_attr_get_u32(attr);
	}
}

/* Sends a request and takes what comes back until the acknowledgment or the
 * end of the dump. Returns 0 or a negative error; @cb gets the replies.
 */
int nl_talk(struct nl *nl, struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	static char buf[NL_BUF];
	uint32_t seq = nlh->nlmsg_seq;

	nl->extack[0] = '\0';
	nl->attr_off = 0;
	nl->intr = false;
	if ((nlh->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(nl->sk, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(nl->sk, buf, sizeof(buf));
		const struct nlmsghdr *msg = (const void *)buf;
		int len = got;

		if (got < 0)
			return -errno;
		for (; mnl_nlmsg_ok(msg, len); msg = mnl_nlmsg_next(msg, &len)) {
			const struct nlmsgerr *err = mnl_nlmsg_get_payload(msg);

			if (msg->nlmsg_seq != seq)
				continue;
			if (msg->nlmsg_flags & NLM_F_DUMP_INTR)
				nl->intr = true;
			if (msg->nlmsg_type == NLMSG_ERROR) {
				read_extack(nl, msg);
				return err->error;
			}
			if (msg->nlmsg_type == NLMSG_DONE) {
				read_extack(nl, msg);
				return *(const int *)mnl_nlmsg_get_payload(msg);
			}
			if (cb)
				cb(msg, data);
		}
	}
}

void nl_put_prefix(struct nlmsghdr *nlh, uint16_t type, in_addr_t prefix, uint8_t len,
		   bool remove)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put(nlh, IPMESH_A_CIDR_PREFIX, sizeof(prefix), &prefix);
	mnl_attr_put_u8(nlh, IPMESH_A_CIDR_LENGTH, len);
	if (remove)
		mnl_attr_put(nlh, IPMESH_A_CIDR_REMOVE, 0, NULL);
	mnl_attr_nest_end(nlh, nest);
}

void nl_put_cidr(struct nlmsghdr *nlh, in_addr_t prefix, uint8_t len, bool remove)
{
	nl_put_prefix(nlh, IPMESH_A_PEER_CIDR, prefix, len, remove);
}

static void parse_stats(const struct nlattr *nest, struct nl_peer *peer)
{
	const struct nlattr *attr, *drop;

	peer->has_stats = true;
	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case IPMESH_A_STATS_RX_PACKETS:
			peer->rx_packets = mnl_attr_get_u64(attr);
			break;
		case IPMESH_A_STATS_RX_BYTES:
			peer->rx_bytes = mnl_attr_get_u64(attr);
			break;
		case IPMESH_A_STATS_TX_PACKETS:
			peer->tx_packets = mnl_attr_get_u64(attr);
			break;
		case IPMESH_A_STATS_TX_BYTES:
			peer->tx_bytes = mnl_attr_get_u64(attr);
			break;
		case IPMESH_A_STATS_ICMP_ERRORS:
			peer->icmp_errors = mnl_attr_get_u64(attr);
			break;
		case IPMESH_A_STATS_LAST_RX_MS:
			peer->heard = true;
			peer->last_rx_ms = mnl_attr_get_u64(attr);
			break;
		case IPMESH_A_STATS_DROPS:
			mnl_attr_for_each_nested(drop, attr)
				if (mnl_attr_get_type(drop) <= IPMESH_A_DROPS_MAX &&
				    mnl_attr_get_type(drop) != IPMESH_A_DROPS_PAD)
					peer->drops[mnl_attr_get_type(drop)] =
						mnl_attr_get_u64(drop);
			break;
		}
	}
}

static uint8_t get_addr(const struct nlattr *attr, unsigned char *addr, in_addr_t *addr4)
{
	uint16_t len = mnl_attr_get_payload_len(attr);

	if (len != 4 && len != 16)
		die("an address of %u bytes", len);
	memcpy(addr, mnl_attr_get_payload(attr), len);
	*addr4 = 0;
	if (len == 4)
		memcpy(addr4, addr, len);
	return len;
}

static void parse_cidr(const struct nlattr *nest, struct nl_cidr *cidrs, unsigned int *n,
		       unsigned int max)
{
	struct nl_cidr *cidr = &cidrs[*n];
	const struct nlattr *attr;

	if (*n == max)
		die("a peer has more than %u prefixes of a kind", max);
	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == IPMESH_A_CIDR_PREFIX) {
			cidr->addr_len = get_addr(attr, cidr->addr, &cidr->prefix);
		}
		if (mnl_attr_get_type(attr) == IPMESH_A_CIDR_LENGTH)
			cidr->len = mnl_attr_get_u8(attr);
	}
	(*n)++;
}

void nl_parse_peer(const struct nlmsghdr *nlh, struct nl_peer *peer)
{
	const struct nlattr *attr;

	memset(peer, 0, offsetof(struct nl_peer, cidrs));
	peer->cause = -1;
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case IPMESH_A_PEER_IFINDEX:
			peer->ifindex = mnl_attr_get_u32(attr);
			break;
		case IPMESH_A_PEER_ENDPOINT:
			peer->addr_len = get_addr(attr, peer->addr, &peer->endpoint);
			break;
		case IPMESH_A_PEER_NAME:
			snprintf(peer->name, sizeof(peer->name), "%s",
				 mnl_attr_get_str(attr));
			break;
		case IPMESH_A_PEER_CIDR:
			parse_cidr(attr, peer->cidrs, &peer->n_cidrs, IPMESH_MAX_CIDRS);
			break;
		case IPMESH_A_PEER_SOURCE:
			parse_cidr(attr, peer->sources, &peer->n_sources,
				   IPMESH_MAX_SOURCES);
			break;
		case IPMESH_A_PEER_FROM:
			parse_cidr(attr, peer->froms, &peer->n_froms, IPMESH_MAX_FROMS);
			break;
		case IPMESH_A_PEER_ROUTES:
			peer->routes = mnl_attr_get_u32(attr);
			break;
		case IPMESH_A_PEER_STATS:
			parse_stats(attr, peer);
			break;
		case IPMESH_A_PEER_CAUSE:
			peer->cause = mnl_attr_get_u32(attr);
			break;
		}
	}
}

static int peer_cb(const struct nlmsghdr *nlh, void *data)
{
	nl_parse_peer(nlh, data);
	return MNL_CB_OK;
}

/* Returns 0 or a negative error. */
int nl_peer_get(struct nl *nl, uint32_t ifindex, in_addr_t endpoint,
		struct nl_peer *peer)
{
	struct nlmsghdr *nlh = nl_start(nl, IPMESH_CMD_PEER_GET, 0);

	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, ifindex);
	mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, sizeof(endpoint), &endpoint);
	return nl_talk(nl, nlh, peer_cb, peer);
}

static const char * const drop_names[IPMESH_A_DROPS_MAX + 1] = {
	[IPMESH_A_DROPS_TX_INVALID] = "tx_invalid",
	[IPMESH_A_DROPS_NO_PEER] = "no_peer",
	[IPMESH_A_DROPS_NO_ROUTE] = "no_route",
	[IPMESH_A_DROPS_LOOP] = "loop",
	[IPMESH_A_DROPS_TOO_BIG] = "too_big",
	[IPMESH_A_DROPS_NO_MEMORY] = "no_memory",
	[IPMESH_A_DROPS_TX_REFUSED] = "tx_refused",
	[IPMESH_A_DROPS_UNKNOWN_PEER] = "unknown_peer",
	[IPMESH_A_DROPS_RX_INVALID] = "rx_invalid",
	[IPMESH_A_DROPS_MARTIAN] = "martian",
	[IPMESH_A_DROPS_SRC_NOT_ALLOWED] = "src_not_allowed",
	[IPMESH_A_DROPS_ECN] = "ecn",
	[IPMESH_A_DROPS_OUTER_DST] = "outer_dst",
	[IPMESH_A_DROPS_RX_QUEUE] = "rx_queue",
	[IPMESH_A_DROPS_POLICY] = "policy",
	[IPMESH_A_DROPS_NESTED] = "nested",
	[IPMESH_A_DROPS_WRONG_DEV] = "wrong_dev",
};

const char *nl_drop_name(unsigned int cause)
{
	return cause <= IPMESH_A_DROPS_MAX ? drop_names[cause] : NULL;
}

/* The number of a cause, or -1. */
int nl_drop_cause(const char *name)
{
	int i;

	for (i = 0; i <= IPMESH_A_DROPS_MAX; i++)
		if (drop_names[i] && !strcmp(drop_names[i], name))
			return i;
	return -1;
}
