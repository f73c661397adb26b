/*
 * Letting streams go when the process stops: not all at once, because each of them comes back
 * elsewhere and asks for what it missed.
 *
 * They go at an even rate over the time there is, those who have all their sessions' events first;
 * who still catches up may finish, until three quarters of the time are over.  A few streams take
 * less time than that.
 */
#pragma once

#include <stdint.h>

#include "base/attr.h"

struct feed;
struct node;

/* On a fiber: returns when no stream is left, or after for_ms. */
void drain_streams(struct node *node, struct feed *feed, unsigned for_ms);

/* Streams that may go in this tick. Pure. owed is what former ticks left of one. */
struct drain_pace {
	double owed;
};
unsigned drain_share(struct drain_pace *pace, unsigned ready, uint64_t tick_ms, uint64_t left_ms);
