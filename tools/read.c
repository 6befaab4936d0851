// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds the reader of each document by its apiVersion and kind. */
#include <stdio.h>
#include <string.h>

#include "cluster.h"
#include "err.h"

struct reader {
	const char *group, *kind;
	int (*read)(struct cluster *c, const struct doc_node *doc);
};

static int skip(struct cluster *c, const struct doc_node *doc)
{
	(void)c;
	(void)doc;
	return 0;
}

/* Calico's own store is Kubernetes' under another group. "v1" is the group without a name. */
#define CALICO		"projectcalico.org"
#define CRD		"crd.projectcalico.org"
#define OPERATOR	"operator.tigera.io"
#define CILIUM		"cilium.io"

static const struct reader readers[] = {
	{ "ipmesh",	"Device",	read_own_device },
	{ CALICO,	"Node",		read_calico_node },
	{ CRD,		"Node",		read_calico_node },
	{ CALICO,	"IPPool",	read_calico_pool },
	{ CRD,		"IPPool",	read_calico_pool },
	{ CALICO,	"BlockAffinity", read_calico_affinity },
	{ CRD,		"BlockAffinity", read_calico_affinity },
	{ CALICO,	"IPAMBlock",	read_calico_block },
	{ CRD,		"IPAMBlock",	read_calico_block },
	{ OPERATOR,	"Installation",	read_calico_installation },
	{ CILIUM,	"CiliumNode",	read_cilium_node },
	{ "v1",		"Node",		read_kube_node },
	/* What "kubectl get" of several kinds may hold beside, to no effect. */
	{ "v1",		"ConfigMap",	skip },
	{ "v1",		"Endpoints",	skip },
	{ "v1",		"Event",	skip },
	{ "v1",		"Namespace",	skip },
	{ "v1",		"Pod",		skip },
	{ "v1",		"Secret",	skip },
	{ "v1",		"Service",	skip },
	{ "v1",		"ServiceAccount", skip },
};

/* Groups whose other kinds are for nothing here. */
static const char *const beside[] = {
	CALICO, CRD, OPERATOR, CILIUM, "apps", "batch", "discovery.k8s.io", "policy",
	"networking.k8s.io", "apiextensions.k8s.io", "rbac.authorization.k8s.io",
};

/* Whether an apiVersion is of a group, whatever the version of it. */
static bool is_of(const char *api, const char *group)
{
	size_t n = strlen(group);

	return !strncmp(api, group, n) && (!api[n] || (api[n] == '/' && api[n + 1] == 'v'));
}

static const struct reader *find(const char *api, const char *kind)
{
	static const struct reader other = { .read = skip };
	size_t i;

	for (i = 0; i < sizeof(readers) / sizeof(*readers); i++)
		if (is_of(api, readers[i].group) && !strcmp(readers[i].kind, kind))
			return &readers[i];
	for (i = 0; i < sizeof(beside) / sizeof(*beside); i++)
		if (is_of(api, beside[i]))
			return &other;
	return NULL;
}

#define TRUNCATED "is missing: no document of kubectl, calicoctl or ipmesh, or a truncated file"

static int type_of(const struct doc_node *doc, const struct doc_node **api,
		   const struct doc_node **kind)
{
	int ret;

	if (doc->kind != DOC_MAP)
		return doc_fail(doc, "no document: apiVersion, kind and so on are wanted");
	ret = doc_string(doc, "apiVersion", api);
	if (!ret)
		return doc_fail(doc, "apiVersion " TRUNCATED);
	if (ret > 0) {
		ret = doc_string(doc, "kind", kind);
		if (!ret)
			return doc_fail(doc, "kind " TRUNCATED);
	}
	return ret < 0 ? -1 : 0;
}

static int read_one(struct cluster *c, const struct doc_node *doc,
		    const char *api, const char *kind)
{
	const struct reader *r = find(api, kind);

	if (!r)
		return doc_fail(doc, "unknown kind %s of apiVersion %s: wanted are Device of ipmesh/v1, Node, IPPool, BlockAffinity or IPAMBlock of projectcalico.org/v3, Node of v1, or lists of these",
				err_safe(kind), err_safe(api));
	return r->read(c, doc);
}

/*
 * A list is named by what it holds ("NodeList"), whose items may then leave
 * apiVersion and kind out, or it is "List" of v1, with items of any kind.
 */
static int read_list(struct cluster *c, const struct doc_node *doc,
		     const char *api, const char *kind, size_t kind_len)
{
	const struct doc_node *items, *item, *iapi, *ikind;
	char item_kind[64];
	size_t i;
	int ret;

	ret = doc_seq(doc, "items", &items);
	if (ret < 0)
		return -1;
	if (!ret) {
		/* "items: null" is how kubectl's library writes an empty one. */
		for (i = 0; i < doc->n; i++)
			if (!strcmp(doc->child[i]->key, "items"))
				return 0;
		return doc_fail(doc, "items " TRUNCATED);
	}
	snprintf(item_kind, sizeof(item_kind), "%.*s", (int)kind_len, kind);
	for (i = 0; i < items->n; i++) {
		item = items->child[i];
		if (kind_len && item->kind == DOC_MAP &&
		    !doc_get(item, "apiVersion") && !doc_get(item, "kind")) {
			ret = read_one(c, item, api, item_kind);
		} else {
			ret = type_of(item, &iapi, &ikind);
			if (!ret)
				ret = read_one(c, item, iapi->text, ikind->text);
		}
		if (ret)
			return -1;
	}
	return 0;
}

/* One of a list may be a list again: "kubectl get … ; kubectl get …" in one array. */
static int read_doc(struct cluster *c, const struct doc_node *doc)
{
	const struct doc_node *api, *kind;
	char one[64];
	size_t len;

	if (type_of(doc, &api, &kind))
		return -1;
	len = strlen(kind->text);
	if (len < 4 || len >= sizeof(one) || strcmp(kind->text + len - 4, "List"))
		return read_one(c, doc, api->text, kind->text);
	len -= 4;
	/* Say that the list is unknown, even when it is empty. */
	snprintf(one, sizeof(one), "%.*s", (int)len, kind->text);
	if ((len || strcmp(api->text, "v1")) && !find(api->text, one)) {
		read_one(c, doc, api->text, kind->text);
		return -1;
	}
	return read_list(c, doc, api->text, kind->text, len);
}

int cluster_add(struct cluster *c, const struct doc_set *docs)
{
	for (size_t i = 0; i < docs->n; i++) {
		const struct doc_node *doc = docs->doc[i];

		/* jq and the API's clients print arrays of objects. */
		if (doc->kind != DOC_SEQ) {
			if (read_doc(c, doc))
				return -1;
			continue;
		}
		for (size_t k = 0; k < doc->n; k++)
			if (read_doc(c, doc->child[k]))
				return -1;
	}
	return 0;
}

int cluster_read(struct cluster *c, const struct doc_set *docs)
{
	if (cluster_add(c, docs) || cluster_blocks_check(c))
		return -1;
	if (!c->n_nodes && !c->n_devices) {
		err_refused("%s: the documents hold no node and no device%s",
			    docs->n_names ? docs->name[0] : "-f",
			    c->n_pools || c->n_blocks ? "; add those of \"calicoctl get node -o yaml\"" : "");
		return -1;
	}
	return 0;
}
