/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _IPMESH_BENCH_LOAD_H
#define _IPMESH_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "KEY VALUE" words of a command line */
struct words {
	int argc;
	char **argv;
};

const char *word(const struct words *w, const char *key, const char *otherwise);
unsigned long word_number(const struct words *w, const char *key, unsigned long otherwise);

static inline uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc; lfence" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* "median mean least p90" of @n batches, for each of what is in a batch */
void print_times(uint64_t *times, unsigned int n, unsigned int batch);

void enter_netns(const char *name);
uint32_t parse_ip4(const char *text);

int run_inject(const struct words *w);

int run_udp(const struct words *w);
int run_tcp(const struct words *w);
int run_peers(const struct words *w);

#endif /* _IPMESH_BENCH_LOAD_H */
