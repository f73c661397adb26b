#include "scheduler_world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "json/value.h"
#include "redis/redis.h"
#include "tests/support/generation_mark.h"

enum { LOOK_MS = 10, RENEW_MS = 300, ENV_SIZE = 256, UNARCHIVED_MAX = 16 * 1024 * 1024 };

SQL(stage_row_text, "SELECT to_jsonb(s) ->> $2::text FROM sessions s WHERE id = $1::text");

/* ---- servers ---- */

static void connect_redis(struct stage *stage)
{
	struct redis_options options = { stage->server.url, 5000, 200 };
	struct err err;

	stage->redis = redis_new(stage->world->loop, &options, &err);
	assert_non_null(stage->redis);
	assert_int_equal(redis_wait_connected(stage->redis, STAGE_WAIT_MS, &err), ERR_OK);
	stage->store =
		(struct log_store){ .redis = stage->redis, .unarchived_max = UNARCHIVED_MAX };
	stage->store.generation = generation_learn(stage->redis, stage->world->pg);
}

void stage_open(struct stage *stage, struct world *world)
{
	/* Its players renew leases of 1.5 s of the clock: before what else the machine does. */
	(void)setpriority(PRIO_PROCESS, 0, -10);
	*stage = (struct stage){ .world = world };
	clear_rows(world);
	redis_server_init(&stage->server);
	redis_server_start(&stage->server, NULL);
	connect_redis(stage);
}

void stage_close(struct stage *stage)
{
	for (unsigned i = 0; i < STAGE_SCHEDULERS; i++) {
		if (stage->schedulers[i] != 0) {
			stage_kill_scheduler(stage, i);
		}
	}
	fiber_group_cancel(&stage->fibers, ERR_CANCELLED);
	assert_int_equal(fiber_group_wait(&stage->fibers, STAGE_WAIT_MS), ERR_OK);
	redis_free(stage->redis);
	redis_server_fini(&stage->server);
}

void stage_keep_redis(struct stage *stage)
{
	struct redis_cmd *cmd CLEANUP(redis_cmd_cleanup) = redis_cmd_new();
	struct redis_reply *reply CLEANUP(redis_reply_cleanup) = NULL;
	struct err err;

	stage->server.keeps = true;
	redis_arg_cstr(cmd, "CONFIG");
	redis_arg_cstr(cmd, "SET");
	redis_arg_cstr(cmd, "appendonly");
	redis_arg_cstr(cmd, "yes");
	assert_int_equal(redis_call(stage->redis, cmd, &reply, &err), ERR_OK);
}

static bool answers(struct stage *stage)
{
	struct redis_cmd *cmd CLEANUP(redis_cmd_cleanup) = redis_cmd_new();
	struct redis_reply *reply CLEANUP(redis_reply_cleanup) = NULL;
	struct err err;

	redis_arg_cstr(cmd, "DBSIZE");
	return redis_call(stage->redis, cmd, &reply, &err) == ERR_OK;
}

void stage_lose_redis(struct stage *stage)
{
	uint64_t until = clock_mono_ms() + STAGE_WAIT_MS, before = redis_connection(stage->redis);

	redis_server_kill(&stage->server);
	redis_server_start(&stage->server, NULL);
	while (redis_connection(stage->redis) == before || !redis_connected(stage->redis)) {
		assert_true(clock_mono_ms() < until);
		assert_int_equal(fiber_sleep(LOOK_MS), ERR_OK);
	}
	while (!answers(stage)) { /* it may still read its data */
		assert_true(clock_mono_ms() < until);
		assert_int_equal(fiber_sleep(LOOK_MS), ERR_OK);
	}
	stage->store.generation = generation_learn(stage->redis, stage->world->pg);
}

/* ---- schedulers ---- */

enum { FIXED = 6 }; /* variables that all have */

static void become_scheduler(const struct stage *stage)
{
	char redis[ENV_SIZE], pg[ENV_SIZE], asan[ENV_SIZE];
	const char *options = getenv("ASAN_OPTIONS"), *quiet = getenv("TEST_SCHEDULER_LOG");
	char *argv[] = { (char[]){ "fairlead-scheduler" }, NULL };
	char *env[] = { redis,
		        pg,
		        asan,
		        (char[]){ "FAIRLEAD_PG_POOL=6" },
		        (char[]){ "FAIRLEAD_UNSAFE_STORAGE=true" },
		        (char[]){ "FAIRLEAD_ARCHIVE_HOT_EVENTS=100" },
		        [FIXED + STAGE_SETTINGS] = NULL };
	size_t count = FIXED;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(redis, sizeof(redis), "FAIRLEAD_REDIS_URL=%s", stage->server.url);
	(void)snprintf(pg, sizeof(pg), "FAIRLEAD_PG_URL=%s", getenv("TEST_PG_URL"));
	for (size_t i = 0; i < STAGE_SETTINGS; i++) {
		if (stage->settings[i] != NULL) {
			env[count++] = mem_strdup(stage->settings[i]);
		}
	}
	(void)snprintf(asan, sizeof(asan), "ASAN_OPTIONS=%s", options != NULL ? options : "");
	if (freopen(quiet != NULL ? quiet : "/dev/null", "a", stderr) == NULL) {
		_exit(126);
	}
	(void)execve(SCHEDULER_PROGRAM, argv, env);
	_exit(127);
}

void stage_start_scheduler(struct stage *stage, unsigned i)
{
	assert_int_equal(stage->schedulers[i], 0);
	stage->schedulers[i] = fork();
	assert_true(stage->schedulers[i] >= 0);
	if (stage->schedulers[i] == 0) {
		become_scheduler(stage);
	}
}

void stage_kill_scheduler(struct stage *stage, unsigned i)
{
	int status;

	assert_int_equal(kill(stage->schedulers[i], SIGKILL), 0);
	assert_int_equal(waitpid(stage->schedulers[i], &status, 0), stage->schedulers[i]);
	/* It was alive until now: no sanitizer and no assertion ended it. */
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	stage->schedulers[i] = 0;
}

void stage_stop_scheduler(struct stage *stage, unsigned i)
{
	int status = -1;

	assert_int_equal(kill(stage->schedulers[i], SIGTERM), 0);
	while (waitpid(stage->schedulers[i], &status, WNOHANG) == 0) {
		(void)fiber_sleep(LOOK_MS);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	stage->schedulers[i] = 0;
}

/* ---- workers ---- */

static void take_order(struct player *player, const struct mail *mail)
{
	struct err err;
	size_t i = 0;

	assert_true(mail->body.n > 2);
	while (i < player->count && (!id_eq(&player->orders[i].sid, &mail->sid) ||
	                             player->orders[i].epoch != mail->epoch)) {
		i++;
	}
	assert_true(i < STAGE_SEEN);
	if (i == player->count) {
		struct json_value *body = json_parse(mail->body, &err);

		player->orders[player->count++] = (struct order){
			.sid = mail->sid,
			.epoch = mail->epoch,
			.attempt = mail->attempt,
			.number = (uint64_t)json_as_i64(json_get(body, "attempt")),
			.most = (uint64_t)json_as_i64(json_get(body, "maxAttempts")),
		};
		json_value_free(body);
	}
	player->orders[i].times++;
}

static void take_note(struct player *player, const struct mail *mail)
{
	memcpy(player->after, mail->id, sizeof(player->after));
	if (!str_eq(mail->incarnation, str_of(player->lease.incarnation))) {
		return;
	}
	if (str_eq(mail->kind, STR_LIT("command"))) {
		player->commands++;
		(void)str_copy(player->command, sizeof(player->command), mail->body);
	}
	if (str_eq(mail->kind, STR_LIT("deliver"))) {
		player->deliveries++;
		assert_true(str_copy(player->delivery, sizeof(player->delivery), mail->body));
	}
	if (str_eq(mail->kind, STR_LIT("drain")) || str_eq(mail->kind, STR_LIT("undrain"))) {
		assert_true(str_copy(player->drain, sizeof(player->drain), mail->kind));
	}
	if (str_eq(mail->kind, STR_LIT("run"))) {
		take_order(player, mail);
	}
}

static void read_mail(struct player *player)
{
	struct mail_page page;
	struct err err;

	if (mail_read(player->stage->redis, player->lease.worker, player->after, &page, &err) !=
	    ERR_OK) {
		return;
	}
	for (size_t i = 0; i < page.count; i++) {
		take_note(player, &page.mails[i]);
	}
	mail_page_fini(&page);
}

/* A Redis that lost everything lost the registration too: it is made again. */
static void live(void *arg)
{
	struct player *player = arg;
	uint64_t renewed = 0;
	struct err err;

	while (!fiber_cancelled()) {
		if (!player->silent && clock_mono_ms() >= renewed + RENEW_MS) {
			renewed = clock_mono_ms();
			if (lease_renew(player->stage->redis, player->lease.incarnation, &err) ==
			    ERR_FENCED) {
				(void)!lease_register(player->stage->redis, &player->lease, &err);
				(void)str_copy(player->after, sizeof(player->after), STR_LIT("0"));
			}
		}
		if (!player->silent) {
			read_mail(player);
		}
		(void)fiber_sleep(LOOK_MS);
	}
}

struct player *stage_worker(struct stage *stage, unsigned i, const char *incarnation,
                            unsigned slots)
{
	struct player *player = &stage->players[i];
	struct err err;

	assert_null(player->stage);
	player->stage = stage;
	player->lease.slots = slots;
	(void)snprintf(player->lease.worker, sizeof(player->lease.worker), "host-%u", i);
	(void)snprintf(player->lease.name, sizeof(player->lease.name), "host-%u", i);
	(void)snprintf(player->lease.incarnation, sizeof(player->lease.incarnation), "%s",
	               incarnation);
	(void)snprintf(player->lease.has, sizeof(player->lease.has), "runtime=local,agent=command");
	(void)snprintf(player->after, sizeof(player->after), "0");
	assert_int_equal(lease_register(stage->redis, &player->lease, &err), ERR_OK);
	(void)fiber_start(stage->world->loop, &stage->fibers, "worker", live, player);
	return player;
}

const struct order *player_order(const struct player *player, const struct id *sid)
{
	const struct order *last = NULL;

	for (size_t i = 0; i < player->count; i++) {
		if (id_eq(&player->orders[i].sid, sid)) {
			last = &player->orders[i];
		}
	}
	return last;
}

size_t player_orders(const struct player *player, const struct id *sid)
{
	size_t count = 0;

	for (size_t i = 0; i < player->count; i++) {
		count += id_eq(&player->orders[i].sid, sid) ? player->orders[i].times : 0;
	}
	return count;
}

/* ---- looking and waiting ---- */

uint64_t stage_await(struct stage *stage, stage_check *check, void *arg, const char *what)
{
	uint64_t start = clock_mono_ms();

	while (!check(stage, arg)) {
		if (clock_mono_ms() >= start + STAGE_WAIT_MS) {
			fail_msg("waited in vain: %s", what);
		}
		assert_int_equal(fiber_sleep(LOOK_MS), ERR_OK);
	}
	return clock_mono_ms() - start;
}

struct log_head stage_head(struct stage *stage, const struct id *sid)
{
	struct log_head head;
	struct err err;

	if (log_head_get(&stage->store, sid, TENANT, &head, &err) != ERR_OK) {
		fail_msg("head: %s", err.msg);
	}
	return head;
}

enum queue_set stage_set(struct stage *stage, const struct id *sid)
{
	const struct queue queue = queue_of_tenant(stage->redis, str_of(TENANT));
	struct queue_item item;
	struct err err;

	return queue_get(&queue, sid, &item, &err) == ERR_OK ? item.set : QUEUE_NONE;
}

void stage_row(struct stage *stage, const struct id *sid, const char *column, char out[128])
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) =
		ask(stage->world->pg, "", &stage_row_text,
	            (const char *const[]){ sid->s, column, NULL });

	assert_int_equal(pg_rows_count(rows), 1);
	(void)str_copy(out, 128, pg_str(rows, 0, 0));
}

/* ---- what a worker does ---- */

static bool append(struct stage *stage, const struct order *order, struct log_batch *batch,
                   enum event_type type, const char *data)
{
	const struct log_new event = { type, str_of(data) };
	struct log_result result;
	enum err_code code;
	struct err err;

	batch->sid = order->sid;
	batch->tenant = TENANT;
	batch->epoch = order->epoch;
	batch->events = &event;
	batch->count = 1;
	code = log_append(&stage->store, batch, &result, &err);
	batch->events = NULL;
	return code == ERR_OK && result.outcome == LOG_OK;
}

bool stage_append(struct stage *stage, const struct order *order, enum event_type type,
                  const char *data)
{
	struct log_batch batch = { .from = SESSION_ANY };

	return append(stage, order, &batch, type, data);
}

bool stage_move(struct stage *stage, const struct order *order, enum session_state to,
                const char *data)
{
	struct log_batch batch = { .from = SESSION_ANY, .moves = true, .to = to };

	return append(stage, order, &batch, EVENT_TYPE_STATUS, data);
}

void stage_complete(struct stage *stage, const struct order *order)
{
	const struct queue queue = queue_of_tenant(stage->redis, str_of(TENANT));
	const struct queue_move move = { .sid = order->sid };
	enum queue_set set;
	struct err err;

	assert_true(stage_move(stage, order, SESSION_RUNNING, "{\"status\":\"running\"}"));
	assert_true(stage_append(stage, order, EVENT_TYPE_LOG,
	                         "{\"level\":\"info\",\"message\":\"hello\"}"));
	assert_true(stage_move(stage, order, SESSION_COMPLETED,
	                       "{\"status\":\"completed\",\"exitCode\":0,"
	                       "\"changes\":{\"files\":1}}"));
	assert_int_equal(queue_finish(&queue, &move, &set, &err), ERR_OK);
}
