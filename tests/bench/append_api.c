/* Appending over HTTP, on connections that stay open, from one loop of epoll. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/append.h"

enum {
	CONNECTIONS = 32,
	MANY_CONNECTIONS = 16,
	MANY_SESSIONS = 16, /* of one request */
	REQUEST_MAX = 4 * 1024 * 1024,
	ANSWER_MAX = 256 * 1024,
	SETTING_SIZE = 256,
	PORT_FIRST = 20000,
	PORT_SPAN = 12000,
	LOOK_MS = 20,
};

/* ---- the process ---- */

static void become_api(const struct append_bench *bench)
{
	static char env[8][SETTING_SIZE];
	char *argv[] = { (char[]){ "fairlead-api" }, NULL };
	char *envp[] = { env[0], env[1], env[2], env[3], env[4], env[5], env[6], env[7], NULL };

	(void)snprintf(env[0], SETTING_SIZE, "FAIRLEAD_REDIS_URL=unix://%s", bench->socket);
	(void)snprintf(env[1], SETTING_SIZE, "FAIRLEAD_PG_URL=%s", getenv("TEST_PG_URL"));
	(void)snprintf(env[2], SETTING_SIZE, "FAIRLEAD_PEPPER=%s", APPEND_PEPPER);
	(void)snprintf(env[3], SETTING_SIZE, "FAIRLEAD_API_LISTEN=127.0.0.1:%u", bench->api_port);
	(void)snprintf(env[4], SETTING_SIZE, "FAIRLEAD_SESSION_UNARCHIVED_MAX=1GiB");
	(void)snprintf(env[5], SETTING_SIZE, "FAIRLEAD_TENANT_UNARCHIVED_MAX=64GiB");
	(void)snprintf(env[6], SETTING_SIZE, "FAIRLEAD_LOG_LEVEL=warn");
	(void)snprintf(env[7], SETTING_SIZE, "FAIRLEAD_UNSAFE_STORAGE=true");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execve(API_PROGRAM, argv, envp);
	_exit(127);
}

static int dial(const struct append_bench *bench)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons((uint16_t)bench->api_port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		(void)close(fd);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static bool is_ready(const struct append_bench *bench)
{
	static const char ask[] = "GET /readyz HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n";
	char status[16] = "";
	int fd = dial(bench);
	bool ready = fd >= 0 && write(fd, ask, sizeof(ask) - 1) > 0 &&
	             recv(fd, status, sizeof(status) - 1, MSG_WAITALL) > 0 &&
	             strncmp(status, "HTTP/1.1 200", 12) == 0;

	if (fd >= 0) {
		(void)close(fd);
	}
	return ready;
}

void append_start_api(struct append_bench *bench)
{
	uint64_t until = clock_mono_ms() + APPEND_WAIT_MS;

	bench->api_port = PORT_FIRST + (unsigned)(clock_mono_us() % PORT_SPAN);
	bench->api_pid = fork();
	if (bench->api_pid == 0) {
		become_api(bench);
	}
	while (!is_ready(bench)) {
		if (clock_mono_ms() > until || waitpid(bench->api_pid, NULL, WNOHANG) != 0) {
			append_die("fairlead-api", "does not get ready");
		}
		(void)poll(NULL, 0, LOOK_MS);
	}
}

void append_stop_api(struct append_bench *bench)
{
	(void)kill(bench->api_pid, SIGTERM);
	(void)waitpid(bench->api_pid, NULL, 0);
	bench->api_pid = 0;
}

/* ---- requests ---- */

static void add_events(struct buf *body, unsigned batch)
{
	buf_addf(body, "\"events\":[");
	for (unsigned i = 0; i < batch; i++) {
		buf_addf(body, "%s{\"type\":\"log\",%s}", i > 0 ? "," : "", APPEND_EVENT);
	}
	buf_addf(body, "]");
}

static void add_request(struct buf *out, const struct append_bench *bench, const char *path,
                        struct buf *body)
{
	buf_addf(out,
	         "POST %s HTTP/1.1\r\nHost: b\r\nAuthorization: ApiKey %s\r\n"
	         "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	         path, bench->key, body->len);
	buf_add_str(out, buf_str(body));
	if (buf_failed(out) || buf_failed(body)) {
		append_die("request", "is too long");
	}
}

static void one_session(const struct append_bench *bench, unsigned connection, unsigned batch,
                        struct buf *out)
{
	char path[128];
	struct buf body;

	buf_init(&body, REQUEST_MAX);
	buf_addf(&body, "{");
	add_events(&body, batch);
	buf_addf(&body, "}");
	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/events",
	               bench->sessions[connection].s);
	add_request(out, bench, path, &body);
	buf_fini(&body);
}

static void many_sessions(const struct append_bench *bench, unsigned connection, unsigned batch,
                          struct buf *out)
{
	const struct id *sessions = &bench->sessions[(size_t)connection * MANY_SESSIONS];
	struct buf body;

	buf_init(&body, REQUEST_MAX);
	buf_addf(&body, "{\"batches\":[");
	for (unsigned i = 0; i < MANY_SESSIONS; i++) {
		buf_addf(&body, "%s{\"sessionId\":\"%s\",", i > 0 ? "," : "", sessions[i].s);
		add_events(&body, batch);
		buf_addf(&body, "}");
	}
	buf_addf(&body, "]}");
	add_request(out, bench, "/api/v1/events", &body);
	buf_fini(&body);
}

/* ---- connections ---- */

struct caller {
	int fd;
	struct buf request;
	size_t written;
	char *answer;
	size_t got;
};

static void write_more(struct caller *caller)
{
	ssize_t n = write(caller->fd, caller->request.data + caller->written,
	                  caller->request.len - caller->written);

	if (n < 0 && errno != EAGAIN) {
		append_die("write to the api", strerror(errno));
	}
	caller->written += n > 0 ? (size_t)n : 0;
}

/* Length of the whole answer when its head is there; else 0. */
static size_t answer_length(const struct caller *caller)
{
	const char *end = memmem(caller->answer, caller->got, "\r\n\r\n", 4), *at;

	if (end == NULL) {
		return 0;
	}
	at = memmem(caller->answer, (size_t)(end - caller->answer), "Content-Length: ", 16);
	if (strncmp(caller->answer, "HTTP/1.1 200", 12) != 0 || at == NULL) {
		append_die("the api answered", caller->answer);
	}
	return (size_t)(end + 4 - caller->answer) + strtoul(at + 16, NULL, 10);
}

/* True: one answer has come whole. */
static bool read_more(struct caller *caller)
{
	ssize_t n = read(caller->fd, caller->answer + caller->got, ANSWER_MAX - 1 - caller->got);
	size_t length;

	if (n <= 0) {
		if (n < 0 && errno == EAGAIN) {
			return false;
		}
		append_die("read from the api", n == 0 ? "closed" : strerror(errno));
	}
	caller->got += (size_t)n;
	caller->answer[caller->got] = '\0';
	length = answer_length(caller);
	if (length == 0 || caller->got < length) {
		return false;
	}
	caller->got = 0;
	return true;
}

static void open_caller(struct append_bench *bench, struct caller *caller, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = caller };

	caller->answer = mem_calloc(1, ANSWER_MAX);
	caller->fd = dial(bench);
	if (caller->fd < 0 || fcntl(caller->fd, F_SETFL, O_NONBLOCK) != 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, caller->fd, &event) != 0) {
		append_die("connect to the api", strerror(errno));
	}
}

/* Take the answers that are there and ask again after each, until it is time. False: it was the
 * last. */
static bool go_on(struct caller *caller, uint64_t until_us, uint64_t *answers)
{
	while (read_more(caller)) {
		(*answers)++;
		if (clock_mono_us() >= until_us) {
			return false;
		}
		caller->written = 0;
		write_more(caller);
	}
	if (caller->written < caller->request.len) {
		write_more(caller);
	}
	return true;
}

/* Each asks again as soon as it is answered, until it is time; then the last answers are awaited.
 */
static uint64_t call(int epoll, unsigned callers, uint64_t until_us)
{
	struct epoll_event events[CONNECTIONS];
	uint64_t answers = 0;
	unsigned open = callers;

	while (open > 0) {
		int count = epoll_wait(epoll, events, CONNECTIONS, APPEND_WAIT_MS);

		if (count <= 0) {
			append_die("the api", "does not answer");
		}
		for (int i = 0; i < count; i++) {
			open -= go_on(events[i].data.ptr, until_us, &answers) ? 0 : 1;
		}
	}
	return answers;
}

typedef void request_fn(const struct append_bench *bench, unsigned connection, unsigned batch,
                        struct buf *out);

static void run(struct append_bench *bench, struct append_round *round, unsigned callers,
                request_fn *request, unsigned sessions)
{
	struct caller *list = mem_calloc(callers, sizeof(*list));
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t start_us;

	append_prepare(bench, callers * sessions);
	for (unsigned i = 0; i < callers; i++) {
		buf_init(&list[i].request, REQUEST_MAX);
		request(bench, i, round->batch, &list[i].request);
		open_caller(bench, &list[i], epoll);
	}
	round->client_us = append_cpu_us(getpid());
	round->api_us = append_cpu_us(bench->api_pid);
	round->redis_us = append_cpu_us(bench->redis_pid);
	start_us = clock_mono_us();
	round->appends =
		sessions * call(epoll, callers, start_us + (uint64_t)bench->seconds * 1000000);
	round->took_us = clock_mono_us() - start_us;
	round->client_us = append_cpu_us(getpid()) - round->client_us;
	round->api_us = append_cpu_us(bench->api_pid) - round->api_us;
	round->redis_us = append_cpu_us(bench->redis_pid) - round->redis_us;
	for (unsigned i = 0; i < callers; i++) {
		round->events += append_tail(bench, &bench->sessions[(size_t)i * sessions]) - 2;
		(void)close(list[i].fd);
		buf_fini(&list[i].request);
		free(list[i].answer);
	}
	round->events *= sessions;
	(void)close(epoll);
	free(list);
	if (round->events != round->appends * round->batch) {
		append_die("the api", "answered 200 to what is not in the log");
	}
	append_print(bench, round);
}

void append_by_session(struct append_bench *bench, unsigned batch)
{
	struct append_round round = { .what = "POST sessions/{id}/events, 32 conns",
		                      .batch = batch };

	run(bench, &round, CONNECTIONS, one_session, 1);
}

void append_by_many(struct append_bench *bench, unsigned batch)
{
	struct append_round round = { .what = "POST events, 16 conns x 16 sessions",
		                      .batch = batch };

	run(bench, &round, MANY_CONNECTIONS, many_sessions, MANY_SESSIONS);
}
