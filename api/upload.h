/* Uploads as a request sees them. */
#pragma once

#include <stdbool.h>

#include "http/http.h"
#include "json/decode.h"
#include "upload/upload_store.h"

/* What the principal sees: all of its tenant, or only its own when its key is of some namespaces.
 */
struct upload_filter upload_seen(const struct http_request *req);
/* Those that a prompt refers to (struct upload_ref): they are used now. prefix comes before the
 * fields of problems. False: the reply is filled. */
bool uploads_are_there(struct http_request *req, struct http_reply *reply,
                       const struct json_list *refs, const char *prefix);
/* The one in the path. False: the reply is filled. */
bool upload_find(struct http_request *req, struct http_reply *reply, struct upload *ret);
