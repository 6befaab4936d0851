#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What GRO of the underlay makes of outer packets, and where that goes.
#
#     pod ---- a 172.16.40.1 ---- r ---- 172.16.50.2 b ---- pod2
#     10.244.1.7 fd10:1::7                                    10.244.2.7 fd10:2::7
#
# Packets come to b one by one, and b's link merges them; the link to pod2 takes only
# single packets with their checksums, which the kernel has to make of them again, and
# pod2 sums them.  Proves, for both families outside and inside, bare, in UDP, and in UDP
# with checksums: streams are right, and each segment that is sent is one that
# is received; each packet that met congestion says so inside, and no other; a tunnel
# that the pods have through the overlay loses nothing.  Where GRO may merge to more than
# 64 KiB nothing is lost.  Packets above 64 KiB (BIG TCP), where the kernel's own tunnels
# send some, are sent, received, and counted as what they stand for.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"

# tcp NS NAME: a counter of TCP
tcp() {
	# shellcheck disable=SC2016 # what awk expands
	in_ns "$1" awk -v name="$2" '
		$1 == "Tcp:" && !n { n = split($0, names); next }
		$1 == "Tcp:" { for (i = 1; i <= n; i++) if (names[i] == name) print $i }' \
		/proc/net/snmp
}

# merging FAMILY: the path, with single packets but for b's GRO
merging() {
	one_cpu
	path 1500
	meshed "$1" none
	offload "$a" eth0 tso tx-udp-segmentation gso off
	# what comes from a link that takes large packets is given to no GRO
	offload "$r" eth1 tso tx-udp-segmentation gso off
	merges "$b" eth0
	offload "$b" cali0 tso tx-udp-segmentation gso off
	offload "$b" cali0 tx off
	bursts "$a" "$pod2"
	bursts "$pod" "$pod2"
	plugged
}

# bursts FROM TO [WINDOW]: TCP may send much at once, and no more than a link takes; what
# a sends goes at once, and nothing twice however long it is held
bursts() {
	ip -n "$a" route change 10.244.2.0/24 dev ipmesh0 src 10.244.1.1 initcwnd 100 rto_min 100s
	ip -n "$a" route change fd10:2::/64 dev ipmesh0 src fd10:1::1 initcwnd 100 rto_min 100s
	in_ns "$1" sysctl -qw net.ipv4.tcp_min_tso_segs=32 net.ipv4.tcp_slow_start_after_idle=0
	in_ns "$2" sysctl -qw net.ipv4.tcp_rmem="4096 ${3:-600000} ${3:-600000}"
}

# burst_stream FROM TO ADDRESS BYTES LAST: a stream, so many bytes of which come at once;
# $at_burst is done ahead of these
burst_stream() {
	local from=$1 to=$2 address=$3 size=$4 last=$5 family=4 fifo=$tmp/fifo receiver
	case $address in
	*:*) family=6 ;;
	esac
	seq 10000000 19999999 | head -c "$size" >"$tmp/sent"
	rm -f "$fifo"
	mkfifo "$fifo"
	start "$to" socat -u "TCP$family-LISTEN:5001,reuseaddr" "CREATE:$tmp/got"
	receiver=$pid
	busywait listening "$to" 5001
	# shellcheck disable=SC2016 # what the other shell expands
	start "$from" bash -c 'exec 3>"/dev/tcp/$0/5001"
		head -c "-$3" "$1" >&3
		read -r _ <"$2"
		tail -c "$3" "$1" | dd bs="$3" iflag=fullblock status=none >&3' \
		"$address" "$tmp/sent" "$fifo" "$last"
	busywait is $((size - last)) stat -c %s "$tmp/got"
	delivers=$(ip_delivers "$b")
	packets=$(count "$b" ipmesh0 rx_packets)
	plug block
	"${at_burst:-true}"
	echo >"$fifo"
	busywait backlogged $((last / 5))
	plug release_indefinite
	wait "$receiver" || fail "the stream to $address with $encap ended badly"
	cmp "$tmp/sent" "$tmp/got" || fail "another stream came to $address with $encap"
	packets=$(($(count "$b" ipmesh0 rx_packets) - packets))
	delivers=$(($(ip_delivers "$b") - delivers))
}

# behind ADDRESS: pod2's, for that of b itself
behind() {
	echo "${1%1}7"
}

# each_encap FUNCTION ARGUMENT…
each_encap() {
	local encap
	for encap in none udp "udp csum 1"; do
		# shellcheck disable=SC2086
		encap "$a" $encap
		# shellcheck disable=SC2086
		encap "$b" $encap
		"$@"
	done
}

# segments NS: that TCP has sent, those that it has sent again among them
segments() {
	echo $(($(tcp "$1" OutSegs) + $(tcp "$1" RetransSegs)))
}

# all_came FROM TO SENT RECEIVED [WORD]…: TCP of the one sent as many segments as that of the
# other received, since they had these counts; the words are for who waits in vain
all_came() {
	[ $(($(segments "$1") - $3)) = $(($(tcp "$2" InSegs) - $4)) ]
}

# ip_delivers NS: packets that were for the node itself, the outer ones
ip_delivers() {
	ip_count "$1" 10 Ip6InDelivers
}

# whole_stream FROM TO ADDRESS [WORD]: nothing of a stream is lost or damaged
whole_stream() {
	local from=$1 to=$2 sent received
	sent=$(segments "$from")
	received=$(tcp "$to" InSegs)
	burst_stream "$1" "$2" "$3" 450000 150000
	equal "wrong checksums with $encap" "$(bad_checksums "$to") $(bad_checksums "$b")" "0 0"
	busywait all_came "$from" "$to" "$sent" "$received" "$encap" "${4:-}"
}

# merged_stream FROM TO ADDRESS: the same, and b's link merges packets of it
merged_stream() {
	local delivers packets
	whole_stream "$@"
	[ "$delivers" -lt $((packets / 2)) ] ||
		fail "$packets packets with $encap came in $delivers outer ones"
}

forwarded_by() {
	local family=$1 address
	address=$(behind "$2")
	merging "$family"
	each_encap merged_stream "$a" "$pod2" "$address"
	# lists instead, where the kernel makes some for forwarding
	offload "$b" eth0 rx-gro-list on
	each_encap merged_stream "$a" "$pod2" "$address"
	same_counts
	no_drops "$a" "$b"
}

forwarded() {
	each_pair forwarded_by
}

# counted NS: packets of all counters of its table m
counted() {
	in_ns "$1" nft list table inet m | awk '/packets/ { sub(/.*packets /, ""); n += $1 }
		END { print n + 0 }'
}

# r_marks: from here on each seventh packet. In IPv6 it is the whole traffic class that is
# written: newer kernels take no write of the byte that has two of its bits.
r_marks() {
	in_ns "$r" nft "
		add rule inet m f meta length > 1000 ip ecn ect0 numgen inc mod 7 3 ip ecn set ce counter
		add rule inet m f meta length > 1000 ip6 ecn ect0 numgen inc mod 7 3 @nh,4,8 set 3 counter"
}

# A stream of which r marks some that come at once, before TCP hears of it.
marked_stream() {
	local before at_burst=r_marks
	before=$(counted "$pod2")
	merged_stream "$@"
	[ "$(counted "$r")" -ge 10 ] || fail "r marked $(counted "$r") packets with $encap"
	equal "packets that say congestion with $encap" \
		$(($(counted "$pod2") - before)) "$(counted "$r")"
	in_ns "$r" nft flush chain inet m f
}

ecn_by() {
	local family=$1 address
	address=$(behind "$2")
	merging "$family"
	in_ns "$a" sysctl -qw net.ipv4.tcp_ecn=1 net.ipv4.tcp_no_metrics_save=1
	in_ns "$pod2" sysctl -qw net.ipv4.tcp_ecn=1
	in_ns "$r" nft "add table inet m
		add chain inet m f { type filter hook forward priority 0; }"
	in_ns "$pod2" nft "add table inet m
		add chain inet m i { type filter hook input priority 0; }
		add rule inet m i ip ecn ce counter
		add rule inet m i ip6 ecn ce counter"
	each_encap marked_stream "$a" "$pod2" "$address"
	no_drops "$a" "$b"
}

ecn() {
	each_pair ecn_by
}

# pods_tunnel KIND: tun0 between the pods, with 10.9.1.1 and 10.9.1.2
pods_tunnel() {
	local one=10.244.1.7 two=10.244.2.7 words
	case $address in
	*:*) one=fd10:1::7 two=fd10:2::7 ;;
	esac
	case $1 in
	vxlan) words="type vxlan id 1 dstport 4789" ;;
	ip6tnl) words="type ip6tnl mode any encaplimit none" ;;
	*) words="type $1" ;;
	esac
	# shellcheck disable=SC2086
	ip -n "$pod" link add tun0 mtu 1300 $words local "$one" remote "$two"
	# shellcheck disable=SC2086
	ip -n "$pod2" link add tun0 mtu 1300 $words local "$two" remote "$one"
	# all that pod2's TCP gets is what b's link has merged or not
	offload "$pod2" tun0 gro off
	ip -n "$pod" addr add 10.9.1.1/24 dev tun0
	ip -n "$pod2" addr add 10.9.1.2/24 dev tun0
	ip -n "$pod" link set tun0 up
	ip -n "$pod2" link set tun0 up
	ip -n "$pod" route change 10.9.1.0/24 dev tun0 src 10.9.1.1 initcwnd 100 rto_min 100s
}

pods_tunnel_by() {
	local family=$1 address=$2 kind kinds="ipip gre vxlan" delivers packets
	merging "$family"
	case $address in
	*:*) kinds="ip6tnl ip6gre vxlan" ;;
	esac
	for kind in $kinds; do
		pods_tunnel "$kind"
		each_encap whole_stream "$pod" "$pod2" 10.9.1.2 "$kind"
		ip -n "$pod" link del tun0
		ip -n "$pod2" link del tun0
	done
	no_drops "$a" "$b"
}

pods_own_tunnel() {
	each_pair pods_tunnel_by
}

# --- BIG TCP ------------------------------------------------------------------------

# tunnels_send_big: whether the kernel's own tunnels take packets above 64 KiB
tunnels_send_big() {
	ip -n "$a" link add big0 type vxlan id 1 dstport 4789
	in_ns "$a" packet limit big0 gso 200000 gso4 200000 2>/dev/null
}

# watch_sizes, largest: the size of the largest packet that b's device has received since
watch_sizes() {
	: >"$tmp/sizes"
	start "$b" packet sizes ipmesh0 >"$tmp/sizes"
	sizes_pid=$pid
	busywait file_has "$tmp/sizes" watching
}

largest() {
	kill "$sizes_pid"
	wait "$sizes_pid" || true
	tail -n 1 "$tmp/sizes"
}

big_nodes() {
	one_cpu
	nodes 9000
	mesh_nodes "$1"
	bursts "$a" "$b" 4000000
}

# What GRO makes of single packets when it may: how large that is, is its own affair.
big_received_by() {
	local family=$1 address=$2 delivers packets
	big_nodes "$family"
	offload "$a" eth0 tso tx-udp-segmentation gso off
	offload "$b" eth0 gro on
	in_ns "$b" packet limit eth0 gro 200000 gro4 200000 ||
		skip "this kernel's GRO makes no packets above 64 KiB"
	plugged
	for encap in none udp "udp csum 1"; do
		# shellcheck disable=SC2086
		encap "$a" $encap
		# shellcheck disable=SC2086
		encap "$b" $encap
		burst_stream "$a" "$b" "$address" 3000000 500000
		same_counts
		no_drops "$a" "$b"
		equal "wrong checksums with $encap" "$(bad_checksums "$b")" 0
	done
}

big_received() {
	each_pair big_received_by
}

# What TCP makes of them, through links that take it, and through one that does not.
big_sent_by() {
	local family=$1 address=$2 size most
	big_nodes "$family"
	tunnels_send_big || skip "this kernel's tunnels send no packets above 64 KiB"
	in_ns "$a" packet limit ipmesh0 gso 200000 gso4 200000
	for size in 200000 65536; do
		in_ns "$a" packet limit eth0 gso "$size" gso4 "$size"
		for encap in none udp "udp csum 1"; do
			# shellcheck disable=SC2086
			encap "$a" $encap
			# shellcheck disable=SC2086
			encap "$b" $encap
			watch_sizes
			stream "$a" "$b" "$address" 3000000
			same_counts
			no_drops "$a" "$b"
			equal "wrong checksums with $encap" "$(bad_checksums "$b")" 0
			most=$(largest)
			[ "$size" = 65536 ] || [ "$most" -gt 65536 ] ||
				fail "no larger packet than $most came with $encap"
		done
	done
}

big_sent() {
	each_pair big_sent_by
}

run_tests forwarded ecn pods_own_tunnel big_received big_sent
