// SPDX-License-Identifier: GPL-2.0-or-later
/* IPv4 and IPv6 addresses and prefixes. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "err.h"

static char why[256];

static const char *PRINTF(1, 2) say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return why;
}

static char *next_buf(void)
{
	static char bufs[16][PREFIX_STRLEN + 2];
	static unsigned int turn;

	return bufs[turn++ % 16];
}

/* inet_pton() is strict: no octal, no short forms, no zone. */
static bool read_addr(struct addr *a, const char *text)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, a->b) == 1)
		a->family = AF_INET;
	else if (inet_pton(AF_INET6, text, a->b) == 1)
		a->family = AF_INET6;
	else
		memset(a, 0, sizeof(*a));
	return a->family != AF_UNSPEC;
}

const char *addr_parse(struct addr *a, const char *text)
{
	if (read_addr(a, text))
		return NULL;
	if (!*text)
		return say("an address is missing");
	if (strchr(text, '/')) {
		struct prefix p;

		if (!ifaddr_parse(&p, text))
			return say("%s: an address without a length is wanted; did you mean %s?",
				   err_safe(text), addr_str(&p.addr));
	}
	return say("%s: not an IPv4 or IPv6 address", err_safe(text));
}

static const char *read_prefix(struct prefix *p, const char *text,
			       bool need_length)
{
	char part[ADDR_STRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	unsigned int len = 0, digits = 0;

	memset(p, 0, sizeof(*p));
	if (n >= sizeof(part))
		return say("%s: not an address", err_safe(text));
	memcpy(part, text, n);
	part[n] = '\0';
	if (!read_addr(&p->addr, part))
		return say("%s: not an IPv4 or IPv6 %s", err_safe(text),
			   need_length ? "prefix" : "address");
	if (!slash) {
		p->len = addr_bits(&p->addr);
		if (need_length)
			return say("%s: the prefix length is missing; did you mean %s?",
				   text, prefix_str(p));
		return NULL;
	}

	for (const char *c = slash + 1; *c; c++) {
		if (*c < '0' || *c > '9' || ++digits > 3 ||
		    (digits == 2 && !len))
			return say("%s: \"%s\" is not a prefix length",
				   err_safe(text), err_safe(slash + 1));
		len = len * 10 + (unsigned int)(*c - '0');
	}
	if (!digits)
		return say("%s: the prefix length is missing", err_safe(text));
	if (len > addr_bits(&p->addr))
		return say("%s: the prefix length is above %u", err_safe(text),
			   addr_bits(&p->addr));
	p->len = (uint8_t)len;
	return NULL;
}

const char *prefix_parse(struct prefix *p, const char *text)
{
	const char *e = read_prefix(p, text, true);
	struct prefix m;

	if (e)
		return e;
	m = prefix_masked(p);
	if (!prefix_eq(&m, p))
		return say("%s: host bits are set; did you mean %s?", text,
			   prefix_str(&m));
	return NULL;
}

const char *prefix_or_host_parse(struct prefix *p, const char *text)
{
	const char *e = strchr(text, '/') ? prefix_parse(p, text) :
					    read_prefix(p, text, false);

	if (e || p->len < addr_bits(&p->addr) || addr_is_unicast(&p->addr))
		return e;
	return say("%s: no address of a host", addr_str(&p->addr));
}

const char *ifaddr_parse(struct prefix *p, const char *text)
{
	return read_prefix(p, text, false);
}

bool addr_from_bytes(struct addr *a, const void *data, size_t bytes)
{
	memset(a, 0, sizeof(*a));
	if (bytes != 4 && bytes != 16)
		return false;
	a->family = bytes == 4 ? AF_INET : AF_INET6;
	memcpy(a->b, data, bytes);
	return true;
}

const char *addr_str(const struct addr *a)
{
	char *buf = next_buf();

	if (a->family == AF_UNSPEC)
		return "any";
	if (!inet_ntop(a->family, a->b, buf, ADDR_STRLEN))
		return "?";
	return buf;
}

const char *prefix_str(const struct prefix *p)
{
	char *buf = next_buf();

	if (p->addr.family == AF_UNSPEC ||
	    !inet_ntop(p->addr.family, p->addr.b, buf, ADDR_STRLEN))
		return "?";
	snprintf(buf + strlen(buf), 5, "/%u", p->len);
	return buf;
}

const char *prefix_or_host_str(const struct prefix *p)
{
	return p->len == addr_bits(&p->addr) ? addr_str(&p->addr) : prefix_str(p);
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	/* AF_INET is below AF_INET6. */
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, sizeof(a->b));
}

int prefix_cmp(const struct prefix *a, const struct prefix *b)
{
	int c = addr_cmp(&a->addr, &b->addr);

	return c ? c : (int)a->len - (int)b->len;
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return a->family == AF_UNSPEC || !memcmp(a->b, zero, sizeof(zero));
}

bool addr_is_unicast(const struct addr *a)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	if (addr_is_any(a))
		return false;
	if (a->family == AF_INET)
		return a->b[0] != 0 && a->b[0] != 127 && a->b[0] < 224;
	return a->b[0] != 0xff && memcmp(a->b, loopback6, sizeof(loopback6));
}

/* Are the first @len bits the same? */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int len)
{
	unsigned int bytes = len / 8, rest = len % 8;

	if (memcmp(a, b, bytes))
		return false;
	return !rest || !((a[bytes] ^ b[bytes]) & (0xff << (8 - rest)));
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	return p->addr.family == a->family &&
	       same_bits(p->addr.b, a->b, p->len);
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	return outer->len <= inner->len && prefix_contains(outer, &inner->addr);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return prefix_covers(a, b) || prefix_covers(b, a);
}

struct prefix prefix_masked(const struct prefix *p)
{
	struct prefix m = *p;

	for (unsigned int i = 0; i < addr_bytes(&m.addr); i++) {
		if (m.len >= (i + 1) * 8)
			continue;
		m.addr.b[i] &= m.len > i * 8 ?
			       (uint8_t)(0xff << ((i + 1) * 8 - m.len)) : 0;
	}
	return m;
}

struct prefix prefix_host(const struct addr *a)
{
	return (struct prefix){ .addr = *a, .len = addr_bits(a) };
}

struct addr prefix_nth(const struct prefix *p, uint32_t n)
{
	struct addr a = p->addr;
	uint64_t carry = n;

	for (int i = (int)addr_bytes(&a) - 1; i >= 0 && carry; i--) {
		carry += a.b[i];
		a.b[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return a;
}

struct addr addr_mapped(const struct addr *v4)
{
	struct addr a = { .family = AF_INET6 };

	if (v4->family != AF_INET)
		return *v4;
	a.b[10] = 0xff;
	a.b[11] = 0xff;
	memcpy(a.b + 12, v4->b, 4);
	return a;
}

struct addr addr_unmapped(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct addr v4 = { .family = AF_INET };

	if (a->family != AF_INET6 || memcmp(a->b, mapped, sizeof(mapped)))
		return *a;
	memcpy(v4.b, a->b + 12, 4);
	return v4;
}

void prefix_list_add(struct prefix_list *l, const struct prefix *p)
{
	l->v = xgrow(l->v, l->n, &l->cap, sizeof(*p));
	l->v[l->n++] = *p;
}

static int by_prefix(const void *a, const void *b)
{
	return prefix_cmp(a, b);
}

void prefix_list_sort(struct prefix_list *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_prefix);
}

bool prefix_list_has(const struct prefix_list *l, const struct prefix *p)
{
	for (size_t i = 0; i < l->n; i++)
		if (prefix_eq(&l->v[i], p))
			return true;
	return false;
}

void prefix_list_clear(struct prefix_list *l)
{
	free(l->v);
	memset(l, 0, sizeof(*l));
}

/* FNV-1a: short keys, and nobody hostile fills these tables. */
static uint32_t hash(uint32_t h, const uint8_t *b, size_t n)
{
	while (n--)
		h = (h ^ *b++) * 16777619U;
	return h;
}

uint32_t addr_hash(const struct addr *a)
{
	return hash(hash(2166136261U, &a->family, 1), a->b, addr_bytes(a));
}

uint32_t prefix_hash(const struct prefix *p)
{
	return hash(addr_hash(&p->addr), &p->len, 1);
}
