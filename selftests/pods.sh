#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A pod speaks for itself alone: not for its node, and not for another one.
#
#     pod 10.244.1.7 fd10:1::7 eth0 -- cali0 a 172.16.40.1 fd00::1 eth0 ---- eth0 .2 b
#                                            172.16.41.1 fd00:41::1 eth1 ---- eth1 .2
#
# Proves: with a peer's address as outer source a pod is not believed by its own node,
# whatever rp_filter is, bare and in UDP, in a VRF too; a peer that comes by another
# device than answers leave by is, if there is a route back by that device, of whatever
# metric, or one of several equal ways, or in a VRF, inside another tunnel, or from this
# host itself; "rpf off" and an open device do not ask; routes are followed. What
# apply writes keeps a pod's own tunnel packets from becoming this host's by natOutgoing or
# by any other translation, and from leaving with another node's address; tunnels inside
# the overlay pass; ports are followed, what was taken away is put back, and all of it
# goes again.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# second_link: eth1 on both
second_link() {
	link_nodes "$a" eth1 1 "$b" eth1 2 1500 41
	ip -n "$a" addr add fe80::1/64 dev eth1 nodad
	ip -n "$b" addr add fe80::2/64 dev eth1 nodad
}

# layer SRC DST: of IP, for packet send
layer() {
	case $1 in
	*:*) echo "ip6 src=$1 dst=$2" ;;
	*) echo "ip4 src=$1 dst=$2" ;;
	esac
}

# tunnelled NS DEV MAC OUTER_SRC OUTER_DST INNER_SRC INNER_DST: an answer that nobody
# asked for, which is silent, in what carries the tunnel by $encap
tunnelled() {
	local ns=$1 dev=$2 mac=$3 outer inner udp='' type=0
	outer=$(layer "$4" "$5")
	inner=$(layer "$6" "$7")
	[ "$encap" = none ] || udp="udp sum=good"
	case $6 in
	*:*) type=129 ;;
	esac
	# shellcheck disable=SC2086
	in_ns "$ns" packet send "$dev" "$mac" $outer $udp $inner echo "type=$type"
}

# inner FAMILY_OF N: the address of node N in the overlay, of the family of an address
inner() {
	case $1 in
	*:*) echo "fd10:$2::1" ;;
	*) echo "10.244.$2.1" ;;
	esac
}

# received NS N [WRONG]: so many packets from the peer 2, so many refused for their device
received() {
	counts "$1" ipmesh0 "$(underlay "$family" 2)" -- rx_packets="$2" wrong_dev="${3:-0}"
	counts "$1" ipmesh0 -- rx_packets="$2" rx_dropped="${3:-0}"
}

rp_filter() {
	local ns=$1 n=$2 dev
	shift 2
	for dev in all "$@"; do
		in_ns "$ns" sysctl -qw "net.ipv4.conf.$dev.rp_filter=$n"
	done
}

# --- the own node ----------------------------------------------------------------------

# as_peer: the pod says that it is b
as_peer() {
	tunnelled "$pod" eth0 02:00:00:00:00:08 "$(underlay "$family" 2)" \
		"$(underlay "$family" 1)" "$1" "$(inner "$1" 1)"
}

own_node_of() {
	local family=$1 address=$2 own filter wrong encap
	own=$(inner "$address" 1)
	for encap in none udp; do
		nodes
		mesh_nodes "$family" encap "$encap"
		with_pod
		wrong=0
		for filter in 0 1 2; do
			rp_filter "$a" "$filter" cali0
			as_peer "$address"
			# the peer's own address as well
			as_peer "$(underlay "$family" 2)"
			# what the kernel itself has dropped
			[ "$family$filter" = 41 ] || wrong=$((wrong + 2))
			busywait is "$wrong" count "$a" ipmesh0 wrong_dev
		done
		# the same by the underlay, and it has not opened the door
		tunnelled "$b" eth0 02:00:00:00:00:01 "$(underlay "$family" 2)" \
			"$(underlay "$family" 1)" "$address" "$own"
		busywait is 1 count "$a" ipmesh0 rx_packets
		as_peer "$address"
		busywait is $((wrong + 1)) count "$a" ipmesh0 wrong_dev
		received "$a" 1 $((wrong + 1))
		ping_of "$a" "$address"
		received "$a" 4 $((wrong + 1))
		contains "ethtool -S" "$(in_ns "$a" ethtool -S ipmesh0)" "wrong_dev: $((wrong + 1))"
		no_drops "$b"
		# without the question they would have been taken
		mesh -n "$a" link set ipmesh0 rpf off
		as_peer "$address"
		busywait is 5 count "$a" ipmesh0 rx_packets
	done
}

own_node() {
	each_pair own_node_of
}

# A pod's device in the VRF of the underlay.
own_vrf_of() {
	local family=$1 address=$2 own encap
	own=$(inner "$address" 1)
	nodes
	with_pod
	ip_batch "$a" <<-END
		link add under type vrf table 10
		link set under up
		link set eth0 master under
		link set cali0 master under
		addr replace fd00::1/64 dev eth0 nodad
	END
	mesh_nodes "$family"
	mesh -n "$a" link set ipmesh0 dev under
	in_ns "$a" sysctl -qw net.ipv4.udp_l3mdev_accept=1
	rp_filter "$a" 2 cali0 under
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		ping_of "$a" "$address"
		as_peer "$address"
	done
	busywait is 2 count "$a" ipmesh0 wrong_dev
	received "$a" 6 2
	ip_batch "$a" <<-END
		link set eth0 nomaster
		link set cali0 nomaster
		link del under
	END
}

own_vrf() {
	modprobe vrf 2>/dev/null || skip "this kernel has no vrf"
	each_pair own_vrf_of
}

# --- underlays that are not symmetric ------------------------------------------------------

# The answers of b come by eth1, where a has no route to b, then one.
asymmetric_of() {
	local family=$1 address=$2 net via other encap n=0 wrong=0
	nodes
	second_link
	mesh_nodes "$family"
	rp_filter "$a" 2 eth0 eth1
	case $family in
	4)	net=172.16.40.0/24 via=172.16.41.2 other=172.16.41.1 ;;
	6)	net=fd00::/64 via=fd00:41::2 other=fd00:41::1 ;;
	esac
	ip -n "$b" route add "$(underlay "$family" 1)" via "$other" dev eth1
	# each CPU remembers for itself
	one_cpu
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		refused_now
		# not to ask is a choice
		mesh -n "$a" link set ipmesh0 rpf off
		taken
		mesh -n "$a" link set ipmesh0 rpf on
		refused_now
		# a way back that is not the best one
		ip -n "$a" route add "$net" via "$via" dev eth1 metric 20000
		taken
		ip -n "$a" route del "$net" via "$via" dev eth1 metric 20000
		refused_again
		# nor is one for all the world
		ip -n "$a" route add default via "$via" dev eth1
		taken
		ip -n "$a" route del default via "$via" dev eth1
	done
	received "$a" "$n" "$wrong"
	counts "$b" ipmesh0 -- rx_dropped=0
}

taken() {
	ping_of "$a" "$address"
	n=$((n + 3))
	received "$a" "$n" "$wrong"
}

refused_now() {
	silent "$a" "$address"
	wrong=$((wrong + 1))
	busywait is "$wrong" count "$a" ipmesh0 wrong_dev
	received "$a" "$n" "$wrong"
}

# The kernel does not count removals of IPv6 routes, so that time must pass there.
refused_again() {
	if [ "$family" = 4 ]; then
		refused_now
		return
	fi
	busywait refused_some
	wrong=$(count "$a" ipmesh0 wrong_dev)
	n=$(count "$a" ipmesh0 rx_packets)
}

refused_some() {
	once "$a" "$address"
	[ "$(count "$a" ipmesh0 wrong_dev)" -gt "$wrong" ]
}

asymmetric() {
	each_pair asymmetric_of
}

# equal_ways_of ROUTES: b's other address is behind both links
equal_ways_of() {
	local family=$1 address=$2 own encap=none far one two
	own=$(inner "$address" 1)
	nodes
	second_link
	with_pod
	mesh_nodes "$family"
	case $family in
	4)	far=172.16.99.2 one=172.16.40.2 two=172.16.41.2 ;;
	6)	far=fd00:99::2 one=fd00::2 two=fd00:41::2 ;;
	esac
	mesh -n "$a" peer new ipmesh0 "$far"
	mesh -n "$a" peer set ipmesh0 "$far" cidr 10.244.2.0/24 cidr fd10:2::/64 move
	rp_filter "$a" 2 eth0 eth1 cali0
	ip -n "$a" route add "$far" nexthop via "$one" dev eth0 nexthop via "$two" dev eth1
	by_both 1
	ip -n "$a" route del "$far"
	ip_batch "$a" <<-END
		nexthop add id 1 via $one dev eth0
		nexthop add id 2 via $two dev eth1
		nexthop add id 3 group 1/2
		route add $far nhid 3
	END
	by_both 3
	counts "$a" ipmesh0 "$far" -- wrong_dev=2
}

# by_both N: the Nth and the next packet by a link each, and one of the pod's
by_both() {
	tunnelled "$b" eth0 02:00:00:00:00:01 "$far" "$(underlay "$family" 1)" "$address" "$own"
	busywait is "$1" count "$a" ipmesh0 rx_packets
	tunnelled "$pod" eth0 02:00:00:00:00:08 "$far" "$(underlay "$family" 1)" "$address" "$own"
	tunnelled "$b" eth1 02:00:00:00:00:01 "$far" "$(underlay "$family" 1)" "$address" "$own"
	busywait is $(($1 + 1)) count "$a" ipmesh0 rx_packets
}

equal_ways() {
	each_pair equal_ways_of
}

# A rule sees the outer source that an answer would have, which is where this came to.
rules() {
	local family=4 encap=none
	nodes
	second_link
	mesh_nodes 4
	rp_filter "$a" 0 eth0 eth1
	mesh -n "$a" link set ipmesh0 local 0.0.0.0
	tunnelled "$b" eth1 02:00:00:00:00:01 172.16.40.2 172.16.41.1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 wrong_dev
	ip -n "$a" route add 172.16.40.0/24 via 172.16.41.2 dev eth1 table 41
	ip -n "$a" rule add from 172.16.41.1 table 41
	tunnelled "$b" eth1 02:00:00:00:00:01 172.16.40.2 172.16.41.1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 rx_packets
	# what is never to be sent to is nowhere
	ip -n "$a" route add blackhole 172.16.40.2
	tunnelled "$b" eth0 02:00:00:00:00:01 172.16.40.2 172.16.40.1 10.244.2.1 10.244.1.1
	busywait is 2 count "$a" ipmesh0 wrong_dev
	received "$a" 1 2
	ip -n "$a" route del blackhole 172.16.40.2
}

# The mark is what rules see, too: a change of it is one of the way. IPv6 has no other
# sign of it than the device's.
settings_of() {
	local family=$1 net=172.16.40.0/24 via=172.16.41.2 encap=none i
	[ "$family" = 4 ] || net=fd00::/64 via=fd00:41::2
	by_eth1() {
		tunnelled "$b" eth1 02:00:00:00:00:01 "$(underlay "$family" 2)" \
			"$(underlay "$family" 1)" 10.244.2.1 10.244.1.1
	}
	nodes
	second_link
	mesh_nodes "$family"
	rp_filter "$a" 0 eth0 eth1
	# whose change would be one of the IPv6 routes
	in_ns "$a" sysctl -qw net.ipv6.conf.ipmesh0.disable_ipv6=1
	ip -n "$a" route add "$net" via "$via" dev eth1 table 41
	ip -n "$a" "-$family" rule add fwmark 7 table 41
	by_eth1
	busywait is 1 count "$a" ipmesh0 wrong_dev
	# every few seconds a CPU forgets by itself, so once is not enough
	for ((i = 1; i <= 6; i++)); do
		mesh -n "$a" link set ipmesh0 fwmark 7
		by_eth1
		busywait is "$i" count "$a" ipmesh0 rx_packets
		mesh -n "$a" link set ipmesh0 fwmark 0
		by_eth1
		busywait is $((i + 1)) count "$a" ipmesh0 wrong_dev
	done
	# the lower device is one by word, not by a route
	mesh -n "$a" link set ipmesh0 dev eth1
	by_eth1
	busywait is 7 count "$a" ipmesh0 rx_packets
	received "$a" 7 7
}

settings() {
	# each CPU remembers for itself
	one_cpu
	settings_of 4
	settings_of 6
}

# Every device has the prefix of link-local addresses, that of a pod too.
link_local() {
	local family=6 encap=none address=10.244.2.1
	nodes
	ip -n "$a" addr add fe80::1/64 dev eth0 nodad
	mesh_node "$a" 1 fd00::1 2 fe80::2
	with_pod
	ip -n "$a" addr add fe80::8/64 dev cali0 nodad
	tunnelled "$pod" eth0 02:00:00:00:00:08 fe80::2 fd00::1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 wrong_dev
	tunnelled "$b" eth0 02:00:00:00:00:01 fe80::2 fd00::1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 rx_packets
	counts "$a" ipmesh0 fe80::2 -- rx_packets=1 wrong_dev=1
}

# --- devices that are not the underlay's -----------------------------------------------------

# A tunnel whose underlay is the overlay, and one from this host to itself.
inside_of() {
	local family=$1 address=$2 one=10.244.1.1 two=10.244.2.1 encap
	case $address in
	*:*) one=fd10:1::1 two=fd10:2::1 ;;
	esac
	for encap in none udp; do
		nodes
		mesh_nodes "$family" encap "$encap"
		upper "$a" 1 "$one" 2 "$two"
		upper "$b" 2 "$two" 1 "$one"
		ping_of "$a" 10.245.2.1
		no_drops "$a" "$b"
		counts "$a" upper0 -- rx_packets=3 rx_dropped=0
		counts "$b" upper0 -- rx_packets=3 rx_dropped=0
	done
}

# upper NS OWN LOCAL OTHER ENDPOINT: upper0 over the overlay
upper() {
	mesh -n "$1" link add upper0 local "$3" encap "$encap" dport 6000
	mesh -n "$1" peer new upper0 "$5" cidr "10.245.$4.0/24"
	ip_batch "$1" <<-END
		link set upper0 up
		addr add 10.245.$2.1/32 dev upper0
		route add 10.245.$4.0/24 dev upper0 src 10.245.$2.1
	END
}

inside() {
	each_pair inside_of
}

self_of() {
	local family=$1 one two encap
	case $family in
	4)	one=172.16.40.1 two=172.16.40.11 ;;
	6)	one=fd00::1 two=fd00::11 ;;
	esac
	for encap in none udp; do
		nodes
		setup_ns pod
		ip -n "$a" addr add 172.16.40.11/24 dev eth0
		ip -n "$a" addr add fd00::11/64 dev eth0 nodad
		mesh_node "$a" 2 "$two" 1 "$one" encap "$encap"
		ip -n "$a" link set ipmesh0 netns "$pod"
		ip_batch "$pod" <<-END
			link set ipmesh0 up
			addr add 10.244.2.1/32 dev ipmesh0
			route add 10.244.1.0/24 dev ipmesh0 src 10.244.2.1
		END
		mesh_node "$a" 1 "$one" 2 "$two" encap "$encap"
		ping_of "$a" 10.244.2.1
		no_drops "$a" "$pod"
		counts "$a" ipmesh0 -- rx_packets=3
		counts "$pod" ipmesh0 -- rx_packets=3
	done
}

self() {
	self_of 4
	self_of 6
}

# As tunl0 does it; and strict again.
open_device() {
	local family=4 encap=none
	nodes
	mesh_nodes 4 peers open
	with_pod
	rp_filter "$a" 2 cali0
	tunnelled "$pod" eth0 02:00:00:00:00:08 172.16.40.2 172.16.40.1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 rx_packets
	mesh -n "$a" link set ipmesh0 peers strict
	tunnelled "$pod" eth0 02:00:00:00:00:08 172.16.40.2 172.16.40.1 10.244.2.1 10.244.1.1
	busywait is 1 count "$a" ipmesh0 wrong_dev
	received "$a" 1 1
}

# --- other nodes: what apply writes -----------------------------------------------------

# document [LINE]…: a's device, with these lines of its spec
document() {
	cat <<-END
		apiVersion: ipmesh/v1
		kind: Device
		metadata: {name: ipmesh0}
		spec:
		  local: $(underlay "$family" 1)
		  address: [10.244.1.1/32, "fd10:1::1/128"]
		  blackhole: [10.244.1.0/24, "fd10:1::/64"]
		  encap: $encap
	END
	[ $# -eq 0 ] || printf '  %s\n' "$@"
	cat <<-END
		  peers:
		  - endpoint: "$(underlay "$family" 2)"
		    cidrs: [10.244.2.0/24, "fd10:2::/64"]
	END
}

nat='natOutgoing: [10.244.0.0/16, "fd10::/16"]'

# applied [LINE]…: such a document, and what apply says of it is in $said
applied() {
	document "$@" >"$tmp/document"
	said=$(in_ns "$a" ipmesh apply -f "$tmp/document") || fail "apply: $said"
}

# guarded_nodes FAMILY: a by apply, b by hand, which knows the third node too
guarded_nodes() {
	nodes
	applied "$nat"
	mesh_node "$b" 2 "$(underlay "$family" 2)" 1 "$(underlay "$family" 1)" encap "$encap"
	mesh -n "$b" peer new ipmesh0 "$(underlay "$family" 3)" cidr 10.244.3.0/24 cidr fd10:3::/64
	with_pod
	rp_filter "$a" 0 cali0
	# what the pod is to send finds its neighbour. Not by the tunnel: to connection tracking
	# the host's own IP in IP to b would be the same as the pod's, translated
	ping_of "$a" "$(underlay "$family" 2)"
	came=$(count "$b" ipmesh0 rx_packets)
}

# table: ours, by the family of the underlay
table() {
	[ "$family" = 4 ] && echo ip ipmesh || echo ip6 ipmesh
}

# guard_drops: packets that the chains have dropped
guard_drops() {
	# shellcheck disable=SC2046,SC2016
	in_ns "$a" nft list table $(table) |
		awk '/drop/ { for (i = 1; i < NF; i++) if ($i == "packets") n += $(i + 1) } END { print n + 0 }'
}

unguard() {
	# shellcheck disable=SC2046
	in_ns "$a" nft flush chain $(table) guard-ipmesh0
	# shellcheck disable=SC2046
	in_ns "$a" nft flush chain $(table) translated-ipmesh0
}

# pod_sends SRC INNER_SRC: a tunnel packet of the pod's to b
pod_sends() {
	tunnelled "$pod" eth0 02:00:00:00:00:08 "$1" "$(underlay "$family" 2)" "$2" \
		"$(inner "$2" 2)"
}

own_of_pod() {
	[ "$family" = 4 ] && echo 10.244.1.7 || echo fd10:1::7
}

for_node_of() {
	local family=$1 address=$2 said came encap other=10.244.1.9
	case $address in
	*:*) other=fd10:1::9 ;;
	esac
	for encap in none udp; do
		guarded_nodes
		speaks
		busywait is 2 guard_drops
		# which it would not if nothing dropped them
		unguard
		speaks
		busywait is $((came + 2)) count "$b" ipmesh0 rx_packets
		applied "$nat"
		contains "apply" "$said" "~ guard"
		speaks
		busywait is 2 guard_drops
		counts "$b" ipmesh0 -- rx_packets=$((came + 2)) rx_dropped=0
	done
}

# speaks: as another pod of the node, and as the node itself
speaks() {
	pod_sends "$(own_of_pod)" "$other"
	pod_sends "$(own_of_pod)" "$(underlay "$family" 1)"
}

for_node() {
	each_pair for_node_of
}

# Without translation it is a stranger; with another node's address it is dropped.
for_another_of() {
	local family=$1 address=$2 said came encap third=10.244.3.1
	case $address in
	*:*) third=fd10:3::1 ;;
	esac
	for encap in none udp; do
		guarded_nodes
		applied
		pod_sends "$(own_of_pod)" "$third"
		busywait is 1 count "$b" ipmesh0 unknown_peer
		pod_sends "$(underlay "$family" 3)" "$third"
		busywait is 1 guard_drops
		# the kernel itself drops this where it is IPv4
		pod_sends "$(underlay "$family" 1)" "$third"
		[ "$family" = 4 ] || busywait is 2 guard_drops
		counts "$b" ipmesh0 -- rx_packets="$came" rx_dropped=1
		unguard
		pod_sends "$(underlay "$family" 3)" "$third"
		busywait is $((came + 1)) count "$b" ipmesh0 rx_packets
	done
}

for_another() {
	each_pair for_another_of
}

# What somebody else's rules translate.
foreign_of() {
	local family=$1 address=$2 said came encap other=10.244.1.9 ip=ip
	case $address in
	*:*) other=fd10:1::9 ;;
	esac
	[ "$family" = 4 ] || ip=ip6
	for encap in none udp; do
		guarded_nodes
		in_ns "$a" nft "add table $ip t
			add chain $ip t post { type nat hook postrouting priority 100; }
			add rule $ip t post oifname eth0 masquerade"
		applied
		pod_sends "$(own_of_pod)" "$other"
		busywait is 1 guard_drops
		lacks "doctor" "$(in_ns "$a" ipmesh doctor || true)" "pods_tunnels"
		counts "$b" ipmesh0 -- rx_packets="$came" rx_dropped=0
		# shellcheck disable=SC2046
		in_ns "$a" nft delete table $(table)
		pod_sends "$(own_of_pod)" "$other"
		busywait is $((came + 1)) count "$b" ipmesh0 rx_packets
		contains "doctor" "$(in_ns "$a" ipmesh -j doctor || true)" '"pods_tunnels"'
	done
}

foreign() {
	each_pair foreign_of
}

# The host's own tunnel packets, which all of these rules see, too.
own_traffic_of() {
	local family=$1 address=$2 said came encap ip=ip
	[ "$family" = 4 ] || ip=ip6
	for encap in none udp; do
		guarded_nodes
		ping_of "$a" "$address"
		in_ns "$a" nft "add table $ip t
			add chain $ip t post { type nat hook postrouting priority 100; }
			add rule $ip t post oifname eth0 masquerade"
		ping_of "$a" "$address"
		equal "dropped" "$(guard_drops)" 0
		no_drops "$a" "$b"
	done
}

own_traffic() {
	each_pair own_traffic_of
}

# A pod may have tunnels of its own to other pods, on its node and on others.
inner_tunnels() {
	local family=4 address=10.244.2.1 said came encap
	for encap in none udp; do
		guarded_nodes
		behind_b
		forward "$b"
		watch "$pod2" eth0 1 "> 10.244.2.7"
		tunnelled "$pod" eth0 02:00:00:00:00:08 10.244.1.7 10.244.2.7 192.0.2.1 192.0.2.2
		contains "at the pod" "$(watched)" "192.0.2.1 > 192.0.2.2"
		equal "dropped" "$(guard_drops)" 0
	done
}

# udp_ports: that the guard knows
udp_ports() {
	in_ns "$a" nft -j list set ip ipmesh guard-ipmesh0 |
		jq -r '[.nftables[].set | select(.) | .elem[]] | sort | join(" ")'
}

follows() {
	local family=4 encap=none said
	nodes
	forward "$a"
	applied
	contains "apply" "$said" "+ guard ip udp 5555"
	lacks "apply" "$said" "ip6"
	equal "ports" "$(udp_ports)" 5555
	applied
	equal "again" "$said" "no changes"
	applied "dport: 6000"
	contains "apply" "$said" "~ guard ip udp 6000"
	equal "ports" "$(udp_ports)" 6000
	in_ns "$a" ipmesh peer set 172.16.40.2 dev ipmesh0 encap udp dport 7000
	encap=udp
	document "dport: 6000" >"$tmp/document"
	sed 's/\(  - endpoint.*\)/\1\n    dport: 7000/' "$tmp/document" >"$tmp/ported"
	in_ns "$a" ipmesh apply -f "$tmp/ported" >/dev/null
	equal "ports" "$(udp_ports)" "6000 7000"
	prints "no changes" in_ns "$a" ipmesh apply -f "$tmp/ported"
	# what export tells is the same
	in_ns "$a" ipmesh export ipmesh0 >"$tmp/exported"
	prints "no changes" in_ns "$a" ipmesh apply -f "$tmp/exported"
	applied "$nat"
	contains "apply" "$said" "+ guard ip6"
	equal "rules" "$(in_ns "$a" nft list table ip ipmesh | grep -c drop)" 6
	in_ns "$a" nft flush chain ip6 ipmesh translated-ipmesh0
	in_ns "$a" nft add element ip ipmesh guard-ipmesh0 '{ 9 }'
	applied "$nat"
	equal "put back" "$(grep -c "~ guard" <<<"$said")" 2
	equal "ports" "$(udp_ports)" 5555
	applied
	equal "rules" "$(in_ns "$a" nft list table ip ipmesh | grep -c drop)" 4
	equal "chains of ip6" "$(in_ns "$a" nft list tables ip6)" ""
	# beside somebody's own chain
	in_ns "$a" nft add chain ip ipmesh mine
	said=$(in_ns "$a" ipmesh apply --remove)
	contains "remove" "$said" "- guard ip"
	equal "what is left" "$(in_ns "$a" nft list ruleset | tr -d '\t\n')" "table ip ipmesh {chain mine {}}"
	in_ns "$a" nft delete table ip ipmesh
	applied "$nat"
	in_ns "$a" ipmesh apply --remove >/dev/null
	equal "what is left" "$(in_ns "$a" nft list ruleset)" ""
}

run_tests own_node own_vrf asymmetric equal_ways rules settings link_local inside self open_device \
	for_node for_another foreign own_traffic inner_tunnels follows
