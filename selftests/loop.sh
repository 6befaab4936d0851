#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Routes that lead in circles.
#
#     pod 10.244.1.7 ---- a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#         fd10:1::7         ipmesh0, ipmesh1               ipmesh0
#
# Proves: an endpoint whose route leads into its own device, two devices that
# lead into each other, a chain of devices that is too long, two nodes that send
# a packet to each other: each is counted, answered and dropped after a known
# number of steps, and the kernel has nothing to say; when the route is right
# again, so is the traffic.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# --- a device into itself -----------------------------------------------------------

itself() {
	local family=$1 address=$2 endpoint text encap
	nodes
	with_pod
	mesh_nodes "$family"
	endpoint=$(underlay "$family" 2)
	case $address in
	*:*) text="icmp6 type 1 code 3 " ;;
	*) text="icmp type 3 code 1 " ;;
	esac
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		ping_of "$a" "$address"
		ip -n "$a" route add "$endpoint" dev ipmesh0
		no_ping_of "$pod" "$text" "$address"
		once "$a" "$address"
		ip -n "$a" route del "$endpoint" dev ipmesh0
		ping_of "$a" "$address"
	done
	counts "$a" ipmesh0 -- loop=4 tx_dropped=4 tx_packets=12
	counts "$a" ipmesh0 "$endpoint" -- loop=4
}

each_itself() {
	each_pair itself
}

into_itself() {
	no_kernel_messages each_itself
}

# --- two devices ---------------------------------------------------------------------

# a's ipmesh0 sends to .2, which is routed to ipmesh1, whose peer .3 is routed
# to ipmesh0, whose peer .2 …: four levels, the fifth is too many.
circle() {
	local family=$1 address=$2 first second own prefix encap sum
	nodes
	mesh_nodes "$family" mtu 1400
	no_limit_of "$a"
	case $family in
	4)	first=172.16.40.2 second=172.16.40.3 own=172.16.40.11 prefix=32
		ip -n "$a" addr add 172.16.40.11/24 dev eth0 ;;
	6)	first=fd00::2 second=fd00::3 own=fd00::11 prefix=128
		ip -n "$a" addr add fd00::11/64 dev eth0 nodad ;;
	esac
	mesh -n "$a" link add ipmesh1 local "$own" mtu 1400
	mesh -n "$a" peer new ipmesh1 "$second" cidr "$first/$prefix"
	mesh -n "$a" peer new ipmesh0 "$second" cidr "$second/$prefix"
	mesh -n "$a" peer set ipmesh0 "$first" cidr "$second/$prefix" move
	ip_batch "$a" <<-END
		link set ipmesh1 up
		route add "$first" dev ipmesh1
		route add "$second" dev ipmesh0
	END
	for encap in none udp; do
		encap "$a" "$encap"
		in_ns "$a" packet encap ipmesh1 "$encap"
		once "$a" "$address" -s 8
	done
	sum=$(($(count "$a" ipmesh0 loop) + $(count "$a" ipmesh1 loop)))
	equal "packets that went in circles" "$sum" 2
	# 1, 3 by the one, 2, 4 by the other, the fifth is the one's again
	counts "$a" ipmesh0 -- loop=2 tx_packets=4
	counts "$a" ipmesh1 -- loop=0 tx_packets=4
	counts "$b" ipmesh0 -- rx_packets=0
	ip -n "$a" route del "$first" dev ipmesh1
	encap "$b" udp
	ping_of "$a" "$address"
}

no_limit_of() {
	in_ns "$1" sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
}

each_circle() {
	each_pair circle
}

into_each_other() {
	no_kernel_messages each_circle
}

# --- two nodes -----------------------------------------------------------------------

# Both think that the other has 10.244.9.0/24; the TTL ends it.
back_and_forth() {
	local family=$1 address=$2 ns there=10.244.9.1 text="icmp type 11 code 0 "
	nodes
	with_pod
	mesh_nodes "$family" peers open
	forward "$b"
	case $address in
	*:*)
		there=fd10:9::1
		text="icmp6 type 3 code 0 " ;;
	esac
	mesh -n "$a" peer set ipmesh0 "$(underlay "$family" 2)" cidr 10.244.9.0/24 cidr fd10:9::/64
	mesh -n "$b" peer set ipmesh0 "$(underlay "$family" 1)" cidr 10.244.9.0/24 cidr fd10:9::/64
	ip -n "$a" route add "${net[$there]}" dev ipmesh0
	ip -n "$b" route add "${net[$there]}" dev ipmesh0
	# nobody tells the pod of a shorter way
	for ns in "$a" "$b"; do
		in_ns "$ns" sysctl -qw net.ipv4.conf.all.send_redirects=0 \
			net.ipv4.conf.ipmesh0.send_redirects=0
	done
	# a takes 1 from 64 and sends, b takes 1 and sends, … b finds the last 1
	# and tells the pod
	no_ping_of "$pod" "$text" "$there" -t 64
	counts "$a" ipmesh0 -- tx_packets=32 rx_packets=32 tx_dropped=0 rx_dropped=0
	counts "$b" ipmesh0 -- tx_packets=32 rx_packets=32 tx_dropped=0 rx_dropped=0
	# a strict device stops it when it comes back, as it is not b's source
	mesh -n "$a" link set ipmesh0 peers strict
	once "$pod" "$there"
	busywait is 1 count "$a" ipmesh0 src_not_allowed
	counts "$a" ipmesh0 -- tx_packets=33 rx_packets=32
}
declare -A net=([10.244.9.1]=10.244.9.0/24 [fd10:9::1]=fd10:9::/64)

each_back_and_forth() {
	each_pair back_and_forth
}

between_nodes() {
	no_kernel_messages each_back_and_forth
}

run_tests into_itself into_each_other between_nodes
