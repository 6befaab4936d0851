// SPDX-License-Identifier: GPL-2.0-or-later
/* Neighbours, through rtnetlink. */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "err.h"
#include "rtneigh.h"

/* What never goes by itself has no part in the limits. */
static bool counts(const struct ndmsg *m)
{
	return !(m->ndm_state & NUD_PERMANENT) &&
	       !(m->ndm_flags & (NTF_EXT_LEARNED | NTF_PROXY));
}

static int on_neigh(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(nlh);
	struct rtneighs *l = data;
	size_t i;

	if (nlh->nlmsg_type != RTM_NEWNEIGH ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*m) || !counts(m))
		return 0;
	for (i = 0; i < l->n; i++)
		if (l->v[i].ifindex == (uint32_t)m->ndm_ifindex)
			break;
	if (i == l->n) {
		l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
		l->v[l->n++] = (struct rtneigh_use){ .ifindex = (uint32_t)m->ndm_ifindex };
	}
	l->v[i].n++;
	return 0;
}

static void again(void *data)
{
	struct rtneighs *l = data;

	l->n = 0;
}

int rtneigh_dump(struct nl *nl, uint8_t family, struct rtneighs *l)
{
	const struct ndmsg m = { .ndm_family = family };
	struct nl_dump d = {
		.bus = NL_RT, .type = RTM_GETNEIGH, .hdr = &m, .extra = sizeof(m),
		.each = on_neigh, .restart = again, .data = l,
	};

	return nl_dump(nl, &d);
}

void rtneighs_free(struct rtneighs *l)
{
	free(l->v);
	l->v = NULL;
	l->n = l->cap = 0;
}
