// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh link: devices. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "args.h"
#include "cmd.h"
#include "err.h"
#include "modfile.h"
#include "out.h"
#include "rtaddr.h"
#include "rtlink.h"
#include "rtnexthop.h"
#include "rtroute.h"
#include "view.h"

#define MTU_MIN 68
#define MTU_MAX 65535

static const char usage_head[] =
	"Usage: ipmesh link add [DEV] [WORDS]     make a device; without DEV: ipmesh0\n"
	"       ipmesh link set [DEV] [WORDS]     change what is named\n"
	"       ipmesh link del DEV               take the device away, with its peers\n"
	"       ipmesh link show [DEV]            devices with all attributes\n"
	"\n"
	"DEV may be left out of set when there is one ipmesh device only. A new device\n"
	"is up at once.\n"
	"\n"
	"Words:\n";

static const char usage_tail[] =
	"  address CIDR              an address of the device itself; may be repeated. set\n"
	"                            replaces those of the same family\n"
	"  up | down                 state; a new device is up unless down is said\n"
	"\n"
	"Examples:\n"
	"  ipmesh link add ipmesh0 local 172.16.40.199 address 10.244.0.1/32\n"
	"  ipmesh link add ipmesh0 local fd00::199 encap udp dport 5555\n"
	"  ipmesh link set ipmesh0 peers open mtu 1400\n"
	"  ipmesh link del ipmesh0\n";

static int help(void)
{
	out_init(false, false, false);
	out_text("%s", usage_head);
	for (size_t i = 0; i < linkattr_count; i++) {
		const struct linkattr *a = &linkattr_table[i];
		char word[40];

		if (a->kind == LINKATTR_COUNT)
			continue;
		snprintf(word, sizeof(word), "%s %s", a->word, a->usage);
		out_text("  %-25s %s\n", word, a->help);
	}
	return cmd_help(usage_tail);
}

/* What the words ask for. */
struct ask {
	const char *dev;
	struct rtlink_change change;
	struct prefix *addrs;
	size_t n_addrs, cap_addrs;
	bool mtu_named, up_named;
};

static bool read_mtu(struct args *a, struct ask *ask)
{
	const char *next = *a->at;

	if (!args_once(a, &ask->mtu_named, "mtu"))
		return false;
	if (next && !strcmp(next, "auto")) {
		a->at++;
		linkattr_read(linkattr_by_word("mtu"), "auto", &ask->change.attrs);
		return true;
	}
	/* The driver is not told of an MTU that is the present one already;
	 * this says that the number is meant to stay.
	 */
	ask->change.attrs.mtu_auto = 0;
	ask->change.attrs.has |= LINKATTR_BIT(IFLA_IPMESH_MTU_AUTO);
	return args_number(a, "mtu", MTU_MIN, MTU_MAX, &ask->change.mtu);
}

static bool read_address(struct args *a, struct ask *ask)
{
	const char *v = args_value(a, "address"), *why;
	struct prefix p;

	if (!v)
		return false;
	why = ifaddr_parse(&p, v);
	if (why)
		return args_wrong(a, "address", why);
	if (!addr_is_unicast(&p.addr)) {
		a->status = err_usage("%s: address: %s is not the address of a host",
				      a->cmd, addr_str(&p.addr));
		return false;
	}
	for (size_t i = 0; i < ask->n_addrs; i++)
		if (addr_eq(&ask->addrs[i].addr, &p.addr)) {
			a->status = err_usage("%s: address %s is given twice; name it once",
					      a->cmd, addr_str(&p.addr));
			return false;
		}
	ask->addrs = xgrow(ask->addrs, ask->n_addrs, &ask->cap_addrs, sizeof(p));
	ask->addrs[ask->n_addrs++] = p;
	return true;
}

static bool read_attr(struct args *a, const struct linkattr *t, struct ask *ask)
{
	const char *v, *why;

	if (ask->change.attrs.has & LINKATTR_BIT(t->type)) {
		a->status = err_twice(a->cmd, t->word);
		return false;
	}
	v = args_value(a, t->word);
	if (!v)
		return false;
	why = linkattr_read(t, v, &ask->change.attrs);
	return why ? args_wrong(a, t->word, why) : true;
}

static bool is_word(const char *w)
{
	return linkattr_by_word(w) || !strcmp(w, "address") ||
	       !strcmp(w, "up") || !strcmp(w, "down");
}

static void read_words(struct args *a, struct ask *ask)
{
	const char *w, *why;
	bool first = true;

	for (; (w = args_word(a)); first = false) {
		if (first && !is_word(w)) {
			ask->dev = w;
			why = rtlink_check_name(w);
			if (why)
				a->status = err_usage("%s: %s", a->cmd, why);
		} else if (!strcmp(w, "mtu")) {
			read_mtu(a, ask);
		} else if (!strcmp(w, "address")) {
			read_address(a, ask);
		} else if (!strcmp(w, "up") || !strcmp(w, "down")) {
			if (ask->up_named)
				a->status = err_usage("%s: \"%s\": the state is given twice; say up or down once",
						      a->cmd, w);
			ask->up_named = true;
			ask->change.up = w[0] == 'u' ? 1 : -1;
		} else if (linkattr_by_word(w)) {
			read_attr(a, linkattr_by_word(w), ask);
		} else {
			a->status = err_unknown(a->cmd, w);
		}
	}
	/* A device cannot be under itself, nor a name mean two things. */
	if (!a->status && ask->dev && ask->change.attrs.link &&
	    ask->change.attrs.link == if_nametoindex(ask->dev))
		a->status = err_usage("%s: dev: %s cannot be its own lower device",
				      a->cmd, ask->dev);
}

static int refused(const struct nl_batch *b, const char *dev)
{
	size_t i = nl_first_error(b);
	const struct nl_req *r = &b->req[i];
	int status;
	char *why;

	/* What the kernel says of a kind that it does not know. */
	if (r->error == -EOPNOTSUPP &&
	    (!r->text || !strncmp(r->text, "Unknown device type", 19))) {
		why = modfile_missing();
		status = err_refused("%s", why);
		free(why);
		return status;
	}
	return err_refused("device \"%s\": %s%s%s", dev,
			   r->who ? prefix_str(r->who) : "", r->who ? ": " : "",
			   nl_req_error(b, i));
}

static int taken(struct nl *nl, const char *dev)
{
	bool fallback = rtlink_fallback(dev);
	struct rtlink l;

	if (rtlink_get(nl, dev, 0, &l))
		return err_refused("device \"%s\" exists already", dev);
	if (!strcmp(l.kind, IPMESH_KIND))
		return err_refused("device \"%s\" exists already; change it: ipmesh link set %s",
				   dev, dev);
	return err_refused("\"%s\" is the name of a device that is not ipmesh%s%s; choose another name%s%s%s",
			   dev, *l.kind ? " but of kind " : "", l.kind,
			   fallback ? ", or free this one: ip link set " : "",
			   fallback ? dev : "",
			   fallback ? " down name OTHER (sysctl net.core.fb_tunnels_only_for_init_net=2 keeps it out of new namespaces)" : "");
}

static void add_addr(struct nl_batch *b, uint32_t ifindex,
		     const struct prefix *p)
{
	struct rtaddr a = { .ifindex = ifindex, .addr = *p };

	rtaddr_add(b, &a);
	b->req[b->n - 1].who = (void *)p;
}

static int add(struct nl *nl, struct ask *ask)
{
	struct nl_batch b;
	struct rtlink l;
	const char *why;
	int rc = EXIT_DONE;

	if (!ask->dev)
		ask->dev = "ipmesh0";
	ask->change.name = ask->dev;
	if (!ask->change.up)
		ask->change.up = 1;

	nl_batch_init(&b, nl);
	rtlink_add(&b, &ask->change);
	if (nl_send(&b)) {
		/* A local address may be taken, too: that has a sentence. */
		rc = b.req[0].error == -EEXIST && !b.req[0].text ?
		     taken(nl, ask->dev) : refused(&b, ask->dev);
		goto out;
	}
	if (rtlink_get(nl, ask->dev, 0, &l)) {
		rc = err_refused("device \"%s\" went away", ask->dev);
		goto out;
	}
	rtlink_warn_fallback(l.name);
	why = linkattr_lacking(&ask->change.attrs, &l.attrs);
	if (why)
		rc = err_refused("device \"%s\": %s", ask->dev, why);
	nl_batch_reset(&b);
	for (size_t i = 0; i < ask->n_addrs && !why; i++)
		add_addr(&b, l.ifindex, &ask->addrs[i]);
	if (!why && nl_send(&b))
		rc = refused(&b, ask->dev);
	if (rc) {
		nl_batch_reset(&b);
		rtlink_del(&b, l.ifindex);
		nl_send(&b);
	}
out:
	nl_batch_free(&b);
	return rc;
}

static bool asked(const struct ask *ask, const struct prefix *p)
{
	for (size_t i = 0; i < ask->n_addrs; i++)
		if (prefix_eq(&ask->addrs[i], p))
			return true;
	return false;
}

static bool family_asked(const struct ask *ask, uint8_t family)
{
	for (size_t i = 0; i < ask->n_addrs; i++)
		if (ask->addrs[i].addr.family == family)
			return true;
	return false;
}

/* New addresses come first and old ones go last: the device is never without,
 * and a refusal on the way leaves it as it was.
 */
static int change(struct nl *nl, struct ask *ask, const struct rtlink *l)
{
	const char *why = linkattr_unknown(&ask->change.attrs, &l->attrs);
	struct rtaddrs have = { 0 };
	struct nl_batch b, undo;
	int rc = EXIT_DONE, e = 0;

	if (why)
		return err_refused("device \"%s\": %s", l->name, why);
	nl_batch_init(&b, nl);
	nl_batch_init(&undo, nl);
	if (ask->n_addrs)
		e = rtaddr_dump(nl, AF_UNSPEC, l->ifindex, &have);
	if (e) {
		rc = err_refused("device \"%s\": %s", l->name, nl_error(nl, e));
		goto out;
	}
	b.stop = true;
	for (size_t i = 0; i < ask->n_addrs; i++) {
		struct rtaddr a = { .ifindex = l->ifindex, .addr = ask->addrs[i] };
		bool there = false;

		for (size_t k = 0; k < have.n; k++)
			there |= prefix_eq(&have.v[k].addr, &a.addr);
		if (there)
			continue;
		add_addr(&b, l->ifindex, &ask->addrs[i]);
		rtaddr_del(&undo, &a);
	}
	ask->change.ifindex = l->ifindex;
	rtlink_set(&b, &ask->change);
	if (nl_send(&b)) {
		rc = refused(&b, l->name);
		/* Those that were added: as many as came before the refusal. */
		undo.stop = false;
		for (size_t i = nl_first_error(&b); i < undo.n; i++)
			undo.req[i].sent = true;
		nl_send(&undo);
		goto out;
	}
	nl_batch_reset(&b);
	for (size_t i = 0; i < have.n; i++)
		if (have.v[i].scope != RT_SCOPE_LINK &&
		    family_asked(ask, have.v[i].addr.addr.family) &&
		    !asked(ask, &have.v[i].addr))
			rtaddr_del(&b, &have.v[i]);
	if (nl_send(&b))
		rc = refused(&b, l->name);
out:
	rtaddrs_free(&have);
	nl_batch_free(&undo);
	nl_batch_free(&b);
	return rc;
}

/* Our routes and nexthops would go with the device, but for each nexthop the
 * kernel would look through all routes, with everybody waiting: without routes
 * it need not. What cannot be read or removed here goes with the device.
 */
static void del_routes(struct nl *nl, uint32_t ifindex)
{
	struct rtroute_filter ours = { .proto = RTPROT_IPMESH, .oif = ifindex };
	struct nexthops nexthops = {0};
	struct rtroutes routes = {0};
	struct nl_batch b;

	nl_batch_init(&b, nl);
	rtroute_dump(nl, &ours, &routes);
	rtnexthop_dump(nl, ifindex, &nexthops);
	for (size_t i = 0; i < routes.n; i++)
		rtroute_del(&b, &routes.v[i]);
	for (size_t i = 0; i < nexthops.n; i++)
		if (nexthops.v[i].proto == RTPROT_IPMESH && !nexthops.v[i].group)
			rtnexthop_del(&b, nexthops.v[i].id);
	if (b.n)
		nl_send(&b);
	nl_batch_free(&b);
	rtroutes_free(&routes);
	rtnexthops_free(&nexthops);
}

static int del(struct nl *nl, const struct rtlink *l)
{
	struct nl_batch b;
	int rc = EXIT_DONE;

	del_routes(nl, l->ifindex);
	nl_batch_init(&b, nl);
	rtlink_del(&b, l->ifindex);
	if (nl_send(&b))
		rc = refused(&b, l->name);
	nl_batch_free(&b);
	return rc;
}

static int show(struct nl *nl, const char *dev)
{
	struct rtlinks links = { 0 };
	struct rtaddrs addrs = { 0 };
	struct rtlink l;
	int rc = EXIT_DONE, e;

	if (dev) {
		rc = rtlink_find(nl, dev, &l);
		if (rc)
			return rc;
	}
	e = rtlink_dump(nl, IPMESH_KIND, &links);
	if (!e)
		e = rtaddr_dump(nl, AF_UNSPEC, 0, &addrs);
	if (e) {
		rc = err_refused("cannot list devices: %s", nl_error(nl, e));
		goto out;
	}
	out_arr(NULL);
	for (size_t i = 0; i < links.n; i++) {
		if (dev && links.v[i].ifindex != l.ifindex)
			continue;
		out_obj(NULL);
		view_link(&links.v[i], &addrs, true);
		out_end();
	}
	out_end();
	rc = out_flush();
out:
	rtlinks_free(&links);
	rtaddrs_free(&addrs);
	return rc;
}

enum verb { ADD, SET, DEL, SHOW };

static int run(enum verb verb, struct ask *ask)
{
	struct nl *nl = nl_open();
	struct rtlink l;
	int rc = EXIT_DONE;

	if (verb == SET || verb == DEL)
		rc = rtlink_find(nl, ask->dev, &l);
	if (!rc) {
		switch (verb) {
		case ADD:
			rc = add(nl, ask);
			break;
		case SET:
			rc = change(nl, ask, &l);
			break;
		case DEL:
			rc = del(nl, &l);
			break;
		case SHOW:
			rc = show(nl, ask->dev);
			break;
		}
	}
	nl_close(nl);
	return rc;
}

int cmd_link(int argc, char **argv)
{
	static const char *const verbs[] = {
		[ADD] = "add", [SET] = "set", [DEL] = "del", [SHOW] = "show", NULL,
	};
	static const char *const cmds[] = {
		[ADD] = "link add", [SET] = "link set", [DEL] = "link del",
		[SHOW] = "link show",
	};
	struct args a = { .cmd = "link", .at = argv + 1 };
	struct ask ask = { 0 };
	const char *w;
	int v = SHOW;

	(void)argc;
	w = args_word(&a);
	if (w && cmd_is_help(w))
		a.help = true;
	else if (w)
		v = args_verb(a.cmd, verbs, w);
	if (v < 0)
		return EXIT_USAGE;
	a.cmd = cmds[v];
	read_words(&a, &ask);
	if (a.help) {
		free(ask.addrs);
		return help();
	}
	if (!a.status && (v == DEL || v == SHOW) &&
	    (ask.change.attrs.has || ask.n_addrs || ask.change.up || ask.mtu_named))
		a.status = err_usage("%s: takes a device only; change one with ipmesh link set",
				     a.cmd);
	if (!a.status && v == DEL && !ask.dev)
		a.status = err_missing(a.cmd, "the device");
	if (!a.status && v == SET && !ask.change.attrs.has && !ask.n_addrs &&
	    !ask.change.up && !ask.change.mtu)
		a.status = err_missing(a.cmd, "what to change");
	if (!a.status)
		a.status = run(v, &ask);
	free(ask.addrs);
	return a.status;
}
