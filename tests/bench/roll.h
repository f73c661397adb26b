/* The clients of tests/bench/rolling: what the parts of rollclient share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
	ROLL_SESSIONS_MAX = 64,
	ROLL_TIMES_MAX = 1 << 20, /* that are kept of a kind */
	ROLL_SAID_MAX = 8,        /* failures that are told in words */
	ROLL_WORDS_MAX = 400,
	ROLL_READ_MAX = 64 * 1024,
	ROLL_AGAIN_US = 20000, /* after an answer that was none */
};

/* Microseconds each; those since the last report begin at `told`. */
struct roll_times {
	uint32_t *us;
	size_t count, told;
};

struct roll {
	unsigned port, streams, rate;
	const char *key;
	const char *sessions[ROLL_SESSIONS_MAX];
	size_t session_count;
	int epoll;
	uint64_t began_us;

	size_t open, refused, missed; /* of streams */
	struct roll_times without;    /* a connection */
	struct roll_times events;     /* how late they came */
	size_t failed, failed_told;   /* requests */
	struct roll_times answers;    /* how late they came */
	char said[ROLL_SAID_MAX][ROLL_WORDS_MAX];
	size_t said_count;
};

/* What epoll tells about; the first member of whatever has a descriptor. */
struct roll_end {
	void (*ready)(struct roll *roll, struct roll_end *end);
	int fd; /* -1: none */
};

void roll_die(const char *what);
void roll_time(struct roll_times *times, uint64_t us);
/* Without waiting; watched for input, and for the connection. */
void roll_dial(struct roll *roll, struct roll_end *end);
void roll_close(struct roll_end *end);

void roll_streams_begin(struct roll *roll);
void roll_streams_turn(struct roll *roll); /* those whose time has come connect again */

void roll_calls_begin(struct roll *roll);
void roll_calls_turn(struct roll *roll); /* what is due is asked */
