/*
 * Whether a reader keeps up.  Pure.
 *
 * The one measure is the socket: a reader that was never full while it was behind is as fast as we
 * are.  From the moment it was, its distance to the tip is looked at every so often; who would not
 * get there soon at the pace it had since is slow, until it has caught up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PACE_SOON = 12 }; /* looks */

struct pace {
	uint32_t since_ms; /* clock_mono_ms, its lower half; 0: it keeps up */
	uint32_t distance; /* events to the tip then */
};

/* Its socket is full, and it is that far behind. */
void pace_full(struct pace *pace, uint32_t now_ms, uint64_t distance);
/* Is it slow, by what it did in the last `after_ms` and more? Then forget it. */
bool pace_look(struct pace *pace, uint32_t now_ms, uint64_t distance, unsigned after_ms);
/* For at least that long it was behind. */
bool pace_is_behind(const struct pace *pace, uint32_t now_ms, unsigned for_ms);
void pace_caught_up(struct pace *pace);
