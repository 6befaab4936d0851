#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh metrics": what Prometheus reads.
#
#     a: 172.16.40.1 eth0 ===== eth0 172.16.40.2 :b
#        ipmesh0, 10.244.1.1                ipmesh0, 10.244.2.1
#
# Proves: after known traffic each counter has its exact value, of devices, peers
# and causes of drops; a name is escaped as the format wants it; promtool, which
# is Prometheus' own, finds nothing to say, not even with odd names, nor without
# a device.
set -eu
. "$(dirname "$0")/lib.sh"

# metrics [WORD]…: of a
metrics() {
	mesh -n "$a" exec ipmesh metrics "$@"
}

# has LABELS METRIC WANTED…: of $got
has() {
	local labels=$1
	shift
	while [ $# -gt 0 ]; do
		equal "$1" "$(grep -F "ipmesh_$1{$labels}" <<<"$got" | cut -d' ' -f2-)" "$2"
		shift 2
	done
}

values() {
	local got heard before
	local peer='device="ipmesh0",peer="172.16.40.2",name="b"'
	two_nodes
	mesh -n "$a" peer set ipmesh0 172.16.40.2 name b
	mesh -n "$a" peer new ipmesh0 172.16.40.9 cidr 10.244.9.0/24 cidr 10.244.10.0/24
	got=$(metrics)
	has "$peer" peer_last_heard_timestamp_seconds 0.000 peer_receive_packets_total 0
	before=$EPOCHSECONDS
	pings "$a" 10.244.2.1 size 172
	# what the other end sends from an address that is not its own
	mesh -n "$b" raw src 172.16.40.2 dst 172.16.40.1 isrc 10.244.77.1 idst 10.244.1.1
	busywait is 1 count "$a" ipmesh0 src_not_allowed 172.16.40.2
	got=$(metrics)
	has "$peer" peer_receive_packets_total 3 peer_receive_bytes_total 600 \
		peer_transmit_packets_total 3 peer_transmit_bytes_total 600 \
		peer_cidrs 1 peer_icmp_errors_total 0
	has "$peer,cause=\"src_not_allowed\"" peer_drops_total 1
	has 'device="ipmesh0",peer="172.16.40.9",name=""' peer_receive_packets_total 0 \
		peer_cidrs 2 peer_last_heard_timestamp_seconds 0.000
	has 'device="ipmesh0"' device_up 1 device_mtu_bytes 1480 device_peers 2 \
		device_peers_limit 65536 device_receive_packets_total 3 \
		device_transmit_bytes_total 600
	has 'device="ipmesh0",cause="src_not_allowed"' device_drops_total 1
	has 'device="ipmesh0",cause="no_peer"' device_drops_total 0
	contains "info" "$got" 'ipmesh_device_info{device="ipmesh0",local="any",lower="none",peers_mode="strict",ttl="64",dscp="inherit",encap="none",dport="5555",mtu="auto"} 1'
	# the module's clock has coarse ticks, which a machine that stands still misses
	heard=$(grep -F "timestamp_seconds{$peer}" <<<"$got" | cut -d' ' -f2)
	if ! [[ $heard =~ ^[0-9]+\.[0-9]{3}$ ]] || [ "${heard%.*}" -lt $((before - 60)) ] ||
		[ "${heard%.*}" -gt $((EPOCHSECONDS + 60)) ]; then
		fail "heard at $heard, and it is $EPOCHREALTIME"
	fi
	equal "causes of the peer" "$(grep -c 'peer_drops_total{.*172.16.40.2' <<<"$got")" 1
	ip -n "$a" link set ipmesh0 down
	got=$(metrics ipmesh0)
	has 'device="ipmesh0"' device_up 0
}

escapes() {
	local got
	setup_ns a
	mesh -n "$a" link add ipmesh0
	mesh -n "$a" peer new ipmesh0 172.16.40.2 name 'a"b\c'
	mesh -n "$a" peer new ipmesh0 172.16.40.3 name $'x\ny'
	mesh -n "$a" peer new ipmesh0 172.16.40.4 name $'\xff節\xe7'
	got=$(metrics)
	contains "quote and backslash" "$got" 'peer="172.16.40.2",name="a\"b\\c"}'
	contains "newline" "$got" 'peer="172.16.40.3",name="x\ny"}'
	contains "UTF-8" "$got" 'peer="172.16.40.4",name="�節�"}'
}

promtool() {
	local tool=$here/../prometheus/promtool
	[ -x "$tool" ] || skip "no promtool is beside the tests; scripts/fetch-promtool gets it, make check adds it"
	two_nodes
	pings "$a" 10.244.2.1
	mesh -n "$a" peer new ipmesh0 172.16.40.3 name 'a"b\c'
	mesh -n "$a" peer new ipmesh0 172.16.40.4 name $'\xff節\xe7\nx'
	mesh -n "$a" exec ipmesh link add ipmesh1 peers open local 172.16.40.1
	silent "$a" 10.244.99.1
	metrics >"$tmp/metrics"
	"$tool" check metrics <"$tmp/metrics" >"$tmp/out" 2>&1 || fail "promtool: $(cat "$tmp/out")"
	equal "what promtool says" "$(cat "$tmp/out")" ""
	# it does look
	sed 's/^# HELP ipmesh_device_up.*//' "$tmp/metrics" | "$tool" check metrics >"$tmp/out" 2>&1 || true
	contains "what promtool says of a metric without help" "$(cat "$tmp/out")" "no help text"
	ip -n "$a" link del ipmesh0
	ip -n "$a" link del ipmesh1
	equal "without a device" "$(metrics)" ""
}

run_tests values escapes promtool
