#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Traffic on a path that is narrower than its first link.
#
#     pod 10.244.1.7 -- a .40.1 ---- .40.9 r .50.9 ---- .50.2 b -- pod2 10.244.2.7
#         fd10:1::7      ipmesh0           (narrow)      ipmesh0        fd10:2::7
#
# Proves, over an IPv4 and an IPv6 underlay, with pmtudisc on and off, from the
# nodes and from pods behind them: a stream goes on when the path gets narrow
# under it, and is whole; what may be fragmented arrives; so does what IPv6 may
# always send, where the path takes less.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# Without DF inside: from the first packet on that the path is known for.
not_df() {
	local family pmtudisc
	for family in 4 6; do
		for pmtudisc in on off; do
			path 1400
			meshed "$family" none pmtudisc "$pmtudisc" mtu 1460
			once "$a" 10.244.2.1 -M dont -s 1400
			once "$pod" 10.244.2.7 -M dont -s 1400
			ping_of "$a" 10.244.2.1 -M dont -s 1400
			ping_of "$pod" 10.244.2.7 -M dont -s 1400
			ping_of "$pod" 10.244.2.7 -M dont -s 4000
			counts "$a" ipmesh0 -- tx_dropped=0
		done
	done
}

# A stream that is under way when the path gets narrow.
streams() {
	local family encap
	for family in 4 6; do
		for encap in none udp; do
			path 1500
			meshed "$family" "$encap"
			ping_of "$a" 10.244.2.1
			ip -n "$r" link set eth1 mtu 1350
			stream "$a" "$b" 10.244.2.1 400000
			stream "$a" "$b" fd10:2::1 400000
			ip -n "$r" link set eth1 mtu 1300
			stream "$pod" "$pod2" 10.244.2.7 400000
			stream "$pod" "$pod2" fd10:2::7 400000
		done
	done
}

streams_without_discovery() {
	local family
	for family in 4 6; do
		path 1400
		meshed "$family" none pmtudisc off
		stream "$a" "$b" 10.244.2.1 400000
		stream "$pod" "$pod2" 10.244.2.7 400000
		stream "$pod" "$pod2" fd10:2::7 400000
	done
}

# What IPv6 may always send arrives, in fragments of the outer packet.
below_1280() {
	local family address
	for family in 4 6; do
		path 1290
		# a device that has less has no IPv6
		meshed "$family" none mtu 1280
		for address in fd10:2::1 fd10:2::7; do
			ns=$a
			[ "$address" = fd10:2::1 ] || ns=$pod
			once "$ns" "$address" -s 1240
			once "$ns" "$address" -s 1240
			ping_of "$ns" "$address" -M "do" -s 1232
			no_ping_of "$ns" "mtu 1280" "$address" -M "do" -s 1233
		done
		stream "$a" "$b" fd10:2::1 200000
		stream "$pod" "$pod2" fd10:2::7 200000
	done
}

# An underlay that has less than IPv6 needs inside, from one moment to the next: both
# families go on, and all is as before when it is wide again.
underlay_below_1280() {
	local family encap mtu
	for family in 4 6; do
		for encap in none udp; do
			nodes
			mesh_nodes "$family"
			encap "$a" "$encap"
			encap "$b" "$encap"
			for mtu in 1290 1500 1290; do
				ip -n "$a" link set eth0 mtu "$mtu"
				ip -n "$b" link set eth0 mtu "$mtu"
				ping_of "$a" fd10:2::1 -M "do" -s 1232
				ping_of "$b" fd10:1::1 -M "do" -s 1232
				once "$a" 10.244.2.1 -M "do" -s 1252
				ping_of "$a" 10.244.2.1 -M "do" -s 1200
				ping_of "$a" 10.244.2.1 -M dont -s 1400
				stream "$a" "$b" fd10:2::1 200000
				stream "$b" "$a" fd10:1::1 200000
				stream "$a" "$b" 10.244.2.1 200000
			done
		done
	done
}

# One peer's route is that narrow, and not the others'.
peer_below_1280() {
	local ns
	nodes
	mesh_nodes 4
	ip -n "$a" route add 172.16.40.2 dev eth0 mtu 1200
	ip -n "$b" route add 172.16.40.1 dev eth0 mtu 1200
	once "$a" fd10:2::1
	once "$b" fd10:1::1
	for ns in "$a" "$b"; do
		busywait narrowed "$ns"
	done
	ping_of "$a" fd10:2::1 -M "do" -s 1232
	ping_of "$b" fd10:1::1 -M "do" -s 1232
	stream "$a" "$b" fd10:2::1 200000
	stream "$b" "$a" fd10:1::1 200000
	stream "$a" "$b" 10.244.2.1 200000
}

narrowed() {
	case $(ip -n "$1" link show ipmesh0) in
	*"mtu 1280 "*) ;;
	*) return 1 ;;
	esac
}

run_tests not_df streams streams_without_discovery below_1280 underlay_below_1280 peer_below_1280
