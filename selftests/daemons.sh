#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh apply" and the programs that a cluster has already: BIRD, kube-router's tunnels,
# the bridge plug-in of CNI.
#
#     a: 172.16.40.1 eth0 ======== eth0 172.16.40.2 :b
#        10.244.1.0/24                10.244.2.0/24
#
# Proves: routes of others are told all at once; those that lead to the same nodes are
# taken over without a lost packet, by --take-over alone, while their daemon runs and after
# it has gone; others stay, and nothing is half applied. Pods of a bridge are reached
# whichever came first, the bridge or the blackhole of their block.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-doctor.sh"

# pair: b has the overlay, a the underlay alone
pair() {
	setup_ns a b
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
	node "$b" 2 1
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=1
	in_ns "$b" sysctl -qw net.ipv4.ip_forward=1
}

# document: a Device with b, and as many other peers as there are words, each ENDPOINT CIDR
document() {
	cat <<-END
		apiVersion: ipmesh/v1
		kind: Device
		metadata: {name: ipmesh0}
		spec:
		  local: 172.16.40.1
		  address: [10.244.1.1/32]
		  peers:
		  - {endpoint: 172.16.40.2, cidrs: [10.244.2.0/24]}
	END
	while [ $# -gt 0 ]; do
		echo "  - {endpoint: $1, cidrs: [$2]}"
		shift 2
	done
} >"$tmp/mesh.yaml"

apply() {
	in_ns "$a" ipmesh apply -f "$tmp/mesh.yaml" "$@"
}

# bird: BIRD in a, that writes what its stdin says
bird() {
	{
		cat <<-END
			router id 172.16.40.1;
			protocol device { scan time 1; }
			protocol kernel { scan time 1; metric 0; ipv4 { import none; export all; }; }
			protocol static {
				ipv4;
		END
		cat
		echo "}"
	} >"$tmp/bird.conf"
	start "$a" /usr/sbin/bird -f -c "$tmp/bird.conf" -s "$tmp/bird.ctl"
	bird_pid=$pid
}

has_route() {
	[[ $(ip -n "$a" route show "$1") == *"$2"* ]]
}

# As Calico has it: tunl0 with BIRD's routes, and traffic that goes on all the time.
from_bird() {
	command -v bird >/dev/null || skip "BIRD is not installed"
	modprobe ipip
	pair
	ip_batch "$a" <<-END
		link set tunl0 up
		addr add 10.244.1.1/32 dev tunl0
	END
	bird <<-'END'
		route 10.244.2.0/24 via 172.16.40.2%tunl0 onlink;
		route 10.244.3.0/24 via 172.16.40.3%tunl0 onlink;
		route 10.244.1.0/24 blackhole;
	END
	busywait has_route 10.244.3.0/24 "proto bird"
	pings "$b" 10.244.1.1
	document 172.16.40.3 10.244.3.0/24
	# before there is a device
	by_hand "$a" note routes_of_others \
		"tunl0 (10.244.1.1) has 2 routes of bird: 10.244.2.0/24 via 172.16.40.2 dev tunl0"
	contains "by hand" "$(found routes_of_others by_hand)" "apply --take-over"
	# all of them, and a way out
	refused "10.244.2.0/24 via 172.16.40.2 dev tunl0 proto bird" apply
	refused "10.244.3.0/24 via 172.16.40.3 dev tunl0 proto bird" apply
	refused "2 of 2 such routes lead to the same nodes: apply --take-over" apply
	lacks "devices" "$(ip -n "$a" -br link)" ipmesh0
	flood "$b" 10.244.1.1
	apply --take-over >"$tmp/said"
	contains "apply" "$(<"$tmp/said")" "~ route 10.244.2.0/24"
	busywait has_route 10.244.2.0/24 "dev ipmesh0 proto ipmesh"
	# BIRD looks every second, and does not take it back
	for _ in 1 2 3; do
		in_ns "$a" birdc -s "$tmp/bird.ctl" configure >/dev/null
		equal "routes" "$(ip -n "$a" route show 10.244.2.0/24 | wc -l)" 1
	done
	prints "no changes" apply --take-over
	kill "$bird_pid"
	wait "$bird_pid" || true
	has_route 10.244.2.0/24 "dev ipmesh0 proto ipmesh"
	ip -n "$a" link set tunl0 down
	flooded
	counts "$b" ipmesh0 -- rx_dropped=0 tx_dropped=0
}

# One that leads elsewhere is told, and nothing is done to any.
elsewhere_too() {
	local before
	pair
	ip_batch "$a" <<-END
		route add 10.244.2.0/24 via 172.16.40.2 proto bird
		route add 10.244.3.0/24 via 172.16.40.9 proto bird
	END
	document 172.16.40.3 10.244.3.0/24
	before=$(ip -n "$a" route; ip -n "$a" -br link)
	refused "10.244.3.0/24 via 172.16.40.9" apply --take-over
	equal "the host" "$(ip -n "$a" route; ip -n "$a" -br link)" "$before"
	ip -n "$a" route del 10.244.3.0/24
	apply --take-over >/dev/null
	has_route 10.244.2.0/24 "dev ipmesh0 proto ipmesh"
	pings "$b" 10.244.1.1
	pings "$a" 10.244.2.1
}

# A daemon whose routes have a metric, as FRR's: ours would go before them without a word.
behind_ours() {
	local before
	pair
	ip_batch "$a" <<-END
		route add 10.244.2.0/24 via 172.16.40.2 proto zebra metric 20
		route add 10.244.3.0/24 via 172.16.40.9 proto zebra metric 20
		route add 10.244.4.0/24 via 172.16.40.9 metric 20
	END
	document 172.16.40.3 10.244.3.0/24 172.16.40.4 10.244.4.0/24
	before=$(ip -n "$a" route; ip -n "$a" -br link)
	refused "10.244.2.0/24 via 172.16.40.2 dev eth0 proto zebra metric 20" apply
	refused "10.244.3.0/24 via 172.16.40.9 dev eth0 proto zebra metric 20" apply
	refused "1 of 2 such routes leads to the same node: apply --take-over" apply
	refused "10.244.3.0/24 via 172.16.40.9" apply --take-over
	equal "the host" "$(ip -n "$a" route; ip -n "$a" -br link)" "$before"
	ip -n "$a" route del 10.244.3.0/24
	# what leads to the same node stays behind ours, as the daemon keeps it there; what a
	# person has put behind was meant so
	apply --take-over >/dev/null
	prints "no changes" apply
	equal "routes" "$(ip -n "$a" route show 10.244.2.0/24 | sed 's/ nhid [0-9]*//')" \
		"10.244.2.0/24 via 172.16.40.2 dev ipmesh0 proto ipmesh onlink 
10.244.2.0/24 via 172.16.40.2 dev eth0 proto zebra metric 20 "
	pings "$a" 10.244.2.1
	counts "$a" ipmesh0 -- tx_packets=3
	# or all of them stay, and none of ours comes
	apply --routes none >/dev/null
	equal "routes" "$(ip -n "$a" route show proto ipmesh)" ""
	ip -n "$a" route add 10.244.3.0/24 via 172.16.40.9 proto zebra metric 20
	prints "no changes" apply --routes none
}

# IPv6 pods, whose routes have a metric always: one of the same is replaced, one that goes
# before is taken away when ours is there. Over IPv4, and over IPv6, with UDP.
from_daemon6() {
	local metric net peer encap
	for metric in 1024 32; do
		for encap in none udp; do
			setup_ns a b
			wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
			ip -n "$a" addr add fd00::1/64 dev eth0 nodad
			ip -n "$b" addr add fd00::2/64 dev eth0 nodad
			in_ns "$a" sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1
			net=172.16.40.
			[ "$encap" = none ] || net=fd00::
			peer=${net}2
			in_ns "$b" ipmesh link add ipmesh0 local "$peer" encap "$encap" address fd10:2::1/128
			in_ns "$b" ipmesh peer add "${net}1" cidr fd10:1::/64
			# past the tunnel, as for nodes on one subnet
			ip -n "$a" route add fd10:2::/64 via fd00::2 dev eth0 proto bird metric "$metric"
			ip -n "$a" route add fd10:3::/64 via fd00::9 dev eth0 proto bird metric "$metric"
			cat >"$tmp/mesh.yaml" <<-END
				apiVersion: ipmesh/v1
				kind: Device
				metadata: {name: ipmesh0}
				spec:
				  local: "${net}1"
				  encap: $encap
				  address: ["fd10:1::1/128"]
				  peers:
				  - {endpoint: "$peer", cidrs: ["fd10:2::/64"]}
			END
			if [ "$encap" = none ]; then
				# to another address than the endpoint: who knows
				refused "fd10:2::/64 via fd00::2" apply --take-over
				ip -n "$a" route del fd10:2::/64 metric "$metric"
				ip -n "$a" link add tun-2 type dummy
				ip -n "$a" link set tun-2 up
				ip -n "$a" route add fd10:2::/64 via ::ffff:172.16.40.2 dev tun-2 onlink \
					proto bird metric "$metric"
			fi
			refused "1 of 1 such routes leads to the same node" apply
			apply --take-over >/dev/null
			equal "routes" "$(ip -n "$a" -6 route show fd10:2::/64 | grep -c .)" 1
			contains "routes" "$(ip -n "$a" -6 route show fd10:2::/64)" "dev ipmesh0 proto ipmesh"
			contains "routes" "$(ip -n "$a" -6 route show fd10:3::/64)" "dev eth0 proto bird"
			pings "$a" fd10:2::1
			prints "no changes" apply
		done
	done
}

# kube-router: a tunnel of the kernel's for each node, with its route to the device.
from_tunnels() {
	modprobe ipip
	pair
	ip_batch "$a" <<-END
		link add tun-2 type ipip local 172.16.40.1 remote 172.16.40.2
		link set tun-2 up
		addr add 10.244.1.1/32 dev tun-2
		route add 10.244.2.0/24 dev tun-2 src 10.244.1.1 proto 17
	END
	pings "$b" 10.244.1.1
	document
	refused "1 of 1 such routes leads to the same node" apply
	flood "$b" 10.244.1.1
	apply --take-over >/dev/null
	flooded
	has_route 10.244.2.0/24 "dev ipmesh0 proto ipmesh"
}

# cni ADD|DEL NS: the real bridge plug-in, in a
cni() {
	cat >"$tmp/cni.conf" <<-END
		{"cniVersion": "0.4.0", "name": "n", "type": "bridge", "bridge": "cni0",
		 "isGateway": true, "ipMasq": false, "ipam": {"type": "host-local",
		 "ranges": [[{"subnet": "10.244.1.0/24"}]], "dataDir": "$tmp/cni",
		 "routes": [{"dst": "0.0.0.0/0"}]}}
	END
	"$here/mesh" -n "$a" exec env "CNI_COMMAND=$1" "CNI_CONTAINERID=$2" "CNI_NETNS=/run/netns/$2" \
		CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni /usr/lib/cni/bridge <"$tmp/cni.conf"
}

# node_document: a by Calico's names, whose block has a blackhole
node_document() {
	cat <<-END
		apiVersion: v1
		kind: Node
		metadata: {name: a}
		spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}
		status: {addresses: [{type: InternalIP, address: 172.16.40.1}]}
		---
		apiVersion: v1
		kind: Node
		metadata: {name: b}
		spec: {podCIDR: 10.244.2.0/24, podCIDRs: [10.244.2.0/24]}
		status: {addresses: [{type: InternalIP, address: 172.16.40.2}]}
	END
} >"$tmp/nodes.yaml"

bridge_plugin() {
	local order
	[ -x /usr/lib/cni/bridge ] || skip "the bridge plug-in is not installed"
	node_document
	for order in blackhole bridge; do
		pair
		setup_ns pod
		rm -rf "$tmp/cni"
		if [ "$order" = bridge ]; then
			cni ADD "$pod" >/dev/null
			in_ns "$a" ipmesh apply -f "$tmp/nodes.yaml" --node a >/dev/null
		else
			in_ns "$a" ipmesh apply -f "$tmp/nodes.yaml" --node a >/dev/null
			cni ADD "$pod" >/dev/null
		fi
		contains "$order first: routes" "$(ip -n "$a" route show 10.244.1.0/24)" "dev cni0"
		contains "$order first: routes" "$(ip -n "$a" route show 10.244.1.0/24)" "blackhole"
		pings "$pod" 10.244.2.1
		pings "$b" "$(ip -n "$pod" -j addr show eth0 | jq -r '.[0].addr_info[0].local')"
		# and a second run is none
		prints "no changes" in_ns "$a" ipmesh apply -f "$tmp/nodes.yaml" --node a
		look "$a"
		equal "problems" "$(jq .problems "$tmp/found")" 0
		cni DEL "$pod"
	done
}

run_tests from_bird behind_ours from_daemon6 elsewhere_too from_tunnels bridge_plugin
