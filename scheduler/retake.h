/* Taking a session back from a worker that is lost, or that cannot have it. */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "queue/queue.h"

struct app;

/*
 * Reads the log first: ended means done.  Else, if the item's attempt is still the current one, the
 * session is queued again: in the log (a new epoch, so whatever the worker still sends is
 * refused), then in the queue.  One that is paused stays paused: it is held until it is resumed,
 * and then begins again.  RETAKE_LOST: the worker is gone for good; the third one makes the session
 * fail.  Repeating it, here or elsewhere, changes nothing.
 */
enum retake_why { RETAKE_LOST, RETAKE_MISPLACED };

enum err_code retake_item(struct app *app, const struct queue_item *item, enum retake_why why,
                          struct err *err) MUST_CHECK;

/* Whether the queue still has it in this attempt, with a worker. */
enum err_code retake_is_current(struct app *app, const struct queue_item *item, bool *ret,
                                struct err *err) MUST_CHECK;

/* queue_finish() of whatever attempt it is in; not being there is fine. */
enum err_code retake_finish(struct app *app, const struct id *sid, const char *tenant,
                            struct err *err) MUST_CHECK;

/* A session that is held and that no worker has: if it is to stop, it stops here. */
enum err_code retake_held(struct app *app, const struct id *sid, const char *tenant,
                          struct err *err) MUST_CHECK;
