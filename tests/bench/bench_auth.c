/*
 * What it costs to be known: requests a second of one API node without a credential, with a key,
 * with an access token and with a browser's cookie, in turns within one run; each warm (the same
 * credential all the time) and cold (another one each time). Beside it: whether a refusal's time
 * tells a key that exists, with a wrong secret, from one that does not.
 *
 * All of them get the same answer from the same handler: the node is an API node with one route
 * more, where that handler is open. They come through a proxy that is trusted, as from a load
 * balancer: the address of a client behind it is counted, that of this host would not be.
 *
 *	bench_auth [ROUNDS [KIND]]      of 4 x 300 ms; under with-redis and with-postgres.
 *	                                KIND: warm ones of that kind only, for a profiler
 */
#include <arpa/inet.h>
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
#include <time.h>
#include <unistd.h>

#include "api/app.h"
#include "auth/auth_key_store.h"
#include "base/clock.h"
#include "base/mem.h"
#include "login/login.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "pg/schema.h"
#include "rest/rest.h"
#include "tenant/tenant_store.h"
#include "token/bearer.h"
#include "token/refresh.h"

#define TENANT "acme"
#define PEPPER "a pepper of the bench, long enough"

enum {
	ROUNDS = 10,
	ROUNDS_MAX = 1000,
	ROUND_MS = 300,
	CONNECTIONS = 16,
	EVENTS = 64,
	COLD = 3000, /* credentials that are shown once */
	TIMED = 2000,
	TEXT_SIZE = 1800,
	READ_SIZE = 16384,
	SETTING_SIZE = 256,
	PORT_FIRST = 20000,
	PORT_SPAN = 12000,
	WAIT_MS = 20000,
	LOOK_MS = 20,
};

#define OPEN_PATH  "/open/runtimes"
#define KNOWN_PATH "/api/v1/runtimes"
#define BEHIND     "X-Forwarded-For: 198.51.100.7\r\n"

enum kind { NOBODY, KEY, TOKEN, COOKIE, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = { "no credential", "key", "access token",
	                                            "cookie" };
static const double wanted[KIND_COUNT] = { 1, 0.8, 0.7, 0.7 };

static struct {
	pid_t api;
	unsigned port;
	char *shown[KIND_COUNT][COLD + 1]; /* header lines; the first one is the warm one */
	struct pg *pg;
	struct cred_pepper pepper;
} bench;

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench_auth: %s: %s\n", what, why);
	if (bench.api > 0) {
		(void)kill(bench.api, SIGKILL);
	}
	exit(1);
}

/* ---- the process ---- */

/* What the handler says is also said to those who show nothing. */
static const struct node_options *options_of_api(void)
{
	static struct http_route routes[REST_OP_COUNT + 1];
	static struct rest_route open;
	static struct node_options options;

	options = *app_options();
	open = rest_routes[REST_OP_runtime_list];
	open.open = true;
	for (size_t i = 0; i < options.route_count; i++) {
		routes[i] = options.routes[i];
		if (routes[i].facts == &rest_routes[REST_OP_runtime_list]) {
			routes[options.route_count] = routes[i];
		}
	}
	routes[options.route_count].pattern = OPEN_PATH;
	routes[options.route_count].facts = &open;
	options.routes = routes;
	options.route_count++;
	return &options;
}

static void set(const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0) {
		_exit(127);
	}
}

static void become_api(void)
{
	char listen[SETTING_SIZE];
	char *argv[] = { (char[]){ "bench_auth" }, NULL };

	(void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", bench.port);
	set("FAIRLEAD_REDIS_URL", getenv("TEST_REDIS_URL"));
	set("FAIRLEAD_PG_URL", getenv("TEST_PG_URL"));
	set("FAIRLEAD_PEPPER", PEPPER);
	set("FAIRLEAD_API_LISTEN", listen);
	set("FAIRLEAD_HTTP_TRUSTED_PROXIES", "127.0.0.1");
	/* Counted as usual, but far from the limits. */
	set("FAIRLEAD_RATE_TENANT", "read=1000000/1s:1000000");
	set("FAIRLEAD_RATE_ADDRESS", "read=1000000/1s:1000000");
	set("FAIRLEAD_HTTP_KEY_CONCURRENCY", "1000");
	set("FAIRLEAD_LOG_LEVEL", "warn");
	set("FAIRLEAD_UNSAFE_STORAGE", "true");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(node_run(options_of_api(), 1, argv));
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

/* The status; 0: none. */
static int exchange(int fd, const char *path, const char *header)
{
	char text[TEXT_SIZE + 256], in[READ_SIZE];
	int n = snprintf(text, sizeof(text),
	                 "GET %s HTTP/1.1\r\nHost: b\r\n"
	                 "%s\r\n",
	                 path, header);
	uint64_t status = 0;
	ssize_t got;

	if (fd < 0 || write(fd, text, (size_t)n) != n) {
		return 0;
	}
	got = read(fd, in, sizeof(in));
	return got > 12 && parse_u64(str_make(in + 9, 3), 999, &status) ? (int)status : 0;
}

static void start_api(void)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;
	int status = 0;

	bench.port = PORT_FIRST + (unsigned)(clock_mono_us() % PORT_SPAN);
	bench.api = fork();
	if (bench.api == 0) {
		become_api();
	}
	while (status != 200) {
		int fd = dial();

		status = exchange(fd, "/readyz", "");
		if (fd >= 0) {
			(void)close(fd);
		}
		if (clock_mono_ms() > until || waitpid(bench.api, NULL, WNOHANG) != 0) {
			die("fairlead-api", "does not get ready");
		}
		(void)poll(NULL, 0, LOOK_MS);
	}
}

static uint64_t cpu_us(void)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(bench.api, &clock) != 0 || clock_gettime(clock, &used) != 0) {
		return 0;
	}
	return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

/* ---- credentials ---- */

static void must(enum err_code code, const struct err *err)
{
	if (code != ERR_OK) {
		die("postgresql", err->msg);
	}
}

static char *header_line(const char *name, const char *text)
{
	char line[TEXT_SIZE];

	(void)snprintf(line, sizeof(line), "%s%s\r\n", name, text);
	return mem_strdup(line);
}

static void make_keys(void)
{
	struct auth_key_new key = { .tenant = TENANT,
		                    .name = "bench",
		                    .scopes = auth_bit(AUTH_SESSION_READ) };

	for (unsigned i = 0; i <= COLD; i++) {
		char text[CRED_KEY_MAX + 1];
		struct err err;
		struct id id;

		must(auth_key_create(bench.pg, &key, &bench.pepper, text, &id, &err), &err);
		bench.shown[KEY][i] = header_line("X-API-Key: ", text);
	}
}

static const char new_user[] = "WITH u AS (INSERT INTO users (id, kind, name, home_id) VALUES "
			       "($1::text, 'person', 'Ada', '" TENANT "') RETURNING id) "
			       "INSERT INTO memberships (tenant_id, user_id, role) SELECT '" TENANT
			       "', id, 'operator' FROM u";
static const struct text bench_user = { "bench_auth_user", "0", new_user, sizeof(new_user) - 1 };

static void make_tokens(const struct id *user)
{
	const struct bearer_options options = {
		.signing = { .pg = bench.pg,
		             .secret = bench.pepper,
		             .access_s = 900,
		             .life_s = 86400 },
		.issuer = "fairlead",
		.audience = "fairlead",
	};
	const struct refresh_options logins = {
		.pg = bench.pg, .secret = bench.pepper, .idle_s = 3600, .life_s = 86400
	};
	struct bearers *bearers = bearer_new(&options);

	for (unsigned i = 0; i <= COLD; i++) {
		struct refreshed made;
		struct buf token;
		struct err err;

		must(refresh_begin(&logins, &(struct refresh_new){ .tenant = TENANT, .user = user },
		                   &made, &err),
		     &err);
		buf_init(&token, TEXT_SIZE);
		must(bearer_issue(bearers, &made.bearer, &token, &err), &err);
		bench.shown[TOKEN][i] = header_line("Authorization: Bearer ", buf_cstr(&token));
		buf_fini(&token);
	}
	bearer_free(bearers);
}

/* From a page of ours. */
static void make_cookies(const struct id *user)
{
	const struct login_options options = {
		.pg = bench.pg, .secret = bench.pepper, .idle_s = 3600, .life_s = 86400
	};

	for (unsigned i = 0; i <= COLD; i++) {
		char line[TEXT_SIZE];
		struct login_made made;
		struct err err;

		must(login_create(&options,
		                  &(struct login_new){
					  .tenant = TENANT, .user = user, .means = "bench" },
		                  &made, &err),
		     &err);
		(void)snprintf(line, sizeof(line), "Cookie: " LOGIN_COOKIE "=%s\r\n", made.cookie);
		bench.shown[COOKIE][i] = header_line(line, "Sec-Fetch-Site: same-origin");
	}
}

static void provide(void *arg)
{
	struct pg_options options = { getenv("TEST_PG_URL"), 2, WAIT_MS, WAIT_MS };
	const struct id user = id_new();
	struct pg_params params = { 0 };
	unsigned applied;
	struct err err;

	(void)arg;
	bench.pg = pg_new(fiber_loop(), &options);
	must(pg_migrate(bench.pg, &pg_schema, &applied, &err), &err);
	must(tenant_ensure(bench.pg, TENANT, &err), &err);
	pg_param_cstr(&params, user.s);
	must(pg_query(bench.pg, "", &bench_user, &params, NULL, &err), &err);
	make_keys();
	make_tokens(&user);
	make_cookies(&user);
	pg_free(bench.pg);
}

/* ---- load ---- */

struct tally {
	uint64_t count, took_us, cpu_us;
};

struct load {
	enum kind kind;
	bool cold;
	unsigned next; /* of the cold ones */
	uint64_t count;
};

/* Small answers, none of which asks a server. */
static bool ask(struct load *load, int fd)
{
	char text[TEXT_SIZE + 256];
	const char *header = "";
	int n;

	if (load->cold && load->next > COLD) {
		return false;
	}
	if (load->kind != NOBODY) {
		header = bench.shown[load->kind][load->cold ? load->next++ : 0];
	}
	n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: b\r\n" BEHIND "%s\r\n",
	             load->kind == NOBODY ? OPEN_PATH : KNOWN_PATH, header);
	if (write(fd, text, (size_t)n) != n) {
		die("request", "cannot be sent");
	}
	return true;
}

static bool take_answer(struct load *load, int fd)
{
	char in[READ_SIZE];
	ssize_t n = read(fd, in, sizeof(in) - 1);

	in[n > 0 ? n : 0] = '\0';
	if (n < 12 || memcmp(in + 9, "200", 3) != 0) {
		die(kind_names[load->kind], in);
	}
	load->count++;
	return ask(load, fd);
}

/* One request in flight on each connection, for so long or until there is no other credential. */
static void run(struct load *load, unsigned ms, struct tally *tally)
{
	int fds[CONNECTIONS], epoll = epoll_create1(0);
	uint64_t began_us, began_cpu_us, before = load->count;
	unsigned under_way = 0;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct epoll_event event = { .events = EPOLLIN };

		fds[i] = event.data.fd = dial();
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) != 0) {
			die("epoll", "connect");
		}
	}
	began_us = clock_mono_us();
	began_cpu_us = cpu_us();
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		under_way += ask(load, fds[i]);
	}
	while (under_way > 0 && clock_mono_us() - began_us < (uint64_t)ms * 1000) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(epoll, events, EVENTS, (int)ms);

		for (int i = 0; i < n; i++) {
			under_way -= !take_answer(load, events[i].data.fd);
		}
	}
	tally->took_us += clock_mono_us() - began_us;
	tally->cpu_us += cpu_us() - began_cpu_us;
	tally->count += load->count - before;
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		(void)close(fds[i]);
	}
	(void)close(epoll);
}

static double rate_of(const struct tally *tally)
{
	return (double)tally->count * 1e6 / (double)tally->took_us;
}

static void print(const char *how, enum kind kind, const struct tally *tally,
                  const struct tally *nobody)
{
	double cpu = (double)tally->cpu_us / (double)tally->count;

	(void)printf("%-14s %-5s %9.0f requests/s %5.2f x   %7.2f us CPU/request %5.2f x",
	             kind_names[kind], how, rate_of(tally), rate_of(tally) / rate_of(nobody), cpu,
	             (double)nobody->cpu_us / (double)nobody->count / cpu);
	if (*how == 'w') {
		(void)printf("   at least %.1f x: %s", wanted[kind],
		             rate_of(tally) / rate_of(nobody) >= wanted[kind] ? "yes" : "NO");
	}
	(void)printf("\n");
}

static void run_one(unsigned rounds, enum kind kind)
{
	struct tally warm = { 0 };

	for (unsigned round = 0; round < rounds; round++) {
		run(&(struct load){ .kind = kind }, ROUND_MS, &warm);
	}
	print("warm", kind, &warm, &warm);
}

static void compare(unsigned rounds)
{
	struct tally warm[KIND_COUNT] = { { 0 } }, cold = { 0 };

	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned kind = NOBODY; kind < KIND_COUNT; kind++) {
			struct load load = { .kind = (enum kind)kind };

			run(&load, ROUND_MS, &warm[kind]);
		}
	}
	for (unsigned kind = NOBODY; kind < KIND_COUNT; kind++) {
		print("warm", (enum kind)kind, &warm[kind], &warm[NOBODY]);
	}
	for (unsigned kind = KEY; kind < KIND_COUNT; kind++) {
		struct load load = { .kind = (enum kind)kind, .cold = true, .next = 1 };

		cold = (struct tally){ 0 };
		run(&load, WAIT_MS, &cold);
		print("cold", (enum kind)kind, &cold, &warm[NOBODY]);
	}
}

/* ---- what a refusal's time tells ---- */

static int by_size(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* Of the key that exists, or of none; never the same text twice, so that nothing is remembered. */
static uint64_t refusal_us(int fd, bool is_known)
{
	struct cred_key key = cred_key_new(NULL), known;
	char text[CRED_KEY_MAX + 1], line[TEXT_SIZE];
	const char *shown = bench.shown[KEY][0] + strlen("X-API-Key: ");
	uint64_t began_us;

	if (is_known) {
		if (cred_key_parse(str_make(shown, strcspn(shown, "\r")), &known) != CRED_KEY_OK) {
			die("key", "does not parse");
		}
		key.id = known.id;
	}
	cred_key_format(&key, text);
	(void)snprintf(line, sizeof(line), "X-API-Key: %s\r\n", text);
	began_us = clock_mono_us();
	if (exchange(fd, KNOWN_PATH, line) != 401) {
		die("a guess", "is not answered with 401");
	}
	return clock_mono_us() - began_us;
}

static void time_refusals(void)
{
	static uint64_t us[2][TIMED];
	int fd = dial();
	double known, unknown;

	for (unsigned i = 0; i < TIMED; i++) {
		us[i % 2][i] = refusal_us(fd, i % 2 == 1);
		us[1 - i % 2][i] = refusal_us(fd, i % 2 == 0);
	}
	(void)close(fd);
	qsort(us[0], TIMED, sizeof(us[0][0]), by_size);
	qsort(us[1], TIMED, sizeof(us[1][0]), by_size);
	unknown = (double)us[0][TIMED / 2];
	known = (double)us[1][TIMED / 2];
	(void)printf("refusals, median of %d: no such key %.0f us, wrong secret %.0f us (%+.1f%%; "
	             "p25 %" PRIu64 " and %" PRIu64 ")\n",
	             TIMED, unknown, known, 100 * (known - unknown) / unknown, us[0][TIMED / 4],
	             us[1][TIMED / 4]);
}

int main(int argc, char **argv)
{
	uint64_t rounds = ROUNDS;
	enum kind only = KIND_COUNT;
	struct loop *loop;

	if (argc > 1 && (!parse_u64(str_of(argv[1]), ROUNDS_MAX, &rounds) || rounds == 0)) {
		die("usage", "bench_auth [ROUNDS [KIND]]");
	}
	for (unsigned kind = 0; argc > 2 && kind < KIND_COUNT; kind++) {
		only = strcmp(argv[2], kind_names[kind]) == 0 ? (enum kind)kind : only;
	}
	if (getenv("TEST_REDIS_URL") == NULL || getenv("TEST_PG_URL") == NULL) {
		die("servers", "run it under with-redis and with-postgres");
	}
	(void)signal(SIGPIPE, SIG_IGN);
	bench.pepper = cred_pepper_from(str_of(PEPPER));
	loop = loop_new();
	(void)fiber_start(loop, NULL, "provide", provide, NULL);
	loop_run(loop);
	loop_free(loop);
	start_api();
	if (only == KIND_COUNT) {
		compare((unsigned)rounds);
		time_refusals();
	} else {
		run_one((unsigned)rounds, only);
	}
	(void)kill(bench.api, SIGTERM);
	(void)waitpid(bench.api, NULL, 0);
	for (unsigned kind = KEY; kind < KIND_COUNT; kind++) {
		for (unsigned i = 0; i <= COLD; i++) {
			free(bench.shown[kind][i]);
		}
	}
	return 0;
}
