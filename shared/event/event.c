#include "event/event.h"

#include <string.h>

#include "base/clock.h"
#include "event/schema.h"

static const struct event_type_info types[EVENT_TYPE_COUNT] = {
#define X(id, name, who, kind, see, profile, help)                                                 \
	[EVENT_TYPE_##id] = { name,                                                                \
		              EVENT_WHO_##who,                                                     \
		              EVENT_KIND_##kind,                                                   \
		              EVENT_SEE_##see,                                                     \
		              EVENT_PROFILE_##profile,                                             \
		              help },
#include "event/event.def"
#undef X
};

const struct event_type_info *event_type_info(enum event_type type)
{
	return &types[type];
}

bool event_type_parse(struct str name, enum event_type *ret)
{
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		if (str_eq(name, str_of(types[i].name))) {
			*ret = (enum event_type)i;
			return true;
		}
	}
	return false;
}

/* Producers write compact JSON, and within a string a quote is escaped. */
static bool is_output(struct str data)
{
	static const char *const marks[] = { "\"stream\":\"stdout\"", "\"stream\":\"stderr\"" };

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (memmem(data.p, data.n, marks[i], strlen(marks[i])) != NULL) {
			return true;
		}
	}
	return false;
}

unsigned log_event_class(const struct log_event *event)
{
	enum event_type type;

	if (!event_type_parse(event->type, &type)) {
		return EVENT_CLASS_UNKNOWN;
	}
	if (type == EVENT_TYPE_LOG && event->data.n > 0 && is_output(event->data)) {
		return EVENT_CLASS_OUTPUT;
	}
	return (unsigned)type;
}

uint64_t event_classes_of(uint64_t wanted)
{
	bool log = (wanted >> (unsigned)EVENT_TYPE_LOG & 1) != 0;

	return wanted | (log ? UINT64_C(1) << (unsigned)EVENT_CLASS_OUTPUT : 0);
}

uint64_t event_classes_seen(enum event_see who)
{
	uint64_t set = 0;

	if (who == EVENT_SEE_ADMIN) {
		return UINT64_MAX;
	}
	if (who == EVENT_SEE_PARTICIPANT) {
		set = ~((UINT64_C(1) << (unsigned)EVENT_TYPE_COUNT) - 1);
	}
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		set |= (uint64_t)(types[i].see <= who) << i;
	}
	return set;
}

enum event_see event_see_of(bool participates, bool administers)
{
	if (!participates) {
		return EVENT_SEE_ANY;
	}
	return administers ? EVENT_SEE_ADMIN : EVENT_SEE_PARTICIPANT;
}

uint64_t event_classes_in(enum event_profile profile)
{
	uint64_t set = 0;

	if (profile == EVENT_PROFILE_FULL) {
		return UINT64_MAX;
	}
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		set |= (uint64_t)(types[i].profile >= profile) << i;
	}
	return event_classes_of(set);
}

const char *event_profile_name(enum event_profile profile)
{
	static const char *const names[EVENT_PROFILE_COUNT] = {
		[EVENT_PROFILE_FULL] = "full",
		[EVENT_PROFILE_NO_DELTAS] = "no-deltas",
		[EVENT_PROFILE_MILESTONES] = "milestones",
		[EVENT_PROFILE_STATUS] = "status",
	};

	return names[profile];
}

bool event_profile_parse(struct str name, enum event_profile *ret)
{
	for (unsigned i = 0; i < EVENT_PROFILE_COUNT; i++) {
		if (str_eq(name, str_of(event_profile_name((enum event_profile)i)))) {
			*ret = (enum event_profile)i;
			return true;
		}
	}
	return false;
}

static const char *const grades[EVENT_GRADES] = { "", "trace", "debug", "info", "warn", "error" };

unsigned log_event_grade(struct str level)
{
	for (unsigned i = 1; i < EVENT_GRADES; i++) {
		if (str_eq(level, str_of(grades[i]))) {
			return i;
		}
	}
	return 0;
}

const char *log_event_grade_name(unsigned grade)
{
	return grade < EVENT_GRADES ? grades[grade] : NULL;
}

bool event_producer_ok(struct str producer)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._:-";

	if (producer.n == 0 || producer.n > EVENT_PRODUCER_MAX) {
		return false;
	}
	for (size_t i = 0; i < producer.n; i++) {
		if (memchr(allowed, producer.p[i], sizeof(allowed) - 1) == NULL) {
			return false;
		}
	}
	return true;
}

/* What is between the braces; data was checked when it was appended. */
static struct str members_of(struct str data)
{
	struct str s = str_trim(data);

	if (s.n < 2) {
		return (struct str){ "", 0 };
	}
	return str_trim(str_make(s.p + 1, s.n - 2));
}

void log_event_json(const struct log_event *event, struct str sid, struct buf *out)
{
	char ts[CLOCK_RFC3339_SIZE];
	char id[CURSOR_SIZE];
	struct str members = members_of(event->data);

	clock_format(event->ts_ms * 1000, ts);
	cursor_format(&event->at, id);
	buf_add_cstr(out, "{\"type\":\"");
	buf_add_str(out, event->type);
	buf_add_cstr(out, "\",\"ts\":\"");
	buf_add_cstr(out, ts);
	buf_add_cstr(out, "\",\"sessionId\":\"");
	buf_add_str(out, sid);
	buf_add_cstr(out, "\",\"seq\":");
	buf_add_u64(out, event->at.n);
	buf_add_cstr(out, ",\"id\":\"");
	buf_add_cstr(out, id);
	buf_add_char(out, '"');
	if (members.n > 0) {
		buf_add_char(out, ',');
		buf_add_str(out, members);
	}
	buf_add_char(out, '}');
}

void event_docs(struct buf *out)
{
	static const char *const kinds[] = {
		[EVENT_KIND_KEEP] = "whole, may come ahead",
		[EVENT_KIND_PLAIN] = "whole",
		[EVENT_KIND_TEXT] = "joined",
		[EVENT_KIND_LINES] = "joined by lines",
		[EVENT_KIND_LAST] = "last one wins",
	};
	static const char *const readers[] = {
		[EVENT_SEE_ANY] = "all",
		[EVENT_SEE_PARTICIPANT] = "participants",
		[EVENT_SEE_ADMIN] = "administrators",
	};

	buf_add_cstr(out,
	             "# Events\n\n"
	             "Every event is one JSON object: `type`, `ts` (RFC 3339), `sessionId`, `seq` "
	             "(n, dense over the session's life),\n`id` (the cursor, opaque), and the "
	             "members of its type.\n\n"
	             "`profile` asks for less, at the same cursors. From most to least: `full`, "
	             "`no-deltas`, `milestones`, `status`; the\ntable names the last of them that "
	             "has a type.\n\n"
	             "| type | appended by | seen by | through profile | for a reader that lags | "
	             "members |\n"
	             "|---|---|---|---|---|---|\n");
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		buf_addf(out, "| `%s` | %s | %s | `%s` | %s | %s |\n", types[i].name,
		         types[i].who == EVENT_WHO_ANY ? "anyone" : "Fairlead",
		         readers[types[i].see], event_profile_name(types[i].profile),
		         kinds[types[i].kind], types[i].help);
	}
	buf_add_cstr(
		out,
		"\nOf `log` events observers do not see those with the `stream` stdout or "
		"stderr: the output of processes.\n"
		"\n## Streams\n\n"
		"`GET /api/v1/sessions/{id}/events` with `Accept: text/event-stream` sends all "
		"that "
		"is there and then what happens:\n`id:` is the cursor, `event:` the type, `data:` "
		"the "
		"event. Clients reconnect with `Last-Event-ID` (or `?after=`) and get\nwhat comes "
		"after "
		"it, from any node, also after a restart; `retry:` says when. `Accept-Encoding: "
		"gzip` "
		"is understood.\nWhat a stream sends beside events:\n\n"
		"| `event:` | `id:` | |\n|---|---|---|\n"
		"| `end` | the last event's | The session has ended and all of it was sent: "
		"`status`. "
		"The stream ends; who reconnects gets 204. |\n"
		"| `gap` | where it goes on | The events `from` to `to` cannot be had: `reason`. "
		"|\n"
		"| `drain` | none | This node stops: come back after `retryMs`. |\n"
		"| `auth` | none | What has become of the key, and for how long "
		"([operating.md](operating.md), credentials of streams). |\n"
		"\nAn `id:` alone moves the place on past events that `profile`, `type` or `role` "
		"leave "
		"out. A comment (`:`) keeps\nconnections open that have nothing to tell. "
		"WebSockets: "
		"[socket.md](socket.md).\n"
		"\n## Pages\n\n"
		"Without that `Accept` the same address is a page. With `?after=` (`0-0` for the "
		"beginning): `items`, the oldest first, `next`,\nwhich is where to go on from also "
		"when "
		"there was nothing, and `caughtUp`; `wait=30` holds the answer until there is "
		"something,\nfor at most so many seconds; what cannot be had is `gap`. Without "
		"`after` "
		"pages are numbered, the newest events first.\n"
		"\n## Readers that lag\n\n"
		"A stream whose client does not keep up gets fewer events that say the "
		"same. Pieces of one text that follow each other\nare one event (lines with "
		"a line break between them), and of progress and the like the last before "
		"something that is\nwhole. Such an event is the last of those it "
		"stands for, with their text, and has `covers`: `{\"from\": \"1-5\", "
		"\"to\":\n\"1-60\"}`, all the ids it stands for. These ranges leave nothing "
		"out, so that `id` is where to go on from, as ever.\n\n"
		"What may come ahead is shown to a client with a backlog before its turn: with "
		"`\"ahead\": true`, and without moving the\nclient's place. It comes again in "
		"its turn.\n");
	event_schema_docs(out);
}
