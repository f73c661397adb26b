/* People who log in with browsers: the first of them, passwords, cookies, and what ends them. */
#include <stdio.h>
#include <unistd.h>

#include "api_world.h"
#include "base/clock.h"
#include "cred/digest.h"
#include "login/login.h"
#include "login/password.h"
#include "login/setup.h"
#include "tests/support/test.h"

#define PASSWORD "a horse that nobody staples"
#define OTHER    "another horse altogether"
#define PROXIED  "X-Forwarded-For: 203.0.113.9\r\n"

enum { HEADERS_SIZE = 1024, BODY_SIZE = 512, REVOKED_MS = 1000, STREAM_MS = 2000, TRIES = 25 };

/* Cheap hashes; and whoever connects is a proxy, so that requests can come by TLS. */
static const char *const settings[] = {
	"FAIRLEAD_LOGIN_HASH_MEMORY=8MiB",    "FAIRLEAD_LOGIN_HASH_PASSES=1",
	"FAIRLEAD_HTTP_TRUSTED_PROXIES=unix", "FAIRLEAD_RATE_USER=auth=10/1m:20",
	"FAIRLEAD_RATE_ADDRESS=auth=100/1m",  NULL
};

/* What a browser has. */
struct browser {
	char cookie[LOGIN_COOKIE_MAX + 1];
	char csrf[LOGIN_CSRF_LEN + 1];
	char login[ID_LEN + 1];
	char user[ID_LEN + 1];
};

/* ---- asking ---- */

/* The value of the cookie that an answer sets; "" when it removes it. */
static const char *cookie_in(const struct answer *answer, const char *name)
{
	static char value[LOGIN_COOKIE_MAX + 1];
	char line[64];
	const char *at;

	(void)snprintf(line, sizeof(line), "Set-Cookie: %s=", name);
	at = strstr(answer->reply.head, line);
	assert_non_null(at);
	at += strlen(line);
	assert_true(str_copy(value, sizeof(value), str_make(at, strcspn(at, ";"))));
	return value;
}

static void keep(const struct answer *answer, struct browser *ret)
{
	assert_true(
		str_copy(ret->cookie, sizeof(ret->cookie), str_of(cookie_in(answer, "fairlead"))));
	assert_true(
		str_copy(ret->csrf, sizeof(ret->csrf), str_of(answer_text(answer, "csrfToken"))));
	assert_true(str_copy(ret->login, sizeof(ret->login), str_of(answer_text(answer, "login"))));
	assert_true(str_copy(ret->user, sizeof(ret->user), str_of(answer_text(answer, "user/id"))));
}

static const char *lines(const char *fmt, ...) PRINTF_LIKE(1, 2);
static const char *lines(const char *fmt, ...)
{
	static char text[HEADERS_SIZE];
	va_list ap;

	va_start(ap, fmt);
	assert_true(vsnprintf(text, sizeof(text), fmt, ap) < (int)sizeof(text));
	va_end(ap);
	return text;
}

/* With the cookie, and the token beside it. */
static const char *page_of(const struct browser *browser)
{
	return lines("Cookie: a=b; fairlead=%s\r\nX-CSRF-Token: %s\r\nOrigin: http://t\r\n",
	             browser->cookie, browser->csrf);
}

static int status_of(const struct ask *what)
{
	struct answer answer = ask(what);

	answer_free(&answer);
	return answer.status;
}

static int look(unsigned node, const struct browser *browser)
{
	return status_of(&(struct ask){ .node = node,
	                                .method = "GET",
	                                .path = "/api/v1/sessions",
	                                .headers = page_of(browser) });
}

static struct answer log_in(const char *email, const char *password, const char *headers)
{
	char body[BODY_SIZE];

	(void)snprintf(body, sizeof(body), "{\"email\":\"%s\",\"password\":\"%s\"}", email,
	               password);
	return ask(&(struct ask){
		.method = "POST", .path = "/auth/login", .headers = headers, .body = body });
}

static struct browser logged_in(const char *email, const char *password)
{
	struct answer answer = log_in(email, password, NULL);
	struct browser browser;

	assert_int_equal(answer.status, 200);
	keep(&answer, &browser);
	answer_free(&answer);
	return browser;
}

static void expect_login(const char *email, const char *password, int status)
{
	struct answer answer = log_in(email, password, NULL);

	if (answer.status != status) {
		fail_msg("%s", buf_cstr(&answer.reply.body));
	}
	answer_free(&answer);
}

/* Until both nodes refuse it. */
static void await_end(const struct browser *browser)
{
	uint64_t until = clock_mono_ms() + REVOKED_MS;

	for (unsigned node = 0; node < API_NODES; node++) {
		while (look(node, browser) != 401) {
			assert_true(clock_mono_ms() < until);
		}
	}
}

/* A person of acme with a password, made as administrators do it. */
static struct id make_person(const char *email, const char *role)
{
	char body[BODY_SIZE], path[128], code[64];
	struct answer answer;
	struct id id;

	(void)snprintf(body, sizeof(body), "{\"name\":\"Ada\",\"email\":\"%s\",\"role\":\"%s\"}",
	               email, role);
	answer = ask(&(struct ask){
		.key = api_keys.admin, .method = "POST", .path = "/api/v1/users", .body = body });
	assert_int_equal(answer.status, 201);
	assert_true(id_parse(str_of(answer_text(&answer, "id")), &id));
	answer_free(&answer);
	(void)snprintf(path, sizeof(path), "/api/v1/users/%s/password-code", id.s);
	answer = ask(&(struct ask){ .key = api_keys.admin, .method = "POST", .path = path });
	assert_int_equal(answer.status, 201);
	assert_true(str_copy(code, sizeof(code), str_of(answer_text(&answer, "code"))));
	answer_free(&answer);
	(void)snprintf(body, sizeof(body), "{\"code\":\"%s\",\"password\":\"%s\"}", code, PASSWORD);
	expect(&(struct ask){ .method = "POST", .path = "/auth/password", .body = body }, 204);
	/* It counts once. */
	expect(&(struct ask){ .method = "POST", .path = "/auth/password", .body = body }, 401);
	return id;
}

/* ---- the first ---- */

static char pin[SETUP_PIN_LEN + 1];

static void new_pin(struct pg *pg)
{
	const struct cred_pepper secret = cred_pepper_from(STR_LIT(API_PEPPER));
	bool made = false;
	struct err err;

	assert_int_equal(setup_make(pg, &secret, true, pin, &made, &err), ERR_OK);
	assert_true(made);
}

static struct client set_up_begin(unsigned node, const char *with, const char *password)
{
	char body[BODY_SIZE];

	(void)snprintf(body, sizeof(body),
	               "{\"pin\":\"%s\",\"email\":\"First@Example.org\",\"name\":\"First\","
	               "\"password\":\"%s\"}",
	               with, password);
	return ask_begin(&(struct ask){
		.node = node, .method = "POST", .path = "/api/v1/setup", .body = body });
}

static struct answer set_up(unsigned node, const char *with, const char *password)
{
	struct client client = set_up_begin(node, with, password);

	return ask_end(&client);
}

static void expect_set_up(const char *with, const char *password, int status)
{
	struct answer answer = set_up(0, with, password);

	assert_int_equal(answer.status, status);
	answer_free(&answer);
}

static void expect_config(bool setup)
{
	struct answer answer = ask(&(struct ask){ .method = "GET", .path = "/auth/config" });

	assert_int_equal(answer.status, 200);
	assert_int_equal(json_as_bool(answer_at(&answer, "setup")), setup);
	answer_free(&answer);
}

static void expect_limited_soon(void)
{
	int status = 409;

	for (unsigned i = 0; i < TRIES && status == 409; i++) {
		struct answer answer = set_up(0, "0000000000", PASSWORD);

		status = answer.status;
		answer_free(&answer);
	}
	assert_int_equal(status, 429);
}

static void try_too_often(struct pg *pg)
{
	const struct cred_pepper secret = cred_pepper_from(STR_LIT(API_PEPPER));
	struct err err;

	for (unsigned i = 0; i < SETUP_ATTEMPTS; i++) {
		assert_int_equal(setup_try(pg, &secret, STR_LIT("1"), &err), ERR_FORBIDDEN);
	}
	assert_int_equal(setup_try(pg, &secret, str_of(pin), &err), ERR_GONE);
}

static void a_pin_that_was_tried_too_often_is_none(void **state)
{
	(void)state;
	with_pg(new_pin);
	with_pg(try_too_often);
	expect_set_up(pin, PASSWORD, 403);
}

static void the_first_administrator_needs_the_pin(void **state)
{
	struct client clients[API_NODES];
	struct answer answer;
	struct browser first = { .login = "" };
	unsigned made = 0, refused = 0;

	(void)state;
	expect_config(true);
	with_pg(new_pin);
	expect_set_up("0000000000", PASSWORD, 401);
	expect_set_up(pin, "short", 400);
	expect_set_up(pin, "password123", 400);
	for (unsigned node = 0; node < API_NODES; node++) {
		clients[node] = set_up_begin(node, pin, PASSWORD);
	}
	for (unsigned node = 0; node < API_NODES; node++) {
		answer = ask_end(&clients[node]);
		if (answer.status == 201) {
			assert_non_null(strstr(answer.reply.head,
			                       "; Path=/; Max-Age=604800; HttpOnly; "
			                       "SameSite=Lax\r\n"));
			keep(&answer, &first);
		}
		made += answer.status == 201;
		refused += answer.status == 409;
		answer_free(&answer);
	}
	assert_int_equal(made, 1);
	assert_int_equal(refused, 1);
	assert_int_equal(look(0, &first), 200);
	expect(&(struct ask){ .method = "GET",
	                      .path = "/api/v1/tenants",
	                      .headers = page_of(&first) },
	       200);
	expect_config(false);
	expect_set_up(pin, PASSWORD, 409);
	first = logged_in("FIRST@example.org", PASSWORD);
	assert_int_equal(look(1, &first), 200);
	expect_limited_soon();
}

/* ---- passwords ---- */

static void unknown_wrong_and_disabled_are_answered_alike(void **state)
{
	struct answer wrong, unknown, disabled;
	struct id user = make_person("alike@example.org", "viewer");
	struct browser before = logged_in("alike@example.org", PASSWORD);
	char path[128];

	(void)state;
	wrong = log_in("alike@example.org", OTHER, "X-Request-Id: one\r\n");
	unknown = log_in("nobody@example.org", OTHER, "X-Request-Id: one\r\n");
	(void)snprintf(path, sizeof(path), "/api/v1/users/%s", user.s);
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "PATCH",
	                      .path = path,
	                      .body = "{\"disabled\":true}" },
	       200);
	disabled = log_in("alike@example.org", PASSWORD, "X-Request-Id: one\r\n");
	assert_int_equal(wrong.status, 401);
	assert_int_equal(unknown.status, 401);
	assert_int_equal(disabled.status, 401);
	assert_string_equal(buf_cstr(&wrong.reply.body), buf_cstr(&unknown.reply.body));
	assert_string_equal(buf_cstr(&wrong.reply.body), buf_cstr(&disabled.reply.body));
	assert_null(strstr(unknown.reply.head, "Set-Cookie"));
	await_end(&before);
	answer_free(&wrong);
	answer_free(&unknown);
	answer_free(&disabled);
}

static struct password_row dear; /* at another cost */

static void make_dear(struct pg *pg)
{
	const struct cred_cost cost = { 8192 * 1024, 2 };
	struct pg_tx *tx;
	struct err err;

	assert_int_equal(password_find(pg, "dear@example.org", &dear, &err), ERR_OK);
	assert_true(cred_password_hash(STR_LIT(PASSWORD), &cost, dear.stored));
	assert_int_equal(pg_begin(pg, "", &tx, &err), ERR_OK);
	assert_int_equal(password_set(tx, &dear.user, dear.stored, &err), ERR_OK);
	assert_int_equal(pg_commit(tx, &err), ERR_OK);
}

static void look_at_dear(struct pg *pg)
{
	struct err err;

	assert_int_equal(password_find(pg, "dear@example.org", &dear, &err), ERR_OK);
}

static void a_password_stored_at_another_cost_is_hashed_anew(void **state)
{
	const struct cred_cost usual = { 8192 * 1024, 1 };

	(void)state;
	(void)make_person("dear@example.org", "viewer");
	with_pg(make_dear);
	assert_true(cred_password_stale(dear.stored, &usual));
	expect_login("dear@example.org", OTHER, 401);
	with_pg(look_at_dear);
	assert_true(cred_password_stale(dear.stored, &usual));
	expect_login("dear@example.org", PASSWORD, 200);
	with_pg(look_at_dear);
	assert_false(cred_password_stale(dear.stored, &usual));
	expect_login("dear@example.org", PASSWORD, 200);
}

static void who_is_no_member_there_does_not_log_in_there(void **state)
{
	(void)state;
	(void)make_person("where@example.org", "viewer");
	expect(&(struct ask){ .method = "POST",
	                      .path = "/auth/login",
	                      .body = "{\"email\":\"where@example.org\",\"password\":\"" PASSWORD
	                              "\",\"tenant\":\"rival\"}" },
	       403);
	expect(&(struct ask){ .method = "POST",
	                      .path = "/auth/login",
	                      .body = "{\"email\":\"where@example.org\",\"password\":\"" PASSWORD
	                              "\",\"tenant\":\"acme\"}" },
	       200);
}

static void an_account_can_be_tried_only_so_often_wherever_from(void **state)
{
	unsigned refused = 0;
	struct answer answer;

	(void)state;
	(void)make_person("guess@example.org", "viewer");
	do {
		answer = log_in("guess@example.org", OTHER,
		                lines("X-Forwarded-For: 203.0.113.%u\r\n", refused + 1));
		answer_free(&answer);
		refused += answer.status == 401;
		assert_true(refused <= TRIES);
	} while (answer.status == 401);
	assert_int_equal(answer.status, 429);
	assert_non_null(strstr(answer.reply.head, "\r\nRetry-After: "));
	assert_true(refused >= 20);
	/* Nor with the right one, which would tell. */
	expect_login("guess@example.org", PASSWORD, 429);
}

static void an_address_that_guesses_is_shut_out(void **state)
{
	unsigned asked = 0;
	struct answer answer;

	(void)state;
	do {
		char email[64];

		(void)snprintf(email, sizeof(email), "u%u@example.org", asked++);
		answer = log_in(email, "x", "X-Forwarded-For: 198.51.100.7\r\n");
		answer_free(&answer);
		assert_true(asked <= 30);
	} while (answer.status == 401);
	assert_int_equal(answer.status, 429);
	assert_true(asked > 15);
}

static void who_changes_the_password_ends_all_other_logins(void **state)
{
	struct browser here, there, again;
	struct answer answer;

	(void)state;
	(void)make_person("change@example.org", "operator");
	here = logged_in("change@example.org", PASSWORD);
	there = logged_in("change@example.org", PASSWORD);
	assert_int_equal(look(1, &there), 200);
	expect(&(struct ask){ .method = "PUT",
	                      .path = "/api/v1/password",
	                      .headers = page_of(&here),
	                      .body = "{\"current\":\"" OTHER "\",\"password\":\"" OTHER "\"}" },
	       403);
	expect(&(struct ask){ .method = "PUT",
	                      .path = "/api/v1/password",
	                      .headers = page_of(&here),
	                      .body = "{\"current\":\"" PASSWORD
	                              "\",\"password\":\"1234567890\"}" },
	       400);
	answer = ask(&(struct ask){ .method = "PUT",
	                            .path = "/api/v1/password",
	                            .headers = page_of(&here),
	                            .body = "{\"current\":\"" PASSWORD "\",\"password\":\"" OTHER
	                                    "\"}" });
	assert_int_equal(answer.status, 200);
	keep(&answer, &again);
	answer_free(&answer);
	await_end(&there);
	await_end(&here);
	assert_int_equal(look(1, &again), 200);
	expect_login("change@example.org", PASSWORD, 401);
	expect_login("change@example.org", OTHER, 200);
}

static void a_code_is_given_by_those_who_may(void **state)
{
	struct id user = make_person("code@example.org", "viewer"), plain;
	char path[128], key[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "/api/v1/users/%s/password-code", user.s);
	expect(&(struct ask){ .key = api_keys.foreign, .method = "POST", .path = path }, 403);
	make_user("operator", &plain, key);
	expect(&(struct ask){ .key = key, .method = "POST", .path = path }, 403);
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "POST",
	                      .path = "/api/v1/users/01JD0M6T3Q8XK5V7W9YB2C4EFG/password-code" },
	       404);
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "PUT",
	                      .path = "/api/v1/password",
	                      .body = "{\"current\":\"x\",\"password\":\"" OTHER "\"}" },
	       403);
}

/* ---- cookies ---- */

static void what_changes_something_needs_the_token_and_a_page_of_ours(void **state)
{
	static const char *const refused[] = {
		"",
		"X-CSRF-Token: 00\r\n",
		"Origin: http://t\r\n",
	};
	struct browser mine, other;
	struct ask create = { .method = "POST", .path = "/api/v1/tasks", .body = TASK };

	(void)state;
	(void)make_person("csrf@example.org", "operator");
	mine = logged_in("csrf@example.org", PASSWORD);
	other = logged_in("csrf@example.org", PASSWORD);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		create.headers = lines("Cookie: fairlead=%s\r\n%s", mine.cookie, refused[i]);
		expect(&create, 403);
	}
	create.headers =
		lines("Cookie: fairlead=%s\r\nX-CSRF-Token: %s\r\n", mine.cookie, other.csrf);
	expect(&create, 403);
	create.headers = lines("Cookie: fairlead=%s\r\nX-CSRF-Token: %s\r\nOrigin: http://evil\r\n",
	                       mine.cookie, mine.csrf);
	expect(&create, 403);
	create.headers =
		lines("Cookie: fairlead=%s\r\nX-CSRF-Token: %s\r\nSec-Fetch-Site: cross-site\r\n",
	              mine.cookie, mine.csrf);
	expect(&create, 403);
	create.headers =
		lines("Cookie: fairlead=%s\r\nX-CSRF-Token: %s\r\n", mine.cookie, mine.csrf);
	expect(&create, 201);
	create.headers = page_of(&mine);
	expect(&create, 201);
	expect(&(struct ask){ .method = "GET",
	                      .path = "/api/v1/sessions",
	                      .headers =
	                              lines("Cookie: fairlead=%s\r\nSec-Fetch-Site: same-site\r\n",
	                                    mine.cookie) },
	       403);
}

static void pages_of_others_do_not_log_in(void **state)
{
	struct answer answer;

	(void)state;
	answer = log_in("first@example.org", PASSWORD, "Origin: http://evil\r\n");
	assert_int_equal(answer.status, 403);
	answer_free(&answer);
}

static void over_tls_the_cookie_is_of_this_host_only(void **state)
{
	struct answer answer;
	char cookie[LOGIN_COOKIE_MAX + 1];

	(void)state;
	(void)make_person("tls@example.org", "viewer");
	answer = log_in("tls@example.org", PASSWORD, PROXIED "X-Forwarded-Proto: https\r\n");
	assert_int_equal(answer.status, 200);
	assert_true(
		str_copy(cookie, sizeof(cookie), str_of(cookie_in(&answer, "__Host-fairlead"))));
	assert_non_null(strstr(answer.reply.head, "; HttpOnly; SameSite=Lax; Secure\r\n"));
	answer_free(&answer);
	expect(&(struct ask){ .method = "GET",
	                      .path = "/api/v1/sessions",
	                      .headers = lines(PROXIED "X-Forwarded-Proto: https\r\n"
	                                               "Cookie: __Host-fairlead=%s\r\n",
	                                       cookie) },
	       200);
	/* A name that others could have set is none. */
	expect(&(struct ask){ .method = "GET",
	                      .path = "/api/v1/sessions",
	                      .headers = lines(PROXIED "X-Forwarded-Proto: https\r\n"
	                                               "Cookie: fairlead=%s\r\n",
	                                       cookie) },
	       401);
}

static void a_cookie_is_nothing_when_a_bit_of_it_changes(void **state)
{
	struct browser mine, bad;

	(void)state;
	(void)make_person("bits@example.org", "viewer");
	mine = logged_in("bits@example.org", PASSWORD);
	assert_null(strstr(mine.cookie, mine.login));
	for (size_t i = 0; mine.cookie[i] != '\0'; i += 11) {
		bad = mine;
		bad.cookie[i] = bad.cookie[i] == 'A' ? 'B' : 'A';
		assert_int_equal(look(0, &bad), 401);
	}
	assert_int_equal(look(0, &mine), 200);
}

static void nobody_goes_on_with_a_login_that_was_there_before(void **state)
{
	struct browser before, after;
	struct answer answer;

	(void)state;
	(void)make_person("fixed@example.org", "viewer");
	before = logged_in("fixed@example.org", PASSWORD);
	answer = log_in("fixed@example.org", PASSWORD, page_of(&before));
	assert_int_equal(answer.status, 200);
	keep(&answer, &after);
	answer_free(&answer);
	assert_string_not_equal(before.login, after.login);
	assert_string_not_equal(before.csrf, after.csrf);
	await_end(&before);
	assert_int_equal(look(1, &after), 200);
}

static void a_greater_right_comes_with_a_new_login(void **state)
{
	struct id user = make_person("grown@example.org", "viewer");
	struct browser before = logged_in("grown@example.org", PASSWORD), after;
	char path[128];
	uint64_t until;
	struct ask users;

	(void)state;
	(void)snprintf(path, sizeof(path), "/api/v1/users/%s", user.s);
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "PATCH",
	                      .path = path,
	                      .body = "{\"role\":\"admin\"}" },
	       200);
	after = logged_in("grown@example.org", PASSWORD);
	users = (struct ask){ .method = "GET", .path = "/api/v1/users" };
	users.headers = page_of(&after);
	expect(&users, 200);
	users.headers = page_of(&before);
	expect(&users, 403);
	/* A lesser one comes at once. */
	expect(&(struct ask){ .key = api_keys.admin,
	                      .method = "PATCH",
	                      .path = path,
	                      .body = "{\"role\":\"viewer\"}" },
	       200);
	until = clock_mono_ms() + REVOKED_MS;
	users.headers = page_of(&after);
	while (status_of(&users) != 403) {
		assert_true(clock_mono_ms() < until);
	}
}

/* ---- looking at them, and ending them ---- */

static const char *login_path(const struct browser *browser)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "/api/v1/logins/%s", browser->login);
	return path;
}

static void logins_are_listed_and_ended_by_their_person_and_by_admins(void **state)
{
	struct id user = make_person("list@example.org", "viewer");
	struct browser a = logged_in("list@example.org", PASSWORD);
	struct browser b = logged_in("list@example.org", PASSWORD);
	struct browser c = logged_in("list@example.org", PASSWORD);
	struct answer answer;
	char path[128];

	(void)state;
	answer = ask(
		&(struct ask){ .method = "GET", .path = "/api/v1/logins", .headers = page_of(&a) });
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer_text(&answer, "items/0/id"), c.login);
	assert_string_equal(answer_text(&answer, "items/2/id"), a.login);
	assert_true(json_as_bool(answer_at(&answer, "items/2/current")));
	assert_string_equal(answer_text(&answer, "items/0/means"), "password");
	answer_free(&answer);
	(void)snprintf(path, sizeof(path), "/api/v1/logins?user=%s", user.s);
	expect(&(struct ask){ .key = api_keys.admin, .method = "GET", .path = path }, 200);
	/* Of another tenant, and of another person: as good as none. */
	expect(&(struct ask){ .key = api_keys.foreign, .method = "DELETE", .path = login_path(&b) },
	       404);
	expect(&(struct ask){ .key = api_keys.reader, .method = "DELETE", .path = login_path(&b) },
	       404);
	expect(&(struct ask){ .key = api_keys.reader, .method = "GET", .path = path }, 403);
	assert_int_equal(look(1, &b), 200);
	expect(&(struct ask){ .method = "DELETE", .path = login_path(&b), .headers = page_of(&a) },
	       204);
	await_end(&b);
	expect(&(struct ask){ .method = "DELETE",
	                      .path = "/api/v1/logins",
	                      .headers = page_of(&a) },
	       200);
	await_end(&c);
	assert_int_equal(look(1, &a), 200);
	expect(&(struct ask){ .key = api_keys.admin, .method = "DELETE", .path = login_path(&a) },
	       204);
	await_end(&a);
}

static void who_logs_out_is_out(void **state)
{
	struct browser mine;
	struct answer answer;

	(void)state;
	(void)make_person("out@example.org", "viewer");
	mine = logged_in("out@example.org", PASSWORD);
	expect(&(struct ask){ .method = "GET", .path = "/auth/logout", .headers = page_of(&mine) },
	       200);
	expect(&(struct ask){ .method = "POST",
	                      .path = "/auth/logout",
	                      .headers = lines("Cookie: fairlead=%s\r\n", mine.cookie) },
	       403);
	assert_int_equal(look(0, &mine), 200);
	answer = ask(&(struct ask){
		.method = "POST", .path = "/auth/logout", .headers = page_of(&mine) });
	assert_int_equal(answer.status, 204);
	assert_string_equal(cookie_in(&answer, "fairlead"), "");
	answer_free(&answer);
	await_end(&mine);
	answer = ask(&(struct ask){
		.method = "GET", .path = "/auth/session", .headers = page_of(&mine) });
	assert_int_equal(answer.status, 200);
	assert_false(json_as_bool(answer_at(&answer, "authenticated")));
	assert_string_equal(cookie_in(&answer, "fairlead"), "");
	answer_free(&answer);
}

static void a_key_counts_before_a_cookie(void **state)
{
	struct browser mine;

	(void)state;
	(void)make_person("both@example.org", "viewer");
	mine = logged_in("both@example.org", PASSWORD);
	expect(&(struct ask){ .key = api_keys.revoked,
	                      .method = "GET",
	                      .path = "/api/v1/sessions",
	                      .headers = page_of(&mine) },
	       401);
	expect(&(struct ask){ .key = api_keys.all,
	                      .method = "POST",
	                      .path = "/api/v1/tasks",
	                      .headers = lines("Cookie: fairlead=%s\r\n", mine.cookie),
	                      .body = TASK },
	       201);
}

/* ---- streams ---- */

static int shake(const struct browser *browser, const char *origin)
{
	struct answer answer = ask(&(struct ask){
		.node = API_NODES,
		.method = "GET",
		.path = "/api/v1/ws",
		.headers = lines("Cookie: fairlead=%s\r\n%sConnection: Upgrade\r\nUpgrade: "
	                         "websocket\r\nSec-WebSocket-Version: 13\r\n"
	                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
	                         browser->cookie, origin) });

	answer_free(&answer);
	return answer.status;
}

static void streams_take_the_cookie_and_end_with_the_login(void **state)
{
	struct browser mine;
	struct client client;
	struct id sid = make_session("");
	uint64_t until;

	(void)state;
	(void)make_person("stream@example.org", "operator");
	mine = logged_in("stream@example.org", PASSWORD);
	assert_int_equal(shake(&mine, ""), 403);
	assert_int_equal(shake(&mine, "Origin: http://evil\r\n"), 403);
	append_lines(&sid, 1);
	client = ask_begin(&(struct ask){
		.node = API_NODES,
		.method = "GET",
		.path = session_path(&sid, "/events"),
		.headers = lines("Cookie: fairlead=%s\r\nSec-Fetch-Site: same-origin\r\n"
	                         "Accept: text/event-stream\r\n",
	                         mine.cookie) });
	client_until(&client, "line 1");
	expect(&(struct ask){ .method = "POST", .path = "/auth/logout", .headers = page_of(&mine) },
	       204);
	until = clock_mono_ms() + STREAM_MS;
	while (client_more(&client)) {
		assert_true(clock_mono_ms() < until);
	}
	client_close(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pin_that_was_tried_too_often_is_none),
		cmocka_unit_test(the_first_administrator_needs_the_pin),
		cmocka_unit_test(unknown_wrong_and_disabled_are_answered_alike),
		cmocka_unit_test(a_password_stored_at_another_cost_is_hashed_anew),
		cmocka_unit_test(who_is_no_member_there_does_not_log_in_there),
		cmocka_unit_test(an_account_can_be_tried_only_so_often_wherever_from),
		cmocka_unit_test(an_address_that_guesses_is_shut_out),
		cmocka_unit_test(who_changes_the_password_ends_all_other_logins),
		cmocka_unit_test(a_code_is_given_by_those_who_may),
		cmocka_unit_test(what_changes_something_needs_the_token_and_a_page_of_ours),
		cmocka_unit_test(pages_of_others_do_not_log_in),
		cmocka_unit_test(over_tls_the_cookie_is_of_this_host_only),
		cmocka_unit_test(a_cookie_is_nothing_when_a_bit_of_it_changes),
		cmocka_unit_test(nobody_goes_on_with_a_login_that_was_there_before),
		cmocka_unit_test(a_greater_right_comes_with_a_new_login),
		cmocka_unit_test(logins_are_listed_and_ended_by_their_person_and_by_admins),
		cmocka_unit_test(who_logs_out_is_out),
		cmocka_unit_test(a_key_counts_before_a_cookie),
		cmocka_unit_test(streams_take_the_cookie_and_end_with_the_login),
	};

	api_settings = settings;
	api_streamer = STREAMER_PROGRAM;
	return cmocka_run_group_tests(tests, api_world_setup, api_world_teardown);
}
