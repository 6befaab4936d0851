#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# endpointSet of "ipmesh apply": the set of endpoints in a firewall's own table.
#
#     master: k8s-master 172.16.40.199 ens160 ===== ens160 172.16.40.198 :node1
#             drops what comes in, but for protocol 4 of @ipmesh_endpoints
#
# Proves: packets of peers pass, those of strangers the firewall drops before the
# device sees them; the set follows the documents, a new endpoint before the first
# packet, and nothing in it that is foreign is touched; a set that is not there,
# or cannot be used, is refused before anything is changed; --remove and export
# know the set.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-apply.sh"

# device [FIELD]…: the document, beside those of the nodes
device() {
	{
		echo "apiVersion: ipmesh/v1"
		echo "kind: Device"
		echo "metadata: {name: ipmesh0}"
		echo "spec:"
		echo "  local: 172.16.40.199"
		[ $# -eq 0 ] || printf '  %s\n' "$@"
	} >"$tmp/device.yaml"
}

# on_master [WORD]…
on_master() {
	apply "$master" -f "$tmp/device.yaml" -f calico-nodes.yaml -f calico-ippools.yaml \
		--node k8s-master "$@"
}

firewall() {
	cat >"$tmp/ruleset" <<-END
		table inet filter {
			set ipmesh_endpoints {
				type ipv4_addr
				elements = { 10.9.9.9 comment "the old office" }
			}
			chain input {
				type filter hook input priority 0; policy drop;
				iif lo accept
				meta l4proto icmp accept
				meta l4proto 4 ip saddr @ipmesh_endpoints accept
				meta l4proto 4 counter name strangers
			}
			counter strangers { }
		}
	END
	in_ns "$master" nft -f "$tmp/ruleset"
}

elements() {
	in_ns "$master" nft -j list set inet filter ipmesh_endpoints |
		jq -r '[.nftables[].set | select(.) | .elem[]? | .elem | "\(.val) \(.comment)"] | sort[]'
}

strangers() {
	in_ns "$master" nft -j list counter inet filter strangers |
		jq '.nftables[1].counter.packets'
}

both() {
	hosts
	firewall
	device 'endpointSet: inet filter ipmesh_endpoints'
	apply "$node1" -f calico-nodes.yaml -f calico-ippools.yaml --node k8s-node1 >/dev/null
}

lets_in() {
	local got
	both
	got=$(on_master)
	contains "changes" "$got" "+ endpoints inet filter ipmesh_endpoints: 172.16.40.198"
	pings "$master" 10.244.1.1
	pings "$node1" 10.244.0.1
	mesh -n "$node1" raw src 172.16.40.77 dst 172.16.40.199 isrc 10.244.1.1 idst 10.244.0.1
	busywait is 1 strangers
	counts "$master" ipmesh0 -- unknown_peer=0 rx_packets=6
	quiet_begin "$master"
	contains "second run" "$(on_master)" "no changes"
	quiet_end "$master"
	# taken out by hand, the peer is a stranger, until the next run
	in_ns "$master" nft delete element inet filter ipmesh_endpoints '{ 172.16.40.198 }'
	silent "$node1" 10.244.0.1
	busywait is 2 strangers
	contains "changes" "$(on_master)" "1 change"
	pings "$node1" 10.244.0.1
}

follows() {
	both
	on_master >/dev/null
	prints "10.9.9.9 the old office
172.16.40.198 ipmesh:ipmesh0" elements
	# the node moves
	sed "s/172.16.40.198/172.16.40.197/" "$docs/calico-nodes.yaml" >"$tmp/moved.yaml"
	contains "changes" "$(apply "$master" -f "$tmp/device.yaml" -f "$tmp/moved.yaml" \
		-f calico-ippools.yaml --node k8s-master)" "- endpoints inet filter ipmesh_endpoints: 172.16.40.198"
	prints "10.9.9.9 the old office
172.16.40.197 ipmesh:ipmesh0" elements
	# an address that somebody else let in is let be
	in_ns "$master" nft add element inet filter ipmesh_endpoints '{ 172.16.40.198 comment "mine" }'
	on_master >/dev/null
	prints "10.9.9.9 the old office
172.16.40.198 mine" elements
	in_ns "$master" nft delete element inet filter ipmesh_endpoints '{ 172.16.40.198 }'
	on_master >/dev/null
	# another set, and none
	in_ns "$master" nft add set inet filter other '{ type ipv4_addr; }'
	device 'endpointSet: inet filter other'
	on_master >/dev/null
	prints "10.9.9.9 the old office" elements
	contains "the other set" "$(in_ns "$master" nft list set inet filter other)" \
		'172.16.40.198 comment "ipmesh:ipmesh0"'
	device
	on_master >/dev/null
	lacks "the other set" "$(in_ns "$master" nft list set inet filter other)" 172.16.40.198
}

refusals() {
	local before set words text
	both
	before=$(in_ns "$master" nft list ruleset)
	while IFS='|' read -r set words text; do
		# shellcheck disable=SC2086
		[ -z "$words" ] || in_ns "$master" nft add set inet filter $set "{ $words }"
		device "endpointSet: inet filter $set"
		refused "device.yaml:6: spec.endpointSet: $text" on_master
		equal "devices" "$(ip -n "$master" -br link show type ipmesh)" ""
		[ -z "$words" ] || in_ns "$master" nft delete set inet filter "$set"
	done <<-'END'
		missing||there is no such nftables set: make it: nft add set inet filter missing '{ type ipv4_addr; }'
		ports|type inet_service;|the nftables set is not one of type ipv4_addr without flags
		six|type ipv6_addr;|the nftables set is not one of type ipv4_addr without flags
		pairs|type ipv4_addr . inet_service;|the nftables set is not one of type ipv4_addr without flags
		ranges|type ipv4_addr; flags interval;|the nftables set is not one of type ipv4_addr without flags
		aging|type ipv4_addr; flags timeout;|the nftables set is not one of type ipv4_addr without flags
		small|type ipv4_addr; size 1; elements = { 10.9.9.9 };|the nftables set takes 1 elements, and 2 are needed
	END
	equal "ruleset" "$(in_ns "$master" nft list ruleset)" "$before"
}

goes() {
	local got
	both
	on_master >/dev/null
	got=$(mesh -n "$master" exec ipmesh export ipmesh0 2>&1)
	contains "export" "$got" 'endpointSet: "inet filter ipmesh_endpoints"'
	printf '%s\n' "$got" >"$tmp/exported.yaml"
	contains "apply of it" "$(apply "$master" -f "$tmp/exported.yaml")" "no changes"
	contains "remove" "$(apply "$master" --remove)" "- endpoints inet filter ipmesh_endpoints: 172.16.40.198"
	prints "10.9.9.9 the old office" elements
}

run_tests lets_in follows refusals goes
