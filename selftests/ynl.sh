#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The family as the kernel's own Python client drives it, tools/net/ynl, which
# knows nothing of ipmesh but uapi/ipmesh.yaml.
#
#     a: 172.16.40.1 eth0 (dummy), ipmesh0
#
# Proves: peers are made, changed, asked for, dumped and taken away, with both
# families of addresses, sources and outer prefixes; each change is told to the group, with its cause; what
# the kernel refuses has its sentence and names the attribute; and raw netlink
# reads the same.
set -eu
. "$(dirname "$0")/lib.sh"

ynl=$here/../ynl

setup() {
	[ -d "$ynl/lib" ] || skip "there is no $ynl: scripts/build-ynl makes it"
	python3 -c 'import yaml, jsonschema' 2>/dev/null || skip "python3-yaml or python3-jsonschema is missing"
	setup_ns a
	ip_batch "$a" <<-END
		link add eth0 type dummy
		link set eth0 up
		addr add 172.16.40.1/24 dev eth0
	END
	mesh -n "$a" link add ipmesh0
	dev=$(ip -n "$a" -j link show ipmesh0 | jq '.[0].ifindex')
}

# client: lines of stdin are requests, "@" in them is the device; the answers,
# one a line, are in the array said
client() {
	sed "s/@/\"ifindex\": $dev/" >"$tmp/requests"
	ip netns exec "$a" "$here/ynl.py" "$ynl" <"$tmp/requests" >"$tmp/said"
	mapfile -t said <"$tmp/said"
	equal "answers" "${#said[@]}" "$(wc -l <"$tmp/requests")"
}

# answer N FILTER WANTED: what jq makes of the Nth answer, from 0
answer() {
	equal "answer $1, $2" "$(jq -c "$2" <<<"${said[$1]}")" "$3"
}

peers() {
	setup
	client <<-'END'
		do peer-new {@, "endpoint": "172.16.40.2", "name": "two", "cidr": [{"prefix": "10.244.2.0", "length": 24}, {"prefix": "2001:db8:2::", "length": 64}]} create
		do peer-new {@, "endpoint": "172.16.40.3", "encap": "udp", "dport": 7000} create
		do peer-get {@, "endpoint": "172.16.40.2"}
		do peer-get {@, "address": "10.244.2.77"}
		dump peer-get {}
		do peer-set {@, "endpoint": "172.16.40.2", "name": "zwei", "cidr": [{"prefix": "10.244.2.0", "length": 24, "remove": true}, {"prefix": "10.9.0.0", "length": 16}]}
		do peer-get {@, "endpoint": "172.16.40.2"}
		do peer-del {@, "endpoint": "172.16.40.3"}
		dump peer-get {}
		do peer-set {@, "endpoint": "172.16.40.2", "source": [{"prefix": "192.0.2.7", "length": 32}, {"prefix": "fd00::7", "length": 128}], "from": [{"prefix": "172.20.0.0", "length": 16}]}
		do peer-get {@, "endpoint": "172.16.40.2"}
		do peer-set {@, "endpoint": "172.16.40.2", "flags": ["replace-sources", "replace-froms"], "source": [{"prefix": "192.0.2.8", "length": 32}]}
		do peer-get {@, "endpoint": "172.16.40.2"}
	END
	answer 0 . null
	answer 2 '[.ifindex, .endpoint, .name]' "[$dev,\"172.16.40.2\",\"two\"]"
	answer 2 '[.cidr[] | [.prefix, .length]] | sort' '[["10.244.2.0",24],["2001:db8:2::",64]]'
	answer 2 '[.stats["tx-packets"], .stats.drops["no-route"]]' '[0,0]'
	answer 3 .name '"two"'
	answer 4 '[.[] | [.endpoint, .encap, .dport]] | sort' \
		'[["172.16.40.2","device",0],["172.16.40.3","udp",7000]]'
	answer 6 .name '"zwei"'
	answer 6 '[.cidr[] | [.prefix, .length]] | sort' '[["10.9.0.0",16],["2001:db8:2::",64]]'
	answer 8 '[.[].endpoint]' '["172.16.40.2"]'
	answer 10 '[.source[], .from[] | [.prefix, .length]] | sort' \
		'[["172.20.0.0",16],["192.0.2.7",32],["fd00::7",128]]'
	answer 12 '[[.source[] | .prefix], .from]' '[["192.0.2.8"],null]'
	# the same by raw netlink
	contains "mesh" "$(mesh -n "$a" peer get ipmesh0 172.16.40.2)" "zwei"
}

# Who writes a peer's routes is remembered, told, and left alone by other requests.
routes() {
	setup
	client <<-'END'
		do peer-new {@, "endpoint": "172.16.40.2"} create
		do peer-get {@, "endpoint": "172.16.40.2"}
		do peer-set {@, "endpoint": "172.16.40.2", "routes": "none"}
		do peer-set {@, "endpoint": "172.16.40.2", "name": "two"}
		do peer-get {@, "endpoint": "172.16.40.2"}
		do peer-new {@, "endpoint": "172.16.40.2"} create replace
		do peer-get {@, "endpoint": "172.16.40.2"}
		do peer-new {@, "endpoint": "172.16.40.3", "routes": "none"} create
		do peer-get {@, "endpoint": "172.16.40.3"}
		do peer-set {@, "endpoint": "172.16.40.3", "routes": 2}
	END
	answer 1 .routes '"ipmesh"'
	answer 4 '[.name, .routes]' '["two","none"]'
	# what is replaced is as if it was new
	answer 6 .routes '"ipmesh"'
	answer 8 .routes '"none"'
	answer 9 .error 34
}

told() {
	setup
	client <<-'END'
		subscribe peers
		do peer-new {@, "endpoint": "172.16.40.2", "cidr": [{"prefix": "10.244.2.0", "length": 24}]} create
		do peer-new {@, "endpoint": "172.16.40.3"} create
		do peer-set {@, "endpoint": "172.16.40.3", "flags": ["move"], "cidr": [{"prefix": "10.244.2.0", "length": 24}]}
		do peer-del {@, "endpoint": "172.16.40.2"}
		ntf 5
	END
	answer 5 '[.[].name]' \
		'["peer-new-ntf","peer-new-ntf","peer-set-ntf","peer-set-ntf","peer-del-ntf"]'
	answer 5 '[.[2:4][].msg | [.endpoint, .cause]] | sort' \
		'[["172.16.40.2","move"],["172.16.40.3","request"]]'
	answer 5 '.[4].msg.endpoint' '"172.16.40.2"'
}

refusals() {
	setup
	client <<-'END'
		do peer-new {@, "endpoint": "172.16.40.2", "cidr": [{"prefix": "10.244.2.0", "length": 24}]} create
		do peer-new {@, "endpoint": "172.16.40.2"} create excl
		do peer-new {@, "endpoint": "172.16.40.3", "cidr": [{"prefix": "10.244.2.0", "length": 24}]} create
		do peer-set {@, "endpoint": "172.16.40.9", "name": "x"}
		do peer-new {@, "endpoint": "172.16.40.3", "cidr": [{"prefix": "10.244.3.1", "length": 24}]} create
		do peer-new {"ifindex": 9999, "endpoint": "172.16.40.3"} create
		dump peer-get {}
	END
	answer 1 .error 17
	answer 2 .error 17
	# before 6.2 it has no room for the holder
	contains "why" "$(jq -r .extack.msg <<<"${said[2]}")" "this pod CIDR; say move to take it"
	contains "the attribute" "$(jq -r '.extack["bad-attr"]' <<<"${said[2]}")" cidr
	answer 3 .error 2
	answer 4 .error 22
	answer 5 .error 19
	answer 6 '[.[].endpoint]' '["172.16.40.2"]'
}

run_tests peers routes told refusals
