#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Outer packets and connection tracking: the attribute notrack.
#
#     a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#       ipmesh0                        ipmesh0
#       10.244.1.1 fd10:1::1           10.244.2.1 fd10:2::1
#
# Proves, where both nodes track connections: with notrack no outer packet makes a
# connection, of either family, bare or in UDP, cut or not, and rules see each one as
# "untracked", while the inner ones are tracked; without it, and switched off again,
# all are tracked; on an open device only those of peers go untracked; what is another
# device's, or is forwarded, is tracked, and what a rule has marked stays so; an ICMP
# error about an outer packet is not invalid; in a VRF.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# rules NS: from stdin
rules() {
	cat >"$tmp/rules"
	in_ns "$1" nft -f "$tmp/rules"
}

# watched NS…: connections are tracked there, and the states of packets are counted
watched() {
	local ns
	for ns; do
		rules "$ns" <<-'END'
			table inet w {
				counter in_untracked { }
				counter in_tracked { }
				counter out_untracked { }
				counter out_tracked { }
				counter inner { }
				chain in {
					type filter hook input priority 0;
					iifname "ipmesh*" ct state new,established counter name inner
					iifname != "eth*" return
					meta l4proto != { 4, 17, 41 } return
					ct state untracked counter name in_untracked
					ct state new,established counter name in_tracked
				}
				chain out {
					type filter hook output priority 0;
					oifname != "eth*" return
					meta l4proto != { 4, 17, 41 } return
					ct state untracked counter name out_untracked
					ct state new,established counter name out_tracked
				}
			}
		END
	done
}

# states NS KEY=N…: what was counted since the last time; what is not named is 0
states() {
	local ns=$1 got key want=''
	shift
	got=$(in_ns "$ns" nft reset counters |
		awk '/counter/ { name = $2 } /packets/ { print name "=" $2 }' | sort)
	for key in in_tracked in_untracked inner out_tracked out_untracked; do
		[[ " $* " =~ \ $key=([0-9]+)\  ]] || BASH_REMATCH=('' 0)
		want+=$key=${BASH_REMATCH[1]}$'\n'
	done
	equal "states" "$got"$'\n' "$want"
}

# connections NS: of outer packets
connections() {
	# shellcheck disable=SC2016 # what awk expands
	in_ns "$1" awk '($4 == 4 || $4 == 17 || $4 == 41) &&
		/ src=(172.16|fd00:)/ { n++ } END { print n + 0 }' /proc/net/nf_conntrack
}

notrack() {
	local word=$1 ns
	shift
	for ns; do
		mesh -n "$ns" link set ipmesh0 notrack "$word"
	done
}

# untracked ADDRESS, tracked ADDRESS: three there and back
untracked() {
	ping_of "$a" "$1"
	states "$a" in_untracked=3 out_untracked=3 inner=3
	states "$b" in_untracked=3 out_untracked=3 inner=3
}

tracked() {
	ping_of "$a" "$1"
	states "$a" in_tracked=3 out_tracked=3 inner=3
	states "$b" in_tracked=3 out_tracked=3 inner=3
}

of_pair() {
	local family=$1 address=$2 encap
	for encap in none udp; do
		nodes
		mesh_nodes "$family" notrack on
		encap "$a" "$encap"
		encap "$b" "$encap"
		watched "$a" "$b"
		untracked "$address"
		equal "connections" "$(connections "$a") $(connections "$b")" "0 0"
		notrack off "$a" "$b"
		tracked "$address"
		# the source port of the answers is another one's
		if [ "$encap" = none ]; then
			equal "connections" "$(connections "$a") $(connections "$b")" "1 1"
		else
			equal "connections" "$(connections "$a") $(connections "$b")" "2 2"
		fi
		notrack on "$a" "$b"
		untracked "$address"
		# one node alone
		notrack off "$b"
		ping_of "$a" "$address"
		states "$a" in_untracked=3 out_untracked=3 inner=3
		states "$b" in_tracked=3 out_tracked=3 inner=3
		no_drops "$a" "$b"
	done
}

each_pair_of() {
	each_pair of_pair
}

# A device without an address of its own takes what is for any of the host's.
any_address() {
	local encap
	nodes
	mesh_nodes 4 local 0.0.0.0 notrack on
	watched "$a" "$b"
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		untracked 10.244.2.1
		untracked fd10:2::1
	done
}

# What b gets of a, as long as a is no peer of the open device there, and then. In IPv4
# it answers: to a gateway.
strangers() {
	local family=$1 address=$2 remote encap
	remote=$(underlay "$family" 1)
	for encap in none udp; do
		nodes
		mesh_nodes "$family" peers open notrack on
		encap "$a" "$encap"
		encap "$b" "$encap"
		mesh -n "$b" peer del ipmesh0 "$remote"
		watched "$a" "$b"
		if [ "$family $address" = "4 10.244.2.1" ]; then
			ip -n "$b" route replace 10.244.1.0/24 via "$remote" dev ipmesh0 onlink \
				src 10.244.2.1
			ping_of "$a" "$address"
			states "$a" in_untracked=3 out_untracked=3 inner=3
			states "$b" in_tracked=3 out_tracked=3 inner=3
			counts "$b" ipmesh0 -- rx_packets=3
		else
			once "$a" "$address"
			busywait is 1 count "$b" ipmesh0 rx_packets
			states "$a" out_untracked=1
			states "$b" in_tracked=1 inner=1
		fi
		mesh -n "$b" peer new ipmesh0 "$remote" cidr 10.244.1.0/24 cidr fd10:1::/64
		untracked "$address"
	done
}

open_device() {
	each_pair strangers
}

# A strict device has no packets but its peers'; what it drops needs no connection either.
strict_device() {
	local encap
	nodes
	mesh_nodes 4 notrack on
	watched "$b"
	mesh -n "$b" peer del ipmesh0 172.16.40.1
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		once "$a" 10.244.2.1
		busywait seen in_untracked=1
		states "$b" in_untracked=1
	done
	counts "$b" ipmesh0 -- rx_packets=0 unknown_peer=2
}

# seen KEY=N: so far
seen() {
	in_ns "$b" nft list counters |
		awk '/counter/ { name = $2 } /packets/ { print name "=" $2 }' | grep -qx "$1"
}

# UDP to the same address, but to no port of ours: to one that is like it in its last bits,
# and to another.
of_others() {
	local family=$1 outer=(ip4 src=172.16.40.1 dst=172.16.40.2) port
	[ "$family" = 4 ] || outer=(ip6 src=fd00::1 dst=fd00::2)
	nodes
	mesh_nodes "$family" notrack on
	encap "$b" udp
	watched "$b"
	for port in $((5555 + 64)) 9; do
		in_ns "$a" packet send eth0 02:00:00:00:00:02 "${outer[@]}" \
			udp sport=7 dport="$port" sum=good data size=10
		busywait seen in_tracked=1
		states "$b" in_tracked=1
	done
}

other_port() {
	of_others 4
	of_others 6
}

# b's other device has none of it, whichever is first, and has it to the end.
two_devices() {
	local i
	nodes
	mesh_nodes 4
	watched "$a" "$b"
	ip -n "$b" addr add 172.16.40.3/32 dev eth0
	mesh -n "$b" link add ipmesh1 local 172.16.40.3
	mesh -n "$b" peer new ipmesh1 172.16.40.1 cidr 10.244.1.0/24
	ip_batch "$b" <<-END
		link set ipmesh1 up
		addr add 10.245.2.1/32 dev ipmesh1
		rule add from 10.245.2.1 table 7
		route add 10.244.1.0/24 dev ipmesh1 table 7
	END
	mesh -n "$a" peer new ipmesh0 172.16.40.3 cidr 10.245.2.0/24
	ip -n "$a" route add 10.245.2.0/24 dev ipmesh0 src 10.244.1.1
	for i in on off; do
		mesh -n "$b" link set ipmesh0 notrack "$i"
		mesh -n "$b" link set ipmesh1 notrack on
		ping_of "$a" 10.245.2.1
		states "$b" in_untracked=3 out_untracked=3 inner=3
		mesh -n "$b" link set ipmesh1 notrack off
		ping_of "$a" 10.245.2.1
		states "$b" in_tracked=3 out_tracked=3 inner=3
		ping_of "$a" 10.244.2.1
		if [ "$i" = on ]; then
			states "$b" in_untracked=3 out_untracked=3 inner=3
		else
			states "$b" in_tracked=3 out_tracked=3 inner=3
		fi
	done
	# one goes, the other has what it had
	mesh -n "$b" link set ipmesh0 notrack on
	mesh -n "$b" link set ipmesh1 notrack on
	ip -n "$b" link del ipmesh0
	ping_of "$a" 10.245.2.1
	states "$b" in_untracked=3 out_untracked=3 inner=3
	# a port that is another's: nothing of the request is done
	start "$b" socat -u UDP-RECVFROM:6000 /dev/null
	busywait port_taken
	refused "Another program holds " mesh -n "$b" link set ipmesh1 encap udp \
		dport 6000 notrack off
	ping_of "$a" 10.245.2.1
	states "$b" in_untracked=3 out_untracked=3 inner=3
	mesh -n "$b" link set ipmesh1 notrack off
	refused "Another program holds " mesh -n "$b" link set ipmesh1 encap udp \
		dport 6000 notrack on
	ping_of "$a" 10.245.2.1
	states "$b" in_tracked=3 out_tracked=3 inner=3
	mesh -n "$b" link set ipmesh1 notrack on
	ping_of "$a" 10.245.2.1
	states "$b" in_untracked=3 out_untracked=3 inner=3
}

port_taken() {
	[ -n "$(in_ns "$b" ss -Hlun "sport = 6000")" ]
}

# r has devices that would take what is for any address of r's.
forwarded() {
	local encap
	path 1500
	mesh -n "$r" link add ipmesh0 notrack on
	mesh -n "$r" link add ipmesh1 local fd00::9 notrack on
	ip -n "$r" link set ipmesh0 up
	ip -n "$r" link set ipmesh1 up
	rules "$r" <<-'END'
		table inet w {
			counter untracked { }
			counter tracked { }
			chain through {
				type filter hook forward priority 0;
				ct state untracked counter name untracked
				ct state new,established counter name tracked
			}
		}
	END
	meshed 4 none notrack on
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		encap "$r" "$encap"
		ping_of "$a" 10.244.2.1
		equal "states" "$(in_ns "$r" nft reset counters |
			awk '/counter/ { name = $2 } /packets/ { print name "=" $2 }')" \
			$'untracked=0\ntracked=6'
	done
}

# What is too large goes in fragments, which come together before they are looked at.
fragments() {
	local family=$1 address=$2 encap
	[[ $address != *:* ]] || return 0
	for encap in none udp; do
		nodes
		mesh_nodes "$family" notrack on pmtudisc off
		encap "$a" "$encap"
		encap "$b" "$encap"
		watched "$a" "$b"
		ip_batch "$a" <<-END
			route add 172.16.40.2 dev eth0 mtu 1300
			route add fd00::2 dev eth0 mtu 1300
		END
		ping_of "$a" "$address" -s 1350 -M dont
		states "$a" in_untracked=3 out_untracked=3 inner=3
		states "$b" in_untracked=3 out_untracked=3 inner=3
		equal "packets that were cut" "$(ip_count "$a" 18 Ip6FragOKs)" 3
		equal "connections" "$(connections "$a") $(connections "$b")" "0 0"
	done
}

in_fragments() {
	each_pair fragments
}

# What a firewall thinks of the news that the way is narrower: not invalid.
errors() {
	local family encap mtu way
	for family in 4 6; do
		for encap in none udp; do
			path 1400
			meshed "$family" "$encap" notrack on
			rules "$a" <<-'END'
				table inet w {
					chain in {
						type filter hook input priority 0;
						ct state invalid counter drop comment "invalid"
						iifname != "eth0" return
						ct state untracked icmp type destination-unreachable counter comment "untracked"
						ct state untracked icmpv6 type packet-too-big counter comment "untracked"
					}
				}
			END
			mtu=$((1400 - 20 * (1 + (family == 6)) - 8 * (${#encap} == 3)))
			once "$a" 10.244.2.1 -M "do" -s 1420
			once "$a" 10.244.2.1 -M "do" -s 1420
			contains "route" "$(in_ns "$a" ip route get 10.244.2.1)" " mtu $mtu"
			way=$(in_ns "$a" nft list table inet w |
				sed -nE 's/.*packets ([1-9][0-9]*) .*comment "([^"]*)".*/\2 \1/p')
			equal "what a firewall saw" "$way" "untracked 1"
			ping_of "$a" 10.244.2.1
		done
	done
}

# A rule's own word is heard first: a zone is a connection's, though it has none yet.
own_rules() {
	nodes
	mesh_nodes 4 notrack on
	watched "$a" "$b"
	in_ns "$b" nft "add table inet z
		add chain inet z pre { type filter hook prerouting priority -310; }
		add rule inet z pre ip protocol 4 ct zone set 7"
	ping_of "$a" 10.244.2.1
	states "$a" in_untracked=3 out_untracked=3 inner=3
	states "$b" in_tracked=3 out_untracked=3 inner=3
	in_ns "$b" nft "add rule inet z pre ip protocol 41 notrack"
	untracked fd10:2::1
}

# The underlay in a VRF: what arrives is looked at before it is the VRF's. What is sent
# meets the hooks of output twice, and the VRF takes the mark off in between.
vrfs() {
	local family=$1 address=$2 encap dev
	nodes
	mesh_nodes "$family" notrack on
	ip_batch "$b" <<-END
		link add eth9 type vrf table 10
		link set eth9 up
		link set eth0 master eth9
	END
	ip -n "$b" addr replace fd00::2/64 dev eth0 nodad
	in_ns "$b" sysctl -qw net.ipv4.udp_l3mdev_accept=1
	watched "$b"
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		for dev in eth9 eth0; do
			mesh -n "$b" link set ipmesh0 dev "$dev"
			ping_of "$a" "$address"
			states "$b" in_untracked=3 out_untracked=3 out_tracked=3 inner=3
		done
	done
	ip -n "$b" link set eth0 nomaster
	ip -n "$b" link del eth9
}

vrf() {
	modprobe vrf 2>/dev/null || skip "this kernel has no vrf"
	each_pair vrfs
}

run_tests each_pair_of any_address open_device strict_device other_port two_devices forwarded in_fragments errors \
	own_rules vrf
