#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The MTU, automatic and pinned.
#
#     a 172.16.40.1 eth0 ------ 172.16.40.2 b
#       172.16.60.1 eth1 ------ 172.16.60.2 c
#       ipmesh0
#
# Proves: mtu auto is the underlay's MTU less 20, by the lower device, by the
# device of the local address or by the routes to the peers, of which the
# narrowest decides, and follows each of them both ways; a number pins it,
# whoever sets it, until it is auto again. It does not go below what IPv6 needs,
# where there is IPv6. An open device without peers follows the ways that its
# packets take. What happens to a device by which no way leads, or while the MTU is
# pinned, costs nothing that grows with the peers.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-trace.sh"

# mtu [DEV]: the number, and whether it is automatic
mtu() {
	local key value mtu='' auto=''
	while read -r key value; do
		case $key in
		mtu) mtu=$value ;;
		mtu_auto) auto=$value ;;
		esac
	done < <(mesh -n "$a" link get "${1:-ipmesh0}")
	echo "$mtu $auto"
}

underlay() {
	setup_ns a b c
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
	wire "$a" eth1 172.16.60.1/24 "$c" eth0 172.16.60.2/24
}

by_default() {
	setup_ns a
	mesh -n "$a" link add ipmesh0
	prints "1480 on" mtu
}

by_lower_device() {
	underlay
	ip -n "$a" link set eth0 mtu 1400
	mesh -n "$a" link add ipmesh0 dev eth0
	prints "1380 on" mtu
	ip -n "$a" link set eth0 mtu 9000
	prints "8980 on" mtu
	ip -n "$a" link set eth0 mtu 1500
	prints "1480 on" mtu
	# the other one has no part in it
	ip -n "$a" link set eth1 mtu 1300
	prints "1480 on" mtu
	mesh -n "$a" link set ipmesh0 dev eth1
	prints "1280 on" mtu
	ip -n "$a" link set eth1 mtu 65535
	prints "65515 on" mtu
	# less would take IPv6 away
	ip -n "$a" link set eth1 mtu 1299
	prints "1280 on" mtu
	ip -n "$a" link set eth1 mtu 68
	prints "1280 on" mtu
	# where there is none
	no_ipv6
	mesh -n "$a" link set ipmesh0 mtu_auto on
	prints "68 on" mtu
	ip -n "$a" link set eth1 mtu 1290
	prints "1270 on" mtu
}

# no_ipv6: in a, as an administrator has it off
no_ipv6() {
	in_ns "$a" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
}

by_local_address() {
	underlay
	ip -n "$a" link set eth1 mtu 1300
	mesh -n "$a" link add ipmesh0 local 172.16.60.1
	prints "1280 on" mtu
	ip -n "$a" link set eth1 mtu 2000
	prints "1980 on" mtu
	mesh -n "$a" link set ipmesh0 local 172.16.40.1
	prints "1480 on" mtu
}

by_peers() {
	underlay
	ip_batch "$a" <<-END
		link set eth0 mtu 9000
		link set eth1 mtu 2000
	END
	mesh -n "$a" link add ipmesh0
	prints "1480 on" mtu
	mesh -n "$a" peer new ipmesh0 172.16.40.2
	prints "8980 on" mtu
	# the narrowest decides
	mesh -n "$a" peer new ipmesh0 172.16.60.2
	prints "1980 on" mtu
	mesh -n "$a" peer new ipmesh0 172.16.40.3
	prints "1980 on" mtu
	ip -n "$a" link set eth0 mtu 1500
	prints "1480 on" mtu
	ip -n "$a" link set eth0 mtu 9000
	prints "1980 on" mtu
	# no peer is behind it any more
	mesh -n "$a" peer del ipmesh0 172.16.60.2
	busywait is "8980 on" mtu
	# one without a route has no say
	mesh -n "$a" peer new ipmesh0 192.0.2.1
	prints "8980 on" mtu
}

# A route that says its MTU, noticed by the next packet.
by_route() {
	underlay
	mesh -n "$a" link add ipmesh0
	mesh -n "$a" peer new ipmesh0 172.16.40.2 cidr 10.244.2.0/24
	ip_batch "$a" <<-END
		link set ipmesh0 up
		addr add 10.244.1.1/32 dev ipmesh0
		route add 10.244.2.0/24 dev ipmesh0
	END
	prints "1480 on" mtu
	ip -n "$a" route add 172.16.40.2 dev eth0 mtu 1300
	silent "$a" 10.244.2.1
	busywait is "1280 on" mtu
	ip -n "$a" route del 172.16.40.2
	silent "$a" 10.244.2.1
	busywait is "1480 on" mtu
}

pinned() {
	underlay
	mesh -n "$a" link add ipmesh0 mtu 1300
	prints "1300 off" mtu
	mesh -n "$a" peer new ipmesh0 172.16.40.2
	ip -n "$a" link set eth0 mtu 1400
	prints "1300 off" mtu
	mesh -n "$a" link set ipmesh0 mtu_auto on
	prints "1380 on" mtu
	ip -n "$a" link set ipmesh0 mtu 1100
	prints "1100 off" mtu
	ip -n "$a" link set eth0 mtu 1500
	prints "1100 off" mtu
	mesh -n "$a" link set ipmesh0 mtu_auto on
	prints "1480 on" mtu
	# off keeps what is
	mesh -n "$a" link set ipmesh0 mtu_auto off
	ip -n "$a" link set eth0 mtu 1200
	prints "1480 off" mtu
	# a change of something else does not begin to follow
	mesh -n "$a" link set ipmesh0 ttl 3
	prints "1480 off" mtu
}

# ipv6_stays: the address and the route that with_ipv6 has made
with_ipv6() {
	ip_batch "$a" <<-END
		link set ipmesh0 up
		addr add fd10:1::1/128 dev ipmesh0 nodad
		route add fd10:2::/64 dev ipmesh0
	END
}

ipv6_stays() {
	contains "IPv6 addresses" "$(ip -n "$a" -6 addr show dev ipmesh0)" "inet6 fd10:1::1/128"
	contains "IPv6 routes" "$(ip -n "$a" -6 route show dev ipmesh0)" "fd10:2::/64"
}

# Each way to become too narrow for IPv6, and back.
room_for_ipv6() {
	local words mtu
	underlay
	ip -n "$a" addr add fd00::1/64 dev eth0 nodad
	for words in "dev eth0" "local 172.16.40.1" "local fd00::1 dev eth0" "local fd00::1" \
		"encap udp dev eth0"; do
		# shellcheck disable=SC2086
		mesh -n "$a" link add ipmesh0 $words
		with_ipv6
		# on an IPv6 underlay the same happens to the underlay
		for mtu in 1290 1280; do
			ip -n "$a" link set eth0 mtu "$mtu"
			prints "1280 on" mtu
			ipv6_stays
		done
		ip -n "$a" link set eth0 mtu 1500
		case $words in
		local\ fd*) prints "1460 on" mtu ;;
		encap*) prints "1472 on" mtu ;;
		*) prints "1480 on" mtu ;;
		esac
		ipv6_stays
		ip -n "$a" link del ipmesh0
	done
}

# A peer that is too far away, and a device that is made where it is narrow.
room_beside_a_peer() {
	underlay
	mesh -n "$a" link add ipmesh0
	mesh -n "$a" peer new ipmesh0 172.16.40.2 cidr fd10:2::/64
	with_ipv6
	ip -n "$a" route add 172.16.60.2 dev eth1 mtu 1200
	mesh -n "$a" peer new ipmesh0 172.16.60.2
	prints "1280 on" mtu
	ipv6_stays
	mesh -n "$a" peer del ipmesh0 172.16.60.2
	busywait is "1480 on" mtu
	ipv6_stays

	ip -n "$a" link set eth0 mtu 1290
	mesh -n "$a" link add mesh1 local 172.16.40.1 dev eth0
	prints "1280 on" mtu mesh1
	ip -n "$a" link set mesh1 up
	ip -n "$a" addr add fd10:1::2/128 dev mesh1 nodad
	# as the kernel has it with any device
	ip -n "$a" link set mesh1 mtu 1200
	equal "IPv6 addresses" "$(ip -n "$a" -6 -br addr show dev mesh1)" ""
	mesh -n "$a" link set mesh1 mtu_auto on
	prints "1280 on" mtu mesh1
	ip -n "$a" addr add fd10:1::2/128 dev mesh1 nodad
}

# lookups COMMAND…: for how many peers the kernel looks up a route meanwhile
lookups() {
	trace_ready "trace of look-ups" events/fib/fib_table_lookup
	trace_event fib/fib_table_lookup
	"$@"
	trace_off
	grep -c '> 172.16.4[0-9]' "$tracing/trace" || true
	trace_reset
}

pods_come() {
	local i
	for i in 1 2 3 4 5; do
		ip -n "$a" link add "cali$i" type veth peer name "pod$i"
		ip -n "$a" link set "pod$i" up
		ip -n "$a" link set "cali$i" up
		ip -n "$a" link set "cali$i" mtu 1400
		ip -n "$a" route add "10.244.1.$i" dev "cali$i"
	done
	narrowest_goes ipmesh0 172.16.60.2 8980
}

# narrowest_goes DEV ENDPOINT MTU: of what is done later this is the last
narrowest_goes() {
	mesh -n "$a" peer del "$1" "$2"
	busywait is "$3 on" mtu "$1"
}

# what would change the MTU of ipmesh0, were it not pinned
changes_unseen() {
	ip -n "$a" link set eth0 mtu 8000
	mesh -n "$a" peer del ipmesh0 172.16.60.2
	narrowest_goes mesh1 172.16.60.3 7980
}

# More peers than are looked at in one go.
many_peers() {
	local i n
	underlay
	ip_batch "$a" <<-END
		link set eth0 mtu 9000
		link set eth1 mtu 2000
	END
	mesh -n "$a" link add ipmesh0
	ip -n "$a" link set ipmesh0 up
	for ((i = 2; i < 202; i++)); do
		mesh -n "$a" peer new ipmesh0 "172.16.40.$i"
	done
	prints "8980 on" mtu
	# right before the request is answered
	mesh -n "$a" peer new ipmesh0 172.16.60.2
	prints "1980 on" mtu
	# followed soon
	ip -n "$a" link set eth1 mtu 1600
	busywait is "1580 on" mtu
	ip -n "$a" link set eth0 mtu 1500
	busywait is "1480 on" mtu
	ip -n "$a" link set eth0 mtu 9000
	busywait is "1580 on" mtu
	# one pass, which is the one that the end of a peer asks for
	n=$(lookups pods_come)
	[ "$n" -ge 200 ] || fail "$n look-ups after the end of the narrowest peer"
	[ "$n" -lt 400 ] || fail "$n look-ups while 5 pods come"
	# while it is pinned nobody asks for a way; afterwards all that has changed counts
	mesh -n "$a" peer new ipmesh0 172.16.60.2
	prints "1580 on" mtu
	ip -n "$a" link set ipmesh0 mtu 1300
	mesh -n "$a" link add mesh1 local 172.16.60.1
	mesh -n "$a" peer new mesh1 172.16.60.3
	mesh -n "$a" peer new mesh1 172.16.40.3
	prints "1580 on" mtu mesh1
	n=$(lookups changes_unseen)
	[ "$n" -lt 200 ] || fail "$n look-ups for a pinned MTU"
	prints "1300 off" mtu
	mesh -n "$a" link set ipmesh0 mtu_auto on
	busywait is "7980 on" mtu
}

# open NS…: an open device without peers, as a routing daemon uses it
open_device() {
	underlay
	mesh -n "$a" link add ipmesh0 peers open "$@"
	ip_batch "$a" <<-END
		link set ipmesh0 up
		addr add 10.244.1.1/32 dev ipmesh0
		route add 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink
		route add 10.244.3.0/24 via 172.16.60.2 dev ipmesh0 onlink
	END
}

open_without_peers() {
	open_device
	prints "1480 on" mtu
	ip -n "$a" link set eth0 mtu 1400
	silent "$a" 10.244.2.1
	busywait is "1380 on" mtu
	# both ways, without another packet
	ip -n "$a" link set eth0 mtu 1350
	prints "1330 on" mtu
	ip -n "$a" link set eth0 mtu 9000
	prints "8980 on" mtu
	# the narrowest decides
	silent "$a" 10.244.3.1
	busywait is "1480 on" mtu
	# by a route, which goes again
	ip -n "$a" route add 172.16.60.2 dev eth1 mtu 1300
	silent "$a" 10.244.3.1
	busywait is "1280 on" mtu
	ip -n "$a" route del 172.16.60.2
	silent "$a" 10.244.3.1
	busywait is "1480 on" mtu
	# a peer has its say, and a device that is strict hears of none but peers
	mesh -n "$a" peer new ipmesh0 172.16.40.2
	prints "1480 on" mtu
	mesh -n "$a" link set ipmesh0 peers strict
	prints "8980 on" mtu
}

# Before any packet: the device by which the host has its default route.
by_default_route() {
	underlay
	mesh -n "$a" link add ipmesh0
	prints "1480 on" mtu
	ip -n "$a" route add default via 172.16.40.2
	ip -n "$a" link set eth0 mtu 1400
	prints "1380 on" mtu
	ip -n "$a" link set eth0 mtu 9000
	prints "8980 on" mtu
	mesh -n "$a" link add ipmesh1 peers open local 172.16.60.1
	prints "1480 on" mtu ipmesh1
}

# A packet of the automatic MTU passes whole.
fits() {
	two_nodes 1450
	prints "1430 on" mtu
	pings "$a" 10.244.2.1 df on size 1402
	counts "$a" ipmesh0 -- tx_packets=3 too_big=0
}

# Each device's MTU follows its underlay, however many there are, also when one
# is the underlay of the next.
many_devices() {
	local i last
	setup_ns a
	ip -n "$a" link add eth0 mtu 1500 type dummy
	ip -n "$a" link set eth0 up
	for ((i = 0; i < 100; i++)); do
		mesh -n "$a" link add "mesh$i" local "10.0.0.$i" dev eth0
	done
	mesh -n "$a" link add nest0 dev mesh0
	mesh -n "$a" link add nest1 dev nest0
	mesh -n "$a" link add nest2 dev nest1
	prints "1480 on" mtu mesh99
	prints "1420 on" mtu nest2
	ip -n "$a" link set eth0 mtu 1400
	for i in 0 50 99; do
		prints "1380 on" mtu "mesh$i"
	done
	busywait is "1320 on" mtu nest2
	# a ring of them is of no use, and no harm
	mesh -n "$a" link set mesh0 dev nest2
	ip -n "$a" link set nest1 mtu 1000
	last=$(mtu mesh0)
	[ "${last% on}" -ge 68 ] || fail "mesh0: $last"
}

run_tests by_default by_lower_device by_local_address by_peers by_route pinned \
	room_for_ipv6 room_beside_a_peer many_peers open_without_peers by_default_route \
	fits many_devices
