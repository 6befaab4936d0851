// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh top: live rates by peer. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "err.h"
#include "number.h"
#include "out.h"
#include "rtlink.h"
#include "top.h"

static const char usage[] =
	"Usage: ipmesh top [DEV] [-d SECONDS] [-n N] [-b] [-o KEY] [-r] [-f TEXT]\n"
	"\n"
	"Rates of each peer, looked at anew every other second.\n"
	"\n"
	"  -d SECONDS    the interval, from 0.1 to 3600 (default: 2)\n"
	"  -n N          end after N intervals\n"
	"  -b            for a pipe or a file: tables one after the other; with -j a line\n"
	"                of JSON each, with the exact counts\n"
	"  -o KEY        sort by rx, tx (bytes), rxp, txp (packets), drops, heard, name or\n"
	"                endpoint (default: rx)\n"
	"  -r            the other way round\n"
	"  -f TEXT       only peers whose name or endpoint has it\n"
	"\n"
	"Keys: q end; < > or a column's letter (R T P S D H N E) sort; r reverse; f filter;\n"
	"+ - interval; arrows, page up and down move; space looks at once.\n";

/* A peer that was sent to, and has not answered for so long, is marked. */
#define SILENT_MS	10000

const char *const top_key_words[] = {
	[TOP_RX] = "rx", [TOP_TX] = "tx", [TOP_RXP] = "rxp", [TOP_TXP] = "txp",
	[TOP_DROPS] = "drops", [TOP_HEARD] = "heard", [TOP_NAME] = "name",
	[TOP_ENDPOINT] = "endpoint", NULL
};

const char *const top_heads[TOP_COLUMNS + 1] = {
	"DEVICE", "ENDPOINT", "NAME", ">RX/s", ">PKT/s", ">TX/s", ">PKT/s",
	">DROPS/s", ">HEARD", NULL
};

struct top_device {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	struct peers peers;
};

struct top_look {
	struct top_device *v;
	size_t n;
	struct timespec at;
};

volatile int top_signal;

static void on_signal(int sig)
{
	top_signal = sig;
}

static void look_free(struct top_look *k)
{
	for (size_t i = 0; k && i < k->n; i++)
		peers_free(&k->v[i].peers);
	if (k)
		free(k->v);
	free(k);
}

static int read_look(struct top *t, struct top_look *k)
{
	struct rtlinks links = { 0 };
	int e = rtlink_dump(t->nl, IPMESH_KIND, &links);

	k->v = xcalloc(links.n, sizeof(*k->v));
	for (size_t i = 0; i < links.n && !e; i++) {
		struct top_device *d = &k->v[k->n];

		if (t->dev && strcmp(links.v[i].name, t->dev))
			continue;
		e = genlpeer_dump(t->nl, links.v[i].ifindex, &d->peers);
		d->ifindex = links.v[i].ifindex;
		memcpy(d->name, links.v[i].name, sizeof(d->name));
		if (!e)
			k->n++;
		else
			peers_free(&d->peers);
		/* It went away in between. */
		if (e == -ENODEV)
			e = 0;
	}
	rtlinks_free(&links);
	clock_gettime(CLOCK_MONOTONIC, &k->at);
	return e ? e : k->n ? 0 : -ENODEV;
}

/* A counter that fell is that of a peer made anew. */
static uint64_t since(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static void make_row(struct top_row *r, const struct top_device *d,
		     const struct peer *p, const struct peer *old)
{
	static const struct peer_stats none;
	const struct peer_stats *b = old ? &old->stats : &none;

	memset(r, 0, sizeof(*r));
	memcpy(r->device, d->name, sizeof(r->device));
	memcpy(r->name, p->name, sizeof(r->name));
	r->endpoint = p->endpoint;
	r->now = p->stats;
	r->rx_packets = since(p->stats.rx_packets, b->rx_packets);
	r->rx_bytes = since(p->stats.rx_bytes, b->rx_bytes);
	r->tx_packets = since(p->stats.tx_packets, b->tx_packets);
	r->tx_bytes = since(p->stats.tx_bytes, b->tx_bytes);
	r->dropped = since(drops_total(&p->stats.drops), drops_total(&b->drops));
}

static bool passes(const struct top *t, const struct top_row *r)
{
	return !*t->filter || strcasestr(r->name, t->filter) ||
	       strcasestr(addr_str(&r->endpoint), t->filter);
}

static const struct top *sorting;

static int more(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

static int by_key(const void *x, const void *y)
{
	const struct top_row *a = x, *b = y;
	int c = 0;

	switch (sorting->key) {
	case TOP_RX:
		c = more(a->rx_bytes, b->rx_bytes);
		break;
	case TOP_TX:
		c = more(a->tx_bytes, b->tx_bytes);
		break;
	case TOP_RXP:
		c = more(a->rx_packets, b->rx_packets);
		break;
	case TOP_TXP:
		c = more(a->tx_packets, b->tx_packets);
		break;
	case TOP_DROPS:
		c = more(a->dropped, b->dropped);
		break;
	case TOP_HEARD:
		/* Longest ago first, and never before all. */
		c = more(a->now.heard ? a->now.last_rx_ms : UINT64_MAX,
			 b->now.heard ? b->now.last_rx_ms : UINT64_MAX);
		break;
	case TOP_NAME:
		c = strcmp(a->name, b->name);
		break;
	case TOP_ENDPOINT:
	case TOP_KEYS:
		break;
	}
	if (!c)
		c = addr_cmp(&a->endpoint, &b->endpoint);
	if (!c)
		c = strcmp(a->device, b->device);
	return sorting->reverse ? -c : c;
}

void top_arrange(struct top *t)
{
	struct top_row r;

	t->n = 0;
	for (size_t i = 0; i < t->total; i++) {
		if (!passes(t, &t->row[i]))
			continue;
		r = t->row[i];
		t->row[i] = t->row[t->n];
		t->row[t->n++] = r;
	}
	sorting = t;
	if (t->n)
		qsort(t->row, t->n, sizeof(*t->row), by_key);
}

int top_look(struct top *t)
{
	struct top_look *k = xcalloc(1, sizeof(*k)), *old = t->look;
	int e = read_look(t, k);
	size_t cap = 0;

	t->n = t->total = 0;
	t->note[0] = '\0';
	if (e == -ENODEV)
		snprintf(t->note, sizeof(t->note), "%s%s", t->dev ? t->dev : "",
			 t->dev ? " is gone" : "no ipmesh device is there");
	else if (e)
		snprintf(t->note, sizeof(t->note), "%s", nl_error(t->nl, e));
	free(t->row);
	t->row = NULL;
	t->seconds = !old ? 0 : (double)(k->at.tv_sec - old->at.tv_sec) +
		     (double)(k->at.tv_nsec - old->at.tv_nsec) / 1e9;
	for (size_t i = 0; i < k->n && !e; i++) {
		const struct top_device *d = &k->v[i], *od = NULL;

		for (size_t j = 0; old && j < old->n; j++)
			if (old->v[j].ifindex == d->ifindex)
				od = &old->v[j];
		for (size_t j = 0; j < d->peers.n; j++) {
			const struct peer *p = &d->peers.v[j];

			t->row = xgrow(t->row, t->total, &cap, sizeof(*t->row));
			make_row(&t->row[t->total++], d, p,
				 od ? peers_find(&od->peers, &p->endpoint) : old ? NULL : p);
		}
	}
	top_arrange(t);
	look_free(old);
	t->look = k;
	return e;
}

void top_free(struct top *t)
{
	look_free(t->look);
	free(t->row);
}

bool top_silent(const struct top_row *r)
{
	return r->tx_packets && !r->rx_packets &&
	       (!r->now.heard || r->now.last_rx_ms > SILENT_MS);
}

bool top_many_devices(const struct top *t)
{
	return t->look && t->look->n > 1;
}

static uint64_t rate(const struct top *t, uint64_t n)
{
	return t->seconds > 0 ? (uint64_t)((double)n / t->seconds + 0.5) : 0;
}

void top_cells(const struct top *t, const struct top_row *r,
	       char cell[TOP_COLUMNS][80])
{
	const size_t size = sizeof(cell[0]);
	unsigned int c = 0;

	snprintf(cell[c++], size, "%s", r->device);
	snprintf(cell[c++], size, "%s", addr_str(&r->endpoint));
	snprintf(cell[c++], size, "%s", *r->name ? err_safe(r->name) : "-");
	snprintf(cell[c++], size, "%s", out_bytes(rate(t, r->rx_bytes)));
	snprintf(cell[c++], size, "%" PRIu64, rate(t, r->rx_packets));
	snprintf(cell[c++], size, "%s", out_bytes(rate(t, r->tx_bytes)));
	snprintf(cell[c++], size, "%" PRIu64, rate(t, r->tx_packets));
	snprintf(cell[c++], size, "%" PRIu64, rate(t, r->dropped));
	if (r->now.heard)
		snprintf(cell[c++], size, "%s ago", out_age(r->now.last_rx_ms));
	else
		snprintf(cell[c++], size, "never");
}

static void batch_row(const struct top *t, const struct top_row *r, bool device)
{
	char cell[TOP_COLUMNS][80];

	top_cells(t, r, cell);
	for (unsigned int c = device ? 0 : 1; c < TOP_COLUMNS; c++) {
		out_text("%s", cell[c]);
		if (c + 1 < TOP_COLUMNS)
			out_cell();
	}
	out_row();
	out_obj(NULL);
	out_str("device", NULL, r->device);
	out_str("endpoint", NULL, addr_str(&r->endpoint));
	if (*r->name)
		out_str("name", NULL, r->name);
	else
		out_null("name", NULL);
	out_u64("rx_bytes", NULL, r->rx_bytes);
	out_u64("rx_packets", NULL, r->rx_packets);
	out_u64("tx_bytes", NULL, r->tx_bytes);
	out_u64("tx_packets", NULL, r->tx_packets);
	out_u64("dropped", NULL, r->dropped);
	if (r->now.heard)
		out_u64("last_rx_ms", NULL, r->now.last_rx_ms);
	else
		out_null("last_rx_ms", NULL);
	out_bool("silent", NULL, top_silent(r));
	out_end();
}

static int batch(struct top *t, uint32_t iterations)
{
	bool device = top_many_devices(t);
	int rc = EXIT_DONE;

	for (uint32_t i = 0; (!iterations || i < iterations) && !rc; i++) {
		if (!top_wait(t->interval, false))
			break;
		if (top_look(t))
			return err_refused("top: %s", t->note);
		out_text("%s", i ? "\n" : "");
		device |= top_many_devices(t);
		out_obj(NULL);
		out_u64("milliseconds", NULL, (uint64_t)(t->seconds * 1000 + 0.5));
		out_arr("peers");
		out_table(top_heads + !device);
		for (size_t k = 0; k < t->n; k++)
			batch_row(t, &t->row[k], device);
		out_table_end();
		out_end();
		out_end();
		rc = out_flush();
	}
	return rc;
}

bool top_wait(double seconds, bool keys)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	struct timespec t = { .tv_sec = (time_t)seconds };
	sigset_t block, old;
	int n = 0;

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGHUP);
	sigprocmask(SIG_BLOCK, &block, &old);
	if (!top_signal)
		n = ppoll(keys ? &in : NULL, keys, &t, &old);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return !top_signal && !n;
}

static bool read_seconds(const char *v, double *seconds)
{
	char *end;

	/* Neither "inf" nor "1e3": digits and a point. */
	if (v[strspn(v, "0123456789.")])
		return false;
	*seconds = strtod(v, &end);
	return end != v && !*end && *seconds >= 0.1 && *seconds <= 3600;
}

struct request {
	const char *seconds, *number, *key, *filter;
	uint32_t n;
	bool batch;
};

static void read_values(struct args *a, struct top *t, struct request *q)
{
	uint64_t n;

	if (q->seconds && !read_seconds(q->seconds, &t->interval))
		a->status = err_value("top: -d", q->seconds, "a number of seconds from 0.1 to 3600");
	if (q->number && !number_read(q->number, 1, UINT32_MAX, &n))
		a->status = err_value("top: -n", q->number, "a number from 1 to 4294967295");
	else if (q->number)
		q->n = (uint32_t)n;
	if (q->filter && strlen(q->filter) >= sizeof(t->filter))
		a->status = err_value("top: -f", q->filter, "a text of 1 to 63 bytes");
	else if (q->filter)
		strcpy(t->filter, q->filter);
	if (!q->key)
		return;
	for (t->key = 0; t->key < TOP_KEYS && strcmp(q->key, top_key_words[t->key]); t->key++)
		;
	if (t->key == TOP_KEYS)
		a->status = err_value("top: -o", q->key, "rx, tx, rxp, txp, drops, heard, name or endpoint");
}

static void words(struct args *a, struct top *t, struct request *q)
{
	const char *w;

	while (*a->at && !a->status && !a->help) {
		if (args_flag(a, "-b", NULL, &q->batch) || args_flag(a, "-r", NULL, &t->reverse) ||
		    args_option_once(a, "-d", NULL, &q->seconds) ||
		    args_option_once(a, "-n", NULL, &q->number) ||
		    args_option_once(a, "-o", NULL, &q->key) ||
		    args_option_once(a, "-f", NULL, &q->filter))
			continue;
		w = args_word(a);
		if (!w)
			break;
		if (t->dev)
			a->status = err_unknown("top", w);
		else if (rtlink_check_name(w))
			args_wrong(a, "DEV", rtlink_check_name(w));
		t->dev = w;
	}
	if (!a->status && !a->help)
		read_values(a, t, q);
}

static int run(struct top *t, const struct request *q)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct rtlink l;
	int rc = t->dev ? rtlink_find(t->nl, t->dev, &l) : EXIT_DONE;

	if (rc)
		return rc;
	/* From here on they end the wait. */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	if (top_look(t) && (q->batch || out_is_json()))
		return err_refused("top: %s", t->note);
	if (q->batch || out_is_json())
		return batch(t, q->n);
	return top_screen(t, q->n, options.colour != COLOUR_NEVER &&
			  (options.colour == COLOUR_ALWAYS || !getenv("NO_COLOR")));
}

int cmd_top(int argc, char **argv)
{
	struct args a = { .cmd = "top", .at = argv + 1 };
	struct top t = { .interval = 2 };
	struct request q = { 0 };
	int rc;

	(void)argc;
	if (argv[1] && !strcmp(argv[1], "help"))
		return cmd_help(usage);
	words(&a, &t, &q);
	if (a.help)
		return cmd_help(usage);
	if (a.status)
		return a.status;
	if (!q.batch && !out_is_json() && (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)))
		return err_usage("top: standard input or output is no terminal; say -b");
	t.nl = nl_open();
	rc = run(&t, &q);
	top_free(&t);
	nl_close(t.nl);
	if (top_signal) {
		/* As a program that has no handler ends. */
		signal(top_signal, SIG_DFL);
		raise(top_signal);
	}
	return rc;
}
