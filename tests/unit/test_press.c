/* Pieces that are shared and bytes that are not, put together as gzip streams: zlib is the client.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "press/gzip.h"
#include "press/press.h"
#include "tests/support/test.h"

enum { PIECES = 120, PIECE_MAX = 200 * 1024, OUT_MAX = 16 * 1024 * 1024 };

struct dice {
	uint64_t state;
};

static uint64_t roll(struct dice *dice, uint64_t sides)
{
	dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (dice->state >> 33) % sides;
}

static void write_event(struct dice *dice, uint64_t n, struct buf *out)
{
	size_t more = roll(dice, 20) == 0 ? roll(dice, 150000) : roll(dice, 300);

	buf_addf(out, "id: 1-%lu\nevent: output\ndata: {\"type\":\"output\",\"n\":%lu,\"text\":\"",
	         (unsigned long)n, (unsigned long)n);
	for (size_t i = 0; i < more; i++) {
		buf_add_char(out, (char)('a' + roll(dice, roll(dice, 26) + 1)));
	}
	buf_add_cstr(out, "\"}\n\n");
}

/* What every client of one press can be sent. */
struct piece {
	struct str plain, pressed;
	struct gzip_sum before, after;
	bool fresh;
};

struct track {
	struct piece pieces[PIECES];
	struct buf plain, pressed;
};

static void lay_track(struct track *track, struct dice *dice)
{
	struct press *press = press_new();
	struct gzip_sum sum = { 0 };
	size_t plain_at[PIECES + 1] = { 0 }, pressed_at[PIECES + 1] = { 0 };

	buf_init(&track->plain, OUT_MAX);
	buf_init(&track->pressed, OUT_MAX);
	for (size_t i = 0; i < PIECES; i++) {
		struct piece *piece = &track->pieces[i];
		struct str plain;

		write_event(dice, i, &track->plain);
		plain = str_make(track->plain.data + plain_at[i], track->plain.len - plain_at[i]);
		if (roll(dice, 8) == 0) {
			press_refresh(press);
		} else if (roll(dice, 20) == 0) {
			press_rest(press);
		}
		piece->fresh = press_is_fresh(press);
		piece->before = sum;
		assert_true(press_piece(press, plain, PIECE_MAX, &track->pressed));
		sum.crc = press_crc(sum.crc, plain);
		sum.len += plain.n;
		piece->after = sum;
		plain_at[i + 1] = track->plain.len;
		pressed_at[i + 1] = track->pressed.len;
	}
	for (size_t i = 0; i < PIECES; i++) {
		track->pieces[i].plain =
			str_make(track->plain.data + plain_at[i], plain_at[i + 1] - plain_at[i]);
		track->pieces[i].pressed = str_make(track->pressed.data + pressed_at[i],
		                                    pressed_at[i + 1] - pressed_at[i]);
	}
	press_free(press);
}

static void lift_track(struct track *track)
{
	buf_fini(&track->plain);
	buf_fini(&track->pressed);
}

static void each_piece_is_whole_and_a_fresh_one_needs_nothing(void **state)
{
	static char out[PIECE_MAX];
	struct dice dice = { 1 };
	struct track track;
	z_stream z = { .zalloc = Z_NULL };

	(void)state;
	lay_track(&track, &dice);
	assert_int_equal(inflateInit2(&z, -PRESS_BITS), Z_OK);
	for (size_t i = 0; i < PIECES; i++) {
		const struct piece *piece = &track.pieces[i];

		assert_true(str_ends(piece->pressed, str_make("\0\0\xff\xff", PRESS_TAIL)));
		if (piece->fresh) { /* a new client */
			(void)inflateEnd(&z);
			z = (z_stream){ .zalloc = Z_NULL };
			assert_int_equal(inflateInit2(&z, -PRESS_BITS), Z_OK);
		}
		z.next_in = (Bytef *)(uintptr_t)piece->pressed.p;
		z.avail_in = (uInt)piece->pressed.n;
		z.next_out = (Bytef *)out;
		z.avail_out = sizeof(out);
		(void)inflate(&z, Z_SYNC_FLUSH);
		assert_int_equal(z.avail_in, 0);
		assert_int_equal(sizeof(out) - z.avail_out, piece->plain.n);
		assert_memory_equal(out, piece->plain.p, piece->plain.n);
	}
	(void)inflateEnd(&z);
	assert_true(track.pressed.len < track.plain.len);
	lift_track(&track);
}

static void what_does_not_fit_leaves_nothing_and_a_fresh_press(void **state)
{
	struct press *press = press_new();
	struct dice dice = { 7 };
	struct buf plain, out;

	(void)state;
	buf_init(&plain, OUT_MAX);
	buf_init(&out, OUT_MAX);
	for (int i = 0; i < 5000; i++) {
		buf_add_char(&plain, (char)roll(&dice, 256));
	}
	assert_true(press_piece(press, STR_LIT("hello"), 100, &out));
	assert_false(press_is_fresh(press));
	buf_reset(&out);
	assert_false(press_piece(press, buf_str(&plain), 1000, &out));
	assert_int_equal(out.len, 0);
	assert_true(press_is_fresh(press));
	assert_true(press_piece(press, buf_str(&plain), 6000, &out));
	buf_fini(&plain);
	buf_fini(&out);
	press_free(press);
	press_free(NULL);
}

static void sums_join_and_part(void **state)
{
	struct dice dice = { 3 };
	char bytes[4000];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (char)roll(&dice, 256);
	}
	assert_int_equal(press_crc(0, STR_LIT("123456789")), 0xcbf43926);
	for (int i = 0; i < 200; i++) {
		size_t cut = roll(&dice, sizeof(bytes) + 1);
		struct str left = str_make(bytes, cut);
		struct str right = str_make(bytes + cut, sizeof(bytes) - cut);
		uint32_t whole = press_crc(0, str_make(bytes, sizeof(bytes)));

		assert_int_equal(press_crc_join(press_crc(0, left), press_crc(0, right), right.n),
		                 whole);
		assert_int_equal(press_crc_rest(press_crc(0, left), whole, right.n),
		                 press_crc(0, right));
	}
}

/* ---- a client ---- */

struct client {
	struct gzip gzip;
	struct buf wire, sent; /* what it got, and what that must mean */
	struct dice *dice;
	bool synced;
};

/* A socket that takes what it likes. */
static size_t take(struct client *client, const struct iovec *iov, int count)
{
	size_t all = 0, some;

	for (int i = 0; i < count; i++) {
		all += iov[i].iov_len;
	}
	some = roll(client->dice, 3) == 0 ? roll(client->dice, all + 1) : all;
	all = some;
	for (int i = 0; i < count && some > 0; i++) {
		size_t part = iov[i].iov_len < some ? iov[i].iov_len : some;

		buf_add(&client->wire, iov[i].iov_base, part);
		some -= part;
	}
	return all;
}

/* Some of it, in two pieces; as a frame in a ring. */
static size_t send_once(struct client *client, struct str plain)
{
	size_t cut = roll(client->dice, plain.n + 1);
	char head[GZIP_BLOCK_HEAD];
	struct iovec in[2] = { { (char *)(uintptr_t)plain.p, cut },
		               { (char *)(uintptr_t)plain.p + cut, plain.n - cut } };
	struct iovec iov[3];
	int count = gzip_plan(&client->gzip, in, 2, head, iov);
	size_t taken = gzip_advance(&client->gzip, in, 2, take(client, iov, count));

	buf_add(&client->sent, plain.p, taken);
	return taken;
}

static void send_own(struct client *client, struct str plain)
{
	client->synced = false;
	while (plain.n > 0) {
		size_t taken = send_once(client, plain);

		plain.p += taken;
		plain.n -= taken;
		if (taken == 0 && roll(client->dice, 50) == 0) {
			return; /* something else comes next */
		}
	}
}

static void fill(struct client *client)
{
	static const char padding[GZIP_BLOCK_MAX] = { 0 };

	while (gzip_open(&client->gzip) > 0) {
		(void)send_once(client, str_make(padding, gzip_open(&client->gzip)));
	}
}

static void send_shared(struct client *client, const struct piece *piece)
{
	fill(client);
	gzip_share(&client->gzip, &piece->before, &piece->after);
	buf_add_str(&client->wire, piece->pressed);
	buf_add_str(&client->sent, piece->plain);
	client->synced = true;
}

static void follow(struct client *client, const struct track *track)
{
	size_t at = roll(client->dice, PIECES);

	client->synced = false;
	for (; at < PIECES; at++) {
		const struct piece *piece = &track->pieces[at];

		switch (roll(client->dice, 25)) {
		case 0: send_own(client, STR_LIT(":\n\n")); break; /* a note */
		case 1:
			at += roll(client->dice, PIECES - at);
			client->synced = false;
			break;                         /* a gap */
		case 2: client->synced = false; break; /* it was slow: from elsewhere */
		default: break;
		}
		piece = &track->pieces[at];
		if (piece->fresh || client->synced) {
			send_shared(client, piece);
		} else {
			send_own(client, piece->plain);
		}
	}
}

static void assert_understood(const struct client *client)
{
	char *out = mem_calloc(client->sent.len + 1, 1);
	z_stream z = { .zalloc = Z_NULL };

	/* 16: gzip only, its checksum and length are verified. */
	assert_int_equal(inflateInit2(&z, 16 + 15), Z_OK);
	z.next_in = (Bytef *)client->wire.data;
	z.avail_in = (uInt)client->wire.len;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)client->sent.len + 1;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	assert_int_equal(z.total_out, client->sent.len);
	assert_memory_equal(out, client->sent.data, client->sent.len);
	(void)inflateEnd(&z);
	free(out);
}

static void any_mixture_is_one_gzip_stream(void **state)
{
	struct dice dice = { 11 };
	struct track track;

	(void)state;
	lay_track(&track, &dice);
	for (int round = 0; round < 60; round++) {
		struct client client = { .dice = &dice };
		char tail[GZIP_TAIL];

		buf_init(&client.wire, OUT_MAX);
		buf_init(&client.sent, OUT_MAX);
		buf_add_str(&client.wire, gzip_head());
		for (uint64_t joins = roll(&dice, 3); joins < 3; joins++) {
			follow(&client, &track);
		}
		fill(&client);
		gzip_tail(&client.gzip, tail);
		buf_add(&client.wire, tail, sizeof(tail));
		assert_understood(&client);
		buf_fini(&client.wire);
		buf_fini(&client.sent);
	}
	lift_track(&track);
}

static void a_block_that_nothing_was_sent_of_is_no_promise(void **state)
{
	struct gzip gzip = { 0 };
	char head[GZIP_BLOCK_HEAD];
	struct iovec in = { (char *)(uintptr_t) "abc", 3 }, iov[2];

	(void)state;
	assert_int_equal(gzip_plan(&gzip, &in, 1, head, iov), 2);
	assert_int_equal(gzip_open(&gzip), 3);
	assert_int_equal(gzip_advance(&gzip, &in, 1, 0), 0);
	assert_int_equal(gzip_open(&gzip), 0);
	assert_int_equal(gzip_plan(&gzip, &in, 1, head, iov), 2);
	assert_int_equal(gzip_advance(&gzip, &in, 1, 1), 0);
	assert_int_equal(gzip_open(&gzip), 3);
	assert_int_equal(gzip_plan(&gzip, &in, 1, head, iov), 2);
	assert_int_equal(iov[0].iov_len, GZIP_BLOCK_HEAD - 1);
	assert_int_equal(gzip_advance(&gzip, &in, 1, GZIP_BLOCK_HEAD), 1);
	assert_int_equal(gzip_open(&gzip), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_piece_is_whole_and_a_fresh_one_needs_nothing),
		cmocka_unit_test(what_does_not_fit_leaves_nothing_and_a_fresh_press),
		cmocka_unit_test(sums_join_and_part),
		cmocka_unit_test(any_mixture_is_one_gzip_stream),
		cmocka_unit_test(a_block_that_nothing_was_sent_of_is_no_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
