// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Our own document: one device, as it is to be on this host.  In full:
 *
 *	apiVersion: ipmesh/v1
 *	kind: Device
 *	metadata:
 *	  name: ipmesh0
 *	spec:
 *	  local: 172.16.40.199		# underlay address, or any
 *	  dev: ens160			# lower device, or none
 *	  address: [10.244.0.1/32]	# of the device
 *	  mtu: auto			# or a number
 *	  mode: strict			# or open: anyone may send, as tunl0
 *	  ttl: 64			# 1-255, or inherit
 *	  dscp: inherit			# or 0-63
 *	  pmtudisc: on			# or off
 *	  fwmark: 0
 *	  encap: none			# or udp, with:
 *	  dport: 5555
 *	  sport: flow			# or a number
 *	  csum: off			# the default on an IPv6 underlay: on
 *	  notrack: off			# or on: no connection tracking outside
 *	  rpf: on			# or off: by any device of the underlay
 *	  maxPeers: 65536
 *	  blackhole: [10.244.0.0/24]	# this host's own pod CIDRs
 *	  pools: [10.244.0.0/16]	# all addresses of the overlay
 *	  natOutgoing: [10.244.0.0/16]	# from these to outside all pools
 *	  natHost: true			# what this host sends by the device, too
 *	  routes: peer			# or pool: one route a pool, or none
 *	  endpointSet: inet filter ipmesh_endpoints	# kept filled
 *	  peers:
 *	  - name: k8s-node1		# a label
 *	    endpoint: 172.16.40.198
 *	    cidrs: [10.244.1.0/24]
 *	    via: tunnel			# or underlay, or none: no route at all
 *	    sources: [192.0.2.7]	# inner ones besides, without a route
 *	  - endpoint: 172.16.41.7
 *	    cidrs:
 *	    - 10.244.7.0/24
 *	    - {prefix: 10.245.7.0/24, via: none}
 *	    encap: device		# as the device; or none, or udp
 *	    dport: 5555			# when not the device's
 *	  - endpoint: 172.16.40.9	# a balancer
 *	    from: [172.20.0.0/16]	# outer sources besides the endpoint
 *	    cidrs: [0.0.0.0/0]		# without a route, unless via is said
 *
 * Only apiVersion, kind and metadata.name are required; a peer needs its
 * endpoint.  A field that is left out has the default of the device.  See
 * ipmesh.yaml(5).
 */
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "err.h"
#include "name.h"
#include "rtlink.h"

static const char *const top_fields[] = {
	"apiVersion", "kind", "metadata", "spec", NULL
};

static const char *const metadata_fields[] = {
	"name", "labels", "annotations", NULL
};

static const char *const spec_fields[] = {
	"local", "dev", "address", "mtu", "mode", "ttl", "dscp", "pmtudisc",
	"fwmark", "encap", "dport", "sport", "csum", "notrack", "rpf", "maxPeers", "blackhole",
	"pools", "natOutgoing", "natHost", "routes", "endpointSet", "peers", NULL
};

static const char *const peer_fields[] = {
	"name", "endpoint", "cidrs", "via", "sources", "from", "encap", "dport", NULL
};

static const char *const cidr_fields[] = { "prefix", "via", NULL };

/* Fields that are attributes of the device, by the tool's word for each. */
static const struct {
	const char *field, *word;
} attributes[] = {
	{ "local", "local" },
	{ "dev", "dev" },
	{ "mode", "peers" },
	{ "ttl", "ttl" },
	{ "dscp", "dscp" },
	{ "pmtudisc", "pmtudisc" },
	{ "fwmark", "fwmark" },
	{ "encap", "encap" },
	{ "dport", "dport" },
	{ "sport", "sport" },
	{ "csum", "csum" },
	{ "notrack", "notrack" },
	{ "rpf", "rpf" },
	{ "maxPeers", "max_peers" },
};

const char *read_own_field(const char *word)
{
	for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++)
		if (!strcmp(attributes[i].word, word))
			return attributes[i].field;
	return word;
}

/* A prefix; an address with host bits, of a device; or either of the two. */
enum form { PREFIX, ADDRESS, ANY };

static int read_prefix(const struct doc_node *item, enum form form, struct prefix *p)
{
	const char *wrong;

	if (item->kind != DOC_SCALAR)
		return doc_fail(item, "must be a prefix such as 10.244.1.0/24");
	wrong = form == ADDRESS ? ifaddr_parse(p, item->text) :
		form == ANY ? prefix_or_host_parse(p, item->text) :
			      prefix_parse(p, item->text);
	if (wrong)
		return doc_fail(item, "%s", wrong);
	if (form == ADDRESS && !addr_is_unicast(&p->addr))
		return doc_fail(item, "%s: no address of a host",
				addr_str(&p->addr));
	return 0;
}

static int prefixes(const struct doc_node *map, const char *key, enum form form,
		    struct fact_cidr **v, size_t *n)
{
	const struct doc_node *list;
	size_t i;
	int ret;

	ret = doc_seq(map, key, &list);
	if (ret <= 0)
		return ret;
	*v = xcalloc(list->n, sizeof(**v));
	for (i = 0; i < list->n; i++) {
		(*v)[*n].at = list->child[i];
		if (read_prefix(list->child[i], form, &(*v)[*n].p))
			return -1;
		(*n)++;
	}
	return 0;
}

/* Of a peer, or of one of its prefixes: C is as it is where DOC says nothing. */
static int read_via(const struct doc_node *doc, struct device_cidr *c)
{
	const struct doc_node *n;
	int ret;

	ret = doc_string(doc, "via", &n);
	if (ret <= 0)
		return ret;
	c->via_said = true;
	if (!strcmp(n->text, "tunnel"))
		c->via = VIA_TUNNEL;
	else if (!strcmp(n->text, "none"))
		c->via = VIA_NONE;
	else if (!strcmp(n->text, "underlay") ||
		 (!addr_parse(&c->gw, n->text) && addr_is_unicast(&c->gw)))
		c->via = VIA_UNDERLAY;
	else
		return doc_fail(n, "\"%s\" is not tunnel, underlay or none, nor an address of the underlay",
				err_safe(n->text));
	return 0;
}

/* Each a prefix, or a map of one and its own way. */
static int read_cidrs(struct device_peer *p, const struct doc_node *doc,
		      const struct device_cidr *usual)
{
	const struct doc_node *list, *item;
	struct device_cidr *c;
	int ret;

	ret = doc_seq(doc, "cidrs", &list);
	if (ret <= 0)
		return ret;
	p->cidrs = xcalloc(list->n, sizeof(*p->cidrs));
	for (size_t i = 0; i < list->n; i++) {
		item = list->child[i];
		c = &p->cidrs[p->n_cidrs];
		*c = *usual;
		c->fact.at = item;
		if (item->kind == DOC_MAP) {
			if (doc_known(item, cidr_fields) || read_via(item, c))
				return -1;
			ret = doc_string(item, "prefix", &c->fact.at);
			if (ret < 0)
				return -1;
			if (!ret)
				return doc_fail(item, "prefix is missing: add it");
		}
		if (read_prefix(c->fact.at, PREFIX, &c->fact.p))
			return -1;
		/* It would be this host's default route. */
		if (!c->fact.p.len && !c->via_said)
			c->via = VIA_NONE;
		p->n_cidrs++;
	}
	return 0;
}

/* As many as a peer may have, and none twice. */
static int read_part(const struct doc_node *doc, const char *key, size_t max,
		     struct fact_cidr **v, size_t *n)
{
	size_t i, k;

	if (prefixes(doc, key, ANY, v, n))
		return -1;
	if (*n > max)
		return doc_fail((*v)[max].at, "more than %zu %s of one peer", max,
				key[0] == 's' ? "sources" : "outer prefixes");
	for (i = 0; i < *n; i++)
		for (k = 0; k < i; k++)
			if (prefix_eq(&(*v)[k].p, &(*v)[i].p))
				return doc_fail((*v)[i].at, "%s is listed twice: remove one",
						prefix_or_host_str(&(*v)[i].p));
	return 0;
}

static int read_encap(struct device_peer *p, const struct doc_node *doc)
{
	const struct doc_node *n;
	uint64_t dport;
	int ret;

	ret = doc_string(doc, "encap", &n);
	if (ret > 0 && !peer_encap_read(n->text, &p->encap))
		return doc_fail(n, "\"%s\" is not none, udp or device",
				err_safe(n->text));
	if (ret >= 0)
		ret = doc_uint(doc, "dport", 1, UINT16_MAX, &dport);
	if (ret > 0)
		p->dport = (uint16_t)dport;
	return ret < 0 ? -1 : 0;
}

static int read_peer(struct cluster_device *d, const struct doc_node *doc)
{
	struct device_cidr usual = { .via = VIA_TUNNEL };
	struct device_peer *p;
	const struct doc_node *n;
	const char *wrong;
	int ret;

	if (doc->kind != DOC_MAP)
		return doc_fail(doc, "must be a peer with an endpoint and cidrs");
	if (doc_known(doc, peer_fields))
		return -1;
	d->peers = xgrow(d->peers, d->n_peers, &d->cap_peers, sizeof(*d->peers));
	p = &d->peers[d->n_peers++];
	memset(p, 0, sizeof(*p));
	p->name = "";
	p->encap = IPMESH_ENCAP_DEVICE;
	ret = doc_string(doc, "endpoint", &p->at);
	if (ret < 0)
		return -1;
	if (!ret)
		return doc_fail(doc, "endpoint is missing: add the peer's underlay address");
	wrong = addr_parse(&p->endpoint, p->at->text);
	if (wrong)
		return doc_fail(p->at, "%s", wrong);
	if (!addr_is_unicast(&p->endpoint))
		return doc_fail(p->at, "%s: no address of a host", p->at->text);
	ret = doc_string(doc, "name", &n);
	if (ret < 0)
		return -1;
	if (ret) {
		if (strlen(n->text) > IPMESH_NAME_MAX)
			return doc_fail(n, "longer than %d bytes", IPMESH_NAME_MAX);
		wrong = name_check(n->text);
		if (wrong)
			return doc_fail(n, "%s", wrong);
		p->name = n->text;
	}
	usual.gw = p->endpoint;
	if (read_via(doc, &usual) || read_encap(p, doc) ||
	    read_part(doc, "sources", IPMESH_MAX_SOURCES, &p->sources, &p->n_sources) ||
	    read_part(doc, "from", IPMESH_MAX_FROMS, &p->froms, &p->n_froms))
		return -1;
	return read_cidrs(p, doc, &usual);
}

static int read_attributes(struct cluster_device *d, const struct doc_node *spec)
{
	const struct linkattr *a;
	const struct doc_node *n;
	const char *wrong;
	uint64_t mtu;
	size_t i;
	int ret;

	for (i = 0; i < sizeof(attributes) / sizeof(*attributes); i++) {
		ret = doc_string(spec, attributes[i].field, &n);
		if (ret < 0)
			return -1;
		a = linkattr_by_word(attributes[i].word);
		if (!ret || !a)
			continue;
		/* "on" and "off" are bools to some that write YAML for us. */
		wrong = linkattr_read(a, n->plain && !strcmp(n->text, "true") ? "on" :
				      n->plain && !strcmp(n->text, "false") ? "off" :
				      n->text, &d->attrs);
		if (wrong)
			return doc_fail(n, "%s", wrong);
	}
	ret = doc_string(spec, "mtu", &n);
	if (ret < 0)
		return -1;
	if (ret && strcmp(n->text, "auto")) {
		if (doc_uint(spec, "mtu", 68, 65535, &mtu) < 0)
			return -1;
		d->mtu = (uint32_t)mtu;
	}
	return 0;
}

static int read_endpoint_set(struct cluster_device *d, const struct doc_node *spec)
{
	const char *wrong;
	int ret = doc_string(spec, "endpointSet", &d->endpoint_set_at);

	if (ret <= 0)
		return ret;
	wrong = set_name_parse(&d->endpoint_set, d->endpoint_set_at->text);
	return wrong ? doc_fail(d->endpoint_set_at, "%s", wrong) : 0;
}

static int read_routes(struct cluster_device *d, const struct doc_node *spec)
{
	const struct doc_node *n;
	int ret = doc_string(spec, "routes", &n);

	if (ret > 0 && !route_form_read(n->text, &d->routes))
		return doc_fail(n, "\"%s\" is not peer, pool or none", err_safe(n->text));
	return ret < 0 ? -1 : 0;
}

static int read_nat_host(struct cluster_device *d, const struct doc_node *spec)
{
	bool on = false;
	int said = doc_bool(spec, "natHost", &on);

	d->nat_host = said > 0 ? on : -1;
	return said < 0 ? -1 : 0;
}

int read_own_device(struct cluster *c, const struct doc_node *doc)
{
	const struct doc_node *name = cluster_name(doc), *spec, *peers;
	struct cluster_device *d;
	const char *wrong;
	size_t i;

	if (!name || doc_known(doc, top_fields) ||
	    doc_known(doc_get(doc, "metadata"), metadata_fields))
		return -1;
	wrong = rtlink_check_name(name->text);
	if (wrong)
		return doc_fail(name, "%s", wrong);
	for (i = 0; i < c->n_devices; i++)
		if (!strcmp(c->devices[i].name, name->text))
			return doc_fail(name, "the device %s is described at %s too: remove one",
					name->text, doc_where(c->devices[i].at));
	c->devices = xgrow(c->devices, c->n_devices, &c->cap_devices,
			   sizeof(*c->devices));
	d = &c->devices[c->n_devices++];
	memset(d, 0, sizeof(*d));
	d->name = name->text;
	d->at = name;

	if (doc_map(doc, "spec", &spec) < 0)
		return -1;
	if (!spec)
		return doc_fail(doc, "spec is missing: is the file truncated?");
	if (doc_known(spec, spec_fields) || read_attributes(d, spec) ||
	    prefixes(spec, "address", ADDRESS, &d->addresses, &d->n_addresses) ||
	    prefixes(spec, "blackhole", PREFIX, &d->blackholes, &d->n_blackholes) ||
	    prefixes(spec, "pools", PREFIX, &d->pools, &d->n_pools) ||
	    prefixes(spec, "natOutgoing", PREFIX, &d->nat, &d->n_nat) ||
	    read_nat_host(d, spec) ||
	    read_routes(d, spec) || read_endpoint_set(d, spec) || doc_seq(spec, "peers", &peers) < 0)
		return -1;
	for (i = 0; peers && i < peers->n; i++)
		if (read_peer(d, peers->child[i]))
			return -1;
	return 0;
}
