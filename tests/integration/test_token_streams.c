/* Streams opened with access tokens: they end with them, with their login, or go on with the next.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cred/jws.h"
#include "tests/integration/keyring.h"
#include "tests/integration/talker.h"
#include "token/bearer.h"
#include "token/issuer.h"
#include "token/refresh.h"

enum {
	LONG_S = 900,
	BRIEF_S = 3,
	HEADER_MAX = 2048,
	TOKEN_MAX = 1500,
	PATH_SIZE = 512,
	QUIET_MS = 200,
	MICRO = 1000000
};

static const char new_user[] =
	"WITH u AS (INSERT INTO users (id, kind, name, home_id) VALUES "
	"($1::text, 'person', 'Ada', 'acme') RETURNING id) "
	"INSERT INTO memberships (tenant_id, user_id, role) SELECT 'acme', id, 'operator' FROM u";
static const struct text test_stream_user = { "test_stream_user", "0", new_user,
	                                      sizeof(new_user) - 1 };

struct login {
	struct id user, id;
	struct refreshed made;
};

static void make_user(struct world *world, struct id *ret)
{
	struct pg_params params = { 0 };
	struct err err;

	*ret = id_new();
	pg_param_cstr(&params, ret->s);
	if (pg_query(world->pg, "", &test_stream_user, &params, NULL, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
}

static void log_in(struct world *world, const struct id *user, struct login *ret)
{
	const struct refresh_options options = { .pg = world->pg,
		                                 .secret = cred_pepper_from(str_of(WORLD_PEPPER)),
		                                 .idle_s = 3600,
		                                 .life_s = 86400 };
	struct err err;

	ret->user = *user;
	if (refresh_begin(&options, &(struct refresh_new){ .tenant = TENANT, .user = user },
	                  &ret->made, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	ret->id = ret->made.bearer.login;
}

static void log_out(struct world *world, const struct login *login)
{
	struct arena *arena = arena_new();
	struct refresh_ended ended;
	struct err err;

	assert_int_equal(refresh_end(world->pg, TENANT, NULL, &login->id, arena, &ended, &err),
	                 ERR_OK);
	assert_int_equal(ended.count, 1);
	arena_free(arena);
}

/* An access token that lives for so long. */
static void token_of(struct world *world, const struct login *login, unsigned life_s,
                     char ret[TOKEN_MAX])
{
	struct bearers *bearers = bearer_new(&(struct bearer_options){
		.signing = { .pg = world->pg,
	                     .secret = cred_pepper_from(str_of(WORLD_PEPPER)),
	                     .access_s = life_s,
	                     .life_s = 86400 },
		.issuer = "fairlead",
		.audience = "fairlead",
	});
	struct bearer bearer = login->made.bearer;
	struct buf token;
	struct err err;

	buf_init(&token, TOKEN_MAX - 1);
	if (bearer_issue(bearers, &bearer, &token, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	assert_true(str_copy(ret, TOKEN_MAX, buf_str(&token)));
	buf_fini(&token);
	bearer_free(bearers);
}

static struct tap *follow(struct world *world, const struct id *sid, const char *token)
{
	char header[HEADER_MAX];
	struct tap *tap;

	(void)snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", token);
	tap = keyring_follow(world, sid, "", header);
	assert_int_equal(tap->status, 200);
	return tap;
}

static void expect_end(struct tap *tap, const char *reason)
{
	char wanted[64];

	(void)snprintf(wanted, sizeof(wanted), "\"reason\":\"%s\"", reason);
	do {
		tap_until(tap, "auth");
	} while (!tap_says(tap, "\"reason\":"));
	assert_true(tap_says(tap, wanted));
	assert_false(tap_next(tap, WORLD_WAIT_MS));
	assert_true(tap->ended);
}

static void end_body(struct world *world)
{
	struct id sid = world_session(world), user;
	char token[TOKEN_MAX], other_token[TOKEN_MAX], brief[TOKEN_MAX];
	struct login login, other;
	struct tap *tap, *stays, *ends;

	make_user(world, &user);
	log_in(world, &user, &login);
	log_in(world, &user, &other);
	token_of(world, &login, LONG_S, token);
	token_of(world, &other, LONG_S, other_token);
	token_of(world, &other, BRIEF_S, brief);
	tap = follow(world, &sid, token);
	stays = follow(world, &sid, other_token);
	ends = follow(world, &sid, brief);
	tap_until(tap, "status");
	tap_until(stays, "status");
	log_out(world, &login); /* nobody rings: it is seen all the same */
	expect_end(tap, "revoked");
	expect_end(ends, "expired");
	log_out(world, &other);
	expect_end(stays, "revoked");
	tap_close(tap);
	tap_close(stays);
	tap_close(ends);
}

static void a_stream_ends_with_its_token_or_its_login(void **state)
{
	struct world world = { .body = end_body };

	(void)state;
	world_run(&world);
}

static int exchange(struct world *world, struct str stream, const char *token)
{
	struct tap *it = tap_open(world, KEYRING_API,
	                          "POST /api/v1/streams/%.*s/auth HTTP/1.1\r\nHost: h\r\n"
	                          "Authorization: Bearer %s\r\nContent-Length: 0\r\n\r\n",
	                          (int)stream.n, stream.p, token);
	int status = it->status;

	tap_close(it);
	return status;
}

/* As a program does with a refresh token: the next token before the last one ends. */
static void go_on_body(struct world *world)
{
	struct id sid = world_session(world), user, stranger;
	char brief[TOKEN_MAX], next[TOKEN_MAX], theirs[TOKEN_MAX], header[HEADER_MAX];
	struct login login, foreign;
	struct talker *talker;
	struct tap *tap;
	struct str stream;

	keyring_start_api(world);
	make_user(world, &user);
	make_user(world, &stranger);
	log_in(world, &user, &login);
	log_in(world, &stranger, &foreign);
	token_of(world, &login, BRIEF_S, brief);
	token_of(world, &login, LONG_S, next);
	token_of(world, &foreign, LONG_S, theirs);
	tap = follow(world, &sid, brief);
	(void)snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", brief);
	talker = talker_open(world, KEYRING_STREAMER, KEYRING_WS, header);
	assert_int_equal(talker->status, 101);
	stream = tap_field(tap, "X-Stream-Id: ");
	assert_int_equal(exchange(world, stream, theirs), 403);
	assert_int_equal(exchange(world, stream, next), 200);
	do {
		tap_until(tap, "auth");
	} while (!tap_says(tap, "\"role\":\"participant\""));
	assert_true(tap_says(tap, "expiresAt"));
	talker_expect(talker, "auth"); /* it ends soon */
	talker_say(talker, "{\"type\":\"auth\",\"token\":\"%s\",\"ref\":\"a\"}", theirs);
	talker_expect(talker, "error");
	talker_say(talker, "{\"type\":\"auth\",\"token\":\"%s\",\"ref\":\"b\"}", next);
	talker_expect(talker, "auth");
	talker_expect(talker, "ack");
	log_out(world, &login);
	expect_end(tap, "revoked");
	talker_expect(talker, "auth");
	assert_int_equal(talker_goodbye(talker), 4001);
	talker_close(talker);
	tap_close(tap);
}

static void a_stream_goes_on_with_the_next_token_of_its_user(void **state)
{
	struct world world = { .body = go_on_body };

	(void)state;
	world_run(&world);
}

/* What a page does that cannot send headers. */
static void ticket_body(struct world *world)
{
	struct id sid = world_session(world), user;
	char token[TOKEN_MAX], query[256];
	struct login login;
	struct tap *made, *tap;
	const char *ticket;

	keyring_start_api(world);
	make_user(world, &user);
	log_in(world, &user, &login);
	token_of(world, &login, LONG_S, token);
	made = tap_open(
		world, KEYRING_API,
		"POST /api/v1/stream-tickets HTTP/1.1\r\nHost: h\r\n"
		"Authorization: Bearer %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		token);
	assert_int_equal(made->status, 201);
	while (world_receive(made->fd, &made->in, WORLD_WAIT_MS, &made->ended)) {
	}
	ticket = strstr(buf_cstr(&made->in), "fl_ticket_");
	assert_non_null(ticket);
	(void)snprintf(query, sizeof(query), "?ticket=%.*s", (int)strcspn(ticket, "\""), ticket);
	tap = keyring_follow(world, &sid, query, "");
	assert_int_equal(tap->status, 200);
	tap_until(tap, "status");
	log_out(world, &login);
	expect_end(tap, "revoked");
	tap_close(made);
	tap_close(tap);
}

static void a_ticket_of_a_token_is_as_good_as_its_login(void **state)
{
	struct world world = { .body = ticket_body };

	(void)state;
	world_run(&world);
}

/* ---- of another issuer ---- */

/* Its keys, where the streamer finds them. */
static void publish(const struct cred_jwk *key)
{
	char path[PATH_SIZE];
	struct buf json;
	FILE *file;

	buf_init(&json, CRED_JWKS_TEXT_MAX);
	cred_jwk_format(key, &json);
	(void)snprintf(path, sizeof(path), "%s/keys", getenv("TEST_HTTPS_DIR"));
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fprintf(file, "{\"keys\":[%s]}", buf_cstr(&json));
	assert_int_equal(fclose(file), 0);
	buf_fini(&json);
}

static void take_issuer(struct world *world)
{
	struct issuer issuer = {
		.id = id_new(), .tenant = TENANT, .audience = "fairlead", .role = "viewer"
	};
	struct err err;

	issuer.rsa_alg = CRED_RS256;
	assert_true(
		str_copy(issuer.issuer, sizeof(issuer.issuer), str_of(getenv("TEST_HTTPS_URL"))));
	(void)snprintf(issuer.jwks_uri, sizeof(issuer.jwks_uri), "%s/keys",
	               getenv("TEST_HTTPS_URL"));
	if (issuer_create(world->pg, &issuer, "test", &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
}

static void sign_header(const struct cred_jwk *key, int64_t expires_s, char ret[HEADER_MAX])
{
	char claims[PATH_SIZE];
	struct buf token;

	(void)snprintf(claims, sizeof(claims),
	               "{\"iss\":\"%s\",\"aud\":\"fairlead\",\"sub\":\"ci\",\"exp\":%lld}",
	               getenv("TEST_HTTPS_URL"), (long long)expires_s);
	buf_init(&token, CRED_TOKEN_MAX);
	assert_true(cred_jws_sign(key, CRED_TYP_JWT, str_of(claims), &token));
	(void)snprintf(ret, HEADER_MAX, "Authorization: Bearer %s\r\n", buf_cstr(&token));
	buf_fini(&token);
}

/* Connected, and asking for what comes next. */
static int begin_wait(struct world *world, const struct id *sid, const char *header)
{
	int fd = world_dial(world, KEYRING_STREAMER);
	bool ended = false;
	struct buf text;

	buf_init(&text, UINT16_MAX);
	buf_addf(&text,
	         "GET /api/v1/sessions/%s/events?starting_after=2&wait=30 HTTP/1.1\r\nHost: h\r\n"
	         "%sConnection: close\r\n\r\n",
	         sid->s, header);
	world_send(fd, buf_str(&text));
	buf_reset(&text);
	assert_false(world_receive(fd, &text, QUIET_MS, &ended)); /* it waits */
	assert_false(ended);
	buf_fini(&text);
	return fd;
}

static void end_wait(int fd, const char *status, bool has_event)
{
	bool ended = false;
	struct buf in;

	buf_init(&in, SIZE_MAX / 2);
	while (world_receive(fd, &in, WORLD_WAIT_MS, &ended)) {
	}
	if (strncmp(buf_cstr(&in), status, strlen(status)) != 0 ||
	    has_event != (strstr(buf_cstr(&in), "\"seq\":3") != NULL)) {
		fail_msg("%s", buf_cstr(&in));
	}
	(void)close(fd);
	buf_fini(&in);
}

static void foreign_body(struct world *world)
{
	struct id sid = world_session(world), other = world_session(world);
	struct cred_jwk *key = cred_jwk_generate("k1");
	int64_t now_s = clock_wall_us() / MICRO;
	char good[HEADER_MAX], brief[HEADER_MAX];
	int waits, ends;

	publish(key);
	take_issuer(world);
	sign_header(key, now_s + LONG_S, good);
	sign_header(key, now_s + BRIEF_S, brief);
	waits = begin_wait(world, &sid, good);
	ends = begin_wait(world, &other, brief);
	(void)world_notes(world, &sid, 1, 1);
	end_wait(waits, "HTTP/1.1 200 ", true);
	while (clock_wall_us() / MICRO <= now_s + BRIEF_S) {
		assert_int_equal(fiber_sleep(QUIET_MS), ERR_OK);
	}
	(void)world_notes(world, &other, 1, 1);
	end_wait(ends, "HTTP/1.1 401 ", false);
	cred_jwk_free(key);
}

/* Nobody rings for a token that is not ours, and nothing of ours can be looked up: it is good until
 * it expires. */
static void a_token_of_another_issuer_may_wait_until_it_expires(void **state)
{
	char ca[PATH_SIZE];
	const char *settings[] = { ca, NULL };
	struct world world = { .body = foreign_body, .settings = settings };

	(void)state;
	(void)snprintf(ca, sizeof(ca), "FAIRLEAD_FETCH_CA_FILE=%s", getenv("TEST_HTTPS_CA"));
	world_run(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_ends_with_its_token_or_its_login),
		cmocka_unit_test(a_stream_goes_on_with_the_next_token_of_its_user),
		cmocka_unit_test(a_ticket_of_a_token_is_as_good_as_its_login),
		cmocka_unit_test(a_token_of_another_issuer_may_wait_until_it_expires),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
