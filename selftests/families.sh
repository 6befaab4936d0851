#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Both families inside and outside: by a gateway, and with the kernel's own
# tunnels as the other end.
#
#     a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#       ipmesh0                        ipmesh0, sit, ipip or ip6tnl
#       10.244.1.1 fd10:1::1           10.244.2.1 fd10:2::1
#
#     a fd00::1 ---- fd00::9 r fd00:50::9 ---- fd00:50::2 b   (an IPv6 gateway)
#
# Proves: IPv6 pods go over an IPv4 underlay by a v4-mapped gateway, and both
# families over an IPv6 one by an IPv6 gateway, by routes and by nexthop objects,
# whatever the pod CIDRs say; a gateway that is no endpoint and lies in a pod CIDR is
# its peer; the gateway of a route of another device says nothing; a gateway of the
# other family is no peer; sit, ipip
# and ip6tnl, for one family and for any, are other ends both ways, streams with
# segmentation left to the link, and both ends count the same; the fallback
# devices of these modules get nothing that is ours.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# --- gateways ------------------------------------------------------------------------

# gateways FAMILY ONE TWO: a's and b's gateways for each other; routes first, then
# nexthop objects, with the pod CIDRs of another peer's
gateways() {
	local one=$1 two=$2 other=$3 ns gw via address
	mesh -n "$a" peer new ipmesh0 "$other"
	mesh -n "$a" peer set ipmesh0 "$other" cidr 10.244.2.0/24 cidr fd10:2::/64 move
	mesh -n "$b" peer new ipmesh0 "$other"
	mesh -n "$b" peer set ipmesh0 "$other" cidr 10.244.1.0/24 cidr fd10:1::/64 move
	mesh -n "$a" link set ipmesh0 peers open
	mesh -n "$b" link set ipmesh0 peers open
	for address in 10.244.2.1 fd10:2::1; do
		# by pod CIDR it goes to the other
		once "$a" "$address"
	done
	counts "$a" ipmesh0 "$other" -- tx_packets=2
	for ns in "$a 2 $two" "$b 1 $one"; do
		# shellcheck disable=SC2086
		set -- $ns
		case $3 in
		*:*) via="inet6 $3" gw=$3 ;;
		*) via=$3 gw=::ffff:$3 ;;
		esac
		ip_batch "$1" <<-END
			route replace 10.244.$2.0/24 via $via dev ipmesh0 onlink
			route replace fd10:$2::/64 via $gw dev ipmesh0 onlink
		END
	done
	both_families
	counts "$a" ipmesh0 "$two" -- tx_packets=6 rx_packets=6
	ip_batch "$a" <<-END
		route del 10.244.2.0/24
		route del fd10:2::/64
		nexthop add id 4 via $two dev ipmesh0 onlink
		nexthop add id 6 via $(mapped "$two") dev ipmesh0 onlink
		route add 10.244.2.0/24 nhid 4 src 10.244.1.1
		route add fd10:2::/64 nhid 6 src fd10:1::1
	END
	both_families
	counts "$a" ipmesh0 "$two" -- tx_packets=12 rx_packets=12
	counts "$a" ipmesh0 "$other" -- tx_packets=2
	no_drops "$a" "$b"
}

mapped() {
	case $1 in
	*:*) echo "$1" ;;
	*) echo "::ffff:$1" ;;
	esac
}

both_families() {
	ping_of "$a" 10.244.2.1 -I 10.244.1.1
	ping_of "$a" fd10:2::1 -I fd10:1::1
}

gateway_ipv4() {
	nodes
	mesh_nodes 4
	gateways 172.16.40.1 172.16.40.2 172.16.40.7
}

# The kernel takes an onlink gateway that is not on link elsewhere: endpoints
# behind a router.
gateway_ipv6() {
	setup_ns a r b
	link_nodes "$a" eth0 1 "$r" eth0 9
	link_nodes "$r" eth1 9 "$b" eth0 2 1500 50
	in_ns "$r" sysctl -qw net.ipv6.conf.all.forwarding=1
	# with which a router asks for its neighbours
	ip -n "$r" addr add fe80::9/64 dev eth0 nodad
	ip -n "$r" addr add fe80::9/64 dev eth1 nodad
	ip -n "$a" route add default via fd00::9
	ip -n "$b" route add default via fd00:50::9
	mesh_node "$a" 1 fd00::1 2 fd00:50::2
	mesh_node "$b" 2 fd00:50::2 1 fd00::1
	gateways fd00::1 fd00:50::2 fd00:77::7
}

# gateway_behind FAMILY ADDRESS: a net behind b, by b's address in the overlay
gateway_behind() {
	local family=$1 address=$2 own=10.244.1.1 net=10.9.0.0/24 far=10.9.0.1 two three
	case $address in
	*:*) own=fd10:1::1 net=fd09::/64 far=fd09::1 ;;
	esac
	two=$(underlay "$family" 2)
	three=$(underlay "$family" 3)
	nodes
	mesh_nodes "$family"
	ip -n "$b" addr add "$far" dev lo
	ip -n "$a" route add "$net" via "$address" dev ipmesh0 src "$own"
	# the net is in no pod CIDR: what comes from it is not let in
	silent "$a" "$far"
	busywait is 1 count "$a" ipmesh0 src_not_allowed "$two"
	counts "$a" ipmesh0 "$two" -- tx_packets=1
	mesh -n "$a" peer set ipmesh0 "$two" cidr "$net"
	ping_of "$a" "$far"
	mesh -n "$a" peer set ipmesh0 "$two" remove "$net"
	mesh -n "$a" link set ipmesh0 peers open
	ping_of "$a" "$far"
	# also where another peer's pod CIDR holds the destination
	mesh -n "$a" peer new ipmesh0 "$three" cidr "$net"
	ping_of "$a" "$far"
	mesh -n "$a" link set ipmesh0 peers strict
	silent "$a" "$far"
	busywait is 2 count "$a" ipmesh0 src_not_allowed "$two"
	counts "$a" ipmesh0 "$two" -- tx_packets=11 rx_packets=9
	counts "$a" ipmesh0 "$three" -- tx_packets=0
	if [ "$own" = 10.244.1.1 ]; then
		ip -n "$a" route replace "$net" via inet6 fd10:2::1 dev ipmesh0 src "$own"
		silent "$a" "$far"
		counts "$a" ipmesh0 "$two" -- tx_packets=12
	fi
	# an endpoint goes before a pod CIDR that holds it
	[ "$family" = 4 ] || return 0
	mesh -n "$a" peer set ipmesh0 "$two" cidr "$three/32"
	case $own in
	*:*) three=::ffff:$three ;;
	esac
	ip -n "$a" route replace "$net" via "$three" dev ipmesh0 onlink src "$own"
	silent "$a" "$far"
	counts "$a" ipmesh0 "$(underlay "$family" 3)" -- tx_packets=1
	# and what is neither nor is nobody
	mesh -n "$a" peer del ipmesh0 "$(underlay "$family" 3)"
	mesh -n "$a" peer set ipmesh0 "$two" remove "$(underlay "$family" 3)/32"
	silent "$a" "$far"
	counts "$a" ipmesh0 -- no_peer=1
}

gateways_behind() {
	each_pair gateway_behind
}

# redirected FAMILY ADDRESS: tc brings packets here with a route of eth0's, whose gateway
# is another peer's endpoint
redirected() {
	local family=$1 address=$2 protocol=ip header=ip two three
	case $address in
	*:*) protocol=ipv6 header=ip6 ;;
	esac
	two=$(underlay "$family" 2)
	three=$(underlay "$family" 3)
	nodes
	mesh_nodes "$family"
	mesh -n "$a" peer new ipmesh0 "$three"
	ip_batch "$a" <<-END
		route replace 10.244.2.0/24 via 172.16.40.3 dev eth0 src 10.244.1.1
		route replace fd10:2::/64 via fd00::3 dev eth0 src fd10:1::1
		neigh add 172.16.40.3 lladdr 02:00:00:00:00:03 dev eth0 nud permanent
		neigh add fd00::3 lladdr 02:00:00:00:00:03 dev eth0 nud permanent
	END
	in_ns "$a" tc qdisc add dev eth0 clsact
	# older kernels' flower would see the address in what the device sends, too
	in_ns "$a" tc filter add dev eth0 egress prio 1 protocol "$protocol" \
		u32 match "$header" dst "$address" action mirred egress redirect dev ipmesh0
	ping_of "$a" "$address"
	in_ns "$a" tc filter del dev eth0 egress prio 1
	in_ns "$a" tc filter add dev eth0 egress prio 1 protocol "$protocol" \
		u32 match "$header" dst "$address" action mirred egress mirror dev ipmesh0
	ping_of "$a" "$address"
	mesh -n "$a" link set ipmesh0 peers open
	ping_of "$a" "$address"
	counts "$a" ipmesh0 "$two" -- tx_packets=9 rx_packets=9
	# behind nobody
	mesh -n "$a" link set ipmesh0 peers strict
	mesh -n "$a" peer set ipmesh0 "$two" remove 10.244.2.0/24 remove fd10:2::/64
	silent "$a" "$address"
	counts "$a" ipmesh0 -- no_peer=1
	counts "$a" ipmesh0 "$three" -- tx_packets=0
}

redirects() {
	modprobe -a act_mirred cls_u32 2>/dev/null || skip "this kernel has no act_mirred"
	each_pair redirected
}

# A strict device has no such peer, and an open one none of that family.
gateway_of_other_family() {
	nodes
	mesh_nodes 4
	ip_batch "$a" <<-END
		route replace 10.244.2.0/24 via inet6 fd77::2 dev ipmesh0 onlink
		route replace fd10:2::/64 via fd77::2 dev ipmesh0 onlink
	END
	no_ping_of "$a" "icmp type 3 code 1 " 10.244.2.1 -I 10.244.1.1
	no_ping_of "$a" "icmp6 type 1 code 3 " fd10:2::1 -I fd10:1::1
	mesh -n "$a" link set ipmesh0 peers open
	no_ping_of "$a" "icmp type 3 code 1 " 10.244.2.1 -I 10.244.1.1
	no_ping_of "$a" "icmp6 type 1 code 3 " fd10:2::1 -I fd10:1::1
	counts "$a" ipmesh0 -- no_peer=4 tx_dropped=4 tx_packets=0
}

# --- other ends ----------------------------------------------------------------------

# other_end FAMILY TYPE…: of b, instead of ipmesh0
other_end() {
	local family=$1
	shift
	nodes
	mesh_nodes "$family"
	ip -n "$b" link del ipmesh0
	# shellcheck disable=SC2068
	ip -n "$b" link add tun0 type $@ local "$(underlay "$family" 2)" \
		remote "$(underlay "$family" 1)"
	ip_batch "$b" <<-END
		link set tun0 addrgenmode none
		link set tun0 up
		addr add 10.244.2.1/32 dev tun0
		addr add fd10:2::1/128 dev tun0 nodad
		route add 10.244.1.0/24 dev tun0 src 10.244.2.1
		route add fd10:1::/64 dev tun0 src fd10:2::1
	END
}

# carries ADDRESS…: pings and streams both ways between b's pods at these and a's
carries() {
	local address own before buffers
	# many segments at once, however slow the CPU is
	in_ns "$a" sysctl -qw net.ipv4.tcp_min_tso_segs=8
	for address; do
		own=10.244.1.1
		[ "$address" = 10.244.2.1 ] || own=fd10:1::1
		ping_of "$a" "$address"
		ping_of "$b" "$own"
		before=$(packets "$a" eth0 tx)
		stream "$a" "$b" "$address" 1000000
		buffers=$(($(packets "$a" eth0 tx) - before))
		[ "$buffers" -lt 500 ] || fail "a megabyte left in $buffers buffers: no GSO"
		stream "$b" "$a" "$own" 300000
	done
	no_drops "$a"
	equal "wrong checksums" "$(bad_checksums "$a") $(bad_checksums "$b")" "0 0"
	equal "errors of the other end" "$(ip -n "$b" -j -s link show tun0 |
		jq -c '.[0].stats64.rx | [.errors, .dropped]')" "[0,0]"
}

with_ipip() {
	modprobe ipip
	other_end 4 ipip
	carries 10.244.2.1
}

with_sit() {
	modprobe sit
	other_end 4 sit
	carries fd10:2::1
}

with_sit_any() {
	modprobe sit
	other_end 4 sit mode any
	carries 10.244.2.1 fd10:2::1
}

with_ip6tnl() {
	modprobe ip6_tunnel
	other_end 6 ip6tnl mode ipip6 encaplimit none
	carries 10.244.2.1
	other_end 6 ip6tnl mode ip6ip6 encaplimit none
	carries fd10:2::1
}

# With the option of RFC 2473 4.1, which Linux adds unless told.
with_ip6tnl_any() {
	modprobe ip6_tunnel
	other_end 6 ip6tnl mode any
	carries 10.244.2.1 fd10:2::1
}

# A module of the kernel's has a device for every packet that nobody else wants.
beside_fallback() {
	local family=$1 address=$2 dev
	nodes
	mesh_nodes "$family"
	for dev in tunl0 sit0 ip6tnl0; do
		ip -n "$b" link set "$dev" up
	done
	ping_of "$a" "$address"
	same_counts
	for dev in tunl0 sit0 ip6tnl0; do
		equal "packets of $dev" "$(packets "$b" "$dev" rx)" 0
	done
}

ahead_of_fallback_devices() {
	modprobe -a ipip sit ip6_tunnel
	each_pair beside_fallback
}

run_tests gateway_ipv4 gateway_ipv6 gateway_of_other_family with_ipip with_sit with_sit_any \
	with_ip6tnl with_ip6tnl_any ahead_of_fallback_devices gateways_behind redirects
