/*
 * What a node tells of itself, so that any API node can answer for all (GET /api/v1/nodes): its
 * state and its rates, every two seconds, in Redis.  Who is silent for ten is forgotten.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct jsonw;
struct redis;

/* The body of a fiber; arg is the node. */
void report_keep(void *arg);

/* What all living nodes said, as elements of an array. On a fiber. */
enum err_code report_list(struct redis *redis, struct jsonw *w, struct err *err) MUST_CHECK;
