/* `fairlead status` and `fairlead down`: what the supervisor's state file says, and stopping it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/home.h"
#include "cli/stack.h"
#include "cli/state.h"

enum { DOWN_WAIT_MS = STACK_STOP_MS + 5000, DOWN_LOOK_MS = 50 };

struct status_options {
	const char *home_dir;
	bool json;
	uint64_t wait_ms; /* status: until ready, at most this long */
};

const char status_usage[] =
	"usage: fairlead status [--home DIR] [--json] [--wait SECONDS]\n"
	"       fairlead down [--home DIR]\n"
	"\n"
	"status shows what `fairlead up` runs here; its exit status is 0 when all is ready.\n"
	"--wait waits until it is. down stops it and waits until everything is gone.\n";

static int parse(int argc, char **argv, struct status_options *options)
{
	static const struct option known[] = {
		{ "home", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "wait", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t seconds;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'd': options->home_dir = optarg; break;
		case 'j': options->json = true; break;
		case 'w':
			if (!parse_u64(str_of(optarg), 3600, &seconds)) {
				(void)fprintf(stderr,
				              "fairlead: --wait must be 0 to 3600 seconds\n");
				return EXIT_USAGE;
			}
			options->wait_ms = seconds * 1000;
			break;
		case 'h': (void)fputs(status_usage, stdout); return -1;
		default: (void)fputs(status_usage, stderr); return EXIT_USAGE;
		}
	}
	if (optind != argc) {
		(void)fputs(status_usage, stderr);
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static void print_duration(int64_t us)
{
	int64_t s = us / 1000000;

	if (s >= 3600) {
		(void)printf("%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	} else if (s >= 60) {
		(void)printf("%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	} else {
		(void)printf("%" PRId64 "s", s);
	}
}

static void print_text(const struct state *state)
{
	int64_t now = clock_wall_us();

	(void)printf("fairlead %s at %s: %s", state->version, state->url,
	             !state_is_live(state) ? "stopped"
	             : state->ready        ? "ready"
	                                   : "starting");
	if (state_is_live(state)) {
		(void)printf(", up ");
		print_duration(now - state->started_us);
	}
	(void)printf("\n%-12s %8s %6s %9s %s\n", "SERVICE", "PID", "PORT", "RESTARTS", "UP");
	for (size_t i = 0; i < state->count; i++) {
		const struct state_service *s = &state->services[i];

		(void)printf("%-12s %8ld %6u %9u ", s->name, (long)s->pid, s->port, s->restarts);
		if (s->pid > 0) {
			print_duration(now - s->started_us);
		} else {
			(void)printf("down");
		}
		(void)putchar('\n');
	}
}

static int print_json(const struct home *home)
{
	char path[HOME_PATH_MAX], line[4096];
	struct err err;
	FILE *f =
		home_path(path, home->dir, "state.json", &err) == ERR_OK ? fopen(path, "re") : NULL;

	if (f == NULL) {
		(void)fprintf(stderr, "fairlead: cannot read %s: %s\n", path, strerror(errno));
		return EXIT_FAILED;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		(void)fputs(line, stdout);
	}
	(void)fclose(f);
	return EXIT_DONE;
}

/* The way on, when a user of this machine has none of his own. */
static void name_roots(const char *home_dir)
{
	struct state root;

	if (home_dir == NULL && state_of_root(&root)) {
		(void)fprintf(stderr, "root's runs at %s: fairlead status --home %s\n", root.url,
		              HOME_OF_ROOT);
	}
}

static bool is_ready(const struct home *home, struct state *state, struct err *err)
{
	return state_read(home, state, err) == ERR_OK && state_is_live(state) && state->ready;
}

int command_status(int argc, char **argv)
{
	struct status_options options = { .home_dir = NULL };
	struct state state = { .count = 0 };
	struct home home;
	struct err err = { .code = ERR_OK };
	uint64_t until;
	int status = parse(argc, argv, &options);

	if (status != EXIT_DONE) {
		return status < 0 ? EXIT_DONE : status;
	}
	if (home_locate(options.home_dir, &home, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	until = clock_mono_ms() + options.wait_ms;
	while (!is_ready(&home, &state, &err) && clock_mono_ms() < until) {
		(void)usleep(DOWN_LOOK_MS * 1000);
	}
	if (state_read(&home, &state, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		name_roots(options.home_dir);
		return EXIT_FAILED;
	}
	if (options.json) {
		status = print_json(&home);
	} else {
		print_text(&state);
	}
	return status == EXIT_DONE && is_ready(&home, &state, &err) ? EXIT_DONE : EXIT_FAILED;
}

/* Its last act is to say so in the state file; a process that nobody has reaped yet is still there.
 */
static bool is_up(const struct home *home, pid_t pid)
{
	struct state state;
	struct err err;

	return kill(pid, 0) == 0 && (state_read(home, &state, &err) != ERR_OK || state.pid == pid);
}

int command_down(int argc, char **argv)
{
	struct status_options options = { .home_dir = NULL };
	struct state state;
	struct home home;
	struct err err;
	uint64_t until = clock_mono_ms() + DOWN_WAIT_MS;
	pid_t pid;
	int status = parse(argc, argv, &options);

	if (status != EXIT_DONE) {
		return status < 0 ? EXIT_DONE : status;
	}
	if (home_locate(options.home_dir, &home, &err) != ERR_OK ||
	    state_read(&home, &state, &err) != ERR_OK) {
		(void)fprintf(stderr, "fairlead: %s\n", err.msg);
		return EXIT_FAILED;
	}
	if (!state_is_live(&state)) {
		(void)printf("fairlead is not running in %s\n", home.dir);
		return EXIT_DONE;
	}
	pid = state.pid;
	if (kill(pid, SIGTERM) != 0) {
		(void)fprintf(stderr, "fairlead: cannot stop process %ld: %s\n", (long)pid,
		              strerror(errno));
		return EXIT_FAILED;
	}
	while (is_up(&home, pid) && clock_mono_ms() < until) {
		(void)usleep(DOWN_LOOK_MS * 1000);
	}
	if (is_up(&home, pid)) {
		(void)fprintf(stderr, "fairlead: process %ld still runs after %d s\n", (long)pid,
		              DOWN_WAIT_MS / 1000);
		return EXIT_FAILED;
	}
	(void)printf("stopped\n");
	return EXIT_DONE;
}
