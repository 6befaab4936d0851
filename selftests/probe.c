// SPDX-License-Identifier: GPL-2.0-only
/* Packets made, answered and seen by hand. */

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "nl.h"
#include "probe.h"

#define ANSWER_MS	5000

static uint16_t checksum(const void *data, size_t len)
{
	const unsigned char *p = data;
	uint32_t sum = 0;

	for (; len > 1; p += 2, len -= 2)
		sum += p[0] << 8 | p[1];
	if (len)
		sum += p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static in_addr_t addr_of(const char *text)
{
	struct in_addr addr;

	if (inet_pton(AF_INET, text, &addr) != 1)
		die("probe: %s is no IPv4 address", text);
	return addr.s_addr;
}

static int number(const char *text)
{
	return strtol(text, NULL, 0);
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		die("probe: socket option: %s", strerror(errno));
}

/* --- echo ------------------------------------------------------------------ */

/* Of either family, with an address of it. */
union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static bool parse_address(const char *text, union address *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, text, &addr->in.sin_addr) == 1)
		addr->sa.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &addr->in6.sin6_addr) == 1)
		addr->sa.sa_family = AF_INET6;
	else
		return false;
	return true;
}

/* A socket for requests and their answers, and what it is connected to. */
struct echo {
	int fd;
	bool six;
	union address to;
};

static void echo_open(struct echo *e, const char *to)
{
	if (!parse_address(to, &e->to))
		die("probe: %s is no address", to);
	e->six = e->to.sa.sa_family == AF_INET6;
	e->fd = socket(e->to.sa.sa_family, SOCK_RAW | SOCK_CLOEXEC,
		       e->six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (e->fd < 0)
		die("probe: socket: %s", strerror(errno));
	if (e->six) {
		struct icmp6_filter only;

		ICMP6_FILTER_SETBLOCKALL(&only);
		ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &only);
		if (setsockopt(e->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &only, sizeof(only)))
			die("probe: filter: %s", strerror(errno));
		set(e->fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	} else {
		set(e->fd, IPPROTO_IP, IP_RECVERR, 1);
	}
}

static void echo_connect(const struct echo *e)
{
	if (connect(e->fd, &e->to.sa, e->six ? sizeof(e->to.in6) : sizeof(e->to.in)))
		die("probe: connect: %s", strerror(errno));
}

/* By a device of that name, or with an address of that family. */
static void echo_from(const struct echo *e, const char *from)
{
	union address addr;

	if (!parse_address(from, &addr)) {
		if (setsockopt(e->fd, SOL_SOCKET, SO_BINDTODEVICE, from, strlen(from) + 1))
			die("probe: %s: %s", from, strerror(errno));
	} else if (bind(e->fd, &addr.sa, e->six ? sizeof(addr.in6) : sizeof(addr.in))) {
		die("probe: %s: %s", from, strerror(errno));
	}
}

/* With DF and by what is known of the path, or without, or with DF past that. */
static void echo_df(const struct echo *e, const char *value)
{
	if (e->six)
		set(e->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
		    !strcmp(value, "off") ? IPV6_PMTUDISC_DONT :
		    !strcmp(value, "probe") ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DO);
	else
		set(e->fd, IPPROTO_IP, IP_MTU_DISCOVER,
		    !strcmp(value, "off") ? IP_PMTUDISC_DONT :
		    !strcmp(value, "probe") ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DO);
}

/* The kernel fills in the checksum of ICMPv6. */
static int send_echo(const struct echo *e, uint16_t seq, size_t size)
{
	static unsigned char buf[65536];
	struct icmphdr *icmp = (struct icmphdr *)buf;

	memset(buf, 0xa5, sizeof(*icmp) + size);
	memset(icmp, 0, sizeof(*icmp));
	icmp->type = e->six ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	icmp->un.echo.id = htons(getpid());
	icmp->un.echo.sequence = htons(seq);
	if (!e->six)
		icmp->checksum = checksum(buf, sizeof(*icmp) + size);
	return send(e->fd, buf, sizeof(*icmp) + size, 0) < 0 ? -errno : 0;
}

static void tell_extended(const struct sock_extended_err *ee)
{
	const union address *who = (const void *)SO_EE_OFFENDER(ee);
	char from[INET6_ADDRSTRLEN] = "?";

	if (who->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &who->in.sin_addr, from, sizeof(from));
	else if (who->sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &who->in6.sin6_addr, from, sizeof(from));
	if (ee->ee_origin == SO_EE_ORIGIN_ICMP)
		printf("icmp type %u code %u mtu %u from %s\n", ee->ee_type, ee->ee_code,
		       ee->ee_type == ICMP_DEST_UNREACH ? ee->ee_info : 0, from);
	else if (ee->ee_origin == SO_EE_ORIGIN_ICMP6)
		printf("icmp6 type %u code %u mtu %u from %s\n", ee->ee_type, ee->ee_code,
		       ee->ee_type == ICMP6_PACKET_TOO_BIG ? ee->ee_info : 0, from);
	else
		printf("local error %s mtu %u\n", strerrorname_np(ee->ee_errno), ee->ee_info);
}

/* Tells an ICMP error that waits; true when there was one. */
static bool tell_error(const struct echo *e)
{
	char control[512], data[256];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;

	if (recvmsg(e->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg))
		if ((cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_RECVERR) ||
		    (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_RECVERR))
			tell_extended((const void *)CMSG_DATA(cmsg));
	return true;
}

/* Waits for the answer to @seq; false when an error or nothing came.  What is
 * there already counts, however long this process did not run.
 */
static bool await_echo(const struct echo *e, uint16_t seq, int wait)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		struct pollfd pfd = { .fd = e->fd, .events = POLLIN };
		const struct icmphdr *icmp;
		unsigned char buf[128];
		ssize_t got, skip;
		int left;

		clock_gettime(CLOCK_MONOTONIC, &now);
		left = wait - ((now.tv_sec - start.tv_sec) * 1000 +
			       (now.tv_nsec - start.tv_nsec) / 1000000);
		if (poll(&pfd, 1, left > 0 ? left : 0) == 0)
			return false;
		if (tell_error(e))
			return false;
		got = recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT);
		skip = e->six ? 0 : (buf[0] & 15) * 4;
		if (got < skip + (ssize_t)sizeof(*icmp))
			continue;
		icmp = (const void *)(buf + skip);
		if (icmp->type == (e->six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
		    icmp->un.echo.id == htons(getpid()) &&
		    icmp->un.echo.sequence == htons(seq))
			return true;
	}
}

/* COUNT ADDRESS [KEY VALUE]… */
int probe_echo(char **argv)
{
	int count, i, err, wait = ANSWER_MS, size = 56, sent = 0, received = 0;
	struct echo e;
	char **arg;

	if (!argv[0] || !argv[1])
		die("mesh echo COUNT ADDRESS [KEY VALUE]…");
	count = number(argv[0]);
	echo_open(&e, argv[1]);
	for (arg = argv + 2; arg[0] && arg[1]; arg += 2) {
		int n = number(arg[1]);

		if (!strcmp(arg[0], "size"))
			size = n;
		else if (!strcmp(arg[0], "wait"))
			wait = n;
		else if (!strcmp(arg[0], "tos"))
			set(e.fd, e.six ? IPPROTO_IPV6 : IPPROTO_IP,
			    e.six ? IPV6_TCLASS : IP_TOS, n);
		else if (!strcmp(arg[0], "ttl"))
			set(e.fd, e.six ? IPPROTO_IPV6 : IPPROTO_IP,
			    e.six ? IPV6_UNICAST_HOPS : IP_TTL, n);
		else if (!strcmp(arg[0], "mark"))
			set(e.fd, SOL_SOCKET, SO_MARK, n);
		else if (!strcmp(arg[0], "from"))
			echo_from(&e, arg[1]);
		else if (!strcmp(arg[0], "df"))
			echo_df(&e, arg[1]);
		else
			die("mesh echo: unknown key %s", arg[0]);
	}
	echo_connect(&e);
	for (i = 0; i < count; i++) {
		err = send_echo(&e, i, size);
		if (err) {
			printf("send: %s\n", strerrorname_np(-err));
			tell_error(&e);
			continue;
		}
		sent++;
		received += await_echo(&e, i, wait);
	}
	printf("%d sent, %d received\n", sent, received);
	return sent == count && received == sent ? 0 : 1;
}

static volatile sig_atomic_t over;

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

/* ADDRESS: one echo after the other until SIGTERM; says "running" when the
 * first answer came. A packet that is lost is noticed, and costs ANSWER_MS.
 */
int probe_flood(char **argv)
{
	struct sigaction act = { .sa_handler = on_term };
	unsigned int sent = 0, received = 0;
	struct echo e;

	if (!argv[0])
		die("mesh flood ADDRESS");
	/* also where the shell has it ignored; no EINTR within an exchange */
	act.sa_flags = SA_RESTART;
	sigaction(SIGTERM, &act, NULL);
	echo_open(&e, argv[0]);
	echo_connect(&e);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (!over) {
		int err = send_echo(&e, sent, 56);

		if (err)
			printf("send: %s\n", strerrorname_np(-err));
		sent++;
		if (!err && await_echo(&e, sent - 1, ANSWER_MS) && !received++)
			puts("running");
		else if (err)
			usleep(1000);
	}
	printf("%u sent, %u received\n", sent, received);
	return sent == received ? 0 : 1;
}

/* --- raw -------------------------------------------------------------------- */

/* [KEY VALUE]…: an echo request in a tunnel header, every field at will:
 * src dst proto tos ttl of the outer header; isrc idst iproto itos ittl version
 * ihl totlen of the inner one; size of the payload; cut the inner packet to so
 * many bytes; count; dev to leave by.
 */
int probe_raw(char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct iphdr outer = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_IPIP };
	struct iphdr inner = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_ICMP };
	struct icmphdr icmp = { .type = ICMP_ECHO };
	int count = 1, size = 56, cut = -1, totlen = -1, ilen;
	unsigned char buf[2048] = { 0 }, *in = buf + sizeof(outer);
	char **arg;
	int fd;

	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		die("mesh raw: socket: %s", strerror(errno));
	set(fd, SOL_SOCKET, SO_BROADCAST, 1);
	for (arg = argv; arg[0] && arg[1]; arg += 2) {
		const char *key = arg[0], *value = arg[1];

		if (!strcmp(key, "src"))
			outer.saddr = addr_of(value);
		else if (!strcmp(key, "dst"))
			outer.daddr = addr_of(value);
		else if (!strcmp(key, "proto"))
			outer.protocol = number(value);
		else if (!strcmp(key, "tos"))
			outer.tos = number(value);
		else if (!strcmp(key, "ttl"))
			outer.ttl = number(value);
		else if (!strcmp(key, "isrc"))
			inner.saddr = addr_of(value);
		else if (!strcmp(key, "idst"))
			inner.daddr = addr_of(value);
		else if (!strcmp(key, "iproto"))
			inner.protocol = number(value);
		else if (!strcmp(key, "itos"))
			inner.tos = number(value);
		else if (!strcmp(key, "ittl"))
			inner.ttl = number(value);
		else if (!strcmp(key, "version"))
			inner.version = number(value);
		else if (!strcmp(key, "ihl"))
			inner.ihl = number(value);
		else if (!strcmp(key, "totlen"))
			totlen = number(value);
		else if (!strcmp(key, "size"))
			size = number(value);
		else if (!strcmp(key, "cut"))
			cut = number(value);
		else if (!strcmp(key, "count"))
			count = number(value);
		else if (!strcmp(key, "dev"))
			setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, value, strlen(value) + 1);
		else
			die("mesh raw: unknown key %s", key);
	}
	ilen = sizeof(inner) + sizeof(icmp) + size;
	if (ilen + sizeof(outer) > sizeof(buf))
		die("mesh raw: too long");
	inner.tot_len = htons(totlen >= 0 ? totlen : ilen);
	inner.check = checksum(&inner, sizeof(inner));
	memcpy(in, &inner, sizeof(inner));
	memcpy(in + sizeof(inner), &icmp, sizeof(icmp));
	icmp.checksum = checksum(in + sizeof(inner), sizeof(icmp) + size);
	memcpy(in + sizeof(inner), &icmp, sizeof(icmp));
	if (cut >= 0)
		ilen = cut;
	memcpy(buf, &outer, sizeof(outer));

	sin.sin_addr.s_addr = outer.daddr;
	while (count--)
		if (sendto(fd, buf, sizeof(outer) + ilen, 0, (struct sockaddr *)&sin,
			   sizeof(sin)) < 0)
			die("mesh raw: %s", strerror(errno));
	return 0;
}

/* --- capture ---------------------------------------------------------------- */

static const unsigned char *print_ip(const unsigned char *p, const unsigned char *end)
{
	char src[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN];
	struct iphdr ip;
	uint16_t frag;

	if (end - p < (ssize_t)sizeof(ip)) {
		printf("truncated");
		return end;
	}
	memcpy(&ip, p, sizeof(ip));
	frag = ntohs(ip.frag_off);
	inet_ntop(AF_INET, &ip.saddr, src, sizeof(src));
	inet_ntop(AF_INET, &ip.daddr, dst, sizeof(dst));
	printf("%s > %s proto %u ttl %u tos 0x%02x len %u df %u mf %u off %u id %s sum %s",
	       src, dst, ip.protocol, ip.ttl, ip.tos, ntohs(ip.tot_len),
	       !!(frag & IP_DF), !!(frag & IP_MF), (frag & IP_OFFMASK) * 8,
	       ip.id ? "set" : "0", checksum(p, ip.ihl * 4) ? "bad" : "good");
	if (ip.protocol != IPPROTO_IPIP || frag & IP_OFFMASK)
		return end;
	return p + ip.ihl * 4;
}

/* DEV COUNT [PROTO]: prints the next COUNT IPv4 packets, of a protocol; says
 * "capturing" when it has begun.
 */
int probe_capture(char **argv)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
	};
	int fd, count, proto;

	if (!argv[0] || !argv[1])
		die("mesh capture DEV COUNT [PROTO]");
	count = number(argv[1]);
	proto = argv[2] ? number(argv[2]) : 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sll.sll_ifindex = if_nametoindex(argv[0]);
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!sll.sll_ifindex || fd < 0 || bind(fd, (struct sockaddr *)&sll, sizeof(sll)))
		die("mesh capture: %s: %s", argv[0], strerror(errno));
	puts("capturing");
	while (count) {
		static unsigned char buf[65536];
		struct sockaddr_ll from = { 0 };
		socklen_t len = sizeof(from);
		const unsigned char *p = buf;
		const struct iphdr *ip = (const void *)buf;
		ssize_t got;

		got = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if (got < (ssize_t)sizeof(*ip) || from.sll_protocol != htons(ETH_P_IP) ||
		    (proto && ip->protocol != proto))
			continue;
		printf("%s ", from.sll_pkttype == PACKET_OUTGOING ? "out" : "in");
		while (p < buf + got) {
			p = print_ip(p, buf + got);
			printf(p < buf + got ? " | " : "\n");
		}
		count--;
	}
	return 0;
}
