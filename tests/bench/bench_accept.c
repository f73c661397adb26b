/*
 * How many tasks a second are accepted: committed in PostgreSQL (with fsync), their logs made and
 * their sessions queued, over HTTP, for 32 clients that each wait for their answer.
 *
 *	bench_accept [SECONDS [API_NODES [SCHEDULERS]]]     under with-redis and with-postgres
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cpu.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "pg/schema.h"
#include "tenant/tenant_store.h"

#define PEPPER "a pepper of the bench, long enough"
#define TENANT "acme"

enum {
	SECONDS = 5,
	SECONDS_MAX = 60,
	CLIENTS = 32,
	NODES_MAX = 4,
	SETTING_SIZE = 256,
	SETTINGS = 8,
	ANSWER_MAX = 64 * 1024,
	PORT_FIRST = 20000,
	PORT_SPAN = 10000,
	WAIT_MS = 20000,
	LOOK_MS = 20,
	LATENCIES_MAX = 256 * 1024,
};

static const char body[] =
	"{\"prompt\":\"fix the build\",\"repo\":{\"mode\":\"none\"},"
	"\"runtime\":{\"type\":\"local\"},\"labels\":{\"team\":\"core\"},"
	"\"agents\":[{\"type\":\"command\",\"settings\":{\"argv\":[\"true\"]}}]}";

static struct {
	unsigned port;
	pid_t apis[NODES_MAX], schedulers[NODES_MAX];
	unsigned api_count, scheduler_count;
	char key[CRED_KEY_MAX + 1];
	bool keyed; /* each request has an Idempotency-Key */
	uint64_t until_us;
} bench;

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench_accept: %s: %s\n", what, why);
	exit(1);
}

/* ---- the servers ---- */

static const char *required(const char *name)
{
	const char *value = getenv(name);

	if (value == NULL) {
		die(name, "is not set: run it under with-redis and with-postgres");
	}
	return value;
}

static void pg_set(const char *name, const char *value)
{
	char command[SETTING_SIZE];

	(void)snprintf(command, sizeof(command), "%s set %s %s", required("TEST_PG_CTL"), name,
	               value);
	if (system(command) != 0) { /* NOLINT: what the wrapper gives */
		die(command, "failed");
	}
}

static pid_t start(const char *program, unsigned port)
{
	static char env[SETTINGS][SETTING_SIZE];
	char *argv[] = { (char[]){ "fairlead" }, NULL };
	char *envp[] = { env[0], env[1], env[2], env[3], env[4], env[5], NULL };
	pid_t pid = fork();

	if (pid == 0) {
		(void)snprintf(env[0], SETTING_SIZE, "FAIRLEAD_REDIS_URL=%s",
		               required("TEST_REDIS_URL"));
		(void)snprintf(env[1], SETTING_SIZE, "FAIRLEAD_PG_URL=%s", required("TEST_PG_URL"));
		(void)snprintf(env[2], SETTING_SIZE, "FAIRLEAD_PEPPER=%s", PEPPER);
		(void)snprintf(env[3], SETTING_SIZE, "FAIRLEAD_API_LISTEN=127.0.0.1:%u", port);
		(void)snprintf(env[4], SETTING_SIZE, "FAIRLEAD_LOG_LEVEL=warn");
		(void)snprintf(env[5], SETTING_SIZE, "FAIRLEAD_UNSAFE_STORAGE=true");
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execve(program, argv, envp);
		_exit(127);
	}
	return pid;
}

static int dial(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_port = htons((uint16_t)port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		(void)close(fd);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void await_ready(unsigned port)
{
	static const char ask[] = "GET /readyz HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n";
	uint64_t until = clock_mono_ms() + WAIT_MS;
	bool ready = false;

	while (!ready) {
		char status[16] = "";
		int fd = dial(port);

		ready = fd >= 0 && write(fd, ask, sizeof(ask) - 1) > 0 &&
		        recv(fd, status, sizeof(status) - 1, MSG_WAITALL) > 0 &&
		        strncmp(status, "HTTP/1.1 200", 12) == 0;
		if (fd >= 0) {
			(void)close(fd);
		}
		if (clock_mono_ms() > until) {
			die("fairlead-api", "does not get ready");
		}
		(void)poll(NULL, 0, LOOK_MS);
	}
}

static void stop(pid_t pid)
{
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, NULL, 0);
}

static void prepare(void *arg)
{
	const struct pg_options options = { required("TEST_PG_URL"), 2, 5000, 5000 };
	const struct cred_pepper pepper = cred_pepper_from(str_of(PEPPER));
	struct auth_key_new key = { .tenant = TENANT, .name = "bench" };
	struct pg *pg = pg_new(arg, &options);
	unsigned applied;
	struct err err;
	struct id id;

	if (!auth_scopes_parse(STR_LIT("task:write"), &key.scopes) ||
	    pg_migrate(pg, &pg_schema, &applied, &err) != ERR_OK ||
	    tenant_ensure(pg, TENANT, &err) != ERR_OK ||
	    auth_key_create(pg, &key, &pepper, bench.key, &id, &err) != ERR_OK) {
		die("prepare", err.msg);
	}
	pg_free(pg);
}

/* ---- CPU ---- */

struct used {
	double api, scheduler, redis, pg, client;
};

static struct used used_now(void)
{
	struct used used = { .redis = cpu_of((pid_t)strtol(required("TEST_REDIS_PID"), NULL, 10)),
		             .pg = cpu_of((pid_t)strtol(required("TEST_PG_PID"), NULL, 10)) };

	for (unsigned i = 0; i < bench.api_count; i++) {
		used.api += cpu_of(bench.apis[i]);
	}
	for (unsigned i = 0; i < bench.scheduler_count; i++) {
		used.scheduler += cpu_of(bench.schedulers[i]);
	}
	used.client = cpu_of_self();
	return used;
}

/* ---- clients ---- */

struct client {
	pthread_t thread;
	int number;
	unsigned port;
	uint64_t count;
	uint32_t *latencies_us;
};

static size_t write_request(const struct client *client, char *out, size_t size)
{
	char once[64] = "";

	if (bench.keyed) {
		(void)snprintf(once, sizeof(once), "Idempotency-Key: %d-%" PRIu64 "\r\n",
		               client->number, client->count);
	}
	return (size_t)snprintf(out, size,
	                        "POST /api/v1/tasks HTTP/1.1\r\nHost: bench\r\n"
	                        "Authorization: ApiKey %s\r\nContent-Type: application/json\r\n"
	                        "%sContent-Length: %zu\r\n\r\n%s",
	                        bench.key, once, sizeof(body) - 1, body);
}

static void take_answer(int fd, char *answer)
{
	size_t got = 0, length = 0;

	while (length == 0 || got < length) {
		ssize_t n = read(fd, answer + got, ANSWER_MAX - 1 - got);
		const char *end, *at;

		if (n <= 0) {
			die("read from the api", n == 0 ? "closed" : strerror(errno));
		}
		got += (size_t)n;
		answer[got] = '\0';
		end = strstr(answer, "\r\n\r\n");
		at = strstr(answer, "Content-Length: ");
		if (end != NULL && (at == NULL || strncmp(answer, "HTTP/1.1 201", 12) != 0)) {
			die("the api answered", answer);
		}
		length = end != NULL ? (size_t)(end + 4 - answer) + strtoul(at + 16, NULL, 10) : 0;
	}
}

static void *ask(void *arg)
{
	struct client *client = arg;
	char request[2048], *answer = mem_calloc(1, ANSWER_MAX);
	int fd = dial(client->port);

	while (clock_mono_us() < bench.until_us && client->count < LATENCIES_MAX) {
		size_t size = write_request(client, request, sizeof(request));
		uint64_t since = clock_mono_us();

		if (write(fd, request, size) != (ssize_t)size) {
			die("write to the api", strerror(errno));
		}
		take_answer(fd, answer);
		client->latencies_us[client->count++] = (uint32_t)(clock_mono_us() - since);
	}
	(void)close(fd);
	free(answer);
	return NULL;
}

/* ---- the table ---- */

static int by_size(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_round(const char *what, struct client *clients, double took_s,
                        const struct used *from)
{
	struct used to = used_now();
	uint32_t *all;
	uint64_t count = 0, at = 0;
	double each;

	for (unsigned i = 0; i < CLIENTS; i++) {
		count += clients[i].count;
	}
	all = mem_calloc(count, sizeof(*all));
	for (unsigned i = 0; i < CLIENTS; i++) {
		memcpy(all + at, clients[i].latencies_us, clients[i].count * sizeof(*all));
		at += clients[i].count;
	}
	qsort(all, count, sizeof(*all), by_size);
	each = 1e6 / (double)count;
	(void)printf("%-20s %8.0f %8.2f %8.2f | %6.0f %6.0f %6.0f %6.0f %6.0f\n", what,
	             (double)count / took_s, all[count / 2] / 1e3, all[count * 99 / 100] / 1e3,
	             (to.client - from->client) * each, (to.api - from->api) * each,
	             (to.pg - from->pg) * each, (to.redis - from->redis) * each,
	             (to.scheduler - from->scheduler) * each);
	(void)fflush(stdout);
	free(all);
}

static void run_round(const char *what, unsigned seconds, bool keyed)
{
	struct client clients[CLIENTS];
	struct used from;
	uint64_t start_us;

	bench.keyed = keyed;
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i] = (struct client){
			.number = (int)i,
			.port = bench.port + i % bench.api_count,
			.latencies_us = mem_calloc(LATENCIES_MAX, sizeof(uint32_t)),
		};
	}
	from = used_now();
	start_us = clock_mono_us();
	bench.until_us = start_us + (uint64_t)seconds * 1000000;
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (pthread_create(&clients[i].thread, NULL, ask, &clients[i]) != 0) {
			die("pthread_create", "failed");
		}
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		(void)pthread_join(clients[i].thread, NULL);
	}
	print_round(what, clients, (double)(clock_mono_us() - start_us) / 1e6, &from);
	for (unsigned i = 0; i < CLIENTS; i++) {
		free(clients[i].latencies_us);
	}
}

static unsigned number(int argc, char **argv, int i, unsigned otherwise, unsigned max)
{
	uint64_t value = otherwise;

	if (argc > i && !parse_u64(str_of(argv[i]), max, &value)) {
		die(argv[i], "is no such number");
	}
	return (unsigned)value;
}

int main(int argc, char **argv)
{
	unsigned seconds = number(argc, argv, 1, SECONDS, SECONDS_MAX);
	struct loop *loop = loop_new();

	bench.api_count = number(argc, argv, 2, 1, NODES_MAX);
	bench.scheduler_count = number(argc, argv, 3, 1, NODES_MAX);
	bench.port = PORT_FIRST + (unsigned)(clock_mono_us() % PORT_SPAN);
	pg_set("fsync", "on");
	pg_set("full_page_writes", "on");
	pg_set("synchronous_commit", "on");
	(void)fiber_start(loop, NULL, "prepare", prepare, loop);
	loop_run(loop);
	loop_free(loop);
	for (unsigned i = 0; i < bench.api_count; i++) {
		bench.apis[i] = start(API_PROGRAM, bench.port + i);
		await_ready(bench.port + i);
	}
	for (unsigned i = 0; i < bench.scheduler_count; i++) {
		bench.schedulers[i] = start(SCHEDULER_PROGRAM, 0);
	}
	(void)printf("bench_accept %u: %d clients, %u api, %u scheduler; fsync on, appendonly %s\n",
	             seconds, CLIENTS, bench.api_count, bench.scheduler_count,
	             getenv("TEST_REDIS_AOF") != NULL ? getenv("TEST_REDIS_AOF") : "no");
	(void)printf("%-20s %8s %8s %8s | CPU us per task\n", "", "tasks/s", "p50 ms", "p99 ms");
	(void)printf("%-20s %8s %8s %8s | %6s %6s %6s %6s %6s\n", "", "", "", "", "client", "api",
	             "pg", "redis", "sched");
	run_round("POST tasks", seconds, false);
	run_round("with a key each", seconds, true);
	for (unsigned i = 0; i < bench.scheduler_count; i++) {
		stop(bench.schedulers[i]);
	}
	for (unsigned i = 0; i < bench.api_count; i++) {
		stop(bench.apis[i]);
	}
	return 0;
}
