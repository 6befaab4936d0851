#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Bad words for every command of the tool; fixtures/bad/words.tsv has them.
#
#     a: 172.16.40.1 eth0 (dummy), ipmesh0 with two peers, ipmesh1
#
# Proves: each line of the table ends with its status and one line on standard
# error that holds its text, prints nothing else, and changes nothing that the
# kernel has: devices, peers, addresses, routes, nexthops, rules, nftables,
# sysctls; a command without lines in the table fails the test. Help is there
# at every level and in every spelling, and where no module is.
set -eu
. "$(dirname "$0")/lib.sh"

setup() {
	setup_ns a
	ip_batch "$a" <<-END
		link add eth0 type dummy
		link set eth0 addrgenmode none
		link set eth0 up
		addr add 172.16.40.1/24 dev eth0
		link set lo up
	END
	tool link add ipmesh0 local 172.16.40.1 address 10.244.0.1/32
	tool link add ipmesh1 peers open
	tool peer add 172.16.40.2 dev ipmesh0 name two cidr 10.244.2.0/24
	tool peer add 172.16.40.3 dev ipmesh0 cidr 10.244.3.0/24 cidr 10.244.4.0/24
}

# tool WORD…
tool() {
	mesh -n "$a" exec ipmesh "$@"
}

# All that a command could have changed.
state() {
	local d p
	for d in ipmesh0 ipmesh1; do
		mesh -n "$a" link get "$d"
		mesh -n "$a" peer list "$d" | while read -r p _; do
			mesh -n "$a" peer get "$d" "$p"
		done
	done
	ip -n "$a" -o link
	ip -n "$a" -o addr
	ip -n "$a" -4 route show table all
	ip -n "$a" -6 route show table all
	ip -n "$a" nexthop
	ip -n "$a" rule
	in_ns "$a" nft list ruleset
	in_ns "$a" sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding \
		net.ipv4.conf.all.rp_filter net.ipv4.conf.ipmesh0.rp_filter \
		net.ipv4.conf.default.rp_filter
}

# The words that ipmesh --help lists.
commands() {
	tool --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

# Every "Usage:" line's command, as far as it is plain words: "link add".
levels() {
	local c
	for c in $(commands); do
		echo "$c"
		tool "$c" --help | grep -E '^(Usage:| {6}) ipmesh ' |
			sed 's/^.\{6\} ipmesh //; s/ [^a-z].*//; s/ *$//' |
			awk '{ print $1, (NF > 1 ? $2 : "") }' | sed 's/ *$//'
	done | sort -u
}

table() {
	grep -v '^#' "$here/fixtures/bad/words.tsv"
}

bad() {
	local line words status text rc said n=0 wrong=0
	setup
	state >"$tmp/before"
	while IFS= read -r line; do
		words=${line%%$'\t'*}
		text=${line#*$'\t'}
		status=${text%%$'\t'*}
		text=${text#*$'\t'}
		n=$((n + 1))
		rc=0
		eval "set -- $words"
		tool "$@" >"$tmp/out" 2>"$tmp/err" || rc=$?
		mapfile -t said <"$tmp/err"
		if [ "$rc" != "$status" ]; then
			echo "ipmesh $words: status $rc, not $status: ${said[*]}"
		elif [ ${#said[@]} -ne 1 ]; then
			echo "ipmesh $words: not one line: \"${said[*]}\""
		elif [[ ${said[0]} != "ipmesh: "*"$text"* ]]; then
			echo "ipmesh $words: \"${said[0]}\" has no \"$text\""
		elif [ -s "$tmp/out" ]; then
			echo "ipmesh $words: printed \"$(<"$tmp/out")\""
		else
			continue
		fi
		wrong=$((wrong + 1))
	done < <(table)
	state >"$tmp/after"
	diff -u "$tmp/before" "$tmp/after" || fail "the kernel's state has changed"
	equal "bad words of $n" "$wrong" 0
}

# Each command stands in the table with what must not be taken: a word and an
# option that it does not know.
complete() {
	local c
	setup
	table >"$tmp/table"
	levels >"$tmp/levels"
	[ "$(commands | wc -l)" -ge 4 ] || fail "commands: $(commands)"
	while read -r c; do
		[ "$(grep -c "^${c}[[:space:]]" "$tmp/table")" -ge 3 ] ||
			fail "$c: fewer than 3 lines in the table"
		grep -q "^$c .*--frobnicate" "$tmp/table" ||
			fail "$c: no unknown option in the table"
	done <"$tmp/levels"
}

help() {
	local level spelling got
	setup
	tool --help >/dev/null
	equal "help of all" "$(tool -h)" "$(tool --help)"
	equal "help by a word" "$(tool help)" "$(tool --help)"
	got=$(tool --version)
	[[ $got =~ ^ipmesh\ [0-9]+\.[0-9.]+$ ]] || fail "version: $got"
	equal "version" "$(tool -V)" "$got"
	levels >"$tmp/levels"
	for level in "link add" "peer flush" apply show; do
		grep -qx "$level" "$tmp/levels" || fail "no level $level in: $(<"$tmp/levels")"
	done
	while read -r level; do
		for spelling in --help -h; do
			# shellcheck disable=SC2086
			got=$(tool $level $spelling </dev/null 2>"$tmp/err") || fail "$level $spelling"
			contains "$level $spelling" "$got" "Usage: ipmesh ${level%% *}"
			[ ! -s "$tmp/err" ] || fail "$level $spelling: $(<"$tmp/err")"
			# a line of 80 columns, so that it is read on every terminal
			got=$(wc -L <<<"$got")
			[ "$got" -le 90 ] || fail "$level $spelling: $got columns wide"
		done
	done <"$tmp/levels"
}

run_tests bad complete help
