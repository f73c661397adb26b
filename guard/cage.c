#include "guard/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_word(int dir, const char *file, const char *word)
{
	int fd = dir < 0 ? -1 : openat(dir, file, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int why;

	if (fd < 0) {
		return false;
	}
	n = write(fd, word, strlen(word));
	why = errno;
	(void)close(fd);
	errno = why;
	return n == (ssize_t)strlen(word);
}

bool cage_open(struct cage *cage, const char *parent)
{
	*cage = (struct cage){ .parent = -1, .dir = -1 };
	if (parent == NULL) {
		return true;
	}
	cage->parent = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Its own number: a session has a guard for each command that it runs. */
	(void)snprintf(cage->name, sizeof(cage->name), "g%d", (int)getpid());
	if (cage->parent < 0 || (mkdirat(cage->parent, cage->name, 0755) != 0 && errno != EEXIST)) {
		return false;
	}
	cage->dir = openat(cage->parent, cage->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return cage->dir >= 0;
}

void cage_close(struct cage *cage)
{
	if (cage->dir >= 0) {
		(void)close(cage->dir);
		(void)unlinkat(cage->parent, cage->name, AT_REMOVEDIR);
	}
	if (cage->parent >= 0) {
		(void)close(cage->parent);
	}
	*cage = (struct cage){ .parent = -1, .dir = -1 };
}

bool cage_join(const struct cage *cage)
{
	return cage->dir < 0 || write_word(cage->dir, "cgroup.procs", "0");
}

void cage_freeze(struct cage *cage)
{
	cage->frozen = write_word(cage->dir, "cgroup.freeze", "1");
}

void cage_thaw(struct cage *cage)
{
	if (cage->frozen) {
		cage->frozen = false;
		(void)write_word(cage->dir, "cgroup.freeze", "0");
	}
}

void cage_kill(const struct cage *cage)
{
	(void)write_word(cage->dir, "cgroup.kill", "1"); /* before Linux 5.14 there is none */
}
