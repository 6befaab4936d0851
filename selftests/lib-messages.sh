# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by what judges a test by the kernel's log.

# but_noise: the lines on stdin without what loading any unsigned module says once,
# and what an emulated CPU on a busy host makes the kernel say about its clock.
but_noise() {
	grep -v -e 'loading out-of-tree module taints kernel' \
		-e 'module verification failed: signature and/or required key missing' \
		-e '^hrtimer: interrupt took' -e '^clocksource: ' -e '^tsc: ' \
		-e '^sched: RT throttling activated' \
		-e '^perf: interrupt took too long' -e '^random: ' \
		-e '^workqueue: .* hogged CPU' || true
}

# What a test has the kernel say on purpose, one text a line.
expected=/tmp/ipmesh-expected-messages

# expect_message TEXT
expect_message() {
	echo "$1" >>"$expected"
}

# kernel_messages: all that was logged at warning level or above
kernel_messages() {
	touch "$expected"
	dmesg --level=warn,err,crit,alert,emerg --notime | but_noise | grep -vF -f "$expected" || true
}
