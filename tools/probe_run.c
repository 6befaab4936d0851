// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a peer can be reached, and what passes on the way. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "probe.h"

#define MTU_LEAST	96		/* an ordinary request passed already */

bool probe_target(struct probe *p)
{
	const struct prefix *cidr = NULL;

	if (p->to.family)
		return true;
	/* Everybody's addresses are nobody's to ask. */
	for (size_t i = 0; i < p->peer->n_cidrs && !cidr; i++)
		if (p->peer->cidrs[i].len)
			cidr = &p->peer->cidrs[i];
	if (!cidr)
		return false;
	/* Sorted: IPv4 first. The first host is the node's tunnel address. */
	p->to = cidr->len < addr_bits(&cidr->addr) ? prefix_nth(cidr, 1) : cidr->addr;
	return true;
}

static void find_source(struct probe *p)
{
	const struct rtaddr *a;

	for (size_t i = 0; i < p->addrs->n && !p->from.family; i++) {
		a = &p->addrs->v[i];
		if (a->ifindex == p->link->ifindex && a->scope != RT_SCOPE_LINK &&
		    a->addr.addr.family == p->to.family)
			p->from = a->addr.addr;
	}
}

static const char *why_not(void)
{
	return errno == EPERM || errno == EACCES ?
	       "permission denied; root, or CAP_NET_RAW, is needed" : strerror(errno);
}

static void ask_count(struct probe *p, int fd, const struct echo *e)
{
	struct echo_answer *a = &p->tunnel;

	for (p->sent = 0; p->sent < p->count; p->sent++) {
		echo_ask(fd, e, 0, false, a);
		if (a->result != ECHO_ANSWERED)
			continue;
		p->min_ms = p->received && p->min_ms < a->ms ? p->min_ms : a->ms;
		p->max_ms = p->max_ms > a->ms ? p->max_ms : a->ms;
		p->sum_ms += a->ms;
		p->received++;
	}
}

/* The largest that is answered with DF: between one that was and the device's. */
static void find_mtu(struct probe *p, int fd, const struct echo *e)
{
	uint32_t good = MTU_LEAST, bad = p->link->mtu + 1, size = p->link->mtu;
	struct echo_answer a;

	while (good + 1 < bad) {
		echo_ask(fd, e, size, true, &a);
		/* The device hears of a narrow way after the first packet, and
		 * tells those that come then.
		 */
		if (a.result == ECHO_SILENT)
			echo_ask(fd, e, size, true, &a);
		if (a.result == ECHO_ANSWERED)
			good = size;
		else
			bad = size;
		p->black_hole |= a.result == ECHO_SILENT;
		/* Who tells what fits saves the search; that more does not is known
		 * by then.
		 */
		if (a.mtu > good && a.mtu < bad) {
			size = a.mtu;
			bad = a.mtu + 1;
		} else {
			size = good + (bad - good) / 2;
		}
	}
	p->mtu = good;
}

const char *probe_tunnel(struct probe *p)
{
	struct echo e = {
		.to = p->to, .ifindex = p->link->ifindex, .timeout_ms = p->timeout_ms,
	};
	int fd;

	find_source(p);
	e.from = p->from;
	fd = echo_open(&e);
	if (fd < 0)
		return why_not();
	ask_count(p, fd, &e);
	close(fd);
	return NULL;
}

static const char *ask_underlay(struct probe *p)
{
	struct echo e = {
		.to = p->peer->endpoint, .from = p->link->attrs.local,
		.mark = p->link->attrs.fwmark, .timeout_ms = p->timeout_ms,
	};
	int fd = echo_open(&e);

	if (fd < 0)
		return why_not();
	echo_ask(fd, &e, 0, false, &p->underlay);
	close(fd);
	return NULL;
}

/* Both ways of carrying a packet, whichever the device uses. */
static void ask_carriers(struct probe *p, int fd, struct echo *e)
{
	/* Without an address of ours no answer finds back. */
	if (!p->from.family)
		return;
	p->asked = true;
	e->mark = p->link->attrs.fwmark;
	echo_ask_wrapped(fd, e, &p->peer->endpoint, &p->link->attrs.local, 0, &p->ip);
	echo_ask_wrapped(fd, e, &p->peer->endpoint, &p->link->attrs.local, p->dport,
			 &p->udp);
}

const char *probe_all(struct probe *p)
{
	struct echo e = {
		.ifindex = p->link->ifindex, .timeout_ms = p->timeout_ms,
	};
	const char *wrong = ask_underlay(p);
	int fd;

	if (!wrong)
		wrong = probe_tunnel(p);
	if (wrong)
		return wrong;
	p->dport = p->peer->dport ? p->peer->dport : p->link->attrs.dport;
	e.to = p->to;
	e.from = p->from;
	fd = echo_open(&e);
	if (fd < 0)
		return why_not();
	if (p->received)
		find_mtu(p, fd, &e);
	ask_carriers(p, fd, &e);
	close(fd);
	return NULL;
}
