#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Beside the kernel's own tunnels, and beside one another.
#
#     a 172.16.40.1 and .11 ======== 172.16.40.2 and .12 b
#       ipmesh0 by .1                                  .2
#       ipip, sit by .11                              .12
#
# Proves: ipip, sit and ip_vti load before and after ipmesh, and all work; a
# packet goes to the device with the exact local address, else to one with
# local any, else to the kernel's ipip; devices with one local address and
# different lower devices each have their own; a device that is down or deleted
# leaves its packets to ipip.
set -eu
. "$(dirname "$0")/lib.sh"

# two_tunnels: ipmesh by .1 and .2, addresses .11 and .12 for others
two_tunnels() {
	two_nodes
	mesh -n "$a" link set ipmesh0 local 172.16.40.1
	mesh -n "$b" link set ipmesh0 local 172.16.40.2
	ip -n "$a" addr add 172.16.40.11/24 dev eth0
	ip -n "$b" addr add 172.16.40.12/24 dev eth0
}

# ipip_tunnel NS OWN OTHER [KEY VALUE]…: tun0 with 10.9.OWN.1
ipip_tunnel() {
	local ns=$1 own=$2 other=$3
	ip_batch "$ns" <<-END
		link add tun0 type ipip local 172.16.40.$own remote 172.16.40.$other
		link set tun0 up
		addr add 10.9.$own.1/32 dev tun0
		route add 10.9.$other.0/24 dev tun0 src 10.9.$own.1
	END
}

sit_tunnel() {
	local ns=$1 own=$2 other=$3
	ip_batch "$ns" <<-END
		link add sit9 type sit local 172.16.40.$own remote 172.16.40.$other
		link set sit9 up
		addr add 10.8.$own.1/32 dev sit9
		addr add fd00:8::$own/128 dev sit9 nodad
		route add 10.8.$other.0/24 dev sit9 src 10.8.$own.1
		route add fd00:8::$other/128 dev sit9
	END
}

all_work() {
	two_tunnels
	ipip_tunnel "$a" 11 12
	ipip_tunnel "$b" 12 11
	pings "$a" 10.244.2.1
	pings "$a" 10.9.12.1
	pings "$b" 10.244.1.1
	pings "$b" 10.9.11.1
	counts "$a" ipmesh0 -- rx_packets=6 tx_packets=6 rx_dropped=0
	counts "$a" tun0 -- rx_packets=6 tx_packets=6
	# sit carries IPv6 where no ipip tunnel has its addresses
	ip -n "$a" link del tun0
	ip -n "$b" link del tun0
	sit_tunnel "$a" 11 12
	sit_tunnel "$b" 12 11
	pings "$a" fd00:8::12
	pings "$a" 10.244.2.1
	counts "$a" ipmesh0 -- rx_packets=9 tx_packets=9 rx_dropped=0
}

# Modules that the guest has come and go; what was loaded is loaded again.
unload_all() {
	local module
	for module in ip_vti ipip sit ipmesh; do
		modprobe -r "$module" || fail "$module is in use"
	done
}

loaded_before() {
	unload_all
	modprobe -a ipip sit ip_vti ipmesh
	all_work
}

loaded_after() {
	unload_all
	modprobe -a ipmesh ip_vti sit ipip
	all_work
}

# Each goes without the others noticing.
unloaded_beside() {
	modprobe -a ipip sit ip_vti
	two_tunnels
	ipip_tunnel "$a" 11 12
	ipip_tunnel "$b" 12 11
	flood "$a" 10.9.12.1
	modprobe -r ipmesh
	modprobe ipmesh
	modprobe -r sit ip_vti
	flooded
	[ "$sent" -gt 0 ]
	node "$a" 1 2
	node "$b" 2 1
	flood "$a" 10.244.2.1
	modprobe -r ipip
	modprobe ipip
	flooded
	counts "$a" ipmesh0 -- tx_packets="$sent" rx_packets="$sent"
}

# made NS DEV COUNT: it has received so many
received() {
	busywait is "$3" count "$1" "$2" rx_packets
}

any_and_exact() {
	modprobe ipip
	two_tunnels
	mesh -n "$b" link add any0
	mesh -n "$b" peer new any0 172.16.40.1 cidr 10.244.1.0/24
	ip -n "$b" link set any0 up
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.40.2 isrc 10.244.1.1 idst 192.0.2.1
	received "$b" ipmesh0 1
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.40.12 isrc 10.244.1.1 idst 192.0.2.1
	received "$b" any0 1
	# each judges by its own peers
	mesh -n "$b" peer del any0 172.16.40.1
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.40.12 isrc 10.244.1.1 idst 192.0.2.1
	busywait is 1 count "$b" any0 unknown_peer
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.40.2 isrc 10.244.1.1 idst 192.0.2.1
	received "$b" ipmesh0 2
	# a change of the address takes the packets along
	mesh -n "$b" link set ipmesh0 local 172.16.40.12
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.40.12 isrc 10.244.1.1 idst 192.0.2.1
	received "$b" ipmesh0 3
	counts "$b" any0 -- rx_packets=1 rx_dropped=1
	# the exact one goes, and any takes over
	mesh -n "$b" peer new any0 172.16.40.1 cidr 10.244.1.0/24
	ip -n "$b" link del ipmesh0
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.40.12 isrc 10.244.1.1 idst 192.0.2.1
	received "$b" any0 2
}

# What no device of ours wants goes to ipip, untouched.
passed_on() {
	modprobe ipip
	two_tunnels
	ipip_tunnel "$b" 2 1
	# the exact device takes it ahead of ipip
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.40.2 isrc 10.244.1.1 idst 192.0.2.1
	received "$b" ipmesh0 1
	ip -n "$b" link set ipmesh0 down
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.40.2 isrc 10.244.1.1 idst 192.0.2.1 itos 0x20
	received "$b" tun0 1
	ip -n "$b" link set ipmesh0 up
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.40.2 isrc 10.244.1.1 idst 192.0.2.1
	received "$b" ipmesh0 2
	# one that is dropped is not passed on
	mesh -n "$a" raw src 172.16.40.9 dst 172.16.40.2 isrc 10.244.1.1 idst 192.0.2.1
	busywait is 1 count "$b" ipmesh0 unknown_peer
	ip -n "$b" link del ipmesh0
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.40.2 isrc 10.244.1.1 idst 192.0.2.1
	received "$b" tun0 2
	counts "$b" tun0 -- rx_packets=2
}

two_devices() {
	setup_ns a b c
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
	wire "$a" eth1 172.16.60.1/24 "$c" eth0 172.16.60.2/24
	# the same local address, known behind either lower device
	ip -n "$b" route add 172.16.60.1 via 172.16.40.1
	ip_batch "$c" <<-END
		route add 172.16.40.1 via 172.16.60.1
		addr add 10.244.2.1/32 dev lo
	END
	node "$b" 2 1
	mesh -n "$c" link add ipmesh0
	mesh -n "$c" peer new ipmesh0 172.16.40.1 cidr 10.243.1.0/24
	ip_batch "$c" <<-END
		link set ipmesh0 up
		addr add 10.243.2.1/32 dev ipmesh0
		route add 10.243.1.0/24 dev ipmesh0 src 10.243.2.1
	END
	mesh -n "$a" link add one0 local 172.16.40.1 dev eth0
	mesh -n "$a" link add two0 local 172.16.40.1 dev eth1
	mesh -n "$a" peer new one0 172.16.40.2 cidr 10.244.2.0/24
	mesh -n "$a" peer new two0 172.16.60.2 cidr 10.243.2.0/24
	ip_batch "$a" <<-END
		link set one0 up
		link set two0 up
		addr add 10.244.1.1/32 dev one0
		addr add 10.243.1.1/32 dev two0
		route add 10.244.2.0/24 dev one0 src 10.244.1.1
		route add 10.243.2.0/24 dev two0 src 10.243.1.1
	END
	pings "$a" 10.244.2.1
	pings "$a" 10.243.2.1
	counts "$a" one0 -- tx_packets=3 rx_packets=3 rx_dropped=0
	counts "$a" two0 -- tx_packets=3 rx_packets=3 rx_dropped=0
	# a peer and a pod CIDR are of one device: the other may have the same
	mesh -n "$a" peer new one0 172.16.60.2 cidr 10.243.2.0/24
	# an unbound one takes what is left
	mesh -n "$a" link add rest0 local 172.16.40.1
	mesh -n "$a" peer new rest0 172.16.40.2 cidr 10.244.2.0/24
	ip -n "$a" link set rest0 up
	ip -n "$a" link set one0 down
	mesh -n "$b" raw src 172.16.40.2 dst 172.16.40.1 isrc 10.244.2.1 idst 192.0.2.1
	received "$a" rest0 1
}

# The lower device goes; its ipmesh device stays, and drops what it is to send.
lower_device_gone() {
	two_nodes
	mesh -n "$a" link set ipmesh0 dev eth0
	pings "$a" 10.244.2.1
	ip -n "$a" link del eth0
	silent "$a" 10.244.2.1
	counts "$a" ipmesh0 172.16.40.2 -- tx_packets=3 no_route=1
	mesh -n "$a" link set ipmesh0 dev 0
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
	pings "$a" 10.244.2.1
}

run_tests any_and_exact passed_on two_devices lower_device_gone unloaded_beside \
	loaded_before loaded_after
