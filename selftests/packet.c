// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets layer by layer, and the encapsulation, for the tests of the data path.
 *
 *   packet send DEV MAC LAYER [KEY=VALUE]… [LAYER …] [, LAYER …]…
 *           straight to the device, past routing and every check of this host's;
 *           packets are apart by a comma. Each field follows from the others
 *           unless a key says otherwise, so that any header can lie:
 *             ip4   src dst proto tos ttl id df mf off len ihl version opt
 *             ip6   src dst next tos hop len version
 *             udp   sport dport len sum (zero, good or bad)
 *             echo  size seq type
 *             data  size byte
 *           opt=N puts N bytes of NOP options; trim=N cuts a layer with all
 *           that is in it to N bytes.
 *   packet watch DEV COUNT [TEXT]
 *           the next COUNT packets in words, of those with TEXT in their words;
 *           says "watching" when it has begun
 *   packet sizes DEV
 *           the size of each packet that is larger than all before it
 *   packet gso ADDRESS N SIZE
 *           N datagrams of SIZE bytes in one call, with UDP GSO; each byte of a
 *           datagram is its number
 *   packet take 4|6 N SIZE [gro]
 *           such datagrams on port 9, which come in their order, with UDP GRO or
 *           without; says "taking" when it has begun, and ends with "R reads"
 *   packet limit DEV gso|gso4|gro|gro4 N […]
 *           the largest packet that is sent to the device or made by its GRO, of IPv6 or
 *           of IPv4, which the guest's ip may not know yet
 *   packet encap DEV none|udp|- [dport N] [sport N] [csum 0|1]
 *   packet peer DEV ENDPOINT none|udp|device|- [dport N]
 *           set what carries the packets, by raw netlink; - leaves it unsaid
 *
 * A refusal is told as "ERRNO: extack" with exit status 1.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_packet.h>
#include <linux/rtnetlink.h>

#include "nl.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif
#ifndef UDP_GRO
#define UDP_GRO		104
#endif

#define ROOM	70000
#define LAYERS	128

static uint32_t add(uint32_t sum, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (; len > 1; p += 2, len -= 2)
		sum += p[0] << 8 | p[1];
	if (len)
		sum += p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	return htons(~sum & 0xffff);
}

/* The pseudo header of the IP header at @ip. */
static uint32_t pseudo(const unsigned char *ip, uint8_t proto, uint32_t len)
{
	uint32_t sum = proto + (len >> 16) + (len & 0xffff);

	return *ip >> 4 == 6 ? add(sum, ip + 8, 32) : add(sum, ip + 12, 8);
}

/* --- send ---------------------------------------------------------------- */

struct layer {
	const char *name;
	char **keys;
	unsigned int n_keys;
};

static const char *key(const struct layer *l, const char *name)
{
	size_t len = strlen(name);
	unsigned int i;

	for (i = 0; i < l->n_keys; i++)
		if (!strncmp(l->keys[i], name, len) && l->keys[i][len] == '=')
			return l->keys[i] + len + 1;
	return NULL;
}

static long value(const struct layer *l, const char *name, long otherwise)
{
	const char *text = key(l, name);

	return text ? strtol(text, NULL, 0) : otherwise;
}

static void address(const struct layer *l, int family, const char *name, void *to)
{
	const char *text = key(l, name);

	if (text && inet_pton(family, text, to) != 1)
		die("packet: %s=%s is no address", name, text);
}

static bool is(const struct layer *l, const char *name)
{
	return l && !strcmp(l->name, name);
}

static uint8_t proto_of(const struct layer *parent, const struct layer *next)
{
	if (is(next, "ip4"))
		return IPPROTO_IPIP;
	if (is(next, "ip6"))
		return IPPROTO_IPV6;
	if (is(next, "udp"))
		return IPPROTO_UDP;
	return is(parent, "ip6") ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
}

/* Builds the layers from @l on at @p; returns their length. */
static size_t build(const struct layer *l, unsigned int n, const struct layer *parent,
		    const unsigned char *parent_header, unsigned char *p)
{
	const struct layer *next = n > 1 ? l + 1 : NULL;
	size_t len, inner;

	if (!n)
		return 0;
	if (is(l, "ip4")) {
		unsigned int opt = value(l, "opt", 0);
		struct iphdr *ip = (struct iphdr *)p;

		*ip = (struct iphdr){
			.version = value(l, "version", 4),
			.ihl = value(l, "ihl", 5 + opt / 4),
			.tos = value(l, "tos", 0),
			.id = htons(value(l, "id", 0)),
			.frag_off = htons((value(l, "df", 0) ? IP_DF : 0) |
					  (value(l, "mf", 0) ? IP_MF : 0) |
					  value(l, "off", 0) / 8),
			.ttl = value(l, "ttl", 64),
			.protocol = value(l, "proto", proto_of(l, next)),
		};
		address(l, AF_INET, "src", &ip->saddr);
		address(l, AF_INET, "dst", &ip->daddr);
		memset(p + sizeof(*ip), 1, opt);
		inner = build(l + 1, n - 1, l, p, p + sizeof(*ip) + opt);
		len = sizeof(*ip) + opt + inner;
		ip->tot_len = htons(value(l, "len", len));
		ip->check = fold(add(0, p, ip->ihl * 4));
	} else if (is(l, "ip6")) {
		struct ip6_hdr *ip = (struct ip6_hdr *)p;

		memset(ip, 0, sizeof(*ip));
		ip->ip6_flow = htonl(value(l, "version", 6) << 28 | value(l, "tos", 0) << 20);
		ip->ip6_nxt = value(l, "next", proto_of(l, next));
		ip->ip6_hlim = value(l, "hop", 64);
		address(l, AF_INET6, "src", &ip->ip6_src);
		address(l, AF_INET6, "dst", &ip->ip6_dst);
		inner = build(l + 1, n - 1, l, p, p + sizeof(*ip));
		len = sizeof(*ip) + inner;
		ip->ip6_plen = htons(value(l, "len", inner));
	} else if (is(l, "udp")) {
		const char *sum = key(l, "sum") ?: "zero";
		struct udphdr *udp = (struct udphdr *)p;

		inner = build(l + 1, n - 1, l, p, p + sizeof(*udp));
		len = sizeof(*udp) + inner;
		*udp = (struct udphdr){
			.uh_sport = htons(value(l, "sport", 40000)),
			.uh_dport = htons(value(l, "dport", 5555)),
			.uh_ulen = htons(value(l, "len", len)),
		};
		if (strcmp(sum, "zero"))
			udp->uh_sum = fold(add(pseudo(parent_header, IPPROTO_UDP, len), p, len)) ?: 0xffff;
		if (!strcmp(sum, "bad"))
			udp->uh_sum ^= 0x5555;
	} else if (is(l, "echo")) {
		bool v6 = is(parent, "ip6");
		struct icmphdr *icmp = (struct icmphdr *)p;

		len = sizeof(*icmp) + value(l, "size", 56);
		memset(p, 0xa5, len);
		*icmp = (struct icmphdr){
			.type = value(l, "type", v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO),
			.un.echo.id = htons(4711),
			.un.echo.sequence = htons(value(l, "seq", 0)),
		};
		icmp->checksum = fold(add(v6 ? pseudo(parent_header, IPPROTO_ICMPV6, len) : 0,
					  p, len));
	} else if (is(l, "data")) {
		len = value(l, "size", 0);
		memset(p, value(l, "byte", 0), len);
	} else {
		die("packet: unknown layer %s", l->name);
	}
	if (key(l, "trim") && (size_t)value(l, "trim", 0) < len)
		len = value(l, "trim", 0);
	return len;
}

static int send_all(char **argv)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_halen = ETH_ALEN };
	static unsigned char buf[ROOM];
	struct ether_addr *mac;
	char **arg = argv + 2;
	int fd;

	if (!argv[0] || !argv[1])
		die("packet send DEV MAC LAYER…");
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sll.sll_ifindex = if_nametoindex(argv[0]);
	mac = ether_aton(argv[1]);
	if (fd < 0 || !sll.sll_ifindex || !mac)
		die("packet send: %s %s: %s", argv[0], argv[1], strerror(errno));
	memcpy(sll.sll_addr, mac, ETH_ALEN);

	while (*arg) {
		struct layer layers[LAYERS] = {};
		unsigned int n = 0;
		size_t len;

		for (; *arg && strcmp(*arg, ","); arg++) {
			if (!strchr(*arg, '=')) {
				if (n == LAYERS)
					die("packet: too many layers");
				layers[n++] = (struct layer){ *arg, arg + 1, 0 };
			} else if (n) {
				layers[n - 1].n_keys++;
			}
		}
		if (*arg)
			arg++;
		if (!n)
			continue;
		len = build(layers, n, NULL, NULL, buf);
		sll.sll_protocol = htons(is(layers, "ip6") ? ETH_P_IPV6 : ETH_P_IP);
		if (sendto(fd, buf, len, 0, (struct sockaddr *)&sll, sizeof(sll)) < 0)
			die("packet send: %s", strerror(errno));
	}
	return 0;
}

/* --- UDP GSO ------------------------------------------------------------- */

static int send_gso(char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	static unsigned char buf[ROOM];
	struct sockaddr *to;
	socklen_t len;
	int fd, i, n, size;

	if (!argv[0] || !argv[1] || !argv[2])
		die("packet gso ADDRESS N SIZE");
	n = atoi(argv[1]);
	size = atoi(argv[2]);
	if (inet_pton(AF_INET, argv[0], &sin.sin_addr) == 1) {
		to = (struct sockaddr *)&sin;
		len = sizeof(sin);
	} else if (inet_pton(AF_INET6, argv[0], &sin6.sin6_addr) == 1) {
		to = (struct sockaddr *)&sin6;
		len = sizeof(sin6);
	} else {
		die("packet gso: %s is no address", argv[0]);
	}
	fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)))
		die("packet gso: %s", strerror(errno));
	for (i = 0; i < n && (i + 1) * size <= ROOM; i++)
		memset(buf + i * size, i, size);
	if (sendto(fd, buf, n * size, 0, to, len) != n * size)
		die("packet gso: %s", strerror(errno));
	return 0;
}

static int take(char **argv)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd, i, n, size, one = 1, offset = 0, reads = 0;
	static unsigned char buf[ROOM];
	bool six;

	if (!argv[0] || !argv[1] || !argv[2])
		die("packet take 4|6 N SIZE [gro]");
	six = *argv[0] == '6';
	n = atoi(argv[1]);
	size = atoi(argv[2]);
	fd = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || (argv[3] && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof(one))) ||
	    bind(fd, six ? (struct sockaddr *)&sin6 : (struct sockaddr *)&sin,
		 six ? sizeof(sin6) : sizeof(sin)))
		die("packet take: %s", strerror(errno));
	puts("taking");
	fflush(stdout);
	while (offset < n * size) {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);

		if (len < 0)
			die("packet take: %s", strerror(errno));
		for (i = 0; i < len; i++)
			if (buf[i] != (unsigned char)((offset + i) / size % n))
				die("packet take: datagram %d at %d", buf[i], offset + i);
		offset += len;
		reads++;
	}
	printf("%d reads\n", reads);
	return 0;
}

/* --- watch --------------------------------------------------------------- */

static char words[4096];
static size_t n_words;

static void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	n_words += vsnprintf(words + n_words, sizeof(words) - n_words, fmt, ap);
	va_end(ap);
	if (n_words >= sizeof(words))
		n_words = sizeof(words) - 1;
}

static void tell(const unsigned char *p, const unsigned char *end, uint8_t proto,
		 const unsigned char *ip, bool partial);

static void tell_ip4(const unsigned char *p, const unsigned char *end, bool partial)
{
	char src[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN];
	struct iphdr ip;
	uint16_t frag;

	if (end - p < (ssize_t)sizeof(ip)) {
		say("ip4 short");
		return;
	}
	memcpy(&ip, p, sizeof(ip));
	frag = ntohs(ip.frag_off);
	inet_ntop(AF_INET, &ip.saddr, src, sizeof(src));
	inet_ntop(AF_INET, &ip.daddr, dst, sizeof(dst));
	say("ip4 %s > %s proto %u ttl %u tos 0x%02x len %u df %u mf %u off %u", src, dst,
	    ip.protocol, ip.ttl, ip.tos, ntohs(ip.tot_len), !!(frag & IP_DF),
	    !!(frag & IP_MF), (frag & IP_OFFMASK) * 8);
	if (end - p >= ip.ihl * 4 && add(0, p, ip.ihl * 4) != 0xffff)
		say(" sum bad");
	if (p + ntohs(ip.tot_len) < end && p + ntohs(ip.tot_len) > p + ip.ihl * 4)
		end = p + ntohs(ip.tot_len);
	if (!(frag & IP_OFFMASK) && p + ip.ihl * 4 < end)
		tell(p + ip.ihl * 4, end, ip.protocol, p, partial);
}

static void tell_ip6(const unsigned char *p, const unsigned char *end, bool partial)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	const unsigned char *start = p;
	struct ip6_hdr ip;
	uint8_t next;

	if (end - p < (ssize_t)sizeof(ip)) {
		say("ip6 short");
		return;
	}
	memcpy(&ip, p, sizeof(ip));
	inet_ntop(AF_INET6, &ip.ip6_src, src, sizeof(src));
	inet_ntop(AF_INET6, &ip.ip6_dst, dst, sizeof(dst));
	next = ip.ip6_nxt;
	p += sizeof(ip);
	say("ip6 %s > %s proto %u hop %u tos 0x%02x len %u label %s", src, dst, next,
	    ip.ip6_hlim, ntohl(ip.ip6_flow) >> 20 & 0xff, ntohs(ip.ip6_plen),
	    ntohl(ip.ip6_flow) & 0xfffff ? "set" : "0");
	if (next == IPPROTO_FRAGMENT && end - p >= 8) {
		unsigned int off = p[2] << 8 | p[3];

		say(" fragment off %u mf %u of %u", off & ~7, off & 1, p[0]);
		next = p[0];
		p += 8;
		if (off & ~7)
			return;
	}
	if (p < end)
		tell(p, end, next, start, partial);
}

static void tell(const unsigned char *p, const unsigned char *end, uint8_t proto,
		 const unsigned char *ip, bool partial)
{
	struct udphdr udp;
	bool zero, good;
	size_t len;

	switch (proto) {
	case IPPROTO_IPIP:
		say(" | ");
		tell_ip4(p, end, partial);
		break;
	case IPPROTO_IPV6:
		say(" | ");
		tell_ip6(p, end, partial);
		break;
	case IPPROTO_UDP:
		if (end - p < (ssize_t)sizeof(udp))
			break;
		memcpy(&udp, p, sizeof(udp));
		len = end - p;
		zero = !udp.uh_sum;
		good = add(pseudo(ip, IPPROTO_UDP, len), p, len) == 0xffff;
		say(" | udp %u > %u len %u sum %s", ntohs(udp.uh_sport), ntohs(udp.uh_dport),
		    ntohs(udp.uh_ulen), zero ? "zero" : good ? "good" : partial ? "partial" : "bad");
		p += sizeof(udp);
		if (p == end || (*p >> 4 != 4 && *p >> 4 != 6))
			break;
		/* by its port alone a payload is no packet */
		if (*p >> 4 == 4 && end - p >= 20 && (*p & 15) >= 5 &&
		    add(0, p, (*p & 15) * 4) == 0xffff) {
			say(" | ");
			tell_ip4(p, end, partial);
		} else if (*p >> 4 == 6 && end - p >= 40 && p[6] != 0) {
			say(" | ");
			tell_ip6(p, end, partial);
		}
		break;
	}
}

static int watch(char **argv)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
	};
	int fd, count, one = 1;

	if (!argv[0] || !argv[1])
		die("packet watch DEV COUNT [TEXT]");
	count = atoi(argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	sll.sll_ifindex = if_nametoindex(argv[0]);
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!sll.sll_ifindex || fd < 0 || bind(fd, (struct sockaddr *)&sll, sizeof(sll)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)))
		die("packet watch: %s: %s", argv[0], strerror(errno));
	puts("watching");
	while (count) {
		static unsigned char buf[ROOM];
		char control[256];
		struct sockaddr_ll from = { 0 };
		struct iovec iov = { buf, sizeof(buf) };
		struct msghdr msg = {
			.msg_name = &from, .msg_namelen = sizeof(from),
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control),
		};
		struct cmsghdr *cmsg;
		bool partial = false;
		ssize_t got;

		got = recvmsg(fd, &msg, 0);
		if (got <= 0)
			continue;
		for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
			const struct tpacket_auxdata *aux = (const void *)CMSG_DATA(cmsg);

			if (cmsg->cmsg_level == SOL_PACKET && cmsg->cmsg_type == PACKET_AUXDATA)
				partial = aux->tp_status & TP_STATUS_CSUMNOTREADY;
		}
		n_words = 0;
		say("%s ", from.sll_pkttype == PACKET_OUTGOING ? "out" : "in");
		if (from.sll_protocol == htons(ETH_P_IP))
			tell_ip4(buf, buf + got, partial);
		else if (from.sll_protocol == htons(ETH_P_IPV6))
			tell_ip6(buf, buf + got, partial);
		else
			continue;
		if (argv[2] && !strstr(words, argv[2]))
			continue;
		puts(words);
		count--;
	}
	return 0;
}

static int sizes(char **argv)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
	};
	ssize_t got, most = 0;
	char byte;
	int fd;

	if (!argv[0])
		die("packet sizes DEV");
	setvbuf(stdout, NULL, _IOLBF, 0);
	sll.sll_ifindex = if_nametoindex(argv[0]);
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!sll.sll_ifindex || fd < 0 || bind(fd, (struct sockaddr *)&sll, sizeof(sll)))
		die("packet sizes: %s: %s", argv[0], strerror(errno));
	puts("watching");
	for (;;) {
		got = recv(fd, &byte, 1, MSG_TRUNC);
		if (got > most)
			printf("%zd\n", most = got);
	}
}

/* --- encapsulation --------------------------------------------------------- */

static struct nl nl;

static int refused(int err)
{
	fprintf(stderr, "%s: %s\n", strerrorname_np(-err), nl.extack);
	return 1;
}

static int encap_of(const char *word)
{
	if (!strcmp(word, "none"))
		return IPMESH_ENCAP_NONE;
	if (!strcmp(word, "udp"))
		return IPMESH_ENCAP_UDP;
	if (!strcmp(word, "device"))
		return IPMESH_ENCAP_DEVICE;
	return !strcmp(word, "-") ? -1 : atoi(word);
}

static int set_encap(char **argv)
{
	struct nlattr *info, *data;
	struct nlmsghdr *nlh;
	char **arg;
	int err;

	if (!argv[0] || !argv[1])
		die("packet encap DEV none|udp|- [KEY VALUE]…");
	nl_open_route(&nl);
	nlh = nl_start_link(&nl, RTM_NEWLINK, 0, argv[0]);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "ipmesh");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	if (encap_of(argv[1]) >= 0)
		mnl_attr_put_u8(nlh, IFLA_IPMESH_ENCAP, encap_of(argv[1]));
	for (arg = argv + 2; arg[0] && arg[1]; arg += 2) {
		if (!strcmp(arg[0], "dport"))
			mnl_attr_put_u16(nlh, IFLA_IPMESH_DPORT, atoi(arg[1]));
		else if (!strcmp(arg[0], "sport"))
			mnl_attr_put_u16(nlh, IFLA_IPMESH_SPORT, atoi(arg[1]));
		else if (!strcmp(arg[0], "csum"))
			mnl_attr_put_u8(nlh, IFLA_IPMESH_CSUM, atoi(arg[1]));
		else
			die("packet encap: unknown key %s", arg[0]);
	}
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	err = nl_talk(&nl, nlh, NULL, NULL);
	return err ? refused(err) : 0;
}

/* Of this machine's headers some kernels have more. */
static const struct {
	const char *name;
	uint16_t attr;
} limits[] = {
	{ "gso", IFLA_GSO_MAX_SIZE },
	{ "gro", 58 },	/* IFLA_GRO_MAX_SIZE */
	{ "gso4", 63 },	/* IFLA_GSO_IPV4_MAX_SIZE */
	{ "gro4", 64 },	/* IFLA_GRO_IPV4_MAX_SIZE */
};

static int set_limits(char **argv)
{
	struct nlmsghdr *nlh;
	unsigned int i;
	char **arg;
	int err;

	if (!argv[0])
		die("packet limit DEV gso|gso4|gro|gro4 N…");
	nl_open_route(&nl);
	nlh = nl_start_link(&nl, RTM_NEWLINK, 0, argv[0]);
	for (arg = argv + 1; arg[0] && arg[1]; arg += 2) {
		for (i = 0; i < 4 && strcmp(arg[0], limits[i].name); i++)
			;
		if (i == 4)
			die("packet limit: unknown key %s", arg[0]);
		mnl_attr_put_u32(nlh, limits[i].attr, atoi(arg[1]));
	}
	err = nl_talk(&nl, nlh, NULL, NULL);
	return err ? refused(err) : 0;
}

static int set_peer(char **argv)
{
	unsigned char addr[16];
	struct nlmsghdr *nlh;
	int err;

	if (!argv[0] || !argv[1] || !argv[2])
		die("packet peer DEV ENDPOINT none|udp|device|- [dport N]");
	nl_open_genl(&nl);
	nlh = nl_start(&nl, IPMESH_CMD_PEER_SET, 0);
	mnl_attr_put_u32(nlh, IPMESH_A_PEER_IFINDEX, if_nametoindex(argv[0]));
	if (inet_pton(AF_INET, argv[1], addr) == 1)
		mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, 4, addr);
	else if (inet_pton(AF_INET6, argv[1], addr) == 1)
		mnl_attr_put(nlh, IPMESH_A_PEER_ENDPOINT, 16, addr);
	else
		die("packet peer: %s is no address", argv[1]);
	if (encap_of(argv[2]) >= 0)
		mnl_attr_put_u32(nlh, IPMESH_A_PEER_ENCAP, encap_of(argv[2]));
	if (argv[3] && argv[4])
		mnl_attr_put_u16(nlh, IPMESH_A_PEER_DPORT, atoi(argv[4]));
	err = nl_talk(&nl, nlh, NULL, NULL);
	return err ? refused(err) : 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "send"))
		return send_all(argv + 2);
	if (!strcmp(verb, "watch"))
		return watch(argv + 2);
	if (!strcmp(verb, "sizes"))
		return sizes(argv + 2);
	if (!strcmp(verb, "gso"))
		return send_gso(argv + 2);
	if (!strcmp(verb, "take"))
		return take(argv + 2);
	if (!strcmp(verb, "limit"))
		return set_limits(argv + 2);
	if (!strcmp(verb, "encap"))
		return set_encap(argv + 2);
	if (!strcmp(verb, "peer"))
		return set_peer(argv + 2);
	die("packet: %s: unknown word; the head of packet.c tells them", verb);
}
