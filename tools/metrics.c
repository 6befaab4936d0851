// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh metrics: what Prometheus reads, in its text format 0.0.4. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "cmd.h"
#include "err.h"
#include "genlpeer.h"
#include "out.h"
#include "rtlink.h"

static const char usage[] =
	"Usage: ipmesh metrics [DEV]\n"
	"\n"
	"Counters and states of devices and peers in the text format of Prometheus, for\n"
	"node_exporter's textfile collector, with the labels device, peer (the endpoint),\n"
	"name, cause. A peer has a cause of drops when it has dropped by it; a device has\n"
	"all. What was never heard has the time stamp 0.\n"
	"\n"
	"  ipmesh metrics > ipmesh.prom.new && mv ipmesh.prom.new ipmesh.prom\n";

struct device {
	const struct rtlink *l;
	struct peers peers;
	double now;			/* when its peers were read */
};

/* A metric of a device when @of_device is set, else one of a peer. */
struct metric {
	const char *name, *type, *help;
	uint64_t (*of_device)(const struct device *d);
	uint64_t (*of_peer)(const struct peer *p);
};

#define DEVICE(name, value) \
	static uint64_t name(const struct device *d) { return value; }
#define PEER(name, value) \
	static uint64_t name(const struct peer *p) { return value; }

DEVICE(device_info, d->l->ifindex > 0)
DEVICE(device_up, (d->l->flags & IFF_UP) != 0)
DEVICE(device_mtu, d->l->mtu)
DEVICE(device_peers, d->peers.n)
DEVICE(device_max_peers, d->l->attrs.max_peers)
DEVICE(device_rx_packets, d->l->stats.rx_packets)
DEVICE(device_rx_bytes, d->l->stats.rx_bytes)
DEVICE(device_tx_packets, d->l->stats.tx_packets)
DEVICE(device_tx_bytes, d->l->stats.tx_bytes)
PEER(peer_cidrs, p->n_cidrs)
PEER(peer_sources, p->sources.n)
PEER(peer_froms, p->froms.n)
PEER(peer_rx_packets, p->stats.rx_packets)
PEER(peer_rx_bytes, p->stats.rx_bytes)
PEER(peer_tx_packets, p->stats.tx_packets)
PEER(peer_tx_bytes, p->stats.tx_bytes)
PEER(peer_icmp_errors, p->stats.icmp_errors)

static const struct metric metrics[] = {
	{ "device_info", "gauge", "A device and its attributes; always 1.", device_info, NULL },
	{ "device_up", "gauge", "Whether the device is up.", device_up, NULL },
	{ "device_mtu_bytes", "gauge", "MTU of the device.", device_mtu, NULL },
	{ "device_peers", "gauge", "Peers of the device.", device_peers, NULL },
	{ "device_peers_limit", "gauge", "The most peers that the device takes.",
	  device_max_peers, NULL },
	{ "device_receive_packets_total", "counter", "Inner packets received.",
	  device_rx_packets, NULL },
	{ "device_receive_bytes_total", "counter", "Inner bytes received.",
	  device_rx_bytes, NULL },
	{ "device_transmit_packets_total", "counter", "Inner packets sent.",
	  device_tx_packets, NULL },
	{ "device_transmit_bytes_total", "counter", "Inner bytes sent.",
	  device_tx_bytes, NULL },
	{ "peer_cidrs", "gauge", "Pod CIDRs of the peer.", NULL, peer_cidrs },
	{ "peer_sources", "gauge", "Inner sources of the peer besides its pod CIDRs.", NULL,
	  peer_sources },
	{ "peer_outer_prefixes", "gauge", "Outer prefixes of the peer besides its endpoint.",
	  NULL, peer_froms },
	{ "peer_receive_packets_total", "counter", "Inner packets received from the peer.",
	  NULL, peer_rx_packets },
	{ "peer_receive_bytes_total", "counter", "Inner bytes received from the peer.",
	  NULL, peer_rx_bytes },
	{ "peer_transmit_packets_total", "counter", "Inner packets sent to the peer.",
	  NULL, peer_tx_packets },
	{ "peer_transmit_bytes_total", "counter", "Inner bytes sent to the peer.",
	  NULL, peer_tx_bytes },
	{ "peer_icmp_errors_total", "counter",
	  "ICMP errors of the underlay about packets to the peer.", NULL, peer_icmp_errors },
};

static void head(const char *name, const char *type, const char *help)
{
	out_text("# HELP ipmesh_%s %s\n# TYPE ipmesh_%s %s\n", name, help, name, type);
}

/* How long the UTF-8 character at @s is; 0: it is none. */
static unsigned int utf8(const char *s)
{
	const unsigned char *c = (const unsigned char *)s;
	unsigned int n = *c < 0x80 ? 1 : *c < 0xc2 ? 0 : *c < 0xe0 ? 2 :
			 *c < 0xf0 ? 3 : *c < 0xf5 ? 4 : 0;

	for (unsigned int i = 1; i < n; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	/* Neither longer than need be, nor a surrogate, nor beyond the last. */
	if ((*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] > 0x9f) ||
	    (*c == 0xf0 && c[1] < 0x90) || (*c == 0xf4 && c[1] > 0x8f))
		return 0;
	return n;
}

/* The value of a label: the format has three escapes, and takes UTF-8 only. */
static const char *label(const char *s)
{
	static char bufs[4][3 * (IPMESH_NAME_MAX + 1) + 1];
	static unsigned int turn;
	char *buf = bufs[turn++ % 4], *to = buf;

	while (*s && to + 4 < buf + sizeof(bufs[0])) {
		unsigned int n = utf8(s);

		if (!n) {
			to = stpcpy(to, "\xef\xbf\xbd");
			s++;
			continue;
		}
		if (*s == '\\' || *s == '"' || *s == '\n')
			*to++ = '\\';
		*to++ = *s == '\n' ? 'n' : *s;
		memcpy(to, s + 1, n - 1);
		to += n - 1;
		s += n;
	}
	*to = '\0';
	return buf;
}

static void print_peer(const char *name, const struct device *d, const struct peer *p)
{
	out_text("ipmesh_%s{device=\"%s\",peer=\"%s\",name=\"%s\"", name,
		 label(d->l->name), addr_str(&p->endpoint), label(p->name));
}

static void print_info(const struct device *d)
{
	static const char *const words[] = {
		"local", "dev", "peers", "ttl", "dscp", "encap", "dport",
	};

	out_text("ipmesh_device_info{device=\"%s\"", label(d->l->name));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const struct linkattr *a = linkattr_by_word(words[i]);

		out_text(",%s=\"%s\"", a->json, label(linkattr_text(a, &d->l->attrs)));
	}
	out_text(",mtu=\"%s\"} 1\n", d->l->attrs.mtu_auto ? "auto" : "pinned");
}

static void print_metric(const struct metric *m, const struct device *v, size_t n)
{
	head(m->name, m->type, m->help);
	for (size_t i = 0; i < n; i++) {
		const struct device *d = &v[i];

		if (m->of_device == device_info)
			print_info(d);
		else if (m->of_device)
			out_text("ipmesh_%s{device=\"%s\"} %" PRIu64 "\n", m->name,
				 label(d->l->name), m->of_device(d));
		for (size_t k = 0; m->of_peer && k < d->peers.n; k++) {
			print_peer(m->name, d, &d->peers.v[k]);
			out_text("} %" PRIu64 "\n", m->of_peer(&d->peers.v[k]));
		}
	}
}

static void print_heard(const struct device *v, size_t n)
{
	static const char name[] = "peer_last_heard_timestamp_seconds";

	head(name, "gauge", "When the last packet from the peer came; 0: never.");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < v[i].peers.n; k++) {
			const struct peer *p = &v[i].peers.v[k];

			print_peer(name, &v[i], p);
			out_text("} %.3f\n", p->stats.heard ?
				 v[i].now - (double)p->stats.last_rx_ms / 1000 : 0.0);
		}
}

static void print_drops(const struct device *v, size_t n)
{
	head("device_drops_total", "counter", "Packets that the device has dropped, by cause.");
	for (size_t i = 0; i < n; i++)
		for (unsigned int c = 0; c < DROPS_N; c++)
			if (drop_names[c].name)
				out_text("ipmesh_device_drops_total{device=\"%s\",cause=\"%s\"} %" PRIu64 "\n",
					 label(v[i].l->name), drop_names[c].name,
					 v[i].l->drops.n[c]);
	head("peer_drops_total", "counter", "Packets to and from the peer that were dropped, by cause.");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < v[i].peers.n; k++)
			for (unsigned int c = 0; c < DROPS_N; c++) {
				const struct peer *p = &v[i].peers.v[k];

				if (!drop_names[c].name || !p->stats.drops.n[c])
					continue;
				print_peer("peer_drops_total", &v[i], p);
				out_text(",cause=\"%s\"} %" PRIu64 "\n", drop_names[c].name,
					 p->stats.drops.n[c]);
			}
}

static int read_devices(struct nl *nl, const struct rtlinks *links, const char *dev,
			struct device *v, size_t *n)
{
	struct timespec t;
	int e;

	for (size_t i = 0; i < links->n; i++) {
		if (dev && strcmp(links->v[i].name, dev))
			continue;
		e = genlpeer_dump(nl, links->v[i].ifindex, &v[*n].peers);
		/* It went away in between. */
		if (e == -ENODEV)
			continue;
		if (e)
			return err_refused("peers of %s: %s", links->v[i].name,
					   nl_error(nl, e));
		clock_gettime(CLOCK_REALTIME, &t);
		v[*n].now = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
		v[(*n)++].l = &links->v[i];
	}
	return EXIT_DONE;
}

static int print(struct nl *nl, const char *dev)
{
	struct rtlinks links = { 0 };
	struct device *v;
	struct rtlink l;
	size_t n = 0;
	int rc, e;

	if (out_is_json())
		return err_usage("metrics: Prometheus reads text, not JSON; say ipmesh -j show, or leave -j out");
	rc = dev ? rtlink_find(nl, dev, &l) : EXIT_DONE;
	if (rc)
		return rc;
	e = rtlink_dump(nl, IPMESH_KIND, &links);
	if (e)
		return err_refused("cannot read the devices: %s", nl_error(nl, e));
	v = xcalloc(links.n, sizeof(*v));
	rc = read_devices(nl, &links, dev, v, &n);
	/* Nothing of it when a part is missing: a scrape is whole or fails. */
	if (!rc) {
		for (size_t i = 0; n && i < sizeof(metrics) / sizeof(metrics[0]); i++)
			print_metric(&metrics[i], v, n);
		if (n) {
			print_heard(v, n);
			print_drops(v, n);
		}
		rc = out_flush();
	}
	for (size_t i = 0; i < links.n; i++)
		peers_free(&v[i].peers);
	free(v);
	rtlinks_free(&links);
	return rc;
}

int cmd_metrics(int argc, char **argv)
{
	(void)argc;
	return args_run_device(argv, usage, print);
}
