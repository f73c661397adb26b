/* The ring against a list that keeps everything, and positions against the plain text. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "streamer/position.h"
#include "streamer/ring.h"
#include "tests/support/test.h"

enum { EVENTS = 400, TYPES = 5, LONGEST = 300, ROUNDS = 60 };

/* All events that ever were. */
struct model {
	struct cursor at[EVENTS + 1];
	unsigned type[EVENTS + 1];
	struct buf text[EVENTS + 1];
	size_t count;
};

static unsigned pick(unsigned below)
{
	return (unsigned)rand() % below;
}

static void model_init(struct model *model)
{
	memset(model, 0, sizeof(*model));
	for (size_t i = 0; i <= EVENTS; i++) {
		buf_init(&model->text[i], 2 * LONGEST);
	}
}

static void model_fini(struct model *model)
{
	for (size_t i = 0; i <= EVENTS; i++) {
		buf_fini(&model->text[i]);
	}
}

/* One more event, in the model and in the ring. */
static void append(struct model *model, struct ring *ring)
{
	size_t n = ++model->count;
	unsigned len = 1 + pick(pick(8) == 0 ? LONGEST : 40);

	model->at[n] = (struct cursor){ 1 + n / 100, n };
	model->type[n] = pick(TYPES);
	for (unsigned i = 0; i < len; i++) {
		buf_add_char(&model->text[n], (char)('a' + pick(26)));
	}
	ring_push(ring, &model->at[n], model->type[n], buf_str(&model->text[n]));
}

/* What the ring holds is the end of what the model holds, within the bounds. */
static void assert_same(const struct model *model, const struct ring *ring)
{
	size_t bytes = 0;

	assert_int_equal(ring->tip.n, model->count);
	assert_int_equal(ring->before.n + ring->count, model->count);
	assert_null(ring_at(ring, ring->before.n));
	assert_null(ring_at(ring, ring->tip.n + 1));
	for (uint64_t n = ring->before.n + 1; n <= ring->tip.n; n++) {
		const struct ring_frame *frame = ring_at(ring, n);
		struct iovec iov[2];
		struct buf text;
		int count;

		assert_non_null(frame);
		assert_int_equal(frame->at.n, n);
		assert_int_equal(frame->at.epoch, model->at[n].epoch);
		assert_int_equal(frame->type, model->type[n]);
		count = ring_pieces(ring, frame->start, frame->len, iov);
		buf_init(&text, LONGEST);
		for (int i = 0; i < count; i++) {
			buf_add(&text, iov[i].iov_base, iov[i].iov_len);
		}
		assert_true(str_eq(buf_str(&text), buf_str(&model->text[n])));
		buf_fini(&text);
		bytes += frame->len;
	}
	assert_true(bytes <= ring->bytes_max);
	assert_true(ring->count <= ring->events_max);
}

static void a_ring_holds_the_newest_events_that_fit(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < ROUNDS; round++) {
		struct model model;
		struct ring ring;

		model_init(&model);
		ring_init(&ring, 1 + pick(300), 20 + pick(2000), (struct cursor){ 0, 0 });
		while (model.count < EVENTS) {
			append(&model, &ring);
			if (pick(20) == 0) {
				ring_limit(&ring, 20 + pick(20000));
				assert_true(ring.size <= 4096 || ring.size < 2 * ring.bytes_max);
			}
			if (pick(7) == 0) {
				assert_same(&model, &ring);
			}
		}
		assert_same(&model, &ring);
		ring_fini(&ring);
		model_fini(&model);
	}
}

static void a_frame_that_cannot_fit_is_passed_over(void **state)
{
	struct ring ring;
	struct cursor one = { 1, 1 }, two = { 1, 2 }, three = { 1, 3 };

	(void)state;
	ring_init(&ring, 10, 8, (struct cursor){ 0, 0 });
	ring_push(&ring, &one, 0, STR_LIT("1234"));
	ring_push(&ring, &two, 0, STR_LIT("123456789"));
	assert_int_equal(ring.count, 0);
	assert_int_equal(ring.tip.n, 2);
	assert_int_equal(ring_place(&ring, &one), RING_BEHIND);
	assert_int_equal(ring_place(&ring, &two), RING_INSIDE);
	ring_push(&ring, &three, 0, STR_LIT("12345678"));
	assert_int_equal(ring.count, 1);
	assert_int_equal(ring_place(&ring, &two), RING_INSIDE);
	ring_fini(&ring);
}

static void a_position_is_judged_by_its_epoch_too(void **state)
{
	struct ring ring;
	struct cursor first = { 1, 8 }, second = { 3, 9 };

	(void)state;
	ring_init(&ring, 10, 100, (struct cursor){ 1, 7 });
	ring_push(&ring, &first, 0, STR_LIT("a"));
	ring_push(&ring, &second, 0, STR_LIT("b"));
	assert_int_equal(ring_place(&ring, &(struct cursor){ 1, 6 }), RING_BEHIND);
	assert_int_equal(ring_place(&ring, &(struct cursor){ 1, 7 }), RING_INSIDE);
	assert_int_equal(ring_place(&ring, &(struct cursor){ 1, 8 }), RING_INSIDE);
	assert_int_equal(ring_place(&ring, &(struct cursor){ 2, 8 }), RING_STRANGE);
	assert_int_equal(ring_place(&ring, &(struct cursor){ 1, 9 }), RING_STRANGE);
	assert_int_equal(ring_place(&ring, &(struct cursor){ 3, 9 }), RING_INSIDE);
	assert_int_equal(ring_place(&ring, &(struct cursor){ CURSOR_EPOCH_ANY, 9 }), RING_INSIDE);
	assert_int_equal(ring_place(&ring, &(struct cursor){ 3, 10 }), RING_AHEAD);
	assert_int_equal(ring_cursor(&ring, &(struct cursor){ CURSOR_EPOCH_ANY, 9 }).epoch, 3);
	ring_reset(&ring, (struct cursor){ 4, 20 });
	assert_int_equal(ring.count, 0);
	assert_int_equal(ring_place(&ring, &(struct cursor){ 4, 20 }), RING_INSIDE);
	ring_fini(&ring);
}

/* ---- positions ---- */

/* What a subscriber of these types has to get after `from`. */
static void expected(const struct model *model, uint64_t from, uint64_t types, struct buf *out)
{
	for (size_t n = from + 1; n <= model->count; n++) {
		if ((types >> model->type[n] & 1) != 0) {
			buf_add_str(out, buf_str(&model->text[n]));
		}
	}
}

/* A socket that takes some of it. */
static size_t take(const struct plan *plan, struct buf *out)
{
	size_t room = plan->bytes > 0 && pick(8) > 0 ? pick((unsigned)plan->bytes + 1) : 0;
	size_t took = 0;

	for (int i = 0; i < plan->count && took < room; i++) {
		size_t part = plan->iov[i].iov_len;

		part = part < room - took ? part : room - took;
		buf_add(out, plan->iov[i].iov_base, part);
		took += part;
	}
	return took;
}

/* All of the model from its beginning again, as a page of history would have it. */
static void page_of(const struct model *model, const struct cursor *after, size_t count,
                    struct ring *ret)
{
	ring_init(ret, EVENTS, (size_t)EVENTS * LONGEST, *after);
	for (size_t n = after->n + 1; n <= model->count && count > 0; n++, count--) {
		ring_push(ret, &model->at[n], model->type[n], buf_str(&model->text[n]));
	}
}

/* Once: from the ring while it reaches back far enough, else from a page. */
static uint64_t follow(const struct model *model, const struct ring *ring,
                       struct position *position, struct buf *got)
{
	struct ring page;
	struct plan plan;
	uint64_t completed;

	if (ring_place(ring, &position->at) == RING_INSIDE) {
		position_plan(position, ring, PLAN_BYTES, &plan);
		assert_false(plan.torn);
		return position_advance(position, ring, take(&plan, got));
	}
	page_of(model, &position->at, 1 + pick(20), &page);
	position_plan(position, &page, PLAN_BYTES, &plan);
	assert_false(plan.torn);
	completed = position_advance(position, &page, take(&plan, got));
	ring_fini(&page);
	return completed;
}

static void every_reader_gets_every_wanted_byte_once_at_any_pace(void **state)
{
	(void)state;
	srand(2);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t types = pick(2) == 0 ? POSITION_ALL_TYPES : pick(1U << TYPES);
		struct position position = { .types = types };
		uint64_t completed = 0, wanted = 0;
		struct buf got, want;
		struct model model;
		struct ring ring;

		model_init(&model);
		ring_init(&ring, 1 + pick(60), 50 + pick(3000), (struct cursor){ 0, 0 });
		buf_init(&got, SIZE_MAX / 2);
		buf_init(&want, SIZE_MAX / 2);
		while (model.count < EVENTS || position.at.n < EVENTS) {
			if (model.count < EVENTS && pick(2) == 0) {
				append(&model, &ring);
			}
			completed += follow(&model, &ring, &position, &got);
		}
		expected(&model, 0, types, &want);
		for (size_t n = 1; n <= EVENTS; n++) {
			wanted += types >> model.type[n] & 1;
		}
		assert_true(str_eq(buf_str(&got), buf_str(&want)));
		assert_int_equal(completed, wanted);
		assert_int_equal(position.sent, 0);
		buf_fini(&got);
		buf_fini(&want);
		ring_fini(&ring);
		model_fini(&model);
	}
}

static void events_that_are_not_wanted_move_the_position(void **state)
{
	struct position position = { .types = 1U << 3 };
	struct model model;
	struct ring ring;
	struct plan plan;

	(void)state;
	srand(3);
	model_init(&model);
	ring_init(&ring, EVENTS, (size_t)EVENTS * LONGEST, (struct cursor){ 0, 0 });
	for (uint64_t n = 1; n <= 10; n++) {
		ring_push(&ring, &(struct cursor){ 1, n }, 2, STR_LIT("no"));
	}
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_int_equal(plan.count, 0);
	assert_int_equal(position_advance(&position, &ring, 0), 0);
	assert_int_equal(position.at.n, 10);
	assert_int_equal(position.untold, 10);
	ring_push(&ring, &(struct cursor){ 1, 11 }, 3, STR_LIT("yes"));
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_int_equal(plan.bytes, 3);
	assert_int_equal(position_advance(&position, &ring, 3), 1);
	assert_int_equal(position.untold, 0);
	ring_fini(&ring);
	model_fini(&model);
}

static void neighbours_leave_as_one_piece_and_writes_are_bounded(void **state)
{
	static char big[PLAN_BYTES + 1];
	struct position position = { .types = POSITION_ALL_TYPES };
	struct ring ring;
	struct plan plan;

	(void)state;
	memset(big, 'x', sizeof(big));
	ring_init(&ring, EVENTS, 4 * sizeof(big), (struct cursor){ 0, 0 });
	for (uint64_t n = 1; n <= 100; n++) {
		ring_push(&ring, &(struct cursor){ 1, n }, 0, STR_LIT("frame"));
	}
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_int_equal(plan.count, 1);
	assert_int_equal(plan.bytes, 500);
	ring_push(&ring, &(struct cursor){ 1, 101 }, 0, str_make(big, sizeof(big)));
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_int_equal(plan.bytes, 500);
	assert_int_equal(position_advance(&position, &ring, 500), 100);
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_int_equal(plan.bytes, sizeof(big));
	ring_fini(&ring);
}

/* Only every second event is wanted, so that no two pieces join. */
static void a_plan_has_no_more_pieces_than_room(void **state)
{
	struct position position = { .types = 1 };
	uint64_t completed = 0;
	struct ring ring;
	struct plan plan;

	(void)state;
	ring_init(&ring, EVENTS, 64 * 1024, (struct cursor){ 0, 0 });
	for (uint64_t n = 1; n <= EVENTS; n++) {
		ring_push(&ring, &(struct cursor){ 1, n }, n % 2, STR_LIT("frame"));
	}
	while (position.at.n < EVENTS) {
		position_plan(&position, &ring, PLAN_BYTES, &plan);
		assert_in_range(plan.count, 1, PLAN_PIECES);
		completed += position_advance(&position, &ring, plan.bytes);
	}
	assert_int_equal(completed, EVENTS / 2);
	ring_fini(&ring);
}

static void half_a_frame_of_another_epoch_is_torn(void **state)
{
	struct position position = { .types = POSITION_ALL_TYPES };
	struct ring ring;
	struct plan plan;

	(void)state;
	ring_init(&ring, 10, 100, (struct cursor){ 0, 0 });
	ring_push(&ring, &(struct cursor){ 1, 1 }, 0, STR_LIT("retracted"));
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_int_equal(position_advance(&position, &ring, 4), 0);
	assert_int_equal(position.sent, 4);
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_false(plan.torn);
	assert_int_equal(plan.bytes, 5);
	ring_reset(&ring, (struct cursor){ 0, 0 });
	ring_push(&ring, &(struct cursor){ 2, 1 }, 0, STR_LIT("something else"));
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_true(plan.torn);
	ring_fini(&ring);
}

static void an_event_without_a_form_is_passed_over(void **state)
{
	struct position position = { .types = POSITION_ALL_TYPES };
	struct ring ring;
	struct plan plan;

	(void)state;
	ring_init(&ring, 10, 100, (struct cursor){ 0, 0 });
	ring_push(&ring, &(struct cursor){ 1, 1 }, 0, STR_LIT(""));
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_int_equal(plan.count, 0);
	assert_int_equal(position_advance(&position, &ring, 0), 0);
	assert_int_equal(position.at.n, 1);
	assert_int_equal(position.untold, 1);
	ring_push(&ring, &(struct cursor){ 1, 2 }, 0, STR_LIT("one"));
	ring_push(&ring, &(struct cursor){ 1, 3 }, 0, STR_LIT(""));
	ring_push(&ring, &(struct cursor){ 1, 4 }, 0, STR_LIT("two"));
	ring_push(&ring, &(struct cursor){ 1, 5 }, 0, STR_LIT(""));
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_int_equal(plan.count, 1);
	assert_int_equal(plan.bytes, 6);
	assert_memory_equal(plan.iov[0].iov_base, "onetwo", 6);
	assert_int_equal(position_advance(&position, &ring, 6), 2);
	assert_int_equal(position.at.n, 5);
	assert_int_equal(position.untold, 1);
	ring_fini(&ring);
}

static void half_a_frame_that_has_no_form_any_more_is_torn(void **state)
{
	struct position position = { .types = POSITION_ALL_TYPES };
	struct ring ring;
	struct plan plan;

	(void)state;
	ring_init(&ring, 10, 100, (struct cursor){ 0, 0 });
	ring_push(&ring, &(struct cursor){ 1, 1 }, 0, STR_LIT("retracted"));
	assert_int_equal(position_advance(&position, &ring, 4), 0);
	ring_reset(&ring, (struct cursor){ 0, 0 });
	ring_push(&ring, &(struct cursor){ 1, 1 }, 0, STR_LIT(""));
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_true(plan.torn);
	ring_fini(&ring);
}

static void half_a_frame_is_finished_even_when_its_type_is_wanted_no_more(void **state)
{
	struct position position = { .types = POSITION_ALL_TYPES };
	struct ring ring;
	struct plan plan;

	(void)state;
	ring_init(&ring, 10, 100, (struct cursor){ 0, 0 });
	ring_push(&ring, &(struct cursor){ 1, 1 }, 0, STR_LIT("half"));
	ring_push(&ring, &(struct cursor){ 1, 2 }, 0, STR_LIT("other"));
	assert_int_equal(position_advance(&position, &ring, 2), 0);
	position.types = 0;
	position_plan(&position, &ring, PLAN_BYTES, &plan);
	assert_int_equal(plan.bytes, 2);
	assert_int_equal(position_advance(&position, &ring, 2), 1);
	assert_int_equal(position.at.n, 2);
	assert_int_equal(position.sent, 0);
	ring_fini(&ring);
}

static void the_first_frame_of_a_plan_is_whole_whatever_the_limit(void **state)
{
	struct position position = { .types = POSITION_ALL_TYPES };
	struct ring ring;
	struct plan plan;

	(void)state;
	ring_init(&ring, 10, 100, (struct cursor){ 0, 0 });
	ring_push(&ring, &(struct cursor){ 1, 1 }, 0, STR_LIT("first"));
	ring_push(&ring, &(struct cursor){ 1, 2 }, 0, STR_LIT("second"));
	position_plan(&position, &ring, 1, &plan);
	assert_int_equal(plan.bytes, 5);
	ring_fini(&ring);
}

/* Runs of neighbours of one type are one frame, which says what all of them say. */
static void fold_model(const struct model *model, struct ring *ret)
{
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	ring_init(ret, EVENTS, (size_t)EVENTS * LONGEST, (struct cursor){ 0, 0 });
	for (size_t n = 1; n <= model->count; n++) {
		buf_add_str(&text, buf_str(&model->text[n]));
		if (n < model->count && model->type[n] == model->type[n + 1]) {
			ring_push_covered(ret, &model->at[n], model->type[n]);
		} else {
			ring_push(ret, &model->at[n], model->type[n], buf_str(&text));
			buf_reset(&text);
		}
	}
	buf_fini(&text);
}

/* Once, from the folded ring when it is in the middle of one of its frames, or wants to and may. */
static void follow_either(const struct ring *plain, const struct ring *folded,
                          struct position *position, bool *in_folded, struct buf *got)
{
	uint64_t until = position->at.n + 1 + pick(30);
	struct plan plan;

	if (position->sent == 0) {
		*in_folded = pick(2) == 0 && position_fits(position, folded);
	}
	if (*in_folded) {
		position_plan(position, folded, PLAN_BYTES, &plan);
	} else {
		position_plan_until(position, plain, until, PLAN_BYTES, &plan);
	}
	assert_false(plan.torn);
	(void)position_advance(position, *in_folded ? folded : plain, take(&plan, got));
}

static void a_reader_may_change_between_plain_and_folded_frames_where_it_fits(void **state)
{
	(void)state;
	srand(4);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t types = pick(2) == 0 ? POSITION_ALL_TYPES : pick(1U << TYPES);
		struct position position = { .types = types };
		struct ring plain, folded;
		struct buf got, want;
		struct model model;
		bool in_folded = false;

		model_init(&model);
		ring_init(&plain, EVENTS, (size_t)EVENTS * LONGEST, (struct cursor){ 0, 0 });
		buf_init(&got, SIZE_MAX / 2);
		buf_init(&want, SIZE_MAX / 2);
		while (model.count < EVENTS) {
			append(&model, &plain);
		}
		fold_model(&model, &folded);
		while (position.at.n < EVENTS) {
			follow_either(&plain, &folded, &position, &in_folded, &got);
		}
		expected(&model, 0, types, &want);
		assert_true(str_eq(buf_str(&got), buf_str(&want)));
		assert_int_equal(position.sent, 0);
		buf_fini(&got);
		buf_fini(&want);
		ring_fini(&plain);
		ring_fini(&folded);
		model_fini(&model);
	}
}

static void a_plan_ends_where_it_has_to(void **state)
{
	struct position position = { .types = POSITION_ALL_TYPES };
	struct ring ring;
	struct plan plan;

	(void)state;
	ring_init(&ring, 10, 100, (struct cursor){ 0, 0 });
	for (uint64_t n = 1; n <= 6; n++) {
		ring_push(&ring, &(struct cursor){ 1, n }, 0, STR_LIT("four"));
	}
	position_plan_until(&position, &ring, 4, PLAN_BYTES, &plan);
	assert_int_equal(plan.bytes, 16);
	assert_int_equal(position_advance(&position, &ring, plan.bytes), 4);
	assert_int_equal(position.at.n, 4);
	position_plan_until(&position, &ring, 4, PLAN_BYTES, &plan);
	assert_int_equal(plan.count, 0);
	ring_fini(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_holds_the_newest_events_that_fit),
		cmocka_unit_test(a_frame_that_cannot_fit_is_passed_over),
		cmocka_unit_test(a_position_is_judged_by_its_epoch_too),
		cmocka_unit_test(every_reader_gets_every_wanted_byte_once_at_any_pace),
		cmocka_unit_test(events_that_are_not_wanted_move_the_position),
		cmocka_unit_test(neighbours_leave_as_one_piece_and_writes_are_bounded),
		cmocka_unit_test(a_plan_has_no_more_pieces_than_room),
		cmocka_unit_test(half_a_frame_of_another_epoch_is_torn),
		cmocka_unit_test(an_event_without_a_form_is_passed_over),
		cmocka_unit_test(half_a_frame_that_has_no_form_any_more_is_torn),
		cmocka_unit_test(half_a_frame_is_finished_even_when_its_type_is_wanted_no_more),
		cmocka_unit_test(the_first_frame_of_a_plan_is_whole_whatever_the_limit),
		cmocka_unit_test(a_reader_may_change_between_plain_and_folded_frames_where_it_fits),
		cmocka_unit_test(a_plan_ends_where_it_has_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
