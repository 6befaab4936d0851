#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh doctor --fix" on hosts that work: pods, daemons and tunnels of others.
#
#     a: 172.16.40.1 eth0 ======== eth0 172.16.40.2 :b
#        10.244.1.0/24 ipmesh0        ipmesh0 10.244.2.0/24
#
# Proves: no route, address or device of another is changed, and what answered before
# answers after it; a host that works has no problem; what makes somebody silent is undone,
# with all that went along.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-doctor.sh"

# theirs: what is not ipmesh's
theirs() {
	ip -n "$a" -4 route show table all |
		grep -v " dev ipmesh0 .*proto ipmesh\|^local .* dev ipmesh0"
	ip -n "$a" -4 -o addr | grep -v " ipmesh0 "
	ip -n "$a" -o link | sed 's/^\([^:]*: [^:]*\):.*/\1/' | grep -v " ipmesh0"
	in_ns "$a" nft list ruleset
}

# unharmed [STATUS]: --fix changes nothing of others', and its status is 0
unharmed() {
	local before rc=0
	before=$(theirs)
	doctor "$a" --fix -j >"$tmp/found" || rc=$?
	equal "status of --fix: $(jq -c .findings "$tmp/found")" "$rc" "${1:-0}"
	equal "what is others'" "$(theirs)" "$before"
}

# pod_on BRIDGE ADDRESS GATEWAY VAR: a pod as the bridge plug-in makes it
pod_on() {
	local p
	setup_ns "$4"
	p=${!4}
	ip link add "veth-$4" netns "$a" type veth peer eth0 netns "$p"
	ip -n "$a" link set "veth-$4" master "$1" up
	ip_batch "$p" <<-END
		link set eth0 up
		addr add $2/24 dev eth0
		route add default via $3
	END
}

# A node that one peer, a director, may send anything to (LVS, katran).
director() {
	nodes
	ip -n "$a" route add default via 172.16.40.2
	in_ns "$a" ipmesh peer set 172.16.40.2 cidr 0.0.0.0/0 noroute
	unharmed
	contains "routes" "$(ip -n "$a" route)" "default via 172.16.40.2 dev eth0"
	prints "nothing found" doctor "$a"
	# one whose prefix holds networks of this host, its pods and static routes
	in_ns "$a" ipmesh peer set 172.16.40.2 nocidr 0.0.0.0/0
	in_ns "$a" ipmesh peer set 172.16.40.2 cidr 10.0.0.0/8 noroute
	ip_batch "$a" <<-END
		link add dummy0 up type dummy
		addr add 10.9.0.1/16 dev dummy0
		route add 10.8.0.0/16 via 172.16.40.2
		route add 10.0.0.0/8 dev ipmesh0
	END
	unharmed
	equal "problems" "$(jq .problems "$tmp/found")" 0
	pings "$a" 10.244.2.1
}

# flannel, k3s and kubenet: the gateway of pods has the block's first address.
bridge() {
	nodes
	ip_batch "$a" <<-END
		link add cni0 type bridge
		addr add 10.244.1.1/24 dev cni0
		link set cni0 up
	END
	pod_on cni0 10.244.1.7 10.244.1.1 pod
	pings "$pod" 10.244.2.1
	unharmed
	equal "problems" "$(jq .problems "$tmp/found")" 0
	pings "$pod" 10.244.1.1
	pings "$pod" 10.244.2.1
}

# The ptp plug-in: each veth of a pod has the gateway's address.
ptp() {
	local i
	nodes
	for i in 7 8; do
		setup_ns "pod$i"
		eval "p=\$pod$i"
		ip link add "veth$i" netns "$a" type veth peer eth0 netns "$p"
		ip_batch "$a" <<-END
			link set veth$i up
			addr add 10.244.1.1/32 dev veth$i
			route add 10.244.1.$i dev veth$i
		END
		ip_batch "$p" <<-END
			link set eth0 up
			addr add 10.244.1.$i/24 dev eth0
			route del 10.244.1.0/24 dev eth0
			route add 10.244.1.1 dev eth0
			route add default via 10.244.1.1
		END
	done
	unharmed
	lacks "what is told" "$(jq -r '.findings[].check' "$tmp/found")" address_twice
	pings "$pod7" 10.244.2.1
	pings "$pod8" 10.244.2.1
}

# A daemon writes the routes: what it has none for, or another one, is its choice.
daemon() {
	nodes
	mesh -n "$a" peer new ipmesh0 172.16.40.3 cidr 10.244.3.0/24
	mesh -n "$a" peer new ipmesh0 172.16.40.4 cidr 10.244.4.0/24
	ip -n "$a" route del 10.244.2.0/24
	ip -n "$a" route add 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink proto bird src 10.244.1.1
	ip -n "$a" route add 10.244.4.0/24 via 172.16.40.2 dev ipmesh0 onlink proto bird
	unharmed 1
	contains "by hand" "$(found route_missing by_hand)" "bird writes the routes here"
	equal "commands" "$(jq '[.findings[].commands[]] | length' "$tmp/found")" 0
	equal "route" "$(ip -n "$a" route show 10.244.3.0/24)" ""
	pings "$a" 10.244.2.1
}

# With the last address of tunl0 the kernel would take all of its routes.
tunl0() {
	modprobe ipip
	nodes
	ip_batch "$a" <<-END
		link set tunl0 up
		addr add 10.244.1.1/32 dev tunl0
		route add 10.244.5.0/24 via 172.16.40.2 dev tunl0 onlink proto bird
	END
	unharmed
	contains "routes" "$(ip -n "$a" route)" "10.244.5.0/24 via 172.16.40.2 dev tunl0"
	equal "severity" "$(found tunl_address severity)" note
	# it has the address that the device is to have: added here, kept there
	ip -n "$a" addr del 10.244.1.1/32 dev ipmesh0
	ip -n "$a" route replace 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink
	unharmed
	contains "addresses" "$(ip -n "$a" addr show dev ipmesh0)" "inet 10.244.1.1/32"
	pings "$a" 10.244.2.1
}

# flannel that works beside a device of ours is nobody's to take away.
flannel() {
	nodes
	in_ns "$a" ipmesh peer set 172.16.40.2 nocidr 10.244.2.0/24 noroute
	ip_batch "$a" <<-END
		link add flannel.1 type vxlan id 1 local 172.16.40.1 dev eth0 dstport 8472 nolearning
		addr add 10.244.1.0/32 dev flannel.1
		link set flannel.1 up
		neigh add 10.244.3.0 lladdr 02:00:00:00:00:03 dev flannel.1 nud permanent
		route add 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink
		link add cni0 type bridge
		addr add 10.244.7.1/24 dev cni0
		link set cni0 up
	END
	unharmed
	equal "problems" "$(jq .problems "$tmp/found")" 0
}

# A pod that nobody has told of has the address which the device should have: it falls
# silent, and all goes back.
undone() {
	local routes
	nodes
	ip_batch "$a" <<-END
		addr del 10.244.1.1/32 dev ipmesh0
		route replace 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink
		route add blackhole 10.244.1.0/24 metric 4294967295 proto 98
		link add br0 type bridge
		addr add 10.244.1.254/24 dev br0
		link set br0 up
	END
	pod_on br0 10.244.1.1 10.244.1.254 pod
	pings "$a" 10.244.1.1
	pings "$pod" 10.244.2.1
	routes=$(ip -n "$a" route)
	unharmed 1
	equal "result" "$(found no_tunnel_address result)" undone
	equal "routes" "$(ip -n "$a" route)" "$routes"
	equal "addresses" "$(ip -n "$a" -4 -o addr show dev ipmesh0)" ""
	pings "$a" 10.244.1.1
	pings "$pod" 10.244.2.1
}

# What a program and a file were for is undone as well.
undone_setting() {
	nodes
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=0
	setup_ns far
	wire "$a" eth1 172.16.50.1/24 "$far" eth0 172.16.50.2/24
	pings "$a" 172.16.50.2
	mkdir "$tmp/bin"
	# shellcheck disable=SC2016 # for the other shell
	printf '#!/bin/sh\ncase $2 in *=1) ip link set eth1 down ;; *) ip link set eth1 up ;; esac\nexec %s "$@"\n' \
		"$(command -v sysctl)" >"$tmp/bin/sysctl"
	chmod +x "$tmp/bin/sysctl"
	mkdir -p "$tmp/root"
	mesh -n "$a" exec env "PATH=$tmp/bin:$PATH" ipmesh doctor --root "$tmp/root" --fix \
		>"$tmp/said" 2>&1 || true
	contains "said" "$(<"$tmp/said")" "undone: 172.16.50.2 does not answer any more"
	equal "ip_forward" "$(in_ns "$a" sysctl -n net.ipv4.ip_forward)" 0
	[ ! -e "$tmp/root/etc/sysctl.d/99-ipmesh.conf" ]
	pings "$a" 172.16.50.2
}

# Device names and others' texts go to no shell.
no_shell() {
	local dev="a;touch\$IFS-x"
	nodes
	ip -n "$a" link set ipmesh0 down
	ip -n "$a" link set ipmesh0 name "$dev"
	cd "$tmp"
	doctor "$a" --fix >/dev/null
	equal "files" "$(find "$tmp" -name '*-x*')" ""
	contains "device" "$(ip -n "$a" -br link)" UNKNOWN
	pings "$a" 10.244.2.1
}

# A name that keeps a module of the kernel from loading is told when it is given.
fallback_name() {
	local got name
	setup_ns a
	# the first that no loaded module has taken
	for name in erspan0 ip_vti0 ip6_vti0 ip6gre0; do
		[[ $(ip -n "$a" -o link) == *" $name"[@:]* ]] || break
	done
	got=$(in_ns "$a" ipmesh link add "$name" 2>&1)
	contains "link add" "$got" "$name is the name of the kernel's own device of "
	by_hand "$a" note fallback_name "$name has the name"
	modprobe ipip
	setup_ns b
	ip -n "$b" link show tunl0 >/dev/null || skip "this kernel makes no tunl0"
	refused "ip link set tunl0 down name OTHER" in_ns "$b" ipmesh link add tunl0
	ip -n "$b" link set tunl0 down name old0
	in_ns "$b" ipmesh link add tunl0 >/dev/null 2>&1
}

run_tests director bridge ptp daemon tunl0 flannel undone undone_setting no_shell fallback_name
