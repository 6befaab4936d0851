// SPDX-License-Identifier: GPL-2.0-or-later
/* Echo requests of ICMP, and what comes of them. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>

#include "csum.h"
#include "echo.h"
#include "err.h"

#define DATA_BYTES	56		/* of an ordinary request */
#define BYTES_MAX	65535
#define TTL		64

static uint16_t sequence;

double echo_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static socklen_t to_sockaddr(struct sockaddr_storage *ss, const struct addr *a,
			     uint16_t port)
{
	struct sockaddr_in6 *six = (void *)ss;
	struct sockaddr_in *sin = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = a->family;
	if (a->family == AF_INET6) {
		memcpy(&six->sin6_addr, a->b, 16);
		six->sin6_port = htons(port);
		return sizeof(*six);
	}
	memcpy(&sin->sin_addr, a->b, 4);
	sin->sin_port = htons(port);
	return sizeof(*sin);
}

/* A socket that tells of errors; -1 with errno. */
static int open_socket(const struct addr *to, const struct addr *from, uint32_t mark,
		       int type, int proto, uint16_t port)
{
	bool v6 = to->family == AF_INET6;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, on = 1, e;

	fd = socket(to->family, type | SOCK_CLOEXEC, proto);
	if (fd < 0)
		return -1;
	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR,
		   &on, sizeof(on));
	if (mark)
		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	if (from && from->family && !addr_is_any(from)) {
		len = to_sockaddr(&ss, from, 0);
		if (bind(fd, (void *)&ss, len))
			goto fail;
	}
	if (port) {
		len = to_sockaddr(&ss, to, port);
		if (connect(fd, (void *)&ss, len))
			goto fail;
	}
	return fd;
fail:
	e = errno;
	close(fd);
	errno = e;
	return -1;
}

int echo_open(const struct echo *e)
{
	bool v6 = e->to.family == AF_INET6;

	return open_socket(&e->to, &e->from, e->mark, SOCK_RAW,
			   v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 0);
}

/* In network byte order. */
static uint16_t ident(void)
{
	return htons((uint16_t)getpid());
}

uint16_t echo_ident(void)
{
	return ntohs(ident());
}

/* The ICMP part of a request; of ICMPv6 the kernel fills in the checksum. */
static void put_request(uint8_t *buf, size_t n, bool v6, uint16_t seq)
{
	struct icmphdr *icmp = (void *)buf;

	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)i;
	memset(icmp, 0, sizeof(*icmp));
	icmp->type = v6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO;
	icmp->un.echo.id = ident();
	icmp->un.echo.sequence = htons(seq);
	if (!v6)
		icmp->checksum = htons((uint16_t)~csum_fold(csum_add(0, buf, n)));
}

static const char *meaning(const struct sock_extended_err *e, struct echo_answer *a)
{
	static const char *const codes[] = {
		[ICMP_NET_UNREACH] = "network unreachable",
		[ICMP_HOST_UNREACH] = "host unreachable",
		[ICMP_PROT_UNREACH] = "protocol unreachable",
		[ICMP_PORT_UNREACH] = "port unreachable",
		[ICMP_FRAG_NEEDED] = "fragmentation needed",
		[ICMP_SR_FAILED] = "source route failed",
		[ICMP_NET_UNKNOWN] = "network unknown",
		[ICMP_HOST_UNKNOWN] = "host unknown",
		[ICMP_HOST_ISOLATED] = "host isolated",
		[ICMP_NET_ANO] = "network administratively prohibited",
		[ICMP_HOST_ANO] = "host administratively prohibited",
		[ICMP_NET_UNR_TOS] = "network unreachable for this TOS",
		[ICMP_HOST_UNR_TOS] = "host unreachable for this TOS",
		[ICMP_PKT_FILTERED] = "administratively prohibited",
	};
	static const char *const codes6[] = {
		[ICMPV6_NOROUTE] = "no route",
		[ICMPV6_ADM_PROHIBITED] = "administratively prohibited",
		[ICMPV6_NOT_NEIGHBOUR] = "not a neighbour",
		[ICMPV6_ADDR_UNREACH] = "address unreachable",
		[ICMPV6_PORT_UNREACH] = "port unreachable",
		[ICMPV6_POLICY_FAIL] = "source address failed policy",
		[ICMPV6_REJECT_ROUTE] = "route rejected",
	};

	if (e->ee_errno == EMSGSIZE)
		a->mtu = e->ee_info;
	if (e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == ICMP_DEST_UNREACH &&
	    e->ee_code < sizeof(codes) / sizeof(codes[0]) && codes[e->ee_code]) {
		a->unreachable_port = e->ee_code == ICMP_PORT_UNREACH;
		a->unreachable_proto = e->ee_code == ICMP_PROT_UNREACH;
		return codes[e->ee_code];
	}
	if (e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMPV6_DEST_UNREACH &&
	    e->ee_code < sizeof(codes6) / sizeof(codes6[0])) {
		a->unreachable_port = e->ee_code == ICMPV6_PORT_UNREACH;
		return codes6[e->ee_code];
	}
	if (e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMPV6_PARAMPROB) {
		a->unreachable_proto = e->ee_code == ICMPV6_UNK_NEXTHDR;
		return a->unreachable_proto ? "protocol unreachable" : "parameter problem";
	}
	if ((e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == ICMP_TIME_EXCEEDED) ||
	    (e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMPV6_TIME_EXCEED))
		return "time exceeded";
	return strerror((int)e->ee_errno);
}

static void set_error(struct echo_answer *a, const char *what, const struct addr *who)
{
	a->result = ECHO_ERROR;
	if (who && who->family)
		snprintf(a->error, sizeof(a->error), "%s, says %s", what, addr_str(who));
	else
		snprintf(a->error, sizeof(a->error), "%s", what);
}

static void offender(const struct sock_extended_err *e, struct addr *who)
{
	const struct sockaddr *sa = SO_EE_OFFENDER((struct sock_extended_err *)(uintptr_t)e);

	memset(who, 0, sizeof(*who));
	if (sa->sa_family == AF_INET)
		addr_from_bytes(who, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	else if (sa->sa_family == AF_INET6)
		addr_from_bytes(who, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
}

/* What the error queue holds; with @own only what is about our request. */
static bool read_error(int fd, bool own, struct echo_answer *a)
{
	union {
		struct cmsghdr align;
		char buf[512];
	} control;
	uint8_t data[128];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	const struct icmphdr *icmp = (const void *)data;
	const struct sock_extended_err *e;
	struct cmsghdr *c;
	struct addr who;
	ssize_t n;

	n = recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
	if (n < 0)
		return false;
	if (own && n >= (ssize_t)sizeof(*icmp) &&
	    (icmp->un.echo.id != ident() || ntohs(icmp->un.echo.sequence) != sequence))
		return false;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		e = (const void *)CMSG_DATA(c);
		offender(e, &who);
		set_error(a, meaning(e, a), &who);
		return true;
	}
	return false;
}

/* Is it the answer to the request of this number? */
static bool read_answer(int fd, const struct echo *e)
{
	static uint8_t buf[BYTES_MAX];
	bool v6 = e->to.family == AF_INET6;
	const struct icmphdr *icmp;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t n, skip = 0;
	struct addr from;

	n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (void *)&ss, &len);
	if (n < 0)
		return false;
	if (!v6)
		skip = (buf[0] & 15) * 4;
	if (n < skip + (ssize_t)sizeof(*icmp))
		return false;
	icmp = (const void *)(buf + skip);
	if (v6)
		addr_from_bytes(&from, &((struct sockaddr_in6 *)(void *)&ss)->sin6_addr, 16);
	else
		addr_from_bytes(&from, &((struct sockaddr_in *)(void *)&ss)->sin_addr, 4);
	return icmp->type == (v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY) &&
	       icmp->un.echo.id == ident() && addr_eq(&from, &e->to) &&
	       ntohs(icmp->un.echo.sequence) == sequence;
}

/* @other is a socket that only errors come to, or -1. */
static void wait_answer(int fd, int other, const struct echo *e, double start,
			struct echo_answer *a)
{
	struct pollfd p[2] = {
		{ .fd = fd, .events = POLLIN }, { .fd = other, .events = 0 },
	};
	double left;

	for (;;) {
		/* What has come meanwhile counts, however late this is. */
		left = start + e->timeout_ms - echo_now_ms();
		if (poll(p, 2, left > 0 ? (int)left + 1 : 0) <= 0) {
			if (left <= 0)
				return;
			continue;
		}
		if (p[1].revents && read_error(other, false, a))
			return;
		if (p[0].revents & POLLERR && read_error(fd, true, a))
			return;
		if (p[0].revents & POLLIN && read_answer(fd, e)) {
			a->result = ECHO_ANSWERED;
			a->ms = echo_now_ms() - start;
			return;
		}
	}
}

static void refused(struct echo_answer *a)
{
	switch (errno) {
	case EPERM:
		set_error(a, "refused by this host's own firewall", NULL);
		break;
	case EMSGSIZE:
		set_error(a, "larger than the device takes", NULL);
		break;
	default:
		set_error(a, strerror(errno), NULL);
	}
}

static void set_df(int fd, bool v6, bool df)
{
	/* PROBE: with DF, whatever was learned before. */
	int how = v6 ? (df ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT) :
		  (df ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);

	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		   v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &how, sizeof(how));
}

/* Through a device, but not bound to it: errors come by the loopback one. */
static void put_device(struct msghdr *m, const struct echo *e)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct in6_pktinfo *six;
	struct in_pktinfo *four;

	if (e->to.family == AF_INET6) {
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(*six));
		six = (void *)CMSG_DATA(c);
		memset(six, 0, sizeof(*six));
		six->ipi6_ifindex = e->ifindex;
		m->msg_controllen = CMSG_SPACE(sizeof(*six));
		return;
	}
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(*four));
	four = (void *)CMSG_DATA(c);
	memset(four, 0, sizeof(*four));
	four->ipi_ifindex = (int)e->ifindex;
	m->msg_controllen = CMSG_SPACE(sizeof(*four));
}

/*
 * False: it was not sent, and the answer says why. An error of an earlier request that
 * comes late is told to the next one, which the kernel then does not send: once more.
 */
static bool send_request(int fd, const struct msghdr *m, struct echo_answer *a)
{
	int tries, err;

	for (tries = 0; tries < 2; tries++) {
		if (sendmsg(fd, m, 0) >= 0)
			return true;
		err = errno;
		if (read_error(fd, true, a))
			return false;
		errno = err;
	}
	refused(a);
	return false;
}

void echo_ask(int fd, const struct echo *e, unsigned int bytes, bool df,
	      struct echo_answer *a)
{
	static uint8_t buf[BYTES_MAX];
	bool v6 = e->to.family == AF_INET6;
	size_t head = v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr);
	size_t n = bytes ? bytes - head : sizeof(struct icmphdr) + DATA_BYTES;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = { 0 };
	struct sockaddr_storage ss;
	struct iovec iov = { buf, n };
	struct msghdr m = { .msg_name = &ss, .msg_iov = &iov, .msg_iovlen = 1 };
	double start;

	memset(a, 0, sizeof(*a));
	while (read_error(fd, false, a))
		;
	memset(a, 0, sizeof(*a));
	put_request(buf, n, v6, ++sequence);
	set_df(fd, v6, df);
	m.msg_namelen = to_sockaddr(&ss, &e->to, 0);
	if (e->ifindex) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		put_device(&m, e);
	}
	start = echo_now_ms();
	if (send_request(fd, &m, a))
		wait_answer(fd, -1, e, start, a);
}

/* The answer to one of many: which one; -1: something else. */
static ssize_t read_one_of(int fd, const struct echo_many *m)
{
	static uint8_t buf[2048];
	bool v6 = m->to[0].family == AF_INET6;
	const struct icmphdr *icmp;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t n, skip = 0;
	struct addr from;
	size_t i;

	n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (void *)&ss, &len);
	if (n > 0 && !v6)
		skip = (buf[0] & 15) * 4;
	if (n < skip + (ssize_t)sizeof(*icmp))
		return -1;
	icmp = (const void *)(buf + skip);
	if (v6)
		addr_from_bytes(&from, &((struct sockaddr_in6 *)(void *)&ss)->sin6_addr, 16);
	else
		addr_from_bytes(&from, &((struct sockaddr_in *)(void *)&ss)->sin_addr, 4);
	i = ntohs(icmp->un.echo.sequence);
	if (icmp->type != (v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY) ||
	    icmp->un.echo.id != ident() || i >= m->n || !addr_eq(&from, &m->to[i]))
		return -1;
	return (ssize_t)i;
}

int echo_ask_many(const struct echo_many *m)
{
	bool v6 = m->to[0].family == AF_INET6;
	size_t n = sizeof(struct icmphdr) + DATA_BYTES, left = m->n;
	struct pollfd p = { .events = POLLIN };
	struct sockaddr_storage ss;
	double start = echo_now_ms(), wait;
	uint8_t buf[256];
	socklen_t len;
	ssize_t i;

	p.fd = open_socket(&m->to[0], NULL, 0, SOCK_RAW, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 0);
	if (p.fd < 0)
		return -errno;
	for (size_t k = 0; k < m->n; k++) {
		m->answered[k] = false;
		put_request(buf, n, v6, (uint16_t)k);
		len = to_sockaddr(&ss, &m->to[k], 0);
		/* Once more: what an earlier one met is told by this. */
		if (sendto(p.fd, buf, n, 0, (void *)&ss, len) < 0)
			(void)!sendto(p.fd, buf, n, 0, (void *)&ss, len);
		while ((i = read_one_of(p.fd, m)) >= 0) {
			left -= !m->answered[i];
			m->answered[i] = true;
		}
	}
	while (left) {
		wait = start + m->timeout_ms - echo_now_ms();
		if (wait <= 0 || poll(&p, 1, (int)wait + 1) < 0)
			break;
		if (p.revents & POLLERR) {
			struct echo_answer a;

			read_error(p.fd, false, &a);
		}
		i = read_one_of(p.fd, m);
		if (i >= 0) {
			left -= !m->answered[i];
			m->answered[i] = true;
		}
	}
	close(p.fd);
	return 0;
}

size_t echo_packet(uint8_t *buf, const struct echo *e)
{
	size_t n = sizeof(struct icmphdr) + DATA_BYTES;
	struct ip6_hdr *six = (void *)buf;
	struct iphdr *ip = (void *)buf;
	struct icmphdr *icmp;
	uint32_t s;

	if (e->to.family == AF_INET6) {
		put_request(buf + sizeof(*six), n, true, ++sequence);
		memset(six, 0, sizeof(*six));
		six->ip6_vfc = 6 << 4;
		six->ip6_plen = htons((uint16_t)n);
		six->ip6_nxt = IPPROTO_ICMPV6;
		six->ip6_hlim = TTL;
		memcpy(&six->ip6_src, e->from.b, 16);
		memcpy(&six->ip6_dst, e->to.b, 16);
		icmp = (void *)(buf + sizeof(*six));
		s = csum_add((uint32_t)n + IPPROTO_ICMPV6, &six->ip6_src, 32);
		icmp->checksum = htons((uint16_t)~csum_fold(csum_add(s, icmp, n)));
		return sizeof(*six) + n;
	}
	put_request(buf + sizeof(*ip), n, false, ++sequence);
	memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons((uint16_t)(sizeof(*ip) + n));
	ip->ttl = TTL;
	ip->protocol = IPPROTO_ICMP;
	memcpy(&ip->saddr, e->from.b, 4);
	memcpy(&ip->daddr, e->to.b, 4);
	ip->check = htons((uint16_t)~csum_fold(csum_add(0, ip, sizeof(*ip))));
	return sizeof(*ip) + n;
}

void echo_ask_wrapped(int fd, const struct echo *e, const struct addr *endpoint,
		      const struct addr *local, uint16_t dport, struct echo_answer *a)
{
	int proto = e->to.family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IPIP, out;
	struct sockaddr_storage ss;
	uint8_t buf[256];
	socklen_t len;
	double start;
	size_t n;

	memset(a, 0, sizeof(*a));
	out = dport ? open_socket(endpoint, local, e->mark, SOCK_DGRAM, IPPROTO_UDP, dport) :
	      open_socket(endpoint, local, e->mark, SOCK_RAW, proto, 0);
	if (out < 0) {
		refused(a);
		return;
	}
	n = echo_packet(buf, e);
	len = to_sockaddr(&ss, endpoint, 0);
	start = echo_now_ms();
	if ((dport ? send(out, buf, n, 0) : sendto(out, buf, n, 0, (void *)&ss, len)) < 0)
		refused(a);
	else
		wait_answer(fd, out, e, start, a);
	close(out);
}

/* What an ICMP error carries of a request of ours. */
static bool is_request(const uint8_t *ip, size_t n, const struct echo *e)
{
	bool v6 = e->to.family == AF_INET6;
	size_t head = v6 ? sizeof(struct ip6_hdr) : n ? (ip[0] & 15u) * 4 : 0;
	const struct icmphdr *icmp = (const void *)(ip + head);

	return n >= head + sizeof(*icmp) && icmp->un.echo.id == ident() &&
	       ntohs(icmp->un.echo.sequence) == sequence;
}

bool echo_read_packet(const uint8_t *buf, size_t n, const struct echo *e,
		      struct echo_answer *a)
{
	bool v6 = e->to.family == AF_INET6;
	size_t head = v6 ? sizeof(struct ip6_hdr) : n ? (buf[0] & 15u) * 4 : 0;
	const struct icmphdr *icmp = (const void *)(buf + head);
	struct sock_extended_err err = {
		.ee_origin = v6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP,
		.ee_errno = EHOSTUNREACH,
	};
	struct addr from;

	if (n < head + sizeof(*icmp) || buf[0] >> 4 != (v6 ? 6 : 4) ||
	    buf[v6 ? 6 : 9] != (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return false;
	addr_from_bytes(&from, buf + (v6 ? 8 : 12), v6 ? 16 : 4);
	if (icmp->type == (v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY)) {
		if (icmp->un.echo.id != ident() || ntohs(icmp->un.echo.sequence) != sequence ||
		    !addr_eq(&from, &e->to))
			return false;
		a->result = ECHO_ANSWERED;
		return true;
	}
	/* RFC 4443 2.1: ICMPv6 errors are below 128. */
	if ((v6 ? icmp->type >= 128 : icmp->type != ICMP_DEST_UNREACH &&
	     icmp->type != ICMP_TIME_EXCEEDED) ||
	    !is_request(buf + head + sizeof(*icmp), n - head - sizeof(*icmp), e))
		return false;
	err.ee_type = icmp->type;
	err.ee_code = icmp->code;
	set_error(a, meaning(&err, a), &from);
	return true;
}
