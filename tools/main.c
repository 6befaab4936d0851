// SPDX-License-Identifier: GPL-2.0-or-later
/* The program: global options, then the command by its word. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "err.h"
#include "out.h"

struct options options;

static const struct cmd commands[] = {
	{ "show", cmd_show, "devices and their peers, routes and counters" },
	{ "link", cmd_link, "add, set, del, show: devices" },
	{ "peer", cmd_peer, "add, set, del, show, flush: peers of a device" },
	{ "apply", cmd_apply, "make the kernel's state that of documents" },
	{ "top", cmd_top, "live rates by peer" },
	{ "metrics", cmd_metrics, "counters and states for Prometheus" },
	{ "export", cmd_export, "the kernel's state as a document for apply" },
	{ "monitor", cmd_monitor, "changes of devices, peers and routes as they happen" },
	{ "doctor", cmd_doctor, "find what stands in the way, and mend it" },
	{ "probe", cmd_probe, "ask a peer: whether it answers, path MTU, what passes" },
	{ "upgrade", cmd_upgrade, "the installed module in the place of the one that runs" },
};

/* Of those who write completions for a shell; no word for people. */
static const struct cmd hidden = { "complete", cmd_complete, NULL };

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

const struct cmd *cmd_at(size_t i)
{
	return i < N_COMMANDS ? &commands[i] : NULL;
}

static int help(void)
{
	printf("Usage: ipmesh [OPTIONS] COMMAND [ARGUMENTS]\n"
	       "       ipmesh COMMAND --help\n"
	       "\n"
	       "IP-in-IP overlays to many peers with one device. Without a command: show.\n"
	       "\n"
	       "Commands:\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  %-10s %s\n", commands[i].word, commands[i].what);
	return cmd_help("\n"
	       "Options:\n"
	       "  -j, --json          JSON instead of text\n"
	       "  -p, --pretty        JSON over several lines\n"
	       "  -s, --stats         also drops by cause\n"
	       "  -c, --color WHEN    auto, always (-c alone) or never\n"
	       "  -n, --netns NETNS   in that network namespace (a name, or a path)\n"
	       "  -h, --help          this help\n"
	       "  -V, --version       the version\n"
	       "\n"
	       "Exit status: 0 done; 1 refused by the kernel, or not found; 2 wrong usage,\n"
	       "and nothing was changed.\n");
}

int cmd_help(const char *text)
{
	fputs(text, stdout);
	if (fflush(stdout) || ferror(stdout))
		return err_refused("cannot write to standard output");
	return EXIT_DONE;
}

bool cmd_is_help(const char *arg)
{
	return !strcmp(arg, "-h") || !strcmp(arg, "--help") ||
	       !strcmp(arg, "help");
}

/* Who says always means it; NO_COLOR is for what is not said (no-color.org). */
static void set_options(const struct options *o)
{
	const char *no = getenv("NO_COLOR");

	options = *o;
	out_init(o->json, o->pretty, o->colour == COLOUR_ALWAYS ||
		 (o->colour == COLOUR_AUTO && isatty(STDOUT_FILENO) && !(no && *no)));
}

/* "auto", "always" or "never"; false for any other, or NULL. */
static bool set_colour(const char *when)
{
	static const char *const words[] = {
		[COLOUR_AUTO] = "auto", [COLOUR_ALWAYS] = "always",
		[COLOUR_NEVER] = "never",
	};
	struct options o = options;

	for (size_t i = 0; when && i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(when, words[i])) {
			o.colour = i;
			set_options(&o);
			return true;
		}
	return false;
}

/* Short ones may stand together: -js. */
static bool set_short(struct options *o, const char *letters)
{
	for (const char *c = letters; *c; c++) {
		if (*c == 'j')
			o->json = true;
		else if (*c == 'p')
			o->pretty = true;
		else if (*c == 's')
			o->stats = true;
		else if (*c == 'c')
			o->colour = COLOUR_ALWAYS;
		else
			return false;
	}
	return *letters;
}

int cmd_option(char *const *words, int *status)
{
	const char *arg = words[0], *when = NULL;
	struct options o = options;
	int taken = 1;

	if (!strncmp(arg, "--color=", 8)) {
		when = arg + 8;
	} else if (!strncmp(arg, "-c=", 3)) {
		when = arg + 3;
	} else if (!strcmp(arg, "--color")) {
		when = words[1] ? words[1] : "";
		taken = 2;
	} else if (!strcmp(arg, "-c") && set_colour(words[1])) {
		return 2;
	}
	if (when) {
		if (!set_colour(when))
			*status = err_usage("--color: \"%s\" is not auto, always or never",
					    err_safe(when));
		return taken;
	}

	if (!strcmp(arg, "--"))
		return 1;
	if (!strcmp(arg, "--json"))
		o.json = true;
	else if (!strcmp(arg, "--pretty"))
		o.pretty = true;
	else if (!strcmp(arg, "--stats") || !strcmp(arg, "--statistics"))
		o.stats = true;
	else if (arg[0] != '-' || !set_short(&o, arg + 1))
		return 0;
	set_options(&o);
	return 1;
}

/* Names are those of ip netns. Sockets opened from now on are of that one. */
int cmd_netns(const char *name)
{
	char *path;
	int fd, rc = EXIT_DONE;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return err_usage("-n: \"%s\" is not the name of a network namespace",
				 err_safe(name));
	path = strchr(name, '/') ? xstrdup(name) :
	       xasprintf("/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		rc = err_refused("network namespace \"%s\": %s", err_safe(name),
				 errno == ENOENT ? "there is no such; see ip netns" :
				 strerror(errno));
	else if (setns(fd, CLONE_NEWNET))
		rc = err_refused("network namespace \"%s\": %s", err_safe(name),
				 errno == EINVAL ? "that file is none" :
				 strerror(errno));
	if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}

/* The command that a word means: itself, or a beginning that no other one has. */
static const struct cmd *find(const char *word)
{
	const char *words[N_COMMANDS + 1] = { NULL };
	int i;

	if (!strcmp(word, hidden.word))
		return &hidden;
	for (size_t k = 0; k < N_COMMANDS; k++)
		words[k] = commands[k].word;
	i = args_verb(NULL, words, word);
	return i < 0 ? NULL : &commands[i];
}

static int run(const char *netns, int argc, char **argv)
{
	static char *bare[] = { (char *)"show", NULL };
	const struct cmd *c;
	int rc;

	if (!argc) {
		argc = 1;
		argv = bare;
	}
	c = find(argv[0]);
	if (!c)
		return EXIT_USAGE;
	/* messages have the whole word */
	argv[0] = (char *)c->word;
	rc = netns ? cmd_netns(netns) : EXIT_DONE;
	return rc ? rc : c->run(argc, argv);
}

const char *cmd_netns_word(char *const *words, int *taken)
{
	const char *w = words[0];

	*taken = 1;
	if (!strncmp(w, "--netns=", 8))
		return w + 8;
	if (strcmp(w, "-n") && strcmp(w, "--netns"))
		return strncmp(w, "-n", 2) ? NULL : w + 2 + (w[2] == '=');
	if (!words[1])
		return "";
	*taken = 2;
	return words[1];
}

int main(int argc, char **argv)
{
	const char *netns = NULL, *ns;
	int i, taken, status = 0;

	/* For the width of characters alone. */
	setlocale(LC_CTYPE, "");
	set_options(&options);
	for (i = 1; i < argc; i += taken) {
		const char *a = argv[i];

		if (cmd_is_help(a))
			return help();
		if (!strcmp(a, "-V") || !strcmp(a, "--version"))
			return cmd_help("ipmesh " VERSION "\n");
		ns = cmd_netns_word(argv + i, &taken);
		if (ns) {
			if (netns)
				return err_usage("\"%s\" is given twice; name it once", a);
			if (!*ns)
				return err_usage("\"%s\" needs the name of a network namespace", a);
			netns = options.netns = ns;
			continue;
		}
		if (a[0] != '-')
			break;
		taken = cmd_option(argv + i, &status);
		if (status)
			return status;
		if (!taken)
			return err_usage("unknown option \"%s\"; see ipmesh --help",
					 err_safe(a));
	}
	return run(netns, argc - i, argv + i);
}
