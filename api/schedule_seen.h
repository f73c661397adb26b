/* The schedule that a request names. Unknown and foreign ids are answered alike, with 404. */
#pragma once

#include <stdbool.h>

#include "http/http.h"
#include "schedule/schedule_store.h"

/* The id in the path. False: the reply is filled. */
bool schedule_seen_id(struct http_request *req, struct http_reply *reply, struct id *ret);

/* May the key see it? False: the reply is filled. */
bool schedule_seen(struct http_request *req, struct http_reply *reply,
                   const struct schedule *schedule);

/* The schedule in the path. False: the reply is filled. */
bool schedule_seen_row(struct http_request *req, struct http_reply *reply, struct schedule *ret);

/* After an error of the store, or of a row that no longer says when. */
void schedule_refuse(struct http_request *req, struct http_reply *reply, const struct err *err);

void schedule_answer(struct http_request *req, struct http_reply *reply,
                     const struct schedule *schedule, const struct schedule_run_list *runs);
