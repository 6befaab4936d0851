// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices and peers by raw netlink, for the shell tests: what they prove of
 * the module does not hang on the tool. It checks nothing itself, so that the
 * kernel meets wrong values.
 *
 *   mesh [-n NETNS] link add|set DEV [KEY VALUE]…
 *   mesh [-n NETNS] link get DEV              each attribute as KEY VALUE
 *   mesh [-n NETNS] peer new|add|replace|set|del DEV ENDPOINT [name NAME]
 *                        [cidr PREFIX/LEN]… [remove PREFIX/LEN]… [move] [only]
 *                        [source|nosource|from|nofrom PREFIX/LEN]… [onlysources]
 *                        [onlyfroms] [encap none|udp|device] [dport N]
 *                        [routes ipmesh|none]
 *   mesh [-n NETNS] peer get DEV ENDPOINT     name, CIDRs, sources, outer prefixes,
 *                        and "routes none"
 *   mesh [-n NETNS] peer find DEV ADDRESS     the endpoint for an inner address
 *   mesh [-n NETNS] peer list DEV             the endpoints, sorted
 *   mesh [-n NETNS] count DEV KEY             a counter of the device: rx_packets,
 *                        …, or the drops by a cause
 *   mesh [-n NETNS] count DEV KEY ENDPOINT    the same of a peer
 *   mesh [-n NETNS] exec COMMAND…             run a command there
 *   mesh ns add|del NETNS                     as ip netns, with lo up
 *   mesh [-n NETNS] echo COUNT ADDRESS [size N] [tos N] [ttl N] [mark N]
 *                        [df on|off|probe] [from ADDRESS|DEV] [wait MS]
 *                        echo requests one after the other; the answers are
 *                        counted, ICMP errors told
 *   mesh [-n NETNS] flood ADDRESS             the same until SIGTERM
 *   mesh [-n NETNS] raw [KEY VALUE]…          a made-up packet in a tunnel header
 *   mesh [-n NETNS] capture DEV COUNT [PROTO] packets in words
 *   mesh serve                                run what comes on stdin, see serve()
 *
 * peer new makes (CREATE|EXCL), add makes (CREATE), replace makes or replaces;
 * "only" says that the request names all CIDRs, "onlysources" and "onlyfroms" that it
 * names all of these. A refusal is told as
 * "ERRNO: extack" with exit status 1; a wrong use of this program with 2.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "nl.h"
#include "probe.h"

static struct nl nl;
static struct nl_peer peer;

static int refused(int err)
{
	fprintf(stderr, "%s: %s\n", strerrorname_np(-err), nl.extack);
	return 1;
}

static uint32_t ifindex_of(const char *name)
{
	uint32_t index = if_nametoindex(name);

	return index ?: (uint32_t)atoi(name);
}

static void put_addr(struct nlmsghdr *nlh, uint16_t type, const char *text)
{
	unsigned char addr[16];

	if (inet_pton(AF_INET, text, addr) == 1)
		mnl_attr_put(nlh, type, 4, addr);
	else if (inet_pton(AF_INET6, text, addr) == 1)
		mnl_attr_put(nlh, type, 16, addr);
	else	/* so many bytes of nothing */
		mnl_attr_put(nlh, type, atoi(text), memset(addr, 1, sizeof(addr)));
}

/* --- links ------------------------------------------------------------- */

struct word {
	const char *word;
	uint8_t value;
};

static const struct word ttl_words[] = { { "inherit", IPMESH_TTL_INHERIT }, {} };
static const struct word dscp_words[] = { { "inherit", IPMESH_DSCP_INHERIT }, {} };
static const struct word bool_words[] = { { "off", 0 }, { "on", 1 }, {} };
static const struct word peers_words[] = {
	{ "strict", IPMESH_PEERS_MODE_STRICT }, { "open", IPMESH_PEERS_MODE_OPEN }, {}
};
static const struct word encap_words[] = {
	{ "none", IPMESH_ENCAP_NONE }, { "udp", IPMESH_ENCAP_UDP },
	{ "device", IPMESH_ENCAP_DEVICE }, {}
};
static const struct word routes_words[] = {
	{ "ipmesh", IPMESH_PEER_ROUTES_IPMESH }, { "none", IPMESH_PEER_ROUTES_NONE }, {}
};
static const struct word no_words[] = { {} };

static const struct link_key {
	const char *key;
	uint16_t type;
	uint8_t size;	/* 0 for an address */
	const struct word *words;
} link_keys[] = {
	{ "local", IFLA_IPMESH_LOCAL, 0, no_words },
	{ "dev", IFLA_IPMESH_LINK, 4, no_words },
	{ "peers", IFLA_IPMESH_PEERS, 1, peers_words },
	{ "ttl", IFLA_IPMESH_TTL, 1, ttl_words },
	{ "dscp", IFLA_IPMESH_DSCP, 1, dscp_words },
	{ "pmtudisc", IFLA_IPMESH_PMTUDISC, 1, bool_words },
	{ "fwmark", IFLA_IPMESH_FWMARK, 4, no_words },
	{ "mtu_auto", IFLA_IPMESH_MTU_AUTO, 1, bool_words },
	{ "max_peers", IFLA_IPMESH_MAX_PEERS, 4, no_words },
	{ "encap", IFLA_IPMESH_ENCAP, 1, encap_words },
	{ "dport", IFLA_IPMESH_DPORT, 2, no_words },
	{ "sport", IFLA_IPMESH_SPORT, 2, no_words },
	{ "csum", IFLA_IPMESH_CSUM, 1, bool_words },
	{ "notrack", IFLA_IPMESH_NOTRACK, 1, bool_words },
	{ "rpf", IFLA_IPMESH_RPF, 1, bool_words },
	{ "peer_count", IFLA_IPMESH_PEER_COUNT, 4, no_words },
	{ "unknown", IFLA_IPMESH_MAX + 1, 4, no_words },
	{}
};

static uint32_t word_value(const struct word *words, const char *text)
{
	for (; words->word; words++)
		if (!strcmp(words->word, text))
			return words->value;
	return strtoul(text, NULL, 0);
}

static void put_link_key(struct nlmsghdr *nlh, const char *key, const char *value)
{
	const struct link_key *k;
	uint32_t n;

	for (k = link_keys; k->key && strcmp(k->key, key); k++)
		;
	if (!k->key)
		die("mesh: unknown key %s", key);
	if (!k->size) {
		put_addr(nlh, k->type, value);
		return;
	}
	n = word_value(k->words, value);
	if (k->type == IFLA_IPMESH_LINK)
		n = ifindex_of(value);
	if (k->size == 1)
		mnl_attr_put_u8(nlh, k->type, n);
	else if (k->size == 2)
		mnl_attr_put_u16(nlh, k->type, n);
	else
		mnl_attr_put_u32(nlh, k->type, n);
}

static int link_change(char **argv, bool add)
{
	struct nlattr *info, *data;
	struct nlmsghdr *nlh;
	char **arg;
	int err;

	nl_open_route(&nl);
	nlh = nl_start_link(&nl, RTM_NEWLINK, add ? NLM_F_CREATE | NLM_F_EXCL : 0, argv[0]);
	for (arg = argv + 1; arg[0] && arg[1]; arg += 2) {
		if (!strcmp(arg[0], "mtu"))
			mnl_attr_put_u32(nlh, IFLA_MTU, atoi(arg[1]));
		else if (!strcmp(arg[0], "address"))
			put_addr(nlh, IFLA_ADDRESS, arg[1]);
	}
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "ipmesh");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	for (arg = argv + 1; arg[0] && arg[1]; arg += 2)
		if (strcmp(arg[0], "mtu") && strcmp(arg[0], "address"))
			put_link_key(nlh, arg[0], arg[1]);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	if (arg[0])
		die("mesh: %s has no value", arg[0]);
	err = nl_talk(&nl, nlh, NULL, NULL);
	return err ? refused(err) : 0;
}

struct found {
	const struct nlattr *data, *xstats;
	struct rtnl_link_stats64 stats;
	uint32_t mtu;
	char copy[NL_BUF];
};

static int link_cb(const struct nlmsghdr *nlh, void *out)
{
	const struct nlattr *attr, *member;
	struct found *found = out;

	memcpy(found->copy, nlh, nlh->nlmsg_len);
	mnl_attr_for_each(attr, (const struct nlmsghdr *)found->copy,
			  sizeof(struct ifinfomsg)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_MTU:
			found->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_STATS64:
			memcpy(&found->stats, mnl_attr_get_payload(attr),
			       mnl_attr_get_payload_len(attr) < sizeof(found->stats) ?
			       mnl_attr_get_payload_len(attr) : sizeof(found->stats));
			break;
		case IFLA_LINKINFO:
			mnl_attr_for_each_nested(member, attr) {
				if (mnl_attr_get_type(member) == IFLA_INFO_DATA)
					found->data = member;
				if (mnl_attr_get_type(member) == IFLA_INFO_XSTATS)
					found->xstats = member;
			}
			break;
		}
	}
	return MNL_CB_OK;
}

static struct found found;

static int link_read(const char *name)
{
	struct nlmsghdr *nlh;

	nl_open_route(&nl);
	nlh = nl_start_link(&nl, RTM_GETLINK, 0, name);
	return nl_talk(&nl, nlh, link_cb, &found);
}

static void print_link_key(const struct link_key *k, const struct nlattr *attr)
{
	const struct word *w;
	char text[64];
	uint32_t n;

	if (!k->size) {
		inet_ntop(mnl_attr_get_payload_len(attr) == 4 ? AF_INET : AF_INET6,
			  mnl_attr_get_payload(attr), text, sizeof(text));
		printf("%s %s\n", k->key, text);
		return;
	}
	n = k->size == 1 ? mnl_attr_get_u8(attr) :
	    k->size == 2 ? mnl_attr_get_u16(attr) : mnl_attr_get_u32(attr);
	for (w = k->words; w->word; w++) {
		if (w->value != n)
			continue;
		printf("%s %s\n", k->key, w->word);
		return;
	}
	if (k->type == IFLA_IPMESH_LINK && n && if_indextoname(n, text))
		printf("%s %s\n", k->key, text);
	else
		printf("%s %u\n", k->key, n);
}

static int link_get(char **argv)
{
	const struct link_key *k;
	const struct nlattr *attr;
	int err = link_read(argv[0]);

	if (err)
		return refused(err);
	printf("mtu %u\n", found.mtu);
	if (!found.data)
		die("mesh: %s has no IFLA_INFO_DATA", argv[0]);
	for (k = link_keys; k->key; k++)
		mnl_attr_for_each_nested(attr, found.data)
			if (mnl_attr_get_type(attr) == k->type)
				print_link_key(k, attr);
	return 0;
}

/* --- peers ------------------------------------------------------------- */

static void put_prefix(struct nlmsghdr *nlh, uint16_t type, const char *text, bool remove)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);
	char prefix[64];
	const char *slash = strchr(text, '/');

	if (slash) {
		snprintf(prefix, sizeof(prefix), "%.*s", (int)(slash - text), text);
		put_addr(nlh, IPMESH_A_CIDR_PREFIX, prefix);
		mnl_attr_put_u8(nlh, IPMESH_A_CIDR_LENGTH, atoi(slash + 1));
	} else {
		put_addr(nlh, IPMESH_A_CIDR_PREFIX, text);
	}
	if (remove)
		mnl_attr_put(nlh, IPMESH_A_CIDR_REMOVE, 0, NULL);
	mnl_attr_nest_end(nlh, nest);
}

static const struct prefix_word {
	const char *word;
	uint16_t type;
	bool remove;
} prefix_words[] = {
	{ "cidr", IPMESH_A_PEER_CIDR, false }, { "remove", IPMESH_A_PEER_CIDR, true },
	{ "source", IPMESH_A_PEER_SOURCE, false }, { "nosource", IPMESH_A_PEER_SOURCE, true },
	{ "from", IPMESH_A_PEER_FROM, false }, { "nofrom", IPMESH_A_PEER_FROM, true },
	{}
};

static const struct prefix_word *prefix_word(const char *text)
{
	const struct prefix_word *w;

	for (w = prefix_words; w->word; w++)
		if (!strcmp(w->word, text))
			return w;
	return NULL;
}

static int peer_change(uint8_t cmd, uint16_t flags, char **argv)
{
	const struct prefix_word *prefix;
	uint32_t peer_flags = 0;
	struct nlmsghdr *nlh;
	char **arg;
	int err;

	nl_open_genl(&nl);
	nlh = nl_start(&nl, cmd, flags);
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, ifindex_of(argv[0]));
	put_addr(nlh, IPMESH_A_PEER_ENDPOINT, argv[1]);
	for (arg = argv + 2; *arg; arg++) {
		if (!strcmp(*arg, "move"))
			peer_flags |= IPMESH_PEER_FLAGS_MOVE;
		else if (!strcmp(*arg, "only"))
			peer_flags |= IPMESH_PEER_FLAGS_REPLACE_CIDRS;
		else if (!strcmp(*arg, "onlysources"))
			peer_flags |= IPMESH_PEER_FLAGS_REPLACE_SOURCES;
		else if (!strcmp(*arg, "onlyfroms"))
			peer_flags |= IPMESH_PEER_FLAGS_REPLACE_FROMS;
		else if (!arg[1])
			die("mesh: %s has no value", *arg);
		else if (!strcmp(*arg, "name"))
			mnl_attr_put_strz(nlh, IPMESH_A_PEER_NAME, *++arg);
		else if (!strcmp(*arg, "encap"))
			mnl_attr_put_u32(nlh, IPMESH_A_PEER_ENCAP,
					 word_value(encap_words, *++arg));
		else if (!strcmp(*arg, "routes"))
			mnl_attr_put_u32(nlh, IPMESH_A_PEER_ROUTES,
					 word_value(routes_words, *++arg));
		else if (!strcmp(*arg, "dport"))
			mnl_attr_put_u16(nlh, IPMESH_A_PEER_DPORT, atoi(*++arg));
		else if ((prefix = prefix_word(*arg)))
			put_prefix(nlh, prefix->type, *++arg, prefix->remove);
		else
			die("mesh: unknown word %s", *arg);
	}
	if (peer_flags)
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_FLAGS, peer_flags);
	err = nl_talk(&nl, nlh, NULL, NULL);
	return err ? refused(err) : 0;
}

static int peer_cb(const struct nlmsghdr *nlh, void *data)
{
	nl_parse_peer(nlh, data);
	return MNL_CB_OK;
}

static int peer_read(uint16_t key, const char *dev, const char *addr)
{
	struct nlmsghdr *nlh;

	nl_open_genl(&nl);
	nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, 0);
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, ifindex_of(dev));
	put_addr(nlh, key, addr);
	return nl_talk(&nl, nlh, peer_cb, &peer);
}

static const char *ntoa(const unsigned char *addr, uint8_t len)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(len == 4 ? AF_INET : AF_INET6, addr, text, sizeof(text));
}

/* IPv4 first. */
static int compare_cidrs(const void *a, const void *b)
{
	const struct nl_cidr *x = a, *y = b;

	if (x->addr_len != y->addr_len)
		return x->addr_len - y->addr_len;
	return memcmp(x->addr, y->addr, x->addr_len) ?: x->len - y->len;
}

static void print_prefixes(const char *word, struct nl_cidr *v, unsigned int n)
{
	unsigned int i;

	qsort(v, n, sizeof(*v), compare_cidrs);
	for (i = 0; i < n; i++)
		printf("%s %s/%u\n", word, ntoa(v[i].addr, v[i].addr_len), v[i].len);
}

static int peer_get(char **argv)
{
	int err = peer_read(IPMESH_A_PEER_ENDPOINT, argv[0], argv[1]);

	if (err)
		return refused(err);
	if (*peer.name)
		printf("name %s\n", peer.name);
	print_prefixes("cidr", peer.cidrs, peer.n_cidrs);
	print_prefixes("source", peer.sources, peer.n_sources);
	print_prefixes("from", peer.froms, peer.n_froms);
	if (peer.routes == IPMESH_PEER_ROUTES_NONE)
		printf("routes none\n");
	return 0;
}

static int peer_find(char **argv)
{
	int err = peer_read(IPMESH_A_PEER_ADDRESS, argv[0], argv[1]);

	if (err)
		return refused(err);
	puts(ntoa(peer.addr, peer.addr_len));
	return 0;
}

static struct listed {
	unsigned char addr[16];
	uint8_t len;
} *list;
static unsigned int listed;

static int list_cb(const struct nlmsghdr *nlh, void *data)
{
	nl_parse_peer(nlh, data);
	/* the rest of a peer with many CIDRs */
	if (!peer.has_stats)
		return MNL_CB_OK;
	list = realloc(list, (listed + 1) * sizeof(*list));
	memcpy(list[listed].addr, peer.addr, sizeof(peer.addr));
	list[listed++].len = peer.addr_len;
	return MNL_CB_OK;
}

static int compare_listed(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	return memcmp(x->addr, y->addr, x->len);
}

static int peer_list(char **argv)
{
	struct nlmsghdr *nlh;
	unsigned int i;
	int err;

	nl_open_genl(&nl);
	nlh = nl_start(&nl, IPMESH_CMD_PEER_GET, NLM_F_DUMP);
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, ifindex_of(argv[0]));
	err = nl_talk(&nl, nlh, list_cb, &peer);
	if (err)
		return refused(err);
	qsort(list, listed, sizeof(*list), compare_listed);
	for (i = 0; i < listed; i++)
		puts(ntoa(list[i].addr, list[i].len));
	return 0;
}

/* --- counters ---------------------------------------------------------- */

static int count(const char *dev, const char *key, const char *endpoint)
{
	int cause = nl_drop_cause(key);
	unsigned long long n = 0;
	struct nlattr *attr;
	int err;

	err = endpoint ? peer_read(IPMESH_A_PEER_ENDPOINT, dev, endpoint) : link_read(dev);
	if (err)
		return refused(err);
	if (cause >= 0 && endpoint) {
		n = peer.drops[cause];
	} else if (cause >= 0) {
		if (!found.xstats)
			die("mesh: %s has no IFLA_INFO_XSTATS", dev);
		mnl_attr_for_each_nested(attr, found.xstats)
			if (mnl_attr_get_type(attr) == cause)
				n = mnl_attr_get_u64(attr);
	} else if (!strcmp(key, "rx_packets")) {
		n = endpoint ? peer.rx_packets : found.stats.rx_packets;
	} else if (!strcmp(key, "rx_bytes")) {
		n = endpoint ? peer.rx_bytes : found.stats.rx_bytes;
	} else if (!strcmp(key, "tx_packets")) {
		n = endpoint ? peer.tx_packets : found.stats.tx_packets;
	} else if (!strcmp(key, "tx_bytes")) {
		n = endpoint ? peer.tx_bytes : found.stats.tx_bytes;
	} else if (!endpoint && !strcmp(key, "rx_dropped")) {
		n = found.stats.rx_dropped;
	} else if (!endpoint && !strcmp(key, "tx_dropped")) {
		n = found.stats.tx_dropped;
	} else if (endpoint && !strcmp(key, "icmp_errors")) {
		n = peer.icmp_errors;
	} else if (endpoint && !strcmp(key, "last_rx_ms")) {
		if (!peer.heard) {
			puts("never");
			return 0;
		}
		n = peer.last_rx_ms;
	} else {
		die("mesh: unknown counter %s", key);
	}
	printf("%llu\n", n);
	return 0;
}

/* --- namespaces ---------------------------------------------------------- */

static const char *netns_path(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	return path;
}

static void enter(const char *netns)
{
	int fd = open(netns_path(netns), O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die("mesh: netns %s: %s", netns, strerror(errno));
	close(fd);
}

static int ns_add(const char *name)
{
	const char *path = netns_path(name);
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd;

	mkdir("/run/netns", 0755);
	fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (fd < 0 || unshare(CLONE_NEWNET) ||
	    mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL))
		die("mesh: netns %s: %s", name, strerror(errno));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ifr.ifr_flags = IFF_UP;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		die("mesh: lo: %s", strerror(errno));
	return 0;
}

static int ns_del(const char *name)
{
	const char *path = netns_path(name);

	umount2(path, MNT_DETACH);
	return unlink(path) ? 1 : 0;
}

/* --- all words ------------------------------------------------------------ */

static int run(int argc, char **argv)
{
	const char *object, *verb;

	if (argc > 2 && !strcmp(argv[1], "-n")) {
		enter(argv[2]);
		argv += 2;
		argc -= 2;
	}
	if (argc < 3)
		die("mesh: too few words; the head of mesh.c tells them");
	object = argv[1];
	verb = argv[2];
	if (!strcmp(object, "exec")) {
		execvp(argv[2], argv + 2);
		fprintf(stderr, "mesh: %s: %s\n", argv[2], strerror(errno));
		return 127;
	}
	if (!strcmp(object, "echo"))
		return probe_echo(argv + 2);
	if (!strcmp(object, "flood"))
		return probe_flood(argv + 2);
	if (!strcmp(object, "raw"))
		return probe_raw(argv + 2);
	if (!strcmp(object, "capture"))
		return probe_capture(argv + 2);
	if (!strcmp(object, "count") && (argc == 4 || argc == 5))
		return count(argv[2], argv[3], argv[4]);
	if (!strcmp(object, "ns") && argc == 4)
		return !strcmp(verb, "add") ? ns_add(argv[3]) : ns_del(argv[3]);
	if (!strcmp(object, "link") && argc > 3) {
		if (!strcmp(verb, "add") || !strcmp(verb, "set"))
			return link_change(argv + 3, *verb == 'a');
		if (!strcmp(verb, "get"))
			return link_get(argv + 3);
	}
	if (!strcmp(object, "peer") && argc == 4 && !strcmp(verb, "list"))
		return peer_list(argv + 3);
	if (!strcmp(object, "peer") && argc > 4) {
		if (!strcmp(verb, "new"))
			return peer_change(IPMESH_CMD_PEER_NEW,
					   NLM_F_CREATE | NLM_F_EXCL, argv + 3);
		if (!strcmp(verb, "add"))
			return peer_change(IPMESH_CMD_PEER_NEW, NLM_F_CREATE, argv + 3);
		if (!strcmp(verb, "replace"))
			return peer_change(IPMESH_CMD_PEER_NEW,
					   NLM_F_CREATE | NLM_F_REPLACE, argv + 3);
		if (!strcmp(verb, "set"))
			return peer_change(IPMESH_CMD_PEER_SET, 0, argv + 3);
		if (!strcmp(verb, "del"))
			return peer_change(IPMESH_CMD_PEER_DEL, 0, argv + 3);
		if (!strcmp(verb, "get"))
			return peer_get(argv + 3);
		if (!strcmp(verb, "find"))
			return peer_find(argv + 3);
	}
	die("mesh: %s %s: unknown words; the head of mesh.c tells them", object, verb);
}

/* In an emulated guest the start of a program is what takes time. A request is
 * a line, its words apart by 0x1f, with 0x1e for the end of a line; what it prints comes back, with a last line
 * of 0x04 and the exit status.
 */
static int serve(void)
{
	char *line = NULL, *argv[512];
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0) {
		char *rest = line, *word, *p;
		int argc = 1, status;
		pid_t child;

		line[len - 1] = '\0';
		for (p = line; (p = strchr(p, '\x1e')); )
			*p = '\n';
		argv[0] = (char *)"mesh";
		while ((word = strsep(&rest, "\x1f")) && argc < 511)
			argv[argc++] = word;
		argv[argc] = NULL;
		child = fork();
		if (!child) {
			dup2(STDOUT_FILENO, STDERR_FILENO);
			close(STDIN_FILENO);
			open("/dev/null", O_RDONLY);
			exit(run(argc, argv));
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			return 2;
		printf("\x04%d\n", WIFEXITED(status) ? WEXITSTATUS(status) :
						      128 + WTERMSIG(status));
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	return run(argc, argv);
}
