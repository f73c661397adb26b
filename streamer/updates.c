#include "streamer/updates.h"

#include <stdlib.h>

#include "aomi/aomi_door.h"
#include "aomi/aomi_event.h"
#include "base/clock.h"
#include "base/mem.h"
#include "event/segment.h"
#include "json/write.h"
#include "log/log.h"
#include "rest/aomi.h"
#include "session/session_store.h"
#include "sse/sse.h"
#include "streamer/app.h"
#include "streamer/outlet.h"
#include "streamer/poll.h"
#include "streamer/viewer.h"

enum {
	LOOK_MS = 1000, /* for a chat, or its next session, that is not there yet */
	STAY_MS = 5000, /* on a session that says nothing, before the chat is looked at again; with
	                   a guest LOOK_MS, since no key of his can be revoked: his namespace is
	                   closed */
	READ_BYTES = 256 * 1024,
	NOTE_MAX = 512,
	FRAME_BYTES = 4 * EVENT_DATA_MAX,
	LEFT_MAX = 8 * EVENT_DATA_MAX,
};

struct updates {
	struct outlet outlet;
	struct node *node;
	struct chat_key key;
	char session[CHAT_NAME_SIZE]; /* the client's name of the chat */
	bool guest;
	/* Where the client is. part 0: it has not said, and nothing was found yet. */
	struct aomi_cursor at;
	struct id sid; /* of that part; nil: to be looked up */
	bool waited;   /* the chat was not there when the stream began */
	bool known;    /* it was there */
	bool closed;   /* the connection is gone: only the fiber still has this */
	bool running;  /* the fiber is */
	struct fiber *fiber;
	struct fiber_signal moved; /* there is room, or it is closed */
};

/* ---- as an outlet ---- */

static void over(struct outlet *outlet, struct subscriber *subscriber, enum outlet_over why)
{
	(void)outlet; /* it has no subscribers */
	(void)subscriber;
	(void)why;
}

static uint64_t keep_alive(struct outlet *outlet)
{
	uint32_t silent_ms = (uint32_t)clock_mono_ms() - outlet->wrote_ms;
	uint64_t every_ms = outlet->feed->options.keepalive_ms;
	struct buf note;

	if (silent_ms < every_ms) {
		return every_ms - silent_ms;
	}
	if (outlet_is_quiet(outlet)) {
		buf_init(&note, NOTE_MAX);
		sse_format_comment(&note, STR_LIT(""));
		(void)outlet_say(outlet, buf_str(&note));
		buf_fini(&note);
	}
	return every_ms;
}

/* These clients know nothing of keys that end. */
static void say_nothing(struct outlet *outlet, const char *type, struct str json)
{
	(void)outlet;
	(void)type;
	(void)json;
}

static void dismiss(struct outlet *outlet, const char *why)
{
	(void)why;
	outlet_finish(outlet);
}

static const struct outlet_face face = {
	.name = "updates",
	.over = over,
	.round = keep_alive,
	.say = say_nothing,
	.dismiss = dismiss,
	.left_max = LEFT_MAX,
};

/* ---- writing ---- */

static bool goes_on(const struct updates *u)
{
	return !u->closed && !fiber_cancelled() && !u->outlet.ended && !u->outlet.finishing;
}

/* Until it is written, so that a slow client is read for no faster than it reads. */
static void say(struct updates *u, struct str id, struct str json)
{
	struct buf frame;

	buf_init(&frame, FRAME_BYTES);
	sse_format(&frame, id, STR_LIT(""), json);
	if (!buf_failed(&frame)) {
		(void)outlet_say(&u->outlet, buf_str(&frame));
	}
	buf_fini(&frame);
	while (goes_on(u) && !outlet_is_quiet(&u->outlet)) {
		(void)!fiber_signal_wait(&u->moved, FIBER_NO_TIMEOUT);
	}
}

static void tell(struct updates *u, enum aomi_kind kind, struct str value, const char *id)
{
	struct buf json;

	buf_init(&json, FRAME_BYTES);
	if (aomi_update_write(kind, value, str_of(u->session), &json) && !buf_failed(&json)) {
		say(u, str_of(id), buf_str(&json));
	}
	buf_fini(&json);
}

static void tell_event(struct updates *u, const struct log_event *event)
{
	char id[AOMI_CURSOR_SIZE];
	enum aomi_kind kind;
	struct buf value;

	u->at.at = event->at;
	if (!u->guest && (viewer_sees(u->outlet.viewer) >> log_event_class(event) & 1) == 0) {
		return;
	}
	aomi_cursor_format(&u->at, id);
	buf_init(&value, (size_t)2 * EVENT_DATA_MAX);
	if (aomi_event_of(event, &kind, &value)) {
		tell(u, kind, buf_str(&value), id);
	}
	buf_fini(&value);
}

/* What no tier has any more is not passed over in silence. */
static void tell_gap(struct updates *u, const struct log_gap *gap)
{
	struct buf json;

	buf_init(&json, NOTE_MAX);
	buf_addf(&json, "\"events are missing: %s\"", log_gap_name(gap->reason));
	tell(u, AOMI_NOTICE, buf_str(&json), "");
	buf_fini(&json);
}

static void tell_title(struct updates *u, struct str title)
{
	struct jsonw w;
	struct buf json;

	buf_init(&json, NOTE_MAX * 4);
	jsonw_init(&w, &json);
	jsonw_str(&w, NULL, title);
	if (!buf_failed(&json)) {
		tell(u, AOMI_TITLE, buf_str(&json), "");
	}
	buf_fini(&json);
}

/* ---- where the chat is ---- */

static bool may_follow(const struct updates *u, const struct chat *chat)
{
	const struct principal *who = &u->outlet.viewer->principal;

	return u->guest || who->any_namespace || auth_allows_namespace(who, chat->namespace);
}

/* Who begins without a cursor begins now; who was there first gets all of it. */
static enum err_code begin_at(struct updates *u, const struct chat_part *part, struct arena *arena,
                              struct err *err)
{
	struct log_head head = { .found = false };
	struct session row;
	enum err_code code = ERR_OK;

	u->at = (struct aomi_cursor){ .part = part->part };
	u->sid = part->session;
	if (u->waited) {
		return ERR_OK;
	}
	code = log_head_get(&u->node->store, &u->sid, u->key.tenant, &head, err);
	u->at.at = head.at;
	if (code == ERR_OK && !head.found) { /* it has ended, or has no log yet */
		code = session_get(u->node->pg, u->key.tenant, &u->sid, arena, &row, err);
		u->at.at = (struct cursor){ CURSOR_EPOCH_ANY, code == ERR_OK ? row.n : 0 };
	}
	return code;
}

/* The client's part, else the next one that there is. False: none is there yet. */
static bool take_part(struct updates *u, const struct chat_part *parts, size_t count, bool next)
{
	uint64_t least = u->at.part + (next ? 1 : 0);
	const struct chat_part *found = NULL;

	for (size_t i = 0; i < count && parts[i].part >= least; i++) {
		found = &parts[i]; /* the newest are first */
	}
	if (found == NULL) {
		return false;
	}
	if (found->part != u->at.part) {
		u->at = (struct aomi_cursor){ .part = found->part };
	}
	u->sid = found->session;
	return true;
}

/* *ret_there false: look again later. next: the session that was followed has ended. */
static enum err_code look(struct updates *u, struct arena *arena, bool next, bool *ret_there,
                          struct err *err)
{
	struct pg *pg = u->node->pg;
	struct chat_part *parts;
	struct chat chat;
	size_t count = 0;
	enum err_code code = chat_get(pg, &u->key, arena, &chat, err);

	*ret_there = false;
	if (!goes_on(u)) {
		return ERR_OK;
	}
	if (code == ERR_NOT_FOUND || (code == ERR_OK && !may_follow(u, &chat))) {
		if (u->known) { /* it was deleted, or is closed to them */
			outlet_finish(&u->outlet);
		}
		u->waited = true;
		return ERR_OK;
	}
	if (code == ERR_OK) {
		u->key = chat.key;
		code = chat_parts(pg, &u->key, CHAT_PARTS_MAX, arena, &parts, &count, err);
	}
	if (code != ERR_OK || !goes_on(u)) {
		return code;
	}
	if (count == 0) {
		u->waited = true;
		return ERR_OK;
	}
	u->known = true;
	if (u->at.part > 0) {
		*ret_there = take_part(u, parts, count, next);
		return ERR_OK;
	}
	code = begin_at(u, u->waited ? &parts[count - 1] : &parts[0], arena, err);
	*ret_there = code == ERR_OK;
	if (code != ERR_OK) {
		u->at.part = 0;
	} else if (u->waited && goes_on(u)) {
		tell_title(u, chat.title);
	}
	return code;
}

/* ---- what it says ---- */

/* One page. *ret_over: its session has ended, and everything was told. */
static enum err_code read_page(struct updates *u, bool *ret_caught_up, bool *ret_over,
                               struct err *err)
{
	const struct log_range range = { .sid = u->sid,
		                         .tenant = u->key.tenant,
		                         .after = u->at.at,
		                         .max_count = LOG_READ_MAX,
		                         .max_bytes = READ_BYTES };
	struct log_page page = { 0 };
	enum err_code code = log_history(&u->node->store, u->node->pg, &range, &page, err);

	if (code != ERR_OK) {
		return code;
	}
	if (page.gap.reason != LOG_GAP_NONE && page.gap.reason != LOG_GAP_NEVER) {
		tell_gap(u, &page.gap);
	}
	for (size_t i = 0; goes_on(u) && i < page.count; i++) {
		tell_event(u, &page.events[i]);
	}
	if (page.count == 0) {
		u->at.at = page.next;
	}
	*ret_caught_up = page.count == 0 || page.caught_up;
	*ret_over = *ret_caught_up && (!page.head.found || session_is_terminal(page.head.state));
	log_page_fini(&page);
	return ERR_OK;
}

static void wait_for(struct updates *u, uint64_t ms)
{
	if (goes_on(u)) {
		(void)!fiber_signal_wait(&u->moved, ms);
	}
}

/* As long as the session says something, and a while longer. *ret_over: it has ended. */
static enum err_code stay(struct updates *u, bool *ret_over, struct err *err)
{
	uint64_t until_ms = clock_mono_ms() + (u->guest ? LOOK_MS : STAY_MS);
	enum err_code code = ERR_OK;
	bool caught_up = false;

	*ret_over = false;
	while (code == ERR_OK && goes_on(u) && !*ret_over) {
		code = read_page(u, &caught_up, ret_over, err);
		if (code != ERR_OK || !caught_up || *ret_over || !goes_on(u)) {
			continue;
		}
		code = poll_wait(u->outlet.feed, &u->sid, u->key.tenant, &u->at.at, until_ms, err);
		if (code == ERR_TIMEOUT) {
			return ERR_OK;
		}
	}
	return code;
}

static void follow(void *arg)
{
	struct updates *u = arg;
	bool there, is_over = false;
	struct err err;

	fiber_set_tag("updates=%" STR_FMT, STR_ARG(str_of(u->key.tenant)));
	while (goes_on(u)) {
		struct arena *arena = arena_new();
		enum err_code code = look(u, arena, is_over, &there, &err);

		arena_free(arena);
		if (code == ERR_OK && there) {
			code = stay(u, &is_over, &err);
		}
		if (code != ERR_OK && goes_on(u)) {
			log_info("updates.later", "code=%s %s", err_name(code), err.msg);
		}
		if (code != ERR_OK || !there) {
			wait_for(u, LOOK_MS);
		}
	}
	u->running = false;
	if (u->closed) {
		free(u);
	} else {
		outlet_finish(&u->outlet);
	}
}

/* ---- as a stream ---- */

static void opened(void *arg, struct http_conn *conn)
{
	struct updates *u = arg;
	struct feed *feed = u->outlet.feed;
	struct buf note;

	outlet_open(&u->outlet, conn);
	buf_init(&note, NOTE_MAX);
	sse_format_retry(&note, feed->options.retry_ms);
	(void)outlet_say(&u->outlet, buf_str(&note));
	buf_fini(&note);
	if (feed->stopping) {
		outlet_end(&u->outlet);
		return;
	}
	u->running = true;
	u->fiber = fiber_start(feed->options.loop, &feed->handlers, "updates", follow, u);
}

static void writable(void *arg)
{
	struct updates *u = arg;

	outlet_writable(&u->outlet);
	fiber_signal_raise(&u->moved);
}

static void drain(void *arg)
{
	struct updates *u = arg;
	struct buf note;

	buf_init(&note, NOTE_MAX);
	sse_format_retry(&note, feed_return_ms(u->outlet.feed));
	(void)outlet_say(&u->outlet, buf_str(&note));
	buf_fini(&note);
	outlet_end(&u->outlet);
}

static void closed(void *arg)
{
	struct updates *u = arg;

	u->outlet.ended = true;
	u->closed = true;
	outlet_fini(&u->outlet);
	if (u->running) {
		fiber_cancel(u->fiber, ERR_CANCELLED);
	} else {
		free(u);
	}
}

static const struct http_stream_ops updates_ops = {
	.opened = opened,
	.writable = writable,
	.drain = drain,
	.closed = closed,
};

/* ---- the request ---- */

static bool refuse(struct http_request *req, struct http_reply *reply, const char *field,
                   const char *rule)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));

	json_problem_add(problems, req->arena, field, "%s", rule);
	rest_refuse(req, reply, problems);
	return false;
}

/* The header is younger than the address. False: the reply is filled. */
static bool take_cursor(struct http_request *req, struct http_reply *reply, struct updates *u)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct str last = http_header(req, "Last-Event-ID");
	struct rest_aomi_updates query;

	if (rest_query(req, &rest_aomi_updates_table, &query, problems) != ERR_OK) {
		rest_refuse(req, reply, problems);
		return false;
	}
	if (last.n == 0) {
		last = query.after;
	}
	return last.n == 0 || aomi_cursor_parse(last, &u->at) ||
	       refuse(req, reply, "Last-Event-ID", "must be an id that this stream gave");
}

/* False: the reply is filled. */
static bool take_chat(struct http_request *req, struct http_reply *reply, struct updates *u)
{
	const struct principal *who = req->principal;
	const char *field, *rule;
	struct str session;

	u->guest = aomi_is_guest(who);
	rule = aomi_session_of(req, u->guest, &session, &field);
	if (rule != NULL) {
		return refuse(req, reply, field, rule);
	}
	(void)str_copy(u->session, sizeof(u->session), session);
	aomi_chat_key(app_of(req)->auth, who, session, &u->key);
	return take_cursor(req, reply, u);
}

void updates_get(struct http_request *req, struct http_reply *reply)
{
	struct app *app = app_of(req);
	struct viewer *viewer = NULL;
	struct updates *u = mem_calloc(1, sizeof(*u));
	struct err err;
	bool there;

	http_reply_header(reply, "Vary", "Authorization, X-API-Key, X-Session-Id");
	if (!take_chat(req, reply, u)) {
		free(u);
		return;
	}
	if (app->feed == NULL) {
		(void)err_set(&err, ERR_UNAVAILABLE, "stopping");
	} else {
		viewer = viewer_enter(app->viewers, req->principal, &err);
	}
	if (viewer == NULL) {
		node_problem(req, reply, &err);
		free(u);
		return;
	}
	u->node = node_of(req);
	fiber_signal_init(&u->moved);
	outlet_init(&u->outlet, &face, app->feed, viewer);
	http_reply_header(reply, "Cache-Control", "no-store");
	reply->content_type = "text/event-stream";
	reply->stream = u;
	reply->stream_ops = &updates_ops;
	/* Where it begins is where the chat is when it is answered. */
	if (look(u, req->arena, false, &there, &err) != ERR_OK) {
		log_info("updates.later", "code=%s %s", err_name(err.code), err.msg);
	}
}
