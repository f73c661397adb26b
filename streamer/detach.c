#include "streamer/detach.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int done_fd = -1; /* whoever waits reads from the other end */

static _Noreturn void wait_and_exit(int fd)
{
	char done;

	exit(read(fd, &done, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

void detach_begin(void)
{
	int fds[2];
	pid_t pid = pipe2(fds, O_CLOEXEC) == 0 ? fork() : -1;

	if (pid < 0) {
		perror("fairlead-streamer: --detach");
		exit(EXIT_FAILURE);
	}
	if (pid > 0) {
		(void)close(fds[1]);
		wait_and_exit(fds[0]);
	}
	(void)close(fds[0]);
	done_fd = fds[1];
}

bool detach_begun(void)
{
	return done_fd >= 0;
}

void detach_done(void)
{
	if (done_fd >= 0) {
		(void)!write(done_fd, "", 1);
		(void)close(done_fd);
		done_fd = -1;
	}
}
