/*
 * Who a stream acts for.  All streams of one key share one viewer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "auth/auth.h"
#include "base/arena.h"
#include "pg/pg.h"

struct viewers;

struct viewer {
	struct viewers *viewers;
	size_t streams; /* that hold it */
	struct principal principal;
};

struct viewers *viewers_new(void) MUST_CHECK;
void viewers_free(struct viewers *viewers); /* nobody holds one any more */

/* On a fiber: a key may be limited to namespaces; whether the session is the tenant's is compared
 * wherever its log is read. ERR_NOT_FOUND: not for this principal. */
enum err_code viewer_may_see(const struct principal *principal, struct pg *pg, const struct id *sid,
                             struct arena *arena, struct err *err) MUST_CHECK;

/* One more stream for this principal. */
struct viewer *viewer_hold(struct viewers *viewers, const struct principal *principal) MUST_CHECK;
void viewer_release(struct viewer *viewer);
