/*
 * Snapshots by git: a commit with the trees `workspace` and `home`, and what leads from the
 * session's base to it as one pack.
 *
 * It is made with the private repository and index of workspace_private.h, as the agents' user, so
 * the agent's own .git is only asked where its HEAD is.  The pack needs the base and nothing else:
 * any host that can fetch the repository can unpack it.  It is unpacked as the agents' user too,
 * into the session's own objects: mirrors, which others read, never have what an agent said.
 *
 * Left out, as by git: ignored files, empty directories, owners, modes but the executable bit, and
 * repositories inside the workspace.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/snapshot.h"
#include "worker/workspace_private.h"

enum {
	ANSWER_MAX = 8192,
	NAMES_MAX = 8 * 1024 * 1024, /* of the files of a home */
	KEPT_MAX = 12,
	SPEC_SIZE = GIT_OID_MAX + 32,
};

/* The same repository with the home as its work tree. Its index stays, so that only what changed is
 * read again. */
struct home_git {
	struct git git;
	char index[GIT_PATH_MAX + 40];
};

static void home_git_init(struct home_git *h, const struct workspace_scratch *s, const char *home)
{
	char lock[GIT_PATH_MAX + 48];

	h->git = s->git;
	(void)snprintf(h->index, sizeof(h->index), "%s/scratch/home-index", s->ws->private);
	h->git.index = h->index;
	h->git.work_tree = h->git.cwd = home;
	/* One operation at a time: a lock is of a git that was killed. */
	(void)snprintf(lock, sizeof(lock), "%s.lock", h->index);
	(void)unlink(lock);
}

/* ---- saving ---- */

/* One line of what git answers to an input. */
static enum err_code ask(const struct git *git, const struct git_call *call, char *out, size_t size,
                         struct err *err)
{
	struct process_result result;
	enum err_code code = git_run(git, call, &result, err);
	struct str rest = buf_str(&result.out);

	if (code == ERR_OK && !str_copy(out, size, str_split(&rest, '\n'))) {
		code = err_set(err, ERR_BACKEND, "git %s: no answer", call->args[0]);
	}
	process_result_fini(&result);
	return code;
}

/* *ret_tree "": nothing of what is wanted is there. */
static enum err_code save_home(const struct workspace_scratch *s, const struct snapshot_of *of,
                               char tree[GIT_OID_MAX + 1], struct err *err)
{
	static const char *const write_tree[] = { "write-tree", NULL };
	const char *add[KEPT_MAX + 8] = { "add", "--all", "--force", "--ignore-errors", "--" };
	size_t first = 5, n = first;
	struct home_git home;
	enum err_code code;

	tree[0] = '\0';
	for (size_t i = 0; of->kept[i] != NULL && i < KEPT_MAX; i++) {
		char path[2 * GIT_PATH_MAX];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/%s", of->home, of->kept[i]);
		if (lstat(path, &st) == 0) {
			add[n++] = of->kept[i];
		}
	}
	if (n == first) {
		return ERR_OK;
	}
	home_git_init(&home, s, of->home);
	code = git_do(&home.git, add, err);
	if (code == ERR_OK || code == ERR_BACKEND) { /* a socket, or what cannot be read, is left */
		code = git_line(&home.git, write_tree, tree, GIT_OID_MAX + 1, err);
	}
	return code;
}

static void find_head(const struct workspace_scratch *s, struct snapshot_image *image)
{
	static const char *const name[] = { "symbolic-ref", "--quiet", "HEAD", NULL };
	char dir[GIT_PATH_MAX + 32];
	struct git theirs = s->git;
	struct err err;

	if (s->ws->url[0] == '\0') {
		return;
	}
	workspace_parent(s, s->ws, image->head);
	(void)snprintf(dir, sizeof(dir), "%s/.git", s->ws->path);
	theirs.dir = dir;
	theirs.index = theirs.objects = theirs.alternates = NULL;
	if (git_line(&theirs, name, image->head_branch, sizeof(image->head_branch), &err) !=
	            ERR_OK ||
	    !str_starts(str_of(image->head_branch), STR_LIT("refs/heads/")) ||
	    !git_is_branch(str_of(image->head_branch + strlen("refs/heads/")))) {
		image->head_branch[0] = '\0';
	}
}

/* What git ignores; folders as one. */
static void find_left_out(const struct workspace_scratch *s, struct snapshot_image *image)
{
	const struct git_call call = { .args = { "ls-files", "--others", "--ignored",
		                                 "--exclude-standard", "--directory" },
		                       .input_fd = -1,
		                       .output_fd = -1,
		                       .out_max = ANSWER_MAX };
	const size_t room = sizeof(image->left_out) - sizeof(", ...");
	struct process_result result;
	struct str rest;
	struct err err;
	size_t used = 0;

	if (git_run(&s->git, &call, &result, &err) == ERR_OK) {
		rest = buf_str(&result.out);
		while (rest.n > 0) {
			struct str name = str_split(&rest, '\n');
			const char *before = used > 0 ? ", " : "";

			if (used + strlen(before) + name.n >= room) {
				(void)snprintf(image->left_out + used,
				               sizeof(image->left_out) - used, "%s...", before);
				break;
			}
			used += (size_t)snprintf(image->left_out + used, room - used, "%s%" STR_FMT,
			                         before, STR_ARG(name));
		}
	}
	process_result_fini(&result);
}

static enum err_code commit(const struct workspace_scratch *s, const char *home,
                            struct snapshot_image *image, struct err *err)
{
	char root[GIT_OID_MAX + 1], entries[2 * GIT_OID_MAX + 64];
	struct git_call tree = {
		.args = { "mktree" }, .input_fd = -1, .output_fd = -1, .out_max = ANSWER_MAX
	};
	struct git_call make = { .args = { "commit-tree", root },
		                 .input = STR_LIT("Snapshot of a session\n"),
		                 .input_fd = -1,
		                 .output_fd = -1,
		                 .out_max = ANSWER_MAX };
	enum err_code code;

	(void)snprintf(entries, sizeof(entries), "%s%s%s040000 tree %s\tworkspace\n",
	               home[0] != '\0' ? "040000 tree " : "", home,
	               home[0] != '\0' ? "\thome\n" : "", image->tree);
	tree.input = str_of(entries);
	if (image->head[0] != '\0') {
		make.args[2] = "-p";
		make.args[3] = image->head;
	}
	code = ask(&s->git, &tree, root, sizeof(root), err);
	return code == ERR_OK ? ask(&s->git, &make, image->commit, sizeof(image->commit), err)
	                      : code;
}

static enum err_code write_pack(const struct workspace_scratch *s, int fd, uint64_t max_bytes,
                                struct snapshot_image *image, struct err *err)
{
	char revs[2 * GIT_OID_MAX + 8];
	struct git_call pack = { .args = { "pack-objects", "--revs", "--stdout", "-q" },
		                 .input_fd = -1,
		                 .output_fd = fd,
		                 .out_max = ANSWER_MAX };
	struct git git = s->git;
	struct process_result result;
	enum err_code code;
	struct stat st;

	(void)snprintf(revs, sizeof(revs), "%s\n%s%s%s", image->commit,
	               s->ws->url[0] != '\0' ? "^" : "", s->ws->url[0] != '\0' ? s->ws->base : "",
	               s->ws->url[0] != '\0' ? "\n" : "");
	pack.input = str_of(revs);
	git.file_max_bytes = max_bytes;
	code = git_run(&git, &pack, &result, err);
	process_result_fini(&result);
	if (fstat(fd, &st) != 0) {
		return err_set(err, ERR_UNAVAILABLE, "its size: %s", strerror(errno));
	}
	image->bytes = (uint64_t)st.st_size;
	if (code == ERR_BACKEND && image->bytes >= max_bytes) {
		code = err_set(err, ERR_TOO_LARGE, "it would take more than %ju bytes",
		               (uintmax_t)max_bytes);
	}
	return code;
}

static enum err_code save(const struct snapshot_of *of, int fd, uint64_t max_bytes,
                          struct snapshot_image *ret, struct err *err)
{
	static const char *const write_tree[] = { "write-tree", NULL };
	struct snapshot_image image = { .commit = "" };
	char home[GIT_OID_MAX + 1] = "";
	struct workspace_scratch scratch;
	enum err_code code;

	workspace_scratch_init(&scratch, of->all, of->ws);
	code = workspace_add_all(&scratch, NULL, err);
	if (code == ERR_OK) {
		code = git_line(&scratch.git, write_tree, image.tree, sizeof(image.tree), err);
	}
	if (code == ERR_OK && of->home != NULL) {
		code = save_home(&scratch, of, home, err);
	}
	if (code == ERR_OK) {
		image.has_home = home[0] != '\0';
		find_head(&scratch, &image);
		find_left_out(&scratch, &image);
		code = commit(&scratch, home, &image, err);
	}
	if (code == ERR_OK) {
		code = write_pack(&scratch, fd, max_bytes, &image, err);
	}
	*ret = image;
	return code == ERR_OK ? ERR_OK : err_wrap(err, "snapshot");
}

/* ---- loading ---- */

static enum err_code unpack(const struct git *git, int fd, struct err *err)
{
	struct git_call call = { .args = { "index-pack", "--stdin" },
		                 .input_fd = fd,
		                 .output_fd = -1,
		                 .out_max = ANSWER_MAX };
	struct process_result result;
	enum err_code code;

	if (lseek(fd, 0, SEEK_SET) != 0) {
		return err_set(err, ERR_UNAVAILABLE, "read it again: %s", strerror(errno));
	}
	code = git_run(git, &call, &result, err);
	process_result_fini(&result);
	return code;
}

/* Where the agent was in its own repository; what it had staged is among its changes now. */
static enum err_code load_head(const struct workspace_scratch *s, int fd,
                               const struct snapshot_image *image, struct err *err)
{
	const char *const name[] = { "symbolic-ref", "HEAD", image->head_branch, NULL };
	const char *const move[] = { "update-ref", "HEAD", image->head, NULL };
	const char *const detach[] = { "update-ref", "--no-deref", "HEAD", image->head, NULL };
	const char *const index[] = { "read-tree", image->head, NULL };
	const bool named = image->head_branch[0] != '\0';
	char dir[GIT_PATH_MAX + 32];
	struct git theirs = s->git;
	enum err_code code = ERR_OK;

	(void)snprintf(dir, sizeof(dir), "%s/.git", s->ws->path);
	theirs.dir = dir;
	theirs.work_tree = theirs.index = theirs.objects = theirs.alternates = NULL;
	if (strcmp(image->head, s->ws->base) != 0) {
		code = unpack(&theirs, fd, err);
	}
	if (code == ERR_OK && named) {
		code = git_do(&theirs, name, err);
	}
	if (code == ERR_OK) {
		code = git_do(&theirs, named ? move : detach, err);
	}
	return code == ERR_OK ? git_do(&theirs, index, err) : code;
}

static struct str renamed(struct str part, bool last, const struct snapshot_rename *rename,
                          struct arena *arena)
{
	const char *name = NULL;

	if (rename->from != NULL && str_eq(part, str_of(rename->from))) {
		name = rename->to;
	} else if (last && rename->file != NULL) {
		name = rename->file(part, rename->epoch, arena);
	}
	return name != NULL ? str_of(name) : part;
}

/* names: "mode type oid\tpath\0"... */
static void rename_all(struct str names, const struct snapshot_rename *rename, struct buf *out)
{
	struct arena *arena = arena_new();

	while (names.n > 0) {
		struct str path = str_split(&names, '\0');
		char before = '\t';

		buf_add_str(out, str_split(&path, '\t'));
		while (path.n > 0) {
			struct str part = str_split(&path, '/');

			buf_add_char(out, before);
			buf_add_str(out, renamed(part, path.n == 0, rename, arena));
			before = '/';
		}
		buf_add_char(out, '\0');
	}
	arena_free(arena);
}

static enum err_code load_home(const struct workspace_scratch *s, const char *path,
                               const struct snapshot_image *image,
                               const struct snapshot_rename *rename, struct err *err)
{
	static const char *const checkout[] = { "checkout-index", "--all", "--force", NULL };
	char spec[SPEC_SIZE];
	const struct git_call list = { .args = { "ls-tree", "-r", "-z", spec },
		                       .input_fd = -1,
		                       .output_fd = -1,
		                       .out_max = NAMES_MAX };
	struct git_call put = { .args = { "update-index", "-z", "--index-info" },
		                .input_fd = -1,
		                .output_fd = -1,
		                .out_max = ANSWER_MAX };
	struct process_result result;
	struct home_git home;
	struct buf names;
	enum err_code code;

	(void)snprintf(spec, sizeof(spec), "%s:home", image->commit);
	home_git_init(&home, s, path);
	(void)unlink(home.index);
	code = git_run(&home.git, &list, &result, err);
	if (code == ERR_OK && result.truncated) {
		code = err_set(err, ERR_TOO_LARGE, "it has too many files");
	}
	buf_init(&names, 2 * NAMES_MAX);
	if (code == ERR_OK) {
		rename_all(buf_str(&result.out), rename, &names);
	}
	process_result_fini(&result);
	if (code == ERR_OK) {
		put.input = buf_str(&names);
		code = git_run(&home.git, &put, &result, err);
		process_result_fini(&result);
	}
	buf_fini(&names);
	return code == ERR_OK ? git_do(&home.git, checkout, err) : code;
}

static enum err_code load(const struct snapshot_of *into, int fd,
                          const struct snapshot_image *image, const struct snapshot_rename *rename,
                          struct err *err)
{
	char spec[SPEC_SIZE];
	const char *const read_tree[] = { "read-tree", "--reset", "-u", spec, NULL };
	struct workspace_scratch scratch;
	enum err_code code;

	(void)snprintf(spec, sizeof(spec), "%s:workspace", image->commit);
	workspace_scratch_init(&scratch, into->all, into->ws);
	code = unpack(&scratch.git, fd, err);
	if (code == ERR_OK) {
		code = git_do(&scratch.git, read_tree, err);
	}
	if (code == ERR_OK && image->head[0] != '\0') {
		code = load_head(&scratch, fd, image, err);
	}
	if (code == ERR_OK && image->has_home && into->home != NULL) {
		code = load_home(&scratch, into->home, image, rename, err);
	}
	return code == ERR_OK ? ERR_OK : err_wrap(err, "restore the snapshot");
}

const struct snapshot_ops snapshot_git = {
	.name = "git", .is_pack = true, .save = save, .load = load
};
