/* A snapshot is the log up to its cursor: taken while the log grows and is archived, it is what
 * reading all of it gives. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/snapshot.h"
#include "json/write.h"
#include "log_rig.h"

enum { SHOTS = 120, BATCH = 16, BATCHES = 640, EVERY = 8, PACE_MS = 6 };

struct shots {
	const struct rig *rig;
	struct cursor at[SHOTS];
	char *texts[SHOTS];
	size_t count;
	bool done;
};

/* The caller's to free. */
static char *text_of(const struct snapshot *snapshot)
{
	struct buf text;
	struct jsonw w;
	char *ret;

	buf_init(&text, SIZE_MAX / 2);
	jsonw_init(&w, &text);
	snapshot_write(snapshot, STR_LIT("s"), UINT64_MAX, &w);
	ret = strndup(text.data, text.len);
	buf_fini(&text);
	return ret;
}

static void take(const struct rig *rig, struct snapshot *ret)
{
	struct err err;

	if (snapshot_read(&rig->store, rig->pg, &rig->sid, TENANT, ret, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
}

static void append(const struct rig *rig, enum event_type type, struct str data, bool moves,
                   enum session_state to)
{
	struct log_new event = { type, data };
	struct log_batch batch = { .sid = rig->sid,
		                   .tenant = TENANT,
		                   .events = &event,
		                   .count = 1,
		                   .moves = moves,
		                   .to = to };
	struct log_result result;
	struct err err;

	(void)rig_must(log_append(&rig->store, &batch, &result, &err), &result, &err);
}

static void move(const struct rig *rig, enum session_state to)
{
	char data[64];
	int n = snprintf(data, sizeof(data), "{\"status\":\"%s\"}", session_state_name(to));

	append(rig, EVENT_TYPE_STATUS, str_make(data, (size_t)n), true, to);
}

/* What a snapshot looks at, so seldom that most segments have nothing of it. */
static const struct {
	unsigned one_in;
	enum event_type type;
} kinds[] = {
	{ 2500, EVENT_TYPE_TURN_STARTED },
	{ 1500, EVENT_TYPE_MESSAGE },
	{ 1500, EVENT_TYPE_PLAN },
	{ 1500, EVENT_TYPE_USAGE },
	{ 1500, EVENT_TYPE_COST },
	{ 1500, EVENT_TYPE_PROGRESS },
	{ 1800, EVENT_TYPE_PERMISSION_REQUEST },
	{ 2500, EVENT_TYPE_PERMISSION_RESOLVED },
	{ 6000, EVENT_TYPE_TURN_FINISHED },
};

static enum event_type some_type(void)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		if (random() % kinds[k].one_in == 0) {
			return kinds[k].type;
		}
	}
	return random() % 5 == 0 ? EVENT_TYPE_LOG : EVENT_TYPE_NOTE;
}

static void append_some(const struct rig *rig)
{
	struct log_new events[BATCH];
	char data[BATCH][64];
	struct log_batch batch = {
		.sid = rig->sid, .tenant = TENANT, .events = events, .count = BATCH
	};
	struct log_result result;
	struct err err;

	for (size_t i = 0; i < BATCH; i++) {
		int n = snprintf(data[i], sizeof(data[i]), "{\"request_id\":\"r%ld\"}",
		                 random() % 2);

		events[i] = (struct log_new){ some_type(), str_make(data[i], (size_t)n) };
	}
	(void)rig_must(log_append(&rig->store, &batch, &result, &err), &result, &err);
}

static void live(void *arg)
{
	struct shots *shots = arg;

	move(shots->rig, SESSION_PROVISIONING);
	move(shots->rig, SESSION_RUNNING);
	for (int i = 0; i < BATCHES; i++) {
		append_some(shots->rig);
		if (i == BATCHES / 3) {
			move(shots->rig, SESSION_QUEUED);
			move(shots->rig, SESSION_PROVISIONING);
			move(shots->rig, SESSION_RUNNING);
		}
		if (i % EVERY == 0) {
			(void)fiber_sleep(PACE_MS);
		}
	}
	move(shots->rig, SESSION_COMPLETED);
	shots->done = true;
}

static void archive(void *arg)
{
	const struct shots *shots = arg;

	while (!shots->done) {
		(void)rig_archive(shots->rig, 128, 5);
		(void)fiber_yield();
	}
}

static void shoot(void *arg)
{
	struct shots *shots = arg;

	for (bool last = false; !last && shots->count < SHOTS; shots->count++) {
		struct snapshot snapshot;

		last = shots->done;
		take(shots->rig, &snapshot);
		assert_int_equal(snapshot.pending_from, 1);
		shots->at[shots->count] = snapshot.at;
		shots->texts[shots->count] = text_of(&snapshot);
		snapshot_fini(&snapshot);
	}
}

/* Those of this place are what reading all of it gave. */
static size_t compare(const struct shots *shots, const struct snapshot *whole)
{
	size_t same = 0;
	char *text = NULL;

	for (size_t i = 0; i < shots->count; i++) {
		if (shots->at[i].n != whole->at.n) {
			continue;
		}
		assert_int_equal(shots->at[i].epoch, whole->at.epoch);
		text = text != NULL ? text : text_of(whole);
		assert_string_equal(shots->texts[i], text);
		same++;
	}
	free(text);
	return same;
}

static size_t compare_all(const struct shots *shots)
{
	struct snapshot whole;
	bool caught_up = false;
	size_t same = 0;

	snapshot_init(&whole);
	while (!caught_up) {
		struct log_page page = rig_history(shots->rig, whole.at, 128);

		for (size_t i = 0; i < page.count; i++) {
			snapshot_apply(&whole, &page.events[i], true);
			same += compare(shots, &whole);
		}
		caught_up = page.caught_up;
		log_page_fini(&page);
	}
	snapshot_fini(&whole);
	return same;
}

static void race_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct shots shots = { .rig = &rig };
	struct fiber_group group = { .count = 0 };

	srandom(7); /* the same log each time; what is taken when is not */
	(void)fiber_start(world->loop, &group, "live", live, &shots);
	(void)fiber_start(world->loop, &group, "archive", archive, &shots);
	(void)fiber_start(world->loop, &group, "shoot", shoot, &shots);
	assert_int_equal(fiber_group_wait(&group, 30000), ERR_OK);
	assert_true(shots.count > 10);
	assert_int_equal(compare_all(&shots), shots.count);
	for (size_t i = 0; i < shots.count; i++) {
		free(shots.texts[i]);
	}
	pg_free(rig.pg);
}

static void a_snapshot_is_what_the_log_says_up_to_its_cursor(void **state)
{
	(void)state;
	world_run(race_body);
}

/* ---- edges ---- */

static void ended_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct snapshot snapshot;
	struct id nobody = id_new();
	struct err err;

	rig_append_notes(&rig, 300);
	rig_end_session(&rig);
	rig_archive(&rig, 1, 0);
	world_say(world, "FLUSHALL");
	take(&rig, &snapshot);
	assert_int_equal(snapshot.at.n, 303);
	assert_int_equal(snapshot.state, SESSION_CANCELLED);
	assert_int_equal(snapshot.counts[EVENT_TYPE_NOTE], 300);
	snapshot_fini(&snapshot);
	assert_int_equal(snapshot_read(&rig.store, rig.pg, &nobody, TENANT, &snapshot, &err),
	                 ERR_NOT_FOUND);
	assert_int_equal(snapshot_read(&rig.store, rig.pg, &rig.sid, "other", &snapshot, &err),
	                 ERR_NOT_FOUND);
	pg_free(rig.pg);
}

static void an_ended_session_has_a_snapshot_without_redis(void **state)
{
	(void)state;
	world_run(ended_body);
}

/* A request in each of more segments than are looked through. */
static void deep_body(struct world *world)
{
	struct rig rig = rig_new(world);
	struct snapshot snapshot;

	for (int i = 0; i < 20; i++) {
		append(&rig, EVENT_TYPE_PERMISSION_REQUEST, STR_LIT("{\"request_id\":\"r\"}"),
		       false, SESSION_QUEUED);
		rig_append_notes(&rig, 9);
		rig_archive(&rig, 1, 0);
	}
	append(&rig, EVENT_TYPE_PERMISSION_REQUEST, STR_LIT("{}"), false, SESSION_QUEUED);
	take(&rig, &snapshot);
	assert_int_equal(snapshot.at.n, 203);
	assert_int_equal(snapshot.pending_count, 17);
	assert_int_equal(snapshot.pending_from, 43);
	assert_int_equal(snapshot.counts[EVENT_TYPE_PERMISSION_REQUEST], 21);
	snapshot_fini(&snapshot);
	append(&rig, EVENT_TYPE_TURN_FINISHED, STR_LIT("{}"), false, SESSION_QUEUED);
	take(&rig, &snapshot);
	assert_int_equal(snapshot.pending_count, 0);
	assert_int_equal(snapshot.pending_from, 1);
	snapshot_fini(&snapshot);
	pg_free(rig.pg);
}

static void how_far_back_requests_were_looked_for_is_said(void **state)
{
	(void)state;
	world_run(deep_body);
}

static void bounds_body(struct world *world)
{
	static char large[100 * 1024];
	struct rig rig = rig_new(world);
	struct snapshot snapshot;
	char *text;

	memset(large, 'x', sizeof(large));
	memcpy(large, "{\"content\":\"", 12);
	memcpy(large + sizeof(large) - 2, "\"}", 2);
	append(&rig, EVENT_TYPE_MESSAGE, str_make(large, sizeof(large)), false, SESSION_QUEUED);
	for (int i = 0; i < SNAPSHOT_PENDING_MAX + 6; i++) {
		append(&rig, EVENT_TYPE_PERMISSION_REQUEST, str_make(large, sizeof(large)), false,
		       SESSION_QUEUED);
	}
	take(&rig, &snapshot);
	assert_int_equal(snapshot.pending_count, SNAPSHOT_PENDING_MAX);
	assert_int_equal(snapshot.pending_from, 3 + 6 + 1);
	text = text_of(&snapshot);
	assert_non_null(strstr(text, "\"omittedBytes\":102400"));
	assert_in_range(strlen(text), 1, 32 * 1024);
	free(text);
	snapshot_fini(&snapshot);
	pg_free(rig.pg);
}

static void a_snapshot_is_small_whatever_is_in_the_log(void **state)
{
	(void)state;
	world_run(bounds_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_is_what_the_log_says_up_to_its_cursor),
		cmocka_unit_test(an_ended_session_has_a_snapshot_without_redis),
		cmocka_unit_test(how_far_back_requests_were_looked_for_is_said),
		cmocka_unit_test(a_snapshot_is_small_whatever_is_in_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
