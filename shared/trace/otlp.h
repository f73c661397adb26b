/*
 * Spans in the JSON encoding of OTLP (https://opentelemetry.io/docs/specs/otlp/, "JSON Protobuf
 * Encoding": lowerCamelCase, ids in hexadecimal, 64 bit numbers as strings).  Pure.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "trace/trace.h"

/* One span, as an element of "spans". */
void otlp_span(const struct trace_span *span, const struct trace_end *end, int64_t ended_us,
               struct buf *out);

/* The body of a request; spans: their texts with commas between them. */
void otlp_request(const char *service, const char *version, const char *instance, struct str spans,
                  struct buf *out);
