#include "rest/body.h"

#include "event/event.h"
#include "json/write.h"
#include "task/task_json.h"

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT

static const struct json_field reason_fields[] = {
	{ .name = "reason",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_reason, reason),
	  .max = REST_REASON_MAX,
	  .help = "Why; it is shown in the session's events." },
};

const struct json_table rest_reason_table = { "Reason", sizeof(struct rest_reason), reason_fields,
	                                      ARRAY_LEN(reason_fields) };

static const char redrive_ids_schema[] =
	"{\"type\":\"array\",\"minItems\":1,\"maxItems\":100,\"items\":{\"type\":\"string\","
	"\"minLength\":26,\"maxLength\":26}}";

static void decode_ids(const struct json_value *value, const char *path, void *out,
                       struct arena *arena, struct json_problems *problems)
{
	struct json_list *list = out;
	struct str *ids;

	if (json_type_of(value) != JSON_T_ARRAY || json_count(value) < 1 ||
	    json_count(value) > REST_REDRIVE_MAX) {
		json_problem_add(problems, arena, path, "must be an array of 1 to %d ids",
		                 REST_REDRIVE_MAX);
		return;
	}
	list->count = json_count(value);
	list->items = ids = arena_take(arena, list->count * sizeof(*ids));
	for (size_t i = 0; i < list->count; i++) {
		struct id id = { "" };

		if (!id_parse(json_as_str(json_at(value, i)), &id)) {
			json_problem_add(problems, arena, arena_printf(arena, "%s[%zu]", path, i),
			                 "must be the id of a session");
		}
		ids[i] = arena_str(arena, str_of(id.s));
	}
}

static const struct json_field redrive_fields[] = {
	{ .name = "cause",
	  .kind = JSON_ENUM,
	  .flags = JSON_NULLABLE,
	  .offset = offsetof(struct rest_redrive, cause),
	  .present = offsetof(struct rest_redrive, has_cause),
	  .names = session_causes,
	  .help = "Only what failed for this." },
	{ .name = "sessionIds",
	  .alias = "session_ids",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_NULLABLE,
	  .offset = offsetof(struct rest_redrive, ids),
	  .present = offsetof(struct rest_redrive, has_ids),
	  .decode = decode_ids,
	  .schema = redrive_ids_schema,
	  .help = "Only these." },
	{ .name = "projectId",
	  .alias = "project_id",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_redrive, project),
	  .min = 1,
	  .max = 64 },
	{ .name = "agent",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_redrive, agent),
	  .min = 1,
	  .max = 64,
	  .help = "Only sessions with this type of agent." },
	{ .name = "label",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_redrive, label),
	  .min = 3,
	  .max = 320,
	  .help = "Only sessions with this label: name=value." },
	{ .name = "limit",
	  .kind = JSON_U64,
	  .flags = JSON_NULLABLE,
	  .offset = offsetof(struct rest_redrive, limit),
	  .present = offsetof(struct rest_redrive, has_limit),
	  .min = 1,
	  .max = REST_REDRIVE_MAX,
	  .help = "At most so many, the oldest first; 100 unless given." },
};

const struct json_table rest_redrive_table = { "Redrive", sizeof(struct rest_redrive),
	                                       redrive_fields, ARRAY_LEN(redrive_fields) };

static const char *const prompt_modes[] = { "queue", "steer", NULL };

static const struct json_field prompt_fields[] = {
	{ .name = "prompt",
	  .alias = "message",
	  .kind = JSON_CUSTOM,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_prompt, prompt),
	  .decode = task_decode_prompt,
	  .schema = task_prompt_schema },
	{ .name = "mode",
	  .kind = JSON_ENUM,
	  FIELD(rest_prompt, mode),
	  .names = prompt_modes,
	  .help = "While a turn runs: queue waits for its end (so it is unless given), steer joins "
	          "it "
	          "where the agent can do that." },
};

const struct json_table rest_prompt_table = { "Prompt", sizeof(struct rest_prompt), prompt_fields,
	                                      ARRAY_LEN(prompt_fields) };

#define WORD_FIELD(its_name, most, its_help)                                                       \
	{                                                                                          \
		.name = its_name, .kind = JSON_STR, .flags = JSON_REQUIRED,                        \
		FIELD(rest_word, word), .min = 1, .max = most, .help = its_help                    \
	}

static const struct json_field model_fields[] = {
	WORD_FIELD("model", 256, "As the session's capabilities name it."),
};
static const struct json_field mode_fields[] = {
	WORD_FIELD("mode", 256, "As the session's capabilities name it."),
};
static const struct json_field slash_fields[] = {
	WORD_FIELD("command", 16384, "With the slash, and what belongs to it: /compact."),
};

const struct json_table rest_model_table = { "Model", sizeof(struct rest_word), model_fields,
	                                     ARRAY_LEN(model_fields) };
const struct json_table rest_mode_table = { "Mode", sizeof(struct rest_word), mode_fields,
	                                    ARRAY_LEN(mode_fields) };
const struct json_table rest_slash_table = { "SlashLine", sizeof(struct rest_word), slash_fields,
	                                     ARRAY_LEN(slash_fields) };

static const char *const roles[] = { "observer", "participant", NULL };

static const struct json_field ticket_fields[] = {
	{ .name = "sessionId",
	  .alias = "session_id",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_ticket, session),
	  .min = 26,
	  .max = 26,
	  .help = "The only session that it may follow; any unless given." },
	{ .name = "path",
	  .kind = JSON_STR,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_ticket, path),
	  .min = 1,
	  .max = REST_PATH_MAX,
	  .help = "The only path that it is good for; any that streams unless given." },
	{ .name = "role",
	  .kind = JSON_ENUM,
	  .flags = JSON_NULLABLE,
	  .offset = offsetof(struct rest_ticket, role),
	  .present = offsetof(struct rest_ticket, has_role),
	  .names = roles,
	  .help = "The role of whoever uses it; the key's own unless given." },
};

const struct json_table rest_ticket_table = { "StreamTicket", sizeof(struct rest_ticket),
	                                      ticket_fields, ARRAY_LEN(ticket_fields) };

/* ---- events ---- */

static const char events_schema[] =
	"{\"type\":\"array\",\"minItems\":1,\"maxItems\":128,\"items\":{\"type\":\"object\","
	"\"description\":\"type is one that outside producers may append; the other members are "
	"the event's own. ts, sessionId, seq and id are set by the server.\","
	"\"properties\":{\"type\":{\"type\":\"string\"}},\"required\":[\"type\"],"
	"\"additionalProperties\":true}}";

/* The members beside type, as one object. */
static struct str data_of(const struct json_value *event, struct arena *arena)
{
	const struct json_value *member;
	void *at = NULL;
	struct str name, data;
	struct jsonw w;
	struct buf out, part;

	buf_init(&out, 2 * (size_t)EVENT_DATA_MAX);
	buf_init(&part, 2 * (size_t)EVENT_DATA_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	while (json_next(event, &at, &name, &member)) {
		if (!str_eq(name, STR_LIT("type"))) {
			buf_reset(&part);
			json_format(member, &part);
			jsonw_raw(&w, arena_strdup(arena, name), buf_str(&part));
		}
	}
	jsonw_end_object(&w);
	data = buf_failed(&out) || buf_failed(&part) ? (struct str){ NULL, 0 }
	                                             : arena_str(arena, buf_str(&out));
	buf_fini(&out);
	buf_fini(&part);
	return data;
}

static void decode_type(const struct json_value *event, const char *path, struct log_new *out,
                        struct arena *arena, struct json_problems *problems)
{
	const struct json_value *type = json_get(event, "type");
	char *field = arena_printf(arena, "%s.type", path);

	if (type == NULL) {
		json_problem_add(problems, arena, field, "is required");
	} else if (json_type_of(type) != JSON_T_STRING) {
		json_problem_add(problems, arena, field, "must be a string");
	} else if (!event_type_parse(json_as_str(type), &out->type)) {
		json_problem_add(problems, arena, field, "is not a type of event");
	} else if (event_type_info(out->type)->who != EVENT_WHO_ANY) {
		json_problem_add(problems, arena, field, "may be appended by the system only");
	}
}

static void decode_event(const struct json_value *event, const char *path, struct log_new *out,
                         struct arena *arena, struct json_problems *problems)
{
	static const char *const ours[] = { "ts", "sessionId", "seq", "id" };
	size_t before = problems->count;
	struct str level;

	if (json_type_of(event) != JSON_T_OBJECT) {
		json_problem_add(problems, arena, path, "must be an object");
		return;
	}
	decode_type(event, path, out, arena, problems);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		if (json_get(event, ours[i]) != NULL) {
			json_problem_add(problems, arena,
			                 arena_printf(arena, "%s.%s", path, ours[i]),
			                 "is set by the server");
		}
	}
	out->data = data_of(event, arena);
	if (out->data.p == NULL || out->data.n > EVENT_DATA_MAX) {
		json_problem_add(problems, arena, path, "must be at most %d bytes", EVENT_DATA_MAX);
	} else if (problems->count == before && !event_data_ok(out->data, &level)) {
		json_problem_add(problems, arena, path,
		                 "must have names without control characters, quotes and "
		                 "backslashes");
	}
}

static void decode_events(const struct json_value *value, const char *path, void *out,
                          struct arena *arena, struct json_problems *problems)
{
	struct json_list *list = out;
	struct log_new *events;
	size_t bytes = 0;

	if (json_type_of(value) != JSON_T_ARRAY || json_count(value) == 0 ||
	    json_count(value) > EVENT_BATCH_MAX) {
		json_problem_add(problems, arena, path, "must be an array of 1 to %d events",
		                 EVENT_BATCH_MAX);
		return;
	}
	list->count = json_count(value);
	list->items = events = arena_take(arena, list->count * sizeof(*events));
	for (size_t i = 0; i < list->count; i++) {
		decode_event(json_at(value, i), arena_printf(arena, "%s[%zu]", path, i), &events[i],
		             arena, problems);
		bytes += events[i].data.n;
	}
	if (bytes > EVENT_BATCH_BYTES) {
		json_problem_add(problems, arena, path, "must together be at most %d bytes",
		                 EVENT_BATCH_BYTES);
	}
}

/* ---- expectedState ---- */

static const char states_schema[] =
	"{\"description\":\"The state, or states, that the session must be in.\",\"oneOf\":["
	"{\"type\":\"string\"},{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}}"
	"]}";

static void decode_state(const struct json_value *value, const char *path, unsigned *out,
                         struct arena *arena, struct json_problems *problems)
{
	enum session_state state;

	if (json_type_of(value) != JSON_T_STRING ||
	    !session_state_parse(json_as_str(value), &state)) {
		json_problem_add(problems, arena, path, "must be a state of sessions");
	} else {
		*out |= session_bit(state);
	}
}

static void decode_states(const struct json_value *value, const char *path, void *out,
                          struct arena *arena, struct json_problems *problems)
{
	if (json_type_of(value) != JSON_T_ARRAY) {
		decode_state(value, path, out, arena, problems);
		return;
	}
	if (json_count(value) == 0 || json_count(value) > SESSION_STATE_COUNT) {
		json_problem_add(problems, arena, path, "must have 1 to %d states",
		                 SESSION_STATE_COUNT);
		return;
	}
	for (size_t i = 0; i < json_count(value); i++) {
		decode_state(json_at(value, i), arena_printf(arena, "%s[%zu]", path, i), out, arena,
		             problems);
	}
}

/* ---- batches ---- */

#define SESSION_FIELD                                                                              \
	{                                                                                          \
		.name = "sessionId", .alias = "session_id", .kind = JSON_STR,                      \
		.flags = JSON_REQUIRED, FIELD(rest_append, session), .min = ID_LEN, .max = ID_LEN  \
	}
#define BATCH_FIELDS                                                                               \
	{ .name = "events",                                                                        \
	  .kind = JSON_CUSTOM,                                                                     \
	  .flags = JSON_REQUIRED,                                                                  \
	  FIELD(rest_append, events),                                                              \
	  .decode = decode_events,                                                                 \
	  .schema = events_schema },                                                               \
		{ .name = "producer",                                                              \
		  .kind = JSON_STR,                                                                \
		  .flags = JSON_NULLABLE,                                                          \
		  FIELD(rest_append, producer),                                                    \
		  .min = 1,                                                                        \
		  .max = EVENT_PRODUCER_MAX,                                                       \
		  .help = "Names who appends; with sequence it makes repeating a batch safe." },   \
		{ .name = "sequence",                                                              \
		  .kind = JSON_U64,                                                                \
		  .flags = JSON_NULLABLE,                                                          \
		  .offset = offsetof(struct rest_append, sequence),                                \
		  .present = offsetof(struct rest_append, has_sequence),                           \
		  .min = 1,                                                                        \
		  .max = CURSOR_N_MAX,                                                             \
		  .help = "Of this producer's batches in this session: 1, 2, 3 and so on." },      \
	{                                                                                          \
		.name = "expectedState", .alias = "expected_state", .kind = JSON_CUSTOM,           \
		.flags = JSON_NULLABLE, FIELD(rest_append, from), .decode = decode_states,         \
		.schema = states_schema                                                            \
	}

static const struct json_field append_fields[] = { BATCH_FIELDS };

const struct json_table rest_append_table = { "Batch", sizeof(struct rest_append), append_fields,
	                                      ARRAY_LEN(append_fields) };

static const struct json_field session_batch_fields[] = {
	SESSION_FIELD,
	BATCH_FIELDS,
	{ .name = "epoch",
	  .kind = JSON_U64,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_append, epoch),
	  .min = 1,
	  .max = CURSOR_EPOCH_MAX,
	  .help = "The epoch that the session must be in; the same as If-Match." },
};

static const struct json_table session_batch_table = { "Batch of a session",
	                                               sizeof(struct rest_append),
	                                               session_batch_fields,
	                                               ARRAY_LEN(session_batch_fields) };

static const struct json_field appends_fields[] = {
	{ .name = "batches",
	  .kind = JSON_ARRAY,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_appends, batches),
	  .min = 1,
	  .max = REST_BATCHES_MAX,
	  .table = &session_batch_table,
	  .help = "One for each session." },
};

const struct json_table rest_appends_table = { "Batches", sizeof(struct rest_appends),
	                                       appends_fields, ARRAY_LEN(appends_fields) };

void rest_append_check(const struct rest_append *append, const char *path, struct arena *arena,
                       struct json_problems *problems)
{
	if (append->producer.n > 0 && !event_producer_ok(append->producer)) {
		json_problem_add(problems, arena, arena_printf(arena, "%sproducer", path),
		                 "must be letters, digits, dots, dashes, underscores and colons");
	}
	if (str_starts(append->producer, STR_LIT(EVENT_PRODUCER_WORKER))) {
		json_problem_add(problems, arena, arena_printf(arena, "%sproducer", path),
		                 "must not begin with " EVENT_PRODUCER_WORKER
		                 ": that is for workers");
	}
	if ((append->producer.n > 0) != append->has_sequence) {
		json_problem_add(problems, arena,
		                 arena_printf(arena, "%s%s", path,
		                              append->has_sequence ? "producer" : "sequence"),
		                 "is required when %s is given",
		                 append->has_sequence ? "sequence" : "producer");
	}
}
