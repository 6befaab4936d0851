#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# show.sh [PEERS]: what the commands that read take with many peers of three
# CIDRs each, in a guest; "make bench-show". Prints a line a command: seconds of
# the clock, of the program and of the kernel, and the bytes that it printed.
# A second line with twice the peers tells what grows faster than they do.
set -eu

peers=${1:-5000}
ns=bench-show-$$
tmp=$(mktemp -d)
trap 'ip netns del "$ns"; rm -rf "$tmp"' EXIT

# document PEERS
document() {
	local i
	printf 'apiVersion: ipmesh/v1\nkind: Device\nmetadata: {name: ipmesh0}\nspec:\n'
	printf '  local: 10.0.0.1\n  peers:\n'
	for ((i = 0; i < $1; i++)); do
		printf '  - {name: node-%d, endpoint: 10.%d.%d.2, cidrs: [100.%d.%d.0/24, 101.%d.%d.0/24, 102.%d.%d.0/24]}\n' \
			$i $((i >> 8)) $((i & 255)) $((64 + (i >> 8))) $((i & 255)) \
			$((i >> 8)) $((i & 255)) $((i >> 8)) $((i & 255))
	done
}

ip netns add "$ns"
ip -n "$ns" link set lo up
ip -n "$ns" link add eth0 type dummy
ip -n "$ns" addr add 10.0.0.1/8 dev eth0
ip -n "$ns" link set eth0 up
printf '%-24s %7s %8s %8s %8s %10s\n' COMMAND PEERS REAL USER SYS BYTES
for n in "$peers" $((peers * 2)); do
	document "$n" >"$tmp/doc"
	ip netns exec "$ns" ipmesh apply -f "$tmp/doc" >/dev/null
	for words in show "-s show" "-j show" "peer show 10.0.9.2" metrics export "-j export" \
		"top -b -n 1 -d 0.1"; do
		TIMEFORMAT='%R %U %S'
		# shellcheck disable=SC2086
		{ time ip netns exec "$ns" ipmesh $words >"$tmp/out"; } 2>"$tmp/time"
		read -r real user sys < <(tail -n 1 "$tmp/time")
		printf '%-24s %7d %8s %8s %8s %10d\n' "$words" "$n" "$real" "$user" "$sys" \
			"$(stat -c %s "$tmp/out")"
	done
done
