// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: finds what stands in the way, tells what mends it, mends it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "args.h"
#include "cmd.h"
#include "doctor.h"
#include "out.h"

/* What one mend uncovers, the next round mends. */
#define ROUNDS		4
/* Findings of one kind that a person is shown of many. */
#define SHOWN		20

static const char usage[] =
	"Usage: ipmesh doctor [[--dev] DEV] [--fix] [--probe] [--root DIR]\n"
	"\n"
	"Looks for what keeps packets from passing: leftovers of flannel and tunl0, routes\n"
	"to pods that lead elsewhere, addresses and prefixes that are there twice, peers that\n"
	"do not answer, an MTU that cannot work, settings of the kernel, network managers that\n"
	"meddle. Each finding has the commands that mend it, or says what a person has to do.\n"
	"Without DEV all ipmesh devices are looked at, and the host if there is none.\n"
	"\n"
	"  --fix         run the commands that were printed, and look again\n"
	"  --probe       ask every peer by ICMP echo through the tunnel\n"
	"  --root DIR    read and write files (/etc, /run, /usr/lib) below DIR; the kernel's\n"
	"                state is always that of this host\n"
	"  -j            JSON, with all findings; in text, 20 of a kind are shown\n"
	"\n"
	"Exit status: 0 no problem is found, or none remains; 1 problems remain; 2 wrong usage.\n";

struct request {
	const char *dev;
	char *root;
	bool fix, probe, help;
};

static int read_device(struct doctor *d, const char *dev)
{
	d->mesh = xrealloc(d->mesh, (d->n_mesh + 1) * sizeof(*d->mesh));
	if (have_read(&d->mesh[d->n_mesh], d->nl, dev)) {
		have_free(&d->mesh[d->n_mesh]);
		return -1;
	}
	d->n_mesh++;
	return 0;
}

static void forget(struct doctor *d)
{
	for (size_t i = 0; i < d->n_mesh; i++)
		have_free(&d->mesh[i]);
	free(d->mesh);
	d->mesh = NULL;
	d->n_mesh = 0;
	rtlinks_free(&d->links);
	findings_free(d->v, d->n);
	d->v = NULL;
	d->n = d->cap = 0;
}

/* All facts, then all checks; in the order in which they are to be mended. */
static int examine(struct doctor *d, const char *dev)
{
	int e = rtlink_dump(d->nl, NULL, &d->links);

	if (e)
		return err_refused("cannot list devices: %s", nl_error(d->nl, e));
	for (size_t i = 0; i < d->links.n; i++) {
		const struct rtlink *l = &d->links.v[i];

		if (!strcmp(l->kind, IPMESH_KIND) && (!dev || !strcmp(dev, l->name)) &&
		    read_device(d, l->name))
			return EXIT_REFUSED;
	}
	/* The name is one that no device has. */
	if (!d->n_mesh && read_device(d, "ipmesh0"))
		return EXIT_REFUSED;
	doctor_module(d);
	doctor_leftovers(d);
	doctor_devices(d);
	doctor_sysctls(d);
	doctor_routes(d);
	doctor_mtu(d);
	doctor_firewall(d);
	doctor_peers(d);
	doctor_limits(d);
	doctor_managers(d);
	if (d->probe)
		doctor_probe(d);
	return EXIT_DONE;
}

static const char *const severities[] = {
	[SEVERITY_PROBLEM] = "problem", [SEVERITY_WARNING] = "warning",
	[SEVERITY_NOTE] = "note",
};

static const char *const results[] = {
	[RESULT_MENDED] = "mended", [RESULT_FAILED] = "failed",
	[RESULT_REMAINS] = "remains",
};

static void show(const struct finding *f, bool fix)
{
	static const enum out_mark marks[] = { OUT_BAD, OUT_WARN, OUT_BOLD };

	out_obj(NULL);
	out_mark(marks[f->severity]);
	out_str("severity", "%s", severities[f->severity]);
	out_mark(OUT_PLAIN);
	out_str("check", " (%s): ", f->check);
	out_str("what", "%s\n", f->what);
	out_str("why", "    %s\n", f->why);
	out_arr("commands");
	for (size_t i = 0; i < f->n_commands; i++)
		out_str(OUT_ITEM, "        %s\n", f->commands[i]);
	out_end();
	if (f->by_hand)
		out_str("by_hand", "    by hand: %s\n", f->by_hand);
	else
		out_null("by_hand", NULL);
	if (f->result)
		out_str("result", NULL, results[f->result]);
	else
		out_null("result", NULL);
	out_end();
	if (fix && !f->n_commands)
		out_text("    no command mends this safely: it is left as it is\n");
}

static size_t count(const struct doctor *d, enum severity severity)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->v[i].severity == severity;
	return n;
}

static bool any_command(const struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].n_commands)
			return true;
	return false;
}

static void say_count(size_t n, const char *what, bool *first)
{
	if (!n)
		return;
	out_text("%s%zu %s%s", *first ? "" : ", ", n, what, n > 1 ? "s" : "");
	*first = false;
}

static void summary(const struct doctor *d, bool fix)
{
	bool first = true;

	out_u64("problems", NULL, count(d, SEVERITY_PROBLEM));
	out_u64("warnings", NULL, count(d, SEVERITY_WARNING));
	out_u64("notes", NULL, count(d, SEVERITY_NOTE));
	if (!d->n) {
		out_text("nothing found\n");
		return;
	}
	for (unsigned int s = 0; s <= SEVERITY_NOTE; s++)
		say_count(count(d, s), severities[s], &first);
	out_text("%s%s\n", fix ? " left" : "",
		 any_command(d) && !fix ? "; ipmesh doctor --fix runs the commands" : "");
}

/* All of them, but in text only so many of a kind. */
static void list(const struct doctor *d, bool fix)
{
	size_t same = 0;

	for (size_t i = 0; i < d->n; i++) {
		same = i && !strcmp(d->v[i].check, d->v[i - 1].check) ? same + 1 : 0;
		if (fix || out_is_json() || same < SHOWN)
			show(&d->v[i], fix);
		else if (i + 1 == d->n || strcmp(d->v[i].check, d->v[i + 1].check))
			out_text("    … and %zu more of this kind; -j has all\n",
				 same - SHOWN + 1);
	}
}

/* --- mending ------------------------------------------------------------------ */

struct log {
	struct doctor seen;		/* findings of all rounds */
	char **ran;			/* commands, each once */
	size_t n, cap;
};

static const struct finding *same_finding(const struct doctor *d,
					  const struct finding *f)
{
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->v[i].check, f->check) &&
		    !strcmp(d->v[i].what, f->what))
			return &d->v[i];
	return NULL;
}

static bool has_run(const struct log *l, const char *command)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->ran[i], command))
			return true;
	return false;
}

/* The first line of what a command says, when it fails. */
static bool run(const char *command)
{
	char *line = xasprintf("{ %s\n} </dev/null 2>&1", command), said[256] = "";
	char rest[256];
	FILE *p;
	int rc;

	fflush(stdout);
	p = popen(line, "re");
	free(line);
	if (!p) {
		out_text("failed: %s\n    cannot start a shell\n", command);
		return false;
	}
	if (fgets(said, sizeof(said), p))
		said[strcspn(said, "\n")] = '\0';
	while (fgets(rest, sizeof(rest), p))
		;
	rc = pclose(p);
	if (!rc) {
		out_text("done: %s\n", command);
		return true;
	}
	out_text("failed (status %d): %s\n    %s\n",
		 WIFEXITED(rc) ? WEXITSTATUS(rc) : 128 + WTERMSIG(rc), command,
		 err_safe(said));
	return false;
}

static bool mend(struct log *l, struct finding *f)
{
	bool tried = false;

	for (size_t i = 0; i < f->n_commands; i++) {
		/* What another finding's command has done already. */
		if (has_run(l, f->commands[i]))
			continue;
		l->ran = xgrow(l->ran, l->n, &l->cap, sizeof(*l->ran));
		l->ran[l->n++] = xstrdup(f->commands[i]);
		tried = true;
		if (!run(f->commands[i])) {
			f->result = RESULT_FAILED;
			break;
		}
	}
	return tried;
}

/* The findings move to the log, which JSON shows at the end. */
static void keep(struct log *l, struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		l->seen.v = xgrow(l->seen.v, l->seen.n, &l->seen.cap,
				  sizeof(*l->seen.v));
		l->seen.v[l->seen.n++] = d->v[i];
	}
	d->n = 0;
}

static void judge(struct log *l, struct doctor *now)
{
	struct finding *f;

	for (size_t i = 0; i < l->seen.n; i++) {
		f = &l->seen.v[i];
		if (f->result == RESULT_FAILED || !f->n_commands)
			continue;
		f->result = same_finding(now, f) ? RESULT_REMAINS : RESULT_MENDED;
	}
}

static int fix(struct doctor *d, struct log *l, const char *dev)
{
	bool tried = true;
	int rc;

	for (int round = 0; round < ROUNDS && tried && d->n; round++) {
		if (round)
			out_text("looked again:\n");
		if (!out_is_json())
			list(d, true);
		tried = false;
		for (size_t i = 0; i < d->n; i++)
			tried |= mend(l, &d->v[i]);
		if (!tried)
			break;
		keep(l, d);
		forget(d);
		rc = examine(d, dev);
		if (rc)
			return rc;
		judge(l, d);
	}
	return EXIT_DONE;
}

static int doctor(const struct request *r)
{
	struct doctor d = {
		.nl = nl_open(), .root = r->root, .probe = r->probe,
	};
	struct log l = { 0 };
	struct rtlink link;
	int rc = r->dev ? rtlink_find(d.nl, r->dev, &link) : EXIT_DONE;

	if (!rc)
		rc = examine(&d, r->dev);
	if (!rc && r->fix)
		rc = fix(&d, &l, r->dev);
	if (rc)
		goto out;
	out_obj(NULL);
	out_arr("findings");
	if (out_is_json()) {
		list(&l.seen, true);
		for (size_t i = 0; i < d.n; i++)
			if (!same_finding(&l.seen, &d.v[i]))
				show(&d.v[i], r->fix);
	} else if (!r->fix) {
		list(&d, false);
	}
	out_end();
	summary(&d, r->fix);
	out_end();
	rc = out_flush();
	if (!rc && count(&d, SEVERITY_PROBLEM))
		rc = EXIT_REFUSED;
out:
	forget(&d);
	findings_free(l.seen.v, l.seen.n);
	for (size_t i = 0; i < l.n; i++)
		free(l.ran[i]);
	free(l.ran);
	nl_close(d.nl);
	return rc;
}

/* All files are named by what follows the root, which begins with a slash: it ends
 * without one. The caller frees it.
 */
static char *root_of(const char *dir)
{
	char *root = xstrdup(dir ? dir : "");
	size_t n = strlen(root);

	while (n && root[n - 1] == '/')
		root[--n] = '\0';
	return root;
}

static int parse(struct request *r, char **argv)
{
	struct args a = { .cmd = "doctor", .at = argv + 1 };
	const char *root = NULL, *w, *why;

	while (*a.at && !a.status && !a.help) {
		if (args_flag(&a, NULL, "--fix", &r->fix) ||
		    args_flag(&a, NULL, "--probe", &r->probe) ||
		    args_option_once(&a, NULL, "--dev", &r->dev) ||
		    args_option_once(&a, NULL, "--root", &root))
			continue;
		w = args_word(&a);
		if (w && !strcmp(w, "help") && !r->dev)
			a.help = true;
		else if (w && r->dev)
			a.status = err_unknown("doctor", w);
		else if (w)
			r->dev = w;
	}
	why = r->dev && !a.status && !a.help ? rtlink_check_name(r->dev) : NULL;
	if (why)
		a.status = err_usage("doctor: %s", why);
	r->root = root_of(root);
	r->help = a.help;
	return a.status;
}

int cmd_doctor(int argc, char **argv)
{
	struct request r = { 0 };
	int rc = parse(&r, argv);

	(void)argc;
	if (!rc)
		rc = r.help ? cmd_help(usage) : doctor(&r);
	free(r.root);
	return rc;
}
