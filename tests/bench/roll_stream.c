/* Streams as a good client has them: after a drain or an end they are opened again at once, from
 * the last event on. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/roll.h"

enum { LINE_BYTES = 16 * 1024, CURSOR_MAX = 64, DIALS_A_TURN = 64, DUE_DIGITS = 16 };

enum at { AT_NOTHING, AT_CONNECT, AT_HEAD, AT_BODY };

struct stream {
	struct roll_end end;
	const char *session;
	enum at at;
	bool drained;
	bool follows;               /* it was open before */
	uint64_t lost_us, again_us; /* lost_us 0: it was not */
	char last[CURSOR_MAX];      /* event's id */
	char *line;
	size_t line_len;
};

static struct stream *streams;

static void connect_again(struct roll *roll, struct stream *stream)
{
	stream->at = AT_CONNECT;
	stream->drained = false;
	stream->line_len = 0;
	roll_dial(roll, &stream->end);
}

static void lose(struct roll *roll, struct stream *stream, uint64_t wait_us)
{
	uint64_t now_us = clock_mono_us();

	if (stream->at == AT_BODY) {
		roll->open--;
	}
	if (stream->lost_us == 0 && stream->follows) {
		stream->lost_us = now_us;
	}
	roll_close(&stream->end);
	stream->at = AT_NOTHING;
	stream->again_us = now_us + wait_us;
}

static void ask(struct roll *roll, struct stream *stream)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
	                 "GET /api/v1/sessions/%s/events HTTP/1.1\r\nHost: fairlead\r\n"
	                 "Authorization: ApiKey %s\r\nAccept: text/event-stream\r\n%s%s%s\r\n",
	                 stream->session, roll->key,
	                 stream->last[0] != '\0' ? "Last-Event-ID: " : "", stream->last,
	                 stream->last[0] != '\0' ? "\r\n" : "");

	stream->at = AT_HEAD;
	if (send(stream->end.fd, text, (size_t)n, MSG_NOSIGNAL) != n) {
		lose(roll, stream, ROLL_AGAIN_US);
	}
}

/* ---- what comes ---- */

static uint64_t number_of(struct str cursor)
{
	uint64_t n = 0;

	(void)str_split(&cursor, '-');
	return cursor.p != NULL && parse_u64(cursor, UINT64_MAX, &n) ? n : 0;
}

static void take_id(struct roll *roll, struct stream *stream, struct str cursor)
{
	if (stream->last[0] != '\0' && number_of(cursor) != number_of(str_of(stream->last)) + 1) {
		roll->missed++;
	}
	if (!str_copy(stream->last, sizeof(stream->last), cursor)) {
		errno = EMSGSIZE;
		roll_die("id");
	}
}

static void take_line(struct roll *roll, struct stream *stream, struct str line)
{
	static const char mark[] = "due=";
	const char *due;
	uint64_t due_us;

	if (str_starts(line, STR_LIT("id:"))) {
		take_id(roll, stream, str_trim(str_make(line.p + 3, line.n - 3)));
	} else if (str_eq(line, STR_LIT("event: drain"))) {
		stream->drained = true;
	} else if (str_starts(line, STR_LIT("data:")) &&
	           (due = memmem(line.p, line.n, mark, sizeof(mark) - 1)) != NULL &&
	           (size_t)(line.p + line.n - due) >= sizeof(mark) - 1 + DUE_DIGITS &&
	           parse_u64(str_make(due + sizeof(mark) - 1, DUE_DIGITS), UINT64_MAX, &due_us) &&
	           due_us > roll->began_us) {
		roll_time(&roll->events, clock_mono_us() - due_us);
	}
}

/* True: its head is over, and good. */
static bool take_head(struct roll *roll, struct stream *stream)
{
	char *end = memmem(stream->line, stream->line_len, "\r\n\r\n", 4);
	size_t past;

	if (end == NULL) {
		return false;
	}
	if (memcmp(stream->line, "HTTP/1.1 200", sizeof("HTTP/1.1 200") - 1) != 0) {
		roll->refused++;
		lose(roll, stream, ROLL_AGAIN_US);
		return false;
	}
	past = (size_t)(end + 4 - stream->line);
	stream->line_len -= past;
	memmove(stream->line, stream->line + past, stream->line_len);
	stream->at = AT_BODY;
	roll->open++;
	stream->follows = true;
	return true;
}

static void take_lines(struct roll *roll, struct stream *stream)
{
	struct str rest = str_make(stream->line, stream->line_len), line;

	if (rest.n > 0 && stream->lost_us != 0) {
		roll_time(&roll->without, clock_mono_us() - stream->lost_us);
		stream->lost_us = 0;
	}
	while (memchr(rest.p, '\n', rest.n) != NULL) {
		line = str_split(&rest, '\n');
		take_line(roll, stream, line);
	}
	if (rest.n >= LINE_BYTES) {
		errno = EMSGSIZE;
		roll_die("a line");
	}
	memmove(stream->line, rest.p, rest.n);
	stream->line_len = rest.n;
}

/* False: that was all for now. */
static bool take_some(struct roll *roll, struct stream *stream)
{
	ssize_t n = recv(stream->end.fd, stream->line + stream->line_len,
	                 LINE_BYTES - stream->line_len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return false;
	}
	if (n <= 0) {
		lose(roll, stream, stream->at == AT_BODY ? 0 : ROLL_AGAIN_US);
		return false;
	}
	stream->line_len += (size_t)n;
	if (stream->at == AT_BODY || take_head(roll, stream)) {
		take_lines(roll, stream);
	}
	if (stream->drained && stream->at == AT_BODY) {
		lose(roll, stream, 0);
	}
	return stream->end.fd >= 0;
}

static void on_ready(struct roll *roll, struct roll_end *end)
{
	struct stream *stream = CONTAINER_OF(end, struct stream, end);

	if (stream->at == AT_CONNECT) {
		ask(roll, stream);
		return;
	}
	while (take_some(roll, stream)) {
	}
}

void roll_streams_begin(struct roll *roll)
{
	streams = mem_calloc(roll->streams, sizeof(*streams));
	for (unsigned i = 0; i < roll->streams; i++) {
		streams[i] = (struct stream){ .end = { on_ready, -1 },
			                      .session = roll->sessions[i % roll->session_count],
			                      .line = mem_calloc(1, LINE_BYTES) };
	}
}

void roll_streams_turn(struct roll *roll)
{
	uint64_t now_us = clock_mono_us();
	unsigned dialled = 0;

	for (unsigned i = 0; i < roll->streams && dialled < DIALS_A_TURN; i++) {
		if (streams[i].at == AT_NOTHING && streams[i].again_us <= now_us) {
			connect_again(roll, &streams[i]);
			dialled++;
		}
	}
}
