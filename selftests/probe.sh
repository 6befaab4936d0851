#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh probe": asks a peer.
#
#     a: 172.16.40.1 eth0 ======== eth0 172.16.40.2 :b
#        10.244.1.0/24 ipmesh0        ipmesh0 10.244.2.0/24
#
# Proves: a peer is found by endpoint, name and pod address; what is told of the
# underlay, the tunnel, the path MTU, IP in IP and UDP is so, by one fault at a
# time; nothing of the kernel's state is changed; status 1 says that the peer
# does not answer.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"
. "$(dirname "$0")/lib-user.sh"

# probe STATUS WORD…: as JSON in $tmp/got
probe() {
	local status=$1 rc=0
	shift
	in_ns "$a" ipmesh -j probe "$@" timeout 300 >"$tmp/got" 2>&1 || rc=$?
	equal "status of probe $*: $(<"$tmp/got")" "$rc" "$status"
}

got() {
	jq -r "$1" "$tmp/got"
}

# says FILTER VALUE
says() {
	equal "$1 of $(<"$tmp/got")" "$(got "$1")" "$2"
}

# state: what is not the kernel's own doing
state() {
	ip -n "$a" -4 route show table all
	ip -n "$a" -4 addr
	ip -n "$a" nexthop
	mesh -n "$a" link get ipmesh0
	mesh -n "$a" peer list ipmesh0
	in_ns "$a" nft list ruleset
}

start_nodes() {
	two_nodes
	# every refusal is told
	in_ns "$b" sysctl -qw net.ipv4.icmp_ratelimit=0
	mesh -n "$a" peer set ipmesh0 172.16.40.2 name node-b
}

answers() {
	local who before
	start_nodes
	ip -n "$b" addr add 10.244.2.9/32 dev ipmesh0
	before=$(state)
	for who in 172.16.40.2 node-b 10.244.2.1; do
		probe 0 "$who"
		says .endpoint 172.16.40.2
		says .name node-b
		says .to 10.244.2.1
		says .from 10.244.1.1
		says .underlay.result answered
		says '"\(.received) of \(.sent)"' "3 of 3"
		says .path_mtu 1480
		says .black_hole false
		says .ip.result answered
		# b listens to UDP only when it sends by it
		says .udp.result error
		contains "udp" "$(got .udp.error)" "port unreachable, says 172.16.40.2"
		says .reachable true
	done
	probe 0 10.244.2.9 count 1
	says .to 10.244.2.9
	says .sent 1
	probe 0 node-b dev ipmesh0 to 10.244.2.9
	says .to 10.244.2.9
	equal "state" "$(state)" "$before"
	# text has the same
	in_ns "$a" ipmesh probe node-b >"$tmp/got"
	contains "text" "$(<"$tmp/got")" "peer 172.16.40.2 node-b of ipmesh0, to 10.244.2.1"
	contains "text" "$(<"$tmp/got")" "tunnel      3 of 3 answered"
	contains "text" "$(<"$tmp/got")" "path MTU    1480 (ipmesh0 has 1480)"
	contains "text" "$(<"$tmp/got")" "protocol 4  passes"
	refused "no peer \"nobody\"" in_ns "$a" ipmesh probe nobody
	refused "no peer \"10.99.0.1\"" in_ns "$a" ipmesh probe 10.99.0.1
}

# Without any route of its own: the device finds the peer.
no_route() {
	start_nodes
	ip -n "$a" route del 10.244.2.0/24
	probe 0 172.16.40.2
	says .received 3
}

# One that is down, one that does not know us, one that drops.
silence() {
	start_nodes
	ip -n "$b" link set ipmesh0 down
	probe 1 172.16.40.2 count 1
	says .underlay.result answered
	says .received 0
	says .path_mtu null
	says .reachable false
	in_ns "$a" ipmesh probe 172.16.40.2 count 1 timeout 200 >"$tmp/text" 2>&1 || true
	contains "text" "$(<"$tmp/text")" "0 of 1 answered"
	contains "text" "$(<"$tmp/text")" "the host has no tunnel that takes this"
	ip -n "$b" link set eth0 down
	probe 1 172.16.40.2 count 1
	says .underlay.result silent
}

# A firewall on the way that drops protocol 4, and lets UDP pass.
protocol_4() {
	start_nodes
	in_ns "$b" nft 'table ip t { chain in { type filter hook input priority 0; ip protocol 4 drop; }; }'
	in_ns "$b" ipmesh link set ipmesh0 encap udp
	probe 1 172.16.40.2 count 1
	says .ip.result silent
	# b answers by UDP, which a does not receive
	in_ns "$a" ipmesh link set ipmesh0 encap udp
	probe 0 172.16.40.2 count 1
	says .ip.result silent
	says .udp.result answered
	says .path_mtu 1472
	in_ns "$a" ipmesh link set ipmesh0 encap none
	in_ns "$b" ipmesh link set ipmesh0 encap none
	in_ns "$a" ipmesh probe 172.16.40.2 count 1 timeout 300 >"$tmp/text" 2>&1 || true
	contains "text" "$(<"$tmp/text")" "encap udp on both devices would work"
	# refused with a word
	in_ns "$b" nft 'flush ruleset'
	in_ns "$b" nft 'table ip t { chain in { type filter hook input priority 0; ip protocol 4 reject with icmp type admin-prohibited; }; }'
	probe 1 172.16.40.2 count 1
	contains "ip" "$(got .ip.error)" "administratively prohibited, says 172.16.40.2"
	# by this host itself
	in_ns "$b" nft 'flush ruleset'
	in_ns "$a" nft 'table ip t { chain out { type filter hook output priority 0; ip protocol 4 drop; }; }'
	probe 1 172.16.40.2 count 1
	contains "ip" "$(got .ip.error)" "refused by this host's own firewall"
}

# The path is narrower than the underlay's device tells.
path_mtu() {
	path 1400
	meshed 4 none
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=1
	probe 0 172.16.50.2 to 10.244.2.1
	says .path_mtu 1380
	says .black_hole false
	# nobody tells
	no_mesh
	ip -n "$a" route flush cache
	meshed 4 none
	in_ns "$r" nft 'table ip t { chain out { type filter hook output priority 0; ip protocol icmp drop; }; }'
	probe 0 172.16.50.2 to 10.244.2.1
	says .path_mtu 1380
	says .black_hole true
}

# All families inside and outside.
families() {
	carried() {
		local family=$1 address=$2
		nodes
		mesh_nodes "$family"
		probe 0 "$address"
		says .to "$address"
		says .endpoint "$(underlay "$family" 2)"
		says .received 3
		says .ip.result answered
		[ "$(got .path_mtu)" -ge 1460 ] || fail "path MTU: $(got .path_mtu)"
		no_mesh
	}
	each_pair carried
}

# As a pod of this node: forwarded, with large segments, and who drops it.
as_pod() {
	modprobe tun
	start_nodes
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=1
	ip -n "$b" route replace 10.244.1.0/24 via 172.16.40.1 dev ipmesh0 onlink
	# nothing tells which block is this node's
	probe 0 172.16.40.2 count 1
	says .pod null
	says .forward null
	ip -n "$a" route add blackhole 10.244.1.0/26 metric 4294967295
	probe 0 172.16.40.2 count 1
	says .pod 10.244.1.62
	says .forward.result answered
	says .segments answered
	says '.drops | length' 0
	# what somebody has is not taken
	setup_ns pod
	ip link add cali1 netns "$a" up type veth peer eth0 netns "$pod"
	ip -n "$a" route add 10.244.1.62 dev cali1
	probe 0 172.16.40.2 count 1
	says .pod 10.244.1.61
	# the host is answered, pods are not
	in_ns "$a" iptables-nft -P FORWARD DROP
	probe 1 172.16.40.2 count 1
	says .reachable true
	says .forward.result silent
	says .segments null
	says '.drops[0] | "\(.family) \(.table) \(.chain) \(.hook) \(.handle) \(.rule)"' \
		"ip filter FORWARD forward null null"
	says '.drops[0] | "\(.from) \(.to) \(.protocol)"' "10.244.1.61 10.244.2.1 1"
	in_ns "$a" ipmesh probe 172.16.40.2 count 1 timeout 300 >"$tmp/text" 2>&1 || true
	contains "text" "$(<"$tmp/text")" "as a pod    no answer"
	contains "text" "$(<"$tmp/text")" \
		"dropped     ip filter FORWARD, forward drops 10.244.1.61 > 10.244.2.1: its policy is drop"
	in_ns "$a" iptables-nft -P FORWARD ACCEPT
	# answers alone
	in_ns "$a" iptables-nft -A FORWARD -i ipmesh0 -j DROP
	probe 1 172.16.40.2 count 1
	says '.drops[0] | "\(.chain) \(.from) \(.to)"' "FORWARD 10.244.2.1 10.244.1.61"
	in_ns "$a" iptables-nft -F
	# a card that cuts segments wrongly: what it made of them arrives nowhere
	in_ns "$b" nft 'table ip t { chain in { type filter hook input priority 0; ip protocol tcp meta length > 1000 drop; }; }'
	probe 1 172.16.40.2 count 1
	says .forward.result answered
	says .segments lost
	in_ns "$b" nft 'flush ruleset; table ip t { chain in { type filter hook input priority 0; ip protocol tcp drop; }; }'
	probe 0 172.16.40.2 count 1
	says .segments silent
	# a bridge of pods tells the block, too
	in_ns "$b" nft 'flush ruleset'
	ip_batch "$a" <<-END
		route del blackhole 10.244.1.0/26
		link add cni0 type bridge
		addr add 10.244.1.254/25 dev cni0
		link set cni0 up
	END
	probe 0 172.16.40.2 count 1
	says .pod 10.244.1.253
}

# In a namespace whose root is nobody else's.
user_owned() {
	local links
	modprobe tun
	container
	a=$pod
	setup_ns b
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
	node "$a" 1 2
	node "$b" 2 1
	ip -n "$b" route replace 10.244.1.0/24 via 172.16.40.1 dev ipmesh0 onlink
	by root sysctl -qw net.ipv4.ip_forward=1
	links=$(ip -n "$a" -o link | wc -l)
	ip -n "$a" route add blackhole 10.244.1.0/26 metric 4294967295
	by root ipmesh -j probe 172.16.40.2 count 1 timeout 300 >"$tmp/got"
	says .reachable true
	says .forward.result answered
	by root nft -f - <<-END
		table inet t {
			chain way { type filter hook forward priority 0; oifname "ipmesh0" drop; }
		}
	END
	by root ipmesh -j doctor --probe --root "$tmp" >"$tmp/got" || true
	contains "doctor" "$(got '.findings[].what')" "inet t way"
	by root ipmesh -j probe 172.16.40.2 count 1 timeout 300 >"$tmp/got" || true
	says '.drops[0] | "\(.family) \(.table) \(.chain)"' "inet t way"
	# and by one who may nothing
	by nobody ipmesh -j probe 172.16.40.2 count 1 timeout 300 >"$tmp/got" 2>&1 || true
	equal "links" "$(ip -n "$a" -o link | wc -l)" "$links"
	lacks "tables" "$(by root nft list tables)" ipmesh-trace
}

run_tests answers no_route silence protocol_4 path_mtu families as_pod user_owned
