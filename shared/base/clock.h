/*
 * Time.  Monotonic for waits and deadlines, wall for what people read; never mixed.
 * Pure code takes the time as an argument; everything else asks here, so a test can
 * stop or turn the clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

uint64_t clock_mono_ms(void); /* milliseconds since some fixed point, never backwards */
uint64_t clock_mono_us(void);
int64_t clock_wall_us(void); /* microseconds since 1970-01-01T00:00:00Z */

/* Tests: replace both clocks (us). NULL, NULL restores the real ones. */
void clock_replace(uint64_t (*mono_us)(void), int64_t (*wall_us)(void));

enum { CLOCK_RFC3339_SIZE = sizeof("2026-01-01T00:00:00.000000Z") };

/* RFC 3339, UTC, with milliseconds: 2026-01-01T00:00:00.000Z. What is outside the years 0000 to
 * 9999 becomes the nearest moment inside. */
void clock_format(int64_t wall_us, char out[CLOCK_RFC3339_SIZE]);

/* RFC 3339 section 5.6 with any offset, of the years 0001 to 9999; a leap second is the moment
 * after it; what is finer than a microsecond is dropped. */
bool clock_parse(struct str s, int64_t *ret_wall_us) MUST_CHECK;
