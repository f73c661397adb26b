/* Streams live no longer than their keys, and may do no more: how they end, and how they go on. */
#include <stdio.h>
#include <unistd.h>

#include "auth/auth_bell.h"
#include "base/clock.h"
#include "tests/integration/keyring.h"
#include "tests/integration/talker.h"

#define LINE     "{\"message\":\"a line\",\"stream\":\"stdout\"}"
#define QUESTION "{\"request_id\":\"q1\",\"title\":\"may I?\"}"

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
	char header[CRED_KEY_MAX + 64];
	struct talker *talker;

	(void)snprintf(header, sizeof(header), "Authorization: ApiKey %s\r\n", key);
	talker = talker_open(world, KEYRING_STREAMER, target, header);
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
	struct key_made revoked = keyring_make(world, KEYRING_BOTH, NULL, 0),
			brief = keyring_make(world, KEYRING_BOTH, NULL, 1500000);
	const struct key_made *const good[] = { &revoked, &brief };
	static const char *const bad[] = { "", "X-API-Key: nonsense\r\n",
		                           "Sec-WebSocket-Protocol: fairlead.key.x\r\n" };
	struct talker *talkers[2];
	char target[64], head[TAP_HEAD_MAX];

	(void)snprintf(target, sizeof(target), "/ws/consumer/%s", sid.s);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(keyring_shake(world, target, "", bad[i], head), 401);
		assert_non_null(strstr(head, "\r\nWWW-Authenticate: "));
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		talkers[i] = talk_at(world, target, good[i]->text);
	}
	keyring_take_back(world, &revoked);
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
	struct key_made keys[4];
	struct tap *taps[ARRAY_LEN(keys)];
	uint64_t best_ms = UINT64_MAX;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		keys[i] = keyring_make(world, KEYRING_BOTH, NULL, 0);
		taps[i] = keyring_follow_by(world, &sid, keys[i].text, "");
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		uint64_t began = clock_mono_ms(), took_ms;

		keyring_take_back(world, &keys[i]);
		expect_end(taps[i], "revoked");
		took_ms = clock_mono_ms() - began;
		if (i > 0 && took_ms < best_ms) {
			best_ms = took_ms;
		}
		tap_close(taps[i]);
	}
	assert_in_range(best_ms, 0, KEYRING_SOON_MS);
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
	struct key_made first = keyring_make(world, KEYRING_BOTH, NULL, 0),
			second = keyring_make(world, KEYRING_BOTH, NULL, 0);
	struct key_made brief = keyring_make(world, KEYRING_BOTH, NULL, 1500000);
	struct tap *one = keyring_follow_by(world, &sid, first.text, "");
	struct tap *other = keyring_follow_by(world, &sid, second.text, "");
	struct tap *short_one = keyring_follow_by(world, &sid, brief.text, "");
	struct talker *talker = talk(world, first.text);
	struct err err;

	tap_until(one, "status");
	tap_until(other, "status");
	/* A minute before, or as soon as it is open. */
	tap_until(short_one, "auth");
	assert_true(tap_says(short_one, "\"expiresIn\":"));
	assert_true(tap_says(short_one, "\"stream\":\""));

	keyring_take_back(world, &first); /* nobody rings: it is seen all the same */
	expect_end(one, "revoked");
	talker_expect(talker, "auth");
	assert_true(str_eq(talker_str(talker, "reason"), STR_LIT("revoked")));
	assert_int_equal(talker_goodbye(talker), 4001);

	keyring_take_back(world, &second);
	assert_int_equal(auth_bell_ring(world->redis, AUTH_BELL_KEY, &second.id, &err), ERR_OK);
	expect_end(other, "revoked");
	expect_end(short_one, "expired");
	talker_close(talker);
	tap_close(one);
	tap_close(other);
	tap_close(short_one);
	one = keyring_follow_by(world, &sid, brief.text, "");
	assert_int_equal(one->status, 401);
	tap_close(one);
}

/* Who waits for a page asks for what comes after the end of the key, too. */
static void poll_body(struct world *world)
{
	struct id sid = world_session(world);
	struct key_made key = keyring_make(world, KEYRING_BOTH, NULL, 0);
	uint64_t waits = 0;
	int fd = world_dial(world, KEYRING_STREAMER);
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
	keyring_take_back(world, &key);
	assert_int_equal(fiber_sleep(KEYRING_SOON_MS + 100),
	                 ERR_OK); /* what a node remembers of a key */
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
	struct key_made key = keyring_make(world, KEYRING_BOTH, NULL, 0);
	struct tap *one = keyring_follow_by(world, &sid, key.text, "");
	struct tap *less = keyring_follow_by(world, &sid, key.text, "?role=observer");
	struct tap *reader = keyring_follow_by(world, &sid, world->observer_key, "");
	struct talker *talker = talk(world, key.text);
	char header[CRED_KEY_MAX + 64];
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
	keyring_expect(world, &sid, "?role=participant", header, 400);

	/* A page obeys the same table. */
	buf_init(&page, SIZE_MAX / 2);
	(void)snprintf(header, sizeof(header), "Authorization: ApiKey %s\r\n", world->observer_key);
	{
		char target[96];

		(void)snprintf(target, sizeof(target), "/api/v1/sessions/%s/events", sid.s);
		assert_int_equal(world_get(world, KEYRING_STREAMER, target, header, &page), 200);
		assert_non_null(strstr(buf_cstr(&page), "first"));
		assert_null(strstr(buf_cstr(&page), "may I?"));
		assert_null(strstr(buf_cstr(&page), "a line"));
		buf_reset(&page);
		(void)snprintf(target, sizeof(target),
		               "/api/v1/sessions/%s/events?type=permission_request", sid.s);
		assert_int_equal(world_get(world, KEYRING_STREAMER, target, header, &page), 200);
		assert_null(strstr(buf_cstr(&page), "may I?"));
	}
	buf_fini(&page);

	/* A scope that is lost is lost for what is open. */
	keyring_restrict(world, &key, 1U << AUTH_SESSION_READ);
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
	keyring_restrict(world, &key, 1U << AUTH_TASK_WRITE);
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
	struct tap *it = tap_open(world, KEYRING_API,
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
	struct key_made old = keyring_make(world, KEYRING_BOTH, "ada", 50000000),
			fresh = keyring_make(world, KEYRING_BOTH, "ada", 0);
	struct key_made stranger = keyring_make(world, KEYRING_BOTH, "eve", 0),
			nobody = keyring_make(world, KEYRING_BOTH, NULL, 0);
	struct key_made third = keyring_make(world, KEYRING_BOTH, "ada", 0);
	struct tap *one = keyring_follow_by(world, &sid, old.text, "");
	struct talker *talker = talk(world, old.text);
	struct str stream = tap_field(one, "X-Stream-Id: ");

	keyring_start_api(world);
	assert_int_equal(stream.n, AUTH_STREAM_LEN);
	assert_int_equal(exchange(world, STR_LIT("0123456789abcdef"), fresh.text), 404);
	assert_int_equal(exchange(world, STR_LIT("nonsense"), fresh.text), 404);
	assert_int_equal(exchange(world, stream, stranger.text), 403);
	assert_int_equal(exchange(world, stream, nobody.text), 403);
	assert_int_equal(exchange(world, stream, world->foreign_key), 404);
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
	keyring_take_back(world, &old);
	assert_int_equal(fiber_sleep(KEYRING_SOON_MS), ERR_OK);
	tell(world, &sid, "later");
	sees(one, "later", true);
	talker_say(talker, "{\"type\":\"ping\"}");
	talker_expect(talker, "pong");
	keyring_take_back(world, &third);
	talker_expect(talker, "auth");
	assert_int_equal(talker_goodbye(talker), 4001);
	keyring_take_back(world, &fresh);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_ends_with_its_key_and_says_why),
		cmocka_unit_test(a_stream_ends_within_a_second_of_its_key),
		cmocka_unit_test(a_consumer_is_there_as_long_as_its_key_is_good),
		cmocka_unit_test(a_page_that_waited_is_for_keys_that_are_good_when_it_comes),
		cmocka_unit_test(observers_see_less_and_a_key_that_loses_a_scope_makes_them),
		cmocka_unit_test(a_stream_goes_on_with_another_key_of_its_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
