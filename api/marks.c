#include "api/marks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/app.h"
#include "base/mem.h"
#include "log/log.h"
#include "session/session_store.h"

enum { GATHER_MS = 50, BATCH_MAX = 128 };

void marks_add(struct marks *marks, const char *tenant, const struct id *sid)
{
	struct mark *mark;

	/* Beyond that PostgreSQL is too slow anyway: the reconciler comes later. */
	if (marks->count < MARKS_MAX) {
		mark = &marks->items[marks->count++];
		mark->sid = *sid;
		(void)snprintf(mark->tenant, sizeof(mark->tenant), "%s", tenant);
		fiber_signal_raise(&marks->wake);
	}
}

/* Those of the first one's tenant. */
static size_t take_some(struct marks *marks, char tenant[AUTH_TENANT_MAX + 1],
                        struct id batch[BATCH_MAX])
{
	size_t count = 0, left = 0;

	memcpy(tenant, marks->items[0].tenant, AUTH_TENANT_MAX + 1);
	for (size_t i = 0; i < marks->count; i++) {
		if (count < BATCH_MAX && strcmp(marks->items[i].tenant, tenant) == 0) {
			batch[count++] = marks->items[i].sid;
		} else {
			marks->items[left++] = marks->items[i];
		}
	}
	marks->count = left;
	return count;
}

static void write_some(struct marks *marks, struct node *node)
{
	char tenant[AUTH_TENANT_MAX + 1];
	struct id batch[BATCH_MAX];
	size_t count = take_some(marks, tenant, batch);
	struct err err;

	if (session_mark_queued(node->pg, tenant, batch, count, &err) != ERR_OK) {
		log_debug("sessions.unmarked", "tenant=%s count=%zu code=%s %s", tenant, count,
		          err_name(err.code), err.msg);
	}
}

static void mark(void *arg)
{
	struct node *node = arg;
	struct marks *marks = &((struct app *)node->app)->marks;

	while (!fiber_cancelled()) {
		if (marks->count == 0) {
			(void)!fiber_signal_wait(&marks->wake, FIBER_NO_TIMEOUT);
		}
		(void)fiber_sleep(GATHER_MS);
		while (marks->count > 0 && !fiber_cancelled()) {
			write_some(marks, node);
		}
	}
}

void marks_init(struct marks *marks, struct node *node)
{
	marks->items = mem_calloc(MARKS_MAX, sizeof(*marks->items));
	fiber_signal_init(&marks->wake);
	(void)fiber_start(node->loop, &node->duties, "marks", mark, node);
}

void marks_fini(struct marks *marks)
{
	free(marks->items);
	marks->items = NULL;
}
