#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The program: its words, its errors, its JSON, and what it does to the kernel.
#
#     a: 172.16.40.1 eth0 (dummy), ipmesh0
#
# Proves: each verb has its help; what is wrong is told in one line and with
# status 2 before anything is done, what the kernel refuses with status 1 and
# the kernel's sentence; each attribute arrives at the kernel as raw netlink
# reads it; peers come with their nexthops and routes and go with them; JSON
# parses and has what the text has.
set -eu
. "$(dirname "$0")/lib.sh"

setup() {
	setup_ns a
	ip -n "$a" link add eth0 type dummy
	ip_batch "$a" <<-END
		link set eth0 up
		addr add 172.16.40.1/24 dev eth0
	END
}

# tool WORD…
tool() {
	mesh -n "$a" exec ipmesh "$@"
}

# wrong STATUS TEXT WORD…: refused so, in one line
wrong() {
	local status=$1 text=$2 rc=0 got
	shift 2
	got=$(tool "$@" 2>&1) || rc=$?
	equal "status of ipmesh $*: $got" "$rc" "$status"
	contains "ipmesh $*" "$got" "$text"
	case $got in
	*$'\n'*) fail "ipmesh $*: more than one line: $got" ;;
	esac
}

help() {
	local words got
	setup
	while read -r words; do
		# shellcheck disable=SC2086
		got=$(tool $words --help)
		contains "ipmesh $words --help" "$got" "Usage: ipmesh"
	done <<-END

		show
		link
		link add
		link set
		link del
		link show
		peer
		peer add
		peer set
		peer del
		peer show
		peer flush
		apply
		export
		monitor
		metrics
		top
		doctor
		probe
	END
	contains "version" "$(tool -V)" ipmesh
}

usage() {
	local text words
	setup
	tool link add ipmesh0
	while IFS='|' read -r text words; do
		# shellcheck disable=SC2086
		wrong 2 "$text" $words
	done <<-END
		frobnicate|frobnicate
		frobnicate|link frobnicate
		frobnicate|peer frobnicate
		mtu|link add ipmesh1 mtu
		mtu|link add ipmesh1 mtu 67
		mtu|link add ipmesh1 mtu x
		ttl|link add ipmesh1 ttl 0
		ttl|link add ipmesh1 ttl 256
		ttl|link add ipmesh1 ttl 5 ttl 6
		dscp|link add ipmesh1 dscp 64
		peers|link add ipmesh1 peers closed
		pmtudisc|link add ipmesh1 pmtudisc maybe
		local|link add ipmesh1 local 172.16.40.300
		word|link add ipmesh1 word
		address|link add ipmesh1 address 10.244.0.1/33
		172.16.40|peer add 172.16.40
		host bits|peer add 172.16.40.2 cidr 10.244.2.1/24
		length|peer add 172.16.40.2 cidr 10.244.2.0/33
		cidr|peer add 172.16.40.2 cidr
		name|peer add 172.16.40.2 name a name b
		word|peer add 172.16.40.2 word
		-f|apply
		frobnicate|doctor ipmesh0 frobnicate
		--frobnicate|doctor --frobnicate
		--fix|doctor --fix --fix
		--root|doctor --root
		--root|doctor --root / --root /
		is not a device|doctor a/b
		PEER|probe
		count|probe 172.16.40.2 count 0
		to|probe 172.16.40.2 to 172.16.40
	END
	equal "devices" "$(ip -n "$a" -br link show type ipmesh | wc -l)" 1
	prints "" mesh -n "$a" peer list ipmesh0
}

# has KEY VALUE…: the kernel's device
has() {
	local got
	got=$'\n'$(mesh -n "$a" link get ipmesh0)$'\n'
	while [ $# -gt 0 ]; do
		contains "attributes" "$got" $'\n'"$1 $2"$'\n'
		shift 2
	done
}

attributes() {
	setup
	tool link add
	equal "state" "$(ip -n "$a" -br link show dev ipmesh0 up | wc -l)" 1
	has local 0.0.0.0 peers strict ttl 64 dscp inherit pmtudisc on mtu_auto on
	tool link set ipmesh0 local 172.16.40.1 dev eth0 peers open ttl 7 dscp 46 pmtudisc off \
		fwmark 0x10 max_peers 9 mtu 1400
	has local 172.16.40.1 dev eth0 peers open ttl 7 dscp 46 pmtudisc off fwmark 16 \
		max_peers 9 mtu 1400 mtu_auto off
	tool link set ipmesh0 local any dev none peers strict ttl inherit dscp inherit \
		pmtudisc on fwmark 0 mtu auto
	has local 0.0.0.0 dev 0 peers strict ttl inherit dscp inherit pmtudisc on fwmark 0 \
		max_peers 9 mtu 1480 mtu_auto on
	# the number that it is pins it too
	tool link set ipmesh0 mtu 1480
	has mtu 1480 mtu_auto off
	tool link set ipmesh0 address 10.244.1.1/32
	contains "address" "$(ip -n "$a" addr show dev ipmesh0)" "inet 10.244.1.1/32"
	tool link set ipmesh0 down
	equal "state" "$(ip -n "$a" -br link show dev ipmesh0 up | wc -l)" 0
	tool link del ipmesh0
	wrong 1 "ipmesh0" link del ipmesh0
	wrong 1 "ipmesh0" link set ipmesh0 ttl 3
	# a device of another kind is none of ours
	wrong 1 "eth0" link set eth0 ttl 3
	wrong 1 "eth0" link del eth0
	ip -n "$a" link show eth0 >/dev/null
}

peers() {
	local routes
	setup
	tool link add ipmesh0 local 172.16.40.1 address 10.244.1.1/32
	tool peer add 172.16.40.2 name b cidr 10.244.2.0/24 cidr 10.244.3.0/24
	prints "name b
cidr 10.244.2.0/24
cidr 10.244.3.0/24" mesh -n "$a" peer get ipmesh0 172.16.40.2
	routes=$(ip -n "$a" route)
	contains "routes" "$routes" "10.244.2.0/24 nhid"
	contains "routes" "$routes" "10.244.3.0/24 nhid"
	contains "routes" "$routes" "via 172.16.40.2 dev ipmesh0 proto ipmesh"
	equal "nexthops" "$(ip -n "$a" nexthop | wc -l)" 1
	wrong 1 "The device has a peer with this endpoint already" peer add 172.16.40.2
	# the kernel says which peer, or the tool finds out
	wrong 1 "Peer 172.16.40.2 b holds this pod CIDR; say move to take it" \
		peer add 172.16.40.3 cidr 10.244.4.0/24 cidr 10.244.3.0/24
	prints 172.16.40.2 mesh -n "$a" peer list ipmesh0
	lacks "routes" "$(ip -n "$a" route)" 10.244.4.0
	tool peer add 172.16.40.3 cidr 10.244.3.0/24 move
	prints "cidr 10.244.3.0/24" mesh -n "$a" peer get ipmesh0 172.16.40.3
	contains "routes" "$(ip -n "$a" route show 10.244.3.0/24)" "via 172.16.40.3"
	tool peer set 172.16.40.2 name bb nocidr 10.244.2.0/24 cidr 10.244.5.0/24
	prints "name bb
cidr 10.244.5.0/24" mesh -n "$a" peer get ipmesh0 172.16.40.2
	routes=$(ip -n "$a" route)
	lacks "routes" "$routes" 10.244.2.0
	contains "routes" "$routes" "10.244.5.0/24 nhid"
	wrong 1 "172.16.40.9" peer del 172.16.40.9
	tool peer del 172.16.40.2
	lacks "routes" "$(ip -n "$a" route)" 10.244.5.0
	tool peer add 172.16.40.4 cidr 10.244.6.0/24 noroute
	lacks "routes" "$(ip -n "$a" route)" 10.244.6.0
	tool peer flush
	prints "" mesh -n "$a" peer list ipmesh0
	lacks "routes" "$(ip -n "$a" route)" "proto ipmesh"
	equal "nexthops" "$(ip -n "$a" nexthop | wc -l)" 0
}

json() {
	local words
	setup
	tool link add ipmesh0 local 172.16.40.1 ttl 9 address 10.244.1.1/32
	tool peer add 172.16.40.2 name 'b "quoted" \ name' cidr 10.244.2.0/24
	silent "$a" 10.244.2.1
	while read -r words; do
		# shellcheck disable=SC2086
		tool -j $words >"$tmp/json"
		jq -e . "$tmp/json" >/dev/null || fail "ipmesh -j $words: $(cat "$tmp/json")"
	done <<-END

		show
		-s show
		show ipmesh0
		link show
		peer show
		peer show 172.16.40.2
	END
	tool -j peer show >"$tmp/json"
	equal "name" "$(jq -r '.. | .name? // empty' "$tmp/json" | grep quoted)" 'b "quoted" \ name'
	contains "endpoint" "$(jq -c . "$tmp/json")" '"172.16.40.2"'
	contains "CIDR" "$(jq -c . "$tmp/json")" '"10.244.2.0/24"'
	tool -j link show >"$tmp/json"
	contains "ttl" "$(jq -c . "$tmp/json")" '"ttl":9'
	equal "packets" "$(tool -j show | jq '[.. | .tx_packets? // empty] | max')" \
		"$(count "$a" ipmesh0 tx_packets 172.16.40.2)"
	tool -j apply -f "$here/fixtures/seed/ipmesh-k8s-master.yaml" --dry-run 2>&1 |
		sed -n '/^{/,$p' | jq -e '.dry_run and (.changes | length > 0)' >/dev/null || fail "apply -j --dry-run"
}

# The text has what the kernel has; bare "ipmesh" shows it.
text() {
	local got
	setup
	tool link add ipmesh0 local 172.16.40.1 address 10.244.1.1/32
	tool peer add 172.16.40.2 name b cidr 10.244.2.0/24
	got=$(tool)
	equal "bare" "$got" "$(tool show)"
	contains "show" "$got" ipmesh0
	contains "show" "$got" 172.16.40.2
	contains "show" "$got" 10.244.2.0/24
	contains "show" "$got" 1480
	contains "link show" "$(tool link show)" 172.16.40.1
	contains "netns" "$(mesh exec ipmesh -n "$a" peer show)" 172.16.40.2
}

unprivileged() {
	setup
	tool link add ipmesh0
	tool peer add 172.16.40.2
	got=$(mesh -n "$a" exec setpriv --reuid 65534 --clear-groups ipmesh peer del 172.16.40.2 2>&1) &&
		fail "an unprivileged user has removed a peer"
	contains "refusal" "$got" "ermi"
	contains "show" "$(mesh -n "$a" exec setpriv --reuid 65534 --clear-groups ipmesh show)" 172.16.40.2
}

# old WORD…: the tool, with a module that does not know of notrack
old() {
	mesh -n "$a" exec env "LD_PRELOAD=$here/older.so" ipmesh "$@"
}

# document NOTRACK
document() {
	printf '%s\n' "apiVersion: ipmesh/v1" "kind: Device" "metadata: {name: ipmesh0}" \
		"spec: {local: 172.16.40.1, ttl: 6, notrack: $1}" >"$tmp/$1.yaml"
}

# What a peer lacks is refused as a whole.
older_module_peer() {
	setup
	tool link add ipmesh0
	refused "older than this command: load the one that came with it" \
		old peer add 172.16.40.2 dev ipmesh0 cidr 10.244.2.0/24 noroute
	contains "peers" "$(tool peer show)" "no peers"
	old peer add 172.16.40.2 dev ipmesh0 cidr 10.244.2.0/24
	contains "peers" "$(tool peer show)" 10.244.2.0/24
}

# The kernel passes over attributes that the module does not know of.
older_module() {
	local text='does not know "notrack"' before
	setup
	document true
	document false
	refused "$text" old link add ipmesh0 notrack on address 10.244.1.1/32
	refused "does not exist" ip -n "$a" link show ipmesh0
	refused "$text" old apply -f "$tmp/true.yaml"
	refused "does not exist" ip -n "$a" link show ipmesh0
	# what it knows, and what is as it does without
	old link add ipmesh0 ttl 5 notrack off
	before=$(mesh -n "$a" link get ipmesh0)
	contains "the device" "$before" "ttl 5"
	refused "$text" old link set ipmesh0 ttl 7 notrack on address 10.244.1.1/32
	refused "$text" old apply -f "$tmp/true.yaml"
	equal "the device" "$(mesh -n "$a" link get ipmesh0)" "$before"
	lacks "addresses" "$(ip -n "$a" addr show ipmesh0)" inet
	old link set ipmesh0 ttl 7 notrack off
	contains "the device" "$(mesh -n "$a" link get ipmesh0)" "ttl 7"
	old apply -f "$tmp/false.yaml" >"$tmp/done"
	contains "the device" "$(mesh -n "$a" link get ipmesh0)" "ttl 6"
	contains "again" "$(old apply -f "$tmp/false.yaml" 2>/dev/null)" "no changes"
	tool link set ipmesh0 notrack on
}

run_tests help usage attributes peers json text unprivileged older_module older_module_peer
