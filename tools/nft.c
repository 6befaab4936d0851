// SPDX-License-Identifier: GPL-2.0-or-later
/* nftables, through libnftables: commands as text, answers as JSON. */
#include <ctype.h>
#include <nftables/libnftables.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "err.h"
#include "nft.h"

const struct nft_family *nft_family(uint8_t family)
{
	static const struct nft_family v4 = {
		AF_INET, 32, "ip", "ipv4_addr", "ip ipmesh",
	};
	static const struct nft_family v6 = {
		AF_INET6, 128, "ip6", "ipv6_addr", "ip6 ipmesh",
	};

	return family == AF_INET6 ? &v6 : &v4;
}

/* A device's name may have characters that an identifier may not. */
const char *nft_ident(const char *prefix, const char *dev)
{
	static char bufs[4][NFT_IDENT_LEN];
	static unsigned int turn;
	char *buf = bufs[turn++ % 4];
	size_t n;

	n = (size_t)snprintf(buf, sizeof(bufs[0]), "%s-", prefix);
	for (; *dev && n + 4 < sizeof(bufs[0]); dev++)
		if (isalnum((unsigned char)*dev) || *dev == '-' || *dev == '.')
			buf[n++] = *dev;
		else
			n += (size_t)snprintf(buf + n, sizeof(bufs[0]) - n,
					      "_%02x", (unsigned char)*dev);
	buf[n] = '\0';
	return buf;
}

/* libnftables draws the place below its sentence: the first line is enough. */
static const char *reason(struct nft_ctx *ctx)
{
	static char text[256];
	const char *e = nft_ctx_get_error_buffer(ctx), *at;

	if (!e || !*e)
		return "nftables refuses it";
	at = strstr(e, "Error: ");
	e = at ? at + 7 : e;
	snprintf(text, sizeof(text), "nftables: %.*s", (int)strcspn(e, "\n"), e);
	return text;
}

/* The answer must be freed.  NULL with *WRONG set, or with *WRONG NULL. */
static char *run(const char *cmd, unsigned int flags, const char **wrong)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	char *out = NULL;

	*wrong = NULL;
	if (!ctx) {
		*wrong = "libnftables does not start";
		return NULL;
	}
	nft_ctx_buffer_output(ctx);
	nft_ctx_buffer_error(ctx);
	nft_ctx_output_set_flags(ctx, flags);
	if (nft_run_cmd_from_buffer(ctx, cmd))
		*wrong = reason(ctx);
	else
		out = xstrdup(nft_ctx_get_output_buffer(ctx));
	nft_ctx_free(ctx);
	return out;
}

json_t *nft_list(const char *cmd, const char **wrong)
{
	char *text = run(cmd, NFT_CTX_OUTPUT_JSON, wrong);
	json_t *root, *v = NULL;

	if (!text)
		return NULL;
	root = json_loads(text, 0, NULL);
	free(text);
	v = json_incref(json_object_get(root, "nftables"));
	json_decref(root);
	if (!json_is_array(v))
		*wrong = "nftables: its answer is not understood";
	return v;
}

json_t *nft_own_table(uint8_t family, const char **wrong)
{
	const struct nft_family *w = nft_family(family);
	const json_t *item;
	bool there = false;
	char cmd[32];
	json_t *v;
	size_t i;

	/* Asking for a table that is not there would be an error like others. */
	snprintf(cmd, sizeof(cmd), "list tables %s", w->ip);
	v = nft_list(cmd, wrong);
	json_array_foreach(v, i, item)
		there |= nft_is(json_object_get(item, "table"), "name", "ipmesh");
	json_decref(v);
	if (*wrong || !there)
		return NULL;
	snprintf(cmd, sizeof(cmd), "list table %s", w->table);
	return nft_list(cmd, wrong);
}

char *nft_text(const char *cmd, const char **wrong)
{
	return run(cmd, NFT_CTX_OUTPUT_HANDLE, wrong);
}

struct nft_ctx *nft_hold(const char *cmd, const char **wrong)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);

	*wrong = NULL;
	if (!ctx) {
		*wrong = "libnftables does not start";
		return NULL;
	}
	nft_ctx_buffer_output(ctx);
	nft_ctx_buffer_error(ctx);
	if (!nft_run_cmd_from_buffer(ctx, cmd))
		return ctx;
	*wrong = reason(ctx);
	nft_ctx_free(ctx);
	return NULL;
}

void nft_release(struct nft_ctx *ctx)
{
	if (ctx)
		nft_ctx_free(ctx);
}

bool nft_is(const json_t *o, const char *key, const char *value)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && !strcmp(s, value);
}

const char *nft_commit(FILE *f, char **text)
{
	const char *wrong;

	if (fclose(f))
		return "out of memory";
	free(run(*text, 0, &wrong));
	free(*text);
	return wrong;
}

const char *nft_delete_table(const char *table)
{
	char *cmd = xasprintf("delete table %s", table);
	const char *wrong;

	free(run(cmd, 0, &wrong));
	free(cmd);
	return wrong;
}

const char *nft_check_name(const char *dev)
{
	/* A quote ends the name in nft's language, and a star is a pattern. */
	if (strpbrk(dev, "\"*\\"))
		return "nftables cannot name this device; give it another name";
	return NULL;
}
