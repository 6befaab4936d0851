#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's own ipip as the other end, and bulk traffic.
#
#     a 172.16.40.1 eth0 ======== eth0 172.16.40.2 b
#       ipmesh0 10.244.1.1                 10.244.2.1 tunl0, an ipip device or
#                                                     ipmesh0
#
# Proves: a node with tunl0, set up as Calico does, is a valid other end in both
# directions, for ping and for TCP; segments pass whole out of ipmesh0 and are
# merged on their way in; both ends count the same packets and bytes; it works
# with offloads off as well.
set -eu
. "$(dirname "$0")/lib.sh"

# other_end NS: what b has instead of ipmesh0
tunl0() {
	modprobe ipip
	ip_batch "$b" <<-END
		link set tunl0 up mtu 1480
		addr add 10.244.2.1/32 dev tunl0
		route add 10.244.1.0/24 via 172.16.40.1 dev tunl0 onlink src 10.244.2.1
	END
}

with_ipip() {
	setup_ns a b
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
	node "$a" 1 2
	"$@"
}

# transfer FROM TO ADDRESS BYTES: TCP from FROM to iperf3 at ADDRESS in TO
transfer() {
	: >"$tmp/iperf"
	# many segments at once, however slow the CPU is
	in_ns "$1" sysctl -qw net.ipv4.tcp_min_tso_segs=8
	start "$2" iperf3 -s -1 --forceflush >"$tmp/iperf" 2>&1
	busywait file_has "$tmp/iperf" "listening on"
	in_ns "$1" iperf3 -c "$3" -n "$4" -J >"$tmp/json" 2>&1 || fail "iperf3: $(cat "$tmp/json")"
	wait "$pid" || fail "iperf3 -s: $(cat "$tmp/iperf")"
	# with -n the receiver may stop before it has read the last of it
	[ "$(jq .end.sum_sent.bytes "$tmp/json")" -ge $((${4%M} * 1000000)) ] ||
		fail "sent too little: $(jq -c .end.sum_sent "$tmp/json")"
}

# whole NS: eth0 has sent packets larger than a segment, on average
whole() {
	local packets bytes
	packets=$(count "$1" eth0 tx_packets)
	bytes=$(count "$1" eth0 tx_bytes)
	[ $((bytes / packets)) -gt 2000 ] ||
		fail "eth0 has sent $bytes bytes in $packets packets: no GSO"
}

# single NS DEV: it has sent no such packet
single() {
	local packets bytes
	packets=$(count "$1" "$2" tx_packets)
	bytes=$(count "$1" "$2" tx_bytes)
	[ "$bytes" -gt 1000000 ] || fail "$2 has sent $bytes bytes only"
	[ $((bytes / packets)) -le 1514 ] ||
		fail "$2 has sent $bytes bytes in $packets packets: they are not segments"
}

ping_tunl0() {
	with_ipip tunl0
	pings "$a" 10.244.2.1
	pings "$b" 10.244.1.1
	counts "$a" ipmesh0 172.16.40.2 -- tx_packets=6 rx_packets=6 tx_bytes=504 rx_bytes=504
	counts "$b" tunl0 -- tx_packets=6 rx_packets=6 tx_bytes=504 rx_bytes=504
}

# A tunnel with both addresses set.
ping_ipip() {
	with_ipip modprobe ipip
	ip_batch "$b" <<-END
		link add tun0 type ipip local 172.16.40.2 remote 172.16.40.1
		link set tun0 up
		addr add 10.244.2.1/32 dev tun0
		route add 10.244.1.0/24 dev tun0 src 10.244.2.1
	END
	pings "$a" 10.244.2.1
	pings "$b" 10.244.1.1
	counts "$a" ipmesh0 172.16.40.2 -- tx_packets=6 rx_packets=6
	counts "$b" tun0 -- tx_packets=6 rx_packets=6
}

tcp_to_tunl0() {
	with_ipip tunl0
	in_ns "$b" ethtool -K eth0 gro on
	transfer "$a" "$b" 10.244.2.1 20M
	whole "$a"
	counts "$a" ipmesh0 -- tx_dropped=0 rx_dropped=0
}

tcp_from_tunl0() {
	with_ipip tunl0
	in_ns "$a" ethtool -K eth0 gro on
	transfer "$b" "$a" 10.244.1.1 20M
	whole "$b"
	counts "$a" ipmesh0 -- tx_dropped=0 rx_dropped=0
}

# equal_counters: what one has sent the other has received, when the last of a stream
# has come
equal_counters() {
	busywait counters_equal || fail "$(both_counters)"
	counts "$b" ipmesh0 -- rx_dropped=0 tx_dropped=0
	counts "$a" ipmesh0 -- rx_dropped=0 tx_dropped=0
}

counters_equal() {
	local here there
	both_counters >"$tmp/counters"
	while read -r _ here there; do
		[ "$here" = "$there" ] || return 1
	done <"$tmp/counters"
}

# both_counters: of the devices and of the peers, "NAME OF-A OF-B"
both_counters() {
	local key
	for key in packets bytes; do
		echo "a-to-b-$key $(count "$a" ipmesh0 tx_"$key") $(count "$b" ipmesh0 rx_"$key")"
		echo "b-to-a-$key $(count "$a" ipmesh0 rx_"$key") $(count "$b" ipmesh0 tx_"$key")"
		echo "peer-a-to-b-$key $(count "$a" ipmesh0 tx_"$key" 172.16.40.2)" \
			"$(count "$b" ipmesh0 rx_"$key" 172.16.40.1)"
		echo "peer-b-to-a-$key $(count "$a" ipmesh0 rx_"$key" 172.16.40.2)" \
			"$(count "$b" ipmesh0 tx_"$key" 172.16.40.1)"
	done
}

tcp_with_offloads() {
	two_nodes
	in_ns "$b" ethtool -K eth0 gro on
	in_ns "$a" ethtool -K eth0 gro on
	transfer "$a" "$b" 10.244.2.1 20M
	whole "$a"
	equal_counters
	# which count each segment of what went whole
	single "$a" ipmesh0
}

# Segments that come one by one are merged: the tap behind sees large packets.
received_merged() {
	local most
	two_nodes
	in_ns "$a" ethtool -K eth0 tso off gso off
	# by the device itself, where the underlay's does not
	in_ns "$b" ethtool -K eth0 gro off
	capture "$b" ipmesh0 200 6
	transfer "$a" "$b" 10.244.2.1 10M
	equal_counters
	most=$(captured | awk '/^in/ { for (i = 1; i < NF; i++) if ($i == "len" && $(i + 1) > m) m = $(i + 1) }
		END { print m + 0 }')
	[ "$most" -gt 1480 ] || fail "nothing larger than $most came behind the tunnel: no GRO"
	single "$a" eth0
}

tcp_without_offloads() {
	two_nodes
	in_ns "$a" ethtool -K ipmesh0 tso off gso off gro off tx off sg off
	in_ns "$b" ethtool -K ipmesh0 tso off gso off gro off tx off sg off
	transfer "$a" "$b" 10.244.2.1 4M
	transfer "$b" "$a" 10.244.1.1 4M
	equal_counters
}

# Datagrams in one buffer, larger than a packet, without DF.
udp_segments() {
	local max
	two_nodes
	# all of it, should the receiver not run meanwhile
	for max in rmem_max wmem_max; do
		defer "sysctl -qw net.core.$max=$(sysctl -n net.core."$max")"
		sysctl -qw net.core."$max"=8000000
	done
	: >"$tmp/iperf"
	start "$b" iperf3 -s -1 --forceflush >"$tmp/iperf" 2>&1
	busywait file_has "$tmp/iperf" "listening on"
	in_ns "$a" iperf3 -u -c 10.244.2.1 -n 400K -l 8000 -b 20M -w 4M -J >"$tmp/json" 2>&1 ||
		fail "iperf3: $(cat "$tmp/json")"
	wait "$pid"
	# a warning of iperf3 may stand ahead
	equal "lost datagrams" "$(sed -n '/^{/,$p' "$tmp/json" | jq .end.sum.lost_packets)" 0
	equal_counters
}

run_tests ping_tunl0 ping_ipip tcp_to_tunl0 tcp_from_tunl0 tcp_with_offloads received_merged \
	tcp_without_offloads udp_segments
