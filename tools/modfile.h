/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel module as files, and the one that runs. */
#ifndef IPMESH_MODFILE_H
#define IPMESH_MODFILE_H

#include <stdbool.h>

/* What a module says of itself. Two builds of different sources differ in srcversion. */
struct modfile {
	char *path;			/* NULL of the one that runs */
	char *version;
	char *srcversion;
	char *release;			/* of the kernel that it was built for; NULL as above */
};

void modfile_free(struct modfile *m);

/* The one that runs; false: none does. */
bool modfile_running(struct modfile *m);

/* The one that modprobe loads. 0, or it has said why there is none, and gives the status. */
int modfile_installed(struct modfile *m);

/* The one in a file; false: there is none, or it is no ipmesh. */
bool modfile_read(struct modfile *m, const char *path);

/* Of the same version and sources. */
bool modfile_same(const struct modfile *a, const struct modfile *b);

/* A file that holds the one that runs, wherever copies are kept; false: none does. */
bool modfile_find_copy(struct modfile *m, const struct modfile *running);

/* Keeps a copy of @m where modfile_find_copy() looks. 0 or -errno. */
int modfile_keep(const struct modfile *m);

/* Such a copy is no longer needed; another file stays. */
void modfile_forget(const struct modfile *m);

/* Unloads what runs, with all its devices; loads that of a file, with what it needs. 0 or
 * -errno.
 */
int modfile_unload(void);
int modfile_load(const struct modfile *m);

/* Why the kernel knows no device of our kind, which takes an attempt to load the module: a
 * sentence that the caller frees.
 */
char *modfile_missing(void);

#endif
