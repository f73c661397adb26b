/* A command that always has more to say, read by a fiber that shares its loop. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/run_fiber.h"
#include "tests/support/test.h"
#include "worker/runner.h"

enum { LONG_MS = 20000, LOUD_READS = 20 };

struct other {
	unsigned turns, starved;
	bool enough;
	enum err_code code;
};

static void take_turns(void *arg)
{
	struct other *other = arg;

	while (!other->enough) {
		other->turns++;
		(void)fiber_yield();
	}
}

static void read_loud(struct other *other, struct runner *runner)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	char *chunk = mem_calloc(1, RUNNER_CHUNK);
	enum runner_stream stream;
	size_t n = 1;

	for (unsigned i = 0; n > 0 && other->code == ERR_OK; i++) {
		const unsigned before = other->turns;

		if (i < LOUD_READS) { /* so that there is something to read again */
			(void)nanosleep(&pause, NULL);
		}
		other->code = runner_read(runner, chunk, LONG_MS, &n, &stream);
		other->starved += other->turns == before;
	}
	free(chunk);
}

static void body(struct loop *loop, void *arg)
{
	const char *const argv[] = { "head", "-c", "4000000", "/dev/zero", NULL };
	const char *const env[] = { "PATH=/usr/bin:/bin", NULL };
	struct runner_options options = { .guard_path = GUARD_PATH,
		                          .argv = argv,
		                          .env = env,
		                          .cwd = "/",
		                          .orphan_ms = 300,
		                          .grace_ms = 300 };
	struct fiber_group group = { .count = 0 };
	struct other *other = arg;
	struct runner *runner;
	struct runner_exit end;
	struct err err;

	other->code = process_user_find(getuid() == 0 ? "nobody" : "", &options.user, &err);
	if (other->code != ERR_OK) {
		return;
	}
	other->code = runner_start(loop, &options, &runner, &err);
	if (other->code != ERR_OK) {
		return;
	}
	(void)fiber_start(loop, &group, "other", take_turns, other);
	read_loud(other, runner);
	other->enough = true;
	(void)!fiber_group_wait(&group, LONG_MS);
	if (other->code == ERR_OK) {
		other->code = runner_wait_exit(runner, LONG_MS, &end);
	}
	runner_free(runner);
}

static void who_is_loud_leaves_turns_to_others(void **state)
{
	struct other other = { .turns = 0 };

	(void)state;
	run_fiber(body, &other);
	assert_int_equal(other.code, ERR_OK);
	assert_int_equal(other.starved, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_loud_leaves_turns_to_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
