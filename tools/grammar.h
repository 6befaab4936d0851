/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may stand behind a command, for the completion of all shells: a new
 * verb or word is one line in grammar.c.
 */
#ifndef IPMESH_GRAMMAR_H
#define IPMESH_GRAMMAR_H

struct grammar {
	const char *cmd;	/* "peer add" */
	/*
	 * Words, parted by spaces:
	 *	move		a word alone
	 *	dev=DEV		a word with a value: of a kind in capitals
	 *			(complete.c knows them), or a list a|b|c;
	 *			TEXT for what only the user knows
	 *	cidr=TEXT+	that may be repeated
	 *	=ENDPOINT	a value without a word before it
	 *	@		all attributes of a device, by linkattr.c
	 */
	const char *words;
};

extern const struct grammar grammar_table[];	/* ends with a NULL cmd */

#endif
