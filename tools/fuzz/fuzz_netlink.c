// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel says. The first byte chooses who asks. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const lines[] = {
		"show", "show -s", "show -j", "show ipmesh0", "link show",
		"link show -j", "peer show", "peer show -j",
		"peer show 172.16.40.2", "export", "export ipmesh0",
		"link add ipmesh0 local 172.16.40.1 address 10.244.0.1/32",
		"link set ipmesh0 ttl 3 address 10.244.0.1/32", "link del ipmesh0",
		"peer add 172.16.40.2 dev ipmesh0 name two cidr 10.244.2.0/24",
		"peer add 172.16.40.2 dev ipmesh0 cidr 10.244.2.0/24 move",
		"peer set 172.16.40.2 dev ipmesh0 cidr 10.244.2.0/24 move",
		"peer set 172.16.40.2 dev ipmesh0 cidrs none route",
		"peer del 172.16.40.2 dev ipmesh0", "peer flush dev ipmesh0",
		"complete peer del 1", "complete link set local 1",
	};
	char *words[32], *text, *rest;
	size_t n = 0;

	if (!size)
		return 0;
	rest = text = xstrdup(lines[*data % (sizeof(lines) / sizeof(lines[0]))]);
	while (rest)
		words[n++] = strsep(&rest, " ");
	words[n] = NULL;
	kernel_feed(data + 1, size - 1);
	kernel_run(words);
	free(text);
	return 0;
}
