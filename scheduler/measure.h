/* Duty: what is in the queue, for /metrics. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct app;

/* Classes are told by what they need; those that are gone are told as empty. */
enum { MEASURE_CLASSES = 64, MEASURE_NAME_SIZE = 64 };

struct measure {
	char names[MEASURE_CLASSES][MEASURE_NAME_SIZE];
	size_t count;
	uint64_t at_ms; /* of the last turn, clock_mono_ms() */
};

enum err_code measure_turn(struct app *app, struct err *err) MUST_CHECK;
