#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh apply" with the documents of the reference cluster.
#
#     master: k8s-master 172.16.40.199 ens160 ===== ens160 172.16.40.198 :node1
#             10.244.0.0/24                         k8s-node1 10.244.1.0/24
#
# Proves: each form of the documents gives the same state, the one of the
# cluster; a second run changes nothing, by the kernel's own account; traffic
# loses no packet while a node is added, changes its address, is removed; what
# apply does not own stays; a run that is refused has changed nothing.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-apply.sh"
. "$(dirname "$0")/lib-data.sh"

calico=(-f calico-nodes.yaml -f calico-ippools.yaml)

# As the cluster had it, but for the device's name and the protocol.
cluster_state() {
	local routes
	hosts
	apply "$master" "${calico[@]}" --node k8s-master
	apply "$node1" "${calico[@]}" --node k8s-node1
	routes=$(ip -n "$master" route)
	contains "routes" "$routes" "10.244.1.0/24 nhid "
	contains "routes" "$routes" "via 172.16.40.198 dev ipmesh0 proto ipmesh"
	contains "routes" "$routes" "onlink"
	contains "routes" "$routes" "blackhole 10.244.0.0/24 proto ipmesh"
	contains "device" "$(ip -n "$master" addr show dev ipmesh0)" "inet 10.244.0.1/32"
	contains "device" "$(ip -n "$master" link show dev ipmesh0)" "mtu 1480"
	contains "device" "$(ip -n "$master" link show dev ipmesh0)" "NOARP"
	prints "name k8s-node1
cidr 10.244.1.0/24" mesh -n "$master" peer get ipmesh0 172.16.40.198
	pings "$master" 10.244.1.1
	pings "$node1" 10.244.0.1
	counts "$master" ipmesh0 172.16.40.198 -- tx_packets=6 rx_packets=6
}

forms() {
	local form words wanted=''
	while read -r form words; do
		hosts
		# shellcheck disable=SC2086
		apply "$master" $words >/dev/null
		if [ -z "$wanted" ]; then
			wanted=$(state "$master")
			contains "state" "$wanted" "masquerade"
		else
			equal "state by $form" "$(state "$master")" "$wanted"
		fi
	done <<-END
		calico-yaml -f calico-nodes.yaml -f calico-ippools.yaml --node k8s-master
		calico-json -f calico-nodes.json -f calico-ippools.json --node k8s-master
		mixed -f calico-ippools.json -f kubectl-nodes.yaml -f calico-nodes.yaml --node k8s-master
		kubectl-json -f kubectl-nodes.json -f calico-ippools.yaml --node k8s-master
		kubectl-list -f kubectl-nodelist.json -f kubectl-ippools-crd.json --node k8s-master
		own -f ipmesh-k8s-master.yaml
	END
	# and no form finds anything to do where another one has been
	apply "$master" -f kubectl-nodes.json -f calico-ippools.yaml --node k8s-master >/dev/null
	equal "state after another form" "$(state "$master")" "$wanted"
}

# A node that is not finished is left out, and what the kernel has of it stays.
left_out() {
	local got
	hosts
	apply "$master" -f kubectl-nodes.json --node k8s-master >/dev/null
	apply "$node1" -f kubectl-nodes.json --node k8s-node1 >/dev/null
	jq '(.items[] | select(.metadata.name == "k8s-node1")) |=
		del(.spec.podCIDR, .spec.podCIDRs, .metadata.annotations)' \
		"$docs/kubectl-nodes.json" >"$tmp/unfinished.json"
	got=$(apply "$master" -f "$tmp/unfinished.json" --node k8s-master 2>&1)
	contains "apply" "$got" "k8s-node1"
	contains "apply" "$got" "no changes"
	prints "name k8s-node1
cidr 10.244.1.0/24" mesh -n "$master" peer get ipmesh0 172.16.40.198
	pings "$master" 10.244.1.1
	refused "k8s-node1" apply "$master" -f "$tmp/unfinished.json" --node k8s-master \
		--strict-documents
	# one that is not in the documents any more goes
	jq 'del(.items[] | select(.metadata.name == "k8s-node1"))' \
		"$docs/kubectl-nodes.json" >"$tmp/alone.json"
	contains "apply" "$(apply "$master" -f "$tmp/alone.json" --node k8s-master)" \
		"- peer 172.16.40.198"
}

# The blackhole of an older version, which would go before a bridge's route.
old_blackhole() {
	hosts
	apply "$master" -f kubectl-nodes.json --node k8s-master >/dev/null
	ip -n "$master" route del blackhole 10.244.0.0/24 metric 4294967295
	ip -n "$master" route add blackhole 10.244.0.0/24 proto 98
	apply "$master" -f kubectl-nodes.json --node k8s-master >/dev/null
	equal "blackholes" "$(ip -n "$master" route show type blackhole)" \
		"blackhole 10.244.0.0/24 proto ipmesh metric 4294967295 "
	prints "no changes" apply "$master" -f kubectl-nodes.json --node k8s-master
}

# A daemon writes the routes: none is written here, missed, or taken away.
routes_none() {
	hosts
	contains "apply" "$(apply "$master" -f kubectl-nodes.json --node k8s-master --routes none)" \
		"+ peer 172.16.40.198 k8s-node1 routes none 10.244.1.0/24"
	equal "routes" "$(routes "$master")" ""
	prints "no changes" apply "$master" -f kubectl-nodes.json --node k8s-master --routes none
	equal "routes of the peer" "$(peer_routes)" none
	equal "problems" "$(in_ns "$master" ipmesh -j show | jq '.[0].problems | length')" 0
	equal "problems" "$(in_ns "$master" ipmesh doctor --root "$tmp" -j | jq .problems)" 0
	# neither with a route of the daemon's, wherever it leads to
	ip -n "$master" route add 10.244.1.0/24 via 172.16.40.198 dev ipmesh0 onlink proto bird metric 32
	apply "$node1" -f kubectl-nodes.json --node k8s-node1 >/dev/null
	pings "$node1" 10.244.0.1
	prints "no changes" apply "$master" -f kubectl-nodes.json --node k8s-master --routes none
	equal "problems" "$(in_ns "$master" ipmesh doctor --root "$tmp" -j | jq .problems)" 0
	# the daemon's route is left out, and told
	in_ns "$master" sh -c "ipmesh export 2>/dev/null" >"$tmp/own.yaml"
	contains "export" "$(<"$tmp/own.yaml")" "via: none"
	prints "no changes" apply "$master" -f "$tmp/own.yaml"
	# peer set adds a CIDR without a route, until it is told otherwise
	in_ns "$master" ipmesh peer set 172.16.40.198 cidr 10.245.1.0/24
	equal "route" "$(ip -n "$master" route show 10.245.1.0/24)" ""
	in_ns "$master" ipmesh peer set 172.16.40.198 nocidr 10.245.1.0/24
	# it is followed where nobody says another thing: also by a node that is new
	prints "no changes" apply "$master" -f kubectl-nodes.json --node k8s-master
	jq '.items += [.items[1] | .metadata.name = "k8s-node9" | .status.addresses[0].address = "172.16.40.9" |
		.spec.podCIDR = "10.244.9.0/24" | .spec.podCIDRs = ["10.244.9.0/24"] |
		.metadata.annotations = {"projectcalico.org/IPv4Address": "172.16.40.9/24",
			"projectcalico.org/IPv4IPIPTunnelAddr": "10.244.9.1"}]' "$docs/kubectl-nodes.json" >"$tmp/more.json"
	contains "apply" "$(apply "$master" -f "$tmp/more.json" --node k8s-master)" \
		"+ peer 172.16.40.9 k8s-node9 routes none 10.244.9.0/24"
	apply "$master" -f kubectl-nodes.json --node k8s-master >/dev/null
	# and back to routes of ours
	ip -n "$master" route del 10.244.1.0/24
	contains "apply" "$(apply "$master" -f kubectl-nodes.json --node k8s-master --routes peer)" \
		"~ peer 172.16.40.198 k8s-node1 routes ipmesh"
	contains "routes" "$(routes "$master")" "10.244.1.0/24 via 172.16.40.198 dev ipmesh0"
	equal "routes of the peer" "$(peer_routes)" ipmesh
	# by hand
	in_ns "$master" ipmesh peer set 172.16.40.198 noroute
	equal "routes of the peer" "$(peer_routes)" none
	contains "apply" "$(apply "$master" -f kubectl-nodes.json --node k8s-master)" \
		"- route 10.244.1.0/24"
	in_ns "$master" ipmesh peer set 172.16.40.198 route
	equal "routes of the peer" "$(peer_routes)" ipmesh
}

peer_routes() {
	in_ns "$master" ipmesh -j peer show | jq -r '.[0].routes'
}

# What a host sends to a service, with the address of its underlay, gets the tunnel
# address: the answer of the pod comes back by the tunnel.
host_to_service() {
	hosts
	apply "$master" -f kubectl-nodes.json --node k8s-master >/dev/null
	apply "$node1" -f kubectl-nodes.json --node k8s-node1 >/dev/null
	ip -n "$master" route add 10.96.0.0/12 dev ens160
	in_ns "$master" nft 'table ip svc { chain out { type nat hook output priority -100; ip daddr 10.96.0.1 dnat to 10.244.1.1; }; }'
	in_ns "$node1" nft 'table ip seen {
		counter tunnel { }
		counter other { }
		chain in { type filter hook input priority 0;
			iifname ipmesh0 ip saddr 10.244.0.1 counter name tunnel
			iifname ipmesh0 ip saddr != 10.244.0.1 counter name other; }; }'
	pings "$master" 10.96.0.1
	pings "$master" 10.244.1.1
	equal "from the tunnel address" "$(seen_as tunnel)" 6
	equal "from others" "$(seen_as other)" 0
	# a Device may say otherwise, and an export has it
	equal "natHost" "$(in_ns "$master" ipmesh export | sed -n 's/^ *natHost: //p')" true
	in_ns "$master" ipmesh export >"$tmp/own.yaml"
	prints "no changes" apply "$master" -f "$tmp/own.yaml"
	sed -i 's/natHost: true/natHost: false/' "$tmp/own.yaml"
	contains "apply" "$(apply "$master" -f "$tmp/own.yaml")" "- nat"
	silent "$master" 10.96.0.1
	busywait is 1 seen_as other
}

# The same of IPv6.
host_to_service6() {
	local n ns
	hosts
	for n in 1 2; do
		ns=$master
		[ "$n" = 1 ] || ns=$node1
		in_ns "$ns" sysctl -qw net.ipv6.conf.ens160.disable_ipv6=0 net.ipv6.conf.all.forwarding=1
		ip -n "$ns" addr add "fd00::$n/64" dev ens160 nodad
		cat >"$tmp/own.yaml" <<-END
			apiVersion: ipmesh/v1
			kind: Device
			metadata: {name: ipmesh0}
			spec:
			  local: "fd00::$n"
			  address: ["fd10:$n::1/128"]
			  natHost: true
			  peers:
			  - {endpoint: "fd00::$((3 - n))", cidrs: ["fd10:$((3 - n))::/64"]}
		END
		apply "$ns" -f "$tmp/own.yaml" >/dev/null
		prints "no changes" apply "$ns" -f "$tmp/own.yaml"
	done
	ip -n "$master" route add fd96::/64 dev ens160
	in_ns "$master" nft 'table ip6 svc { chain out { type nat hook output priority -100; ip6 daddr fd96::1 dnat to fd10:2::1; }; }'
	in_ns "$node1" nft 'table ip6 seen {
		counter tunnel { }
		chain in { type filter hook input priority 0;
			iifname ipmesh0 ip6 saddr fd10:1::1 counter name tunnel; }; }'
	pings "$master" fd96::1
	equal "from the tunnel address" "$(in_ns "$node1" nft list counter ip6 seen tunnel |
		sed -n 's/.*packets \([0-9]*\) .*/\1/p')" 3
}

seen_as() {
	in_ns "$node1" nft list counter ip seen "$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

# Forms that other programs print, and spellings of the words.
other_forms() {
	local nodes=$docs/kubectl-nodes.json pools=$docs/calico-ippools.yaml wanted form big
	hosts
	jq -c .items "$nodes" >"$tmp/array.json"
	{ printf '\xef\xbb\xbf'; jq .items[0] "$nodes"; printf '\xef\xbb\xbf'; jq -c '.items[1:][]' "$nodes"; } \
		>"$tmp/documents.json"
	jq -c . "$nodes" | sed 's/"\([A-Za-z]*\)":/\1: /g' >"$tmp/flow.yaml"
	big='"a": 18446744073709551616, "b": [-12345678901234567890123456789012345678901234567890123456789012345678], "c": "\\u0000", "d": 1e400'
	jq . "$nodes" | sed "s/\"metadata\": {/&$big,/" >"$tmp/large.json"
	wanted=$(apply "$master" --dry-run -f "$nodes" -f "$pools" --node k8s-master)
	contains "plan" "$wanted" "+ peer 172.16.40.198 k8s-node1 10.244.1.0/24"
	for form in array.json documents.json flow.yaml large.json; do
		equal "plan of $form" \
			"$(apply "$master" --dry-run -f "$tmp/$form" -f "$pools" --node k8s-master)" "$wanted"
	done
	equal "plan by other words" \
		"$(apply "$master" -f"$nodes" -f="$pools" --node=k8s-master -- --dry-run)" "$wanted"
	equal "plan by short words" \
		"$(mesh -n "$master" exec ipmesh app --filename="$nodes" --filename "$pools" --node k8s-master --dry-run)" \
		"$wanted"
	sed 's/"name": "k8s-node1"/"name": "k8s-node1\\u0000"/' <(jq . "$nodes") >"$tmp/nul.json"
	refused "a NUL byte in a text" apply "$master" -f "$tmp/nul.json" --node k8s-master
}

# Names that are longer than a label, and texts that are not for a terminal.
names() {
	local long=node.with-a-name-of-253-letters.in-a-region.of-a-provider.of-machines got n
	hosts
	node() {
		printf '{"apiVersion":"v1","kind":"Node","metadata":{"name":"%s"},"spec":{"podCIDR":"%s"},
			"status":{"addresses":[{"type":"InternalIP","address":"172.16.40.%s"}]}}\n' "$@"
	}
	{
		node k8s-master 10.244.0.0/24 199
		node "$long.1" 10.244.1.0/24 198
		node "$long.2" 10.244.2.0/24 197
	} >"$tmp/long.json"
	apply "$master" -f "$tmp/long.json" --node k8s-master >/dev/null
	got=$(mesh -n "$master" exec ipmesh -j peer show | jq -r '.[].name' | sort)
	equal "names that begin like the nodes'" "$(grep -c "^${long:0:54}~[0-9a-f]\{8\}$" <<<"$got")" 2
	equal "different names" "$(sort -u <<<"$got" | wc -l)" 2
	contains "second run" "$(apply "$master" -f "$tmp/long.json" --node k8s-master)" "no changes"
	# what another program has named
	mesh -n "$master" peer set ipmesh0 172.16.40.198 name $'a\x1b[31mb\xc2\x9bc'
	got=$(mesh -n "$master" exec ipmesh peer show)
	contains "shown" "$got" 'a\x1b[31mb\xc2\x9bc'
	for n in "peer show" show "peer del 172.16.40.9" export doctor; do
		# shellcheck disable=SC2086
		got=$(mesh -n "$master" exec ipmesh $n 2>&1 || true)
		lacks "ipmesh $n" "$got" $'\x1b'
	done
}

second_run() {
	local got
	hosts
	apply "$master" "${calico[@]}" --node k8s-master >/dev/null
	quiet_begin "$master"
	got=$(apply "$master" "${calico[@]}" --node k8s-master)
	contains "second run" "$got" "no changes"
	got=$(apply "$master" -f ipmesh-k8s-master.yaml)
	contains "another form" "$got" "no changes"
	quiet_end "$master"
}

# The same instruments see a run that does change something.
monitor_sees() {
	hosts
	apply "$master" "${calico[@]}" --node k8s-master >/dev/null
	quiet_begin "$master"
	mesh -n "$master" exec ip route del 10.244.1.0/24
	apply "$master" "${calico[@]}" --node k8s-master >/dev/null
	busywait file_has "$tmp/monitor" "10.244.1.0/24"
}

dry_run() {
	local got
	hosts
	ip -n "$master" link set lo alias before
	quiet_begin "$master"
	got=$(apply "$master" "${calico[@]}" --node k8s-master --dry-run 2>/dev/null)
	contains "dry run" "$got" "+ route 10.244.1.0/24 via 172.16.40.198 dev ipmesh0 onlink"
	quiet_end "$master"
	equal "devices" "$(ip -n "$master" -br link show type ipmesh)" ""
}

# documents OUT ADDRESS [MORE]: the cluster with another address of k8s-node1,
# and, with MORE, a node k8s-node2
documents() {
	mkdir -p "$1"
	sed "s/172.16.40.198/$2/" "$docs/calico-nodes.yaml" >"$1/nodes.yaml"
	cp "$docs/calico-ippools.yaml" "$1"
	[ -z "${3:-}" ] || cat >"$1/node2.yaml" <<-END
		apiVersion: projectcalico.org/v3
		kind: Node
		metadata:
		  name: k8s-node2
		spec:
		  bgp:
		    ipv4Address: 172.16.40.196/24
		    ipv4IPIPTunnelAddr: 10.244.2.1
	END
}

node_added() {
	hosts
	documents "$tmp/two" 172.16.40.198
	documents "$tmp/three" 172.16.40.198 more
	apply "$master" -f "$tmp/two" --node k8s-master >/dev/null
	apply "$node1" -f "$tmp/two" --node k8s-node1 >/dev/null
	flood "$master" 10.244.1.1
	apply "$master" -f "$tmp/three" --node k8s-master >/dev/null
	apply "$node1" -f "$tmp/three" --node k8s-node1 >/dev/null
	prints "172.16.40.196
172.16.40.198" mesh -n "$master" peer list ipmesh0
	contains "routes" "$(ip -n "$master" route)" "10.244.2.0/24"
	apply "$master" -f "$tmp/two" --node k8s-master >/dev/null
	prints "172.16.40.198" mesh -n "$master" peer list ipmesh0
	lacks "routes" "$(ip -n "$master" route)" "10.244.2.0/24"
	flooded
	counts "$master" ipmesh0 -- tx_packets="$sent" rx_packets="$sent" tx_dropped=0 rx_dropped=0
}

# A node that takes both addresses moves from one to the other. Its answers come
# by the underlay: which outer source it has is not the question here.
node_address() {
	hosts
	documents "$tmp/old" 172.16.40.198
	documents "$tmp/new" 172.16.40.197
	apply "$master" -f "$tmp/old" --node k8s-master >/dev/null
	apply "$node1" -f "$tmp/old" --node k8s-node1 >/dev/null
	mesh -n "$node1" link set ipmesh0 local 0.0.0.0
	ip_batch "$node1" <<-END
		addr add 172.16.40.197/24 dev ens160
		rule add pref 1 to 10.244.0.1 lookup 10
		route add 10.244.0.1 via 172.16.40.199 dev ens160 table 10
	END
	flood "$master" 10.244.1.1
	for _ in 1 2; do
		apply "$master" -f "$tmp/new" --node k8s-master
		prints 172.16.40.197 mesh -n "$master" peer list ipmesh0
		contains "routes" "$(ip -n "$master" route)" "via 172.16.40.197 dev ipmesh0"
		apply "$master" -f "$tmp/old" --node k8s-master >/dev/null
		prints 172.16.40.198 mesh -n "$master" peer list ipmesh0
	done
	flooded
	counts "$master" ipmesh0 -- tx_packets="$sent" tx_dropped=0
	counts "$node1" ipmesh0 -- rx_packets="$sent" rx_dropped=0
}

# Where the pool says no tunnel, the route is the underlay's, and back.
modes() {
	hosts
	apply "$master" "${calico[@]}" --node k8s-master >/dev/null
	apply "$master" -f calico-nodes.yaml -f calico-ippools-never.yaml --node k8s-master >/dev/null
	contains "routes" "$(ip -n "$master" route show 10.244.1.0/24)" \
		"via 172.16.40.198 dev ens160 proto ipmesh"
	apply "$master" -f calico-nodes.yaml -f calico-ippools-crosssubnet.yaml --node k8s-master >/dev/null
	contains "routes" "$(ip -n "$master" route show 10.244.1.0/24)" \
		"via 172.16.40.198 dev ens160 proto ipmesh"
	apply "$master" "${calico[@]}" --node k8s-master >/dev/null
	contains "routes" "$(ip -n "$master" route show 10.244.1.0/24)" \
		"via 172.16.40.198 dev ipmesh0 proto ipmesh"
}

# A gateway that is in no prefix of the device, as clouds give to hosts.
onlink_gateway() {
	hosts
	ip_batch "$master" <<-END
		addr del 172.16.40.199/24 dev ens160
		addr add 172.16.40.199/32 dev ens160
		route add default via 172.31.1.1 dev ens160 onlink
	END
	apply "$master" -f calico-nodes.yaml -f calico-ippools-never.yaml --node k8s-master >/dev/null 2>&1
	contains "routes" "$(routes "$master")" "10.244.1.0/24 via 172.31.1.1 dev ens160 onlink"
	contains "second run" "$(apply "$master" -f calico-nodes.yaml -f calico-ippools-never.yaml \
		--node k8s-master 2>&1)" "no changes"
}

# endpoint_by ANNOTATION…: of k8s-node1, whose InternalIP is .198
endpoint_by() {
	local a
	{
		echo "apiVersion: v1"
		echo "kind: List"
		echo "items:"
		echo "- {apiVersion: v1, kind: Node, metadata: {name: k8s-master}, spec: {podCIDRs: [10.244.0.0/24]},"
		echo "   status: {addresses: [{type: InternalIP, address: 172.16.40.199}]}}"
		echo "- apiVersion: v1"
		echo "  kind: Node"
		echo "  metadata: {name: k8s-node1, annotations: {"
		for a; do
			echo "    $a,"
		done
		echo "  }}"
		echo "  spec: {podCIDRs: [10.244.1.0/24]}"
		echo "  status: {addresses: [{type: Hostname, address: k8s-node1},"
		echo "    {type: ExternalIP, address: 192.0.2.1}, {type: InternalIP, address: 172.16.40.198},"
		echo "    {type: InternalIP, address: 172.16.10.198}]}"
	} >"$tmp/annotated.yaml"
	apply "$master" -j -f "$tmp/annotated.yaml" --node k8s-master --dry-run 2>/dev/null |
		jq -r '.changes[] | select(.object == "peer") | "\(.endpoint) \(.cidrs | join(" "))"'
}

# Calico's word counts more than flannel's, and that more than Kubernetes'.
annotations() {
	local flannel="flannel.alpha.coreos.com/public-ip: 172.16.40.197"
	local calico_ip="projectcalico.org/IPv4Address: 172.16.40.196/24"
	hosts
	prints "172.16.40.198 10.244.1.0/24" endpoint_by
	prints "172.16.40.197 10.244.1.0/24" endpoint_by "$flannel"
	prints "172.16.40.196 10.244.1.0/24" endpoint_by "$flannel" "$calico_ip"
	prints "172.16.40.196 10.244.1.0/24" endpoint_by "$calico_ip" \
		"projectcalico.org/IPv4IPIPTunnelAddr: 10.244.1.7"
}

# pinned [FIELD]…: the master's document with more fields
pinned() {
	printf '  %s\n' "$@" | sed '/^spec:$/r /dev/stdin' "$docs/ipmesh-k8s-master.yaml" |
		sed '/^  mtu: auto$/d' >"$tmp/pinned.yaml"
}

# mtu_of CIDR: of the route, by the kernel
mtu_of() {
	ip -n "$master" -j route show "$1" | jq -r '.[0].metrics[0].mtu // "none"'
}

# A route has an MTU while the way to its peer is narrower than the device.
narrow_path() {
	local field wanted got
	hosts
	while IFS='|' read -r field wanted; do
		pinned "$field"
		apply "$master" -f "$tmp/pinned.yaml" >/dev/null
		prints none mtu_of 10.244.1.0/24
		for _ in 1 2; do
			ip -n "$master" route add 172.16.40.198 dev ens160 mtu 1400
			got=$(apply "$master" -f "$tmp/pinned.yaml")
			prints "$wanted" mtu_of 10.244.1.0/24
			[ "$wanted" = none ] || contains "changes" "$got" \
				"~ route 10.244.1.0/24 via 172.16.40.198 dev ipmesh0 onlink mtu $wanted"
			contains "second run" "$(apply "$master" -f "$tmp/pinned.yaml")" "no changes"
			ip -n "$master" route del 172.16.40.198
			apply "$master" -f "$tmp/pinned.yaml" >/dev/null
			prints none mtu_of 10.244.1.0/24
			contains "second run" "$(apply "$master" -f "$tmp/pinned.yaml")" "no changes"
		done
		apply "$master" --remove >/dev/null
	done <<-END
		mtu: 1480|1380
		mtu: 1300|none
		dev: ens160|1380
		mtu: auto|none
	END
	# as the device is, UDP takes eight bytes more
	pinned "mtu: 1480" "encap: udp"
	apply "$master" -f "$tmp/pinned.yaml" >/dev/null
	prints 1472 mtu_of 10.244.1.0/24
	# by a narrow device
	pinned "mtu: 1480"
	ip -n "$master" link set ens160 mtu 1450
	apply "$master" -f "$tmp/pinned.yaml" >/dev/null
	prints 1430 mtu_of 10.244.1.0/24
	ip -n "$master" link set ens160 mtu 1500
	apply "$master" -f "$tmp/pinned.yaml" >/dev/null
	prints none mtu_of 10.244.1.0/24
}

# A device that follows is no narrower than IPv6 takes: IPv4's routes are.
path_below_1280() {
	hosts
	pinned "mtu: auto"
	apply "$master" -f "$tmp/pinned.yaml" >/dev/null
	ip -n "$master" route add 172.16.40.198 dev ens160 mtu 1200
	apply "$master" -f "$tmp/pinned.yaml" >/dev/null
	prints 1180 mtu_of 10.244.1.0/24
	contains "second run" "$(apply "$master" -f "$tmp/pinned.yaml")" "no changes"
	ip -n "$master" route del 172.16.40.198
	apply "$master" -f "$tmp/pinned.yaml" >/dev/null
	prints none mtu_of 10.244.1.0/24
}

# What a router said of one endpoint is nothing that a route is to keep.
learned_path() {
	local r
	hosts
	setup_ns r
	wire "$master" eth1 10.9.1.1/24 "$r" eth0 10.9.1.9/24
	wire "$r" eth1 10.9.2.9/24 "$node1" eth1 10.9.2.2/24
	in_ns "$r" sysctl -qw net.ipv4.ip_forward=1
	ip -n "$r" link set eth1 mtu 1300
	ip -n "$node1" link set eth1 mtu 1300
	ip -n "$master" route add 10.9.2.0/24 via 10.9.1.9
	ip -n "$node1" route add 10.9.1.0/24 via 10.9.2.9
	sed 's/172.16.40.198/10.9.2.2/' "$docs/ipmesh-k8s-master.yaml" |
		sed 's/mtu: auto/mtu: 1480/' >"$tmp/far.yaml"
	apply "$master" -f "$tmp/far.yaml" >/dev/null
	mesh -n "$master" echo 1 10.9.2.2 size 1400 df on >/dev/null 2>&1 || true
	contains "what was learned" "$(ip -n "$master" route get 10.9.2.2)" "mtu 1300"
	contains "second run" "$(apply "$master" -f "$tmp/far.yaml")" "no changes"
	prints none mtu_of 10.244.1.0/24
}

# One route a pool, and the device finds the peer; to and fro under traffic.
pool_routes() {
	local form peer pool got
	hosts
	apply "$master" "${calico[@]}" --node k8s-master >/dev/null
	apply "$node1" "${calico[@]}" --node k8s-node1 >/dev/null
	peer=$(routes "$master")
	flood "$master" 10.244.1.1
	for _ in 1 2 3; do
		apply "$master" "${calico[@]}" --node k8s-master --routes pool >/dev/null
		pool=$(routes "$master")
		equal "nexthops" "$(ip -n "$master" nexthop)" ""
		apply "$node1" "${calico[@]}" --node k8s-node1 --routes=pool >/dev/null
		apply "$master" "${calico[@]}" --node k8s-master --routes peer >/dev/null
		equal "routes" "$(routes "$master")" "$peer"
		apply "$node1" "${calico[@]}" --node k8s-node1 >/dev/null
	done
	flooded
	equal "pool's routes" "$pool" "10.244.0.0/16 dev ipmesh0 scope link
blackhole 10.244.0.0/24 metric 4294967295"
	counts "$master" ipmesh0 -- tx_packets="$sent" rx_packets="$sent" tx_dropped=0 rx_dropped=0
	counts "$node1" ipmesh0 -- tx_packets="$sent" rx_packets="$sent" tx_dropped=0 rx_dropped=0
	# the same by the field, which the option overrides
	pinned "routes: pool"
	apply "$master" -f "$tmp/pinned.yaml" >/dev/null
	equal "routes" "$(routes "$master")" "$pool"
	quiet_begin "$master"
	for form in "-f $tmp/pinned.yaml" "${calico[*]} --node k8s-master --routes pool"; do
		# shellcheck disable=SC2086
		contains "second run" "$(apply "$master" $form)" "no changes"
	done
	got=$(mesh -n "$master" exec ipmesh export 2>&1)
	contains "export" "$got" "routes: pool"
	printf '%s\n' "$got" >"$tmp/exported.yaml"
	contains "apply of it" "$(apply "$master" -f "$tmp/exported.yaml")" "no changes"
	quiet_end "$master"
	apply "$master" -f "$tmp/pinned.yaml" --routes peer >/dev/null
	equal "routes" "$(routes "$master")" "$peer"
	# a peer with a narrow path keeps a route of its own
	pinned "routes: pool" "mtu: 1480"
	ip -n "$master" route add 172.16.40.198 dev ens160 mtu 1400
	apply "$master" -f "$tmp/pinned.yaml" >/dev/null
	equal "routes" "$(routes "$master")" "10.244.1.0/24 dev ipmesh0 scope link mtu 1380
blackhole 10.244.0.0/24 metric 4294967295"
	# nothing through the tunnel, no route to it; nothing left of it either
	apply "$master" -f calico-nodes.yaml -f calico-ippools-never.yaml --node k8s-master \
		--routes pool >/dev/null
	equal "routes" "$(routes "$master")" "10.244.1.0/24 via 172.16.40.198 dev ens160
blackhole 10.244.0.0/24 metric 4294967295"
}

# Both families over an IPv4 underlay, and IPv6 over an IPv6 one.
pool_families() {
	local docs=$here/fixtures/dual words form node addresses a
	while IFS='|' read -r addresses words; do
		hosts
		for node in master node1; do
			mesh -n "${!node}" exec sysctl -qw net.ipv6.conf.ens160.disable_ipv6=0 \
				net.ipv6.conf.all.forwarding=1
		done
		ip -n "$master" addr add fd00:40::199/64 dev ens160 nodad
		ip -n "$node1" addr add fd00:40::198/64 dev ens160 nodad
		for form in peer pool peer pool; do
			for node in master node1; do
				# shellcheck disable=SC2086
				apply "${!node}" $words --node "k8s-$node" --routes "$form" >/dev/null
				# shellcheck disable=SC2086
				contains "second run" "$(apply "${!node}" $words --node "k8s-$node" \
					--routes "$form")" "no changes"
			done
			for a in $addresses; do
				ping_of "$master" "$a"
			done
		done
		equal "nexthops" "$(ip -n "$master" nexthop)" ""
		contains "routes" "$(ip -n "$master" -6 route)" "fd10:244::/48 dev ipmesh0 proto ipmesh"
		counts "$master" ipmesh0 -- tx_dropped=0 rx_dropped=0
	done <<-END
		10.244.1.1 fd10:244:0:1::1|-f calico-nodes.yaml -f kubectl-nodes.json -f calico-ippools-tunnel.yaml
		fd10:244:0:1::1|-f calico-nodes-v6.yaml -f kubectl-nodes-v6.json -f calico-ippools-v6.yaml
	END
}

# A pool that a Device and an IPPool name is one.
pool_twice() {
	local docs_of=(-f "$tmp/device.yaml" "${calico[@]}" --node k8s-master)
	hosts
	cat >"$tmp/device.yaml" <<-END
		apiVersion: ipmesh/v1
		kind: Device
		metadata: {name: ipmesh0}
		spec: {local: 172.16.40.199, pools: [10.244.0.0/16], natOutgoing: [10.244.0.0/16]}
	END
	apply "$master" "${docs_of[@]}" >/dev/null
	contains "second run" "$(apply "$master" "${docs_of[@]}")" "no changes"
}

port_taken() {
	[ -n "$(in_ns "$master" ss -Hlun sport = :5555)" ]
}

port_free() {
	! port_taken
}

# The kernel refuses something in the middle that nobody could foresee: what was
# done is told, and what not, and the next run does the rest.
half_done() {
	local rc=0 got
	hosts
	cat >"$tmp/three.yaml" <<-END
		apiVersion: ipmesh/v1
		kind: Device
		metadata: {name: ipmesh0}
		spec:
		  local: 172.16.40.199
		  peers:
		  - {endpoint: 172.16.40.196, cidrs: [10.244.2.0/24]}
		  - {endpoint: 172.16.40.197, cidrs: [10.244.3.0/24], encap: udp}
		  - {endpoint: 172.16.40.198, cidrs: [10.244.1.0/24]}
	END
	# the port is somebody else's
	start "$master" socat -u UDP4-RECV:5555 STDOUT >/dev/null
	busywait port_taken
	got=$(apply "$master" -f "$tmp/three.yaml" 2>&1) || rc=$?
	equal "status" "$rc" 1
	contains "done" "$got" "+ peer 172.16.40.196 10.244.2.0/24"
	contains "done" "$got" "+ peer 172.16.40.198 10.244.1.0/24"
	contains "refused" "$got" "peer 172.16.40.197 : "
	contains "what to do" "$got" "3 of 10 changes are done, the others not: mend what is wrong and run it again"
	lacks "done" "$got" "+ route"
	prints "172.16.40.196
172.16.40.198" mesh -n "$master" peer list ipmesh0
	got=$(apply "$master" -j -f "$tmp/three.yaml" 2>/dev/null) && fail "not refused again"
	jq -e '(.changes | length) == 0 and (.not_done | length) == 7 and
		([.not_done[] | select(.error)] | length) == 1' <<<"$got" >/dev/null || fail "JSON: $got"
	kill "$pid"
	busywait port_free
	apply "$master" -f "$tmp/three.yaml" >/dev/null
	prints "172.16.40.196
172.16.40.197
172.16.40.198" mesh -n "$master" peer list ipmesh0
	equal "routes" "$(routes "$master" | grep -c 'via 172.16.40.19[678] dev ipmesh0')" 3
	contains "second run" "$(apply "$master" -f "$tmp/three.yaml")" "no changes"
}

not_ours() {
	hosts
	ip_batch "$master" <<-END
		route add 10.99.0.0/16 via 172.16.40.198 dev ens160
		route add 10.98.0.0/16 via 172.16.40.198 dev ens160 proto static
		nexthop add id 5 via 172.16.40.198 dev ens160
		route add 10.97.0.0/16 nhid 5 proto bird
	END
	in_ns "$master" nft "add table ip other; add chain ip other c { type filter hook input priority 0; }"
	apply "$master" "${calico[@]}" --node k8s-master >/dev/null
	apply "$master" -f calico-nodes.yaml -f calico-ippools-never.yaml --node k8s-master >/dev/null
	contains "routes" "$(ip -n "$master" route)" "10.99.0.0/16 via 172.16.40.198 dev ens160"
	contains "routes" "$(ip -n "$master" route)" "10.98.0.0/16 via 172.16.40.198 dev ens160 proto static"
	contains "routes" "$(ip -n "$master" route)" "10.97.0.0/16 nhid 5"
	contains "tables" "$(in_ns "$master" nft list tables)" "table ip other"
}

# Refused when the first half might have been done.
refused_whole() {
	local got
	hosts
	ip -n "$master" link add ipmesh0 type dummy
	ip -n "$master" link set ipmesh0 up
	quiet_begin "$master"
	if got=$(apply "$master" "${calico[@]}" --node k8s-master 2>&1); then
		fail "a device of another kind was taken"
	fi
	contains "refusal" "$got" "ipmesh0"
	quiet_end "$master"
	lacks "tables" "$(in_ns "$master" nft list tables)" ipmesh
}

run_tests cluster_state forms left_out old_blackhole routes_none host_to_service host_to_service6 other_forms names second_run monitor_sees dry_run node_added node_address modes \
	onlink_gateway annotations narrow_path path_below_1280 learned_path pool_routes \
	pool_families pool_twice half_done not_ours refused_whole
