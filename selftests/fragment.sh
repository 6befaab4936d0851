#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Fragments of the outer packet and of the inner one.
#
#     pod 10.244.1.7 ---- a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#         fd10:1::7         ipmesh0                        ipmesh0
#                                                          10.244.2.1 fd10:2::1
#
# Proves, for both families outside and inside: an outer packet that comes in
# fragments, in any order, is put together and received as one; an inner packet
# that is in fragments is carried as these, each a packet for the counters; both
# with connection tracking on both nodes and without; a fragment whose others
# never come is not received.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# track NS: all packets, of the underlay and the overlay
track() {
	in_ns "$1" nft "add table inet t
		add chain inet t in { type filter hook input priority 0; }
		add rule inet t in ct state established,new counter
		add chain inet t through { type filter hook forward priority 0; }
		add rule inet t through ct state established,new counter
		add chain inet t out { type filter hook output priority 0; }
		add rule inet t out ct state established,new counter"
}

# IPv6 is not fragmented outside unless the path is narrower than its least MTU.
carried_in_fragments() {
	local family=$1 address=$2 conntrack
	for conntrack in no yes; do
		nodes
		mesh_nodes "$family" mtu 1500
		if [ "$conntrack" = yes ]; then
			track "$a"
			track "$b"
		fi
		case $family$address in
		4fd10*) continue ;;
		6fd10*) ip -n "$a" link set eth0 mtu 1300
			ip -n "$b" link set eth0 mtu 1300
			ping_of "$a" "$address" -s 1232
			counts "$a" ipmesh0 -- tx_packets=3 rx_packets=3 too_big=0
			counts "$b" ipmesh0 -- tx_packets=3 rx_packets=3 too_big=0
			continue ;;
		esac
		# the neighbours know each other then
		ping_of "$a" "$address"
		watch "$b" eth0 2 "in ip$family $(underlay "$family" 1) > $(underlay "$family" 2) proto ${proto[$family]} "
		once "$a" "$address" -s 1472 -M dont
		watched >"$tmp/watched"
		case $family in
		4) contains "first" "$(head -n 1 "$tmp/watched")" "mf 1 off 0" ;;
		6) contains "first" "$(head -n 1 "$tmp/watched")" "fragment off 0 mf 1" ;;
		esac
		ping_of "$a" "$address" -s 1472 -M dont
		busywait same_count tx_packets rx_packets
		counts "$b" ipmesh0 -- rx_packets=7 rx_bytes=6252 rx_dropped=0
	done
}

declare -A proto=([4]=4 [6]=44)

outer() {
	each_pair carried_in_fragments
}

# By hand, the last one first; and one alone.
in_any_order() {
	nodes
	mesh_nodes 4
	ip -n "$a" link del ipmesh0
	# an inner packet of 80 bytes, cut after 48
	watch "$b" ipmesh0 1
	in_ns "$a" packet send eth0 02:00:00:00:00:02 \
		ip4 src=172.16.40.1 dst=172.16.40.2 id=78 mf=1 \
			ip4 src=10.244.1.1 dst=10.244.2.1 proto=253 len=80 data size=28 , \
		ip4 src=172.16.40.1 dst=172.16.40.2 id=77 proto=4 off=48 data size=32 , \
		ip4 src=172.16.40.1 dst=172.16.40.2 id=77 mf=1 \
			ip4 src=10.244.1.1 dst=10.244.2.1 proto=253 len=80 data size=28
	contains "put together" "$(watched)" "in ip4 10.244.1.1 > 10.244.2.1 proto 253 ttl 64 tos 0x00 len 80"
	counts "$b" ipmesh0 -- rx_packets=1 rx_bytes=80 rx_dropped=0
}

# The pod cuts what it sends: its packets are carried as they are.
carried() {
	local family=$1 address=$2 conntrack encap
	for conntrack in no yes; do
		nodes
		with_pod
		mesh_nodes "$family"
		ip -n "$pod" link set eth0 mtu 1280
		ip -n "$b" route change 10.244.1.0/24 dev ipmesh0 mtu 1280
		ip -n "$b" route change fd10:1::/64 dev ipmesh0 mtu 1280
		if [ "$conntrack" = yes ]; then
			track "$a"
			track "$b"
		fi
		for encap in none udp; do
			encap "$a" "$encap"
			encap "$b" "$encap"
			ping_of "$pod" "$address" -s 3000
		done
		no_drops "$a" "$b"
		busywait same_count tx_packets rx_packets
		# 3000 bytes are three packets, of 1280 at most, by the pod; tracking
		# lets them out of a as large as they came
		counts "$a" ipmesh0 -- tx_packets=18
	done
}

inner() {
	each_pair carried
}

# Both at once.
both() {
	nodes
	with_pod
	mesh_nodes 4 mtu 1500
	track "$a"
	track "$b"
	ping_of "$pod" 10.244.2.1 -s 6000 -M dont
	no_drops "$a" "$b"
	busywait same_count tx_packets rx_packets
}

run_tests outer in_any_order inner both
