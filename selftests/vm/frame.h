/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What init (in the guest) and relay (on the host) say to each other over one
 * virtio-serial port.  Everything goes through this one stream, so that when
 * the status arrives all output before it has arrived too.
 */
#ifndef IPMESH_VM_FRAME_H
#define IPMESH_VM_FRAME_H

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum {
	/* guest to host */
	FRAME_HELLO	= 'H',	/* up, waiting for FRAME_GO */
	FRAME_BEAT	= 'b',	/* still alive, every second */
	FRAME_OUT	= 'o',	/* the command's stdout */
	FRAME_ERR	= 'e',	/* the command's stderr */
	FRAME_KLOG	= 'k',	/* the kernel's log, at the end */
	FRAME_FAILED	= 'f',	/* the guest cannot run the command: why */
	FRAME_STATUS	= 'x',	/* the command's exit status, one byte; last */
	/* host to guest */
	FRAME_GO	= 'g',	/* start the command */
	FRAME_IN	= 'i',	/* stdin; empty: its end */
	FRAME_WINDOW	= 'w',	/* rows, columns: two u16 */
};

#define FRAME_MAX	16384

struct frame {
	uint8_t type;
	uint8_t len[3];
};

static inline size_t frame_len(const struct frame *f)
{
	return f->len[0] | f->len[1] << 8 | f->len[2] << 16;
}

static inline int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd w = { .fd = fd, .events = POLLOUT };

			poll(&w, 1, 1000);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

static inline int frame_send(int fd, uint8_t type, const void *data, size_t len)
{
	char buf[sizeof(struct frame) + FRAME_MAX];
	struct frame f = { type, { len, len >> 8, len >> 16 } };

	memcpy(buf, &f, sizeof(f));
	if (len)
		memcpy(buf + sizeof(f), data, len);
	return write_all(fd, buf, sizeof(f) + len);
}

/* Bytes of a stream that are not yet a whole frame. */
struct frame_reader {
	size_t have;
	char buf[sizeof(struct frame) + FRAME_MAX];
};

/* The next whole frame's length, or -1 when more bytes are needed. */
static inline ssize_t frame_next(const struct frame_reader *r, uint8_t *type)
{
	struct frame f;

	if (r->have < sizeof(f))
		return -1;
	memcpy(&f, r->buf, sizeof(f));
	if (frame_len(&f) > FRAME_MAX) {
		errno = EPROTO;
		return -2;
	}
	if (r->have < sizeof(f) + frame_len(&f))
		return -1;
	*type = f.type;
	return frame_len(&f);
}

static inline void frame_done(struct frame_reader *r, size_t len)
{
	len += sizeof(struct frame);
	r->have -= len;
	memmove(r->buf, r->buf + len, r->have);
}

#endif
