#include "worker/mirror.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/fiber.h"

enum {
	LOCK_POLL_MIN_MS = 5,
	LOCK_POLL_MAX_MS = 200,
	REF_MAX = GIT_BRANCH_MAX + 32,
	NAMES_MAX = 8, /* repositories with one hash */
	NAME_SIZE = 40,
};

struct want {
	const struct mirror_options *options;
	struct git git;
	struct mirror *mirror;
	char url[GIT_URL_MAX + 1];
	char branch[GIT_BRANCH_MAX + 1];
	char commit[GIT_OID_MAX + 1];
	int64_t begun_ms; /* wall clock, as file times are */
};

struct git mirror_git(const struct mirror_options *options, const char *path)
{
	return (struct git){ .program = options->program,
		             .config = options->config,
		             .dir = path,
		             .timeout_ms = options->git_timeout_ms };
}

static int64_t wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- names ---- */

static uint64_t fnv(const char *s, uint64_t hash)
{
	for (; *s != '\0'; s++) {
		hash = (hash ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	}
	return hash;
}

static void mirror_file(const char *path, const char *name, char out[GIT_PATH_MAX + 32])
{
	(void)snprintf(out, GIT_PATH_MAX + 32, "%s/%s", path, name);
}

/* Whether the mirror is of this repository: a hash can be made to collide, a URL cannot. */
static bool is_mirror_of(const char *path, const char *url, bool *ret_exists)
{
	char name[GIT_PATH_MAX + 32], text[GIT_URL_MAX + 1];
	ssize_t n;
	int fd;

	mirror_file(path, "fairlead-url", name);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	*ret_exists = fd >= 0;
	if (fd < 0) {
		return false;
	}
	n = read(fd, text, sizeof(text));
	(void)close(fd);
	return n >= 0 && (size_t)n == strlen(url) && memcmp(text, url, (size_t)n) == 0;
}

static enum err_code choose_path(struct want *w, struct err *err)
{
	uint64_t a = fnv(w->url, UINT64_C(0xcbf29ce484222325));
	uint64_t b = fnv(w->url, a ^ UINT64_C(0x9e3779b97f4a7c15));

	for (unsigned i = 0; i < NAMES_MAX; i++) {
		char name[NAME_SIZE];
		bool exists;

		(void)snprintf(name, sizeof(name), "%016" PRIx64 "%08" PRIx32 "%x", a,
		               (uint32_t)(b >> 32), i);
		if (snprintf(w->mirror->path, GIT_PATH_MAX, "%s/mirrors/%s.git",
		             w->options->state_dir, name) >= GIT_PATH_MAX) {
			return err_set(err, ERR_INVALID, "the state directory's path is too long");
		}
		if (is_mirror_of(w->mirror->path, w->url, &exists) || !exists) {
			return ERR_OK;
		}
	}
	return err_set(err, ERR_INTERNAL, "too many repositories share one name");
}

/* ---- the lock ---- */

/* flock() cannot be waited for by a loop, and a thread that blocks in it cannot be called back. */
static enum err_code lock(struct want *w, int *ret_fd, struct err *err)
{
	uint64_t until = clock_mono_ms() + w->options->lock_timeout_ms, pause = LOCK_POLL_MIN_MS;
	char name[GIT_PATH_MAX + 32];
	enum err_code code;
	int fd;

	(void)snprintf(name, sizeof(name), "%s.lock", w->mirror->path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		return err_set(err, ERR_UNAVAILABLE, "open %s: %s", name, strerror(errno));
	}
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		code = clock_mono_ms() < until ? fiber_sleep(pause) : ERR_TIMEOUT;
		if (code != ERR_OK) {
			(void)close(fd);
			return err_set(err, code, "wait for another fetch of this repository: %s",
			               err_text(code));
		}
		pause = pause * 2 < LOCK_POLL_MAX_MS ? pause * 2 : LOCK_POLL_MAX_MS;
	}
	*ret_fd = fd;
	return ERR_OK;
}

/* ---- clone and fetch ---- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	return fd >= 0 && close(fd) == 0 && written;
}

static void stamp(const struct want *w, int64_t at_ms)
{
	char name[GIT_PATH_MAX + 32];
	struct timespec times[2];

	times[0] = times[1] = (struct timespec){ .tv_sec = (time_t)(at_ms / 1000),
		                                 .tv_nsec = (long)(at_ms % 1000) * 1000000 };
	mirror_file(w->mirror->path, "fairlead-fetched", name);
	if (write_file(name, "")) {
		(void)utimensat(AT_FDCWD, name, times, 0);
	}
}

/* A fetch that began after we did is as good as ours, however short fresh_ms is. */
static bool is_fresh(const struct want *w)
{
	char name[GIT_PATH_MAX + 32];
	struct stat st;
	int64_t at;

	mirror_file(w->mirror->path, "fairlead-fetched", name);
	if (stat(name, &st) != 0) {
		return false;
	}
	at = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return at > w->begun_ms || w->begun_ms - at < (int64_t)w->options->fresh_ms;
}

static enum err_code run_tool(const char *const *argv, struct err *err)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", NULL };
	struct process_run run = process_run_init(argv, env);
	struct process_result result;
	enum err_code code = process_run(&run, &result, err);

	process_result_fini(&result);
	return code;
}

static struct git fetching(const struct want *w, const char *dir)
{
	struct git git = mirror_git(w->options, dir);

	git.timeout_ms = w->options->fetch_timeout_ms;
	return git;
}

/* Into a name of its own, then renamed: a mirror that exists is whole. */
static enum err_code clone_mirror(const struct want *w, struct err *err)
{
	char fresh[GIT_PATH_MAX + 32], name[GIT_PATH_MAX + 64];
	const char *const clone[] = { "clone", "--bare", "--quiet", "--no-local", "--template=",
		                      "--",    w->url,   fresh,     NULL };
	const char *const clear[] = { "rm", "-rf", "--", fresh, NULL };
	struct git git = fetching(w, NULL);
	int64_t began = wall_ms();
	enum err_code code;

	(void)snprintf(fresh, sizeof(fresh), "%s.new", w->mirror->path);
	code = run_tool(clear, err); /* of a worker that was killed */
	if (code == ERR_OK) {
		code = git_do(&git, clone, err);
	}
	if (code != ERR_OK) {
		fiber_shield();
		(void)!run_tool(clear, &(struct err){ ERR_OK, "" });
		fiber_unshield();
		return code;
	}
	(void)snprintf(name, sizeof(name), "%s/fairlead-url", fresh);
	if (!write_file(name, w->url) || chmod(fresh, 0755) != 0 ||
	    rename(fresh, w->mirror->path) != 0) {
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", w->mirror->path, strerror(errno));
	}
	stamp(w, began);
	return ERR_OK;
}

/* We hold the repository's lock, so a lock file of git's is of a fetch that was killed. True if
 * there was one. */
static bool remove_stale_locks(const struct want *w)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", "LC_ALL=C", NULL };
	const char *const argv[] = { "find", w->mirror->path, "(",          "-name", "*.lock",
		                     "-o",   "-name",         "tmp_pack_*", ")",     "-type",
		                     "f",    "-print",        "-delete",    NULL };
	struct process_run run = process_run_init(argv, env);
	struct process_result result;
	struct err err;
	bool found = process_run(&run, &result, &err) == ERR_OK && result.out.len > 0;

	process_result_fini(&result);
	return found;
}

static enum err_code fetch_once(const struct want *w, struct err *err)
{
	const char *const args[] = { "fetch",
		                     "--quiet",
		                     "--force",
		                     "--prune",
		                     "--no-tags",
		                     "--no-write-fetch-head",
		                     "--",
		                     w->url,
		                     "+refs/heads/*:refs/heads/*",
		                     "+refs/tags/*:refs/tags/*",
		                     NULL };
	struct git git = fetching(w, w->mirror->path);

	return git_do(&git, args, err);
}

/* The remote may have renamed its default branch since it was cloned. */
static void follow_default_branch(const struct want *w)
{
	const char *const ask[] = { "ls-remote", "--symref", "--", w->url, "HEAD", NULL };
	char line[REF_MAX], *end;
	struct git git = fetching(w, w->mirror->path);
	struct err err;

	if (git_line(&git, ask, line, sizeof(line), &err) != ERR_OK ||
	    (end = strchr(line, '\t')) == NULL) {
		return;
	}
	*end = '\0';
	if (str_starts(str_of(line), STR_LIT("ref: refs/heads/"))) {
		const char *const set[] = { "symbolic-ref", "HEAD", line + strlen("ref: "), NULL };

		(void)!git_do(&git, set, &err);
	} else if (git_is_commit(str_of(line))) {
		/* A checkout that is on no branch, as build machines have them. */
		const char *const fetch[] = { "fetch",     "--quiet",
			                      "--no-tags", "--no-write-fetch-head",
			                      "--",        w->url,
			                      "HEAD",      NULL };
		const char *const set[] = { "update-ref", "--no-deref", "HEAD", line, NULL };

		(void)!(git_do(&git, fetch, &err) == ERR_OK ? git_do(&git, set, &err) : err.code);
	}
}

static enum err_code fetch_mirror(const struct want *w, struct err *err)
{
	int64_t began = wall_ms();
	enum err_code code = fetch_once(w, err);

	if (code == ERR_BACKEND && remove_stale_locks(w)) {
		code = fetch_once(w, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (w->branch[0] == '\0' && w->commit[0] == '\0') {
		follow_default_branch(w);
	}
	stamp(w, began);
	return ERR_OK;
}

/* ---- the commit ---- */

static bool resolve(const struct want *w, const char *prefix, const char *name)
{
	char spec[REF_MAX + GIT_OID_MAX];
	const char *const args[] = { "rev-parse",        "--verify", "--quiet",
		                     "--end-of-options", spec,       NULL };
	struct err err;

	(void)snprintf(spec, sizeof(spec), "%s%s^{commit}", prefix, name);
	return git_line(&w->git, args, w->mirror->base, sizeof(w->mirror->base), &err) == ERR_OK;
}

static bool resolve_default(const struct want *w)
{
	const char *const args[] = { "symbolic-ref", "--quiet", "HEAD", NULL };
	char ref[REF_MAX];
	struct err err;

	if (git_line(&w->git, args, ref, sizeof(ref), &err) != ERR_OK) {
		return resolve(w, "", "HEAD"); /* on no branch */
	}
	if (!str_starts(str_of(ref), STR_LIT("refs/heads/"))) {
		return false;
	}
	return str_copy(w->mirror->branch, sizeof(w->mirror->branch),
	                str_of(ref + strlen("refs/heads/"))) &&
	       resolve(w, "", ref);
}

static bool find_commit(const struct want *w)
{
	(void)str_copy(w->mirror->branch, sizeof(w->mirror->branch), str_of(w->branch));
	if (w->commit[0] != '\0') {
		return resolve(w, "", w->commit);
	}
	if (w->branch[0] == '\0') {
		return resolve_default(w);
	}
	if (resolve(w, "refs/heads/", w->branch)) {
		return true;
	}
	w->mirror->branch[0] = '\0';
	return resolve(w, "refs/tags/", w->branch);
}

/* Not on any branch any more, or not yet: many servers give a commit to who knows its name. */
static void fetch_commit(const struct want *w)
{
	const char *const args[] = { "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
		                     "--",    w->url,    w->commit,   NULL };
	struct git git = fetching(w, w->mirror->path);
	struct err err;

	(void)!git_do(&git, args, &err);
}

/* A commit never changes, and a branch may be as old as fresh_ms: neither waits for another's
 * fetch. */
static bool is_here(const struct want *w)
{
	bool exists;

	return is_mirror_of(w->mirror->path, w->url, &exists) &&
	       (w->commit[0] != '\0' || is_fresh(w)) && find_commit(w);
}

static enum err_code prepare_locked(struct want *w, struct err *err)
{
	enum err_code code = ERR_OK;
	bool exists;

	(void)is_mirror_of(w->mirror->path, w->url, &exists);
	if (!exists) {
		code = clone_mirror(w, err);
	} else if (!is_here(w)) {
		code = fetch_mirror(w, err);
	}
	if (code != ERR_OK) {
		return err_wrap(err, "fetch the repository");
	}
	if (find_commit(w)) {
		return ERR_OK;
	}
	if (w->commit[0] != '\0' && strlen(w->commit) >= 40) {
		fetch_commit(w);
		if (find_commit(w)) {
			return ERR_OK;
		}
	}
	if (fiber_cancelled()) {
		return err_set(err, ERR_CANCELLED, "fetch the repository: %s",
		               err_text(ERR_CANCELLED));
	}
	if (w->commit[0] != '\0') {
		return err_set(err, ERR_NOT_FOUND, "the repository has no commit %s", w->commit);
	}
	return w->branch[0] != '\0'
	               ? err_set(err, ERR_NOT_FOUND, "the repository has no branch %s", w->branch)
	               : err_set(err, ERR_NOT_FOUND, "the repository is empty");
}

enum err_code mirror_prepare(const struct mirror_options *options, struct str url,
                             struct str branch, struct str commit, struct mirror *ret,
                             struct err *err)
{
	struct mirror mirror = { .base = "" };
	struct want want = { .options = options, .mirror = &mirror, .begun_ms = wall_ms() };
	enum err_code code = git_check_url(url, options->allow_local, err);
	int fd = -1;

	if (code != ERR_OK) {
		return code;
	}
	if (branch.n > 0 && !git_is_branch(branch)) {
		return err_set(err, ERR_INVALID, "the branch name is not valid");
	}
	if (commit.n > 0 && !git_is_commit(commit)) {
		return err_set(err, ERR_INVALID, "the commit must be 7 to 64 hex digits");
	}
	(void)str_copy(want.url, sizeof(want.url), url);
	(void)str_copy(want.branch, sizeof(want.branch), branch);
	(void)str_copy(want.commit, sizeof(want.commit), commit);
	code = choose_path(&want, err);
	if (code != ERR_OK) {
		return code;
	}
	want.git = mirror_git(options, mirror.path);
	if (!is_here(&want)) {
		code = lock(&want, &fd, err);
		if (code != ERR_OK) {
			return code;
		}
		code = prepare_locked(&want, err);
		(void)close(fd);
	}
	if (code == ERR_OK) {
		*ret = mirror;
	}
	return code;
}
