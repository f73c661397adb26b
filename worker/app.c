#include "worker/app.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "loop/loop.h"
#include "loop/stack.h"
#include "node/node.h"
#include "pg/schema.h"
#include "queue/keys.h"
#include "redis/redis.h"
#include "worker/cgroup.h"
#include "worker/deliver.h"
#include "worker/holds.h"
#include "worker/lease_keeper.h"
#include "worker/mailbox.h"
#include "worker/orphans.h"
#include "worker/programs.h"
#include "worker/restore.h"
#include "worker/sandbox.h"
#include "worker/session_run.h"
#include "worker/snapshot_store.h"
#include "worker/workspace.h"

enum {
	PATH_SIZE = 512,
	NAME_SIZE = QUEUE_WORKER_MAX + 1,
	LOOK_AFTER_MS = 2000,
	KEPT_TURNS = 15,
	DISK_LOOK_MS = 2000,
	ORIGINS_LOOK_MS = 3000,
	DISK_PART = 20,
	WAIT_MS = 100,
	LEAVE_MAX_MS = 40000, /* node.h ends a stop that takes longer than a minute */
	LEAVE_SLACK_MS = 10000,
	LEASE_END_TRIES = 5,
	FETCH_TIMEOUT_MS = 600000,
	LOCK_TIMEOUT_MS = 600000,
	GIT_TIMEOUT_MS = 120000,
	FRESH_MS = 1000,
	RESIDENTS_A_SLOT = 4,
	DIR_FOR_ALL = 0755,
	DIR_FOR_PASSING = 0711,
	DIR_FOR_US = 0700,
};

struct app {
	struct node *node;
	struct session_host host;
	struct lease_keeper lease;
	struct mailbox mailbox;
	char state_dir[PATH_SIZE / 2];
	char journal_dir[PATH_SIZE], keep_dir[PATH_SIZE], home_dir[PATH_SIZE],
		snapshot_dir[PATH_SIZE], guard_path[PATH_SIZE];
	char worker[NAME_SIZE]; /* the same over restarts */
	char before[NAME_SIZE]; /* the incarnation of the process before us, "" if none */
	char has[QUEUE_NEEDS_MAX + 1];
	const char *programs[PROGRAMS_MAX];
	struct arena *arena; /* of what was found at the start */
};

/* ---- the state directory ---- */

static enum err_code io_err(struct err *err, const char *path)
{
	return err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
}

/* Where state is when nothing is set: see settings `home` and `worker.state_dir`. */
static enum err_code find_state_dir(struct app *app, const struct conf *conf, struct err *err)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	const size_t size = sizeof(app->state_dir);
	int n;

	if (conf->worker_state_dir[0] != '\0') {
		n = snprintf(app->state_dir, size, "%s", conf->worker_state_dir);
	} else if (conf->home[0] != '\0') {
		n = snprintf(app->state_dir, size, "%s/worker", conf->home);
	} else if (geteuid() == 0) {
		n = snprintf(app->state_dir, size, "/var/lib/fairlead/worker");
	} else if (xdg != NULL && xdg[0] == '/') {
		n = snprintf(app->state_dir, size, "%s/fairlead/worker", xdg);
	} else {
		n = snprintf(app->state_dir, size, "%s/.local/state/fairlead/worker",
		             home != NULL ? home : "");
	}
	if (n < 0 || (size_t)n >= size || app->state_dir[0] != '/') {
		return err_set(err, ERR_INVALID,
		               "worker.state_dir must be an absolute path below %zu bytes", size);
	}
	return ERR_OK;
}

/* With its parents. */
static enum err_code make_dir(const char *path, mode_t mode, struct err *err)
{
	char part[PATH_SIZE];

	for (const char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		(void)str_copy(part, sizeof(part), str_make(path, (size_t)(at - path)));
		if (mkdir(part, DIR_FOR_ALL) != 0 && errno != EEXIST) {
			return io_err(err, part);
		}
	}
	if ((mkdir(path, mode) != 0 && errno != EEXIST) || chmod(path, mode) != 0) {
		return io_err(err, path);
	}
	return ERR_OK;
}

/* One line of a small file; "" when there is none. */
static void read_line(const char *path, char *out, size_t size)
{
	char text[NAME_SIZE + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	struct str rest = str_make(text, n > 0 ? (size_t)n : 0);

	if (fd >= 0) {
		(void)close(fd);
	}
	(void)str_copy(out, size, str_split(&rest, '\n'));
}

/* Whole or not at all. */
static enum err_code write_line(const char *path, const char *line, struct err *err)
{
	char aside[PATH_SIZE + 8];
	int fd;

	(void)snprintf(aside, sizeof(aside), "%s.new", path);
	fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return io_err(err, aside);
	}
	if (dprintf(fd, "%s\n", line) < 0 || close(fd) != 0 || rename(aside, path) != 0) {
		return io_err(err, path);
	}
	return ERR_OK;
}

/* A mailbox belongs to one worker: its id is made once and kept. */
static enum err_code find_worker_id(struct app *app, struct err *err)
{
	char path[PATH_SIZE];
	struct id id;

	(void)snprintf(path, sizeof(path), "%s/worker-id", app->state_dir);
	read_line(path, app->worker, sizeof(app->worker));
	if (id_parse(str_of(app->worker), &id)) {
		return ERR_OK;
	}
	id = id_new();
	memcpy(app->worker, id.s, sizeof(id.s));
	return write_line(path, app->worker, err);
}

static enum err_code make_state(struct app *app, struct err *err)
{
	char path[PATH_SIZE];
	enum err_code code;

	(void)snprintf(app->journal_dir, PATH_SIZE, "%s/journal", app->state_dir);
	(void)snprintf(app->keep_dir, PATH_SIZE, "%s/kept", app->state_dir);
	(void)snprintf(app->home_dir, PATH_SIZE, "%s/homes", app->state_dir);
	if (app->snapshot_dir[0] == '\0') {
		(void)snprintf(app->snapshot_dir, PATH_SIZE, "%s/snapshots", app->state_dir);
	}
	if ((code = make_dir(app->state_dir, DIR_FOR_ALL, err)) != ERR_OK ||
	    (code = orphans_lock(app->state_dir, err)) != ERR_OK ||
	    (code = make_dir(app->journal_dir, DIR_FOR_US, err)) != ERR_OK ||
	    (code = make_dir(app->keep_dir, DIR_FOR_US, err)) != ERR_OK ||
	    (code = make_dir(app->snapshot_dir, DIR_FOR_US, err)) != ERR_OK ||
	    (code = make_dir(app->home_dir, DIR_FOR_PASSING, err)) != ERR_OK) {
		return code;
	}
	(void)snprintf(path, sizeof(path), "%s/incarnation", app->state_dir);
	read_line(path, app->before, sizeof(app->before));
	return find_worker_id(app, err);
}

/* ---- what it is ---- */

/* The guard is installed beside this program. */
static enum err_code find_guard(struct app *app, struct err *err)
{
	ssize_t n = readlink("/proc/self/exe", app->guard_path, PATH_SIZE - 1);
	char *slash;

	if (n <= 0) {
		return io_err(err, "/proc/self/exe");
	}
	app->guard_path[n] = '\0';
	slash = strrchr(app->guard_path, '/');
	(void)snprintf(slash, (size_t)(app->guard_path + PATH_SIZE - slash), "/fairlead-guard");
	return access(app->guard_path, X_OK) == 0 ? ERR_OK : io_err(err, app->guard_path);
}

static enum err_code find_user(struct app *app, const struct conf *conf, struct err *err)
{
	if (conf->worker_user[0] == '\0' && geteuid() == 0) {
		return err_set(err, ERR_INVALID,
		               "worker.user must name the unprivileged user that "
		               "agents run as when the worker is root");
	}
	return process_user_find(conf->worker_user, &app->host.user, err);
}

/* What limits all that a session runs; without cgroups its events say so. */
static enum err_code find_cgroups(struct app *app, const struct conf *conf, struct err *err)
{
	struct session_host *host = &app->host;
	struct stat st;
	enum err_code code = cgroup_open("", conf->worker_cgroup, app->worker, &host->cgroups, err);

	host->limits.max[CGROUP_MEMORY] = conf->worker_session_memory;
	host->limits.max[CGROUP_PROCESSES] = conf->worker_session_processes;
	host->limits.max[CGROUP_CPU] = conf->worker_session_cpu;
	host->limits.max[CGROUP_IO] = conf->worker_session_io;
	host->disk_max = conf->worker_session_disk;
	host->limits_most.max[CGROUP_MEMORY] = conf->worker_session_memory_max;
	host->limits_most.max[CGROUP_PROCESSES] = conf->worker_session_processes_max;
	host->limits_most.max[CGROUP_CPU] = conf->worker_session_cpu_max;
	host->limits_most.max[CGROUP_IO] = conf->worker_session_io_max;
	host->disk_most = conf->worker_session_disk_max;
	if (stat(app->state_dir, &st) == 0) {
		cgroup_find_disk("", st.st_dev, host->cgroups.device);
	}
	if (code == ERR_OK && host->cgroups.path[0] == '\0') {
		log_info("worker.cgroup", "none: %s", host->cgroups.why);
	} else if (code == ERR_OK) {
		log_info("worker.cgroup", "path=%s controllers=%x", host->cgroups.path,
		         host->cgroups.controllers);
	}
	return code;
}

/* What is asked for and cannot be had is no reason to do without. */
static enum err_code find_sandbox(struct app *app, const struct conf *conf, struct err *err)
{
	struct session_host *host = &app->host;
	struct sandbox_host *sandbox = &host->sandbox;
	struct err why;

	app->arena = arena_new();
	host->sandbox_default = (enum sandbox_profile)conf->worker_sandbox;
	host->sandbox_min = (enum sandbox_profile)conf->worker_sandbox_min;
	*sandbox = (struct sandbox_host){
		.guard_path = app->guard_path,
		.user = &host->user,
		.state_dir = app->state_dir,
		.home = conf->home,
		.hide = conf->worker_sandbox_hide,
		.show = conf->worker_sandbox_show,
		.limits = { .processes = conf->worker_sandbox_processes,
		            .memory = conf->worker_sandbox_memory,
		            .file_size = conf->worker_sandbox_file_max },
	};
	host->egress_rules = (struct egress_rules){ conf->worker_egress, conf->worker_egress_tasks,
		                                    conf->worker_egress_private };
	if (sandbox_find(sandbox, &host->user, app->arena, &sandbox->bwrap, &why) == ERR_OK) {
		return ERR_OK;
	}
	sandbox->bwrap = NULL;
	host->sandbox_why = arena_strdup(app->arena, str_of(why.msg));
	log_info("worker.sandbox", "none: %s", why.msg);
	if (host->sandbox_default != SANDBOX_NONE || host->sandbox_min != SANDBOX_NONE) {
		return err_set(err, ERR_UNSUPPORTED, "worker.%s cannot be had on this host: %s",
		               host->sandbox_min != SANDBOX_NONE ? "sandbox_min" : "sandbox",
		               why.msg);
	}
	return ERR_OK;
}

/* What it says is understood by schedulers of the version before, and a session may need what only
 * workers of this one do: "protocol=2" is a word like others. */
static void protocol_words(char *out, size_t size)
{
	unsigned protocol = pg_schema.protocol;
	int n = protocol > 1 ? snprintf(out, size, "protocol=%u,", protocol - 1) : 0;

	(void)snprintf(out + n, size - (size_t)n, "protocol=%u", protocol);
}

static enum err_code describe(struct app *app, const struct conf *conf, struct err *err)
{
	enum { PROTOCOLS_SIZE = 48 };
	const char *labels = conf->worker_labels, *path = getenv("PATH");
	const struct session_host *host = &app->host;
	char agents[sizeof(app->has)], protocols[PROTOCOLS_SIZE];
	int n;

	protocol_words(protocols, sizeof(protocols));
	programs_set(conf, app->programs);
	programs_words(app->programs, path != NULL ? path : "", agents, sizeof(agents));
	n = snprintf(app->has, sizeof(app->has), "runtime=local,%s%s,sandbox=%s,%s%s%s",
	             host->sandbox_min == SANDBOX_NONE ? "runtime=disabled," : "", agents,
	             host->sandbox.bwrap != NULL ? "bwrap" : "none", protocols,
	             labels[0] != '\0' ? "," : "", labels);
	if (n < 0 || (size_t)n >= sizeof(app->has)) {
		return err_set(err, ERR_INVALID, "worker.labels is too long");
	}
	if (!queue_words_ok(app->has)) {
		return err_set(err, ERR_INVALID,
		               "worker.labels must be words of A-Z a-z 0-9 . _ : / = + - joined by "
		               "commas");
	}
	return ERR_OK;
}

/* ---- the lease ---- */

static void on_begun(void *arg, const char *incarnation)
{
	struct app *app = arg;
	char path[PATH_SIZE];
	struct err err;

	/* For whoever starts after us, should we not end in order. */
	(void)snprintf(path, sizeof(path), "%s/incarnation", app->state_dir);
	if (write_line(path, incarnation, &err) != ERR_OK) {
		log_warn("worker.state", "%s", err.msg);
	}
}

static void on_renewed(void *arg, uint64_t until_ms)
{
	struct app *app = arg;

	session_renew_all(&app->host, until_ms);
}

static void on_incarnation_lost(void *arg)
{
	struct app *app = arg;

	session_lose_all(&app->host);
}

static enum err_code is_same(void *arg, struct err *err)
{
	const struct app *app = arg;

	return log_is_current(&app->node->store, err);
}

static enum err_code attest(void *arg, struct err *err)
{
	struct app *app = arg;

	return session_attest_all(&app->host, app->lease.options.worker.incarnation, err);
}

static void on_doubted(void *arg)
{
	struct app *app = arg;

	session_doubt_all(&app->host);
}

static void open_lease(struct app *app, const struct conf *conf)
{
	struct lease_keeper_options options = {
		.redis = app->node->redis,
		.renew_ms = conf->lease_renew,
		.orphan_ms = conf->worker_orphan,
		.worker = { .slots = conf->worker_slots,
		            .resident = conf->worker_resident > 0
		                                ? conf->worker_resident
		                                : conf->worker_slots * RESIDENTS_A_SLOT },
		.begun = on_begun,
		.renewed = on_renewed,
		.lost = on_incarnation_lost,
		.generation = &app->node->store.generation,
		.server = &app->node->store.server,
		.is_same = is_same,
		.attest = attest,
		.doubted = on_doubted,
		.arg = app,
	};
	struct lease_worker *worker = &options.worker;
	char host[NAME_SIZE] = "worker";

	(void)gethostname(host, sizeof(host) - 1);
	(void)str_copy(worker->worker, sizeof(worker->worker), str_of(app->worker));
	(void)str_copy(worker->name, sizeof(worker->name),
	               str_of(conf->worker_name[0] != '\0' ? conf->worker_name : host));
	(void)str_copy(worker->has, sizeof(worker->has), str_of(app->has));
	(void)str_copy(worker->version, sizeof(worker->version), str_of(node_version()));
	cred_box_text(&app->host.box, worker->key);
	holds_read(app->state_dir, worker->holds);
	lease_keeper_init(&app->lease, &options);
}

/* ---- drain ---- */

static void hand_over_all(void *arg)
{
	struct app *app = arg;

	if (session_drain_wait(&app->host, app->node->conf.drain_timeout) == ERR_TIMEOUT) {
		session_leave_now(&app->host);
	}
}

static void begin_drain(struct app *app)
{
	if (!app->host.leaving) {
		log_info("worker.draining", "sessions=%u", app->host.used);
		lease_keeper_drain(&app->lease, true);
		session_drain_begin(&app->host);
		(void)fiber_start(app->node->loop, &app->node->duties, "drain", hand_over_all, app);
	}
}

static void end_drain(struct app *app)
{
	if (app->host.leaving && !app->node->stopping) {
		log_info("worker.undrained", "sessions=%u", app->host.used);
		lease_keeper_drain(&app->lease, false);
		session_drain_end(&app->host);
	}
}

/* ---- notes ---- */

static void on_note(void *arg, const struct mail *mail)
{
	struct app *app = arg;
	const char *ours = app->lease.options.worker.incarnation;

	if (!app->lease.registered || !str_eq(mail->incarnation, str_of(ours))) {
		if (str_eq(mail->kind, STR_LIT("fence"))) {
			session_fence(&app->host, &mail->sid, mail->epoch);
		}
		return; /* for a life before this one */
	}
	if (str_eq(mail->kind, STR_LIT("run"))) {
		session_order(&app->host, mail);
	} else if (str_eq(mail->kind, STR_LIT("command"))) {
		session_command(&app->host, mail);
	} else if (str_eq(mail->kind, STR_LIT("fence"))) {
		session_fence(&app->host, &mail->sid, mail->epoch);
	} else if (str_eq(mail->kind, STR_LIT("evict"))) {
		session_evict(&app->host, &mail->sid);
	} else if (str_eq(mail->kind, STR_LIT("unpark"))) {
		session_unpark(&app->host, &mail->sid);
	} else if (str_eq(mail->kind, STR_LIT("drain"))) {
		begin_drain(app);
	} else if (str_eq(mail->kind, STR_LIT("rule"))) {
		session_rule_note(&app->host, mail);
	} else if (str_eq(mail->kind, STR_LIT("deliver"))) {
		deliver_note(&app->host, mail);
	} else if (str_eq(mail->kind, STR_LIT("undrain"))) {
		end_drain(app);
	} else {
		log_warn("mailbox.unknown", "kind=%.*s", (int)mail->kind.n, mail->kind.p);
	}
}

/* ---- duties ---- */

static void look_after(void *arg)
{
	struct app *app = arg;

	for (unsigned turn = 0; !fiber_cancelled(); turn++) {
		session_look_after_all(&app->host);
		session_tails_sweep(&app->host);
		session_limits_look(&app->host);
		if (turn % KEPT_TURNS == 0) {
			session_keep_sweep(&app->host);
			snapshot_store_sweep(app->snapshot_dir,
			                     app->node->conf.worker_snapshot_keep);
		}
		stack_pool_rest(loop_stacks(app->node->loop));
		(void)fiber_sleep(LOOK_AFTER_MS);
	}
}

static void look_at_origins(void *arg)
{
	struct app *app = arg;

	while (fiber_sleep(ORIGINS_LOOK_MS) == ERR_OK) {
		session_origins_sweep(&app->host, app->node->conf.worker_snapshot_keep);
	}
}

static void look_at_disks(void *arg)
{
	struct app *app = arg;
	uint64_t begun_ms, took_ms = 0;

	/* A small part of the time, however many files there are. */
	while (fiber_sleep(DISK_LOOK_MS + took_ms * DISK_PART) == ERR_OK) {
		begun_ms = clock_mono_ms();
		session_limits_look_at_disks(&app->host);
		took_ms = clock_mono_ms() - begun_ms;
	}
}

/* The process before us was killed: what it held is placed again without waiting for its lease. */
static void end_life_before(struct app *app)
{
	struct err err = { .code = ERR_UNAVAILABLE };

	for (int i = 0; i < LEASE_END_TRIES && app->before[0] != '\0' && !fiber_cancelled(); i++) {
		if (lease_end(app->node->redis, app->before, &err) == ERR_OK) {
			log_info("worker.before", "incarnation=%s", app->before);
			return;
		}
		(void)fiber_sleep(WAIT_MS);
	}
}

/* In this order: nothing may be given to us before what was left is out of the way. */
static void serve(void *arg)
{
	struct app *app = arg;
	struct node *node = app->node;

	while (node->store.generation == 0 && fiber_sleep(WAIT_MS) == ERR_OK) {
	}
	end_life_before(app);
	restore_leftovers(&node->store, app->journal_dir);
	if (!fiber_cancelled()) {
		(void)fiber_start(node->loop, &node->duties, "lease", lease_keeper_run,
		                  &app->lease);
		(void)fiber_start(node->loop, &node->duties, "mailbox", mailbox_run, &app->mailbox);
		(void)fiber_start(node->loop, &node->duties, "heads", look_after, app);
		(void)fiber_start(node->loop, &node->duties, "disks", look_at_disks, app);
		(void)fiber_start(node->loop, &node->duties, "origins", look_at_origins, app);
		(void)fiber_start(node->loop, &node->duties, "prices", prices_run,
		                  &app->host.prices);
		(void)fiber_start(node->loop, &node->duties, "budgets", session_budgets_run,
		                  &app->host);
	}
}

static bool keep_none(const struct id *session, void *arg)
{
	(void)session;
	(void)arg;
	return false;
}

static enum err_code clean_leftovers(struct app *app, struct err *err)
{
	const char *const argv[] = { "rm", "-rf", "--one-file-system", "--", app->home_dir, NULL };
	const char *const env[] = { "PATH=/usr/bin:/bin", NULL };
	struct process_run run = process_run_init(argv, env);
	struct process_result result;
	char workspaces[PATH_SIZE];
	enum err_code code;

	(void)snprintf(workspaces, sizeof(workspaces), "%s/workspaces", app->state_dir);
	code = orphans_end(workspaces, app->host.grace_ms, err);
	if (code != ERR_OK) {
		return code;
	}
	cgroup_sweep(&app->host.cgroups);
	code = workspaces_sweep(app->host.workspaces, keep_none, NULL, err);
	if (code != ERR_OK) {
		return code;
	}
	run.timeout_ms = GIT_TIMEOUT_MS;
	code = process_run(&run, &result, err);
	process_result_fini(&result);
	return code == ERR_OK ? make_dir(app->home_dir, DIR_FOR_PASSING, err) : code;
}

/* ---- starting and stopping ---- */

static enum err_code open_workspaces(struct app *app, struct err *err)
{
	const struct workspace_options options = {
		.state_dir = app->state_dir,
		.user = app->host.user,
		.allow_local = app->node->conf.worker_local_repos[0] != '\0',
		.fetch_timeout_ms = FETCH_TIMEOUT_MS,
		.lock_timeout_ms = LOCK_TIMEOUT_MS,
		.git_timeout_ms = GIT_TIMEOUT_MS,
		.fresh_ms = FRESH_MS,
	};

	return workspaces_new(&options, &app->host.workspaces, err);
}

static enum err_code open_mailbox(struct app *app, const struct conf *conf, struct err *err)
{
	const struct mailbox_options options = {
		.loop = app->node->loop,
		.redis = app->node->redis,
		.redis_url = conf->redis_url,
		.timeout_ms = (unsigned)conf->redis_timeout,
		.worker = app->worker,
		.note = on_note,
		.arg = app,
	};

	return mailbox_init(&app->mailbox, &options, err);
}

static void fill_host(struct app *app, const struct conf *conf)
{
	struct session_host *host = &app->host;

	host->loop = app->node->loop;
	host->redis = host->prices.redis = app->node->redis;
	host->store = &app->node->store;
	host->lease = &app->lease;
	host->worker = app->worker;
	host->guard_path = app->guard_path;
	host->journal_dir = app->journal_dir;
	host->keep_dir = app->keep_dir;
	host->home_dir = app->home_dir;
	(void)str_copy(app->snapshot_dir, PATH_SIZE, str_of(conf->worker_snapshot_dir));
	host->snapshot_dir = app->snapshot_dir;
	host->snapshot_max = conf->worker_snapshot_max;
	host->snapshot_place = (enum snapshot_place)conf->worker_snapshot;
	host->local_repos = conf->worker_local_repos;
	host->programs = app->programs;
	host->as_root = geteuid() == 0;
	host->orphan_ms = conf->worker_orphan;
	host->ask_expiry_ms = conf->approvals_expiry;
	host->idle_ms = conf->worker_idle_timeout;
	host->progress_ms = conf->worker_progress_timeout;
	host->life_ms = conf->worker_session_life;
	host->retry_base_ms = conf->retry_base;
	host->retry_max_ms = conf->retry_max;
	host->grace_ms = host->leave_ms = conf->worker_stop_grace;
	host->ready_ms = conf->worker_agent_ready;
	if (host->leave_ms > conf->drain_timeout) {
		host->leave_ms = conf->drain_timeout;
	}
	if (host->leave_ms > LEAVE_MAX_MS) {
		host->leave_ms = LEAVE_MAX_MS;
	}
	host->processes_max = conf->worker_processes;
	host->breaker =
		(struct queue_breaker_rule){ .failures = (unsigned)conf->breaker_failures,
		                             .window_ms = conf->breaker_window,
		                             .open_ms = conf->breaker_open,
		                             .successes = (unsigned)conf->breaker_successes };
	host->slots = conf->worker_slots;
	host->box = cred_box_new();
	session_host_init(host);
}

enum err_code app_start(struct node *node, struct err *err)
{
	const struct conf *conf = &node->conf;
	struct app *app = mem_calloc(1, sizeof(*app));
	enum err_code code;

	app->node = node;
	node->app = app;
	fill_host(app, conf);
	if ((code = find_user(app, conf, err)) != ERR_OK ||
	    (code = find_guard(app, err)) != ERR_OK ||
	    (code = find_state_dir(app, conf, err)) != ERR_OK ||
	    (code = make_state(app, err)) != ERR_OK ||
	    (code = find_sandbox(app, conf, err)) != ERR_OK ||
	    (code = find_cgroups(app, conf, err)) != ERR_OK ||
	    (code = describe(app, conf, err)) != ERR_OK ||
	    (code = open_workspaces(app, err)) != ERR_OK ||
	    (code = clean_leftovers(app, err)) != ERR_OK ||
	    (code = open_mailbox(app, conf, err)) != ERR_OK) {
		return code;
	}
	open_lease(app, conf);
	(void)fiber_start(node->loop, &node->duties, "serve", serve, app);
	return ERR_OK;
}

/* What ends or comes between turns in time goes without harm; the rest of the time is the grace of
 * those that do not. */
void app_drain(struct node *node, unsigned for_ms)
{
	struct app *app = node->app;
	uint64_t grace_ms = app != NULL ? app->host.leave_ms : 0;

	if (app != NULL && app->lease.options.redis != NULL) {
		lease_keeper_drain(&app->lease, true);
		session_drain_begin(&app->host);
		(void)!session_drain_wait(&app->host, for_ms > grace_ms ? for_ms - grace_ms : 0);
	}
}

/* The rest: agents get their grace, their sessions go to others at once. */
void app_stop(struct node *node)
{
	struct app *app = node->app;
	struct err err = { .code = ERR_OK };

	if (app == NULL || app->lease.options.redis == NULL) {
		return;
	}
	if (session_leave_all(&app->host, app->host.leave_ms + LEAVE_SLACK_MS) != ERR_OK) {
		log_warn("worker.stuck", "sessions=%u", app->host.used);
	}
	if (lease_keeper_end(&app->lease, &err) != ERR_OK) {
		log_warn("worker.lease", "code=%s %s", err_name(err.code), err.msg);
	}
}

void app_close(struct node *node)
{
	struct app *app = node->app;

	if (app != NULL) {
		mailbox_fini(&app->mailbox);
		workspaces_free(app->host.workspaces);
		session_host_fini(&app->host);
		prices_fini(&app->host.prices);
		arena_free(app->arena);
		free(app);
		node->app = NULL;
	}
}

static void give_tails(void *arg)
{
	struct app *app = arg;

	session_tails_give(&app->host);
}

void app_redis_back(struct node *node)
{
	struct app *app = node->app;

	if (app != NULL) {
		session_redis_back_all(&app->host);
		(void)fiber_start(node->loop, &node->duties, "tails", give_tails, app);
		lease_keeper_redis_back(&app->lease);
	}
}

bool app_ready(const struct node *node, struct jsonw *w)
{
	const struct app *app = node->app;
	bool held = app != NULL && lease_keeper_holds(&app->lease);

	jsonw_bool(w, "registered", held);
	if (app != NULL) {
		jsonw_u64(w, "slots", app->host.slots);
		jsonw_u64(w, "used", app->host.used);
	}
	return held;
}
