/*
 * Making room: a session that waits for a person only, and whose agent said that it can be begun
 * again (it asked with a key), leaves the host to others.
 *
 * Frozen, it is first queued again in the log, which keeps its questions open; then its agent is
 * ended, its workspace and home go aside, whole or not at all, and last the queue is told.  Whoever
 * leases it next on this host finds them there; another goes on from its snapshot
 * (session_resume.c).  A
 * worker that dies in between leaves a session that waits in the log and was parked in the queue:
 * it is requeued like all that a lost worker had.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"
#include "log/log.h"
#include "worker/session_private.h"
#include "worker/session_resume.h"

enum {
	FACTS_MAX = 64 * 1024,
	KEPT_PATH_MAX = 1024,
	REMOVE_MS = 60000,
	KEPT_UNKNOWN_S = 7 * 24 * 3600
};

static const char facts_name[] = "session.json";

static void kept_path(const struct session_host *host, const char *sid, const char *name,
                      char out[KEPT_PATH_MAX])
{
	(void)snprintf(out, KEPT_PATH_MAX, "%s/%s%s%s", host->keep_dir, sid,
	               name[0] != '\0' ? "/" : "", name);
}

static void remove_kept(const struct session_host *host, const char *sid)
{
	char path[KEPT_PATH_MAX];
	const char *const argv[] = { "rm", "-rf", "--one-file-system", "--", path, NULL };
	const char *const env[] = { "PATH=/usr/bin:/bin", NULL };
	struct process_run run = process_run_init(argv, env);
	struct process_result result;
	struct stat st;
	struct err err;

	kept_path(host, sid, "", path);
	if (lstat(path, &st) != 0) {
		return;
	}
	run.timeout_ms = REMOVE_MS;
	if (process_run(&run, &result, &err) != ERR_OK) {
		log_warn("session.kept", "%s", err.msg);
	}
	process_result_fini(&result);
}

/* ---- may it leave ---- */

bool session_may_leave(const struct session_run *s)
{
	const struct session_wait *wait;

	TAILQ_FOREACH (wait, &s->waits, link) {
		if (wait->key[0] == '\0' || wait->answer != NULL) {
			return false;
		}
	}
	return !TAILQ_EMPTY(&s->waits);
}

void session_make_room(struct session_run *s)
{
	const struct event_text_status status = { .state = SESSION_QUEUED,
		                                  .reason = s->host->leaving
		                                                    ? "its worker is being drained"
		                                                    : "others need its place while "
		                                                      "it waits",
		                                  .evicted = true };
	enum session_state state = SESSION_RUNNING;
	enum err_code code;
	struct buf text;

	s->evict_asked = false;
	if (!s->parked || !s->wants_park || s->paused || s->fate != FATE_OPEN ||
	    !session_may_leave(s) || session_agent_freeze(s) != ERR_OK) {
		return;
	}
	s->fate = FATE_EVICTED; /* nothing that is asked of it reaches the agent any more */
	event_text_init(&text);
	event_text_status(&text, &status);
	code = reporter_move(s->reporter, session_bit(SESSION_RUNNING), SESSION_QUEUED,
	                     buf_str(&text), &state);
	buf_fini(&text);
	if (s->fate == FATE_EVICTED && code == ERR_ILLEGAL_MOVE) {
		s->fate = FATE_OPEN; /* it is being stopped, or paused */
		(void)!session_agent_thaw(s);
	}
	if (s->fate == FATE_EVICTED) {
		session_keep_asks(s);
		fiber_cancel(s->fiber, ERR_CANCELLED);
	}
}

/* What is open stays so, for the agent that is begun again. */
void session_keep_asks(struct session_run *s)
{
	const struct session_wait *wait;

	TAILQ_FOREACH (wait, &s->waits, link) {
		struct session_ask *ask = mem_calloc(1, sizeof(*ask));

		ask->request = wait->request;
		memcpy(ask->key, wait->key, sizeof(ask->key));
		TAILQ_INSERT_TAIL(&s->asks, ask, link);
	}
}

/* ---- going aside ---- */

static void write_facts(const struct session_run *s, struct buf *out)
{
	const struct workspace *ws = &s->workspace;
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "private", ws->private);
	jsonw_cstr(&w, "mirror", ws->mirror);
	session_facts_write(s, &w);
	jsonw_end_object(&w);
}

static bool write_file(const char *path, struct str text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n;

	if (fd >= 0) {
		ok = close(fd) == 0 && ok;
	}
	return ok;
}

/* Its facts are written last: without them nothing is kept. */
static bool move_aside(const struct session_run *s, const char *home)
{
	char dir[KEPT_PATH_MAX], path[KEPT_PATH_MAX];
	struct buf facts;
	bool ok;

	kept_path(s->host, s->sid.s, "", dir);
	ok = mkdir(dir, 0700) == 0;
	kept_path(s->host, s->sid.s, "workspace", path);
	ok = ok && rename(s->workspace.path, path) == 0;
	kept_path(s->host, s->sid.s, "private", path);
	ok = ok && rename(s->workspace.private, path) == 0;
	kept_path(s->host, s->sid.s, "home", path);
	ok = ok && rename(home, path) == 0;
	kept_path(s->host, s->sid.s, facts_name, path);
	buf_init(&facts, FACTS_MAX);
	write_facts(s, &facts);
	ok = ok && !buf_failed(&facts) && write_file(path, buf_str(&facts));
	buf_fini(&facts);
	return ok;
}

void session_keep(struct session_run *s, const char *home)
{
	const struct queue_move move = { .sid = s->sid,
		                         .attempt = s->attempt,
		                         .epoch = session_epoch_now(s),
		                         .reason = QUEUE_EVICTED };

	remove_kept(s->host, s->sid.s);
	if (move_aside(s, home)) {
		s->prepared = s->has_home = false; /* nothing of it is left to remove */
	} else {
		log_warn("session.unkept", "%s", strerror(errno));
		remove_kept(s->host, s->sid.s);
	}
	log_info("session.evicted", "epoch=%ju", (uintmax_t)move.epoch);
	session_tell_queue(s, queue_evict, &move);
}

/* ---- coming back ---- */

static struct json_value *read_facts(const struct session_host *host, const char *sid)
{
	char path[KEPT_PATH_MAX];
	struct json_value *json = NULL;
	struct buf text;
	struct err err;
	char *room;
	ssize_t n = -1;
	int fd;

	kept_path(host, sid, facts_name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return NULL;
	}
	buf_init(&text, FACTS_MAX + 1);
	room = buf_reserve(&text, FACTS_MAX);
	if (room != NULL && (n = read(fd, room, FACTS_MAX)) > 0) {
		buf_commit(&text, (size_t)n);
		json = json_parse(buf_str(&text), &err);
	}
	(void)close(fd);
	buf_fini(&text);
	return json;
}

static bool take(const struct json_value *json, const char *name, char *out, size_t size)
{
	return str_copy(out, size, json_as_str(json_get(json, name)));
}

static bool take_workspace(struct session_run *s, const struct json_value *json)
{
	struct workspace *ws = &s->workspace;

	ws->session = s->sid;
	ws->url = arena_strdup(s->arena, json_as_str(json_get(json, "url")));
	return take(json, "path", ws->path, sizeof(ws->path)) &&
	       take(json, "private", ws->private, sizeof(ws->private)) &&
	       take(json, "mirror", ws->mirror, sizeof(ws->mirror)) &&
	       take(json, "base", ws->base, sizeof(ws->base)) &&
	       take(json, "branch", ws->branch, sizeof(ws->branch));
}

static bool move_back(const struct session_run *s, const char *home)
{
	char path[KEPT_PATH_MAX];
	bool ok;

	kept_path(s->host, s->sid.s, "workspace", path);
	ok = rename(path, s->workspace.path) == 0;
	kept_path(s->host, s->sid.s, "private", path);
	ok = ok && rename(path, s->workspace.private) == 0;
	kept_path(s->host, s->sid.s, "home", path);
	return ok && rename(path, home) == 0;
}

bool session_restore(struct session_run *s, const char *home, uint64_t ran)
{
	struct json_value *facts = read_facts(s->host, s->sid.s);
	struct err err;

	if (facts != NULL && (uint64_t)json_as_i64(json_get(facts, "epoch")) >= ran) {
		s->restored = workspace_remove(s->host->workspaces, &s->sid, &err) == ERR_OK &&
		              take_workspace(s, facts) && move_back(s, home);
		if (s->restored) {
			session_facts_take(s, facts);
			s->has_home = true;
		} else {
			log_warn("session.unrestored", "%s", strerror(errno));
		}
	}
	json_value_free(facts);
	remove_kept(s->host, s->sid.s);
	return s->restored;
}

/* ---- what nobody will want ---- */

/* One that runs elsewhere has begun from its beginning there. */
static bool is_wanted(const struct session_host *host, const struct id *sid, time_t kept_s)
{
	struct json_value *facts = read_facts(host, sid->s);
	struct str tenant = json_as_str(json_get(facts, "tenant"));
	bool wanted = false;
	struct log_head head;
	struct err err;

	if (tenant.n > 0) {
		enum err_code code = log_head_get(host->store, sid, tenant.p, &head, &err);

		wanted = code != ERR_OK || (head.found ? head.state == SESSION_QUEUED ||
		                                                 head.state == SESSION_PROVISIONING
		                                       : time(NULL) - kept_s < KEPT_UNKNOWN_S);
	}
	json_value_free(facts);
	return wanted;
}

static bool is_here(const struct session_host *host, const struct id *sid)
{
	const struct session_run *s;

	LIST_FOREACH(s, &host->runs, link)
	{
		if (id_eq(&s->sid, sid)) {
			return true;
		}
	}
	return false;
}

void session_keep_sweep(struct session_host *host)
{
	DIR *dir = opendir(host->keep_dir);
	const struct dirent *entry;
	struct id sid;
	struct stat st;

	while (dir != NULL && (entry = readdir(dir)) != NULL && !fiber_cancelled()) {
		if (!id_parse(str_of(entry->d_name), &sid) || is_here(host, &sid) ||
		    fstatat(dirfd(dir), sid.s, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			continue;
		}
		if (!is_wanted(host, &sid, st.st_mtime) && !is_here(host, &sid)) {
			remove_kept(host, sid.s);
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
}

/* ---- its questions ---- */

static struct session_ask *find_ask(struct session_run *s, const struct id *request, struct str key)
{
	struct session_ask *ask;

	TAILQ_FOREACH (ask, &s->asks, link) {
		if (request != NULL ? id_eq(&ask->request, request)
		                    : str_eq(key, str_of(ask->key))) {
			return ask;
		}
	}
	return NULL;
}

bool session_ask_again(struct session_run *s, struct str key, struct id *ret_request)
{
	struct session_ask *ask = key.n > 0 ? find_ask(s, NULL, key) : NULL;

	if (ask == NULL) {
		return false;
	}
	*ret_request = ask->request;
	if (ask->note != NULL) {
		TAILQ_INSERT_TAIL(&s->notes, ask->note, link);
		fiber_signal_raise(&s->wake);
	}
	TAILQ_REMOVE(&s->asks, ask, link);
	free(ask);
	return true;
}

bool session_ask_holds(struct session_run *s, struct session_note *note)
{
	struct session_ask *ask = note->answer != NULL && !id_is_nil(&note->request)
	                                  ? find_ask(s, &note->request, str_of(""))
	                                  : NULL;

	if (ask == NULL || ask->note != NULL) {
		return false;
	}
	ask->note = note;
	return true;
}

void session_asks_free(struct session_run *s)
{
	struct session_ask *ask;

	while ((ask = TAILQ_FIRST(&s->asks)) != NULL) {
		TAILQ_REMOVE(&s->asks, ask, link);
		if (ask->note != NULL) {
			TAILQ_INSERT_TAIL(&s->notes, ask->note, link);
		}
		free(ask);
	}
}
