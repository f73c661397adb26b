#include "worker/agent_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SIZE = 256 };

static bool give(int fd, const struct process_user *user)
{
	return !user->drop || fchown(fd, user->uid, user->gid) == 0;
}

/* Goes one directory down: dir is closed. -1: errno says why. */
static int enter(int dir, const char *name, const struct process_user *user)
{
	int fd = -1;

	if (mkdirat(dir, name, 0700) == 0 || errno == EEXIST) {
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd >= 0 && !give(fd, user)) {
		(void)close(fd);
		fd = -1;
	}
	(void)close(dir);
	return fd;
}

/* dir is closed. */
static bool write_in(int dir, const char *name, struct str text, const struct process_user *user)
{
	int fd;
	bool ok;

	(void)unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ok = fd >= 0 && give(fd, user) && write(fd, text.p, text.n) == (ssize_t)text.n;
	if (fd >= 0) {
		ok = close(fd) == 0 && ok;
	}
	(void)close(dir);
	return ok;
}

static bool write_one(const char *home, const struct process_user *user,
                      const struct adapter_file *file)
{
	int dir = open(home, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct str rest = str_of(file->path);
	char name[NAME_SIZE];

	while (dir >= 0) {
		struct str part = str_split(&rest, '/');

		if (!str_copy(name, sizeof(name), part) || part.n == 0 || strcmp(name, "..") == 0 ||
		    strcmp(name, ".") == 0) {
			errno = EINVAL;
			(void)close(dir);
			return false;
		}
		if (rest.p == NULL) {
			return write_in(dir, name, file->text, user);
		}
		dir = enter(dir, name, user);
	}
	return false;
}

enum err_code agent_files_write(const char *home, const struct process_user *user,
                                const struct adapter_file *files, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (!write_one(home, user, &files[i])) {
			return err_set(err, ERR_UNAVAILABLE, "%s in the agent's home: %s",
			               files[i].path, strerror(errno));
		}
	}
	return ERR_OK;
}
