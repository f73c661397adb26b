/*
 * Cgroups (version 2) of sessions: what limits all processes of one together, counts what these
 * limits refused, and ends all of them at once.
 *
 *   HOME/fairlead-<worker>/          made here; HOME was delegated to the worker
 *       worker/                      the worker itself: a cgroup with limits below has no process
 *       <session>/                   its limits
 *           g<pid>/                  a guard's command (guard/cage.h)
 *
 * All paths are below a root of the file system that tests choose.
 *
 * Source: the kernel's Documentation/admin-guide/cgroup-v2.rst; for what is delegated, systemd's
 * CGROUP_DELEGATION and systemd.resource-control(5), Delegate=.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"

enum { CGROUP_PATH_MAX = 1024, CGROUP_DEVICE_SIZE = 24 };

enum cgroup_limit { CGROUP_MEMORY, CGROUP_PROCESSES, CGROUP_CPU, CGROUP_IO, CGROUP_LIMIT_COUNT };

/* 0: none. Memory in bytes; processes and threads; processor time in hundredths of one processor;
 * bytes a second that are read from the home's device, and as many that are written to it. */
struct cgroup_limits {
	uint64_t max[CGROUP_LIMIT_COUNT];
};

struct cgroup_home {
	char path[CGROUP_PATH_MAX];      /* where sessions have theirs; "": nowhere, */
	char why[ERR_MSG_MAX];           /* and why */
	unsigned controllers;            /* bits by enum cgroup_limit: the limits that can be had */
	char device[CGROUP_DEVICE_SIZE]; /* MAJ:MIN of the disk whose bytes count; "": none */
};

/* What the limits refused since the cgroup was made; it only grows. */
struct cgroup_counts {
	uint64_t killed;       /* processes, for want of memory */
	uint64_t refused;      /* processes that could not be made */
	uint64_t throttled_us; /* waited for processor time */
};

/*
 * Find what was delegated to this process and move into a leaf of it. choice: "auto": the cgroup
 * that it is in, if that was delegated; "none"; or the folder of one, which must do:
 * ERR_UNSUPPORTED with the reason. Root is "" for the real one. Blocks: at start.
 */
enum err_code cgroup_open(const char *root, const char *choice, const char *worker,
                          struct cgroup_home *ret, struct err *err) MUST_CHECK;

/* One for a session. *ret_held: bits of those limits that hold. */
enum err_code cgroup_make(const struct cgroup_home *home, const struct id *session,
                          const struct cgroup_limits *limits, char ret_path[CGROUP_PATH_MAX],
                          unsigned *ret_held, struct err *err) MUST_CHECK;

/* The whole disk that the device is on, since io.max knows only those; "" if it is none: a file
 * system without one, or over several. */
void cgroup_find_disk(const char *root, dev_t device, char ret[CGROUP_DEVICE_SIZE]);

/* What cannot be read counts as nothing. */
struct cgroup_counts cgroup_read(const char *path);

/* Kill whoever is left, wait for their end, and remove it. On a fiber. ERR_TIMEOUT: it is still
 * there. */
enum err_code cgroup_remove(const char *path, uint64_t timeout_ms) MUST_CHECK;

/* Those of sessions of a worker before us. On a fiber. */
void cgroup_sweep(const struct cgroup_home *home);

/* Pure: the number after a key, in "key number" lines; 0: it is not there. */
uint64_t cgroup_number(struct str text, const char *key);
