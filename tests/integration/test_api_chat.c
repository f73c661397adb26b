/* The AOMI surface as its clients see it: who may, in which chat, and what they get. */
#include "base/clock.h"
#include "event/event.h"
#include "tests/integration/api_world.h"

#define ID       "X-Session-Id: 6f1c9d52-0b7e-4a3f-9d18-2c5e7a90b344\r\n"
#define OTHER_ID "X-Session-Id: b2d8e0a1-44c7-4f6b-8e35-19f0c7d6a283\r\n"
#define AGENT    "{\"agent\":{\"type\":\"command\",\"settings\":{\"argv\":[\"cat\"]}}"

static void put_namespace(const char *name, const char *more)
{
	char path[96], body[256];
	struct answer answer;

	(void)snprintf(path, sizeof(path), "/api/v1/namespaces/%s", name);
	(void)snprintf(body, sizeof(body), AGENT "%s}", more);
	answer = ask(&(struct ask){
		.key = api_keys.admin, .method = "PUT", .path = path, .body = body });
	if (answer.status != 200 && answer.status != 201) {
		fail_msg("%s", buf_cstr(&answer.reply.body));
	}
	answer_free(&answer);
}

static void drop_namespace(const char *name)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "/api/v1/namespaces/%s", name);
	expect(&(struct ask){ .key = api_keys.admin, .method = "DELETE", .path = path }, 204);
}

/* With X-API-Key, as those clients do. */
static struct answer send_as(const char *key, const char *id, const char *method, const char *path)
{
	char headers[512];

	(void)snprintf(headers, sizeof(headers), "%s%s%s%s", id, key != NULL ? "X-API-Key: " : "",
	               key != NULL ? key : "", key != NULL ? "\r\n" : "");
	return ask(&(struct ask){ .method = method, .path = path, .headers = headers });
}

static void expect_as(const char *key, const char *id, const char *method, const char *path,
                      int status)
{
	struct answer answer = send_as(key, id, method, path);

	if (answer.status != status) {
		fail_msg("%s %s with %s: %d, not %d: %s", method, path, key != NULL ? key : "none",
		         answer.status, status, buf_cstr(&answer.reply.body));
	}
	answer_free(&answer);
}

#define CHAT     "/api/chat?message=hello"
#define CHAT_RED "/api/chat?message=hello&namespace=red"

/* ---- who may ---- */

static void what_the_documented_matrix_says_holds(void **state)
{
	static const char unknown[] = "fl_unknown";
	const struct {
		const char *key, *id, *method, *path;
		int status;
	} rows[] = {
		{ NULL, "", "GET", "/healthz", 200 },
		{ NULL, "", "GET", "/api/state", 400 },
		{ NULL, ID, "GET", "/api/state", 200 },
		{ unknown, ID, "GET", "/api/state", 200 },
		{ api_keys.revoked, ID, "GET", "/api/state", 200 },
		{ api_keys.plain, ID, "GET", "/api/state", 200 },
		{ api_keys.limited, ID, "GET", "/api/state", 200 },
		{ NULL, "", "POST", CHAT, 400 },
		{ NULL, ID, "POST", CHAT, 200 },
		{ unknown, ID, "POST", CHAT, 200 },
		{ "  ", ID, "POST", CHAT, 200 },
		{ api_keys.revoked, ID, "POST", CHAT, 200 },
		{ NULL, ID, "POST", CHAT_RED, 401 },
		{ "  ", ID, "POST", CHAT_RED, 401 },
		{ api_keys.plain, ID, "POST", CHAT_RED, 403 },
		{ unknown, ID, "POST", CHAT_RED, 403 },
		{ api_keys.revoked, ID, "POST", CHAT_RED, 403 },
		{ api_keys.foreign, ID, "POST", CHAT_RED, 403 },
		{ api_keys.limited, ID, "POST", CHAT_RED, 200 },
		{ api_keys.limited, ID, "POST", "/api/chat?message=hello&chatbot=red", 200 },
	};

	(void)state;
	put_namespace("default", ",\"open\":true");
	put_namespace("red", "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		expect_as(rows[i].key, rows[i].id, rows[i].method, rows[i].path, rows[i].status);
	}
}

static void where_nothing_is_open_nobody_comes_in_without_a_key(void **state)
{
	static const char *const paths[] = { "/api/state", "/api/events", "/api/control/models",
		                             "/api/control/namespaces", "/api/sessions" };

	(void)state;
	put_namespace("default", "");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		expect_as(NULL, ID, "GET", paths[i], 401);
		expect_as("fl_unknown", ID, "GET", paths[i], 401);
	}
	expect_as(NULL, ID, "POST", CHAT, 401);
	expect_as(api_keys.all, ID, "POST", CHAT, 200);
	put_namespace("default", ",\"open\":true");
}

/* Parser disagreement: what is decided on is what is used. */
static void a_namespace_is_read_once(void **state)
{
	static const struct {
		const char *query;
		int status;
	} rows[] = {
		{ "namespace=default&namespace=red", 400 },
		{ "namespace=red&namespace=default", 400 },
		{ "%6eamespace=red", 401 },
		{ "namespace=default&%6eamespace=red", 400 },
		{ "chatbot=default&chatbot=red", 400 },
		{ "namespace=default&chatbot=red", 400 },
		{ "namespace=%72ed", 401 },
		{ "namespace=RED", 401 },
		{ "namespace=%20Red%20", 401 },
		{ "chatbot=red", 401 },
		{ "namespace=red&chatbot=RED", 401 },
		{ "namespace=&chatbot=red", 401 },
		{ "namespace=red%00", 400 },
		{ "namespace=red%2fdefault", 400 },
		{ "Namespace=red", 400 },
		{ "namespace=no-such", 401 },
		{ "namespace=+DEFAULT+", 200 },
		{ "namespace=default&chatbot=default", 200 },
		{ "namespace=", 200 },
	};
	char path[160];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)snprintf(path, sizeof(path), "/api/chat?message=x&%s", rows[i].query);
		expect_as(NULL, ID, "POST", path, rows[i].status);
	}
}

static void a_claimed_public_key_opens_nothing(void **state)
{
	struct answer list;

	(void)state;
	expect_as(NULL, ID, "POST", CHAT_RED "&public_key=0xadmin", 401);
	expect_as(api_keys.limited, ID, "POST", CHAT_RED, 200);
	list = send_as(NULL, "", "GET", "/api/sessions?public_key=0xadmin");
	assert_int_equal(list.status, 200);
	assert_int_equal(json_count(list.json), 0);
	answer_free(&list);
}

static void an_id_that_can_be_guessed_is_none_without_a_key(void **state)
{
	static const char *const ids[] = { "short", "aaaaaaaaaaaaaaaaaaaaaaaa",
		                           "1-2-1-2-1-2-1-2-1-2-1-2", "with a blank in the id" };
	char header[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		(void)snprintf(header, sizeof(header), "X-Session-Id: %s\r\n", ids[i]);
		expect_as(NULL, header, "GET", "/api/state", 400);
	}
	expect_as(api_keys.all, "X-Session-Id: short\r\n", "GET", "/api/state", 200);
	expect_as(api_keys.all, ID OTHER_ID, "GET", "/api/state", 400);
}

static void a_namespace_is_opened_only_by_who_has_the_system(void **state)
{
	(void)state;
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "PUT",
	                      .path = "/api/v1/namespaces/mine",
	                      .body = AGENT "}" },
	       403);
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "PUT",
	                      .path = "/api/v1/namespaces/Mine",
	                      .body = AGENT "}" },
	       400);
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "PUT",
	                      .path = "/api/v1/namespaces/mine",
	                      .body = "{\"agent\":{\"type\":\"none\"}}" },
	       400);
	put_namespace("mine", "");
	drop_namespace("mine");
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "DELETE",
	                      .path = "/api/v1/namespaces/mine" },
	       404);
}

/* ---- whose chat ---- */

static void a_chat_is_its_owner_s_whoever_knows_its_id(void **state)
{
	struct answer mine, theirs;

	(void)state;
	expect_as(api_keys.all, OTHER_ID, "POST", "/api/chat?message=a+secret", 200);
	mine = send_as(api_keys.all, OTHER_ID, "GET", "/api/state");
	assert_int_equal(json_count(answer_at(&mine, "messages")), 1);
	theirs = send_as(NULL, OTHER_ID, "GET", "/api/state");
	assert_int_equal(theirs.status, 200);
	assert_int_equal(json_count(answer_at(&theirs, "messages")), 0);
	answer_free(&theirs);
	theirs = send_as(api_keys.foreign, OTHER_ID, "GET", "/api/state");
	assert_int_equal(json_count(answer_at(&theirs, "messages")), 0);
	answer_free(&theirs);
	theirs = send_as(api_keys.plain, OTHER_ID, "GET", "/api/state");
	assert_int_equal(json_count(answer_at(&theirs, "messages")), 0);
	answer_free(&theirs);
	answer_free(&mine);
}

static void the_id_in_the_path_and_in_the_header_are_one(void **state)
{
	static const char *const tails[] = { "", "/archive", "/unarchive" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		(void)snprintf(path, sizeof(path), "/api/sessions/%s%s",
		               "6f1c9d52-0b7e-4a3f-9d18-2c5e7a90b344", tails[i]);
		expect_as(api_keys.all, OTHER_ID, i == 0 ? "GET" : "POST", path, 400);
		expect_as(api_keys.all, "", i == 0 ? "GET" : "POST", path, 400);
	}
	expect_as(api_keys.all, OTHER_ID, "GET",
	          "/api/db/sessions/6f1c9d52-0b7e-4a3f-9d18-2c5e7a90b344/messages", 400);
}

static void what_concerns_all_chats_is_for_admins(void **state)
{
	(void)state;
	expect_as(NULL, ID, "DELETE", "/api/db/cleanup-all", 401);
	expect_as(api_keys.all, ID, "DELETE", "/api/db/cleanup-all", 403);
	expect_as(NULL, ID, "GET", "/api/db/stats", 401);
	expect_as(api_keys.all, "", "GET", "/api/db/stats", 200);
}

/* ---- what they get ---- */

static void rename_chat(const char *path, const char *title, int status)
{
	char body[128];

	(void)snprintf(body, sizeof(body), "{\"title\":\"%s\"}", title);
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "PATCH",
	                      .path = path,
	                      .headers = "X-Session-Id: the-life\r\n",
	                      .body = body },
	       status);
}

#define LIFE "X-Session-Id: the-life\r\n"

static void a_chat_is_made_named_archived_and_deleted(void **state)
{
	static const char path[] = "/api/sessions/the-life";
	struct answer got;

	(void)state;
	expect_as(api_keys.all, LIFE, "GET", path, 404);
	rename_chat(path, "early", 404);
	expect_as(api_keys.all, LIFE, "POST", "/api/sessions/the-life/archive", 404);
	got = send_as(api_keys.all, LIFE, "POST", "/api/sessions");
	assert_int_equal(got.status, 200);
	assert_string_equal(answer_text(&got, "session_id"), "the-life");
	assert_string_equal(answer_text(&got, "title"), "New Chat");
	answer_free(&got);
	expect_as(api_keys.all, LIFE, "POST", "/api/chat?message=Tell+me+all+that+you+know+now",
	          200);
	got = send_as(api_keys.all, LIFE, "GET", path);
	assert_string_equal(answer_text(&got, "title"), "Tell me all that you know");
	answer_free(&got);
	rename_chat(path, "My own", 200);
	expect_as(api_keys.all, LIFE, "POST", "/api/sessions/the-life/archive", 200);
	got = send_as(api_keys.all, LIFE, "GET", path);
	assert_string_equal(answer_text(&got, "title"), "My own");
	assert_true(json_as_bool(answer_at(&got, "is_archived")));
	answer_free(&got);
	expect_as(api_keys.all, LIFE, "DELETE", path, 200);
	expect_as(api_keys.all, LIFE, "POST", "/api/chat?message=another+question", 200);
	got = send_as(api_keys.all, LIFE, "GET", "/api/db/sessions/the-life");
	assert_string_equal(answer_text(&got, "title"), "My own");
	assert_int_equal(json_as_i64(answer_at(&got, "message_count")), 2);
	assert_string_equal(answer_text(&got, "messages/1/content"), "another question");
	answer_free(&got);
	expect_as(api_keys.all, LIFE, "DELETE", "/api/db/sessions/the-life/cleanup", 200);
	expect_as(api_keys.all, LIFE, "GET", "/api/db/sessions/the-life", 404);
}

static void messages_in_a_row_are_all_there_before_any_agent_runs(void **state)
{
	static const char id[] = "X-Session-Id: in-a-row\r\n";
	struct answer got;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		got = ask(&(struct ask){ .node = i % 2,
		                         .key = api_keys.all,
		                         .method = "POST",
		                         .path = "/api/chat",
		                         .headers = id,
		                         .body = "{\"message\":\"again\"}" });
		assert_int_equal(got.status, 200);
		assert_int_equal(json_count(answer_at(&got, "messages")), i + 1);
		assert_string_equal(answer_text(&got, "messages/0/sender"), "user");
		assert_true(json_as_bool(answer_at(&got, "is_processing")));
		answer_free(&got);
	}
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "POST",
	                      .path = "/api/chat?message=y",
	                      .headers = id,
	                      .body = "{\"message\":\"x\"}" },
	       400);
	expect_as(api_keys.all, id, "POST", "/api/chat", 400);
	expect_as(api_keys.all, id, "POST", "/api/chat?message=+", 400);
	expect_as(api_keys.all, id, "POST", "/api/chat?message=a%00b", 400);
	expect_as(api_keys.all, id, "POST", "/api/chat?message=a%ffb", 400);
	expect_as(api_keys.all, id, "POST", "/api/system?message=a%00b", 400);
	expect_as(api_keys.all, id, "GET", "/api/state?user_state=%7B%7D%00", 400);
}

static void many_first_messages_at_once_begin_one_session(void **state)
{
	enum { MANY = 6 };
	static const char id[] = "X-Session-Id: at-once\r\n";
	struct client clients[MANY];
	struct answer got;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		clients[i] = ask_begin(&(struct ask){ .node = i % API_NODES,
		                                      .key = api_keys.all,
		                                      .method = "POST",
		                                      .path = "/api/chat?message=me+first",
		                                      .headers = id });
	}
	for (unsigned i = 0; i < MANY; i++) {
		got = ask_end(&clients[i]);
		assert_int_equal(got.status, 200);
		answer_free(&got);
	}
	got = send_as(api_keys.all, id, "GET", "/api/state");
	assert_int_equal(json_count(answer_at(&got, "messages")), MANY);
	/* The first part: all of them are in one session. */
	assert_memory_equal(answer_text(&got, "cursor"), "1.", 2);
	answer_free(&got);
}

static void an_interrupt_is_told_once_and_the_next_message_goes_on(void **state)
{
	static const char id[] = "X-Session-Id: interrupted\r\n";
	struct answer got;
	char path[128];

	(void)state;
	expect_as(api_keys.all, id, "POST", "/api/interrupt", 404);
	expect_as(api_keys.all, id, "POST", CHAT, 200);
	got = send_as(api_keys.all, id, "POST", "/api/interrupt");
	assert_int_equal(got.status, 200);
	assert_false(json_as_bool(answer_at(&got, "is_processing")));
	assert_int_equal(json_count(answer_at(&got, "system_events")), 1);
	assert_string_equal(answer_text(&got, "system_events/0/InlineCall/type"), "user_request");
	(void)snprintf(path, sizeof(path), "/api/state?after=%s", answer_text(&got, "cursor"));
	answer_free(&got);
	got = send_as(api_keys.all, id, "GET", path);
	assert_int_equal(json_count(answer_at(&got, "system_events")), 0);
	answer_free(&got);
	got = send_as(api_keys.all, id, "POST", "/api/chat?message=go+on");
	assert_int_equal(json_count(answer_at(&got, "messages")), 2);
	assert_memory_equal(answer_text(&got, "cursor"), "2.", 2);
	answer_free(&got);
	expect_as(api_keys.all, id, "GET", "/api/state?after=x", 400);
}

static void what_a_page_tells_is_in_the_chat_and_its_events(void **state)
{
	static const char id[] = "X-Session-Id: the-page\r\n";
	static const char json[] = "/api/system?message=%7B%22type%22:%22wallet_tx_response%22%7D";
	struct answer got;

	(void)state;
	expect_as(api_keys.all, id, "POST", "/api/system?message=early", 404);
	expect_as(api_keys.all, id, "POST", CHAT, 200);
	got = send_as(api_keys.all, id, "POST", json);
	assert_int_equal(got.status, 200);
	assert_string_equal(answer_text(&got, "res/sender"), "system");
	answer_free(&got);
	expect_as(api_keys.all, id, "POST", "/api/system?message=just+text", 200);
	got = send_as(api_keys.all, id, "GET", "/api/events");
	assert_int_equal(json_count(got.json), 2);
	assert_string_equal(answer_text(&got, "0/AsyncCallback/type"), "wallet_tx_response");
	assert_string_equal(answer_text(&got, "1/SystemNotice"), "just text");
	answer_free(&got);
	got = send_as(api_keys.all, id, "GET", "/api/events?count=1");
	assert_int_equal(json_count(got.json), 1);
	answer_free(&got);
	got = send_as(api_keys.all, id, "GET", "/api/events?count=few");
	assert_int_equal(json_count(got.json), 2);
	answer_free(&got);
}

static void models_and_namespaces_are_chosen_from_lists(void **state)
{
	static const char id[] = "X-Session-Id: choosing\r\n";
	struct answer got;

	(void)state;
	got = send_as(api_keys.limited, id, "GET", "/api/control/namespaces");
	assert_int_equal(json_count(got.json), 1);
	assert_string_equal(answer_text(&got, "0"), "red");
	answer_free(&got);
	got = send_as(NULL, ID, "GET", "/api/control/namespaces");
	assert_int_equal(json_count(got.json), 1);
	assert_string_equal(answer_text(&got, "0"), "default");
	answer_free(&got);
	got = send_as(api_keys.all, id, "GET", "/api/control/models");
	assert_int_equal(json_count(got.json), 6);
	answer_free(&got);
	got = send_as(api_keys.all, id, "POST", "/api/control/model?rig=+Sonnet&baml=fast");
	assert_int_equal(got.status, 200);
	assert_string_equal(answer_text(&got, "rig"), "sonnet-4");
	assert_string_equal(answer_text(&got, "baml"), "CustomFast");
	answer_free(&got);
	expect_as(api_keys.all, id, "POST", "/api/control/model?rig=none", 400);
	expect_as(api_keys.plain, id, "POST", "/api/control/model?rig=opus&namespace=red", 403);
	got = send_as(api_keys.all, id, "POST", "/api/memory-mode?memory_mode=true");
	assert_int_equal(got.status, 200);
	assert_true(json_as_bool(answer_at(&got, "data/memory_mode")));
	answer_free(&got);
	expect_as(api_keys.all, id, "GET", "/api/state?user_state=%7B%22chainId%22:1%7D", 200);
	expect_as(api_keys.all, id, "GET", "/api/state?user_state=%7B%22chainId%22:%22x%22%7D",
	          400);
}

static void all_chats_of_a_tenant_go_at_once_and_no_others(void **state)
{
	struct answer got;

	(void)state;
	put_namespace("red", "");
	got = send_as(api_keys.all, "", "GET", "/api/sessions?public_key=x&limit=2");
	assert_int_equal(json_count(got.json), 2);
	answer_free(&got);
	got = send_as(api_keys.admin, "", "DELETE", "/api/db/cleanup-all");
	assert_int_equal(got.status, 200);
	assert_true(json_as_i64(answer_at(&got, "sessions_deleted")) > 3);
	answer_free(&got);
	got = send_as(api_keys.all, "", "GET", "/api/sessions");
	assert_int_equal(json_count(got.json), 0);
	answer_free(&got);
	drop_namespace("default");
	expect_as(NULL, ID, "GET", "/api/state", 401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_documented_matrix_says_holds),
		cmocka_unit_test(where_nothing_is_open_nobody_comes_in_without_a_key),
		cmocka_unit_test(a_namespace_is_read_once),
		cmocka_unit_test(a_claimed_public_key_opens_nothing),
		cmocka_unit_test(an_id_that_can_be_guessed_is_none_without_a_key),
		cmocka_unit_test(a_namespace_is_opened_only_by_who_has_the_system),
		cmocka_unit_test(a_chat_is_its_owner_s_whoever_knows_its_id),
		cmocka_unit_test(the_id_in_the_path_and_in_the_header_are_one),
		cmocka_unit_test(what_concerns_all_chats_is_for_admins),
		cmocka_unit_test(a_chat_is_made_named_archived_and_deleted),
		cmocka_unit_test(messages_in_a_row_are_all_there_before_any_agent_runs),
		cmocka_unit_test(many_first_messages_at_once_begin_one_session),
		cmocka_unit_test(an_interrupt_is_told_once_and_the_next_message_goes_on),
		cmocka_unit_test(what_a_page_tells_is_in_the_chat_and_its_events),
		cmocka_unit_test(models_and_namespaces_are_chosen_from_lists),
		cmocka_unit_test(all_chats_of_a_tenant_go_at_once_and_no_others),
	};

	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
