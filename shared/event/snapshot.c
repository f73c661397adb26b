#include "event/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"

static const char *const last_names[SNAPSHOT_LASTS] = {
	[SNAPSHOT_TURN] = "turn",
	[SNAPSHOT_MESSAGE] = "message",
	[SNAPSHOT_PLAN] = "plan",
	[SNAPSHOT_USAGE] = "usage",
	[SNAPSHOT_COST] = "cost",
	[SNAPSHOT_PROGRESS] = "progress",
	[SNAPSHOT_CAPABILITIES] = "capabilities",
	[SNAPSHOT_TEAM] = "team",
};

static const enum event_type last_types[SNAPSHOT_LASTS] = {
	[SNAPSHOT_TURN] = EVENT_TYPE_TURN_STARTED,
	[SNAPSHOT_MESSAGE] = EVENT_TYPE_MESSAGE,
	[SNAPSHOT_PLAN] = EVENT_TYPE_PLAN,
	[SNAPSHOT_USAGE] = EVENT_TYPE_USAGE,
	[SNAPSHOT_COST] = EVENT_TYPE_COST,
	[SNAPSHOT_PROGRESS] = EVENT_TYPE_PROGRESS,
	[SNAPSHOT_CAPABILITIES] = EVENT_TYPE_CAPABILITIES,
	[SNAPSHOT_TEAM] = EVENT_TYPE_TEAM,
};

/* ---- kept events ---- */

static struct str copy(char **at, struct str s)
{
	char *start = *at;

	memcpy(start, s.p, s.n);
	*at += s.n;
	return str_make(start, s.n);
}

/* What is too large is named only: its cursor is there to read it by. */
static void keep(struct snapshot_event *kept, const struct log_event *event)
{
	char members[64];
	struct str data = event->data;
	char *at;

	if (data.n > SNAPSHOT_TEXT_MAX) {
		(void)snprintf(members, sizeof(members), "{\"omittedBytes\":%zu}", data.n);
		data = str_of(members);
	}
	free(kept->texts);
	at = kept->texts = mem_calloc(event->type.n + event->level.n + data.n + 1, 1);
	kept->event = (struct log_event){ .at = event->at, .ts_ms = event->ts_ms };
	kept->event.type = copy(&at, event->type);
	kept->event.level = copy(&at, event->level);
	kept->event.data = copy(&at, data);
}

static void drop(struct snapshot *snapshot, struct snapshot_event *kept)
{
	TAILQ_REMOVE(&snapshot->pending, kept, link);
	snapshot->pending_count--;
	free(kept->texts);
	free(kept->request);
	free(kept);
}

static void drop_all(struct snapshot *snapshot)
{
	struct snapshot_event *kept;

	while ((kept = TAILQ_FIRST(&snapshot->pending)) != NULL) {
		drop(snapshot, kept);
	}
	snapshot->pending_from = 1; /* whatever was asked before is settled */
}

static char *request_of(const struct log_event *event)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *data = json_parse(event->data, &err);
	struct str request = json_as_str(json_get(data, "request_id"));
	char *ret = mem_calloc(request.n + 1, 1);

	memcpy(ret, request.p, request.n);
	return ret;
}

/* ---- permission requests ---- */

static void ask(struct snapshot *snapshot, const struct log_event *event)
{
	struct snapshot_event *kept = mem_calloc(1, sizeof(*kept));

	if (snapshot->pending_count == SNAPSHOT_PENDING_MAX) {
		snapshot->pending_from = TAILQ_FIRST(&snapshot->pending)->event.at.n + 1;
		drop(snapshot, TAILQ_FIRST(&snapshot->pending));
	}
	keep(kept, event);
	kept->request = request_of(event);
	TAILQ_INSERT_TAIL(&snapshot->pending, kept, link);
	snapshot->pending_count++;
}

static void resolve(struct snapshot *snapshot, const struct log_event *event)
{
	char *request = request_of(event);
	struct snapshot_event *kept, *next;

	for (kept = TAILQ_FIRST(&snapshot->pending); kept != NULL; kept = next) {
		next = TAILQ_NEXT(kept, link);
		if (request[0] != '\0' && strcmp(kept->request, request) == 0) {
			drop(snapshot, kept);
		}
	}
	free(request);
}

static bool says(const struct log_event *event, const char *name)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *data = json_parse(event->data, &err);

	return json_as_bool(json_get(data, name));
}

/* An agent that is not there any more waits for nothing; but one that made room is begun again with
 * what it had, or, where that is lost, from its beginning. */
static void move(struct snapshot *snapshot, const struct log_event *event)
{
	if (!session_state_parse(event->state, &snapshot->state)) {
		return;
	}
	if (snapshot->state == SESSION_QUEUED && (snapshot->evicted || says(event, "evicted"))) {
		snapshot->evicted = true;
		return;
	}
	if (session_is_terminal(snapshot->state) || snapshot->state == SESSION_QUEUED ||
	    (snapshot->state == SESSION_RUNNING && snapshot->evicted && !says(event, "restored"))) {
		snapshot->turn_open = false;
		drop_all(snapshot);
	}
	if (snapshot->state == SESSION_RUNNING) {
		snapshot->evicted = false;
	}
}

/* ---- the reduction ---- */

void snapshot_init(struct snapshot *snapshot)
{
	*snapshot = (struct snapshot){ .counted = true, .pending_from = 1 };
	TAILQ_INIT(&snapshot->pending);
}

void snapshot_fini(struct snapshot *snapshot)
{
	drop_all(snapshot);
	for (unsigned i = 0; i < SNAPSHOT_LASTS; i++) {
		free(snapshot->lasts[i].texts);
	}
}

void snapshot_forget_asks(struct snapshot *snapshot, uint64_t before_n)
{
	drop_all(snapshot);
	snapshot->pending_from = before_n;
}

void snapshot_apply(struct snapshot *snapshot, const struct log_event *event, bool counted)
{
	unsigned class = log_event_class(event);

	snapshot->at = event->at;
	snapshot->counts[class] += counted;
	for (unsigned i = 0; i < SNAPSHOT_LASTS; i++) {
		if (class == last_types[i]) {
			keep(&snapshot->lasts[i], event);
		}
	}
	if (event->state.n > 0) {
		move(snapshot, event);
	} else if (class == EVENT_TYPE_PERMISSION_REQUEST) {
		ask(snapshot, event);
	} else if (class == EVENT_TYPE_PERMISSION_RESOLVED) {
		resolve(snapshot, event);
	} else if (class == EVENT_TYPE_TURN_STARTED) {
		snapshot->turn_open = true;
	} else if (class == EVENT_TYPE_TURN_FINISHED) {
		snapshot->turn_open = false;
		drop_all(snapshot);
	}
}

/* ---- as JSON ---- */

static bool has(uint64_t classes, unsigned class)
{
	return (classes >> class & 1) != 0;
}

static void write_event(const struct snapshot_event *kept, const char *name, struct str sid,
                        struct jsonw *w)
{
	struct buf text;

	buf_init(&text, 2 * SNAPSHOT_TEXT_MAX);
	log_event_json(&kept->event, sid, &text);
	jsonw_raw(w, name, buf_str(&text));
	buf_fini(&text);
}

/* By type, as a reader would count them: output is of type log too. */
static void write_counts(const struct snapshot *snapshot, uint64_t classes, struct jsonw *w)
{
	jsonw_object(w, "counts");
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		uint64_t count = has(classes, i) ? snapshot->counts[i] : 0;

		if (i == EVENT_TYPE_LOG && has(classes, EVENT_CLASS_OUTPUT)) {
			count += snapshot->counts[EVENT_CLASS_OUTPUT];
		}
		if (count > 0) {
			jsonw_u64(w, event_type_info((enum event_type)i)->name, count);
		}
	}
	jsonw_end_object(w);
}

static void write_pending(const struct snapshot *snapshot, struct str sid, struct jsonw *w)
{
	const struct snapshot_event *kept;

	jsonw_array(w, "pending");
	TAILQ_FOREACH (kept, &snapshot->pending, link) {
		write_event(kept, NULL, sid, w);
	}
	jsonw_end_array(w);
	if (snapshot->pending_from > 1) {
		jsonw_u64(w, "pendingFrom", snapshot->pending_from);
	}
}

void snapshot_write(const struct snapshot *snapshot, struct str sid, uint64_t classes,
                    struct jsonw *w)
{
	jsonw_object(w, NULL);
	jsonw_cstr(w, "status", session_state_name(snapshot->state));
	jsonw_bool(w, "turnOpen", snapshot->turn_open);
	for (unsigned i = 0; i < SNAPSHOT_LASTS; i++) {
		if (snapshot->lasts[i].texts != NULL && has(classes, last_types[i])) {
			write_event(&snapshot->lasts[i], last_names[i], sid, w);
		}
	}
	if (snapshot->counted) {
		write_counts(snapshot, classes, w);
	}
	if (has(classes, EVENT_TYPE_PERMISSION_REQUEST)) {
		write_pending(snapshot, sid, w);
	}
	jsonw_end_object(w);
}
