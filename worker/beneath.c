#include "worker/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

enum { NAME_SIZE = 4096, DEPTH_MAX = 64, FILE_MODE = 0644, DIR_MODE = 0755, CHUNK = 65536 };

/* ---- names ---- */

/* What follows the prefix, if that is a directory of the path. */
static bool strip(struct str path, const char *prefix, struct str *ret)
{
	struct str before = str_of(prefix);

	while (before.n > 1 && before.p[before.n - 1] == '/') {
		before.n--;
	}
	if (!str_starts(path, before) || (path.n > before.n && path.p[before.n] != '/')) {
		return false;
	}
	*ret = str_make(path.p + before.n, path.n - before.n);
	return true;
}

/* Agents may name the root by its own name, where we have it by a link. */
static bool strip_real(struct str path, const char *root, struct str *ret)
{
	char *real = realpath(root, NULL);
	bool ok = real != NULL && strip(path, real, ret);

	free(real);
	return ok;
}

enum err_code beneath_name(const struct beneath *in, struct str path, struct str *ret,
                           struct err *err)
{
	*ret = path;
	if (path.n == 0 || path.n >= NAME_SIZE || memchr(path.p, '\0', path.n) != NULL) {
		return err_set(err, ERR_INVALID, "path must be 1 to %d bytes", NAME_SIZE - 1);
	}
	if (path.p[0] == '/' && !strip(path, in->root, ret) && !strip_real(path, in->root, ret)) {
		return err_set(err, ERR_INVALID, "path must be in the workspace");
	}
	while (ret->n > 0 && ret->p[0] == '/') {
		*ret = str_make(ret->p + 1, ret->n - 1);
	}
	if (ret->n == 0) {
		*ret = STR_LIT(".");
	}
	return ERR_OK;
}

/* ---- as somebody else ---- */

/* Of this thread only, and without a wait in between: nothing else runs as them. */
struct as {
	int uid, gid;
};

static struct as become(const struct process_user *user)
{
	struct as before = { -1, -1 };

	if (user->drop) {
		before.gid = setfsgid(user->gid);
		before.uid = setfsuid(user->uid);
	}
	return before;
}

static void become_again(const struct process_user *user, struct as before)
{
	if (user->drop) {
		(void)setfsuid((uid_t)before.uid);
		(void)setfsgid((gid_t)before.gid);
	}
}

static int open_beneath(int root, const char *name, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC,
		                .mode = (flags & O_CREAT) != 0 ? FILE_MODE : 0,
		                .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, root, name, &how, sizeof(how));
}

static enum err_code say(struct err *err, struct str path)
{
	int code = errno;
	const int n = (int)(path.n < ERR_MSG_MAX / 2 ? path.n : ERR_MSG_MAX / 2);

	switch (code) {
	case ENOENT:
		return err_set(err, ERR_NOT_FOUND, "%.*s: No such file or directory", n, path.p);
	case EXDEV:
	case ELOOP: return err_set(err, ERR_INVALID, "%.*s leads out of the workspace", n, path.p);
	case EACCES:
	case EPERM: return err_set(err, ERR_FORBIDDEN, "%.*s: %s", n, path.p, strerror(code));
	default: return err_set(err, ERR_UNAVAILABLE, "%.*s: %s", n, path.p, strerror(code));
	}
}

/* The directory of that name, whose own directory is there. */
static bool make_directory(int root, char *name)
{
	char *last = strrchr(name, '/');
	int dir = open_beneath(root, name, O_PATH | O_DIRECTORY), code = errno;
	bool ok;

	if (dir >= 0) {
		(void)close(dir);
		return true;
	}
	if (code != ENOENT) {
		return false;
	}
	if (last != NULL) {
		*last = '\0';
	}
	dir = last != NULL ? open_beneath(root, name, O_PATH | O_DIRECTORY) : dup(root);
	if (dir < 0) {
		return false;
	}
	ok = mkdirat(dir, last != NULL ? last + 1 : name, DIR_MODE) == 0 || errno == EEXIST;
	(void)close(dir);
	return ok;
}

/* The directories before the name, as far as they are missing. */
static bool make_parents(int root, const char *name)
{
	char part[NAME_SIZE];
	const char *slash = strchr(name, '/');
	size_t depth = 0;

	while (slash != NULL && depth++ < DEPTH_MAX) {
		if (!str_copy(part, sizeof(part), str_make(name, (size_t)(slash - name))) ||
		    !make_directory(root, part)) {
			return false;
		}
		slash = strchr(slash + 1, '/');
	}
	return slash == NULL;
}

static enum err_code open_in(const struct beneath *in, struct str path, uint64_t flags, int *ret,
                             struct err *err)
{
	char name[NAME_SIZE];
	struct str below;
	struct as before;
	enum err_code code = beneath_name(in, path, &below, err);
	int root;

	if (code != ERR_OK || !str_copy(name, sizeof(name), below)) {
		return code != ERR_OK ? code : err_set(err, ERR_INVALID, "path is too long");
	}
	root = open(in->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) {
		return say(err, str_of(in->root));
	}
	before = become(in->user);
	*ret = open_beneath(root, name, flags);
	if (*ret < 0 && errno == ENOENT && (flags & O_CREAT) != 0 && make_parents(root, name)) {
		*ret = open_beneath(root, name, flags);
	}
	code = *ret < 0 ? say(err, path) : ERR_OK;
	become_again(in->user, before);
	(void)close(root);
	return code;
}

/* ---- files ---- */

static enum err_code look(int fd, struct str path, size_t max, struct err *err)
{
	struct stat about;

	if (fstat(fd, &about) != 0) {
		return say(err, path);
	}
	if (!S_ISREG(about.st_mode)) {
		return err_set(err, ERR_INVALID, "path must be a regular file");
	}
	if (about.st_size > 0 && (uint64_t)about.st_size > max) {
		return err_set(err, ERR_LIMIT, "the file is larger than %zu bytes", max);
	}
	return ERR_OK;
}

enum err_code beneath_read(const struct beneath *in, struct str path, size_t max, struct buf *out,
                           struct err *err)
{
	int fd;
	size_t before = out->len;
	ssize_t n = 1;
	enum err_code code = open_in(in, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &fd, err);

	if (code != ERR_OK) {
		return code;
	}
	code = look(fd, path, max, err);
	while (code == ERR_OK && n != 0) {
		char *room = buf_reserve(out, CHUNK);

		n = room != NULL ? read(fd, room, CHUNK) : 0;
		if (n < 0 && errno != EINTR) {
			code = say(err, path);
		} else if (n > 0) {
			buf_commit(out, (size_t)n);
		}
		if (room == NULL || out->len - before > max) { /* it grew */
			code = err_set(err, ERR_LIMIT, "the file is larger than %zu bytes", max);
		}
	}
	(void)close(fd);
	return code;
}

static bool write_all(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno != EINTR) {
			return false;
		}
		text.p += n > 0 ? n : 0;
		text.n -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static enum err_code write_in(const struct beneath *in, struct str path, struct str text, bool anew,
                              struct err *err)
{
	const uint64_t how = anew ? O_CREAT : O_APPEND;
	int fd;
	enum err_code code = open_in(in, path, O_WRONLY | how | O_NONBLOCK | O_NOCTTY, &fd, err);

	if (code != ERR_OK) {
		return code;
	}
	code = look(fd, path, SIZE_MAX, err);
	if (code == ERR_OK && ((anew && ftruncate(fd, 0) != 0) || !write_all(fd, text))) {
		code = say(err, path);
	}
	if (close(fd) != 0 && code == ERR_OK) {
		code = say(err, path);
	}
	return code;
}

enum err_code beneath_write(const struct beneath *in, struct str path, struct str text,
                            struct err *err)
{
	return write_in(in, path, text, true, err);
}

enum err_code beneath_append(const struct beneath *in, struct str path, struct str text,
                             struct err *err)
{
	return write_in(in, path, text, false, err);
}

enum err_code beneath_directory(const struct beneath *in, struct str path, struct err *err)
{
	int fd;
	enum err_code code = open_in(in, path, O_PATH | O_DIRECTORY, &fd, err);

	if (code == ERR_OK) {
		(void)close(fd);
	}
	return code;
}
