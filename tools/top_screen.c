// SPDX-License-Identifier: GPL-2.0-or-later
/* The screen of ipmesh top, by ncurses. */
#include <errno.h>
#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "err.h"
#include "out.h"
#include "top.h"

/* Lines above the peers: a summary, and the heads. */
#define HEAD_LINES	2
#define NAME_MIN	8

enum { PAIR_BAD = 1, PAIR_WARN };

static struct {
	size_t first;			/* row on the first line */
	bool asking;			/* the filter is being written */
	bool colour;
	SCREEN *screen;
} s;

static void leave(void)
{
	if (s.screen && !isendwin())
		endwin();
	if (s.screen)
		delscreen(s.screen);
	s.screen = NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How many bytes of it the first @max columns are. */
static int bytes_of(const char *text, int max)
{
	const char *c = text;
	unsigned int n, w;

	while (*c) {
		n = out_char(c, &w);
		max -= (int)w;
		if (max < 0)
			break;
		c += n;
	}
	return (int)(c - text);
}

static int columns(const char *text)
{
	return (int)out_width(text);
}

static void put(int y, int x, const char *text, bool right, int w)
{
	int have = columns(text);

	if (x >= COLS || w <= 0)
		return;
	if (x + w > COLS)
		w = COLS - x;
	if (have > w)
		have = w;
	mvaddnstr(y, right ? x + w - have : x, text, bytes_of(text, w));
}

/* Which column is that of the key. */
static unsigned int key_column(enum top_key key)
{
	static const unsigned int column[] = {
		[TOP_RX] = 3, [TOP_TX] = 5, [TOP_RXP] = 4, [TOP_TXP] = 6,
		[TOP_DROPS] = 7, [TOP_HEARD] = 8, [TOP_NAME] = 2, [TOP_ENDPOINT] = 1,
	};

	return column[key];
}

static void draw_summary(const struct top *t)
{
	char line[256];

	if (s.asking)
		snprintf(line, sizeof(line), "filter: %s_", t->filter);
	else if (*t->note)
		snprintf(line, sizeof(line), "%s; waiting for it (q ends)", t->note);
	else
		snprintf(line, sizeof(line), "%s: %zu of %zu peers, every %.3g s, by %s%s%s%s",
			 t->dev ? t->dev : "ipmesh", t->n, t->total, t->interval,
			 top_key_words[t->key], t->reverse ? " reversed" : "",
			 *t->filter ? ", filter " : "", t->filter);
	if (*t->note && s.colour)
		attron(COLOR_PAIR(PAIR_BAD));
	put(0, 0, line, false, COLS);
	attrset(A_NORMAL);
}

static void draw(const struct top *t)
{
	char (*cell)[TOP_COLUMNS][80];
	unsigned int first = top_many_devices(t) ? 0 : 1;
	size_t lines = LINES > HEAD_LINES ? (size_t)(LINES - HEAD_LINES) : 0, n;
	int w[TOP_COLUMNS], x = 0, over;

	erase();
	if (s.first + lines > t->n)
		s.first = t->n > lines ? t->n - lines : 0;
	n = t->n - s.first < lines ? t->n - s.first : lines;
	cell = xcalloc(n, sizeof(*cell));
	for (unsigned int c = 0; c < TOP_COLUMNS; c++)
		w[c] = columns(top_heads[c]) + (c == 4 || c == 6);
	for (size_t i = 0; i < n; i++) {
		top_cells(t, &t->row[s.first + i], cell[i]);
		for (unsigned int c = first; c < TOP_COLUMNS; c++)
			if (columns(cell[i][c]) > w[c])
				w[c] = columns(cell[i][c]);
	}
	/* Names give way on a narrow terminal. */
	for (unsigned int c = first; c < TOP_COLUMNS; c++)
		x += w[c] + 2;
	over = x - 2 - COLS;
	if (over > 0)
		w[2] = w[2] - over > NAME_MIN ? w[2] - over : NAME_MIN;

	draw_summary(t);
	attron(A_REVERSE);
	mvhline(1, 0, ' ', COLS);
	x = 0;
	for (unsigned int c = first; c < TOP_COLUMNS; c++) {
		bool right = top_heads[c][0] == '>';

		if (c == key_column(t->key))
			attron(A_BOLD);
		put(1, x, top_heads[c] + right, right, w[c]);
		attroff(A_BOLD);
		x += w[c] + 2;
	}
	attrset(A_NORMAL);
	for (size_t i = 0; i < n; i++) {
		const struct top_row *r = &t->row[s.first + i];

		x = 0;
		for (unsigned int c = first; c < TOP_COLUMNS; c++) {
			if (s.colour && c == 7 && r->dropped)
				attron(COLOR_PAIR(PAIR_WARN));
			if (c == 8 && top_silent(r))
				attron(s.colour ? (attr_t)COLOR_PAIR(PAIR_BAD) : A_BOLD);
			put(HEAD_LINES + (int)i, x, cell[i][c],
			    top_heads[c][0] == '>', w[c]);
			attrset(A_NORMAL);
			x += w[c] + 2;
		}
	}
	free(cell);
	refresh();
}

static void write_filter(struct top *t, int key)
{
	size_t n = strlen(t->filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		s.asking = false;
	} else if (key == 27) {
		t->filter[0] = '\0';
		s.asking = false;
	} else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
		while (n && ((unsigned char)t->filter[n - 1] & 0xc0) == 0x80)
			n--;
		t->filter[n ? n - 1 : 0] = '\0';
	} else if (key >= ' ' && key < 256 && n + 1 < sizeof(t->filter)) {
		t->filter[n] = (char)key;
		t->filter[n + 1] = '\0';
	}
}

static void sort_by(struct top *t, int step)
{
	t->key = (enum top_key)(((int)t->key + TOP_KEYS + step) % TOP_KEYS);
}

/* False: the user has enough. */
static bool pressed(struct top *t, int key)
{
	static const char letters[] = "RTPSDHNE";	/* by enum top_key */
	const char *l;
	size_t page = LINES > HEAD_LINES ? (size_t)(LINES - HEAD_LINES) : 1;

	if (s.asking) {
		write_filter(t, key);
		return true;
	}
	l = key > 0 && key < 128 ? strchr(letters, key) : NULL;
	if (l)
		t->key = (enum top_key)(l - letters);
	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case 'r':
		t->reverse = !t->reverse;
		break;
	case 'f':
	case '/':
		s.asking = true;
		break;
	case '<':
	case KEY_LEFT:
		sort_by(t, -1);
		break;
	case '>':
	case KEY_RIGHT:
		sort_by(t, 1);
		break;
	case '+':
		t->interval = t->interval < 1800 ? t->interval * 2 : 3600;
		break;
	case '-':
		t->interval = t->interval > 0.2 ? t->interval / 2 : 0.1;
		break;
	case KEY_DOWN:
		s.first++;
		break;
	case KEY_UP:
		s.first -= s.first > 0;
		break;
	case KEY_NPAGE:
		s.first += page;
		break;
	case KEY_PPAGE:
		s.first -= s.first < page ? s.first : page;
		break;
	case KEY_HOME:
		s.first = 0;
		break;
	default:
		break;
	}
	return true;
}

static bool begin(bool colour)
{
	s.screen = newterm(NULL, stdout, stdin);
	if (!s.screen)
		return false;
	atexit(leave);
	cbreak();
	noecho();
	keypad(stdscr, true);
	nodelay(stdscr, true);
	curs_set(0);
	set_escdelay(25);
	s.colour = colour && has_colors() && start_color() == OK;
	if (s.colour) {
		use_default_colors();
		init_pair(PAIR_BAD, COLOR_RED, -1);
		init_pair(PAIR_WARN, COLOR_YELLOW, -1);
	}
	return true;
}

int top_screen(struct top *t, uint32_t iterations, bool colour)
{
	const char *term = getenv("TERM");
	bool going = true;
	double next, left;
	uint32_t i = 0;
	int key;

	if (!begin(colour))
		return err_refused("top: the terminal \"%s\" is not known: set TERM, or say -b",
				   err_safe(term ? term : ""));
	draw(t);
	next = now() + t->interval;
	while (going && !top_signal && (!iterations || i < iterations)) {
		left = next - now();
		/* SIGWINCH ends the wait too, and is a key to ncurses. */
		if (left <= 0 || top_wait(left, true)) {
			i++;
			top_look(t);
			next = now() + t->interval;
		}
		while (going && (key = getch()) != ERR) {
			going = pressed(t, key);
			if (key == ' ' && !s.asking)
				next = 0;
			else if (now() + t->interval < next)
				next = now() + t->interval;
			if (key == KEY_RESIZE)
				clear();
			top_arrange(t);
		}
		/* What is at the other end of it has gone. */
		if (!isatty(STDIN_FILENO))
			going = false;
		if (going && !top_signal)
			draw(t);
	}
	leave();
	return EXIT_DONE;
}
