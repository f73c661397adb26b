/* The routes that every process answers: /healthz, /readyz, /version, /metrics. */
#pragma once

#include <stdint.h>

#include "http/http.h"

enum { PROBE_COUNT = 4 };

extern const struct http_route probe_routes[PROBE_COUNT];

struct node;

bool probe_is_ready(const struct node *node);  /* as /readyz says */
bool probe_is(const struct http_route *route); /* one of them, or a copy */

/* For http_options.done: counts and times each request. */
void probe_request_done(const struct http_request *req, int status, uint64_t took_us);
