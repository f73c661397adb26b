#include "sse/sse.h"

enum { BOM_SIZE = 3, BOM_PASSED = 4 };

static const char bom[BOM_SIZE + 1] = "\xef\xbb\xbf";

/* ---- writing ---- */

static void add_field(struct buf *out, const char *field, struct str value)
{
	size_t start;

	buf_add_cstr(out, field);
	start = out->len;
	buf_add_str(out, value);
	for (size_t i = start; i < out->len; i++) {
		if (out->data[i] == '\n' || out->data[i] == '\r' || out->data[i] == '\0') {
			out->data[i] = ' ';
		}
	}
	buf_add_char(out, '\n');
}

static size_t line_length(struct str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != '\n' && s.p[n] != '\r') {
		n++;
	}
	return n;
}

void sse_format(struct buf *out, struct str id, struct str name, struct str data)
{
	bool more = true;

	if (id.n > 0) {
		add_field(out, "id: ", id);
	}
	if (name.n > 0) {
		add_field(out, "event: ", name);
	}
	while (more) {
		size_t n = line_length(data), end = n;

		buf_add_cstr(out, "data: ");
		if (n > 0) {
			buf_add(out, data.p, n);
		}
		buf_add_char(out, '\n');
		more = n < data.n;
		if (more) {
			end += data.p[n] == '\r' && n + 1 < data.n && data.p[n + 1] == '\n' ? 2 : 1;
			data = str_make(data.p + end, data.n - end);
		}
	}
	buf_add_char(out, '\n');
}

void sse_format_retry(struct buf *out, unsigned retry_ms)
{
	buf_addf(out, "retry: %u\n\n", retry_ms);
}

void sse_format_comment(struct buf *out, struct str text)
{
	add_field(out, ": ", text);
	buf_add_char(out, '\n');
}

/* ---- reading ---- */

void sse_parser_init(struct sse_parser *parser, size_t cap)
{
	*parser = (struct sse_parser){ .retry_ms = 0 };
	buf_init(&parser->line, cap);
	buf_init(&parser->given_id, cap);
	buf_init(&parser->last_id, cap);
	buf_init(&parser->event_name, cap);
	buf_init(&parser->event_data, cap);
}

void sse_parser_fini(struct sse_parser *parser)
{
	buf_fini(&parser->line);
	buf_fini(&parser->given_id);
	buf_fini(&parser->last_id);
	buf_fini(&parser->event_name);
	buf_fini(&parser->event_data);
}

static void set(struct buf *buf, struct str value)
{
	buf_reset(buf);
	if (value.n > 0) {
		buf_add_str(buf, value);
	}
}

static void take_field(struct sse_parser *parser, struct str name, struct str value)
{
	uint64_t ms;

	if (str_eq(name, STR_LIT("data"))) {
		if (parser->has_data) {
			buf_add_char(&parser->event_data, '\n');
		}
		if (value.n > 0) {
			buf_add_str(&parser->event_data, value);
		}
		parser->has_data = true;
	} else if (str_eq(name, STR_LIT("event"))) {
		set(&parser->event_name, value);
	} else if (str_eq(name, STR_LIT("id"))) {
		if (value.n == 0 || memchr(value.p, '\0', value.n) == NULL) {
			set(&parser->given_id, value);
		}
	} else if (str_eq(name, STR_LIT("retry")) && parse_u64(value, UINT32_MAX, &ms)) {
		parser->retry_ms = ms;
	}
}

static void clear_event(struct sse_parser *parser)
{
	buf_reset(&parser->event_name);
	buf_reset(&parser->event_data);
	parser->has_data = false;
	parser->dispatched = false;
}

/* True when an event is complete. */
static bool take_line(struct sse_parser *parser)
{
	struct str value = buf_str(&parser->line), name;

	if (value.n == 0) {
		/* A block that is cut off before its empty line has moved nothing. */
		set(&parser->last_id, buf_str(&parser->given_id));
		parser->id = parser->last_id.len > 0 ? buf_str(&parser->last_id) : STR_LIT("");
		parser->dispatched = true;
		return parser->has_data;
	}
	name = str_split(&value, ':');
	if (name.n == 0) {
		parser->comments++;
		return false;
	}
	if (value.n > 0 && value.p[0] == ' ') {
		value = str_make(value.p + 1, value.n - 1);
	}
	take_field(parser, name, value);
	parser->failed = buf_failed(&parser->event_data);
	return false;
}

static enum sse_parsed report(struct sse_parser *parser)
{
	parser->name =
		parser->event_name.len > 0 ? buf_str(&parser->event_name) : STR_LIT("message");
	parser->data = parser->event_data.len > 0 ? buf_str(&parser->event_data) : STR_LIT("");
	return SSE_PARSED_EVENT;
}

/* A byte order mark before the first line is not part of it. */
static bool take_start(struct sse_parser *parser, char c)
{
	if (parser->bom < BOM_SIZE && c == bom[parser->bom]) {
		parser->bom++;
		return true;
	}
	if (parser->bom < BOM_SIZE) {
		buf_add(&parser->line, bom, parser->bom);
	}
	parser->bom = BOM_PASSED;
	return false;
}

static bool take_byte(struct sse_parser *parser, char c)
{
	bool complete;

	if (parser->bom < BOM_PASSED && take_start(parser, c)) {
		return false;
	}
	if (parser->after_cr && c == '\n') {
		parser->after_cr = false;
		return false;
	}
	parser->after_cr = c == '\r';
	if (c != '\r' && c != '\n') {
		buf_add_char(&parser->line, c);
		parser->failed = parser->failed || buf_failed(&parser->line);
		return false;
	}
	complete = take_line(parser);
	buf_reset(&parser->line);
	return complete;
}

/* Bytes that only belong to the line, at once. */
static void take_run(struct sse_parser *parser, struct str *in)
{
	size_t n = line_length(*in);

	if (n > 0 && parser->bom == BOM_PASSED && !parser->after_cr && !parser->dispatched) {
		buf_add(&parser->line, in->p, n);
		parser->failed = parser->failed || buf_failed(&parser->line);
		*in = str_make(in->p + n, in->n - n);
	}
}

enum sse_parsed sse_parse(struct sse_parser *parser, struct str *in)
{
	while (in->n > 0 && !parser->failed) {
		bool complete;

		if (parser->dispatched) {
			clear_event(parser);
		}
		take_run(parser, in);
		if (in->n == 0 || parser->failed) {
			continue;
		}
		complete = take_byte(parser, in->p[0]);
		*in = str_make(in->p + 1, in->n - 1);
		if (complete) {
			return report(parser);
		}
	}
	return parser->failed ? SSE_PARSED_ERROR : SSE_PARSED_MORE;
}
