# bash completion for fairlead; printed by `fairlead completion bash`
_fairlead()
{
	local cur=${COMP_WORDS[COMP_CWORD]} words=
	case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
	"task run"*) words="--repo --branch --commit --label --env --prompt --timeout --pty --count --deliver --detach --json --url --key --" ;;
	"session list"*) words="--status --limit --json --url --key" ;;
	"session "[a-z]*)
		words="--json --url --key --after --reason"
		if [ "$COMP_CWORD" -eq 3 ]; then
			words=$(fairlead session list --limit 50 2>/dev/null | awk 'NR > 1 { print $1 }')
		fi ;;
	"admin key"*) words="create list revoke --name --scope --json" ;;
	esac
	if [ "$COMP_CWORD" -eq 1 ]; then
		words="up down status migrate login task session admin completion"
	elif [ "$COMP_CWORD" -eq 2 ]; then
		case ${COMP_WORDS[1]} in
		task) words="run" ;;
		session) words="list show watch stop pause resume prompt delete" ;;
		admin) words="key" ;;
		completion) words="bash" ;;
		up) words="--port --bind --home --external-redis --external-postgres" ;;
		status) words="--home --json --wait" ;;
		down) words="--home" ;;
		login) words="--url --key" ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _fairlead fairlead
