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
#include "queue/queue_gate.h"

struct session_run;

struct session_budget {           /* nano USD */
	int64_t spent;            /* with what it retries, and its leases before */
	int64_t soft, hard, step; /* 0: none; step: what one answer adds */
	bool told;                /* that it is past the soft one */
	bool asking;              /* a fiber does */
	bool holds;               /* what the agent said before it froze is not heard yet */
	struct fiber_signal heard;
	/* What its tenant, user or project has spent, as it was last read. */
	struct queue_gate outside;  /* kind NONE: nothing */
	struct queue_gate told_of;  /* at the soft limit */
	struct queue_gate let_past; /* people said that it may go on */
};

void session_budget_load(struct session_run *s); /* from its order */
void session_budget_use(struct session_run *s, int64_t nano);
/* After use was reported: whether others' budgets are spent too. */
void session_budget_check(struct session_run *s);
/* What was read of them. */
void session_budget_hear_of(struct session_run *s, const struct queue_gate *hard,
                            const struct queue_gate *soft);
/* Before what the agent says is heard: the turn that people are asked about stays open. False: the
 * fiber was cancelled. */
bool session_budget_hear(struct session_run *s);
/* Before a prompt: waits while people are asked. False: it ends. */
bool session_budget_await(struct session_run *s);
