/*
 * `fairlead up`: the whole system on one machine, kept running until SIGTERM or Ctrl-C.
 *
 *	lock -> folders -> (initdb) -> redis, postgres -> migrate -> nodes -> haproxy -> ready
 *
 * Stops in the reverse order.  The state file beats every second.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/home.h"
#include "cli/probe.h"
#include "cli/stack.h"
#include "cli/state.h"
#include "log/log.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "pg/schema.h"
#include "redis/redis.h"

enum {
	UP_PORT = 7080,
	UP_BEAT_MS = 1000,
	UP_READY_MS = 60000,
	UP_PROBE_MS = 50,
	UP_LOOK_MS = 250, /* how late a wait sees that it is to stop */
	UP_LOG_MAX = 16 * 1024 * 1024,
};

struct up {
	struct loop *loop;
	struct home home;
	struct stack stack;
	struct state state;
	struct fiber_group keepers, beats;
	struct fiber_signal stop, upgrade;
	bool stopping;
	int exit_status;
};

const char up_usage[] =
	"usage: fairlead up [--port N] [--bind ADDRESS] [--home DIR]\n"
	"                   [--external-redis URL] [--external-postgres URL]\n"
	"\n"
	"Runs the whole system on this machine until SIGTERM or Ctrl-C: redis, postgres,\n"
	"2 api, 2 streamer, 1 scheduler, 1 worker, and haproxy on port 7080 in front.\n"
	"SIGUSR2 replaces the streamers by their programs as they are now, under open streams.\n"
	"Settings of the programs (fairlead-api --help) are taken from the environment.\n";

static int usage(FILE *to, int status)
{
	(void)fputs(up_usage, to);
	return status;
}

/* ---- the state file ---- */

static void state_fill(struct up *up)
{
	struct state *state = &up->state;

	state->count = 0;
	state->heartbeat_us = clock_wall_us();
	for (unsigned part = 0; part < STACK_COUNT; part++) {
		const struct service *s = &up->stack.services[part];
		struct state_service *row = &state->services[state->count];

		if (!up->stack.used[part]) {
			continue;
		}
		*row = (struct state_service){ .pid = s->pid,
			                       .port = up->stack.ports[part],
			                       .restarts = s->restarts,
			                       .started_us = s->started_us };
		(void)snprintf(row->name, sizeof(row->name), "%s", s->name);
		state->count++;
	}
}

/* A log that has grown too long is copied to .1 and emptied; writers append, so they go on. The
 * folder is the service user's: a link there must not lead root elsewhere. */
static void rotate(const char *path)
{
	char old[HOME_PATH_MAX + 8];
	struct stat st;
	int from, to;

	if (path == NULL || stat(path, &st) != 0 || st.st_size < UP_LOG_MAX) {
		return;
	}
	(void)snprintf(old, sizeof(old), "%s.1", path);
	from = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	to = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (from >= 0 && to >= 0 &&
	    copy_file_range(from, NULL, to, NULL, (size_t)st.st_size, 0) >= 0 &&
	    ftruncate(from, 0) == 0) {
		log_info("log.rotated", "file=%s", path);
	}
	if (from >= 0) {
		(void)close(from);
	}
	if (to >= 0) {
		(void)close(to);
	}
}

static void state_save(struct up *up)
{
	struct err err;

	state_fill(up);
	if (state_write(&up->home, &up->state, &err) != ERR_OK) {
		log_warn("state.write", "%s", err.msg);
	}
}

static void beat(void *arg)
{
	struct up *up = arg;

	while (!fiber_cancelled()) {
		state_save(up);
		for (unsigned part = 0; part < STACK_COUNT; part++) {
			rotate(up->stack.services[part].log_path);
		}
		(void)fiber_sleep(UP_BEAT_MS);
	}
}

/* ---- upgrading ---- */

/* SIGUSR2: streamers are replaced by what their program is by now, and no client notices. */
static void upgrade_streamers(void *arg)
{
	struct up *up = arg;
	struct err err;

	while (fiber_signal_wait(&up->upgrade, FIBER_NO_TIMEOUT) == ERR_OK) {
		for (unsigned part = STACK_STREAMER_1; part <= STACK_STREAMER_2; part++) {
			struct service *s = &up->stack.services[part];

			if (service_replace(s, "--takeover", UP_READY_MS, &err) != ERR_OK) {
				log_warn("service.kept", "service=%s code=%s %s", s->name,
				         err_name(err.code), err.msg);
			}
		}
		log_info("up.upgraded");
	}
}

static void on_upgrade(int signo, void *arg)
{
	struct up *up = arg;

	(void)signo;
	fiber_signal_raise(&up->upgrade);
}

/* ---- starting ---- */

static void keep(struct up *up, enum stack_part part)
{
	if (up->stack.used[part]) {
		(void)fiber_start(up->loop, &up->keepers, up->stack.services[part].name,
		                  service_keep, &up->stack.services[part]);
	}
}

static enum err_code wait_redis(struct up *up, struct err *err)
{
	const struct redis_options options = { .url = up->stack.redis_url,
		                               .timeout_ms = 2000,
		                               .backoff_max_ms = 100 };
	struct redis *redis = redis_new(up->loop, &options, err);
	uint64_t until = clock_mono_ms() + UP_READY_MS;
	enum err_code code;

	if (redis == NULL) {
		return err->code;
	}
	do {
		code = redis_wait_connected(redis, UP_LOOK_MS, err);
	} while (code != ERR_OK && clock_mono_ms() < until && !up->stopping);
	redis_free(redis);
	return code == ERR_OK ? code
	                      : err_wrap(err, "redis does not come up (%s)",
	                                 up->stack.services[STACK_REDIS].why);
}

/* The database is ready when the schema is. */
static enum err_code wait_postgres(struct up *up, struct err *err)
{
	const struct pg_options options = { .url = up->stack.pg_url,
		                            .pool_max = 1,
		                            .acquire_timeout_ms = 1000,
		                            .statement_timeout_ms = 60000 };
	struct pg *pg = pg_new(up->loop, &options);
	uint64_t until = clock_mono_ms() + UP_READY_MS;
	unsigned applied = 0;
	enum err_code code;

	do {
		code = pg_migrate(pg, &pg_schema, &applied, err);
		if (code != ERR_OK && err_retryable(code)) {
			(void)fiber_sleep(UP_PROBE_MS);
		}
	} while (code != ERR_OK && err_retryable(code) && clock_mono_ms() < until && !up->stopping);
	pg_free(pg);
	if (code != ERR_OK) {
		return err_wrap(err, "postgres does not come up");
	}
	if (applied > 0) {
		log_info("schema.migrated", "applied=%u", applied);
	}
	return ERR_OK;
}

/* Ready: every node, and haproxy's view of them through the public port. */
static enum err_code wait_nodes(struct up *up, struct err *err)
{
	static const enum stack_part probed[] = { STACK_API_1,      STACK_API_2,
		                                  STACK_STREAMER_1, STACK_STREAMER_2,
		                                  STACK_SCHEDULER,  STACK_WORKER,
		                                  STACK_HAPROXY };
	uint64_t until = clock_mono_ms() + UP_READY_MS;

	for (size_t i = 0; i < ARRAY_LEN(probed);) {
		const struct service *s = &up->stack.services[probed[i]];

		if (probe_ready(up->stack.ports[probed[i]], 1000)) {
			i++;
		} else if (clock_mono_ms() > until || up->stopping) {
			return err_set(err, ERR_TIMEOUT, "%s does not become ready; see %s",
			               s->name, s->log_path);
		} else {
			(void)fiber_sleep(UP_PROBE_MS);
		}
	}
	return ERR_OK;
}

static enum err_code bring_up(struct up *up, struct err *err)
{
	char data[HOME_PATH_MAX];
	enum err_code code;

	if (up->stack.used[STACK_POSTGRES] &&
	    (code = home_path(data, up->home.dir, "postgres/data", err)) != ERR_OK) {
		return code;
	}
	if (up->stack.used[STACK_POSTGRES] && access(data, F_OK) != 0 &&
	    (code = service_run(&up->stack.initdb, UP_READY_MS, err)) != ERR_OK) {
		return code;
	}
	keep(up, STACK_REDIS);
	keep(up, STACK_POSTGRES);
	if ((code = wait_redis(up, err)) != ERR_OK || (code = wait_postgres(up, err)) != ERR_OK) {
		return code;
	}
	for (unsigned part = STACK_API_1; part < STACK_COUNT; part++) {
		keep(up, part);
	}
	return wait_nodes(up, err);
}

static void end_group(struct fiber_group *group)
{
	fiber_group_cancel(group, ERR_CANCELLED);
	if (fiber_group_wait(group, UP_READY_MS) != ERR_OK) {
		log_warn("up.stuck", "fibers=%zu", group->count);
	}
}

static void stop_one(void *arg)
{
	service_stop(arg);
}

static void bring_down(struct up *up)
{
	static const struct {
		enum stack_part first, last;
	} layers[] = { { STACK_HAPROXY, STACK_HAPROXY },
		       { STACK_API_1, STACK_WORKER },
		       { STACK_REDIS, STACK_POSTGRES } };

	for (size_t i = 0; i < ARRAY_LEN(layers); i++) {
		struct fiber_group stops = { .count = 0 };

		for (unsigned part = layers[i].first; part <= layers[i].last; part++) {
			if (up->stack.used[part]) {
				(void)fiber_start(up->loop, &stops, "stop", stop_one,
				                  &up->stack.services[part]);
			}
		}
		(void)!fiber_group_wait(&stops, FIBER_NO_TIMEOUT);
	}
	end_group(&up->keepers);
}

static void run(void *arg)
{
	struct up *up = arg;
	struct err err = { .code = ERR_OK };

	(void)fiber_start(up->loop, &up->beats, "beat", beat, up);
	(void)fiber_start(up->loop, &up->beats, "upgrade", upgrade_streamers, up);
	if (bring_up(up, &err) != ERR_OK && !up->stopping) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		up->exit_status = EXIT_FAILED;
		up->stopping = true;
	}
	if (!up->stopping) {
		up->state.ready = true;
		log_info("up.ready", "url=%s took_ms=%lld", up->stack.url,
		         (long long)(clock_wall_us() - up->state.started_us) / 1000);
	}
	while (!up->stopping && fiber_signal_wait(&up->stop, UP_READY_MS) != ERR_CANCELLED) {
	}
	up->state.ready = false;
	bring_down(up);
	end_group(&up->beats);
	up->state.pid = 0;
	state_save(up);
	loop_stop(up->loop);
}

static void on_stop(int signo, void *arg)
{
	struct up *up = arg;

	log_info("up.stopping", "signal=%d", signo);
	up->stopping = true;
	fiber_signal_raise(&up->stop);
}

/* ---- the command ---- */

static int parse(int argc, char **argv, struct stack_options *options, const char **home_dir)
{
	static const struct option known[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "bind", required_argument, NULL, 'b' },
		{ "home", required_argument, NULL, 'd' },
		{ "external-redis", required_argument, NULL, 'r' },
		{ "external-postgres", required_argument, NULL, 'g' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct in_addr address;
	uint64_t port;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'p':
			if (!parse_u64(str_of(optarg), 32000, &port) || port == 0) {
				(void)fprintf(stderr, "fairlead: --port must be 1 to 32000\n");
				return EXIT_USAGE;
			}
			options->port = (uint16_t)port;
			break;
		case 'b':
			if (inet_pton(AF_INET, optarg, &address) != 1) {
				(void)fprintf(stderr,
				              "fairlead: --bind must be an IPv4 address of this "
				              "machine, or 0.0.0.0 for all\n");
				return EXIT_USAGE;
			}
			options->bind = optarg;
			break;
		case 'd': *home_dir = optarg; break;
		case 'r': options->external_redis = optarg; break;
		case 'g': options->external_postgres = optarg; break;
		case 'h': exit(usage(stdout, EXIT_DONE));
		default: return usage(stderr, EXIT_USAGE);
		}
	}
	return optind == argc ? EXIT_DONE : usage(stderr, EXIT_USAGE);
}

/* What a killed supervisor's children need to be gone before new ones open the same data. */
static void wait_for_leftovers(const struct state *last)
{
	for (size_t i = 0; i < last->count; i++) {
		char exe[64], target[HOME_PATH_MAX];
		ssize_t n;

		if (last->services[i].pid <= 0) {
			continue;
		}
		(void)snprintf(exe, sizeof(exe), "/proc/%ld/exe", (long)last->services[i].pid);
		for (unsigned turn = 0; turn < 300; turn++) {
			n = readlink(exe, target, sizeof(target) - 1);
			target[n > 0 ? n : 0] = '\0';
			if (strstr(target, "redis") == NULL && strstr(target, "postgres") == NULL &&
			    strstr(target, "haproxy") == NULL &&
			    strstr(target, "fairlead-") == NULL) {
				break;
			}
			(void)usleep(100 * 1000);
		}
	}
}

static enum err_code prepare(struct up *up, const struct stack_options *options,
                             const char *home_dir, struct arena *arena, struct err *err)
{
	struct state last = { .count = 0 };
	pid_t stale = 0;
	enum err_code code;

	if ((code = home_locate(home_dir, &up->home, err)) != ERR_OK ||
	    (code = home_prepare(&up->home, err)) != ERR_OK ||
	    (code = home_lock(&up->home, &stale, err)) != ERR_OK) {
		return code;
	}
	if (state_read(&up->home, &last, err) == ERR_OK && last.pid > 0) {
		(void)fprintf(stderr,
		              "fairlead: the last run (process %ld) did not stop in order; "
		              "taking over its lock and data\n",
		              (long)stale);
		wait_for_leftovers(&last);
	}
	code = stack_describe(&up->stack, &up->home, options, &last, arena, err);
	if (code == ERR_OK) {
		up->state = (struct state){ .pid = getpid(), .started_us = clock_wall_us() };
		(void)snprintf(up->state.version, sizeof(up->state.version), "%s",
		               FAIRLEAD_VERSION);
		(void)snprintf(up->state.url, sizeof(up->state.url), "%s", up->stack.url);
	}
	return code;
}

int command_up(int argc, char **argv)
{
	struct stack_options options = { .port = UP_PORT, .bind = "127.0.0.1" };
	const char *home_dir = NULL;
	struct arena *arena = arena_new();
	struct up up = { .exit_status = EXIT_DONE };
	struct err err;
	int status = parse(argc, argv, &options, &home_dir);

	if (status != EXIT_DONE) {
		arena_free(arena);
		return status;
	}
	if (prepare(&up, &options, home_dir, arena, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		arena_free(arena);
		return EXIT_FAILED;
	}
	up.loop = loop_new();
	fiber_signal_init(&up.stop);
	fiber_signal_init(&up.upgrade);
	loop_on_signal(up.loop, SIGTERM, on_stop, &up);
	loop_on_signal(up.loop, SIGINT, on_stop, &up);
	loop_on_signal(up.loop, SIGUSR2, on_upgrade, &up);
	(void)fiber_start(up.loop, NULL, "up", run, &up);
	loop_run(up.loop);
	loop_free(up.loop);
	arena_free(arena);
	return up.exit_status;
}
