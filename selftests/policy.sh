#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# IPsec policies and routing rules that select by protocol and by port.
#
#     a: 172.16.40.1 fd00::1    eth0 ======== eth0 172.16.40.2 fd00::2 :b
#        172.16.41.1 fd00:41::1 eth1 ======== eth1 172.16.41.2 fd00:41::2
#        ipmesh0 10.244.1.1 fd10:1::1         ipmesh0 10.244.2.1 fd10:2::1
#
# Proves, over both underlays: what a policy selects by the outer protocol, or by UDP
# port, never leaves in clear, and what it does not select is left alone, whichever of
# the two is sent first; nor does it come in in clear; without a key nothing leaves. A
# rule by protocol, by the device's, a peer's or a fixed source port, or by a fixed DSCP
# leads packets its way, and no others. The MTU of the device is that of the way that its
# packets take.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# --- what leaves ------------------------------------------------------------------------

# egress DEV…: begin to count by kind what leaves a there; tc sees it on all kernels
egress() {
	local dev kind
	for dev; do
		in_ns "$a" tc qdisc del dev "$dev" clsact 2>/dev/null || true
		{
			echo "qdisc add dev $dev clsact"
			for kind in 4 41 17 50; do
				echo "filter add dev $dev egress protocol ip prio $((100 + kind))" \
					"u32 match ip protocol $kind 0xff action pass"
				echo "filter add dev $dev egress protocol ipv6 prio $((200 + kind))" \
					"u32 match ip6 protocol $kind 0xff action pass"
			done
		} >"$tmp/tc"
		tc -n "$a" -batch "$tmp/tc"
	done
}

# left WHAT NAME=N…: so many since it was asked last, and none of the other kinds
left() {
	local what=$1 got wanted dev
	shift
	wanted=$(printf '%s\n' "$@" | sort)
	got=$(for dev in $devices; do
		in_ns "$a" tc -s filter show dev "$dev" egress | awk -v dev="$dev" '
			BEGIN { name[4] = 4; name[41] = 41; name[17] = "udp"; name[50] = "esp" }
			/^filter/ { for (i = 1; i < NF; i++) if ($i == "pref") kind = $(i + 1) % 100 }
			/Sent .* pkt/ { n[kind] += $4 }
			END { for (k in n) if (n[k]) print dev "-" name[k] "=" n[k] }'
	done | sort)
	# shellcheck disable=SC2086
	egress $devices
	equal "$what" "$got" "$wanted"
}

# anew FAMILY none|udp [KEY VALUE]…: devices that have not sent anything
anew() {
	local family=$1 encap=$2
	shift 2
	[ ! -e "$tmp/meshed" ] || no_mesh
	: >"$tmp/meshed"
	mesh_nodes "$family" "$@"
	encap "$a" "$encap"
	encap "$b" "$encap"
	# no route of b's leads back by each of these ways
	mesh -n "$b" link set ipmesh0 rpf off
}

# --- IPsec ------------------------------------------------------------------------------

key=0x0123456789abcdef0123456789abcdef

# keys NS FAMILY: both ways
keys() {
	local one two cipher="cbc(aes) $key"
	one=$(underlay "$2" 1)
	two=$(underlay "$2" 2)
	ip_batch "$1" <<-END
		xfrm state add src $one dst $two proto esp spi 0x10 mode transport enc $cipher auth hmac(sha256) $key
		xfrm state add src $two dst $one proto esp spi 0x20 mode transport enc $cipher auth hmac(sha256) $key
	END
}

# secure FAMILY SELECTOR…: what it selects is ESP, from a to b and from b to a
secure() {
	local one two
	one=$(underlay "$1" 1)
	two=$(underlay "$1" 2)
	shift
	ip_batch "$a" <<-END
		xfrm policy add src $one dst $two $* dir out tmpl src $one dst $two proto esp mode transport
		xfrm policy add src $two dst $one $* dir in tmpl src $two dst $one proto esp mode transport
	END
	ip_batch "$b" <<-END
		xfrm policy add src $two dst $one $* dir out tmpl src $two dst $one proto esp mode transport
		xfrm policy add src $one dst $two $* dir in tmpl src $one dst $two proto esp mode transport
	END
}

no_policies() {
	in_ns "$a" ip xfrm policy flush
	in_ns "$b" ip xfrm policy flush
}

# esp FAMILY: nodes with keys
esp() {
	modprobe -a esp4 esp6 xfrm_user 2>/dev/null || skip "this kernel has no ESP"
	nodes
	keys "$a" "$1" 2>/dev/null || skip "this kernel has no AES"
	keys "$b" "$1"
	# of these alone b is to hear
	ip -n "$a" neigh replace fd00::2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent
	ip -n "$b" neigh replace fd00::1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
	rm -f "$tmp/meshed"
	devices=eth0
	egress eth0
}

protocols_of() {
	local family=$1
	esp "$family"
	secure "$family" proto 4
	anew "$family" none
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "IPv4 first, policy by 4" eth0-esp=3 eth0-41=3
	anew "$family" none
	ping_of "$a" fd10:2::1
	ping_of "$a" 10.244.2.1
	left "IPv6 first, policy by 4" eth0-esp=3 eth0-41=3
	no_policies
	secure "$family" proto 41
	anew "$family" none
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "IPv4 first, policy by 41" eth0-esp=3 eth0-4=3
	anew "$family" none
	ping_of "$a" fd10:2::1
	ping_of "$a" 10.244.2.1
	left "IPv6 first, policy by 41" eth0-esp=3 eth0-4=3
	# one of them each way again, as both are cached now
	ping_of "$a" fd10:2::1
	ping_of "$a" 10.244.2.1
	left "policy by 41, from the cache" eth0-esp=3 eth0-4=3
	no_policies
	ping_of "$a" fd10:2::1
	left "no policy any more" eth0-41=3
}

by_protocol() {
	protocols_of 4
	protocols_of 6
}

ports_of() {
	local family=$1 address
	esp "$family"
	# not the port, and so nothing
	secure "$family" proto udp dport 5556
	anew "$family" udp
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "policy by another port" eth0-udp=6
	no_policies
	secure "$family" proto udp dport 5555
	for address in 10.244.2.1 fd10:2::1; do
		anew "$family" udp
		ping_of "$a" "$address"
		ping_of "$a" fd10:2::1
		ping_of "$a" 10.244.2.1
		left "policy by port, $address first" eth0-esp=9
	done
	# a peer's own port
	in_ns "$a" packet encap ipmesh0 none
	peer_encap "$a" 2 udp dport 5555
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "policy by a peer's port" eth0-esp=6
	# a fixed source port is a selector as well
	no_policies
	secure "$family" proto udp sport 7777
	anew "$family" udp
	ping_of "$a" 10.244.2.1
	left "policy by a source port, and one by flow" eth0-udp=3
	in_ns "$a" packet encap ipmesh0 udp sport 7777
	in_ns "$b" packet encap ipmesh0 udp sport 7777
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "policy by a fixed source port" eth0-esp=6
	no_drops "$a" "$b"
}

by_port() {
	ports_of 4
	ports_of 6
}

# Without a key nothing that a policy selects leaves, as with the kernel's vxlan.
keyless_of() {
	local family=$1 selector
	esp "$family"
	in_ns "$a" ip xfrm state flush
	for selector in "proto 4" "proto 41" "proto udp dport 5555"; do
		# shellcheck disable=SC2086
		secure "$family" $selector
		case $selector in
		*udp*) anew "$family" udp ;;
		*) anew "$family" none ;;
		esac
		case $selector in
		*udp*)
			silent "$a" 10.244.2.1
			silent "$a" fd10:2::1
			silent "$a" 10.244.2.1
			left "$selector without a key" ;;
		*41)
			silent "$a" 10.244.2.1
			silent "$a" fd10:2::1
			silent "$a" 10.244.2.1
			left "$selector without a key" eth0-4=2 ;;
		*)
			silent "$a" fd10:2::1
			silent "$a" 10.244.2.1
			silent "$a" fd10:2::1
			left "$selector without a key" eth0-41=2 ;;
		esac
		no_policies
	done
}

without_key() {
	keyless_of 4
	keyless_of 6
}

# demand FAMILY SELECTOR…: b takes what it selects as ESP only; a knows nothing of it
demand() {
	local one two
	one=$(underlay "$1" 1)
	two=$(underlay "$1" 2)
	shift
	in_ns "$b" ip xfrm policy flush
	ip_batch "$b" <<-END
		xfrm policy add src $one dst $two $* dir in tmpl src $one dst $two proto esp mode transport
	END
}

# What a policy selects does not come in in clear.
incoming_of() {
	local family=$1
	esp "$family"
	anew "$family" none
	demand "$family" proto 41
	silent "$a" fd10:2::1
	silent "$a" 10.244.2.1
	silent "$a" fd10:2::1
	busywait is 1 count "$b" ipmesh0 rx_packets
	busywait is 2 count "$b" ipmesh0 policy
	demand "$family" proto 4
	silent "$a" 10.244.2.1
	silent "$a" fd10:2::1
	busywait is 2 count "$b" ipmesh0 rx_packets
	busywait is 3 count "$b" ipmesh0 policy
	# which the UDP layer drops itself
	demand "$family" proto udp dport 5555
	anew "$family" udp
	silent "$a" 10.244.2.1
	silent "$a" fd10:2::1
	in_ns "$b" packet encap ipmesh0 udp dport 5556
	in_ns "$a" packet encap ipmesh0 udp dport 5556
	silent "$a" 10.244.2.1
	silent "$a" fd10:2::1
	busywait is 2 count "$b" ipmesh0 rx_packets
	no_policies
}

incoming() {
	incoming_of 4
	incoming_of 6
}

# --- rules ------------------------------------------------------------------------------

# ways FAMILY: a second link, and table 7 that leads to b by it
ways() {
	nodes
	link_nodes "$a" eth1 1 "$b" eth1 2 1500 41
	case $1 in
	4)	ip -n "$a" route add 172.16.40.2 via 172.16.41.2 table 7 ;;
	6)	ip -n "$a" addr add fe80::1/64 dev eth1 nodad
		ip_batch "$a" <<-END
			neigh replace fd00:41::2 lladdr 02:00:00:00:00:02 dev eth1 nud permanent
			route add fd00::2 via fd00:41::2 table 7
		END
		ip -n "$a" neigh replace fd00::2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent
		ip -n "$b" neigh replace fd00::1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent ;;
	esac
	rm -f "$tmp/meshed"
	devices="eth0 eth1"
	egress eth0 eth1
}

# rule FAMILY SELECTOR…: leads to table 7, in place of the one before
rule() {
	local family=$1
	shift
	ip -n "$a" "-$family" rule del pref 10 2>/dev/null || true
	ip -n "$a" "-$family" rule add pref 10 "$@" table 7
}

ruled() {
	local family=$1
	ways "$family"
	rule "$family" ipproto 4
	anew "$family" none
	ping_of "$a" fd10:2::1
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "rule by 4, IPv6 first" eth1-4=3 eth0-41=6
	anew "$family" none
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "rule by 4, IPv4 first" eth1-4=3 eth0-41=3
	rule "$family" ipproto 41
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "rule by 41" eth0-4=3 eth1-41=3
	rule "$family" ipproto udp dport 5556
	anew "$family" udp
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "rule by another port" eth0-udp=6
	rule "$family" ipproto udp dport 5555
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "rule by port" eth1-udp=6
	rule "$family" ipproto udp dport 6000
	in_ns "$a" packet encap ipmesh0 none
	peer_encap "$a" 2 udp dport 6000
	in_ns "$b" packet encap ipmesh0 udp dport 6000
	peer_encap "$b" 1 udp dport 5555
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "rule by a peer's port" eth1-udp=6
	peer_encap "$a" 2 none
	peer_encap "$b" 1 none
	ping_of "$a" 10.244.2.1
	left "a peer without UDP" eth0-4=3
	rule "$family" ipproto udp sport 7777
	anew "$family" udp
	ping_of "$a" 10.244.2.1
	left "rule by a source port, and one by flow" eth0-udp=3
	in_ns "$a" packet encap ipmesh0 udp sport 7777
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "rule by a fixed source port" eth1-udp=6
	# what the packet inherits chooses nothing, what is fixed does
	rule "$family" tos 0x10
	anew "$family" none
	pings "$a" 10.244.2.1 tos 16
	left "inherited DSCP" eth0-4=3
	mesh -n "$a" link set ipmesh0 dscp 4
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	left "rule by DSCP" eth1-4=3 eth1-41=3
	no_drops "$a" "$b"
}

rules() {
	ruled 4
	ruled 6
}

# Of the ways to a peer those count for the MTU that its packets take.
mtu_of() {
	local family=$1 overhead=20
	[ "$family" = 4 ] || overhead=40
	ways "$family"
	ip -n "$a" link set eth1 mtu 1400
	rule "$family" ipproto 41
	anew "$family" none
	mtu_is $((1400 - overhead))
	rule "$family" ipproto udp dport 6000
	anew "$family" none
	mtu_is $((1500 - overhead))
	peer_encap "$a" 2 udp
	mtu_is $((1500 - overhead - 8))
	peer_encap "$a" 2 udp dport 6000
	# a change of the port is no change of the overhead: the next pass sees it
	once "$a" 10.244.2.1
	busywait has_mtu $((1400 - overhead - 8))
	# a peer that comes with it is asked for at once
	peer_encap "$a" 2 none
	once "$a" 10.244.2.1
	busywait has_mtu $((1500 - overhead))
	mesh -n "$a" peer del ipmesh0 "$(underlay "$family" 2)"
	mesh -n "$a" peer new ipmesh0 "$(underlay "$family" 2)" encap udp dport 6000
	busywait has_mtu $((1400 - overhead - 8))
}

has_mtu() {
	[[ $(ip -n "$a" link show ipmesh0) == *" mtu $1 "* ]]
}

mtu_is() {
	contains "link" "$(ip -n "$a" link show ipmesh0)" "mtu $1 "
}

mtu() {
	mtu_of 4
	mtu_of 6
}

run_tests by_protocol by_port without_key incoming rules mtu
