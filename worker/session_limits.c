#include "worker/session_limits.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "json/write.h"
#include "log/log.h"
#include "metric/metric.h"

enum {
	TELL_AGAIN_MS = 10000, /* of one limit: a fork bomb is refused a million times a second */
	TELL_CPU_MS = 60000,   /* waiting its turn is no failure */
	TELL_CPU_US = 1000000,
	REMOVE_MS = 10000,
	DISK_TIMEOUT_MS = 60000,
	MILLI = 1000,
	MIB = 1024 * 1024,
	WORDS_MAX = 512,
	REASON_SIZE = 128,
	SIGNAL_CODE = 128, /* of a sandbox or a shell whose command was killed */
};

static const char *const names[SESSION_LIMITS_MAX] = { "memory", "processes", "cpu", "io", "disk" };
enum { DISK = CGROUP_LIMIT_COUNT };

/* ---- what limits it ---- */

static uint64_t choose(struct session_limits *limits, unsigned i, uint64_t asked, uint64_t own,
                       uint64_t most)
{
	const uint64_t bound = most > 0 ? most : own;

	limits->asked[i] = asked > 0;
	limits->lowered[i] = asked > 0 && bound > 0 && asked > bound;
	if (asked == 0) {
		return own;
	}
	return limits->lowered[i] ? bound : asked;
}

static void choose_all(struct session_run *s)
{
	const struct task_resources *want = &s->order.spec.runtime.resources;
	const struct session_host *host = s->host;
	struct session_limits *limits = s->limits;
	const uint64_t asked[CGROUP_LIMIT_COUNT] = {
		[CGROUP_MEMORY] = want->memory_mib * MIB,
		[CGROUP_PROCESSES] = want->processes,
		[CGROUP_CPU] = want->cpu,
		[CGROUP_IO] = want->io_mibps * MIB,
	};

	for (unsigned i = 0; i < CGROUP_LIMIT_COUNT; i++) {
		limits->max.max[i] =
			choose(limits, i, asked[i], host->limits.max[i], host->limits_most.max[i]);
	}
	limits->disk_max =
		choose(limits, DISK, want->disk_mib * MIB, host->disk_max, host->disk_most);
}

static void add_word(struct buf *out, const char *before, const char *word)
{
	buf_add_cstr(out, out->len == 0 ? before : ", ");
	buf_add_cstr(out, word);
}

static void say(struct session_run *s, struct buf *words)
{
	struct buf text;
	struct jsonw w;

	if (words->len > 0) {
		event_text_init(&text);
		jsonw_init(&w, &text);
		jsonw_object(&w, NULL);
		jsonw_str(&w, "message", buf_str(words));
		jsonw_end_object(&w);
		(void)session_say(s, EVENT_TYPE_NOTE, &text);
		buf_fini(&text);
	}
	buf_fini(words);
}

void session_limits_say_missing(struct session_run *s)
{
	const struct session_limits *limits = s->limits;
	struct buf unheld, lowered;

	buf_init(&unheld, WORDS_MAX);
	buf_init(&lowered, WORDS_MAX);
	for (unsigned i = 0; i < SESSION_LIMITS_MAX; i++) {
		if (limits->asked[i] && i != DISK && (limits->held & 1U << i) == 0) {
			add_word(&unheld, "its worker cannot hold limits that its task asks for: ",
			         names[i]);
		}
		if (limits->lowered[i]) {
			add_word(&lowered,
			         "its task asks for more than its worker allows: ", names[i]);
		}
	}
	say(s, &unheld);
	say(s, &lowered);
}

/* ---- its cgroup ---- */

enum err_code session_limits_begin(struct session_run *s, struct err *err)
{
	const struct session_host *host = s->host;
	enum err_code code;
	char path[CGROUP_PATH_MAX];

	s->limits = mem_calloc(1, sizeof(*s->limits));
	choose_all(s);
	if (host->cgroups.path[0] == '\0') {
		return ERR_OK;
	}
	code = cgroup_make(&host->cgroups, &s->sid, &s->limits->max, path, &s->limits->held, err);
	if (code == ERR_OK) {
		s->limits->cgroup = arena_strdup(s->arena, str_of(path));
		s->limits->told = cgroup_read(path);
	}
	return code;
}

const char *session_limits_cgroup(const struct session_run *s)
{
	return s->limits != NULL ? s->limits->cgroup : NULL;
}

size_t session_limits_list(const struct session_run *s,
                           struct event_text_limit ret[SESSION_LIMITS_MAX])
{
	const struct session_limits *limits = s->limits;
	const unsigned held = limits->held;
	size_t count = 0;

	for (unsigned i = 0; i < CGROUP_LIMIT_COUNT; i++) {
		if (limits->max.max[i] > 0) {
			ret[count++] =
				(struct event_text_limit){ names[i], limits->max.max[i],
				                           (held & 1U << i) != 0 ? "cgroup"
				                                                 : "nothing" };
		}
	}
	if (limits->disk_max > 0) {
		ret[count++] = (struct event_text_limit){ names[DISK], limits->disk_max, "looks" };
	}
	return count;
}

void session_limits_free(struct session_run *s)
{
	free(s->limits);
	s->limits = NULL;
}

/* ---- telling ---- */

static void tell(struct session_run *s, const struct event_text_limit_reached *reached)
{
	struct buf text;

	event_text_init(&text);
	event_text_limit_reached(&text, reached);
	(void)session_say(s, EVENT_TYPE_LIMIT, &text);
	buf_fini(&text);
	metric_inc(METRIC_LIMITS_REACHED, reached->limit.resource);
}

/* Whether it is time to tell of what is new. */
static bool is_due(struct session_limits *limits, enum cgroup_limit limit, bool last)
{
	uint64_t now = clock_mono_ms();
	uint64_t gap = limit == CGROUP_CPU ? TELL_CPU_MS : TELL_AGAIN_MS;

	if (!last && limits->told_ms[limit] != 0 && now < limits->told_ms[limit] + gap) {
		return false;
	}
	limits->told_ms[limit] = now;
	return true;
}

static void tell_new(struct session_run *s, enum cgroup_limit limit, uint64_t count, bool last)
{
	static const char *const messages[CGROUP_LIMIT_COUNT] = {
		[CGROUP_MEMORY] = "processes were killed: the session has no more memory",
		[CGROUP_PROCESSES] = "processes were refused: the session has no more",
		[CGROUP_CPU] = "the session waited for processor time",
	};
	const struct event_text_limit_reached reached = {
		.limit = { names[limit], s->limits->max.max[limit], "cgroup" },
		.message = messages[limit],
		.count = count,
		.unit = limit == CGROUP_CPU ? "waited_ms" : "count",
	};

	if (count > 0 && is_due(s->limits, limit, last)) {
		uint64_t *told[CGROUP_LIMIT_COUNT] = { &s->limits->told.killed,
			                               &s->limits->told.refused,
			                               &s->limits->told.throttled_us };

		*told[limit] += limit == CGROUP_CPU ? count * MILLI : count;
		tell(s, &reached);
	}
}

static uint64_t grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static void tell_refused(struct session_run *s, bool last)
{
	const struct cgroup_counts now = cgroup_read(s->limits->cgroup), *told = &s->limits->told;
	uint64_t throttled_us = grown(now.throttled_us, told->throttled_us);

	s->limits->killed = s->limits->killed || now.killed > told->killed;
	tell_new(s, CGROUP_MEMORY, grown(now.killed, told->killed), last);
	tell_new(s, CGROUP_PROCESSES, grown(now.refused, told->refused), last);
	if (throttled_us >= TELL_CPU_US) {
		tell_new(s, CGROUP_CPU, throttled_us / MILLI, last);
	}
}

static void check_disk(struct session_run *s)
{
	const struct event_text_limit_reached reached = {
		.limit = { names[DISK], s->limits->disk_max, "looks" },
		.message = "its files take more than they may",
		.count = s->limits->disk_bytes,
		.unit = "bytes",
	};
	char reason[REASON_SIZE];

	if (s->limits->disk_bytes <= s->limits->disk_max || s->fate != FATE_OPEN) {
		return;
	}
	tell(s, &reached);
	(void)snprintf(reason, sizeof(reason),
	               "its files take %" PRIu64 " bytes: no more than %" PRIu64 " may be",
	               s->limits->disk_bytes, s->limits->disk_max);
	session_agent_stop(s, FATE_FAILED, reason);
}

void session_limits_tell(struct session_run *s, bool last)
{
	if (s->limits != NULL && s->limits->held != 0) {
		tell_refused(s, last);
	}
	if (s->limits != NULL && s->limits->disk_max > 0) {
		check_disk(s);
	}
}

void session_limits_end(struct session_run *s)
{
	const char *path = session_limits_cgroup(s);

	if (path == NULL) {
		return;
	}
	fiber_shield();
	if (cgroup_remove(path, REMOVE_MS) != ERR_OK) {
		log_warn("session.cgroup", "%s: not removed", path);
	}
	fiber_unshield();
	s->limits->cgroup = NULL;
	s->limits->held = 0;
}

bool session_limits_killed(const struct session_run *s)
{
	int code = s->exit.code;

	return s->limits != NULL && s->limits->killed && s->exited && !s->guard_died &&
	       code == (s->exit.by_signal ? SIGKILL : SIGNAL_CODE + SIGKILL);
}

/* ---- looking ---- */

/* Bytes that the last look of du(1) found: a line for each of its folders. */
static uint64_t sum_of(struct str lines)
{
	uint64_t sum = 0, bytes;

	while (lines.n > 0) {
		struct str line = str_split(&lines, '\n');

		if (parse_u64(str_split(&line, '\t'), INT64_MAX, &bytes)) {
			sum += bytes;
		}
	}
	return sum;
}

/* In a process of its own, since it may take long. What goes away meanwhile is no error. */
static void look_at_disk(struct session_host *host, const struct id *sid)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", NULL };
	struct session_run *s = session_find(host, sid);
	const char *argv[] = { "nice", "du", "-sx", "--block-size=1", "--", NULL, NULL, NULL };
	struct arena *arena;
	struct process_run run;
	struct process_result result;
	struct err err;

	if (s == NULL || s->limits == NULL || s->limits->disk_max == 0 || s->runner == NULL ||
	    s->exited) {
		return;
	}
	arena = arena_new(); /* it may end while its files are looked at */
	argv[5] = arena_strdup(arena, str_of(session_home_path(s)));
	argv[6] = arena_strdup(arena, str_of(s->workspace.path));
	run = process_run_init(argv, env);
	run.timeout_ms = DISK_TIMEOUT_MS;
	if (process_run(&run, &result, &err) == ERR_TIMEOUT) {
		log_warn("session.disk", "session=%s its files are too many to look at", sid->s);
	}
	s = session_find(host, sid);
	if (s != NULL && s->limits != NULL && result.out.len > 0) {
		s->limits->disk_bytes = sum_of(buf_str(&result.out));
		fiber_signal_raise(&s->wake);
	}
	process_result_fini(&result);
	arena_free(arena);
}

void session_limits_look_at_disks(struct session_host *host)
{
	size_t count;
	struct id *ids = session_ids(host, &count);

	for (size_t i = 0; i < count && !fiber_cancelled(); i++) {
		look_at_disk(host, &ids[i]);
	}
	free(ids);
}

/* A session is woken for news only: the stack of one that is idle is given back. */
void session_limits_look(struct session_host *host)
{
	struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		const struct session_limits *limits = s->limits;
		struct cgroup_counts now;

		if (limits == NULL || limits->held == 0 || s->runner == NULL || s->exited) {
			continue;
		}
		now = cgroup_read(limits->cgroup);
		if (now.killed > limits->told.killed || now.refused > limits->told.refused ||
		    now.throttled_us >= limits->told.throttled_us + TELL_CPU_US) {
			fiber_signal_raise(&s->wake);
		}
	}
}
