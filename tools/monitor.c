// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh monitor: peers, devices, addresses and routes as they change. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "err.h"
#include "listen.h"
#include "out.h"
#include "view.h"

static const char usage[] =
	"Usage: ipmesh monitor [DEV] [-t]\n"
	"\n"
	"Prints a line for each change, until it is interrupted: devices of kind ipmesh\n"
	"and their addresses, their peers, the routes and nexthop objects through them,\n"
	"and all routes of protocol ipmesh. \"+\" is new, \"~\" changed, \"-\" gone. With DEV:\n"
	"what belongs to that device.\n"
	"\n"
	"  -t, --timestamp  when it was read before each line, or as \"time\"\n"
	"  -j               JSON: an object a line: {\"op\", \"object\", \"dev\", …}\n"
	"\n"
	"\"! messages were lost\" (JSON: {\"op\":\"lost\"}) says that changes came faster than\n"
	"they could be read. Routes that go because their device or nexthop object does,\n"
	"the kernel does not tell of.\n";

/* A device of ours, kept when it is gone: what it had is told after it. */
struct seen {
	struct rtlink l;
	bool gone;
};

/* Of those that are gone the oldest is forgotten. */
#define SEEN_MAX	256

struct monitor {
	const char *dev;		/* NULL: all */
	bool time;
	struct nl *nl;
	struct listen listen;
	struct seen *seen;
	size_t n_seen, cap_seen;
	struct nexthops nexthops;
	bool broken;			/* standard output */
};

static struct seen *seen_find(const struct monitor *m, uint32_t ifindex)
{
	/* The latest of an index comes first. */
	for (size_t i = m->n_seen; i--;)
		if (m->seen[i].l.ifindex == ifindex)
			return &m->seen[i];
	return NULL;
}

static struct seen *seen_add(struct monitor *m, const struct rtlink *l)
{
	if (m->n_seen >= SEEN_MAX && m->seen[0].gone)
		memmove(m->seen, m->seen + 1, --m->n_seen * sizeof(*m->seen));
	m->seen = xgrow(m->seen, m->n_seen, &m->cap_seen, sizeof(*m->seen));
	m->seen[m->n_seen] = (struct seen){ .l = *l };
	return &m->seen[m->n_seen++];
}

/* Is it to be told of what belongs to the device? */
static bool wanted(const struct monitor *m, const struct seen *s)
{
	return s && (!m->dev || !strcmp(m->dev, s->l.name));
}

static const char *dev_name(const struct monitor *m, uint32_t ifindex)
{
	const struct seen *s = seen_find(m, ifindex);

	return s ? s->l.name : rtlink_name(ifindex);
}

enum op { ADD, CHANGE, REMOVE, LOST };

static void begin(const struct monitor *m, enum op op, const char *object)
{
	static const char *const words[] = {
		[ADD] = "add", [CHANGE] = "change", [REMOVE] = "remove",
		[LOST] = "lost",
	};
	static const enum out_mark marks[] = {
		[ADD] = OUT_GOOD, [CHANGE] = OUT_PLAIN, [REMOVE] = OUT_WARN,
		[LOST] = OUT_BAD,
	};
	struct timespec now;
	char text[40] = "";
	struct tm tm;
	size_t n;

	out_obj(NULL);
	if (m->time) {
		clock_gettime(CLOCK_REALTIME, &now);
		if (localtime_r(&now.tv_sec, &tm)) {
			n = strftime(text, sizeof(text), "%FT%T", &tm);
			snprintf(text + n, sizeof(text) - n, ".%06ld",
				 now.tv_nsec / 1000);
		}
		out_str("time", "[%s] ", text);
	}
	out_mark(marks[op]);
	out_str("op", NULL, words[op]);
	out_text("%c", "+~-!"[op]);
	out_mark(OUT_PLAIN);
	out_str("object", " %s", object);
}

static void end(struct monitor *m)
{
	out_text("\n");
	out_end();
	if (out_flush())
		m->broken = true;
}

static void tell_state(const struct rtlink *l)
{
	out_str("state", " %s", l->flags & IFF_UP ? "up" : "down");
}

/* Which attributes differ, as bits. */
static uint32_t attrs_changed(const struct linkattrs *a, const struct linkattrs *b)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < linkattr_count; i++) {
		const struct linkattr *t = &linkattr_table[i];
		bool same = t->kind == LINKATTR_ADDR ?
			    addr_eq(&a->local, &b->local) :
			    linkattr_number(t, a) == linkattr_number(t, b);

		/* How many peers there are, those who add them are told of. */
		if (!same && t->kind != LINKATTR_COUNT)
			bits |= LINKATTR_BIT(t->type);
	}
	return bits;
}

static void tell_new(struct monitor *m, const struct seen *s)
{
	if (!wanted(m, s))
		return;
	begin(m, ADD, "device");
	out_str("dev", " %s", s->l.name);
	out_u64("ifindex", NULL, s->l.ifindex);
	tell_state(&s->l);
	out_u64("mtu", " mtu %" PRIu64, s->l.mtu);
	out_bool("mtu_auto", " (auto)", s->l.attrs.mtu_auto);
	view_attrs(&s->l, true);
	end(m);
}

static void tell_changed(struct monitor *m, const struct rtlink *old,
			 const struct rtlink *new)
{
	uint32_t mtu_auto = LINKATTR_BIT(IFLA_IPMESH_MTU_AUTO);
	struct rtlink only = *new;
	bool name = strcmp(old->name, new->name);
	bool state = (old->flags ^ new->flags) & IFF_UP;
	bool mtu, master = old->master != new->master;

	only.attrs.has &= attrs_changed(&old->attrs, &new->attrs);
	mtu = old->mtu != new->mtu || only.attrs.has & mtu_auto;
	if (!name && !state && !mtu && !master && !only.attrs.has)
		return;
	begin(m, CHANGE, "device");
	out_str("dev", " %s", new->name);
	out_u64("ifindex", NULL, new->ifindex);
	if (name)
		out_str("old_name", " was %s", old->name);
	if (state)
		tell_state(new);
	if (mtu) {
		out_u64("mtu", " mtu %" PRIu64, new->mtu);
		out_bool("mtu_auto", " (auto)", new->attrs.mtu_auto);
	}
	if (master && new->master)
		out_str("master", " master %s", rtlink_name(new->master));
	else if (master)
		out_null("master", " nomaster");
	view_attrs(&only, true);
	end(m);
}

static void on_link(struct monitor *m, const struct rtlink *l, bool gone)
{
	struct seen *s = seen_find(m, l->ifindex);
	struct rtlink old;

	if (strcmp(l->kind, IPMESH_KIND))
		return;
	if (s && s->gone)
		s = NULL;
	if (!s && !gone) {
		tell_new(m, seen_add(m, l));
	} else if (gone && s) {
		s->gone = true;
		if (!wanted(m, s))
			return;
		begin(m, REMOVE, "device");
		out_str("dev", " %s", s->l.name);
		out_u64("ifindex", NULL, s->l.ifindex);
		end(m);
	} else if (s) {
		old = s->l;
		s->l = *l;
		if (!m->dev || !strcmp(m->dev, old.name) || !strcmp(m->dev, l->name))
			tell_changed(m, &old, l);
	}
}

static void on_addr(struct monitor *m, const struct rtaddr *a, bool gone)
{
	const struct seen *s = seen_find(m, a->ifindex);

	if (!wanted(m, s))
		return;
	begin(m, gone ? REMOVE : ADD, "address");
	out_str("address", " %s", prefix_str(&a->addr));
	out_str("dev", " dev %s", s->l.name);
	end(m);
}

/* What is known of a nexthop: a route may come with its id alone. */
static struct nexthop *known_nexthop(const struct monitor *m, uint32_t id)
{
	for (size_t i = 0; i < m->nexthops.n; i++)
		if (m->nexthops.v[i].id == id)
			return &m->nexthops.v[i];
	return NULL;
}

static void on_nexthop(struct monitor *m, const struct nexthop *nh, bool gone)
{
	struct nexthop *old = known_nexthop(m, nh->id);
	const struct seen *s = seen_find(m, nh->oif);
	struct nexthops *l = &m->nexthops;
	bool known = old;

	if (gone && old) {
		*old = l->v[--l->n];
	} else if (!gone && old) {
		*old = *nh;
	} else if (!gone) {
		l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
		l->v[l->n++] = *nh;
	}
	if (nh->proto != RTPROT_IPMESH || !wanted(m, s))
		return;
	begin(m, gone ? REMOVE : known ? CHANGE : ADD, "nexthop");
	out_u64("id", " %" PRIu64, nh->id);
	if (nh->gw.family)
		out_str("via", " via %s", addr_str(&nh->gw));
	out_str("dev", " dev %s", s->l.name);
	out_bool("onlink", " onlink", nh->onlink);
	end(m);
}

static void tell_route(struct monitor *m, const struct rtroute *r, enum op op)
{
	const char *type = rtroute_type_name(r->type);

	begin(m, op, "route");
	out_str("type", NULL, *type ? type : "unicast");
	out_text("%s%s", *type ? " " : "", type);
	out_str("dst", " %s", prefix_str(&r->dst));
	if (r->gw.family)
		out_str("via", " via %s", addr_str(&r->gw));
	/* The kernel puts IPv6 blackholes on lo. */
	if (r->oif && !*type)
		out_str("dev", " dev %s", dev_name(m, r->oif));
	if (r->onlink)
		out_bool("onlink", " onlink", true);
	if (r->nhid)
		out_u64("nhid", " nhid %" PRIu64, r->nhid);
	if (r->proto != RTPROT_IPMESH)
		out_text(" proto %s", rtroute_proto_name(r->proto));
	out_str("proto", NULL, rtroute_proto_name(r->proto));
	if (r->table != RT_TABLE_MAIN)
		out_text(" table %u", r->table);
	out_u64("table", NULL, r->table);
	if (r->metric && r->metric != rtroute_metric(r))
		out_u64("metric", " metric %" PRIu64, r->metric);
	if (r->mtu)
		out_u64("mtu", " mtu %" PRIu64, r->mtu);
	end(m);
}

static void on_route(struct monitor *m, struct rtroute *r, bool gone, bool replaced)
{
	const struct nexthop *nh = r->nhid && !r->oif ? known_nexthop(m, r->nhid) : NULL;
	const struct seen *s;

	if (nh) {
		r->oif = nh->oif;
		r->gw = nh->gw;
		r->onlink = nh->onlink;
	}
	s = seen_find(m, r->oif);
	/* Those that the kernel makes for each address tell nothing more. */
	if (r->table == RT_TABLE_LOCAL || r->proto == RTPROT_KERNEL)
		return;
	if (s ? !wanted(m, s) : m->dev || r->proto != RTPROT_IPMESH)
		return;
	tell_route(m, r, gone ? REMOVE : replaced ? CHANGE : ADD);
}

static void on_peer(struct monitor *m, const struct peer_event *e)
{
	static const char *const causes[] = {
		[IPMESH_CAUSE_REQUEST] = "request", [IPMESH_CAUSE_MOVE] = "move",
		[IPMESH_CAUSE_DEVICE] = "device",
	};
	const struct peer *p = &e->peer;
	const struct seen *s = seen_find(m, e->ifindex);

	if (s ? !wanted(m, s) : m->dev != NULL)
		return;
	begin(m, e->cmd == IPMESH_CMD_PEER_NEW_NTF ? ADD :
	      e->cmd == IPMESH_CMD_PEER_SET_NTF ? CHANGE : REMOVE, "peer");
	out_str("endpoint", " %s", addr_str(&p->endpoint));
	if (*p->name)
		out_str("name", " %s", err_safe(p->name));
	else
		out_null("name", NULL);
	out_arr("cidrs");
	for (size_t i = 0; i < p->n_cidrs; i++)
		out_str(OUT_ITEM, " %s", prefix_str(&p->cidrs[i]));
	out_end();
	view_prefixes("sources", " source %s", " source %s", &p->sources);
	view_prefixes("from", " from %s", " from %s", &p->froms);
	if (p->encap <= IPMESH_ENCAP_DEVICE)
		out_str("encap", p->encap == IPMESH_ENCAP_DEVICE ? NULL : " encap %s",
			peer_encaps[p->encap]);
	if (p->dport)
		out_u64("dport", " dport %" PRIu64, p->dport);
	else
		out_null("dport", NULL);
	out_str("routes", p->routes == IPMESH_PEER_ROUTES_NONE ? " routes %s" : NULL,
		peer_routes_name(p->routes));
	out_str("dev", " dev %s", dev_name(m, e->ifindex));
	if (e->cause < sizeof(causes) / sizeof(causes[0]))
		out_str("cause", e->cause == IPMESH_CAUSE_REQUEST ? NULL : ", cause: %s",
			causes[e->cause]);
	end(m);
}

static void on_rt(struct monitor *m, const struct nlmsghdr *nlh)
{
	bool replaced = nlh->nlmsg_flags & NLM_F_REPLACE;
	struct rtroute route;
	struct nexthop nh;
	struct rtlink link;
	struct rtaddr addr;

	if (rtlink_read(&link, nlh))
		on_link(m, &link, nlh->nlmsg_type == RTM_DELLINK);
	else if (rtaddr_read(&addr, nlh))
		on_addr(m, &addr, nlh->nlmsg_type == RTM_DELADDR);
	else if (rtnexthop_read(&nh, nlh))
		on_nexthop(m, &nh, nlh->nlmsg_type == RTM_DELNEXTHOP);
	else if (rtroute_read(&route, nlh))
		on_route(m, &route, nlh->nlmsg_type == RTM_DELROUTE, replaced);
}

static int read_bus(struct monitor *m, enum listen_bus bus);

static void on_message(enum listen_bus bus, const struct nlmsghdr *nlh, void *data)
{
	struct monitor *m = data;
	struct peer_event e;

	if (m->broken)
		return;
	if (bus == LISTEN_RT) {
		on_rt(m, nlh);
	} else if (genlpeer_event(&e, nlh)) {
		/* The message about its device waits on the other socket. */
		if (!seen_find(m, e.ifindex))
			read_bus(m, LISTEN_RT);
		if (!m->broken)
			on_peer(m, &e);
		peer_clear(&e.peer);
	}
}

/* The devices and nexthops there are; 0 or -errno. */
static int look(struct monitor *m)
{
	struct rtlinks all = { 0 };
	int e = rtlink_dump(m->nl, IPMESH_KIND, &all);

	m->n_seen = 0;
	for (size_t i = 0; i < all.n; i++)
		seen_add(m, &all.v[i]);
	rtlinks_free(&all);
	if (!e)
		e = rtnexthop_dump(m->nl, 0, &m->nexthops);
	/* A kernel built without nexthop objects. */
	return e == -EOPNOTSUPP ? 0 : e;
}

static int read_bus(struct monitor *m, enum listen_bus bus)
{
	int e = listen_read(&m->listen, bus, on_message, m);

	if (e != -ENOBUFS || m->broken)
		return e;
	begin(m, LOST, "messages");
	out_text(" were lost: changes came faster than they could be read; see ipmesh show");
	end(m);
	return look(m);
}

static int follow(struct monitor *m, int signals)
{
	struct pollfd fds[LISTEN_BUSES + 2];
	struct pollfd *out = &fds[LISTEN_BUSES], *sig = out + 1;
	int e = 0;

	while (!e && !m->broken) {
		listen_poll(&m->listen, fds);
		/* Without events: whether its reader is still there. */
		*out = (struct pollfd){ .fd = STDOUT_FILENO };
		*sig = (struct pollfd){ .fd = signals, .events = POLLIN };
		if (poll(fds, LISTEN_BUSES + 2, -1) < 0) {
			e = errno == EINTR ? 0 : -errno;
			continue;
		}
		for (unsigned int i = 0; i < LISTEN_BUSES && !e; i++)
			if (fds[i].revents)
				e = read_bus(m, i);
		if (sig->revents || out->revents & (POLLERR | POLLHUP))
			return EXIT_DONE;
	}
	if (e)
		return err_refused("cannot listen to the kernel: %s", nl_error(m->nl, e));
	/* A reader that went away has been told of enough. */
	*out = (struct pollfd){ .fd = STDOUT_FILENO };
	poll(out, 1, 0);
	return out->revents & (POLLERR | POLLHUP) ? EXIT_DONE : EXIT_REFUSED;
}

static int monitor(struct monitor *m)
{
	struct rtlink l;
	int rc, e, fd;

	fd = listen_signals();
	if (fd < 0)
		return err_refused("no signalfd: %s", strerror(errno));

	m->nl = nl_open();
	rc = m->dev ? rtlink_find(m->nl, m->dev, &l) : EXIT_DONE;
	if (!rc) {
		e = listen_open(&m->listen, false);
		if (!e)
			e = look(m);
		if (e)
			rc = err_refused("cannot listen to the kernel: %s",
					 nl_error(m->nl, e));
		else
			rc = follow(m, fd);
	}
	listen_close(&m->listen);
	rtnexthops_free(&m->nexthops);
	free(m->seen);
	nl_close(m->nl);
	close(fd);
	return rc;
}

int cmd_monitor(int argc, char **argv)
{
	struct args a = { .cmd = "monitor", .at = argv + 1 };
	struct monitor m = { 0 };
	const char *w, *why;

	(void)argc;
	while (*a.at && !a.status && !a.help) {
		if (args_flag(&a, "-t", "--timestamp", &m.time))
			continue;
		w = args_word(&a);
		if (w && !strcmp(w, "help") && !m.dev) {
			a.help = true;
		} else if (w && m.dev) {
			a.status = err_unknown("monitor", w);
		} else if (w) {
			m.dev = w;
			why = rtlink_check_name(w);
			if (why)
				a.status = err_usage("monitor: %s", why);
		}
	}
	if (a.help)
		return cmd_help(usage);
	return a.status ? a.status : monitor(&m);
}
