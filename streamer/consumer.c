#include "streamer/consumer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "rest/query.h"
#include "steer/steer.h"
#include "streamer/app.h"
#include "streamer/audience.h"
#include "streamer/channel.h"
#include "streamer/consumer_frame.h"
#include "streamer/consumer_greet.h"
#include "streamer/consumer_private.h"
#include "streamer/recent.h"
#include "streamer/viewer.h"

/* A client may send 50 frames a second, and 20 at once. */
enum { BURST = 20, MS_A_FRAME = 20, GREETING_MAX = 960 * 1024 };

/* ---- limits ---- */

/* By the time at which the bucket is full again. */
static bool spend(struct socket *socket)
{
	struct consumer *consumer = socket->of_face;
	uint64_t now_ms = clock_mono_ms();

	if (consumer->full_ms < now_ms) {
		consumer->full_ms = now_ms;
	}
	if (consumer->full_ms - now_ms > (BURST - 1) * MS_A_FRAME) {
		return false;
	}
	consumer->full_ms += MS_A_FRAME;
	return true;
}

/* ---- the connection ---- */

static struct consumer *make(void)
{
	struct consumer *consumer = mem_calloc(1, sizeof(*consumer));

	consumer->start = mem_calloc(1, sizeof(*consumer->start));
	buf_init(&consumer->start->greeting, GREETING_MAX);
	return consumer;
}

static void free_start(struct consumer_start *start)
{
	if (start != NULL) {
		buf_fini(&start->greeting);
		free(start);
	}
}

static void destroy(struct consumer *consumer)
{
	free_start(consumer->start);
	free(consumer);
}

static void follow(struct socket *socket, const struct id *sid, const struct consumer_start *start)
{
	const struct principal *who = &socket->outlet.viewer->principal;
	struct feed *feed = socket->outlet.feed;
	struct subscriber *subscriber;
	struct channel *channel;
	struct err err;

	if (feed->stopping || socket_is_over(socket)) {
		return; /* it is told so next; or its key has ended while it came */
	}
	channel = feed_channel(feed, sid, who->tenant, &start->head);
	/* The role is what it is by now. */
	subscriber = socket_follow(socket, channel, start->at,
	                           start->classes & viewer_sees(socket->outlet.viewer), &err);
	if (subscriber != NULL) {
		audience_watch(subscriber, start->present);
		(void)subscriber_pump(subscriber);
	}
}

static void opened(struct socket *socket)
{
	struct consumer *consumer = socket->of_face;
	struct consumer_start *start = consumer->start;

	consumer->start = NULL; /* an idle connection is small */
	if (start->code != 0) {
		socket_close(socket, start->code, start->reason);
	} else {
		(void)outlet_say(&socket->outlet, buf_str(&start->greeting));
		follow(socket, &consumer->sid, start);
	}
	free_start(start);
}

/* One that has ended stays open: history can be asked for, and nobody comes back for nothing. */
static void over(struct socket *socket, const struct subscriber *subscriber, enum outlet_over why)
{
	(void)subscriber;
	if (why == OUTLET_LOST) {
		socket_close(socket, SOCKET_CODE_NOT_FOUND, "Session not found");
	}
}

static void closed(struct socket *socket)
{
	destroy(socket->of_face);
}

/* Of one that is open only its session is still asked for. */
static void record(const struct socket *socket, struct buf *out)
{
	const struct consumer *consumer = socket->of_face;

	buf_add_cstr(out, consumer->sid.s);
}

static bool adopt(struct socket *socket, struct str own)
{
	struct consumer *consumer = mem_calloc(1, sizeof(*consumer));

	socket->of_face = consumer;
	return id_parse(own, &consumer->sid);
}

const struct socket_face consumer_face = {
	.name = "consumer",
	.format = FORMAT_CONSUMER,
	.inbound = INBOUND_CONSUMER,
	.spend = spend,
	.opened = opened,
	.over = over,
	.closed = closed,
	.record = record,
	.adopt = adopt,
};

/* ---- the greeting ---- */

/* One request for it. */
struct coming {
	struct http_request *req;
	struct http_reply *reply;
	const struct principal *who;
	struct rest_consumer query;
	struct consumer *consumer;
	struct viewer *viewer;
};

static bool resumes(const struct coming *c)
{
	return c->query.has_after || c->query.has_starting_after || c->query.has_last_seen;
}

static void greet(const struct coming *c, const struct recent *recent)
{
	const struct past *past = &recent->past;
	struct buf *out = &c->consumer->start->greeting;

	consumer_greet_identity(c->who, out);
	consumer_greet_session(&recent->row, &recent->snapshot, out);
	if (!resumes(c) && (past->message_count > 0 || past->has_more)) {
		consumer_greet_history(past, (struct str){ NULL, 0 }, out);
	}
	if (auth_part_of(c->who) == AUTH_PARTICIPANT) {
		buf_add_str(out, buf_str(&recent->asks));
	}
	consumer_frame_consumers(&recent->present, (struct str){ NULL, 0 }, out);
	c->consumer->start->present = recent->present.version;
	consumer_greet_agent(recent->snapshot.state, out);
}

/* Where the client goes on: after what it has, or after what it is greeted with. */
static struct cursor place_of(const struct coming *c)
{
	const struct rest_consumer *query = &c->query;

	if (query->has_after) {
		return query->after;
	}
	if (query->has_starting_after) {
		return (struct cursor){ CURSOR_EPOCH_ANY, query->starting_after };
	}
	if (query->has_last_seen) {
		return (struct cursor){ CURSOR_EPOCH_ANY, query->last_seen };
	}
	return c->consumer->start->at;
}

/* ---- who comes, and to what ---- */

static void turn_away(struct consumer *consumer, unsigned code, const char *reason)
{
	consumer->start->code = code;
	consumer->start->reason = reason;
}

static bool may_come(const struct principal *who, const struct recent *recent)
{
	return auth_allows_session(who, &recent->row.id) &&
	       (who->any_namespace || auth_allows_namespace(who, recent->row.namespace));
}

/* A browser does not see why a handshake was refused, only why a connection was closed. */
static enum err_code find(struct coming *c, struct err *err)
{
	struct consumer *consumer = c->consumer;
	struct recent *recent;
	enum err_code code;

	if (!id_parse(c->req->params[0], &consumer->sid)) {
		turn_away(consumer, WS_CODE_POLICY, "Invalid session ID format");
		return ERR_OK;
	}
	code = recents_hold(app_of(c->req)->recents, &consumer->sid, c->who->tenant, &recent, err);
	if (code == ERR_OK && may_come(c->who, recent)) {
		consumer->start->head = recent->head;
		consumer->start->at = recent->snapshot.at;
		greet(c, recent);
		code = buf_failed(&consumer->start->greeting)
		               ? err_set(err, ERR_LIMIT, "the greeting is too large")
		               : ERR_OK;
		recents_release(recent);
		return code;
	}
	if (code == ERR_OK) {
		recents_release(recent);
	} else if (code != ERR_NOT_FOUND) {
		return code;
	}
	turn_away(consumer, SOCKET_CODE_NOT_FOUND, "Session not found");
	return ERR_OK;
}

static const struct err stopping = { .code = ERR_UNAVAILABLE, .msg = "stopping" };

static void let_in(struct coming *c)
{
	const struct app *app = app_of(c->req);
	struct consumer *consumer = c->consumer;
	struct socket *socket = NULL;

	consumer->start->at = place_of(c);
	consumer->start->classes =
		event_classes_in(c->query.profile != 0 ? (enum event_profile)(c->query.profile - 1)
	                                               : EVENT_PROFILE_FULL);
	if (app->feed != NULL) {
		socket = socket_accept(c->req, c->reply, &consumer_face, c->viewer);
		c->viewer = NULL; /* taken in any case */
	} else {
		node_problem(c->req, c->reply, &stopping);
	}
	if (socket != NULL) {
		socket->of_face = consumer;
		c->consumer = NULL;
	}
}

static bool understand(struct http_request *req, struct rest_consumer *query,
                       struct json_problems *problems)
{
	bool known = rest_query(req, &rest_consumer_table, query, problems) == ERR_OK;

	if (query->role == 1 + AUTH_PARTICIPANT && auth_part_of(req->principal) == AUTH_OBSERVER) {
		json_problem_add(problems, req->arena, "role",
		                 "participant needs a key with the scope session:write");
	}
	return known && problems->count == 0;
}

/* One may ask for less than one's own. */
static const struct principal *who_comes(struct http_request *req,
                                         const struct rest_consumer *query)
{
	struct principal *less = arena_take(req->arena, sizeof(*less));

	*less = *(const struct principal *)req->principal;
	less->observes = less->observes || query->role == 1 + AUTH_OBSERVER;
	return less;
}

void consumer_get(struct http_request *req, struct http_reply *reply)
{
	struct app *app = app_of(req);
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct coming c = { .req = req, .reply = reply };
	enum err_code code = ERR_OK;
	struct err err;

	if (!understand(req, &c.query, problems)) {
		rest_refuse(req, reply, problems);
		return;
	}
	if (app->feed == NULL) {
		node_problem(req, reply, &stopping);
		return;
	}
	c.who = who_comes(req, &c.query);
	c.viewer = viewer_enter(app->viewers, c.who, &err);
	if (c.viewer == NULL) {
		node_problem(req, reply, &err);
		return;
	}
	c.consumer = make();
	code = find(&c, &err);
	if (code == ERR_OK) {
		let_in(&c);
	} else {
		(void)steer_only_read(&err);
		node_problem(req, reply, &err);
	}
	if (c.viewer != NULL) {
		viewer_release(c.viewer);
	}
	if (c.consumer != NULL) {
		destroy(c.consumer);
	}
}
