/* What came of a workspace: its changes, a patch, a branch. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/workspace_private.h"

enum {
	LIST_MAX = 4 * 1024 * 1024, /* of git's list of changed files */
	WANTED_MAX = 2 * CHANGES_FILES_MAX * (GIT_OID_MAX + 1),
	ANSWER_MAX = 8192,
	HEAD_TIMEOUT_MS = 10000,
};

void workspace_scratch_init(struct workspace_scratch *s, const struct workspaces *all,
                            const struct workspace *ws)
{
	char lock[GIT_PATH_MAX + 64];

	s->all = all;
	s->ws = ws;
	(void)snprintf(s->dir, sizeof(s->dir), "%s/git", ws->private);
	(void)snprintf(s->index, sizeof(s->index), "%s/scratch/index", ws->private);
	(void)snprintf(s->objects, sizeof(s->objects), "%s/scratch/objects", ws->private);
	/* The second only has what the agent committed itself. */
	(void)snprintf(s->alternates, sizeof(s->alternates), "%s/objects:%s/.git/objects",
	               ws->mirror, ws->path);
	s->git = (struct git){ .program = all->program,
		               .config = all->config,
		               .user = &all->options.user,
		               .cwd = ws->path,
		               .dir = s->dir,
		               .work_tree = ws->path,
		               .index = s->index,
		               .objects = s->objects,
		               .alternates = ws->mirror[0] != '\0' ? s->alternates : NULL,
		               .timeout_ms = all->options.git_timeout_ms,
		               .file_max_bytes = all->options.file_max_bytes };
	/* One operation at a time: a lock is of a git that was killed. */
	(void)snprintf(lock, sizeof(lock), "%s.lock", s->index);
	(void)unlink(lock);
}

enum err_code workspace_add_all(const struct workspace_scratch *s, struct changes *changes,
                                struct err *err)
{
	static const char *const args[] = { "add", "--all", "--ignore-errors", "--", ".", NULL };
	struct err why;
	enum err_code code = git_do(&s->git, args, &why);

	if (code == ERR_BACKEND) {
		if (changes != NULL) {
			changes->unreadable = true;
			memcpy(changes->reason, why.msg, sizeof(changes->reason));
		}
		return ERR_OK;
	}
	if (code != ERR_OK) {
		*err = why;
	}
	return code;
}

static struct git_call diff_call(const char *base, const char *const *options, size_t out_max)
{
	struct git_call call = { .args = { "diff-index", "--cached", "--no-ext-diff",
		                           "--no-textconv", "--no-renames", "--no-color" },
		                 .input_fd = -1,
		                 .output_fd = -1,
		                 .out_max = out_max };
	size_t n = 6;

	for (size_t i = 0; options[i] != NULL; i++) {
		call.args[n++] = options[i];
	}
	call.args[n++] = base;
	call.args[n] = "--";
	return call;
}

static enum err_code list_changes(const struct workspace_scratch *s, const char *since,
                                  struct changes *changes, struct err *err)
{
	static const char *const options[] = { "--raw", "--numstat", "-z", "--no-abbrev", NULL };
	struct git_call call = diff_call(since, options, LIST_MAX);
	struct process_result result;
	enum err_code code = git_run(&s->git, &call, &result, err);

	if (code == ERR_OK) {
		code = changes_parse(changes, buf_str(&result.out), result.truncated, err);
	}
	process_result_fini(&result);
	return code;
}

static enum err_code read_texts(const struct workspace_scratch *s, struct changes *changes,
                                struct err *err)
{
	struct git_call call = { .args = { "cat-file", "--batch" },
		                 .input_fd = -1,
		                 .output_fd = -1,
		                 .sink = changes_feed,
		                 .sink_arg = changes };
	struct process_result result;
	struct buf wanted;
	enum err_code code = ERR_OK;

	buf_init(&wanted, WANTED_MAX);
	changes_wanted(changes, &wanted);
	if (wanted.len > 0) {
		call.input = buf_str(&wanted);
		code = git_run(&s->git, &call, &result, err);
		process_result_fini(&result);
	}
	buf_fini(&wanted);
	return code;
}

enum err_code workspace_changes(struct workspaces *all, const struct workspace *ws,
                                const char *since, struct changes **ret, struct err *err)
{
	static const char *const write_tree[] = { "write-tree", NULL };
	struct changes *changes = changes_new();
	struct workspace_scratch scratch;
	enum err_code code;

	workspace_scratch_init(&scratch, all, ws);
	code = workspace_add_all(&scratch, changes, err);
	if (code == ERR_OK) {
		code = git_line(&scratch.git, write_tree, changes->tree, sizeof(changes->tree),
		                err);
	}
	if (code == ERR_OK) {
		code = list_changes(&scratch, since != NULL ? since : ws->base, changes, err);
	}
	if (code == ERR_OK) {
		code = read_texts(&scratch, changes, err);
	}
	if (code != ERR_OK) {
		changes_free(changes);
		return err_wrap(err, "look for changes");
	}
	*ret = changes;
	return ERR_OK;
}

enum err_code workspace_patch(struct workspaces *all, const struct workspace *ws, struct buf *out,
                              bool *ret_truncated, struct err *err)
{
	static const char *const options[] = { "--patch", "--binary", "--full-index", NULL };
	struct git_call call = diff_call(ws->base, options, out->cap - out->len);
	struct process_result result;
	struct workspace_scratch scratch;
	enum err_code code;

	workspace_scratch_init(&scratch, all, ws);
	code = workspace_add_all(&scratch, NULL, err);
	if (code == ERR_OK) {
		code = git_run(&scratch.git, &call, &result, err);
		if (code == ERR_OK) {
			buf_add_str(out, buf_str(&result.out));
			*ret_truncated = result.truncated;
		}
		process_result_fini(&result);
	}
	return code != ERR_OK ? err_wrap(err, "make the patch") : ERR_OK;
}

/* ---- delivery ---- */

void workspace_parent(const struct workspace_scratch *s, const struct workspace *ws,
                      char parent[GIT_OID_MAX + 1])
{
	static const char *const head[] = { "rev-parse", "--verify", "--quiet", "HEAD^{commit}",
		                            NULL };
	const char *const descends[] = { "merge-base", "--is-ancestor", ws->base, parent, NULL };
	char dir[GIT_PATH_MAX + 32];
	struct git theirs = s->git;
	struct err err;

	(void)snprintf(dir, sizeof(dir), "%s/.git", ws->path);
	theirs.dir = dir;
	theirs.index = theirs.objects = theirs.alternates = NULL;
	theirs.timeout_ms = HEAD_TIMEOUT_MS;
	if (git_line(&theirs, head, parent, GIT_OID_MAX + 1, &err) != ERR_OK ||
	    !git_is_commit(str_of(parent)) || git_do(&s->git, descends, &err) != ERR_OK) {
		memcpy(parent, ws->base, GIT_OID_MAX + 1);
	}
}

static enum err_code commit_all(const struct workspace_scratch *s, const char *parent,
                                struct str message, char commit[GIT_OID_MAX + 1], struct err *err)
{
	static const char *const write_tree[] = { "write-tree", NULL };
	char tree[GIT_OID_MAX + 1], parent_tree[GIT_OID_MAX + 1], spec[GIT_OID_MAX + 16];
	const char *const rev_parse[] = { "rev-parse", "--verify", spec, NULL };
	struct git_call commit_tree = { .args = { "commit-tree", "-p", parent, tree },
		                        .input = message,
		                        .input_fd = -1,
		                        .output_fd = -1,
		                        .out_max = ANSWER_MAX };
	struct process_result result;
	struct str rest;
	enum err_code code;

	(void)snprintf(spec, sizeof(spec), "%s^{tree}", parent);
	code = git_line(&s->git, write_tree, tree, sizeof(tree), err);
	if (code == ERR_OK) {
		code = git_line(&s->git, rev_parse, parent_tree, sizeof(parent_tree), err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (strcmp(tree, parent_tree) == 0) {
		memcpy(commit, parent, GIT_OID_MAX + 1);
		return ERR_OK;
	}
	code = git_run(&s->git, &commit_tree, &result, err);
	rest = buf_str(&result.out);
	if (code == ERR_OK && !str_copy(commit, GIT_OID_MAX + 1, str_split(&rest, '\n'))) {
		code = err_set(err, ERR_BACKEND, "git commit-tree: no commit");
	}
	process_result_fini(&result);
	return code;
}

/* From the scratch directory into the mirror as one pack, which is checked like one from a
 * stranger. */
static enum err_code move_objects(const struct workspace_scratch *s, const char *commit,
                                  struct err *err)
{
	const struct workspaces *all = s->all;
	const struct workspace *ws = s->ws;
	const struct mirror_options options = workspaces_mirror_options(all);
	struct git mirror = mirror_git(&options, ws->mirror);
	char revs[2 * GIT_OID_MAX + 8];
	struct git_call pack = { .args = { "pack-objects", "--revs", "--thin", "--stdout", "-q" },
		                 .input_fd = -1,
		                 .out_max = ANSWER_MAX };
	struct git_call index = { .args = { "index-pack", "--stdin", "--fix-thin", "--strict" },
		                  .output_fd = -1,
		                  .out_max = ANSWER_MAX };
	struct process_result result;
	enum err_code code;
	int fd = open(all->state_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) {
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", all->state_dir, strerror(errno));
	}
	(void)snprintf(revs, sizeof(revs), "%s\n^%s\n", commit, ws->base);
	pack.input = str_of(revs);
	pack.output_fd = index.input_fd = fd;
	code = git_run(&s->git, &pack, &result, err);
	process_result_fini(&result);
	if (code == ERR_OK && lseek(fd, 0, SEEK_SET) == 0) {
		code = git_run(&mirror, &index, &result, err);
		process_result_fini(&result);
	}
	(void)close(fd);
	return code;
}

/* Into a repository on this host as its owner: neither its hooks nor its files become root's. */
struct process_user workspace_owner_of(struct str url)
{
	struct process_user user = { .drop = false };
	char path[GIT_URL_MAX + 1];
	struct stat st;

	if (str_starts(url, STR_LIT("file://"))) {
		url = str_make(url.p + strlen("file://"), url.n - strlen("file://"));
	}
	if (geteuid() == 0 && str_copy(path, sizeof(path), url) && stat(path, &st) == 0 &&
	    st.st_uid != 0) {
		user = (struct process_user){ true, st.st_uid, st.st_gid };
	}
	return user;
}

static enum err_code push(const struct workspaces *all, const struct workspace *ws,
                          const char *commit, const char *ref, struct err *err)
{
	const struct mirror_options options = workspaces_mirror_options(all);
	struct git mirror = mirror_git(&options, ws->mirror);
	struct process_user owner = { .drop = false };
	char refspec[2 * GIT_PATH_MAX];
	const char *const update[] = { "update-ref", ref, commit, NULL };
	const char *const args[] = {
		"push", "--quiet", "--no-verify", "--", ws->url, refspec, NULL
	};
	enum err_code code = git_do(&mirror, update, err);

	if (code == ERR_OK) {
		(void)snprintf(refspec, sizeof(refspec), "+%s:%s", ref, ref);
		if (git_url_is_local(str_of(ws->url))) {
			owner = workspace_owner_of(str_of(ws->url));
			mirror.user = &owner;
		}
		mirror.timeout_ms = all->options.fetch_timeout_ms;
		code = git_do(&mirror, args, err);
	}
	return code;
}

/* Commit on top of `parent` and bring the commit into the mirror. */
static enum err_code make_commit(const struct workspace_scratch *s, const char *parent,
                                 struct str message, char commit[GIT_OID_MAX + 1], struct err *err)
{
	enum err_code code = commit_all(s, parent, message, commit, err);

	return code == ERR_OK && strcmp(commit, s->ws->base) != 0 ? move_objects(s, commit, err)
	                                                          : code;
}

enum err_code workspace_deliver_branch(struct workspaces *all, const struct workspace *ws,
                                       uint64_t epoch, struct str message,
                                       struct workspace_delivery *ret, struct err *err)
{
	struct workspace_delivery delivery = { .commit = "" };
	char parent[GIT_OID_MAX + 1];
	struct workspace_scratch scratch;
	enum err_code code;

	if (ws->url[0] == '\0') {
		return err_set(err, ERR_UNSUPPORTED, "there is no repository to deliver to");
	}
	if (message.n == 0) {
		message = STR_LIT("Changes of a session\n");
	}
	(void)snprintf(delivery.ref, sizeof(delivery.ref), "refs/fairlead/%s/%" PRIu64,
	               ws->session.s, epoch);
	workspace_scratch_init(&scratch, all, ws);
	code = workspace_add_all(&scratch, NULL, err);
	if (code == ERR_OK) {
		workspace_parent(&scratch, ws, parent);
		code = make_commit(&scratch, parent, message, delivery.commit, err);
	}
	if (code == ERR_BACKEND && strcmp(parent, ws->base) != 0) {
		/* A commit of the agent that git's own checks refuse must not cost its work. */
		code = make_commit(&scratch, ws->base, message, delivery.commit, err);
	}
	if (code == ERR_OK) {
		code = push(all, ws, delivery.commit, delivery.ref, err);
	}
	if (code != ERR_OK) {
		return err_wrap(err, "deliver the branch");
	}
	*ret = delivery;
	return ERR_OK;
}

/* ---- the user's branch ---- */

/* "!<tab>from:to<tab>[rejected] (fetch first)": git-push(1), --porcelain. Empty: nothing of that.
 */
static struct str find_refusal(struct str out)
{
	while (out.n > 0) {
		struct str line = str_split(&out, '\n');

		if (str_eq(str_split(&line, '\t'), STR_LIT("!"))) {
			(void)str_split(&line, '\t');
			return line;
		}
	}
	return (struct str){ "", 0 };
}

enum err_code workspace_push(const struct git *git, const struct git_call *call, struct err *err)
{
	struct process_result result;
	enum err_code code = git_run(git, call, &result, err);
	struct str refusal = find_refusal(buf_str(&result.out));

	if (code == ERR_BACKEND && refusal.n > 0) {
		code = err_set(err, ERR_CONFLICT, "the repository refuses it: %" STR_FMT,
		               STR_ARG(refusal));
	}
	process_result_fini(&result);
	return code;
}

static enum err_code push_to(const struct workspaces *all, const struct mirror *at,
                             const struct workspace_target *target, struct err *err)
{
	const struct mirror_options options = workspaces_mirror_options(all);
	struct git mirror = mirror_git(&options, at->path);
	struct process_user owner = { .drop = false };
	char refspec[GIT_OID_MAX + GIT_BRANCH_MAX + 32], url[GIT_URL_MAX + 1];
	const struct git_call call = {
		.args = { "push", "--quiet", "--porcelain", "--no-verify", "--", url, refspec },
		.input_fd = -1,
		.output_fd = -1,
		.out_max = ANSWER_MAX,
	};

	if (!str_copy(url, sizeof(url), target->url)) {
		return err_set(err, ERR_INVALID, "the repository URL is too long");
	}
	(void)snprintf(refspec, sizeof(refspec), "%s:refs/heads/%" STR_FMT, at->base,
	               STR_ARG(target->branch));
	if (git_url_is_local(target->url)) {
		owner = workspace_owner_of(target->url);
		mirror.user = &owner;
	}
	mirror.timeout_ms = all->options.fetch_timeout_ms;
	if (!target->may(target->arg)) {
		return err_set(err, ERR_UNAVAILABLE, "this worker has no lease");
	}
	return workspace_push(&mirror, &call, err);
}

enum err_code workspace_deliver_to(struct workspaces *all, const struct workspace_target *target,
                                   struct err *err)
{
	const struct mirror_options options = workspaces_mirror_options(all);
	const struct str none = { "", 0 };
	struct mirror mirror;
	enum err_code code = ERR_OK;

	if (!git_is_branch(target->branch)) {
		return err_set(err, ERR_CONFLICT, "the branch name is not valid");
	}
	code = mirror_prepare(&options, target->url, none, target->commit, &mirror, err);
	if (code == ERR_OK) {
		code = push_to(all, &mirror, target, err);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "deliver to the branch");
}
