#include "worker/snapshot_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "log/log.h"

enum { PATH_SIZE = 1024, FILE_SIZE = 64 };

static const char facts_end[] = ".json", image_end[] = ".image";

void snapshot_name_format(const struct snapshot_name *name, char out[SNAPSHOT_NAME_SIZE])
{
	(void)snprintf(out, SNAPSHOT_NAME_SIZE, "%s.%" PRIu64 ".%" PRIu64, name->sid.s, name->epoch,
	               name->number);
}

static void folder_of(const char *dir, const struct id *sid, char out[PATH_SIZE])
{
	(void)snprintf(out, PATH_SIZE, "%s/%s", dir, sid->s);
}

static void file_of(const struct snapshot_name *name, const char *end, char out[FILE_SIZE])
{
	(void)snprintf(out, FILE_SIZE, "%" PRIu64 "-%" PRIu64 "%s", name->epoch, name->number, end);
}

/* -1: errno says why. */
static int open_folder(const char *dir, const struct id *sid)
{
	char path[PATH_SIZE];

	folder_of(dir, sid, path);
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static enum err_code io_err(struct err *err, const char *what)
{
	return err_set(err, ERR_UNAVAILABLE, "%s a snapshot: %s", what, strerror(errno));
}

enum err_code snapshot_store_open(const char *dir, const struct id *sid, int *ret_fd,
                                  struct err *err)
{
	char path[PATH_SIZE];

	folder_of(dir, sid, path);
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		return io_err(err, "store");
	}
	*ret_fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return *ret_fd >= 0 ? ERR_OK : io_err(err, "store");
}

/* ---- the names in a folder ---- */

static bool parse_file(const char *file, struct snapshot_name *name)
{
	struct str rest = str_of(file), epoch, number;

	if (!str_ends(rest, str_of(facts_end))) {
		return false;
	}
	rest.n -= strlen(facts_end);
	epoch = str_split(&rest, '-');
	number = rest;
	return parse_u64(epoch, INT64_MAX, &name->epoch) &&
	       parse_u64(number, INT64_MAX, &name->number);
}

static bool is_newer(const struct snapshot_name *a, const struct snapshot_name *b)
{
	return a->epoch != b->epoch ? a->epoch > b->epoch : a->number > b->number;
}

/* The newest, or the oldest, and how many there are. fd stays open. */
static size_t look(int fd, bool newest, struct snapshot_name *ret)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again >= 0 ? fdopendir(again) : NULL;
	struct snapshot_name name = *ret;
	const struct dirent *entry;
	size_t count = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (parse_file(entry->d_name, &name)) {
			if (count++ == 0 || is_newer(&name, ret) == newest) {
				*ret = name;
			}
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	} else if (again >= 0) {
		(void)close(again);
	}
	return count;
}

/* What is known of it first: without that it is nothing. */
static bool drop(int folder, const struct snapshot_name *name)
{
	char file[FILE_SIZE];
	bool dropped;

	file_of(name, facts_end, file);
	dropped = unlinkat(folder, file, 0) == 0;
	file_of(name, image_end, file);
	(void)unlinkat(folder, file, 0);
	return dropped;
}

/* ---- in ---- */

static bool give_name(int folder, int fd, const char *file)
{
	char own[FILE_SIZE];

	(void)snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	(void)unlinkat(folder, file, 0);
	return linkat(AT_FDCWD, own, folder, file, AT_SYMLINK_FOLLOW) == 0;
}

static bool write_facts(int folder, const char *file, struct str facts)
{
	int fd = openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, facts.p, facts.n) == (ssize_t)facts.n &&
	          give_name(folder, fd, file);

	if (fd >= 0) {
		(void)close(fd);
	}
	return ok;
}

enum err_code snapshot_store_put(const char *dir, const struct snapshot_name *name, int fd,
                                 struct str facts, struct err *err)
{
	struct snapshot_name oldest = { .epoch = 0 };
	int folder = open_folder(dir, &name->sid);
	char image[FILE_SIZE], known[FILE_SIZE];

	file_of(name, image_end, image);
	file_of(name, facts_end, known);
	if (folder < 0) {
		return io_err(err, "store");
	}
	if (!give_name(folder, fd, image) || !write_facts(folder, known, facts)) {
		enum err_code code = io_err(err, "store");

		(void)close(folder);
		return code;
	}
	while (look(folder, false, &oldest) > SNAPSHOTS_KEPT && drop(folder, &oldest)) {
	}
	(void)close(folder);
	return ERR_OK;
}

/* ---- and out ---- */

static bool read_facts(int folder, const char *file, struct buf *facts)
{
	int fd = openat(folder, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char *room = buf_reserve(facts, SNAPSHOT_FACTS_MAX);
	ssize_t n = fd >= 0 && room != NULL ? read(fd, room, SNAPSHOT_FACTS_MAX) : -1;

	if (fd >= 0) {
		(void)close(fd);
	}
	if (n > 0) {
		buf_commit(facts, (size_t)n);
	}
	return n > 0;
}

enum err_code snapshot_store_find(const char *dir, const struct id *sid, struct snapshot_name *ret,
                                  struct buf *facts, int *ret_fd, struct err *err)
{
	struct snapshot_name name = { .sid = *sid };
	int folder = open_folder(dir, sid);
	char file[FILE_SIZE];
	int fd = -1;

	if (folder < 0 || look(folder, true, &name) == 0) {
		if (folder >= 0) {
			(void)close(folder);
		}
		return err_set(err, ERR_NOT_FOUND, "no snapshot");
	}
	file_of(&name, facts_end, file);
	if (read_facts(folder, file, facts)) {
		file_of(&name, image_end, file);
		fd = openat(folder, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	}
	(void)close(folder);
	if (fd < 0) {
		return io_err(err, "read");
	}
	*ret = name;
	*ret_fd = fd;
	return ERR_OK;
}

/* ---- what nobody will want ---- */

static void drop_old(const char *dir, const struct id *sid, uint64_t keep_ms)
{
	int folder = open_folder(dir, sid);
	struct snapshot_name oldest = { .epoch = 0 };
	char path[PATH_SIZE];
	struct stat st;

	/* Its time is that of the last name that it got or lost. */
	if (folder < 0 || fstat(folder, &st) != 0 ||
	    (uint64_t)(time(NULL) - st.st_mtime) * 1000 < keep_ms) {
		if (folder >= 0) {
			(void)close(folder);
		}
		return;
	}
	while (look(folder, false, &oldest) > 0 && drop(folder, &oldest)) {
	}
	(void)close(folder);
	folder_of(dir, sid, path);
	if (rmdir(path) != 0) {
		log_debug("snapshot.left", "%s: %s", path, strerror(errno));
	}
}

void snapshot_store_sweep(const char *dir, uint64_t keep_ms)
{
	DIR *all = opendir(dir);
	const struct dirent *entry;
	struct id sid;

	while (all != NULL && (entry = readdir(all)) != NULL) {
		if (id_parse(str_of(entry->d_name), &sid)) {
			drop_old(dir, &sid, keep_ms);
		}
	}
	if (all != NULL) {
		(void)closedir(all);
	}
}
