/* A cgroup of version 2 for a test, where this user may make one. */
#pragma once

#include <mntent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* False: most users may make none, and older hosts have no version 2. */
static bool own_cgroup_make(char *out, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *mount;
	bool made = false;

	while (mounts != NULL && !made && (mount = getmntent(mounts)) != NULL) {
		(void)snprintf(out, size, "%s/fairlead-test-%d", mount->mnt_dir, (int)getpid());
		made = strcmp(mount->mnt_type, "cgroup2") == 0 && mkdir(out, 0755) == 0;
	}
	if (mounts != NULL) {
		(void)endmntent(mounts);
	}
	return made;
}

/* With the folders of a worker that has left. */
static bool own_cgroup_remove(const char *folder, const char *worker)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/fairlead-%s/worker", folder, worker);
	if (rmdir(path) != 0) {
		return false;
	}
	(void)snprintf(path, sizeof(path), "%s/fairlead-%s", folder, worker);
	return rmdir(path) == 0 && rmdir(folder) == 0;
}
