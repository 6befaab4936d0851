#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What "make install" puts around the tool, where people expect it.
#
#     a: 172.16.40.199 eth0 (dummy)
#
# Proves: every file is there; systemd takes the units, and what they do at
# start, reload and stop, by hand and by a real systemd, makes the device of the
# document, changes only what it must, and leaves nothing; the sysctls are those of a router, without reverse path filter
# on the device; NetworkManager and networkd are told to keep off.
set -eu
. "$(dirname "$0")/lib.sh"

files() {
	local f
	for f in bin/ipmesh lib/systemd/system/ipmesh@.service lib/systemd/network/60-ipmesh.network \
		lib/sysctl.d/60-ipmesh.conf lib/NetworkManager/conf.d/60-ipmesh.conf \
		share/doc/ipmesh/examples/ipmesh-watch@.service \
		share/bash-completion/completions/ipmesh \
		share/man/man8/ipmesh.8 share/man/man4/ipmesh.4 share/man/man5/ipmesh.yaml.5; do
		[ -s "/usr/$f" ] || fail "there is no /usr/$f"
	done
	[ -n "$(find /usr/lib -name link_ipmesh.so)" ] || fail "there is no link_ipmesh.so"
	[ -n "$(find /usr/share/zsh -name _ipmesh)" ] || fail "there is no _ipmesh of zsh"
	grep -q '^98[[:space:]]*ipmesh' /etc/iproute2/rt_protos.d/ipmesh.conf || fail "98 is not named"
}

units() {
	local unit got
	command -v systemd-analyze >/dev/null || skip "there is no systemd-analyze"
	mkdir "$tmp/units"
	cp /usr/lib/systemd/system/ipmesh@.service "$tmp/units/ipmesh@ipmesh0.service"
	cp /usr/share/doc/ipmesh/examples/ipmesh-watch@.service "$tmp/units/ipmesh-watch@ipmesh0.service"
	for unit in "$tmp"/units/*; do
		got=$(systemd-analyze verify --man=no "$unit" 2>&1 | grep -F "${unit##*/}" || true)
		[ -z "$got" ] || fail "systemd-analyze verify: $got"
		got=$(systemd-analyze security --offline=true --no-pager "$unit" 2>&1 |
			sed -n 's/.*Overall exposure level.*: \([0-9]*\)\..*/\1/p')
		[ "${got:-9}" -le 5 ] || fail "${unit##*/}: exposure $got"
	done
}

# unit KEY: what systemd would run for instance ipmesh0, by a shell
unit() {
	local cmd
	cmd=$(sed -n "s/^$1=//p" /usr/lib/systemd/system/ipmesh@.service)
	[ -n "$cmd" ] || fail "the unit has no $1"
	# shellcheck disable=SC2086
	in_ns "$a" ${cmd//%i/ipmesh0} 2>&1
}

# noted: the monitor tells of a change of ours
marks=0
noted() {
	marks=$((marks + 1))
	ip -n "$a" link set lo mtu $((60000 + marks))
	[ -s "$tmp/monitor" ]
}

life() {
	local before
	[ -n "${IPMESH_GUEST:-}" ] || skip "it would write to /etc/ipmesh of this host"
	setup_ns a
	ip_batch "$a" <<-END
		link set lo up
		link add eth0 type dummy
		link set eth0 up
		addr add 172.16.40.199/24 dev eth0
	END
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=1
	mkdir -p /etc/ipmesh
	cp "$here/fixtures/seed/ipmesh-k8s-master.yaml" /etc/ipmesh/ipmesh0.yaml
	before=$(ip -n "$a" -4 route show table all; ip -n "$a" nexthop; in_ns "$a" nft list ruleset)
	unit ExecStart >/dev/null
	contains "route" "$(ip -n "$a" route)" "10.244.1.0/24"
	: >"$tmp/monitor"
	start "$a" ip monitor route link nexthop >"$tmp/monitor" 2>&1
	busywait noted
	unit ExecReload >/dev/null
	ip -n "$a" link set lo mtu 50000
	busywait file_has "$tmp/monitor" "mtu 50000"
	kill "$pid"
	lacks "a reload without a change" "$(<"$tmp/monitor")" "10.244"
	sed -i 's#10.244.1.0/24#10.244.9.0/24#' /etc/ipmesh/ipmesh0.yaml
	unit ExecReload >/dev/null
	contains "route" "$(ip -n "$a" route)" "10.244.9.0/24"
	unit ExecStop >/dev/null
	refused "does not exist" ip -n "$a" link show ipmesh0
	equal "left" "$(ip -n "$a" -4 route show table all; ip -n "$a" nexthop; in_ns "$a" nft list ruleset)" \
		"$before"
	rm -r /etc/ipmesh
}

# A systemd of its own, first process of namespaces of its own; its child is it.
start_systemd() {
	mkdir -p /run/systemd/system
	printf '[Unit]\nDescription=nothing\nDefaultDependencies=no\n' >/run/systemd/system/bare.target
	# a journal that it leaves is found by the next one, which warns of its state
	mkdir -p /run/systemd/journald.conf.d
	printf '[Journal]\nStorage=none\n' >/run/systemd/journald.conf.d/none.conf
	# what is in /tmp here is not its own to tidy, and it is to load no modules
	start "$a" unshare --mount --pid --fork --cgroup --mount-proc --kill-child \
		sh -c 'mount -t tmpfs tmp /tmp && exec setpriv --bounding-set=-sys_module \
			env container=lxc /lib/systemd/systemd --system \
			--unit=bare.target --log-target=null --show-status=no' >/dev/null 2>&1
	BUSYWAIT_TIMEOUT=120
	busywait booted
}

booted() {
	first=$(pgrep -P "$pid") && systemctl_ is-system-running 2>/dev/null | grep -qE 'running|degraded'
}

# systemctl_ WORD…, there
systemctl_() {
	nsenter -t "$first" --mount --pid --cgroup systemctl --no-pager "$@"
}

by_systemd() {
	[ -n "${IPMESH_GUEST:-}" ] || skip "it would write to /etc/ipmesh of this host"
	[ -x /lib/systemd/systemd ] || skip "there is no systemd"
	[ "$(cat /proc/1/comm)" != systemd ] || skip "systemd runs already"
	setup_ns a
	ip_batch "$a" <<-END
		link add eth0 type dummy
		link set eth0 up
		addr add 172.16.40.199/24 dev eth0
	END
	mkdir -p /etc/ipmesh
	cp "$here/fixtures/seed/ipmesh-k8s-master.yaml" /etc/ipmesh/ipmesh0.yaml
	start_systemd
	# with all that the unit forbids the tool
	systemctl_ start ipmesh@ipmesh0 || fail "start: $(systemctl_ status ipmesh@ipmesh0)"
	contains "route" "$(ip -n "$a" route)" "10.244.1.0/24"
	prints active systemctl_ is-active ipmesh@ipmesh0
	sed -i 's#10.244.1.0/24#10.244.9.0/24#' /etc/ipmesh/ipmesh0.yaml
	systemctl_ reload ipmesh@ipmesh0 || fail "reload: $(systemctl_ status ipmesh@ipmesh0)"
	contains "route" "$(ip -n "$a" route)" "10.244.9.0/24"
	systemctl_ stop ipmesh@ipmesh0 || fail "stop: $(systemctl_ status ipmesh@ipmesh0)"
	refused "does not exist" ip -n "$a" link show ipmesh0
	prints "" ip -n "$a" nexthop
	kill -KILL "$first"
	rm -rf /etc/ipmesh /run/systemd
}

sysctls() {
	setup_ns a
	in_ns "$a" ipmesh link add ipmesh0
	in_ns "$a" ipmesh link add other0 local 172.16.40.9
	in_ns "$a" sysctl -qw net.ipv4.conf.ipmesh0.rp_filter=1 net.ipv4.conf.other0.rp_filter=1
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
	in_ns "$a" sysctl -qp /usr/lib/sysctl.d/60-ipmesh.conf
	prints 1 in_ns "$a" sysctl -n net.ipv4.ip_forward
	# that would take a default route away which a router advertised
	prints 0 in_ns "$a" sysctl -n net.ipv6.conf.all.forwarding
	prints 0 in_ns "$a" sysctl -n net.ipv4.conf.ipmesh0.rp_filter
	prints 1 in_ns "$a" sysctl -n net.ipv4.conf.other0.rp_filter
}

# The driver by which both know the device is what ethtool says.
keep_off() {
	local driver
	setup_ns a
	in_ns "$a" ipmesh link add any0
	driver=$(in_ns "$a" ethtool -i any0 | sed -n 's/^driver: //p')
	equal "networkd" "$(grep -v '^#' /usr/lib/systemd/network/60-ipmesh.network | grep . | tr '\n' ' ')" \
		"[Match] Driver=$driver [Link] Unmanaged=yes "
	contains "NetworkManager" "$(</usr/lib/NetworkManager/conf.d/60-ipmesh.conf)" \
		"unmanaged-devices+=driver:$driver;"
}

run_tests files units life by_systemd sysctls keep_off
