// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh doctor: what flannel, and Calico with tunl0, leave behind. */
#include <errno.h>
#include <glob.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "err.h"

/* --- flannel -------------------------------------------------------------------- */

/* Static entries of one device: fdb (AF_BRIDGE) or neighbours. */
struct entries {
	uint32_t ifindex;
	size_t n;
	char first[80];
};

static int on_entry(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[NDA_LLADDR + 1];
	struct entries *e = data;
	const uint8_t *mac;
	struct addr dst;

	if (nlh->nlmsg_type != RTM_NEWNEIGH ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*m) ||
	    (uint32_t)m->ndm_ifindex != e->ifindex ||
	    !(m->ndm_state & (NUD_PERMANENT | NUD_NOARP)))
		return 0;
	nl_parse(nlh, sizeof(*m), tb, NDA_LLADDR);
	if (!nl_addr(&dst, tb[NDA_DST]) || !tb[NDA_LLADDR] ||
	    mnl_attr_get_payload_len(tb[NDA_LLADDR]) != 6 || !addr_is_unicast(&dst))
		return 0;
	mac = mnl_attr_get_payload(tb[NDA_LLADDR]);
	if (!e->n++)
		snprintf(e->first, sizeof(e->first), "%02x:%02x:%02x:%02x:%02x:%02x dst %s",
			 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], addr_str(&dst));
	return 0;
}

static void again(void *data)
{
	struct entries *e = data;

	e->n = 0;
}

static void read_entries(struct doctor *d, uint8_t family, struct entries *e)
{
	struct ndmsg hdr = { .ndm_family = family };
	struct nl_dump dump = {
		.bus = NL_RT, .type = RTM_GETNEIGH, .hdr = &hdr, .extra = sizeof(hdr),
		.each = on_entry, .restart = again, .data = e,
	};

	nl_dump(d->nl, &dump);
}

static const char flannel_why[] =
	"it takes the packets for pods, and the routes that ipmesh is to write";

/* It is not ours to take away, and pods may hang on it. */
static void delete_link(struct finding *f, const struct rtlink *l, bool alive)
{
	if (alive)
		finding_by_hand(f, "flanneld is running and would make it again; stop that first (kubectl delete -f what installed it), then: ip link delete %s",
				shell_word(l->name));
	else
		finding_by_hand(f, "when no pod of this host needs it any more: ip link delete %s",
				shell_word(l->name));
}

static void flannel_device(struct doctor *d, const struct rtlink *l, bool alive)
{
	struct entries fdb = { .ifindex = l->ifindex }, neigh = fdb;
	const struct rtroutes *routes = &d->mesh[0].routes;
	const struct rtroute *first = NULL;
	struct finding *f;
	size_t n = 0;

	read_entries(d, AF_BRIDGE, &fdb);
	if (fdb.n) {
		f = doctor_find(d, SEVERITY_NOTE, "flannel_fdb", flannel_why,
				"%s has %zu forwarding entr%s of flannel: %s%s", l->name,
				fdb.n, fdb.n > 1 ? "ies" : "y", fdb.first,
				fdb.n > 1 ? ", …" : "");
		delete_link(f, l, alive);
	}
	read_entries(d, AF_UNSPEC, &neigh);
	if (neigh.n) {
		f = doctor_find(d, SEVERITY_NOTE, "flannel_neigh", flannel_why,
				"%s has %zu neighbour%s of flannel: %s%s", l->name,
				neigh.n, neigh.n > 1 ? "s" : "", neigh.first,
				neigh.n > 1 ? ", …" : "");
		delete_link(f, l, alive);
	}
	for (size_t i = 0; i < routes->n; i++) {
		if (routes->v[i].oif != l->ifindex || routes->v[i].proto == RTPROT_KERNEL)
			continue;
		if (!n++)
			first = &routes->v[i];
	}
	if (n) {
		f = doctor_find(d, SEVERITY_NOTE, "flannel_routes", flannel_why,
				"%zu route%s lead%s into %s: %s%s", n, n > 1 ? "s" : "",
				n > 1 ? "" : "s", l->name, rtroute_str(first),
				n > 1 ? ", …" : "");
		delete_link(f, l, alive);
	}
	f = doctor_find(d, SEVERITY_NOTE, "flannel_device", flannel_why,
			"%s, flannel's VXLAN device, is still there", l->name);
	delete_link(f, l, alive);
}

static void flannel_bridge(struct doctor *d, const struct rtlink *l, bool alive)
{
	struct finding *f;
	size_t ports = 0;

	for (size_t i = 0; i < d->links.n; i++)
		ports += d->links.v[i].master == l->ifindex;
	f = doctor_find(d, SEVERITY_NOTE, "cni_bridge",
			"its address and its route take the packets for this node's pods",
			"%s, the bridge of flannel's pods, is still there", l->name);
	if (ports)
		finding_by_hand(f, "%zu pod%s still on it: let Calico make them anew (kubectl delete pod), then: ip link delete %s",
				ports, ports > 1 ? "s are" : " is", shell_word(l->name));
	else
		delete_link(f, l, alive);
}

/* Files that make kubelet or flannel go on as before. */
static void flannel_files(struct doctor *d, bool alive)
{
	static const char *const confs[] = {
		"/etc/cni/net.d/*flannel*.conf*", "/etc/cni/net.d/*canal*.conf*",
	};
	char *path = doctor_path(d, "/run/flannel/subnet.env");
	struct finding *f;
	glob_t g;

	if (!access(path, F_OK)) {
		f = doctor_find(d, SEVERITY_NOTE, "flannel_subnet_env",
				"flannel's CNI plug-in reads it, and gives pods addresses and an MTU by it",
				"%s, written by flanneld, is still there", path);
		if (alive)
			finding_by_hand(f, "flanneld is running and would write it again; stop that first, then: rm %s",
					shell_word(path));
		else
			finding_by_hand(f, "when no CNI plug-in of flannel is in use any more: rm %s",
					shell_word(path));
	}
	free(path);
	for (size_t i = 0; i < sizeof(confs) / sizeof(confs[0]); i++) {
		path = doctor_path(d, confs[i]);
		if (glob(path, 0, NULL, &g)) {
			free(path);
			continue;
		}
		for (size_t k = 0; k < g.gl_pathc; k++) {
			f = doctor_find(d, SEVERITY_NOTE, "flannel_cni_conf",
					"kubelet takes the first file of this folder: new pods may be flannel's",
					"%s, flannel's CNI configuration, is still there",
					g.gl_pathv[k]);
			finding_by_hand(f, "when another CNI configuration is in its place: rm %s",
					shell_word(g.gl_pathv[k]));
		}
		globfree(&g);
		free(path);
	}
}

/* --- tunl0 ---------------------------------------------------------------------- */

/* An address in this node's own block: the one that a blackhole of ours is for,
 * or one that the device has too.
 */
static bool is_ours(const struct doctor *d, const struct addr *a)
{
	for (size_t i = 0; i < d->n_mesh; i++) {
		const struct have *h = &d->mesh[i];

		if (!h->exists)
			continue;
		for (size_t k = 0; k < h->addrs.n; k++)
			if (h->addrs.v[k].ifindex == h->link.ifindex &&
			    addr_eq(&h->addrs.v[k].addr.addr, a))
				return true;
		for (size_t k = 0; k < h->routes.n; k++)
			if (h->routes.v[k].type == RTN_BLACKHOLE &&
			    h->routes.v[k].proto == RTPROT_IPMESH &&
			    prefix_contains(&h->routes.v[k].dst, a))
				return true;
	}
	return false;
}

/* The device that carries this node's pods, when there is exactly one. */
static const struct have *only_mesh(const struct doctor *d)
{
	return d->n_mesh == 1 && d->mesh[0].exists ? &d->mesh[0] : NULL;
}

static bool has_address(const struct have *h, uint8_t family)
{
	for (size_t i = 0; i < h->addrs.n; i++)
		if (h->addrs.v[i].ifindex == h->link.ifindex &&
		    h->addrs.v[i].addr.addr.family == family)
			return true;
	return false;
}

static void tunl_address(struct doctor *d, const struct rtlink *l,
			 const struct prefix *p)
{
	const struct have *h = only_mesh(d);
	bool ours = is_ours(d, &p->addr);
	bool move = h && h->peers.n && !ours && !have_peer_behind(h, &p->addr, 1) &&
		    !has_address(h, p->addr.family);
	struct finding *f;

	/* Without a device of ours it is Calico's that works. */
	if (!h && !ours)
		return;
	f = doctor_find(d, move ? SEVERITY_PROBLEM : SEVERITY_NOTE,
			"tunl_address",
			"packets of this host to pods take their source from it, and answers come to it",
			"%s (%s) holds the tunnel address %s", l->name, l->kind,
			prefix_str(p));
	if (!ours && !move) {
		finding_by_hand(f, "if it is not in use any more: ip addr del %s dev %s",
				prefix_str(p), shell_word(l->name));
		return;
	}
	if (move)
		finding_mend_net(f, "ip addr add %s dev %s", prefix_str(p),
				 shell_word(h->link.name));
	finding_by_hand(f, "%sip addr del %s dev %s; with the last address of a device the kernel takes all of its routes away",
			move ? "then, when nothing goes through it any more: " :
			"when nothing goes through it any more: ",
			prefix_str(p), shell_word(l->name));
}

static void tunl(struct doctor *d, const struct rtlink *l)
{
	const struct rtaddrs *addrs = &d->mesh[0].addrs;

	for (size_t i = 0; i < addrs->n; i++)
		if (addrs->v[i].ifindex == l->ifindex &&
		    addrs->v[i].scope != RT_SCOPE_LINK)
			tunl_address(d, l, &addrs->v[i].addr);
}

/* --- before there is a device of ours --------------------------------------------------- */

static const char *address_of(const struct doctor *d, uint32_t ifindex)
{
	const struct rtaddrs *l = &d->mesh[0].addrs;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].ifindex == ifindex && l->v[i].scope != RT_SCOPE_LINK)
			return addr_str(&l->v[i].addr.addr);
	return NULL;
}

/* What apply would refuse to write beside. */
static void routes_of(struct doctor *d, const struct rtroute *first)
{
	const struct rtroutes *l = &d->mesh[0].routes;
	const char *proto = rtroute_proto_name(first->proto), *address;
	const struct rtlink *link = doctor_link(d, first->oif);
	struct finding *f;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (!rtroute_of_daemon(&l->v[i]) || l->v[i].proto != first->proto ||
		    l->v[i].oif != first->oif)
			continue;
		/* The first one has told of all. */
		if (!n++ && &l->v[i] != first)
			return;
	}
	address = link ? address_of(d, link->ifindex) : NULL;
	f = doctor_find(d, SEVERITY_NOTE, "routes_of_others",
			"apply refuses to write its own beside them, unless it is told to take them over",
			"%s%s%s%s has %zu route%s of %s: %s%s", link ? link->name : "the host",
			address ? " (" : "", address ? address : "", address ? ")" : "",
			n, n > 1 ? "s" : "", proto, rtroute_str(first), n > 1 ? ", …" : "");
	finding_by_hand(f, "for those to pods of other nodes: ipmesh apply --take-over puts its routes in their place, without a gap; then stop %s",
			proto);
}

static void others(struct doctor *d)
{
	const struct rtroutes *l = &d->mesh[0].routes;

	for (size_t i = 0; i < l->n; i++)
		if (rtroute_of_daemon(&l->v[i]) && l->v[i].type == RTN_UNICAST)
			routes_of(d, &l->v[i]);
}

void doctor_leftovers(struct doctor *d)
{
	bool alive = doctor_runs("flanneld");

	if (!d->mesh[0].exists)
		others(d);

	for (size_t i = 0; i < d->links.n; i++) {
		const struct rtlink *l = &d->links.v[i];

		if (!strcmp(l->kind, "vxlan") && !strncmp(l->name, "flannel", 7))
			flannel_device(d, l, alive);
		else if (!strcmp(l->kind, "bridge") && !strcmp(l->name, "cni0"))
			flannel_bridge(d, l, alive);
		else if (!strcmp(l->kind, "ipip"))
			tunl(d, l);
	}
	flannel_files(d, alive);
}
