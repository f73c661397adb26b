/*
 * simulate [--runs N] [--bug NAME] [--trace]: N worlds, from SIM_SEED on (1 if there is none).
 * simulate --bugs N: plants each bug of bug.def and searches N seeds for it; prints a table.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/sim/world.h"

struct wish {
	struct loop *loop;
	uint64_t seed, runs;
	enum bug bug;
	bool trace, bugs;
	int status;
};

static void search(struct wish *wish)
{
	unsigned missed = 0;

	(void)printf("%-45s %8s  %s\n", "bug", "seed", "what was broken");
	for (unsigned i = BUG_NONE + 1; i < BUG_COUNT; i++) {
		uint64_t seed = wish->seed;

		while (seed < wish->seed + wish->runs &&
		       world_run(wish->loop, seed, (enum bug)i, false)) {
			seed++;
		}
		if (seed == wish->seed + wish->runs) {
			missed++;
			(void)printf("%-45s %8s\n", bug_name((enum bug)i), "MISSED");
		} else {
			(void)printf("%-45s %8" PRIu64 "  %s\n", bug_name((enum bug)i), seed,
			             world_last_failure());
		}
		(void)fflush(stdout);
	}
	(void)printf("%u of %u found\n", BUG_COUNT - 1 - missed, BUG_COUNT - 1);
	wish->status = missed == 0 ? 0 : 1;
}

static void run_all(void *arg)
{
	struct wish *wish = arg;
	uint64_t began_us = clock_mono_us();

	if (wish->bugs) {
		search(wish);
		return;
	}
	for (uint64_t i = 0; i < wish->runs; i++) {
		if (!world_run(wish->loop, wish->seed + i, wish->bug, wish->trace)) {
			(void)printf("SIM_SEED=%" PRIu64 " simulate: %s\n", wish->seed + i,
			             world_last_failure());
			wish->status = 1;
			return;
		}
	}
	(void)printf("%" PRIu64 " schedules from SIM_SEED=%" PRIu64 " on: sound, %" PRIu64
	             " sessions leased as they came, %.1f s\n",
	             wish->runs, wish->seed, world_direct(),
	             (double)(clock_mono_us() - began_us) / 1000000);
}

static bool parse(int argc, char **argv, struct wish *wish)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--trace") == 0) {
			wish->trace = true;
		} else if (strcmp(argv[i], "--bug") == 0 && bug_of(value) != BUG_COUNT) {
			wish->bug = bug_of(value);
			i++;
		} else if ((strcmp(argv[i], "--runs") == 0 || strcmp(argv[i], "--bugs") == 0) &&
		           parse_u64(str_of(value), UINT32_MAX, &wish->runs)) {
			wish->bugs = strcmp(argv[i], "--bugs") == 0;
			i++;
		} else {
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	const char *seed = getenv("SIM_SEED");
	struct wish wish = { .seed = 1, .runs = 1 };

	if (!parse(argc, argv, &wish) ||
	    (seed != NULL && !parse_u64(str_of(seed), INT64_MAX, &wish.seed))) {
		(void)fprintf(stderr, "usage: [SIM_SEED=N] simulate [--runs N] [--bug NAME] "
		                      "[--trace] | --bugs N\n");
		return 2;
	}
	wish.loop = loop_new();
	(void)fiber_start(wish.loop, NULL, "simulate", run_all, &wish);
	loop_run(wish.loop);
	loop_free(wish.loop);
	return wish.status;
}
