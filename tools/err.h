/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors: always one line, "ipmesh: …", on standard error. What a person typed
 * wrong ends with status 2 before anything was changed; what the kernel
 * refused, or what is not there, with status 1.
 */
#ifndef IPMESH_ERR_H
#define IPMESH_ERR_H

#include <stdbool.h>
#include <stddef.h>

enum {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
};

#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Each prints the line and gives the status, for "return err_usage(…);". */
int err_refused(const char *fmt, ...) PRINTF(1, 2);
int err_usage(const char *fmt, ...) PRINTF(1, 2);

/* Prints a line and goes on. */
void warn(const char *fmt, ...) PRINTF(1, 2);

/* From now on lines go to @to instead; NULL: to standard error. Gives where they
 * went before.
 */
void (*err_divert(void (*to)(const char *line)))(const char *line);

/* The usual mistakes; @cmd is the command as typed, such as "peer add". */
int err_unknown(const char *cmd, const char *word);
int err_missing(const char *cmd, const char *what);
int err_novalue(const char *cmd, const char *word);
int err_twice(const char *cmd, const char *word);
int err_value(const char *word, const char *value, const char *wanted);

/* Memory that is always there: without any the program ends, status 1. */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);

/* Room for one more element at array[n]; *cap is 0 at first. */
void *xgrow(void *array, size_t n, size_t *cap, size_t size);

/* @s no longer than a line bears, quoted by the caller; one of a few static buffers, good
 * for some calls. Control characters are written out where a line is printed.
 */
const char *err_safe(const char *s);

#endif
