// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stream of watch events, from its bytes to the wanted state. The first byte
 * says after how many events that is computed; time goes on with each event.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doc.h"
#include "objects.h"
#include "stream.h"

#define SETTLE	3000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compute(struct objects *o)
{
	struct cluster c = { 0 };
	struct want w = { 0 };

	if (objects_want(o, &w, &c) > 0)
		objects_keep(o, &c, "k8s-node1");
	want_free(&w);
	cluster_free(&c);
}

static void follow(struct objects *o, struct stream *s, unsigned int every)
{
	struct pollfd fds = { .fd = stream_fd(s), .events = POLLIN };
	struct stream_item item = { .what = STREAM_NOTHING };
	uint64_t now = 1;

	while (item.what != STREAM_END) {
		if (!stream_next(s, &item)) {
			poll(&fds, 1, -1);
			continue;
		}
		now += SETTLE / 4;
		if (item.what == STREAM_WRONG)
			objects_garbled(o, item.text);
		else if (item.what == STREAM_OBJECT)
			objects_event(o, item.json, now);
		objects_tick(o, now);
		if (now / (SETTLE / 4) % every == 0)
			compute(o);
		json_decref(item.json);
		free(item.text);
	}
	objects_tick(o, now + 2 * SETTLE);
	compute(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct want_options options = {
		.node = "k8s-master", .node_mask = WANT_NODE_MASK,
	};
	struct doc_set files = { 0 };
	struct objects o = { 0 };
	struct stream *s;
	int fd[2];

	if (!size || pipe(fd))
		return 0;
	/* It is less than a pipe holds. */
	if (write(fd[1], data + 1, size - 1) == (ssize_t)size - 1) {
		close(fd[1]);
		fd[1] = -1;
		s = stream_open(fd[0]);
		if (s && !objects_init(&o, &files, &options, SETTLE))
			follow(&o, s, *data % 8 + 1);
		stream_close(s);
		objects_free(&o);
		doc_free(&files);
	}
	close(fd[0]);
	if (fd[1] >= 0)
		close(fd[1]);
	return 0;
}
