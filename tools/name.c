// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of nodes and peers, and texts of others on a terminal. */
#include <linux/ipmesh.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "name.h"

/* Bytes of the character of UTF-8 that a text begins with; 0 for none (RFC 3629). */
static size_t character(const unsigned char *s)
{
	size_t n = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 :
		   *s < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static bool is_control(const unsigned char *s)
{
	return *s < ' ' || *s == 127 || (*s == 0xc2 && s[1] < 0xa0);
}

const char *name_check(const char *name)
{
	const unsigned char *s = (const unsigned char *)name;
	size_t n;

	for (; *s; s += n) {
		n = character(s);
		if (!n)
			return "is not valid UTF-8";
		if (is_control(s))
			return "has a control character";
	}
	return NULL;
}

/* FNV-1a: stable from version to version, as the kernel keeps labels. */
static uint32_t sum(const char *s)
{
	uint32_t h = 2166136261U;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619U;
	return h;
}

const char *name_label(const char *name)
{
	static char label[IPMESH_NAME_MAX + 1];
	size_t n = IPMESH_NAME_MAX - 9;

	if (strlen(name) <= IPMESH_NAME_MAX) {
		snprintf(label, sizeof(label), "%s", name);
		return label;
	}
	while (n && ((unsigned char)name[n] & 0xc0) == 0x80)
		n--;
	snprintf(label, sizeof(label), "%.*s~%08x", (int)n, name, sum(name));
	return label;
}

char *name_escape(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	char *out, *to;
	size_t n;

	if (!name_check(text))
		return NULL;
	out = to = xmalloc(4 * strlen(text) + 1);
	for (; *s; s += n) {
		n = character(s);
		if (n && !is_control(s)) {
			memcpy(to, s, n);
			to += n;
			continue;
		}
		n = 1;
		to += *s == '\n' ? sprintf(to, "\\n") : *s == '\t' ? sprintf(to, "\\t") :
		      sprintf(to, "\\x%02x", *s);
	}
	*to = '\0';
	return out;
}
