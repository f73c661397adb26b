/* What only Redis knows about sessions, for showing them: the head's state and the last events. */
#pragma once

#include "node/node.h"
#include "session/session_json.h"
#include "session/session_store.h"

enum { LIVE_RECENT = 3 };

/*
 * For each row that has not ended: overwrite its state and epoch with the head's, and fill its
 * view with those of the last events that the request's principal sees. All are asked at once (one
 * pipeline). What Redis does not answer stays as PostgreSQL has it; the first error is returned,
 * and every row is usable all the same.
 */
enum err_code live_fill(const struct http_request *req, struct session *rows,
                        struct session_live_view *views, size_t count, struct err *err) MUST_CHECK;
