#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "queue/keys.h"
#include "queue/lease.h"
#include "queue/mail.h"
#include "queue/offer.h"
#include "tests/support/test.h"

/* What a cluster hashes: from the first { to the next }. */
static void must_have_tag(const char *key, const char *tag)
{
	assert_int_equal(strncmp(key, tag, strlen(tag)), 0);
	assert_ptr_equal(strchr(key, '{'), key);
	assert_int_equal(strchr(key, '}') - key, strlen(tag) - 1);
}

static void all_keys_of_a_shard_share_one_hash_tag(void **state)
{
	const struct queue queue = { .shard = 7 };
	char tag[QUEUE_KEY_SIZE], key[QUEUE_KEY_SIZE];

	(void)state;
	queue_key_tag(&queue, tag);
	assert_string_equal(tag, "{q7/1}");
	for (unsigned set = QUEUE_READY; set < QUEUE_SET_COUNT; set++) {
		queue_key_set(&queue, (enum queue_set)set, key);
		must_have_tag(key, tag);
	}
	queue_key_items(&queue, key);
	must_have_tag(key, tag);
	queue_key_bell(&queue, key);
	must_have_tag(key, tag);
}

static void a_mailbox_and_its_bell_share_one_hash_tag(void **state)
{
	char box[QUEUE_KEY_SIZE], bell[QUEUE_KEY_SIZE];

	(void)state;
	mail_key_box("host-1", box);
	mail_key_bell("host-1", bell);
	must_have_tag(box, "{w:host-1}");
	must_have_tag(bell, "{w:host-1}");
	lease_key_tag(box);
	assert_string_equal(box, "{w}");
}

static void names_and_words_cannot_break_a_key_or_a_list(void **state)
{
	char longest[QUEUE_WORKER_MAX + 2];

	(void)state;
	assert_true(queue_name_ok("host-1.example:01J_a"));
	assert_false(queue_name_ok(""));
	assert_false(queue_name_ok("a}b"));
	assert_false(queue_name_ok("a,b"));
	assert_false(queue_name_ok("a b"));
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(queue_name_ok(longest));
	longest[QUEUE_WORKER_MAX] = '\0';
	assert_true(queue_name_ok(longest));
	assert_true(queue_words_ok(""));
	assert_true(queue_words_ok("os=linux,gpu=a100,repo=https://x/y"));
	assert_false(queue_words_ok("os linux"));
	assert_false(queue_words_ok("os=\n"));
}

static void every_set_has_its_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < QUEUE_SET_COUNT; i++) {
		for (unsigned k = 0; k < i; k++) {
			assert_string_not_equal(queue_set_name((enum queue_set)i),
			                        queue_set_name((enum queue_set)k));
		}
	}
}

/* ---- what a mailbox's bell brings ---- */

#define RING "9-0 8-0\nrun\ninc-1\n01J00000000000000000000000\n7\n3\n{\"a\":\n1}"

static void the_next_note_comes_with_its_ring(void **state)
{
	struct mail mail;

	(void)state;
	assert_int_equal(mail_bell_read(STR_LIT(RING), "8-0", &mail), MAIL_RUNG_NOTE);
	assert_string_equal(mail.id, "9-0");
	assert_true(str_eq(mail.kind, STR_LIT("run")));
	assert_true(str_eq(mail.incarnation, STR_LIT("inc-1")));
	assert_string_equal(mail.sid.s, "01J00000000000000000000000");
	assert_int_equal(mail.epoch, 7);
	assert_int_equal(mail.attempt, 3);
	assert_true(str_eq(mail.body, STR_LIT("{\"a\":\n1}")));
	assert_int_equal(mail_bell_read(STR_LIT("9-0 8-0\ndrain\n\n\n0\n0\n"), "8-0", &mail),
	                 MAIL_RUNG_NOTE);
	assert_true(id_is_nil(&mail.sid));
	assert_int_equal(mail.body.n, 0);
}

static void a_ring_that_is_not_of_the_next_note_says_to_read(void **state)
{
	static const char *const rings[] = {
		"",
		"9-0",
		"9-0 8-0",
		"9-0 8-0 more\nrun\n\n\n0\n0\n", /* of the next version: docs/upgrade.md */
		"9-0 -\nrun\n\n\n0\n0\n",
		"9-0 7-0\nrun\n\n\n0\n0\n",
		"9-0 8-0\nrun\n\n\n0",
		"9-0 8-0\nrun\n\nno id\n0\n0\n",
		"9-0 8-0\nrun\n\n\nx\n0\n",
	};
	struct mail mail;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rings); i++) {
		assert_int_equal(mail_bell_read(str_of(rings[i]), "8-0", &mail), MAIL_RUNG_READ);
	}
	assert_int_equal(mail_bell_read(STR_LIT(RING), "9-0", &mail), MAIL_RUNG_OLD);
}

static void a_note_that_is_said_aloud_is_heard_as_it_was(void **state)
{
	static const char *const others[] = { "",
		                              "run",
		                              "run\ninc-1\n\n7",
		                              "run\n\nno id\n0\n0\n",
		                              "run\n\n\nx\n0\n",
		                              "run\n\n\n0\n-1\n" };
	static char large[MAIL_ALOUD_MAX + 1];
	struct mail said = { .kind = STR_LIT("run"),
		             .incarnation = STR_LIT("inc-1"),
		             .epoch = 7,
		             .attempt = 3,
		             .body = STR_LIT("{\"a\":\n1}") };
	struct mail heard;
	struct buf text;

	(void)state;
	assert_true(id_parse(STR_LIT("01J00000000000000000000000"), &said.sid));
	buf_init(&text, 2 * sizeof(large));
	assert_true(mail_aloud_write(&said, &text));
	assert_true(mail_aloud_read(buf_str(&text), &heard));
	assert_string_equal(heard.id, "");
	assert_true(str_eq(heard.kind, said.kind));
	assert_true(str_eq(heard.incarnation, said.incarnation));
	assert_true(id_eq(&heard.sid, &said.sid));
	assert_int_equal(heard.epoch, 7);
	assert_int_equal(heard.attempt, 3);
	assert_true(str_eq(heard.body, said.body));
	said.body = str_make(large, sizeof(large));
	assert_false(mail_aloud_write(&said, &text));
	buf_fini(&text);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_false(mail_aloud_read(str_of(others[i]), &heard));
	}
}

/* ---- what the queue's bell says of what was taken ---- */

#define SID "01J00000000000000000000000"

static void what_was_taken_is_heard_as_a_claim_would_say_it(void **state)
{
	struct queue_taken taken;

	(void)state;
	assert_true(queue_taken_read(
		STR_LIT("taken h-1 " SID " acme ann 5 4 1700000000000 3 inc-1 a copy\nof it "),
		&taken));
	assert_true(str_eq(taken.holder, STR_LIT("h-1")));
	assert_string_equal(taken.item.sid.s, SID);
	assert_string_equal(taken.item.tenant, "acme");
	assert_string_equal(taken.item.user, "ann");
	assert_int_equal(taken.item.claimed, QUEUE_CLAIMED_NEW);
	assert_int_equal(taken.item.set, QUEUE_LEASING);
	assert_int_equal(taken.item.priority, 5);
	assert_int_equal(taken.item.attempt, 4);
	assert_int_equal(taken.item.epoch, 3);
	assert_true(taken.item.queued_ms == INT64_C(1700000000000));
	assert_true(taken.item.since_ms == taken.item.queued_ms);
	assert_string_equal(taken.item.incarnation, "inc-1");
	assert_true(str_eq(taken.copy, STR_LIT("a copy\nof it ")));
	/* Of nobody, and without a copy. */
	assert_true(queue_taken_read(STR_LIT("taken h-1 " SID " acme  0 1 1700000000000 0 inc-1 "),
	                             &taken));
	assert_string_equal(taken.item.user, "");
	assert_string_equal(taken.item.incarnation, "inc-1");
	assert_int_equal(taken.copy.n, 0);
}

static void what_says_less_or_something_else_was_not_taken(void **state)
{
	static const char whole[] = "taken h-1 " SID " acme ann 5 4 1700000000000 3 inc-1 ";
	static const char *const others[] = {
		"ready 1 " SID,
		"room inc-1",
		"takes h-1 " SID " acme ann 5 4 1700000000000 3 inc-1 ",
		"taken h-1 no-id acme ann 5 4 1700000000000 3 inc-1 ",
		"taken h-1 " SID " acme ann 10 4 1700000000000 3 inc-1 ",
		"taken h-1 " SID " acme ann -1 4 1700000000000 3 inc-1 ",
		"taken h-1 " SID " acme ann  4 1700000000000 3 inc-1 ",
		"taken h-1 " SID " acme ann 5 4x 1700000000000 3 inc-1 ",
		"taken h-1 " SID " acme ann 5 18446744073709551616 1700000000000 3 inc-1 ",
		"taken h-1 " SID " acme ann 5 4 9223372036854775808 3 inc-1 ",
		"taken h-1 " SID " acme ann 5 4 1700000000000 0x3 inc-1 ",
		"taken h-1 " SID " acme ann 5 4 1700000000000 3  ",
	};
	char name[QUEUE_TENANT_MAX + 2], text[sizeof(whole) + 3 * sizeof(name)];
	struct queue_taken taken;

	(void)state;
	assert_true(queue_taken_read(STR_LIT(whole), &taken));
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		memcpy(text, whole, n);
		assert_false(queue_taken_read(str_make(text, n), &taken));
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		assert_false(queue_taken_read(str_of(others[i]), &taken));
	}
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (unsigned i = 0; i < 3; i++) {
		(void)snprintf(text, sizeof(text), "taken h-1 " SID " %s %s 5 4 1 3 %s ",
		               i == 0 ? name : "acme", i == 1 ? name : "ann",
		               i == 2 ? name : "inc-1");
		assert_false(queue_taken_read(str_of(text), &taken));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_keys_of_a_shard_share_one_hash_tag),
		cmocka_unit_test(a_mailbox_and_its_bell_share_one_hash_tag),
		cmocka_unit_test(names_and_words_cannot_break_a_key_or_a_list),
		cmocka_unit_test(every_set_has_its_name),
		cmocka_unit_test(the_next_note_comes_with_its_ring),
		cmocka_unit_test(a_ring_that_is_not_of_the_next_note_says_to_read),
		cmocka_unit_test(a_note_that_is_said_aloud_is_heard_as_it_was),
		cmocka_unit_test(what_was_taken_is_heard_as_a_claim_would_say_it),
		cmocka_unit_test(what_says_less_or_something_else_was_not_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
