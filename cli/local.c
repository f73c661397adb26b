#include "cli/local.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/command.h"
#include "cli/state.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "redis/redis.h"

enum { LOCAL_TIMEOUT_MS = 15000, LOCAL_URL_MAX = 1025, RING_MS = 500 };

/* The first line of a file; "" when it cannot be read. */
static void read_line(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : 0;

	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (fd >= 0) {
		(void)close(fd);
	}
}

static void read_pepper(struct local *local)
{
	const char *value = getenv("FAIRLEAD_PEPPER"), *file = getenv("FAIRLEAD_PEPPER_FILE");
	char path[HOME_PATH_MAX];
	struct err err;

	if (value != NULL) {
		(void)str_copy(local->pepper, sizeof(local->pepper), str_of(value));
		return;
	}
	if (file == NULL) {
		file = home_path(path, local->home.dir, "pepper", &err) == ERR_OK ? path : "";
	}
	read_line(file, local->pepper, sizeof(local->pepper));
}

/* The environment's, or what the file has that NAME_FILE names; else that of the system that runs
 * here: `fairlead up` leaves it in its home. */
static const char *find_url(const struct local *local, const char *name, const char *file,
                            char *out, size_t size)
{
	const char *value = getenv(name), *elsewhere;
	char path[HOME_PATH_MAX];
	struct err err;

	if (value != NULL) {
		return value;
	}
	out[0] = '\0';
	(void)snprintf(path, sizeof(path), "%s_FILE", name);
	elsewhere = getenv(path);
	if (elsewhere != NULL) {
		read_line(elsewhere, out, size);
	} else if (home_path(path, local->home.dir, file, &err) == ERR_OK) {
		read_line(path, out, size);
	}
	return out[0] != '\0' ? out : NULL;
}

/* A database of our own runs only with the rest: waiting for it would be in vain. */
static bool is_down(const struct home *home, const char *url)
{
	struct state state;
	struct err err;

	return strstr(url, home->run) != NULL && state_read(home, &state, &err) == ERR_OK &&
	       !state_is_live(&state);
}

struct redis *local_redis(const struct local *local, unsigned timeout_ms)
{
	char url[LOCAL_URL_MAX];
	struct redis_options options = { .timeout_ms = timeout_ms, .backoff_max_ms = RING_MS };
	struct err err;

	options.url = find_url(local, "FAIRLEAD_REDIS_URL", "conf/redis.url", url, sizeof(url));
	return options.url != NULL ? redis_new(local->loop, &options, &err) : NULL;
}

void local_ring(struct local *local, enum auth_bell_kind kind, const struct id *id)
{
	struct redis *redis = local_redis(local, RING_MS);
	struct err err;

	if (redis != NULL) {
		(void)!auth_bell_ring(redis, kind, id, &err);
		redis_free(redis);
	}
}

static void body(void *arg)
{
	struct local *local = arg;

	local->status = local->fn(local);
	loop_stop(local->loop);
}

int local_run(int (*fn)(struct local *local), void *arg)
{
	struct local local = { .fn = fn, .arg = arg, .status = EXIT_FAILED };
	char url[LOCAL_URL_MAX];
	struct pg_options options = { .pool_max = 1,
		                      .acquire_timeout_ms = LOCAL_TIMEOUT_MS,
		                      .statement_timeout_ms = LOCAL_TIMEOUT_MS };
	struct err err;

	if (home_locate(NULL, &local.home, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	options.url = find_url(&local, "FAIRLEAD_PG_URL", "conf/postgres.url", url, sizeof(url));
	if (options.url == NULL) {
		(void)fprintf(stderr,
		              "fairlead: no database is known; set FAIRLEAD_PG_URL, or "
		              "FAIRLEAD_PG_URL_FILE to a file that can be read, or start one here "
		              "with: fairlead up\n");
		return EXIT_FAILED;
	}
	if (options.url == url && is_down(&local.home, url)) {
		(void)fprintf(stderr, "fairlead: not running in %s; start it with: fairlead up\n",
		              local.home.dir);
		return EXIT_FAILED;
	}
	read_pepper(&local);
	local.loop = loop_new();
	local.pg_url = options.url;
	local.pg = pg_new(local.loop, &options);
	(void)fiber_start(local.loop, NULL, "local", body, &local);
	loop_run(local.loop);
	pg_free(local.pg);
	loop_free(local.loop);
	return local.status;
}
