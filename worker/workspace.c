#include "worker/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/fiber.h"
#include "worker/mirror.h"
#include "worker/workspace_private.h"

/* Of git, for SHA-1: the id of no files at all, known to every repository. */
static const char empty_tree[] = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

enum { REMOVE_TIMEOUT_MS = 10 * 60 * 1000 };

/* ---- directories ---- */

static enum err_code make_dir(const char *path, mode_t mode, const struct process_user *owner,
                              struct err *err)
{
	if ((mkdir(path, mode) != 0 && errno != EEXIST) || chmod(path, mode) != 0 ||
	    (owner != NULL && owner->drop && chown(path, owner->uid, owner->gid) != 0)) {
		return err_set(err, ERR_UNAVAILABLE, "make %s: %s", path, strerror(errno));
	}
	return ERR_OK;
}

static enum err_code write_file(const char *path, const char *text, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	size_t len = strlen(text);
	/* Whatever our umask is: the agents' git reads these. */
	bool written = fd >= 0 && fchmod(fd, 0644) == 0 && write(fd, text, len) == (ssize_t)len;
	int why = errno;

	if (fd >= 0 && close(fd) != 0) {
		written = false;
	}
	return written ? ERR_OK
	               : err_set(err, ERR_UNAVAILABLE, "write %s: %s", path, strerror(why));
}

static enum err_code make_state(const struct workspaces *all, struct err *err)
{
	static const char *const names[] = { "/mirrors", "/workspaces", "/private", "/origins" };
	enum err_code code = ERR_OK;

	/* One that exists keeps its mode: it may hold more than ours. */
	if (mkdir(all->state_dir, 0711) != 0 && errno != EEXIST) {
		return err_set(err, ERR_UNAVAILABLE, "make %s: %s", all->state_dir,
		               strerror(errno));
	}

	for (size_t i = 0; i < ARRAY_LEN(names) && code == ERR_OK; i++) {
		char path[GIT_PATH_MAX + 32];

		(void)snprintf(path, sizeof(path), "%s%s", all->state_dir, names[i]);
		code = make_dir(path, 0711, NULL, err); /* agents find what they know the name of */
	}
	return code == ERR_OK
	               ? write_file(all->config, git_config_text(all->options.allow_local), err)
	               : code;
}

enum err_code workspaces_new(const struct workspace_options *options, struct workspaces **ret,
                             struct err *err)
{
	struct workspaces *all = mem_calloc(1, sizeof(*all));
	enum err_code code = ERR_OK;

	all->options = *options;
	/* The longest path is of a lock file in a mirror, or in a session's scratch directory. */
	if (options->state_dir[0] != '/' || strlen(options->state_dir) > GIT_PATH_MAX / 2) {
		code = err_set(err, ERR_INVALID, "the state directory must be an absolute path");
	}
	if (code == ERR_OK) {
		all->state_dir = mem_strdup(options->state_dir);
		all->program = mem_strdup(options->program != NULL ? options->program : "git");
		all->config = mem_calloc(1, GIT_PATH_MAX);
		(void)snprintf(all->config, GIT_PATH_MAX, "%s/gitconfig", all->state_dir);
		code = make_state(all, err);
	}
	if (code != ERR_OK) {
		workspaces_free(all);
		return code;
	}
	*ret = all;
	return ERR_OK;
}

void workspaces_free(struct workspaces *all)
{
	if (all != NULL) {
		free(all->state_dir);
		free(all->program);
		free(all->config);
		free(all);
	}
}

static void paths_of(const struct workspaces *all, const struct id *session, struct workspace *ws)
{
	ws->session = *session;
	(void)snprintf(ws->path, sizeof(ws->path), "%s/workspaces/%s", all->state_dir, session->s);
	(void)snprintf(ws->private, sizeof(ws->private), "%s/private/%s", all->state_dir,
	               session->s);
}

/* ---- preparing ---- */

static struct git as_agent(const struct workspaces *all, const char *cwd)
{
	return (struct git){ .program = all->program,
		             .config = all->config,
		             .user = &all->options.user,
		             .cwd = cwd,
		             .timeout_ms = all->options.fetch_timeout_ms,
		             .file_max_bytes = all->options.file_max_bytes };
}

/* Before the agent runs: this .git is still as git made it. */
static enum err_code clone_workspace(const struct workspaces *all, const struct workspace *ws,
                                     struct err *err)
{
	const char *const clone[] = { "-c",
		                      "protocol.file.allow=always",
		                      "clone",
		                      "--quiet",
		                      "--shared",
		                      "--no-checkout",
		                      "--template=",
		                      "--config=user.name=Fairlead",
		                      "--config=user.email=agent@fairlead.invalid",
		                      "--config=gc.auto=0",
		                      "--",
		                      ws->mirror,
		                      ws->path,
		                      NULL };
	const char *const url[] = { "remote", "set-url", "origin", ws->url, NULL };
	const char *const on_branch[] = { "checkout", "--quiet", "-B", ws->branch, ws->base, NULL };
	const char *const detached[] = { "checkout", "--quiet", "--detach", ws->base, NULL };
	struct git git = as_agent(all, ws->path);
	enum err_code code = git_do(&git, clone, err);

	if (code == ERR_OK) {
		code = git_do(&git, url, err);
	}
	if (code == ERR_OK) {
		code = git_do(&git, ws->branch[0] != '\0' ? on_branch : detached, err);
	}
	return code != ERR_OK ? err_wrap(err, "make the workspace") : ERR_OK;
}

/* A repository of ours by hand: nothing of it comes from a template or from the agent. */
static enum err_code make_private(const struct workspaces *all, const struct workspace *ws,
                                  struct err *err)
{
	static const struct {
		const char *name;
		bool of_agent;
	} dirs[] = { { "", false },          { "/git", false },    { "/git/objects", false },
		     { "/git/refs", false }, { "/scratch", true }, { "/scratch/objects", true } };
	bool sha256 = strlen(ws->base) == GIT_OID_MAX;
	char path[GIT_PATH_MAX + 64];
	enum err_code code = ERR_OK;

	for (size_t i = 0; i < ARRAY_LEN(dirs) && code == ERR_OK; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", ws->private, dirs[i].name);
		code = make_dir(path, dirs[i].of_agent ? 0700 : 0755,
		                dirs[i].of_agent ? &all->options.user : NULL, err);
	}
	if (code == ERR_OK) {
		(void)snprintf(path, sizeof(path), "%s/git/HEAD", ws->private);
		code = write_file(path, "ref: refs/heads/none\n", err);
	}
	if (code == ERR_OK) {
		(void)snprintf(path, sizeof(path), "%s/git/config", ws->private);
		code = write_file(path,
		                  sha256 ? "[core]\n\trepositoryformatversion = 1\n"
		                           "[extensions]\n\tobjectFormat = sha256\n"
		                         : "[core]\n\trepositoryformatversion = 0\n",
		                  err);
	}
	return code;
}

/* The index of the checkout knows what each file looked like, so that only changed ones are read
 * again. */
static enum err_code copy_index(const struct workspaces *all, const struct workspace *ws,
                                struct err *err)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", NULL };
	char from[GIT_PATH_MAX + 32], to[GIT_PATH_MAX + 32];
	const char *const argv[] = { "cp", "--", from, to, NULL };
	struct process_run run = process_run_init(argv, env);
	struct process_result result;
	enum err_code code;

	(void)snprintf(from, sizeof(from), "%s/.git/index", ws->path);
	(void)snprintf(to, sizeof(to), "%s/scratch/index", ws->private);
	run.spec.user = &all->options.user;
	code = process_run(&run, &result, err);
	process_result_fini(&result);
	return code;
}

static enum err_code fetch(const struct workspaces *all, const struct workspace_request *request,
                           struct workspace *ws, struct err *err)
{
	const struct mirror_options options = workspaces_mirror_options(all);
	struct mirror mirror;
	enum err_code code = mirror_prepare(&options, request->url, request->branch,
	                                    request->commit, &mirror, err);

	if (code == ERR_OK) {
		memcpy(ws->mirror, mirror.path, sizeof(ws->mirror));
		memcpy(ws->base, mirror.base, sizeof(ws->base));
		memcpy(ws->branch, mirror.branch, sizeof(ws->branch));
		ws->url = request->url.p;
	}
	return code;
}

static enum err_code make_workspace(const struct workspaces *all, const struct workspace *ws,
                                    struct err *err)
{
	enum err_code code = make_dir(ws->path, 0700, &all->options.user, err);

	if (code == ERR_OK && ws->url[0] != '\0') {
		code = clone_workspace(all, ws, err);
	}
	if (code == ERR_OK) {
		code = make_private(all, ws, err);
	}
	if (code == ERR_OK && ws->url[0] != '\0') {
		code = copy_index(all, ws, err);
	}
	return code;
}

enum err_code workspace_prepare(struct workspaces *all, const struct workspace_request *request,
                                struct workspace *ret, struct err *err)
{
	struct workspace ws = { .url = "" };
	enum err_code code;

	if (request->url.n == 0 && (request->branch.n > 0 || request->commit.n > 0)) {
		return err_set(err, ERR_INVALID, "a branch or commit needs a repository");
	}
	paths_of(all, &request->session, &ws);
	memcpy(ws.base, empty_tree, sizeof(empty_tree));
	code = workspace_remove(all, &request->session, err);
	if (code == ERR_OK && request->url.n > 0) {
		code = fetch(all, request, &ws, err);
	}
	if (code == ERR_OK) {
		code = make_workspace(all, &ws, err);
	}
	if (code != ERR_OK) {
		struct err ignored;

		fiber_shield();
		(void)!workspace_remove(all, &request->session, &ignored);
		fiber_unshield();
		return code;
	}
	*ret = ws;
	return ERR_OK;
}

/* ---- removing ---- */

/* GNU rm walks with openat() and never follows a link, so what an agent planted leads nowhere. */
static enum err_code remove_tree(const char *path, struct err *err)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", NULL };
	const char *const rm[] = { "rm", "-rf", "--one-file-system", "--", path, NULL };
	const char *const open_up[] = { "chmod", "-R", "u+rwX", "--", path, NULL };
	struct process_run run = process_run_init(rm, env);
	struct process_result result;
	struct stat st;
	enum err_code code;

	if (lstat(path, &st) != 0 && errno == ENOENT) {
		return ERR_OK;
	}
	run.timeout_ms = REMOVE_TIMEOUT_MS;
	code = process_run(&run, &result, err);
	process_result_fini(&result);
	if (code != ERR_BACKEND || geteuid() == 0) {
		return code;
	}
	/* Not root, and the agent took our rights to its own directories. */
	run.spec.argv = open_up;
	(void)!process_run(&run, &result, err);
	process_result_fini(&result);
	run.spec.argv = rm;
	code = process_run(&run, &result, err);
	process_result_fini(&result);
	return code;
}

enum err_code workspace_remove(struct workspaces *all, const struct id *session, struct err *err)
{
	struct workspace ws = { .url = "" };
	enum err_code code;

	paths_of(all, session, &ws);
	code = remove_tree(ws.path, err);
	if (code == ERR_OK) {
		code = remove_tree(ws.private, err);
	}
	return code != ERR_OK ? err_wrap(err, "remove the workspace") : ERR_OK;
}

static enum err_code sweep_dir(struct workspaces *all, const char *name,
                               bool (*keep)(const struct id *session, void *arg), void *arg,
                               struct err *err)
{
	char path[GIT_PATH_MAX + 32];
	const struct dirent *entry;
	enum err_code code = ERR_OK;
	struct id session;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/%s", all->state_dir, name);
	dir = opendir(path);
	if (dir == NULL) {
		return err_set(err, ERR_UNAVAILABLE, "open %s: %s", path, strerror(errno));
	}
	while (code == ERR_OK && (entry = readdir(dir)) != NULL) {
		if (id_parse(str_of(entry->d_name), &session) && !keep(&session, arg)) {
			code = workspace_remove(all, &session, err);
		}
	}
	(void)closedir(dir);
	return code;
}

enum err_code workspaces_sweep(struct workspaces *all,
                               bool (*keep)(const struct id *session, void *arg), void *arg,
                               struct err *err)
{
	enum err_code code = sweep_dir(all, "workspaces", keep, arg, err);

	return code == ERR_OK ? sweep_dir(all, "private", keep, arg, err) : code;
}
