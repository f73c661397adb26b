#include "cli/stack.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "cli_text_gen.h"

enum { TAKEOVER_PATH_MAX = 96 }; /* streamer.takeover's */

static const struct {
	const char *name;
	const char *program;  /* NULL: found elsewhere */
	uint16_t port_offset; /* from the public port; 0: no port of its own */
	int stop_signal;
	unsigned stop_ms;
	const char *listen_env;
} parts[STACK_COUNT] = {
	[STACK_REDIS] = { "redis", NULL, 7, SIGTERM, STACK_STOP_DATA_MS, NULL },
	/* SIGINT is PostgreSQL's fast shutdown: sessions are ended, data is flushed. */
	[STACK_POSTGRES] = { "postgres", NULL, 0, SIGINT, STACK_STOP_DATA_MS, NULL },
	[STACK_API_1] = { "api-1", "fairlead-api", 1, SIGTERM, STACK_STOP_PROGRAM_MS,
	                  "FAIRLEAD_API_LISTEN" },
	[STACK_API_2] = { "api-2", "fairlead-api", 2, SIGTERM, STACK_STOP_PROGRAM_MS,
	                  "FAIRLEAD_API_LISTEN" },
	[STACK_STREAMER_1] = { "streamer-1", "fairlead-streamer", 3, SIGTERM, STACK_STOP_PROGRAM_MS,
	                       "FAIRLEAD_STREAMER_LISTEN" },
	[STACK_STREAMER_2] = { "streamer-2", "fairlead-streamer", 4, SIGTERM, STACK_STOP_PROGRAM_MS,
	                       "FAIRLEAD_STREAMER_LISTEN" },
	[STACK_SCHEDULER] = { "scheduler", "fairlead-scheduler", 5, SIGTERM, STACK_STOP_PROGRAM_MS,
	                      "FAIRLEAD_METRICS_LISTEN" },
	[STACK_WORKER] = { "worker", "fairlead-worker", 6, SIGTERM, STACK_STOP_PROGRAM_MS,
	                   "FAIRLEAD_METRICS_LISTEN" },
	/* SIGUSR1 is haproxy's soft stop; streams would keep it for an hour, so it is told to stop
	   at once. */
	[STACK_HAPROXY] = { "haproxy", NULL, 0, SIGTERM, STACK_STOP_FRONT_MS, NULL },
};

/* Where a program of that name is on PATH or in the folders that a plain user's PATH leaves out. */
static const char *find_program(struct arena *arena, const char *name)
{
	const char *path = getenv("PATH");
	struct str rest = str_of(arena_printf(arena, "%s:/usr/sbin:/sbin:/usr/local/sbin",
	                                      path != NULL ? path : "/usr/bin:/bin"));

	while (rest.n > 0) {
		struct str dir = str_split(&rest, ':');
		const char *full = arena_printf(arena, "%" STR_FMT "/%s", STR_ARG(dir), name);

		if (dir.n > 0 && access(full, X_OK) == 0) {
			return full;
		}
	}
	return NULL;
}

static enum err_code need_program(struct arena *arena, const char *name, const char *package,
                                  const char **ret, struct err *err)
{
	*ret = find_program(arena, name);
	return *ret != NULL ? ERR_OK
	                    : err_set(err, ERR_NOT_FOUND,
	                              "%s is missing; install the package \"%s\"", name, package);
}

/* The programs of PostgreSQL: those of the version that made the data folder, else the newest. */
static enum err_code find_postgres(struct stack *stack, const char *data, struct err *err)
{
	char version[16] = "", line[16] = "";
	const char *file = arena_printf(stack->arena, "%s/PG_VERSION", data);
	FILE *f = fopen(file, "re");
	struct dirent *entry;
	uint64_t best = 0, major, have = 0;
	DIR *dir;

	if (f != NULL) {
		if (fgets(line, sizeof(line), f) != NULL) {
			line[strcspn(line, "\n")] = '\0';
		}
		(void)fclose(f);
		if (!parse_u64(str_of(line), 1000, &have)) {
			have = 0;
		}
	}
	dir = opendir("/usr/lib/postgresql");
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (parse_u64(str_of(entry->d_name), 1000, &major) && major > best &&
		    (have == 0 || major == have)) {
			best = major;
			(void)str_copy(version, sizeof(version), str_of(entry->d_name));
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
	stack->pg_bin = arena_printf(stack->arena, "/usr/lib/postgresql/%s/bin", version);
	if (best == 0 ||
	    access(arena_printf(stack->arena, "%s/initdb", stack->pg_bin), X_OK) != 0) {
		return err_set(err, ERR_NOT_FOUND,
		               have != 0
		                       ? "the data in %s was made by PostgreSQL %llu, which is not "
		                         "installed"
		                       : "PostgreSQL is missing; install the package "
		                         "\"postgresql\" (for %s, %llu)",
		               data, (unsigned long long)have);
	}
	return ERR_OK;
}

static struct service *service_init(struct stack *stack, struct service *s, const char *name,
                                    const char *program)
{
	*s = (struct service){ .name = name,
		               .stop_signal = SIGTERM,
		               .stop_ms = STACK_STOP_FRONT_MS };
	s->user = stack->home->root ? &stack->home->service : NULL;
	s->log_path = arena_printf(stack->arena, "%s/log/%s.log", stack->home->dir, name);
	fiber_signal_init(&s->ended);
	service_arg(s, program);
	return s;
}

static struct service *describe(struct stack *stack, enum stack_part part, const char *program)
{
	struct service *s = service_init(stack, &stack->services[part], parts[part].name, program);

	s->stop_signal = parts[part].stop_signal;
	s->stop_ms = parts[part].stop_ms;
	stack->used[part] = true;
	return s;
}

static enum err_code describe_redis(struct stack *stack, struct err *err)
{
	const struct home *home = stack->home;
	struct arena *arena = stack->arena;
	char password[HOME_SECRET_LEN + 1];
	const char *program, *conf, *text;
	enum err_code code = need_program(arena, "redis-server", "redis-server", &program, err);

	if (code != ERR_OK ||
	    (code = home_secret(home, "redis.password", password, err)) != ERR_OK) {
		return code;
	}
	text = arena_printf(
		arena,
		"# made by fairlead up at each start\n"
		"bind 127.0.0.1\nport %u\nunixsocket %s/redis.sock\nunixsocketperm 770\n"
		"requirepass %s\ndir %s/redis\nappendonly yes\nappendfsync everysec\n"
		"no-appendfsync-on-rewrite no\nmaxmemory-policy noeviction\nsave \"\"\n"
		"client-output-buffer-limit pubsub 32mb 8mb 60\ntcp-backlog 511\n"
		"loglevel notice\nlogfile \"\"\ndaemonize no\n",
		stack->ports[STACK_REDIS], home->run, password, home->dir);
	conf = arena_printf(arena, "%s/conf/redis.conf", home->dir);
	if ((code = home_write(conf, 0600, &home->service, text, strlen(text), err)) != ERR_OK) {
		return code;
	}
	stack->redis_url = arena_printf(arena, "redis://:%s@127.0.0.1:%u/0", password,
	                                stack->ports[STACK_REDIS]);
	service_arg(describe(stack, STACK_REDIS, program), conf);
	return ERR_OK;
}

static enum err_code describe_postgres(struct stack *stack, struct err *err)
{
	struct arena *arena = stack->arena;
	const char *data = arena_printf(arena, "%s/postgres/data", stack->home->dir);
	/* Whoever can open the socket is trusted, so its folder is closed to all but the service
	 * user. */
	const char *sockets = arena_printf(arena, "%s/postgres", stack->home->run);
	struct service *s;
	enum err_code code = find_postgres(stack, data, err);

	if (code != ERR_OK) {
		return code;
	}
	if ((mkdir(sockets, 0700) != 0 && errno != EEXIST) ||
	    (stack->home->root &&
	     chown(sockets, stack->home->service.uid, stack->home->service.gid) != 0)) {
		return err_set(err, ERR_UNAVAILABLE, "cannot make %s: %s", sockets,
		               strerror(errno));
	}
	stack->pg_url =
		arena_printf(arena, "postgresql:///fairlead?host=%s&user=fairlead", sockets);
	s = service_init(stack, &stack->initdb, "initdb", "/bin/sh");
	service_arg(s, "-c");
	service_arg(s, cli_text_texts[CLI_TEXT_INITDB].text);
	service_arg(s, "initdb");
	service_arg(s, stack->pg_bin);
	service_arg(s, data);

	s = describe(stack, STACK_POSTGRES, arena_printf(arena, "%s/postgres", stack->pg_bin));
	service_arg(s, "-D");
	service_arg(s, data);
	service_arg(s, "-k");
	service_arg(s, sockets);
	service_arg(s, "-c");
	service_arg(s, "listen_addresses=");
	service_arg(s, "-c");
	service_arg(s, "max_connections=120");
	service_arg(s, "-c");
	service_arg(s, "log_min_messages=warning");
	return ERR_OK;
}

/* By which its successor takes over; a path that is too long for a socket is left out. */
static void describe_takeover(struct stack *stack, enum stack_part part, struct service *s)
{
	const char *path =
		arena_printf(stack->arena, "%s/%s.takeover", stack->home->run, parts[part].name);

	if (strlen(path) <= TAKEOVER_PATH_MAX) {
		service_env(s, arena_printf(stack->arena, "FAIRLEAD_STREAMER_TAKEOVER=%s", path));
	}
}

static void describe_program(struct stack *stack, enum stack_part part, const char *bin)
{
	struct arena *arena = stack->arena;
	const struct home *home = stack->home;
	struct service *s =
		describe(stack, part, arena_printf(arena, "%s/%s", bin, parts[part].program));

	service_env(s, arena_printf(arena, "%s=127.0.0.1:%u", parts[part].listen_env,
	                            stack->ports[part]));
	service_env(s, arena_printf(arena, "FAIRLEAD_REDIS_URL=%s", stack->redis_url));
	service_env(s, arena_printf(arena, "FAIRLEAD_HOME=%s", home->dir));
	if (part == STACK_WORKER) {
		const char *path = getenv("PATH");

		s->user = NULL; /* it must be able to become the agents' user */
		/* Agents find `fairlead agent` there. */
		service_env(s, arena_printf(arena, "PATH=%s:%s",
		                            path != NULL ? path : "/usr/bin:/bin", bin));
		service_env(s,
		            arena_printf(arena, "FAIRLEAD_WORKER_STATE_DIR=%s/worker", home->dir));
		service_env(s, arena_printf(arena, "FAIRLEAD_WORKER_USER=%s",
		                            home->root ? home->agent.name : ""));
		/* Without root everything is one user's, who may read what he may read. */
		if (!home->root && getenv("FAIRLEAD_WORKER_LOCAL_REPOS") == NULL) {
			service_env(s, "FAIRLEAD_WORKER_LOCAL_REPOS=/");
		}
		return;
	}
	service_env(s, arena_printf(arena, "FAIRLEAD_PG_URL=%s", stack->pg_url));
	service_env(s, arena_printf(arena, "FAIRLEAD_PEPPER_FILE=%s/pepper", home->dir));
	service_env(s, "FAIRLEAD_HTTP_TRUSTED_PROXIES=127.0.0.1");
	if (part == STACK_STREAMER_1 || part == STACK_STREAMER_2) {
		describe_takeover(stack, part, s);
	}
}

static enum err_code describe_haproxy(struct stack *stack, struct err *err)
{
	/* deploy/haproxy/fairlead.cfg */
	const struct text *text = &cli_text_texts[CLI_TEXT_FAIRLEAD];
	struct arena *arena = stack->arena;
	const char *program, *conf = arena_printf(arena, "%s/conf/haproxy.cfg", stack->home->dir);
	enum err_code code = need_program(arena, "haproxy", "haproxy", &program, err);
	struct service *s;

	if (code != ERR_OK || (code = home_write(conf, 0640, &stack->home->service, text->text,
	                                         text->len, err)) != ERR_OK) {
		return code;
	}
	s = describe(stack, STACK_HAPROXY, program);
	service_arg(s, "-db");
	service_arg(s, "-f");
	service_arg(s, conf);
	service_env(s, arena_printf(arena, "FAIRLEAD_BIND=%s:%u", stack->options.bind,
	                            stack->options.port));
	for (unsigned i = 0; i < 2; i++) {
		service_env(s, arena_printf(arena, "FAIRLEAD_API_%u=127.0.0.1:%u", i + 1,
		                            stack->ports[STACK_API_1 + i]));
		service_env(s, arena_printf(arena, "FAIRLEAD_STREAMER_%u=127.0.0.1:%u", i + 1,
		                            stack->ports[STACK_STREAMER_1 + i]));
	}
	return ERR_OK;
}

static uint16_t last_port(const struct state *last, const char *name)
{
	for (size_t i = 0; last != NULL && i < last->count; i++) {
		if (strcmp(last->services[i].name, name) == 0) {
			return last->services[i].port;
		}
	}
	return 0;
}

/* Only the public port is a promise; the others move out of the way of what is taken. */
static enum err_code choose_ports(struct stack *stack, const struct state *last, struct err *err)
{
	uint16_t next = (uint16_t)(stack->options.port + 1);

	if (!home_port_free(stack->options.port)) {
		return err_set(err, ERR_CONFLICT, "port %u is taken; choose another with --port",
		               stack->options.port);
	}
	stack->ports[STACK_HAPROXY] = stack->options.port;
	for (unsigned part = 0; part < STACK_COUNT; part++) {
		uint16_t kept = last_port(last, parts[part].name);

		if (parts[part].port_offset == 0) {
			continue;
		}
		if (kept >= next && home_port_free(kept)) {
			stack->ports[part] = kept;
		} else {
			stack->ports[part] = home_free_port(next);
		}
		if (stack->ports[part] == 0) {
			return err_set(err, ERR_LIMIT, "no free port above %u", next);
		}
		next = (uint16_t)(stack->ports[part] + 1);
	}
	return ERR_OK;
}

static enum err_code bin_folder(struct arena *arena, const char **ret, struct err *err)
{
	char exe[HOME_PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	if (slash == NULL) {
		return err_set(err, ERR_INTERNAL, "cannot find where this program is installed");
	}
	*slash = '\0';
	*ret = arena_printf(arena, "%s", exe);
	for (unsigned part = 0; part < STACK_COUNT; part++) {
		if (parts[part].program != NULL &&
		    access(arena_printf(arena, "%s/%s", exe, parts[part].program), X_OK) != 0) {
			return err_set(err, ERR_NOT_FOUND, "%s/%s is missing", exe,
			               parts[part].program);
		}
	}
	return ERR_OK;
}

/* For `fairlead admin` and `migrate` on this machine. */
static enum err_code leave_urls(const struct stack *stack, struct err *err)
{
	const char *urls[][2] = { { "postgres", stack->pg_url }, { "redis", stack->redis_url } };
	enum err_code code = ERR_OK;

	for (size_t i = 0; i < ARRAY_LEN(urls) && code == ERR_OK; i++) {
		code = home_write(
			arena_printf(stack->arena, "%s/conf/%s.url", stack->home->dir, urls[i][0]),
			0600, &stack->home->service, urls[i][1], strlen(urls[i][1]), err);
	}
	return code;
}

enum err_code stack_describe(struct stack *stack, const struct home *home,
                             const struct stack_options *options, const struct state *last,
                             struct arena *arena, struct err *err)
{
	char pepper[HOME_SECRET_LEN + 1];
	const char *bin = NULL;
	enum err_code code;

	*stack = (struct stack){ .arena = arena, .home = home, .options = *options };
	stack->redis_url = options->external_redis;
	stack->pg_url = options->external_postgres;
	stack->url = arena_printf(
		arena, "http://%s:%u",
		strcmp(options->bind, "0.0.0.0") == 0 ? "127.0.0.1" : options->bind, options->port);
	if ((code = home_secret(home, "pepper", pepper, err)) != ERR_OK ||
	    (code = bin_folder(arena, &bin, err)) != ERR_OK ||
	    (code = choose_ports(stack, last, err)) != ERR_OK) {
		return code;
	}
	if (stack->redis_url == NULL && (code = describe_redis(stack, err)) != ERR_OK) {
		return code;
	}
	if (stack->pg_url == NULL && (code = describe_postgres(stack, err)) != ERR_OK) {
		return code;
	}
	if ((code = leave_urls(stack, err)) != ERR_OK) {
		return code;
	}
	for (unsigned part = 0; part < STACK_COUNT; part++) {
		if (parts[part].program != NULL) {
			describe_program(stack, part, bin);
		}
	}
	return describe_haproxy(stack, err);
}
