// SPDX-License-Identifier: GPL-2.0-or-later
/* Documents, from their text to the wanted state. The first byte chooses. */
#include <string.h>

#include "doc.h"
#include "want.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct want_options options = {
		.node = "k8s-master", .node_mask = WANT_NODE_MASK,
	};
	struct doc_set docs = { 0 };
	struct cluster c = { 0 };
	struct want w = { 0 };

	if (!size)
		return 0;
	/* A document of its own names no node: then there is none. */
	if (*data & 1)
		options.node = NULL;
	if (!doc_parse(&docs, *data & 2 ? "f.json" : "f.yaml",
		       (const char *)data + 1, size - 1) &&
	    !cluster_read(&c, &docs))
		want_compute(&w, &c, &options);
	want_free(&w);
	cluster_free(&c);
	doc_free(&docs);
	return 0;
}
