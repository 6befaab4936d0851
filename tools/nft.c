// SPDX-License-Identifier: GPL-2.0-or-later
/* nftables, through libnftables: commands as text, answers as JSON. */
#include <nftables/libnftables.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "nft.h"

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

char *nft_text(const char *cmd, const char **wrong)
{
	return run(cmd, NFT_CTX_OUTPUT_HANDLE, wrong);
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

const char *nft_check_name(const char *dev)
{
	/* A quote ends the name in nft's language, and a star is a pattern. */
	if (strpbrk(dev, "\"*\\"))
		return "nftables cannot name this device; give it another name";
	return NULL;
}
