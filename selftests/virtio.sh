#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# An underlay of real network cards: two virtio-net devices on one wire, as
# "selftests/vm/run --wire" has them. No offload crosses it: every packet is on the
# wire as such, and arrives in pages that the card filled.
#
#     a 172.16.40.1 fd00::1 nic ======== nic 172.16.40.2 fd00::2 b
#       ipmesh0                            ipmesh0
#       10.244.1.1 fd10:1::1               10.244.2.1 fd10:2::1
#
# Proves, for both families outside and inside, bare and in UDP: packets and
# streams, also of the largest frames; both ends count the same, no checksum is
# wrong; streams are cut where the card needs it and merged where they arrive; a
# card that goes away and comes back.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# cards: their names, where this guest has two on a wire; none that another test
# gives to a device of its own
cards() {
	local dev driver name
	modprobe -q virtio_net || true
	for dev in /sys/class/net/*; do
		driver=$(readlink "$dev/device/driver") || continue
		[ "${driver##*/}" = virtio_net ] || continue
		name=card$(<"$dev/ifindex")
		[ "${dev##*/}" = "$name" ] || ip link set "${dev##*/}" down name "$name"
		echo "$name"
	done
}

# wired: nodes a and b with a card each, named nic
wired() {
	local card ns n=0
	[ "$(cards | wc -l)" -ge 2 ] || skip "this machine has no two virtio-net devices on a wire"
	setup_ns a b
	# shellcheck disable=SC2154 # set by setup_ns
	for ns in "$a" "$b"; do
		card=$(cards | head -n 1)
		ip link set "$card" netns "$ns" name nic
		n=$((n + 1))
		ip_batch "$ns" <<-END
			link set nic addrgenmode none mtu 1500
			link set nic up
			addr add 172.16.40.$n/24 dev nic
			addr add fd00::$n/64 dev nic nodad
		END
	done
}

# back: the cards to where they came from
back() {
	ip -n "$a" link set nic netns 1 name card-a
	ip -n "$b" link set nic netns 1 name card-b
}

over_wire() {
	local family=$1 address=$2 encap before
	wired
	mesh_nodes "$family"
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		ping_of "$a" "$address"
		before=$(packets "$a" nic tx)
		stream "$a" "$b" "$address" 500000
		stream "$b" "$a" "${other[$address]}" 100000
		# half a million bytes are more than 345 packets
		[ $(($(packets "$a" nic tx) - before)) -gt 345 ] ||
			fail "the card has sent more at once than fits the wire"
	done
	same_counts
	no_drops "$a" "$b"
	equal "wrong checksums" "$(bad_checksums "$a") $(bad_checksums "$b")" "0 0"
	back
}
declare -A other=([10.244.2.1]=10.244.1.1 [fd10:2::1]=fd10:1::1)

wire() {
	each_pair over_wire
}

# Where the card leaves it to GRO, IP receives less than comes by the wire.
merged() {
	local before packets
	wired
	mesh_nodes 4
	before=$(ip_receives "$b")
	stream "$a" "$b" 10.244.2.1 1000000
	packets=$(count "$b" ipmesh0 rx_packets)
	[ "$packets" -gt 690 ] || fail "the device counts buffers, not packets: $packets"
	before=$(($(ip_receives "$b") - before))
	[ "$before" -lt $((2 * packets)) ] ||
		fail "$packets packets made IP receive $before times, outer and inner"
	back
}

# The card moves away under a device that is bound to it, and comes back.
replugged() {
	wired
	mesh_nodes 4 dev nic
	ping_of "$a" 10.244.2.1
	ip -n "$a" link set nic down
	once "$a" 10.244.2.1
	ip_batch "$a" <<-END
		link set nic up
		addr replace 172.16.40.1/24 dev nic
	END
	ping_of "$a" 10.244.2.1
	counts "$a" ipmesh0 -- no_route=1 tx_dropped=1 tx_packets=6 rx_packets=6
	back
}

run_tests wire merged replugged
