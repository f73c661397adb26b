#include "worker/agent_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "fetch/fetch.h"
#include "loop/fiber.h"
#include "sse/sse.h"
#include "worker/agent_wire.h"

enum {
	CHUNK = 65536,
	TABLE_MAX = 16 * 1024 * 1024,
	AUTH_MAX = 512,
	ANSWER_MAX = 16 * 1024 * 1024,
};

struct agent_http {
	struct loop *loop;
	struct agent_http_options options;
	struct fetch *fetch;
	struct fiber_group fibers;
	char auth[AUTH_MAX]; /* a header line */
	int place;           /* of options.socket; -1: none */
	char path[32];       /* that leads to it, however long its own is */
	int fd;              /* of the stream of events */
	struct agent_wire wire;
	struct sse_parser events;
	size_t requests;
};

struct exchange {
	struct agent_http *http;
	char *tag, *method, *url, *body;
	size_t body_n;
};

/* ---- whose port it is ---- */

static bool is_of(unsigned port, uid_t uid)
{
	int fd = open("/proc/net/tcp", O_RDONLY | O_CLOEXEC);
	struct buf table;
	char *room;
	ssize_t n = 0;
	bool is;

	buf_init(&table, TABLE_MAX);
	while (fd >= 0 && (room = buf_reserve(&table, CHUNK)) != NULL &&
	       (n = read(fd, room, CHUNK)) > 0) {
		buf_commit(&table, (size_t)n);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	is = agent_wire_listens(buf_str(&table), port, uid);
	buf_fini(&table);
	return is;
}

/* ---- Basic ---- */

/* RFC 4648 section 4 */
static void add_base64(struct buf *out, struct str in)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < in.n; i += 3) {
		size_t n = in.n - i < 3 ? in.n - i : 3;
		unsigned v = (unsigned)(unsigned char)in.p[i] << 16;

		v |= n > 1 ? (unsigned)(unsigned char)in.p[i + 1] << 8 : 0;
		v |= n > 2 ? (unsigned)(unsigned char)in.p[i + 2] : 0;
		buf_add_char(out, digits[v >> 18]);
		buf_add_char(out, digits[v >> 12 & 63]);
		buf_add_char(out, n > 1 ? digits[v >> 6 & 63] : '=');
		buf_add_char(out, n > 2 ? digits[v & 63] : '=');
	}
}

static bool make_auth(struct agent_http *http)
{
	const struct agent_http_options *o = &http->options;
	struct buf plain, header;
	bool ok;

	buf_init(&plain, AUTH_MAX);
	buf_init(&header, AUTH_MAX);
	buf_addf(&plain, "%s:%" STR_FMT, o->user, STR_ARG(o->password));
	buf_add_cstr(&header, "Authorization: Basic ");
	add_base64(&header, buf_str(&plain));
	ok = !buf_failed(&plain) && !buf_failed(&header) &&
	     str_copy(http->auth, sizeof(http->auth), buf_str(&header));
	buf_fini(&plain);
	buf_fini(&header);
	return ok;
}

/* ---- the stream of events ---- */

/* Whoever made that socket file stays who is spoken to. */
static enum err_code dial_socket(struct agent_http *http, struct err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct ucred who;
	socklen_t n = sizeof(who);

	http->place = open(http->options.socket, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (http->place < 0) {
		return err_set(err, ERR_UNAVAILABLE, "the agent's socket: %s", strerror(errno));
	}
	(void)snprintf(http->path, sizeof(http->path), "/proc/self/fd/%d", http->place);
	(void)str_copy(to.sun_path, sizeof(to.sun_path), str_of(http->path));
	http->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (http->fd < 0 || connect(http->fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
		return err_set(err, ERR_UNAVAILABLE, "the agent's socket: %s", strerror(errno));
	}
	if (getsockopt(http->fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0 ||
	    who.uid != http->options.uid) {
		return err_set(err, ERR_FORBIDDEN, "the agent's socket is not its own");
	}
	return ERR_OK;
}

static enum err_code dial(struct agent_http *http, struct err *err)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons((uint16_t)http->options.port),
		                  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(int);
	enum err_code code;
	int failed = 0;

	http->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (http->fd < 0) {
		return err_set(err, ERR_UNAVAILABLE, "%s", strerror(errno));
	}
	if (connect(http->fd, (const struct sockaddr *)&to, sizeof(to)) == 0) {
		return ERR_OK;
	}
	if (errno != EINPROGRESS) {
		return err_set(err, ERR_UNAVAILABLE, "%s", strerror(errno));
	}
	code = fiber_wait_fd(http->fd, FIBER_WRITE, AGENT_HTTP_CONNECT_MS);
	if (code != ERR_OK) {
		return err_set(err, code, "the agent's port does not answer");
	}
	if (getsockopt(http->fd, SOL_SOCKET, SO_ERROR, &failed, &n) != 0 || failed != 0) {
		return err_set(err, ERR_UNAVAILABLE, "the agent's port: %s", strerror(failed));
	}
	return ERR_OK;
}

static enum err_code ask_for_events(struct agent_http *http, struct err *err)
{
	enum err_code code = ERR_OK;
	struct str rest;
	struct buf text;

	buf_init(&text, CHUNK);
	buf_addf(&text,
	         "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\nAccept: text/event-stream\r\n\r\n",
	         http->options.events_path, http->options.port, http->auth);
	rest = buf_str(&text);
	while (rest.n > 0 && code == ERR_OK) {
		ssize_t n = send(http->fd, rest.p, rest.n, MSG_NOSIGNAL);

		if (n > 0) {
			rest = str_make(rest.p + n, rest.n - (size_t)n);
		} else if (n < 0 && errno == EAGAIN) {
			code = fiber_wait_fd(http->fd, FIBER_WRITE, AGENT_HTTP_CONNECT_MS);
		} else if (n >= 0 || errno != EINTR) {
			code = ERR_UNAVAILABLE;
		}
	}
	buf_fini(&text);
	return code == ERR_OK ? ERR_OK : err_set(err, code, "the agent takes no request");
}

/* The next bytes into out; 0: its end. */
static enum err_code read_some(const struct agent_http *http, char out[CHUNK], uint64_t timeout_ms,
                               size_t *ret)
{
	ssize_t n;

	while ((n = recv(http->fd, out, CHUNK, 0)) < 0) {
		enum err_code code = errno == EAGAIN || errno == EINTR ? ERR_OK : ERR_UNAVAILABLE;

		if (code == ERR_OK && errno == EAGAIN) {
			code = fiber_wait_fd(http->fd, FIBER_READ, timeout_ms);
		}
		if (code != ERR_OK) {
			return code;
		}
	}
	*ret = (size_t)n;
	return ERR_OK;
}

static void tell_events(struct agent_http *http, struct str bytes)
{
	while (bytes.n > 0 && !fiber_cancelled()) {
		enum sse_parsed is = sse_parse(&http->events, &bytes);

		if (is == SSE_PARSED_EVENT) {
			http->options.event(http->options.arg, http->events.data);
		} else if (is == SSE_PARSED_ERROR) {
			return; /* it stays so: the stream is given up by follow() */
		}
	}
}

/* False: nothing more will come. */
static bool take_bytes(struct agent_http *http, struct str in)
{
	enum agent_wired is = AGENT_WIRED_MORE;
	struct str piece;

	while (in.n > 0 && is != AGENT_WIRED_END && is != AGENT_WIRED_BROKEN) {
		is = agent_wire_take(&http->wire, &in, &piece);
		if (is == AGENT_WIRED_BYTES) {
			tell_events(http, piece);
		}
	}
	return is != AGENT_WIRED_END && is != AGENT_WIRED_BROKEN && !http->events.failed;
}

static void follow(void *arg)
{
	struct agent_http *http = arg;
	char *chunk = mem_calloc(1, CHUNK);
	enum err_code code = ERR_OK;
	bool going = true;
	size_t n = 1;

	while (going && code == ERR_OK && n > 0 && !fiber_cancelled()) {
		code = read_some(http, chunk, FIBER_NO_TIMEOUT, &n);
		going = code != ERR_OK || n == 0 || take_bytes(http, str_make(chunk, n));
	}
	free(chunk);
	if (!fiber_cancelled()) {
		http->options.over(http->options.arg,
		                   http->events.failed
		                           ? "the agent said more in one event than is taken"
		                           : "the agent ended its stream of events");
	}
}

/* Reads the head; what came of the stream with it is kept for follow(). */
static enum err_code await_head(struct agent_http *http, struct buf *ret, struct err *err)
{
	enum agent_wired is = AGENT_WIRED_MORE;
	char *chunk = mem_calloc(1, CHUNK);
	enum err_code code = ERR_OK;
	struct str in = { NULL, 0 }, piece;
	size_t n = 1;

	while (is == AGENT_WIRED_MORE && code == ERR_OK && n > 0) {
		code = read_some(http, chunk, AGENT_HTTP_CONNECT_MS, &n);
		in = str_make(chunk, code == ERR_OK ? n : 0);
		is = agent_wire_take(&http->wire, &in, &piece);
	}
	if (code != ERR_OK) {
		code = err_set(err, code, "the agent says nothing of its events");
	} else if (is != AGENT_WIRED_HEAD || http->wire.status != 200 || !http->wire.is_events) {
		code = err_set(err, ERR_BACKEND, "the agent gives no stream of events (%u)",
		               http->wire.status);
	}
	buf_add_str(ret, in);
	free(chunk);
	return code;
}

/* ---- requests ---- */

static void exchange_free(struct exchange *x)
{
	free(x->tag);
	free(x->method);
	free(x->url);
	free(x->body);
	free(x);
}

static void exchange_main(void *arg)
{
	struct exchange *x = arg;
	struct agent_http *http = x->http;
	struct fetch_request request = {
		.method = x->method,
		.url = x->url,
		.headers = { http->auth, "Content-Type: application/json" },
		.body = { x->body_n > 0 ? x->body : NULL, x->body_n },
		.timeout_ms = 0, /* some last as long as a turn */
		.response_max = ANSWER_MAX,
		.flags = FETCH_PLAIN_LOOPBACK,
		.socket = http->options.socket != NULL ? http->path : NULL
	};
	struct adapter_reply reply = { .tag = str_of(x->tag) };
	struct fetch_response response;
	struct err err;
	enum err_code code = fetch(http->fetch, &request, &response, &err);

	if (code == ERR_OK) {
		reply.status = (unsigned)response.status;
		reply.body = buf_str(&response.body);
	} else {
		reply.body = str_of(err.msg);
	}
	http->requests--;
	if (!fiber_cancelled()) {
		http->options.reply(http->options.arg, &reply);
	}
	fetch_response_fini(&response);
	exchange_free(x);
}

static void refuse(void *arg)
{
	struct exchange *x = arg;
	const struct adapter_reply reply = { .tag = str_of(x->tag),
		                             .body = STR_LIT("too much is asked of it at once") };

	x->http->options.reply(x->http->options.arg, &reply);
	exchange_free(x);
}

void agent_http_request(struct agent_http *http, struct str tag, struct str method_path,
                        struct str body)
{
	struct str path = method_path, method = str_split(&path, ' ');
	struct exchange *x = mem_calloc(1, sizeof(*x));
	struct buf url;

	buf_init(&url, FETCH_URL_MAX);
	buf_addf(&url, "http://127.0.0.1:%u%" STR_FMT, http->options.port, STR_ARG(path));
	x->http = http;
	x->tag = mem_strndup(tag);
	x->method = mem_strndup(method);
	x->url = mem_strdup(buf_cstr(&url));
	x->body = mem_strndup(body);
	x->body_n = body.n;
	buf_fini(&url);
	if (http->requests >= AGENT_HTTP_REQUESTS_MAX) {
		(void)fiber_start(http->loop, &http->fibers, "agent_refused", refuse, x);
		return;
	}
	http->requests++;
	(void)fiber_start(http->loop, &http->fibers, "agent_request", exchange_main, x);
}

/* ---- its life ---- */

static enum err_code open_stream(struct agent_http *http, struct buf *early, struct err *err)
{
	enum err_code code;

	if (http->options.socket == NULL && !is_of(http->options.port, http->options.uid)) {
		return err_set(err, ERR_FORBIDDEN, "the agent named a port that is not its own");
	}
	if (!make_auth(http)) {
		return err_set(err, ERR_INVALID, "the agent's password is too long");
	}
	code = http->options.socket != NULL ? dial_socket(http, err) : dial(http, err);
	if (code == ERR_OK) {
		code = ask_for_events(http, err);
	}
	if (code == ERR_OK) {
		code = await_head(http, early, err);
	}
	return code;
}

enum err_code agent_http_open(struct loop *loop, const struct agent_http_options *options,
                              struct agent_http **ret, struct err *err)
{
	struct agent_http *http = mem_calloc(1, sizeof(*http));
	struct buf early;
	enum err_code code;

	buf_init(&early, CHUNK);
	*ret = NULL;
	http->loop = loop;
	http->options = *options;
	http->fd = http->place = -1;
	http->fetch = fetch_new(loop, &(struct fetch_options){ .ca_file = NULL });
	agent_wire_init(&http->wire);
	sse_parser_init(&http->events, ADAPTER_LINE_MAX);
	code = open_stream(http, &early, err);
	if (code != ERR_OK) {
		agent_http_close(http);
	} else {
		*ret = http;
		(void)take_bytes(http, buf_str(&early));
		(void)fiber_start(loop, &http->fibers, "agent_events", follow, http);
	}
	buf_fini(&early);
	return code;
}

void agent_http_close(struct agent_http *http)
{
	if (http == NULL) {
		return;
	}
	fiber_group_cancel(&http->fibers, ERR_CANCELLED);
	fiber_shield();
	(void)!fiber_group_wait(&http->fibers, FIBER_NO_TIMEOUT);
	fiber_unshield();
	if (http->fd >= 0) {
		(void)close(http->fd);
	}
	if (http->place >= 0) {
		(void)close(http->place);
	}
	fetch_free(http->fetch);
	agent_wire_fini(&http->wire);
	sse_parser_fini(&http->events);
	free(http);
}
