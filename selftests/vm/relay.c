// SPDX-License-Identifier: GPL-2.0-only
/*
 * relay [OPTION]… -- QEMU ARGUMENT…: run one guest and be its command: its
 * output is ours, its exit status is ours, its end is ours.  QEMU finds the
 * stream to the guest's init as descriptor 3.
 *
 *	--prefix TEXT		put TEXT before each line of output
 *	--timeout SECONDS	for the command
 *	--boot SECONDS		for the way to it
 *	--silence SECONDS	after which a guest hangs of which nothing is heard
 *	--console FILE		where QEMU writes the console (for messages)
 *	--klog FILE		where to put the kernel's log
 *	--input			pass on stdin; as a terminal when it is one
 *	--meet FOLDER		start and end together with another relay there
 *	--node N		which of the two this is
 *
 * relay --tsc: print the frequency of this machine's time stamp counter, which
 * is the guest's too under TCG, in kHz.
 *
 * Exit status: the command's; 124 when the time is up; 125 when the guest
 * died, hung or could not run the command; 128 + n for our own signal n.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "frame.h"

static const char *prefix, *console = "", *klog_path;
static double timeout = 86400, boot = 120;
/* A guest whose first process says nothing for so long hangs. */
static double silence = 300;
static const char *meet, *node = "1";
static bool input;

static pid_t qemu;
static int stream = -1, klog = -1;
static struct termios cooked;
static bool raw;
static volatile sig_atomic_t signalled, resized;

static void on_signal(int n)
{
	if (n == SIGWINCH)
		resized = 1;
	else
		signalled = n;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* The time that this machine did not stand still: it is asked for twice a second at
 * least, and what is missing is time that the guest has not had either.
 */
static double awake(void)
{
	static double last, sum;
	double t = now();

	if (last)
		sum += t - last < 1 ? t - last : 1;
	last = t;
	return sum;
}

static void mark(const char *stage, const char *which)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s-%s", meet, stage, which);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
}

static bool marked(const char *stage)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s-%s", meet, stage, *node == '1' ? "2" : "1");
	return !access(path, F_OK);
}

static void __attribute__((noreturn)) leave(int status)
{
	if (meet) {
		/* Also when it failed: the other one must not wait for ever. */
		mark("up", node);
		mark("done", node);
	}
	if (raw)
		tcsetattr(0, TCSADRAIN, &cooked);
	if (qemu > 0) {
		kill(qemu, SIGKILL);
		waitpid(qemu, NULL, 0);
	}
	exit(status);
}

static void __attribute__((noreturn, format(printf, 2, 3)))
give_up(int status, const char *format, ...)
{
	va_list args;

	if (raw)
		tcsetattr(0, TCSADRAIN, &cooked);
	raw = false;
	fprintf(stderr, "%s%srun: ", prefix ? prefix : "", prefix ? " " : "");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (*console)
		fprintf(stderr, "; console log: %s", console);
	fputc('\n', stderr);
	leave(status);
}

/* Output with a prefix goes out by whole lines: two guests share a terminal. */
struct lines {
	char buf[FRAME_MAX];
	size_t have;
};

static void put_line(int fd, struct lines *l)
{
	char text[FRAME_MAX + 64];
	int n = snprintf(text, sizeof(text), "%s ", prefix);

	memcpy(text + n, l->buf, l->have);
	n += l->have;
	if (!l->have || l->buf[l->have - 1] != '\n')
		text[n++] = '\n';
	write_all(fd, text, n);
	l->have = 0;
}

static void put(int fd, struct lines *l, const char *data, size_t len)
{
	if (!prefix) {
		if (write_all(fd, data, len) && errno == EPIPE)
			leave(128 + SIGPIPE);
		return;
	}
	for (; len; data++, len--) {
		l->buf[l->have++] = *data;
		if (*data == '\n' || l->have == sizeof(l->buf))
			put_line(fd, l);
	}
}

static void put_klog(const char *record, size_t len)
{
	char line[FRAME_MAX + 64];
	unsigned long long us = 0;
	unsigned int level = 0;
	const char *text = memchr(record, ';', len), *end;
	int n;

	if (klog < 0 || !text)
		return;
	sscanf(record, "%u,%*u,%llu", &level, &us);
	text++;
	end = memchr(text, '\n', record + len - text);
	if (!end)
		end = record + len;
	n = snprintf(line, sizeof(line), "<%u>[%5llu.%06llu] %.*s\n", level & 7,
		     us / 1000000, us % 1000000, (int)(end - text), text);
	write_all(klog, line, n);
}

static void send_window(void)
{
	struct winsize w;
	uint16_t size[2];

	resized = 0;
	if (ioctl(0, TIOCGWINSZ, &w))
		return;
	size[0] = w.ws_row;
	size[1] = w.ws_col;
	frame_send(stream, FRAME_WINDOW, size, sizeof(size));
}

static void start_input(void)
{
	struct termios t;

	if (!input || !isatty(0))
		return;
	send_window();
	tcgetattr(0, &cooked);
	t = cooked;
	cfmakeraw(&t);
	raw = true;
	tcsetattr(0, TCSADRAIN, &t);
}

static void start_qemu(char **argv)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		give_up(125, "cannot make a socket pair: %s", strerror(errno));
	qemu = fork();
	if (!qemu) {
		/* No guest outlives its relay, whatever ends that. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		if (pair[1] == 3)
			fcntl(3, F_SETFD, 0);
		else
			dup2(pair[1], 3);
		close(0);
		open("/dev/null", O_RDONLY);
		dup2(2, 1);
		execvp(argv[0], argv);
		fprintf(stderr, "run: cannot start %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(pair[1]);
	stream = pair[0];
}

/* One moment on both clocks: of some tries the one least disturbed. */
static double both_clocks(unsigned long long *ticks)
{
	unsigned long long best = ~0ULL, before, after;
	double t, at = 0;
	int i;

	for (i = 0; i < 20; i++) {
		before = __builtin_ia32_rdtsc();
		t = now();
		after = __builtin_ia32_rdtsc();
		if (after - before < best) {
			best = after - before;
			*ticks = before + best / 2;
			at = t;
		}
	}
	return at;
}

static void print_tsc(void)
{
	unsigned long long from, to;
	double began, ended;

	began = both_clocks(&from);
	usleep(50000);
	ended = both_clocks(&to);
	printf("%.0f\n", (to - from) / (ended - began) / 1000);
	exit(0);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "prefix", required_argument, NULL, 'p' },
		{ "timeout", required_argument, NULL, 't' },
		{ "boot", required_argument, NULL, 'b' },
		{ "silence", required_argument, NULL, 's' },
		{ "console", required_argument, NULL, 'c' },
		{ "klog", required_argument, NULL, 'k' },
		{ "input", no_argument, NULL, 'i' },
		{ "tsc", no_argument, NULL, 'T' },
		{ "meet", required_argument, NULL, 'm' },
		{ "node", required_argument, NULL, 'n' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
		switch (c) {
		case 'p':
			prefix = optarg;
			break;
		case 't':
			timeout = atof(optarg);
			break;
		case 'b':
			boot = atof(optarg);
			break;
		case 's':
			silence = atof(optarg);
			break;
		case 'c':
			console = optarg;
			break;
		case 'k':
			klog_path = optarg;
			break;
		case 'T':
			print_tsc();
			break;
		case 'm':
			meet = optarg;
			break;
		case 'n':
			node = optarg;
			break;
		case 'i':
			input = true;
			break;
		default:
			exit(2);
		}
	}
	if (optind == argc)
		exit(2);
}

int main(int argc, char **argv)
{
	static struct lines out, err;
	static struct frame_reader r;
	struct sigaction action = { .sa_handler = on_signal };
	double heard = awake(), deadline;
	bool up = false, running = false, ended = false, reading = false;
	int status = 125;
	char buf[FRAME_MAX];
	ssize_t n, len;
	uint8_t type;

	parse(argc, argv);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGWINCH, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (klog_path)
		klog = open(klog_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	deadline = awake() + boot;
	start_qemu(argv + optind);

	for (;;) {
		struct pollfd p[] = {
			{ .fd = stream, .events = POLLIN },
			{ .fd = reading ? 0 : -1, .events = POLLIN },
		};

		poll(p, 2, meet ? 50 : 500);
		if (signalled)
			leave(128 + signalled);
		if (resized && raw)
			send_window();
		if (ended && marked("done"))
			leave(status);
		if (up && !running && (!meet || marked("up"))) {
			running = true;
			deadline = awake() + timeout;
			frame_send(stream, FRAME_GO, NULL, 0);
			start_input();
			reading = input;
		}
		if (awake() > deadline && !ended) {
			if (running)
				give_up(124, "the command did not end in %g s", timeout);
			give_up(125, "the guest did not boot in %g s", boot);
		}
		if (running && !ended && awake() > heard + silence)
			give_up(125, "the guest hangs: nothing was heard of it for %g s", silence);

		if (p[1].revents) {
			n = read(0, buf, sizeof(buf));
			if (n <= 0)
				reading = false;
			frame_send(stream, FRAME_IN, buf, n > 0 ? n : 0);
		}
		if (!p[0].revents)
			continue;
		n = read(stream, r.buf + r.have, sizeof(r.buf) - r.have);
		if (n <= 0 && ended)
			leave(status);
		if (n <= 0)
			give_up(125, running ?
				"the guest died before the command ended" :
				"the guest died before the command started");
		heard = awake();
		r.have += n;
		while ((len = frame_next(&r, &type)) >= 0) {
			const char *data = r.buf + sizeof(struct frame);

			switch (type) {
			case FRAME_HELLO:
				up = true;
				if (meet)
					mark("up", node);
				break;
			case FRAME_OUT:
				put(1, &out, data, len);
				break;
			case FRAME_ERR:
				put(2, &err, data, len);
				break;
			case FRAME_KLOG:
				put_klog(data, len);
				break;
			case FRAME_FAILED:
				give_up(125, "%.*s", (int)len, data);
			case FRAME_STATUS:
				if (out.have)
					put_line(1, &out);
				if (err.have)
					put_line(2, &err);
				status = len ? (uint8_t)*data : 125;
				if (!meet)
					leave(status);
				mark("done", node);
				ended = true;
				break;
			}
			frame_done(&r, len);
		}
		if (len == -2)
			give_up(125, "the guest's stream is garbled");
	}
}
