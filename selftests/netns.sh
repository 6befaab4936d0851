#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Where the device and its underlay live.
#
#     pod namespace: ipmesh0 (moved there)          or: overlay VRF
#                       |                                    |
#     a: 172.16.40.1 fd00::1 eth0 ======== eth0 172.16.40.2 fd00::2 :b ipmesh0
#        172.16.41.1         eth1 ======== eth1 172.16.41.2
#                     (underlay VRF, some)
#
# Proves: a device in another namespace than its underlay carries traffic, knows
# the path's MTU, and goes with its underlay, also under traffic; a namespace that is
# nobody's underlay goes by itself; the underlay in
# a VRF and the overlay in another; a device bound to a lower device, which means the
# VRF that this is in, or comes into, or leaves; the gateways of a VRF's routes; the fwmark
# and ip rules, and that the inner packet's mark is none outside; the source address of a
# node with several; several equal ways,
# by inner flow; IPsec in transport mode between the endpoints, put on and taken
# off while the route is cached.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"
. "$(dirname "$0")/lib-trace.sh"

# second_link: eth1 on both
second_link() {
	link_nodes "$a" eth1 1 "$b" eth1 2 1500 41
}

# --- namespaces -----------------------------------------------------------------------

# move: ipmesh0 of a to the new namespace inside
move() {
	setup_ns inside
	ip -n "$a" link set ipmesh0 netns "$inside"
	ip_batch "$inside" <<-END
		link set ipmesh0 up
		addr add 10.244.1.1/32 dev ipmesh0
		addr add fd10:1::1/128 dev ipmesh0 nodad
		route add 10.244.2.0/24 dev ipmesh0 src 10.244.1.1
		route add fd10:2::/64 dev ipmesh0 src fd10:1::1
	END
}

# marked NS N: N outer packets had the mark 7
marked() {
	contains "outer packets with a mark" "$(in_ns "$1" nft list table inet m)" "packets $2 "
}

moved_away() {
	local family=$1 address=$2 encap
	nodes
	mesh_nodes "$family"
	in_ns "$a" nft "add table inet m
		add chain inet m out { type filter hook output priority 0; }
		add rule inet m out oif eth0 meta mark 7 counter"
	ping_of "$a" "$address" -m 7
	marked "$a" 0
	encap "$a" udp
	move
	for encap in udp none; do
		in_ns "$inside" packet encap ipmesh0 "$encap"
		encap "$b" "$encap"
		ping_of "$inside" "$address"
		stream "$inside" "$b" "$address" 300000
	done
	ping_of "$inside" "$address" -m 7
	marked "$a" 0
	# the port is the underlay's
	in_ns "$inside" packet encap ipmesh0 udp
	contains "ports" "$(in_ns "$a" ss -Huln)" ":5555"
	equal "ports inside" "$(in_ns "$inside" ss -Huln)" ""
	counts "$inside" ipmesh0 -- tx_dropped=0 rx_dropped=0
	counts "$b" ipmesh0 -- tx_dropped=0 rx_dropped=0
	del_ns "$inside"
	busywait no_device_for "$a"
}

# no_device_for NS: another device can have the local address
no_device_for() {
	mesh -n "$1" link add again0 local "$(underlay 4 1)" >/dev/null 2>&1 || return 1
	ip -n "$1" link del again0
}

moved() {
	each_pair moved_away
}

moved_path_mtu() {
	setup_ns a r b
	link_nodes "$a" eth0 1 "$r" eth0 9
	link_nodes "$r" eth1 9 "$b" eth0 2 1400 50
	forward "$r"
	ip -n "$a" route add default via 172.16.40.9
	ip -n "$b" route add default via 172.16.50.9
	mesh_node "$a" 1 172.16.40.1 2 172.16.50.2
	mesh_node "$b" 2 172.16.50.2 1 172.16.40.1
	move
	# with a gateway, that it stays the endpoint
	ip -n "$inside" route replace 10.244.2.0/24 via 172.16.50.2 dev ipmesh0 onlink src 10.244.1.1
	once "$inside" 10.244.2.1 -M "do" -s 1400
	once "$inside" 10.244.2.1 -M "do" -s 1400
	no_ping_of "$inside" "mtu 1380" 10.244.2.1 -M "do" -s 1400
	ping_of "$inside" 10.244.2.1 -M "do" -s 1352
	counts "$inside" ipmesh0 172.16.50.2 -- icmp_errors=1
}

# The underlay goes first, under traffic.
underlay_dies() {
	local family
	for family in 4 6; do
		nodes
		mesh_nodes "$family"
		encap "$a" udp
		encap "$b" udp
		move
		ping_of "$inside" 10.244.2.1
		start "$inside" ping -q -i 0.001 -n 10.244.2.1 >/dev/null 2>&1
		busywait more_than 5 "$inside"
		ip -n "$b" link del ipmesh0
		del_ns "$a"
		busywait device_gone "$inside"
		kill "$pid"
	done
}

# A namespace of its own in $gone, told from others in the trace by its address.
mortal() {
	trace_clear
	setup_ns gone
	net=$(sed -n 's/.* made: .* net=//p' "$tracing/trace")
	[ -n "$net" ] || fail "no new namespace in: $(<"$tracing/trace")"
}

# dead: so are all that were to go before it
dead() {
	grep -q " over: .* net=$net\$" "$tracing/trace"
}

# A namespace that is no device's underlay needs no RTNL of ours to go.
dies_alone() {
	local net what
	trace_ready kprobes kprobe_events
	# shellcheck disable=SC2016 # the kernel expands these
	echo 'p:dying/made ipmesh:underlay_net_init net=$arg1
		p:dying/over ipmesh:underlay_net_exit net=$arg1
		p:dying/rtnl rtnl_lock by=$stack0:symbol' | while read -r probe; do
		echo "$probe" >>"$tracing/kprobe_events"
	done
	trace_event dying/made
	trace_event dying/over
	mortal
	del_ns "$gone"
	busywait dead
	mortal
	trace_event dying/rtnl
	del_ns "$gone"
	busywait dead
	what=$(cat "$tracing/trace")
	contains "what took RTNL" "$what" " rtnl: "
	lacks "what took RTNL" "$what" " by=underlay_net_pre_exit"
	# with a device elsewhere it does
	mortal
	setup_ns a
	ip -n "$gone" link add ipmesh0 type ipmesh
	ip -n "$gone" link set ipmesh0 netns "$a"
	del_ns "$gone"
	busywait dead
	contains "what took RTNL" "$(cat "$tracing/trace")" " by=underlay_net_pre_exit"
}

more_than() {
	[ "$(count "$2" ipmesh0 rx_packets)" -gt "$1" ]
}

device_gone() {
	! ip -n "$1" link show ipmesh0 >/dev/null 2>&1
}

# --- VRFs ---------------------------------------------------------------------------

vrfs() {
	local family=$1 address=$2 own encap
	nodes
	mesh_nodes "$family" dev eth0
	own=10.244.1.1
	case $address in
	*:*) own=fd10:1::1 ;;
	esac
	ip_batch "$a" <<-END
		link add under type vrf table 10
		link add over type vrf table 20
		link set under up
		link set over up
		link set eth0 master under
		link set ipmesh0 master over
	END
	# the addresses' routes went, IPv6 ones with the addresses
	ip_batch "$a" <<-END
		addr replace fd00::1/64 dev eth0 nodad
		addr replace fd10:1::1/128 dev ipmesh0 nodad
		route replace 10.244.2.0/24 dev ipmesh0 table 20
		route replace fd10:2::/64 dev ipmesh0 table 20
	END
	mesh -n "$a" link set ipmesh0 dev under
	# which is no link: what its ports take counts
	contains "MTU" "$(ip -n "$a" link show ipmesh0)" "mtu $((1500 - ${header[$family]})) "
	# a UDP socket of the namespace is one of its VRFs then
	in_ns "$a" sysctl -qw net.ipv4.udp_l3mdev_accept=1
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		ping_of "$a" "$address" -I over
		ping_of "$b" "$own"
	done
	no_drops "$a" "$b"
	# bound to the port of the VRF, too
	mesh -n "$a" link set ipmesh0 dev eth0
	ping_of "$a" "$address" -I over
	# a VRF that goes with its namespace has something to say of its ports
	ip_batch "$a" <<-END
		link set eth0 nomaster
		link set ipmesh0 nomaster
		link del under
		link del over
	END
}

declare -A header=([4]=20 [6]=40)

vrf() {
	modprobe vrf 2>/dev/null || skip "this kernel has no vrf"
	each_pair vrfs
}

# vrf_node NS N: eth0 in the VRF under, and the local addresses at dummy0, which is to
# be in it; the way to the other's is by eth0. The VRF over for the overlay.
vrf_node() {
	local ns=$1 n=$2 other=$((3 - $2))
	ip_batch "$ns" <<-END
		link add under type vrf table 10
		link add over type vrf table 20
		link set under up
		link set over up
		link set eth0 master under
		link add dummy0 mtu 1400 type dummy
	END
	# the IPv6 addresses went; by the other one it asks for its neighbours, as the local
	# address is no address of eth0
	ip_batch "$ns" <<-END
		addr replace fd00::$n/64 dev eth0 nodad
		addr replace fe80::$n/64 dev eth0 nodad
		route add 192.0.2.$other via 172.16.40.$other table 10
		route add fd00:99::$other via fd00::$other table 10
	END
	in_ns "$ns" sysctl -qw net.ipv4.udp_l3mdev_accept=1
}

# lower_in NS N / lower_out NS N: dummy0 enters the VRF, or leaves it
lower_in() {
	ip -n "$1" link set dummy0 master under
	lower_up "$@"
}

lower_out() {
	ip -n "$1" link set dummy0 nomaster
	lower_up "$@"
}

lower_up() {
	ip_batch "$1" <<-END
		link set dummy0 addrgenmode none up
		addr replace 192.0.2.$2/32 dev dummy0
	END
	[ "$(in_ns "$1" sysctl -n net.ipv6.conf.dummy0.disable_ipv6)" = 1 ] ||
		ip -n "$1" addr replace "fd00:99::$2/128" dev dummy0 nodad
}

# over NS N FAMILY: a device there, bound to dummy0
over() {
	local ns=$1 n=$2 other=$((3 - $2)) net=192.0.2.
	[ "$3" = 4 ] || net=fd00:99::
	mesh_node "$ns" "$n" "$net$n" "$other" "$net$other" dev dummy0
	ip -n "$ns" link set ipmesh0 master over
	ip_batch "$ns" <<-END
		addr replace fd10:$n::1/128 dev ipmesh0 nodad
		route replace 10.244.$other.0/24 dev ipmesh0 table 20
		route replace fd10:$other::/64 dev ipmesh0 table 20
	END
}

# As upstream's ipip_hier_gre.sh has it: a lower device in a VRF means the VRF, whatever
# was there first.
hierarchical() {
	local family=$1 address=$2 encap net=192.0.2.1 nodad='' heard_a heard_b since
	[ "$family" = 4 ] || net=fd00:99::1 nodad=nodad
	nodes
	vrf_node "$a" 1
	vrf_node "$b" 2
	lower_in "$a" 1
	over "$a" 1 "$family"
	over "$b" 2 "$family"
	lower_in "$b" 2
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		ping_of "$a" "$address" -I over
	done
	no_drops "$a" "$b"
	# what its ports take counts, and not what the lower device takes
	busywait has_mtu "$a" $((1500 - ${header[$family]} - 8))
	# out of the VRF there is no such way, for what had one before as well, and nothing is
	# let in that comes by the VRF
	# shellcheck disable=SC2086
	ip -n "$a" addr add "$net" dev eth0 $nodad
	# nothing else tells of the routes when the device has no IPv6
	in_ns "$a" sysctl -qw net.ipv6.conf.dummy0.disable_ipv6=1
	ping_of "$a" "$address" -I over
	heard_a=$(count "$a" ipmesh0 rx_packets)
	heard_b=$(count "$b" ipmesh0 rx_packets)
	# what has told of routes until now is looked up within a second, and again in another
	since=$(seconds)
	busywait later_than $((since + 3))
	lower_out "$a" 1
	busywait has_mtu "$a" $((1400 - ${header[$family]} - 8))
	once "$a" "$address" -I over
	once "$b" "$(own_of "$address")" -I over
	in_ns "$a" sysctl -qw net.ipv6.conf.dummy0.disable_ipv6=0
	lower_in "$a" 1
	ping_of "$a" "$address" -I over
	counts "$a" ipmesh0 -- rx_packets=$((heard_a + 3)) rx_dropped=0
	counts "$b" ipmesh0 -- rx_packets=$((heard_b + 3)) rx_dropped=0
	# what another device is bound to more closely is for that
	encap "$b" none
	ip -n "$a" link del ipmesh0
	over "$a" 1 "$family"
	mesh -n "$a" link add other0 local "$net" dev eth0
	ip -n "$a" link set other0 up
	once "$b" "$(own_of "$address")" -I over
	busywait is 1 count "$a" other0 rx_dropped
	counts "$a" ipmesh0 -- rx_packets=0 rx_dropped=0
	# whichever was set up last
	mesh -n "$a" link set ipmesh0 ttl 9
	once "$b" "$(own_of "$address")" -I over
	busywait is 2 count "$a" other0 rx_dropped
	counts "$a" ipmesh0 -- rx_packets=0 rx_dropped=0
	# a VRF that goes with its namespace has something to say of its ports
	ip_batch "$a" <<-END
		link del ipmesh0
		link del other0
		link del under
		link del over
	END
	ip_batch "$b" <<-END
		link del ipmesh0
		link del under
		link del over
	END
}

seconds() {
	cut -d. -f1 /proc/uptime
}

later_than() {
	[ "$(seconds)" -gt "$1" ]
}

own_of() {
	case $1 in
	*:*) echo fd10:1::1 ;;
	*) echo 10.244.1.1 ;;
	esac
}

has_mtu() {
	case $(ip -n "$1" link show ipmesh0) in
	*" mtu $2 "*) ;;
	*) return 1 ;;
	esac
}

vrf_of_link() {
	modprobe -a vrf dummy 2>/dev/null || skip "this kernel has no vrf"
	# another CPU has no cached route that could be stale
	one_cpu
	each_pair hierarchical
}

# The gateway of a route of a VRF names the endpoint, for sockets that are bound to it,
# with a queue at the VRF and without one.
gateway_in_vrf() {
	local family=$1 address=$2 two three
	two=$(underlay "$family" 2)
	three=$(underlay "$family" 3)
	nodes
	mesh_nodes "$family" peers open
	# by pod CIDR it would go elsewhere
	mesh -n "$a" peer new ipmesh0 "$three"
	mesh -n "$a" peer set ipmesh0 "$three" cidr 10.244.2.0/24 cidr fd10:2::/64 move
	ip_batch "$a" <<-END
		link add over type vrf table 20
		link set over up
		link set ipmesh0 master over
		addr replace fd10:1::1/128 dev ipmesh0 nodad
	END
	case $family in
	4)	ip -n "$a" route add 10.244.2.0/24 via "$two" dev ipmesh0 onlink table 20
		ip -n "$a" route add fd10:2::/64 via "::ffff:$two" dev ipmesh0 onlink table 20 ;;
	6)	ip -n "$a" route add 10.244.2.0/24 via inet6 "$two" dev ipmesh0 onlink table 20
		ip -n "$a" route add fd10:2::/64 via "$two" dev ipmesh0 onlink table 20 ;;
	esac
	ping_of "$a" "$address" -I over
	in_ns "$a" tc qdisc add dev over root pfifo
	ping_of "$a" "$address" -I over
	counts "$a" ipmesh0 "$two" -- tx_packets=6 rx_packets=6
	counts "$a" ipmesh0 "$three" -- tx_packets=0
	ip_batch "$a" <<-END
		link set ipmesh0 nomaster
		link del over
	END
}

vrf_gateway() {
	modprobe vrf 2>/dev/null || skip "this kernel has no vrf"
	each_pair gateway_in_vrf
}

# --- one node, several links -----------------------------------------------------------

bound() {
	nodes
	second_link
	mesh_nodes 4
	# an address that both links reach
	ip -n "$b" addr add 172.16.99.2/32 dev lo
	ip_batch "$a" <<-END
		route add 172.16.99.2 via 172.16.40.2 metric 10
		route add 172.16.99.2 via 172.16.41.2 metric 20
	END
	mesh -n "$a" link set ipmesh0 local 0.0.0.0
	mesh -n "$b" link set ipmesh0 local 0.0.0.0
	mesh -n "$b" peer new ipmesh0 172.16.41.1
	mesh -n "$a" peer new ipmesh0 172.16.99.2
	mesh -n "$a" peer set ipmesh0 172.16.99.2 cidr 10.244.2.0/24 move
	left_by eth0 "172.16.40.1 > 172.16.99.2"
	mesh -n "$a" link set ipmesh0 dev eth1
	left_by eth1 "172.16.41.1 > 172.16.99.2"
	# what comes by another link is not for it
	in_ns "$b" packet send eth0 02:00:00:00:00:01 \
		ip4 src=172.16.40.2 dst=172.16.40.1 ip4 src=172.16.40.2 dst=10.244.1.1 echo type=0
	in_ns "$b" packet send eth1 02:00:00:00:00:01 \
		ip4 src=172.16.40.2 dst=172.16.41.1 ip4 src=172.16.40.2 dst=10.244.1.1 echo type=0
	busywait is 1 count "$a" ipmesh0 rx_packets
	mesh -n "$a" link set ipmesh0 dev 0
	left_by eth0 "172.16.40.1 > 172.16.99.2"
	counts "$a" ipmesh0 -- tx_dropped=0
}

# left_by DEV TEXT: what a sends to 10.244.2.1 arrives there so
left_by() {
	watch "$b" "$1" 1 "> 10.244.2.1"
	once "$a" 10.244.2.1
	contains "by $1" "$(watched)" "$2"
}

marks() {
	nodes
	second_link
	mesh_nodes 4
	mesh -n "$a" link set ipmesh0 local 0.0.0.0 fwmark 7
	mesh -n "$a" peer new ipmesh0 172.16.41.2
	left_by eth0 "172.16.40.1 > 172.16.40.2"
	# a rule that comes later holds for the next packet
	ip -n "$a" route add 172.16.40.2 via 172.16.41.2 table 7
	ip -n "$a" rule add fwmark 7 table 7 pref 10
	left_by eth1 "172.16.41.1 > 172.16.40.2"
	# netfilter sees the mark
	in_ns "$a" nft "add table ip t
		add chain ip t out { type filter hook output priority 0; }
		add rule ip t out meta mark 7 ip protocol 4 counter accept"
	once "$a" 10.244.2.1
	contains "nft" "$(in_ns "$a" nft list table ip t)" "packets 1 "
	ip -n "$a" rule del fwmark 7 table 7
	left_by eth0 "172.16.40.1 > 172.16.40.2"
	mesh -n "$a" link set ipmesh0 fwmark 0
	ip -n "$a" rule add fwmark 7 blackhole pref 10
	left_by eth0 "172.16.40.1 > 172.16.40.2"
}

# The mark of the outer packet is the device's, never the inner one's: with what rules
# kube-proxy has for marked packets, an outer source that is not the link's first address
# would be another one.
outer_mark_of() {
	local family=$1 address=$2 local=172.16.40.11 encap notrack
	[ "$family" = 4 ] || local=fd00::11
	nodes
	ip_batch "$a" <<-END
		addr add 172.16.40.11/24 dev eth0
		addr add fd00::11/64 dev eth0 nodad
	END
	mesh_node "$a" 1 "$local" 2 "$(underlay "$family" 2)"
	mesh_node "$b" 2 "$(underlay "$family" 2)" 1 "$local"
	in_ns "$a" nft "add table inet m
		add chain inet m out { type filter hook output priority 0; }
		add rule inet m out oif eth0 meta l4proto { 4, 17, 41 } meta mark != 0 counter
		add table inet nat
		add chain inet nat post { type nat hook postrouting priority 100; }
		add rule inet nat post meta mark & 0x4000 == 0x4000 masquerade"
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		for notrack in off on; do
			mesh -n "$a" link set ipmesh0 notrack "$notrack"
			ping_of "$a" "$address" -m 16384
		done
	done
	marked "$a" 0
	no_drops "$a" "$b"
	# the device's own, in place of it
	mesh -n "$a" link set ipmesh0 fwmark 7
	ping_of "$a" "$address" -m 16384
	marked "$a" 3
	in_ns "$a" nft 'add rule inet m out meta mark 7 counter accept'
	ping_of "$a" "$address" -m 16384
	contains "with the device's mark" "$(in_ns "$a" nft list table inet m)" "meta mark 0x00000007 counter packets 3 "
	no_drops "$a" "$b"
}

outer_mark() {
	each_pair outer_mark_of
}

sources() {
	local before
	nodes
	mesh_nodes 4
	mesh -n "$a" link set ipmesh0 local 0.0.0.0
	ip -n "$a" addr add 172.16.40.11/24 dev eth0
	ip -n "$a" addr add 192.0.2.7/32 dev lo
	left_by eth0 "172.16.40.1 > 172.16.40.2"
	ip -n "$a" route add 172.16.40.2 dev eth0 src 172.16.40.11
	left_by eth0 "172.16.40.11 > 172.16.40.2"
	ip -n "$a" route replace 172.16.40.2 dev eth0 src 192.0.2.7
	left_by eth0 "192.0.2.7 > 172.16.40.2"
	mesh -n "$a" link set ipmesh0 local 172.16.40.11
	left_by eth0 "172.16.40.11 > 172.16.40.2"
	# and is answered at each of them with local any
	mesh -n "$a" link set ipmesh0 local 0.0.0.0
	before=$(count "$a" ipmesh0 rx_packets)
	in_ns "$b" packet send eth0 02:00:00:00:00:01 \
		ip4 src=172.16.40.2 dst=172.16.40.1 ip4 src=10.244.2.1 dst=10.244.1.1 echo type=0 , \
		ip4 src=172.16.40.2 dst=172.16.40.11 ip4 src=10.244.2.1 dst=10.244.1.1 echo type=0 , \
		ip4 src=172.16.40.2 dst=192.0.2.7 ip4 src=10.244.2.1 dst=10.244.1.1 echo type=0
	busywait is "$((before + 3))" count "$a" ipmesh0 rx_packets
}

# Several equal ways: a flow keeps its way, the flows have all. The outer source is an
# address of neither link, as newer kernels prefer the way that it belongs to.
ways_of() {
	local family=$1 i layers=() one two
	nodes
	second_link
	mesh_nodes "$family"
	with_pod
	case $family in
	4)	set -- 172.16.99.2 172.16.40.2 172.16.41.2 172.16.99.1
		ip -n "$a" addr add "$4/32" dev lo
		ip -n "$b" addr add "$1/32" dev lo ;;
	6)	set -- fd00:99::2 fd00::2 fd00:41::2 fd00:99::1
		ip -n "$a" addr add "$4/128" dev lo nodad
		ip -n "$b" addr add "$1/128" dev lo nodad
		# with which a asks for its neighbours of another net than its source's
		ip -n "$a" addr add fe80::1/64 dev eth0 nodad
		ip -n "$a" addr add fe80::1/64 dev eth1 nodad ;;
	esac
	mesh -n "$a" link set ipmesh0 local "$4"
	ip -n "$a" route add "$1" nexthop via "$2" nexthop via "$3"
	mesh -n "$a" peer new ipmesh0 "$1"
	mesh -n "$a" peer set ipmesh0 "$1" cidr 10.244.2.0/24 move
	for i in {1..32}; do
		layers+=(ip4 src=10.244.1.7 dst=10.244.2.1 udp "sport=$((1000 + i))" dport=9 data ",")
	done
	: >"$tmp/all"
	start "$b" packet watch eth0 1000 "> 10.244.2.1" >"$tmp/one"
	start "$b" packet watch eth1 1000 "> 10.244.2.1" >"$tmp/two"
	busywait file_has "$tmp/one" watching
	busywait file_has "$tmp/two" watching
	in_ns "$pod" packet send eth0 02:00:00:00:00:08 "${layers[@]}"
	in_ns "$pod" packet send eth0 02:00:00:00:00:08 "${layers[@]}"
	busywait is 64 both_ways
	one=$(flows_in "$tmp/one")
	two=$(flows_in "$tmp/two")
	if [ -z "$one" ] || [ -z "$two" ]; then
		fail "32 flows went one way"
	fi
	equal "flows" "$(printf '%s\n' "$one" "$two" | sort -u | wc -l)" 32
	equal "flows on both ways" "$(printf '%s\n' "$one" "$two" | sort | uniq -d)" ""
	# a way that goes takes none with it
	ip -n "$a" route replace "$1" via "$2"
	in_ns "$pod" packet send eth0 02:00:00:00:00:08 "${layers[@]}"
	busywait is 96 both_ways
	equal "flows by the one way" "$(flows_in "$tmp/one" | wc -l)" 32
	no_drops "$a"
}

ways() {
	ways_of 4
	ways_of 6
}

both_ways() {
	grep -c "> 10.244.2.1" <(cat "$tmp/one" "$tmp/two")
}

flows_in() {
	sed -n 's/.* udp \([0-9]*\) > 9 .*/\1/p' "$1" | sort -u
}

# --- IPsec -----------------------------------------------------------------------------

# secure NS ONE TWO: transport mode both ways, between the endpoints only
secure() {
	local ns=$1 one=$2 two=$3 key=0x0123456789abcdef0123456789abcdef
	ip_batch "$ns" <<-END
		xfrm state add src $one dst $two proto esp spi 0x10 mode transport enc $cipher auth hmac(sha256) $key
		xfrm state add src $two dst $one proto esp spi 0x20 mode transport enc $cipher auth hmac(sha256) $key
		xfrm policy add src $one dst $two dir $4 tmpl src $one dst $two proto esp mode transport
		xfrm policy add src $two dst $one dir $5 tmpl src $two dst $one proto esp mode transport
	END
}

ipsec() {
	local family cipher
	modprobe -a esp4 esp6 xfrm_user 2>/dev/null || skip "this kernel has no ESP"
	for family in 4 6; do
		nodes
		mesh_nodes "$family"
		ping_of "$a" 10.244.2.1
		cipher="cbc(aes) 0x0123456789abcdef0123456789abcdef"
		secure "$a" "$(underlay "$family" 1)" "$(underlay "$family" 2)" out in ||
			skip "this kernel has no AES"
		# half of it: a sends ESP, b does not know it
		watch "$b" eth0 1 "proto 50"
		once "$a" 10.244.2.1
		watched >"$tmp/esp"
		secure "$b" "$(underlay "$family" 1)" "$(underlay "$family" 2)" in out
		ping_of "$a" 10.244.2.1
		ping_of "$a" fd10:2::1
		stream "$a" "$b" 10.244.2.1 300000
		stream "$b" "$a" fd10:1::1 300000
		# bare packets are not let in any more
		case $family in
		4) in_ns "$a" packet send eth0 02:00:00:00:00:02 ip4 src=172.16.40.1 dst=172.16.40.2 \
			ip4 src=10.244.1.1 dst=10.244.2.1 echo ;;
		6) in_ns "$a" packet send eth0 02:00:00:00:00:02 ip6 src=fd00::1 dst=fd00::2 \
			ip4 src=10.244.1.1 dst=10.244.2.1 echo ;;
		esac
		busywait is 1 count "$b" ipmesh0 policy
		encap "$a" udp
		encap "$b" udp
		ping_of "$a" 10.244.2.1
		# and without it again
		in_ns "$a" ip xfrm policy flush
		in_ns "$b" ip xfrm policy flush
		watch "$b" eth0 1 "> 5555"
		ping_of "$a" 10.244.2.1
		watched >"$tmp/bare"
	done
}

run_tests moved moved_path_mtu underlay_dies dies_alone vrf vrf_of_link vrf_gateway bound marks outer_mark sources ways ipsec
