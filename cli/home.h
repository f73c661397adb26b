/*
 * Where a machine's own Fairlead lives: folders, users, secrets and ports of `fairlead up`,
 * and how the other commands find them again.
 *
 *	$FAIRLEAD_HOME            default: root /var/lib/fairlead, else the XDG state folder
 *	  lock state.json admin.key pepper redis.password
 *	  redis/ postgres/ worker/ log/ conf/
 *	run folder (sockets)      root with the default home: /run/fairlead, else <home>/run
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

#define HOME_OF_ROOT "/var/lib/fairlead" /* root's default */

enum { HOME_PATH_MAX = 512, HOME_SECRET_LEN = 64 };

struct home_user {
	uid_t uid;
	gid_t gid;
	char name[64];
};

struct home {
	char dir[HOME_PATH_MAX];
	char run[HOME_PATH_MAX];
	bool root;                /* privileges can be dropped */
	struct home_user service; /* owns data; runs everything but the worker */
	struct home_user agent;   /* runs agents */
};

/* Only where the folder is; touches nothing. explicit_dir may be NULL. */
enum err_code home_locate(const char *explicit_dir, struct home *ret, struct err *err) MUST_CHECK;

/* Create what is missing, with owners and modes; check free space and that the service user can get
 * there. */
enum err_code home_prepare(struct home *home, struct err *err) MUST_CHECK;

/* The one instance: the descriptor stays open for the process's life. *ret_stale is set to the pid
 * in a lock that was left behind, else 0. ERR_CONFLICT names the process that holds it. */
enum err_code home_lock(const struct home *home, pid_t *ret_stale, struct err *err) MUST_CHECK;

/* Read the secret file <home>/<name>, making it (0600, the service user's) when missing. */
enum err_code home_secret(const struct home *home, const char *name, char out[HOME_SECRET_LEN + 1],
                          struct err *err) MUST_CHECK;

/* Write a whole file: beside it first, then renamed over it. owner NULL: ours. */
enum err_code home_write(const char *path, mode_t mode, const struct home_user *owner,
                         const char *text, size_t len, struct err *err) MUST_CHECK;

/* The folders above path that are missing, readable for all. */
enum err_code home_make_parents(const char *path, struct err *err) MUST_CHECK;

/* "<dir>/<name>" into out; ERR_LIMIT when too long. */
enum err_code home_path(char out[HOME_PATH_MAX], const char *dir, const char *name,
                        struct err *err) MUST_CHECK;

/* A TCP port of 127.0.0.1 that nobody listens on: `wanted`, or the next free one below 32768. 0:
 * none. */
uint16_t home_free_port(uint16_t wanted);
/* Can exactly this one be listened on? */
bool home_port_free(uint16_t port);
