// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The plug-in of ip(8) for devices of kind ipmesh, with the words and the
 * output of "ipmesh link". For a kind that it does not know, ip loads
 * link_KIND.so and takes the symbol KIND_link_util. It has no header to
 * install: what is used of it is declared here, and found in ip at load time.
 */
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drops.h"
#include "linkattr.h"

struct link_util {
	struct link_util *next;
	const char *id;
	int maxattr;
	int (*parse_opt)(struct link_util *lu, int argc, char **argv,
			 struct nlmsghdr *nlh);
	void (*print_opt)(struct link_util *lu, FILE *f, struct rtattr *tb[]);
	void (*print_xstats)(struct link_util *lu, FILE *f, struct rtattr *xstats);
	void (*print_help)(struct link_util *lu, int argc, char **argv, FILE *f);
	int (*parse_ifla_xstats)(struct link_util *lu, int argc, char **argv);
	int (*print_ifla_xstats)(struct nlmsghdr *nlh, void *arg);
};

enum output_type { PRINT_FP = 1, PRINT_JSON = 2 };
enum color_attr { COLOR_NONE = 6 };

bool is_json_context(void);
int print_color_null(enum output_type t, enum color_attr c, const char *key,
		     const char *fmt, const char *value);
int print_color_bool(enum output_type t, enum color_attr c, const char *key,
		     const char *fmt, bool value);
int print_color_u64(enum output_type t, enum color_attr c, const char *key,
		    const char *fmt, uint64_t value);
int print_color_string(enum output_type t, enum color_attr c, const char *key,
		       const char *fmt, const char *value);
void invarg(const char *msg, const char *arg) __attribute__((noreturn));
void duparg(const char *key, const char *arg) __attribute__((noreturn));

/* The room that ip has for a request, as its own kinds count it. */
#define REQUEST_MAX	1024

static void print_help(struct link_util *lu, int argc, char **argv, FILE *f)
{
	(void)argc;
	(void)argv;
	fprintf(f, "Usage: ip link { add | set } DEV ... type %s", lu->id);
	for (size_t i = 0; i < linkattr_count; i++) {
		const struct linkattr *a = &linkattr_table[i];

		if (a->kind == LINKATTR_AUTO)
			fprintf(f, "\n\t\t[ %s auto ]", a->word);
		else if (a->kind != LINKATTR_COUNT)
			fprintf(f, "\n\t\t[ %s { %s } ]", a->word, a->usage);
	}
	fprintf(f, "\n\n");
	for (size_t i = 0; i < linkattr_count; i++)
		if (linkattr_table[i].kind != LINKATTR_COUNT)
			fprintf(f, "\t%-10s %s\n", linkattr_table[i].word,
				linkattr_table[i].help);
	fprintf(f, "\nA number of an MTU stands before \"type\". Peers: see ipmesh(8).\n");
}

static int parse_opt(struct link_util *lu, int argc, char **argv,
		     struct nlmsghdr *nlh)
{
	struct linkattrs v = { 0 };
	char msg[300];

	for (; argc > 0; argc -= 2, argv += 2) {
		const struct linkattr *a = linkattr_by_word(*argv);
		const char *why;

		if (!strcmp(*argv, "help")) {
			print_help(lu, argc, argv, stdout);
			return -1;
		}
		if (!a) {
			fprintf(stderr, "Error: %s: unknown word \"%s\"; see ip link help %s\n",
				lu->id, *argv, lu->id);
			return -1;
		}
		if (argc < 2) {
			fprintf(stderr, "Error: %s: \"%s\" needs a value: %s\n",
				lu->id, *argv, a->usage);
			return -1;
		}
		if (v.has & LINKATTR_BIT(a->type))
			duparg(argv[0], argv[1]);
		if (a->kind == LINKATTR_AUTO && strcmp(argv[1], "auto"))
			invarg("say auto here; a number stands before \"type\"", argv[1]);
		why = linkattr_read(a, argv[1], &v);
		if (why) {
			snprintf(msg, sizeof(msg), "%s: %s", a->word, why);
			invarg(msg, argv[1]);
		}
	}
	/* Each attribute takes 8 bytes, the address up to 20. */
	if (nlh->nlmsg_len + linkattr_count * 8 + 16 > REQUEST_MAX) {
		fprintf(stderr, "Error: %s: the request is too long\n", lu->id);
		return -1;
	}
	linkattr_put(nlh, &v);
	return 0;
}

static void print_attr(const struct linkattr *a, const struct linkattrs *v)
{
	uint32_t n = linkattr_number(a, v);

	switch (linkattr_json(a, v)) {
	case LINKATTR_JSON_NULL:
		print_color_null(PRINT_JSON, COLOR_NONE, a->json, NULL, NULL);
		break;
	case LINKATTR_JSON_BOOL:
		print_color_bool(PRINT_JSON, COLOR_NONE, a->json, NULL, n);
		break;
	case LINKATTR_JSON_NUMBER:
		print_color_u64(PRINT_JSON, COLOR_NONE, a->json, NULL, n);
		break;
	case LINKATTR_JSON_STRING:
		print_color_string(PRINT_JSON, COLOR_NONE, a->json, NULL,
				   linkattr_text(a, v));
		break;
	}
}

static void print_opt(struct link_util *lu, FILE *f, struct rtattr *tb[])
{
	struct linkattrs v = { 0 };

	(void)f;
	if (!tb)
		return;
	/* The same layout under another name. */
	for (int i = 0; i <= lu->maxattr; i++)
		if (tb[i])
			linkattr_take(&v, (const struct nlattr *)tb[i]);
	for (size_t i = 0; i < linkattr_count; i++) {
		const struct linkattr *a = &linkattr_table[i];

		if (!(v.has & LINKATTR_BIT(a->type)))
			continue;
		if (is_json_context()) {
			print_attr(a, &v);
			continue;
		}
		/* ip itself shows the number of an MTU. */
		if (a->kind == LINKATTR_AUTO && !linkattr_number(a, &v))
			continue;
		print_color_string(PRINT_FP, COLOR_NONE, NULL, "%s ", a->word);
		print_color_string(PRINT_FP, COLOR_NONE, NULL, "%s ",
				   linkattr_text(a, &v));
	}
}

static void print_xstats(struct link_util *lu, FILE *f, struct rtattr *xstats)
{
	struct drops d;

	(void)lu;
	(void)f;
	drops_parse(&d, (const struct nlattr *)xstats);
	if (!is_json_context() && drops_total(&d))
		print_color_string(PRINT_FP, COLOR_NONE, NULL, "\n    drops: %s", "");
	for (size_t i = 0; i < DROPS_N; i++) {
		if (!drop_names[i].name)
			continue;
		if (is_json_context()) {
			print_color_u64(PRINT_JSON, COLOR_NONE,
					drop_names[i].name, NULL, d.n[i]);
		} else if (d.n[i]) {
			print_color_string(PRINT_FP, COLOR_NONE, NULL, "%s ",
					   drop_names[i].name);
			print_color_u64(PRINT_FP, COLOR_NONE, NULL, "%" PRIu64 " ",
					d.n[i]);
		}
	}
}

__attribute__((visibility("default")))
struct link_util ipmesh_link_util = {
	.id = "ipmesh",
	.maxattr = IFLA_IPMESH_MAX,
	.parse_opt = parse_opt,
	.print_opt = print_opt,
	.print_xstats = print_xstats,
	.print_help = print_help,
};
