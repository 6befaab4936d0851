#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh doctor": routes to pods, the device and its addresses.
#
#     a: 172.16.40.1 eth0 ======== eth0 172.16.40.2 :b
#        10.244.1.0/24 ipmesh0        ipmesh0 10.244.2.0/24
#
# Proves: each fault is found and named, and the command that is printed for it
# mends it, or a person is told what to do; without a fault nothing is found.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-doctor.sh"

# taken NS SEVERITY CHECK [TEXT]: it is another one's, and mended by what a person is told
taken() {
	by_hand "$@"
	in_ns "$1" sh -c "$(found "$3" by_hand | sed 's/^it is not ipmesh.s ([^)]*): //; s/, and stop it there.*//')"
	gone "$1" "$3"
}

# --- routes ---------------------------------------------------------------------

routes() {
	nodes
	ip -n "$a" route del 10.244.2.0/24
	mends "$a" problem route_missing "10.244.2.0/24 of peer 172.16.40.2"
	healthy "$a"
	# a route that covers it, and lets the device find the peer
	ip -n "$a" route del 10.244.2.0/24
	ip -n "$a" route add 10.244.0.0/16 dev ipmesh0
	healthy "$a"
	ip -n "$a" route del 10.244.0.0/16
	# by the peer's address in the overlay, as a routing protocol has it
	ip -n "$a" route add 10.244.2.0/24 via 10.244.2.1 dev ipmesh0 onlink proto bird
	healthy "$a"
	ip -n "$a" route del 10.244.2.0/24
	# a route of somebody else
	ip -n "$a" route add 10.244.2.0/24 via 172.16.40.9
	taken "$a" problem route_wrong_device "via 172.16.40.9 dev eth0"
	mends "$a" problem route_missing 10.244.2.0/24
	healthy "$a"
	# ours is there, but another one is better
	ip -n "$a" route add 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink metric 50
	ip -n "$a" route del 10.244.2.0/24 metric 0
	healthy "$a"
	ip -n "$a" route add 10.244.2.0/24 via 172.16.40.9 metric 10
	finds "$a" problem route_wrong_device "metric 10"
	contains "by hand" "$(found route_wrong_device by_hand)" \
		"ip route del 10.244.2.0/24 via 172.16.40.9 dev eth0 proto 3 metric 10"
	taken "$a" problem route_wrong_device "metric 10"
	# more specific ones
	ip -n "$a" route add 10.244.2.128/25 via 172.16.40.9
	taken "$a" warning route_shadowed 10.244.2.128/25
	ip -n "$a" route add blackhole 10.244.2.5
	taken "$a" warning route_shadowed "blackhole 10.244.2.5/32"
	ip -n "$a" nexthop add id 7 via 172.16.40.9 dev eth0
	ip -n "$a" route add 10.244.2.6 nhid 7
	taken "$a" warning route_shadowed 10.244.2.6/32
	# one of ours that is left over
	ip -n "$a" route add blackhole 10.244.2.5 proto 98
	mends "$a" problem route_shadowed "blackhole 10.244.2.5/32"
	healthy "$a"
	# the kernel's own comes with an address
	ip -n "$a" link add dummy0 up type dummy
	ip -n "$a" addr add 10.244.2.65/26 dev dummy0
	by_hand "$a" note route_shadowed "10.244.2.64/26 dev dummy0"
	contains "by hand" "$(found route_shadowed by_hand)" "ip addr del 10.244.2.65/26 dev dummy0"
	ip -n "$a" link del dummy0
	# straight over the underlay, as CrossSubnet has it
	ip -n "$a" route flush 10.244.2.0/24
	ip -n "$a" route add 10.244.2.0/24 via 172.16.40.2 proto bird
	by_hand "$a" note route_beside 10.244.2.0/24
}

wrong_peer() {
	nodes
	mesh -n "$a" peer new ipmesh0 172.16.40.3
	ip -n "$a" route replace 10.244.2.0/24 via 172.16.40.3 dev ipmesh0 onlink
	taken "$a" problem route_wrong_peer "via 172.16.40.3"
	mends "$a" problem route_missing 10.244.2.0/24
	healthy "$a"
}

# IPv6 pods over an IPv4 underlay, whose routes have IPv4 nexthops
routes6() {
	nodes
	in_ns "$a" sysctl -qw net.ipv6.conf.all.forwarding=1
	ip -n "$a" addr add fd10:1::1/128 dev ipmesh0 nodad
	mesh -n "$a" peer set ipmesh0 172.16.40.2 cidr fd10:2::/64
	# beside a route of somebody else it is written alone
	mends "$a" problem route_missing fd10:2::/64
	healthy "$a"
	ip -n "$a" -6 route add fd10:2::1:0/112 dev eth0 metric 7
	taken "$a" warning route_shadowed fd10:2::1:0/112
	healthy "$a"
}

# --- the device ---------------------------------------------------------------------

device() {
	nodes
	ip -n "$a" link set ipmesh0 down
	mends "$a" problem device_down ipmesh0
	# and what went with it
	doctor "$a" --fix >/dev/null
	healthy "$a"
	pings "$a" 10.244.2.1
	in_ns "$a" ipmesh link set ipmesh0 local 172.16.40.77
	by_hand "$a" problem local_missing 172.16.40.77
}

addresses() {
	nodes
	# a source of its own: the route's is the address
	ip -n "$a" addr del 10.244.1.1/32 dev ipmesh0
	ip -n "$a" route replace 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink
	by_hand "$a" problem no_tunnel_address "ipmesh0 has no IPv4 address"
	# the block of this node tells which
	ip -n "$a" route add blackhole 10.244.1.0/24 proto 98
	mends "$a" problem no_tunnel_address
	contains "addresses" "$(ip -n "$a" addr show dev ipmesh0)" "inet 10.244.1.1/32"
	healthy "$a"
	ip -n "$a" link add dummy0 up type dummy
	ip -n "$a" addr add 10.244.1.1/32 dev dummy0
	by_hand "$a" note address_twice dummy0
	ip -n "$a" link del dummy0
	ip -n "$a" addr add 10.244.2.1/32 dev ipmesh0
	by_hand "$a" problem address_of_peer "10.244.2.1/32, which is in 10.244.2.0/24"
	# in a prefix of many an address says nothing
	ip -n "$a" addr del 10.244.2.1/32 dev ipmesh0
	in_ns "$a" ipmesh peer set 172.16.40.2 cidr 10.0.0.0/8 noroute
	look "$a"
	equal "address of a peer" "$(found address_of_peer what)" ""
}

run_tests routes wrong_peer routes6 device addresses
