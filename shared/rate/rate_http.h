/* Limits at the door: what a request is charged, and the answers to those that ask too often. */
#pragma once

#include "auth/auth.h"
#include "http/http.h"
#include "rate/rate.h"

struct conf;

enum { RATE_COST_NO_CREDENTIAL = 1, RATE_COST_WRONG_CREDENTIAL = 5 };
/* A minute, and at once, where rate.user and rate.address do not name auth; as their defaults say.
 */
enum { RATE_GUESSES = 10, RATE_GUESSES_BURST = 20, RATE_ADDRESS_AUTH = 300 };

/* By the settings rate.*. NULL and err: one of them is no limit. */
struct rate *rate_open(const struct conf *conf, struct redis *redis, struct err *err) MUST_CHECK;

/* Before its credential is looked at, so that guessing is slow however many guesses there are.
 * False: too much was refused to this address; reply is 429. */
bool rate_admit_stranger(struct rate *rate, const struct http_request *req,
                         struct http_reply *reply) MUST_CHECK;

/* On a fiber, when reply is 401: its address is charged, and more for a wrong credential than for
 * none. The reply may become 429. */
void rate_charge_stranger(struct rate *rate, const struct http_request *req, bool streams,
                          struct http_reply *reply);

/* On a fiber: charge the address, and the tenant, user and key of who asks (NULL: nobody), and tell
 * in RateLimit-Limit, -Remaining and -Reset what is left of the limit that has least. False: reply
 * is 429 with Retry-After. */
bool rate_admit(struct rate *rate, const struct http_request *req, const struct principal *who,
                enum rate_class which, struct http_reply *reply) MUST_CHECK;

/* 429 with Retry-After and the fields, for a verdict of rate_take(). */
void rate_answer(const struct http_request *req, const struct rate_verdict *verdict,
                 struct http_reply *reply);
