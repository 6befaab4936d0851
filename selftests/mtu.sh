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
# whoever sets it, until it is auto again.
set -eu
. "$(dirname "$0")/lib.sh"

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
	ip -n "$a" link set eth1 mtu 68
	prints "68 on" mtu
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
	ip -n "$a" link set eth0 mtu 1200
	prints "1300 off" mtu
	mesh -n "$a" link set ipmesh0 mtu_auto on
	prints "1180 on" mtu
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

run_tests by_default by_lower_device by_local_address by_peers by_route pinned fits many_devices
