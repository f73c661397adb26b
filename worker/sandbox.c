#include "worker/sandbox.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

enum { WORDS_OWN = 96, WORDS_A_PATH = 5, PROBE_MS = 10000 };

#define GUARD_INSIDE "/run/fairlead/guard"

const char *sandbox_profile_name(enum sandbox_profile profile)
{
	static const char *const names[] = { "none", "workspace-write", "read-only" };

	return names[profile];
}

struct words {
	struct arena *arena;
	const struct process_user *user;
	const char **words;
	size_t count, max;
};

static void add(struct words *w, const char *word)
{
	assert(w->count + 1 < w->max); /* a mount left out would be a hole */
	w->words[w->count++] = word;
}

static void add_mount(struct words *w, const char *how, const char *path)
{
	if (path != NULL && path[0] == '/') {
		add(w, how);
		add(w, path);
		add(w, path);
	}
}

static void add_number(struct words *w, const char *option, uint64_t number)
{
	if (number > 0) {
		add(w, option);
		add(w, arena_printf(w->arena, "%" PRIu64, number));
	}
}

static void add_private(struct words *w, const struct sandbox_host *host, const char *path)
{
	add_number(w, "--size", host->limits.file_size);
	add(w, "--tmpfs");
	add(w, path);
}

/* As it is named after all links: bubblewrap makes no mount point through one. NULL: not there. */
static const char *real_path(struct words *w, struct str path)
{
	char real[PATH_MAX];

	return path.n > 0 && path.p[0] == '/' &&
	                       realpath(arena_strdup(w->arena, path), real) != NULL
	               ? arena_strdup(w->arena, str_of(real))
	               : NULL;
}

/* By the agents' user. What cannot be asked for cannot be reached either. */
static bool is_readable(const struct words *w, const char *folder)
{
	const bool drop = w->user != NULL && w->user->drop;
	struct stat st;

	if (stat(folder, &st) != 0) {
		return false;
	}
	if (st.st_uid == (drop ? w->user->uid : geteuid())) {
		return (st.st_mode & S_IRUSR) != 0;
	}
	if (st.st_gid == (drop ? w->user->gid : getegid())) {
		return (st.st_mode & S_IRGRP) != 0;
	}
	return (st.st_mode & S_IROTH) != 0;
}

/* bubblewrap (0.12) opens each folder on the way to a mount point, so one that the agents' user may
 * pass but not read is hidden whole. False: there is none. */
static bool hide_way(struct words *w, const char *real)
{
	for (const char *end = strchr(real + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
		const char *folder = arena_strdup(w->arena, str_make(real, (size_t)(end - real)));

		if (!is_readable(w, folder)) {
			add(w, "--tmpfs");
			add(w, folder);
			return true;
		}
	}
	return false;
}

static void hide(struct words *w, struct str path)
{
	const char *real = real_path(w, path);
	struct stat st;

	if (real == NULL || stat(real, &st) != 0 || strcmp(real, "/") == 0 || hide_way(w, real)) {
		return;
	}
	if (S_ISDIR(st.st_mode)) {
		add(w, "--tmpfs");
		add(w, real);
	} else {
		add(w, "--ro-bind");
		add(w, "/dev/null");
		add(w, real);
	}
}

static void hide_each(struct words *w, const char *list)
{
	struct str rest = str_of(list != NULL ? list : "");

	while (rest.n > 0) {
		hide(w, str_trim(str_split(&rest, ',')));
	}
}

static void show_each(struct words *w, const char *list)
{
	struct str rest = str_of(list != NULL ? list : "");

	while (rest.n > 0) {
		const char *real = real_path(w, str_trim(str_split(&rest, ',')));

		if (real != NULL) {
			(void)hide_way(w, real); /* before any of them is there */
		}
	}
	rest = str_of(list != NULL ? list : "");
	while (rest.n > 0) {
		struct str path = str_trim(str_split(&rest, ','));

		if (real_path(w, path) != NULL) {
			add_mount(w, "--ro-bind", arena_strdup(w->arena, path));
		}
	}
}

/* The order counts: a later mount lies over an earlier one. */
static void add_files(struct words *w, const struct sandbox_host *host,
                      const struct sandbox_place *place)
{
	const char *workspace = place->profile == SANDBOX_READ_ONLY ? "--ro-bind" : "--bind";

	add_mount(w, "--ro-bind", "/");
	add(w, "--dev");
	add(w, "/dev");
	add(w, "--proc");
	add(w, "/proc");
	add_private(w, host, "/tmp");
	add_private(w, host, "/var/tmp");
	add_private(w, host, "/run"); /* sockets of the host's services are files there */
	hide_each(w, host->hide);
	hide_each(w, host->home);
	hide_each(w, host->state_dir);
	show_each(w, host->show);
	add(w, "--ro-bind");
	add(w, host->guard_path);
	add(w, GUARD_INSIDE);
	add_mount(w, "--ro-bind", place->objects);
	add_mount(w, workspace, place->workspace);
	add_mount(w, "--bind", place->home);
	add_mount(w, "--bind", place->socket);
	add_mount(w, "--bind", place->egress);
}

static void add_bridges(struct words *w, const struct sandbox_place *place)
{
	if (place->egress != NULL) {
		add_number(w, "--proxy", SANDBOX_PROXY_PORT);
		add(w, place->egress);
	}
	if (place->serve != NULL) {
		add(w, "--serve");
		add(w, place->serve);
	}
}

static size_t paths_in(const char *list)
{
	size_t n = 1;

	for (; list != NULL && *list != '\0'; list++) {
		n += *list == ',' ? 1 : 0;
	}
	return n;
}

static size_t words_max(const struct sandbox_host *host)
{
	return WORDS_OWN + WORDS_A_PATH * (paths_in(host->hide) + paths_in(host->show) +
	                                   paths_in(host->home) + paths_in(host->state_dir));
}

const char *const *sandbox_words(const struct sandbox_host *host, const struct sandbox_place *place,
                                 struct arena *arena)
{
	static const char *const spaces[] = { "--unshare-user",   "--unshare-pid",
		                              "--unshare-ipc",    "--unshare-uts",
		                              "--unshare-net",    "--unshare-cgroup-try",
		                              "--disable-userns", "--die-with-parent",
		                              "--cap-drop",       "ALL",
		                              "--hostname",       "sandbox" };
	struct words w = { .arena = arena, .user = host->user, .max = words_max(host) };

	w.words = arena_take(arena, w.max * sizeof(*w.words));

	add(&w, host->bwrap);
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		add(&w, spaces[i]);
	}
	add_files(&w, host, place);
	add(&w, "--");
	add(&w, GUARD_INSIDE);
	add(&w, "inside");
	add_bridges(&w, place);
	add_number(&w, "--processes", host->limits.processes);
	add_number(&w, "--memory", host->limits.memory);
	add_number(&w, "--file-size", host->limits.file_size);
	add(&w, "--");
	return w.words;
}

/* ---- whether it works here ---- */

static const char *in_path(const char *name, struct arena *arena)
{
	const char *path = getenv("PATH");
	struct str rest = str_of(path != NULL ? path : "/usr/bin:/bin");

	while (rest.n > 0) {
		struct str folder = str_split(&rest, ':');
		const char *file = arena_printf(arena, "%" STR_FMT "/%s", STR_ARG(folder), name);

		if (folder.n > 0 && folder.p[0] == '/' && access(file, X_OK) == 0) {
			return file;
		}
	}
	return NULL;
}

enum err_code sandbox_find(const struct sandbox_host *host, const struct process_user *user,
                           struct arena *arena, const char **ret, struct err *err)
{
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	const struct sandbox_place place = { .profile = SANDBOX_READ_ONLY };
	struct sandbox_host with = *host;
	const char *const *words;
	const char **argv;
	struct process_run run;
	struct process_result result;
	size_t count = 0;
	enum err_code code;

	with.user = user;
	with.bwrap = in_path("bwrap", arena);
	if (with.bwrap == NULL) {
		return err_set(err, ERR_UNSUPPORTED, "bwrap is not in PATH");
	}
	words = sandbox_words(&with, &place, arena);
	argv = arena_take(arena, (words_max(&with) + 2) * sizeof(*argv));
	for (; words[count] != NULL; count++) {
		argv[count] = words[count];
	}
	argv[count++] = "true";
	argv[count] = NULL;
	run = process_run_init(argv, env);
	run.spec.user = user;
	run.timeout_ms = PROBE_MS;
	code = process_run(&run, &result, err);
	if (code != ERR_OK) {
		code = err_set(err, ERR_UNSUPPORTED, "bwrap: %s",
		               result.reason[0] != '\0' ? result.reason : err_text(code));
	}
	process_result_fini(&result);
	*ret = with.bwrap;
	return code;
}
