/*
 * What the queue's scripts cost on one Redis: whole lifecycles (claim, opened, finish) with turns,
 * limits and leases on, with and without many leases that live; and of sessions that come while
 *nobody waits (submit, opened, finish), which no claim is needed for; under with-redis.
 *
 *	bench_scheduling [sessions [live]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "queue/offer.h"
#include "queue/queue.h"
#include "queue/queue_limit.h"
#include "redis/redis.h"
#include "redis/sub.h"

enum {
	FIBERS = 32,
	TENANTS = 100,
	USERS = 5,
	BATCH = 16,
	LIVE = 50000,
	WORKERS = 32,
	OFFER_MS = 60000,
	TIMEOUT_MS = 30000
};

struct bench {
	struct loop *loop;
	struct redis *redis;
	struct queue queue;
	uint64_t sessions, live;
	uint64_t next;
	uint64_t done;
	unsigned worker; /* the next fiber's */
	bool hold;       /* do not finish what is leased */
	struct fiber_group group;
};

static void die(const char *what, const struct err *err)
{
	(void)fprintf(stderr, "bench_scheduling: %s: %s\n", what, err->msg);
	exit(1);
}

static void submit(struct bench *bench, uint64_t i, struct id *ret_sid, enum queue_set *ret_set)
{
	char tenant[32], user[32];
	const struct queue_submit item = { .sid = *ret_sid = id_new(),
		                           .tenant = tenant,
		                           .user = user,
		                           .project = "p",
		                           .agent = "command",
		                           .priority = (unsigned)(i % 10),
		                           .needs = "runtime=local,agent=command" };
	struct err err;

	(void)snprintf(tenant, sizeof(tenant), "t%" PRIu64, i % TENANTS);
	(void)snprintf(user, sizeof(user), "u%" PRIu64, i / TENANTS % USERS);
	if (queue_submit(&bench->queue, &item, ret_set, &err) != ERR_OK) {
		die("submit", &err);
	}
}

static void submit_all(void *arg)
{
	struct bench *bench = arg;
	enum queue_set set;
	struct id sid;

	while (bench->next < bench->sessions) {
		submit(bench, bench->next++, &sid, &set);
	}
}

static void live_all(struct bench *bench, const struct queue_item *items, size_t count)
{
	struct queue_move moves[BATCH];
	enum queue_set sets[BATCH];
	const struct queue_moves all = { moves, sets, count };
	struct err err;

	for (size_t i = 0; i < count; i++) {
		moves[i] = (struct queue_move){ .sid = items[i].sid,
			                        .attempt = items[i].attempt,
			                        .epoch = 2 };
	}
	if (queue_opened_all(&bench->queue, &all, &err) != ERR_OK) {
		die("opened", &err);
	}
	if (!bench->hold && queue_finish_all(&bench->queue, &all, &err) != ERR_OK) {
		die("finish", &err);
	}
	bench->done += count;
}

static void work(void *arg)
{
	struct bench *bench = arg;
	char incarnation[32];
	struct queue_claim claim = { incarnation, "runtime=local,agent=command,os=linux", LIVE,
		                     LIVE, BATCH };
	struct queue_item items[BATCH];
	size_t count = 0;
	struct err err;

	(void)snprintf(incarnation, sizeof(incarnation), "%s-%u", bench->hold ? "live" : "inc",
	               bench->worker++);
	do {
		if (queue_claim(&bench->queue, &claim, items, &count, &err) != ERR_OK) {
			die("claim", &err);
		}
		if (count > 0) {
			live_all(bench, items, count);
		}
	} while (count > 0);
}

/* ---- what comes while nobody waits ---- */

/* So many workers; 0: none any more. */
static void offer(struct bench *bench, size_t count)
{
	char names[WORKERS][32];
	struct queue_offer items[WORKERS];
	const struct queue_offers offers = { "bench", OFFER_MS, items, count };
	bool stands;
	struct err err;

	for (unsigned i = 0; i < WORKERS; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "inc-%u", i);
		items[i] = (struct queue_offer){ .incarnation = names[i],
			                         .has = "runtime=local,agent=command,os=linux",
			                         .capacity = LIVE,
			                         .resident = LIVE };
	}
	if (queue_offer(&bench->queue, &offers, &stands, &err) != ERR_OK) {
		die("offer", &err);
	}
}

static void on_heard(void *arg, struct str channel, struct str payload)
{
	(void)arg;
	(void)channel;
	(void)payload;
}

static void on_listening(void *arg)
{
	fiber_signal_raise(arg);
}

static struct redis_sub *listen_all(struct bench *bench, const struct redis_options *options)
{
	static const struct redis_sub_events events = { .message = on_heard,
		                                        .resumed = on_listening };
	static struct fiber_signal listening;
	char channel[QUEUE_KEY_SIZE];
	struct redis_sub *sub;
	struct err err;

	fiber_signal_init(&listening);
	sub = redis_sub_new(bench->loop, options, &events, &listening, &err);
	queue_taken_channel(&bench->queue, "bench", channel);
	redis_subscribe(sub, str_of(channel));
	if (fiber_signal_wait(&listening, TIMEOUT_MS) != ERR_OK) {
		exit(1);
	}
	return sub;
}

static void come(void *arg)
{
	struct bench *bench = arg;

	while (bench->next < bench->sessions) {
		struct queue_item item = { .attempt = 0 };
		enum queue_set set;

		submit(bench, bench->next++, &item.sid, &set);
		if (set == QUEUE_LEASING) {
			live_all(bench, &item, 1);
		}
	}
}

static uint64_t crew(struct bench *bench, void (*body)(void *arg))
{
	uint64_t began = clock_mono_us();

	bench->worker = 0;
	for (unsigned i = 0; i < FIBERS; i++) {
		(void)fiber_start(bench->loop, &bench->group, "crew", body, bench);
	}
	if (fiber_group_wait(&bench->group, FIBER_NO_TIMEOUT) != ERR_OK) {
		exit(1);
	}
	return clock_mono_us() - began;
}

static struct redis_reply *ask(struct bench *bench, const char *line)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	struct redis_reply *reply = NULL;
	struct str rest = str_of(line);
	struct err err;

	while (rest.p != NULL) {
		redis_arg(cmd, str_split(&rest, ' '));
	}
	if (redis_call(bench->redis, cmd, &reply, &err) != ERR_OK) {
		die(line, &err);
	}
	return reply;
}

static void say(struct bench *bench, const char *line)
{
	redis_reply_free(ask(bench, line));
}

/* What the scripts call, and how long it takes, for each session. */
static void print_calls(const struct bench *bench, struct str stats)
{
	(void)printf("    each calls:");
	while (stats.n > 0) {
		struct str line = str_split(&stats, '\n');
		struct str name = str_split(&line, ':');
		const char *calls = strstr(line.p, "calls="), *usec = strstr(line.p, "usec=");

		if (str_starts(name, STR_LIT("cmdstat_")) && calls != NULL && usec != NULL) {
			(void)printf(" %.*s %.2f (%.2f us)", (int)name.n - 8, name.p + 8,
			             strtod(calls + 6, NULL) / (double)bench->sessions,
			             strtod(usec + 5, NULL) / (double)bench->sessions);
		}
	}
	(void)printf("\n");
}

/* The scripts' own time, and the longest of them, since the last call. */
static void print_scripts(struct bench *bench)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *stats = ask(bench, "INFO commandstats");
	CLEANUP(redis_reply_cleanup) struct redis_reply *slow = ask(bench, "SLOWLOG GET 128");
	const char *at = strstr(redis_reply_str(stats).p, "cmdstat_evalsha:");
	int64_t longest = 0;

	for (size_t i = 0; i < redis_reply_len(slow); i++) {
		const struct redis_reply *entry = redis_reply_at(slow, i);
		int64_t us = redis_reply_int(redis_reply_at(entry, 2));
		struct str verb = redis_reply_str(redis_reply_at(redis_reply_at(entry, 3), 0));

		if (us > longest && str_eq(verb, STR_LIT("EVALSHA"))) {
			longest = us;
		}
	}
	(void)printf("    scripts: %.*s\n    longest: %" PRId64 " us (0: all below 200)\n",
	             at != NULL ? (int)strcspn(at, "\r\n") : 0, at != NULL ? at : "", longest);
	print_calls(bench, redis_reply_str(stats));
	say(bench, "CONFIG RESETSTAT");
	say(bench, "SLOWLOG RESET");
}

/* Of Redis's main thread so far: what it cost, whoever else was busy meanwhile. */
static double cpu_us(struct bench *bench)
{
	CLEANUP(redis_reply_cleanup) struct redis_reply *info = ask(bench, "INFO cpu");
	const char *user = strstr(redis_reply_str(info).p, "used_cpu_user_main_thread:");
	const char *sys = strstr(redis_reply_str(info).p, "used_cpu_sys_main_thread:");

	return 1e6 * ((user != NULL ? strtod(strchr(user, ':') + 1, NULL) : 0) +
	              (sys != NULL ? strtod(strchr(sys, ':') + 1, NULL) : 0));
}

static void lifecycles(struct bench *bench, const char *what)
{
	double cpu = cpu_us(bench);
	uint64_t us;

	bench->next = bench->done = 0;
	us = crew(bench, submit_all);
	(void)printf("%s\n  submit     %9.0f /s\n", what,
	             (double)bench->sessions * 1e6 / (double)us);
	print_scripts(bench);
	cpu = cpu_us(bench);
	us = crew(bench, work);
	(void)printf("  lifecycles %9.0f /s (claims of %d), %.1f us of Redis each\n",
	             (double)bench->done * 1e6 / (double)us, BATCH,
	             (cpu_us(bench) - cpu) / (double)bench->done);
	print_scripts(bench);
}

static void as_they_come(struct bench *bench)
{
	double cpu = cpu_us(bench);
	uint64_t us;

	offer(bench, WORKERS);
	bench->next = bench->done = 0;
	us = crew(bench, come);
	offer(bench, 0);
	(void)printf("nobody waits\n  lifecycles %9.0f /s (%" PRIu64
	             " without a claim), %.1f us of Redis "
	             "each, submit included\n",
	             (double)bench->done * 1e6 / (double)us, bench->done,
	             (cpu_us(bench) - cpu) / (double)bench->done);
	print_scripts(bench);
}

/* So that the server has the scripts. */
static void warm(struct bench *bench)
{
	const uint64_t sessions = bench->sessions;

	bench->sessions = 1;
	bench->next = 0;
	(void)crew(bench, submit_all);
	(void)crew(bench, work);
	bench->sessions = sessions;
	say(bench, "CONFIG RESETSTAT");
	say(bench, "SLOWLOG RESET");
}

static void body(void *arg)
{
	struct bench *bench = arg;
	struct redis_options options = { getenv("TEST_REDIS_URL"), TIMEOUT_MS, 500 };
	struct queue_limit limits[] = { { QUEUE_LIMIT_TENANT, NULL, NULL, 100000, false },
		                        { QUEUE_LIMIT_USER, NULL, NULL, 100000, false } };
	struct redis_sub *sub;
	struct err err;

	bench->redis = redis_new(bench->loop, &options, &err);
	if (bench->redis == NULL ||
	    redis_wait_connected(bench->redis, TIMEOUT_MS, &err) != ERR_OK) {
		die("redis", &err);
	}
	bench->queue = queue_at(bench->redis, 0);
	if (queue_limit_set(&bench->queue, limits, 2, &err) != ERR_OK) {
		die("limits", &err);
	}
	say(bench, "CONFIG SET slowlog-log-slower-than 200");
	warm(bench);
	lifecycles(bench, "no other leases");
	sub = listen_all(bench, &options);
	as_they_come(bench);
	redis_sub_free(sub);
	if (bench->live == 0) {
		redis_free(bench->redis);
		return;
	}
	bench->hold = true;
	bench->sessions = bench->live;
	bench->next = 0;
	(void)crew(bench, submit_all);
	(void)crew(bench, work);
	bench->hold = false;
	say(bench, "CONFIG RESETSTAT");
	say(bench, "SLOWLOG RESET");
	lifecycles(bench, "with many live leases");
	redis_free(bench->redis);
}

int main(int argc, char **argv)
{
	struct bench bench = { .loop = loop_new(),
		               .sessions = argc > 1 ? strtoull(argv[1], NULL, 10) : LIVE,
		               .live = argc > 2 ? strtoull(argv[2], NULL, 10) : LIVE };

	(void)fiber_start(bench.loop, NULL, "bench", body, &bench);
	loop_run(bench.loop);
	loop_free(bench.loop);
	return 0;
}
