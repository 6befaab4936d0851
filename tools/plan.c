// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The routes and nexthop objects that go with a peer.
 *
 * On an IPv4 underlay a route has the peer's nexthop object, which names the
 * endpoint. On an IPv6 one it has the device alone, which finds the peer by its
 * CIDRs: the kernel refuses a gateway that another device has on link, as the
 * underlay has the endpoints.
 */
#include <errno.h>
#include <string.h>

#include "err.h"
#include "plan.h"

int plan_read(struct plan *p)
{
	struct rtroute_filter f = { 0 };
	int e = rtroute_dump(p->nl, &f, &p->routes);

	if (!e)
		e = rtnexthop_dump(p->nl, 0, &p->nexthops);
	if (e)
		return err_refused("cannot read routes: %s", nl_error(p->nl, e));
	nexthop_ids_init(&p->ids, &p->nexthops);

	/* With net.ipv4.nexthop_compat_mode off a route only names an id. */
	for (size_t i = 0; i < p->routes.n; i++) {
		struct rtroute *r = &p->routes.v[i];
		const struct nexthop *nh;

		nh = r->nhid ? rtnexthop_by_id(&p->nexthops, r->nhid) : NULL;
		if (nh && !r->oif) {
			r->oif = nh->oif;
			r->gw = nh->gw;
		}
	}
	return EXIT_DONE;
}

void plan_free(struct plan *p)
{
	rtroutes_free(&p->routes);
	rtnexthops_free(&p->nexthops);
	steps_free(&p->steps);
}

bool plan_is_ours(const struct plan *p, const struct rtroute *r)
{
	return r->proto == RTPROT_IPMESH && r->oif == p->link.ifindex &&
	       r->type == RTN_UNICAST;
}

/* The nexthop's id for the endpoint, made if there is none; 0 and said when
 * there is no free id.
 */
static uint32_t nexthop_for(struct plan *p, const struct addr *endpoint,
			    uint8_t family)
{
	struct addr gw = rtnexthop_gw(endpoint, family);
	const struct nexthop *nh;
	struct step *s;

	nh = rtnexthop_by_gw(&p->nexthops, p->link.ifindex, &gw);
	if (nh)
		return nh->id;
	for (size_t i = 0; i < p->steps.n; i++)
		if (p->steps.v[i].kind == STEP_NEXTHOP_ADD &&
		    addr_eq(&p->steps.v[i].nexthop.gw, &gw))
			return p->steps.v[i].nexthop.id;
	s = steps_add(&p->steps, STEP_NEXTHOP_ADD);
	s->nexthop = (struct nexthop){
		.id = nexthop_ids_take(&p->ids), .oif = p->link.ifindex,
		.gw = gw, .proto = RTPROT_IPMESH, .onlink = true,
	};
	if (!s->nexthop.id)
		err_refused("no id is left for a nexthop object; see ip nexthop");
	return s->nexthop.id;
}

static bool by_device(const struct plan *p)
{
	return linkattr_family(&p->link.attrs) == AF_INET6;
}

static int route_one(struct plan *p, const struct addr *endpoint,
		     const struct prefix *cidr)
{
	struct rtroute want = {
		.dst = *cidr, .proto = RTPROT_IPMESH, .type = RTN_UNICAST,
	};
	const struct rtroute *have = NULL;
	struct step *s;

	for (size_t i = 0; i < p->routes.n; i++) {
		const struct rtroute *r = &p->routes.v[i];

		if (!prefix_eq(&r->dst, cidr))
			continue;
		if (!plan_is_ours(p, r))
			return err_refused("%s has a route of another owner: %s; delete it, or say noroute",
					   prefix_str(cidr), rtroute_str(r));
		have = r;
	}
	if (by_device(p)) {
		want.oif = p->link.ifindex;
		if (have && !have->nhid && !have->gw.family)
			return EXIT_DONE;
	} else {
		want.nhid = nexthop_for(p, endpoint, cidr->addr.family);
		if (!want.nhid)
			return EXIT_REFUSED;
		if (have && have->nhid == want.nhid)
			return EXIT_DONE;
	}
	s = steps_add(&p->steps, have ? STEP_ROUTE_REPLACE : STEP_ROUTE_ADD);
	if (have) {
		want.metric = have->metric;
		want.mtu = have->mtu;
		s->old_route = *have;
	}
	s->route = want;
	return EXIT_DONE;
}

int plan_route(struct plan *p, const struct addr *endpoint,
	       const struct prefix *cidrs, size_t n)
{
	if (n && !(p->link.flags & IFF_UP))
		return err_refused("%s is down, and routes need it up: ipmesh link set %s up (or say noroute)",
				   p->link.name, p->link.name);
	for (size_t i = 0; i < n; i++) {
		int rc = route_one(p, endpoint, &cidrs[i]);

		if (rc)
			return rc;
	}
	return EXIT_DONE;
}

static bool among(const struct prefix *cidrs, size_t n, const struct prefix *c)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_eq(&cidrs[i], c))
			return true;
	return false;
}

static bool leads_to(const struct rtroute *r, const struct addr *endpoint)
{
	struct addr gw = addr_unmapped(&r->gw);

	return addr_eq(&gw, endpoint);
}

void plan_unroute(struct plan *p, const struct addr *endpoint,
		  const struct prefix *cidrs, size_t n, bool all)
{
	for (size_t i = 0; i < p->routes.n; i++) {
		const struct rtroute *r = &p->routes.v[i];

		if (!plan_is_ours(p, r) ||
		    (r->gw.family && !leads_to(r, endpoint)) ||
		    (!(all && r->gw.family) && !among(cidrs, n, &r->dst)))
			continue;
		steps_add(&p->steps, STEP_ROUTE_DEL)->route = *r;
	}
}

bool plan_has_route(const struct plan *p, const struct addr *endpoint,
		    const struct prefix *cidrs, size_t n)
{
	for (size_t i = 0; i < p->routes.n; i++) {
		const struct rtroute *r = &p->routes.v[i];

		if (plan_is_ours(p, r) && among(cidrs, n, &r->dst) &&
		    (!endpoint || !r->gw.family || leads_to(r, endpoint)))
			return true;
	}
	return false;
}

/* Does a route use the nexthop when all steps are done? */
static bool in_use(const struct plan *p, uint32_t id)
{
	long users = 0;

	for (size_t i = 0; i < p->routes.n; i++)
		users += p->routes.v[i].nhid == id;
	for (size_t i = 0; i < p->steps.n; i++) {
		const struct step *s = &p->steps.v[i];

		if (s->kind == STEP_ROUTE_DEL)
			users -= s->route.nhid == id;
		if (s->kind == STEP_ROUTE_REPLACE)
			users -= s->old_route.nhid == id;
		if (s->kind == STEP_ROUTE_REPLACE || s->kind == STEP_ROUTE_ADD)
			users += s->route.nhid == id;
	}
	return users > 0;
}

void plan_tidy(struct plan *p, const struct addr *endpoint)
{
	for (size_t i = 0; i < p->nexthops.n; i++) {
		const struct nexthop *nh = &p->nexthops.v[i];
		struct addr gw = addr_unmapped(&nh->gw);

		if (nh->oif == p->link.ifindex && nh->proto == RTPROT_IPMESH &&
		    addr_eq(&gw, endpoint) && !in_use(p, nh->id))
			steps_add(&p->steps, STEP_NEXTHOP_DEL)->nexthop = *nh;
	}
}
