#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Drops, and who tells of them.
#
#     a: 172.16.40.1 fd00::1 eth0 ------ eth0 172.16.40.2 fd00::2 :b
#        ipmesh0, and a packet socket         ipmesh0
#
# Proves: so many packets of each cause are so many in netlink, in ethtool -S, in
# "ipmesh show", of the device and of the peer, and in the sums of ip -s link; the
# tracepoints tell of each packet its device, endpoint, cause and length; the
# kernel's own tracepoint of freed packets has its nearest reason.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"
. "$(dirname "$0")/lib-trace.sh"

o4="ip4 src=172.16.40.1 dst=172.16.40.2"
i4="ip4 src=10.244.1.1 dst=10.244.2.1"

# received: one to b for each cause that b can have, and the like
rx_causes="ecn=2 martian=3 nested=1 rx_invalid=4 src_not_allowed=5 unknown_peer=1"

receive_all() {
	local i packets=()
	for i in 1 2; do
		packets+=("$o4 tos=3 $i4 echo type=0")
	done
	for i in 1 2 3; do
		packets+=("$o4 ip4 src=127.0.0.$i dst=10.244.2.1 echo type=0")
	done
	packets+=("$o4 $o4 $o4 $o4 $o4 $i4 echo type=0")
	for i in 0 3 5 7; do
		packets+=("$o4 $i4 version=$i echo type=0")
	done
	for i in 1 2 3 4 5; do
		packets+=("$o4 ip4 src=10.244.9.$i dst=10.244.2.1 echo type=0")
	done
	packets+=("ip4 src=172.16.40.9 dst=172.16.40.2 $i4 echo type=0")
	# shellcheck disable=SC2046
	in_ns "$a" packet send eth0 02:00:00:00:00:02 $(printf '%s , ' "${packets[@]}")
	busywait is 16 count "$b" ipmesh0 rx_dropped
}

# sent: by a, from a pod where the sender has to be another
tx_causes="loop=1 no_peer=2 no_route=1 too_big=3"

send_all() {
	ip -n "$a" route add 172.16.40.2 dev ipmesh0
	once "$a" 10.244.2.1
	ip -n "$a" route replace unreachable 172.16.40.2
	once "$a" 10.244.2.1
	ip -n "$a" route del unreachable 172.16.40.2
	ip -n "$a" route add 10.244.3.0/24 dev ipmesh0
	once "$a" 10.244.3.1
	once "$a" 10.244.3.1
	ip -n "$a" route add 172.16.40.2 dev eth0 mtu 1000
	mesh -n "$a" link set ipmesh0 mtu_auto off
	for _ in 1 2 3; do
		ip -n "$a" route flush cache
		in_ns "$pod" packet send eth0 02:00:00:00:00:08 \
			ip4 src=10.244.1.7 dst=10.244.2.1 df=1 echo size=1200
	done
	busywait is 7 count "$a" ipmesh0 tx_dropped
}

# causes that are not zero, of netlink, of ethtool and of the tool
by_netlink() {
	local cause n
	for cause in $all; do
		n=$(count "$1" ipmesh0 "$cause" "${@:2}")
		[ "$n" = 0 ] || echo "$cause=$n"
	done
}

by_ethtool() {
	in_ns "$1" ethtool -S ipmesh0 | sed -n 's/^ *\([a-z_]*\): \([1-9][0-9]*\)$/\1=\2/p' | sort
}

by_tool() {
	in_ns "$1" ipmesh -j show ipmesh0 |
		jq -r ".[0]${2:-}.drops | to_entries[] | select(.value > 0) | \"\(.key)=\(.value)\"" | sort
}

told() {
	local all wanted peer
	watched_nodes
	all=$(in_ns "$a" ethtool -S ipmesh0 | sed -n 's/^ *\([a-z_]*\): .*/\1/p' | sort)
	equal "causes" "$(wc -w <<<"$all")" 17
	receive_all
	wanted=$(tr ' ' '\n' <<<"$rx_causes")
	equal "netlink" "$(by_netlink "$b")" "$wanted"
	equal "ethtool" "$(by_ethtool "$b")" "$wanted"
	equal "tool" "$(by_tool "$b")" "$wanted"
	peer=$(grep -v unknown_peer <<<"$wanted")
	equal "netlink, the peer" "$(by_netlink "$b" 172.16.40.1)" "$peer"
	equal "tool, the peer" "$(by_tool "$b" .peers[0])" "$peer"
	equal "ip -s" "$(ip -n "$b" -j -s link show ipmesh0 | jq '.[0].stats64.rx.dropped')" 16
	contains "text" "$(in_ns "$b" ipmesh show -s)" \
		"drops: unknown_peer 1, rx_invalid 4, martian 3, src_not_allowed 5, ecn 2, nested 1"

	send_all
	wanted=$(tr ' ' '\n' <<<"$tx_causes")
	equal "netlink" "$(by_netlink "$a")" "$wanted"
	equal "ethtool" "$(by_ethtool "$a")" "$wanted"
	equal "tool" "$(by_tool "$a")" "$wanted"
	peer=$(grep -v no_peer <<<"$wanted")
	equal "netlink, the peer" "$(by_netlink "$a" 172.16.40.2)" "$peer"
	equal "tool, the peer" "$(by_tool "$a" .peers[0])" "$peer"
	equal "ip -s" "$(ip -n "$a" -j -s link show ipmesh0 | jq '.[0].stats64.tx.dropped')" 7
}

# the nodes and a pod, told of every ICMP error
watched_nodes() {
	nodes
	with_pod
	mesh_nodes 4
	in_ns "$a" sysctl -qw net.ipv4.icmp_ratelimit=0
}

# --- tracepoints -----------------------------------------------------------------------

# traced EVENT…: from now on; trace prints what there was
traced() {
	local event
	trace_ready "tracepoints for modules" events/ipmesh
	for event; do
		trace_event "$event"
	done
}

# traces N TEXT: so many lines have it, as an event comes after its count
traces() {
	[ "$(grep -c -e "$2" "$tracing/trace")" -ge "$1" ]
}

trace() {
	echo 0 >"$tracing/events/enable"
	sed -n "s/^.* $1: //p" "$tracing/trace" | sort | uniq -c | sed 's/^ *//'
	trace_clear
}

tracepoints() {
	local traced
	watched_nodes
	traced ipmesh
	ping_of "$a" 10.244.2.1
	equal "sent" "$(trace ipmesh_xmit)" "3 dev=ipmesh0 endpoint=::ffff:172.16.40.1 len=84
3 dev=ipmesh0 endpoint=::ffff:172.16.40.2 len=84"
	traced ipmesh
	ping_of "$a" 10.244.2.1 -s 100
	equal "received" "$(trace ipmesh_rcv)" "3 dev=ipmesh0 endpoint=::ffff:172.16.40.1 len=128
3 dev=ipmesh0 endpoint=::ffff:172.16.40.2 len=128"
	traced ipmesh
	receive_all
	busywait traces 16 "ipmesh_drop: "
	traced=$(trace ipmesh_drop)
	equal "dropped" "$(grep -v 'cause=nested' <<<"$traced")" \
"2 dev=ipmesh0 endpoint=::ffff:172.16.40.1 cause=ecn len=84
3 dev=ipmesh0 endpoint=::ffff:172.16.40.1 cause=martian len=84
4 dev=ipmesh0 endpoint=::ffff:172.16.40.1 cause=rx_invalid len=84
5 dev=ipmesh0 endpoint=::ffff:172.16.40.1 cause=src_not_allowed len=84
1 dev=ipmesh0 endpoint=::ffff:172.16.40.9 cause=unknown_peer len=84"
	contains "dropped" "$traced" "1 dev=ipmesh0 endpoint=::ffff:172.16.40.1 cause=nested len=164"
}

# freed REASON: packets in $traced
freed() {
	awk -v reason="reason: $1" 'index($0, reason) { n += $1 } END { print n + 0 }' <<<"$traced"
}

# The reasons that the kernel has, where it has them.
reasons() {
	local traced
	watched_nodes
	trace_ready "reasons of drops" events/skb/kfree_skb/format
	grep -qs IP_INHDR "$tracing/events/skb/kfree_skb/format" ||
		skip "this kernel has no reasons of drops"
	traced skb/kfree_skb
	receive_all
	busywait traces 4 "reason: IP_INHDR"
	traced=$(trace kfree_skb)
	equal "rx_invalid" "$(freed IP_INHDR)" 4
	traced skb/kfree_skb
	send_all
	busywait traces 3 "reason: PKT_TOO_BIG"
	traced=$(trace kfree_skb)
	equal "no_peer, no_route" "$(freed IP_OUTNOROUTES)" 3
	equal "too_big" "$(freed PKT_TOO_BIG)" 3
}

run_tests told tracepoints reasons
