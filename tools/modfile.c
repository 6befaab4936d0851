// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "err.h"
#include "modfile.h"
#include "nl.h"

#define NAME		"ipmesh"
#define KEPT		"/var/lib/ipmesh"
#define MODULES		"/lib/modules"

#define NOT_INSTALLED	"no module " NAME " is installed for the kernel that runs, %s: install it, or run: depmod"

#define N(array)	(sizeof(array) / sizeof((array)[0]))

/* Where the build systems that we know put a module, below its kernel's folder. */
static const char *const places[] = { "updates/dkms", "updates", "extra", "kernel/drivers/net" };
static const char *const endings[] = { ".ko", ".ko.xz", ".ko.zst", ".ko.gz" };

void modfile_free(struct modfile *m)
{
	free(m->path);
	free(m->version);
	free(m->srcversion);
	free(m->release);
	memset(m, 0, sizeof(*m));
}

static bool same_text(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

/* The sources may be the same and the version, which is given when they are built, another. */
bool modfile_same(const struct modfile *a, const struct modfile *b)
{
	return same_text(a->srcversion, b->srcversion) && same_text(a->version, b->version);
}

static char *read_line(const char *path)
{
	char line[64];
	FILE *f = fopen(path, "re");
	bool got;

	if (!f)
		return NULL;
	got = fgets(line, sizeof(line), f);
	fclose(f);
	if (!got)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return xstrdup(line);
}

bool modfile_running(struct modfile *m)
{
	memset(m, 0, sizeof(*m));
	m->version = read_line("/sys/module/" NAME "/version");
	m->srcversion = read_line("/sys/module/" NAME "/srcversion");
	if (m->srcversion && m->version)
		return true;
	modfile_free(m);
	return false;
}

static struct kmod_ctx *context(void)
{
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);

	if (!ctx)
		exit(err_refused("out of memory"));
	/* what is wrong is told by who asks */
	kmod_set_log_priority(ctx, 0);
	return ctx;
}

/* What @mod says of itself, into @m; false: it is not ours. */
static bool read_info(struct modfile *m, struct kmod_module *mod)
{
	struct kmod_list *l, *list = NULL;
	const char *key, *value;
	bool ours = false;

	memset(m, 0, sizeof(*m));
	if (!kmod_module_get_path(mod) || kmod_module_get_info(mod, &list) < 0)
		return false;
	m->path = xstrdup(kmod_module_get_path(mod));
	kmod_list_foreach(l, list) {
		key = kmod_module_info_get_key(l);
		value = kmod_module_info_get_value(l);
		if (!strcmp(key, "name"))
			ours = !strcmp(value, NAME);
		else if (!strcmp(key, "version") && !m->version)
			m->version = xstrdup(value);
		else if (!strcmp(key, "srcversion") && !m->srcversion)
			m->srcversion = xstrdup(value);
		else if (!strcmp(key, "vermagic") && !m->release)
			m->release = strndup(value, strcspn(value, " "));
	}
	kmod_module_info_free_list(list);
	if (ours && m->srcversion && m->version && m->release)
		return true;
	modfile_free(m);
	return false;
}

/* The file that modprobe would load, of which @m knows no more than its path when it is none
 * of ours; false: there is none.
 */
static bool find_installed(struct modfile *m)
{
	struct kmod_ctx *ctx = context();
	struct kmod_module *mod = NULL;
	const char *path = NULL;

	memset(m, 0, sizeof(*m));
	if (kmod_module_new_from_name(ctx, NAME, &mod) >= 0)
		path = kmod_module_get_path(mod);
	if (path && !read_info(m, mod))
		m->path = xstrdup(path);
	if (mod)
		kmod_module_unref(mod);
	kmod_unref(ctx);
	return m->path;
}

int modfile_installed(struct modfile *m)
{
	struct utsname host;

	uname(&host);
	if (!find_installed(m))
		return err_refused(NOT_INSTALLED, host.release);
	if (!m->release)
		return err_refused("%s is no module that can be read: install it again", m->path);
	if (strcmp(m->release, host.release))
		return err_refused("%s was built for the kernel %s, and %s runs: build it for that",
				   m->path, m->release, host.release);
	return EXIT_DONE;
}

bool modfile_read(struct modfile *m, const char *path)
{
	struct kmod_ctx *ctx = context();
	struct kmod_module *mod = NULL;
	bool good = kmod_module_new_from_path(ctx, path, &mod) >= 0 && read_info(m, mod);

	if (mod)
		kmod_module_unref(mod);
	kmod_unref(ctx);
	return good;
}

/* kmod takes a file for the module of its name: what tells copies apart is the folder. */
static char *kept_folder(const char *release, const struct modfile *m)
{
	return xasprintf(KEPT "/%s/%s-%s", release, m->version, m->srcversion);
}

static bool is_copy(struct modfile *m, const struct modfile *running, char *path)
{
	bool found = !access(path, R_OK) && modfile_read(m, path);

	free(path);
	if (found && modfile_same(m, running))
		return true;
	if (found)
		modfile_free(m);
	return false;
}

bool modfile_find_copy(struct modfile *m, const struct modfile *running)
{
	struct utsname host;
	bool found = false;
	char *kept;

	uname(&host);
	kept = kept_folder(host.release, running);
	for (size_t e = 0; e < N(endings) && !found; e++) {
		found = is_copy(m, running, xasprintf("%s/" NAME "%s", kept, endings[e]));
		for (size_t i = 0; i < N(places) && !found; i++)
			found = is_copy(m, running, xasprintf(MODULES "/%s/%s/" NAME "%s",
							      host.release, places[i], endings[e]));
	}
	free(kept);
	return found;
}

static int copy(const char *from, const char *to)
{
	char buf[65536];
	ssize_t n = 0;
	int in, out, rc = 0;

	in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return -errno;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0)
		rc = -errno;
	while (!rc && (n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			rc = errno ? -errno : -ENOSPC;
	if (!rc && (n < 0 || fsync(out)))
		rc = -errno;
	close(in);
	if (out >= 0)
		close(out);
	return rc;
}

static int make_folder(const char *path)
{
	return mkdir(path, 0755) && errno != EEXIST ? -errno : 0;
}

int modfile_keep(const struct modfile *m)
{
	const char *name = strrchr(m->path, '/');
	char *outer = xasprintf(KEPT "/%s", m->release);
	char *dir = kept_folder(m->release, m);
	char *to = xasprintf("%s/%s", dir, name ? name + 1 : m->path);
	char *part = xasprintf("%s.part", to);
	int rc;

	rc = make_folder(KEPT);
	if (!rc)
		rc = make_folder(outer);
	if (!rc)
		rc = make_folder(dir);
	if (!rc)
		rc = copy(m->path, part);
	if (!rc && rename(part, to))
		rc = -errno;
	if (rc)
		unlink(part);
	free(part);
	free(to);
	free(dir);
	free(outer);
	return rc;
}

void modfile_forget(const struct modfile *m)
{
	char *dir = kept_folder(m->release, m);
	size_t len = strlen(dir);

	if (!strncmp(m->path, dir, len) && m->path[len] == '/') {
		unlink(m->path);
		rmdir(dir);
	}
	free(dir);
}

int modfile_unload(void)
{
	struct kmod_ctx *ctx = context();
	struct kmod_module *mod = NULL;
	int rc = kmod_module_new_from_name(ctx, NAME, &mod);

	if (!rc)
		rc = kmod_module_remove_module(mod, 0);
	if (mod)
		kmod_module_unref(mod);
	kmod_unref(ctx);
	return rc < 0 ? rc : 0;
}

static int load_needed(struct kmod_module *mod)
{
	struct kmod_list *l, *list = kmod_module_get_dependencies(mod);
	struct kmod_module *needed;
	int rc = 0;

	kmod_list_foreach(l, list) {
		needed = kmod_module_get_module(l);
		if (rc >= 0)
			rc = kmod_module_probe_insert_module(needed, KMOD_PROBE_IGNORE_COMMAND,
							     NULL, NULL, NULL, NULL);
		kmod_module_unref(needed);
	}
	kmod_module_unref_list(list);
	return rc;
}

/*
 * The file may have any name. What it needs, and its options, are those of the module's:
 * modules.dep and modprobe.d.
 */
int modfile_load(const struct modfile *m)
{
	struct kmod_module *named = NULL, *mod = NULL;
	struct kmod_ctx *ctx = context();
	int rc;

	rc = kmod_module_new_from_name(ctx, NAME, &named);
	if (rc >= 0)
		rc = load_needed(named);
	if (rc >= 0)
		rc = kmod_module_new_from_path(ctx, m->path, &mod);
	if (rc >= 0)
		rc = kmod_module_insert_module(mod, 0, kmod_module_get_options(named));
	if (mod)
		kmod_module_unref(mod);
	if (named)
		kmod_module_unref(named);
	kmod_unref(ctx);
	return rc < 0 ? rc : 0;
}

/* Whether the kernel takes signed modules only, which it also says as "not permitted". */
static bool locked_down(void)
{
	char *state = read_line("/sys/kernel/security/lockdown");
	bool locked = state && !strstr(state, "[none]");

	free(state);
	return locked;
}

char *modfile_missing(void)
{
	struct utsname host;
	struct modfile m;
	char *text;
	int rc;

	/* only who may load modules learns why one does not load */
	if (geteuid())
		return xstrdup(NL_NO_MODULE);
	uname(&host);
	if (!find_installed(&m))
		return xasprintf(NOT_INSTALLED, host.release);
	rc = modfile_load(&m);
	if (!rc || rc == -EEXIST)
		text = xasprintf("the kernel loads no modules by itself here, and has %s now: run the command again",
				 m.path);
	else if (rc == -EKEYREJECTED || rc == -ENOKEY || (rc == -EPERM && locked_down()))
		text = xasprintf("the kernel refuses %s, which no key that it knows has signed (Secure Boot): let the firmware know it, as with: mokutil --import /var/lib/dkms/mok.pub",
				 m.path);
	else if (rc == -EPERM)
		text = xstrdup(NL_NO_MODULE);
	else
		text = xasprintf("%s does not load: %s; the kernel's log says more: dmesg",
				 m.path, strerror(-rc));
	modfile_free(&m);
	return text;
}
