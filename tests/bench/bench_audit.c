/*
 * What a row of the audit costs: transactions that only add one, one after the other and from many
 * fibers at once, for one tenant (whose chain they wait for) and for as many tenants as fibers.
 *
 *	cmake --build --preset release --target bench_audit && tests/support/with-postgres
 *.../bench_audit
 */
#include <inttypes.h>
#include <stdio.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "tests/integration/pg_world.h"

enum { FIBERS = 4, RUN_MS = 3000 };

struct writer {
	struct pg *pg;
	char chain[16];
	uint64_t until_ms, rows;
};

static void write_rows(void *arg)
{
	struct writer *writer = arg;
	struct cred_pepper secret = cred_pepper_from(STR_LIT("a secret of the bench"));
	const struct cred_pepper key = audit_key(&secret);
	const struct audit_entry entry = {
		.chain = writer->chain,
		.who = { .kind = STR_LIT("key"),
		         .id = STR_LIT("01JD0M6T3RHN4P6S8TAVCXEZ1B"),
		         .name = STR_LIT("bench"),
		         .address = STR_LIT("192.0.2.1"),
		         .agent = STR_LIT("bench"),
		         .request = STR_LIT("01JD0M6T3RHN4P6S8TAVCXEZ1B") },
		.action = STR_LIT("key.create"),
		.object = STR_LIT("key:01JD0M6T3RHN4P6S8TAVCXEZ1B"),
		.detail = STR_LIT("{}"),
	};
	struct err err;

	while (clock_mono_ms() < writer->until_ms) {
		if (audit_write(writer->pg, &key, &entry, &err) != ERR_OK) {
			fail_msg("%s", err.msg);
		}
		writer->rows++;
	}
}

static void run(struct world *world, const char *what, unsigned fibers, bool apart)
{
	struct writer writers[FIBERS];
	uint64_t rows = 0;

	for (unsigned i = 0; i < fibers; i++) {
		writers[i] =
			(struct writer){ .pg = world->pg, .until_ms = clock_mono_ms() + RUN_MS };
		(void)snprintf(writers[i].chain, sizeof(writers[i].chain), "t%u", apart ? i : 0);
		(void)fiber_start(world->loop, &world->group, "writer", write_rows, &writers[i]);
	}
	assert_int_equal(fiber_group_wait(&world->group, FIBER_NO_TIMEOUT), ERR_OK);
	for (unsigned i = 0; i < fibers; i++) {
		rows += writers[i].rows;
	}
	(void)printf("%-28s %8" PRIu64 " rows/s  %6.0f us each\n", what, rows * 1000 / RUN_MS,
	             (double)fibers * RUN_MS * 1000 / (double)rows);
}

static void body(struct world *world)
{
	run(world, "one after the other", 1, false);
	run(world, "4 at once, one tenant", FIBERS, false);
	run(world, "4 at once, 4 tenants", FIBERS, true);
}

int main(void)
{
	world_run(body);
	return 0;
}
