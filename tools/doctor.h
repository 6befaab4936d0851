/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipmesh doctor: the facts that its checks look at, and what they find. */
#ifndef IPMESH_DOCTOR_H
#define IPMESH_DOCTOR_H

#include "err.h"
#include "have.h"

enum severity {
	SEVERITY_PROBLEM,		/* packets are lost, or will be */
	SEVERITY_WARNING,		/* some may be */
	SEVERITY_NOTE,
};

enum finding_result {
	RESULT_NONE,			/* nothing was tried */
	RESULT_MENDED,
	RESULT_FAILED,			/* a command failed */
	RESULT_REMAINS,			/* they went well, and it is still there */
	RESULT_UNDONE,			/* somebody did not answer any more after them */
};

/* What mends a finding: a program with its words, or what a file is to have. */
struct mend {
	char *line;			/* for people, as a shell would take it */
	char *undo;			/* the same, that takes it back; NULL: none */
	char *file;			/* NULL: a program, by the words of the line */
	char *text;			/* for the end of the file, */
	bool alone;			/* or all that it is to have */
	bool done;			/* set by mend_run() */
	bool was_there;			/* the file, */
	char *had;			/* and what it had */
};

struct finding {
	enum severity severity;
	const char *check;		/* stable name */
	char *what;			/* a sentence: what is wrong, and where */
	const char *why;		/* why it matters */
	struct mend *commands;		/* that mend it */
	size_t n_commands, cap_commands;
	char *by_hand;			/* what to do where no command is safe */
	enum finding_result result;
	bool gone;			/* the last look does not see it any more */
};

struct doctor {
	struct nl *nl;
	const char *root;		/* of files; without a slash at the end */
	bool probe;			/* ask every peer */
	struct rtlinks links;		/* every device */
	struct have *mesh;		/* around each device that is looked at; one
					 * with exists false when there is none
					 */
	size_t n_mesh;
	struct finding *v;
	size_t n, cap;
};

/* The checks, by what they look at. */
void doctor_module(struct doctor *d);
void doctor_leftovers(struct doctor *d);
void doctor_devices(struct doctor *d);
void doctor_guard(struct doctor *d);
void doctor_routes(struct doctor *d);
void doctor_peers(struct doctor *d);
void doctor_drops(struct doctor *d);
void doctor_mtu(struct doctor *d);
void doctor_sysctls(struct doctor *d);
void doctor_limits(struct doctor *d);
void doctor_managers(struct doctor *d);
void doctor_probe(struct doctor *d);

/*
 * What a check calls. The finding is good until the next one; then it is told
 * why it matters and the commands that mend it, each a line of words in which what
 * comes from outside has gone through shell_word(), or what a person has to do. No shell
 * runs them: "mend_run()" splits them into words again, and nothing else.
 */
struct finding *doctor_find(struct doctor *d, enum severity severity,
			    const char *check, const char *why,
			    const char *what, ...) PRINTF(5, 6);
void finding_mend(struct finding *f, const char *fmt, ...) PRINTF(2, 3);
void finding_by_hand(struct finding *f, const char *fmt, ...) PRINTF(2, 3);

/* A text for the end of a file below the root, whose folder is made if it is not there. */
void finding_append(struct finding *f, const char *file, const char *text);
/* The same, where nothing else is to be in the file. */
void finding_write(struct finding *f, const char *file, const char *text);

/* A command that is about the network: it names the namespace if there is one. */
void finding_mend_net(struct finding *f, const char *fmt, ...) PRINTF(2, 3);

/*
 * What takes the last command back, where that is not a route of ours, an address or the
 * state of a device of ours: these are put back from a snapshot.
 */
void finding_undo(struct finding *f, const char *fmt, ...) PRINTF(2, 3);
void finding_undo_net(struct finding *f, const char *fmt, ...) PRINTF(2, 3);

void finding_clear(struct finding *f);

/* Does it, and tells how that ended; true when it went well. */
bool mend_run(struct mend *m);
/* Takes it back if it was done, and tells. */
void mend_undo(struct mend *m);

/* All facts, then all checks, into an empty list; 0 or an exit status. */
int doctor_examine(struct doctor *d, const char *dev);
/* Facts and findings go. */
void doctor_forget(struct doctor *d);
/* Mends what can be; d->v then has the findings of all looks. */
int doctor_fix(struct doctor *d, const char *dev);
void doctor_show(const struct finding *f, bool fix);

/* @s as one word for a shell; one of a few static buffers. */
const char *shell_word(const char *s);

/* "ip route del …" for exactly this route, and "ip route replace …" for the
 * same route without its MTU; static.
 */
const char *route_del_command(const struct rtroute *r);
const char *route_no_mtu_command(const struct rtroute *r);

/* The device of that index in d->links; NULL: gone. */
const struct rtlink *doctor_link(const struct doctor *d, uint32_t ifindex);

/* Is a program of that name running (by its short name, 15 bytes)? */
bool doctor_runs(const char *program);

/* A path below the root, to be freed. */
char *doctor_path(const struct doctor *d, const char *path);

#endif
