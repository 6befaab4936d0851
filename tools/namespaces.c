// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/nsfs.h>

#include "err.h"
#include "namespaces.h"

struct seen {
	ino_t *v;
	size_t n, cap;
};

static bool is_new(struct seen *s, ino_t ino)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i] == ino)
			return false;
	s->v = xgrow(s->v, s->n, &s->cap, sizeof(*s->v));
	s->v[s->n++] = ino;
	return true;
}

struct visit {
	struct seen seen;
	int (*each)(int ns, const char *where, void *arg);
	void *arg;
};

static int visit(struct visit *v, const char *path, bool process, const char *where)
{
	struct stat st;
	int fd, rc = 0;

	/* a process may end, and a name may go, meanwhile */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ESRCH ? 0 :
		       err_refused("%s: %s", path, strerror(errno));
	/* what "ip netns" left behind, of a boot before or of a mount that failed, is a file */
	if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET) {
		if (!fstat(fd, &st) && is_new(&v->seen, st.st_ino))
			rc = v->each(fd, where, v->arg);
	} else if (process) {
		/* some kernels lead a link that may not be followed to its folder */
		rc = err_refused("%s: %s", path, strerror(EACCES));
	}
	close(fd);
	return rc;
}

/* Each entry of @dir; the path of its namespace, and what people call it, come of two formats. */
static int visit_all(struct visit *v, const char *dir, bool numbers, const char *path,
		     const char *where)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int rc = 0;

	while (d && !rc && (e = readdir(d))) {
		char *p, *w;

		if (numbers ? !isdigit((unsigned char)e->d_name[0]) : e->d_name[0] == '.')
			continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		p = xasprintf(path, e->d_name);
		w = xasprintf(where, e->d_name);
#pragma GCC diagnostic pop
		rc = visit(v, p, numbers, w);
		free(p);
		free(w);
	}
	if (d)
		closedir(d);
	return rc;
}

int namespaces_each(int (*each)(int ns, const char *where, void *arg), void *arg)
{
	struct visit v = { .each = each, .arg = arg };
	int rc;

	rc = visit(&v, "/proc/self/ns/net", true, "");
	if (!rc)
		rc = visit_all(&v, "/run/netns", false, "/run/netns/%s", "namespace %s");
	if (!rc)
		rc = visit_all(&v, "/proc", true, "/proc/%s/ns/net", "the namespace of process %s");
	free(v.seen.v);
	return rc;
}

int namespaces_inside(int ns, int (*run)(void *arg), void *arg)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		int rc = setns(ns, CLONE_NEWNET) ?
			 err_refused("a network namespace: %s", strerror(errno)) : run(arg);

		fflush(NULL);
		_exit(rc);
	}
	if (pid < 0)
		return err_refused("a process for a namespace: %s", strerror(errno));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_REFUSED;
}
