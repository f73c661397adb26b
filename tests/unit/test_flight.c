/* A crowd that asks for the same at the same moment is served by two fetches: nobody gets what was
 * under way when it came. */
#include <assert.h>

#include "streamer/flight.h"
#include "tests/support/run_fiber.h"
#include "tests/support/test.h"

enum { CROWD = 50 };

/* What is fetched is the number of the fetch; it is a fact before the fetch waits. */
struct source {
	struct fiber_signal go; /* a fetch may end */
	unsigned fetches, finished, dropped;
	bool fails;
};

static struct source source;

struct fetched {
	unsigned fetch;
};

static enum err_code fetch(const void *what, void *ret, struct err *err)
{
	struct fetched *fetched = ret;

	assert(what == &source);
	fetched->fetch = ++source.fetches;
	if (fiber_signal_wait(&source.go, FIBER_NO_TIMEOUT) != ERR_OK) {
		return err_set(err, ERR_INTERNAL, "a fetch was cancelled");
	}
	source.finished++;
	return source.fails ? err_set(err, ERR_UNAVAILABLE, "no") : ERR_OK;
}

static void drop(void *fetched)
{
	source.dropped += ((struct fetched *)fetched)->fetch > 0;
}

static const struct flight_kind kind = { sizeof(struct fetched), fetch, drop };

/* One who asks. */
struct asker {
	struct flights *flights;
	const char *key;
	unsigned got;
	enum err_code code;
	bool answered;
};

static void ask(void *arg)
{
	struct asker *asker = arg;
	struct flight *flight;
	struct err err;

	asker->code =
		flight_hold(asker->flights, str_of(asker->key), &kind, &source, &flight, &err);
	if (asker->code == ERR_OK) {
		const struct fetched *fetched = flight->fetched;

		asker->got = fetched->fetch;
		flight_release(flight);
	}
	asker->answered = true;
}

struct stage {
	struct loop *loop;
	struct flights *flights;
	struct fiber_group group;
	struct asker askers[CROWD];
};

static struct fiber_group begin_group(void)
{
	return (struct fiber_group){ .count = 0 };
}

static void come(struct stage *stage, size_t first, size_t end, const char *key)
{
	for (size_t i = first; i < end; i++) {
		stage->askers[i] = (struct asker){ stage->flights, key, 0, ERR_OK, false };
		(void)fiber_start(stage->loop, &stage->group, "ask", ask, &stage->askers[i]);
	}
	(void)fiber_yield();
}

/* The fetch under way ends, and whoever waits for it goes on. */
static void let_go(void)
{
	unsigned finished = source.finished;

	fiber_signal_raise(&source.go);
	while (source.finished == finished) {
		(void)fiber_yield();
	}
	(void)fiber_yield();
}

static void begin(struct stage *stage, struct loop *loop)
{
	*stage = (struct stage){ .loop = loop, .flights = flights_new(), .group = begin_group() };
	source = (struct source){ .fetches = 0 };
	fiber_signal_init(&source.go);
}

static void end(struct stage *stage)
{
	enum err_code code = fiber_group_wait(&stage->group, FIBER_NO_TIMEOUT);

	assert(code == ERR_OK);
	flights_free(stage->flights); /* asserts that nothing is left */
}

/* ---- a crowd ---- */

static void crowd_body(struct loop *loop, void *arg)
{
	struct stage *stage = arg;

	begin(stage, loop);
	come(stage, 0, 1, "a");
	come(stage, 1, CROWD - 1, "a"); /* while the first is served */
	come(stage, CROWD - 1, CROWD, "b");
	let_go(); /* of both keys */
	let_go();
	end(stage);
}

static void a_crowd_costs_two_fetches(void **state)
{
	struct stage stage;

	(void)state;
	run_fiber(crowd_body, &stage);
	assert_int_equal(source.fetches, 3);
	assert_int_equal(source.dropped, 3);
	assert_int_equal(stage.askers[0].got, 1);
	assert_int_equal(stage.askers[CROWD - 1].got, 2); /* another key waits for nobody */
	for (size_t i = 1; i < CROWD - 1; i++) {
		assert_int_equal(stage.askers[i].got, 3);
	}
}

/* ---- those who leave ---- */

static void leave_body(struct loop *loop, void *arg)
{
	struct stage *stage = arg;

	begin(stage, loop);
	come(stage, 0, 1, "a");
	come(stage, 1, 4, "a");
	fiber_group_cancel(&stage->group, ERR_CANCELLED);
	(void)fiber_yield();
	come(stage, 4, 6, "a"); /* after those who waited have left */
	let_go();
	let_go();
	end(stage);
}

static void who_leaves_takes_nothing_from_the_others(void **state)
{
	struct stage stage;

	(void)state;
	run_fiber(leave_body, &stage);
	assert_int_equal(stage.askers[0].got, 1); /* it was fetching: that goes on */
	for (size_t i = 1; i < 4; i++) {
		assert_int_equal(stage.askers[i].code, ERR_CANCELLED);
	}
	assert_int_equal(stage.askers[4].got, 2);
	assert_int_equal(stage.askers[5].got, 2);
	assert_int_equal(source.fetches, 2);
	assert_int_equal(source.dropped, 2);
}

/* ---- failures ---- */

static void failure_body(struct loop *loop, void *arg)
{
	struct stage *stage = arg;

	begin(stage, loop);
	source.fails = true;
	come(stage, 0, 1, "a");
	come(stage, 1, 3, "a");
	let_go();
	source.fails = false;
	let_go();
	end(stage);
}

static void a_failure_is_told_to_those_it_was_for(void **state)
{
	struct stage stage;

	(void)state;
	run_fiber(failure_body, &stage);
	assert_int_equal(stage.askers[0].code, ERR_UNAVAILABLE);
	assert_int_equal(stage.askers[1].got, 2);
	assert_int_equal(stage.askers[2].got, 2);
	assert_int_equal(source.dropped, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crowd_costs_two_fetches),
		cmocka_unit_test(who_leaves_takes_nothing_from_the_others),
		cmocka_unit_test(a_failure_is_told_to_those_it_was_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
