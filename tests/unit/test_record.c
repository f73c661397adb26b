/* Streams on their way from one streamer to the next, as bytes. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/mem.h"
#include "streamer/record.h"
#include "streamer/wire.h"
#include "tests/support/test.h"

static struct record_classes own_classes(void)
{
	struct record_classes classes;
	struct buf names;

	buf_init(&names, UINT16_MAX);
	record_classes_format(&names);
	assert_true(record_classes_parse(buf_str(&names), &classes));
	buf_fini(&names);
	return classes;
}

static struct record sample(struct record_followed *followed)
{
	struct record record = { .kind = RECORD_SSE,
		                 .peer = STR_LIT("127.0.0.1"),
		                 .stream = UINT64_C(0xfedcba9876543210),
		                 .silent_ms = 1234,
		                 .finishing = true,
		                 .left = STR_LIT("id: 1-4\n\n"),
		                 .gzip = { .is_it = true,
		                           .sum = { .len = UINT64_C(1) << 33, .crc = 0xcbf43926 },
		                           .open = 300,
		                           .head = 2,
		                           .raw = STR_LIT("\x01\x02") },
		                 .count = 1,
		                 .followed = followed };

	*followed = (struct record_followed){
		.sid = id_new(),
		.tip = { 3, 900 },
		.state = SESSION_RUNNING,
		.watches = true,
		.position = { .at = { 2, 850 },
		              .types = UINT64_C(1) << EVENT_TYPE_NOTE |
		                       UINT64_C(1) << EVENT_CLASS_OUTPUT,
		              .sent = 17,
		              .sent_of = 3,
		              .untold = 5,
		              .folded = true },
	};
	record.principal.key = id_new();
	record.principal.lent = AUTH_ALL;
	record.principal.expires_us = 1800000000000000;
	record.principal.means = AUTH_BY_COOKIE;
	record.principal.observes = true;
	record.principal.session = id_new();
	record.principal.kind = AUTH_SERVICE;
	record.principal.role = AUTH_ROLE_OPERATOR;
	record.principal.user = id_new();
	record.principal.login = id_new();
	(void)str_copy(record.principal.name, sizeof(record.principal.name), STR_LIT("ci"));
	(void)str_copy(record.principal.owner, sizeof(record.principal.owner), STR_LIT("me"));
	record.principal.scopes = auth_bit(AUTH_SESSION_READ) | auth_bit(AUTH_TASK_WRITE);
	(void)str_copy(record.principal.tenant, sizeof(record.principal.tenant), STR_LIT("acme"));
	(void)str_copy(record.principal.namespaces, sizeof(record.principal.namespaces),
	               STR_LIT("a,b"));
	return record;
}

static void assert_same_principal(const struct principal *a, const struct principal *b)
{
	assert_string_equal(a->tenant, b->tenant);
	assert_true(id_eq(&a->key, &b->key));
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->owner, b->owner);
	assert_int_equal(a->scopes, b->scopes);
	assert_int_equal(a->lent, b->lent);
	assert_int_equal(a->any_namespace, b->any_namespace);
	assert_string_equal(a->namespaces, b->namespaces);
	assert_int_equal(a->expires_us, b->expires_us);
	assert_int_equal(a->means, b->means);
	assert_int_equal(a->observes, b->observes);
	assert_true(id_eq(&a->session, &b->session));
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->role, b->role);
	assert_true(id_eq(&a->user, &b->user));
	assert_true(id_eq(&a->login, &b->login));
}

static void assert_same(const struct record *a, const struct record *b)
{
	const struct record_followed *x = a->followed, *y = b->followed;

	assert_int_equal(a->kind, b->kind);
	assert_true(str_eq(a->peer, b->peer));
	assert_same_principal(&a->principal, &b->principal);
	assert_true(a->stream == b->stream);
	assert_int_equal(a->silent_ms, b->silent_ms);
	assert_int_equal(a->finishing, b->finishing);
	assert_true(str_eq(a->left, b->left));
	assert_int_equal(a->gzip.is_it, b->gzip.is_it);
	assert_int_equal(a->gzip.is_over, b->gzip.is_over);
	assert_int_equal(a->gzip.sum.len, b->gzip.sum.len);
	assert_int_equal(a->gzip.sum.crc, b->gzip.sum.crc);
	assert_int_equal(a->gzip.open, b->gzip.open);
	assert_int_equal(a->gzip.head, b->gzip.head);
	assert_true(str_eq(a->gzip.raw, b->gzip.raw));
	assert_int_equal(a->count, b->count);
	assert_true(id_eq(&x->sid, &y->sid));
	assert_int_equal(cursor_compare(&x->tip, &y->tip), 0);
	assert_int_equal(x->state, y->state);
	assert_int_equal(x->watches, y->watches);
	assert_memory_equal(&x->position.at, &y->position.at, sizeof(x->position.at));
	assert_int_equal(x->position.types, y->position.types);
	assert_int_equal(x->position.sent, y->position.sent);
	assert_int_equal(x->position.sent_of, y->position.sent_of);
	assert_int_equal(x->position.untold, y->position.untold);
	assert_int_equal(x->position.folded, y->position.folded);
}

static void a_record_comes_out_as_it_went_in(void **state)
{
	const struct record_classes classes = own_classes();
	struct record_followed followed;
	struct record record = sample(&followed), back;
	struct arena *arena = arena_new();
	struct buf bytes;
	struct str rest;

	(void)state;
	buf_init(&bytes, RECORD_BYTES_MAX);
	record_encode(&record, &bytes);
	record_encode(&record, &bytes);
	rest = buf_str(&bytes);
	for (int i = 0; i < 2; i++) {
		assert_true(record_decode(&rest, &classes, arena, &back));
		assert_same(&record, &back);
	}
	assert_int_equal(rest.n, 0);
	buf_fini(&bytes);
	arena_free(arena);
}

static void a_record_that_is_cut_anywhere_is_none(void **state)
{
	const struct record_classes classes = own_classes();
	struct record_followed followed;
	struct record record = sample(&followed), back;
	struct arena *arena = arena_new();
	struct buf bytes;

	(void)state;
	buf_init(&bytes, RECORD_BYTES_MAX);
	record_encode(&record, &bytes);
	for (size_t n = 0; n < bytes.len; n++) {
		/* A copy of its own, so that reading beyond it shows. */
		char *part = n > 0 ? memcpy(mem_calloc(n, 1), bytes.data, n) : NULL;
		struct str rest = str_make(part, n);

		assert_false(record_decode(&rest, &classes, arena, &back));
		free(part);
	}
	buf_fini(&bytes);
	arena_free(arena);
}

/* The record with one thing changed. */
static bool is_accepted(const struct record *record)
{
	const struct record_classes classes = own_classes();
	struct arena *arena = arena_new();
	struct record back;
	struct buf bytes;
	struct str rest;
	bool accepted;

	buf_init(&bytes, 2 * RECORD_BYTES_MAX);
	record_encode(record, &bytes);
	rest = buf_str(&bytes);
	accepted = record_decode(&rest, &classes, arena, &back);
	buf_fini(&bytes);
	arena_free(arena);
	return accepted;
}

static void a_socket_comes_out_with_what_it_had_read(void **state)
{
	const struct record_classes classes = own_classes();
	struct record_followed followed[2];
	struct record record = sample(&followed[0]), back;
	struct arena *arena = arena_new();
	struct buf bytes;
	struct str rest;

	(void)state;
	followed[1] = followed[0];
	followed[0].leaving = true;
	followed[0].shown = 77;
	record.kind = RECORD_SOCKET;
	record.count = 2;
	record.socket = (struct record_socket){ .face = STR_LIT("follow"),
		                                .own = STR_LIT("own"),
		                                .deflates = true,
		                                .input = STR_LIT("\x81\x85\0half") };
	buf_init(&bytes, RECORD_BYTES_MAX);
	record_encode(&record, &bytes);
	rest = buf_str(&bytes);
	assert_true(record_decode(&rest, &classes, arena, &back));
	assert_same(&record, &back);
	assert_true(str_eq(back.socket.face, record.socket.face));
	assert_true(str_eq(back.socket.own, record.socket.own));
	assert_true(str_eq(back.socket.input, record.socket.input));
	assert_true(back.socket.deflates);
	assert_true(back.followed[0].leaving);
	assert_int_equal(back.followed[0].shown, 77);
	assert_false(back.followed[1].leaving);
	buf_fini(&bytes);
	arena_free(arena);
}

static void what_no_streamer_would_say_is_refused(void **state)
{
	struct record_followed followed;
	struct record record = sample(&followed);

	(void)state;
	assert_true(is_accepted(&record));
	record.kind = (enum record_kind)9;
	assert_false(is_accepted(&record));
	record = sample(&followed);
	record.count = 0;
	assert_false(is_accepted(&record));
	record = sample(&followed);
	followed.position.at.epoch = CURSOR_EPOCH_MAX + 1;
	assert_false(is_accepted(&record));
	record = sample(&followed);
	followed.tip.n = CURSOR_N_MAX + 1;
	assert_false(is_accepted(&record));
	record = sample(&followed);
	followed.position.sent = UINT32_MAX;
	assert_false(is_accepted(&record));
	record = sample(&followed);
	record.gzip.head = GZIP_BLOCK_HEAD + 1;
	assert_false(is_accepted(&record));
	record = sample(&followed);
	record.gzip.open = GZIP_BLOCK_MAX + 1;
	assert_false(is_accepted(&record));
	record.gzip.open = 0; /* a head of no block */
	assert_false(is_accepted(&record));
	record = sample(&followed);
	followed.sid.s[3] = '!';
	assert_false(is_accepted(&record));
}

static void classes_are_translated_by_name(void **state)
{
	struct record_classes classes;
	struct record_followed followed;
	struct record record = sample(&followed), back;
	struct arena *arena = arena_new();
	struct buf bytes;
	struct str rest;

	(void)state;
	assert_true(record_classes_parse(STR_LIT("was-once,(output),note,(unknown)"), &classes));
	buf_init(&bytes, RECORD_BYTES_MAX);
	followed.position.types = 1 << 0 | 1 << 1 | 1 << 2;
	record_encode(&record, &bytes);
	rest = buf_str(&bytes);
	assert_true(record_decode(&rest, &classes, arena, &back));
	assert_int_equal(back.followed[0].position.types,
	                 UINT64_C(1) << EVENT_TYPE_NOTE | UINT64_C(1) << EVENT_CLASS_OUTPUT);
	buf_reset(&bytes);
	followed.position.types = POSITION_ALL_TYPES;
	record_encode(&record, &bytes);
	rest = buf_str(&bytes);
	assert_true(record_decode(&rest, &classes, arena, &back));
	assert_int_equal(back.followed[0].position.types, POSITION_ALL_TYPES);
	buf_fini(&bytes);
	arena_free(arena);
}

static void there_are_no_more_classes_than_bits(void **state)
{
	struct record_classes classes;
	struct buf names;

	(void)state;
	buf_init(&names, UINT16_MAX);
	for (int i = 0; i < RECORD_CLASSES_MAX; i++) {
		buf_add_cstr(&names, i > 0 ? ",note" : "note");
	}
	assert_true(record_classes_parse(buf_str(&names), &classes));
	buf_add_cstr(&names, ",note");
	assert_false(record_classes_parse(buf_str(&names), &classes));
	buf_fini(&names);
}

static void numbers_and_strings_keep_their_values(void **state)
{
	struct wire wire;
	struct buf bytes;

	(void)state;
	buf_init(&bytes, 256);
	wire_put(&bytes, UINT64_MAX - 1, 8);
	wire_put(&bytes, 0x1ff, 1);
	wire_put_str(&bytes, STR_LIT("text"));
	wire = (struct wire){ .in = buf_str(&bytes) };
	assert_int_equal(wire_get(&wire, 8), UINT64_MAX - 1);
	assert_int_equal(wire_get(&wire, 1), 0xff);
	assert_true(str_eq(wire_get_str(&wire, 4), STR_LIT("text")));
	assert_false(wire.bad);
	assert_int_equal(wire_get(&wire, 1), 0);
	assert_true(wire.bad);
	wire = (struct wire){ .in = str_make(bytes.data + 9, 8) };
	assert_int_equal(wire_get_str(&wire, 3).n, 0);
	assert_true(wire.bad);
	buf_fini(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_comes_out_as_it_went_in),
		cmocka_unit_test(a_record_that_is_cut_anywhere_is_none),
		cmocka_unit_test(a_socket_comes_out_with_what_it_had_read),
		cmocka_unit_test(what_no_streamer_would_say_is_refused),
		cmocka_unit_test(classes_are_translated_by_name),
		cmocka_unit_test(there_are_no_more_classes_than_bits),
		cmocka_unit_test(numbers_and_strings_keep_their_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
