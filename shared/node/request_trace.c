#include "node/request_trace.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "node/probes.h"
#include "trace/trace.h"

static struct traceparent caller(const struct http_request *req)
{
	struct traceparent ret = { .sampled = true };

	memcpy(ret.trace, req->trace_id, sizeof(ret.trace));
	memcpy(ret.span, req->parent_id, sizeof(ret.span));
	return ret;
}

void request_trace_begin(struct http_request *req)
{
	const struct traceparent parent = caller(req);
	struct trace_span span;

	if (!trace_is_on() || probe_is(req->route)) {
		return;
	}
	req->sampled = req->sampled || trace_chosen(req->trace_id);
	if (req->sampled) {
		trace_begin(&span, &parent, req->route->pattern, TRACE_SERVER);
		memcpy(req->span_id, span.at.span, sizeof(req->span_id));
	}
}

struct traceparent request_trace(const struct http_request *req)
{
	struct traceparent ret = { .sampled = req->span_id[0] != '\0' };

	memcpy(ret.trace, req->trace_id, sizeof(ret.trace));
	memcpy(ret.span, req->span_id, sizeof(ret.span));
	return ret;
}

/* https://opentelemetry.io/docs/specs/semconv/http/http-spans/: a client's mistake is none of the
 * server's. */
void request_trace_end(const struct http_request *req, int status, uint64_t took_us)
{
	char name[TRACE_NAME_MAX + 1], reason[16];
	struct trace_span span = { .at = request_trace(req),
		                   .name = name,
		                   .kind = TRACE_SERVER,
		                   .began_us = clock_wall_us() - (int64_t)took_us };
	const struct trace_end end = {
		.failed = status >= 500 ? reason : NULL,
		.attrs = { { "http.request.method", http_method_name(req->method), 0 },
		           { "http.route", req->route != NULL ? req->route->pattern : "", 0 },
		           { "http.response.status_code", NULL, status },
		           { "fairlead.request", req->request_id, 0 } },
	};

	if (!trace_records(&span)) {
		return;
	}
	memcpy(span.parent, req->parent_id, sizeof(span.parent));
	(void)snprintf(name, sizeof(name), "%s %s", http_method_name(req->method),
	               req->route->pattern);
	(void)snprintf(reason, sizeof(reason), "status %d", status);
	trace_end(&span, &end);
}
