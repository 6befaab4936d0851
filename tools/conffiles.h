/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drop-in files of systemd and NetworkManager, below a root. */
#ifndef IPMESH_CONFFILES_H
#define IPMESH_CONFFILES_H

#include <stdbool.h>
#include <stddef.h>

struct conffiles {
	char **path;
	size_t n, cap;
};

/*
 * The files *SUFFIX of folders, by name: one that an earlier folder has hides
 * those of the same name in later ones. Folders end with NULL.
 */
void conffiles_find(struct conffiles *c, const char *root,
		    const char *const *folders, const char *suffix);
void conffiles_free(struct conffiles *c);

/* The last part of a path. */
const char *conffile_name(const char *path);

/* Calls @each for "KEY=VALUE" lines, with the [SECTION] ("" before the first);
 * spaces around both are gone. False when the file cannot be read.
 */
bool conffile_read(const char *path,
		   void (*each)(void *data, const char *section,
				const char *key, const char *value),
		   void *data);

#endif
