#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh show": what people read, and what programs do.
#
#     a: 172.16.40.1 eth0 ===== eth0 172.16.40.2 :b
#        ipmesh0, 10.244.1.1                ipmesh0, 10.244.2.1
#
# Proves: columns stand under their heads; what is wrong is told in words and in
# JSON, by the same name, and is not told when it is mended; bytes are in units
# for people and exact for programs; JSON is what its schema says, and the
# validator notices when it is not; colour goes to terminals, and elsewhere only
# when asked for.
set -eu
. "$(dirname "$0")/lib.sh"

schema=/usr/share/ipmesh/show.schema.json

# tool WORD…: in a
tool() {
	mesh -n "$a" exec ipmesh "$@"
}

text() {
	setup_ns a
	ip -n "$a" link add eth0 type dummy
	ip_batch "$a" <<-END
		link set eth0 up
		addr add 172.16.40.1/24 dev eth0
	END
	prints "no ipmesh device; make one: ipmesh link add ipmesh0" tool show
	tool link add ipmesh0 local 172.16.40.1 address 10.244.1.1/32
	tool peer add 172.16.40.2 name k8s-node2 cidr 10.244.2.0/24
	tool peer add 172.16.40.100 name 節點 cidr 10.244.3.0/24 cidr 10.244.4.0/24 \
		cidr 10.244.5.0/24 cidr 10.244.6.0/24 encap udp
	tool peer add 172.16.40.4
	prints "ipmesh0: up, mtu 1472 (auto), local 172.16.40.1, peers strict, address 10.244.1.1/32
ENDPOINT       NAME       CIDRS                                                   ROUTES  ENCAP   RX  PACKETS   TX  PACKETS  HEARD  DROPS
172.16.40.2    k8s-node2  10.244.2.0/24                                           ok      -      0 B        0  0 B        0  never      0
172.16.40.4    -          -                                                       -       -      0 B        0  0 B        0  never      0
172.16.40.100  節點       10.244.3.0/24, 10.244.4.0/24, 10.244.5.0/24 and 1 more  ok      udp    0 B        0  0 B        0  never      0" \
		tool show
}

# problems: their names, sorted; of the device, or of the peer
problems() {
	tool -j show | jq -r "$1" | sort | tr '\n' ' '
}

problem_texts() {
	local got
	two_nodes
	mesh -n "$a" peer set ipmesh0 172.16.40.2 name b
	equal "problems" "$(problems '.[].problems[].problem')" ""
	lacks "text" "$(tool show)" "! "
	# in the main table, to nobody: the kernel's own answer is not needed
	ip -n "$a" neigh add 172.16.40.9 lladdr 02:00:00:00:00:09 dev eth0
	tool peer add 172.16.40.9 cidr 10.244.9.0/24
	silent "$a" 10.244.9.1
	equal "problems" "$(problems '.[].problems[].problem')" "never_heard "
	equal "problems of peers" "$(problems '.[].peers[] | "\(.endpoint)=\(.problems[])"')" \
		"172.16.40.9=never_heard "
	contains "text" "$(tool show)" "  ! 1 of 2 peers never heard, though sent to"
	tool peer del 172.16.40.9
	ip -n "$a" route del 10.244.2.0/24
	equal "problems" "$(problems '.[].problems[].problem')" "not_routed "
	contains "text" "$(tool show)" "  ! 1 of 1 peer with CIDRs that have no route: ipmesh peer set ENDPOINT dev ipmesh0 route"
	contains "text" "$(tool show)" " missing "
	tool peer set 172.16.40.2 dev ipmesh0 route
	equal "mended" "$(problems '.[].problems[].problem')" ""
	ip -n "$a" route replace 10.244.2.0/24 via 172.16.40.2 dev eth0
	equal "problems" "$(problems '.[].problems[].problem')" "routed_elsewhere "
	contains "text" "$(tool show)" " elsewhere "
	tool link set ipmesh0 mtu 1481
	equal "problems" "$(problems '.[].problems[].problem')" "mtu_too_large routed_elsewhere "
	contains "text" "$(tool show)" "  ! MTU 1481 is pinned, but the underlay takes 1480: ipmesh link set ipmesh0 mtu auto"
	tool link set ipmesh0 mtu 1480
	equal "mended" "$(problems '.[].problems[].problem')" "routed_elsewhere "
	tool link set ipmesh0 encap udp
	contains "text" "$(tool show)" "the underlay takes 1472"
	ip -n "$a" link set ipmesh0 down
	got=$(tool show)
	contains "text" "$got" "ipmesh0: down"
	contains "text" "$got" "  ! it is down, and routes need it up: ipmesh link set ipmesh0 up"
	equal "lines of problems" "$(grep -c '^  ! ' <<<"$got")" \
		"$(tool -j show | jq '.[].problems | length')"
}

json() {
	local key
	two_nodes
	mesh -n "$a" peer set ipmesh0 172.16.40.2 name 'a "b" \ c'
	pings "$a" 10.244.2.1 size 1372
	tool peer add 172.16.40.7 dev ipmesh0 encap udp dport 7000 cidr fd00:7::/64
	ip -n "$a" route add 10.244.8.0/24 dev ipmesh0
	silent "$a" 10.244.8.1
	tool link add ipmesh1 peers open ttl inherit dscp 3 dev eth0 mtu 9000
	ip -n "$a" link set ipmesh1 down
	tool -j show >"$tmp/json"
	equal "against the schema" "$(jq --slurpfile schema "$schema" -r -f "$here/schema.jq" "$tmp/json")" ""
	equal "devices" "$(jq -r '.[].device' "$tmp/json" | tr '\n' ' ')" "ipmesh0 ipmesh1 "
	# exact, and as the text has it
	for key in rx_bytes tx_bytes rx_packets tx_packets; do
		equal "$key" "$(jq ".[0].peers[0].$key" "$tmp/json")" \
			"$(count "$a" ipmesh0 "$key" 172.16.40.2)"
	done
	equal "bytes" "$(jq '.[0].peers[0].tx_bytes' "$tmp/json")" 4200
	contains "units" "$(tool show ipmesh0)" " 4.1 KiB        3  4.1 KiB        3"
	contains "age" "$(tool show ipmesh0)" "s ago"
	# a document that is not so is noticed, whatever is wrong with it
	for key in 'del(.[0].mtu)' '.[0].more = 1' '.[0].mtu = "1480"' '.[0].state = "unknown"' \
		'.[0].peers[0].last_rx_ms = -1' '.[0].peers[0].drops.more = 0' \
		'.[0].peers[0].cidrs[0].prefix = "x"' '.[0].problems = [{}]'; do
		[ -n "$(jq "$key" "$tmp/json" | jq --slurpfile schema "$schema" -r -f "$here/schema.jq")" ] ||
			fail "not noticed: $key"
	done
	# the schema has nothing that is never there
	equal "unused" "$(jq -r '."$defs"[] | select(.properties) |
		(.properties | keys) - .required | .[] ' "$schema")" ""
	contains "causes" "$(tool -s show ipmesh0)" "drops: no_peer 1"
}

esc=$'\033'

colour() {
	setup_ns a
	tool link add ipmesh0
	ip -n "$a" link set ipmesh0 down
	lacks "piped" "$(tool show)" "$esc"
	lacks "never" "$(tool --color=never show)" "$esc"
	contains "always" "$(tool --color always show)" "${esc}[31m"
	contains "always" "$(tool show -c)" "${esc}[31m"
	lacks "JSON" "$(tool -j -c show)" "$esc"
	terminal() {
		mesh -n "$a" exec env "$@" script -qec "ipmesh $words" /dev/null </dev/null
	}
	words=show
	contains "terminal" "$(terminal TERM=xterm)" "${esc}[31m"
	lacks "terminal with NO_COLOR" "$(terminal NO_COLOR=1)" "$esc"
	contains "terminal with NO_COLOR empty" "$(terminal NO_COLOR=)" "${esc}[31m"
	words="--color=never show"
	lacks "terminal, never" "$(terminal TERM=xterm)" "$esc"
	words="--color=always show"
	contains "always, with NO_COLOR" "$(terminal NO_COLOR=1)" "${esc}[31m"
}

run_tests text problem_texts json colour
