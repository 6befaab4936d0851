// SPDX-License-Identifier: GPL-2.0-only
#include <linux/atomic.h>
#include <linux/kernel.h>

/*
 * Before 6.2 an extack holds a pointer to a constant text, which is copied
 * into the acknowledgment right after the handler returns. A ring of buffers
 * outlives that by far; should so many refusals come at once that one is
 * written over, its text is another refusal's, and still a string.
 */
#define EXTACK_BUFS	256

static char extack_bufs[EXTACK_BUFS][IPMESH_COMPAT_EXTACK_LEN];
static atomic_t extack_next;

char *ipmesh_compat_extack_buf(void)
{
	return extack_bufs[(unsigned int)atomic_inc_return(&extack_next) % EXTACK_BUFS];
}
