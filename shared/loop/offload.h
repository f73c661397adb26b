/*
 * A small pool of threads for work that blocks or takes long: password hashing, file
 * trees, diffs.  The work gets a struct of its own and must not touch anything the loop
 * owns.  It cannot be abandoned: the calling fiber waits until it is done.
 */
#pragma once

#include <stddef.h>

#include "base/attr.h"

struct loop;
struct offload;

struct offload *offload_new(struct loop *loop, size_t threads) MUST_CHECK;
void offload_free(struct offload *offload); /* no fiber may be waiting */

/* Run fn(arg) on a thread and wait for it. */
void offload_call(struct offload *offload, void (*fn)(void *arg), void *arg);
