#include "tests/integration/streamer_world.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "base/mem.h"
#include "pg/schema.h"
#include "tenant/tenant_store.h"
#include "tests/support/generation_mark.h"

enum { SETTINGS_MAX = 32, SETTING_SIZE = 256, READ_SIZE = 64 * 1024, LOOK_MS = 10 };
enum { PORT_FIRST = 20000, PORT_SPAN = 12000 };

#define INSERT_SESSION                                                                             \
	"WITH t AS (INSERT INTO tasks (id, tenant_id, created_by, agents) "                        \
	"VALUES ($1::text, 'acme', 'me', '[]')) "                                                  \
	"INSERT INTO sessions (id, tenant_id, task_id, agent) VALUES "                             \
	"($1::text, 'acme', $1::text, '{}')"

static const struct text insert_session = { "world_insert_session", "0", INSERT_SESSION,
	                                    sizeof(INSERT_SESSION) - 1 };

/* ---- processes ---- */

void world_handover_path(const struct world *world, size_t streamer, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/takeover-%zu", world->server.dir, streamer);
}

static void become_streamer(const struct world *world, size_t streamer, const char *flag)
{
	const char *path = world->streamers[streamer].path;
	static char own[8][SETTING_SIZE];
	char *env[SETTINGS_MAX];
	char *argv[] = { (char[]){ "fairlead-streamer" }, mem_strdup(flag), NULL };
	char handover[REDIS_SERVER_PATH] = "";
	size_t n = 0;

	if (flag[0] == '\0') {
		argv[1] = NULL;
	}
	if (world->hands_over) {
		world_handover_path(world, streamer, handover, sizeof(handover));
	}

	(void)snprintf(own[0], SETTING_SIZE, "FAIRLEAD_REDIS_URL=%s", world->server.url);
	(void)snprintf(own[1], SETTING_SIZE, "FAIRLEAD_PG_URL=%s", getenv("TEST_PG_URL"));
	(void)snprintf(own[2], SETTING_SIZE, "FAIRLEAD_PEPPER=%s", WORLD_PEPPER);
	(void)snprintf(own[3], SETTING_SIZE, "FAIRLEAD_STREAMER_LISTEN=%s%s",
	               path[0] == '/' ? "unix:" : "", path);
	(void)snprintf(own[4], SETTING_SIZE, "FAIRLEAD_STREAM_KEEPALIVE=1s");
	(void)snprintf(own[5], SETTING_SIZE, "%s",
	               "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0");
	(void)snprintf(own[6], SETTING_SIZE, "FAIRLEAD_UNSAFE_STORAGE=true");
	(void)snprintf(own[7], SETTING_SIZE, "FAIRLEAD_STREAMER_TAKEOVER=%s", handover);
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		env[n++] = own[i];
	}
	for (size_t i = 0; world->settings != NULL && world->settings[i] != NULL; i++) {
		env[n++] = mem_strdup(world->settings[i]);
	}
	env[n] = NULL;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execve(STREAMER_PROGRAM, argv, env);
	_exit(127);
}

void world_start(struct world *world, size_t streamer)
{
	struct streamer *it = &world->streamers[streamer];

	if (world->port != 0) {
		(void)snprintf(it->path, sizeof(it->path), "127.0.0.1:%zu", world->port + streamer);
	} else {
		(void)snprintf(it->path, sizeof(it->path), "%s/streamer-%zu", world->server.dir,
		               streamer);
	}
	it->pid = fork();
	assert_true(it->pid >= 0);
	if (it->pid == 0) {
		become_streamer(world, streamer, "");
	}
}

pid_t world_start_successor(struct world *world, size_t streamer)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		become_streamer(world, streamer, "--takeover");
	}
	return pid;
}

void world_await_ready(struct world *world, size_t streamer)
{
	uint64_t until = clock_mono_ms() + WORLD_WAIT_MS;
	struct buf body;

	buf_init(&body, UINT16_MAX);
	while (world_get(world, streamer, "/readyz", "", &body) != 200) {
		if (clock_mono_ms() > until) {
			fail_msg("the streamer is not ready: %s", buf_cstr(&body));
		}
		buf_reset(&body);
		assert_int_equal(fiber_sleep(LOOK_MS), ERR_OK);
	}
	buf_fini(&body);
}

int world_await_end(pid_t pid)
{
	uint64_t until = clock_mono_ms() + WORLD_WAIT_MS;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_mono_ms() > until) {
			fail_msg("the streamer does not end");
		}
		assert_int_equal(fiber_sleep(LOOK_MS), ERR_OK);
	}
	return status;
}

int world_stop(struct world *world, size_t streamer, int signo)
{
	struct streamer *it = &world->streamers[streamer];
	pid_t pid = it->pid;

	(void)kill(pid, signo);
	it->pid = 0;
	return world_await_end(pid);
}

static bool is_free(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons((uint16_t)port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool bound = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	(void)close(fd);
	return bound;
}

void world_find_ports(struct world *world)
{
	unsigned port = PORT_FIRST + (unsigned)getpid() % PORT_SPAN;

	while (!is_free(port) || !is_free(port + 1)) {
		port = port + 2 < PORT_FIRST + PORT_SPAN ? port + 2 : PORT_FIRST;
	}
	world->port = port;
}

static void learn_generation(struct world *world)
{
	struct err err;

	assert_int_equal(redis_wait_connected(world->redis, WORLD_WAIT_MS, &err), ERR_OK);
	world->store.generation = generation_learn(world->redis, world->pg);
}

void world_restart_redis(struct world *world)
{
	uint64_t before = redis_connection(world->redis);
	uint64_t until = clock_mono_ms() + WORLD_WAIT_MS;

	redis_server_kill(&world->server);
	redis_server_start(&world->server, NULL);
	while (redis_connection(world->redis) == before) {
		assert_true(clock_mono_ms() < until);
		assert_int_equal(fiber_sleep(LOOK_MS), ERR_OK);
	}
	learn_generation(world);
}

void world_say(struct world *world, const char *line)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct str rest = str_of(line);
	struct err err;

	while (rest.p != NULL) {
		redis_arg(cmd, str_split(&rest, ' '));
	}
	if (redis_call(world->redis, cmd, &reply, &err) != ERR_OK) {
		fail_msg("%s: %s", line, err.msg);
	}
}

uint64_t world_metric(struct world *world, size_t streamer, const char *name)
{
	uint64_t value = 0;
	struct str rest;
	struct buf page;

	buf_init(&page, SIZE_MAX / 2);
	assert_int_equal(world_get(world, streamer, "/metrics", "", &page), 200);
	rest = buf_str(&page);
	while (rest.p != NULL) {
		struct str line = str_split(&rest, '\n'), label = str_split(&line, ' ');

		if (str_eq(label, str_of(name)) && !parse_u64(line, UINT64_MAX, &value)) {
			fail_msg("%s: not a whole number", name);
		}
	}
	buf_fini(&page);
	return value;
}

/* ---- the world ---- */

static void make_key(struct world *world, const char *tenant, unsigned scopes,
                     const char *namespaces, char *ret)
{
	struct cred_pepper pepper = cred_pepper_from(str_of(WORLD_PEPPER));
	struct auth_key_new key = {
		.tenant = tenant, .name = "test", .scopes = scopes, .namespaces = namespaces
	};
	struct id id;
	struct err err;

	if (tenant_ensure(world->pg, tenant, &err) != ERR_OK ||
	    auth_key_create(world->pg, &key, &pepper, ret, &id, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
}

static void world_main(void *arg)
{
	struct world *world = arg;
	struct pg_options pg = { getenv("TEST_PG_URL"), 2, 5000, 5000 };
	struct redis_options redis = { world->server.url, 5000, 100 };
	unsigned applied;
	struct err err;

	world->pg = pg_new(world->loop, &pg);
	world->redis = redis_new(world->loop, &redis, &err);
	world->store =
		(struct log_store){ .redis = world->redis, .unarchived_max = 16 * 1024 * 1024 };
	if (pg_migrate(world->pg, &pg_schema, &applied, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	learn_generation(world);
	make_key(world, TENANT, auth_bit(AUTH_SESSION_READ) | auth_bit(AUTH_SESSION_WRITE), NULL,
	         world->key);
	make_key(world, TENANT, auth_bit(AUTH_SESSION_READ), NULL, world->observer_key);
	make_key(world, FOREIGN, auth_bit(AUTH_SESSION_READ), NULL, world->foreign_key);
	make_key(world, TENANT, auth_bit(AUTH_TASK_WRITE), NULL, world->poor_key);
	make_key(world, TENANT, auth_bit(AUTH_ADMIN) | auth_bit(AUTH_SYSTEM), NULL,
	         world->admin_key);
	make_key(world, FOREIGN, auth_bit(AUTH_ADMIN) | auth_bit(AUTH_SYSTEM), NULL,
	         world->foreign_admin_key);
	make_key(world, TENANT, auth_bit(AUTH_SESSION_READ), "elsewhere", world->narrow_key);
	world_start(world, 0);
	world_await_ready(world, 0);
	world->body(world);
	for (size_t i = 0; i < STREAMERS; i++) {
		if (world->streamers[i].pid != 0) {
			assert_int_equal(world_stop(world, i, SIGTERM), 0);
		}
	}
	redis_free(world->redis);
	pg_free(world->pg);
}

void world_run(struct world *world)
{
	world->loop = loop_new();
	redis_server_init(&world->server);
	world->server.keeps = world->keeps;
	redis_server_start(&world->server, NULL);
	(void)fiber_start(world->loop, NULL, "test", world_main, world);
	loop_run(world->loop);
	loop_free(world->loop);
	redis_server_fini(&world->server);
}

/* ---- sessions ---- */

static struct log_result must(enum err_code code, const struct log_result *result,
                              const struct err *err)
{
	if (code != ERR_OK) {
		fail_msg("%s", err->msg);
	}
	if (result->outcome != LOG_OK) {
		fail_msg("%s", log_outcome_name(result->outcome));
	}
	return *result;
}

static struct cursor opened(struct world *world, const struct log_open *opening)
{
	struct log_epoch epoch = { .sid = opening->sid,
		                   .tenant = TENANT,
		                   .cause = opening->cause,
		                   .generation = world->store.generation };
	struct log_result result;
	struct err err;

	result = must(log_open(&world->store, opening, &result, &err), &result, &err);
	epoch.first = result.first;
	assert_int_equal(log_epoch_store(world->pg, &epoch, &err), ERR_OK);
	return result.last;
}

struct id world_session(struct world *world)
{
	struct id sid = id_new();
	struct pg_params params = { 0 };
	struct err err;

	pg_param_cstr(&params, sid.s);
	if (pg_query(world->pg, "", &insert_session, &params, NULL, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	(void)opened(world, &(struct log_open){ .sid = sid,
	                                        .tenant = TENANT,
	                                        .how = LOG_CREATE,
	                                        .cause = "create",
	                                        .token = "create",
	                                        .to = SESSION_QUEUED });
	return sid;
}

struct cursor world_raise(struct world *world, const struct id *sid, const char *token)
{
	return opened(world, &(struct log_open){ .sid = *sid,
	                                         .tenant = TENANT,
	                                         .how = LOG_RAISE,
	                                         .cause = "lease",
	                                         .token = token });
}

static struct cursor append(struct world *world, const struct log_batch *batch)
{
	struct log_result result;
	struct err err;

	return must(log_append(&world->store, batch, &result, &err), &result, &err).last;
}

struct cursor world_append(struct world *world, const struct id *sid, enum event_type type,
                           struct str data)
{
	struct log_new event = { type, data };
	struct log_batch batch = { .sid = *sid, .tenant = TENANT, .events = &event, .count = 1 };

	return append(world, &batch);
}

struct cursor world_notes(struct world *world, const struct id *sid, unsigned count,
                          unsigned batch_max)
{
	struct log_new events[EVENT_BATCH_MAX];
	struct log_batch batch = { .sid = *sid, .tenant = TENANT, .events = events };
	struct cursor last = { 0, 0 };

	for (size_t i = 0; i < EVENT_BATCH_MAX; i++) {
		events[i] = (struct log_new){ EVENT_TYPE_NOTE,
			                      STR_LIT("{\"message\":\"a note of the test\"}") };
	}
	while (count > 0) {
		batch.count = count < batch_max ? count : batch_max;
		last = append(world, &batch);
		count -= (unsigned)batch.count;
	}
	return last;
}

struct cursor world_finish(struct world *world, const struct id *sid)
{
	struct log_new event = { EVENT_TYPE_STATUS, STR_LIT("{\"status\":\"cancelled\"}") };
	struct log_batch batch = { .sid = *sid,
		                   .tenant = TENANT,
		                   .events = &event,
		                   .count = 1,
		                   .moves = true,
		                   .to = SESSION_CANCELLED };

	return append(world, &batch);
}

void world_archive(struct world *world, const struct id *sid, uint64_t hot)
{
	struct archive job = { *sid, TENANT, 1, hot, 60000 };
	uint64_t through = 0;
	struct err err;

	if (archive_session(&world->store, world->pg, &job, &through, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
}

/* ---- sockets ---- */

int world_dial(const struct world *world, size_t streamer)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	struct sockaddr_in port = { .sin_family = AF_INET,
		                    .sin_port = htons((uint16_t)(world->port + streamer)),
		                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	bool tcp = world->port != 0;
	int fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int failed;

	assert_true(fd >= 0);
	if (world->receive_bytes > 0) {
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &world->receive_bytes,
		                            sizeof(world->receive_bytes)),
		                 0);
	}
	assert_true(str_copy(path.sun_path, sizeof(path.sun_path),
	                     str_of(world->streamers[streamer].path)));
	failed = tcp ? connect(fd, (struct sockaddr *)&port, sizeof(port))
	             : connect(fd, (struct sockaddr *)&path, sizeof(path));
	if (failed != 0) {
		(void)close(fd);
		return -1;
	}
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

void world_send(int fd, struct str bytes)
{
	ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

	assert_true(n == (ssize_t)bytes.n || (n < 0 && (errno == EPIPE || errno == ECONNRESET)));
}

bool world_receive(int fd, struct buf *in, unsigned ms, bool *ret_end)
{
	char *room = buf_reserve(in, READ_SIZE);
	ssize_t n = read(fd, room, READ_SIZE);

	while (n < 0 && errno == EAGAIN) {
		if (fiber_wait_fd(fd, FIBER_READ, ms) != ERR_OK) {
			return false;
		}
		n = read(fd, room, READ_SIZE);
	}
	if (n <= 0) {
		*ret_end = true;
		return false;
	}
	buf_commit(in, (size_t)n);
	return true;
}

static int parse_status(struct str head)
{
	uint64_t status;

	return head.n > 12 && parse_u64(str_make(head.p + 9, 3), 999, &status) ? (int)status : 0;
}

const char *world_end_of_head(const struct buf *in)
{
	const char *end = in->len > 0 ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;

	return end != NULL ? end + 4 : NULL;
}

static void ask(int fd, const char *request_line, const char *key, const char *headers)
{
	struct buf request;

	buf_init(&request, UINT16_MAX);
	buf_addf(&request, "%s HTTP/1.1\r\nHost: test\r\n", request_line);
	if (key != NULL) {
		buf_addf(&request, "Authorization: ApiKey %s\r\n", key);
	}
	buf_addf(&request, "%s\r\n", headers);
	world_send(fd, buf_str(&request));
	buf_fini(&request);
}

int world_ask(struct world *world, size_t streamer, const char *method_and_target,
              const char *headers, struct buf *ret)
{
	int fd = world_dial(world, streamer);
	bool own_key = strstr(headers, "Authorization:") != NULL;
	size_t start = ret->len;
	bool end = false;
	struct buf all;

	if (fd < 0) {
		return 0;
	}
	buf_init(&all, UINT16_MAX);
	buf_addf(&all, "Connection: close\r\n%s", headers);
	ask(fd, method_and_target, own_key ? NULL : world->key, buf_cstr(&all));
	while (world_receive(fd, ret, WORLD_WAIT_MS, &end)) {
	}
	if (!end) {
		fail_msg("%s: no answer", method_and_target);
	}
	buf_fini(&all);
	(void)close(fd);
	return parse_status(str_make(ret->data + start, ret->len - start));
}

void world_administer(struct world *world)
{
	memcpy(world->key, world->admin_key, sizeof(world->key));
}

int world_get(struct world *world, size_t streamer, const char *target, const char *headers,
              struct buf *ret_body)
{
	struct buf line, all;
	const char *body;
	int status;

	buf_init(&line, UINT16_MAX);
	buf_init(&all, SIZE_MAX / 2);
	buf_addf(&line, "GET %s", target);
	status = world_ask(world, streamer, buf_cstr(&line), headers, &all);
	body = world_end_of_head(&all);
	if (body != NULL) {
		buf_add(ret_body, body, (size_t)(all.data + all.len - body));
	}
	buf_fini(&line);
	buf_fini(&all);
	return status;
}

/* ---- viewers ---- */

static bool takes_gzip(void)
{
	const char *accept = getenv("VIEWERS_ACCEPT");

	return accept != NULL && strcmp(accept, "gzip") == 0;
}

static void begin_gzip(struct viewer *viewer)
{
	viewer->gzip = mem_calloc(1, sizeof(*viewer->gzip));
	assert_int_equal(inflateInit2(viewer->gzip, 16 + MAX_WBITS), Z_OK);
}

void viewer_unpack(struct viewer *viewer, struct buf *in)
{
	z_stream *gzip = viewer->gzip;
	struct buf plain;

	viewer->wire_bytes += in->len;
	if (gzip == NULL || in->len == 0) {
		return;
	}
	buf_init(&plain, SIZE_MAX / 2);
	gzip->next_in = (Bytef *)in->data;
	gzip->avail_in = (uInt)in->len;
	do {
		int rc;

		gzip->next_out = (Bytef *)buf_reserve(&plain, READ_SIZE);
		gzip->avail_out = READ_SIZE;
		rc = inflate(gzip, Z_SYNC_FLUSH);
		buf_commit(&plain, READ_SIZE - gzip->avail_out);
		viewer->whole = rc == Z_STREAM_END;
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
			fail_msg("not gzip: %s", gzip->msg != NULL ? gzip->msg : "?");
		}
	} while (gzip->avail_out == 0);
	assert_int_equal(gzip->avail_in, 0);
	buf_fini(in);
	*in = plain;
}

struct viewer *viewer_try(struct world *world, size_t streamer, const struct id *sid,
                          const char *query, const char *last)
{
	int fd = world_dial(world, streamer);
	char target[256], headers[200];
	struct viewer *viewer;
	const char *body;

	if (fd < 0) {
		return NULL;
	}
	viewer = mem_calloc(1, sizeof(*viewer));
	viewer->world = world;
	viewer->fd = fd;
	buf_init(&viewer->in, SIZE_MAX / 2);
	sse_parser_init(&viewer->parser, 1024 * 1024);
	(void)snprintf(target, sizeof(target), "GET /api/v1/sessions/%s/events%s", sid->s, query);
	(void)snprintf(headers, sizeof(headers), "Accept: text/event-stream\r\n%s%s%s%s",
	               takes_gzip() ? "Accept-Encoding: gzip\r\n" : "",
	               last[0] != '\0' ? "Last-Event-ID: " : "", last,
	               last[0] != '\0' ? "\r\n" : "");
	ask(viewer->fd, target, world->key, headers);
	while ((body = world_end_of_head(&viewer->in)) == NULL) {
		if (!world_receive(viewer->fd, &viewer->in, WORLD_WAIT_MS, &viewer->ended)) {
			viewer_close(viewer);
			return NULL;
		}
	}
	viewer->status = parse_status(buf_str(&viewer->in));
	if (memmem(viewer->in.data, (size_t)(body - viewer->in.data), "Content-Encoding: gzip",
	           22)) {
		begin_gzip(viewer);
	}
	buf_drop(&viewer->in, (size_t)(body - viewer->in.data));
	viewer_unpack(viewer, &viewer->in);
	viewer->rest = buf_str(&viewer->in);
	return viewer;
}

void viewer_close(struct viewer *viewer)
{
	(void)close(viewer->fd);
	if (viewer->gzip != NULL) {
		(void)inflateEnd(viewer->gzip);
		free(viewer->gzip);
	}
	buf_fini(&viewer->in);
	sse_parser_fini(&viewer->parser);
	free(viewer);
}

struct viewer *viewer_open(struct world *world, size_t streamer, const struct id *sid,
                           const char *query, const char *last)
{
	struct viewer *viewer = viewer_try(world, streamer, sid, query, last);

	assert_non_null(viewer);
	return viewer;
}

bool viewer_next_within(struct viewer *viewer, unsigned ms)
{
	uint64_t now = clock_mono_ms(), until = now + ms;

	for (;; now = clock_mono_ms()) {
		switch (sse_parse(&viewer->parser, &viewer->rest)) {
		case SSE_PARSED_EVENT:
			if (viewer->wants_drains || !viewer_is(viewer, "drain")) {
				return true;
			}
			continue;
		case SSE_PARSED_ERROR: fail_msg("not an event stream"); break;
		case SSE_PARSED_MORE: break;
		}
		buf_reset(&viewer->in);
		if (now > until || !world_receive(viewer->fd, &viewer->in, (unsigned)(until - now),
		                                  &viewer->ended)) {
			viewer->rest = STR_LIT("");
			return false;
		}
		viewer_unpack(viewer, &viewer->in);
		viewer->rest = buf_str(&viewer->in);
	}
}

bool viewer_next(struct viewer *viewer)
{
	if (viewer_next_within(viewer, WORLD_WAIT_MS)) {
		return true;
	}
	if (!viewer->ended) {
		fail_msg("no event came");
	}
	return false;
}

bool viewer_is(const struct viewer *viewer, const char *name)
{
	return str_eq(viewer->parser.name, str_of(name));
}

struct cursor viewer_at(const struct viewer *viewer)
{
	struct cursor at;

	if (!cursor_parse(viewer->parser.id, &at)) {
		fail_msg("not a cursor: %.*s", (int)viewer->parser.id.n, viewer->parser.id.p);
	}
	return at;
}

void viewer_expect(struct viewer *viewer, struct cursor *at, uint64_t through_n)
{
	while (at->n < through_n) {
		struct cursor next;

		assert_true(viewer_next(viewer));
		next = viewer_at(viewer);
		if (next.n != at->n + 1 || next.epoch < at->epoch) {
			fail_msg("%" PRIu64 "-%" PRIu64 " (%.*s) after %" PRIu64 "-%" PRIu64,
			         next.epoch, next.n, (int)viewer->parser.name.n,
			         viewer->parser.name.p, at->epoch, at->n);
		}
		*at = next;
	}
}
