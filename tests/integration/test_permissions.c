/*
 * The permission matrix, asked for: every route of API nodes and streamers with every role, every
 * scope, and all that is no credential; and every route that names something, with what a foreign
 * tenant has.  What is expected is routes.def and role.def, and nothing else.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api_world.h"
#include "base/clock.h"
#include "rest/rest.h"
#include "tests/support/test.h"

enum { LOOK_US = 20000, EXPIRY_US = 1500000, KEY_SIZE = 128 };

/* The walk is one client that asks a lot. */
static const char *const settings[] = { "FAIRLEAD_RATE_ADDRESS=", "FAIRLEAD_RATE_TENANT=", NULL };

static bool is_streamed(const struct rest_route *route)
{
	return route->side == REST_PREFIX || route->side == REST_NODE;
}

static struct answer ask_route(const struct rest_route *route, const char *key, const char *value,
                               const char *body)
{
	return ask(&(struct ask){ .node = is_streamed(route) ? API_NODES : 0,
	                          .key = key,
	                          .method = http_method_name(route->method),
	                          .path = fill_path(route->pattern, value),
	                          .headers = "X-Request-Id: walk\r\n",
	                          .body = route->body != NULL ? body : NULL });
}

/* ---- the matrix ---- */

/* Was it the matrix that refused? Handlers have reasons of their own. */
static bool lacks_scope(const struct answer *answer, const struct rest_route *route)
{
	char text[128];

	if (route->open) {
		return false;
	}
	(void)snprintf(text, sizeof(text), "needs a key with the scope %s",
	               auth_scope_name(route->scope));
	return answer->status == 403 && strstr(answer_text(answer, "detail"), text) != NULL;
}

static void walk_one(const struct rest_route *route, const char *who, const char *key,
                     unsigned scopes)
{
	const struct id unknown = id_new();
	struct answer answer = ask_route(route, key, unknown.s, "{}");
	bool may = route->open || (scopes >> route->scope & 1) != 0;

	if (may != !lacks_scope(&answer, route) ||
	    (answer.status == 401 && (route->traits & REST_PROVES) == 0)) {
		fail_msg("%s %s as %s: %s, got %d %s", http_method_name(route->method),
		         route->pattern, who, may ? "allowed" : "refused", answer.status,
		         buf_cstr(&answer.reply.body));
	}
	answer_free(&answer);
}

static void walk(const char *who, const char *key, unsigned scopes)
{
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		walk_one(&rest_routes[i], who, key, auth_scopes_meant(scopes));
	}
}

static void make_of(const char *path, const char *body, char id[ID_LEN + 1], char key[KEY_SIZE])
{
	struct answer answer = ask(&(struct ask){
		.key = api_keys.admin, .method = "POST", .path = path, .body = body });

	if (answer.status != 201) {
		fail_msg("%s: %s", path, buf_cstr(&answer.reply.body));
	}
	assert_true(str_copy(id, ID_LEN + 1, str_of(answer_text(&answer, "id"))));
	assert_true(str_copy(key, KEY_SIZE, str_of(answer_text(&answer, "key"))));
	answer_free(&answer);
}

static void every_route_allows_each_role_what_the_table_says(void **state)
{
	(void)state;
	for (unsigned role = 0; role < AUTH_ROLE_COUNT; role++) {
		const char *name = auth_role_name((enum auth_role)role);
		char key[KEY_SIZE];
		struct id user;

		make_user(name, &user, key);
		walk(name, key, auth_role_scopes((enum auth_role)role));
	}
}

/* A key says that it has the scope: why it is refused all the same is told. */
static void a_refusal_names_the_role_that_lacks_the_scope(void **state)
{
	struct answer answer;
	char key[KEY_SIZE];
	struct id user;

	(void)state;
	make_user("viewer", &user, key);
	answer = ask(&(struct ask){
		.key = key, .method = "POST", .path = "/api/v1/tasks", .body = "{}" });
	assert_int_equal(answer.status, 403);
	assert_string_equal(
		answer_text(&answer, "detail"),
		"this needs a key with the scope task:write; its owner is viewer, which "
		"does not have it");
	answer_free(&answer);
}

static void every_route_allows_each_scope_what_the_table_says(void **state)
{
	char body[128], id[ID_LEN + 1], key[KEY_SIZE];

	(void)state;
	for (unsigned scope = 0; scope < AUTH_SCOPE_COUNT; scope++) {
		const char *name = auth_scope_name((enum auth_scope)scope);

		if (scope == AUTH_SYSTEM) {
			walk(name, api_keys.system, auth_bit(AUTH_SYSTEM));
			continue;
		}
		(void)snprintf(body, sizeof(body), "{\"name\":\"one\",\"scopes\":[\"%s\"]}", name);
		make_of("/api/v1/keys", body, id, key);
		walk(name, key, auth_bit((enum auth_scope)scope));
	}
}

static void a_key_that_is_left_no_scope_is_allowed_nothing(void **state)
{
	char body[256], user[ID_LEN + 1], id[ID_LEN + 1], key[KEY_SIZE];

	(void)state;
	make_of("/api/v1/service-accounts", "{\"name\":\"looker\",\"role\":\"viewer\"}", user, key);
	(void)snprintf(body, sizeof(body),
	               "{\"name\":\"none\",\"scopes\":[\"task:write\"],\"ownerId\":\"%s\"}", user);
	make_of("/api/v1/keys", body, id, key);
	walk("no scope", key, 0);
}

static void nobody_gets_in_without_a_good_key(void **state)
{
	char body[160], expires[CLOCK_RFC3339_SIZE], id[ID_LEN + 1], expired[KEY_SIZE];
	const struct id unknown = id_new();
	const char *keys[] = { NULL, "", "nonsense", api_keys.revoked, expired };

	(void)state;
	clock_format(clock_wall_us() + EXPIRY_US, expires);
	(void)snprintf(body, sizeof(body),
	               "{\"name\":\"short\",\"scopes\":[\"admin\"],\"expiresAt\":\"%s\"}", expires);
	make_of("/api/v1/keys", body, id, expired);
	for (int status = 0; status != 401; (void)usleep(LOOK_US)) {
		struct answer answer = ask(
			&(struct ask){ .key = expired, .method = "GET", .path = "/api/v1/users" });

		status = answer.status;
		answer_free(&answer);
	}
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const struct rest_route *route = &rest_routes[i];

		for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
			struct answer answer = ask_route(route, keys[k], unknown.s, "{}");

			if ((answer.status == 401) == route->open &&
			    (route->traits & REST_PROVES) == 0) {
				fail_msg("%s %s with key %zu: got %d %s",
				         http_method_name(route->method), route->pattern, k,
				         answer.status, buf_cstr(&answer.reply.body));
			}
			answer_free(&answer);
		}
	}
}

/* ---- a foreign tenant ---- */

#define SCHEDULE "{\"everySeconds\":3600,\"task\":" TASK "}"

/* What a route needs to look for what it names. */
static const char *body_of(enum rest_op op)
{
	static const struct {
		enum rest_op op;
		const char *body;
	} bodies[] = {
		{ REST_OP_session_prompt, "{\"prompt\":\"x\"}" },
		{ REST_OP_prompt_edit, "{\"prompt\":\"x\"}" },
		{ REST_OP_session_model, "{\"model\":\"x\"}" },
		{ REST_OP_session_mode, "{\"mode\":\"x\"}" },
		{ REST_OP_session_slash, "{\"command\":\"/x\"}" },
		{ REST_OP_event_append,
		  "{\"events\":[{\"type\":\"log\",\"level\":\"info\",\"message\":\"x\","
		  "\"stream\":\"stdout\"}]}" },
		{ REST_OP_schedule_replace, SCHEDULE },
		{ REST_OP_user_change, "{\"role\":\"viewer\"}" },
		{ REST_OP_project_rename, "{\"name\":\"x\"}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		if (bodies[i].op == op) {
			return bodies[i].body;
		}
	}
	return "{}";
}

static void replace_all(struct buf *text, const char *what, struct buf *out)
{
	struct str rest = buf_str(text);

	buf_reset(out);
	while (rest.n > 0) {
		bool hit = str_starts(rest, str_of(what));
		size_t n = hit ? strlen(what) : 1;

		if (hit) {
			buf_add_cstr(out, "<id>");
		} else {
			buf_add_char(out, rest.p[0]);
		}
		rest = str_make(rest.p + n, rest.n - n);
	}
}

/* The same status, and the same words but for the id. */
static void assert_alike(const struct rest_route *route, const char *key, const char *theirs,
                         const char *unknown)
{
	const char *body = body_of((enum rest_op)(route - rest_routes));
	struct answer foreign = ask_route(route, key, theirs, body);
	struct answer none = ask_route(route, key, unknown, body);
	struct buf a, b;

	buf_init(&a, 1024 * 1024);
	buf_init(&b, 1024 * 1024);
	replace_all(&foreign.reply.body, theirs, &a);
	replace_all(&none.reply.body, unknown, &b);
	if (foreign.status != 404 || none.status != 404 ||
	    strcmp(buf_cstr(&a), buf_cstr(&b)) != 0) {
		fail_msg("%s %s: %d %s\nunknown: %d %s", http_method_name(route->method),
		         route->pattern, foreign.status, buf_cstr(&a), none.status, buf_cstr(&b));
	}
	buf_fini(&a);
	buf_fini(&b);
	answer_free(&foreign);
	answer_free(&none);
}

static void what_is_foreign_answers_like_what_is_not(void **state)
{
	char schedule[ID_LEN + 1], user[ID_LEN + 1], key[ID_LEN + 1], text[KEY_SIZE];
	char rival[KEY_SIZE], rival_id[ID_LEN + 1], project[ID_LEN + 1];
	const struct id session = make_session("");
	const struct {
		const char *prefix, *id;
	} theirs[] = {
		{ "/api/v1/sessions/{", session.s }, { "/stream/api/v1/sessions/{", session.s },
		{ "/ws/consumer/{", session.s },     { "/stream/ws/consumer/{", session.s },
		{ "/api/v1/schedules/{", schedule }, { "/api/v1/users/{", user },
		{ "/api/v1/keys/{", key },           { "/api/v1/projects/{", project },
	};
	unsigned compared = 0;

	(void)state;
	make_of("/api/v1/schedules", SCHEDULE, schedule, text);
	make_of("/api/v1/service-accounts", "{\"name\":\"x\",\"role\":\"viewer\"}", user, text);
	make_of("/api/v1/keys", "{\"name\":\"x\",\"scopes\":[\"admin\"]}", key, text);
	make_of("/api/v1/projects", "{\"name\":\"theirs\"}", project, rival);
	make_of("/api/v1/tenants/rival/keys", "{\"name\":\"x\",\"scopes\":[\"admin\"]}", rival_id,
	        rival);
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		const struct rest_route *route = &rest_routes[i];
		/* What only streamers answer is asked of one under its other path. */
		bool is_elsewhere =
			route->side == REST_STREAMER || (route->traits & REST_SOCKET) != 0;

		for (size_t k = 0; k < ARRAY_LEN(theirs) && !is_elsewhere; k++) {
			if (str_starts(str_of(route->pattern), str_of(theirs[k].prefix))) {
				const struct id unknown = id_new();

				assert_alike(route, rival, theirs[k].id, unknown.s);
				compared++;
			}
		}
	}
	assert_true(compared >= 25);
	/* Nothing of it was touched. */
	expect(&(struct ask){ .key = text, .method = "GET", .path = "/api/v1/users" }, 200);
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "GET",
	                      .path = session_path(&session, "") },
	       200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_allows_each_role_what_the_table_says),
		cmocka_unit_test(a_refusal_names_the_role_that_lacks_the_scope),
		cmocka_unit_test(every_route_allows_each_scope_what_the_table_says),
		cmocka_unit_test(a_key_that_is_left_no_scope_is_allowed_nothing),
		cmocka_unit_test(nobody_gets_in_without_a_good_key),
		cmocka_unit_test(what_is_foreign_answers_like_what_is_not),
	};

	api_settings = settings;
	api_streamer = STREAMER_PROGRAM;
	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
