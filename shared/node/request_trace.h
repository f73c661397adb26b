/* The span of a request: from its head to its answer. */
#pragma once

#include <stdint.h>

#include "base/traceparent.h"
#include "http/http.h"

/* Before its handler: decides whether it is traced. */
void request_trace_begin(struct http_request *req);
void request_trace_end(const struct http_request *req, int status, uint64_t took_us);

/* For spans that are parts of it. */
struct traceparent request_trace(const struct http_request *req);
