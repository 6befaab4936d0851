#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The life of a device, and its attributes.
#
#     a: ipmesh0, dummy0
#
#     a: 172.16.40.1 eth0 ------ eth0 172.16.40.2 :b     (where traffic runs)
#        ipmesh0                      ipmesh0
#
# Proves: a device needs no attribute and has the defaults then; each attribute
# reads back as it was set, also when changed; each refusal says why and changes
# nothing; the flags; names, among them tunl0; deletion while up; no device
# comes by itself; changes under traffic lose no packet.
set -eu
. "$(dirname "$0")/lib.sh"

defaults="mtu 1480
local 0.0.0.0
dev 0
peers strict
ttl 64
dscp inherit
pmtudisc on
fwmark 0
mtu_auto on
max_peers 65536
encap none
dport 5555
sport 0
csum off
notrack off
rpf on
peer_count 0"

default_attributes() {
	setup_ns a
	ip -n "$a" link add type ipmesh
	prints "$defaults" mesh -n "$a" link get ipmesh0
}

# with TEXT KEY VALUE…: TEXT with other values; in $REPLY.
with() {
	local text=$1 line
	shift
	while [ $# -gt 0 ]; do
		REPLY=''
		while read -r line; do
			case $line in
			"$1 "*) line="$1 $2" ;;
			esac
			REPLY+=$line$'\n'
		done <<<"$text"
		text=${REPLY%$'\n'}
		shift 2
	done
	REPLY=$text
}

# "KEY VALUE VALUE2": a device is made with the one and changed to the other
attribute_values() {
	local key value other
	setup_ns a
	ip -n "$a" link add dummy0 type dummy
	while read -r key value other; do
		mesh -n "$a" link add ipmesh0 "$key" "$value"
		with "$defaults" "$key" "$value"
		prints "$REPLY" mesh -n "$a" link get ipmesh0
		mesh -n "$a" link set ipmesh0 "$key" "$other"
		with "$defaults" "$key" "$other"
		prints "$REPLY" mesh -n "$a" link get ipmesh0
		ip -n "$a" link del ipmesh0
	done <<-END
		local 172.16.40.1 0.0.0.0
		dev dummy0 0
		peers open strict
		ttl 1 255
		ttl inherit 7
		dscp 0 63
		dscp 46 inherit
		pmtudisc off on
		fwmark 4294967295 1
		max_peers 1 1048576
		mtu_auto off on
		dport 1 65535
		sport 65535 0
		csum on off
		notrack on off
		rpf off on
	END
	# which takes room in the packet
	mesh -n "$a" link add ipmesh0 encap udp
	with "$defaults" encap udp mtu 1472
	prints "$REPLY" mesh -n "$a" link get ipmesh0
	mesh -n "$a" link set ipmesh0 encap none
	prints "$defaults" mesh -n "$a" link get ipmesh0
	ip -n "$a" link del ipmesh0
	# an IPv6 underlay takes more of it, and has UDP checksums
	mesh -n "$a" link add ipmesh0 local fd00::1
	with "$defaults" local fd00::1 mtu 1460 csum on
	prints "$REPLY" mesh -n "$a" link get ipmesh0
	mesh -n "$a" link set ipmesh0 local fd00::2 csum off
	with "$REPLY" local fd00::2 csum off
	prints "$REPLY" mesh -n "$a" link get ipmesh0
	ip -n "$a" link del ipmesh0
	mesh -n "$a" link add ipmesh0 mtu 1300
	with "$defaults" mtu 1300 mtu_auto off
	prints "$REPLY" mesh -n "$a" link get ipmesh0
}

# A request that names some attributes leaves the others.
attributes_kept() {
	setup_ns a
	ip -n "$a" link add dummy0 type dummy
	mesh -n "$a" link add ipmesh0 local 172.16.40.1 dev dummy0 peers open ttl 3 \
		dscp 9 pmtudisc off fwmark 77 max_peers 5 mtu 1300
	mesh -n "$a" link set ipmesh0 ttl 4
	prints "mtu 1300
local 172.16.40.1
dev dummy0
peers open
ttl 4
dscp 9
pmtudisc off
fwmark 77
mtu_auto off
max_peers 5
encap none
dport 5555
sport 0
csum off
notrack off
rpf on
peer_count 0" mesh -n "$a" link get ipmesh0
}

# "ERRNO: EXTACK|KEY VALUE…": refused for a new device and for a present one
refusals() {
	local text words before
	setup_ns a
	mesh -n "$a" link add ipmesh0 local 172.16.40.1 ttl 5
	before=$(ip -n "$a" -d link show ipmesh0)
	while IFS='|' read -r text words; do
		# shellcheck disable=SC2086
		refused "$text" mesh -n "$a" link add new0 $words
		# shellcheck disable=SC2086
		refused "$text" mesh -n "$a" link set ipmesh0 $words
	done <<-END
		EINVAL: The DSCP must be 0 to 63, or 255 to inherit|dscp 64
		EINVAL: The DSCP must be 0 to 63, or 255 to inherit|ttl 9 dscp 254
		EINVAL: The local address must have 4 or 16 bytes|local 3
		EINVAL: A v4-mapped address is none; give 4 bytes|local ::ffff:172.16.40.1
		EINVAL: An IPv6 underlay needs a local address|local ::
		EINVAL: The local address must be unicast or any|local ff02::1
		EINVAL: The local address must be unicast or any|local 224.0.0.1
		EINVAL: The local address must be unicast or any|local 255.255.255.255
		ENODEV: No lower device has this index|ttl 9 dev 4711
		EINVAL: An ipmesh device has no link-layer address|address 172.16.40.9
		EINVAL: The MTU is either automatic or a number|mtu 1400 mtu_auto on
		EINVAL: The peer count can only be read|peer_count 1
		ERANGE: |peers 2
		ERANGE: |pmtudisc 2
		ERANGE: |mtu_auto 2
		ERANGE: |max_peers 0
		ERANGE: |max_peers 1048577
		ERANGE: |encap 2
		ERANGE: |dport 0
		ERANGE: |csum 2
		ERANGE: |notrack 2
		ERANGE: |rpf 2
	END
	refused "EINVAL: mtu less than device minimum" mesh -n "$a" link add new0 mtu 67
	refused "EINVAL: mtu greater than device maximum" mesh -n "$a" link add new0 mtu 65516
	refused "EAFNOSUPPORT: The family of the underlay cannot be changed" \
		mesh -n "$a" link set ipmesh0 local fd00::1
	refused "ELOOP: A device cannot be its own lower device" \
		mesh -n "$a" link set ipmesh0 dev ipmesh0
	equal "ipmesh0" "$(ip -n "$a" -d link show ipmesh0)" "$before"
	mesh -n "$a" peer new ipmesh0 172.16.40.7
	before=$(ip -n "$a" -d link show ipmesh0)
	refused "EINVAL: A peer of the device has this address as its endpoint" \
		mesh -n "$a" link set ipmesh0 local 172.16.40.7 ttl 9
	equal "ipmesh0" "$(ip -n "$a" -d link show ipmesh0)" "$before"
	mesh -n "$a" peer del ipmesh0 172.16.40.7
	mesh -n "$a" link set ipmesh0 local 172.16.40.7
	prints 1 links "$a"
}

# How many devices of ours there are; another module may add its own.
links() {
	ip -n "$1" -d link | sed -n '/^    ipmesh/p' | wc -l
}

# One local address and lower device belong to one device.
local_taken() {
	local text="EEXIST: Another ipmesh device has this local address and lower device"
	setup_ns a
	ip -n "$a" link add dummy0 type dummy
	mesh -n "$a" link add any0
	refused "$text" mesh -n "$a" link add any1
	refused "$text" mesh -n "$a" link add any1 local 0.0.0.0
	mesh -n "$a" link add any1 dev dummy0
	refused "$text" mesh -n "$a" link set any1 dev 0
	equal "any1's device" "$(mesh -n "$a" link get any1 | grep ^dev)" "dev dummy0"
	mesh -n "$a" link add exact0 local 172.16.40.1
	refused "$text" mesh -n "$a" link add exact1 local 172.16.40.1
	mesh -n "$a" link add exact1 local 172.16.40.2
	refused "$text" mesh -n "$a" link set exact1 local 172.16.40.1
	# what is deleted or changed leaves its place
	mesh -n "$a" link set exact0 local 172.16.40.3
	mesh -n "$a" link set exact1 local 172.16.40.1
	ip -n "$a" link del any0
	mesh -n "$a" link set any1 dev 0
	prints 3 links "$a"
}

flags() {
	local shown
	setup_ns a
	mesh -n "$a" link add ipmesh0 local 172.16.40.1
	ip -n "$a" link set ipmesh0 up
	shown=$(ip -n "$a" -d link show ipmesh0)
	contains "flags" "$shown" NOARP
	contains "flags" "$shown" "qdisc noqueue"
	contains "type" "$shown" link/ipip
	equal "IPv6 link-local address" "$(ip -n "$a" -6 addr show dev ipmesh0)" ""
	shown=$(in_ns "$a" ethtool -i ipmesh0)
	contains "ethtool -i" "$shown" "driver: ipmesh"
	shown=$(in_ns "$a" ethtool -S ipmesh0)
	contains "ethtool -S" "$shown" "src_not_allowed: 0"
	in_ns "$a" ethtool -K ipmesh0 tso off gso off tx off
	shown=$(in_ns "$a" ethtool -k ipmesh0)
	contains "ethtool -k" "$shown" "tx-checksumming: off"
	contains "ethtool -k" "$shown" "generic-segmentation-offload: off"
}

# heard COMMAND…: how often the kernel tells of ipmesh0 for it, in $n
mark=60000
heard() {
	"$@"
	marked || true
	busywait file_has "$tmp/monitor" "mtu $mark "
	n=$(grep -c '^[0-9]*: ipmesh0' "$tmp/monitor" || true)
	: >"$tmp/monitor"
}

# marked: make a change, and see whether the monitor tells of it
marked() {
	mark=$((mark + 1))
	ip -n "$a" link set lo mtu "$mark"
	file_has "$tmp/monitor" " lo: "
}

# An address that stays the same is no new one, for which the kernel forgets neighbours and
# cached routes.
same_local() {
	local n once
	setup_ns a
	mesh -n "$a" link add ipmesh0 local 172.16.40.1
	start "$a" ip monitor link >>"$tmp/monitor" 2>&1
	busywait marked
	heard true
	heard mesh -n "$a" link set ipmesh0 ttl 9
	once=$n
	heard mesh -n "$a" link set ipmesh0 local 172.16.40.1
	equal "messages for the same address" "$n" "$once"
	heard mesh -n "$a" link set ipmesh0 local 172.16.40.2
	equal "messages for another" "$n" $((once + 1))
}

names() {
	setup_ns a
	# the fallback device of ipip has the name where that module is loaded
	ip -n "$a" link set tunl0 name old0 2>/dev/null || true
	ip -n "$a" link add tunl0 type ipmesh
	contains "tunl0" "$(ip -n "$a" -d link show tunl0)" ipmesh
	ip -n "$a" link del tunl0
	ip -n "$a" link add ipmesh0 type ipmesh
	ip -n "$a" link set ipmesh0 name mesh-rename
	mesh -n "$a" link get mesh-rename >/dev/null
	mesh -n "$a" link add ipmesh0 local 172.16.40.1
	refused EEXIST mesh -n "$a" link add ipmesh0 local 172.16.40.7
	prints 2 links "$a"
}

no_fallback_device() {
	setup_ns a
	prints 0 links "$a"
}

# Deleting and making again, up and with peers.
deleted_while_up() {
	local i
	two_nodes
	for i in 1 2 3; do
		pings "$a" 10.244.2.1
		ip -n "$a" link del ipmesh0
		lacks "routes" "$(ip -n "$a" route)" ipmesh0
		node "$a" 1 2
	done
	pings "$a" 10.244.2.1
}

# Attributes that do not bear on this traffic change under it, and none is lost.
changes_under_traffic() {
	local i
	two_nodes
	flood "$a" 10.244.2.1
	for i in {1..20}; do
		mesh -n "$a" link set ipmesh0 ttl "$((i * 10))" dscp "$i" pmtudisc off
		mesh -n "$b" link set ipmesh0 local 172.16.40.2 peers open
		mesh -n "$a" link set ipmesh0 dev eth0 max_peers "$i"
		mesh -n "$a" link set ipmesh0 dscp inherit pmtudisc on dev 0 peers open
		mesh -n "$b" link set ipmesh0 local 0.0.0.0 peers strict
		mesh -n "$a" link set ipmesh0 peers strict
	done
	flooded
	counts "$a" ipmesh0 -- tx_packets="$sent" rx_packets="$sent" tx_dropped=0 rx_dropped=0
	counts "$b" ipmesh0 -- tx_packets="$sent" rx_packets="$sent" tx_dropped=0 rx_dropped=0
}

# The device in another namespace than its underlay.
moved() {
	two_nodes
	elsewhere
	pings "$pod" 10.244.2.1
	counts "$pod" ipmesh0 172.16.40.2 -- tx_packets=3 rx_packets=3
	# the device goes with its underlay
	del_ns "$a"
	busywait is 0 links "$pod"
}

run_tests default_attributes attribute_values attributes_kept refusals local_taken \
	same_local flags names no_fallback_device deleted_while_up changes_under_traffic moved
