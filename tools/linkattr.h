/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attributes of a device, once: the words of the command line, the
 * attributes of the kernel, how each is read, written and shown. The tool and
 * the plug-in of iproute2 use this one table.
 */
#ifndef IPMESH_LINKATTR_H
#define IPMESH_LINKATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/ipmesh.h>
#include "addr.h"

/* Values of a device; @has has bit IFLA_IPMESH_* for each that is there. */
struct linkattrs {
	uint32_t has;
	struct addr local;
	uint32_t link;			/* ifindex of dev, 0 for none */
	uint8_t peers;
	uint8_t ttl;
	uint8_t dscp;
	uint8_t pmtudisc;
	uint32_t fwmark;
	uint8_t mtu_auto;
	uint32_t max_peers;
	uint32_t peer_count;		/* read only */
	uint8_t encap;
	uint16_t dport;
	uint16_t sport;			/* 0: by flow */
	uint8_t csum;
	uint8_t notrack;
	uint8_t rpf;
};

#define LINKATTR_BIT(type)	(1U << (type))

enum linkattr_kind {
	LINKATTR_ADDR,			/* an address, or "any" */
	LINKATTR_DEV,			/* a device, or "none" */
	LINKATTR_NUM,			/* min to max, or @other */
	LINKATTR_ENUM,			/* one of @words, by value */
	LINKATTR_AUTO,			/* "auto"; a number is IFLA_MTU's matter */
	LINKATTR_COUNT,			/* only shown */
};

struct linkattr {
	const char *word;		/* of the command line */
	const char *json;		/* key of output */
	uint16_t type;			/* IFLA_IPMESH_* */
	enum linkattr_kind kind;
	uint8_t size;			/* of the number: 1, 2 or 4 */
	size_t off;			/* in struct linkattrs */
	uint32_t min, max;
	const char *other;		/* word that stands for @other_value */
	uint32_t other_value;
	uint32_t def;			/* default; of csum: on an IPv4 underlay */
	const char *const *words;
	const char *usage;		/* "A|any" */
	const char *help;
};

extern const struct linkattr linkattr_table[];
extern const size_t linkattr_count;

/* Of a peer: those of a device, and "device" for what the device says. */
extern const char *const peer_encaps[];
bool peer_encap_read(const char *word, uint8_t *encap);

const struct linkattr *linkattr_by_word(const char *word);

/* NULL, or what is wrong with @value (good until the next call). */
const char *linkattr_read(const struct linkattr *a, const char *value,
			  struct linkattrs *v);

/* The value as the command line takes it ("any", "inherit", "10.0.0.1"). */
const char *linkattr_text(const struct linkattr *a, const struct linkattrs *v);

/* What the value is in JSON: its number, its number as true or false, or its
 * text; null for no device.
 */
enum linkattr_json {
	LINKATTR_JSON_NULL,
	LINKATTR_JSON_BOOL,
	LINKATTR_JSON_NUMBER,
	LINKATTR_JSON_STRING,
};

enum linkattr_json linkattr_json(const struct linkattr *a,
				 const struct linkattrs *v);

uint32_t linkattr_number(const struct linkattr *a, const struct linkattrs *v);

/* What a new device would have where @v has nothing: all are there then, but
 * for the MTU's. That of csum goes by the family of v->local.
 */
void linkattr_defaults(struct linkattrs *v);

/* Whether a device that is @got has the value of @asked. What an older module does not
 * know of is as by default.
 */
bool linkattr_same(const struct linkattr *a, const struct linkattrs *asked,
		   const struct linkattrs *got);

/* The kernel passes over attributes that its module does not know of. NULL, or which of
 * @asked that is, by what the kernel tells of a device; and the same for any that the
 * device has otherwise than asked for (good until the next call).
 */
const char *linkattr_unknown(const struct linkattrs *asked, const struct linkattrs *got);
const char *linkattr_lacking(const struct linkattrs *asked, const struct linkattrs *got);

/* The underlay's family, which the local address decides; any is IPv4. */
static inline uint8_t linkattr_family(const struct linkattrs *v)
{
	return v->local.family == AF_INET6 ? AF_INET6 : AF_INET;
}

struct nlattr;
struct nlmsghdr;

/* One attribute of IFLA_INFO_DATA; all of them; into an open IFLA_INFO_DATA, those in v->has. */
void linkattr_take(struct linkattrs *v, const struct nlattr *a);
void linkattr_parse(struct linkattrs *v, const struct nlattr *data);
void linkattr_put(struct nlmsghdr *nlh, const struct linkattrs *v);

#endif
