/*
 * Who a stream acts for.  All streams of one key share one viewer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "auth/auth.h"

struct viewers;

struct viewer {
	struct viewers *viewers;
	size_t streams; /* that hold it */
	struct principal principal;
};

struct viewers *viewers_new(void) MUST_CHECK;
void viewers_free(struct viewers *viewers); /* nobody holds one any more */

/* One more stream for this principal. */
struct viewer *viewer_hold(struct viewers *viewers, const struct principal *principal) MUST_CHECK;
void viewer_release(struct viewer *viewer);
