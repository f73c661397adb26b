/*
 * Parts of bench_append: what is measured, against which servers, and the lines of its table.
 *
 * Everything runs against the private Redis and PostgreSQL of the wrappers. A round appends to new
 * logs, and Redis is emptied before it, so that no round pays for the one before.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "cred/apikey.h"
#include "event/log.h"

#define APPEND_TENANT "acme"
#define APPEND_PEPPER "a pepper of the bench, long enough"
/* An event as agents write them: a line of output of a usual length. */
#define APPEND_EVENT                                                                               \
	"\"level\":\"info\",\"stream\":\"stdout\",\"message\":\"a line of output as agents write " \
	"them, of a usual length, which is about this\""

enum { APPEND_SESSIONS_MAX = 256, APPEND_IN_FLIGHT = 64, APPEND_WAIT_MS = 20000 };

struct pg;

struct append_bench {
	unsigned seconds;   /* of each round */
	const char *socket; /* of Redis */
	pid_t redis_pid;
	pid_t api_pid; /* 0: there is none */
	unsigned api_port;
	char key[CRED_KEY_MAX + 1];
	struct redis *redis;
	struct pg *pg;
	struct log_store store;
	struct id sessions[APPEND_SESSIONS_MAX];
	struct { /* redis-benchmark with the batch at hand: events/s, CPU us of Redis for each */
		double rate, redis_us;
	} yardstick;
};

struct append_round {
	const char *what;
	unsigned batch; /* events of one append */
	uint64_t appends, events;
	uint64_t took_us;
	uint64_t client_us, api_us, redis_us; /* CPU; 0: had no part in it */
};

void append_die(const char *what, const char *why) __attribute__((noreturn));
uint64_t append_cpu_us(pid_t pid); /* of all its threads so far; 0: of no process */

void append_print_head(const struct append_bench *bench);
void append_print(const struct append_bench *bench, const struct append_round *round);

/* An empty Redis with that many logs, in sessions[]. */
void append_prepare(struct append_bench *bench, unsigned sessions);
uint64_t append_tail(const struct append_bench *bench, const struct id *sid); /* its last n */

/* ---- append_script.c: the script ---- */

/* Through log_append(), many at once on one connection: one session and no producers, as
 * redis-benchmark has it, or a session and a producer for each that is in flight. */
void append_by_script(struct append_bench *bench, unsigned batch, bool producers);
/* redis-benchmark with the words that log_append() itself sends. Sets the yardstick. */
void append_by_benchmark(struct append_bench *bench, unsigned batch);

/* ---- append_api.c: over HTTP ---- */

void append_start_api(struct append_bench *bench);
void append_stop_api(struct append_bench *bench);
void append_by_session(struct append_bench *bench, unsigned batch);
/* POST /api/v1/events: many sessions in each request. */
void append_by_many(struct append_bench *bench, unsigned batch);
