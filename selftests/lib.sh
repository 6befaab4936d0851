# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the tests. A test file defines functions, one a test, and ends
# with "run_tests NAME…". Each runs in a subshell under set -e, with namespaces
# of its own: it is over at the first command that fails, and everything that it
# made goes. Nothing sleeps to let something happen: busywait asks for it.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$here:$PATH
KSFT_SKIP=4

: "${BUSYWAIT_TIMEOUT:=180}"	# seconds; only a broken test meets it

# --- TAP -----------------------------------------------------------------------

# run_tests NAME…: run them, or those of them that the command line names.
run_tests() {
	local t rc n=0 failed=0 skipped=0 out start
	[ ${#ARGV[@]} -eq 0 ] || set -- "${ARGV[@]}"
	[ "$(id -u)" -eq 0 ] || { echo "1..0 # SKIP not root"; exit $KSFT_SKIP; }
	out=$(mktemp)
	serve
	echo "TAP version 13"
	echo "1..$#"
	for t; do
		n=$((n + 1))
		start=${EPOCHREALTIME/./}
		set +e
		# a command that fails in a function ends the subshell only
		# where the subshell's own status is not asked for
		(
			set -eE
			tmp=$(mktemp -d)
			trap on_exit EXIT
			trap 'on_error "$BASH_COMMAND" "${BASH_SOURCE[0]##*/}:$LINENO"' ERR
			"$t"
		) >"$out" 2>&1 </dev/null
		rc=$?
		set -e
		case $rc in
		0) echo "ok $n $t # $(((${EPOCHREALTIME/./} - start) / 1000)) ms" ;;
		"$KSFT_SKIP")
			skipped=$((skipped + 1))
			echo "ok $n $t # SKIP $(tail -n 1 "$out")" ;;
		*)
			failed=$((failed + 1))
			sed 's/^/# /' "$out"
			echo "not ok $n $t" ;;
		esac
	done
	rm -f "$out"
	echo "# $(basename "$0"): $((n - failed - skipped)) passed, $failed failed, $skipped skipped"
	[ $failed -eq 0 ] || exit 1
	[ $skipped -lt $n ] || exit $KSFT_SKIP
	exit 0
}
ARGV=("$@")

on_error() {
	# an exit by fail() or skip() has said why
	echo "failed: $1 ($2)"
}

# All of a test's processes, namespaces and files go, in this order.
namespaces=()
ns_count=0
pids=()
deferred=()
# defer COMMAND: at the end of this test, however it ends, the last one first
defer() {
	deferred=("$1" "${deferred[@]}")
}

on_exit() {
	local rc=$? ns p command
	trap - ERR
	set +e
	if [ $rc -ne 0 ] && [ $rc -ne $KSFT_SKIP ]; then
		for ns in "${namespaces[@]}"; do
			echo "--- $ns"
			ip -n "$ns" -br addr
			ip -n "$ns" route
		done
	fi
	for command in "${deferred[@]}"; do
		eval "$command"
	done
	for p in "${pids[@]}"; do
		kill "$p"
	done 2>/dev/null
	wait 2>/dev/null
	for ns in "${namespaces[@]}"; do
		mesh ns del "$ns"
	done 2>/dev/null
	rm -rf "$tmp"
	exit $rc
}

fail() {
	trap - ERR
	echo "$*"
	exit 1
}

skip() {
	trap - ERR
	echo "$*"
	exit $KSFT_SKIP
}

# --- the helper -----------------------------------------------------------------

# serve: start the server for mesh, whose ends stay open in subshells.
serve() {
	coproc MESH { exec "$here/mesh" serve; }
	exec {mesh_out}<&"${MESH[0]}" {mesh_in}>&"${MESH[1]}"
}

# mesh WORD…: see mesh.c. What it prints goes to stdout, or to stderr when it
# fails. Not for the background, where "start" belongs.
mesh() {
	local IFS=$'\x1f' line rc text=''
	line=$*
	printf '%s\n' "${line//$'\n'/$'\x1e'}" >&"$mesh_in"
	while IFS= read -r line <&"$mesh_out"; do
		case $line in
		*$'\x04'*)
			text+=${line%$'\x04'*}
			rc=${line##*$'\x04'}
			if [ "$rc" -eq 0 ]; then
				printf '%s' "$text"
			else
				printf '%s' "$text" >&2
			fi
			return "$rc" ;;
		esac
		text+=$line$'\n'
	done
	echo "the server of mesh has ended" >&2
	return 2
}

# --- namespaces and processes ----------------------------------------------------

# setup_ns VAR…: a new namespace each, its unique name in the variable VAR.
setup_ns() {
	local var name
	for var; do
		name=$var-$$-$((++ns_count))
		mesh ns add "$name"
		namespaces+=("$name")
		eval "$var=\$name"
	done
}

# del_ns NS: before the end of the test.
del_ns() {
	local ns left=()
	for ns in "${namespaces[@]}"; do
		[ "$ns" = "$1" ] || left+=("$ns")
	done
	namespaces=("${left[@]}")
	mesh ns del "$1"
}

# in_ns NS COMMAND…; "ip netns exec" takes four times as long.
in_ns() {
	local ns=$1
	shift
	mesh -n "$ns" exec "$@"
}

# ip_batch NS: the commands on stdin, in one process.
ip_batch() {
	ip -n "$1" -batch -
}

# start NS COMMAND…: in the background, until the test ends; its number in $pid.
start() {
	local ns=$1
	shift
	"$here/mesh" -n "$ns" exec "$@" &
	pid=$!
	pids+=("$pid")
}

# wire NS1 DEV1 ADDR1 NS2 DEV2 ADDR2 [MTU]: a veth pair, up, with addresses.
wire() {
	local mtu=${7:-1500}
	ip link add "$2" netns "$1" mtu "$mtu" type veth peer "$5" netns "$4" mtu "$mtu"
	ip_batch "$1" <<-END
		addr add $3 dev $2
		link set $2 up
	END
	ip_batch "$4" <<-END
		addr add $6 dev $5
		link set $5 up
	END
}

# --- waiting ---------------------------------------------------------------------

# busywait COMMAND…: until it succeeds. A machine that stood still has not waited,
# so that time alone does not end it.
busywait() {
	local end=$((SECONDS + BUSYWAIT_TIMEOUT)) tries=0
	until "$@"; do
		[ $SECONDS -lt $end ] || [ $((++tries)) -lt 40 ] || {
			echo "waited in vain for: $*"
			return 1
		}
		read -rt 0.05 <><(:) || true
	done
}

# wait_end PID: wait for a process; what keeps one that does not end is printed
wait_end() {
	busywait has_ended "$1" || {
		cat "/proc/$1/status" "/proc/$1/stack"
		return 1
	}
}

# has_ended PID: a process that has ended has no program, even if its shell has not reaped it
has_ended() {
	! [ -e "/proc/$1/exe" ]
}

# operational NS DEV: the kernel finds out a little after the link is up, and tells
operational() {
	case $(ip -n "$1" -br link show dev "$2") in
	*" UP "*) ;;
	*) return 1 ;;
	esac
}

file_has() {
	case $(<"$1") in
	*"$2"*) ;;
	*) return 1 ;;
	esac
}

# is WANTED COMMAND…: what the command prints.
is() {
	local wanted=$1
	shift
	[ "$("$@" 2>&1)" = "$wanted" ]
}

# --- assertions --------------------------------------------------------------------

# equal WHAT GOT WANTED
equal() {
	[ "$2" = "$3" ] || fail "$1: is \"$2\", not \"$3\""
}

# contains WHAT GOT PART
contains() {
	case $2 in
	*"$3"*) ;;
	*) fail "$1: \"$2\" has no \"$3\"" ;;
	esac
}

# lacks WHAT GOT PART
lacks() {
	case $2 in
	*"$3"*) fail "$1: \"$2\" has \"$3\"" ;;
	esac
}

# refused TEXT COMMAND…: it fails, and says TEXT.
refused() {
	local text=$1 got
	shift
	if got=$("$@" 2>&1); then
		fail "not refused: $*"
	fi
	contains "the refusal of $*" "$got" "$text"
}

# prints WANTED COMMAND…
prints() {
	local wanted=$1 got
	shift
	got=$("$@" 2>&1) || fail "failed: $*: $got"
	[ "$got" = "$wanted" ] || fail "$*: printed \"$got\", not \"$wanted\""
}

# count NS DEV KEY [ENDPOINT]: a counter of the device or of a peer.
count() {
	local ns=$1
	shift
	mesh -n "$ns" count "$@"
}

# counts NS DEV [ENDPOINT] -- KEY=N…: exactly so, for counters that stand still. A packet
# is counted by who has sent it, and may arrive before that: another CPU may be behind.
counts() {
	local ns=$1 dev=$2 peer='' pair BUSYWAIT_TIMEOUT=5
	shift 2
	if [ "$1" != -- ]; then
		peer=$1
		shift
	fi
	shift
	for pair; do
		busywait is "${pair#*=}" count "$ns" "$dev" "${pair%=*}" ${peer:+"$peer"} >/dev/null || true
		equal "$dev${peer:+ peer $peer} ${pair%=*}" \
			"$(count "$ns" "$dev" "${pair%=*}" ${peer:+"$peer"})" "${pair#*=}"
	done
}

# pings NS ADDRESS [KEY VALUE]…: three of three answers.
pings() {
	local ns=$1 got
	shift
	got=$(mesh -n "$ns" echo 3 "$@" 2>&1) || fail "echo $*: $got"
	equal "echo $*" "$got" "3 sent, 3 received"
}

# ping_fails NS TEXT ADDRESS [KEY VALUE]…: no answer but TEXT, an error told by
# mesh echo or "1 sent, 0 received".
ping_fails() {
	local ns=$1 text=$2 got
	shift 2
	if got=$(mesh -n "$ns" echo 1 "$@" 2>&1); then
		fail "an answer: echo $*"
	fi
	contains "echo $*" "$got" "$text"
}

# silent NS ADDRESS [KEY VALUE]…: a request without waiting for what comes of it.
silent() {
	local ns=$1
	shift
	mesh -n "$ns" echo 1 "$@" wait 0 >/dev/null 2>&1 || true
}

# flood NS ADDRESS: packets from now on; flooded ends them and fails unless each
# was answered. How many is in $sent.
flood() {
	: >"$tmp/flood"
	"$here/mesh" -n "$1" flood "$2" >"$tmp/flood" 2>&1 &
	flood_pid=$!
	pids+=("$flood_pid")
	busywait file_has "$tmp/flood" running
}

flooded() {
	kill "$flood_pid"
	wait "$flood_pid" || true
	sent=$(sed -n 's/^\([0-9]*\) sent, \1 received$/\1/p' "$tmp/flood")
	[ -n "$sent" ] || fail "lost under way: $(tail -n 5 "$tmp/flood")"
	[ "$(wc -l <"$tmp/flood")" -eq 2 ] || fail "errors under way: $(tail -n 5 "$tmp/flood")"
}

# --- capture -------------------------------------------------------------------------

# capture NS DEV COUNT [PROTO]: put into words the next COUNT packets of DEV;
# captured waits for them and prints them.
capture() {
	: >"$tmp/capture"
	"$here/mesh" -n "$1" capture "${@:2}" >"$tmp/capture" 2>&1 &
	capture_pid=$!
	pids+=("$capture_pid")
	busywait file_has "$tmp/capture" capturing
}

captured() {
	wait_end "$capture_pid"
	sed 1d "$tmp/capture"
}

# --- the usual two nodes ---------------------------------------------------------------

# two_nodes: namespaces a and b, 172.16.40.1 and .2 on eth0, each the other's
# peer through ipmesh0, with 10.244.1.0/24 and 10.244.2.0/24 behind them; the
# pod 10.244.N.1 is an address of the device itself.
two_nodes() {
	setup_ns a b
	wire "$a" eth0 172.16.40.1/24 "$b" eth0 172.16.40.2/24 "$@"
	node "$a" 1 2
	node "$b" 2 1
}

# elsewhere: ipmesh0 of a moves to a namespace of its own, $pod
elsewhere() {
	setup_ns pod
	ip -n "$a" link set ipmesh0 netns "$pod"
	ip_batch "$pod" <<-END
		link set ipmesh0 up
		addr add 10.244.1.1/32 dev ipmesh0
		route add 10.244.2.0/24 via 172.16.40.2 dev ipmesh0 onlink
	END
}

# node NS OWN OTHER [KEY VALUE]…
node() {
	local ns=$1 own=$2 other=$3
	shift 3
	mesh -n "$ns" link add ipmesh0 "$@"
	mesh -n "$ns" peer new ipmesh0 "172.16.40.$other" cidr "10.244.$other.0/24"
	ip_batch "$ns" <<-END
		link set ipmesh0 up
		addr add 10.244.$own.1/32 dev ipmesh0
		route add 10.244.$other.0/24 via 172.16.40.$other dev ipmesh0 onlink src 10.244.$own.1
	END
}
