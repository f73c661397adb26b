/*
 * The addresses of a host, by the system's resolver (getaddrinfo(3)), which blocks: each question
 * is asked on a thread of its own, which outlives it when its asker does not wait for the answer.
 */
#pragma once

#include <sys/socket.h>

#include "base/attr.h"

struct addrinfo;
struct loop;
struct lookup;

/* From the loop, once. found: NULL when there is none, then problem says why. Both are borrowed;
 * the lookup is gone. */
typedef void(lookup_fn)(void *arg, const struct addrinfo *found, const char *problem);

/* Addresses for streams to that host and port. Never NULL. */
struct lookup *lookup_begin(struct loop *loop, const char *host, unsigned port, lookup_fn *done,
                            void *arg) MUST_CHECK;
/* done() is not called; never waits. NULL is harmless. */
void lookup_cancel(struct lookup *lookup);
