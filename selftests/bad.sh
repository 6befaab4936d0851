#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Bad input for "ipmesh apply".
#
#     master: k8s-master 172.16.40.199, as apply has set it up
#
# Proves, for each line of fixtures/bad/cases.tsv: the exit status is the one
# that stands there, one line on standard error holds the text that stands
# there, nothing is printed else, and the kernel's state is as it was.
set -eu
. "$(dirname "$0")/lib.sh"

state() {
	mesh -n "$master" link get ipmesh0
	mesh -n "$master" peer list ipmesh0
	mesh -n "$master" peer get ipmesh0 172.16.40.198
	ip -n "$master" -4 -o addr
	ip -n "$master" -4 route show table all
	ip -n "$master" nexthop
	in_ns "$master" nft list ruleset
}

noted() {
	ip -n "$master" link set lo mtu $((60000 + RANDOM % 1000))
	[ -s "$tmp/monitor" ]
}

cases() {
	local line words status text before n=0 bad=0 rc got size
	setup_ns master
	ip -n "$master" link add ens160 type dummy
	ip_batch "$master" <<-END
		link set ens160 up
		addr add 172.16.40.199/24 dev ens160
	END
	mesh -n "$master" exec sysctl -qw net.ipv4.ip_forward=1 \
		net.ipv6.conf.ens160.disable_ipv6=1
	in_ns "$master" env -C "$here/fixtures/seed" ipmesh apply -f calico-nodes.yaml \
		-f calico-ippools.yaml --node k8s-master >/dev/null
	before=$(state)
	start "$master" ip monitor link address route nexthop rule >"$tmp/monitor" 2>&1
	busywait noted
	# and has told of all of these
	ip -n "$master" link set lo mtu 50000
	busywait file_has "$tmp/monitor" "mtu 50000"
	size=$(stat -c %s "$tmp/monitor")
	while IFS= read -r line; do
		case $line in
		'#'*) continue ;;
		esac
		# the words may be none, and a tab beside another is one to read
		words=${line%%$'\t'*}
		text=${line#*$'\t'}
		status=${text%%$'\t'*}
		text=${text#*$'\t'}
		n=$((n + 1))
		rc=0
		set -f
		# shellcheck disable=SC2086
		got=$(mesh -n "$master" exec env -C "$here/fixtures/bad" ipmesh apply $words 2>&1) || rc=$?
		set +f
		if [ "$rc" != "$status" ]; then
			echo "apply $words: status $rc, not $status: $got"
			bad=$((bad + 1))
		elif [[ $got != *"$text"* ]]; then
			echo "apply $words: \"$got\" has no \"$text\""
			bad=$((bad + 1))
		elif [[ $got == *$'\n'* ]]; then
			echo "apply $words: more than one line: \"$got\""
			bad=$((bad + 1))
		fi
		[ "$(stat -c %s "$tmp/monitor")" = "$size" ] ||
			fail "apply $words: has changed: $(tail -n 5 "$tmp/monitor")"
	done <"$here/fixtures/bad/cases.tsv"
	# what it has not told yet comes before this
	ip -n "$master" link set lo mtu 40000
	busywait file_has "$tmp/monitor" "mtu 40000"
	got=$(tail -c "+$((size + 1))" "$tmp/monitor" | grep -v -e '^[0-9]*: lo:' -e '^    link/loopback' || true)
	equal "what ip monitor saw" "$got" ""
	[ "$n" -ge 100 ] || fail "only $n cases"
	equal "bad cases of $n" "$bad" 0
	equal "state" "$(state)" "$before"
}

run_tests cases
