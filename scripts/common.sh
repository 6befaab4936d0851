# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Sourced by the other scripts: the cache, its locks, and how to fail.

IPMESH_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
IPMESH_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/ipmesh
IPMESH_HOST_SUITE=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
export IPMESH_TOP IPMESH_CACHE IPMESH_HOST_SUITE

# depmod and mke2fs are there also for a user whose PATH lacks them.
PATH=$PATH:/usr/sbin:/sbin

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

say() {
	printf '%s\n' "$*" >&2
}

# lock NAME: held until this process ends.  A second run waits for the first
# one's result instead of building the same thing beside it.  Children inherit
# it: unlock before starting one that stays.
lock() {
	mkdir -p "$IPMESH_CACHE/lock"
	exec {IPMESH_LOCK_FD}>"$IPMESH_CACHE/lock/$1"
	flock -n "$IPMESH_LOCK_FD" && return 0
	say "waiting for another run that holds $IPMESH_CACHE/lock/$1"
	flock "$IPMESH_LOCK_FD"
}

unlock() {
	exec {IPMESH_LOCK_FD}>&-
}

# scratch DIR: an empty directory beside DIR, removed when this process ends
# unless publish() has renamed it, so that the cache never holds half a thing.
scratch() {
	mkdir -p "$(dirname "$1")"
	IPMESH_SCRATCH=$(mktemp -d "$1.tmp.XXXXXX")
	chmod 755 "$IPMESH_SCRATCH"
	trap 'rm -rf "$IPMESH_SCRATCH"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

publish() {
	rm -rf "$1"
	mv -T "$IPMESH_SCRATCH" "$1"
	trap - EXIT INT TERM
}

# digest FILE…: one short key for the contents of files and folders, by name.
# Objects are left out: they are made from what is counted already.
digest() {
	find "$@" -type f ! -name '*.o' ! -name '*.ko' ! -name '*.mod*' \
		! -name '.*.cmd' ! -name '*.order' ! -name '*.symvers' -print0 |
		LC_ALL=C sort -z | xargs -0r sha256sum | sha256sum | cut -c1-16
}

# kernel_key KERNEL: its release, and what sets it apart from another build of the same: a
# module that was made for one may find other structures in the other.
kernel_key() {
	local conf=$1/build/include/config/auto.conf

	[ -e "$conf" ] || die "$1 has no include/config/auto.conf: it is not built"
	echo "$(cat "$1/release")-$(sha256sum <"$conf" | cut -c1-8)"
}

# needs_chroot KERNEL: headers from 6.12 on want gcc 14, and bring tools made
# for a newer C library than Debian 12 has; debug kernels are built like these. So is what
# clang makes, lest it be another clang on each machine.
needs_chroot() {
	[ -n "${IPMESH_CHROOT:-}" ] || [ ! -e "$1/llvm" ] || return 0
	[ -z "${IPMESH_CHROOT:-}" ] && [ "$(gcc -dumpversion | cut -d. -f1)" -lt 14 ] || return 1
	case $(cat "$1/release") in
	5.* | 6.1.*) [ -e "$1/cmdline" ] ;;
	esac
}
