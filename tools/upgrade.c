// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh upgrade: the installed module in the place of the one that runs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "err.h"
#include "modfile.h"
#include "namespaces.h"
#include "nl.h"
#include "out.h"
#include "rtlink.h"

static const char usage[] =
	"Usage: ipmesh upgrade [--way-back FILE] [--anyway] [--dry-run]\n"
	"\n"
	"Unloads the module that runs, loads the one that is installed, and makes all devices\n"
	"of all network namespaces of this host again, as ipmesh export describes them: some\n"
	"packets are lost, counters begin at zero. When the new module does not load, or does\n"
	"not take the devices, the old one comes back with them. For that a file of the old one\n"
	"is needed: the last upgrade, a package and make install keep it.\n"
	"\n"
	"  --way-back FILE  a file of the module that runs\n"
	"  --anyway         also when export leaves something out, such as routes of others:\n"
	"                   a routing daemon writes its own again\n"
	"  --dry-run        say what would be done\n"
	"  -j               JSON\n";

/* Documents stay here when not all could be made again. */
#define STATE		"/run/ipmesh"

struct request {
	const char *way_back;
	bool anyway;
	bool dry;
	bool help;
};

struct device {
	int ns;
	char *where;			/* "" or the namespace, for people */
	char name[IFNAMSIZ];
	char *file;			/* its document */
};

struct upgrade {
	struct modfile running, installed, back;
	struct device *devices;
	size_t n, cap;
	char *dir;			/* of the documents */
	int ns;				/* while one is looked at */
	const char *where;
	char *said;			/* what export left out there */
	bool keep;			/* the documents: not all devices are there */
	double gap_ms;
};

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static const char *in_where(const struct device *d)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s%s%s", d->name, *d->where ? " in " : "", d->where);
	return text;
}

/* --- before: what there is -------------------------------------------------------- */

/* Writes what is said on @to, from now on in this process, into a file. */
static int redirect(int to, const char *file)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || dup2(fd, to) < 0)
		return err_refused("%s: %s", file, strerror(errno));
	close(fd);
	return 0;
}

/* In the namespace: a document for each device there. */
static int export_devices(void *arg)
{
	const struct upgrade *u = arg;
	struct rtlinks l = { 0 };
	struct nl *nl = nl_open();
	int rc;

	rc = rtlink_dump(nl, IPMESH_KIND, &l);
	if (rc)
		return err_refused("devices of kind ipmesh: %s", strerror(-rc));
	rc = l.n ? redirect(STDERR_FILENO, u->said) : 0;
	for (size_t i = 0; i < l.n && !rc; i++) {
		char *argv[] = { (char *)"export", l.v[i].name, NULL };
		char *file = xasprintf("%s/%zu-%s.yaml", u->dir, u->n, l.v[i].name);

		rc = redirect(STDOUT_FILENO, file);
		if (!rc)
			rc = cmd_export(2, argv);
		if (fflush(stdout))
			rc = err_refused("%s: %s", file, strerror(errno));
		free(file);
	}
	rtlinks_free(&l);
	nl_close(nl);
	return rc;
}

/* Takes up the documents that a namespace has left. */
static int collect(struct upgrade *u)
{
	char *prefix = xasprintf("%zu-", u->n);
	DIR *dir = opendir(u->dir);
	struct device *d;
	struct dirent *e;
	int rc = 0;

	while (dir && (e = readdir(dir))) {
		size_t len = strlen(e->d_name), skip = strlen(prefix);

		if (strncmp(e->d_name, prefix, skip) || len < skip + 6)
			continue;
		u->devices = xgrow(u->devices, u->n, &u->cap, sizeof(*u->devices));
		d = &u->devices[u->n++];
		memset(d, 0, sizeof(*d));
		d->ns = dup(u->ns);
		d->where = xstrdup(u->where);
		snprintf(d->name, sizeof(d->name), "%.*s", (int)(len - skip - 5), e->d_name + skip);
		d->file = xasprintf("%s/%s", u->dir, e->d_name);
		if (d->ns < 0)
			rc = err_refused("upgrade: %s cannot be kept open: %s", in_where(d),
					 strerror(errno));
	}
	if (dir)
		closedir(dir);
	free(prefix);
	return rc;
}

static int look(int ns, const char *where, void *arg)
{
	struct upgrade *u = arg;
	int rc, exported;

	u->ns = ns;
	u->where = where;
	exported = namespaces_inside(ns, export_devices, u);
	rc = collect(u);
	return exported ? exported : rc;
}

/* What export could not say; true: nothing. */
static bool is_whole(const struct upgrade *u, bool anyway)
{
	char line[1024];
	FILE *f = fopen(u->said, "re");
	bool whole = true;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		warn("%s", !strncmp(line, "ipmesh: ", 8) ? line + 8 : line);
		whole = false;
	}
	if (f)
		fclose(f);
	if (whole || anyway)
		return true;
	err_refused("upgrade: that would be lost, and nothing was changed: with --anyway it is");
	return false;
}

/* --- the step ------------------------------------------------------------------------- */

static int apply_device(void *arg)
{
	const struct device *d = arg;
	char *argv[] = { (char *)"apply", (char *)"-f", d->file, (char *)"--dev",
			 (char *)d->name, NULL };

	return redirect(STDOUT_FILENO, "/dev/null") ? EXIT_REFUSED : cmd_apply(5, argv);
}

/* How many devices could not be made; each was said. */
static size_t apply_all(const struct upgrade *u)
{
	size_t bad = 0;

	for (size_t i = 0; i < u->n; i++) {
		struct device *d = &u->devices[i];

		if (!namespaces_inside(d->ns, apply_device, d))
			continue;
		warn("upgrade: %s was not made again: its document is %s", in_where(d), d->file);
		bad++;
	}
	return bad;
}

static int go_back(struct upgrade *u)
{
	int rc = modfile_load(&u->back);

	u->keep = true;
	if (rc)
		return err_refused("upgrade: %s, the module that ran, does not load again (%s): the devices' documents are in %s",
				   u->back.path, strerror(-rc), u->dir);
	if (apply_all(u))
		return err_refused("upgrade: the module that ran does so again, and not all devices are back: the documents are in %s",
				   u->dir);
	u->keep = false;
	return err_refused("upgrade: the module that ran does so again, with its devices");
}

static int replace(struct upgrade *u)
{
	double start = now_ms();
	int rc;

	rc = modfile_unload();
	if (rc)
		return err_refused("upgrade: the module that runs cannot be unloaded: %s: nothing was changed",
				   strerror(-rc));
	rc = modfile_load(&u->installed);
	if (rc) {
		warn("upgrade: %s does not load: %s; the kernel's log may say more",
		     u->installed.path, strerror(-rc));
		return go_back(u);
	}
	if (apply_all(u)) {
		u->keep = true;
		rc = modfile_unload();
		if (rc)
			return err_refused("upgrade: and the new module cannot be unloaded: %s",
					   strerror(-rc));
		return go_back(u);
	}
	u->gap_ms = now_ms() - start;
	return EXIT_DONE;
}

/* --- what is said --------------------------------------------------------------------- */

static void print_module(const char *key, const char *label, const struct modfile *m)
{
	out_obj(key);
	out_text("%-10s", label);
	out_str("version", "%s ", m->version);
	out_str("srcversion", "(%s)", m->srcversion);
	if (m->path)
		out_str("path", " %s", m->path);
	out_text("\n");
	out_end();
}

static int print(const struct upgrade *u, bool done)
{
	out_obj(NULL);
	print_module("running", done ? "before" : "running", &u->running);
	print_module("installed", done ? "now" : "installed", &u->installed);
	if (u->back.path)
		print_module("way_back", "way back", &u->back);
	if (u->dir)
		out_u64("devices", "devices   %" PRIu64 "\n", u->n);
	out_bool("upgraded", NULL, done);
	if (done)
		out_u64("gap_ms", "without a module or a device for %" PRIu64 " ms\n",
			(uint64_t)(u->gap_ms + 0.5));
	else if (!u->dir)
		out_text("nothing to do\n");
	out_end();
	return out_flush();
}

/* --- the command ------------------------------------------------------------------------ */

static int find_back(struct upgrade *u, const struct request *r)
{
	if (r->way_back) {
		if (!modfile_read(&u->back, r->way_back))
			return err_refused("--way-back: \"%s\" is no file of the module ipmesh",
					   err_safe(r->way_back));
		if (modfile_same(&u->back, &u->running))
			return 0;
		return err_refused("--way-back: \"%s\" is %s (%s), and %s (%s) runs",
				   err_safe(r->way_back), u->back.version,
				   u->back.srcversion, u->running.version,
				   u->running.srcversion);
	}
	if (modfile_find_copy(&u->back, &u->running))
		return 0;
	return err_refused("upgrade: no file of the module that runs, %s (%s), was found, so there would be no way back: give one with --way-back FILE",
			   u->running.version, u->running.srcversion);
}

static void clean_up(struct upgrade *u)
{
	for (size_t i = 0; i < u->n; i++) {
		if (!u->keep)
			unlink(u->devices[i].file);
		free(u->devices[i].file);
		free(u->devices[i].where);
		close(u->devices[i].ns);
	}
	free(u->devices);
	if (u->said)
		unlink(u->said);
	if (u->dir && !u->keep)
		rmdir(u->dir);
	free(u->said);
	free(u->dir);
	modfile_free(&u->running);
	modfile_free(&u->installed);
	modfile_free(&u->back);
}

static int run(struct upgrade *u, const struct request *r)
{
	char dir[] = STATE "/upgrade.XXXXXX";
	int rc;

	if (!modfile_running(&u->running))
		return err_refused("upgrade: the module does not run: run: modprobe ipmesh");
	rc = modfile_installed(&u->installed);
	if (rc)
		return rc;
	if (modfile_same(&u->running, &u->installed))
		return print(u, false);
	rc = find_back(u, r);
	if (rc)
		return rc;
	if ((mkdir(STATE, 0755) && errno != EEXIST) || !mkdtemp(dir))
		return err_refused("%s: %s", STATE, strerror(errno));
	u->dir = xstrdup(dir);
	u->said = xasprintf("%s/said", dir);
	if (namespaces_each(look, u)) {
		is_whole(u, true);
		return err_refused("upgrade: not all devices can be exported, and nothing was changed");
	}
	if (!is_whole(u, r->anyway))
		return EXIT_REFUSED;
	if (r->dry)
		return print(u, false);
	/* the way back of the next time: by then the installed file may be another */
	rc = modfile_keep(&u->installed);
	if (rc)
		return err_refused("upgrade: no copy of %s can be kept for the next time: %s",
				   u->installed.path, strerror(-rc));
	rc = replace(u);
	if (rc)
		return rc;
	modfile_forget(&u->back);
	return print(u, true);
}

int cmd_upgrade(int argc, char **argv)
{
	struct args a = { .cmd = "upgrade", .at = argv + 1 };
	struct upgrade u = { 0 };
	struct request r = { 0 };
	const char *w;
	int rc;

	(void)argc;
	while (*a.at && !a.status && !a.help) {
		if (args_flag(&a, NULL, "--anyway", &r.anyway) ||
		    args_flag(&a, NULL, "--dry-run", &r.dry) ||
		    args_option_once(&a, NULL, "--way-back", &r.way_back))
			continue;
		w = args_word(&a);
		if (w && !strcmp(w, "help"))
			a.help = true;
		else if (w)
			a.status = err_unknown("upgrade", w);
	}
	if (a.status || a.help)
		return a.status ? a.status : cmd_help(usage);
	rc = run(&u, &r);
	clean_up(&u);
	return rc;
}
