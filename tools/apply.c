// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh apply: makes the kernel's state that of documents. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "args.h"
#include "cmd.h"
#include "diff.h"
#include "err.h"
#include "number.h"
#include "want_routes.h"
#include "watch.h"

static const char usage[] =
	"Usage: ipmesh apply -f FILE|DIR|-… [--node NAME] [--dev DEV] [--node-mask N]\n"
	"                    [--routes peer|pool|none] [--take-over] [--strict-documents]\n"
	"                    [--dry-run]\n"
	"       ipmesh apply --remove [--dev DEV] [--dry-run]\n"
	"       ipmesh apply --watch [--settle SECONDS] -f - [-f FILE|DIR]… [--node NAME] …\n"
	"\n"
	"Makes device, peers, nexthops, routes and address translation of this host what\n"
	"the documents say, and changes nothing else. Documents, as YAML or JSON:\n"
	"\n"
	"  ipmesh/v1             Device: see ipmesh.yaml(5)\n"
	"  projectcalico.org/v3  Node, IPPool (calicoctl get node|ippool -o yaml|json),\n"
	"                        BlockAffinity, IPAMBlock\n"
	"  v1                    Node (kubectl get nodes -o json|yaml)\n"
	"  operator.tigera.io    Installation;  cilium.io: CiliumNode\n"
	"  and lists of them; crd.projectcalico.org/v1 too\n"
	"\n"
	"  -f FILE          a file, a directory of *.yaml, *.yml and *.json, or - for\n"
	"                   standard input; may be given several times\n"
	"  --node NAME      which node this host is (default: the host's name)\n"
	"  --dev DEV        the device (default: as a Device says, or ipmesh0)\n"
	"  --node-mask N    length of a node's pod CIDR where no document has it and the\n"
	"                   tunnel address is its first host (default: 24)\n"
	"  --routes FORM    peer (default): a nexthop for each peer and a route for each\n"
	"                   CIDR; pool: one route for each pool, the device finds the peer;\n"
	"                   none: a routing daemon writes them, and each peer remembers that.\n"
	"                   Without it, as a Device document says, or as the peers remember it\n"
	"  --take-over      put routes in the place of those of a routing daemon, or of\n"
	"                   anybody else, that lead to the same nodes; without it they are\n"
	"                   told, all at once, and nothing is changed\n"
	"  --strict-documents\n"
	"                   refuse all when a node is not ready for pods, instead of leaving\n"
	"                   that one out with a warning\n"
	"  --dry-run        print the changes, do none\n"
	"  --remove         take away the device and all that apply made for it\n"
	"  --watch          go on: standard input is a stream of watch events, as from\n"
	"                   kubectl get nodes --watch --output-watch-events -o json;\n"
	"                   what somebody else changes in the kernel is put back\n"
	"  --settle SECONDS how long after the last new name of a list what it has not\n"
	"                   named is removed (default: 30)\n"
	"  -j               JSON: {\"changes\": [{\"op\", \"object\", …}], \"dry_run\"}\n"
	"\n"
	"What is added comes first, what is replaced is replaced in one step, and what\n"
	"goes is removed last. A second run changes nothing.\n";

struct request {
	const char **files;
	size_t n_files, cap_files;
	struct want_options want;
	uint32_t settle;
	bool dry;
	bool remove;
	bool watch;
	bool help;
};

static int read_number(const char *word, const char *value, unsigned long min,
		       unsigned long max, const char *wanted, unsigned int *to)
{
	uint64_t n;

	if (!number_read(value, min, max, &n))
		return err_value(word, value, wanted);
	*to = (unsigned int)n;
	return 0;
}

/* The stream comes on standard input, and nothing else does. */
static int check_watch(const struct request *r, const char *settle, bool in)
{
	if (!r->watch)
		return settle ? err_usage("apply: --settle goes with --watch") : 0;
	if (r->dry)
		return err_usage("apply: --watch does what it finds: leave --dry-run out");
	if (!in)
		return err_missing("apply --watch", "-f -, the stream,");
	return 0;
}

/* Values that are looked at when all words are there. */
struct values {
	const char *mask, *form, *settle;
};

/* What the words come to together. */
static int check(struct request *r, const struct values *v)
{
	const char *wrong;
	bool in = false;

	if (r->remove && (r->n_files || r->want.node || v->mask || v->form ||
			  r->watch || v->settle || r->want.strict || r->want.take_over))
		return err_usage("apply: --remove needs no documents: beside it only --dev and --dry-run have a meaning");
	if (!r->n_files && !r->remove)
		return err_missing("apply", "-f FILE");
	for (size_t i = 0; i < r->n_files; i++) {
		if (strcmp(r->files[i], "-"))
			continue;
		if (in)
			return err_twice("apply", "-f -");
		in = true;
	}
	if (v->mask && read_number("--node-mask", v->mask, 8, 30,
				   "a prefix length from 8 to 30", &r->want.node_mask))
		return EXIT_USAGE;
	if (v->settle && read_number("--settle", v->settle, 1, 86400,
				     "a number of seconds from 1 to 86400", &r->settle))
		return EXIT_USAGE;
	if (check_watch(r, v->settle, in))
		return EXIT_USAGE;
	if (v->form && !route_form_read(v->form, &r->want.routes))
		return err_value("--routes", v->form, "peer, pool or none");
	wrong = r->want.dev ? rtlink_check_name(r->want.dev) : NULL;
	return wrong ? err_usage("apply: --dev: %s", wrong) : 0;
}

static int parse(struct request *r, char **argv)
{
	struct args a = { .cmd = "apply", .at = argv + 1 };
	struct values v = { 0 };
	const char *value, *w;

	while (*a.at && !a.status && !a.help) {
		if (args_flag(&a, NULL, "--dry-run", &r->dry) ||
		    args_flag(&a, NULL, "--remove", &r->remove) ||
		    args_flag(&a, NULL, "--watch", &r->watch) ||
		    args_flag(&a, NULL, "--strict-documents", &r->want.strict) ||
		    args_flag(&a, NULL, "--take-over", &r->want.take_over) ||
		    args_option_once(&a, NULL, "--node", &r->want.node) ||
		    args_option_once(&a, NULL, "--dev", &r->want.dev) ||
		    args_option_once(&a, NULL, "--node-mask", &v.mask) ||
		    args_option_once(&a, NULL, "--routes", &v.form) ||
		    args_option_once(&a, NULL, "--settle", &v.settle))
			continue;
		if (args_option(&a, "-f", "--filename", &value)) {
			r->files = xgrow(r->files, r->n_files, &r->cap_files,
					 sizeof(*r->files));
			r->files[r->n_files++] = value;
			continue;
		}
		w = args_word(&a);
		if (w && !strcmp(w, "help") && !r->n_files)
			a.help = true;
		else if (w)
			a.status = err_unknown("apply", w);
	}
	r->help = a.help;
	return a.status || a.help ? a.status : check(r, &v);
}

void apply_advise(const struct want *w, const struct have *h)
{
	static const char *const sysctl[FAMILIES] = {
		"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding",
	};
	bool pods[FAMILIES] = { false };

	for (size_t i = 0; i < w->n_routes; i++)
		pods[family_index(&w->routes[i].dst.addr)] = true;
	pods[0] |= !pods[1];
	for (int f = 0; f < FAMILIES; f++)
		if (pods[f] && !h->forwarding[f])
			warn("this host does not forward%s: run: sysctl -w %s=1",
			     f ? " IPv6" : "", sysctl[f]);
	if (!addr_is_any(&w->attrs.local) && !have_address(h, &w->attrs.local))
		warn("%s is not an address of this host%s%s: nothing will reach it",
		     addr_str(&w->attrs.local), w->node ? ", as it is of node " : "",
		     w->node ? err_safe(w->node) : "");
}

static bool stays(const void *data, const char *peer)
{
	return want_left_out(data, peer);
}

static void settle_local(struct want *w, const struct have *h)
{
	const struct addr *a;

	if (!w->self || have_address(h, &w->attrs.local))
		return;
	for (size_t i = 0; i < w->self->n_addrs; i++) {
		a = &w->self->addrs[i].p.addr;
		if (a->family == w->attrs.local.family && have_address(h, a)) {
			w->attrs.local = *a;
			return;
		}
	}
}

void apply_settle(struct want *w, const struct have *h)
{
	settle_local(w, h);
	want_routes_follow(w, h);
}

static int apply(const struct request *r, struct want *w)
{
	struct nl *nl = nl_open();
	struct have h = { 0 };
	struct diff d = { 0 };
	int rc = EXIT_REFUSED;

	if (have_read(&h, nl, w->dev))
		goto out;
	if (r->remove) {
		diff_remove(&d, w, &h);
	} else {
		apply_settle(w, &h);
		if (diff_compute(&d, w, &h))
			goto out;
		apply_advise(w, &h);
		diff_keep(&d, stays, w, false);
	}
	rc = r->dry ? diff_print(&d, true) : diff_run(&d, nl);
out:
	diff_free(&d);
	have_free(&h);
	nl_close(nl);
	return rc;
}

/* All but the stream are read once. */
static int run_watch(const struct request *r)
{
	struct watch_request wr = {
		.files = xcalloc(r->n_files, sizeof(*wr.files)),
		.want = r->want, .settle = r->settle,
	};
	int rc;

	for (size_t i = 0; i < r->n_files; i++)
		if (strcmp(r->files[i], "-"))
			wr.files[wr.n_files++] = r->files[i];
	rc = watch(&wr);
	free(wr.files);
	return rc;
}

int cmd_apply(int argc, char **argv)
{
	struct request r = {
		.want.node_mask = WANT_NODE_MASK, .settle = WATCH_SETTLE,
	};
	struct doc_set docs = { 0 };
	struct cluster c = { 0 };
	struct want w = { 0 };
	int rc;

	(void)argc;
	rc = parse(&r, argv);
	if (!rc && r.help) {
		rc = cmd_help(usage);
	} else if (!rc && r.remove) {
		want_nothing(&w, &r.want);
		rc = apply(&r, &w);
	} else if (!rc && r.watch) {
		rc = run_watch(&r);
	} else if (!rc) {
		rc = EXIT_USAGE;
		for (size_t i = 0; i < r.n_files; i++)
			if (doc_load(&docs, r.files[i]))
				goto out;
		if (cluster_read(&c, &docs))
			goto out;
		c.n_lenient = r.want.strict ? 0 : c.n_nodes;
		if (!want_compute(&w, &c, &r.want))
			rc = apply(&r, &w);
	}
out:
	want_free(&w);
	cluster_free(&c);
	doc_free(&docs);
	free(r.files);
	return rc;
}
