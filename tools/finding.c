// SPDX-License-Identifier: GPL-2.0-or-later
/* What ipmesh doctor finds: how checks say it. */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "doctor.h"
#include "err.h"

static char * PRINTF(1, 0) format(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		return xstrdup("");
	return s;
}

struct finding *doctor_find(struct doctor *d, enum severity severity,
			    const char *check, const char *why,
			    const char *what, ...)
{
	struct finding *f;
	va_list ap;

	d->v = xgrow(d->v, d->n, &d->cap, sizeof(*d->v));
	f = &d->v[d->n++];
	*f = (struct finding){
		.severity = severity, .check = check, .why = why,
	};
	va_start(ap, what);
	f->what = format(what, ap);
	va_end(ap);
	return f;
}

static void add_command(struct finding *f, char *line)
{
	f->commands = xgrow(f->commands, f->n_commands, &f->cap_commands,
			    sizeof(*f->commands));
	f->commands[f->n_commands++] = (struct mend){ .line = line };
}

/* A text as printf takes it in the words of a shell. */
static char *printf_words(const char *text)
{
	char *to = xmalloc(2 * strlen(text) + 1), *out = to;

	for (; *text; text++) {
		if (*text == '\n') {
			to = stpcpy(to, "\\n");
			continue;
		}
		if (*text == '\\' || *text == '%')
			*to++ = *text;
		*to++ = *text;
	}
	*to = '\0';
	return out;
}

static void put_in_file(struct finding *f, const char *file, const char *text, bool alone)
{
	const char *slash = strrchr(file, '/');
	char *folder = xasprintf("%.*s", (int)(slash - file), file);
	char *words = printf_words(text);

	add_command(f, xasprintf("mkdir -p %s && printf %s >%s%s", shell_word(folder),
				 shell_word(words), alone ? "" : ">", shell_word(file)));
	f->commands[f->n_commands - 1].file = xstrdup(file);
	f->commands[f->n_commands - 1].text = xstrdup(text);
	f->commands[f->n_commands - 1].alone = alone;
	free(words);
	free(folder);
}

void finding_append(struct finding *f, const char *file, const char *text)
{
	put_in_file(f, file, text, false);
}

void finding_write(struct finding *f, const char *file, const char *text)
{
	put_in_file(f, file, text, true);
}

/* The command with the namespace that it is for; to be freed. */
static char *in_namespace(char *command)
{
	const char *ns = options.netns;
	char *whole;

	if (!ns)
		return command;
	whole = xasprintf("%s%s %s", strchr(ns, '/') ? "nsenter --net=" : "ip netns exec ",
			  shell_word(ns), command);
	free(command);
	return whole;
}

void finding_mend(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_command(f, format(fmt, ap));
	va_end(ap);
}

void finding_mend_net(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_command(f, in_namespace(format(fmt, ap)));
	va_end(ap);
}

void finding_undo(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	f->commands[f->n_commands - 1].undo = format(fmt, ap);
	va_end(ap);
}

void finding_undo_net(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	f->commands[f->n_commands - 1].undo = in_namespace(format(fmt, ap));
	va_end(ap);
}

void finding_by_hand(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	free(f->by_hand);
	va_start(ap, fmt);
	f->by_hand = format(fmt, ap);
	va_end(ap);
}

void finding_clear(struct finding *f)
{
	for (size_t k = 0; k < f->n_commands; k++) {
		free(f->commands[k].line);
		free(f->commands[k].undo);
		free(f->commands[k].file);
		free(f->commands[k].text);
		free(f->commands[k].had);
	}
	free(f->commands);
	free(f->what);
	free(f->by_hand);
	*f = (struct finding){ 0 };
}

const char *shell_word(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,";
	static char *bufs[8];
	static unsigned int turn;
	char **buf = &bufs[turn++ % 8], *to;

	free(*buf);
	if (*s && strspn(s, plain) == strlen(s)) {
		*buf = xstrdup(s);
		return *buf;
	}
	/* A quote is closed, escaped and opened again. */
	*buf = to = xmalloc(strlen(s) * 4 + 3);
	*to++ = '\'';
	for (; *s; s++) {
		if (*s == '\'')
			to = stpcpy(to, "'\\''");
		else
			*to++ = *s;
	}
	strcpy(to, "'");
	return *buf;
}

static const char *type_word(uint8_t type)
{
	switch (type) {
	case RTN_BLACKHOLE: return "blackhole ";
	case RTN_UNREACHABLE: return "unreachable ";
	case RTN_PROHIBIT: return "prohibit ";
	case RTN_THROW: return "throw ";
	}
	return "";
}

/* "ip route VERB" and what names the route and its nexthop. */
static char *route_command(const char *verb, const struct rtroute *r)
{
	bool v6 = r->dst.addr.family == AF_INET6;
	char *buf = NULL;
	size_t len;
	FILE *f = open_memstream(&buf, &len);

	if (!f)
		return xstrdup("");
	fprintf(f, "ip%s route %s %s%s", v6 ? " -6" : "", verb,
		type_word(r->type), r->dst.len ? prefix_str(&r->dst) : "default");
	/* With a nexthop object the kernel keeps the metrics of a route that it
	 * replaces: there the nexthop is written out.
	 */
	if (r->nhid && (!strcmp(verb, "del") || !r->oif)) {
		fprintf(f, " nhid %u", r->nhid);
	} else if (!r->multipath) {
		if (r->gw.family)
			fprintf(f, " via %s%s", r->gw.family == AF_INET6 && !v6 ?
				"inet6 " : "", addr_str(&r->gw));
		if (r->oif && r->type == RTN_UNICAST)
			fprintf(f, " dev %s", shell_word(rtlink_name(r->oif)));
		if (r->onlink && strcmp(verb, "del"))
			fprintf(f, " onlink");
	}
	fprintf(f, " proto %u", r->proto);
	if (r->tos)
		fprintf(f, " tos 0x%x", r->tos);
	if (r->metric)
		fprintf(f, " metric %u", r->metric);
	if (r->src.family && strcmp(verb, "del"))
		fprintf(f, " src %s", addr_str(&r->src));
	fclose(f);
	return buf;
}

const char *route_del_command(const struct rtroute *r)
{
	static char *buf;

	free(buf);
	buf = route_command("del", r);
	return buf;
}

const char *route_no_mtu_command(const struct rtroute *r)
{
	static char *buf;

	free(buf);
	buf = route_command("replace", r);
	return buf;
}

const struct rtlink *doctor_link(const struct doctor *d, uint32_t ifindex)
{
	for (size_t i = 0; i < d->links.n; i++)
		if (d->links.v[i].ifindex == ifindex)
			return &d->links.v[i];
	return NULL;
}

bool doctor_runs(const char *program)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;
	bool found = false;
	char path[64], comm[32];
	FILE *f;

	while (proc && !found && (e = readdir(proc))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f)) {
			comm[strcspn(comm, "\n")] = '\0';
			found = !strncmp(comm, program, 15) &&
				strlen(comm) == strnlen(program, 15);
		}
		fclose(f);
	}
	if (proc)
		closedir(proc);
	return found;
}

char *doctor_path(const struct doctor *d, const char *path)
{
	return xasprintf("%s%s", d->root, path);
}
