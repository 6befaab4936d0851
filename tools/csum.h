/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Internet checksum, RFC 1071. */
#ifndef IPMESH_CSUM_H
#define IPMESH_CSUM_H

#include <stddef.h>
#include <stdint.h>

/* The sum @s and that of @n bytes, an odd last one with a zero behind it; not folded. */
static inline uint32_t csum_add(uint32_t s, const void *data, size_t n)
{
	const uint8_t *b = data;

	for (size_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)(b[i] << 8 | b[i + 1]);
	if (n & 1)
		s += (uint32_t)(b[n - 1] << 8);
	return s;
}

/* Its 16 bits, in host byte order; not complemented. */
static inline uint16_t csum_fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

#endif
