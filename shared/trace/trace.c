#include "trace/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/clock.h"
#include "fetch/fetch.h"
#include "log/log.h"
#include "loop/fiber.h"
#include "metric/metric.h"
#include "trace/otlp.h"

enum {
	SPAN_MAX = 8 * 1024, /* more than one can be: its texts are cut */
	PENDING_MAX = 1024 * 1024,
	BATCH_SPANS = 512, /* so many are sent at once */
	LINGER_MS = 1000,  /* they are sent at the latest after this */
	SEND_MS = 5000,
	TRIES = 4,
	RETRY_MS = 500, /* doubled each time */
	ANSWER_MAX = 64 * 1024,
	HEADERS_SIZE = 2048,
	FIRST_HEADERS = 1, /* ours */
};

struct batch {
	struct buf spans; /* with commas between them */
	size_t count;
};

static struct {
	struct trace_options options;
	struct fetch *fetch; /* NULL: nothing is traced */
	struct batch pending;
	struct fiber_signal filled;
	char headers[HEADERS_SIZE]; /* "name: value", each ends with NUL */
	const char *header_list[FETCH_HEADERS_MAX];
	bool away; /* the collector did not take the last batch */
} tracer;

/* ---- opening ---- */

static enum err_code add_header(struct str pair, char **at, size_t *count, struct err *err)
{
	struct str value = pair, name = str_trim(str_split(&value, '='));
	size_t room = (size_t)(tracer.headers + sizeof(tracer.headers) - *at);
	size_t needs;

	value = str_trim(value);
	needs = name.n + value.n + sizeof(": ");
	if (name.n == 0 || value.n == 0 || memchr(pair.p, '\n', pair.n) != NULL ||
	    memchr(pair.p, '\r', pair.n) != NULL) {
		return err_set(err, ERR_INVALID, "trace.headers: must be a list of name=value");
	}
	if (*count == FETCH_HEADERS_MAX - 1 || needs > room) {
		return err_set(err, ERR_INVALID, "trace.headers: there are too many");
	}
	tracer.header_list[(*count)++] = *at;
	(void)snprintf(*at, room, "%" STR_FMT ": %" STR_FMT, STR_ARG(name), STR_ARG(value));
	*at += needs;
	return ERR_OK;
}

static enum err_code set_headers(const char *list, struct err *err)
{
	struct str rest = str_of(list);
	size_t count = FIRST_HEADERS;
	char *at = tracer.headers;
	enum err_code code = ERR_OK;

	tracer.header_list[0] = "Content-Type: application/json";
	while (code == ERR_OK && rest.n > 0) {
		code = add_header(str_split(&rest, ','), &at, &count, err);
	}
	return code;
}

enum err_code trace_open(struct loop *loop, const struct trace_options *options, struct err *err)
{
	if (options->url[0] == '\0') {
		return ERR_OK;
	}
	if (set_headers(options->headers, err) != ERR_OK) {
		return err->code;
	}
	tracer.options = *options;
	buf_init(&tracer.pending.spans, PENDING_MAX);
	fiber_signal_init(&tracer.filled);
	tracer.fetch = fetch_new(loop, &(struct fetch_options){ .ca_file = options->ca_file });
	return ERR_OK;
}

void trace_close(void)
{
	if (tracer.fetch != NULL) {
		fetch_free(tracer.fetch);
		tracer.fetch = NULL;
		buf_fini(&tracer.pending.spans);
	}
}

bool trace_is_on(void)
{
	return tracer.fetch != NULL;
}

bool trace_chosen(const char *trace_id)
{
	uint64_t number = 0;

	/* Of an id that is made as it should be the last digits are random. */
	return parse_hex_u64(str_make(trace_id + TRACE_SPAN_LEN, TRACE_SPAN_LEN), &number) &&
	       number % TRACE_RATIO_ONE < tracer.options.ratio;
}

/* ---- spans ---- */

static void make_span_id(char out[TRACE_SPAN_LEN + 1])
{
	uint64_t number = 0;

	while (number == 0) {
		if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
			abort(); /* there is no system without */
		}
	}
	(void)snprintf(out, TRACE_SPAN_LEN + 1, "%016" PRIx64, number);
}

void trace_begin(struct trace_span *span, const struct traceparent *parent, const char *name,
                 enum trace_kind kind)
{
	span->at.sampled = false;
	if (tracer.fetch == NULL || parent == NULL || !parent->sampled) {
		return;
	}
	span->at = *parent;
	memcpy(span->parent, parent->span, sizeof(span->parent));
	make_span_id(span->at.span);
	span->name = name;
	span->kind = kind;
	span->began_us = clock_wall_us();
}

void trace_begin_first(struct trace_span *span, const char *name, enum trace_kind kind)
{
	struct traceparent first = { .sampled = true };

	make_span_id(first.trace);
	make_span_id(first.trace + TRACE_SPAN_LEN);
	trace_begin(span, trace_is_on() && trace_chosen(first.trace) ? &first : NULL, name, kind);
}

static void count_spans(const char *outcome, size_t count)
{
	metric_add(METRIC_TRACE_SPANS, outcome, (double)count);
}

void trace_end_at(struct trace_span *span, const struct trace_end *end, int64_t ended_us)
{
	struct batch *pending = &tracer.pending;
	struct buf text;

	if (!span->at.sampled || tracer.fetch == NULL) {
		return;
	}
	buf_init(&text, SPAN_MAX);
	otlp_span(span, end, ended_us, &text);
	span->at.sampled = false;
	if (buf_failed(&text) || pending->spans.len + text.len + 1 > PENDING_MAX) {
		count_spans("full", 1);
	} else {
		if (pending->count++ > 0) {
			buf_add_char(&pending->spans, ',');
		}
		buf_add_str(&pending->spans, buf_str(&text));
	}
	buf_fini(&text);
	if (pending->count >= BATCH_SPANS) {
		fiber_signal_raise(&tracer.filled);
	}
}

void trace_end(struct trace_span *span, const struct trace_end *end)
{
	if (span->at.sampled) {
		trace_end_at(span, end, clock_wall_us());
	}
}

/* ---- sending ---- */

static void tell(bool away, const char *why)
{
	if (away != tracer.away) {
		tracer.away = away;
		log_warn(away ? "trace.away" : "trace.back", "%s", why);
	}
}

/* "OTLP/HTTP Response": these may be tried again. */
static bool may_retry(int status)
{
	return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

/* Once: its status, 0 without an answer. */
static int post(struct str body, unsigned timeout_ms)
{
	struct fetch_request request = { .method = "POST",
		                         .url = tracer.options.url,
		                         .body = body,
		                         .timeout_ms = timeout_ms,
		                         .response_max = ANSWER_MAX,
		                         .flags = FETCH_PLAIN };
	struct fetch_response response;
	struct err err = { .code = ERR_OK };
	int status = 0;

	memcpy(request.headers, tracer.header_list, sizeof(tracer.header_list));
	if (fetch(tracer.fetch, &request, &response, &err) == ERR_OK) {
		status = response.status;
		(void)err_set(&err, ERR_BACKEND, "status %d", status);
	}
	fetch_response_fini(&response);
	tell(status / 100 != 2, err.msg);
	return status;
}

static void take_batch(struct batch *ret)
{
	*ret = tracer.pending;
	tracer.pending.count = 0;
	buf_init(&tracer.pending.spans, PENDING_MAX);
}

/* All that waits, in at most so many tries. */
static void send(unsigned tries, unsigned timeout_ms)
{
	const struct trace_options *options = &tracer.options;
	uint64_t wait_ms = RETRY_MS;
	struct batch batch;
	struct buf body;
	int status;

	if (tracer.pending.count == 0) {
		return;
	}
	take_batch(&batch);
	buf_init(&body, (size_t)PENDING_MAX + SPAN_MAX);
	otlp_request(options->service, options->version, options->instance, buf_str(&batch.spans),
	             &body);
	buf_fini(&batch.spans);
	status = post(buf_str(&body), timeout_ms);
	while (--tries > 0 && may_retry(status) && fiber_sleep(wait_ms) == ERR_OK) {
		wait_ms *= 2;
		status = post(buf_str(&body), timeout_ms);
	}
	buf_fini(&body);
	count_spans(status / 100 == 2 ? "sent" : "unsent", batch.count);
}

void trace_run(void *arg)
{
	(void)arg;
	fiber_set_tag("duty=trace");
	while (!fiber_cancelled()) {
		(void)!fiber_signal_wait(&tracer.filled, LINGER_MS);
		if (!fiber_cancelled()) {
			send(TRIES, SEND_MS);
		}
	}
}

void trace_flush(unsigned timeout_ms)
{
	if (tracer.fetch != NULL) {
		send(1, timeout_ms);
	}
}
