#include "log_rig.h"

#include <stdlib.h>
#include <string.h>

#include "pg/schema.h"

static const char insert_session[] = "WITH t AS (INSERT INTO tenants (id, name) VALUES ('acme', "
				     "'acme') ON CONFLICT DO NOTHING), "
				     "k AS (INSERT INTO tasks (id, tenant_id, created_by, agents) "
				     "VALUES ($1::text, 'acme', 'me', '[]')) "
				     "INSERT INTO sessions (id, tenant_id, task_id, agent) VALUES "
				     "($1::text, 'acme', $1::text, '{}')";
static const char update_state[] = "UPDATE sessions SET state = $2::text WHERE id = $1::text";

void rig_tell(const struct rig *rig, const char *name, const char *sql, const char *second)
{
	struct text text = { name, "0", sql, strlen(sql) };
	struct pg_params params = { 0 };
	struct err err;

	pg_param_cstr(&params, rig->sid.s);
	if (second != NULL) {
		pg_param_cstr(&params, second);
	}
	if (pg_query(rig->pg, "", &text, &params, NULL, &err) != ERR_OK) {
		fail_msg("%s: %s", name, err.msg);
	}
}

struct log_result rig_must(enum err_code code, const struct log_result *result,
                           const struct err *err)
{
	if (code != ERR_OK) {
		fail_msg("%s", err->msg);
	}
	assert_int_equal(result->outcome, LOG_OK);
	return *result;
}

struct rig rig_new(struct world *world)
{
	struct pg_options options = { getenv("TEST_PG_URL"), 2, 5000, 5000 };
	struct rig rig = {
		world,
		{ .redis = world->redis, .generation = 1, .unarchived_max = 16 * 1024 * 1024 },
		NULL,
		id_new()
	};
	struct log_open opening = { .sid = rig.sid,
		                    .tenant = TENANT,
		                    .how = LOG_CREATE,
		                    .cause = "create",
		                    .token = "create",
		                    .to = SESSION_QUEUED };
	struct log_epoch epoch = {
		.sid = rig.sid, .tenant = TENANT, .cause = "create", .generation = 1
	};
	struct log_result result;
	unsigned applied;
	struct err err;

	rig.pg = pg_new(world->loop, &options);
	if (pg_migrate(rig.pg, &pg_schema, &applied, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	rig_tell(&rig, "insert_session", insert_session, NULL);
	epoch.first = rig_must(log_open(&rig.store, &opening, &result, &err), &result, &err).first;
	assert_int_equal(log_epoch_store(rig.pg, &epoch, &err), ERR_OK);
	assert_int_equal(log_epoch_store(rig.pg, &epoch, &err), ERR_OK);
	return rig;
}

void rig_append_notes(const struct rig *rig, unsigned count)
{
	struct err err;
	struct log_result result;

	for (unsigned i = 0; i < count; i++) {
		struct log_new event = { EVENT_TYPE_NOTE, STR_LIT("{\"message\":\"hello\"}") };
		struct log_batch batch = {
			.sid = rig->sid, .tenant = TENANT, .events = &event, .count = 1
		};

		(void)rig_must(log_append(&rig->store, &batch, &result, &err), &result, &err);
	}
}

void rig_raise_epoch(const struct rig *rig, const char *token)
{
	struct log_open opening = { .sid = rig->sid,
		                    .tenant = TENANT,
		                    .how = LOG_RAISE,
		                    .cause = "lease",
		                    .token = token };
	struct log_epoch epoch = {
		.sid = rig->sid, .tenant = TENANT, .cause = "lease", .generation = 1
	};
	struct log_result result;
	struct err err;

	epoch.first = rig_must(log_open(&rig->store, &opening, &result, &err), &result, &err).first;
	assert_int_equal(log_epoch_store(rig->pg, &epoch, &err), ERR_OK);
}

void rig_end_session(const struct rig *rig)
{
	struct log_new event = { EVENT_TYPE_STATUS, STR_LIT("{\"status\":\"cancelled\"}") };
	struct log_batch batch = { .sid = rig->sid,
		                   .tenant = TENANT,
		                   .events = &event,
		                   .count = 1,
		                   .moves = true,
		                   .to = SESSION_CANCELLED };
	struct log_result result;
	struct err err;

	(void)rig_must(log_append(&rig->store, &batch, &result, &err), &result, &err);
	rig_tell(rig, "update_state", update_state, "cancelled");
}

uint64_t rig_archive(const struct rig *rig, size_t events_min, uint64_t hot)
{
	struct archive job = { rig->sid, TENANT, events_min, hot, 60000 };
	uint64_t through = 0;
	struct err err;

	if (archive_session(&rig->store, rig->pg, &job, &through, &err) != ERR_OK) {
		fail_msg("archive: %s", err.msg);
	}
	return through;
}

struct log_page rig_history(const struct rig *rig, struct cursor after, unsigned max)
{
	struct log_range range = { rig->sid, TENANT, after, max, 1024 * 1024 };
	struct log_page page;
	struct err err;

	if (log_history(&rig->store, rig->pg, &range, &page, &err) != ERR_OK) {
		fail_msg("history: %s", err.msg);
	}
	return page;
}

/* Read from a cursor to the end; every n once, in order, no gap. Returns how many. */
uint64_t rig_read_all(const struct rig *rig, struct cursor at, unsigned max)
{
	uint64_t n = at.n;
	bool caught_up = false;

	while (!caught_up) {
		struct log_page page = rig_history(rig, at, max);

		assert_int_equal(page.gap.reason, LOG_GAP_NONE);
		for (size_t i = 0; i < page.count; i++) {
			assert_int_equal(page.events[i].at.n, ++n);
		}
		at = page.next;
		caught_up = page.caught_up;
		log_page_fini(&page);
	}
	return n;
}
