// SPDX-License-Identifier: GPL-2.0-or-later
/* Errors, each one line; memory that does not run out. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "name.h"

static void (*divert)(const char *line);

void (*err_divert(void (*to)(const char *line)))(const char *line)
{
	void (*before)(const char *line) = divert;

	divert = to;
	return before;
}

/* Every error comes through here: a text that holds a newline, from a file or
 * an argument, still gives one line.
 */
static void PRINTF(1, 0) say(const char *fmt, va_list ap)
{
	char *text = NULL, *escaped;

	if (vasprintf(&text, fmt, ap) < 0) {
		fputs("ipmesh: out of memory\n", stderr);
		return;
	}
	escaped = name_escape(text);
	if (escaped) {
		free(text);
		text = escaped;
	}
	if (divert) {
		divert(text);
		free(text);
		return;
	}
	/* What went to standard output before comes before. */
	fflush(stdout);
	fprintf(stderr, "ipmesh: %s\n", text);
	free(text);
}

int err_refused(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return EXIT_REFUSED;
}

int err_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return EXIT_USAGE;
}

void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

int err_unknown(const char *cmd, const char *word)
{
	return err_usage("%s: unknown word \"%s\"; see ipmesh %s --help", cmd,
			 err_safe(word), cmd);
}

int err_missing(const char *cmd, const char *what)
{
	return err_usage("%s: %s is missing; see ipmesh %s --help", cmd, what,
			 cmd);
}

int err_novalue(const char *cmd, const char *word)
{
	return err_usage("%s: \"%s\" needs a value; see ipmesh %s --help", cmd,
			 word, cmd);
}

int err_twice(const char *cmd, const char *word)
{
	return err_usage("%s: \"%s\" is given twice; name it once", cmd,
			 err_safe(word));
}

int err_value(const char *word, const char *value, const char *wanted)
{
	return err_usage("%s: \"%s\" is not %s", word, err_safe(value), wanted);
}

static void *__attribute__((returns_nonnull)) need(void *p)
{
	if (!p) {
		fputs("ipmesh: out of memory\n", stderr);
		exit(EXIT_REFUSED);
	}
	return p;
}

void *xmalloc(size_t size)
{
	return need(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return need(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t size)
{
	return need(realloc(p, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return need(strdup(s));
}

char *xasprintf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return need(n < 0 ? NULL : s);
}

void *xgrow(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap ? *cap * 2 : 8;
	if (*cap > SIZE_MAX / size)
		return need(NULL);
	return xrealloc(array, *cap * size);
}

const char *err_safe(const char *s)
{
	static char bufs[8][100];
	static unsigned int turn;
	char *buf = bufs[turn++ % 8];
	size_t max = sizeof(bufs[0]) - 4, n;

	n = strnlen(s, max + 1);
	memcpy(buf, s, n > max ? max : n);
	if (n > max) {
		/* Not in the middle of a UTF-8 character. */
		for (n = max; n && (buf[n - 1] & 0xc0) == 0x80; n--)
			;
		if (n && (buf[n - 1] & 0x80))
			n--;
		memcpy(buf + n, "...", 3);
		n += 3;
	}
	buf[n] = '\0';
	return buf;
}
