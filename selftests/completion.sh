#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Completion of command lines, by TAB in a bash and a zsh on a terminal.
#
#     a: 172.16.40.1 eth0 (dummy); ipmesh0 with three peers, wide0 with one of IPv6
#
# Proves: both shells complete commands, words, values, files and what there is
# of devices, endpoints, names, CIDRs and namespaces, of the namespace that -n
# names too; a word is offered once; all commands and all words of their help
# are known.
set -eu
. "$(dirname "$0")/lib.sh"

setup() {
	setup_ns a
	ip_batch "$a" <<-END
		link add eth0 type dummy
		link set eth0 up
		addr add 172.16.40.1/24 dev eth0
		addr add 2001:db8::1/64 dev eth0 nodad
	END
	tool link add ipmesh0
	tool peer add 172.16.40.2 dev ipmesh0 name "left side" cidr 10.244.2.0/24
	tool peer add 172.16.40.3 dev ipmesh0 name right cidr 10.244.3.0/24 cidr 10.9.0.0/24
	tool peer add 172.31.0.1 dev ipmesh0
	tool link add wide0 local 2001:db8::1
	tool peer add 2001:db8:5::7 dev wide0
	: >"$tmp/nodes file.yaml"
}

# tool WORD…
tool() {
	mesh -n "$a" exec ipmesh "$@"
}

# tabs SHELL: each line of stdin is "typed|what becomes of it"
tabs() {
	local typed wanted got n=0 wrong=0
	command -v "$1" >/dev/null || skip "there is no $1"
	command -v python3 >/dev/null || skip "there is no python3, which types"
	setup
	cat >"$tmp/table"
	cut -d'|' -f1 "$tmp/table" >"$tmp/typed"
	# mesh itself reads no stdin
	start "$a" env -C "$tmp" "$here/type.py" "$1" <"$tmp/typed" >"$tmp/got"
	wait "$pid"
	while IFS='|' read -r typed wanted; do
		n=$((n + 1))
		got=$(sed -n "${n}p" "$tmp/got")
		[ "$got" = "$wanted" ] || {
			echo "$1: \"$typed\" became \"$got\", not \"$wanted\""
			wrong=$((wrong + 1))
		}
	done <"$tmp/table"
	[ "$wrong" -eq 0 ] || fail "$wrong lines of $n"
	[ "$n" -ge 15 ] || fail "only $n lines"
}

# What both do alike.
both() {
	cat <<-END
		ipmesh sh|ipmesh show${sp}
		ipmesh pee|ipmesh peer${sp}
		ipmesh frob|ipmesh frob
		ipmesh link s|ipmesh link s
		ipmesh link se|ipmesh link set${sp}
		ipmesh -j link d|ipmesh -j link del${sp}
		ipmesh link del ip|ipmesh link del ipmesh0${sp}
		ipmesh show wi|ipmesh show wide0${sp}
		ipmesh link set ipmesh0 pm|ipmesh link set ipmesh0 pmtudisc${sp}
		ipmesh link set ipmesh0 ttl |ipmesh link set ipmesh0 ttl inherit${sp}
		ipmesh link set ipmesh0 ttl 3 tt|ipmesh link set ipmesh0 ttl 3 tt
		ipmesh link set ipmesh0 dev et|ipmesh link set ipmesh0 dev eth0${sp}
		ipmesh link set ipmesh0 local 172|ipmesh link set ipmesh0 local 172.16.40.1${sp}
		ipmesh link set ipmesh0 encap u|ipmesh link set ipmesh0 encap udp${sp}
		ipmesh peer del 172.1|ipmesh peer del 172.16.40.
		ipmesh peer del 172.3|ipmesh peer del 172.31.0.1${sp}
		ipmesh peer del 20|ipmesh peer del 2001:db8:5::7${sp}
		ipmesh peer del 2001:db8:5:|ipmesh peer del 2001:db8:5::7${sp}
		ipmesh peer del dev wide0 1|ipmesh peer del dev wide0 1
		ipmesh peer set 172.16.40.2 dev i|ipmesh peer set 172.16.40.2 dev ipmesh0${sp}
		ipmesh peer set 172.16.40.3 name |ipmesh peer set 172.16.40.3 name right${sp}
		ipmesh peer set 172.16.40.2 name |ipmesh peer set 172.16.40.2 name left\\ side${sp}
		ipmesh peer set 172.16.40.3 nocidr 10.9|ipmesh peer set 172.16.40.3 nocidr 10.9.0.0/24${sp}
		ipmesh peer set 172.16.40.3 nocidr 10.244.2|ipmesh peer set 172.16.40.3 nocidr 10.244.2
		ipmesh peer fl|ipmesh peer flush${sp}
		ipmesh --net|ipmesh --netns${sp}
		ipmesh -n ${a%-*}-|ipmesh -n $a${sp}
		ipmesh -n $a peer del 172.3|ipmesh -n $a peer del 172.31.0.1${sp}
		ipmesh apply --no|ipmesh apply --node
		ipmesh apply --dr|ipmesh apply --dry-run${sp}
		ipmesh apply -f nod|ipmesh apply -f nodes\\ file.yaml${sp}
		ipmesh apply -f x.yaml -f nod|ipmesh apply -f x.yaml -f nodes\\ file.yaml${sp}
	END
}
sp=' '

in_bash() {
	tabs bash < <(a=a-$$-1; both)
}

in_zsh() {
	tabs zsh < <(a=a-$$-1; both)
}

# what is offered for these words, the last one to be completed
offered() {
	tool complete -- "$@" | cut -f1 | sort
}

lists() {
	setup
	equal "commands" "$(offered '')" "$(tool --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort)"
	equal "verbs" "$(offered peer '' | tr '\n' ' ')" "add del flush set show "
	equal "encap of a peer" "$(offered peer set 172.16.40.2 encap '' | tr '\n' ' ')" "device none udp "
	equal "endpoints" "$(offered peer show 172 | tr '\n' ' ')" "172.16.40.2 172.16.40.3 172.31.0.1 "
	equal "with what it is" "$(tool complete -- peer del 172.16.40.3)" $'172.16.40.3\tright'
	equal "an unknown command" "$(offered frobnicate '')" ""
	equal "no word" "$(tool complete)" "$(tool complete -- '')"
	equal "a namespace that is not there" "$(tool complete -- -n absent peer del '' 2>/dev/null || true)" ""
	# nothing that hangs where there is no module
	contains "words" "$(mesh -n "$a" exec ipmesh complete -- link add x '')" "local"
}

# Words that the help of a command explains or uses, "--like-this" or as the
# first of an indented line, are offered for it.
known() {
	local c w help
	setup
	for c in $(offered ''); do
		# without the words of another program
		help=$(tool "$c" --help | grep -v kubectl)
		{
			grep -oE -e '--[a-z][a-z-]+' <<<"$help" || true
			sed -nE 's/^  ([a-z_]{2,})( [^ ]+)?  +[^ ].*/\1/p' <<<"$help"
		} | sort -u >"$tmp/help"
		{
			offered "$c" ''
			offered "$c" -
			for w in $(offered "$c" ''); do
				offered "$c" "$w" ''
				offered "$c" "$w" x ''
				offered "$c" "$w" -
			done
		} | sort -u >"$tmp/offered"
		while read -r w; do
			grep -qxF -e "$w" "$tmp/offered" ||
				fail "$c: \"$w\" stands in its help, and is not in tools/grammar.c"
		done <"$tmp/help"
	done
}

run_tests in_bash in_zsh lists known
