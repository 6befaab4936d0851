// SPDX-License-Identifier: GPL-2.0-or-later
/* Words of a command line, a line each; the kernel agrees with everything. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "kernel.h"

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xmalloc(size + 1), *rest = text;
	char *words[WORDS_MAX + 1];
	size_t n = 0;

	memcpy(text, data, size);
	text[size] = '\0';
	while (n < WORDS_MAX && rest)
		words[n++] = strsep(&rest, "\n");
	words[n] = NULL;
	kernel_feed(NULL, 0);
	kernel_run(words);
	free(text);
	return 0;
}
