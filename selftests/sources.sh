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
# By the tool: the words of peer, what show and monitor tell of them, the documents; all
# addresses that documents name for a node are its peer's sources, but for those that
# are another's; a Device adds to the peer of a node; apply changes what differs and no
# more; 0.0.0.0/0 and ::/0 of a peer never become this host's default route by the way.
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

# The network that balancers send from is one that b has a route to.
balancers_behind_a() {
	ip_batch "$b" <<-END
		route add 172.20.0.0/15 via 172.16.40.1
		route add fd20::/12 via fd00::1
	END
}

# each_way FUNCTION: with the underlay's family and what carries packets, in $carried
each_way() {
	local family
	for family in 4 6; do
		for carried in none udp; do
			nodes
			mesh_nodes "$family"
			encap "$b" "$carried"
			balancers_behind_a
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
	balancers_behind_a
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

# --- the tool -----------------------------------------------------------------------

docs=$here/fixtures/sources

# tool WORD…: in b
tool() {
	mesh -n "$b" exec ipmesh "$@"
}

# host: b alone, as it is before apply
host() {
	setup_ns b
	ip -n "$b" link add eth0 type dummy
	in_ns "$b" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip_batch "$b" <<-END
		link set eth0 up
		addr add 172.16.40.2/24 dev eth0
		addr add fd00::2/64 dev eth0 nodad
		route add default via 172.16.40.254
		route add default via fd00::fe
	END
}

# peer ENDPOINT: of b, on one line
peer() {
	mesh -n "$b" peer get ipmesh0 "$1" | tr '\n' ' '
}

words() {
	local before
	host
	tool link add ipmesh0 local 172.16.40.2 address 10.244.2.1/32
	tool peer add 172.16.40.1 name a cidr 10.244.1.0/24 source 198.51.100.1 \
		sources 192.0.2.80,2001:db8:8::/64
	tool peer add 172.16.40.9 name lb from 172.20.0.0/16 froms 172.21.0.7
	equal "a" "$(peer 172.16.40.1)" \
		"name a cidr 10.244.1.0/24 source 192.0.2.80/32 source 198.51.100.1/32 source 2001:db8:8::/64 "
	equal "lb" "$(peer 172.16.40.9)" "name lb from 172.20.0.0/16 from 172.21.0.7/32 "
	equal "routes" "$(ip -n "$b" route show proto ipmesh | wc -l)" 1
	# what is shown
	contains "show" "$(tool show)" "172.16.40.9  lb    -              -       172.20.0.0/16, 172.21.0.7"
	lacks "show" "$(tool show)" 198.51.100.1
	contains "show -s" "$(tool -s show)" "192.0.2.80, 198.51.100.1, 2001:db8:8::/64  -  "
	tool -j show >"$tmp/json"
	equal "against the schema" "$(jq --slurpfile schema /usr/share/ipmesh/show.schema.json -r \
		-f "$here/schema.jq" "$tmp/json")" ""
	equal "JSON" "$(jq -c '[.[0].peers[] | [.sources, .from]]' "$tmp/json")" \
		'[[["192.0.2.80","198.51.100.1","2001:db8:8::/64"],[]],[[],["172.20.0.0/16","172.21.0.7"]]]'
	contains "metrics" "$(tool metrics)" 'ipmesh_peer_sources{device="ipmesh0",peer="172.16.40.1",name="a"} 3'
	contains "metrics" "$(tool metrics)" 'ipmesh_peer_outer_prefixes{device="ipmesh0",peer="172.16.40.9",name="lb"} 2'
	contains "completion" "$(tool complete -- peer set 172.16.40.1 nosource 198)" 198.51.100.1
	contains "completion" "$(tool complete -- peer set 172.16.40.9 nofrom 172)" 172.20.0.0/16
	# changes
	tool peer set 172.16.40.1 nosource 198.51.100.1 source 198.51.100.2
	tool peer set 172.16.40.1 name b
	equal "b" "$(peer 172.16.40.1)" \
		"name b cidr 10.244.1.0/24 source 192.0.2.80/32 source 198.51.100.2/32 source 2001:db8:8::/64 "
	tool peer set 172.16.40.1 sources 198.51.100.3
	equal "one" "$(peer 172.16.40.1)" "name b cidr 10.244.1.0/24 source 198.51.100.3/32 "
	tool peer set 172.16.40.1 sources none cidr 10.245.1.0/24
	equal "none" "$(peer 172.16.40.1)" "name b cidr 10.244.1.0/24 cidr 10.245.1.0/24 "
	refused "peer 172.16.40.1 of ipmesh0: Peer 172.16.40.9 lb has this outer prefix; say move to take it (from 172.20.0.0/16)" \
		tool peer set 172.16.40.1 from 172.20.0.0/16
	tool peer set 172.16.40.1 from 172.20.0.0/16 move
	equal "lb" "$(peer 172.16.40.9)" "name lb from 172.21.0.7/32 "
	tool peer set 172.16.40.1 froms none
	tool peer set 172.16.40.9 nofrom 172.21.0.7 source 192.0.2.80 from 172.20.0.0/16
	equal "lb" "$(peer 172.16.40.9)" "name lb source 192.0.2.80/32 from 172.20.0.0/16 "
	# what cannot be done whole is not begun
	before=$(peer 172.16.40.9)
	refused "has a route of another owner" tool peer set 172.16.40.1 from 172.20.0.0/16 move \
		source 192.0.2.81 cidr 172.16.40.0/24
	equal "as before" "$(peer 172.16.40.9)" "$before"
	equal "as before" "$(peer 172.16.40.1)" "name b cidr 10.244.1.0/24 cidr 10.245.1.0/24 "
}

monitored() {
	host
	tool link add ipmesh0 local 172.16.40.2
	start "$b" ipmesh monitor >"$tmp/monitor" 2>&1
	busywait noted
	tool peer add 172.16.40.9 name lb from 172.20.0.0/16 source 192.0.2.80
	busywait file_has "$tmp/monitor" \
		"+ peer 172.16.40.9 lb source 192.0.2.80 from 172.20.0.0/16 dev ipmesh0"
	tool peer add 172.16.40.8 from 172.20.0.0/16 move
	busywait file_has "$tmp/monitor" \
		"~ peer 172.16.40.9 lb source 192.0.2.80 dev ipmesh0, cause: move"
}

# noted: a change, so that something is told as soon as it listens
noted() {
	ip -n "$b" link set ipmesh0 mtu $((1300 + RANDOM % 100))
	[ -s "$tmp/monitor" ]
}

# --- documents ----------------------------------------------------------------------

# apply [WORD]…: in b; paths are relative to the documents
apply() {
	in_ns "$b" env -C "$docs" ipmesh apply "$@"
}

# a, with an address more, sends to b, which apply has set up
second_address() {
	local form
	for form in kubectl-nodes.yaml calico-nodes.yaml; do
		nodes
		in_ns "$b" sysctl -qw net.ipv4.ip_forward=1
		apply -f "$form" --node node-b >"$tmp/out"
		file_has "$tmp/out" "+ peer 172.16.40.1 node-a 10.244.1.0/24 source 198.51.100.1 source 203.0.113.1 source fd00::1" ||
			fail "$(<"$tmp/out")"
		prints "no changes" apply -f "$form" --node node-b
		ip -n "$a" addr add 198.51.100.1/24 dev eth0
		ip -n "$b" route add 198.51.100.1 via 172.16.40.1
		carried=none
		takes 172.16.40.1 172.16.40.1 198.51.100.1
		takes 172.16.40.1 172.16.40.1 fd00::1
		drops src_not_allowed 172.16.40.1 172.16.40.1 198.51.100.2
		# a real one: asked through the tunnel, and answered by the underlay
		mesh -n "$a" link add ipmesh0 local 172.16.40.1
		mesh -n "$a" peer new ipmesh0 172.16.40.2 cidr 10.244.2.0/24
		ip_batch "$a" <<-END
			link set ipmesh0 up
			route add 10.244.2.0/24 dev ipmesh0 src 198.51.100.1
		END
		pings "$a" 10.244.2.1
		del_ns "$a"
		del_ns "$b"
	done
}

# What differs is changed, and no more.
differences() {
	host
	apply -f kubectl-nodes.yaml --node node-b >/dev/null
	sed 's/198.51.100.1/198.51.100.9/' "$docs/kubectl-nodes.yaml" >"$tmp/nodes"
	apply -f "$tmp/nodes" --node node-b >"$tmp/out"
	equal "changes" "$(<"$tmp/out")" "~ peer 172.16.40.1 node-a +source 198.51.100.9
~ peer 172.16.40.1 node-a -source 198.51.100.1
2 changes"
	apply -f kubectl-nodes.yaml --node node-b >/dev/null
	# by hand: put back
	tool peer set 172.16.40.1 source 192.0.2.99 nosource fd00::1 from 172.20.0.0/16
	apply -f kubectl-nodes.yaml --node node-b >"$tmp/out"
	equal "changes" "$(<"$tmp/out")" "~ peer 172.16.40.1 node-a +source fd00::1
~ peer 172.16.40.1 node-a -source 192.0.2.99 -from 172.20.0.0/16
2 changes"
	# a Device beside them adds to the node's peer
	apply -f kubectl-nodes.yaml -f ipmesh-more.yaml --node node-b >"$tmp/out"
	file_has "$tmp/out" "~ peer 172.16.40.1 node-a +10.250.1.0/24 +source 192.0.2.80 +source 2001:db8:8::/64" ||
		fail "$(<"$tmp/out")"
	file_has "$tmp/out" "+ peer 172.16.40.9 balancers 0.0.0.0/0 ::/0 from 172.20.0.0/16" ||
		fail "$(<"$tmp/out")"
	equal "the peer" "$(peer 172.16.40.1)" "name node-a cidr 10.244.1.0/24 cidr 10.250.1.0/24 source 192.0.2.80/32 source 198.51.100.1/32 source 203.0.113.1/32 source 2001:db8:8::/64 source fd00::1/128 "
	prints "no changes" apply -f ipmesh-more.yaml -f kubectl-nodes.yaml --node node-b
	default_routes_stay
	# the way of a CIDR that the Device names is the Device's
	sed 's/10.250.1.0\/24/{prefix: 10.244.1.0\/24, via: none}/' "$docs/ipmesh-more.yaml" >"$tmp/more"
	apply -f kubectl-nodes.yaml -f "$tmp/more" --node node-b >/dev/null
	equal "routes" "$(ip -n "$b" route show 10.244.1.0/24)" ""
	equal "cidrs" "$(mesh -n "$b" peer get ipmesh0 172.16.40.1 | grep cidr)" "cidr 10.244.1.0/24"
	# an outer prefix goes from one balancer to the next one
	sed 's/172.16.40.9/172.16.40.8/; s/name: balancers/name: next/' "$docs/ipmesh-more.yaml" >"$tmp/next"
	apply -f kubectl-nodes.yaml -f "$tmp/next" --node node-b >"$tmp/out"
	equal "lines of it" "$(grep -c 172.20.0.0/16 "$tmp/out")" 1
	equal "the next one" "$(peer 172.16.40.8)" "name next cidr 0.0.0.0/0 cidr ::/0 from 172.20.0.0/16 "
	sed 's/from: .*/from: [172.20.0.0\/16, 172.21.0.0\/16]/' "$tmp/next" >"$tmp/wider"
	apply -f kubectl-nodes.yaml -f "$tmp/wider" --node node-b >"$tmp/out"
	equal "changes" "$(<"$tmp/out")" "~ peer 172.16.40.8 next +from 172.21.0.0/16
1 change"
}

# A kubelet writes what its node's addresses are: others' are not for it to send from.
claims() {
	local said
	host
	cat >"$tmp/pool" <<-END
		apiVersion: projectcalico.org/v3
		kind: IPPool
		metadata: {name: p}
		spec: {cidr: 10.244.0.0/16, ipipMode: Always}
	END
	said=$(apply -f kubectl-nodes-hostile.yaml -f "$tmp/pool" --node node-b 2>&1)
	contains "node-c's pod" "$said" "node node-a may not send from 10.244.3.7: it is in 10.244.3.0/24 of peer 172.16.40.3"
	contains "node-c" "$said" "node node-a may not send from 172.16.40.3: it is another peer's endpoint"
	contains "this host" "$said" "node node-a may not send from 172.16.40.2: it is this host's own"
	contains "a pod here" "$said" "node node-a may not send from 10.244.2.7: it is in a pod CIDR of this host"
	contains "nobody's pod" "$said" "node node-a may not send from 10.244.99.7: it is in a pool, and in no pod CIDR of the node"
	contains "where" "$said" "kubectl-nodes-hostile.yaml:11: items[0].status.addresses[1].address"
	equal "sources" "$(mesh -n "$b" peer get ipmesh0 172.16.40.1 | grep source)" "source 198.51.100.1/32"
}

# --- 0.0.0.0/0 ----------------------------------------------------------------------

default_routes_stay() {
	equal "default route" "$(ip -n "$b" route show default)" "default via 172.16.40.254 dev eth0 "
	contains "default route, IPv6" "$(ip -n "$b" -6 route show default)" "default via fd00::fe dev eth0 "
	equal "default routes, IPv6" "$(ip -n "$b" -6 route show default | wc -l)" 1
}

everything() {
	local said
	host
	tool link add ipmesh0 local 172.16.40.2 address 10.244.2.1/32
	said=$(tool peer add 172.16.40.9 name lb cidr 0.0.0.0/0 cidr ::/0 from 172.20.0.0/16 2>&1)
	contains "what is said" "$said" "0.0.0.0/0 gets no route, as that would be this host's default route"
	contains "what is said" "$said" "::/0 gets no route"
	default_routes_stay
	equal "cidrs" "$(peer 172.16.40.9)" "name lb cidr 0.0.0.0/0 cidr ::/0 from 172.20.0.0/16 "
	# nothing is wrong with it
	equal "problems" "$(tool -j show | jq -c '[.[].problems, .[].peers[].problems]')" "[[],[]]"
	equal "ways" "$(tool -j show | jq -c '[.[].peers[].cidrs[].route]')" '["none","none"]'
	contains "show" "$(tool show)" "0.0.0.0/0, ::/0  -  "
	said=$(tool doctor ipmesh0 2>&1 || true)
	lacks "doctor" "$said" 0.0.0.0/0
	lacks "doctor" "$said" 172.16.40.9
	refused "has no pod CIDR; say whom to ask" tool probe 172.16.40.9
	# others that it gets are routed, and it still is not
	prints "" tool peer set 172.16.40.9 cidr 10.249.0.0/24
	contains "route" "$(ip -n "$b" route show 10.249.0.0/24)" "via 172.16.40.9 dev ipmesh0"
	prints "" tool peer set 172.16.40.9 route
	default_routes_stay
	# a document of it, there and back
	tool export >"$tmp/doc"
	contains "the document" "$(<"$tmp/doc")" "- {prefix: 0.0.0.0/0, via: none}"
	contains "the document" "$(<"$tmp/doc")" "from: [172.20.0.0/16]"
	prints "no changes" apply -f "$tmp/doc"
	tool peer flush
	default_routes_stay
	prints "" tool peer add 172.16.40.9 cidr 0.0.0.0/0 noroute
	default_routes_stay
	tool peer del 172.16.40.9
	# said by name it has one, where there is none
	refused "0.0.0.0/0 has a route of another owner" tool peer add 172.16.40.9 cidr 0.0.0.0/0 route
	ip -n "$b" route del default
	tool peer add 172.16.40.9 cidr 0.0.0.0/0 route
	contains "default route" "$(ip -n "$b" route show default)" "via 172.16.40.9 dev ipmesh0"
	equal "ways" "$(tool -j show | jq -c '[.[].peers[].cidrs[].route]')" '["peer"]'
	tool export >"$tmp/doc"
	contains "the document" "$(<"$tmp/doc")" "via: tunnel"
	prints "no changes" apply -f "$tmp/doc"
	tool peer del 172.16.40.9
	equal "default route" "$(ip -n "$b" route show default)" ""
	# a document that does not say so makes none, and takes none away
	sed '/via: tunnel/d' "$tmp/doc" >"$tmp/plain"
	ip -n "$b" route add default via 172.16.40.254
	apply -f "$tmp/plain" >/dev/null
	default_routes_stay
	# nor does one that routes a pool to the device
	cat >"$tmp/pool" <<-END
		apiVersion: ipmesh/v1
		kind: Device
		metadata: {name: ipmesh0}
		spec:
		  local: 172.16.40.2
		  address: [10.244.2.1/32]
		  routes: pool
		  pools: [0.0.0.0/0]
		  peers: [{endpoint: 172.16.40.1, cidrs: [10.244.1.0/24]}]
	END
	apply -f "$tmp/pool" >/dev/null
	default_routes_stay
	contains "route" "$(ip -n "$b" route show 10.244.1.0/24)" "dev ipmesh0 proto ipmesh"
}

run_tests inner_sources balancer precedence untracked words monitored second_address \
	differences claims everything
