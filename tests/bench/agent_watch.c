/*
 * Follows many sessions over SSE and tells how old the times are that their agents print:
 * "@" and 20 digits, nanoseconds of CLOCK_MONOTONIC, as tests/support/lines_agent.c says them.
 *
 * usage: agent_watch PORT KEY SECONDS SESSION...      of SECONDS the first one does not count
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum {
	DIGITS = 20,
	CHUNK = 64 * 1024,
	REQUEST_MAX = 1024,
	SAMPLES_MAX = 16 * 1024 * 1024,
	EVENTS_AT_ONCE = 64,
	FIRST_ARG = 4,
};

static const uint64_t second_ns = 1000 * 1000 * 1000;

struct stream {
	int fd;
	char rest[DIGITS + 1]; /* the end of what was read */
	size_t rest_len;
};

struct samples {
	uint32_t *us;
	size_t count;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * second_ns + (uint64_t)ts.tv_nsec;
}

static void give_up(const char *what)
{
	perror(what);
	exit(1);
}

static void follow(struct stream *s, unsigned port, const char *key, const char *sid)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
		                        .sin_port = htons((uint16_t)port),
		                        .sin_addr = { htonl(INADDR_LOOPBACK) } };
	char request[REQUEST_MAX];
	const int n = snprintf(request, sizeof(request),
	                       "GET /api/v1/sessions/%s/events HTTP/1.1\r\nHost: localhost\r\n"
	                       "Authorization: ApiKey %s\r\nAccept: text/event-stream\r\n\r\n",
	                       sid, key);

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
	    write(s->fd, request, (size_t)n) != n || fcntl(s->fd, F_SETFL, O_NONBLOCK) != 0) {
		give_up("connect");
	}
}

static void note(struct samples *samples, struct str digits, uint64_t now, uint64_t from)
{
	uint64_t said;

	if (parse_u64(digits, UINT64_MAX, &said) && said >= from && said <= now &&
	    samples->count < SAMPLES_MAX) {
		samples->us[samples->count++] = (uint32_t)((now - said) / 1000);
	}
}

/* A time that is cut by the end of a read is looked at with the next one. */
static int take(struct stream *s, struct samples *samples, uint64_t from)
{
	static char text[DIGITS + 1 + CHUNK];
	ssize_t n;
	size_t len, at = 0;

	memcpy(text, s->rest, s->rest_len);
	n = read(s->fd, text + s->rest_len, CHUNK);
	if (n <= 0) {
		return n == 0 ? -1 : 0;
	}
	len = s->rest_len + (size_t)n;
	while (at + DIGITS < len) {
		const char *mark = memchr(text + at, '@', len - at - DIGITS);

		if (mark == NULL) {
			at = len - DIGITS;
			break;
		}
		note(samples, str_make(mark + 1, DIGITS), now_ns(), from);
		at = (size_t)(mark + 1 - text);
	}
	s->rest_len = len - at;
	memcpy(s->rest, text + at, s->rest_len);
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print(struct samples *samples, size_t sessions, double seconds)
{
	const uint32_t *us = samples->us;
	size_t n = samples->count;

	qsort(samples->us, n, sizeof(*samples->us), by_size);
	if (n == 0) {
		printf("nothing arrived\n");
		exit(1);
	}
	printf("%zu sessions, %.0f events/s: p50 %.2f ms, p90 %.2f, p99 %.2f, p99.9 %.2f, most "
	       "%.2f\n",
	       sessions, (double)n / seconds, us[n / 2] / 1e3, us[n * 9 / 10] / 1e3,
	       us[n * 99 / 100] / 1e3, us[n * 999 / 1000] / 1e3, us[n - 1] / 1e3);
}

int main(int argc, char **argv)
{
	struct samples samples = { mem_calloc(SAMPLES_MAX, sizeof(uint32_t)), 0 };
	uint64_t port = 0, seconds = 0, began = now_ns(), end;
	struct stream *streams;
	size_t count;
	int poll;

	if (argc <= FIRST_ARG || !parse_u64(str_of(argv[1]), UINT16_MAX, &port) ||
	    !parse_u64(str_of(argv[3]), 3600, &seconds) || seconds < 2) {
		(void)fprintf(stderr, "usage: agent_watch PORT KEY SECONDS SESSION...\n");
		return 2;
	}
	count = (size_t)(argc - FIRST_ARG);
	streams = mem_calloc(count, sizeof(*streams));
	poll = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = &streams[i] } };

		follow(&streams[i], (unsigned)port, argv[2], argv[FIRST_ARG + i]);
		(void)epoll_ctl(poll, EPOLL_CTL_ADD, streams[i].fd, &event);
	}
	began = now_ns();
	end = began + seconds * second_ns;
	while (now_ns() < end) {
		struct epoll_event events[EVENTS_AT_ONCE];
		const int n = epoll_wait(poll, events, EVENTS_AT_ONCE, 100);

		for (int i = 0; i < n; i++) {
			if (take(events[i].data.ptr, &samples, began + second_ns) != 0) {
				(void)fprintf(stderr, "a stream has ended\n");
				return 1;
			}
		}
	}
	print(&samples, count, (double)(seconds - 1));
	return 0;
}
