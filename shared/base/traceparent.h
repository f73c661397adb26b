/*
 * The trace that something is a part of, as it goes from one program to the next: the traceparent
 * field of W3C Trace Context (https://www.w3.org/TR/trace-context/, section 3.2).  Pure.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/str.h"

enum { TRACE_ID_LEN = 32, TRACE_SPAN_LEN = 16, TRACEPARENT_LEN = 55 };

struct traceparent {
	char trace[TRACE_ID_LEN + 1]; /* lower-case hexadecimal, not all zero */
	char span[TRACE_SPAN_LEN + 1];
	bool sampled; /* whoever began it records it */
};

/* False: it is none, and *ret is as it was. Of a version that is not known what is known is taken.
 */
bool traceparent_parse(struct str text, struct traceparent *ret) MUST_CHECK;
void traceparent_format(const struct traceparent *trace, char out[TRACEPARENT_LEN + 1]);
