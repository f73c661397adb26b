/*
 * A load of many connections that follow channels, and of events published to them, for whichever
 * server: what is said to it is a plan, a file.
 *
 *	send TEXT      send these bytes           frame TEXT     send them as a WebSocket text
 *	wait TEXT      until that has come        publish TEXT   what publishing one event is
 *	answer TEXT    what comes for each that was published
 *
 * in TEXT, \r \n \\ are what they are in C, {ch} is the channel, {due} the time at which the event
 * was due, in microseconds of CLOCK_MONOTONIC, after "due=": that is how an event is known when
 * it arrives, and how late it is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

enum {
	FAN_STEPS_MAX = 16,
	FAN_PORTS_MAX = 8,
	FAN_SLOTS = 1 << 17, /* of latency, FAN_SLOT_US each */
	FAN_SLOT_US = 10,
	FAN_DIGITS = 16,
	FAN_TEXT_MAX = 16 * 1024,
};

enum fan_verb { FAN_SEND, FAN_FRAME, FAN_WAIT };

struct fan_step {
	enum fan_verb verb;
	char *text;
};

struct fan_plan {
	struct fan_step steps[FAN_STEPS_MAX];
	size_t count;
	char *publish, *answer;
	char **channels;
	size_t channel_count;
};

struct fan_load {
	const struct fan_plan *plan;
	unsigned ports[FAN_PORTS_MAX];
	unsigned port_count, publish_port;
	unsigned connections, processes, sources;
	unsigned connecting; /* at a time, in a process */
	unsigned rate, seconds;
	unsigned publishers, depth; /* connections that publish, and events in flight on each */
	uint64_t expect;            /* cold: events on each connection */
	bool stalled;               /* nobody reads */
};

/* Shared between processes; each reader has its own. */
struct fan_result {
	volatile uint64_t ready, delivered, bytes, reads, closed, last_us;
	volatile uint64_t slots[FAN_SLOTS];
};

struct fan_published {
	volatile uint64_t begun_us, sent, answered, ended_us;
	volatile bool done;
};

void fan_die(const char *what);
void fan_plan_read(const char *plan, const char *channels, struct fan_plan *ret);
/* The text with {ch} and {due} put in; its length. out has FAN_TEXT_MAX bytes. */
size_t fan_fill(const char *text, const char *channel, uint64_t due_us, char *out);
int fan_dial(unsigned port, unsigned source);

/* Processes that never return. */
void fan_read(const struct fan_load *load, unsigned process, struct fan_result *result);
void fan_publish(const struct fan_load *load, struct fan_published *result);
