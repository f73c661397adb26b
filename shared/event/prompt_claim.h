/*
 * Whose a prompt is: its clients', who may change it or take it back while it waits, or its
 * agent's, from just before its command_started on.  One of both gets it, for good; Redis decides.
 *
 * Versions count from 1, each change is one more.  What Redis forgets when it is lost is decided by
 * the command's row: what was taken back there is not given to a worker again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"

struct redis;

enum prompt_claim { PROMPT_MINE, PROMPT_GONE, PROMPT_NEWER };

/* For the agent. PROMPT_GONE: it was taken back; PROMPT_NEWER: it was changed, and the worker does
 * not have that yet. Again is the same. */
enum err_code prompt_claim_take(struct redis *redis, const struct id *session, const char *prompt,
                                uint64_t version, enum prompt_claim *ret,
                                struct err *err) MUST_CHECK;

/* By a client; version 0: it is taken back. *ret false: the agent has it. */
enum err_code prompt_claim_change(struct redis *redis, const struct id *session,
                                  const struct id *prompt, uint64_t version, bool *ret,
                                  struct err *err) MUST_CHECK;
