/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON objects, one after the other, from a file that may never end. */
#ifndef IPMESH_STREAM_H
#define IPMESH_STREAM_H

#include <jansson.h>
#include <stdbool.h>

struct stream;

enum stream_what {
	STREAM_NOTHING,			/* there is nothing yet */
	STREAM_OBJECT,
	STREAM_WRONG,			/* what came is no JSON, or was cut off */
	STREAM_END,
};

struct stream_item {
	enum stream_what what;
	json_t *json;			/* an object, the caller's */
	char *text;			/* what is wrong, with its line; the caller's */
};

/* NULL, and said, when it cannot be. The file stays the caller's. */
struct stream *stream_open(int fd);
void stream_close(struct stream *s);

/* For poll(): readable while something waits. */
int stream_fd(const struct stream *s);

enum stream_what stream_next(struct stream *s, struct stream_item *item);

#endif
