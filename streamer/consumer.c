#include "streamer/consumer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "presence/presence.h"
#include "rest/query.h"
#include "steer/steer.h"
#include "streamer/app.h"
#include "streamer/channel.h"
#include "streamer/consumer_greet.h"
#include "streamer/consumer_private.h"
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

static void follow(struct socket *socket, const struct consumer *consumer)
{
	const struct principal *who = &socket->outlet.viewer->principal;
	struct feed *feed = socket->outlet.feed;
	struct subscriber *subscriber;
	struct channel *channel;
	struct err err;

	if (feed->stopping) {
		return; /* it is told so next */
	}
	channel = feed_channel(feed, &consumer->sid, who->tenant, &consumer->head);
	subscriber = socket_follow(socket, channel, consumer->at, consumer->classes, &err);
	if (subscriber != NULL) {
		(void)subscriber_pump(subscriber);
	}
}

static void opened(struct socket *socket)
{
	struct consumer *consumer = socket->of_face;

	if (consumer->code != 0) {
		socket_close(socket, consumer->code, consumer->reason);
		return;
	}
	(void)outlet_say(&socket->outlet, buf_str(&consumer->greeting));
	buf_fini(&consumer->greeting);
	follow(socket, consumer);
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
	struct consumer *consumer = socket->of_face;

	buf_fini(&consumer->greeting);
	free(consumer);
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

	buf_init(&consumer->greeting, GREETING_MAX);
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
	const struct feed_options *options;
	struct rest_consumer query;
	struct session row;
	struct consumer *consumer;
	struct viewer *viewer;
};

static bool resumes(const struct coming *c)
{
	return c->query.has_after || c->query.has_starting_after || c->query.has_last_seen;
}

static enum err_code greet(struct coming *c, struct err *err)
{
	struct consumer *consumer = c->consumer;
	struct past past = { .store = c->options->store,
		             .pg = c->options->pg,
		             .sid = consumer->sid,
		             .tenant = c->who->tenant,
		             .through = consumer->head.at.n,
		             .messages_max = resumes(c) ? 0 : PAST_MESSAGES_MAX,
		             .wants_pending = auth_role_of(c->who) == AUTH_PARTICIPANT };
	struct presence_set present = { 0 };
	enum err_code code = past_look(&past, err);

	if (code == ERR_OK) {
		code = presence_list(c->options->store->redis, &consumer->sid, &present, err);
	}
	if (code == ERR_OK) {
		consumer_greet_identity(c->who, &consumer->greeting);
		consumer_greet_session(&c->row, &consumer->head, &past, &consumer->greeting);
		if (past.message_count > 0 || past.has_more) {
			consumer_greet_history(&past, (struct str){ NULL, 0 }, &consumer->greeting);
		}
		consumer_greet_pending(&past, &consumer->greeting);
		consumer_greet_presence(&present, (struct str){ NULL, 0 }, &consumer->greeting);
		consumer_greet_agent(consumer->head.state, &consumer->greeting);
	}
	past_fini(&past);
	presence_set_fini(&present);
	return code == ERR_OK && buf_failed(&consumer->greeting)
	               ? err_set(err, ERR_LIMIT, "the greeting is too large")
	               : code;
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
	return c->consumer->head.at;
}

/* ---- who comes, and to what ---- */

static void turn_away(struct consumer *consumer, unsigned code, const char *reason)
{
	consumer->code = code;
	consumer->reason = reason;
}

/* A browser does not see why a handshake was refused, only why a connection was closed. */
static enum err_code find(struct coming *c, struct err *err)
{
	const struct steer steer = { .store = c->options->store,
		                     .pg = c->options->pg,
		                     .who = c->who,
		                     .arena = c->req->arena };
	struct consumer *consumer = c->consumer;
	enum err_code code;

	if (!id_parse(c->req->params[0], &consumer->sid)) {
		turn_away(consumer, WS_CODE_POLICY, "Invalid session ID format");
		return ERR_OK;
	}
	code = steer_find_row(&steer, &consumer->sid, &c->row, err);
	if (code == ERR_OK) {
		code = feed_look(app_of(c->req)->feed, &consumer->sid, c->who->tenant,
		                 &consumer->head, err);
	}
	if (code == ERR_NOT_FOUND) {
		turn_away(consumer, SOCKET_CODE_NOT_FOUND, "Session not found");
		return ERR_OK;
	}
	return code == ERR_OK ? greet(c, err) : code;
}

static const struct err stopping = { .code = ERR_UNAVAILABLE, .msg = "stopping" };

static void refuse_query(struct http_request *req, struct http_reply *reply,
                         const struct json_problems *problems)
{
	struct buf errors;

	buf_init(&errors, UINT16_MAX);
	json_problems_format(problems, &errors);
	http_problem_fields(reply, req, ERR_INVALID, NULL, buf_str(&errors));
	buf_fini(&errors);
}

static void let_in(struct coming *c)
{
	const struct app *app = app_of(c->req);
	struct consumer *consumer = c->consumer;
	struct socket *socket = NULL;

	consumer->at = place_of(c);
	consumer->classes = event_classes_seen(
		auth_role_of(c->who) == AUTH_PARTICIPANT ? EVENT_SEE_PARTICIPANT : EVENT_SEE_ANY);
	if (c->query.profile != 0) {
		consumer->classes &= event_classes_in((enum event_profile)(c->query.profile - 1));
	}
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

void consumer_get(struct http_request *req, struct http_reply *reply)
{
	struct app *app = app_of(req);
	struct json_problems *problems = arena_take(req->arena, sizeof(*problems));
	struct coming c = { .req = req, .reply = reply, .who = req->principal };
	enum err_code code = ERR_OK;
	struct err err;

	if (rest_query(req, &rest_consumer_table, &c.query, problems) != ERR_OK) {
		refuse_query(req, reply, problems);
		return;
	}
	if (app->feed == NULL) {
		node_problem(req, reply, &stopping);
		return;
	}
	if (c.query.role == 1 + AUTH_OBSERVER) {
		struct principal *less = arena_take(req->arena, sizeof(*less));

		*less = *c.who;
		less->observes = true;
		c.who = less;
	}
	c.viewer = viewer_enter(app->viewers, c.who, &err);
	if (c.viewer == NULL) {
		node_problem(req, reply, &err);
		return;
	}
	c.options = &app->feed->options;
	c.consumer = mem_calloc(1, sizeof(*c.consumer));
	buf_init(&c.consumer->greeting, GREETING_MAX);
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
		buf_fini(&c.consumer->greeting);
		free(c.consumer);
	}
}
