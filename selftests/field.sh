#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Documents as people have them; fixtures/field has them, and cases.tsv what is right.
#
#     a: dummy0 with the addresses of the case
#
# Proves: for each line of the table the plan of "ipmesh apply --dry-run" has the lines that
# it is to have, none that it is not to have, and ends with the status.
set -eu
. "$(dirname "$0")/lib.sh"

# one_case WORDS ADDRESSES STATUS LINES: what is wrong goes to stdout
one_case() {
	local words=$1 status=$3 rest="$4 | " line rc=0
	ip -n "$a" addr flush dev dummy0
	ip -n "$a" addr add "$2" dev dummy0
	# shellcheck disable=SC2086
	mesh -n "$a" exec env -C "$here/fixtures/field" ipmesh apply $words --dry-run \
		>"$tmp/out" 2>&1 || rc=$?
	[ "$rc" = "$status" ] || echo "apply $words: status $rc, not $status"
	while [ -n "$rest" ]; do
		line=${rest%% | *}
		rest=${rest#* | }
		case $line in
		!*) ! grep -qF -e "${line#!}" "$tmp/out" || echo "apply $words: has \"${line#!}\"" ;;
		*) grep -qF -e "$line" "$tmp/out" || echo "apply $words: has no \"$line\": $(<"$tmp/out")" ;;
		esac
	done
}

field() {
	local words addresses status lines n=0
	setup_ns a
	ip_batch "$a" <<-END
		link add dummy0 type dummy
		link set dummy0 up
	END
	while IFS=$'\t' read -r words addresses status lines; do
		n=$((n + 1))
		one_case "$words" "$addresses" "$status" "$lines"
	done < <(grep -v '^#' "$here/fixtures/field/cases.tsv") >"$tmp/wrong"
	equal "wrong of $n cases" "$(<"$tmp/wrong")" ""
	[ "$n" -ge 30 ] || fail "only $n cases"
}

# Each document is in some case.
complete() {
	local f
	for f in "$here"/fixtures/field/*.yaml; do
		grep -q -e "-f ${f##*/}" "$here/fixtures/field/cases.tsv" || fail "no case has ${f##*/}"
	done
}

run_tests field complete
