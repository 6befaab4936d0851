# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced after lib.sh by the tests of "ipmesh apply": two hosts of the reference
# cluster, and whether anything there changes.
#
#     master: k8s-master 172.16.40.199 ens160 ===== ens160 172.16.40.198 :node1

# What paths behind apply's -f are relative to.
docs=$here/fixtures/seed

hosts() {
	setup_ns master node1
	wire "$master" ens160 172.16.40.199/24 "$node1" ens160 172.16.40.198/24
	# what the kernel makes up by itself would be seen, some time
	mesh -n "$master" exec sysctl -qw net.ipv4.ip_forward=1 \
		net.ipv6.conf.{default,ens160}.addr_gen_mode=1 net.ipv6.conf.ens160.disable_ipv6=1
	mesh -n "$node1" exec sysctl -qw net.ipv4.ip_forward=1
	busywait operational "$master" ens160
	busywait operational "$node1" ens160
}

# apply NS [WORD]…: paths are relative to the docs
apply() {
	local ns=$1
	shift
	mesh -n "$ns" exec env -C "$docs" ipmesh apply "$@"
}

# routes NS: those of apply, without the numbers of nexthops
routes() {
	ip -n "$1" route show proto ipmesh | sed 's/nhid [0-9]* //; s/ *$//' | sort
}

# state NS: all that apply could have to do with
state() {
	mesh -n "$1" link get ipmesh0
	mesh -n "$1" peer list ipmesh0
	mesh -n "$1" peer get ipmesh0 172.16.40.198
	ip -n "$1" -4 -o addr show dev ipmesh0
	ip -n "$1" -4 route show table all
	ip -n "$1" nexthop
	ip -n "$1" rule
	in_ns "$1" nft list ruleset
}

# quiet_begin NS: from now on what changes is noted
quiet_begin() {
	: >"$tmp/monitor"
	: >"$tmp/nft"
	start "$1" ip monitor link address route nexthop rule >"$tmp/monitor" 2>&1
	start "$1" stdbuf -oL nft monitor >"$tmp/nft" 2>&1
	# both listen when they tell of a change of ours
	busywait noted "$1" link "$tmp/monitor"
	busywait noted "$1" table "$tmp/nft"
}

# noted NS KIND FILE: make a change, and see whether it was noted
marks=0
noted() {
	marks=$((marks + 1))
	case $2 in
	link) ip -n "$1" link set lo mtu $((60000 + marks)) ;;
	table) in_ns "$1" nft "add table ip mark$marks" ;;
	esac
	[ -s "$3" ]
}

# which is the last line of each
generation_told() {
	[[ $(tail -n 1 "$tmp/nft") == "# new generation"* ]]
}

# quiet_end NS: nothing but our marks has been noted
quiet_end() {
	ip -n "$1" link set lo mtu 50000
	busywait file_has "$tmp/monitor" "mtu 50000"
	in_ns "$1" nft "add table ip last"
	busywait file_has "$tmp/nft" "table ip last"
	busywait generation_told
	equal "what ip monitor saw" \
		"$(grep -v -e '^[0-9]*: lo:' -e '^    link/loopback' "$tmp/monitor" || true)" ""
	equal "what nft monitor saw" \
		"$(grep -v -e 'table ip mark' -e 'table ip last' -e '^# new generation' "$tmp/nft" || true)" ""
	equal "generations of nft" "$(grep -c '^# new generation' "$tmp/nft")" \
		"$(grep -c -e 'add table' "$tmp/nft")"
}
