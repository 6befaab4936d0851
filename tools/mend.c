// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor --fix: what mends a finding is done, without a shell. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"
#include "out.h"

/*
 * The words of a line, as shell_word() has written them: parted by spaces, in quotes or not,
 * a quote alone behind a backslash. Nothing else means anything. The caller frees the list
 * and its first word, which holds all.
 */
static char **split(const char *line)
{
	char *to = xmalloc(strlen(line) + 1);
	char **words = NULL;
	size_t n = 0, cap = 0;

	while (*line) {
		if (*line == ' ') {
			line++;
			continue;
		}
		words = xgrow(words, n, &cap, sizeof(*words));
		words[n++] = to;
		for (; *line && *line != ' '; line++) {
			if (*line == '\'') {
				for (line++; *line && *line != '\''; line++)
					*to++ = *line;
				if (!*line)
					break;
			} else {
				if (*line == '\\' && line[1])
					line++;
				*to++ = *line;
			}
		}
		*to++ = '\0';
	}
	if (!n) {
		free(to);
		return NULL;
	}
	words = xgrow(words, n, &cap, sizeof(*words));
	words[n] = NULL;
	return words;
}

/* The child: what it says goes to the pipe. */
static void run_words(char **words, int out)
{
	int null = open("/dev/null", O_RDONLY);

	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execvp(words[0], words);
	dprintf(STDERR_FILENO, "%s: %s\n", words[0], strerror(errno));
	_exit(127);
}

/* Its exit status, and the first line of what it says. */
static int run(const char *line, char *said, size_t size)
{
	char **words = split(line), rest[256];
	int ends[2], status = 0;
	FILE *f = NULL;
	pid_t pid = -1;

	*said = '\0';
	if (words && !pipe2(ends, O_CLOEXEC)) {
		pid = fork();
		if (!pid)
			run_words(words, ends[1]);
		close(ends[1]);
		f = fdopen(ends[0], "r");
	}
	if (f && fgets(said, (int)size, f))
		said[strcspn(said, "\n")] = '\0';
	while (f && fgets(rest, sizeof(rest), f))
		;
	if (f)
		fclose(f);
	if (words)
		free(words[0]);
	free(words);
	if (pid < 0) {
		snprintf(said, size, "%s", strerror(errno));
		return 1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool make_folders(const char *file)
{
	char *path = xstrdup(file);
	bool good = true;

	for (char *c = path + 1; good && (c = strchr(c, '/')); c++) {
		*c = '\0';
		good = !mkdir(path, 0755) || errno == EEXIST;
		*c = '/';
	}
	free(path);
	return good;
}

/* All of the file, which is one that programs read line by line; NULL: none. */
static char *read_file(const char *file)
{
	FILE *f = fopen(file, "re");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		return NULL;
	if (getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = xstrdup("");
	}
	fclose(f);
	return text;
}

static bool put_file(const char *file, const char *mode, const char *text)
{
	FILE *f = fopen(file, mode);
	bool good = f && fputs(text, f) >= 0;

	if (f && fclose(f))
		good = false;
	return good;
}

static int write_file(struct mend *m, char *said, size_t size)
{
	bool good = make_folders(m->file);

	free(m->had);
	m->had = read_file(m->file);
	m->was_there = m->had;
	good = good && put_file(m->file, m->alone ? "we" : "ae", m->text);
	*said = '\0';
	if (!good)
		snprintf(said, size, "%s: %s", m->file, strerror(errno));
	return good ? 0 : 1;
}

bool mend_run(struct mend *m)
{
	char said[256];
	int rc;

	fflush(stdout);
	rc = m->file ? write_file(m, said, sizeof(said)) : run(m->line, said, sizeof(said));
	m->done = !rc;
	if (m->done) {
		out_text("done: %s\n", m->line);
		return true;
	}
	out_text("failed (status %d): %s\n    %s\n", rc, m->line, err_safe(said));
	return false;
}

void mend_undo(struct mend *m)
{
	char said[256] = "";
	bool good;

	if (!m->done)
		return;
	m->done = false;
	if (m->file) {
		good = m->was_there ? put_file(m->file, "we", m->had) : !unlink(m->file);
		if (good)
			out_text("undone: %s\n", m->file);
		else
			warn("doctor: %s is not as it was before: %s", m->file, strerror(errno));
		return;
	}
	if (!m->undo)
		return;
	if (run(m->undo, said, sizeof(said)))
		warn("doctor: not undone: %s: %s", m->undo, err_safe(said));
	else
		out_text("undone: %s\n", m->undo);
}
