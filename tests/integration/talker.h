/*
 * A WebSocket client of the tests, over a raw socket: it masks, counts and checks every byte
 * itself.  Needs the world of streamer_world.h.
 */
#pragma once

#include "json/value.h"
#include "tests/integration/streamer_world.h"
#include "ws/deflate.h"
#include "ws/frame.h"

struct talker {
	struct world *world;
	int fd;
	int status;    /* of the handshake */
	struct buf in; /* the head of the answer stays at its front until the first frame is read */
	bool ended;    /* the server has closed */
	bool mute;     /* does not answer pings */
	struct ws_inflater *inflater; /* NULL: permessage-deflate was not agreed on */
	size_t wire_bytes;            /* of frames */
	unsigned pings;               /* seen */
	const char *skips; /* texts of this type come at any time, and count only when expected */
	/* Of the frame just read. */
	enum ws_opcode opcode;
	bool compressed; /* it came so */
	struct buf payload;
	struct json_value *json; /* of a text frame */
	unsigned code;           /* of a Close frame */
};

/* Talkers offer permessage-deflate when TALKERS_OFFER=deflate is in the environment and their
 * headers do not: every test of plain sockets is one of compressed ones too. */

/* Handshake at that target ("/api/v1/ws"); further header lines. */
struct talker *talker_open(struct world *world, size_t streamer, const char *target,
                           const char *headers);
/* More bytes follow the handshake in one piece with it. */
struct talker *talker_open_with(struct world *world, size_t streamer, const char *target,
                                const char *headers, struct str more);
void talker_close(struct talker *talker);

/* A masked frame: FIN, RSV and opcode in first. */
void talker_send(struct talker *talker, unsigned first, struct str payload);
void talker_say(struct talker *talker, const char *fmt, ...) PRINTF_LIKE(2, 3); /* a text */

/* The next frame of any kind. False: the server has closed, or nothing came for that long. */
bool talker_frame(struct talker *talker, unsigned ms);
/* The next text; pings are answered on the way. Fails the test when there is none. */
void talker_next(struct talker *talker);
/* The next text is of that type. */
void talker_expect(struct talker *talker, const char *type);
/* What a Close frame says, and the server's end after it; texts before it are passed over. */
unsigned talker_goodbye(struct talker *talker);

struct str talker_str(const struct talker *talker, const char *name); /* of the text's object */
int64_t talker_int(const struct talker *talker, const char *name);

/* Events of that session up to n: each follows the one before. */
void talker_follow(struct talker *talker, const struct id *sid, struct cursor *at,
                   uint64_t through_n);
