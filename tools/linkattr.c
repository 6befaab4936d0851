// SPDX-License-Identifier: GPL-2.0-or-later
/* The attributes of a device: one table for reading, writing and showing. */
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "linkattr.h"
#include "nl.h"
#include "number.h"

static const char *const peers_modes[] = {
	[IPMESH_PEERS_MODE_STRICT] = "strict",
	[IPMESH_PEERS_MODE_OPEN] = "open",
	NULL
};

static const char *const off_on[] = { "off", "on", NULL };

const char *const peer_encaps[] = {
	[IPMESH_ENCAP_NONE] = "none",
	[IPMESH_ENCAP_UDP] = "udp",
	[IPMESH_ENCAP_DEVICE] = "device",
	NULL
};

/* Of a device, which has nobody to leave it to. */
static const char *const encaps[] = {
	[IPMESH_ENCAP_NONE] = "none",
	[IPMESH_ENCAP_UDP] = "udp",
	NULL
};

#define AT(member) .off = offsetof(struct linkattrs, member), \
		   .size = sizeof(((struct linkattrs *)0)->member)

const struct linkattr linkattr_table[] = {
	{
		.word = "local", .json = "local",
		.type = IFLA_IPMESH_LOCAL,
		.kind = LINKATTR_ADDR, AT(local),
		.usage = "ADDRESS|any",
		.help = "underlay address; any: the routing picks it",
	}, {
		.word = "dev", .json = "lower",
		.type = IFLA_IPMESH_LINK,
		.kind = LINKATTR_DEV, AT(link), .usage = "DEVICE|none",
		.help = "lower device to send and receive on",
	}, {
		.word = "peers", .json = "peers_mode",
		.type = IFLA_IPMESH_PEERS,
		.kind = LINKATTR_ENUM, AT(peers), .words = peers_modes,
		.def = IPMESH_PEERS_MODE_STRICT,
		.usage = "strict|open",
		.help = "open lets in and out also what is no peer's",
	}, {
		.word = "ttl", .json = "ttl",
		.type = IFLA_IPMESH_TTL,
		.kind = LINKATTR_NUM, AT(ttl), .min = 1, .max = 255,
		.other = "inherit", .other_value = IPMESH_TTL_INHERIT, .def = 64,
		.usage = "1-255|inherit", .help = "outer TTL",
	}, {
		.word = "dscp", .json = "dscp",
		.type = IFLA_IPMESH_DSCP,
		.kind = LINKATTR_NUM, AT(dscp), .min = 0, .max = 63,
		.other = "inherit", .other_value = IPMESH_DSCP_INHERIT,
		.def = IPMESH_DSCP_INHERIT,
		.usage = "0-63|inherit", .help = "outer DSCP",
	}, {
		.word = "pmtudisc", .json = "pmtudisc",
		.type = IFLA_IPMESH_PMTUDISC,
		.kind = LINKATTR_ENUM, AT(pmtudisc), .words = off_on, .def = 1,
		.usage = "on|off",
		.help = "on: never fragment outer packets; off: as the inner one wants",
	}, {
		.word = "fwmark", .json = "fwmark",
		.type = IFLA_IPMESH_FWMARK,
		.kind = LINKATTR_NUM, AT(fwmark), .min = 0, .max = UINT32_MAX,
		.usage = "NUMBER|0xNUMBER", .help = "mark of outer packets",
	}, {
		.word = "encap", .json = "encap",
		.type = IFLA_IPMESH_ENCAP,
		.kind = LINKATTR_ENUM, AT(encap), .words = encaps,
		.def = IPMESH_ENCAP_NONE, .usage = "none|udp",
		.help = "udp: inside UDP, not in IP alone",
	}, {
		.word = "dport", .json = "dport",
		.type = IFLA_IPMESH_DPORT,
		.kind = LINKATTR_NUM, AT(dport), .min = 1, .max = UINT16_MAX,
		.def = IPMESH_DPORT_DEFAULT,
		.usage = "1-65535", .help = "UDP port to send to and to receive on",
	}, {
		.word = "sport", .json = "sport",
		.type = IFLA_IPMESH_SPORT,
		.kind = LINKATTR_NUM, AT(sport), .min = 0, .max = UINT16_MAX,
		.other = "flow", .other_value = 0,
		.usage = "1-65535|flow",
		.help = "UDP source port; flow: the inner flow chooses it",
	}, {
		.word = "csum", .json = "csum",
		.type = IFLA_IPMESH_CSUM,
		.kind = LINKATTR_ENUM, AT(csum), .words = off_on,
		.usage = "on|off", .help = "UDP checksum; on for an IPv6 underlay",
	}, {
		.word = "notrack", .json = "notrack",
		.type = IFLA_IPMESH_NOTRACK,
		.kind = LINKATTR_ENUM, AT(notrack), .words = off_on,
		.usage = "on|off",
		.help = "keep outer packets out of connection tracking",
	}, {
		.word = "rpf", .json = "rpf",
		.type = IFLA_IPMESH_RPF,
		.kind = LINKATTR_ENUM, AT(rpf), .words = off_on, .def = 1,
		.usage = "on|off",
		.help = "on, strict: receive by devices only that lead to the peer",
	}, {
		.word = "mtu", .json = "mtu_auto",
		.type = IFLA_IPMESH_MTU_AUTO,
		.kind = LINKATTR_AUTO, AT(mtu_auto), .usage = "auto|NUMBER",
		.help = "auto follows the underlay; a number pins it",
	}, {
		.word = "max_peers", .json = "max_peers",
		.type = IFLA_IPMESH_MAX_PEERS,
		.kind = LINKATTR_NUM, AT(max_peers), .min = 1, .max = UINT32_MAX,
		.def = IPMESH_MAX_PEERS_DEFAULT,
		.usage = "NUMBER", .help = "most peers that the device takes",
	}, {
		.word = "peer_count", .json = "peer_count",
		.type = IFLA_IPMESH_PEER_COUNT,
		.kind = LINKATTR_COUNT, AT(peer_count),
		.help = "peers that it has",
	},
};

const size_t linkattr_count = sizeof(linkattr_table) / sizeof(linkattr_table[0]);

bool peer_encap_read(const char *word, uint8_t *encap)
{
	for (uint8_t i = 0; peer_encaps[i]; i++)
		if (!strcmp(peer_encaps[i], word)) {
			*encap = i;
			return true;
		}
	return false;
}

const struct linkattr *linkattr_by_word(const char *word)
{
	for (size_t i = 0; i < linkattr_count; i++)
		if (linkattr_table[i].kind != LINKATTR_COUNT &&
		    !strcmp(linkattr_table[i].word, word))
			return &linkattr_table[i];
	return NULL;
}

static void set_number(const struct linkattr *a, struct linkattrs *v,
		       uint32_t n)
{
	uint8_t *p = (uint8_t *)v + a->off;
	uint16_t half = (uint16_t)n;

	if (a->size == 1)
		*p = (uint8_t)n;
	else if (a->size == 2)
		memcpy(p, &half, sizeof(half));
	else
		memcpy(p, &n, sizeof(n));
}

uint32_t linkattr_number(const struct linkattr *a, const struct linkattrs *v)
{
	const uint8_t *p = (const uint8_t *)v + a->off;
	uint16_t half;
	uint32_t n;

	if (a->size == 1)
		return *p;
	if (a->size == 2) {
		memcpy(&half, p, sizeof(half));
		return half;
	}
	memcpy(&n, p, sizeof(n));
	return n;
}

/* That of csum goes by the underlay. RFC 6935: zero over IPv6 is for those who ask for it. */
static uint32_t default_number(const struct linkattr *a, const struct linkattrs *v)
{
	return a->type == IFLA_IPMESH_CSUM ? linkattr_family(v) == AF_INET6 : a->def;
}

void linkattr_defaults(struct linkattrs *v)
{
	for (size_t i = 0; i < linkattr_count; i++) {
		const struct linkattr *a = &linkattr_table[i];

		if (v->has & LINKATTR_BIT(a->type) ||
		    a->kind == LINKATTR_AUTO || a->kind == LINKATTR_COUNT)
			continue;
		v->has |= LINKATTR_BIT(a->type);
		if (a->kind == LINKATTR_ADDR)
			memset((char *)v + a->off, 0, a->size);
		else
			set_number(a, v, default_number(a, v));
	}
}

bool linkattr_same(const struct linkattr *a, const struct linkattrs *asked,
		   const struct linkattrs *got)
{
	if (a->kind == LINKATTR_ADDR)
		return (addr_is_any(&asked->local) && addr_is_any(&got->local)) ||
		       addr_eq(&asked->local, &got->local);
	return linkattr_number(a, asked) ==
	       (got->has & LINKATTR_BIT(a->type) ? linkattr_number(a, got) :
						   default_number(a, asked));
}

static const struct linkattr *find_other(const struct linkattrs *asked,
					 const struct linkattrs *got, bool unknown)
{
	for (size_t i = 0; i < linkattr_count; i++) {
		const struct linkattr *a = &linkattr_table[i];

		if (asked->has & LINKATTR_BIT(a->type) && a->kind != LINKATTR_COUNT &&
		    unknown == !(got->has & LINKATTR_BIT(a->type)) &&
		    !linkattr_same(a, asked, got))
			return a;
	}
	return NULL;
}

const char *linkattr_unknown(const struct linkattrs *asked, const struct linkattrs *got)
{
	const struct linkattr *a = find_other(asked, got, true);
	static char why[200];

	if (!a)
		return NULL;
	snprintf(why, sizeof(why),
		 "the ipmesh module that is loaded does not know \"%s\"; it is older than this command: load the one that came with it",
		 a->word);
	return why;
}

const char *linkattr_lacking(const struct linkattrs *asked, const struct linkattrs *got)
{
	const char *unknown = linkattr_unknown(asked, got);
	const struct linkattr *a;
	static char why[200];
	char is[64];

	if (unknown)
		return unknown;
	a = find_other(asked, got, false);
	if (!a)
		return NULL;
	snprintf(is, sizeof(is), "%s", linkattr_text(a, got));
	snprintf(why, sizeof(why), "%s is %s now, not %s: another program has changed it",
		 a->word, is, linkattr_text(a, asked));
	return why;
}

static bool read_u32(const char *s, uint32_t min, uint32_t max, uint32_t *n)
{
	uint64_t v;

	if (!number_read(s, min, max, &v))
		return false;
	*n = (uint32_t)v;
	return true;
}

const char *linkattr_read(const struct linkattr *a, const char *value,
			  struct linkattrs *v)
{
	static char why[200];
	const char *bar;
	struct addr *addr = (struct addr *)((char *)v + a->off);
	const char *e;
	uint32_t n = 0;

	switch (a->kind) {
	case LINKATTR_ADDR:
		if (!strcmp(value, "any")) {
			memset(addr, 0, sizeof(*addr));
			break;
		}
		e = addr_parse(addr, value);
		if (e)
			return e;
		if (!addr_is_any(addr) && !addr_is_unicast(addr)) {
			snprintf(why, sizeof(why), "%s is not the address of a host",
				 addr_str(addr));
			return why;
		}
		break;
	case LINKATTR_DEV:
		if (strcmp(value, "none")) {
			n = if_nametoindex(value);
			if (!n) {
				snprintf(why, sizeof(why),
					 "there is no device \"%s\"",
					 err_safe(value));
				return why;
			}
		}
		set_number(a, v, n);
		break;
	case LINKATTR_NUM:
		if (a->other && !strcmp(value, a->other))
			n = a->other_value;
		else if (!read_u32(value, a->min, a->max, &n))
			goto wrong;
		set_number(a, v, n);
		break;
	case LINKATTR_ENUM:
		for (n = 0; a->words[n] && strcmp(a->words[n], value); n++)
			;
		if (!a->words[n])
			goto wrong;
		set_number(a, v, n);
		break;
	case LINKATTR_AUTO:
		if (strcmp(value, "auto"))
			goto wrong;
		set_number(a, v, 1);
		break;
	case LINKATTR_COUNT:
		goto wrong;
	}
	v->has |= LINKATTR_BIT(a->type);
	return NULL;

wrong:
	/* "on|off", as in the usage, in words: on or off. */
	bar = strchr(a->usage, '|');
	snprintf(why, sizeof(why), "\"%s\" is wrong; say %.*s%s%s", err_safe(value),
		 bar ? (int)(bar - a->usage) : (int)strlen(a->usage), a->usage,
		 bar ? " or " : "", bar ? bar + 1 : "");
	return why;
}

const char *linkattr_text(const struct linkattr *a, const struct linkattrs *v)
{
	static char bufs[8][24];
	static unsigned int turn;
	static char name[IF_NAMESIZE];
	char *buf = bufs[turn++ % 8];
	const struct addr *addr = (const struct addr *)((const char *)v + a->off);
	uint32_t n = 0;

	if (a->kind == LINKATTR_ADDR)
		return addr_is_any(addr) ? "any" : addr_str(addr);

	n = linkattr_number(a, v);
	if (a->kind == LINKATTR_DEV && !n)
		return "none";
	if (a->kind == LINKATTR_DEV && if_indextoname(n, name))
		return name;
	if (a->kind == LINKATTR_DEV) {
		/* Its underlay may lie in another network namespace. */
		snprintf(buf, sizeof(bufs[0]), "if%u", n);
		return buf;
	}
	if (a->kind == LINKATTR_AUTO)
		return n ? "auto" : "pinned";
	if (a->kind == LINKATTR_ENUM) {
		for (uint32_t i = 0; a->words[i]; i++)
			if (i == n)
				return a->words[i];
	}
	if (a->other && n == a->other_value)
		return a->other;
	snprintf(buf, sizeof(bufs[0]),
		 a->type == IFLA_IPMESH_FWMARK && n ? "0x%x" : "%u", n);
	return buf;
}

enum linkattr_json linkattr_json(const struct linkattr *a,
				 const struct linkattrs *v)
{
	uint32_t n = linkattr_number(a, v);

	switch (a->kind) {
	case LINKATTR_ADDR:
		return LINKATTR_JSON_STRING;
	case LINKATTR_DEV:
		return n ? LINKATTR_JSON_STRING : LINKATTR_JSON_NULL;
	case LINKATTR_NUM:
		return a->other && n == a->other_value ?
		       LINKATTR_JSON_STRING : LINKATTR_JSON_NUMBER;
	case LINKATTR_ENUM:
		return a->words == off_on ?
		       LINKATTR_JSON_BOOL : LINKATTR_JSON_STRING;
	case LINKATTR_AUTO:
		return LINKATTR_JSON_BOOL;
	case LINKATTR_COUNT:
		break;
	}
	return LINKATTR_JSON_NUMBER;
}

void linkattr_take(struct linkattrs *v, const struct nlattr *a)
{
	const void *p = mnl_attr_get_payload(a);
	uint16_t len = mnl_attr_get_payload_len(a);

	for (size_t i = 0; i < linkattr_count; i++) {
		const struct linkattr *t = &linkattr_table[i];

		if (t->type != mnl_attr_get_type(a))
			continue;
		if (t->kind == LINKATTR_ADDR)
			addr_from_bytes((struct addr *)((char *)v + t->off),
					p, len);
		else if (len == t->size)
			set_number(t, v, (uint32_t)nl_u(a));
		else
			return;
		v->has |= LINKATTR_BIT(t->type);
	}
}

void linkattr_parse(struct linkattrs *v, const struct nlattr *data)
{
	const struct nlattr *a;

	memset(v, 0, sizeof(*v));
	if (!data)
		return;
	mnl_attr_for_each_nested(a, data)
		linkattr_take(v, a);
}

void linkattr_put(struct nlmsghdr *nlh, const struct linkattrs *v)
{
	for (size_t i = 0; i < linkattr_count; i++) {
		const struct linkattr *t = &linkattr_table[i];
		const struct addr *addr = (const struct addr *)((const char *)v + t->off);

		if (!(v->has & LINKATTR_BIT(t->type)))
			continue;
		if (t->kind == LINKATTR_COUNT)
			continue;
		if (t->kind == LINKATTR_ADDR)
			mnl_attr_put(nlh, t->type, addr_bytes(addr), addr->b);
		else if (t->size == 1)
			mnl_attr_put_u8(nlh, t->type, (uint8_t)linkattr_number(t, v));
		else if (t->size == 2)
			mnl_attr_put_u16(nlh, t->type, (uint16_t)linkattr_number(t, v));
		else
			mnl_attr_put_u32(nlh, t->type, linkattr_number(t, v));
	}
}
