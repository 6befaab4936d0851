/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small harness: tests in a table, each in a process and a network namespace
 * of its own, told as TAP. A check that fails ends its test.
 */
#ifndef _IPMESH_SELFTESTS_TAP_H
#define _IPMESH_SELFTESTS_TAP_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct tap_test {
	const char *name;
	void (*run)(void);
};

#define tap_fail(fmt, ...) do {						\
	printf("# %s:%d: " fmt "\n", __func__, __LINE__, ##__VA_ARGS__);	\
	exit(1);							\
} while (0)

#define check(cond) do {						\
	if (!(cond))							\
		tap_fail("not so: %s", #cond);				\
} while (0)

#define check_num(got, wanted) do {					\
	long long __got = (got), __wanted = (wanted);			\
									\
	if (__got != __wanted)						\
		tap_fail("%s is %lld, not %lld", #got, __got, __wanted);	\
} while (0)

#define check_str(got, wanted) do {					\
	const char *__got = (got), *__wanted = (wanted);		\
									\
	if (strcmp(__got, __wanted))					\
		tap_fail("%s is \"%s\", not \"%s\"", #got, __got, __wanted);	\
} while (0)

static inline int tap_main(const struct tap_test *tests, int argc, char **argv)
{
	int n = 0, failed = 0, i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (geteuid()) {
		puts("1..0 # SKIP not root");
		return 4;
	}
	while (tests[n].name)
		n++;
	printf("TAP version 13\n1..%d\n", n);
	for (i = 0; i < n; i++) {
		pid_t child;
		int status;

		if (argc > 1 && strcmp(argv[1], tests[i].name)) {
			printf("ok %d %s # SKIP not asked for\n", i + 1, tests[i].name);
			continue;
		}
		child = fork();
		if (!child) {
			if (unshare(CLONE_NEWNET))
				tap_fail("no network namespace");
			tests[i].run();
			exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			return 1;
		failed += !!status;
		printf("%s %d %s\n", status ? "not ok" : "ok", i + 1, tests[i].name);
	}
	printf("# %d passed, %d failed, 0 skipped\n", n - failed, failed);
	return failed ? 1 : 0;
}

#endif /* _IPMESH_SELFTESTS_TAP_H */
