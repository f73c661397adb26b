/*
 * Passwords hashed and checked (cred/password.h) off the loop.
 *
 * Each takes its memory and a tenth of a second on purpose, so few at a time, and whoever comes
 * when too many wait is sent away.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"
#include "cred/password.h"

struct hasher;
struct loop;

enum { HASHER_THREADS = 2, HASHER_WAITING_MAX = 32 };

struct hasher *hasher_new(struct loop *loop, const struct cred_cost *cost) MUST_CHECK;
void hasher_free(struct hasher *hasher); /* NULL is a no-op; no fiber may be waiting */

/* On a fiber. ERR_UNAVAILABLE: too many wait, or there is no memory. */
enum err_code hasher_hash(struct hasher *hasher, struct str password, char ret[CRED_STORED_SIZE],
                          struct err *err) MUST_CHECK;
/* On a fiber. stored NULL: there is none; that takes as long, and nothing is right. */
enum err_code hasher_check(struct hasher *hasher, const char *stored, struct str password,
                           bool *ret_ok, struct err *err) MUST_CHECK;
/* Was it stored at another cost than is usual now? */
bool hasher_is_stale(const struct hasher *hasher, const char *stored);
