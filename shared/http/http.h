/*
 * The HTTP/1.1 server (RFC 9110, RFC 9112): strict, bounded, on one loop.
 *
 * A connection reads a request completely (head, then body, within its limits and total
 * deadlines), finds its route, asks the server's admit hook, and runs the handler on a
 * fiber of its own.  The handler fills a struct http_reply and returns; the connection
 * sends it and goes on with the next request.  If the client leaves meanwhile, the fiber's waits
 * end with ERR_CANCELLED.
 *
 * A handler may turn its connection into a stream (SSE, WebSocket): after the head the
 * bytes belong to the stream's functions, which run on the loop without a fiber.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/traceparent.h"

struct loop;
struct http_conn;
struct http_reply;
struct http_request;
struct http_route;
struct http_server;
struct tls_server;

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_METHOD_COUNT, /* any other token: 501 */
};

const char *http_method_name(enum http_method method);

struct http_header {
	struct str name, value; /* as received, value trimmed */
};

enum { HTTP_LISTENERS_MAX = 4 };
enum { HTTP_PARAMS_MAX = 4, HTTP_HEADERS_MAX = 100, HTTP_HEAD_MAX = 16 * 1024, HTTP_ID_MAX = 64 };

struct http_request {
	struct arena *arena; /* lives until the reply is sent; a stream keeps nothing of it */
	enum http_method method;
	struct str path;  /* percent-decoding is not applied */
	struct str query; /* without "?"; raw */
	const struct http_header *headers;
	size_t header_count;
	struct str body;
	struct str params[HTTP_PARAMS_MAX]; /* of the route's pattern, in order, percent-decoded */
	const struct http_route *route;
	struct str peer;                    /* client address, after trusted proxies */
	bool https;                         /* it came by TLS, or a trusted proxy says so */
	char request_id[HTTP_ID_MAX + 1];   /* X-Request-Id when sane, else a new ULID */
	char trace_id[TRACE_ID_LEN + 1];    /* of its traceparent; else made here */
	char parent_id[TRACE_SPAN_LEN + 1]; /* the same; "": it has none */
	bool sampled;                       /* the caller's traceparent says so */
	char span_id[TRACE_SPAN_LEN + 1];   /* of whoever traces it; "": nobody does */
	void *app;                          /* the server's */
	void *principal;                    /* what admit() found; NULL on open routes */
};

/* First header of that name (case-insensitive), or an empty str. Repeated list headers are for the
 * caller to walk. */
struct str http_header(const struct http_request *req, const char *name);

/* The decoded value of a query parameter in the arena; false when absent. Malformed escapes were
 * refused with 400 before. */
bool http_query(const struct http_request *req, const char *name, struct str *ret);
/* The i-th parameter, for checking that all are known. */
bool http_query_at(const struct http_request *req, size_t i, struct str *ret_name,
                   struct str *ret_value);

/* Does the Accept header (RFC 9110 section 12.5.1) allow this type; absent header: yes. */
bool http_accepts(const struct http_request *req, const char *media_type);
/* Does an Accept-Encoding header (section 12.5.3) name this coding, with a weight above 0; absent
 * header, or only a wildcard: no, though it would be allowed. */
bool http_accepts_coding(const struct http_request *req, const char *coding);
/* The one of the NULL-terminated list that the client likes best, or NULL: 406. First wins ties. */
const char *http_negotiate(const struct http_request *req, const char *const *media_types);

/*
 * On a route with HTTP_ROUTE_RAW, where the handler begins when the head is there, and req->body
 * stays empty: the next part of the body, which lives until the next call; "" when that was all.
 * Reading stops while a part waits, so that a body of any size takes little memory, and the
 * deadline for the body begins anew with every HTTP_BODY_STEP.  ERR_CANCELLED: the client has left.
 * ERR_SLOW, or what is wrong with its framing: the connection ends with the reply.  A handler that
 * replies without having read all of it ends the connection too.
 */
enum { HTTP_BODY_STEP = 256 * 1024 };
enum err_code http_body_read(struct http_request *req, struct str *ret, struct err *err) MUST_CHECK;
/* What the client says that it has; false: it does not say. */
bool http_body_length(struct http_request *req, uint64_t *ret);

/* ---- replies ---- */

struct http_stream_ops {
	void (*opened)(void *stream,
	               struct http_conn *conn); /* the head has been handed to the kernel */
	void (*writable)(void *stream);         /* after a short write there is room again */
	void (*input)(void *stream,
	              struct str bytes); /* NULL: whatever the peer sends is ignored, bounded */
	void (*drain)(void *stream);     /* the server wants to stop: end soon */
	void (*closed)(void *stream);    /* the connection is gone; exactly once; frees the stream.
	                                    Also when opened() never came. */
};

struct http_reply {
	int status;               /* 200 to begin with */
	const char *content_type; /* NULL: no body header; "application/json" is the default */
	struct buf body;
	struct buf headers; /* further "Name: value\r\n" lines, by http_reply_header() */
	const struct http_stream_ops *stream_ops; /* not NULL: the connection becomes this stream */
	void *stream;
	bool close; /* Connection: close after this reply */
};

/* name and value must be valid; CR, LF and NUL in value are replaced by spaces. */
void http_reply_header(struct http_reply *reply, const char *name, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* problem+json (RFC 9457) for a code: type, title, status, detail (public: err_text(code) unless
 * detail is given), instance = request id. */
void http_problem(struct http_reply *reply, const struct http_request *req, enum err_code code,
                  const char *detail);
/* The same with an "errors" member: JSON object text {"field":["rule",...]}. */
void http_problem_fields(struct http_reply *reply, const struct http_request *req,
                         enum err_code code, const char *detail, struct str errors_json);
/* Retry-After in whole seconds. */
void http_retry_after(struct http_reply *reply, unsigned seconds);

/* ---- routes ---- */

typedef void(http_handler_fn)(struct http_request *req, struct http_reply *reply);

enum http_route_flags {
	HTTP_ROUTE_STREAM = 1,   /* may become a stream */
	HTTP_ROUTE_NO_DRAIN = 2, /* a stream that may still begin while draining; others get 503 */
	HTTP_ROUTE_RAW = 4,      /* its handler reads the body: http_body_read() */
};

struct http_route {
	enum http_method method; /* a GET route serves HEAD too */
	unsigned flags;          /* enum http_route_flags */
	const char
		*pattern; /* "/api/v1/sessions/{id}/events": a parameter is one non-empty segment */
	http_handler_fn *handler;
	size_t body_max;       /* 0: a body is refused with 413; raw: that says that it is longer */
	const char *body_type; /* required media type of a body; NULL when body_max is 0, or any */
	const void *facts; /* the row of whoever made the table (scope, schema): the server does not
	                      look */
};

/* ---- server ---- */

struct http_options {
	const char *listen; /* "127.0.0.1:8080", "[::1]:8080", "0.0.0.0:80", "unix:/path"; port 0:
	                       any. Up to HTTP_LISTENERS_MAX in a comma list; tls://, proxy:// or
	                       proxy+tls:// before one says what is spoken there first. NULL:
	                       http_server_listen() or http_server_take() comes later */
	/* Listening sockets that this process was started with, descriptors from that one on: an
	 * address that one of them is bound to is not bound anew, and each has to be in the list.
	 */
	int given_first;
	unsigned given_count;
	struct tls_server *tls; /* for tls://; outlives the server. NULL: there is none */
	const struct http_route *routes;
	size_t route_count;
	void *app;
	/* Runs on the request's fiber before the handler. False: it has filled the reply. May be
	 * NULL. */
	bool (*admit)(struct http_request *req, struct http_reply *reply);
	/* After each reply, for logs and metrics. May be NULL. status is what was sent. */
	void (*done)(const struct http_request *req, int status, uint64_t took_us);
	unsigned head_timeout_ms, body_timeout_ms, keepalive_ms, write_timeout_ms;
	unsigned stream_timeout_ms; /* a stream's client takes nothing for so long; 0: as write */
	unsigned max_connections;
	unsigned accept_rate;         /* connections a second, and at once; 0: no limit */
	unsigned max_pipelined;       /* requests read ahead while one is being answered */
	const char *cors_origins;     /* "" none, "*" any, else a comma list */
	const char *trusted_proxies;  /* comma list of addresses whose word is believed */
	unsigned forwarded_by;        /* enum http_forwarded_by: which field they write */
	unsigned address_connections; /* of one address that is no trusted proxy; 0: no limit */
	const char *server_name;      /* for logs */
};

/* Listens at once (SO_REUSEPORT on TCP). NULL and err when it cannot. */
struct http_server *http_server_new(struct loop *loop, const struct http_options *options,
                                    struct err *err) MUST_CHECK;
/* Of a server that does not listen yet. */
enum err_code http_server_listen(struct http_server *server, const char *address,
                                 struct err *err) MUST_CHECK;
/* Cuts what is left; no handler may be running: drain first. */
void http_server_free(struct http_server *server);
/* Of the first one of its list; 0 for a unix socket. */
unsigned http_server_port(const struct http_server *server);
size_t http_server_connections(const struct http_server *server);

/* It will be drained soon: from here on answers end their connections, so that when it is, few wait
 * for a request that might come just then. All is served as before. */
void http_server_will_drain(struct http_server *server);
/* Stop accepting, answer what is in flight with Connection: close, refuse new streams. Those that
 * are open go on until http_conn_drain() or http_server_drain() tells them. */
void http_server_retire(struct http_server *server);
/* The same, and tell all streams; then drained(arg) once, when no connection is left or after
 * timeout_ms (the rest is cut). A second call changes nothing. */
void http_server_drain(struct http_server *server, unsigned timeout_ms, void (*drained)(void *arg),
                       void *arg);
bool http_server_draining(const struct http_server *server);

/* ---- for streams ---- */

/* Bytes taken by the kernel; 0: full, writable() will be called; -1: dead, closed() will be called
 * later. */
ssize_t http_conn_writev(struct http_conn *conn, const struct iovec *iov, int count);
/* Close after what the kernel has; closed() is called on a later turn. */
void http_conn_end(struct http_conn *conn);
/* Tell this stream to end soon, as a drain of the server would. */
void http_conn_drain(struct http_conn *conn);
/* For socket options, to tell it from others, and for handing over. */
int http_conn_fd(const struct http_conn *conn);
const char *http_conn_peer(const struct http_conn *conn); /* as the request had it */

/* ---- handing over ----
 *
 * A listening socket and open streams can move to another process on this host, which has got their
 * descriptors.  A stream that is frozen is neither read nor written, so what it has sent stays as
 * it is while both processes have it; then one of them goes on.  A stream over TLS stays: the state
 * of its records is in this process only.
 */

/* From now on accept nothing, and freeze the streams there are; requests are still answered. */
void http_server_freeze(struct http_server *server);
/* Go on; streams that could not write or end meanwhile do so now. */
void http_server_thaw(struct http_server *server);
/* The listening ones, in the order of its list; how many. */
size_t http_server_fds(const struct http_server *server, int fds[HTTP_LISTENERS_MAX]);
/* How many descriptors that list needs; 0: it is no list. */
size_t http_listen_count(const char *address);
/* Another process accepts now: close the listening sockets here, and leave their files. */
void http_server_leave(struct http_server *server);
/* Accept from another process's listening sockets, http_listen_count(address) of them. */
void http_server_take(struct http_server *server, const int *fds, const char *address);

/* The streams that are frozen, one after the other; NULL begins, and ends. */
struct http_conn *http_server_frozen(struct http_server *server, const struct http_conn *after);
/* Of a frozen stream: it is another process's. closed() follows. */
void http_conn_release(struct http_conn *conn);
/* A stream that another process released. opened() is not called: its head was sent long ago. */
struct http_conn *http_server_adopt(struct http_server *server, int fd, struct str peer,
                                    const struct http_stream_ops *ops, void *stream);
const struct http_stream_ops *http_conn_ops(const struct http_conn *conn);
void *http_conn_stream(const struct http_conn *conn);
/* Stop reading, so that TCP slows the peer down, until it is resumed; input() may be called again
 * only after that. While it lasts nobody sees the peer leave: end it some day. */
void http_conn_pause(struct http_conn *conn);
void http_conn_resume(struct http_conn *conn);
