/*
 * Credentials of streams on real servers: what they are opened with, who may open them, and how
 * they end with their keys.  The world's second place is an API node.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "auth/auth_bell.h"
#include "auth/auth_grant.h"
#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/integration/streamer_world.h"
#include "tests/integration/talker.h"
#include "tests/integration/tap.h"

enum { STREAMER, API, SETTING_MAX = 256, SOON_MS = 1000 };

#define LINE     "{\"message\":\"a line\",\"stream\":\"stdout\"}"
#define QUESTION "{\"request_id\":\"q1\",\"title\":\"may I?\"}"
#define WS       "/api/v1/ws"
#define SAME     "Sec-Fetch-Site: same-origin\r\n"

/* ---- the API node ---- */

static void become_api(const struct world *world)
{
	static char own[6][SETTING_MAX];
	char *env[] = { own[0], own[1], own[2], own[3], own[4], own[5], NULL };
	char *argv[] = { (char[]){ "fairlead-api" }, NULL };

	(void)snprintf(own[0], SETTING_MAX, "FAIRLEAD_REDIS_URL=%s", world->server.url);
	(void)snprintf(own[1], SETTING_MAX, "FAIRLEAD_PG_URL=%s", getenv("TEST_PG_URL"));
	(void)snprintf(own[2], SETTING_MAX, "FAIRLEAD_PEPPER=%s", WORLD_PEPPER);
	(void)snprintf(own[3], SETTING_MAX, "FAIRLEAD_API_LISTEN=unix:%s",
	               world->streamers[API].path);
	(void)snprintf(own[4], SETTING_MAX, "FAIRLEAD_UNSAFE_STORAGE=true");
	(void)snprintf(own[5], SETTING_MAX, "FAIRLEAD_LIMIT_TICKETS_KEY=20");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execve(API_PROGRAM, argv, env);
	_exit(127);
}

static void start_api(struct world *world)
{
	struct streamer *api = &world->streamers[API];

	(void)snprintf(api->path, sizeof(api->path), "%s/api", world->server.dir);
	api->pid = fork();
	assert_true(api->pid >= 0);
	if (api->pid == 0) {
		become_api(world);
	}
	world_await_ready(world, API);
}

/* ---- keys ---- */

struct made {
	char text[CRED_KEY_LEN + 1];
	struct id id;
};

static const unsigned both = 1U << AUTH_SESSION_READ | 1U << AUTH_SESSION_WRITE;

static struct made make(struct world *world, unsigned scopes, const char *owner, int64_t life_us)
{
	struct auth_key_new key = { .tenant = TENANT,
		                    .name = "a key of the test",
		                    .scopes = scopes,
		                    .owner = owner,
		                    .expires_us = life_us != 0 ? clock_wall_us() + life_us : 0 };
	struct cred_pepper pepper = cred_pepper_from(str_of(WORLD_PEPPER));
	struct made made;
	struct err err;

	if (auth_key_create(world->pg, &key, &pepper, made.text, &made.id, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return made;
}

static void take_back(struct world *world, const struct made *key)
{
	bool revoked = false;
	struct err err;

	assert_int_equal(auth_key_revoke(world->pg, TENANT, &key->id, &revoked, &err), ERR_OK);
	assert_true(revoked);
}

static void restrict_to(struct world *world, const struct made *key, unsigned scopes)
{
	bool changed = false;
	struct err err;

	assert_int_equal(auth_key_limit(world->pg, TENANT, &key->id, scopes, &changed, &err),
	                 ERR_OK);
	assert_true(changed);
}

/* ---- HTTP ---- */

/* Follow a session with these header lines. */
static struct tap *follow(struct world *world, const struct id *sid, const char *query,
                          const char *headers)
{
	return tap_open(world, STREAMER,
	                "GET /api/v1/sessions/%s/events%s HTTP/1.1\r\nHost: h\r\n"
	                "Accept: text/event-stream\r\n%s\r\n",
	                sid->s, query, headers);
}

static struct tap *follow_by(struct world *world, const struct id *sid, const char *key,
                             const char *query)
{
	char header[CRED_KEY_LEN + 64];

	(void)snprintf(header, sizeof(header), "X-API-Key: %s\r\n", key);
	return follow(world, sid, query, header);
}

/* What a request to follow is answered with. */
static void expect(struct world *world, const struct id *sid, const char *query,
                   const char *headers, int status)
{
	struct tap *it = follow(world, sid, query, headers);

	if (it->status != status) {
		fail_msg("%d, not %d: %s%s\n%s", it->status, status, query, headers,
		         buf_cstr(&it->in));
	}
	tap_close(it);
}

/* The stream says why, ends, and that soon. */
static void expect_end(struct tap *tap, const char *reason)
{
	uint64_t began = clock_mono_ms();
	char wanted[64];

	(void)snprintf(wanted, sizeof(wanted), "\"reason\":\"%s\"", reason);
	tap_until(tap, "auth");
	if (!tap_says(tap, wanted)) {
		fail_msg("%.*s, not %s", (int)tap->parser.data.n, tap->parser.data.p, reason);
	}
	assert_false(tap_next(tap, WORLD_WAIT_MS));
	assert_true(tap->ended);
	assert_true(clock_mono_ms() - began < WORLD_WAIT_MS);
}

/* ---- tickets ---- */

struct ticket {
	char text[AUTH_LENT_LEN + 1], query[AUTH_LENT_LEN + sizeof("?ticket=")];
};

static struct tap *ask_ticket(struct world *world, const char *key, const char *body)
{
	return tap_open(world, API,
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
	static const char *const bad[] = { "{\"sessionId\":\"x\"}", "{\"path\":\"ws\"}",
		                           "{\"path\":\"/api/v1/ws?x\"}", "{\"role\":\"king\"}",
		                           "{\"more\":1}" };
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
	expect(world, sid, "?ticket=nonsense", "", 401);
	expect(world, sid, "?ticket=", "", 401);
	/* Two credentials are one too many. */
	(void)snprintf(path, sizeof(path), "X-API-Key: %s\r\n", world->key);
	expect(world, sid, "?ticket=nonsense", path, 401);
}

static void bind_tickets(struct world *world, const struct id *sid, const struct id *other)
{
	char body[160];
	struct ticket bound;

	(void)snprintf(body, sizeof(body), "{\"sessionId\":\"%s\"}", other->s);
	bound = ticket(world, world->key, body);
	expect(world, sid, bound.query, "", 404);
	(void)snprintf(body, sizeof(body), "{\"path\":\"/stream/api/v1/sessions/%s/events\"}",
	               sid->s);
	bound = ticket(world, world->key, body);
	expect(world, other, bound.query, "", 401);
	bound = ticket(world, world->key, body);
	expect(world, sid, bound.query, "", 200);
	bound = ticket(world, world->foreign_key, "");
	expect(world, sid, bound.query, "", 404);
}

static void reconnect(struct world *world, const struct id *sid, const struct id *other,
                      const struct ticket *used, const char *cookie)
{
	char headers[2 * TAP_HEAD_MAX];

	(void)snprintf(headers, sizeof(headers), "%s%s", cookie, SAME);
	expect(world, sid, used->query, headers, 200);
	expect(world, sid, "", headers, 200);
	(void)snprintf(headers, sizeof(headers), "%sOrigin: http://h\r\n", cookie);
	expect(world, sid, "", headers, 200);
	(void)snprintf(headers, sizeof(headers), "%sReferer: http://h/page\r\n", cookie);
	expect(world, sid, "", headers, 200);
	/* Not from elsewhere, and not without a word. */
	expect(world, sid, "", cookie, 403);
	(void)snprintf(headers, sizeof(headers), "%sOrigin: http://evil.example\r\n", cookie);
	expect(world, sid, "", headers, 403);
	(void)snprintf(headers, sizeof(headers), "%sSec-Fetch-Site: same-site\r\n", cookie);
	expect(world, sid, "", headers, 403);
	(void)snprintf(headers, sizeof(headers), "%s%s", cookie, SAME);
	expect(world, other, "", headers, 401);
}

static void ticket_body(struct world *world)
{
	struct id sid = world_session(world), other = world_session(world);
	struct made key = make(world, both, NULL, 0);
	char cookie[TAP_HEAD_MAX], path[128], headers[2 * TAP_HEAD_MAX];
	struct ticket one;
	struct tap *it;
	struct str set;

	start_api(world);
	refuse_tickets(world, &sid);
	bind_tickets(world, &sid, &other);
	one = ticket(world, key.text, "");
	it = follow(world, &sid, one.query, "X-Forwarded-Proto: https\r\n"); /* says who? */
	assert_int_equal(it->status, 200);
	set = tap_field(it, "Set-Cookie: fairlead_stream=" AUTH_COOKIE_PREFIX);
	(void)snprintf(path, sizeof(path),
	               "; Path=/api/v1/sessions/%s/events; Max-Age=43200; "
	               "HttpOnly; SameSite=Strict",
	               sid.s);
	assert_true(str_ends(set, str_of(path)));
	cookie_of(it, cookie);
	tap_close(it);
	expect(world, &sid, one.query, "", 401); /* once */
	reconnect(world, &sid, &other, &one, cookie);
	take_back(world, &key);
	assert_int_equal(fiber_sleep(SOON_MS + 100), ERR_OK); /* what a node remembers of a key */
	(void)snprintf(headers, sizeof(headers), "%s%s", cookie, SAME);
	expect(world, &sid, "", headers, 401);
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

	start_api(world);
	one = ticket(world, world->key, "");
	control_postgres("stop");
	expect(world, &sid, one.query, "", 503);
	control_postgres("start");
	while (status == 503) {
		struct tap *it = follow(world, &sid, one.query, "");

		status = it->status;
		tap_close(it);
		assert_true(clock_mono_ms() < until);
		assert_int_equal(fiber_sleep(10), ERR_OK);
	}
	assert_int_equal(status, 200);
	expect(world, &sid, one.query, "", 401);
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
	char query[CRED_KEY_LEN + 64];
	struct tap *it;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(query, sizeof(query), "?%s=%s", names[i], world->key);
		it = follow(world, &sid, query, "");
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

static int shake(struct world *world, const char *target, const char *query, const char *headers,
                 char head[TAP_HEAD_MAX])
{
	struct tap *it = tap_open(world, STREAMER,
	                          "GET %s%s HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
	                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
	                          target, query, headers);
	int status = it->status;

	memcpy(head, it->head, TAP_HEAD_MAX);
	tap_close(it);
	return status;
}

static void socket_body(struct world *world)
{
	char headers[2 * TAP_HEAD_MAX], head[TAP_HEAD_MAX], cookie[TAP_HEAD_MAX];
	struct tap *it;
	struct ticket one;

	start_api(world);
	assert_int_equal(shake(world, WS, "", "", head), 401);
	(void)snprintf(headers, sizeof(headers), "X-API-Key: %s\r\n", world->key);
	assert_int_equal(shake(world, WS, "?ticke=x", headers, head), 400);
	(void)snprintf(headers, sizeof(headers),
	               "Sec-WebSocket-Protocol: fairlead, fairlead.key.%s\r\n", world->key);
	assert_int_equal(shake(world, WS, "", headers, head), 101);
	assert_non_null(strstr(head, "\r\nSec-WebSocket-Protocol: fairlead\r\n"));
	assert_null(strstr(head, world->key));
	assert_non_null(strstr(head, "\r\nX-Stream-Id: "));
	(void)snprintf(headers, sizeof(headers),
	               "Sec-WebSocket-Protocol: fairlead, fairlead.key.%s\r\nX-API-Key: %s\r\n",
	               world->key, world->key);
	assert_int_equal(shake(world, WS, "", headers, head), 401);
	(void)snprintf(headers, sizeof(headers),
	               "Sec-WebSocket-Protocol: fairlead.key.%s\r\nOrigin: http://evil.example\r\n",
	               world->key);
	assert_int_equal(shake(world, WS, "", headers, head), 403);
	(void)snprintf(headers, sizeof(headers), "X-API-Key: %s\r\nOrigin: null\r\n", world->key);
	assert_int_equal(shake(world, WS, "", headers, head), 403);
	(void)snprintf(headers, sizeof(headers), "X-API-Key: %s\r\nOrigin: http://h\r\n",
	               world->key);
	assert_int_equal(shake(world, WS, "", headers, head), 101);
	(void)snprintf(headers, sizeof(headers), "X-API-Key: %s\r\nOrigin: https://ui.example\r\n",
	               world->key);
	assert_int_equal(shake(world, WS, "", headers, head), 101); /* of cors.origins */

	one = ticket(world, world->key, "{\"path\":\"/api/v1/ws\"}");
	it = tap_open(world, STREAMER,
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
	assert_int_equal(shake(world, WS, "", headers, head), 101);
	/* Who hijacks sends the cookie with another origin; without one it is no browser. */
	(void)snprintf(headers, sizeof(headers), "%sOrigin: http://evil.example\r\n", cookie);
	assert_int_equal(shake(world, WS, "", headers, head), 403);
	assert_int_equal(shake(world, WS, "", cookie, head), 403);
	(void)snprintf(headers, sizeof(headers), "%s" SAME, cookie);
	assert_int_equal(shake(world, WS, "", headers, head), 403);
}

static void a_socket_takes_keys_from_pages_it_knows(void **state)
{
	static const char *const settings[] = { "FAIRLEAD_CORS_ORIGINS=https://ui.example",
		                                "FAIRLEAD_HTTP_TRUSTED_PROXIES=unix", NULL };
	struct world world = { .body = socket_body, .settings = settings };

	(void)state;
	world_run(&world);
}

static void tell(struct world *world, const struct id *sid, const char *note)
{
	char data[128];

	(void)world_append(world, sid, EVENT_TYPE_LOG, STR_LIT(LINE));
	(void)world_append(world, sid, EVENT_TYPE_PERMISSION_REQUEST, STR_LIT(QUESTION));
	(void)snprintf(data, sizeof(data), "{\"message\":\"%s\"}", note);
	(void)world_append(world, sid, EVENT_TYPE_NOTE, str_of(data));
}

/* ---- the end of a key ---- */

static struct talker *talk_at(struct world *world, const char *target, const char *key)
{
	char header[CRED_KEY_LEN + 64];
	struct talker *talker;

	(void)snprintf(header, sizeof(header), "Authorization: ApiKey %s\r\n", key);
	talker = talker_open(world, STREAMER, target, header);
	assert_int_equal(talker->status, 101);
	return talker;
}

static struct talker *talk(struct world *world, const char *key)
{
	return talk_at(world, "/api/v1/ws", key);
}

/* Without a good key a consumer does not come in; when its key is good no more, it is closed. */
static void consumer_body(struct world *world)
{
	struct id sid = world_session(world);
	struct made revoked = make(world, both, NULL, 0), brief = make(world, both, NULL, 1500000);
	const struct made *const good[] = { &revoked, &brief };
	static const char *const bad[] = { "", "X-API-Key: nonsense\r\n",
		                           "Sec-WebSocket-Protocol: fairlead.key.x\r\n" };
	struct talker *talkers[2];
	char target[64], head[TAP_HEAD_MAX];

	(void)snprintf(target, sizeof(target), "/ws/consumer/%s", sid.s);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(shake(world, target, "", bad[i], head), 401);
		assert_non_null(strstr(head, "\r\nWWW-Authenticate: "));
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		talkers[i] = talk_at(world, target, good[i]->text);
	}
	take_back(world, &revoked);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(talker_goodbye(talkers[i]), 4001);
		talker_close(talkers[i]);
	}
}

static void a_consumer_is_there_as_long_as_its_key_is_good(void **state)
{
	struct world world = { .body = consumer_body };

	(void)state;
	world_run(&world);
}

/* Each key is taken back just after the streamer has looked at all of them, and nobody rings: the
 * stream waits as long as any has to. The best of a few tries is the streamer's time, not that of
 * a machine that is busy. */
static void soon_body(struct world *world)
{
	struct id sid = world_session(world);
	struct made keys[4];
	struct tap *taps[ARRAY_LEN(keys)];
	uint64_t best_ms = UINT64_MAX;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		keys[i] = make(world, both, NULL, 0);
		taps[i] = follow_by(world, &sid, keys[i].text, "");
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		uint64_t began = clock_mono_ms(), took_ms;

		take_back(world, &keys[i]);
		expect_end(taps[i], "revoked");
		took_ms = clock_mono_ms() - began;
		if (i > 0 && took_ms < best_ms) {
			best_ms = took_ms;
		}
		tap_close(taps[i]);
	}
	assert_in_range(best_ms, 0, SOON_MS);
}

static void a_stream_ends_within_a_second_of_its_key(void **state)
{
	struct world world = { .body = soon_body };

	(void)state;
	world_run(&world);
}

static void end_body(struct world *world)
{
	struct id sid = world_session(world);
	struct made first = make(world, both, NULL, 0), second = make(world, both, NULL, 0);
	struct made brief = make(world, both, NULL, 1500000);
	struct tap *one = follow_by(world, &sid, first.text, "");
	struct tap *other = follow_by(world, &sid, second.text, "");
	struct tap *short_one = follow_by(world, &sid, brief.text, "");
	struct talker *talker = talk(world, first.text);
	struct err err;

	tap_until(one, "status");
	tap_until(other, "status");
	/* A minute before, or as soon as it is open. */
	tap_until(short_one, "auth");
	assert_true(tap_says(short_one, "\"expiresIn\":"));
	assert_true(tap_says(short_one, "\"stream\":\""));

	take_back(world, &first); /* nobody rings: it is seen all the same */
	expect_end(one, "revoked");
	talker_expect(talker, "auth");
	assert_true(str_eq(talker_str(talker, "reason"), STR_LIT("revoked")));
	assert_int_equal(talker_goodbye(talker), 4001);

	take_back(world, &second);
	assert_int_equal(auth_bell_key(world->redis, &second.id, &err), ERR_OK);
	expect_end(other, "revoked");
	expect_end(short_one, "expired");
	talker_close(talker);
	tap_close(one);
	tap_close(other);
	tap_close(short_one);
	one = follow_by(world, &sid, brief.text, "");
	assert_int_equal(one->status, 401);
	tap_close(one);
}

/* Who waits for a page asks for what comes after the end of the key, too. */
static void poll_body(struct world *world)
{
	struct id sid = world_session(world);
	struct made key = make(world, both, NULL, 0);
	uint64_t waits = 0;
	int fd = world_dial(world, STREAMER);
	struct buf request, in;
	bool ended = false;

	buf_init(&request, UINT16_MAX);
	buf_init(&in, SIZE_MAX / 2);
	buf_addf(&request,
	         "GET /api/v1/sessions/%s/events?starting_after=2&wait=30 HTTP/1.1\r\nHost: h\r\n"
	         "X-API-Key: %s\r\nConnection: close\r\n\r\n",
	         sid.s, key.text);
	world_send(fd, buf_str(&request));
	assert_false(world_receive(fd, &in, 200, &ended)); /* it waits */
	assert_false(ended);
	take_back(world, &key);
	assert_int_equal(fiber_sleep(SOON_MS + 100), ERR_OK); /* what a node remembers of a key */
	tell(world, &sid, "for others");
	while (world_receive(fd, &in, WORLD_WAIT_MS, &ended) && waits++ < 100) {
	}
	assert_int_equal(strncmp(buf_cstr(&in), "HTTP/1.1 401 ", 13), 0);
	assert_null(strstr(buf_cstr(&in), "for others"));
	(void)close(fd);
	buf_fini(&request);
	buf_fini(&in);
}

static void a_page_that_waited_is_for_keys_that_are_good_when_it_comes(void **state)
{
	struct world world = { .body = poll_body };

	(void)state;
	world_run(&world);
}

static void a_stream_ends_with_its_key_and_says_why(void **state)
{
	struct world world = { .body = end_body };

	(void)state;
	world_run(&world);
}

/* ---- roles ---- */

/* What of tell() is seen. */
static void sees(struct tap *tap, const char *note, bool all)
{
	unsigned logs = 0, questions = 0;

	for (;;) {
		assert_true(tap_next(tap, WORLD_WAIT_MS));
		logs += tap_is(tap, "log");
		questions += tap_is(tap, "permission_request");
		if (tap_is(tap, "note") && tap_says(tap, note)) {
			break;
		}
	}
	assert_int_equal(logs, all ? 1 : 0);
	assert_int_equal(questions, all ? 1 : 0);
}

static void role_body(struct world *world)
{
	struct id sid = world_session(world);
	struct made key = make(world, both, NULL, 0);
	struct tap *one = follow_by(world, &sid, key.text, "");
	struct tap *less = follow_by(world, &sid, key.text, "?role=observer");
	struct tap *reader = follow_by(world, &sid, world->observer_key, "");
	struct talker *talker = talk(world, key.text);
	char header[CRED_KEY_LEN + 64];
	struct cursor at = { 0, 0 };
	struct buf page;

	talker_say(talker, "{\"type\":\"subscribe\",\"sessionId\":\"%s\"}", sid.s);
	talker_expect(talker, "subscribed");
	tell(world, &sid, "first");
	sees(one, "first", true);
	sees(less, "first", false);
	sees(reader, "first", false);
	talker_follow(talker, &sid, &at, 5);
	(void)snprintf(header, sizeof(header), "X-API-Key: %s\r\n", world->observer_key);
	expect(world, &sid, "?role=participant", header, 400);

	/* A page obeys the same table. */
	buf_init(&page, SIZE_MAX / 2);
	(void)snprintf(header, sizeof(header), "Authorization: ApiKey %s\r\n", world->observer_key);
	{
		char target[96];

		(void)snprintf(target, sizeof(target), "/api/v1/sessions/%s/events", sid.s);
		assert_int_equal(world_get(world, STREAMER, target, header, &page), 200);
		assert_non_null(strstr(buf_cstr(&page), "first"));
		assert_null(strstr(buf_cstr(&page), "may I?"));
		assert_null(strstr(buf_cstr(&page), "a line"));
		buf_reset(&page);
		(void)snprintf(target, sizeof(target),
		               "/api/v1/sessions/%s/events?type=permission_request", sid.s);
		assert_int_equal(world_get(world, STREAMER, target, header, &page), 200);
		assert_null(strstr(buf_cstr(&page), "may I?"));
	}
	buf_fini(&page);

	/* A scope that is lost is lost for what is open. */
	restrict_to(world, &key, 1U << AUTH_SESSION_READ);
	tap_until(one, "auth");
	assert_true(tap_says(one, "\"role\":\"observer\""));
	talker_expect(talker, "auth");
	assert_true(str_eq(talker_str(talker, "role"), STR_LIT("observer")));
	tell(world, &sid, "second");
	sees(one, "second", false);
	sees(reader, "second", false);
	talker_expect(talker, "event");
	assert_int_equal(talker_int(talker, "seq"), 8);
	talker_say(talker, "{\"type\":\"prompt\",\"sessionId\":\"%s\",\"prompt\":\"x\"}", sid.s);
	talker_expect(talker, "error");
	assert_true(str_eq(talker_str(talker, "code"), STR_LIT("FORBIDDEN")));
	restrict_to(world, &key, 1U << AUTH_TASK_WRITE);
	expect_end(one, "forbidden");
	talker_expect(talker, "auth");
	assert_int_equal(talker_goodbye(talker), 4001);
	talker_close(talker);
	tap_close(one);
	tap_close(less);
	tap_close(reader);
}

static void observers_see_less_and_a_key_that_loses_a_scope_makes_them(void **state)
{
	struct world world = { .body = role_body };

	(void)state;
	world_run(&world);
}

/* ---- another key ---- */

static int exchange(struct world *world, struct str stream, const char *key)
{
	struct tap *it = tap_open(world, API,
	                          "POST /api/v1/streams/%.*s/auth HTTP/1.1\r\nHost: h\r\n"
	                          "X-API-Key: %s\r\nContent-Length: 0\r\n\r\n",
	                          (int)stream.n, stream.p, key);
	int status = it->status;

	tap_close(it);
	return status;
}

static void exchange_body(struct world *world)
{
	struct id sid = world_session(world);
	struct made old = make(world, both, "ada", 3000000), fresh = make(world, both, "ada", 0);
	struct made stranger = make(world, both, "eve", 0), nobody = make(world, both, NULL, 0);
	struct made third = make(world, both, "ada", 0);
	struct tap *one = follow_by(world, &sid, old.text, "");
	struct talker *talker = talk(world, old.text);
	struct str stream = tap_field(one, "X-Stream-Id: ");

	start_api(world);
	assert_int_equal(stream.n, AUTH_STREAM_LEN);
	assert_int_equal(exchange(world, STR_LIT("0123456789abcdef"), fresh.text), 404);
	assert_int_equal(exchange(world, STR_LIT("nonsense"), fresh.text), 404);
	assert_int_equal(exchange(world, stream, stranger.text), 403);
	assert_int_equal(exchange(world, stream, nobody.text), 403);
	assert_int_equal(exchange(world, stream, world->foreign_key), 403);
	assert_int_equal(exchange(world, stream, fresh.text), 200);
	do {
		tap_until(one, "auth");
	} while (!tap_says(one, "\"role\":\"participant\""));
	assert_false(tap_says(one, "expiresAt"));

	talker_expect(talker, "auth"); /* it ends soon */
	talker_say(talker, "{\"type\":\"auth\",\"token\":\"%s\",\"ref\":\"a\"}", stranger.text);
	talker_expect(talker, "error");
	assert_true(str_eq(talker_str(talker, "code"), STR_LIT("FORBIDDEN")));
	talker_say(talker, "{\"type\":\"auth\",\"token\":\"fl_live_x\",\"ref\":\"b\"}");
	talker_expect(talker, "error");
	assert_true(str_eq(talker_str(talker, "code"), STR_LIT("UNAUTHORIZED")));
	talker_say(talker, "{\"type\":\"auth\",\"token\":\"%s\",\"ref\":\"c\"}", third.text);
	talker_expect(talker, "auth");
	assert_true(str_eq(talker_str(talker, "role"), STR_LIT("participant")));
	talker_expect(talker, "ack");

	/* The old key's end is not theirs any more. */
	take_back(world, &old);
	assert_int_equal(fiber_sleep(SOON_MS), ERR_OK);
	tell(world, &sid, "later");
	sees(one, "later", true);
	talker_say(talker, "{\"type\":\"ping\"}");
	talker_expect(talker, "pong");
	take_back(world, &third);
	talker_expect(talker, "auth");
	assert_int_equal(talker_goodbye(talker), 4001);
	take_back(world, &fresh);
	expect_end(one, "revoked");
	talker_close(talker);
	tap_close(one);
}

static void a_stream_goes_on_with_another_key_of_its_user(void **state)
{
	struct world world = { .body = exchange_body };

	(void)state;
	world_run(&world);
}

/* ---- limits ---- */

static void expect_full(struct world *world, const struct id *sid, const char *key,
                        const char *setting)
{
	struct tap *it = follow_by(world, sid, key, "");

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
static void be_put_off(struct world *world, const struct id *sid, const struct made *key)
{
	static const char browser[] = "User-Agent: Mozilla/5.0\r\nConnection: close\r\n" SAME;
	struct ticket used = ticket(world, key->text, "");
	char cookie[TAP_HEAD_MAX], again[TAP_HEAD_MAX + sizeof(browser)];
	struct tap *it = follow(world, sid, used.query, browser);

	assert_int_equal(it->status, 200);
	cookie_of(it, cookie);
	(void)snprintf(again, sizeof(again), "%s%s", cookie, browser);
	tap_close(it);
	it = follow(world, sid, used.query, again);
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
	struct made one = make(world, both, "ada", 0), two = make(world, both, "ada", 0);
	struct made other = make(world, both, "bob", 0), last = make(world, both, NULL, 0);
	struct tap *open[5];
	struct talker *talker;
	char header[CRED_KEY_LEN + 64];
	int status;

	start_api(world);
	open[0] = follow_by(world, &sid, one.text, "");
	open[1] = follow_by(world, &sid, one.text, "?role=observer");
	expect_full(world, &sid, one.text, "limit.streams_key");
	open[2] = follow_by(world, &sid, two.text, "");
	expect_full(world, &sid, two.text, "limit.streams_user");
	open[3] = follow_by(world, &sid, other.text, "");
	open[4] = follow_by(world, &sid, last.text, "");
	expect_full(world, &sid, last.text, "limit.streams_tenant");
	be_put_off(world, &sid, &last);
	for (size_t i = 0; i < ARRAY_LEN(open); i++) {
		assert_int_equal(open[i]->status, 200);
	}
	(void)snprintf(header, sizeof(header), "Authorization: ApiKey %s\r\n", last.text);
	talker = talker_open(world, STREAMER, "/api/v1/ws", header);
	assert_int_equal(talker->status, 429);
	talker_close(talker);
	/* A page is no stream. */
	expect(world, &sid, "", "Accept: application/json\r\n", 401);
	/* Who leaves makes room. */
	tap_close(open[0]);
	for (status = 429; status == 429;) {
		open[0] = follow_by(world, &sid, one.text, "");
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

static void flood_body(struct world *world)
{
	struct made key = make(world, both, NULL, 0);
	int status = 201;
	int made = 0;

	start_api(world);
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
		cmocka_unit_test(a_stream_ends_with_its_key_and_says_why),
		cmocka_unit_test(a_stream_ends_within_a_second_of_its_key),
		cmocka_unit_test(a_consumer_is_there_as_long_as_its_key_is_good),
		cmocka_unit_test(a_page_that_waited_is_for_keys_that_are_good_when_it_comes),
		cmocka_unit_test(observers_see_less_and_a_key_that_loses_a_scope_makes_them),
		cmocka_unit_test(a_stream_goes_on_with_another_key_of_its_user),
		cmocka_unit_test(streams_are_limited_for_keys_users_and_tenants),
		cmocka_unit_test(a_key_gets_only_so_many_tickets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
