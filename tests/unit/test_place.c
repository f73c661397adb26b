/* Where sessions run, as a table. */
#include "base/attr.h"
#include "scheduler/place.h"
#include "tests/support/test.h"

#define HAS "runtime=local,agent=command"

struct row {
	const char *what;
	const char *needs, *likes;
	uint64_t waited_ms;
	bool pack;
	struct place_worker workers[3];
	size_t count;
	struct place want;
};

#define WORKER(words, held, used)                                                                  \
	{                                                                                          \
		words, held, 4, used, 8, used, false                                               \
	}
#define DRAINING(words, held, used)                                                                \
	{                                                                                          \
		words, held, 4, used, 8, used, true                                                \
	}

static const struct row rows[] = {
	{ "it likes nothing",
	  HAS,
	  "",
	  0,
	  false,
	  { WORKER(HAS, "", 3), WORKER(HAS, "", 0) },
	  2,
	  { PLACE_HERE, 0, 0 } },
	{ "it is held here",
	  HAS,
	  "repo=a",
	  0,
	  false,
	  { WORKER(HAS, "repo=b,repo=a", 3), WORKER(HAS, "repo=a", 0) },
	  2,
	  { PLACE_HERE, 0, 0 } },
	{ "another with room holds it",
	  HAS,
	  "repo=a",
	  0,
	  false,
	  { WORKER(HAS, "repo=b", 1), WORKER(HAS, "repo=a", 3) },
	  2,
	  { PLACE_THERE, 1, 0 } },
	{ "the emptier of two that hold it",
	  HAS,
	  "repo=a",
	  0,
	  false,
	  { WORKER(HAS, "", 0), WORKER(HAS, "repo=a", 3), WORKER(HAS, "repo=a", 1) },
	  3,
	  { PLACE_THERE, 2, 0 } },
	{ "the fuller of two that hold it, where workers are packed",
	  HAS,
	  "repo=a",
	  0,
	  true,
	  { WORKER(HAS, "", 0), WORKER(HAS, "repo=a", 1), WORKER(HAS, "repo=a", 3) },
	  3,
	  { PLACE_THERE, 2, 0 } },
	{ "nobody holds it",
	  HAS,
	  "repo=a",
	  0,
	  false,
	  { WORKER(HAS, "", 0), WORKER(HAS, "", 0) },
	  2,
	  { PLACE_HERE, 0, 0 } },
	{ "a prefix of a word is not the word",
	  HAS,
	  "repo=a",
	  0,
	  false,
	  { WORKER(HAS, "", 0), WORKER(HAS, "repo=ab", 0) },
	  2,
	  { PLACE_HERE, 0, 0 } },
	{ "one that holds it and cannot run it",
	  HAS ",gpu",
	  "repo=a",
	  0,
	  false,
	  { WORKER(HAS ",gpu", "", 0), WORKER(HAS, "repo=a", 0) },
	  2,
	  { PLACE_HERE, 0, 0 } },
	{ "one that holds it and goes",
	  HAS,
	  "repo=a",
	  0,
	  false,
	  { WORKER(HAS, "", 0), DRAINING(HAS, "repo=a", 0) },
	  2,
	  { PLACE_HERE, 0, 0 } },
	{ "a full one that holds it is waited for, as long as that saves",
	  HAS,
	  "repo=a",
	  1000,
	  false,
	  { WORKER(HAS, "", 0), WORKER(HAS, "repo=a", 4) },
	  2,
	  { PLACE_WAIT, 1, 4000 } },
	{ "it has waited for long enough",
	  HAS,
	  "repo=a",
	  4950,
	  false,
	  { WORKER(HAS, "", 0), WORKER(HAS, "repo=a", 4) },
	  2,
	  { PLACE_HERE, 0, 0 } },
	{ "one without a place for another resident is full too",
	  HAS,
	  "repo=a",
	  0,
	  false,
	  { WORKER(HAS, "", 0), { HAS, "repo=a", 4, 1, 8, 8, false } },
	  2,
	  { PLACE_WAIT, 1, 5000 } },
	{ "a label that it likes",
	  HAS,
	  "zone=eu",
	  0,
	  false,
	  { WORKER(HAS, "", 0), WORKER(HAS ",zone=eu", "", 3) },
	  2,
	  { PLACE_THERE, 1, 0 } },
	{ "a repository counts for more than a label",
	  HAS,
	  "zone=eu,repo=a",
	  0,
	  false,
	  { WORKER(HAS, "", 0), WORKER(HAS ",zone=eu", "", 0), WORKER(HAS, "repo=a", 3) },
	  3,
	  { PLACE_THERE, 2, 0 } },
	{ "the half of it at once, and then no waiting for less than it saves",
	  HAS,
	  "zone=eu,repo=a",
	  2000,
	  false,
	  { WORKER(HAS, "", 0), WORKER(HAS, "repo=a", 0), WORKER(HAS ",zone=eu", "repo=a", 4) },
	  3,
	  { PLACE_THERE, 1, 0 } },
};

static void a_session_goes_where_it_starts_soonest(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		const struct place_rules rules = { .pack = row->pack, .like_ms = 2000 };
		const struct place_ask ask = { .needs = row->needs,
			                       .likes = row->likes,
			                       .waited_ms = row->waited_ms,
			                       .materialise_ms = 5000 };
		struct place got = place_decide(row->workers, row->count, &ask, &rules);

		if (got.what != row->want.what || got.worker != row->want.worker ||
		    got.wait_ms != row->want.wait_ms) {
			fail_msg("%s: %d worker %zu wait %llu", row->what, (int)got.what,
			         got.worker, (unsigned long long)got.wait_ms);
		}
	}
}

static void of_two_workers_the_emptier_or_the_fuller_is_the_better(void **state)
{
	const struct place_rules spread = { .pack = false }, pack = { .pack = true };
	const struct place_worker quarter = { "", "", 8, 2, 8, 2, false };
	const struct place_worker half = { "", "", 4, 2, 4, 2, false };

	(void)state;
	assert_true(place_compare(&quarter, &half, &spread) > 0);
	assert_true(place_compare(&half, &quarter, &spread) < 0);
	assert_true(place_compare(&half, &quarter, &pack) > 0);
	assert_int_equal(place_compare(&half, &half, &pack), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_goes_where_it_starts_soonest),
		cmocka_unit_test(of_two_workers_the_emptier_or_the_fuller_is_the_better),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
