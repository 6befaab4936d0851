#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh apply" with the blocks of Calico's IPAM, and pools of several modes.
#
#     master: k8s-master 172.16.40.199 ens160 ===== ens160 172.16.40.198 :node1
#             blocks 10.244.0.0/26, .64/26          k8s-node1 10.244.1.0/26, 10.24{5,6}.1.0/26
#             10.244.1.5 in a block of node1's      10.244.0.9 in a block of the master's
#
#     k8s-node2 172.16.41.196, behind 172.16.40.1, is in the documents only
#
# Proves: BlockAffinity and IPAMBlock, of either API group, YAML or JSON, are what
# nodes have, whatever pod CIDRs Kubernetes gave them; blocks that are not a
# node's are no routes; single addresses in a block of another node are routed to
# the node that has them, and packets from and to them pass; each local block is a
# blackhole; each pool has its own mode; a second run changes nothing.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-apply.sh"
. "$(dirname "$0")/lib-data.sh"

docs=$here/fixtures/blocks

# k8s-node2 has no namespace
blocks_hosts() {
	hosts
	ip -n "$master" route add 172.16.41.0/24 via 172.16.40.1 dev ens160
	ip -n "$node1" route add 172.16.41.0/24 via 172.16.40.1 dev ens160
}

cluster=(-f calico-nodes.yaml -f calico-ippools.yaml)

blocks_of_master="10.244.0.70 via 172.16.41.196 dev ipmesh0 onlink
10.244.1.0/26 via 172.16.40.198 dev ipmesh0 onlink
10.244.2.0/26 via 172.16.41.196 dev ipmesh0 onlink
10.245.1.0/26 via 172.16.40.198 dev ens160
10.245.2.0/26 via 172.16.41.196 dev ipmesh0 onlink
10.246.1.0/26 via 172.16.40.198 dev ipmesh0 onlink
blackhole 10.244.0.0/26 metric 4294967295
blackhole 10.244.0.64/26 metric 4294967295"

leases_of_master="10.244.0.70 via 172.16.41.196 dev ipmesh0 onlink
10.244.0.9 via 172.16.40.198 dev ipmesh0 onlink
10.244.1.0/26 via 172.16.40.198 dev ipmesh0 onlink
10.244.2.0/26 via 172.16.41.196 dev ipmesh0 onlink
10.244.6.3 via 172.16.40.198 dev ipmesh0 onlink
10.245.1.0/26 via 172.16.40.198 dev ens160
10.245.2.0/26 via 172.16.41.196 dev ipmesh0 onlink
10.246.1.0/26 via 172.16.40.198 dev ipmesh0 onlink
blackhole 10.244.0.0/26 metric 4294967295
blackhole 10.244.0.64/26 metric 4294967295"

affinities() {
	local form got
	blocks_hosts
	for form in kubectl-blockaffinities.json calico-blockaffinities.yaml; do
		got=$(apply "$master" "${cluster[@]}" -f "$form" --node k8s-master 2>&1)
		contains "the warning" "$got" "no document tells of node k8s-node9"
		equal "routes by $form" "$(routes "$master")" "$blocks_of_master"
	done
	contains "the other form" "$got" "no changes"
	prints "name k8s-node1
cidr 10.244.1.0/26
cidr 10.245.1.0/26
cidr 10.246.1.0/26" mesh -n "$master" peer get ipmesh0 172.16.40.198
	contains "address" "$(ip -n "$master" addr show dev ipmesh0)" "inet 10.244.0.1/32"
}

# IPAMBlock alone and with the affinities, and without Calico's own nodes, whose
# tunnel addresses the blocks have too; podCIDRs of Kubernetes do not matter.
leases() {
	local got words
	blocks_hosts
	while read -r words; do
		# shellcheck disable=SC2086
		got=$(apply "$master" $words -f calico-ippools.yaml -f kubectl-ipamblocks.json \
			--node k8s-master 2>&1)
		equal "routes by $words" "$(routes "$master")" "$leases_of_master"
	done <<-END
		-f calico-nodes.yaml
		-f calico-nodes.yaml -f kubectl-blockaffinities.json
		-f kubectl-nodes.json
	END
	contains "the last run" "$got" "no changes"
	prints "name k8s-node1
cidr 10.244.0.9/32
cidr 10.244.1.0/26
cidr 10.244.6.3/32
cidr 10.245.1.0/26
cidr 10.246.1.0/26" mesh -n "$master" peer get ipmesh0 172.16.40.198
	# an address comes free, and its route goes
	sed 's/"allocations": \[null, 0, null, null, 1, null, null, null, null, 2,/"allocations": [null, 0, null, null, 1, null, null, null, null, null,/' \
		"$docs/kubectl-ipamblocks.json" >"$tmp/blocks.json"
	apply "$master" "${cluster[@]}" -f "$tmp/blocks.json" --node k8s-master >/dev/null
	lacks "routes" "$(routes "$master")" 10.244.0.9
	lacks "peer" "$(mesh -n "$master" peer get ipmesh0 172.16.40.198)" 10.244.0.9
}

# Both nodes have an address in a block of the other; both are strict.
lent_addresses() {
	blocks_hosts
	for node in master node1; do
		apply "${!node}" "${cluster[@]}" -f kubectl-ipamblocks.json --node "k8s-$node" >/dev/null
	done
	# pods, as Calico routes them
	ip -n "$master" link add cali1 type dummy
	ip -n "$node1" link add cali1 type dummy
	ip_batch "$master" <<-END
		link set cali1 up
		addr add 10.244.1.5/32 dev cali1
		addr add 10.244.0.4/32 dev cali1
	END
	ip_batch "$node1" <<-END
		link set cali1 up
		addr add 10.244.0.9/32 dev cali1
		addr add 10.244.1.2/32 dev cali1
		addr add 10.245.1.1/32 dev cali1
	END
	ping_of "$master" 10.244.0.9 -I 10.244.0.4
	ping_of "$master" 10.244.0.9 -I 10.244.1.5
	ping_of "$master" 10.244.1.2 -I 10.244.1.5
	ping_of "$node1" 10.244.1.5 -I 10.244.0.9
	ping_of "$node1" 10.244.0.4 -I 10.244.0.9
	counts "$master" ipmesh0 -- tx_packets=15 rx_packets=15 tx_dropped=0 rx_dropped=0
	# straight over the underlay, where the pool says so
	ip -n "$node1" route replace 10.244.0.4 via 172.16.40.199
	ping_of "$master" 10.245.1.1 -I 10.244.0.4
	counts "$master" ipmesh0 -- tx_packets=15 rx_packets=15
	# what no pod has ends where its block is
	ping_fails "$master" "Invalid argument" 10.244.0.20
}

# The same with a route for each pool: what is in a block of this host's own, or
# goes over the underlay, still has its own.
pool_routes() {
	local pools="10.244.0.0/16 dev ipmesh0 scope link
10.244.0.70 dev ipmesh0 scope link
10.244.0.9 dev ipmesh0 scope link
10.245.0.0/16 dev ipmesh0 scope link
10.245.1.0/26 via 172.16.40.198 dev ens160
10.246.0.0/16 dev ipmesh0 scope link
blackhole 10.244.0.0/26 metric 4294967295
blackhole 10.244.0.64/26 metric 4294967295"
	blocks_hosts
	apply "$master" "${cluster[@]}" -f kubectl-ipamblocks.json --node k8s-master \
		--routes pool >/dev/null
	apply "$node1" "${cluster[@]}" -f kubectl-ipamblocks.json --node k8s-node1 \
		--routes pool >/dev/null
	equal "routes" "$(routes "$master")" "$pools"
	contains "second run" "$(apply "$master" "${cluster[@]}" -f kubectl-ipamblocks.json \
		--node k8s-master --routes pool 2>&1)" "no changes"
	ip -n "$node1" addr add 10.244.0.9/32 dev ipmesh0
	ip -n "$node1" addr add 10.244.6.3/32 dev ipmesh0
	pings "$master" 10.244.0.9
	pings "$master" 10.244.6.3
	pings "$master" 10.244.1.1
	counts "$master" ipmesh0 -- tx_packets=9 rx_packets=9
	apply "$master" "${cluster[@]}" -f kubectl-ipamblocks.json --node k8s-master >/dev/null
	equal "routes" "$(routes "$master")" "$leases_of_master"
}

# A node without blocks has no pods yet; one in the blocks alone is not there.
no_block() {
	blocks_hosts
	cat >"$tmp/blocks.yaml" <<-END
		apiVersion: projectcalico.org/v3
		kind: BlockAffinityList
		items:
		- spec: {cidr: 10.244.0.0/26, node: k8s-master, state: confirmed, deleted: false}
		  metadata: {name: k8s-master-10-244-0-0-26}
	END
	apply "$master" "${cluster[@]}" -f "$tmp/blocks.yaml" --node k8s-master >/dev/null
	equal "routes" "$(routes "$master")" "10.244.0.70 via 172.16.41.196 dev ipmesh0 onlink
10.244.1.1 via 172.16.40.198 dev ipmesh0 onlink
blackhole 10.244.0.0/26 metric 4294967295"
}

# Kubernetes' pod CIDRs of one family, blocks of the other.
families() {
	blocks_hosts
	cat >"$tmp/nodes.yaml" <<-END
		apiVersion: v1
		kind: List
		items:
		- apiVersion: v1
		  kind: Node
		  metadata: {name: k8s-master}
		  spec: {podCIDR: 10.99.0.0/24, podCIDRs: [10.99.0.0/24, "fd10:244::/64"]}
		  status: {addresses: [{type: InternalIP, address: 172.16.40.199}]}
		- apiVersion: v1
		  kind: Node
		  metadata: {name: k8s-node1}
		  spec: {podCIDR: 10.99.1.0/24, podCIDRs: [10.99.1.0/24, "fd10:244:0:1::/64"]}
		  status: {addresses: [{type: InternalIP, address: 172.16.40.198}]}
	END
	apply "$master" -f "$tmp/nodes.yaml" -f calico-ippools.yaml -f kubectl-ipamblocks.json \
		--node k8s-master >/dev/null 2>&1
	prints "name k8s-node1
cidr 10.244.0.9/32
cidr 10.244.1.0/26
cidr 10.244.6.3/32
cidr 10.245.1.0/26
cidr 10.246.1.0/26
cidr fd10:244:0:1::/64" mesh -n "$master" peer get ipmesh0 172.16.40.198
}

# One file each, in a folder, is the same as naming them.
folder() {
	blocks_hosts
	cp -r "$docs" "$tmp/all"
	rm "$tmp/all/calico-blockaffinities.yaml"
	apply "$master" -f "$tmp/all" --node k8s-master >/dev/null 2>&1
	equal "routes" "$(routes "$master")" "$leases_of_master"
	# addresses of disabled pools are translated on
	contains "pools" "$(in_ns "$master" nft list set ip ipmesh nat-ipmesh0)" \
		"10.244.0.0/16, 10.246.0.0/16"
	contains "pools" "$(in_ns "$master" nft list set ip ipmesh pools-ipmesh0)" \
		"10.245.0.0/16"
}

run_tests affinities leases lent_addresses pool_routes no_block families folder
