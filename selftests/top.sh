#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "ipmesh top": in a pipe, and on a terminal.
#
#     a: 172.16.40.1 eth0 ===== eth0 172.16.40.2 :b
#        ipmesh0, 10.244.1.1                ipmesh0, 10.244.2.1
#
# Proves: the counts of all intervals together are those of the packets sent, to
# the packet; sorting, filter and number of intervals do as said; a terminal is
# left as it was found after q, SIGINT, SIGTERM and a refusal; what a smaller
# window did not show a larger one does at once; a device that vanishes is told,
# and found again.
set -eu
. "$(dirname "$0")/lib.sh"

# tool WORD…: in a
tool() {
	mesh -n "$a" exec ipmesh "$@"
}

# lines N: as many has the output
lines() {
	[ "$(wc -l <"$tmp/out")" -ge "$1" ]
}

# sum KEY ENDPOINT: over all intervals
sum() {
	jq -s "[.[].peers[] | select(.endpoint == \"$2\") | .$1] | add" "$tmp/out"
}

deltas() {
	local rc=0
	two_nodes
	mesh -n "$a" peer new ipmesh0 172.16.40.9 name nine
	pings "$a" 10.244.2.1
	start "$a" ipmesh -j top -b -d 0.1 >"$tmp/out" 2>&1
	busywait lines 2
	pings "$a" 10.244.2.1 size 72
	silent "$a" 10.244.99.1
	busywait is 3 sum rx_packets 172.16.40.2
	# two more, in which nothing comes
	busywait lines $(($(wc -l <"$tmp/out") + 2))
	kill "$pid"
	wait "$pid" || rc=$?
	equal "status after SIGTERM" "$rc" 143
	equal "received" "$(sum rx_packets 172.16.40.2) $(sum rx_bytes 172.16.40.2)" "3 300"
	equal "sent" "$(sum tx_packets 172.16.40.2) $(sum tx_bytes 172.16.40.2)" "3 300"
	equal "of another" "$(sum rx_packets 172.16.40.9)" 0
	equal "names" "$(tail -n 1 "$tmp/out" | jq -r '.peers[].name' | tr '\n' ' ')" "null nine "
	jq -se 'all(.[]; .milliseconds >= 100)' "$tmp/out" >/dev/null ||
		fail "intervals: $(jq .milliseconds "$tmp/out")"
}

batch() {
	local n got rc=0
	setup_ns a
	tool link add ipmesh0
	for n in 3 1 2; do
		tool peer add 172.16.40."$n" name "n$((4 - n))"
	done
	first() {
		tool top -b -n 1 -d 0.1 "$@" | sed -n '2,$s/ .*//p' | tr '\n' ' '
	}
	equal "by endpoint" "$(first -o endpoint)" "172.16.40.1 172.16.40.2 172.16.40.3 "
	equal "by name" "$(first -o name)" "172.16.40.3 172.16.40.2 172.16.40.1 "
	equal "reversed" "$(first -o name -r)" "172.16.40.1 172.16.40.2 172.16.40.3 "
	equal "filter" "$(first -f N3 ipmesh0)" "172.16.40.1 "
	equal "filter" "$(first -f 40.2)" "172.16.40.2 "
	got=$(tool top -b -n 2 -d 0.1)
	equal "tables" "$(grep -c ENDPOINT <<<"$got")" 2
	equal "columns" "$(sed -n 2p <<<"$got")" \
		"172.16.40.1  n3     0 B      0   0 B      0        0  never"
	tool link add ipmesh1 local 172.16.40.99
	tool peer add 172.16.40.5 dev ipmesh1
	equal "devices" "$(tool top -b -n 1 -d 0.1 -o endpoint | sed -n '2,$s/ .*//p' | tr '\n' ' ')" \
		"ipmesh0 ipmesh0 ipmesh0 ipmesh1 "
	tool link del ipmesh1
	start "$a" ipmesh top ipmesh0 -b -d 0.1 >"$tmp/out" 2>&1
	busywait lines 5
	tool link del ipmesh0
	wait "$pid" || rc=$?
	equal "status" "$rc" 1
	equal "a device that goes" "$(tail -n 1 "$tmp/out")" "ipmesh: top: ipmesh0 is gone"
}

# terminal ROWS COLUMNS WORD…: ipmesh top on one; keys go into $tmp/keys
terminal() {
	local rows=$1 columns=$2
	shift 2
	rm -f "$tmp"/{keys,pid,tty,after,status,screen}
	mkfifo "$tmp/keys"
	: >"$tmp/screen"
	cat >"$tmp/session" <<-END
		stty rows $rows cols $columns
		stty -g >$tmp/before
		tty >$tmp/tty
		bash -c 'echo \$\$ >$tmp/pid; exec ipmesh top $*'
		echo \$? >$tmp/status
		stty -g >$tmp/after.new
		mv $tmp/after.new $tmp/after
	END
	"$here/mesh" -n "$a" exec env TERM="${term:-xterm}" script -qfec "bash $tmp/session" \
		"$tmp/screen" <"$tmp/keys" >/dev/null 2>&1 &
	pids+=($!)
	exec {keys}>"$tmp/keys"
}

# over STATUS: it has ended, and the terminal is as it was
over() {
	busywait test -e "$tmp/after"
	exec {keys}>&-
	equal "status" "$(cat "$tmp/status")" "$1"
	equal "terminal" "$(cat "$tmp/after")" "$(cat "$tmp/before")"
	[ -n "${2:-}" ] || contains "screen" "$(tr -d '\0' <"$tmp/screen")" $'\033[?1049l'
}

# shows TEXT: on the screen, by now
shows() {
	busywait file_has "$tmp/screen" "$1"
}

# size ROWS COLUMNS: of the window; all of it is written anew
size() {
	mesh -n "$a" exec stty -F "$(cat "$tmp/tty")" rows "$1" cols "$2"
}

# press KEYS TEXT: what is on the screen then. ncurses writes what differs, and
# that is not the whole of a line unless the window changes.
press() {
	printf '%b' "$1" >&"$keys"
	busywait anew "$2"
}

anew() {
	n=$((n + 1))
	size 20 $((90 + n % 2))
	file_has "$tmp/screen" "$1"
}

screens() {
	local n
	setup_ns a
	tool link add ipmesh0
	for n in 1 2 3 4 5 6; do
		tool peer add 172.16.40."$n" name "node$n"
	done
	terminal 5 100 ipmesh0 -d 0.1 -o endpoint
	shows 172.16.40.3
	lacks "a small window" "$(tr -d '\0' <"$tmp/screen")" 172.16.40.4
	size 20 90
	shows 172.16.40.6
	press r "by endpoint reversed"
	press N "by name reversed"
	press 'f0.4\n' "1 of 6 peers"
	tool link del ipmesh0
	press ' ' "ipmesh0 is gone; waiting"
	tool link add ipmesh0
	tool peer add 172.16.40.44 name again
	shows again
	printf q >&"$keys"
	over 0
}

signals() {
	local sig
	setup_ns a
	tool link add ipmesh0
	tool peer add 172.16.40.1 name node1
	for sig in TERM INT; do
		terminal 24 80 -d 3600
		shows node1
		kill -"$sig" "$(cat "$tmp/pid")"
		over $((128 + $(kill -l "$sig")))
	done
	# as a person does it
	terminal 24 80 -d 3600
	shows node1
	printf '\003' >&"$keys"
	over 130
	terminal 24 80 -d 0.1 -n 2
	over 0
	term=nonsense terminal 24 80
	over 1 no-screen
	contains "refusal" "$(cat "$tmp/screen")" 'the terminal "nonsense" is not known'
}

run_tests deltas batch screens signals
