/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings of the kernel: as they are, and as sysctl.d has them at boot. */
#ifndef IPMESH_SYSCTL_H
#define IPMESH_SYSCTL_H

#include "doctor.h"

/* A key with slashes ("net/ipv4/ip_forward"): device names may have dots.
 * False where there is none, or it is no number.
 */
bool sysctl_read(long *value, const char *fmt, ...) PRINTF(2, 3);

/* As sysctl(8) writes it; static. */
const char *sysctl_name(const char *key);

/* Commands that set it, now and at boot. */
void sysctl_mend(struct doctor *d, struct finding *f, const char *key, long value);

/* Whether sysctl.d sets it at boot, and by which file (to be freed). */
bool sysctl_at_boot(const struct doctor *d, const char *key, long *value, char **file);

/* The command of sysctl_mend() for the boot alone. */
void sysctl_mend_boot(struct doctor *d, struct finding *f, const char *key, long value);

#endif
