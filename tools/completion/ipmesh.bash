# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for ipmesh. The tool itself knows the words and what there is
# of devices, peers and names; a new word is a line in tools/grammar.c.

_ipmesh()
{
	local cur words cword line

	if [[ $(type -t _get_comp_words_by_ref) == function ]]; then
		_get_comp_words_by_ref -n : cur words cword
	else
		cur=${COMP_WORDS[COMP_CWORD]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
	fi
	COMPREPLY=()
	while IFS=$'\t' read -r line _; do
		if [[ $line == :files ]]; then
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
		fi
		# A name may have spaces.
		printf -v line %q "$line"
		COMPREPLY+=("$line")
	done < <("${words[0]}" complete -- "${words[@]:1:cword-1}" "$cur" 2>/dev/null)
	[[ $(type -t __ltrim_colon_completions) != function ]] ||
		__ltrim_colon_completions "$cur"
}

complete -F _ipmesh ipmesh
