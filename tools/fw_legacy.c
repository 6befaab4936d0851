// SPDX-License-Identifier: GPL-2.0-or-later
/* A packet's way through the tables of iptables-legacy, as the kernel has them. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#include "err.h"
#include "fw.h"

#define DEPTH_MAX	16
/* Of the kernel's, which its header for programs has not. */
#define CT_NEW		(1U << (2 + 1))		/* XT_CONNTRACK_STATE_BIT(IP_CT_NEW) */
#define CT_UNTRACKED	(1U << (5 + 3))		/* XT_CONNTRACK_STATE_UNTRACKED */
#define STATE_UNTRACKED	(1U << (5 + 1))		/* XT_STATE_UNTRACKED */

struct table {
	struct ipt_getinfo info;
	struct ipt_get_entries *entries;
};

struct fw_legacy {
	struct table v[4];
	size_t n;
};

enum tri { NO, YES, UNKNOWN };

static bool read_table(int fd, const char *name, struct table *t)
{
	socklen_t len = sizeof(t->info);

	memset(t, 0, sizeof(*t));
	snprintf(t->info.name, sizeof(t->info.name), "%s", name);
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &t->info, &len))
		return false;
	len = (socklen_t)(sizeof(*t->entries) + t->info.size);
	t->entries = xcalloc(1, len);
	snprintf(t->entries->name, sizeof(t->entries->name), "%s", name);
	t->entries->size = t->info.size;
	if (!getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, t->entries, &len))
		return true;
	free(t->entries);
	return false;
}

struct fw_legacy *fw_legacy_read(void)
{
	/* To ask for a table that is not there would make it. */
	FILE *f = fopen("/proc/net/ip_tables_names", "re");
	struct fw_legacy *l = xcalloc(1, sizeof(*l));
	char name[XT_TABLE_MAXNAMELEN];
	int fd = -1;

	if (f)
		fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	while (fd >= 0 && fscanf(f, "%31s", name) == 1)
		if (strcmp(name, "nat") && l->n < sizeof(l->v) / sizeof(l->v[0]) &&
		    read_table(fd, name, &l->v[l->n]))
			l->n++;
	if (fd >= 0)
		close(fd);
	if (f)
		fclose(f);
	return l;
}

void fw_legacy_free(struct fw_legacy *l)
{
	for (size_t i = 0; l && i < l->n; i++)
		free(l->v[i].entries);
	free(l);
}

/* --- rules --------------------------------------------------------------------- */

static bool dev_matches(const char *dev, const char *name, const unsigned char *mask)
{
	char buf[IFNAMSIZ] = "";

	snprintf(buf, sizeof(buf), "%s", dev ? dev : "");
	for (size_t i = 0; i < IFNAMSIZ; i++)
		if ((buf[i] ^ name[i]) & mask[i])
			return false;
	return true;
}

static bool head_matches(const struct ipt_ip *ip, const struct fw_packet *p)
{
	uint32_t s, d;

	memcpy(&s, p->saddr.b, sizeof(s));
	memcpy(&d, p->daddr.b, sizeof(d));
	return ((s & ip->smsk.s_addr) == ip->src.s_addr) != !!(ip->invflags & IPT_INV_SRCIP) &&
	       ((d & ip->dmsk.s_addr) == ip->dst.s_addr) != !!(ip->invflags & IPT_INV_DSTIP) &&
	       dev_matches(p->in ? p->dev : NULL, ip->iniface, ip->iniface_mask) !=
	       !!(ip->invflags & IPT_INV_VIA_IN) &&
	       dev_matches(p->in ? NULL : p->dev, ip->outiface, ip->outiface_mask) !=
	       !!(ip->invflags & IPT_INV_VIA_OUT) &&
	       (!ip->proto || (ip->proto == p->proto) != !!(ip->invflags & IPT_INV_PROTO)) &&
	       !(ip->flags & IPT_F_FRAG);
}

static enum tri conntrack(const struct xt_entry_match *m, const struct fw_packet *p)
{
	const struct xt_conntrack_mtinfo3 *i = (const void *)m->data;
	/* Revisions before 2 have a smaller mask. The alias is how iptables prints it. */
	if (m->u.user.revision < 2 ||
	    (i->match_flags & ~XT_CONNTRACK_STATE_ALIAS) != XT_CONNTRACK_STATE)
		return UNKNOWN;
	return !!(i->state_mask & (p->untracked ? CT_UNTRACKED : CT_NEW)) !=
	       !!(i->invert_flags & XT_CONNTRACK_STATE);
}

static enum tri match(const struct xt_entry_match *m, const struct fw_packet *p)
{
	const char *name = m->u.user.name;

	if (!strcmp(name, "comment"))
		return YES;
	if (!strcmp(name, "udp")) {
		const struct xt_udp *u = (const void *)m->data;

		if (u->spts[0] || u->spts[1] != 0xffff)
			return UNKNOWN;
		return (p->dport >= u->dpts[0] && p->dport <= u->dpts[1]) !=
		       !!(u->invflags & XT_UDP_INV_DSTPT);
	}
	if (!strcmp(name, "conntrack"))
		return conntrack(m, p);
	if (!strcmp(name, "state"))
		return !!(((const struct xt_state_info *)(const void *)m->data)->statemask &
			  (p->untracked ? STATE_UNTRACKED : CT_NEW));
	return UNKNOWN;
}

static enum tri matches(const struct ipt_entry *e, const struct fw_packet *p)
{
	const struct xt_entry_match *m;
	enum tri t = YES, one;

	if (!head_matches(&e->ip, p))
		return NO;
	for (unsigned int off = sizeof(*e); off + sizeof(*m) <= e->target_offset;
	     off += m->u.match_size) {
		m = (const void *)((const char *)e + off);
		one = match(m, p);
		if (one == NO || !m->u.match_size)
			return NO;
		if (one == UNKNOWN)
			t = UNKNOWN;
	}
	return t;
}

enum end { END_RETURN, END_ACCEPT, END_DROP };

/* From this offset to where it returns. */
static enum end run(const struct table *t, unsigned int off, const struct fw_packet *p,
		    bool *unsure, unsigned int depth)
{
	const struct xt_standard_target *target;
	const struct ipt_entry *e;
	enum end end;
	enum tri m;
	int v;

	for (; depth && off + sizeof(*e) <= t->entries->size; off += e->next_offset) {
		e = (const void *)((const char *)t->entries->entrytable + off);
		if (!e->next_offset)
			break;
		m = matches(e, p);
		if (m == NO)
			continue;
		target = (const void *)((const char *)e + e->target_offset);
		if (!strcmp(target->target.u.user.name, "REJECT")) {
			if (m == YES)
				return END_DROP;
			continue;
		}
		if (!strcmp(target->target.u.user.name, XT_ERROR_TARGET))
			return END_RETURN;
		if (*target->target.u.user.name)
			continue;
		v = target->verdict;
		if (v == XT_RETURN) {
			if (m == YES)
				return END_RETURN;
			continue;
		}
		if (v >= 0) {
			end = run(t, (unsigned int)v, p, unsure, depth - 1);
			if (m == YES && (end != END_RETURN || e->ip.flags & IPT_F_GOTO))
				return end;
			*unsure |= m == UNKNOWN && end == END_ACCEPT;
			continue;
		}
		if (m == YES)
			return v == -NF_DROP - 1 ? END_DROP : END_ACCEPT;
		*unsure |= v != -NF_DROP - 1;
	}
	return END_RETURN;
}

enum fw_verdict fw_legacy_judge(const struct fw_legacy *l,
				const struct fw_packet *p, struct fw_where *where)
{
	static const struct {
		unsigned int hook;
		const char *chain;
		bool in;
	} hooks[] = {
		{ NF_INET_PRE_ROUTING, "PREROUTING", true },
		{ NF_INET_LOCAL_IN, "INPUT", true },
		{ NF_INET_LOCAL_OUT, "OUTPUT", false },
		{ NF_INET_POST_ROUTING, "POSTROUTING", false },
	};
	enum fw_verdict worst = FW_PASS, v;
	const struct table *t;
	bool unsure;

	for (size_t i = 0; i < l->n && p->saddr.family == AF_INET; i++) {
		t = &l->v[i];
		for (size_t h = 0; h < sizeof(hooks) / sizeof(hooks[0]); h++) {
			if (hooks[h].in != p->in ||
			    !(t->info.valid_hooks & (1U << hooks[h].hook)))
				continue;
			unsure = false;
			/* The policy is the last rule of a base chain. */
			if (run(t, t->info.hook_entry[hooks[h].hook], p, &unsure,
				DEPTH_MAX) != END_DROP)
				continue;
			v = unsure ? FW_MAYBE : FW_DROP;
			if (v <= worst)
				continue;
			worst = v;
			*where = (struct fw_where){ NULL, t->info.name, hooks[h].chain };
		}
	}
	return worst;
}
