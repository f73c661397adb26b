#include "node/generation.h"

#include <inttypes.h>

#include "base/clock.h"
#include "log/log.h"
#include "node/node.h"
#include "node/storage.h"
#include "pg/generation.h"
#include "redis/redis.h"

/*
 * Those with PostgreSQL leave "<run id> <generation>" here for workers. It is believed only if the
 * run id is the one of this very connection, so a value that outlived a restart does no harm.
 */
#define GENERATION_KEY "{w}:generation"

enum { LOOK_MS = 100, RETRY_MS = 250, PING_MS = 500 };

static enum err_code leave_for_others(struct node *node, const char *run_id, uint64_t generation,
                                      struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;

	redis_arg_cstr(cmd, "SET");
	redis_arg_cstr(cmd, GENERATION_KEY);
	redis_argf(cmd, "%s %" PRIu64, run_id, generation);
	return redis_call(node->redis, cmd, &reply, err);
}

static enum err_code ask_redis(struct node *node, const char *run_id, uint64_t *ret,
                               struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct str text, word;
	enum err_code code;

	redis_arg_cstr(cmd, "GET");
	redis_arg_cstr(cmd, GENERATION_KEY);
	if ((code = redis_call(node->redis, cmd, &reply, err)) != ERR_OK) {
		return code;
	}
	text = redis_reply_str(reply);
	word = str_split(&text, ' ');
	if (!str_eq(word, str_of(run_id)) || !parse_u64(text, CURSOR_N_MAX, ret)) {
		return err_set(err, ERR_UNAVAILABLE, "no node has announced this redis yet");
	}
	return ERR_OK;
}

static enum err_code learn(struct node *node, uint64_t *ret, struct err *err)
{
	char run_id[64];
	enum err_code code;

	if (!str_copy(run_id, sizeof(run_id), str_of(redis_run_id(node->redis)))) {
		return err_set(err, ERR_BACKEND, "redis: its run id is too long");
	}
	if (node->pg == NULL) {
		return ask_redis(node, run_id, ret, err);
	}
	code = pg_generation(node->pg, str_of(run_id), ret, err);
	return code == ERR_OK ? leave_for_others(node, run_id, *ret, err) : code;
}

static void announce(struct node *node, uint64_t generation)
{
	log_info("redis.generation", "generation=%" PRIu64 " run_id=%s", generation,
	         redis_run_id(node->redis));
	node->store.generation = generation;
	if (node->options->redis_back != NULL) {
		node->options->redis_back(node);
	}
}

/* A server that froze owes nothing to a process that asks nothing: without this it would look
 * ready. The driver drops a connection that does not answer. */
static void ping(struct node *node)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct err err;

	redis_arg_cstr(cmd, "PING");
	if (redis_call(node->redis, cmd, &reply, &err) != ERR_OK) {
		log_debug("redis.ping", "%s", err.msg);
	}
}

void generation_keep(void *arg)
{
	struct node *node = arg;
	uint64_t known = 0; /* the connection that store.generation is of */
	uint64_t asked_ms = 0;
	struct err err;

	/* Nobody is ready before the generation is known, so nobody serves from refused storage. */
	if (!storage_admit(node)) {
		return;
	}
	while (!fiber_cancelled()) {
		uint64_t connection = redis_connection(node->redis), generation = 0;

		if (clock_mono_ms() - asked_ms >= PING_MS && redis_connected(node->redis)) {
			asked_ms = clock_mono_ms();
			ping(node);
		}
		if (!redis_connected(node->redis) || connection == known) {
			(void)fiber_sleep(LOOK_MS);
			continue;
		}
		if (learn(node, &generation, &err) != ERR_OK) {
			log_debug("redis.generation", "%s", err.msg);
			(void)fiber_sleep(RETRY_MS);
			continue;
		}
		if (connection == redis_connection(node->redis)) {
			known = connection;
			announce(node, generation);
		}
	}
}
