/*
 * Many readers that follow sessions through whatever happens, and what each of them saw.
 *
 *	followers PORT KEY CHURN SECONDS SEED <FILE
 *
 * Each line of FILE is "sse SESSION COUNT" or "socket SESSION COUNT": so many readers over server-
 * sent events, or over /api/v1/ws.  CHURN percent of all connections are cut by the reader itself
 * each second, wherever in the stream they are.  A reader goes on where it was, until the session
 * ends.  Then, a reader a line:
 *
 *	SESSION FORM EVENTS LAST-ID HASH RECONNECTS
 *
 * HASH is FNV-1a over id LF data LF of every event.  An event that does not follow the one before,
 * a gap, or a refusal is a problem: told on standard error, and the status is 1.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "event/cursor.h"
#include "sse/sse.h"

enum {
	EVENT_BYTES = 512 * 1024,
	HEAD_BYTES = 16 * 1024,
	READ_BYTES = 64 * 1024,
	EPOLL_MAX = 256,
	TICK_MS = 20,
	RETRY_MS = 100,
	WS_SHORT = 126,
	WS_LONG = 127,
	WS_CLOSE_FRAME = 8,
	WS_PING_FRAME = 9,
};

enum place { PLACE_AWAY, PLACE_CONNECTING, PLACE_HEAD, PLACE_STREAM, PLACE_DONE };

struct follower {
	int fd;
	enum place place;
	bool socket; /* over a WebSocket */
	struct id sid;
	uint64_t due_ms; /* AWAY: connect then */
	char last[CURSOR_SIZE];
	uint64_t n, events, hash, reconnects;
	struct sse_parser parser;
	struct buf in; /* the head, or frames of a socket */
};

static struct {
	unsigned port;
	const char *key;
	uint64_t churn, until_ms, seed;
	struct follower *followers;
	size_t count, done, problems;
	int epoll;
} all;

static void die(const char *what)
{
	(void)fprintf(stderr, "followers: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* xorshift64: the same seed, the same cuts. */
static uint64_t draw(uint64_t below)
{
	all.seed ^= all.seed << 13;
	all.seed ^= all.seed >> 7;
	all.seed ^= all.seed << 17;
	return all.seed % below;
}

/* ---- life of a connection ---- */

static void leave(struct follower *f, enum place place)
{
	if (f->fd >= 0) {
		(void)close(f->fd);
		f->fd = -1;
	}
	sse_parser_fini(&f->parser);
	buf_fini(&f->in);
	f->place = place;
	f->due_ms = clock_mono_ms() + RETRY_MS / 2 + draw(RETRY_MS);
	all.done += place == PLACE_DONE;
}

static void complain(struct follower *f, const char *what, struct str detail)
{
	int shown = detail.n < 200 ? (int)detail.n : 200;

	(void)fprintf(stderr, "%s %s after %s: %s %.*s\n", f->sid.s, f->socket ? "socket" : "sse",
	              f->last, what, shown, detail.n > 0 ? detail.p : "");
	all.problems++;
	leave(f, PLACE_DONE);
}

static void begin(struct follower *f)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons((uint16_t)all.port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = f };

	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->fd < 0 || epoll_ctl(all.epoll, EPOLL_CTL_ADD, f->fd, &event) != 0) {
		die("socket");
	}
	sse_parser_init(&f->parser, EVENT_BYTES);
	buf_init(&f->in, EVENT_BYTES + READ_BYTES);
	f->place = PLACE_CONNECTING;
	if (connect(f->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) {
		leave(f, PLACE_AWAY);
	}
}

static void send_all(struct follower *f, const struct buf *bytes)
{
	/* A request is small and the socket is empty: what does not go out at once is a fault. */
	if (send(f->fd, bytes->data, bytes->len, MSG_NOSIGNAL) != (ssize_t)bytes->len) {
		leave(f, PLACE_AWAY);
	}
}

static void ask(struct follower *f)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = f };
	struct buf out;

	buf_init(&out, HEAD_BYTES);
	if (f->socket) {
		buf_addf(
			&out,
			"GET /api/v1/ws HTTP/1.1\r\nHost: f\r\nAuthorization: ApiKey %s\r\n"
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			all.key);
	} else {
		buf_addf(&out,
		         "GET /api/v1/sessions/%s/events HTTP/1.1\r\nHost: f\r\n"
		         "Accept: text/event-stream\r\nAuthorization: ApiKey %s\r\n"
		         "Last-Event-ID: %s\r\n\r\n",
		         f->sid.s, all.key, f->last);
	}
	f->place = PLACE_HEAD;
	(void)epoll_ctl(all.epoll, EPOLL_CTL_MOD, f->fd, &event);
	send_all(f, &out);
	buf_fini(&out);
}

/* ---- what it sees ---- */

static void hash_in(struct follower *f, struct str bytes)
{
	for (size_t i = 0; i <= bytes.n; i++) {
		f->hash ^= i < bytes.n ? (unsigned char)bytes.p[i] : '\n';
		f->hash *= UINT64_C(0x100000001b3);
	}
}

/* False: it is over with this connection. */
static bool see(struct follower *f, struct str id, struct str name, struct str data)
{
	struct cursor at;

	if (str_eq(name, STR_LIT("end"))) {
		leave(f, PLACE_DONE);
		return false;
	}
	if (str_eq(name, STR_LIT("gap")) || !cursor_parse(id, &at)) {
		complain(f, "not an event of the log:", data);
		return false;
	}
	if (at.n != f->n + 1) {
		complain(f, "does not follow:", data);
		return false;
	}
	f->n = at.n;
	f->events++;
	(void)str_copy(f->last, sizeof(f->last), id);
	hash_in(f, id);
	hash_in(f, data);
	return true;
}

static void take_sse(struct follower *f, struct str bytes)
{
	enum sse_parsed parsed;

	while ((parsed = sse_parse(&f->parser, &bytes)) == SSE_PARSED_EVENT) {
		/* A notice, or a copy that passes ahead, has no id of its own. */
		bool told = f->parser.id.n > 0 && !str_eq(f->parser.id, str_of(f->last));
		bool last = str_eq(f->parser.name, STR_LIT("end"));

		if ((told || last) && !see(f, f->parser.id, f->parser.name, f->parser.data)) {
			return;
		}
	}
	if (parsed == SSE_PARSED_ERROR) {
		complain(f, "not a stream", STR_LIT(""));
	}
}

/* The text between the first `before` and the next quote. */
static struct str between(struct str text, const char *before)
{
	char *at = memmem(text.p, text.n, before, strlen(before));
	struct str rest;

	if (at == NULL) {
		return STR_LIT("");
	}
	rest = str_make(at + strlen(before), text.n - (size_t)(at - text.p) - strlen(before));
	return str_split(&rest, '"');
}

/* For now, or for good? */
static void refuse(struct follower *f, struct str text)
{
	if (str_eq(between(text, "\"code\":\""), STR_LIT("UNAVAILABLE"))) {
		leave(f, PLACE_AWAY);
	} else {
		complain(f, "refused:", text);
	}
}

/* {"type":"event","sessionId":...,"id":"1-42","seq":42,"event":{...}} */
static bool take_message(struct follower *f, struct str text)
{
	static const char inner[] = ",\"event\":";
	struct str type = between(text, "{\"type\":\"");
	struct str head = text, data = STR_LIT("");
	char *event = memmem(text.p, text.n, inner, sizeof(inner) - 1);

	if (event != NULL) {
		head.n = (size_t)(event - text.p);
		data = str_make(event + sizeof(inner) - 1, text.n - head.n - sizeof(inner));
	}
	if (str_eq(type, STR_LIT("error"))) {
		refuse(f, text);
		return false;
	}
	if (str_eq(type, STR_LIT("end")) || str_eq(type, STR_LIT("gap"))) {
		return see(f, between(head, "\"id\":\""), type, text);
	}
	if (!str_eq(type, STR_LIT("event")) ||
	    memmem(head.p, head.n, "\"ahead\"", sizeof("\"ahead\"") - 1) != NULL) {
		return true;
	}
	return see(f, between(head, "\"id\":\""), type, data);
}

/* A frame of a client: masked with zeros, which is a mask. */
static void send_frame(struct follower *f, unsigned opcode, struct str payload)
{
	unsigned char head[8] = { (unsigned char)(0x80U | opcode),
		                  (unsigned char)(0x80U | payload.n), 0 };
	size_t size = 6;
	struct buf out;

	if (payload.n >= WS_SHORT) {
		head[1] = 0x80U | WS_SHORT;
		head[2] = (unsigned char)(payload.n >> 8);
		head[3] = (unsigned char)payload.n;
		size = 8;
	}
	buf_init(&out, HEAD_BYTES);
	buf_add(&out, head, size);
	buf_add_str(&out, payload);
	send_all(f, &out);
	buf_fini(&out);
}

/* Length of the whole frame at the front, and of its head; 0: not all there. */
static size_t frame_length(const struct buf *in, size_t *ret_head)
{
	const unsigned char *p = (const unsigned char *)in->data;
	uint64_t size;
	unsigned extra = 0;

	if (in->len < 2) {
		return 0;
	}
	size = p[1] & 0x7fU;
	if (size >= WS_SHORT) {
		extra = size == WS_LONG ? 8 : 2;
		size = 0;
	}
	if (in->len < 2 + extra) {
		return 0;
	}
	for (unsigned i = 0; i < extra; i++) {
		size = size << 8 | p[2 + i];
	}
	*ret_head = 2 + extra;
	return in->len >= 2 + extra + size ? 2 + extra + (size_t)size : 0;
}

static void take_frames(struct follower *f)
{
	size_t length, head = 0;

	while (f->place == PLACE_STREAM && (length = frame_length(&f->in, &head)) > 0) {
		struct str payload = str_make(f->in.data + head, length - head);
		unsigned opcode = (unsigned char)f->in.data[0] & 15U;

		if (opcode == WS_CLOSE_FRAME) {
			leave(f, PLACE_AWAY);
			return;
		}
		if (opcode == WS_PING_FRAME) {
			send_frame(f, WS_PING_FRAME + 1, payload);
		} else if (opcode == 1 && !take_message(f, payload)) {
			return;
		}
		if (f->place == PLACE_STREAM) {
			buf_drop(&f->in, length);
		}
	}
}

static void subscribe(struct follower *f)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
	               "{\"type\":\"subscribe\",\"sessionId\":\"%s\",\"after\":\"%s\"}", f->sid.s,
	               f->last);
	send_frame(f, 1, str_of(text));
}

/* The answer's head is there: what it means. */
static void take_head(struct follower *f, struct str head)
{
	struct str line = head, status;
	uint64_t code;

	(void)str_split(&line, ' ');
	status = str_split(&line, ' ');
	if (!parse_u64(status, 999, &code)) {
		complain(f, "not HTTP:", head);
	} else if (code == 200 || code == 101) {
		f->place = PLACE_STREAM;
	} else if (code == 204) {
		leave(f, PLACE_DONE);
	} else if (code >= 500 || code == 429) {
		leave(f, PLACE_AWAY);
	} else {
		complain(f, "refused:", head);
	}
}

static void take(struct follower *f, struct str bytes)
{
	static const char end[] = "\r\n\r\n";
	const char *at;
	size_t size;

	if (f->place == PLACE_STREAM && !f->socket) {
		take_sse(f, bytes);
		return;
	}
	buf_add_str(&f->in, bytes);
	if (f->place == PLACE_HEAD) {
		at = memmem(f->in.data, f->in.len, end, sizeof(end) - 1);
		if (at == NULL) {
			return;
		}
		size = (size_t)(at - f->in.data) + sizeof(end) - 1;
		take_head(f, str_make(f->in.data, size));
		if (f->place != PLACE_STREAM) {
			return;
		}
		buf_drop(&f->in, size);
		if (!f->socket) {
			take_sse(f, buf_str(&f->in));
			return;
		}
		subscribe(f);
	}
	if (f->place == PLACE_STREAM) {
		take_frames(f);
	}
}

/* ---- the loop ---- */

static void turn(struct follower *f, uint32_t events)
{
	static char room[READ_BYTES];
	int error = 0;
	socklen_t size = sizeof(error);
	ssize_t n;

	if (f->place == PLACE_CONNECTING) {
		(void)getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error != 0) {
			leave(f, PLACE_AWAY);
		} else if ((events & EPOLLOUT) != 0) {
			ask(f);
		}
		return;
	}
	n = read(f->fd, room, sizeof(room));
	if (n > 0) {
		take(f, str_make(room, (size_t)n));
	} else if (n == 0 || errno != EAGAIN) {
		leave(f, PLACE_AWAY);
	}
}

/* Half of the cuts are polite. */
static void cut(struct follower *f)
{
	struct linger at_once = { .l_onoff = 1 };

	if (draw(2) == 0) {
		(void)setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	}
	leave(f, PLACE_AWAY);
}

static void tick(uint64_t now_ms)
{
	static uint64_t owed; /* cuts, in hundred-thousandths */

	for (size_t i = 0; i < all.count; i++) {
		struct follower *f = &all.followers[i];

		if (f->place == PLACE_AWAY && f->due_ms <= now_ms) {
			f->reconnects++;
			begin(f);
		}
	}
	for (owed += all.churn * all.count * TICK_MS; owed >= 100000; owed -= 100000) {
		struct follower *f = &all.followers[draw(all.count)];

		if (f->place == PLACE_STREAM) {
			cut(f);
		}
	}
}

static void run(void)
{
	struct epoll_event events[EPOLL_MAX];
	uint64_t next_ms = 0, now_ms;

	while (all.done < all.count && (now_ms = clock_mono_ms()) < all.until_ms) {
		int count = epoll_wait(all.epoll, events, EPOLL_MAX, TICK_MS);

		for (int i = 0; i < count; i++) {
			turn(events[i].data.ptr, events[i].events);
		}
		if (now_ms >= next_ms) {
			tick(now_ms);
			next_ms = now_ms + TICK_MS;
		}
	}
}

static void add(struct str form, struct str sid, uint64_t count)
{
	size_t before = all.count;

	all.count += count;
	all.followers = mem_realloc(all.followers, all.count * sizeof(*all.followers));
	for (size_t i = before; i < all.count; i++) {
		struct follower *f = &all.followers[i];

		*f = (struct follower){ .fd = -1,
			                .socket = str_eq(form, STR_LIT("socket")),
			                .last = "0-0",
			                .hash = UINT64_C(0xcbf29ce484222325) };
		if (!id_parse(sid, &f->sid)) {
			errno = EINVAL;
			die("session");
		}
	}
}

static void read_plan(void)
{
	char text[256];

	while (fgets(text, sizeof(text), stdin) != NULL) {
		struct str line = str_make(text, strcspn(text, "\n"));
		struct str form = str_split(&line, ' '), sid = str_split(&line, ' ');
		uint64_t count;

		if (!parse_u64(line, 100000, &count)) {
			errno = EINVAL;
			die("a line");
		}
		add(form, sid, count);
	}
}

static int report(void)
{
	for (size_t i = 0; i < all.count; i++) {
		struct follower *f = &all.followers[i];

		if (f->place != PLACE_DONE) {
			complain(f, "no end", STR_LIT(""));
		}
		(void)printf("%s %s %" PRIu64 " %s %016" PRIx64 " %" PRIu64 "\n", f->sid.s,
		             f->socket ? "socket" : "sse", f->events, f->last, f->hash,
		             f->reconnects - 1);
	}
	return all.problems > 0;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	uint64_t port, seconds;
	int status;

	if (argc != 6 || !parse_u64(str_of(argv[1]), UINT16_MAX, &port) ||
	    !parse_u64(str_of(argv[3]), 100, &all.churn) ||
	    !parse_u64(str_of(argv[4]), 86400, &seconds) ||
	    !parse_u64(str_of(argv[5]), UINT64_MAX, &all.seed) || all.seed == 0) {
		(void)fprintf(stderr, "usage: followers PORT KEY CHURN SECONDS SEED <FILE\n");
		return 2;
	}
	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	all.port = (unsigned)port;
	all.key = argv[2];
	all.until_ms = clock_mono_ms() + seconds * 1000;
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	read_plan();
	run();
	status = report();
	free(all.followers);
	(void)close(all.epoll);
	return status;
}
