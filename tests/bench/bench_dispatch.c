/*
 * How long a session takes from being put in the queue to the worker that is to run it: one
 * scheduler, workers with room, sessions that end at once; beside the least that Redis can do for
 * such a hand-over: a push with a ring, and a pop by whoever hears it.
 *
 *	bench_dispatch [SECONDS RATE]     under with-redis (AOF) and with-postgres
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "cpu.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "pg/pg.h"
#include "pg/schema.h"
#include "queue/lease.h"
#include "queue/mail.h"
#include "queue/queue.h"
#include "redis/redis.h"
#include "redis/sub.h"
#include "session/session_store.h"
#include "steer/publish.h"
#include "task/task_json.h"
#include "task/task_store.h"
#include "tenant/tenant_store.h"

#define TENANT "acme"

enum {
	SECONDS = 5,
	SECONDS_MAX = 60,
	RATE_MAX = 2000,
	WORKERS = 4,
	SLOTS = 64,
	BATCH = 64,
	SETTLE_MS = 3500, /* the scheduler has looked at what lived before */
	RENEW_MS = 300,
	WAIT_MS = 20000,
	OVER_MAX = 256,
	LOOK_MS = 10,
	SETTING_SIZE = 256,
	SETTINGS = 6,
	UNARCHIVED_MAX = 16 * 1024 * 1024,
};

static const char body[] =
	"{\"prompt\":\"go on\",\"repo\":{\"mode\":\"none\"},"
	"\"runtime\":{\"type\":\"local\"},"
	"\"agents\":[{\"type\":\"command\",\"settings\":{\"argv\":[\"true\"]}}]}";

struct sample {
	struct id sid;
	struct steer_publication publication;
	uint64_t sent_us, got_us; /* 0: not yet */
};

struct host {
	struct lease_worker lease;
	char after[MAIL_ID_SIZE];
	struct fiber_signal bell;
	struct id over[OVER_MAX]; /* what came with rings, to be finished */
	size_t over_count;
	bool unread;
};

static struct {
	struct loop *loop;
	struct redis *redis, *worker_redis;
	struct redis_sub *sub;
	struct pg *pg;
	struct log_store store;
	struct fiber_group group, workers;
	struct host hosts[WORKERS];
	struct sample *samples;
	struct arena *arena; /* of their publications */
	struct map *by_id;
	size_t count, got;
	uint64_t begun_us, rate;
	struct fiber_signal popped;
	pid_t scheduler;
	unsigned seconds;
	uint64_t only; /* this rate; 0: both */
} bench;

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench_dispatch: %s: %s\n", what, why);
	exit(1);
}

static void must(enum err_code code, const char *what, const struct err *err)
{
	if (code != ERR_OK) {
		die(what, err->msg);
	}
}

static const char *required(const char *name)
{
	const char *value = getenv(name);

	if (value == NULL) {
		die(name, "is not set: run it under with-redis and with-postgres");
	}
	return value;
}

static void start_scheduler(void)
{
	static char env[SETTINGS][SETTING_SIZE];
	char *argv[] = { (char[]){ "fairlead-scheduler" }, NULL };
	char *envp[] = { env[0], env[1], env[2], env[3], NULL };

	(void)snprintf(env[0], SETTING_SIZE, "FAIRLEAD_REDIS_URL=%s", required("TEST_REDIS_URL"));
	(void)snprintf(env[1], SETTING_SIZE, "FAIRLEAD_PG_URL=%s", required("TEST_PG_URL"));
	(void)snprintf(env[2], SETTING_SIZE, "FAIRLEAD_LOG_LEVEL=warn");
	(void)snprintf(env[3], SETTING_SIZE, "FAIRLEAD_UNSAFE_STORAGE=true");
	bench.scheduler = fork();
	if (bench.scheduler == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execve(SCHEDULER_PROGRAM, argv, envp);
		_exit(127);
	}
}

/* ---- workers ---- */

static void take(const struct mail *mail)
{
	struct sample *sample = map_get(bench.by_id, str_of(mail->sid.s));

	if (str_eq(mail->kind, STR_LIT("run")) && sample != NULL && sample->got_us == 0) {
		sample->got_us = clock_mono_us();
		bench.got++;
	}
}

static void take_for(struct host *host, const struct mail *mail)
{
	take(mail);
	if (mail->id[0] != '\0') {
		memcpy(host->after, mail->id, sizeof(host->after));
	}
	host->over[host->over_count++] = mail->sid;
}

/* What was told is over at once: its slot is free. */
static void finish_all(struct host *host)
{
	const struct queue queue = queue_at(bench.worker_redis, 0);
	struct queue_move moves[QUEUE_MOVES_MAX];
	enum queue_set sets[QUEUE_MOVES_MAX];
	struct err err;

	while (host->over_count > 0) {
		struct queue_moves all = { moves, sets, 0 };

		while (host->over_count > 0 && all.count < QUEUE_MOVES_MAX) {
			moves[all.count++] =
				(struct queue_move){ .sid = host->over[--host->over_count] };
		}
		must(queue_finish_all(&queue, &all, &err), "finish", &err);
	}
}

static void read_mail(struct host *host)
{
	struct mail_page page = { .count = 1 };
	struct err err;

	host->unread = false;
	while (page.count > 0) {
		must(mail_read(bench.worker_redis, host->lease.worker, host->after, &page, &err),
		     "mail", &err);
		for (size_t i = 0; i < page.count; i++) {
			take_for(host, &page.mails[i]);
		}
		finish_all(host);
		host->unread = host->unread && page.count == 0;
		if (page.count == 0) {
			mail_page_fini(&page);
			return;
		}
		mail_page_fini(&page);
		page.count = 1;
	}
}

/* As a worker does: a note that comes with the ring need not be read. */
static void hear(struct host *host, struct str payload)
{
	struct mail mail;

	if (host->unread || host->over_count == OVER_MAX) {
		host->unread = true;
	} else {
		switch (mail_bell_read(payload, host->after, &mail)) {
		case MAIL_RUNG_NOTE: take_for(host, &mail); break;
		case MAIL_RUNG_OLD: break;
		case MAIL_RUNG_READ: host->unread = true; break;
		}
	}
	fiber_signal_raise(&host->bell);
}

/* It would be told again of those that it has no room for. */
static void hear_aloud(struct host *host, struct str payload)
{
	struct mail mail;

	if (host->over_count < OVER_MAX && mail_aloud_read(payload, &mail)) {
		take_for(host, &mail);
	}
	fiber_signal_raise(&host->bell);
}

static void work(void *arg)
{
	struct host *host = arg;
	uint64_t renewed = 0;
	struct err err;

	while (!fiber_cancelled()) {
		if (clock_mono_ms() >= renewed + RENEW_MS) {
			renewed = clock_mono_ms();
			must(lease_renew(bench.worker_redis, host->lease.incarnation, &err),
			     "renew", &err);
		}
		finish_all(host);
		if (host->unread) {
			read_mail(host);
		}
		if (fiber_signal_wait(&host->bell, RENEW_MS) == ERR_TIMEOUT) {
			host->unread = true;
		}
	}
}

static void on_message(void *arg, struct str channel, struct str payload)
{
	char bell[QUEUE_KEY_SIZE];

	(void)arg;
	if (str_eq(channel, STR_LIT("floor"))) {
		fiber_signal_raise(&bench.popped);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		mail_bell_channel(bench.hosts[i].lease.worker, bell);
		if (str_eq(channel, str_of(bell))) {
			hear(&bench.hosts[i], payload);
		}
		mail_aloud_channel(bench.hosts[i].lease.worker, bell);
		if (str_eq(channel, str_of(bell))) {
			hear_aloud(&bench.hosts[i], payload);
		}
	}
}

static void on_resumed(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < WORKERS; i++) {
		bench.hosts[i].unread = true;
		fiber_signal_raise(&bench.hosts[i].bell);
	}
}

static void start_workers(void)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		struct host *host = &bench.hosts[i];
		struct lease_worker *lease = &host->lease;
		char bell[QUEUE_KEY_SIZE];
		struct err err;

		lease->slots = lease->resident = SLOTS;
		(void)snprintf(lease->worker, sizeof(lease->worker), "host-%u", i);
		(void)snprintf(lease->incarnation, sizeof(lease->incarnation), "inc-%u", i);
		(void)snprintf(lease->has, sizeof(lease->has), "runtime=local,agent=command");
		(void)snprintf(host->after, sizeof(host->after), "0");
		mail_bell_channel(lease->worker, bell);
		redis_subscribe(bench.sub, str_of(bell));
		mail_aloud_channel(lease->worker, bell);
		redis_subscribe(bench.sub, str_of(bell));
		must(lease_register(bench.worker_redis, lease, &err), "register", &err);
		(void)fiber_start(bench.loop, &bench.workers, "worker", work, host);
	}
}

/* ---- sessions ---- */

static void accept_some(const struct task_acceptance *acceptance, size_t count)
{
	struct task_item items[BATCH] = { 0 }, *list[BATCH];
	struct arena *arena = arena_new();
	struct id ids[BATCH];
	struct err err;

	for (size_t i = 0; i < count; i++) {
		items[i] = (struct task_item){ .acceptance = acceptance, .arena = arena };
		list[i] = &items[i];
	}
	must(task_accept_all(bench.pg, list, count, &err), "accept", &err);
	for (size_t i = 0; i < count; i++) {
		struct sample *sample = &bench.samples[bench.count++];
		struct session row;

		steer_accepted(acceptance, &items[i].accepted.task, bench.arena, &row);
		row.agent = task_agent_json(acceptance->spec->agents.items, bench.arena);
		row.id = sample->sid = ids[i] = items[i].accepted.sessions[0];
		steer_publication_of(&row, bench.arena, &sample->publication);
		(void)map_put(bench.by_id, str_of(ids[i].s), sample);
	}
	/* So that the scheduler does not put them into the queue itself. */
	must(session_mark_queued(bench.pg, TENANT, ids, count, &err), "mark", &err);
	arena_free(arena);
}

static void accept_all(size_t count)
{
	struct arena *arena = arena_new();
	struct json_problems *problems = arena_take(arena, sizeof(*problems));
	struct task_spec *spec = arena_take(arena, sizeof(*spec));
	struct task_acceptance acceptance = { .tenant = TENANT,
		                              .created_by = "bench",
		                              .owner = "",
		                              .spec = spec,
		                              .generation = bench.store.generation };

	if (task_decode(str_of(body), spec, arena, problems) != ERR_OK) {
		die("task", "does not decode");
	}
	bench.count = bench.got = 0;
	memset(bench.samples, 0, count * sizeof(*bench.samples));
	map_free(bench.by_id);
	bench.by_id = map_new();
	arena_free(bench.arena);
	bench.arena = arena_new();
	while (bench.count < count) {
		size_t left = count - bench.count;

		accept_some(&acceptance, left < BATCH ? left : BATCH);
	}
	arena_free(arena);
}

/* ---- one hand-over after the other, at a rate ---- */

/* As who accepts a task does: its log, then the queue, from where it counts. */
static void enqueue(void *arg)
{
	struct sample *sample = arg;
	uint64_t epoch;
	struct err err;

	must(steer_make_log(&bench.store, bench.pg, &sample->sid, TENANT, true, &epoch, &err),
	     "log", &err);
	sample->sent_us = clock_mono_us();
	must(steer_enqueue(bench.redis, &sample->publication, epoch, &err), "submit", &err);
}

static void push(void *arg)
{
	static const char script[] = "redis.call('RPUSH', KEYS[1], ARGV[1]) "
				     "redis.call('PUBLISH', 'floor', 'x')";
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct sample *sample = arg;
	struct err err;

	redis_arg_cstr(cmd, "EVAL");
	redis_arg_cstr(cmd, script);
	redis_arg_cstr(cmd, "1");
	redis_arg_cstr(cmd, "floor:list");
	redis_arg_u64(cmd, (uint64_t)(sample - bench.samples));
	sample->sent_us = clock_mono_us();
	must(redis_call(bench.redis, cmd, &reply, &err), "push", &err);
}

static bool pop_one(void)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	enum err_code code;
	struct err err;
	uint64_t i;

	redis_arg_cstr(cmd, "LPOP");
	redis_arg_cstr(cmd, "floor:list");
	code = redis_call(bench.worker_redis, cmd, &reply, &err);
	if (code == ERR_CANCELLED) { /* all have come */
		return false;
	}
	must(code, "pop", &err);
	if (!redis_reply_u64(reply, &i) || i >= bench.count) {
		return false;
	}
	bench.samples[i].got_us = clock_mono_us();
	bench.got++;
	return true;
}

static void pop(void *arg)
{
	(void)arg;
	while (!fiber_cancelled()) {
		while (pop_one()) {
		}
		(void)!fiber_signal_wait(&bench.popped, RENEW_MS);
	}
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print(const char *what)
{
	uint64_t *us = mem_calloc(bench.count, sizeof(*us));
	size_t n = 0;

	for (size_t i = 0; i < bench.count; i++) {
		const struct sample *sample = &bench.samples[i];

		/* One that the scheduler found by itself was there before it was asked. */
		if (sample->sent_us > 0 && sample->got_us > sample->sent_us) {
			us[n++] = sample->got_us - sample->sent_us;
		}
	}
	qsort(us, n, sizeof(*us), by_value);
	if (n > 0) {
		(void)printf("%-9s %5" PRIu64 " /s: p50 %7.3f ms, p99 %7.3f ms, max %7.3f ms "
		             "(%zu of %zu)\n",
		             what, bench.rate, (double)us[n / 2] / 1e3,
		             (double)us[n * 99 / 100] / 1e3, (double)us[n - 1] / 1e3, n,
		             bench.count);
	}
	free(us);
}

struct used {
	double scheduler, redis, pg, self;
};

static struct used used_now(void)
{
	return (struct used){ .scheduler = cpu_of(bench.scheduler),
		              .redis = cpu_of((pid_t)strtol(required("TEST_REDIS_PID"), NULL, 10)),
		              .pg = cpu_of((pid_t)strtol(required("TEST_PG_PID"), NULL, 10)),
		              .self = cpu_of_self() };
}

/* Until all have come, what is done about them later included only as far as it was done by then.
 */
static void print_used(const struct used *from)
{
	const struct used to = used_now();
	const double each = 1e6 / (double)bench.count;

	(void)printf("    CPU us each: scheduler %.0f, Redis %.0f, PostgreSQL %.0f, bench %.0f\n",
	             (to.scheduler - from->scheduler) * each, (to.redis - from->redis) * each,
	             (to.pg - from->pg) * each, (to.self - from->self) * each);
}

static void drive(const char *what, void (*fn)(void *arg))
{
	const struct used from = used_now();
	uint64_t until;

	bench.begun_us = clock_mono_us();
	for (size_t i = 0; i < bench.count;) {
		uint64_t due = (clock_mono_us() - bench.begun_us) * bench.rate / 1000000;

		for (; i < bench.count && i <= due; i++) {
			(void)fiber_start(bench.loop, &bench.group, "sent", fn, &bench.samples[i]);
		}
		(void)fiber_sleep(1);
	}
	if (fiber_group_wait(&bench.group, FIBER_NO_TIMEOUT) != ERR_OK) {
		exit(1);
	}
	for (until = clock_mono_ms() + WAIT_MS; bench.got < bench.count;) {
		if (clock_mono_ms() > until || fiber_sleep(LOOK_MS) != ERR_OK) {
			(void)printf("%-9s lost: %zu of %zu came\n", what, bench.got, bench.count);
			break;
		}
	}
	print(what);
	print_used(&from);
}

static void measure(uint64_t rate)
{
	struct fiber *popper;

	bench.rate = rate;
	accept_all(rate * bench.seconds);
	drive("fairlead", enqueue);
	bench.got = 0;
	for (size_t i = 0; i < bench.count; i++) {
		bench.samples[i].sent_us = bench.samples[i].got_us = 0;
	}
	popper = fiber_start(bench.loop, &bench.workers, "pop", pop, NULL);
	drive("floor", push);
	fiber_cancel(popper, ERR_CANCELLED);
}

/* ---- everything ---- */

static struct redis *dial(void)
{
	const struct redis_options options = { required("TEST_REDIS_URL"), 5000, 200 };
	struct err err;
	struct redis *redis = redis_new(bench.loop, &options, &err);

	if (redis == NULL) {
		die("redis", err.msg);
	}
	must(redis_wait_connected(redis, WAIT_MS, &err), "redis", &err);
	return redis;
}

static void prepare(void)
{
	static const struct redis_sub_events events = { .message = on_message,
		                                        .resumed = on_resumed };
	const struct redis_options options = { required("TEST_REDIS_URL"), 5000, 200 };
	const struct pg_options pg = { required("TEST_PG_URL"), 4, 10000, 10000 };
	unsigned applied;
	struct err err;

	fiber_signal_init(&bench.popped);
	for (unsigned i = 0; i < WORKERS; i++) {
		fiber_signal_init(&bench.hosts[i].bell);
	}
	bench.redis = dial();
	bench.worker_redis = dial();
	bench.sub = redis_sub_new(bench.loop, &options, &events, NULL, &err);
	bench.pg = pg_new(bench.loop, &pg);
	must(pg_migrate(bench.pg, &pg_schema, &applied, &err), "migrate", &err);
	must(tenant_ensure(bench.pg, TENANT, &err), "tenant", &err);
	bench.store = (struct log_store){ .redis = bench.redis, .unarchived_max = UNARCHIVED_MAX };
	redis_subscribe(bench.sub, STR_LIT("floor"));
	bench.samples = mem_calloc((size_t)RATE_MAX * bench.seconds, sizeof(*bench.samples));
	bench.by_id = map_new();
}

/* The scheduler's: it would rebuild the logs of an older one. */
static void learn_generation(void)
{
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct str mark;
	struct err err;

	redis_arg_cstr(cmd, "GET");
	redis_arg_cstr(cmd, LOG_MARK_KEY);
	must(redis_call(bench.redis, cmd, &reply, &err), "generation", &err);
	mark = redis_reply_str(reply);
	(void)str_split(&mark, ' ');
	if (!parse_u64(str_split(&mark, ' '), UINT64_MAX, &bench.store.generation) ||
	    bench.store.generation == 0) {
		die("generation", "the scheduler has not begun one");
	}
}

static void run(void *arg)
{
	(void)arg;
	prepare();
	start_workers();
	start_scheduler();
	(void)fiber_sleep(SETTLE_MS);
	learn_generation();
	measure(bench.only > 0 ? bench.only : 200);
	if (bench.only == 0) {
		measure(RATE_MAX);
	}
	(void)kill(bench.scheduler, SIGTERM);
	(void)waitpid(bench.scheduler, NULL, 0);
	fiber_group_cancel(&bench.workers, ERR_CANCELLED);
	if (fiber_group_wait(&bench.workers, WAIT_MS) != ERR_OK) {
		exit(1);
	}
	redis_sub_free(bench.sub);
	redis_free(bench.redis);
	redis_free(bench.worker_redis);
	pg_free(bench.pg);
	map_free(bench.by_id);
	arena_free(bench.arena);
	free(bench.samples);
}

int main(int argc, char **argv)
{
	unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : SECONDS;
	unsigned long only = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	bench.seconds = seconds > 0 && seconds <= SECONDS_MAX ? (unsigned)seconds : SECONDS;
	bench.only = only <= RATE_MAX ? only : RATE_MAX;
	bench.loop = loop_new();
	(void)fiber_start(bench.loop, NULL, "bench", run, NULL);
	loop_run(bench.loop);
	loop_free(bench.loop);
	return 0;
}
