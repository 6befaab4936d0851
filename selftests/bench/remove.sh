#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# How long it takes that a device with many peers goes; "make bench-remove".
#
# remove.sh [PEERS]: by default 60000 with a pod CIDR each, in a plain guest of two CPUs.
# Prints seconds of its clock: with one route for all (pool) as link, as module and by
# "ipmesh link del"; with a route and an onlink nexthop object a peer (peer) by "ipmesh
# link del". "ip link del" of those, in which the kernel goes through all routes for each
# nexthop object, is shown for 5000 and 10000. Fails when the kernel told of a hung task.
set -eu

peers=${1:-60000}
ns=bench-remove-$$
tmp=$(mktemp -d)
trap 'ip netns del "$ns" 2>/dev/null || true; rm -rf "$tmp"' EXIT
if ! [[ $peers =~ ^[1-9][0-9]{0,4}$ ]] || [ "$peers" -gt 60000 ]; then
	echo "bench: remove: PEERS is a number up to 60000, not \"$peers\"" >&2
	exit 2
fi

# document PEERS
document() {
	perl -e '
		sub address { join ".", unpack "C4", pack "N", $_[0] }
		print "apiVersion: ipmesh/v1\nkind: Device\nmetadata: {name: tun0}\nspec:\n",
			"  local: 10.0.0.1\n  pools: [11.0.0.0/8]\n  peers:\n";
		printf "  - {name: node%d, endpoint: %s, cidrs: [%s/26]}\n", $_,
			address(0x0a400002 + $_), address(0x0b000000 + $_ * 64)
			for 0 .. $ARGV[0] - 1;' "$1"
}

# remove ROUTES PEERS COMMAND…
remove() {
	local routes=$1 n=$2 TIMEFORMAT='%R' seconds
	shift 2
	modprobe ipmesh
	ip netns add "$ns"
	ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1
	ip -n "$ns" link set lo up
	ip -n "$ns" link add eth0 type dummy
	ip -n "$ns" addr add 10.0.0.1/8 dev eth0
	ip -n "$ns" link set eth0 up
	document "$n" >"$tmp/doc"
	ip netns exec "$ns" ipmesh apply -f "$tmp/doc" --routes "$routes" >/dev/null
	seconds=$({ time "$@" >/dev/null; } 2>&1)
	set -- "${@/#"$ns"/NETNS}"
	printf '%-6s %6d  %-30s %7s s\n' "$routes" "$n" "$*" "$seconds"
	ip netns del "$ns"
}

remove pool "$peers" ip -n "$ns" link del tun0
remove pool "$peers" ipmesh -n "$ns" link del tun0
remove pool "$peers" rmmod ipmesh
remove peer "$peers" ipmesh -n "$ns" link del tun0
for n in 5000 10000; do
	[ "$n" -gt "$peers" ] || remove peer "$n" ip -n "$ns" link del tun0
done
if dmesg | grep -E "hung_task|blocked for more than|soft lockup"; then
	echo "bench: remove: the kernel complains" >&2
	exit 1
fi
