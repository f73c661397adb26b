/* What every program does the same way, seen from outside: a process on node_run(). */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "node/systemd.h"
#include "pg/pg.h"
#include "pg/schema.h"
#include "tests/integration/redis_server.h"
#include "tests/support/http_client.h"
#include "tests/support/run_fiber.h"
#include "tests/support/test.h"

enum { WAIT_MS = 10000, ENV_MAX = 8, ENV_SIZE = 256 };

/* The process under test: what it writes to stderr, and how it is reached. */
struct process {
	struct redis_server redis;
	char env[ENV_MAX][ENV_SIZE]; /* beside the defaults; "NAME" alone takes one away */
	size_t env_count;
	pid_t pid;
	int log_fd;
	int given_fd; /* what systemd would give it to listen on; 0: nothing */
	struct buf log;
	unsigned port;
};

/* ---- the process ---- */

static void set(struct process *process, const char *pair)
{
	assert_true(process->env_count < ENV_MAX);
	(void)snprintf(process->env[process->env_count++], ENV_SIZE, "%s", pair);
}

/* As sd_listen_fds(3) describes it. */
static void give(int fd)
{
	char pid[32];

	(void)dup2(fd, SYSTEMD_FIRST_FD);
	(void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	(void)setenv("LISTEN_PID", pid, 1);
	(void)setenv("LISTEN_FDS", "1", 1);
}

static void become_program(struct process *process, int log_fd)
{
	const char *pg_url = getenv("TEST_PG_URL");

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)dup2(log_fd, STDERR_FILENO);
	(void)setenv("FAIRLEAD_REDIS_URL", process->redis.url, 1);
	(void)setenv("FAIRLEAD_PG_URL", pg_url != NULL ? pg_url : "", 1);
	(void)setenv("FAIRLEAD_METRICS_LISTEN", "127.0.0.1:0", 1);
	(void)setenv("FAIRLEAD_REDIS_TIMEOUT", "500ms", 1);
	for (size_t i = 0; i < process->env_count; i++) {
		if (strchr(process->env[i], '=') != NULL) {
			(void)putenv(process->env[i]);
		} else {
			(void)unsetenv(process->env[i]);
		}
	}
	if (process->given_fd != 0) {
		give(process->given_fd);
	}
	(void)execl(NODE_PROGRAM, "fairlead-test", (char *)NULL);
	_exit(127);
}

static void launch(struct process *process)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	process->pid = fork();
	assert_true(process->pid >= 0);
	if (process->pid == 0) {
		become_program(process, fds[1]);
	}
	(void)close(fds[1]);
	process->log_fd = fds[0];
}

/* Read what it logs; false: it has closed its end. */
static bool read_log(struct process *process)
{
	struct pollfd wait = { .fd = process->log_fd, .events = POLLIN };
	ssize_t n;

	if (poll(&wait, 1, WAIT_MS) != 1) {
		fail_msg("silent for too long after: %s", buf_cstr(&process->log));
	}
	n = read(process->log_fd, buf_reserve(&process->log, 4096), 4096);
	if (n > 0) {
		buf_commit(&process->log, (size_t)n);
	}
	return n > 0;
}

static const char *await_line(struct process *process, const char *words)
{
	const char *at;

	while ((at = strstr(buf_cstr(&process->log), words)) == NULL) {
		if (!read_log(process)) {
			fail_msg("never said \"%s\": %s", words, buf_cstr(&process->log));
		}
	}
	return at;
}

static void start(struct process *process)
{
	const char *line;

	launch(process);
	line = strstr(await_line(process, "node.started"), "port=");
	assert_non_null(line);
	process->port = (unsigned)strtoul(line + 5, NULL, 10);
}

/* Read all it says and return its exit status. */
static int end(struct process *process)
{
	int status;

	while (read_log(process)) {
	}
	assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
	process->pid = 0;
	if (!WIFEXITED(status)) {
		fail_msg("killed by signal %d: %s", WTERMSIG(status), buf_cstr(&process->log));
	}
	return WEXITSTATUS(status);
}

static void stop(struct process *process)
{
	int status;

	(void)kill(process->pid, SIGTERM);
	status = end(process);
	if (status != 0) {
		fail_msg("exit status %d: %s", status, buf_cstr(&process->log));
	}
}

static void expect_said(struct process *process, const char *words)
{
	if (strstr(buf_cstr(&process->log), words) == NULL) {
		fail_msg("does not say \"%s\": %s", words, buf_cstr(&process->log));
	}
}

static int get(const struct process *process, const char *path, struct buf *body)
{
	struct client client = client_open(process->port);
	struct client_reply reply;
	char text[128];

	(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", path);
	client_say(&client, text);
	client_reply(&client, &reply);
	buf_reset(body);
	buf_add(body, buf_cstr(&reply.body), reply.body.len);
	buf_fini(&reply.body);
	client_close(&client);
	return reply.status;
}

static void await_readyz(const struct process *process, int status, const char *words)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;
	struct buf body;

	buf_init(&body, UINT16_MAX);
	while (get(process, "/readyz", &body) != status || strstr(buf_cstr(&body), words) == NULL) {
		if (clock_mono_ms() > until) {
			fail_msg("readyz is not %d with %s: %s", status, words, buf_cstr(&body));
		}
		(void)poll(NULL, 0, 10);
	}
	buf_fini(&body);
}

/* ---- the servers ---- */

/* Said until the server takes it: it may have been started just now. */
static void tell_redis(const struct process *process, const char *words)
{
	char line[512];

	(void)snprintf(line, sizeof(line),
	               "timeout 10 sh -c 'until redis-cli -s %s %s 2>/dev/null | grep -q OK; "
	               "do sleep 0.02; done'",
	               process->redis.path, words);
	assert_int_equal(system(line), 0);
}

static void pg_ctl(const char *verb)
{
	char line[512];

	(void)snprintf(line, sizeof(line), "%s %s", getenv("TEST_PG_CTL"), verb);
	assert_int_equal(system(line), 0);
}

static void migrate(struct loop *loop, void *arg)
{
	const struct pg_options options = { getenv("TEST_PG_URL"), 1, 5000, 20000 };
	struct pg *pg = pg_new(loop, &options);
	unsigned applied;
	struct err err;

	*(enum err_code *)arg = pg_migrate(pg, &pg_schema, &applied, &err);
	pg_free(pg);
}

static int group_setup(void **state)
{
	enum err_code code = ERR_INTERNAL;

	(void)state;
	run_fiber(migrate, &code);
	return code == ERR_OK ? 0 : -1;
}

static int setup(void **state)
{
	struct process *process = calloc(1, sizeof(*process));

	redis_server_init(&process->redis);
	process->log_fd = -1;
	buf_init(&process->log, SIZE_MAX / 2);
	*state = process;
	return 0;
}

static int teardown(void **state)
{
	struct process *process = *state;

	if (process->pid != 0) {
		(void)kill(process->pid, SIGKILL);
		(void)waitpid(process->pid, NULL, 0);
	}
	if (process->log_fd >= 0) {
		(void)close(process->log_fd);
	}
	redis_server_fini(&process->redis);
	buf_fini(&process->log);
	free(process);
	return 0;
}

/* ---- starting ---- */

static void missing_settings_are_all_named_and_the_status_is_2(void **state)
{
	struct process *process = *state;

	set(process, "FAIRLEAD_REDIS_URL");
	set(process, "FAIRLEAD_PG_URL");
	launch(process);
	assert_int_equal(end(process), 2);
	expect_said(process, "redis.url");
	expect_said(process, "pg.url");
}

static void a_wrong_redis_address_ends_the_start_with_a_reason(void **state)
{
	struct process *process = *state;

	set(process, "FAIRLEAD_REDIS_URL=http://127.0.0.1/");
	launch(process);
	assert_int_equal(end(process), 1);
	expect_said(process, "redis");
}

/* A listening socket, blocking and kept by whoever execs; it is told to listen there. */
static int listen_somewhere(struct process *process, unsigned *ret_port)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	char pair[64];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*ret_port = ntohs(address.sin_port);
	(void)snprintf(pair, sizeof(pair), "FAIRLEAD_METRICS_LISTEN=127.0.0.1:%u", *ret_port);
	set(process, pair);
	return fd;
}

static void a_taken_address_ends_the_start_with_a_reason(void **state)
{
	struct process *process = *state;
	unsigned port;
	int fd = listen_somewhere(process, &port);

	launch(process);
	assert_int_equal(end(process), 1);
	expect_said(process, "127.0.0.1");
	(void)close(fd);
}

static void the_probes_answer_and_unknown_paths_do_not(void **state)
{
	struct process *process = *state;
	struct buf body;

	redis_server_start(&process->redis, NULL);
	start(process);
	await_readyz(process, 200, "\"ready\"");
	buf_init(&body, 1 << 20);
	assert_int_equal(get(process, "/healthz", &body), 200);
	assert_non_null(strstr(buf_cstr(&body), "\"ok\""));
	assert_int_equal(get(process, "/version", &body), 200);
	assert_non_null(strstr(buf_cstr(&body), "\"git_commit\""));
	assert_int_equal(get(process, "/nothing", &body), 404);
	buf_fini(&body);
	stop(process);
}

static size_t count_said(struct process *process, const char *words)
{
	size_t count = 0;

	for (const char *at = buf_cstr(&process->log); (at = strstr(at, words)) != NULL; at++) {
		count++;
	}
	return count;
}

static void each_request_has_a_line_where_that_is_wanted(void **state)
{
	enum { REQUESTS = 20 };
	struct process *process = *state;
	const char *line;
	struct buf body;

	set(process, "FAIRLEAD_LOG_REQUESTS=all");
	set(process, "FAIRLEAD_LOG_FORMAT=json");
	set(process, "FAIRLEAD_LOG_RATE=5");
	launch(process);
	line = strstr(await_line(process, "\"node.started\""), "\"port\":");
	assert_non_null(line);
	process->port = (unsigned)strtoul(line + 7, NULL, 10);
	buf_init(&body, 1 << 20);
	assert_int_equal(get(process, "/readyz", &body), 503);
	redis_server_start(&process->redis, NULL);
	await_readyz(process, 200, "\"ready\"");
	for (int i = 0; i < REQUESTS; i++) {
		assert_int_equal(get(process, "/nothing?ticket=secret", &body), 404);
	}
	assert_int_equal(get(process, "/healthz", &body), 200);
	buf_fini(&body);
	stop(process);
	assert_int_equal(count_said(process, "\"event\":\"http.request\",\"method\":\"GET\","
	                                     "\"route\":\"none\",\"path\":\"/nothing\","
	                                     "\"status\":404,\"took_us\":"),
	                 REQUESTS);
	assert_true(count_said(process, "\"event\":\"http.request\",\"method\":\"GET\","
	                                "\"route\":\"/readyz\",\"path\":\"/readyz\","
	                                "\"status\":503,") > 0);
	assert_int_equal(count_said(process, "\"path\":\"/readyz\",\"status\":200"), 0);
	assert_int_equal(count_said(process, "\"path\":\"/healthz\""), 0);
	assert_int_equal(count_said(process, "secret"), 0);
}

/* The format, and what its makers advise of names, types and help. */
static void check_with_promtool(struct str text)
{
	FILE *promtool = popen("promtool check metrics", "w");

	assert_non_null(promtool);
	assert_int_equal(fwrite(text.p, 1, text.n, promtool), text.n);
	assert_int_equal(pclose(promtool), 0);
}

/* Every line is a comment or "name{labels} value", and every name was announced by # TYPE. */
static void check_metrics(struct str text)
{
	char name[128] = "";
	size_t samples = 0;

	assert_true(text.n > 0 && text.p[text.n - 1] == '\n');
	while (text.n > 0) {
		struct str line = str_split(&text, '\n'), rest = line;

		if (str_starts(line, STR_LIT("# TYPE "))) {
			rest = str_make(line.p + 7, line.n - 7);
			assert_true(str_copy(name, sizeof(name), str_split(&rest, ' ')));
		} else if (!str_starts(line, STR_LIT("#"))) {
			const char *space = memrchr(line.p, ' ', line.n);
			char value[64], *stop_at;

			assert_non_null(space);
			assert_true(str_starts(line, str_of(name)));
			assert_true(str_copy(
				value, sizeof(value),
				str_make(space + 1, line.n - (size_t)(space - line.p) - 1)));
			(void)strtod(value, &stop_at);
			assert_true(stop_at != value && *stop_at == '\0');
			samples++;
		}
	}
	assert_true(samples > 10);
}

/* The page, once it has that line. */
static void await_metric(const struct process *process, const char *line)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;
	struct buf body;

	buf_init(&body, 1 << 20);
	do {
		assert_true(clock_mono_ms() < until);
		assert_int_equal(get(process, "/metrics", &body), 200);
	} while (strstr(buf_cstr(&body), line) == NULL);
	buf_fini(&body);
}

static void turned_away_requests_and_a_busy_loop_are_counted(void **state)
{
	struct process *process = *state;
	struct buf body;

	redis_server_start(&process->redis, NULL);
	start(process);
	buf_init(&body, UINT16_MAX);
	assert_int_equal(get(process, "no slash", &body), 400);
	buf_fini(&body);
	await_metric(process, "fairlead_http_refused_total{reason=\"INVALID\"} 1\n");
	await_metric(process, "fairlead_http_connections_total 2");
	await_metric(process, "fairlead_loop_stall_seconds_count 2\n");
	stop(process);
}

static void the_metrics_can_be_parsed_and_count_the_requests(void **state)
{
	struct process *process = *state;
	struct buf body;

	redis_server_start(&process->redis, NULL);
	start(process);
	buf_init(&body, 1 << 20);
	assert_int_equal(get(process, "/healthz", &body), 200);
	assert_int_equal(get(process, "/metrics", &body), 200);
	check_metrics(buf_str(&body));
	check_with_promtool(buf_str(&body));
	assert_non_null(strstr(buf_cstr(&body), "route=\"/healthz\",class=\"2xx\"} 1\n"));
	buf_fini(&body);
	stop(process);
}

/* ---- backends that come and go ---- */

static void ready_follows_redis(void **state)
{
	struct process *process = *state;
	struct buf body;

	start(process);
	await_readyz(process, 503, "\"redis\":false");
	buf_init(&body, UINT16_MAX);
	assert_int_equal(get(process, "/healthz", &body), 200);
	buf_fini(&body);
	redis_server_start(&process->redis, NULL);
	await_readyz(process, 200, "\"redis\":true");
	redis_server_kill(&process->redis);
	await_readyz(process, 503, "\"redis\":false");
	redis_server_start(&process->redis, NULL);
	await_readyz(process, 200, "\"redis\":true");
	stop(process);
}

/* Nobody asks it anything, so only a question of the node's own shows that it answers no more. */
static void ready_follows_a_redis_that_freezes(void **state)
{
	struct process *process = *state;

	redis_server_start(&process->redis, NULL);
	start(process);
	await_readyz(process, 200, "\"redis\":true");
	redis_server_signal(&process->redis, SIGSTOP);
	await_readyz(process, 503, "\"redis\":false");
	redis_server_signal(&process->redis, SIGCONT);
	await_readyz(process, 200, "\"redis\":true");
	stop(process);
}

static void ready_follows_postgres(void **state)
{
	struct process *process = *state;

	redis_server_start(&process->redis, NULL);
	start(process);
	await_readyz(process, 200, "\"postgres\":true");
	pg_ctl("stop");
	await_readyz(process, 503, "\"postgres\":false");
	pg_ctl("start");
	await_readyz(process, 200, "\"postgres\":true");
	stop(process);
}

static void a_redis_that_may_evict_is_refused(void **state)
{
	struct process *process = *state;

	redis_server_start(&process->redis, NULL);
	tell_redis(process, "CONFIG SET maxmemory-policy allkeys-lru");
	tell_redis(process, "CONFIG SET maxmemory 100mb");
	set(process, "FAIRLEAD_UNSAFE_STORAGE=false");
	launch(process);
	assert_int_equal(end(process), 1);
	expect_said(process, "maxmemory-policy is allkeys-lru");
	expect_said(process, "unsafe.storage");
}

static void a_policy_without_a_limit_evicts_nothing(void **state)
{
	struct process *process = *state;

	redis_server_start(&process->redis, NULL);
	tell_redis(process, "CONFIG SET maxmemory-policy allkeys-lru");
	start(process);
	await_readyz(process, 200, "\"ready\"");
	stop(process);
	assert_null(strstr(buf_cstr(&process->log), "maxmemory"));
}

static void a_postgres_without_fsync_is_refused(void **state)
{
	struct process *process = *state;

	redis_server_start(&process->redis, NULL);
	set(process, "FAIRLEAD_UNSAFE_STORAGE=false");
	launch(process);
	assert_int_equal(end(process), 1);
	expect_said(process, "fsync is off");
	expect_said(process, "unsafe.storage");
}

static void unsafe_storage_is_used_when_told_and_said(void **state)
{
	struct process *process = *state;

	redis_server_start(&process->redis, NULL);
	tell_redis(process, "CONFIG SET maxmemory-policy allkeys-lru");
	tell_redis(process, "CONFIG SET maxmemory 100mb");
	start(process);
	await_readyz(process, 200, "\"ready\"");
	(void)await_line(process, "maxmemory-policy is allkeys-lru");
	(void)await_line(process, "fsync is off");
	stop(process);
}

/* ---- systemd ---- */

static void who_connects_between_two_lives_waits_in_the_socket_that_was_given(void **state)
{
	struct process *process = *state;
	struct client early;
	unsigned port;

	redis_server_start(&process->redis, NULL);
	process->given_fd = listen_somewhere(process, &port);
	start(process);
	assert_int_equal(process->port, port);
	await_readyz(process, 200, "\"ready\"");
	stop(process);
	(void)close(process->log_fd);
	buf_reset(&process->log);

	early = client_open(port);
	client_say(&early, "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
	start(process);
	client_expect(&early, "", 200);
	client_close(&early);
	stop(process);
	(void)close(process->given_fd);
}

static void a_socket_that_was_given_has_to_be_one_of_the_list(void **state)
{
	struct process *process = *state;
	unsigned port;

	process->given_fd = listen_somewhere(process, &port);
	set(process, "FAIRLEAD_METRICS_LISTEN=127.0.0.1:0");
	launch(process);
	assert_int_equal(end(process), 1);
	expect_said(process, "1 sockets were given, and 0 of them are there");
	(void)close(process->given_fd);
}

static void expect_state(int fd, const char *words)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char text[64] = "";

	while (strcmp(text, words) != 0) {
		ssize_t n = poll(&wait, 1, WAIT_MS) == 1 ? recv(fd, text, sizeof(text) - 1, 0) : -1;

		if (n < 0) {
			fail_msg("systemd is not told %s", words);
		}
		text[n] = '\0';
	}
}

static void systemd_is_told_what_becomes_of_it(void **state)
{
	struct process *process = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);
	char pair[64];

	/* The kernel chooses a name of the abstract namespace (unix(7)). */
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	(void)snprintf(pair, sizeof(pair), "NOTIFY_SOCKET=@%.*s",
	               (int)(size - sizeof(sa_family_t) - 1), address.sun_path + 1);
	set(process, pair);
	start(process);
	expect_state(fd, "WATCHDOG=1"); /* alive, and not ready: Redis is away */
	expect_state(fd, "WATCHDOG=1");
	redis_server_start(&process->redis, NULL);
	expect_state(fd, "READY=1");
	(void)kill(process->pid, SIGTERM);
	expect_state(fd, "STOPPING=1");
	assert_int_equal(end(process), 0);
	(void)close(fd);
}

/* ---- signals ---- */

/* Until a node that still listens says that it will not for long: and that this was the last
 * answer of the connection. */
static void await_leaving(const struct process *process)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;
	struct client_reply reply = { .status = 0 };

	while (reply.status != 503) {
		struct client client = client_open(process->port);
		const char *field;

		client_say(&client, "GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n");
		client_reply(&client, &reply);
		field = client_field(&reply, "Connection");
		assert_true(reply.status != 503 || (field != NULL && strcmp(field, "close") == 0));
		assert_true(clock_mono_ms() < until);
		buf_fini(&reply.body);
		client_close(&client);
	}
}

static void a_request_in_flight_is_answered_before_the_end(void **state)
{
	struct process *process = *state;
	struct client_reply reply;
	struct client client;

	redis_server_start(&process->redis, NULL);
	set(process, "FAIRLEAD_DRAIN_DELAY=200ms");
	start(process);
	await_readyz(process, 200, "\"ready\"");
	client = client_open(process->port);
	client_say(&client, "GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
	(void)kill(process->pid, SIGTERM);
	await_leaving(process);
	client_reply(&client, &reply);
	assert_int_equal(reply.status, 200);
	assert_string_equal(buf_cstr(&reply.body), "held");
	buf_fini(&reply.body);
	client_close(&client);
	assert_int_equal(end(process), 0);
	expect_said(process, "node.stopped");
}

static void a_start_that_still_waits_is_ended_too(void **state)
{
	struct process *process = *state;

	set(process, "NODE_WAITS=1");
	start(process);
	await_readyz(process, 503, "\"redis\":false");
	stop(process);
	expect_said(process, "node.stopped");
}

static void write_settings(const struct process *process, char path[64], const char *text)
{
	FILE *file;

	(void)snprintf(path, 64, "%s/settings", process->redis.dir);
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void a_hangup_reads_the_settings_again_and_keeps_them_when_they_are_wrong(void **state)
{
	struct process *process = *state;
	char path[64], pair[128];

	redis_server_start(&process->redis, NULL);
	write_settings(process, path, "log.level = info\n");
	(void)snprintf(pair, sizeof(pair), "FAIRLEAD_CONFIG=%s", path);
	set(process, pair);
	start(process);
	await_readyz(process, 200, "\"ready\"");
	write_settings(process, path, "log.level = nonsense\n");
	(void)kill(process->pid, SIGHUP);
	(void)await_line(process, "settings.refused");
	write_settings(process, path, "log.level = warn\n");
	(void)kill(process->pid, SIGHUP);
	await_readyz(process, 200, "\"ready\"");
	(void)kill(process->pid, SIGTERM);
	assert_int_equal(end(process), 0);
	/* It stops without a word: what it would say is below its level now. */
	assert_null(strstr(buf_cstr(&process->log), "node.stopped"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(missing_settings_are_all_named_and_the_status_is_2),
		TEST(a_wrong_redis_address_ends_the_start_with_a_reason),
		TEST(a_taken_address_ends_the_start_with_a_reason),
		TEST(the_probes_answer_and_unknown_paths_do_not),
		TEST(each_request_has_a_line_where_that_is_wanted),
		TEST(the_metrics_can_be_parsed_and_count_the_requests),
		TEST(turned_away_requests_and_a_busy_loop_are_counted),
		TEST(ready_follows_redis),
		TEST(ready_follows_a_redis_that_freezes),
		TEST(ready_follows_postgres),
		TEST(a_redis_that_may_evict_is_refused),
		TEST(a_policy_without_a_limit_evicts_nothing),
		TEST(a_postgres_without_fsync_is_refused),
		TEST(unsafe_storage_is_used_when_told_and_said),
		TEST(who_connects_between_two_lives_waits_in_the_socket_that_was_given),
		TEST(a_socket_that_was_given_has_to_be_one_of_the_list),
		TEST(systemd_is_told_what_becomes_of_it),
		TEST(a_request_in_flight_is_answered_before_the_end),
		TEST(a_start_that_still_waits_is_ended_too),
		TEST(a_hangup_reads_the_settings_again_and_keeps_them_when_they_are_wrong),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
