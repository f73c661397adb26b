/* Many clients of one session that is compressed once: each one's wire is read by zlib, as its
 * browser would, and must hold every event it wanted, in order, and each once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "streamer/intake.h"
#include "streamer/ring.h"
#include "streamer/squeeze.h"
#include "tests/support/test.h"
#include "ws/frame.h"

enum {
	EVENTS = 700,
	TYPES = 4,
	CLIENTS = 24,
	WIRE_MAX = 64 * 1024 * 1024,
	FRAME_SIZE_MAX = 256 * 1024,
	SILENT_MS = 10000,
};

struct dice {
	uint64_t state;
};

static uint64_t roll(struct dice *dice, uint64_t sides)
{
	dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (dice->state >> 33) % sides;
}

struct client {
	struct intake *intake;
	struct position position;
	uint64_t began;
	struct buf wire;
	size_t room;
};

struct stage {
	struct dice dice;
	enum format format;
	struct squeeze_pool pool;
	struct squeeze *squeeze;
	struct ring ring;     /* the tip */
	struct ring history;  /* everything */
	struct ring contents; /* the same without what a format puts around */
	uint64_t now_ms;
	size_t shared, own; /* how often */
	struct client clients[CLIENTS];
};

/* ---- events ---- */

static void write_text(struct dice *dice, struct buf *out)
{
	static const char *const words[] = { "agent", "writes", "code", "and", "tests", "it" };
	size_t count = roll(dice, 40);

	if (roll(dice, 60) == 0) { /* too large, or what cannot be made smaller */
		count = 20000;
	} else if (roll(dice, 60) == 0) {
		for (size_t i = 0; i < 16000; i++) {
			buf_add_char(out, (char)('!' + roll(dice, 90)));
		}
	}
	for (size_t i = 0; i < count; i++) {
		buf_addf(out, "%s ", words[roll(dice, 6)]);
	}
}

static void push(struct stage *stage)
{
	struct cursor at = { 1, stage->ring.tip.n + 1 };
	unsigned type = (unsigned)roll(&stage->dice, TYPES);
	struct buf text, frame;

	buf_init(&text, FRAME_SIZE_MAX);
	buf_init(&frame, FRAME_SIZE_MAX);
	buf_addf(&text, "id: %lu\ndata: ", (unsigned long)at.n);
	write_text(&stage->dice, &text);
	buf_add_cstr(&text, "\n\n");
	if (roll(&stage->dice, 30) == 0) {
		/* an event that has no form */
	} else if (stage->format == FORMAT_SSE) {
		buf_add_str(&frame, buf_str(&text));
	} else {
		char head[WS_HEADER_SIZE];

		buf_add(&frame, head, ws_format_header(head, WS_TEXT, WS_FINAL, text.len));
		buf_add_str(&frame, buf_str(&text));
	}
	stage->now_ms += roll(&stage->dice, 100) == 0 ? SILENT_MS : roll(&stage->dice, 5);
	squeeze_pool_tick(&stage->pool, stage->now_ms);
	ring_push(&stage->ring, &at, type, buf_str(&frame));
	ring_push(&stage->history, &at, type, buf_str(&frame));
	if (frame.len == 0) {
		buf_reset(&text);
	}
	ring_push(&stage->contents, &at, type, buf_str(&text));
	squeeze_push(stage->squeeze, &at, type, buf_str(&frame), stage->now_ms);
	buf_fini(&text);
	buf_fini(&frame);
}

/* ---- a client, as a subscriber writes to it ---- */

static ssize_t take(void *conn, const struct iovec *iov, int count)
{
	struct client *client = conn;
	size_t taken = 0;

	for (int i = 0; i < count; i++) {
		size_t part = iov[i].iov_len < client->room ? iov[i].iov_len : client->room;

		buf_add(&client->wire, iov[i].iov_base, part);
		client->room -= part;
		taken += part;
	}
	return (ssize_t)taken;
}

/* False: full. */
static bool send_own(struct stage *stage, struct client *client, const struct ring *ring,
                     size_t bytes_max)
{
	struct plan plan;
	ssize_t n = 0;

	position_plan(&client->position, ring, bytes_max, &plan);
	assert_false(plan.torn);
	if (plan.count > 0) {
		n = intake_writev(client->intake, plan.iov, plan.count);
		stage->own++;
	}
	(void)position_advance(&client->position, ring, (size_t)n);
	return (size_t)n == plan.bytes;
}

static bool send_some(struct stage *stage, struct client *client)
{
	struct position *position = &client->position;
	uint64_t events = 0;

	if (ring_place(&stage->ring, &position->at) != RING_INSIDE) {
		return send_own(stage, client, &stage->history, PLAN_BYTES);
	}
	if (position->at.n == stage->ring.tip.n) {
		intake_await(client->intake);
		return false;
	}
	if (position->sent == 0) {
		switch (intake_share(client->intake, position, &events)) {
		case INTAKE_SENT: stage->shared += events; return true;
		case INTAKE_FULL: stage->shared += events; return false;
		case INTAKE_NONE: break;
		case INTAKE_DEAD: fail();
		}
	}
	return send_own(stage, client, &stage->ring, PLAN_BYTES);
}

static bool is_whole(struct client *client)
{
	bool dead;

	return client->position.sent == 0 && intake_flush(client->intake, &dead);
}

static void say_note(struct stage *stage, struct client *client)
{
	char note[8] = { (char)0x81, 2, '{', '}' };
	struct iovec iov = { note, 4 };

	if (stage->format == FORMAT_SSE) {
		iov = (struct iovec){ memcpy(note, ":\n\n", 3), 3 };
	}
	client->room = FRAME_SIZE_MAX;
	if (client->position.sent > 0) { /* the rest of that frame, and no more */
		assert_true(send_own(stage, client, &stage->history, 1));
	}
	if (is_whole(client)) {
		assert_int_equal(intake_writev(client->intake, &iov, 1), iov.iov_len);
	}
}

static void pump(struct stage *stage, struct client *client)
{
	if (client->intake == NULL) {
		return;
	}
	client->room = roll(&stage->dice, 3) == 0 ? roll(&stage->dice, 700) : 1 << 20;
	if (roll(&stage->dice, 25) == 0) {
		say_note(stage, client);
	}
	while (send_some(stage, client)) {
	}
}

static void begin(struct stage *stage, struct client *client)
{
	client->began = roll(&stage->dice, stage->ring.tip.n + 1);
	client->position = (struct position){ .at = { CURSOR_EPOCH_ANY, client->began },
		                              .types = stage->squeeze->types };
	if (roll(&stage->dice, 2) == 0) {
		client->began = stage->ring.tip.n;
		client->position.at = stage->ring.tip;
	}
	buf_init(&client->wire, WIRE_MAX);
	client->intake = intake_new(stage->format == FORMAT_SSE ? INTAKE_GZIP : INTAKE_MESSAGES);
	client->intake->write = take;
	client->intake->conn = client;
	client->intake->squeeze = stage->squeeze;
}

/* ---- what it understands ---- */

static size_t inflate_some(z_stream *z, struct str in, struct buf *out)
{
	char chunk[16 * 1024];

	z->next_in = (Bytef *)(uintptr_t)in.p;
	z->avail_in = (uInt)in.n;
	do {
		int rc;

		z->next_out = (Bytef *)chunk;
		z->avail_out = sizeof(chunk);
		rc = inflate(z, Z_SYNC_FLUSH);
		assert_true(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
		buf_add(out, chunk, sizeof(chunk) - z->avail_out);
	} while (z->avail_out == 0);
	return z->avail_in;
}

static void read_gzip(const struct client *client, struct buf *out)
{
	z_stream z = { .zalloc = Z_NULL };

	assert_int_equal(inflateInit2(&z, 16 + 15), Z_OK);
	assert_int_equal(inflate_some(&z, buf_str(&client->wire), out), 0);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END); /* its checksum holds */
	(void)inflateEnd(&z);
}

static void read_messages(const struct client *client, struct buf *out)
{
	struct str rest = buf_str(&client->wire);
	z_stream z = { .zalloc = Z_NULL };

	assert_int_equal(inflateInit2(&z, -PRESS_BITS), Z_OK);
	while (rest.n > 0) {
		const unsigned char *head = (const unsigned char *)rest.p;
		uint64_t len = head[1], bytes = len == 127 ? 8 : (len == 126 ? 2 : 0);

		assert_int_equal(head[0] & 0xbf, 0x81);
		if (bytes > 0) {
			len = 0;
			for (size_t i = 0; i < bytes; i++) {
				len = len << 8 | head[2 + i];
			}
		}
		rest = str_make(rest.p + 2 + bytes, rest.n - 2 - bytes);
		assert_true(len <= rest.n);
		if (head[0] & 0x40) {
			assert_int_equal(inflate_some(&z, str_make(rest.p, len), out), 0);
			assert_int_equal(
				inflate_some(&z, str_make("\0\0\xff\xff", PRESS_TAIL), out), 0);
		} else {
			buf_add(out, rest.p, len);
		}
		rest = str_make(rest.p + len, rest.n - len);
	}
	(void)inflateEnd(&z);
}

/* Notes and blank lines say nothing; the rest is what it asked for. */
static void assert_all_there(const struct stage *stage, const struct client *client)
{
	struct buf text;
	struct str rest;

	buf_init(&text, WIRE_MAX);
	if (stage->format == FORMAT_SSE) {
		read_gzip(client, &text);
	} else {
		read_messages(client, &text);
	}
	rest = buf_str(&text);
	for (uint64_t n = client->began + 1; n <= stage->contents.tip.n; n++) {
		const struct ring_frame *frame = ring_at(&stage->contents, n);
		struct iovec iov[2];

		if (frame->len == 0 || (client->position.types >> frame->type & 1) == 0) {
			continue;
		}
		while (rest.n > 0 && strchr("\n:{}", rest.p[0]) != NULL) {
			rest = str_make(rest.p + 1, rest.n - 1);
		}
		assert_int_equal(ring_pieces(&stage->contents, frame->start, frame->len, iov), 1);
		assert_true(str_starts(rest, str_make(iov[0].iov_base, frame->len)));
		rest = str_make(rest.p + frame->len, rest.n - frame->len);
	}
	for (; rest.n > 0; rest = str_make(rest.p + 1, rest.n - 1)) {
		assert_non_null(strchr("\n:{}", rest.p[0]));
	}
	buf_fini(&text);
}

static void finish(struct stage *stage, struct client *client)
{
	bool dead;

	client->room = SIZE_MAX / 2;
	while (send_some(stage, client)) {
	}
	intake_finish(client->intake);
	assert_true(intake_flush(client->intake, &dead));
	assert_all_there(stage, client);
}

static void leave(struct client *client)
{
	intake_free(client->intake);
	buf_fini(&client->wire);
	*client = (struct client){ 0 };
}

static void open_stage(struct stage *stage, enum format format, uint64_t seed)
{
	*stage = (struct stage){ .dice = { seed }, .format = format };
	squeeze_pool_init(&stage->pool, 1, SILENT_MS);
	ring_init(&stage->ring, 64, 256 * 1024, (struct cursor){ 1, 0 });
	ring_init(&stage->history, EVENTS, WIRE_MAX, (struct cursor){ 1, 0 });
	ring_init(&stage->contents, EVENTS, WIRE_MAX, (struct cursor){ 1, 0 });
	stage->squeeze = squeeze_new(&stage->pool, format, roll(&stage->dice, 2) == 0 ? 15 : 6,
	                             stage->ring.tip);
}

static void close_stage(struct stage *stage)
{
	squeeze_free(stage->squeeze);
	squeeze_pool_fini(&stage->pool);
	ring_fini(&stage->ring);
	ring_fini(&stage->history);
	ring_fini(&stage->contents);
}

static void play(enum format format, uint64_t seed)
{
	static struct stage stage;

	open_stage(&stage, format, seed);
	for (int i = 0; i < EVENTS; i++) {
		struct client *lucky = &stage.clients[roll(&stage.dice, CLIENTS)];

		push(&stage);
		if (lucky->intake == NULL) {
			begin(&stage, lucky);
		}
		if (roll(&stage.dice, 3) == 0) { /* else several come at once */
			for (size_t k = 0; k < CLIENTS; k++) {
				if (roll(&stage.dice, 20) > 0) {
					pump(&stage, &stage.clients[k]);
				}
			}
		}
		if (roll(&stage.dice, 50) == 0 && lucky->intake != NULL) {
			finish(&stage, lucky);
			leave(lucky);
		}
	}
	for (size_t k = 0; k < CLIENTS; k++) {
		if (stage.clients[k].intake != NULL) {
			finish(&stage, &stage.clients[k]);
			leave(&stage.clients[k]);
		}
	}
	assert_true(stage.shared > stage.own);
	close_stage(&stage);
}

static void every_gzip_client_reads_all_whenever_it_joins(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2; seed++) {
		play(FORMAT_SSE, seed);
	}
}

static void every_socket_reads_all_whenever_it_joins(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2; seed++) {
		play(FORMAT_SOCKET, seed);
	}
}

static void push_text(struct squeeze *squeeze, const char *text, uint64_t now_ms)
{
	struct cursor at = { 1, squeeze->ring.tip.n + 1 };

	squeeze_push(squeeze, &at, 0, str_of(text), now_ms);
}

static bool is_fresh(const struct squeeze *squeeze)
{
	return squeeze->marks[squeeze->ring.tip.n % squeeze->slots].is_fresh;
}

static void fresh_pieces_are_made_for_those_who_wait_and_after_a_silence(void **state)
{
	struct squeeze_pool pool;
	struct squeeze *squeeze;

	(void)state;
	squeeze_pool_init(&pool, 4, SILENT_MS);
	squeeze = squeeze_new(&pool, FORMAT_SSE, 1, (struct cursor){ 1, 0 });
	push_text(squeeze, "one", 1000);
	assert_true(is_fresh(squeeze));
	squeeze->is_missed = true;
	for (int i = 1; i < SQUEEZE_FRESH_EVERY; i++) {
		push_text(squeeze, "more", 1000);
		assert_false(is_fresh(squeeze));
	}
	push_text(squeeze, "more", 1000);
	assert_true(is_fresh(squeeze));
	assert_false(squeeze->is_missed);
	for (int i = 0; i < 3 * SQUEEZE_FRESH_EVERY; i++) {
		push_text(squeeze, "more", 1000);
		assert_false(is_fresh(squeeze));
	}
	push_text(squeeze, "more", 1000 + SILENT_MS);
	assert_true(is_fresh(squeeze));
	squeeze_free(squeeze);
	squeeze_pool_fini(&pool);
}

/* Every browser takes gzip: a session that somebody looks at and that says nothing is the rule. */
static void a_silent_session_takes_no_memory(void **state)
{
	struct squeeze_pool pool;
	struct squeeze *squeeze;

	(void)state;
	squeeze_pool_init(&pool, 4, SILENT_MS);
	squeeze = squeeze_new(&pool, FORMAT_SSE, 1, (struct cursor){ 1, 7 });
	assert_int_equal(squeeze_memory(squeeze), 0);
	push_text(squeeze, "one", 1000);
	assert_in_range(squeeze_memory(squeeze), 1, 8192);
	for (int i = 0; i < 2 * SQUEEZE_EVENTS; i++) {
		push_text(squeeze, "more", 1000);
	}
	assert_int_equal(squeeze->slots, SQUEEZE_EVENTS);
	squeeze_reset(squeeze, (struct cursor){ 2, 7 });
	assert_int_equal(squeeze_memory(squeeze), 0);
	push_text(squeeze, "again", 1000);
	assert_true(is_fresh(squeeze));
	squeeze_free(squeeze);
	squeeze_pool_fini(&pool);
}

static void memory_goes_to_those_who_use_it(void **state)
{
	struct squeeze_pool pool;
	struct squeeze *squeezes[3];

	(void)state;
	squeeze_pool_init(&pool, 2, SILENT_MS);
	for (int i = 0; i < 3; i++) {
		squeezes[i] = squeeze_new(&pool, FORMAT_SSE, 1, (struct cursor){ 1, 0 });
		push_text(squeezes[i], "one", 1000);
	}
	assert_int_equal(pool.count, 2);
	assert_false(squeezes[2]->is_warm);
	push_text(squeezes[0], "two", 1000 + SQUEEZE_BUSY_MS - 1);
	push_text(squeezes[2], "two", 1000 + SQUEEZE_BUSY_MS);
	assert_true(squeezes[2]->is_warm);
	assert_false(squeezes[1]->is_warm);
	assert_int_equal(pool.count, 2);
	squeeze_pool_tick(&pool, 1000 + SQUEEZE_BUSY_MS - 1 + SILENT_MS);
	assert_int_equal(pool.count, 1);
	squeeze_pool_tick(&pool, 1000 + SQUEEZE_BUSY_MS + SILENT_MS);
	assert_int_equal(pool.count, 0);
	for (int i = 0; i < 3; i++) {
		squeeze_free(squeezes[i]);
	}
	squeeze_pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_gzip_client_reads_all_whenever_it_joins),
		cmocka_unit_test(every_socket_reads_all_whenever_it_joins),
		cmocka_unit_test(fresh_pieces_are_made_for_those_who_wait_and_after_a_silence),
		cmocka_unit_test(a_silent_session_takes_no_memory),
		cmocka_unit_test(memory_goes_to_those_who_use_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
