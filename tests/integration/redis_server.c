#include "tests/integration/redis_server.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void redis_server_init(struct redis_server *server)
{
	const char *tmp = getenv("TMPDIR");

	*server = (struct redis_server){ .pid = 0 };
	(void)snprintf(server->dir, sizeof(server->dir), "%s/fairlead-test.XXXXXX",
	               tmp != NULL && strlen(tmp) < 20 ? tmp : "/tmp");
	assert(mkdtemp(server->dir) != NULL);
	(void)snprintf(server->path, sizeof(server->path), "%s/redis.sock", server->dir);
	(void)snprintf(server->url, sizeof(server->url), "unix://%s", server->path);
}

static void become_server(const struct redis_server *server, const char *password)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	(void)execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", server->path,
	             "--dir", server->dir, "--save", "", "--requirepass",
	             password != NULL ? password : "", "--appendonly", server->keeps ? "yes" : "no",
	             "--appendfsync", "no", (char *)NULL);
	_exit(127);
}

void redis_server_start(struct redis_server *server, const char *password)
{
	assert(server->pid == 0);
	server->pid = fork();
	assert(server->pid >= 0);
	if (server->pid == 0) {
		become_server(server, password);
	}
}

void redis_server_signal(const struct redis_server *server, int signo)
{
	assert(server->pid > 0);
	(void)kill(server->pid, signo);
}

void redis_server_kill(struct redis_server *server)
{
	redis_server_signal(server, SIGKILL);
	(void)waitpid(server->pid, NULL, 0);
	server->pid = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

void redis_server_fini(struct redis_server *server)
{
	if (server->pid != 0) {
		redis_server_kill(server);
	}
	(void)nftw(server->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
