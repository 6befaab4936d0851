// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: finds what stands in the way, tells what mends it, mends it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "doctor.h"
#include "out.h"

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
	"  --fix         run the commands that were printed; those after which somebody does\n"
	"                not answer any more are taken back\n"
	"  --probe       ask every peer through the tunnel, also as a pod of this node would,\n"
	"                and name the rule of this host's firewall that drops something\n"
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

void doctor_forget(struct doctor *d)
{
	for (size_t i = 0; i < d->n_mesh; i++)
		have_free(&d->mesh[i]);
	free(d->mesh);
	d->mesh = NULL;
	d->n_mesh = 0;
	rtlinks_free(&d->links);
	for (size_t i = 0; i < d->n; i++)
		finding_clear(&d->v[i]);
	free(d->v);
	d->v = NULL;
	d->n = d->cap = 0;
}

/* All facts, then all checks; in the order in which they are to be mended. */
int doctor_examine(struct doctor *d, const char *dev)
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
	doctor_guard(d);
	doctor_peers(d);
	doctor_drops(d);
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
	[RESULT_REMAINS] = "remains", [RESULT_UNDONE] = "undone",
};

void doctor_show(const struct finding *f, bool fix)
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
		out_str(OUT_ITEM, "        %s\n", f->commands[i].line);
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
		n += d->v[i].severity == severity && !d->v[i].gone;
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
	bool first = true, any = false;

	out_u64("problems", NULL, count(d, SEVERITY_PROBLEM));
	out_u64("warnings", NULL, count(d, SEVERITY_WARNING));
	out_u64("notes", NULL, count(d, SEVERITY_NOTE));
	for (size_t i = 0; i < d->n; i++)
		any |= !d->v[i].gone;
	if (!any) {
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
		if (out_is_json() || same < SHOWN)
			doctor_show(&d->v[i], fix);
		else if (i + 1 == d->n || strcmp(d->v[i].check, d->v[i + 1].check))
			out_text("    … and %zu more of this kind; -j has all\n",
				 same - SHOWN + 1);
	}
}

static int doctor(const struct request *r)
{
	struct doctor d = {
		.nl = nl_open(), .root = r->root, .probe = r->probe,
	};
	struct rtlink link;
	int rc = r->dev ? rtlink_find(d.nl, r->dev, &link) : EXIT_DONE;

	if (!rc)
		rc = doctor_examine(&d, r->dev);
	if (!rc && r->fix)
		rc = doctor_fix(&d, r->dev);
	if (rc)
		goto out;
	out_obj(NULL);
	out_arr("findings");
	/* In text --fix has told of each when it met it. */
	if (out_is_json() || !r->fix)
		list(&d, r->fix);
	out_end();
	summary(&d, r->fix);
	out_end();
	rc = out_flush();
	if (!rc && count(&d, SEVERITY_PROBLEM))
		rc = EXIT_REFUSED;
out:
	doctor_forget(&d);
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
