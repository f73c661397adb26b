/*
 * A session that goes on: after its worker was lost or drained, or it made room.
 *
 * At each end of a turn, and when it leaves its worker, a snapshot is taken (snapshot.h) and told
 * as a `moment`.  Whoever leases the session next looks what the log has of it: if a turn began
 * since its attempt did, it takes the newest snapshot, prepares the workspace from the same base,
 * and unpacks.  It is looked for in the folder of snapshots and, where they go there too, in the
 * task's repository (snapshot_origin.h).  An agent with a protocol of its own is started with its
 * own session's id; it gets no prompt unless something is missing, and then one that says what.
 *
 * What was kept on this very host (session_keep.c) is whole and goes first, unless the session ran
 * elsewhere since.  An attempt that failed leaves nothing to go on from.
 */
#include "worker/session_resume.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"
#include "log/log.h"
#include "worker/session_adapter.h"
#include "worker/session_origin.h"
#include "worker/session_secret.h"
#include "worker/session_upload.h"
#include "worker/snapshot.h"

enum { PAGE_BYTES = 1024 * 1024, LOST_MAX = 1024, LAST_WORDS_MS = 1000 };

/* Of an agent that is any command nobody knows what it keeps where. */
static const char *const whole_home[] = { ".", NULL };

static const struct adapter_ops *ops_of(const struct session_run *s)
{
	return adapter_find(str_of(task_agent_types[s->agent->type]));
}

static const char *const *keeps_of(const struct session_run *s)
{
	static const char *const nothing[] = { NULL };
	const struct adapter_ops *ops = ops_of(s);

	if (session_secrets_in_home(s)) {
		return nothing; /* a snapshot is for others to have */
	}
	return ops == NULL ? whole_home : ops->keeps != NULL ? ops->keeps : nothing;
}

/* ---- facts ---- */

void session_facts_write(const struct session_run *s, struct jsonw *w)
{
	const struct workspace *ws = &s->workspace;
	const struct session_ask *ask;

	jsonw_cstr(w, "tenant", s->tenant);
	jsonw_u64(w, "epoch", s->epoch);
	jsonw_u64(w, "attempt", s->order.attempt);
	jsonw_cstr(w, "agent", task_agent_types[s->agent->type]);
	jsonw_cstr(w, "agent_session", s->agent_session);
	jsonw_u64(w, "turn", s->turn);
	jsonw_cstr(w, "tree", s->tree);
	jsonw_cstr(w, "path", ws->path);
	jsonw_cstr(w, "url", ws->url);
	jsonw_cstr(w, "base", ws->base);
	jsonw_cstr(w, "branch", ws->branch);
	session_uploads_list(s, w);
	jsonw_array(w, "asks");
	TAILQ_FOREACH (ask, &s->asks, link) {
		jsonw_object(w, NULL);
		jsonw_cstr(w, "request", ask->request.s);
		jsonw_cstr(w, "key", ask->key);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

static bool take(const struct json_value *json, const char *name, char *out, size_t size)
{
	return str_copy(out, size, json_as_str(json_get(json, name)));
}

void session_facts_take(struct session_run *s, const struct json_value *facts)
{
	const struct json_value *asks = json_get(facts, "asks");

	session_uploads_know(s, facts);
	s->turn = (uint64_t)json_as_i64(json_get(facts, "turn"));
	(void)take(facts, "tree", s->tree, sizeof(s->tree));
	(void)take(facts, "agent_session", s->agent_session, sizeof(s->agent_session));
	for (size_t i = 0; i < json_count(asks); i++) {
		const struct json_value *kept = json_at(asks, i);
		struct session_ask *ask = mem_calloc(1, sizeof(*ask));

		if (id_parse(json_as_str(json_get(kept, "request")), &ask->request) &&
		    take(kept, "key", ask->key, sizeof(ask->key))) {
			TAILQ_INSERT_TAIL(&s->asks, ask, link);
		} else {
			free(ask);
		}
	}
}

/* ---- taking one ---- */

struct taken {
	struct snapshot_name name;
	struct snapshot_image image;
	int fd; /* -1: none */
};

static void tell(struct session_run *s, const char *words)
{
	struct buf text;
	struct jsonw w;

	event_text_init(&text);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "message", words);
	jsonw_end_object(&w);
	(void)session_say(s, EVENT_TYPE_NOTE, &text);
	buf_fini(&text);
}

static void write_image(struct jsonw *w, const struct snapshot_image *image)
{
	jsonw_object(w, "image");
	jsonw_cstr(w, "commit", image->commit);
	jsonw_cstr(w, "tree", image->tree);
	jsonw_cstr(w, "head", image->head);
	jsonw_cstr(w, "head_branch", image->head_branch);
	jsonw_bool(w, "home", image->has_home);
	jsonw_cstr(w, "left_out", image->left_out);
	jsonw_end_object(w);
}

/* Into an empty buffer with room for SNAPSHOT_FACTS_MAX. */
static enum err_code write_all(const struct session_run *s, const struct snapshot_image *image,
                               struct buf *facts, struct err *err)
{
	struct jsonw w;

	jsonw_init(&w, facts);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "provider", snapshot_provider()->name);
	jsonw_bool(&w, "turn_open", s->fate != FATE_OPEN && s->turn_open);
	write_image(&w, image);
	session_facts_write(s, &w);
	jsonw_end_object(&w);
	return buf_failed(facts) ? err_set(err, ERR_TOO_LARGE, "its facts are too long") : ERR_OK;
}

static enum err_code put(struct session_run *s, const struct taken *taken, struct err *err)
{
	struct buf facts;
	enum err_code code;

	buf_init(&facts, SNAPSHOT_FACTS_MAX);
	code = write_all(s, &taken->image, &facts, err);
	if (code == ERR_OK) {
		code = snapshot_store_put(s->host->snapshot_dir, &taken->name, taken->fd,
		                          buf_str(&facts), err);
	}
	buf_fini(&facts);
	return code;
}

/* Into the task's repository too: where it is, or "". */
static void put_far(struct session_run *s, const struct taken *taken, char ref[SNAPSHOT_REF_SIZE])
{
	struct snapshot_image image = taken->image;
	struct buf facts;
	struct err err;
	enum err_code code;

	ref[0] = '\0';
	if (!session_origin_wanted(s)) {
		return;
	}
	image.has_home = image.has_home && s->host->snapshot_place == SNAPSHOT_IN_ORIGIN_HOME;
	buf_init(&facts, SNAPSHOT_FACTS_MAX);
	code = write_all(s, &image, &facts, &err);
	if (code == ERR_OK) {
		code = session_origin_put(s, taken->fd, &image, buf_str(&facts), ref, &err);
	}
	buf_fini(&facts);
	if (code != ERR_OK) {
		ref[0] = '\0';
	}
	if (code != ERR_OK && !s->origin_failed && s->fate != FATE_LOST) {
		log_warn("session.snapshot", "%s", err.msg);
		tell(s, arena_printf(s->arena, "its snapshots stay with this worker: %.200s",
		                     err.msg));
	}
	s->origin_failed = code != ERR_OK;
}

/* With what the agent needs of its home; without, if that is too much. */
static enum err_code save(struct session_run *s, int fd, struct snapshot_image *ret,
                          struct err *err)
{
	const struct snapshot_ops *ops = snapshot_provider();
	struct snapshot_of of = { .all = s->host->workspaces,
		                  .ws = &s->workspace,
		                  .home = session_home_path(s),
		                  .kept = keeps_of(s) };
	enum err_code code = ops->save(&of, fd, s->host->snapshot_max, ret, err);

	if (code == ERR_TOO_LARGE && ret->has_home && ftruncate(fd, 0) == 0 &&
	    lseek(fd, 0, SEEK_SET) == 0) {
		of.home = NULL;
		code = ops->save(&of, fd, s->host->snapshot_max, ret, err);
	}
	return code;
}

/* ref: of the task's repository; "": it is not there. */
static void tell_moment(struct session_run *s, const struct taken *taken, const char *note,
                        const char *ref)
{
	const struct snapshot_image *image = &taken->image;
	char name[SNAPSHOT_NAME_SIZE];
	struct buf text;
	struct jsonw w;

	snapshot_name_format(&taken->name, name);
	event_text_init(&text);
	jsonw_init(&w, &text);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "snapshotId", name);
	jsonw_cstr(&w, "note", note);
	jsonw_cstr(&w, "provider", snapshot_provider()->name);
	jsonw_u64(&w, "turn", s->turn);
	jsonw_u64(&w, "bytes", image->bytes);
	jsonw_bool(&w, "agentFiles", image->has_home);
	if (ref[0] != '\0') {
		jsonw_cstr(&w, "ref", ref);
	}
	jsonw_end_object(&w);
	(void)session_say(s, EVENT_TYPE_MOMENT, &text);
	buf_fini(&text);
}

static enum err_code take_one(struct session_run *s, struct taken *taken, struct err *err)
{
	enum err_code code;

	*taken = (struct taken){
		.name = { .sid = s->sid,
		          .epoch = session_epoch_now(s),
		          .number = s->snapshots + 1 },
		.fd = -1,
	};
	code = snapshot_store_open(s->host->snapshot_dir, &s->sid, &taken->fd, err);
	if (code == ERR_OK) {
		code = save(s, taken->fd, &taken->image, err);
	}
	if (code == ERR_OK) {
		code = put(s, taken, err);
	}
	if (code == ERR_OK) {
		s->snapshots++;
	}
	return code;
}

void session_snapshot(struct session_run *s, const char *note)
{
	const bool leaves = s->fate == FATE_LEFT || s->fate == FATE_EVICTED;
	char ref[SNAPSHOT_REF_SIZE];
	struct taken taken;
	enum err_code code;
	struct err err;

	if (s->host->snapshot_max == 0 || !s->has_workspace || s->reporter == NULL ||
	    (s->turn == 0 && TAILQ_EMPTY(&s->asks)) || (s->exited && !leaves) ||
	    turns_take(&s->host->turns) != ERR_OK) {
		return;
	}
	code = take_one(s, &taken, &err);
	turns_give(&s->host->turns);
	if (code == ERR_OK) {
		put_far(s, &taken, ref);
		tell_moment(s, &taken, note, ref);
	} else if (leaves || !fiber_cancelled()) {
		log_warn("session.snapshot", "%s", err.msg);
		tell(s, arena_printf(s->arena, "no snapshot was taken: %.200s", err.msg));
	}
	if (taken.fd >= 0) {
		(void)close(taken.fd);
	}
	if (leaves) {
		(void)!reporter_flush(s->reporter, LAST_WORDS_MS);
	}
}

/* ---- what the log has of it ---- */

struct history {
	uint64_t ran;  /* the epoch in which it ran last; 0: it did not */
	uint64_t turn; /* that began last; 0: none, or Redis has not so much of it any more */
	bool cut;      /* its beginning is not in Redis any more */
};

static uint64_t turn_of(const struct log_event *event)
{
	struct err err;
	struct json_value *data = json_parse(event->data, &err);
	uint64_t turn = (uint64_t)json_as_i64(json_get(data, "turn"));

	json_value_free(data);
	return turn;
}

static void look_at(const struct log_event *event, struct history *h)
{
	if (str_eq(event->state, STR_LIT("running"))) {
		h->ran = event->at.epoch;
	} else if (str_eq(event->type, STR_LIT("attempt_failed"))) {
		h->turn = 0;
	} else if (str_eq(event->type, STR_LIT("turn_started"))) {
		h->turn = turn_of(event);
	}
}

/* What is archived already may not be in Redis any more: then less is known. */
static enum err_code read_history(struct session_run *s, struct history *ret, struct err *err)
{
	struct log_range range = { .sid = s->sid,
		                   .tenant = s->tenant,
		                   .max_count = LOG_REPLAY_MAX,
		                   .max_bytes = PAGE_BYTES };
	enum err_code code = ERR_OK;
	bool more = true;

	*ret = (struct history){ 0 };
	while (code == ERR_OK && more) {
		struct log_page page;

		code = log_read(s->host->store, &range, &page, err);
		if (code != ERR_OK) {
			break;
		}
		ret->cut = ret->cut ||
		           (range.after.n == 0 && page.count > 0 && page.events[0].at.n > 1);
		for (size_t i = 0; i < page.count; i++) {
			look_at(&page.events[i], ret);
		}
		more = !page.caught_up && page.count > 0;
		range.after = page.next;
		log_page_fini(&page);
	}
	return code;
}

/* ---- going on ---- */

struct found {
	struct snapshot_name name;
	struct json_value *facts;
	const struct snapshot_ops *ops;
	struct snapshot_image image;
	int fd;
};

static void found_fini(struct found *f)
{
	json_value_free(f->facts);
	if (f->fd >= 0) {
		(void)close(f->fd);
	}
}

static bool take_image(const struct json_value *json, struct snapshot_image *ret)
{
	ret->has_home = json_as_bool(json_get(json, "home"));
	(void)take(json, "left_out", ret->left_out, sizeof(ret->left_out));
	return take(json, "commit", ret->commit, sizeof(ret->commit)) &&
	       take(json, "tree", ret->tree, sizeof(ret->tree)) &&
	       take(json, "head", ret->head, sizeof(ret->head)) &&
	       take(json, "head_branch", ret->head_branch, sizeof(ret->head_branch));
}

/* Whether it is of this attempt, by this agent. */
static bool fits(struct session_run *s, struct found *f, struct str text)
{
	struct err err;

	f->facts = json_parse(text, &err);
	f->ops = snapshot_find(json_as_str(json_get(f->facts, "provider")));
	return f->ops != NULL && take_image(json_get(f->facts, "image"), &f->image) &&
	       str_eq(json_as_str(json_get(f->facts, "tenant")), str_of(s->tenant)) &&
	       str_eq(json_as_str(json_get(f->facts, "agent")),
	              str_of(task_agent_types[s->agent->type])) &&
	       (uint64_t)json_as_i64(json_get(f->facts, "attempt")) == s->order.attempt;
}

/* In the folder. */
static bool find_near(struct session_run *s, struct found *ret)
{
	struct found f = { .fd = -1 };
	struct buf text;
	struct err err;
	bool there;

	buf_init(&text, SNAPSHOT_FACTS_MAX + 1);
	there = snapshot_store_find(s->host->snapshot_dir, &s->sid, &f.name, &text, &f.fd, &err) ==
	                ERR_OK &&
	        fits(s, &f, buf_str(&text));
	buf_fini(&text);
	if (there) {
		*ret = f;
	} else {
		found_fini(&f);
	}
	return there;
}

/* In the task's repository. */
static bool find_far(struct session_run *s, const struct workspace_request *request,
                     struct found *ret)
{
	struct found f = { .fd = -1 };
	struct snapshot_found far = { .fd = -1 };
	struct buf text;
	struct err err;
	enum err_code code;
	bool there;

	buf_init(&text, SNAPSHOT_FACTS_MAX + 1);
	code = session_origin_find(s, request, &far, &text, &err);
	f.fd = far.fd;
	f.name.epoch = far.epoch;
	there = code == ERR_OK && fits(s, &f, buf_str(&text)) && f.ops->is_pack;
	buf_fini(&text);
	memcpy(f.image.commit, far.commit, sizeof(f.image.commit));
	if (code != ERR_OK && code != ERR_NOT_FOUND && !fiber_cancelled()) {
		log_warn("session.snapshot", "%s", err.msg);
		tell(s, arena_printf(s->arena, "its snapshot cannot be had: %.200s", err.msg));
	}
	if (there) {
		*ret = f;
	} else {
		found_fini(&f);
	}
	return there;
}

/* The newest; of two of one epoch that of the folder, which has all. */
static bool find(struct session_run *s, const struct workspace_request *request,
                 const struct history *h, struct found *ret)
{
	struct found far;
	bool there = find_near(s, ret);

	if ((h->ran == 0 && !h->cut) || (there && ret->name.epoch >= h->ran && h->ran > 0) ||
	    !session_origin_asked(s, request) || !find_far(s, request, &far)) {
		return there;
	}
	if (there && ret->name.epoch >= far.name.epoch) {
		found_fini(&far);
		return true;
	}
	if (there) {
		found_fini(ret);
	}
	*ret = far;
	return true;
}

/* The agent's own files go along. */
static enum err_code load(struct session_run *s, const struct found *f, bool *ret_home,
                          struct err *err)
{
	const struct adapter_ops *ops = ops_of(s);
	const char *path = arena_strdup(s->arena, json_as_str(json_get(f->facts, "path")));
	const bool moved = strcmp(path, s->workspace.path) != 0;
	const bool folders = ops != NULL && ops->folder != NULL && moved;
	const struct snapshot_rename rename = {
		.from = folders ? ops->folder(path, s->arena) : NULL,
		.to = folders ? ops->folder(s->workspace.path, s->arena) : NULL,
		.file = ops != NULL ? ops->file : NULL,
		.epoch = s->epoch,
	};
	struct snapshot_of into = { .all = s->host->workspaces, .ws = &s->workspace };
	enum err_code code = session_home_make(s, err);

	*ret_home = f->image.has_home;
	into.home = *ret_home ? session_home_path(s) : NULL;
	return code == ERR_OK ? f->ops->load(&into, f->fd, &f->image, &rename, err) : code;
}

static enum err_code unpack(struct session_run *s, const struct workspace_request *request,
                            const struct found *f, bool *ret_home, struct err *err)
{
	struct workspace_request from = *request;
	enum err_code code;

	if (!str_eq(json_as_str(json_get(f->facts, "url")), request->url)) {
		return err_set(err, ERR_INVALID, "it is of another repository");
	}
	if (request->url.n > 0) {
		from.commit = json_as_str(json_get(f->facts, "base"));
		from.branch = json_as_str(json_get(f->facts, "branch"));
	}
	code = workspace_prepare(s->host->workspaces, &from, &s->workspace, err);
	if (code == ERR_OK) {
		code = load(s, f, ret_home, err);
	}
	if (code != ERR_OK && s->has_home) {
		session_home_remove(s);
	}
	return code;
}

static const char elsewhere[] = "This session goes on with another worker.";
static const char forgotten[] = " What the agent kept of its conversation could not be restored.";

/* What its agent must know, and people too. */
static void say_what_is_lost(struct session_run *s, const struct found *f, bool cut, bool home)
{
	const bool open = json_as_bool(json_get(f->facts, "turn_open"));
	const bool forgets = s->agent->type != TASK_AGENT_COMMAND && !s->resumes;
	const char *ignored = f->image.left_out;
	struct buf text;

	if (ignored[0] != '\0') {
		ignored = arena_printf(s->arena, " What git ignores is not there any more: %s.",
		                       ignored);
	}
	if (!cut && !open && home && !forgets) {
		if (ignored[0] != '\0') { /* no turn is begun for that */
			tell(s, arena_printf(s->arena, "%s%s", elsewhere, ignored));
		}
		return;
	}
	buf_init(&text, LOST_MAX);
	buf_add_cstr(&text, elsewhere);
	if (open) {
		buf_add_cstr(&text, " It was stopped in the middle of a turn; the files of the "
		                    "workspace are as they were then.");
	} else {
		buf_addf(&text,
		         " The files of the workspace are as they were at the end of turn %" PRIu64
		         ".",
		         s->turn);
	}
	if (cut) {
		buf_add_cstr(&text, " What was asked and done after that is lost: commands that "
		                    "ran may have had effects elsewhere.");
	}
	if (forgets || !home) {
		buf_add_cstr(&text, forgotten);
	}
	buf_add_cstr(&text, ignored);
	s->lost = arena_strdup(s->arena, buf_str(&text));
	buf_fini(&text);
	tell(s, s->lost);
}

void session_resumed_as(struct session_run *s, struct str id)
{
	/* Later it may begin others for reasons of its own. */
	if (s->resumes && !s->adapter->ready && !str_eq(id, str_of(s->agent_session))) {
		s->resumes = false;
		if (s->lost == NULL) {
			s->lost = "This session goes on with another worker. The files of the "
				  "workspace are as they were.";
		}
		s->lost = arena_printf(s->arena, "%s%s", s->lost, forgotten);
		tell(s, s->lost);
	}
	(void)str_copy(s->agent_session, sizeof(s->agent_session), id);
}

static bool go_on(struct session_run *s, const struct workspace_request *request,
                  const struct found *f, const struct history *h)
{
	const struct adapter_ops *ops = ops_of(s);
	bool home = false;
	struct err err;

	if (unpack(s, request, f, &home, &err) != ERR_OK) {
		log_warn("session.unrestored", "%s", err.msg);
		tell(s, arena_printf(s->arena,
		                     "its last snapshot cannot be restored, it begins again: "
		                     "%.200s",
		                     err.msg));
		return false;
	}
	session_facts_take(s, f->facts);
	session_uploads_miss(s);
	if (!str_eq(str_of(s->tree), str_of(f->image.tree))) {
		s->tree[0] = '\0'; /* what was not told of yet is told with the rest */
	}
	s->restored = true;
	s->resumes = home && ops != NULL && (ops->features & ADAPTER_RESUME) != 0 &&
	             s->agent_session[0] != '\0';
	say_what_is_lost(s, f, h->turn > s->turn, home);
	log_info("session.resumed", "turn=%" PRIu64 " agent_session=%s", s->turn,
	         s->resumes ? s->agent_session : "");
	return true;
}

bool session_resume(struct session_run *s, const struct workspace_request *request)
{
	struct found f = { .fd = -1 };
	struct history h = { 0 };
	struct err err;
	bool there, went_on;

	if (read_history(s, &h, &err) != ERR_OK) {
		log_warn("session.history", "%s", err.msg);
	}
	there = find(s, request, &h, &f);
	went_on = session_restore(s, session_home_path(s), h.ran);
	if (went_on) {
		const struct adapter_ops *ops = ops_of(s);

		s->resumes = ops != NULL && s->agent_session[0] != '\0';
	} else if (there) {
		went_on = go_on(s, request, &f, &h);
	} else if (h.turn > 0) {
		tell(s, "nothing was kept of what it did before: it begins again");
	}
	found_fini(&f);
	return went_on;
}
