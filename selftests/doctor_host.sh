#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh doctor": the host around the device: the module, settings of the
# kernel, limits of its tables, and programs that manage devices.
#
#     a: 172.16.40.1 eth0 ======== eth0 172.16.40.2 :b
#        10.244.1.0/24 ipmesh0        ipmesh0 10.244.2.0/24
#
# Proves: each setting that stands in the way is found, and its commands set it
# now and, below --root, for the next boot; drop-in files of sysctl.d,
# NetworkManager and systemd-networkd are understood as their programs do; a
# program that runs is known by its process.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-doctor.sh"

# file PATH: from stdin, below the root
file() {
	mkdir -p "$(dirname "$tmp/root$1")"
	cat >"$tmp/root$1"
}

forwarding() {
	nodes
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=0
	mends "$a" problem ip_forward "does not forward IPv4"
	equal "at boot" "$(<"$tmp/root/etc/sysctl.d/99-ipmesh.conf")" "net.ipv4.ip_forward = 1"
	# once is enough
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=0
	finds "$a" problem ip_forward
	equal "commands" "$(found ip_forward 'commands[]')" "sysctl -w net.ipv4.ip_forward=1"
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=1
	in_ns "$a" sysctl -qw net.ipv4.conf.ipmesh0.forwarding=0
	mends "$a" problem device_forwarding ipmesh0
	# IPv6 where there are IPv6 pods
	healthy "$a"
	mesh -n "$a" peer set ipmesh0 172.16.40.2 cidr fd10:2::/64
	ip -n "$a" addr add fd10:1::1/128 dev ipmesh0 nodad
	ip -n "$a" route add fd10:2::/64 dev ipmesh0
	mends "$a" problem ipv6_forwarding "does not forward IPv6"
	healthy "$a"
	# a host whose default route would go
	in_ns "$a" sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.eth0.accept_ra=1
	ip -n "$a" route add default via fe80::7 dev eth0 proto ra
	by_hand "$a" problem ipv6_forwarding
	in_ns "$a" sysctl -qw net.ipv6.conf.eth0.accept_ra=2
	mends "$a" problem ipv6_forwarding
}

# What the next boot makes of it: the last file by name, /etc before /usr/lib.
boot() {
	nodes
	file /usr/lib/sysctl.d/50-default.conf <<-END
		# a comment
		net.ipv4.ip_forward=0
	END
	finds "$a" warning ip_forward_boot "$tmp/root/usr/lib/sysctl.d/50-default.conf"
	file /etc/sysctl.d/50-default.conf </dev/null
	healthy "$a"
	file /etc/sysctl.d/60-later.conf <<-END
		-net/ipv4/ip_forward = 0
	END
	mends "$a" warning ip_forward_boot 60-later.conf
	healthy "$a"
	# a pattern does not change what has a name
	rm -r "$tmp/root/etc/sysctl.d"
	file /etc/sysctl.d/10-name.conf <<-END
		net.ipv4.ip_forward = 1
	END
	file /etc/sysctl.d/20-pattern.conf <<-END
		net.ipv4.ip_* = 0
	END
	rm "$tmp/root/usr/lib/sysctl.d/50-default.conf"
	healthy "$a"
	rm "$tmp/root/etc/sysctl.d/10-name.conf"
	finds "$a" warning ip_forward_boot 20-pattern.conf
}

rp_filter() {
	nodes
	in_ns "$a" sysctl -qw net.ipv4.conf.ipmesh0.rp_filter=1
	mends "$a" problem rp_filter "rp_filter of ipmesh0 is strict"
	equal "at boot" "$(<"$tmp/root/etc/sysctl.d/99-ipmesh.conf")" \
		"net.ipv4.conf.ipmesh0.rp_filter = 2"
	# the larger of both counts
	in_ns "$a" sysctl -qw net.ipv4.conf.all.rp_filter=1
	healthy "$a"
	in_ns "$a" sysctl -qw net.ipv4.conf.ipmesh0.rp_filter=0
	mends "$a" problem rp_filter
	healthy "$a"
	# it would really drop
	in_ns "$a" sysctl -qw net.ipv4.conf.ipmesh0.rp_filter=1
	ip -n "$b" route replace 10.244.1.0/24 via 172.16.40.1 dev ipmesh0 onlink src 172.16.40.2
	ping_fails "$b" "1 sent, 0 received" 10.244.1.1 wait 200
	mends "$a" problem rp_filter
	ip -n "$a" route add 172.16.40.2 dev eth0
	silent "$b" 10.244.1.1
	[ "$(count "$a" ipmesh0 rx_packets)" -ge 2 ]
}

# The underlay: what comes in by eth0, with the way back by eth1.
rp_filter_underlay() {
	nodes
	mesh -n "$a" link set ipmesh0 local 172.16.40.1
	in_ns "$a" sysctl -qw net.ipv4.conf.eth0.rp_filter=1
	healthy "$a"
	ip_batch "$a" <<-END
		link add eth1 up type dummy
		route add 172.16.40.2 dev eth1
	END
	by_hand "$a" problem rp_filter_underlay "rp_filter of eth0"
	contains "by hand" "$(found rp_filter_underlay by_hand)" "sysctl -w net.ipv4.conf.eth0.rp_filter=2"
}

# A device whose name has a dot: sysctl(8) wants slashes then.
dotted() {
	nodes
	ip_batch "$a" <<-END
		link set ipmesh0 down
		link set ipmesh0 name mesh.5
		link set mesh.5 up
		route add 10.244.2.0/24 via 172.16.40.2 dev mesh.5 onlink src 10.244.1.1
	END
	healthy "$a"
	in_ns "$a" sysctl -qw net/ipv4/conf/mesh.5/rp_filter=1
	mends "$a" problem rp_filter mesh.5
	healthy "$a"
	equal "at boot" "$(<"$tmp/root/etc/sysctl.d/99-ipmesh.conf")" \
		"net/ipv4/conf/mesh.5/rp_filter = 2"
}

# --- limits -------------------------------------------------------------------------

# The table of neighbours is the whole host's, and seen there alone.
neighbours() {
	local i
	defer "restore_host '$(sysctl -n net.ipv4.neigh.default.gc_thresh{1,2,3} | paste -sd' ')'"
	sysctl -qw net.ipv4.neigh.default.gc_thresh3=16
	ip link add doctor0 type dummy
	ip addr add 172.31.40.1/24 dev doctor0
	ip link set doctor0 up
	ipmesh link add doctor1 local 172.31.40.1 address 10.244.1.1/32
	for i in {2..9}; do
		ipmesh peer add "172.31.40.$i" dev doctor1 cidr "10.244.$i.0/24"
	done
	sysctl -qw net.ipv4.ip_forward=1
	host_look
	equal "limit" "$(found neighbour_limit what)" ""
	for i in {10..24}; do
		ipmesh peer add "172.31.40.$i" dev doctor1 cidr "10.244.$i.0/24"
	done
	host_look
	contains "limit" "$(found neighbour_limit what)" "23 peers are IPv4 neighbours on the link, and the table takes 16"
	found neighbour_limit 'commands[]' | sh -e >/dev/null
	equal "gc_thresh" "$(sysctl -n net.ipv4.neigh.default.gc_thresh{1,2,3} | paste -sd' ')" \
		"256 512 1024"
	host_look
	equal "limit" "$(found neighbour_limit what)" ""
}

# Whoever has filled it.
neighbour_table() {
	local i
	defer "restore_host6 '$(sysctl -n net.ipv6.neigh.default.gc_thresh{1,2,3} | paste -sd' ')'"
	sysctl -qw net.ipv6.neigh.default.gc_thresh3=64
	ip link add doctor0 type dummy
	ip link set doctor0 up
	ipmesh link add doctor1 address 10.244.1.1/32
	host_look
	equal "table" "$(found neighbour_table what)" ""
	for ((i = 0; i < 60; i++)); do
		echo "neigh add fd00::$i lladdr 02:00:00:00:00:01 nud stale dev doctor0"
	done | ip -6 -batch -
	host_look
	contains "table" "$(found neighbour_table what)" "the table of IPv6 neighbours takes 64 and has 6"
	contains "table" "$(found neighbour_table what)" "are of doctor0"
	found neighbour_table 'commands[]' | sh -e >/dev/null
	host_look
	equal "table" "$(found neighbour_table what)" ""
}

restore_host6() {
	local i=1 v
	for v in $1; do
		sysctl -qw "net.ipv6.neigh.default.gc_thresh$i=$v"
		i=$((i + 1))
	done
	ip link del doctor1
	ip link del doctor0
} 2>/dev/null

host_look() {
	mkdir -p "$tmp/root"
	ipmesh doctor --root "$tmp/root" doctor1 -j >"$tmp/found" || [ $? -eq 1 ]
}

restore_host() {
	local i=1 v
	for v in $1; do
		sysctl -qw "net.ipv4.neigh.default.gc_thresh$i=$v"
		i=$((i + 1))
	done
	sysctl -qw net.ipv4.ip_forward=0
	ip link del doctor1
	ip link del doctor0
} 2>/dev/null

route_limit() {
	local i
	nodes
	in_ns "$a" sysctl -qw net.ipv6.route.max_size=64
	healthy "$a"
	for i in {1..70}; do
		echo "route add fd20:$i::/64 dev eth0"
	done | ip_batch "$a" 2>/dev/null || true
	mends "$a" problem route_limit "net.ipv6.route.max_size is 64"
	healthy "$a"
}

# --- programs --------------------------------------------------------------------------

# program NAME: a process of that name
program() {
	cp "$(command -v sleep)" "$tmp/$1"
	start "$a" "$tmp/$1" 1000
	busywait runs "${1:0:15}"
}

runs() {
	grep -qsx "$1" /proc/[0-9]*/comm
}

network_manager() {
	nodes
	file /usr/sbin/NetworkManager </dev/null
	mends "$a" warning networkmanager "installed and not told to leave ipmesh0 alone"
	healthy "$a"
	rm "$tmp/root/etc/NetworkManager/conf.d/99-ipmesh.conf"
	finds "$a" warning networkmanager
	file /usr/lib/NetworkManager/conf.d/10-ipmesh.conf <<-END
		[keyfile]
		unmanaged-devices=interface-name:cali*;interface-name:ipmesh*
	END
	healthy "$a"
	# a later file says it anew
	file /etc/NetworkManager/NetworkManager.conf <<-END
		[main]
		plugins=keyfile
		[keyfile]
		unmanaged-devices=*,except:interface-name:ipmesh0
	END
	finds "$a" warning networkmanager
	file /etc/NetworkManager/conf.d/20-device.conf <<-END
		[device-ipmesh]
		match-device=driver:ipmesh
		managed=0
	END
	healthy "$a"
	rm -r "$tmp/root/usr" "$tmp/root/etc"
	healthy "$a"
	# by its process; nmcli is not here
	program NetworkManager
	finds "$a" warning networkmanager "is running"
	contains "commands" "$(found networkmanager 'commands[]')" "nmcli general reload conf"
}

networkd() {
	nodes
	# installed it is everywhere; only where it is enabled it matters
	file /lib/systemd/network/99-default.network <<-END
		[Match]
		Name=*
		[Network]
		DHCP=yes
	END
	healthy "$a"
	file /etc/systemd/system/multi-user.target.wants/systemd-networkd.service </dev/null
	mends "$a" problem networkd "manages ipmesh0, by $tmp/root/lib/systemd/network/99-default.network"
	healthy "$a"
	rm -r "$tmp/root/etc/systemd/network" "$tmp/root/lib"
	mends "$a" warning networkd "enabled and not told"
	healthy "$a"
	rm -r "$tmp/root/etc/systemd/network"
	file /usr/lib/systemd/network/10-eth.network <<-END
		[Match]
		Name=eth* !ipmesh0
		[Network]
		DHCP=yes
	END
	file /usr/lib/systemd/network/20-mesh.network <<-END
		[Match]
		Kind=ipmesh
		[Link]
		Unmanaged=yes
	END
	healthy "$a"
	rm -r "$tmp/root/usr" "$tmp/root/etc"
	healthy "$a"
	program systemd-networkd
	finds "$a" warning networkd "is running"
}

# --- the module ---------------------------------------------------------------------------

module() {
	local got
	nodes
	echo 0.0.1 >"$tmp/version"
	got=$(in_ns "$a" unshare -m sh -c "mount --bind $tmp/version /sys/module/ipmesh/version &&
		ipmesh doctor --root $tmp -j")
	contains "module_version" "$got" "the loaded module is of version 0.0.1, this program of"
	# as if there was none
	mkdir "$tmp/empty"
	got=$(in_ns "$a" unshare -m sh -c "mount --bind $tmp/empty /sys/module &&
		ipmesh doctor --root $tmp -j" 2>&1 || true)
	contains "module_missing" "$got" '"commands":["modprobe ipmesh"]'
	# and no file of it
	got=$(in_ns "$a" unshare -m sh -c "mount --bind $tmp/empty /sys/module &&
		mount --bind $tmp/empty /lib/modules && ipmesh doctor --root $tmp -j" 2>&1 || true)
	contains "module_missing" "$got" 'this kernel has none: install it'
}

run_tests forwarding boot rp_filter rp_filter_underlay dotted neighbours neighbour_table route_limit \
	network_manager networkd module
