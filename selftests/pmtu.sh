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
# frames; an MTU that is locked; a link whose MTU changes both ways; the least MTU that a
# device has. What is told is learned for the route that packets take: by a mark, by
# protocol and port, by a DSCP, to a port of the peer's own, in a VRF; and so is a better
# router.
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
		[ "$family" = 6 ] || learned_endpoint
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

# A destination whose path MTU is learned is its own nexthop: also where it is the endpoint
# of another peer, the packet is for the one whose CIDR it is in.
learned_endpoint() {
	mesh -n "$a" peer set ipmesh0 172.16.50.2 cidr 192.168.9.0/24
	mesh -n "$a" peer new ipmesh0 192.168.9.2
	ip -n "$a" route add 192.168.9.0/24 dev ipmesh0
	ip -n "$b" addr add 192.168.9.2/32 dev ipmesh0
	learns "$a" 192.168.9.2 "$mtu"
	ping_of "$a" 192.168.9.2
	counts "$a" ipmesh0 192.168.9.2 -- tx_packets=0
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

# least_pmtu N: in namespace a, or everywhere where the kernel has one for all
least_pmtu() {
	local key=net.ipv4.route.min_pmtu
	if in_ns "$a" test -e /proc/sys/net/ipv4/route/min_pmtu; then
		in_ns "$a" sysctl -qw "$key=$1"
	elif [ "$(sysctl -n "$key")" != "$1" ]; then
		defer "sysctl -qw $key=$(sysctl -n "$key")"
		sysctl -qw "$key=$1"
	fi
}

# Nor is one that the kernel does not believe to be as small as it is told.
locked_by_itself() {
	local encap size
	for encap in none udp; do
		path 1300
		meshed 4 "$encap"
		least_pmtu 1350
		size=$((1350 - $(overhead 4 "$encap") - 28))
		once "$a" 10.244.2.1 -M "do" -s "$size"
		busywait is 1 count "$a" ipmesh0 icmp_errors 172.16.50.2
		ping_of "$a" 10.244.2.1 -M "do" -s "$size"
		no_ping_of "$a" "mtu $((size + 28))" 10.244.2.1 -M "do" -s $((size + 1))
		stream "$a" "$b" 10.244.2.1 400000
		counts "$a" ipmesh0 172.16.50.2 -- icmp_errors=1
	done
}

# --- a path that is chosen by more than the endpoint --------------------------------------

# chosen FAMILY SELECTOR…: what is so is led to r by table 7; without it there is a route
# too, which the news are not for
chosen() {
	local family=$1
	shift
	case $family in
	4) ip -n "$a" route add 172.16.50.0/24 via 172.16.40.9 table 7 ;;
	6) ip -n "$a" route add fd00:50::/64 via fd00::9 table 7 ;;
	esac
	ip -n "$a" "-$family" rule add "$@" table 7
}

# learnt FAMILY none|udp [PATHS]: as in narrow(), with one path for all that is inside, or
# two
learnt() {
	local mtu=$((1400 - $(overhead "$1" "$2")))
	learns "$a" 10.244.2.1 "$mtu" 2
	learns "$a" fd10:2::1 "$mtu" "${3:-1}"
	equal "icmp_errors" "$(count "$a" ipmesh0 icmp_errors "$(endpoint "$1")")" "${3:-1}"
}

marked() {
	local family encap
	for family in 4 6; do
		for encap in none udp; do
			path 1400
			chosen "$family" fwmark 7
			meshed "$family" "$encap" fwmark 7
			learnt "$family" "$encap"
		done
	done
}

# By protocol each learns for itself; and by what in the header is not as it is in the
# one that is quoted: the DSCP that a packet inherits.
selected() {
	local family
	for family in 4 6; do
		path 1400
		chosen "$family" ipproto 4
		chosen_more "$family" ipproto 41
		meshed "$family" none
		learnt "$family" none 2
		path 1400
		chosen "$family" tos 0x10
		meshed "$family" none dscp 4
		learnt "$family" none
		path 1400
		chosen "$family" tos 0x10
		meshed "$family" none
		mesh -n "$a" echo 1 10.244.2.1 size 1420 df on tos 16 wait 100 >/dev/null 2>&1 || true
		learns "$a" 10.244.2.1 $((1400 - $(overhead "$family" none))) 1
		path 1400
		chosen "$family" ipproto udp
		meshed "$family" udp
		learnt "$family" udp
		path 1400
		chosen "$family" ipproto udp dport 5555
		meshed "$family" udp
		learnt "$family" udp
	done
}

# A peer has a port of its own, at which a does not listen.
own_port() {
	local family one
	for family in 4 6; do
		path 1400
		meshed "$family" none
		one=172.16.40.1
		[ "$family" = 4 ] || one=fd00::1
		in_ns "$a" packet peer ipmesh0 "$(endpoint "$family")" udp dport 6000
		in_ns "$b" packet encap ipmesh0 udp dport 6000
		in_ns "$b" packet peer ipmesh0 "$one" udp dport 5555
		learnt "$family" udp
	done
}

chosen_more() {
	local family=$1
	shift
	case $family in
	4) ip -n "$a" route add 172.16.50.0/24 via 172.16.40.9 table 8 ;;
	6) ip -n "$a" route add fd00:50::/64 via fd00::9 table 8 ;;
	esac
	ip -n "$a" "-$family" rule add "$@" table 8
}

# The underlay in a VRF, the device bound to the VRF or to the link in it.
in_vrf() {
	local family encap dev
	modprobe vrf 2>/dev/null || skip "this kernel has no vrf"
	for family in 4 6; do
		for dev in under eth0; do
			for encap in none udp; do
				path 1400
				in_ns "$a" sysctl -qw net.ipv4.udp_l3mdev_accept=1
				ip_batch "$a" <<-END
					link add under type vrf table 10
					link set under up
					link set eth0 master under
					addr replace fd00::1/64 dev eth0 nodad
					route add 172.16.50.0/24 via 172.16.40.9 table 10
					route add fd00:50::/64 via fd00::9 table 10
				END
				meshed "$family" "$encap"
				mesh -n "$a" link set ipmesh0 dev "$dev"
				learnt "$family" "$encap"
				ip_batch "$a" <<-END
					link set eth0 nomaster
					link del under
				END
			done
		done
	done
}

# --- a better router -----------------------------------------------------------------------
#
#                 172.16.40.0/24, sw
#     a .1 fe80::1 ---+--- .9 fe80::9 r    has its way to .50.0/24 by s
#                     +--- .8 fe80::8 s .50.8 ---- .50.2 b

# on_switch NS N: eth0
on_switch() {
	ip link add eth0 netns "$1" address "02:00:00:00:00:0$2" type veth peer "p$2" netns "$sw"
	ip_batch "$sw" <<-END
		link set p$2 master br0
		link set p$2 up
	END
	ip_batch "$1" <<-END
		link set eth0 addrgenmode none
		link set eth0 up
		addr add 172.16.40.$2/24 dev eth0
		addr add fd00::$2/64 dev eth0 nodad
		addr add fe80::$2/64 dev eth0 nodad
	END
}

two_routers() {
	setup_ns sw a r s b
	ip -n "$sw" link add br0 type bridge mcast_snooping 0
	ip -n "$sw" link set br0 up
	on_switch "$a" 1
	on_switch "$r" 9
	on_switch "$s" 8
	link_nodes "$s" eth1 8 "$b" eth0 2 1500 50
	ip -n "$s" addr add fe80::8/64 dev eth1 nodad
	forward "$r" "$s"
	ip_batch "$r" <<-END
		route add 172.16.50.0/24 via 172.16.40.8
		route add fd00:50::/64 via fe80::8 dev eth0
	END
	# that the first redirect is followed, not the one after it has been asked for
	ip_batch "$a" <<-END
		route add 172.16.50.0/24 via 172.16.40.9
		route add fd00:50::/64 via fe80::9 dev eth0
		neigh replace 172.16.40.8 lladdr 02:00:00:00:00:08 dev eth0 nud permanent
	END
	ip_batch "$b" <<-END
		route add 172.16.40.0/24 via 172.16.50.8
		route add fd00::/64 via fd00:50::8
	END
	in_ns "$r" nft 'add table inet t
		add chain inet t ahead { type filter hook forward priority 0; }
		add rule inet t ahead counter'
}

# through_r: packets
through_r() {
	in_ns "$r" nft list table inet t | sed -nE 's/.*packets ([0-9]+) .*/\1/p'
}

# follows WHAT: the packet that is redirected is the last one by r, and it learned of it
# for both kinds of inner packets
follows() {
	local before
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	busywait goes_past_r 10.244.2.1
	busywait goes_past_r fd10:2::1
	before=$(through_r)
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	equal "packets by the first router, $1" "$(through_r)" "$before"
}

goes_past_r() {
	local before
	before=$(through_r)
	once "$a" "$1"
	[ "$(through_r)" -eq "$before" ]
}

redirected() {
	local family encap mark
	for family in 4 6; do
		for mark in 0 7; do
			for encap in none udp; do
				two_routers
				[ "$mark" = 0 ] || chosen_redirect "$family" fwmark 7
				meshed "$family" "$encap" fwmark "$mark"
				follows "IPv$family $encap mark $mark"
			done
		done
	done
}

chosen_redirect() {
	local family=$1
	shift
	case $family in
	4) ip -n "$a" route add 172.16.50.0/24 via 172.16.40.9 table 7 ;;
	6) ip -n "$a" route add fd00:50::/64 via fe80::9 dev eth0 table 7 ;;
	esac
	ip -n "$a" "-$family" rule add "$@" table 7
}

run_tests narrow_ipv4 narrow_ipv6 without_discovery nested told_by_route forgotten jumbo locked locked_by_itself least marked \
	selected own_port in_vrf redirected
