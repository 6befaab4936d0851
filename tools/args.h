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

/* The next word; global options are taken on the way. NULL at the end or after a
 * mistake: then a->status, or a->help, is set.
 */
const char *args_word(struct args *a);

/* Whether the next word is this option, short or long (either may be NULL), which is
 * taken then; @seen becomes true, and a second one is a mistake.
 */
bool args_flag(struct args *a, const char *brief, const char *option, bool *seen);

/* The same for one with a value, which goes to @value: -f FILE, -fFILE, -f=FILE,
 * --filename FILE or --filename=FILE. A value that is missing or empty is a mistake.
 */
bool args_option(struct args *a, const char *brief, const char *option, const char **value);

/* The same for one that stands once: @value is NULL before. */
bool args_option_once(struct args *a, const char *brief, const char *option,
		      const char **value);

/* Which of the verbs, a list that ends with NULL, a word means: itself, a beginning that
 * no other one has, and as with ip: delete, list, ls. Its number, or -1, and said. @cmd is
 * NULL for the commands themselves.
 */
int args_verb(const char *cmd, const char *const *verbs, const char *word);

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
