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

static void add_command(struct finding *f, char *command)
{
	f->commands = xgrow(f->commands, f->n_commands, &f->cap_commands,
			    sizeof(*f->commands));
	f->commands[f->n_commands++] = command;
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
	const char *ns = options.netns;
	char *command;
	va_list ap;

	va_start(ap, fmt);
	command = format(fmt, ap);
	va_end(ap);
	if (ns && strchr(ns, '/'))
		add_command(f, xasprintf("nsenter --net=%s %s", shell_word(ns),
					 command));
	else if (ns)
		add_command(f, xasprintf("ip netns exec %s %s", shell_word(ns),
					 command));
	else
		add_command(f, xstrdup(command));
	free(command);
}

void finding_by_hand(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	free(f->by_hand);
	va_start(ap, fmt);
	f->by_hand = format(fmt, ap);
	va_end(ap);
}

void findings_free(struct finding *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < v[i].n_commands; k++)
			free(v[i].commands[k]);
		free(v[i].commands);
		free(v[i].what);
		free(v[i].by_hand);
	}
	free(v);
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
