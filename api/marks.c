#include "api/marks.h"

#include <stdlib.h>
#include <string.h>

#include "api/app.h"
#include "base/mem.h"
#include "log/log.h"
#include "session/session_store.h"

enum { GATHER_MS = 50, BATCH_MAX = 128 };

void marks_add(struct marks *marks, const struct id *sid)
{
	/* Beyond that PostgreSQL is too slow anyway: the reconciler comes later. */
	if (marks->count < MARKS_MAX) {
		marks->ids[marks->count++] = *sid;
		fiber_signal_raise(&marks->wake);
	}
}

static void write_some(struct marks *marks, struct node *node)
{
	size_t count = marks->count < BATCH_MAX ? marks->count : BATCH_MAX;
	struct id batch[BATCH_MAX];
	struct err err;

	memcpy(batch, marks->ids, count * sizeof(*batch));
	marks->count -= count;
	memmove(marks->ids, marks->ids + count, marks->count * sizeof(*batch));
	if (session_mark_queued(node->pg, "", batch, count, &err) != ERR_OK) {
		log_debug("sessions.unmarked", "count=%zu code=%s %s", count, err_name(err.code),
		          err.msg);
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
	marks->ids = mem_calloc(MARKS_MAX, sizeof(*marks->ids));
	fiber_signal_init(&marks->wake);
	(void)fiber_start(node->loop, &node->duties, "marks", mark, node);
}

void marks_fini(struct marks *marks)
{
	free(marks->ids);
	marks->ids = NULL;
}
