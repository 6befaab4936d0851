// SPDX-License-Identifier: GPL-2.0-or-later
/* The set of endpoints in a table of the firewall's own, by libnftables. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpointset.h"
#include "err.h"
#include "nft.h"

/* An identifier of nft's language, as far as people use it. */
static bool is_identifier(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_-./", *s))
			return false;
	return true;
}

/* Families whose chains see what this host receives. */
static bool is_family(const char *s)
{
	static const char *const words[] = { "ip", "ip6", "inet", "bridge", "netdev" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i], s))
			return true;
	return false;
}

const char *set_name_parse(struct set_name *s, const char *text)
{
	static char why[200];
	char rest[2];

	if (sscanf(text, "%7s %127s %127s %1s", s->family, s->table, s->name, rest) != 3 ||
	    !is_identifier(s->table) || !is_identifier(s->name)) {
		snprintf(why, sizeof(why), "\"%s\" is not the family, table and name of an nftables set, such as \"inet filter ipmesh_endpoints\"",
			 err_safe(text));
		return why;
	}
	if (!is_family(s->family)) {
		snprintf(why, sizeof(why), "\"%s\" is not ip, ip6, inet, bridge or netdev",
			 err_safe(s->family));
		return why;
	}
	return NULL;
}

const char *set_name_str(const struct set_name *s)
{
	static char bufs[2][sizeof(*s)];
	static unsigned int turn;
	char *buf = bufs[turn++ % 2];

	snprintf(buf, sizeof(bufs[0]), "%s %s %s", s->family, s->table, s->name);
	return buf;
}

static const char *comment_of(const char *dev)
{
	static char buf[32];

	snprintf(buf, sizeof(buf), "ipmesh:%s", dev);
	return buf;
}

static int by_addr(const void *a, const void *b)
{
	const struct set_element *x = a, *y = b;

	return addr_cmp(&x->addr, &y->addr);
}

/* An address, or an object with it and what else the element has. */
static bool read_element(struct set_element *e, const json_t *j, const char *dev)
{
	const json_t *elem = json_object_get(j, "elem");
	const json_t *val = elem ? json_object_get(elem, "val") : j;

	e->ours = elem && nft_is(elem, "comment", comment_of(dev));
	return json_is_string(val) && !addr_parse(&e->addr, json_string_value(val));
}

static void read_name(char *to, size_t size, const json_t *set, const char *key)
{
	const char *s = json_string_value(json_object_get(set, key));

	snprintf(to, size, "%s", s ? s : "");
}

static void read_set(struct endpoint_sets *l, const json_t *set, const char *dev)
{
	const json_t *elem = json_object_get(set, "elem"), *j;
	struct endpoint_set *s;
	size_t i;

	l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
	s = &l->v[l->n++];
	memset(s, 0, sizeof(*s));
	read_name(s->name.family, sizeof(s->name.family), set, "family");
	read_name(s->name.table, sizeof(s->name.table), set, "table");
	read_name(s->name.name, sizeof(s->name.name), set, "name");
	s->family = nft_is(set, "type", "ipv4_addr") ? AF_INET :
		    nft_is(set, "type", "ipv6_addr") ? AF_INET6 : AF_UNSPEC;
	s->plain = !json_object_get(set, "flags");
	s->size = (uint32_t)json_integer_value(json_object_get(set, "size"));
	if (!s->family || !s->plain)
		return;
	json_array_foreach(elem, i, j) {
		s->v = xgrow(s->v, s->n, &s->cap, sizeof(*s->v));
		s->n += read_element(&s->v[s->n], j, dev);
	}
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_addr);
}

void endpointset_read(struct endpoint_sets *l, const char *dev)
{
	const json_t *item, *set;
	const char *wrong;
	json_t *v;
	size_t i;

	memset(l, 0, sizeof(*l));
	v = nft_list("list sets", &wrong);
	json_array_foreach(v, i, item) {
		set = json_object_get(item, "set");
		if (set)
			read_set(l, set, dev);
	}
	json_decref(v);
	l->wrong = wrong ? xstrdup(wrong) : NULL;
}

void endpointset_free(struct endpoint_sets *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].v);
	free(l->v);
	free(l->wrong);
	memset(l, 0, sizeof(*l));
}

const struct endpoint_set *endpointset_find(const struct endpoint_sets *l,
					    const struct set_name *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i].name.family, name->family) &&
		    !strcmp(l->v[i].name.table, name->table) &&
		    !strcmp(l->v[i].name.name, name->name))
			return &l->v[i];
	return NULL;
}

bool endpointset_has(const struct endpoint_set *s, const struct addr *a)
{
	struct set_element key = { .addr = *a };

	return s->n && bsearch(&key, s->v, s->n, sizeof(key), by_addr);
}

/* COMMENT: that of new elements, or NULL. */
static const char *run(const char *verb, const struct set_name *name,
		       const char *comment, const struct addr *v, size_t n)
{
	char *text = NULL;
	size_t len;
	FILE *f;

	f = open_memstream(&text, &len);
	if (!f)
		return "out of memory";
	fprintf(f, "%s element %s { ", verb, set_name_str(name));
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "%s%s", i ? ", " : "", addr_str(&v[i]));
		if (comment)
			fprintf(f, " comment \"%s\"", comment);
	}
	fprintf(f, " }\n");
	return nft_commit(f, &text);
}

const char *endpointset_add(const struct set_name *name, const char *dev,
			    const struct addr *v, size_t n)
{
	const char *wrong = nft_check_name(dev);

	return wrong ? wrong : run("add", name, comment_of(dev), v, n);
}

const char *endpointset_remove(const struct set_name *name, const struct addr *v,
			       size_t n)
{
	return run("delete", name, NULL, v, n);
}
