/* Frames of clients: what fits, and what is said of what does not. */
#include <string.h>

#include "event/event.h"
#include "streamer/follow.h"
#include "streamer/inbound.h"
#include "tests/support/test.h"

#define SID "01ARZ3NDEKTSV4RRFFQ69G5FAV"

struct frame {
	struct arena *arena;
	const struct inbound_row *row;
	void *body;
	struct str ref;
	struct json_problems problems;
};

static enum err_code decode(struct frame *frame, const char *text)
{
	return inbound_decode(INBOUND_FOLLOW, str_of(text), frame->arena, &frame->row, &frame->body,
	                      &frame->ref, &frame->problems);
}

static void accepted_frames_are_decoded_in_both_spellings(void **state)
{
	struct frame frame = { .arena = arena_new() };
	const struct follow_subscribe *wish;

	(void)state;
	assert_int_equal(decode(&frame, "{\"type\":\"subscribe\",\"sessionId\":\"" SID
	                                "\",\"after\":\"3-41\",\"profile\":\"milestones\","
	                                "\"ref\":\"r1\"}"),
	                 ERR_OK);
	wish = frame.body;
	assert_string_equal(frame.row->type, "subscribe");
	assert_true(str_eq(frame.ref, STR_LIT("r1")));
	assert_true(str_eq(wish->session, STR_LIT(SID)));
	assert_true(wish->after.given);
	assert_int_equal(wish->after.at.epoch, 3);
	assert_int_equal(wish->after.at.n, 41);
	assert_int_equal(wish->profile, EVENT_PROFILE_MILESTONES);
	assert_int_equal(decode(&frame, "{\"session_id\":\"" SID
	                                "\",\"resume_after_seq\":41,\"type\":\"subscribe\"}"),
	                 ERR_OK);
	wish = frame.body;
	assert_int_equal(frame.ref.n, 0);
	assert_int_equal(wish->after.at.epoch, CURSOR_EPOCH_ANY);
	assert_int_equal(wish->after.at.n, 41);
	assert_int_equal(wish->profile, EVENT_PROFILE_FULL);
	arena_free(frame.arena);
}

struct wrong {
	const char *text, *field, *ref;
};

static const struct wrong wrongs[] = {
	{ "", "frame", "" },
	{ "{\"type\":\"ping\"", "frame", "" },
	{ "\"ping\"", "frame", "" },
	{ "{\"ref\":\"a\"}", "type", "a" },
	{ "{\"ref\":\"a\",\"type\":7}", "type", "a" },
	{ "{\"ref\":\"a\",\"type\":\"dance\"}", "type", "a" },
	{ "{\"ref\":7,\"type\":\"ping\"}", "ref", "" },
	{ "{\"ref\":\"a\",\"type\":\"ping\",\"x\":1}", "x", "a" },
	{ "{\"ref\":\"a\",\"type\":\"subscribe\"}", "sessionId", "a" },
	{ "{\"type\":\"subscribe\",\"sessionId\":\"" SID "\",\"after\":1.5}", "after", "" },
	{ "{\"type\":\"subscribe\",\"sessionId\":\"" SID "\",\"after\":-1}", "after", "" },
	{ "{\"type\":\"subscribe\",\"sessionId\":\"" SID "\",\"after\":\"01-1\"}", "after", "" },
	{ "{\"type\":\"subscribe\",\"sessionId\":\"" SID "\",\"after\":null}", "after", "" },
	{ "{\"type\":\"subscribe\",\"sessionId\":\"" SID "\",\"profile\":1}", "profile", "" },
};

static void what_is_wrong_is_named_and_the_ref_is_kept(void **state)
{
	struct frame frame = { .arena = arena_new() };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
		assert_int_equal(decode(&frame, wrongs[i].text), ERR_INVALID);
		assert_int_equal(frame.problems.count, 1);
		if (strcmp(frame.problems.items[0].field, wrongs[i].field) != 0) {
			fail_msg("%s: %s", wrongs[i].text, frame.problems.items[0].field);
		}
		assert_true(str_eq(frame.ref, str_of(wrongs[i].ref)));
	}
	arena_free(frame.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted_frames_are_decoded_in_both_spellings),
		cmocka_unit_test(what_is_wrong_is_named_and_the_ref_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
