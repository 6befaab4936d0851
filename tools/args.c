// SPDX-License-Identifier: GPL-2.0-or-later
/* The words of a command, one by one. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "args.h"
#include "cmd.h"
#include "err.h"
#include "nl.h"
#include "number.h"
#include "rtlink.h"

const char *args_word(struct args *a)
{
	const char *w;

	if (a->status || a->help)
		return NULL;
	while ((w = *a->at)) {
		int taken = cmd_option(a->at, &a->status);

		if (a->status)
			return NULL;
		if (taken) {
			a->at += taken;
			continue;
		}
		a->at++;
		if (!strcmp(w, "-h") || !strcmp(w, "--help")) {
			a->help = true;
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

/* What stands here of global options; the command's own may follow. */
static void pass_globals(struct args *a)
{
	int taken;

	while (!a->status && *a->at && (taken = cmd_option(a->at, &a->status)))
		a->at += taken;
}

bool args_flag(struct args *a, const char *brief, const char *option, bool *seen)
{
	const char *w;

	pass_globals(a);
	w = *a->at;
	if (a->status || !w || !((brief && !strcmp(w, brief)) || (option && !strcmp(w, option))))
		return false;
	a->at++;
	args_once(a, seen, w);
	return true;
}

/* What stands behind an option in its own word: its value, "" for none; NULL when the
 * word is another one.
 */
static const char *behind(const char *w, const char *brief, const char *option)
{
	size_t n = option ? strlen(option) : 0;

	if (n && !strncmp(w, option, n) && (!w[n] || w[n] == '='))
		return w + n;
	if (brief && !strncmp(w, brief, 2))
		return w + 2;
	return NULL;
}

bool args_option(struct args *a, const char *brief, const char *option, const char **value)
{
	const char *w, *v, *word;

	pass_globals(a);
	w = *a->at;
	if (a->status || !w)
		return false;
	v = behind(w, brief, option);
	if (!v)
		return false;
	word = w[1] == '-' ? option : brief;
	a->at++;
	if (!*v)
		v = args_value(a, word);
	else if (*v == '=')
		v++;
	if (v && !*v)
		a->status = err_novalue(a->cmd, word);
	*value = a->status ? NULL : v;
	return true;
}

bool args_option_once(struct args *a, const char *brief, const char *option,
		      const char **value)
{
	const char *before = *value, *v;

	if (!args_option(a, brief, option, &v))
		return false;
	if (before && !a->status)
		a->status = err_twice(a->cmd, option ? option : brief);
	*value = v;
	return true;
}

/* Other words for a verb. */
static const struct {
	const char *word, *verb;
} synonyms[] = {
	{ "delete", "del" }, { "list", "show" }, { "ls", "show" }, { "lst", "show" },
};

/* Which verbs begin with the word, or are another word for what does: bits by number. */
static unsigned int begun(const char *const *verbs, const char *word)
{
	size_t n = strlen(word);
	unsigned int bits = 0;

	for (unsigned int i = 0; n && verbs[i]; i++) {
		if (!strncmp(verbs[i], word, n))
			bits |= 1U << i;
		for (size_t k = 0; k < sizeof(synonyms) / sizeof(*synonyms); k++)
			if (!strcmp(synonyms[k].verb, verbs[i]) &&
			    !strncmp(synonyms[k].word, word, n))
				bits |= 1U << i;
	}
	return bits;
}

/* "add, set or del": of the verbs those that have their bit. The caller frees it. */
static char *list_verbs(const char *const *verbs, unsigned int bits)
{
	char *all = xstrdup(""), *more;

	for (unsigned int i = 0; verbs[i] && bits; i++) {
		if (!(bits & 1U << i))
			continue;
		bits &= ~(1U << i);
		more = xasprintf("%s%s%s", all, !*all ? "" : bits ? ", " : " or ", verbs[i]);
		free(all);
		all = more;
	}
	return all;
}

int args_verb(const char *cmd, const char *const *verbs, const char *word)
{
	unsigned int bits = begun(verbs, word), n = 0;
	char *list;

	for (; verbs[n]; n++)
		if (!strcmp(verbs[n], word))
			return (int)n;
	for (unsigned int i = 0; i < n; i++)
		if (bits == 1U << i)
			return (int)i;
	if (!bits && !cmd) {
		err_usage("unknown command \"%s\"; see ipmesh --help", err_safe(word));
		return -1;
	}
	list = list_verbs(verbs, bits ? bits : (1U << n) - 1);
	err_usage(bits ? "%s%s\"%s\" is ambiguous; say %s" :
			 "%s%sunknown word \"%s\"; say %s",
		  cmd ? cmd : "", cmd ? ": " : "", err_safe(word), list);
	free(list);
	return -1;
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

	/* a number below zero is a wrong value, and no option */
	if (!v || (v[0] == '-' && v[1] && !isdigit((unsigned char)v[1]))) {
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
	uint64_t x;

	if (!v)
		return false;
	if (v[strspn(v, "0123456789")] || !number_read(v, min, max, &x)) {
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
