// SPDX-License-Identifier: GPL-2.0-or-later
/* The words of a command, one by one. */
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "args.h"
#include "cmd.h"
#include "err.h"
#include "nl.h"
#include "rtlink.h"

const char *args_word(struct args *a)
{
	const char *w;

	if (a->status || a->help)
		return NULL;
	while ((w = *a->at)) {
		a->at++;
		if (!strcmp(w, "-h") || !strcmp(w, "--help")) {
			a->help = true;
			return NULL;
		}
		if (cmd_option(w))
			continue;
		if (!strcmp(w, "--color")) {
			if (cmd_colour(*a->at++))
				continue;
			a->status = err_usage("%s: --color: say auto, always or never",
					      a->cmd);
			return NULL;
		}
		if (w[0] == '-') {
			a->status = err_usage("%s: unknown option \"%s\"; see ipmesh %s --help",
					      a->cmd, err_safe(w), a->cmd);
			return NULL;
		}
		return w;
	}
	return NULL;
}

static const char *device(struct args *a)
{
	const char *dev = NULL, *w, *why;

	while ((w = args_word(a))) {
		if (!dev && !strcmp(w, "help"))
			a->help = true;
		if (dev)
			a->status = err_unknown(a->cmd, w);
		dev = w;
	}
	why = dev && !a->status && !a->help ? rtlink_check_name(dev) : NULL;
	if (why)
		a->status = err_usage("%s: %s", a->cmd, why);
	return dev;
}

int args_run_device(char **argv, const char *usage,
		    int (*run)(struct nl *nl, const char *dev))
{
	struct args a = { .cmd = argv[0], .at = argv + 1 };
	const char *dev = device(&a);
	struct nl *nl;
	int rc;

	if (a.help)
		return cmd_help(usage);
	if (a.status)
		return a.status;
	nl = nl_open();
	rc = run(nl, dev);
	nl_close(nl);
	return rc;
}

const char *args_value(struct args *a, const char *word)
{
	const char *v = *a->at;

	if (!v || (v[0] == '-' && v[1])) {
		a->status = err_novalue(a->cmd, word);
		return NULL;
	}
	a->at++;
	return v;
}

bool args_once(struct args *a, bool *seen, const char *word)
{
	if (*seen)
		a->status = err_twice(a->cmd, word);
	*seen = true;
	return !a->status;
}

bool args_wrong(struct args *a, const char *word, const char *why)
{
	a->status = err_usage("%s: %s: %s", a->cmd, word, why);
	return false;
}

bool args_number(struct args *a, const char *word, uint32_t min, uint32_t max,
		 uint32_t *n)
{
	const char *v = args_value(a, word);
	unsigned long long x = 0;
	const char *c;

	if (!v)
		return false;
	for (c = v; *c >= '0' && *c <= '9' && x <= UINT32_MAX; c++)
		x = x * 10 + (unsigned int)(*c - '0');
	if (!*v || *c || x < min || x > max) {
		a->status = err_usage("%s: %s: \"%s\" is not a number from %u to %u",
				      a->cmd, word, err_safe(v), min, max);
		return false;
	}
	*n = (uint32_t)x;
	return true;
}

bool args_prefix(struct args *a, const char *word, const char *value, bool host,
		 struct prefix_list *l)
{
	struct prefix p;
	const char *why = host ? prefix_or_host_parse(&p, value) :
				 prefix_parse(&p, value);

	if (why)
		return args_wrong(a, word, why);
	if (prefix_list_has(l, &p)) {
		a->status = err_usage("%s: %s %s is given twice; name it once",
				      a->cmd, word, host ? prefix_or_host_str(&p) : prefix_str(&p));
		return false;
	}
	prefix_list_add(l, &p);
	return true;
}
