// SPDX-License-Identifier: GPL-2.0-or-later
/* ipmesh apply: makes the kernel's state that of documents. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "diff.h"
#include "err.h"

static const char usage[] =
	"Usage: ipmesh apply -f FILE|DIR|-… [--node NAME] [--dev DEV] [--node-mask N]\n"
	"                    [--routes peer|pool] [--dry-run]\n"
	"       ipmesh apply --remove [--dev DEV] [--dry-run]\n"
	"\n"
	"Makes device, peers, nexthops, routes and address translation of this host what\n"
	"the documents say, and changes nothing else. Documents, as YAML or JSON:\n"
	"\n"
	"  ipmesh/v1             Device: see ipmesh.yaml(5)\n"
	"  projectcalico.org/v3  Node, IPPool (calicoctl get node|ippool -o yaml|json),\n"
	"                        BlockAffinity, IPAMBlock\n"
	"  v1                    Node (kubectl get nodes -o json|yaml)\n"
	"  and lists of them; crd.projectcalico.org/v1 too\n"
	"\n"
	"  -f FILE          a file, a directory of *.yaml, *.yml and *.json, or - for\n"
	"                   standard input; may be given several times\n"
	"  --node NAME      which node this host is (default: the host's name)\n"
	"  --dev DEV        the device (default: as a Device says, or ipmesh0)\n"
	"  --node-mask N    length of a node's pod CIDR where no document has it and the\n"
	"                   tunnel address is its first host (default: 24)\n"
	"  --routes FORM    peer (default): a nexthop for each peer and a route for each\n"
	"                   CIDR; pool: one route for each pool, the device finds the peer\n"
	"  --dry-run        print the changes, do none\n"
	"  --remove         take away the device and all that apply made for it\n"
	"  -j               JSON: {\"changes\": [{\"op\", \"object\", …}], \"dry_run\"}\n"
	"\n"
	"What is added comes first, what is replaced is replaced in one step, and what\n"
	"goes is removed last. A second run changes nothing.\n";

struct request {
	const char **files;
	size_t n_files, cap_files;
	struct want_options want;
	bool dry;
	bool remove;
	bool help;
};

/* "--node NAME" and "--node=NAME". */
static bool is_option(const char *arg, const char *word, const char **value)
{
	size_t n = strlen(word);

	*value = NULL;
	if (strncmp(arg, word, n))
		return false;
	if (arg[n] == '=' && n > 2)
		*value = arg + n + 1;
	return !arg[n] || *value;
}

static int read_mask(const char *value, unsigned int *mask)
{
	unsigned long n;
	char *end;

	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || n < 8 || n > 30)
		return err_value("--node-mask", value, "a prefix length from 8 to 30");
	*mask = (unsigned int)n;
	return 0;
}

/* What the words come to together. */
static int check(struct request *r, const char *mask, const char *form)
{
	const char *wrong;

	if (r->remove && (r->n_files || r->want.node || mask || form))
		return err_usage("apply: --remove needs no documents: beside it only --dev and --dry-run have a meaning");
	if (!r->n_files && !r->remove)
		return err_missing("apply", "-f FILE");
	for (size_t i = 0, in = 0; i < r->n_files; i++)
		if (!strcmp(r->files[i], "-") && in++)
			return err_twice("apply", "-f -");
	if (mask && read_mask(mask, &r->want.node_mask))
		return EXIT_USAGE;
	if (form && !route_form_read(form, &r->want.routes))
		return err_value("--routes", form, "peer or pool");
	wrong = r->want.dev ? rtlink_check_name(r->want.dev) : NULL;
	return wrong ? err_usage("apply: --dev: %s", wrong) : 0;
}

static int parse(struct request *r, char **argv)
{
	const char *word, *value, *mask = NULL, *form = NULL, **to;
	bool *flag;

	for (argv++; *argv; argv++) {
		if (cmd_is_help(*argv)) {
			r->help = true;
			return 0;
		}
		if (cmd_option(*argv))
			continue;
		flag = !strcmp(*argv, "--dry-run") ? &r->dry :
		       !strcmp(*argv, "--remove") ? &r->remove : NULL;
		if (flag) {
			if (*flag)
				return err_twice("apply", *argv);
			*flag = true;
			continue;
		}
		if (is_option(*argv, word = "-f", &value) ||
		    is_option(*argv, word = "--filename", &value)) {
			r->files = xgrow(r->files, r->n_files, &r->cap_files,
					 sizeof(*r->files));
			to = &r->files[r->n_files++];
			*to = NULL;
		} else if (is_option(*argv, word = "--node", &value)) {
			to = &r->want.node;
		} else if (is_option(*argv, word = "--dev", &value)) {
			to = &r->want.dev;
		} else if (is_option(*argv, word = "--node-mask", &value)) {
			to = &mask;
		} else if (is_option(*argv, word = "--routes", &value)) {
			to = &form;
		} else {
			return err_unknown("apply", *argv);
		}
		if (*to)
			return err_twice("apply", word);
		if (!value)
			value = *++argv;
		if (!value || !*value)
			return err_novalue("apply", word);
		*to = value;
	}
	return check(r, mask, form);
}

/* Not ours to change, but without it nothing comes through. */
static void advise(const struct want *w, const struct have *h)
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

static int apply(const struct request *r, const struct want *w)
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
		if (diff_compute(&d, w, &h))
			goto out;
		advise(w, &h);
	}
	rc = r->dry ? diff_print(&d, true) : diff_run(&d, nl);
out:
	diff_free(&d);
	have_free(&h);
	nl_close(nl);
	return rc;
}

int cmd_apply(int argc, char **argv)
{
	struct request r = { .want.node_mask = WANT_NODE_MASK };
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
	} else if (!rc) {
		rc = EXIT_REFUSED;
		for (size_t i = 0; i < r.n_files; i++)
			if (doc_load(&docs, r.files[i]))
				goto out;
		if (!cluster_read(&c, &docs) && !want_compute(&w, &c, &r.want))
			rc = apply(&r, &w);
	}
out:
	want_free(&w);
	cluster_free(&c);
	doc_free(&docs);
	free(r.files);
	return rc;
}
