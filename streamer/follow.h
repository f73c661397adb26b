/*
 * GET /api/v1/ws: any number of sessions followed and steered on one WebSocket, in our own frames
 * (socket_frame.h, inbound.def).
 */
#pragma once

#include "base/id.h"
#include "event/cursor.h"
#include "event/event.h"
#include "http/http.h"
#include "streamer/inbound.h"
#include "streamer/socket.h"

extern const struct socket_face follow_face;

void follow_get(struct http_request *req, struct http_reply *reply);

/* "1-42", or a number n. */
struct follow_cursor {
	struct cursor at;
	bool given;
};

/* JSON_CUSTOM, into a struct follow_cursor. */
void follow_decode_cursor(const struct json_value *value, const char *path, void *out,
                          struct arena *arena, struct json_problems *problems);
extern const char follow_cursor_schema[];

/* subscribe */
struct follow_subscribe {
	struct inbound_head head;
	struct str session;
	struct follow_cursor after, starting_after;
	unsigned profile; /* enum event_profile */
	unsigned role;    /* enum auth_part, when has_role */
	bool has_role;
	bool presence;
};
extern const struct json_table follow_subscribe_table;
inbound_fn follow_subscribe;

/* unsubscribe */
struct follow_unsubscribe {
	struct inbound_head head;
	struct str session;
};
extern const struct json_table follow_unsubscribe_table;
inbound_fn follow_unsubscribe;

/* presence */
struct follow_presence {
	struct inbound_head head;
	struct str session;
};
extern const struct json_table follow_presence_table;
inbound_fn follow_presence;

/* auth */
struct follow_auth {
	struct inbound_head head;
	struct str token;
};
extern const struct json_table follow_auth_table;
inbound_fn follow_auth;

inbound_fn follow_ping;    /* answered by a pong */
inbound_fn follow_nothing; /* only acknowledged */

/* On the inbound's fiber: the session that a frame names, if this client may see it. */
enum err_code follow_session(struct inbound *inbound, struct str session, struct id *ret,
                             struct err *err) MUST_CHECK;

/* Follow a session that this client may see, of these classes what its role sees, and say that it
 * is subscribed. */
enum err_code follow_from(struct inbound *inbound, const struct id *sid, struct cursor after,
                          uint64_t classes, struct err *err) MUST_CHECK;
