/* Private to worker/session_*.c: what prompts refer to (upload/upload_fetch.h). */
#pragma once

#include "worker/session_private.h"

/*
 * Content blocks as an agent gets them.  A picture is an image block with its bytes where the agent
 * takes pictures; else it is told of in an error event, and is, as every file, in the workspace,
 * and the agent is told where.  What cannot be had is told in an error event and to the agent, and
 * the prompt goes on without it.
 *
 * NULL: they refer to nothing, and are as they should be. Else json_value_free(). attachments gets
 * what the message's event says of them, a JSON array.
 */
struct json_value *session_uploads_take(struct session_run *s, const struct json_value *blocks,
                                        struct buf *attachments);
/* The blocks of those that the task's prompt refers to. */
enum { SESSION_UPLOADS_BYTES = 4096 };
struct jsonw;
void session_uploads_write(const struct session_run *s, struct jsonw *w);
/* The text of blocks, for who takes no more than that; malloc's. */
char *session_uploads_text(const struct json_value *blocks);

/* Before the agent starts: what the task's prompt refers to, of an agent that is told the prompt
 * when it starts; and the files of later prompts again, where it goes on in another place. */
void session_uploads_before(struct session_run *s);
/* What the task's prompt refers to again, where an agent goes on in another place. */
void session_uploads_again(struct session_run *s);

/* The uploads whose files are in the workspace, as a fact of the session; of more than
 * SESSION_UPLOADS_NOTED the oldest are forgotten. */
enum { SESSION_UPLOADS_NOTED = 128 };
struct json_value;
void session_uploads_list(const struct session_run *s, struct jsonw *w);
void session_uploads_know(struct session_run *s, const struct json_value *facts);
/* They are not in snapshots, and so not in a workspace that was made of one. */
void session_uploads_miss(struct session_run *s);
