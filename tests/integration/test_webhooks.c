/* Who is told what, by schedulers as processes, with receivers that answer as they like. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cred/digest.h"
#include "event/log.h"
#include "scheduler_world.h"
#include "session/session_store.h"
#include "webhook/webhook_log.h"
#include "webhook/webhook_queue.h"
#include "webhook/webhook_store.h"

enum { URL_SIZE = 256 };

SQL(hooks_clear, "DELETE FROM webhooks");
SQL(hooks_clear_messages, "DELETE FROM webhook_messages");
SQL(hooks_clear_ends, "DELETE FROM webhook_endpoints");
SQL(hooks_waiting, "SELECT count(*) FROM webhook_messages WHERE state = 'waiting'");
SQL(hooks_delivered, "SELECT count(*) FROM webhook_messages WHERE state = 'delivered'");
SQL(hooks_dead, "SELECT count(*) FROM webhook_messages WHERE state = 'dead'");
SQL(hooks_all, "SELECT count(*) FROM webhook_messages");
SQL(hooks_told, "SELECT string_agg(type, ',' ORDER BY ended_at) FROM webhook_messages WHERE state "
                "= 'delivered'");
SQL(hooks_states, "SELECT string_agg(state, ',' ORDER BY state) FROM webhooks");
SQL(hooks_errors, "SELECT string_agg(DISTINCT error, ',') FROM webhook_messages");

SQL(hooks_tried, "SELECT count(*) FROM webhook_messages WHERE state = 'waiting' AND attempts > 1");
SQL(hooks_in_half_an_hour,
    "SELECT count(*) FROM webhook_messages WHERE state = 'waiting' AND next_at "
    "BETWEEN now() + interval '25 min' AND now() + interval '30 min'");
SQL(hooks_in_an_hour, "SELECT count(*) FROM webhook_messages WHERE state = 'waiting' AND next_at "
                      "BETWEEN now() + interval '55 min' AND now() + interval '60 min'");
SQL(hooks_taken, "SELECT count(*) FROM webhook_messages WHERE state = 'waiting' AND sending_until "
                 "BETWEEN now() AND now() + interval '91 s'");
SQL(hooks_time_passes, "UPDATE webhook_messages SET next_at = now(), sending_until = now()");
SQL(hooks_told_twice,
    "SELECT count(*) FROM webhook_messages WHERE state = 'delivered' AND attempts = "
    "2");
SQL(hooks_month_passes, "UPDATE webhook_messages SET ended_at = now() - interval '31 days'");
/* Of tasks of days ago, and of one that is new; and what was delivered long ago. */
SQL(hooks_many, "INSERT INTO webhook_messages (id, tenant_id, endpoint, url, lane, type, at, "
                "since, state, ended_at) "
                "SELECT e || n, $1::text, split_part(e, ' ', 1), 'http://127.0.0.1:9/', n, "
                "'task.accepted', now(), now() - age, state, "
                "CASE state WHEN 'delivered' THEN now() - interval '31 days' END "
                "FROM generate_series(1, 1500) n, (VALUES ('fails', interval '2 days', 'waiting'), "
                "('fails new', interval '1 hour', 'waiting'), ('told', interval '31 days', "
                "'delivered')) v (e, age, state) "
                "WHERE e <> 'fails new' OR n = 1");
SQL(hooks_fail_for_long,
    "INSERT INTO webhook_endpoints (endpoint, tenant_id, failures, failing_since, rest_until) "
    "VALUES ('fails', $1::text, 9, now() - interval '2 days', now() + interval '10 min')");
SQL(hooks_fails_by_itself,
    "INSERT INTO webhook_endpoints (endpoint, tenant_id, failures, rest_until) "
    "SELECT id, tenant_id, 9, now() + interval '10 min' FROM webhooks WHERE id = $1::text");
SQL(hooks_day_passes, "UPDATE webhooks SET rotated_at = now() - interval '25 hours'");

static struct stage stage;

static bool is(const struct text *what, uint64_t want)
{
	return number(stage.world->pg, "", what) == want;
}

static void text_of(const struct text *what, char out[512])
{
	struct pg_rows *rows CLEANUP(pg_rows_cleanup) = ask(stage.world->pg, "", what, NULL);

	assert_true(str_copy(out, 512, pg_str(rows, 0, 0)));
}

static const char *receiver(const char *path)
{
	static char url[URL_SIZE];

	(void)snprintf(url, sizeof(url), "%s%s", getenv("TEST_HTTP_URL"), path);
	return url;
}

static struct id subscribe(const char *url, const char *events)
{
	const struct id id = id_new();
	const struct webhook_spec spec = { STR_LIT(""), STR_LIT("test"), str_of(url),
		                           str_of(events) };
	struct err err;

	if (webhook_insert(stage.world->pg, TENANT, "key-1", &id, &spec, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return id;
}

static void open_stage(struct world *world)
{
	tell(world->pg, "", &hooks_clear_messages, NULL);
	tell(world->pg, "", &hooks_clear, NULL);
	tell(world->pg, "", &hooks_clear_ends, NULL);
	stage_open(&stage, world);
	stage.settings[0] = "FAIRLEAD_WEBHOOK_REACH=private";
	stage.settings[1] = "FAIRLEAD_WEBHOOK_RETRY=1ms";
}

static void put(const char *name, const char *text)
{
	char path[URL_SIZE];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", getenv("TEST_HTTPS_DIR"), name);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fputs(text, file);
	(void)fclose(file);
}

static bool none_waits(struct stage *unused, void *arg)
{
	(void)unused;
	return is(&hooks_all, *(const uint64_t *)arg) && is(&hooks_waiting, 0);
}

static bool is_ordered(struct stage *s, void *arg)
{
	return player_order(&s->players[0], arg) != NULL;
}

static struct id run_one(const char *body)
{
	struct id sid = accept_task(stage.world, body).sessions[0];

	(void)stage_await(&stage, is_ordered, &sid, "an order");
	stage_complete(&stage, player_order(&stage.players[0], &sid));
	return sid;
}

/* ---- all of it ---- */

/* The value of a header in what /hear has kept; the last message, with its body behind it. */
static struct str heard(const char *name, char *text, size_t size, struct str *ret_body)
{
	char path[URL_SIZE], *last, *at, *next;
	FILE *file;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/heard", getenv("TEST_HTTPS_DIR"));
	file = fopen(path, "r");
	assert_non_null(file);
	n = fread(text, 1, size - 1, file);
	(void)fclose(file);
	text[n] = '\0';
	for (last = text; (next = strstr(last + 1, "Host: ")) != NULL;) {
		last = next;
	}
	at = strstr(last, name);
	assert_non_null(at);
	at += strlen(name) + 2;
	next = strstr(last, "\n\n") + 2;
	*ret_body = str_make(next, strcspn(next, "\n"));
	return str_make(at, strcspn(at, "\r\n"));
}

/* As a receiver would check it, who was told the secret; former: the one before signs too. */
static void check_signature(const struct webhook_secret_of *of, bool former)
{
	static char text[64 * 1024];
	const struct cred_pepper pepper = cred_pepper_from(STR_LIT("a secret of tests"));
	char id[64];
	struct str body, signature;
	int64_t seconds;
	struct buf made;

	buf_init(&made, URL_SIZE);
	assert_true(str_copy(id, sizeof(id), heard("webhook-id", text, sizeof(text), &body)));
	assert_true(parse_i64(heard("webhook-timestamp", text, sizeof(text), &body), &seconds));
	assert_true(seconds <= clock_wall_us() / 1000000);
	signature = heard("webhook-signature", text, sizeof(text), &body);
	webhook_sign(&pepper, of, id, seconds, body, &made);
	if (former) {
		struct webhook_secret_of before = *of;

		before.n--;
		buf_add_cstr(&made, " ");
		webhook_sign(&pepper, &before, id, seconds, body, &made);
	}
	assert_true(str_eq(signature, buf_str(&made)));
	buf_fini(&made);
}

static void life_body(struct world *world)
{
	uint64_t count = 4;
	char told[512];

	open_stage(world);
	put("hook", "thanks");
	(void)subscribe(receiver("/hook"), "task.*,session.*");
	(void)subscribe(receiver("/hook"), "budget");
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	(void)stage_worker(&stage, 0, "one", 2);
	(void)run_one(BODY(AGENT(1), ""));
	(void)stage_await(&stage, none_waits, &count, "four messages");
	text_of(&hooks_told, told);
	assert_string_equal(told,
	                    "task.accepted,session.provisioning,session.running,session.completed");
	stage_stop_scheduler(&stage, 0);
	stage_stop_scheduler(&stage, 1);
	stage_close(&stage);
}

static void a_session_is_told_once_and_in_order_by_two_schedulers(void **state)
{
	(void)state;
	world_run(life_body);
}

static void is_in_state_after_lease(const struct id *sid, const char *want)
{
	const struct session_leased leased = { *sid, "one", 2, 2, 3 };
	char state[128];
	struct err err;

	assert_int_equal(session_leased_all(stage.world->pg, &leased, 1, &err), ERR_OK);
	stage_row(&stage, sid, "state", state);
	assert_string_equal(state, want);
}

static void leased_body(struct world *world)
{
	char body[1024];
	struct id sid;

	open_stage(world);
	sid = accept_task(world, BODY(AGENT(1), "")).sessions[0];
	is_in_state_after_lease(&sid, "provisioning");
	(void)snprintf(body, sizeof(body),
	               BODY(AGENT(1), ",\"webhooks\":[{\"event\":\"session.*\","
	                              "\"url\":\"%s\"}]"),
	               receiver("/hook"));
	sid = accept_task(world, body).sessions[0];
	is_in_state_after_lease(&sid, "queued");
	(void)subscribe(receiver("/hook"), "session.*");
	sid = accept_task(world, BODY(AGENT(1), "")).sessions[0];
	is_in_state_after_lease(&sid, "queued");
	stage_close(&stage);
}

static void a_lease_does_not_move_a_row_past_what_webhooks_are_to_be_told(void **state)
{
	(void)state;
	world_run(leased_body);
}

static void sign_body(struct world *world)
{
	uint64_t count = 1;
	struct id id;
	struct err err;
	char body[1024];

	open_stage(world);
	stage.settings[2] = "FAIRLEAD_PEPPER=a secret of tests";
	stage_start_scheduler(&stage, 0);
	id = subscribe(receiver("/hear"), "*");
	(void)accept_task(world, BODY(AGENT(1), ""));
	(void)stage_await(&stage, none_waits, &count, "a message to a subscription");
	check_signature(&(struct webhook_secret_of){ WEBHOOK_OF_ID, str_of(id.s), 1 }, false);
	assert_int_equal(webhook_rotate(world->pg, TENANT, &id, &err), ERR_OK);
	(void)accept_task(world, BODY(AGENT(1), ""));
	count++;
	(void)stage_await(&stage, none_waits, &count, "a message after a rotation");
	check_signature(&(struct webhook_secret_of){ WEBHOOK_OF_ID, str_of(id.s), 2 }, true);
	tell(world->pg, "", &hooks_day_passes, NULL);
	(void)accept_task(world, BODY(AGENT(1), ""));
	count++;
	(void)stage_await(&stage, none_waits, &count, "a message a day after");
	check_signature(&(struct webhook_secret_of){ WEBHOOK_OF_ID, str_of(id.s), 2 }, false);
	assert_int_equal(webhook_delete(world->pg, TENANT, &id, &err), ERR_OK);
	(void)snprintf(body, sizeof(body),
	               BODY(AGENT(1), ",\"webhooks\":[{\"event\":\"task.*\","
	                              "\"url\":\"%s\"}]"),
	               receiver("/hear"));
	(void)accept_task(world, body);
	count = 1; /* the others went with their webhook */
	(void)stage_await(&stage, none_waits, &count, "a message that a task names");
	check_signature(&(struct webhook_secret_of){ WEBHOOK_OF_TENANT, STR_LIT(TENANT), 1 },
	                false);
	stage_close(&stage);
}

static void what_is_told_is_signed_with_the_secret_of_whom_it_is_for(void **state)
{
	(void)state;
	world_run(sign_body);
}

static size_t times_heard(const char *what)
{
	static char text[64 * 1024];
	struct str body;
	size_t count = 0;

	(void)heard("webhook-id", text, sizeof(text), &body);
	for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
		count++;
	}
	return count;
}

static bool is_heard(struct stage *unused, void *arg)
{
	struct stat st;
	char path[URL_SIZE];

	(void)unused;
	(void)arg;
	(void)snprintf(path, sizeof(path), "%s/heard", getenv("TEST_HTTPS_DIR"));
	return stat(path, &st) == 0 && st.st_size > 0 && times_heard("Host: ") == 1;
}

static bool all_gone(struct stage *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return is(&hooks_all, 0);
}

static void killed_body(struct world *world)
{
	static char text[64 * 1024];
	uint64_t count = 1;
	char path[URL_SIZE], id[64], said[1024];
	struct str body;

	open_stage(world);
	stage.settings[2] = "FAIRLEAD_WEBHOOK_TIMEOUT=60s";
	stage.settings[3] = "FAIRLEAD_RETENTION_INTERVAL=50ms";
	(void)snprintf(path, sizeof(path), "%s/heard", getenv("TEST_HTTPS_DIR"));
	(void)unlink(path);
	(void)subscribe(receiver("/held"), "task.*");
	stage_start_scheduler(&stage, 0);
	(void)accept_task(world, BODY(AGENT(1), ""));
	(void)stage_await(&stage, is_heard, NULL, "a receiver that does not answer yet");
	stage_kill_scheduler(&stage, 0);
	assert_true(is(&hooks_taken, 1)); /* until then nobody else tells it */
	assert_true(str_copy(id, sizeof(id), heard("webhook-id", text, sizeof(text), &body)));
	assert_true(str_copy(said, sizeof(said), body));
	tell(world->pg, "", &hooks_time_passes, NULL);
	put("let", "");
	stage_start_scheduler(&stage, 1);
	(void)stage_await(&stage, none_waits, &count, "a message that is told again");
	assert_true(is(&hooks_told_twice, 1));
	assert_int_equal(times_heard(id), 2);
	assert_int_equal(times_heard(said), 2);
	tell(world->pg, "", &hooks_month_passes, NULL);
	(void)stage_await(&stage, all_gone, NULL, "an old message to be gone");
	stage_close(&stage);
}

static void what_a_killed_scheduler_was_telling_is_told_again_as_the_same(void **state)
{
	(void)state;
	world_run(killed_body);
}

/* ---- receivers that lie ---- */

static void lies_body(struct world *world)
{
	const struct webhook_redrive again = { .tenant = TENANT };
	struct webhook_spec honest = { STR_LIT(""), STR_LIT(""), STR_LIT(""), STR_LIT("task.*") };
	uint64_t count = 5;
	char errors[512];
	struct err err;
	struct id id;

	open_stage(world);
	stage.settings[2] = "FAIRLEAD_WEBHOOK_TIMEOUT=500ms";
	stage.settings[3] = "FAIRLEAD_WEBHOOK_GIVE_UP=300ms";
	(void)subscribe(receiver("/endless"), "task.*");
	(void)subscribe(receiver("/slow"), "task.*");
	(void)subscribe(receiver("/redirect"), "task.*");
	(void)subscribe("http://169.254.169.254/latest", "task.*");
	id = subscribe(receiver("/status/500"), "task.*");
	stage_start_scheduler(&stage, 0);
	(void)accept_task(world, BODY(AGENT(1), ""));
	(void)stage_await(&stage, none_waits, &count, "five ends");
	assert_true(is(&hooks_delivered, 1)); /* it said 200, whatever else */
	assert_true(is(&hooks_dead, 4));
	text_of(&hooks_errors, errors);
	assert_non_null(strstr(errors, "answered 500"));
	assert_non_null(strstr(errors, "redirects are not followed"));
	assert_non_null(strstr(errors, "timed out"));
	assert_non_null(strstr(errors, "leads to an address that may not be asked"));
	put("hook", "thanks");
	honest.url = str_of(receiver("/hook"));
	assert_int_equal(webhook_replace(world->pg, TENANT, &id, &honest, &err), ERR_OK);
	assert_int_equal(webhook_redrive(world->pg, &again, &count, &err), ERR_OK);
	assert_int_equal(count, 4);
	count = 5;
	(void)stage_await(&stage, none_waits, &count, "five ends again");
	assert_true(is(&hooks_delivered, 2));
	stage_close(&stage);
}

static void who_lies_is_cut_off_and_a_dead_letter_can_be_sent_again(void **state)
{
	(void)state;
	world_run(lies_body);
}

static bool asked_for_time(struct stage *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return is(&hooks_in_half_an_hour, 2) && is(&hooks_in_an_hour, 2) && is(&hooks_tried, 1);
}

static void later_body(struct world *world)
{
	open_stage(world);
	(void)subscribe(receiver("/later/1800"), "task.*");
	(void)subscribe(receiver("/later-at/1800"), "task.*");
	(void)subscribe(receiver("/later/864000"), "task.*");
	(void)subscribe(receiver("/later-at/864000"), "task.*");
	(void)subscribe(receiver("/later/soon"), "task.*");
	stage_start_scheduler(&stage, 0);
	(void)accept_task(world, BODY(AGENT(1), ""));
	(void)stage_await(&stage, asked_for_time, NULL, "all to be waited for as they ask");
	stage_close(&stage);
}

static void a_receiver_that_asks_for_time_gets_it_up_to_an_hour(void **state)
{
	(void)state;
	world_run(later_body);
}

static uint64_t failures_after(const struct id *id, const char *url)
{
	const struct webhook_spec spec = { STR_LIT(""), STR_LIT("test"), str_of(url),
		                           STR_LIT("task.*") };
	struct arena *arena = arena_new();
	struct webhook row;
	struct err err;

	assert_int_equal(webhook_replace(stage.world->pg, TENANT, id, &spec, &err), ERR_OK);
	assert_int_equal(webhook_get(stage.world->pg, TENANT, id, arena, &row, &err), ERR_OK);
	arena_free(arena);
	return row.failures;
}

static void moved_body(struct world *world)
{
	struct id id;

	open_stage(world);
	id = subscribe("https://a.example/", "task.*");
	tell(world->pg, "", &hooks_fails_by_itself, (const char *const[]){ id.s, NULL });
	assert_int_equal(failures_after(&id, "https://a.example/"), 9);
	assert_int_equal(failures_after(&id, "https://b.example/"), 0);
	stage_close(&stage);
}

static void one_that_leads_elsewhere_now_neither_rests_nor_has_failed(void **state)
{
	(void)state;
	world_run(moved_body);
}

static bool is_disabled(struct stage *unused, void *arg)
{
	char states[512];

	(void)unused;
	(void)arg;
	text_of(&hooks_states, states);
	return strcmp(states, "active,disabled") == 0 && is(&hooks_waiting, 0);
}

static void gone_body(struct world *world)
{
	char told[512];

	open_stage(world);
	put("hook", "thanks");
	(void)subscribe(receiver("/hook"), "webhook.*");
	(void)subscribe(receiver("/status/410"), "task.*");
	stage_start_scheduler(&stage, 0);
	(void)accept_task(world, BODY(AGENT(1), ""));
	(void)stage_await(&stage, is_disabled, NULL, "one that says it is gone");
	text_of(&hooks_told, told);
	assert_string_equal(told, "webhook.disabled");
	assert_true(is(&hooks_dead, 1));
	(void)accept_task(world, BODY(AGENT(1), ""));
	assert_true(is(&hooks_all, 2));
	stage_close(&stage);
}

static void one_that_is_gone_is_disabled_and_others_are_told(void **state)
{
	(void)state;
	world_run(gone_body);
}

static bool is_swept(struct stage *unused, void *arg)
{
	(void)unused;
	(void)arg;
	return is(&hooks_delivered, 0) && is(&hooks_dead, 1500);
}

static void never_body(struct world *world)
{
	const char *const params[] = { TENANT, NULL };

	open_stage(world);
	stage.settings[2] = "FAIRLEAD_RETENTION_INTERVAL=1h"; /* so one turn does all of it */
	tell(world->pg, "", &hooks_many, params);
	tell(world->pg, "", &hooks_fail_for_long, params);
	stage_start_scheduler(&stage, 0);
	(void)stage_await(&stage, is_swept, NULL,
	                  "what waits for an address of tasks to be given up");
	assert_true(is(&hooks_waiting, 1));
	stage_close(&stage);
}

static void what_waits_for_an_address_that_never_answers_is_given_up_all_at_once(void **state)
{
	(void)state;
	world_run(never_body);
}

static bool was_asked(void)
{
	char path[URL_SIZE];

	(void)snprintf(path, sizeof(path), "%s/asked", getenv("TEST_HTTPS_DIR"));
	return access(path, F_OK) == 0;
}

static void inside_body(struct world *world)
{
	const char *port = strrchr(getenv("TEST_HTTPS_URL"), ':');
	static const char *const ways[] = { "https://127.0.0.1",  "https://127.1",
		                            "https://localhost",  "https://[::ffff:127.0.0.1]",
		                            "https://2130706433", "http://127.0.0.1" };
	uint64_t count = ARRAY_LEN(ways);
	char path[URL_SIZE], url[URL_SIZE];

	open_stage(world);
	stage.settings[0] = NULL; /* public, as it is unless said otherwise */
	stage.settings[3] = "FAIRLEAD_WEBHOOK_GIVE_UP=300ms";
	(void)snprintf(path, sizeof(path), "%s/asked", getenv("TEST_HTTPS_DIR"));
	(void)unlink(path);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		(void)snprintf(url, sizeof(url), "%s%s/hook", ways[i], port);
		(void)subscribe(url, "task.*");
	}
	stage_start_scheduler(&stage, 0);
	(void)accept_task(world, BODY(AGENT(1), ""));
	(void)stage_await(&stage, none_waits, &count, "all to be dead");
	assert_true(is(&hooks_dead, ARRAY_LEN(ways)));
	assert_false(was_asked());
	stage_close(&stage);
}

static void no_way_leads_inside(void **state)
{
	(void)state;
	world_run(inside_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_told_once_and_in_order_by_two_schedulers),
		cmocka_unit_test(a_lease_does_not_move_a_row_past_what_webhooks_are_to_be_told),
		cmocka_unit_test(what_is_told_is_signed_with_the_secret_of_whom_it_is_for),
		cmocka_unit_test(what_a_killed_scheduler_was_telling_is_told_again_as_the_same),
		cmocka_unit_test(a_receiver_that_asks_for_time_gets_it_up_to_an_hour),
		cmocka_unit_test(who_lies_is_cut_off_and_a_dead_letter_can_be_sent_again),
		cmocka_unit_test(one_that_leads_elsewhere_now_neither_rests_nor_has_failed),
		cmocka_unit_test(one_that_is_gone_is_disabled_and_others_are_told),
		cmocka_unit_test(
			what_waits_for_an_address_that_never_answers_is_given_up_all_at_once),
		cmocka_unit_test(no_way_leads_inside),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
