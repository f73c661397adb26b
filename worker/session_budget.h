/*
 * What a session may cost.  Its worker adds up what its agent uses and asks no server.  At the soft
 * limit an event says so.  At the hard limit the agent is frozen where it is, in the middle of a
 * turn, or is given no further prompt, and people are asked: it goes on with as much again, or is
 * stopped.  What is used at the moment when a report crosses the limit is spent already.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "loop/fiber.h"

struct session_run;

struct session_budget {           /* nano USD */
	int64_t spent;            /* with what it retries, and its leases before */
	int64_t soft, hard, step; /* 0: none; step: what one answer adds */
	bool told;                /* that it is past the soft one */
	bool asking;              /* a fiber does */
	bool holds;               /* what the agent said before it froze is not heard yet */
	struct fiber_signal heard;
};

void session_budget_load(struct session_run *s); /* from its order */
void session_budget_use(struct session_run *s, int64_t nano);
/* Before what the agent says is heard: the turn that people are asked about stays open. False: the
 * fiber was cancelled. */
bool session_budget_hear(struct session_run *s);
/* Before a prompt: waits while people are asked. False: it ends. */
bool session_budget_await(struct session_run *s);
