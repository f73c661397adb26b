/*
 * Our server behind a real haproxy that denies /admin: no vector that a client can send reaches
 * it, whether haproxy refuses it, rewrites it or passes it on.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/support/http_client.h"
#include "tests/support/http_stand.h"

#define HIDDEN  "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n" /* 32 bytes */
#define GET     "GET /hello HTTP/1.1\r\nHost: a\r\n"
#define POST    "POST /echo HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define LAST    "0\r\n\r\n"

enum { READY_TRIES = 500, TRY_MS = 10, QUIET_MS = 200 };

struct front {
	pid_t pid;
	unsigned port;
	char folder[64], config[96], log[96];
};

static const char *const vectors[] = {
	"HEAD /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	"HEAD /hello HTTP/1.1\r\nHost: a\r\n" CHUNKED "\r\n20\r\n" HIDDEN "\r\n" LAST,
	"OPTIONS /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	"DELETE /items/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	"DELETE /items/1 HTTP/1.1\r\nHost: a\r\n" CHUNKED "\r\n20\r\n" HIDDEN "\r\n" LAST,
	GET "Content-Length: 32\r\n\r\n" HIDDEN,
	GET CHUNKED "\r\n20\r\n" HIDDEN "\r\n" LAST,
	POST "Content-Length: 0\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	POST "Content-Length: 32\r\nContent-Length: 0\r\n\r\n" HIDDEN,
	POST "Content-Length: 32\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	POST "Content-Length: 32, 32\r\n\r\n" HIDDEN,
	POST "Content-Length: +32\r\n\r\n" HIDDEN,
	POST "Content-Length: 032\r\n\r\n" HIDDEN,
	POST "Content-Length: 5\r\n" CHUNKED "\r\n" LAST HIDDEN,
	POST CHUNKED "Content-Length: 5\r\n\r\n" LAST HIDDEN,
	POST "Content-Length: 37\r\n" CHUNKED "\r\n" LAST HIDDEN,
	POST CHUNKED CHUNKED "\r\n" LAST HIDDEN,
	POST "Transfer-Encoding: xchunked\r\n\r\n" LAST HIDDEN,
	POST "Transfer-Encoding: xchunked\r\nContent-Length: 37\r\n\r\n" LAST HIDDEN,
	POST "Transfer-Encoding: identity\r\nContent-Length: 37\r\n\r\n" LAST HIDDEN,
	POST "Transfer-Encoding: identity, chunked\r\n\r\n" LAST HIDDEN,
	POST "Transfer-Encoding : chunked\r\nContent-Length: 37\r\n\r\n" LAST HIDDEN,
	POST "Transfer-Encoding:\r\n chunked\r\nContent-Length: 37\r\n\r\n" LAST HIDDEN,
	POST "Transfer-Encoding:\x0b"
	     "chunked\r\nContent-Length: 37\r\n\r\n" LAST HIDDEN,
	POST "X: y\nTransfer-Encoding: chunked\r\nContent-Length: 37\r\n\r\n" LAST HIDDEN,
	POST "X: y\rTransfer-Encoding: chunked\r\nContent-Length: 37\r\n\r\n" LAST HIDDEN,
	POST CHUNKED "\r\n0x0\r\n\r\n" HIDDEN,
	POST CHUNKED "\r\n-0\r\n\r\n" HIDDEN,
	POST CHUNKED "\r\n0\n\n" HIDDEN,
	POST CHUNKED "\r\n1;\nx\r\n" LAST HIDDEN,
	POST CHUNKED "\r\n0\r\nX: y\r\n" HIDDEN,
	POST CHUNKED "\r\n100000000\r\n" LAST HIDDEN,
	POST CHUNKED "\r\n1\r\nxx\r\n" LAST HIDDEN,
	POST "Expect: 100-continue\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	GET "Connection: Content-Length\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	GET "Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 32\r\n\r\n" HIDDEN,
	"POST /echo HTTP/1.0\r\n" CHUNKED "Content-Length: 37\r\n\r\n" LAST HIDDEN,
	"GET http://a/admin HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /%61dmin HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /hello/../admin HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET //admin HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /admin;x HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /./admin HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /ADMIN HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /admin#x HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /admin\\x HTTP/1.1\r\nHost: a\r\n\r\n",
};

static unsigned free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	void *raw = &address;

	for (unsigned port = 20000 + (unsigned)getpid() % 5000; port < 32000; port++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		bool free;

		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address.sin_port = htons((uint16_t)port);
		free = bind(fd, raw, sizeof(address)) == 0;
		(void)close(fd);
		if (free) {
			return port;
		}
	}
	fail_msg("no free port");
	return 0;
}

static void write_config(const struct front *front, unsigned backend)
{
	FILE *file = fopen(front->config, "w");

	assert_non_null(file);
	(void)fprintf(file,
	              "defaults\n mode http\n timeout connect 2s\n timeout client 3s\n"
	              " timeout server 3s\n option http-keep-alive\n"
	              "frontend f\n bind 127.0.0.1:%u\n http-request deny if { path /admin }\n"
	              " default_backend b\n"
	              "backend b\n http-reuse always\n server s 127.0.0.1:%u\n",
	              front->port, backend);
	assert_int_equal(fclose(file), 0);
}

static bool answers(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	void *raw = &address;
	bool ok;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ok = connect(fd, raw, sizeof(address)) == 0;
	(void)close(fd);
	return ok;
}

static struct front front_start(unsigned backend)
{
	struct front front = { .port = free_port() };

	(void)snprintf(front.folder, sizeof(front.folder), "/tmp/fairlead-front-XXXXXX");
	assert_non_null(mkdtemp(front.folder));
	(void)snprintf(front.config, sizeof(front.config), "%s/haproxy.cfg", front.folder);
	(void)snprintf(front.log, sizeof(front.log), "%s/log", front.folder);
	write_config(&front, backend);
	front.pid = fork();
	assert_true(front.pid >= 0);
	if (front.pid == 0) {
		int log = open(front.log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(log, STDOUT_FILENO);
		(void)dup2(log, STDERR_FILENO);
		(void)execl(HAPROXY, "haproxy", "-db", "-f", front.config, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; !answers(front.port); i++) {
		assert_true(i < READY_TRIES);
		(void)poll(NULL, 0, TRY_MS);
	}
	return front;
}

static void front_stop(struct front *front)
{
	assert_int_equal(kill(front->pid, SIGTERM), 0);
	assert_int_equal(waitpid(front->pid, NULL, 0), front->pid);
	(void)unlink(front->config);
	(void)unlink(front->log);
	assert_int_equal(rmdir(front->folder), 0);
}

/* Say it, then read until nothing more comes. */
static void say_and_listen(unsigned port, const char *text)
{
	struct client client = client_open(port);
	struct pollfd wait = { .fd = client.fd, .events = POLLIN };

	client_say(&client, text);
	while (poll(&wait, 1, QUIET_MS) == 1 && client_more(&client)) {
	}
	client_close(&client);
}

static void no_vector_reaches_the_denied_path(void **state)
{
	const struct http_options options = { .listen = NULL };
	struct http_stand stand = http_stand_start(&options, 0);
	struct front front = front_start(stand.port);
	struct client client = client_open(front.port);

	(void)state;
	client_expect(&client, GET "\r\n", 200);
	client_expect(&client, HIDDEN, 403);
	client_close(&client);
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		say_and_listen(front.port, vectors[i]);
		if (http_stand_count(&stand, "admin") != 0) {
			fail_msg("this one reached it: %s", vectors[i]);
		}
	}
	front_stop(&front);
	/* The count can count: without haproxy in front the path is there. */
	say_and_listen(stand.port, HIDDEN);
	assert_int_equal(http_stand_count(&stand, "admin"), 1);
	http_stand_stop(&stand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_vector_reaches_the_denied_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
