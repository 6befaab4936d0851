#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The way in: what a node takes, from whom, and what it drops.
#
#     a 172.16.40.1 ======== 172.16.40.2 b     peers of one another
#       10.244.1.0/24                            10.244.2.0/24
#
# Packets are made up at a, with any outer and inner header, and b must take or
# drop them and count each drop by its cause, at the device and, where there is
# one, at the peer. b leaves echo requests alone, which it would answer at some
# later time, so that all it could send is an error about what it drops: nothing.
set -eu
. "$(dirname "$0")/lib.sh"

# raw [KEY VALUE]…: from a as a good peer, unless said otherwise
raw() {
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.40.2 isrc 10.244.1.1 idst 10.244.2.1 "$@"
}

# taken [KEY VALUE]…: it gets in, and is answered
taken() {
	local before
	before=$(count "$b" ipmesh0 rx_packets)
	raw "$@"
	busywait is $((before + 1)) count "$b" ipmesh0 rx_packets
	counts "$b" ipmesh0 -- rx_dropped="$dropped"
}

# dropped_as CAUSE [KEY VALUE]…: not taken, counted so, not answered
dropped=0
dropped_as() {
	local cause=$1 before taken answers
	shift
	before=$(count "$b" ipmesh0 "$cause")
	taken=$(count "$b" ipmesh0 rx_packets)
	answers=$(answers)
	raw "$@"
	busywait is $((before + 1)) count "$b" ipmesh0 "$cause"
	dropped=$((dropped + 1))
	counts "$b" ipmesh0 -- rx_packets="$taken" rx_dropped="$dropped"
	equal "what b sent" "$(answers)" "$answers"
}

# What b has sent, of any kind.
answers() {
	mesh -n "$b" count eth0 tx_packets
}

peers() {
	two_nodes
	quiet
	taken
	taken isrc 10.244.1.255
	taken isrc 172.16.40.1
	counts "$b" ipmesh0 172.16.40.1 -- rx_packets=3 rx_bytes=252
}

# Neighbours are known and no router is sought, so that b sends only answers.
quiet() {
	local ns
	for ns in "$a" "$b"; do
		mesh -n "$ns" exec sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
	done
	pings "$a" 172.16.40.2
	mesh -n "$b" exec sysctl -qw net.ipv4.icmp_echo_ignore_all=1
	ip_batch "$b" <<-END
		neigh replace 172.16.40.1 dev eth0 lladdr $(mac "$a") nud permanent
	END
	ip_batch "$a" <<-END
		neigh replace 172.16.40.2 dev eth0 lladdr $(mac "$b") nud permanent
	END
}

mac() {
	ip -n "$1" -br link show eth0 | {
		read -r _ _ mac _
		echo "$mac"
	}
}

strangers() {
	two_nodes
	quiet
	dropped_as unknown_peer src 172.16.40.9
	dropped_as unknown_peer src 172.16.40.9 isrc 172.16.40.9
	counts "$b" ipmesh0 172.16.40.1 -- unknown_peer=0
	mesh -n "$b" link set ipmesh0 peers open
	taken src 172.16.40.9
	taken src 172.16.40.9 isrc 192.0.2.1
	mesh -n "$b" link set ipmesh0 peers strict
	dropped_as unknown_peer src 172.16.40.9
	# who was a peer is a stranger
	taken
	mesh -n "$b" peer del ipmesh0 172.16.40.1
	dropped_as unknown_peer
	mesh -n "$b" peer new ipmesh0 172.16.40.1
	dropped_as src_not_allowed
}

inner_source() {
	two_nodes
	quiet
	mesh -n "$b" peer new ipmesh0 172.16.40.3 cidr 10.244.3.0/24 cidr 10.244.1.128/25 \
		cidr 10.244.1.7/32
	dropped_as src_not_allowed isrc 192.0.2.1
	dropped_as src_not_allowed isrc 10.244.2.1
	# of another peer, by the longest match
	dropped_as src_not_allowed isrc 10.244.3.1
	dropped_as src_not_allowed isrc 10.244.1.7
	dropped_as src_not_allowed isrc 10.244.1.128
	dropped_as src_not_allowed isrc 10.244.1.1 src 172.16.40.3
	dropped_as src_not_allowed isrc 172.16.40.3
	taken isrc 10.244.1.127
	taken isrc 10.244.1.128 src 172.16.40.3
	taken isrc 10.244.1.7 src 172.16.40.3
	taken isrc 172.16.40.3 src 172.16.40.3
	counts "$b" ipmesh0 172.16.40.1 -- rx_packets=1 src_not_allowed=6
	counts "$b" ipmesh0 172.16.40.3 -- rx_packets=3 src_not_allowed=1
	# an open device asks nobody
	mesh -n "$b" link set ipmesh0 peers open
	taken isrc 192.0.2.1
	taken isrc 10.244.3.1
	mesh -n "$b" link set ipmesh0 peers strict
	# what is moved or removed holds for the next packet
	mesh -n "$b" peer set ipmesh0 172.16.40.1 move cidr 10.244.1.7/32
	taken isrc 10.244.1.7
	mesh -n "$b" peer set ipmesh0 172.16.40.1 remove 10.244.1.0/24
	dropped_as src_not_allowed isrc 10.244.1.1
}

# An open device counts by the endpoint, whoever holds the inner source.
open_counts() {
	two_nodes
	quiet
	mesh -n "$b" link set ipmesh0 peers open
	taken
	taken isrc 192.0.2.1
	taken isrc 172.16.40.1
	counts "$b" ipmesh0 172.16.40.1 -- rx_packets=3
	taken src 172.16.40.9
	taken src 172.16.40.9 isrc 192.0.2.1
	counts "$b" ipmesh0 172.16.40.1 -- rx_packets=3
	mesh -n "$b" peer new ipmesh0 172.16.40.9
	taken src 172.16.40.9
	counts "$b" ipmesh0 172.16.40.1 -- rx_packets=3
	counts "$b" ipmesh0 172.16.40.9 -- rx_packets=1
	mesh -n "$b" peer del ipmesh0 172.16.40.9
	mesh -n "$b" peer del ipmesh0 172.16.40.1
	taken
	taken src 172.16.40.9 isrc 192.0.2.1
}

# Peers come and go, more than share a block of what each CPU keeps of them: each has
# its own counters, and one that is new begins with none.
many() {
	local n
	two_nodes
	quiet
	ip -n "$b" route add 172.16.41.0/24 dev eth0
	for n in $(seq 24); do
		mesh -n "$b" peer new ipmesh0 "172.16.41.$n" cidr "10.41.$n.0/24"
	done
	for n in $(seq 24); do
		taken src "172.16.41.$n" isrc "10.41.$n.1"
	done
	for n in $(seq 2 2 24); do
		mesh -n "$b" peer del ipmesh0 "172.16.41.$n"
		dropped_as unknown_peer src "172.16.41.$n" isrc "10.41.$n.1"
	done
	for n in $(seq 1 2 24); do
		dropped_as src_not_allowed src "172.16.41.$n" isrc "10.41.$((n + 1)).1"
	done
	# these get what the others had, if nobody reads it any more
	for n in $(seq 41 2 80); do
		mesh -n "$b" peer new ipmesh0 "172.16.41.$n" cidr "10.41.$n.0/24"
	done
	for n in $(seq 41 2 80); do
		counts "$b" ipmesh0 "172.16.41.$n" -- rx_packets=0 tx_packets=0 src_not_allowed=0
		taken src "172.16.41.$n" isrc "10.41.$n.1"
		counts "$b" ipmesh0 "172.16.41.$n" -- rx_packets=1
	done
	for n in $(seq 1 2 24); do
		taken src "172.16.41.$n" isrc "10.41.$n.1"
		counts "$b" ipmesh0 "172.16.41.$n" -- rx_packets=2 src_not_allowed=1 tx_packets=0
	done
}

martians() {
	local mode source
	two_nodes
	quiet
	# also where a pod CIDR would hold them
	mesh -n "$b" peer set ipmesh0 172.16.40.1 cidr 0.0.0.0/0
	for mode in strict open; do
		mesh -n "$b" link set ipmesh0 peers "$mode"
		for source in 224.0.0.1 239.255.255.255 127.0.0.1 127.1.2.3 255.255.255.255 \
			0.0.0.0; do
			dropped_as martian isrc "$source"
		done
		taken isrc 10.244.1.1
	done
	counts "$b" ipmesh0 172.16.40.1 -- martian=12
}

malformed() {
	two_nodes
	quiet
	dropped_as rx_invalid version 6
	dropped_as rx_invalid version 5
	dropped_as rx_invalid version 0
	dropped_as rx_invalid ihl 4
	dropped_as rx_invalid ihl 0
	dropped_as rx_invalid ihl 15 totlen 59
	dropped_as rx_invalid totlen 85
	dropped_as rx_invalid totlen 65535
	dropped_as rx_invalid totlen 19
	dropped_as rx_invalid totlen 0
	# the packet ends within its header, or before it
	dropped_as rx_invalid cut 20
	dropped_as rx_invalid cut 83
	counts "$b" ipmesh0 172.16.40.1 -- rx_invalid=12 rx_packets=0
	raw cut 19
	raw cut 0
	# trailing bytes are no fault
	taken totlen 80
	counts "$b" ipmesh0 172.16.40.1 -- rx_packets=1
}

# The whole table of RFC 6040 4.2: OUTER INNER RESULT
ecn() {
	local outer inner result
	two_nodes
	quiet
	while read -r outer inner result; do
		if [ "$result" = drop ]; then
			dropped_as ecn tos "$outer" itos "$inner"
			continue
		fi
		capture "$b" ipmesh0 1
		taken tos "$outer" itos "$inner"
		contains "inner header, from $outer $inner" "$(captured)" "tos 0x0$result"
		contains "inner header, from $outer $inner" "$(captured)" "sum good"
	done <<-END
		0 0 0
		1 0 0
		2 0 0
		3 0 drop
		0 1 1
		1 1 1
		2 1 1
		3 1 3
		0 2 2
		1 2 1
		2 2 2
		3 2 3
		0 3 3
		1 3 3
		2 3 3
		3 3 3
	END
	# the outer DSCP stays outside
	capture "$b" ipmesh0 1
	taken tos 0xb8 itos 0x20
	contains "inner header" "$(captured)" "tos 0x20"
}

outer_destination() {
	two_nodes
	quiet
	dropped_as outer_dst dst 172.16.40.255 dev eth0
	dropped_as outer_dst dst 255.255.255.255 dev eth0
	# reports of the membership come when they like, and are no answers
	in_ns "$b" nft "add table ip q; add chain ip q out { type filter hook output priority 0; }
		add rule ip q out ip protocol igmp drop"
	start "$b" socat -u UDP4-RECV:9,ip-add-membership=239.1.1.1:eth0 /dev/null
	busywait joined 239.1.1.1
	dropped_as outer_dst dst 239.1.1.1 dev eth0
	# another address of b's is good, as long as any is local
	ip -n "$b" addr add 172.16.40.77/32 dev lo
	ip -n "$a" route add 172.16.40.77 via 172.16.40.2
	taken dst 172.16.40.77
	mesh -n "$b" link set ipmesh0 local 172.16.40.2
	taken
	raw dst 172.16.40.77
	taken
	counts "$b" ipmesh0 172.16.40.1 -- rx_packets=3 outer_dst=3
}

joined() {
	case $(ip -n "$b" maddr show dev eth0) in
	*" $1"*) ;;
	*) return 1 ;;
	esac
}

# A device that is bound takes only what comes by its lower device.
bound() {
	two_nodes
	wire "$a" eth1 172.16.60.1/24 "$b" eth1 172.16.60.2/24
	mesh -n "$b" link set ipmesh0 dev eth0
	taken
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.60.2 isrc 10.244.1.1 idst 10.244.2.1
	taken
	counts "$b" ipmesh0 -- rx_packets=2 rx_dropped=0
	mesh -n "$b" link set ipmesh0 dev eth1
	mesh -n "$b" exec sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0
	mesh -n "$a" raw src 172.16.40.1 dst 172.16.60.2 isrc 10.244.1.1 idst 10.244.2.1
	busywait is 3 count "$b" ipmesh0 rx_packets
}

# A device that is down receives nothing, and says so to nobody.
down() {
	two_nodes
	taken
	ip -n "$b" link set ipmesh0 down
	raw
	ip -n "$b" link set ipmesh0 up
	taken
	counts "$b" ipmesh0 -- rx_packets=2 rx_dropped=0
}

last_heard() {
	local ms
	two_nodes
	equal "before any" "$(count "$b" ipmesh0 last_rx_ms 172.16.40.1)" never
	taken
	ms=$(count "$b" ipmesh0 last_rx_ms 172.16.40.1)
	[ "$ms" -lt 60000 ] || fail "heard $ms ms ago"
}

run_tests peers strangers inner_source open_counts many martians malformed ecn outer_destination bound down \
	last_heard
