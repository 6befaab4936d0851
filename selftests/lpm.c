// SPDX-License-Identifier: GPL-2.0-only
/*
 * The longest match among pod CIDRs against a naive reference.
 *
 *     one namespace:   ipmesh0 with 16 peers, without an underlay
 *
 * 50 000 operations for each family: pod CIDRs of random length, many inside one another, are
 * added to peers, moved between them and removed in requests of up to 64 of
 * them, some of which must be refused as a whole; addresses are looked up, most
 * of them at the edges of prefixes. The reference is a list that is searched
 * from end to end. IPv6 ones are the same bits with 48 others before them, so that they
 * cross the middle of an address. The seed is printed; "lpm SEED" repeats a run.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <time.h>

#include <linux/rtnetlink.h>

#include "nl.h"
#include "tap.h"

#define OPERATIONS	50000
#define PEERS		16
#define LIVE		2000	/* prefixes, about */
#define BATCH		64

struct entry {
	uint32_t prefix;	/* host byte order */
	uint8_t len;
	uint8_t peer;
};

static struct nl nl, rt;
static uint32_t dev;
static unsigned int seed;
static uint64_t state;
static bool is6;

static struct entry entries[LIVE * 2];
static unsigned int n_entries;

static uint32_t rnd(uint32_t below)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(state >> 33) % below;
}

static uint32_t mask(uint8_t len)
{
	return len ? ~0U << (32 - len) : 0;
}

/* --- the reference ---------------------------------------------------------- */

static int ref_find(uint32_t addr)
{
	int best = -1;
	unsigned int i;

	for (i = 0; i < n_entries; i++)
		if ((addr & mask(entries[i].len)) == entries[i].prefix &&
		    (best < 0 || entries[i].len > entries[best].len))
			best = i;
	return best < 0 ? -1 : entries[best].peer;
}

static struct entry *ref_get(uint32_t prefix, uint8_t len)
{
	unsigned int i;

	for (i = 0; i < n_entries; i++)
		if (entries[i].prefix == prefix && entries[i].len == len)
			return &entries[i];
	return NULL;
}

static void ref_remove(struct entry *entry)
{
	*entry = entries[--n_entries];
}

/* --- the module --------------------------------------------------------------- */

static in_addr_t endpoint(unsigned int p)
{
	return htonl(0xac102801 + p);
}

#define BEFORE	6	/* bytes of an IPv6 address that all have */

static unsigned int make_addr(uint32_t addr, unsigned char *to)
{
	static const unsigned char begin[16] = { 0xfd, 0, 0, 1, 2, 3 };

	addr = htonl(addr);
	if (!is6) {
		memcpy(to, &addr, 4);
		return 4;
	}
	memcpy(to, begin, 16);
	memcpy(to + BEFORE, &addr, 4);
	return 16;
}

static void put_addr(struct nlmsghdr *nlh, uint16_t type, uint32_t addr)
{
	unsigned char a[16];
	unsigned int len = make_addr(addr, a);

	mnl_attr_put(nlh, type, len, a);
}

static void put_cidr(struct nlmsghdr *nlh, const struct entry *e, bool remove)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, IPMESH_A_PEER_CIDR);

	put_addr(nlh, IPMESH_A_CIDR_PREFIX, e->prefix);
	mnl_attr_put_u8(nlh, IPMESH_A_CIDR_LENGTH, e->len + (is6 ? 8 * BEFORE : 0));
	if (remove)
		mnl_attr_put(nlh, IPMESH_A_CIDR_REMOVE, 0, NULL);
	mnl_attr_nest_end(nlh, nest);
}

static struct entry *ref_get_cidr(const struct nl_cidr *cidr)
{
	unsigned char a[16];
	uint32_t prefix;

	memcpy(&prefix, cidr->addr + (is6 ? BEFORE : 0), 4);
	prefix = ntohl(prefix);
	check_num(make_addr(prefix, a), cidr->addr_len);
	check(!memcmp(a, cidr->addr, cidr->addr_len));
	return ref_get(prefix, cidr->len - (is6 ? 8 * BEFORE : 0));
}

static void add_peers(void)
{
	unsigned int p;

	for (p = 0; p < PEERS; p++) {
		struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, NLM_F_CREATE);
		in_addr_t addr = endpoint(p);

		mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
		mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, sizeof(addr), &addr);
		check_num(nl_talk(&nl, nlh, NULL, NULL), 0);
	}
}

/* One in ten is anywhere, the rest in a few small ranges, so that they nest. */
static uint32_t random_addr(void)
{
	if (!rnd(10))
		return rnd(1 << 31) << 1 | rnd(2);
	return 0x0a000000 | rnd(4) << 16 | (rnd(1 << 15) << 1 | rnd(2));
}

static uint8_t random_len(void)
{
	switch (rnd(8)) {
	case 0:
		return rnd(33);
	case 1:
		return 32;
	default:
		return 16 + rnd(16);
	}
}

static const struct entry *batch_get(const struct entry *batch, unsigned int n,
				     uint32_t prefix, uint8_t len)
{
	for (; n--; batch++)
		if (batch->prefix == prefix && batch->len == len)
			return batch;
	return NULL;
}

/* A request that adds to, and removes from, one peer; the reference says
 * whether it must be refused. Returns how many pod CIDRs it named.
 */
static unsigned int change(void)
{
	struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_SET, 0);
	unsigned int n = 1 + rnd(BATCH), done = 0, i, p = rnd(PEERS);
	bool move = rnd(4), remove[BATCH], shrink = n_entries > LIVE;
	struct entry batch[BATCH];
	in_addr_t addr = endpoint(p);
	int wanted = 0, got;

	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
	mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, sizeof(addr), &addr);
	if (move)
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_FLAGS, IPMESH_PEER_FLAGS_MOVE);
	for (i = 0; i < n && !wanted; i++) {
		struct entry *e = &batch[done], *there;

		remove[done] = rnd(100) < (shrink ? 80 : 20);
		if (remove[done] && n_entries && rnd(200)) {
			/* one of this peer's own, when a few tries meet one */
			unsigned int tries = 40;

			do
				*e = entries[rnd(n_entries)];
			while (e->peer != p && --tries);
			if (!tries)
				continue;
		} else {
			e->len = random_len();
			e->prefix = random_addr() & mask(e->len);
		}
		if (batch_get(batch, done, e->prefix, e->len))
			continue;
		e->peer = p;
		there = ref_get(e->prefix, e->len);
		/* seldom enough that most requests pass */
		if (!remove[done] && there && there->peer != p && !move && rnd(4))
			continue;
		if (remove[done] && (!there || there->peer != p))
			wanted = -ENOENT;
		else if (!remove[done] && there && there->peer != p && !move)
			wanted = -EEXIST;
		put_cidr(nlh, e, remove[done]);
		done++;
	}
	got = nl_talk(&nl, nlh, NULL, NULL);
	if (got != wanted)
		tap_fail("a request of %u pod CIDRs: %s %s, not %s", done,
			 strerrorname_np(-got), nl.extack, strerrorname_np(-wanted));
	for (i = 0; i < done && !wanted; i++) {
		struct entry *there = ref_get(batch[i].prefix, batch[i].len);

		if (remove[i])
			ref_remove(there);
		else if (there)
			there->peer = p;
		else
			entries[n_entries++] = batch[i];
	}
	return done;
}

/* Look-ups, several in a message to the kernel. */
static unsigned int look_up(void)
{
	static char out[NL_BUF], in[NL_BUF];
	static struct nl_peer peer;
	uint32_t addrs[BATCH], first = 0;
	unsigned int i, left = BATCH;
	ssize_t len = 0;

	for (i = 0; i < BATCH; i++) {
		struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, 0);

		addrs[i] = random_addr();
		if (n_entries && rnd(3)) {
			const struct entry *e = &entries[rnd(n_entries)];

			addrs[i] = rnd(2) ? e->prefix : e->prefix | ~mask(e->len);
			addrs[i] += rnd(3) - 1;
		}
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
		put_addr(nlh, IPMESH_A_PEER_ADDRESS, addrs[i]);
		if (!i)
			first = nlh->nlmsg_seq;
		memcpy(out + len, nlh, nlh->nlmsg_len);
		len += MNL_ALIGN(nlh->nlmsg_len);
	}
	check(mnl_socket_sendto(nl.sk, out, len) == len);
	while (left) {
		int got = mnl_socket_recvfrom(nl.sk, in, sizeof(in));
		const struct nlmsghdr *msg = (const void *)in;

		check(got > 0);
		for (; mnl_nlmsg_ok(msg, got); msg = mnl_nlmsg_next(msg, &got)) {
			uint32_t addr = addrs[msg->nlmsg_seq - first];
			int wanted = ref_find(addr), found = -1;

			if (msg->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *err = mnl_nlmsg_get_payload(msg);

				check_num(err->error, -ENOENT);
			} else {
				nl_parse_peer(msg, &peer);
				found = ntohl(peer.endpoint) - ntohl(endpoint(0));
			}
			if (found != wanted)
				tap_fail("%s: peer %d, not %d",
					 inet_ntoa((struct in_addr){ htonl(addr) }),
					 found, wanted);
			left--;
		}
	}
	return BATCH;
}

/* The table as the kernel lists it is the reference's. */
static int compare_cb(const struct nlmsghdr *nlh, void *data)
{
	static struct nl_peer peer;
	unsigned int *n = data, i;

	nl_parse_peer(nlh, &peer);
	for (i = 0; i < peer.n_cidrs; i++) {
		const struct entry *e = ref_get_cidr(&peer.cidrs[i]);

		check(e);
		check_num(e->peer, ntohl(peer.endpoint) - ntohl(endpoint(0)));
	}
	*n += peer.n_cidrs;
	return MNL_CB_OK;
}

static void compare(void)
{
	struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, NLM_F_DUMP);
	unsigned int n = 0;

	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
	check_num(nl_talk(&nl, nlh, compare_cb, &n), 0);
	check(!nl.intr);
	check_num(n, n_entries);
}

static void make_device(void)
{
	struct nlmsghdr *nlh = nl_start_link(&rt, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
					     "ipmesh0");
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "ipmesh");
	mnl_attr_nest_end(nlh, info);
	check_num(nl_talk(&rt, nlh, NULL, NULL), 0);
	dev = if_nametoindex("ipmesh0");
}

static void random_operations(void)
{
	unsigned int changes = 0, look_ups = 0, most = 0;
	int size = 1 << 20;

	state = seed;
	nl_open_genl(&nl);
	nl_open_route(&rt);
	check_num(setsockopt(mnl_socket_get_fd(nl.sk), SOL_SOCKET, SO_RCVBUFFORCE,
			     &size, sizeof(size)), 0);
	make_device();
	add_peers();
	while (changes + look_ups < OPERATIONS) {
		changes += change();
		look_ups += look_up();
		if (n_entries > most)
			most = n_entries;
	}
	compare();
	printf("# seed %u: %u changes, %u look-ups, at most %u prefixes\n", seed,
	       changes, look_ups, most);
	check(most > LIVE / 2);

	/* and all of it goes */
	while (n_entries) {
		struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_SET, 0);
		uint8_t p = entries[0].peer;
		in_addr_t addr = endpoint(p);
		unsigned int i = 0;

		mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
		mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, sizeof(addr), &addr);
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_FLAGS, IPMESH_PEER_FLAGS_REPLACE_CIDRS);
		check_num(nl_talk(&nl, nlh, NULL, NULL), 0);
		while (i < n_entries)
			if (entries[i].peer == p)
				ref_remove(&entries[i]);
			else
				i++;
		look_up();
	}
	compare();
}

static void random_operations6(void)
{
	is6 = true;
	random_operations();
}

static const struct tap_test tests[] = {
	{ "random_operations", random_operations },
	{ "random_operations6", random_operations6 },
	{}
};

int main(int argc, char **argv)
{
	seed = argc > 1 ? strtoul(argv[1], NULL, 0) : (unsigned int)time(NULL);
	printf("# seed %u\n", seed);
	return tap_main(tests, 1, argv);
}
