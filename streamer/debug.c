#include "streamer/debug.h"

#include <stdlib.h>

#include "auth/auth.h"
#include "base/clock.h"
#include "base/mem.h"
#include "json/write.h"
#include "rest/query.h"
#include "streamer/app.h"
#include "streamer/channel.h"
#include "streamer/outlet.h"
#include "streamer/subscriber.h"
#include "streamer/viewer.h"

enum { SESSIONS_SHOWN = 16 };

/* What is asked, and the connections that fit, in the order of their numbers. */
struct debug_page {
	struct rest_streams query;
	const char *tenant;
	const struct outlet **outlets;
	size_t count, room;
};

static const char *state_name(const struct subscriber *subscriber)
{
	switch ((enum subscriber_state)subscriber->state) {
	case SUBSCRIBER_NEW: return "new";
	case SUBSCRIBER_TIP: return "tip";
	case SUBSCRIBER_DUE: return "due";
	case SUBSCRIBER_FULL: return "full";
	case SUBSCRIBER_WAITING: return "waiting";
	case SUBSCRIBER_FOLDING: return "folding";
	case SUBSCRIBER_READING: return "reading";
	case SUBSCRIBER_LATER: return "later";
	case SUBSCRIBER_LOOSE: return "loose";
	case SUBSCRIBER_OVER: break;
	}
	return "over";
}

static bool is_profile(uint64_t types, enum event_profile profile)
{
	uint64_t all = event_classes_in(profile);

	return types == all || types == (all & event_classes_seen(EVENT_SEE_PARTICIPANT)) ||
	       types == (all & event_classes_seen(EVENT_SEE_ANY));
}

/* As far as its reader sees it. NULL: types were chosen one by one. */
static const char *profile_name(uint64_t types)
{
	for (int profile = 0; profile < EVENT_PROFILE_COUNT; profile++) {
		if (is_profile(types, (enum event_profile)profile)) {
			return event_profile_name((enum event_profile)profile);
		}
	}
	return NULL;
}

static bool follows(const struct outlet *outlet, struct str session)
{
	const struct subscriber *subscriber;

	LIST_FOREACH(subscriber, &outlet->followings, of_outlet)
	{
		if (str_eq_nocase(str_of(subscriber->channel->sid.s), session)) {
			return true;
		}
	}
	return false;
}

static bool fits(const struct debug_page *page, const struct outlet *outlet)
{
	return str_eq(str_of(outlet->viewer->principal.tenant), str_of(page->tenant)) &&
	       (uint64_t)http_conn_fd(outlet->conn) > page->query.after &&
	       (page->query.session.n == 0 || follows(outlet, page->query.session));
}

static void add(struct debug_page *page, const struct outlet *outlet)
{
	if (page->count == page->room) {
		page->room = page->room == 0 ? 64 : 2 * page->room;
		page->outlets = mem_realloc(page->outlets, page->room * sizeof(const void *));
	}
	page->outlets[page->count++] = outlet;
}

static int by_number(const void *a, const void *b)
{
	const struct outlet *const *left = a, *const *right = b;

	return http_conn_fd((*left)->conn) - http_conn_fd((*right)->conn);
}

static void collect(struct debug_page *page, const struct feed *feed)
{
	const struct outlet *outlet;

	for (size_t i = 0; i < feed->wheel_slots; i++) {
		LIST_FOREACH(outlet, &feed->wheel[i], wheel)
		{
			if (!outlet->ended && fits(page, outlet)) {
				add(page, outlet);
			}
		}
	}
	if (page->count > 1) {
		qsort(page->outlets, page->count, sizeof(const void *), by_number);
	}
}

static void write_session(struct jsonw *w, const struct subscriber *subscriber)
{
	const struct channel *channel = subscriber->channel;
	const struct cursor *at = &subscriber->position.at;
	const char *profile = profile_name(subscriber->position.types);
	char cursor[CURSOR_SIZE];

	cursor_format(at, cursor);
	jsonw_object(w, NULL);
	jsonw_cstr(w, "sessionId", channel->sid.s);
	jsonw_cstr(w, "cursor", cursor);
	jsonw_u64(w, "lag", channel->tip.n > at->n ? channel->tip.n - at->n : 0);
	jsonw_cstr(w, "state", state_name(subscriber));
	jsonw_cstr(w, "profile", profile != NULL ? profile : "types");
	jsonw_bool(w, "slow", subscriber->slow);
	jsonw_end_object(w);
}

static void write_outlet(struct jsonw *w, const struct outlet *outlet)
{
	const struct subscriber *subscriber;
	size_t count = 0;

	jsonw_object(w, NULL);
	jsonw_u64(w, "connection", (uint64_t)http_conn_fd(outlet->conn));
	jsonw_cstr(w, "peer", http_conn_peer(outlet->conn));
	jsonw_cstr(w, "face", outlet->face->name);
	jsonw_cstr(w, "key", outlet->viewer->principal.key.s);
	jsonw_bool(w, "full", outlet->full);
	jsonw_u64(w, "silentMs", (uint32_t)clock_mono_ms() - outlet->wrote_ms);
	jsonw_array(w, "sessions");
	LIST_FOREACH(subscriber, &outlet->followings, of_outlet)
	{
		if (count++ < SESSIONS_SHOWN) {
			write_session(w, subscriber);
		}
	}
	jsonw_end_array(w);
	jsonw_u64(w, "sessionCount", count);
	jsonw_end_object(w);
}

static void write_page(const struct debug_page *page, struct buf *out)
{
	size_t shown = page->count < page->query.per_page ? page->count : page->query.per_page;
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "items");
	for (size_t i = 0; i < shown; i++) {
		write_outlet(&w, page->outlets[i]);
	}
	jsonw_end_array(&w);
	jsonw_u64(&w, "left", page->count - shown);
	if (shown < page->count) {
		jsonw_u64(&w, "next", (uint64_t)http_conn_fd(page->outlets[shown - 1]->conn));
	} else {
		jsonw_null(&w, "next");
	}
	jsonw_end_object(&w);
}

static void refuse(struct http_request *req, struct http_reply *reply,
                   const struct json_problems *problems)
{
	struct buf errors;

	buf_init(&errors, UINT16_MAX);
	json_problems_format(problems, &errors);
	http_problem_fields(reply, req, ERR_INVALID, NULL, buf_str(&errors));
	buf_fini(&errors);
}

void debug_streams(struct http_request *req, struct http_reply *reply)
{
	const struct app *app = app_of(req);
	const struct principal *principal = req->principal;
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct debug_page page = { .tenant = principal->tenant };

	http_reply_header(reply, "Cache-Control", "no-store");
	if (rest_query(req, &rest_streams_table, &page.query, problems) != ERR_OK) {
		refuse(req, reply, problems);
		return;
	}
	if (app->feed != NULL) {
		collect(&page, app->feed);
	}
	write_page(&page, &reply->body);
	free(page.outlets);
}
