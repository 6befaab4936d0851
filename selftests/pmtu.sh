#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A path that is narrower than its first link.
#
#     pod 10.244.1.7 -- a .40.1 ---- .40.9 r .50.9 ---- .50.2 b -- pod2 10.244.2.7
#         fd10:1::7      ipmesh0           (narrow)      ipmesh0        fd10:2::7
#
# Proves, over an IPv4 and an IPv6 underlay, bare and in UDP, with pmtudisc on
# and off: what is too large for a link behind the first router is told by it,
# and from the next packet on the sender knows the right MTU, exact to the byte,
# be it a socket of the node or a pod behind it, and also where a firewall takes
# the node's own messages away; two tunnels one in the other;
# the device itself keeps its MTU; what is no longer known is tried again; jumbo
# frames; an MTU that is locked; a link whose MTU changes both ways; the least MTU that a device has.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# overhead FAMILY none|udp
overhead() {
	local n=20
	[ "$1" = 4 ] || n=40
	[ "$2" = none ] || n=$((n + 8))
	echo "$n"
}

# header ADDRESS: of an inner echo request
header() {
	case $1 in
	*:*) echo 48 ;;
	*) echo 28 ;;
	esac
}

# learns NS ADDRESS MTU [N]: the Nth packet that is too large teaches, to the byte:
# the first is for the underlay to tell a, the second for a to tell the sender
learns() {
	local ns=$1 address=$2 mtu=$3 i size
	size=$((mtu - $(header "$address")))
	for ((i = 0; i < ${4:-1}; i++)); do
		once "$ns" "$address" -M "do" -s $((size + 1))
	done
	contains "route to $address" "$(in_ns "$ns" ip route get "$address")" " mtu $mtu"
	no_ping_of "$ns" "mtu $mtu" "$address" -M "do" -s $((size + 1))
	ping_of "$ns" "$address" -M "do" -s "$size"
}

narrow() {
	local family=$1 encap mtu address
	for encap in none udp; do
		path 1400
		meshed "$family" "$encap"
		mtu=$((1400 - $(overhead "$family" "$encap")))
		learns "$a" 10.244.2.1 "$mtu" 2
		learns "$a" fd10:2::1 "$mtu"
		for address in 10.244.2.7 fd10:2::7; do
			learns "$pod" "$address" "$mtu"
		done
		equal "icmp_errors" "$(count "$a" ipmesh0 icmp_errors "$(endpoint "$family")")" 1
		# the MTU of the device is not the affair of one path
		contains "link" "$(ip -n "$a" link show ipmesh0)" "mtu $((1500 - $(overhead "$family" "$encap"))) "
	done
}

endpoint() {
	case $1 in
	4) echo 172.16.50.2 ;;
	6) echo fd00:50::2 ;;
	esac
}

narrow_ipv4() {
	narrow 4
}

narrow_ipv6() {
	narrow 6
}

# Without path MTU discovery: DF inside still teaches, and without DF inside a
# packet goes in fragments.
without_discovery() {
	local family mtu
	for family in 4 6; do
		path 1400
		meshed "$family" none pmtudisc off
		mtu=$((1400 - $(overhead "$family" none)))
		learns "$a" 10.244.2.1 "$mtu" 2
		learns "$pod" 10.244.2.7 "$mtu"
		learns "$a" fd10:2::1 "$mtu"
	done
}

# A tunnel in a tunnel: what the outer one's underlay says reaches the inner
# one's sender, after a packet for each.
nested() {
	local family=4 i
	path 1400
	meshed 4 none
	for i in "$a 1 2" "$b 2 1"; do
		# shellcheck disable=SC2086
		set -- $i
		mesh -n "$1" link add ipmesh1 local "10.244.$2.1"
		mesh -n "$1" peer new ipmesh1 "10.244.$3.1" cidr "10.245.$3.0/24" cidr "fd11:$3::/64"
		ip_batch "$1" <<-END
			link set ipmesh1 up
			addr add 10.245.$2.1/32 dev ipmesh1
			addr add fd11:$2::1/128 dev ipmesh1 nodad
			route add 10.245.$3.0/24 dev ipmesh1 src 10.245.$2.1
			route add fd11:$3::/64 dev ipmesh1 src fd11:$2::1
		END
	done
	ping_of "$a" 10.245.2.1
	once "$a" 10.245.2.1 -M "do" -s 1400
	learns "$a" 10.245.2.1 1360 2
	learns "$a" fd11:2::1 1360
	stream "$a" "$b" 10.245.2.1 400000
	stream "$a" "$b" fd11:2::1 400000
}

# A node's own firewall that takes the messages away: the route knows.
told_by_route() {
	path 1400
	meshed 4 none
	in_ns "$a" nft 'add table inet t
		add chain inet t in { type filter hook input priority 0; }
		add rule inet t in iif lo icmp type destination-unreachable drop
		add rule inet t in iif lo icmpv6 type packet-too-big drop'
	learns "$a" 10.244.2.1 1380 2
	learns "$a" fd10:2::1 1380
}

# Wider again: when the route's knowledge has gone.
forgotten() {
	path 1400
	meshed 4 none
	learns "$a" 10.244.2.1 1380 2
	ip -n "$r" link set eth1 mtu 1500
	ip -n "$b" link set eth0 mtu 1500
	ip -n "$a" route flush cache
	ping_of "$a" 10.244.2.1 -M "do" -s 1452
}

# Large frames, and a link that changes both ways while it is in use.
large_frames() {
	local family=$1 address=$2 mtu ns
	nodes 9000
	mesh_nodes "$family"
	for mtu in 9000 1400 9000; do
		for ns in "$a" "$b"; do
			ip -n "$ns" link set eth0 mtu "$mtu"
		done
		mtu=$((mtu - $(overhead "$family" none)))
		contains "link" "$(ip -n "$a" link show ipmesh0)" "mtu $mtu "
		ping_of "$a" "$address" -M "do" -s "$((mtu - $(header "$address")))"
		no_ping_of "$a" "local error EMSGSIZE mtu $mtu" "$address" -M "do" -s "$((mtu + 1 - $(header "$address")))"
		stream "$a" "$b" "$address" 400000
	done
	no_drops "$a" "$b"
}

jumbo() {
	each_pair large_frames
}

# The least that a device may have, and who says so.
least() {
	nodes 1300
	mesh_nodes 4
	ping_of "$a" fd10:2::1 -M "do" -s 1232
	refused "mtu less than device minimum" ip -n "$a" link set ipmesh0 mtu 67
	ip -n "$a" link set ipmesh0 mtu 68
	ping_of "$a" 10.244.2.1 -M "do" -s 40
	# below 1280 a device has no IPv6
	equal "IPv6 addresses" "$(ip -n "$a" -6 -br addr show dev ipmesh0)" ""
}

# df_outside SIZE TEXT 0|1: of a request with DF, the outer packet has TEXT in its words
df_outside() {
	local text
	watch "$r" eth0 1 "$2"
	once "$a" 10.244.2.1 -M "do" -s "$1"
	text=$(watched)
	contains "outer header" "${text%% | *}" "df $3 "
}

fragments_of_r() {
	in_ns "$r" nstat -asz IpFragCreates | awk '$1 == "IpFragCreates" { print $2 }'
}

# An MTU that is locked is not that of the path, which is not asked for then: routers
# may cut what is sent, as of the kernel's own tunnels.
locked() {
	local encap size text
	for encap in none udp; do
		path 1300
		meshed 4 "$encap"
		text="172.16.40.1 > 172.16.50.2 proto"
		df_outside 100 "$text" 1
		ip -n "$a" route replace 172.16.50.0/24 via 172.16.40.9 mtu lock 1400
		size=$((1400 - $(overhead 4 "$encap") - 28))
		df_outside 100 "$text" 0
		ping_of "$a" 10.244.2.1 -M "do" -s "$size"
		ping_of "$a" fd10:2::1 -s $((size - 20))
		ping_of "$pod" 10.244.2.7 -M "do" -s "$size"
		equal "fragments" "$(fragments_of_r)" 18
		no_ping_of "$a" "mtu $((size + 28))" 10.244.2.1 -M "do" -s $((size + 1))
		# what b is ready for does not make segments small
		ip -n "$b" link set ipmesh0 mtu 1400
		stream "$a" "$b" 10.244.2.1 400000
		stream "$a" "$b" fd10:2::1 400000
		counts "$a" ipmesh0 172.16.50.2 -- icmp_errors=0
		[ "$(fragments_of_r)" -gt 300 ] || fail "the streams met no narrow link"
		# and open again
		ip -n "$a" route replace 172.16.50.0/24 via 172.16.40.9
		df_outside 100 "$text" 1
	done
}

# Nor is one that the kernel does not believe to be as small as it is told.
locked_by_itself() {
	local encap size
	for encap in none udp; do
		path 1300
		meshed 4 "$encap"
		in_ns "$a" sysctl -qw net.ipv4.route.min_pmtu=1350
		size=$((1350 - $(overhead 4 "$encap") - 28))
		once "$a" 10.244.2.1 -M "do" -s "$size"
		busywait is 1 count "$a" ipmesh0 icmp_errors 172.16.50.2
		ping_of "$a" 10.244.2.1 -M "do" -s "$size"
		no_ping_of "$a" "mtu $((size + 28))" 10.244.2.1 -M "do" -s $((size + 1))
		stream "$a" "$b" 10.244.2.1 400000
		counts "$a" ipmesh0 172.16.50.2 -- icmp_errors=1
	done
}

run_tests narrow_ipv4 narrow_ipv6 without_discovery nested told_by_route forgotten jumbo locked locked_by_itself least
