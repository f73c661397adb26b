#include "trace/otlp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json/write.h"

enum { STATUS_ERROR = 2, DIGITS = 24 };

static void add_nanos(struct jsonw *w, const char *name, int64_t us)
{
	char text[DIGITS];

	(void)snprintf(text, sizeof(text), "%" PRId64 "000", us);
	jsonw_cstr(w, name, text);
}

static struct str cut(const char *text)
{
	return str_make(text, strnlen(text, TRACE_TEXT_MAX));
}

static void add_attr(struct jsonw *w, const struct trace_attr *attr)
{
	char number[DIGITS];

	jsonw_object(w, NULL);
	jsonw_cstr(w, "key", attr->name);
	jsonw_object(w, "value");
	if (attr->text != NULL) {
		jsonw_str(w, "stringValue", cut(attr->text));
	} else {
		(void)snprintf(number, sizeof(number), "%" PRId64, attr->number);
		jsonw_cstr(w, "intValue", number);
	}
	jsonw_end_object(w);
	jsonw_end_object(w);
}

static void add_end(struct jsonw *w, const struct trace_end *end)
{
	jsonw_array(w, "attributes");
	for (size_t i = 0; i < TRACE_ATTRS_MAX && end->attrs[i].name != NULL; i++) {
		add_attr(w, &end->attrs[i]);
	}
	jsonw_end_array(w);
	if (end->failed != NULL) {
		jsonw_object(w, "status");
		jsonw_u64(w, "code", STATUS_ERROR);
		jsonw_str(w, "message", cut(end->failed));
		jsonw_end_object(w);
	}
}

void otlp_span(const struct trace_span *span, const struct trace_end *end, int64_t ended_us,
               struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "traceId", span->at.trace);
	jsonw_cstr(&w, "spanId", span->at.span);
	if (span->parent[0] != '\0') {
		jsonw_cstr(&w, "parentSpanId", span->parent);
	}
	jsonw_str(&w, "name", str_make(span->name, strnlen(span->name, TRACE_NAME_MAX)));
	jsonw_u64(&w, "kind", span->kind);
	add_nanos(&w, "startTimeUnixNano", span->began_us);
	/* A clock that was set back would make it end before it began. */
	add_nanos(&w, "endTimeUnixNano", ended_us > span->began_us ? ended_us : span->began_us);
	if (end != NULL) {
		add_end(&w, end);
	}
	jsonw_end_object(&w);
}

void otlp_request(const char *service, const char *version, const char *instance, struct str spans,
                  struct buf *out)
{
	const struct trace_attr who[] = { { "service.name", service, 0 },
		                          { "service.version", version, 0 },
		                          { "service.instance.id", instance, 0 } };
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_array(&w, "resourceSpans");
	jsonw_object(&w, NULL);
	jsonw_object(&w, "resource");
	jsonw_array(&w, "attributes");
	for (size_t i = 0; i < ARRAY_LEN(who); i++) {
		add_attr(&w, &who[i]);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	jsonw_array(&w, "scopeSpans");
	jsonw_object(&w, NULL);
	jsonw_object(&w, "scope");
	jsonw_cstr(&w, "name", "fairlead");
	jsonw_end_object(&w);
	jsonw_array(&w, "spans");
	jsonw_raw(&w, NULL, spans);
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	jsonw_end_array(&w);
	jsonw_end_object(&w);
}
