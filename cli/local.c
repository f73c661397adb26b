#include "cli/local.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/command.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "pg/pg.h"

enum { LOCAL_TIMEOUT_MS = 15000 };

static void read_pepper(struct local *local)
{
	const char *value = getenv("FAIRLEAD_PEPPER"), *file = getenv("FAIRLEAD_PEPPER_FILE");
	char path[HOME_PATH_MAX];
	struct err err;
	ssize_t n;
	int fd;

	if (value != NULL) {
		(void)str_copy(local->pepper, sizeof(local->pepper), str_of(value));
		return;
	}
	if (file == NULL) {
		file = home_path(path, local->home.dir, "pepper", &err) == ERR_OK ? path : "";
	}
	fd = open(file, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, local->pepper, sizeof(local->pepper) - 1) : 0;
	local->pepper[n > 0 ? n : 0] = '\0';
	local->pepper[strcspn(local->pepper, "\n")] = '\0';
	if (fd >= 0) {
		(void)close(fd);
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
	char url[HOME_PATH_MAX + 64];
	struct pg_options options = { .url = getenv("FAIRLEAD_PG_URL"),
		                      .pool_max = 1,
		                      .acquire_timeout_ms = LOCAL_TIMEOUT_MS,
		                      .statement_timeout_ms = LOCAL_TIMEOUT_MS };
	struct err err;

	if (home_locate(NULL, &local.home, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	if (options.url == NULL) {
		(void)snprintf(url, sizeof(url),
		               "postgresql:///fairlead?host=%s/postgres&user=fairlead",
		               local.home.run);
		options.url = url;
	}
	read_pepper(&local);
	local.loop = loop_new();
	local.pg = pg_new(local.loop, &options);
	(void)fiber_start(local.loop, NULL, "local", body, &local);
	loop_run(local.loop);
	pg_free(local.pg);
	loop_free(local.loop);
	return local.status;
}
