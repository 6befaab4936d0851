#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh monitor": what it prints for each change that is made.
#
#     a: 172.16.40.1 eth0 (dummy), ipmesh0, ipmesh1
#
# Proves: each change of devices, addresses, peers, nexthop objects and routes
# gives exactly its lines and no other, in text and in JSON; with a device named,
# those of that one; lost messages are told; it ends by a signal or without a
# reader with status 0.
set -eu
. "$(dirname "$0")/lib.sh"

setup() {
	setup_ns a
	ip -n "$a" link add eth0 type dummy
	ip_batch "$a" <<-END
		link set eth0 up
		addr add 172.16.40.1/24 dev eth0
	END
	# what the kernel makes up by itself would be seen, some time
	mesh -n "$a" exec sysctl -qw net.ipv6.conf.default.addr_gen_mode=1
}

# tool WORD…
tool() {
	mesh -n "$a" exec ipmesh "$@"
}

# monitor [WORD]… [-- DEV]: it listens from now on, with its output in $tmp/out; the
# routes that show when are blackholes, or lead to DEV
monitor() {
	local words=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	mark=(blackhole 10.99.0.0/16)
	[ $# -eq 0 ] || mark=(10.99.0.0/16 dev "$2")
	: >"$tmp/out"
	start "$a" ipmesh "${words[@]}" >"$tmp/out" 2>"$tmp/err"
	busywait noted
	# those before it listened are not told of, the last one is
	busywait file_like "$tmp/out" "metric\"*[ :]$marks\>"
}

marks=0
noted() {
	marks=$((marks + 1))
	ip -n "$a" route add "${mark[@]}" proto ipmesh metric "$marks" || fail "no mark"
	[ -s "$tmp/out" ]
}

# file_like FILE PATTERN
file_like() {
	grep -q -e "$2" "$1"
}

# lines FROM: those after the first FROM, sorted
lines() {
	tail -n "+$(($1 + 1))" "$tmp/out" | sort
}

# step COMMAND…: gives the lines of stdin, in whatever order, and no other
step() {
	local wanted from
	wanted=$(sort)
	from=$(wc -l <"$tmp/out")
	"$@" </dev/null
	busywait is "$wanted" lines "$from" ||
		fail "$*: \"$(lines "$from")\", not \"$wanted\""
}

id=1229979648	# the first of our nexthop objects

batch_routes() {
	ip_batch "$a" <<-END
		route add 10.96.0.0/16 via 172.16.40.3 dev eth0 proto static
		route add 10.97.0.0/16 via 172.16.40.3 dev ipmesh0 onlink proto bird
		route add 10.98.0.0/16 via 172.16.40.3 dev eth0 proto ipmesh mtu 1400
		route add blackhole 10.244.1.0/24 proto ipmesh table 7
		route del blackhole 10.244.1.0/24 table 7
		link add dummy0 type dummy
		link set dummy0 up
		addr add 10.95.0.1/24 dev dummy0
		link del dummy0
	END
}

text() {
	setup
	monitor monitor
	step tool link add ipmesh0 local 172.16.40.1 address 10.244.1.1/32 <<-END
		+ device ipmesh0 up mtu 1480 (auto) local 172.16.40.1 dev none peers strict ttl 64 dscp inherit pmtudisc on fwmark 0 encap none dport 5555 sport flow csum off notrack off rpf on max_peers 65536 peer_count 0
		+ address 10.244.1.1/32 dev ipmesh0
	END
	step tool peer add 172.16.40.2 name b cidr 10.244.2.0/24 cidr 10.244.3.0/24 <<-END
		+ peer 172.16.40.2 b 10.244.2.0/24 10.244.3.0/24 dev ipmesh0
		+ nexthop $id via 172.16.40.2 dev ipmesh0 onlink
		+ route 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink nhid $id
		+ route 10.244.3.0/24 via 172.16.40.2 dev ipmesh0 onlink nhid $id
	END
	# a CIDR moves: the peer that had it is told of, too
	step tool peer add 172.16.40.3 cidr 10.244.3.0/24 move encap udp dport 7 <<-END
		~ device ipmesh0 mtu 1472 (auto)
		~ peer 172.16.40.2 b 10.244.2.0/24 dev ipmesh0, cause: move
		+ peer 172.16.40.3 10.244.3.0/24 encap udp dport 7 dev ipmesh0
		+ nexthop $((id + 1)) via 172.16.40.3 dev ipmesh0 onlink
		~ route 10.244.3.0/24 via 172.16.40.3 dev ipmesh0 onlink nhid $((id + 1))
	END
	step tool peer set 172.16.40.2 name bb <<-END
		~ peer 172.16.40.2 bb 10.244.2.0/24 dev ipmesh0
	END
	step tool link set ipmesh0 ttl 7 peers open mtu 1400 <<-END
		~ device ipmesh0 mtu 1472 peers open ttl 7
		~ device ipmesh0 mtu 1400
	END
	step ip -n "$a" nexthop replace id "$id" via 172.16.40.4 dev ipmesh0 onlink proto ipmesh <<-END
		~ nexthop $id via 172.16.40.4 dev ipmesh0 onlink
		~ route 10.244.2.0/24 via 172.16.40.4 dev ipmesh0 onlink nhid $id
	END
	step ip -n "$a" route del 10.244.2.0/24 <<-END
		- route 10.244.2.0/24 via 172.16.40.4 dev ipmesh0 onlink nhid $id
	END
	# a daemon's through the device, ours through others; the rest is no matter
	step batch_routes <<-END
		+ route 10.97.0.0/16 via 172.16.40.3 dev ipmesh0 onlink proto bird
		+ route 10.98.0.0/16 via 172.16.40.3 dev eth0 mtu 1400
		+ route blackhole 10.244.1.0/24 table 7
		- route blackhole 10.244.1.0/24 table 7
	END
	step ip -n "$a" addr del 10.244.1.1/32 dev ipmesh0 <<-END
		- address 10.244.1.1/32 dev ipmesh0
	END
	step ip -n "$a" nexthop del id "$id" <<-END
		- nexthop $id via 172.16.40.4 dev ipmesh0 onlink
	END
	step tool peer del 172.16.40.2 <<-END
		- peer 172.16.40.2 bb 10.244.2.0/24 dev ipmesh0
	END
	step ip -n "$a" link del ipmesh0 <<-END
		~ device ipmesh0 down
		- device ipmesh0
		- peer 172.16.40.3 10.244.3.0/24 encap udp dport 7 dev ipmesh0, cause: device
	END
	equal "errors" "$(<"$tmp/err")" ""
}

# IPv6 routes without a device of their own, and an endpoint inside IPv6
families() {
	setup
	ip -n "$a" addr add fd00::1/64 dev eth0 nodad
	monitor monitor
	tool link add ipmesh0
	busywait file_has "$tmp/out" "+ device ipmesh0 up"
	step tool peer add 172.16.40.2 cidr fd00:2::/64 <<-END
		+ peer 172.16.40.2 fd00:2::/64 dev ipmesh0
		+ nexthop $id via ::ffff:172.16.40.2 dev ipmesh0 onlink
		+ route fd00:2::/64 via ::ffff:172.16.40.2 dev ipmesh0 onlink nhid $id
	END
	step tool peer del 172.16.40.2 <<-END
		- peer 172.16.40.2 fd00:2::/64 dev ipmesh0
		- nexthop $id via ::ffff:172.16.40.2 dev ipmesh0 onlink
		- route fd00:2::/64 via ::ffff:172.16.40.2 dev ipmesh0 onlink nhid $id
	END
	step ip -n "$a" route add blackhole fd00:1::/64 proto ipmesh <<-END
		+ route blackhole fd00:1::/64
	END
	step ip -n "$a" addr add fd00:1::1/128 dev ipmesh0 nodad <<-END
		+ address fd00:1::1/128 dev ipmesh0
	END
}

# With a device named: that one alone, and again when it comes back.
one_device() {
	local rc=0 got
	setup
	got=$(tool monitor ipmesh0 2>&1) || rc=$?
	equal "status" "$rc" 1
	contains "no such device" "$got" 'there is no device "ipmesh0"'
	rc=0
	got=$(tool monitor eth0 2>&1) || rc=$?
	equal "status" "$rc" 1
	contains "another kind" "$got" '"eth0" is not an ipmesh device'
	tool link add ipmesh0
	tool link add ipmesh1 local 172.16.40.1
	monitor monitor ipmesh1 -- ipmesh1
	step both ipmesh0 ipmesh1 <<-END
		+ peer 172.16.40.2 10.244.2.0/24 dev ipmesh1
		+ nexthop $((id + 1)) via 172.16.40.2 dev ipmesh1 onlink
		+ route 10.244.2.0/24 via 172.16.40.2 dev ipmesh1 onlink nhid $((id + 1))
	END
	step again <<-END
		~ device ipmesh1 down
		- device ipmesh1
		- peer 172.16.40.2 10.244.2.0/24 dev ipmesh1, cause: device
		+ device ipmesh1 down mtu 1472 (auto) local 172.16.40.1 dev none peers strict ttl 64 dscp inherit pmtudisc on fwmark 0 encap udp dport 5555 sport flow csum off notrack off rpf on max_peers 65536 peer_count 0
	END
	step ip -n "$a" link set ipmesh1 name mesh1 <<-END
		~ device mesh1 was ipmesh1
	END
}

both() {
	ip -n "$a" route add blackhole 10.244.9.0/24 proto ipmesh
	tool peer add 172.16.40.2 dev "$1" cidr 10.244.3.0/24
	tool peer add 172.16.40.2 dev "$2" cidr 10.244.2.0/24
}

again() {
	tool link del ipmesh0
	ip -n "$a" link del ipmesh1
	tool link add ipmesh1 local 172.16.40.1 encap udp down
}

json() {
	setup
	tool link add ipmesh0 local 172.16.40.1
	monitor monitor -j -t
	step_json '.[0] == {op: "add", object: "peer", endpoint: "172.16.40.2", name: "b", cidrs: ["10.244.2.0/24"], sources: [], from: [], encap: "device", dport: null, routes: "none", dev: "ipmesh0", cause: "request"}' \
		tool peer add 172.16.40.2 name b cidr 10.244.2.0/24 noroute
	step_json '.[0] | .op == "change" and .object == "peer" and .encap == "udp" and .dport == 7' \
		mesh -n "$a" peer set ipmesh0 172.16.40.2 encap udp dport 7
	step_json '.[0] == {op: "add", object: "route", type: "unicast", dst: "10.9.0.0/16", via: "172.16.40.2", dev: "ipmesh0", onlink: true, proto: "ipmesh", table: 254, mtu: 1300}' \
		ip -n "$a" route add 10.9.0.0/16 via 172.16.40.2 dev ipmesh0 onlink proto ipmesh mtu 1300
	step_json '.[0] == {op: "add", object: "nexthop", id: 9, via: "172.16.40.2", dev: "ipmesh0", onlink: true}' \
		ip -n "$a" nexthop add id 9 via 172.16.40.2 dev ipmesh0 onlink proto ipmesh
	step_json '.[0] == {op: "add", object: "address", address: "10.244.1.1/32", dev: "ipmesh0"}' \
		ip -n "$a" addr add 10.244.1.1/32 dev ipmesh0
	step_json '.[0] | .op == "change" and .object == "device" and .dev == "ipmesh0" and .ttl == 9 and (has("dscp") or has("state") | not)' \
		tool link set ipmesh0 ttl 9
	step_json '.[0] | .op == "change" and .state == "down"' \
		ip -n "$a" link set ipmesh0 down
	step_json 'map(.op + .object + (.cause // "")) | sort == ["removeaddress", "removedevice", "removepeerdevice"]' \
		ip -n "$a" link del ipmesh0
	# every line has when, and they do not go back
	jq -es 'map(.time) | all(test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{6}$")) and . == sort' \
		"$tmp/out" >/dev/null || fail "times: $(<"$tmp/out")"
}

# step_json FILTER COMMAND…: what it gives, but for the time, as the filter says
step_json() {
	local filter=$1 from
	shift
	from=$(wc -l <"$tmp/out")
	"$@"
	busywait json_like "$from" "$filter" || fail "$*: $(tail -n "+$((from + 1))" "$tmp/out")"
}

json_like() {
	tail -n "+$(($1 + 1))" "$tmp/out" | jq -es "map(del(.time)) | $2" >/dev/null 2>&1
}

# stopped NS PID: it does not read
stopped() {
	[[ $(<"/proc/$1/stat") == *") T "* ]]
}

lost() {
	setup
	tool link add ipmesh0
	monitor monitor
	kill -STOP "$pid"
	busywait stopped "$pid"
	for ((i = 0; i < 5000; i++)); do
		echo "link set ipmesh0 alias name$i"
	done | ip_batch "$a"
	kill -CONT "$pid"
	busywait file_has "$tmp/out" "! messages were lost"
	# and it goes on
	tool peer add 172.16.40.2
	busywait file_has "$tmp/out" "+ peer 172.16.40.2 dev ipmesh0"
	kill "$pid"
	wait "$pid"
}

ends() {
	local sig rc
	setup
	for sig in INT TERM; do
		monitor monitor
		kill -"$sig" "$pid"
		rc=0
		wait "$pid" || rc=$?
		equal "status after SIG$sig" "$rc" 0
		equal "errors" "$(<"$tmp/err")" ""
	done
	# a reader that goes away: at once, not at the next change
	mkfifo "$tmp/pipe"
	exec {both}<>"$tmp/pipe"
	start "$a" ipmesh monitor >"$tmp/pipe" 2>"$tmp/err" {both}<&-
	exec {both}<&-
	rc=0
	wait "$pid" || rc=$?
	equal "status without a reader" "$rc" 0
	equal "errors" "$(<"$tmp/err")" ""
	# one that cannot be written
	rc=0
	start "$a" ipmesh monitor >/dev/full 2>"$tmp/err"
	busywait dead "$pid"
	wait "$pid" || rc=$?
	equal "status on a full disk" "$rc" 1
	contains "errors" "$(<"$tmp/err")" "cannot write"
}

dead() {
	marks=$((marks + 1))
	ip -n "$a" route add blackhole 10.98.0.0/16 proto ipmesh metric "$marks"
	has_ended "$1"
}

# The module comes and goes under it.
module() {
	setup
	modprobe -r ipmesh || skip "the module is built in or in use"
	monitor monitor
	modprobe ipmesh
	tool link add ipmesh0 down
	tool peer add 172.16.40.2 noroute
	busywait file_has "$tmp/out" "+ peer 172.16.40.2 routes none dev ipmesh0"
	modprobe -r ipmesh
	busywait file_has "$tmp/out" "- device ipmesh0"
	modprobe ipmesh
	tool link add ipmesh0 down
	tool peer add 172.16.40.3 noroute
	busywait file_has "$tmp/out" "+ peer 172.16.40.3 routes none dev ipmesh0"
}

run_tests text families one_device json lost ends module
