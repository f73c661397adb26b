/* The secrets of a session, for its worker alone: Redis carries what it cannot read. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "secret/secret.h"

struct app;
struct order_to;
struct session;

/* Escapes may double the values; names, the seal, and base64 of it all. */
enum { ORDER_SECRET_PLAIN = 2 * SECRET_OF_SESSION_BYTES + 8192 };
enum { ORDER_SECRET_MAX = ORDER_SECRET_PLAIN / 3 * 4 + 256 };

/* Whether its agent names any, or would take any by its type. */
bool order_wants_secrets(const struct session *session, struct arena *arena);

/*
 * {"session", "secrets": [{"name", "value"}]} sealed to the worker's key (cred/box.h), of those
 * that its agent names, or would take by its type, and that there are; "" for none. Of the arena.
 * Where they cannot be had, and never could: TASK_SECRETS_NONE and why.
 * ERR_UNAVAILABLE: the worker's key is not known at the moment.
 */
enum err_code order_secrets(struct app *app, const struct session *session,
                            const struct order_to *to, struct arena *arena, struct str *ret,
                            struct err *err) MUST_CHECK;
