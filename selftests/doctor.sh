#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh doctor": what flannel and tunl0 leave behind; what --fix does; and the
# move from canal (flannel's VXLAN) to ipmesh of the reference cluster.
#
#     a: 172.16.40.1 eth0 ======== eth0 172.16.40.2 :b
#        10.244.1.0/24 ipmesh0        ipmesh0 10.244.2.0/24
#
# Proves: leftovers are found and named, a person is told what takes them away,
# and without a fault nothing is found; --fix does what it printed and nothing
# else, and tells what remains. A host without flannel's leftovers gets its state by apply,
# and traffic passes.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-doctor.sh"

# --- leftovers -----------------------------------------------------------------

# flannel NS OWN OTHER UNDERLAY-OWN UNDERLAY-OTHER MAC-OWN MAC-OTHER DEV: what
# canal leaves on a host
flannel() {
	local ns=$1 own=$2 other=$3 from=$4 to=$5 mac=$6 mac2=$7 dev=$8
	ip_batch "$ns" <<-END
		link add flannel.1 address $mac type vxlan id 1 local $from dev $dev dstport 8472 nolearning
		addr add 10.244.$own.0/32 dev flannel.1
		link set flannel.1 mtu 1450 up
		neigh add 10.244.$other.0 lladdr $mac2 dev flannel.1 nud permanent
		route add 10.244.$other.0/24 via 10.244.$other.0 dev flannel.1 onlink
		link add cni0 type bridge
		addr add 10.244.$own.1/24 dev cni0
		link set cni0 up
	END
	in_ns "$ns" bridge fdb add "$mac2" dev flannel.1 dst "$to"
	mkdir -p "$tmp/root/run/flannel"
	printf 'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.%s.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n' \
		"$own" >"$tmp/root/run/flannel/subnet.env"
}

# without NS: what is told is taken away by a person
without() {
	ip_batch "$1" <<-END
		link del flannel.1
		link del cni0
	END
	rm -f "$tmp/root/run/flannel/subnet.env"
}

leftovers() {
	setup_ns a
	ip -n "$a" link add eth0 type dummy
	ip -n "$a" link set eth0 up
	ip -n "$a" addr add 172.16.40.1/24 dev eth0
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=1
	healthy "$a"
	flannel "$a" 1 2 172.16.40.1 172.16.40.2 02:00:00:00:01:01 02:00:00:00:02:02 eth0
	by_hand "$a" note flannel_fdb "02:00:00:00:02:02 dst 172.16.40.2"
	by_hand "$a" note flannel_routes "10.244.2.0/24 via 10.244.2.0 dev flannel.1"
	by_hand "$a" note flannel_neigh "10.244.2.0"
	by_hand "$a" note flannel_device "flannel.1"
	contains "by hand" "$(found flannel_device by_hand)" "ip link delete flannel.1"
	by_hand "$a" note cni_bridge cni0
	by_hand "$a" note flannel_subnet_env "$tmp/root/run/flannel/subnet.env"
	without "$a"
	healthy "$a"
	# a bridge with pods
	ip_batch "$a" <<-END
		link add cni0 type bridge
		link add pod1 type dummy
		link set pod1 master cni0
	END
	by_hand "$a" note cni_bridge
	contains "by hand" "$(found cni_bridge by_hand)" "1 pod is still on it"
	ip -n "$a" link del cni0
	mkdir -p "$tmp/root/etc/cni/net.d"
	: >"$tmp/root/etc/cni/net.d/10-canal.conflist"
	by_hand "$a" note flannel_cni_conf 10-canal.conflist
}

# While flanneld runs its device is in use, and would come again.
flannel_alive() {
	setup_ns a
	ip -n "$a" link add flannel.1 type vxlan id 1 dstport 8472
	cp "$(command -v sleep)" "$tmp/flanneld"
	start "$a" "$tmp/flanneld" 1000
	busywait runs flanneld
	by_hand "$a" note flannel_device flannel.1
	contains "by hand" "$(found flannel_device by_hand)" "flanneld is running"
	doctor "$a" --fix >/dev/null || true
	ip -n "$a" link show flannel.1 >/dev/null
}

runs() {
	grep -qsx "$1" /proc/[0-9]*/comm
}

tunl0() {
	modprobe ipip
	nodes
	ip -n "$a" link set tunl0 up
	# it has the address that the device has
	ip -n "$a" addr add 10.244.1.1/32 dev tunl0
	by_hand "$a" note tunl_address 10.244.1.1/32
	ip -n "$a" addr del 10.244.1.1/32 dev tunl0
	healthy "$a"
	# it has the one that the device is to have
	ip -n "$a" addr del 10.244.1.1/32 dev ipmesh0
	ip -n "$a" addr add 10.244.1.1/32 dev tunl0
	ip -n "$a" route replace 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink
	finds "$a" problem tunl_address 10.244.1.1/32
	in_ns "$a" sh -c "$(found tunl_address 'commands[]')"
	by_hand "$a" note tunl_address 10.244.1.1/32
	ip -n "$a" addr del 10.244.1.1/32 dev tunl0
	healthy "$a"
	# it has the routes
	ip -n "$a" route del 10.244.2.0/24
	ip -n "$a" route add 10.244.2.0/24 via 172.16.40.2 dev tunl0 proto bird onlink
	by_hand "$a" problem route_wrong_device "dev tunl0 proto bird"
	contains "by hand" "$(found route_wrong_device by_hand)" "it is not ipmesh's (proto bird): ip route del 10.244.2.0/24"
	ip -n "$a" route del 10.244.2.0/24
	mends "$a" problem route_missing 10.244.2.0/24
	healthy "$a"
	pings "$a" 10.244.2.1
}

# --- the program ---------------------------------------------------------------------------

# What it did not name it leaves alone, and what it cannot mend it tells.
fix() {
	local got rc=0
	nodes
	ip -n "$a" link add dummy0 up type dummy
	ip -n "$a" route add 10.99.0.0/24 dev dummy0 proto bird
	ip -n "$a" route add blackhole 10.244.2.128/25 proto 98
	mesh -n "$a" peer new ipmesh0 192.0.2.7
	got=$(doctor "$a" --fix) || rc=$?
	equal "status" "$rc" 1
	contains "doctor --fix" "$got" "done: ip route del blackhole 10.244.2.128/25 proto 98"
	contains "doctor --fix" "$got" "no command mends this safely"
	contains "doctor --fix" "$got" "1 problem left"
	contains "routes" "$(ip -n "$a" route)" "10.99.0.0/24 dev dummy0 proto bird"
	lacks "routes" "$(ip -n "$a" route)" 10.244.2.128
	mesh -n "$a" peer del ipmesh0 192.0.2.7
	prints "nothing found" doctor "$a" --fix
	# without it nothing is changed
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=0
	doctor "$a" >/dev/null || true
	equal "ip_forward" "$(in_ns "$a" sysctl -n net.ipv4.ip_forward)" 0
	# the results
	ip -n "$a" route del 10.244.2.0/24
	doctor "$a" --fix -j >"$tmp/found"
	equal "results" "$(jq -r '.findings[] | "\(.check) \(.result)"' "$tmp/found")" \
		"ip_forward mended
route_missing mended"
	equal "left" "$(jq -c '[.problems, .warnings, .notes]' "$tmp/found")" "[0,0,0]"
	pings "$a" 10.244.2.1
}

# A command that fails is told, and the finding stays.
fix_fails() {
	local got rc=0
	nodes
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=0
	mkdir -p "$tmp/root/etc"
	: >"$tmp/root/etc/sysctl.d"
	got=$(doctor "$a" --fix -j) || rc=$?
	equal "status" "$rc" 0
	contains "doctor --fix" "$got" '"result":"failed"'
}

# One that succeeds and changes nothing leaves the finding, and is not run again.
fix_in_vain() {
	local got rc=0
	nodes
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=0
	mkdir "$tmp/bin"
	# shellcheck disable=SC2016 # for the other shell
	printf '#!/bin/sh\necho "$@" >>%s\n' "$tmp/ran" >"$tmp/bin/sysctl"
	chmod +x "$tmp/bin/sysctl"
	mkdir -p "$tmp/root"
	got=$(mesh -n "$a" exec env "PATH=$tmp/bin:$PATH" ipmesh doctor --root "$tmp/root" --fix -j 2>&1) || rc=$?
	equal "status" "$rc" 1
	equal "result" "$(jq -r '.findings[] | select(.check == "ip_forward") | .result' <<<"$got")" remains
	equal "left" "$(jq .problems <<<"$got")" 1
	equal "ran" "$(grep -c ip_forward "$tmp/ran")" 1
}

# A device's name may be anything that a shell would understand.
names() {
	local dev="a;reboot\$x"
	nodes
	ip -n "$a" link set ipmesh0 down
	ip -n "$a" link set ipmesh0 name "$dev"
	mends "$a" problem device_down "$dev"
	mends "$a" problem route_missing 10.244.2.0/24
	healthy "$a"
}

# In another namespace the commands say so.
namespace() {
	nodes
	ip -n "$a" route del 10.244.2.0/24
	ipmesh -n "$a" doctor --root "$tmp/root" -j >"$tmp/found" || true
	sh -c "$(found route_missing 'commands[]')"
	healthy "$a"
	ip -n "$a" route del 10.244.2.0/24
	ipmesh -n "/run/netns/$a" doctor --root "$tmp/root" -j >"$tmp/found" || true
	sh -c "$(found route_missing 'commands[]')"
	healthy "$a"
}

# Many of a kind are not all printed, but for -j.
many() {
	local i
	nodes
	for i in {3..40}; do
		echo "peer new ipmesh0 172.16.40.$i cidr 10.244.$i.0/24"
	done | while read -r i; do
		# shellcheck disable=SC2086
		mesh -n "$a" $i
	done
	contains "doctor" "$(doctor "$a" || true)" "… and 18 more of this kind"
	look "$a"
	equal "findings" "$(found route_missing what | wc -l)" 38
	doctor "$a" --fix >/dev/null
	healthy "$a"
}

# --- the move -------------------------------------------------------------------------------

# pod NS ADDRESS VETH VAR: as Calico wires it
pod() {
	local ns=$1 address=$2 veth=$3 p
	setup_ns "$4"
	p=${!4}
	ip link add "$veth" netns "$ns" mtu 1480 type veth peer eth0 netns "$p" mtu 1480
	ip_batch "$ns" <<-END
		link set $veth up
		route add $address dev $veth scope link
	END
	in_ns "$ns" sysctl -qw "net.ipv4.conf.$veth.proxy_arp=1"
	ip_batch "$p" <<-END
		link set eth0 up
		addr add $address/32 dev eth0
		route add 169.254.1.1 dev eth0 scope link
		route add default via 169.254.1.1 dev eth0
	END
}

move() {
	local seed=$here/fixtures/seed
	setup_ns master node1
	wire "$master" ens160 172.16.40.199/24 "$node1" ens160 172.16.40.198/24
	# proxy ARP answers for what the host has a route to
	ip -n "$master" route add default via 172.16.40.254
	ip -n "$node1" route add default via 172.16.40.254
	pod "$master" 10.244.0.76 cali7adc62d51c0 pod0
	pod "$node1" 10.244.1.2 cali1a2b3c4d5e6 pod1
	in_ns "$master" sysctl -qw net.ipv4.ip_forward=1
	in_ns "$node1" sysctl -qw net.ipv4.ip_forward=1
	# the state after "kubectl delete -f canal.yaml": traffic goes on through it
	flannel "$master" 0 1 172.16.40.199 172.16.40.198 de:dc:e2:5c:ea:50 \
		de:dc:e2:5c:ea:51 ens160
	flannel "$node1" 1 0 172.16.40.198 172.16.40.199 de:dc:e2:5c:ea:51 \
		de:dc:e2:5c:ea:50 ens160
	in_ns "$master" sysctl -qw net.ipv4.ip_forward=0
	finds "$node1" note flannel_fdb "de:dc:e2:5c:ea:50 dst 172.16.40.199"
	finds "$node1" note flannel_routes "10.244.0.0/24 via 10.244.0.0 dev flannel.1"
	finds "$node1" note flannel_device flannel.1
	finds "$node1" note cni_bridge cni0
	finds "$node1" note flannel_subnet_env subnet.env
	finds "$master" problem ip_forward
	# with which apply does not write its routes
	refused "10.244.0.0/24" mesh -n "$node1" exec env -C "$seed" ipmesh apply \
		-f calico-nodes.yaml -f calico-ippools.yaml --node k8s-node1
	# --fix turns on what is off, and leaves what may be in use to a person
	doctor "$master" --fix >/dev/null
	contains "devices" "$(ip -n "$master" -br link)" flannel.1
	without "$master"
	healthy "$master"
	without "$node1"
	mesh -n "$master" exec env -C "$seed" ipmesh apply -f calico-nodes.yaml \
		-f calico-ippools.yaml --node k8s-master >/dev/null
	mesh -n "$node1" exec env -C "$seed" ipmesh apply -f calico-nodes.yaml \
		-f calico-ippools.yaml --node k8s-node1 >/dev/null
	pings "$pod0" 10.244.1.2
	pings "$pod1" 10.244.0.76
	pings "$master" 10.244.1.2
	counts "$master" ipmesh0 172.16.40.198 -- tx_packets=9 rx_packets=9
	healthy "$master"
	healthy "$node1"
}

run_tests leftovers flannel_alive tunl0 fix fix_fails fix_in_vain names namespace many move
