// SPDX-License-Identifier: GPL-2.0-or-later
/* JSON values, also of programs that write more than jansson takes. */
#include <stdio.h>
#include <string.h>

#include "json.h"

/* So many digits fit in 64 bits with a sign. */
#define DIGITS	18

static int take(struct json_source *s)
{
	int c;

	if (s->most && s->bytes == s->most)
		return EOF;
	c = s->take(s->data);
	if (c != EOF)
		s->bytes++;
	return c;
}

/*
 * A number goes into the token as a whole, in quotes when it is an integer that is too
 * large; what is longer than any number loses its end, and stays one that is too large.
 */
static void read_number(struct json_source *s, int c)
{
	size_t digits = 0;
	bool integer = true;

	s->at = s->n = 1;
	for (;;) {
		if (s->n < sizeof(s->token) - 1)
			s->token[s->n++] = (char)c;
		digits += c >= '0' && c <= '9';
		integer &= !strchr(".eE", c);
		c = s->peek(s->data);
		if (c == EOF || !c || !strchr("0123456789+-.eE", c) || take(s) == EOF)
			break;
	}
	if (integer && digits > DIGITS) {
		s->at = 0;
		s->token[0] = '"';
		s->token[s->n++] = '"';
	}
}

/* For jansson: one byte, so that it does not take what follows the value. */
static size_t feed(void *to, size_t size, void *data)
{
	struct json_source *s = data;
	int c;

	if (!size)
		return 0;
	if (s->at == s->n) {
		c = take(s);
		if (c == EOF)
			return 0;
		s->at = 0;
		s->n = 1;
		s->token[0] = (char)c;
		if (s->in_text) {
			s->in_text = s->escaped || c != '"';
			s->escaped = !s->escaped && c == '\\';
		} else if (c == '"') {
			s->in_text = true;
		} else if (c == '-' || (c >= '0' && c <= '9')) {
			read_number(s, c);
		}
	}
	*(char *)to = s->token[s->at++];
	return 1;
}

json_t *json_read(struct json_source *s, json_error_t *e)
{
	s->bytes = s->at = s->n = 0;
	s->in_text = s->escaped = false;
	return json_load_callback(feed, s, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK |
				  JSON_ALLOW_NUL, e);
}

bool json_has_nul(const json_t *text)
{
	return json_is_string(text) &&
	       strlen(json_string_value(text)) != json_string_length(text);
}
