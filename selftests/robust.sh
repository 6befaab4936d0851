#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Packets that nobody should send.
#
#     a: 172.16.40.1 fd00::1 eth0 ------ eth0 172.16.40.2 fd00::2 :b
#        (a packet socket)                    ipmesh0
#                                             10.244.2.1 fd10:2::1
#
# Proves, for both families outside and inside and in UDP: headers that are cut,
# that lie about version and lengths, sources that no host has, destinations
# that no wire carries, outer destinations that are no host, tunnels within the tunnel: each is counted
# under its cause, exactly, and nothing of it is received; options, padding and
# lengths that are right are received; the packet after all of them still is.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

o4="ip4 src=172.16.40.1 dst=172.16.40.2"
o6="ip6 src=fd00::1 dst=fd00::2"
i4="ip4 src=10.244.1.1 dst=10.244.2.1"
i6="ip6 src=fd10:1::1 dst=fd10:2::1"

# offered FAMILY CAUSE, with packets on stdin, one a line: each is counted by CAUSE;
# CAUSE "rx_packets" for those that are right, "nothing" for those that do not
# come as far as the device. Then a right one is received.
offered() {
	local family=$1 cause=$2 line n=0 packets=() marker before
	while read -r line; do
		# shellcheck disable=SC2206
		packets+=($line ",")
		n=$((n + 1))
	done
	[ "$cause" = nothing ] || before=$(count "$b" ipmesh0 "$cause")
	case $family in
	4) marker="$o4 $i4 echo type=0 size=11" ;;
	6) marker="$o6 $i4 echo type=0 size=11" ;;
	esac
	if [ "$cause" = rx_packets ]; then
		in_ns "$a" packet send eth0 02:00:00:00:00:02 "${packets[@]}"
		busywait is "$((before + n))" count "$b" ipmesh0 rx_packets
		return
	fi
	watch "$b" ipmesh0 1
	# shellcheck disable=SC2086
	in_ns "$a" packet send eth0 "${mac:-02:00:00:00:00:02}" "${packets[@]}"
	# shellcheck disable=SC2086
	in_ns "$a" packet send eth0 02:00:00:00:00:02 $marker
	contains "the only packet" "$(watched)" "in ip4 10.244.1.1 > 10.244.2.1 proto 1 ttl 64 tos 0x00 len 39"
	if [ "$cause" = nothing ]; then
		counts "$b" ipmesh0 -- rx_dropped="${dropped:-0}"
		return
	fi
	busywait is "$((before + n))" count "$b" ipmesh0 "$cause"
	dropped=$((${dropped:-0} + n))
	counts "$b" ipmesh0 -- rx_dropped="$dropped"
	case $cause in
	unknown_peer) ;;
	*) counts "$b" ipmesh0 "$(underlay "$family" 1)" -- "$cause=$((before + n))" ;;
	esac
}

# on_b FAMILY
on_b() {
	nodes
	mesh_nodes "$1"
	ip -n "$a" link del ipmesh0
	encap "$b" udp
	in_ns "$b" sysctl -qw net.ipv4.conf.all.rp_filter=0
}

bad4() {
	local outer=$1
	cat <<-END
		$outer $i4 version=0 echo
		$outer $i4 version=5 echo
		$outer $i4 version=15 echo
		$outer $i4 ihl=0 echo
		$outer $i4 ihl=4 echo
		$outer $i4 ihl=6 trim=20 len=20 echo
		$outer $i4 ihl=15 echo size=0
		$outer $i4 len=0 echo
		$outer $i4 len=19 echo
		$outer $i4 len=85 echo
		$outer $i4 len=65535 echo
		$outer $i4 trim=83 echo
	END
}

bad6() {
	local outer=$1
	cat <<-END
		$outer $i6 version=0 echo
		$outer $i6 version=5 echo
		$outer $i6 version=15 echo
		$outer $i6 len=65 echo
		$outer $i6 len=65535 echo
		$outer $i6 trim=103 echo
	END
}

# Shorter than its header: tunnel4 and tunnel6 of the kernel drop it, before us.
short() {
	local outer=$1
	cat <<-END
		$outer $i4 trim=1 echo
		$outer $i4 trim=19 echo
		$outer $i6 trim=1 echo
		$outer $i6 trim=39 echo
		${outer/ src/ proto=4 next=4 src} data size=0
		${outer/ src/ proto=41 next=41 src} data size=0
	END
}

invalid() {
	local family outer dropped
	for family in 4 6; do
		dropped=0
		on_b "$family"
		outer=$o4
		[ "$family" = 4 ] || outer=$o6
		short "$outer" >"$tmp/packets"
		offered "$family" nothing <"$tmp/packets"
		bad4 "$outer" >"$tmp/packets"
		offered "$family" rx_invalid <"$tmp/packets"
		bad6 "$outer" >"$tmp/packets"
		offered "$family" rx_invalid <"$tmp/packets"
		bad4 "$outer udp" >"$tmp/packets"
		offered "$family" rx_invalid <"$tmp/packets"
		bad6 "$outer udp" >"$tmp/packets"
		offered "$family" rx_invalid <"$tmp/packets"
		# the one where the other should be, and nothing at all
		offered "$family" rx_invalid <<-END
			${outer/ src/ proto=41 next=41 src} $i4 echo
			${outer/ src/ proto=4 next=4 src} $i6 echo
			$outer udp $i4 trim=1 echo
			$outer udp $i4 trim=19 echo
			$outer udp $i6 trim=1 echo
			$outer udp $i6 trim=39 echo
			$outer udp data size=0
			$outer udp data size=1 byte=0x45
			$outer udp data size=1 byte=0x60
			$outer udp data size=100 byte=0x00
			$outer udp data size=100 byte=0x50
			$outer udp data size=100 byte=0x75
			$outer udp data size=100 byte=0xff
		END
	done
}

martians4="0.0.0.0 127.0.0.1 127.255.255.254 224.0.0.1 239.255.255.255 255.255.255.255"
martians6=":: ::1 ff02::1 ff0e::1234"
inside4="127.0.0.1 127.255.255.254 0.0.0.0"
inside6="::1 :: ::ffff:10.244.2.1 ::ffff:127.0.0.1 ff01::1 ff00::1"
# what a routing protocol, mDNS or a broadcast goes to
groups4="224.0.0.5 239.255.255.255 255.255.255.255 10.244.2.255"
groups6="ff02::5 ff05::2 ff0e::1234"

# to OUTER ADDRESSES4 ADDRESSES6: a packet to each
to() {
	local d
	for d in $2; do
		echo "$1 ip4 src=10.244.1.1 dst=$d echo type=0"
	done
	for d in $3; do
		echo "$1 ip6 src=fd10:1::1 dst=$d echo type=129"
	done
}

martian() {
	local family outer dropped encap s
	for family in 4 6; do
		dropped=0
		on_b "$family"
		outer=$o4
		[ "$family" = 4 ] || outer=$o6
		for encap in '' udp; do
			for s in $martians4; do
				echo "$outer $encap ip4 src=$s dst=10.244.2.1 echo"
			done >"$tmp/packets"
			for s in $martians6; do
				echo "$outer $encap ip6 src=$s dst=fd10:2::1 echo"
			done >>"$tmp/packets"
			to "$outer $encap" "$inside4" "$inside6" >>"$tmp/packets"
			offered "$family" martian <"$tmp/packets"
			# an open device takes them no more than a strict one
			mesh -n "$b" link set ipmesh0 peers open
			offered "$family" martian <"$tmp/packets"
			mesh -n "$b" link set ipmesh0 peers strict
			to "$outer $encap" "$groups4" "$groups6" >"$tmp/packets"
			offered "$family" rx_packets <"$tmp/packets"
		done
		# and what is an IPv4 address only inside of us
		offered "$family" rx_invalid <<-END
			$outer ip6 src=::ffff:10.244.1.1 dst=fd10:2::1 echo
		END
		# another's source, nobody's, another peer's
		mesh -n "$b" peer new ipmesh0 "$(underlay "$family" 3)" cidr 10.244.3.0/24 \
			cidr fd10:3::/64
		offered "$family" src_not_allowed <<-END
			$outer ip4 src=10.244.3.7 dst=10.244.2.1 echo
			$outer ip6 src=fd10:3::7 dst=fd10:2::1 echo
			$outer ip4 src=10.244.2.7 dst=10.244.2.1 echo
			$outer ip4 src=10.245.1.1 dst=10.244.2.1 echo
			$outer udp ip6 src=fd10:2::7 dst=fd10:2::1 echo
			$outer ip6 src=fe80::1 dst=fd10:2::1 echo
		END
		case $family in
		4) outer="ip4 src=172.16.40.9 dst=172.16.40.2" ;;
		6) outer="ip6 src=fd00::9 dst=fd00::2" ;;
		esac
		offered "$family" unknown_peer <<-END
			$outer $i4 echo
			$outer $i6 echo
			$outer udp $i4 echo
			$outer udp data size=0
			$outer udp $i4 trim=7 echo
		END
	done
}

# No host is the destination.
outer_destination() {
	local family=4 dropped=0 mac d encap
	nodes
	mesh -n "$b" link add ipmesh0
	mesh -n "$b" peer new ipmesh0 172.16.40.1 cidr 10.244.1.0/24
	ip_batch "$b" <<-END
		link set ipmesh0 up
		addr add 10.244.2.1/32 dev ipmesh0
	END
	mac=ff:ff:ff:ff:ff:ff
	encap "$b" udp
	for d in 255.255.255.255 172.16.40.255 224.0.0.1; do
		for encap in '' udp; do
			echo "ip4 src=172.16.40.1 dst=$d $encap $i4 echo"
		done
	done >"$tmp/packets"
	offered 4 outer_dst <"$tmp/packets"
	# a device with a local address of its own does not see them
	mesh -n "$b" link set ipmesh0 local 172.16.40.2
	in_ns "$a" packet send eth0 ff:ff:ff:ff:ff:ff \
		ip4 src=172.16.40.1 dst=255.255.255.255 ip4 src=10.244.1.1 dst=10.244.2.1 echo
	offered 4 martian <<-END
		$o4 ip4 src=127.0.0.1 dst=10.244.2.1 echo
	END
}

# Right, though rare.
unusual() {
	local family outer encap
	for family in 4 6; do
		on_b "$family"
		for encap in '' udp; do
			outer="$o4 opt=8 $encap"
			[ "$family" = 4 ] || outer="$o6 $encap"
			offered "$family" rx_packets <<-END
				$outer $i4 opt=40 echo type=0
				$outer $i4 len=50 echo type=0
				$outer $i4 proto=253 data size=0
				$outer $i6 len=50 echo type=129
				$outer $i6 len=0 echo type=129
				$outer $i6 next=59 data size=0
			END
		done
		counts "$b" ipmesh0 -- rx_packets=12 rx_bytes="$(count "$b" ipmesh0 rx_bytes)" rx_dropped=0
	done
}

# What the outer header says of itself IP sees to.
outer_lies() {
	local family=4 dropped=0
	on_b 4
	in_ns "$a" packet send eth0 02:00:00:00:00:02 \
		ip4 src=172.16.40.1 dst=172.16.40.2 len=500 \
			ip4 src=10.244.1.1 dst=10.244.2.1 echo , \
		ip4 src=172.16.40.1 dst=172.16.40.2 ihl=4 \
			ip4 src=10.244.1.1 dst=10.244.2.1 echo , \
		ip4 src=172.16.40.1 dst=172.16.40.2 version=6 \
			ip4 src=10.244.1.1 dst=10.244.2.1 echo , \
		ip4 src=172.16.40.1 dst=172.16.40.2 udp len=200 \
			ip4 src=10.244.1.1 dst=10.244.2.1 echo , \
		ip4 src=172.16.40.1 dst=172.16.40.2 udp len=7 \
			ip4 src=10.244.1.1 dst=10.244.2.1 echo
	offered 4 martian <<-END
		$o4 ip4 src=127.0.0.1 dst=10.244.2.1 echo
	END
	# a length that leaves a part out makes it padding
	offered 4 rx_invalid <<-END
		$o4 len=50 $i4 echo
		$o4 udp len=40 $i4 echo
	END
}

# A tunnel within the tunnel, to the same device: its outer source is not a peer,
# or an inner source that is the peer's endpoint makes it one.
nested() {
	local family=4 dropped=1 level levels
	on_b 4
	# what is in the tunnel comes by the device itself, by which no peer is reached
	mesh -n "$b" link set ipmesh0 rpf off
	offered 4 rx_packets <<-END
		$o4 ip4 src=10.244.1.1 dst=172.16.40.2 $i4 echo type=0
	END
	busywait is 1 count "$b" ipmesh0 unknown_peer
	counts "$b" ipmesh0 -- rx_packets=1 rx_dropped=1
	# four levels, bare and in UDP, end with what is in the last
	# shellcheck disable=SC2086
	in_ns "$a" packet send eth0 02:00:00:00:00:02 \
		$o4 $o4 $o4 $o4 $i4 echo type=0 , \
		$o4 udp $o4 $o4 udp $o4 udp $i4 echo type=0
	busywait is 9 count "$b" ipmesh0 rx_packets
	counts "$b" ipmesh0 -- unknown_peer=1 rx_dropped=1
	# five do not begin, however they are made
	dropped=1
	for level in "$o4" "$o4 udp" "$o4 opt=8"; do
		levels=''
		for _ in 1 2 3 4 5; do
			levels+="$level "
		done
		offered 4 nested <<<"$levels $i4 echo type=0"
		offered 4 nested <<<"$levels $levels $levels $levels $levels $i4 echo type=0"
	done
	# nor do they count that lead elsewhere
	levels="ip4 src=10.244.1.1 dst=10.244.2.1 "
	offered 4 rx_packets <<<"$o4 $levels $levels $levels $levels $levels $i4 echo type=0"
}

nested6() {
	local family=6 dropped=0
	on_b 6
	mesh -n "$b" link set ipmesh0 rpf off
	# shellcheck disable=SC2086
	in_ns "$a" packet send eth0 02:00:00:00:00:02 $o6 $o6 $o6 $o6 $i4 echo type=0
	busywait is 4 count "$b" ipmesh0 rx_packets
	offered 6 nested <<-END
		$o6 $o6 $o6 $o6 $o6 $i4 echo type=0
		$o6 udp $o6 $o6 udp $o6 udp $o6 $i6 echo type=0
	END
}

# Nothing of it moves an underlay of two nodes that is in use.
in_use() {
	nodes
	mesh_nodes 4
	encap "$a" udp
	encap "$b" udp
	flood "$a" 10.244.2.1
	bad4 "$o4" >"$tmp/packets"
	bad6 "$o4 udp" >>"$tmp/packets"
	local lines line packets=()
	mapfile -t lines <"$tmp/packets"
	for line in "${lines[@]}"; do
		# shellcheck disable=SC2206
		packets+=($line ",")
	done
	for _ in 1 2 3 4 5; do
		in_ns "$a" packet send eth0 02:00:00:00:00:02 "${packets[@]}"
	done
	flooded
	busywait is "$((5 * ${#lines[@]}))" count "$b" ipmesh0 rx_invalid
	counts "$b" ipmesh0 -- rx_packets="$sent" rx_invalid="$((5 * ${#lines[@]}))"
}

# A host that routes its loopback network has sockets there that believe to be alone.
localnet() {
	local encap
	on_b 4
	in_ns "$b" sysctl -qw net.ipv4.conf.all.route_localnet=1
	start "$b" socat -u UDP4-RECVFROM:5353,bind=127.0.0.1 "CREATE:$tmp/heard"
	busywait bound_udp "$b" 127.0.0.1:5353
	for encap in '' udp; do
		# shellcheck disable=SC2086
		in_ns "$a" packet send eth0 02:00:00:00:00:02 \
			$o4 $encap ip4 src=10.244.1.1 dst=127.0.0.1 \
			udp sport=9 dport=5353 data size=20
	done
	busywait is 2 count "$b" ipmesh0 martian
	counts "$b" ipmesh0 -- rx_packets=0 rx_dropped=2
	[ ! -s "$tmp/heard" ] || fail "the loopback's socket has heard it"
}

bound_udp() {
	case $(in_ns "$1" ss -Huln) in
	*"$2"*) ;;
	*) return 1 ;;
	esac
}

run_tests invalid martian localnet outer_destination unusual outer_lies nested nested6 in_use
