#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The way out: which endpoint, which outer header, which answer.
#
#     pod 10.244.1.2 ---- a 172.16.40.1 ======== 172.16.40.2 b (ipmesh0)
#      (some tests)        ipmesh0               10.244.2.1
#
#     a 172.16.40.1 ---- r ---- 172.16.50.2 b          (path MTU, route changes)
#
# Proves: the endpoint is the gateway of the route, of a nexthop object or the
# longest pod CIDR; strict and open differ as they should; what goes nowhere is
# counted by its cause, as is what is no IP packet or for no other host, and answered by ICMP, to a local sender and through the
# forwarding node; the outer header is as the attributes say, bit for bit; a
# packet that is too big is answered with the right MTU or goes in fragments; a
# change of the underlay's routes holds for the next packet.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# no_limit NS: every ICMP error is sent
no_limit() {
	mesh -n "$1" exec sysctl -qw net.ipv4.icmp_ratelimit=0
}

# with_pod: two_nodes, with a pod behind a that is forwarded
with_pod() {
	two_nodes "$@"
	setup_ns pod
	wire "$pod" eth0 10.244.1.2/24 "$a" cali0 169.254.1.1/32
	ip_batch "$pod" <<-END
		route add 169.254.1.1 dev eth0
		route add default via 169.254.1.1 dev eth0
	END
	ip -n "$a" route add 10.244.1.2 dev cali0
	mesh -n "$a" exec sysctl -qw net.ipv4.ip_forward=1
	no_limit "$a"
}

# --- the endpoint --------------------------------------------------------------------

by_gateway() {
	two_nodes
	# the gateway decides, whatever the pod CIDRs say
	mesh -n "$a" peer set ipmesh0 172.16.40.2 remove 10.244.2.0/24
	mesh -n "$a" peer new ipmesh0 172.16.40.9 cidr 10.244.2.0/24
	mesh -n "$a" exec ip route change 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink
	capture "$b" eth0 1 4
	# the answer comes from another peer's pod CIDR, and is refused
	silent "$a" 10.244.2.1
	contains "outer header" "$(captured)" "172.16.40.1 > 172.16.40.2 proto 4"
	counts "$a" ipmesh0 172.16.40.2 -- tx_packets=1
	counts "$a" ipmesh0 172.16.40.9 -- tx_packets=0
}

by_nexthop_object() {
	two_nodes
	ip_batch "$a" <<-END
		nexthop add id 7 via 172.16.40.2 dev ipmesh0 onlink
		route replace 10.244.2.0/24 nhid 7 src 10.244.1.1
	END
	pings "$a" 10.244.2.1
	# an object that changes takes the traffic with it
	mesh -n "$a" peer new ipmesh0 172.16.40.3
	ip -n "$a" nexthop replace id 7 via 172.16.40.3 dev ipmesh0 onlink
	silent "$a" 10.244.2.1
	busywait is 1 mesh -n "$a" count ipmesh0 tx_packets 172.16.40.3
	counts "$a" ipmesh0 172.16.40.2 -- tx_packets=3 rx_packets=3
}

by_device_route() {
	two_nodes
	mesh -n "$a" peer new ipmesh0 172.16.40.3 cidr 10.244.3.0/24 cidr 10.244.2.128/25
	ip_batch "$a" <<-END
		route del 10.244.2.0/24
		route add 10.244.0.0/16 dev ipmesh0 src 10.244.1.1
	END
	pings "$a" 10.244.2.1
	silent "$a" 10.244.3.1
	silent "$a" 10.244.2.128
	counts "$a" ipmesh0 172.16.40.2 -- tx_packets=3 rx_packets=3
	counts "$a" ipmesh0 172.16.40.3 -- tx_packets=2 rx_packets=0
	# a moved pod CIDR is followed at once
	mesh -n "$a" peer set ipmesh0 172.16.40.2 move cidr 10.244.3.0/24
	silent "$a" 10.244.3.1
	counts "$a" ipmesh0 172.16.40.2 -- tx_packets=4
}

# The same with more peers than share a block of what each CPU keeps of them.
many() {
	local n
	two_nodes
	for n in $(seq 11 50); do
		mesh -n "$a" peer new ipmesh0 "172.16.40.$n" cidr "10.41.$n.0/24"
	done
	ip -n "$a" route add 10.41.0.0/16 dev ipmesh0 src 10.244.1.1
	for n in $(seq 11 50); do
		silent "$a" "10.41.$n.1"
	done
	for n in $(seq 11 2 50); do
		mesh -n "$a" peer del ipmesh0 "172.16.40.$n"
	done
	for n in $(seq 12 2 50); do
		silent "$a" "10.41.$n.1"
		counts "$a" ipmesh0 "172.16.40.$n" -- tx_packets=2
	done
	for n in $(seq 51 2 90); do
		mesh -n "$a" peer new ipmesh0 "172.16.40.$n" cidr "10.41.$n.0/24"
		counts "$a" ipmesh0 "172.16.40.$n" -- tx_packets=0
		silent "$a" "10.41.$n.1"
		counts "$a" ipmesh0 "172.16.40.$n" -- tx_packets=1
	done
}

strict() {
	two_nodes
	no_limit "$a"
	# a gateway that is no peer does not fall back on the pod CIDR
	ip -n "$a" route replace 10.244.2.0/24 via 172.16.40.9 dev ipmesh0 onlink src 10.244.1.1
	ping_fails "$a" "icmp type 3 code 1" 10.244.2.1
	ip -n "$a" route add 10.244.9.0/24 dev ipmesh0 src 10.244.1.1
	ping_fails "$a" "icmp type 3 code 1" 10.244.9.1
	counts "$a" ipmesh0 -- no_peer=2 tx_packets=0 tx_dropped=2
	# what goes is gone
	ip -n "$a" route replace 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink src 10.244.1.1
	pings "$a" 10.244.2.1
	mesh -n "$a" peer del ipmesh0 172.16.40.2
	ping_fails "$a" "icmp type 3 code 1" 10.244.2.1
	counts "$a" ipmesh0 -- no_peer=3 tx_packets=3
}

open() {
	two_nodes
	mesh -n "$a" link set ipmesh0 peers open
	mesh -n "$a" peer del ipmesh0 172.16.40.2
	mesh -n "$b" link set ipmesh0 peers open
	pings "$a" 10.244.2.1
	counts "$a" ipmesh0 -- tx_packets=3 rx_packets=3 no_peer=0
	# without a gateway it is the inner destination, as with tunl0
	ip -n "$a" route replace 172.16.40.7 dev ipmesh0
	capture "$b" ipmesh0 1
	ip -n "$b" addr add 172.16.40.7/32 dev eth0
	ip -n "$a" route replace 172.16.40.2 dev ipmesh0
	ip -n "$a" route replace 172.16.40.2 dev eth0 table 99
	ip -n "$a" rule add fwmark 99 table 99
	mesh -n "$a" link set ipmesh0 fwmark 99
	silent "$a" 172.16.40.2
	contains "inner header" "$(captured)" "> 172.16.40.2 proto 1"
	counts "$a" ipmesh0 -- no_peer=0 loop=0
	# but never a group
	ip -n "$a" route add 239.1.1.1 dev ipmesh0
	silent "$a" 239.1.1.1
	counts "$a" ipmesh0 -- no_peer=1
}

# --- nowhere to go -------------------------------------------------------------------

forwarded_no_peer() {
	with_pod
	pings "$pod" 10.244.2.1
	ip -n "$a" route add 10.244.9.0/24 dev ipmesh0
	ping_fails "$pod" "icmp type 3 code 1" 10.244.9.1
	counts "$a" ipmesh0 -- no_peer=1
}

no_underlay_route() {
	with_pod
	mesh -n "$a" peer new ipmesh0 192.0.2.1 cidr 10.244.9.0/24
	ip -n "$a" route add 10.244.9.0/24 via 192.0.2.1 dev ipmesh0 onlink src 10.244.1.1
	ping_fails "$a" "icmp type 3 code 1" 10.244.9.1
	ping_fails "$pod" "icmp type 3 code 1" 10.244.9.1
	counts "$a" ipmesh0 -- no_route=2 tx_packets=0
	counts "$a" ipmesh0 192.0.2.1 -- no_route=2
	# a local address that the host does not have
	mesh -n "$a" link set ipmesh0 local 172.16.40.77
	ping_fails "$a" "icmp type 3 code 1" 10.244.2.1
	counts "$a" ipmesh0 -- no_route=3
	# and as soon as it has it, it goes
	ip -n "$a" addr add 172.16.40.77/24 dev eth0
	mesh -n "$b" peer new ipmesh0 172.16.40.77
	mesh -n "$b" peer set ipmesh0 172.16.40.77 move cidr 10.244.1.0/24
	ip -n "$b" route replace 10.244.1.0/24 via 172.16.40.77 dev ipmesh0 onlink src 10.244.2.1
	pings "$a" 10.244.2.1
}

loop() {
	local i loops
	two_nodes
	no_limit "$a"
	mesh -n "$a" peer new ipmesh0 192.0.2.1 cidr 10.244.9.0/24
	ip_batch "$a" <<-END
		route add 10.244.9.0/24 dev ipmesh0 src 10.244.1.1
		route add 192.0.2.0/24 dev ipmesh0
	END
	ping_fails "$a" "icmp type 3 code 1" 10.244.9.1
	counts "$a" ipmesh0 -- loop=1 tx_packets=0
	counts "$a" ipmesh0 192.0.2.1 -- loop=1
	# through another device of ours, and back
	mesh -n "$a" link add ipmesh1 local 172.16.40.1
	mesh -n "$a" peer new ipmesh1 192.0.2.1 cidr 192.0.2.0/24
	mesh -n "$a" peer set ipmesh0 192.0.2.1 cidr 192.0.2.0/24
	ip_batch "$a" <<-END
		link set ipmesh1 up
		route replace 192.0.2.0/24 dev ipmesh1
		rule add oif ipmesh1 table 99
		route add 192.0.2.0/24 dev ipmesh0 table 98
		rule add fwmark 98 table 98 pref 1
	END
	mesh -n "$a" link set ipmesh1 fwmark 98
	for i in 2 3; do
		silent "$a" 10.244.9.1
		loops=$(($(count "$a" ipmesh0 loop) + $(count "$a" ipmesh1 loop)))
		# more of them were seen once, on a machine with much else to do
		[ "$loops" -eq "$i" ] || ip -n "$a" -s link
		equal "loops" "$loops" "$i"
	done
	# which takes what comes to its address
	ip -n "$a" link del ipmesh1
	pings "$a" 10.244.2.1
}

# --- an endpoint by two links ----------------------------------------------------------

# flows: 32 of them from a, and how many went by eth0 and by eth1
flows() {
	local zero one
	zero=$(packets "$a" eth0 tx)
	one=$(packets "$a" eth1 tx)
	# shellcheck disable=SC2016 # what that shell expands
	in_ns "$a" bash -c 'for ((i = 1; i <= 32; i++)); do echo >"/dev/udp/10.244.2.1/$((9000 + i))"; done'
	zero=$(($(packets "$a" eth0 tx) - zero))
	one=$(($(packets "$a" eth1 tx) - one))
	equal "flows by both" $((zero + one)) 32
	echo "$zero $one"
}

# Flows take both, from an address of no link; a rule by the source is obeyed, for which it
# has to be in the look-up. From an address of a link later kernels prefer that link.
two_links() {
	local got
	setup_ns a b
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
	wire "$a" eth1 172.16.41.1/24 "$b" eth1 172.16.41.2/24
	# nothing else is to be sent meanwhile
	in_ns "$a" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	ip_batch "$a" <<-END
		addr add 192.0.2.1/32 dev lo
		nexthop add id 1 via 172.16.40.2 dev eth0
		nexthop add id 2 via 172.16.41.2 dev eth1
		nexthop add id 3 group 1/2
		route add 192.0.2.2/32 nhid 3
	END
	pings "$a" 172.16.40.2
	pings "$a" 172.16.41.2
	mesh -n "$a" link add ipmesh0 local 192.0.2.1
	mesh -n "$a" peer new ipmesh0 192.0.2.2 cidr 10.244.2.0/24
	ip_batch "$a" <<-END
		link set ipmesh0 up
		addr add 10.244.1.1/32 dev ipmesh0
		route add 10.244.2.0/24 dev ipmesh0
	END
	for got in any 192.0.2.1; do
		mesh -n "$a" link set ipmesh0 local "${got/any/0.0.0.0}"
		got=$(flows)
		case " $got " in
		*" 0 "*) fail "all flows went by one link: $got" ;;
		esac
	done
	mesh -n "$a" link set ipmesh0 local 172.16.40.1
	flows >/dev/null
	ip_batch "$a" <<-END
		route add 192.0.2.2/32 nhid 2 table 9
		rule add from 172.16.40.1 table 9
	END
	equal "by a rule of the source" "$(flows)" "0 32"
}

# --- the outer header ----------------------------------------------------------------

# header OUTER-PART INNER-PART [KEY VALUE]…: of an echo request from a
header() {
	local outer=$1 inner=$2 got
	shift 2
	capture "$b" eth0 1 4
	# with its answer, which the next capture would take for a request
	mesh -n "$a" echo 1 10.244.2.1 "$@" >/dev/null
	got=$(captured)
	contains "outer header with $*" "${got%|*}" "$outer"
	contains "inner header with $*" "${got#*|}" "$inner"
	contains "outer header with $*" "${got%|*}" "sum good"
}

outer_header() {
	local a_to_b="172.16.40.1 > 172.16.40.2 proto 4"
	two_nodes
	header "in $a_to_b ttl 64 tos 0x00 len 104 df 1 mf 0 off 0 id 0" \
		"10.244.1.1 > 10.244.2.1 proto 1 ttl 64 tos 0x00 len 84" ttl 64
	# ECN and DSCP inside go outside
	header "$a_to_b ttl 64 tos 0xb8" "ttl 9 tos 0xb8" ttl 9 tos 0xb8
	header "tos 0x01" "tos 0x01" tos 1
	header "tos 0x02" "tos 0x02" tos 2
	header "tos 0x03" "tos 0x03" tos 3
	mesh -n "$a" link set ipmesh0 dscp 46 ttl inherit
	header "$a_to_b ttl 9 tos 0xb8" "ttl 9 tos 0x00" ttl 9
	header "tos 0xba" "tos 0x06" tos 6
	header "ttl 255 tos 0xbb" "ttl 255 tos 0xff" tos 0xff ttl 255
	mesh -n "$a" link set ipmesh0 dscp 0 ttl 1
	header "$a_to_b ttl 1 tos 0x01" "ttl 64 tos 0xfd" tos 0xfd ttl 64
	# DF: of the inner packet unless path MTU discovery sets it
	header "df 1 mf 0 off 0 id 0" "df 0" df off
	mesh -n "$a" link set ipmesh0 pmtudisc off
	header "df 1 mf 0 off 0 id 0" "df 1" df on
	header "df 0 mf 0 off 0 id set" "df 0" df off
	counts "$a" ipmesh0 -- tx_packets=12 tx_bytes=1008 tx_dropped=0
	counts "$a" ipmesh0 172.16.40.2 -- tx_packets=12 tx_bytes=1008
}

# What tcpdump makes of it.
tcpdump_agrees() {
	local got
	two_nodes
	start "$b" tcpdump -i eth0 -n -t -v -l --immediate-mode -c 1 ip proto 4 \
		>"$tmp/out" 2>"$tmp/err"
	busywait file_has "$tmp/err" "listening on"
	silent "$a" 10.244.2.1 tos 0xb9
	busywait file_has "$tmp/out" "ICMP"
	got=$(cat "$tmp/out")
	contains "outer" "$got" "IP (tos 0xb9,ECT(1), ttl 64, id 0, offset 0, flags [DF], proto IPIP (4), length 104)"
	contains "addresses" "$got" "172.16.40.1 > 172.16.40.2: IP (tos 0xb9,ECT(1), ttl 64"
	contains "inner" "$got" "10.244.1.1 > 10.244.2.1: ICMP echo request"
	lacks "checksums" "$got" "bad"
}

# The taps on the device see the inner packet, both ways.
tap() {
	two_nodes
	capture "$a" ipmesh0 2
	silent "$a" 10.244.2.1
	contains "tap" "$(captured)" "out 10.244.1.1 > 10.244.2.1 proto 1"
	contains "tap" "$(captured)" "in 10.244.2.1 > 10.244.1.1 proto 1"
}

# on_one_cpu NS COUNT ADDRESS [KEY VALUE]…: each CPU has a cached route of its own
on_one_cpu() {
	local ns=$1
	shift
	mesh -n "$ns" exec taskset 1 mesh echo "$@" >/dev/null 2>&1 || true
}

fwmark() {
	setup_ns pod
	two_nodes
	# the mark chooses the way
	ip_batch "$a" <<-END
		rule add fwmark 77 table 77 pref 1
		route add blackhole 172.16.40.2 table 77
	END
	on_one_cpu "$a" 3 10.244.2.1
	# also of those for which one is known
	mesh -n "$a" link set ipmesh0 fwmark 77
	on_one_cpu "$a" 1 10.244.2.1 wait 0
	counts "$a" ipmesh0 -- tx_packets=3 rx_packets=3 no_route=1
	mesh -n "$a" link set ipmesh0 fwmark 0
	# and where a change of the device is none of the underlay's namespace
	ip -n "$a" link set ipmesh0 netns "$pod"
	ip_batch "$pod" <<-END
		link set ipmesh0 up
		addr add 10.244.1.1/32 dev ipmesh0
		route add 10.244.2.0/24 dev ipmesh0
	END
	on_one_cpu "$pod" 3 10.244.2.1
	mesh -n "$pod" link set ipmesh0 fwmark 77
	on_one_cpu "$pod" 1 10.244.2.1 wait 0
	counts "$pod" ipmesh0 -- tx_packets=6 rx_packets=6 no_route=2
}

# --- too big ---------------------------------------------------------------------------

too_big_local() {
	two_nodes
	# 1500 - 20 is what the link takes: 8 + 20 are echo and inner header
	pings "$a" 10.244.2.1 df on size 1452
	ip -n "$a" link set ipmesh0 mtu 1500
	ping_fails "$a" "mtu 1480" 10.244.2.1 df on size 1453
	counts "$a" ipmesh0 -- too_big=1 tx_packets=3
	counts "$a" ipmesh0 172.16.40.2 -- too_big=1
	# now the route knows
	ping_fails "$a" "send: EMSGSIZE" 10.244.2.1 df on size 1453
	counts "$a" ipmesh0 -- too_big=1
	pings "$a" 10.244.2.1 df on size 1452
}

too_big_forwarded() {
	with_pod
	ip -n "$a" link set ipmesh0 mtu 1500
	ping_fails "$pod" "icmp type 3 code 4 mtu 1480 from 169.254.1.1" 10.244.2.1 df on size 1472
	counts "$a" ipmesh0 -- too_big=1 tx_packets=0
	pings "$pod" 10.244.2.1 df on size 1452
}

fragments() {
	local got
	two_nodes
	ip -n "$a" link set ipmesh0 mtu 1500
	mesh -n "$a" exec sysctl -qw net.ipv4.ip_no_pmtu_disc=1
	capture "$b" eth0 2 4
	silent "$a" 10.244.2.1 df off size 1472
	got=$(captured)
	contains "first fragment" "$got" "len 1500 df 0 mf 1 off 0 id set"
	contains "second fragment" "$got" "len 40 df 0 mf 0 off 1480 id set"
	# it arrives, and an answer of the same kind
	pings "$a" 10.244.2.1 df off size 1472
	counts "$a" ipmesh0 -- too_big=0 tx_packets=4
	counts "$b" ipmesh0 172.16.40.1 -- rx_packets=4 rx_bytes=6000
}

# routed [MTU]: a and b as in the second picture, r forwards
routed() {
	setup_ns a r b
	wire "$a" eth0 172.16.40.1/24 "$r" eth0 172.16.40.254/24
	wire "$r" eth1 172.16.50.254/24 "$b" eth0 172.16.50.2/24 "${1:-1500}"
	mesh -n "$r" exec sysctl -qw net.ipv4.ip_forward=1
	no_limit "$r"
	ip -n "$a" route add default via 172.16.40.254
	ip -n "$b" route add default via 172.16.50.254
	mesh -n "$a" link add ipmesh0
	mesh -n "$b" link add ipmesh0
	mesh -n "$a" peer new ipmesh0 172.16.50.2 cidr 10.244.2.0/24
	mesh -n "$b" peer new ipmesh0 172.16.40.1 cidr 10.244.1.0/24
	ip_batch "$a" <<-END
		link set ipmesh0 up
		addr add 10.244.1.1/32 dev ipmesh0
		route add 10.244.2.0/24 via 172.16.50.2 dev ipmesh0 onlink src 10.244.1.1
	END
	ip_batch "$b" <<-END
		link set ipmesh0 up
		addr add 10.244.2.1/32 dev ipmesh0
		route add 10.244.1.0/24 via 172.16.40.1 dev ipmesh0 onlink src 10.244.2.1
	END
}

# The underlay tells that its path is narrower than the first link.
path_mtu() {
	routed 1400
	pings "$a" 10.244.2.1
	# the outer packet is lost on the way, and its error heard
	ping_fails "$a" "0 received" 10.244.2.1 df probe size 1452 wait 100
	busywait is 1 count "$a" ipmesh0 icmp_errors 172.16.50.2
	ping_fails "$a" "mtu 1380" 10.244.2.1 df on size 1452
	counts "$a" ipmesh0 -- too_big=1
	pings "$a" 10.244.2.1 df on size 1352
	# the device's own MTU is not the business of one path
	contains "MTU" "$(mesh -n "$a" link get ipmesh0)" "mtu 1480"
}

# A change of the underlay's routes holds for the next packet.
route_followed() {
	routed
	wire "$a" eth1 172.16.60.1/24 "$b" eth1 172.16.60.2/24
	ip -n "$b" addr add 172.16.50.9/32 dev lo
	pings "$a" 10.244.2.1
	# another way
	capture "$b" eth1 1 4
	ip -n "$a" route add 172.16.50.2 via 172.16.60.2 src 172.16.40.1
	silent "$a" 10.244.2.1
	contains "on the other way" "$(captured)" "172.16.40.1 > 172.16.50.2 proto 4"
	# no way
	ip -n "$a" route replace blackhole 172.16.50.2
	silent "$a" 10.244.2.1
	counts "$a" ipmesh0 -- no_route=1
	# another source
	ip -n "$a" route replace 172.16.50.2 via 172.16.40.254 src 172.16.60.1
	capture "$b" eth0 1 4
	silent "$a" 10.244.2.1
	contains "with another source" "$(captured)" "172.16.60.1 > 172.16.50.2 proto 4"
	# an address that is gone
	ip -n "$a" route del 172.16.50.2
	pings "$a" 10.244.2.1
	mesh -n "$a" exec sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1
	ip -n "$a" addr add 172.16.40.8/24 dev eth0
	ip -n "$a" addr del 172.16.40.1/24 dev eth0
	ip -n "$a" route replace default via 172.16.40.254
	capture "$b" eth0 1 4
	silent "$a" 10.244.2.1
	contains "with the address that is left" "$(captured)" "172.16.40.8 > 172.16.50.2 proto 4"
}

# --- what is not IP ----------------------------------------------------------------------

invalid() {
	local v4="ip4 src=10.244.1.1 dst=10.244.2.1" v6="ip6 src=fd10:1::1 dst=fd10:2::1"
	local invalid=("$v4 version=6" "$v4 ihl=4" "$v4 ihl=15" "$v4 len=19" "$v4 len=1000"
		"$v4 trim=19" "$v6 version=4" "$v6 len=1000" "$v6 trim=39")
	local packet packets=() address
	two_nodes
	mesh -n "$a" peer set ipmesh0 172.16.40.2 cidr 0.0.0.0/0 cidr ::/0
	# for what no wire carries; a group is no such
	for address in 127.0.0.1 127.255.255.254 0.0.0.0; do
		invalid+=("ip4 src=10.244.1.1 dst=$address")
	done
	for address in ::1 :: ::ffff:10.244.2.1 ff01::1 ff00::1; do
		invalid+=("ip6 src=fd10:1::1 dst=$address")
	done
	for packet in "${invalid[@]}"; do
		# shellcheck disable=SC2206
		packets+=($packet data size=20 ",")
	done
	# straight to the device, past the routing
	# shellcheck disable=SC2086
	in_ns "$a" packet send ipmesh0 02:00:00:00:00:02 "${packets[@]}" \
		$v4 data size=20 "," $v6 data size=20 "," \
		ip4 src=10.244.1.1 dst=224.0.0.5 data size=20 "," \
		ip6 src=fd10:1::1 dst=ff02::5 data size=20 "," \
		ip4 src=10.244.1.1 dst=255.255.255.255 data size=20
	counts "$a" ipmesh0 -- tx_packets=5 tx_dropped=${#invalid[@]} tx_invalid=${#invalid[@]}
}

# The underlay's own filter drops it.
refused_by_underlay() {
	two_nodes
	mesh -n "$a" exec nft "add table ip t; add chain ip t out { type filter hook output priority 0; };
		add rule ip t out ip protocol 4 drop"
	silent "$a" 10.244.2.1
	counts "$a" ipmesh0 -- tx_packets=0 tx_refused=1 tx_dropped=1
	counts "$a" ipmesh0 172.16.40.2 -- tx_packets=0 tx_refused=1
}

run_tests by_gateway by_nexthop_object by_device_route many strict open forwarded_no_peer \
	no_underlay_route loop two_links outer_header tcpdump_agrees tap fwmark too_big_local \
	too_big_forwarded fragments path_mtu route_followed invalid refused_by_underlay
