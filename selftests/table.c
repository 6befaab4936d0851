// SPDX-License-Identifier: GPL-2.0-only
/*
 * As many peers as a device takes, and prefixes that were chosen to meet.
 *
 *     one namespace:   ipmesh0, without an underlay
 *
 * Proves, for both families of the underlay: 65536 peers with a /24 and a /64 each, as
 * Kubernetes numbers its nodes, are accepted, one more is told the limit, and each is
 * found by its endpoint and behind its pod CIDRs; so are those that peers have who
 * choose addresses that a public hash puts into one place (the golden ratio's, for IPv4),
 * and such that differ in a few bytes, in the upper half, or in the highest bits of all
 * words. Half of them go again, and all of them with the device.
 *
 * "table costs" measures instead; make bench-table.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <time.h>

#include <linux/rtnetlink.h>

#include "nl.h"
#include "tap.h"

#define MOST	65536
#define BATCH	64

static struct nl nl, rt;
static uint32_t dev;

/* --- addresses -------------------------------------------------------------- */

struct addr {
	unsigned char len;
	unsigned char byte[16];
};

static struct addr v4(uint32_t addr)
{
	struct addr a = { .len = 4 };

	addr = htonl(addr);
	memcpy(a.byte, &addr, 4);
	return a;
}

static struct addr v6(uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3)
{
	const uint32_t words[] = { htonl(w0), htonl(w1), htonl(w2), htonl(w3) };
	struct addr a = { .len = 16 };

	memcpy(a.byte, words, 16);
	return a;
}

static struct addr endpoint4(unsigned int i)
{
	return v4(0xac100001 + i);
}

/* fd00:10:244:i::1 */
static struct addr endpoint6(unsigned int i)
{
	return v6(0xfd000010, 0x02440000 | i, 0, 1);
}

static struct addr cidr4(unsigned int i)
{
	return v4(0x0a000000 | i << 8);
}

/* fd01:10:244:i::/64 */
static struct addr cidr6(unsigned int i)
{
	return v6(0xfd010010, 0x02440000 | i, 0, 0);
}

/* --- requests ---------------------------------------------------------------- */

static void put_addr(struct nlmsghdr *nlh, uint16_t type, struct addr a)
{
	mnl_attr_put(nlh, type, a.len, a.byte);
}

static void put_cidr(struct nlmsghdr *nlh, struct addr a, unsigned int plen)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, IPMESH_A_PEER_CIDR);

	put_addr(nlh, IPMESH_A_CIDR_PREFIX, a);
	mnl_attr_put_u8(nlh, IPMESH_A_CIDR_LENGTH, plen);
	mnl_attr_nest_end(nlh, nest);
}

static struct nlmsghdr *start(uint8_t cmd, uint16_t flags, struct addr endpoint)
{
	struct nlmsghdr *nlh = nl_start(&nl, cmd, flags);

	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
	put_addr(nlh, IPMESH_A_PEER_ENDPOINT, endpoint);
	return nlh;
}

static void done(struct nlmsghdr *nlh, const char *what, unsigned int i)
{
	int err = nl_talk(&nl, nlh, NULL, NULL);

	if (err)
		tap_fail("%s %u: %s: %s", what, i, strerrorname_np(-err), nl.extack);
}

static void make_device(const struct addr *local)
{
	struct nlmsghdr *nlh = nl_start_link(&rt, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
					     "ipmesh0");
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "ipmesh");
	if (local) {
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		put_addr(nlh, IFLA_IPMESH_LOCAL, *local);
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, info);
	check_num(nl_talk(&rt, nlh, NULL, NULL), 0);
	dev = if_nametoindex("ipmesh0");
}

static void delete_device(void)
{
	struct nlmsghdr *nlh = nl_start_link(&rt, RTM_DELLINK, 0, "ipmesh0");

	check_num(nl_talk(&rt, nlh, NULL, NULL), 0);
}

static void open_sockets(void)
{
	nl_open_genl(&nl);
	nl_open_route(&rt);
}

/* The peer with an endpoint, or behind an address: the errno, or 0 and its endpoint is
 * the one.
 */
static int find(uint16_t type, struct addr a, struct addr endpoint)
{
	struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, 0);
	static char in[NL_BUF];
	static struct nl_peer peer;
	const struct nlmsghdr *msg = (const void *)in;

	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
	put_addr(nlh, type, a);
	check(mnl_socket_sendto(nl.sk, nlh, nlh->nlmsg_len) == (ssize_t)nlh->nlmsg_len);
	check(mnl_socket_recvfrom(nl.sk, in, sizeof(in)) > 0);
	if (msg->nlmsg_type == NLMSG_ERROR)
		return -((const struct nlmsgerr *)mnl_nlmsg_get_payload(msg))->error;
	nl_parse_peer(msg, &peer);
	check_num(peer.addr_len, endpoint.len);
	check(!memcmp(peer.addr, endpoint.byte, endpoint.len));
	return 0;
}

/* --- as many as it takes ------------------------------------------------------ */

static void full(struct addr (*endpoint)(unsigned int), const struct addr *local)
{
	struct nlmsghdr *nlh;
	struct addr a;
	unsigned int i;

	make_device(local);
	for (i = 0; i < MOST; i++) {
		nlh = start(IPMESH_CMD_PEER_NEW, NLM_F_CREATE | NLM_F_EXCL, endpoint(i));
		put_cidr(nlh, cidr4(i), 24);
		put_cidr(nlh, cidr6(i), 64);
		done(nlh, "peer", i);
	}
	/* ::1 of the first is not that of the last */
	a = endpoint(MOST - 1);
	a.byte[a.len - 1]++;
	nlh = start(IPMESH_CMD_PEER_NEW, NLM_F_CREATE | NLM_F_EXCL, a);
	check_num(nl_talk(&nl, nlh, NULL, NULL), -ENOSPC);
	/* before 6.2 an extack has no room for a number */
	if (strcmp(nl.extack, "The device has all its peers already; raise max_peers"))
		check_str(nl.extack, "The device has its 65536 peers already; raise max_peers");
	for (i = 0; i < MOST; i += 251) {
		check_num(find(IPMESH_A_PEER_ENDPOINT, endpoint(i), endpoint(i)), 0);
		a = cidr4(i);
		a.byte[3] = i;
		check_num(find(IPMESH_A_PEER_ADDRESS, a, endpoint(i)), 0);
		a = cidr6(i);
		a.byte[15] = i;
		check_num(find(IPMESH_A_PEER_ADDRESS, a, endpoint(i)), 0);
	}
	check_num(find(IPMESH_A_PEER_ADDRESS, v4(0x0b000001), endpoint(0)), ENOENT);
	check_num(find(IPMESH_A_PEER_ADDRESS, v6(0xfd020010, 0, 0, 1), endpoint(0)), ENOENT);
	delete_device();
}

static void full4(void)
{
	open_sockets();
	full(endpoint4, NULL);
}

static void full6(void)
{
	struct addr local = v6(0xfd000000, 0, 0, 1);

	open_sockets();
	full(endpoint6, &local);
}

/* --- chosen to meet ------------------------------------------------------------- */

#define PEERS	40
#define EACH	1000

/* So many IPv4 addresses that one slot of 65536 would be the home of 64 each, were they
 * hashed as (addr ^ 32 << 32) * GOLDEN_RATIO_64 >> 32.
 */
static struct addr golden(unsigned int n)
{
	static uint32_t next;
	uint32_t addr;

	if (!n)
		next = 0x01000000;
	do
		addr = next++;
	while ((((htonl(addr) ^ 32ULL << 32) * 0x61C8864680B583EBULL >> 32) & 0xffff) > 63);
	return v4(addr);
}

static struct addr outer_bytes4(unsigned int n)
{
	return v4((n & 0xff) << 24 | (n >> 8 & 0xff));
}

static struct addr two_bytes6(unsigned int n)
{
	struct addr a = v6(0xfd000000, 0, 0, 0);

	a.byte[1 + n % 3 * 5] = (n / 3 + 1) >> 8;
	a.byte[3 + n % 3 * 5] = n / 3 + 1;
	return a;
}

static struct addr upper_half6(unsigned int n)
{
	return v6(0xfd000000 | n >> 16, n << 16, 0, 0);
}

/* Words that differ by multiples of 2^24, in either byte order. */
static struct addr high_bits6(unsigned int n)
{
	return v6(0xfd000000 | (n & 0xf), (n >> 4 & 0xf) << 24 | (n & 0xf),
		  (n >> 8 & 0xf) << 24 | (n >> 4 & 0xf), (n >> 12) << 24 | (n >> 12));
}

static const struct set {
	const char *name;
	struct addr (*addr)(unsigned int n);
	unsigned int plen;
} sets[] = {
	{ "golden", golden, 32 },
	{ "outer bytes", outer_bytes4, 32 },
	{ "two bytes", two_bytes6, 128 },
	{ "upper half", upper_half6, 64 },
	{ "high bits", high_bits6, 128 },
	{}
};

/* A request for the addresses of peer @p: all of them, or @remove every second one. */
static void change(const struct set *set, const struct addr *addrs, unsigned int p,
		   unsigned int each, bool remove)
{
	struct nlmsghdr *nlh = start(IPMESH_CMD_PEER_SET, 0, endpoint4(p));
	unsigned int i;

	if (remove)
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_FLAGS, IPMESH_PEER_FLAGS_REPLACE_CIDRS);
	for (i = 0; i < each; i += 1 + remove)
		put_cidr(nlh, addrs[p * each + i], set->plen);
	done(nlh, set->name, p);
}

static void chosen_set(const struct set *set, struct addr *addrs)
{
	unsigned int i, p;

	for (i = 0; i < PEERS * EACH; i++)
		addrs[i] = set->addr(i);
	make_device(NULL);
	for (p = 0; p < PEERS; p++) {
		done(start(IPMESH_CMD_PEER_NEW, NLM_F_CREATE, endpoint4(p)), "peer", p);
		change(set, addrs, p, EACH, false);
	}
	for (i = 0; i < PEERS * EACH; i += 97)
		check_num(find(IPMESH_A_PEER_ADDRESS, addrs[i], endpoint4(i / EACH)), 0);
	for (p = 0; p < PEERS; p++)
		change(set, addrs, p, EACH, true);
	for (i = 0; i < PEERS * EACH; i += 97)
		check_num(find(IPMESH_A_PEER_ADDRESS, addrs[i], endpoint4(i / EACH)),
			  i % EACH % 2 ? ENOENT : 0);
	delete_device();
}

static void chosen(void)
{
	static struct addr addrs[PEERS * EACH];
	const struct set *set;

	open_sockets();
	for (set = sets; set->name; set++)
		chosen_set(set, addrs);
}

/* --- what it costs ---------------------------------------------------------------- */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

/* Looks random, and is another one for each @n. */
static uint32_t scatter(uint32_t n)
{
	n = (n ^ n >> 16) * 0x85ebca6b;
	n = (n ^ n >> 13) * 0xc2b2ae35;
	return n ^ n >> 16;
}

static struct addr random4(unsigned int n)
{
	return v4(scatter(n));
}

static struct addr random6(unsigned int n)
{
	return v6(0xfd000000, scatter(n), scatter(~n), scatter(n ^ 0x55555555));
}

struct cost {
	double add, find, remove, del;
};

/* Look-ups are of the set's next addresses, which nobody has: they meet all that the set
 * was chosen for, and the answer is as short with many prefixes as with few.
 */
#define MISSES	2000

static struct cost measure(const struct set *set, unsigned int peers, unsigned int each)
{
	static struct addr addrs[PEERS * EACH], missing[MISSES];
	unsigned int i, p, n = peers * each;
	struct cost cost;
	double begin;

	for (i = 0; i < n; i++)
		addrs[i] = set->addr(i);
	for (i = 0; i < MISSES; i++)
		missing[i] = set->addr(n + i);
	make_device(NULL);
	for (p = 0; p < peers; p++)
		done(start(IPMESH_CMD_PEER_NEW, NLM_F_CREATE, endpoint4(p)), "peer", p);
	begin = now();
	for (p = 0; p < peers; p++)
		change(set, addrs, p, each, false);
	cost.add = (now() - begin) / n;
	begin = now();
	for (i = 0; i < MISSES; i++)
		check_num(find(IPMESH_A_PEER_ADDRESS, missing[i], missing[i]), ENOENT);
	cost.find = (now() - begin) / MISSES;
	begin = now();
	for (p = 0; p < peers; p++)
		change(set, addrs, p, each, true);
	cost.remove = (now() - begin) / (n / 2);
	begin = now();
	delete_device();
	cost.del = (now() - begin) / (n / 2);
	printf("%-12s %6u %8.0f %8.0f %8.0f %8.0f\n", set->name, n, cost.add, cost.find,
	       cost.remove, cost.del);
	return cost;
}

/* Instructions by the clock of a guest that counts them, nanoseconds in another. Fails
 * when what was chosen costs more than three times what is random, or a look-up among
 * many 300 more than one among few.
 */
static int costs(void)
{
	static const struct set randoms[] = {
		{ "random, IPv4", random4, 32 }, { "random, IPv6", random6, 128 },
	};
	struct cost random[2], few, cost;
	const struct set *set;
	int failed = 0;
	unsigned int i;

	if (unshare(CLONE_NEWNET))
		tap_fail("no network namespace");
	open_sockets();
	printf("%-12s %6s %8s %8s %8s %8s\n", "a prefix:", "of", "to add", "to find",
	       "remove", "with dev");
	for (i = 0; i < 2; i++) {
		few = measure(&randoms[i], 2, 10);
		random[i] = measure(&randoms[i], PEERS, EACH);
		failed |= random[i].find > few.find + 300;
	}
	for (set = sets; set->name; set++) {
		i = set->addr(1).len == 16;
		cost = measure(set, PEERS, EACH);
		failed |= cost.add > 3 * random[i].add || cost.find > 3 * random[i].find ||
			  cost.remove > 3 * random[i].remove || cost.del > 3 * random[i].del;
	}
	puts(failed ? "not flat" : "flat");
	return failed;
}

static const struct tap_test tests[] = {
	{ "full4", full4 },
	{ "full6", full6 },
	{ "chosen", chosen },
	{}
};

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "costs"))
		return costs();
	return tap_main(tests, argc, argv);
}
