/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands. argv[0] is the command's own word ("link"); each returns the
 * exit status, having said what was wrong.
 */
#ifndef IPMESH_CMD_H
#define IPMESH_CMD_H

#include <stdbool.h>
#include <stddef.h>

struct cmd {
	const char *word;
	int (*run)(int argc, char **argv);
	const char *what;		/* one line */
};

int cmd_link(int argc, char **argv);
int cmd_peer(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_apply(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_monitor(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_upgrade(int argc, char **argv);

int cmd_complete(int argc, char **argv);

/* The commands that people may say, in order; NULL behind the last. */
const struct cmd *cmd_at(size_t i);

/* Go into that network namespace; 0, or what was wrong was said. */
int cmd_netns(const char *name);

/* The value of -n or --netns, in the first of @words or in the next, "" when it is missing;
 * NULL for another word. @taken is how many words that are.
 */
const char *cmd_netns_word(char *const *words, int *taken);

/* Global options; also taken behind the command's word. */
struct options {
	bool json;			/* -j, --json */
	bool pretty;			/* -p, --pretty */
	bool stats;			/* -s, --stats */
	enum { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER } colour;	/* -c, --color */
	const char *netns;		/* -n, entered already; or NULL */
};

extern struct options options;

/* Takes -j, -p, -s, -c and their long forms (-js too), each with its value, and --, from
 * the front of @words, which end with NULL. How many words that were; 0 when the first is
 * none of these. *@status is set, and said, when a value is wrong.
 */
int cmd_option(char *const *words, int *status);

/* -h, --help or the bare word help. */
bool cmd_is_help(const char *arg);

/* Prints @text to standard output, gives EXIT_DONE (or 1 if that fails). */
int cmd_help(const char *text);

#endif
