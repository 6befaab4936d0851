// SPDX-License-Identifier: GPL-2.0-only
/*
 * load peers netns NS dev DEV count N endpoint A cidr A [bits N]: make N peers by
 * raw netlink, a request each, with endpoints and pod CIDRs one after the other.
 * Prints "ticks" for all.
 */

#include <err.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "../nl.h"
#include "load.h"

int run_peers(const struct words *w)
{
	uint32_t endpoint = parse_ip4(word(w, "endpoint", NULL));
	uint32_t cidr = parse_ip4(word(w, "cidr", NULL)), count, i, ifindex;
	unsigned int bits = word_number(w, "bits", 26);
	static struct nl nl;
	struct nlmsghdr *nlh;
	uint64_t begin;
	int ret;

	enter_netns(word(w, "netns", NULL));
	count = word_number(w, "count", 1);
	ifindex = if_nametoindex(word(w, "dev", NULL));
	nl_open_genl(&nl);
	begin = ticks();
	for (i = 0; i < count; i++) {
		nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, NLM_F_CREATE | NLM_F_EXCL);
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, ifindex);
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_ENDPOINT, htonl(endpoint + i));
		nl_put_cidr(nlh, htonl(cidr + (i << (32 - bits))), bits, false);
		ret = nl_talk(&nl, nlh, NULL, NULL);
		if (ret)
			errx(1, "peer %u: %s: %s", i, strerror(-ret), nl.extack);
	}
	printf("%llu\n", (unsigned long long)(ticks() - begin));
	nl_close(&nl);
	return 0;
}
