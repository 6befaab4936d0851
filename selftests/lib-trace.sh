# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The kernel's trace. A test that records says so first: others may have left recording
# off, events on, or a filter.
#
#	trace_ready WHAT FILE…	recording is on, of nothing yet; skips where a file is missing
#	trace_event EVENT [FILTER]	from now on, as far as the filter lets it
#	trace_off		what was recorded stays to be read
#	trace_clear		from here on

tracing=/sys/kernel/tracing

trace_reset() {
	local kept
	echo 0 >"$tracing/events/enable"
	echo 0 >"$tracing/options/stacktrace"
	kept=$(cat "$tracing/kprobe_events" 2>/dev/null || true)
	[ -z "$kept" ] || echo >"$tracing/kprobe_events"
	echo >"$tracing/trace"
	echo 1 >"$tracing/tracing_on"
}

# trace_ready WHAT FILE…: WHAT is what a kernel without FILE below tracing/ lacks
trace_ready() {
	local what=$1 file
	shift
	[ -e "$tracing/trace" ] || mount -t tracefs tracefs "$tracing" 2>/dev/null || true
	for file; do
		[ -e "$tracing/$file" ] || skip "this kernel has no $what"
	done
	defer trace_reset
	trace_reset
}

# trace_event EVENT [FILTER]: as SYSTEM/NAME
trace_event() {
	echo "${2:-0}" >"$tracing/events/$1/filter"
	echo 1 >"$tracing/events/$1/enable"
}

trace_off() {
	echo 0 >"$tracing/tracing_on"
}

trace_clear() {
	echo >"$tracing/trace"
}
