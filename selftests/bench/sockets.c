// SPDX-License-Identifier: GPL-2.0-only
/*
 * load udp|tcp from NS to NS address A …: from one socket to another, all in one
 * process and on one CPU, so that a number is the whole cost on both hosts.
 *
 * udp: size N (of the IP packet), count N. Prints ticks a packet as "median mean
 * least p90" over batches of 32.
 * tcp: megabytes N. Prints ticks a segment of the MSS, the MSS and what was sent
 * again: "ticks mss retransmits".
 */

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inject/mark.h"
#include "load.h"

#define BATCH	32
#define WARM	8

static struct sockaddr_in remote(const struct words *w, int port)
{
	return (struct sockaddr_in) {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(parse_ip4(word(w, "address", NULL))),
	};
}

static int socket_in(const char *netns, int type)
{
	int s;

	enter_netns(netns);
	s = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (s < 0)
		err(1, "socket");
	return s;
}

static void bind_to(int s, const struct sockaddr_in *a)
{
	struct sockaddr_in any = *a;
	int one = 1;

	any.sin_addr.s_addr = htonl(INADDR_ANY);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (struct sockaddr *)&any, sizeof(any)))
		err(1, "bind");
}

/* WireGuard works in the background of this CPU: it is let run. */
static int receive_all(int s, struct mmsghdr *messages, int wanted)
{
	int got = 0, n, tries;

	for (tries = 0; got < wanted && tries < 1000; tries++) {
		n = recvmmsg(s, messages, BATCH, MSG_DONTWAIT, NULL);
		if (n > 0)
			got += n;
		else
			sched_yield();
	}
	return got;
}

int run_udp(const struct words *w)
{
	struct sockaddr_in a = remote(w, 5001);
	size_t size = word_number(w, "size", 64) - 28;
	unsigned long count = word_number(w, "count", 3200), batches = count / BATCH, n;
	struct mmsghdr out[BATCH] = {}, in[BATCH] = {};
	static char data[65536], room[65536];
	struct iovec from = { data, size }, to = { room, sizeof(room) };
	int receiver, sender, i, room_size = 4 << 20, got;
	uint64_t *times, begin;

	receiver = socket_in(word(w, "to", NULL), SOCK_DGRAM);
	setsockopt(receiver, SOL_SOCKET, SO_RCVBUFFORCE, &room_size, sizeof(room_size));
	bind_to(receiver, &a);
	sender = socket_in(word(w, "from", NULL), SOCK_DGRAM);
	if (connect(sender, (struct sockaddr *)&a, sizeof(a)))
		err(1, "connect");
	for (i = 0; i < BATCH; i++) {
		out[i].msg_hdr.msg_iov = &from;
		in[i].msg_hdr.msg_iov = &to;
		out[i].msg_hdr.msg_iovlen = 1;
		in[i].msg_hdr.msg_iovlen = 1;
	}
	times = calloc(batches, sizeof(*times));
	for (n = 0; n < WARM + batches; n++) {
		begin = ticks();
		if (sendmmsg(sender, out, BATCH, 0) != BATCH)
			err(1, "sendmmsg");
		got = receive_all(receiver, in, BATCH);
		/* the first go while a tunnel is set up */
		if (n < WARM)
			continue;
		times[n - WARM] = ticks() - begin;
		if (got != BATCH)
			errx(1, "of %d packets %d came", BATCH, got);
	}
	print_times(times, batches, BATCH);
	return 0;
}

static pid_t swallow(int s, long total)
{
	static char room[1 << 20];
	pid_t pid = fork();
	long n;

	if (pid)
		return pid;
	while ((n = read(s, room, sizeof(room))) > 0)
		total -= n;
	_exit(total != 0);
}

static void push(int s, long total)
{
	static const char data[65536];
	long n;

	for (; total > 0; total -= n) {
		n = write(s, data, total < (long)sizeof(data) ? total : (long)sizeof(data));
		if (n <= 0)
			err(1, "write");
	}
}

int run_tcp(const struct words *w)
{
	long total = word_number(w, "megabytes", 8) << 20, warm = 1 << 20;
	struct sockaddr_in a = remote(w, 5002);
	int listener, sender, receiver, status, mss;
	struct tcp_info info;
	socklen_t len = sizeof(mss);
	uint64_t begin, spent;
	pid_t pid;

	listener = socket_in(word(w, "to", NULL), SOCK_STREAM);
	bind_to(listener, &a);
	if (listen(listener, 1))
		err(1, "listen");
	sender = socket_in(word(w, "from", NULL), SOCK_STREAM);
	if (connect(sender, (struct sockaddr *)&a, sizeof(a)))
		err(1, "connect");
	receiver = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	pid = swallow(receiver, total + warm);
	close(receiver);
	push(sender, warm);
	mark_begin();
	begin = ticks();
	push(sender, total);
	/* until the other end has acknowledged all but what its buffer holds */
	getsockopt(sender, IPPROTO_TCP, TCP_MAXSEG, &mss, &len);
	len = sizeof(info);
	getsockopt(sender, IPPROTO_TCP, TCP_INFO, &info, &len);
	shutdown(sender, SHUT_WR);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
		errx(1, "not everything came");
	spent = ticks() - begin;
	mark_end();
	printf("%.1f %d %u\n", spent / ((double)total / mss), mss, info.tcpi_total_retrans);
	return 0;
}
