#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The plug-in of ip(8), link_ipmesh.so, with the stock ip of this system.
#
#     a: 172.16.40.1 eth0 (dummy), ipmesh0
#
# Proves: each word of a device arrives at the kernel as raw netlink reads it,
# with add and with set; what "ip -d link show" prints makes the same device
# again; its JSON says what "ipmesh -j link show" says, key by key; drops are
# told by cause; help knows every word; what is wrong is told and makes nothing.
set -eu
. "$(dirname "$0")/lib.sh"

setup() {
	[ -n "$(find /usr/lib -name link_ipmesh.so)" ] || skip "link_ipmesh.so is not installed"
	setup_ns a
	ip_batch "$a" <<-END
		link add eth0 type dummy
		link set eth0 up
		addr add 172.16.40.1/24 dev eth0
	END
}

# has DEV KEY VALUE…: the kernel's device
has() {
	local got
	got=$'\n'$(mesh -n "$a" link get "$1")$'\n'
	shift
	while [ $# -gt 0 ]; do
		contains "attributes" "$got" $'\n'"$1 $2"$'\n'
		shift 2
	done
}

# data DEV: what the plug-in prints, without the kind
data() {
	ip -n "$a" -d link show "$1" | sed -n 's/^ *ipmesh \(local .*\)/\1/p' |
		sed 's/ addrgenmode.*//; s/ numtxqueues.*//; s/ *$//'
}

words() {
	setup
	ip -n "$a" link add ipmesh0 type ipmesh local 172.16.40.199 peers strict ttl 32
	has ipmesh0 local 172.16.40.199 peers strict ttl 32 dscp inherit pmtudisc on \
		mtu_auto on encap none dport 5555
	ip -n "$a" link set ipmesh0 type ipmesh local 172.16.40.1 dev eth0 peers open ttl inherit \
		dscp 46 pmtudisc off fwmark 0x10 max_peers 9
	has ipmesh0 local 172.16.40.1 dev eth0 peers open ttl inherit dscp 46 pmtudisc off \
		fwmark 16 max_peers 9
	# what is not named stays
	ip -n "$a" link set ipmesh0 type ipmesh encap udp dport 6000 sport 7 csum on
	has ipmesh0 local 172.16.40.1 peers open dscp 46 encap udp dport 6000 sport 7 csum on \
		notrack off rpf on
	ip -n "$a" link set ipmesh0 type ipmesh notrack on rpf off
	has ipmesh0 csum on notrack on rpf off
	ip -n "$a" link set ipmesh0 mtu 1400
	has ipmesh0 mtu 1400 mtu_auto off
	ip -n "$a" link set ipmesh0 type ipmesh mtu auto
	has ipmesh0 mtu_auto on
	ip -n "$a" link add m6 mtu 1300 type ipmesh local 2001:db8::1
	has m6 local 2001:db8::1 mtu 1300 mtu_auto off
}

# every word of the table, from the help of the tool
table() {
	in_ns "$a" ipmesh link --help | sed -n '/^Words:/,/^  address/s/^  \([a-z_]*\) .*/\1/p' |
		grep -vx address
}

again() {
	local before word
	setup
	ip -n "$a" link add ipmesh0 type ipmesh local 172.16.40.1 dev eth0 peers open ttl inherit \
		dscp 46 pmtudisc off fwmark 0x10 max_peers 9 encap udp dport 6000 sport 7 csum on \
		notrack on rpf off
	before=$(data ipmesh0)
	for word in $(table) peer_count; do
		contains "shown" " $before " " $word "
	done
	ip -n "$a" link del ipmesh0
	# shellcheck disable=SC2086
	ip -n "$a" link add ipmesh0 type ipmesh ${before/ peer_count 0/}
	equal "made again" "$(data ipmesh0)" "$before"
	has ipmesh0 local 172.16.40.1 ttl inherit dport 6000 csum on notrack on rpf off
}

# the same facts under the same names
same_json() {
	local theirs ours
	theirs=$(ip -n "$a" -d -j link show ipmesh0 | jq -cS '.[0].linkinfo.info_data')
	# shellcheck disable=SC2016 # $t is jq's
	ours=$(in_ns "$a" ipmesh -j link show ipmesh0 |
		jq -cS --argjson t "$theirs" '.[0] | with_entries(select(.key | in($t)))')
	equal "JSON" "$theirs" "$ours"
	equal "number of keys" "$(jq length <<<"$theirs")" "$(($(table | wc -l) + 1))"
}

json() {
	setup
	ip -n "$a" link add ipmesh0 type ipmesh
	same_json
	equal "kind" "$(ip -n "$a" -d -j link show ipmesh0 | jq -r '.[0].linkinfo.info_kind')" ipmesh
	ip -n "$a" link set ipmesh0 mtu 1400 type ipmesh local 172.16.40.1 dev eth0 peers open \
		ttl inherit dscp 46 pmtudisc off fwmark 0x10 max_peers 9 encap udp dport 6000 \
		sport 7 csum on notrack on rpf off
	mesh -n "$a" peer new ipmesh0 172.16.40.2
	same_json
}

drops() {
	local got
	setup
	ip -n "$a" link add ipmesh0 type ipmesh
	ip_batch "$a" <<-END
		link set ipmesh0 up
		addr add 10.244.1.1/32 dev ipmesh0
		route add 10.244.2.0/24 dev ipmesh0
	END
	lacks "no drops" "$(ip -n "$a" -s -d link show ipmesh0)" "drops:"
	silent "$a" 10.244.2.1
	contains "drops" "$(ip -n "$a" -s -d link show ipmesh0)" "drops: no_peer 1"
	got=$(ip -n "$a" -s -d -j link show ipmesh0 | jq -cS '.[0].linkinfo.info_xstats')
	equal "drops in JSON" "$got" "$(in_ns "$a" ipmesh -j link show ipmesh0 | jq -cS '.[0].drops')"
}

help() {
	local got word
	setup
	got=$(ip link help ipmesh 2>&1)
	contains "usage" "$got" "type ipmesh"
	for word in $(table); do
		contains "usage" "$got" "[ $word "
		contains "words" "$got" $'\n\t'"$word "
	done
	# ip ends with a failure, as with kinds of its own
	got=$(ip -n "$a" link add ipmesh0 type ipmesh help 2>&1) || true
	contains "help among words" "$got" "type ipmesh"
	refused "" ip -n "$a" link show ipmesh0
}

bad() {
	local text words
	setup
	while IFS='|' read -r text words; do
		# shellcheck disable=SC2086
		refused "$text" ip -n "$a" link add ipmesh0 type ipmesh $words
	done <<-END
		unknown word "frobnicate"|frobnicate
		unknown word "peer_count"|peer_count 1
		"ttl" needs a value: 1-255|ttl
		say 1-255 or inherit|ttl 0
		say 1-255 or inherit|ttl 0x
		say 1-255 or inherit|ttl -1
		duplicate "ttl"|ttl 3 ttl 4
		say strict or open|peers closed
		not an IPv4 or IPv6 address|local 172.16.40
		not the address of a host|local 224.0.0.1
		there is no device "eth9"|dev eth9
		a number stands before "type"|mtu 1400
		say on or off|csum maybe
		say on or off|notrack 1
	END
	refused "" ip -n "$a" link show ipmesh0
}

run_tests words again json drops help bad
