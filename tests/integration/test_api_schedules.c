/* /api/v1/schedules: made, seen, changed, paused, run by hand, foreseen and removed. */
#include <stdio.h>
#include <string.h>

#include "tests/integration/api_world.h"

enum { PATH_SIZE = 128 };

#define PLACE       "/api/v1/schedules"
#define DAILY       "\"cron\":\"0 9 * * *\",\"timezone\":\"Europe/Berlin\""
#define WITH(parts) "{" parts ",\"task\":" TASK "}"

static struct id make(const char *body)
{
	struct answer answer = post(PLACE, body);
	struct id id;

	if (answer.status != 201) {
		fail_msg("%s%s", answer.reply.head, buf_cstr(&answer.reply.body));
	}
	assert_true(id_parse(str_of(answer_text(&answer, "id")), &id));
	answer_free(&answer);
	return id;
}

static const char *path_of(const struct id *id, const char *tail)
{
	static char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), PLACE "/%s%s", id->s, tail);
	return path;
}

static struct answer as(const char *key, const char *method, const char *path, const char *body)
{
	return ask(&(struct ask){ .key = key, .method = method, .path = path, .body = body });
}

static void expect_as(const char *key, const char *method, const char *path, int status)
{
	expect(&(struct ask){ .key = key, .method = method, .path = path }, status);
}

static bool is_null(const struct answer *answer, const char *name)
{
	const struct json_value *value = answer_at(answer, name);

	return value != NULL && json_type_of(value) == JSON_T_NULL;
}

/* ---- life ---- */

static void a_schedule_is_made_seen_changed_and_removed(void **state)
{
	struct id id = make(WITH("\"name\":\"nightly\",\"overlap\":\"queue\"," DAILY));
	struct answer answer = get(path_of(&id, ""));

	(void)state;
	assert_string_equal(answer_text(&answer, "name"), "nightly");
	assert_string_equal(answer_text(&answer, "status"), "active");
	assert_string_equal(answer_text(&answer, "cron"), "0 9 * * *");
	assert_string_equal(answer_text(&answer, "timezone"), "Europe/Berlin");
	assert_string_equal(answer_text(&answer, "overlap"), "queue");
	assert_string_equal(answer_text(&answer, "catchUp"), "none");
	assert_true(strlen(answer_text(&answer, "nextAt")) > 0);
	assert_true(is_null(&answer, "lastAt") && is_null(&answer, "lastTaskId"));
	assert_string_equal(answer_text(&answer, "task/prompt"), "go on");
	assert_int_equal(json_count(answer_at(&answer, "runs")), 0);
	answer_free(&answer);
	answer = as(api_keys.all, "PUT", path_of(&id, ""), WITH("\"everySeconds\":3600"));
	assert_int_equal(answer.status, 200);
	assert_null(answer_at(&answer, "cron"));
	assert_int_equal(json_as_i64(answer_at(&answer, "everySeconds")), 3600);
	assert_string_equal(answer_text(&answer, "name"), "");
	assert_string_equal(answer_text(&answer, "overlap"), "skip");
	answer_free(&answer);
	expect_as(api_keys.all, "DELETE", path_of(&id, ""), 204);
	expect_as(api_keys.all, "GET", path_of(&id, ""), 404);
	expect_as(api_keys.all, "DELETE", path_of(&id, ""), 404);
}

static void making_one_is_idempotent_by_key(void **state)
{
	struct ask what = { .key = api_keys.all,
		            .method = "POST",
		            .path = PLACE,
		            .headers = "Idempotency-Key: schedule-1\r\n",
		            .body = WITH(DAILY) };
	struct answer first = ask(&what), again;

	(void)state;
	what.node = 1;
	again = ask(&what);
	assert_int_equal(again.status, 201);
	assert_string_equal(answer_text(&first, "id"), answer_text(&again, "id"));
	assert_string_equal(client_field(&first.reply, "Location"),
	                    client_field(&again.reply, "Location"));
	assert_non_null(strstr(client_field(&first.reply, "Location"), answer_text(&first, "id")));
	answer_free(&first);
	answer_free(&again);
}

static void lists_are_pages_newest_first(void **state)
{
	struct id ids[3];
	struct answer page;
	char path[PATH_SIZE];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		ids[i] = make(WITH(DAILY));
	}
	page = get(PLACE "?perPage=2");
	assert_int_equal(json_count(answer_at(&page, "items")), 2);
	assert_string_equal(answer_text(&page, "items/0/id"), ids[2].s);
	assert_string_equal(answer_text(&page, "nextPage"), ids[1].s);
	answer_free(&page);
	(void)snprintf(path, sizeof(path), PLACE "?perPage=1&page=%s", ids[1].s);
	page = get(path);
	assert_string_equal(answer_text(&page, "items/0/id"), ids[0].s);
	answer_free(&page);
	expect_as(api_keys.all, "GET", PLACE "?page=00000000000000000000000!!!", 400);
	expect_as(api_keys.all, "GET", PLACE "?perPage=201", 400);
}

/* ---- who may ---- */

static void others_do_not_see_it_and_readers_not_its_task(void **state)
{
	struct id id = make(WITH(DAILY));
	struct answer answer = as(api_keys.reader, "GET", path_of(&id, ""), NULL);

	(void)state;
	assert_int_equal(answer.status, 200);
	assert_null(answer_at(&answer, "task"));
	answer_free(&answer);
	expect_as(api_keys.reader, "DELETE", path_of(&id, ""), 403);
	expect_as(api_keys.reader, "POST", path_of(&id, "/pause"), 403);
	expect_as(api_keys.foreign, "GET", path_of(&id, ""), 404);
	expect_as(api_keys.foreign, "POST", path_of(&id, "/pause"), 404);
	expect_as(api_keys.foreign, "POST", path_of(&id, "/run"), 404);
	expect_as(api_keys.foreign, "DELETE", path_of(&id, ""), 404);
	expect_as(api_keys.limited, "GET", path_of(&id, ""), 404);
	expect_as(api_keys.limited, "POST", path_of(&id, "/resume"), 404);
	answer = as(api_keys.limited, "GET", PLACE "?perPage=200", NULL);
	assert_int_equal(json_count(answer_at(&answer, "items")), 0);
	answer_free(&answer);
	answer = as(api_keys.limited, "POST", PLACE, WITH(DAILY));
	assert_int_equal(answer.status, 400);
	assert_non_null(json_get(answer_at(&answer, "errors"), "task.namespace"));
	answer_free(&answer);
	answer = as(api_keys.limited, "POST", PLACE,
	            "{" DAILY ",\"task\":{\"prompt\":\"x\",\"namespace\":\"red\"," TASK_PARTS "}}");
	assert_int_equal(answer.status, 201);
	assert_string_equal(answer_text(&answer, "namespace"), "red");
	answer_free(&answer);
}

/* ---- what is refused ---- */

static void bad_bodies_are_refused_by_field_and_rule(void **state)
{
	static const struct {
		const char *body, *field, *rule;
	} all[] = {
		{ "{}", "task", "is required" },
		{ WITH("\"name\":\"x\""), "cron", "is required, or everySeconds or at" },
		{ WITH(DAILY ",\"everySeconds\":5"), "cron", "only one of them" },
		{ WITH("\"cron\":\"61 * * * *\""), "cron", "minute must have values from 0 to 59" },
		{ WITH("\"cron\":\"* * * * *\",\"timezone\":\"Europe/Atlantis\""), "timezone",
		  "must be the name of a time zone" },
		{ WITH("\"cron\":\"* * * * *\",\"timezone\":\"../../etc/passwd\""), "timezone",
		  "must be the name of a time zone" },
		{ WITH("\"everySeconds\":0"), "everySeconds", "1" },
		{ WITH("\"everySeconds\":60,\"timezone\":\"UTC\""), "timezone",
		  "is possible only with cron" },
		{ WITH("\"at\":\"yesterday\""), "at", "must be a time like" },
		{ WITH("\"at\":\"2001-01-01T00:00:00Z\""), "at", "must be in the future" },
		{ WITH(DAILY ",\"overlap\":\"never\""), "overlap", "skip" },
		{ WITH(DAILY ",\"catchUp\":\"two\""), "catchUp", "none" },
		{ WITH(DAILY ",\"nmae\":\"x\""), "nmae", "" },
		{ "{" DAILY ",\"task\":[]}", "task", "must be an object" },
		{ "{" DAILY ",\"task\":{\"prompt\":\"\"," TASK_PARTS "}}", "task.prompt", "" },
		{ "{" DAILY ",\"task\":{\"prompt\":\"x\",\"tenantId\":\"rival\"," TASK_PARTS "}}",
		  "task.tenantId", "must be the tenant of the key" },
		{ "{" DAILY ",\"task\":{\"prompt\":\"x\",\"projectId\":\"none\"," TASK_PARTS "}}",
		  "task.projectId", "is not a project" },
		{ "{" DAILY
		  ",\"task\":{\"prompt\":\"x\",\"deadline\":\"2040-01-01T00:00:00Z\"," TASK_PARTS
		  "}}",
		  "task.deadline", "is not possible in a schedule" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct answer answer = post(PLACE, all[i].body);
		struct str rule = json_as_str(
			json_at(json_get(answer_at(&answer, "errors"), all[i].field), 0));

		if (answer.status != 400 || rule.n == 0 || strstr(rule.p, all[i].rule) == NULL) {
			fail_msg("%s: %d %s", all[i].body, answer.status,
			         buf_cstr(&answer.reply.body));
		}
		answer_free(&answer);
	}
}

/* ---- pausing, running, foreseeing ---- */

static void a_paused_one_has_no_next_time_until_it_is_resumed(void **state)
{
	struct id id = make(WITH(DAILY));
	struct answer answer;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		answer = post(path_of(&id, "/pause"), NULL);
		assert_int_equal(answer.status, 200);
		assert_string_equal(answer_text(&answer, "status"), "paused");
		assert_true(is_null(&answer, "nextAt"));
		answer_free(&answer);
	}
	for (unsigned i = 0; i < 2; i++) {
		answer = post(path_of(&id, "/resume"), NULL);
		assert_int_equal(answer.status, 200);
		assert_string_equal(answer_text(&answer, "status"), "active");
		assert_false(is_null(&answer, "nextAt"));
		answer_free(&answer);
	}
	id = make(WITH(DAILY ",\"paused\":true"));
	answer = get(path_of(&id, ""));
	assert_string_equal(answer_text(&answer, "status"), "paused");
	answer_free(&answer);
}

static void run_by_hand_makes_its_task_once_for_each_key(void **state)
{
	struct id id = make(WITH(DAILY ",\"paused\":true")), sid;
	struct ask what = { .key = api_keys.all,
		            .method = "POST",
		            .path = path_of(&id, "/run"),
		            .headers = "Idempotency-Key: by-hand\r\n" };
	struct answer first = ask(&what), again, answer;

	(void)state;
	again = ask(&what);
	assert_int_equal(first.status, 201);
	assert_int_equal(again.status, 201);
	assert_string_equal(answer_text(&first, "id"), answer_text(&again, "id"));
	assert_non_null(client_field(&again.reply, "Location"));
	assert_true(id_parse(str_of(answer_text(&first, "session_ids/0")), &sid));
	expect_as(api_keys.all, "GET", session_path(&sid, ""), 200);
	answer = get(path_of(&id, ""));
	assert_int_equal(json_count(answer_at(&answer, "runs")), 1);
	assert_string_equal(answer_text(&answer, "runs/0/taskId"), answer_text(&first, "id"));
	assert_string_equal(answer_text(&answer, "runs/0/outcome"), "ran");
	assert_true(json_as_bool(answer_at(&answer, "runs/0/byHand")));
	assert_string_equal(answer_text(&answer, "lastTaskId"), answer_text(&first, "id"));
	answer_free(&answer);
	answer_free(&first);
	answer_free(&again);
}

static void next_times_are_foreseen_of_one_that_is_and_one_that_is_not(void **state)
{
	struct id id = make(WITH(DAILY));
	struct answer answer = get(path_of(&id, "/preview?count=2&after=2026-03-28T12%3A00%3A00Z"));

	(void)state;
	assert_int_equal(json_count(answer_at(&answer, "times")), 2);
	assert_string_equal(answer_text(&answer, "times/0"), "2026-03-29T07:00:00.000Z");
	assert_string_equal(answer_text(&answer, "times/1"), "2026-03-30T07:00:00.000Z");
	assert_string_equal(answer_text(&answer, "timezone"), "Europe/Berlin");
	answer_free(&answer);
	answer = post(PLACE "/preview?after=2026-10-24T23%3A00%3A00Z&count=3",
	              "{\"cron\":\"*/30 2 * * *\",\"timezone\":\"Europe/Berlin\"}");
	assert_string_equal(answer_text(&answer, "times/0"), "2026-10-25T00:00:00.000Z");
	assert_string_equal(answer_text(&answer, "times/1"), "2026-10-25T00:30:00.000Z");
	assert_string_equal(answer_text(&answer, "times/2"), "2026-10-26T01:00:00.000Z");
	answer_free(&answer);
	expect_post(PLACE "/preview", "{\"cron\":\"x\"}", 400);
	expect_post(PLACE "/preview?count=101", "{\"cron\":\"@daily\"}", 400);
	answer = post(PLACE "/preview", "{\"at\":\"2095-01-01T00:00:00+01:00\"}");
	assert_int_equal(json_count(answer_at(&answer, "times")), 1);
	assert_string_equal(answer_text(&answer, "times/0"), "2094-12-31T23:00:00.000Z");
	answer_free(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_schedule_is_made_seen_changed_and_removed),
		cmocka_unit_test(making_one_is_idempotent_by_key),
		cmocka_unit_test(lists_are_pages_newest_first),
		cmocka_unit_test(others_do_not_see_it_and_readers_not_its_task),
		cmocka_unit_test(bad_bodies_are_refused_by_field_and_rule),
		cmocka_unit_test(a_paused_one_has_no_next_time_until_it_is_resumed),
		cmocka_unit_test(run_by_hand_makes_its_task_once_for_each_key),
		cmocka_unit_test(next_times_are_foreseen_of_one_that_is_and_one_that_is_not),
	};

	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
