#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The outer packet's way from the device to the underlay's: module/output.c beside
# the kernel's own.
#
#     a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#       ipmesh0  10.244.1.1          ipmesh0  10.244.2.1
#
# Proves: the kernel's counters of sent packets are those of ipip's packets, whatever
# netfilter does with them; a hook sees exactly the packets that come after it, and
# none is lost when it goes; what a hook leads to another route goes there; what it
# queues to user space goes on from there, by whatever route, IPsec policy or tunnel of
# a route it is led to meanwhile; netfilter's egress, tc and taps of the
# underlay's device see each; a neighbour is resolved, and a new address of it holds
# for the next packet; routes that are more than a neighbour (a tunnel of the route's
# own, a VRF, an IPsec policy) are left to the kernel, and taken back.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# rules NS TEXT: the table inet t, with the chains out and post
rules() {
	in_ns "$1" nft "add table inet t
		add chain inet t out { type filter hook output priority 0; }
		add chain inet t post { type filter hook postrouting priority 0; }
		$2"
}

no_rules() {
	in_ns "$1" nft delete table inet t
}

# seen NS TABLE: packets that its rules have counted, in their order
seen() {
	# shellcheck disable=SC2086
	in_ns "$1" nft list table $2 | sed -nE 's/.*packets ([0-9]+) .*/\1/p' | tr '\n' ' '
}

# send_some NS N: so many requests, without an answer
send_some() {
	local ns=$1 n=$2
	while [ "$n" -gt 0 ]; do
		silent "$ns" 10.244.2.1
		n=$((n - 1))
	done
}

# arrived N: at b, since it has been asked last
arrived() {
	local wanted=$(($1 + arrived))
	busywait is "$wanted" count "$b" ipmesh0 rx_packets
	arrived=$wanted
}

# one_way: b hears and does not answer
one_way() {
	arrived=0
	in_ns "$b" sysctl -qw net.ipv4.icmp_echo_ignore_all=1
}

# --- counters -----------------------------------------------------------------------

# sums: what a has sent, as the kernel counts it; but not what IPv6 sends to groups, of
# which there are reports at any time
sums() {
	in_ns "$a" nstat -asz IpOutRequests IpOutTransmits IpExtOutOctets IpExtOutMcastPkts \
		IpExtOutBcastPkts IpOutDiscards IpOutNoRoutes IpForwDatagrams IpFragCreates \
		Ip6OutRequests Ip6OutTransmits Ip6OutOctets Ip6OutDiscards Ip6OutNoRoutes \
		Ip6OutForwDatagrams Ip6OutMcastPkts Ip6OutMcastOctets 2>/dev/null | awk '
		$1 !~ /^#/ { n[$1] = $2 }
		END {
			n["Ip6OutRequests"] -= n["Ip6OutMcastPkts"]
			if ("Ip6OutTransmits" in n)
				n["Ip6OutTransmits"] -= n["Ip6OutMcastPkts"]
			n["Ip6OutOctets"] -= n["Ip6OutMcastOctets"]
			delete n["Ip6OutMcastPkts"]
			delete n["Ip6OutMcastOctets"]
			for (key in n)
				print key, n[key]
		}' | sort
}

# sends N: five packets, and what has been counted for them
sends() {
	local before after
	before=$(sums)
	send_some "$a" 5
	after=$(sums)
	join <(echo "$before") <(echo "$after") | awk '{ print $1, $3 - $2 }'
}

# cases: what happens to the packets in netfilter, a word for each
cases() {
	echo "none: $(sends)"
	rules "$a" "add rule inet t out counter
		add rule inet t post counter"
	echo "accept: $(sends)"
	in_ns "$a" nft add rule inet t post meta l4proto 4 drop
	echo "postrouting drops: $(sends)"
	in_ns "$a" nft add rule inet t out meta l4proto 4 drop
	echo "output drops: $(sends)"
	no_rules "$a"
}

# reference FAMILY: the device t0 of the kernel's own
reference() {
	case $1 in
	4) ip -n "$a" link add t0 type ipip local 172.16.40.1 remote 172.16.40.2 ;;
	6) ip -n "$a" link add t0 type ip6tnl mode ipip6 local fd00::1 remote fd00::2 encaplimit none ;;
	esac
	ip_batch "$a" <<-END
		link set t0 up
		addr add 10.244.1.1/32 dev t0
		route add 10.244.2.0/24 dev t0 src 10.244.1.1
	END
}

as_reference() {
	local family=$1 octets=$2 reference got
	nodes
	one_way
	ip -n "$a" neigh replace fd00::2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent
	ip -n "$b" neigh replace fd00::1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
	# b takes both kinds: it would send an error otherwise
	mesh_node "$b" 2 "$(underlay "$family" 2)" 1 "$(underlay "$family" 1)"
	reference "$family"
	send_some "$a" 1
	reference=$(cases)
	contains "what the kernel's own counts" "$reference" "IpExtOutOctets $octets"
	ip -n "$a" link del t0
	mesh_node "$a" 1 "$(underlay "$family" 1)" 2 "$(underlay "$family" 2)"
	send_some "$a" 1
	got=$(cases)
	[ "$got" = "$reference" ] || fail "not what the kernel's own counts, over IPv$family: $(
		diff <(echo "$reference") <(echo "$got"))"
	counts "$a" ipmesh0 -- tx_packets=11 tx_refused=10
	arrived 22
}

counters() {
	modprobe -a ipip ip6_tunnel 2>/dev/null || skip "this kernel has no ipip"
	as_reference 4 940
	as_reference 6 420
}

# --- hooks --------------------------------------------------------------------------

# seen_by_hooks FAMILY
seen_by_hooks() {
	nodes
	one_way
	mesh_nodes "$1"
	send_some "$a" 3
	rules "$a" "add rule inet t out oif eth0 meta l4proto 4 counter
		add rule inet t post oif eth0 meta l4proto 4 counter"
	send_some "$a" 5
	equal "packets that the hooks saw" "$(seen "$a" "inet t")" "5 5 "
	no_rules "$a"
	send_some "$a" 2
	# one without the other
	in_ns "$a" nft "add table inet t
		add chain inet t post { type filter hook postrouting priority 0; }
		add rule inet t post oif eth0 meta l4proto 4 counter"
	send_some "$a" 4
	equal "packets that postrouting saw" "$(seen "$a" "inet t")" "4 "
	no_rules "$a"
	in_ns "$a" nft "add table inet t
		add chain inet t out { type filter hook output priority 0; }
		add rule inet t out oif eth0 meta l4proto 4 counter"
	send_some "$a" 6
	equal "packets that output saw" "$(seen "$a" "inet t")" "6 "
	arrived 20
	counts "$a" ipmesh0 -- tx_packets=20 tx_dropped=0
}

hooks_come_and_go() {
	seen_by_hooks 4
	seen_by_hooks 6
}

# A mark in output leads to eth1, by a route of its own.
rerouted() {
	nodes
	one_way
	mesh_nodes 4
	link_nodes "$a" eth1 1 "$b" eth1 2 1500 41
	ip_batch "$a" <<-END
		route add 172.16.40.2/32 via 172.16.41.2 dev eth1 table 41
		rule add fwmark 41 table 41
	END
	# no route of b's leads back by that link
	mesh -n "$b" link set ipmesh0 rpf off
	in_ns "$b" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0
	in_ns "$a" nft "add table ip t
		add chain ip t out { type route hook output priority 0; }
		add rule ip t out ip protocol 4 counter meta mark set 41
		add chain ip t post { type filter hook postrouting priority 0; }
		add rule ip t post oif eth1 ip protocol 4 counter
		add rule ip t post oif eth0 ip protocol 4 counter"
	send_some "$a" 3
	arrived 3
	equal "packets in output and by eth1 and eth0" "$(seen "$a" "ip t")" "3 3 0 "
}

# hold [MARK]: a's queue 7 keeps three packets until let_go, which gives them the mark
fifos=0
hold() {
	modprobe -a nfnetlink_queue nft_queue 2>/dev/null || skip "this kernel has no queue"
	fifo=$tmp/fifo-$((++fifos))
	mkfifo "$fifo"
	start "$a" queue 7 3 "$fifo" "$@" >"$tmp/queue"
	busywait file_has "$tmp/queue" bound
}

let_go() {
	busywait file_has "$tmp/queue" held
	: >"$fifo"
	busywait file_has "$tmp/queue" accepted
}

# queued CHAIN FAMILY SEEN: packets wait in the chain, and go on from there: postrouting
# is passed once, wherever that was
queued() {
	local chain=$1 family=$2 seen=$3
	nodes
	one_way
	mesh_nodes "$family"
	send_some "$a" 2
	hold
	rules "$a" "add rule inet t $chain meta l4proto 4 counter queue num 7
		add rule inet t post oif eth0 meta l4proto 4 counter"
	send_some "$a" 3
	busywait file_has "$tmp/queue" held
	counts "$b" ipmesh0 -- rx_packets=2
	let_go
	arrived 5
	equal "packets in the hooks" "$(seen "$a" "inet t")" "$seen"
}

held_by_user_space() {
	local family
	for family in 4 6; do
		queued out "$family" "3 3 "
		# what the queue gives back is through with the chain
		queued post "$family" "3 0 "
	done
}

# led FAMILY verdict|rule: three packets wait in the queue of output, and get the mark 41
# by its verdict, or by a rule behind it
led() {
	local family=ip
	[ "$1" = 4 ] || family=ip6
	case $2 in
	verdict)
		hold 41
		in_ns "$a" nft "add table $family t
			add chain $family t out { type filter hook output priority 0; }
			add rule $family t out meta l4proto 4 counter queue num 7" ;;
	rule)
		hold
		in_ns "$a" nft "add table $family t
			add chain $family t first { type filter hook output priority -10; }
			add rule $family t first meta l4proto 4 counter queue num 7
			add chain $family t then { type route hook output priority 0; }
			add rule $family t then meta l4proto 4 meta mark set 41" ;;
	esac
	send_some "$a" 3
	let_go
	equal "packets in the queue" "$(seen "$a" "$family t")" "3 "
	in_ns "$a" nft delete table "$family" t
}

# secured FROM TO [WORD]…: what a sends so is ESP; the words are of the policy's selector
secured() {
	local from=$1 to=$2
	shift 2
	modprobe -a esp4 esp6 xfrm_user 2>/dev/null || skip "this kernel has no ESP"
	ip_batch "$a" <<-END || skip "this kernel has no null cipher"
		xfrm state add src $from dst $to proto esp spi 0x10 mode transport enc ecb(cipher_null) "" auth digest_null ""
		xfrm policy add src $from dst $to dir out $* tmpl src $from dst $to proto esp mode transport
	END
}

# A policy of the route that the queue has led them to is not passed by.
queued_to_policy() {
	local family way
	for family in 4 6; do
		for way in verdict rule; do
			nodes
			one_way
			mesh_nodes "$family"
			send_some "$a" 2
			secured "$(underlay "$family" 1)" "$(underlay "$family" 2)" mark 41
			watch "$b" eth0 3 "proto 50"
			led "$family" "$way"
			watched >"$tmp/esp"
			# none has arrived as it was
			send_some "$a" 1
			arrived 3
		done
	done
}

# Nor is a tunnel of that route, of those that come before the neighbour is looked for.
queued_to_tunnel() {
	local family way
	for family in 4 6; do
		for way in verdict rule; do
			nodes
			one_way
			mesh_nodes "$family"
			send_some "$a" 2
			ip -n "$a" route add fd00:77::2 via fd00::2
			ip -n "$a" "-$family" route add "$(underlay "$family" 2)" table 41 \
				encap seg6 mode encap segs fd00:77::2 dev eth0 ||
				skip "this kernel has no seg6"
			ip -n "$a" "-$family" rule add fwmark 41 table 41 pref 10
			watch "$b" eth0 3 "> fd00:77::2 proto 43"
			led "$family" "$way"
			watched >"$tmp/seg6"
			# none has arrived as it was
			send_some "$a" 1
			arrived 3
		done
	done
}

# NAT behind a queue of postrouting leads to a policy of the new address.
translated_to_policy() {
	local family nat to ip
	for family in 4 6; do
		nodes
		one_way
		mesh_nodes "$family"
		send_some "$a" 2
		nat=$(underlay "$family" 7)
		to=$(underlay "$family" 2)
		case $family in
		4)	ip=ip
			ip -n "$a" addr add "$nat/24" dev eth0 ;;
		6)	ip=ip6
			ip -n "$a" addr add "$nat/64" dev eth0 nodad ;;
		esac
		secured "$nat" "$to"
		hold
		in_ns "$a" nft "add table inet t
			add chain inet t post { type filter hook postrouting priority 0; }
			add rule inet t post oif eth0 meta l4proto 4 counter queue num 7
			add chain inet t nat { type nat hook postrouting priority 100; }
			add rule inet t nat oif eth0 meta l4proto 4 snat $ip to $nat"
		watch "$b" eth0 3 "$nat > $to proto 50"
		send_some "$a" 3
		let_go
		watched >"$tmp/esp"
		# without the queue
		in_ns "$a" nft flush chain inet t post
		watch "$b" eth0 3 "$nat > $to proto 50"
		send_some "$a" 3
		watched >"$tmp/esp"
		no_rules "$a"
		arrived 2
	done
}

# What is translated on its way out has another header, and its sum is right.
translated() {
	nodes
	one_way
	mesh_nodes 4
	ip -n "$a" addr add 172.16.40.7/24 dev eth0
	mesh -n "$b" peer new ipmesh0 172.16.40.7
	mesh -n "$b" peer set ipmesh0 172.16.40.7 move cidr 10.244.1.0/24
	in_ns "$a" nft "add table ip t
		add chain ip t post { type nat hook postrouting priority 100; }
		add rule ip t post oif eth0 ip protocol 4 snat to 172.16.40.7"
	capture "$b" eth0 1 4
	send_some "$a" 1
	contains "outer header" "$(captured)" "172.16.40.7 > 172.16.40.2 proto 4"
	send_some "$a" 2
	busywait is 3 count "$b" ipmesh0 rx_packets 172.16.40.7
	equal "wrong checksums" "$(bad_checksums "$b")" 0
}

# --- behind the IP layer --------------------------------------------------------------

egress() {
	nodes
	one_way
	mesh_nodes 4
	send_some "$a" 1
	in_ns "$a" tc qdisc add dev eth0 clsact
	in_ns "$a" tc filter add dev eth0 egress protocol ip u32 match ip protocol 4 0xff action pass
	if in_ns "$a" nft "add table netdev t
		add chain netdev t e { type filter hook egress device eth0 priority 0; }
		add rule netdev t e ip protocol 4 counter" 2>/dev/null; then
		send_some "$a" 4
		equal "packets that netfilter's egress saw" "$(seen "$a" "netdev t")" "4 "
	else
		send_some "$a" 4
	fi
	contains "packets that tc saw" \
		"$(in_ns "$a" tc -s filter show dev eth0 egress)" "Sent 472 bytes 4 pkt"
	arrived 5
	capture "$a" eth0 3 4
	send_some "$a" 3
	contains "what a tap saw" "$(captured)" "172.16.40.1 > 172.16.40.2 proto 4"
	# a queue drops what it cannot take, and that is told
	in_ns "$a" tc qdisc replace dev eth0 root pfifo limit 1
	in_ns "$a" tc filter add dev eth0 egress protocol ip prio 9 u32 match ip protocol 4 0xff action drop
	arrived 3
}

# --- the neighbour ------------------------------------------------------------------

# to_address FAMILY MAC: the packets to it, of those that a sends
to_address() {
	local protocol=ip header=ip
	[ "$1" = 4 ] || protocol=ipv6 header=ip6
	in_ns "$a" tc qdisc del dev eth0 clsact 2>/dev/null || true
	in_ns "$a" tc qdisc add dev eth0 clsact
	in_ns "$a" tc filter add dev eth0 egress prio 1 protocol "$protocol" \
		u32 match ether dst "$2" match "$header" protocol 4 0xff action pass
}

to_address_is() {
	contains "packets to the address" "$(in_ns "$a" tc -s filter show dev eth0 egress)" \
		" $1 pkt"
}

# to_neighbour FAMILY
to_neighbour() {
	local family=$1 other
	nodes
	one_way
	mesh_nodes "$family"
	other=$(underlay "$family" 2)
	# IPv6 asks for a neighbour from a link-local address
	ip -n "$a" addr add fe80::1/64 dev eth0 nodad
	# what comes before the neighbour is known waits for it
	ip -n "$a" neigh flush dev eth0
	send_some "$a" 3
	arrived 3
	# another address, for the next packet
	to_address "$family" 02:00:00:00:00:55
	send_some "$a" 1
	to_address_is 0
	ip -n "$a" neigh replace "$other" lladdr 02:00:00:00:00:55 dev eth0 nud permanent
	send_some "$a" 2
	to_address_is 2
	ip -n "$a" neigh replace "$other" lladdr 02:00:00:00:00:02 dev eth0 nud reachable
	send_some "$a" 2
	to_address_is 2
	arrived 3
}

neighbour() {
	to_neighbour 6
	to_neighbour 4
	# as a router's, and as one that is known by its IPv6 address
	ip -n "$a" route add 172.16.40.2/32 via 172.16.40.2 dev eth0 onlink
	send_some "$a" 2
	ip -n "$a" neigh replace fd00::2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent
	ip -n "$a" route replace 172.16.40.2/32 via inet6 fd00::2 dev eth0
	send_some "$a" 2
	arrived 4
}

# --- routes that are more -------------------------------------------------------------

# The route has a tunnel of its own.
route_tunnel() {
	nodes
	one_way
	modprobe mpls_iptunnel 2>/dev/null || skip "this kernel has no mpls_iptunnel"
	mesh_nodes 4
	send_some "$a" 2
	ip -n "$a" route add 172.16.40.2/32 encap mpls 100 via 172.16.40.2 dev eth0
	in_ns "$a" tc qdisc add dev eth0 clsact
	in_ns "$a" tc filter add dev eth0 egress protocol mpls_uc matchall action gact pass
	send_some "$a" 3
	contains "packets with a label" \
		"$(in_ns "$a" tc -s filter show dev eth0 egress)" " 3 pkt"
	ip -n "$a" route del 172.16.40.2/32
	send_some "$a" 2
	arrived 4
	counts "$a" ipmesh0 -- tx_packets=7 tx_dropped=0
}

# The route says what it takes, and not its device.
route_mtu() {
	local got
	nodes
	mesh_nodes 4
	ip -n "$a" link set ipmesh0 mtu 1480
	ping_of "$a" 10.244.2.1 -M "do" -s 1400
	ip -n "$a" route add 172.16.40.2/32 dev eth0 mtu 1300
	got=$(in_ns "$a" ping -n -c 1 -W 1 -M "do" -s 1400 10.244.2.1 2>&1) && fail "too large: $got"
	contains "a ping of 1400 bytes" "$got" "mtu = 1280"
	counts "$a" ipmesh0 -- tx_packets=3 too_big=1
	ip -n "$a" route del 172.16.40.2/32
}

# The underlay's device joins a VRF: hooks see its packets by the VRF.
into_vrf() {
	modprobe vrf 2>/dev/null || skip "this kernel has no vrf"
	nodes
	one_way
	mesh_nodes 4
	send_some "$a" 2
	ip_batch "$a" <<-END
		link add v type vrf table 10
		link set v up
		link set eth0 master v
		rule add oif eth0 table 10
		rule add to 172.16.40.2 table 10 pref 10
	END
	rules "$a" "add rule inet t out oif v meta l4proto 4 counter"
	send_some "$a" 3
	arrived 5
	equal "packets that the VRF's hook saw" "$(seen "$a" "inet t")" "3 "
	no_rules "$a"
	# its queue sees them without any hook
	in_ns "$a" tc qdisc add dev v root pfifo
	send_some "$a" 2
	arrived 2
	contains "the VRF's queue" "$(in_ns "$a" tc -s qdisc show dev v)" " 2 pkt "
	ip -n "$a" link set eth0 nomaster
	send_some "$a" 2
	arrived 2
}

run_tests counters hooks_come_and_go rerouted held_by_user_space queued_to_policy queued_to_tunnel translated_to_policy translated egress neighbour route_tunnel route_mtu into_vrf
