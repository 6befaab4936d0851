// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor --fix: kind by kind, and back where something answers no more. */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "err.h"
#include "out.h"
#include "snapshot.h"
#include "witness.h"

/* Each step runs a command that was not run before: this ends what never would. */
#define STEPS_MAX	4096
/* Findings of a kind that are mended between two looks at the host. */
#define GROUP_MAX	32

struct fixing {
	struct doctor *d;		/* the last look; its findings are in @v */
	const char *dev;
	struct finding *v;		/* of all looks */
	size_t n, cap;
	struct witnesses witnesses;
	const char *unasked;		/* why nobody can be asked */
	char **ran;			/* commands, each once */
	size_t n_ran, cap_ran;
};

struct group {
	struct finding *v[GROUP_MAX];	/* of one kind */
	size_t n;
};

static struct finding *known(const struct fixing *x, const struct finding *f)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->v[i].severity == f->severity && !strcmp(x->v[i].check, f->check) &&
		    !strcmp(x->v[i].what, f->what))
			return &x->v[i];
	return NULL;
}

/* The findings of a look: new ones move, the others are still there or gone. */
static void take_findings(struct fixing *x)
{
	struct doctor *d = x->d;
	struct finding *f;

	for (size_t i = 0; i < x->n; i++)
		x->v[i].gone = true;
	for (size_t i = 0; i < d->n; i++) {
		f = known(x, &d->v[i]);
		if (f) {
			f->gone = false;
			finding_clear(&d->v[i]);
			continue;
		}
		x->v = xgrow(x->v, x->n, &x->cap, sizeof(*x->v));
		x->v[x->n] = d->v[i];
		if (!out_is_json())
			doctor_show(&x->v[x->n], true);
		x->n++;
	}
	d->n = 0;
}

static bool has_run(const struct fixing *x, const char *command)
{
	for (size_t i = 0; i < x->n_ran; i++)
		if (!strcmp(x->ran[i], command))
			return true;
	return false;
}

static bool is_open(const struct fixing *x, const struct finding *f)
{
	for (size_t i = 0; !f->gone && !f->result && i < f->n_commands; i++)
		if (!has_run(x, f->commands[i].line))
			return true;
	return false;
}

/* The first kind with something to run. */
static struct group next_group(const struct fixing *x)
{
	struct group g = { .n = 0 };

	for (size_t i = 0; i < x->n && g.n < GROUP_MAX; i++)
		if (is_open(x, &x->v[i]) && (!g.n || !strcmp(g.v[0]->check, x->v[i].check)))
			g.v[g.n++] = &x->v[i];
	return g;
}

static void run_commands(struct fixing *x, struct finding *f)
{
	for (size_t i = 0; i < f->n_commands; i++) {
		/* What another finding's command has done already. */
		if (has_run(x, f->commands[i].line))
			continue;
		x->ran = xgrow(x->ran, x->n_ran, &x->cap_ran, sizeof(*x->ran));
		x->ran[x->n_ran++] = xstrdup(f->commands[i].line);
		if (!mend_run(&f->commands[i])) {
			f->result = RESULT_FAILED;
			break;
		}
	}
}

/* A program that reads a file anew comes behind it, here too. Then what no command is
 * the opposite of.
 */
static void undo(struct fixing *x, const struct group *g, const struct snapshot *before,
		 const struct witness *lost)
{
	int e;

	out_text("undone: %s does not answer any more\n", addr_str(&lost->addr));
	for (size_t i = 0; i < g->n; i++) {
		for (size_t k = 0; k < g->v[i]->n_commands; k++)
			mend_undo(&g->v[i]->commands[k]);
		g->v[i]->result = RESULT_UNDONE;
	}
	e = snapshot_restore(before, x->d->nl);
	if (e)
		warn("doctor: not all is as it was before: %s", nl_error(x->d->nl, e));
	/* Who is silent all the same is not to blame on the next one. */
	x->unasked = witness_ask(&x->witnesses);
}

/* 0, or an exit status after saying what is wrong. */
static int mend_group(struct fixing *x, const struct group *g)
{
	const struct witness *lost = NULL;
	struct snapshot before;
	int e = snapshot_take(&before, x->d->nl);

	if (e) {
		snapshot_free(&before);
		return err_refused("cannot read the state of the network: %s",
				   nl_error(x->d->nl, e));
	}
	for (size_t i = 0; i < g->n; i++)
		run_commands(x, g->v[i]);
	if (!x->unasked)
		lost = witness_lost(&x->witnesses, x->d->nl);
	if (lost)
		undo(x, g, &before, lost);
	snapshot_free(&before);
	return EXIT_DONE;
}

static void judge(struct fixing *x)
{
	struct finding *f;

	for (size_t i = 0; i < x->n; i++) {
		f = &x->v[i];
		if (!f->result && f->n_commands)
			f->result = f->gone ? RESULT_MENDED : RESULT_REMAINS;
	}
}

/* Who answers as of now. */
static void call_witnesses(struct fixing *x)
{
	for (size_t i = 0; i < x->d->n_mesh; i++)
		witness_find(&x->witnesses, x->d->nl, &x->d->mesh[i]);
	x->unasked = witness_ask(&x->witnesses);
	if (x->unasked)
		out_text("whether all answer as before is not known: %s\n", x->unasked);
}

/* Each kind is looked at again just before its commands are run. */
static int mend_all(struct fixing *x)
{
	struct group g;
	int rc;

	take_findings(x);
	for (int step = 0; step < STEPS_MAX; step++) {
		g = next_group(x);
		if (!g.n)
			break;
		if (!step)
			call_witnesses(x);
		rc = mend_group(x, &g);
		if (rc)
			return rc;
		doctor_forget(x->d);
		rc = doctor_examine(x->d, x->dev);
		if (rc)
			return rc;
		take_findings(x);
	}
	judge(x);
	return EXIT_DONE;
}

int doctor_fix(struct doctor *d, const char *dev)
{
	struct fixing x = { .d = d, .dev = dev };
	int rc;

	rc = mend_all(&x);
	for (size_t i = 0; i < d->n; i++)
		finding_clear(&d->v[i]);
	free(d->v);
	d->v = x.v;
	d->n = x.n;
	d->cap = x.cap;
	witnesses_free(&x.witnesses);
	for (size_t i = 0; i < x.n_ran; i++)
		free(x.ran[i]);
	free(x.ran);
	return rc;
}
