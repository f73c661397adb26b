#include "worker/snapshot_origin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "json/value.h"
#include "log/log.h"
#include "worker/mirror.h"
#include "worker/workspace_private.h"

enum {
	REFS_MAX = 16, /* of one session, that are looked at */
	LIST_MAX = 64 * 1024,
	ANSWER_MAX = 8192,
	NOTE_MAX = GIT_URL_MAX + SNAPSHOT_TENANT_MAX + 8,
	DIR_SIZE = GIT_PATH_MAX + 64,
	SPEC_SIZE = GIT_OID_MAX + 32,
	ARG_SIZE = SNAPSHOT_REF_SIZE + 2 * GIT_OID_MAX + 32,
	REMOVE_MS = 60000,
};

static const char facts_name[] = "facts.json", note_name[] = "fairlead-origin";

/* A ref of the repository. */
struct seen {
	char commit[GIT_OID_MAX + 1];
	char ref[SNAPSHOT_REF_SIZE];
	uint64_t epoch;
};

struct seen_all {
	struct seen refs[REFS_MAX];
	size_t count;
};

/* ---- the repository of ours that is pushed from ---- */

struct place {
	char dir[DIR_SIZE];
	const char *url;
	struct git git; /* in dir */
	struct process_user owner;
};

static void place_init(struct place *p, const struct workspaces *all, const struct id *sid,
                       const char *url, uint64_t timeout_ms)
{
	const struct mirror_options options = workspaces_mirror_options(all);

	(void)snprintf(p->dir, sizeof(p->dir), "%s/origins/%s", all->state_dir, sid->s);
	p->url = url;
	p->git = mirror_git(&options, p->dir);
	p->git.timeout_ms = timeout_ms;
	p->owner = workspace_owner_of(str_of(url));
}

static bool write_in(const struct place *p, const char *name, const char *text)
{
	char path[DIR_SIZE + 64];
	size_t len = strlen(text);
	bool ok;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;
	if (fd >= 0) {
		ok = close(fd) == 0 && ok;
	}
	return ok;
}

/* By hand, as the private one of workspaces: nothing of it comes from a template. */
static enum err_code make_place(const struct place *p, const char *mirror, const char *tenant,
                                bool sha256, struct err *err)
{
	static const char *const dirs[] = { "", "/objects", "/objects/info", "/refs" };
	char path[DIR_SIZE + 64], text[NOTE_MAX + GIT_PATH_MAX];
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(dirs) && ok; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", p->dir, dirs[i]);
		ok = mkdir(path, 0755) == 0 || errno == EEXIST;
	}
	(void)snprintf(text, sizeof(text), "%s/objects\n", mirror);
	ok = ok && write_in(p, "objects/info/alternates", text) &&
	     write_in(p, "HEAD", "ref: refs/heads/none\n") &&
	     write_in(p, "config",
	              sha256 ? "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
	                       "[extensions]\n\tobjectFormat = sha256\n"
	                     : "[core]\n\trepositoryformatversion = 0\n\tbare = true\n");
	(void)snprintf(text, sizeof(text), "%s\n%s\n", tenant, p->url);
	ok = ok && write_in(p, note_name, text);
	return ok ? ERR_OK : err_set(err, ERR_UNAVAILABLE, "make %s: %s", p->dir, strerror(errno));
}

/* ---- what is there ---- */

static void take_line(struct str line, const char *prefix, struct seen_all *ret)
{
	struct seen *seen = &ret->refs[ret->count];
	struct str commit = str_split(&line, '\t');
	struct str epoch = line;

	if (ret->count == REFS_MAX || !str_starts(line, str_of(prefix))) {
		return;
	}
	epoch.p += strlen(prefix);
	epoch.n -= strlen(prefix);
	if (git_is_commit(commit) && str_copy(seen->commit, sizeof(seen->commit), commit) &&
	    str_copy(seen->ref, sizeof(seen->ref), line) &&
	    parse_u64(epoch, INT64_MAX, &seen->epoch)) {
		ret->count++;
	}
}

static enum err_code look(const struct place *p, const struct id *sid, struct seen_all *ret,
                          struct err *err)
{
	char prefix[SNAPSHOT_REF_SIZE], pattern[SNAPSHOT_REF_SIZE + 2];
	const struct git_call call = { .args = { "ls-remote", "--", p->url, pattern },
		                       .input_fd = -1,
		                       .output_fd = -1,
		                       .out_max = LIST_MAX };
	struct process_result result;
	enum err_code code;
	struct str rest;

	(void)snprintf(prefix, sizeof(prefix), "refs/fairlead/%s/snapshots/", sid->s);
	(void)snprintf(pattern, sizeof(pattern), "%s*", prefix);
	ret->count = 0;
	code = git_run(&p->git, &call, &result, err);
	rest = buf_str(&result.out);
	while (code == ERR_OK && rest.n > 0) {
		take_line(str_split(&rest, '\n'), prefix, ret);
	}
	process_result_fini(&result);
	return code;
}

static const struct seen *newest(const struct seen_all *all)
{
	const struct seen *best = NULL;

	for (size_t i = 0; i < all->count; i++) {
		if (best == NULL || all->refs[i].epoch > best->epoch) {
			best = &all->refs[i];
		}
	}
	return best;
}

static void ref_of(const struct snapshot_origin *o, char out[SNAPSHOT_REF_SIZE])
{
	(void)snprintf(out, SNAPSHOT_REF_SIZE, "refs/fairlead/%s/snapshots/%" PRIu64, o->sid.s,
	               o->epoch);
}

/* ---- moving refs ---- */

/* Words of one push: each ref only from where it was seen. */
struct push {
	char text[2 * REFS_MAX + 2][ARG_SIZE];
	size_t count;
};

/* commit NULL: away with it; was "": it must not be there. */
static void push_add(struct push *push, const char *ref, const char *was, const char *commit)
{
	char *lease = push->text[push->count];
	char *move = push->text[push->count + 1];

	/* The rest goes with the next one. */
	if (push->count + 2 > ARRAY_LEN(push->text) || push->count + 2 > GIT_ARGS_MAX - 8) {
		return;
	}
	(void)snprintf(lease, ARG_SIZE, "--force-with-lease=%s:%s", ref, was);
	(void)snprintf(move, ARG_SIZE, "%s:%s", commit != NULL ? commit : "", ref);
	push->count += 2;
}

static enum err_code push_run(const struct place *p, struct push *push, struct err *err)
{
	struct git_call call = { .args = { "push", "--quiet", "--porcelain", "--no-verify" },
		                 .input_fd = -1,
		                 .output_fd = -1,
		                 .out_max = ANSWER_MAX };
	struct git git = p->git;
	size_t n = 4;

	for (size_t i = 0; i < push->count; i += 2) {
		call.args[n++] = push->text[i];
	}
	call.args[n++] = "--";
	call.args[n++] = p->url;
	for (size_t i = 1; i < push->count; i += 2) {
		call.args[n++] = push->text[i];
	}
	if (git_url_is_local(str_of(p->url))) {
		git.user = &p->owner;
	}
	return workspace_push(&git, &call, err);
}

/* Ours is where `commit` is, and older ones are away. */
static enum err_code move_refs(const struct snapshot_origin *o, const struct place *p,
                               const struct seen_all *all, const char *commit, struct err *err)
{
	char ref[SNAPSHOT_REF_SIZE];
	struct push *push = mem_calloc(1, sizeof(*push)); /* not on a fiber's stack */
	const char *was = "";
	enum err_code code;

	ref_of(o, ref);
	for (size_t i = 0; i < all->count; i++) {
		if (all->refs[i].epoch == o->epoch) {
			was = all->refs[i].commit;
		}
	}
	if (strcmp(was, commit) != 0) {
		push_add(push, ref, was, commit);
	}
	for (size_t i = 0; i < all->count; i++) {
		if (all->refs[i].epoch < o->epoch) {
			push_add(push, all->refs[i].ref, all->refs[i].commit, NULL);
		}
	}
	code = push->count > 0 ? push_run(p, push, err) : ERR_OK;
	free(push);
	return code;
}

/* ---- in ---- */

/* What git says to an input, on one line. */
static enum err_code ask(const struct git *git, const struct git_call *call, char out[],
                         struct err *err)
{
	struct process_result result;
	enum err_code code = git_run(git, call, &result, err);
	struct str rest = buf_str(&result.out);

	if (code == ERR_OK && !str_copy(out, GIT_OID_MAX + 1, str_split(&rest, '\n'))) {
		code = err_set(err, ERR_BACKEND, "git %s: no answer", call->args[0]);
	}
	process_result_fini(&result);
	return code;
}

static struct git_call with_input(struct str input)
{
	return (struct git_call){
		.input = input, .input_fd = -1, .output_fd = -1, .out_max = ANSWER_MAX
	};
}

static enum err_code unpack(const struct place *p, int fd, struct err *err)
{
	const struct git_call call = { .args = { "unpack-objects", "-q", "--strict" },
		                       .input_fd = fd,
		                       .output_fd = -1,
		                       .out_max = ANSWER_MAX };
	struct process_result result;
	enum err_code code;

	if (lseek(fd, 0, SEEK_SET) != 0) {
		return err_set(err, ERR_UNAVAILABLE, "read it again: %s", strerror(errno));
	}
	code = git_run(&p->git, &call, &result, err);
	process_result_fini(&result);
	return code;
}

static enum err_code make_commit(const struct place *p, const struct snapshot_image *image,
                                 bool with_home, struct str facts, char commit[GIT_OID_MAX + 1],
                                 struct err *err)
{
	char blob[GIT_OID_MAX + 1], home[GIT_OID_MAX + 1], root[GIT_OID_MAX + 1], spec[SPEC_SIZE],
		entries[4 * GIT_OID_MAX + 128];
	const char *const find_home[] = { "rev-parse", "--verify", spec, NULL };
	struct git_call call = with_input(facts);
	enum err_code code;
	int n;

	call.args[0] = "hash-object", call.args[1] = "-w", call.args[2] = "--stdin";
	code = ask(&p->git, &call, blob, err);
	(void)snprintf(spec, sizeof(spec), "%s:home", image->commit);
	if (code == ERR_OK && with_home) {
		code = git_line(&p->git, find_home, home, sizeof(home), err);
	}
	if (code != ERR_OK) {
		return code;
	}
	n = snprintf(entries, sizeof(entries), "100644 blob %s\t%s\n040000 tree %s\tworkspace\n",
	             blob, facts_name, image->tree);
	if (with_home) {
		(void)snprintf(entries + n, sizeof(entries) - (size_t)n, "040000 tree %s\thome\n",
		               home);
	}
	call = with_input(str_of(entries));
	call.args[0] = "mktree";
	code = ask(&p->git, &call, root, err);
	call = with_input(STR_LIT("Snapshot of a session\n"));
	call.args[0] = "commit-tree", call.args[1] = root;
	if (image->head[0] != '\0') {
		call.args[2] = "-p", call.args[3] = image->head;
	}
	return code == ERR_OK ? ask(&p->git, &call, commit, err) : code;
}

static bool is_sha256(const char *oid)
{
	return strlen(oid) == GIT_OID_MAX;
}

enum err_code snapshot_origin_put(const struct snapshot_origin *o, const struct workspace *ws,
                                  int fd, const struct snapshot_image *image, bool with_home,
                                  struct str facts, char ret_ref[SNAPSHOT_REF_SIZE],
                                  struct err *err)
{
	char commit[GIT_OID_MAX + 1];
	struct seen_all seen;
	struct place place;
	const struct seen *last;
	enum err_code code;

	place_init(&place, o->all, &o->sid, ws->url, o->timeout_ms);
	code = make_place(&place, ws->mirror, o->tenant, is_sha256(ws->base), err);
	if (code == ERR_OK) {
		code = look(&place, &o->sid, &seen, err);
	}
	last = code == ERR_OK ? newest(&seen) : NULL;
	if (last != NULL && last->epoch > o->epoch) {
		code = err_set(err, ERR_FENCED, "another worker has the session");
	}
	if (code == ERR_OK) {
		code = unpack(&place, fd, err);
	}
	if (code == ERR_OK) {
		code = make_commit(&place, image, with_home && image->has_home, facts, commit, err);
	}
	if (code == ERR_OK) {
		code = move_refs(o, &place, &seen, commit, err);
	}
	ref_of(o, ret_ref);
	return code == ERR_OK ? ERR_OK : err_wrap(err, "the task's repository");
}

/* ---- and out ---- */

static enum err_code fetch(const struct snapshot_origin *o, const struct place *p,
                           const struct seen *seen, struct err *err)
{
	const char *const args[] = { "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
		                     "--",    p->url,    seen->ref,   NULL };
	struct git git = p->git;

	git.file_max_bytes = o->max_bytes;
	return git_do(&git, args, err);
}

static enum err_code read_facts(const struct place *p, const char *commit, struct buf *facts,
                                struct err *err)
{
	char spec[SPEC_SIZE];
	const struct git_call call = { .args = { "cat-file", "blob", spec },
		                       .input_fd = -1,
		                       .output_fd = -1,
		                       .out_max = SNAPSHOT_FACTS_MAX };
	struct process_result result;
	enum err_code code;

	(void)snprintf(spec, sizeof(spec), "%s:%s", commit, facts_name);
	code = git_run(&p->git, &call, &result, err);
	if (code == ERR_OK && result.truncated) {
		code = err_set(err, ERR_INVALID, "its facts are too long");
	}
	if (code == ERR_OK) {
		buf_add_str(facts, buf_str(&result.out));
	}
	process_result_fini(&result);
	return code;
}

static bool is_oid(struct str s)
{
	return git_is_commit(s) && (s.n == 40 || s.n == GIT_OID_MAX);
}

/* What becomes an argument of git or of an agent is looked at, whoever wrote it. */
static bool is_sound(const struct json_value *facts)
{
	const struct json_value *image = json_get(facts, "image");
	struct str head = json_as_str(json_get(image, "head"));
	struct str branch = json_as_str(json_get(image, "head_branch"));
	struct str session = json_as_str(json_get(facts, "agent_session"));
	const struct str heads = STR_LIT("refs/heads/");

	if (!is_oid(json_as_str(json_get(facts, "base"))) || !is_oid(head) ||
	    !is_oid(json_as_str(json_get(image, "tree"))) ||
	    (session.n > 0 && session.p[0] == '-')) {
		return false;
	}
	return branch.n == 0 || (str_starts(branch, heads) &&
	                         git_is_branch(str_make(branch.p + heads.n, branch.n - heads.n)));
}

/* What leads from the base to it. */
static enum err_code pack(const struct snapshot_origin *o, const struct place *p,
                          const char *commit, struct str base, int *ret_fd, struct err *err)
{
	char revs[2 * GIT_OID_MAX + 8];
	struct git_call call = { .args = { "pack-objects", "--revs", "--stdout", "-q" },
		                 .input_fd = -1,
		                 .out_max = ANSWER_MAX };
	struct git git = p->git;
	struct process_result result;
	enum err_code code;
	int fd = open(p->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) {
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", p->dir, strerror(errno));
	}
	(void)snprintf(revs, sizeof(revs), "%s\n^%" STR_FMT "\n", commit, STR_ARG(base));
	call.input = str_of(revs);
	call.output_fd = fd;
	git.file_max_bytes = o->max_bytes;
	code = git_run(&git, &call, &result, err);
	process_result_fini(&result);
	if (code == ERR_OK) {
		*ret_fd = fd;
	} else {
		(void)close(fd);
	}
	return code;
}

static enum err_code take(const struct snapshot_origin *o, const struct place *p,
                          const struct seen *seen, struct snapshot_found *ret, struct buf *facts,
                          struct err *err)
{
	struct json_value *json = NULL;
	enum err_code code = fetch(o, p, seen, err);

	if (code == ERR_OK) {
		code = read_facts(p, seen->commit, facts, err);
	}
	if (code == ERR_OK) {
		json = json_parse(buf_str(facts), err);
		code = is_sound(json) ? ERR_OK
		                      : err_set(err, ERR_INVALID, "%s is none of ours", seen->ref);
	}
	if (code == ERR_OK) {
		ret->epoch = seen->epoch;
		memcpy(ret->commit, seen->commit, sizeof(ret->commit));
		code = pack(o, p, seen->commit, json_as_str(json_get(json, "base")), &ret->fd, err);
	}
	json_value_free(json);
	return code;
}

enum err_code snapshot_origin_find(const struct snapshot_origin *o,
                                   const struct workspace_request *request,
                                   struct snapshot_found *ret, struct buf *facts, struct err *err)
{
	const struct mirror_options options = workspaces_mirror_options(o->all);
	char url[GIT_URL_MAX + 1];
	struct mirror mirror;
	struct seen_all seen;
	struct place place;
	const struct seen *last;
	struct err ignored;
	enum err_code code = mirror_prepare(&options, request->url, request->branch,
	                                    request->commit, &mirror, err);

	if (code != ERR_OK) {
		return code;
	}
	(void)str_copy(url, sizeof(url), request->url);
	place_init(&place, o->all, &o->sid, url, o->timeout_ms);
	code = make_place(&place, mirror.path, o->tenant, is_sha256(mirror.base), err);
	if (code == ERR_OK) {
		code = look(&place, &o->sid, &seen, err);
	}
	last = code == ERR_OK ? newest(&seen) : NULL;
	if (code == ERR_OK && last == NULL) {
		code = err_set(err, ERR_NOT_FOUND, "no snapshot");
	} else if (code == ERR_OK && last->epoch > o->epoch) {
		code = err_set(err, ERR_FENCED, "another worker has the session");
	}
	if (code == ERR_OK) {
		code = take(o, &place, last, ret, facts, err);
	}
	if (code == ERR_OK && move_refs(o, &place, &seen, last->commit, &ignored) != ERR_OK) {
		log_warn("snapshot.unmoved", "session=%s %s", o->sid.s, ignored.msg);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "the task's repository");
}

/* ---- what is left ---- */

static bool read_note(const char *dir, struct snapshot_left *left)
{
	char path[DIR_SIZE], text[NOTE_MAX];
	struct stat st;
	struct str rest;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s/%s", dir, left->sid.s, note_name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	n = fstat(fd, &st) == 0 ? read(fd, text, sizeof(text)) : -1;
	(void)close(fd);
	rest = str_make(text, n > 0 ? (size_t)n : 0);
	left->age_ms = st.st_mtime < time(NULL) ? (uint64_t)(time(NULL) - st.st_mtime) * 1000 : 0;
	return str_copy(left->tenant, sizeof(left->tenant), str_split(&rest, '\n')) &&
	       str_copy(left->url, sizeof(left->url), str_split(&rest, '\n')) &&
	       left->url[0] != '\0';
}

bool snapshot_origin_next(struct workspaces *all, struct snapshot_left *ret)
{
	char path[DIR_SIZE];
	struct snapshot_left left, best = { .url = "" };
	const struct dirent *entry;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/origins", all->state_dir);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (id_parse(str_of(entry->d_name), &left.sid) &&
		    strcmp(left.sid.s, ret->sid.s) > 0 &&
		    (id_is_nil(&best.sid) || strcmp(left.sid.s, best.sid.s) < 0) &&
		    read_note(path, &left)) {
			best = left;
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
	*ret = best;
	return !id_is_nil(&best.sid);
}

static void forget_place(const struct place *p)
{
	const char *const argv[] = { "rm", "-rf", "--one-file-system", "--", p->dir, NULL };
	static const char *const env[] = { "PATH=/usr/bin:/bin", NULL };
	struct process_run run = process_run_init(argv, env);
	struct process_result result;
	struct err err;

	run.timeout_ms = REMOVE_MS;
	if (process_run(&run, &result, &err) != ERR_OK) {
		log_warn("snapshot.left", "%s", err.msg);
	}
	process_result_fini(&result);
}

enum err_code snapshot_origin_drop(struct workspaces *all, const struct snapshot_left *left,
                                   bool forget, uint64_t timeout_ms, struct err *err)
{
	struct push *push = mem_calloc(1, sizeof(*push));
	struct seen_all seen;
	struct place place;
	enum err_code code;

	place_init(&place, all, &left->sid, left->url, timeout_ms);
	code = look(&place, &left->sid, &seen, err);
	for (size_t i = 0; code == ERR_OK && i < seen.count; i++) {
		push_add(push, seen.refs[i].ref, seen.refs[i].commit, NULL);
	}
	if (push->count > 0) {
		code = push_run(&place, push, err);
	}
	free(push);
	if (code == ERR_OK || forget) {
		forget_place(&place);
	}
	return code;
}
