/*
 * One supervised child of `fairlead up`: started, watched, restarted with backoff, stopped.
 *
 * Each service has a fiber that keeps it: start, wait for its end, wait a little longer
 * each time it dies young, start again.  A child asks the kernel to be signalled when
 * the supervisor dies, so nothing outlives it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"
#include "loop/fiber.h"

struct home;
struct home_user;

enum { SERVICE_ARGS_MAX = 24, SERVICE_ENV_MAX = 48 };
enum { SERVICE_KILLED_MS = 10000 }; /* what service_stop() waits after SIGKILL */

struct service {
	/* Set by the owner before service_keep(); strings are borrowed for the service's life. */
	const char *name;
	const char *argv[SERVICE_ARGS_MAX];
	const char *env[SERVICE_ENV_MAX]; /* "NAME=value", added to the supervisor's own */
	const struct home_user *user;     /* NULL: the supervisor's */
	const char *log_path;
	int stop_signal;
	unsigned stop_ms; /* after this, SIGKILL */

	/* Read-only for others. */
	pid_t pid;       /* 0 while down */
	pid_t successor; /* that takes over from it; 0: none */
	unsigned restarts;
	int64_t started_us; /* wall clock */
	bool stopping;
	struct fiber_signal ended;
	char why[ERR_MSG_MAX]; /* how it ended last */
};

/* Run it and keep it running until service_stop(); the body of its fiber. arg is the service. */
void service_keep(void *arg);

/* Signal it, wait until it is gone. Safe when it is not running. */
void service_stop(struct service *service);

/* On a fiber: start another child with that flag, which takes over from the one that runs; that one
 * ends by itself when it has. An error: it could not, and the old one goes on. */
enum err_code service_replace(struct service *service, const char *flag, uint64_t timeout_ms,
                              struct err *err) MUST_CHECK;

/* Run once and wait for its end: initdb, migrate. ERR_BACKEND with the last line it printed when it
 * fails. */
enum err_code service_run(struct service *service, uint64_t timeout_ms, struct err *err) MUST_CHECK;

void service_env(struct service *service, const char *pair);
void service_arg(struct service *service, const char *arg);
