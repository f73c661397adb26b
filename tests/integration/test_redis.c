/* The driver against a real server: answers, scripts, errors, many at once. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "tests/support/test.h"

enum { TIMEOUT_MS = 5000, BIG = 1024 * 1024, FIBERS = 300, CALLS = 20 };

struct world {
	struct loop *loop;
	struct redis *redis;
	void (*body)(struct world *world);
	struct fiber_group group;
};

static struct redis *open_redis(struct loop *loop, unsigned timeout_ms)
{
	struct redis_options options = { getenv("TEST_REDIS_URL"), timeout_ms, 500 };
	struct err err;
	struct redis *redis = redis_new(loop, &options, &err);

	assert_non_null(redis);
	return redis;
}

static void world_main(void *arg)
{
	struct world *world = arg;
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct err err;

	world->redis = open_redis(world->loop, TIMEOUT_MS);
	assert_int_equal(redis_wait_connected(world->redis, TIMEOUT_MS, &err), ERR_OK);
	redis_arg_cstr(cmd, "FLUSHALL");
	assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_OK);
	world->body(world);
	redis_free(world->redis);
}

static void run(void (*body)(struct world *world))
{
	struct world world = { .loop = loop_new(), .body = body };

	assert_non_null(world.loop);
	(void)fiber_start(world.loop, NULL, "test", world_main, &world);
	loop_run(world.loop);
	loop_free(world.loop);
}

/* One command from words that hold no spaces. */
static enum err_code say(struct redis *redis, const char *line, struct redis_reply **ret,
                         struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct str rest = str_of(line);

	while (rest.p != NULL) {
		redis_arg(cmd, str_split(&rest, ' '));
	}
	return redis_call(redis, cmd, ret, err);
}

static struct redis_reply *ask(struct redis *redis, const char *line)
{
	struct redis_reply *reply = NULL;
	struct err err;

	if (say(redis, line, &reply, &err) != ERR_OK) {
		fail_msg("%s: %s", line, err.msg);
	}
	return reply;
}

static void tell(struct redis *redis, const char *line)
{
	redis_reply_free(ask(redis, line));
}

static void assert_text(const struct redis_reply *reply, enum redis_type type, const char *text)
{
	assert_int_equal(redis_reply_type(reply), type);
	assert_true(str_eq(redis_reply_str(reply), str_of(text)));
}

static void assert_answer(struct redis *redis, const char *line, enum redis_type type,
                          const char *text)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = ask(redis, line);

	assert_text(reply, type, text);
}

static struct redis_reply *eval(struct redis *redis, const char *script)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct redis_reply *reply = NULL;
	struct err err;

	redis_arg_cstr(cmd, "EVAL");
	redis_arg_cstr(cmd, script);
	redis_arg_u64(cmd, 0);
	assert_int_equal(redis_call(redis, cmd, &reply, &err), ERR_OK);
	return reply;
}

/* ---- replies ---- */

static void reply_types(struct world *world)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *number = NULL;
	uint64_t value;

	assert_answer(world->redis, "SET k v", REDIS_STATUS, "OK");
	assert_answer(world->redis, "GET k", REDIS_STRING, "v");
	assert_answer(world->redis, "GET none", REDIS_NIL, "");
	assert_answer(world->redis, "SET n 18446744073709551615", REDIS_STATUS, "OK");
	number = ask(world->redis, "GET n");
	assert_true(redis_reply_u64(number, &value));
	assert_true(value == UINT64_MAX);
	redis_reply_free(number);
	number = ask(world->redis, "DECRBY m 9223372036854775807");
	assert_int_equal(redis_reply_type(number), REDIS_INTEGER);
	assert_true(redis_reply_int(number) == -INT64_MAX);
	assert_false(redis_reply_u64(number, &value));
}

static void every_type_of_reply_arrives(void **state)
{
	(void)state;
	run(reply_types);
}

static void nested_arrays(struct world *world)
{
	CLEANUP(redis_reply_cleanup)
	struct redis_reply *r = eval(world->redis, "return {1, {'two', {3, {}, redis.error_reply"
	                                           "('E x')}}, false, redis.status_reply('S')}");
	const struct redis_reply *inner = redis_reply_at(redis_reply_at(r, 1), 1);

	assert_int_equal(redis_reply_len(r), 4);
	assert_int_equal(redis_reply_int(redis_reply_at(r, 0)), 1);
	assert_text(redis_reply_at(redis_reply_at(r, 1), 0), REDIS_STRING, "two");
	assert_int_equal(redis_reply_int(redis_reply_at(inner, 0)), 3);
	assert_int_equal(redis_reply_type(redis_reply_at(inner, 1)), REDIS_ARRAY);
	assert_int_equal(redis_reply_len(redis_reply_at(inner, 1)), 0);
	assert_text(redis_reply_at(inner, 2), REDIS_ERROR, "E x");
	assert_int_equal(redis_reply_type(redis_reply_at(r, 2)), REDIS_NIL);
	assert_text(redis_reply_at(r, 3), REDIS_STATUS, "S");
	assert_int_equal(redis_reply_type(redis_reply_at(r, 4)), REDIS_NIL);
	assert_int_equal(redis_reply_type(redis_reply_at(redis_reply_at(r, 9), 9)), REDIS_NIL);
}

static void arrays_nest_and_a_missing_element_is_nil(void **state)
{
	(void)state;
	run(nested_arrays);
}

static void too_deep(struct world *world)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct redis_reply *reply = NULL;
	struct err err;

	redis_arg_cstr(cmd, "EVAL");
	redis_arg_cstr(cmd, "local t = {} for i = 1, 20 do t = {t} end return t");
	redis_arg_u64(cmd, 0);
	assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_UNKNOWN);
	assert_null(reply);
	assert_answer(world->redis, "PING", REDIS_STATUS, "PONG");
	assert_int_equal(redis_connection(world->redis), 2);
}

static void a_reply_too_deep_for_the_reader_costs_the_connection_only(void **state)
{
	(void)state;
	run(too_deep);
}

static void big_binary(struct world *world)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	CLEANUP(mem_cleanup) char *value = mem_calloc(BIG, 1);
	struct err err;

	for (size_t i = 0; i < BIG; i++) {
		value[i] = (char)(i * 31 + i / 256);
	}
	redis_arg_cstr(cmd, "SET");
	redis_arg(cmd, str_make("k\0\r\n$1", 6));
	redis_arg(cmd, str_make(value, BIG));
	assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_OK);
	redis_reply_free(reply);
	redis_cmd_reset(cmd);
	redis_arg_cstr(cmd, "GET");
	redis_arg(cmd, str_make("k\0\r\n$1", 6));
	assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_OK);
	assert_true(str_eq(redis_reply_str(reply), str_make(value, BIG)));
	redis_reply_free(reply);
	redis_cmd_reset(cmd);
	redis_arg_cstr(cmd, "ECHO");
	redis_arg(cmd, (struct str){ NULL, 0 });
	assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_OK);
	assert_text(reply, REDIS_STRING, "");
}

static void a_mebibyte_of_any_bytes_comes_back_as_it_went(void **state)
{
	(void)state;
	run(big_binary);
}

/* ---- many at once ---- */

static void caller(void *arg)
{
	struct world *world = arg;
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct err err;

	for (int i = 0; i < CALLS; i++) {
		CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
		char want[64];

		(void)snprintf(want, sizeof(want), "%p-%d", (void *)fiber_current(), i);
		redis_cmd_reset(cmd);
		redis_arg_cstr(cmd, "ECHO");
		redis_argf(cmd, "%s", want);
		assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_OK);
		assert_text(reply, REDIS_STRING, want);
	}
}

static void many_fibers(struct world *world)
{
	for (int i = 0; i < FIBERS; i++) {
		(void)fiber_start(world->loop, &world->group, "caller", caller, world);
	}
	assert_int_equal(fiber_group_wait(&world->group, 30000), ERR_OK);
	assert_int_equal(redis_connection(world->redis), 1);
}

static void hundreds_of_fibers_each_get_their_own_answers(void **state)
{
	(void)state;
	run(many_fibers);
}

static void one_fiber_many(struct world *world)
{
	enum { COUNT = 1000 };
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct redis_op *ops = mem_calloc(COUNT, sizeof(*ops));
	struct fiber_op **waits = mem_calloc(COUNT, sizeof(struct fiber_op *));
	struct err err;

	for (size_t i = 0; i < COUNT; i++) {
		redis_cmd_reset(cmd);
		redis_arg_cstr(cmd, "INCRBY");
		redis_arg_cstr(cmd, "sum");
		redis_arg_u64(cmd, i);
		redis_send(world->redis, &ops[i], cmd);
		waits[i] = &ops[i].op;
	}
	assert_int_equal(fiber_wait_all(waits, COUNT, TIMEOUT_MS, &err), ERR_OK);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(redis_reply_int(ops[i].reply), (int64_t)(i * (i + 1) / 2));
		redis_reply_free(ops[i].reply);
	}
	free(ops);
	free(waits);
}

static void one_fiber_has_a_thousand_commands_in_flight(void **state)
{
	(void)state;
	run(one_fiber_many);
}

/* ---- scripts ---- */

static const char script_text[] = "return {KEYS[1], ARGV[1]}";
static const struct text script = {
	"echo",
	"d006f1a90249474274c76f5be725b8f5804a346b",
	script_text,
	sizeof(script_text) - 1,
};

static uint64_t calls_of(struct redis *redis, const char *verb)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = ask(redis, "INFO commandstats");
	char name[64];
	const char *at;
	struct str digits;
	uint64_t calls = 0;

	(void)snprintf(name, sizeof(name), "cmdstat_%s:calls=", verb);
	at = strstr(redis_reply_str(reply).p, name);
	if (at != NULL) {
		digits = str_of(at + strlen(name));
		assert_true(parse_u64(str_split(&digits, ','), UINT64_MAX, &calls));
	}
	return calls;
}

static void script_path(struct world *world)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct err err;

	tell(world->redis, "SCRIPT FLUSH");
	tell(world->redis, "CONFIG RESETSTAT");
	redis_script_begin(cmd, &script, 1);
	redis_arg_cstr(cmd, "key");
	redis_arg_i64(cmd, -5);
	for (int i = 0; i < 3; i++) {
		CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;

		assert_int_equal(redis_script(world->redis, &script, cmd, &reply, &err), ERR_OK);
		assert_text(redis_reply_at(reply, 0), REDIS_STRING, "key");
		assert_text(redis_reply_at(reply, 1), REDIS_STRING, "-5");
	}
	assert_int_equal(calls_of(world->redis, "evalsha"), 3);
	assert_int_equal(calls_of(world->redis, "eval"), 1);
}

static void a_script_travels_once_then_by_digest(void **state)
{
	(void)state;
	run(script_path);
}

/* ---- errors ---- */

static void error_kinds(struct world *world)
{
	struct redis_reply *reply = NULL;
	struct err err;

	assert_int_equal(say(world->redis, "NOSUCH x", &reply, &err), ERR_BACKEND);
	assert_non_null(strstr(err.msg, "unknown command"));
	tell(world->redis, "SET k v");
	assert_int_equal(say(world->redis, "LPUSH k v", &reply, &err), ERR_BACKEND);
	assert_memory_equal(err.msg, "WRONGTYPE ", 10);
	tell(world->redis, "CONFIG SET maxmemory 1");
	assert_int_equal(say(world->redis, "SET k w", &reply, &err), ERR_UNAVAILABLE);
	assert_memory_equal(err.msg, "OOM ", 4);
	tell(world->redis, "CONFIG SET maxmemory 0");
	assert_null(reply);
}

static void an_error_says_whether_to_try_again(void **state)
{
	(void)state;
	run(error_kinds);
}

static void bad_commands(struct world *world)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct redis_reply *reply = NULL;
	struct err err;

	assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_INTERNAL);
	for (int i = 0; i <= REDIS_ARGS_MAX; i++) {
		redis_arg_cstr(cmd, "PING");
	}
	assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_LIMIT);
	redis_cmd_reset(cmd);
	redis_arg_cstr(cmd, "PING");
	assert_int_equal(redis_call(world->redis, cmd, &reply, &err), ERR_OK);
	redis_reply_free(reply);
	assert_int_equal(redis_connection(world->redis), 1);
}

static void a_command_that_cannot_be_sent_harms_nothing(void **state)
{
	(void)state;
	run(bad_commands);
}

static void too_much(struct world *world)
{
	enum { COUNT = 80 };
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(mem_cleanup) char *value = mem_calloc(BIG, 1);
	struct redis_op ops[COUNT] = { 0 };
	struct err err;
	size_t refused = 0;

	redis_arg_cstr(cmd, "SET");
	redis_arg_cstr(cmd, "k");
	redis_arg(cmd, str_make(value, BIG));
	for (size_t i = 0; i < COUNT; i++) {
		redis_send(world->redis, &ops[i], cmd);
	}
	for (size_t i = 0; i < COUNT; i++) {
		enum err_code code = fiber_wait(&ops[i].op, TIMEOUT_MS, &err);

		assert_true(code == ERR_OK || code == ERR_UNAVAILABLE);
		refused += code == ERR_UNAVAILABLE;
		redis_reply_free(ops[i].reply);
	}
	assert_int_equal(refused, COUNT - 63);
	assert_answer(world->redis, "PING", REDIS_STATUS, "PONG");
}

static void commands_beyond_the_bound_are_refused_unsent(void **state)
{
	(void)state;
	run(too_much);
}

/* ---- giving up ---- */

static void blocked(void *arg)
{
	struct world *world = arg;
	struct redis_reply *reply = NULL;
	struct err err;

	assert_int_equal(say(world->redis, "BLPOP list 0", &reply, &err), ERR_CANCELLED);
	assert_null(reply);
}

static void late_reply(struct world *world)
{
	struct redis *other = open_redis(world->loop, TIMEOUT_MS);
	struct fiber *fiber = fiber_start(world->loop, &world->group, "blocked", blocked, world);
	uint64_t clients = 0;

	while (clients == 0) { /* until the server has it */
		CLEANUP(redis_reply_cleanup) struct redis_reply *info = ask(other, "INFO clients");
		struct str rest = str_of(strstr(redis_reply_str(info).p, "blocked_clients:") + 16);

		assert_true(parse_u64(str_split(&rest, '\r'), UINT64_MAX, &clients));
	}
	fiber_cancel(fiber, ERR_CANCELLED);
	assert_int_equal(fiber_group_wait(&world->group, TIMEOUT_MS), ERR_OK);
	tell(other, "RPUSH list late");
	assert_answer(world->redis, "ECHO mine", REDIS_STRING, "mine");
	assert_answer(world->redis, "LLEN list", REDIS_INTEGER, "");
	assert_int_equal(redis_connection(world->redis), 1);
	redis_free(other);
}

static void the_late_reply_of_a_cancelled_call_is_dropped(void **state)
{
	(void)state;
	run(late_reply);
}

static void close_early(void *arg)
{
	struct world *world = arg;
	struct redis *redis = world->redis;

	world->redis = NULL;
	redis_free(redis);
}

static void free_in_flight(struct world *world)
{
	struct redis_reply *reply = NULL;
	struct err err;

	(void)fiber_start(world->loop, &world->group, "closer", close_early, world);
	assert_int_equal(say(world->redis, "BLPOP list 0", &reply, &err), ERR_CANCELLED);
	assert_null(world->redis);
}

static void closing_ends_what_is_in_flight(void **state)
{
	(void)state;
	run(free_in_flight);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_of_reply_arrives),
		cmocka_unit_test(arrays_nest_and_a_missing_element_is_nil),
		cmocka_unit_test(a_reply_too_deep_for_the_reader_costs_the_connection_only),
		cmocka_unit_test(a_mebibyte_of_any_bytes_comes_back_as_it_went),
		cmocka_unit_test(hundreds_of_fibers_each_get_their_own_answers),
		cmocka_unit_test(one_fiber_has_a_thousand_commands_in_flight),
		cmocka_unit_test(a_script_travels_once_then_by_digest),
		cmocka_unit_test(an_error_says_whether_to_try_again),
		cmocka_unit_test(a_command_that_cannot_be_sent_harms_nothing),
		cmocka_unit_test(commands_beyond_the_bound_are_refused_unsent),
		cmocka_unit_test(the_late_reply_of_a_cancelled_call_is_dropped),
		cmocka_unit_test(closing_ends_what_is_in_flight),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
