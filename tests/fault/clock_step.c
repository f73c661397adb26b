/*
 * A wall clock that can be stepped while the program runs: preloaded into one node of
 * tests/fault/drill, which writes by how many seconds into the file CLOCK_STEP_FILE. The clocks
 * that nobody can step (CLOCK_MONOTONIC, CLOCK_BOOTTIME) are left alone, as the kernel does it.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef int clock_fn(clockid_t id, struct timespec *ts);

static clock_fn *kernel_clock;
static const volatile int64_t *step_s;
static const volatile int64_t no_step;

static void prepare(void)
{
	const char *path = getenv("CLOCK_STEP_FILE");
	void *symbol = dlsym(RTLD_NEXT, "clock_gettime");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page =
		fd >= 0 ? mmap(NULL, sizeof(*step_s), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (fd >= 0) {
		(void)close(fd);
	}
	step_s = page != MAP_FAILED ? page : &no_step;
	memcpy(&kernel_clock, &symbol, sizeof(symbol));
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int result;

	if (kernel_clock == NULL) {
		prepare();
	}
	result = kernel_clock(id, ts);
	if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
		ts->tv_sec += *step_s;
	}
	return result;
}

time_t time(time_t *ret)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (ret != NULL) {
		*ret = ts.tv_sec;
	}
	return ts.tv_sec;
}
