#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The manual: its examples, as they stand there.
#
#     master: k8s-master 172.16.40.199 ens160 (dummy); one for each example
#
# Proves: the pages are found by man; each example of each page is done without
# an error, with kubectl and calicoctl that print the seed cluster; the document
# of ipmesh.yaml(5) is applied, twice without a change; each command, attribute
# and cause of drops stands in its page.
set -eu
. "$(dirname "$0")/lib.sh"

page() {
	local f
	f=$(find /usr/share/man /usr/local/share/man -name "$1" 2>/dev/null | head -n 1)
	[ -n "$f" ] || skip "$1 is not installed"
	cat "$f"
}

# blocks PAGE SECTION: the examples of a section, each followed by a line "%%"
blocks() {
	page "$1" | awk -v section="$2" '
		/^\.SH/ { on = index($0, section) > 0; next }
		!on { next }
		/^\.(EX|nf)/ { inside = 1; next }
		/^\.(EE|fi)/ { inside = 0; print "%%"; next }
		inside && !/^\./ { print }' |
		sed 's/\\-/-/g; s/\\&//g; s/\\(aq/'"'"'/g; s/\\e/\\/g'
}

cluster() {
	[ -n "${IPMESH_GUEST:-}" ] || skip "examples write to /etc/ipmesh of this host"
	setup_ns master
	! ip -n "$master" link show tunl0 >/dev/null 2>&1 ||
		ip -n "$master" link set tunl0 name kernels
	ip_batch "$master" <<-END
		link set lo up
		link add ens160 type dummy
		link set ens160 up
		addr add 172.16.40.199/24 dev ens160
	END
	in_ns "$master" sysctl -qw net.ipv4.ip_forward=1
	rm -rf "$tmp/docs" "${tmp:?}/bin" /etc/ipmesh
	mkdir /etc/ipmesh
	cp -r "$here/fixtures/seed" "$tmp/docs"
	mkdir "$tmp/bin"
	cat >"$tmp/bin/kubectl" <<-END
		#!/bin/sh
		case "\$*" in
		*--watch*) jq -c '.items[] | {type: "ADDED", object: .}' "$tmp/docs/kubectl-nodes.json" ;;
		*nodes*) cat "$tmp/docs/kubectl-nodes.json" ;;
		esac
	END
	cat >"$tmp/bin/calicoctl" <<-END
		#!/bin/sh
		case "\$*" in
		*ippool*) cat "$tmp/docs/calico-ippools.yaml" ;;
		*) cat "$tmp/docs/calico-nodes.yaml" ;;
		esac
	END
	chmod +x "$tmp"/bin/*
}

# as_master FILE: its commands, on a host of that name; the first that fails ends it
as_master() {
	# shellcheck disable=SC2016 # bash of the namespace expands these
	in_ns "$master" env -C "$tmp/docs" "PATH=$tmp/bin:$PATH" unshare --uts \
		timeout 120 bash -euo pipefail -c \
		'echo k8s-master >/proc/sys/kernel/hostname; . "$1"' bash "$1" 2>&1
}

# examples PAGE LEAST
examples() {
	local line block='' n=0 rc got
	while IFS= read -r line; do
		if [ "$line" != %% ]; then
			block+=$line$'\n'
			continue
		fi
		n=$((n + 1))
		cluster
		echo "$block" >"$tmp/example"
		case $block in
		*"peer set"* | *"peer del"* | *probe* | *export* | *doctor* | *metrics* | *monitor* | *top*)
			cat >"$tmp/before" <<-END
				ipmesh apply -f calico-nodes.yaml -f calico-ippools.yaml --node k8s-master
				ipmesh peer add 172.16.40.197 name k8s-node2
			END
			as_master "$tmp/before" >/dev/null ;;
		esac
		rc=0
		got=$(as_master "$tmp/example") || rc=$?
		case $block in
		*monitor* | *"ipmesh top"*)
			# these go on until they are ended
			[ "$rc" -ne 124 ] || rc=0 ;;
		*probe* | *doctor*)
			# nobody answers here, which they say by their status
			[ "$rc" -ne 1 ] || rc=0 ;;
		esac
		[ "$rc" -eq 0 ] || fail "$1, example $n: status $rc: $got"$'\n'"$block"
		del_ns "$master"
		block=''
	done < <(blocks "$1" EXAMPLES)
	[ "$n" -ge "$2" ] || fail "$1: $n examples"
}

ipmesh_8() {
	examples ipmesh.8 4
}

ipmesh_4() {
	examples ipmesh.4 1
}

ipmesh_yaml_5() {
	examples ipmesh.yaml.5 1
}

document() {
	local got
	cluster
	blocks ipmesh.yaml.5 DEVICE | sed '/^%%$/,$d' >"$tmp/docs/device.yaml"
	[ -s "$tmp/docs/device.yaml" ] || fail "no document"
	echo "ipmesh apply -f device.yaml" >"$tmp/example"
	got=$(as_master "$tmp/example")
	contains "first" "$got" "172.16.40.198"
	echo "ipmesh -j apply -f device.yaml" >"$tmp/example"
	equal "second" "$(as_master "$tmp/example" | jq -c .changes)" "[]"
}

found() {
	local n word
	for n in '8 ipmesh' '4 ipmesh' '5 ipmesh.yaml'; do
		# shellcheck disable=SC2086
		man -w $n >/dev/null || fail "man $n"
	done
	setup_ns a
	page ipmesh.8 | tr -d '\134' >"$tmp/8"
	page ipmesh.4 | tr -d '\134' >"$tmp/4"
	for word in $(in_ns "$a" ipmesh --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		grep -q "^\.SH .*ipmesh $word" "$tmp/8" || grep -q "^\.B.*ipmesh $word" "$tmp/8" ||
			fail "ipmesh(8) has nothing of $word"
	done
	for word in $(in_ns "$a" ipmesh link --help | sed -n '/^Words:/,/^  address/s/^  \([a-z_]*\) .*/\1/p'); do
		grep -qw -e "$word" "$tmp/8" || fail "ipmesh(8) has nothing of $word"
		grep -qw -e "$word" "$tmp/4" || [ "$word" = address ] || fail "ipmesh(4) has nothing of $word"
	done
	mesh -n "$a" link add ipmesh0
	for word in $(in_ns "$a" ipmesh -j link show | jq -r '.[0].drops | keys[]'); do
		grep -qw -e "$word" "$tmp/4" || fail "ipmesh(4) has nothing of $word"
	done
}

run_tests found ipmesh_8 ipmesh_4 ipmesh_yaml_5 document
