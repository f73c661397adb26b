#include "base/traceparent.h"

#include <stdio.h>
#include <string.h>

enum { VERSION_LEN = 2, FLAGS_LEN = 2, TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };

static bool is_hex(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
			return false;
		}
	}
	return true;
}

static bool is_id(struct str s)
{
	return is_hex(s) && strspn(s.p, "0") < s.n; /* what follows an id is no digit */
}

/* Version 00 is just so long; a later one may go on after a dash. */
static bool is_framed(struct str text)
{
	struct str version;

	if (text.n < TRACEPARENT_LEN) {
		return false;
	}
	version = str_make(text.p, VERSION_LEN);
	return is_hex(version) && !str_eq(version, STR_LIT("ff")) && text.p[TRACE_AT - 1] == '-' &&
	       text.p[SPAN_AT - 1] == '-' && text.p[FLAGS_AT - 1] == '-' &&
	       (text.n == TRACEPARENT_LEN ||
	        (!str_eq(version, STR_LIT("00")) && text.p[TRACEPARENT_LEN] == '-'));
}

bool traceparent_parse(struct str text, struct traceparent *ret)
{
	struct str trace, span, flags;

	if (!is_framed(text)) {
		return false;
	}
	trace = str_make(text.p + TRACE_AT, TRACE_ID_LEN);
	span = str_make(text.p + SPAN_AT, TRACE_SPAN_LEN);
	flags = str_make(text.p + FLAGS_AT, FLAGS_LEN);
	if (!is_id(trace) || !is_id(span) || !is_hex(flags)) {
		return false;
	}
	(void)str_copy(ret->trace, sizeof(ret->trace), trace);
	(void)str_copy(ret->span, sizeof(ret->span), span);
	ret->sampled = strchr("13579bdf", flags.p[1]) != NULL;
	return true;
}

void traceparent_format(const struct traceparent *trace, char out[TRACEPARENT_LEN + 1])
{
	(void)snprintf(out, TRACEPARENT_LEN + 1, "00-%s-%s-%s", trace->trace, trace->span,
	               trace->sampled ? "01" : "00");
}
