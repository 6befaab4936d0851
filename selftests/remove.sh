#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh apply --remove".
#
#     master: k8s-master 172.16.40.199 ens160 ===== ens160 172.16.40.198 :node1
#
# Proves: after it the kernel's state is what it was before the first apply, also
# when the device went before; what is foreign, or another device's, stays; a
# second run and a dry run change nothing; a device of another kind is left alone.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-apply.sh"

docs=$here/fixtures/blocks
cluster=(-f calico-nodes.yaml -f calico-ippools.yaml -f kubectl-ipamblocks.json --node k8s-master)

# everything NS: devices but for their numbers and counters, and all around them
everything() {
	ip -n "$1" -br link
	ip -n "$1" -o addr | sed 's/^[0-9]*: //'
	ip -n "$1" route show table all
	ip -n "$1" -6 route show table all
	ip -n "$1" nexthop
	ip -n "$1" rule
	in_ns "$1" nft list ruleset
}

# A host with what others have made, of each kind that apply makes.
foreign() {
	hosts
	ip_batch "$master" <<-END
		route add 172.16.41.0/24 via 172.16.40.1 dev ens160
		route add 10.99.0.0/16 via 172.16.40.198 dev ens160 proto static
		route add blackhole 10.98.0.0/24 proto bird
		nexthop add id 5 via 172.16.40.198 dev ens160 proto bird
		route add 10.97.0.0/16 nhid 5 proto bird
	END
	in_ns "$master" nft "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; \
		add rule ip nat post ip saddr 10.97.0.0/16 masquerade"
}

all_goes() {
	local before got
	foreign
	before=$(everything "$master")
	apply "$master" "${cluster[@]}" >/dev/null 2>&1
	contains "routes" "$(routes "$master")" "10.245.1.0/26 via 172.16.40.198 dev ens160"
	contains "routes" "$(routes "$master")" "blackhole 10.244.0.64/26"
	quiet_begin "$master"
	got=$(apply "$master" --remove --dry-run)
	contains "dry run" "$got" "- device ipmesh0 with its peers: 2"
	contains "dry run" "$got" "- route blackhole 10.244.0.64/26"
	contains "dry run" "$got" "- nat"
	quiet_end "$master"
	in_ns "$master" nft list tables | grep -e mark -e last | while read -r got; do
		in_ns "$master" nft delete "$got"
	done
	ip -n "$master" link set lo mtu 65536
	apply "$master" -j --remove | jq -e '.changes | map(select(.object == "device"))[0] ==
		{"op": "remove", "object": "device", "name": "ipmesh0", "peers": 2}' >/dev/null
	equal "state" "$(everything "$master")" "$before"
	prints "no changes" apply "$master" --remove
	# and it can come again
	apply "$master" "${cluster[@]}" >/dev/null 2>&1
	apply "$master" --remove --dev ipmesh0 >/dev/null
	equal "state" "$(everything "$master")" "$before"
}

# "link del": each route of ours is removed before its nexthop, and that before the device.
# By itself the kernel removes the nexthops first, and tells of no route.
link_del() {
	local before told
	foreign
	before=$(everything "$master")
	in_ns "$master" ipmesh link add ipmesh0 local 172.16.40.199
	in_ns "$master" ipmesh peer add 172.16.40.198 dev ipmesh0 cidr 10.245.1.0/24
	# a nexthop of somebody else goes with the device, as its route does
	ip_batch "$master" <<-END
		nexthop add id 6 via 172.16.40.198 dev ipmesh0 onlink proto bird
		route add 10.245.2.0/24 nhid 6 proto bird
	END
	: >"$tmp/told"
	start "$master" ip monitor link route nexthop >"$tmp/told" 2>&1
	busywait noted "$master" link "$tmp/told"
	in_ns "$master" ipmesh link del ipmesh0
	ip -n "$master" link set lo mtu 65536
	busywait file_has "$tmp/told" "mtu 65536"
	told=$(sed -n 's/^Deleted 10\.245\.1\.0.*/route/p; s/^Deleted id .* proto ipmesh.*/nexthop/p
		s/^Deleted [0-9]*: ipmesh0.*/device/p' "$tmp/told")
	equal "what went, in turn" "$told" "$(printf 'route\nnexthop\ndevice')"
	equal "state" "$(everything "$master")" "$before"
}

# The device is gone, by hand, and with it the module's part of the work.
device_went() {
	local before
	foreign
	before=$(everything "$master")
	apply "$master" "${cluster[@]}" >/dev/null 2>&1
	ip -n "$master" link del ipmesh0
	apply "$master" --remove >/dev/null
	equal "state" "$(everything "$master")" "$before"
	prints "no changes" apply "$master" --remove
}

# The same in the other family, where blackholes are routes of lo.
ipv6() {
	local before
	hosts
	mesh -n "$master" exec sysctl -qw net.ipv6.conf.ens160.disable_ipv6=0
	ip -n "$master" addr add fd00:40::199/64 dev ens160 nodad
	before=$(everything "$master")
	docs=$here/fixtures/dual
	apply "$master" -f calico-nodes-v6.yaml -f calico-ippools-v6.yaml -f kubectl-nodes-v6.json \
		--node k8s-master >/dev/null 2>&1
	contains "routes" "$(ip -n "$master" -6 route)" "blackhole"
	apply "$master" --remove >/dev/null
	equal "state" "$(everything "$master")" "$before"
}

# second NS: a document of another device there
second() {
	cat >"$tmp/second.yaml" <<-END
		apiVersion: ipmesh/v1
		kind: Device
		metadata: {name: ipmesh1}
		spec:
		  local: 172.16.50.199
		  address: [10.50.0.1/32]
		  blackhole: [10.50.0.0/24]
		  pools: [10.50.0.0/16]
		  natOutgoing: [10.50.0.0/16]
		  peers:
		  - {endpoint: 172.16.50.198, cidrs: [10.50.1.0/24]}
		  - {endpoint: 172.16.40.198, cidrs: [10.50.2.0/24], via: underlay}
	END
}

other_device() {
	local before
	foreign
	second
	apply "$master" -f "$tmp/second.yaml" >/dev/null 2>&1
	before=$(everything "$master")
	apply "$master" "${cluster[@]}" >/dev/null 2>&1
	apply "$master" --remove >/dev/null
	equal "state" "$(everything "$master")" "$before"
	# the other way round
	apply "$master" "${cluster[@]}" >/dev/null 2>&1
	apply "$master" --remove --dev ipmesh1 >/dev/null
	lacks "routes" "$(routes "$master")" 10.50.
	contains "routes" "$(routes "$master")" "blackhole 10.244.0.64/26"
	contains "routes" "$(routes "$master")" "10.245.1.0/26 via 172.16.40.198 dev ens160"
	lacks "tables" "$(in_ns "$master" nft list ruleset)" ipmesh1
	contains "second run" "$(apply "$master" "${cluster[@]}" 2>&1)" "no changes"
	# what nobody is known to own stays, and is told of
	ip -n "$master" link add ipmesh7 type ipmesh
	ip -n "$master" route add blackhole 10.60.0.0/24 proto ipmesh
	contains "the warning" "$(apply "$master" --remove 2>&1)" "may be of another device are left, 1 of them"
	equal "routes" "$(routes "$master")" "blackhole 10.60.0.0/24"
}

other_kind() {
	local before rc=0 got
	foreign
	ip -n "$master" link add ipmesh0 type dummy
	before=$(everything "$master")
	got=$(apply "$master" --remove 2>&1) || rc=$?
	equal "status" "$rc" 1
	contains "refusal" "$got" "\"ipmesh0\" is not an ipmesh device but of kind dummy"
	equal "state" "$(everything "$master")" "$before"
}

run_tests all_goes link_del device_went ipv6 other_device other_kind
