/*
 * One WebSocket (RFC 6455): an outlet that several sessions may be followed on, and frames of the
 * client, which are handled one after the other.
 *
 * Why one after the other: what a client sends takes effect in its order (subscribe, then prompt,
 * then cancel) without a word about which frames belong together, and an idle connection has no
 * fiber.  While too much waits to be handled, or the client does not take its answers, reading
 * stops: it is slowed down by TCP, and no frame is refused for being early.
 *
 * Two faces speak over it (inbound.h has their frames); what both have in common is here.
 */
#pragma once

#include "streamer/inbound.h"
#include "streamer/subscriber.h"
#include "ws/frame.h"

struct app;
struct socket_input;

enum {
	SOCKET_IN_FLIGHT = 10, /* messages that wait to be handled */
	SOCKET_SUBSCRIPTIONS_MAX = 1024,
	SOCKET_FRAME_MAX = 128 * 1024, /* of what is said beside events */
};

/* Applications' codes; 4000 and above (RFC 6455 section 7.4.2). */
enum socket_code {
	SOCKET_CODE_UNAUTHORIZED = 4001,
	SOCKET_CODE_NOT_FOUND = 4404,
};

struct socket_face {
	const char *name; /* by which another streamer knows it */
	enum format format;
	enum inbound_face inbound;
	/* May the client send a frame now? NULL: as often as it likes. */
	bool (*spend)(struct socket *socket);
	/* It is open: say hello. NULL: there is nothing to say. */
	void (*opened)(struct socket *socket);
	/* Nothing more comes for a subscriber; it is freed after this. */
	void (*over)(struct socket *socket, const struct subscriber *subscriber,
	             enum outlet_over why);
	/* The connection is gone, and no frame is being handled: free what is the face's. NULL:
	 * nothing. */
	void (*closed)(struct socket *socket);
	/* What it keeps, for the streamer that takes over; and that, in a socket which is not open
	 * yet: false: it is not to be understood. NULL: of_face is not used. */
	void (*record)(const struct socket *socket, struct buf *out);
	bool (*adopt)(struct socket *socket, struct str own);
};

struct socket {
	struct outlet outlet;
	const struct socket_face *face;
	struct app *app;
	void *of_face;              /* what the face keeps for this connection */
	struct socket_input *input; /* NULL: nothing of the client's is here */
	uint64_t heard_ms;          /* clock_mono_ms: last sign of life */
	uint64_t ping_ms;           /* when the next is due */
	uint64_t closing_ms;        /* when our Close was sent; 0: it was not */
	size_t subscriptions;
	bool deflates; /* the client may compress its messages */
	bool gone;     /* closed() came */
};

/* Beside http's connection, with a subscriber and an intake: half of a kilobyte. */
enum { SOCKET_BYTES_MAX = 512 };
_Static_assert(sizeof(struct socket) + sizeof(struct subscriber) + sizeof(struct intake) <=
                       SOCKET_BYTES_MAX,
               "an idle socket is small");

/*
 * Answer a handshake: 101 and a new socket as the reply's stream, or a refusal.  NULL: refused.
 * The viewer is taken in any case.
 */
struct socket *socket_accept(struct http_request *req, struct http_reply *reply,
                             const struct socket_face *face, struct viewer *viewer) MUST_CHECK;

/* A socket that answers nothing; deflates: the client may compress its messages. The viewer is the
 * socket's. */
struct socket *socket_new(struct app *app, const struct socket_face *face, struct viewer *viewer,
                          bool deflates) MUST_CHECK;
extern const struct http_stream_ops socket_ops;

/* One text frame. False: the connection is ended, or was said goodbye to. */
bool socket_say(struct socket *socket, struct str json);

/* Follow one more session. NULL and err: ERR_LIMIT. Nothing is written yet: answer the client, then
 * subscriber_pump() it. */
struct subscriber *socket_follow(struct socket *socket, struct channel *channel, struct cursor at,
                                 uint64_t types, struct err *err) MUST_CHECK;
struct subscriber *socket_find(const struct socket *socket, const struct id *sid);
/* No more frames of it after the one that is half out. */
void socket_unfollow(struct subscriber *subscriber);

/* The connection is open, or goes on here: its client lives, and is asked for signs of that. */
void socket_begin(struct socket *socket);
void socket_input(struct socket *socket, struct str bytes); /* of the client */
/* Bytes of the client that were read, but not dealt with: appended. False: a message is being
 * handled. The socket is not over. */
bool socket_input_pending(const struct socket *socket, struct buf *out) MUST_CHECK;

/* Say goodbye: what was said before goes out first, and the client's answer is awaited for a
 * moment. */
void socket_close(struct socket *socket, unsigned code, const char *reason);

/* Nobody may wait for this client any more. */
static inline bool socket_is_over(const struct socket *socket)
{
	return socket->gone || socket->outlet.ended || socket->closing_ms != 0;
}
