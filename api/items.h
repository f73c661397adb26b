/* Lists in answers: {"items": [...], "nextPage": "..."}, and the page that a request asks for. */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "http/http.h"
#include "json/write.h"
#include "rest/query.h"

/* What rest_page_table says. False: the reply is filled. */
bool items_asked(struct http_request *req, struct http_reply *reply, struct rest_page *ret);
/* The same for pages that go on after an id, which is nil on the first. */
bool items_asked_before(struct http_request *req, struct http_reply *reply, struct id *ret_before,
                        unsigned *ret_max);

/* Whatever is written between them is an item. next: of whom the next page goes on; "": this is
 * the last one. */
void items_begin(struct http_reply *reply, struct jsonw *w);
void items_end(struct jsonw *w, struct str next);
