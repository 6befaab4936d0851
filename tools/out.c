// SPDX-License-Identifier: GPL-2.0-or-later
/* Output: one call gives text or JSON. */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "name.h"
#include "out.h"

#define DEPTH_MAX 16

/*
 * JSON grows as text: a tree of it would cost more time than all the rest for
 * some thousand peers. It is printed when it is whole, so that a refusal on
 * the way leaves nothing behind.
 */
static struct {
	bool json, pretty, colour;
	char *buf;
	size_t len, cap;
	unsigned int depth;
	struct {
		bool array, filled;
	} level[DEPTH_MAX];
} o;

/*
 * The open table: cells one after another, a row has n_heads of them. Their
 * texts stand in one buffer, each with its NUL: thousands of rows have tens of
 * thousands of cells.
 */
struct cell {
	size_t at;
	unsigned int width;
};

static struct {
	const char *const *heads;
	unsigned int n_heads;
	struct cell *cells;
	size_t n, cap;
	char *buf;
	size_t len, buf_cap;
	size_t from;			/* of the cell that is being written */
} t;

void out_init(bool json, bool pretty, bool colour)
{
	o.json = json;
	o.pretty = pretty;
	o.colour = colour && !json;
}

bool out_is_json(void)
{
	return o.json;
}

/* Room for @n more bytes in the table's buffer, where they go to. */
static char *room(size_t n)
{
	if (t.len + n > t.buf_cap) {
		t.buf_cap = (t.len + n) * 2;
		t.buf = xrealloc(t.buf, t.buf_cap);
	}
	return t.buf + t.len;
}

static void PRINTF(1, 0) text(const char *fmt, va_list ap)
{
	va_list again;
	size_t size = 64;
	int n;

	if (!t.heads) {
		vprintf(fmt, ap);
		return;
	}
	va_copy(again, ap);
	n = vsnprintf(room(size), size, fmt, ap);
	if (n >= (int)size) {
		size = (size_t)n + 1;
		n = vsnprintf(room(size), size, fmt, again);
	}
	va_end(again);
	if (n > 0)
		t.len += (size_t)n;
}

static void plain(const char *s)
{
	size_t n = strlen(s);

	if (!t.heads) {
		fputs(s, stdout);
		return;
	}
	memcpy(room(n), s, n);
	t.len += n;
}

void out_text(const char *fmt, ...)
{
	va_list ap;

	if (o.json)
		return;
	va_start(ap, fmt);
	text(fmt, ap);
	va_end(ap);
}

static void put(const char *s, size_t n)
{
	if (o.len + n > o.cap) {
		o.cap = (o.len + n) * 2;
		o.buf = xrealloc(o.buf, o.cap);
	}
	memcpy(o.buf + o.len, s, n);
	o.len += n;
}

static void put_line(void)
{
	if (!o.pretty)
		return;
	put("\n", 1);
	for (unsigned int i = 0; i < o.depth; i++)
		put("    ", 4);
}

static void put_string(const char *s)
{
	const char *c = s;
	json_t *v;
	char *e;

	/* Nearly all are plain; for the rest jansson knows how. */
	while (*c >= ' ' && *c < 127 && *c != '"' && *c != '\\')
		c++;
	if (!*c) {
		put("\"", 1);
		put(s, (size_t)(c - s));
		put("\"", 1);
		return;
	}
	/* Only a text that is no UTF-8 gives NULL. */
	v = json_string(s);
	e = v ? json_dumps(v, JSON_ENCODE_ANY) : NULL;
	put(e ? e : "\"?\"", e ? strlen(e) : 3);
	free(e);
	json_decref(v);
}

/* What stands before a value: a comma, and the key in an object. */
static void put_key(const char *key)
{
	if (!o.depth)
		return;
	if (o.level[o.depth - 1].filled)
		put(",", 1);
	o.level[o.depth - 1].filled = true;
	put_line();
	if (o.level[o.depth - 1].array)
		return;
	put_string(key ? key : "");
	put(": ", o.pretty ? 2 : 1);
}

static void put_word(const char *key, const char *word)
{
	put_key(key);
	put(word, strlen(word));
}

static void open_level(const char *key, bool array)
{
	/* Deeper than any of ours. */
	if (o.depth == DEPTH_MAX)
		abort();
	put_key(key);
	put(array ? "[" : "{", 1);
	o.level[o.depth].array = array;
	o.level[o.depth++].filled = false;
}

void out_obj(const char *key)
{
	if (o.json)
		open_level(key, false);
}

void out_arr(const char *key)
{
	if (o.json)
		open_level(key, true);
}

void out_end(void)
{
	bool filled;

	if (!o.json || !o.depth)
		return;
	filled = o.level[--o.depth].filled;
	if (filled)
		put_line();
	put(o.level[o.depth].array ? "]" : "}", 1);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

void out_str(const char *key, const char *fmt, const char *value)
{
	if (!o.json && fmt) {
		char *escaped = name_escape(value);
		const char *shown = escaped ? escaped : value;

		/* The usual one. */
		if (!strcmp(fmt, "%s"))
			plain(shown);
		else
			out_text(fmt, shown);
		free(escaped);
	}
	if (!o.json || !key)
		return;
	put_key(key);
	put_string(value);
}

void out_u64(const char *key, const char *fmt, uint64_t value)
{
	char digits[20], *s = digits + sizeof(digits);
	uint64_t n = value;

	if (!o.json && fmt)
		out_text(fmt, value);
	if (!o.json || !key)
		return;
	do
		*--s = (char)('0' + n % 10);
	while (n /= 10);
	put_key(key);
	put(s, (size_t)(digits + sizeof(digits) - s));
}

#pragma GCC diagnostic pop

void out_bool(const char *key, const char *text_if_true, bool value)
{
	if (!o.json && text_if_true && value)
		out_text("%s", text_if_true);
	else if (o.json && key)
		put_word(key, value ? "true" : "false");
}

void out_null(const char *key, const char *what)
{
	if (!o.json && what)
		out_text("%s", what);
	else if (o.json && key)
		put_word(key, "null");
}

void out_mark(enum out_mark m)
{
	static const char *const code[] = {
		[OUT_PLAIN] = "\033[0m", [OUT_GOOD] = "\033[32m",
		[OUT_WARN] = "\033[33m", [OUT_BAD] = "\033[31m",
		[OUT_BOLD] = "\033[1m", [OUT_DIM] = "\033[2m",
	};

	if (o.colour)
		out_text("%s", code[m]);
}

unsigned int out_char(const char *s, unsigned int *columns)
{
	mbstate_t state = { 0 };
	wchar_t w;
	size_t n = mbrtowc(&w, s, strlen(s), &state);
	int wide;

	if (!n || n > strlen(s)) {
		/* No UTF-8, or a locale that knows none. */
		*columns = ((unsigned char)*s & 0xc0) != 0x80;
		return 1;
	}
	wide = wcwidth(w);
	*columns = wide >= 0 ? (unsigned int)wide : 1;
	return (unsigned int)n;
}

unsigned int out_width(const char *s)
{
	unsigned int n = 0, columns;

	for (;;) {
		for (; *s >= ' ' && *s < 127; s++)
			n++;
		if (!*s)
			return n;
		if (*s == '\033') {
			s += strcspn(s, "m");
			s += *s == 'm';
			continue;
		}
		s += out_char(s, &columns);
		n += columns;
	}
}

void out_table(const char *const *heads)
{
	if (o.json)
		return;
	for (t.n_heads = 0; heads[t.n_heads]; t.n_heads++)
		;
	t.heads = heads;
}

static void add_cell(void)
{
	*room(1) = '\0';
	t.len++;
	t.cells = xgrow(t.cells, t.n, &t.cap, sizeof(*t.cells));
	t.cells[t.n++] = (struct cell){ t.from, out_width(t.buf + t.from) };
	t.from = t.len;
}

void out_cell(void)
{
	if (t.heads)
		add_cell();
}

void out_row(void)
{
	if (!t.heads)
		return;
	/* The last cell needs no out_cell(); cells left out are empty. */
	do {
		add_cell();
	} while (t.n % t.n_heads);
}

static void spaces(unsigned int n)
{
	static const char some[] = "                                ";

	for (; n >= sizeof(some); n -= sizeof(some) - 1)
		fwrite(some, 1, sizeof(some) - 1, stdout);
	fwrite(some, 1, n, stdout);
}

static void print_cell(const char *s, unsigned int have, bool right,
		       unsigned int w, bool last)
{
	if (right)
		spaces(w - have);
	fputs(s, stdout);
	if (last)
		putchar('\n');
	else
		spaces(right ? 2 : w - have + 2);
}

void out_table_end(void)
{
	unsigned int *w, n = t.n_heads;

	if (!t.heads || !n)
		return;
	w = xcalloc(n, sizeof(*w));
	for (unsigned int i = 0; i < n; i++)
		w[i] = out_width(t.heads[i] + (t.heads[i][0] == '>'));
	for (size_t i = 0; i < t.n; i++)
		if (t.cells[i].width > w[i % n])
			w[i % n] = t.cells[i].width;
	for (unsigned int i = 0; i < n; i++) {
		bool right = t.heads[i][0] == '>';
		const char *head = t.heads[i] + right;

		print_cell(head, out_width(head), right, w[i], i == n - 1);
	}
	for (size_t i = 0; i < t.n; i++)
		print_cell(t.buf + t.cells[i].at, t.cells[i].width,
			   t.heads[i % n][0] == '>', w[i % n], i % n == n - 1);
	free(w);
	free(t.cells);
	free(t.buf);
	memset(&t, 0, sizeof(t));
}

int out_flush(void)
{
	if (o.len) {
		put("\n", 1);
		fwrite(o.buf, 1, o.len, stdout);
		free(o.buf);
		o.buf = NULL;
		o.len = o.cap = 0;
	}
	if (fflush(stdout) || ferror(stdout)) {
		/* The reader went away, as head does: nothing to tell. */
		if (errno == EPIPE)
			return EXIT_REFUSED;
		return err_refused("cannot write to standard output: %s",
				   strerror(errno));
	}
	return EXIT_DONE;
}

const char *out_bytes(uint64_t bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	static char bufs[8][24];
	static unsigned int turn;
	char *buf = bufs[turn++ % 8];
	double v = (double)bytes;
	unsigned int u = 0;

	for (; v >= 1023.95 && u + 1 < sizeof(unit) / sizeof(unit[0]); u++)
		v /= 1024;
	if (u)
		snprintf(buf, sizeof(bufs[0]), v < 99.95 ? "%.1f %s" : "%.0f %s",
			 v, unit[u]);
	else
		snprintf(buf, sizeof(bufs[0]), "%" PRIu64 " B", bytes);
	return buf;
}

const char *out_age(uint64_t ms)
{
	static char bufs[8][40];
	static unsigned int turn;
	char *buf = bufs[turn++ % 8];
	uint64_t s = ms / 1000;
	size_t size = sizeof(bufs[0]);

	if (s < 60)
		snprintf(buf, size, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(buf, size, "%" PRIu64 "m%02us", s / 60,
			 (unsigned int)(s % 60));
	else if (s < 86400)
		snprintf(buf, size, "%" PRIu64 "h%02um", s / 3600,
			 (unsigned int)(s / 60 % 60));
	else
		snprintf(buf, size, "%" PRIu64 "d%02uh", s / 86400,
			 (unsigned int)(s / 3600 % 24));
	return buf;
}
