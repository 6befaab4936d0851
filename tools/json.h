/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPMESH_JSON_H
#define IPMESH_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * JSON values from a source of bytes, by jansson, which refuses two things that other
 * programs write, mostly in fields that nobody reads: an integer that does not fit in
 * 64 bits, which becomes a text here, and a NUL in a text, see json_has_nul().
 */
struct json_source {
	int (*take)(void *data);	/* the next byte, which goes; or EOF */
	int (*peek)(void *data);	/* the next byte, which stays; or EOF */
	void *data;
	size_t most;			/* bytes of a value; 0: any number */

	/* json_read()'s own: */
	size_t bytes;			/* of this value */
	bool in_text, escaped;
	char token[64];			/* of a number, what jansson has not got yet */
	size_t at, n;
};

/* The next value, which begins with the next byte, and nothing behind it; NULL with the
 * reason. The caller frees it.
 */
json_t *json_read(struct json_source *s, json_error_t *e);

/* Whether a text has a NUL, where a text of C ends. */
bool json_has_nul(const json_t *text);

#endif
