/* Schedulers that archive are killed at any moment: what is archived is the log, each event once.
 * And one of them removes what is too old. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "event/segment.h"
#include "redis/redis.h"
#include "scheduler_world.h"

enum { KILLS = 15, BATCH_MAX = 100, PAUSE_MAX_MS = 12, KILL_MIN_MS = 10, KILL_MAX_MS = 160 };

SQL(archived_sum, "SELECT coalesce(sum(event_count), 0) FROM log_segments");
SQL(archived_holes,
    "SELECT count(*) FROM (SELECT first_n, lag(last_n) OVER (ORDER BY first_n) AS before "
    "FROM log_segments) g WHERE first_n <> coalesce(before, 0) + 1");
SQL(make_old, "WITH g AS (UPDATE log_segments SET last_ts = last_ts - interval '10 days'), "
              "s AS (UPDATE sessions SET ended_at = ended_at - interval '10 days') "
              "UPDATE tenants SET retention_s = 86400");
SQL(make_chats, "INSERT INTO chats (tenant_id, owner, name, namespace, last_active_at) "
                "SELECT t.id, c.owner, c.name, 'n', now() - c.age::interval "
                "FROM (SELECT min(id) AS id FROM tenants) t, "
                "(VALUES ('', 'left', '31 days'), ('', 'young', '29 days'), "
                "('user:1', 'kept', '99 days')) c (owner, name, age)");
SQL(count_chats, "SELECT count(*) FROM chats WHERE name <> 'left'");
SQL(count_left, "SELECT count(*) FROM chats WHERE name = 'left'");
SQL(clear_chats, "DELETE FROM chats");
SQL(make_young, "UPDATE tenants SET retention_s = NULL");
SQL(count_all, "SELECT (SELECT count(*) FROM log_segments) + (SELECT count(*) FROM sessions) + "
               "(SELECT count(*) FROM tasks)");

struct writer {
	struct stage *stage;
	struct id sid;
	uint64_t last;
	bool enough;
};

static void append_notes(struct writer *writer, unsigned count)
{
	static char texts[BATCH_MAX][48];
	static struct log_new events[BATCH_MAX];
	const struct log_batch batch = { .sid = writer->sid,
		                         .tenant = TENANT,
		                         .from = SESSION_ANY,
		                         .events = events,
		                         .count = count };
	struct log_result result;
	struct err err;

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "{\"message\":\"%" PRIu64 "\"}",
		               writer->last + 1 + i);
		events[i] = (struct log_new){ EVENT_TYPE_NOTE, str_of(texts[i]) };
	}
	if (log_append(&writer->stage->store, &batch, &result, &err) != ERR_OK) {
		fail_msg("append: %s", err.msg);
	}
	assert_int_equal(result.outcome, LOG_OK);
	assert_int_equal(result.first.n, writer->last + 1);
	writer->last = result.last.n;
}

static unsigned below(unsigned n)
{
	return (unsigned)(random() % n);
}

static void write_all(void *arg)
{
	struct writer *writer = arg;

	while (!writer->enough) {
		append_notes(writer, 1 + below(BATCH_MAX));
		assert_int_equal(fiber_sleep(below(PAUSE_MAX_MS)), ERR_OK);
	}
}

static void end_session(struct writer *writer)
{
	const struct log_new event = { EVENT_TYPE_STATUS, STR_LIT("{\"status\":\"cancelled\"}") };
	const struct log_batch batch = { .sid = writer->sid,
		                         .tenant = TENANT,
		                         .from = SESSION_ANY,
		                         .moves = true,
		                         .to = SESSION_CANCELLED,
		                         .events = &event,
		                         .count = 1 };
	struct log_result result;
	struct err err;

	assert_int_equal(log_append(&writer->stage->store, &batch, &result, &err), ERR_OK);
	assert_int_equal(result.outcome, LOG_OK);
	writer->last = result.last.n;
}

/* From the archive alone: every note says its n. */
static void check_archive(const struct writer *writer)
{
	struct cursor at = { 0, 0 };

	while (at.n < writer->last) {
		const struct log_range range = { writer->sid, TENANT, at, LOG_READ_MAX,
			                         1024 * 1024 };
		struct log_page page;
		struct err err;
		char text[48];

		assert_int_equal(segment_read(writer->stage->world->pg, &range, &page, &err),
		                 ERR_OK);
		assert_true(page.count > 0);
		assert_int_equal(page.gap.reason, LOG_GAP_NONE);
		for (size_t i = 0; i < page.count; i++) {
			const struct log_event *event = &page.events[i];

			(void)snprintf(text, sizeof(text), "{\"message\":\"%" PRIu64 "\"}",
			               event->at.n);
			assert_true(!str_eq(event->type, STR_LIT("note")) ||
			            str_eq(event->data, str_of(text)));
		}
		at = page.next;
		log_page_fini(&page);
	}
}

static bool is_open(struct stage *stage, void *arg)
{
	return stage_head(stage, arg).found;
}

static bool is_archived(struct stage *stage, void *arg)
{
	char text[128];

	stage_row(stage, arg, "archived_at", text);
	return text[0] != '\0';
}

static bool is_empty(struct stage *stage, void *arg)
{
	(void)arg;
	return number(stage->world->pg, "", &count_all) == 0;
}

/* Only what a guest left behind. */
static bool has_two_chats(struct stage *stage, void *arg)
{
	(void)arg;
	return number(stage->world->pg, "", &count_left) == 0 &&
	       number(stage->world->pg, "", &count_chats) == 2;
}

static void kill_some(struct stage *stage)
{
	for (unsigned kills = 0; kills < KILLS; kills++) {
		unsigned victim = below(STAGE_SCHEDULERS);

		assert_int_equal(fiber_sleep(KILL_MIN_MS + below(KILL_MAX_MS)), ERR_OK);
		stage_kill_scheduler(stage, victim);
		stage_start_scheduler(stage, victim);
	}
}

static void kill_body(struct world *world)
{
	struct stage stage;
	struct writer writer = { .stage = &stage };
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srandom(seed);
	stage_open(&stage, world);
	stage.settings[0] = "FAIRLEAD_ARCHIVE_INTERVAL=50ms";
	stage.settings[1] = "FAIRLEAD_RETENTION_INTERVAL=50ms";
	writer.sid = accept_task(world, BODY(AGENT(1), "")).sessions[0];
	stage_start_scheduler(&stage, 0);
	stage_start_scheduler(&stage, 1);
	(void)stage_await(&stage, is_open, &writer.sid, "a log");
	writer.last = stage_head(&stage, &writer.sid).at.n;
	(void)fiber_start(world->loop, &stage.fibers, "writer", write_all, &writer);
	kill_some(&stage);
	writer.enough = true;
	assert_int_equal(fiber_group_wait(&stage.fibers, STAGE_WAIT_MS), ERR_OK);
	assert_true(number(world->pg, "", &archived_sum) > 0); /* some of it meanwhile */
	end_session(&writer);
	(void)stage_await(&stage, is_archived, &writer.sid, "all of it in the archive");
	assert_int_equal(number(world->pg, "", &archived_sum), writer.last);
	assert_int_equal(number(world->pg, "", &archived_holes), 0);
	check_archive(&writer);

	tell(world->pg, "", &make_chats, NULL);
	tell(world->pg, "", &make_old, NULL);
	(void)stage_await(&stage, is_empty, NULL, "what is too old to be gone");
	(void)stage_await(&stage, has_two_chats, NULL, "what a guest left behind to be gone");
	tell(world->pg, "", &clear_chats, NULL);
	tell(world->pg, "", &make_young, NULL);
	stage_close(&stage);
}

static void the_archive_is_the_log_whenever_archivers_are_killed(void **state)
{
	(void)state;
	world_run(kill_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_archive_is_the_log_whenever_archivers_are_killed),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
