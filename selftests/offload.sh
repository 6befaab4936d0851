#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a sender leaves to the device: checksums, and packets of many segments.
#
#     a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#       ipmesh0                        ipmesh0
#       10.244.1.1 fd10:1::1           10.244.2.1 fd10:2::1
#
# Proves, for both families outside and inside, bare and in UDP: streams are
# whole with tx, tso, gso and gro off and on, on the device and on the underlay,
# and both ends count the same; packets are merged by GRO where nothing but GRO
# can; UDP GSO, cut by the link and before it; taps on the underlay and on the
# device, which share the buffers, do not change a stream; no checksum is wrong.
# shellcheck disable=SC2016 # what awk expands
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

switched() {
	local family=$1 address=$2 encap feature dev
	nodes
	mesh_nodes "$family"
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		for feature in "tso gso gro" tx; do
			for dev in ipmesh0 eth0; do
				# shellcheck disable=SC2086
				offload "$a" "$dev" $feature off
				# shellcheck disable=SC2086
				offload "$b" "$dev" $feature off
			done
			stream "$a" "$b" "$address" 100000
		done
		for dev in ipmesh0 eth0; do
			offload "$a" "$dev" tx tso gso gro on
			offload "$b" "$dev" tx tso gso gro on
		done
		stream "$a" "$b" "$address" 100000
	done
	same_counts
	no_drops "$a" "$b"
	equal "wrong checksums" "$(bad_checksums "$a") $(bad_checksums "$b")" "0 0"
}

features() {
	each_pair switched
}

# Packets that are single on the link are merged at the other end: what IP
# receives there, outer and inner, is less than what the device counts.  TCP gives
# many at once, however slow the CPU is.
merged() {
	local family=$1 address=$2 encap before packets
	nodes
	mesh_nodes "$family"
	offload "$a" eth0 tso gso off
	merges "$b" eth0
	in_ns "$a" sysctl -qw net.ipv4.tcp_min_tso_segs=32
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		before=$(ip_receives "$b")
		packets=$(count "$b" ipmesh0 rx_packets)
		stream "$a" "$b" "$address" 1000000
		packets=$(($(count "$b" ipmesh0 rx_packets) - packets))
		[ "$packets" -gt $((1000000 / 1460)) ] || fail "the device counts buffers, not packets: $packets"
		before=$(($(ip_receives "$b") - before))
		[ "$before" -lt "$packets" ] ||
			fail "$packets packets in $encap made IP receive $before times"
		busywait same_count tx_packets rx_packets
	done
	no_drops "$a" "$b"
}

gro() {
	each_pair merged
}

# One call of the sender, many datagrams, one buffer on the link.
datagrams() {
	local family=$1 address=$2 encap before got
	nodes
	mesh_nodes "$family"
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		ping_of "$a" "$address"
		before=$(count "$b" ipmesh0 rx_packets)
		got=$(packets "$a" eth0 tx)
		in_ns "$a" packet gso "$address" 20 1000
		busywait is $((before + 20)) count "$b" ipmesh0 rx_packets
		got=$(($(packets "$a" eth0 tx) - got))
		[ "$got" -lt 10 ] || ! knows_feature "$a" tx-udp-segmentation || fail "cut before the link"
		# and cut by software
		offload "$a" eth0 tx-udp-segmentation off 2>/dev/null || true
		offload "$a" eth0 gso off
		in_ns "$a" packet gso "$address" 20 1000
		busywait is $((before + 40)) count "$b" ipmesh0 rx_packets
		offload "$a" eth0 gso on
		offload "$a" eth0 tx-udp-segmentation on 2>/dev/null || true
	done
	no_drops "$a" "$b"
	equal "wrong checksums" "$(bad_checksums "$b")" 0
}

udp_gso() {
	each_pair datagrams
}

# Clones: a tap on every device of the way while the stream runs.
tapped() {
	local family=$1 address=$2 ns dev
	nodes
	mesh_nodes "$family"
	for ns in "$a" "$b"; do
		for dev in eth0 ipmesh0; do
			: >"$tmp/err"
			start "$ns" tcpdump -i "$dev" -n -w /dev/null >/dev/null 2>"$tmp/err"
			busywait file_has "$tmp/err" "listening on"
		done
	done
	stream "$a" "$b" "$address" 1000000
	encap "$a" udp
	encap "$b" udp
	stream "$a" "$b" "$address" 1000000
	same_counts
	no_drops "$a" "$b"
	equal "wrong checksums" "$(bad_checksums "$a") $(bad_checksums "$b")" "0 0"
}

taps() {
	each_pair tapped
}

run_tests features gro udp_gso taps
