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
};

/* The git that looks at a workspace: the agents' user, our configuration, an index and objects of
 * its own. */
struct scratch {
	struct git git;
	char dir[GIT_PATH_MAX + 32], index[GIT_PATH_MAX + 32], objects[GIT_PATH_MAX + 32],
		alternates[GIT_PATH_MAX + 32];
};

static void scratch_init(struct scratch *s, const struct workspaces *all,
                         const struct workspace *ws)
{
	char lock[GIT_PATH_MAX + 64];

	(void)snprintf(s->dir, sizeof(s->dir), "%s/git", ws->private);
	(void)snprintf(s->index, sizeof(s->index), "%s/scratch/index", ws->private);
	(void)snprintf(s->objects, sizeof(s->objects), "%s/scratch/objects", ws->private);
	(void)snprintf(s->alternates, sizeof(s->alternates), "%s/objects", ws->mirror);
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

/* Files that the agent made unreadable are left out, and said to be; the rest counts. */
static enum err_code add_all(const struct scratch *s, struct changes *changes, struct err *err)
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

static enum err_code list_changes(const struct scratch *s, const struct workspace *ws,
                                  struct changes *changes, struct err *err)
{
	static const char *const options[] = { "--raw", "--numstat", "-z", "--no-abbrev", NULL };
	struct git_call call = diff_call(ws->base, options, LIST_MAX);
	struct process_result result;
	enum err_code code = git_run(&s->git, &call, &result, err);

	if (code == ERR_OK) {
		code = changes_parse(changes, buf_str(&result.out), result.truncated, err);
	}
	process_result_fini(&result);
	return code;
}

static enum err_code read_texts(const struct scratch *s, struct changes *changes, struct err *err)
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
                                struct changes **ret, struct err *err)
{
	struct changes *changes = changes_new();
	struct scratch scratch;
	enum err_code code;

	scratch_init(&scratch, all, ws);
	code = add_all(&scratch, changes, err);
	if (code == ERR_OK) {
		code = list_changes(&scratch, ws, changes, err);
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
	struct scratch scratch;
	enum err_code code;

	scratch_init(&scratch, all, ws);
	code = add_all(&scratch, NULL, err);
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

static enum err_code one_line(const struct git *git, const struct git_call *call,
                              char out[GIT_OID_MAX + 1], struct err *err)
{
	struct process_result result;
	enum err_code code = git_run(git, call, &result, err);
	struct str rest = buf_str(&result.out);
	struct str line = str_split(&rest, '\n');

	if (code == ERR_OK && (!git_is_commit(line) || !str_copy(out, GIT_OID_MAX + 1, line))) {
		code = err_set(err, ERR_BACKEND, "git %s: no object id", call->args[0]);
	}
	process_result_fini(&result);
	return code;
}

static enum err_code commit_all(const struct scratch *s, const struct workspace *ws,
                                struct str message, char commit[GIT_OID_MAX + 1], struct err *err)
{
	char tree[GIT_OID_MAX + 1], base_tree[GIT_OID_MAX + 1], spec[GIT_OID_MAX + 16];
	struct git_call write_tree = {
		.args = { "write-tree" }, .input_fd = -1, .output_fd = -1, .out_max = ANSWER_MAX
	};
	struct git_call rev_parse = write_tree, commit_tree = write_tree;
	enum err_code code;

	(void)snprintf(spec, sizeof(spec), "%s^{tree}", ws->base);
	rev_parse.args[0] = "rev-parse";
	rev_parse.args[1] = "--verify";
	rev_parse.args[2] = spec;
	commit_tree.args[0] = "commit-tree";
	commit_tree.args[1] = "-p";
	commit_tree.args[2] = ws->base;
	commit_tree.args[3] = tree;
	commit_tree.input = message.n > 0 ? message : STR_LIT("Changes of a session\n");
	code = one_line(&s->git, &write_tree, tree, err);
	if (code == ERR_OK) {
		code = one_line(&s->git, &rev_parse, base_tree, err);
	}
	if (code == ERR_OK && strcmp(tree, base_tree) == 0) {
		memcpy(commit, ws->base, GIT_OID_MAX + 1);
		return ERR_OK;
	}
	return code == ERR_OK ? one_line(&s->git, &commit_tree, commit, err) : code;
}

/* From the scratch directory into the mirror as one pack, which is checked like one from a
 * stranger. */
static enum err_code move_objects(const struct workspaces *all, const struct scratch *s,
                                  const struct workspace *ws, const char *commit, struct err *err)
{
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
static struct process_user owner_of(struct str url)
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
			owner = owner_of(str_of(ws->url));
			mirror.user = &owner;
		}
		mirror.timeout_ms = all->options.fetch_timeout_ms;
		code = git_do(&mirror, args, err);
	}
	return code;
}

enum err_code workspace_deliver_branch(struct workspaces *all, const struct workspace *ws,
                                       uint64_t epoch, struct str message,
                                       struct workspace_delivery *ret, struct err *err)
{
	struct workspace_delivery delivery = { .commit = "" };
	struct scratch scratch;
	enum err_code code;

	if (ws->url[0] == '\0') {
		return err_set(err, ERR_UNSUPPORTED, "there is no repository to deliver to");
	}
	(void)snprintf(delivery.ref, sizeof(delivery.ref), "refs/fairlead/%s/%" PRIu64,
	               ws->session.s, epoch);
	scratch_init(&scratch, all, ws);
	code = add_all(&scratch, NULL, err);
	if (code == ERR_OK) {
		code = commit_all(&scratch, ws, message, delivery.commit, err);
	}
	if (code == ERR_OK && strcmp(delivery.commit, ws->base) != 0) {
		code = move_objects(all, &scratch, ws, delivery.commit, err);
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
