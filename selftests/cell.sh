#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Where received packets wait before they are received from the device.
#
#     a 172.16.40.1 fd00::1 ======== 172.16.40.2 fd00::2 b
#       ipmesh0                        ipmesh0
#       10.244.1.1 fd10:1::1           10.244.2.1 fd10:2::1
#
# The datagrams of one call of a come to b as single packets in one batch: what GRO
# makes of them can be seen on b's ipmesh0.  Proves, for both families outside and
# inside: UDP goes past GRO, as it came and in its order, unless the device is told to
# merge what is forwarded or a socket asks for it; TCP is merged unless GRO is off, and
# comes in its order with clones among it; both at a time.  A large packet does not wait
# for the NAPI, but behind others, and where that has a thread; what has no data is
# not given to GRO.  A stream in a tunnel in the tunnel waits once a level: the stack does
# not grow.  Then: what is over netdev_max_backlog is counted, each packet of it; nothing is lost or damaged when
# another CPU than its own empties a queue, by a thread or by steering; devices go with
# packets in their queues, and none of these is received afterwards.
# shellcheck disable=SC2016 # what awk and other shells expand
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"
. "$(dirname "$0")/lib-trace.sh"

# single_packets: what a sends is cut before the link, and no GRO is but the tunnel's
single_packets() {
	offload "$a" eth0 tso tx-udp-segmentation gso off
	offload "$b" eth0 gro off
}

# What runs in a softirq may be preempted there, so that a batch comes in parts.
real_time() {
	[[ $(uname -v) == *PREEMPT_RT* ]]
}

# burst ADDRESS WHAT LENGTH: of 20 datagrams the first on b's ipmesh0 has the length of
# so many bytes of data
burst() {
	local address=$1 what=$2 data=$3 got head=28
	watch "$b" ipmesh0 1 "proto 17"
	in_ns "$a" packet gso "$address" 20 1000
	got=$(watched)
	[[ $address != *:* ]] || head=8
	# there the first may be a part of its own
	if [ "$data" -eq 1000 ] || ! real_time; then
		contains "$what" "$got" " len $((data + head)) "
	fi
}

# takes ADDRESS WHAT READS [gro]: a socket gets the 20 datagrams of a burst, in their
# order, in so many reads
takes() {
	local address=$1 family=4 reads
	case $address in
	*:*) family=6 ;;
	esac
	: >"$tmp/took"
	start "$b" packet take "$family" 20 1000 ${4:+"$4"} >"$tmp/took"
	busywait file_has "$tmp/took" taking
	in_ns "$a" packet gso "$address" 20 1000
	wait "$pid" || fail "$2: $(cat "$tmp/took")"
	reads=$(sed 1d "$tmp/took")
	if [ "$3" -eq 1 ] && real_time; then
		[ "${reads% reads}" -lt 20 ] || fail "$2: nothing is merged: $reads"
	else
		equal "$2" "$reads" "$3 reads"
	fi
}

datagrams() {
	local family=$1 address=$2
	nodes
	mesh_nodes "$family"
	single_packets
	ping_of "$a" "$address"
	burst "$address" "without a socket" 1000
	takes "$address" "a socket that has not asked for GRO" 20
	takes "$address" "a socket with UDP_GRO" 1 gro
	# from here on some socket has it, and each flow is asked for
	start "$a" packet take 4 20 1000 gro >"$tmp/other"
	busywait file_has "$tmp/other" taking
	burst "$address" "without a socket, beside one with UDP_GRO" 1000
	takes "$address" "a socket beside one with UDP_GRO" 20
	takes "$address" "a socket with UDP_GRO beside another" 1 gro
	# 5.10 was given the name of the feature later, and nothing that heeds it
	if knows_feature "$b" rx-udp-gro-forwarding && [[ $(uname -r) != 5.10.* ]]; then
		offload "$b" ipmesh0 rx-udp-gro-forwarding on
		burst "$address" "merged for forwarding" 20000
	fi
	offload "$b" ipmesh0 gro off
	burst "$address" "without GRO" 1000
	takes "$address" "without GRO, for a socket" 20
	takes "$address" "without GRO, for a socket that asks for it" 20 gro
	no_drops "$a" "$b"
}

udp() {
	each_pair datagrams
}

netstat() {
	in_ns "$1" awk -v name="$2" '
		$1 == "TcpExt:" && !n { n = split($0, names); next }
		$1 == "TcpExt:" { for (i = 1; i <= n; i++) if (names[i] == name) print $i }' \
		/proc/net/netstat
}

# received NS: by IPv4, the outer packets and the inner ones
received() {
	in_ns "$1" awk '/^Ip:/ { n = $4 } END { print n }' /proc/net/snmp
}

# What a's TCP sends as one segment is a clone, what is cut from a larger one is not.
tcp() {
	local before packets
	one_cpu
	nodes
	mesh_nodes 4
	single_packets
	in_ns "$a" sysctl -qw net.ipv4.tcp_min_tso_segs=32
	before=$(received "$b")
	packets=$(count "$b" ipmesh0 rx_packets)
	stream "$a" "$b" 10.244.2.1 1000000
	same_counts
	packets=$(($(count "$b" ipmesh0 rx_packets) - packets))
	before=$(($(received "$b") - before))
	# half of the packets would be merged into others were they two by two
	[ "$before" -lt $((packets + packets / 2)) ] ||
		fail "IP received $before packets, of which $packets were the link's"
	offload "$b" ipmesh0 gro off
	before=$(received "$b")
	packets=$(count "$b" ipmesh0 rx_packets)
	stream "$a" "$b" 10.244.2.1 1000000
	same_counts
	packets=$(($(count "$b" ipmesh0 rx_packets) - packets))
	busywait is $((before + 2 * packets)) received "$b"
	equal "segments out of order" "$(netstat "$b" TCPOFOQueue)" 0
	no_drops "$a" "$b"
}

# no_ports NS: UDP packets that no socket was there for
no_ports() {
	in_ns "$1" awk '/^Udp:/ { n = $3 } END { print n }' /proc/net/snmp
}

# datagrams_of_a N ADDRESS: N bursts of 20
datagrams_of_a() {
	"$here/mesh" -n "$a" exec bash -c 'for ((n = 0; n < $0; n++)); do
		packet gso "$1" 20 1000; done' "$@"
}

mixed() {
	local sender
	one_cpu
	nodes
	mesh_nodes 4
	single_packets
	datagrams_of_a 50 10.244.2.1 &
	sender=$!
	stream "$a" "$b" 10.244.2.1 2000000
	wait "$sender"
	busywait is 1000 no_ports "$b"
	same_counts
	equal "segments out of order" "$(netstat "$b" TCPOFOQueue)" 0
	no_drops "$a" "$b"
}

# record EVENT…: from here on, those of ipmesh devices
record() {
	local event
	trace_ready "tracepoints of the network" events/napi
	for event; do
		case $event in
		napi/*) trace_event "$event" 'dev_name ~ "ipmesh*"' ;;
		*) trace_event "$event" 'name ~ "ipmesh*"' ;;
		esac
	done
}

# recorded PATTERN: how many events match
recorded() {
	grep -c -e "$1" "$tracing/trace" || true
}

large_by() {
	local family=$1 address=$2
	nodes
	mesh_nodes "$family"
	ping_of "$a" "$address"
	record net/netif_receive_skb_entry napi/napi_poll
	takes "$address" "a large packet" 1 gro
	trace_off
	equal "received at once" \
		"$(recorded 'netif_receive_skb_entry: dev=ipmesh0 .* gso_size=1000 ')" 1
	equal "by a NAPI" "$(recorded 'napi_poll: .* device ipmesh0 ')" 0
	no_drops "$a" "$b"
}

# With a NAPI of its own b's link gives all of a batch to the tunnel.
large() {
	one_cpu
	setup_ns a
	mesh -n "$a" link add ipmesh0
	knows_feature "$a" tx-udp-segmentation ||
		skip "no device of software takes large UDP packets in this kernel"
	each_pair large_by
	nodes
	mesh_nodes 4
	merges "$b" eth0
	ping_of "$a" 10.244.2.1
	# no answers, which would be counted too
	in_ns "$b" sysctl -qw net.ipv4.icmp_ratelimit=1000000
	plugged
	plug block
	in_ns "$a" packet gso 10.244.2.1 1 100
	in_ns "$a" packet gso 10.244.2.1 20 1000
	in_ns "$a" packet gso 10.244.2.1 1 200
	record napi/napi_poll
	watch "$b" ipmesh0 3 "proto 17"
	plug release_indefinite
	equal "the order" "$(watched | sed 's/.* len \([0-9]*\) .*/\1/' | xargs)" "108 20008 208"
	trace_off
	equal "the packets of the NAPI" "$(recorded 'napi_poll: .* device ipmesh0 work 3 ')" 1
}

# A segment that TCP keeps, a clone, and in the same batch what GRO merges and hands on
# at once, for its last segment says push.
clones() {
	local fifo=$tmp/fifo
	one_cpu
	nodes
	mesh_nodes 4
	single_packets
	in_ns "$a" sysctl -qw net.ipv4.tcp_min_tso_segs=32
	# all of it at once, and nothing twice however long it is held
	ip -n "$a" route change 10.244.2.0/24 dev ipmesh0 src 10.244.1.1 initcwnd 40 rto_min 100s
	plugged
	start "$b" socat -u TCP4-LISTEN:5001,reuseaddr "CREATE:$tmp/got"
	busywait listening "$b" 5001
	mkfifo "$fifo"
	start "$a" bash -c 'exec 3>/dev/tcp/10.244.2.1/5001
		echo connected
		read -r _ <"$0"
		printf %100s >&3
		head -c 30000 /dev/zero | dd bs=30000 iflag=fullblock status=none >&3
		read -r _ <"$0"' "$fifo" >"$tmp/connected"
	busywait file_has "$tmp/connected" connected
	plug block
	echo >"$fifo"
	busywait backlogged 30000
	record net/netif_receive_skb_entry net/napi_gro_receive_entry
	plug release_indefinite
	busywait is 30100 stat -c %s "$tmp/got"
	trace_off
	equal "the clone's ways" "$(recorded 'netif_receive_skb_entry: dev=ipmesh0 .* len=152 ')" 1
	[ "$(recorded 'napi_gro_receive_entry: dev=ipmesh0 .* len=1[34][0-9][0-9] ')" -ge 20 ] ||
		fail "only $(recorded 'napi_gro_receive_entry: dev=ipmesh0 ') packets were given to GRO"
	equal "segments out of order" "$(netstat "$b" TCPOFOQueue)" 0
	echo >"$fifo"
	no_drops "$a" "$b"
}

# TCP's packets without data come to a: none goes through GRO, where b's may, the last
# ones, behind data.
bare() {
	nodes
	mesh_nodes 4
	single_packets
	record net/napi_gro_receive_entry net/netif_receive_skb_entry \
		net/netif_receive_skb_list_entry
	stream "$a" "$b" 10.244.2.1 1000000
	trace_off
	[ "$(recorded 'napi_gro_receive_entry: .* len=5[0-9] ')" -le 2 ] ||
		fail "GRO was given what has no data: $(recorded 'napi_gro_receive_entry: .* len=5[0-9] ')"
	[ "$(recorded 'netif_receive_skb_.*entry: .* len=5[0-9] ')" -ge 20 ] ||
		fail "no acknowledgments were seen"
	no_drops "$a" "$b"
}

# inner NS OWN OTHER: a tunnel in the tunnel
inner() {
	mesh -n "$1" link add ipmesh1 local "10.244.$2.1"
	mesh -n "$1" peer new ipmesh1 "10.244.$3.1" cidr "10.245.$3.0/24"
	ip_batch "$1" <<-END
		link set ipmesh1 up
		addr add 10.245.$2.1/32 dev ipmesh1
		route add 10.245.$3.0/24 dev ipmesh1 src 10.245.$2.1
	END
}

# stacks: of events, a line each
stacks() {
	awk '/: \(?[a-z_]*: dev=/ || /entry: dev=/ { if (s) print s; s = $0; next }
		/^ *=> / { s = s " " $2 } END { print s }' "$tracing/trace"
}

levels() {
	nodes
	mesh_nodes 4
	inner "$a" 1 2
	inner "$b" 2 1
	single_packets
	record net/netif_receive_skb_entry net/netif_receive_skb_list_entry net/napi_gro_receive_entry
	echo 1 >"$tracing/options/stacktrace"
	stream "$a" "$b" 10.245.2.1 1000000
	trace_off
	stacks >"$tmp/stacks"
	grep -q "dev=ipmesh1 .* gso_size=1[0-9]* .*cell_poll" "$tmp/stacks" ||
		fail "no large packets came to the inner tunnel: $(head -c 2000 "$tmp/stacks")"
	equal "a large packet received while others are handed on" \
		"$(awk '/receive_large.* cell_poll/' "$tmp/stacks")" ""
	no_drops "$a" "$b"
}

# backlog N: how many packets may wait; it is all namespaces'
backlog() {
	defer "sysctl -qw net.core.netdev_max_backlog=$(sysctl -n net.core.netdev_max_backlog)"
	sysctl -qw "net.core.netdev_max_backlog=$1"
}

# With a NAPI of its own b's link gives all of a burst to the tunnel before the queue is
# emptied.  The queue takes one packet more than the limit, as all the kernel's.
overrun() {
	one_cpu
	nodes
	mesh_nodes 4
	single_packets
	merges "$b" eth0
	ping_of "$a" 10.244.2.1
	backlog 10
	in_ns "$a" packet gso 10.244.2.1 50 1000
	busywait is 39 count "$b" ipmesh0 rx_queue
	busywait is 11 no_ports "$b"
	# three echoes before
	counts "$b" ipmesh0 -- rx_packets=14 rx_dropped=39
	counts "$b" ipmesh0 172.16.40.1 -- rx_packets=14 rx_queue=39
	backlog 49
	in_ns "$a" packet gso 10.244.2.1 50 1000
	busywait is 61 no_ports "$b"
	counts "$b" ipmesh0 -- rx_packets=64 rx_queue=39
}

# sysfs NS FILE [VALUE]: of the devices of the namespace
sysfs() {
	in_ns "$1" unshare -m bash -ec 'mount -t sysfs sysfs /sys
		[ $# -lt 1 ] || echo "$1" >"/sys/class/net/$0"; cat "/sys/class/net/$0"' "${@:2}"
}

# The queue is of the CPU that a sends on, and b's threads are kept on the other one.
threaded() {
	local thread n
	[ "$(nproc)" -ge 2 ] || skip "one CPU"
	nodes
	mesh_nodes 4
	single_packets
	backlog 100000
	[ "$(sysfs "$b" ipmesh0/threaded 1)" = 1 ] || skip "no threads for a NAPI"
	for thread in $(pgrep "^napi/ipmesh0-"); do
		taskset -pc 1 "$thread" >/dev/null
	done
	taskset -c 0 "$here/mesh" -n "$a" exec bash -c 'for ((n = 0; n < 100; n++)); do
		packet gso 10.244.2.1 40 1000; done'
	busywait is 4000 no_ports "$b"
	# and while it is being switched
	datagrams_of_a 100 10.244.2.1 &
	for ((n = 0; n < 20; n++)); do
		sysfs "$b" ipmesh0/threaded $((n % 2)) >/dev/null
	done
	wait $!
	busywait is 6000 no_ports "$b"
	# all that it receives is the thread's
	one_cpu
	offload "$a" eth0 tso tx-udp-segmentation gso on
	record napi/napi_poll
	takes 10.244.2.1 "a large packet" 1 gro
	equal "by a NAPI" "$(recorded 'napi_poll: .* device ipmesh0 work 1 ')" 1
	stream "$a" "$b" 10.244.2.1 1000000
	same_counts
	no_drops "$a" "$b"
	ip -n "$b" link del ipmesh0
}

steered() {
	[ "$(nproc)" -ge 2 ] || skip "one CPU"
	nodes
	mesh_nodes 4
	single_packets
	backlog 100000
	sysfs "$b" ipmesh0/queues/rx-0/rps_cpus 2 >/dev/null 2>&1 ||
		skip "this kernel steers no packets (CONFIG_RPS)"
	datagrams_of_a 50 10.244.2.1
	busywait is 1000 no_ports "$b"
	stream "$a" "$b" 10.244.2.1 1000000
	same_counts
	no_drops "$a" "$b"
}

received_some() {
	[ "$(count "$b" ipmesh0 rx_packets)" -gt 0 ]
}

gone_while_full() {
	local n
	nodes
	mesh_nodes 4
	single_packets
	start "$a" bash -c 'while :; do packet gso 10.244.2.1 40 1000; done'
	start "$a" bash -c 'while :; do packet gso 10.244.2.1 40 1000; done'
	for ((n = 0; n < 10; n++)); do
		busywait received_some
		[ $((n % 3)) -ne 0 ] || sysfs "$b" ipmesh0/threaded 1 >/dev/null 2>&1 || true
		ip -n "$b" link set ipmesh0 down
		ip -n "$b" link set ipmesh0 up
		ip -n "$b" link del ipmesh0
		mesh_node "$b" 2 172.16.40.2 1 172.16.40.1
	done
	busywait received_some
	kill "${pids[@]}"
	ip netns del "$b" 2>/dev/null || mesh ns del "$b"
}

gone() {
	no_kernel_messages gone_while_full
}

# snmp_in: what IPv4 of this namespace has received; no process is started for it
snmp_in='snmp_in() {
	local lines
	mapfile -t lines </proc/net/snmp
	set -- ${lines[1]}
	echo "$4"
}'

# Rules that take long for each packet from b's device, and a thread that has many to
# hand on while the device goes.
late() {
	local thread
	[ "$(nproc)" -ge 2 ] || skip "one CPU"
	nodes
	mesh_nodes 4
	# or else what waits is of nobody as soon as the peers have gone
	mesh -n "$b" link set ipmesh0 peers open
	single_packets
	backlog 100000
	{
		echo 'table inet m {
			chain one {'
		printf 'meta mark 1 drop\n%.0s' {1..50}
		echo '	}
			chain two {'
		printf 'jump one\n%.0s' {1..50}
		echo '	}
			chain i {
				type filter hook prerouting priority -300
				iifname != "ipmesh0" accept'
		printf 'jump two\n%.0s' {1..50}
		echo '		drop
			}
		}'
	} >"$tmp/rules"
	in_ns "$b" nft -f "$tmp/rules"
	[ "$(sysfs "$b" ipmesh0/threaded 1)" = 1 ] || skip "no threads for a NAPI"
	for thread in $(pgrep "^napi/ipmesh0-"); do
		taskset -pc 1 "$thread" >/dev/null
	done
	one_cpu
	datagrams_of_a 200 10.244.2.1
	: >"$tmp/gone"
	start "$b" unshare -m bash -ec "$snmp_in
		mount -t sysfs sysfs /sys
		echo watching
		while [ -e /sys/class/net/ipmesh0 ]; do :; done
		snmp_in" >"$tmp/gone"
	busywait file_has "$tmp/gone" watching
	ip -n "$b" link del ipmesh0
	wait "$pid"
	equal "received when the device had gone" "$(received "$b")" "$(sed 1d "$tmp/gone")"
	# each outer one, and not yet each inner one
	[ "$(received "$b")" -lt 8000 ] || fail "all packets were received before"
}

run_tests udp tcp mixed large clones bare levels overrun threaded steered gone \
	late
