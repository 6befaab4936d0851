// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a peer can be reached, and what passes on the way. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "probe.h"

#define MTU_LEAST	96		/* an ordinary request passed already */

bool probe_first(const struct peer *p, uint8_t family, struct addr *a)
{
	/* Sorted: IPv4 first. */
	for (size_t i = 0; i < p->n_cidrs; i++) {
		const struct prefix *cidr = &p->cidrs[i];

		if (!cidr->len || (family && cidr->addr.family != family))
			continue;
		*a = cidr->len < addr_bits(&cidr->addr) ? prefix_nth(cidr, 1) : cidr->addr;
		return true;
	}
	return false;
}

bool probe_target(struct probe *p)
{
	return p->to.family || probe_first(p->peer, AF_UNSPEC, &p->to);
}

static void find_source(struct probe *p)
{
	const struct rtaddr *a;

	for (size_t i = 0; i < p->have->addrs.n && !p->from.family; i++) {
		a = &p->have->addrs.v[i];
		if (a->ifindex == p->have->link.ifindex && a->scope != RT_SCOPE_LINK &&
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
	uint32_t good = MTU_LEAST, bad = p->have->link.mtu + 1, size = p->have->link.mtu;
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
		.to = p->to, .ifindex = p->have->link.ifindex, .timeout_ms = p->timeout_ms,
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
		.to = p->peer->endpoint, .from = p->have->link.attrs.local,
		.mark = p->have->link.attrs.fwmark, .timeout_ms = p->timeout_ms,
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
	e->mark = p->have->link.attrs.fwmark;
	echo_ask_wrapped(fd, e, &p->peer->endpoint, &p->have->link.attrs.local, 0, &p->ip);
	echo_ask_wrapped(fd, e, &p->peer->endpoint, &p->have->link.attrs.local, p->dport,
			 &p->udp);
}

void probe_forward(struct probe *p, struct transit *t)
{
	uint32_t mtu = p->mtu ? p->mtu : p->have->link.mtu;

	transit_ask(t, &p->to, p->timeout_ms, &p->forward);
	if (p->forward.result == ECHO_SILENT)
		transit_ask(t, &p->to, p->timeout_ms, &p->forward);
	if (p->forward.result == ECHO_ANSWERED)
		p->segments = transit_segments(t, &p->to, mtu, p->timeout_ms);
}

static void ask_as_pod(struct probe *p)
{
	struct transit *t;

	if (!transit_address(p->have, p->to.family, &p->pod)) {
		p->pod = (struct addr){ 0 };
		p->unforwarded = "no blackhole and no bridge tells which pod CIDR is this node's";
		return;
	}
	t = transit_open(p->have->nl, &p->pod, &p->unforwarded);
	if (t)
		probe_forward(p, t);
	transit_close(t);
}

const char *probe_all(struct probe *p)
{
	struct echo e = {
		.ifindex = p->have->link.ifindex, .timeout_ms = p->timeout_ms,
	};
	uint16_t ports[2] = { p->peer->dport, p->have->link.attrs.dport };
	const char *wrong;
	int fd;

	p->dport = ports[0] ? ports[0] : ports[1];
	p->trace = trace_open(ports + !ports[0], ports[0] ? 2 : 1, &p->untraced);
	wrong = ask_underlay(p);
	if (!wrong)
		wrong = probe_tunnel(p);
	if (wrong)
		return wrong;
	e.to = p->to;
	e.from = p->from;
	fd = echo_open(&e);
	if (fd < 0)
		return why_not();
	if (p->received)
		find_mtu(p, fd, &e);
	ask_carriers(p, fd, &e);
	close(fd);
	ask_as_pod(p);
	if (p->trace)
		p->drops = trace_read(p->trace, &p->n_drops);
	return NULL;
}
