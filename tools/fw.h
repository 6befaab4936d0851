/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host's firewall does with an outer packet, by its rules as the kernel
 * has them: nftables' (iptables-nft's too) and those of iptables-legacy. A rule
 * that is not understood is never taken to drop; one that may accept makes a
 * later drop uncertain.
 */
#ifndef IPMESH_FW_H
#define IPMESH_FW_H

#include <jansson.h>
#include "addr.h"

struct fw_packet {
	bool in;			/* received; else sent */
	struct addr saddr, daddr;
	uint8_t proto;			/* 4, 41, or 17 with dport */
	uint16_t dport;
	bool untracked;			/* by the device; else new, as each first packet is */
	const char *dev;		/* received on, or sent to */
};

enum fw_verdict { FW_PASS, FW_MAYBE, FW_DROP };

/* Who drops: a base chain. Strings live as long as the rules do. */
struct fw_where {
	const char *family, *table, *chain;	/* family NULL: iptables-legacy */
};

struct fw_legacy;

struct fw {
	json_t *nft;			/* all of nftables; or NULL */
	struct fw_legacy *legacy;
};

/* NULL, or what could not be read, good until the next call. */
const char *fw_read(struct fw *fw);
void fw_free(struct fw *fw);

enum fw_verdict fw_judge(const struct fw *fw, const struct fw_packet *p,
			 struct fw_where *where);

/* The parts. */
enum fw_verdict fw_nft_judge(const json_t *nft, const struct fw_packet *p,
			     struct fw_where *where);
struct fw_legacy *fw_legacy_read(void);
void fw_legacy_free(struct fw_legacy *l);
enum fw_verdict fw_legacy_judge(const struct fw_legacy *l,
				const struct fw_packet *p, struct fw_where *where);

#endif
