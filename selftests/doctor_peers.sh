#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh doctor": sizes and peers.
#
#     a: 172.16.40.1 eth0 ======== eth0 172.16.40.2 :b
#        10.244.1.0/24 ipmesh0        ipmesh0 10.244.2.0/24
#
# Proves: an MTU that cannot work is found on the device, on routes and on pods, and
# mended; peers that cannot be reached, are there twice or do not answer are named.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-doctor.sh"

# --- sizes -----------------------------------------------------------------------------

sizes() {
	nodes
	ip -n "$a" link set ipmesh0 mtu 1500
	mends "$a" problem mtu "ipmesh0 has MTU 1500, but eth0, with 1500, leaves 1480"
	equal "mtu" "$(mesh -n "$a" link get ipmesh0 | sed -n 's/^mtu //p')" 1480
	in_ns "$a" ipmesh peer set 172.16.40.2 encap udp
	healthy "$a"
	in_ns "$a" ipmesh link set ipmesh0 mtu 1480
	mends "$a" problem mtu "leaves 1472"
	in_ns "$a" ipmesh peer set 172.16.40.2 encap device
	# routes
	ip -n "$a" route change 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink src 10.244.1.1 mtu 1490
	# of another: a person is told how
	by_hand "$a" problem mtu_route "mtu 1490"
	in_ns "$a" sh -c "$(found mtu_route by_hand | sed "s/^it is not ipmesh's: //")"
	contains "route" "$(ip -n "$a" route show 10.244.2.0/24)" "via 172.16.40.2 dev ipmesh0 src 10.244.1.1 onlink"
	healthy "$a"
	ip -n "$a" route del 10.244.2.0/24
	in_ns "$a" ipmesh peer set 172.16.40.2 cidr 10.244.3.0/24 route
	ip -n "$a" route replace 10.244.3.0/24 nhid "$(nhid)" proto ipmesh mtu 1490
	mends "$a" problem mtu_route 10.244.3.0/24
	healthy "$a"
	# pods
	setup_ns pod
	ip link add eth0 netns "$pod" type veth peer cali1 netns "$a"
	ip -n "$a" link set cali1 up
	ip -n "$a" route add 10.244.1.7 dev cali1
	by_hand "$a" warning mtu_pods "1 veth of pods has a larger MTU than the 1480 of ipmesh0: cali1 has 1500"
	ip -n "$pod" link set eth0 mtu 1480
	ip -n "$a" link set cali1 mtu 1480
	healthy "$a"
	# IPv6 needs 1280
	in_ns "$a" ipmesh link set ipmesh0 mtu 1279
	in_ns "$a" ipmesh peer set 172.16.40.2 cidr fd10:2::/64 noroute
	mends "$a" problem mtu_ipv6 1279
	# and the device has no less
	ip -n "$a" link set eth0 mtu 1290
	by_hand "$a" warning mtu_ipv6 "follows the underlay down to MTU 1280, but eth0, with 1290, leaves 1270"
	equal "mtu" "$(found mtu what)" ""
	equal "problems" "$(in_ns "$a" ipmesh -j show ipmesh0 |
		jq '[.[].problems[] | select(.problem == "mtu_too_large")] | length')" 0
}

nhid() {
	ip -n "$a" -j nexthop | jq '.[0].id'
}

# --- peers ------------------------------------------------------------------------------

peers() {
	nodes
	mesh -n "$a" peer new ipmesh0 172.16.40.1
	by_hand "$a" problem endpoint_local 172.16.40.1
	mesh -n "$a" peer del ipmesh0 172.16.40.1
	mesh -n "$a" peer new ipmesh0 192.0.2.7
	by_hand "$a" problem endpoint_unroutable 192.0.2.7
	ip -n "$a" route add 192.0.2.0/24 dev ipmesh0
	by_hand "$a" problem endpoint_loop 192.0.2.7
	ip -n "$a" route del 192.0.2.0/24
	mesh -n "$a" peer del ipmesh0 192.0.2.7
	healthy "$a"
	# the same name at another address
	mesh -n "$a" peer new ipmesh0 172.16.40.3 name node2
	mesh -n "$a" peer set ipmesh0 172.16.40.2 name node2
	by_hand "$a" warning name_twice "172.16.40.2 and 172.16.40.3"
	mesh -n "$a" peer del ipmesh0 172.16.40.3
	healthy "$a"
	# one that does not answer
	ip -n "$b" link set ipmesh0 down
	silent "$a" 10.244.2.1
	silent "$a" 10.244.2.1
	healthy "$a"
	silent "$a" 10.244.2.1
	by_hand "$a" warning peer_silent "172.16.40.2 (node2) of ipmesh0 was sent 3 packets and never heard"
	ip_batch "$b" <<-END
		link set ipmesh0 up
		route add 10.244.1.0/24 via 172.16.40.1 dev ipmesh0 onlink src 10.244.2.1
	END
	pings "$a" 10.244.2.1
	healthy "$a"
	# a second device with the same
	mesh -n "$a" link add ipmesh1 local 172.16.40.1
	mesh -n "$a" peer new ipmesh1 172.16.40.2 cidr 10.244.2.0/24
	ip -n "$a" link set ipmesh1 up
	by_hand "$a" problem cidr_twice 10.244.2.0/24
	by_hand "$a" note endpoint_twice 172.16.40.2
	# but not of the one device
	lacks "doctor ipmesh0" "$(doctor "$a" ipmesh0)" twice
}

# Asked, not only judged by what came before.
probed() {
	nodes
	prints "nothing found" doctor "$a" --probe
	mesh -n "$b" peer del ipmesh0 172.16.40.1
	healthy "$a"
	doctor "$a" --probe -j >"$tmp/found" || true
	contains "probe" "$(found peer_unreachable what)" \
		"10.244.2.1 behind peer 172.16.40.2 of ipmesh0 does not answer"
}

# What the device drops, with the word that lets it pass.
dropped() {
	local cpu
	nodes
	# an address of the node that is in no pod CIDR
	ip -n "$b" addr add 10.9.9.9/32 dev ipmesh0
	silent "$b" 10.244.1.1 from 10.9.9.9
	busywait is 1 count "$a" ipmesh0 src_not_allowed
	by_hand "$a" warning src_not_allowed "ipmesh0 dropped packets of peer 172.16.40.2 from 10.9.9.9"
	contains "by hand" "$(found src_not_allowed by_hand)" \
		"ipmesh peer set 172.16.40.2 dev ipmesh0 source 10.9.9.9"
	in_ns "$a" ipmesh peer set 172.16.40.2 dev ipmesh0 source 10.9.9.9
	healthy "$a"
	silent "$b" 10.244.1.1 from 10.9.9.9
	busywait is 1 count "$a" ipmesh0 rx_packets
	# a CIDR of another peer
	mesh -n "$a" peer new ipmesh0 172.16.40.3 cidr 10.244.3.0/24
	ip -n "$a" route add 10.244.3.0/24 dev ipmesh0
	ip -n "$b" addr add 10.244.3.5/32 dev ipmesh0
	silent "$b" 10.244.1.1 from 10.244.3.5
	busywait is 2 count "$a" ipmesh0 src_not_allowed
	by_hand "$a" warning src_not_allowed "from 10.244.3.5, which is behind peer 172.16.40.3"
	in_ns "$a" ipmesh peer set 172.16.40.2 dev ipmesh0 cidr 10.244.3.5/32 move noroute
	healthy "$a"
	# a larger CIDR of the peer's own allows nothing of what another has
	in_ns "$a" ipmesh peer set 172.16.40.2 dev ipmesh0 cidr 10.244.0.0/16 nocidr 10.244.3.5/32 noroute
	silent "$b" 10.244.1.1 from 10.244.3.5
	busywait is 3 count "$a" ipmesh0 src_not_allowed
	by_hand "$a" warning src_not_allowed "from 10.244.3.5, which is behind peer 172.16.40.3"
	# an open device takes it
	mesh -n "$a" link set ipmesh0 peers open
	look "$a"
	equal "open" "$(found src_not_allowed what)" ""
	mesh -n "$a" link set ipmesh0 peers strict
	in_ns "$a" ipmesh peer set 172.16.40.2 dev ipmesh0 nocidr 10.244.0.0/16 cidr 10.244.3.5/32 move noroute
	# no peer at all, and another address of one
	ip -n "$b" addr add 172.16.40.12/24 dev eth0
	mesh -n "$b" link set ipmesh0 local 172.16.40.12
	silent "$b" 10.244.1.1
	busywait is 1 count "$a" ipmesh0 unknown_peer
	by_hand "$a" warning unknown_peer \
		"ipmesh0 dropped packets of 172.16.40.12, which is no peer, from 10.244.2.1"
	contains "by hand" "$(found unknown_peer by_hand)" \
		"ipmesh peer set 172.16.40.2 dev ipmesh0 from 172.16.40.12"
	in_ns "$a" ipmesh peer set 172.16.40.2 dev ipmesh0 from 172.16.40.12
	healthy "$a"
	silent "$b" 10.244.1.1 from 10.9.9.9
	busywait is 2 count "$a" ipmesh0 rx_packets
	# a route that leads to nobody
	ip -n "$a" route add 10.99.0.0/16 dev ipmesh0
	silent "$a" 10.99.0.7
	busywait is 1 count "$a" ipmesh0 no_peer
	by_hand "$a" warning no_peer "ipmesh0 dropped packets to 10.99.0.7, which is behind no peer"
	in_ns "$a" ipmesh peer set 172.16.40.3 dev ipmesh0 cidr 10.99.0.0/16 noroute
	look "$a"
	equal "no peer" "$(found no_peer what)" ""
	# it is the last one that is told, of all CPUs
	ip -n "$b" addr add 10.9.9.8/32 dev ipmesh0
	ip -n "$b" addr add 10.9.9.7/32 dev ipmesh0
	for cpu in 0 1; do
		# shellcheck disable=SC2154 # of the coprocess in lib.sh
		taskset -pc "$cpu" "$MESH_PID" >/dev/null
		silent "$b" "10.244.1.1" from "10.9.9.$((8 - cpu))"
		busywait is $((4 + cpu)) count "$a" ipmesh0 src_not_allowed
	done
	taskset -pc "0-$(($(nproc --all) - 1))" "$MESH_PID" >/dev/null
	by_hand "$a" warning src_not_allowed "from 10.9.9.7"
	# what no setting here would mend is not among them
	mesh -n "$a" peer new ipmesh0 172.31.0.9 cidr 10.98.0.0/16
	ip -n "$a" route add 10.98.0.0/16 dev ipmesh0
	silent "$a" 10.98.0.1
	busywait is 1 count "$a" ipmesh0 no_route
	by_hand "$a" warning src_not_allowed "from 10.9.9.7"
}

# The same of IPv6 inside and outside.
dropped_ipv6() {
	setup_ns a b
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
	ip -n "$a" addr add fd00::1/64 dev eth0 nodad
	ip -n "$b" addr add fd00::2/64 dev eth0 nodad
	in_ns "$a" sysctl -qw net.ipv6.conf.all.forwarding=1
	in_ns "$a" ipmesh link add ipmesh0 local fd00::1 address fd10:1::1/128
	in_ns "$b" ipmesh link add ipmesh0 local fd00::2 address fd10:2::1/128 address fd10:9::9/128
	in_ns "$a" ipmesh peer add fd00::2 cidr fd10:2::/64
	in_ns "$b" ipmesh peer add fd00::1 cidr fd10:1::/64
	silent "$b" fd10:1::1 from fd10:9::9
	busywait is 1 count "$a" ipmesh0 src_not_allowed
	by_hand "$a" warning src_not_allowed "of peer fd00::2 from fd10:9::9"
	in_ns "$a" ipmesh peer set fd00::2 source fd10:9::9
	look "$a"
	equal "src_not_allowed" "$(found src_not_allowed what)" ""
	# in UDP
	mesh -n "$a" link set ipmesh0 encap udp
	mesh -n "$b" link set ipmesh0 encap udp
	ip -n "$b" addr add fd10:9::8/128 dev ipmesh0 nodad
	silent "$b" fd10:1::1 from fd10:9::8
	busywait is 2 count "$a" ipmesh0 src_not_allowed
	by_hand "$a" warning src_not_allowed "of peer fd00::2 from fd10:9::8"
	in_ns "$a" ipmesh peer del fd00::2
	silent "$b" fd10:1::1 from fd10:9::9
	busywait is 1 count "$a" ipmesh0 unknown_peer
	by_hand "$a" warning unknown_peer "of fd00::2, which is no peer, from fd10:9::9"
}

run_tests sizes peers probed dropped dropped_ipv6
