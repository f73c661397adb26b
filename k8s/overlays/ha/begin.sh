#!/bin/sh
# What a Redis and its Sentinel begin with, on a volume that is empty. Roles and epochs are written there by themselves from then on.
set -eu
data=${DATA:-/data}
number=${HOSTNAME##*-}

# Of a server's Service, which stays the same when its pod goes.
address() {
	until found=$(getent ahostsv4 "redis-$1"); do
		sleep 1
	done
	echo "${found%% *}"
}

# What the Sentinels of the others say; nothing where there are none yet.
named_master() {
	for other in 0 1 2; do
		[ "$other" != "$number" ] || continue
		timeout 2 redis-cli -h "$(address "$other")" -p 26379 sentinel get-master-addr-by-name fairlead 2>/dev/null |
			sed -n '1p' | grep -E '^[0-9.]+$' && return
	done
	return 0
}

hash() {
	printf %s "$1" | sha256sum | cut -d' ' -f1
}

umask 077
# At each start, as this version has them: the control plane, replicas and Sentinels are the default user, workers their own (docs/tls.md).
{
	echo "user default on #$(hash "$REDIS_PASSWORD") ~* &* +@all"
	echo "$(cat "$(dirname "$0")/worker.acl") #$(hash "$WORKER_PASSWORD")"
} >"$data/users.acl"

[ ! -e "$data/sentinel.conf" ] || exit 0
own=$(address "$number")
master=$(named_master)
# An empty server that went on as the master would empty the others: they choose another one first.
while [ "$master" = "$own" ]; do
	sleep 1
	master=$(named_master)
done
master=${master:-$(address 0)}

{
	cat <<END
port 6379
dir $data
appendonly yes
maxmemory-policy noeviction
masterauth $REDIS_PASSWORD
replica-announce-ip $own
replica-announce-port 6379
min-replicas-to-write 1
min-replicas-max-lag 10
END
	[ "$master" = "$own" ] || echo "replicaof $master 6379"
} >"$data/redis.conf"
cat >"$data/sentinel.new" <<END
port 26379
dir $data
sentinel monitor fairlead $master 6379 2
sentinel auth-pass fairlead $REDIS_PASSWORD
sentinel down-after-milliseconds fairlead 3000
sentinel failover-timeout fairlead 10000
sentinel parallel-syncs fairlead 1
sentinel announce-ip $own
sentinel announce-port 26379
END
mv "$data/sentinel.new" "$data/sentinel.conf"
