#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Encapsulation in UDP.
#
#     pod ------ a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#     (some)       ipmesh0                        ipmesh0, or a kernel tunnel
#                  10.244.1.1 fd10:1::1           10.244.2.1 fd10:2::1
#
# Proves, for both families outside and inside: UDP on the device and on one
# peer carries packets and streams, a GSO packet as one; the outer header has
# the port, a source port of the inner flow and the checksum that is asked for,
# and a wrong checksum is not received; the port is bound while it is wanted,
# once for all devices, and a port that is taken is refused without a change; a
# peer moves to UDP and back without loss; fou and bareudp of the kernel are
# other ends.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# ports NS: the UDP ports that are bound, by family.  A kernel without udp_diag does
# not tell ss which sockets are IPv6 only: they are "*" there.
ports() {
	in_ns "$1" ss -Huln | awk '{ sub(/^\*/, "[::]", $4); print $4 }' | sort
}

mtu_of() {
	mesh -n "$1" link get ipmesh0 | sed -n 's/^mtu //p'
}

# --- traffic -----------------------------------------------------------------------

carried() {
	local family=$1 address=$2 before packets
	nodes
	mesh_nodes "$family"
	encap "$a" udp
	encap "$b" udp
	watch "$b" eth0 1 "udp"
	ping_of "$a" "$address"
	contains "outer header" "$(watched)" "> 5555 len"
	# many segments at once, however slow the CPU is
	in_ns "$a" sysctl -qw net.ipv4.tcp_min_tso_segs=8
	before=$(packets "$a" eth0 tx)
	packets=$(count "$a" ipmesh0 tx_packets)
	stream "$a" "$b" "$address" 4000000
	same_counts
	no_drops "$a" "$b"
	# 4000000 bytes are more than 2700 packets
	packets=$(($(count "$a" ipmesh0 tx_packets) - packets))
	[ "$packets" -gt 2700 ] || fail "the device counts buffers, not packets"
	before=$(($(packets "$a" eth0 tx) - before))
	[ "$before" -lt $((packets * 3 / 4)) ] ||
		fail "the stream was cut into packets before the link: $before of $packets"
}

on_device() {
	each_pair carried
}

# A device without UDP that has one peer with it, and the reverse at the other end.
carried_to_peer() {
	local family=$1 address=$2
	nodes
	mesh_nodes "$family"
	peer_encap "$a" 2 udp
	encap "$b" udp
	peer_encap "$b" 1 none
	# the inner packet, and so no neighbour discovery
	watch "$b" eth0 2 "$address"
	once "$a" "$address"
	# the request is in UDP, the answer is not
	contains "request" "$(watched)" "| udp "
	lacks "answer" "$(tail -n 1 "$tmp/watch")" "| udp "
	ping_of "$a" "$address"
	stream "$a" "$b" "$address" 300000
	same_counts
	no_drops "$a" "$b"
}

on_peer() {
	each_pair carried_to_peer
}

# --- the outer header ------------------------------------------------------------------

# flow SPORT…: a packet of each inner flow, from the pod to $address
flow() {
	local layers=(ip4 src=10.244.1.7 dst="$address") packets=() sport
	case $address in
	*:*) layers=(ip6 src=fd10:1::7 dst="$address") ;;
	esac
	for sport; do
		packets+=("${layers[@]}" udp sport="$sport" dport=9 sum=good data size=10 ",")
	done
	in_ns "$pod" packet send eth0 02:00:00:00:00:08 "${packets[@]}"
}

source_ports() {
	local family=$1 address=$2 sports
	nodes
	with_pod
	mesh_nodes "$family"
	encap "$a" udp
	watch "$b" eth0 16 "> 5555"
	flow 1001 1002 1003 1004 1005 1006 1007 1008 1008 1007 1006 1005 1004 1003 1002 1001
	watched >"$tmp/flows"
	# outer port of each inner flow
	sports=$(sed -n 's/.* udp \([0-9]*\) > 5555 .* udp \([0-9]*\) > 9 .*/\2 \1/p' "$tmp/flows" | sort -u)
	equal "one source port for a flow" "$(wc -l <<<"$sports")" 8
	[ "$(awk '{ print $2 }' <<<"$sports" | sort -u | wc -l)" -gt 1 ] ||
		fail "one source port for all flows"
	# or a fixed one
	encap "$a" - sport 1234
	watch "$b" eth0 1 "> 5555"
	flow 1001
	contains "source port" "$(watched)" "| udp 1234 > 5555"
	encap "$a" - sport 0 dport 7777
	watch "$b" eth0 1 "> 7777"
	flow 1001
	lacks "source port" "$(watched)" "| udp 1234 "
	# the peer's port before the device's
	peer_encap "$a" 2 - dport 8888
	watch "$b" eth0 1 "> 8888"
	flow 1001
	watched >"$tmp/flows"
}

flow_source_ports() {
	each_pair source_ports
}

checksum_sent() {
	local family=$1 address=$2 on=good off=zero default
	nodes
	with_pod
	mesh_nodes "$family"
	# what is on the wire, not what a device is left to fill in
	in_ns "$a" ethtool -K eth0 tx off >/dev/null
	encap "$a" udp
	case $family in
	4) default=$off ;;
	6) default=$on ;;
	esac
	for wanted in $default:- $on:1 $off:0; do
		[ "${wanted#*:}" = - ] || encap "$a" - csum "${wanted#*:}"
		watch "$b" eth0 1 "> 5555"
		flow 1001
		contains "checksum" "$(watched)" "> 5555 len $((18 + ${overhead[$family$address]})) sum ${wanted%:*}"
		contains "inner checksum" "$(cat "$tmp/watch")" "> 9 len 18 sum good"
	done
}
declare -A overhead=([410.244.2.1]=28 [4fd10:2::1]=48 [610.244.2.1]=28 [6fd10:2::1]=48)

checksums_sent() {
	each_pair checksum_sent
}

# Zero and right are received, wrong is not.
checksum_received() {
	local family=$1 address=$2 outer inner
	nodes
	mesh_nodes "$family"
	encap "$b" udp
	case $family in
	4) outer=(ip4 src=172.16.40.1 dst=172.16.40.2) ;;
	6) outer=(ip6 src=fd00::1 dst=fd00::2) ;;
	esac
	case $address in
	*:*) inner=(ip6 src=fd10:1::1 dst="$address") ;;
	*) inner=(ip4 src=10.244.1.1 dst="$address") ;;
	esac
	watch "$b" ipmesh0 2 "in "
	in_ns "$a" packet send eth0 02:00:00:00:00:02 \
		"${outer[@]}" udp sum=bad "${inner[@]}" echo size=100 , \
		"${outer[@]}" udp sum=zero "${inner[@]}" echo size=200 , \
		"${outer[@]}" udp sum=good "${inner[@]}" echo size=300
	watched >"$tmp/got"
	case $address in
	*:*) contains "first" "$(head -n 1 "$tmp/got")" "len 208"
		contains "second" "$(tail -n 1 "$tmp/got")" "len 308" ;;
	*) contains "first" "$(head -n 1 "$tmp/got")" "len 228"
		contains "second" "$(tail -n 1 "$tmp/got")" "len 328" ;;
	esac
	counts "$b" ipmesh0 -- rx_packets=2 rx_dropped=0
}

checksums_received() {
	each_pair checksum_received
}

# tcpdump NS TEXT FILTER…: one packet, when TEXT is in its output; $tmp/out
decode() {
	local ns=$1 request=$2
	shift 2
	: >"$tmp/out"
	start "$ns" tcpdump -i eth0 -n -t -vv -l --immediate-mode -c 1 "$@" >"$tmp/out" 2>"$tmp/err"
	busywait file_has "$tmp/err" "listening on"
	$request
	wait "$pid"
}

tcpdump_agrees() {
	local family address=10.244.2.1
	for family in 4 6; do
		nodes
		with_pod
		mesh_nodes "$family"
		in_ns "$a" ethtool -K eth0 tx off >/dev/null
		encap "$a" udp dport 4242
		decode "$b" "flow 1001" udp port 4242
		case $family in
		4) contains "tcpdump" "$(cat "$tmp/out")" "proto UDP (17), length 66"
			contains "tcpdump" "$(cat "$tmp/out")" "> 172.16.40.2.4242: [no cksum] UDP, length 38" ;;
		6) contains "tcpdump" "$(cat "$tmp/out")" "next-header UDP (17) payload length: 46"
			contains "tcpdump" "$(cat "$tmp/out")" "> fd00::2.4242: [udp sum ok] UDP, length 38" ;;
		esac
	done
}

overhead_in_mtu() {
	local family=4
	nodes
	mesh_nodes 4
	equal "MTU" "$(mtu_of "$a")" 1480
	encap "$a" udp
	equal "MTU" "$(mtu_of "$a")" 1472
	encap "$a" none
	equal "MTU" "$(mtu_of "$a")" 1480
	# one peer with it is enough
	peer_encap "$a" 2 udp
	equal "MTU" "$(mtu_of "$a")" 1472
	mesh -n "$a" peer del ipmesh0 172.16.40.2
	busywait is 1480 mtu_of "$a"
	no_mesh
	mesh_nodes 6
	equal "MTU" "$(mtu_of "$a")" 1460
	encap "$a" udp
	equal "MTU" "$(mtu_of "$a")" 1452
	encap "$b" udp
	# which fills the link exactly
	watch "$b" eth0 1 "> 5555"
	mesh -n "$a" echo 1 fd10:2::1 df on size 1404 >/dev/null
	contains "outer header" "$(watched)" "len 1460 label"
	no_drops "$a" "$b"
}

# --- the port ----------------------------------------------------------------------------

bound_while_wanted() {
	local family=4
	nodes
	mesh_nodes 4
	equal "ports" "$(ports "$a")" ""
	encap "$a" udp
	equal "ports" "$(ports "$a")" "0.0.0.0:5555"
	encap "$a" - dport 6000
	equal "ports" "$(ports "$a")" "0.0.0.0:6000"
	encap "$a" none
	equal "ports" "$(ports "$a")" ""
	peer_encap "$a" 2 udp
	equal "ports" "$(ports "$a")" "0.0.0.0:6000"
	peer_encap "$a" 2 udp dport 7000
	equal "ports" "$(ports "$a")" "0.0.0.0:6000"
	peer_encap "$a" 2 device
	equal "ports" "$(ports "$a")" ""
	peer_encap "$a" 2 udp
	mesh -n "$a" peer del ipmesh0 172.16.40.2
	equal "ports" "$(ports "$a")" ""
	encap "$a" udp dport 5555
	ip -n "$a" link del ipmesh0
	equal "ports" "$(ports "$a")" ""
	no_mesh 2>/dev/null || true
	family=6
	mesh_nodes 6
	encap "$a" udp
	equal "ports" "$(ports "$a")" "[::]:5555"
	ip -n "$a" link del ipmesh0
	equal "ports" "$(ports "$a")" ""
}

# A peer that is deleted and made with UDP by a device that goes away.
peer_of_deleted_device() {
	local family=4
	nodes
	mesh_nodes 4
	peer_encap "$a" 2 udp
	equal "ports" "$(ports "$a")" "0.0.0.0:5555"
	ip -n "$a" link del ipmesh0
	equal "ports" "$(ports "$a")" ""
}

shared() {
	nodes
	mesh_nodes 4
	ip -n "$a" addr add 172.16.40.11/24 dev eth0
	mesh -n "$a" link add ipmesh1 local 172.16.40.11
	mesh -n "$a" peer new ipmesh1 172.16.40.2 cidr 10.244.12.0/24
	ip -n "$a" link set ipmesh1 up
	encap "$a" udp
	in_ns "$a" packet encap ipmesh1 udp
	equal "ports" "$(ports "$a")" "0.0.0.0:5555"
	# what comes in is for the device with its destination
	in_ns "$b" packet send eth0 02:00:00:00:00:01 \
		ip4 src=172.16.40.2 dst=172.16.40.1 udp \
			ip4 src=10.244.2.1 dst=10.244.1.1 echo type=0 , \
		ip4 src=172.16.40.2 dst=172.16.40.11 udp \
			ip4 src=10.244.12.1 dst=10.244.1.1 echo type=0 , \
		ip4 src=172.16.40.2 dst=172.16.40.11 udp \
			ip4 src=10.244.12.1 dst=10.244.1.1 echo type=0
	busywait is 2 count "$a" ipmesh1 rx_packets
	counts "$a" ipmesh0 -- rx_packets=1
	ip -n "$a" link del ipmesh0
	equal "ports" "$(ports "$a")" "0.0.0.0:5555"
	in_ns "$a" packet encap ipmesh1 none
	equal "ports" "$(ports "$a")" ""
}

taken() {
	local family=4 text="EADDRINUSE: Another program holds "
	local before
	nodes
	mesh_nodes 4
	start "$a" socat -u UDP4-RECV:5555 STDOUT >/dev/null
	busywait is "0.0.0.0:5555" ports "$a"
	before=$(ip -n "$a" -d link show ipmesh0)
	refused "$text" encap "$a" udp
	refused "$text" encap "$a" udp sport 1 csum 1
	refused "$text" peer_encap "$a" 2 udp
	equal "ipmesh0" "$(ip -n "$a" -d link show ipmesh0)" "$before"
	watch "$b" eth0 1 "> 172.16.40.2"
	ping_of "$a" 10.244.2.1
	lacks "outer header" "$(watched)" udp
	# the refused change leaves nothing behind
	encap "$a" udp dport 5556
	equal "ports" "$(ports "$a")" "0.0.0.0:5555
0.0.0.0:5556"
	refused "$text" encap "$a" - dport 5555
	watch "$b" eth0 1 "> 5556"
	once "$a" 10.244.2.1
	watched >"$tmp/got"
	equal "ports" "$(ports "$a")" "0.0.0.0:5555
0.0.0.0:5556"
	kill "$pid"
	busywait is "0.0.0.0:5556" ports "$a"
	encap "$a" - dport 5555
	equal "ports" "$(ports "$a")" "0.0.0.0:5555"
}

# --- from the one to the other ---------------------------------------------------------

# Both ends receive both before one sends the other.
moved() {
	local family
	for family in 4 6; do
		nodes
		mesh_nodes "$family"
		flood "$a" 10.244.2.1
		for _ in 1 2; do
			peer_encap "$a" 2 none
			peer_encap "$b" 1 none
			encap "$a" udp
			encap "$b" udp
			peer_encap "$a" 2 udp
			peer_encap "$b" 1 udp
			peer_encap "$a" 2 device
			peer_encap "$b" 1 device
			# and back
			peer_encap "$a" 2 none
			peer_encap "$b" 1 none
			encap "$a" none
			encap "$b" none
		done
		flooded
		counts "$a" ipmesh0 -- tx_packets="$sent" rx_packets="$sent" tx_dropped=0 rx_dropped=0
		counts "$b" ipmesh0 -- tx_packets="$sent" rx_packets="$sent" tx_dropped=0 rx_dropped=0
		equal "ports" "$(ports "$a")" ""
	done
}

# --- other ends ------------------------------------------------------------------------

# other_end UNDERLAY INNER: of node b instead of its ipmesh0; $family
other_end() {
	local family=$1 inside=$2 type='' version='' proto
	nodes
	mesh_nodes "$family"
	encap "$a" udp
	ip -n "$b" link del ipmesh0
	case $inside in
	4) proto=4 ;;
	6) proto=41 ;;
	esac
	case $family$inside in
	44) type=ipip ;;
	46) type=sit ;;
	64) type="ip6tnl mode ipip6 encaplimit none" version=-6 ;;
	66) type="ip6tnl mode ip6ip6 encaplimit none" version=-6 ;;
	esac
	# shellcheck disable=SC2086
	ip -n "$b" fou add port 5555 ipproto $proto $version
	# shellcheck disable=SC2086
	ip -n "$b" link add fou0 type $type local "$(underlay "$family" 2)" \
		remote "$(underlay "$family" 1)" encap fou encap-sport auto encap-dport 5555 \
		${version:+encap-csum}
	ip_batch "$b" <<-END
		link set fou0 up
		addr add 10.244.2.1/32 dev fou0
		addr add fd10:2::1/128 dev fou0 nodad
		route add 10.244.1.0/24 dev fou0 src 10.244.2.1
		route add fd10:1::/64 dev fou0 src fd10:2::1
	END
}

with_fou() {
	local family inner address back
	modprobe -a fou fou6 ipip sit ip6_tunnel || skip "this kernel has no fou"
	while read -r family inner address back; do
		other_end "$family" "$inner"
		ping_of "$a" "$address"
		ping_of "$b" "$back"
		stream "$a" "$b" "$address" 300000
		stream "$b" "$a" "$back" 300000
		# its link-local addresses are not the peer's
		counts "$a" ipmesh0 -- tx_dropped=0 rx_invalid=0 ecn=0 rx_queue=0
	done <<-END
		4 4 10.244.2.1 10.244.1.1
		4 6 fd10:2::1 fd10:1::1
		6 4 10.244.2.1 10.244.1.1
		6 6 fd10:2::1 fd10:1::1
	END
}

# What Debian leaves out of this kernel is built beside it, by the "check" of vm/.
built_bareudp() {
	modprobe -a udp_tunnel ip6_udp_tunnel 2>/dev/null || true
	[ -n "$(lsmod | sed -n '/^bareudp /p')" ] || insmod "$here/../modules/bareudp.ko" 2>/dev/null
}

with_bareudp() {
	modprobe bareudp 2>/dev/null || built_bareudp ||
		skip "the kernel $(uname -r) comes without the module bareudp"
	bareudp_end 4 "encap ip id 0 src 172.16.40.2 dst 172.16.40.1"
	bareudp_end 6 "encap ip6 id 0 src fd00::2 dst fd00::1"
}

# bareudp_end FAMILY ENCAP: it takes the outer addresses from the route
bareudp_end() {
	local family=$1 via=$2
	nodes
	mesh_nodes "$family"
	encap "$a" udp
	ip -n "$b" link del ipmesh0
	ip -n "$b" link add bare0 mtu 1452 type bareudp dstport 5555 ethertype ipv4 multiproto
	ip_batch "$b" <<-END
		link set bare0 up
		addr add 10.244.2.1/32 dev bare0
		addr add fd10:2::1/128 dev bare0 nodad
		route add 10.244.1.0/24 $via dev bare0 src 10.244.2.1
		route add fd10:1::/64 $via dev bare0 src fd10:2::1
	END
	ping_of "$a" 10.244.2.1
	ping_of "$a" fd10:2::1
	stream "$a" "$b" 10.244.2.1 500000
	stream "$b" "$a" fd10:1::1 500000
	no_drops "$a"
}

run_tests on_device on_peer flow_source_ports checksums_sent checksums_received \
	tcpdump_agrees overhead_in_mtu bound_while_wanted peer_of_deleted_device shared \
	taken moved with_fou with_bareudp
