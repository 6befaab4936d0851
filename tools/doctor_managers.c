// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: programs that manage network devices leave ours alone. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conffiles.h"
#include "doctor.h"
#include "err.h"

static bool is_no(const char *value)
{
	return !strcmp(value, "0") || !strcasecmp(value, "no") ||
	       !strcasecmp(value, "false") || !strcasecmp(value, "off");
}

static bool is_there(const struct doctor *d, const char *file)
{
	char *path = doctor_path(d, file);
	bool there = !access(path, F_OK);

	free(path);
	return there;
}

/* --- NetworkManager --------------------------------------------------------------- */

struct nm {
	const char *dev;
	bool unmanaged;			/* by unmanaged-devices, as of now */
	bool match, managed_no;		/* of the section that is read */
	char section[80];
	bool by_section;
};

/* One of a list: "interface-name:ipmesh*", "type:generic", "driver:ipmesh", "*". */
static bool nm_matches(const char *spec, const char *dev)
{
	const char *v = strchr(spec, ':');

	if (!strcmp(spec, "*"))
		return true;
	if (!v)
		return !strcmp(spec, dev);
	v++;
	if (!strncmp(spec, "interface-name:", 15))
		return *v == '=' ? !strcmp(v + 1, dev) :
		       !fnmatch(*v == '~' ? v + 1 : v, dev, 0);
	if (!strncmp(spec, "driver:", 7))
		return !fnmatch(v, "ipmesh", 0);
	if (!strncmp(spec, "type:", 5))
		return !strcmp(v, "generic");
	return false;
}

static bool nm_list(const char *value, const char *dev)
{
	char *list = xstrdup(value), *at = NULL, *w;
	bool match = false, except = false;

	for (w = strtok_r(list, ";, \t", &at); w; w = strtok_r(NULL, ";, \t", &at)) {
		if (!strncmp(w, "except:", 7))
			except |= nm_matches(w + 7, dev);
		else
			match |= nm_matches(w, dev);
	}
	free(list);
	return match && !except;
}

static void nm_line(void *data, const char *section, const char *key,
		    const char *value)
{
	struct nm *nm = data;

	if (!strcmp(section, "keyfile")) {
		if (!strcmp(key, "unmanaged-devices"))
			nm->unmanaged = nm_list(value, nm->dev);
		else if (!strcmp(key, "unmanaged-devices+"))
			nm->unmanaged |= nm_list(value, nm->dev);
		return;
	}
	if (strncmp(section, "device", 6))
		return;
	if (strcmp(section, nm->section)) {
		snprintf(nm->section, sizeof(nm->section), "%s", section);
		nm->match = nm->managed_no = false;
	}
	if (!strcmp(key, "match-device"))
		nm->match = nm_list(value, nm->dev);
	else if (!strcmp(key, "managed"))
		nm->managed_no = is_no(value);
	nm->by_section |= nm->match && nm->managed_no;
}

static void read_folder(const struct doctor *d, const char *folder, struct nm *nm)
{
	const char *const folders[] = { folder, NULL };
	struct conffiles c;

	conffiles_find(&c, d->root, folders, ".conf");
	for (size_t i = 0; i < c.n; i++)
		conffile_read(c.path[i], nm_line, nm);
	conffiles_free(&c);
}

static void network_manager(struct doctor *d, const char *dev, bool runs)
{
	struct nm nm = { .dev = dev };
	char *path, *text;
	struct finding *f;

	if (!runs && !is_there(d, "/usr/sbin/NetworkManager"))
		return;
	/* In the order of NetworkManager.conf(5). */
	read_folder(d, "/usr/lib/NetworkManager/conf.d", &nm);
	read_folder(d, "/run/NetworkManager/conf.d", &nm);
	path = doctor_path(d, "/etc/NetworkManager/NetworkManager.conf");
	conffile_read(path, nm_line, &nm);
	free(path);
	read_folder(d, "/etc/NetworkManager/conf.d", &nm);
	if (nm.unmanaged || nm.by_section)
		return;
	f = doctor_find(d, SEVERITY_WARNING, "networkmanager",
			"it takes the device up as its own, and may take addresses and routes away",
			"NetworkManager is %s and not told to leave %s alone",
			runs ? "running" : "installed", dev);
	path = doctor_path(d, "/etc/NetworkManager/conf.d/99-ipmesh.conf");
	text = xasprintf("[keyfile]\nunmanaged-devices+=interface-name:%s\n", dev);
	finding_append(f, path, text);
	free(text);
	free(path);
	if (runs)
		finding_mend(f, "nmcli general reload conf");
}

/* --- systemd-networkd --------------------------------------------------------------- */

struct networkd {
	const char *dev;
	bool any, matches;		/* [Match] has something; all of it is so */
	bool unmanaged;
};

static bool name_matches(const char *value, const char *dev)
{
	char *list = xstrdup(value), *at = NULL, *w;
	bool invert = *value == '!', match = false;

	for (w = strtok_r(list + invert, " \t", &at); w; w = strtok_r(NULL, " \t", &at))
		match |= !fnmatch(w, dev, 0);
	free(list);
	return match != invert;
}

static void networkd_line(void *data, const char *section, const char *key,
			  const char *value)
{
	struct networkd *n = data;

	if (!strcmp(section, "Link") && !strcmp(key, "Unmanaged"))
		n->unmanaged = !is_no(value);
	if (strcmp(section, "Match"))
		return;
	n->any = true;
	if (!strcmp(key, "Name"))
		n->matches &= name_matches(value, n->dev);
	else if (!strcmp(key, "Kind") || !strcmp(key, "Driver"))
		n->matches &= name_matches(value, "ipmesh");
	else if (!strcmp(key, "Type"))
		n->matches &= name_matches(value, "tunnel");
	else
		/* Such as a MAC address, which it has not. */
		n->matches = false;
}

static void networkd(struct doctor *d, const char *dev, bool runs)
{
	static const char *const folders[] = {
		"/etc/systemd/network", "/run/systemd/network",
		"/usr/local/lib/systemd/network", "/usr/lib/systemd/network",
		"/lib/systemd/network", NULL,
	};
	struct networkd n = { 0 };
	char *path, *file, *text;
	struct finding *f;
	struct conffiles c;
	size_t i;

	if (!runs && !is_there(d, "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"))
		return;
	/* The first that matches is the one. */
	conffiles_find(&c, d->root, folders, ".network");
	for (i = 0; i < c.n; i++) {
		n = (struct networkd){ .dev = dev, .matches = true };
		if (conffile_read(c.path[i], networkd_line, &n) && n.any && n.matches)
			break;
	}
	if (i < c.n && !n.unmanaged) {
		f = doctor_find(d, SEVERITY_PROBLEM, "networkd",
				"it takes addresses, routes and nexthops away that its file does not name",
				"systemd-networkd manages %s, by %s", dev, c.path[i]);
	} else if (i == c.n) {
		f = doctor_find(d, SEVERITY_WARNING, "networkd",
				"a file for all devices, as many have, makes it take addresses and routes away",
				"systemd-networkd is %s and not told to leave %s alone",
				runs ? "running" : "enabled", dev);
	} else {
		conffiles_free(&c);
		return;
	}
	path = doctor_path(d, "/etc/systemd/network");
	file = xasprintf("%s/00-%s.network", path, dev);
	text = xasprintf("[Match]\nName=%s\n\n[Link]\nUnmanaged=yes\n", dev);
	finding_write(f, file, text);
	free(text);
	free(file);
	free(path);
	if (runs)
		finding_mend(f, "networkctl reload");
	conffiles_free(&c);
}

void doctor_managers(struct doctor *d)
{
	bool nm = doctor_runs("NetworkManager"), nd = doctor_runs("systemd-networkd");

	for (size_t i = 0; i < d->n_mesh; i++) {
		const char *dev = d->mesh[i].exists ? d->mesh[i].link.name : "ipmesh0";

		network_manager(d, dev, nm);
		networkd(d, dev, nd);
	}
}
