/*
 * What one API node can do with a core: GET /sessions/{id} and POST /events with a key, beside
 * /healthz, the same node's floor, in one run. First as fast as it goes, with the CPU of each part
 * for a request; then at half of what is wanted, with the time from when a request was due to its
 * answer.
 *
 *	bench_api [SECONDS [KIND]]      of each line; under with-redis and with-postgres.
 *	                                KIND: that one only, for a profiler
 */
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

#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "pg/schema.h"
#include "tenant/tenant_store.h"
#include "tests/bench/cpu.h"

#define TENANT "acme"
#define PEPPER "a pepper of the bench, long enough"

enum {
	SECONDS = 3,
	SECONDS_MAX = 60,
	CONNECTIONS = 32,
	SESSIONS = 128,
	EVENTS = 8, /* of each session that is read */
	TEXT_SIZE = 1024,
	READ_SIZE = 65536,
	SETTING_SIZE = 256,
	PORT_FIRST = 20000,
	PORT_SPAN = 12000,
	WAIT_MS = 20000,
	LOOK_MS = 20,
	LATE_MAX = 4000000, /* times that are kept */
};

enum kind { HEALTHZ, GET_SESSION, APPEND, APPEND_MANY, KIND_COUNT };

static const struct {
	const char *name, *what;
	double wanted; /* requests a second of a core; 0: what comes */
} kinds[KIND_COUNT] = {
	{ "healthz", "GET /healthz", 0 },
	{ "get", "GET /api/v1/sessions/{id}", 25000 },
	{ "append", "POST /api/v1/sessions/{id}/events", 15000 },
	{ "events", "POST /api/v1/events", 15000 },
};

static struct {
	pid_t api, redis, pg;
	unsigned port;
	char key[CRED_KEY_MAX + 1];
	char sessions[2 * SESSIONS][ID_LEN + 1]; /* that are read; that are appended to */
	char requests[KIND_COUNT][SESSIONS][TEXT_SIZE];
} bench;

struct caller {
	int fd;
	uint64_t due_us;
	size_t got;
	bool asks;
	char answer[READ_SIZE];
};

struct load {
	enum kind kind;
	double rate; /* requests a second; 0: each as soon as the one before is answered */
	struct caller callers[CONNECTIONS];
	unsigned next; /* session */
	uint64_t count, late_count;
	uint32_t *late_us;
};

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench_api: %s: %s\n", what, why);
	if (bench.api > 0) {
		(void)kill(bench.api, SIGKILL);
	}
	exit(1);
}

/* ---- the process ---- */

static void become_api(void)
{
	static char env[12][SETTING_SIZE];
	char *argv[] = { (char[]){ "fairlead-api" }, NULL }, *envp[ARRAY_LEN(env) + 1] = { NULL };
	size_t n = 0;

	(void)snprintf(env[n++], SETTING_SIZE, "FAIRLEAD_REDIS_URL=unix://%s",
	               getenv("TEST_REDIS_SOCKET"));
	(void)snprintf(env[n++], SETTING_SIZE, "FAIRLEAD_PG_URL=%s", getenv("TEST_PG_URL"));
	(void)snprintf(env[n++], SETTING_SIZE, "FAIRLEAD_PEPPER=" PEPPER);
	(void)snprintf(env[n++], SETTING_SIZE, "FAIRLEAD_API_LISTEN=127.0.0.1:%u", bench.port);
	(void)snprintf(env[n++], SETTING_SIZE, "FAIRLEAD_SESSION_UNARCHIVED_MAX=1GiB");
	(void)snprintf(env[n++], SETTING_SIZE, "FAIRLEAD_TENANT_UNARCHIVED_MAX=64GiB");
	(void)snprintf(env[n++], SETTING_SIZE, "FAIRLEAD_LOG_LEVEL=warn");
	(void)snprintf(env[n++], SETTING_SIZE, "FAIRLEAD_UNSAFE_STORAGE=true");
	/* Counted as usual, but far from the limits. */
	(void)snprintf(env[n++], SETTING_SIZE,
	               "FAIRLEAD_RATE_TENANT=read=1000000/1s:1000000 write=1000000/1s:1000000");
	for (size_t i = 0; i < n; i++) {
		envp[i] = env[i];
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execve(API_PROGRAM, argv, envp);
	_exit(127);
}

static int dial(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons((uint16_t)bench.port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	void *raw = &address;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, raw, sizeof(address)) != 0) {
		(void)close(fd);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void send_all(int fd, const char *text)
{
	size_t n = strlen(text);

	if (write(fd, text, n) != (ssize_t)n) {
		die("request", "cannot be sent");
	}
}

/* How long the answer is that begins there; 0: nobody knows yet. */
static size_t answer_length(const char *answer)
{
	static const char length[] = "Content-Length: ";
	const char *end = strstr(answer, "\r\n\r\n"), *at = strstr(answer, length);

	return end == NULL || at == NULL || at > end
	               ? 0
	               : (size_t)(end + 4 - answer) + strtoul(at + strlen(length), NULL, 10);
}

/* True: the answer is there, and good. */
static bool read_more(struct caller *caller)
{
	ssize_t n = read(caller->fd, caller->answer + caller->got, READ_SIZE - 1 - caller->got);
	size_t length;

	if (n <= 0) {
		if (n < 0 && errno == EAGAIN) {
			return false;
		}
		die("the api", n == 0 ? "closed" : strerror(errno));
	}
	caller->got += (size_t)n;
	caller->answer[caller->got] = '\0';
	length = answer_length(caller->answer);
	if (length == 0 || caller->got < length) {
		return false;
	}
	if (caller->answer[9] != '2') {
		die("the api answered", caller->answer);
	}
	caller->got = 0;
	return true;
}

static void exchange(struct caller *caller, const char *text)
{
	send_all(caller->fd, text);
	while (!read_more(caller)) {
	}
}

static bool is_ready(void)
{
	char status[16] = "";
	int fd = dial();
	bool ready = false;

	if (fd >= 0) {
		send_all(fd, "GET /readyz HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n");
		ready = recv(fd, status, sizeof(status) - 1, MSG_WAITALL) > 0 &&
		        strncmp(status, "HTTP/1.1 200", 12) == 0;
		(void)close(fd);
	}
	return ready;
}

static pid_t pid_of(const char *name)
{
	uint64_t pid = 0;

	if (getenv(name) == NULL || !parse_u64(str_of(getenv(name)), INT32_MAX, &pid)) {
		die(name, "is not a number: run it under with-redis and with-postgres");
	}
	return (pid_t)pid;
}

static void start_api(void)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;

	bench.redis = pid_of("TEST_REDIS_PID");
	bench.pg = pid_of("TEST_PG_PID");
	bench.port = PORT_FIRST + (unsigned)(clock_mono_us() % PORT_SPAN);
	bench.api = fork();
	if (bench.api == 0) {
		become_api();
	}
	while (!is_ready()) {
		if (clock_mono_ms() > until || waitpid(bench.api, NULL, WNOHANG) != 0) {
			die("fairlead-api", "does not get ready");
		}
		(void)poll(NULL, 0, LOOK_MS);
	}
}

/* ---- what is there ---- */

static void must(enum err_code code, const struct err *err)
{
	if (code != ERR_OK) {
		die("postgresql", err->msg);
	}
}

static void provide(void *arg)
{
	struct pg_options options = { getenv("TEST_PG_URL"), 2, WAIT_MS, WAIT_MS };
	struct cred_pepper pepper = cred_pepper_from(str_of(PEPPER));
	struct auth_key_new key = { .tenant = TENANT,
		                    .name = "bench",
		                    .scopes = auth_bit(AUTH_SESSION_READ) |
		                              auth_bit(AUTH_EVENT_APPEND) |
		                              auth_bit(AUTH_TASK_WRITE) };
	struct pg *pg = pg_new(fiber_loop(), &options);
	unsigned applied;
	struct err err;
	struct id id;

	(void)arg;
	must(pg_migrate(pg, &pg_schema, &applied, &err), &err);
	must(tenant_ensure(pg, TENANT, &err), &err);
	must(auth_key_create(pg, &key, &pepper, bench.key, &id, &err), &err);
	pg_free(pg);
}

static void write_post(char out[TEXT_SIZE], const char *path, const char *body)
{
	(void)snprintf(out, TEXT_SIZE,
	               "POST %s HTTP/1.1\r\nHost: b\r\nAuthorization: ApiKey %s\r\n"
	               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	               path, bench.key, strlen(body), body);
}

#define EVENT                                                                                      \
	"{\"type\":\"log\",\"level\":\"info\",\"stream\":\"stdout\",\"message\":\"a line of "      \
	"output as agents write them, of a usual length, which is about this\"}"

static void write_append(char out[TEXT_SIZE], const char *sid)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/api/v1/sessions/%s/events", sid);
	write_post(out, path, "{\"events\":[" EVENT "]}");
}

static void write_requests(unsigned i)
{
	const char *sid = bench.sessions[SESSIONS + i];
	char body[TEXT_SIZE];

	(void)snprintf(bench.requests[HEALTHZ][i], TEXT_SIZE,
	               "GET /healthz HTTP/1.1\r\nHost: b\r\nAuthorization: ApiKey %s\r\n\r\n",
	               bench.key);
	(void)snprintf(bench.requests[GET_SESSION][i], TEXT_SIZE,
	               "GET /api/v1/sessions/%s HTTP/1.1\r\nHost: b\r\n"
	               "Authorization: ApiKey %s\r\n\r\n",
	               bench.sessions[i], bench.key);
	write_append(bench.requests[APPEND][i], sid);
	(void)snprintf(body, sizeof(body),
	               "{\"batches\":[{\"sessionId\":\"%s\",\"events\":[" EVENT "]}]}", sid);
	write_post(bench.requests[APPEND_MANY][i], "/api/v1/events", body);
}

/* Sessions that wait for a worker, with a few events each. */
static void make_sessions(struct caller *caller)
{
	char text[TEXT_SIZE];
	const char *at;

	for (unsigned i = 0; i < 2 * SESSIONS; i++) {
		write_post(text, "/api/v1/tasks",
		           "{\"prompt\":\"measure\",\"repo\":{\"mode\":\"none\"},"
		           "\"runtime\":{\"type\":\"local\"},\"agents\":[{\"type\":\"command\","
		           "\"version\":\"latest\",\"settings\":{\"argv\":[\"true\"]}}]}");
		exchange(caller, text);
		at = strstr(caller->answer, "\"session_ids\":[\"");
		if (at == NULL) {
			die("a task", caller->answer);
		}
		(void)str_copy(bench.sessions[i], sizeof(bench.sessions[i]),
		               str_make(at + strlen("\"session_ids\":[\""), ID_LEN));
		write_append(text, bench.sessions[i]);
		for (unsigned k = 0; k < EVENTS; k++) {
			exchange(caller, text);
		}
	}
	for (unsigned i = 0; i < SESSIONS; i++) {
		write_requests(i);
	}
}

/* ---- load ---- */

static void ask(struct load *load, struct caller *caller, uint64_t due_us)
{
	caller->asks = true;
	caller->due_us = due_us;
	send_all(caller->fd, bench.requests[load->kind][load->next++ % SESSIONS]);
}

static void take(struct load *load, struct caller *caller)
{
	uint64_t late_us = clock_mono_us() - caller->due_us;

	caller->asks = false;
	load->count++;
	if (load->late_count < LATE_MAX) {
		load->late_us[load->late_count++] =
			(uint32_t)(late_us < UINT32_MAX ? late_us : UINT32_MAX);
	}
}

/* Whoever is free asks for what is due; what nobody is free for waits, and its time runs. */
static void ask_what_is_due(struct load *load, uint64_t began_us, uint64_t *asked)
{
	uint64_t now_us = clock_mono_us();

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		uint64_t due_us = now_us;

		if (load->callers[i].asks) {
			continue;
		}
		if (load->rate > 0) {
			due_us = began_us + (uint64_t)((double)*asked * 1e6 / load->rate);
		}
		if (due_us > now_us) {
			return;
		}
		(*asked)++;
		ask(load, &load->callers[i], due_us);
	}
}

static void run(struct load *load, unsigned seconds)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t began_us, asked = 0;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
		int fd = load->callers[i].fd = dial();

		if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
		    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
			die("connect", strerror(errno));
		}
	}
	began_us = clock_mono_us();
	while (clock_mono_us() - began_us < (uint64_t)seconds * 1000000) {
		struct epoll_event events[CONNECTIONS];
		int n;

		ask_what_is_due(load, began_us, &asked);
		n = epoll_wait(epoll, events, CONNECTIONS, load->rate > 0 ? 0 : 100);
		for (int i = 0; i < n; i++) {
			struct caller *caller = &load->callers[events[i].data.u32];

			if (read_more(caller)) {
				take(load, caller);
			}
		}
	}
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		(void)close(load->callers[i].fd);
	}
	(void)close(epoll);
}

static int by_size(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static double late_ms(const struct load *load, double share)
{
	size_t at = (size_t)(share * (double)load->late_count);

	return load->late_count == 0
	               ? 0
	               : load->late_us[at < load->late_count ? at : load->late_count - 1] / 1000.0;
}

static void measure(enum kind kind, double rate, unsigned seconds)
{
	struct load *load = mem_calloc(1, sizeof(*load));
	double api = cpu_of(bench.api), redis = cpu_of(bench.redis), pg = cpu_of(bench.pg);
	uint64_t began_us = clock_mono_us();
	double count, took;

	load->kind = kind;
	load->rate = rate;
	load->late_us = mem_calloc(LATE_MAX, sizeof(*load->late_us));
	run(load, seconds);
	took = (double)(clock_mono_us() - began_us) / 1e6;
	count = (double)load->count;
	api = cpu_of(bench.api) - api;
	redis = cpu_of(bench.redis) - redis;
	pg = cpu_of(bench.pg) - pg;
	qsort(load->late_us, load->late_count, sizeof(*load->late_us), by_size);
	(void)printf("%-34s %7.0f/s  %8.0f/s of a core | %6.1f %6.1f %6.1f us | %7.2f %7.2f "
	             "%7.2f ms\n",
	             kinds[kind].what, count / took, count / api, api * 1e6 / count,
	             redis * 1e6 / count, pg * 1e6 / count, late_ms(load, 0.5), late_ms(load, 0.99),
	             late_ms(load, 1));
	(void)fflush(stdout);
	free(load->late_us);
	free(load);
}

static void measure_all(unsigned seconds, enum kind only)
{
	(void)printf("%-34s %9s  %19s | %-23s | %s\n", "", "", "", "CPU: api, redis, pg",
	             "p50, p99, worst");
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		if (only == KIND_COUNT || only == (enum kind)kind) {
			measure((enum kind)kind, 0, seconds);
		}
	}
	for (unsigned kind = 0; kind < KIND_COUNT && only == KIND_COUNT; kind++) {
		if (kinds[kind].wanted > 0) {
			measure((enum kind)kind, kinds[kind].wanted / 2, seconds);
		}
	}
}

int main(int argc, char **argv)
{
	struct caller *caller = mem_calloc(1, sizeof(*caller));
	enum kind only = KIND_COUNT;
	uint64_t seconds = SECONDS;
	struct loop *loop;

	if (argc > 1 && (!parse_u64(str_of(argv[1]), SECONDS_MAX, &seconds) || seconds == 0)) {
		die("usage", "bench_api [SECONDS [KIND]]");
	}
	for (unsigned kind = 0; argc > 2 && kind < KIND_COUNT; kind++) {
		only = strcmp(argv[2], kinds[kind].name) == 0 ? (enum kind)kind : only;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	loop = loop_new();
	(void)fiber_start(loop, NULL, "provide", provide, NULL);
	loop_run(loop);
	loop_free(loop);
	start_api();
	caller->fd = dial();
	make_sessions(caller);
	(void)close(caller->fd);
	free(caller);
	measure_all((unsigned)seconds, only);
	(void)kill(bench.api, SIGTERM);
	(void)waitpid(bench.api, NULL, 0);
	return 0;
}
