/*
 * What the breaker of a tenant's agents of one type hears of a session's agent
 * (queue/queue_gate.h).
 *
 * Bad is one that ends by itself within five seconds, that does not get ready for prompts, or whose
 * provider refuses its credentials or is overloaded; good is one that its provider answered: a turn
 * that ended well, or tokens used.  Once each in a lease.  Commands are not looked at: how they end
 * is the task's affair.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct session_run;

struct session_breaker {
	uint64_t started_ms; /* its agent; 0: not yet */
	bool bad, good;      /* was told */
};

void session_breaker_started(struct session_run *s);
void session_breaker_ended(struct session_run *s); /* its agent, by itself or not */
void session_breaker_bad(struct session_run *s, const char *why);
void session_breaker_good(struct session_run *s);
/* data: of an error event. */
void session_breaker_error(struct session_run *s, struct str data);
