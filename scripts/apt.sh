# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Sourced after common.sh: packages of any Debian suite, with an apt state of
# our own, so that neither root nor a change of this machine's sources is
# needed.  The mirrors are the ones this machine is configured for.

IPMESH_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# mirror SUITE: the address that this machine gets SUITE of Debian from.
mirror() {
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets --format '$(REPO_URI)|$(CODENAME)|$(RELEASE)|$(COMPONENT)' \
		'Created-By: Packages' 2>/dev/null |
		awk -F'|' -v s="$1" '$4 == "main" && ($2 == s || $3 == s) { print $1; exit }'
}

# suite_sources SUITE [ARCH]: the lines of a sources.list for SUITE and, where there
# are such, its security updates and the suite that it is a backport to. For ARCH, which
# things are only tried on, without the updates, which mirrors have less of.
suite_sources() {
	local suite=$1 base=${1%-backports} main security
	main=$(mirror "$IPMESH_HOST_SUITE")
	security=$(mirror "$IPMESH_HOST_SUITE-security")
	if [ -z "$main" ]; then
		say "apt's configuration names no mirror of Debian $IPMESH_HOST_SUITE main: see /etc/apt/sources.list and sources.list.d"
		return 1
	fi
	echo "deb [signed-by=$IPMESH_KEYRING] $main $base main"
	[ "$suite" = "$base" ] ||
		echo "deb [signed-by=$IPMESH_KEYRING] $main $suite main"
	if [ "$base" != sid ] && [ -n "$security" ] && [ -z "${2:-}" ]; then
		echo "deb [signed-by=$IPMESH_KEYRING] $security $base-security main"
	fi
}

# apt_state SUITE [ARCH]: make apt_get work on SUITE; refresh its lists.
apt_state() {
	local dir=$IPMESH_CACHE/apt/$1${2:+-$2} sources kind
	sources=$(suite_sources "$@")
	lock "apt-$1"
	mkdir -p "$dir"/{parts,lists/partial,cache/archives/partial}
	echo "$sources" >"$dir/sources.list"
	: >"$dir/status"
	IPMESH_APT=(-q -o "Dir::Etc::sourcelist=$dir/sources.list"
		-o "Dir::Etc::sourceparts=$dir/parts"
		-o "Dir::State::Lists=$dir/lists"
		-o "Dir::State::status=$dir/status"
		-o "Dir::Cache=$dir/cache"
		-o APT::Sandbox::User=
		-o APT::Install-Recommends=false
		-o Acquire::Languages=none)
	[ -z "${2:-}" ] || IPMESH_APT+=(-o "APT::Architecture=$2" -o "APT::Architectures=$2")
	for kind in Contents-deb DEP-11 DEP-11-icons-small DEP-11-icons DEP-11-icons-large; do
		IPMESH_APT+=(-o "Acquire::IndexTargets::deb::$kind::DefaultEnabled=false")
	done
	case $1 in
	*-backports) IPMESH_APT+=(-t "$1") ;;
	esac
	apt-get "${IPMESH_APT[@]}" --error-on=any update
}

# apt_download [--meta] PATTERN PACKAGE…: download into the current directory what
# installing PACKAGEs would bring and whose names match PATTERN. With --meta, PACKAGEs
# themselves are empty and are left out.
apt_download() {
	local pattern set meta=''
	[ "$1" != --meta ] || { meta=yes; shift; }
	pattern=$1
	shift
	set=$(apt-get "${IPMESH_APT[@]}" -s install "$@" |
		sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' |
		grep -E "^($pattern)=" | sort -u)
	[ -z "$meta" ] || set=$(grep -v -f <(printf '^%s=\n' "$@") <<<"$set")
	[ -n "$set" ] || return 1
	# shellcheck disable=SC2086
	apt-get "${IPMESH_APT[@]}" download $set
}
