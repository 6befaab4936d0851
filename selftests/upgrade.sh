#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh upgrade": another module in the place of the one that runs.
#
#     a 172.16.40.1 ======== 172.16.40.2 b,   each with ipmesh0 by the tool
#
# Proves: with the same module nothing happens; without a file of the one that runs, or
# with something that export leaves out, nothing happens either, and it is said; else the
# devices of each namespace are what they were, with traffic on the way and with a thousand
# peers; a module that does not load, or with which no device can be made, gives way to the
# one that ran, with its devices; what is kept is the way back of the next time; a namespace
# that cannot be looked into stops it, and a file in its place does not.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-messages.sh"

# begin: the module that is installed may be written to, and is as it was in the end
begin() {
	[ -n "${IPMESH_GUEST:-}" ] || skip "it would write to /lib/modules of this host"
	modprobe ipmesh
	installed=$(modinfo -n ipmesh)
	case $installed in
	*.ko) ;;
	*) skip "the module is built in or compressed" ;;
	esac
	cp "$installed" "$tmp/first.ko"
	defer "cp $tmp/first.ko $installed; modprobe -r ipmesh; modprobe ipmesh; rm -rf /var/lib/ipmesh"
	old=$(runs)
	# the same code under another name
	new=$(tr '0-9A-F' '1-9A-F0' <<<"$old")
	sed "s/srcversion=$old/srcversion=$new/" "$tmp/first.ko" >"$tmp/second.ko"
	equal "the other module" "$(modinfo -F srcversion "$tmp/second.ko")" "$new"
}

runs() {
	cat /sys/module/ipmesh/srcversion
}

# tool_node NS OWN OTHER
tool_node() {
	in_ns "$1" ipmesh link add ipmesh0 local "172.16.40.$2" address "10.244.$2.1/32" ttl 9
	in_ns "$1" ipmesh peer add "172.16.40.$3" name other cidr "10.244.$3.0/24"
}

# by_tool: two nodes that a document can say
by_tool() {
	setup_ns a b
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24
	tool_node "$a" 1 2
	tool_node "$b" 2 1
	pings "$a" 10.244.2.1
}

# exported: what there is, in words
exported() {
	in_ns "$a" ipmesh export
	in_ns "$b" ipmesh export
	ip -n "$a" route
	ip -n "$b" route
}

same() {
	begin
	by_tool
	before=$(exported; ip -n "$a" -o link show ipmesh0)
	contains "said" "$(ipmesh upgrade)" "nothing to do"
	equal "the devices" "$(exported; ip -n "$a" -o link show ipmesh0)" "$before"
	prints '{"running":"'"$old"'","upgraded":false}' \
		bash -c "ipmesh upgrade -j | jq -c '{running: .running.srcversion, upgraded}'"
	modprobe -r ipmesh
	refused "upgrade: the module does not run: run: modprobe ipmesh" ipmesh upgrade
}

# Nothing is changed without a way back, nor when something would be lost.
careful() {
	begin
	by_tool
	cp "$tmp/second.ko" "$installed"
	before=$(exported; ip -n "$a" -o link show ipmesh0)
	version=$(cat /sys/module/ipmesh/version)
	refused "no file of the module that runs, $version ($old), was found" ipmesh upgrade
	refused "\"$tmp/second.ko\" is $version ($new), and $version ($old) runs" \
		ipmesh upgrade --way-back "$tmp/second.ko"
	refused "is no file of the module ipmesh" ipmesh upgrade --way-back /etc/passwd
	contains "dry run" "$(ipmesh upgrade --way-back "$tmp/first.ko" --dry-run)" "devices   2"
	equal "the devices" "$(exported; ip -n "$a" -o link show ipmesh0)" "$before"
	ip -n "$a" route add 198.18.0.0/24 dev ipmesh0 proto bird
	before=$(exported 2>&1; ip -n "$a" -o link show ipmesh0)
	refused "that would be lost, and nothing was changed" ipmesh upgrade --way-back "$tmp/first.ko"
	equal "the devices" "$(exported 2>&1; ip -n "$a" -o link show ipmesh0)" "$before"
	ipmesh upgrade --way-back "$tmp/first.ko" --anyway >/dev/null 2>&1
	equal "runs" "$(runs)" "$new"
}

# The same sources, built as another version.
version() {
	begin
	by_tool
	before=$(exported)
	version=$(cat /sys/module/ipmesh/version)
	sed "s/${version//./\\.}\x00/9${version#?}\x00/g" "$tmp/first.ko" >"$installed"
	equal "srcversion" "$(modinfo -F srcversion ipmesh)" "$old"
	ipmesh upgrade --way-back "$tmp/first.ko" >/dev/null
	equal "runs" "$(cat /sys/module/ipmesh/version)" "9${version#?}"
	equal "the devices" "$(exported)" "$before"
	pings "$a" 10.244.2.1
}

# There and back, the second time by the copy that the first one kept.
there() {
	begin
	by_tool
	: >"$tmp/flood"
	start "$a" mesh flood 10.244.2.1 >"$tmp/flood" 2>&1
	busywait file_has "$tmp/flood" running
	before=$(exported)
	cp "$tmp/second.ko" "$installed"
	ipmesh upgrade --way-back "$tmp/first.ko" >"$tmp/said"
	contains "said" "$(<"$tmp/said")" "devices   2"
	equal "runs" "$(runs)" "$new"
	equal "the devices" "$(exported)" "$before"
	pings "$a" 10.244.2.1
	cp "$tmp/first.ko" "$installed"
	ipmesh upgrade -j >"$tmp/said"
	prints "[true,2]" jq -c '[.upgraded, .devices]' "$tmp/said"
	equal "runs" "$(runs)" "$old"
	equal "the devices" "$(exported)" "$before"
	pings "$a" 10.244.2.1
	equal "kept" "$(find /var/lib/ipmesh -type f)" "/var/lib/ipmesh/$(uname -r)/$(cat /sys/module/ipmesh/version)-$old/ipmesh.ko"
	equal "left" "$(find /run/ipmesh -mindepth 1 2>/dev/null)" ""
}

# goes_back: the installed module gives way to the one that ran, with its devices
goes_back() {
	refused "the module that ran does so again, with its devices" \
		ipmesh upgrade --way-back "$tmp/first.ko"
	equal "runs" "$(runs)" "$old"
	equal "the devices" "$(exported)" "$before"
	pings "$a" 10.244.2.1
	equal "left" "$(find /run/ipmesh -mindepth 1 2>/dev/null)" ""
}

# A module that wants what this kernel has not.
broken() {
	begin
	by_tool
	before=$(exported)
	expect_message "ipmesh: Unknown symbol udp_tunnel_sock_releasX"
	sed 's/udp_tunnel_sock_release/udp_tunnel_sock_releasX/g' "$tmp/second.ko" >"$installed"
	goes_back
	head -c 1000 "$tmp/second.ko" >"$installed"
	refused "is no module that can be read" ipmesh upgrade --way-back "$tmp/first.ko"
	equal "the devices" "$(exported)" "$before"
}

# A module that loads, and answers to another name than the tool asks for.
useless() {
	begin
	by_tool
	before=$(exported)
	perl -0777 -pe 's/ipmesh(\0{10}\x01\0\0\0)/ipmesX$1/' "$tmp/second.ko" >"$installed"
	goes_back
}

# What only looks like a namespace is passed by; one that cannot be looked into stops it.
namespaces() {
	begin
	by_tool
	before=$(exported; ip -n "$a" -o link show ipmesh0)
	cp "$tmp/second.ko" "$installed"
	mkdir -p /run/netns/folder-$$
	: >/run/netns/stale-$$
	defer "rm -rf /run/netns/stale-$$ /run/netns/folder-$$"
	refused "/proc/1/ns/net: Permission denied" \
		setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace ipmesh upgrade --way-back "$tmp/first.ko"
	equal "runs" "$(runs)" "$old"
	equal "the devices" "$(exported; ip -n "$a" -o link show ipmesh0)" "$before"
	ipmesh upgrade --way-back "$tmp/first.ko" >/dev/null
	equal "runs" "$(runs)" "$new"
	pings "$a" 10.244.2.1
}

thousand() {
	local i
	begin
	by_tool
	{
		in_ns "$a" ipmesh export
		for ((i = 0; i < 1000; i++)); do
			printf '  - endpoint: 172.20.%d.%d\n    cidrs: [10.%d.%d.0/24]\n' \
				$((i / 250)) $((i % 250 + 1)) $((i / 250)) $((i % 250))
		done
	} >"$tmp/peers.yaml"
	in_ns "$a" ipmesh apply -f "$tmp/peers.yaml" >/dev/null
	before=$(exported | sha256sum)
	cp "$tmp/second.ko" "$installed"
	ipmesh upgrade --way-back "$tmp/first.ko" --anyway -j >"$tmp/said"
	echo "# without a device for $(jq .gap_ms "$tmp/said") ms" >&2
	equal "peers" "$(in_ns "$a" ipmesh -j show | jq '.[0].peers | length')" 1001
	equal "the devices" "$(exported | sha256sum)" "$before"
	pings "$a" 10.244.2.1
}

run_tests same version careful there broken useless namespaces thousand
