# bash completion for fairlead; printed by `fairlead completion bash`
_fairlead()
{
	local cur=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]} words= i
	for ((i = 3; i < COMP_CWORD; i++)); do
		if [ "${COMP_WORDS[i]}" = -- ]; then
			mapfile -t COMPREPLY < <(compgen -A command -A file -- "$cur")
			return
		fi
	done
	case $last in
	--repo | --home)
		mapfile -t COMPREPLY < <(compgen -A directory -- "$cur")
		return ;;
	esac
	case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
	"task run"*) words="--repo --branch --commit --label --env --prompt --timeout --pty --count --deliver --after --not-before --deadline --priority --attempts --concurrency --needs --prefers --detach --json --url --key --help --" ;;
	"session "[a-z]*)
		words=$(fairlead completion words session "${COMP_WORDS[2]}" 2>/dev/null)
		case ${COMP_WORDS[2]} in
		list | dead | redrive) ;;
		*) if [ "$COMP_CWORD" -eq 3 ]; then
			words=$(fairlead session list --limit 50 2>/dev/null | awk 'NR > 1 { print $1 }')
		fi ;;
		esac ;;
	"schedule create"*) words="--cron --timezone --every --at --name --overlap --catch-up --paused --repo --branch --commit --label --env --prompt --timeout --pty --count --deliver --priority --attempts --concurrency --needs --prefers --json --url --key --help --" ;;
	"schedule list"*) words="--limit --json --url --key --help" ;;
	"schedule "[a-z]*)
		words="--json --url --key --help"
		[ "${COMP_WORDS[2]}" = preview ] && words="--cron --timezone --every --at --count --after $words"
		if [ "$COMP_CWORD" -eq 3 ]; then
			words="$words $(fairlead schedule list --limit 50 2>/dev/null | awk 'NR > 1 { print $1 }')"
		fi ;;
	"agent "[a-z]* | "worker "[a-z]* | "breaker "[a-z]* | "budget "[a-z]* | "webhook "[a-z]*)
		words=$(fairlead completion words "${COMP_WORDS[1]}" "${COMP_WORDS[2]}" 2>/dev/null) ;;
	"admin "[a-z]*)
		words=$(fairlead completion words admin "${COMP_WORDS[2]}" 2>/dev/null)
		if [ "$COMP_CWORD" -gt 3 ]; then
			words=$(fairlead completion words admin "${COMP_WORDS[2]}" "${COMP_WORDS[3]}" 2>/dev/null)
		fi
		if [ "${COMP_WORDS[2]} ${COMP_WORDS[3]}" = "limit set" ] && [ "$COMP_CWORD" -eq 4 ]; then
			words="tenant user project agent key"
		fi ;;
	esac
	case ${COMP_WORDS[1]} in
	up) words="--port --bind --home --external-redis --external-postgres --help" ;;
	status) words="--home --json --wait --help" ;;
	down) words="--home --help" ;;
	login | logout | whoami | approvals | approve | deny) words=$(fairlead completion words "${COMP_WORDS[1]}" 2>/dev/null) ;;
	esac
	if [ "$COMP_CWORD" -eq 1 ]; then
		words="up down status migrate login logout whoami task session approvals approve deny approval secret schedule agent worker breaker budget webhook admin completion --help --version"
	elif [ "$COMP_CWORD" -eq 2 ]; then
		case ${COMP_WORDS[1]} in
		task) words="run" ;;
		schedule) words="create list show preview pause resume run delete" ;;
		session | agent | worker | breaker | budget | webhook | admin) words=$(fairlead completion words "${COMP_WORDS[1]}" 2>/dev/null) ;;
		completion) words="bash" ;;
		esac
	fi
	case $last in
	--status) words="queued provisioning running pausing paused resuming stopping stopped completed failed cancelled" ;;
	--deliver) words="branch patch" ;;
	--overlap) words="skip queue cancel" ;;
	--catch-up) words="none one all" ;;
	--role) words="viewer operator admin" ;;
	--cause) words="attempts poison deadline" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _fairlead fairlead
