#include "worker/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "loop/fiber.h"

enum {
	MOUNTS_MAX = 256 * 1024, /* bytes of mountinfo, which is long where containers run */
	TEXT_MAX = 4096,
	WORD_MAX = 96,
	CPU_PERIOD_US = 100000,
	CPU_WHOLE = 100, /* hundredths of one processor */
	REMOVE_LOOK_MS = 20,
	SWEEP_TIMEOUT_MS = 5000,
};

static const char *const controllers[CGROUP_LIMIT_COUNT] = {
	[CGROUP_MEMORY] = "memory",
	[CGROUP_PROCESSES] = "pids",
	[CGROUP_CPU] = "cpu",
	[CGROUP_IO] = "io",
};

/* ---- files ---- */

static bool join_path(char out[CGROUP_PATH_MAX], const char *folder, const char *name)
{
	int n = snprintf(out, CGROUP_PATH_MAX, "%s/%s", folder, name);

	return n > 0 && n < CGROUP_PATH_MAX;
}

static bool write_file(const char *folder, const char *name, const char *word)
{
	char path[CGROUP_PATH_MAX];
	int fd = join_path(path, folder, name) ? open(path, O_WRONLY | O_CLOEXEC) : -1;
	size_t len = strlen(word);
	ssize_t n;
	int why;

	if (fd < 0) {
		return false;
	}
	n = write(fd, word, len);
	why = errno;
	(void)close(fd);
	errno = why;
	return n == (ssize_t)len;
}

/* Up to size bytes; empty when it is not there. */
static struct str read_file(const char *folder, const char *name, char *out, size_t size)
{
	char path[CGROUP_PATH_MAX];
	int fd = join_path(path, folder, name) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	size_t used = 0;
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && used < size) {
		n = read(fd, out + used, size - used);
		used += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return str_make(out, used);
}

static bool has_word(struct str words, const char *word)
{
	while (words.n > 0) {
		struct str line = str_split(&words, '\n');

		while (line.n > 0) {
			if (str_eq(str_split(&line, ' '), str_of(word))) {
				return true;
			}
		}
	}
	return false;
}

/* ---- what was delegated ---- */

/* Our path in the hierarchy of version 2: "0::PATH" (cgroups(7)). */
static bool find_own(const char *root, char out[CGROUP_PATH_MAX])
{
	char text[TEXT_MAX];
	struct str rest = read_file(root, "proc/self/cgroup", text, sizeof(text));

	while (rest.n > 0) {
		struct str line = str_split(&rest, '\n');

		if (str_starts(line, STR_LIT("0::/"))) {
			return str_copy(out, CGROUP_PATH_MAX, str_make(line.p + 3, line.n - 3));
		}
	}
	return false;
}

/* A line of proc_pid_mountinfo(5): 36 35 0:30 ROOT MOUNTPOINT OPTIONS... - cgroup2 ... */
static bool is_mount(struct str line, struct str *ret_root, struct str *ret_point)
{
	static const char mark[] = " - cgroup2 ";

	if (line.n == 0 || memmem(line.p, line.n, mark, sizeof(mark) - 1) == NULL) {
		return false;
	}
	for (int i = 0; i < 3; i++) {
		(void)str_split(&line, ' ');
	}
	*ret_root = str_split(&line, ' ');
	*ret_point = str_split(&line, ' ');
	return ret_point->n > 0;
}

/* *ret: what is behind that folder's path, from its slash on; the root's is of length 1. */
static bool is_below(struct str path, struct str folder, struct str *ret)
{
	size_t n = folder.n > 1 ? folder.n : 0;

	*ret = path;
	if (n > 0 && !str_starts(path, folder)) {
		return false;
	}
	*ret = str_make(path.p + n, path.n - n);
	return ret->n == 0 || ret->p[0] == '/';
}

/* The folder of the cgroup of that path, if a mount shows it. */
static bool find_folder(const char *root, const char *own, char out[CGROUP_PATH_MAX])
{
	char *text = mem_calloc(1, MOUNTS_MAX);
	struct str rest = read_file(root, "proc/self/mountinfo", text, MOUNTS_MAX);
	struct str path = str_of(own), from, point;
	bool found = false;

	while (rest.n > 0 && !found) {
		struct str below;
		int n;

		if (!is_mount(str_split(&rest, '\n'), &from, &point) ||
		    !is_below(path, from, &below)) {
			continue;
		}
		n = snprintf(out, CGROUP_PATH_MAX, "%s%" STR_FMT "%" STR_FMT, root, STR_ARG(point),
		             STR_ARG(below));
		found = n > 0 && n < CGROUP_PATH_MAX;
	}
	free(text);
	return found;
}

static bool is_marked(const char *folder)
{
	static const char *const names[] = { "user.delegate", "trusted.delegate" };
	char value[8];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		ssize_t n = getxattr(folder, names[i], value, sizeof(value));

		if (n == 1 && value[0] == '1') {
			return true;
		}
	}
	return false;
}

/* Root may write anywhere: to it only what says so was given. Whose namespace of cgroups begins
 * here (a container), or who may write here without being root, was given it by that. */
static bool is_delegated(const char *folder, const char *own)
{
	char path[CGROUP_PATH_MAX];

	if (is_marked(folder)) {
		return true;
	}
	if (strcmp(own, "/") == 0) { /* the first of a whole host has no type */
		return join_path(path, folder, "cgroup.type") && access(path, F_OK) == 0;
	}
	return geteuid() != 0 && access(folder, W_OK) == 0;
}

static bool find_auto(const char *root, char out[CGROUP_PATH_MAX], struct err *err)
{
	char own[CGROUP_PATH_MAX];
	size_t n;

	if (!find_own(root, own) || !find_folder(root, own, out)) {
		(void)err_set(err, ERR_UNSUPPORTED, "no cgroups of version 2");
		return false;
	}
	if (!is_delegated(out, own)) {
		(void)err_set(err, ERR_UNSUPPORTED,
		              "the cgroup %s is not delegated to this process", own);
		return false;
	}
	for (n = strlen(out); n > 1 && out[n - 1] == '/'; n--) {
		out[n - 1] = '\0';
	}
	return true;
}

/* ---- the worker's own ---- */

static bool make_folder(const char *path)
{
	return mkdir(path, 0755) == 0 || errno == EEXIST;
}

static bool move_in(const char *path)
{
	char leaf[CGROUP_PATH_MAX];

	return make_folder(path) && join_path(leaf, path, "worker") && make_folder(leaf) &&
	       write_file(leaf, "cgroup.procs", "0");
}

/* One by one: of what the kernel or another process refuses the others do not suffer. */
static unsigned enable(const char *folder, const char *path)
{
	char text[TEXT_MAX], word[WORD_MAX];
	struct str there = read_file(folder, "cgroup.controllers", text, sizeof(text));
	unsigned enabled = 0;

	for (unsigned i = 0; i < CGROUP_LIMIT_COUNT; i++) {
		(void)snprintf(word, sizeof(word), "+%s", controllers[i]);
		if (has_word(there, controllers[i]) &&
		    write_file(folder, "cgroup.subtree_control", word) &&
		    write_file(path, "cgroup.subtree_control", word)) {
			enabled |= 1U << i;
		}
	}
	return enabled;
}

static enum err_code open_in(const char *folder, const char *worker, struct cgroup_home *ret,
                             struct err *err)
{
	char name[WORD_MAX];

	(void)snprintf(name, sizeof(name), "fairlead-%.40s", worker);
	if (!join_path(ret->path, folder, name) || !move_in(ret->path)) {
		ret->path[0] = '\0';
		return err_set(err, ERR_UNSUPPORTED, "%s: %s", folder, strerror(errno));
	}
	ret->controllers = enable(folder, ret->path);
	return ERR_OK;
}

enum err_code cgroup_open(const char *root, const char *choice, const char *worker,
                          struct cgroup_home *ret, struct err *err)
{
	char folder[CGROUP_PATH_MAX];
	struct err why = { .code = ERR_OK };
	enum err_code code;

	memset(ret, 0, sizeof(*ret));
	if (strcmp(choice, "none") == 0) {
		(void)str_copy(ret->why, sizeof(ret->why), STR_LIT("worker.cgroup is none"));
		return ERR_OK;
	}
	if (strcmp(choice, "auto") != 0) {
		int n = snprintf(folder, sizeof(folder), "%s%s", root, choice);

		if (choice[0] != '/' || n < 0 || n >= CGROUP_PATH_MAX) {
			return err_set(err, ERR_INVALID,
			               "worker.cgroup must be auto, none or an absolute path");
		}
		code = open_in(folder, worker, ret, &why);
		return code == ERR_OK ? ERR_OK : err_set(err, code, "worker.cgroup %s", why.msg);
	}
	if (!find_auto(root, folder, &why) || open_in(folder, worker, ret, &why) != ERR_OK) {
		(void)str_copy(ret->why, sizeof(ret->why), str_of(why.msg));
	}
	return ERR_OK;
}

/* ---- a session's ---- */

static bool set_limit(const struct cgroup_home *home, const char *path, enum cgroup_limit limit,
                      uint64_t max)
{
	char word[WORD_MAX];

	(void)snprintf(word, sizeof(word), "%" PRIu64, max);
	switch (limit) {
	case CGROUP_MEMORY:
		/* Swapped out it would only be slow instead of refused; a host without swap has
		 * no such file. No memory.high below it: an agent that is held up at every
		 * allocation looks as if it hung, and nobody is told. */
		(void)write_file(path, "memory.swap.max", "0");
		return write_file(path, "memory.max", word);
	case CGROUP_PROCESSES: return write_file(path, "pids.max", word);
	case CGROUP_CPU:
		(void)snprintf(word, sizeof(word), "%" PRIu64 " %d",
		               max * (CPU_PERIOD_US / CPU_WHOLE), CPU_PERIOD_US);
		return write_file(path, "cpu.max", word);
	case CGROUP_IO:
		(void)snprintf(word, sizeof(word), "%s rbps=%" PRIu64 " wbps=%" PRIu64,
		               home->device, max, max);
		return home->device[0] != '\0' && write_file(path, "io.max", word);
	case CGROUP_LIMIT_COUNT: break;
	}
	return false;
}

enum err_code cgroup_make(const struct cgroup_home *home, const struct id *session,
                          const struct cgroup_limits *limits, char ret_path[CGROUP_PATH_MAX],
                          unsigned *ret_held, struct err *err)
{
	*ret_held = 0;
	if (!join_path(ret_path, home->path, session->s) || !make_folder(ret_path)) {
		return err_set(err, ERR_UNAVAILABLE, "cgroup: %s", strerror(errno));
	}
	for (unsigned i = 0; i < CGROUP_LIMIT_COUNT; i++) {
		if (limits->max[i] > 0 && (home->controllers & 1U << i) != 0 &&
		    set_limit(home, ret_path, (enum cgroup_limit)i, limits->max[i])) {
			*ret_held |= 1U << i;
		}
	}
	return ERR_OK;
}

void cgroup_find_disk(const char *root, dev_t device, char ret[CGROUP_DEVICE_SIZE])
{
	char folder[CGROUP_PATH_MAX], text[WORD_MAX];
	struct str name;

	(void)snprintf(folder, sizeof(folder), "%s/sys/dev/block/%u:%u", root, major(device),
	               minor(device));
	/* A partition's folder is in that of its disk. */
	if (read_file(folder, "partition", text, sizeof(text)).n > 0) {
		name = read_file(folder, "../dev", text, sizeof(text));
	} else {
		name = read_file(folder, "dev", text, sizeof(text));
	}
	ret[0] = '\0';
	(void)str_copy(ret, CGROUP_DEVICE_SIZE, str_split(&name, '\n'));
}

uint64_t cgroup_number(struct str text, const char *key)
{
	uint64_t value = 0;

	while (text.n > 0) {
		struct str line = str_split(&text, '\n');

		if (str_eq(str_split(&line, ' '), str_of(key))) {
			return parse_u64(line, UINT64_MAX, &value) ? value : 0;
		}
	}
	return 0;
}

struct cgroup_counts cgroup_read(const char *path)
{
	static const struct {
		const char *file, *key;
	} rows[] = { { "memory.events", "oom_kill" },
		     { "pids.events", "max" },
		     { "cpu.stat", "throttled_usec" } };
	uint64_t counts[ARRAY_LEN(rows)];
	char text[2048];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		counts[i] = cgroup_number(read_file(path, rows[i].file, text, sizeof(text)),
		                          rows[i].key);
	}
	return (struct cgroup_counts){ counts[0], counts[1], counts[2] };
}

/* A guard that was killed left its own. */
static bool remove_folders(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	char below[CGROUP_PATH_MAX];

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    join_path(below, path, entry->d_name)) {
			(void)rmdir(below);
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
	return rmdir(path) == 0 || errno == ENOENT;
}

enum err_code cgroup_remove(const char *path, uint64_t timeout_ms)
{
	uint64_t until = clock_mono_ms() + timeout_ms;

	while (!remove_folders(path)) {
		enum err_code code;

		if (clock_mono_ms() >= until) {
			return ERR_TIMEOUT;
		}
		(void)write_file(path, "cgroup.kill", "1");
		code = fiber_sleep(REMOVE_LOOK_MS);
		if (code != ERR_OK) {
			return code;
		}
	}
	return ERR_OK;
}

void cgroup_sweep(const struct cgroup_home *home)
{
	DIR *dir = home->path[0] != '\0' ? opendir(home->path) : NULL;
	const struct dirent *entry;
	char path[CGROUP_PATH_MAX];
	struct id id;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (id_parse(str_of(entry->d_name), &id) &&
		    join_path(path, home->path, entry->d_name) &&
		    cgroup_remove(path, SWEEP_TIMEOUT_MS) != ERR_OK) {
			log_warn("worker.cgroup", "%s: not removed", path);
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
}
