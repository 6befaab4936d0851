/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Output: one call gives text or, with -j, JSON, so that both say the same.
 *
 *	out_arr(NULL);					// JSON: [
 *	out_obj(NULL);					//   {
 *	out_str("endpoint", "%s ", addr_str(&a));	//     "endpoint": "…"
 *	out_u64("mtu", "mtu %" PRIu64 "\n", mtu);
 *	out_end();					//   }
 *	out_end();					// ]
 *	return out_flush();
 *
 * A NULL key is for text only, a NULL format for JSON only. Structure is
 * JSON's alone; text has what the formats say.
 */
#ifndef IPMESH_OUT_H
#define IPMESH_OUT_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "err.h"

/* Set by main() from -j, -p, and from -c or what standard output is. */
void out_init(bool json, bool pretty, bool colour);
bool out_is_json(void);

/* Open an object or an array, under @key of an object, NULL inside an array
 * or at the top; out_end() closes the innermost.
 */
void out_obj(const char *key);
void out_arr(const char *key);
void out_end(void);

/* A value: under @key, or with OUT_ITEM as an element of an array. */
#define OUT_ITEM	""

void out_str(const char *key, const char *fmt, const char *value);
void out_u64(const char *key, const char *fmt, uint64_t value);
void out_bool(const char *key, const char *text_if_true, bool value);
void out_null(const char *key, const char *text);

/* Text alone. */
void out_text(const char *fmt, ...) PRINTF(1, 2);

/*
 * A table: between out_table() and out_table_end() text goes into cells and
 * is aligned at the end. Heads end with NULL; one that begins with '>' is
 * aligned to the right. out_cell() ends a cell, out_row() a row.
 */
void out_table(const char *const *heads);
void out_cell(void);
void out_row(void);
void out_table_end(void);

/* Marks for text on a terminal, ended by OUT_PLAIN. */
enum out_mark { OUT_PLAIN, OUT_GOOD, OUT_WARN, OUT_BAD, OUT_BOLD, OUT_DIM };
void out_mark(enum out_mark m);

/* Columns that a text takes on a terminal, escapes left out; and bytes, with the
 * columns, of its first character.
 */
unsigned int out_width(const char *s);
unsigned int out_char(const char *s, unsigned int *columns);

/* Writes all; EXIT_DONE, or EXIT_REFUSED when standard output is broken. */
int out_flush(void);

/* Human units, in static buffers: "1.5 KiB", "12s", "3h04m", "2d05h". */
const char *out_bytes(uint64_t bytes);
const char *out_age(uint64_t ms);

#endif
