/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _INJECT_MARK_H
#define _INJECT_MARK_H

/* Where what is timed begins and ends, in the kernel or in a program, told to the
 * profiler (profile.c) by the sizes of these no-ops.
 */
static __attribute__((__noinline__)) void mark_begin(void)
{
	asm volatile(".nops 9, 9; .nops 8, 8; .nops 9, 9; .nops 7, 7; .nops 9, 9" ::: "memory");
}

static __attribute__((__noinline__)) void mark_end(void)
{
	asm volatile(".nops 9, 9; .nops 7, 7; .nops 9, 9; .nops 8, 8; .nops 9, 9" ::: "memory");
}

#endif /* _INJECT_MARK_H */
