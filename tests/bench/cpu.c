#include "cpu.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t ticks_of(const char *pid, long *ret_parent)
{
	char path[64], text[512] = "";
	unsigned long user = 0, system = 0;
	const char *rest;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	file = fopen(path, "re");
	if (file == NULL) {
		return 0;
	}
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	(void)fclose(file);
	rest = strrchr(text, ')');
	if (rest == NULL || sscanf(rest, ") %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
	                           ret_parent, &user, &system) != 3) {
		return 0;
	}
	return user + system;
}

double cpu_of(pid_t pid)
{
	DIR *proc = opendir("/proc");
	uint64_t ticks = 0;
	struct dirent *entry;

	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		long parent = 0, own = strtol(entry->d_name, NULL, 10);
		uint64_t used = own > 0 ? ticks_of(entry->d_name, &parent) : 0;

		ticks += own == pid || parent == pid ? used : 0;
	}
	if (proc != NULL) {
		(void)closedir(proc);
	}
	return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

double cpu_of_self(void)
{
	struct timespec own;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
	return (double)own.tv_sec + (double)own.tv_nsec / 1e9;
}
