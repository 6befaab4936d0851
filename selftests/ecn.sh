#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the outer header has of the inner one, and the reverse: ECN, DSCP, TTL.
#
#     pod 10.244.1.7 ---- a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#         fd10:1::7         ipmesh0                        ipmesh0
#
# Proves, for both families outside and inside, bare and in UDP: all rows of RFC
# 6040 on the way out (figure 3, normal mode) and in (figure 4); the combination
# that it has dropped is counted "ecn" and not delivered; DSCP and TTL inherited
# and fixed; a tap on the underlay keeps the packet as it came.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# headers SOURCE ADDRESS TOS TTL: layers of a packet inside; in $inner
headers() {
	case $1 in
	*:*) inner=(ip6 "src=$1" "dst=$2" "tos=$3" "hop=$4") ;;
	*) inner=(ip4 "src=$1" "dst=$2" "tos=$3" "ttl=$4") ;;
	esac
}

# from_pod WANTED, on stdin "TOS TTL TOS TTL" outside and inside: packets with
# the inner TOS, and the inner TTL before it is forwarded, leave a like this
from_pod() {
	local packets=() inner source=10.244.1.7 n=0 wanted tos ttl
	case $address in
	*:*) source=fd10:1::7 ;;
	esac
	wanted=$(cat)
	while read -r _ _ tos ttl; do
		headers "$source" "$address" "$tos" "$((ttl + 1))"
		packets+=("${inner[@]}" echo type=0 ",")
		n=$((n + 1))
	done <<<"$wanted"
	watch "$b" eth0 "$n" "$address"
	in_ns "$pod" packet send eth0 02:00:00:00:00:08 "${packets[@]}"
	watched >"$tmp/watched"
	equal "TOS and TTL outside and inside" "$(both)" "$wanted"
}

both() {
	sed -E 's/.* (ttl|hop) ([^ ]+) tos ([^ ]+) .* \| .* (ttl|hop) ([^ ]+) tos ([^ ]+) .*/\3 \2 \6 \5/' \
		"$tmp/watched"
}

encapsulated() {
	local family=$1 address=$2 encap
	nodes
	with_pod
	mesh_nodes "$family"
	for encap in none udp; do
		encap "$a" "$encap"
		mesh -n "$a" link set ipmesh0 dscp inherit ttl 64
		from_pod <<-END
			0x00 64 0x00 8
			0x01 64 0x01 1
			0x02 64 0x02 254
			0x03 64 0x03 64
			0xb8 64 0xb8 8
			0xb9 64 0xb9 8
			0xba 64 0xba 8
			0xbb 64 0xbb 8
			0xfc 64 0xfc 8
		END
		mesh -n "$a" link set ipmesh0 dscp 10 ttl inherit
		from_pod <<-END
			0x28 1 0x00 1
			0x29 8 0x01 8
			0x2a 8 0x02 8
			0x2b 64 0x03 64
			0x28 8 0xb8 8
			0x2b 254 0xbb 254
		END
		mesh -n "$a" link set ipmesh0 dscp 0 ttl 255
		from_pod <<-END
			0x00 255 0xb8 1
			0x03 255 0xff 254
		END
	done
	no_drops "$a" "$b"
}

out() {
	each_pair encapsulated
}

# --- in --------------------------------------------------------------------------------

# The size of the payload tells which packet it is: 16 * inner + outer.
table() {
	local udp=$1 i o outer packets=()
	for i in 0 1 2 3; do
		for o in 0 1 2 3; do
			case $family in
			4) outer=(ip4 src=172.16.40.1 dst=172.16.40.2 "tos=$o") ;;
			6) outer=(ip6 src=fd00::1 dst=fd00::2 "tos=$o") ;;
			esac
			headers "$source" "$address" "$((i + 0xb8))" 64
			packets+=("${outer[@]}" ${udp:+udp} "${inner[@]}" echo type=0
				size=$((16 * i + o)) ",")
		done
	done
	in_ns "$a" packet send eth0 02:00:00:00:00:02 "${packets[@]}"
}

decapsulated() {
	local family=$1 address=$2 source=10.244.1.1 header=28 udp=''
	nodes
	case $address in
	*:*)
		source=fd10:1::1
		header=8 ;;
	esac
	mesh_nodes "$family"
	encap "$b" udp
	# Not-ECT inside with CE outside does not come, the others are by figure 4
	for udp in '' yes; do
		watch "$b" ipmesh0 15 "in "
		table "$udp"
		watched | sed -E 's/.* tos ([^ ]+) len ([0-9]+).*/\2 \1/; /sum bad/d' |
			while read -r len tos; do
				len=$((len - header))
				echo "$((len / 16)) $((len % 16)) $tos"
			done >"$tmp/got"
		equal "inner, outer and what it becomes" "$(cat "$tmp/got")" "0 0 0xb8
0 1 0xb8
0 2 0xb8
1 0 0xb9
1 1 0xb9
1 2 0xb9
1 3 0xbb
2 0 0xba
2 1 0xb9
2 2 0xba
2 3 0xbb
3 0 0xbb
3 1 0xbb
3 2 0xbb
3 3 0xbb"
	done
	counts "$b" ipmesh0 -- rx_packets=30 ecn=2 rx_dropped=2
	counts "$b" ipmesh0 "$(underlay "$family" 1)" -- rx_packets=30 ecn=2
}

in_() {
	each_pair decapsulated
}

# What a tap on the underlay has got does not change under it.
tap_kept() {
	local family=$1 address=$2 source=10.244.1.1 udp=''
	nodes
	case $address in
	*:*) source=fd10:1::1 ;;
	esac
	mesh_nodes "$family"
	encap "$b" udp
	for udp in '' yes; do
		watch "$b" eth0 16 "$address"
		table "$udp"
		watched >"$tmp/watched"
		lacks "checksums" "$(cat "$tmp/watched")" "sum bad"
		equal "ECN outside and inside" "$(both | cut -d " " -f 1,3)" "$(
			for i in 0xb8 0xb9 0xba 0xbb; do
				printf '0x0%u %s\n' 0 "$i" 1 "$i" 2 "$i" 3 "$i"
			done)"
	done
}

tap() {
	each_pair tap_kept
}

run_tests out in_ tap
