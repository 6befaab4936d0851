#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A pod speaks for itself alone: not for its node, and not for another one.
#
#     pod 10.244.1.7 fd10:1::7 eth0 -- cali0 a 172.16.40.1 fd00::1 eth0 ---- eth0 .2 b
#                                            172.16.41.1 fd00:41::1 eth1 ---- eth1 .2
#
# Proves: with a peer's address as outer source a pod is not believed by its own node,
# whatever rp_filter is, bare and in UDP, in a VRF too; a peer that comes by another
# device than answers leave by is, if there is a route back by that device, of whatever
# metric, or one of several equal ways, or in a VRF, inside another tunnel, or from this
# host itself; "rpf off" and an open device do not ask; routes are followed.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# second_link: eth1 on both
second_link() {
	link_nodes "$a" eth1 1 "$b" eth1 2 1500 41
	ip -n "$a" addr add fe80::1/64 dev eth1 nodad
	ip -n "$b" addr add fe80::2/64 dev eth1 nodad
}

# layer SRC DST: of IP, for packet send
layer() {
	case $1 in
	*:*) echo "ip6 src=$1 dst=$2" ;;
	*) echo "ip4 src=$1 dst=$2" ;;
	esac
}

# tunnelled NS DEV MAC OUTER_SRC OUTER_DST INNER_SRC INNER_DST: an answer that nobody
# asked for, which is silent, in what carries the tunnel by $encap
tunnelled() {
	local ns=$1 dev=$2 mac=$3 outer inner udp='' type=0
	outer=$(layer "$4" "$5")
	inner=$(layer "$6" "$7")
	[ "$encap" = none ] || udp="udp sum=good"
	case $6 in
	*:*) type=129 ;;
	esac
	# shellcheck disable=SC2086
	in_ns "$ns" packet send "$dev" "$mac" $outer $udp $inner echo "type=$type"
}

# inner FAMILY_OF N: the address of node N in the overlay, of the family of an address
inner() {
	case $1 in
	*:*) echo "fd10:$2::1" ;;
	*) echo "10.244.$2.1" ;;
	esac
}

# received NS N [WRONG]: so many packets from the peer 2, so many refused for their device
received() {
	counts "$1" ipmesh0 "$(underlay "$family" 2)" -- rx_packets="$2" wrong_dev="${3:-0}"
	counts "$1" ipmesh0 -- rx_packets="$2" rx_dropped="${3:-0}"
}

rp_filter() {
	local ns=$1 n=$2 dev
	shift 2
	for dev in all "$@"; do
		in_ns "$ns" sysctl -qw "net.ipv4.conf.$dev.rp_filter=$n"
	done
}

# --- the own node ----------------------------------------------------------------------

# as_peer: the pod says that it is b
as_peer() {
	tunnelled "$pod" eth0 02:00:00:00:00:08 "$(underlay "$family" 2)" \
		"$(underlay "$family" 1)" "$1" "$(inner "$1" 1)"
}

own_node_of() {
	local family=$1 address=$2 own filter wrong encap
	own=$(inner "$address" 1)
	for encap in none udp; do
		nodes
		mesh_nodes "$family" encap "$encap"
		with_pod
		wrong=0
		for filter in 0 1 2; do
			rp_filter "$a" "$filter" cali0
			as_peer "$address"
			# the peer's own address as well
			as_peer "$(underlay "$family" 2)"
			# what the kernel itself has dropped
			[ "$family$filter" = 41 ] || wrong=$((wrong + 2))
			busywait is "$wrong" count "$a" ipmesh0 wrong_dev
		done
		# the same by the underlay, and it has not opened the door
		tunnelled "$b" eth0 02:00:00:00:00:01 "$(underlay "$family" 2)" \
			"$(underlay "$family" 1)" "$address" "$own"
		busywait is 1 count "$a" ipmesh0 rx_packets
		as_peer "$address"
		busywait is $((wrong + 1)) count "$a" ipmesh0 wrong_dev
		received "$a" 1 $((wrong + 1))
		ping_of "$a" "$address"
		received "$a" 4 $((wrong + 1))
		contains "ethtool -S" "$(in_ns "$a" ethtool -S ipmesh0)" "wrong_dev: $((wrong + 1))"
		no_drops "$b"
		# without the question they would have been taken
		mesh -n "$a" link set ipmesh0 rpf off
		as_peer "$address"
		busywait is 5 count "$a" ipmesh0 rx_packets
	done
}

own_node() {
	each_pair own_node_of
}

# A pod's device in the VRF of the underlay.
own_vrf_of() {
	local family=$1 address=$2 own encap
	own=$(inner "$address" 1)
	nodes
	with_pod
	ip_batch "$a" <<-END
		link add under type vrf table 10
		link set under up
		link set eth0 master under
		link set cali0 master under
		addr replace fd00::1/64 dev eth0 nodad
	END
	mesh_nodes "$family"
	mesh -n "$a" link set ipmesh0 dev under
	in_ns "$a" sysctl -qw net.ipv4.udp_l3mdev_accept=1
	rp_filter "$a" 2 cali0 under
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		ping_of "$a" "$address"
		as_peer "$address"
	done
	busywait is 2 count "$a" ipmesh0 wrong_dev
	received "$a" 6 2
	ip_batch "$a" <<-END
		link set eth0 nomaster
		link set cali0 nomaster
		link del under
	END
}

own_vrf() {
	modprobe vrf 2>/dev/null || skip "this kernel has no vrf"
	each_pair own_vrf_of
}

# --- underlays that are not symmetric ------------------------------------------------------

# The answers of b come by eth1, where a has no route to b, then one.
asymmetric_of() {
	local family=$1 address=$2 net via other encap n=0 wrong=0
	nodes
	second_link
	mesh_nodes "$family"
	rp_filter "$a" 2 eth0 eth1
	case $family in
	4)	net=172.16.40.0/24 via=172.16.41.2 other=172.16.41.1 ;;
	6)	net=fd00::/64 via=fd00:41::2 other=fd00:41::1 ;;
	esac
	ip -n "$b" route add "$(underlay "$family" 1)" via "$other" dev eth1
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		refused_now
		# not to ask is a choice
		mesh -n "$a" link set ipmesh0 rpf off
		taken
		mesh -n "$a" link set ipmesh0 rpf on
		refused_now
		# a way back that is not the best one
		ip -n "$a" route add "$net" via "$via" dev eth1 metric 20000
		taken
		ip -n "$a" route del "$net" via "$via" dev eth1 metric 20000
		refused_again
		# nor is one for all the world
		ip -n "$a" route add default via "$via" dev eth1
		taken
		ip -n "$a" route del default via "$via" dev eth1
	done
	received "$a" "$n" "$wrong"
	counts "$b" ipmesh0 -- rx_dropped=0
}

taken() {
	ping_of "$a" "$address"
	n=$((n + 3))
	received "$a" "$n" "$wrong"
}

refused_now() {
	silent "$a" "$address"
	wrong=$((wrong + 1))
	busywait is "$wrong" count "$a" ipmesh0 wrong_dev
	received "$a" "$n" "$wrong"
}

# The kernel does not count removals of IPv6 routes, so that time must pass there.
refused_again() {
	if [ "$family" = 4 ]; then
		refused_now
		return
	fi
	busywait refused_some
	wrong=$(count "$a" ipmesh0 wrong_dev)
	n=$(count "$a" ipmesh0 rx_packets)
}

refused_some() {
	once "$a" "$address"
	[ "$(count "$a" ipmesh0 wrong_dev)" -gt "$wrong" ]
}

asymmetric() {
	each_pair asymmetric_of
}

# equal_ways_of ROUTES: b's other address is behind both links
equal_ways_of() {
	local family=$1 address=$2 own encap=none far one two
	own=$(inner "$address" 1)
	nodes
	second_link
	with_pod
	mesh_nodes "$family"
	case $family in
	4)	far=172.16.99.2 one=172.16.40.2 two=172.16.41.2 ;;
	6)	far=fd00:99::2 one=fd00::2 two=fd00:41::2 ;;
	esac
	mesh -n "$a" peer new ipmesh0 "$far"
	mesh -n "$a" peer set ipmesh0 "$far" cidr 10.244.2.0/24 cidr fd10:2::/64 move
	rp_filter "$a" 2 eth0 eth1 cali0
	ip -n "$a" route add "$far" nexthop via "$one" dev eth0 nexthop via "$two" dev eth1
	by_both 1
	ip -n "$a" route del "$far"
	ip_batch "$a" <<-END
		nexthop add id 1 via $one dev eth0
		nexthop add id 2 via $two dev eth1
		nexthop add id 3 group 1/2
		route add $far nhid 3
	END
	by_both 3
	counts "$a" ipmesh0 "$far" -- wrong_dev=2
}

# by_both N: the Nth and the next packet by a link each, and one of the pod's
by_both() {
	tunnelled "$b" eth0 02:00:00:00:00:01 "$far" "$(underlay "$family" 1)" "$address" "$own"
	busywait is "$1" count "$a" ipmesh0 rx_packets
	tunnelled "$pod" eth0 02:00:00:00:00:08 "$far" "$(underlay "$family" 1)" "$address" "$own"
	tunnelled "$b" eth1 02:00:00:00:00:01 "$far" "$(underlay "$family" 1)" "$address" "$own"
	busywait is $(($1 + 1)) count "$a" ipmesh0 rx_packets
}

equal_ways() {
	each_pair equal_ways_of
}

# A rule sees the outer source that an answer would have, which is where this came to.
rules() {
	local family=4 encap=none
	nodes
	second_link
	mesh_nodes 4
	rp_filter "$a" 0 eth0 eth1
	mesh -n "$a" link set ipmesh0 local 0.0.0.0
	tunnelled "$b" eth1 02:00:00:00:00:01 172.16.40.2 172.16.41.1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 wrong_dev
	ip -n "$a" route add 172.16.40.0/24 via 172.16.41.2 dev eth1 table 41
	ip -n "$a" rule add from 172.16.41.1 table 41
	tunnelled "$b" eth1 02:00:00:00:00:01 172.16.40.2 172.16.41.1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 rx_packets
	# what is never to be sent to is nowhere
	ip -n "$a" route add blackhole 172.16.40.2
	tunnelled "$b" eth0 02:00:00:00:00:01 172.16.40.2 172.16.40.1 10.244.2.1 10.244.1.1
	busywait is 2 count "$a" ipmesh0 wrong_dev
	received "$a" 1 2
	ip -n "$a" route del blackhole 172.16.40.2
	# the mark is what rules see, too, and a change of it is one of the way
	ip -n "$a" rule del from 172.16.41.1 table 41
	ip -n "$a" rule add fwmark 7 table 41
	mesh -n "$a" link set ipmesh0 fwmark 7
	tunnelled "$b" eth1 02:00:00:00:00:01 172.16.40.2 172.16.41.1 10.244.2.1 10.244.1.1
	busywait is 2 count "$a" ipmesh0 rx_packets
	mesh -n "$a" link set ipmesh0 fwmark 0
	tunnelled "$b" eth1 02:00:00:00:00:01 172.16.40.2 172.16.41.1 10.244.2.1 10.244.1.1
	busywait is 3 count "$a" ipmesh0 wrong_dev
	# the lower device is one by word, not by a route
	mesh -n "$a" link set ipmesh0 dev eth1
	tunnelled "$b" eth1 02:00:00:00:00:01 172.16.40.2 172.16.41.1 10.244.2.1 10.244.1.1
	busywait is 3 count "$a" ipmesh0 rx_packets
	received "$a" 3 3
}

# Every device has the prefix of link-local addresses, that of a pod too.
link_local() {
	local family=6 encap=none address=10.244.2.1
	nodes
	ip -n "$a" addr add fe80::1/64 dev eth0 nodad
	mesh_node "$a" 1 fd00::1 2 fe80::2
	with_pod
	ip -n "$a" addr add fe80::8/64 dev cali0 nodad
	tunnelled "$pod" eth0 02:00:00:00:00:08 fe80::2 fd00::1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 wrong_dev
	tunnelled "$b" eth0 02:00:00:00:00:01 fe80::2 fd00::1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 rx_packets
	counts "$a" ipmesh0 fe80::2 -- rx_packets=1 wrong_dev=1
}

# --- devices that are not the underlay's -----------------------------------------------------

# A tunnel whose underlay is the overlay, and one from this host to itself.
inside_of() {
	local family=$1 address=$2 one=10.244.1.1 two=10.244.2.1 encap
	case $address in
	*:*) one=fd10:1::1 two=fd10:2::1 ;;
	esac
	for encap in none udp; do
		nodes
		mesh_nodes "$family" encap "$encap"
		upper "$a" 1 "$one" 2 "$two"
		upper "$b" 2 "$two" 1 "$one"
		ping_of "$a" 10.245.2.1
		no_drops "$a" "$b"
		counts "$a" upper0 -- rx_packets=3 rx_dropped=0
		counts "$b" upper0 -- rx_packets=3 rx_dropped=0
	done
}

# upper NS OWN LOCAL OTHER ENDPOINT: upper0 over the overlay
upper() {
	mesh -n "$1" link add upper0 local "$3" encap "$encap" dport 6000
	mesh -n "$1" peer new upper0 "$5" cidr "10.245.$4.0/24"
	ip_batch "$1" <<-END
		link set upper0 up
		addr add 10.245.$2.1/32 dev upper0
		route add 10.245.$4.0/24 dev upper0 src 10.245.$2.1
	END
}

inside() {
	each_pair inside_of
}

self_of() {
	local family=$1 one two encap
	case $family in
	4)	one=172.16.40.1 two=172.16.40.11 ;;
	6)	one=fd00::1 two=fd00::11 ;;
	esac
	for encap in none udp; do
		nodes
		setup_ns pod
		ip -n "$a" addr add 172.16.40.11/24 dev eth0
		ip -n "$a" addr add fd00::11/64 dev eth0 nodad
		mesh_node "$a" 2 "$two" 1 "$one" encap "$encap"
		ip -n "$a" link set ipmesh0 netns "$pod"
		ip_batch "$pod" <<-END
			link set ipmesh0 up
			addr add 10.244.2.1/32 dev ipmesh0
			route add 10.244.1.0/24 dev ipmesh0 src 10.244.2.1
		END
		mesh_node "$a" 1 "$one" 2 "$two" encap "$encap"
		ping_of "$a" 10.244.2.1
		no_drops "$a" "$pod"
		counts "$a" ipmesh0 -- rx_packets=3
		counts "$pod" ipmesh0 -- rx_packets=3
	done
}

self() {
	self_of 4
	self_of 6
}

# As tunl0 does it; and strict again.
open_device() {
	local family=4 encap=none
	nodes
	mesh_nodes 4 peers open
	with_pod
	rp_filter "$a" 2 cali0
	tunnelled "$pod" eth0 02:00:00:00:00:08 172.16.40.2 172.16.40.1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 rx_packets
	mesh -n "$a" link set ipmesh0 peers strict
	tunnelled "$pod" eth0 02:00:00:00:00:08 172.16.40.2 172.16.40.1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 wrong_dev
	received "$a" 1 1
}

run_tests own_node own_vrf asymmetric equal_ways rules link_local inside self open_device
