#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh apply --watch": a stream of watch events, through a fifo.
#
#     master: k8s-master 172.16.40.199 ens160 ===== ens160 172.16.40.198 :node1
#             10.244.0.0/24                  and .197     k8s-node1 10.244.1.0/24
#
# Proves: nodes come, change and go by their events, and no packet is lost when
# one changes its address; what cannot be used is told once and stays as it was;
# a stream that begins anew, or begins, removes only what it does not name for
# the settle time, and nothing when part of it could not be read; what somebody
# else changes is put back, and told; it ends with the stream or by a signal, with
# status 0 and all left in place.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-apply.sh"

# nodes: the hosts, of which the other takes what comes for either address; its
# answers come by the underlay: which outer source they have is not the question
nodes() {
	hosts
	ip -n "$node1" addr add 172.16.40.197/24 dev ens160
	mesh -n "$node1" link add ipmesh0
	mesh -n "$node1" peer new ipmesh0 172.16.40.199 cidr 10.244.0.0/24
	ip_batch "$node1" <<-END
		link set ipmesh0 up
		addr add 10.244.1.1/32 dev ipmesh0
		rule add pref 1 to 10.244.0.1 lookup 10
		route add 10.244.0.1 via 172.16.40.199 dev ens160 table 10
	END
}

# node NAME LAST-OF-ADDRESS CIDR: as the server has it
version=100
node() {
	version=$((version + 1))
	printf '{"apiVersion":"v1","kind":"Node","metadata":{"name":"%s","resourceVersion":"%s"},' \
		"$1" "$version"
	printf '"spec":{"podCIDR":"%s","podCIDRs":["%s"]},"status":{"addresses":[' "$3" "$3"
	printf '{"type":"InternalIP","address":"172.16.40.%s"}],"conditions":[{"at":%s}]}}' \
		"$2" "$version"
}

# tell TYPE NAME LAST-OF-ADDRESS CIDR
tell() {
	printf '{"type":"%s","object":%s}\n' "$1" "$(node "$2" "$3" "$4")" >&"$stream"
}

# pool TYPE NAME CIDR MODE
pool() {
	printf '{"type":"%s","object":{"apiVersion":"crd.projectcalico.org/v1","kind":"IPPool","metadata":{"name":"%s"},"spec":{"cidr":"%s","ipipMode":"%s"}}}\n' \
		"$@" >&"$stream"
}

bookmark() {
	printf '{"type":"BOOKMARK","object":{"apiVersion":"v1","kind":"Node","metadata":{"resourceVersion":"%s"}}}\n' \
		$((version += 1)) >&"$stream"
}

self() {
	tell "$1" k8s-master 199 10.244.0.0/24
}

one() {
	tell "$1" k8s-node1 198 10.244.1.0/24
}

two() {
	tell "$1" k8s-node2 196 10.244.2.0/24
}

# list "COMMAND WORD…"…: what they tell, in one write, as a list comes
list() {
	local command text=''
	for command; do
		# shellcheck disable=SC2086
		text+=$(stream=1 $command)$'\n'
	done
	printf '%s' "$text" >&"$stream"
}

# watch [WORD]…: from now on, with what it prints in $tmp/out
watch() {
	local reader
	mkfifo "$tmp/fifo"
	# both ends are open before it starts: nothing waits, and nothing is lost
	exec {stream}<>"$tmp/fifo"
	exec {reader}<"$tmp/fifo"
	: >"$tmp/out"
	# shellcheck disable=SC2016 # for the other shell
	start "$master" bash -c 'exec ipmesh apply --watch "${@:2}" <&"$1"' - "$reader" \
		-f - --node k8s-master "$@" >"$tmp/out" 2>&1 {stream}<&-
	exec {reader}<&-
	from=0
}

# told TEXT: a line that it has printed since the one before has it
told() {
	busywait since "$1" || fail "not told: \"$1\" after line $from of: $(<"$tmp/out")"
	from=$((from + $(tail -n "+$((from + 1))" "$tmp/out" | grep -nFm1 -e "$1" | cut -d: -f1)))
}

since() {
	tail -n "+$((from + 1))" "$tmp/out" | grep -qF -e "$1"
}

# untold TEXT: in no line
untold() {
	lacks "what was told" "$(<"$tmp/out")" "$1"
}

peers() {
	mesh -n "$master" peer list ipmesh0
}

# ended: with status 0
ended() {
	local rc=0
	wait "$pid" || rc=$?
	equal "status; it said: $(<"$tmp/out")" "$rc" 0
}

follow() {
	nodes
	watch
	self ADDED
	one ADDED
	told "+ peer 172.16.40.198 k8s-node1 10.244.1.0/24"
	told "+ route 10.244.1.0/24 via 172.16.40.198 dev ipmesh0 onlink"
	told changes
	pings "$master" 10.244.1.1
	counts "$master" ipmesh0 172.16.40.198 -- tx_packets=3
	two ADDED
	told "+ peer 172.16.40.196 k8s-node2 10.244.2.0/24"
	told changes
	prints "172.16.40.196
172.16.40.198" peers
	# what a kubelet writes every few minutes is no change
	one MODIFIED
	two DELETED
	told "- route 10.244.2.0/24"
	told "- peer 172.16.40.196 k8s-node2"
	told changes
	prints 172.16.40.198 peers
	lacks "routes" "$(ip -n "$master" route)" 10.244.2.0
	# over several lines, as kubectl prints them without -o json's brevity
	printf '{"type":"ADDED","object":%s}\n' "$(node k8s-node3 195 10.244.3.0/24)" |
		jq --indent 4 . >&"$stream"
	told "+ peer 172.16.40.195 k8s-node3 10.244.3.0/24"
	told changes
	# a pool that comes by the stream
	pool ADDED pool 10.244.0.0/16 Never
	told "~ route 10.244.1.0/24 via 172.16.40.198 dev ens160"
	told changes
	untold "put back"
	untold "no changes"
	kill "$pid"
	ended
	contains "routes" "$(ip -n "$master" route)" "10.244.1.0/24 via 172.16.40.198 dev ens160"
	prints "172.16.40.195
172.16.40.198" peers
}

# The pending burst is done first; what was there stays.
end_of_stream() {
	nodes
	watch -j
	self ADDED
	one ADDED
	exec {stream}>&-
	ended
	jq -es 'map(.changes // [] | map(.object)) | add | index("peer")' "$tmp/out" >/dev/null ||
		fail "no JSON: $(<"$tmp/out")"
	prints 172.16.40.198 peers
	pings "$master" 10.244.1.1
	# one that does not name this host has done nothing, and says so
	stream=1 one ADDED >"$tmp/events"
	refused "the stream ended without node \"k8s-master\"" without_self
}

without_self() {
	"$here/mesh" -n "$master" exec ipmesh apply --watch -f - --node k8s-master <"$tmp/events"
}

# A node moves, and back, under traffic.
address() {
	nodes
	watch
	self ADDED
	one ADDED
	told changes
	flood "$master" 10.244.1.1
	for _ in 1 2; do
		tell MODIFIED k8s-node1 197 10.244.1.0/24
		told "~ nexthop"
		told "- peer 172.16.40.198"
		told changes
		prints 172.16.40.197 peers
		one MODIFIED
		told "~ nexthop"
		told "- peer 172.16.40.197"
		told changes
		prints 172.16.40.198 peers
	done
	flooded
	counts "$master" ipmesh0 -- tx_packets="$sent" tx_dropped=0
	counts "$node1" ipmesh0 -- rx_packets="$sent" rx_dropped=0
	equal "nexthops" "$(ip -n "$master" nexthop | wc -l)" 1
}

unusable() {
	local n
	nodes
	watch
	self ADDED
	told changes
	# this host itself cannot go, also when it is all there is
	self DELETED
	told "Node k8s-master stays: it is this host"
	self ADDED
	# one that has no pods yet, and one that is wrong: the rest goes on
	printf '{"type":"ADDED","object":{"apiVersion":"v1","kind":"Node","metadata":{"name":"k8s-node0"},"status":{"addresses":[{"type":"InternalIP","address":"172.16.40.190"}]}}}\n' >&"$stream"
	tell ADDED k8s-node3 195 10.244.3.5/24
	one ADDED
	# in which order, the bursts decide
	busywait since "Node k8s-node3 is left out: Node k8s-node3: spec.podCIDR"
	busywait since "Node k8s-node0 is left out: Node k8s-node0: "
	told "+ peer 172.16.40.198"
	prints 172.16.40.198 peers
	tell MODIFIED k8s-node0 190 10.244.10.0/24
	told "+ peer 172.16.40.190"
	told changes
	# the last good state stays, and is told of once
	tell MODIFIED k8s-node1 198 10.244.1.5/24
	told "Node k8s-node1 stays as it was: Node k8s-node1: spec.podCIDRs[0]: 10.244.1.5/24: host bits"
	tell MODIFIED k8s-node1 198 10.244.1.5/24
	# what another has
	tell ADDED k8s-node4 194 10.244.1.0/24
	told "Node k8s-node4 is left out: "
	two ADDED
	told "+ peer 172.16.40.196"
	told changes
	prints "172.16.40.190
172.16.40.196
172.16.40.198" peers
	equal "times told" "$(grep -c "k8s-node1 stays as it was" "$tmp/out")" 1
	# it is taken when the other lets go
	tell MODIFIED k8s-node1 198 10.244.11.0/24
	told "peer 172.16.40.194 k8s-node4 10.244.1.0/24"
	told changes
	self DELETED
	told "Node k8s-master stays: "
	# errors of the server and other lines
	printf '{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","code":410,"message":"too old resource version"}}\n' >&"$stream"
	told "the server says: too old resource version"
	node plain 9 10.244.9.0/24 >&"$stream"
	told "no watch events"
	n=$(peers)
	tell DELETED k8s-node4 194 10.244.1.0/24
	told "- peer 172.16.40.194"
	told changes
	equal "peers" "$(peers)" "${n/172.16.40.194$'\n'/}"
	kill -INT "$pid"
	ended
}

# A new list: what it does not name goes, after the settle time, and no packet is
# lost of the rest; a new node ahead of those that are known belongs to it.
restart() {
	nodes
	watch --settle 3
	self ADDED
	one ADDED
	two ADDED
	tell ADDED k8s-node3 195 10.244.3.0/24
	told "+ peer 172.16.40.196"
	told changes
	flood "$master" 10.244.1.1
	bookmark
	list "self ADDED" "one ADDED" "tell ADDED k8s-node3 195 10.244.3.0/24"
	told "the stream of Node objects began anew"
	told "Node k8s-node2 was not named again"
	told "- peer 172.16.40.196"
	told changes
	bookmark
	list "tell ADDED a-node 194 10.244.4.0/24" "self ADDED" "one ADDED" "two DELETED"
	told "the stream of Node objects began anew"
	told "Node k8s-node3 was not named again"
	told "- peer 172.16.40.195"
	told changes
	prints "172.16.40.194
172.16.40.198" peers
	equal "times gone" "$(grep -c "was not named again" "$tmp/out")" 2
	flooded
	kill "$pid"
	ended
}

# Part of the new list was lost: nothing goes until there is a whole one.
torn() {
	nodes
	watch --settle 2
	self ADDED
	one ADDED
	two ADDED
	pool ADDED one 10.244.0.0/16 Always
	pool ADDED two 10.9.0.0/16 Always
	told "+ peer 172.16.40.196"
	told changes
	# kubectl was killed while it wrote, the next one goes on in the line
	bookmark
	printf '{"type":"MODIFIED","object":{"apiVersion":"v1","ki' >&"$stream"
	list "self ADDED" "one ADDED"
	told "nothing is removed for not being named until the stream begins anew"
	told "the stream of Node objects began anew, but part of it could not be read"
	# the settle time goes by: another kind's, which began later, is over
	pool BOOKMARK '' '' ''
	pool ADDED one 10.244.0.0/16 Always
	told "the stream of IPPool objects began anew"
	told "IPPool two was not named again"
	untold "Node k8s-node2 was not named again"
	bookmark
	list "self ADDED" "one ADDED"
	told "the stream of Node objects began anew: "
	told "Node k8s-node2 was not named again"
	told "- peer 172.16.40.196"
	told changes
	equal "times gone" "$(grep -c "Node .* was not named again" "$tmp/out")" 1
	prints 172.16.40.198 peers
}

# A watch that starts where another has been: peers stay until they are named, or
# the list is over.
start_again() {
	nodes
	printf '{"apiVersion":"v1","kind":"List","items":[%s,%s,%s,%s]}' \
		"$(node k8s-master 199 10.244.0.0/24)" "$(node k8s-node1 198 10.244.1.0/24)" \
		"$(node k8s-node2 196 10.244.2.0/24)" "$(node k8s-node3 195 10.244.3.0/24)" >"$tmp/nodes.json"
	mesh -n "$master" exec ipmesh apply -f "$tmp/nodes.json" --node k8s-master
	flood "$master" 10.244.1.1
	watch --settle 10
	# one has moved meanwhile, one is known to be gone: those do not wait
	list "self ADDED" "tell ADDED k8s-node1 197 10.244.1.0/24" \
		"tell DELETED k8s-node3 195 10.244.3.0/24"
	told "~ nexthop"
	told "- route 10.244.3.0/24"
	told "- peer 172.16.40.195"
	told "- peer 172.16.40.198"
	told changes
	told "what has not been named yet stays"
	told "what has not been named goes"
	told "- route 10.244.2.0/24"
	told "- peer 172.16.40.196"
	told changes
	flooded
	prints 172.16.40.197 peers
	equal "nexthops" "$(ip -n "$master" nexthop | wc -l)" 1
}

# as it was, but for the number of a device that was made again
like_before() {
	[ "$(state "$master" | sed 's/^[0-9]*: //')" = "$wanted" ]
}

put_back() {
	local wanted words n
	nodes
	watch -f "$docs/calico-ippools.yaml"
	self ADDED
	one ADDED
	told changes
	wanted=$(state "$master" | sed 's/^[0-9]*: //')
	contains "state" "$wanted" masquerade
	n=0
	while IFS= read -r words; do
		# shellcheck disable=SC2086
		in_ns "$master" $words
		n=$((n + 1))
		told "(put back)"
		told change
		busywait like_before || fail "after $words: $(state "$master")"
	done <<-END
		ip route del 10.244.1.0/24
		ip route del blackhole 10.244.0.0/24
		ip nexthop del id 1229979648
		ipmesh peer del 172.16.40.198
		ip addr del 10.244.0.1/32 dev ipmesh0
		ip link set ipmesh0 down
		nft delete table ip ipmesh
		ip link del ipmesh0
	END
	pings "$master" 10.244.1.1
	# its own changes are no reason for others
	two ADDED
	told "+ peer 172.16.40.196"
	told changes
	n=$(grep -c "put back" "$tmp/out")
	two DELETED
	told "- peer 172.16.40.196"
	told changes
	equal "put back" "$(grep -c "put back" "$tmp/out")" "$n"
	untold "put_back"
	untold "no changes"
}

in_the_way() {
	nodes
	watch
	self ADDED
	one ADDED
	told changes
	ip -n "$master" route add 10.244.2.0/24 via 172.16.40.198 dev ens160 proto static
	two ADDED
	told "a route that is not ipmesh's has this destination: 10.244.2.0/24"
	told "it is tried again"
	prints 172.16.40.198 peers
	ip -n "$master" route del 10.244.2.0/24
	told "+ peer 172.16.40.196"
	told "what was refused is done now"
	prints "172.16.40.196
172.16.40.198" peers
	equal "times told" "$(grep -c "a route that is not ipmesh" "$tmp/out")" 1
	# what is put back only when it can be is put back too
	ip_batch "$master" <<-END
		route del 10.244.2.0/24
		route add 10.244.2.0/24 via 172.16.40.198 dev ens160 proto static
	END
	told "a route that is not ipmesh's has this destination: 10.244.2.0/24"
	ip -n "$master" route del 10.244.2.0/24
	told "+ route 10.244.2.0/24 via 172.16.40.196 dev ipmesh0 onlink (put back)"
	told "what was refused is done now"
	kill "$pid"
	ended
}

# What a daemon has is taken over as it comes, when it leads to the same node.
takes_over() {
	nodes
	watch --take-over
	self ADDED
	one ADDED
	told changes
	ip -n "$master" route add 10.244.2.0/24 via 172.16.40.196 dev ens160 proto bird
	two ADDED
	told "~ route 10.244.2.0/24 via 172.16.40.196 dev ipmesh0"
	told changes
	ip_batch "$master" <<-END
		route del 10.244.2.0/24
		route add 10.244.2.0/24 via 172.16.40.198 dev ens160 proto bird
	END
	told "a route that is not ipmesh's has this destination: 10.244.2.0/24"
	ip_batch "$master" <<-END
		route del 10.244.2.0/24
		route add 10.244.2.0/24 via 172.16.40.196 dev ens160 proto bird
	END
	told "what was refused is done now"
	contains "routes" "$(ip -n "$master" route show 10.244.2.0/24)" "dev ipmesh0 proto ipmesh"
	equal "routes" "$(ip -n "$master" route show 10.244.2.0/24 | wc -l)" 1
	kill "$pid"
	ended
}

run_tests follow end_of_stream address unusable restart torn start_again put_back in_the_way takes_over
