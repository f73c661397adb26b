/*
 * What is fetched once for all who ask for the same at the same moment: a crowd of requests for one
 * session costs Redis and PostgreSQL a few reads, not one each.
 *
 * Whoever comes while it is fetched gets what is fetched after that, not what is under way: that
 * may be older than what its client has been told already.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "loop/fiber.h"

struct flights;

struct flight_kind {
	size_t size; /* of what is fetched */
	/* On the fiber of one who asked, which cannot be cancelled meanwhile. Not ERR_OK: there is
	 * nothing to fini. */
	enum err_code (*fetch)(const void *what, void *ret, struct err *err);
	void (*fini)(void *fetched); /* NULL: nothing to do */
};

struct flight {
	struct flights *flights;
	const struct flight_kind *kind;
	char *key;
	unsigned holders;
	bool is_ready, is_fetching, is_over;
	struct flight *before, *after; /* after: of those who came while this one is fetched */
	struct fiber_signal changed;
	struct err err; /* what it ended with */
	void *fetched;
};

struct flights *flights_new(void) MUST_CHECK;
void flights_free(struct flights *flights); /* nobody holds one any more */

/* On a fiber. All who ask with the same key ask for the same: `what` may be anybody's. ERR_OK: what
 * is fetched stays as it is until flight_release(). */
enum err_code flight_hold(struct flights *flights, struct str key, const struct flight_kind *kind,
                          const void *what, struct flight **ret, struct err *err) MUST_CHECK;
void flight_release(struct flight *flight);
