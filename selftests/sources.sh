#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a peer may send from besides its endpoint and its pod CIDRs: other inner
# sources, and outer prefixes.
#
#     a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#       makes up packets               ipmesh0; answers to clients go straight to a
#
# Proves, for both families outside and inside, bare and by UDP: a strict device takes
# what a peer sends from its sources, several peers may have the same, and nothing is
# sent there; a balancer whose outer source is another one for each flow is served by
# an outer prefix, is counted, and nobody else is taken for it; an endpoint goes before
# a prefix, a longer prefix before a shorter one; the prefix has one peer and moves.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# --- packets ---------------------------------------------------------------------

# outer SOURCE: the outer headers to b from there, as words, by $carried
outer() {
	case $1 in
	*:*) printf 'ip6 src=%s dst=fd00::2' "$1" ;;
	*) printf 'ip4 src=%s dst=172.16.40.2' "$1" ;;
	esac
	[ "$carried" = none ] || printf ' udp sport=%s dport=5555' $((1024 + RANDOM))
}

# inner SOURCE DESTINATION
inner() {
	case $1 in
	*:*) printf 'ip6 src=%s dst=%s echo' "$1" "$2" ;;
	*) printf 'ip4 src=%s dst=%s echo' "$1" "$2" ;;
	esac
}

# send_from OUTER INNER [DESTINATION]: to b
send_from() {
	local to=${3:-10.244.2.1}
	case $2 in
	*:*) to=${3:-fd10:2::1} ;;
	esac
	# shellcheck disable=SC2046
	in_ns "$a" packet send eth0 02:00:00:00:00:02 $(outer "$1") $(inner "$2" "$to")
}

# takes PEER OUTER INNER: b does, and counts it on the peer
takes() {
	local before
	before=$(count "$b" ipmesh0 rx_packets "$1")
	send_from "$2" "$3"
	busywait is $((before + 1)) count "$b" ipmesh0 rx_packets "$1"
}

# drops CAUSE PEER OUTER INNER: PEER "-" for a stranger's packet
drops() {
	local before peer=0
	before=$(count "$b" ipmesh0 "$1")
	[ "$2" = - ] || peer=$(count "$b" ipmesh0 "$1" "$2")
	send_from "$3" "$4"
	busywait is $((before + 1)) count "$b" ipmesh0 "$1"
	[ "$2" = - ] || counts "$b" ipmesh0 "$2" -- "$1=$((peer + 1))"
}

# each_way FUNCTION: with the underlay's family and what carries packets, in $carried
each_way() {
	local family
	for family in 4 6; do
		for carried in none udp; do
			nodes
			mesh_nodes "$family"
			encap "$b" "$carried"
			"$1" "$family"
			del_ns "$a"
			del_ns "$b"
		done
	done
}

# --- inner sources ------------------------------------------------------------------

other_addresses() {
	local family=$1 one third
	one=$(underlay "$family" 1)
	third=$(underlay "$family" 3)
	takes "$one" "$one" 10.244.1.1
	takes "$one" "$one" fd10:1::1
	takes "$one" "$one" "$one"
	drops src_not_allowed "$one" "$one" 192.0.2.7
	drops src_not_allowed "$one" "$one" 2001:db8:7::7
	# the other family's address, a second one, a virtual one, a network of them
	mesh -n "$b" peer set ipmesh0 "$one" source 172.16.40.1/32 source fd00::1/128 \
		source 192.0.2.7/32 source 2001:db8:7::7/128 source 198.51.100.0/24 source 2001:db8:8::/64
	takes "$one" "$one" 172.16.40.1
	takes "$one" "$one" fd00::1
	takes "$one" "$one" 192.0.2.7
	takes "$one" "$one" 2001:db8:7::7
	takes "$one" "$one" 198.51.100.200
	takes "$one" "$one" 2001:db8:8::1
	takes "$one" "$one" 10.244.1.1
	drops src_not_allowed "$one" "$one" 192.0.2.8
	drops src_not_allowed "$one" "$one" 2001:db8:7::8
	drops src_not_allowed "$one" "$one" 198.51.101.1
	drops martian "$one" "$one" 127.0.0.1
	# of another peer only if that has it too, as with an address that moves
	mesh -n "$b" peer new ipmesh0 "$third" cidr 10.244.3.0/24 cidr fd10:3::/64
	drops src_not_allowed "$third" "$third" 192.0.2.7
	mesh -n "$b" peer set ipmesh0 "$third" source 192.0.2.7/32 source 10.244.1.99/32
	takes "$third" "$third" 192.0.2.7
	takes "$one" "$one" 192.0.2.7
	# inside another's pod CIDR, when it is said
	takes "$third" "$third" 10.244.1.99
	takes "$one" "$one" 10.244.1.99
	drops src_not_allowed "$third" "$third" 10.244.1.98
	# nothing is sent there
	refused "No pod CIDR holds this address" mesh -n "$b" peer find ipmesh0 192.0.2.7
	refused "No pod CIDR holds this address" mesh -n "$b" peer find ipmesh0 2001:db8:8::1
	# what is taken away holds for the next packet
	mesh -n "$b" peer set ipmesh0 "$one" nosource 192.0.2.7/32
	drops src_not_allowed "$one" "$one" 192.0.2.7
	takes "$third" "$third" 192.0.2.7
	# all IPv6 sources are no IPv4 ones, and the other way
	mesh -n "$b" peer set ipmesh0 "$one" onlysources source ::/0
	takes "$one" "$one" 2001:db8:99::1
	drops src_not_allowed "$one" "$one" 192.0.2.9
	mesh -n "$b" peer set ipmesh0 "$one" onlysources source 0.0.0.0/0
	takes "$one" "$one" 192.0.2.9
	drops src_not_allowed "$one" "$one" 2001:db8:99::1
	mesh -n "$b" peer set ipmesh0 "$one" onlysources
	drops src_not_allowed "$one" "$one" 192.0.2.9
}

inner_sources() {
	each_way other_addresses
}

# --- outer prefixes -------------------------------------------------------------------

# hashed FAMILY N: the outer source of a flow
hashed() {
	case $1 in
	4) echo "172.20.$(($2 * 37 % 256)).$(($2 * 101 % 254 + 1))" ;;
	6) printf 'fd20:0:0:%x::%x\n' $(($2 * 37 % 65536)) $(($2 * 101 % 65535 + 1)) ;;
	esac
}

# A balancer hands client packets to the node as they are, in headers from an address
# of its own that the flow chooses; the node answers the client straight from the
# virtual address.
balanced() {
	local family=$1 lb other prefix=172.20.0.0/16 n got
	[ "$family" = 4 ] || prefix=fd20::/32
	lb=$(underlay "$family" 9)
	other=$(underlay "$family" 8)
	ip_batch "$b" <<-END
		addr add 203.0.113.80/32 dev lo
		addr add 2001:db8:80::80/128 dev lo nodad
		addr add fe80::2/64 dev eth0 nodad
		route add 192.0.2.0/24 via 172.16.40.1
		route add 2001:db8:1::/48 via fd00::1
	END
	mesh -n "$b" peer new ipmesh0 "$lb" name balancer cidr 0.0.0.0/0 cidr ::/0
	drops unknown_peer - "$(hashed "$family" 1)" 192.0.2.1
	mesh -n "$b" peer set ipmesh0 "$lb" from "$prefix"
	mesh -n "$b" peer get ipmesh0 "$lb" >"$tmp/peer"
	file_has "$tmp/peer" "from $prefix" || fail "$(<"$tmp/peer")"
	watch "$a" eth0 8 "203.0.113.80 > "
	for n in 1 2 3 4 5 6 7 8; do
		send_from "$(hashed "$family" "$n")" "192.0.2.$n" 203.0.113.80
	done
	got=$(watched)
	for n in 1 2 3 4 5 6 7 8; do
		contains "answers" "$got" "203.0.113.80 > 192.0.2.$n"
	done
	lacks "answers" "$got" "172.20."
	watch "$a" eth0 4 "2001:db8:80::80 > "
	for n in 1 2 3 4; do
		send_from "$(hashed "$family" "$((n + 20))")" "2001:db8:1::$n" 2001:db8:80::80
	done
	got=$(watched)
	for n in 1 2 3 4; do
		contains "answers" "$got" "2001:db8:80::80 > 2001:db8:1::$n"
	done
	counts "$b" ipmesh0 "$lb" -- rx_packets=12 src_not_allowed=0 unknown_peer=0
	# from its endpoint as well
	takes "$lb" "$lb" 192.0.2.50
	# and by nobody else
	case $family in
	4)
		drops unknown_peer - 172.21.0.1 192.0.2.1
		drops unknown_peer - "$other" 192.0.2.1 ;;
	6)
		drops unknown_peer - fd21::1 192.0.2.1
		drops unknown_peer - "$other" 192.0.2.1 ;;
	esac
	# martians and what is invalid are the peer's own drops
	drops martian "$lb" "$(hashed "$family" 9)" 127.0.0.1
	# the pods of others are theirs
	drops src_not_allowed "$lb" "$(hashed "$family" 9)" 10.244.1.1
	drops src_not_allowed "$lb" "$(hashed "$family" 9)" fd10:1::1
	# it goes with its peer
	mesh -n "$b" peer del ipmesh0 "$lb"
	drops unknown_peer - "$(hashed "$family" 1)" 192.0.2.1
	no_peer_left "$family"
}

# no_peer_left FAMILY: node 1 is as before
no_peer_left() {
	takes "$(underlay "$1" 1)" "$(underlay "$1" 1)" 10.244.1.1
}

balancer() {
	each_way balanced
}

# Several balancers, none of which has all clients' addresses to itself: by sources.
# An endpoint goes before a prefix, a longer prefix before a shorter one.
whose() {
	local family=$1 wide=172.20.0.0/16 long=172.20.1.0/24 in_wide=172.20.7.7 \
		in_long=172.20.1.7 exact=172.20.1.9 one two
	[ "$family" = 4 ] || wide=fd20::/32 long=fd20:0:1::/48 in_wide=fd20:0:7::7 \
		in_long=fd20:0:1::7 exact=fd20:0:1::9
	one=$(underlay "$family" 8)
	two=$(underlay "$family" 9)
	mesh -n "$b" peer new ipmesh0 "$one" from "$wide" source 0.0.0.0/0 source ::/0
	mesh -n "$b" peer new ipmesh0 "$two" from "$long" source 0.0.0.0/0 source ::/0
	mesh -n "$b" peer new ipmesh0 "$exact" cidr 10.244.4.0/24 cidr fd10:4::/64
	takes "$one" "$in_wide" 192.0.2.1
	takes "$two" "$in_long" 192.0.2.1
	takes "$two" "$in_long" 2001:db8:1::1
	takes "$exact" "$exact" 10.244.4.1
	drops src_not_allowed "$exact" "$exact" 192.0.2.1
	# its endpoint and the pod CIDRs of its own, by the longest match
	takes "$one" "$in_wide" "$one"
	mesh -n "$b" peer set ipmesh0 "$one" onlysources cidr 10.244.5.0/24 cidr fd10:5::/64
	takes "$one" "$in_wide" 10.244.5.1
	takes "$one" "$in_wide" fd10:5::1
	drops src_not_allowed "$one" "$in_wide" 192.0.2.1
	drops src_not_allowed "$one" "$in_wide" 10.244.4.1
	drops src_not_allowed "$one" "$in_wide" "$in_wide"
	mesh -n "$b" peer set ipmesh0 "$exact" cidr 10.244.5.128/25
	drops src_not_allowed "$one" "$in_wide" 10.244.5.129
	# one peer has it, until it moves
	refused "has this outer prefix" mesh -n "$b" peer set ipmesh0 "$two" from "$wide"
	mesh -n "$b" peer set ipmesh0 "$two" from "$wide" move
	takes "$two" "$in_wide" 192.0.2.1
	counts "$b" ipmesh0 "$one" -- rx_packets=4
	mesh -n "$b" peer set ipmesh0 "$two" nofrom "$long"
	takes "$two" "$in_long" 192.0.2.1
	mesh -n "$b" peer set ipmesh0 "$two" onlyfroms
	drops unknown_peer - "$in_long" 192.0.2.1
	# the device does not send there
	ip_batch "$b" <<-END
		route add 10.99.0.0/24 dev ipmesh0
		route add fd99::/64 dev ipmesh0
	END
	mesh -n "$b" peer set ipmesh0 "$two" from "$wide"
	once "$b" 10.99.0.1 -I 10.244.2.1
	counts "$b" ipmesh0 "$two" -- tx_packets=0
	# an open device counts it as the peer's
	mesh -n "$b" link set ipmesh0 peers open
	takes "$two" "$in_wide" 10.244.1.1
}

precedence() {
	each_way whose
}

# A firewall sees outer packets from such a prefix as untracked, too.
untracked() {
	local carried=none
	nodes
	mesh_nodes 4 notrack on
	mesh -n "$b" peer new ipmesh0 172.16.40.9 cidr 0.0.0.0/0 from 172.20.0.0/16
	cat >"$tmp/rules" <<-'END'
		table ip t {
			counter untracked { }
			counter tracked { }
			chain c {
				type filter hook input priority 0
				ip saddr 172.20.0.0/16 ct state untracked counter name "untracked"
				ip saddr 172.20.0.0/16 ct state != untracked counter name "tracked"
			}
		}
	END
	in_ns "$b" nft -f "$tmp/rules"
	takes 172.16.40.9 172.20.1.1 192.0.2.1
	contains "untracked" "$(in_ns "$b" nft list counter ip t untracked)" "packets 1 "
	contains "tracked" "$(in_ns "$b" nft list counter ip t tracked)" "packets 0 "
}

run_tests inner_sources balancer precedence untracked
