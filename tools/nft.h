/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nftables, through libnftables: commands as text, answers as JSON. */
#ifndef IPMESH_NFT_H
#define IPMESH_NFT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What nftables calls a family, its addresses, and our table there. */
struct nft_family {
	uint8_t family, bits;
	const char *ip, *type, *table;
};

const struct nft_family *nft_family(uint8_t family);

/* PREFIX-DEV as an identifier; one of a few static buffers. */
#define NFT_IDENT_LEN	80
const char *nft_ident(const char *prefix, const char *dev);

/* The objects of our table, to be released; NULL where there is none, or with *WRONG
 * set, which is good until the next call.
 */
json_t *nft_own_table(uint8_t family, const char **wrong);

/* The list of objects that a "list" command answers; to be released.  NULL with
 * *WRONG set, which is good until the next call.
 */
json_t *nft_list(const char *cmd, const char **wrong);

/* What a "list" command prints for people, with handles; to be freed. */
char *nft_text(const char *cmd, const char **wrong);

/* Runs what was written into the memory stream F, all in one transaction, and
 * frees it.  NULL, or what is wrong, good until the next call.
 */
const char *nft_commit(FILE *f, char **text);

/* TABLE: with its family.  NULL, or what is wrong, as above. */
const char *nft_delete_table(const char *table);

/*
 * Runs a command and holds on to what it made: a table with "flags owner" goes with the
 * handle, also when the program is killed. NULL with *WRONG set, as above.
 */
struct nft_ctx;
struct nft_ctx *nft_hold(const char *cmd, const char **wrong);
void nft_release(struct nft_ctx *ctx);

/* Has object O the string VALUE under KEY? */
bool nft_is(const json_t *o, const char *key, const char *value);

/* NULL, or why no command can name the device. */
const char *nft_check_name(const char *dev);

#endif
