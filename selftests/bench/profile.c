// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin of QEMU's TCG: how often each block of the kernel's instructions ran
 * while the injector or a program timed something. To the file of its argument "out=FILE" it
 * writes a line "windows N", and "ADDRESS INSTRUCTIONS" a block. Or, with
 * "each=FILE", a line "CPU INSTRUCTIONS" for each batch: what that CPU executed,
 * whatever others do at the same time.
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
enum { QEMU_PLUGIN_CB_NO_REGS };

typedef void (*trans_cb)(uint64_t id, struct qemu_plugin_tb *tb);
typedef void (*exec_cb)(unsigned int cpu, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, trans_cb cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, exec_cb cb, int flags,
					  void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, exec_cb cb,
					    int flags, void *data);
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

struct block {
	struct block *next;
	uint64_t address;
	uint64_t instructions;
	uint64_t runs;
};

#define MAX_CPUS	8

/* of a CPU, and by that alone: in a batch, and what it has executed in that */
static struct {
	uint64_t instructions;
	bool on;
} __attribute__((aligned(64))) cpus[MAX_CPUS];

static struct block *blocks;
static uint64_t windows;
static const char *out, *each;
static FILE *each_file;

static void run_block(unsigned int cpu, void *data)
{
	struct block *b = data;

	if (cpu >= MAX_CPUS || !cpus[cpu].on)
		return;
	cpus[cpu].instructions += b->instructions;
	if (out)
		b->runs++;
}

static void begin(unsigned int cpu, void *data)
{
	(void)data;
	if (cpu >= MAX_CPUS)
		return;
	cpus[cpu].on = true;
	cpus[cpu].instructions = 0;
	windows++;
}

static void write_blocks(void)
{
	FILE *f = fopen(out, "w");
	struct block *b;

	if (!f)
		return;
	fprintf(f, "windows %" PRIu64 "\n", windows);
	for (b = blocks; b; b = b->next)
		if (b->runs)
			fprintf(f, "%" PRIx64 " %" PRIu64 "\n", b->address,
				b->instructions * b->runs);
	fclose(f);
}

/* Each time anew: QEMU is ended outright when the guest has done its work. */
static void end(unsigned int cpu, void *data)
{
	(void)data;
	if (cpu >= MAX_CPUS)
		return;
	cpus[cpu].on = false;
	if (out)
		write_blocks();
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

	b->address = address;
	b->instructions = n;
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, run_block, QEMU_PLUGIN_CB_NO_REGS, b);
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
	}
	if (each)
		each_file = fopen(each, "w");
	if (!out && !each_file)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
