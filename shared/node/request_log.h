/* One line for each request that was answered, as log.requests says. */
#pragma once

#include <stdint.h>

struct http_request;

void request_log(const struct http_request *req, int status, uint64_t took_us);
