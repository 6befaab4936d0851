/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel made of the fuzzer's bytes, in place of libmnl's sockets: the whole
 * netlink client above them is the real one.
 *
 * Requests that make or change something are acknowledged; dumps and questions
 * are answered with messages of the kind that was asked for, with attributes
 * out of the bytes. When these are used up, answers are empty.
 */
#ifndef IPMESH_FUZZ_KERNEL_H
#define IPMESH_FUZZ_KERNEL_H

#include <stddef.h>
#include <stdint.h>

void kernel_feed(const uint8_t *data, size_t size);

/* Runs ipmesh with these words, NULL ends; only what reads and what tells its
 * changes to the kernel: -1 for other commands.
 */
int kernel_run(char **words);

#endif
