#include "node/generation.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "log/log.h"
#include "node/node.h"
#include "node/storage.h"
#include "node_lua_gen.h"
#include "pg/generation.h"
#include "queue/queue.h"
#include "redis/redis.h"

/*
 * The mark: "<history> <generation> <shards> <since> <name>": the queue's shards, and the first
 * generation since Redis was found empty. Whoever is set to more shards, or knows of more, begins
 * another history: the queue is then filled as after a loss, under keys of its own. Those with
 * PostgreSQL leave it, for workers too. It is believed only if the history (redis_history()) is
 * what the server says now, so one that outlived a restart or a failover does no harm, also where
 * the server is back that it was made on; and where it is missing, Redis was emptied.
 */

enum { LOOK_MS = 100, RETRY_MS = 100, PING_MS = 250, NAME_MAX_SIZE = 64 };

/* ---- the mark ---- */

struct mark {
	char text[NODE_MARK_SIZE];
	char name[NAME_MAX_SIZE]; /* "": it has none */
	uint64_t generation, shards, since;
};

static bool parse(struct str text, const char *history, struct mark *ret)
{
	struct str rest = text;

	return str_eq(str_split(&rest, ' '), str_of(history)) &&
	       str_copy(ret->text, sizeof(ret->text), text) &&
	       parse_u64(str_split(&rest, ' '), CURSOR_N_MAX, &ret->generation) &&
	       parse_u64(str_split(&rest, ' '), QUEUE_SHARDS_MAX, &ret->shards) &&
	       ret->shards > 0 && parse_u64(str_split(&rest, ' '), CURSOR_N_MAX, &ret->since) &&
	       str_copy(ret->name, sizeof(ret->name), rest);
}

static enum err_code get(const struct node *node, char out[NODE_MARK_SIZE], struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_arg_cstr(cmd, "GET");
	redis_arg_cstr(cmd, LOG_MARK_KEY);
	code = redis_call(node->redis, cmd, &reply, err);
	if (code == ERR_OK && !str_copy(out, NODE_MARK_SIZE, redis_reply_str(reply))) {
		out[0] = '\0';
	}
	return code;
}

/* *mark: of the history that the generation is of. generation 0: begin that one if none is marked,
 * or one with fewer shards. */
static enum err_code put(struct node *node, const char *history, struct mark *mark, struct err *err)
{
	const struct text *script = &node_lua_texts[NODE_LUA_GENERATION_MARK];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;

	redis_script_begin(cmd, script, 1);
	redis_arg_cstr(cmd, LOG_MARK_KEY);
	redis_arg_cstr(cmd, history);
	redis_arg_cstr(cmd, mark->name);
	redis_arg_u64(cmd, mark->generation);
	redis_arg_u64(cmd, mark->shards);
	code = redis_script(node->redis, script, cmd, &reply, err);
	if (code == ERR_OK && !parse(redis_reply_str(reply), history, mark)) {
		return err_set(err, ERR_UNAVAILABLE, "redis was emptied again");
	}
	return code;
}

/* ---- learning ---- */

static enum err_code ask_redis(struct node *node, const char *history, struct mark *ret,
                               struct err *err)
{
	char text[NODE_MARK_SIZE];
	enum err_code code = get(node, text, err);

	if (code == ERR_OK && (!parse(str_of(text), history, ret) || ret->generation == 0)) {
		return err_set(err, ERR_UNAVAILABLE, "no node has announced this redis yet");
	}
	return code;
}

static enum err_code ask_pg(struct node *node, const char *history, struct mark *ret,
                            struct err *err)
{
	char named[NODE_MARK_SIZE + NAME_MAX_SIZE];
	const struct id name = id_new();
	struct mark mark = { .generation = 0 };
	enum err_code code = pg_queue_shards(node->pg, node->conf.queue_shards, &mark.shards, err);

	memcpy(mark.name, name.s, sizeof(name.s));
	if (code == ERR_OK) {
		code = put(node, history, &mark, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	(void)snprintf(named, sizeof(named), "%s%s%s", history, mark.name[0] != '\0' ? ":" : "",
	               mark.name);
	code = pg_generation(node->pg, str_of(named), &mark.generation, err);
	if (code == ERR_OK) {
		code = put(node, history, &mark, err);
	}
	*ret = mark;
	return code;
}

static enum err_code learn(struct node *node, struct mark *ret, struct err *err)
{
	char history[REDIS_HISTORY_SIZE];
	enum err_code code = redis_history(node->redis, history, err);

	if (code != ERR_OK) {
		return code;
	}
	return node->pg == NULL ? ask_redis(node, history, ret, err)
	                        : ask_pg(node, history, ret, err);
}

static void announce(struct node *node, const struct mark *mark)
{
	log_info("redis.generation", "generation=%" PRIu64 " run_id=%s shards=%" PRIu64,
	         mark->generation, redis_run_id(node->redis), mark->shards);
	memcpy(node->mark, mark->text, sizeof(node->mark));
	node->store.generation = mark->generation;
	node->store.since = mark->since;
	node->store.server = redis_server(node->redis);
	redis_set_shards(node->redis, (unsigned)mark->shards);
	node->store.mark = node->mark;
	if (node->options->redis_back != NULL) {
		node->options->redis_back(node);
	}
}

/* ---- watching ---- */

/*
 * Also a ping: a server that froze owes nothing to a process that asks nothing, and without this it
 * would look ready. The driver drops a connection that does not answer. True: it was emptied, or
 * somebody says that it is of another generation.
 */
static bool is_over(struct node *node)
{
	char text[NODE_MARK_SIZE];
	struct err err;

	if (get(node, text, &err) != ERR_OK) {
		log_debug("redis.ping", "%s", err.msg);
		return false;
	}
	return strcmp(text, node->mark) != 0;
}

void generation_keep(void *arg)
{
	struct node *node = arg;
	uint64_t known = 0; /* the connection that store.generation is of */
	uint64_t asked_ms = 0;
	struct mark mark;
	struct err err;

	/* Nobody is ready before the generation is known, so nobody serves from refused storage. */
	if (!storage_admit(node)) {
		return;
	}
	while (!fiber_cancelled()) {
		uint64_t connection = redis_connection(node->redis);
		bool up = redis_connected(node->redis);

		if (up && connection == known && clock_mono_ms() - asked_ms >= PING_MS) {
			asked_ms = clock_mono_ms();
			if (is_over(node)) {
				log_warn("redis.emptied", "generation=%" PRIu64,
				         node->store.generation);
				node->store.generation = known = 0;
			}
		}
		if (!up || connection == known) {
			(void)fiber_sleep(LOOK_MS);
			continue;
		}
		if (learn(node, &mark, &err) != ERR_OK) {
			log_debug("redis.generation", "%s", err.msg);
			(void)fiber_sleep(RETRY_MS);
			continue;
		}
		if (connection == redis_connection(node->redis)) {
			known = connection;
			announce(node, &mark);
		}
	}
}
