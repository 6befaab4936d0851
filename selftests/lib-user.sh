# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by tests of network namespaces that a user namespace owns, after lib.sh.

# container: the network namespace $pod of a user namespace, which $keeper keeps
container() {
	unshare --user --map-root-user --net sleep infinity &
	keeper=$!
	pids+=("$keeper")
	busywait keeps "$keeper"
	pod=pod-$$-$((++ns_count))
	ip netns attach "$pod" "$keeper"
	namespaces+=("$pod")
	ip -n "$pod" link set lo up
}

keeps() {
	[ "$(cat "/proc/$1/comm")" = sleep ]
}

# by WHO COMMAND…: in the container: its root, the host's root, or nobody
by() {
	local who=$1
	shift
	case $who in
	root) nsenter -t "$keeper" --user --net "$@" ;;
	host) nsenter -t "$keeper" --net "$@" ;;
	nobody) nsenter -t "$keeper" --net setpriv --reuid 65534 --clear-groups "$@" ;;
	esac
}
