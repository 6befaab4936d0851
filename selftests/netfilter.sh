#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Who else sees the packets: netfilter, tc, XDP, taps.
#
#     pod 10.244.1.7 ---- a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#         fd10:1::7         ipmesh0                        ipmesh0
#                           10.244.1.1 fd10:1::1           10.244.2.1 fd10:2::1
#
# Proves: streams through MASQUERADE and DNAT are whole and no checksum is wrong,
# for both families outside and inside, bare and in UDP, with offloads and
# without; nftables sees each inner packet once in each hook of the device, and
# each outer one in the hooks of the underlay; a transparent proxy takes
# connections that come by the device; the file that tcpdump writes of it is raw
# IP; tc filters, a queue and a generic XDP program on it.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# --- netfilter -------------------------------------------------------------------------

# The pod behind the node's address, and the other's port 80 behind another.
translated() {
	local family=$1 address=$2 word=ip own=10.244.1.1 other=10.244.9.9 to encap
	nodes
	with_pod
	mesh_nodes "$family"
	case $address in
	*:*) word=ip6 own=fd10:1::1 other=fd10:9::9 to="[$address]:5001" ;;
	*) to=$address:5001 ;;
	esac
	in_ns "$a" nft "add table $word n
		add chain $word n pre { type nat hook prerouting priority -100; }
		add chain $word n post { type nat hook postrouting priority 100; }
		add rule $word n pre $word daddr $other tcp dport 5001 dnat to $to
		add rule $word n post oif ipmesh0 masquerade"
	in_ns "$b" nft "add table $word c
		add chain $word c in { type filter hook input priority 0; }
		add rule $word c in iif ipmesh0 tcp dport 5001 $word saddr != $own drop"
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		stream "$pod" "$b" "$address" 100000
		offload "$a" eth0 tx tso gso off
		offload "$pod" eth0 tx tso gso off
		stream_to "$pod" "$b" "$other"
		offload "$a" eth0 tx tso gso on
		offload "$pod" eth0 tx tso gso on
	done
	no_drops "$a" "$b"
	equal "wrong checksums" "$(bad_checksums "$a") $(bad_checksums "$b")" "0 0"
}

# stream_to NS1 NS2 ADDRESS: the last stream again, to an address that is translated
stream_to() {
	local family=4 target=$3
	case $3 in
	*:*)
		family=6
		target="[$3]" ;;
	esac
	start "$2" socat -u "TCP$family-LISTEN:5001,reuseaddr" "CREATE:$tmp/got"
	busywait listening "$2" 5001
	in_ns "$1" socat -u "FILE:$tmp/sent" "TCP$family:$target:5001" || fail "no stream to $3"
	wait "$pid"
	cmp "$tmp/sent" "$tmp/got"
}

nat() {
	each_pair translated
}

# Which hook sees what.
hooks() {
	local encap outer
	nodes
	with_pod
	mesh_nodes 4
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		outer="ip protocol 4"
		[ "$encap" = none ] || outer="udp dport 5555"
		in_ns "$a" nft "add table ip h
			add chain ip h pre { type filter hook prerouting priority 0; }
			add chain ip h through { type filter hook forward priority 0; }
			add chain ip h post { type filter hook postrouting priority 0; }
			add chain ip h in { type filter hook input priority 0; }
			add chain ip h out { type filter hook output priority 0; }
			add rule ip h pre iif ipmesh0 icmp type echo-reply counter comment \"pre-inner\"
			add rule ip h through oif ipmesh0 icmp type echo-request counter comment \"fwd-request\"
			add rule ip h through iif ipmesh0 icmp type echo-reply counter comment \"fwd-reply\"
			add rule ip h post oif ipmesh0 icmp type echo-request counter comment \"post-inner\"
			add rule ip h in iif eth0 $outer counter comment \"in-outer\"
			add rule ip h out oif eth0 $outer counter comment \"out-outer\"
			add rule ip h post oif eth0 $outer counter comment \"post-outer\"
			add rule ip h through iif eth0 counter comment \"none\"
			add rule ip h in iif ipmesh0 counter comment \"none\"
			add rule ip h out oif ipmesh0 counter comment \"none\""
		ping_of "$pod" 10.244.2.1
		equal "what the hooks saw" "$(in_ns "$a" nft list table ip h |
			sed -nE 's/.*packets ([0-9]+) .*comment "([^"]*)"/\2 \1/p' | sort)" \
			"fwd-reply 3
fwd-request 3
in-outer 3
none 0
none 0
none 0
out-outer 3
post-inner 3
post-outer 3
pre-inner 3"
		in_ns "$a" nft delete table ip h
	done
	# what is dropped there is not for us to count
	in_ns "$a" nft "add table ip h
		add chain ip h in { type filter hook input priority 0; }
		add rule ip h in iif eth0 udp dport 5555 drop"
	ping_fails "$pod" "1 sent, 0 received" 10.244.2.1 wait 300
	counts "$a" ipmesh0 -- tx_packets=7 rx_packets=6 rx_dropped=0
}

# Connections to 10.244.2.0/24 and fd10:2::/64, whoever they are for.
proxied() {
	local family=$1 address=$2 word=ip version=4 target=10.244.2.77
	nodes
	mesh_nodes "$family"
	case $address in
	*:*)
		word=ip6 version=6 target="[fd10:2::77]" ;;
	esac
	in_ns "$b" nft "add table $word t
		add chain $word t pre { type filter hook prerouting priority mangle; }
		add rule $word t pre iif ipmesh0 meta l4proto tcp tproxy to :50080 meta mark set 1"
	ip -n "$b" "-$version" rule add fwmark 1 table 100
	ip -n "$b" "-$version" route add local default dev lo table 100
	start "$b" socat -u "TCP${version}-LISTEN:50080,ip-transparent,reuseaddr" "CREATE:$tmp/got"
	busywait listening "$b" 50080
	seq 100000 >"$tmp/sent"
	in_ns "$a" socat -u "FILE:$tmp/sent" "TCP$version:$target:7" || fail "no proxy for $target"
	wait "$pid" || fail "the proxy for $target ended badly"
	cmp "$tmp/sent" "$tmp/got" || fail "the proxy for $target got something else"
	no_drops "$a" "$b"
}

tproxy() {
	modprobe nft_tproxy 2>/dev/null || skip "this kernel has no nft_tproxy"
	each_pair proxied
}

# --- taps and tc -------------------------------------------------------------------------

# A file of raw IP, both families, whole packets.
raw_ip() {
	local family
	for family in 4 6; do
		nodes
		mesh_nodes "$family"
		start "$a" tcpdump -i ipmesh0 -n -U -w "$tmp/pcap" -c 4 2>"$tmp/err"
		busywait file_has "$tmp/err" "listening on"
		mesh -n "$a" echo 1 10.244.2.1 >/dev/null
		mesh -n "$a" echo 1 fd10:2::1 >/dev/null
		wait "$pid"
		# LINKTYPE_RAW
		equal "link type" "$(od -An -tu4 -j20 -N4 "$tmp/pcap" | tr -d ' ')" 101
		tcpdump -n -t -v -r "$tmp/pcap" >"$tmp/out" 2>/dev/null
		contains "tcpdump" "$(cat "$tmp/out")" "10.244.1.1 > 10.244.2.1: ICMP echo request"
		contains "tcpdump" "$(cat "$tmp/out")" "10.244.2.1 > 10.244.1.1: ICMP echo reply"
		contains "tcpdump" "$(cat "$tmp/out")" "fd10:1::1 > fd10:2::1: [icmp6 sum ok] ICMP6, echo request"
		contains "tcpdump" "$(cat "$tmp/out")" "fd10:2::1 > fd10:1::1: [icmp6 sum ok] ICMP6, echo reply"
		lacks "tcpdump" "$(cat "$tmp/out")" bad
	done
	equal "tshark" "$(tshark -n -r "$tmp/pcap" -T fields -e frame.protocols 2>"$tmp/err" |
		sort | uniq -c | sed 's/^ *//')" $'2 raw:ip:icmp:data\n2 raw:ipv6:icmpv6:data'
}

tc_filters() {
	nodes
	mesh_nodes 4
	ping_of "$a" 10.244.2.1
	in_ns "$a" tc qdisc add dev ipmesh0 clsact ||
		skip "this kernel has no clsact"
	in_ns "$a" tc filter add dev ipmesh0 egress protocol ip u32 \
		match ip dst 10.244.2.9/32 action drop
	in_ns "$a" tc filter add dev ipmesh0 ingress protocol ip u32 \
		match ip protocol 1 0xff action drop
	ping_fails "$a" "1 sent, 0 received" 10.244.2.1 wait 300
	once "$a" 10.244.2.9
	counts "$a" ipmesh0 -- tx_packets=4 rx_packets=4
	counts "$b" ipmesh0 -- rx_packets=4
	contains "egress" "$(in_ns "$a" tc -s filter show dev ipmesh0 egress)" "Sent 84 bytes 1 pkt"
	contains "ingress" "$(in_ns "$a" tc -s filter show dev ipmesh0 ingress)" "Sent 84 bytes 1 pkt"
	ping_of "$a" fd10:2::1
	in_ns "$a" tc qdisc del dev ipmesh0 clsact
	# a queue of its own
	in_ns "$a" tc qdisc add dev ipmesh0 root pfifo limit 100
	ping_of "$a" 10.244.2.1
	stream "$a" "$b" 10.244.2.1 300000
	no_drops "$a" "$b"
}

# Of each packet that comes by the device the program sees one, and what it drops
# has been received.  The counts are exact where nothing but echoes has been yet: of
# a stream something may come late.
with_xdp() {
	local family=$1 address=$2 encap before
	nodes
	mesh_nodes "$family"
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		in_ns "$b" xdp ipmesh0 pass
		ping_of "$a" "$address"
		equal "packets that the program saw" "$(in_ns "$b" xdp ipmesh0 count)" 3
		in_ns "$b" xdp ipmesh0 drop
		before=$(count "$b" ipmesh0 rx_packets)
		once "$a" "$address"
		busywait is 1 in_ns "$b" xdp ipmesh0 count
		in_ns "$b" xdp ipmesh0 off
		ping_of "$a" "$address"
		counts "$b" ipmesh0 -- rx_packets="$((before + 1 + 3))"
	done
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		in_ns "$b" xdp ipmesh0 pass
		stream "$a" "$b" "$address" 100000
		in_ns "$b" xdp ipmesh0 off
	done
	no_drops "$a" "$b"
}

xdp_generic() {
	sysctl -qw kernel.bpf_stats_enabled=1
	each_pair with_xdp
}

run_tests nat hooks tproxy raw_ip tc_filters xdp_generic
