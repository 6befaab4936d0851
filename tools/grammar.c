// SPDX-License-Identifier: GPL-2.0-or-later
/* What may stand behind a command; see grammar.h. */
#include <stddef.h>

#include "grammar.h"

const struct grammar grammar_table[] = {
	{ "show", "=DEV" },
	{ "link add", "=NEWDEV @ address=TEXT+ up down" },
	{ "link set", "=DEV @ address=TEXT+ up down" },
	{ "link del", "=DEV" },
	{ "link show", "=DEV" },
	{ "peer add",
	  "=TEXT dev=DEV name=TEXT cidr=TEXT+ cidrs=none move source=TEXT+ sources=none from=TEXT+ froms=none encap=none|udp|device dport=TEXT route noroute" },
	{ "peer set",
	  "=ENDPOINT dev=DEV name=NAME cidr=TEXT+ nocidr=CIDR+ cidrs=none move source=TEXT+ nosource=SOURCE+ sources=none from=TEXT+ nofrom=FROM+ froms=none encap=none|udp|device dport=TEXT route noroute" },
	{ "peer del", "=ENDPOINT dev=DEV" },
	{ "peer show", "=ENDPOINT dev=DEV" },
	{ "peer flush", "dev=DEV" },
	{ "apply",
	  "-f=FILE+ --node=NODE --dev=DEV --node-mask=24 --routes=peer|pool|none --take-over --strict-documents --dry-run --watch --settle=30 --remove" },
	{ "export", "=DEV" },
	{ "monitor", "=DEV --timestamp" },
	{ "metrics", "=DEV" },
	{ "top",
	  "=DEV -d=TEXT -n=TEXT -b -o=rx|tx|rxp|txp|drops|heard|name|endpoint -r -f=NAME" },
	{ "doctor", "=DEV --dev=DEV --fix --probe --root=FILE" },
	{ "probe", "=PEER dev=DEV to=TEXT count=3 timeout=1000" },
	{ "upgrade", "--way-back=FILE --anyway --dry-run" },
	{ NULL, NULL }
};
