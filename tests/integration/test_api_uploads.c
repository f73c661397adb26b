/* fairlead-api and what is uploaded for prompts. */
#include <string.h>

#include "base/mem.h"
#include "pg/pg.h"
#include "tests/integration/api_world.h"
#include "upload/upload_store.h"

#define PNG       "\x89PNG\r\n\x1a\n the rest of a picture"
#define KEY(name) api_keys.name

static const char *const settings[] = { "FAIRLEAD_UPLOAD_MAX=1MiB",
	                                "FAIRLEAD_UPLOAD_TENANT_MAX=3MiB", NULL };

/* ---- uploading ---- */

struct upload_ask {
	const char *key, *query, *type; /* type NULL: none is said */
	struct str bytes;
	bool chunked;
};

static struct answer upload(const struct upload_ask *what)
{
	char path[256], headers[256], type[128] = "";
	struct client client;

	(void)snprintf(path, sizeof(path), "/api/v1/uploads%s",
	               what->query != NULL ? what->query : "");
	if (what->type != NULL) {
		(void)snprintf(type, sizeof(type), "Content-Type: %s\r\n", what->type);
	}
	if (what->chunked) {
		(void)snprintf(headers, sizeof(headers), "%sTransfer-Encoding: chunked\r\n", type);
	} else {
		(void)snprintf(headers, sizeof(headers), "%sContent-Length: %zu\r\n", type,
		               what->bytes.n);
	}
	client = ask_begin(&(struct ask){
		.key = what->key, .method = "POST", .path = path, .headers = headers });
	if (what->chunked) {
		(void)snprintf(headers, sizeof(headers), "%zx\r\n", what->bytes.n);
		client_say(&client, headers);
	}
	client_send(&client, what->bytes);
	if (what->chunked) {
		client_say(&client, "\r\n0\r\n\r\n");
	}
	return ask_end(&client);
}

static void expect_upload(const struct upload_ask *what, int status, const char *words)
{
	struct answer answer = upload(what);

	if (answer.status != status || strstr(buf_cstr(&answer.reply.body), words) == NULL) {
		fail_msg("%d, not %d with %s: %s", answer.status, status, words,
		         buf_cstr(&answer.reply.body));
	}
	answer_free(&answer);
}

/* Of a name that nothing else has. */
static void upload_as(const char *key, const char *name, struct str bytes, char id[ID_LEN + 1])
{
	char query[128];
	struct answer answer;

	(void)snprintf(query, sizeof(query), "?name=%s", name);
	answer = upload(&(struct upload_ask){ .key = key, .query = query, .bytes = bytes });
	if (answer.status != 201) {
		fail_msg("%d: %s", answer.status, buf_cstr(&answer.reply.body));
	}
	assert_true(str_copy(id, ID_LEN + 1, str_of(answer_text(&answer, "id"))));
	answer_free(&answer);
}

static struct str filled(size_t n, int byte)
{
	char *bytes = mem_calloc(1, n);

	memset(bytes, byte, n);
	return str_make(bytes, n);
}

static void drop(struct str bytes)
{
	free((void *)(uintptr_t)bytes.p);
}

static const char *path_of(const char *id, const char *tail)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "/api/v1/uploads/%s%s", id, tail);
	return path;
}

static void remove_upload(const char *id)
{
	expect(&(struct ask){ .key = KEY(all), .method = "DELETE", .path = path_of(id, "") }, 204);
}

/* ---- what is in the store ---- */

static const char count_text[] =
	"SELECT (SELECT count(*) FROM upload_contents), (SELECT count(*) FROM upload_chunks), "
	"(SELECT count(*) FROM uploads)";
static const struct text count_query = { "test_uploads_count", "0", count_text,
	                                 sizeof(count_text) - 1 };

static struct {
	uint64_t contents, chunks, uploads;
} store;

static void count(struct pg *pg)
{
	const struct pg_params none = { 0 };
	struct pg_rows *rows = NULL;
	struct err err;

	assert_int_equal(pg_query(pg, "", &count_query, &none, &rows, &err), ERR_OK);
	store.contents = pg_u64(rows, 0, 0);
	store.chunks = pg_u64(rows, 0, 1);
	store.uploads = pg_u64(rows, 0, 2);
	pg_rows_free(rows);
}

static void assert_store(uint64_t contents, uint64_t chunks, uint64_t uploads)
{
	with_pg(count);
	if (store.contents != contents || store.chunks != chunks || store.uploads != uploads) {
		fail_msg("%d contents, %d chunks, %d uploads", (int)store.contents,
		         (int)store.chunks, (int)store.uploads);
	}
}

/* ---- tests ---- */

static void an_upload_is_kept_shown_and_removed(void **state)
{
	struct answer made = upload(&(struct upload_ask){ .key = KEY(all),
	                                                  .query = "?name=a%20shot.png",
	                                                  .type = "image/png",
	                                                  .bytes = STR_LIT(PNG) });
	struct answer got;
	char id[ID_LEN + 1];

	(void)state;
	assert_int_equal(made.status, 201);
	assert_true(str_copy(id, sizeof(id), str_of(answer_text(&made, "id"))));
	assert_string_equal(client_field(&made.reply, "Location"), path_of(id, ""));
	assert_string_equal(answer_text(&made, "name"), "a shot.png");
	assert_string_equal(answer_text(&made, "mediaType"), "image/png");
	assert_int_equal(json_as_i64(answer_at(&made, "size")), sizeof(PNG) - 1);
	assert_int_equal(strlen(answer_text(&made, "sha256")), 64);

	got = get(path_of(id, ""));
	assert_string_equal(buf_cstr(&got.reply.body), buf_cstr(&made.reply.body));
	answer_free(&got);
	answer_free(&made);
	got = ask(&(struct ask){
		.key = KEY(reader), .method = "GET", .path = path_of(id, "/content") });
	assert_int_equal(got.status, 200);
	assert_int_equal(got.reply.body.len, sizeof(PNG) - 1);
	assert_memory_equal(got.reply.body.data, PNG, sizeof(PNG) - 1);
	assert_string_equal(client_field(&got.reply, "Content-Type"), "image/png");
	assert_string_equal(client_field(&got.reply, "X-Content-Type-Options"), "nosniff");
	assert_string_equal(client_field(&got.reply, "Content-Disposition"),
	                    "attachment; filename*=UTF-8''a%20shot.png");
	assert_string_equal(client_field(&got.reply, "Content-Security-Policy"),
	                    "default-src 'none'; sandbox");
	answer_free(&got);
	got = get("/api/v1/uploads");
	assert_int_equal(json_count(answer_at(&got, "items")), 1);
	answer_free(&got);
	expect(&(struct ask){ .key = KEY(reader), .method = "DELETE", .path = path_of(id, "") },
	       403);
	remove_upload(id);
	expect(&(struct ask){ .key = KEY(all), .method = "DELETE", .path = path_of(id, "") }, 404);
	expect(&(struct ask){ .key = KEY(all), .method = "GET", .path = path_of(id, "/content") },
	       404);
	assert_store(0, 0, 0);
}

static void a_head_says_how_much_there_is(void **state)
{
	char id[ID_LEN + 1];
	struct client client;
	struct client_reply reply;

	(void)state;
	upload_as(KEY(all), "x", STR_LIT("twelve bytes"), id);
	client = ask_begin(&(struct ask){
		.key = KEY(all), .method = "HEAD", .path = path_of(id, "/content") });
	client_head(&client, &reply);
	assert_int_equal(reply.status, 200);
	assert_string_equal(client_field(&reply, "Content-Length"), "12");
	client_expect_end(&client);
	client_close(&client);
	remove_upload(id);
}

static void nobody_else_sees_it(void **state)
{
	char id[ID_LEN + 1], red[ID_LEN + 1];

	(void)state;
	upload_as(KEY(all), "x", STR_LIT("secret plans"), id);
	upload_as(KEY(limited), "y", STR_LIT("red plans"), red);
	expect(&(struct ask){ .key = KEY(foreign), .method = "GET", .path = path_of(id, "") }, 404);
	expect(&(struct ask){ .key = KEY(foreign),
	                      .method = "GET",
	                      .path = path_of(id, "/content") },
	       404);
	expect(&(struct ask){ .key = KEY(foreign), .method = "DELETE", .path = path_of(id, "") },
	       404);
	/* A key of some namespaces sees its own, and that is all. */
	expect(&(struct ask){ .key = KEY(limited), .method = "GET", .path = path_of(id, "") }, 404);
	expect(&(struct ask){ .key = KEY(limited), .method = "GET", .path = path_of(red, "") },
	       200);
	expect(&(struct ask){ .key = KEY(plain), .method = "GET", .path = path_of(red, "") }, 404);
	expect(&(struct ask){ .key = KEY(all), .method = "GET", .path = path_of(red, "") }, 200);
	expect(&(struct ask){ .key = KEY(all), .method = "GET", .path = path_of("nonsense", "") },
	       404);
	expect_upload(&(struct upload_ask){ .key = KEY(reader), .bytes = STR_LIT("x") }, 403, "");
	remove_upload(id);
	remove_upload(red);
}

static void the_same_content_is_stored_once(void **state)
{
	struct str bytes = filled(600 * 1024, 'a');
	char one[ID_LEN + 1], two[ID_LEN + 1], theirs[ID_LEN + 1];
	struct answer got;

	(void)state;
	upload_as(KEY(all), "one", bytes, one);
	assert_store(1, 3, 1);
	upload_as(KEY(all), "two", bytes, two);
	assert_store(1, 3, 2);
	upload_as(KEY(foreign), "theirs", bytes, theirs);
	assert_store(2, 6, 3);
	remove_upload(one);
	assert_store(2, 6, 2);
	got = get(path_of(two, "/content"));
	assert_int_equal(got.reply.body.len, bytes.n);
	assert_memory_equal(got.reply.body.data, bytes.p, bytes.n);
	answer_free(&got);
	remove_upload(two);
	assert_store(1, 3, 1);
	expect(&(struct ask){ .key = KEY(foreign),
	                      .method = "DELETE",
	                      .path = path_of(theirs, "") },
	       204);
	assert_store(0, 0, 0);
	drop(bytes);
}

static void what_is_too_large_or_not_what_it_says_is_refused(void **state)
{
	struct str most = filled(1024 * 1024, 'b'), more = filled(1024 * 1024 + 1, 'b');
	char id[ID_LEN + 1];

	(void)state;
	upload_as(KEY(all), "most", most, id);
	remove_upload(id);
	expect_upload(&(struct upload_ask){ .key = KEY(all), .bytes = more }, 413, "1048576 bytes");
	expect_upload(&(struct upload_ask){ .key = KEY(all), .bytes = more, .chunked = true }, 413,
	              "1048576 bytes");
	expect_upload(&(struct upload_ask){ .key = KEY(all), .bytes = STR_LIT("") }, 400,
	              "the bytes of the file");
	expect_upload(&(struct upload_ask){ .key = KEY(all), .type = "png", .bytes = most }, 400,
	              "media type");
	expect_upload(&(struct upload_ask){ .key = KEY(all),
	                                    .type = "image/jpeg",
	                                    .bytes = STR_LIT(PNG) },
	              415, "the content is not image/jpeg");
	expect_upload(
		&(struct upload_ask){ .key = KEY(all), .query = "?name=a%2Fb", .bytes = most }, 400,
		"no slashes");
	expect_upload(&(struct upload_ask){ .key = KEY(all), .query = "?nam=a", .bytes = most },
	              400, "nam");
	assert_store(0, 0, 0);
	drop(most);
	drop(more);
}

static void a_tenant_has_so_much_room(void **state)
{
	struct str bytes[4];
	char ids[3][ID_LEN + 1], theirs[ID_LEN + 1], again[ID_LEN + 1];

	(void)state;
	for (int i = 0; i < 4; i++) {
		bytes[i] = filled(1000 * 1000, 'a' + i);
	}
	for (int i = 0; i < 3; i++) {
		upload_as(KEY(all), "full", bytes[i], ids[i]);
	}
	expect_upload(&(struct upload_ask){ .key = KEY(all), .bytes = bytes[3] }, 409,
	              "too much room");
	/* The room of others is theirs. */
	upload_as(KEY(foreign), "x", bytes[3], theirs);
	remove_upload(ids[0]);
	upload_as(KEY(all), "again", bytes[3], again);
	remove_upload(ids[1]);
	remove_upload(ids[2]);
	remove_upload(again);
	expect(&(struct ask){ .key = KEY(foreign),
	                      .method = "DELETE",
	                      .path = path_of(theirs, "") },
	       204);
	assert_store(0, 0, 0);
	for (int i = 0; i < 4; i++) {
		drop(bytes[i]);
	}
}

static void await_store(uint64_t contents, uint64_t at_least_chunks)
{
	for (int i = 0; i < 1000; i++) {
		with_pg(count);
		if (store.contents == contents && store.chunks >= at_least_chunks) {
			return;
		}
		(void)usleep(10000);
	}
	fail_msg("%d contents, %d chunks", (int)store.contents, (int)store.chunks);
}

static void an_upload_that_breaks_off_leaves_nothing(void **state)
{
	struct str bytes = filled(700 * 1024, 'c');
	struct client client;

	(void)state;
	client = ask_begin(&(struct ask){ .key = KEY(all),
	                                  .method = "POST",
	                                  .path = "/api/v1/uploads",
	                                  .headers = "Content-Length: 900000\r\n" });
	client_send(&client, bytes);
	await_store(1, 2);
	client_close(&client);
	await_store(0, 0);
	assert_store(0, 0, 0);
	drop(bytes);
}

/* ---- what goes by itself, and what workers see ---- */

static const char age_text[] =
	"WITH u AS (UPDATE uploads SET used_at = now() - interval '2 days'), "
	"c AS (UPDATE upload_contents SET created_at = now() - interval '2 days') "
	"SELECT 1";
static const struct text age_query = { "test_uploads_age", "0", age_text, sizeof(age_text) - 1 };

static void prune(struct pg *pg)
{
	const struct pg_params none = { 0 };
	uint64_t count = 7;
	struct err err;

	assert_int_equal(upload_prune(pg, 24 * 3600, &count, &err), ERR_OK);
	assert_int_equal(count, 0);
	assert_int_equal(pg_query(pg, "", &age_query, &none, NULL, &err), ERR_OK);
	assert_int_equal(upload_prune(pg, 0, &count, &err), ERR_OK);
	assert_int_equal(count, 0);
	assert_int_equal(upload_prune(pg, 24 * 3600, &count, &err), ERR_OK);
	assert_int_equal(count, 2); /* the upload and its content */
}

static const char use_text[] = "UPDATE uploads SET used_at = now()";
static const struct text use_query = { "test_uploads_use", "0", use_text, sizeof(use_text) - 1 };
static const char waits_text[] = "SELECT count(*) FROM pg_locks WHERE NOT granted";
static const struct text waits_query = { "test_uploads_waits", "0", waits_text,
	                                 sizeof(waits_text) - 1 };

struct pruning {
	struct pg *pg;
	uint64_t count;
	bool done;
};

static void prune_beside(void *arg)
{
	struct pruning *pruning = arg;
	struct err err;

	assert_int_equal(upload_prune(pruning->pg, 24 * 3600, &pruning->count, &err), ERR_OK);
	pruning->done = true;
}

static void await_waiting(struct pg_tx *tx)
{
	const struct pg_params none = { 0 };
	uint64_t waiting = 0;
	struct err err;

	while (waiting == 0) {
		struct pg_rows *rows CLEANUP(pg_rows_cleanup) = NULL;

		assert_int_equal(pg_tx_query(tx, &waits_query, &none, &rows, &err), ERR_OK);
		waiting = pg_u64(rows, 0, 0);
	}
}

static void prune_one_in_use(struct pg *pg)
{
	const struct pg_params none = { 0 };
	struct pruning pruning = { .pg = pg };
	struct pg_tx *tx;
	struct err err;

	assert_int_equal(pg_query(pg, "", &age_query, &none, NULL, &err), ERR_OK);
	assert_int_equal(pg_begin(pg, "", &tx, &err), ERR_OK);
	assert_int_equal(pg_tx_query(tx, &use_query, &none, NULL, &err), ERR_OK);
	(void)fiber_start(fiber_loop(), NULL, "prune", prune_beside, &pruning);
	await_waiting(tx);
	assert_int_equal(pg_commit(tx, &err), ERR_OK);
	while (!pruning.done) {
		assert_int_equal(fiber_yield(), ERR_OK);
	}
	assert_int_equal(pruning.count, 0);
}

static void what_is_used_while_the_old_go_stays(void **state)
{
	char id[ID_LEN + 1];

	(void)state;
	upload_as(KEY(all), "old", STR_LIT("old"), id);
	with_pg(prune_one_in_use);
	remove_upload(id);
	assert_store(0, 0, 0);
}

static void what_is_not_used_for_long_goes(void **state)
{
	char id[ID_LEN + 1];

	(void)state;
	upload_as(KEY(all), "old", STR_LIT("old"), id);
	with_pg(prune);
	expect(&(struct ask){ .key = KEY(all), .method = "GET", .path = path_of(id, "") }, 404);
	assert_store(0, 0, 0);
}

static struct id its_session, own, foreign;

static void look_as_worker(struct pg *pg)
{
	struct arena *arena = arena_new();
	struct upload upload;
	struct err err;

	assert_int_equal(upload_use_for(pg, &its_session, &own, arena, &upload, &err), ERR_OK);
	assert_int_equal(upload.size, 4);
	assert_int_equal(upload_use_for(pg, &its_session, &foreign, arena, &upload, &err),
	                 ERR_NOT_FOUND);
	arena_free(arena);
}

static void a_session_gets_what_its_tenant_has(void **state)
{
	(void)state;
	its_session = make_session("");
	upload_as(KEY(all), "own", STR_LIT("ours"), own.s);
	upload_as(KEY(foreign), "foreign", STR_LIT("theirs"), foreign.s);
	with_pg(look_as_worker);
	remove_upload(own.s);
	expect(&(struct ask){ .key = KEY(foreign),
	                      .method = "DELETE",
	                      .path = path_of(foreign.s, "") },
	       204);
	assert_store(0, 0, 0);
}

/* ---- prompts ---- */

static void expect_prompt(const struct id *sid, const char *body, int status, const char *words)
{
	struct answer answer = post(session_path(sid, "/prompt"), body);

	if (answer.status != status || strstr(buf_cstr(&answer.reply.body), words) == NULL) {
		fail_msg("%d, not %d with %s: %s", answer.status, status, words,
		         buf_cstr(&answer.reply.body));
	}
	answer_free(&answer);
}

static void prompts_and_tasks_refer_to_what_is_there(void **state)
{
	struct id sid = make_session("");
	char picture[ID_LEN + 1], words[ID_LEN + 1], theirs[ID_LEN + 1], body[1024];
	struct answer got;

	(void)state;
	upload_as(KEY(all), "shot.png", STR_LIT(PNG), picture);
	upload_as(KEY(all), "notes.txt", STR_LIT("some words"), words);
	upload_as(KEY(foreign), "x", STR_LIT(PNG), theirs);
	(void)snprintf(body, sizeof(body),
	               "{\"prompt\":[{\"type\":\"text\",\"text\":\"look\"},{\"type\":\"image\","
	               "\"upload\":\"%s\"},{\"type\":\"file\",\"upload\":\"%s\"}]}",
	               picture, words);
	expect_prompt(&sid, body, 202, "commandId");
	got = get(session_path(&sid, "/prompts"));
	assert_non_null(strstr(buf_cstr(&got.reply.body), picture));
	answer_free(&got);
	(void)snprintf(body, sizeof(body), "{\"prompt\":[{\"type\":\"image\",\"upload\":\"%s\"}]}",
	               words);
	expect_prompt(&sid, body, 400, "prompt[0].upload\":[\"must be a picture");
	(void)snprintf(body, sizeof(body),
	               "{\"prompt\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"file\","
	               "\"upload\":\"%s\"}]}",
	               theirs);
	expect_prompt(&sid, body, 400, "prompt[1].upload\":[\"is no upload");
	expect_prompt(&sid, "{\"prompt\":[{\"type\":\"file\",\"upload\":\"x\"}]}", 400,
	              "must be the id of an upload");
	(void)snprintf(body, sizeof(body),
	               "{\"prompt\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"file\","
	               "\"upload\":\"%s\"}]," TASK_PARTS "}",
	               theirs);
	got = post("/api/v1/tasks", body);
	assert_int_equal(got.status, 400);
	assert_non_null(strstr(buf_cstr(&got.reply.body), "prompt[1].upload"));
	answer_free(&got);
	(void)snprintf(body, sizeof(body),
	               "{\"prompt\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\","
	               "\"upload\":\"%s\"}]," TASK_PARTS "}",
	               picture);
	expect_post("/api/v1/tasks", body, 201);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_upload_is_kept_shown_and_removed),
		cmocka_unit_test(a_head_says_how_much_there_is),
		cmocka_unit_test(nobody_else_sees_it),
		cmocka_unit_test(the_same_content_is_stored_once),
		cmocka_unit_test(what_is_too_large_or_not_what_it_says_is_refused),
		cmocka_unit_test(a_tenant_has_so_much_room),
		cmocka_unit_test(an_upload_that_breaks_off_leaves_nothing),
		cmocka_unit_test(what_is_used_while_the_old_go_stays),
		cmocka_unit_test(what_is_not_used_for_long_goes),
		cmocka_unit_test(a_session_gets_what_its_tenant_has),
		cmocka_unit_test(prompts_and_tasks_refer_to_what_is_there),
	};

	api_settings = settings;
	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
