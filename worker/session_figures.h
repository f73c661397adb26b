/* What /metrics tells of the agents of this worker, by their type, and the spans of the same
 * moments. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct session_run;

struct session_figures {
	uint64_t ordered_us, turn_us; /* when they began; 0: no turn is open */
	bool runs;                    /* counted among those that run */
};

void session_figures_ordered(struct session_run *s);
/* It was started, or could not be. */
void session_figures_started(struct session_run *s, enum err_code code);
void session_figures_gone(struct session_run *s); /* harmless when repeated */
void session_figures_turn_began(struct session_run *s);
void session_figures_turn_ended(struct session_run *s);
/* The state that it was left in, or why it was left. */
void session_figures_ended(struct session_run *s, const char *state);
