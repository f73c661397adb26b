/* What all routes that make tasks have in common. */
#pragma once

#include <stdbool.h>

#include "http/http.h"
#include "task/task_store.h"

/* What the body alone does not decide: are its uploads there, is it the key's tenant, and a
 * namespace of the key's. before is what comes before the fields of problems. False: the reply is
 * filled. */
bool accepted_allows(struct http_request *req, struct http_reply *reply,
                     const struct task_spec *spec, const char *before);

/* The answer, with Location. */
void accepted_write(const struct task_accepted *accepted, struct http_reply *reply);
