#include "tests/integration/talker.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/support/ws_transcript.h"

enum { MASK = 0x5ca1ab1e, TEXT_MAX = 1024 * 1024 };

static bool offers_deflate(const char *headers)
{
	const char *offer = getenv("TALKERS_OFFER");

	return offer != NULL && strcmp(offer, "deflate") == 0 &&
	       strstr(headers, "Sec-WebSocket-Extensions") == NULL;
}

static void agree(struct talker *talker)
{
	const char *head = buf_cstr(&talker->in);

	if (strstr(head, "Sec-WebSocket-Extensions: permessage-deflate") != NULL) {
		bool small = strstr(head, "server_max_window_bits=13") != NULL;

		talker->inflater = ws_inflater_new(small ? 13 : WS_BITS_MAX, false);
	}
}

struct talker *talker_open(struct world *world, size_t streamer, const char *target,
                           const char *headers)
{
	return talker_open_with(world, streamer, target, headers, STR_LIT(""));
}

struct talker *talker_open_with(struct world *world, size_t streamer, const char *target,
                                const char *headers, struct str more)
{
	struct talker *talker = mem_calloc(1, sizeof(*talker));
	bool has_key = strstr(headers, "Authorization:") != NULL;
	struct buf request;
	uint64_t status = 0;

	talker->world = world;
	talker->fd = world_dial(world, streamer);
	assert_true(talker->fd >= 0);
	buf_init(&talker->in, SIZE_MAX / 2);
	buf_init(&talker->payload, SIZE_MAX / 2);
	buf_init(&request, UINT16_MAX);
	buf_addf(&request,
	         "GET %s HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
	         target);
	if (!has_key) {
		buf_addf(&request, "Authorization: ApiKey %s\r\n", world->key);
	}
	if (offers_deflate(headers)) {
		buf_add_cstr(&request, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
	}
	buf_addf(&request, "%s\r\n", headers);
	buf_add_str(&request, more);
	world_send(talker->fd, buf_str(&request));
	buf_fini(&request);
	while (world_end_of_head(&talker->in) == NULL) {
		assert_true(world_receive(talker->fd, &talker->in, WORLD_WAIT_MS, &talker->ended));
	}
	assert_true(parse_u64(str_make(talker->in.data + 9, 3), 999, &status));
	talker->status = (int)status;
	agree(talker);
	return talker;
}

void talker_close(struct talker *talker)
{
	(void)close(talker->fd);
	buf_fini(&talker->in);
	buf_fini(&talker->payload);
	ws_inflater_free(talker->inflater);
	json_value_free(talker->json);
	free(talker);
}

void talker_send(struct talker *talker, unsigned first, struct str payload)
{
	struct buf frame;

	buf_init(&frame, SIZE_MAX / 2);
	ws_client_frame(&frame, first, payload, MASK);
	world_send(talker->fd, buf_str(&frame));
	buf_fini(&frame);
}

void talker_say(struct talker *talker, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text, TEXT_MAX);
	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	talker_send(talker, WS_FINAL | WS_TEXT, buf_str(&text));
	buf_fini(&text);
}

/* ---- reading ---- */

static void take_head(struct talker *talker)
{
	const char *end = talker->status == 101 ? world_end_of_head(&talker->in) : NULL;

	if (end != NULL && str_starts(buf_str(&talker->in), STR_LIT("HTTP/1.1 101"))) {
		buf_drop(&talker->in, (size_t)(end - talker->in.data));
	}
}

/* Its payload's place in the input; false: it is not all there. */
static bool measure(const struct talker *talker, size_t *ret_start, size_t *ret_len)
{
	const unsigned char *in = (const unsigned char *)talker->in.data;
	size_t have = talker->in.len, wide;

	if (have < 2) {
		return false;
	}
	assert_int_equal(in[1] & 0x80, 0); /* RFC 6455 section 5.1: a server does not mask */
	*ret_len = in[1] & 0x7f;
	wide = *ret_len == 126 ? 2 : *ret_len == 127 ? 8 : 0;
	*ret_start = 2 + wide;
	if (have < *ret_start) {
		return false;
	}
	if (wide > 0) {
		*ret_len = 0;
		for (size_t i = 0; i < wide; i++) {
			*ret_len = *ret_len << 8 | in[2 + i];
		}
	}
	return have >= *ret_start + *ret_len;
}

static void unpack(struct talker *talker)
{
	struct buf text;

	assert_non_null(talker->inflater);
	buf_init(&text, TEXT_MAX);
	assert_int_equal(
		ws_inflate(talker->inflater, buf_str(&talker->payload), true, TEXT_MAX, &text), 0);
	buf_fini(&talker->payload);
	talker->payload = text;
}

static void understand(struct talker *talker)
{
	const unsigned char *payload;
	struct err err;

	json_value_free(talker->json);
	talker->json = NULL;
	if (talker->compressed) {
		unpack(talker);
	}
	payload = (const unsigned char *)talker->payload.data;
	if (talker->opcode == WS_TEXT) {
		talker->json = json_parse(buf_str(&talker->payload), &err);
		assert_non_null(talker->json);
	} else if (talker->opcode == WS_CLOSE) {
		talker->code = talker->payload.len >= 2 ? (unsigned)(payload[0] << 8 | payload[1])
		                                        : WS_CODE_NONE;
	} else if (talker->opcode == WS_PING) {
		talker->pings++;
	}
}

bool talker_frame(struct talker *talker, unsigned ms)
{
	uint64_t now = clock_mono_ms(), until = now + ms;
	size_t start, len;

	take_head(talker);
	for (; !measure(talker, &start, &len); now = clock_mono_ms()) {
		if (now > until || !world_receive(talker->fd, &talker->in, (unsigned)(until - now),
		                                  &talker->ended)) {
			return false;
		}
	}
	talker->opcode = (enum ws_opcode)(talker->in.data[0] & 0x0f);
	talker->compressed = (talker->in.data[0] & WS_COMPRESSED) != 0;
	assert_int_equal(talker->in.data[0] & 0x80, 0x80); /* nothing of ours is fragmented */
	buf_reset(&talker->payload);
	buf_add(&talker->payload, talker->in.data + start, len);
	buf_drop(&talker->in, start + len);
	talker->wire_bytes += start + len;
	understand(talker);
	return true;
}

void talker_next(struct talker *talker)
{
	do {
		if (!talker_frame(talker, WORLD_WAIT_MS)) {
			fail_msg("%s", talker->ended ? "the server has closed" : "no frame came");
		}
		if (talker->opcode == WS_PING && !talker->mute) {
			talker_send(talker, WS_FINAL | WS_PONG, buf_str(&talker->payload));
		}
	} while (talker->opcode == WS_PING);
	if (talker->opcode != WS_TEXT) {
		fail_msg("not a text: opcode %d code %u", (int)talker->opcode, talker->code);
	}
}

void talker_expect(struct talker *talker, const char *type)
{
	bool skip;

	do {
		talker_next(talker);
		skip = talker->skips != NULL && strcmp(talker->skips, type) != 0 &&
		       str_eq(talker_str(talker, "type"), str_of(talker->skips));
	} while (skip);
	if (!str_eq(talker_str(talker, "type"), str_of(type))) {
		fail_msg("%s came, not %s", buf_cstr(&talker->payload), type);
	}
}

unsigned talker_goodbye(struct talker *talker)
{
	do {
		if (!talker_frame(talker, WORLD_WAIT_MS)) {
			fail_msg("no goodbye came");
		}
	} while (talker->opcode != WS_CLOSE);
	talker_send(talker, WS_FINAL | WS_CLOSE,
	            str_make(talker->payload.data, talker->payload.len > 2 ? 2 : 0));
	assert_false(talker_frame(talker, WORLD_WAIT_MS));
	assert_true(talker->ended);
	return talker->code;
}

struct str talker_str(const struct talker *talker, const char *name)
{
	return json_as_str(json_get(talker->json, name));
}

int64_t talker_int(const struct talker *talker, const char *name)
{
	return json_as_i64(json_get(talker->json, name));
}

void talker_follow(struct talker *talker, const struct id *sid, struct cursor *at,
                   uint64_t through_n)
{
	while (at->n < through_n) {
		struct cursor next;

		talker_expect(talker, "event");
		assert_true(str_eq(talker_str(talker, "sessionId"), str_of(sid->s)));
		assert_true(cursor_parse(talker_str(talker, "id"), &next));
		assert_int_equal(talker_int(talker, "seq"), next.n);
		if (next.n != at->n + 1 || next.epoch < at->epoch) {
			fail_msg("%" PRIu64 " after %" PRIu64, next.n, at->n);
		}
		*at = next;
	}
}
