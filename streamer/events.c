#include "streamer/events.h"

#include "auth/auth_bell.h"
#include "auth/auth_http.h"
#include "redis/redis.h"
#include "streamer/app.h"
#include "streamer/channel.h"
#include "streamer/eventsource.h"
#include "streamer/feed.h"
#include "streamer/position.h"
#include "streamer/sse_stream.h"
#include "streamer/viewer.h"

static const char sse_type[] = "text/event-stream";

void events_problem(struct events_request *request, struct err *err)
{
	if (err->code == ERR_TIMEOUT || err->code == ERR_UNKNOWN) {
		err->code = ERR_UNAVAILABLE; /* it was only a read */
	}
	if (err->code == ERR_NOT_FOUND) {
		(void)err_set(err, ERR_NOT_FOUND, "no such session");
	}
	node_problem(request->req, request->reply, err);
}

/* ---- what is asked ---- */

/* A cursor, or the plain number that integer clients keep. */
static bool parse_cursor(struct str text, struct cursor *ret)
{
	return cursor_parse(text, ret) || cursor_parse_n(text, ret);
}

/* After a reconnect the browser's header is younger than the address it began with. */
static void take_cursor(struct events_request *request, bool streams,
                        struct json_problems *problems)
{
	struct rest_events *query = &request->query;
	struct str last = http_header(request->req, "Last-Event-ID");

	request->resumes = query->has_after || query->has_starting_after;
	request->after = query->after;
	if (query->has_after && query->has_starting_after) {
		json_problem_add(problems, request->req->arena, "starting_after",
		                 "must not be given together with after");
	}
	if (query->has_starting_after) {
		request->after = (struct cursor){ CURSOR_EPOCH_ANY, query->starting_after };
	}
	if (streams && last.n > 0) {
		request->resumes = true;
		if (!parse_cursor(last, &request->after)) {
			json_problem_add(problems, request->req->arena, "Last-Event-ID",
			                 "must be a cursor like 1-42 that this server gave");
		}
	}
}

static void refuse_if(bool given, const char *name, const char *rule,
                      const struct events_request *request, struct json_problems *problems)
{
	if (given) {
		json_problem_add(problems, request->req->arena, name, "%s", rule);
	}
}

static void check_stream(const struct events_request *request, struct json_problems *problems)
{
	static const char rule[] = "is for pages, not for a stream";
	const struct rest_events *query = &request->query;

	refuse_if(query->level != 0, "level", rule, request, problems);
	refuse_if(query->sort != 0, "sort", rule, request, problems);
	refuse_if(query->since_us != 0, "since", rule, request, problems);
	refuse_if(query->until_us != 0, "until", rule, request, problems);
	refuse_if(query->has_page, "page", rule, request, problems);
	refuse_if(query->has_limit, "limit", rule, request, problems);
	refuse_if(query->has_wait, "wait", rule, request, problems);
}

static void check_page(const struct events_request *request, struct json_problems *problems)
{
	static const char rule[] = "is for numbered pages, not for those after a cursor";
	const struct rest_events *query = &request->query;

	if (request->resumes) {
		refuse_if(query->has_page, "page", rule, request, problems);
		refuse_if(query->since_us != 0, "since", rule, request, problems);
		refuse_if(query->until_us != 0, "until", rule, request, problems);
		refuse_if(query->sort > 1, "sort", "must be asc after a cursor", request, problems);
	} else {
		refuse_if(query->has_limit, "limit", "is for pages after a cursor", request,
		          problems);
		refuse_if(query->has_wait, "wait", "is for pages after a cursor", request,
		          problems);
	}
}

/* A profile is a set of types like any other. */
static void take_profile(struct events_request *request, struct json_problems *problems)
{
	struct rest_events *query = &request->query;
	uint64_t types;

	if (query->profile > 1 + EVENT_PROFILE_FULL) {
		types = event_classes_in((enum event_profile)(query->profile - 1));
		query->types = query->types != 0 ? query->types & types : types;
		refuse_if(query->types == 0, "type", "has none that the profile has", request,
		          problems);
	}
}

/* So is what a role sees. One may ask for less than one's own. */
static void take_role(struct events_request *request, struct json_problems *problems)
{
	const struct rest_events *query = &request->query;
	struct principal *principal = request->req->principal;
	bool participates;

	if (query->role == 1 + AUTH_OBSERVER) {
		principal->observes = true;
	}
	participates = auth_part_of(principal) == AUTH_PARTICIPANT;
	refuse_if(query->role == 1 + AUTH_PARTICIPANT && !participates, "role",
	          "participant needs a key with the scope session:write", request, problems);
	request->classes &=
		event_classes_seen(event_see_of(participates, auth_allows(principal, AUTH_ADMIN)));
}

static bool understand(struct events_request *request, bool streams)
{
	struct http_request *req = request->req;
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	bool known = rest_query(req, &rest_events_table, &request->query, problems) == ERR_OK;

	take_cursor(request, streams, problems);
	take_profile(request, problems);
	request->classes = request->query.types != 0 ? event_classes_of(request->query.types)
	                                             : POSITION_ALL_TYPES;
	take_role(request, problems);
	if (streams) {
		check_stream(request, problems);
	} else {
		check_page(request, problems);
	}
	if (known && problems->count == 0) {
		return true;
	}
	rest_refuse(req, request->reply, problems);
	return false;
}

/* ---- who may see it ---- */

static bool may_see(struct events_request *request)
{
	struct http_request *req = request->req;
	struct err err;
	enum err_code code;

	if (id_parse(req->params[0], &request->sid)) {
		code = viewer_may_see(request->principal, node_of(req)->pg, &request->sid,
		                      req->arena, &err);
	} else {
		code = err_set(&err, ERR_NOT_FOUND, "no such session");
	}
	if (code != ERR_OK) {
		events_problem(request, &err);
	}
	return code == ERR_OK;
}

/* ---- the stream ---- */

/* A client that has all of a finished session must not come back: 204 tells EventSource so. */
static bool has_all(const struct events_request *request, const struct log_head *head)
{
	const struct cursor *after = &request->after;

	return request->resumes && session_is_terminal(head->state) &&
	       (after->n > head->at.n ||
	        (after->n == head->at.n && cursor_compare(after, &head->at) == 0));
}

static void begin_stream(struct events_request *request, struct viewer *viewer,
                         const struct log_head *head)
{
	struct http_reply *reply = request->reply;
	const struct app *app = app_of(request->req);
	struct channel *channel =
		feed_channel(app->feed, &request->sid, request->principal->tenant, head);
	char name[AUTH_STREAM_LEN + 1];
	struct intake *intake = NULL;

	http_reply_header(reply, "Vary", "Accept-Encoding");
	if (app->feed->options.compress > 0 && http_accepts_coding(request->req, "gzip")) {
		intake = intake_new(INTAKE_GZIP);
		http_reply_header(reply, "Content-Encoding", "gzip");
	}
	reply->content_type = sse_type;
	reply->stream = sse_stream_new(channel, viewer, intake, request->after, request->classes);
	reply->stream_ops = &sse_stream_ops;
	auth_stream_format(sse_stream_name(reply->stream), name);
	http_reply_header(reply, "X-Stream-Id", "%s", name);
}

/* False: the reply is filled. */
static bool look(struct events_request *request, struct log_head *head)
{
	struct app *app = app_of(request->req);
	enum err_code code = ERR_OK;
	struct err err;

	if (app->feed != NULL) {
		code = feed_look(app->feed, &request->sid, request->principal->tenant, head, &err);
	}
	if (code == ERR_OK && !has_all(request, head)) {
		auth_keep(app->auth, request->req, request->principal, request->reply);
	}
	if (code == ERR_OK && app->feed == NULL) { /* perhaps since it looked */
		code = err_set(&err, ERR_UNAVAILABLE, "stopping");
	}
	if (code != ERR_OK) {
		events_problem(request, &err);
	}
	return code == ERR_OK;
}

/* Who has too many streams is told so before anybody else is asked anything. */
static void stream(struct events_request *request)
{
	struct app *app = app_of(request->req);
	struct log_head head = { 0 };
	struct viewer *viewer;
	struct err err;

	viewer = viewer_enter(app->viewers, request->principal, &err);
	if (viewer == NULL) {
		events_problem(request, &err);
		return;
	}
	if (!may_see(request) || !look(request, &head)) {
		viewer_release(viewer);
	} else if (has_all(request, &head)) {
		viewer_release(viewer);
		request->reply->status = 204;
	} else {
		begin_stream(request, viewer, &head);
	}
}

/* A stream for those who name it; a wildcard beside it is a way out, not a wish for JSON. */
static const char *form_of(const struct http_request *req)
{
	static const char json_type[] = "application/json";
	static const char *const json_first[] = { json_type, sse_type, NULL };
	static const char *const sse_first[] = { sse_type, json_type, NULL };
	struct str rest = http_header(req, "Accept");
	bool names_sse = false, names_json = false;

	while (rest.p != NULL) {
		struct str element = str_split(&rest, ',');
		struct str type = str_trim(str_split(&element, ';'));

		names_sse = names_sse || str_eq_nocase(type, str_of(sse_type));
		names_json = names_json || str_eq_nocase(type, str_of(json_type));
	}
	return http_negotiate(req, names_sse && !names_json ? sse_first : json_first);
}

void events_get(struct http_request *req, struct http_reply *reply)
{
	const char *type = form_of(req);
	struct events_request request = { .req = req, .reply = reply, .principal = req->principal };
	bool streams = type == sse_type;

	http_reply_header(reply, "Vary", "Accept, Authorization, X-API-Key, Cookie");
	if (type == NULL) {
		http_problem(reply, req, ERR_ACCEPT, "application/json or text/event-stream");
	} else if (understand(&request, streams)) {
		if (streams) {
			stream(&request);
			if (eventsource_soften(req, reply)) { /* a ticket of it is used */
				auth_keep(app_of(req)->auth, req, req->principal, reply);
			}
		} else if (may_see(&request)) {
			events_page(&request);
		}
	}
}
