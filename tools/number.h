/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NUMBER_H
#define NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A number in words and documents: decimal, or hexadecimal after 0x as marks are written.
 * No sign, no space, and no leading zero, which some take for octal and others do not.
 * False when it is none, or not from min to max; n is not written then.
 */
bool number_read(const char *s, uint64_t min, uint64_t max, uint64_t *n);

#endif
