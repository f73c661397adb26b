/* Answers that handlers share. Each fills the reply. */
#pragma once

#include "base/id.h"
#include "http/http.h"
#include "json/decode.h"
#include "node/node.h"

/* 400 with every field and its rule. */
void answer_problems(const struct http_request *req, struct http_reply *reply,
                     const struct json_problems *problems);
/* 400 about one field. */
void answer_problem(const struct http_request *req, struct http_reply *reply, const char *field,
                    const char *rule);

/* The problem of a code; with Retry-After where trying again may help. detail NULL: the usual. */
void answer_code(const struct http_request *req, struct http_reply *reply, enum err_code code,
                 const char *detail);

/* What a store or the log answered with. A backend that did not answer in time is 503: for a
 * request that changes something the outcome is unknown. */
void answer_error(struct http_request *req, struct http_reply *reply, const struct err *err);

/* A further member of the problem in the reply. */
void answer_extend(struct http_reply *reply, const char *name, uint64_t value);

void answer_extend_text(struct http_reply *reply, const char *name, struct str value);

/* A file as it is. */
void answer_text(struct http_reply *reply, const char *media_type, struct str text);
