# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for ipmesh: words, live devices, endpoints and CIDRs.

_ipmesh_devices()
{
	ip -brief link show type ipmesh 2>/dev/null | sed 's/[@ ].*//'
}

_ipmesh_endpoints()
{
	# With a device named on the line, those of that one.
	local i dev=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == dev ]] && dev=(dev "${COMP_WORDS[i + 1]}")
	done
	ipmesh -j peer show "${dev[@]}" 2>/dev/null |
		grep -o '"endpoint":"[^"]*"' | cut -d'"' -f4
}

_ipmesh_reply()
{
	mapfile -t COMPREPLY < <(compgen -W "$*" -- "$cur")
	[[ $(type -t __ltrim_colon_completions) == function ]] &&
		__ltrim_colon_completions "$cur"
}

_ipmesh_link()
{
	local verb=$1 words="local dev address mtu peers ttl dscp pmtudisc fwmark encap dport sport csum max_peers up down"

	case $prev in
	local)
		_ipmesh_reply any "$(ip -brief addr 2>/dev/null | grep -o '[0-9.]*/[0-9]*' | cut -d/ -f1)" ;;
	dev)
		_ipmesh_reply none "$(ip -brief link 2>/dev/null | sed 's/[@ ].*//')" ;;
	mtu) _ipmesh_reply auto ;;
	peers) _ipmesh_reply strict open ;;
	ttl | dscp) _ipmesh_reply inherit ;;
	pmtudisc | csum) _ipmesh_reply on off ;;
	encap) _ipmesh_reply none udp ;;
	dport) _ipmesh_reply 5555 ;;
	sport) _ipmesh_reply flow ;;
	address | fwmark | max_peers) ;;
	add) _ipmesh_reply ipmesh0 ;;
	del | show) _ipmesh_reply "$(_ipmesh_devices)" ;;
	set) _ipmesh_reply "$(_ipmesh_devices)" "$words" ;;
	*)
		[[ $verb == add || $verb == set ]] && _ipmesh_reply "$words" ;;
	esac
}

_ipmesh_peer()
{
	local verb=$1

	case $prev in
	dev) _ipmesh_reply "$(_ipmesh_devices)" ;;
	name | cidr | nocidr | cidrs) [[ $prev == cidrs ]] && _ipmesh_reply none ;;
	encap) _ipmesh_reply none udp device ;;
	dport) ;;
	set | del) _ipmesh_reply "$(_ipmesh_endpoints)" ;;
	show) _ipmesh_reply dev "$(_ipmesh_endpoints)" ;;
	flush) _ipmesh_reply dev ;;
	add) ;;
	*)
		case $verb in
		add) _ipmesh_reply dev name cidr encap dport move noroute ;;
		set) _ipmesh_reply dev name cidr nocidr cidrs encap dport move route noroute ;;
		*) _ipmesh_reply dev ;;
		esac ;;
	esac
}

_ipmesh()
{
	local cur prev command="" verb="" i
	COMPREPLY=()
	if [[ $(type -t _get_comp_words_by_ref) == function ]]; then
		_get_comp_words_by_ref -n : cur prev
	else
		cur=${COMP_WORDS[COMP_CWORD]}
		prev=${COMP_WORDS[COMP_CWORD - 1]}
	fi

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-n | --netns) ((i++)) ;;
		-*) ;;
		*)
			if [[ -z $command ]]; then
				command=${COMP_WORDS[i]}
			elif [[ -z $verb ]]; then
				verb=${COMP_WORDS[i]}
			fi ;;
		esac
	done

	if [[ $prev == -n || $prev == --netns ]]; then
		_ipmesh_reply "$(ip netns list 2>/dev/null | cut -d' ' -f1)"
	elif [[ $command != apply && $cur == -* ]]; then
		_ipmesh_reply --json --pretty --stats --netns --help --version
	elif [[ -z $command ]]; then
		_ipmesh_reply show link peer apply export
	elif [[ $command == show || $command == export ]]; then
		_ipmesh_reply "$(_ipmesh_devices)"
	elif [[ $command == link && -z $verb ]]; then
		_ipmesh_reply add set del show
	elif [[ $command == peer && -z $verb ]]; then
		_ipmesh_reply add set del show flush
	elif [[ $command == link ]]; then
		_ipmesh_link "$verb"
	elif [[ $command == peer ]]; then
		_ipmesh_peer "$verb"
	elif [[ $command == apply ]]; then
		case $prev in
		-f | --file) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
		--dev) _ipmesh_reply "$(_ipmesh_devices)" ;;
		--node) _ipmesh_reply "$(uname -n)" ;;
		*) _ipmesh_reply -f --node --dev --node-mask --dry-run --remove --json --help ;;
		esac
	fi
}

complete -F _ipmesh ipmesh
