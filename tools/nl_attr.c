// SPDX-License-Identifier: GPL-2.0-or-later
/* Attributes of netlink messages: by type, and their values. */
#include <string.h>

#include "addr.h"
#include "nl.h"

void nl_parse(const struct nlmsghdr *nlh, size_t hdr, const struct nlattr **tb,
	      uint16_t max)
{
	const struct nlattr *a;

	memset(tb, 0, sizeof(*tb) * (max + 1U));
	if (mnl_nlmsg_get_payload_len(nlh) < hdr)
		return;
	mnl_attr_for_each(a, nlh, (unsigned int)hdr)
		if (mnl_attr_get_type(a) <= max)
			tb[mnl_attr_get_type(a)] = a;
}

void nl_parse_nest(const struct nlattr *nest, const struct nlattr **tb,
		   uint16_t max)
{
	const struct nlattr *a;

	memset(tb, 0, sizeof(*tb) * (max + 1U));
	if (!nest)
		return;
	mnl_attr_for_each_nested(a, nest)
		if (mnl_attr_get_type(a) <= max)
			tb[mnl_attr_get_type(a)] = a;
}

uint64_t nl_u(const struct nlattr *a)
{
	uint64_t v = 0;
	const void *p;

	if (!a)
		return 0;
	p = mnl_attr_get_payload(a);
	switch (mnl_attr_get_payload_len(a)) {
	case 1:
		return *(const uint8_t *)p;
	case 2:
		return *(const uint16_t *)p;
	case 4:
		return *(const uint32_t *)p;
	case 8:
		memcpy(&v, p, sizeof(v));	/* may be aligned to 4 only */
		return v;
	default:
		return 0;
	}
}

void nl_str(char *dst, size_t size, const struct nlattr *a)
{
	size_t n = a ? mnl_attr_get_payload_len(a) : 0;

	if (n >= size)
		n = size - 1;
	if (n)
		memcpy(dst, mnl_attr_get_payload(a), n);
	dst[n] = '\0';
}

bool nl_addr(struct addr *a, const struct nlattr *attr)
{
	if (!attr) {
		memset(a, 0, sizeof(*a));
		return false;
	}
	return addr_from_bytes(a, mnl_attr_get_payload(attr),
			       mnl_attr_get_payload_len(attr));
}

void nl_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *a)
{
	mnl_attr_put(nlh, type, addr_bytes(a), a->b);
}
