/*
 * A Redis of one test, to be frozen, killed and started again at the same address.
 *
 * It listens on a unix socket in a directory of its own; the wrapper's server stays untouched.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum { REDIS_SERVER_PATH = 96, REDIS_SERVER_URL = 160 };

struct redis_server {
	pid_t pid;
	bool keeps; /* what was written survives a kill: set before the start */
	char dir[REDIS_SERVER_PATH / 2];
	char path[REDIS_SERVER_PATH];
	char url[REDIS_SERVER_URL];
};

void redis_server_init(struct redis_server *server); /* an address, nothing runs */
void redis_server_start(struct redis_server *server, const char *password); /* NULL: none */
void redis_server_signal(const struct redis_server *server, int signo);
void redis_server_kill(struct redis_server *server); /* SIGKILL, and wait */
void redis_server_fini(struct redis_server *server);
