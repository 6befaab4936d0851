# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the tests of ipmesh doctor, after lib.sh. Files that it reads and
# writes are in $tmp/root.

# doctor NS [WORD]…: what it prints, also when its status is 1
doctor() {
	local ns=$1
	shift
	mkdir -p "$tmp/root"
	mesh -n "$ns" exec ipmesh doctor --root "$tmp/root" "$@" 2>&1
}

# look NS: what is found, as JSON in $tmp/found
look() {
	local rc=0 problems
	doctor "$1" -j >"$tmp/found" || rc=$?
	problems=$(jq .problems "$tmp/found")
	equal "status of doctor with $problems problems" $rc $((problems > 0))
}

# found CHECK FIELD: of what look() saw
found() {
	jq -r --arg check "$1" ".findings[] | select(.check == \$check) | .$2" "$tmp/found"
}

healthy() {
	prints "nothing found" doctor "$1"
}

# finds NS SEVERITY CHECK [TEXT]
finds() {
	look "$1"
	[ -n "$(found "$3" check)" ] || fail "$3 is not found: $(jq -c .findings "$tmp/found")"
	equal "severity of $3" "$(found "$3" severity | uniq)" "$2"
	contains "$3" "$(found "$3" what)" "${4:-}"
}

gone() {
	look "$1"
	equal "$2 after its commands" "$(found "$2" what)" ""
}

# mends NS SEVERITY CHECK [TEXT]: it is found, and its own commands mend it
mends() {
	local ns=$1 check=$3 command
	finds "$@"
	[ -n "$(found "$check" 'commands[]')" ] || fail "$check has no command"
	while IFS= read -r command; do
		in_ns "$ns" sh -c "$command" >"$tmp/said" 2>&1 ||
			fail "$check: $command: $(cat "$tmp/said")"
	done <<<"$(found "$check" 'commands[]')"
	gone "$ns" "$check"
}

# by_hand NS SEVERITY CHECK [TEXT]: it is found, and left to a person
by_hand() {
	finds "$@"
	equal "commands of $3" "$(found "$3" 'commands[]')" ""
	[ "$(found "$3" by_hand)" != null ] || fail "$3 tells no way out"
}

# nodes: lib.sh's two, forwarding, with nothing to find
nodes() {
	two_nodes
	in_ns "$a" sysctl -qw net.ipv4.ip_forward=1
	in_ns "$b" sysctl -qw net.ipv4.ip_forward=1
	healthy "$a"
}
