/* What the kernel knows about this process. A figure that cannot be read keeps its last value. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/str.h"
#include "metric/table.h"

/* "size resident shared ..." */
static bool second_number(struct str line, uint64_t *ret)
{
	(void)str_split(&line, ' ');
	return parse_u64(str_split(&line, ' '), UINT64_MAX, ret);
}

static void collect_rss(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char line[128];
	uint64_t pages;

	if (file == NULL) {
		return;
	}
	if (fgets(line, sizeof(line), file) != NULL && second_number(str_of(line), &pages)) {
		metric_set(METRIC_PROCESS_RSS, NULL, (double)pages * (double)sysconf(_SC_PAGESIZE));
	}
	(void)fclose(file);
}

static void collect_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct rlimit limit;
	size_t count = 0;

	if (dir != NULL) {
		for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
			count += entry->d_name[0] != '.';
		}
		(void)closedir(dir);
		metric_set(METRIC_PROCESS_FDS, NULL, (double)count - 1); /* not the one just used */
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		metric_set(METRIC_PROCESS_FDS_MAX, NULL, (double)limit.rlim_cur);
	}
}

static double seconds(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

void metric_collect_process(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		metric_set(METRIC_PROCESS_CPU, NULL,
		           seconds(&usage.ru_utime) + seconds(&usage.ru_stime));
	}
	collect_rss();
	collect_fds();
}
