#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Who may do what: the table of Documentation/security.md, a test for each line.
#
#     container: a namespace of a user namespace's own, with ipmesh0
#           |
#     a: 172.16.40.1 eth0 ------ eth0 172.16.40.2 :b
#
# Proves, for a device that was made in its underlay's namespace and moved to the
# container, and for one that was made in the container with its underlay elsewhere:
# what the container's root, the host's and nobody may change, that a refusal says why
# and changes nothing; how much a user namespace may have; that what is made counts
# for the control group of who made it.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-data.sh"
. "$(dirname "$0")/lib-user.sh"

reaches="EPERM: This reaches into the underlay and takes CAP_NET_ADMIN in its namespace"

# --- who --------------------------------------------------------------------------------

# each_way FUNCTION: with ipmesh0 moved to the container, and made there
each_way() {
	nodes
	container
	ip -n "$a" link add ipmesh0 type ipmesh
	ip -n "$a" link set ipmesh0 netns "$pod"
	"$1"
	by host ip link del ipmesh0 2>/dev/null || true
	container
	ip -n "$pod" netns set "$a" 7
	ip -n "$pod" link add ipmesh0 link-netnsid 7 type ipmesh
	"$1"
}

# state: all that can be read of ipmesh0 and its peers
state() {
	by host mesh link get ipmesh0
	by host mesh peer list ipmesh0 | while read -r endpoint; do
		by host mesh peer get ipmesh0 "$endpoint"
	done
}

# denied WHO TEXT COMMAND…: and nothing has changed
denied() {
	local who=$1 text=$2 before
	shift 2
	before=$(state)
	refused "$text" by "$who" "$@"
	equal "the state after $*" "$(state)" "$before"
}

# --- the device ---------------------------------------------------------------------------

settings() {
	local setting
	for setting in "local 172.16.40.1" "dev 1" "peers open" "ttl 5" "dscp 5" "pmtudisc off" \
		"fwmark 7" "max_peers 9" "encap udp" "dport 4789" "sport 4790" "csum on" \
		"notrack on" "rpf off"; do
		# shellcheck disable=SC2086
		denied root "$reaches" mesh link set ipmesh0 $setting
		# shellcheck disable=SC2086
		denied nobody EPERM mesh link set ipmesh0 $setting
	done
	# what is the device's own does not help what is not
	denied root "$reaches" mesh link set ipmesh0 mtu_auto off fwmark 7
	denied root "$reaches" mesh link set ipmesh0 mtu 1300 fwmark 7
	equal "ports of the underlay" "$(in_ns "$a" ss -Huln)" ""
	for setting in "local 172.16.40.1" "dev 1" "peers open" "ttl 5" "dscp 5" "pmtudisc off" \
		"fwmark 7" "max_peers 9" "encap udp" "dport 4789" "sport 4790" "csum on" \
		"notrack on" "rpf off"; do
		# shellcheck disable=SC2086
		by host mesh link set ipmesh0 $setting
	done
	contains "ports of the underlay" "$(in_ns "$a" ss -Huln)" ":4789 "
}

link_settings() {
	each_way settings
}

own() {
	denied nobody EPERM mesh link set ipmesh0 mtu 1300
	denied nobody EPERM mesh link set ipmesh0 mtu_auto on
	refused "Operation not permitted" by nobody ip link set ipmesh0 up
	by root mesh link set ipmesh0 mtu 1300
	contains "the device" "$(state)" "mtu 1300"
	by root mesh link set ipmesh0 mtu_auto on
	contains "the device" "$(state)" "mtu 1480"
	by root ip link set ipmesh0 up
	by root ip addr add 10.244.1.1/32 dev ipmesh0
	by root ip link set ipmesh0 down
	by root ip link set ipmesh0 name ipmesh1
	by root ip link set ipmesh1 name ipmesh0
}

link_own() {
	each_way own
}

goes() {
	refused "Operation not permitted" by nobody ip link del ipmesh0
	by root ip link del ipmesh0
	refused "does not exist" by host ip link show ipmesh0
}

link_goes() {
	each_way goes
}

# A device whose underlay is the host's: netlink itself refuses it.
link_made() {
	nodes
	container
	ip -n "$pod" netns set "$a" 7
	refused "Operation not permitted" by root ip link add ipmesh0 link-netnsid 7 type ipmesh
	refused "Operation not permitted" by nobody ip link add ipmesh0 type ipmesh
	by host ip link add ipmesh0 link-netnsid 7 type ipmesh
	by root ip link add ipmesh1 type ipmesh
}

# --- peers ---------------------------------------------------------------------------------

new() {
	local verb
	by host mesh peer new ipmesh0 172.16.40.2 name two
	for verb in new add replace; do
		denied root "$reaches" mesh peer "$verb" ipmesh0 172.16.40.9 cidr 10.244.9.0/24
		denied nobody EPERM mesh peer "$verb" ipmesh0 172.16.40.9 cidr 10.244.9.0/24
	done
	# what replaces a peer says anew what its packets are carried by
	denied root "$reaches" mesh peer replace ipmesh0 172.16.40.2 name zwei
	by host mesh peer replace ipmesh0 172.16.40.2 name zwei
}

peer_new() {
	each_way new
}

carried() {
	local setting
	by host mesh peer new ipmesh0 172.16.40.2 name two from 172.21.0.0/16
	for setting in "from 172.20.0.0/16" "nofrom 172.21.0.0/16" onlyfroms "encap udp" "encap none" "encap device" "dport 4789" "dport 0" \
		"name zwei encap udp"; do
		# shellcheck disable=SC2086
		denied root "$reaches" mesh peer set ipmesh0 172.16.40.2 $setting
		# shellcheck disable=SC2086
		denied nobody EPERM mesh peer set ipmesh0 172.16.40.2 $setting
	done
	equal "ports of the underlay" "$(in_ns "$a" ss -Huln)" ""
	by host mesh peer set ipmesh0 172.16.40.2 encap udp dport 4789 from 172.20.0.0/16
	contains "ports of the underlay" "$(in_ns "$a" ss -Huln)" ":5555 "
}

peer_encapsulation() {
	each_way carried
}

behind() {
	by host mesh peer new ipmesh0 172.16.40.2 name two cidr 10.244.2.0/24
	by host mesh peer new ipmesh0 172.16.40.3 cidr 10.244.3.0/24
	denied nobody EPERM mesh peer set ipmesh0 172.16.40.2 name zwei
	denied nobody EPERM mesh peer set ipmesh0 172.16.40.2 cidr 10.244.4.0/24
	denied nobody EPERM mesh peer set ipmesh0 172.16.40.2 routes none
	by root mesh peer set ipmesh0 172.16.40.2 name zwei cidr 10.244.4.0/24 remove 10.244.2.0/24 \
		routes none
	contains "the peer" "$(by root mesh peer get ipmesh0 172.16.40.2)" "routes none"
	prints 172.16.40.2 by root mesh peer find ipmesh0 10.244.4.1
	by root mesh peer set ipmesh0 172.16.40.2 cidr 10.244.3.0/24 move
	contains "the peer" "$(by root mesh peer get ipmesh0 172.16.40.2)" "routes none"
	by root mesh peer set ipmesh0 172.16.40.3 only cidr fd10:3::/64 source 192.0.2.3/32
	contains "the peer" "$(by root mesh peer get ipmesh0 172.16.40.3)" "source 192.0.2.3/32"
	by root mesh peer set ipmesh0 172.16.40.3 onlysources
	prints 172.16.40.2 by root mesh peer find ipmesh0 10.244.3.1
	prints 172.16.40.3 by root mesh peer find ipmesh0 fd10:3::1
	# what is replaced is as if it was new
	by host mesh peer replace ipmesh0 172.16.40.2
	lacks "the peer" "$(by root mesh peer get ipmesh0 172.16.40.2)" "routes none"
}

peer_name_and_cidrs() {
	each_way behind
}

peer_goes_of() {
	by host mesh peer new ipmesh0 172.16.40.2 encap udp
	denied nobody EPERM mesh peer del ipmesh0 172.16.40.2
	by root mesh peer del ipmesh0 172.16.40.2
	equal "peers" "$(by host mesh peer list ipmesh0)" ""
}

peer_goes() {
	each_way peer_goes_of
}

seen() {
	local who
	by host mesh peer new ipmesh0 172.16.40.2 name two cidr 10.244.2.0/24
	for who in root nobody; do
		contains "a peer" "$(by "$who" mesh peer get ipmesh0 172.16.40.2)" two
		prints 172.16.40.2 by "$who" mesh peer list ipmesh0
		prints 172.16.40.2 by "$who" mesh peer find ipmesh0 10.244.2.1
		prints "$(by host mesh link get ipmesh0)" by "$who" mesh link get ipmesh0
	done
}

reading() {
	each_way seen
}

# The container's own underlay is the container's.
own_underlay() {
	local setting
	container
	by root ip link add ipmesh0 type ipmesh
	for setting in "local 172.16.40.1" "dev 1" "peers open" "ttl 5" "dscp 5" "pmtudisc off" \
		"fwmark 7" "max_peers 9" "encap udp" "dport 4789" "sport 4790" "csum on" \
		"notrack on" "rpf off" "encap none"; do
		# shellcheck disable=SC2086
		by root mesh link set ipmesh0 $setting
		# shellcheck disable=SC2086
		denied nobody EPERM mesh link set ipmesh0 $setting
	done
	by root mesh peer new ipmesh0 172.16.40.2 encap udp cidr 10.244.2.0/24
	by root mesh peer set ipmesh0 172.16.40.2 encap none
	by root mesh peer replace ipmesh0 172.16.40.2
	by root mesh peer del ipmesh0 172.16.40.2
	# a port of its namespace's is its own however low
	by root mesh link set ipmesh0 dport 53 encap udp
}

# What an unprivileged program may not bind, it may not by us: a process that has no
# more than CAP_NET_ADMIN.
low_port() {
	nodes
	mesh -n "$a" link add ipmesh0
	refused "CAP_NET_BIND_SERVICE" in_ns "$a" setpriv --bounding-set=-all,+net_admin \
		"$here/mesh" link set ipmesh0 encap udp dport 53
	refused "EACCES" in_ns "$a" setpriv --bounding-set=-all,+net_admin \
		"$here/mesh" link set ipmesh0 encap udp dport 53
	in_ns "$a" setpriv --bounding-set=-all,+net_admin \
		"$here/mesh" link set ipmesh0 encap udp dport 4789
	mesh -n "$a" link set ipmesh0 dport 53
}

# --- how much --------------------------------------------------------------------------------

# many_devices NAME FROM TO: as the container's root
many_devices() {
	local i
	for ((i = $2; i <= $3; i++)); do
		echo "link add $1$i type ipmesh local 10.0.$((i / 256)).$((i % 256))"
	done | by root ip -batch -
}

one_more() {
	by root ip link add "$1" type ipmesh local "$2"
}

# beside the first, which stays $pod and $keeper
container_two() {
	local first=$keeper pod
	container
	by root ip link add m1 type ipmesh
	keeper=$first
}

device_limit() {
	local i
	container
	many_devices m 1 250
	# another user namespace in it, and another network namespace, are the same user's
	# shellcheck disable=SC2016 # what that shell expands
	refused "A user namespace has at most 256 ipmesh devices" by root \
		unshare --user --map-root-user --net bash -ec 'for i in {1..6}; do
			ip link add m$i type ipmesh local 10.0.0.$i
		done
		ip link add m7 type ipmesh local 10.0.0.7'
	# what went with that namespace is given back
	for i in {251..256}; do
		busywait one_more "m$i" "10.1.1.$((i - 250))"
	done
	refused "A user namespace has at most 256 ipmesh devices" by root ip link add m257 type ipmesh
	by root ip link del m1
	by root ip link add m1 type ipmesh
	# nor has another container that its root has made
	container_two
	# the host has no such limit
	ip -n "$pod" link set m2 netns 1
	ip link del m2
	by root ip link add m2 type ipmesh local 10.0.0.2
}

# Whoever makes user namespaces for himself is one user, however many they are.
user_limit() {
	local first
	keep() {
		setpriv --reuid 65534 --regid 65534 --clear-groups \
			unshare --user --map-root-user --net sleep infinity &
		keeper=$!
		pids+=("$keeper")
		busywait keeps "$keeper"
	}
	keep
	many_devices m 1 200
	first=$keeper
	keep
	many_devices m 1 56
	refused "A user namespace has at most 256 ipmesh devices" by root ip link add m57 type ipmesh
	keeper=$first
	refused "A user namespace has at most 256 ipmesh devices" by root ip link add m201 type ipmesh
	by root ip link del m200
	by root ip link add m201 type ipmesh
	# another's is not
	container
	by root ip link add m1 type ipmesh
}

# memory NAME: what the kernel says of the group
memory() {
	sed -n "s/^$1 //p" "$group/memory.stat"
}

at_least() {
	[ "$(memory "$1")" -ge "$2" ]
}

# settled KEY: tables that have grown are freed a little later, and it is summed up by and by
settled() {
	local was
	was=$(memory "$1")
	read -rt 6 <><(:) || true
	[ "$(memory "$1")" = "$was" ]
}

# in_group COMMAND…: in namespace a
in_group() {
	# shellcheck disable=SC2016
	in_ns "$a" bash -ec 'echo $$ >"$0"/cgroup.procs; exec "$@"' "$group" "$@"
}

# devices KIND: what a hundred of them take of each CPU's memory, in $took
devices() {
	local before i
	before=$(memory percpu)
	for ((i = 1; i <= 100; i++)); do
		echo "link add m$i type $*"
	done | sed 's/\(m\([0-9]*\) .*local 10.0.0\.\)$/\1\2/' >"$tmp/devices"
	in_group ip -batch "$tmp/devices"
	# not every kernel counts what a dummy takes
	busywait settled percpu
	took=$(($(memory percpu) - before))
	sed 's/ type.*//;s/add/del/' "$tmp/devices" | ip_batch "$a"
	busywait is "$before" memory percpu
}

# What is held counts for who made it.
accounted() {
	local cpus plain before i
	group=/sys/fs/cgroup/ipmesh-$$
	[ -e /sys/fs/cgroup/cgroup.controllers ] || skip "this guest has no cgroup2"
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control || skip "this kernel has no memory cgroups"
	mkdir "$group"
	defer "rmdir $group"
	setup_ns a
	cpus=$(nproc)
	devices dummy
	plain=$took
	[ "$plain" -gt 0 ] ||
		skip "this kernel sums up a group's memory in steps larger than a hundred devices"
	devices ipmesh local 10.0.0.
	# counters and queues
	[ $((took - plain)) -ge $((100 * cpus * 1050)) ] ||
		fail "of 100 devices $((took - plain)) bytes more than of dummies count, on $cpus CPUs"
	{
		echo "apiVersion: ipmesh/v1
kind: Device
metadata: {name: ipmesh0}
spec:
  local: 172.16.40.1
  pools: [10.2.0.0/16]
  peers:"
		for ((i = 0; i < 1000; i++)); do
			echo "  - endpoint: 10.1.$((i / 250)).$((i % 250 + 1))"
			echo "    cidrs: [10.2.$((i / 250)).$((i % 250 + 1))/32]"
		done
	} >"$tmp/peers.yaml"
	before=$(memory slab)
	in_group ipmesh apply --routes pool -f "$tmp/peers.yaml" >/dev/null
	busywait at_least slab $((before + 1000 * 600))
	# what they drop, whoever sends it: the underlay has no way to any
	busywait settled slab
	before=$(memory slab)
	# shellcheck disable=SC2016 # what that shell expands
	in_ns "$a" bash -c 'for i in {0..999}; do
		echo >"/dev/udp/10.2.$((i / 250)).$((i % 250 + 1))/9"
	done 2>/dev/null'
	counts "$a" ipmesh0 -- no_route=1000
	busywait at_least slab $((before + 1000 * 100))
	ip -n "$a" link del ipmesh0
}

run_tests link_settings link_own link_goes link_made peer_new peer_encapsulation \
	peer_name_and_cidrs peer_goes reading own_underlay low_port device_limit user_limit \
	accounted
