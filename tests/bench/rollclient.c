/*
 * The clients of tests/bench/rolling, in one process: streams that are opened again when they end,
 * and requests at an even rate, of which each is seen to succeed.
 *
 *	rollclient PORT STREAMS REQUESTS_A_SECOND SESSION...
 *
 * The key is in FAIRLEAD_API_KEY.  A line on standard input asks for a line of JSON: "look" for
 * how many streams are open, "part" for what was since the last part, "end" for all of it, and ends
 * it.  A stream is without a connection from the note that its node drains, or its end, to the
 * first byte of the next one's body.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/roll.h"

enum { EVENTS_MAX = 512, TURN_MS = 1, ARGS = 4, STREAMS_MAX = 20000, RATE_MAX = 10000 };

static struct roll roll = { 0 };

void roll_die(const char *what)
{
	(void)fprintf(stderr, "rollclient: %s: %s\n", what, strerror(errno));
	exit(2);
}

void roll_time(struct roll_times *times, uint64_t us)
{
	if (times->us == NULL) {
		times->us = mem_calloc(ROLL_TIMES_MAX, sizeof(*times->us));
	}
	if (times->count < ROLL_TIMES_MAX) {
		times->us[times->count++] = (uint32_t)(us < UINT32_MAX ? us : UINT32_MAX);
	}
}

void roll_dial(struct roll *r, struct roll_end *end)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons((uint16_t)r->port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = end };
	void *address = &to;
	int on = 1;

	end->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (end->fd < 0) {
		roll_die("socket");
	}
	(void)setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(end->fd, address, sizeof(to)) != 0 && errno != EINPROGRESS) {
		roll_die("connect");
	}
	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, end->fd, &event) != 0) {
		roll_die("epoll");
	}
}

void roll_close(struct roll_end *end)
{
	if (end->fd >= 0) {
		(void)close(end->fd);
		end->fd = -1;
	}
}

/* ---- what is told ---- */

static int by_size(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void say_times(const char *name, const struct roll_times *times, size_t from)
{
	static const double shares[] = { 0.5, 0.99, 1 };
	size_t count = times->count - from;
	uint32_t *sorted = mem_calloc(count + 1, sizeof(*sorted));

	if (count > 0) {
		memcpy(sorted, times->us + from, count * sizeof(*sorted));
		qsort(sorted, count, sizeof(*sorted), by_size);
	}
	(void)printf(",\"%s\":{\"count\":%zu,\"ms\":[", name, count);
	for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
		size_t at = (size_t)(shares[i] * (double)count);

		(void)printf("%s%.1f", i > 0 ? "," : "",
		             count == 0 ? 0.0 : sorted[at < count ? at : count - 1] / 1e3);
	}
	(void)printf("]}");
	free(sorted);
}

static void say_words(void)
{
	(void)printf(",\"said\":[");
	for (size_t i = 0; i < roll.said_count; i++) {
		(void)printf("%s\"", i > 0 ? "," : "");
		for (const char *at = roll.said[i]; *at != '\0'; at++) {
			(void)putchar(*at < ' ' || *at == '"' || *at == '\\' ? ' ' : *at);
		}
		(void)printf("\"");
	}
	(void)printf("]");
}

static void report(bool all)
{
	(void)printf("{\"open\":%zu,\"refused\":%zu,\"missed\":%zu,\"failed\":%zu", roll.open,
	             roll.refused, roll.missed, roll.failed - (all ? 0 : roll.failed_told));
	say_times("without", &roll.without, all ? 0 : roll.without.told);
	say_times("events", &roll.events, all ? 0 : roll.events.told);
	say_times("answers", &roll.answers, all ? 0 : roll.answers.told);
	say_words();
	(void)printf("}\n");
	roll.failed_told = roll.failed;
	roll.without.told = roll.without.count;
	roll.events.told = roll.events.count;
	roll.answers.told = roll.answers.count;
}

/* False: that was the last. */
static bool obey(void)
{
	char line[16];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n < 0 && errno == EAGAIN) {
		return true;
	}
	if (n <= 0) {
		return false;
	}
	line[n] = '\0';
	if (strcmp(line, "look\n") == 0) {
		(void)printf("{\"open\":%zu}\n", roll.open);
	} else {
		report(strcmp(line, "end\n") == 0);
	}
	(void)fflush(stdout);
	return strcmp(line, "end\n") != 0;
}

/* ---- turns ---- */

/* Whoever was closed in this turn is not told of what came before. */
static void turn(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(roll.epoll, events, EVENTS_MAX, TURN_MS);

	for (int i = 0; i < n; i++) {
		struct roll_end *end = events[i].data.ptr;

		if (end != NULL && end->fd >= 0) {
			end->ready(&roll, end);
		}
	}
	roll_streams_turn(&roll);
	roll_calls_turn(&roll);
}

static unsigned number(const char *text, uint64_t max)
{
	uint64_t n = 0;

	if (!parse_u64(str_of(text), max, &n) || n == 0) {
		errno = EINVAL;
		roll_die(text);
	}
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	roll.key = getenv("FAIRLEAD_API_KEY");
	if (argc < ARGS + 1 || argc > ARGS + ROLL_SESSIONS_MAX || roll.key == NULL) {
		(void)fprintf(stderr,
		              "usage: rollclient PORT STREAMS REQUESTS_A_SECOND SESSION..., "
		              "with FAIRLEAD_API_KEY\n");
		return 2;
	}
	roll.port = number(argv[1], UINT16_MAX);
	roll.streams = number(argv[2], STREAMS_MAX);
	roll.rate = number(argv[3], RATE_MAX);
	for (int i = ARGS; i < argc; i++) {
		roll.sessions[roll.session_count++] = argv[i];
	}
	(void)signal(SIGPIPE, SIG_IGN);
	roll.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (roll.epoll < 0 || fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0) {
		roll_die("standard input");
	}
	roll.began_us = clock_mono_us();
	roll_streams_begin(&roll);
	roll_calls_begin(&roll);
	while (obey()) {
		turn();
	}
	return 0;
}
