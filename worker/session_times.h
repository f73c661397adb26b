/* How long a session may take: between turns, in a turn that brings nothing, and at all. */
#pragma once

#include <stdint.h>

struct session_run;

struct session_times { /* 0: none */
	uint64_t idle_ms, progress_ms, life_ms;
	uint64_t ends_ms;       /* clock_mono_ms */
	uint64_t idle_since_ms; /* 0: it is not */
};

void session_times_begin(struct session_run *s); /* its agent has been started */
/* Ends it when it is time; may ask Redis who is there. */
void session_times_check(struct session_run *s, uint64_t now);
uint64_t session_times_due(const struct session_run *s); /* when to look; UINT64_MAX: never */
