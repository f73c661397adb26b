#include "streamer/follow.h"

#include "auth/auth_token.h"
#include "cred/jws.h"
#include "rest/query.h"
#include "streamer/app.h"
#include "streamer/audience.h"
#include "streamer/channel.h"
#include "streamer/socket.h"
#include "streamer/viewer.h"

/* ---- what is asked ---- */

const char follow_cursor_schema[] =
	"{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"integer\",\"minimum\":0}]}";

void follow_decode_cursor(const struct json_value *value, const char *path, void *out,
                          struct arena *arena, struct json_problems *problems)
{
	struct follow_cursor *ret = out;
	int64_t n = json_as_i64(value);
	struct str text = json_as_str(value);

	ret->given = true;
	if (json_is_int(value) && n >= 0 && (uint64_t)n <= CURSOR_N_MAX) {
		ret->at = (struct cursor){ CURSOR_EPOCH_ANY, (uint64_t)n };
	} else if (!cursor_parse(text, &ret->at) && !cursor_parse_n(text, &ret->at)) {
		json_problem_add(problems, arena, path,
		                 "must be a cursor like \"1-42\" that this server gave, or the "
		                 "number of an event");
	}
}

static const char *const profiles[] = { "full", "no-deltas", "milestones", "status", NULL };
_Static_assert(ARRAY_LEN(profiles) == EVENT_PROFILE_COUNT + 1, "in the order of the enum");

static const char *const roles[] = { "observer", "participant", NULL };

#define SESSION_FIELD(of)                                                                          \
	{                                                                                          \
		.name = "sessionId", .alias = "session_id", .kind = JSON_STR,                      \
		.flags = JSON_REQUIRED, .offset = offsetof(struct of, session),                    \
		.present = JSON_NO_PRESENT, .max = ID_LEN                                          \
	}

static const struct json_field subscribe_fields[] = {
	INBOUND_HEAD,
	SESSION_FIELD(follow_subscribe),
	{ .name = "after",
	  .alias = "resume_after_seq",
	  .kind = JSON_CUSTOM,
	  .offset = offsetof(struct follow_subscribe, after),
	  .present = JSON_NO_PRESENT,
	  .decode = follow_decode_cursor,
	  .schema = follow_cursor_schema,
	  .help = "The last event that the client has: a cursor (a string) or its number." },
	{ .name = "startingAfter",
	  .alias = "starting_after",
	  .kind = JSON_CUSTOM,
	  .offset = offsetof(struct follow_subscribe, starting_after),
	  .present = JSON_NO_PRESENT,
	  .decode = follow_decode_cursor,
	  .schema = follow_cursor_schema,
	  .help = "The same as after." },
	{ .name = "profile",
	  .kind = JSON_ENUM,
	  .offset = offsetof(struct follow_subscribe, profile),
	  .present = JSON_NO_PRESENT,
	  .names = profiles,
	  .help = "How much is shown; full when it is not given." },
	{ .name = "role",
	  .kind = JSON_ENUM,
	  .offset = offsetof(struct follow_subscribe, role),
	  .present = offsetof(struct follow_subscribe, has_role),
	  .names = roles,
	  .help = "observer: see less than the key may; the key's own when it is not given." },
	{ .name = "presence",
	  .kind = JSON_BOOL,
	  .offset = offsetof(struct follow_subscribe, presence),
	  .present = JSON_NO_PRESENT,
	  .help = "Whether to be told who looks at the session, as `presence` does." },
};

const struct json_table follow_subscribe_table = { "Subscribe", sizeof(struct follow_subscribe),
	                                           subscribe_fields, ARRAY_LEN(subscribe_fields) };

static const struct json_field unsubscribe_fields[] = {
	INBOUND_HEAD,
	SESSION_FIELD(follow_unsubscribe),
};

const struct json_table follow_unsubscribe_table = { "Unsubscribe",
	                                             sizeof(struct follow_unsubscribe),
	                                             unsubscribe_fields,
	                                             ARRAY_LEN(unsubscribe_fields) };

static const struct json_field presence_fields[] = {
	INBOUND_HEAD,
	SESSION_FIELD(follow_presence),
};

const struct json_table follow_presence_table = { "Presence", sizeof(struct follow_presence),
	                                          presence_fields, ARRAY_LEN(presence_fields) };

static const struct json_field auth_fields[] = {
	INBOUND_HEAD,
	{ .name = "token",
	  .kind = JSON_STR,
	  .flags = JSON_REQUIRED,
	  .offset = offsetof(struct follow_auth, token),
	  .present = JSON_NO_PRESENT,
	  .min = 1,
	  .max = CRED_TOKEN_MAX,
	  .help = "The key, or an access token." },
};

const struct json_table follow_auth_table = { "Auth", sizeof(struct follow_auth), auth_fields,
	                                      ARRAY_LEN(auth_fields) };

/* ---- sessions ---- */

static const char no_session[] = "no such session";

/* Whether it is there was only read: nothing is unknown about it. */
static enum err_code readable(enum err_code code, struct err *err)
{
	if (code == ERR_TIMEOUT || code == ERR_UNKNOWN) {
		err->code = ERR_UNAVAILABLE;
	} else if (code == ERR_NOT_FOUND) {
		return err_set(err, ERR_NOT_FOUND, "%s", no_session);
	}
	return err->code;
}

enum err_code follow_session(struct inbound *inbound, struct str session, struct id *ret,
                             struct err *err)
{
	const struct socket *socket = inbound->socket;
	enum err_code code;

	if (!id_parse(session, ret)) {
		return err_set(err, ERR_NOT_FOUND, "%s", no_session);
	}
	code = viewer_may_see(&inbound->who, socket->outlet.feed->options.pg, ret, inbound->arena,
	                      err);
	return code != ERR_OK ? readable(code, err) : ERR_OK;
}

/* Its head, when there is something to follow and somebody to tell. */
static enum err_code look(struct inbound *inbound, const struct id *sid, struct log_head *ret,
                          struct err *err)
{
	const struct socket *socket = inbound->socket;
	enum err_code code = feed_look(socket->outlet.feed, sid, inbound->who.tenant, ret, err);

	if (code != ERR_OK) {
		return readable(code, err);
	}
	if (socket_is_over(socket) || socket->outlet.feed->stopping) {
		return err_set(err, ERR_CANCELLED, "the connection ends");
	}
	if (socket_find(socket, sid) != NULL) {
		return err_set(err, ERR_CONFLICT, "this session is followed here already");
	}
	return ERR_OK;
}

static void say_subscribed(struct inbound *inbound, const struct id *sid,
                           const struct cursor *after, const struct log_head *head)
{
	char at[CURSOR_SIZE], end[CURSOR_SIZE];
	struct buf json;
	struct jsonw w;

	cursor_format(after, at);
	cursor_format(&head->at, end);
	inbound_begin(inbound, "subscribed", &json, &w);
	jsonw_cstr(&w, "sessionId", sid->s);
	jsonw_cstr(&w, "after", at);
	jsonw_cstr(&w, "last", end);
	jsonw_cstr(&w, "status", session_state_name(head->state));
	inbound_say(inbound, &json, &w);
}

enum err_code follow_from(struct inbound *inbound, const struct id *sid, struct cursor after,
                          uint64_t classes, struct err *err)
{
	struct socket *socket = inbound->socket;
	struct subscriber *subscriber;
	struct channel *channel;
	struct log_head head;

	if (look(inbound, sid, &head, err) != ERR_OK) {
		return err->code;
	}
	/* The role is what it is by now: the key may have lost a scope meanwhile. */
	classes &= viewer_sees(socket->outlet.viewer);
	channel = feed_channel(socket->outlet.feed, sid, inbound->who.tenant, &head);
	subscriber = socket_follow(socket, channel, after, classes, err);
	if (subscriber == NULL) {
		return err->code;
	}
	say_subscribed(inbound, sid, &after, &head);
	(void)subscriber_pump(subscriber);
	return ERR_OK;
}

static uint64_t classes_of(const struct follow_subscribe *wish)
{
	uint64_t classes = event_classes_in((enum event_profile)wish->profile);

	return wish->has_role && wish->role == AUTH_OBSERVER
	               ? classes & event_classes_seen(EVENT_SEE_ANY)
	               : classes;
}

/* False: there is nobody who could be told. */
static bool watch(const struct socket *socket, const struct id *sid)
{
	struct subscriber *subscriber = socket_find(socket, sid);

	if (subscriber == NULL || socket_is_over(socket)) {
		return false;
	}
	audience_watch(subscriber, 0);
	return true;
}

enum err_code follow_subscribe(struct inbound *inbound, const void *body, struct err *err)
{
	const struct follow_subscribe *wish = body;
	const struct follow_cursor *after =
		wish->after.given ? &wish->after : &wish->starting_after;
	struct id sid;
	enum err_code code;

	if (wish->after.given && wish->starting_after.given) {
		return inbound_problem(inbound, "startingAfter",
		                       "must not be given together with after", err);
	}
	if (wish->has_role && wish->role == AUTH_PARTICIPANT &&
	    auth_part_of(&inbound->who) != AUTH_PARTICIPANT) {
		return inbound_problem(inbound, "role",
		                       "participant needs a key with the scope session:write", err);
	}
	code = follow_session(inbound, wish->session, &sid, err);
	if (code == ERR_OK) {
		code = follow_from(inbound, &sid, after->at, classes_of(wish), err);
	}
	if (code == ERR_OK && wish->presence) {
		(void)watch(inbound->socket, &sid); /* unless it is over already */
	}
	return code;
}

enum err_code follow_presence(struct inbound *inbound, const void *body, struct err *err)
{
	const struct follow_presence *wish = body;
	struct id sid;

	if (!id_parse(wish->session, &sid) || !watch(inbound->socket, &sid)) {
		return err_set(err, ERR_NOT_FOUND, "this session is not followed here");
	}
	return ERR_OK;
}

enum err_code follow_unsubscribe(struct inbound *inbound, const void *body, struct err *err)
{
	const struct follow_unsubscribe *wish = body;
	struct subscriber *subscriber;
	struct buf json;
	struct jsonw w;
	struct id sid;

	subscriber = id_parse(wish->session, &sid) ? socket_find(inbound->socket, &sid) : NULL;
	if (subscriber == NULL) {
		return err_set(err, ERR_NOT_FOUND, "this session is not followed here");
	}
	socket_unfollow(subscriber);
	inbound_begin(inbound, "unsubscribed", &json, &w);
	jsonw_cstr(&w, "sessionId", sid.s);
	inbound_say(inbound, &json, &w);
	return ERR_OK;
}

/* ---- the rest ---- */

enum err_code follow_auth(struct inbound *inbound, const void *body, struct err *err)
{
	const struct follow_auth *wish = body;
	struct socket *socket = inbound->socket;
	struct principal principal;
	enum err_code code = auth_text_check(socket->app->auth, wish->token, &principal, err);

	if (code != ERR_OK) {
		return readable(code, err);
	}
	if (socket_is_over(socket)) {
		return err_set(err, ERR_CANCELLED, "the connection ends");
	}
	return viewer_exchange(&socket->outlet, &principal, err);
}

enum err_code follow_ping(struct inbound *inbound, const void *body, struct err *err)
{
	struct buf json;
	struct jsonw w;

	(void)body;
	(void)err;
	inbound_begin(inbound, "pong", &json, &w);
	inbound_say(inbound, &json, &w);
	return ERR_OK;
}

/* That it came was all: the client lives. */
enum err_code follow_nothing(struct inbound *inbound, const void *body, struct err *err)
{
	(void)inbound;
	(void)body;
	(void)err;
	return ERR_OK;
}

/* A session that is no more is said so; the others go on. */
static void over(struct socket *socket, const struct subscriber *subscriber, enum outlet_over why)
{
	struct buf json;
	struct jsonw w;

	if (why != OUTLET_LOST) {
		return;
	}
	buf_init(&json, SOCKET_FRAME_MAX);
	jsonw_init(&w, &json);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "type", "error");
	jsonw_cstr(&w, "code", err_name(ERR_NOT_FOUND));
	jsonw_cstr(&w, "message", no_session);
	jsonw_cstr(&w, "sessionId", subscriber->channel->sid.s);
	jsonw_end_object(&w);
	(void)socket_say(socket, buf_str(&json));
	buf_fini(&json);
}

const struct socket_face follow_face = {
	.name = "follow",
	.format = FORMAT_SOCKET,
	.inbound = INBOUND_FOLLOW,
	.over = over,
};

void follow_get(struct http_request *req, struct http_reply *reply)
{
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct app *app = app_of(req);
	struct rest_socket query;
	struct viewer *viewer;
	struct err err;

	if (rest_query(req, &rest_socket_table, &query, problems) != ERR_OK) {
		rest_refuse(req, reply, problems);
		return;
	}
	if (app->feed == NULL) {
		http_problem(reply, req, ERR_UNAVAILABLE, NULL);
		http_retry_after(reply, 1);
		return;
	}
	viewer = viewer_enter(app->viewers, req->principal, &err);
	if (viewer == NULL) {
		node_problem(req, reply, &err);
	} else {
		(void)!socket_accept(req, reply, &follow_face, viewer);
	}
}
