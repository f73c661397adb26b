#include "tests/support/http_stand.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "tests/support/http_client.h"
#include "tls/tls.h"

enum { DRAIN_MS = 3000, FLOOD_SIZE = 65536 };

struct counts {
	unsigned requests, cancelled, admin, opened, closed, writable, done, done_499;
	unsigned heard; /* bytes after a hush */
};

struct stand_app {
	struct loop *loop;
	struct http_server *server;
	struct counts counts;
	struct http_conn *hushed; /* its stream takes no input now */
};

struct feed {
	struct stand_app *app;
	struct http_conn *conn;
	bool flood, counts;
};

static struct stand_app *app_of(struct http_request *req)
{
	struct stand_app *app = req->app;

	app->counts.requests++;
	return app;
}

static void get_hello(struct http_request *req, struct http_reply *reply)
{
	(void)app_of(req);
	reply->content_type = "text/plain";
	buf_add_cstr(&reply->body, "hello");
}

static void get_admin(struct http_request *req, struct http_reply *reply)
{
	app_of(req)->counts.admin++;
	buf_add_cstr(&reply->body, "{}");
}

static void get_item(struct http_request *req, struct http_reply *reply)
{
	struct str mark;

	(void)app_of(req);
	buf_addf(&reply->body, "%" STR_FMT, STR_ARG(req->params[0]));
	if (http_query(req, "mark", &mark)) {
		http_reply_header(reply, "X-Mark", "%" STR_FMT, STR_ARG(mark));
	}
}

static void get_self(struct http_request *req, struct http_reply *reply)
{
	(void)app_of(req);
	buf_addf(&reply->body, "%" STR_FMT " %s %s", STR_ARG(req->peer), req->trace_id,
	         req->parent_id);
}

static void post_echo(struct http_request *req, struct http_reply *reply)
{
	(void)app_of(req);
	buf_add_str(&reply->body, req->body);
}

/* Reads the body while it comes: how many bytes there were, and their sum. ?stop=N: no more than N
 * are read; ?ms=N: it takes so long over each part. */
static void post_take(struct http_request *req, struct http_reply *reply)
{
	struct stand_app *app = app_of(req);
	uint64_t count = 0, sum = 0, stop = UINT64_MAX, ms = 0;
	struct str text, part;
	enum err_code code = ERR_OK;
	struct err err;

	if (http_query(req, "stop", &text) && !parse_u64(text, UINT64_MAX, &stop)) {
		stop = 0;
	}
	if (http_query(req, "ms", &text) && !parse_u64(text, 1000, &ms)) {
		ms = 0;
	}
	do {
		part = STR_LIT("");
		code = count < stop ? http_body_read(req, &part, &err) : ERR_OK;
		for (size_t i = 0; i < part.n; i++) {
			sum += (unsigned char)part.p[i];
		}
		count += part.n;
	} while (code == ERR_OK && part.n > 0 && (ms == 0 || fiber_sleep(ms) == ERR_OK));
	if (code == ERR_CANCELLED) {
		app->counts.cancelled++;
	} else if (code != ERR_OK) {
		http_problem(reply, req, code, err.msg);
	} else {
		buf_addf(&reply->body, "%llu %llu", (unsigned long long)count,
		         (unsigned long long)sum);
	}
}

static void get_slow(struct http_request *req, struct http_reply *reply)
{
	struct stand_app *app = app_of(req);
	struct str text;
	uint64_t ms = 0;

	if (!http_query(req, "ms", &text) || !parse_u64(text, 60000, &ms) ||
	    fiber_sleep(ms) != ERR_OK) {
		app->counts.cancelled++;
	}
	buf_add_str(&reply->body, http_query(req, "say", &text) ? text : STR_LIT("slept"));
}

static void get_big(struct http_request *req, struct http_reply *reply)
{
	struct str text;
	uint64_t n = 0;

	(void)app_of(req);
	if (http_query(req, "n", &text) && parse_u64(text, 1 << 26, &n) && n > 0) {
		char *room = buf_reserve(&reply->body, (size_t)n);

		memset(room, 'x', (size_t)n);
		buf_commit(&reply->body, (size_t)n);
	}
}

static void get_go_on(struct http_request *req, struct http_reply *reply)
{
	struct stand_app *app = app_of(req);

	(void)reply;
	http_conn_resume(app->hushed);
}

static void get_counts(struct http_request *req, struct http_reply *reply)
{
	const struct stand_app *app = req->app;
	const struct counts *c = &app->counts;

	buf_addf(&reply->body,
	         "requests=%u cancelled=%u admin=%u opened=%u closed=%u writable=%u done=%u "
	         "gone=%u heard=%u connections=%zu ",
	         c->requests, c->cancelled, c->admin, c->opened, c->closed, c->writable, c->done,
	         c->done_499, c->heard, http_server_connections(app->server));
}

/* ---- streams ---- */

static ssize_t feed_say(struct feed *feed, struct str text)
{
	union {
		const char *in;
		void *out;
	} bytes = { .in = text.p };
	struct iovec iov = { bytes.out, text.n };

	return http_conn_writev(feed->conn, &iov, 1);
}

static void feed_writable(void *stream)
{
	static char block[FLOOD_SIZE];
	struct feed *feed = stream;

	feed->app->counts.writable++;
	while (feed->flood && feed_say(feed, str_make(block, sizeof(block))) == FLOOD_SIZE) {
	}
}

static void feed_opened(void *stream, struct http_conn *conn)
{
	struct feed *feed = stream;

	feed->conn = conn;
	feed->app->counts.opened++;
	(void)feed_say(feed, STR_LIT("data: hello\n\n"));
	if (feed->flood) {
		feed_writable(feed);
	}
}

static void feed_input(void *stream, struct str bytes)
{
	struct feed *feed = stream;

	if (str_eq(bytes, STR_LIT("bye"))) {
		http_conn_end(feed->conn);
	} else if (str_eq(bytes, STR_LIT("hush"))) {
		feed->counts = true;
		feed->app->hushed = feed->conn;
		http_conn_pause(feed->conn);
		(void)feed_say(feed, STR_LIT("hushed"));
	} else if (feed->counts) {
		feed->app->counts.heard += (unsigned)bytes.n;
	} else {
		(void)feed_say(feed, bytes);
	}
}

static void feed_drain(void *stream)
{
	struct feed *feed = stream;

	(void)feed_say(feed, STR_LIT("data: bye\n\n"));
	http_conn_end(feed->conn);
}

static void feed_closed(void *stream)
{
	struct feed *feed = stream;

	feed->app->counts.closed++;
	free(feed);
}

static const struct http_stream_ops feed_ops = {
	.opened = feed_opened,
	.writable = feed_writable,
	.drain = feed_drain,
	.closed = feed_closed,
};

static const struct http_stream_ops talk_ops = {
	.opened = feed_opened,
	.writable = feed_writable,
	.input = feed_input,
	.drain = feed_drain,
	.closed = feed_closed,
};

static struct feed *start_feed(struct http_request *req, struct http_reply *reply)
{
	struct feed *feed = mem_calloc(1, sizeof(*feed));

	feed->app = app_of(req);
	reply->content_type = "text/event-stream";
	reply->stream_ops = &feed_ops;
	reply->stream = feed;
	return feed;
}

static void get_stream(struct http_request *req, struct http_reply *reply)
{
	(void)start_feed(req, reply);
}

static void get_slow_stream(struct http_request *req, struct http_reply *reply)
{
	struct stand_app *app = req->app;

	if (fiber_sleep(60000) != ERR_OK) {
		app->counts.cancelled++;
	}
	(void)start_feed(req, reply);
}

static void get_flood(struct http_request *req, struct http_reply *reply)
{
	start_feed(req, reply)->flood = true;
}

static void get_talk(struct http_request *req, struct http_reply *reply)
{
	(void)start_feed(req, reply);
	reply->status = 101;
	reply->stream_ops = &talk_ops;
	http_reply_header(reply, "Connection", "Upgrade");
	http_reply_header(reply, "Upgrade", "talk");
}

static const struct http_route routes[] = {
	{ .method = HTTP_GET, .pattern = "/hello", .handler = get_hello },
	{ .method = HTTP_GET, .pattern = "/admin", .handler = get_admin },
	{ .method = HTTP_GET, .pattern = "/items/{id}", .handler = get_item },
	{ .method = HTTP_DELETE, .pattern = "/items/{id}", .handler = get_item },
	{ .method = HTTP_GET, .pattern = "/self", .handler = get_self },
	{ .method = HTTP_POST, .pattern = "/echo", .handler = post_echo, .body_max = 65536 },
	{ .method = HTTP_POST,
	  .pattern = "/take",
	  .handler = post_take,
	  .body_max = 8 << 20,
	  .flags = HTTP_ROUTE_RAW },
	{ .method = HTTP_POST,
	  .pattern = "/json",
	  .handler = post_echo,
	  .body_max = 100,
	  .body_type = "application/json" },
	{ .method = HTTP_GET, .pattern = "/slow", .handler = get_slow },
	{ .method = HTTP_GET, .pattern = "/big", .handler = get_big },
	{ .method = HTTP_GET, .pattern = "/counts", .handler = get_counts },
	{ .method = HTTP_GET, .pattern = "/go-on", .handler = get_go_on },
	{ .method = HTTP_GET,
	  .pattern = "/stream",
	  .handler = get_stream,
	  .flags = HTTP_ROUTE_STREAM },
	{ .method = HTTP_GET,
	  .pattern = "/slow-stream",
	  .handler = get_slow_stream,
	  .flags = HTTP_ROUTE_STREAM },
	{ .method = HTTP_GET,
	  .pattern = "/flood",
	  .handler = get_flood,
	  .flags = HTTP_ROUTE_STREAM },
	{ .method = HTTP_GET, .pattern = "/talk", .handler = get_talk, .flags = HTTP_ROUTE_STREAM },
};

/* ---- the process ---- */

static void on_done(const struct http_request *req, int status, uint64_t took_us)
{
	struct stand_app *app = req->app;

	(void)took_us;
	app->counts.done++;
	app->counts.done_499 += status == 499;
}

static void on_drained(void *arg)
{
	struct stand_app *app = arg;

	loop_stop(app->loop);
}

static void on_term(int signo, void *arg)
{
	struct stand_app *app = arg;

	(void)signo;
	http_server_drain(app->server, DRAIN_MS, on_drained, app);
}

static void on_hup(int signo, void *arg)
{
	struct tls_server *tls = arg;
	struct err err;

	(void)signo;
	if (tls_server_reload(tls, &err) != ERR_OK) {
		(void)fprintf(stderr, "refused: %s\n", err.msg);
	}
}

static bool tell_ports(const struct http_server *server, int ready)
{
	unsigned ports[HTTP_LISTENERS_MAX] = { 0 };
	int fds[HTTP_LISTENERS_MAX];
	size_t count = http_server_fds(server, fds);

	for (size_t i = 0; i < count; i++) {
		struct sockaddr_in address = { .sin_port = 0 };
		socklen_t size = sizeof(address);
		void *raw = &address;

		if (getsockname(fds[i], raw, &size) == 0 && address.sin_family == AF_INET) {
			ports[i] = ntohs(address.sin_port);
		}
	}
	return write(ready, ports, sizeof(ports)) == (ssize_t)sizeof(ports);
}

static unsigned or_default(unsigned value, unsigned otherwise)
{
	return value != 0 ? value : otherwise;
}

static int serve(const struct http_options *wanted, int ready)
{
	struct http_options options = *wanted;
	struct stand_app app = { .loop = loop_new() };
	struct err err;

	options.routes = routes;
	options.route_count = ARRAY_LEN(routes);
	options.app = &app;
	options.done = on_done;
	options.listen = wanted->listen != NULL ? wanted->listen : "127.0.0.1:0";
	options.head_timeout_ms = or_default(wanted->head_timeout_ms, 10000);
	options.body_timeout_ms = or_default(wanted->body_timeout_ms, 10000);
	options.keepalive_ms = or_default(wanted->keepalive_ms, 30000);
	options.write_timeout_ms = or_default(wanted->write_timeout_ms, 10000);
	options.max_connections = or_default(wanted->max_connections, 5000);
	options.max_pipelined = or_default(wanted->max_pipelined, 16);
	app.server = http_server_new(app.loop, &options, &err);
	if (app.server == NULL) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	loop_on_signal(app.loop, SIGTERM, on_term, &app);
	if (options.tls != NULL) {
		loop_on_signal(app.loop, SIGHUP, on_hup, options.tls);
	}
	if (!tell_ports(app.server, ready)) {
		return 1;
	}
	loop_run(app.loop);
	http_server_free(app.server);
	tls_server_free(options.tls);
	loop_free(app.loop);
	return 0;
}

struct http_stand http_stand_start(const struct http_options *wanted, unsigned fd_limit)
{
	struct http_stand stand = { .draining = false };
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	stand.pid = fork();
	assert_true(stand.pid >= 0);
	if (stand.pid == 0) {
		struct rlimit limit = { fd_limit, fd_limit };

		/* A test that fails leaves no process behind. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(ready[0]);
		if (fd_limit > 0 && setrlimit(RLIMIT_NOFILE, &limit) != 0) {
			_exit(1);
		}
		/* exit(), not _exit(): leaks are looked for. */
		exit(serve(wanted, ready[1]));
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], stand.ports, sizeof(stand.ports)), sizeof(stand.ports));
	stand.port = stand.ports[0];
	(void)close(ready[0]);
	return stand;
}

void http_stand_drain(struct http_stand *stand)
{
	stand->draining = true;
	assert_int_equal(kill(stand->pid, SIGTERM), 0);
}

void http_stand_stop(struct http_stand *stand)
{
	int status;

	if (!stand->draining) {
		http_stand_drain(stand);
	}
	assert_int_equal(waitpid(stand->pid, &status, 0), stand->pid);
	assert_int_equal(status, 0);
}

unsigned http_stand_count(const struct http_stand *stand, const char *name)
{
	struct client client = client_open(stand->port);
	struct client_reply reply;
	char key[64];
	const char *at;
	unsigned value;

	client_say(&client, "GET /counts HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	client_reply(&client, &reply);
	(void)snprintf(key, sizeof(key), "%s=", name);
	at = strstr(buf_cstr(&reply.body), key);
	assert_non_null(at);
	value = (unsigned)strtoul(at + strlen(key), NULL, 10);
	buf_fini(&reply.body);
	client_close(&client);
	return value;
}

void http_stand_await(const struct http_stand *stand, const char *name, unsigned value)
{
	unsigned seen = 0;

	for (int i = 0; i < 1000; i++) {
		seen = http_stand_count(stand, name);
		if (seen == value) {
			return;
		}
		(void)poll(NULL, 0, 5);
	}
	fail_msg("%s stays at %u, expected %u", name, seen, value);
}
