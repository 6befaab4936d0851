#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# How long "ipmesh apply" takes for a large cluster; "make bench-apply".
#
# apply.sh [NODES]: by default 5000 nodes with three pod CIDRs each, as kubectl
# prints them. Prints seconds of the guest's clock, and in brackets those of the
# tool without the kernel, for the first apply, one that changes nothing, one with
# a node that has another address, one with a node that is gone, and --remove; with
# a route for each CIDR and with one for each pool. Each run has to change exactly
# what it is to change.
set -eu

nodes=${1:-5000}
tmp=$(mktemp -d)
ns=bench-$$
trap 'ip netns del "$ns" 2>/dev/null; rm -rf "$tmp"' EXIT

die() {
	echo "bench: apply: $*" >&2
	exit 1
}

# cluster FILE [NODE [ADDRESS]]: without NODE, or with it at another address
cluster() {
	awk -v nodes="$nodes" -v other="${2:-0}" -v address="${3:-}" 'BEGIN {
		printf "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": ["
		for (i = 1; i <= nodes; i++) {
			underlay = "172." 16 + int(i / 65536) "." int(i / 256) % 256 "." i % 256
			if (i == other && address == "")
				continue
			if (i == other)
				underlay = address
			cidrs = ""
			for (k = 0; k < 3; k++) {
				n = (i - 1) * 3 + k
				cidrs = cidrs (k ? ", " : "") "\"10." int(n / 1024) % 256 "." \
					int(n / 4) % 256 "." n % 4 * 64 "/26\""
			}
			first = cidrs
			sub(/,.*/, "", first)
			printf "%s{\"apiVersion\": \"v1\", \"kind\": \"Node\", " \
				"\"metadata\": {\"name\": \"node-%d\", " \
				"\"labels\": {\"kubernetes.io/hostname\": \"node-%d\"}}, " \
				"\"spec\": {\"podCIDR\": %s, \"podCIDRs\": [%s]}, " \
				"\"status\": {\"addresses\": [{\"type\": \"InternalIP\", " \
				"\"address\": \"%s\"}, {\"type\": \"Hostname\", " \
				"\"address\": \"node-%d\"}]}}\n", \
				(i > 1 ? ", " : ""), i, i, first, cidrs, underlay, i
		}
		print "]}"
	}' >"$1"
}

cat >"$tmp/pool.yaml" <<END
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: default-ipv4-ippool}
spec: {cidr: 10.0.0.0/8, blockSize: 26, ipipMode: Always, natOutgoing: true}
END
cluster "$tmp/all.json"
cluster "$tmp/moved.json" $((nodes / 2)) 172.31.255.1
cluster "$tmp/gone.json" $((nodes / 2))

# run FORM WHAT CHANGES WORD…: CHANGES is what the last line has to say
run() {
	local form=$1 what=$2 changes=$3 real user TIMEFORMAT='%R %U'
	shift 3
	{ time ip netns exec "$ns" ipmesh apply "$@" >"$tmp/out" 2>"$tmp/err"; } 2>"$tmp/time" ||
		die "$form, $what: $(tail -n 3 "$tmp/err")"
	[ "$(tail -n 1 "$tmp/out")" = "$changes" ] ||
		die "$form, $what: \"$(tail -n 1 "$tmp/out")\", not \"$changes\""
	read -r real user <"$tmp/time"
	printf '%-6s %-18s %8s  (%s)  %s\n' "$form" "$what" "$real" "$user" "$changes"
}

ip netns add "$ns"
ip -n "$ns" link set lo up
ip -n "$ns" link add eth0 type dummy
ip -n "$ns" addr add 172.16.0.1/12 dev eth0
ip -n "$ns" link set eth0 up
ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1

echo "apply: $nodes nodes, $((nodes * 3)) pod CIDRs"
printf '%-6s %-18s %8s  (%s)\n' routes what seconds tool
peers=$((nodes - 1))
for form in peer pool; do
	words=(-f "$tmp/pool.yaml" --node node-1 --routes "$form")
	# besides: device, address, three blackholes, address translation
	case $form in
	peer) all=$((peers * 5 + 6)) moved="3 changes" gone="5 changes" left=$((peers * 4 + 5)) ;;
	pool) all=$((peers + 7)) moved="2 changes" gone="1 change" left=6 ;;
	esac
	run $form "first" "$all changes" "${words[@]}" -f "$tmp/all.json"
	run $form "no change" "no changes" "${words[@]}" -f "$tmp/all.json"
	run $form "another address" "$moved" "${words[@]}" -f "$tmp/moved.json"
	run $form "and back" "$moved" "${words[@]}" -f "$tmp/all.json"
	run $form "a node gone" "$gone" "${words[@]}" -f "$tmp/gone.json"
	run $form "and back" "$gone" "${words[@]}" -f "$tmp/all.json"
	run $form "remove" "$left changes" --remove
done
