/*
 * Streamers as processes beside a Redis of the test's own and the wrapper's PostgreSQL, sessions to
 * append to, and viewers that follow them over raw sockets.
 *
 * A body runs on a fiber; whatever it waits for has a deadline that fails the test.
 */
#pragma once

#include "cred/apikey.h"
#include "event/segment.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "redis/redis.h"
#include "sse/sse.h"
#include "tests/integration/redis_server.h"
#include "tests/support/test.h"

#define TENANT  "acme"
#define FOREIGN "rival"

#define WORLD_PEPPER "a pepper of the tests, long enough"

enum { STREAMERS = 2, WORLD_WAIT_MS = 20000 };

struct streamer {
	pid_t pid;
	char path[REDIS_SERVER_PATH]; /* of its socket */
};

struct world {
	struct loop *loop;
	struct redis_server server;
	struct redis *redis;
	struct pg *pg;
	struct log_store store;
	char key[CRED_KEY_MAX + 1]; /* of a participant */
	char observer_key[CRED_KEY_MAX + 1], foreign_key[CRED_KEY_MAX + 1],
		poor_key[CRED_KEY_MAX + 1];
	char admin_key[CRED_KEY_MAX + 1], foreign_admin_key[CRED_KEY_MAX + 1];
	char narrow_key[CRED_KEY_MAX + 1]; /* of namespaces that no session here is in */
	struct streamer streamers[STREAMERS];
	const char *const *settings; /* of the streamers: "NAME=value", NULL at the end; or NULL */
	bool keeps;                  /* Redis keeps its data through a kill */
	bool hands_over;             /* streamers offer their streams to their successors */
	unsigned port;               /* 0: unix sockets; else that one and those after it */
	int receive_bytes;           /* of viewers' sockets; 0: as usual */
	void (*body)(struct world *world);
};

void world_run(struct world *world); /* body, settings and keeps are set */

/* Started, and ready unless it is not waited for. */
void world_start(struct world *world, size_t streamer);
void world_await_ready(struct world *world, size_t streamer);
/* A second process that takes over from this one. It becomes the streamer when its pid is put
 * there.
 */
pid_t world_start_successor(struct world *world, size_t streamer);
int world_await_end(pid_t pid); /* its exit status */
void world_handover_path(const struct world *world, size_t streamer, char *ret, size_t size);
/* world->port: two ports that nobody uses. */
void world_find_ports(struct world *world);
int world_stop(struct world *world, size_t streamer, int signo); /* its exit status */
/* One command of words without spaces, to Redis. */
void world_say(struct world *world, const char *line);
/* A figure of /metrics: the line that begins with that. */
uint64_t world_metric(struct world *world, size_t streamer, const char *name);
/* The same address, and the generation that the server has then. */
void world_restart_redis(struct world *world);

/* ---- sessions ---- */

struct id world_session(struct world *world); /* row and log: two events, queued */
/* That many notes, one batch each when `batch` is 1; the last cursor. */
struct cursor world_notes(struct world *world, const struct id *sid, unsigned count,
                          unsigned batch);
struct cursor world_append(struct world *world, const struct id *sid, enum event_type type,
                           struct str data);
struct cursor world_raise(struct world *world, const struct id *sid, const char *token);
struct cursor world_finish(struct world *world, const struct id *sid); /* cancelled */
void world_archive(struct world *world, const struct id *sid, uint64_t hot);

/* ---- HTTP ---- */

/* From here on who asks administers, from whom nothing of a log is hidden. */
void world_administer(struct world *world);

/* A whole exchange; the answer's head and body are added to ret. Returns the status, 0 when nobody
 * listens. Without an Authorization header the key of the tenant is used. */
int world_ask(struct world *world, size_t streamer, const char *method_and_target,
              const char *headers, struct buf *ret);
/* A GET, and of the answer only the body. */
int world_get(struct world *world, size_t streamer, const char *target, const char *headers,
              struct buf *ret_body);

/* Connected, or -1. */
int world_dial(const struct world *world, size_t streamer);
/* A peer that is gone shows when the answer is read. */
void world_send(int fd, struct str bytes);
/* More bytes into in. False: the end, or nothing for that long. */
bool world_receive(int fd, struct buf *in, unsigned ms, bool *ret_end);
const char *world_end_of_head(const struct buf *in); /* NULL: it is not all there */

struct viewer {
	struct world *world;
	int fd;
	int status;
	struct buf in;           /* bytes not yet parsed */
	struct z_stream_s *gzip; /* NULL: they come plain */
	size_t wire_bytes;       /* of the body, so far */
	bool whole;              /* the gzip stream had its end, and its sum was right */
	struct str rest;
	struct sse_parser parser;
	bool ended;        /* the server has closed */
	bool wants_drains; /* they are shown; else passed over: they are no events of the session */
};

/* Viewers take gzip when VIEWERS_ACCEPT=gzip is in the environment: every test of plain streams is
 * one of compressed streams too. */

/* Follow a session; query is "?..." or "", last the Last-Event-ID or "". */
struct viewer *viewer_open(struct world *world, size_t streamer, const struct id *sid,
                           const char *query, const char *last);
/* NULL when that streamer is not there, or not any more. */
struct viewer *viewer_try(struct world *world, size_t streamer, const struct id *sid,
                          const char *query, const char *last);
void viewer_close(struct viewer *viewer);
/* Bytes of the body that were read past viewer_next(), made plain in place. */
void viewer_unpack(struct viewer *viewer, struct buf *in);
/* The next event; false: the stream has ended. Fails the test when nothing comes. */
bool viewer_next(struct viewer *viewer);
/* The same; false also when nothing came for that long. */
bool viewer_next_within(struct viewer *viewer, unsigned ms);
bool viewer_is(const struct viewer *viewer, const char *name); /* of the event just read */
struct cursor viewer_at(const struct viewer *viewer);          /* its id */
/* Read n events after *at: each follows the one before. */
void viewer_expect(struct viewer *viewer, struct cursor *at, uint64_t through_n);
