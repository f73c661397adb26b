#include "rest/query.h"

#include <string.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/id.h"
#include "event/event.h"
#include "schedule/schedule.h"
#include "session/session.h"
#include "upload/upload.h"

enum { PARAMS_MAX = 32 };

_Static_assert(EVENT_TYPE_COUNT <= 64 && SESSION_STATE_COUNT <= 64, "a set is 64 bits");

static const char *state_name(unsigned i)
{
	return i < SESSION_STATE_COUNT ? session_state_name((enum session_state)i) : NULL;
}

static const char *cause_name(unsigned i)
{
	return session_causes[i];
}

static const char *type_name(unsigned i)
{
	return i < EVENT_TYPE_COUNT ? event_type_info((enum event_type)i)->name : NULL;
}

static const char *level_name(unsigned i)
{
	return log_event_grade_name(i + 1);
}

static const char *role_name(unsigned i)
{
	return i <= AUTH_PARTICIPANT ? auth_part_name((enum auth_part)i) : NULL;
}

static const char *sort_name(unsigned i)
{
	static const char *const names[] = { "asc", "desc" };

	return i < ARRAY_LEN(names) ? names[i] : NULL;
}

static const char *profile_name(unsigned i)
{
	return i < EVENT_PROFILE_COUNT ? event_profile_name((enum event_profile)i) : NULL;
}

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT
#define FIELD_SEEN(type, member)                                                                   \
	.offset = offsetof(struct type, member), .present = offsetof(struct type, has_##member)

static const struct rest_query_field sessions_fields[] = {
	{ .name = "status",
	  .kind = REST_WORDS,
	  FIELD(rest_sessions, states),
	  .names = state_name,
	  .help = "Only sessions in one of these states; a comma list." },
	{ .name = "projectId",
	  .kind = REST_TEXT,
	  FIELD(rest_sessions, project),
	  .min = 1,
	  .max = 64,
	  .help = "Only sessions of this project." },
	{ .name = "agent",
	  .kind = REST_TEXT,
	  FIELD(rest_sessions, agent),
	  .min = 1,
	  .max = 64,
	  .help = "Only sessions with this type of agent." },
	{ .name = "tenantId",
	  .kind = REST_TEXT,
	  FIELD(rest_sessions, tenant),
	  .min = 1,
	  .max = 64,
	  .help = "The tenant of the key; with any other the list is empty." },
	{ .name = "label",
	  .kind = REST_TEXT,
	  FIELD(rest_sessions, label),
	  .min = 3,
	  .max = 320,
	  .help = "Only sessions with this label: name=value." },
	{ .name = "page",
	  .kind = REST_TEXT,
	  FIELD(rest_sessions, page),
	  .min = 1,
	  .max = 64,
	  .help = "A page number from 1, or nextPage of the answer before; only the latter sees "
	          "no session twice while others are added." },
	{ .name = "perPage",
	  .kind = REST_NUMBER,
	  FIELD(rest_sessions, per_page),
	  .min = 1,
	  .max = REST_PER_PAGE_MAX,
	  .otherwise = REST_PER_PAGE,
	  .help = "Sessions on a page." },
};

const struct rest_query_table rest_sessions_table = { sizeof(struct rest_sessions), sessions_fields,
	                                              ARRAY_LEN(sessions_fields) };

static const struct rest_query_field dead_letters_fields[] = {
	{ .name = "cause",
	  .kind = REST_WORD,
	  FIELD(rest_dead_letters, cause),
	  .names = cause_name,
	  .help = "Only what failed for this: attempts (the last one failed), poison (three "
	          "workers died on it), deadline (it had not started in time)." },
	{ .name = "retried",
	  .kind = REST_NUMBER,
	  FIELD(rest_dead_letters, retried),
	  .max = 1,
	  .help = "1: also what was retried already." },
	{ .name = "projectId",
	  .kind = REST_TEXT,
	  FIELD(rest_dead_letters, project),
	  .min = 1,
	  .max = 64,
	  .help = "Only sessions of this project." },
	{ .name = "agent",
	  .kind = REST_TEXT,
	  FIELD(rest_dead_letters, agent),
	  .min = 1,
	  .max = 64,
	  .help = "Only sessions with this type of agent." },
	{ .name = "label",
	  .kind = REST_TEXT,
	  FIELD(rest_dead_letters, label),
	  .min = 3,
	  .max = 320,
	  .help = "Only sessions with this label: name=value." },
	{ .name = "page",
	  .kind = REST_TEXT,
	  FIELD(rest_dead_letters, page),
	  .min = 1,
	  .max = 64,
	  .help = "A page number from 1, or nextPage of the answer before." },
	{ .name = "perPage",
	  .kind = REST_NUMBER,
	  FIELD(rest_dead_letters, per_page),
	  .min = 1,
	  .max = REST_PER_PAGE_MAX,
	  .otherwise = REST_PER_PAGE,
	  .help = "Sessions on a page." },
};

const struct rest_query_table rest_dead_letters_table = { sizeof(struct rest_dead_letters),
	                                                  dead_letters_fields,
	                                                  ARRAY_LEN(dead_letters_fields) };

static const struct rest_query_field session_fields[] = {
	{ .name = "snapshot",
	  .kind = REST_NUMBER,
	  FIELD(rest_session, snapshot),
	  .max = 1,
	  .help = "1: with what the log amounts to at one moment (status, turn, counts, permission "
	          "requests without answer, last message, plan, usage, cost and progress) and the "
	          "cursor of that moment, resumeFrom, to follow from." },
};

const struct rest_query_table rest_session_table = { sizeof(struct rest_session), session_fields,
	                                             ARRAY_LEN(session_fields) };

static const struct rest_query_field logs_fields[] = {
	{ .name = "tail",
	  .kind = REST_NUMBER,
	  FIELD_SEEN(rest_logs, tail),
	  .min = 1,
	  .max = REST_LINES_MAX,
	  .otherwise = REST_LINES,
	  .help = "The last lines, this many at most; not together with after." },
	{ .name = "level",
	  .kind = REST_WORD,
	  FIELD(rest_logs, level),
	  .names = level_name,
	  .help = "Only lines of this level or a graver one." },
	{ .name = "since",
	  .kind = REST_TIME,
	  FIELD(rest_logs, since_us),
	  .help = "Only lines of this moment or later." },
	{ .name = "after",
	  .kind = REST_CURSOR,
	  FIELD_SEEN(rest_logs, after),
	  .help = "Only lines after this cursor, oldest first: nextPage of the answer before, or "
	          "0-0 for the beginning." },
	{ .name = "perPage",
	  .kind = REST_NUMBER,
	  FIELD(rest_logs, per_page),
	  .min = 1,
	  .max = REST_LINES_MAX,
	  .otherwise = REST_LINES,
	  .help = "Lines on a page, with after." },
};

const struct rest_query_table rest_logs_table = { sizeof(struct rest_logs), logs_fields,
	                                          ARRAY_LEN(logs_fields) };

static const struct rest_query_field process_log_fields[] = {
	{ .name = "tail",
	  .kind = REST_NUMBER,
	  FIELD_SEEN(rest_logs, tail),
	  .min = 1,
	  .max = REST_PROCESS_LINES,
	  .otherwise = REST_PROCESS_LINES,
	  .help = "The last lines, this many at most." },
};

const struct rest_query_table rest_process_log_table = { sizeof(struct rest_logs),
	                                                 process_log_fields,
	                                                 ARRAY_LEN(process_log_fields) };

static const struct rest_query_field events_fields[] = {
	{ .name = "type",
	  .kind = REST_WORDS,
	  FIELD(rest_events, types),
	  .names = type_name,
	  .help = "Only events of these types; a comma list." },
	{ .name = "profile",
	  .kind = REST_WORD,
	  FIELD(rest_events, profile),
	  .names = profile_name,
	  .help = "How much detail, at the same cursors: docs/events.md says which types each "
	          "profile has; full unless given." },
	{ .name = "role",
	  .kind = REST_WORD,
	  FIELD(rest_events, role),
	  .names = role_name,
	  .help = "observer: see no more than a key without session:write; docs/events.md says "
	          "what that is." },
	{ .name = "ticket",
	  .kind = REST_TEXT,
	  FIELD(rest_events, ticket),
	  .min = 1,
	  .max = 256,
	  .help = "A ticket of POST /api/v1/stream-tickets, instead of a key in a header." },
	{ .name = "level",
	  .kind = REST_WORD,
	  FIELD(rest_events, level),
	  .names = level_name,
	  .help = "Pages: of log events only those of this level or a graver one." },
	{ .name = "since",
	  .kind = REST_TIME,
	  FIELD(rest_events, since_us),
	  .help = "Pages: only events of this moment or later." },
	{ .name = "until",
	  .kind = REST_TIME,
	  FIELD(rest_events, until_us),
	  .help = "Pages: only events before this moment." },
	{ .name = "sort",
	  .kind = REST_WORD,
	  FIELD(rest_events, sort),
	  .names = sort_name,
	  .help = "Pages: which end comes first; desc unless given." },
	{ .name = "page",
	  .kind = REST_NUMBER,
	  FIELD_SEEN(rest_events, page),
	  .min = 1,
	  .max = INT64_MAX,
	  .otherwise = 1,
	  .help = "Pages: which." },
	{ .name = "perPage",
	  .kind = REST_NUMBER,
	  FIELD(rest_events, per_page),
	  .min = 1,
	  .max = 200,
	  .otherwise = 50,
	  .help = "Pages: events on one." },
	{ .name = "after",
	  .kind = REST_CURSOR,
	  FIELD_SEEN(rest_events, after),
	  .help = "Go on after this cursor. A stream prefers the header Last-Event-ID." },
	{ .name = "starting_after",
	  .kind = REST_NUMBER,
	  FIELD_SEEN(rest_events, starting_after),
	  .max = CURSOR_N_MAX,
	  .help = "The same as a plain number, the event's seq." },
	{ .name = "limit",
	  .kind = REST_NUMBER,
	  FIELD_SEEN(rest_events, limit),
	  .min = 1,
	  .max = 200,
	  .otherwise = 50,
	  .help = "Pages, with after or starting_after: events on one." },
	{ .name = "wait",
	  .kind = REST_NUMBER,
	  FIELD_SEEN(rest_events, wait),
	  .max = 60,
	  .help = "Pages, with after or starting_after: when there is nothing yet, wait this many "
	          "seconds for it." },
};

const struct rest_query_table rest_events_table = { sizeof(struct rest_events), events_fields,
	                                            ARRAY_LEN(events_fields) };

static const struct rest_query_field consumer_fields[] = {
	{ .name = "after",
	  .kind = REST_CURSOR,
	  FIELD_SEEN(rest_consumer, after),
	  .help = "Go on after this cursor, the id of the last frame that was seen." },
	{ .name = "starting_after",
	  .kind = REST_NUMBER,
	  FIELD_SEEN(rest_consumer, starting_after),
	  .max = CURSOR_N_MAX,
	  .help = "The same as a plain number, the frame's seq." },
	{ .name = "last_seen_seq",
	  .kind = REST_NUMBER,
	  FIELD_SEEN(rest_consumer, last_seen),
	  .max = CURSOR_N_MAX,
	  .help = "The same." },
	{ .name = "consumer_id",
	  .kind = REST_TEXT,
	  FIELD(rest_consumer, consumer_id),
	  .max = 128,
	  .help = "Accepted, and of no effect: who a client is its key says." },
	{ .name = "profile",
	  .kind = REST_WORD,
	  FIELD(rest_consumer, profile),
	  .names = profile_name,
	  .help = "How much detail, at the same cursors; full unless given." },
	{ .name = "role",
	  .kind = REST_WORD,
	  FIELD(rest_consumer, role),
	  .names = role_name,
	  .help = "observer: see no more than a key without session:write." },
	{ .name = "ticket",
	  .kind = REST_TEXT,
	  FIELD(rest_consumer, ticket),
	  .min = 1,
	  .max = 256,
	  .help = "A ticket of POST /api/v1/stream-tickets, instead of a key in a header." },
};

static const struct rest_query_field socket_fields[] = {
	{ .name = "ticket",
	  .kind = REST_TEXT,
	  FIELD(rest_socket, ticket),
	  .min = 1,
	  .max = 256,
	  .help = "A ticket of POST /api/v1/stream-tickets, instead of a key in a header." },
};

const struct rest_query_table rest_socket_table = { sizeof(struct rest_socket), socket_fields,
	                                            ARRAY_LEN(socket_fields) };

const struct rest_query_table rest_consumer_table = { sizeof(struct rest_consumer), consumer_fields,
	                                              ARRAY_LEN(consumer_fields) };

static const struct rest_query_field streams_fields[] = {
	{ .name = "after",
	  .kind = REST_NUMBER,
	  FIELD(rest_streams, after),
	  .max = INT32_MAX,
	  .help = "Only connections with a greater number: the next of the page before." },
	{ .name = "perPage",
	  .kind = REST_NUMBER,
	  FIELD(rest_streams, per_page),
	  .min = 1,
	  .max = REST_LINES_MAX,
	  .otherwise = REST_LINES,
	  .help = "Connections on a page." },
	{ .name = "session",
	  .kind = REST_TEXT,
	  FIELD(rest_streams, session),
	  .min = 1,
	  .max = 64,
	  .help = "Only connections that follow this session." },
};
const struct rest_query_table rest_streams_table = { sizeof(struct rest_streams), streams_fields,
	                                             ARRAY_LEN(streams_fields) };

static const struct rest_query_field page_fields[] = {
	{ .name = "page",
	  .kind = REST_TEXT,
	  FIELD(rest_page, page),
	  .min = 1,
	  .max = 64,
	  .help = "The nextPage of the answer before." },
	{ .name = "perPage",
	  .kind = REST_NUMBER,
	  FIELD(rest_page, per_page),
	  .min = 1,
	  .max = REST_PER_PAGE_MAX,
	  .otherwise = REST_PER_PAGE,
	  .help = "Items on a page." },
};
const struct rest_query_table rest_page_table = { sizeof(struct rest_page), page_fields,
	                                          ARRAY_LEN(page_fields) };

static const struct rest_query_field upload_fields[] = {
	{ .name = "name",
	  .kind = REST_TEXT,
	  FIELD(rest_upload, name),
	  .min = 1,
	  .max = UPLOAD_NAME_MAX,
	  .help = "What the file is called; `upload` unless given." },
};
const struct rest_query_table rest_upload_table = { sizeof(struct rest_upload), upload_fields,
	                                            ARRAY_LEN(upload_fields) };

static const struct rest_query_field preview_fields[] = {
	{ .name = "count",
	  .kind = REST_NUMBER,
	  FIELD(rest_preview, count),
	  .min = 1,
	  .max = SCHEDULE_PREVIEW_MAX,
	  .otherwise = REST_PREVIEW,
	  .help = "How many times." },
	{ .name = "after",
	  .kind = REST_TIME,
	  FIELD(rest_preview, after_us),
	  .help = "Times after this moment; now unless given." },
};
const struct rest_query_table rest_preview_table = { sizeof(struct rest_preview), preview_fields,
	                                             ARRAY_LEN(preview_fields) };

/* ---- decoding ---- */

struct input {
	const struct rest_query_field *field;
	struct str value;
	struct arena *arena;
	struct json_problems *problems;
};

static void refuse_name(const struct input *in)
{
	struct buf names;

	buf_init(&names, UINT16_MAX);
	for (unsigned i = 0; in->field->names(i) != NULL; i++) {
		buf_addf(&names, "%s%s", i > 0 ? ", " : "", in->field->names(i));
	}
	json_problem_add(in->problems, in->arena, in->field->name, "must be %s: %s",
	                 in->field->kind == REST_WORDS ? "a comma list of" : "one of",
	                 buf_cstr(&names));
	buf_fini(&names);
}

static bool find_name(const struct input *in, struct str word, unsigned *ret)
{
	for (unsigned i = 0; in->field->names(i) != NULL; i++) {
		if (str_eq(word, str_of(in->field->names(i)))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static void take_word(const struct input *in, unsigned *out)
{
	unsigned i;

	if (find_name(in, in->value, &i)) {
		*out = i + 1;
	} else {
		refuse_name(in);
	}
}

static void take_words(const struct input *in, uint64_t *out)
{
	struct str rest = in->value;

	do {
		unsigned i;

		if (!find_name(in, str_split(&rest, ','), &i)) {
			refuse_name(in);
			return;
		}
		*out |= UINT64_C(1) << i;
	} while (rest.p != NULL);
}

static void take_text(const struct input *in, struct str *out)
{
	unsigned long long min = in->field->min, max = in->field->max;

	if (in->value.n >= min && in->value.n <= max && str_is_utf8(in->value)) {
		*out = in->value;
	} else if (min == max) {
		json_problem_add(in->problems, in->arena, in->field->name,
		                 "must be text of %llu bytes", max);
	} else {
		json_problem_add(in->problems, in->arena, in->field->name,
		                 "must be text of %llu to %llu bytes", min, max);
	}
}

static void take_number(const struct input *in, uint64_t *out)
{
	uint64_t v;

	if (!parse_u64(in->value, in->field->max, &v) || v < in->field->min) {
		json_problem_add(in->problems, in->arena, in->field->name,
		                 "must be an integer from %llu to %llu",
		                 (unsigned long long)in->field->min,
		                 (unsigned long long)in->field->max);
		return;
	}
	*out = v;
}

static void take_value(const struct input *in, void *out)
{
	switch (in->field->kind) {
	case REST_TEXT: take_text(in, out); return;
	case REST_NUMBER: take_number(in, out); return;
	case REST_WORD: take_word(in, out); return;
	case REST_WORDS: take_words(in, out); return;
	case REST_TIME:
		if (!clock_parse(in->value, out)) {
			json_problem_add(in->problems, in->arena, in->field->name,
			                 "must be a time like 2026-01-31T12:00:00Z");
		}
		return;
	case REST_CURSOR:
		if (!cursor_parse(in->value, out)) {
			json_problem_add(in->problems, in->arena, in->field->name,
			                 "must be a cursor like 1-42, or 0-0 for the beginning");
		}
		return;
	}
}

static const struct rest_query_field *find_field(const struct rest_query_table *table,
                                                 struct str name)
{
	for (size_t i = 0; table != NULL && i < table->count; i++) {
		if (str_eq(name, str_of(table->fields[i].name))) {
			return &table->fields[i];
		}
	}
	return NULL;
}

static void begin(const struct rest_query_table *table, char *out)
{
	memset(out, 0, table->size);
	for (size_t i = 0; i < table->count; i++) {
		if (table->fields[i].kind == REST_NUMBER) {
			memcpy(out + table->fields[i].offset, &table->fields[i].otherwise,
			       sizeof(uint64_t));
		}
	}
}

/* Names come from the client: they are shown only when they are plain. */
static void refuse_unknown(const struct input *in, struct str name)
{
	bool plain = name.n >= 1 && name.n <= 64;

	for (size_t i = 0; plain && i < name.n; i++) {
		plain = name.p[i] > ' ' && name.p[i] <= '~';
	}
	json_problem_add(in->problems, in->arena, plain ? arena_strdup(in->arena, name) : "query",
	                 plain ? "is not a parameter of this route"
	                       : "has a parameter that this route does not know");
}

enum err_code rest_query(const struct http_request *req, const struct rest_query_table *table,
                         void *out, struct json_problems *problems)
{
	struct input in = { .arena = req->arena, .problems = problems };
	uint64_t seen = 0;
	struct str name;

	problems->count = 0;
	if (table != NULL) {
		begin(table, out);
	}
	for (size_t i = 0; i <= PARAMS_MAX && http_query_at(req, i, &name, &in.value); i++) {
		uint64_t bit;

		if (i == PARAMS_MAX) {
			json_problem_add(problems, in.arena, "query",
			                 "must have at most %d parameters", PARAMS_MAX);
			break;
		}
		in.field = find_field(table, name);
		if (in.field == NULL) {
			refuse_unknown(&in, name);
			continue;
		}
		bit = UINT64_C(1) << (in.field - table->fields);
		if ((seen & bit) != 0) {
			json_problem_add(problems, in.arena, in.field->name, "must be given once");
			continue;
		}
		seen |= bit;
		if (in.field->present != JSON_NO_PRESENT) {
			*(bool *)((char *)out + in.field->present) = true;
		}
		take_value(&in, (char *)out + in.field->offset);
	}
	return problems->count == 0 ? ERR_OK : ERR_INVALID;
}

void rest_refuse(const struct http_request *req, struct http_reply *reply,
                 const struct json_problems *problems)
{
	struct buf errors;

	buf_init(&errors, UINT16_MAX);
	json_problems_format(problems, &errors);
	http_problem_fields(reply, req, ERR_INVALID, NULL, buf_str(&errors));
	buf_fini(&errors);
}
