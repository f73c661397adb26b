#include "worker/redact_event.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/mem.h"
#include "json/write.h"

enum {
	TEXTS_MAX = 16,
	PIECE_MAX = 24 * 1024, /* bytes of one piece of text: fits an event, whatever they are */
	ROOM = 32 * 1024 * 1024,
};

/* A text that comes in pieces. */
struct text {
	TAILQ_ENTRY(text) link;
	enum event_type type;
	struct buf key;           /* whose it is */
	struct buf before, after; /* of its last piece, what stands around the text */
	struct redact_stream *stream;
	uint64_t due_ms; /* 0: nothing is held back */
};

struct redact_events {
	const struct redact *redact;
	redact_say_fn *say;
	void *arg;
	TAILQ_HEAD(texts, text) texts; /* the one with the oldest piece first */
	unsigned count;
};

/* ---- JSON, token by token ---- */

/* Of a string that begins at `at`: where what follows it begins. */
static size_t string_end(struct str data, size_t at)
{
	for (at++; at < data.n && data.p[at] != '"'; at++) {
		at += data.p[at] == '\\' ? 1 : 0;
	}
	return at < data.n ? at + 1 : data.n;
}

static unsigned hex4(const char *p)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];
		unsigned digit = c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);

		value = value << 4 | (digit & 15U);
	}
	return value;
}

static void add_utf8(struct buf *out, unsigned c)
{
	if (c < 0x80) {
		buf_add_char(out, (char)c);
	} else if (c < 0x800) {
		buf_add_char(out, (char)(0xC0 | c >> 6));
		buf_add_char(out, (char)(0x80 | (c & 0x3F)));
	} else if (c < 0x10000) {
		buf_add_char(out, (char)(0xE0 | c >> 12));
		buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3F)));
		buf_add_char(out, (char)(0x80 | (c & 0x3F)));
	} else {
		buf_add_char(out, (char)(0xF0 | c >> 18));
		buf_add_char(out, (char)(0x80 | (c >> 12 & 0x3F)));
		buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3F)));
		buf_add_char(out, (char)(0x80 | (c & 0x3F)));
	}
}

/* An escape at i (RFC 8259 section 7); returns its length. */
static size_t unescape(struct str in, size_t i, struct buf *out)
{
	static const char letters[] = "bfnrt", values[] = "\b\f\n\r\t";
	char kind = i + 1 < in.n ? in.p[i + 1] : '\\';
	const char *letter = strchr(letters, kind);
	unsigned c;

	if (kind != 'u' || i + 6 > in.n) {
		buf_add_char(out, kind != '\0' && letter != NULL ? values[letter - letters] : kind);
		return 2;
	}
	c = hex4(in.p + i + 2);
	if (c >= 0xD800 && c < 0xDC00 && i + 12 <= in.n && in.p[i + 6] == '\\' &&
	    in.p[i + 7] == 'u') {
		unsigned low = hex4(in.p + i + 8);

		if (low >= 0xDC00 && low < 0xE000) {
			add_utf8(out, 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00));
			return 12;
		}
	}
	add_utf8(out, c);
	return 6;
}

/* inner: without the quotes. */
static void decode(struct str inner, struct buf *out)
{
	size_t i = 0;

	while (i < inner.n) {
		const char *next = memchr(inner.p + i, '\\', inner.n - i);
		size_t plain = next != NULL ? (size_t)(next - inner.p) - i : inner.n - i;

		buf_add(out, inner.p + i, plain);
		i += plain;
		if (i < inner.n) {
			i += unescape(inner, i, out);
		}
	}
}

static void add_quoted(struct buf *out, struct str text)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_str(&w, NULL, text);
}

static bool is_number(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

struct scan {
	struct redact_stream *stream;
	struct buf plain, clean;
};

/* A string or a number; as it was when nothing is to be hidden. */
static void add_token(struct scan *scan, struct str token, struct buf *out)
{
	struct str plain = token;

	buf_reset(&scan->plain);
	buf_reset(&scan->clean);
	if (token.p[0] == '"') {
		struct str inner = str_make(token.p + 1, token.n >= 2 ? token.n - 2 : 0);

		plain = inner;
		if (inner.n > 0 && memchr(inner.p, '\\', inner.n) != NULL) {
			decode(inner, &scan->plain);
			plain = buf_str(&scan->plain);
		}
	}
	redact_feed(scan->stream, plain, &scan->clean);
	redact_end(scan->stream, &scan->clean);
	if (str_eq(plain, buf_str(&scan->clean))) {
		buf_add_str(out, token);
	} else {
		add_quoted(out, buf_str(&scan->clean));
	}
}

static void scan_all(struct scan *scan, struct str data, struct buf *out)
{
	size_t i = 0;

	while (i < data.n) {
		size_t end = i;

		if (data.p[i] == '"') {
			end = string_end(data, i);
		} else {
			while (end < data.n && is_number(data.p[end])) {
				end++;
			}
		}
		/* Shorter than all that is looked for: the e of true, most numbers. */
		if (end - i >= REDACT_VALUE_MIN) {
			add_token(scan, str_make(data.p + i, end - i), out);
		} else {
			end = end > i ? end : i + 1;
			buf_add(out, data.p + i, end - i);
		}
		i = end;
	}
}

void redact_json(const struct redact *redact, struct str data, struct buf *out)
{
	struct scan scan = { .stream = redact_stream_new(redact) };
	size_t before = out->len;

	buf_init(&scan.plain, ROOM);
	buf_init(&scan.clean, ROOM);
	scan_all(&scan, data, out);
	if (out->len - before > EVENT_DATA_MAX && data.n <= EVENT_DATA_MAX) {
		out->len = before;
		redact_be_brief(scan.stream);
		scan_all(&scan, data, out);
	}
	buf_fini(&scan.plain);
	buf_fini(&scan.clean);
	redact_stream_free(scan.stream);
}

/* ---- pieces of texts ---- */

struct piece {
	struct str key[2]; /* message_id and agent_id, as they stand there */
	struct str text;   /* with its quotes */
};

static const char *text_member(enum event_type type)
{
	return type == EVENT_TYPE_MESSAGE_DELTA ? "\"delta\""
	       : type == EVENT_TYPE_THOUGHT     ? "\"thought\""
	                                        : NULL;
}

static size_t skip_blanks(struct str data, size_t at)
{
	while (at < data.n && memchr(" \t\r\n", data.p[at], 4) != NULL) {
		at++;
	}
	return at;
}

static void note_member(struct piece *piece, struct str name, struct str value, const char *text)
{
	if (str_eq(name, str_of(text))) {
		piece->text = value;
	} else if (str_eq(name, STR_LIT("\"message_id\""))) {
		piece->key[0] = value;
	} else if (str_eq(name, STR_LIT("\"agent_id\""))) {
		piece->key[1] = value;
	}
}

/* Its members that are strings. False: its text is none. */
static bool find_piece(struct str data, const char *text, struct piece *ret)
{
	struct str name = { NULL, 0 };
	int depth = 0;

	*ret = (struct piece){ 0 };
	for (size_t i = 0; i < data.n;) {
		size_t end;

		if (data.p[i] != '"') {
			depth += data.p[i] == '{' || data.p[i] == '[' ? 1 : 0;
			depth -= data.p[i] == '}' || data.p[i] == ']' ? 1 : 0;
			name = data.p[i] == ',' ? str_make(NULL, 0) : name;
			i++;
			continue;
		}
		end = string_end(data, i);
		if (depth == 1) {
			struct str token = str_make(data.p + i, end - i);
			size_t after = skip_blanks(data, end);

			if (after < data.n && data.p[after] == ':') {
				name = token;
			} else {
				note_member(ret, name, token, text);
			}
		}
		i = end;
	}
	return ret->text.n >= 2;
}

static void free_text(struct redact_events *events, struct text *text)
{
	TAILQ_REMOVE(&events->texts, text, link);
	events->count--;
	redact_stream_free(text->stream);
	buf_fini(&text->key);
	buf_fini(&text->before);
	buf_fini(&text->after);
	free(text);
}

static size_t piece_end(struct str rest)
{
	size_t n = rest.n;

	if (n > PIECE_MAX) {
		n = PIECE_MAX;
		while (n > 0 && ((unsigned char)rest.p[n] & 0xC0) == 0x80) {
			n--;
		}
	}
	return n > 0 ? n : rest.n;
}

static void say_text(struct redact_events *events, struct text *text, struct str clean)
{
	while (clean.n > 0) {
		size_t n = piece_end(clean);
		struct buf data;

		buf_init(&data, ROOM);
		buf_add_str(&data, buf_str(&text->before));
		add_quoted(&data, str_make(clean.p, n));
		buf_add_str(&data, buf_str(&text->after));
		events->say(events->arg, text->type, buf_str(&data));
		buf_fini(&data);
		clean.p += n;
		clean.n -= n;
	}
}

typedef void(out_fn)(struct redact_stream *stream, struct buf *out);

static void out_text(struct redact_events *events, struct text *text, out_fn *fn)
{
	struct buf clean;

	buf_init(&clean, ROOM);
	fn(text->stream, &clean);
	say_text(events, text, buf_str(&clean));
	buf_fini(&clean);
	text->due_ms = 0;
}

static struct text *find_text(struct redact_events *events, enum event_type type, struct str key)
{
	struct text *text;

	TAILQ_FOREACH (text, &events->texts, link) {
		if (text->type == type && str_eq(buf_str(&text->key), key)) {
			TAILQ_REMOVE(&events->texts, text, link);
			TAILQ_INSERT_TAIL(&events->texts, text, link);
			return text;
		}
	}
	if (events->count == TEXTS_MAX) {
		text = TAILQ_FIRST(&events->texts);
		out_text(events, text, redact_flush);
		free_text(events, text);
	}
	text = mem_calloc(1, sizeof(*text));
	text->type = type;
	buf_init(&text->key, ROOM);
	buf_init(&text->before, ROOM);
	buf_init(&text->after, ROOM);
	buf_add_str(&text->key, key);
	text->stream = redact_stream_new(events->redact);
	TAILQ_INSERT_TAIL(&events->texts, text, link);
	events->count++;
	return text;
}

static void keep_frame(struct redact_events *events, struct text *text, struct str data,
                       const struct piece *piece)
{
	const char *end = piece->text.p + piece->text.n;

	buf_reset(&text->before);
	buf_reset(&text->after);
	redact_json(events->redact, str_make(data.p, (size_t)(piece->text.p - data.p)),
	            &text->before);
	redact_json(events->redact, str_make(end, (size_t)(data.p + data.n - end)), &text->after);
}

static void add_piece(struct redact_events *events, enum event_type type, struct str data,
                      const struct piece *piece, uint64_t now_ms)
{
	struct buf key, plain, clean;
	struct text *text;

	buf_init(&key, ROOM);
	buf_init(&plain, ROOM);
	buf_init(&clean, ROOM);
	buf_add_str(&key, piece->key[0]);
	buf_add_char(&key, ' ');
	buf_add_str(&key, piece->key[1]);
	text = find_text(events, type, buf_str(&key));
	keep_frame(events, text, data, piece);
	decode(str_make(piece->text.p + 1, piece->text.n - 2), &plain);
	redact_feed(text->stream, buf_str(&plain), &clean);
	say_text(events, text, buf_str(&clean));
	if (redact_held(text->stream) == 0) {
		text->due_ms = 0;
	} else if (text->due_ms == 0 || clean.len > 0) {
		text->due_ms = now_ms + REDACT_EVENT_MS;
	}
	buf_fini(&key);
	buf_fini(&plain);
	buf_fini(&clean);
}

/* ---- events ---- */

enum after_text {
	AFTER_BESIDE, /* it has nothing to do with texts that are being said */
	AFTER_PART,   /* it follows what was said of them until now */
	AFTER_END,    /* they have ended */
};

static enum after_text place_of(enum event_type type)
{
	switch ((unsigned)type) {
	case EVENT_TYPE_LOG:
	case EVENT_TYPE_MESSAGE_DELTA:
	case EVENT_TYPE_THOUGHT:
	case EVENT_TYPE_TOOL_PROGRESS:
	case EVENT_TYPE_PROGRESS:
	case EVENT_TYPE_NATIVE:
	case EVENT_TYPE_USAGE:
	case EVENT_TYPE_COST: return AFTER_BESIDE;
	case EVENT_TYPE_MESSAGE:
	case EVENT_TYPE_TURN_FINISHED:
	case EVENT_TYPE_STATUS: return AFTER_END;
	default: return AFTER_PART;
	}
}

void redact_events_close(struct redact_events *events)
{
	struct text *text;

	while ((text = TAILQ_FIRST(&events->texts)) != NULL) {
		out_text(events, text, redact_end);
		free_text(events, text);
	}
}

void redact_events_flush(struct redact_events *events, uint64_t now_ms)
{
	struct text *text;

	TAILQ_FOREACH (text, &events->texts, link) {
		if (text->due_ms != 0 && text->due_ms <= now_ms) {
			out_text(events, text, redact_flush);
		}
	}
}

uint64_t redact_events_due(const struct redact_events *events)
{
	const struct text *text;
	uint64_t due = 0;

	TAILQ_FOREACH (text, &events->texts, link) {
		if (text->due_ms != 0 && (due == 0 || text->due_ms < due)) {
			due = text->due_ms;
		}
	}
	return due;
}

void redact_events_add(struct redact_events *events, enum event_type type, struct str data,
                       uint64_t now_ms)
{
	const char *member = text_member(type);
	enum after_text place = place_of(type);
	struct piece piece;
	struct buf clean;

	if (member != NULL && find_piece(data, member, &piece)) {
		add_piece(events, type, data, &piece, now_ms);
		return;
	}
	if (place == AFTER_END) {
		redact_events_close(events);
	} else if (place == AFTER_PART) {
		redact_events_flush(events, UINT64_MAX);
	}
	buf_init(&clean, ROOM);
	redact_json(events->redact, data, &clean);
	events->say(events->arg, type, buf_str(&clean));
	buf_fini(&clean);
}

struct redact_events *redact_events_new(const struct redact *redact, redact_say_fn *say, void *arg)
{
	struct redact_events *events = mem_calloc(1, sizeof(*events));

	events->redact = redact;
	events->say = say;
	events->arg = arg;
	TAILQ_INIT(&events->texts);
	return events;
}

void redact_events_free(struct redact_events *events)
{
	if (events == NULL) {
		return;
	}
	while (!TAILQ_EMPTY(&events->texts)) {
		free_text(events, TAILQ_FIRST(&events->texts));
	}
	free(events);
}
