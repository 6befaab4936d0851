// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * apply --watch: each time that the stream, or the kernel, has told of changes
 * and is quiet again, one pass makes the kernel's state what is wanted.
 */
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apply.h"
#include "diff.h"
#include "err.h"
#include "listen.h"
#include "objects.h"
#include "out.h"
#include "stream.h"
#include "watch.h"

/* Milliseconds. Changes are joined until none came for so long, but not longer
 * than that.
 */
#define QUIET		200
#define BURST_MOST	2000

/* After a refusal: this and twice as long each time, up to that. */
#define RETRY		1000
#define RETRY_MOST	60000

/* Between two looks at the kernel that take long. */
#define PAUSE_MOST	3000

/* Somebody who undoes what is put back this often within a minute is not
 * answered at once any more.
 */
#define PUT_BACK_MOST	10
#define PUT_BACK_PAUSE	10000

/* What the kernel does not tell of is found in the end. */
#define RESYNC		300000

/* Of the stream, before the kernel is looked at again. */
#define ITEMS_MOST	4096

/* Changes of one kind that wait for quiet. */
struct burst {
	uint64_t first, last;		/* 0: none */
};

struct lines {
	char **v;
	size_t n, cap;
};

struct watch {
	const struct watch_request *r;
	struct doc_set files;
	struct objects objects;
	struct stream *stream;
	struct listen listen;
	struct burst model, kernel;
	uint64_t kernel_after;		/* no pass for the kernel's sake before */
	uint64_t retry, resync;		/* when; NEVER */
	unsigned int refused;		/* passes, one after the other */
	bool putting_back;		/* the refused ones were to put back */
	uint64_t put_back[PUT_BACK_MOST];	/* when, the oldest is overwritten */
	unsigned int put_backs;
	bool settled, held;		/* hold is over; it was told of */
	bool applied;			/* a pass has made all as it is to be */
	struct lines told;		/* of the last pass */
	/* What the last pass found, to know what is of interest. */
	uint32_t ifindex;
	char dev[IFNAMSIZ];
	char table[128];		/* of nftables, with the endpoints; "" */
	bool underlay;			/* routes depend on those of the underlay */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void watch_say(const char *event, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	out_obj(NULL);
	out_str("event", NULL, event);
	out_str("text", "%s\n", text ? text : "out of memory");
	out_end();
	out_flush();
	free(text);
}

static void touch(struct burst *b)
{
	b->last = now_ms();
	if (!b->first)
		b->first = b->last;
}

static uint64_t burst_due(const struct burst *b)
{
	uint64_t most = b->first + BURST_MOST;

	if (!b->first)
		return NEVER;
	return b->last + QUIET < most ? b->last + QUIET : most;
}

/* What a pass says is printed when the one before has not said the same. */
static struct lines said;

static void keep_line(const char *line)
{
	said.v = xgrow(said.v, said.n, &said.cap, sizeof(*said.v));
	said.v[said.n++] = xstrdup(line);
}

static void lines_free(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	memset(l, 0, sizeof(*l));
}

static bool has_line(const struct lines *l, const char *line)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i], line))
			return true;
	return false;
}

static void tell_lines(struct watch *w)
{
	err_divert(NULL);
	for (size_t i = 0; i < said.n; i++)
		if (!has_line(&w->told, said.v[i]))
			warn("%s", said.v[i]);
	lines_free(&w->told);
	w->told = said;
	memset(&said, 0, sizeof(said));
}

/* What has not been named stays while the first list is not over. */
struct stay {
	const struct objects *objects;
	const struct cluster *c;
	const struct want *want;
};

static bool stays(const void *data, const char *peer)
{
	const struct stay *s = data;

	return objects_keep(s->objects, s->c, peer) || want_left_out(s->want, peer);
}

/* --- a pass ---------------------------------------------------------------- */

static void note_put_back(struct watch *w, uint64_t now)
{
	uint64_t *oldest = &w->put_back[w->put_backs++ % PUT_BACK_MOST];

	if (w->put_backs > PUT_BACK_MOST && now - *oldest < 60000) {
		w->kernel_after = now + PUT_BACK_PAUSE;
		watch_say("fight", "somebody else undoes what is put back again and again: the next look is in %us",
			  PUT_BACK_PAUSE / 1000);
	}
	*oldest = now;
}

static void look_for(struct watch *w, const struct want *want, const struct have *h)
{
	w->ifindex = h->exists ? h->link.ifindex : 0;
	snprintf(w->dev, sizeof(w->dev), "%s", want->dev);
	snprintf(w->table, sizeof(w->table), "%s",
		 want->endpoint_set_at ? want->endpoint_set.table : "");
	/* So do MTUs of routes, where the device does not follow its peers. */
	w->underlay = want->mtu || (h->exists && h->link.attrs.link);
	for (size_t i = 0; i < want->n_routes; i++)
		w->underlay |= want->routes[i].kind == WANT_UNDERLAY ||
			       want->routes[i].kind == WANT_LINKED;
}

/* True when all is as it is to be. */
static bool run(struct watch *w, struct want *want, const struct cluster *c,
		bool put_back)
{
	struct nl *nl = nl_open();
	struct stay stay = { &w->objects, c, want };
	struct have h = { 0 };
	struct diff d = { 0 };
	bool good = false;
	size_t held;

	if (have_read(&h, nl, want->dev))
		goto out;
	apply_settle(want, &h);
	if (!diff_compute(&d, want, &h)) {
		apply_advise(want, &h);
		held = diff_keep(&d, stays, &stay, w->objects.hold);
		d.put_back = put_back;
		good = !d.n || !diff_run(&d, nl);
		if (good && d.n && put_back)
			note_put_back(w, now_ms());
		if (held && w->objects.hold && !w->held)
			watch_say("held", "what has not been named yet stays until no more came for %us: %zu removals",
				  w->r->settle, held);
		w->held |= held;
		look_for(w, want, &h);
	}
out:
	diff_free(&d);
	have_free(&h);
	nl_close(nl);
	return good;
}

static void pass(struct watch *w)
{
	uint64_t begun = now_ms(), took, pause;
	bool put_back = w->applied && !w->model.first &&
			(!w->refused || w->putting_back);
	unsigned int wait = RETRY;
	struct cluster c;
	struct want want;
	int ret;

	w->model = w->kernel = (struct burst){ 0 };
	w->retry = NEVER;
	err_divert(keep_line);
	ret = objects_want(&w->objects, &want, &c);
	if (ret > 0 && run(w, &want, &c, put_back)) {
		if (w->refused)
			watch_say("mended", "what was refused is done now");
		w->applied = true;
		w->refused = 0;
	} else if (ret) {
		for (unsigned int i = 0; i < w->refused && wait < RETRY_MOST; i++)
			wait *= 2;
		w->refused++;
		w->putting_back = put_back;
		warn("it is tried again, at the latest after %us", RETRY_MOST / 1000);
		w->retry = now_ms() + (wait < RETRY_MOST ? wait : RETRY_MOST);
	}
	tell_lines(w);
	if (w->objects.undecided && w->retry == NEVER)
		w->retry = now_ms() + RETRY;
	want_free(&want);
	cluster_free(&c);

	/* What others change all the time is to take a part of the time only. */
	took = now_ms() - begun;
	pause = 3 * took < PAUSE_MOST ? 3 * took : PAUSE_MOST;
	if (w->kernel_after < now_ms() + pause)
		w->kernel_after = now_ms() + pause;
	if (w->retry != NEVER && w->kernel_after < w->retry)
		w->kernel_after = w->retry;
	w->resync = now_ms() + RESYNC;
}

/* --- what the kernel tells ------------------------------------------------- */

static bool nft_matters(const struct watch *w, const struct nlmsghdr *nlh)
{
	/* Whatever the message is about, the table's name has this number. */
	const struct nlattr *tb[NFTA_TABLE_NAME + 1];
	char table[128];

	if (nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    (nlh->nlmsg_type & 0xff) == NFT_MSG_NEWGEN)
		return false;
	nl_parse(nlh, sizeof(struct nfgenmsg), tb, NFTA_TABLE_NAME);
	nl_str(table, sizeof(table), tb[NFTA_TABLE_NAME]);
	return !strcmp(table, "ipmesh") || (*w->table && !strcmp(table, w->table));
}

static bool rt_matters(const struct watch *w, const struct nlmsghdr *nlh)
{
	struct nexthop nh;
	struct rtroute r;
	struct rtaddr a;
	struct rtlink l;

	if (rtlink_read(&l, nlh))
		return w->underlay || l.ifindex == w->ifindex ||
		       !strcmp(l.name, w->dev);
	if (rtaddr_read(&a, nlh))
		return w->underlay || a.ifindex == w->ifindex;
	if (rtnexthop_read(&nh, nlh))
		return nh.oif == w->ifindex;
	if (!rtroute_read(&r, nlh) || r.table != RT_TABLE_MAIN)
		return false;
	return w->underlay || r.proto == RTPROT_IPMESH || r.oif == w->ifindex;
}

static void on_message(enum listen_bus bus, const struct nlmsghdr *nlh, void *data)
{
	struct watch *w = data;
	struct peer_event e;
	bool matters = false;

	if (bus == LISTEN_RT) {
		matters = rt_matters(w, nlh);
	} else if (bus == LISTEN_NFT) {
		matters = nft_matters(w, nlh);
	} else if (genlpeer_event(&e, nlh)) {
		matters = e.ifindex == w->ifindex;
		peer_clear(&e.peer);
	}
	if (matters)
		touch(&w->kernel);
}

/* 0 or -errno; messages that were lost may have been about anything. */
static int read_kernel(struct watch *w, enum listen_bus bus)
{
	int e = listen_read(&w->listen, bus, on_message, w);

	if (e == -ENOBUFS) {
		touch(&w->kernel);
		e = 0;
	}
	return e;
}

/* --- the loop -------------------------------------------------------------- */

/* True when the stream has come to its end. */
static bool read_stream(struct watch *w)
{
	struct stream_item item;
	bool end = false;

	for (size_t i = 0; !end && i < ITEMS_MOST && stream_next(w->stream, &item); i++) {
		end = item.what == STREAM_END;
		if (item.what == STREAM_WRONG)
			objects_garbled(&w->objects, item.text);
		else if (!end && objects_event(&w->objects, item.json, now_ms()))
			touch(&w->model);
		json_decref(item.json);
		free(item.text);
	}
	return end;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t kernel_due(const struct watch *w)
{
	uint64_t due = burst_due(&w->kernel);

	/* Before the first list there is nothing to put back. */
	if (due == NEVER || !w->applied)
		return NEVER;
	return due > w->kernel_after ? due : w->kernel_after;
}

static uint64_t pass_due(const struct watch *w)
{
	return least(least(burst_due(&w->model), kernel_due(w)),
		     least(w->retry, w->applied ? w->resync : NEVER));
}

static int timeout(uint64_t due)
{
	uint64_t now = now_ms();

	if (due == NEVER)
		return -1;
	if (due <= now)
		return 0;
	return due - now > 60000 ? 60000 : (int)(due - now);
}

static void tick(struct watch *w)
{
	if (objects_tick(&w->objects, now_ms()))
		touch(&w->model);
	if (!w->objects.hold && !w->settled) {
		w->settled = true;
		if (w->held)
			watch_say("settled", "no new name came for %us: what has not been named goes",
				  w->r->settle);
	}
}

/* What came last is done. */
static int end(struct watch *w)
{
	if (w->model.first)
		pass(w);
	if (w->objects.n && !w->applied && !w->refused)
		return err_refused("the stream ended without node \"%s\"%s: nothing is done; give the right one with --node",
				   err_safe(w->objects.self), w->r->want.node ? "" :
				   " (the name of this host)");
	return w->refused ? EXIT_REFUSED : EXIT_DONE;
}

static int follow(struct watch *w, int signals)
{
	enum { OUT = LISTEN_BUSES, SIGNALS, STREAM, N };
	struct pollfd fds[N];
	int e = 0;

	for (;;) {
		listen_poll(&w->listen, fds);
		/* Without events: whether its reader is still there. */
		fds[OUT] = (struct pollfd){ .fd = STDOUT_FILENO };
		fds[SIGNALS] = (struct pollfd){ .fd = signals, .events = POLLIN };
		fds[STREAM] = (struct pollfd){ .fd = stream_fd(w->stream),
					       .events = POLLIN };
		if (poll(fds, N, timeout(least(pass_due(w), objects_due(&w->objects)))) < 0 &&
		    errno != EINTR)
			return err_refused("cannot wait: %s", strerror(errno));
		if (fds[SIGNALS].revents & POLLIN)
			return EXIT_DONE;
		if (fds[OUT].revents & (POLLERR | POLLHUP))
			return err_refused("nobody reads standard output any more");
		for (unsigned int i = 0; i < LISTEN_BUSES && !e; i++)
			if (fds[i].revents)
				e = read_kernel(w, i);
		if (e)
			return err_refused("cannot listen to the kernel: %s", strerror(-e));
		if (read_stream(w))
			return end(w);
		tick(w);
		if (pass_due(w) <= now_ms())
			pass(w);
	}
}

static int run_watch(struct watch *w)
{
	int fd, e, rc;

	fd = listen_signals();
	if (fd < 0)
		return err_refused("no signalfd: %s", strerror(errno));
	e = listen_open(&w->listen, true);
	if (e) {
		rc = err_refused("cannot listen to the kernel: %s", strerror(-e));
	} else {
		w->stream = stream_open(STDIN_FILENO);
		rc = w->stream ? follow(w, fd) : EXIT_REFUSED;
	}
	stream_close(w->stream);
	listen_close(&w->listen);
	close(fd);
	return rc;
}

int watch(const struct watch_request *r)
{
	struct watch w = { .r = r, .retry = NEVER, .resync = NEVER };
	int rc = EXIT_DONE;

	for (size_t i = 0; i < r->n_files && !rc; i++)
		if (doc_load(&w.files, r->files[i]))
			rc = EXIT_USAGE;
	if (!rc && objects_init(&w.objects, &w.files, &r->want, r->settle * 1000ULL))
		rc = EXIT_USAGE;
	if (!rc)
		rc = run_watch(&w);
	lines_free(&w.told);
	objects_free(&w.objects);
	doc_free(&w.files);
	return rc;
}
