#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a request does to packets of others, and what packets see of one half done.
#
#     a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#       ipmesh0                        ipmesh0
#       10.244.1.1 fd10:1::1           10.244.2.1 fd10:2::1
#
# Proves, for both families outside and inside: peers that come, go and change leave the
# cached routes to all others alone, and so does a request that changes nothing, or
# nothing that routes depend on; a peer's own encapsulation and the device's mark do not.
# While packets are sent, a pod CIDR that is new, or taken from a peer without UDP, leads
# to its peer by UDP from the first packet; a packet by UDP goes the way that the routes
# have for UDP, however often the peer changes; a request that is refused sends none.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"
. "$(dirname "$0")/lib-trace.sh"

# --- cached routes ---------------------------------------------------------------------

# traced: look-ups of routes for outer packets that are sent
traced() {
	local event
	trace_ready "trace of look-ups" events/fib/fib_table_lookup events/fib6/fib6_table_lookup
	for event in fib/fib_table_lookup fib6/fib6_table_lookup; do
		trace_event "$event" 'proto == 4 || proto == 41 || proto == 17'
	done
}

# look_ups COMMAND…: for one packet and its answer on one CPU, after the command, as each
# has a cached route of its own; in $n. What is received is looked up with the index of a
# device, what is sent with that of lo.
look_ups() {
	"$@"
	trace_clear
	in_ns "$a" taskset 1 mesh echo 1 "$address" >/dev/null || fail "no answer after $*"
	n=$(grep -c ' iif 1 proto ' "$tracing/trace" || true)
}

# The kernel has more to do with a new link, after which it looks up all routes again.
settled() {
	operational "$a" eth0 && operational "$b" eth0 || return 1
	look_ups true
	look_ups true
	[ "$n" -eq 0 ]
}

# keeps COMMAND…
keeps() {
	local n
	# what went before may have left something to look up
	busywait settled
	look_ups "$@"
	[ "$n" -eq 0 ] || sed 's/^/# /' "$tracing/trace"
	equal "look-ups after $*" "$n" 0
}

# looks COMMAND…
looks() {
	local n
	look_ups "$@"
	[ "$n" -gt 0 ] || fail "no look-up after $*"
}

kept() {
	local family=$1 address=$2 n p peer third i
	nodes
	# what a device's MTU changes is looked up again: it stays the same
	mesh_nodes "$family" mtu 1400
	# it receives both
	mesh -n "$b" peer new ipmesh0 "$(underlay "$family" 3)" encap udp
	traced
	p=(mesh -n "$a" peer)
	peer=$(underlay "$family" 2) third=$(underlay "$family" 3)
	busywait settled
	for i in 4 5 6; do
		keeps "${p[@]}" new ipmesh0 "$(underlay "$family" "$i")" cidr "10.244.$i.0/24" \
			cidr "fd10:$i::/64"
	done
	keeps "${p[@]}" new ipmesh0 "$third" encap udp dport 7777 cidr 10.244.3.0/24
	keeps "${p[@]}" set ipmesh0 "$third" encap none cidr fd10:3::/64
	keeps "${p[@]}" set ipmesh0 "$third" move cidr 10.244.4.0/24
	keeps "${p[@]}" set ipmesh0 "$peer" name b
	keeps "${p[@]}" set ipmesh0 "$peer" cidr 10.9.0.0/16
	keeps "${p[@]}" set ipmesh0 "$peer" encap device dport 0
	keeps "${p[@]}" replace ipmesh0 "$peer" name c cidr 10.244.2.0/24 cidr fd10:2::/64
	keeps refused "holds this pod CIDR" "${p[@]}" set ipmesh0 "$third" cidr 10.244.2.0/24
	keeps "${p[@]}" del ipmesh0 "$third"
	# a link that is set is no matter of ours alone: the kernel tells of it, and its IPv4
	# forgets the routes of the namespace
	if [ "$family" = 6 ]; then
		keeps mesh -n "$a" link set ipmesh0 local fd00::1 fwmark 0 encap none
		keeps mesh -n "$a" link set ipmesh0 ttl 9 max_peers 7
	fi
	looks mesh -n "$a" link set ipmesh0 fwmark 7
	looks "${p[@]}" set ipmesh0 "$peer" encap udp
	keeps "${p[@]}" set ipmesh0 "$peer" encap udp
	looks "${p[@]}" set ipmesh0 "$peer" encap device
}

routes_are_kept() {
	each_pair kept
}

# --- half done -------------------------------------------------------------------------

# sending: to behind the peers that are made from now on
sending() {
	local inner i
	case $1 in
	*:*) inner=fd10:9::1 cidrs=(cidr fd10:9::/64) ;;
	*) inner=10.244.9.1 cidrs=(cidr 10.244.9.0/24) ;;
	esac
	# so that a request takes its time
	for ((i = 0; i < 1000; i++)); do
		cidrs+=(cidr "10.250.$((i / 4)).$((i % 4 * 64))/26")
	done
	ip -n "$a" route add "$inner" dev ipmesh0
	start "$a" bash -c "while :; do echo >/dev/udp/$inner/9; done 2>/dev/null"
	busywait goes_up "$a" ipmesh0 no_peer
}

# goes_up NS DEV COUNTER
goes_up() {
	local before
	before=$(count "$@")
	busywait more_than "$before" "$@"
}

more_than() {
	[ "$(count "${@:2}")" -gt "$1" ]
}

# counted: outer packets of a to node 9, bare and in UDP
counted() {
	local ip=ip
	[ "$family" = 4 ] || ip=ip6
	in_ns "$a" nft "add table inet seen; add counter inet seen of_bare;
		add counter inet seen of_udp;
		add chain inet seen out { type filter hook output priority 0; };
		add rule inet seen out $ip daddr $ninth meta l4proto { 4, 41 } counter name of_bare;
		add rule inet seen out $ip daddr $ninth meta l4proto udp counter name of_udp"
}

# seen bare|udp
seen() {
	in_ns "$a" nft list counter inet seen "of_$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

seen_more() {
	[ "$(seen "$1")" -gt "$2" ]
}

# more bare|udp: packets of that kind are sent
more() {
	busywait seen_more "$1" "$(seen "$1")"
}

# peer WORD…: with more words than the helper's server takes, on the first CPU
peer() {
	taskset 1 "$here/mesh" -n "$a" peer "$@"
}

sending_nodes() {
	nodes
	mesh_nodes "$family"
	ninth=$(underlay "$family" 9)
	# no router, and nobody to ask for: what is sent ends here
	ip -n "$a" neigh add "$ninth" dev eth0 lladdr 02:00:00:00:00:09
	no_limit "$a"
	counted
	sending "$1"
}

no_limit() {
	in_ns "$1" sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
}

by_udp_from_the_first() {
	local family=$1 cidrs ninth before i
	sending_nodes "$2"
	# a timer hands on what has been sent, also in the midst of a request on its CPU
	modprobe -q sch_netem || skip "this kernel has no netem"
	in_ns "$a" tc qdisc add dev ipmesh0 root netem rate 500kbit limit 10000
	taskset -p 1 "$pid" >/dev/null
	for i in 1 2 3; do
		before=$(seen udp)
		peer new ipmesh0 "$ninth" encap udp "${cidrs[@]}"
		busywait seen_more udp "$before"
		peer del ipmesh0 "$ninth"
		# from a peer without
		peer new ipmesh0 "$(underlay "$family" 8)" "${cidrs[@]}"
		before=$(seen udp)
		peer new ipmesh0 "$ninth" encap udp move "${cidrs[@]}"
		busywait seen_more udp "$before"
		peer del ipmesh0 "$ninth"
		peer del ipmesh0 "$(underlay "$family" 8)"
		# to one that had none
		peer new ipmesh0 "$ninth" cidr 10.249.0.0/24
		before=$(seen udp)
		peer set ipmesh0 "$ninth" encap udp "${cidrs[@]}"
		busywait seen_more udp "$before"
		peer del ipmesh0 "$ninth"
	done
	equal "packets without UDP" "$(seen bare)" 0
}

complete() {
	each_pair by_udp_from_the_first
}

by_its_own_route() {
	local family=$1 cidrs ninth ip i
	sending_nodes "$2"
	ip=(ip -n "$a")
	[ "$family" = 4 ] || ip+=(-6)
	"${ip[@]}" rule add to "$ninth" ipproto udp blackhole
	peer new ipmesh0 "$ninth" "${cidrs[@]}"
	more bare
	for ((i = 0; i < 8; i++)); do
		mesh -n "$a" peer set ipmesh0 "$ninth" encap udp
		mesh -n "$a" peer set ipmesh0 "$ninth" encap none
		more bare
	done
	mesh -n "$a" peer set ipmesh0 "$ninth" encap udp
	busywait goes_up "$a" ipmesh0 no_route
	equal "packets by UDP" "$(seen udp)" 0
}

way_of_the_protocol() {
	each_pair by_its_own_route
}

# A route that was cached when a peer's versions had this number before, and none since.
same_version() {
	local family=$1 address=$2 peer ip i
	nodes
	mesh_nodes "$family" mtu 1400
	peer=$(underlay "$family" 2)
	ip=(ip -n "$a")
	[ "$family" = 4 ] || ip+=(-6)
	"${ip[@]}" rule add to "$peer" ipproto udp blackhole
	in_ns "$a" taskset 1 mesh echo 1 "$address" >/dev/null || fail "no answer"
	for ((i = 1; i < 64; i++)); do
		mesh -n "$a" peer set ipmesh0 "$peer" encap udp dport "$i"
	done
	# the 64th change
	mesh -n "$a" peer set ipmesh0 "$peer" dport 5555
	in_ns "$a" taskset 1 mesh echo 1 "$address" wait 0 >/dev/null 2>&1 || true
	counts "$a" ipmesh0 "$peer" -- tx_packets=1 no_route=1
}

versions_begin_again() {
	each_pair same_version
}

# The gateway of a route names the peer: its endpoint leads where its pod CIDRs do.
by_gateway() {
	local family=4 address
	nodes
	mesh_nodes 4
	mesh -n "$b" peer new ipmesh0 172.16.40.3 encap udp
	ip_batch "$a" <<-END
		route replace fd10:2::/64 via ::ffff:172.16.40.2 dev ipmesh0 onlink src fd10:1::1
		route add 10.9.9.0/24 via 172.16.40.2 dev ipmesh0 onlink src 10.244.1.1
	END
	for address in fd10:2::1 10.9.9.9; do
		peer_encap "$a" 2 udp
		watch "$b" eth0 1 "> 5555"
		once "$a" "$address"
		contains "outer header" "$(watched)" "172.16.40.1 > 172.16.40.2"
		peer_encap "$a" 2 none
		watch "$b" eth0 1 "$address"
		once "$a" "$address"
		lacks "outer header" "$(watched)" "| udp "
	done
}

nothing_sent() {
	local family=$1 cidrs ninth i dropped
	sending_nodes "$2"
	peer new ipmesh0 "$ninth" cidr 10.249.0.0/24
	for i in 1 2 3; do
		refused "names this pod CIDR twice" peer set ipmesh0 "$ninth" "${cidrs[@]}" "${cidrs[@]:2:2}"
		refused "names this pod CIDR twice" peer new ipmesh0 "$(underlay "$family" 8)" \
			"${cidrs[@]}" "${cidrs[@]:2:2}"
	done
	goes_up "$a" ipmesh0 no_peer
	equal "packets" "$(seen bare)" 0
	counts "$a" ipmesh0 "$ninth" -- tx_packets=0
	# one that holds it leads to its peer all the time
	peer set ipmesh0 "$(underlay "$family" 2)" cidr 10.244.8.0/22 cidr fd10:8::/30
	dropped=$(count "$a" ipmesh0 no_peer)
	for i in 1 2 3; do
		refused "names this pod CIDR twice" peer set ipmesh0 "$ninth" "${cidrs[@]}" "${cidrs[@]:2:2}"
	done
	counts "$a" ipmesh0 -- no_peer="$dropped" tx_dropped="$dropped"
	equal "peers" "$(mesh -n "$a" peer list ipmesh0 | wc -l)" 2
}

refused_as_a_whole() {
	each_pair nothing_sent
}

run_tests routes_are_kept complete way_of_the_protocol versions_begin_again by_gateway \
	refused_as_a_whole
