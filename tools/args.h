/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of a command, one by one; all are read before the first change. */
#ifndef IPMESH_ARGS_H
#define IPMESH_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prefix_list;

struct args {
	const char *cmd;		/* "peer add", for messages */
	char **at;			/* the next one; NULL ends */
	bool help;			/* -h or --help was among them */
	int status;			/* of what was wrong, already said; or 0 */
};

/* The next word; -j, -p, -s are taken on the way. NULL at the end or after a
 * mistake: then a->status, or a->help, is set.
 */
const char *args_word(struct args *a);

struct nl;

/* A whole command that takes [DEV] and no other word: RUN with that device, or
 * with NULL; or its help. The command's exit status.
 */
int args_run_device(char **argv, const char *usage,
		    int (*run)(struct nl *nl, const char *dev));

/* The value that follows @word; NULL, and said, when there is none. */
const char *args_value(struct args *a, const char *word);

/* Marks @word as given; false, and said, when it was. */
bool args_once(struct args *a, bool *seen, const char *word);

/* Says what is wrong with the value of @word; always false. */
bool args_wrong(struct args *a, const char *word, const char *why);

/* A decimal number without sign; false and said if it is none. */
bool args_number(struct args *a, const char *word, uint32_t min, uint32_t max,
		 uint32_t *n);

/* Into a list of prefixes, none twice; with @host an address may stand alone. */
bool args_prefix(struct args *a, const char *word, const char *value, bool host,
		 struct prefix_list *l);

#endif
