/* Credentials of streams on real servers: what they are opened with, and who may open them. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/auth_grant.h"
#include "base/clock.h"
#include "tests/integration/keyring.h"
#include "tests/integration/talker.h"

#define SAME "Sec-Fetch-Site: same-origin\r\n"

/* ---- tickets ---- */

struct ticket {
	char text[AUTH_LENT_LEN + 1], query[AUTH_LENT_LEN + sizeof("?ticket=")];
};

static struct tap *ask_ticket(struct world *world, const char *key, const char *body)
{
	return tap_open(world, KEYRING_API,
	                "POST /api/v1/stream-tickets HTTP/1.1\r\nHost: h\r\nX-API-Key: %s\r\n"
	                "Content-Type: application/json\r\nContent-Length: %zu\r\n"
	                "Connection: close\r\n\r\n%s",
	                key, strlen(body), body);
}

static struct ticket ticket(struct world *world, const char *key, const char *body)
{
	struct tap *answer = ask_ticket(world, key, body);
	struct ticket made;
	const char *at;

	assert_int_equal(answer->status, 201);
	while (world_receive(answer->fd, &answer->in, WORLD_WAIT_MS, &answer->ended)) {
	}
	at = strstr(buf_cstr(&answer->in), AUTH_TICKET_PREFIX);
	assert_non_null(at);
	assert_true(str_copy(made.text, sizeof(made.text), str_make(at, AUTH_LENT_LEN)));
	(void)snprintf(made.query, sizeof(made.query), "?ticket=%s", made.text);
	tap_close(answer);
	return made;
}

/* "name=value" of a Set-Cookie, as a header line to send. */
static void cookie_of(const struct tap *tap, char out[TAP_HEAD_MAX])
{
	struct str cookie = tap_field(tap, "Set-Cookie: ");
	struct str pair = str_split(&cookie, ';');

	assert_true(pair.n > 0);
	(void)snprintf(out, TAP_HEAD_MAX, "Cookie: other=1; %.*s\r\n", (int)pair.n, pair.p);
}

static void refuse_tickets(struct world *world, const struct id *sid)
{
	static const char *const bad[] = {
		"{\"sessionId\":\"x\"}",       "{\"path\":\"ws\"}",
		"{\"path\":\"/api/v1/ws?x\"}", "{\"path\":\"/api/v1/agents\"}",
		"{\"role\":\"king\"}",         "{\"more\":1}"
	};
	struct tap *it;
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		it = ask_ticket(world, world->key, bad[i]);
		assert_int_equal(it->status, 400);
		tap_close(it);
	}
	it = ask_ticket(world, world->observer_key, "{\"role\":\"participant\"}");
	assert_int_equal(it->status, 400);
	tap_close(it);
	it = ask_ticket(world, world->poor_key, "");
	assert_int_equal(it->status, 403);
	tap_close(it);
	keyring_expect(world, sid, "?ticket=nonsense", "", 401);
	keyring_expect(world, sid, "?ticket=", "", 401);
	/* Two credentials are one too many. */
	(void)snprintf(path, sizeof(path), "X-API-Key: %s\r\n", world->key);
	keyring_expect(world, sid, "?ticket=nonsense", path, 401);
}

static void bind_tickets(struct world *world, const struct id *sid, const struct id *other)
{
	char body[160];
	struct ticket bound;

	(void)snprintf(body, sizeof(body), "{\"sessionId\":\"%s\"}", other->s);
	bound = ticket(world, world->key, body);
	keyring_expect(world, sid, bound.query, "", 404);
	(void)snprintf(body, sizeof(body), "{\"path\":\"/stream/api/v1/sessions/%s/events\"}",
	               sid->s);
	bound = ticket(world, world->key, body);
	keyring_expect(world, other, bound.query, "", 401);
	bound = ticket(world, world->key, body);
	keyring_expect(world, sid, bound.query, "", 200);
	bound = ticket(world, world->foreign_key, "");
	keyring_expect(world, sid, bound.query, "", 404);
}

static void reconnect(struct world *world, const struct id *sid, const struct id *other,
                      const struct ticket *used, const char *cookie)
{
	char headers[2 * TAP_HEAD_MAX];

	(void)snprintf(headers, sizeof(headers), "%s%s", cookie, SAME);
	keyring_expect(world, sid, used->query, headers, 200);
	keyring_expect(world, sid, "", headers, 200);
	(void)snprintf(headers, sizeof(headers), "%sOrigin: http://h\r\n", cookie);
	keyring_expect(world, sid, "", headers, 200);
	(void)snprintf(headers, sizeof(headers), "%sReferer: http://h/page\r\n", cookie);
	keyring_expect(world, sid, "", headers, 200);
	/* Not from elsewhere, and not without a word. */
	keyring_expect(world, sid, "", cookie, 403);
	(void)snprintf(headers, sizeof(headers), "%sOrigin: http://evil.example\r\n", cookie);
	keyring_expect(world, sid, "", headers, 403);
	(void)snprintf(headers, sizeof(headers), "%sSec-Fetch-Site: same-site\r\n", cookie);
	keyring_expect(world, sid, "", headers, 403);
	(void)snprintf(headers, sizeof(headers), "%s%s", cookie, SAME);
	keyring_expect(world, other, "", headers, 401);
}

static void ticket_body(struct world *world)
{
	struct id sid = world_session(world), other = world_session(world);
	struct key_made key = keyring_make(world, KEYRING_BOTH, NULL, 0);
	char cookie[TAP_HEAD_MAX], path[128], headers[2 * TAP_HEAD_MAX];
	struct ticket one;
	struct tap *it;
	struct str set;

	keyring_start_api(world);
	refuse_tickets(world, &sid);
	bind_tickets(world, &sid, &other);
	one = ticket(world, key.text, "");
	it = keyring_follow(world, &sid, one.query, "X-Forwarded-Proto: https\r\n"); /* says who? */
	assert_int_equal(it->status, 200);
	set = tap_field(it, "Set-Cookie: fairlead_stream=" AUTH_COOKIE_PREFIX);
	(void)snprintf(path, sizeof(path),
	               "; Path=/api/v1/sessions/%s/events; Max-Age=43200; "
	               "HttpOnly; SameSite=Strict",
	               sid.s);
	assert_true(str_ends(set, str_of(path)));
	cookie_of(it, cookie);
	tap_close(it);
	keyring_expect(world, &sid, one.query, "", 401); /* once */
	reconnect(world, &sid, &other, &one, cookie);
	keyring_take_back(world, &key);
	assert_int_equal(fiber_sleep(KEYRING_SOON_MS + 100),
	                 ERR_OK); /* what a node remembers of a key */
	(void)snprintf(headers, sizeof(headers), "%s%s", cookie, SAME);
	keyring_expect(world, &sid, "", headers, 401);
}

static void control_postgres(const char *verb)
{
	char command[512];

	(void)snprintf(command, sizeof(command), "%s %s", getenv("TEST_PG_CTL"), verb);
	assert_int_equal(system(command), 0);
}

/* While the key cannot be looked up nobody gets in, and the ticket stays good. */
static void unspent_body(struct world *world)
{
	struct id sid = world_session(world);
	uint64_t until = clock_mono_ms() + WORLD_WAIT_MS;
	struct ticket one;
	int status = 503;

	keyring_start_api(world);
	one = ticket(world, world->key, "");
	control_postgres("stop");
	keyring_expect(world, &sid, one.query, "", 503);
	control_postgres("start");
	while (status == 503) {
		struct tap *it = keyring_follow(world, &sid, one.query, "");

		status = it->status;
		tap_close(it);
		assert_true(clock_mono_ms() < until);
		assert_int_equal(fiber_sleep(10), ERR_OK);
	}
	assert_int_equal(status, 200);
	keyring_expect(world, &sid, one.query, "", 401);
}

static void a_ticket_is_not_spent_while_its_key_cannot_be_looked_up(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_PG_ACQUIRE_TIMEOUT=100ms", NULL };
	struct world world = { .body = unspent_body, .settings = settings };

	(void)state;
	world_run(&world);
}

static void a_ticket_opens_one_stream_and_its_cookie_the_same_again(void **state)
{
	struct world world = { .body = ticket_body };

	(void)state;
	world_run(&world);
}

/* ---- keys elsewhere ---- */

static void address_body(struct world *world)
{
	static const char *const names[] = { "token", "access_token", "api_key", "key", "type" };
	struct id sid = world_session(world);
	char query[CRED_KEY_MAX + 64];
	struct tap *it;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(query, sizeof(query), "?%s=%s", names[i], world->key);
		it = keyring_follow(world, &sid, query, "");
		assert_int_equal(it->status, 400);
		if (it->in.len == 0) {
			(void)world_receive(it->fd, &it->in, WORLD_WAIT_MS, &it->ended);
		}
		assert_non_null(strstr(buf_cstr(&it->in), "stream-tickets"));
		assert_null(strstr(buf_cstr(&it->in), world->key));
		tap_close(it);
	}
}

static void a_key_in_an_address_is_refused_and_told_the_way(void **state)
{
	struct world world = { .body = address_body };

	(void)state;
	world_run(&world);
}

/* ---- sockets ---- */

static void socket_body(struct world *world)
{
	char headers[2 * TAP_HEAD_MAX], head[TAP_HEAD_MAX], cookie[TAP_HEAD_MAX];
	struct tap *it;
	struct ticket one;

	keyring_start_api(world);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "", "", head), 401);
	(void)snprintf(headers, sizeof(headers), "X-API-Key: %s\r\n", world->key);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "?ticke=x", headers, head), 400);
	(void)snprintf(headers, sizeof(headers),
	               "Sec-WebSocket-Protocol: fairlead, fairlead.key.%s\r\n", world->key);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "", headers, head), 101);
	assert_non_null(strstr(head, "\r\nSec-WebSocket-Protocol: fairlead\r\n"));
	assert_null(strstr(head, world->key));
	assert_non_null(strstr(head, "\r\nX-Stream-Id: "));
	(void)snprintf(headers, sizeof(headers),
	               "Sec-WebSocket-Protocol: fairlead, fairlead.key.%s\r\nX-API-Key: %s\r\n",
	               world->key, world->key);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "", headers, head), 401);
	(void)snprintf(headers, sizeof(headers),
	               "Sec-WebSocket-Protocol: fairlead.key.%s\r\nOrigin: http://evil.example\r\n",
	               world->key);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "", headers, head), 403);
	(void)snprintf(headers, sizeof(headers), "X-API-Key: %s\r\nOrigin: null\r\n", world->key);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "", headers, head), 403);
	(void)snprintf(headers, sizeof(headers), "X-API-Key: %s\r\nOrigin: http://h\r\n",
	               world->key);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "", headers, head), 101);
	(void)snprintf(headers, sizeof(headers), "X-API-Key: %s\r\nOrigin: https://ui.example\r\n",
	               world->key);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "", headers, head),
	                 101); /* of cors.origins */

	one = ticket(world, world->key, "{\"path\":\"/api/v1/ws\"}");
	it = tap_open(world, KEYRING_STREAMER,
	              "GET /api/v1/ws%s HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
	              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://h\r\n"
	              "X-Forwarded-Proto: https\r\n\r\n",
	              one.query);
	assert_int_equal(it->status, 101);
	assert_true(str_ends(tap_field(it, "Set-Cookie: "), STR_LIT("; SameSite=Strict; Secure")));
	cookie_of(it, cookie);
	tap_close(it);
	(void)snprintf(headers, sizeof(headers), "%sOrigin: http://h\r\n", cookie);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "", headers, head), 101);
	/* Who hijacks sends the cookie with another origin; without one it is no browser. */
	(void)snprintf(headers, sizeof(headers), "%sOrigin: http://evil.example\r\n", cookie);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "", headers, head), 403);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "", cookie, head), 403);
	(void)snprintf(headers, sizeof(headers), "%s" SAME, cookie);
	assert_int_equal(keyring_shake(world, KEYRING_WS, "", headers, head), 403);
}

static void a_socket_takes_keys_from_pages_it_knows(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_CORS_ORIGINS=https://ui.example",
		                                "FAIRLEAD_HTTP_TRUSTED_PROXIES=unix", NULL };
	struct world world = { .body = socket_body, .settings = settings };

	(void)state;
	world_run(&world);
}

/* ---- limits ---- */

static void expect_full(struct world *world, const struct id *sid, const char *key,
                        const char *setting)
{
	struct tap *it = keyring_follow_by(world, sid, key, "");

	assert_int_equal(it->status, 429);
	assert_true(tap_field(it, "Retry-After: ").n > 0);
	if (it->in.len == 0) {
		(void)world_receive(it->fd, &it->in, WORLD_WAIT_MS, &it->ended);
	}
	assert_non_null(strstr(buf_cstr(&it->in), setting));
	tap_close(it);
}

/* A browser would not come back after a 429; its ticket is used, so it gets the cookie to come back
 * with. */
static void be_put_off(struct world *world, const struct id *sid, const struct key_made *key)
{
	static const char browser[] = "User-Agent: Mozilla/5.0\r\nConnection: close\r\n" SAME;
	struct ticket used = ticket(world, key->text, "");
	char cookie[TAP_HEAD_MAX], again[TAP_HEAD_MAX + sizeof(browser)];
	struct tap *it = keyring_follow(world, sid, used.query, browser);

	assert_int_equal(it->status, 200);
	cookie_of(it, cookie);
	(void)snprintf(again, sizeof(again), "%s%s", cookie, browser);
	tap_close(it);
	it = keyring_follow(world, sid, used.query, again);
	assert_int_equal(it->status, 200);
	while (tap_next(it, WORLD_WAIT_MS)) {
		fail_msg("there is no room for a stream");
	}
	assert_in_range(it->parser.retry_ms, 2000, 4000);
	tap_close(it);
}

static void limits_body(struct world *world)
{
	struct id sid = world_session(world);
	struct key_made one = keyring_make(world, KEYRING_BOTH, "ada", 0),
			two = keyring_make(world, KEYRING_BOTH, "ada", 0);
	struct key_made other = keyring_make(world, KEYRING_BOTH, "bob", 0),
			last = keyring_make(world, KEYRING_BOTH, NULL, 0);
	struct tap *open[5];
	struct talker *talker;
	char header[CRED_KEY_MAX + 64];
	int status;

	keyring_start_api(world);
	open[0] = keyring_follow_by(world, &sid, one.text, "");
	open[1] = keyring_follow_by(world, &sid, one.text, "?role=observer");
	expect_full(world, &sid, one.text, "limit.streams_key");
	open[2] = keyring_follow_by(world, &sid, two.text, "");
	expect_full(world, &sid, two.text, "limit.streams_user");
	open[3] = keyring_follow_by(world, &sid, other.text, "");
	open[4] = keyring_follow_by(world, &sid, last.text, "");
	expect_full(world, &sid, last.text, "limit.streams_tenant");
	be_put_off(world, &sid, &last);
	for (size_t i = 0; i < ARRAY_LEN(open); i++) {
		assert_int_equal(open[i]->status, 200);
	}
	(void)snprintf(header, sizeof(header), "Authorization: ApiKey %s\r\n", last.text);
	talker = talker_open(world, KEYRING_STREAMER, "/api/v1/ws", header);
	assert_int_equal(talker->status, 429);
	talker_close(talker);
	/* A page is no stream. */
	keyring_expect(world, &sid, "", "Accept: application/json\r\n", 401);
	/* Who leaves makes room. */
	tap_close(open[0]);
	for (status = 429; status == 429;) {
		open[0] = keyring_follow_by(world, &sid, one.text, "");
		status = open[0]->status;
		if (status == 429) {
			tap_close(open[0]);
			assert_int_equal(fiber_sleep(10), ERR_OK);
		}
	}
	assert_int_equal(status, 200);
	for (size_t i = 0; i < ARRAY_LEN(open); i++) {
		tap_close(open[i]);
	}
}

static void streams_are_limited_for_keys_users_and_tenants(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_LIMIT_STREAMS_KEY=2",
		                                "FAIRLEAD_LIMIT_STREAMS_USER=3",
		                                "FAIRLEAD_LIMIT_STREAMS_TENANT=5", NULL };
	struct world world = { .body = limits_body, .settings = settings };

	(void)state;
	world_run(&world);
}

/* How often, not how many: those that were closed count too. */
static void often_body(struct world *world)
{
	struct id sid = world_session(world);
	struct key_made key = keyring_make(world, KEYRING_BOTH, NULL, 0),
			other = keyring_make(world, KEYRING_BOTH, NULL, 0);
	char header[CRED_KEY_MAX + 64], target[128];
	struct buf body;
	struct tap *it;

	for (unsigned i = 0; i < 3; i++) {
		it = keyring_follow_by(world, &sid, key.text, "");
		assert_int_equal(it->status, 200);
		assert_true(tap_field(it, "RateLimit-Remaining: ").n > 0);
		tap_close(it);
	}
	it = keyring_follow_by(world, &sid, key.text, "");
	assert_int_equal(it->status, 429);
	assert_true(tap_field(it, "Retry-After: ").n > 0);
	tap_close(it);
	/* A page is read, not opened. */
	(void)snprintf(header, sizeof(header), "Authorization: ApiKey %s\r\n", key.text);
	(void)snprintf(target, sizeof(target), "/api/v1/sessions/%s/events", sid.s);
	buf_init(&body, UINT16_MAX);
	assert_int_equal(world_get(world, KEYRING_STREAMER, target, header, &body), 200);
	buf_fini(&body);
	it = keyring_follow_by(world, &sid, other.text, "");
	assert_int_equal(it->status, 200);
	tap_close(it);
	/* Guessing is slowed down here too: its address is told by the proxy. */
	for (unsigned i = 0; i < 2; i++) {
		keyring_expect(world, &sid, "",
		               "X-API-Key: nonsense\r\nX-Forwarded-For: 192.0.2.3\r\n", 401);
	}
	keyring_expect(world, &sid, "", "X-API-Key: nonsense\r\nX-Forwarded-For: 192.0.2.3\r\n",
	               429);
	keyring_expect(world, &sid, "", "X-API-Key: nonsense\r\nX-Forwarded-For: 192.0.2.4\r\n",
	               401);
}

static void streams_may_be_opened_only_so_often(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_HTTP_TRUSTED_PROXIES=unix",
		                                "FAIRLEAD_RATE_KEY=stream=3/1h",
		                                "FAIRLEAD_RATE_ADDRESS=auth=10/1h", NULL };
	struct world world = { .body = often_body, .settings = settings };

	(void)state;
	world_run(&world);
}

static void flood_body(struct world *world)
{
	struct key_made key = keyring_make(world, KEYRING_BOTH, NULL, 0);
	int status = 201;
	int made = 0;

	keyring_start_api(world);
	while (status == 201 && made < 100) {
		struct tap *it = ask_ticket(world, key.text, "");

		status = it->status;
		made += status == 201;
		tap_close(it);
	}
	assert_int_equal(status, 429);
	assert_int_equal(made, 20);
}

static void a_key_gets_only_so_many_tickets(void **state)
{
	struct world world = { .body = flood_body };

	(void)state;
	world_run(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_opens_one_stream_and_its_cookie_the_same_again),
		cmocka_unit_test(a_ticket_is_not_spent_while_its_key_cannot_be_looked_up),
		cmocka_unit_test(a_key_in_an_address_is_refused_and_told_the_way),
		cmocka_unit_test(a_socket_takes_keys_from_pages_it_knows),
		cmocka_unit_test(streams_are_limited_for_keys_users_and_tenants),
		cmocka_unit_test(streams_may_be_opened_only_so_often),
		cmocka_unit_test(a_key_gets_only_so_many_tickets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
