#include "schedule/schedule_json.h"

#include "base/clock.h"
#include "schedule/zone_file.h"
#include "task/task_json.h"

enum { TASK_MAX = 256 * 1024, SECOND_US = 1000000 };

/* What the tables decode into. */
struct body {
	struct str name, cron, timezone;
	uint64_t every_s;
	int64_t at_us;
	unsigned overlap, catch_up;
	bool has_cron, has_every, has_at, has_timezone, paused;
	struct body_task {
		struct str json;
		struct task_spec *spec;
	} task;
};

static void decode_at(const struct json_value *value, const char *path, void *out,
                      struct arena *arena, struct json_problems *problems)
{
	if (!clock_parse(json_as_str(value), out)) {
		json_problem_add(problems, arena, path, "must be a time like 2026-01-31T12:00:00Z");
	}
}

/* Its problems are those of POST /api/v1/tasks, at the place that it has here. */
static void decode_task(const struct json_value *value, const char *path, void *out,
                        struct arena *arena, struct json_problems *problems)
{
	struct json_problems *own = arena_take(arena, sizeof(*own));
	struct body_task *task = out;
	struct buf text;

	buf_init(&text, TASK_MAX);
	json_format(value, &text);
	if (buf_failed(&text)) {
		json_problem_add(problems, arena, path, "must be at most %d bytes", TASK_MAX);
		buf_fini(&text);
		return;
	}
	task->json = arena_str(arena, buf_str(&text));
	task->spec = arena_take(arena, sizeof(*task->spec));
	buf_fini(&text);
	if (task_decode(task->json, task->spec, arena, own) == ERR_OK) {
		return;
	}
	for (size_t i = 0; i < own->count; i++) {
		const char *field = own->items[i].field;

		json_problem_add(problems, arena,
		                 field[0] == '\0' ? path
		                                  : arena_printf(arena, "%s.%s", path, field),
		                 "%s", own->items[i].rule);
	}
}

static const char task_schema[] =
	"{\"$ref\":\"#/paths/~1api~1v1~1tasks/post/requestBody/content/application~1json/schema\"}";
static const char at_schema[] = "{\"type\":\"string\",\"format\":\"date-time\",\"description\":"
				"\"Once, at this moment.\"}";

#define FIELD(member) .offset = offsetof(struct body, member), .present = JSON_NO_PRESENT
#define FIELD_SEEN(member, seen)                                                                   \
	.offset = offsetof(struct body, member), .present = offsetof(struct body, seen)
#define TIMING_FIELDS                                                                              \
	{ .name = "cron",                                                                          \
	  .kind = JSON_STR,                                                                        \
	  FIELD_SEEN(cron, has_cron),                                                              \
	  .min = 1,                                                                                \
	  .max = CRON_TEXT_MAX,                                                                    \
	  .help = "Minute, hour, day of the month, month, day of the week; with a sixth "          \
		  "field in front, seconds; or @hourly, @daily, @weekly, @monthly, @yearly." },    \
		{ .name = "timezone",                                                              \
		  .kind = JSON_STR,                                                                \
		  FIELD_SEEN(timezone, has_timezone),                                              \
		  .min = 1,                                                                        \
		  .max = ZONE_NAME_MAX,                                                            \
		  .help = "Whose clocks cron means, like Europe/Berlin; UTC unless given." },      \
		{ .name = "everySeconds",                                                          \
		  .kind = JSON_U64,                                                                \
		  FIELD_SEEN(every_s, has_every),                                                  \
		  .min = 1,                                                                        \
		  .max = SCHEDULE_EVERY_MAX_S,                                                     \
		  .help = "At intervals of so many seconds, from when this is asked for." },       \
	{                                                                                          \
		.name = "at", .kind = JSON_CUSTOM, FIELD_SEEN(at_us, has_at), .decode = decode_at, \
		.schema = at_schema                                                                \
	}

static const struct json_field timing_fields[] = { TIMING_FIELDS };

const struct json_table schedule_timing_table = { "Timing", sizeof(struct body), timing_fields,
	                                          ARRAY_LEN(timing_fields) };

static const struct json_field fields[] = {
	{ .name = "name",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(name),
	  .min = 1,
	  .max = SCHEDULE_NAME_MAX,
	  .help = "For people; need not be its own." },
	TIMING_FIELDS,
	{ .name = "overlap",
	  .kind = JSON_ENUM,
	  FIELD(overlap),
	  .names = schedule_overlap_names,
	  .help = "When sessions of runs before have not ended: skip this time, queue it after "
	          "them, "
	          "or cancel them; skip unless given." },
	{ .name = "catchUp",
	  .kind = JSON_ENUM,
	  FIELD(catch_up),
	  .names = schedule_catch_up_names,
	  .help = "Of times that passed while no scheduler ran: none, one run for all of them, or "
	          "all, 100 at most; none unless given." },
	{ .name = "paused", .kind = JSON_BOOL, FIELD(paused), .help = "Begin paused." },
	{ .name = "task",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_REQUIRED,
	  FIELD(task),
	  .decode = decode_task,
	  .schema = task_schema },
};

const struct json_table schedule_table = { "Schedule", sizeof(struct body), fields,
	                                   ARRAY_LEN(fields) };

/* ---- what the tables cannot say ---- */

struct report {
	struct arena *arena;
	struct json_problems *problems;
	int64_t now_us;
};

static void refuse(const struct report *r, const char *field, const char *rule)
{
	json_problem_add(r->problems, r->arena, field, "%s", rule);
}

static void take_cron(const struct report *r, const struct body *body,
                      struct schedule_timing *timing)
{
	struct err err;

	timing->kind = SCHEDULE_CRON;
	if (cron_parse(body->cron, &timing->cron, &err) != ERR_OK) {
		refuse(r, "cron", err.msg);
	}
	if (body->timezone.n > 0 &&
	    zone_load(body->timezone, r->arena, &timing->zone, &err) != ERR_OK) {
		refuse(r, "timezone", err.msg);
	}
}

static void take_timing(const struct report *r, const struct body *body,
                        struct schedule_timing *timing)
{
	*timing = (struct schedule_timing){ .kind = SCHEDULE_AT,
		                            .zone = zone_utc(),
		                            .every_us = (int64_t)body->every_s * SECOND_US,
		                            .anchor_us = r->now_us,
		                            .at_us = body->at_us };
	if (body->has_cron + body->has_every + body->has_at != 1) {
		refuse(r, "cron", "is required, or everySeconds or at, and only one of them");
	} else if (body->has_cron) {
		take_cron(r, body, timing);
	} else if (body->has_timezone) {
		refuse(r, "timezone", "is possible only with cron");
	} else if (body->has_every) {
		timing->kind = SCHEDULE_EVERY;
	} else if (body->at_us <= r->now_us) {
		refuse(r, "at", "must be in the future");
	}
}

/* The schedule says when, each time anew. */
static void check_task(const struct report *r, const struct task_spec *task)
{
	static const char rule[] = "is not possible in a schedule";

	if (task == NULL) {
		return;
	}
	if (task->queue_after.n > 0) {
		refuse(r, "task.queueAfter", rule);
	}
	if (task->not_before_us != 0) {
		refuse(r, "task.notBefore", rule);
	}
	if (task->deadline_us != 0) {
		refuse(r, "task.deadline", rule);
	}
}

static enum err_code decode(struct str text, const struct json_table *table, const struct report *r,
                            struct schedule_body *ret)
{
	struct body body;
	enum err_code code = json_decode(text, table, &body, r->arena, r->problems);

	/* Where a field is wrong by itself nothing more is said about when. */
	if (code == ERR_OK ||
	    (r->problems->count > 0 && table == &schedule_table && body.task.spec != NULL)) {
		take_timing(r, &body, &ret->timing);
		check_task(r, body.task.spec);
	}
	if (r->problems->count > 0) {
		return ERR_INVALID;
	}
	ret->task = body.task.spec;
	ret->spec = (struct schedule_spec){
		.name = body.name,
		.cron = body.cron,
		.timezone = body.timezone.n > 0 ? body.timezone : STR_LIT("UTC"),
		.every_s = body.every_s,
		.at_us = body.at_us,
		.overlap = body.overlap,
		.catch_up = body.catch_up,
		.paused = body.paused,
		.task = body.task.json,
	};
	if (ret->task != NULL) {
		ret->spec.namespace = ret->task->namespace;
		ret->spec.project = ret->task->project;
	}
	return ERR_OK;
}

enum err_code schedule_decode(struct str text, int64_t now_us, struct schedule_body *ret,
                              struct arena *arena, struct json_problems *problems)
{
	return decode(text, &schedule_table, &(struct report){ arena, problems, now_us }, ret);
}

enum err_code schedule_timing_decode(struct str text, int64_t now_us, struct schedule_body *ret,
                                     struct arena *arena, struct json_problems *problems)
{
	return decode(text, &schedule_timing_table, &(struct report){ arena, problems, now_us },
	              ret);
}

/* ---- writing ---- */

static void write_time(struct jsonw *w, const char *name, int64_t us)
{
	if (us != 0) {
		jsonw_time(w, name, us);
	} else {
		jsonw_null(w, name);
	}
}

static void write_id(struct jsonw *w, const char *name, const struct id *id)
{
	if (!id_is_nil(id)) {
		jsonw_cstr(w, name, id->s);
	} else {
		jsonw_null(w, name);
	}
}

static void write_when(struct jsonw *w, const struct schedule_spec *spec)
{
	if (spec->cron.n > 0) {
		jsonw_str(w, "cron", spec->cron);
		jsonw_str(w, "timezone", spec->timezone);
	} else if (spec->every_s > 0) {
		jsonw_u64(w, "everySeconds", spec->every_s);
	} else {
		jsonw_time(w, "at", spec->at_us);
	}
}

static void write_runs(struct jsonw *w, const struct schedule_run_list *runs)
{
	jsonw_array(w, "runs");
	for (size_t i = 0; i < runs->count; i++) {
		const struct schedule_run *run = &runs->items[i];

		jsonw_object(w, NULL);
		jsonw_time(w, "at", run->at_us);
		jsonw_cstr(w, "outcome", schedule_outcome_name(run->outcome));
		write_id(w, "taskId", &run->task);
		if (run->reason.n > 0) {
			jsonw_str(w, "reason", run->reason);
		}
		jsonw_bool(w, "byHand", run->by_hand);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

void schedule_write(struct jsonw *w, const struct schedule *schedule,
                    const struct schedule_run_list *runs, bool with_task)
{
	const struct schedule_spec *spec = &schedule->spec;
	bool over = schedule->next_us == 0;

	jsonw_object(w, NULL);
	jsonw_cstr(w, "id", schedule->id.s);
	jsonw_str(w, "name", spec->name);
	jsonw_cstr(w, "status", spec->paused ? "paused" : over ? "ended" : "active");
	write_when(w, spec);
	jsonw_cstr(w, "overlap", schedule_overlap_names[spec->overlap]);
	jsonw_cstr(w, "catchUp", schedule_catch_up_names[spec->catch_up]);
	if (spec->namespace.n > 0) {
		jsonw_str(w, "namespace", spec->namespace);
	}
	write_time(w, "nextAt", spec->paused ? 0 : schedule->next_us);
	write_time(w, "lastAt", schedule->last_us);
	write_id(w, "lastTaskId", &schedule->last_task);
	jsonw_time(w, "createdAt", schedule->created_us);
	jsonw_time(w, "updatedAt", schedule->updated_us);
	if (with_task) {
		jsonw_raw(w, "task", spec->task);
	}
	if (runs != NULL) {
		write_runs(w, runs);
	}
	jsonw_end_object(w);
}

void schedule_write_preview(struct jsonw *w, const struct schedule_timing *timing,
                            struct str timezone, int64_t after_us, uint64_t count)
{
	int64_t at_us = after_us;

	jsonw_object(w, NULL);
	jsonw_str(w, "timezone", timezone);
	jsonw_array(w, "times");
	while (count-- > 0 && schedule_next(timing, at_us, &at_us)) {
		jsonw_time(w, NULL, at_us);
	}
	jsonw_end_array(w);
	jsonw_end_object(w);
}
