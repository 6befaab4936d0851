#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The neighbour tables.
#
#     pod 10.244.1.7 -- a 172.16.40.1 eth0 ------ 172.16.40.2 b
#         fd10:1::7       fd00::1                 fd00::2
#                         ipmesh0
#
# Proves: a device has one neighbour of each family, whatever its packets' nexthops are:
# thousands of peers named by gateways, thousands of pods behind two peers, over either
# underlay, sent by the node and forwarded; and none of it makes the kernel search its
# tables for room. Packets pass netfilter, and are cut, as they are anywhere else.
# A device that goes leaves nothing behind, with sockets that have a route of it.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"
. "$(dirname "$0")/lib-trace.sh"

# entries 4|6: neighbours of ipmesh0
entries() {
	ip -n "$a" "-$1" neigh show nud all dev ipmesh0 | wc -l
}

# forced: how often the kernel has looked for entries to throw away, of both families
forced() {
	local sum=0 file column line fields
	for file in arp_cache ndisc_cache; do
		column=10
		while read -r line; do
			read -ra fields <<<"$line"
			[ "${fields[0]}" = entries ] || sum=$((sum + 0x${fields[column]}))
		done <"/proc/net/stat/$file"
	done
	echo "$sum"
}

# many: 2 000 peers of b's network, each with a pod CIDR of both families; $family
many_peers() {
	local i j n=0
	local batch=''
	ip -n "$a" route add 172.17.0.0/16 via 172.16.40.2
	ip -n "$a" route add fd00:17::/32 via fd00::2
	mesh -n "$a" link add ipmesh0 local "$(underlay "$family" 1)"
	for ((i = 0; i < 20; i++)); do
		for ((j = 0; j < 100; j++)); do
			n=$((n + 1))
			if [ "$family" = 4 ]; then
				mesh -n "$a" peer new ipmesh0 "172.17.$i.$j" \
					cidr "10.$((64 + i)).$j.0/24" cidr "fd10:$i:$j::/64"
				batch+="route add 10.$((64 + i)).$j.0/24 via 172.17.$i.$j dev ipmesh0 onlink"$'\n'
				batch+="route add fd10:$i:$j::/64 via ::ffff:172.17.$i.$j dev ipmesh0 onlink"$'\n'
			else
				mesh -n "$a" peer new ipmesh0 "fd00:17:$i:$j::1" \
					cidr "10.$((64 + i)).$j.0/24" cidr "fd10:$i:$j::/64"
				batch+="route add 10.$((64 + i)).$j.0/24 dev ipmesh0"$'\n'
				batch+="route add fd10:$i:$j::/64 dev ipmesh0"$'\n'
			fi
		done
	done
	ip_batch "$a" <<-END
		link set ipmesh0 up
		addr add 10.244.1.1/32 dev ipmesh0
		addr add fd10:ffff::1/128 dev ipmesh0 nodad
		$batch
	END
}

# to_peers: a packet of both families to each of them
to_peers() {
	# shellcheck disable=SC2016 # it is bash there that expands
	in_ns "$a" bash -c '
		for ((i = 0; i < 20; i++)); do
			for ((j = 0; j < 100; j++)); do
				echo >"/dev/udp/10.$((64 + i)).$j.7/9"
				echo >"/dev/udp/fd10:$i:$j::7/9"
			done
		done 2>/dev/null' || true
}

peers() {
	local family before
	for family in 4 6; do
		nodes
		many_peers
		before=$(forced)
		to_peers
		equal "packets" "$(count "$a" ipmesh0 tx_packets)" 4000
		to_peers
		equal "packets" "$(count "$a" ipmesh0 tx_packets)" 8000
		equal "IPv4 neighbours, underlay $family" "$(entries 4)" 1
		equal "IPv6 neighbours, underlay $family" "$(entries 6)" 1
		equal "forced collections, underlay $family" "$(forced)" "$before"
		counts "$a" ipmesh0 -- tx_dropped=0
	done
}

pods() {
	local family before
	for family in 4 6; do
		nodes
		mesh_nodes "$family"
		before=$(forced)
		# shellcheck disable=SC2016
		in_ns "$a" bash -c '
			for ((i = 256; i < 3256; i++)); do
				printf -v x "%x" "$i"
				echo >"/dev/udp/10.244.2.$((i % 250 + 2))/9"
				echo >"/dev/udp/fd10:2::$x/9"
			done 2>/dev/null' || true
		equal "packets" "$(count "$a" ipmesh0 tx_packets)" 6000
		equal "IPv4 neighbours, underlay $family" "$(entries 4)" 1
		equal "IPv6 neighbours, underlay $family" "$(entries 6)" 1
		equal "forced collections, underlay $family" "$(forced)" "$before"
		counts "$a" ipmesh0 -- tx_dropped=0
	done
}

# A neighbour that is made for each packet, and thrown away, would not be seen above.
none_for_a_packet() {
	local family made
	path 1400
	meshed 4 none
	ip -n "$a" route replace fd10:2::/64 via ::ffff:172.16.50.2 dev ipmesh0 onlink src fd10:1::1
	# on each CPU the first packet of a route makes one, and that of a learned MTU
	once "$pod" fd10:2::7 -M "do" -s 1400
	trace_ready "trace of neighbours" events/neigh/neigh_create
	trace_event neigh/neigh_create
	for family in 1 2 3 4 5 6 7 8 9 10; do
		ping_of "$a" fd10:2::1
		ping_of "$pod" fd10:2::7
		ping_of "$pod2" fd10:1::7
	done
	# one that is made is seen
	ip -n "$a" neigh add 172.16.40.99 lladdr 02:00:00:00:00:99 dev eth0
	trace_off
	grep -q ' dev eth0 ' "$tracing/trace" || fail "no neighbour in $(<"$tracing/trace")"
	made=$(grep -c ' dev ipmesh0 ' "$tracing/trace" || true)
	[ "$made" -le 20 ] || fail "neighbours made for 90 packets: $made"
}

# What a pod behind the node sends, and a route that a packet too large has changed.
# answered NS ADDRESS: a large request; the first ones teach both ends what the path takes
answered() {
	mesh -n "$1" echo 1 "$2" size 4000 wait 100 >/dev/null 2>&1
}

forwarded() {
	local family i
	for family in 4 6; do
		path 1400
		meshed "$family" none
		for ((i = 0; i < 20; i++)); do
			ip -n "$pod2" addr add "fd10:2::1$i/64" dev eth0 nodad
			ip -n "$b" route add "fd10:2::1$i" via fd10:2::7 dev cali0
			once "$pod" "fd10:2::1$i" -M "do" -s 1400
			ping_of "$pod" "fd10:2::1$i" -s 1000
			ping_of "$a" "fd10:2::1$i" -s 1000
		done
		busywait answered "$pod" fd10:2::7
		ping_of "$pod" fd10:2::7 -s 4000
		busywait answered "$a" fd10:2::7
		ping_of "$a" fd10:2::7 -s 4000
		stream "$pod" "$pod2" fd10:2::7 400000
		equal "IPv6 neighbours, underlay $family" "$(entries 6)" 1
	done
}

# The hooks of postrouting see each packet once, with the device, and may change it.
hooked() {
	nodes
	mesh_nodes 4
	in_ns "$a" nft 'add table ip6 t
		add chain ip6 t post { type filter hook postrouting priority 0; }
		add rule ip6 t post oifname ipmesh0 ip6 daddr fd10:2::/64 counter'
	ping_of "$a" fd10:2::1
	ping_of "$a" fd10:2::1 -s 4000
	contains "what the hook counted" "$(in_ns "$a" nft list table ip6 t)" "packets 6 "
	in_ns "$a" nft 'add rule ip6 t post oifname ipmesh0 ip6 daddr fd10:2::1 drop'
	no_ping_of "$a" "" fd10:2::1
	in_ns "$a" nft 'delete table ip6 t
		add table ip6 n
		add chain ip6 n post { type nat hook postrouting priority 100; }
		add rule ip6 n post oifname ipmesh0 masquerade'
	ip -n "$a" addr add fd10:1::2/128 dev lo
	ping_of "$a" fd10:2::1 -I fd10:1::2
	equal "IPv6 neighbours" "$(entries 6)" 1
}

# A socket keeps its route while the device goes, and another comes.
device_goes() {
	local i
	nodes
	for i in 1 2 3; do
		mesh_nodes 4
		flood "$a" fd10:2::1
		busywait sending
		ip -n "$a" link del ipmesh0
		ip -n "$b" link del ipmesh0
		kill "$flood_pid"
		wait "$flood_pid" || true
	done
}

sending() {
	[ "$(count "$a" ipmesh0 tx_packets)" -gt 3 ]
}

# A neighbour by hand is the one that there is; it may go, and comes again.
by_hand() {
	nodes
	mesh_nodes 4
	ping_of "$a" fd10:2::1
	ip -n "$a" neigh flush dev ipmesh0 nud all
	ping_of "$a" fd10:2::1
	ip -n "$a" route add fd10:3::/64 dev ipmesh0
	silent "$a" fd10:3::1
	equal "IPv6 neighbours" "$(entries 6)" 1
}

run_tests peers pods none_for_a_packet forwarded hooked device_goes by_hand
