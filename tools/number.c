// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers as people write them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

bool number_read(const char *s, uint64_t min, uint64_t max, uint64_t *n)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	const char *digits = hex ? s + 2 : s;
	unsigned long long v;

	if (!*digits || digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")] ||
	    (!hex && digits[0] == '0' && digits[1]))
		return false;
	errno = 0;
	v = strtoull(digits, NULL, hex ? 16 : 10);
	if (errno || v < min || v > max)
		return false;
	*n = v;
	return true;
}
