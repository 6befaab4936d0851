#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Buffers of every kind on their way through the device.
#
#     pod 10.244.1.7 ---- a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#         fd10:1::7         ipmesh0                        ipmesh0
#                                                          10.244.2.1 fd10:2::1
#
# Proves: a stream is neither copied nor made linear nor cut by the device, out and
# in; IPv6 packets larger than 64 KiB (BIG TCP) of a pod, and lists of packets that
# GRO made for forwarding, come out as the packets that they stand for, over both
# underlays, bare and in UDP.
# shellcheck disable=SC2016 # what awk expands
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"
. "$(dirname "$0")/lib-trace.sh"

# --- copies --------------------------------------------------------------------------

copying="pskb_expand_head __pskb_pull_tail skb_copy skb_copy_expand __pskb_copy_fclone
	skb_checksum_help __skb_gso_segment"

probe_copies() {
	local f
	trace_ready kprobes kprobe_events
	for f in $copying; do
		# not every kernel has all of them
		echo "p:copying/$f $f" >>"$tracing/kprobe_events" 2>/dev/null || true
	done
	echo 1 >"$tracing/options/stacktrace"
}

# copies PATTERN: the functions that copy, called from one that matches; not by a link
# that it hands over to, which cuts what it does not take whole
copies() {
	awk -v caller=" => ($1)([.]|\$)" '
		/: \(/ { what = $0; sub(/:.*/, "", what); n = split($0, f, " "); for (i = 1; i <= n; i++)
			if (f[i] ~ /^(pskb|__pskb|skb|__skb)_[a-z_]*:$/) what = f[i]
			link = 0 }
		/ => __dev_queue_xmit$/ { link = 1 }
		$0 ~ caller && !link { print what }' "$tracing/trace" | sort | uniq -c
}

# traced ADDRESS: a stream from a to b in which TCP sends nothing again: what it keeps
# for that is a clone, whose header is copied before it is written, and rightly so.
traced() {
	local before
	for _ in 1 2 3 4 5 6 7 8; do
		trace_clear
		before=$(sent_again)
		echo 1 >"$tracing/events/copying/enable"
		stream "$a" "$b" "$1" 1000000
		echo 0 >"$tracing/events/copying/enable"
		[ "$(sent_again)" -ne "$before" ] || return 0
	done
	fail "TCP has sent segments again in each of eight streams"
}

sent_again() {
	in_ns "$a" nstat -asz TcpRetransSegs | awk '$1 == "TcpRetransSegs" { print $2 }'
}

uncopied() {
	local family=$1 address=$2 encap
	nodes
	mesh_nodes "$family"
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		# buffers as the link takes them: b has the sender's own, and must not write
		# into these
		stream "$a" "$b" "$address" 100000
		traced "$address"
		equal "copied on the way out, encap $encap" "$(copies ipmesh_send_xmit)" ""
		# buffers of b's own
		offload "$a" eth0 tso gso off
		offload "$b" eth0 gro on
		traced "$address"
		equal "copied on the way out, encap $encap, single" "$(copies ipmesh_send_xmit)" ""
		equal "copied on the way in, encap $encap" \
			"$(copies 'receive_[46]in[46]|ipmesh_receive_udp|ipmesh_decap_batch')" ""
		offload "$a" eth0 tso gso on
	done
}

no_copies() {
	probe_copies
	each_pair uncopied
}

# --- BIG TCP ---------------------------------------------------------------------------

# big NS DEV: packets of 150000 bytes
big() {
	ip -n "$1" link set "$2" gso_max_size 150000 gro_max_size 150000 2>/dev/null
}

# streamed_large ADDRESS: with a packet of the pod that is larger than 64 KiB; the
# sender's TCP decides, by how busy the machine is
streamed_large() {
	stream "$pod" "$b" "$1" 4000000
	[ "$(tail -n 1 "$tmp/sizes")" -gt 65575 ]
}

# What is larger than the device takes is cut before it, as it is for a link.
large() {
	local family=$1 address=$2 encap sizes
	nodes
	with_pod
	ip -n "$a" addr add fe80::8/64 dev cali0 nodad
	mesh_nodes "$family"
	big "$a" cali0 || skip "this kernel has no BIG TCP"
	big "$pod" eth0
	# neither a slow machine nor a narrow window makes them small
	in_ns "$pod" sysctl -qw net.ipv4.tcp_tso_rtt_log=30 net.ipv4.tcp_wmem="4096 4000000 8000000"
	in_ns "$b" sysctl -qw net.ipv4.tcp_rmem="4096 4000000 8000000"
	# a kernel whose tunnels take them says so
	big "$a" ipmesh0 || true
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		# the buffers are large once the window is
		: >"$tmp/sizes"
		start "$a" packet sizes cali0 >"$tmp/sizes"
		sizes=$pid
		busywait file_has "$tmp/sizes" watching
		busywait streamed_large "$address" ||
			fail "no packet of the pod was larger than $(tail -n 1 "$tmp/sizes")"
		kill "$sizes"
		wait "$sizes" 2>/dev/null || true
	done
	no_drops "$a" "$b"
	equal "wrong checksums" "$(bad_checksums "$b")" 0
}

# Of IPv6: for IPv4 it came later, and ip has other words for it.
big_tcp() {
	local pair
	for pair in "$pair_of_6in4" "$pair_of_6in6"; do
		# shellcheck disable=SC2086
		large $pair
	done
}

# --- lists of packets ---------------------------------------------------------------------

# GRO makes a list of the datagrams of a flow that are to be forwarded.
listed() {
	local family=$1 address=$2 encap before forwarded
	nodes
	with_pod
	ip -n "$a" addr add fe80::8/64 dev cali0 nodad
	mesh_nodes "$family"
	offload "$pod" eth0 tso gso tx-udp-segmentation off
	merges "$a" cali0
	offload "$a" cali0 rx-gro-list on 2>/dev/null || skip "this kernel has no rx-gro-list"
	for encap in none udp; do
		encap "$a" "$encap"
		encap "$b" "$encap"
		ping_of "$pod" "$address"
		before=$(count "$b" ipmesh0 rx_packets)
		forwarded=$(forwards "$a")
		for _ in 1 2 3 4 5; do
			in_ns "$pod" packet gso "$address" 20 1000
		done
		busywait is "$((before + 100))" count "$b" ipmesh0 rx_packets
		forwarded=$(($(forwards "$a") - forwarded))
		[ "$forwarded" -lt 100 ] || fail "GRO has made no list of 100 datagrams"
	done
	no_drops "$a" "$b"
	equal "wrong checksums" "$(bad_checksums "$b")" 0
	same_counts
}

# forwards NS: packets
forwards() {
	ip_count "$1" 7 Ip6OutForwDatagrams
}

lists() {
	each_pair listed
}

run_tests no_copies big_tcp lists
