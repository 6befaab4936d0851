#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh export" and the way back by "ipmesh apply".
#
#     a: ens160 172.16.40.199/24 fd00:40::199/64 (dummy)     b: the same, clean
#
# Proves: what export prints of a device, apply takes back: where it came from
# nothing is left to do, and in a clean namespace the same document comes out
# again, with the same attributes, routes and nftables rules. So for the
# reference cluster, for both families inside and outside, for every attribute
# of a device and a peer, for names that YAML would take for something else, for
# each way that a route can go. Routes of others are not made apply's own; what
# no document can say is told.
set -eu
. "$(dirname "$0")/lib.sh"

fix=$here/fixtures

# hosts NS…: a host of the reference cluster each
hosts() {
	local ns
	for ns; do
		setup_ns "$ns"
		ip -n "${!ns}" link add ens160 type dummy
		mesh -n "${!ns}" exec sysctl -qw net.ipv4.ip_forward=1 \
			net.ipv6.conf.all.forwarding=1 net.ipv6.conf.ens160.accept_dad=0 \
			net.ipv6.conf.{default,ens160}.addr_gen_mode=1
		ip_batch "${!ns}" <<-END
			link set ens160 up
			addr add 172.16.40.199/24 dev ens160
			addr add fd00:40::199/64 dev ens160
			route add default via 172.16.40.254
		END
	done
}

# tool NS WORD…
tool() {
	mesh -n "$1" exec ipmesh "${@:2}"
}

# export_doc NS [WORD]…: into $doc, with nothing on standard error
export_doc() {
	"$here/mesh" -n "$1" exec ipmesh export "${@:2}" >"$tmp/doc" 2>"$tmp/err"
	equal "export's standard error" "$(cat "$tmp/err")" ""
	doc=$(cat "$tmp/doc")
}

# state NS: all that apply could have to do with, but for ids
state() {
	mesh -n "$1" link get ipmesh0 | grep -v '^ifindex '
	ip -n "$1" -o addr show dev ipmesh0 | sed 's/^[0-9]*: //'
	{
		ip -n "$1" -4 route
		ip -n "$1" -6 route
	} | sed 's/nhid [0-9]* //'
	ip -n "$1" nexthop | sed 's/^id [0-9]* //' | sort
	in_ns "$1" nft list ruleset
}

# round_trip: $a's ipmesh0 through YAML and JSON
round_trip() {
	local wanted first
	hosts b
	export_doc "$a"
	first=$doc
	in_ns "$a" ipmesh apply -f "$tmp/doc" --dry-run >"$tmp/out" 2>&1 || fail "$(cat "$tmp/out"): $doc"
	equal "apply of export: $doc" "$(cat "$tmp/out")" "no changes"
	wanted=$(state "$a")
	in_ns "$b" ipmesh apply -f "$tmp/doc" >"$tmp/out" 2>&1 || fail "$(cat "$tmp/out"): $doc"
	equal "the state elsewhere by $doc" "$(state "$b")" "$wanted"
	export_doc "$b"
	equal "the document elsewhere" "$doc" "$first"
	# the same facts, in JSON
	export_doc "$a" -j
	jq -e '.kind == "Device"' "$tmp/doc" >/dev/null || fail "JSON: $doc"
	prints "no changes" in_ns "$a" bash -c 'ipmesh -j export | ipmesh apply -f - --dry-run'
	del_ns "$b"
}

reference() {
	hosts a
	in_ns "$a" env -C "$fix/seed" ipmesh apply -f calico-nodes.yaml \
		-f calico-ippools.yaml --node k8s-master >/dev/null
	round_trip
	export_doc "$a"
	equal "the document" "$doc" "apiVersion: ipmesh/v1
kind: Device
metadata:
  name: ipmesh0
spec:
  local: 172.16.40.199
  address: [10.244.0.1/32]
  blackhole: [10.244.0.0/24]
  pools: [10.244.0.0/16]
  natOutgoing: [10.244.0.0/16]
  peers:
  - name: k8s-node1
    endpoint: 172.16.40.198
    cidrs: [10.244.1.0/24]"
}

# Both families, over either underlay, through the tunnel and beside it.
families() {
	local words
	while read -r words; do
		hosts a
		# shellcheck disable=SC2086
		in_ns "$a" env -C "$fix" ipmesh apply $words >/dev/null
		round_trip
		del_ns "$a"
	done <<-END
		-f dual/ipmesh-k8s-master.yaml
		-f dual/ipmesh-udp.yaml
		-f dual/calico-nodes.yaml -f dual/calico-ippools-crosssubnet.yaml --node k8s-master
		-f seed/calico-nodes.yaml -f seed/calico-ippools-crosssubnet.yaml --node k8s-master
		-f seed/calico-nodes.yaml -f seed/calico-ippools-never.yaml --node k8s-master
	END
}

attributes() {
	hosts a
	tool "$a" link add ipmesh0 local 172.16.40.199 dev ens160 peers open ttl 7 dscp 46 \
		pmtudisc off fwmark 0x10 encap udp dport 6081 sport 99 csum on notrack on rpf off max_peers 9 \
		mtu 1400 address 10.244.0.1/24 address fd10:244::1/64
	round_trip
	contains "mark" "$doc" '"fwmark":"0x10"'
	contains "notrack" "$doc" '"notrack":"on"'
	contains "rpf" "$doc" '"rpf":"off"'
	tool "$a" link set ipmesh0 ttl inherit dscp 0 mtu auto sport flow fwmark 0 peers strict
	round_trip
	# a new device of no word says nothing
	tool "$a" link del ipmesh0
	tool "$a" link add ipmesh0
	round_trip
	equal "spec" "$(jq -c .spec <<<"$doc")" "{}"
	# the default of csum is another one over IPv6
	tool "$a" link del ipmesh0
	tool "$a" link add ipmesh0 local fd00:40::199 csum off
	round_trip
	equal "spec" "$(jq -c .spec <<<"$doc")" '{"local":"fd00:40::199","csum":"off"}'
}

names() {
	local n=1 name
	hosts a
	tool "$a" link add ipmesh0 local 172.16.40.199
	while IFS= read -r name; do
		n=$((n + 1))
		tool "$a" peer add "172.16.40.$n" cidr "10.244.$n.0/24" name "$name"
	done <<-'END'
		true
		No
		null
		~
		0x10
		12
		1e3
		1:20:30
		2026-01-01
		- a
		a: b
		a #b
		{a
		*a
		"quoted" \ name
		it's
		grüße-節點
		node1.example.com
		 space
	END
	tool "$a" peer add 172.16.40.100 encap udp dport 7000
	tool "$a" peer add 172.16.40.101 encap none
	tool "$a" peer add 172.16.40.102 dport 7001
	tool "$a" peer add 172.16.40.103 source 192.0.2.7 source 198.51.100.0/24 source fd00::7 \
		from 172.20.0.0/16 from 172.21.0.1
	tool "$a" peer add 172.16.40.104 source 192.0.2.7 cidr 0.0.0.0/0 cidr ::/0 noroute
	tool "$a" peer add 172.16.40.105 cidr 0.0.0.0/1 cidr 10.250.0.0/24
	round_trip
	equal "sources" "$(jq -c '[.spec.peers[] | select(.sources) | [.sources, .from]]' <<<"$doc")" \
		'[[["192.0.2.7","198.51.100.0/24","fd00::7"],["172.20.0.0/16","172.21.0.1"]],[["192.0.2.7"],null]]'
	equal "names" "$(jq -r '.spec.peers[].name // empty' <<<"$doc" | head -n 3 | tr '\n' ' ')" \
		"true No null "
	equal "plain" "$(tool "$a" export | grep -c "name: node1.example.com$")" 1
	equal "quoted" "$(tool "$a" export | grep -c 'name: "true"$')" 1
}

# Of one peer, CIDRs that go different ways; and the daemon's stay the daemon's.
ways() {
	hosts a
	cat >"$tmp/ways" <<-END
		apiVersion: ipmesh/v1
		kind: Device
		metadata: {name: ipmesh0}
		spec:
		  local: 172.16.40.199
		  peers:
		  - endpoint: 172.16.40.198
		    cidrs:
		    - 10.244.1.0/24
		    - {prefix: 10.245.1.0/24, via: underlay}
		    - {prefix: 10.246.1.0/24, via: none}
		    - {prefix: fd10:244:0:1::/64, via: "fd00:40::198"}
		  - endpoint: 172.16.40.197
		    cidrs: [10.244.2.0/24, 10.245.2.0/24]
		    via: underlay
		  - endpoint: 172.16.99.1
		    cidrs: [{prefix: 10.244.3.0/24, via: tunnel}, 10.245.3.0/24]
		    via: none
	END
	in_ns "$a" ipmesh apply -f "$tmp/ways" >/dev/null
	contains "route" "$(ip -n "$a" route show 10.245.1.0/24)" "via 172.16.40.198 dev ens160"
	contains "route" "$(ip -n "$a" -6 route show fd10:244:0:1::/64)" "via fd00:40::198 dev ens160"
	contains "route" "$(ip -n "$a" route show 10.244.3.0/24)" "via 172.16.99.1 dev ipmesh0"
	equal "route" "$(ip -n "$a" route show 10.246.1.0/24)" ""
	equal "route" "$(ip -n "$a" route show 10.245.3.0/24)" ""
	round_trip
	equal "ways" "$(jq -c '[.spec.peers[] | [.via, .cidrs]]' <<<"$doc")" \
		'[["underlay",["10.244.2.0/24","10.245.2.0/24"]],[null,["10.244.1.0/24",{"prefix":"10.245.1.0/24","via":"underlay"},{"prefix":"10.246.1.0/24","via":"none"},{"prefix":"fd10:244:0:1::/64","via":"fd00:40::198"}]],[null,["10.244.3.0/24",{"prefix":"10.245.3.0/24","via":"none"}]]]'
}

# warned TEXT: what export says of $a, and nothing else
warned() {
	"$here/mesh" -n "$a" exec ipmesh export >"$tmp/doc" 2>"$tmp/err"
	contains "what is told" "$(cat "$tmp/err")" "$1"
	equal "lines" "$(wc -l <"$tmp/err")" 1
}

foreign() {
	hosts a
	tool "$a" link add ipmesh0 local 172.16.40.199 address 10.244.0.1/24
	tool "$a" peer add 172.16.40.198 cidr 10.244.1.0/24 noroute
	ip -n "$a" route add 10.244.1.0/24 via 172.16.40.198 dev ipmesh0 onlink proto bird
	warned "a route of another protocol is left out: 10.244.1.0/24 via 172.16.40.198 dev ipmesh0 proto bird onlink"
	contains "the document" "$(cat "$tmp/doc")" "via: none"
	prints "no changes" in_ns "$a" ipmesh apply -f "$tmp/doc"
	ip -n "$a" route add 10.244.2.0/24 dev ipmesh0 proto static
	warned "2 routes of other protocols are left out"
	prints "no changes" in_ns "$a" ipmesh apply -f "$tmp/doc"
	equal "routes" "$(ip -n "$a" route show dev ipmesh0 proto bird)" \
		"10.244.1.0/24 via 172.16.40.198 onlink "
	# one of our protocol, but not as any document has it
	ip -n "$a" route flush dev ipmesh0 proto bird
	ip -n "$a" route flush dev ipmesh0 proto static
	ip -n "$a" route add 10.244.1.0/24 dev ipmesh0 proto ipmesh mtu 1300
	warned "no document can say it: an apply would remove the route 10.244.1.0/24"
	mesh -n "$a" peer set ipmesh0 172.16.40.198 routes ipmesh
	warned "no document can say it: an apply would change the route 10.244.1.0/24"
	ip -n "$a" link set ipmesh0 down
	warned "ipmesh0 is down"
	contains "the document" "$(cat "$tmp/doc")" "cidrs: [10.244.1.0/24]"
	lacks "the document" "$(cat "$tmp/doc")" "via:"
}

devices() {
	local rc=0
	hosts a
	mesh -n "$a" exec ipmesh export >"$tmp/out" 2>&1 || rc=$?
	equal "status without a device" "$rc" 1
	contains "without a device" "$(cat "$tmp/out")" "no ipmesh device"
	refused "ipmesh device" tool "$a" export ens160
	refused "ipmesh7" tool "$a" export ipmesh7
	tool "$a" link add ipmesh0 local 172.16.40.199 address 10.244.0.1/32
	tool "$a" link add ipmesh1 address 10.245.0.1/32
	ip_batch "$a" <<-END
		route add blackhole 10.244.0.0/24 proto ipmesh metric 4294967295
		route add blackhole 10.245.0.0/24 proto ipmesh metric 4294967295
	END
	export_doc "$a" ipmesh1
	equal "one" "$(grep -e name: -e 10.24 <<<"$doc")" "  name: ipmesh1
  address: [10.245.0.1/32]
  blackhole: [10.245.0.0/24]"
	export_doc "$a"
	equal "documents" "$(grep -c '^---$' <<<"$doc")" 1
	for dev in ipmesh0 ipmesh1; do
		# blackholes made by hand have no guard yet
		in_ns "$a" ipmesh apply -f "$tmp/doc" --dev "$dev" >/dev/null
		prints "no changes" in_ns "$a" ipmesh apply -f "$tmp/doc" --dev "$dev" --dry-run
	done
	export_doc "$a" -jp
	equal "a list" "$(jq -r '.kind, .items[].metadata.name' <<<"$doc" | tr '\n' ' ')" \
		"List ipmesh0 ipmesh1 "
	prints "no changes" in_ns "$a" ipmesh apply -f "$tmp/doc" --dev ipmesh1 --dry-run
}

run_tests reference families attributes names ways foreign devices
