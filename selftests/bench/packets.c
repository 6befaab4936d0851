// SPDX-License-Identifier: GPL-2.0-only
/*
 * load inject netns NS in DEV out DEV …: frames come in by one device and must
 * leave by another; prints ticks a packet as "median mean least p90".
 *
 *	source A dest A size N	a UDP packet of N bytes of IP, of either family
 *	frame FILE		instead: a frame as "save" left it
 *	save FILE		keep the first frame that leaves
 *	mode receive|list|free	see inject.h
 *	batches N warm N batch N peers N headroom N hash 0|1
 *	field1 OFFSET,A,STEP	what differs from peer to peer: an IPv4 address, or
 *	field2 …		a number, at OFFSET
 *	ipv4 OFFSET, inner OFFSET	of IPv4 headers whose checksum follows
 */

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inject/inject.h"
#include "load.h"

static unsigned char frame[INJECT_MAX_FRAME];

static void hardware_address(const char *dev, unsigned char *address)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", dev);
	if (ioctl(s, SIOCGIFHWADDR, &r))
		err(1, "%s", dev);
	memcpy(address, r.ifr_hwaddr.sa_data, ETH_ALEN);
	close(s);
}

static uint16_t checksum(const void *data, size_t len)
{
	const uint16_t *p = data;
	uint32_t sum = 0;

	for (; len; len -= 2)
		sum += *p++;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static size_t build4(const char *source, const char *dest, size_t size)
{
	struct iphdr *ip = (struct iphdr *)(frame + ETH_HLEN);

	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons(size);
	ip->frag_off = htons(IP_DF);
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->saddr = htonl(parse_ip4(source));
	ip->daddr = htonl(parse_ip4(dest));
	ip->check = checksum(ip, sizeof(*ip));
	return sizeof(*ip);
}

static size_t build6(const char *source, const char *dest, size_t size)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)(frame + ETH_HLEN);

	ip->ip6_vfc = 6 << 4;
	ip->ip6_plen = htons(size - sizeof(*ip));
	ip->ip6_nxt = IPPROTO_UDP;
	ip->ip6_hlim = 64;
	if (inet_pton(AF_INET6, source, &ip->ip6_src) != 1 ||
	    inet_pton(AF_INET6, dest, &ip->ip6_dst) != 1)
		errx(2, "\"%s\" or \"%s\" is no IPv6 address", source, dest);
	return sizeof(*ip);
}

static size_t build(const struct words *w)
{
	const char *source = word(w, "source", NULL), *dest = word(w, "dest", NULL);
	size_t size = word_number(w, "size", 64), i, header;
	struct ether_header *eth = (struct ether_header *)frame;
	struct udphdr *udp;
	bool ip6 = strchr(source, ':');

	if (size < 48 || size > sizeof(frame) - ETH_HLEN)
		errx(2, "a packet of %zu bytes is not possible", size);
	for (i = 0; i < size; i++)
		frame[ETH_HLEN + i] = 0;
	eth->ether_type = htons(ip6 ? ETH_P_IPV6 : ETH_P_IP);
	header = ip6 ? build6(source, dest, size) : build4(source, dest, size);
	udp = (struct udphdr *)(frame + ETH_HLEN + header);
	udp->source = htons(12345);
	udp->dest = htons(5001);
	udp->len = htons(size - header);
	return ETH_HLEN + size;
}

static size_t load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, frame, sizeof(frame));

	if (n <= 0)
		err(1, "%s", path);
	close(fd);
	return n;
}

static void parse_field(const char *text, struct inject_field *f)
{
	char base[32];

	if (!*text)
		return;
	if (sscanf(text, "%u,%31[^,],%u", &f->offset, base, &f->step) != 3)
		errx(2, "\"%s\" is not OFFSET,BASE,STEP", text);
	f->base = strchr(base, '.') ? parse_ip4(base) : strtoul(base, NULL, 0);
}

static unsigned long long packets_out(const char *dev)
{
	char line[512], name[32];
	unsigned long long n;
	FILE *f;

	f = fopen("/proc/thread-self/net/dev", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %31[^:]: %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu",
			   name, &n) != 2 || strcmp(name, dev))
			continue;
		fclose(f);
		return n;
	}
	errx(1, "there is no device %s", dev);
}

static int listen_on(const char *dev)
{
	struct sockaddr_ll a = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(dev),
	};
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)))
		err(1, "cannot listen on %s", dev);
	return s;
}

static bool save(int s, const char *path)
{
	struct pollfd p = { .fd = s, .events = POLLIN };
	static unsigned char got[INJECT_MAX_FRAME];
	ssize_t n;
	int fd;

	while (poll(&p, 1, 0) > 0) {
		n = recv(s, got, sizeof(got), 0);
		/* not a router's or a listener's word */
		if (n < ETH_HLEN + 20 || (got[12] << 8 | got[13]) == ETH_P_ARP ||
		    !memcmp(got, "\x33\x33", 2))
			continue;
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, got, n) != n || close(fd))
			err(1, "%s", path);
		return true;
	}
	return false;
}

static uint32_t parse_mode(const char *text)
{
	static const char *const modes[] = { "receive", "list", "free" };
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(text, modes[i]))
			return i;
	errx(2, "there is no mode \"%s\"", text);
}

int run_inject(const struct words *w)
{
	const char *in = word(w, "in", NULL), *out = word(w, "out", NULL);
	const char *saved = word(w, "save", ""), *from = word(w, "frame", "");
	struct inject_run run = {
		.mode = parse_mode(word(w, "mode", "receive")),
		.batches = word_number(w, "batches", 40),
		.warm = word_number(w, "warm", 10),
		.batch = word_number(w, "batch", 64),
		.peers = word_number(w, "peers", 1),
		.headroom = word_number(w, "headroom", 192),
		.ipv4 = { word_number(w, "ipv4", 0), word_number(w, "inner", 0) },
		.hash = word_number(w, "hash", 1),
		.frame = (uintptr_t)frame,
	};
	unsigned long long before, sent;
	uint64_t *times;
	int fd, tap = -1;

	enter_netns(word(w, "netns", NULL));
	parse_field(word(w, "field1", ""), &run.field[0]);
	parse_field(word(w, "field2", ""), &run.field[1]);
	run.len = *from ? load(from) : build(w);
	run.ifindex = if_nametoindex(in);
	hardware_address(in, frame);
	memcpy(frame + ETH_ALEN, "\x02\0\0\0\0\x09", ETH_ALEN);

	times = calloc(run.batches, sizeof(*times));
	run.ticks = (uintptr_t)times;
	fd = open("/dev/inject", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "/dev/inject");
	if (*saved)
		tap = listen_on(out);
	before = packets_out(out);
	if (ioctl(fd, INJECT_RUN, &run))
		err(1, "INJECT_RUN");

	/* Dropping a packet is cheap. */
	sent = (unsigned long long)(run.batches + run.warm + run.torn) * run.batch;
	if (run.mode != INJECT_FREE && packets_out(out) - before < sent)
		errx(1, "of %llu packets %llu left by %s", sent, packets_out(out) - before, out);
	if (*saved && !save(tap, saved))
		errx(1, "no packet was seen on %s", out);
	print_times(times, run.batches, run.batch);
	return 0;
}
