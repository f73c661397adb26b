/*
 * What every Fairlead process does the same way: settings, logs, signals, the connections
 * to Redis and PostgreSQL, the server with /healthz, /readyz, /version and /metrics, and
 * stopping in order.  A program adds its routes and duties.
 *
 *	start: settings -> log -> loop -> redis, pg (connect in the background) -> server -> start()
 *	ready: redis is connected, its generation is known, pg answers (when wanted), not draining
 *	stop:  SIGTERM -> readyz 503 -> drain.delay -> drain() -> stop() -> cancel duties
 *	       -> drain the server -> close() -> exit 0
 *
 * A Redis that may evict and a PostgreSQL that may lose commits are refused once at the start,
 * unless unsafe.storage says otherwise: status 1.
 *
 * The generation of a Redis server (design: what its run id means to PostgreSQL) is learnt anew at
 * each connection, and when Redis was emptied: from PostgreSQL by those who have it, who also leave
 * it in Redis for those who do not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"
#include "event/log.h"
#include "http/http.h"
#include "loop/fiber.h"

struct jsonw;
struct loop;
struct pg;
struct redis;

enum node_needs { NODE_REDIS = 1, NODE_PG = 2 };

struct node;

struct node_options {
	const char *program; /* "fairlead-api" */
	unsigned needs;
	const char *(*listen)(const struct conf *conf);
	const struct http_route *routes; /* the program's own; the probes are added */
	size_t route_count;
	bool (*admit)(struct http_request *req,
	              struct http_reply *reply); /* of routes with facts; NULL: none */
	/* After each request that admit() saw, whatever became of it. NULL: nothing to do. */
	void (*done)(const struct http_request *req, int status);
	/* Runs on a fiber once the server listens; may start duties in node->duties. An error ends
	 * the process. */
	enum err_code (*start)(struct node *node, struct err *err);
	/* Runs on a fiber at SIGTERM while everything still works: let clients go one after the
	 * other, for no longer than that; it is a part of drain.timeout. NULL: nothing to do. */
	void (*drain)(struct node *node, unsigned for_ms);
	/* Runs on a fiber after that, before the server is drained; bounded by the caller. NULL:
	 * nothing to do. */
	void (*stop)(struct node *node);
	/* After the last connection and the loop's last turn, before Redis and PostgreSQL go: free
	 * what start() made, if it ever ran. NULL: nothing to do. */
	void (*close)(struct node *node);
	/* Runs on the loop each time Redis is there again (also the first), once store.generation
	 * is known. NULL: none. */
	void (*redis_back)(struct node *node);
	/* The server has no socket before start() calls node_listen() or http_server_take(). */
	bool listens_late;
	/* What readyz asks beside Redis and PostgreSQL; may add members. NULL: nothing. */
	bool (*ready)(const struct node *node, struct jsonw *w);
};

enum { NODE_MARK_SIZE = 160 };

struct node {
	struct conf conf;
	struct loop *loop;
	struct redis *redis;       /* for commands */
	struct pg *pg;             /* NULL unless NODE_PG */
	bool joined;               /* the schema is what this version needs (roster.h) */
	struct log_store store;    /* .generation is 0 until known */
	char mark[NODE_MARK_SIZE]; /* what Redis has while it is of that generation (generation.h)
	                            */
	struct http_server *server;
	struct fiber_group duties;
	bool stopping;
	void *app; /* the program's */
	const struct node_options *options;
};

/* The whole life of a process; returns its exit status. */
int node_run(const struct node_options *options, int argc, char **argv);

/* Of a request's server. */
static inline struct node *node_of(const struct http_request *req)
{
	return req->app;
}

/* End the process with status 1 after an orderly stop; why is logged. */
void node_fail(struct node *node, const struct err *err);

/* On a fiber: until Redis and PostgreSQL are there and the generation is known. */
enum err_code node_await_ready(struct node *node, uint64_t timeout_ms, struct err *err) MUST_CHECK;
/* Listen where the program does, when it listens late. */
enum err_code node_listen(struct node *node, struct err *err) MUST_CHECK;
/* Stop in order with status 0, and at once: another process does the work already. */
void node_leave(struct node *node);

/* 503 with Retry-After when Redis or PostgreSQL is away, else the problem of that error; a detail
 * only where it helps the client. */
void node_problem(struct http_request *req, struct http_reply *reply, const struct err *err);

/* One line each time: the build. */
const char *node_version(void);
const char *node_commit(void); /* "" when built outside a checkout */
