#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The reference cluster, step by step, for a person to read. Two hosts, their
# pods, and a host outside, on one layer 2:
#
#   k8s-master 172.16.40.199          k8s-node1 172.16.40.198     outside
#   10.244.0.0/24                     10.244.1.0/24               172.16.40.50
#   pods .76 .. .81 on cali…          pods .2 .3 on cali…
#        │                                 │                          │
#     ens160                            ens160                        │
#        └──────────────── bridge ─────────┴──────────────────────────┘
#
# The documents are those in fixtures/seed. Every step is checked too: the
# demo ends with status 1 at the first one that does not show what it says.
set -eu
cd "$(dirname "$0")"

seed=fixtures/seed
docs=$(mktemp -d)
cp "$seed"/calico-nodes.yaml "$seed"/calico-ippools.yaml "$docs"

bold='' plain=''
if [ -t 1 ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

title() {
	printf '\n%s== %s%s\n' "$bold" "$*" "$plain"
}

fail() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

# on HOST COMMAND…: shows the command as typed there, and runs it
on() {
	local host=$1
	shift
	printf '%s%s# %s%s\n' "$bold" "$host" "$*" "$plain"
	(cd "$docs" && ip netns exec "$host" "$@")
}

quiet() {
	local host=$1
	shift
	(cd "$docs" && ip netns exec "$host" "$@")
}

# expect TEXT PATTERN WHAT
expect() {
	grep -qE -- "$2" <<< "$1" || fail "$3: no line matches \"$2\""
}

# A pod as Calico wires it: a /32, its host as the gateway by proxy ARP.
pod() {
	local host=$1 address=$2 veth=$3 ns=pod-$2

	ip netns add "$ns"
	ip link add "$veth" netns "$host" mtu 1500 type veth peer name eth0 netns "$ns" mtu 1500
	ip -n "$host" link set "$veth" up
	ip -n "$host" route add "$address" dev "$veth" scope link
	quiet "$host" sysctl -qw "net.ipv4.conf.$veth.proxy_arp=1"
	ip -n "$ns" link set lo up
	ip -n "$ns" link set eth0 up
	ip -n "$ns" address add "$address/32" dev eth0
	ip -n "$ns" route add 169.254.1.1 dev eth0 scope link
	ip -n "$ns" route add default via 169.254.1.1 dev eth0
}

# host NAME: a namespace with ens160 in the common layer 2
host() {
	ip netns add "$1"
	ip -n "$1" link set lo up
	ip link add ens160 netns "$1" type veth peer name "port-$1" netns fabric
	ip -n fabric link set "port-$1" master br0 up
	ip -n "$1" link set ens160 up
	quiet "$1" sysctl -qw net.ipv4.ip_forward=1
}

build_hosts() {
	local veth address

	ip netns add fabric
	ip -n fabric link add br0 type bridge
	ip -n fabric link set br0 up

	host k8s-master
	ip -n k8s-master address add 172.16.40.199/24 dev ens160 metric 101
	ip -n k8s-master link add ens33 type dummy
	ip -n k8s-master link set ens33 up
	ip -n k8s-master address add 172.16.10.201/16 dev ens33 metric 100
	ip -n k8s-master link add docker0 type dummy
	ip -n k8s-master link set docker0 up
	ip -n k8s-master address add 172.17.0.1/16 dev docker0
	ip -n k8s-master route add default via 172.16.10.254 dev ens33 proto static metric 100
	ip -n k8s-master route add default via 172.16.40.254 dev ens160 proto dhcp metric 101

	host k8s-node1
	ip -n k8s-node1 address add 172.16.40.198/24 dev ens160 metric 101
	ip -n k8s-node1 route add default via 172.16.40.254 dev ens160 proto dhcp metric 101

	host outside
	ip -n outside address add 172.16.40.50/24 dev ens160

	while read -r address _ veth _; do
		pod k8s-master "$address" "$veth"
	done < <(sed -n 's/^\(10\.244\.0\.[0-9]*\) dev \(cali[^ ]*\) .*/\1 dev \2/p' \
		"$seed/ip-route-master.txt" | awk '{ print $1, $2, $3 }')
	pod k8s-node1 10.244.1.2 cali1a2b3c4d5e6
	pod k8s-node1 10.244.1.3 cali2b3c4d5e6f7
}

# ping_pods: a pod of the master pings one of node1, and the other way round
ping_pods() {
	on pod-10.244.0.76 ping -n -c 3 -i 0.2 10.244.1.2 || fail "no answer from pod 10.244.1.2"
	quiet pod-10.244.1.3 ping -n -q -c 3 -i 0.2 10.244.0.81 > /dev/null ||
		fail "no answer from pod 10.244.0.81"
}

tcp_pods() {
	local server

	quiet pod-10.244.1.2 iperf3 -s -1 > /dev/null &
	server=$!
	until [ -n "$(ip netns exec pod-10.244.1.2 ss -Hltn 'sport = :5201')" ]; do
		sleep 0.05
	done
	on pod-10.244.0.76 iperf3 -c 10.244.1.2 -n 40M -f m |
		grep -E 'k8s|pod|sender|receiver' || fail "the TCP transfer failed"
	wait "$server"
}

# outer_header: what travels between the hosts, decoded
outer_header() {
	local seen

	quiet k8s-node1 tcpdump -nvv -c 1 -i ens160 -l 'ip proto 4' > "$docs/dump" 2> "$docs/dump.err" &
	seen=$!
	until grep -q 'listening on' "$docs/dump.err"; do
		sleep 0.05
	done
	quiet pod-10.244.0.76 ping -n -q -c 1 10.244.1.2 > /dev/null
	wait "$seen"
	printf '%s%s# tcpdump -nvv -i ens160 "ip proto 4"%s\n' "$bold" k8s-node1 "$plain"
	cat "$docs/dump"
	expect "$(tr '\n' ' ' < "$docs/dump")" '172\.16\.40\.199 > 172\.16\.40\.198: .*10\.244\.0\.76 > 10\.244\.1\.2' \
		"the outer header"
}

routes_master() {
	local table

	on k8s-master ip route
	table=$(quiet k8s-master ip route)
	expect "$table" '^blackhole 10\.244\.0\.0/24' "the local block"
	while read -r line; do
		expect "$table" "^$line *\$" "the pods' routes"
	done < <(grep '^10\.244\.0\.' "$seed/ip-route-master.txt" | sed 's/[.]/\\./g')
}

apply_both() {
	local host

	for host in k8s-master k8s-node1; do
		on "$host" ipmesh apply -f calico-nodes.yaml -f calico-ippools.yaml --node "$host" ||
			fail "apply on $host failed"
	done
}

title "Two hosts with their pods, and no overlay yet"
build_hosts
echo "k8s-master 172.16.40.199, pods 10.244.0.76 to .81; k8s-node1 172.16.40.198, pods 10.244.1.2 and .3"
quiet pod-10.244.0.76 ping -n -q -c 1 -W 1 10.244.1.2 > /dev/null 2>&1 &&
	fail "the pods reach each other before there is a way"
echo "pod 10.244.0.76 does not reach pod 10.244.1.2"

title "One command on each host, with the documents that calicoctl prints"
apply_both

title "The device: NOARP, MTU of the underlay less 20, the tunnel address"
on k8s-master ip address show ipmesh0
shown=$(quiet k8s-master ip address show ipmesh0)
expect "$shown" 'NOARP' "the device"
expect "$shown" 'mtu 1480' "the device"
expect "$shown" 'inet 10\.244\.0\.1/32' "the device"
on k8s-master ipmesh link show ipmesh0

title "The route table of the master, beside Calico's own (ip-route-master.txt)"
routes_master
expect "$(quiet k8s-master ip route)" \
	'^10\.244\.1\.0/24 .*via 172\.16\.40\.198 dev ipmesh0 .*onlink' "the route to node1's pods"

title "Pod to pod"
ping_pods
tcp_pods

title "What travels between the hosts: plain IPIP"
outer_header

title "Who sent how much"
on k8s-master ipmesh show -s
[ "$(quiet k8s-master ipmesh -j show | jq '[.. | .rx_packets? // empty] | add > 0')" = true ] ||
	fail "show counts no packets"

title "The same again changes nothing"
on k8s-master ipmesh apply -f calico-nodes.yaml -f calico-ippools.yaml --node k8s-master

title "node1 goes back to plain tunl0; the master does not notice"
on k8s-node1 ip link delete ipmesh0
modprobe ipip
on k8s-node1 ip link set tunl0 mtu 1480 up
on k8s-node1 ip address add 10.244.1.1/32 dev tunl0
on k8s-node1 ip route add 10.244.0.0/24 via 172.16.40.199 dev tunl0 onlink
ping_pods
tcp_pods
on k8s-node1 ip -s link show tunl0
on k8s-node1 ip route delete 10.244.0.0/24
on k8s-node1 ip address delete 10.244.1.1/32 dev tunl0
on k8s-node1 ip link set tunl0 down

title "ipipMode Never: the route moves to the underlay device"
on k8s-master sed -i s/Always/Never/ calico-ippools.yaml
apply_both
routes_master
expect "$(quiet k8s-master ip route)" \
	'^10\.244\.1\.0/24 .*via 172\.16\.40\.198 dev ens160' "the route to node1's pods"
ping_pods

title "ipipMode Always again"
on k8s-master sed -i s/Never/Always/ calico-ippools.yaml
apply_both
expect "$(quiet k8s-master ip route)" \
	'^10\.244\.1\.0/24 .*via 172\.16\.40\.198 dev ipmesh0 .*onlink' "the route to node1's pods"
ping_pods

title "natOutgoing: a host outside sees the node's address"
quiet outside tcpdump -n -c 1 -i ens160 -l icmp > "$docs/outside" 2> "$docs/outside.err" &
seen=$!
until grep -q 'listening on' "$docs/outside.err"; do
	sleep 0.05
done
on pod-10.244.0.76 ping -n -c 2 -i 0.2 172.16.40.50 || fail "the outside host does not answer"
wait "$seen"
printf '%s%s# tcpdump -n -i ens160 icmp%s\n' "$bold" outside "$plain"
cat "$docs/outside"
expect "$(cat "$docs/outside")" '172\.16\.40\.199 > 172\.16\.40\.50' "natOutgoing"

title "That is all"
