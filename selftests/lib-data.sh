# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the tests of the data path, after lib.sh: two nodes with both
# families inside and outside.
#
#     a: 172.16.40.1 fd00::1 eth0 ------ eth0 172.16.40.2 fd00::2 :b
#        10.244.1.1 fd10:1::1                 10.244.2.1 fd10:2::1
#        ipmesh0                              ipmesh0
#
# The link-layer address of eth0 ends with the node's number.

# shellcheck source=lib-messages.sh
. "$here/lib-messages.sh"

pair_of_4in4="4 10.244.2.1"
pair_of_6in4="4 fd10:2::1"
pair_of_4in6="6 10.244.2.1"
pair_of_6in6="6 fd10:2::1"

# each_pair FUNCTION: with the underlay's family and b's address in the overlay.
each_pair() {
	local pair
	for pair in "$pair_of_4in4" "$pair_of_6in4" "$pair_of_4in6" "$pair_of_6in6"; do
		# shellcheck disable=SC2086
		"$1" $pair
	done
}

# nodes [MTU]: a and b with their underlay.
nodes() {
	setup_ns a b
	link_nodes "$a" eth0 1 "$b" eth0 2 "${1:-1500}"
}

# link_nodes NS1 DEV1 N1 NS2 DEV2 N2 [MTU [NET]]: a veth pair; nothing that the
# kernel says by itself is on it but multicast listener reports. NET is the third
# number of the IPv4 subnet and the second group of the IPv6 one.
link_nodes() {
	local mtu=${7:-1500} net=${8:-40} net6=fd00:
	[ "$net" = 40 ] || net6=fd00:$net:
	ip link add "$2" netns "$1" mtu "$mtu" address "02:00:00:00:00:0$3" \
		type veth peer "$5" netns "$4" mtu "$mtu" address "02:00:00:00:00:0$6"
	ip_batch "$1" <<-END
		link set $2 addrgenmode none
		link set $2 up
		addr add 172.16.$net.$3/24 dev $2
		addr add $net6:$3/64 dev $2 nodad
	END
	ip_batch "$4" <<-END
		link set $5 addrgenmode none
		link set $5 up
		addr add 172.16.$net.$6/24 dev $5
		addr add $net6:$6/64 dev $5 nodad
	END
}

# underlay FAMILY N: a node's address there
underlay() {
	case $1 in
	4) echo "172.16.40.$2" ;;
	6) echo "fd00::$2" ;;
	esac
}

# mesh_nodes FAMILY [KEY VALUE]…: a device on each node, the other its peer
mesh_nodes() {
	local family=$1
	shift
	mesh_node "$a" 1 "$(underlay "$family" 1)" 2 "$(underlay "$family" 2)" "$@"
	mesh_node "$b" 2 "$(underlay "$family" 2)" 1 "$(underlay "$family" 1)" "$@"
}

# mesh_node NS OWN LOCAL OTHER ENDPOINT [KEY VALUE]…
mesh_node() {
	local ns=$1 own=$2 local=$3 other=$4 endpoint=$5
	shift 5
	mesh -n "$ns" link add ipmesh0 local "$local" "$@"
	mesh -n "$ns" peer new ipmesh0 "$endpoint" cidr "10.244.$other.0/24" cidr "fd10:$other::/64"
	ip_batch "$ns" <<-END
		link set ipmesh0 up
		addr add 10.244.$own.1/32 dev ipmesh0
		addr add fd10:$own::1/128 dev ipmesh0 nodad
		route add 10.244.$other.0/24 dev ipmesh0 src 10.244.$own.1
		route add fd10:$other::/64 dev ipmesh0 src fd10:$own::1
	END
}

no_mesh() {
	ip -n "$a" link del ipmesh0
	ip -n "$b" link del ipmesh0
}

# encap NS none|udp [KEY VALUE]…: of ipmesh0
encap() {
	local ns=$1
	shift
	in_ns "$ns" packet encap ipmesh0 "$@"
}

# peer_encap NS N none|udp|device [dport N]: of ipmesh0's peer, node N; $family
peer_encap() {
	local ns=$1 n=$2
	shift 2
	# shellcheck disable=SC2154 # the test's
	in_ns "$ns" packet peer ipmesh0 "$(underlay "$family" "$n")" "$@"
}

# with_pod: 10.244.1.7 and fd10:1::7 behind a, so that what is sent is forwarded
with_pod() {
	setup_ns pod
	ip link add eth0 netns "$pod" address 02:00:00:00:00:07 \
		type veth peer cali0 netns "$a" address 02:00:00:00:00:08
	ip_batch "$pod" <<-END
		link set eth0 addrgenmode none
		link set eth0 up
		addr add 10.244.1.7/24 dev eth0
		addr add fd10:1::7/64 dev eth0 nodad
		route add default via 10.244.1.8
		route add default via fd10:1::8
	END
	ip_batch "$a" <<-END
		link set cali0 addrgenmode none
		link set cali0 up
		addr add 10.244.1.8/32 dev cali0
		addr add fd10:1::8/128 dev cali0 nodad
		route add 10.244.1.7 dev cali0
		route add fd10:1::7 dev cali0
	END
	forward "$a"
}

# no_kernel_messages COMMAND…: what the kernel says of its clock apart
no_kernel_messages() {
	local mark="$tmp $EPOCHREALTIME" said
	echo "<6>$mark" >/dev/kmsg
	"$@"
	said=$(dmesg --notime | sed "1,/${mark//\//.}/d" | but_noise |
		grep -v 'link becomes ready' || true)
	equal "what the kernel says of $*" "$said" ""
}

# echo_keys [OPTION]…: of ping, for "mesh echo", in $keys. Ping itself waits for the
# last answers no longer than the first ones took.
echo_keys() {
	keys=()
	while [ $# -gt 0 ]; do
		case $1 in
		-I) keys+=(from "$2") ;;
		-m) keys+=(mark "$2") ;;
		-s) keys+=(size "$2") ;;
		-t) keys+=(ttl "$2") ;;
		-M) case $2 in
			do) keys+=(df on) ;;
			dont) keys+=(df off) ;;
			*) fail "ping -M $2" ;;
			esac ;;
		*) fail "ping $1" ;;
		esac
		shift 2
	done
}

# ping_of NS ADDRESS [OPTION]…: three of three answers, of either family
ping_of() {
	local ns=$1 address=$2 keys
	shift 2
	echo_keys "$@"
	pings "$ns" "$address" "${keys[@]}"
}

# no_ping_of NS TEXT ADDRESS [OPTION]…: one request, and no answer, but TEXT, an error
# told by mesh echo
no_ping_of() {
	local ns=$1 text=$2 address=$3 keys
	shift 3
	echo_keys "$@"
	ping_fails "$ns" "$text" "$address" "${keys[@]}"
}

# once NS ADDRESS [OPTION]…: one request, whatever comes of it
once() {
	local ns=$1 address=$2 keys
	shift 2
	echo_keys "$@"
	mesh -n "$ns" echo 1 "$address" "${keys[@]}" wait 100 >/dev/null 2>&1 || true
}

listening() {
	[ -n "$(in_ns "$1" ss -Hltn "sport = $2")" ]
}

# stream NS1 NS2 ADDRESS BYTES: by TCP from the one to the other, all of it right
stream() {
	local from=$1 to=$2 address=$3 size=$4 family=4 target=$3
	case $address in
	*:*)
		family=6
		target="[$address]" ;;
	esac
	[ "$(stat -c %s "$tmp/sent" 2>/dev/null)" = "$size" ] ||
		seq 10000000 19999999 | head -c "$size" >"$tmp/sent"
	start "$to" socat -u "TCP$family-LISTEN:5001,reuseaddr" "CREATE:$tmp/got"
	busywait listening "$to" 5001
	in_ns "$from" socat -u -b 1000000 "FILE:$tmp/sent" "TCP$family:$target:5001" ||
		fail "no stream to $address"
	wait "$pid" || fail "the stream to $address ended badly"
	cmp "$tmp/sent" "$tmp/got" || fail "another stream came to $address"
}

# one_cpu: all that follows in this test is done by the first CPU
one_cpu() {
	taskset -pc 0 "$BASHPID" >/dev/null
	# shellcheck disable=SC2154 # of the coprocess in lib.sh
	taskset -pc 0 "$MESH_PID" >/dev/null
	defer "taskset -pc 0-$(($(nproc --all) - 1)) $MESH_PID >/dev/null"
}

# plugged: a's link can be plugged, and is not yet
plugged() {
	modprobe -q sch_plug || skip "this kernel has no sch_plug"
	in_ns "$a" tc qdisc add dev eth0 root handle 1: plug limit 1000000
	plug release_indefinite
}

# plug WORD: holds what a sends, lets it go in one batch
plug() {
	in_ns "$a" tc qdisc change dev eth0 root handle 1: plug "$1"
}

# backlogged N: as many bytes wait at a's link
backlogged() {
	[ "$(in_ns "$a" tc -j -s qdisc show dev eth0 | tr , '\n' | sed -n 's/^"backlog"://p')" -ge "$1" ]
}

# packets NS DEV tx|rx: as the link counts them, where a GSO packet is one
packets() {
	# shellcheck disable=SC2016
	in_ns "$1" awk -F '[: ]+' -v dev="$2" -v way="$3" '
		{ sub(/^ */, "") }
		$1 == dev { print way == "rx" ? $3 : $11 }' /proc/net/dev
}

# ip_count NS FIELD NAME6: of IP in /proc/net, both families: the FIELDth of "Ip:",
# and what IPv6 calls NAME6
ip_count() {
	local four six
	# shellcheck disable=SC2016 # what awk expands
	four=$(in_ns "$1" awk -v field="$2" '/^Ip:/ { n = $field } END { print n }' /proc/net/snmp)
	# shellcheck disable=SC2016
	six=$(in_ns "$1" awk -v name="$3" '$1 == name { print $2 }' /proc/net/snmp6)
	echo $((four + six))
}

# ip_receives NS: packets that IP has got, outer ones and inner ones
ip_receives() {
	ip_count "$1" 4 Ip6InReceives
}

# same_counts: what the one end sent the other received, both ways
same_counts() {
	busywait same_count tx_packets rx_packets
	busywait same_count tx_bytes rx_bytes
}

same_count() {
	[ "$(count "$a" ipmesh0 "$1")" = "$(count "$b" ipmesh0 "$2")" ] &&
		[ "$(count "$b" ipmesh0 "$1")" = "$(count "$a" ipmesh0 "$2")" ]
}

no_drops() {
	local ns
	for ns; do
		counts "$ns" ipmesh0 -- tx_dropped=0 rx_dropped=0
	done
}

# watch NS DEV COUNT [TEXT]: see packet.c; watched waits for them and prints them.
watch() {
	: >"$tmp/watch"
	"$here/mesh" -n "$1" exec packet watch "${@:2}" >"$tmp/watch" 2>&1 &
	watch_pid=$!
	pids+=("$watch_pid")
	busywait file_has "$tmp/watch" watching
}

watched() {
	wait_end "$watch_pid"
	sed 1d "$tmp/watch"
}

# forward NS…: they are routers, and every ICMP error is sent
forward() {
	local ns
	for ns; do
		in_ns "$ns" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
			net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	done
}

# offload NS DEV FEATURE… on|off
offload() {
	local ns=$1 dev=$2 features=()
	shift 2
	while [ $# -gt 1 ]; do
		features+=("$1" "${!#}")
		set -- "${@:2}"
	done
	in_ns "$ns" ethtool -K "$dev" "${features[@]}" >/dev/null
}

# knows_feature NS FEATURE: the kernel has it, and ipmesh0 lets it be set
knows_feature() {
	in_ns "$1" ethtool -k ipmesh0 | grep "^$2:" | grep -qv 'fixed'
}

# merges NS DEV: from now on veth gives what it receives to GRO. It has a NAPI for that, for
# which 5.10's wants a program.
merges() {
	offload "$1" "$2" gro on
	[[ $(uname -r) != 5.10.* ]] || in_ns "$1" xdp "$2" driver
}

# bad_checksums NS: of TCP, UDP and IP together
bad_checksums() {
	# shellcheck disable=SC2016
	in_ns "$1" awk '
		/^(Tcp|Udp|Ip):/ && !($1 in names) { names[$1] = $0; next }
		/^(Tcp|Udp|Ip):/ {
			n = split(names[$1], name)
			for (i = 1; i <= n; i++)
				if (name[i] ~ /^(InCsumErrors|InHdrErrors)$/)
					sum += $i
		}
		END { print sum + 0 }' /proc/net/snmp
}

# --- a path with a router -------------------------------------------------------------
#
#     pod -- a 172.16.40.1 ---- .40.9 r .50.9 ---- 172.16.50.2 b -- pod2

# path MTU: a, r and b, the pods, the narrow link from r to b; no device yet
path() {
	setup_ns a r b
	link_nodes "$a" eth0 1 "$r" eth0 9
	link_nodes "$r" eth1 9 "$b" eth0 2 "$1" 50
	# what b sends is cut by b itself where it must be
	ip_batch "$a" <<-END
		route add 172.16.50.0/24 via 172.16.40.9
		route add fd00:50::/64 via fd00::9
	END
	ip_batch "$b" <<-END
		route add 172.16.40.0/24 via 172.16.50.9
		route add fd00::/64 via fd00:50::9
	END
	with_pod
	behind_b
	forward "$r" "$b"
	# with which a router asks for its neighbours
	ip -n "$r" addr add fe80::9/64 dev eth0 nodad
	ip -n "$r" addr add fe80::9/64 dev eth1 nodad
	ip -n "$a" addr add fe80::8/64 dev cali0 nodad
	ip -n "$b" addr add fe80::8/64 dev cali0 nodad
}

behind_b() {
	setup_ns pod2
	ip link add eth0 netns "$pod2" type veth peer cali0 netns "$b"
	ip_batch "$pod2" <<-END
		link set eth0 addrgenmode none
		link set eth0 up
		addr add 10.244.2.7/24 dev eth0
		addr add fd10:2::7/64 dev eth0 nodad
		route add default via 10.244.2.8
		route add default via fd10:2::8
	END
	ip_batch "$b" <<-END
		link set cali0 addrgenmode none
		link set cali0 up
		addr add 10.244.2.8/32 dev cali0
		addr add fd10:2::8/128 dev cali0 nodad
		route add 10.244.2.7 dev cali0
		route add fd10:2::7 dev cali0
	END
}

# meshed FAMILY none|udp [KEY VALUE]…: the devices
meshed() {
	local family=$1 encap=$2 one=172.16.40.1 two=172.16.50.2
	shift 2
	[ "$family" = 4 ] || one=fd00::1 two=fd00:50::2
	mesh_node "$a" 1 "$one" 2 "$two" "$@"
	mesh_node "$b" 2 "$two" 1 "$one" "$@"
	encap "$a" "$encap"
	encap "$b" "$encap"
}
