// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh show: devices, their peers and what passes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "err.h"
#include "out.h"
#include "problem.h"
#include "view.h"

static const char usage[] =
	"Usage: ipmesh show [DEV] [-s]\n"
	"\n"
	"Devices of kind ipmesh and their peers: endpoint, name, pod CIDRs, routes,\n"
	"traffic, and when a peer was last heard.\n"
	"\n"
	"ROUTES says whether packets for the CIDRs go to the peer: ok; missing; elsewhere;\n"
	"or how many of them do.\n"
	"\n"
	"  -s    also ICMP errors and drops by cause, of the device and of each peer\n"
	"  -j    JSON: all CIDRs with their routes, all counters\n";

static int one(struct nl *nl, const struct rtlink *l,
	       const struct rtaddrs *addrs, const struct view_routes *routes,
	       const struct rtlinks *links)
{
	struct peers peers = { 0 };
	struct look k;
	int e = genlpeer_dump(nl, l->ifindex, &peers);

	/* It went away in between. */
	if (e == -ENODEV)
		return EXIT_DONE;
	if (e)
		return err_refused("peers of %s: %s", l->name, nl_error(nl, e));
	out_obj(NULL);
	look_at(&k, l, &peers, routes, links);
	view_link(l, addrs, false);
	problems_print(&k, l, peers.n);
	out_arr("peers");
	view_peers(&peers, l, &k, false);
	out_end();
	out_end();
	look_free(&k);
	peers_free(&peers);
	return EXIT_DONE;
}

static int show(struct nl *nl, const char *dev)
{
	struct view_routes routes = { 0 };
	struct rtlinks links = { 0 }, all = { 0 };
	struct rtaddrs addrs = { 0 };
	int rc = EXIT_DONE, e = 0;
	bool first = true;
	struct rtlink l;

	if (dev) {
		rc = rtlink_find(nl, dev, &l);
		if (rc)
			return rc;
	}
	e = rtlink_dump(nl, IPMESH_KIND, &links);
	if (!e)
		e = rtlink_dump(nl, NULL, &all);
	if (!e)
		e = rtaddr_dump(nl, AF_UNSPEC, 0, &addrs);
	if (!e && links.n)
		e = view_routes_read(nl, &routes);
	if (e) {
		rc = err_refused("cannot read the kernel's state: %s",
				 nl_error(nl, e));
		goto out;
	}
	if (!links.n)
		out_text("no ipmesh device; make one: ipmesh link add ipmesh0\n");
	out_arr(NULL);
	for (size_t i = 0; i < links.n && !rc; i++) {
		if (dev && links.v[i].ifindex != l.ifindex)
			continue;
		out_text("%s", first ? "" : "\n");
		first = false;
		rc = one(nl, &links.v[i], &addrs, &routes, &all);
	}
	out_end();
	if (!rc)
		rc = out_flush();
out:
	view_routes_free(&routes);
	rtlinks_free(&links);
	rtlinks_free(&all);
	rtaddrs_free(&addrs);
	return rc;
}

int cmd_show(int argc, char **argv)
{
	(void)argc;
	return args_run_device(argv, usage, show);
}
