/*
 * A duty: something that any scheduler does again and again, and that two may do at once.
 *
 * Each turn looks at what is true and moves it one step.  It may be stopped anywhere, by an
 * error or by kill -9, and the next turn, here or elsewhere, goes on.  A duty runs every so often
 * and whenever its bell rings.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "loop/fiber.h"

struct app;

struct duty {
	const char *name;
	/* ERR_OK, or why this turn ended early. */
	enum err_code (*turn)(struct app *app, struct err *err);
	uint64_t every_ms;
	struct app *app;
	struct fiber_signal bell;
	uint64_t turned_ms; /* end of the last turn, clock_mono_ms */
	enum err_code code; /* of the last turn */
};

void duty_init(struct duty *duty, struct app *app);
void duty_run(void *arg); /* the body of a fiber */
void duty_ring(struct duty *duty);
bool duty_alive(const struct duty *duty);

/* Within a turn that walks for long: a break as long as what it did since begun_ms, at most a
 * moment, so that a walk takes half of a core. Cut short when the fiber is cancelled. */
void duty_rest(uint64_t begun_ms);

/* Whether what went wrong with one item would go wrong with the next: the turn ends. */
bool duty_must_stop(enum err_code code);

/* After one item of a turn failed. ERR_OK: it was logged, the turn goes on; else it ends. */
enum err_code duty_item_failed(const char *what, enum err_code code, struct err *err) MUST_CHECK;
