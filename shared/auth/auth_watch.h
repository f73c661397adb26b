/*
 * Keeps what a process remembers about credentials in step with the others: hears their bells
 * (auth_bell.h) on a connection of its own, and notes once in AUTH_NOTE_MS which keys were used.
 */
#pragma once

#include "auth/auth.h"
#include "loop/fiber.h"

enum { AUTH_NOTE_MS = 1000 };

struct auth_watch;
struct loop;

struct auth_watch_options {
	struct loop *loop;
	struct auth *auth;
	const char *redis_url;
	unsigned redis_timeout_ms;
	struct fiber_group *duties; /* cancelled by its owner before auth_watch_free() */
};

/* NULL and err when the address of Redis is wrong. */
struct auth_watch *auth_watch_new(const struct auth_watch_options *options,
                                  struct err *err) MUST_CHECK;
void auth_watch_free(struct auth_watch *watch); /* NULL is a no-op */
