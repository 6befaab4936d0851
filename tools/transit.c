// SPDX-License-Identifier: GPL-2.0-or-later
/* Packets that this host forwards, as those of its pods. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "csum.h"
#include "err.h"
#include "transit.h"

#define NAME		"ipmeshpod%d"
#define PORT		1		/* nobody has listened there for decades */
#define SEGMENTS	4
#define ADDRESSES_MAX	64		/* looked at for a free one */

struct transit {
	int fd;
	uint32_t ifindex;
	struct addr from;
};

/* --- an address ------------------------------------------------------------------ */

static bool is_bridge(const struct have *h, uint32_t ifindex)
{
	struct rtlink l;

	return !rtlink_get(h->nl, NULL, ifindex, &l) && !strcmp(l.kind, "bridge");
}

/* Of this node: a blackhole, of ours or of Calico's, or the network of a bridge. */
static bool is_block(const struct have *h, const struct rtroute *r, uint8_t family)
{
	if (r->dst.addr.family != family || r->dst.len < 8 ||
	    r->dst.len + 2 > addr_bits(&r->dst.addr))
		return false;
	if (r->type == RTN_BLACKHOLE)
		return true;
	return r->type == RTN_UNICAST && r->proto == RTPROT_KERNEL && !r->gw.family &&
	       r->oif != h->link.ifindex && is_bridge(h, r->oif);
}

/* The address @back before the last host of the prefix: IPv4's last is for broadcast. */
static struct addr from_the_end(const struct prefix *p, unsigned int back)
{
	struct addr a = p->addr;
	unsigned int bits = addr_bits(&a) - p->len, low = bits < 8 ? (1u << bits) - 1 : 255;

	for (size_t i = 0; i < addr_bytes(&a); i++) {
		int host = (int)(8 * (i + 1)) - (int)p->len;

		if (host >= 8)
			a.b[i] = 255;
		else if (host > 0)
			a.b[i] |= (uint8_t)((1u << host) - 1);
	}
	a.b[addr_bytes(&a) - 1] = (uint8_t)((a.b[addr_bytes(&a) - 1] & ~low) |
					    (low - 1 - back));
	return a;
}

bool transit_address(const struct have *h, uint8_t family, struct addr *a)
{
	struct prefix host;
	size_t routes;

	for (size_t i = 0; i < h->routes.n; i++) {
		const struct rtroute *r = &h->routes.v[i];
		unsigned int bits, most;

		if (!is_block(h, r, family))
			continue;
		bits = addr_bits(&r->dst.addr) - r->dst.len;
		most = bits < 7 ? (1u << bits) - 2 : ADDRESSES_MAX;
		for (unsigned int back = 0; back < most; back++) {
			*a = from_the_end(&r->dst, back);
			host = prefix_host(a);
			have_routes(h, &host, &routes);
			if (!routes && !have_address(h, a) && !have_peer_behind(h, a, 1))
				return true;
		}
	}
	return false;
}

/* --- the device -------------------------------------------------------------------- */

static int up_with_route(struct transit *t, struct nl *nl)
{
	struct rtroute r = {
		.dst = prefix_host(&t->from), .oif = t->ifindex, .proto = RTPROT_BOOT,
	};
	struct rtlink_change up = { .ifindex = t->ifindex, .up = 1 };
	struct nl_batch b;
	int e;

	nl_batch_init(&b, nl);
	rtlink_set(&b, &up);
	rtroute_add(&b, &r);
	e = nl_send(&b);
	nl_batch_free(&b);
	return e;
}

struct transit *transit_open(struct nl *nl, const struct addr *from, const char **wrong)
{
	struct transit *t = xcalloc(1, sizeof(*t));
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int e;

	t->from = *from;
	memcpy(r.ifr_name, NAME, sizeof(NAME));
	t->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (t->fd < 0 || ioctl(t->fd, TUNSETIFF, &r)) {
		*wrong = errno == ENOENT || errno == ENODEV ? "there is no /dev/net/tun; run: modprobe tun" :
			 strerror(errno);
		transit_close(t);
		return NULL;
	}
	t->ifindex = if_nametoindex(r.ifr_name);
	e = up_with_route(t, nl);
	if (e) {
		*wrong = nl_error(nl, e);
		transit_close(t);
		return NULL;
	}
	return t;
}

void transit_close(struct transit *t)
{
	if (t && t->fd >= 0)
		close(t->fd);
	free(t);
}

static bool put(struct transit *t, const struct virtio_net_hdr *v, const void *ip, size_t n)
{
	uint8_t *buf = xmalloc(sizeof(*v) + n);
	ssize_t sent;

	memcpy(buf, v, sizeof(*v));
	memcpy(buf + sizeof(*v), ip, n);
	sent = write(t->fd, buf, sizeof(*v) + n);
	free(buf);
	return sent == (ssize_t)(sizeof(*v) + n);
}

/* The next packet that comes out, without what virtio adds; 0 when the time is over. */
static size_t get(struct transit *t, double until, uint8_t **ip)
{
	static uint8_t buf[sizeof(struct virtio_net_hdr) + 65536];
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	double left = until - echo_now_ms();
	ssize_t n;

	while (poll(&p, 1, left > 0 ? (int)left + 1 : 0) > 0) {
		n = read(t->fd, buf, sizeof(buf));
		if (n > (ssize_t)sizeof(struct virtio_net_hdr)) {
			*ip = buf + sizeof(struct virtio_net_hdr);
			return (size_t)n - sizeof(struct virtio_net_hdr);
		}
		left = until - echo_now_ms();
	}
	return 0;
}

void transit_ask(struct transit *t, const struct addr *to, unsigned int timeout_ms,
		 struct echo_answer *a)
{
	struct echo e = { .to = *to, .from = t->from, .timeout_ms = timeout_ms };
	double start = echo_now_ms();
	uint8_t buf[256], *ip;
	size_t n;

	memset(a, 0, sizeof(*a));
	n = echo_packet(buf, &e);
	if (!put(t, &(struct virtio_net_hdr){ 0 }, buf, n))
		return;
	while ((n = get(t, start + timeout_ms, &ip)))
		if (echo_read_packet(ip, n, &e, a)) {
			a->ms = echo_now_ms() - start;
			return;
		}
}

/* --- segments ----------------------------------------------------------------------- */

/* An IP header and a TCP header with the sum of the pseudo header, as a device completes
 * it; the data is zero.
 */
static size_t put_tcp(uint8_t *buf, const struct transit *t, const struct addr *to,
		      uint16_t port, size_t data)
{
	bool v6 = to->family == AF_INET6;
	size_t head = v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr);
	size_t tcp_len = sizeof(struct tcphdr) + data;
	struct tcphdr *tcp = (void *)(buf + head);
	struct ip6_hdr *six = (void *)buf;
	struct iphdr *ip = (void *)buf;
	uint32_t s;

	memset(buf, 0, head + tcp_len);
	if (v6) {
		six->ip6_vfc = 6 << 4;
		six->ip6_plen = htons((uint16_t)tcp_len);
		six->ip6_nxt = IPPROTO_TCP;
		six->ip6_hlim = 64;
		memcpy(&six->ip6_src, t->from.b, 16);
		memcpy(&six->ip6_dst, to->b, 16);
		s = csum_add(0, (uint8_t *)&six->ip6_src, 32);
	} else {
		ip->version = 4;
		ip->ihl = 5;
		ip->tot_len = htons((uint16_t)(head + tcp_len));
		ip->frag_off = htons(IP_DF);
		ip->ttl = 64;
		ip->protocol = IPPROTO_TCP;
		memcpy(&ip->saddr, t->from.b, 4);
		memcpy(&ip->daddr, to->b, 4);
		ip->check = htons((uint16_t)~csum_fold(csum_add(0, buf, head)));
		s = csum_add(0, (uint8_t *)&ip->saddr, 8);
	}
	tcp->source = htons(port);
	tcp->dest = htons(PORT);
	tcp->seq = htonl(1);
	tcp->ack_seq = htonl(1);
	tcp->ack = 1;
	tcp->psh = 1;
	tcp->doff = sizeof(*tcp) / 4;
	tcp->window = htons(1024);
	tcp->check = htons(csum_fold(s + IPPROTO_TCP + (uint32_t)tcp_len));
	return head + tcp_len;
}

static bool is_reset(const uint8_t *ip, size_t n, uint16_t port)
{
	bool v6 = n && ip[0] >> 4 == 6;
	size_t head = v6 ? sizeof(struct ip6_hdr) : n ? (ip[0] & 15u) * 4 : 0;
	const struct tcphdr *tcp = (const void *)(ip + head);

	return n >= head + sizeof(*tcp) && ip[v6 ? 6 : 9] == IPPROTO_TCP && tcp->rst &&
	       tcp->source == htons(PORT) && tcp->dest == htons(port);
}

static bool is_answered(struct transit *t, const struct addr *to, size_t data, size_t mss,
			unsigned int timeout_ms)
{
	static uint16_t port;
	bool v6 = to->family == AF_INET6;
	size_t head = v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr), n;
	struct virtio_net_hdr v = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = (uint16_t)head,
		.csum_offset = offsetof(struct tcphdr, check),
	};
	uint8_t *buf = xmalloc(head + sizeof(struct tcphdr) + data), *ip;
	double until = echo_now_ms() + timeout_ms;
	bool answered = false;

	/* Each a connection of its own for whoever follows them. */
	port = (uint16_t)((port ? port : echo_ident()) + 1) | 0x8000;
	n = put_tcp(buf, t, to, port, data);
	if (data > mss) {
		v.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		v.gso_size = (uint16_t)mss;
		v.hdr_len = (uint16_t)(head + sizeof(struct tcphdr));
	}
	if (put(t, &v, buf, n))
		while (!answered && (n = get(t, until, &ip)))
			answered = is_reset(ip, n, port);
	free(buf);
	return answered;
}

enum transit_tcp transit_segments(struct transit *t, const struct addr *to, uint32_t mtu,
				  unsigned int timeout_ms)
{
	size_t head = to->family == AF_INET6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr);
	size_t mss = mtu - head - sizeof(struct tcphdr);

	if (!is_answered(t, to, 2, mss, timeout_ms) && !is_answered(t, to, 2, mss, timeout_ms))
		return TRANSIT_SILENT;
	if (is_answered(t, to, SEGMENTS * mss, mss, timeout_ms) ||
	    is_answered(t, to, SEGMENTS * mss, mss, timeout_ms))
		return TRANSIT_PASSES;
	return TRANSIT_LOST;
}
