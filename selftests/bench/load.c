// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest's bench script runs; each prints one line of numbers.
 *
 *   load inject netns NS in DEV out DEV [KEY VALUE]…    packets.c
 *   load udp | tcp from NS to NS address A [KEY VALUE]… sockets.c
 *   load peers netns NS dev DEV count N endpoint A cidr P   peers.c
 *   load time COMMAND…	ticks, and those in the kernel, that COMMAND takes
 *
 * Ticks are those of the TSC: instructions where QEMU counts them.
 */

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

const char *word(const struct words *w, const char *key, const char *otherwise)
{
	int i;

	for (i = 0; i + 1 < w->argc; i += 2)
		if (!strcmp(w->argv[i], key))
			return w->argv[i + 1];
	if (!otherwise)
		errx(2, "the word \"%s\" is missing", key);
	return otherwise;
}

unsigned long word_number(const struct words *w, const char *key, unsigned long otherwise)
{
	const char *text = word(w, key, "");
	unsigned long n;
	char *end;

	if (!*text)
		return otherwise;
	n = strtoul(text, &end, 0);
	if (*end)
		errx(2, "%s: \"%s\" is no number", key, text);
	return n;
}

void enter_netns(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	close(fd);
}

uint32_t parse_ip4(const char *text)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		errx(2, "\"%s\" is no IPv4 address", text);
	return ntohl(a.s_addr);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void print_times(uint64_t *times, unsigned int n, unsigned int batch)
{
	double sum = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		sum += times[i];
	if (!n)
		return;
	qsort(times, n, sizeof(*times), by_size);
	printf("%.1f %.1f %.1f %.1f\n", (double)times[n / 2] / batch, sum / n / batch,
	       (double)times[0] / batch, (double)times[n * 9 / 10] / batch);
}

static uint64_t microseconds(const struct timeval *tv)
{
	return tv->tv_sec * 1000000ULL + tv->tv_usec;
}

/* Kernel time comes in parts of a tick, and is told in microseconds. */
static int run_time(char **argv)
{
	uint64_t begin = ticks(), end;
	struct rusage usage;
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		/* our own line is the only one */
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		execvp(argv[0], argv);
		err(127, "%s", argv[0]);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		err(1, "%s", argv[0]);
	end = ticks();
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		errx(1, "%s failed", argv[0]);
	printf("%llu %llu\n", (unsigned long long)(end - begin),
	       (unsigned long long)microseconds(&usage.ru_stime));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct words *w);
	} commands[] = {
		{ "inject", run_inject }, { "udp", run_udp }, { "tcp", run_tcp },
		{ "peers", run_peers },
	};
	struct words w = { argc - 2, argv + 2 };
	size_t i;

	if (argc > 2 && !strcmp(argv[1], "time"))
		return run_time(argv + 2);
	for (i = 0; argc > 1 && i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		if (w.argc % 2)
			errx(2, "the word \"%s\" has no value", argv[argc - 1]);
		return commands[i].run(&w);
	}
	errx(2, "use inject, udp, tcp, peers or time");
}
