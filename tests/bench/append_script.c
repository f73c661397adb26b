/* The append script without anything around it, by ours and by redis-benchmark. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "redis/redis.h"
#include "tests/bench/append.h"

enum { LINE_MAX_BYTES = 256 * 1024, WORDS_MAX = 600, OUTPUT_MAX = 64 * 1024, TRIAL = 2000 };

/* ---- ours ---- */

struct crew {
	struct append_bench *bench;
	unsigned batch;
	bool producers;
	uint64_t until_us;
	uint64_t appends;
	unsigned started;
};

static const char event_data[] = "{" APPEND_EVENT "}";

static void fill(struct log_new events[EVENT_BATCH_MAX])
{
	for (size_t i = 0; i < EVENT_BATCH_MAX; i++) {
		events[i] = (struct log_new){ EVENT_TYPE_LOG, str_of(event_data) };
	}
}

static void append_once(struct crew *crew, const struct log_batch *batch)
{
	struct log_result result;
	struct err err;

	if (log_append(&crew->bench->store, batch, &result, &err) != ERR_OK) {
		append_die("log_append", err.msg);
	}
	if (result.outcome != LOG_OK) {
		append_die("log_append", log_outcome_name(result.outcome));
	}
	crew->appends++;
}

static void work(void *arg)
{
	struct crew *crew = arg;
	unsigned own = crew->producers ? crew->started++ : 0;
	struct log_new events[EVENT_BATCH_MAX];
	struct log_batch batch = { .sid = crew->bench->sessions[own],
		                   .tenant = APPEND_TENANT,
		                   .producer = crew->producers ? "w:bench" : NULL,
		                   .events = events,
		                   .count = crew->batch };

	fill(events);
	do {
		batch.seq++;
		append_once(crew, &batch);
	} while (clock_mono_us() < crew->until_us);
}

void append_by_script(struct append_bench *bench, unsigned batch, bool producers)
{
	struct crew crew = { .bench = bench, .batch = batch, .producers = producers };
	struct append_round round = { .batch = batch };
	struct fiber_group group = { .count = 0 };
	uint64_t start_us;

	append_prepare(bench, producers ? APPEND_IN_FLIGHT : 1);
	round.what = producers ? "script, 64 sessions and producers" : "script, 64 in flight";
	round.client_us = append_cpu_us(getpid());
	round.redis_us = append_cpu_us(bench->redis_pid);
	start_us = clock_mono_us();
	crew.until_us = start_us + (uint64_t)bench->seconds * 1000000;
	for (unsigned i = 0; i < APPEND_IN_FLIGHT; i++) {
		(void)fiber_start(fiber_loop(), &group, "append", work, &crew);
	}
	(void)!fiber_group_wait(&group, FIBER_NO_TIMEOUT);
	round.took_us = clock_mono_us() - start_us;
	round.client_us = append_cpu_us(getpid()) - round.client_us;
	round.redis_us = append_cpu_us(bench->redis_pid) - round.redis_us;
	round.appends = crew.appends;
	round.events = crew.appends * batch;
	append_print(bench, &round);
}

/* ---- the words of one append, as Redis saw them ---- */

static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!str_copy(address.sun_path, sizeof(address.sun_path), str_of(path)) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		append_die(path, strerror(errno));
	}
	return fd;
}

/* The line of MONITOR that shows a script's call; the script's own calls come as other lines. */
static char *await_line(FILE *monitor)
{
	static char line[LINE_MAX_BYTES];

	while (fgets(line, sizeof(line), monitor) != NULL) {
		char *at = strstr(line, "\"EVALSHA\"");

		if (at != NULL) {
			return at;
		}
	}
	append_die("MONITOR", "no EVALSHA was seen");
}

/* MONITOR quotes words like C does; ours have nothing in them but quotes to undo. */
static size_t unquote(char *line, char *words[WORDS_MAX])
{
	size_t count = 0;
	char *to = line;

	for (const char *at = line; *at != '\0' && count + 1 < WORDS_MAX; at++) {
		if (*at != '"') {
			continue;
		}
		words[count++] = to;
		for (at++; *at != '"' && *at != '\0'; at++) {
			at += *at == '\\' ? 1 : 0;
			*to++ = *at;
		}
		*to++ = '\0';
	}
	words[count] = NULL;
	return count;
}

static size_t learn_words(struct append_bench *bench, unsigned batch, char *words[WORDS_MAX])
{
	struct crew crew = { .bench = bench, .batch = batch };
	struct log_new events[EVENT_BATCH_MAX];
	struct log_batch one = {
		.sid = bench->sessions[0], .tenant = APPEND_TENANT, .events = events, .count = batch
	};
	static const char ask[] = "MONITOR\r\n";
	int fd = dial(bench->socket);
	FILE *monitor = fdopen(fd, "r");
	char ok[16];
	size_t count;

	fill(events);
	if (monitor == NULL || write(fd, ask, sizeof(ask) - 1) < 0 ||
	    fgets(ok, sizeof(ok), monitor) == NULL) {
		append_die("MONITOR", strerror(errno));
	}
	append_once(&crew, &one);
	count = unquote(await_line(monitor), words);
	(void)fclose(monitor);
	return count;
}

/* ---- redis-benchmark ---- */

static pid_t start_benchmark(const struct append_bench *bench, uint64_t appends,
                             char *const words[], size_t count, int *ret_fd)
{
	char number[24], pipeline[8];
	const char *options[] = { "redis-benchmark", "-s", bench->socket, "-c", "1", "-P",
		                  pipeline,          "-n", number,        "-q", NULL };
	size_t option_count = sizeof(options) / sizeof(options[0]) - 1;
	char **argv = mem_calloc(option_count + count + 1, sizeof(*argv));
	int pipes[2];
	pid_t pid;

	(void)snprintf(number, sizeof(number), "%" PRIu64, appends);
	(void)snprintf(pipeline, sizeof(pipeline), "%d", APPEND_IN_FLIGHT);
	for (size_t i = 0; i < option_count; i++) {
		argv[i] = mem_strdup(options[i]);
	}
	memcpy(argv + option_count, words, count * sizeof(*argv));
	if (pipe(pipes) != 0 || (pid = fork()) < 0) {
		append_die("redis-benchmark", strerror(errno));
	}
	if (pid == 0) {
		(void)dup2(pipes[1], STDOUT_FILENO);
		(void)close(pipes[0]);
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	(void)close(pipes[1]);
	for (size_t i = 0; i < option_count; i++) {
		free(argv[i]);
	}
	free(argv);
	*ret_fd = pipes[0];
	return pid;
}

/* "...: 12345.67 requests per second, ...", after lines that end in a carriage return. */
static double read_rate(int fd)
{
	static char out[OUTPUT_MAX];
	FILE *in = fdopen(fd, "r");
	double rate = 0;

	while (in != NULL && fgets(out, sizeof(out), in) != NULL) {
		char *end = strstr(out, " requests per second"), *at = end;

		while (at != NULL && at > out && at[-1] != ' ') {
			at--;
		}
		rate = at != NULL ? strtod(at, NULL) : rate;
	}
	if (in != NULL) {
		(void)fclose(in);
	}
	return rate;
}

/* Appends a second, as it says itself. */
static double run_benchmark(const struct append_bench *bench, uint64_t appends, char *const words[],
                            size_t count, struct rusage *usage)
{
	int fd, status;
	pid_t pid = start_benchmark(bench, appends, words, count, &fd);
	double rate = read_rate(fd);

	if (wait4(pid, &status, 0, usage) != pid || status != 0 || rate <= 0) {
		append_die("redis-benchmark", "failed; it is in the package redis-tools");
	}
	return rate;
}

static uint64_t usage_us(const struct rusage *usage)
{
	return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

void append_by_benchmark(struct append_bench *bench, unsigned batch)
{
	struct append_round round = { .what = "redis-benchmark, 64 in flight", .batch = batch };
	char *words[WORDS_MAX];
	struct rusage usage;
	uint64_t before, appends;
	size_t count;
	double rate;

	append_prepare(bench, 1);
	count = learn_words(bench, batch, words);
	rate = run_benchmark(bench, TRIAL, words, count, &usage);
	appends = (uint64_t)(rate * bench->seconds);
	before = append_tail(bench, &bench->sessions[0]);
	round.redis_us = append_cpu_us(bench->redis_pid);
	rate = run_benchmark(bench, appends, words, count, &usage);
	round.redis_us = append_cpu_us(bench->redis_pid) - round.redis_us;
	round.client_us = usage_us(&usage);
	/* What is in the log counts, not what was said. */
	round.events = append_tail(bench, &bench->sessions[0]) - before;
	round.appends = round.events / batch;
	if (round.appends < appends) {
		append_die("redis-benchmark", "not every append succeeded");
	}
	round.took_us = (uint64_t)((double)round.appends * 1e6 / rate);
	bench->yardstick.rate = rate * batch;
	bench->yardstick.redis_us = (double)round.redis_us / (double)round.events;
	append_print(bench, &round);
}
