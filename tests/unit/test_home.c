/* The folder of a machine's own Fairlead, its state file, and what of events is printed. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/home.h"
#include "cli/render.h"
#include "cli/state.h"
#include "tests/support/test.h"

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int setup(void **state)
{
	struct home *home = calloc(1, sizeof(*home));
	char dir[] = "/tmp/fairlead-home.XXXXXX";
	struct err err;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(home_locate(dir, home, &err), ERR_OK);
	home->service = (struct home_user){ .uid = getuid(), .gid = getgid() };
	*state = home;
	return 0;
}

static int teardown(void **state)
{
	struct home *home = *state;

	(void)nftw(home->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(home);
	return 0;
}

static void a_relative_or_too_long_place_is_refused(void **state)
{
	char deep[160];
	struct home home;
	struct err err;

	(void)state;
	assert_int_equal(home_locate("here", &home, &err), ERR_INVALID);
	memset(deep, 'a', sizeof(deep));
	deep[0] = '/';
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(home_locate(deep, &home, &err), ERR_LIMIT);
}

static void trailing_slashes_make_no_other_place(void **state)
{
	struct home home;
	struct err err;

	(void)state;
	assert_int_equal(home_locate("/srv/x//", &home, &err), ERR_OK);
	assert_string_equal(home.dir, "/srv/x");
	assert_string_equal(home.run, "/srv/x/run");
}

static void the_lock_is_held_once_and_names_who_holds_it(void **state)
{
	const struct home *home = *state;
	pid_t stale = -1, child;
	struct err err;
	int status;

	assert_int_equal(home_lock(home, &stale, &err), ERR_OK);
	assert_int_equal(stale, 0);
	child = fork();
	if (child == 0) {
		char pid[32];
		bool named;

		(void)snprintf(pid, sizeof(pid), "process %ld)", (long)getppid());
		named = home_lock(home, &stale, &err) == ERR_CONFLICT &&
		        strstr(err.msg, pid) != NULL;
		_exit(named ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void a_lock_left_behind_is_taken_over_and_told(void **state)
{
	const struct home *home = *state;
	pid_t stale = -1, child = fork();
	struct err err;

	if (child == 0) {
		_exit(home_lock(home, &stale, &err) == ERR_OK ? 0 : 1);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(home_lock(home, &stale, &err), ERR_OK);
	assert_int_equal(stale, child);
}

static void a_secret_is_made_once_and_is_only_its_owners(void **state)
{
	const struct home *home = *state;
	char first[HOME_SECRET_LEN + 1], again[HOME_SECRET_LEN + 1], path[HOME_PATH_MAX];
	struct stat st;
	struct err err;

	assert_int_equal(home_secret(home, "pepper", first, &err), ERR_OK);
	assert_int_equal(strspn(first, "0123456789abcdef"), HOME_SECRET_LEN);
	assert_int_equal(home_secret(home, "pepper", again, &err), ERR_OK);
	assert_string_equal(first, again);
	assert_int_equal(home_path(path, home->dir, "pepper", &err), ERR_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_secret_that_cannot_be_read_is_never_replaced(void **state)
{
	const struct home *home = *state;
	char secret[HOME_SECRET_LEN + 1], path[HOME_PATH_MAX], target[8];
	struct err err;

	assert_int_equal(home_path(path, home->dir, "pepper", &err), ERR_OK);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(home_secret(home, "pepper", secret, &err), ERR_UNAVAILABLE);
	assert_int_equal(readlink(path, target, sizeof(target)), 7);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(home_write(path, 0600, NULL, "short", 5, &err), ERR_OK);
	assert_int_equal(home_secret(home, "pepper", secret, &err), ERR_INVALID);
}

static void a_taken_port_is_passed_over(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t size = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint16_t port = home_free_port((uint16_t)(20000 + getpid() % 10000));

	(void)state;
	assert_true(port >= 20000 && port < 32768);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons(port);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, size), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_false(home_port_free(port));
	assert_true(home_free_port(port) > port);
	(void)close(fd);
}

/* ---- the state file ---- */

static void the_state_file_tells_what_was_written(void **state)
{
	const struct home *home = *state;
	struct state out = { .version = "1.2.3",
		             .url = "http://127.0.0.1:7080",
		             .pid = getpid(),
		             .ready = true,
		             .started_us = 5,
		             .count = 2 };
	struct state in;
	struct err err;

	out.heartbeat_us = clock_wall_us();
	out.services[0] = (struct state_service){ "redis", 7, 7087, 1, 11 };
	out.services[1] = (struct state_service){ "worker", 0, 7086, 3, 12 };
	assert_int_equal(state_read(home, &in, &err), ERR_NOT_FOUND);
	assert_int_equal(state_write(home, &out, &err), ERR_OK);
	assert_int_equal(state_read(home, &in, &err), ERR_OK);
	assert_string_equal(in.version, out.version);
	assert_string_equal(in.url, out.url);
	assert_true(in.ready && in.started_us == 5 && in.heartbeat_us == out.heartbeat_us);
	assert_int_equal(in.count, 2);
	assert_string_equal(in.services[1].name, "worker");
	assert_int_equal(in.services[1].pid, 0);
	assert_int_equal(in.services[1].port, 7086);
	assert_int_equal(in.services[1].restarts, 3);
	assert_true(state_is_live(&in));
	in.heartbeat_us -= (int64_t)STATE_FRESH_MS * 1000;
	assert_false(state_is_live(&in));
}

static void a_damaged_state_file_is_an_error_with_its_path(void **state)
{
	const struct home *home = *state;
	char path[HOME_PATH_MAX];
	struct state in;
	struct err err;

	assert_int_equal(home_path(path, home->dir, "state.json", &err), ERR_OK);
	assert_int_equal(home_write(path, 0644, NULL, "{\"pid\":", 7, &err), ERR_OK);
	assert_int_not_equal(state_read(home, &in, &err), ERR_OK);
	assert_non_null(strstr(err.msg, path));
}

/* ---- keys ---- */

static void a_stored_key_is_given_to_its_own_server_only(void **state)
{
	const struct home *home = *state;
	struct state running = { .url = "http://127.0.0.1:7080" };
	char path[HOME_PATH_MAX];
	struct client client;
	struct err err;

	(void)setenv("FAIRLEAD_HOME", home->dir, 1);
	(void)setenv("XDG_CONFIG_HOME", home->dir, 1);
	(void)unsetenv("FAIRLEAD_URL");
	(void)unsetenv("FAIRLEAD_KEY");
	assert_int_equal(state_write(home, &running, &err), ERR_OK);
	assert_int_equal(home_path(path, home->dir, "admin.key", &err), ERR_OK);
	assert_int_equal(home_write(path, 0600, NULL, "secret\n", 7, &err), ERR_OK);

	assert_int_equal(client_open(&client, NULL, NULL, &err), ERR_OK);
	assert_string_equal(client.key, "secret");
	client_close(&client);
	assert_int_equal(client_open(&client, "http://127.0.0.1:7080/", NULL, &err), ERR_OK);
	assert_string_equal(client.url, "http://127.0.0.1:7080");
	assert_string_equal(client.key, "secret");
	client_close(&client);
	assert_int_equal(client_open(&client, "http://elsewhere", NULL, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "no key is known for http://elsewhere"));
	assert_int_equal(client_open(&client, "http://elsewhere", "other", &err), ERR_OK);
	assert_string_equal(client.key, "other");
	client_close(&client);
}

/* Logging in needs no key, and whoever has none is told where the system is. */
static void the_system_of_this_machine_is_known_without_a_key(void **state)
{
	const struct home *home = *state;
	struct state running = { .url = "http://127.0.0.1:7080" };
	char url[CLIENT_URL_MAX];
	struct client client;
	struct err err;

	(void)setenv("FAIRLEAD_HOME", home->dir, 1);
	(void)setenv("XDG_CONFIG_HOME", home->dir, 1);
	(void)unsetenv("FAIRLEAD_URL");
	(void)unsetenv("FAIRLEAD_KEY");
	assert_int_equal(state_write(home, &running, &err), ERR_OK);
	client_server(NULL, url);
	assert_string_equal(url, "http://127.0.0.1:7080");
	assert_int_equal(client_open(&client, NULL, NULL, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "no key is known for http://127.0.0.1:7080"));
	assert_non_null(strstr(err.msg, "fairlead login"));
}

/* ---- what is printed ---- */

/* What one event puts on stdout. */
static void printed(const struct home *home, struct render *render, const char *type,
                    const char *data, char out[256])
{
	char path[HOME_PATH_MAX];
	struct err err;
	int saved = dup(STDOUT_FILENO), fd;
	ssize_t n;

	assert_int_equal(home_path(path, home->dir, "out", &err), ERR_OK);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(saved >= 0 && fd >= 0);
	(void)fflush(stdout);
	assert_true(dup2(fd, STDOUT_FILENO) >= 0);
	render_event(render, str_of(type), str_of(data));
	(void)fflush(stdout);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	n = pread(fd, out, 255, 0);
	out[n > 0 ? n : 0] = '\0';
	(void)close(fd);
	(void)close(saved);
}

static void only_what_the_agent_said_goes_to_stdout(void **state)
{
	const struct home *home = *state;
	struct render render;
	char out[256];

	render_init(&render, false);
	printed(home, &render, "log", "{\"message\":\"hello\"}", out);
	assert_string_equal(out, "hello\n");
	printed(home, &render, "diff", "{\"patch\":\"-a\\n+b\\n\"}", out);
	assert_string_equal(out, "-a\n+b\n");
	printed(home, &render, "unheard_of", "{\"message\":\"x\"}", out);
	assert_string_equal(out, "");
	printed(home, &render, "log", "not json", out);
	assert_string_equal(out, "");
	printed(home, &render, "status", "{\"status\":\"failed\",\"exitCode\":3}", out);
	assert_string_equal(out, "");
	assert_string_equal(render.status, "failed");
	assert_int_equal(render.exit_code, 3);
}

static void json_output_is_one_event_a_line(void **state)
{
	const struct home *home = *state;
	struct render render;
	char out[256];

	render_init(&render, true);
	printed(home, &render, "status", "{\"status\":\"completed\",\"exitCode\":0}", out);
	assert_string_equal(out, "{\"status\":\"completed\",\"exitCode\":0}\n");
	assert_int_equal(render.exit_code, 0);
	printed(home, &render, "log", "{\"message\":\"x\"}", out);
	assert_string_equal(out, "{\"message\":\"x\"}\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_relative_or_too_long_place_is_refused),
		TEST(trailing_slashes_make_no_other_place),
		TEST(the_lock_is_held_once_and_names_who_holds_it),
		TEST(a_lock_left_behind_is_taken_over_and_told),
		TEST(a_secret_is_made_once_and_is_only_its_owners),
		TEST(a_secret_that_cannot_be_read_is_never_replaced),
		TEST(a_taken_port_is_passed_over),
		TEST(the_state_file_tells_what_was_written),
		TEST(a_damaged_state_file_is_an_error_with_its_path),
		TEST(a_stored_key_is_given_to_its_own_server_only),
		TEST(the_system_of_this_machine_is_known_without_a_key),
		TEST(only_what_the_agent_said_goes_to_stdout),
		TEST(json_output_is_one_event_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
