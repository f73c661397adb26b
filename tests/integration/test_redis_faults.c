/* The driver against servers that freeze, die, lie or are not there. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "tests/integration/redis_server.h"
#include "tests/support/test.h"

#define RESOLVED_NAME "redis.test"
#include "tests/support/resolver.h"

/* Deadlines are apart by half a second or more: the machine may be busy. */
enum { SHORT_MS = 200, FREEZE_MS = 1000, LONG_MS = 10000, BACKOFF_MS = 100 };
enum { BIG = 8 * 1024 * 1024 }; /* more than any socket buffer takes */

struct world {
	struct loop *loop;
	struct redis_server server;
	struct redis *redis;
	void (*body)(struct world *world);
	struct fiber_group group;
	const char *answer;   /* of the fake server */
	const char *question; /* what it answers; NULL: PING */
	bool piecemeal;
};

static void world_main(void *arg)
{
	struct world *world = arg;

	redis_server_init(&world->server);
	world->body(world);
	redis_free(world->redis);
	redis_server_fini(&world->server);
}

static void run_world(struct world *world)
{
	world->loop = loop_new();
	assert_non_null(world->loop);
	(void)fiber_start(world->loop, NULL, "test", world_main, world);
	loop_run(world->loop);
	loop_free(world->loop);
}

static void run(void (*body)(struct world *world))
{
	struct world world = { .body = body };

	run_world(&world);
}

static void open_redis(struct world *world, const char *url, unsigned timeout_ms)
{
	struct redis_options options = { url, timeout_ms, BACKOFF_MS };
	struct err err;

	world->redis = redis_new(world->loop, &options, &err);
	assert_non_null(world->redis);
}

static void await_connected(struct world *world)
{
	struct err err;

	if (redis_wait_connected(world->redis, LONG_MS, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
}

static void words(struct redis_cmd *cmd, const char *line)
{
	struct str rest = str_of(line);

	redis_cmd_reset(cmd);
	while (rest.p != NULL) {
		redis_arg(cmd, str_split(&rest, ' '));
	}
}

static enum err_code say(struct world *world, const char *line, struct err *err)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;

	words(cmd, line);
	return redis_call(world->redis, cmd, &reply, err);
}

static void must(struct world *world, const char *line)
{
	struct err err;

	if (say(world, line, &err) != ERR_OK) {
		fail_msg("%s: %s", line, err.msg);
	}
}

static void send_words(struct world *world, struct redis_op *op, const char *line)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();

	words(cmd, line);
	redis_send(world->redis, op, cmd);
}

static enum err_code result(struct redis_op *op)
{
	enum err_code code = fiber_wait(&op->op, LONG_MS, NULL);

	redis_reply_free(op->reply);
	return code;
}

/* ---- a server that freezes ---- */

static void frozen(struct world *world)
{
	struct redis_op first = { 0 }, second = { 0 };
	uint64_t began;

	redis_server_start(&world->server, NULL);
	open_redis(world, world->server.url, FREEZE_MS);
	await_connected(world);
	redis_server_signal(&world->server, SIGSTOP);
	began = clock_mono_ms();
	send_words(world, &first, "SET k 1");
	assert_int_equal(fiber_sleep(FREEZE_MS / 2), ERR_OK);
	send_words(world, &second, "SET k 2");
	assert_int_equal(result(&first), ERR_TIMEOUT);
	assert_true(clock_mono_ms() - began >= FREEZE_MS);
	assert_int_equal(result(&second), ERR_UNKNOWN);
	assert_false(redis_connected(world->redis));
	redis_server_signal(&world->server, SIGCONT);
	await_connected(world);
	must(world, "PING");
	assert_int_equal(redis_connection(world->redis), 2);
}

static void a_frozen_server_times_out_and_is_used_again_when_it_thaws(void **state)
{
	(void)state;
	run(frozen);
}

static void busy_but_alive(struct world *world)
{
	enum { COUNT = 14 };
	struct redis_op ops[COUNT] = { 0 };

	redis_server_start(&world->server, NULL);
	open_redis(world, world->server.url, FREEZE_MS);
	await_connected(world);
	/* Each takes half of the timeout: the later ones miss their deadline, the server is not
	 * silent. */
	for (size_t i = 0; i < COUNT; i++) {
		send_words(world, &ops[i], "BLPOP none 0.1");
	}
	assert_int_equal(result(&ops[0]), ERR_OK);
	for (size_t i = 1; i + 1 < COUNT; i++) {
		enum err_code code = result(&ops[i]);

		assert_true(code == ERR_OK || code == ERR_TIMEOUT);
	}
	assert_int_equal(result(&ops[COUNT - 1]), ERR_TIMEOUT);
	while (say(world, "PING", &ops[0].op.err) != ERR_OK) {
	}
	assert_int_equal(redis_connection(world->redis), 1);
}

static void a_slow_server_that_keeps_answering_keeps_its_connection(void **state)
{
	(void)state;
	run(busy_but_alive);
}

/* ---- a server that dies ---- */

static void killed(struct world *world)
{
	struct redis_op answered = { 0 }, sent = { 0 }, unsent = { 0 };
	char run_id[64];

	redis_server_start(&world->server, NULL);
	open_redis(world, world->server.url, LONG_MS);
	await_connected(world);
	(void)snprintf(run_id, sizeof(run_id), "%s", redis_run_id(world->redis));
	assert_int_equal(strlen(run_id), 40);
	assert_int_equal(redis_connection(world->redis), 1);

	send_words(world, &answered, "PING");
	send_words(world, &sent, "BLPOP list 0");
	assert_int_equal(result(&answered), ERR_OK); /* so the other one is on the server too */
	redis_server_kill(&world->server);
	assert_int_equal(result(&sent), ERR_UNKNOWN);
	assert_false(redis_connected(world->redis));

	send_words(world, &unsent, "SET waited 1");
	redis_server_start(&world->server, NULL);
	assert_int_equal(result(&unsent), ERR_OK);
	assert_true(redis_connected(world->redis));
	assert_int_equal(strlen(redis_run_id(world->redis)), 40);
	assert_string_not_equal(redis_run_id(world->redis), run_id);
	assert_int_equal(redis_connection(world->redis), 2);
}

static void a_killed_server_leaves_the_sent_unknown_and_the_unsent_waiting(void **state)
{
	(void)state;
	run(killed);
}

static void half_written(struct world *world)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(mem_cleanup) char *value = mem_calloc(BIG, 1);
	struct redis_op half = { 0 }, after = { 0 };
	struct redis_stats stats;

	redis_server_start(&world->server, NULL);
	open_redis(world, world->server.url, LONG_MS);
	await_connected(world);
	redis_server_signal(&world->server, SIGSTOP);
	redis_arg_cstr(cmd, "SET");
	redis_arg_cstr(cmd, "k");
	redis_arg(cmd, str_make(value, BIG));
	redis_send(world->redis, &half, cmd);
	assert_int_equal(fiber_yield(), ERR_OK);
	send_words(world, &after, "DBSIZE");
	assert_int_equal(fiber_yield(), ERR_OK);
	stats = redis_stats(world->redis);
	assert_int_equal(stats.in_flight, 1);
	assert_int_equal(stats.waiting, 1);
	assert_true(stats.held > BIG);
	redis_server_kill(&world->server);
	redis_server_start(&world->server, NULL);
	assert_int_equal(result(&half), ERR_UNKNOWN);
	assert_int_equal(result(&after), ERR_OK);
	assert_int_equal(redis_stats(world->redis).held, 0);
}

static void a_half_written_command_is_unknown_and_what_follows_it_waits(void **state)
{
	(void)state;
	run(half_written);
}

static void given_up_unsent(struct world *world)
{
	struct redis_op gone = { 0 }, count = { 0 };

	open_redis(world, world->server.url, LONG_MS);
	send_words(world, &gone, "SET k v");
	send_words(world, &count, "DBSIZE");
	fiber_op_drop(&gone.op);
	redis_server_start(&world->server, NULL);
	assert_int_equal(fiber_wait(&count.op, LONG_MS, NULL), ERR_OK);
	assert_int_equal(redis_reply_int(count.reply), 0);
	redis_reply_free(count.reply);
}

static void a_command_given_up_before_it_was_sent_never_runs(void **state)
{
	(void)state;
	run(given_up_unsent);
}

/* ---- a server that is not there, or not ours ---- */

static void nobody(struct world *world)
{
	uint64_t began = clock_mono_ms();
	struct err err;

	open_redis(world, world->server.url, SHORT_MS);
	assert_int_equal(say(world, "PING", &err), ERR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "connect"));
	assert_true(clock_mono_ms() - began >= SHORT_MS);
	assert_int_equal(redis_wait_connected(world->redis, 50, &err), ERR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "connect"));
	assert_string_equal(redis_run_id(world->redis), "");
	redis_free(world->redis);
	open_redis(world, "redis://127.0.0.1:1", SHORT_MS);
	assert_int_equal(say(world, "PING", &err), ERR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "refused"));
}

static void without_a_server_a_call_ends_at_its_deadline_unsent(void **state)
{
	(void)state;
	run(nobody);
}

static void url_with(struct world *world, char out[REDIS_SERVER_URL], const char *query)
{
	(void)snprintf(out, REDIS_SERVER_URL, "%.100s?%s", world->server.url, query);
}

static void passwords(struct world *world)
{
	char url[REDIS_SERVER_URL];
	struct err err;

	redis_server_start(&world->server, "secret");
	url_with(world, url, "password=secret&db=3");
	open_redis(world, url, LONG_MS);
	await_connected(world);
	must(world, "ACL SETUSER ann on >word +@all ~*");
	must(world, "SET k v");
	redis_free(world->redis);

	open_redis(world, world->server.url, SHORT_MS);
	assert_int_equal(say(world, "PING", &err), ERR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "NOAUTH"));
	redis_free(world->redis);

	url_with(world, url, "password=wrong");
	open_redis(world, url, SHORT_MS);
	assert_int_equal(say(world, "PING", &err), ERR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "WRONGPASS"));
	redis_free(world->redis);

	url_with(world, url, "user=ann&password=word&db=99999");
	world->redis = NULL;
	assert_null(redis_new(world->loop, &(struct redis_options){ url, 1, 1 }, &err));
	url_with(world, url, "user=ann&password=word&db=1000");
	open_redis(world, url, SHORT_MS);
	assert_int_equal(say(world, "PING", &err), ERR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "DB index"));
	redis_free(world->redis);

	url_with(world, url, "user=ann&password=word&db=3");
	open_redis(world, url, LONG_MS);
	await_connected(world);
	must(world, "GET k");
}

static void users_passwords_and_databases_are_told_or_the_reason_is(void **state)
{
	(void)state;
	run(passwords);
}

static bool fake_write(struct world *world, int fd, const char *text)
{
	size_t step = world->piecemeal ? 1 : strlen(text);

	for (; *text != '\0'; text += step) {
		if (fiber_wait_fd(fd, FIBER_WRITE, LONG_MS) != ERR_OK ||
		    send(fd, text, step, MSG_NOSIGNAL) != (ssize_t)step) {
			return false;
		}
		if (world->piecemeal) {
			(void)fiber_yield();
		}
	}
	return true;
}

/* Reads until the peer has sent what ends in `end`. */
static bool fake_read(int fd, const char *end)
{
	char bytes[4096];
	size_t n = 0;

	while (n < sizeof(bytes) - 1) {
		ssize_t got;

		if (fiber_wait_fd(fd, FIBER_READ, LONG_MS) != ERR_OK) {
			return false;
		}
		got = recv(fd, bytes + n, sizeof(bytes) - 1 - n, MSG_DONTWAIT);
		if (got <= 0) {
			return false;
		}
		n += (size_t)got;
		bytes[n] = '\0';
		if (strstr(bytes, end) != NULL) {
			return true;
		}
	}
	return false;
}

/* Greets well, then gives its one answer to each command; answer NULL: never says anything. */
static void fake_main(void *arg)
{
	struct world *world = arg;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = -1;

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", world->server.path);
	assert_int_equal(bind(listener, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 8), 0);
	while (fiber_wait_fd(listener, FIBER_READ, LONG_MS) == ERR_OK) {
		fd = accept(listener, NULL, NULL);
		if (world->answer == NULL) {
			(void)fiber_sleep(LONG_MS);
		} else if (fake_read(fd, "INFO\r\n") &&
		           fake_write(world, fd, "+OK\r\n$13\r\nrun_id:fake\r\n\r\n")) {
			const char *question =
				world->question != NULL ? world->question : "PING\r\n";

			while (fake_read(fd, question) && fake_write(world, fd, world->answer)) {
			}
		}
		(void)close(fd);
	}
	(void)close(listener);
}

static void fake_answers(struct world *world)
{
	struct fiber *fake = fiber_start(world->loop, &world->group, "fake", fake_main, world);
	struct err err;

	(void)fiber_yield();
	open_redis(world, world->server.url, world->answer != NULL ? LONG_MS : SHORT_MS);
	if (world->answer == NULL) {
		assert_int_equal(say(world, "PING", &err), ERR_UNAVAILABLE);
		assert_int_equal(redis_connection(world->redis), 0);
	} else if (world->piecemeal) {
		must(world, "PING");
		must(world, "PING");
		assert_string_equal(redis_run_id(world->redis), "fake");
		assert_int_equal(redis_connection(world->redis), 1);
	} else {
		assert_int_equal(say(world, "PING", &err), ERR_UNKNOWN);
	}
	fiber_cancel(fake, ERR_CANCELLED);
	assert_int_equal(fiber_group_wait(&world->group, LONG_MS), ERR_OK);
}

static void a_server_that_never_answers_is_not_connected(void **state)
{
	struct world world = { .body = fake_answers };

	(void)state;
	run_world(&world);
}

static void garbage_costs_the_connection_and_the_outcome_is_unknown(void **state)
{
	struct world world = { .body = fake_answers, .answer = "HTTP/1.1 400 Bad Request\r\n\r\n" };

	(void)state;
	run_world(&world);
	world = (struct world){ .body = fake_answers, .answer = "*1000000000\r\n" };
	run_world(&world);
}

static void answers_may_come_one_byte_at_a_time(void **state)
{
	struct world world = { .body = fake_answers,
		               .answer = "*2\r\n$5\r\nhello\r\n:1\r\n",
		               .piecemeal = true };

	(void)state;
	run_world(&world);
}

static void talkative(struct world *world)
{
	struct fiber *fake;

	world->answer = "+PONG\r\n+PONG\r\n";
	fake = fiber_start(world->loop, &world->group, "fake", fake_main, world);
	(void)fiber_yield();
	open_redis(world, world->server.url, LONG_MS);
	must(world, "PING");
	must(world, "PING"); /* on a new connection: an answer to nothing must never answer this */
	assert_int_equal(redis_connection(world->redis), 2);
	fiber_cancel(fake, ERR_CANCELLED);
	assert_int_equal(fiber_group_wait(&world->group, LONG_MS), ERR_OK);
}

static void an_answer_that_nobody_asked_for_costs_the_connection(void **state)
{
	(void)state;
	run(talkative);
}

static void half_answered(struct world *world)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(mem_cleanup) char *value = mem_calloc(BIG, 1);
	struct redis_op op = { 0 };
	struct fiber *fake;

	world->answer = "-ERR Protocol error: invalid bulk length\r\n";
	world->question = "SET\r\n";
	fake = fiber_start(world->loop, &world->group, "fake", fake_main, world);
	(void)fiber_yield();
	open_redis(world, world->server.url, LONG_MS);
	await_connected(world);
	redis_arg_cstr(cmd, "SET");
	redis_arg_cstr(cmd, "k");
	redis_arg(cmd, str_make(value, BIG));
	redis_send(world->redis, &op, cmd);
	assert_int_equal(result(&op), ERR_UNKNOWN);
	assert_false(redis_connected(world->redis));
	fiber_cancel(fake, ERR_CANCELLED);
	assert_int_equal(fiber_group_wait(&world->group, LONG_MS), ERR_OK);
}

static void an_answer_to_half_a_command_costs_the_connection(void **state)
{
	(void)state;
	run(half_answered);
}

/* ---- names ---- */

static void open_by_name(struct world *world)
{
	char url[64];

	(void)snprintf(url, sizeof(url), "redis://" RESOLVED_NAME ":%s", getenv("TEST_REDIS_PORT"));
	open_redis(world, url, SHORT_MS);
}

static void await_trouble(struct world *world, const char *words_of_it)
{
	uint64_t until = clock_mono_ms() + LONG_MS;
	struct err err = { .msg = "" };

	while (strstr(err.msg, words_of_it) == NULL) {
		assert_true(clock_mono_ms() < until);
		assert_int_equal(redis_wait_connected(world->redis, 1, &err), ERR_UNAVAILABLE);
	}
}

static void named(struct world *world)
{
	assert_int_equal(sem_init(&resolver.gate, 0, 0), 0);
	resolve_to("");
	open_by_name(world);
	await_trouble(world, "not resolved within");
	redis_free(world->redis); /* with its question unanswered */
	open_by_name(world);
	await_trouble(world, "not resolved within");
	while (atomic_load(&resolver.asked) < 2) {
		(void)fiber_sleep(1);
	}
	assert_int_equal(atomic_load(&resolver.asked), 2); /* one question, however long it takes */

	(void)sem_post(&resolver.gate);
	await_trouble(world, "cannot resolve " RESOLVED_NAME);
	resolve_to("127.0.0.2");
	await_trouble(world, "refused");
	resolve_to("127.0.0.1");
	await_connected(world);
}

static void a_name_is_looked_up_for_each_attempt_and_nobody_waits_for_the_resolver(void **state)
{
	(void)state;
	run(named);
}

static void several(struct world *world)
{
	assert_int_equal(sem_init(&resolver.gate, 0, 1), 0);
	resolve_to("127.0.0.2 127.0.0.3 127.0.0.1");
	open_by_name(world);
	await_connected(world);
}

static void each_attempt_is_at_the_next_address_of_a_name(void **state)
{
	(void)state;
	run(several);
}

/* ---- one that was demoted ---- */

static void await_server(struct world *world, uint64_t count)
{
	uint64_t until = clock_mono_ms() + LONG_MS;

	while (redis_server(world->redis) != count) {
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(1);
	}
}

static void back_again(struct world *world)
{
	char before[REDIS_HISTORY_SIZE], after[REDIS_HISTORY_SIZE], run_id[64];
	struct err err;

	redis_server_start(&world->server, NULL);
	open_redis(world, world->server.url, LONG_MS);
	await_connected(world);
	(void)snprintf(run_id, sizeof(run_id), "%s", redis_run_id(world->redis));
	assert_int_equal(redis_history(world->redis, before, &err), ERR_OK);
	assert_int_equal(redis_history(world->redis, after, &err), ERR_OK);
	assert_string_equal(before, after);

	must(world, "REPLICAOF 127.0.0.1 1");
	assert_int_equal(redis_history(world->redis, after, &err), ERR_UNAVAILABLE);
	must(world, "REPLICAOF NO ONE");
	assert_int_equal(redis_server(world->redis), 1);
	assert_int_equal(say(world, "CLIENT KILL TYPE normal SKIPME no", &err), ERR_OK);
	await_server(world, 2);
	assert_int_equal(redis_history(world->redis, after, &err), ERR_OK);
	assert_string_not_equal(before, after);
	assert_string_equal(redis_run_id(world->redis), run_id);
}

static void a_server_that_was_demoted_and_promoted_again_is_another_one(void **state)
{
	(void)state;
	run(back_again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frozen_server_times_out_and_is_used_again_when_it_thaws),
		cmocka_unit_test(a_slow_server_that_keeps_answering_keeps_its_connection),
		cmocka_unit_test(a_killed_server_leaves_the_sent_unknown_and_the_unsent_waiting),
		cmocka_unit_test(a_half_written_command_is_unknown_and_what_follows_it_waits),
		cmocka_unit_test(an_answer_to_half_a_command_costs_the_connection),
		cmocka_unit_test(a_command_given_up_before_it_was_sent_never_runs),
		cmocka_unit_test(without_a_server_a_call_ends_at_its_deadline_unsent),
		cmocka_unit_test(users_passwords_and_databases_are_told_or_the_reason_is),
		cmocka_unit_test(a_server_that_never_answers_is_not_connected),
		cmocka_unit_test(garbage_costs_the_connection_and_the_outcome_is_unknown),
		cmocka_unit_test(answers_may_come_one_byte_at_a_time),
		cmocka_unit_test(an_answer_that_nobody_asked_for_costs_the_connection),
		cmocka_unit_test(
			a_name_is_looked_up_for_each_attempt_and_nobody_waits_for_the_resolver),
		cmocka_unit_test(each_attempt_is_at_the_next_address_of_a_name),
		cmocka_unit_test(a_server_that_was_demoted_and_promoted_again_is_another_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
