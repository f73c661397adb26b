#include "tests/integration/worker_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "queue/mail.h"
#include "redis/redis.h"
#include "tests/support/test.h"

enum {
	TIMEOUT_MS = 20000,
	LOOK_MS = 20,
	TEXT_MAX = 64 * 1024 * 1024,
	SWEEP_MS = 200,
	ORDER_MAX = 8192,
};

static const char tenant[] = "acme";

/* ---- the world ---- */

static void show_log(const struct worker_world *w)
{
	char line[1024];
	FILE *file = fopen(w->log_path, "re");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		(void)fprintf(stderr, "  worker: %s", line);
	}
	if (file != NULL) {
		(void)fclose(file);
	}
}

static void must(struct worker_world *w, bool ok, const char *what, const char *detail)
{
	if (!ok) {
		show_log(w);
		if (w->worker > 0) {
			(void)kill(w->worker, SIGKILL);
		}
		redis_server_fini(&w->server);
		fail_msg("%s: %s", what, detail);
	}
}

/* Leases expire only in time that somebody sweeps. */
static void sweep(void *arg)
{
	struct worker_world *w = arg;
	struct lease_lost lost[LEASE_SWEEP_MAX];
	size_t count;
	struct err err;

	while (!fiber_cancelled()) {
		(void)!lease_sweep(w->redis, lost, LEASE_SWEEP_MAX, &count, &err);
		(void)fiber_sleep(SWEEP_MS);
	}
}

void announce_generation(struct worker_world *w, uint64_t generation)
{
	char history[REDIS_HISTORY_SIZE];
	CLEANUP(redis_cmd_cleanup) struct redis_cmd *cmd = redis_cmd_new();
	CLEANUP(redis_reply_cleanup) struct redis_reply *reply = NULL;
	struct err err = { .code = ERR_OK };

	must(w, redis_wait_connected(w->redis, TIMEOUT_MS, &err) == ERR_OK, "redis", err.msg);
	redis_arg_cstr(cmd, "SET");
	must(w, redis_history(w->redis, history, &err) == ERR_OK, "history", err.msg);
	redis_arg_cstr(cmd, "{w}:generation");
	redis_argf(cmd, "%s %" PRIu64 " 1 1", history, generation);
	must(w, redis_call(w->redis, cmd, &reply, &err) == ERR_OK, "generation", err.msg);
	w->store.generation = generation;
}

static void world_main(void *arg)
{
	struct worker_world *w = arg;
	const struct redis_options options = { w->server.url, 2000, 200 };
	struct err err;

	w->redis = redis_new(w->loop, &options, &err);
	assert_non_null(w->redis);
	w->store = (struct log_store){ .redis = w->redis, .unarchived_max = 64 * 1024 * 1024 };
	announce_generation(w, 1);
	(void)fiber_start(w->loop, &w->duties, "sweep", sweep, w);
	w->body(w);
	if (w->worker > 0) { /* in order: it must leave nothing, not even a leak */
		worker_signal(w, SIGTERM);
		must(w, worker_reap(w) == 0, "the worker's exit", "not 0");
		must(w, count_processes(w->state) == 0, "left running", w->state);
	}
	fiber_group_cancel(&w->duties, ERR_CANCELLED);
	(void)!fiber_group_wait(&w->duties, FIBER_NO_TIMEOUT);
	redis_free(w->redis);
	loop_stop(w->loop);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

void worker_world_run(void (*body)(struct worker_world *world), bool keeps)
{
	struct worker_world w = { .body = body };
	char script[512];

	/* Leases of 1.5 s of the clock are kept here: where that is allowed, before whatever else
	 * the machine does. */
	(void)setpriority(PRIO_PROCESS, 0, -10);
	(void)snprintf(w.dir, sizeof(w.dir), "/tmp/fairlead-worker-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	assert_int_equal(chmod(w.dir, 0755), 0);
	(void)snprintf(w.state, sizeof(w.state), "%s/state", w.dir);
	(void)snprintf(w.repo, sizeof(w.repo), "%s/repo", w.dir);
	(void)snprintf(w.log_path, sizeof(w.log_path), "%s/log", w.dir);
	(void)snprintf(script, sizeof(script),
	               "git init -q -b main %s && cd %s && echo one > README && git add . && "
	               "git -c user.name=t -c user.email=t@t commit -qm first",
	               w.repo, w.repo);
	assert_int_equal(system(script), 0);
	redis_server_init(&w.server);
	w.server.keeps = keeps;
	redis_server_start(&w.server, NULL);
	w.loop = loop_new();
	(void)fiber_start(w.loop, NULL, "test", world_main, &w);
	loop_run(w.loop);
	loop_free(w.loop);
	redis_server_fini(&w.server);
	(void)nftw(w.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the worker ---- */

static void become_worker(const struct worker_world *w, const char *setting)
{
	char url[200], state[128];
	const char *env[] = {
		setting != NULL ? setting : "B=1", /* the first of a name counts */
		url, state, "PATH=/usr/bin:/bin",
		"FAIRLEAD_METRICS_LISTEN=", "FAIRLEAD_WORKER_STOP_GRACE=1s",
		"FAIRLEAD_LEASE_RENEW=200ms", "FAIRLEAD_DRAIN_TIMEOUT=1s",
		"FAIRLEAD_WORKER_LOCAL_REPOS=/",
		/* Freed memory is kept for a while: little, so that what is used can be judged. */
		("ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0:"
		 "quarantine_size_mb=4"),
		geteuid() == 0 ? "FAIRLEAD_WORKER_USER=nobody" : "A=1", NULL
	};
	const char *const argv[] = { WORKER_PATH, NULL };
	int log = open(w->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	(void)snprintf(url, sizeof(url), "FAIRLEAD_REDIS_URL=%s", w->server.url);
	(void)snprintf(state, sizeof(state), "FAIRLEAD_WORKER_STATE_DIR=%s", w->state);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)dup2(log, STDOUT_FILENO);
	(void)dup2(log, STDERR_FILENO);
	(void)execve(WORKER_PATH, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
	_exit(127);
}

void worker_await(struct worker_world *w)
{
	uint64_t until = clock_mono_ms() + TIMEOUT_MS;
	struct lease_worker workers[8];
	size_t count = 0;
	struct err err = { .code = ERR_OK };

	for (;;) {
		if (lease_list(w->redis, workers, ARRAY_LEN(workers), &count, &err) == ERR_OK &&
		    count > 0 &&
		    strcmp(workers[count - 1].incarnation, w->registered.incarnation) != 0) {
			w->registered = workers[count - 1];
			return;
		}
		must(w, clock_mono_ms() < until, "no worker registers", err.msg);
		(void)fiber_sleep(LOOK_MS);
	}
}

void worker_start(struct worker_world *w, const char *setting)
{
	w->worker = fork();
	assert_true(w->worker >= 0);
	if (w->worker == 0) {
		become_worker(w, setting);
	}
	worker_await(w);
}

void worker_signal(const struct worker_world *w, int signo)
{
	assert_int_equal(kill(w->worker, signo), 0);
}

int worker_reap(struct worker_world *w)
{
	uint64_t until = clock_mono_ms() + TIMEOUT_MS;
	int status = 0;

	while (waitpid(w->worker, &status, WNOHANG) == 0) {
		must(w, clock_mono_ms() < until, "the worker", "does not end");
		(void)fiber_sleep(LOOK_MS);
	}
	w->worker = 0;
	return status;
}

void worker_kill(struct worker_world *w)
{
	worker_signal(w, SIGKILL);
	(void)worker_reap(w);
}

/* ---- sessions ---- */

static struct queue queue_of(struct worker_world *w)
{
	return queue_of_tenant(w->redis, str_of(tenant));
}

void given_submit(struct worker_world *w, struct given *g)
{
	struct log_open opening = { .sid = id_new(),
		                    .tenant = tenant,
		                    .how = LOG_CREATE,
		                    .cause = "create",
		                    .token = "create",
		                    .to = SESSION_QUEUED };
	struct queue_submit item = { .tenant = tenant, .needs = "runtime=local,agent=command" };
	const struct queue queue = queue_of(w);
	struct log_result result = { .outcome = LOG_OK };
	enum queue_set set;
	struct err err = { .code = ERR_OK };

	*g = (struct given){ .sid = opening.sid };
	buf_init(&g->text, TEXT_MAX);
	must(w, log_open(&w->store, &opening, &result, &err) == ERR_OK && result.outcome == LOG_OK,
	     "create", err.msg);
	item.sid = g->sid;
	item.epoch = result.epoch;
	must(w, queue_submit(&queue, &item, &set, &err) == ERR_OK, "submit", err.msg);
}

static void claim(struct worker_world *w, struct given *g, struct queue_item *ret)
{
	const struct queue queue = queue_of(w);
	const struct queue_claim want = { w->registered.incarnation, w->registered.has, 64, 0, 1 };
	uint64_t until = clock_mono_ms() + TIMEOUT_MS;
	struct queue_promoted promoted;
	size_t count = 0;
	struct err err = { .code = ERR_OK };

	for (;;) {
		must(w, queue_promote(&queue, 60000, &promoted, &err) == ERR_OK, "promote",
		     err.msg);
		must(w, queue_claim(&queue, &want, ret, &count, &err) == ERR_OK, "claim", err.msg);
		if (count == 1) {
			break;
		}
		must(w, clock_mono_ms() < until, "claim", "nothing is ready");
		(void)fiber_sleep(LOOK_MS);
	}
	must(w, id_eq(&ret->sid, &g->sid), "claim", "another session");
}

void given_lease(struct worker_world *w, struct given *g, const struct order *order)
{
	const struct queue queue = queue_of(w);
	struct log_open opening = { .sid = g->sid,
		                    .tenant = tenant,
		                    .how = LOG_RAISE,
		                    .cause = "lease",
		                    .from = session_bit(SESSION_QUEUED),
		                    .moves = true,
		                    .to = SESSION_PROVISIONING };
	struct log_result result = { .outcome = LOG_OK };
	struct queue_item item;
	struct queue_move move;
	enum queue_set set;
	char token[64];
	struct err err = { .code = ERR_OK };

	claim(w, g, &item);
	(void)snprintf(token, sizeof(token), "lease-%" PRIu64, item.attempt);
	opening.token = token;
	must(w, log_open(&w->store, &opening, &result, &err) == ERR_OK, "raise", err.msg);
	must(w, result.outcome == LOG_OK, "raise", log_outcome_name(result.outcome));
	g->attempt = item.attempt;
	g->epoch = result.epoch;
	move = (struct queue_move){ .sid = g->sid, .attempt = g->attempt, .epoch = g->epoch };
	must(w, queue_opened(&queue, &move, &set, &err) == ERR_OK, "opened", err.msg);
	if (order != NULL) {
		given_mail(w, g, order);
	}
}

void given_mail(struct worker_world *w, const struct given *g, const struct order *order)
{
	char body[ORDER_MAX], repo[256] = "{\"mode\":\"none\"}", delivery[64] = "",
			      attempts[64] = "";
	struct mail mail = { .kind = STR_LIT("run"),
		             .incarnation = str_of(w->registered.incarnation),
		             .sid = g->sid,
		             .epoch = g->epoch,
		             .attempt = g->attempt };
	struct err err = { .code = ERR_OK };
	int n;

	if (order->repo != NULL) {
		(void)snprintf(repo, sizeof(repo), "{\"mode\":\"git\",\"url\":\"%s\"}",
		               order->repo);
	}
	if (order->of > 0) {
		(void)snprintf(attempts, sizeof(attempts), ",\"attempt\":%u,\"maxAttempts\":%u",
		               order->attempt, order->of);
	}
	if (order->delivery != NULL) {
		(void)snprintf(delivery, sizeof(delivery), ",\"delivery\":{\"mode\":\"%s\"}",
		               order->delivery);
	}
	n = snprintf(body, sizeof(body),
	             "{\"session\":\"%s\",\"tenant\":\"%s\",\"task\":\"%s\","
	             "\"prompt\":[{\"type\":\"text\",\"text\":\"do it\"}],\"repo\":%s,"
	             "\"runtime\":{\"type\":\"local\"%s},\"agent\":{\"type\":\"%s\","
	             "\"version\":\"1\",\"settings\":{\"argv\":[%s]%s}}%s%s}",
	             g->sid.s, tenant, g->sid.s, repo, order->runtime != NULL ? order->runtime : "",
	             order->type != NULL ? order->type : "command", order->argv,
	             order->settings != NULL ? order->settings : "", delivery, attempts);
	mail.body = str_make(body, (size_t)n);
	must(w, mail_send(w->redis, w->registered.worker, &mail, &err) == ERR_OK, "mail", err.msg);
}

void given_run(struct worker_world *w, struct given *g, const struct order *order)
{
	given_submit(w, g);
	given_lease(w, g, order);
}

void given_fini(struct given *g)
{
	buf_fini(&g->text);
}

static void read_more(struct worker_world *w, struct given *g)
{
	struct log_page page = { 0 };
	const struct log_range range = { .sid = g->sid,
		                         .tenant = tenant,
		                         .after = g->read,
		                         .max_count = LOG_READ_MAX,
		                         .max_bytes = 1024 * 1024 };
	char cursor[CURSOR_SIZE];
	struct err err;

	if (log_read(&w->store, &range, &page, &err) != ERR_OK) {
		return; /* away: it is asked again */
	}
	for (size_t i = 0; i < page.count; i++) {
		const struct log_event *event = &page.events[i];

		must(w, event->at.n == g->last_n + 1, "log", "a hole or a repetition");
		g->last_n = event->at.n;
		cursor_format(&event->at, cursor);
		buf_addf(&g->text, "%s %.*s ", cursor, (int)event->type.n, event->type.p);
		buf_add_str(&g->text, event->data);
		buf_add_char(&g->text, '\n');
	}
	g->read = page.next;
	g->state = page.head.state;
	log_page_fini(&page);
}

void given_await_for(struct worker_world *w, struct given *g, const char *needle,
                     uint64_t timeout_ms)
{
	uint64_t until = clock_mono_ms() + timeout_ms;

	while (read_more(w, g), strstr(buf_cstr(&g->text), needle) == NULL) {
		if (clock_mono_ms() > until) {
			(void)fprintf(stderr, "  log:\n%s", buf_cstr(&g->text));
			must(w, false, "never in the log", needle);
		}
		(void)fiber_sleep(LOOK_MS);
	}
}

void given_await(struct worker_world *w, struct given *g, const char *needle)
{
	given_await_for(w, g, needle, TIMEOUT_MS);
}

void given_await_state(struct worker_world *w, struct given *g, enum session_state state)
{
	uint64_t until = clock_mono_ms() + TIMEOUT_MS;

	while (read_more(w, g), g->state != state) {
		if (clock_mono_ms() > until) {
			(void)fprintf(stderr, "  log:\n%s", buf_cstr(&g->text));
			must(w, false, "never in state", session_state_name(state));
		}
		(void)fiber_sleep(LOOK_MS);
	}
}

void given_await_change(struct worker_world *w, struct given *g, enum session_state from)
{
	uint64_t until = clock_mono_ms() + TIMEOUT_MS;

	while (read_more(w, g), g->state == from) {
		must(w, clock_mono_ms() < until, "always in state", session_state_name(from));
		(void)fiber_sleep(LOOK_MS);
	}
}

enum queue_set given_set(struct worker_world *w, const struct given *g)
{
	const struct queue queue = queue_of(w);
	struct queue_item item;
	struct err err;

	return queue_get(&queue, &g->sid, &item, &err) == ERR_OK ? item.set : QUEUE_NONE;
}

unsigned given_lost(struct worker_world *w, const struct given *g)
{
	const struct queue queue = queue_of(w);
	struct queue_item item = { .lost = 0 };
	struct err err = { .code = ERR_OK };

	must(w, queue_get(&queue, &g->sid, &item, &err) == ERR_OK, "get", err.msg);
	return item.lost;
}

void given_done(struct worker_world *w, const struct given *g)
{
	const struct queue queue = queue_of(w);
	const struct queue_move move = { .sid = g->sid };
	enum queue_set set;
	struct err err = { .code = ERR_OK };

	must(w, queue_finish(&queue, &move, &set, &err) == ERR_OK, "finish", err.msg);
}

void given_await_set(struct worker_world *w, const struct given *g, enum queue_set set)
{
	uint64_t until = clock_mono_ms() + TIMEOUT_MS;

	while (given_set(w, g) != set) {
		must(w, clock_mono_ms() < until, "never in the queue's set", queue_set_name(set));
		(void)fiber_sleep(LOOK_MS);
	}
}

void given_move(struct worker_world *w, const struct given *g, enum session_state to)
{
	char data[64];
	const int n = snprintf(data, sizeof(data), "{\"status\":\"%s\"}", session_state_name(to));
	const struct log_new event = { EVENT_TYPE_STATUS, str_make(data, (size_t)n) };
	const struct log_batch batch = { .sid = g->sid,
		                         .tenant = tenant,
		                         .from = SESSION_ANY,
		                         .moves = true,
		                         .to = to,
		                         .events = &event,
		                         .count = 1 };
	struct log_result result = { .outcome = LOG_OK };
	struct err err = { .code = ERR_OK };

	must(w, log_append(&w->store, &batch, &result, &err) == ERR_OK, "move", err.msg);
	must(w, result.outcome == LOG_OK, "move", log_outcome_name(result.outcome));
}

void given_command(struct worker_world *w, const struct given *g, const char *kind,
                   const char *payload)
{
	const struct id id = id_new();

	given_command_of(w, g, &id, kind, payload);
}

void given_command_of(struct worker_world *w, const struct given *g, const struct id *id,
                      const char *kind, const char *payload)
{
	char body[ORDER_MAX];
	const int n = snprintf(body, sizeof(body),
	                       "{\"id\":\"%s\",\"seq\":1,\"kind\":\"%s\",\"payload\":%s}", id->s,
	                       kind, payload != NULL ? payload : "{}");
	const struct mail mail = { .kind = STR_LIT("command"),
		                   .incarnation = str_of(w->registered.incarnation),
		                   .sid = g->sid,
		                   .epoch = g->epoch,
		                   .body = str_make(body, (size_t)n) };
	struct err err = { .code = ERR_OK };

	/* Twice, as when an answer was lost: it must be done once. */
	for (int i = 0; i < 2; i++) {
		must(w, mail_send(w->redis, w->registered.worker, &mail, &err) == ERR_OK, "command",
		     err.msg);
	}
}

void given_cancel(struct worker_world *w, const struct given *g)
{
	const struct log_open opening = { .sid = g->sid,
		                          .tenant = tenant,
		                          .how = LOG_RAISE,
		                          .cause = "cancel",
		                          .token = "cancel",
		                          .moves = true,
		                          .to = SESSION_CANCELLED };
	struct log_result result = { .outcome = LOG_OK };
	struct err err = { .code = ERR_OK };

	must(w, log_open(&w->store, &opening, &result, &err) == ERR_OK, "cancel", err.msg);
	must(w, result.outcome == LOG_OK, "cancel", log_outcome_name(result.outcome));
}

/* ---- processes ---- */

static bool has_word(pid_t pid, const char *word)
{
	char path[64], line[4096];
	int fd;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	n = read(fd, line, sizeof(line));
	(void)close(fd);
	return n > 0 && memmem(line, (size_t)n, word, strlen(word)) != NULL;
}

unsigned count_processes(const char *word)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned count = 0;
	uint64_t pid;

	assert_non_null(proc);
	while ((entry = readdir(proc)) != NULL) {
		if (parse_u64(str_of(entry->d_name), INT32_MAX, &pid) && (pid_t)pid != getpid() &&
		    has_word((pid_t)pid, word)) {
			count++;
		}
	}
	(void)closedir(proc);
	return count;
}

void await_no_process(const char *word)
{
	uint64_t until = clock_mono_ms() + TIMEOUT_MS;

	while (count_processes(word) > 0) {
		assert_true(clock_mono_ms() < until);
		(void)fiber_sleep(LOOK_MS);
	}
}

static char state_of(pid_t pid)
{
	char path[64], line[512];
	const char *end;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL || fgets(line, sizeof(line), file) == NULL) {
		line[0] = '\0';
	}
	if (file != NULL) {
		(void)fclose(file);
	}
	end = strrchr(line, ')');
	if (end == NULL) {
		return '\0';
	}
	return end[2];
}

static bool children_are_stopped(pid_t guard)
{
	char path[64], line[512] = "";
	struct str rest;
	FILE *file;
	bool any = false;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)guard, (int)guard);
	file = fopen(path, "re");
	if (file == NULL) {
		return false; /* it has ended meanwhile */
	}
	(void)!fgets(line, sizeof(line), file);
	(void)fclose(file);
	rest = str_of(line);
	while (rest.n > 0) {
		struct str word = str_split(&rest, ' ');
		uint64_t pid;

		if (parse_u64(word, INT32_MAX, &pid)) {
			any = true;
			if (state_of((pid_t)pid) != 'T') {
				return false;
			}
		}
	}
	return any;
}

bool agents_are_frozen(const char *word)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	bool frozen = false;
	uint64_t pid;

	assert_non_null(proc);
	while ((entry = readdir(proc)) != NULL) {
		if (parse_u64(str_of(entry->d_name), INT32_MAX, &pid) &&
		    has_word((pid_t)pid, "fairlead-guard") && has_word((pid_t)pid, word)) {
			frozen = children_are_stopped((pid_t)pid);
		}
	}
	(void)closedir(proc);
	return frozen;
}

uint64_t rss_kib(pid_t pid)
{
	char path[64], line[256];
	uint64_t kib = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "VmHWM:", 6) == 0) {
			struct str rest = str_trim(str_make(line + 6, strlen(line + 6)));

			(void)!parse_u64(str_split(&rest, ' '), UINT32_MAX, &kib);
		}
	}
	if (file != NULL) {
		(void)fclose(file);
	}
	return kib;
}

void given_in_order(const struct given *g, const char *const *needles, size_t count)
{
	const char *at = buf_cstr(&g->text);

	for (size_t i = 0; i < count; i++) {
		at = strstr(at, needles[i]);
		if (at == NULL) {
			fail_msg("not there, or not in order: %s\n%s", needles[i],
			         buf_cstr(&g->text));
		}
	}
}
