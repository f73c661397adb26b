/*
 * One client connection, and one request on it. For this folder.
 *
 * A connection owns its exchange until the handler's fiber runs alone: when the client leaves
 * while a handler runs, the exchange is cut loose (conn == NULL), its fiber is cancelled, and
 * it goes when the handler returns.
 *
 *     READING -> BUSY -> WRITING -> READING ...      requests one after the other
 *        |                  |  \--> STREAM           the reply became a stream
 *        \------------------+-----> LINGER -> DEAD   our side is closed; the rest is dropped unread
 */
#pragma once

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "http/http.h"
#include "http/parse.h"
#include "http/peer.h"
#include "http/route.h"
#include "loop/fiber.h"
#include "loop/loop.h"

struct tls_stream;

enum {
	HTTP_READ_SIZE = 64 * 1024,
	HTTP_AHEAD_MAX = 16 * 1024, /* bytes read ahead while a request is answered */
	HTTP_DROP_MAX = 64 * 1024,  /* of a refused request's body, to keep the connection */
	HTTP_LINGER_MS = 2000,
	HTTP_LINGER_BYTES = 4 * 1024 * 1024,
	HTTP_STREAM_IGNORED_MAX = 64 * 1024, /* sent to a stream that takes no input */
	HTTP_DRAIN_IDLE_MS = 100,
	HTTP_DRAIN_FIRST_MS = 2000, /* who has just come, to say what for */
	HTTP_ADDRESS_MAX = 256,
	HTTP_BODY_AHEAD = 128 * 1024, /* of a body that is read by its handler: reading stops */
	HTTP_DATE_SIZE = sizeof("Sun, 06 Nov 1994 08:49:37 GMT"),
};

enum http_conn_state {
	CONN_READING, /* a request; without an exchange: idle */
	CONN_BUSY,    /* its handler runs */
	CONN_WRITING, /* the reply does not fit into the socket yet */
	CONN_STREAM,
	CONN_LINGER, /* our side is closed: a close with bytes unread would reset what we sent */
	CONN_DEAD,   /* freed on a later turn */
};

enum http_listening { LISTEN_READ, LISTEN_CLOSE, LISTEN_NOT };

/* What a connection needs while it waits for room, or has a deadline.  Most streams do neither most
 * of the time. */
struct http_wait {
	struct http_conn *conn;
	struct event write_event;
	struct loop_timer timer;
	uint64_t armed_ms; /* clock_mono_ms; 0: the timer is not set */
};

struct http_conn {
	struct http_server *server;
	int fd;
	enum http_conn_state state;
	enum http_listening listening, thawed_listening;
	struct event read_event;
	struct http_wait *wait; /* NULL: it waits for nothing but input */
	struct loop_task task;
	uint64_t deadline_ms; /* clock_mono_ms; 0: none */
	struct http_exchange *exchange;
	struct buf ahead;
	struct tls_stream *tls;       /* NULL: plain */
	bool prefaced;                /* a PROXY header is to come; what came is in ahead */
	bool close;                   /* after the reply */
	bool asked;                   /* a request of it was answered */
	bool feeding;                 /* inside feed(): do not enter again */
	bool opening;                 /* opened() is due */
	bool frozen;                  /* a stream that may move to another process; once thawed: */
	bool thawed_room, thawed_end; /* it wants room; it ends; and thawed_listening */
	size_t ignored;               /* bytes dropped in STREAM or LINGER */
	const struct http_stream_ops *ops;
	void *stream;
	bool counted; /* in the server's addresses */
	char peer[HTTP_PEER_SIZE];
	LIST_ENTRY(http_conn) link;
};

/* An idle stream has nothing else here: with its owner's structures, libevent's and malloc's it is
 * to stay below a kilobyte. */
_Static_assert(sizeof(struct http_conn) <= 384, "an idle connection is small");

struct http_exchange {
	struct http_server *server;
	struct http_conn *conn; /* NULL: the client is gone */
	struct http_parser parser;
	struct http_request req;
	struct http_reply reply;
	struct buf body;
	struct buf head; /* of the reply */
	struct buf cors;
	size_t sent;         /* of head and body together */
	struct fiber *fiber; /* while the handler runs */
	uint64_t began_us;
	size_t dropped; /* of the body, once answered */
	bool timed;     /* its head deadline is set */
	bool answered;  /* the reply was decided without a handler */
	bool replied;   /* status was sent or begun */

	/* body.c: of a body that its handler reads */
	bool raw, whole,
		paused;         /* its fiber began with the head; all of it is here; reading stopped
	                         */
	bool continue_due;      /* the client waits for 100 (Continue) */
	size_t stepped;         /* bytes since the deadline was set */
	enum err_code broken;   /* ERR_OK, or why no more of it comes */
	const char *broken_why; /* NULL: as the code says */
	struct buf given;       /* the part that the handler has */
	struct fiber_signal more;
};

/* What is spoken before the first request. */
enum http_listen_how { HTTP_LISTEN_PROXY = 1, HTTP_LISTEN_TLS = 2 };

struct http_listener {
	struct http_server *server;
	int fd;
	unsigned how;    /* enum http_listen_how */
	char *unix_path; /* owned; NULL: TCP */
	bool given;      /* so whoever opened it keeps it */
	struct event accept_event;
};

struct http_server {
	struct loop *loop;
	struct http_options options;
	struct http_routes *routes;
	struct http_proxies proxies;
	struct fiber_group fibers;
	LIST_HEAD(http_conns, http_conn) conns;
	size_t conn_count;     /* not DEAD */
	struct map *addresses; /* owned size_t, above 0: connections that are counted */
	struct http_listener listeners[HTTP_LISTENERS_MAX];
	size_t listener_count;
	unsigned port; /* of the first */
	bool accept_paused;
	uint64_t accepted_us; /* when as many as came would have come at the rate */
	struct loop_timer accept_timer, drain_timer;
	struct loop_task drain_task;
	bool will_drain, draining, told, frozen; /* told: all streams were */
	void (*drained)(void *arg);
	void *drained_arg;
	int64_t date_s;
	char date[HTTP_DATE_SIZE];
	unsigned char *random;
	size_t random_left;
	char *scratch;
};

/* ---- server.c ---- */

const char *http_server_date(struct http_server *server);
void http_server_random(struct http_server *server, unsigned char *out, size_t n);
void http_server_forget(struct http_conn *conn);      /* it is counted no more */
void http_server_settled(struct http_server *server); /* a connection or a handler has gone */

/* False: there are as many of this address as there may be. */
bool http_server_count(struct http_server *server, const char *peer, bool *ret_counted) MUST_CHECK;

/* ---- listen.c ---- */

struct http_door {
	unsigned how; /* enum http_listen_how */
	char address[HTTP_ADDRESS_MAX];
};

/* "127.0.0.1:8080, tls://[::]:8443": how many; 0 is an error. */
size_t http_doors_parse(const char *text, struct http_door ret[HTTP_LISTENERS_MAX],
                        struct err *err) MUST_CHECK;
int http_listen(const char *address, struct err *err); /* non-blocking; -1 */
bool http_listens_at(int fd, const char *address);     /* is it bound to that */
unsigned http_port_of(int fd);                         /* 0: of a unix socket */
char *http_unix_path(const char *address);             /* a copy; NULL: it is none */

/* ---- conn.c ---- */

struct http_conn *http_conn_new(struct http_server *server, int fd, const char *peer, unsigned how);
/* What it reads; while it is frozen: once it is thawed. */
void http_conn_listen(struct http_conn *conn, enum http_listening what);
void http_conn_kill(struct http_conn *conn); /* at once; the rest happens on a later turn */
void http_conn_free(struct http_conn *conn); /* a DEAD one */

/* ---- dialog.c: requests one after the other, and the reply to each ---- */

void http_conn_reply(struct http_conn *conn); /* the exchange's reply is ready: send it */
/* RFC 9110 section 10.1.1: the client sends its body only after this. */
void http_conn_continue(struct http_conn *conn);
/* Bytes that came while it is READING, BUSY or WRITING. */
void http_dialog_input(struct http_conn *conn, struct str in);
void http_dialog_room(struct http_conn *conn);    /* there is room for more of the reply */
void http_dialog_overdue(struct http_conn *conn); /* the deadline of READING has passed */

/* ---- transport.c: its socket, or TLS on it ---- */

ssize_t http_conn_read(struct http_conn *conn, void *room, size_t size);        /* as read(2) */
ssize_t http_conn_send(struct http_conn *conn, const struct iovec *iov, int n); /* as writev(2) */
/* Does it hold bytes that the socket did not take. */
bool http_conn_holds(const struct http_conn *conn);
/* Once the socket has room. False: it still holds some, or is dead. */
bool http_conn_flush(struct http_conn *conn);
/* Nothing follows: close our side as soon as it holds nothing. False: dead. */
bool http_conn_shut(struct http_conn *conn);

/* ---- preface.c ---- */

void http_preface_read(struct http_conn *conn); /* while it is prefaced */

/* ---- body.c: of a body that its handler reads ---- */

bool http_body_is_raw(const struct http_exchange *exchange);
void http_body_begin(struct http_exchange *exchange, bool continue_due); /* its head is there */
void http_body_add(struct http_exchange *exchange, struct str piece);
void http_body_end(struct http_exchange *exchange);
/* No more of it comes: its handler is told. */
void http_body_break(struct http_exchange *exchange, enum err_code code, const char *why);

/* ---- handover.c ---- */

void http_conn_freeze(struct http_conn *conn); /* an open stream */
void http_conn_thaw(struct http_conn *conn);   /* a frozen one */

/* ---- stream.c ---- */

void http_stream_open(struct http_conn *conn); /* the head is sent */
void http_stream_turn(struct http_conn *conn); /* on the loop: opened() or closed() when due */
/* Bytes for it; kept until it is open. */
void http_stream_input(struct http_conn *conn, struct str bytes);
/* Ask for writable() when there is room, and give up on a peer that does not read. */
void http_conn_want_room(struct http_conn *conn);

/* for stream.c */
void http_conn_linger(struct http_conn *conn);
bool http_conn_watches_room(const struct http_conn *conn);
void http_conn_watch_room(struct http_conn *conn, bool wants); /* writable when there is */
void http_conn_rest(struct http_conn *conn); /* give memory back, when it waits for nothing */
void http_conn_deadline(struct http_conn *conn, unsigned in_ms); /* 0: none */

/* ---- exchange.c ---- */

struct http_exchange *http_exchange_new(struct http_conn *conn);
void http_exchange_end(struct http_exchange *exchange); /* reports it and frees it */

/* The head is complete: find the route and decide all that can be decided without the body.
 * Sets answered, and close where the body must not be waited for. */
void http_exchange_route(struct http_exchange *exchange);
/* Answer with a problem, and close the connection after it. */
void http_exchange_refuse(struct http_exchange *exchange, enum err_code code, const char *detail);
void http_exchange_run(struct http_exchange *exchange); /* the request is complete */
/* Format the reply's head; the connection closes after it or not. */
void http_exchange_format(struct http_exchange *exchange, bool close);
