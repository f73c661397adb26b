/* What lists of sessions are filtered by, as a query string has it. */
#pragma once

#include <stdbool.h>

#include "http/http.h"
#include "json/decode.h"
#include "session/session_store.h"

/* A copy in the request's arena; NULL when nothing was given. */
const char *filter_given(struct http_request *req, struct str text);

/* page: a number, or the position that the answer before ended at; filter->max is set. False: a
 * problem was added. */
bool filter_take_page(struct http_request *req, struct str page, struct session_filter *filter,
                      struct json_problems *problems);
/* name=value, or nothing. */
bool filter_take_label(struct http_request *req, struct str label, struct session_filter *filter,
                       struct json_problems *problems);
