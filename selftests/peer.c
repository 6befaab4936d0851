// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netlink family: peers, their pod CIDRs, sources and outer prefixes as requests
 * make, change, list and announce them.
 *
 *     one namespace a test:   ipmesh0, without an underlay
 *
 * Proves: what NLM_F_CREATE, EXCL and REPLACE mean; each refusal with its error,
 * its sentence and the attribute; that a refused request has changed nothing;
 * moves; the limits of CIDRs and of peers; that a dump of many peers, and of one
 * with many CIDRs, is complete; that an interrupted one is marked; look-ups by
 * endpoint and by inner address; each notification with its cause; who may, and how
 * much.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include <linux/rtnetlink.h>

#include "nl.h"
#include "tap.h"

#define EXCL	(NLM_F_CREATE | NLM_F_EXCL)
#define UPSERT	(NLM_F_CREATE | NLM_F_REPLACE)

static struct nl nl, rt;
static struct nl_peer peer;
static uint32_t dev;

static in_addr_t ip(const char *text)
{
	return inet_addr(text);
}

static void put_endpoint(struct nlmsghdr *nlh, const char *endpoint)
{
	in_addr_t addr = ip(endpoint);

	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
	mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, sizeof(addr), &addr);
}

/* Behind "s" a source, behind "f" an outer prefix, else a CIDR. */
static void put_text(struct nlmsghdr *nlh, const char *cidr, bool remove)
{
	uint16_t type = *cidr == 's' ? IPMESH_A_PEER_SOURCE :
			*cidr == 'f' ? IPMESH_A_PEER_FROM : IPMESH_A_PEER_CIDR;
	char prefix[32];

	cidr += type != IPMESH_A_PEER_CIDR;
	snprintf(prefix, sizeof(prefix), "%.*s", (int)strcspn(cidr, "/"), cidr);
	nl_put_prefix(nlh, type, ip(prefix), atoi(strchr(cidr, '/') + 1), remove);
}

/* A request about @endpoint with @words: a CIDR, "s" and a source, "f" and an outer
 * prefix, "-" and one of these to remove, "move", "only", "sonly", "fonly", or a name
 * after "=".
 */
static int request(uint8_t cmd, uint16_t flags, const char *endpoint, const char *words)
{
	struct nlmsghdr *nlh = nl_start(&nl, cmd, flags);
	char copy[1024], *rest = copy, *word;
	uint32_t peer_flags = 0;

	put_endpoint(nlh, endpoint);
	snprintf(copy, sizeof(copy), "%s", words ?: "");
	while ((word = strsep(&rest, " "))) {
		if (!strcmp(word, "move"))
			peer_flags |= IPMESH_PEER_FLAGS_MOVE;
		else if (!strcmp(word, "only"))
			peer_flags |= IPMESH_PEER_FLAGS_REPLACE_CIDRS;
		else if (!strcmp(word, "sonly"))
			peer_flags |= IPMESH_PEER_FLAGS_REPLACE_SOURCES;
		else if (!strcmp(word, "fonly"))
			peer_flags |= IPMESH_PEER_FLAGS_REPLACE_FROMS;
		else if (*word == '=')
			mnl_attr_put_strz(nlh, IPMESH_A_PEER_NAME, word + 1);
		else if (*word == '-')
			put_text(nlh, word + 1, true);
		else if (*word)
			put_text(nlh, word, false);
	}
	if (peer_flags)
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_FLAGS, peer_flags);
	return nl_talk(&nl, nlh, NULL, NULL);
}

static int new(uint16_t flags, const char *endpoint, const char *words)
{
	return request(IPMESH_CMD_PEER_NEW, flags, endpoint, words);
}

static int set(const char *endpoint, const char *words)
{
	return request(IPMESH_CMD_PEER_SET, 0, endpoint, words);
}

static int del(const char *endpoint)
{
	return request(IPMESH_CMD_PEER_DEL, 0, endpoint, NULL);
}

static int compare_cidrs(const void *a, const void *b)
{
	const struct nl_cidr *x = a, *y = b;

	if (x->prefix != y->prefix)
		return ntohl(x->prefix) < ntohl(y->prefix) ? -1 : 1;
	return x->len - y->len;
}

static size_t put_state(char *text, size_t len, size_t size, const char *before,
			struct nl_cidr *v, unsigned int n)
{
	unsigned int i;

	qsort(v, n, sizeof(*v), compare_cidrs);
	for (i = 0; i < n && len < size; i++)
		len += snprintf(text + len, size - len, " %s%s/%u", before,
				inet_ntoa((struct in_addr){ v[i].prefix }), v[i].len);
	return len;
}

/* A peer as "name cidr scidr fcidr", those of each kind in order; "none" when there is
 * none.
 */
static const char *state(const char *endpoint)
{
	static char text[1024];
	int err = nl_peer_get(&nl, dev, ip(endpoint), &peer);
	size_t len;

	if (err == -ENOENT)
		return "none";
	check_num(err, 0);
	check_num(peer.ifindex, dev);
	check(peer.endpoint == ip(endpoint));
	len = snprintf(text, sizeof(text), "%s", peer.name);
	len = put_state(text, len, sizeof(text), "", peer.cidrs, peer.n_cidrs);
	len = put_state(text, len, sizeof(text), "s", peer.sources, peer.n_sources);
	put_state(text, len, sizeof(text), "f", peer.froms, peer.n_froms);
	return text;
}

static void refused(int got, int err, const char *text)
{
	if (got != err || strcmp(nl.extack, text))
		tap_fail("%s: %s, not %s: %s", strerrorname_np(-got) ?: "no error",
			 nl.extack, strerrorname_np(-err), text);
}

/* A refusal with arguments; @plain is what kernels before 6.2 say, whose extack has no
 * room for them.
 */
static void refused_with(int got, int err, const char *plain, const char *text)
{
	unsigned int major, minor;
	struct utsname uts;

	check_num(uname(&uts), 0);
	check_num(sscanf(uts.release, "%u.%u", &major, &minor), 2);
	refused(got, err, major < 6 || (major == 6 && minor < 2) ? plain : text);
}

static int link_new(const char *name, uint16_t attr, uint32_t value)
{
	struct nlmsghdr *nlh = nl_start_link(&rt, RTM_NEWLINK, EXCL, name);
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "ipmesh");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	if (attr)
		mnl_attr_put_u32(nlh, attr, value);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return nl_talk(&rt, nlh, NULL, NULL);
}

static void link_del(const char *name)
{
	struct nlmsghdr *nlh = nl_start_link(&rt, RTM_DELLINK, 0, name);

	check_num(nl_talk(&rt, nlh, NULL, NULL), 0);
}

static void setup(void)
{
	nl_open_genl(&nl);
	nl_open_route(&rt);
	check_num(link_new("ipmesh0", 0, 0), 0);
	dev = if_nametoindex("ipmesh0");
	check(dev);
}

/* --- what the flags mean ------------------------------------------------- */

static void create_flags(void)
{
	const char *there = "The device has a peer with this endpoint already";
	const char *missing = "The device has no peer with this endpoint";

	setup();
	refused(new(0, "172.16.40.1", "=a 10.1.0.0/16"), -ENOENT, missing);
	refused(new(NLM_F_REPLACE, "172.16.40.1", "=a 10.1.0.0/16"), -ENOENT, missing);
	check_str(state("172.16.40.1"), "none");

	check_num(new(EXCL, "172.16.40.1", "=a 10.1.0.0/16"), 0);
	check_str(state("172.16.40.1"), "a 10.1.0.0/16");
	refused(new(EXCL, "172.16.40.1", "=b"), -EEXIST, there);
	refused(new(NLM_F_CREATE, "172.16.40.1", "=b"), -EEXIST, there);
	check_str(state("172.16.40.1"), "a 10.1.0.0/16");

	check_num(new(NLM_F_CREATE, "172.16.40.2", "=b"), 0);
	check_num(new(UPSERT, "172.16.40.3", "=c"), 0);
	check_str(state("172.16.40.3"), "c");

	/* what is replaced has what the request names and nothing else */
	check_num(new(UPSERT, "172.16.40.1", "=d 10.2.0.0/16 10.3.0.0/16"), 0);
	check_str(state("172.16.40.1"), "d 10.2.0.0/16 10.3.0.0/16");
	check_num(new(NLM_F_REPLACE, "172.16.40.1", "10.3.0.0/16"), 0);
	check_str(state("172.16.40.1"), " 10.3.0.0/16");
	check_num(new(EXCL, "172.16.40.4", "10.2.0.0/16"), 0);
}

static void set_and_del(void)
{
	const char *missing = "The device has no peer with this endpoint";

	setup();
	refused(set("172.16.40.1", "=a"), -ENOENT, missing);
	refused(del("172.16.40.1"), -ENOENT, missing);

	check_num(new(EXCL, "172.16.40.1", NULL), 0);
	check_str(state("172.16.40.1"), "");
	check_num(set("172.16.40.1", "=a"), 0);
	check_num(set("172.16.40.1", "10.1.0.0/16 10.1.0.0/24"), 0);
	check_str(state("172.16.40.1"), "a 10.1.0.0/16 10.1.0.0/24");
	/* one that it has already is no error */
	check_num(set("172.16.40.1", "10.1.0.0/16 10.2.0.0/16 -10.1.0.0/24"), 0);
	check_str(state("172.16.40.1"), "a 10.1.0.0/16 10.2.0.0/16");
	check_num(set("172.16.40.1", "only 10.2.0.0/16 0.0.0.0/0 10.9.9.9/32"), 0);
	check_str(state("172.16.40.1"), "a 0.0.0.0/0 10.2.0.0/16 10.9.9.9/32");
	check_num(set("172.16.40.1", "only"), 0);
	check_str(state("172.16.40.1"), "a");
	check_num(set("172.16.40.1", "="), 0);
	check_str(state("172.16.40.1"), "");

	check_num(set("172.16.40.1", "=b 10.1.0.0/16"), 0);
	check_num(del("172.16.40.1"), 0);
	check_str(state("172.16.40.1"), "none");
	/* its CIDRs are free, and a new peer begins anew */
	check_num(new(EXCL, "172.16.40.1", NULL), 0);
	check_str(state("172.16.40.1"), "");
	check_num(new(EXCL, "172.16.40.2", "10.1.0.0/16"), 0);
}

/* --- refusals ------------------------------------------------------------ */

/* The kernel names the attribute by its place in the request. */
static void bad_attr(const struct nlmsghdr *nlh, uint16_t type)
{
	const struct nlattr *attr;

	check(nl.attr_off);
	attr = (const void *)((const char *)nlh + nl.attr_off);
	check_num(mnl_attr_get_type(attr), type);
}

static void request_refusals(void)
{
	unsigned char addr[17] = { 10 }, mapped[16] = { [10] = 0xff, 0xff, 10 };
	struct nlmsghdr *nlh;
	struct nlattr *nest;
	char name[80];
	int i;

	setup();
	check_num(new(EXCL, "172.16.40.1", "=a 10.1.0.0/16"), 0);

	nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EINVAL, "The request names no endpoint");

	nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
	mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, 4, addr);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EINVAL, "The request names no device");

	nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, 4711);
	mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, 4, addr);
	refused(nl_talk(&nl, nlh, NULL, NULL), -ENODEV, "No device has this index");
	bad_attr(nlh, IPMESH_A_PEER_IFINDEX);

	nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, 1);
	mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, 4, addr);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EOPNOTSUPP, "The device is not of kind ipmesh");

	nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
	mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, 16, addr);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EAFNOSUPPORT,
		"The underlay is IPv4, and so must the endpoint be");
	bad_attr(nlh, IPMESH_A_PEER_ENDPOINT);

	for (i = 0; i <= 17; i++) {
		if (i == 4 || i == 16)
			continue;
		nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
		mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, i, addr);
		refused(nl_talk(&nl, nlh, NULL, NULL), -EINVAL,
			"The endpoint must have 4 or 16 bytes");
	}
	nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
	mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, sizeof(mapped), mapped);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EINVAL,
		"The endpoint must be a unicast address");

	refused(new(EXCL, "0.0.0.0", NULL), -EINVAL, "The endpoint must be a unicast address");
	refused(new(EXCL, "127.0.0.1", NULL), -EINVAL, "The endpoint must be a unicast address");
	refused(new(EXCL, "224.0.0.5", NULL), -EINVAL, "The endpoint must be a unicast address");
	refused(new(EXCL, "255.255.255.255", NULL), -EINVAL,
		"The endpoint must be a unicast address");

	/* names */
	memset(name, 'n', sizeof(name));
	name[0] = '=';
	name[64] = '\0';
	check_num(new(EXCL, "172.16.40.2", name), 0);
	check_str(state("172.16.40.2"), name + 1);
	name[64] = 'n';
	name[65] = '\0';
	check_num(new(EXCL, "172.16.40.3", name), -EINVAL);
	bad_attr((struct nlmsghdr *)nl.buf, IPMESH_A_PEER_NAME);
	nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
	put_endpoint(nlh, "172.16.40.3");
	mnl_attr_put_str(nlh, IPMESH_A_PEER_NAME, "unterminated");
	check_num(nl_talk(&nl, nlh, NULL, NULL), -EINVAL);

	/* unknown attributes, flags and commands */
	nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
	put_endpoint(nlh, "172.16.40.3");
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_MAX + 1, 1);
	check_num(nl_talk(&nl, nlh, NULL, NULL), -EINVAL);
	check(*nl.extack);
	nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
	put_endpoint(nlh, "172.16.40.3");
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_FLAGS, 16);
	check_num(nl_talk(&nl, nlh, NULL, NULL), -EINVAL);
	bad_attr(nlh, IPMESH_A_PEER_FLAGS);
	nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, 0);
	put_endpoint(nlh, "172.16.40.1");
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_CAUSE, 1);
	check_num(nl_talk(&nl, nlh, NULL, NULL), -EINVAL);
	nlh = nl_start(&nl, IPMESH_CMD_PEER_SET_NTF, 0);
	put_endpoint(nlh, "172.16.40.1");
	check_num(nl_talk(&nl, nlh, NULL, NULL), -EOPNOTSUPP);

	/* pod CIDRs */
	refused(set("172.16.40.1", "10.2.0.1/16"), -EINVAL,
		"The host bits of a prefix must be zero");
	refused(set("172.16.40.1", "10.2.0.0/33"), -EINVAL,
		"An IPv4 prefix has a length of at most 32");
	refused(set("172.16.40.1", "10.2.0.0/16 10.3.0.0/16 10.2.0.0/16"), -EINVAL,
		"The request names this pod CIDR twice");
	refused(set("172.16.40.1", "10.1.0.0/16 -10.1.0.0/16"), -EINVAL,
		"The request names this pod CIDR twice");
	refused(set("172.16.40.1", "-10.2.0.0/16"), -ENOENT,
		"The peer does not hold this pod CIDR");
	refused(set("172.16.40.2", "-10.1.0.0/16"), -ENOENT,
		"The peer does not hold this pod CIDR");
	refused(new(UPSERT, "172.16.40.1", "-10.1.0.0/16"), -EINVAL,
		"Prefixes are either replaced or removed one by one");
	refused(set("172.16.40.1", "only -10.1.0.0/16"), -EINVAL,
		"Prefixes are either replaced or removed one by one");

	nlh = nl_start(&nl, IPMESH_CMD_PEER_SET, 0);
	put_endpoint(nlh, "172.16.40.1");
	nest = mnl_attr_nest_start(nlh, IPMESH_A_PEER_CIDR);
	mnl_attr_put_u8(nlh, IPMESH_A_CIDR_LENGTH, 8);
	mnl_attr_nest_end(nlh, nest);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EINVAL, "A prefix needs an address and a length");
	bad_attr(nlh, IPMESH_A_PEER_CIDR);

	nlh = nl_start(&nl, IPMESH_CMD_PEER_SET, 0);
	put_endpoint(nlh, "172.16.40.1");
	nest = mnl_attr_nest_start(nlh, IPMESH_A_PEER_CIDR);
	mnl_attr_put(nlh, IPMESH_A_CIDR_PREFIX, sizeof(mapped), mapped);
	mnl_attr_put_u8(nlh, IPMESH_A_CIDR_LENGTH, 104);
	mnl_attr_nest_end(nlh, nest);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EINVAL,
		"A v4-mapped prefix is none; give 4 bytes");

	nlh = nl_start(&nl, IPMESH_CMD_PEER_SET, 0);
	put_endpoint(nlh, "172.16.40.1");
	nest = mnl_attr_nest_start(nlh, IPMESH_A_PEER_CIDR);
	mnl_attr_put(nlh, IPMESH_A_CIDR_PREFIX, 3, addr);
	mnl_attr_put_u8(nlh, IPMESH_A_CIDR_LENGTH, 8);
	mnl_attr_nest_end(nlh, nest);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EINVAL,
		"A prefix must have 4 or 16 bytes");

	check_str(state("172.16.40.1"), "a 10.1.0.0/16");
	check_str(state("172.16.40.3"), "none");
}

static int count_cb(const struct nlmsghdr *nlh, void *data)
{
	unsigned int *n = data;

	nl_parse_peer(nlh, &peer);
	*n += peer.has_stats;
	return MNL_CB_OK;
}

static unsigned int count_peers(uint32_t ifindex)
{
	struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, NLM_F_DUMP);
	unsigned int n = 0;

	if (ifindex)
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, ifindex);
	check_num(nl_talk(&nl, nlh, count_cb, &n), 0);
	return n;
}

/* The device's own address cannot be a peer's. */
static void own_address(void)
{
	setup();
	check_num(link_new("exact0", IFLA_IPMESH_LOCAL, ip("172.16.40.9")), 0);
	dev = if_nametoindex("exact0");
	refused(new(EXCL, "172.16.40.9", NULL), -EINVAL,
		"The endpoint is the device's own local address");
	check_num(new(EXCL, "172.16.40.8", NULL), 0);
}

/* --- moves, and all or nothing ---------------------------------------------- */

static void conflict(void)
{
	setup();
	check_num(new(EXCL, "172.16.40.1", "=first 10.1.0.0/24 10.1.1.0/24"), 0);
	check_num(new(EXCL, "172.16.40.2", "10.2.0.0/24"), 0);
	/* the last word of each request is what it may not have */
	refused_with(set("172.16.40.2", "=x 10.2.1.0/24 -10.2.0.0/24 10.1.1.0/24"), -EEXIST,
		     "Another peer holds this pod CIDR; say move to take it",
		     "Peer 172.16.40.1 first holds this pod CIDR; say move to take it");
	refused_with(new(UPSERT, "172.16.40.2", "=x 10.2.1.0/24 10.1.1.0/24"), -EEXIST,
		     "Another peer holds this pod CIDR; say move to take it",
		     "Peer 172.16.40.1 first holds this pod CIDR; say move to take it");
	refused_with(new(EXCL, "172.16.40.3", "=x 10.3.0.0/24 10.2.0.0/24"), -EEXIST,
		     "Another peer holds this pod CIDR; say move to take it",
		     "Peer 172.16.40.2 holds this pod CIDR; say move to take it");
	refused(new(EXCL, "172.16.40.3", "move 10.3.0.0/24 10.2.0.0/24 10.3.0.0/24"), -EINVAL,
		"The request names this pod CIDR twice");
	refused(set("172.16.40.2", "=x move 10.1.0.0/24 10.4.0.0/24 -10.5.0.0/24"), -ENOENT,
		"The peer does not hold this pod CIDR");
	check_str(state("172.16.40.1"), "first 10.1.0.0/24 10.1.1.0/24");
	check_str(state("172.16.40.2"), " 10.2.0.0/24");
	check_str(state("172.16.40.3"), "none");
	check_num(count_peers(dev), 2);
	/* and none of what they named first is taken */
	check_num(new(EXCL, "172.16.40.3", "10.2.1.0/24 10.3.0.0/24 10.4.0.0/24"), 0);
	/* overlap is no conflict */
	check_num(set("172.16.40.3", "10.1.0.0/16 10.1.0.0/25 10.1.0.0/32"), 0);
}

static void move(void)
{
	setup();
	check_num(new(EXCL, "172.16.40.1", "10.1.0.0/24 10.1.1.0/24 10.1.2.0/24"), 0);
	check_num(new(EXCL, "172.16.40.2", "10.2.0.0/24"), 0);
	check_num(set("172.16.40.2", "move 10.1.1.0/24 10.2.1.0/24"), 0);
	check_str(state("172.16.40.1"), " 10.1.0.0/24 10.1.2.0/24");
	check_str(state("172.16.40.2"), " 10.1.1.0/24 10.2.0.0/24 10.2.1.0/24");
	check_num(new(EXCL, "172.16.40.3", "move 10.1.2.0/24 10.2.0.0/24"), 0);
	check_str(state("172.16.40.1"), " 10.1.0.0/24");
	check_str(state("172.16.40.2"), " 10.1.1.0/24 10.2.1.0/24");
	check_str(state("172.16.40.3"), " 10.1.2.0/24 10.2.0.0/24");
	check_num(new(UPSERT, "172.16.40.3", "move 10.1.0.0/24"), 0);
	check_str(state("172.16.40.1"), "");
	check_str(state("172.16.40.3"), " 10.1.0.0/24");
	/* what a peer that goes took over goes with it */
	check_num(del("172.16.40.3"), 0);
	check_num(set("172.16.40.1", "10.1.0.0/24 10.2.0.0/24"), 0);
}

/* --- sources and outer prefixes ------------------------------------------------- */

static void sources(void)
{
	setup();
	check_num(new(EXCL, "172.16.40.1", "=a 10.1.0.0/16 s192.0.2.1/32 s198.51.100.0/24"), 0);
	check_str(state("172.16.40.1"), "a 10.1.0.0/16 s192.0.2.1/32 s198.51.100.0/24");
	/* several peers have the same; one that is there already is no error */
	check_num(new(EXCL, "172.16.40.2", "s192.0.2.1/32"), 0);
	check_num(set("172.16.40.1", "s192.0.2.1/32 s192.0.2.2/32 -s198.51.100.0/24"), 0);
	check_str(state("172.16.40.1"), "a 10.1.0.0/16 s192.0.2.1/32 s192.0.2.2/32");
	check_str(state("172.16.40.2"), " s192.0.2.1/32");
	/* each list is replaced by itself */
	check_num(set("172.16.40.1", "only 10.2.0.0/16"), 0);
	check_str(state("172.16.40.1"), "a 10.2.0.0/16 s192.0.2.1/32 s192.0.2.2/32");
	check_num(set("172.16.40.1", "sonly s192.0.2.2/32 s0.0.0.0/0"), 0);
	check_str(state("172.16.40.1"), "a 10.2.0.0/16 s0.0.0.0/0 s192.0.2.2/32");
	check_num(set("172.16.40.1", "sonly"), 0);
	check_str(state("172.16.40.1"), "a 10.2.0.0/16");
	/* what is replaced has no more than is named */
	check_num(set("172.16.40.1", "s192.0.2.1/32"), 0);
	check_num(new(UPSERT, "172.16.40.1", "=b"), 0);
	check_str(state("172.16.40.1"), "b");
	check_num(del("172.16.40.2"), 0);
	check_num(new(EXCL, "172.16.40.2", NULL), 0);
	check_str(state("172.16.40.2"), "");
}

static void source_refusals(void)
{
	struct nlmsghdr *nlh;
	unsigned int i, n;

	setup();
	check_num(new(EXCL, "172.16.40.1", "10.1.0.0/16 s192.0.2.1/32"), 0);
	refused(set("172.16.40.1", "s192.0.2.1/24"), -EINVAL,
		"The host bits of a prefix must be zero");
	refused(set("172.16.40.1", "s192.0.2.0/33"), -EINVAL,
		"An IPv4 prefix has a length of at most 32");
	refused(set("172.16.40.1", "s192.0.2.2/32 s192.0.2.2/32"), -EINVAL,
		"The request names this source twice");
	refused(set("172.16.40.1", "s192.0.2.1/32 -s192.0.2.1/32"), -EINVAL,
		"The request names this source twice");
	refused(set("172.16.40.1", "=x 10.2.0.0/16 s192.0.2.3/32 -s192.0.2.2/32"), -ENOENT,
		"The peer does not have this source");
	bad_attr((struct nlmsghdr *)nl.buf, IPMESH_A_CIDR_PREFIX);
	refused(set("172.16.40.1", "sonly -s192.0.2.1/32"), -EINVAL,
		"Prefixes are either replaced or removed one by one");
	/* nothing of what is refused later is done */
	check_num(new(EXCL, "172.16.40.2", "10.2.0.0/16 f172.20.0.0/16"), 0);
	check(set("172.16.40.1", "s192.0.2.3/32 10.2.0.0/16") == -EEXIST);
	check(set("172.16.40.1", "s192.0.2.3/32 f172.20.0.0/16") == -EEXIST);
	check_str(state("172.16.40.1"), " 10.1.0.0/16 s192.0.2.1/32");

	/* 64 and no more, and all of them for as many others */
	for (n = IPMESH_MAX_SOURCES + 1; n >= IPMESH_MAX_SOURCES; n--) {
		nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, UPSERT);
		put_endpoint(nlh, "172.16.40.1");
		for (i = 0; i < n; i++)
			nl_put_prefix(nlh, IPMESH_A_PEER_SOURCE, htonl(0xc0000200 + i), 32, false);
		if (n > IPMESH_MAX_SOURCES)
			refused(nl_talk(&nl, nlh, NULL, NULL), -ENOSPC,
				"A peer has at most 64 sources");
		else
			check_num(nl_talk(&nl, nlh, NULL, NULL), 0);
	}
	refused(set("172.16.40.1", "s198.51.100.1/32"), -ENOSPC,
		"A peer has at most 64 sources");
	check_num(set("172.16.40.1", "s198.51.100.1/32 -s192.0.2.0/32"), 0);
	nlh = nl_start(&nl, IPMESH_CMD_PEER_SET, 0);
	put_endpoint(nlh, "172.16.40.1");
	for (i = 0; i < 2 * IPMESH_MAX_SOURCES + 1; i++)
		nl_put_prefix(nlh, IPMESH_A_PEER_SOURCE, htonl(0xc0000200 + i), 32, false);
	refused(nl_talk(&nl, nlh, NULL, NULL), -E2BIG, "The request names too many prefixes");
	check_num(nl_peer_get(&nl, dev, ip("172.16.40.1"), &peer), 0);
	check_num(peer.n_sources, IPMESH_MAX_SOURCES);
}

static void outer_prefixes(void)
{
	unsigned char addr[16] = { 0xfd };
	struct nlmsghdr *nlh;
	struct nlattr *nest;
	unsigned int i;

	setup();
	check_num(new(EXCL, "172.16.40.1", "=lb 0.0.0.0/0 f172.20.0.0/16"), 0);
	check_num(new(EXCL, "172.16.40.2", "f172.21.0.0/16"), 0);
	/* one peer has it; the same as a CIDR or a source is another matter */
	refused_with(set("172.16.40.2", "=x 10.1.0.0/16 f172.22.0.0/16 f172.20.0.0/16"), -EEXIST,
		     "Another peer has this outer prefix; say move to take it",
		     "Peer 172.16.40.1 lb has this outer prefix; say move to take it");
	bad_attr((struct nlmsghdr *)nl.buf, IPMESH_A_CIDR_PREFIX);
	check_num(set("172.16.40.2", "172.20.0.0/16 s172.20.0.0/16 f172.20.0.0/17"), 0);
	check_str(state("172.16.40.2"),
		  " 172.20.0.0/16 s172.20.0.0/16 f172.20.0.0/17 f172.21.0.0/16");
	check_num(new(EXCL, "172.16.40.3", "f172.22.0.0/16"), 0);
	refused(set("172.16.40.3", "f172.23.0.0/16 f172.23.0.0/16"), -EINVAL,
		"The request names this outer prefix twice");
	refused(set("172.16.40.3", "-f172.20.0.0/16"), -ENOENT,
		"The peer does not have this outer prefix");
	check_num(set("172.16.40.3", "f172.20.0.0/16 f172.21.0.0/16 move"), 0);
	check_str(state("172.16.40.1"), "lb 0.0.0.0/0");
	check_str(state("172.16.40.3"), " f172.20.0.0/16 f172.21.0.0/16 f172.22.0.0/16");
	check_num(set("172.16.40.3", "fonly f172.21.0.0/16"), 0);
	check_str(state("172.16.40.3"), " f172.21.0.0/16");
	/* with its peer it is free */
	check_num(del("172.16.40.3"), 0);
	check_num(set("172.16.40.1", "f172.21.0.0/16 f172.20.0.0/16"), 0);
	check_num(new(UPSERT, "172.16.40.1", NULL), 0);
	check_str(state("172.16.40.1"), "");

	nlh = nl_start(&nl, IPMESH_CMD_PEER_SET, 0);
	put_endpoint(nlh, "172.16.40.1");
	nest = mnl_attr_nest_start(nlh, IPMESH_A_PEER_FROM);
	mnl_attr_put(nlh, IPMESH_A_CIDR_PREFIX, sizeof(addr), addr);
	mnl_attr_put_u8(nlh, IPMESH_A_CIDR_LENGTH, 8);
	mnl_attr_nest_end(nlh, nest);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EAFNOSUPPORT,
		"An outer prefix must be of the endpoint's family");
	nlh = nl_start(&nl, IPMESH_CMD_PEER_SET, 0);
	put_endpoint(nlh, "172.16.40.1");
	for (i = 0; i < IPMESH_MAX_FROMS + 1; i++)
		nl_put_prefix(nlh, IPMESH_A_PEER_FROM, htonl(0xac140000 + i), 32, false);
	refused(nl_talk(&nl, nlh, NULL, NULL), -ENOSPC, "A peer has at most 64 outer prefixes");
	check_str(state("172.16.40.1"), "");
}

/* --- look-ups ---------------------------------------------------------------- */

static int peer_cb(const struct nlmsghdr *nlh, void *data)
{
	nl_parse_peer(nlh, data);
	return MNL_CB_OK;
}

static const char *find(const char *addr)
{
	struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, 0);
	in_addr_t inner = ip(addr);
	int err;

	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
	mnl_attr_put(nlh, IPMESH_A_PEER_ADDRESS, sizeof(inner), &inner);
	err = nl_talk(&nl, nlh, peer_cb, &peer);
	if (err) {
		refused(err, -ENOENT, "No pod CIDR holds this address");
		return "none";
	}
	return inet_ntoa((struct in_addr){ peer.endpoint });
}

static void look_up(void)
{
	in_addr_t addr = ip("10.1.0.1");
	unsigned char five[5] = { 10 };
	struct nlmsghdr *nlh;

	setup();
	check_num(new(EXCL, "172.16.40.1", "10.1.0.0/16"), 0);
	check_num(new(EXCL, "172.16.40.2", "10.1.2.0/24 10.1.3.3/32"), 0);
	check_num(new(EXCL, "172.16.40.3", "10.1.2.128/25"), 0);
	check_str(find("10.1.0.0"), "172.16.40.1");
	check_str(find("10.1.255.255"), "172.16.40.1");
	check_str(find("10.0.255.255"), "none");
	check_str(find("10.2.0.0"), "none");
	check_str(find("10.1.2.127"), "172.16.40.2");
	check_str(find("10.1.2.128"), "172.16.40.3");
	check_str(find("10.1.3.2"), "172.16.40.1");
	check_str(find("10.1.3.3"), "172.16.40.2");
	check_num(new(EXCL, "172.16.40.4", "0.0.0.0/0"), 0);
	check_str(find("255.1.1.1"), "172.16.40.4");
	check_str(find("10.2.0.0"), "172.16.40.4");
	check_num(del("172.16.40.2"), 0);
	check_str(find("10.1.3.3"), "172.16.40.1");
	check_str(find("10.1.2.127"), "172.16.40.1");
	check_num(del("172.16.40.4"), 0);
	check_str(find("10.2.0.0"), "none");

	nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, 0);
	put_endpoint(nlh, "172.16.40.1");
	mnl_attr_put(nlh, IPMESH_A_PEER_ADDRESS, sizeof(addr), &addr);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EINVAL,
		"A peer is asked for by its endpoint or by an inner address");
	nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, 0);
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
	mnl_attr_put(nlh, IPMESH_A_PEER_ADDRESS, sizeof(five), five);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EINVAL, "The address must have 4 or 16 bytes");
	nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, 0);
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
	refused(nl_talk(&nl, nlh, NULL, NULL), -EINVAL, "The request names no endpoint");
	nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, NLM_F_DUMP);
	put_endpoint(nlh, "172.16.40.1");
	refused(nl_talk(&nl, nlh, NULL, NULL), -EINVAL, "A dump is of a device, not of a peer");
}

/* --- limits ----------------------------------------------------------------- */

static void cidr_limit(void)
{
	struct nlmsghdr *nlh;
	unsigned int i;

	setup();
	for (i = IPMESH_MAX_CIDRS + 1; i >= IPMESH_MAX_CIDRS; i--) {
		unsigned int k;

		nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
		put_endpoint(nlh, "172.16.40.1");
		for (k = 0; k < i; k++)
			nl_put_cidr(nlh, htonl(0x0a000000 + k * 256), 24, false);
		if (i > IPMESH_MAX_CIDRS)
			refused(nl_talk(&nl, nlh, NULL, NULL), -ENOSPC,
				"A peer holds at most 1024 pod CIDRs");
		else
			check_num(nl_talk(&nl, nlh, NULL, NULL), 0);
	}
	refused(set("172.16.40.1", "11.0.0.0/24"), -ENOSPC,
		"A peer holds at most 1024 pod CIDRs");
	check_num(new(EXCL, "172.16.40.2", "11.0.0.0/24"), 0);
	refused(set("172.16.40.1", "move 11.0.0.0/24"), -ENOSPC,
		"A peer holds at most 1024 pod CIDRs");
	/* one for one it goes */
	check_num(set("172.16.40.1", "move 11.0.0.0/24 -10.0.0.0/24"), 0);
	check_num(nl_peer_get(&nl, dev, ip("172.16.40.1"), &peer), 0);
	check_num(peer.n_cidrs, IPMESH_MAX_CIDRS);

	/* all of them replaced by as many others */
	nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, UPSERT);
	put_endpoint(nlh, "172.16.40.1");
	for (i = 0; i < IPMESH_MAX_CIDRS; i++)
		nl_put_cidr(nlh, htonl(0x14000000 + i * 256), 24, false);
	check_num(nl_talk(&nl, nlh, NULL, NULL), 0);
	check_str(find("10.0.1.0"), "none");
	check_str(find("20.3.255.255"), "172.16.40.1");

	nlh = nl_start(&nl, IPMESH_CMD_PEER_SET, 0);
	put_endpoint(nlh, "172.16.40.1");
	for (i = 0; i < 2 * IPMESH_MAX_CIDRS + 1; i++)
		nl_put_cidr(nlh, htonl(0x0a000000 + i * 256), 24, false);
	refused(nl_talk(&nl, nlh, NULL, NULL), -E2BIG, "The request names too many prefixes");
}

static void peer_limit(void)
{
	setup();
	check_num(link_new("few0", IFLA_IPMESH_MAX_PEERS, 2), -EEXIST);
	link_del("ipmesh0");
	check_num(link_new("few0", IFLA_IPMESH_MAX_PEERS, 2), 0);
	dev = if_nametoindex("few0");
	check_num(new(EXCL, "172.16.40.1", NULL), 0);
	check_num(new(EXCL, "172.16.40.2", NULL), 0);
	refused_with(new(EXCL, "172.16.40.3", NULL), -ENOSPC,
		     "The device has all its peers already; raise max_peers",
		     "The device has its 2 peers already; raise max_peers");
	check_num(new(UPSERT, "172.16.40.2", "=two"), 0);
	check_num(del("172.16.40.1"), 0);
	check_num(new(EXCL, "172.16.40.3", NULL), 0);
	check_num(count_peers(dev), 2);
}

/* --- dumps ------------------------------------------------------------------- */

#define MANY	3000

/* Many peers in few system calls, each with @cidrs pod CIDRs. */
static void add_many(unsigned int from, unsigned int n, unsigned int cidrs)
{
	static char batch[NL_BUF], answers[NL_BUF];
	unsigned int i, k;

	for (i = from; i < from + n;) {
		unsigned int waiting = 0;
		ssize_t len = 0;

		for (; i < from + n && waiting < 64; i++, waiting++) {
			struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW,
							EXCL | NLM_F_ACK);
			in_addr_t endpoint = htonl(0xac100000 + i);

			mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
			mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, sizeof(endpoint), &endpoint);
			for (k = 0; k < cidrs; k++)
				nl_put_cidr(nlh, htonl(0x0a000000 + (i * cidrs + k) * 16), 28,
					    false);
			memcpy(batch + len, nlh, nlh->nlmsg_len);
			len += MNL_ALIGN(nlh->nlmsg_len);
		}
		check(mnl_socket_sendto(nl.sk, batch, len) == len);
		while (waiting) {
			const struct nlmsghdr *msg = (const void *)answers;
			int got = mnl_socket_recvfrom(nl.sk, answers, sizeof(answers));

			for (; mnl_nlmsg_ok(msg, got); msg = mnl_nlmsg_next(msg, &got)) {
				const struct nlmsgerr *err = mnl_nlmsg_get_payload(msg);

				check_num(msg->nlmsg_type, NLMSG_ERROR);
				check_num(err->error, 0);
				waiting--;
			}
		}
	}
}

static unsigned char *seen;

static int seen_cb(const struct nlmsghdr *nlh, void *data)
{
	unsigned int *cidrs = data, i;

	nl_parse_peer(nlh, &peer);
	i = ntohl(peer.endpoint) - 0xac100000;
	check(i <= MANY);
	seen[i] += peer.has_stats;
	*cidrs += peer.n_cidrs;
	return MNL_CB_OK;
}

static void dump_many(void)
{
	unsigned int i, cidrs = 0;
	struct nlmsghdr *nlh;

	setup();
	add_many(1, MANY, 3);
	seen = calloc(1, MANY + 1);
	nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, NLM_F_DUMP);
	check_num(nl_talk(&nl, nlh, seen_cb, &cidrs), 0);
	check(!nl.intr);
	for (i = 1; i <= MANY; i++)
		check_num(seen[i], 1);
	check_num(cidrs, 3 * MANY);
	/* of one device or of all */
	check_num(link_new("other0", IFLA_IPMESH_LOCAL, ip("172.16.40.9")), 0);
	check_num(count_peers(if_nametoindex("other0")), 0);
	dev = if_nametoindex("other0");
	add_many(1, 5, 1);
	check_num(count_peers(dev), 5);
	check_num(count_peers(if_nametoindex("ipmesh0")), MANY);
	check_num(count_peers(0), MANY + 5);
}

static int dump_of(uint32_t ifindex)
{
	struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, NLM_F_DUMP);

	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, ifindex);
	return nl_talk(&nl, nlh, NULL, NULL);
}

/* Of a device that is none, or no ipmesh device, it is what a request says. */
static void dump_refused(void)
{
	setup();
	refused(dump_of(1), -EOPNOTSUPP, "The device is not of kind ipmesh");
	refused(dump_of(4711), -ENODEV, "No device has this index");
	check_num(dump_of(dev), 0);
	link_del("ipmesh0");
	refused(dump_of(dev), -ENODEV, "No device has this index");
}

static struct nl_peer all;

static int all_cb(const struct nlmsghdr *nlh, void *data)
{
	unsigned int *messages = data;

	nl_parse_peer(nlh, &peer);
	all.n_cidrs += peer.n_cidrs;
	all.n_sources += peer.n_sources;
	all.n_froms += peer.n_froms;
	*messages += 1;
	return MNL_CB_OK;
}

/* A message may end between any two of them. */
static void dump_many_prefixes(void)
{
	unsigned int i, k, messages = 0;
	struct nlmsghdr *nlh;

	setup();
	for (i = 0; i < 100; i++) {
		nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
		k = htonl(0xac100001 + i);
		mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, sizeof(k), &k);
		for (k = 0; k < i; k++)
			nl_put_cidr(nlh, htonl(0x0a000000 + (i * 100 + k) * 256), 24, false);
		for (k = 0; k < IPMESH_MAX_SOURCES; k++)
			nl_put_prefix(nlh, IPMESH_A_PEER_SOURCE, htonl(0xc0000200 + k), 32, false);
		for (k = 0; k < IPMESH_MAX_FROMS; k++)
			nl_put_prefix(nlh, IPMESH_A_PEER_FROM,
				      htonl(0x14000000 + (i * 100 + k) * 256), 24, false);
		check_num(nl_talk(&nl, nlh, NULL, NULL), 0);
	}
	nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, NLM_F_DUMP);
	check_num(nl_talk(&nl, nlh, all_cb, &messages), 0);
	check_num(all.n_cidrs, 99 * 100 / 2);
	check_num(all.n_sources, 100 * IPMESH_MAX_SOURCES);
	check_num(all.n_froms, 100 * IPMESH_MAX_FROMS);
	/* some peers were in two of them */
	check(messages > 100);
}

static void dump_many_cidrs(void)
{
	struct nlmsghdr *nlh;
	unsigned int i, k;

	setup();
	for (i = 0; i < 3; i++) {
		nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
		put_endpoint(nlh, i == 0 ? "172.16.0.1" : i == 1 ? "172.16.0.2" : "172.16.0.3");
		for (k = 0; k < IPMESH_MAX_CIDRS; k++)
			nl_put_cidr(nlh, htonl(0x0a000000 + (i * IPMESH_MAX_CIDRS + k) * 256),
				    24, false);
		check_num(nl_talk(&nl, nlh, NULL, NULL), 0);
	}
	seen = calloc(1, MANY + 1);
	k = 0;
	nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, NLM_F_DUMP);
	check_num(nl_talk(&nl, nlh, seen_cb, &k), 0);
	for (i = 1; i <= 3; i++)
		check_num(seen[i], 1);
	check_num(k, 3 * IPMESH_MAX_CIDRS);
}

/* Begins a dump of a device, or of all for 0, with a second socket, and changes something
 * when its first message is there; the rest must tell.
 */
static bool interrupted(uint32_t ifindex, void (*change)(void))
{
	static struct nl other;
	static char buf[NL_BUF];
	struct nlmsghdr *nlh;
	bool intr = false, first = true;

	nl_open_genl(&other);
	nlh = nl_start(&other, IPMESH_CMD_PEER_GET, NLM_F_DUMP);
	if (ifindex)
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, ifindex);
	check(mnl_socket_sendto(other.sk, nlh, nlh->nlmsg_len) > 0);
	for (;;) {
		int got = mnl_socket_recvfrom(other.sk, buf, sizeof(buf));
		const struct nlmsghdr *msg = (const void *)buf;

		if (got <= 0)
			tap_fail("%s", strerror(errno));
		if (first && change)
			change();
		first = false;
		for (; mnl_nlmsg_ok(msg, got); msg = mnl_nlmsg_next(msg, &got)) {
			intr |= !!(msg->nlmsg_flags & NLM_F_DUMP_INTR);
			if (msg->nlmsg_type == NLMSG_DONE) {
				nl_close(&other);
				return intr;
			}
			check(msg->nlmsg_type != NLMSG_ERROR);
		}
	}
}

static void change_add(void)
{
	check_num(new(EXCL, "192.0.2.1", NULL), 0);
}

static void change_set(void)
{
	check_num(set("172.16.0.1", "192.0.2.0/24"), 0);
}

static void change_del(void)
{
	check_num(del("172.16.0.1"), 0);
}

static void change_refused(void)
{
	check(set("172.16.0.2", "192.0.2.1/24") < 0);
}

static void change_del_rest(void)
{
	unsigned int i;

	check_num(del("192.0.2.1"), 0);
	/* the dump has been begun with those of the lowest numbers */
	for (i = 400; i >= 2; i--) {
		struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_DEL, 0);
		in_addr_t endpoint = htonl(0xac100000 + i);

		mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
		mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, sizeof(endpoint), &endpoint);
		check_num(nl_talk(&nl, nlh, NULL, NULL), 0);
	}
}

static void dump_interrupted(void)
{
	setup();
	add_many(1, 400, 1);
	check(!interrupted(dev, NULL));
	check(interrupted(dev, change_add));
	check(interrupted(dev, change_set));
	check(interrupted(dev, change_del));
	check(!interrupted(dev, change_refused));
	/* nothing is left to come, and the dump was not whole */
	check(interrupted(dev, change_del_rest));
}

static void change_link_del(void)
{
	link_del("ipmesh0");
}

/* A device that goes takes its peers with it. */
static void dump_flushed(void)
{
	uint32_t first;

	setup();
	first = dev;
	add_many(1, 400, 1);
	check(interrupted(first, change_link_del));
	setup();
	first = dev;
	add_many(1, 400, 1);
	check(interrupted(0, change_link_del));
	/* with another one behind it */
	setup();
	first = dev;
	add_many(1, 400, 1);
	check_num(link_new("other0", IFLA_IPMESH_LOCAL, ip("172.16.40.9")), 0);
	dev = if_nametoindex("other0");
	add_many(1, 5, 1);
	check(first < dev);
	check(!interrupted(0, NULL));
	check(interrupted(0, change_link_del));
	check(!interrupted(0, NULL));
}

/* --- notifications ----------------------------------------------------------- */

static struct nl listener;

static void listen_peers(void)
{
	nl_open_genl(&listener);
	check(listener.group);
	check_num(mnl_socket_setsockopt(listener.sk, NETLINK_ADD_MEMBERSHIP,
					&listener.group, sizeof(listener.group)), 0);
}

/* The next notification as "COMMAND CAUSE ENDPOINT NAME CIDRS"; "" for none. */
static const char *heard(void)
{
	static const char * const causes[] = { "request", "move", "device" };
	struct pollfd pfd = { .fd = mnl_socket_get_fd(listener.sk), .events = POLLIN };
	static char buf[NL_BUF], text[256];
	const struct nlmsghdr *nlh = (const void *)buf;
	const struct genlmsghdr *genl;

	/* whatever a request causes is there before its acknowledgment */
	if (!poll(&pfd, 1, 0))
		return "";
	check(mnl_socket_recvfrom(listener.sk, buf, sizeof(buf)) > 0);
	genl = mnl_nlmsg_get_payload(nlh);
	nl_parse_peer(nlh, &peer);
	check_num(peer.ifindex, dev);
	check(peer.has_stats);
	check(peer.cause >= 0 && peer.cause <= IPMESH_CAUSE_DEVICE);
	snprintf(text, sizeof(text), "%s %s %s %s %u",
		 genl->cmd == IPMESH_CMD_PEER_NEW_NTF ? "new" :
		 genl->cmd == IPMESH_CMD_PEER_SET_NTF ? "set" :
		 genl->cmd == IPMESH_CMD_PEER_DEL_NTF ? "del" : "?",
		 causes[peer.cause], inet_ntoa((struct in_addr){ peer.endpoint }),
		 peer.name, peer.n_cidrs);
	return text;
}

static void notifications(void)
{
	setup();
	listen_peers();
	check_num(new(EXCL, "172.16.40.1", "=a 10.1.0.0/24 10.1.1.0/24"), 0);
	check_str(heard(), "new request 172.16.40.1 a 2");
	check_num(new(UPSERT, "172.16.40.1", "=b 10.1.0.0/24 10.1.1.0/24 10.1.2.0/24"), 0);
	check_str(heard(), "set request 172.16.40.1 b 3");
	check_num(set("172.16.40.1", "=c -10.1.2.0/24"), 0);
	check_str(heard(), "set request 172.16.40.1 c 2");
	check(new(EXCL, "172.16.40.1", NULL) < 0);
	check(set("172.16.40.1", "=d 10.1.0.1/24") < 0);
	check_str(heard(), "");
	check_num(new(EXCL, "172.16.40.2", "=e move 10.1.0.0/24 10.1.1.0/24"), 0);
	/* the loser is told of once */
	check_str(heard(), "set move 172.16.40.1 c 0");
	check_str(heard(), "new request 172.16.40.2 e 2");
	check_num(set("172.16.40.2", "f172.20.0.0/16 s192.0.2.1/32"), 0);
	check_str(heard(), "set request 172.16.40.2 e 2");
	check_num(peer.n_sources, 1);
	check_num(peer.n_froms, 1);
	check_num(new(EXCL, "172.16.40.3", "=f f172.20.0.0/16 move"), 0);
	check_str(heard(), "set move 172.16.40.2 e 2");
	check_num(peer.n_froms, 0);
	check_str(heard(), "new request 172.16.40.3 f 0");
	check_num(peer.n_froms, 1);
	check_num(del("172.16.40.3"), 0);
	check_str(heard(), "del request 172.16.40.3 f 0");
	check_num(del("172.16.40.2"), 0);
	check_str(heard(), "del request 172.16.40.2 e 2");
	link_del("ipmesh0");
	check_str(heard(), "del device 172.16.40.1 c 0");
	check_str(heard(), "");
}

/* --- who may ------------------------------------------------------------------ */

static void unprivileged(void)
{
	struct nlmsghdr *nlh;

	setup();
	check_num(new(EXCL, "172.16.40.1", "10.1.0.0/24"), 0);
	nl_close(&nl);
	check_num(setresuid(65534, 65534, 65534), 0);
	nl_open_genl(&nl);
	check_num(new(EXCL, "172.16.40.2", NULL), -EPERM);
	check_num(new(UPSERT, "172.16.40.1", NULL), -EPERM);
	check_num(set("172.16.40.1", "=a"), -EPERM);
	check_num(del("172.16.40.1"), -EPERM);
	/* to look is free, as it is with ip link */
	check_str(state("172.16.40.1"), " 10.1.0.0/24");
	nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, NLM_F_DUMP);
	check_num(nl_talk(&nl, nlh, NULL, NULL), 0);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		tap_fail("%s: %s", path, strerror(errno));
	close(fd);
}

/* So many pod CIDRs for a new peer, the @n-th of all devices. */
static int add_with(unsigned int n, unsigned int cidrs)
{
	struct nlmsghdr *nlh = nl_start(&nl, IPMESH_CMD_PEER_NEW, EXCL);
	in_addr_t endpoint = htonl(0xac100000 + n);
	unsigned int k;

	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, dev);
	mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, sizeof(endpoint), &endpoint);
	for (k = 0; k < cidrs; k++)
		nl_put_cidr(nlh, htonl(0x0a000000 + (n * IPMESH_MAX_CIDRS + k) * 16), 28, false);
	return nl_talk(&nl, nlh, NULL, NULL);
}

/* What one user has is limited, on however many devices it is. */
static void user_limit(void)
{
	const char *most_told = "A user namespace has at most 262144 peers and prefixes";
	const unsigned int most = 262144, full = most / (1 + IPMESH_MAX_CIDRS);
	const unsigned int rest = most - full * (1 + IPMESH_MAX_CIDRS);
	unsigned int i, first, second;

	check_num(unshare(CLONE_NEWUSER | CLONE_NEWNET), 0);
	write_file("/proc/self/uid_map", "0 0 1");
	setup();
	first = dev;
	for (i = 0; i < full; i++)
		check_num(add_with(i, IPMESH_MAX_CIDRS), 0);
	check_num(link_new("other0", IFLA_IPMESH_LOCAL, ip("172.16.40.9")), 0);
	second = if_nametoindex("other0");
	dev = second;
	refused(add_with(i, rest), -ENOSPC, most_told);
	check_num(count_peers(dev), 0);
	/* what is refused for another reason takes nothing */
	refused(set("192.0.2.1", "192.0.2.0/24"), -ENOENT,
		"The device has no peer with this endpoint");
	refused(new(EXCL, "192.0.2.1", "192.0.2.0/24 192.0.2.0/24"), -EINVAL,
		"The request names this pod CIDR twice");
	check_num(add_with(i, rest - 1), 0);
	refused(new(EXCL, "192.0.2.1", NULL), -ENOSPC, most_told);
	refused(set("172.16.0.255", "192.0.2.0/24"), -ENOSPC, most_told);
	/* no more than before */
	check_num(set("172.16.0.255", "=a"), 0);
	check_num(set("172.16.0.255", "-10.63.192.0/28"), 0);
	check_num(set("172.16.0.255", "192.0.2.0/24"), 0);
	refused(set("172.16.0.255", "192.0.2.1/32"), -ENOSPC, most_told);
	dev = first;
	/* what is moved needs no room */
	check_num(set("172.16.0.0", "-10.0.0.0/28 move 10.0.64.0/28"), 0);
	/* one more and no further one */
	check_num(set("172.16.0.1", "192.0.2.0/24"), 0);
	refused(set("172.16.0.2", "-10.0.128.0/28 192.0.3.0/24"), -ENOSPC, most_told);
	check_num(del("172.16.0.1"), 0);
	check_num(new(EXCL, "192.0.2.1", "192.0.4.0/24"), 0);
	link_del("ipmesh0");
	dev = second;
	check_num(add_with(1000, IPMESH_MAX_CIDRS), 0);
}

/* The root of a user namespace may, in a network namespace of its own. */
static void user_namespace(void)
{
	check_num(unshare(CLONE_NEWUSER | CLONE_NEWNET), 0);
	write_file("/proc/self/uid_map", "0 0 1");
	setup();
	check_num(new(EXCL, "172.16.40.1", "10.1.0.0/24"), 0);
	check_str(state("172.16.40.1"), " 10.1.0.0/24");
	check_num(del("172.16.40.1"), 0);
}

static const struct tap_test tests[] = {
	{ "create_flags", create_flags },
	{ "set_and_del", set_and_del },
	{ "request_refusals", request_refusals },
	{ "own_address", own_address },
	{ "conflict", conflict },
	{ "move", move },
	{ "sources", sources },
	{ "source_refusals", source_refusals },
	{ "outer_prefixes", outer_prefixes },
	{ "look_up", look_up },
	{ "cidr_limit", cidr_limit },
	{ "peer_limit", peer_limit },
	{ "dump_many", dump_many },
	{ "dump_many_prefixes", dump_many_prefixes },
	{ "dump_many_cidrs", dump_many_cidrs },
	{ "dump_refused", dump_refused },
	{ "dump_interrupted", dump_interrupted },
	{ "dump_flushed", dump_flushed },
	{ "notifications", notifications },
	{ "unprivileged", unprivileged },
	{ "user_namespace", user_namespace },
	{ "user_limit", user_limit },
	{}
};

int main(int argc, char **argv)
{
	return tap_main(tests, argc, argv);
}
