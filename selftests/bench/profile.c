// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin of QEMU's TCG: how often each block of the kernel's instructions ran
 * while the injector or a program timed something. To the file of its argument "out=FILE" it
 * writes a line "windows N", and "ADDRESS INSTRUCTIONS MISSES" a block. Or, with
 * "each=FILE", a line "CPU INSTRUCTIONS" for each batch: what that CPU executed,
 * whatever others do at the same time.
 *
 *	skip=N		the first N batches are not counted
 *	cache=KB	what the kernel reads and writes from the first batch on goes
 *			through a cache of that size, whose misses are counted
 *
 * The cache is what a second level cache would be if it held data alone: its lines are
 * of 64 bytes, in sets of eight, and the least recently used goes. It knows no first
 * level, which hides from the real one how recent a line is, no code and no prefetching.
 *
 * Debian packages no qemu-plugin.h: what is used of it is declared here, and has
 * been the same since version 1 of the interface.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
struct qemu_plugin_hwaddr;
enum { QEMU_PLUGIN_CB_NO_REGS };
enum { QEMU_PLUGIN_MEM_RW = 3 };

typedef void (*trans_cb)(uint64_t id, struct qemu_plugin_tb *tb);
typedef void (*exec_cb)(unsigned int cpu, void *data);
typedef void (*mem_cb)(unsigned int cpu, uint32_t info, uint64_t address, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, trans_cb cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, exec_cb cb, int flags,
					  void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, exec_cb cb,
					    int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, mem_cb cb, int flags,
				      int rw, void *data);
unsigned int qemu_plugin_mem_size_shift(uint32_t info);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info, uint64_t address);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *hwaddr);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *hwaddr);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv);

int qemu_plugin_version = PLUGIN_VERSION;

/* mark_begin() and mark_end() of inject/mark.h: no-ops of these sizes */
#define MARK	5
static const size_t begin_sizes[MARK] = { 9, 8, 9, 7, 9 };
static const size_t end_sizes[MARK] = { 9, 7, 9, 8, 9 };

struct count {
	uint64_t runs;
	uint64_t misses;
};

struct block {
	struct block *next;
	uint64_t address;
	uint64_t instructions;
	struct count batch;	/* in the batch that runs */
	struct count all;	/* in those that ended and are counted */
};

#define MAX_CPUS	8

/* of a CPU, and by that alone: in a batch, and what it has executed in that */
static struct {
	uint64_t instructions;
	bool on;
} __attribute__((aligned(64))) cpus[MAX_CPUS];

static struct block *blocks;
static uint64_t windows, skip;
static const char *out, *each;
static FILE *each_file;

#define WAYS		8
#define LINE_SHIFT	6

/* WAYS lines a set, the most recently used first; NULL before the first batch */
static uint64_t *cache;
static uint64_t cache_kb, sets;

static void fill_cache(void)
{
	sets = (cache_kb << (10 - LINE_SHIFT)) / WAYS;
	cache = malloc(sets * WAYS * sizeof(*cache));
	/* lines that there are not */
	memset(cache, 0xff, sets * WAYS * sizeof(*cache));
}

/* Each way takes the line of the one before, up to that which had the new one. */
static bool hits_cache(uint64_t line)
{
	uint64_t *set = cache + line % sets * WAYS, moved = line, was;
	unsigned int way;

	for (way = 0; way < WAYS; way++) {
		was = set[way];
		set[way] = moved;
		if (was == line)
			return true;
		moved = was;
	}
	return false;
}

/* By physical addresses, as such a cache is: what is in vmalloc's area or per CPU falls
 * on the sets of its pages, and a line is one whatever it is called. Before the
 * first batch this returns at once, so that making thousands of peers takes hardly longer.
 */
static void access_memory(unsigned int cpu, uint32_t info, uint64_t address, void *data)
{
	struct qemu_plugin_hwaddr *hwaddr;
	uint64_t first, line, last;
	struct block *b = data;

	if (!cache || cpu >= MAX_CPUS)
		return;
	hwaddr = qemu_plugin_get_hwaddr(info, address);
	if (!hwaddr || qemu_plugin_hwaddr_is_io(hwaddr))
		return;
	first = qemu_plugin_hwaddr_phys_addr(hwaddr);
	last = first + (1u << qemu_plugin_mem_size_shift(info)) - 1;
	for (line = first >> LINE_SHIFT; line <= last >> LINE_SHIFT; line++)
		if (!hits_cache(line) && cpus[cpu].on)
			b->batch.misses++;
}

static void run_block(unsigned int cpu, void *data)
{
	struct block *b = data;

	if (cpu >= MAX_CPUS || !cpus[cpu].on)
		return;
	cpus[cpu].instructions += b->instructions;
	if (out)
		b->batch.runs++;
}

/* A batch is over: it is counted or, as one of those to skip or torn, it is not. */
static void end_batch(bool counted)
{
	struct block *b;

	for (b = blocks; b; b = b->next) {
		if (counted) {
			b->all.runs += b->batch.runs;
			b->all.misses += b->batch.misses;
		}
		b->batch = (struct count){};
	}
}

static void begin(unsigned int cpu, void *data)
{
	(void)data;
	if (cpu >= MAX_CPUS)
		return;
	if (cache_kb && !cache)
		fill_cache();
	/* the one before did not come to its end, see inject.c */
	if (out && cpus[cpu].on)
		end_batch(false);
	cpus[cpu].on = true;
	cpus[cpu].instructions = 0;
}

static void write_blocks(void)
{
	FILE *f = fopen(out, "w");
	struct block *b;

	if (!f)
		return;
	fprintf(f, "windows %" PRIu64 "\n", windows - skip);
	for (b = blocks; b; b = b->next)
		if (b->all.runs)
			fprintf(f, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", b->address,
				b->instructions * b->all.runs, b->all.misses);
	fclose(f);
}

/* Each time anew: QEMU is ended outright when the guest has done its work. */
static void end(unsigned int cpu, void *data)
{
	(void)data;
	if (cpu >= MAX_CPUS)
		return;
	cpus[cpu].on = false;
	if (out) {
		windows++;
		end_batch(windows > skip);
		if (windows > skip)
			write_blocks();
	}
	if (!each_file)
		return;
	fprintf(each_file, "%u %" PRIu64 "\n", cpu, cpus[cpu].instructions);
	fflush(each_file);
}

static bool is_mark(const struct qemu_plugin_tb *tb, size_t at, const size_t *sizes)
{
	size_t i;

	if (at + MARK > qemu_plugin_tb_n_insns(tb))
		return false;
	for (i = 0; i < MARK; i++)
		if (qemu_plugin_insn_size(qemu_plugin_tb_get_insn(tb, at + i)) != sizes[i])
			return false;
	return true;
}

/* A block that is translated again is one more: they are added up by address. */
static void count_block(struct qemu_plugin_tb *tb, uint64_t address, size_t n)
{
	struct block *b = calloc(1, sizeof(*b));
	size_t i;

	b->address = address;
	b->instructions = n;
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, run_block, QEMU_PLUGIN_CB_NO_REGS, b);
	for (i = 0; cache_kb && i < n; i++)
		qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), access_memory,
						 QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, b);
}

static void translate(uint64_t id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	size_t n = qemu_plugin_tb_n_insns(tb), i;

	(void)id;
	/* of a program, only the marks */
	if (address >> 63)
		count_block(tb, address, n);
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (is_mark(tb, i, begin_sizes))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, begin,
							       QEMU_PLUGIN_CB_NO_REGS, NULL);
		if (is_mark(tb, i, end_sizes))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, end,
							       QEMU_PLUGIN_CB_NO_REGS, NULL);
	}
}

int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
		if (!strncmp(argv[i], "each=", 5))
			each = strdup(argv[i] + 5);
		if (!strncmp(argv[i], "skip=", 5))
			skip = strtoull(argv[i] + 5, NULL, 10);
		if (!strncmp(argv[i], "cache=", 6))
			cache_kb = strtoull(argv[i] + 6, NULL, 10);
	}
	if (each)
		each_file = fopen(each, "w");
	if (!out && !each_file)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
