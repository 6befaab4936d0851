// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * JSON objects from a file that may never end. jansson reads a value in one go
 * and waits for what is missing of it, so it does that in a thread of its own,
 * which hands over whole objects.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "err.h"
#include "json.h"
#include "stream.h"

/* Objects that wait; who reads faster than they are used waits himself. */
#define ITEMS		1024

/* Larger than any object of a cluster. */
#define OBJECT_BYTES	((size_t)16 << 20)

struct stream {
	pthread_t thread;
	int ready, stop;		/* eventfds: items wait; come to an end */

	pthread_mutex_t lock;		/* of the three below */
	pthread_cond_t room;
	struct stream_item item[ITEMS];
	size_t at, n;
	bool stopped;

	/* The thread's own: */
	int fd, error;
	bool end;
	char buf[65536];
	size_t pos, len;
	size_t line;
};

static void ring(int eventfd)
{
	uint64_t one = 1;

	if (write(eventfd, &one, sizeof(one)) < 0)
		return;		/* it has been rung often enough */
}

static void hand_over(struct stream *s, enum stream_what what, json_t *json,
		      char *text)
{
	pthread_mutex_lock(&s->lock);
	while (s->n == ITEMS && !s->stopped)
		pthread_cond_wait(&s->room, &s->lock);
	if (s->stopped) {
		json_decref(json);
		free(text);
	} else {
		s->item[(s->at + s->n++) % ITEMS] =
			(struct stream_item){ what, json, text };
		ring(s->ready);
	}
	pthread_mutex_unlock(&s->lock);
}

/* The next byte, which stays; or EOF. */
static int peek(void *data)
{
	struct stream *s = data;
	struct pollfd fds[] = {
		{ .fd = s->fd, .events = POLLIN }, { .fd = s->stop, .events = POLLIN },
	};
	ssize_t got;

	while (!s->end && s->pos == s->len) {
		if (poll(fds, 2, -1) < 0 && errno == EINTR)
			continue;
		got = fds[1].revents ? 0 : read(s->fd, s->buf, sizeof(s->buf));
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			s->error = errno;
		s->end = got <= 0;
		s->pos = 0;
		s->len = got > 0 ? (size_t)got : 0;
	}
	return s->end ? EOF : (unsigned char)s->buf[s->pos];
}

static int take(void *data)
{
	struct stream *s = data;
	int c = peek(s);

	if (c != EOF)
		s->pos++;
	if (c == '\n')
		s->line++;
	return c;
}

/* Behind what could not be read, objects begin with a line again. */
static void resume(struct stream *s)
{
	int c;

	do {
		while ((c = take(s)) != EOF && c != '\n')
			;
	} while (c != EOF && peek(s) != '{');
}

static void one_object(struct stream *s)
{
	struct json_source source = {
		.take = take, .peek = peek, .data = s, .most = OBJECT_BYTES,
	};
	size_t line = s->line;
	json_error_t e;
	json_t *j;

	j = json_read(&source, &e);
	if (j) {
		hand_over(s, STREAM_OBJECT, j, NULL);
	} else if (s->end) {
		hand_over(s, STREAM_WRONG, NULL,
			  xasprintf("line %zu: the stream ends inside an object", line));
	} else {
		hand_over(s, STREAM_WRONG, NULL, source.bytes == OBJECT_BYTES ?
			  xasprintf("line %zu: an object larger than %zu MiB", line,
				    OBJECT_BYTES >> 20) :
			  xasprintf("line %zu: %s", line + (size_t)e.line - 1, e.text));
		resume(s);
	}
}

static void *run(void *data)
{
	struct stream *s = data;
	int c;

	while ((c = peek(s)) != EOF) {
		if (strchr(" \t\r\n", c) && c) {
			take(s);
		} else if (c == '{') {
			one_object(s);
		} else {
			hand_over(s, STREAM_WRONG, NULL,
				  xasprintf("line %zu: no JSON object", s->line));
			resume(s);
		}
	}
	if (s->error)
		hand_over(s, STREAM_WRONG, NULL,
			  xasprintf("cannot be read: %s", strerror(s->error)));
	hand_over(s, STREAM_END, NULL, NULL);
	return NULL;
}

struct stream *stream_open(int fd)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	int e = 0;

	s->fd = fd;
	s->line = 1;
	s->ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->room, NULL);
	/* Once, before there are two that would. */
	json_object_seed(0);
	if (s->ready < 0 || s->stop < 0)
		e = errno;
	if (!e)
		e = pthread_create(&s->thread, NULL, run, s);
	if (!e)
		return s;
	err_refused("the stream cannot be read: %s", strerror(e));
	close(s->ready);
	close(s->stop);
	free(s);
	return NULL;
}

void stream_close(struct stream *s)
{
	struct stream_item item;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	pthread_cond_signal(&s->room);
	pthread_mutex_unlock(&s->lock);
	ring(s->stop);
	pthread_join(s->thread, NULL);
	while (stream_next(s, &item)) {
		json_decref(item.json);
		free(item.text);
	}
	close(s->ready);
	close(s->stop);
	free(s);
}

int stream_fd(const struct stream *s)
{
	return s->ready;
}

enum stream_what stream_next(struct stream *s, struct stream_item *item)
{
	uint64_t rung;

	*item = (struct stream_item){ .what = STREAM_NOTHING };
	pthread_mutex_lock(&s->lock);
	if (s->n) {
		*item = s->item[s->at];
		s->at = (s->at + 1) % ITEMS;
		s->n--;
		pthread_cond_signal(&s->room);
	} else if (read(s->ready, &rung, sizeof(rung)) < 0) {
		errno = 0;	/* nobody rang */
	}
	pthread_mutex_unlock(&s->lock);
	return item->what;
}
