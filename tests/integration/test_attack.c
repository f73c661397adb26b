/*
 * What an attacker tries at the doors: to reach what another tenant has by every id in every place
 * of every route, to be somebody else by a token that was tampered with, and to have the server and
 * what stands in front of it disagree about a request.
 */
#include <stdio.h>
#include <string.h>

#include "api_world.h"
#include "login/login.h"
#include "rest/query.h"
#include "rest/rest.h"
#include "tests/support/test.h"

/* Of tenant acme, in whatever text it may write. */
#define CANARY "canary-of-acme-4b1f"
#define CHAT   "6f1c9d52-0b7e-4a3f-9d18-2c5e7a90b344"
#define AGENT  "{\"type\":\"command\",\"settings\":{\"argv\":[\"cat\",\"" CANARY "\"]}}"
#define TASK_OF(more)                                                                              \
	"{\"prompt\":\"" CANARY "\",\"labels\":{\"l\":\"" CANARY "\"}" more "," TASK_PARTS "}"
#define SCHEDULE "{\"name\":\"" CANARY "\",\"everySeconds\":3600,\"task\":" TASK_OF("") "}"

enum { KEY_SIZE = 128, PATH_SIZE = 512, BODY_SIZE = 4096, TOKEN_SIZE = 9000, HEADERS_SIZE = 20000 };

/* The walk is one client that asks a lot. */
static const char *const settings[] = { "FAIRLEAD_RATE_ADDRESS=", "FAIRLEAD_RATE_TENANT=",
	                                "FAIRLEAD_RATE_KEY=", NULL };

/* ---- what acme has ---- */

enum thing {
	SESSION,
	SCHEDULE_ID,
	USER,
	KEY,
	PROJECT,
	LOGIN,
	BROWSER,
	STREAM,
	NAMESPACE,
	CHAT_ID,
	THING_COUNT
};

static struct {
	char ids[THING_COUNT][64], unknown[THING_COUNT][64];
	char user_key[KEY_SIZE], token[TOKEN_SIZE];
	char rival[KEY_SIZE]; /* an admin of the other tenant */
	struct client stream; /* open */
} acme;

static void take(const struct answer *answer, const char *path, char *ret, size_t size)
{
	if (answer->status != 200 && answer->status != 201) {
		fail_msg("%d %s", answer->status, buf_cstr(&answer->reply.body));
	}
	assert_true(str_copy(ret, size, str_of(answer_text(answer, path))));
}

static void make(const char *path, const char *body, enum thing thing)
{
	struct answer answer = ask(&(struct ask){
		.key = api_keys.admin, .method = "POST", .path = path, .body = body });

	take(&answer, "id", acme.ids[thing], sizeof(acme.ids[thing]));
	answer_free(&answer);
}

static struct id person;

static void log_in(struct pg *pg)
{
	const struct login_options options = { .pg = pg,
		                               .secret = cred_pepper_from(STR_LIT("any")),
		                               .idle_s = 3600,
		                               .life_s = 86400 };
	struct login_made made;
	struct err err;

	if (login_create(&options,
	                 &(struct login_new){ .user = &person,
	                                      .tenant = "acme",
	                                      .means = "password",
	                                      .agent = CANARY },
	                 &made, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	(void)str_copy(acme.ids[BROWSER], sizeof(acme.ids[BROWSER]), str_of(made.login.s));
}

static void make_login(void)
{
	struct answer answer;
	struct id user;

	make_user("operator", &user, acme.user_key);
	person = user;
	with_pg(log_in);
	answer = ask(&(struct ask){ .key = acme.user_key,
	                            .method = "POST",
	                            .path = "/api/v1/tokens",
	                            .body = "{\"client\":\"" CANARY "\"}" });
	take(&answer, "login", acme.ids[LOGIN], sizeof(acme.ids[LOGIN]));
	take(&answer, "accessToken", acme.token, sizeof(acme.token));
	answer_free(&answer);
}

static void make_chat(void)
{
	struct answer answer = ask(&(struct ask){ .key = api_keys.admin,
	                                          .method = "PUT",
	                                          .path = "/api/v1/namespaces/acme-red",
	                                          .body = "{\"agent\":" AGENT "}" });

	assert_int_equal(answer.status, 201);
	answer_free(&answer);
	(void)str_copy(acme.ids[NAMESPACE], sizeof(acme.ids[NAMESPACE]), STR_LIT("acme-red"));
	(void)str_copy(acme.ids[CHAT_ID], sizeof(acme.ids[CHAT_ID]), STR_LIT(CHAT));
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "POST",
	                      .path = "/api/chat?namespace=acme-red&message=" CANARY,
	                      .headers = "X-Session-Id: " CHAT "\r\n" },
	       200);
}

static void open_stream(void)
{
	char path[PATH_SIZE];
	const char *name;

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/events", acme.ids[SESSION]);
	acme.stream = ask_begin(&(struct ask){ .node = API_NODES,
	                                       .key = acme.user_key,
	                                       .method = "GET",
	                                       .path = path,
	                                       .headers = "Accept: text/event-stream\r\n" });
	while (strstr(buf_cstr(&acme.stream.in), "\r\n\r\n") == NULL) {
		assert_true(client_more(&acme.stream));
	}
	name = strstr(buf_cstr(&acme.stream.in), "X-Stream-Id: ");
	assert_non_null(name);
	name += strlen("X-Stream-Id: ");
	assert_true(str_copy(acme.ids[STREAM], sizeof(acme.ids[STREAM]),
	                     str_make(name, strcspn(name, "\r"))));
}

static int setup(void **state)
{
	char id[ID_LEN + 1];
	struct answer answer;

	if (api_world_setup(state) != 0) {
		return -1;
	}
	(void)str_copy(acme.ids[SESSION], sizeof(acme.ids[SESSION]),
	               str_of(make_session(",\"labels\":{\"l\":\"" CANARY "\"}").s));
	make("/api/v1/schedules", SCHEDULE, SCHEDULE_ID);
	make("/api/v1/service-accounts", "{\"name\":\"" CANARY "\",\"role\":\"viewer\"}", USER);
	make("/api/v1/keys", "{\"name\":\"" CANARY "\",\"scopes\":[\"admin\"]}", KEY);
	make("/api/v1/projects", "{\"name\":\"" CANARY "\"}", PROJECT);
	make_login();
	make_chat();
	open_stream();
	answer = ask(&(struct ask){ .key = api_keys.admin,
	                            .method = "POST",
	                            .path = "/api/v1/tenants/rival/keys",
	                            .body = "{\"name\":\"x\",\"scopes\":[\"admin\"]}" });
	take(&answer, "id", id, sizeof(id));
	take(&answer, "key", acme.rival, sizeof(acme.rival));
	answer_free(&answer);
	return 0;
}

static int teardown(void **state)
{
	client_close(&acme.stream);
	return api_world_teardown(state);
}

/* Of the same form, and nobody's. */
static void refresh_unknown(void)
{
	static unsigned turn;

	for (unsigned i = 0; i < THING_COUNT; i++) {
		const struct id id = id_new();

		(void)snprintf(acme.unknown[i], sizeof(acme.unknown[i]), "%s", id.s);
	}
	turn++;
	(void)snprintf(acme.unknown[STREAM], sizeof(acme.unknown[STREAM]), "f%015x", turn);
	(void)snprintf(acme.unknown[NAMESPACE], sizeof(acme.unknown[NAMESPACE]), "acme-%03u", turn);
	(void)snprintf(acme.unknown[CHAT_ID], sizeof(acme.unknown[CHAT_ID]),
	               "6f1c9d52-0b7e-4a3f-9d18-2c5e7a9%05x", turn);
}

/* ---- asking for it ---- */

static void replace(const char *text, const char *what, const char *by, struct buf *out)
{
	buf_reset(out);
	for (const char *hit; (hit = strstr(text, what)) != NULL; text = hit + strlen(what)) {
		buf_add(out, text, (size_t)(hit - text));
		buf_add_cstr(out, by);
	}
	buf_add_cstr(out, text);
}

static void assert_no_canary(const char *where, const struct answer *answer)
{
	if (strstr(answer->reply.head, CANARY) != NULL ||
	    strstr(buf_cstr(&answer->reply.body), CANARY) != NULL) {
		fail_msg("%s tells what another tenant wrote: %s", where,
		         buf_cstr(&answer->reply.body));
	}
}

static unsigned node_of_route(const struct rest_route *route)
{
	return route->side == REST_PREFIX || route->side == REST_NODE ? API_NODES : 0;
}

/* As the admin of the other tenant, with one value in every place that ought to agree with it. */
static struct answer try_value(const struct rest_route *route, const char *path, const char *value,
                               const char *body)
{
	char headers[PATH_SIZE];

	(void)snprintf(headers, sizeof(headers), "X-Request-Id: attack\r\nX-Session-Id: %s\r\n",
	               value);
	return ask(&(struct ask){ .node = node_of_route(route),
	                          .key = acme.rival,
	                          .method = http_method_name(route->method),
	                          .path = path,
	                          .headers = headers,
	                          .body = body });
}

static void assert_alike(const struct rest_route *route, const char *place,
                         const struct answer *theirs, const struct answer *none, enum thing thing)
{
	struct buf a, b;

	buf_init(&a, SIZE_MAX / 2);
	buf_init(&b, SIZE_MAX / 2);
	replace(buf_cstr(&theirs->reply.body), acme.ids[thing], "<id>", &a);
	replace(buf_cstr(&none->reply.body), acme.unknown[thing], "<id>", &b);
	if (theirs->status != none->status || strcmp(buf_cstr(&a), buf_cstr(&b)) != 0) {
		fail_msg("%s %s with %s %u: %d %s\nunknown: %d %s", http_method_name(route->method),
		         route->pattern, place, thing, theirs->status, buf_cstr(&a), none->status,
		         buf_cstr(&b));
	}
	assert_no_canary(route->pattern, theirs);
	buf_fini(&a);
	buf_fini(&b);
}

/* What a route needs to look for what it names. */
static const char *body_of(enum rest_op op)
{
	static const struct {
		enum rest_op op;
		const char *body;
	} bodies[] = {
		{ REST_OP_session_prompt, "{\"prompt\":\"x\"}" },
		{ REST_OP_event_append,
		  "{\"events\":[{\"type\":\"log\",\"level\":\"info\",\"message\":\"x\","
		  "\"stream\":\"stdout\"}]}" },
		{ REST_OP_schedule_replace, "{\"everySeconds\":60,\"task\":" TASK "}" },
		{ REST_OP_user_change, "{\"role\":\"viewer\"}" },
		{ REST_OP_project_rename, "{\"name\":\"x\"}" },
		{ REST_OP_namespace_put,
		  "{\"agent\":{\"type\":\"command\",\"settings\":{\"argv\":[\"true\"]}}}" },
		{ REST_OP_aomi_session_rename, "{\"title\":\"x\"}" },
		{ REST_OP_tenant_key_create, "{\"name\":\"x\",\"scopes\":[\"admin\"]}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		if (bodies[i].op == op) {
			return bodies[i].body;
		}
	}
	return rest_routes[op].body != NULL ? "{}" : NULL;
}

/* A namespace is the tenant's own, whatever others call theirs. */
static bool makes_own(enum rest_op op)
{
	return op == REST_OP_namespace_put || op == REST_OP_namespace_delete;
}

static void try_path(enum rest_op op, enum thing thing)
{
	const struct rest_route *route = &rest_routes[op];
	struct answer theirs = try_value(route, fill_path(route->pattern, acme.ids[thing]),
	                                 acme.ids[thing], body_of(op));
	struct answer none = try_value(route, fill_path(route->pattern, acme.unknown[thing]),
	                               acme.unknown[thing], body_of(op));

	assert_alike(route, "path", &theirs, &none, thing);
	if (theirs.status < 300 && !makes_own(op)) {
		fail_msg("%s %s did something with %u: %d", http_method_name(route->method),
		         route->pattern, thing, theirs.status);
	}
	answer_free(&theirs);
	answer_free(&none);
}

static bool is_elsewhere(const struct rest_route *route)
{
	return route->side == REST_STREAMER || (route->traits & REST_SOCKET) != 0;
}

static void what_is_foreign_is_as_good_as_none_in_every_path(void **state)
{
	unsigned tried = 0;

	(void)state;
	refresh_unknown();
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		if (rest_pattern_param(rest_routes[i].pattern, 0).p == NULL ||
		    is_elsewhere(&rest_routes[i])) {
			continue;
		}
		for (unsigned thing = 0; thing < THING_COUNT; thing++) {
			try_path((enum rest_op)i, (enum thing)thing);
			tried++;
		}
	}
	assert_true(tried >= 40 * THING_COUNT);
}

static void try_query(const struct rest_route *route, const char *name, enum thing thing)
{
	char path[PATH_SIZE];
	struct answer theirs, none;

	(void)snprintf(path, sizeof(path), "%s?%s=%s", route->pattern, name, acme.ids[thing]);
	theirs = try_value(route, path, acme.ids[thing], NULL);
	(void)snprintf(path, sizeof(path), "%s?%s=%s", route->pattern, name, acme.unknown[thing]);
	none = try_value(route, path, acme.unknown[thing], NULL);
	/* Where a page begins is a moment: what follows is one's own, from there on. */
	if (strcmp(name, "page") == 0) {
		assert_int_equal(theirs.status, none.status);
		assert_no_canary(route->pattern, &theirs);
	} else {
		assert_alike(route, name, &theirs, &none, thing);
	}
	answer_free(&theirs);
	answer_free(&none);
}

static void what_is_foreign_is_as_good_as_none_in_every_query(void **state)
{
	unsigned tried = 0;

	(void)state;
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const struct rest_route *route = &rest_routes[i];

		if (route->query == NULL || rest_pattern_param(route->pattern, 0).p != NULL ||
		    is_elsewhere(route) || (route->traits & REST_STREAMS) != 0) {
			continue;
		}
		for (size_t k = 0; k < route->query->count; k++) {
			if (route->query->fields[k].kind != REST_TEXT) {
				continue;
			}
			refresh_unknown();
			for (unsigned thing = 0; thing < THING_COUNT; thing++) {
				try_query(route, route->query->fields[k].name, (enum thing)thing);
				tried++;
			}
		}
	}
	assert_true(tried >= 10 * THING_COUNT);
}

static void what_is_foreign_is_as_good_as_none_in_bodies(void **state)
{
	static const struct {
		enum rest_op op;
		const char *body; /* with one %s */
		enum thing thing;
	} rows[] = {
		{ REST_OP_task_create, "{\"projectId\":\"%s\",\"prompt\":\"x\"," TASK_PARTS "}",
		  PROJECT },
		{ REST_OP_schedule_create,
		  "{\"everySeconds\":60,\"task\":{\"projectId\":\"%s\",\"prompt\":\"x\"," TASK_PARTS
		  "}}",
		  PROJECT },
		{ REST_OP_key_create, "{\"name\":\"x\",\"scopes\":[\"admin\"],\"ownerId\":\"%s\"}",
		  USER },
		{ REST_OP_dead_letter_redrive, "{\"projectId\":\"%s\"}", PROJECT },
		{ REST_OP_token_refresh, "{\"refreshToken\":\"%s\"}", LOGIN },
	};

	(void)state;
	refresh_unknown();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct rest_route *route = &rest_routes[rows[i].op];
		char body[BODY_SIZE], other[BODY_SIZE];
		struct answer theirs, none;
		struct buf text;

		buf_init(&text, BODY_SIZE);
		replace(rows[i].body, "%s", acme.ids[rows[i].thing], &text);
		(void)str_copy(body, sizeof(body), buf_str(&text));
		replace(rows[i].body, "%s", acme.unknown[rows[i].thing], &text);
		(void)str_copy(other, sizeof(other), buf_str(&text));
		buf_fini(&text);
		theirs = try_value(route, route->pattern, "none-at-all-000000", body);
		none = try_value(route, route->pattern, "none-at-all-000000", other);
		assert_alike(route, "body", &theirs, &none, rows[i].thing);
		/* There is nothing of theirs to redrive. */
		assert_true(theirs.status >= 400 || rows[i].op == REST_OP_dead_letter_redrive);
		answer_free(&theirs);
		answer_free(&none);
	}
}

/* After all that: what acme has is there, and only acme reads it. */
static void nothing_of_it_was_touched_or_told(void **state)
{
	static const char *const lists[] = {
		"/api/v1/sessions?perPage=200",
		"/api/v1/schedules",
		"/api/v1/users",
		"/api/v1/keys",
		"/api/v1/projects",
		"/api/v1/namespaces",
		"/api/v1/dead-letters",
		"/api/v1/service-accounts",
		"/api/sessions",
	};
	char path[PATH_SIZE], headers[HEADERS_SIZE];
	struct id session;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct ask what = { .key = api_keys.admin,
			            .method = "GET",
			            .path = lists[i],
			            .headers = "X-Session-Id: " CHAT "\r\n" };
		struct answer own = ask(&what), foreign;

		assert_int_equal(own.status, 200);
		if (strstr(lists[i], "dead") == NULL &&
		    strstr(buf_cstr(&own.reply.body), CANARY) == NULL) {
			fail_msg("%s: %s", lists[i], buf_cstr(&own.reply.body));
		}
		what.key = acme.rival;
		foreign = ask(&what);
		assert_int_equal(foreign.status, 200);
		assert_no_canary(lists[i], &foreign);
		answer_free(&own);
		answer_free(&foreign);
	}
	assert_true(id_parse(str_of(acme.ids[SESSION]), &session));
	assert_int_equal(head_state(&session), SESSION_QUEUED);
	assert_int_equal(count_commands(&session), 0);
	(void)snprintf(path, sizeof(path), "/api/v1/schedules/%s", acme.ids[SCHEDULE_ID]);
	expect(&(struct ask){ .key = api_keys.admin, .method = "GET", .path = path }, 200);
	(void)snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", acme.token);
	expect(&(struct ask){ .method = "GET", .path = "/api/v1/sessions", .headers = headers },
	       200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_foreign_is_as_good_as_none_in_every_path),
		cmocka_unit_test(what_is_foreign_is_as_good_as_none_in_every_query),
		cmocka_unit_test(what_is_foreign_is_as_good_as_none_in_bodies),
		cmocka_unit_test(nothing_of_it_was_touched_or_told),
	};

	api_settings = settings;
	api_streamer = STREAMER_PROGRAM;
	return cmocka_run_group_tests(tests, setup, teardown);
}
