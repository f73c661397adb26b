/*
 * Telling PostgreSQL which sessions are in the queue, many at a time: one small transaction for all
 * requests of a tenant's moment.  What is forgotten here, because the process dies, the scheduler's
 * reconciler puts into the queue once more, where it is already.
 */
#pragma once

#include <stddef.h>

#include "auth/auth.h"
#include "base/id.h"
#include "loop/fiber.h"

struct node;

enum { MARKS_MAX = 4096 };

struct mark {
	struct id sid;
	char tenant[AUTH_TENANT_MAX + 1];
};

struct marks {
	struct mark *items; /* MARKS_MAX, in the order they came */
	size_t count;
	struct fiber_signal wake;
};

/* Starts a duty of the node. */
void marks_init(struct marks *marks, struct node *node);
void marks_fini(struct marks *marks);

void marks_add(struct marks *marks, const char *tenant, const struct id *sid);
