#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The end: of the module, of devices and of namespaces, with traffic running.
#
#     a 172.16.40.1 ======== 172.16.40.2 b,   the device of a also in pod
#
# Proves: the module unloads under a ping flood, under TCP, with hundreds of
# peers, under requests, and loads again; namespaces go in any order; nothing is
# left: no device, no reference, no memory, no message of the kernel.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-messages.sh"

# Messages of the kernel that a person should see.
warnings() {
	kernel_messages | wc -l
}

# no_trace [busywait]: the module goes, at once and with all it had; with requests
# under way as soon as none of them holds it
no_trace() {
	"$@" modprobe -r ipmesh
	[ ! -e /sys/module/ipmesh ] || fail "the module is still there"
	# a cache that shares another's slabs leaves its link for ever
	[ ! -e /sys/kernel/slab/ipmesh_peer ] || [ -L /sys/kernel/slab/ipmesh_peer ] ||
		fail "the cache of peers is left"
	modprobe ipmesh
	equal "references" "$(cat /sys/module/ipmesh/refcnt)" 0
	equal "warnings" "$(warnings)" "$warned"
}

# begin: every test does
begin() {
	modprobe ipmesh
	warned=$(warnings)
}

# traffic NS ADDRESS: a flood that nobody asks the result of
traffic() {
	: >"$tmp/running"
	start "$1" mesh flood "$2" >"$tmp/running" 2>&1
	busywait file_has "$tmp/running" running
}


under_flood() {
	local i
	begin
	two_nodes
	traffic "$a" 10.244.2.1
	for i in 1 2; do
		modprobe -r ipmesh
		equal "devices left" "$(links "$a")$(links "$b")" ""
		modprobe ipmesh
		node "$a" 1 2
		node "$b" 2 1
		pings "$a" 10.244.2.1
	done
	no_trace
}

links() {
	ip -n "$1" -br link show type ipmesh
}

under_tcp() {
	begin
	two_nodes
	: >"$tmp/iperf"
	start "$b" iperf3 -s --forceflush >"$tmp/iperf" 2>&1
	busywait file_has "$tmp/iperf" "listening on"
	start "$a" iperf3 -c 10.244.2.1 -t 60 -P 2 >/dev/null 2>&1
	busywait flows 200
	no_trace
}

flows() {
	[ "$(count "$a" ipmesh0 tx_packets)" -gt "$1" ]
}

# Many peers, and requests that go on while it goes.
with_peers() {
	local i
	begin
	two_nodes
	traffic "$a" 10.244.2.1
	for i in {1..250}; do
		mesh -n "$a" peer new ipmesh0 "10.0.0.$i" cidr "10.1.$i.0/24"
	done
	equal "peers" "$(mesh -n "$a" peer list ipmesh0 | wc -l)" 251
	# a request for a family that has just gone makes the kernel load it again,
	# while modprobe -r is still at what it needs
	defer "echo $(</proc/sys/kernel/modprobe) >/proc/sys/kernel/modprobe"
	echo /bin/false >/proc/sys/kernel/modprobe
	start "$a" bash -c 'while :; do mesh peer set ipmesh0 10.0.0.1 cidr 192.0.2.0/24
		mesh peer list ipmesh0; mesh peer set ipmesh0 10.0.0.1 remove 192.0.2.0/24
		done' >/dev/null 2>&1
	no_trace busywait
}

# Devices come and go while packets do.
device_under_flood() {
	local i
	begin
	two_nodes
	traffic "$a" 10.244.2.1
	for i in {1..4}; do
		ip -n "$a" link del ipmesh0
		node "$a" 1 2
	done
	for i in {1..12}; do
		mesh -n "$a" peer del ipmesh0 172.16.40.2
		mesh -n "$a" peer new ipmesh0 172.16.40.2 cidr 10.244.2.0/24
	done
	pings "$a" 10.244.2.1
	no_trace
}

# The namespace of one end dies while the other goes on sending.
namespace_with_traffic() {
	begin
	two_nodes
	traffic "$b" 10.244.1.1
	del_ns "$a"
	# its end of the wire goes when it is really dead
	busywait is "" wires
	kill "$pid"
	wait "$pid" || true
	two_nodes
	pings "$a" 10.244.2.1
	no_trace
}

wires() {
	ip -n "$b" -br link show type veth
}

# The device lives in pod, its underlay is a.
moved_device() {
	two_nodes
	elsewhere
	pings "$pod" 10.244.2.1
	# what runs in a namespace keeps it
	traffic "$pod" 10.244.2.1
}

underlay_first() {
	begin
	moved_device
	del_ns "$a"
	busywait is "" links "$pod"
	del_ns "$pod"
	no_trace
}

device_first() {
	begin
	moved_device
	kill "$pid"
	wait "$pid" || true
	del_ns "$pod"
	del_ns "$a"
	del_ns "$b"
	no_trace
}

# With hooks of connection tracking, and of the module ahead of them: it goes with traffic
# in them, and an underlay goes that has them, with its device inside and elsewhere.
not_tracked() {
	local i ns
	begin
	for i in module inside elsewhere; do
		two_nodes
		for ns in "$a" "$b"; do
			in_ns "$ns" nft "add table inet w
				add chain inet w in { type filter hook input priority 0; }
				add rule inet w in ct state new counter"
			mesh -n "$ns" link set ipmesh0 notrack on
		done
		[ "$i" != elsewhere ] || elsewhere
		traffic "$b" 10.244.1.1
		busywait received 50
		case $i in
		module)
			modprobe -r ipmesh
			# what loads has the memory of what went away unmapped at last
			modprobe -r ip_vti
			modprobe ip_vti
			pings "$b" 172.16.40.1 ;;
		*) del_ns "$a" ;;
		esac
		kill "$pid"
		wait "$pid" || true
		[ "$i" != elsewhere ] || busywait is "" links "$pod"
		modprobe ipmesh
	done
	no_trace
}

received() {
	[ "$(count "$b" ipmesh0 rx_packets)" -gt "$1" ]
}

# The lower device goes while the peer's route is cached.
underlay_device() {
	begin
	two_nodes
	traffic "$a" 10.244.2.1
	ip -n "$a" link del eth0
	silent "$a" 10.244.2.1
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
	pings "$a" 10.244.2.1
	ip -n "$a" link del eth0
	no_trace
}

run_tests under_flood under_tcp with_peers device_under_flood namespace_with_traffic \
	underlay_first device_first underlay_device not_tracked
